//! dynamodb

pub mod capacity;
pub mod codec;
pub mod describe;
pub mod error;
pub mod expression;
pub mod key;
pub mod legacy;
pub mod number;
pub mod schema;
pub mod size;
pub mod store;
pub mod table;
pub mod validate;
pub mod value;
