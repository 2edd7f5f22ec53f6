//! A cloud with Lambda in it, a directory with three roles, and CloudWatch Logs that only remembers.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use logs_api::*;
use parking_lot::Mutex;
use service::policy::Policies;
use service::*;
use tempfile::TempDir;
use tokio::sync::Notify;
use wire::ServiceModel;

use crate::{Lambda, Options};

pub const ACCOUNT: &str = "000000000000";
pub const ROLE: &str = "arn:aws:iam::000000000000:role/works";
/// 2026-01-01T00:00:00Z
pub const START: i64 = 1_767_225_600_000;

pub struct Bench {
    pub cloud: Arc<Cloud>,
    lambda: Arc<Lambda>,
    remembered: Arc<Remembered>,
    _directory: TempDir,
}

impl Bench {
    pub fn new() -> Self {
        Self::over(Store::memory(), tempfile::tempdir().unwrap())
    }

    /// The same state under a new server, whose cache of unpacked code is gone.
    pub fn restart(self) -> Self {
        Self::over(self.cloud.store.clone(), tempfile::tempdir().unwrap())
    }

    fn over(store: Store, directory: TempDir) -> Self {
        let clock = Clock::frozen(Timestamp::from_millis(START));
        let cloud = Cloud::new(store, clock, Random::system(), testing::config(directory.path()));
        let lambda = Arc::new(Lambda::new(options(directory.path())));
        let remembered = Arc::new(Remembered::default());
        let services: [(&'static str, Arc<dyn Service>); 2] =
            [("lambda", lambda.clone()), ("logs", Arc::new(Logs(remembered.clone())))];
        cloud.assemble(Parts {
            services: BTreeMap::from(services),
            directory: Arc::new(Roles),
            stages: Arc::new(testing::Unchecked),
        });
        lambda.start(&cloud);
        Self { cloud, lambda, remembered, _directory: directory }
    }

    pub async fn call<O: Operation>(&self, input: O::Input) -> Result<O::Output, ApiError> {
        self.context().perform::<O>(input).await
    }

    fn context(&self) -> Context {
        self.cloud.context(Principal::Root { account: ACCOUNT.into() }, ACCOUNT, "us-east-1")
    }

    pub fn resource_policy(&self, arn: &str) -> Option<service::policy::Source> {
        self.lambda.resource_policy(&self.context(), arn).unwrap()
    }

    /// What a front of the service answers to a link, as (status, body).
    pub async fn fetch(&self, link: &str) -> (u16, Vec<u8>) {
        let uri: http::Uri = link.parse().unwrap();
        let host = uri.host().unwrap().to_owned();
        let fronts = self.lambda.fronts();
        let front =
            fronts.iter().find(|front| front.matches(&self.cloud, &host, uri.path(), &http::HeaderMap::new())).unwrap();
        let request = FrontRequest {
            cloud: self.cloud.clone(),
            method: http::Method::GET,
            authority: uri.authority().unwrap().to_string(),
            uri,
            host,
            headers: http::HeaderMap::new(),
            body: ByteStream::from(Bytes::new()),
            source_ip: "127.0.0.1".into(),
            secure: false,
            request_id: "r".into(),
            extensions: http::Extensions::new(),
            signer: None,
        };
        let response = front.serve(request).await;
        (response.status().as_u16(), response.body().collect(usize::MAX).await.unwrap().to_vec())
    }

    pub fn advance(&self, millis: i64) {
        self.cloud.clock.advance(millis);
    }

    /// At least `count` log events as (role/session group stream, message).
    pub async fn logs(&self, count: usize) -> Vec<(String, String)> {
        self.remembered.wait(|events| (events.len() >= count).then(|| events.to_vec())).await
    }

    /// Waits until the function has been started `count` times in all.
    pub async fn starts(&self, count: usize) {
        let is_start = |(_, message): &&(String, String)| message.starts_with("START ");
        self.remembered.wait(|events| (events.iter().filter(is_start).count() >= count).then_some(())).await;
    }

    /// Waits until the only event has been tried so often, and says when it is due again.
    pub async fn waiting_until(&self, attempts: u32) -> i64 {
        loop {
            if let Some(event) = self.events().first().filter(|event| event.attempts == attempts) {
                return event.due.millis();
            }
            tokio::task::yield_now().await;
        }
    }

    pub async fn no_events(&self) {
        while !self.events().is_empty() {
            tokio::task::yield_now().await;
        }
    }

    fn events(&self) -> Vec<jobs::Job> {
        crate::events::queue().jobs(&self.cloud.store).unwrap()
    }
}

fn options(directory: &Path) -> Options {
    Options {
        work: directory.join("lambda"),
        cache: directory.join("cache"),
        path: "/usr/local/bin:/usr/bin:/bin".into(),
        home: None,
        endpoint_port: 4566,
        backend: None,
        install_sdks: false,
        reserve: 0,
        capacity: 4,
    }
}

/// `works` can be assumed by Lambda, `untrusting` cannot; there are no others.
struct Roles;

impl Directory for Roles {
    fn credential(&self, _: &str) -> Result<Option<Arc<Credential>>, StoreError> {
        Ok(None)
    }

    fn policies(&self, _: &Principal, _: Option<&str>) -> Result<Arc<Policies>, StoreError> {
        Ok(Arc::default())
    }

    fn role(&self, arn: &str) -> Result<Option<Role>, StoreError> {
        let name = arn.rsplit('/').next().unwrap_or_default();
        let service = match name {
            "works" => "lambda.amazonaws.com",
            "untrusting" => "ec2.amazonaws.com",
            _ => return Ok(None),
        };
        let trust = serde_json::json!({ "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Principal": { "Service": service }, "Action": "sts:AssumeRole" },
        ] });
        Ok(Some(Role {
            account: ACCOUNT.into(),
            path: "/".into(),
            name: name.into(),
            id: "AROA".into(),
            arn: arn.into(),
            trust_policy: trust.to_string(),
            max_session_duration: 3600,
        }))
    }

