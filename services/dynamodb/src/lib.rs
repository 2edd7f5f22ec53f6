//! dynamodb

pub mod codec;
pub mod error;
pub mod expression;
pub mod key;
pub mod legacy;
pub mod number;
pub mod size;
pub mod validate;
pub mod value;
