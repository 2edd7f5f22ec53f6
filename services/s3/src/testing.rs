//! A cloud for the tests of operations, where everything is allowed. Bodies lie in a folder of the test's own.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::FutureExt as _;
use service::policy::Policies;
use service::{
    Access, AnyOperation, ApiError, Audit, AuditEvent, BoxFuture, ByteStream, Bytes, Clock, Cloud, CloudConfig,
    Context, Credential, Directory, Implements, NewSession, Operation, Parts, Principal, Random, Role, Service,
    SessionCredentials, Stages, Store, StoreError, Timestamp,
};

use crate::S3;

pub struct Bench {
    pub s3: Arc<S3>,
    pub cloud: Arc<Cloud>,
    pub folder: tempfile::TempDir,
}

struct Anything;

impl Stages for Anything {
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

impl Audit for Anything {
    fn record(&self, _: AuditEvent) {}
}

impl Directory for Anything {
    fn credential(&self, _: &str) -> Result<Option<Credential>, StoreError> {
        Ok(None)
    }
    fn policies(&self, _: &Principal, _: Option<&str>) -> Result<Arc<Policies>, StoreError> {
        Ok(Arc::default())
    }
    fn role(&self, _: &str) -> Result<Option<Role>, StoreError> {
        Ok(None)
    }
