//! Authorizers of an API: functions and user pools.

use super::arn;
use crate::{
    ApiGateway,
    authorizer::{DEFAULT_TTL, pool},
    error::Error,
    execution::function_of,
    jwt_authorizer,
    parameters::valid_request_source,
    patch::{self, Paths, Slot},
    store::Place,
};
use apigateway_api::*;
use service::{Context, operation};

operation! { ApiGateway, CreateAuthorizer, action: "apigateway:POST" on |cx, r| arn(cx, format!("/restapis/{}/authorizers", r.rest_api_id)), handler: create }
operation! { ApiGateway, GetAuthorizer, action: "apigateway:GET" on |cx, r| arn(cx, format!("/restapis/{}/authorizers/{}", r.rest_api_id, r.authorizer_id)), handler: get }
operation! { ApiGateway, GetAuthorizers, action: "apigateway:GET" on |cx, r| arn(cx, format!("/restapis/{}/authorizers", r.rest_api_id)), handler: list }
operation! { ApiGateway, UpdateAuthorizer, action: "apigateway:PATCH" on |cx, r| arn(cx, format!("/restapis/{}/authorizers/{}", r.rest_api_id, r.authorizer_id)), handler: update }
operation! { ApiGateway, DeleteAuthorizer, action: "apigateway:DELETE" on |cx, r| arn(cx, format!("/restapis/{}/authorizers/{}", r.rest_api_id, r.authorizer_id)), handler: delete }

async fn create(_: &ApiGateway, cx: &Context, request: CreateAuthorizerRequest) -> Result<Authorizer, Error> {
    let jwt = request.r#type == AuthorizerType::Jwt;
    if jwt && request.authorizer_result_ttl_in_seconds.is_some() {
        let message = "Authorizer result TTL is not supported for authorizers of type JWT";
        return Err(Error::BadRequest(message.to_owned()));
    }
    let jwt_configuration = match jwt {
        true => Some(jwt_authorizer::resolve(request.jwt_configuration).await?),
        false => None,
    };
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.rest_api_id);
        place.api(tx)?;
        let known: Vec<Authorizer> = place.all(tx)?;
        if known.iter().any(|authorizer| authorizer.name.as_ref() == Some(&request.name)) {
            let name = &request.name;
            let message = format!("Authorizer name must be unique. Authorizer {name} already exists in this RestApi.");
            return Err(Error::BadRequest(message));
        }
        let id = cx.random().lower_alphanumeric(6);
        let pools = request.r#type == AuthorizerType::CognitoUserPools;
        let default_auth_type = match request.r#type {
            AuthorizerType::CognitoUserPools => "cognito_user_pools",
            AuthorizerType::Jwt => "jwt",
            _ => "custom",
        };
        let token = pools || request.r#type == AuthorizerType::Token;
        let default_source = token.then(|| "method.request.header.Authorization".to_owned());
        let authorizer = Authorizer {
            id: Some(id.clone()),
            name: Some(request.name),
            r#type: Some(request.r#type),
            provider_ar_ns: request.provider_ar_ns,
            auth_type: Some(request.auth_type.unwrap_or_else(|| default_auth_type.to_owned())),
            authorizer_uri: request.authorizer_uri,
            authorizer_credentials: request.authorizer_credentials,
            identity_source: request.identity_source.or(default_source),
            identity_validation_expression: request.identity_validation_expression,
            authorizer_result_ttl_in_seconds: (!jwt)
                .then(|| request.authorizer_result_ttl_in_seconds.unwrap_or(DEFAULT_TTL)),
            jwt_configuration,
        };
        check(&authorizer)?;
        place.put(tx, &id, &authorizer);
        Ok(authorizer)
    })
}

pub fn check(authorizer: &Authorizer) -> Result<(), Error> {
    let bad = |message: String| Err(Error::BadRequest(message));
    let ttl = authorizer.authorizer_result_ttl_in_seconds.unwrap_or(DEFAULT_TTL);
    match &authorizer.r#type {
        Some(AuthorizerType::Token | AuthorizerType::Request) => {}
        Some(AuthorizerType::CognitoUserPools) => return check_pools(authorizer, ttl),
        Some(AuthorizerType::Jwt) => return jwt_authorizer::check(authorizer),
        _ => return bad("Invalid authorizer type specified".to_owned()),
    }
    let uri = authorizer.authorizer_uri.as_deref().unwrap_or_default();
    if function_of(uri).is_none() {
        return bad(format!(
            "Invalid Authorizer URI: {uri}. Authorizer URI should be a valid API Gateway ARN that represents a Lambda \
             function invocation."
        ));
    }
    if !(0..=3600).contains(&ttl) {
        return bad("Authorizer result TTL must be between 0 and 3600 seconds".to_owned());
    }
    let sources = authorizer.identity_source.as_deref().unwrap_or_default();
    let mut sources = sources.split(',').map(str::trim).filter(|source| !source.is_empty()).peekable();
    if sources.peek().is_none() && ttl > 0 {
        return bad("Identity source is required when caching of the authorizer's result is enabled".to_owned());
    }
    if let Some(source) = sources.find(|source| !valid_request_source(source)) {
        return bad(format!("Invalid mapping expression specified for the identity source: {source}"));
    }
    match authorizer.identity_validation_expression.as_deref().map(regex_lite::Regex::new) {
        Some(Err(_)) => bad("Invalid identity validation expression specified".to_owned()),
        _ => Ok(()),
    }
}

