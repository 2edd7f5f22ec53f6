//! The front door. A request passes these stages, one file each:
//!
//! 1. [`listen`]: TCP, TLS on the same port, HTTP/1.1 and HTTP/2
//! 2. [`identify`]: which service and operation
//! 3. [`authenticate`]: who signed it ([`signature`], [`chunked`] bodies)
//! 4. [`decode`]: the typed input, checked against the model
//! 5. [`authorize`]: whether IAM lets the caller do it
//! 6. call: the service's handler
//! 7. [`audit`]: the record that CloudTrail keeps
//! 8. [`respond`]: the protocol's answer
//!
//! A call from one service to another enters at *authorize* ([`Pipeline`] implements [`service::Stages`]). [`handle`] is
//! the list itself.

pub mod admin;
mod audit;
mod authenticate;
mod authorize;
mod body;
mod checksum;
mod chunked;
mod cors;
mod decode;
mod handle;
mod identify;
mod inflate;
mod listen;
mod respond;
mod s3_signature;
pub mod signature;

pub use authorize::{Explanation, Pipeline};
pub use body::Body;
pub use chunked::{ChunkSigner, ChunkedDecoder};
pub use handle::Gateway;
pub use listen::{ListenError, Server};
