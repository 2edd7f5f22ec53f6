//! Integrations: what a method leads to.

use super::{
    arn,
    method::{change, check_http_method, invalid_mapping, read},
};
use crate::{
    ApiGateway,
    backend::{is_here, json_service},
    error::Error,
    execution::{DEFAULT_TIMEOUT_MILLIS, action_of, function_of, path_of, streams},
    parameters,
    patch::{self, Paths, Slot},
};
use apigateway_api::*;
use expressions::vtl::Template;
use service::{Context, operation};
use std::collections::BTreeMap;

operation! { ApiGateway, PutIntegration, action: "apigateway:PUT" on |cx, r| integration_arn(cx, &r.rest_api_id, &r.resource_id, &r.http_method), handler: put }
operation! { ApiGateway, GetIntegration, action: "apigateway:GET" on |cx, r| integration_arn(cx, &r.rest_api_id, &r.resource_id, &r.http_method), handler: get }
operation! { ApiGateway, UpdateIntegration, action: "apigateway:PATCH" on |cx, r| integration_arn(cx, &r.rest_api_id, &r.resource_id, &r.http_method), handler: update }
operation! { ApiGateway, DeleteIntegration, action: "apigateway:DELETE" on |cx, r| integration_arn(cx, &r.rest_api_id, &r.resource_id, &r.http_method), handler: delete }

fn integration_arn(cx: &Context, api: &str, resource: &str, method: &str) -> String {
    arn(cx, format!("/restapis/{api}/resources/{resource}/methods/{method}/integration"))
}

pub fn missing() -> Error {
    Error::NotFound("Invalid Integration identifier specified".to_owned())
}

fn bad(message: &str) -> Error {
    Error::BadRequest(message.to_owned())
}

async fn put(_: &ApiGateway, cx: &Context, request: PutIntegrationRequest) -> Result<Integration, Error> {
    let integration = Integration {
        r#type: Some(request.r#type),
        http_method: request.integration_http_method,
        uri: request.uri,
        connection_type: request.connection_type,
        connection_id: request.connection_id,
        credentials: request.credentials,
        request_parameters: request.request_parameters,
        request_templates: request.request_templates,
        passthrough_behavior: Some(request.passthrough_behavior.unwrap_or_else(|| "WHEN_NO_MATCH".to_owned())),
        content_handling: request.content_handling,
        timeout_in_millis: Some(request.timeout_in_millis.unwrap_or(DEFAULT_TIMEOUT_MILLIS)),
        cache_namespace: Some(request.cache_namespace.unwrap_or_else(|| request.resource_id.clone())),
        cache_key_parameters: Some(request.cache_key_parameters.unwrap_or_default()),
        integration_responses: None,
        tls_config: request.tls_config,
        response_transfer_mode: request.response_transfer_mode,
        integration_target: request.integration_target,
    };
    change(cx, &request.rest_api_id, &request.resource_id, &request.http_method, |_, method| {
        check(cx, &integration, method)?;
        method.method_integration = Some(integration.clone());
        Ok(integration)
    })
}

