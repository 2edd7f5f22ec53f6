//! What a handler knows of the call beside its input.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use store::Store;
use wire::{Operation, Timestamp};

use crate::directory::Session;
use crate::{ApiError, Clock, Cloud, Principal, Random};

/// One call: who, where, when.
#[derive(Clone)]
pub struct Context {
    pub cloud: Arc<Cloud>,
    pub(crate) request_id: String,
    pub(crate) region: String,
    pub(crate) account: String,
    pub(crate) principal: Principal,
    pub(crate) access_key_id: Option<String>,
    pub(crate) session: Option<Session>,
    pub(crate) origin: Origin,
}

/// Where a call came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub source_ip: String,
    pub user_agent: String,
    /// Over TLS.
    pub secure: bool,
    /// The service that made the call on behalf of somebody: `lambda.amazonaws.com`.
    pub via: Option<String>,
    /// Conditions that a calling service vouches for (`aws:SourceArn`, `aws:SourceAccount`).
    pub source: Vec<(String, String)>,
}

impl Default for Origin {
    fn default() -> Self {
        Origin {
            source_ip: "127.0.0.1".to_owned(),
            user_agent: "welkin".to_owned(),
            secure: true,
            via: None,
            source: Vec::new(),
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("request_id", &self.request_id)
            .field("account", &self.account)
            .field("region", &self.region)
            .field("principal", &self.principal)
            .finish_non_exhaustive()
    }
}

impl Context {
    /// The account whose resources the call is about unless it names others.
    pub fn account(&self) -> &str {
        &self.account
    }

    pub fn region(&self) -> &str {
        &self.region
    }

    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    pub fn access_key_id(&self) -> Option<&str> {
        self.access_key_id.as_deref()
    }

    /// Set where the caller uses temporary credentials.
    pub fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }

    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    pub fn now(&self) -> Timestamp {
        self.cloud.clock.now()
    }

    pub fn clock(&self) -> &Clock {
        &self.cloud.clock
    }

    pub fn random(&self) -> &Random {
        &self.cloud.random
    }

    pub fn store(&self) -> &Store {
        &self.cloud.store
    }

    /// The context as the gateway makes it from a request.
    pub fn with_caller(mut self, access_key_id: Option<String>, session: Option<Session>, origin: Origin) -> Self {
        self.access_key_id = access_key_id;
        self.session = session;
        self.origin = origin;
        self
    }

    pub fn with_request_id(mut self, request_id: String) -> Self {
        self.request_id = request_id;
        self
    }

    /// The same call seen in another account or region.
    pub fn in_place(mut self, account: &str, region: &str) -> Self {
        account.clone_into(&mut self.account);
        region.clone_into(&mut self.region);
        self
    }

    /// The context of a call that `principal` makes in the course of this one. `source` holds what the calling service
    /// vouches for, such as `("aws:SourceArn", arn)`.
    pub fn acting_as(&self, principal: Principal, source: &[(&str, &str)]) -> Context {
        let account = match principal.account() {
            "" => self.account.clone(),
            account => account.to_owned(),
        };
        let via = match &principal {
            Principal::Service { name } => Some(name.clone()),
            _ => self.origin.via.clone(),
        };
        let origin = Origin {
            via,
            source: source.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            ..Origin::default()
        };
        Context {
            cloud: self.cloud.clone(),
            request_id: self.cloud.random.uuid(),
            region: self.region.clone(),
            account,
            principal,
            access_key_id: None,
            session: None,
            origin,
        }
    }

    /// Calls another service as `principal`: authorized and audited like any request.
    pub async fn call<O: Operation>(&self, principal: Principal, input: O::Input) -> Result<O::Output, ApiError> {
        self.acting_as(principal, &[]).perform::<O>(input).await
    }

    /// Calls a service as the caller of this context.
    pub async fn perform<O: Operation>(&self, input: O::Input) -> Result<O::Output, ApiError> {
        let unknown =
            || ApiError::new(501, "NotImplemented", format!("{}:{} is not implemented.", O::SERVICE, O::MODEL.name));
        let service = self.cloud.service(O::SERVICE).ok_or_else(unknown)?;
        let operation = service.operation(O::MODEL.name).ok_or_else(unknown)?;
        let output: Box<dyn Any + Send> =
            self.cloud.stages().perform(self, &**service, operation, Box::new(input)).await?;
        match output.downcast::<O::Output>() {
            Ok(output) => Ok(*output),
            Err(_) => Err(crate::Internal(format!("{} answered another type", O::MODEL.name)).into()),
        }
    }
}
