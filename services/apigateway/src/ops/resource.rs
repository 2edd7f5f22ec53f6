//! Resources: the paths of an API, as a tree.

use super::arn;
use crate::{
    ApiGateway,
    error::Error,
    patch::{self, Paths, Slot},
    path,
    store::Place,
};
use ::store::Transaction;
use apigateway_api::*;
use service::{Context, operation};

operation! { ApiGateway, CreateResource, action: "apigateway:POST" on |cx, r| arn(cx, format!("/restapis/{}/resources/{}", r.rest_api_id, r.parent_id)), handler: create }
operation! { ApiGateway, GetResource, action: "apigateway:GET" on |cx, r| arn(cx, format!("/restapis/{}/resources/{}", r.rest_api_id, r.resource_id)), handler: get }
operation! { ApiGateway, GetResources, action: "apigateway:GET" on |cx, r| arn(cx, format!("/restapis/{}/resources", r.rest_api_id)), handler: list }
operation! { ApiGateway, UpdateResource, action: "apigateway:PATCH" on |cx, r| arn(cx, format!("/restapis/{}/resources/{}", r.rest_api_id, r.resource_id)), handler: update }
operation! { ApiGateway, DeleteResource, action: "apigateway:DELETE" on |cx, r| arn(cx, format!("/restapis/{}/resources/{}", r.rest_api_id, r.resource_id)), handler: delete }

/// Resources that one API may have.
const MOST_RESOURCES: usize = 300;

async fn create(_: &ApiGateway, cx: &Context, request: CreateResourceRequest) -> Result<Resource, Error> {
    path::check_part(&request.path_part)?;
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.rest_api_id);
        let parent: Resource = place.get(tx, &request.parent_id)?;
        let siblings: Vec<Resource> = place.all(tx)?;
        check_place(&parent, None, &request.path_part, &siblings)?;
        let id = cx.random().lower_alphanumeric(6);
        let resource = Resource {
            id: Some(id.clone()),
            parent_id: parent.id,
            path: Some(path::join(parent.path.as_deref().unwrap_or("/"), &request.path_part)),
            path_part: Some(request.path_part),
            resource_methods: None,
        };
        place.put(tx, &id, &resource);
        Ok(resource)
    })
}

/// Whether a part may stand below a parent, beside the siblings that are there.
pub fn check_place(parent: &Resource, own: Option<&str>, part: &str, all: &[Resource]) -> Result<(), Error> {
    if own.is_none() && all.len() >= MOST_RESOURCES {
        let message = "Maximum number of resources for this API has been reached. Please contact AWS if you need \
                       additional resources.";
        return Err(Error::LimitExceeded(message.to_owned()));
    }
    let parent_part = parent.path_part.as_deref().unwrap_or_default();
    if path::is_greedy(parent_part) {
        let message = format!("Cannot create a child of a resource with a greedy path variable: {parent_part}");
        return Err(Error::BadRequest(message));
    }
    let siblings = all.iter().filter(|sibling| sibling.parent_id == parent.id && sibling.id.as_deref() != own);
    for sibling in siblings.filter_map(|sibling| sibling.path_part.as_deref()) {
        if sibling == part {
            let message = format!("Another resource with the same parent already has this name: {part}");
            return Err(Error::Conflict(message));
        }
        let both_variable = path::is_variable(sibling) && path::is_variable(part);
        if both_variable && path::is_greedy(sibling) == path::is_greedy(part) {
            let message = format!(
                "A sibling ({sibling}) of this resource already has a variable path part -- only one is allowed"
            );
            return Err(Error::BadRequest(message));
        }
    }
    Ok(())
}

/// A resource as it is shown: its methods in full, or only by name.
fn reply(mut resource: Resource, embed: Option<&[String]>) -> Resource {
    let full = embed.is_some_and(|embed| embed.iter().any(|name| name == "methods"));
    if !full && let Some(methods) = &mut resource.resource_methods {
        methods.values_mut().for_each(|method| *method = Method::default());
    }
    resource
}

