//! Processes that run other people's code: sandboxes, and the Lambda execution environments built on them.
//!
//! From the ground up:
//! - [`sandbox`]: one isolated process tree with a file system, limits and (natively) a network of its own. Two backends,
//!   chosen by a probe that reports what it found; everything in a sandbox dies with it, and with the server.
//! - [`interpreters`]: which Node.js, Python and Java this machine has, and which one stands in for a Lambda runtime.
//! - [`sdk`]: the AWS SDKs that functions may import without bundling, installed once into a cache folder.
//! - [`bootstraps`]: the small programs that load a handler and speak the Runtime API.
//! - [`runtime_api`]: the Lambda Runtime API and those of extensions, one listener per environment.
//! - [`environment`]: initialise, invoke, time out, report and reuse execution environments; a pool of them per function.
//!
//! Invariants: no wall clock (the caller injects one), no environment variables of the server reach a function, one
//! environment can never answer for another, nothing here knows about AWS services or their state.
//!
//! Limits: a native sandbox reaches only the endpoint it was given (there is no route to the internet), and programs that a
//! function leaves behind are not reaped before the sandbox ends, because the runtime itself is process 1.

pub mod bootstraps;
pub mod environment;
pub mod interpreters;
pub mod runtime_api;
pub mod sandbox;
pub mod sdk;
mod time;

pub use environment::{Credentials, Environments, FunctionSpec, Identity, Invocation, LogLine, Outcome, Report};
pub use runtime_api::{Part, Sink};
pub use sandbox::{Backend, Probe};
