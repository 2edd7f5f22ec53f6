//! What the tests of services share: a cloud's configuration, its root, stages that let everything pass, and a directory of
//! nobody. Only there with the feature `testing`.

use std::any::Any;
use std::path::PathBuf;
use std::sync::Arc;

use policy::Policies;
use store::StoreError;

use crate::{
    Access, AnyOperation, ApiError, BoxFuture, Cloud, CloudConfig, Context, Credential, Directory, NewSession,
    Principal, Role, Service, SessionCredentials, Stages, Timestamp,
};

/// The account of [`root`].
pub const ACCOUNT: &str = "000000000000";

/// The configuration of a cloud in us-east-1 whose bodies and the like lie in `files`.
pub fn config(files: impl Into<PathBuf>) -> CloudConfig {
    CloudConfig {
        region: "us-east-1".to_owned(),
        default_account: ACCOUNT.to_owned(),
        strict: false,
        endpoint: "http://127.0.0.1:4566".to_owned(),
        files: files.into(),
        authority: PathBuf::new(),
    }
}

/// A call of the default account's root in us-east-1.
pub fn root(cloud: &Arc<Cloud>) -> Context {
    cloud.context(Principal::Root { account: ACCOUNT.to_owned() }, ACCOUNT, "us-east-1")
}

/// Stages that let everything pass, and a directory where nobody is.
pub struct Unchecked;

impl Stages for Unchecked {
    fn perform<'a>(
        &'a self,
        cx: &'a Context,
        service: &'a dyn Service,
        operation: &'static dyn AnyOperation,
        input: Box<dyn Any + Send>,
    ) -> BoxFuture<'a, Result<Box<dyn Any + Send>, ApiError>> {
        operation.call(service, cx, input)
    }

    fn authorize(&self, _: &Context, _: &dyn Service, _: &Access) -> Result<(), ApiError> {
        Ok(())
    }
}

impl Directory for Unchecked {
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

    /// Credentials that open nothing.
    fn issue(&self, _: &Principal, _: &NewSession) -> Result<SessionCredentials, StoreError> {
        Ok(SessionCredentials {
            access_key_id: String::new(),
            secret_access_key: String::new(),
            session_token: String::new(),
            expiration: Timestamp::default(),
        })
    }
}
