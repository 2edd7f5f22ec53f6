//! AWS Security Token Service: who the caller is, and temporary credentials.
//!
//! It has no state of its own: sessions are issued by IAM through [`service::Directory`]. A role is assumed only by
//! callers that both its trust policy names and, unless it names them in person within its account, their own policies
//! allow. A web identity token is verified with the keys of its provider, which the role's account must know.

mod error;
mod ops;
mod token;

use service::policy::{Policy, Source};
use service::{AnyOperation, ApiError, Context, Service, StoreError};
use wire::{DecodeError, ServiceModel, Violations};

pub use error::Error;

service::operations! { Sts, sts_api:
    AssumeRole,
    AssumeRoleWithWebIdentity,
    DecodeAuthorizationMessage,
    GetAccessKeyInfo,
    GetCallerIdentity,
    GetFederationToken,
    GetSessionToken,
}

/// See the module.
#[derive(Default)]
pub struct Sts;

impl Service for Sts {
    fn model(&self) -> &'static ServiceModel {
        &sts_api::SERVICE_MODEL
    }

    fn operations(&self) -> &'static [&'static dyn AnyOperation] {
        OPERATIONS
    }

    fn invalid(&self, violations: &Violations) -> ApiError {
        ApiError::new(400, "ValidationError", violations.to_string())
    }

    fn malformed(&self, error: &DecodeError) -> ApiError {
        ApiError::new(400, "MalformedInput", error.to_string())
    }

    /// Roles are the resources here, and their trust policies the resource policies.
    fn resource_policy(&self, cx: &Context, resource: &str) -> Result<Option<Source>, StoreError> {
        let Some(role) = cx.cloud.directory().role(resource)? else { return Ok(None) };
        let policy = Policy::parse(&role.trust_policy).ok();
        Ok(policy.map(|policy| Source { name: format!("trust policy of role {}", role.name), policy: policy.into() }))
    }
}
