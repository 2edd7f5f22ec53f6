//! The pair of traits that every protocol implements and every shape is walked by.
//!
//! A [`Decoder`] always knows the schema of the value at hand; composite values hand the decoder of each part to a
//! closure. An [`Encoder`] is told what comes next and keeps the schemas on a stack of its own. Neither validates
//! constraints: [`crate::validate`] does, after a successful decode.

use bytes::Bytes;

use crate::schema::Schema;
use crate::stream::ByteStream;
use crate::timestamp::Timestamp;

/// Why a message could not be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The bytes are not of the protocol's format at all.
    Malformed(String),
    /// The format is right, but a value has a type that the shape does not allow. The text is AWS's.
    Type(String),
    /// A union with no member or with more than one.
    Union { schema: String, members: usize },
    /// Deeper than [`MAX_DEPTH`], or more entries than the protocol allows.
    Limit(String),
}

impl std::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            DecodeError::Malformed(text) | DecodeError::Type(text) | DecodeError::Limit(text) => f.write_str(text),
            DecodeError::Union { schema, members: 0 } => write!(f, "union {schema} has no member set"),
            DecodeError::Union { schema, members } => write!(f, "union {schema} has {members} members set"),
        }
    }
}

impl std::error::Error for DecodeError {}

pub type Result<T = ()> = std::result::Result<T, DecodeError>;

/// How deep values may nest; beyond it a request is refused before it can exhaust the stack.
pub const MAX_DEPTH: usize = 128;

pub type EachMember<'a> = &'a mut dyn FnMut(usize, &mut dyn Decoder) -> Result;
pub type EachElement<'a> = &'a mut dyn FnMut(&mut dyn Decoder) -> Result;
pub type EachEntry<'a> = &'a mut dyn FnMut(String, &mut dyn Decoder) -> Result;

/// The place at hand cannot carry a value of this schema: a list in a label, say.
fn unexpected<T>(schema: &'static Schema) -> Result<T> {
    Err(DecodeError::Type(format!("{} cannot be read here", schema.name)))
}

/// Reads one value. A method that a decoder does not implement is a kind of value that cannot stand there. Every method consumes the value at hand, so exactly one of them is called, once.
pub trait Decoder {
    /// The schema of the value at hand.
    fn schema(&self) -> &'static Schema;
    /// True, and the value is consumed, where it is an explicit null (in sparse lists and maps).
    fn null(&mut self) -> bool {
        false
    }
    fn boolean(&mut self) -> Result<bool> {
        unexpected(self.schema())
    }
    fn integer(&mut self) -> Result<i64> {
        unexpected(self.schema())
    }
    fn double(&mut self) -> Result<f64> {
        unexpected(self.schema())
    }
    fn string(&mut self) -> Result<String> {
        unexpected(self.schema())
    }
    fn blob(&mut self) -> Result<Bytes> {
        unexpected(self.schema())
    }
    fn timestamp(&mut self) -> Result<Timestamp> {
        unexpected(self.schema())
    }
    fn document(&mut self) -> Result<serde_json::Value> {
        unexpected(self.schema())
    }
    /// A streaming payload; only HTTP bindings have one.
    fn stream(&mut self) -> Result<ByteStream> {
        Ok(ByteStream::from(self.blob()?))
    }
    /// Calls `each` for every member present, with the member's index in the schema. Unknown members are skipped.
    fn structure(&mut self, _each: EachMember<'_>) -> Result {
        unexpected(self.schema())
    }
    fn list(&mut self, _each: EachElement<'_>) -> Result {
        unexpected(self.schema())
    }
    fn map(&mut self, _each: EachEntry<'_>) -> Result {
        unexpected(self.schema())
    }
}

/// Writes one value. `member`, `element` and `key` announce what the following call writes.
pub trait Encoder {
    /// About as many bytes follow.
    fn reserve(&mut self, _bytes: usize) {}
    fn boolean(&mut self, value: bool);
    fn integer(&mut self, value: i64);
    fn float(&mut self, value: f32) {
        self.double(f64::from(value));
    }
    fn double(&mut self, value: f64);
    fn string(&mut self, value: &str);
    fn blob(&mut self, value: &[u8]);
    fn timestamp(&mut self, value: Timestamp);
    fn document(&mut self, value: &serde_json::Value);
    fn null(&mut self);
    fn stream(&mut self, value: &ByteStream);
    fn begin_structure(&mut self);
    /// The member with this index follows.
    fn member(&mut self, index: usize);
    fn end_structure(&mut self);
    fn begin_list(&mut self, len: usize);
    fn element(&mut self);
    fn end_list(&mut self);
    fn begin_map(&mut self, len: usize);
    fn key(&mut self, key: &str);
    fn end_map(&mut self);
}