/// Whether an integration is complete, and of a kind that this service can carry out.
pub fn check(cx: &Context, integration: &Integration, method: &Method) -> Result<(), Error> {
    let r#type = integration.r#type.clone().unwrap_or_default();
    let uri = integration.uri.as_deref().unwrap_or_default();
    if r#type != IntegrationType::Mock {
        match integration.http_method.as_deref() {
            None | Some("") => return Err(bad("Enumeration value for HttpMethod must be non-empty")),
            Some(http_method) => check_http_method(http_method)?,
        }
        check_credentials(cx, integration)?;
        check_uri(cx, integration, &r#type, uri)?;
    }
    if integration.connection_type == Some(ConnectionType::VpcLink) {
        return Err(Error::NotImplemented("VPC links are not implemented.".to_owned()));
    }
    if streams(integration) {
        check_stream(integration, &r#type, uri)?;
    }
    if !matches!(integration.passthrough_behavior.as_deref(), Some("WHEN_NO_MATCH" | "WHEN_NO_TEMPLATES" | "NEVER")) {
        return Err(bad(
            "Invalid passthrough behavior specified. Valid options are WHEN_NO_MATCH, WHEN_NO_TEMPLATES and NEVER",
        ));
    }
    let most = if streams(integration) { LONGEST_STREAM_MILLIS } else { DEFAULT_TIMEOUT_MILLIS };
    if !integration.timeout_in_millis.is_some_and(|timeout| (50..=most).contains(&timeout)) {
        return Err(Error::BadRequest(format!("Timeout should be between 50 ms and {most} ms")));
    }
    for (target, source) in integration.request_parameters.iter().flatten() {
        check_mapping(target, source, method)?;
    }
    check_templates(integration.request_templates.as_ref())
}

/// A role must be one of the account; `arn:aws:iam::*:user/*` stands for the caller.
fn check_credentials(cx: &Context, integration: &Integration) -> Result<(), Error> {
    let role = integration.credentials.as_deref().and_then(|role| role.strip_prefix("arn:aws:iam::"));
    match role.and_then(|role| role.split(':').next()) {
        Some(account) if account != cx.account() && account != "*" => {
            Err(Error::AccessDenied("Cross-account pass role is not allowed.".to_owned()))
        }
        _ => Ok(()),
    }
}

/// How long an integration that streams may take.
const LONGEST_STREAM_MILLIS: i32 = 900_000;

/// Only functions that stream do so here.
fn check_stream(integration: &Integration, r#type: &IntegrationType, uri: &str) -> Result<(), Error> {
    match r#type {
        IntegrationType::AwsProxy if uri.ends_with("/response-streaming-invocations") => Ok(()),
        IntegrationType::AwsProxy => Err(bad(
            "Integrations of type 'AWS_PROXY' with the response transfer mode STREAM must use the response streaming URI of a Lambda function",
        )),
        IntegrationType::HttpProxy => Err(Error::NotImplemented(format!(
            "Response streaming from {} is not implemented: from Lambda functions it is.",
            integration.uri.as_deref().unwrap_or_default()
        ))),
        _ => Err(bad("Response transfer mode STREAM is supported only for AWS_PROXY and HTTP_PROXY integrations")),
    }
}

fn check_uri(cx: &Context, integration: &Integration, r#type: &IntegrationType, uri: &str) -> Result<(), Error> {
    let is_lambda = function_of(uri).is_some();
    match r#type {
        IntegrationType::Http | IntegrationType::HttpProxy => {
            let variable = uri.starts_with("${stageVariables.");
            if uri.starts_with("http://") || uri.starts_with("https://") || variable {
                Ok(())
            } else {
                Err(bad("Invalid HTTP endpoint specified for URI"))
            }
        }
        _ if !uri.starts_with("arn:") => Err(bad("Invalid ARN specified in the request")),
        _ if !uri.contains(":path/") && !uri.contains(":action/") => {
            Err(bad("AWS ARN for integration must contain path or action"))
        }
        _ if !uri.starts_with("arn:aws:apigateway:") => Err(bad("Invalid ARN specified in the request")),
        _ if is_lambda => Ok(()),
        IntegrationType::Aws if integration.credentials.as_deref().unwrap_or_default().is_empty() => {
            Err(bad("Role ARN must be specified for AWS integrations"))
        }
        IntegrationType::AwsProxy if !uri.contains(":firehose:") => Err(bad(
            "Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose stream invocations.",
        )),
        IntegrationType::Aws if action_of(integration).is_some_and(|(name, _)| json_service(cx, name).is_some()) => {
            Ok(())
        }
        IntegrationType::Aws if path_of(integration).is_some_and(|(host, _)| is_here(cx, host)) => Ok(()),
        _ => Err(Error::NotImplemented(format!(
            "An integration with {uri} is not implemented: Lambda functions, the actions of JSON services and the paths of \
             services that are here are."
        ))),
    }
}

/// A mapping must lead from something that the method declares to a place in the integration's request.
fn check_mapping(target: &str, source: &str, method: &Method) -> Result<(), Error> {
    let place = target.strip_prefix("integration.request.").and_then(|rest| rest.split_once('.'));
    if !matches!(place, Some(("header" | "querystring" | "path", name)) if !name.is_empty()) {
        return Err(invalid_mapping(target));
    }
    if !parameters::valid_request_source(source) {
        return Err(invalid_mapping(source));
    }
    let plain = source.replacen("multivalue", "", 1);
    let declarable =
        ["path", "querystring", "header"].iter().any(|place| plain.starts_with(&format!("method.request.{place}.")));
    let declared = method.request_parameters.as_ref().is_some_and(|declared| declared.contains_key(&plain));
    if declarable && !declared { Err(invalid_mapping(source)) } else { Ok(()) }
}

