//! All that the author of a service imports.
//!
//! A service is a struct with a [`Service`] implementation, a list of [`operations!`], and one [`operation!`]
//! declaration beside each handler. It sees typed requests and a [`Context`], and answers typed responses or its own
//! errors. HTTP, protocols, signatures, authorization and the audit trail are the gateway's.

mod arn;
mod clock;
mod cloud;
mod context;
mod directory;
mod error;
mod front;
mod operation;
mod page;
mod principal;
mod random;
mod record;
mod tags;
#[cfg(feature = "testing")]
pub mod testing;

pub use arn::Arn;
pub use clock::{Clock, ClockMode};
pub use cloud::{AuditEvent, Cloud, CloudConfig, Event, Measurement, Metrics, Parts, ServiceEvent, Stages};
pub use context::{Caller, Context, Origin, Signed};
pub use directory::{Credential, Directory, NewSession, Opened, Role, Session, SessionCredentials};
pub use error::{ApiError, Internal};
pub use front::{Front, FrontRequest, FrontResponse};
pub use operation::{Access, AnyOperation, BoxFuture, CrossOrigin, CrossOriginAnswer, Implements, Service, Typed};
pub use page::{Page, decode_token, encode_token};
pub use principal::Principal;
pub use random::{Random, hex, uuid_text};
pub use record::{from_record, to_record};
pub use tags::{TagError, check_tags};

pub use bytes::Bytes;
pub use events;
pub use policy;
pub use store::{Durability, Key, Range, Scan, Snapshot, Store, StoreError, Transaction};
pub use wire::{ByteStream, Operation, Timestamp};
