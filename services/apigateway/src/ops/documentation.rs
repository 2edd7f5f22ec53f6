//! Documentation parts, what they are about, and the versions of them. A version keeps the parts as they were.

use super::{arn, now};
use crate::{
    ApiGateway,
    error::Error,
    patch::{self, Paths, Slot},
    store::{Place, Reader},
};
use apigateway_api::*;
use service::{Context, Transaction, operation};

operation! { ApiGateway, CreateDocumentationPart, action: "apigateway:POST" on |cx, r| arn(cx, format!("/restapis/{}/documentation/parts", r.rest_api_id)), handler: create }
operation! { ApiGateway, GetDocumentationPart, action: "apigateway:GET" on |cx, r| arn(cx, format!("/restapis/{}/documentation/parts/{}", r.rest_api_id, r.documentation_part_id)), handler: get }
operation! { ApiGateway, GetDocumentationParts, action: "apigateway:GET" on |cx, r| arn(cx, format!("/restapis/{}/documentation/parts", r.rest_api_id)), handler: list }
operation! { ApiGateway, UpdateDocumentationPart, action: "apigateway:PATCH" on |cx, r| arn(cx, format!("/restapis/{}/documentation/parts/{}", r.rest_api_id, r.documentation_part_id)), handler: update }
operation! { ApiGateway, DeleteDocumentationPart, action: "apigateway:DELETE" on |cx, r| arn(cx, format!("/restapis/{}/documentation/parts/{}", r.rest_api_id, r.documentation_part_id)), handler: delete }
operation! { ApiGateway, ImportDocumentationParts, action: "apigateway:PUT" on |cx, r| arn(cx, format!("/restapis/{}/documentation/parts", r.rest_api_id)), handler: import }
operation! { ApiGateway, CreateDocumentationVersion, action: "apigateway:POST" on |cx, r| arn(cx, format!("/restapis/{}/documentation/versions", r.rest_api_id)), handler: create_version }
operation! { ApiGateway, GetDocumentationVersion, action: "apigateway:GET" on |cx, r| arn(cx, format!("/restapis/{}/documentation/versions/{}", r.rest_api_id, r.documentation_version)), handler: get_version }
operation! { ApiGateway, GetDocumentationVersions, action: "apigateway:GET" on |cx, r| arn(cx, format!("/restapis/{}/documentation/versions", r.rest_api_id)), handler: list_versions }
operation! { ApiGateway, UpdateDocumentationVersion, action: "apigateway:PATCH" on |cx, r| arn(cx, format!("/restapis/{}/documentation/versions/{}", r.rest_api_id, r.documentation_version)), handler: update_version }
operation! { ApiGateway, DeleteDocumentationVersion, action: "apigateway:DELETE" on |cx, r| arn(cx, format!("/restapis/{}/documentation/versions/{}", r.rest_api_id, r.documentation_version)), handler: delete_version }

async fn create(
    _: &ApiGateway,
    cx: &Context,
    request: CreateDocumentationPartRequest,
) -> Result<DocumentationPart, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.rest_api_id);
        place.api(tx)?;
        let location = complete(request.location)?;
        check_properties(&request.properties)?;
        if same_place(place, tx, &location)?.is_some() {
            return Err(Error::Conflict("Documentation part already exists for the specified location".to_owned()));
        }
        let id = cx.random().lower_alphanumeric(6);
        let part =
            DocumentationPart { id: Some(id.clone()), location: Some(location), properties: Some(request.properties) };
        place.put(tx, &id, &part);
        Ok(part)
    })
}

