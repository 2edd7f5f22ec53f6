//! TestInvokeAuthorizer: what an authorizer says of a request, without a method behind it.

use super::arn;
use crate::{
    ApiGateway,
    authorizer::{self, Grant, pool_token},
    backend::World,
    error::Error,
    execution::{Invocation, function_of},
    gateway_response::{Failure, UNAUTHORIZED},
    jwt_authorizer,
    log::{Log, pairs},
    request::{Incoming, parse_query},
    store::Place,
};
use apigateway_api::*;
use execute_api::tokens::Tokens;
use serde_json::Value as Json;
use service::{Context, operation};
use std::{collections::BTreeMap, time::Duration};

operation! { ApiGateway, TestInvokeAuthorizer, action: "apigateway:POST" on |cx, r| arn(cx, format!("/restapis/{}/authorizers/{}", r.rest_api_id, r.authorizer_id)), handler: test }

async fn test(
    _: &ApiGateway,
    cx: &Context,
    request: TestInvokeAuthorizerRequest,
) -> Result<TestInvokeAuthorizerResponse, Error> {
    let place = Place::new(cx, &request.rest_api_id);
    let tested: Authorizer = place.get(&cx.store().snapshot(), &request.authorizer_id)?;
    let incoming = incoming(cx, &request);
    let started = cx.now();
    let mut log = Log::new(true, true, &incoming.request_id);
    log.line(started, || {
        format!("Starting authorizer: {} for request: {}", request.authorizer_id, incoming.request_id)
    });
    log.line(started, || format!("Incoming identity: {}", pairs(&incoming.single_headers())));
    let mut response = TestInvokeAuthorizerResponse::default();
    let memory = Tokens::default();
    let claimed = match tested.r#type {
        Some(AuthorizerType::CognitoUserPools) => Some(pool_token(&memory, cx, &tested, &[], &incoming).await),
        Some(AuthorizerType::Jwt) => Some(jwt_authorizer::token(&memory, cx, &tested, &[], &incoming).await),
        _ => None,
    };
    if let Some(claimed) = claimed {
        match claimed {
            Ok(said) => {
                let claims = said["claims"].as_object().into_iter().flatten();
                let claims = claims.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
                response.claims = Some(claims.collect::<BTreeMap<String, String>>());
                response.client_status = Some(200);
            }
            Err(failure) => response.client_status = Some(refused(&mut log, cx, failure)),
        }
    } else {
        match ask(cx, &tested, &incoming).await {
            Ok((grant, policy)) => {
                log.line(cx.now(), || format!("Using valid authorizer policy for principal: {}", grant.principal));
                response.principal_id = Some(grant.principal);
                response.policy = Some(policy);
                response.client_status = Some(200);
            }
            Err(failure) => response.client_status = Some(refused(&mut log, cx, failure)),
        }
    }
    response.latency = Some(cx.now().millis() - started.millis());
    response.log = Some(log.text());
    Ok(response)
}

/// Logs why an authorizer refused; the status that a caller would get.
fn refused(log: &mut Log, cx: &Context, failure: Failure) -> i32 {
    let status = failure.kind.status.unwrap_or(500);
    let reason = failure.log.unwrap_or(failure.message);
    log.line(cx.now(), || if failure.kind == UNAUTHORIZED { "Unauthorized request".to_owned() } else { reason });
    status.into()
}

async fn ask(cx: &Context, tested: &Authorizer, incoming: &Incoming) -> Result<(Grant, String), Failure> {
    let identity = authorizer::identity(tested, incoming)?;
    let arn = incoming.execution_arn("GET", "/");
    let event = authorizer::event(tested, &identity, incoming, &arn);
    let uri = tested.authorizer_uri.as_deref().unwrap_or_default();
    let function = function_of(uri).ok_or_else(|| authorizer::configuration("Invalid authorizer URI"))?;
    let Incoming { region, account, api, .. } = incoming;
    let invocation = Invocation {
        function: function.to_owned(),
        payload: event.to_string().into(),
        asynchronous: false,
        source_arn: format!(
            "arn:aws:execute-api:{region}:{account}:{api}/authorizers/{}",
            tested.id.as_deref().unwrap_or_default()
        ),
        credentials: tested.authorizer_credentials.clone().filter(|role| !role.is_empty()),
    };
    let world = World::new(cx.clone(), Duration::from_secs(29));
    let failed = |_| authorizer::configuration("Invalid permissions on the authorizer's function");
    let invoked = world.invoke(invocation).await.map_err(failed)?;
    let answer: Json = serde_json::from_slice(&invoked.payload).unwrap_or_default();
    Ok((authorizer::read(&invoked)?, answer["policyDocument"].to_string()))
}

fn incoming(cx: &Context, request: &TestInvokeAuthorizerRequest) -> Incoming {
    let target = request.path_with_query_string.clone().unwrap_or_else(|| "/".to_owned());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let single = request.headers.iter().flatten().map(|(name, value)| (name.clone(), value.clone()));
    let multiple = request.multi_value_headers.iter().flatten();
    let multiple = multiple.flat_map(|(name, values)| values.iter().map(move |value| (name.clone(), value.clone())));
    Incoming {
        method: "GET".to_owned(),
        path: path.to_owned(),
        query: parse_query(query),
        headers: single.chain(multiple).collect(),
        body: request.body.clone().unwrap_or_default().into(),
        source_ip: "test-invoke-source-ip".to_owned(),
        protocol: "HTTP/1.1".to_owned(),
        domain: "testPrefix.testDomainName".to_owned(),
        request_id: cx.random().uuid(),
        extended_id: cx.random().alphanumeric(15) + "=",
        time: cx.now(),
        account: cx.account().to_owned(),
        region: cx.region().to_owned(),
        api: request.rest_api_id.clone(),
        stage: "test-invoke-stage".to_owned(),
        stage_variables: request.stage_variables.clone().unwrap_or_default(),
        resource_path: "/".to_owned(),
        ..Incoming::default()
    }
}
