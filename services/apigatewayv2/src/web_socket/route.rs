//! One event of a connection through its route: select, validate, integrate, respond.

use super::event::{self, Kind, Of};
use crate::{
    definition::Compiled,
    http_api::expand,
    mapping::{of_body, of_request, resolve},
    ops::function_of,
    request::{Request, text},
};
use apigatewayv2_api::{Integration, IntegrationResponse, IntegrationType, Route};
use bytes::Bytes;
use execute_api::{Action, Fetch, Invocation, Relay, Unanswered, World, target};
use expressions::{
    mapping,
    schema::{Documents, Schema},
    vtl::Template,
};
use serde_json::Value as Json;

/// What an integration made of an event.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    pub status: u16,
    /// What goes back to the client where the route has a response.
    pub body: Bytes,
    /// The protocol that a function chose of those that the client offers.
    pub protocol: Option<String>,
}

/// Why an event was not served, as the client is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    pub status: u16,
    pub message: &'static str,
    /// What the access log says beside.
    pub reason: String,
}

impl Refusal {
    pub fn internal(reason: impl Into<String>) -> Self {
        Self { status: 500, message: "Internal server error", reason: reason.into() }
    }
}

/// The route of a message: what the API's expression selects from it, else `$default`.
pub fn select<'a>(compiled: &'a Compiled, request: &Request) -> Option<&'a Route> {
    let expression = compiled.definition.api.route_selection_expression.as_str();
    let context = Json::Null;
    let key = resolve(expression, &|name| of_request(name, request, &context)).filter(|key| !key.is_empty());
    key.and_then(|key| compiled.route_of_key(&key)).or_else(|| compiled.route_of_key("$default"))
}

/// Checks a message against the route's model, where it has one.
pub fn validate(compiled: &Compiled, route: &Route, request: &Request) -> Result<(), Refusal> {
    if compiled.definition.api.disable_schema_validation == Some(true) {
        return Ok(());
    }
    let Some(models) = route.request_models.as_ref().filter(|models| !models.is_empty()) else { return Ok(()) };
    let context = Json::Null;
    let key = route.model_selection_expression.as_deref().unwrap_or("$default");
    let key = resolve(key, &|name| of_request(name, request, &context)).unwrap_or_default();
    let Some(name) = models.get(&key).or_else(|| models.get("$default")) else { return Ok(()) };
    let Some(model) = compiled.definition.models.iter().find(|model| model.name == *name) else { return Ok(()) };
    let wrong = |reason: String| Refusal { status: 400, message: "Invalid request body", reason };
    let schema: Json = serde_json::from_str(model.schema.as_deref().unwrap_or("{}")).unwrap_or_default();
    let schema = Schema::compile(&schema, Documents::new()).map_err(Refusal::internal)?;
    let body: Json = serde_json::from_slice(&request.body).map_err(|error| wrong(error.to_string()))?;
    let broken = schema.validate(&body);
    if broken.is_empty() { Ok(()) } else { Err(wrong(broken.join("; "))) }
}

/// Passes an event to the integration of its route.
pub async fn run(
    world: &World,
    compiled: &Compiled,
    route: &Route,
    request: &Request,
    of: &Of,
    kind: &Kind,
) -> Result<Outcome, Refusal> {
    let integration = compiled.integration(route).ok_or_else(|| Refusal::internal("The route has no integration"))?;
    let context = event::context(request, of, kind);
    match integration.integration_type {
        Some(IntegrationType::Mock) => {
            let body = inbound(integration, request, &context)?;
            let status: Json = serde_json::from_slice(&body).unwrap_or_default();
            let status = text(&status["statusCode"]).and_then(|status| status.parse().ok()).unwrap_or(200);
            outbound(compiled, integration, request, &context, Outcome { status, ..Outcome::default() })
        }
        Some(IntegrationType::AwsProxy) => {
            let payload = event::event(request, of, kind).to_string().into();
            proxied(&invoke(world, integration, request, payload).await?)
        }
        Some(IntegrationType::Aws) => {
            let payload = inbound(integration, request, &context)?;
            let answer = match serve(world, integration, request, of, payload.clone()).await? {
                Some(answer) => answer,
                None => {
                    let body = invoke(world, integration, request, payload).await?;
                    Outcome { status: 200, body, protocol: None }
                }
            };
            outbound(compiled, integration, request, &context, answer)
        }
        _ => {
            let proxy = integration.integration_type == Some(IntegrationType::HttpProxy);
            let body = if proxy { request.body.clone() } else { inbound(integration, request, &context)? };
            let answer = fetch(world, integration, request, of, body).await?;
            if proxy { Ok(answer) } else { outbound(compiled, integration, request, &context, answer) }
        }
    }
}

