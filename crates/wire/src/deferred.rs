//! Parts of an answer that are written from where they lie, without becoming values first.
//!
//! An operation that answers with a megabyte of stored records would decode them into a tree only for an encoder to walk
//! it. A [`Source`] talks to the encoder itself. Who calls the operation from inside the cloud still gets values.

use std::fmt;
use std::sync::Arc;

use crate::codec::{Decoder, Encoder, Result};
use crate::shape::Shape;

/// Something that can be written as a `T`, and be made one.
///
/// By the time it is encoded the answer has begun, so it must have been checked before: encoding cannot fail.
pub trait Source<T>: Send + Sync {
    fn encode(&self, encoder: &mut dyn Encoder);
    fn value(&self) -> T;
}

/// A `T`, or what can be written as one.
pub enum Deferred<T> {
    Value(T),
    Source(Arc<dyn Source<T>>),
}

impl<T> Deferred<T> {
    pub fn new(source: impl Source<T> + 'static) -> Deferred<T> {
        Deferred::Source(Arc::new(source))
    }

    pub fn into_value(self) -> T {
        match self {
            Deferred::Value(value) => value,
            Deferred::Source(source) => source.value(),
        }
    }
}

impl<T> From<T> for Deferred<T> {
    fn from(value: T) -> Self {
        Deferred::Value(value)
    }
}

impl<T: Clone> Clone for Deferred<T> {
    fn clone(&self) -> Self {
        match self {
            Deferred::Value(value) => Deferred::Value(value.clone()),
            Deferred::Source(source) => Deferred::Source(source.clone()),
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Deferred<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Deferred::Value(value) => value.fmt(f),
            Deferred::Source(source) => source.value().fmt(f),
        }
    }
}

impl<T: Clone + PartialEq> PartialEq for Deferred<T> {
    fn eq(&self, other: &Self) -> bool {
        self.clone().into_value() == other.clone().into_value()
    }
}

impl<T: Shape> Shape for Deferred<T> {
    fn decode(decoder: &mut dyn Decoder, missing: &mut bool) -> Result<Self> {
        T::decode(decoder, missing).map(Deferred::Value)
    }

    fn encode(&self, encoder: &mut dyn Encoder) {
        match self {
            Deferred::Value(value) => value.encode(encoder),
            Deferred::Source(source) => source.encode(encoder),
        }
    }
}
