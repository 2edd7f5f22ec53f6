//! Event source mappings: pollers that read a stream and invoke a function with batches of its records.
//!
//! - [`record`]: a mapping as it is stored, and how far it has come in each shard;
//! - [`source`]: what can be read (DynamoDB Streams; queues and Kinesis have their place beside it);
//! - [`batch`]: what becomes of a batch after an invocation: done, tried again, halved, given up;
//! - [`poller`]: one task per enabled mapping;
//! - [`window`]: tumbling windows, the state that a function carries through a span of time.
//!
//! A record is behind the mapping when its batch has ended, and that is stored before the next batch begins: a record reaches
//! the function at least once, and within a shard (and a partition key) in its order.

pub mod batch;
pub mod poller;
pub mod record;
pub mod source;
mod window;
mod windowed;
