//! The cloud as a whole: shared state, time, randomness, and the services by name.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use events::Bus;
use store::Store;
use wire::Timestamp;

use crate::operation::{AnyOperation, BoxFuture, Service};
use crate::{ApiError, Caller, Clock, Context, Directory, Origin, Principal, Random};

/// What the user chose at start.
#[derive(Clone, Debug)]
pub struct CloudConfig {
    /// Region of requests that name none.
    pub region: String,
    /// Account of unknown access keys.
    pub default_account: String,
    /// Only issued keys are accepted.
    pub strict: bool,
    /// `http://127.0.0.1:4566`: what clients on this machine reach the gateway by.
    pub endpoint: String,
    /// Files that are not in the store: function code, large bodies. Absent for a cloud in memory without a folder.
    pub files: std::path::PathBuf,
    /// The root certificate that TLS clients have to trust.
    pub authority: std::path::PathBuf,
}

/// The stages of a request that calls between services also pass: authorize, call, audit.
pub trait Stages: Send + Sync {
    fn perform<'a>(
        &'a self,
        cx: &'a Context,
        service: &'a dyn Service,
        operation: &'static dyn AnyOperation,
        input: Box<dyn Any + Send>,
    ) -> BoxFuture<'a, Result<Box<dyn Any + Send>, ApiError>>;

    /// Whether the caller of `cx` may do `access`, without doing it.
    fn authorize(&self, cx: &Context, service: &dyn Service, access: &crate::Access) -> Result<(), ApiError>;
}

/// What the stream of events carries.
#[derive(Clone, Debug)]
pub enum Event {
    /// A call was answered.
    Audit(AuditEvent),
    /// Something was measured.
    Metrics(Metrics),
    /// Something happened in a service that the default event bus of an account is told of.
    Service(ServiceEvent),
}

/// What a service tells EventBridge.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceEvent {
    /// A UUID.
    pub id: String,
    pub time: Timestamp,
    pub account: String,
    pub region: String,
    /// `aws.s3`
    pub source: &'static str,
    /// `Object Created`
    pub detail_type: String,
    /// ARNs.
    pub resources: Vec<String>,
    pub detail: serde_json::Value,
}

/// Measurements of one moment, as CloudWatch takes them: each value counts under each set of dimensions.
#[derive(Clone, Debug, PartialEq)]
pub struct Metrics {
    pub time: Timestamp,
    pub account: String,
    pub region: String,
    /// `AWS/ApiGateway`
    pub namespace: &'static str,
    pub dimensions: Vec<Vec<(&'static str, String)>>,
    pub values: Vec<Measurement>,
}

/// One measured value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measurement {
    /// `Latency`
    pub name: &'static str,
    pub value: f64,
    /// `Milliseconds`
    pub unit: &'static str,
}

/// One call, as CloudTrail tells of it.
#[derive(Clone, Debug)]
pub struct AuditEvent {
    pub time: Timestamp,
    pub cx: Context,
    /// `dynamodb`
    pub service: &'static str,
    /// `PutItem`
    pub operation: &'static str,
    pub read_only: bool,
    /// A call on the content of a resource rather than on the resource: CloudTrail's data events.
    pub data: bool,
    /// Request parameters as the text of a JSON object, without secrets; empty where they are not kept.
    pub parameters: Vec<u8>,
    pub error: Option<(String, String)>,
    /// The ARN that the call was for, as it was authorized; none where it did not come so far.
    pub resource: Option<String>,
}

/// Everything that services share.
pub struct Cloud {
    pub store: Store,
    pub clock: Clock,
    pub random: Random,
    pub config: CloudConfig,
    /// What happens in the cloud, as it happens.
    pub events: Bus<Event>,
    parts: OnceLock<Parts>,
}

/// What is there once every service has been made.
pub struct Parts {
    pub services: BTreeMap<&'static str, Arc<dyn Service>>,
    pub directory: Arc<dyn Directory>,
    pub stages: Arc<dyn Stages>,
}

impl Cloud {
    pub fn new(store: Store, clock: Clock, random: Random, config: CloudConfig) -> Arc<Cloud> {
        Arc::new(Cloud { store, clock, random, config, events: Bus::default(), parts: OnceLock::new() })
    }

    /// Sets the services, once, at start.
    pub fn assemble(&self, parts: Parts) {
        assert!(self.parts.set(parts).is_ok(), "a cloud is assembled once");
    }

    fn parts(&self) -> &Parts {
        match self.parts.get() {
            Some(parts) => parts,
            None => unreachable!("the cloud answers only after it was assembled"),
        }
    }

    pub fn services(&self) -> impl Iterator<Item = &Arc<dyn Service>> {
        self.parts().services.values()
    }

    /// The service of a name: `dynamodb`.
    pub fn service(&self, name: &str) -> Option<&Arc<dyn Service>> {
        self.parts().services.get(name)
    }

    pub fn directory(&self) -> &dyn Directory {
        &*self.parts().directory
    }

    pub fn stages(&self) -> &dyn Stages {
        &*self.parts().stages
    }

    /// A context for work that no request asked for, such as a poller's or a timer's.
    pub fn context(self: &Arc<Self>, principal: Principal, account: &str, region: &str) -> Context {
        let caller = Caller::Principal(principal);
        Context::of_request(self.clone(), caller, account, region, Origin::default(), self.random.uuid())
    }

    /// Clears all state and every cache.
    pub fn reset(&self) -> Result<(), store::StoreError> {
        self.store.clear()?;
        for service in self.services() {
            service.reset();
        }
        Ok(())
    }
}
