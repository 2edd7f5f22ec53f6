//! dynamodb

pub mod cache;
pub mod capacity;
pub mod codec;
pub mod describe;
pub mod error;
pub mod expression;
pub mod key;
pub mod legacy;
pub mod maintenance;
pub mod number;
pub mod ops;
pub mod parameters;
pub mod read;
pub mod schema;
pub mod size;
pub mod store;
pub mod table;
pub mod validate;
pub mod value;
pub mod write;

#[derive(Default)]
pub struct DynamoDb {
    cache: cache::Cache,
}
