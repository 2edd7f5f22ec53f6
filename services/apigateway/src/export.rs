//! Writes an API as it was deployed as an OpenAPI 3.0 or Swagger 2.0 document, with the extensions that are asked for.

use crate::definition::Definition;
use apigateway_api::{Authorizer, AuthorizerType, Integration, Method, MethodResponse, Resource};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;

/// The two forms of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    OpenApi30,
    Swagger20,
}

/// Which of API Gateway's extensions a document has.
#[derive(Debug, Clone, Copy, Default)]
pub struct Extensions {
    pub integrations: bool,
    pub authorizers: bool,
    /// Validators, gateway responses, binary types and the policy.
    pub rest: bool,
    /// The parts of the stage's documentation version.
    pub documentation: bool,
}

impl Extensions {
    pub fn parse(text: &str) -> Self {
        let has = |name: &str| text.split(',').any(|one| one.trim() == name);
        let all = has("apigateway");
        Self {
            integrations: all || has("integrations"),
            authorizers: all || has("authorizers"),
            rest: all,
            documentation: has("documentation"),
        }
    }
}

/// Where the API is reached.
pub struct Place<'a> {
    pub api: &'a str,
    pub region: &'a str,
    pub stage: &'a str,
    /// Said to be the document's version where the API has none.
    pub version: String,
}

pub fn write(definition: &Definition, form: Form, extensions: Extensions, place: &Place<'_>) -> Json {
    let writer = Writer { definition, form, extensions };
    let api = &definition.api;
    let mut info = Map::new();
    info.extend(api.description.clone().map(|text| ("description".to_owned(), Json::from(text))));
    info.insert("version".to_owned(), json!(api.version.as_deref().unwrap_or(&place.version)));
    info.insert("title".to_owned(), json!(api.name));
    let host = format!("{}.execute-api.{}.amazonaws.com", place.api, place.region);
    let base = format!("/{}", place.stage);
    let mut document = match form {
        Form::Swagger20 => json!({
            "swagger": "2.0", "info": info, "host": host, "basePath": base, "schemes": ["https"],
            "paths": writer.paths(),
        }),
        Form::OpenApi30 => json!({
            "openapi": "3.0.1", "info": info,
            "servers": [{
                "url": format!("https://{host}/{{basePath}}"),
                "variables": {"basePath": {"default": base}},
            }],
            "paths": writer.paths(),
        }),
    };
    let (schemas, schemes) = (writer.schemas(), writer.schemes());
    match form {
        Form::Swagger20 => {
            put(&mut document, "securityDefinitions", schemes);
            put(&mut document, "definitions", schemas);
        }
        Form::OpenApi30 => {
            let mut components = json!({});
            put(&mut components, "schemas", schemas);
            put(&mut components, "securitySchemes", schemes);
            document["components"] = components;
        }
    }
    if extensions.rest {
        writer.settings(&mut document);
    }
    document
}

/// Adds a member that is not empty.
fn put(target: &mut Json, name: &str, value: Json) {
    let empty =
        value.is_null() || value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty);
    if !empty {
        target[name] = value;
    }
}

struct Writer<'a> {
    definition: &'a Definition,
    form: Form,
    extensions: Extensions,
}

