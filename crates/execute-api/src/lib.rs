//! What the REST, HTTP and WebSocket APIs of API Gateway have in common when they serve requests: where an API lives
//! ([`site`]), the functions, services and endpoints behind it ([`backend`]), its throttles, logs and metrics.
//!
//! AWS manages the kinds in two services with one data plane. Here too each service is a crate of its own, and both
//! build on this one, which knows neither. It keeps no state but caches and buckets.

pub mod backend;
pub mod cache;
pub mod domain;
pub mod logs;
pub mod metrics;
pub mod record;
pub mod relay;
pub mod sample;
pub mod site;
pub mod streamed;
pub mod target;
pub mod text;
pub mod throttle;
pub mod tokens;
pub mod trace;
pub mod unsigned;
pub mod usage;
pub mod yaml;

pub use backend::{Action, Answer, Fetch, Invocation, Invoked, Unanswered, World};
pub use relay::Relay;
