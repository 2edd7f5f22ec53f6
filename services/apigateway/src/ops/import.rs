//! APIs from OpenAPI documents.

use super::{
    arn, authorizer, documentation, gateway_response, integration, integration_response, method, method_response,
    model, resource,
    rest_api::{check_policy, create_in, reply},
};
use crate::{
    ApiGateway,
    authorizer::DEFAULT_TTL,
    error::Error,
    execution::DEFAULT_TIMEOUT_MILLIS,
    openapi::{self, Document},
    path,
    store::Place,
};
use ::store::Transaction;
use apigateway_api::*;
use service::{Context, operation};
use std::collections::BTreeMap;

operation! { ApiGateway, ImportRestApi, action: "apigateway:POST" on |cx, _| arn(cx, "/restapis"), handler: import }
operation! { ApiGateway, PutRestApi, action: "apigateway:PUT" on |cx, r| arn(cx, format!("/restapis/{}", r.rest_api_id)), handler: put }

fn parse(body: &[u8]) -> Result<serde_json::Value, Error> {
    execute_api::yaml::read(body).map_err(|reason| Error::BadRequest(format!("Invalid OpenAPI input: {reason}")))
}

type Parameters = BTreeMap<String, String>;

fn read(document: &serde_json::Value, api: &str, parameters: &Parameters) -> Result<Document, Error> {
    let failed = |reason| Error::BadRequest(format!("Errors found during import:\n\t{reason}"));
    let mut described = openapi::read(document, api).map_err(failed)?;
    let base = openapi::base_path(document).trim_matches('/');
    // The base path is left out, or put before every path, or so put but for its first part.
    let before = match parameters.get("basepath").map(String::as_str) {
        None | Some("ignore") => "",
        Some("prepend") => base,
        Some("split") => base.split_once('/').map_or("", |(_, rest)| rest),
        Some(other) => {
            return Err(Error::BadRequest(format!(
                "Invalid basepath mode '{other}' specified. Must be one of: [ignore, prepend, split]"
            )));
        }
    };
    if !before.is_empty() {
        let paths = std::mem::take(&mut described.paths);
        described.paths = paths.into_iter().map(|(path, item)| (format!("/{before}{path}"), item)).collect();
    }
    Ok(described)
}

/// The parts of the document's documentation, unless they are not wanted.
fn document_parts(
    cx: &Context,
    place: Place<'_>,
    tx: &mut Transaction<'_>,
    document: &serde_json::Value,
    parameters: &Parameters,
) -> Result<(), Error> {
    if parameters.get("ignore").is_some_and(|ignored| ignored == "documentation") {
        return Ok(());
    }
    documentation::import_parts(cx, place, tx, document).map(drop)
}

async fn import(_: &ApiGateway, cx: &Context, request: ImportRestApiRequest) -> Result<RestApi, Error> {
    let document = parse(&request.body)?;
    let parameters = request.parameters.unwrap_or_default();
    let types = parameters.get("endpointConfigurationTypes").map(|name| vec![EndpointType::from(name.as_str())]);
    cx.store().write(|tx| {
        let described = read(&document, "", &parameters)?;
        let create = CreateRestApiRequest {
            name: described.title.unwrap_or_default(),
            description: described.description,
            version: described.version,
            binary_media_types: described.binary_media_types,
            policy: described.policy,
            api_key_source: described.api_key_source.map(|source| ApiKeySourceType::from(source.as_str())),
            minimum_compression_size: described.minimum_compression_size,
            disable_execute_api_endpoint: described.disable_execute_api_endpoint,
            endpoint_configuration: types
                .map(|types| EndpointConfiguration { types: Some(types), ..EndpointConfiguration::default() }),
            ..CreateRestApiRequest::default()
        };
        let api = create_in(cx, tx, create)?;
        let id = api.id.clone().unwrap_or_default();
        let place = Place::new(cx, &id);
        apply(cx, place, tx, read(&document, &id, &parameters)?)?;
        document_parts(cx, place, tx, &document, &parameters)?;
        Ok(api)
    })
}

async fn put(_: &ApiGateway, cx: &Context, request: PutRestApiRequest) -> Result<RestApi, Error> {
    let document = parse(&request.body)?;
    let parameters = request.parameters.unwrap_or_default();
    let overwrite = request.mode == Some(PutMode::Overwrite);
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.rest_api_id);
        let old = place.api(tx)?;
        let described = read(&document, &request.rest_api_id, &parameters)?;
        check_policy(described.policy.as_deref())?;
        if overwrite {
            clear(place, tx, old.root_resource_id.as_deref().unwrap_or_default())?;
        }
        let api = RestApi {
            name: described.title.clone().or(old.name),
            description: described.description.clone().or(old.description),
            version: described.version.clone().or(old.version),
            binary_media_types: described.binary_media_types.clone().or(old.binary_media_types),
            policy: described.policy.clone().or(old.policy),
            api_key_source: described.api_key_source.as_deref().map(ApiKeySourceType::from).or(old.api_key_source),
            minimum_compression_size: described.minimum_compression_size.or(old.minimum_compression_size),
            disable_execute_api_endpoint: described.disable_execute_api_endpoint.or(old.disable_execute_api_endpoint),
            ..old
        };
        place.put_api(tx, &api);
        apply(cx, place, tx, described)?;
        document_parts(cx, place, tx, &document, &parameters)?;
        Ok(reply(api))
    })
}

