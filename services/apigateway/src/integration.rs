//! What goes to an integration and what comes back from it: templates, parameters, content conversion, and which
//! integration response answers.

use crate::{
    definition::Compiled,
    gateway_response::{BAD_REQUEST_BODY, Failure, INTEGRATION_FAILURE, Reply, UNSUPPORTED_MEDIA_TYPE},
    parameters::{self, Answer},
    request::{Incoming, is_binary, media_type},
};
use apigateway_api::{ContentHandlingStrategy, Integration, IntegrationResponse, Method};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use expressions::mapping;
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// A request to an integration.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outbound {
    pub uri: String,
    pub headers: BTreeMap<String, String>,
    pub query: Vec<(String, String)>,
    pub body: Bytes,
}

/// Makes the request to an integration that maps (not to a proxy).
pub fn request(compiled: &Compiled, integration: &Integration, incoming: &Incoming) -> Result<Outbound, Failure> {
    let context = incoming.context();
    let mut path = BTreeMap::new();
    let mut out = Outbound::default();
    let mut query = BTreeMap::new();
    map_parameters(integration, incoming, &context, &mut out.headers, &mut query, &mut path);

    let content_type = incoming.content_type();
    match template(integration, &content_type)? {
        Some(source) => {
            let template = compiled.template(source).map_err(invalid_template)?;
            let input = input(incoming, text_of(incoming, compiled), context);
            let output = mapping::render(&template, &input).map_err(render_failure)?;
            apply_overrides(&output.request_override, &mut out.headers, &mut query, &mut path);
            out.body = output.body.into();
            if integration.content_handling == Some(ContentHandlingStrategy::ConvertToBinary) {
                out.body =
                    BASE64.decode(&out.body).map_err(|_| Failure::configuration("Unable to decode body"))?.into();
            }
        }
        None => out.body = convert_request(integration, incoming, compiled)?,
    }
    out.headers.entry("Content-Type".to_owned()).or_insert(content_type);
    out.query = query.into_iter().collect();
    out.uri = expand(integration.uri.as_deref().unwrap_or_default(), incoming, &path);
    Ok(out)
}

/// Makes the request to an HTTP proxy: what came in, with the mapped parameters on top.
pub fn proxy_request(integration: &Integration, incoming: &Incoming) -> Outbound {
    let context = incoming.context();
    let mut path = BTreeMap::new();
    let mut headers = BTreeMap::new();
    for (name, value) in &incoming.headers {
        let hop =
            ["host", "connection", "content-length", "transfer-encoding"].contains(&name.to_ascii_lowercase().as_str());
        if !hop {
            headers.insert(name.clone(), value.clone());
        }
    }
    let mut mapped = BTreeMap::new();
    map_parameters(integration, incoming, &context, &mut headers, &mut mapped, &mut path);
    let mut query: Vec<_> = incoming.query.iter().filter(|(name, _)| !mapped.contains_key(name)).cloned().collect();
    query.extend(mapped);
    let uri = expand(integration.uri.as_deref().unwrap_or_default(), incoming, &path);
    Outbound { uri, headers, query, body: incoming.body.clone() }
}

fn map_parameters(
    integration: &Integration,
    incoming: &Incoming,
    context: &Json,
    headers: &mut BTreeMap<String, String>,
    query: &mut BTreeMap<String, String>,
    path: &mut BTreeMap<String, String>,
) {
    for (target, source) in integration.request_parameters.iter().flatten() {
        let Some(value) = parameters::for_request(source, incoming, context) else { continue };
        let Some((place, name)) = target.strip_prefix("integration.request.").and_then(|rest| rest.split_once('.'))
        else {
            continue;
        };
        let values = match place {
            "header" => &mut *headers,
            "querystring" => &mut *query,
            _ => &mut *path,
        };
        values.retain(|known, _| place != "header" || !known.eq_ignore_ascii_case(name));
        values.insert(name.to_owned(), value);
    }
}

