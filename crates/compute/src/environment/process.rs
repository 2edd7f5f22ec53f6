//! A runtime process in its sandbox, with its Runtime API, its way to the cloud's endpoint and its logs.

use std::future::Future;
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

use super::WallClock;
use super::logs::Logs;
use crate::runtime_api::RuntimeApi;
use crate::sandbox::{Error, Exit, Sandbox, Sandboxes, Spec};

/// How often memory is looked at while a function runs.
const TICK: Duration = Duration::from_millis(25);

pub struct Process {
    pub sandbox: Sandbox,
    pub api: RuntimeApi,
    pub logs: Logs,
    /// The most memory seen, in bytes.
    pub peak: u64,
    forwarder: AbortHandle,
}

/// How something that a runtime process was doing ended.
pub enum Ended<T> {
    Done(T),
    Exited(Exit),
    TimedOut,
    OutOfMemory,
}

impl Process {
    /// `spec.ports` are the Runtime API and the endpoint, in this order.
    pub async fn start(sandboxes: &Sandboxes, spec: Spec, endpoint_port: u16, clock: WallClock) -> Result<Self, Error> {
        let mut sandbox = sandboxes.start(spec).await?;
        let mut listeners = std::mem::take(&mut sandbox.listeners).into_iter();
        let (Some(api), Some(endpoint)) = (listeners.next(), listeners.next()) else { return Err(Error::SpawnerGone) };
        let broken = |source: std::io::Error| Error::Setup { step: "serving the Runtime API".into(), source };
        let api = RuntimeApi::serve(api).map_err(broken)?;
        api.agents().hub.provide(std::mem::take(&mut sandbox.sockets));
        let logs = Logs::new(&mut sandbox, api.agents().clone(), clock).map_err(broken)?;
        Ok(Self { api, forwarder: forward(endpoint, endpoint_port).map_err(broken)?, logs, sandbox, peak: 0 })
    }

    /// Runs something to its end while collecting logs and watching the process, its memory and the time.
    pub async fn supervise<T>(
        &mut self,
        work: impl Future<Output = T>,
        memory_bytes: u64,
        deadline: Instant,
    ) -> Ended<T> {
        let mut work = std::pin::pin!(work);
        let mut ticks = interval_at(Instant::now() + TICK, TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let Self { sandbox, logs, peak, .. } = self;
        let ended = loop {
            tokio::select! {
                biased;
                done = &mut work => break Ended::Done(done),
                exit = sandbox.exited() => break Ended::Exited(exit),
                () = sleep_until(deadline) => break Ended::TimedOut,
                _ = ticks.tick() => {
                    *peak = sandbox.peak_memory().max(*peak);
                    if sandbox.memory() > memory_bytes {
                        break Ended::OutOfMemory;
                    }
                }
                () = logs.fill() => {}
            }
        };
        *peak = sandbox.peak_memory().max(*peak);
        if matches!(ended, Ended::TimedOut | Ended::OutOfMemory) {
            sandbox.kill();
            sandbox.exited().await;
        }
        if matches!(ended, Ended::Done(_)) {
            logs.drain()
        } else {
            logs.finish()
        }
        ended
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.forwarder.abort();
    }
}

/// Carries connections from a port inside the sandbox to the same port of this machine.
fn forward(listener: TcpListener, port: u16) -> std::io::Result<AbortHandle> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let accepting = tokio::spawn(async move {
        // Connections live in this task's set, so they end when the sandbox does.
        let mut connections = tokio::task::JoinSet::new();
        while let Ok((mut inside, _)) = listener.accept().await {
            connections.spawn(async move {
                let Ok(mut outside) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else { return };
                let _ = (inside.set_nodelay(true), outside.set_nodelay(true));
                let _ = copy_bidirectional(&mut inside, &mut outside).await;
            });
            while connections.try_join_next().is_some() {}
        }
    });
    Ok(accepting.abort_handle())
}
