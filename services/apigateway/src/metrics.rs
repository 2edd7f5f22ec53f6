//! What a stage measures, told to the stream of events, where CloudWatch takes it from.

use crate::request::Incoming;
use execute_api::metrics::{self, count, millis};
use service::Context;

/// One request as it was answered.
pub struct Answered {
    pub status: u16,
    /// How long the integration took; none where the request did not reach it.
    pub integration_millis: Option<i64>,
    /// Whether the stage's cache answered, where it was asked.
    pub cache_hit: Option<bool>,
}

/// Publishes what REST APIs publish: under the API's name, its stage, and with `detailed` metrics under the method too.
pub fn publish(cx: &Context, incoming: &Incoming, api_name: &str, detailed: bool, answered: &Answered) {
    let api = ("ApiName", api_name.to_owned());
    let stage = ("Stage", incoming.stage.clone());
    let mut dimensions = vec![vec![api.clone()], vec![api.clone(), stage.clone()]];
    if detailed {
        let method = ("Method", incoming.method.clone());
        dimensions.push(vec![api, method, ("Resource", incoming.resource_path.clone()), stage]);
    }
    let mut values = vec![
        count("Count", true),
        count("4XXError", (400..500).contains(&answered.status)),
        count("5XXError", answered.status >= 500),
        millis("Latency", cx.now().millis() - incoming.time.millis()),
    ];
    values.extend(answered.integration_millis.map(|spent| millis("IntegrationLatency", spent)));
    values.extend(answered.cache_hit.map(|hit| count(if hit { "CacheHitCount" } else { "CacheMissCount" }, true)));
    metrics::publish(cx, dimensions, values);
}
