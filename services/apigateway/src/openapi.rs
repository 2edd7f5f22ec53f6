//! Reads OpenAPI 3.0 and Swagger 2.0 documents, with API Gateway's extensions, into the nouns of an API.
//!
//! Validators and authorizers are referred to by name here; whoever stores them puts their ids in place. Models of the
//! document refer to each other by the address under which the API will have them.

use crate::{definition::model_address, store::from_json};
use apigateway_api::{
    Authorizer, AuthorizerType, GatewayResponse, Integration, IntegrationResponse, Method, MethodResponse, Model,
    RequestValidator,
};
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;

/// What a document describes.
#[derive(Debug, Default)]
pub struct Document {
    pub title: Option<String>,
    pub description: Option<String>,
    pub version: Option<String>,
    pub binary_media_types: Option<Vec<String>>,
    pub policy: Option<String>,
    pub api_key_source: Option<String>,
    pub minimum_compression_size: Option<i32>,
    pub disable_execute_api_endpoint: Option<bool>,
    /// Methods by path and HTTP method.
    pub paths: BTreeMap<String, BTreeMap<String, Method>>,
    pub models: Vec<Model>,
    pub validators: Vec<RequestValidator>,
    pub authorizers: Vec<Authorizer>,
    pub responses: Vec<GatewayResponse>,
}

const METHODS: [&str; 7] = ["get", "put", "post", "delete", "patch", "head", "options"];
const JSON: &str = "application/json";

/// Reads a document for the API `api`. The error says what cannot be read.
pub fn read(document: &Json, api: &str) -> Result<Document, String> {
    if !document["swagger"].is_string() && !document["openapi"].is_string() {
        return Err("Invalid OpenAPI input: it names neither a swagger nor an openapi version".to_owned());
    }
    let reader = Reader { document, api };
    let schemes = reader.schemes();
    let mut out = Document {
        title: text(&document["info"]["title"]),
        description: text(&document["info"]["description"]),
        version: text(&document["info"]["version"]),
        binary_media_types: strings(&document["x-amazon-apigateway-binary-media-types"]),
        policy: Some(&document["x-amazon-apigateway-policy"]).filter(|policy| !policy.is_null()).map(Json::to_string),
        api_key_source: text(&document["x-amazon-apigateway-api-key-source"]),
        minimum_compression_size: document["x-amazon-apigateway-minimum-compression-size"]
            .as_i64()
            .and_then(|size| size.try_into().ok()),
        disable_execute_api_endpoint:
            document["x-amazon-apigateway-endpoint-configuration"]["disableExecuteApiEndpoint"].as_bool(),
        models: reader.models(),
        validators: reader.validators(),
        responses: reader.gateway_responses(),
        ..Document::default()
    };
    for (name, scheme) in &schemes {
        if let Some(authorizer) = authorizer(name, scheme) {
            out.authorizers.push(authorizer);
        }
    }
    for (path, item) in members(&document["paths"]) {
        let methods = out.paths.entry(path.clone()).or_default();
        for (name, operation) in members(item) {
            let http_method = match name.as_str() {
                "x-amazon-apigateway-any-method" => "ANY".to_owned(),
                name if METHODS.contains(&name) => name.to_ascii_uppercase(),
                _ => continue,
            };
            let method = reader.method(&http_method, operation, item, &schemes, &mut out.models);
            methods.insert(http_method.clone(), method.map_err(|reason| format!("{http_method} {path}: {reason}"))?);
        }
    }
    Ok(out)
}

/// The path that all of a document's paths are below, as the document has it.
pub fn base_path(document: &Json) -> &str {
    let server = &document["servers"][0];
    let base = document["basePath"].as_str().or_else(|| server["variables"]["basePath"]["default"].as_str());
    base.or_else(|| {
        let url = server["url"].as_str()?;
        let path = url.split_once("://").map_or(url, |(_, rest)| rest);
        path.find('/').map(|at| &path[at..]).filter(|path| !path.contains('{'))
    })
    .unwrap_or_default()
}

fn text(value: &Json) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn strings(value: &Json) -> Option<Vec<String>> {
    Some(value.as_array()?.iter().filter_map(text).collect())
}

fn members(value: &Json) -> impl Iterator<Item = (&String, &Json)> {
    value.as_object().into_iter().flatten()
}

struct Reader<'a> {
    document: &'a Json,
    api: &'a str,
}

