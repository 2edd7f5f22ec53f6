//! TestInvokeMethod: one request to a method as it stands, deployed or not, with its log.

use super::{
    client_certificate,
    method::{find, method_arn},
};
use crate::{
    ApiGateway,
    backend::World,
    definition::Compiled,
    error::Error,
    execution::{finish, run},
    log::Log,
    request::Incoming,
    store::Place,
};
use apigateway_api::*;
use service::{Context, operation};
use std::collections::BTreeMap;

operation! { ApiGateway, TestInvokeMethod, action: "apigateway:POST" on |cx, r| method_arn(cx, &r.rest_api_id, &r.resource_id, &r.http_method), handler: test_invoke }

/// The name that a test's stage goes by.
const STAGE: &str = "test-invoke-stage";

/// The longest body of a streamed answer that is waited for.
const LARGEST_BODY: usize = 10 << 20;

async fn test_invoke(
    _: &ApiGateway,
    cx: &Context,
    request: TestInvokeMethodRequest,
) -> Result<TestInvokeMethodResponse, Error> {
    let place = Place::new(cx, &request.rest_api_id);
    let mut snapshot = cx.store().snapshot();
    let mut resource: Resource = place.get(&snapshot, &request.resource_id)?;
    let method = match find(&mut resource, &request.http_method) {
        Ok(method) => method.clone(),
        // A method of the resource's `ANY` can be tested by its own name.
        Err(missing) => find(&mut resource, "ANY").map_err(|_| missing)?.clone(),
    };
    let compiled = Compiled::new(place.definition(&mut snapshot)?);
    let incoming = incoming(cx, &request, &resource);
    let mut world = World::new(cx.clone(), crate::backend::timeout(&method));
    if let Some(id) = request.client_certificate_id.as_deref().filter(|id| !id.is_empty()) {
        world.identity = client_certificate::identity(cx, &snapshot, id)?;
    }
    let mut log = Log::new(true, true, &incoming.request_id);
    let started = cx.now();
    let result = run(&compiled, &method, &incoming, &world, &mut log).await;
    let mut reply = finish(&compiled, &incoming, cx.now(), &mut log, result);
    if let Some(rest) = reply.rest.take() {
        reply.body = rest.collect(LARGEST_BODY).await.unwrap_or_default();
    }
    let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in reply.headers {
        headers.entry(name).or_default().push(value);
    }
    Ok(TestInvokeMethodResponse {
        status: Some(reply.status.into()),
        body: Some(String::from_utf8_lossy(&reply.body).into_owned()),
        headers: Some(
            headers.iter().filter_map(|(name, values)| Some((name.clone(), values.last()?.clone()))).collect(),
        ),
        multi_value_headers: Some(headers),
        log: Some(log.text()),
        latency: Some(cx.now().millis() - started.millis()),
    })
}

fn incoming(cx: &Context, request: &TestInvokeMethodRequest, resource: &Resource) -> Incoming {
    let target = request.path_with_query_string.clone().filter(|path| !path.is_empty());
    let target = target.or_else(|| resource.path.clone()).unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let single = request.headers.iter().flatten().map(|(name, value)| (name.clone(), value.clone()));
    let multiple = request.multi_value_headers.iter().flatten();
    let multiple = multiple.flat_map(|(name, values)| values.iter().map(move |value| (name.clone(), value.clone())));
    let template = resource.path.as_deref().unwrap_or_default();
    Incoming {
        // `ANY` is no method that a request can have.
        method: if request.http_method == "ANY" { "POST".to_owned() } else { request.http_method.clone() },
        path: path.to_owned(),
        shown: None,
        canary: None,
        query: crate::request::parse_query(query),
        headers: single.chain(multiple).collect(),
        body: request.body.clone().unwrap_or_default().into(),
        source_ip: "test-invoke-source-ip".to_owned(),
        protocol: "HTTP/1.1".to_owned(),
        domain: "testPrefix.testDomainName".to_owned(),
        request_id: cx.random().uuid(),
        extended_id: cx.random().alphanumeric(15) + "=",
        time: cx.now(),
        caller: None,
        api_key: None,
        authorizer: None,
        account: cx.account().to_owned(),
        region: cx.region().to_owned(),
        api: request.rest_api_id.clone(),
        stage: STAGE.to_owned(),
        deployment: String::new(),
        stage_variables: request.stage_variables.clone().unwrap_or_default(),
        resource_id: request.resource_id.clone(),
        resource_path: template.to_owned(),
        path_parameters: crate::path::variables(template, path),
    }
}
