//! Gateway responses: what a caller gets when a request does not reach its integration, or the integration fails.
//!
//! Each has a default; an API may change status, headers and body of one, or of all 4xx and 5xx at once. The
//! templates are no Velocity: only variables are put in.

use apigateway_api::GatewayResponse;
use expressions::jsonpath;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use wire::ByteStream;

use crate::request::Incoming;

/// A kind of gateway response with its defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    pub name: &'static str,
    /// `None` for those that stand for whole classes.
    pub status: Option<u16>,
    /// What `x-amzn-ErrorType` says.
    pub error_type: &'static str,
}

macro_rules! kinds {
    ($($constant:ident = $status:expr, $error_type:literal;)*) => {
        $(pub const $constant: Kind = Kind { name: stringify!($constant), status: $status, error_type: $error_type };)*
        /// Every kind, in the order in which they are listed.
        pub const KINDS: &[Kind] = &[$($constant),*];
    };
}

kinds! {
    ACCESS_DENIED = Some(403), "AccessDeniedException";
    API_CONFIGURATION_ERROR = Some(500), "InternalServerErrorException";
    AUTHORIZER_CONFIGURATION_ERROR = Some(500), "AuthorizerConfigurationException";
    AUTHORIZER_FAILURE = Some(500), "AuthorizerFailureException";
    BAD_REQUEST_BODY = Some(400), "BadRequestException";
    BAD_REQUEST_PARAMETERS = Some(400), "BadRequestException";
    DEFAULT_4XX = None, "BadRequestException";
    DEFAULT_5XX = None, "InternalServerErrorException";
    EXPIRED_TOKEN = Some(403), "ExpiredTokenException";
    INTEGRATION_FAILURE = Some(504), "InternalServerErrorException";
    INTEGRATION_TIMEOUT = Some(504), "InternalServerErrorException";
    INVALID_API_KEY = Some(403), "ForbiddenException";
    INVALID_SIGNATURE = Some(403), "InvalidSignatureException";
    MISSING_AUTHENTICATION_TOKEN = Some(403), "MissingAuthenticationTokenException";
    QUOTA_EXCEEDED = Some(429), "LimitExceededException";
    REQUEST_TOO_LARGE = Some(413), "RequestEntityTooLargeException";
    RESOURCE_NOT_FOUND = Some(404), "NotFoundException";
    THROTTLED = Some(429), "TooManyRequestsException";
    UNAUTHORIZED = Some(401), "UnauthorizedException";
    UNSUPPORTED_MEDIA_TYPE = Some(415), "BadRequestException";
    WAF_FILTERED = Some(403), "ForbiddenException";
}

const DEFAULT_TEMPLATE: &str = r#"{"message":$context.error.messageString}"#;
/// What AWS sends for failures on its own side where nobody wrote a template: with a space that the default lacks.
const SERVER_TEMPLATE: &str = r#"{"message": $context.error.messageString}"#;

/// What AWS sends where IAM or the API's policy denies, and nobody wrote a template.
const POLICY_TEMPLATE: &str = r#"{"Message":$context.error.messageString}"#;

pub fn kind(name: &str) -> Option<Kind> {
    KINDS.iter().find(|kind| kind.name == name).copied()
}

/// Why a request was not served.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    pub kind: Kind,
    pub message: String,
    /// A status other than the kind's own, where AWS answers one (502 for a malformed answer of a function).
    pub status: Option<u16>,
    /// What the broken rules of a model are, for `$context.error.validationErrorString`.
    pub validation: Option<String>,
    /// What the execution log says of it.
    pub log: Option<String>,
}

impl Failure {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), status: None, validation: None, log: None }
    }

    /// The API's own configuration is wrong; the caller learns no more than that.
    pub fn configuration(reason: impl std::fmt::Display) -> Self {
        let log = Some(format!("Execution failed due to configuration error: {reason}"));
        Self { log, ..Self::new(API_CONFIGURATION_ERROR, "Internal server error") }
    }

    pub fn missing_token() -> Self {
        Self::new(MISSING_AUTHENTICATION_TOKEN, "Missing Authentication Token")
    }

    pub fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    pub fn logged(mut self, log: impl Into<String>) -> Self {
        self.log = Some(log.into());
        self
    }
}

