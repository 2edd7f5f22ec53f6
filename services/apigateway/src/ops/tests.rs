//! The control plane, call by call: what is kept, what is shown, and AWS's words for what is refused.

use crate::{ApiGateway, testing::World};
use apigateway_api::*;
use serde_json::json;
use service::{ApiError, Implements, Operation};
use std::{
    collections::BTreeMap,
    future::Future,
    pin::pin,
    task::{Poll, Waker},
};

impl World {
    /// Calls an operation; the control plane never waits.
    fn call<O: Operation>(&self, _: O, input: O::Input) -> Result<O::Output, ApiError>
    where
        ApiGateway: Implements<O>,
    {
        let call = pin!(Implements::<O>::call(&*self.service, &self.cx, input));
        match Future::poll(call, &mut std::task::Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => result,
            Poll::Pending => panic!("the control plane does not wait"),
        }
    }

    fn refused<O: Operation>(&self, operation: O, input: O::Input) -> (u16, String, String)
    where
        ApiGateway: Implements<O>,
    {
        let error = self.call(operation, input).unwrap_err();
        (error.status, error.code, error.message)
    }

    /// An API, its id and its root's.
    fn api(&self) -> (String, String) {
        let request = CreateRestApiRequest { name: "test".into(), ..CreateRestApiRequest::default() };
        let api = self.call(CreateRestApi, request).unwrap();
        (api.id.unwrap(), api.root_resource_id.unwrap())
    }

    fn resource(&self, api: &str, parent: &str, part: &str) -> Result<Resource, ApiError> {
        let request =
            CreateResourceRequest { rest_api_id: api.into(), parent_id: parent.into(), path_part: part.into() };
        self.call(CreateResource, request)
    }

    fn method(&self, api: &str, resource: &str, http_method: &str) -> Result<Method, ApiError> {
        self.call(
            PutMethod,
            PutMethodRequest {
                rest_api_id: api.into(),
                resource_id: resource.into(),
                http_method: http_method.into(),
                authorization_type: "NONE".into(),
                request_parameters: Some(map("method.request.path.proxy", true)),
                ..PutMethodRequest::default()
            },
        )
    }

    fn mock(&self, api: &str, resource: &str, http_method: &str) -> Integration {
        self.call(PutIntegration, integration(api, resource, http_method, IntegrationType::Mock)).unwrap()
    }
}

fn integration(api: &str, resource: &str, http_method: &str, r#type: IntegrationType) -> PutIntegrationRequest {
    PutIntegrationRequest {
        rest_api_id: api.into(),
        resource_id: resource.into(),
        http_method: http_method.into(),
        r#type,
        ..PutIntegrationRequest::default()
    }
}

fn map<T>(key: &str, value: T) -> BTreeMap<String, T> {
    [(key.to_owned(), value)].into()
}

fn patch(op: Op, path: &str, value: &str) -> Option<Vec<PatchOperation>> {
    Some(vec![PatchOperation { op: Some(op), path: Some(path.into()), value: Some(value.into()), from: None }])
}

fn error(status: u16, code: &str, message: &str) -> (u16, String, String) {
    (status, code.to_owned(), message.to_owned())
}