/// Leaves of an API only its root and its deployments.
fn clear(place: Place<'_>, tx: &mut Transaction<'_>, root: &str) -> Result<(), Error> {
    place.delete_all::<Resource>(tx)?;
    place.delete_all::<Model>(tx)?;
    place.delete_all::<RequestValidator>(tx)?;
    place.delete_all::<GatewayResponse>(tx)?;
    place.delete_all::<Authorizer>(tx)?;
    let resource = Resource { id: Some(root.to_owned()), path: Some("/".to_owned()), ..Resource::default() };
    place.put(tx, root, &resource);
    Ok(())
}

/// Adds what a document describes to an API.
fn apply(cx: &Context, place: Place<'_>, tx: &mut Transaction<'_>, document: Document) -> Result<(), Error> {
    for model in &document.models {
        let id = Some(cx.random().lower_alphanumeric(6));
        place.put(tx, model.name.as_deref().unwrap_or_default(), &Model { id, ..model.clone() });
    }
    for described in &document.models {
        model::check(place, tx, described.schema.as_deref())?;
    }
    let mut validators = BTreeMap::new();
    for validator in document.validators {
        let id = cx.random().lower_alphanumeric(6);
        validators.insert(validator.name.clone().unwrap_or_default(), id.clone());
        place.put(tx, &id, &RequestValidator { id: Some(id.clone()), ..validator });
    }
    let mut authorizers = BTreeMap::new();
    for described in document.authorizers {
        let id = cx.random().lower_alphanumeric(6);
        authorizers.insert(described.name.clone().unwrap_or_default(), id.clone());
        let ttl = described.authorizer_result_ttl_in_seconds.unwrap_or(DEFAULT_TTL);
        let described = Authorizer { id: Some(id.clone()), authorizer_result_ttl_in_seconds: Some(ttl), ..described };
        authorizer::check(&described)?;
        place.put(tx, &id, &described);
    }
    for response in document.responses {
        let kind = gateway_response::known(&response.response_type.clone().unwrap_or_default())?;
        gateway_response::check(&response)?;
        place.put(tx, kind.name, &response);
    }
    for (path, methods) in document.paths {
        let mut resource = resource_at(cx, place, tx, &path)?;
        let id = resource.id.clone().unwrap_or_default();
        for (http_method, mut described) in methods {
            let named = |names: &BTreeMap<String, String>, name: Option<String>| {
                name.map(|name| names.get(&name).cloned().unwrap_or(name))
            };
            described.request_validator_id = named(&validators, described.request_validator_id);
            described.authorizer_id = named(&authorizers, described.authorizer_id);
            check(cx, place, tx, &id, &mut described).map_err(|error| match error {
                Error::BadRequest(reason) => Error::BadRequest(format!(
                    "Errors found during import:\n\tUnable to put method '{http_method}' on resource at path '{path}': {reason}"
                )),
                other => other,
            })?;
            resource.resource_methods.get_or_insert_default().insert(http_method, described);
        }
        place.put(tx, &id, &resource);
    }
    Ok(())
}

/// Completes a method with the defaults of its parts, and checks them as if they were put one by one.
fn check(
    cx: &Context,
    place: Place<'_>,
    tx: &Transaction<'_>,
    resource: &str,
    described: &mut Method,
) -> Result<(), Error> {
    method::check(place, tx, described)?;
    for response in described.method_responses.iter().flat_map(BTreeMap::values) {
        method_response::check(response)?;
        method::check_models(place, tx, response.response_models.as_ref())?;
    }
    let Some(mut described_integration) = described.method_integration.take() else { return Ok(()) };
    described_integration.passthrough_behavior.get_or_insert_with(|| "WHEN_NO_MATCH".to_owned());
    described_integration.timeout_in_millis.get_or_insert(DEFAULT_TIMEOUT_MILLIS);
    described_integration.cache_namespace.get_or_insert_with(|| resource.to_owned());
    described_integration.cache_key_parameters.get_or_insert_default();
    integration::check(cx, &described_integration, described)?;
    for (status, response) in described_integration.integration_responses.iter().flatten() {
        integration_response::check(response, status, described)?;
    }
    described.method_integration = Some(described_integration);
    Ok(())
}

/// The resource of a path, made with its parents where they are missing.
fn resource_at(cx: &Context, place: Place<'_>, tx: &mut Transaction<'_>, path: &str) -> Result<Resource, Error> {
    let mut all: Vec<Resource> = place.all(tx)?;
    let root = all.iter().position(|resource| resource.parent_id.is_none());
    let mut current = match root {
        Some(root) => all.swap_remove(root),
        None => return Err(Error::BadRequest("The API has no root resource".to_owned())),
    };
    for part in path.split('/').filter(|part| !part.is_empty()) {
        path::check_part(part)?;
        let below =
            |resource: &Resource| resource.parent_id == current.id && resource.path_part.as_deref() == Some(part);
        if let Some(known) = all.iter().position(below) {
            current = all.swap_remove(known);
            continue;
        }
        resource::check_place(&current, None, part, &all)?;
        let id = cx.random().lower_alphanumeric(6);
        let resource = Resource {
            id: Some(id.clone()),
            path: Some(path::join(current.path.as_deref().unwrap_or("/"), part)),
            path_part: Some(part.to_owned()),
            parent_id: current.id,
            resource_methods: None,
        };
        place.put(tx, &id, &resource);
        current = resource;
    }
    Ok(current)
}
