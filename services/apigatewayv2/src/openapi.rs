//! HTTP APIs as OpenAPI 3.0 documents: read into routes, integrations and authorizers, and written from them.
//!
//! While a document is read, routes name their integration and authorizer by a key of the document; whoever stores them
//! puts ids in place.

use crate::{definition::Definition, record::from_json, route_key};
use apigatewayv2_api::*;
use serde_json::{Map, Value as Json, json};

/// What a document describes.
#[derive(Debug, Default)]
pub struct Document {
    pub title: String,
    pub description: Option<String>,
    pub version: Option<String>,
    pub cors: Option<Cors>,
    pub tags: std::collections::BTreeMap<String, String>,
    /// Each with its integration, where it has one, and the name of its authorizer.
    pub routes: Vec<(Route, Option<Integration>, Option<String>)>,
    pub authorizers: Vec<Authorizer>,
    pub warnings: Vec<String>,
}

const METHODS: [&str; 7] = ["get", "put", "post", "delete", "patch", "head", "options"];

/// Reads a document. The error says what cannot be read.
pub fn read(document: &Json) -> Result<Document, String> {
    if !document["openapi"].as_str().is_some_and(|version| version.starts_with("3.")) {
        return Err("Invalid OpenAPI input: only OpenAPI 3.0 documents can be imported".to_owned());
    }
    let reader = Reader { document };
    let text = |value: &Json| value.as_str().map(str::to_owned);
    let mut out = Document {
        title: text(&document["info"]["title"]).ok_or("Invalid OpenAPI input: info.title is missing")?,
        description: text(&document["info"]["description"]),
        version: text(&document["info"]["version"]),
        cors: reader.cors()?,
        ..Document::default()
    };
    for tag in document["tags"].as_array().into_iter().flatten() {
        if let (Some(name), Some(value)) = (text(&tag["name"]), text(&tag["x-amazon-apigateway-tag-value"])) {
            out.tags.insert(name, value);
        }
    }
    for (name, scheme) in members(&document["components"]["securitySchemes"]) {
        out.authorizers.extend(reader.authorizer(name, scheme)?);
    }
    for (path, item) in members(&document["paths"]) {
        for (name, operation) in members(item) {
            let key = match name.as_str() {
                _ if path == "/$default" && name == "x-amazon-apigateway-any-method" => "$default".to_owned(),
                "x-amazon-apigateway-any-method" => format!("ANY {path}"),
                name if METHODS.contains(&name) => format!("{} {path}", name.to_ascii_uppercase()),
                _ => continue,
            };
            if !route_key::valid(&key) {
                return Err(format!("Invalid route key: {key}"));
            }
            let described = reader.route(&key, operation, &out.authorizers)?;
            if described.1.is_none() {
                out.warnings.push(format!("The route {key} has no integration"));
            }
            out.routes.push(described);
        }
    }
    Ok(out)
}

fn members(value: &Json) -> impl Iterator<Item = (&String, &Json)> {
    value.as_object().into_iter().flatten()
}

fn strings(value: &Json) -> Option<Vec<String>> {
    Some(value.as_array()?.iter().filter_map(Json::as_str).map(str::to_owned).collect())
}

/// The members of an extension under the names of the API's shapes: `allowOrigins` is `AllowOrigins`.
fn upper(value: &Json) -> Json {
    let upper = |name: &str| name.chars().take(1).flat_map(char::to_uppercase).chain(name.chars().skip(1)).collect();
    Json::Object(members(value).map(|(name, value)| (upper(name), value.clone())).collect::<Map<String, Json>>())
}

struct Reader<'a> {
    document: &'a Json,
}

