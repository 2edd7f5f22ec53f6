//! Operations: the typed declaration and the untyped face that the gateway works with.

use std::any::Any;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use http::HeaderMap;
use policy::Source;
use store::StoreError;
use wire::validate::check;
use wire::{DecodeError, Decoder, Encoder, Operation, OperationModel, ServiceModel, Shape, Structure, Violations};

use crate::{ApiError, Cloud, Context, Credential, Front};

pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a call needs to be allowed: an action on a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// `dynamodb:GetItem`
    pub action: String,
    /// An ARN, or `*`.
    pub resource: String,
    /// The owner of the resource where the ARN does not say (S3): the context's account otherwise.
    pub account: Option<String>,
    /// Further condition keys of this action, with their values.
    pub conditions: Vec<(String, Vec<String>)>,
    /// Decided before, when the session was opened that the caller uses: no policy is asked again.
    pub granted: bool,
}

impl Access {
    pub fn new(action: impl Into<String>, resource: impl Into<String>) -> Self {
        Access {
            action: action.into(),
            resource: resource.into(),
            account: None,
            conditions: Vec::new(),
            granted: false,
        }
    }

    /// Adds a condition key with one value.
    pub fn with(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.conditions.push((key.into(), vec![value.into()]));
        self
    }

    /// Adds a condition key with any number of values.
    pub fn with_all(mut self, key: impl Into<String>, values: Vec<String>) -> Self {
        self.conditions.push((key.into(), values));
        self
    }

    pub fn owned_by(mut self, account: impl Into<String>) -> Self {
        self.account = Some(account.into());
        self
    }

    pub fn granted(mut self) -> Self {
        self.granted = true;
        self
    }
}

/// A request that a browser makes for a page of another origin, before it is known who makes it.
#[derive(Clone, Copy, Debug)]
pub struct CrossOrigin<'a> {
    /// What operations are matched against: with the bucket of a virtual host in front.
    pub path: &'a str,
    pub origin: &'a str,
    /// Of a preflight, the method that is asked for.
    pub method: &'a str,
    /// `Access-Control-Request-Headers`.
    pub headers: Option<&'a str>,
    pub preflight: bool,
}

/// Headers of the answer to a [`CrossOrigin`] request.
pub type CrossOriginAnswer = Result<Vec<(&'static str, String)>, ApiError>;

/// One service of the cloud.
pub trait Service: Any + Send + Sync {
    fn model(&self) -> &'static ServiceModel;

    /// What [`operations!`](crate::operations) lists.
    fn operations(&self) -> &'static [&'static dyn AnyOperation];

    fn operation(&self, name: &str) -> Option<&'static dyn AnyOperation> {
        self.operations().iter().find(|operation| operation.model().name == name).copied()
    }

    /// The answer to an input that breaks constraints of the model.
    fn invalid(&self, violations: &Violations) -> ApiError {
        ApiError::new(400, "ValidationException", violations.to_string())
    }

    /// The same, for services whose words depend on the operation.
    fn invalid_input(&self, _: &'static dyn AnyOperation, violations: &Violations) -> ApiError {
        self.invalid(violations)
    }

    /// The answer to an input that cannot be decoded.
    fn malformed(&self, error: &DecodeError) -> ApiError {
        match error {
            DecodeError::Malformed(_) => ApiError::new(400, "SerializationException", ""),
            error => ApiError::new(400, "SerializationException", error.to_string()),
        }
    }

    /// The resource-based policy of a resource of this service, if it has one. `cx` says where the resource lives
    /// unless its ARN does.
    fn resource_policy(&self, _cx: &Context, _resource: &str) -> Result<Option<Source>, StoreError> {
        Ok(None)
    }

    /// The resource-based policy that decides one access: that of the resource, and what else of the kind the service keeps
    /// beside it (S3's access control lists).
    fn access_policy(&self, cx: &Context, access: &Access) -> Result<Option<Source>, StoreError> {
        self.resource_policy(cx, &access.resource)
    }

    /// What the service asks of the query and headers of a request, beside what the model says of the operation that they
    /// lead to.
    fn check_request(
        &self,
        _operation: &OperationModel,
        _query: &[(String, String)],
        _headers: &HeaderMap,
    ) -> Result<(), ApiError> {
        Ok(())
    }

    /// What the service asks of a body that is read as a whole, beside that it can be decoded: that it has the checksum that
    /// the headers state.
    fn check_body(&self, _operation: &OperationModel, _headers: &HeaderMap, _body: &[u8]) -> Result<(), ApiError> {
        Ok(())
    }

    /// The service's own answer to a request from a page of another origin: the headers to add, or why a preflight is
    /// refused. `None` leaves it to the gateway, which lets every page in.
    fn cross_origin(&self, _cloud: &Arc<Cloud>, _request: &CrossOrigin<'_>) -> Option<CrossOriginAnswer> {
        None
    }

    /// The credential of a session that the service opened itself, by its access key id.
    fn session(&self, _cloud: &Cloud, _access_key_id: &str) -> Result<Option<Credential>, StoreError> {
        Ok(None)
    }

    /// Data planes that are not APIs.
    fn fronts(&self) -> Vec<Box<dyn Front>> {
        Vec::new()
    }

    /// What the service keeps, for `welkin status`: the plural of a kind of resource, and the prefix of its keys.
    fn resources(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// Called once, when every service is there: starts background work and resumes what a stop interrupted.
    fn start(&self, _cloud: &Arc<Cloud>) {}

    /// Forgets caches: the store was cleared.
    fn reset(&self) {}
}

