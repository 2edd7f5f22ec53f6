//! Deployments of an API.

use super::arn;
use crate::{
    ApiGatewayV2, deploy,
    error::{Error, bad},
    record::{convert, update as merge},
    store::{Paging, Place},
};
use apigatewayv2_api::*;
use service::{Context, operation};

operation! { ApiGatewayV2, CreateDeployment, action: "apigateway:POST" on |cx, r| arn(cx, format!("/apis/{}/deployments", r.api_id)), handler: create }
operation! { ApiGatewayV2, GetDeployment, action: "apigateway:GET" on |cx, r| arn(cx, format!("/apis/{}/deployments/{}", r.api_id, r.deployment_id)), handler: get }
operation! { ApiGatewayV2, GetDeployments, action: "apigateway:GET" on |cx, r| arn(cx, format!("/apis/{}/deployments", r.api_id)), handler: list }
operation! { ApiGatewayV2, UpdateDeployment, action: "apigateway:PATCH" on |cx, r| arn(cx, format!("/apis/{}/deployments/{}", r.api_id, r.deployment_id)), handler: update }
operation! { ApiGatewayV2, DeleteDeployment, action: "apigateway:DELETE" on |cx, r| arn(cx, format!("/apis/{}/deployments/{}", r.api_id, r.deployment_id)), handler: delete }

async fn create(
    _: &ApiGatewayV2,
    cx: &Context,
    request: CreateDeploymentRequest,
) -> Result<CreateDeploymentResponse, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.api_id);
        place.api(tx)?;
        let stage = match &request.stage_name {
            Some(name) => Some(place.get::<Stage>(tx, name)?),
            None => None,
        };
        if stage.as_ref().is_some_and(|stage| stage.auto_deploy == Some(true)) {
            return bad("Deployment ID cannot be set on a stage when auto-deploy is enabled");
        }
        let deployment = deploy::freeze(cx, place, tx, request.description, false)?;
        if let Some(mut stage) = stage {
            deploy::point(cx, &mut stage, deployment.deployment_id.as_deref().unwrap_or_default());
            place.put(tx, &stage.stage_name.clone(), &stage);
        }
        convert(&deployment)
    })
}

async fn get(_: &ApiGatewayV2, cx: &Context, request: GetDeploymentRequest) -> Result<GetDeploymentResponse, Error> {
    convert(&Place::new(cx, &request.api_id).get::<Deployment>(&cx.store().snapshot(), &request.deployment_id)?)
}

async fn list(_: &ApiGatewayV2, cx: &Context, request: GetDeploymentsRequest) -> Result<GetDeploymentsResponse, Error> {
    let paging = Paging { limit: request.max_results.as_deref(), token: request.next_token.as_deref() };
    let (items, next_token) = Place::new(cx, &request.api_id).page(&cx.store().snapshot(), "", paging)?;
    Ok(GetDeploymentsResponse { items: Some(items), next_token })
}

async fn update(
    _: &ApiGatewayV2,
    cx: &Context,
    request: UpdateDeploymentRequest,
) -> Result<UpdateDeploymentResponse, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.api_id);
        let old: Deployment = place.get(tx, &request.deployment_id)?;
        let deployment: Deployment = merge(&old, &request)?;
        place.put(tx, &request.deployment_id, &deployment);
        convert(&deployment)
    })
}

async fn delete(_: &ApiGatewayV2, cx: &Context, request: DeleteDeploymentRequest) -> Result<wire::Unit, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.api_id);
        place.get::<Deployment>(tx, &request.deployment_id)?;
        let stages: Vec<Stage> = place.all(tx)?;
        if stages.iter().any(|stage| stage.deployment_id.as_ref() == Some(&request.deployment_id)) {
            return bad("Active stages pointing to this deployment must be moved or deleted");
        }
        place.delete::<Deployment>(tx, &request.deployment_id);
        place.delete_snapshot(tx, &request.deployment_id);
        Ok(wire::Unit::default())
    })
}
