//! The operations, by what they are about.

pub mod backup;
pub mod batch;
pub mod bulk;
pub mod export;
pub mod global;
pub mod import;
pub mod insights;
pub mod item;
pub mod kinesis;
pub mod policy;
pub mod query;
pub mod replica;
pub mod replica_scaling;
pub mod restore;
pub mod scan;
pub mod settings;
pub mod statement;
pub mod statements;
pub mod table;
pub mod table_update;
pub mod tag;
pub mod transaction;
pub mod ttl;
pub mod vectors;
