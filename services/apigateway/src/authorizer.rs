//! Lambda authorizers: what a function is asked, and what its answer allows.
//!
//! An authorizer sees the identity of a request (a token, or a set of parameters) and answers with a policy. Answers are
//! kept for as long as the authorizer says, by identity; the policy is evaluated anew for each method.

use crate::{
    execution::Invoked,
    gateway_response::{ACCESS_DENIED, AUTHORIZER_CONFIGURATION_ERROR, AUTHORIZER_FAILURE, Failure, UNAUTHORIZED},
    parameters, proxy,
    request::Incoming,
};
use apigateway_api::{Authorizer, AuthorizerType};
use execute_api::tokens::{self, Issuer, Tokens};
use serde_json::{Map, Value as Json, json};
use service::Context;
use service::policy::{Caller, CallerKind, Decision, Policies, Policy, Request, Source, decide};
use std::sync::Arc;

/// How long an answer is kept when the authorizer does not say.
pub const DEFAULT_TTL: i32 = 300;

/// What an authorizer said of an identity.
#[derive(Debug, Clone)]
pub struct Grant {
    policy: Arc<Policy>,
    pub principal: String,
    /// The API key that the function takes the caller for.
    pub usage_key: Option<String>,
    /// `$context.authorizer`.
    pub context: Json,
}

/// `COGNITO_USER_POOLS`: a token that one of the authorizer's pools signed, with one of the scopes where the method names
/// any. The pools are those of this cloud, whose keys are at its own address.
pub async fn pool_token(
    tokens: &Tokens,
    cx: &Context,
    authorizer: &Authorizer,
    scopes: &[String],
    request: &Incoming,
) -> Result<Json, Failure> {
    let values = identity(authorizer, request)?;
    let token = values.first().ok_or_else(|| Failure::new(UNAUTHORIZED, "Unauthorized"))?;
    let pools = authorizer.provider_ar_ns.iter().flatten().filter_map(|arn| pool(arn));
    let names: Vec<(String, String)> = pools
        .flat_map(|(region, pool)| {
            let own = format!("{}/{pool}", cx.cloud.config.endpoint);
            [(format!("https://cognito-idp.{region}.amazonaws.com/{pool}"), own.clone()), (own.clone(), own)]
        })
        .collect();
    let issuers: Vec<Issuer<'_>> = names.iter().map(|(name, address)| Issuer { name, address }).collect();
    let token = tokens.check(cx, token, &issuers, &[], &tokens::RSA).await.map_err(|reason| {
        let expired = reason == "the token has expired";
        let message = if expired { "The incoming token has expired" } else { "Unauthorized" };
        Failure::new(UNAUTHORIZED, message).logged(format!("Unauthorized request: {reason}"))
    })?;
    if let Some(pattern) = &authorizer.identity_validation_expression {
        let fits = regex_lite::Regex::new(&format!("^(?:{pattern})$"));
        if !fits.is_ok_and(|regex| token.audiences().iter().any(|audience| regex.is_match(audience))) {
            return Err(Failure::new(UNAUTHORIZED, "Unauthorized"));
        }
    }
    let own = tokens::scopes_of(&token);
    if !scopes.is_empty() && !scopes.iter().any(|scope| own.contains(scope)) {
        return Err(Failure::new(UNAUTHORIZED, "Unauthorized"));
    }
    Ok(json!({ "claims": tokens::claims_of(&token) }))
}

/// The region and the id of a user pool.
pub fn pool(arn: &str) -> Option<(&str, &str)> {
    let rest = arn.strip_prefix("arn:aws:cognito-idp:")?;
    let (region, rest) = rest.split_once(':')?;
    let pool = rest.split_once(":userpool/")?.1;
    (!region.is_empty() && !pool.is_empty()).then_some((region, pool))
}

