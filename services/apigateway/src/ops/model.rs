//! Models: JSON Schemas that request bodies are checked against.

use super::arn;
use crate::{
    ApiGateway,
    definition::model_address,
    error::Error,
    patch::{self, Paths, Slot},
    store::{Place, Reader},
};
use apigateway_api::*;
use expressions::schema::{Documents, Schema};
use serde_json::Value as Json;
use service::{Context, operation};

operation! { ApiGateway, CreateModel, action: "apigateway:POST" on |cx, r| arn(cx, format!("/restapis/{}/models", r.rest_api_id)), handler: create }
operation! { ApiGateway, GetModel, action: "apigateway:GET" on |cx, r| arn(cx, format!("/restapis/{}/models/{}", r.rest_api_id, r.model_name)), handler: get }
operation! { ApiGateway, GetModels, action: "apigateway:GET" on |cx, r| arn(cx, format!("/restapis/{}/models", r.rest_api_id)), handler: list }
operation! { ApiGateway, UpdateModel, action: "apigateway:PATCH" on |cx, r| arn(cx, format!("/restapis/{}/models/{}", r.rest_api_id, r.model_name)), handler: update }
operation! { ApiGateway, DeleteModel, action: "apigateway:DELETE" on |cx, r| arn(cx, format!("/restapis/{}/models/{}", r.rest_api_id, r.model_name)), handler: delete }

async fn create(_: &ApiGateway, cx: &Context, request: CreateModelRequest) -> Result<Model, Error> {
    if request.name.is_empty() || !request.name.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Err(Error::BadRequest(format!("Model name must be alphanumeric: {}", request.name)));
    }
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.rest_api_id);
        place.api(tx)?;
        if place.find::<Model>(tx, &request.name)?.is_some() {
            return Err(Error::Conflict("Model name already exists for this REST API".to_owned()));
        }
        if request.schema.as_deref().unwrap_or_default().is_empty() {
            let message = "Model schema must have at least 1 property or array items defined";
            return Err(Error::BadRequest(message.to_owned()));
        }
        check(place, tx, request.schema.as_deref())?;
        let model = Model {
            id: Some(cx.random().lower_alphanumeric(6)),
            name: Some(request.name.clone()),
            description: request.description,
            schema: request.schema,
            content_type: Some(request.content_type),
        };
        place.put(tx, &request.name, &model);
        Ok(model)
    })
}

/// A schema must be one, and refer only to models of the same API.
pub fn check(place: Place<'_>, reader: &mut impl Reader, schema: Option<&str>) -> Result<(), Error> {
    let invalid = |reason: String| {
        let message = format!("Invalid model specified: Validation Result: warnings : [], errors : [{reason}]");
        Error::BadRequest(message)
    };
    let Some(schema) = schema.filter(|schema| !schema.is_empty()) else { return Ok(()) };
    let schema = serde_json::from_str(schema).map_err(|_| invalid("Invalid model schema specified".to_owned()))?;
    let mut documents = Documents::new();
    for model in place.all::<Model>(reader)? {
        if let (Some(name), Ok(known)) = (model.name, serde_json::from_str(model.schema.as_deref().unwrap_or("{}"))) {
            documents.insert(model_address(place.api, &name), known);
        }
    }
    let reason = |reason| invalid(format!("Invalid model schema specified. {reason}"));
    Schema::compile(&schema, documents).map(drop).map_err(reason)
}

async fn get(_: &ApiGateway, cx: &Context, request: GetModelRequest) -> Result<Model, Error> {
    let place = Place::new(cx, &request.rest_api_id);
    let mut snapshot = cx.store().snapshot();
    let model: Model = place.get(&snapshot, &request.model_name)?;
    if request.flatten != Some(true) {
        return Ok(model);
    }
    let all: Vec<Model> = place.all(&mut snapshot)?;
    Ok(Model { schema: model.schema.map(|schema| flat(place.api, &schema, &all)), ..model })
}

/// A schema with the models that it refers to among its own definitions.
fn flat(api: &str, schema: &str, all: &[Model]) -> String {
    let Ok(mut whole) = serde_json::from_str::<Json>(schema) else { return schema.to_owned() };
    let mut definitions = serde_json::Map::new();
    let mut open = Vec::new();
    localize(api, &mut whole, &mut open);
    while let Some(name) = open.pop() {
        let found = all.iter().find(|model| model.name.as_ref() == Some(&name) && !definitions.contains_key(&name));
        let text = found.and_then(|model| model.schema.as_deref());
        let Some(mut inner) = text.and_then(|text| serde_json::from_str(text).ok()) else { continue };
        definitions.insert(name, Json::Null);
        localize(api, &mut inner, &mut open);
        if let Some(slot) = found.and_then(|model| definitions.get_mut(model.name.as_deref()?)) {
            *slot = inner;
        }
    }
    if !definitions.is_empty() {
        whole["definitions"] = Json::Object(definitions);
    }
    whole.to_string()
}

