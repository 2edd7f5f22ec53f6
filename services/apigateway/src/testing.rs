//! A cloud for tests: this service, a function service that answers as it is told, and stages that let root do
//! everything, services what a test grants, and anonymous callers nothing.

use crate::ApiGateway;
use lambda_api::{InvocationRequest, InvocationResponse, Invoke};
use service::{
    Access, AnyOperation, ApiError, BoxFuture, Clock, Cloud, CloudConfig, Context, Credential, Directory, NewSession,
    Parts, Principal, Random, Role, Service, SessionCredentials, Stages, Store, StoreError, Timestamp, operation,
    operations, policy::Policies,
};
use std::{
    any::Any,
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

/// Answers each function's invocations with what was set for it, and remembers the calls.
#[derive(Default)]
pub struct Functions {
    pub answers: Mutex<BTreeMap<String, InvocationResponse>>,
    pub calls: Mutex<Vec<(Context, InvocationRequest)>>,
}

operations! { Functions, lambda_api: Invoke }
operation! { Functions, Invoke, action: "lambda:InvokeFunction" on |_, r| r.function_name.clone(), handler: invoke }

async fn invoke(
    functions: &Functions,
    cx: &Context,
    request: InvocationRequest,
) -> Result<InvocationResponse, ApiError> {
    let answer = functions.answers.lock().unwrap().get(&request.function_name).cloned();
    functions.calls.lock().unwrap().push((cx.clone(), request));
    answer.ok_or_else(|| ApiError::new(403, "AccessDeniedException", "not allowed"))
}

impl Service for Functions {
    fn model(&self) -> &'static wire::ServiceModel {
        &lambda_api::SERVICE_MODEL
    }
    fn operations(&self) -> &'static [&'static dyn AnyOperation] {
        OPERATIONS
    }
}

struct Nobody;

impl Directory for Nobody {
    fn credential(&self, _: &str) -> Result<Option<Arc<Credential>>, StoreError> {
        Ok(None)
    }
    fn policies(&self, _: &Principal, _: Option<&str>) -> Result<Arc<Policies>, StoreError> {
        Ok(Arc::default())
    }
    fn role(&self, _: &str) -> Result<Option<Role>, StoreError> {
        Ok(None)
    }
    fn oidc_clients(&self, _: &str, _: &str) -> Result<Option<Vec<String>>, StoreError> {
        Ok(None)
    }
    fn issue(&self, _: &Principal, _: &NewSession) -> Result<SessionCredentials, StoreError> {
        Err(StoreError::Corrupt("nobody issues sessions".to_owned()))
    }
}

impl Stages for Nobody {
    fn perform<'a>(
        &'a self,
        cx: &'a Context,
        service: &'a dyn Service,
        operation: &'static dyn AnyOperation,
        input: Box<dyn Any + Send>,
    ) -> BoxFuture<'a, Result<Box<dyn Any + Send>, ApiError>> {
        operation.call(service, cx, input)
    }

    fn authorize(&self, cx: &Context, _: &dyn Service, _: &Access) -> Result<(), ApiError> {
        match cx.principal() {
            Principal::Root { .. } => Ok(()),
            _ => Err(ApiError::new(403, "AccessDeniedException", "")),
        }
    }
}

pub struct World {
    pub service: Arc<ApiGateway>,
    pub functions: Arc<Functions>,
    /// Root of account 000000000000 in us-east-1.
    pub cx: Context,
}

impl World {
    pub fn new() -> Self {
        let config = CloudConfig {
            region: "us-east-1".to_owned(),
            default_account: "000000000000".to_owned(),
            strict: false,
            endpoint: "http://127.0.0.1:4566".to_owned(),
            files: std::path::PathBuf::new(),
            authority: std::path::PathBuf::new(),
        };
        let clock = Clock::frozen(Timestamp::from_secs(1_000_000_000));
        let cloud = Cloud::new(Store::memory(), clock, Random::seeded(7), config);
        let service = Arc::new(ApiGateway::default());
        let functions = Arc::new(Functions::default());
        let services: BTreeMap<&'static str, Arc<dyn Service>> =
            [("apigateway", service.clone() as Arc<dyn Service>), ("lambda", functions.clone())].into();
        let nobody = Arc::new(Nobody);
        cloud.assemble(Parts { services, directory: nobody.clone(), stages: nobody });
        let root = Principal::Root { account: "000000000000".to_owned() };
        Self { service, functions, cx: cloud.context(root, "000000000000", "us-east-1") }
    }
}