impl Writer<'_> {
    fn paths(&self) -> Json {
        let mut paths: Vec<&Resource> = self.definition.resources.iter().collect();
        paths.sort_by_key(|resource| resource.path.clone());
        let mut out = Map::new();
        for resource in paths {
            let Some(methods) = resource.resource_methods.as_ref().filter(|methods| !methods.is_empty()) else {
                continue;
            };
            let mut item = Map::new();
            for (name, method) in methods {
                let name = match name.as_str() {
                    "ANY" => "x-amazon-apigateway-any-method".to_owned(),
                    name => name.to_ascii_lowercase(),
                };
                item.insert(name, self.operation(method));
            }
            out.insert(resource.path.clone().unwrap_or_default(), Json::Object(item));
        }
        Json::Object(out)
    }

    fn operation(&self, method: &Method) -> Json {
        let mut out = json!({});
        put(&mut out, "operationId", json!(method.operation_name));
        let mut parameters: Vec<Json> = Vec::new();
        for (source, required) in method.request_parameters.iter().flatten() {
            let Some((place, name)) = source.strip_prefix("method.request.").and_then(|rest| rest.split_once('.'))
            else {
                continue;
            };
            let place = if place == "querystring" { "query" } else { place };
            let mut parameter = json!({"name": name, "in": place});
            if *required || place == "path" {
                parameter["required"] = json!(true);
            }
            match self.form {
                Form::Swagger20 => parameter["type"] = json!("string"),
                Form::OpenApi30 => parameter["schema"] = json!({"type": "string"}),
            }
            parameters.push(parameter);
        }
        let models = method.request_models.iter().flatten();
        match self.form {
            Form::Swagger20 => {
                put(&mut out, "consumes", models.clone().map(|(content_type, _)| json!(content_type)).collect());
                put(&mut out, "produces", produced(method));
                if let Some((_, model)) = models.clone().next() {
                    parameters
                        .push(json!({"in": "body", "name": model, "required": true, "schema": self.reference(model)}));
                }
            }
            Form::OpenApi30 => {
                let content: Map<String, Json> = models
                    .clone()
                    .map(|(content_type, model)| (content_type.clone(), json!({"schema": self.reference(model)})))
                    .collect();
                if !content.is_empty() {
                    out["requestBody"] = json!({"content": content, "required": true});
                }
            }
        }
        put(&mut out, "parameters", Json::Array(parameters));
        let responses = method.method_responses.iter().flatten();
        let responses: Map<String, Json> =
            responses.map(|(status, response)| (status.clone(), self.response(status, response))).collect();
        put(&mut out, "responses", Json::Object(responses));
        put(&mut out, "security", self.security(method));
        if self.extensions.rest
            && let Some(name) = self.validator(method.request_validator_id.as_deref())
        {
            out["x-amazon-apigateway-request-validator"] = json!(name);
        }
        if self.extensions.integrations
            && let Some(integration) = &method.method_integration
        {
            out["x-amazon-apigateway-integration"] = integration_of(integration);
        }
        out
    }

    fn validator(&self, id: Option<&str>) -> Option<&str> {
        let found = self.definition.validators.iter().find(|validator| validator.id.as_deref() == id && id.is_some());
        found?.name.as_deref()
    }

    fn response(&self, status: &str, response: &MethodResponse) -> Json {
        let mut out = json!({"description": format!("{status} response")});
        let headers = response.response_parameters.iter().flatten();
        let headers: Map<String, Json> = headers
            .filter_map(|(target, _)| target.strip_prefix("method.response.header."))
            .map(|name| {
                let shape = match self.form {
                    Form::Swagger20 => json!({"type": "string"}),
                    Form::OpenApi30 => json!({"schema": {"type": "string"}}),
                };
                (name.to_owned(), shape)
            })
            .collect();
        put(&mut out, "headers", Json::Object(headers));
        let models = response.response_models.iter().flatten();
        match self.form {
            Form::Swagger20 => {
                if let Some((_, model)) = models.clone().next() {
                    out["schema"] = self.reference(model);
                }
            }
            Form::OpenApi30 => {
                let content: Map<String, Json> = models
                    .map(|(content_type, model)| (content_type.clone(), json!({"schema": self.reference(model)})))
                    .collect();
                out["content"] = Json::Object(content);
            }
        }
        out
    }

    fn reference(&self, model: &str) -> Json {
        match self.form {
            Form::Swagger20 => json!({"$ref": format!("#/definitions/{model}")}),
            Form::OpenApi30 => json!({"$ref": format!("#/components/schemas/{model}")}),
        }
    }

    fn security(&self, method: &Method) -> Json {
        let mut all = Vec::new();
        let scopes = json!(method.authorization_scopes.clone().unwrap_or_default());
        match method.authorization_type.as_deref() {
            Some("AWS_IAM") => all.push(json!({"sigv4": []})),
            Some("CUSTOM" | "COGNITO_USER_POOLS") => {
                let known = self.definition.authorizers.iter();
                let mut found = known.filter(|authorizer| authorizer.id == method.authorizer_id);
                all.extend(found.next().map(|authorizer| json!({authorizer.name.clone().unwrap_or_default(): scopes})));
            }
            _ => {}
        }
        if method.api_key_required == Some(true) {
            all.push(json!({"api_key": []}));
        }
        Json::Array(all)
    }

    fn methods(&self) -> impl Iterator<Item = &Method> {
        self.definition
            .resources
            .iter()
            .filter_map(|resource| resource.resource_methods.as_ref())
            .flat_map(BTreeMap::values)
    }

    fn schemes(&self) -> Json {
        let mut out = Map::new();
        if self.methods().any(|method| method.api_key_required == Some(true)) {
            out.insert("api_key".to_owned(), json!({"type": "apiKey", "name": "x-api-key", "in": "header"}));
        }
        if self.methods().any(|method| method.authorization_type.as_deref() == Some("AWS_IAM")) {
            let scheme = json!({
                "type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "awsSigv4",
            });
            out.insert("sigv4".to_owned(), scheme);
        }
        for authorizer in &self.definition.authorizers {
            out.insert(authorizer.name.clone().unwrap_or_default(), self.scheme(authorizer));
        }
        Json::Object(out)
    }

    fn scheme(&self, authorizer: &Authorizer) -> Json {
        let source = authorizer.identity_source.as_deref().unwrap_or_default();
        let header = source.strip_prefix("method.request.header.").unwrap_or("Unused");
        let mut out = json!({"type": "apiKey", "name": header, "in": "header"});
        if !self.extensions.authorizers {
            return out;
        }
        out["x-amazon-apigateway-authtype"] = json!(authorizer.auth_type);
        let r#type = match &authorizer.r#type {
            Some(AuthorizerType::Token) => "token",
            Some(AuthorizerType::Request) => "request",
            _ => "cognito_user_pools",
        };
        let mut rules = json!({"type": r#type});
        put(&mut rules, "providerARNs", json!(authorizer.provider_ar_ns));
        put(&mut rules, "authorizerUri", json!(authorizer.authorizer_uri));
        put(&mut rules, "authorizerCredentials", json!(authorizer.authorizer_credentials));
        put(&mut rules, "authorizerResultTtlInSeconds", json!(authorizer.authorizer_result_ttl_in_seconds));
        put(&mut rules, "identityValidationExpression", json!(authorizer.identity_validation_expression));
        if r#type == "request" {
            put(&mut rules, "identitySource", json!(authorizer.identity_source));
        }
        out["x-amazon-apigateway-authorizer"] = rules;
        out
    }

    fn schemas(&self) -> Json {
        let schema = |text: &str| {
            let mut schema: Json = serde_json::from_str(text).unwrap_or_default();
            if let Some(members) = schema.as_object_mut() {
                members.shift_remove("$schema");
            }
            self.local(schema)
        };
        let models = self.definition.models.iter();
        let used = models.filter(|model| self.uses(model.name.as_deref().unwrap_or_default()));
        used.map(|model| (model.name.clone().unwrap_or_default(), schema(model.schema.as_deref().unwrap_or("{}"))))
            .collect::<Map<String, Json>>()
            .into()
    }

    /// Whether anything refers to a model; the two that every API has are written only then.
    fn uses(&self, name: &str) -> bool {
        if !["Empty", "Error"].contains(&name) {
            return true;
        }
        self.methods().any(|method| {
            let responses = method.method_responses.iter().flat_map(BTreeMap::values);
            let responses = responses.filter_map(|response| response.response_models.as_ref());
            method.request_models.iter().chain(responses).flat_map(BTreeMap::values).any(|model| model == name)
        })
    }

    /// A schema whose references to the API's models are references within the document.
    fn local(&self, schema: Json) -> Json {
        match schema {
            Json::Object(members) => {
                let member = |(name, value): (String, Json)| {
                    let model = value.as_str().filter(|_| name == "$ref").and_then(|text| text.rsplit_once("/models/"));
                    match model {
                        Some((_, model)) => (name, self.reference(model)["$ref"].clone()),
                        None => (name, self.local(value)),
                    }
                };
                Json::Object(members.into_iter().map(member).collect())
            }
            Json::Array(items) => items.into_iter().map(|item| self.local(item)).collect(),
            other => other,
        }
    }

    /// What the extensions say of the API as a whole.
    fn settings(&self, document: &mut Json) {
        let api = &self.definition.api;
        let validators: Map<String, Json> = self
            .definition
            .validators
            .iter()
            .map(|validator| {
                let rules = json!({
                    "validateRequestParameters": validator.validate_request_parameters,
                    "validateRequestBody": validator.validate_request_body,
                });
                (validator.name.clone().unwrap_or_default(), rules)
            })
            .collect();
        put(document, "x-amazon-apigateway-request-validators", Json::Object(validators));
        let responses: Map<String, Json> = self
            .definition
            .responses
            .iter()
            .map(|response| {
                let mut rules = json!({});
                put(&mut rules, "statusCode", json!(response.status_code));
                put(&mut rules, "responseParameters", json!(response.response_parameters));
                put(&mut rules, "responseTemplates", json!(response.response_templates));
                (response.response_type.as_ref().map_or("", |name| name.as_str()).to_owned(), rules)
            })
            .collect();
        put(document, "x-amazon-apigateway-gateway-responses", Json::Object(responses));
        put(document, "x-amazon-apigateway-binary-media-types", json!(api.binary_media_types));
        let policy = api.policy.as_deref().and_then(|policy| serde_json::from_str(policy).ok());
        put(document, "x-amazon-apigateway-policy", policy.unwrap_or_default());
    }
}

