//! AWS's wire protocols, once for every service.
//!
//! The generated `api` crates declare shapes with static [`Schema`]s; one [`Decoder`] and one [`Encoder`] per
//! protocol walk them. Everything here is a pure function of bytes and schemas: no I/O, no clock, no policy.
//!
//! - [`schema`], [`shape`], [`value`], [`deferred`]: what is carried
//! - [`json`], [`xml`], [`query`], [`cbor`], [`rest`]: how it is written
//! - [`protocol`]: which of those a request and its response use
//! - [`validate`]: the constraints of the model
//! - [`client`]: the other side of every protocol, for tests and benches

pub mod cbor;
pub mod client;
pub mod codec;
pub mod deferred;
pub mod error;
pub mod eventstream;
pub mod json;
pub mod protocol;
pub mod query;
pub mod rest;
pub mod schema;
pub mod shape;
pub mod stream;
pub mod timestamp;
pub mod validate;
pub mod value;
pub mod xml;

pub use codec::{DecodeError, Decoder, Encoder};
pub use deferred::{Deferred, Source};
pub use error::ErrorReply;
pub use schema::{
    Constraints, Kind, Location, Member, OperationModel, Protocol, Schema, ServiceModel, TimestampFormat, simple,
};
pub use shape::{Operation, OperationVisitor, Shape, Structure, UNIT, Unit, required};
pub use stream::{ByteStream, StreamError};
pub use timestamp::Timestamp;
pub use validate::{Violation, Violations};
pub use value::Value;