/// A service implements an operation. Made by [`operation!`](crate::operation).
pub trait Implements<O: Operation>: Service {
    /// What the caller must be allowed to do; nothing for operations open to every authenticated caller.
    fn access(&self, cx: &Context, request: &O::Input) -> Result<Vec<Access>, ApiError>;

    fn call(&self, cx: &Context, request: O::Input) -> impl Future<Output = Result<O::Output, ApiError>> + Send;
}

type Untyped = Box<dyn Any + Send>;

/// An operation without its types.
pub trait AnyOperation: Send + Sync {
    fn model(&self) -> &'static OperationModel;
    /// Decodes the input; `missing` is set where a required member is absent.
    fn decode(&self, decoder: &mut dyn Decoder, missing: &mut bool) -> wire::codec::Result<Untyped>;
    fn validate(&self, input: &(dyn Any + Send)) -> Violations;
    fn access(&self, service: &dyn Service, cx: &Context, input: &(dyn Any + Send)) -> Result<Vec<Access>, ApiError>;
    fn call<'a>(
        &'a self,
        service: &'a dyn Service,
        cx: &'a Context,
        input: Untyped,
    ) -> BoxFuture<'a, Result<Untyped, ApiError>>;
    fn encode_input(&self, input: &(dyn Any + Send), encoder: &mut dyn Encoder);
    fn encode_output(&self, output: &(dyn Any + Send), encoder: &mut dyn Encoder);
}

/// The operation `O` of the service `S`.
pub struct Typed<S, O>(PhantomData<fn() -> (S, O)>);

impl<S, O> Typed<S, O> {
    pub const NEW: Self = Typed(PhantomData);
}

fn mismatch() -> ApiError {
    crate::Internal("an operation was called with another's types".to_owned()).into()
}