    fn oidc_clients(&self, _: &str, _: &str) -> Result<Option<Vec<String>>, StoreError> {
        Ok(None)
    }

    fn issue(&self, principal: &Principal, _: &NewSession) -> Result<SessionCredentials, StoreError> {
        Ok(SessionCredentials {
            access_key_id: format!("ASIA-{}", caller(principal)),
            secret_access_key: "secret".into(),
            session_token: "token".into(),
            expiration: Timestamp::from_millis(0),
        })
    }
}

fn caller(principal: &Principal) -> String {
    match principal {
        Principal::AssumedRole { role, session, .. } => format!("{role}/{session}"),
        other => other.arn(),
    }
}

/// What was logged, as (who and where, message).
#[derive(Default)]
struct Remembered {
    streams: Mutex<Vec<String>>,
    events: Mutex<Vec<(String, String)>>,
    changed: Notify,
}

impl Remembered {
    async fn wait<T>(&self, mut ready: impl FnMut(&[(String, String)]) -> Option<T>) -> T {
        loop {
            let changed = self.changed.notified();
            if let Some(value) = ready(&self.events.lock()) {
                return value;
            }
            changed.await;
        }
    }
}

struct Logs(Arc<Remembered>);

service::operations! { Logs, logs_api: CreateLogGroup, CreateLogStream, PutLogEvents }

impl Service for Logs {
    fn model(&self) -> &'static ServiceModel {
        &logs_api::SERVICE_MODEL
    }

    fn operations(&self) -> &'static [&'static dyn AnyOperation] {
        OPERATIONS
    }
}

service::operation! { Logs, CreateLogGroup, action: none, handler: create_log_group }
service::operation! { Logs, CreateLogStream, action: none, handler: create_log_stream }
service::operation! { Logs, PutLogEvents, action: none, handler: put_log_events }

fn missing() -> ApiError {
    ApiError::new(400, "ResourceNotFoundException", "The specified log group does not exist.")
}

async fn create_log_group(logs: &Logs, _: &Context, request: CreateLogGroupRequest) -> Result<wire::Unit, ApiError> {
    logs.0.streams.lock().push(request.log_group_name);
    Ok(wire::Unit::default())
}

async fn create_log_stream(logs: &Logs, _: &Context, request: CreateLogStreamRequest) -> Result<wire::Unit, ApiError> {
    let mut streams = logs.0.streams.lock();
    if !streams.contains(&request.log_group_name) {
        return Err(missing());
    }
    streams.push(request.log_stream_name);
    Ok(wire::Unit::default())
}

async fn put_log_events(
    logs: &Logs,
    cx: &Context,
    request: PutLogEventsRequest,
) -> Result<PutLogEventsResponse, ApiError> {
    if !logs.0.streams.lock().contains(&request.log_stream_name) {
        return Err(missing());
    }
    let place = format!("{} {} {}", caller(cx.principal()), request.log_group_name, request.log_stream_name);
    logs.0.events.lock().extend(request.log_events.into_iter().map(|event| (place.clone(), event.message)));
    logs.0.changed.notify_waiters();
    Ok(PutLogEventsResponse::default())
}
