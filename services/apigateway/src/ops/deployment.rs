//! Deployments: an API frozen as it was.

use super::{arn, now, stage};
use crate::{
    ApiGateway,
    definition::Definition,
    error::Error,
    patch::{self, Paths, Slot},
    store::Place,
};
use apigateway_api::*;
use service::{Context, operation};
use std::collections::BTreeMap;

operation! { ApiGateway, CreateDeployment, action: "apigateway:POST" on |cx, r| arn(cx, format!("/restapis/{}/deployments", r.rest_api_id)), handler: create }
operation! { ApiGateway, GetDeployment, action: "apigateway:GET" on |cx, r| arn(cx, format!("/restapis/{}/deployments/{}", r.rest_api_id, r.deployment_id)), handler: get }
operation! { ApiGateway, GetDeployments, action: "apigateway:GET" on |cx, r| arn(cx, format!("/restapis/{}/deployments", r.rest_api_id)), handler: list }
operation! { ApiGateway, UpdateDeployment, action: "apigateway:PATCH" on |cx, r| arn(cx, format!("/restapis/{}/deployments/{}", r.rest_api_id, r.deployment_id)), handler: update }
operation! { ApiGateway, DeleteDeployment, action: "apigateway:DELETE" on |cx, r| arn(cx, format!("/restapis/{}/deployments/{}", r.rest_api_id, r.deployment_id)), handler: delete }

async fn create(_: &ApiGateway, cx: &Context, request: CreateDeploymentRequest) -> Result<Deployment, Error> {
    stage::check_variables(request.variables.as_ref())?;
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.rest_api_id);
        let definition = place.definition(tx)?;
        check(&definition)?;
        let id = cx.random().lower_alphanumeric(6);
        let deployment = Deployment {
            id: Some(id.clone()),
            description: request.description,
            created_date: Some(now(cx)),
            api_summary: None,
        };
        place.put(tx, &id, &deployment);
        place.put_snapshot(tx, &id, &definition)?;
        if let Some(name) = request.stage_name.filter(|name| !name.is_empty()) {
            stage::check_name(&name)?;
            let old: Option<Stage> = place.find(tx, &name)?;
            let mut stage = match old {
                Some(stage) => stage,
                None => stage::new(cx, &name),
            };
            match request.canary_settings {
                Some(canary) if stage.deployment_id.is_some() => {
                    stage.canary_settings = Some(CanarySettings {
                        deployment_id: Some(id),
                        percent_traffic: canary.percent_traffic,
                        stage_variable_overrides: canary.stage_variable_overrides,
                        use_stage_cache: Some(canary.use_stage_cache.unwrap_or(false)),
                    });
                }
                Some(_) => {
                    let message = "Invalid stage identifier specified: a canary needs a stage that has a deployment";
                    return Err(Error::BadRequest(message.to_owned()));
                }
                None => stage.deployment_id = Some(id),
            }
            stage::set_cache(&mut stage, request.cache_cluster_enabled, request.cache_cluster_size);
            stage.last_updated_date = Some(now(cx));
            stage.description = request.stage_description.or(stage.description);
            stage.tracing_enabled = request.tracing_enabled.or(stage.tracing_enabled);
            stage.variables = request.variables.or(stage.variables);
            place.put(tx, &name, &stage);
        }
        Ok(deployment)
    })
}

/// Only an API with methods, each with an integration, can be deployed.
fn check(definition: &Definition) -> Result<(), Error> {
    let mut methods = definition
        .resources
        .iter()
        .filter_map(|resource| resource.resource_methods.as_ref())
        .flat_map(BTreeMap::values)
        .peekable();
    if methods.peek().is_none() {
        return Err(Error::BadRequest("The REST API doesn't contain any methods".to_owned()));
    }
    if methods.any(|method| method.method_integration.is_none()) {
        return Err(Error::BadRequest("No integration defined for method".to_owned()));
    }
    Ok(())
}

async fn get(_: &ApiGateway, cx: &Context, request: GetDeploymentRequest) -> Result<Deployment, Error> {
    let place = Place::new(cx, &request.rest_api_id);
    let snapshot = cx.store().snapshot();
    let mut deployment: Deployment = place.get(&snapshot, &request.deployment_id)?;
    if request.embed.is_some_and(|embed| embed.iter().any(|name| name == "apisummary")) {
        deployment.api_summary = place.snapshot(&snapshot, &request.deployment_id)?.map(|frozen| summary(&frozen));
    }
    Ok(deployment)
}

fn summary(definition: &Definition) -> BTreeMap<String, BTreeMap<String, MethodSnapshot>> {
    let methods = |resource: &Resource| {
        let methods = resource.resource_methods.iter().flatten().map(|(name, method)| {
            let snapshot = MethodSnapshot {
                authorization_type: method.authorization_type.clone(),
                api_key_required: method.api_key_required,
            };
            (name.clone(), snapshot)
        });
        Some((resource.path.clone()?, methods.collect::<BTreeMap<_, _>>())).filter(|(_, methods)| !methods.is_empty())
    };
    definition.resources.iter().filter_map(methods).collect()
}

async fn list(_: &ApiGateway, cx: &Context, request: GetDeploymentsRequest) -> Result<Deployments, Error> {
    let place = Place::new(cx, &request.rest_api_id);
    let (items, position) = place.page(&cx.store().snapshot(), request.position.as_deref(), request.limit)?;
    Ok(Deployments { items: Some(items), position })
}

fn slot<'a>(deployment: &'a mut Deployment, path: &[&str]) -> Option<Slot<'a>> {
    (path == ["description"]).then_some(Slot::Text(&mut deployment.description))
}

async fn update(_: &ApiGateway, cx: &Context, request: UpdateDeploymentRequest) -> Result<Deployment, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.rest_api_id);
        let mut deployment: Deployment = place.get(tx, &request.deployment_id)?;
        let operations = request.patch_operations.as_deref().unwrap_or_default();
        patch::apply(&mut deployment, operations, &Paths::members(&["/description"]), slot)?;
        place.put(tx, &request.deployment_id, &deployment);
        Ok(deployment)
    })
}

async fn delete(_: &ApiGateway, cx: &Context, request: DeleteDeploymentRequest) -> Result<wire::Unit, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.rest_api_id);
        place.get::<Deployment>(tx, &request.deployment_id)?;
        let stages: Vec<Stage> = place.all(tx)?;
        let serves = |stage: &Stage| {
            let canary = stage.canary_settings.as_ref().and_then(|canary| canary.deployment_id.as_ref());
            stage.deployment_id.as_ref() == Some(&request.deployment_id) || canary == Some(&request.deployment_id)
        };
        if stages.iter().any(serves) {
            let message = "Active stages pointing to this deployment must be moved or deleted";
            return Err(Error::BadRequest(message.to_owned()));
        }
        place.delete::<Deployment>(tx, &request.deployment_id);
        place.delete_snapshot(tx, &request.deployment_id);
        Ok(wire::Unit::default())
    })
}
