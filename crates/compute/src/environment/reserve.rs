//! Runtimes started before a function needs them, so that a cold start costs a hand-over instead of a boot.
//!
//! A reserved runtime waits inside a sandbox without a function. On hand-over its code is mounted, its limits are set and
//! its variables are told. A function whose variables would have changed how the interpreter itself starts, or
//! that has external extensions, gets a fresh one.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::launch::{self, Installation, mebibytes};
use super::pool::{Inner, Machine};
use super::process::Process;
use super::{FunctionSpec, launch::TASK};
use crate::interpreters::Language;
use crate::sandbox::{Backend, Mount};

/// Reserved runtimes by interpreter and SDK.
#[derive(Default)]
pub struct Reserve {
    waiting: Mutex<HashMap<Key, Vec<Process>>>,
    used: Mutex<Option<Instant>>,
    filling: tokio::sync::Mutex<()>,
}

type Key = (PathBuf, Option<PathBuf>);

fn key(installation: &Installation) -> Option<Key> {
    // A Java virtual machine is not started before its function is known: it could not be given its classes.
    let interpreter = installation.interpreter.as_ref().filter(|one| one.language != Language::Java)?;
    Some((interpreter.program.clone(), installation.sdk.clone()))
}

/// Prefixes of variables that an interpreter or the loader reads before any code runs.
const EARLY: [&str; 4] = ["NODE_OPTIONS", "NODE_EXTRA", "PYTHON", "LD_"];

fn needs_fresh(function: &FunctionSpec) -> bool {
    let early = |(name, _): &(String, String)| EARLY.iter().any(|prefix| name.starts_with(prefix));
    function.environment.iter().any(early) || !launch::extensions(function).is_empty()
}

impl Reserve {
    /// Hands a waiting runtime over to a function, if there is one that fits.
    pub async fn take(
        &self,
        installation: &Installation,
        function: &FunctionSpec,
        variables: &[(String, String)],
    ) -> Option<Process> {
        let key = key(installation).filter(|_| !needs_fresh(function))?;
        let mut process = loop {
            let process = self.waiting.lock().get_mut(&key)?.pop()?;
            if !process.sandbox.has_exited() {
                break process;
            }
        };
        let layers = function.layers.iter().map(|layers| Mount::new(layers, launch::LAYERS));
        let mounts = [Mount::new(&function.code, TASK)].into_iter().chain(layers).collect();
        let (memory, temporary) = (mebibytes(function.memory_mb), mebibytes(function.ephemeral_mb));
        if let Err(error) = process.sandbox.inject(mounts, memory, temporary).await {
            tracing::warn!(%error, "a reserved runtime could not be handed over");
            return None;
        }
        let variables: HashMap<&str, &str> =
            variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let assignment = serde_json::json!({ "env": variables, "flags": launch::heap_flag(function.memory_mb) });
        // What the runtime wrote while it waited is nobody's.
        process.logs.drain();
        process.logs.take();
        process.api.assign(assignment.to_string().into());
        Some(process)
    }

    /// Ends waiting runtimes if none has been asked for lately; the next start fills the reserve again.
    pub fn release_unused(&self, after: Duration) {
        if self.used.lock().is_some_and(|used| used.elapsed() > after) {
            self.waiting.lock().clear();
        }
    }

    /// Starts as many runtimes as are missing.
    pub async fn fill(&self, inner: &Arc<Inner>, machine: &Machine, installation: &Installation) {
        let Some(key) = key(installation).filter(|_| machine.can_reserve()) else { return };
        let _one_at_a_time = self.filling.lock().await;
        *self.used.lock() = Some(Instant::now());
        let config = &inner.config;
        while self.waiting.lock().get(&key).map_or(0, Vec::len) < config.reserve {
            let mut variables = launch::base_variables(Backend::Native, installation);
            variables.push(("WELKIN_ASSIGNMENT".into(), "1".into()));
            variables.push(("LAMBDA_TASK_ROOT".into(), TASK.into()));
            let spec = launch::sandbox(Backend::Native, installation, None, variables, config.endpoint_port);
            let started = match spec {
                Ok(spec) => {
                    let clock = config.wall_clock.clone();
                    Process::start(&inner.sandboxes, spec, config.endpoint_port, clock)
                        .await
                        .map_err(super::Error::from)
                }
                Err(error) => Err(error),
            };
            match started {
                Ok(process) => self.waiting.lock().entry(key.clone()).or_default().push(process),
                Err(error) => {
                    tracing::warn!(%error, "no runtime could be started ahead of need");
                    return;
                }
            }
        }
    }
}