/// A location with the defaults of what it may name; it may name nothing else.
fn complete(location: DocumentationPartLocation) -> Result<DocumentationPartLocation, Error> {
    use DocumentationPartType as Type;
    let kind = location.r#type.clone();
    let (path, method, status, name) = match kind {
        Type::Api => (false, false, false, false),
        Type::Authorizer | Type::Model => (false, false, false, true),
        Type::Resource => (true, false, false, false),
        Type::Method | Type::RequestBody => (true, true, false, false),
        Type::PathParameter | Type::QueryParameter | Type::RequestHeader => (true, true, false, true),
        Type::Response | Type::ResponseBody => (true, true, true, false),
        Type::ResponseHeader => (true, true, true, true),
        Type::Unknown(_) => return Err(Error::BadRequest("Invalid documentation part type specified".to_owned())),
    };
    let field = |allowed: bool, given: Option<String>, default: &str, label: &str| match (allowed, given) {
        (true, given) => Ok(given.or_else(|| Some(default.to_owned())).filter(|value| !value.is_empty())),
        (false, None) => Ok(None),
        (false, Some(_)) => {
            let message = format!("Unsupported location field '{label}' for documentation part type {}", kind.as_str());
            Err(Error::BadRequest(message))
        }
    };
    let made = DocumentationPartLocation {
        path: field(path, location.path, "/", "path")?,
        method: field(method, location.method, "*", "method")?,
        status_code: field(status, location.status_code, "*", "statusCode")?,
        name: field(name, location.name, "", "name")?,
        r#type: kind.clone(),
    };
    if name && made.name.is_none() {
        let message = format!("Documentation part type {} requires a name", kind.as_str());
        return Err(Error::BadRequest(message));
    }
    Ok(made)
}

fn check_properties(properties: &str) -> Result<(), Error> {
    if properties.is_empty() {
        return Err(Error::BadRequest("Documentation part properties must be non-empty".to_owned()));
    }
    match serde_json::from_str::<serde_json::Value>(properties) {
        Ok(properties) if properties.is_object() => Ok(()),
        _ => Err(Error::BadRequest("Documentation part properties must be a JSON object".to_owned())),
    }
}

fn same_place(
    place: Place<'_>,
    reader: &mut impl Reader,
    location: &DocumentationPartLocation,
) -> Result<Option<DocumentationPart>, Error> {
    let known: Vec<DocumentationPart> = place.all(reader)?;
    Ok(known.into_iter().find(|part| part.location.as_ref() == Some(location)))
}

async fn get(_: &ApiGateway, cx: &Context, request: GetDocumentationPartRequest) -> Result<DocumentationPart, Error> {
    Place::new(cx, &request.rest_api_id).get(&cx.store().snapshot(), &request.documentation_part_id)
}

async fn list(
    _: &ApiGateway,
    cx: &Context,
    request: GetDocumentationPartsRequest,
) -> Result<DocumentationParts, Error> {
    let place = Place::new(cx, &request.rest_api_id);
    let snapshot = cx.store().snapshot();
    place.api(&snapshot)?;
    let wanted = |part: &DocumentationPart| {
        let Some(location) = &part.location else { return false };
        let path = location.path.as_deref().unwrap_or_default();
        let name = location.name.as_deref().unwrap_or_default();
        request.r#type.as_ref().is_none_or(|kind| *kind == location.r#type)
            && request.path.as_deref().is_none_or(|prefix| path.starts_with(prefix))
            && request.name_query.as_deref().is_none_or(|query| name.contains(query))
    };
    let (items, position) = place.page_where(&snapshot, "", request.position.as_deref(), request.limit, wanted)?;
    Ok(DocumentationParts { items: Some(items), position })
}

async fn update(
    _: &ApiGateway,
    cx: &Context,
    request: UpdateDocumentationPartRequest,
) -> Result<DocumentationPart, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.rest_api_id);
        let mut part: DocumentationPart = place.get(tx, &request.documentation_part_id)?;
        let operations = request.patch_operations.as_deref().unwrap_or_default();
        patch::apply(&mut part, operations, &Paths::members(&["/properties"]), |part, path| {
            (path == ["properties"]).then_some(Slot::Text(&mut part.properties))
        })?;
        check_properties(part.properties.as_deref().unwrap_or_default())?;
        place.put(tx, &request.documentation_part_id, &part);
        Ok(part)
    })
}

async fn delete(_: &ApiGateway, cx: &Context, request: DeleteDocumentationPartRequest) -> Result<wire::Unit, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.rest_api_id);
        place.get::<DocumentationPart>(tx, &request.documentation_part_id)?;
        place.delete::<DocumentationPart>(tx, &request.documentation_part_id);
        Ok(wire::Unit::default())
    })
}

