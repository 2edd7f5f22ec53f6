//! HTTP bindings of restJson1 and restXml: labels, query parameters, headers, the status code and the body.

mod decode;
mod encode;
mod text;
mod uri;

pub use decode::{Message, decode};
pub use encode::{Parts, RestEncoder};
pub use uri::{UriPattern, parse_query};

/// How the body of a REST message is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFormat {
    Json,
    Xml,
}