impl<'a> Reader<'a> {
    /// What a `$ref` within the document leads to; anything else is itself.
    fn resolve(&self, value: &'a Json) -> &'a Json {
        let target = value["$ref"].as_str().and_then(|target| target.strip_prefix('#'));
        target.and_then(|pointer| self.document.pointer(pointer)).unwrap_or(value)
    }

    fn schemes(&self) -> BTreeMap<String, Json> {
        let old = members(&self.document["securityDefinitions"]);
        let new = members(&self.document["components"]["securitySchemes"]);
        old.chain(new).map(|(name, scheme)| (name.clone(), scheme.clone())).collect()
    }

    fn models(&self) -> Vec<Model> {
        let old = members(&self.document["definitions"]);
        let new = members(&self.document["components"]["schemas"]);
        old.chain(new).map(|(name, schema)| self.model(name.clone(), schema)).collect()
    }

    fn model(&self, name: String, schema: &Json) -> Model {
        let schema = Some(self.addressed(schema).to_string());
        Model { name: Some(name), schema, content_type: Some(JSON.to_owned()), ..Model::default() }
    }

    /// A schema whose references lead to the API's models.
    fn addressed(&self, schema: &Json) -> Json {
        match schema {
            Json::Object(all) => {
                let member = |(name, value): (&String, &Json)| {
                    let model = value.as_str().filter(|_| name == "$ref").and_then(model_of);
                    let value = match model {
                        Some(model) => Json::from(model_address(self.api, model)),
                        None => self.addressed(value),
                    };
                    (name.clone(), value)
                };
                Json::Object(all.iter().map(member).collect::<Map<_, _>>())
            }
            Json::Array(items) => items.iter().map(|item| self.addressed(item)).collect(),
            other => other.clone(),
        }
    }

    fn validators(&self) -> Vec<RequestValidator> {
        let validator = |(name, rules): (&String, &Json)| RequestValidator {
            name: Some(name.clone()),
            validate_request_body: Some(rules["validateRequestBody"] == true),
            validate_request_parameters: Some(rules["validateRequestParameters"] == true),
            ..RequestValidator::default()
        };
        members(&self.document["x-amazon-apigateway-request-validators"]).map(validator).collect()
    }

    fn gateway_responses(&self) -> Vec<GatewayResponse> {
        let response = |(name, rules): (&String, &Json)| GatewayResponse {
            response_type: Some(name.as_str().into()),
            status_code: crate::parameters::text(&rules["statusCode"]),
            response_parameters: texts(&rules["responseParameters"]),
            response_templates: texts(&rules["responseTemplates"]),
            default_response: Some(false),
        };
        members(&self.document["x-amazon-apigateway-gateway-responses"]).map(response).collect()
    }

    fn method(
        &self,
        http_method: &str,
        operation: &'a Json,
        item: &'a Json,
        schemes: &BTreeMap<String, Json>,
        models: &mut Vec<Model>,
    ) -> Result<Method, String> {
        let validator = [operation, self.document].map(|place| text(&place["x-amazon-apigateway-request-validator"]));
        let mut method = Method {
            http_method: Some(http_method.to_owned()),
            authorization_type: Some("NONE".to_owned()),
            api_key_required: Some(false),
            operation_name: text(&operation["operationId"]),
            request_validator_id: validator.into_iter().flatten().next(),
            ..Method::default()
        };
        self.security(&mut method, operation, schemes);
        for parameter in [item, operation].iter().flat_map(|place| place["parameters"].as_array()).flatten() {
            self.parameter(&mut method, self.resolve(parameter), operation, models);
        }
        for (content_type, body) in members(&self.resolve(&operation["requestBody"])["content"]) {
            let model = self.model_name(&body["schema"], http_method, models);
            if let Some(model) = model {
                method.request_models.get_or_insert_default().insert(content_type.clone(), model);
            }
        }
        for (status, response) in members(&operation["responses"]).filter(|(status, _)| status.parse::<u16>().is_ok()) {
            let response = self.response(status, self.resolve(response), operation, http_method, models);
            method.method_responses.get_or_insert_default().insert(status.clone(), response);
        }
        let integration = &operation["x-amazon-apigateway-integration"];
        if integration.is_object() {
            method.method_integration = Some(read_integration(integration)?);
        }
        Ok(method)
    }

    fn security(&self, method: &mut Method, operation: &Json, schemes: &BTreeMap<String, Json>) {
        let required = [operation, self.document].into_iter().find_map(|place| place["security"].as_array());
        for (name, scopes) in required.into_iter().flatten().flat_map(members) {
            let Some(scheme) = schemes.get(name) else { continue };
            let kind = match scheme["x-amazon-apigateway-authtype"].as_str() {
                Some("awsSigv4") => "AWS_IAM",
                Some("cognito_user_pools") => "COGNITO_USER_POOLS",
                Some(_) => "CUSTOM",
                None if scheme["name"] == "x-api-key" => {
                    method.api_key_required = Some(true);
                    continue;
                }
                None => continue,
            };
            method.authorization_type = Some(kind.to_owned());
            if kind != "AWS_IAM" {
                method.authorizer_id = Some(name.clone());
                method.authorization_scopes = strings(scopes).filter(|scopes| !scopes.is_empty());
            }
        }
    }

    fn parameter(&self, method: &mut Method, parameter: &Json, operation: &Json, models: &mut Vec<Model>) {
        let Some(name) = parameter["name"].as_str() else { return };
        let place = match parameter["in"].as_str() {
            Some("query") => "querystring",
            Some(place @ ("header" | "path")) => place,
            Some("body") => {
                let consumes = [operation, self.document].into_iter().find_map(|place| strings(&place["consumes"]));
                let http_method = method.http_method.clone().unwrap_or_default();
                if let Some(model) = self.model_name(&parameter["schema"], &http_method, models) {
                    for content_type in consumes.unwrap_or_else(|| vec![JSON.to_owned()]) {
                        method.request_models.get_or_insert_default().insert(content_type, model.clone());
                    }
                }
                return;
            }
            _ => return,
        };
        let required = parameter["required"] == true;
        method.request_parameters.get_or_insert_default().insert(format!("method.request.{place}.{name}"), required);
    }

    fn response(
        &self,
        status: &str,
        response: &Json,
        operation: &Json,
        http_method: &str,
        models: &mut Vec<Model>,
    ) -> MethodResponse {
        let headers = members(&response["headers"]).map(|(name, _)| (format!("method.response.header.{name}"), false));
        let headers: BTreeMap<String, bool> = headers.collect();
        let mut response_models = BTreeMap::new();
        let produces = [operation, self.document].into_iter().find_map(|place| strings(&place["produces"]));
        if let Some(model) = self.model_name(&response["schema"], http_method, models) {
            for content_type in produces.unwrap_or_else(|| vec![JSON.to_owned()]) {
                response_models.insert(content_type, model.clone());
            }
        }
        for (content_type, body) in members(&response["content"]) {
            if let Some(model) = self.model_name(&body["schema"], http_method, models) {
                response_models.insert(content_type.clone(), model);
            }
        }
        MethodResponse {
            status_code: Some(status.to_owned()),
            response_parameters: (!headers.is_empty()).then_some(headers),
            response_models: (!response_models.is_empty()).then_some(response_models),
        }
    }

    /// The model that a schema refers to; a schema in place becomes a model of its own.
    fn model_name(&self, schema: &Json, http_method: &str, models: &mut Vec<Model>) -> Option<String> {
        if let Some(target) = schema["$ref"].as_str() {
            return model_of(target).map(str::to_owned);
        }
        let name = format!("{http_method}Model{}", models.len() + 1);
        models.push(self.model(name.clone(), schema.as_object().map(|_| schema)?));
        Some(name)
    }
}

/// The model's name in a reference within the document.
fn model_of(target: &str) -> Option<&str> {
    target.strip_prefix("#/definitions/").or_else(|| target.strip_prefix("#/components/schemas/"))
}

fn texts(value: &Json) -> Option<BTreeMap<String, String>> {
    let texts: BTreeMap<String, String> =
        members(value).filter_map(|(name, value)| Some((name.clone(), text(value)?))).collect();
    (!texts.is_empty()).then_some(texts)
}

/// An integration as the extension writes it: the API's own members, in lower case where those are in upper.
fn read_integration(value: &Json) -> Result<Integration, String> {
    let mut value = value.clone();
    let responses = value.as_object_mut().and_then(|members| members.remove("responses")).unwrap_or_default();
    for name in ["type", "passthroughBehavior", "connectionType", "contentHandling"] {
        if let Some(text) = value[name].as_str().map(str::to_ascii_uppercase) {
            value[name] = Json::from(text);
        }
    }
    let mut integration: Integration = from_json(&value).map_err(|error| error.to_string())?;
    for (pattern, response) in members(&responses) {
        let mut response: IntegrationResponse = from_json(response).map_err(|error| error.to_string())?;
        response.selection_pattern = (pattern != "default").then(|| pattern.clone());
        let status = response.status_code.get_or_insert_with(|| "200".to_owned()).clone();
        integration.integration_responses.get_or_insert_default().insert(status, response);
    }
    Ok(integration)
}

fn authorizer(name: &str, scheme: &Json) -> Option<Authorizer> {
    let rules = &scheme["x-amazon-apigateway-authorizer"];
    let r#type = match rules["type"].as_str()? {
        "token" => AuthorizerType::Token,
        "request" => AuthorizerType::Request,
        other => AuthorizerType::from(other.to_ascii_uppercase().as_str()),
    };
    let by_header = matches!(r#type, AuthorizerType::Token | AuthorizerType::CognitoUserPools);
    let header = scheme["name"].as_str().filter(|_| by_header);
    let source = text(&rules["identitySource"]).or_else(|| Some(format!("method.request.header.{}", header?)));
    Some(Authorizer {
        name: Some(name.to_owned()),
        r#type: Some(r#type),
        provider_ar_ns: strings(&rules["providerARNs"]),
        auth_type: text(&scheme["x-amazon-apigateway-authtype"]),
        authorizer_uri: text(&rules["authorizerUri"]),
        authorizer_credentials: text(&rules["authorizerCredentials"]),
        identity_source: source,
        identity_validation_expression: text(&rules["identityValidationExpression"]),
        authorizer_result_ttl_in_seconds: rules["authorizerResultTtlInSeconds"]
            .as_i64()
            .and_then(|ttl| ttl.try_into().ok()),
        ..Authorizer::default()
    })
}
