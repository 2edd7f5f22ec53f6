//! A body that is passed on as it arrives, never held whole.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use parking_lot::Mutex;

/// A chunk of a body, or the reason why the body broke off.
pub type Chunk = Result<Bytes, StreamError>;

/// Why a stream ended early. The text is for the log; `code` is AWS's error code where the sender is at fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamError {
    pub code: &'static str,
    pub message: String,
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for StreamError {}

enum Source {
    Bytes(Bytes),
    Stream(Pin<Box<dyn Stream<Item = Chunk> + Send>>),
    Taken,
}

/// A body that can be read once. Clones share it; two are equal only when they are the same one, or both are
/// known to be the same bytes.
#[derive(Clone)]
pub struct ByteStream {
    source: Arc<Mutex<Source>>,
    len: Option<u64>,
}

impl ByteStream {
    /// A stream of `len` bytes in total, where that is known beforehand.
    pub fn new(stream: impl Stream<Item = Chunk> + Send + 'static, len: Option<u64>) -> Self {
        ByteStream { source: Arc::new(Mutex::new(Source::Stream(Box::pin(stream)))), len }
    }

    /// The number of bytes, where it is known.
    pub fn len(&self) -> Option<u64> {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == Some(0)
    }

    /// The whole body, where it is at hand without waiting. The stream keeps it.
    pub fn bytes(&self) -> Option<Bytes> {
        match &*self.source.lock() {
            Source::Bytes(bytes) => Some(bytes.clone()),
            _ => None,
        }
    }

    /// Takes the body out as a stream; a second call yields an empty one.
    pub fn take(&self) -> Pin<Box<dyn Stream<Item = Chunk> + Send>> {
        match std::mem::replace(&mut *self.source.lock(), Source::Taken) {
            Source::Bytes(bytes) if bytes.is_empty() => Box::pin(futures_util::stream::empty()),
            Source::Bytes(bytes) => Box::pin(futures_util::stream::once(async move { Ok(bytes) })),
            Source::Stream(stream) => stream,
            Source::Taken => Box::pin(futures_util::stream::empty()),
        }
    }

    /// Reads the whole body, refusing one of more than `limit` bytes.
    pub async fn collect(&self, limit: usize) -> Chunk {
        let too_large = || StreamError {
            code: "EntityTooLarge",
            message: "Your proposed upload exceeds the maximum allowed size".to_owned(),
        };
        if let Some(bytes) = self.bytes() {
            return if bytes.len() > limit { Err(too_large()) } else { Ok(bytes) };
        }
        let mut stream = self.take();
        let mut all = BytesMut::new();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk?;
            if all.len() + chunk.len() > limit {
                return Err(too_large());
            }
            all.extend_from_slice(&chunk);
        }
        Ok(all.freeze())
    }
}

impl From<Bytes> for ByteStream {
    fn from(bytes: Bytes) -> Self {
        let len = Some(bytes.len() as u64);
        ByteStream { source: Arc::new(Mutex::new(Source::Bytes(bytes))), len }
    }
}

impl Default for ByteStream {
    fn default() -> Self {
        ByteStream::from(Bytes::new())
    }
}

impl PartialEq for ByteStream {
    fn eq(&self, other: &Self) -> bool {
        if Arc::ptr_eq(&self.source, &other.source) {
            return true;
        }
        matches!((self.bytes(), other.bytes()), (Some(a), Some(b)) if a == b)
    }
}

impl fmt::Debug for ByteStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByteStream").field("len", &self.len).finish_non_exhaustive()
    }
}
