//! What a handler knows of the call beside its input.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use store::Store;
use wire::{Operation, Timestamp};

use crate::directory::{Credential, Opened, Session};
use crate::{ApiError, Clock, Cloud, Principal, Random};

/// One call: who, where, when. Clones share everything.
#[derive(Clone)]
pub struct Context {
    pub cloud: Arc<Cloud>,
    call: Arc<Call>,
}

#[derive(Clone)]
struct Call {
    request_id: String,
    region: String,
    account: String,
    caller: Caller,
    origin: Origin,
}

/// Who makes a call.
#[derive(Clone, Debug)]
pub enum Caller {
    /// A principal that signed nothing: a service, a background task acting for somebody, or nobody.
    Principal(Principal),
    /// The holder of a key.
    Holder(Arc<Credential>),
}

impl Caller {
    pub fn principal(&self) -> &Principal {
        match self {
            Caller::Principal(principal) => principal,
            Caller::Holder(credential) => &credential.principal,
        }
    }

    fn credential(&self) -> Option<&Credential> {
        match self {
            Caller::Principal(_) => None,
            Caller::Holder(credential) => Some(credential),
        }
    }
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
    /// `X-Amzn-Trace-Id`, as it came; it goes along with the calls that this one leads to.
    pub trace: Option<String>,
    /// Absent where nobody signed.
    pub signed: Option<Signed>,
}

/// How a request was signed; policies of S3 can ask for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signed {
    /// In its query rather than in its headers.
    pub presigned: bool,
    /// When. Version 2 does not tell.
    pub at: Option<Timestamp>,
    /// The signature does not cover the body.
    pub unsigned_body: bool,
}

impl Default for Origin {
    fn default() -> Self {
        Origin {
            source_ip: "127.0.0.1".to_owned(),
            user_agent: "welkin".to_owned(),
            secure: true,
            via: None,
            source: Vec::new(),
            trace: None,
            signed: None,
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("request_id", &self.call.request_id)
            .field("account", &self.call.account)
            .field("region", &self.call.region)
            .field("principal", self.principal())
            .finish_non_exhaustive()
    }
}

impl Context {
    /// The context of a request as the gateway makes it.
    pub fn of_request(
        cloud: Arc<Cloud>,
        caller: Caller,
        account: &str,
        region: &str,
        origin: Origin,
        request_id: String,
    ) -> Self {
        let call = Call { request_id, region: region.to_owned(), account: account.to_owned(), caller, origin };
        Context { cloud, call: Arc::new(call) }
    }

    /// The account whose resources the call is about unless it names others.
    pub fn account(&self) -> &str {
        &self.call.account
    }

    pub fn region(&self) -> &str {
        &self.call.region
    }

    pub fn request_id(&self) -> &str {
        &self.call.request_id
    }

    pub fn principal(&self) -> &Principal {
        self.call.caller.principal()
    }

    pub fn caller(&self) -> &Caller {
        &self.call.caller
    }

    pub fn access_key_id(&self) -> Option<&str> {
        self.call.caller.credential().map(|credential| credential.access_key_id.as_str())
    }

    /// Set where the caller uses temporary credentials.
    pub fn session(&self) -> Option<&Session> {
        self.call.caller.credential().and_then(|credential| credential.session.as_ref())
    }

    /// Set where the caller uses a session of a service's own.
    pub fn opened(&self) -> Option<&Opened> {
        self.call.caller.credential().and_then(|credential| credential.opened.as_ref())
    }

    pub fn origin(&self) -> &Origin {
        &self.call.origin
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

    pub fn with_request_id(mut self, request_id: String) -> Self {
        Arc::make_mut(&mut self.call).request_id = request_id;
        self
    }

    /// The same call as a part of another chain of calls (`X-Amzn-Trace-Id`).
    pub fn with_trace(mut self, trace: Option<String>) -> Self {
        Arc::make_mut(&mut self.call).origin.trace = trace;
        self
    }

    /// The same call seen in another account or region.
    pub fn in_place(mut self, account: &str, region: &str) -> Self {
        let call = Arc::make_mut(&mut self.call);
        account.clone_into(&mut call.account);
        region.clone_into(&mut call.region);
        self
    }

    /// The context of a call that `principal` makes in the course of this one. `source` holds what the calling service
    /// vouches for, such as `("aws:SourceArn", arn)`.
    pub fn acting_as(&self, principal: Principal, source: &[(&str, &str)]) -> Context {
        let account = match principal.account() {
            "" => self.account().to_owned(),
            account => account.to_owned(),
        };
        let via = match &principal {
            Principal::Service { name } => Some(name.clone()),
            _ => self.origin().via.clone(),
        };
        let origin = Origin {
            via,
            trace: self.origin().trace.clone(),
            source: source.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            ..Origin::default()
        };
        let request_id = self.cloud.random.uuid();
        let caller = Caller::Principal(principal);
        Context::of_request(self.cloud.clone(), caller, &account, self.region(), origin, request_id)
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
