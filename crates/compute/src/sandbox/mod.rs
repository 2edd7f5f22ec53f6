//! One isolated process tree.
//!
//! [`Sandboxes`] is the machine's ability to start them; it probes on first use and keeps one thread from which every child
//! is started, because the kernel's "die with your parent" signal follows the *thread* that created a child.
//! [`Sandbox`] is one of them: killed when dropped, killed by the kernel when the server dies.

mod probe;
mod process;
mod spawner;

#[cfg(target_os = "linux")]
mod cgroup;
#[cfg(target_os = "linux")]
mod child;
#[cfg(target_os = "linux")]
mod inject;
#[cfg(target_os = "linux")]
mod native;
#[cfg(target_os = "linux")]
mod plan;
#[cfg(target_os = "linux")]
mod seccomp;
#[cfg(target_os = "linux")]
mod tree;

use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use tokio::net::unix::pipe;
use tokio::sync::watch;

pub use probe::Probe;

/// How strongly a sandbox is separated from the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// Linux namespaces, a file system of its own, cgroups and a system call filter.
    Native,
    /// A plain child process in its own session with resource limits: it sees the machine's files and network.
    Process,
}

/// What to start. Paths in `mounts` say where a host directory appears inside; a process sandbox uses host paths instead.
#[derive(Clone, Debug)]
pub struct Spec {
    pub program: PathBuf,
    pub args: Vec<String>,
    pub env: Vec<(String, String)>,
    pub directory: PathBuf,
    pub mounts: Vec<Mount>,
    /// Symbolic links as (path inside, target).
    pub links: Vec<(PathBuf, PathBuf)>,
    /// Directories that exist, empty, so that something can be mounted on them later.
    pub directories: Vec<PathBuf>,
    pub temporary_bytes: u64,
    pub memory_bytes: u64,
    pub processes: u32,
    /// Loopback ports that the sandbox can connect to; the server accepts on them. A process sandbox gets any free ports.
    pub ports: Vec<u16>,
    /// How many sockets to make inside, not connected yet, with which the server can reach what listens there.
    pub sockets: usize,
    /// Descriptor 4 is one more pipe, for programs beside the first.
    pub beside: bool,
}

/// A host directory or file seen read-only inside a sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    pub source: PathBuf,
    pub target: PathBuf,
}

impl Mount {
    pub fn new(source: impl Into<PathBuf>, target: impl Into<PathBuf>) -> Self {
        Self { source: source.into(), target: target.into() }
    }
}

/// How a sandbox's first process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Status(i32),
    Signal(i32),
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("could not start a sandbox: {step}: {source}")]
    Setup { step: String, source: io::Error },
    /// The sandbox was ready, but the program in it cannot be executed.
    #[error("could not execute {program}: {source}")]
    Program { program: String, source: io::Error },
    #[error("the thread that starts sandboxes has ended")]
    SpawnerGone,
}

impl Error {
    fn setup(step: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let step = step.into();
        move |source| Self::Setup { step, source }
    }
}

/// The machine's ability to start sandboxes.
pub struct Sandboxes {
    work: PathBuf,
    forced: Option<Backend>,
    spawner: OnceLock<Arc<spawner::Spawner>>,
}

impl Sandboxes {
    /// `work` is a directory for mount points and private temporary directories. Nothing is probed yet.
    pub fn new(work: impl Into<PathBuf>, forced: Option<Backend>) -> Self {
        Self { work: work.into(), forced, spawner: OnceLock::new() }
    }

    /// What this machine can do, found out once.
    pub fn probe(&self) -> Probe {
        self.spawner().probe.clone()
    }

    pub async fn start(&self, spec: Spec) -> Result<Sandbox, Error> {
        self.spawner().start(spec).await
    }

    fn spawner(&self) -> &Arc<spawner::Spawner> {
        self.spawner.get_or_init(|| Arc::new(spawner::Spawner::new(self.work.clone(), self.forced)))
    }
}

/// A running sandbox; dropping it kills every process in it.
pub struct Sandbox {
    /// Standard output and standard error, as one stream of bytes; for whoever reads it to take.
    pub output: Option<pipe::Receiver>,
    /// Framed log records that a bootstrap writes to descriptor 3 (native sandboxes only).
    pub records: Option<pipe::Receiver>,
    /// What was written to descriptor 4, where that was asked for (native sandboxes only).
    pub extensions: Option<pipe::Receiver>,
    /// As many as `Spec::sockets` (native sandboxes only; others share the machine's network).
    pub sockets: Vec<OwnedFd>,
    /// Accept here what the sandbox connects to, in the order of `Spec::ports`.
    pub listeners: Vec<TcpListener>,
    exit: watch::Receiver<Option<Exit>>,
    handle: Handle,
}

enum Handle {
    #[cfg(target_os = "linux")]
    Native(native::Handle),
    Process(process::Handle),
}

impl Sandbox {
    /// Waits until the first process has ended; everything else in the sandbox has ended with it.
    pub async fn exited(&self) -> Exit {
        let mut exit = self.exit.clone();
        match exit.wait_for(Option::is_some).await {
            Ok(exit) => exit.unwrap_or(Exit::Signal(libc::SIGKILL)),
            Err(_) => Exit::Signal(libc::SIGKILL),
        }
    }

    pub fn has_exited(&self) -> bool {
        self.exit.borrow().is_some()
    }

    pub fn kill(&self) {
        match &self.handle {
            #[cfg(target_os = "linux")]
            Handle::Native(handle) => handle.kill(),
            Handle::Process(handle) => handle.kill(),
        }
    }

    /// Stops every process until [`Self::resume`]. A stopped sandbox can be killed.
    pub fn stop(&self) {
        if self.has_exited() {
            return;
        }
        match &self.handle {
            #[cfg(target_os = "linux")]
            Handle::Native(handle) => handle.stop(),
            Handle::Process(handle) => handle.stop(),
        }
    }

    pub fn resume(&self) {
        if self.has_exited() {
            return;
        }
        match &self.handle {
            #[cfg(target_os = "linux")]
            Handle::Native(handle) => handle.resume(),
            Handle::Process(handle) => handle.resume(),
        }
    }

    /// Memory that only this sandbox uses now (not the page cache, not its temporary files), in bytes.
    pub fn memory(&self) -> u64 {
        match &self.handle {
            #[cfg(target_os = "linux")]
            Handle::Native(handle) => handle.memory(),
            Handle::Process(handle) => handle.memory(),
        }
    }

    /// The most memory that the first process has ever had resident, in bytes.
    pub fn peak_memory(&self) -> u64 {
        match &self.handle {
            #[cfg(target_os = "linux")]
            Handle::Native(handle) => handle.peak_memory(),
            Handle::Process(handle) => handle.peak_memory(),
        }
    }

    /// Puts directories and limits into a sandbox that already runs. Native sandboxes of a privileged server only.
    #[cfg(target_os = "linux")]
    pub async fn inject(&self, mounts: Vec<Mount>, memory_bytes: u64, temporary_bytes: u64) -> Result<(), Error> {
        match &self.handle {
            Handle::Native(handle) => handle.inject(mounts, memory_bytes, temporary_bytes).await,
            Handle::Process(_) => Err(Error::setup("inject")(io::ErrorKind::Unsupported.into())),
        }
    }

    #[cfg(not(target_os = "linux"))]
    pub async fn inject(&self, _: Vec<Mount>, _: u64, _: u64) -> Result<(), Error> {
        Err(Error::setup("inject")(io::ErrorKind::Unsupported.into()))
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.kill();
    }
}