/// The parts of a document's `x-amazon-apigateway-documentation`.
async fn import(
    _: &ApiGateway,
    cx: &Context,
    request: ImportDocumentationPartsRequest,
) -> Result<DocumentationPartIds, Error> {
    let document = execute_api::yaml::read(&request.body);
    let document = document.map_err(|reason| Error::BadRequest(format!("Invalid OpenAPI input: {reason}")))?;
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.rest_api_id);
        place.api(tx)?;
        if request.mode == Some(PutMode::Overwrite) {
            place.delete_all::<DocumentationPart>(tx)?;
        }
        let ids = import_parts(cx, place, tx, &document)?;
        Ok(DocumentationPartIds { ids: Some(ids), warnings: Some(Vec::new()) })
    })
}

/// Puts a document's parts beside those that are there, or over them.
pub fn import_parts(
    cx: &Context,
    place: Place<'_>,
    tx: &mut Transaction<'_>,
    document: &serde_json::Value,
) -> Result<Vec<String>, Error> {
    let parts = document["x-amazon-apigateway-documentation"]["documentationParts"].as_array();
    let mut ids = Vec::new();
    for part in parts.into_iter().flatten() {
        let invalid = |_| Error::BadRequest("Invalid documentation part specified".to_owned());
        let location: DocumentationPartLocation = crate::store::from_json(&part["location"]).map_err(invalid)?;
        let location = complete(location)?;
        let known = same_place(place, tx, &location)?;
        let id = known.and_then(|known| known.id).unwrap_or_else(|| cx.random().lower_alphanumeric(6));
        let properties = Some(part["properties"].to_string());
        place.put(tx, &id, &DocumentationPart { id: Some(id.clone()), location: Some(location), properties });
        ids.push(id);
    }
    Ok(ids)
}

async fn create_version(
    _: &ApiGateway,
    cx: &Context,
    request: CreateDocumentationVersionRequest,
) -> Result<DocumentationVersion, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.rest_api_id);
        place.api(tx)?;
        let name = request.documentation_version;
        if place.find::<DocumentationVersion>(tx, &name)?.is_some() {
            return Err(Error::Conflict(format!("Documentation version {name} already exists")));
        }
        let parts: Vec<DocumentationPart> = place.all(tx)?;
        if parts.is_empty() {
            return Err(Error::BadRequest("No documentation parts exist for the API".to_owned()));
        }
        let version = DocumentationVersion {
            version: Some(name.clone()),
            created_date: Some(now(cx)),
            description: request.description,
        };
        place.put(tx, &name, &version);
        place.put_documented(tx, &name, &parts)?;
        if let Some(stage) = request.stage_name {
            let changed = Stage { documentation_version: Some(name), ..place.get(tx, &stage)? };
            place.put(tx, &stage, &changed);
        }
        Ok(version)
    })
}

async fn get_version(
    _: &ApiGateway,
    cx: &Context,
    request: GetDocumentationVersionRequest,
) -> Result<DocumentationVersion, Error> {
    Place::new(cx, &request.rest_api_id).get(&cx.store().snapshot(), &request.documentation_version)
}

async fn list_versions(
    _: &ApiGateway,
    cx: &Context,
    request: GetDocumentationVersionsRequest,
) -> Result<DocumentationVersions, Error> {
    let place = Place::new(cx, &request.rest_api_id);
    let (items, position) = place.page(&cx.store().snapshot(), request.position.as_deref(), request.limit)?;
    Ok(DocumentationVersions { items: Some(items), position })
}

async fn update_version(
    _: &ApiGateway,
    cx: &Context,
    request: UpdateDocumentationVersionRequest,
) -> Result<DocumentationVersion, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.rest_api_id);
        let mut version: DocumentationVersion = place.get(tx, &request.documentation_version)?;
        let operations = request.patch_operations.as_deref().unwrap_or_default();
        patch::apply(&mut version, operations, &Paths::members(&["/description"]), |version, path| {
            (path == ["description"]).then_some(Slot::Text(&mut version.description))
        })?;
        place.put(tx, &request.documentation_version, &version);
        Ok(version)
    })
}

async fn delete_version(
    _: &ApiGateway,
    cx: &Context,
    request: DeleteDocumentationVersionRequest,
) -> Result<wire::Unit, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.rest_api_id);
        place.get::<DocumentationVersion>(tx, &request.documentation_version)?;
        place.delete::<DocumentationVersion>(tx, &request.documentation_version);
        place.delete_documented(tx, &request.documentation_version);
        Ok(wire::Unit::default())
    })
}
