//! An API as a document, and what else can be drawn from it: a model's template, the kinds of SDKs.

use super::arn;
use crate::{
    ApiGateway,
    error::Error,
    export::{self, Extensions, Form},
    store::Place,
};
use apigateway_api::*;
use execute_api::yaml;
use serde_json::Value as Json;
use service::{Context, operation};

operation! { ApiGateway, GetExport, action: "apigateway:GET" on |cx, r| arn(cx, format!("/restapis/{}/stages/{}/exports/{}", r.rest_api_id, r.stage_name, r.export_type)), handler: get }
operation! { ApiGateway, GetModelTemplate, action: "apigateway:GET" on |cx, r| arn(cx, format!("/restapis/{}/models/{}/default_template", r.rest_api_id, r.model_name)), handler: template }
operation! { ApiGateway, GetSdkType, action: "apigateway:GET" on |cx, r| arn(cx, format!("/sdktypes/{}", r.id)), handler: sdk }
operation! { ApiGateway, GetSdkTypes, action: "apigateway:GET" on |cx, _| arn(cx, "/sdktypes"), handler: sdks }

async fn get(_: &ApiGateway, cx: &Context, request: GetExportRequest) -> Result<ExportResponse, Error> {
    let form = match request.export_type.as_str() {
        "oas30" => Form::OpenApi30,
        "swagger" => Form::Swagger20,
        other => return Err(Error::BadRequest(format!("No API exporter for type '{other}'"))),
    };
    let parameters = request.parameters.unwrap_or_default();
    let mut wanted = String::new();
    for key in ["extensions", "Extensions"] {
        if let Some(text) = parameters.get(key) {
            wanted.push_str(text);
        }
    }
    if wanted.split(',').any(|one| one.trim() == "postman") {
        return Err(Error::NotImplemented("Postman's extensions are not implemented.".to_owned()));
    }
    let as_yaml = match request.accepts.as_deref() {
        None | Some("" | "application/json" | "*/*") => false,
        Some("application/yaml") => true,
        Some(other) => return Err(Error::BadRequest(format!("No API exporter for content type '{other}'"))),
    };
    let snapshot = cx.store().snapshot();
    let place = Place::new(cx, &request.rest_api_id);
    let stage: Stage = place.get(&snapshot, &request.stage_name)?;
    let deployment = stage.deployment_id.unwrap_or_default();
    let definition = place.snapshot(&snapshot, &deployment)?;
    let definition = definition.ok_or_else(|| Error::NotFound("Invalid Deployment identifier specified".to_owned()))?;
    let now = cx.now().datetime().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let whereabouts = export::Place {
        api: &request.rest_api_id,
        region: cx.region(),
        stage: &request.stage_name,
        version: now.clone(),
    };
    let document = export::write(&definition, form, Extensions::parse(&wanted), &whereabouts);
    let (body, ending) = match as_yaml {
        true => (yaml::write(&document), "yaml"),
        false => (serde_json::to_string_pretty(&document).unwrap_or_default(), "json"),
    };
    let name = format!("{}_{now}.{ending}", request.export_type);
    Ok(ExportResponse {
        content_type: Some("application/octet-stream".to_owned()),
        content_disposition: Some(format!("attachment; filename=\"{name}\"")),
        body: Some(body.into()),
    })
}

/// A template that copies what a model describes.
async fn template(_: &ApiGateway, cx: &Context, request: GetModelTemplateRequest) -> Result<Template, Error> {
    let place = Place::new(cx, &request.rest_api_id);
    let model: Model = place.get(&cx.store().snapshot(), &request.model_name)?;
    let schema: Json = serde_json::from_str(model.schema.as_deref().unwrap_or("{}")).unwrap_or_default();
    Ok(Template { value: Some(format!("#set($inputRoot = $input.path('$'))\n{}", sample(&schema, "$inputRoot", 0))) })
}

fn sample(schema: &Json, path: &str, depth: usize) -> String {
    let pad = "  ".repeat(depth + 1);
    match schema["type"].as_str() {
        Some("object") if schema["properties"].is_object() => {
            let members = schema["properties"].as_object().into_iter().flatten();
            let members: Vec<String> = members
                .map(|(name, inner)| {
                    format!("{pad}\"{name}\" : {}", sample(inner, &format!("{path}.{name}"), depth + 1))
                })
                .collect();
            format!("{{\n{}\n{}}}", members.join(",\n"), "  ".repeat(depth))
        }
        Some("array") => {
            let inner = sample(&schema["items"], "$elem", depth + 1);
            format!(
                "[\n#foreach($elem in {path})\n{pad}{inner}#if($foreach.hasNext),#end\n#end\n{}]",
                "  ".repeat(depth)
            )
        }
        Some("string") => format!("\"{path}\""),
        Some("integer" | "number" | "boolean") => path.to_owned(),
        _ => "{ }".to_owned(),
    }
}

/// The kinds of SDKs that API Gateway knows. None is generated here.
const SDKS: [(&str, &str, &str); 5] = [
    ("android", "Android", "This SDK is used to invoke your API from an Android app."),
    (
        "ios-objective-c",
        "iOS (Objective-C)",
        "This SDK is used to invoke your API from an iOS app written in Objective-C.",
    ),
    ("ios-swift", "iOS (Swift)", "This SDK is used to invoke your API from an iOS app written in Swift."),
    ("java", "Java", "This SDK is used to invoke your API from a Java app."),
    ("javascript", "JavaScript", "This SDK is used to invoke your API from a JavaScript app."),
];

fn sdk_type((id, name, description): (&str, &str, &str)) -> SdkType {
    SdkType {
        id: Some(id.to_owned()),
        friendly_name: Some(name.to_owned()),
        description: Some(description.to_owned()),
        configuration_properties: Some(Vec::new()),
    }
}

async fn sdk(_: &ApiGateway, _: &Context, request: GetSdkTypeRequest) -> Result<SdkType, Error> {
    let found = SDKS.into_iter().find(|(id, ..)| *id == request.id);
    found.map(sdk_type).ok_or_else(|| Error::NotFound("Invalid SDK type identifier specified".to_owned()))
}

async fn sdks(_: &ApiGateway, _: &Context, _: GetSdkTypesRequest) -> Result<SdkTypes, Error> {
    Ok(SdkTypes { position: None, items: Some(SDKS.into_iter().map(sdk_type).collect()) })
}
