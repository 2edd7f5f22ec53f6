//! A request to a deployed API, as the pipeline sees it, and the `$context` that it makes.

use bytes::Bytes;
use percent_encoding::percent_decode_str;
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

/// The parameters of a query, decoded.
pub fn parse_query(query: &str) -> Vec<(String, String)> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

/// A header's name as HTTP/1.1 clients write it: the server's library keeps names in lower case.
pub fn canonical_name(name: &str) -> String {
    let mut upper = true;
    let letter = |c: char| {
        let c = if upper { c.to_ascii_uppercase() } else { c };
        upper = c == '-';
        c
    };
    name.chars().map(letter).collect()
}

/// A media type without its parameters, in lower case.
pub fn media_type(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Whether an API's binary media types include this one; `*/*` and `image/*` are patterns.
pub fn is_binary(binary_types: &[String], content_type: &str) -> bool {
    let wanted = media_type(content_type);
    binary_types.iter().any(|known| {
        let known = known.to_ascii_lowercase();
        match known.strip_suffix("/*") {
            Some("*") => true,
            Some(class) => wanted.split('/').next() == Some(class),
            None => known == wanted,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_types_are_patterns() {
        let types = ["image/*".to_owned(), "application/zip".to_owned()];
        assert!(is_binary(&types, "image/png"));
        assert!(is_binary(&types, "Application/Zip; q=1"));
        assert!(!is_binary(&types, "text/plain"));
        assert!(is_binary(&["*/*".to_owned()], "text/plain"));
    }

    #[test]
    fn queries_and_header_names_are_read() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            parse_query("a=1&b=x+y%26&c&&a="),
            [pair("a", "1"), pair("b", "x y&"), pair("c", ""), pair("a", "")]
        );
        assert_eq!(canonical_name("x-api-key"), "X-Api-Key");
    }

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
