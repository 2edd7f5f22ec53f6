//! Running functions: from a stored configuration to an outcome.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use compute::environment::{self, Config};
use compute::{Backend, Credentials, Environments, FunctionSpec, Identity, Invocation, Outcome};
use parking_lot::Mutex;
use service::{Clock, Cloud, Context, NewSession, Principal, Role};
use store::Store;
use tokio::sync::{Notify, OnceCell};
use tokio::task::spawn_blocking;

use crate::arn::Reference;
use crate::error::Error;
use crate::function::{default_log_group, log_format};
use crate::lineage;
use crate::logs::{self, Logs};
use crate::metrics;
use crate::ops::account::CONCURRENCY;
use crate::ops::invocation::resolve;
use crate::package::{self, PackageError};
use crate::store::{self as records, Configuration, Function, LayerUse, State, Update};
use crate::throttle::Throttle;

/// Where functions run and what they may use of this machine.
#[derive(Clone, Debug)]
pub struct Options {
    /// For unpacked code, bootstraps and mount points.
    pub work: PathBuf,
    /// For the AWS SDKs that functions can import. It may be shared between clouds.
    pub cache: PathBuf,
    /// Where interpreters are looked for.
    pub path: String,
    pub home: Option<PathBuf>,
    /// The port on the loopback address where the gateway answers plain HTTP.
    pub endpoint_port: u16,
    /// A backend to use instead of the best one.
    pub backend: Option<Backend>,
    /// Whether the SDKs may be fetched when they are first needed.
    pub install_sdks: bool,
    /// How many runtimes of each kind are started before a function needs them.
    pub reserve: usize,
    /// How many environments may exist at once.
    pub capacity: usize,
}

/// How long a function's credentials are valid. Environments are replaced at half of it, by the cloud's clock.
const SESSION: Duration = Duration::from_secs(12 * 3600);
/// No invocation lasts longer than 15 minutes, so unpacked code that nothing refers to is unused after this.
const LONGEST_USE: Duration = Duration::from_secs(16 * 60);
/// How long an invocation waits for its function to become active.
const PREPARATION: Duration = Duration::from_secs(120);
/// How often it is looked whether provisioned environments are still there.
const PROVISION_CHECK: Duration = Duration::from_secs(2);
const IDLE: Duration = Duration::from_secs(5 * 60);

/// How far provisioned concurrency has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provisioned {
    pub ready: i32,
    pub failure: Option<String>,
}

pub struct Runner {
    environments: Environments,
    activated: Notify,
    swept: OnceCell<()>,
    logs: Logs,
    throttle: Throttle,
    /// What there is of provisioned concurrency, by the ARN of the version or alias.
    provisioned: Mutex<HashMap<String, Provisioned>>,
    provision: Notify,
    options: Options,
}

impl Runner {
    pub fn new(options: Options) -> Self {
        let system = Clock::system();
        let environments = Environments::new(Config {
            work: options.work.join("environments"),
            cache: options.cache.clone(),
            path: options.path.clone(),
            home: options.home.clone(),
            endpoint_port: options.endpoint_port,
            backend: options.backend,
            wall_clock: Arc::new(move || system.now().millis()),
            idle: IDLE,
            lifetime: SESSION / 2,
            capacity: options.capacity,
            reserve: options.reserve,
        });
        Self {
            environments,
            activated: Notify::new(),
            swept: OnceCell::new(),
            logs: Logs::default(),
            throttle: Throttle::default(),
            provisioned: Mutex::default(),
            provision: Notify::new(),
            options,
        }
    }

    /// Takes up what a stop interrupted, and removes unpacked code that nothing refers to.
    pub fn start(self: &Arc<Self>, cloud: &Arc<Cloud>) {
        let (runner, cloud) = (self.clone(), cloud.clone());
        tokio::spawn(async move {
            if let Err(error) = runner.resume(&cloud).await {
                tracing::error!(%error, "functions could not be resumed");
            }
        });
    }

    /// Ends every idle environment: the store was cleared.
    pub fn reset(&self) {
        self.provision.notify_waiters();
        self.environments.retire_all();
    }