async fn get(_: &ApiGateway, cx: &Context, request: GetResourceRequest) -> Result<Resource, Error> {
    let place = Place::new(cx, &request.rest_api_id);
    let resource = place.get(&cx.store().snapshot(), &request.resource_id)?;
    Ok(reply(resource, request.embed.as_deref()))
}

async fn list(_: &ApiGateway, cx: &Context, request: GetResourcesRequest) -> Result<Resources, Error> {
    let place = Place::new(cx, &request.rest_api_id);
    let (items, position) =
        place.page::<Resource>(&cx.store().snapshot(), request.position.as_deref(), request.limit)?;
    let items = items.into_iter().map(|resource| reply(resource, request.embed.as_deref())).collect();
    Ok(Resources { items: Some(items), position })
}

fn slot<'a>(resource: &'a mut Resource, path: &[&str]) -> Option<Slot<'a>> {
    match path {
        ["pathPart"] => Some(Slot::Text(&mut resource.path_part)),
        ["parentId"] => Some(Slot::Text(&mut resource.parent_id)),
        _ => None,
    }
}

async fn update(_: &ApiGateway, cx: &Context, request: UpdateResourceRequest) -> Result<Resource, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.rest_api_id);
        let mut resource: Resource = place.get(tx, &request.resource_id)?;
        if resource.parent_id.is_none() {
            return Err(Error::BadRequest(
                "Invalid Resource identifier specified: the root resource cannot change".to_owned(),
            ));
        }
        let operations = request.patch_operations.as_deref().unwrap_or_default();
        patch::apply(&mut resource, operations, &Paths::members(&["/parentId", "/pathPart"]), slot)?;
        let part = resource.path_part.clone().unwrap_or_default();
        path::check_part(&part)?;
        let all: Vec<Resource> = place.all(tx)?;
        let parent: Resource = place.get(tx, resource.parent_id.as_deref().unwrap_or_default())?;
        let moved = descendants(&all, &request.resource_id);
        if parent.id.as_ref().is_some_and(|parent| *parent == request.resource_id || moved.contains(parent)) {
            return Err(Error::BadRequest("Resources cannot be cyclic.".to_owned()));
        }
        check_place(&parent, Some(&request.resource_id), &part, &all)?;
        resource.path = Some(path::join(parent.path.as_deref().unwrap_or("/"), &part));
        place.put(tx, &request.resource_id, &resource);
        rename_below(place, tx, &all, &resource);
        Ok(reply(resource, None))
    })
}

fn rename_below(place: Place<'_>, tx: &mut Transaction<'_>, all: &[Resource], parent: &Resource) {
    for child in all.iter().filter(|child| child.parent_id == parent.id) {
        let part = child.path_part.as_deref().unwrap_or_default();
        let renamed = Resource { path: Some(path::join(parent.path.as_deref().unwrap_or("/"), part)), ..child.clone() };
        place.put(tx, child.id.as_deref().unwrap_or_default(), &renamed);
        rename_below(place, tx, all, &renamed);
    }
}

/// The ids of everything below a resource.
fn descendants(all: &[Resource], id: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![id.to_owned()];
    while let Some(parent) = open.pop() {
        for child in all.iter().filter(|child| child.parent_id.as_ref() == Some(&parent)) {
            found.extend(child.id.clone());
            open.extend(child.id.clone());
        }
    }
    found
}

async fn delete(_: &ApiGateway, cx: &Context, request: DeleteResourceRequest) -> Result<wire::Unit, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.rest_api_id);
        let resource: Resource = place.get(tx, &request.resource_id)?;
        if resource.parent_id.is_none() {
            return Err(Error::BadRequest(
                "Invalid Resource identifier specified: the root resource cannot be deleted".to_owned(),
            ));
        }
        let all: Vec<Resource> = place.all(tx)?;
        for id in descendants(&all, &request.resource_id) {
            place.delete::<Resource>(tx, &id);
        }
        place.delete::<Resource>(tx, &request.resource_id);
        Ok(wire::Unit::default())
    })
}
