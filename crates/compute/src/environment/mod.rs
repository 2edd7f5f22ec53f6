//! Execution environments of functions: started on demand, reused while warm, ended when idle or too old.
//!
//! [`Environments::invoke`] is the whole of it for a service. An environment serves one invocation at a time; concurrent
//! invocations of a function get environments of their own. Environments are found again by [`FunctionSpec::revision`], so a
//! changed function never meets an old environment. How long an environment lives is measured on the machine's monotonic
//! clock; the times that a function or its logs see come from the injected wall clock.

mod instance;
mod launch;
mod logs;
mod platform;
mod pool;
mod process;
mod report;
mod reserve;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

pub use logs::LogLine;
pub use platform::{Level, LogFormat};
pub use pool::Environments;
pub use report::{Report, Status};

use crate::runtime_api::Sink;
use crate::sandbox::Backend;

/// What [`Environments`] needs to know about its surroundings.
#[derive(Clone)]
pub struct Config {
    /// For bootstraps, mount points and temporary directories.
    pub work: PathBuf,
    /// For the SDKs.
    pub cache: PathBuf,
    /// Where interpreters are looked for.
    pub path: String,
    pub home: Option<PathBuf>,
    /// The port on this machine's loopback address where the cloud's endpoint answers plain HTTP.
    pub endpoint_port: u16,
    /// A backend to use instead of the best one.
    pub backend: Option<Backend>,
    /// The time of day in milliseconds since 1970, as functions see it.
    pub wall_clock: WallClock,
    /// How long an environment waits for its next invocation.
    pub idle: Duration,
    /// How old an environment may become; must be less than its credentials' lifetime.
    pub lifetime: Duration,
    /// How many environments may exist at once; more invocations wait.
    pub capacity: usize,
    /// How many runtimes of each kind are started before a function needs them.
    pub reserve: usize,
}

pub type WallClock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// One version of a function, as far as running it is concerned.
#[derive(Clone, Debug)]
pub struct FunctionSpec {
    pub arn: String,
    pub name: String,
    pub version: String,
    /// Changes whenever anything in this structure does.
    pub revision: String,
    pub region: String,
    pub runtime: String,
    pub handler: String,
    pub environment: Vec<(String, String)>,
    pub memory_mb: u32,
    pub timeout: Duration,
    pub ephemeral_mb: u32,
    pub code: PathBuf,
    /// The merged layers, if there are any.
    pub layers: Option<PathBuf>,
    pub log_group: String,
    pub log_format: LogFormat,
    /// Started ahead of need, because the function says so.
    pub provisioned: bool,
}

/// Who an environment is; asked for only when one starts.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    pub credentials: Credentials,
    pub log_stream: String,
}

#[derive(Clone, Debug, Default)]
pub struct Credentials {
    pub access_key_id: String,
    pub secret_access_key: String,
    pub session_token: String,
}

#[derive(Clone, Debug, Default)]
pub struct Invocation {
    pub request_id: String,
    pub payload: Bytes,
    /// The ARN that the caller used; it may name an alias.
    pub invoked_arn: String,
    pub trace_id: Option<String>,
    pub client_context: Option<String>,
    pub cognito_identity: Option<String>,
    /// On whose behalf the function is invoked, where it keeps tenants apart.
    pub tenant: Option<String>,
    /// Where the parts of a streamed response go as they come.
    pub sink: Option<Sink>,
}

/// How an invocation ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub payload: Bytes,
    /// The function, not the cloud, failed.
    pub function_error: Option<&'static str>,
    pub logs: Vec<LogLine>,
    pub log_stream: String,
    pub report: Report,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("runtime {0} is not supported")]
    UnsupportedRuntime(String),
    #[error("no interpreter for {0} is installed on this machine")]
    NoInterpreter(String),
    #[error(transparent)]
    Sandbox(#[from] crate::sandbox::Error),
    #[error("could not prepare environments: {0}")]
    Io(#[from] std::io::Error),
    #[error("could not install the SDK: {0}")]
    Sdk(#[from] crate::sdk::Error),
    #[error("no identity for the function: {0}")]
    Identity(String),
}
