//! What the rest of the cloud asks of IAM: who a key belongs to, which policies apply, and new sessions.
//!
//! IAM implements this trait; the gateway authenticates and authorizes with it, STS and Lambda issue sessions with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use policy::Policies;
use store::StoreError;
use wire::Timestamp;

use crate::Principal;

/// A key that was issued here.
#[derive(Clone, Debug, PartialEq)]
pub struct Credential {
    pub access_key_id: String,
    pub secret_access_key: String,
    pub principal: Principal,
    /// An inactive key authenticates nobody.
    pub active: bool,
    pub session: Option<Session>,
    /// Set where it is not IAM's own but a service's, good for one of its resources.
    pub opened: Option<Opened>,
}

/// A session that a service opened for one of its resources, in the name of whom it asked for (S3 Express). The rest of
/// the [`Credential`] says who that was.
#[derive(Clone, Debug, PartialEq)]
pub struct Opened {
    /// The bucket.
    pub resource: String,
    /// What was decided when it was opened: `ReadWrite` or `ReadOnly`. Nothing where every call is decided for itself.
    pub mode: Option<String>,
    pub token: String,
    pub expires: Timestamp,
}

/// What only temporary credentials have.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    pub token: String,
    pub issued: Timestamp,
    pub expires: Timestamp,
    /// `aws:PrincipalTag/…` that the session was given.
    pub tags: BTreeMap<String, String>,
    pub mfa: bool,
}

/// A role as STS and the services that assume it see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Role {
    pub account: String,
    pub path: String,
    pub name: String,
    pub id: String,
    pub arn: String,
    /// The trust policy document.
    pub trust_policy: String,
    /// Seconds.
    pub max_session_duration: i32,
}

/// A session to issue.
#[derive(Clone, Debug, Default)]
pub struct NewSession {
    /// Seconds.
    pub duration: i64,
    /// Inline session policy document.
    pub policy: Option<String>,
    pub policy_arns: Vec<String>,
    pub tags: BTreeMap<String, String>,
    pub mfa: bool,
    /// A federated user has the policies of the user that asked for the session.
    pub parent: Option<Principal>,
}

/// Temporary credentials, as they are handed out.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionCredentials {
    pub access_key_id: String,
    pub secret_access_key: String,
    pub session_token: String,
    pub expiration: Timestamp,
}

/// See the module.
pub trait Directory: Send + Sync {
    /// The credential of an issued key; `None` for any other string.
    fn credential(&self, access_key_id: &str) -> Result<Option<Arc<Credential>>, StoreError>;

    /// The policies that apply to a principal using this key.
    fn policies(&self, principal: &Principal, access_key_id: Option<&str>) -> Result<Arc<Policies>, StoreError>;

    /// A role by its ARN.
    fn role(&self, arn: &str) -> Result<Option<Role>, StoreError>;

    /// The client ids (audiences) of an account's OpenID Connect provider; `None` where it has none of this issuer.
    fn oidc_clients(&self, account: &str, issuer: &str) -> Result<Option<Vec<String>>, StoreError>;

    /// Issues temporary credentials. Nothing is checked here: the caller has.
    fn issue(&self, principal: &Principal, session: &NewSession) -> Result<SessionCredentials, StoreError>;
}
