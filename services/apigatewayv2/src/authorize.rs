//! Who may call a route: tokens of an issuer, the answer of a function, or a signature.

use crate::{
    event,
    mapping::of_request,
    ops::function_of,
    reply::Failure,
    request::{Caller, Identity, Request, text},
};
use apigatewayv2_api::{AuthorizationType, Authorizer, Route};
use execute_api::{
    Invocation, Invoked, World,
    cache::Expiring,
    tokens::{self, Issuer, Tokens},
};
use serde_json::{Map, Value as Json, json};
use service::{
    Access, ApiError, Context,
    policy::{self, CallerKind, Decision, Policies, Policy, Source, decide},
};
use std::sync::Arc;

/// What is remembered between requests.
#[derive(Default)]
pub struct Memory {
    pub grants: Expiring<Grant>,
    tokens: Tokens,
}

impl Memory {
    pub fn clear(&self) {
        self.grants.clear();
        self.tokens.clear();
    }
}

/// What a function said of an identity.
#[derive(Debug, Clone)]
pub struct Grant {
    verdict: Verdict,
    context: Map<String, Json>,
    principal: Option<String>,
}

#[derive(Debug, Clone)]
enum Verdict {
    Simple(bool),
    Policy(Arc<Policy>),
}

/// Decides by the route's authorization type. `asking` is the question for a function where it is not the one of HTTP APIs.
pub async fn authorize(
    memory: &Memory,
    world: &World,
    route: &Route,
    authorizer: Option<&Authorizer>,
    signer: Option<Result<Context, ApiError>>,
    request: &Request,
    asking: Option<Json>,
) -> Result<Option<Identity>, Failure> {
    match route.authorization_type {
        Some(AuthorizationType::AwsIam) => signed(&world.cx, signer, &request.arn()).map(Some),
        Some(AuthorizationType::Jwt) => {
            let authorizer = authorizer.ok_or_else(misconfigured)?;
            let scopes = route.authorization_scopes.as_deref().unwrap_or_default();
            token(memory, &world.cx, authorizer, scopes, request).await.map(Some)
        }
        Some(AuthorizationType::Custom) => {
            let authorizer = authorizer.ok_or_else(misconfigured)?;
            let grant = ask(memory, world, authorizer, request, asking).await?;
            allowed(&grant, request)?;
            Ok(Some(Identity::Lambda { context: grant.context, principal: grant.principal }))
        }
        _ => Ok(None),
    }
}

fn misconfigured() -> Failure {
    Failure::new(500, "AUTHORIZER_CONFIGURATION_ERROR", "Internal Server Error")
}

/// `AWS_IAM`: the caller's own policies decide.
pub fn signed(cx: &Context, signer: Option<Result<Context, ApiError>>, arn: &str) -> Result<Identity, Failure> {
    let Some(Ok(signer)) = signer else { return Err(Failure::forbidden()) };
    let caller = signer.in_place(cx.account(), cx.region());
    let service = cx.cloud.service("apigatewayv2").ok_or_else(misconfigured)?;
    let access = Access::new("execute-api:Invoke", arn).owned_by(cx.account());
    cx.cloud.stages().authorize(&caller, &**service, &access).map_err(|_| Failure::forbidden())?;
    let principal = caller.principal();
    Ok(Identity::Iam(Caller {
        account: principal.account().to_owned(),
        arn: principal.arn(),
        user_id: principal.user_id(),
        access_key: caller.access_key_id().unwrap_or_default().to_owned(),
    }))
}

/// The values of an authorizer's identity sources; none where one is missing.
pub fn sources(authorizer: &Authorizer, request: &Request) -> Option<Vec<String>> {
    let context = request.context();
    let sources = authorizer.identity_source.iter().flatten().flat_map(|source| source.split(','));
    let value = |source: &str| {
        let name = source.trim().trim_start_matches('$').trim_start_matches('{').trim_end_matches('}');
        // WebSocket APIs say `route.request.header.x`.
        let name = name.strip_prefix("route.").unwrap_or(name);
        of_request(name, request, &context).filter(|value| !value.is_empty())
    };
    sources.filter(|source| !source.trim().is_empty()).map(value).collect()
}