fn produced(method: &Method) -> Json {
    let responses = method.method_responses.iter().flat_map(BTreeMap::values);
    let models = responses.filter_map(|response| response.response_models.as_ref());
    let mut types: Vec<&String> = models.flat_map(BTreeMap::keys).collect();
    types.sort();
    types.dedup();
    json!(types)
}

fn integration_of(integration: &Integration) -> Json {
    let lower = |text: Option<&str>| text.map(str::to_ascii_lowercase);
    let mut out = json!({});
    put(&mut out, "type", json!(lower(integration.r#type.as_ref().map(|kind| kind.as_str()))));
    put(&mut out, "httpMethod", json!(integration.http_method));
    put(&mut out, "uri", json!(integration.uri));
    put(&mut out, "credentials", json!(integration.credentials));
    let mut responses = Map::new();
    for (status, response) in integration.integration_responses.iter().flatten() {
        let pattern = response.selection_pattern.as_deref().filter(|pattern| !pattern.is_empty());
        let mut rules = json!({"statusCode": status});
        put(&mut rules, "responseParameters", json!(response.response_parameters));
        put(&mut rules, "responseTemplates", json!(response.response_templates));
        put(&mut rules, "contentHandling", json!(response.content_handling.as_ref().map(|kind| kind.as_str())));
        responses.insert(pattern.unwrap_or("default").to_owned(), rules);
    }
    put(&mut out, "responses", Json::Object(responses));
    put(&mut out, "requestParameters", json!(integration.request_parameters));
    put(&mut out, "requestTemplates", json!(integration.request_templates));
    put(&mut out, "passthroughBehavior", json!(lower(integration.passthrough_behavior.as_deref())));
    put(&mut out, "contentHandling", json!(integration.content_handling.as_ref().map(|kind| kind.as_str())));
    put(&mut out, "timeoutInMillis", json!(integration.timeout_in_millis.filter(|timeout| *timeout != 29_000)));
    put(&mut out, "cacheKeyParameters", json!(integration.cache_key_parameters));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openapi;
    use apigateway_api::{IntegrationType, Model, RestApi};

    fn definition() -> Definition {
        let integration = Integration {
            r#type: Some(IntegrationType::HttpProxy),
            http_method: Some("GET".into()),
            uri: Some("http://x".into()),
            passthrough_behavior: Some("WHEN_NO_MATCH".into()),
            ..Integration::default()
        };
        let method = Method {
            authorization_type: Some("AWS_IAM".into()),
            request_parameters: Some([("method.request.querystring.q".to_owned(), true)].into()),
            request_models: Some([("application/json".to_owned(), "Pet".to_owned())].into()),
            method_integration: Some(integration),
            method_responses: Some(
                [("200".to_owned(), MethodResponse { status_code: Some("200".into()), ..MethodResponse::default() })]
                    .into(),
            ),
            ..Method::default()
        };
        Definition {
            api: RestApi { name: Some("pets".into()), ..RestApi::default() },
            resources: vec![Resource {
                path: Some("/pets".into()),
                resource_methods: Some([("POST".to_owned(), method)].into()),
                ..Resource::default()
            }],
            models: vec![Model {
                name: Some("Pet".into()),
                schema: Some(r#"{"type":"object"}"#.into()),
                ..Model::default()
            }],
            ..Definition::default()
        }
    }

    fn place() -> Place<'static> {
        Place { api: "abc", region: "us-east-1", stage: "v1", version: "1".into() }
    }

    #[test]
    fn both_forms_are_written() {
        let swagger = write(&definition(), Form::Swagger20, Extensions::default(), &place());
        assert_eq!((&swagger["swagger"], &swagger["basePath"]), (&json!("2.0"), &json!("/v1")));
        let post = &swagger["paths"]["/pets"]["post"];
        assert_eq!(post["parameters"][0], json!({"name": "q", "in": "query", "required": true, "type": "string"}));
        assert_eq!(post["parameters"][1]["schema"]["$ref"], "#/definitions/Pet");
        assert!(post.get("x-amazon-apigateway-integration").is_none());
        let open = write(&definition(), Form::OpenApi30, Extensions::parse("apigateway"), &place());
        let post = &open["paths"]["/pets"]["post"];
        assert_eq!(open["servers"][0]["variables"]["basePath"]["default"], "/v1");
        assert_eq!(post["requestBody"]["content"]["application/json"]["schema"]["$ref"], "#/components/schemas/Pet");
        assert_eq!(post["x-amazon-apigateway-integration"]["type"], "http_proxy");
        assert_eq!(open["components"]["securitySchemes"]["sigv4"]["x-amazon-apigateway-authtype"], "awsSigv4");
    }

    #[test]
    fn what_is_written_is_read_again() {
        for form in [Form::Swagger20, Form::OpenApi30] {
            let document = write(&definition(), form, Extensions::parse("apigateway"), &place());
            let read = openapi::read(&document, "abc").unwrap();
            let method = &read.paths["/pets"]["POST"];
            assert_eq!(method.authorization_type.as_deref(), Some("AWS_IAM"), "{form:?}");
            assert_eq!(
                method.request_parameters,
                definition().resources[0].resource_methods.as_ref().unwrap()["POST"].request_parameters
            );
            assert_eq!(method.method_integration.as_ref().unwrap().uri.as_deref(), Some("http://x"));
            assert_eq!(read.models[0].name.as_deref(), Some("Pet"));
        }
    }
}
