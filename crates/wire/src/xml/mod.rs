//! XML bodies: restXml both ways, and the responses of the query protocols.

mod decode;
mod encode;
mod tree;

pub use decode::{XmlDecoder, decode};
pub use encode::XmlEncoder;
pub use tree::Node;
