//! HTTP APIs from OpenAPI documents, and documents from them.

use super::{api, arn, authorizer, integration, route};
use crate::{
    ApiGatewayV2,
    deploy::changed,
    error::{Error, bad},
    openapi::{self, Document},
    record::convert,
    store::Place,
};
use apigatewayv2_api::*;
use execute_api::yaml;
use service::{Context, Transaction, operation};
use std::collections::BTreeMap;

operation! { ApiGatewayV2, ImportApi, action: "apigateway:PUT" on |cx, _| arn(cx, "/apis"), handler: import }
operation! { ApiGatewayV2, ReimportApi, action: "apigateway:PUT" on |cx, r| arn(cx, format!("/apis/{}", r.api_id)), handler: reimport }
operation! { ApiGatewayV2, ExportApi, action: "apigateway:GET" on |cx, r| arn(cx, format!("/apis/{}/exports/{}", r.api_id, r.specification)), handler: export }

fn read(body: &str, fail_on_warnings: Option<bool>) -> Result<Document, Error> {
    let document = yaml::read(body.as_bytes());
    let document = document.map_err(|reason| Error::BadRequest(format!("Invalid OpenAPI input: {reason}")))?;
    let described = openapi::read(&document).map_err(Error::BadRequest)?;
    if fail_on_warnings == Some(true) && !described.warnings.is_empty() {
        return Err(Error::BadRequest(format!("Warnings found during import:\n\t{}", described.warnings.join("\n\t"))));
    }
    Ok(described)
}

async fn import(_: &ApiGatewayV2, cx: &Context, request: ImportApiRequest) -> Result<ImportApiResponse, Error> {
    let described = read(&request.body, request.fail_on_warnings)?;
    let made = api::new(
        cx,
        CreateApiRequest {
            name: described.title.clone(),
            description: described.description.clone(),
            version: described.version.clone(),
            protocol_type: ProtocolType::Http,
            cors_configuration: described.cors.clone(),
            tags: Some(described.tags.clone()),
            ..CreateApiRequest::default()
        },
    )?;
    let made = Api { import_info: Some(described.warnings.clone()), ..made };
    cx.store().write(|tx| {
        let id = made.api_id.clone().unwrap_or_default();
        let place = Place::new(cx, &id);
        place.put_api(tx, &made);
        apply(cx, place, tx, described)?;
        convert(&made)
    })
}

async fn reimport(_: &ApiGatewayV2, cx: &Context, request: ReimportApiRequest) -> Result<ReimportApiResponse, Error> {
    let described = read(&request.body, request.fail_on_warnings)?;
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.api_id);
        let old = place.api(tx)?;
        if old.protocol_type != ProtocolType::Http {
            return bad("Only HTTP APIs can be imported");
        }
        let new = Api {
            name: described.title.clone(),
            description: described.description.clone(),
            version: described.version.clone(),
            cors_configuration: described.cors.clone(),
            import_info: Some(described.warnings.clone()),
            ..old
        };
        api::check_api(&new)?;
        place.delete_all::<Route>(tx, "")?;
        place.delete_all::<Integration>(tx, "")?;
        place.delete_all::<Authorizer>(tx, "")?;
        place.put_api(tx, &new);
        apply(cx, place, tx, described)?;
        convert(&new)
    })
}

/// Adds what a document describes to an API.
fn apply(cx: &Context, place: Place<'_>, tx: &mut Transaction<'_>, document: Document) -> Result<(), Error> {
    let owner = place.api(tx)?;
    let mut authorizers = BTreeMap::new();
    for described in document.authorizers {
        let id = cx.random().lower_alphanumeric(6);
        let described = Authorizer { authorizer_id: Some(id.clone()), ..described };
        authorizer::check(&owner, &described)?;
        authorizers.insert(described.name.clone(), id.clone());
        place.put(tx, &id, &described);
    }
    for (mut described, target, named) in document.routes {
        if let Some(mut target) = target {
            let id = cx.random().lower_alphanumeric(7);
            target.integration_id = Some(id.clone());
            integration::complete(&owner, &mut target);
            integration::check(cx, &owner, &target)?;
            place.put(tx, &id, &target);
            described.target = Some(format!("integrations/{id}"));
        }
        let id = cx.random().lower_alphanumeric(7);
        described.route_id = Some(id.clone());
        described.authorizer_id = named.and_then(|name| authorizers.get(&name).cloned());
        route::check(place, tx, &described)?;
        place.put(tx, &id, &described);
    }
    changed(cx, place, tx)
}

async fn export(_: &ApiGatewayV2, cx: &Context, request: ExportApiRequest) -> Result<ExportApiResponse, Error> {
    if request.specification != "OAS30" {
        return bad("Invalid specification. Only OAS30 is supported");
    }
    if !matches!(request.export_version.as_deref(), None | Some("1.0")) {
        return bad("Invalid export version. Only 1.0 is supported");
    }
    let mut snapshot = cx.store().snapshot();
    let place = Place::new(cx, &request.api_id);
    if place.api(&snapshot)?.protocol_type != ProtocolType::Http {
        return bad("Only HTTP APIs can be exported");
    }
    let definition = match &request.stage_name {
        Some(name) => {
            let stage: Stage = place.get(&snapshot, name)?;
            let deployment = stage.deployment_id.unwrap_or_default();
            let missing = || Error::BadRequest("The stage has no deployment".to_owned());
            place.snapshot(&snapshot, &deployment)?.ok_or_else(missing)?
        }
        None => place.definition(&mut snapshot)?,
    };
    let extensions = request.include_extensions != Some(false);
    let document = openapi::write(&definition, cx.region(), request.stage_name.as_deref(), extensions);
    let body = match request.output_type.as_str() {
        "JSON" => serde_json::to_string_pretty(&document).unwrap_or_default(),
        "YAML" => yaml::write(&document),
        _ => return bad("Invalid output type. Valid values are JSON and YAML"),
    };
    Ok(ExportApiResponse { body: Some(body.into()) })
}