impl<S: Implements<O>, O: Operation> AnyOperation for Typed<S, O> {
    fn model(&self) -> &'static OperationModel {
        O::MODEL
    }

    fn decode(&self, decoder: &mut dyn Decoder, missing: &mut bool) -> wire::codec::Result<Untyped> {
        Ok(Box::new(O::Input::decode(decoder, missing)?))
    }

    fn validate(&self, input: &(dyn Any + Send)) -> Violations {
        match input.downcast_ref::<O::Input>() {
            Some(input) => check(O::Input::SCHEMA, |encoder| input.encode(encoder)),
            None => Violations::default(),
        }
    }

    fn access(&self, service: &dyn Service, cx: &Context, input: &(dyn Any + Send)) -> Result<Vec<Access>, ApiError> {
        let any: &dyn Any = service;
        let service = any.downcast_ref::<S>().ok_or_else(mismatch)?;
        service.access(cx, input.downcast_ref::<O::Input>().ok_or_else(mismatch)?)
    }

    fn call<'a>(
        &'a self,
        service: &'a dyn Service,
        cx: &'a Context,
        input: Untyped,
    ) -> BoxFuture<'a, Result<Untyped, ApiError>> {
        Box::pin(async move {
            let any: &dyn Any = service;
            let service = any.downcast_ref::<S>().ok_or_else(mismatch)?;
            let input = input.downcast::<O::Input>().map_err(|_| mismatch())?;
            let output = service.call(cx, *input).await?;
            Ok(Box::new(output) as Untyped)
        })
    }

    fn encode_input(&self, input: &(dyn Any + Send), encoder: &mut dyn Encoder) {
        if let Some(input) = input.downcast_ref::<O::Input>() {
            input.encode(encoder);
        }
    }

    fn encode_output(&self, output: &(dyn Any + Send), encoder: &mut dyn Encoder) {
        if let Some(output) = output.downcast_ref::<O::Output>() {
            output.encode(encoder);
        }
    }
}

/// Declares one operation: its service and type, what it needs to be allowed, and its handler.
///
/// - `operation! { Sts, GetCallerIdentity, action: none, handler: get_caller_identity }`
/// - `operation! { DynamoDb, GetItem, action: "dynamodb:GetItem" on |cx, request| arn(cx, &request.table_name), handler: get_item }`
/// - `operation! { DynamoDb, BatchGetItem, access: |db, cx, request| Ok::<_, Error>(…), handler: batch_get_item }` for several
///   actions or resources, or further conditions; the expression yields `Result<Vec<Access>, Error>`.
///
/// The handler is `async fn(&Service, &Context, Input) -> Result<Output, Error>`.
#[macro_export]
macro_rules! operation {
    ($service:ty, $operation:ty, action: none, handler: $handler:path) => {
        $crate::operation! { $service, $operation, access: |_s, _cx, _r| Ok::<_, $crate::ApiError>(Vec::new()), handler: $handler }
    };
    ($service:ty, $operation:ty, action: $action:literal on |$cx:pat_param, $request:pat_param| $resource:expr, handler: $handler:path) => {
        $crate::operation! {
            $service, $operation,
            access: |_s, $cx, $request| Ok::<_, $crate::ApiError>(vec![$crate::Access::new($action, $resource)]),
            handler: $handler
        }
    };
    ($service:ty, $operation:ty, access: |$self:pat_param, $cx:pat_param, $request:pat_param| $access:expr, handler: $handler:path) => {
        impl $crate::Implements<$operation> for $service {
            fn access(
                &self,
                cx: &$crate::Context,
                request: &<$operation as $crate::Operation>::Input,
            ) -> Result<Vec<$crate::Access>, $crate::ApiError> {
                let ($self, $cx, $request) = (self, cx, request);
                let access: Result<Vec<$crate::Access>, _> = $access;
                access.map_err($crate::ApiError::from)
            }

            async fn call(
                &self,
                cx: &$crate::Context,
                request: <$operation as $crate::Operation>::Input,
            ) -> Result<<$operation as $crate::Operation>::Output, $crate::ApiError> {
                $handler(self, cx, request).await.map_err($crate::ApiError::from)
            }
        }
    };
}

/// Lists a service's operations, in alphabetical order: `operations! { DynamoDb, dynamodb_api: BatchGetItem, … }`.
#[macro_export]
macro_rules! operations {
    ($service:ty, $api:ident: $($operation:ident),* $(,)?) => {
        static OPERATIONS: &[&dyn $crate::AnyOperation] = &[
            $(&$crate::Typed::<$service, $api::$operation>::NEW,)*
        ];
    };
}
