//! Authorizers of an API.

use super::{arn, function_of};
use crate::{
    ApiGatewayV2,
    deploy::changed,
    error::{Error, bad},
    record::{convert, update as merge},
    store::{Paging, Place},
};
use apigatewayv2_api::*;
use service::{Context, operation};

operation! { ApiGatewayV2, CreateAuthorizer, action: "apigateway:POST" on |cx, r| arn(cx, format!("/apis/{}/authorizers", r.api_id)), handler: create }
operation! { ApiGatewayV2, GetAuthorizer, action: "apigateway:GET" on |cx, r| arn(cx, format!("/apis/{}/authorizers/{}", r.api_id, r.authorizer_id)), handler: get }
operation! { ApiGatewayV2, GetAuthorizers, action: "apigateway:GET" on |cx, r| arn(cx, format!("/apis/{}/authorizers", r.api_id)), handler: list }
operation! { ApiGatewayV2, UpdateAuthorizer, action: "apigateway:PATCH" on |cx, r| arn(cx, format!("/apis/{}/authorizers/{}", r.api_id, r.authorizer_id)), handler: update }
operation! { ApiGatewayV2, DeleteAuthorizer, action: "apigateway:DELETE" on |cx, r| arn(cx, format!("/apis/{}/authorizers/{}", r.api_id, r.authorizer_id)), handler: delete }
operation! { ApiGatewayV2, ResetAuthorizersCache, action: "apigateway:DELETE" on |cx, r| arn(cx, format!("/apis/{}/stages/{}/cache/authorizers", r.api_id, r.stage_name)), handler: reset }

async fn create(
    _: &ApiGatewayV2,
    cx: &Context,
    request: CreateAuthorizerRequest,
) -> Result<CreateAuthorizerResponse, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.api_id);
        let api = place.api(tx)?;
        let id = cx.random().lower_alphanumeric(6);
        let mut authorizer: Authorizer = convert(&request)?;
        authorizer.authorizer_id = Some(id.clone());
        check(&api, &authorizer)?;
        let known: Vec<Authorizer> = place.all(tx)?;
        if known.iter().any(|known| known.name == authorizer.name) {
            let name = &authorizer.name;
            return Err(Error::Conflict(format!("Authorizer name must be unique. Authorizer {name} already exists.")));
        }
        place.put(tx, &id, &authorizer);
        changed(cx, place, tx)?;
        convert(&authorizer)
    })
}

/// Whether an authorizer has what its type needs.
pub fn check(api: &Api, authorizer: &Authorizer) -> Result<(), Error> {
    let http = api.protocol_type == ProtocolType::Http;
    let sources = authorizer.identity_source.iter().flatten();
    match &authorizer.authorizer_type {
        Some(AuthorizerType::Jwt) => {
            if !http {
                return bad("JWT authorizers are supported only for HTTP APIs");
            }
            let Some(configuration) = &authorizer.jwt_configuration else {
                return bad("JwtConfiguration is required for authorizers of type JWT");
            };
            let issuer = configuration.issuer.as_deref().unwrap_or_default();
            if !issuer.starts_with("https://") && !issuer.starts_with("http://") {
                return bad("Invalid issuer: Issuer must have a valid URL (i.e. start with https://)");
            }
            if configuration.audience.as_ref().is_none_or(Vec::is_empty) {
                return bad("Audience list must have at least 1 item and no more than 50 items");
            }
            if sources.count() != 1 {
                return bad("Authorizers of type JWT need exactly one IdentitySource");
            }
            Ok(())
        }
        Some(AuthorizerType::Request) => {
            let uri = authorizer.authorizer_uri.as_deref().unwrap_or_default();
            if function_of(uri).is_none() {
                return Err(Error::BadRequest(format!("Invalid Authorizer URI: {uri}")));
            }
            let format = authorizer.authorizer_payload_format_version.as_deref();
            if http && !matches!(format, Some("1.0" | "2.0")) {
                return bad("AuthorizerPayloadFormatVersion is a required parameter for REQUEST authorizer");
            }
            if http && format == Some("1.0") && authorizer.enable_simple_responses == Some(true) {
                return bad("Simple responses are supported only for payload format version 2.0");
            }
            let ttl = authorizer.authorizer_result_ttl_in_seconds.unwrap_or(0);
            if http && ttl > 0 && sources.clone().count() == 0 {
                return bad("IdentitySource is required when caching is enabled");
            }
            Ok(())
        }
        _ => bad("Invalid authorizer type specified"),
    }
}

async fn get(_: &ApiGatewayV2, cx: &Context, request: GetAuthorizerRequest) -> Result<GetAuthorizerResponse, Error> {
    convert(&Place::new(cx, &request.api_id).get::<Authorizer>(&cx.store().snapshot(), &request.authorizer_id)?)
}

async fn list(_: &ApiGatewayV2, cx: &Context, request: GetAuthorizersRequest) -> Result<GetAuthorizersResponse, Error> {
    let paging = Paging { limit: request.max_results.as_deref(), token: request.next_token.as_deref() };
    let (items, next_token) = Place::new(cx, &request.api_id).page(&cx.store().snapshot(), "", paging)?;
    Ok(GetAuthorizersResponse { items: Some(items), next_token })
}

async fn update(
    _: &ApiGatewayV2,
    cx: &Context,
    request: UpdateAuthorizerRequest,
) -> Result<UpdateAuthorizerResponse, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.api_id);
        let old: Authorizer = place.get(tx, &request.authorizer_id)?;
        let authorizer = merge(&old, &request)?;
        check(&place.api(tx)?, &authorizer)?;
        place.put(tx, &request.authorizer_id, &authorizer);
        changed(cx, place, tx)?;
        convert(&authorizer)
    })
}

async fn delete(_: &ApiGatewayV2, cx: &Context, request: DeleteAuthorizerRequest) -> Result<wire::Unit, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.api_id);
        place.get::<Authorizer>(tx, &request.authorizer_id)?;
        let routes: Vec<Route> = place.all(tx)?;
        let user = routes.iter().find(|route| route.authorizer_id.as_ref() == Some(&request.authorizer_id));
        if let Some(route) = user {
            let message = format!("Cannot delete authorizer, is referenced in route: {}", route.route_key);
            return Err(Error::Conflict(message));
        }
        place.delete::<Authorizer>(tx, &request.authorizer_id);
        changed(cx, place, tx)?;
        Ok(wire::Unit::default())
    })
}

async fn reset(
    service: &ApiGatewayV2,
    cx: &Context,
    request: ResetAuthorizersCacheRequest,
) -> Result<wire::Unit, Error> {
    Place::new(cx, &request.api_id).get::<Stage>(&cx.store().snapshot(), &request.stage_name)?;
    service.forget_grants(&request.api_id, &request.stage_name);
    Ok(wire::Unit::default())
}