/// Lets references to models of the API lead to definitions, and notes which are needed.
fn localize(api: &str, schema: &mut Json, needed: &mut Vec<String>) {
    let prefix = model_address(api, "");
    match schema {
        Json::Object(members) => {
            for (name, value) in members.iter_mut() {
                let model = value.as_str().filter(|_| name == "$ref").and_then(|target| target.strip_prefix(&prefix));
                match model.map(str::to_owned) {
                    Some(model) => {
                        *value = Json::from(format!("#/definitions/{model}"));
                        needed.push(model);
                    }
                    None => localize(api, value, needed),
                }
            }
        }
        Json::Array(items) => items.iter_mut().for_each(|item| localize(api, item, needed)),
        _ => {}
    }
}

async fn list(_: &ApiGateway, cx: &Context, request: GetModelsRequest) -> Result<Models, Error> {
    let place = Place::new(cx, &request.rest_api_id);
    let (items, position) = place.page(&cx.store().snapshot(), request.position.as_deref(), request.limit)?;
    Ok(Models { items: Some(items), position })
}

fn slot<'a>(model: &'a mut Model, path: &[&str]) -> Option<Slot<'a>> {
    match path {
        ["description"] => Some(Slot::Text(&mut model.description)),
        ["schema"] => Some(Slot::Text(&mut model.schema)),
        _ => None,
    }
}

async fn update(_: &ApiGateway, cx: &Context, request: UpdateModelRequest) -> Result<Model, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.rest_api_id);
        let mut model: Model = place.get(tx, &request.model_name)?;
        let operations = request.patch_operations.as_deref().unwrap_or_default();
        patch::apply(&mut model, operations, &Paths::members(&["/description", "/schema"]), slot)?;
        if model.schema.as_deref().unwrap_or_default().is_empty() {
            let message = "Model schema must have at least 1 property or array items defined.";
            return Err(Error::BadRequest(message.to_owned()));
        }
        check(place, tx, model.schema.as_deref())?;
        place.put(tx, &request.model_name, &model);
        Ok(model)
    })
}

async fn delete(_: &ApiGateway, cx: &Context, request: DeleteModelRequest) -> Result<wire::Unit, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.rest_api_id);
        place.get::<Model>(tx, &request.model_name)?;
        for resource in place.all::<Resource>(tx)? {
            for (http_method, method) in resource.resource_methods.into_iter().flatten() {
                let in_request = method.request_models.iter().flatten().any(|(_, model)| *model == request.model_name);
                let responses = method.method_responses.iter().flatten();
                let mut in_responses =
                    responses.filter_map(|(_, response)| response.response_models.as_ref()).flatten();
                if in_request || in_responses.any(|(_, model)| *model == request.model_name) {
                    let place = if in_request { "request" } else { "response" };
                    let path = resource.path.as_deref().unwrap_or_default();
                    let name = &request.model_name;
                    let message =
                        format!("Cannot delete model '{name}', is referenced in method {place}: {path}/{http_method}");
                    return Err(Error::Conflict(message));
                }
            }
        }
        place.delete::<Model>(tx, &request.model_name);
        Ok(wire::Unit::default())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flattened_models_have_what_they_refer_to() {
        let model = |name: &str, schema: &str| Model {
            name: Some(name.to_owned()),
            schema: Some(schema.replace("@", "https://apigateway.amazonaws.com/restapis/a/models/")),
            ..Model::default()
        };
        let all = [
            model("Pet", r#"{"properties":{"owner":{"$ref":"@Owner"}}}"#),
            model("Owner", r#"{"items":{"$ref":"@Pet"}}"#),
        ];
        let made: Json = serde_json::from_str(&flat("a", all[0].schema.as_deref().unwrap(), &all)).unwrap();
        assert_eq!(made["properties"]["owner"]["$ref"], "#/definitions/Owner");
        assert_eq!(made["definitions"]["Owner"]["items"]["$ref"], "#/definitions/Pet");
        assert_eq!(made["definitions"]["Pet"]["properties"]["owner"]["$ref"], "#/definitions/Owner");
    }
}