/// `JWT`: a token that the issuer signed, for one of the audiences, with one of the scopes.
async fn token(
    memory: &Memory,
    cx: &Context,
    authorizer: &Authorizer,
    scopes: &[String],
    request: &Request,
) -> Result<Identity, Failure> {
    let unauthorized = |challenge: &str| Failure { challenge: Some(challenge.to_owned()), ..Failure::unauthorized() };
    let invalid = |reason: &str| {
        unauthorized(&format!("Bearer scope=\"\" error=\"invalid_token\" error_description=\"{reason}\""))
    };
    let found = sources(authorizer, request).and_then(|values| values.into_iter().next());
    let found = found.ok_or_else(|| unauthorized("Bearer"))?;
    let configuration = authorizer.jwt_configuration.clone().unwrap_or_default();
    let (issuer, audience) = (configuration.issuer.unwrap_or_default(), configuration.audience.unwrap_or_default());
    let token = memory
        .tokens
        .check(cx, &found, &[Issuer { name: &issuer, address: &issuer }], &audience, &tokens::RSA)
        .await
        .map_err(|reason| invalid(&reason))?;
    let own = tokens::scopes_of(&token);
    if !scopes.is_empty() && !scopes.iter().any(|scope| own.contains(scope)) {
        let challenge = format!(
            "Bearer scope=\"{}\" error=\"insufficient_scope\" error_description=\"the token does not have a valid scope\"",
            scopes.join(" ")
        );
        return Err(Failure { challenge: Some(challenge), ..Failure::forbidden() });
    }
    Ok(Identity::Jwt { claims: tokens::claims_of(&token), scopes: (!scopes.is_empty()).then(|| scopes.to_vec()) })
}

/// `CUSTOM`: asks the authorizer's function, or remembers what it said.
async fn ask(
    memory: &Memory,
    world: &World,
    authorizer: &Authorizer,
    request: &Request,
    asking: Option<Json>,
) -> Result<Grant, Failure> {
    let identity = sources(authorizer, request).ok_or_else(Failure::unauthorized)?;
    let id = authorizer.authorizer_id.as_deref().unwrap_or_default();
    let Request { region, account, api, stage, .. } = request;
    let key = format!("{api}/{stage}/{}", json!([id, identity]));
    let now = world.cx.now();
    if let Some(grant) = memory.grants.get(&key, now) {
        return Ok(grant);
    }
    let uri = authorizer.authorizer_uri.as_deref().unwrap_or_default();
    let function = function_of(uri).ok_or_else(misconfigured)?;
    let invocation = Invocation {
        function: function.to_owned(),
        payload: asking.unwrap_or_else(|| question(authorizer, &identity, request)).to_string().into(),
        asynchronous: false,
        source_arn: format!("arn:aws:execute-api:{region}:{account}:{api}/authorizers/{id}"),
        credentials: authorizer.authorizer_credentials_arn.clone().filter(|role| !role.is_empty()),
    };
    let invoked = world.invoke(invocation).await.map_err(|_| misconfigured())?;
    let grant = read(authorizer, &invoked)?;
    let ttl = authorizer.authorizer_result_ttl_in_seconds.unwrap_or(0);
    if ttl > 0 && !identity.is_empty() {
        memory.grants.put(key, now.plus_secs(ttl.into()), grant.clone());
    }
    Ok(grant)
}

/// The event for the function.
fn question(authorizer: &Authorizer, identity: &[String], request: &Request) -> Json {
    let without_body = |mut event: Json| {
        if let Some(members) = event.as_object_mut() {
            members.retain(|name, _| name != "body" && name != "isBase64Encoded");
        }
        event
    };
    if authorizer.authorizer_payload_format_version.as_deref() == Some("2.0") {
        let mut event = without_body(event::v2(request));
        event["type"] = json!("REQUEST");
        event["routeArn"] = json!(request.arn());
        event["identitySource"] = json!(identity);
        return event;
    }
    let mut event = without_body(event::v1(request));
    event["type"] = json!("REQUEST");
    event["methodArn"] = json!(request.arn());
    event["identitySource"] = json!(identity.join(","));
    event["authorizationToken"] = json!(identity.join(","));
    event
}

