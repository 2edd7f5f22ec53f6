//! The thread from which every sandbox is started, and the probe that chooses how.

use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;

use tokio::net::unix::pipe;
use tokio::runtime::Handle as Runtime;
use tokio::sync::oneshot;

use super::{Backend, Error, Handle, Probe, Sandbox, Spec, process};

pub struct Spawner {
    pub probe: Probe,
    requests: mpsc::Sender<Request>,
}

struct Request {
    spec: Spec,
    runtime: Runtime,
    done: oneshot::Sender<Result<Started, Error>>,
}

enum Started {
    #[cfg(target_os = "linux")]
    Native(super::native::Started),
    Process(process::Started),
}

/// What the thread starts sandboxes with.
enum Starter {
    #[cfg(target_os = "linux")]
    Native(super::native::Native),
    Process(PathBuf),
}

impl Spawner {
    pub fn new(work: PathBuf, forced: Option<Backend>) -> Self {
        let (requests, incoming) = mpsc::channel::<Request>();
        let (probed, probe) = mpsc::channel();
        let named = thread::Builder::new().name("sandbox-spawner".into());
        let started = named.spawn(move || {
            let (starter, probe) = choose(work, forced);
            let _ = probed.send(probe);
            for request in incoming {
                let _guard = request.runtime.enter();
                let _ = request.done.send(starter.start(&request.spec));
            }
        });
        let failed = || Probe::process("The thread that starts sandboxes could not be started.");
        let probe = started.ok().and_then(|_| probe.recv().ok()).unwrap_or_else(failed);
        Self { probe, requests }
    }

    pub async fn start(&self, spec: Spec) -> Result<Sandbox, Error> {
        let (done, started) = oneshot::channel();
        let runtime = Runtime::current();
        self.requests.send(Request { spec, runtime, done }).map_err(|_| Error::SpawnerGone)?;
        attach(started.await.map_err(|_| Error::SpawnerGone)??)
    }
}

/// Connects a started child with the asynchronous runtime.
fn attach(started: Started) -> Result<Sandbox, Error> {
    let reader = |fd| pipe::Receiver::from_owned_fd(fd).map_err(Error::setup("reading from the sandbox"));
    match started {
        #[cfg(target_os = "linux")]
        Started::Native(started) => Ok(Sandbox {
            exit: started.handle.watch().map_err(Error::setup("watching the sandbox"))?,
            output: Some(reader(started.output)?),
            records: Some(reader(started.records)?),
            extensions: started.beside.map(reader).transpose()?,
            sockets: started.sockets,
            listeners: started.listeners,
            handle: Handle::Native(started.handle),
        }),
        Started::Process(started) => {
            let (handle, exit, output, listeners) = started.watch();
            Ok(Sandbox {
                output: Some(reader(output)?),
                records: None,
                extensions: None,
                sockets: Vec::new(),
                listeners,
                exit,
                handle: Handle::Process(handle),
            })
        }
    }
}

impl Starter {
    fn start(&self, spec: &Spec) -> Result<Started, Error> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Native(native) => native.start(spec).map(Started::Native),
            Self::Process(work) => process::start(spec, work).map(Started::Process),
        }
    }
}

#[cfg(target_os = "linux")]
fn choose(work: PathBuf, forced: Option<Backend>) -> (Starter, Probe) {
    if forced == Some(Backend::Process) {
        return (Starter::Process(work), Probe::process("The process backend was asked for."));
    }
    let mut remarks = Vec::new();
    let cgroups = match super::cgroup::Cgroups::detect() {
        Ok(cgroups) => Some(cgroups),
        Err(reason) => {
            remarks.push(format!("No control groups ({reason}): memory is watched instead of limited."));
            None
        }
    };
    let limits = cgroups.as_ref().map_or("a watch on resident memory", |cgroups| cgroups.describe()).to_owned();
    match super::native::Native::new(&work, cgroups).map_err(|error| error.to_string()).and_then(|native| {
        native.attempt().map_err(|error| error.to_string())?;
        Ok(native)
    }) {
        Ok(native) => {
            let probe = Probe { backend: Backend::Native, privileged: native.privileged, limits, remarks };
            (Starter::Native(native), probe)
        }
        Err(reason) => (Starter::Process(work), Probe::process(format!("No native sandboxes here: {reason}."))),
    }
}

#[cfg(not(target_os = "linux"))]
fn choose(work: PathBuf, _: Option<Backend>) -> (Starter, Probe) {
    (Starter::Process(work), Probe::process("Native sandboxes need Linux."))
}