    pub fn retire(&self, reference: &Reference) {
        self.environments.retire(&reference.unqualified().to_string());
    }

    async fn resume(self: &Arc<Self>, cloud: &Arc<Cloud>) -> Result<(), service::StoreError> {
        let functions = records::all_functions(&cloud.store)?;
        for function in &functions {
            if function.latest.state == State::Pending || function.latest.update == Update::InProgress {
                self.clone().prepare_in_background(cloud.store.clone(), function.clone());
            }
            for qualifier in function.provisioned.keys() {
                self.keep_provisioned(cloud, function.reference().qualified(qualifier));
            }
        }
        self.swept(&cloud.store).await;
        Ok(())
    }

    // ---- Packages

    fn code_directory(&self) -> PathBuf {
        self.options.work.join("code")
    }

    /// Removes, once and before anything is unpacked, what an earlier server left unpacked and nobody needs.
    async fn swept(&self, store: &Store) {
        let sweep = || async {
            let (store, code) = (store.clone(), self.code_directory());
            let _ = spawn_blocking(move || sweep(&store, &code)).await;
        };
        self.swept.get_or_init(sweep).await;
    }

    /// Unpacks a package under its name, unless it is there already.
    pub async fn unpack(&self, store: &Store, key: &str, package: Bytes) -> Result<(), Error> {
        self.unpack_as(store, key, vec![package]).await
    }

    /// Unpacks packages over each other.
    async fn unpack_as(&self, store: &Store, name: &str, packages: Vec<Bytes>) -> Result<(), Error> {
        self.swept(store).await;
        let target = self.code_directory().join(name);
        let unpacked = spawn_blocking(move || unpack_once(&packages, &target)).await;
        unpacked.map_err(|error| internal(&error))?.map_err(|error| match error {
            PackageError::Empty => Error::InvalidParameterValue("Uploaded file must be a non-empty zip".into()),
            PackageError::NotAnArchive => Error::InvalidParameterValue(
                "Could not unzip uploaded file. Please check your file, then try to upload again.".into(),
            ),
            PackageError::TooLarge => Error::InvalidParameterValue(format!(
                "Unzipped size must be smaller than {} bytes",
                package::UNPACKED_LIMIT
            )),
            PackageError::Io(error) => internal(&error),
        })
    }

    /// The directory of a stored package, unpacked again if the cache has lost it.
    async fn code(&self, store: &Store, key: &str) -> Result<PathBuf, Error> {
        self.swept(store).await;
        let directory = self.code_directory().join(key);
        if !directory.is_dir() {
            self.unpack(store, key, records::code(store, key)?.into()).await?;
        }
        Ok(directory)
    }

    /// The directory of a function's layers together.
    async fn layers(&self, store: &Store, layers: &[LayerUse]) -> Result<Option<PathBuf>, Error> {
        if layers.is_empty() {
            return Ok(None);
        }
        let name = layers.iter().map(|layer| layer.key.as_str()).collect::<Vec<_>>().join("+");
        let name = service::encode_token(digest(&SHA256, name.as_bytes()).as_ref());
        let directory = self.code_directory().join(&name);
        if !directory.is_dir() {
            let packages = layers.iter().map(|layer| Ok(records::code(store, &layer.key)?.into()));
            self.unpack_as(store, &name, packages.collect::<Result<_, Error>>()?).await?;
        }
        Ok(Some(directory))
    }

    /// Removes the unpacked form of a package that nothing refers to any more, when nothing can be running it.
    pub fn forget_code(&self, store: &Store, key: &str) {
        let (directory, store, key) = (self.code_directory().join(key), store.clone(), key.to_owned());
        tokio::spawn(async move {
            tokio::time::sleep(LONGEST_USE).await;
            if matches!(records::has_code(&store, &key), Ok(false)) {
                let _ = tokio::fs::remove_dir_all(directory).await;
            }
        });
    }

    // ---- Readiness