impl<'a> Reader<'a> {
    /// What a `$ref` within the document leads to; anything else is itself.
    fn resolve(&self, value: &'a Json) -> &'a Json {
        let target = value["$ref"].as_str().and_then(|target| target.strip_prefix('#'));
        target.and_then(|pointer| self.document.pointer(pointer)).unwrap_or(value)
    }

    fn cors(&self) -> Result<Option<Cors>, String> {
        let cors = &self.document["x-amazon-apigateway-cors"];
        if !cors.is_object() {
            return Ok(None);
        }
        from_json(&upper(cors)).map(Some).map_err(|error| error.to_string())
    }

    fn authorizer(&self, name: &str, scheme: &Json) -> Result<Option<Authorizer>, String> {
        let rules = &scheme["x-amazon-apigateway-authorizer"];
        let Some(kind) = rules["type"].as_str() else { return Ok(None) };
        let text = |value: &Json| value.as_str().map(str::to_owned);
        let sources = match &rules["identitySource"] {
            Json::String(one) => Some(one.split(',').map(|source| source.trim().to_owned()).collect()),
            other => strings(other),
        };
        let jwt = &rules["jwtConfiguration"];
        Ok(Some(Authorizer {
            name: name.to_owned(),
            authorizer_type: Some(AuthorizerType::from(kind.to_ascii_uppercase().as_str())),
            authorizer_uri: text(&rules["authorizerUri"]),
            authorizer_credentials_arn: text(&rules["authorizerCredentials"]),
            authorizer_payload_format_version: text(&rules["authorizerPayloadFormatVersion"]),
            authorizer_result_ttl_in_seconds: rules["authorizerResultTtlInSeconds"]
                .as_i64()
                .and_then(|ttl| i32::try_from(ttl).ok()),
            enable_simple_responses: rules["enableSimpleResponses"].as_bool(),
            identity_source: sources,
            jwt_configuration: jwt
                .is_object()
                .then(|| JWTConfiguration { audience: strings(&jwt["audience"]), issuer: text(&jwt["issuer"]) }),
            ..Authorizer::default()
        }))
    }

    fn route(
        &self,
        key: &str,
        operation: &'a Json,
        authorizers: &[Authorizer],
    ) -> Result<(Route, Option<Integration>, Option<String>), String> {
        let mut route = Route {
            route_key: key.to_owned(),
            operation_name: operation["operationId"].as_str().map(str::to_owned),
            api_key_required: Some(false),
            authorization_type: Some(AuthorizationType::None),
            ..Route::default()
        };
        let mut named = None;
        let required = [operation, self.document].into_iter().find_map(|place| place["security"].as_array());
        for (name, scopes) in required.into_iter().flatten().flat_map(members) {
            let scheme = &self.document["components"]["securitySchemes"][name];
            if scheme["x-amazon-apigateway-authtype"] == "awsSigv4" {
                route.authorization_type = Some(AuthorizationType::AwsIam);
            } else if let Some(known) = authorizers.iter().find(|known| known.name == *name) {
                let jwt = known.authorizer_type == Some(AuthorizerType::Jwt);
                let wanted = if jwt { AuthorizationType::Jwt } else { AuthorizationType::Custom };
                route.authorization_type = Some(wanted);
                route.authorization_scopes = strings(scopes).filter(|scopes| !scopes.is_empty());
                named = Some(name.clone());
            }
        }
        let integration = self.resolve(&operation["x-amazon-apigateway-integration"]);
        if !integration.is_object() {
            return Ok((route, None, named));
        }
        let text = |name: &str| integration[name].as_str().map(str::to_owned);
        let kind = text("type").unwrap_or_default().to_ascii_uppercase();
        let parameters = |name: &str| {
            let all =
                members(&integration[name]).filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())));
            Some(all.collect::<std::collections::BTreeMap<_, _>>()).filter(|all| !all.is_empty())
        };
        let responses = members(&integration["responseParameters"]).map(|(status, mappings)| {
            let mappings = members(mappings).filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())));
            (status.clone(), mappings.collect())
        });
        let responses: std::collections::BTreeMap<_, _> = responses.collect();
        let made = Integration {
            integration_type: Some(IntegrationType::from(kind.as_str())),
            integration_method: text("httpMethod"),
            integration_uri: text("uri"),
            integration_subtype: text("subtype").or_else(|| text("integrationSubtype")),
            credentials_arn: text("credentials"),
            payload_format_version: text("payloadFormatVersion"),
            connection_type: text("connectionType").map(|kind| ConnectionType::from(kind.as_str())),
            connection_id: text("connectionId"),
            timeout_in_millis: integration["timeoutInMillis"].as_i64().and_then(|timeout| i32::try_from(timeout).ok()),
            request_parameters: parameters("requestParameters"),
            response_parameters: Some(responses).filter(|all| !all.is_empty()),
            ..Integration::default()
        };
        Ok((route, Some(made), named))
    }
}

/// Adds a member that is there.
fn put(target: &mut Json, name: &str, value: Json) {
    if !value.is_null() {
        target[name] = value;
    }
}

