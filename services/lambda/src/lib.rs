//! AWS Lambda: functions that really run.
//!
//! - A function is a record with its latest configuration; published versions are records of their own that never change.
//!   Deployment packages are kept in the store by their content.
//! - Invocations run in the execution environments of the `compute` crate, with temporary credentials of the function's role
//!   and with no other rights. What a function logs is written to CloudWatch Logs as that role, so a role without the
//!   permission leaves no logs.
//! - An asynchronous invocation is stored before it is accepted. It is tried three times, one and two minutes apart on the
//!   cloud's clock, and again after a restart if it had not ended.
//!
//! Invariants: a package is unpacked (and so checked) before a function is stored that uses it; an environment belongs to
//! one revision of one version; nothing outside the store is needed to run a function again after a restart.

mod arn;
mod destination;
mod download;
mod error;
mod events;
mod front;
mod function;
mod lineage;
mod logs;
mod mapping;
mod metrics;
mod ops;
mod package;
mod permission;
mod runner;
mod store;
mod streaming;
mod throttle;
mod url;

use std::sync::Arc;

use service::policy::Source;
use service::{AnyOperation, ApiError, Cloud, Context, Front, Service, StoreError};

use wire::{DecodeError, Violations};

pub use runner::Options;

use events::Events;
use mapping::poller::Pollers;
use runner::Runner;

/// The service.
pub struct Lambda {
    runner: Arc<Runner>,
    events: Events,
    pollers: Arc<Pollers>,
}

impl Lambda {
    pub fn new(options: Options) -> Self {
        let runner = Arc::new(Runner::new(options));
        Self { events: Events::new(runner.clone()), pollers: Pollers::new(runner.clone()), runner }
    }
}

service::operations! { Lambda, lambda_api:
    AddLayerVersionPermission,
    AddPermission,
    CreateAlias,
    CreateCodeSigningConfig,
    CreateEventSourceMapping,
    CreateFunction,
    CreateFunctionUrlConfig,
    DeleteAlias,
    DeleteCodeSigningConfig,
    DeleteEventSourceMapping,
    DeleteFunction,
    DeleteFunctionCodeSigningConfig,
    DeleteFunctionConcurrency,
    DeleteFunctionEventInvokeConfig,
    DeleteFunctionUrlConfig,
    DeleteLayerVersion,
    DeleteProvisionedConcurrencyConfig,
    DeleteResourcePolicy,
    GetAccountSettings,
    GetAlias,
    GetCodeSigningConfig,
    GetEventSourceMapping,
    GetFunction,
    GetFunctionCodeSigningConfig,
    GetFunctionConcurrency,
    GetFunctionConfiguration,
    GetFunctionEventInvokeConfig,
    GetFunctionRecursionConfig,
    GetFunctionUrlConfig,
    GetLayerVersion,
    GetLayerVersionByArn,
    GetLayerVersionPolicy,
    GetPolicy,
    GetProvisionedConcurrencyConfig,
    GetResourcePolicy,
    GetRuntimeManagementConfig,
    Invoke,
    InvokeAsync,
    InvokeWithResponseStream,
    ListAliases,
    ListCodeSigningConfigs,
    ListEventSourceMappings,
    ListFunctionEventInvokeConfigs,
    ListFunctionUrlConfigs,
    ListFunctions,
    ListFunctionsByCodeSigningConfig,
    ListLayerVersions,
    ListLayers,
    ListProvisionedConcurrencyConfigs,
    ListTags,
    ListVersionsByFunction,
    PublishLayerVersion,
    PublishVersion,
    PutFunctionCodeSigningConfig,
    PutFunctionConcurrency,
    PutFunctionEventInvokeConfig,
    PutFunctionRecursionConfig,
    PutProvisionedConcurrencyConfig,
    PutResourcePolicy,
    PutRuntimeManagementConfig,
    RemoveLayerVersionPermission,
    RemovePermission,
    TagResource,
    UntagResource,
    UpdateAlias,
    UpdateCodeSigningConfig,
    UpdateEventSourceMapping,
    UpdateFunctionCode,
    UpdateFunctionConfiguration,
    UpdateFunctionEventInvokeConfig,
    UpdateFunctionUrlConfig,
}

impl Service for Lambda {
    fn model(&self) -> &'static wire::ServiceModel {
        &lambda_api::SERVICE_MODEL
    }

    fn resources(&self) -> &'static [(&'static str, &'static str)] {
        &[("functions", "lambda/function\0\u{1}"), ("layer versions", "lambda/layer\0\u{1}")]
    }

    fn operations(&self) -> &'static [&'static dyn AnyOperation] {
        OPERATIONS
    }

    /// Lambda itself, not the framework in front of it, looks at the runtime.
    fn invalid(&self, violations: &Violations) -> ApiError {
        let mut all = violations.iter();
        match (all.next(), all.next()) {
            (Some(only), None) if only.path == "runtime" => {
                function::unknown_runtime(only.value.trim_matches('\'')).into()
            }
            _ => ApiError::new(400, "ValidationException", violations.to_string()),
        }
    }

    fn malformed(&self, error: &DecodeError) -> ApiError {
        match error {
            DecodeError::Malformed(text) => {
                let message = format!("Could not parse request body into json: {text}");
                ApiError::new(400, "InvalidRequestContentException", message)
            }
            error => ApiError::new(400, "SerializationException", error.to_string()),
        }
    }

    fn resource_policy(&self, cx: &Context, resource: &str) -> Result<Option<Source>, StoreError> {
        if resource.contains(":layer:") {
            return ops::layer_policy::source(cx, resource);
        }
        permission::source(cx, resource)
    }

    fn fronts(&self) -> Vec<Box<dyn Front>> {
        vec![Box::new(download::Download), Box::new(front::Urls::new(self.runner.clone()))]
    }

    fn start(&self, cloud: &Arc<Cloud>) {
        self.runner.start(cloud);
        self.events.start(cloud);
        self.pollers.start(cloud);
    }

    fn reset(&self) {
        self.runner.reset();
        self.pollers.reset();
    }
}