/// The template for a media type, or none when the body passes as it is; an unsupported media type is refused.
fn template<'a>(integration: &'a Integration, content_type: &str) -> Result<Option<&'a str>, Failure> {
    let templates = integration.request_templates.as_ref();
    let found = templates.into_iter().flatten().find(|(key, _)| media_type(key) == content_type || *key == "$default");
    if let Some((_, source)) = found {
        return Ok((!source.is_empty()).then_some(source.as_str()));
    }
    let passes = match integration.passthrough_behavior.as_deref() {
        Some("NEVER") => false,
        Some("WHEN_NO_TEMPLATES") => templates.is_none_or(BTreeMap::is_empty),
        _ => true,
    };
    if passes { Ok(None) } else { Err(Failure::new(UNSUPPORTED_MEDIA_TYPE, "Unsupported Media Type")) }
}

/// The body as a template sees it: a binary one as base64.
fn text_of(incoming: &Incoming, compiled: &Compiled) -> String {
    if is_binary(compiled.binary_types(), &incoming.content_type()) && !incoming.body.is_empty() {
        BASE64.encode(&incoming.body)
    } else {
        String::from_utf8_lossy(&incoming.body).into_owned()
    }
}

fn convert_request(integration: &Integration, incoming: &Incoming, compiled: &Compiled) -> Result<Bytes, Failure> {
    let binary = is_binary(compiled.binary_types(), &incoming.content_type());
    match &integration.content_handling {
        Some(ContentHandlingStrategy::ConvertToText) if binary => Ok(BASE64.encode(&incoming.body).into()),
        Some(ContentHandlingStrategy::ConvertToBinary) if !binary => {
            let failed = |_| Failure::new(BAD_REQUEST_BODY, "Unable to base64 decode the body.");
            Ok(BASE64.decode(&incoming.body).map_err(failed)?.into())
        }
        _ => Ok(incoming.body.clone()),
    }
}

fn input(incoming: &Incoming, body: String, context: Json) -> mapping::Input {
    mapping::Input {
        body,
        path: incoming.path_parameters.clone(),
        querystring: incoming.single_query(),
        header: incoming.single_headers(),
        context,
        stage_variables: incoming.stage_variables.clone(),
    }
}

fn invalid_template(reason: String) -> Failure {
    Failure::configuration(format!("Unable to transform request: {reason}"))
}

fn render_failure(error: mapping::Error) -> Failure {
    match error {
        mapping::Error::Body(_) => Failure::new(BAD_REQUEST_BODY, error.to_string()).logged(error.to_string()),
        mapping::Error::Template(error) => invalid_template(error.to_string()),
    }
}

fn apply_overrides(
    overrides: &Json,
    headers: &mut BTreeMap<String, String>,
    query: &mut BTreeMap<String, String>,
    path: &mut BTreeMap<String, String>,
) {
    for (place, values) in [("header", headers), ("querystring", query), ("path", path)] {
        for (name, value) in overrides[place].as_object().into_iter().flatten() {
            if let Some(value) = parameters::text(value) {
                values.retain(|known, _| place != "header" || !known.eq_ignore_ascii_case(name));
                values.insert(name.clone(), value);
            }
        }
    }
}

/// Puts stage variables and path variables into an integration's address.
pub fn expand(uri: &str, incoming: &Incoming, path: &BTreeMap<String, String>) -> String {
    let mut out = uri.to_owned();
    for (name, value) in &incoming.stage_variables {
        out = out.replace(&format!("${{stageVariables.{name}}}"), value);
    }
    for (name, value) in path {
        out = out.replace(&format!("{{{name}}}"), value).replace(&format!("{{{name}+}}"), value);
    }
    out
}