    /// Whether a function of this runtime can run at once with all that it may expect.
    pub async fn is_ready(&self, runtime: &str) -> Result<bool, Error> {
        match self.environments.is_prepared(runtime).await {
            // What Java needs is not fetched, but made.
            Ok(prepared) => Ok(prepared || !(self.options.install_sdks || runtime.starts_with("java"))),
            Err(error) => Err(unavailable(error)),
        }
    }

    /// Installs what the function's runtime needs, then makes the function active. Without the SDK a function that bundles
    /// what it needs runs as well, so a failure to fetch it is only logged.
    pub fn prepare_in_background(self: Arc<Self>, store: Store, function: Function) {
        tokio::spawn(async move {
            let runtime = &function.latest.runtime;
            let prepared = if self.options.install_sdks {
                self.environments.prepare(runtime, |words| tracing::info!("{words}")).await
            } else {
                self.environments.anticipate(runtime).await
            };
            if let Err(error) = prepared {
                tracing::warn!(%error, runtime, "functions of this runtime start without the AWS SDK");
            }
            if let Err(error) = activate(&store, &function) {
                tracing::error!(%error, "a function could not be made active");
            }
            self.activated.notify_waiters();
        });
    }

    /// Waits for a function that is being made ready; for AWS that takes a moment, here perhaps a download. `None` if it took
    /// too long.
    pub async fn when_active<T>(&self, mut look: impl FnMut() -> Result<Option<T>, Error>) -> Result<Option<T>, Error> {
        let give_up = tokio::time::Instant::now() + PREPARATION;
        loop {
            let activated = self.activated.notified();
            let found = look()?;
            if found.is_some() || tokio::time::timeout_at(give_up, activated).await.is_err() {
                return Ok(found);
            }
        }
    }

    // ---- Provisioned concurrency

    /// How many environments of a function, version or alias are ready because it asked for them, or why there are none.
    pub fn provisioned(&self, reference: &Reference) -> Provisioned {
        self.provisioned.lock().get(&reference.to_string()).cloned().unwrap_or_default()
    }

    /// Keeps as many environments ready as the version or alias asks for, for as long as it does.
    pub fn keep_provisioned(self: &Arc<Self>, cloud: &Arc<Cloud>, reference: Reference) {
        let name = reference.to_string();
        if self.provisioned.lock().insert(name.clone(), Provisioned::default()).is_some() {
            // Its task sees the new number.
            self.provision.notify_waiters();
            return;
        }
        let (runner, cloud) = (self.clone(), cloud.clone());
        tokio::spawn(async move {
            let cx = cloud.context(Principal::service("lambda.amazonaws.com"), &reference.account, &reference.region);
            let mut revision = None;
            loop {
                let changed = runner.provision.notified();
                match runner.provide(&cx, &reference, &mut revision).await {
                    Ok(Some(count)) => {
                        runner.provisioned.lock().insert(name.clone(), Provisioned { ready: count, failure: None });
                    }
                    Ok(None) => break,
                    Err(error) => {
                        let failure = Some(service::ApiError::from(error).message);
                        runner.provisioned.lock().insert(name.clone(), Provisioned { ready: 0, failure });
                    }
                }
                // Environments that ended are replaced when this looks again.
                let _ = tokio::time::timeout(PROVISION_CHECK, changed).await;
            }
            runner.provisioned.lock().remove(&name);
            if let Some(revision) = revision {
                runner.environments.release(&revision);
            }
        });
    }

    /// `None` if nothing is asked for any more.
    async fn provide(
        &self,
        cx: &Context,
        reference: &Reference,
        last: &mut Option<String>,
    ) -> Result<Option<i32>, Error> {
        let Some(function) = records::function(cx.store(), reference)? else { return Ok(None) };
        let Some(wanted) = function.provisioned.get(&records::qualifier(reference)) else { return Ok(None) };
        let count = usize::try_from(wanted.count).unwrap_or_default();
        let version = match records::alias(cx.store(), reference, reference.qualifier_or_latest())? {
            Some(alias) => alias.version,
            None => reference.qualifier_or_latest().to_owned(),
        };
        let (function, configuration) = resolve(cx, &reference.clone().qualified(&version))?;
        let spec = self.spec(cx, &function, &configuration).await?;
        if let Some(before) = last.replace(spec.revision.clone()).filter(|before| *before != spec.revision) {
            self.environments.release(&before);
        }
        let ready = self.environments.provide(&spec, count, || identity(cx, &function, &configuration)).await;
        let ready = i32::try_from(ready.map_err(unavailable)?).unwrap_or(i32::MAX);
        Ok(Some(ready.min(wanted.count)))
    }

