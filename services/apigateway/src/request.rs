//! A request to a deployed API, as the pipeline sees it, and the `$context` that it makes.

use bytes::Bytes;
pub use execute_api::text::{canonical_name, is_binary, media_type, parse_query};
use serde_json::{Value as Json, json};
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

/// What came in, and where it arrived.
#[derive(Debug, Clone, Default)]
pub struct Incoming {
    pub method: String,
    /// The path after the stage, still percent-encoded.
    pub path: String,
    /// The whole path as the client wrote it, where it came to a custom domain.
    pub shown: Option<String>,
    /// Query parameters in order, decoded.
    pub query: Vec<(String, String)>,
    /// Headers in order; names as the client wrote them, as far as the protocol keeps that.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    pub source_ip: String,
    pub protocol: String,
    pub domain: String,
    pub request_id: String,
    pub extended_id: String,
    pub time: Timestamp,
    pub caller: Option<Caller>,
    /// The id and the value of the API key that was used.
    pub api_key: Option<(String, String)>,
    /// What a Lambda authorizer said: `$context.authorizer`.
    pub authorizer: Option<Json>,

    pub account: String,
    pub region: String,
    pub api: String,
    pub stage: String,
    pub deployment: String,
    pub stage_variables: BTreeMap<String, String>,
    /// Whether the stage's canary serves; none where it has no canary.
    pub canary: Option<bool>,
    /// Set once the request is routed.
    pub resource_id: String,
    pub resource_path: String,
    pub path_parameters: BTreeMap<String, String>,
}

impl Incoming {
    /// The last header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().rev().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The last query parameter of this name.
    pub fn query_value(&self, name: &str) -> Option<&str> {
        self.query.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The media type of the body, without parameters; JSON when the client names none.
    pub fn content_type(&self) -> String {
        media_type(self.header("content-type").unwrap_or("application/json"))
    }

    /// The path with the stage, as the client wrote it.
    pub fn full_path(&self) -> String {
        if let Some(shown) = &self.shown {
            return shown.clone();
        }
        let path = if self.path.is_empty() { "/" } else { &self.path };
        format!("/{}{path}", self.stage)
    }

    /// Headers with one value each: the last.
    pub fn single_headers(&self) -> BTreeMap<String, String> {
        self.headers.iter().cloned().collect()
    }

    pub fn single_query(&self) -> BTreeMap<String, String> {
        self.query.iter().cloned().collect()
    }

    /// `arn:aws:execute-api:region:account:api/stage/METHOD/path`.
    pub fn execution_arn(&self, method: &str, path: &str) -> String {
        let Self { region, account, api, stage, .. } = self;
        format!("arn:aws:execute-api:{region}:{account}:{api}/{stage}/{method}{path}")
    }

    /// The value of `$context`.
    pub fn context(&self) -> Json {
        let caller = self.caller.as_ref();
        let mut context = json!({
            "accountId": self.account,
            "apiId": self.api,
            "deploymentId": self.deployment,
            "domainName": self.domain,
            "domainPrefix": self.domain.split('.').next(),
            "extendedRequestId": self.extended_id,
            "httpMethod": self.method,
            "identity": {
                "accessKey": caller.map(|caller| &caller.access_key),
                "accountId": caller.map(|caller| &caller.account),
                "caller": caller.map(|caller| &caller.user_id),
                "cognitoAuthenticationProvider": null,
                "cognitoAuthenticationType": null,
                "cognitoIdentityId": null,
                "cognitoIdentityPoolId": null,
                "principalOrgId": null,
                "sourceIp": self.source_ip,
                "user": caller.map(|caller| &caller.user_id),
                "userAgent": self.header("user-agent"),
                "userArn": caller.map(|caller| &caller.arn),
            },
            "path": self.full_path(),
            "protocol": self.protocol,
            "requestId": self.request_id,
            "requestTime": self.time.datetime().strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            "requestTimeEpoch": self.time.millis(),
            "resourceId": self.resource_id,
            "resourcePath": self.resource_path,
            "stage": self.stage,
        });
        if let Some(canary) = self.canary {
            context["isCanaryRequest"] = Json::from(canary);
        }
        if let Some((id, value)) = &self.api_key {
            context["identity"]["apiKey"] = Json::from(value.as_str());
            context["identity"]["apiKeyId"] = Json::from(id.as_str());
        }
        if let Some(authorizer) = &self.authorizer {
            context["authorizer"] = authorizer.clone();
        }
        context
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_context_tells_of_the_request() {
        let request = Incoming {
            stage: "v1".to_owned(),
            path: "/users".to_owned(),
            time: Timestamp::from_secs(1_000_000_000),
            ..Incoming::default()
        };
        let context = request.context();
        assert_eq!(context["path"], "/v1/users");
        assert_eq!(context["requestTime"], "09/Sep/2001:01:46:40 +0000");
        assert_eq!(context["requestTimeEpoch"], 1_000_000_000_000_i64);
    }
}