/// Templates must be ones that can be rendered.
pub fn check_templates(templates: Option<&BTreeMap<String, String>>) -> Result<(), Error> {
    for source in templates.into_iter().flat_map(BTreeMap::values) {
        if let Err(error) = Template::parse(source) {
            return Err(Error::BadRequest(format!("Invalid mapping template specified: {error}")));
        }
    }
    Ok(())
}

async fn get(_: &ApiGateway, cx: &Context, request: GetIntegrationRequest) -> Result<Integration, Error> {
    let method = read(cx, &request.rest_api_id, &request.resource_id, &request.http_method)?;
    method.method_integration.ok_or_else(|| Error::NotFound("No integration defined for method".to_owned()))
}

const PATHS: &Paths = &Paths {
    add: &["/cacheKeyParameters/{parameter}", "/requestParameters/{parameter}", "/requestTemplates/{content_type}"],
    replace: &[
        "/cacheKeyParameters/{parameter}",
        "/cacheNamespace",
        "/connectionId",
        "/connectionType",
        "/contentHandling",
        "/credentials",
        "/httpMethod",
        "/passthroughBehavior",
        "/requestParameters/{parameter}",
        "/requestTemplates/{content_type}",
        "/timeoutInMillis",
        "/tlsConfig/insecureSkipVerification",
        "/type",
        "/uri",
    ],
    remove: &["/cacheKeyParameters/{parameter}", "/requestParameters/{parameter}", "/requestTemplates/{content_type}"],
};

fn slot<'a>(integration: &'a mut Integration, path: &[&str]) -> Option<Slot<'a>> {
    Some(match path {
        ["type"] => Slot::Set(Box::new(|value| {
            let r#type = IntegrationType::from(value.unwrap_or_default());
            let known = !matches!(r#type, IntegrationType::Unknown(_));
            integration.r#type = Some(r#type);
            known
        })),
        ["httpMethod"] => Slot::Text(&mut integration.http_method),
        ["uri"] => Slot::Text(&mut integration.uri),
        ["credentials"] => Slot::Text(&mut integration.credentials),
        ["connectionId"] => Slot::Text(&mut integration.connection_id),
        ["connectionType"] => Slot::Set(Box::new(|value| {
            integration.connection_type = value.map(ConnectionType::from);
            !matches!(integration.connection_type, Some(ConnectionType::Unknown(_)))
        })),
        ["contentHandling"] => Slot::Set(Box::new(|value| {
            integration.content_handling = value.filter(|value| !value.is_empty()).map(ContentHandlingStrategy::from);
            !matches!(integration.content_handling, Some(ContentHandlingStrategy::Unknown(_)))
        })),
        ["passthroughBehavior"] => Slot::Text(&mut integration.passthrough_behavior),
        ["timeoutInMillis"] => Slot::Integer(&mut integration.timeout_in_millis),
        ["tlsConfig", "insecureSkipVerification"] => {
            Slot::Flag(&mut integration.tls_config.get_or_insert_default().insecure_skip_verification)
        }
        ["cacheNamespace"] => Slot::Text(&mut integration.cache_namespace),
        ["cacheKeyParameters", name] => Slot::Element(&mut integration.cache_key_parameters, (*name).to_owned()),
        ["requestParameters", name] => Slot::Entry(&mut integration.request_parameters, (*name).to_owned()),
        ["requestTemplates", name] => Slot::Entry(&mut integration.request_templates, (*name).to_owned()),
        _ => return None,
    })
}

async fn update(_: &ApiGateway, cx: &Context, request: UpdateIntegrationRequest) -> Result<Integration, Error> {
    change(cx, &request.rest_api_id, &request.resource_id, &request.http_method, |_, method| {
        let mut integration = method.method_integration.clone().ok_or_else(missing)?;
        let operations = request.patch_operations.as_deref().unwrap_or_default();
        patch::apply(&mut integration, operations, PATHS, slot)?;
        check(cx, &integration, method)?;
        method.method_integration = Some(integration.clone());
        Ok(integration)
    })
}

async fn delete(_: &ApiGateway, cx: &Context, request: DeleteIntegrationRequest) -> Result<wire::Unit, Error> {
    change(cx, &request.rest_api_id, &request.resource_id, &request.http_method, |_, method| {
        method.method_integration.take().ok_or_else(missing)?;
        Ok(wire::Unit::default())
    })
}
