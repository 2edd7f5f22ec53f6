//! All environments of the server: which are idle, how many there may be, and how a new one comes to be.

use std::collections::HashMap;
use std::future::Future;
use std::io::ErrorKind;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::instance::{Instance, Invoked, unstartable};
use super::process::Process;
use super::reserve::Reserve;
use super::{Config, Error, FunctionSpec, Identity, Invocation, Outcome, launch};
use crate::interpreters::{Interpreter, Interpreters, Language, Runtime};
use crate::sandbox::{self, Backend, Probe, Sandboxes};
use crate::sdk::SdkCache;
use crate::{bootstraps, environment::launch::Installation};

/// The environments of every function. Cheap to make; the machine is looked at when the first one is needed.
pub struct Environments {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub config: Config,
    pub sandboxes: Sandboxes,
    sdk: SdkCache,
    machine: OnceLock<Machine>,
    /// Idle environments by revision; the latest used is last, and is used first.
    idle: Mutex<HashMap<String, Vec<Owned>>>,
    permits: Arc<Semaphore>,
    /// Told whenever an environment becomes idle or a place becomes free; whoever waits longest hears it.
    freed: Arc<Notify>,
    /// How many environments of each revision there are, busy ones included.
    alive: Arc<Mutex<HashMap<String, usize>>>,
    /// How many of a revision are to be there, whether or not they are used.
    provided: Mutex<HashMap<String, usize>>,
    reserve: Reserve,
    reaping: OnceLock<()>,
    /// Told when an environment has become idle and is still running.
    lingering: Arc<Notify>,
}

/// What an invocation got to run in.
enum Room {
    Warm(Box<Instance>),
    New(Place),
}

/// The right of one environment to exist.
pub(super) struct Place {
    permit: Option<OwnedSemaphorePermit>,
    freed: Arc<Notify>,
    revision: String,
    alive: Arc<Mutex<HashMap<String, usize>>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(self.permit.take());
        let mut alive = self.alive.lock();
        if let Some(count) = alive.get_mut(&self.revision) {
            *count -= 1;
            if *count == 0 {
                alive.remove(&self.revision);
            }
        }
        drop(alive);
        self.freed.notify_one();
    }
}

/// How long an environment stays running after an answer: long enough for its runtime to ask for the next invocation, and
/// for busy functions never to be stopped.
const LINGER: Duration = Duration::from_millis(10);

/// How long runtimes are kept ready while no function starts.
const RESERVE_IDLE: Duration = Duration::from_secs(15 * 60);

/// Why environments end that nobody uses.
const SPINDOWN: &str = "spindown";

/// An environment and the ARN of its function.
type Owned = (String, Box<Instance>);

/// What was found on this machine.
#[derive(Clone)]
pub(super) struct Machine {
    pub interpreters: Interpreters,
    pub probe: Probe,
    pub runtime: std::path::PathBuf,
}

