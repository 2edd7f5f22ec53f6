//! JSON bodies: awsJson 1.0 and 1.1, and the body part of restJson1.

mod decode;
mod encode;

pub use decode::{Names, decode};
pub use encode::{JsonEncoder, write_string};