#[test]
fn an_api_begins_with_its_root_and_two_models() {
    let world = World::new();
    let (api, root) = world.api();
    assert!(api.len() == 10 && api.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
    let resources =
        world.call(GetResources, GetResourcesRequest { rest_api_id: api.clone(), ..Default::default() }).unwrap();
    let items = resources.items.unwrap();
    assert_eq!((items[0].id.as_deref(), items[0].path.as_deref()), (Some(root.as_str()), Some("/")));
    let models = world.call(GetModels, GetModelsRequest { rest_api_id: api, ..Default::default() }).unwrap();
    let names: Vec<_> = models.items.unwrap().into_iter().filter_map(|model| model.name).collect();
    assert_eq!(names, ["Empty", "Error"]);
}

#[test]
fn what_is_not_there_is_not_found() {
    let world = World::new();
    let (api, root) = world.api();
    assert_eq!(
        world.refused(GetRestApi, GetRestApiRequest { rest_api_id: "abc".into() }),
        error(404, "NotFoundException", "Invalid API identifier specified 000000000000:abc")
    );
    assert_eq!(
        world.refused(
            GetResource,
            GetResourceRequest { rest_api_id: api.clone(), resource_id: "x".into(), embed: None }
        ),
        error(404, "NotFoundException", "Invalid Resource identifier specified")
    );
    let method = GetMethodRequest { rest_api_id: api.clone(), resource_id: root, http_method: "GET".into() };
    assert_eq!(
        world.refused(GetMethod, method),
        error(404, "NotFoundException", "Invalid Method identifier specified")
    );
    assert_eq!(
        world.refused(GetStage, GetStageRequest { rest_api_id: api, stage_name: "v1".into() }),
        error(404, "NotFoundException", "Invalid stage identifier specified")
    );
}

#[test]
fn resources_form_a_tree() {
    let world = World::new();
    let (api, root) = world.api();
    let users = world.resource(&api, &root, "users").unwrap();
    let id = users.id.clone().unwrap();
    let one = world.resource(&api, &id, "{id}").unwrap();
    assert_eq!(one.path.as_deref(), Some("/users/{id}"));
    assert_eq!(
        world.resource(&api, &root, "users").map_err(|e| (e.status, e.code, e.message)).unwrap_err(),
        error(409, "ConflictException", "Another resource with the same parent already has this name: users")
    );
    assert_eq!(
        world.resource(&api, &id, "{name}").unwrap_err().message,
        "A sibling ({id}) of this resource already has a variable path part -- only one is allowed"
    );
    let renamed = world
        .call(
            UpdateResource,
            UpdateResourceRequest {
                rest_api_id: api.clone(),
                resource_id: id.clone(),
                patch_operations: patch(Op::Replace, "/pathPart", "people"),
            },
        )
        .unwrap();
    assert_eq!(renamed.path.as_deref(), Some("/people"));
    let get = |id: &str| GetResourceRequest { rest_api_id: api.clone(), resource_id: id.into(), embed: None };
    let below = one.id.unwrap();
    assert_eq!(world.call(GetResource, get(&below)).unwrap().path.as_deref(), Some("/people/{id}"));
    world.call(DeleteResource, DeleteResourceRequest { rest_api_id: api.clone(), resource_id: id }).unwrap();
    assert!(world.call(GetResource, get(&below)).is_err());
    assert!(world.call(DeleteResource, DeleteResourceRequest { rest_api_id: api.clone(), resource_id: root }).is_err());
}

#[test]
fn methods_and_integrations_are_checked() {
    let world = World::new();
    let (api, root) = world.api();
    world.method(&api, &root, "GET").unwrap();
    assert_eq!(world.method(&api, &root, "GET").unwrap_err().message, "Method already exists for this resource");
    assert!(world.method(&api, &root, "FETCH").unwrap_err().message.starts_with("Invalid HttpMethod specified"));
    let mut lambda = integration(&api, &root, "GET", IntegrationType::AwsProxy);
    assert_eq!(
        world.refused(PutIntegration, lambda.clone()),
        error(400, "BadRequestException", "Enumeration value for HttpMethod must be non-empty")
    );
    lambda.integration_http_method = Some("POST".into());
    lambda.uri = Some("arn:aws:apigateway:us-east-1:lambda:function:f".into());
    assert_eq!(world.refused(PutIntegration, lambda.clone()).2, "AWS ARN for integration must contain path or action");
    lambda.uri = Some("arn:aws:apigateway:us-east-1:sqs:path/1/q".into());
    assert!(world.refused(PutIntegration, lambda.clone()).2.contains("currently only supports Lambda function"));
    lambda.uri = Some(
        "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:000000000000:function:f/invocations"
            .into(),
    );
    let put = world.call(PutIntegration, lambda).unwrap();
    assert_eq!(put.passthrough_behavior.as_deref(), Some("WHEN_NO_MATCH"));
    assert_eq!(put.timeout_in_millis, Some(29_000));
    assert_eq!(put.cache_namespace.as_deref(), Some(root.as_str()));

    let mut undeclared = integration(&api, &root, "GET", IntegrationType::HttpProxy);
    undeclared.integration_http_method = Some("GET".into());
    undeclared.uri = Some("http://backend".into());
    undeclared.request_parameters = Some(map("integration.request.path.x", "method.request.path.x".to_owned()));
    assert_eq!(
        world.refused(PutIntegration, undeclared).2,
        "Invalid mapping expression specified: Validation Result: warnings : [], errors : \
         [Invalid mapping expression parameter specified: method.request.path.x]"
    );
    let request = PutMethodRequest {
        rest_api_id: api,
        resource_id: root,
        http_method: "PUT".into(),
        authorization_type: "COGNITO_USER_POOLS".into(),
        ..PutMethodRequest::default()
    };
    assert_eq!(world.refused(PutMethod, request).1, "BadRequestException");
}

#[test]
fn a_response_header_must_be_declared_first() {
    let world = World::new();
    let (api, root) = world.api();
    world.method(&api, &root, "GET").unwrap();
    world.mock(&api, &root, "GET");
    let header = "method.response.header.Access-Control-Allow-Origin";
    let response = PutIntegrationResponseRequest {
        rest_api_id: api.clone(),
        resource_id: root.clone(),
        http_method: "GET".into(),
        status_code: "200".into(),
        response_parameters: Some(map(header, "'*'".to_owned())),
        ..PutIntegrationResponseRequest::default()
    };
    assert!(world.refused(PutIntegrationResponse, response.clone()).2.ends_with(&format!("specified: {header}]")));
    let declared = PutMethodResponseRequest {
        rest_api_id: api.clone(),
        resource_id: root.clone(),
        http_method: "GET".into(),
        status_code: "200".into(),
        response_parameters: Some(map(header, false)),
        ..PutMethodResponseRequest::default()
    };
    world.call(PutMethodResponse, declared.clone()).unwrap();
    assert_eq!(world.refused(PutMethodResponse, declared).2, "Response already exists for this resource");
    world.call(PutIntegrationResponse, response).unwrap();
    let embed = Some(vec!["methods".to_owned()]);
    let full = world.call(GetResource, GetResourceRequest { rest_api_id: api, resource_id: root, embed }).unwrap();
    let method = &full.resource_methods.unwrap()["GET"];
    assert!(method.method_integration.as_ref().unwrap().integration_responses.as_ref().unwrap().contains_key("200"));
}

#[test]
fn deployments_freeze_and_stages_name_them() {
    let world = World::new();
    let (api, root) = world.api();
    let deploy = |stage: &str| CreateDeploymentRequest {
        rest_api_id: api.clone(),
        stage_name: Some(stage.into()),
        ..CreateDeploymentRequest::default()
    };
    assert_eq!(world.refused(CreateDeployment, deploy("v1")).2, "The REST API doesn't contain any methods");
    world.method(&api, &root, "GET").unwrap();
    assert_eq!(world.refused(CreateDeployment, deploy("v1")).2, "No integration defined for method");
    world.mock(&api, &root, "GET");
    let deployment = world.call(CreateDeployment, deploy("v1")).unwrap();
    let id = deployment.id.unwrap();
    let stage = world.call(GetStage, GetStageRequest { rest_api_id: api.clone(), stage_name: "v1".into() }).unwrap();
    assert_eq!(stage.deployment_id.as_ref(), Some(&id));
    let delete = DeleteDeploymentRequest { rest_api_id: api.clone(), deployment_id: id.clone() };
    assert_eq!(
        world.refused(DeleteDeployment, delete).2,
        "Active stages pointing to this deployment must be moved or deleted"
    );
    let embed = Some(vec!["apisummary".to_owned()]);
    let shown = world
        .call(GetDeployment, GetDeploymentRequest { rest_api_id: api.clone(), deployment_id: id.clone(), embed })
        .unwrap();
    assert!(shown.api_summary.unwrap()["/"].contains_key("GET"));
    let again = CreateStageRequest {
        rest_api_id: api.clone(),
        stage_name: "v1".into(),
        deployment_id: id,
        ..CreateStageRequest::default()
    };
    assert_eq!(world.refused(CreateStage, again).1, "ConflictException");
    let logging = UpdateStageRequest {
        rest_api_id: api.clone(),
        stage_name: "v1".into(),
        patch_operations: patch(Op::Replace, "/*/*/logging/loglevel", "INFO"),
    };
    assert_eq!(
        world.refused(UpdateStage, logging).2,
        "CloudWatch Logs role ARN must be set in account settings to enable logging"
    );
    let variables = UpdateStageRequest {
        rest_api_id: api.clone(),
        stage_name: "v1".into(),
        patch_operations: patch(Op::Replace, "/variables/color", "red"),
    };
    assert_eq!(world.call(UpdateStage, variables).unwrap().variables, Some(map("color", "red".to_owned())));
}

#[test]
fn models_and_validators_are_guarded_while_in_use() {
    let world = World::new();
    let (api, root) = world.api();
    let model = |name: &str, schema: &str| CreateModelRequest {
        rest_api_id: api.clone(),
        name: name.into(),
        schema: Some(schema.into()),
        content_type: "application/json".into(),
        description: None,
    };
    world.call(CreateModel, model("User", r#"{"type":"object"}"#)).unwrap();
    assert_eq!(world.refused(CreateModel, model("User", "{}")).1, "ConflictException");
    assert!(world.refused(CreateModel, model("Bad", "nonsense")).2.contains("Invalid model schema specified"));
    let validator = CreateRequestValidatorRequest { rest_api_id: api.clone(), ..Default::default() };
    let validator = world.call(CreateRequestValidator, validator).unwrap().id.unwrap();
    let method = PutMethodRequest {
        rest_api_id: api.clone(),
        resource_id: root,
        http_method: "POST".into(),
        authorization_type: "NONE".into(),
        request_models: Some(map("application/json", "User".to_owned())),
        request_validator_id: Some(validator.clone()),
        ..PutMethodRequest::default()
    };
    world.call(PutMethod, method).unwrap();
    let delete = DeleteModelRequest { rest_api_id: api.clone(), model_name: "User".into() };
    assert_eq!(world.refused(DeleteModel, delete).1, "ConflictException");
    let delete = DeleteRequestValidatorRequest { rest_api_id: api, request_validator_id: validator };
    assert_eq!(world.refused(DeleteRequestValidator, delete).1, "ConflictException");
}

#[test]
fn gateway_responses_have_defaults() {
    let world = World::new();
    let (api, _) = world.api();
    let all = GetGatewayResponsesRequest { rest_api_id: api.clone(), ..Default::default() };
    assert_eq!(world.call(GetGatewayResponses, all).unwrap().items.unwrap().len(), 21);
    let put = PutGatewayResponseRequest {
        rest_api_id: api.clone(),
        response_type: GatewayResponseType::Default4xx,
        response_parameters: Some(map("gatewayresponse.header.Access-Control-Allow-Origin", "'*'".to_owned())),
        ..PutGatewayResponseRequest::default()
    };
    assert_eq!(world.call(PutGatewayResponse, put).unwrap().default_response, Some(false));
    let get = GetGatewayResponseRequest { rest_api_id: api.clone(), response_type: GatewayResponseType::Throttled };
    let throttled = world.call(GetGatewayResponse, get).unwrap();
    assert_eq!(throttled.default_response, Some(true));
    assert_eq!(throttled.response_parameters.unwrap().len(), 1);
    let delete = DeleteGatewayResponseRequest { rest_api_id: api, response_type: GatewayResponseType::Unauthorized };
    assert_eq!(world.refused(DeleteGatewayResponse, delete).1, "NotFoundException");
}

#[test]
fn tags_and_updates_change_an_api_and_deleting_leaves_nothing() {
    let world = World::new();
    let (api, _) = world.api();
    let resource_arn = format!("arn:aws:apigateway:us-east-1::/restapis/{api}");
    let tags = map("team", "a".to_owned());
    world.call(TagResource, TagResourceRequest { resource_arn: resource_arn.clone(), tags: tags.clone() }).unwrap();
    let get = GetTagsRequest { resource_arn, ..Default::default() };
    assert_eq!(world.call(GetTags, get).unwrap().tags, Some(tags));
    let rename =
        UpdateRestApiRequest { rest_api_id: api.clone(), patch_operations: patch(Op::Replace, "/name", "renamed") };
    assert_eq!(world.call(UpdateRestApi, rename).unwrap().name.as_deref(), Some("renamed"));
    let policy = UpdateRestApiRequest {
        rest_api_id: api.clone(),
        patch_operations: patch(Op::Replace, "/policy", r#"{"Version":"2012-10-17"}"#),
    };
    assert_eq!(world.call(UpdateRestApi, policy).unwrap().policy.as_deref(), Some(r#"{\"Version\":\"2012-10-17\"}"#));
    world.call(DeleteRestApi, DeleteRestApiRequest { rest_api_id: api }).unwrap();
    assert_eq!(world.cx.store().scan(service::Range::prefix("")).count(), 0);
}

#[test]
fn pages_follow_each_other() {
    let world = World::new();
    for _ in 0..5 {
        world.api();
    }
    let mut position = None;
    let mut seen = 0;
    loop {
        let page = world.call(GetRestApis, GetRestApisRequest { position, limit: Some(2) }).unwrap();
        seen += page.items.unwrap().len();
        position = page.position;
        if position.is_none() {
            break;
        }
    }
    assert_eq!(seen, 5);
    assert!(world.call(GetRestApis, GetRestApisRequest { position: Some("zz".into()), limit: None }).is_err());
}

#[test]
fn documents_become_apis() {
    let world = World::new();
    let function = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:000000000000:function:f/invocations";
    let document = json!({
        "openapi": "3.0.1",
        "info": {"title": "pets", "version": "1.0"},
        "x-amazon-apigateway-request-validators": {"all": {"validateRequestBody": true, "validateRequestParameters": true}},
        "x-amazon-apigateway-request-validator": "all",
        "x-amazon-apigateway-gateway-responses": {"DEFAULT_4XX": {"responseParameters": {"gatewayresponse.header.X": "'1'"}}},
        "paths": {
            "/pets/{id}": {
                "parameters": [{"name": "id", "in": "path", "required": true}],
                "post": {
                    "security": [{"signed": []}],
                    "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pets"}}}},
                    "responses": {"200": {"headers": {"X-A": {}}}, "default": {}},
                    "x-amazon-apigateway-integration": {
                        "type": "aws", "httpMethod": "POST", "uri": function, "passthroughBehavior": "when_no_templates",
                        "responses": {"default": {"statusCode": "200", "responseParameters": {"method.response.header.X-A": "'a'"}}}
                    }
                },
                "x-amazon-apigateway-any-method": {
                    "security": [{"token": []}],
                    "x-amazon-apigateway-integration": {"type": "aws_proxy", "httpMethod": "POST", "uri": function}
                }
            }
        },
        "components": {
            "schemas": {"Pet": {"type": "object"}, "Pets": {"type": "array", "items": {"$ref": "#/components/schemas/Pet"}}},
            "securitySchemes": {
                "signed": {"type": "apiKey", "in": "header", "name": "Authorization", "x-amazon-apigateway-authtype": "awsSigv4"},
                "token": {"type": "apiKey", "in": "header", "name": "X-Token", "x-amazon-apigateway-authtype": "custom",
                    "x-amazon-apigateway-authorizer": {"type": "token", "authorizerUri": function}}
            }
        }
    });
    let body = bytes::Bytes::from(document.to_string());
    let request = ImportRestApiRequest { body: body.clone(), ..ImportRestApiRequest::default() };
    let api = world.call(ImportRestApi, request).unwrap();
    assert_eq!((api.name.as_deref(), api.version.as_deref()), (Some("pets"), Some("1.0")));
    let id = api.id.unwrap();
    let embed = Some(vec!["methods".to_owned()]);
    let list = GetResourcesRequest { rest_api_id: id.clone(), embed, ..Default::default() };
    let resources = world.call(GetResources, list.clone()).unwrap().items.unwrap();
    assert_eq!(resources.len(), 3);
    let pet = resources.iter().find(|resource| resource.path.as_deref() == Some("/pets/{id}")).unwrap();
    let methods = pet.resource_methods.as_ref().unwrap();
    let post = &methods["POST"];
    assert_eq!(post.authorization_type.as_deref(), Some("AWS_IAM"));
    assert_eq!(post.request_parameters, Some(map("method.request.path.id", true)));
    assert_eq!(post.request_models, Some(map("application/json", "Pets".to_owned())));
    assert!(post.request_validator_id.is_some());
    let integration = post.method_integration.as_ref().unwrap();
    assert_eq!(integration.passthrough_behavior.as_deref(), Some("WHEN_NO_TEMPLATES"));
    assert!(integration.integration_responses.as_ref().unwrap()["200"].selection_pattern.is_none());
    let any = &methods["ANY"];
    assert_eq!(any.authorization_type.as_deref(), Some("CUSTOM"));
    let get = GetAuthorizerRequest { rest_api_id: id.clone(), authorizer_id: any.authorizer_id.clone().unwrap() };
    let authorizer = world.call(GetAuthorizer, get).unwrap();
    assert_eq!(authorizer.identity_source.as_deref(), Some("method.request.header.X-Token"));

    let overwrite = PutRestApiRequest {
        rest_api_id: id.clone(),
        mode: Some(PutMode::Overwrite),
        body: json!({"swagger": "2.0", "info": {"title": "less"}, "paths": {}}).to_string().into(),
        ..PutRestApiRequest::default()
    };
    assert_eq!(world.call(PutRestApi, overwrite).unwrap().name.as_deref(), Some("less"));
    assert_eq!(world.call(GetResources, list).unwrap().items.unwrap().len(), 1);

    let broken = document.to_string().replace("'a'", "nothing");
    let request = ImportRestApiRequest { body: broken.into(), ..ImportRestApiRequest::default() };
    assert!(
        world
            .refused(ImportRestApi, request)
            .2
            .starts_with("Errors found during import:\n\tUnable to put method 'POST'")
    );
    let request = ImportRestApiRequest { body: "openapi: [".into(), ..ImportRestApiRequest::default() };
    assert_eq!(world.refused(ImportRestApi, request).1, "BadRequestException");
    assert_eq!(world.call(GetRestApis, GetRestApisRequest::default()).unwrap().items.unwrap().len(), 1);
    let request = ImportRestApiRequest {
        body: "openapi: 3.0.1\ninfo:\n  title: in yaml\npaths: {}\n".into(),
        ..ImportRestApiRequest::default()
    };
    assert_eq!(world.call(ImportRestApi, request).unwrap().name.as_deref(), Some("in yaml"));
}

#[test]
fn keys_and_plans_know_each_other() {
    let world = World::new();
    let create = |name: &str| CreateApiKeyRequest { name: Some(name.into()), ..CreateApiKeyRequest::default() };
    let key = world.call(CreateApiKey, create("one")).unwrap();
    assert_eq!(key.value.as_ref().map(String::len), Some(40));
    world.call(CreateApiKey, create("two")).unwrap();
    let again = CreateApiKeyRequest { value: key.value.clone(), ..create("three") };
    assert_eq!(world.refused(CreateApiKey, again).1, "ConflictException");
    let short = CreateApiKeyRequest { value: Some("short".into()), ..create("three") };
    assert_eq!(world.refused(CreateApiKey, short).2, "API Key value should be at least 20 characters");
    let named = GetApiKeysRequest { name_query: Some("o".into()), ..Default::default() };
    let listed = world.call(GetApiKeys, named).unwrap().items.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].value, None);

    let plan = world.call(CreateUsagePlan, CreateUsagePlanRequest { name: "p".into(), ..Default::default() }).unwrap();
    let (plan, key) = (plan.id.unwrap(), key.id.unwrap());
    let join =
        CreateUsagePlanKeyRequest { usage_plan_id: plan.clone(), key_id: key.clone(), key_type: "API_KEY".into() };
    world.call(CreateUsagePlanKey, join.clone()).unwrap();
    assert_eq!(world.refused(CreateUsagePlanKey, join).1, "ConflictException");
    let keys = GetUsagePlanKeysRequest { usage_plan_id: plan.clone(), ..Default::default() };
    assert_eq!(world.call(GetUsagePlanKeys, keys.clone()).unwrap().items.unwrap().len(), 1);
    let plans = GetUsagePlansRequest { key_id: Some(key.clone()), ..Default::default() };
    assert_eq!(world.call(GetUsagePlans, plans).unwrap().items.unwrap().len(), 1);
    world.call(DeleteApiKey, DeleteApiKeyRequest { api_key: key.clone() }).unwrap();
    assert!(world.call(GetUsagePlanKeys, keys).unwrap().items.unwrap().is_empty());
    assert_eq!(
        world.refused(GetApiKey, GetApiKeyRequest { api_key: key, include_value: None }),
        error(404, "NotFoundException", "Invalid API Key identifier specified")
    );
    let nowhere = UpdateUsagePlanRequest {
        usage_plan_id: plan.clone(),
        patch_operations: patch(Op::Add, "/apiStages", "abc:v1"),
    };
    assert_eq!(world.refused(UpdateUsagePlan, nowhere).2, "API Stage not found: abc:v1");
    world.call(DeleteUsagePlan, DeleteUsagePlanRequest { usage_plan_id: plan }).unwrap();
}