/// The response of a kind as the API defines it, or its default.
pub fn effective(kind: Kind, custom: &[GatewayResponse]) -> GatewayResponse {
    let named = |name: &str| {
        let is =
            |response: &&GatewayResponse| response.response_type.as_ref().is_some_and(|known| known.as_str() == name);
        custom.iter().find(is)
    };
    let class = match kind.status {
        Some(400..500) => named(DEFAULT_4XX.name),
        Some(_) => named(DEFAULT_5XX.name),
        None => None,
    };
    let own = named(kind.name);
    let source = own.or(class);
    let templates = BTreeMap::from([("application/json".to_owned(), DEFAULT_TEMPLATE.to_owned())]);
    GatewayResponse {
        response_type: Some(kind.name.into()),
        status_code: source
            .and_then(|response| response.status_code.clone())
            .or_else(|| kind.status.map(|status| status.to_string())),
        response_parameters: Some(source.and_then(|response| response.response_parameters.clone()).unwrap_or_default()),
        response_templates: Some(
            source
                .and_then(|response| response.response_templates.clone())
                .filter(|templates| !templates.is_empty())
                .unwrap_or(templates),
        ),
        default_response: Some(own.is_none()),
    }
}

/// A response ready to be sent.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: bytes::Bytes,
    /// What follows the body while it is still made.
    pub rest: Option<ByteStream>,
}

/// Turns a failure into what the caller gets.
pub fn render(failure: &Failure, custom: &[GatewayResponse], request: &Incoming, context: &Json) -> Reply {
    let response = effective(failure.kind, custom);
    let customised =
        custom.iter().any(|custom| custom.status_code.is_some() && custom.response_type == response.response_type);
    let configured = response.status_code.as_deref().and_then(|status| status.parse().ok());
    let status = match failure.status {
        Some(status) if !customised => status,
        _ => configured.unwrap_or(500),
    };
    let mut context = context.clone();
    // Of some failures AWS tells the caller nothing at all: the message is null.
    let message = Some(failure.message.as_str()).filter(|message| !message.is_empty());
    context["error"] = serde_json::json!({
        "message": message,
        "messageString": Json::from(message).to_string(),
        "responseType": failure.kind.name,
        "validationErrorString": failure.validation,
    });
    context["status"] = Json::from(status);

    let templates = response.response_templates.unwrap_or_default();
    let accepted = request.header("accept").unwrap_or("application/json");
    let accepted = accepted.split([',', ';']).next().unwrap_or_default().trim();
    let chosen = templates
        .get_key_value(accepted)
        .or_else(|| templates.get_key_value("application/json"))
        .or_else(|| templates.iter().next());
    let mut headers = vec![("x-amzn-ErrorType".to_owned(), failure.kind.error_type.to_owned())];
    let body = chosen.map(|(content_type, template)| {
        headers.push(("Content-Type".to_owned(), content_type.clone()));
        let unwritten = template == DEFAULT_TEMPLATE && message.is_some();
        let template = match unwritten {
            true if status >= 500 => SERVER_TEMPLATE,
            true if failure.kind == ACCESS_DENIED && failure.message.starts_with("User") => POLICY_TEMPLATE,
            _ => template,
        };
        fill(template, "", request, &context)
    });
    for (target, source) in response.response_parameters.unwrap_or_default() {
        let Some(name) = target.strip_prefix("gatewayresponse.header.") else { continue };
        let value = match source.strip_prefix('\'').and_then(|source| source.strip_suffix('\'')) {
            Some(literal) => Some(literal.to_owned()),
            None => variable(&source, request, &context),
        };
        if let Some(value) = value {
            headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
            headers.push((name.to_owned(), value));
        }
    }
    Reply { status, headers, body: body.unwrap_or_default().into(), rest: None }
}

