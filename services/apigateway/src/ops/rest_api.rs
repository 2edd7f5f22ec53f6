//! REST APIs themselves.

use super::{arn, base_path_mapping, now, usage_plan};
use crate::{
    ApiGateway,
    error::Error,
    patch::{self, Paths, Slot},
    store::{Place, apis},
};
use ::store::Transaction;
use apigateway_api::*;
use service::{Context, check_tags, operation};
use std::collections::BTreeMap;

operation! { ApiGateway, CreateRestApi, action: "apigateway:POST" on |cx, _| arn(cx, "/restapis"), handler: create }
operation! { ApiGateway, GetRestApi, action: "apigateway:GET" on |cx, r| arn(cx, format!("/restapis/{}", r.rest_api_id)), handler: get }
operation! { ApiGateway, GetRestApis, action: "apigateway:GET" on |cx, _| arn(cx, "/restapis"), handler: list }
operation! { ApiGateway, UpdateRestApi, action: "apigateway:PATCH" on |cx, r| arn(cx, format!("/restapis/{}", r.rest_api_id)), handler: update }
operation! { ApiGateway, DeleteRestApi, action: "apigateway:DELETE" on |cx, r| arn(cx, format!("/restapis/{}", r.rest_api_id)), handler: delete }

/// The models that every API has from the start.
const EMPTY_MODEL: &str = "{\n  \"$schema\": \"http://json-schema.org/draft-04/schema#\",\n  \"title\" : \"Empty Schema\",\n  \"type\" : \"object\"\n}";
const ERROR_MODEL: &str = "{\n  \"$schema\" : \"http://json-schema.org/draft-04/schema#\",\n  \"title\" : \"Error Schema\",\n  \"type\" : \"object\",\n  \"properties\" : {\n    \"message\" : { \"type\" : \"string\" }\n  }\n}";

async fn create(_: &ApiGateway, cx: &Context, request: CreateRestApiRequest) -> Result<RestApi, Error> {
    cx.store().write(|tx| create_in(cx, tx, request))
}

/// Makes an API with what every new one has.
pub fn create_in(cx: &Context, tx: &mut Transaction<'_>, request: CreateRestApiRequest) -> Result<RestApi, Error> {
    if request.name.trim().is_empty() {
        return Err(Error::BadRequest("Invalid API name specified".to_owned()));
    }
    check_api_tags(request.tags.as_ref())?;
    check_policy(request.policy.as_deref())?;
    check_compression(request.minimum_compression_size)?;
    if request.endpoint_access_mode.is_some() {
        return Err(Error::NotImplemented("Endpoint access modes are not implemented.".to_owned()));
    }
    let id = cx.random().lower_alphanumeric(10);
    let root = cx.random().lower_alphanumeric(10);
    let api = RestApi {
        id: Some(id.clone()),
        name: Some(request.name),
        description: request.description,
        created_date: Some(now(cx)),
        version: request.version,
        binary_media_types: request.binary_media_types,
        minimum_compression_size: request.minimum_compression_size,
        api_key_source: Some(request.api_key_source.unwrap_or(ApiKeySourceType::Header)),
        endpoint_configuration: Some(endpoint(request.endpoint_configuration)?),
        policy: request.policy,
        tags: request.tags,
        disable_execute_api_endpoint: Some(request.disable_execute_api_endpoint.unwrap_or(false)),
        root_resource_id: Some(root.clone()),
        security_policy: request.security_policy,
        api_status: Some(ApiStatus::Available),
        ..RestApi::default()
    };
    let place = Place::new(cx, &id);
    if let Some(source) = &request.clone_from {
        return copy(place, Place::new(cx, source), tx, api);
    }
    place.put_api(tx, &api);
    let resource = Resource { id: Some(root.clone()), path: Some("/".to_owned()), ..Resource::default() };
    place.put(tx, &root, &resource);
    let defaults = [
        ("Empty", "This is a default empty schema model", EMPTY_MODEL),
        ("Error", "This is a default error schema model", ERROR_MODEL),
    ];
    for (name, description, schema) in defaults {
        let model = Model {
            id: Some(cx.random().lower_alphanumeric(6)),
            name: Some(name.to_owned()),
            description: Some(description.to_owned()),
            schema: Some(schema.to_owned()),
            content_type: Some("application/json".to_owned()),
        };
        place.put(tx, name, &model);
    }
    Ok(reply(api))
}

