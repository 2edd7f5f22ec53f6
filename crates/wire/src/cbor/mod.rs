//! CBOR bodies: smithy-rpc-v2-cbor. <https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html>

mod decode;
mod encode;

pub use decode::decode;
pub use encode::CborEncoder;