/// The integration response for an answer: the one whose pattern matches the whole of `subject`, else the one
/// without a pattern.
pub fn select<'a>(integration: &'a Integration, subject: Option<&str>) -> Option<&'a IntegrationResponse> {
    let responses = || integration.integration_responses.iter().flat_map(BTreeMap::values);
    let matches = |response: &&IntegrationResponse| {
        let pattern = response.selection_pattern.as_deref().filter(|pattern| !pattern.is_empty());
        let (Some(pattern), Some(subject)) = (pattern, subject) else { return false };
        // A dot matches line breaks too: error messages have them.
        regex_lite::Regex::new(&format!("(?s)^(?:{pattern})$")).is_ok_and(|regex| regex.is_match(subject))
    };
    let default =
        |response: &&IntegrationResponse| response.selection_pattern.as_deref().unwrap_or_default().is_empty();
    responses().find(matches).or_else(|| responses().find(default))
}

/// Makes the caller's response out of an answer. `subject` is what selection patterns are matched with.
pub fn respond(
    compiled: &Compiled,
    method: &Method,
    integration: &Integration,
    incoming: &Incoming,
    answer: &Answer,
    subject: Option<&str>,
) -> Result<Reply, Failure> {
    let response = select(integration, subject).ok_or_else(|| {
        Failure::configuration(format!(
            "No match for output mapping and no default output mapping configured. Endpoint Response Status Code: {}",
            answer.status
        ))
    })?;
    let status_code = response.status_code.as_deref().unwrap_or("200");
    if !method.method_responses.as_ref().is_some_and(|responses| responses.contains_key(status_code)) {
        return Err(Failure::configuration(format!(
            "Output mapping refers to an invalid method response: {status_code}"
        )));
    }
    let mut status: u16 = status_code.parse().map_err(|_| Failure::configuration("Invalid status code"))?;
    let context = incoming.context();
    let mut headers: Vec<(String, String)> = Vec::new();
    for (target, source) in response.response_parameters.iter().flatten() {
        let Some(name) = target.strip_prefix("method.response.header.") else { continue };
        if let Some(value) = parameters::for_response(source, incoming, &context, answer) {
            headers.push((name.to_owned(), value));
        }
    }

    let (content_type, body) = match response_template(response, incoming) {
        Some((content_type, source)) => {
            let template = compiled.template(source).map_err(invalid_template)?;
            let input = input(incoming, answer.text(), context);
            let output = mapping::render(&template, &input).map_err(|error| {
                Failure::new(INTEGRATION_FAILURE, "Internal server error").with_status(500).logged(format!(
                    "Execution failed due to configuration error: Unable to transform response: {error}"
                ))
            })?;
            for (name, value) in output.response_override["header"].as_object().into_iter().flatten() {
                if let Some(value) = parameters::text(value) {
                    headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
                    headers.push((name.clone(), value));
                }
            }
            let overridden =
                parameters::text(&output.response_override["status"]).and_then(|status| status.parse().ok());
            status = overridden.unwrap_or(status);
            (content_type.to_owned(), Bytes::from(output.body))
        }
        None => ("application/json".to_owned(), answer.body.clone()),
    };
    let body = match &response.content_handling {
        Some(ContentHandlingStrategy::ConvertToBinary) => {
            let failed = |_| Failure::configuration("Unable to base64 decode the body.");
            Bytes::from(BASE64.decode(&body).map_err(failed)?)
        }
        Some(ContentHandlingStrategy::ConvertToText) if std::str::from_utf8(&body).is_err() => {
            BASE64.encode(&body).into()
        }
        _ => body,
    };
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        headers.push(("Content-Type".to_owned(), content_type));
    }
    Ok(Reply { status, headers, body, rest: None })
}

/// The template that the caller accepts, else that for JSON, else the first.
fn response_template<'a>(response: &'a IntegrationResponse, incoming: &Incoming) -> Option<(&'a str, &'a str)> {
    let templates = response.response_templates.as_ref()?;
    let accepted = incoming.header("accept").unwrap_or_default().split(',').map(media_type);
    let accepted = accepted.into_iter().find_map(|accepted| templates.get_key_value(&accepted));
    let chosen =
        accepted.or_else(|| templates.get_key_value("application/json")).or_else(|| templates.iter().next())?;
    (!chosen.1.is_empty()).then_some((chosen.0.as_str(), chosen.1.as_str()))
}