fn check_pools(authorizer: &Authorizer, ttl: i32) -> Result<(), Error> {
    let bad = |message: &str| Err(Error::BadRequest(message.to_owned()));
    let arns = authorizer.provider_ar_ns.as_deref().unwrap_or_default();
    if arns.is_empty() {
        return bad("Invalid Provider ARNs: at least one Cognito user pool ARN is required");
    }
    if arns.iter().any(|arn| pool(arn).is_none()) {
        return bad("Invalid Cognito User Pool ARN specified");
    }
    if authorizer.identity_source.as_deref().unwrap_or_default().is_empty() {
        return bad("Identity source is required for authorizers of type COGNITO_USER_POOLS");
    }
    if !(0..=3600).contains(&ttl) {
        return bad("Authorizer result TTL must be between 0 and 3600 seconds");
    }
    Ok(())
}

async fn get(_: &ApiGateway, cx: &Context, request: GetAuthorizerRequest) -> Result<Authorizer, Error> {
    Place::new(cx, &request.rest_api_id).get(&cx.store().snapshot(), &request.authorizer_id)
}

async fn list(_: &ApiGateway, cx: &Context, request: GetAuthorizersRequest) -> Result<Authorizers, Error> {
    let place = Place::new(cx, &request.rest_api_id);
    let (items, position) = place.page(&cx.store().snapshot(), request.position.as_deref(), request.limit)?;
    Ok(Authorizers { items: Some(items), position })
}

const PATHS: &Paths = &Paths {
    add: &["/providerARNs"],
    replace: &[
        "/authType",
        "/authorizerCredentials",
        "/authorizerResultTtlInSeconds",
        "/authorizerUri",
        "/identitySource",
        "/identityValidationExpression",
        "/name",
        "/providerARNs",
        "/type",
    ],
    remove: &["/providerARNs"],
};

fn slot<'a>(authorizer: &'a mut Authorizer, path: &[&str]) -> Option<Slot<'a>> {
    Some(match path {
        ["name"] => Slot::Text(&mut authorizer.name),
        ["authorizerUri"] => Slot::Text(&mut authorizer.authorizer_uri),
        ["authorizerCredentials"] => Slot::Text(&mut authorizer.authorizer_credentials),
        ["identitySource"] => Slot::Text(&mut authorizer.identity_source),
        ["identityValidationExpression"] => Slot::Text(&mut authorizer.identity_validation_expression),
        ["authorizerResultTtlInSeconds"] => Slot::Integer(&mut authorizer.authorizer_result_ttl_in_seconds),
        ["authType"] => Slot::Text(&mut authorizer.auth_type),
        ["providerARNs"] => Slot::List(&mut authorizer.provider_ar_ns),
        ["type"] => Slot::Set(Box::new(|value| {
            authorizer.r#type = value.map(AuthorizerType::from);
            authorizer.r#type.is_some()
        })),
        _ => return None,
    })
}

async fn update(_: &ApiGateway, cx: &Context, request: UpdateAuthorizerRequest) -> Result<Authorizer, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.rest_api_id);
        let mut authorizer: Authorizer = place.get(tx, &request.authorizer_id)?;
        patch::apply(&mut authorizer, request.patch_operations.as_deref().unwrap_or_default(), PATHS, slot)?;
        check(&authorizer)?;
        place.put(tx, &request.authorizer_id, &authorizer);
        Ok(authorizer)
    })
}

async fn delete(_: &ApiGateway, cx: &Context, request: DeleteAuthorizerRequest) -> Result<wire::Unit, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.rest_api_id);
        place.get::<Authorizer>(tx, &request.authorizer_id)?;
        for resource in place.all::<Resource>(tx)? {
            for (http_method, method) in resource.resource_methods.iter().flatten() {
                if method.authorizer_id.as_ref() == Some(&request.authorizer_id) {
                    let path = resource.path.as_deref().unwrap_or_default();
                    let id = &request.authorizer_id;
                    let message =
                        format!("Cannot delete authorizer '{id}', is referenced in method: {path}/{http_method}");
                    return Err(Error::Conflict(message));
                }
            }
        }
        place.delete::<Authorizer>(tx, &request.authorizer_id);
        Ok(wire::Unit::default())
    })
}