/// Reads the function's answer.
pub fn read(authorizer: &Authorizer, invoked: &Invoked) -> Result<Grant, Failure> {
    let failed = || Failure::new(500, "AUTHORIZER_FAILURE", "Internal Server Error");
    let answer: Json = serde_json::from_slice(&invoked.payload).unwrap_or_default();
    if invoked.function_error.is_some() {
        // A function says "Unauthorized" by failing with exactly that.
        return Err(if answer["errorMessage"] == "Unauthorized" { Failure::unauthorized() } else { failed() });
    }
    let context = match &answer["context"] {
        Json::Object(context) => context.clone(),
        _ => Map::new(),
    };
    if authorizer.enable_simple_responses == Some(true) {
        let allowed = answer["isAuthorized"].as_bool().ok_or_else(failed)?;
        return Ok(Grant { verdict: Verdict::Simple(allowed), context, principal: None });
    }
    let principal = text(&answer["principalId"]).ok_or_else(failed)?;
    let policy = Policy::parse(&answer["policyDocument"].to_string()).map_err(|_| failed())?;
    Ok(Grant { verdict: Verdict::Policy(Arc::new(policy)), context, principal: Some(principal) })
}

/// Whether a grant lets a request reach its route.
pub fn allowed(grant: &Grant, request: &Request) -> Result<(), Failure> {
    let policy = match &grant.verdict {
        Verdict::Simple(true) => return Ok(()),
        Verdict::Simple(false) => return Err(Failure::forbidden()),
        Verdict::Policy(policy) => policy.clone(),
    };
    let mut wanted = policy::Request {
        caller: policy::Caller {
            kind: CallerKind::User,
            account: request.account.clone(),
            arn: grant.principal.clone().unwrap_or_default(),
            role_arn: None,
        },
        action: "execute-api:Invoke".to_owned(),
        resource: request.arn(),
        resource_account: request.account.clone(),
        ..policy::Request::default()
    };
    wanted.conditions.set("aws:SourceIp", request.source_ip.as_str());
    let source = Source { name: "the authorizer's policy".to_owned(), policy };
    match decide(&wanted, &Policies { identity: vec![source], ..Policies::default() }, None) {
        Decision::Allowed(_) => Ok(()),
        Decision::Denied(_) => Err(Failure::forbidden()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authorizer(simple: bool, sources: &[&str]) -> Authorizer {
        Authorizer {
            enable_simple_responses: Some(simple),
            identity_source: Some(sources.iter().map(|source| (*source).to_owned()).collect()),
            ..Authorizer::default()
        }
    }

    fn request() -> Request {
        Request {
            method: "GET".into(),
            path: "/users".into(),
            account: "1".into(),
            region: "r".into(),
            api: "a".into(),
            stage: "s".into(),
            headers: vec![("authorization".into(), "t".into())],
            route_key: "GET /users".into(),
            ..Request::default()
        }
    }

    fn answer(answer: Json) -> Invoked {
        Invoked { payload: answer.to_string().into(), ..Invoked::default() }
    }

    #[test]
    fn an_identity_must_be_complete() {
        let of = |names: &[&str]| sources(&authorizer(true, names), &request());
        assert_eq!(of(&["$request.header.Authorization", "$context.routeKey"]).unwrap(), ["t", "GET /users"]);
        assert_eq!(of(&["$request.header.Authorization", "$request.querystring.q"]), None);
        assert_eq!(of(&[]), Some(vec![]));
    }

    #[test]
    fn simple_answers_decide() {
        let simple = authorizer(true, &[]);
        let grant = read(&simple, &answer(json!({"isAuthorized": true, "context": {"a": {"b": 1}}}))).unwrap();
        assert_eq!(grant.context["a"], json!({"b": 1}));
        assert_eq!(allowed(&grant, &request()), Ok(()));
        let grant = read(&simple, &answer(json!({"isAuthorized": false}))).unwrap();
        assert_eq!(allowed(&grant, &request()).unwrap_err().status, 403);
        assert_eq!(read(&simple, &answer(json!({}))).unwrap_err().status, 500);
    }

    #[test]
    fn policies_decide() {
        let policy = |resource: &str| {
            let statement = json!([{"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": resource}]);
            let said =
                json!({"principalId": "ann", "policyDocument": {"Version": "2012-10-17", "Statement": statement}});
            read(&authorizer(false, &[]), &answer(said)).unwrap()
        };
        assert_eq!(allowed(&policy("arn:aws:execute-api:r:1:a/s/GET/users"), &request()), Ok(()));
        assert_eq!(allowed(&policy("arn:aws:execute-api:r:1:a/s/POST/*"), &request()).unwrap_err().status, 403);
    }
}
