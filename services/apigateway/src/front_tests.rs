//! Requests to deployed APIs, from the address to the answer.

use crate::testing::World;
use apigateway_api::*;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method as HttpMethod};
use lambda_api::InvocationResponse;
use serde_json::{Value as Json, json};
use service::{ByteStream, Context, FrontRequest, Implements, Operation, Principal, Service as _};
use std::collections::BTreeMap;

const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";

impl World {
    async fn run<O: Operation>(&self, _: O, input: O::Input) -> O::Output
    where
        crate::ApiGateway: Implements<O>,
    {
        Implements::<O>::call(&*self.service, &self.cx, input).await.unwrap()
    }

    /// An API with one method on `/users`, deployed to stage v1.
    async fn deployed(&self, authorization: &str, r#type: IntegrationType, policy: Option<&str>) -> String {
        let request = CreateRestApiRequest {
            name: "test".into(),
            policy: policy.map(str::to_owned),
            ..CreateRestApiRequest::default()
        };
        let api = self.run(CreateRestApi, request).await;
        let (id, root) = (api.id.unwrap(), api.root_resource_id.unwrap());
        let resource = CreateResourceRequest { rest_api_id: id.clone(), parent_id: root, path_part: "users".into() };
        let resource_id = self.run(CreateResource, resource).await.id.unwrap();
        let method = PutMethodRequest {
            rest_api_id: id.clone(),
            resource_id: resource_id.clone(),
            http_method: "GET".into(),
            authorization_type: authorization.into(),
            ..PutMethodRequest::default()
        };
        self.run(PutMethod, method).await;
        let integration = PutIntegrationRequest {
            rest_api_id: id.clone(),
            resource_id,
            http_method: "GET".into(),
            r#type,
            integration_http_method: Some("POST".into()),
            uri: Some(format!("arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{FUNCTION}/invocations")),
            ..PutIntegrationRequest::default()
        };
        self.run(PutIntegration, integration).await;
        let deployment = CreateDeploymentRequest {
            rest_api_id: id.clone(),
            stage_name: Some("v1".into()),
            variables: Some([("color".to_owned(), "red".to_owned())].into()),
            ..CreateDeploymentRequest::default()
        };
        self.run(CreateDeployment, deployment).await;
        id
    }

    fn answering(&self, payload: Json) {
        self.answering_for(FUNCTION, payload);
    }

    fn answering_for(&self, function: &str, payload: Json) {
        let payload = Some(Bytes::from(payload.to_string()));
        let answer = InvocationResponse { status_code: Some(200), payload, ..InvocationResponse::default() };
        self.functions.answers.lock().unwrap().insert(function.to_owned(), answer);
    }

    /// Status, headers and body of a request's answer.
    async fn get(&self, host: &str, path: &str, signer: Option<Context>) -> (u16, BTreeMap<String, String>, String) {
        self.send(host, path, signer, &[("user-agent", "curl/8")]).await
    }

