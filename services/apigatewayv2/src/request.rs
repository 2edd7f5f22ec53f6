//! A request to a deployed API, as the pipeline sees it, and the `$context` that it makes.

use bytes::Bytes;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;
use wire::Timestamp;

/// Who called, when the request was signed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Caller {
    pub account: String,
    pub arn: String,
    pub user_id: String,
    pub access_key: String,
}

/// What authorization found out.
#[derive(Debug, Clone, PartialEq)]
pub enum Identity {
    Jwt { claims: Map<String, Json>, scopes: Option<Vec<String>> },
    Lambda { context: Map<String, Json>, principal: Option<String> },
    Iam(Caller),
}

/// What came in, and where it arrived.
#[derive(Debug, Clone, Default)]
pub struct Request {
    pub method: String,
    /// The path with the stage, as the API's own address would have it, decoded.
    pub raw_path: String,
    /// The whole path where it came to a custom domain. Only format 1.0 tells of it.
    pub shown: Option<String>,
    /// The path after the stage, decoded once.
    pub path: String,
    pub raw_query: String,
    /// Query parameters in order, decoded.
    pub query: Vec<(String, String)>,
    /// Headers in order, names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    pub source_ip: String,
    pub domain: String,
    pub request_id: String,
    pub time: Timestamp,
    pub identity: Option<Identity>,

    pub account: String,
    pub region: String,
    pub api: String,
    pub stage: String,
    pub stage_variables: BTreeMap<String, String>,
    /// Set once the request is routed.
    pub route_key: String,
    pub path_parameters: BTreeMap<String, String>,
}

impl Request {
    /// All values of a header, as one.
    pub fn header(&self, name: &str) -> Option<String> {
        joined(self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name)))
    }

    /// All values of a query parameter, as one.
    pub fn query_value(&self, name: &str) -> Option<String> {
        joined(self.query.iter().filter(|(known, _)| known == name))
    }

    /// The path as the client wrote it.
    pub fn shown_path(&self) -> &str {
        self.shown.as_deref().unwrap_or(&self.raw_path)
    }

    /// `12/Mar/2020:19:03:58 +0000`
    pub fn formatted_time(&self) -> String {
        self.time.datetime().strftime("%d/%b/%Y:%H:%M:%S +0000").to_string()
    }

    pub fn domain_prefix(&self) -> &str {
        self.domain.split('.').next().unwrap_or_default()
    }

    /// `arn:aws:execute-api:region:account:api/stage/METHOD/path` of what is asked for.
    pub fn arn(&self) -> String {
        if self.method.is_empty() {
            // Messages of WebSocket APIs ask for a route.
            return self.arn_of(&self.route_key);
        }
        let path = if self.path.is_empty() { "/" } else { &self.path };
        self.arn_of(&format!("{}{path}", self.method))
    }

    pub fn arn_of(&self, rest: &str) -> String {
        let Self { region, account, api, stage, .. } = self;
        format!("arn:aws:execute-api:{region}:{account}:{api}/{stage}/{rest}")
    }

    /// The ARN that a function's policy sees: of the route as it is defined.
    pub fn source_arn(&self) -> String {
        match self.route_key.split_once(' ') {
            Some(("ANY", path)) => self.arn_of(&format!("*{path}")),
            Some((method, path)) => self.arn_of(&format!("{method}{path}")),
            None => self.arn_of(&self.route_key),
        }
    }

    /// The value of `$context`.
    pub fn context(&self) -> Json {
        let caller = match &self.identity {
            Some(Identity::Iam(caller)) => Some(caller),
            _ => None,
        };
        let mut context = json!({
            "accountId": self.account,
            "apiId": self.api,
            "domainName": self.domain,
            "domainPrefix": self.domain_prefix(),
            "extendedRequestId": self.request_id,
            "httpMethod": self.method,
            "identity": {
                "accountId": caller.map(|caller| &caller.account),
                "caller": caller.map(|caller| &caller.user_id),
                "sourceIp": self.source_ip,
                "user": caller.map(|caller| &caller.user_id),
                "userAgent": self.header("user-agent"),
                "userArn": caller.map(|caller| &caller.arn),
            },
            "path": self.raw_path,
            "protocol": "HTTP/1.1",
            "requestId": self.request_id,
            "requestTime": self.formatted_time(),
            "requestTimeEpoch": self.time.millis(),
            "routeKey": self.route_key,
            "stage": self.stage,
        });
        match &self.identity {
            Some(Identity::Jwt { claims, .. }) => context["authorizer"] = json!({ "claims": claims }),
            Some(Identity::Lambda { context: said, principal }) => {
                context["authorizer"] = Json::Object(said.clone());
                if let Some(principal) = principal {
                    context["authorizer"]["principalId"] = Json::from(principal.as_str());
                }
            }
            _ => {}
        }
        context
    }
}

fn joined<'a>(values: impl Iterator<Item = &'a (String, String)>) -> Option<String> {
    let values: Vec<&str> = values.map(|(_, value)| value.as_str()).collect();
    (!values.is_empty()).then(|| values.join(","))
}

/// A value within `$context` by its dotted path; the names of claims may have dots themselves.
pub fn lookup(value: &Json, path: &str) -> Option<String> {
    if let Some(found) = value.get(path) {
        return text(found);
    }
    let dots = path.match_indices('.').map(|(at, _)| at);
    dots.into_iter().find_map(|at| lookup(value.get(&path[..at])?, &path[at + 1..]))
}

/// A JSON value as the text of a parameter; null is none.
pub fn text(value: &Json) -> Option<String> {
    match value {
        Json::Null => None,
        Json::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_context_is_looked_up_by_paths() {
        let claims = json!({"https://x.y/role": "admin", "sub": "s"}).as_object().cloned().unwrap();
        let request = Request {
            identity: Some(Identity::Jwt { claims, scopes: None }),
            domain: "abc.execute-api.localhost".into(),
            ..Request::default()
        };
        let context = request.context();
        assert_eq!(lookup(&context, "authorizer.claims.https://x.y/role").as_deref(), Some("admin"));
        assert_eq!(lookup(&context, "authorizer.claims.sub").as_deref(), Some("s"));
        assert_eq!(lookup(&context, "domainPrefix").as_deref(), Some("abc"));
        assert_eq!(lookup(&context, "identity.caller"), None);
        assert_eq!(lookup(&context, "a.b"), None);
    }

    #[test]
    fn a_function_sees_the_route() {
        let source = |key: &str| {
            let request = Request {
                account: "1".into(),
                region: "r".into(),
                api: "a".into(),
                stage: "$default".into(),
                route_key: key.into(),
                ..Request::default()
            };
            request.source_arn()
        };
        assert_eq!(source("GET /pets/{id}"), "arn:aws:execute-api:r:1:a/$default/GET/pets/{id}");
        assert_eq!(source("ANY /pets"), "arn:aws:execute-api:r:1:a/$default/*/pets");
        assert_eq!(source("$default"), "arn:aws:execute-api:r:1:a/$default/$default");
    }
}
