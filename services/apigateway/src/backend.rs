//! The world behind an API, as its execution sees it.

use crate::execution::{Action, Backend, DEFAULT_TIMEOUT_MILLIS, Fetch, Invocation, Invoked, Unanswered};
use apigateway_api::Method;
use bytes::Bytes;
pub use execute_api::{
    Answer, Relay, World,
    backend::{is_here, json_service, session},
};
use std::time::Duration;
use wire::{ByteStream, Timestamp};

/// How long a method's integration may take.
pub fn timeout(method: &Method) -> Duration {
    let millis = method.method_integration.as_ref().and_then(|integration| integration.timeout_in_millis);
    Duration::from_millis(u64::try_from(millis.unwrap_or(DEFAULT_TIMEOUT_MILLIS)).unwrap_or_default())
}

impl Backend for World {
    fn now(&self) -> Timestamp {
        World::now(self)
    }

    async fn invoke(&self, invocation: Invocation) -> Result<Invoked, Unanswered> {
        World::invoke(self, invocation).await
    }

    async fn stream(&self, invocation: Invocation) -> Result<(Bytes, ByteStream), Unanswered> {
        World::stream(self, invocation).await
    }

    async fn act(&self, action: Action) -> Result<Answer, Unanswered> {
        World::act(self, action).await
    }

    async fn relay(&self, relay: Relay) -> Result<Answer, Unanswered> {
        World::relay(self, relay).await
    }

    async fn fetch(&self, fetch: Fetch) -> Result<Answer, Unanswered> {
        World::fetch(self, fetch).await
    }
}
