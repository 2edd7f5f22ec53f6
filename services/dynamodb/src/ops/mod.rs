//! The operations, by what they are about.

pub mod batch;
pub mod item;
pub mod query;
pub mod scan;
pub mod settings;
pub mod statement;
pub mod statements;
pub mod table;
pub mod tag;
pub mod transaction;
pub mod ttl;
