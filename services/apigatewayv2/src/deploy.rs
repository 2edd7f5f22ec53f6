//! Deployments: an API frozen as it is, and the stages that follow every change.

use crate::{error::Error, store::Place};
use apigatewayv2_api::{Deployment, DeploymentStatus, Stage};
use service::{Context, Transaction};

/// Freezes the API as it stands.
pub fn freeze(
    cx: &Context,
    place: Place<'_>,
    tx: &mut Transaction<'_>,
    description: Option<String>,
    automatic: bool,
) -> Result<Deployment, Error> {
    let definition = place.definition(tx)?;
    if definition.routes.is_empty() && !automatic {
        return crate::error::bad("At least one route is required before deploying the Api.");
    }
    let id = cx.random().lower_alphanumeric(6);
    let deployment = Deployment {
        deployment_id: Some(id.clone()),
        description,
        created_date: Some(now(cx)),
        auto_deployed: Some(automatic),
        deployment_status: Some(DeploymentStatus::Deployed),
        deployment_status_message: None,
    };
    place.put(tx, &id, &deployment);
    place.put_snapshot(tx, &id, &definition)?;
    Ok(deployment)
}

/// Lets a stage serve a deployment.
pub fn point(cx: &Context, stage: &mut Stage, deployment: &str) {
    stage.deployment_id = Some(deployment.to_owned());
    stage.last_updated_date = Some(now(cx));
    if stage.auto_deploy == Some(true) {
        let message = format!("Successfully deployed stage with deployment ID '{deployment}'");
        stage.last_deployment_status_message = Some(message);
    }
}

/// To be called after every change of an API: stages that deploy by themselves do it now.
pub fn changed(cx: &Context, place: Place<'_>, tx: &mut Transaction<'_>) -> Result<(), Error> {
    let mut stages: Vec<Stage> = place.all(tx)?;
    stages.retain(|stage| stage.auto_deploy == Some(true));
    if stages.is_empty() {
        return Ok(());
    }
    let description = Some("Automatic deployment triggered by changes to the Api configuration".to_owned());
    let deployment = freeze(cx, place, tx, description, true)?;
    let id = deployment.deployment_id.unwrap_or_default();
    for mut stage in stages {
        point(cx, &mut stage, &id);
        place.put(tx, &stage.stage_name.clone(), &stage);
    }
    Ok(())
}

/// The time in whole seconds, as the API tells it.
pub fn now(cx: &Context) -> wire::Timestamp {
    wire::Timestamp::from_secs(cx.now().secs())
}