async fn invoke(world: &World, integration: &Integration, request: &Request, payload: Bytes) -> Result<Bytes, Refusal> {
    let uri = expand(integration.integration_uri.as_deref().unwrap_or_default(), request);
    let function = function_of(&uri).ok_or_else(|| Refusal::internal("Invalid integration URI"))?;
    let invocation = Invocation {
        function: function.to_owned(),
        payload,
        asynchronous: false,
        source_arn: request.arn(),
        credentials: integration.credentials_arn.clone().filter(|role| !role.is_empty()),
    };
    let failed = |reason: Unanswered| match reason {
        Unanswered::Timeout => Refusal { message: "Endpoint request timed out", ..Refusal::internal("timeout") },
        other => Refusal::internal(format!("{other:?}")),
    };
    let invoked = world.invoke(invocation).await.map_err(failed)?;
    match invoked.function_error {
        Some(kind) => Err(Refusal::internal(format!("Lambda function failed: {kind}"))),
        None => Ok(invoked.payload),
    }
}

/// What a function answers through a proxy: a status, and perhaps a body for the client.
fn proxied(payload: &[u8]) -> Result<Outcome, Refusal> {
    let malformed = || Refusal::internal("Malformed Lambda proxy response");
    let answer: Json = serde_json::from_slice(payload).map_err(|_| malformed())?;
    let status = text(&answer["statusCode"]).and_then(|status| status.parse().ok()).ok_or_else(malformed)?;
    let body = match &answer["body"] {
        Json::Null => Bytes::new(),
        Json::String(text) => Bytes::from(text.clone()),
        _ => return Err(malformed()),
    };
    let headers = answer["headers"].as_object().into_iter().flatten();
    let mut chosen = headers.filter(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-protocol"));
    let protocol = chosen.next().and_then(|(_, value)| text(value));
    Ok(Outcome { status, body, protocol })
}

/// Asks the service that an integration names; none where it names a function.
async fn serve(
    world: &World,
    integration: &Integration,
    request: &Request,
    of: &Of,
    body: Bytes,
) -> Result<Option<Outcome>, Refusal> {
    let Mapped { url, headers, query } = mapped(integration, request, of);
    let credentials = integration.credentials_arn.clone().filter(|role| !role.is_empty());
    let answer = if let Some((service, operation)) = target::action(&url) {
        let (service, operation) = (service.to_owned(), operation.to_owned());
        world.act(Action { service, operation, body, source_arn: request.arn(), credentials }).await
    } else if let Some((host, path)) = target::path(&url) {
        let path: Vec<String> = path.trim_start_matches('/').split('/').map(execute_api::relay::encode).collect();
        let (host, path) = (host.to_owned(), format!("/{}", path.join("/")));
        let method = integration.integration_method.clone().unwrap_or_else(|| "POST".to_owned());
        world.relay(Relay { host, method, path, query, headers, body, credentials }).await
    } else {
        return Ok(None);
    };
    let answer = answer.map_err(|reason| Refusal::internal(format!("{reason:?}")))?;
    Ok(Some(Outcome { status: answer.status, body: answer.body, protocol: None }))
}

/// An integration's address with what its parameters make of a message.
struct Mapped {
    url: String,
    headers: Vec<(String, String)>,
    query: Vec<(String, String)>,
}

fn mapped(integration: &Integration, request: &Request, of: &Of) -> Mapped {
    let mut url = expand(integration.integration_uri.as_deref().unwrap_or_default(), request);
    let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    let mut query = Vec::new();
    let context = Json::Null;
    for (target, source) in integration.request_parameters.iter().flatten() {
        let find = |name: &str| match name.strip_prefix("context.") {
            Some("connectionId") => Some(of.id.clone()),
            _ => of_request(name.strip_prefix("route.").unwrap_or(name), request, &context),
        };
        let source = match source.strip_prefix('\'').and_then(|source| source.strip_suffix('\'')) {
            Some(literal) => Some(literal.to_owned()),
            None => find(source).or_else(|| resolve(source, &find)),
        };
        let place = target.strip_prefix("integration.request.").and_then(|rest| rest.split_once('.'));
        match (place, source) {
            (Some(("header", name)), Some(value)) => {
                headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
                headers.push((name.to_owned(), value));
            }
            (Some(("querystring", name)), Some(value)) => query.push((name.to_owned(), value)),
            (Some(("path", name)), Some(value)) => url = url.replace(&format!("{{{name}}}"), &value),
            _ => {}
        }
    }
    Mapped { url, headers, query }
}

async fn fetch(
    world: &World,
    integration: &Integration,
    request: &Request,
    of: &Of,
    body: Bytes,
) -> Result<Outcome, Refusal> {
    let Mapped { mut url, headers, query } = mapped(integration, request, of);
    for (name, value) in query {
        let value = percent_encoding::utf8_percent_encode(&value, percent_encoding::NON_ALPHANUMERIC);
        url.push_str(&format!("{}{name}={value}", if url.contains('?') { '&' } else { '?' }));
    }
    let method = integration.integration_method.clone().filter(|method| method != "ANY");
    let fetch = Fetch { method: method.unwrap_or_else(|| "POST".to_owned()), url, headers, body, unverified: false };
    let answer = world.fetch(fetch).await.map_err(|reason| Refusal::internal(format!("{reason:?}")))?;
    Ok(Outcome { status: answer.status, body: answer.body, protocol: None })
}

/// The body for an integration that maps: what its template makes of the message, else the message.
fn inbound(integration: &Integration, request: &Request, context: &Json) -> Result<Bytes, Refusal> {
    let key = integration.template_selection_expression.as_deref().unwrap_or("$default");
    let none = Json::Null;
    let key = resolve(key, &|name| of_request(name, request, &none)).unwrap_or_default();
    let templates = integration.request_templates.as_ref();
    let key = key.replace('\\', "");
    match templates.and_then(|all| all.get(&key).or_else(|| all.get("$default"))) {
        Some(source) => render(source, &request.body, request, context),
        None => Ok(request.body.clone()),
    }
}

/// What an integration's response makes of an answer: the one whose key, a pattern between slashes, matches the status.
fn outbound(
    compiled: &Compiled,
    integration: &Integration,
    request: &Request,
    context: &Json,
    answer: Outcome,
) -> Result<Outcome, Refusal> {
    let id = integration.integration_id.as_deref().unwrap_or_default();
    let all = || compiled.definition.integration_responses.iter().filter(|(owner, _)| owner == id);
    let status = answer.status.to_string();
    let fits = |(_, response): &&(String, IntegrationResponse)| {
        let pattern = response.integration_response_key.trim_matches('/');
        regex_lite::Regex::new(&format!("^(?:{pattern})$")).is_ok_and(|regex| regex.is_match(&status))
    };
    let default = |(_, response): &&(String, IntegrationResponse)| response.integration_response_key == "$default";
    let Some((_, response)) = all().find(fits).or_else(|| all().find(default)) else { return Ok(answer) };
    let key = response.template_selection_expression.as_deref().unwrap_or("$default");
    let find = |name: &str| match name.strip_prefix("integration.response.body") {
        Some(path) => of_body(path.trim_start_matches('.'), &answer.body),
        None => None,
    };
    let key = resolve(key, &find).unwrap_or_default().replace('\\', "");
    let templates = response.response_templates.as_ref();
    match templates.and_then(|all| all.get(&key).or_else(|| all.get("$default")).or_else(|| all.values().next())) {
        Some(source) => Ok(Outcome { body: render(source, &answer.body, request, context)?, ..answer }),
        None => Ok(answer),
    }
}

fn render(source: &str, body: &[u8], request: &Request, context: &Json) -> Result<Bytes, Refusal> {
    let template = Template::parse(source).map_err(|error| Refusal::internal(error.to_string()))?;
    let input = mapping::Input {
        body: String::from_utf8_lossy(body).into_owned(),
        header: request.headers.iter().cloned().collect(),
        querystring: request.query.iter().cloned().collect(),
        context: context.clone(),
        stage_variables: request.stage_variables.clone(),
        ..mapping::Input::default()
    };
    let output = mapping::render(&template, &input).map_err(|error| Refusal::internal(error.to_string()))?;
    Ok(output.body.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::Definition;
    use apigatewayv2_api::{Api, Model};

    fn compiled() -> Compiled {
        let route = |key: &str, models: Option<&str>| Route {
            route_key: key.into(),
            request_models: models.map(|model| [("$default".to_owned(), model.to_owned())].into()),
            ..Route::default()
        };
        Compiled::new(Definition {
            api: Api { route_selection_expression: "$request.body.action".into(), ..Api::default() },
            routes: vec![route("$default", None), route("join", Some("Join"))],
            models: vec![Model {
                name: "Join".into(),
                schema: Some(r#"{"type":"object","required":["room"]}"#.into()),
                ..Model::default()
            }],
            ..Definition::default()
        })
    }

    fn message(body: &'static str) -> Request {
        Request { body: body.into(), ..Request::default() }
    }

    #[test]
    fn messages_select_their_routes() {
        let compiled = compiled();
        let key = |body| select(&compiled, &message(body)).map(|route| route.route_key.as_str());
        assert_eq!(key(r#"{"action":"join"}"#), Some("join"));
        assert_eq!(key(r#"{"action":"other"}"#), Some("$default"));
        assert_eq!(key("no json"), Some("$default"));
    }

    #[test]
    fn messages_are_checked_against_models() {
        let compiled = compiled();
        let route = compiled.route_of_key("join").unwrap();
        assert_eq!(validate(&compiled, route, &message(r#"{"room":1}"#)), Ok(()));
        assert_eq!(validate(&compiled, route, &message("{}")).unwrap_err().message, "Invalid request body");
    }

    #[test]
    fn mocks_answer_through_their_templates() {
        let integration = Integration {
            integration_id: Some("i".into()),
            request_templates: Some([("$default".to_owned(), r#"{"statusCode": 200}"#.to_owned())].into()),
            ..Integration::default()
        };
        let response = IntegrationResponse {
            integration_response_key: "/200/".into(),
            response_templates: Some([("$default".to_owned(), r#"{"id":"$context.connectionId"}"#.to_owned())].into()),
            ..IntegrationResponse::default()
        };
        let compiled = Compiled::new(Definition {
            integration_responses: vec![("i".to_owned(), response)],
            ..Definition::default()
        });
        let context = serde_json::json!({"connectionId": "c="});
        let request = message("{}");
        assert_eq!(inbound(&integration, &request, &context).unwrap(), r#"{"statusCode": 200}"#);
        let answer = Outcome { status: 200, ..Outcome::default() };
        assert_eq!(outbound(&compiled, &integration, &request, &context, answer).unwrap().body, r#"{"id":"c="}"#);
        assert_eq!(proxied(br#"{"statusCode":200,"body":"hi"}"#).unwrap().body, "hi");
        assert!(proxied(b"null").is_err());
    }
}
