//! A stage's cache: answers of methods, by the parameters that the integration names, for as long as the method's settings
//! say. It lives in memory: a restart empties it, as a flush does.

use crate::{
    gateway_response::{ACCESS_DENIED, Failure, Reply},
    parameters,
    request::Incoming,
};
use apigateway_api::{Integration, Method, MethodSetting, Stage, UnauthorizedCacheControlHeaderStrategy as Strategy};
use execute_api::cache::Expiring;
use serde_json::json;
use wire::Timestamp;

/// How many answers are kept: half a gigabyte of the largest, as the smallest cache that AWS rents.
const KEPT: usize = 512;

/// The largest body that is kept.
const LARGEST: usize = 1 << 20;

/// The answers of all stages.
pub struct Cache(Expiring<Reply>);

impl Default for Cache {
    fn default() -> Self {
        Self(Expiring::of(KEPT))
    }
}

impl Cache {
    pub fn get(&self, key: &str, now: Timestamp) -> Option<Reply> {
        self.0.get(key, now)
    }

    /// Keeps an answer, unless it is too large for that.
    pub fn put(&self, used: Use, now: Timestamp, reply: &Reply) {
        if reply.body.len() <= LARGEST {
            self.0.put(used.key, now.plus_secs(used.ttl.into()), reply.clone());
        }
    }

    pub fn forget(&self, prefix: &str) {
        self.0.forget(prefix);
    }

    pub fn clear(&self) {
        self.0.clear();
    }
}

/// How long an answer is kept when the settings do not say.
const DEFAULT_TTL: i32 = 300;

/// How a request uses the cache.
#[derive(Debug, Clone, PartialEq)]
pub struct Use {
    pub key: String,
    pub ttl: i32,
    /// The caller wants a new answer, and may.
    pub fresh: bool,
    /// The caller wanted a new answer, and may not: what to say of that beside the old one.
    pub warning: Option<&'static str>,
}

/// The beginning of all keys of a stage.
pub fn prefix(api: &str, stage: &str) -> String {
    format!("{api}/{stage}/")
}

/// Whether and how a request uses the cache. `own` says that the setting is the method's own: those for all methods
/// are about GET only. `may_invalidate` is asked where the caller wants a new answer.
pub fn usage(
    stage: &Stage,
    setting: Option<&MethodSetting>,
    own: bool,
    method: &Method,
    incoming: &Incoming,
    may_invalidate: impl FnOnce() -> bool,
) -> Result<Option<Use>, Failure> {
    let Some(setting) = setting.filter(|setting| setting.caching_enabled == Some(true)) else { return Ok(None) };
    let Some(integration) = &method.method_integration else { return Ok(None) };
    let off = stage.cache_cluster_enabled != Some(true) || (incoming.method != "GET" && !own);
    let ttl = setting.cache_ttl_in_seconds.unwrap_or(DEFAULT_TTL);
    if off || ttl <= 0 {
        return Ok(None);
    }
    let mut used = Use { key: key(integration, incoming), ttl, fresh: false, warning: None };
    let wanted = incoming.header("cache-control").is_some_and(|value| value.contains("max-age=0"));
    if wanted {
        used.fresh = setting.require_authorization_for_cache_control != Some(true) || may_invalidate();
        if !used.fresh {
            match &setting.unauthorized_cache_control_header_strategy {
                Some(Strategy::FailWith403) => {
                    let message = "Cache-control headers were not allowed because the caller was unauthorized.";
                    return Err(Failure::new(ACCESS_DENIED, message));
                }
                Some(Strategy::SucceedWithoutResponseHeader) => {}
                _ => {
                    used.warning = Some("199 Cache-control headers were ignored because the caller was unauthorized.");
                }
            }
        }
    }
    Ok(Some(used))
}

fn key(integration: &Integration, incoming: &Incoming) -> String {
    let namespace = integration.cache_namespace.as_deref().unwrap_or_default();
    let values = integration.cache_key_parameters.iter().flatten().map(|name| {
        let mapped = integration.request_parameters.as_ref().and_then(|all| all.get(name));
        let source = mapped.map_or(name.as_str(), String::as_str);
        (name, parameters::for_request(source, incoming, &incoming.context()))
    });
    let values: Vec<_> = values.collect();
    let key = json!([incoming.deployment, namespace, incoming.resource_id, incoming.method, values]);
    format!("{}{key}", prefix(&incoming.api, &incoming.stage))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn method(parameters: &[&str]) -> Method {
        let cache_key_parameters = Some(parameters.iter().map(|name| (*name).to_owned()).collect());
        let method_integration = Some(Integration { cache_key_parameters, ..Integration::default() });
        Method { method_integration, ..Method::default() }
    }

    fn setting() -> MethodSetting {
        MethodSetting {
            caching_enabled: Some(true),
            cache_ttl_in_seconds: Some(60),
            require_authorization_for_cache_control: Some(true),
            ..MethodSetting::default()
        }
    }

    fn get(query: &str) -> Incoming {
        Incoming {
            method: "GET".into(),
            query: vec![("q".into(), query.into())],
            headers: vec![("Cache-Control".into(), "max-age=0".into())],
            ..Incoming::default()
        }
    }

    #[test]
    fn keys_are_made_of_the_named_parameters() {
        let stage = Stage { cache_cluster_enabled: Some(true), ..Stage::default() };
        let key = |parameters: &[&str], query: &str| {
            let used = usage(&stage, Some(&setting()), false, &method(parameters), &get(query), || true);
            used.unwrap().unwrap().key
        };
        assert_eq!(key(&[], "1"), key(&[], "2"));
        let named = ["method.request.querystring.q"];
        assert_ne!(key(&named, "1"), key(&named, "2"));
    }

    #[test]
    fn only_who_may_gets_a_new_answer() {
        let stage = Stage { cache_cluster_enabled: Some(true), ..Stage::default() };
        let ask = |setting: &MethodSetting, may: bool| {
            usage(&stage, Some(setting), false, &method(&[]), &get("1"), || may).map(|used| used.map(|used| used.fresh))
        };
        assert_eq!((ask(&setting(), true), ask(&setting(), false)), (Ok(Some(true)), Ok(Some(false))));
        let open = MethodSetting { require_authorization_for_cache_control: Some(false), ..setting() };
        assert_eq!(ask(&open, false), Ok(Some(true)));
        let strict =
            MethodSetting { unauthorized_cache_control_header_strategy: Some(Strategy::FailWith403), ..setting() };
        assert!(ask(&strict, false).is_err());
        assert_eq!(ask(&MethodSetting { caching_enabled: Some(false), ..setting() }, true), Ok(None));
    }
}