/// Puts variables into a template: `$context.x`, `$stageVariables.x`, `$method.request.header.x`; `missing` stands for
/// what has no value.
pub fn fill(template: &str, missing: &str, request: &Incoming, context: &Json) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let braced = after.starts_with('{');
        let name = after.trim_start_matches('{');
        let end = name.find(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c))).unwrap_or(name.len());
        let name = if braced { &name[..end] } else { name[..end].trim_end_matches('.') };
        let known = ["context.", "stageVariables.", "method."].iter().any(|prefix| name.starts_with(prefix));
        let taken = name.len() + if braced { 2 } else { 0 };
        if known && after.len() >= taken {
            out.push_str(variable(name, request, context).as_deref().unwrap_or(missing));
            rest = &after[taken..];
        } else {
            out.push('$');
            rest = after;
        }
    }
    out + rest
}

fn variable(name: &str, request: &Incoming, context: &Json) -> Option<String> {
    let (root, path) = name.split_once('.')?;
    match root {
        "context" => {
            let found = jsonpath::Path::parse(&format!("$.{path}")).ok()?.query(context).ok()??;
            crate::parameters::text(&found)
        }
        "stageVariables" => request.stage_variables.get(path).cloned(),
        "method" => crate::parameters::method_request(path.strip_prefix("request.")?, request),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn body(reply: &Reply) -> &str {
        std::str::from_utf8(&reply.body).unwrap()
    }

    #[test]
    fn the_defaults_are_awss() {
        let reply = render(&Failure::missing_token(), &[], &Incoming::default(), &json!({}));
        assert_eq!(reply.status, 403);
        assert_eq!(body(&reply), r#"{"message":"Missing Authentication Token"}"#);
        assert!(reply.headers.contains(&("x-amzn-ErrorType".into(), "MissingAuthenticationTokenException".into())));
        let malformed = Failure::configuration("Malformed Lambda proxy response").with_status(502);
        assert_eq!(render(&malformed, &[], &Incoming::default(), &json!({})).status, 502);
    }

    #[test]
    fn an_api_changes_one_or_a_class() {
        let custom = [
            GatewayResponse {
                response_type: Some("DEFAULT_4XX".into()),
                response_parameters: Some(BTreeMap::from([(
                    "gatewayresponse.header.Access-Control-Allow-Origin".to_owned(),
                    "'*'".to_owned(),
                )])),
                ..GatewayResponse::default()
            },
            GatewayResponse {
                response_type: Some("BAD_REQUEST_BODY".into()),
                status_code: Some("422".to_owned()),
                response_templates: Some(BTreeMap::from([(
                    "application/json".to_owned(),
                    r#"{"e":"$context.error.validationErrorString","id":"${context.requestId}","$x":1}"#.to_owned(),
                )])),
                ..GatewayResponse::default()
            },
        ];
        let reply = render(&Failure::missing_token(), &custom, &Incoming::default(), &json!({}));
        assert_eq!((reply.status, body(&reply)), (403, r#"{"message":"Missing Authentication Token"}"#));
        assert!(reply.headers.contains(&("Access-Control-Allow-Origin".into(), "*".into())));
        let mut failure = Failure::new(BAD_REQUEST_BODY, "Invalid request body");
        failure.validation = Some("[x]".to_owned());
        let reply = render(&failure, &custom, &Incoming::default(), &json!({"requestId": "r"}));
        assert_eq!((reply.status, body(&reply)), (422, r#"{"e":"[x]","id":"r","$x":1}"#));
    }

    #[test]
    fn defaults_list_as_defaults() {
        let response = effective(THROTTLED, &[]);
        assert_eq!(response.status_code.as_deref(), Some("429"));
        assert_eq!(response.default_response, Some(true));
        assert_eq!(effective(DEFAULT_5XX, &[]).status_code, None);
        assert_eq!(KINDS.len(), 21);
    }
}