    // ---- Invocations

    /// Runs a version of a function once and writes its logs.
    pub async fn run(
        &self,
        cx: &Context,
        function: &Function,
        configuration: &Configuration,
        invocation: Invocation,
    ) -> Result<Outcome, Error> {
        let unreserved = CONCURRENCY - records::reserved(cx.store(), &function.account, &function.region)?;
        let qualifier = Reference::parse(&invocation.invoked_arn, None, cx.account(), cx.region())
            .and_then(|reference| reference.qualifier);
        let _running = self.throttle.begin(&function.reference(), function.reserved, unreserved).inspect_err(|_| {
            metrics::throttled(cx, function, configuration, qualifier.as_deref());
        })?;
        let trace_id = invocation.trace_id.or_else(|| cx.origin().trace.clone()).unwrap_or_else(|| trace(cx));
        let arn = function.reference().to_string();
        let trace_id = lineage::pass(&trace_id, &arn, function.recursive).ok_or_else(|| {
            metrics::stopped(cx, function, configuration, qualifier.as_deref());
            Error::RecursiveInvocation("Lambda has detected your function being invoked in a recursive loop with other AWS resources and stopped your function's invocation.".into())
        })?;
        // Whatever is done on behalf of the function belongs to its chain.
        let cx = &cx.clone().with_trace(Some(trace_id.clone()));
        let invocation = Invocation { trace_id: Some(trace_id), ..invocation };
        let mut spec = self.spec(cx, function, configuration).await?;
        if let Some(tenant) = &invocation.tenant {
            // No environment serves two of them.
            spec.revision = format!("{}/{tenant}", spec.revision);
        }
        let role = configuration.role.clone();
        let session = function.name.clone();
        let identity = async { identity(cx, function, configuration) };
        let outcome = self.environments.invoke(&spec, &invocation, identity).await.map_err(unavailable)?;
        metrics::invoked(cx, function, configuration, qualifier.as_deref(), &outcome);
        self.logs.deliver(cx, logs::Role { arn: role, session }, spec.log_group, &outcome);
        Ok(outcome)
    }

    async fn spec(
        &self,
        cx: &Context,
        function: &Function,
        configuration: &Configuration,
    ) -> Result<FunctionSpec, Error> {
        let code = self.code(cx.store(), &configuration.code.key).await?;
        let arn = function.reference().to_string();
        let generation = cx.now().millis() / (SESSION.as_millis() as i64 / 2);
        let log_group = configuration.log_group.clone().unwrap_or_else(|| default_log_group(&function.name));
        Ok(FunctionSpec {
            revision: format!("{arn}:{}:{}:{generation}", configuration.version, configuration.revision_id),
            arn,
            name: function.name.clone(),
            version: configuration.version.clone(),
            region: function.region.clone(),
            runtime: configuration.runtime.clone(),
            handler: configuration.handler.clone(),
            environment: configuration.environment.clone().unwrap_or_default().into_iter().collect(),
            memory_mb: configuration.memory_mb.unsigned_abs(),
            timeout: Duration::from_secs(u64::from(configuration.timeout.unsigned_abs())),
            ephemeral_mb: configuration.ephemeral_mb.unsigned_abs(),
            code,
            layers: self.layers(cx.store(), &configuration.layers).await?,
            log_group,
            log_format: log_format(configuration),
            provisioned: false,
        })
    }
}

/// A tracing header for a call that brought none. Nothing is sampled.
pub fn trace(cx: &Context) -> String {
    let (root, parent) = (cx.random().hex(24), cx.random().hex(16));
    format!("Root=1-{:08x}-{root};Parent={parent};Sampled=0", cx.now().secs())
}