    async fn send(
        &self,
        host: &str,
        path: &str,
        signer: Option<Context>,
        headers: &[(&'static str, &str)],
    ) -> (u16, BTreeMap<String, String>, String) {
        let header = |(name, value): &(&'static str, &str)| (HeaderName::from_static(name), value.parse().unwrap());
        let request = FrontRequest {
            cloud: self.cx.cloud.clone(),
            method: HttpMethod::GET,
            uri: path.parse().unwrap(),
            host: host.to_owned(),
            authority: format!("{host}:4566"),
            headers: headers.iter().map(header).collect(),
            body: ByteStream::default(),
            source_ip: "10.1.2.3".to_owned(),
            secure: false,
            request_id: "r-1".to_owned(),
            extensions: http::Extensions::new(),
            signer: signer.map(Ok),
        };
        let front = self.service.fronts().remove(0);
        let path = path.split('?').next().unwrap();
        assert!(front.matches(&self.cx.cloud, host, path, &HeaderMap::new()));
        let (parts, body) = front.serve(request).await.into_parts();
        let body = body.bytes().unwrap_or_default();
        let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
        let headers = parts.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
        (parts.status.as_u16(), headers, String::from_utf8(body.to_vec()).unwrap())
    }
}

#[tokio::test]
async fn a_deployed_method_calls_its_function() {
    let world = World::new();
    world.answering(json!({"statusCode": 200, "headers": {"X-Own": "1"}, "body": "hello"}));
    let api = world.deployed("NONE", IntegrationType::AwsProxy, None).await;
    let hosts = [
        (format!("{api}.execute-api.us-east-1.amazonaws.com"), "/v1/users?a=1".to_owned()),
        ("localhost".to_owned(), format!("/restapis/{api}/v1/_user_request_/users?a=1")),
        ("localhost".to_owned(), format!("/_aws/execute-api/{api}/v1/users?a=1")),
    ];
    for (host, path) in hosts {
        let (status, headers, body) = world.get(&host, &path, None).await;
        assert_eq!((status, body.as_str()), (200, "hello"), "{host}{path}");
        assert_eq!((headers["x-own"].as_str(), headers["x-amzn-requestid"].as_str()), ("1", "r-1"));
        assert!(headers.contains_key("x-amz-apigw-id"));
        let (cx, call) = world.functions.calls.lock().unwrap().pop().unwrap();
        assert_eq!(call.function_name, FUNCTION);
        assert_eq!(cx.principal(), &Principal::service("apigateway.amazonaws.com"));
        let source = format!("arn:aws:execute-api:us-east-1:000000000000:{api}/v1/GET/users");
        assert!(cx.origin().source.contains(&("aws:SourceArn".to_owned(), source)));
        let event: Json = serde_json::from_slice(&call.payload.unwrap()).unwrap();
        assert_eq!(event["path"], "/users");
        assert_eq!(event["queryStringParameters"], json!({"a": "1"}));
        assert_eq!(event["stageVariables"], json!({"color": "red"}));
        assert_eq!(event["headers"]["User-Agent"], "curl/8");
        assert_eq!(event["headers"]["X-Forwarded-For"], "10.1.2.3");
        assert_eq!(event["requestContext"]["path"], "/v1/users");
        assert_eq!(event["requestContext"]["identity"]["sourceIp"], "10.1.2.3");
    }
}

#[tokio::test]
async fn every_request_is_measured() {
    let world = World::new();
    world.answering(json!({"statusCode": 404}));
    let api = world.deployed("NONE", IntegrationType::AwsProxy, None).await;
    let mut events = world.cx.cloud.events.subscribe(8, |event| matches!(event, service::Event::Metrics(_)));
    let host = format!("{api}.execute-api.localhost");
    world.get(&host, "/v1/users", None).await;
    let Some(service::events::Received::Event(event)) = events.try_receive() else { panic!("nothing was measured") };
    let service::Event::Metrics(metrics) = &*event else { panic!("{event:?}") };
    assert_eq!((metrics.namespace, metrics.dimensions.len()), ("AWS/ApiGateway", 2));
    assert_eq!(metrics.dimensions[1], [("ApiName", "test".to_owned()), ("Stage", "v1".to_owned())]);
    let value = |name: &str| metrics.values.iter().find(|value| value.name == name).map(|value| value.value);
    assert_eq!((value("Count"), value("4XXError"), value("5XXError")), (Some(1.0), Some(1.0), Some(0.0)));
    assert!(value("Latency").is_some() && value("IntegrationLatency").is_some());
    world.get(&host, "/v1/nowhere", None).await;
    let Some(service::events::Received::Event(event)) = events.try_receive() else { panic!("nothing was measured") };
    let service::Event::Metrics(metrics) = &*event else { panic!("{event:?}") };
    assert!(metrics.values.iter().all(|value| value.name != "IntegrationLatency"));
}

#[tokio::test]
async fn callers_learn_no_more_than_on_aws() {
    let world = World::new();
    let api = world.deployed("NONE", IntegrationType::AwsProxy, None).await;
    let host = format!("{api}.execute-api.localhost");
    for (path, status, error, message) in [
        ("/v1", 403, "MissingAuthenticationTokenException", "Missing Authentication Token"),
        ("/v1/", 403, "MissingAuthenticationTokenException", "Missing Authentication Token"),
        ("/v1/nope", 403, "MissingAuthenticationTokenException", "Missing Authentication Token"),
        ("/", 403, "MissingAuthenticationTokenException", "Missing Authentication Token"),
        ("/v2/users", 403, "ForbiddenException", "Forbidden"),
        // The function's policy does not let the API in.
        ("/v1/users", 500, "InternalServerErrorException", "Internal server error"),
    ] {
        let (found, headers, body) = world.get(&host, path, None).await;
        assert_eq!((found, headers["x-amzn-errortype"].as_str()), (status, error), "{path}");
        let space = if status >= 500 { " " } else { "" };
        assert_eq!(body, format!("{{\"message\":{space}\"{message}\"}}"), "{path}");
    }
    let (status, _, body) = world.get("zzz.execute-api.localhost", "/v1/users", None).await;
    assert_eq!((status, body.as_str()), (403, r#"{"message":"Forbidden"}"#));
}

#[tokio::test]
async fn a_method_may_ask_for_a_signature() {
    let world = World::new();
    world.answering(json!({"body": "in"}));
    let api = world.deployed("AWS_IAM", IntegrationType::AwsProxy, None).await;
    let host = format!("{api}.execute-api.localhost");
    let (status, _, body) = world.get(&host, "/v1/users", None).await;
    assert_eq!((status, body.as_str()), (403, r#"{"message":"Missing Authentication Token"}"#));
    let (status, _, body) = world.get(&host, "/v1/users", Some(world.cx.clone())).await;
    assert_eq!((status, body.as_str()), (200, "in"));
    let (_, call) = world.functions.calls.lock().unwrap().pop().unwrap();
    let event: Json = serde_json::from_slice(&call.payload.unwrap()).unwrap();
    assert_eq!(event["requestContext"]["identity"]["userArn"], "arn:aws:iam::000000000000:root");
    let user = Principal::User { account: "000000000000".into(), path: "/".into(), name: "u".into(), id: "A".into() };
    let user = world.cx.cloud.context(user, "000000000000", "us-east-1");
    let (status, headers, body) = world.get(&host, "/v1/users", Some(user)).await;
    assert_eq!((status, headers["x-amzn-errortype"].as_str()), (403, "AccessDeniedException"));
    assert!(body.contains("User: arn:aws:iam::000000000000:user/u is not authorized to perform: execute-api:Invoke"));
}

#[tokio::test]
async fn a_function_may_decide_who_comes_in() {
    let world = World::new();
    world.answering(json!({"body": "in"}));
    let api = world.deployed("NONE", IntegrationType::AwsProxy, None).await;
    let decider = "arn:aws:lambda:us-east-1:000000000000:function:decider";
    let authorizer = CreateAuthorizerRequest {
        rest_api_id: api.clone(),
        name: "a".into(),
        r#type: AuthorizerType::Token,
        authorizer_uri: Some(format!(
            "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{decider}/invocations"
        )),
        identity_source: Some("method.request.header.User-Agent".into()),
        ..CreateAuthorizerRequest::default()
    };
    let authorizer = world.run(CreateAuthorizer, authorizer).await.id.unwrap();
    let resources = GetResourcesRequest { rest_api_id: api.clone(), ..Default::default() };
    let resources = world.run(GetResources, resources).await.items.unwrap();
    let users = resources.iter().find(|resource| resource.path_part.is_some()).unwrap().id.clone().unwrap();
    let set = |path: &str, value: &str| PatchOperation {
        op: Some(Op::Replace),
        path: Some(path.into()),
        value: Some(value.into()),
        from: None,
    };
    let custom = UpdateMethodRequest {
        rest_api_id: api.clone(),
        resource_id: users,
        http_method: "GET".into(),
        patch_operations: Some(vec![set("/authorizerId", &authorizer), set("/authorizationType", "CUSTOM")]),
    };
    world.run(UpdateMethod, custom).await;
    let deployment = CreateDeploymentRequest {
        rest_api_id: api.clone(),
        stage_name: Some("v1".into()),
        ..CreateDeploymentRequest::default()
    };
    world.run(CreateDeployment, deployment).await;
    let host = format!("{api}.execute-api.localhost");

    // The authorizer's function does not let the API call it.
    let (status, headers, body) = world.get(&host, "/v1/users", None).await;
    assert_eq!((status, body.as_str()), (500, r#"{"message":null}"#));
    assert_eq!(headers["x-amzn-errortype"], "AuthorizerConfigurationException");

    let says = |effect: &str| {
        json!({
            "principalId": "ann",
            "policyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": effect, "Action": "execute-api:Invoke", "Resource": "*"}]},
            "context": {"team": "a"},
        })
    };
    world.answering_for(decider, says("Allow"));
    assert_eq!(world.get(&host, "/v1/users", None).await.0, 200);
    let calls: Vec<_> = world.functions.calls.lock().unwrap().drain(..).collect();
    let (cx, asked) = &calls[1];
    let source = format!("arn:aws:execute-api:us-east-1:000000000000:{api}/authorizers/{authorizer}");
    assert!(cx.origin().source.contains(&("aws:SourceArn".to_owned(), source)));
    let event: Json = serde_json::from_slice(asked.payload.as_ref().unwrap()).unwrap();
    assert_eq!((&event["type"], &event["authorizationToken"]), (&json!("TOKEN"), &json!("curl/8")));
    let event: Json = serde_json::from_slice(calls[2].1.payload.as_ref().unwrap()).unwrap();
    assert_eq!(
        event["requestContext"]["authorizer"],
        json!({"principalId": "ann", "team": "a", "integrationLatency": 0})
    );

    // The answer is kept until it expires.
    world.answering_for(decider, says("Deny"));
    assert_eq!(world.get(&host, "/v1/users", None).await.0, 200);
    world.cx.clock().advance(300_000);
    let (status, _, body) = world.get(&host, "/v1/users", None).await;
    assert_eq!(status, 403);
    assert_eq!(body, r#"{"Message":"User is not authorized to access this resource with an explicit deny"}"#);
}

#[tokio::test]
async fn an_apis_policy_decides_for_everyone() {
    let world = World::new();
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"execute-api:Invoke","Resource":"execute-api:/*"}]}"#;
    let api = world.deployed("NONE", IntegrationType::AwsProxy, Some(policy)).await;
    let (status, _, _) = world.get(&format!("{api}.execute-api.localhost"), "/v1/users", None).await;
    assert_eq!(status, 403);
    let arn = format!("arn:aws:execute-api:us-east-1:000000000000:{api}/v1/GET/users");
    assert!(world.service.resource_policy(&world.cx, &arn).unwrap().is_some());
    assert!(world.service.resource_policy(&world.cx, "arn:aws:apigateway:us-east-1::/restapis").unwrap().is_none());
}

#[tokio::test]
async fn a_stage_serves_its_deployment_until_the_next() {
    let world = World::new();
    world.answering(json!({"body": "in"}));
    let api = world.deployed("NONE", IntegrationType::AwsProxy, None).await;
    let host = format!("{api}.execute-api.localhost");
    let resources = GetResourcesRequest { rest_api_id: api.clone(), ..Default::default() };
    let resources = world.run(GetResources, resources).await.items.unwrap();
    let users = resources.iter().find(|resource| resource.path_part.is_some()).unwrap().id.clone().unwrap();
    let rename = UpdateResourceRequest {
        rest_api_id: api.clone(),
        resource_id: users,
        patch_operations: Some(vec![PatchOperation {
            op: Some(Op::Replace),
            path: Some("/pathPart".into()),
            value: Some("people".into()),
            from: None,
        }]),
    };
    world.run(UpdateResource, rename).await;
    assert_eq!(world.get(&host, "/v1/users", None).await.0, 200);
    assert_eq!(world.get(&host, "/v1/people", None).await.0, 403);
    let deployment = CreateDeploymentRequest {
        rest_api_id: api.clone(),
        stage_name: Some("v1".into()),
        ..CreateDeploymentRequest::default()
    };
    world.run(CreateDeployment, deployment).await;
    assert_eq!(world.get(&host, "/v1/users", None).await.0, 403);
    assert_eq!(world.get(&host, "/v1/people", None).await.0, 200);
}

#[tokio::test]
async fn a_stage_can_throttle() {
    let world = World::new();
    world.answering(json!({"body": "in"}));
    let api = world.deployed("NONE", IntegrationType::AwsProxy, None).await;
    let set = |path: &str, value: &str| PatchOperation {
        op: Some(Op::Replace),
        path: Some(path.into()),
        value: Some(value.into()),
        from: None,
    };
    let limits = UpdateStageRequest {
        rest_api_id: api.clone(),
        stage_name: "v1".into(),
        patch_operations: Some(vec![set("/*/*/throttling/rateLimit", "1"), set("/*/*/throttling/burstLimit", "1")]),
    };
    world.run(UpdateStage, limits).await;
    let host = format!("{api}.execute-api.localhost");
    assert_eq!(world.get(&host, "/v1/users", None).await.0, 200);
    let (status, _, body) = world.get(&host, "/v1/users", None).await;
    assert_eq!((status, body.as_str()), (429, r#"{"message":"Too Many Requests"}"#));
    world.cx.clock().advance(1000);
    assert_eq!(world.get(&host, "/v1/users", None).await.0, 200);
}

#[tokio::test]
async fn a_test_tells_in_its_log_why_a_method_fails() {
    let world = World::new();
    let api = world.deployed("NONE", IntegrationType::AwsProxy, None).await;
    let resources = GetResourcesRequest { rest_api_id: api.clone(), ..Default::default() };
    let resources = world.run(GetResources, resources).await.items.unwrap();
    let users = resources.iter().find(|resource| resource.path_part.is_some()).unwrap().id.clone().unwrap();
    let test = TestInvokeMethodRequest {
        rest_api_id: api,
        resource_id: users,
        http_method: "GET".into(),
        path_with_query_string: Some("/users?x=1".into()),
        headers: Some(BTreeMap::from([("Accept".to_owned(), "*/*".to_owned())])),
        ..TestInvokeMethodRequest::default()
    };
    let denied = world.run(TestInvokeMethod, test.clone()).await;
    let log = denied.log.unwrap();
    assert_eq!((denied.status, denied.body.as_deref()), (Some(500), Some(r#"{"message": "Internal server error"}"#)));
    assert!(log.starts_with("Execution log for request "), "{log}");
    for line in [
        "Sun Sep 09 01:46:40 UTC 2001 : HTTP Method: GET, Resource Path: /users\n",
        " : Method request query string: {x=1}\n",
        " : Execution failed due to configuration error: Invalid permissions on Lambda function\n",
        " : Method completed with status: 500\n",
    ] {
        assert!(log.contains(line), "{line} in {log}");
    }
    world.answering(json!({"statusCode": 200, "body": "ok"}));
    let allowed = world.run(TestInvokeMethod, test).await;
    assert_eq!((allowed.status, allowed.body.as_deref()), (Some(200), Some("ok")));
    assert!(allowed.log.unwrap().contains("Successfully completed execution"));
}

#[tokio::test]
async fn a_method_may_ask_for_a_key_with_a_plan() {
    let world = World::new();
    world.answering(json!({"body": "in"}));
    let api = world.deployed("NONE", IntegrationType::AwsProxy, None).await;
    let resources = GetResourcesRequest { rest_api_id: api.clone(), ..Default::default() };
    let resources = world.run(GetResources, resources).await.items.unwrap();
    let users = resources.iter().find(|resource| resource.path_part.is_some()).unwrap().id.clone().unwrap();
    let set = |op: Op, path: &str, value: &str| PatchOperation {
        op: Some(op),
        path: Some(path.into()),
        value: Some(value.into()),
        from: None,
    };
    let demand = UpdateMethodRequest {
        rest_api_id: api.clone(),
        resource_id: users,
        http_method: "GET".into(),
        patch_operations: Some(vec![set(Op::Replace, "/apiKeyRequired", "true")]),
    };
    world.run(UpdateMethod, demand).await;
    let deployment = CreateDeploymentRequest {
        rest_api_id: api.clone(),
        stage_name: Some("v1".into()),
        ..CreateDeploymentRequest::default()
    };
    world.run(CreateDeployment, deployment).await;
    let host = format!("{api}.execute-api.localhost");
    let value = "0123456789abcdefghij";
    let key = CreateApiKeyRequest {
        name: Some("k".into()),
        value: Some(value.into()),
        enabled: Some(true),
        ..CreateApiKeyRequest::default()
    };
    let key = world.run(CreateApiKey, key).await.id.unwrap();
    let call = async || world.send(&host, "/v1/users", None, &[("x-api-key", value)]).await;

    let forbidden = (403, r#"{"message":"Forbidden"}"#.to_owned());
    let (status, headers, body) = world.get(&host, "/v1/users", None).await;
    assert_eq!((status, body), forbidden);
    assert_eq!(headers["x-amzn-errortype"], "ForbiddenException");
    let (status, _, body) = call().await;
    assert_eq!((status, body), forbidden, "a key without a plan");

    let plan = CreateUsagePlanRequest {
        name: "p".into(),
        quota: Some(QuotaSettings { limit: Some(2), period: Some(QuotaPeriodType::Day), offset: None }),
        ..CreateUsagePlanRequest::default()
    };
    let plan = world.run(CreateUsagePlan, plan).await.id.unwrap();
    let cover = UpdateUsagePlanRequest {
        usage_plan_id: plan.clone(),
        patch_operations: Some(vec![set(Op::Add, "/apiStages", &format!("{api}:v1"))]),
    };
    world.run(UpdateUsagePlan, cover).await;
    let join =
        CreateUsagePlanKeyRequest { usage_plan_id: plan.clone(), key_id: key.clone(), key_type: "API_KEY".into() };
    world.run(CreateUsagePlanKey, join).await;
    assert_eq!(call().await.0, 200);
    let (_, invocation) = world.functions.calls.lock().unwrap().pop().unwrap();
    let event: Json = serde_json::from_slice(&invocation.payload.unwrap()).unwrap();
    assert_eq!(event["requestContext"]["identity"]["apiKeyId"], json!(key));
    assert_eq!(call().await.0, 200);
    let (status, _, body) = call().await;
    assert_eq!((status, body.as_str()), (429, r#"{"message":"Limit Exceeded"}"#));
    let usage = GetUsageRequest {
        usage_plan_id: plan.clone(),
        start_date: "2001-09-08".into(),
        end_date: "2001-09-09".into(),
        ..GetUsageRequest::default()
    };
    let usage = world.run(GetUsage, usage).await.items.unwrap();
    assert_eq!(usage[&key], [vec![0, 2], vec![2, 0]]);
    world.cx.clock().advance(86_400_000);
    assert_eq!(call().await.0, 200, "the next day");

    let slow = UpdateUsagePlanRequest {
        usage_plan_id: plan,
        patch_operations: Some(vec![
            set(Op::Replace, "/quota/limit", "100"),
            set(Op::Replace, "/throttle/rateLimit", "1"),
            set(Op::Replace, "/throttle/burstLimit", "1"),
        ]),
    };
    world.run(UpdateUsagePlan, slow).await;
    assert_eq!(call().await.0, 200);
    let (status, _, body) = call().await;
    assert_eq!((status, body.as_str()), (429, r#"{"message":"Too Many Requests"}"#));
}