/// Writes an API as a document; without `extensions` it has only what OpenAPI itself knows.
pub fn write(definition: &Definition, region: &str, stage: Option<&str>, extensions: bool) -> Json {
    let api = &definition.api;
    let id = api.api_id.as_deref().unwrap_or_default();
    let mut info = json!({"title": api.name});
    put(&mut info, "description", json!(api.description));
    let created = api.created_date.unwrap_or_default().datetime().strftime("%Y-%m-%d %H:%M:%SUTC").to_string();
    info["version"] = json!(api.version.as_deref().unwrap_or(&created));
    let base = stage.filter(|stage| *stage != "$default").unwrap_or_default();
    let mut document = json!({
        "openapi": "3.0.1",
        "info": info,
        "servers": [{
            "url": format!("https://{id}.execute-api.{region}.amazonaws.com/{{basePath}}"),
            "variables": {"basePath": {"default": base}},
        }],
        "paths": {},
        "components": {},
    });
    for route in &definition.routes {
        let (method, path) = match route.route_key.split_once(' ') {
            Some(("ANY", path)) => ("x-amazon-apigateway-any-method".to_owned(), path),
            Some((method, path)) => (method.to_ascii_lowercase(), path),
            None => ("x-amazon-apigateway-any-method".to_owned(), "/$default"),
        };
        document["paths"][path][method] = operation(definition, route, extensions);
    }
    if definition.authorizers.is_empty() && !definition.routes.iter().any(signed) {
        document.as_object_mut().map(|members| members.shift_remove("components"));
    }
    for authorizer in &definition.authorizers {
        document["components"]["securitySchemes"][&authorizer.name] = scheme(authorizer, extensions);
    }
    if definition.routes.iter().any(signed) {
        document["components"]["securitySchemes"]["sigv4"] = json!({
            "type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "awsSigv4",
        });
    }
    if extensions {
        if let Some(cors) = &api.cors_configuration {
            document["x-amazon-apigateway-cors"] = json!({
                "allowCredentials": cors.allow_credentials.unwrap_or(false),
                "allowHeaders": cors.allow_headers, "allowMethods": cors.allow_methods,
                "allowOrigins": cors.allow_origins, "exposeHeaders": cors.expose_headers, "maxAge": cors.max_age,
            });
            if let Some(cors) = document["x-amazon-apigateway-cors"].as_object_mut() {
                cors.retain(|_, value| !value.is_null());
            }
        }
        document["x-amazon-apigateway-importexport-version"] = json!("1.0");
    }
    document
}

fn signed(route: &Route) -> bool {
    route.authorization_type == Some(AuthorizationType::AwsIam)
}

fn operation(definition: &Definition, route: &Route, extensions: bool) -> Json {
    let key = route.route_key.split_once(' ').map_or("$default", |_| route.route_key.as_str());
    let mut out = json!({"responses": {"default": {"description": format!("Default response for {key}")}}});
    put(&mut out, "operationId", json!(route.operation_name));
    let known = definition.authorizers.iter().find(|known| known.authorizer_id == route.authorizer_id);
    match (signed(route), known.filter(|_| route.authorizer_id.is_some())) {
        (true, _) => out["security"] = json!([{"sigv4": []}]),
        (false, Some(authorizer)) => {
            out["security"] =
                json!([{authorizer.name.clone(): route.authorization_scopes.clone().unwrap_or_default()}]);
        }
        _ => {}
    }
    let variables = route.route_key.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let variables: Vec<Json> = variables
        .map(|name| {
            let greedy =
                if name.ends_with('+') { "Generated path parameter for proxy" } else { "Generated path parameter" };
            json!({"name": name, "in": "path", "description": greedy, "required": true, "schema": {"type": "string"}})
        })
        .collect();
    if !variables.is_empty() {
        out["parameters"] = Json::Array(variables);
    }
    let target = route.target.as_deref().and_then(|target| target.strip_prefix("integrations/"));
    let integration = definition.integrations.iter().find(|known| known.integration_id.as_deref() == target);
    if let Some(integration) = integration.filter(|_| extensions && target.is_some()) {
        let mut rules = json!({});
        put(&mut rules, "requestParameters", json!(integration.request_parameters));
        put(&mut rules, "responseParameters", json!(integration.response_parameters));
        put(&mut rules, "payloadFormatVersion", json!(integration.payload_format_version));
        let kind = integration.integration_type.as_ref().map(|kind| kind.as_str().to_ascii_lowercase());
        put(&mut rules, "type", json!(kind));
        put(&mut rules, "subtype", json!(integration.integration_subtype));
        put(&mut rules, "httpMethod", json!(integration.integration_method));
        put(&mut rules, "uri", json!(integration.integration_uri));
        put(&mut rules, "credentials", json!(integration.credentials_arn));
        put(&mut rules, "connectionType", json!(integration.connection_type.as_ref().map(|kind| kind.as_str())));
        put(&mut rules, "timeoutInMillis", json!(integration.timeout_in_millis.filter(|timeout| *timeout != 30_000)));
        out["x-amazon-apigateway-integration"] = rules;
    }
    out
}