impl Environments {
    pub fn new(config: Config) -> Self {
        let inner = Inner {
            sandboxes: Sandboxes::new(config.work.join("sandboxes"), config.backend),
            sdk: SdkCache::new(&config.cache),
            machine: OnceLock::new(),
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(config.capacity)),
            freed: Arc::default(),
            alive: Arc::default(),
            provided: Mutex::default(),
            reserve: Reserve::default(),
            reaping: OnceLock::new(),
            lingering: Arc::default(),
            config,
        };
        Self { inner: Arc::new(inner) }
    }

    /// What kind of sandbox functions get here, and why.
    pub async fn probe(&self) -> Result<Probe, Error> {
        Ok(self.inner.machine().await?.probe)
    }

    /// The interpreters found on this machine.
    pub async fn interpreters(&self) -> Result<Vec<Interpreter>, Error> {
        Ok(self.inner.machine().await?.interpreters.all().to_vec())
    }

    /// The interpreter that will stand in for a runtime; `None` for runtimes that bring their own.
    pub async fn interpreter(&self, runtime: &str) -> Result<Option<Interpreter>, Error> {
        self.inner.machine().await?.interpreter(runtime)
    }

    /// Whether [`Self::prepare`] would have something to fetch.
    pub async fn is_prepared(&self, runtime: &str) -> Result<bool, Error> {
        let interpreter = self.interpreter(runtime).await?;
        Ok(interpreter.is_none_or(|interpreter| self.inner.sdk.installed(&interpreter).is_some()))
    }

    /// Installs the runtime's SDK if it is missing, and starts runtimes ahead of need.
    pub async fn prepare(&self, runtime: &str, progress: impl FnOnce(&str)) -> Result<(), Error> {
        if let Some(interpreter) = self.interpreter(runtime).await? {
            self.inner.sdk.ensure(&interpreter, progress).await?;
        }
        self.anticipate(runtime).await
    }

    /// Starts runtimes ahead of need, with what is installed.
    pub async fn anticipate(&self, runtime: &str) -> Result<(), Error> {
        if let Some(interpreter) = self.interpreter(runtime).await?.filter(|one| one.language == Language::Java) {
            self.inner.sdk.ensure(&interpreter, |_| {}).await?;
        }
        let machine = self.inner.machine().await?;
        let installation = self.inner.installation(&machine, runtime)?;
        self.inner.clone().reap_in_background();
        self.inner.reserve.fill(&self.inner, &machine, &installation).await;
        Ok(())
    }

    /// Runs a function once. `identity` is asked for only if a new environment has to be started.
    pub async fn invoke(
        &self,
        function: &FunctionSpec,
        invocation: &Invocation,
        identity: impl Future<Output = Result<Identity, String>>,
    ) -> Result<Outcome, Error> {
        self.inner.clone().reap_in_background();
        let permit = loop {
            match self.inner.room(&function.revision).await {
                Room::Warm(instance) => {
                    if let Invoked::Answered(outcome, instance) = instance.invoke(function, invocation).await {
                        self.inner.put_idle(function, instance);
                        return Ok(outcome);
                    }
                }
                Room::New(place) => break place,
            }
        };
        let identity = identity.await.map_err(Error::Identity)?;
        let machine = self.inner.machine().await?;
        let installation = self.inner.installation(&machine, &function.runtime)?;
        let log_stream = identity.log_stream.clone();
        let instance = match self.inner.start(&machine, &installation, function, identity, permit).await {
            Ok(instance) => instance,
            Err(Error::Sandbox(sandbox::Error::Program { program, source })) => {
                let why = match source.kind() {
                    ErrorKind::NotFound => {
                        "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]".into()
                    }
                    // As Go, in which AWS's side is written, words it.
                    _ => {
                        let reason = source.to_string().to_lowercase();
                        let reason = reason.split(" (os error").next().unwrap_or_default();
                        format!("fork/exec {program}: {reason}")
                    }
                };
                let now = (self.inner.config.wall_clock)();
                return Ok(unstartable(function, invocation, log_stream, &why, now));
            }
            Err(error) => return Err(error),
        };
        let invoked = instance.invoke(function, invocation).await;
        let (inner, reserve_for) = (self.inner.clone(), installation);
        tokio::spawn(async move { inner.reserve.fill(&inner, &machine, &reserve_for).await });
        match invoked {
            Invoked::Answered(outcome, instance) => {
                self.inner.put_idle(function, instance);
                Ok(outcome)
            }
            Invoked::Stale => Err(Error::Io(std::io::ErrorKind::BrokenPipe.into())),
        }
    }

    /// Sees to it that so many environments of a function are there, ready for use; returns how many there are.
    pub async fn provide(
        &self,
        function: &FunctionSpec,
        count: usize,
        identity: impl Fn() -> Result<Identity, String>,
    ) -> Result<usize, Error> {
        let inner = &self.inner;
        if count > inner.config.capacity {
            let text = format!("this machine has room for {} environments", inner.config.capacity);
            return Err(Error::Io(std::io::Error::other(text)));
        }
        inner.provided.lock().insert(function.revision.clone(), count);
        inner.clone().reap_in_background();
        let alive = || inner.alive.lock().get(&function.revision).copied().unwrap_or_default();
        while alive() < count {
            let permit = inner.permits.clone().try_acquire_owned();
            let Ok(permit) = permit else {
                if inner.end_oldest_idle() {
                    continue;
                }
                break;
            };
            let place = inner.place(&function.revision, permit);
            let machine = inner.machine().await?;
            let installation = inner.installation(&machine, &function.runtime)?;
            let spec = FunctionSpec { provisioned: true, ..function.clone() };
            let identity = identity().map_err(Error::Identity)?;
            let mut instance = inner.start(&machine, &installation, &spec, identity, place).await?;
            instance.forget_init();
            inner.put_idle(function, Some(instance));
        }
        Ok(alive())
    }

    /// Environments of the revision end like any others again.
    pub fn release(&self, revision: &str) {
        self.inner.provided.lock().remove(revision);
    }

    /// Ends the idle environments of a function, because it changed or is gone. Busy ones finish what they do.
    pub fn retire(&self, arn: &str) {
        self.inner.end_idle(|_, owner, _| owner == arn);
    }

    /// Ends every idle environment.
    pub fn retire_all(&self) {
        self.inner.end_idle(|_, _, _| true);
    }

    /// How many environments wait for an invocation.
    pub fn idle(&self) -> usize {
        self.inner.idle.lock().values().map(Vec::len).sum()
    }
}