/// The identity of a request: the values of the authorizer's sources. Without one the function is not even asked.
pub fn identity(authorizer: &Authorizer, request: &Incoming) -> Result<Vec<String>, Failure> {
    let unauthorized = || Failure::new(UNAUTHORIZED, "Unauthorized");
    let context = request.context();
    let sources = authorizer.identity_source.as_deref().unwrap_or_default();
    let mut values = Vec::new();
    for source in sources.split(',').map(str::trim).filter(|source| !source.is_empty()) {
        let value = parameters::for_request(source, request, &context).filter(|value| !value.is_empty());
        values.push(value.ok_or_else(unauthorized)?);
    }
    // Of a user pool's tokens it is the audience that must match, and others are not held to it.
    let pattern = authorizer.identity_validation_expression.as_ref();
    let pattern = pattern.filter(|_| authorizer.r#type == Some(AuthorizerType::Token));
    if let (Some(pattern), Some(token)) = (pattern, values.first()) {
        let matches = regex_lite::Regex::new(&format!("^(?:{pattern})$")).is_ok_and(|regex| regex.is_match(token));
        if !matches {
            return Err(unauthorized());
        }
    }
    Ok(values)
}

/// The event for the function.
pub fn event(authorizer: &Authorizer, identity: &[String], request: &Incoming, method_arn: &str) -> Json {
    if authorizer.r#type == Some(AuthorizerType::Token) {
        return json!({"type": "TOKEN", "methodArn": method_arn, "authorizationToken": identity.first()});
    }
    let mut event = proxy::event(request, &[]);
    if let Some(members) = event.as_object_mut() {
        members.retain(|name, _| name != "body" && name != "isBase64Encoded");
        members.insert("type".to_owned(), json!("REQUEST"));
        members.insert("methodArn".to_owned(), json!(method_arn));
    }
    event
}

/// Reads the function's answer.
pub fn read(invoked: &Invoked) -> Result<Grant, Failure> {
    let answer: Json = serde_json::from_slice(&invoked.payload).unwrap_or_default();
    if invoked.function_error.is_some() {
        // A function says "Unauthorized" by failing with exactly that.
        return Err(if answer["errorMessage"] == "Unauthorized" {
            Failure::new(UNAUTHORIZED, "Unauthorized")
        } else {
            Failure::new(AUTHORIZER_FAILURE, "").logged("Execution failed due to an authorizer's function error")
        });
    }
    let malformed = || configuration("Invalid JSON in the authorizer's response");
    let principal = answer["principalId"].as_str().ok_or_else(malformed)?.to_owned();
    let policy = Policy::parse(&answer["policyDocument"].to_string()).map_err(|_| malformed())?;
    let mut context = Map::new();
    for (name, value) in answer["context"].as_object().into_iter().flatten() {
        if value.is_object() || value.is_array() {
            return Err(malformed());
        }
        let text = parameters::text(value).map_or(Json::Null, Json::from);
        context.insert(name.clone(), text);
    }
    context.insert("principalId".to_owned(), json!(principal));
    let usage_key = answer["usageIdentifierKey"].as_str().map(str::to_owned);
    Ok(Grant { policy: Arc::new(policy), principal, usage_key, context: Json::Object(context) })
}

/// The API's fault, of which the caller learns nothing.
pub fn configuration(reason: &str) -> Failure {
    let log = format!("Execution failed due to configuration error: {reason}");
    Failure::new(AUTHORIZER_CONFIGURATION_ERROR, "").logged(log)
}

