//! Amazon API Gateway: REST APIs, managed and served.
//!
//! An API is a tree of resources with methods; each method leads to an integration. Nothing of it is reachable until
//! it is deployed: a deployment freezes the API as it is, and a stage gives a deployment a name, variables and
//! settings.
//!
//! Invariants:
//! - a deployment never changes; what serves requests is compiled from it and may be forgotten at any time;
//! - what is shown to callers of a deployed API never tells more than API Gateway does: the reasons are in its log;
//! - a function runs only when its own policy, or the integration's role, allows the method that calls it.

mod authorizer;
mod backend;
mod cache;
mod compression;
mod definition;
mod error;
mod execution;
#[cfg(test)]
mod execution_tests;
mod export;
mod front;
#[cfg(test)]
mod front_tests;
mod gateway_response;
mod integration;
mod jwt_authorizer;
mod log;
mod logging;
mod metrics;
mod openapi;
mod ops;
mod parameters;
mod patch;
mod path;
mod proxy;
mod request;
mod store;
#[cfg(test)]
mod testing;
mod validation;
mod words;

use front::ExecuteApi;
use service::{
    AnyOperation, ApiError, Context, Front, Service, StoreError, operations,
    policy::{Policy, Source},
};
use std::sync::Arc;

/// The service.
#[derive(Default)]
pub struct ApiGateway {
    front: ExecuteApi,
}

operations! { ApiGateway, apigateway_api:
    CreateApiKey, CreateAuthorizer, CreateBasePathMapping, CreateDeployment, CreateDocumentationPart,
    CreateDocumentationVersion, CreateDomainName, CreateModel, CreateRequestValidator, CreateResource,
    CreateRestApi, CreateStage, CreateUsagePlan, CreateUsagePlanKey, DeleteApiKey, DeleteAuthorizer,
    DeleteBasePathMapping, DeleteClientCertificate, DeleteDeployment, DeleteDocumentationPart, DeleteDocumentationVersion, DeleteDomainName,
    DeleteGatewayResponse, DeleteIntegration, DeleteIntegrationResponse, DeleteMethod, DeleteMethodResponse,
    DeleteModel, DeleteRequestValidator, DeleteResource, DeleteRestApi, DeleteStage, DeleteUsagePlan,
    DeleteUsagePlanKey, FlushStageAuthorizersCache, FlushStageCache, GenerateClientCertificate, GetAccount, GetApiKey, GetApiKeys,
    GetAuthorizer, GetAuthorizers, GetBasePathMapping, GetBasePathMappings, GetClientCertificate, GetClientCertificates, GetDeployment, GetDeployments,
    GetDocumentationPart, GetDocumentationParts, GetDocumentationVersion, GetDocumentationVersions, GetDomainName,
    GetDomainNames, GetExport, GetGatewayResponse, GetGatewayResponses, GetIntegration, GetIntegrationResponse,
    GetMethod, GetMethodResponse, GetModel, GetModelTemplate, GetModels, GetRequestValidator, GetRequestValidators,
    GetResource, GetResources, GetRestApi, GetRestApis, GetSdkType, GetSdkTypes, GetStage, GetStages, GetTags,
    GetUsage, GetUsagePlan, GetUsagePlanKey, GetUsagePlanKeys, GetUsagePlans, ImportApiKeys,
    ImportDocumentationParts, ImportRestApi, PutGatewayResponse, PutIntegration, PutIntegrationResponse, PutMethod,
    PutMethodResponse, PutRestApi, TagResource, TestInvokeAuthorizer, TestInvokeMethod, UntagResource,
    UpdateAccount, UpdateApiKey, UpdateAuthorizer, UpdateBasePathMapping, UpdateClientCertificate, UpdateDeployment, UpdateDocumentationPart,
    UpdateDocumentationVersion, UpdateDomainName, UpdateGatewayResponse, UpdateIntegration,
    UpdateIntegrationResponse, UpdateMethod, UpdateMethodResponse, UpdateModel, UpdateRequestValidator,
    UpdateResource, UpdateRestApi, UpdateStage, UpdateUsage, UpdateUsagePlan,
}

impl Service for ApiGateway {
    fn model(&self) -> &'static wire::ServiceModel {
        &apigateway_api::SERVICE_MODEL
    }

    fn resources(&self) -> &'static [(&'static str, &'static str)] {
        &[("REST APIs", "apigateway/api\0\u{1}")]
    }

    fn operations(&self) -> &'static [&'static dyn AnyOperation] {
        OPERATIONS
    }

    /// Members of the body are named after the operation: `putIntegrationInput.type`.
    fn invalid_input(&self, operation: &'static dyn AnyOperation, violations: &wire::Violations) -> ApiError {
        ApiError::new(400, "ValidationException", words::of(operation.model(), violations).to_string())
    }

    fn resource_policy(&self, cx: &Context, resource: &str) -> Result<Option<Source>, StoreError> {
        let Some(api) = api_of(resource) else { return Ok(None) };
        let found = store::Place::new(cx, api).api(&cx.store().snapshot());
        let Some(text) = found.ok().and_then(|api| api.policy) else { return Ok(None) };
        // A policy may name its resources from the stage on.
        let whole = format!("\"arn:aws:execute-api:{}:{}:{api}/", cx.region(), cx.account());
        let policy = Policy::parse(&text.replace("\"execute-api:/", &whole));
        Ok(policy.ok().map(|policy| Source { name: format!("the policy of API {api}"), policy: Arc::new(policy) }))
    }

    fn fronts(&self) -> Vec<Box<dyn Front>> {
        vec![Box::new(self.front.clone())]
    }

    fn reset(&self) {
        self.front.reset();
    }
}

/// The API whose method an `execute-api` ARN names.
fn api_of(resource: &str) -> Option<&str> {
    let mut parts = resource.split(':');
    let service = (parts.next(), parts.next(), parts.next());
    if service != (Some("arn"), Some("aws"), Some("execute-api")) {
        return None;
    }
    parts.nth(2)?.split('/').next()
}