fn scheme(authorizer: &Authorizer, extensions: bool) -> Json {
    let jwt = authorizer.authorizer_type == Some(AuthorizerType::Jwt);
    let mut out = match jwt {
        true => json!({"type": "oauth2", "flows": {}}),
        false => json!({"type": "apiKey", "name": "Authorization", "in": "header"}),
    };
    if !extensions {
        return out;
    }
    let sources = authorizer.identity_source.clone().unwrap_or_default().join(",");
    let mut rules = json!({"identitySource": sources, "type": if jwt { "jwt" } else { "request" }});
    put(&mut rules, "authorizerUri", json!(authorizer.authorizer_uri));
    put(&mut rules, "authorizerCredentials", json!(authorizer.authorizer_credentials_arn));
    put(&mut rules, "authorizerPayloadFormatVersion", json!(authorizer.authorizer_payload_format_version));
    put(&mut rules, "authorizerResultTtlInSeconds", json!(authorizer.authorizer_result_ttl_in_seconds));
    put(&mut rules, "enableSimpleResponses", json!(authorizer.enable_simple_responses));
    if let Some(configuration) = &authorizer.jwt_configuration {
        rules["jwtConfiguration"] = json!({"audience": configuration.audience, "issuer": configuration.issuer});
    }
    out["x-amazon-apigateway-authorizer"] = rules;
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Json {
        json!({
            "openapi": "3.0.1",
            "info": {"title": "pets", "version": "1.0"},
            "paths": {
                "/pets/{id}": {"get": {
                    "security": [{"jwt": ["read"]}],
                    "x-amazon-apigateway-integration": {"type": "HTTP_PROXY", "httpMethod": "GET", "uri": "http://x/{id}", "payloadFormatVersion": "1.0"},
                }},
                "/$default": {"x-amazon-apigateway-any-method": {}},
            },
            "components": {"securitySchemes": {"jwt": {"type": "oauth2", "x-amazon-apigateway-authorizer": {
                "type": "jwt", "identitySource": "$request.header.Authorization",
                "jwtConfiguration": {"audience": ["a"], "issuer": "https://i.example"}}}}},
            "x-amazon-apigateway-cors": {"allowOrigins": ["*"], "maxAge": 5},
        })
    }

    #[test]
    fn documents_are_read() {
        let read = read(&document()).unwrap();
        assert_eq!(read.title, "pets");
        assert_eq!(read.cors.as_ref().unwrap().max_age, Some(5));
        let (route, integration, authorizer) =
            read.routes.iter().find(|(route, ..)| route.route_key == "GET /pets/{id}").unwrap();
        assert_eq!(route.authorization_type, Some(AuthorizationType::Jwt));
        assert_eq!(integration.as_ref().unwrap().integration_uri.as_deref(), Some("http://x/{id}"));
        assert_eq!(authorizer.as_deref(), Some("jwt"));
        assert!(read.routes.iter().any(|(route, ..)| route.route_key == "$default"));
        assert_eq!(read.warnings, ["The route $default has no integration"]);
        assert!(super::read(&json!({"swagger": "2.0"})).is_err());
    }

    #[test]
    fn what_is_written_is_read_again() {
        let described = read(&document()).unwrap();
        let mut definition = Definition {
            api: Api { name: "pets".into(), cors_configuration: described.cors, ..Api::default() },
            ..Definition::default()
        };
        for (at, (mut route, integration, _)) in described.routes.into_iter().enumerate() {
            if let Some(integration) = integration {
                let id = format!("i{at}");
                route.target = Some(format!("integrations/{id}"));
                definition.integrations.push(Integration { integration_id: Some(id), ..integration });
                route.authorizer_id = Some("a".into());
            }
            definition.routes.push(route);
        }
        let authorizers = described.authorizers.into_iter();
        definition.authorizers = authorizers.map(|one| Authorizer { authorizer_id: Some("a".into()), ..one }).collect();
        let again = read(&write(&definition, "us-east-1", Some("dev"), true)).unwrap();
        assert_eq!(again.routes.len(), 2);
        let (route, integration, authorizer) =
            again.routes.iter().find(|(route, ..)| route.route_key == "GET /pets/{id}").unwrap();
        assert_eq!(
            (route.authorization_scopes.clone(), authorizer.as_deref()),
            (Some(vec!["read".to_owned()]), Some("jwt"))
        );
        assert_eq!(integration.as_ref().unwrap().payload_format_version.as_deref(), Some("1.0"));
        assert_eq!(
            again.authorizers[0].jwt_configuration.as_ref().unwrap().issuer.as_deref(),
            Some("https://i.example")
        );
        assert_eq!(again.cors.unwrap().allow_origins, Some(vec!["*".to_owned()]));
    }
}