/// Whether a grant lets a request reach a method.
pub fn allows(grant: &Grant, request: &Incoming, method_arn: &str) -> Result<(), Failure> {
    let mut wanted = Request {
        caller: Caller {
            kind: CallerKind::User,
            account: request.account.clone(),
            arn: grant.principal.clone(),
            role_arn: None,
        },
        action: "execute-api:Invoke".to_owned(),
        resource: method_arn.to_owned(),
        resource_account: request.account.clone(),
        ..Request::default()
    };
    wanted.conditions.set("aws:SourceIp", request.source_ip.as_str());
    let source = Source { name: "the authorizer's policy".to_owned(), policy: grant.policy.clone() };
    let policies = Policies { identity: vec![source], ..Policies::default() };
    match decide(&wanted, &policies, None) {
        Decision::Allowed(_) => Ok(()),
        Decision::Denied(denial) => {
            let explicit = if denial.explicit { " with an explicit deny" } else { "" };
            let message = format!("User is not authorized to access this resource{explicit}");
            Err(Failure::new(ACCESS_DENIED, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:execute-api:us-east-1:000000000000:abc/v1/GET/users";

    fn authorizer(r#type: AuthorizerType, source: &str) -> Authorizer {
        Authorizer { r#type: Some(r#type), identity_source: Some(source.into()), ..Authorizer::default() }
    }

    fn request() -> Incoming {
        Incoming {
            headers: vec![("Authorization".into(), "t-1".into())],
            query: vec![("q".into(), "1".into())],
            account: "000000000000".into(),
            ..Incoming::default()
        }
    }

    fn answer(effect: &str, resource: &str) -> Invoked {
        let payload = json!({
            "principalId": "ann",
            "policyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": effect, "Action": "execute-api:Invoke", "Resource": resource}]},
            "context": {"n": 1, "s": "x", "b": true},
        });
        Invoked { status: 200, payload: payload.to_string().into(), ..Invoked::default() }
    }

    #[test]
    fn an_identity_must_be_complete() {
        let token = authorizer(AuthorizerType::Token, "method.request.header.Authorization");
        assert_eq!(identity(&token, &request()).unwrap(), ["t-1"]);
        assert_eq!(identity(&token, &Incoming::default()).unwrap_err().kind, UNAUTHORIZED);
        let strict = Authorizer { identity_validation_expression: Some("Bearer .*".into()), ..token };
        assert_eq!(identity(&strict, &request()).unwrap_err().message, "Unauthorized");
        let both =
            authorizer(AuthorizerType::Request, "method.request.header.Authorization, method.request.querystring.q");
        assert_eq!(identity(&both, &request()).unwrap(), ["t-1", "1"]);
    }

    #[test]
    fn events_are_of_two_kinds() {
        let token = authorizer(AuthorizerType::Token, "method.request.header.Authorization");
        assert_eq!(
            event(&token, &["t-1".to_owned()], &request(), ARN),
            json!({"type": "TOKEN", "methodArn": ARN, "authorizationToken": "t-1"})
        );
        let whole = event(&authorizer(AuthorizerType::Request, ""), &[], &request(), ARN);
        assert_eq!((&whole["type"], &whole["queryStringParameters"]["q"]), (&json!("REQUEST"), &json!("1")));
        assert!(whole.get("body").is_none());
    }

    #[test]
    fn the_answers_policy_decides() {
        let grant = read(&answer("Allow", "arn:aws:execute-api:*:*:abc/v1/GET/*")).unwrap();
        assert_eq!(grant.context, json!({"principalId": "ann", "n": "1", "s": "x", "b": "true"}));
        assert_eq!(allows(&grant, &request(), ARN), Ok(()));
        let other = allows(&grant, &request(), "arn:aws:execute-api:us-east-1:000000000000:abc/v1/POST/users");
        assert_eq!(other.unwrap_err().message, "User is not authorized to access this resource");
        let denied = allows(&read(&answer("Deny", "*")).unwrap(), &request(), ARN).unwrap_err();
        assert_eq!(denied.message, "User is not authorized to access this resource with an explicit deny");
    }

    #[test]
    fn a_function_refuses_by_failing() {
        let failing = |message: &str| Invoked {
            payload: json!({"errorMessage": message}).to_string().into(),
            function_error: Some("Unhandled".into()),
            ..Invoked::default()
        };
        assert_eq!(read(&failing("Unauthorized")).unwrap_err().kind, UNAUTHORIZED);
        assert_eq!(read(&failing("boom")).unwrap_err().kind, AUTHORIZER_FAILURE);
        for payload in ["", "null", r#"{"principalId":"x"}"#] {
            let malformed = Invoked { payload: payload.into(), ..Invoked::default() };
            assert_eq!(read(&malformed).unwrap_err().kind, AUTHORIZER_CONFIGURATION_ERROR);
        }
    }
}
