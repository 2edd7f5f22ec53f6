//! Everything of an API that a deployment freezes, and the form in which it serves requests.

use crate::path::{Route, Router};
use apigateway_api::{Authorizer, GatewayResponse, Integration, Method, Model, RequestValidator, Resource, RestApi};
use expressions::{
    schema::{Documents, Schema},
    vtl::Template,
};
use std::collections::{BTreeMap, HashMap};

/// An API's settings, resources and what they refer to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Definition {
    pub api: RestApi,
    pub resources: Vec<Resource>,
    pub models: Vec<Model>,
    pub validators: Vec<RequestValidator>,
    pub responses: Vec<GatewayResponse>,
    pub authorizers: Vec<Authorizer>,
}

/// A definition with its paths, templates and schemas compiled, once for many requests.
#[derive(Debug)]
pub struct Compiled {
    pub definition: Definition,
    router: Router,
    templates: HashMap<String, Result<Template, String>>,
    schemas: BTreeMap<String, Result<Schema, String>>,
}

impl Compiled {
    pub fn new(definition: Definition) -> Self {
        let router = Router::new(&definition.resources);
        let mut templates = HashMap::new();
        let methods = definition.resources.iter().filter_map(|resource| resource.resource_methods.as_ref());
        for method in methods.flat_map(BTreeMap::values) {
            for source in method.method_integration.iter().flat_map(sources) {
                let parse = || Template::parse(source).map_err(|error| error.to_string());
                templates.entry(source.clone()).or_insert_with(parse);
            }
        }
        let schemas = compile_models(definition.api.id.as_deref().unwrap_or_default(), &definition.models);
        Self { definition, router, templates, schemas }
    }

    /// The method that serves a request: its own, or `ANY`, of the most specific resource that has one.
    pub fn route(&self, http_method: &str, path: &str) -> Option<(Route, &Resource, &Method)> {
        let serves = |at: usize| {
            self.definition.resources.get(at).is_some_and(|resource| method(resource, http_method).is_some())
        };
        let route = self.router.route(path, &serves)?;
        let resource = self.definition.resources.get(route.resource)?;
        let method = method(resource, http_method)?;
        Some((route, resource, method))
    }

    /// A template's parsed form; the error says why there is none.
    pub fn template(&self, source: &str) -> Result<Template, String> {
        match self.templates.get(source) {
            Some(parsed) => parsed.clone(),
            None => Template::parse(source).map_err(|error| error.to_string()),
        }
    }

    pub fn schema(&self, model: &str) -> Option<&Result<Schema, String>> {
        self.schemas.get(model)
    }

    pub fn binary_types(&self) -> &[String] {
        self.definition.api.binary_media_types.as_deref().unwrap_or_default()
    }
}

fn method<'a>(resource: &'a Resource, http_method: &str) -> Option<&'a Method> {
    let methods = resource.resource_methods.as_ref()?;
    methods.get(http_method).or_else(|| methods.get("ANY"))
}

/// Every template of an integration.
fn sources(integration: &Integration) -> impl Iterator<Item = &String> {
    let requests = integration.request_templates.iter().flat_map(BTreeMap::values);
    let responses = integration.integration_responses.iter().flat_map(BTreeMap::values);
    requests.chain(responses.filter_map(|response| response.response_templates.as_ref()).flat_map(BTreeMap::values))
}

/// Where a model can be referred to by another one of its API.
pub fn model_address(api: &str, model: &str) -> String {
    format!("https://apigateway.amazonaws.com/restapis/{api}/models/{model}")
}

fn compile_models(api: &str, models: &[Model]) -> BTreeMap<String, Result<Schema, String>> {
    let mut documents = Documents::new();
    for model in models {
        if let (Some(name), Ok(schema)) = (&model.name, serde_json::from_str(model.schema.as_deref().unwrap_or("{}"))) {
            documents.insert(model_address(api, name), schema);
        }
    }
    let compile = |model: &Model| {
        let schema =
            serde_json::from_str(model.schema.as_deref().unwrap_or("{}")).map_err(|error| error.to_string())?;
        Schema::compile(&schema, documents.clone())
    };
    models.iter().filter_map(|model| Some((model.name.clone()?, compile(model)))).collect()
}