/// Who a new environment of a function is.
fn identity(cx: &Context, function: &Function, configuration: &Configuration) -> Result<Identity, String> {
    let principal = assume(cx, &configuration.role, &function.name).map_err(|error| format!("{error:?}"))?;
    let wanted = NewSession { duration: SESSION.as_secs() as i64, ..NewSession::default() };
    let issued = cx.cloud.directory().issue(&principal, &wanted).map_err(|error| error.to_string())?;
    let credentials = Credentials {
        access_key_id: issued.access_key_id,
        secret_access_key: issued.secret_access_key,
        session_token: issued.session_token,
    };
    Ok(Identity { credentials, log_stream: log_stream(cx, &configuration.version) })
}

/// The session that Lambda gets by assuming a function's role, if the role lets it.
pub fn assume(cx: &Context, role: &str, session: &str) -> Result<Principal, Error> {
    let refused =
        || Error::InvalidParameterValue("The role defined for the function cannot be assumed by Lambda.".into());
    let role: Role = cx.cloud.directory().role(role)?.ok_or_else(refused)?;
    let trust = service::policy::Policy::parse(&role.trust_policy).map_err(|_| refused())?;
    let request = service::policy::Request {
        caller: Principal::service("lambda.amazonaws.com").caller(),
        action: "sts:AssumeRole".into(),
        resource: role.arn.clone(),
        resource_account: role.account.clone(),
        ..service::policy::Request::default()
    };
    if service::policy::trusts(&trust, &request) != Some(service::policy::Effect::Allow) {
        return Err(refused());
    }
    Ok(Principal::AssumedRole {
        account: role.account,
        role_path: role.path,
        role: role.name,
        role_id: role.id,
        session: session.to_owned(),
    })
}

/// `2024/01/31/[$LATEST]0123456789abcdef0123456789abcdef`
fn log_stream(cx: &Context, version: &str) -> String {
    let date = cx.now().iso8601().get(..10).unwrap_or_default().replace('-', "/");
    format!("{date}/[{version}]{}", cx.random().hex(32))
}

/// Makes a function active, unless it has changed or gone since.
fn activate(store: &Store, prepared: &Function) -> Result<(), service::StoreError> {
    store.write(|tx| {
        let Some(mut function) = records::function_in(tx, &prepared.reference())? else { return Ok(()) };
        let ready = function.latest.state == State::Active && function.latest.update == Update::Successful;
        if !ready && function.latest.runtime == prepared.latest.runtime {
            function.latest.state = State::Active;
            function.latest.update = Update::Successful;
            records::put_function(tx, &function)?;
        }
        Ok(())
    })
}

fn unpack_once(packages: &[Bytes], target: &Path) -> Result<(), PackageError> {
    if target.is_dir() {
        return Ok(());
    }
    let mut aside = target.as_os_str().to_owned();
    aside.push(format!(".{:?}", std::thread::current().id()));
    let aside = PathBuf::from(aside);
    let _ = std::fs::remove_dir_all(&aside);
    let unpacked = package::unpack(packages, &aside).and_then(|()| match std::fs::rename(&aside, target) {
        // Somebody else was faster.
        Err(_) if target.is_dir() => Ok(()),
        renamed => Ok(renamed?),
    });
    let _ = std::fs::remove_dir_all(&aside);
    unpacked
}

/// Removes unpacked code that no package in the store belongs to.
fn sweep(store: &Store, code: &Path) {
    for entry in std::fs::read_dir(code).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let kept = name.to_str().is_some_and(|key| !matches!(records::has_code(store, key), Ok(false)));
        if !kept {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn internal(error: &dyn std::fmt::Display) -> Error {
    Error::Internal(service::Internal(error.to_string()))
}

fn unavailable(error: environment::Error) -> Error {
    match error {
        environment::Error::NoInterpreter(_) | environment::Error::UnsupportedRuntime(_) => {
            Error::NotImplemented(format!("{error}."))
        }
        environment::Error::Identity(_) => {
            Error::AccessDenied("The role defined for the function cannot be assumed by Lambda.".into())
        }
        error => Error::Service(error.to_string()),
    }
}