impl Inner {
    async fn machine(self: &Arc<Self>) -> Result<Machine, Error> {
        if let Some(machine) = self.machine.get() {
            return Ok(machine.clone());
        }
        let inner = self.clone();
        let looked = tokio::task::spawn_blocking(move || {
            let config = &inner.config;
            let machine = Machine {
                interpreters: Interpreters::discover(&config.path, config.home.as_deref()),
                probe: inner.sandboxes.probe(),
                runtime: bootstraps::install(&config.work)?,
            };
            Ok::<_, std::io::Error>(inner.machine.get_or_init(|| machine).clone())
        });
        Ok(looked.await.map_err(std::io::Error::other)??)
    }

    fn installation(&self, machine: &Machine, runtime: &str) -> Result<Installation, Error> {
        let interpreter = machine.interpreter(runtime)?;
        let sdk = interpreter.as_ref().and_then(|interpreter| self.sdk.installed(interpreter));
        Ok(Installation { interpreter, runtime: machine.runtime.clone(), sdk })
    }

    /// An idle environment of the revision, or a place for a new one, or whichever of them comes first. Idle environments of
    /// others make room.
    async fn room(&self, revision: &str) -> Room {
        loop {
            // Listening begins before looking, so that nothing is missed in between.
            let mut freed = std::pin::pin!(self.freed.notified());
            freed.as_mut().enable();
            if let Some(instance) = self.take_idle(revision) {
                return Room::Warm(instance);
            }
            if let Ok(permit) = self.permits.clone().try_acquire_owned() {
                return Room::New(self.place(revision, permit));
            }
            if !self.end_oldest_idle() {
                freed.await;
            }
        }
    }

    fn place(&self, revision: &str, permit: OwnedSemaphorePermit) -> Place {
        *self.alive.lock().entry(revision.to_owned()).or_default() += 1;
        Place {
            permit: Some(permit),
            freed: self.freed.clone(),
            revision: revision.to_owned(),
            alive: self.alive.clone(),
        }
    }

    /// How many environments of a revision must not end for want of use.
    fn is_provided(&self, revision: &str) -> bool {
        let wanted = self.provided.lock().get(revision).copied().unwrap_or_default();
        wanted > 0 && self.alive.lock().get(revision).copied().unwrap_or_default() <= wanted
    }

    /// Ends the idle environments of which the condition (revision, ARN of the function, environment) holds.
    fn end_idle(&self, mut which: impl FnMut(&str, &str, &Instance) -> bool) {
        let mut ended = Vec::new();
        self.idle.lock().retain(|revision, instances| {
            ended.extend(instances.extract_if(.., |(owner, instance)| which(revision, owner, instance)));
            !instances.is_empty()
        });
        ended.into_iter().for_each(|(_, instance)| instance.end(SPINDOWN));
    }

    fn end_oldest_idle(&self) -> bool {
        let mut idle = self.idle.lock();
        let free = idle.iter().filter(|(revision, _)| !self.is_provided(revision));
        let oldest = free.min_by_key(|(_, instances)| instances.first().map(|(_, one)| one.idle_since));
        let Some(revision) = oldest.map(|(revision, _)| revision.clone()) else { return false };
        let mut instances = idle.remove(&revision).unwrap_or_default();
        let ended = (!instances.is_empty()).then(|| instances.remove(0));
        if !instances.is_empty() {
            idle.insert(revision, instances);
        }
        drop(idle);
        if let Some((_, ended)) = ended {
            ended.end(SPINDOWN);
        }
        true
    }

