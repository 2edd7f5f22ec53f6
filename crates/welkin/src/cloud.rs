//! The parts of a cloud, put together. Every service is named here, and only here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gateway::Pipeline;
use service::{Clock, Cloud, CloudConfig, Parts, Random, Service, Store};

/// A cloud and the stages its gateway shares with calls between services.
pub struct Assembled {
    pub cloud: Arc<Cloud>,
    pub pipeline: Arc<Pipeline>,
    directory: Arc<iam::IamDirectory>,
}

impl Assembled {
    /// The root key pair of an account, when it is made: the first time. Later it is not shown again.
    pub fn root_key(&self, account: &str) -> Result<Option<(String, String)>, service::StoreError> {
        self.directory.root_key(account)
    }
}

/// Builds the services over a store. Background work begins with [`start`].
pub fn assemble(
    store: Store,
    clock: Clock,
    random: Random,
    config: CloudConfig,
    functions: lambda::Options,
    dynamodb: dynamodb::DynamoDb,
) -> Assembled {
    let directory = Arc::new(iam::IamDirectory::new(store.clone(), clock.clone(), random.clone()));
    let cloudtrail = cloudtrail::CloudTrail::new(store.clone(), random.clone());
    let pipeline = Arc::new(Pipeline::default());
    let cloud = Cloud::new(store, clock, random, config);
    let services: Vec<Arc<dyn Service>> = vec![
        Arc::new(apigateway::ApiGateway::default()),
        Arc::new(apigatewayv2::ApiGatewayV2::default()),
        Arc::new(cloudtrail),
        Arc::new(dynamodb.clone()),
        Arc::new(dynamodb::Streams::new(dynamodb)),
        Arc::new(iam::Iam::new(directory.clone())),
        Arc::new(lambda::Lambda::new(functions)),
        Arc::new(logs::Logs),
        Arc::new(s3::S3::default()),
        Arc::new(sts::Sts),
    ];
    let services: BTreeMap<_, _> = services.into_iter().map(|service| (service.model().name, service)).collect();
    cloud.assemble(Parts { services, directory: directory.clone(), stages: pipeline.clone() });
    Assembled { cloud, pipeline, directory }
}

/// Starts background work and resumes what a stop interrupted.
pub fn start(cloud: &Arc<Cloud>) {
    for service in cloud.services() {
        service.start(cloud);
    }
}

/// Some 40 MiB each. Invocations beyond it wait for an environment.
const ENVIRONMENTS_PER_CORE: usize = 32;

/// How functions run on this machine. What is shared between clouds (the SDKs that functions can import) lies in the
/// user's cache.
#[expect(clippy::disallowed_methods, reason = "this crate owns the environment")]
pub fn functions(files: &Path, endpoint_port: u16) -> lambda::Options {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let home = variable("HOME").map(PathBuf::from);
    let cache = variable("WELKIN_CACHE").map(PathBuf::from);
    let cache = cache.or_else(|| variable("XDG_CACHE_HOME").map(|folder| PathBuf::from(folder).join("welkin")));
    let cache = cache.or_else(|| home.as_ref().map(|home| home.join(".cache/welkin")));
    let backend = match variable("WELKIN_COMPUTE").as_deref() {
        Some("native") => Some(compute::Backend::Native),
        Some("process") => Some(compute::Backend::Process),
        _ => None,
    };
    lambda::Options {
        work: files.join("lambda"),
        cache: cache.unwrap_or_else(|| files.join("cache")),
        path: variable("PATH").unwrap_or_default(),
        home,
        endpoint_port,
        backend,
        install_sdks: variable("WELKIN_OFFLINE").is_none(),
        reserve: 1,
        capacity: ENVIRONMENTS_PER_CORE * std::thread::available_parallelism().map_or(1, usize::from),
    }
}

/// Where the state lies unless the user says otherwise.
pub fn default_state() -> PathBuf {
    PathBuf::from(".welkin")
}
