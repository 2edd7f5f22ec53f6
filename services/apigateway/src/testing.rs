//! A cloud for tests: this service, a function service that answers as it is told, and stages that let root do
//! everything, services what a test grants, and anonymous callers nothing.

use crate::ApiGateway;
use lambda_api::{InvocationRequest, InvocationResponse, Invoke};
use service::{
    Access, AnyOperation, ApiError, BoxFuture, Clock, Cloud, Context, Parts, Principal, Random, Service, Stages, Store,
    Timestamp, operation, operations, testing,
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

struct RootOnly;

impl Stages for RootOnly {
    fn perform<'a>(
        &'a self,
        cx: &'a Context,
        service: &'a dyn Service,
        operation: &'static dyn AnyOperation,
        input: Box<dyn Any + Send>,
    ) -> BoxFuture<'a, Result<Box<dyn Any + Send>, ApiError>> {
        testing::Unchecked.perform(cx, service, operation, input)
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
        let clock = Clock::frozen(Timestamp::from_secs(1_000_000_000));
        let cloud = Cloud::new(Store::memory(), clock, Random::seeded(7), testing::config(""));
        let service = Arc::new(ApiGateway::default());
        let functions = Arc::new(Functions::default());
        let services: BTreeMap<&'static str, Arc<dyn Service>> =
            [("apigateway", service.clone() as Arc<dyn Service>), ("lambda", functions.clone())].into();
        cloud.assemble(Parts { services, directory: Arc::new(testing::Unchecked), stages: Arc::new(RootOnly) });
        Self { service, functions, cx: testing::root(&cloud) }
    }
}