    async fn start(
        self: &Arc<Self>,
        machine: &Machine,
        installation: &Installation,
        function: &FunctionSpec,
        identity: Identity,
        place: Place,
    ) -> Result<Box<Instance>, Error> {
        let config = &self.config;
        let backend = machine.probe.backend;
        let places = launch::Places::new(backend, installation, Some(&function.code), function.layers.as_deref());
        let variables = launch::variables(function, &identity, &places, config.endpoint_port);
        let begun = Instant::now();
        let process = match self.reserve.take(installation, function, &variables).await {
            Some(process) => process,
            None => {
                let environment = launch::base_variables(backend, installation).into_iter().chain(variables).collect();
                let spec = launch::sandbox(backend, installation, Some(function), environment, config.endpoint_port)?;
                Process::start(&self.sandboxes, spec, config.endpoint_port, config.wall_clock.clone()).await?
            }
        };
        let clock = config.wall_clock.clone();
        Ok(Instance::initialise(process, function, identity.log_stream, clock, place, begun).await)
    }

    fn take_idle(&self, revision: &str) -> Option<Box<Instance>> {
        let mut idle = self.idle.lock();
        let instances = idle.get_mut(revision)?;
        while let Some((_, instance)) = instances.pop() {
            if !instance.has_ended() && instance.started.elapsed() < self.config.lifetime {
                return Some(instance);
            }
            instance.end(SPINDOWN);
        }
        None
    }

    fn put_idle(&self, function: &FunctionSpec, instance: Option<Box<Instance>>) {
        if let Some(instance) = instance {
            self.idle.lock().entry(function.revision.clone()).or_default().push((function.arn.clone(), instance));
            self.freed.notify_one();
            self.lingering.notify_one();
        }
    }

    fn reap_in_background(self: Arc<Self>) {
        if self.reaping.set(()).is_ok() {
            let period = (self.config.idle / 4).max(Duration::from_millis(100));
            tokio::spawn(reap(Arc::downgrade(&self), period));
            tokio::spawn(stop_idle(Arc::downgrade(&self), self.lingering.clone()));
        }
    }
}

async fn reap(inner: Weak<Inner>, period: Duration) {
    loop {
        tokio::time::sleep(period).await;
        let Some(inner) = inner.upgrade() else { return };
        let idle = inner.config.idle;
        inner.reserve.release_unused(RESERVE_IDLE);
        inner.end_idle(|revision, _, instance| {
            let unused = instance.idle_since.elapsed() >= idle && !inner.is_provided(revision);
            unused || instance.has_ended()
        });
    }
}

/// Stops environments a moment after they became idle, as AWS does: what a handler left running goes on with the next
/// invocation.
async fn stop_idle(inner: Weak<Inner>, lingering: Arc<Notify>) {
    let stop = |instance: &mut Box<Instance>| {
        let lingering = instance.idle_since.elapsed() < LINGER;
        if !lingering {
            instance.stop();
        }
        lingering
    };
    loop {
        lingering.notified().await;
        loop {
            tokio::time::sleep(LINGER).await;
            let Some(inner) = inner.upgrade() else { return };
            let mut idle = inner.idle.lock();
            let mut again = false;
            for (_, instance) in idle.values_mut().flatten() {
                again |= stop(instance);
            }
            if !again {
                break;
            }
        }
    }
}

impl Machine {
    fn interpreter(&self, runtime: &str) -> Result<Option<Interpreter>, Error> {
        match Runtime::parse(runtime) {
            Some(Runtime::Provided) => Ok(None),
            Some(Runtime::Interpreted(language, version)) => {
                let found = self.interpreters.find(language, version);
                found.map(Some).ok_or_else(|| match language {
                    Language::Java => Error::NoInterpreter(format!("{runtime} (a JDK, with its compiler)")),
                    _ => Error::NoInterpreter(runtime.into()),
                })
            }
            None => Err(Error::UnsupportedRuntime(runtime.into())),
        }
    }

    /// Code can be put into running sandboxes only by the machine's root.
    pub(super) fn can_reserve(&self) -> bool {
        self.probe.backend == Backend::Native && self.probe.privileged
    }
}
