//! An API as a document, and what else can be drawn from it: a model's template, the kinds of SDKs.

use super::arn;
use crate::{
    ApiGateway,
    error::Error,
    export::{self, Extensions, Form},
    store::{Place, Reader},
};
use apigateway_api::*;
use execute_api::{sample, yaml};
use serde_json::{Value as Json, json};
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
    let deployment = stage.deployment_id.clone().unwrap_or_default();
    let definition = place.snapshot(&snapshot, &deployment)?;
    let definition = definition.ok_or_else(|| Error::NotFound("Invalid Deployment identifier specified".to_owned()))?;
    let now = cx.now().datetime().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let whereabouts = export::Place {
        api: &request.rest_api_id,
        region: cx.region(),
        stage: &request.stage_name,
        version: now.clone(),
    };
    let extensions = Extensions::parse(&wanted);
    let mut document = export::write(&definition, form, extensions, &whereabouts);
    if let Some(version) = stage.documentation_version.as_deref().filter(|_| extensions.documentation) {
        document["x-amazon-apigateway-documentation"] = documentation(place, &snapshot, version)?;
    }
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

/// What a version of the documentation says.
fn documentation(place: Place<'_>, reader: &impl Reader, version: &str) -> Result<Json, Error> {
    let named: DocumentationVersion = place.get(reader, version)?;
    let parts = place.documented(reader, version)?.into_iter().map(|part| {
        let location = part.location.unwrap_or_default();
        let fields = [
            ("type", Some(location.r#type.as_str().to_owned())),
            ("path", location.path),
            ("method", location.method),
            ("statusCode", location.status_code),
            ("name", location.name),
        ];
        let fields = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Json::from(value?))));
        let properties: Json = serde_json::from_str(part.properties.as_deref().unwrap_or("{}")).unwrap_or_default();
        json!({"location": fields.collect::<serde_json::Map<_, _>>(), "properties": properties})
    });
    let created = named.created_date.map(|date| date.datetime().strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    Ok(json!({"version": version, "createdDate": created, "documentationParts": parts.collect::<Vec<_>>()}))
}

/// A template that copies what a model describes.
async fn template(_: &ApiGateway, cx: &Context, request: GetModelTemplateRequest) -> Result<Template, Error> {
    let place = Place::new(cx, &request.rest_api_id);
    let model: Model = place.get(&cx.store().snapshot(), &request.model_name)?;
    Ok(Template { value: Some(sample::template(model.schema.as_deref().unwrap_or("{}"))) })
}

/// A kind of SDK: its id, its name, and the properties that it must be given.
type SdkKind = (&'static str, &'static str, &'static [&'static str]);

/// The kinds of SDKs that API Gateway knows. None is generated here.
const SDKS: [SdkKind; 6] = [
    ("android", "Android", &["groupId", "artifactId", "artifactVersion", "invokerPackage"]),
    ("ios-objective-c", "iOS (Objective-C)", &["classPrefix"]),
    ("ios-swift", "iOS (Swift)", &["classPrefix"]),
    ("java", "Java", &["service.name", "java.package-name"]),
    ("javascript", "JavaScript", &[]),
    ("ruby", "Ruby", &["service.name"]),
];

fn sdk_type((id, name, properties): SdkKind) -> SdkType {
    let property = |name: &&str| SdkConfigurationProperty {
        name: Some((*name).to_owned()),
        friendly_name: Some((*name).to_owned()),
        required: Some(true),
        ..SdkConfigurationProperty::default()
    };
    SdkType {
        id: Some(id.to_owned()),
        friendly_name: Some(name.to_owned()),
        description: Some(format!("This SDK is used to invoke your API from {name}.")),
        configuration_properties: Some(properties.iter().map(property).collect()),
    }
}

async fn sdk(_: &ApiGateway, _: &Context, request: GetSdkTypeRequest) -> Result<SdkType, Error> {
    let found = SDKS.into_iter().find(|(id, ..)| *id == request.id);
    found.map(sdk_type).ok_or_else(|| Error::NotFound("Invalid SDK type identifier specified".to_owned()))
}

async fn sdks(_: &ApiGateway, _: &Context, _: GetSdkTypesRequest) -> Result<SdkTypes, Error> {
    Ok(SdkTypes { position: None, items: Some(SDKS.into_iter().map(sdk_type).collect()) })
}