/// A new API with the resources, models, validators and responses of another.
fn copy(place: Place<'_>, source: Place<'_>, tx: &mut Transaction<'_>, api: RestApi) -> Result<RestApi, Error> {
    let original = source.definition(tx)?;
    let api = RestApi {
        root_resource_id: original.api.root_resource_id,
        binary_media_types: api.binary_media_types.or(original.api.binary_media_types),
        policy: api.policy.or(original.api.policy),
        ..api
    };
    place.put_api(tx, &api);
    for resource in &original.resources {
        place.put(tx, resource.id.as_deref().unwrap_or_default(), resource);
    }
    for model in &original.models {
        place.put(tx, model.name.as_deref().unwrap_or_default(), model);
    }
    for validator in &original.validators {
        place.put(tx, validator.id.as_deref().unwrap_or_default(), validator);
    }
    for authorizer in &original.authorizers {
        place.put(tx, authorizer.id.as_deref().unwrap_or_default(), authorizer);
    }
    for response in &original.responses {
        place.put(tx, response.response_type.as_ref().map_or("", |name| name.as_str()), response);
    }
    Ok(reply(api))
}

fn endpoint(configuration: Option<EndpointConfiguration>) -> Result<EndpointConfiguration, Error> {
    let mut configuration = configuration.unwrap_or_default();
    let types = configuration.types.get_or_insert_with(|| vec![EndpointType::Edge]);
    if types.len() != 1 {
        return Err(Error::BadRequest("Only a single endpoint type is allowed".to_owned()));
    }
    if types.contains(&EndpointType::Private) {
        return Err(Error::NotImplemented("Private endpoints are not implemented.".to_owned()));
    }
    configuration.ip_address_type.get_or_insert(IpAddressType::Ipv4);
    Ok(configuration)
}

pub fn check_policy(policy: Option<&str>) -> Result<(), Error> {
    let Some(policy) = policy.filter(|policy| !policy.is_empty()) else { return Ok(()) };
    let object = serde_json::from_str::<serde_json::Value>(policy).is_ok_and(|policy| policy.is_object());
    if object {
        Ok(())
    } else {
        Err(Error::BadRequest(
            "Invalid policy document. Please check the policy syntax and ensure that Principals are valid.".to_owned(),
        ))
    }
}

fn check_compression(size: Option<i32>) -> Result<(), Error> {
    match size {
        None | Some(-1..=10_485_760) => Ok(()),
        Some(_) => {
            Err(Error::BadRequest("Invalid minimum compression size, must be between 0 and 10485760".to_owned()))
        }
    }
}

pub fn check_api_tags(tags: Option<&BTreeMap<String, String>>) -> Result<(), Error> {
    let tags = tags.into_iter().flatten().map(|(key, value)| (key.as_str(), value.as_str()));
    check_tags(tags).map_err(|_| Error::BadRequest("Invalid tags specified".to_owned()))
}

/// An API as the control plane shows it: its policy with the quotes escaped, as AWS does.
pub fn reply(mut api: RestApi) -> RestApi {
    api.policy = api.policy.map(|policy| policy.replace('\\', "\\\\").replace('"', "\\\""));
    api
}

async fn get(_: &ApiGateway, cx: &Context, request: GetRestApiRequest) -> Result<RestApi, Error> {
    Place::new(cx, &request.rest_api_id).api(&cx.store().snapshot()).map(reply)
}

async fn list(_: &ApiGateway, cx: &Context, request: GetRestApisRequest) -> Result<RestApis, Error> {
    let (items, position) = apis(cx, &cx.store().snapshot(), request.position.as_deref(), request.limit)?;
    Ok(RestApis { items: Some(items.into_iter().map(reply).collect()), position })
}

const PATHS: &Paths = &Paths {
    add: &["/binaryMediaTypes/{media_type}"],
    replace: &[
        "/name",
        "/description",
        "/policy",
        "/apiKeySource",
        "/binaryMediaTypes/{media_type}",
        "/disableExecuteApiEndpoint",
        "/endpointConfiguration/ipAddressType",
        "/endpointConfiguration/types/{type}",
        "/minimumCompressionSize",
    ],
    remove: &["/binaryMediaTypes/{media_type}"],
};

fn slot<'a>(api: &'a mut RestApi, path: &[&str]) -> Option<Slot<'a>> {
    Some(match path {
        ["name"] => Slot::Text(&mut api.name),
        ["description"] => Slot::Text(&mut api.description),
        ["policy"] => Slot::Text(&mut api.policy),
        ["apiKeySource"] => Slot::Set(Box::new(|value| {
            let source = ApiKeySourceType::from(value.unwrap_or("HEADER"));
            let known = matches!(source, ApiKeySourceType::Header | ApiKeySourceType::Authorizer);
            api.api_key_source = Some(source);
            known
        })),
        ["binaryMediaTypes", media_type] => Slot::Element(&mut api.binary_media_types, (*media_type).to_owned()),
        ["disableExecuteApiEndpoint"] => Slot::Flag(&mut api.disable_execute_api_endpoint),
        ["minimumCompressionSize"] => Slot::Set(Box::new(|value| {
            // Without a value nothing is compressed any more.
            let size = value.filter(|value| !value.is_empty()).map(str::parse);
            api.minimum_compression_size = size.clone().and_then(Result::ok);
            size.is_none_or(|size| size.is_ok())
        })),
        ["endpointConfiguration", "ipAddressType"] => Slot::Set(Box::new(|value| {
            let r#type = IpAddressType::from(value.unwrap_or_default());
            let known = !matches!(r#type, IpAddressType::Unknown(_));
            api.endpoint_configuration.get_or_insert_default().ip_address_type = Some(r#type);
            known
        })),
        ["endpointConfiguration", "types", ..] => Slot::Set(Box::new(|value| {
            let r#type = EndpointType::from(value.unwrap_or_default());
            let known = matches!(r#type, EndpointType::Edge | EndpointType::Regional);
            api.endpoint_configuration.get_or_insert_default().types = Some(vec![r#type]);
            known
        })),
        _ => return None,
    })
}

async fn update(_: &ApiGateway, cx: &Context, request: UpdateRestApiRequest) -> Result<RestApi, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.rest_api_id);
        let mut api = place.api(tx)?;
        patch::apply(&mut api, request.patch_operations.as_deref().unwrap_or_default(), PATHS, slot)?;
        if api.name.as_deref().unwrap_or_default().trim().is_empty() {
            return Err(Error::BadRequest("Invalid API name specified".to_owned()));
        }
        check_policy(api.policy.as_deref())?;
        check_compression(api.minimum_compression_size)?;
        api.policy = api.policy.filter(|policy| !policy.is_empty());
        place.put_api(tx, &api);
        Ok(reply(api))
    })
}

async fn delete(_: &ApiGateway, cx: &Context, request: DeleteRestApiRequest) -> Result<wire::Unit, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.rest_api_id);
        place.api(tx)?;
        let mapped = base_path_mapping::mapped(cx, tx, &request.rest_api_id, None)?;
        if !mapped.is_empty() {
            return Err(Error::BadRequest(format!(
                "Please remove all base path mappings related to the API in your domains: {}",
                mapped.join(", ")
            )));
        }
        usage_plan::forget(cx, tx, &request.rest_api_id, None)?;
        place.delete_api(tx)?;
        Ok(wire::Unit::default())
    })
}
