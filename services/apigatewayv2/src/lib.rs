//! Amazon API Gateway: HTTP and WebSocket APIs, managed and served.
//!
//! An API is a set of routes; each leads to an integration. Nothing of it is reachable until it is deployed: a
//! deployment freezes the API as it is, and a stage gives a deployment a name, variables and settings. A stage may deploy
//! by itself after every change.
//!
//! Invariants:
//! - a deployment never changes; what serves requests is compiled from it and may be forgotten at any time;
//! - what is shown to callers of a deployed API never tells more than API Gateway does;
//! - a function runs only when its own policy, or the integration's role, allows the route that calls it.

mod access_log;
mod authorize;
mod aws;
mod cors;
mod definition;
mod deploy;
mod error;
mod event;
mod front;
mod http_api;
mod mapping;
mod openapi;
mod ops;
mod record;
mod reply;
mod request;
mod route_key;
mod store;
mod web_socket;

use front::HttpFront;
use service::{AnyOperation, ApiError, Front, Service, operations};
use web_socket::WebSocketFront;

/// The service.
#[derive(Default)]
pub struct ApiGatewayV2 {
    front: HttpFront,
    web_socket: WebSocketFront,
}

operations! { ApiGatewayV2, apigatewayv2_api:
    CreateApi, CreateApiMapping, CreateAuthorizer, CreateDeployment, CreateDomainName, CreateIntegration,
    CreateIntegrationResponse, CreateModel, CreateRoute, CreateRouteResponse, CreateStage, DeleteAccessLogSettings,
    DeleteApi, DeleteApiMapping, DeleteAuthorizer, DeleteCorsConfiguration, DeleteDeployment, DeleteDomainName,
    DeleteIntegration, DeleteIntegrationResponse, DeleteModel, DeleteRoute, DeleteRouteRequestParameter,
    DeleteRouteResponse, DeleteRouteSettings, DeleteStage, ExportApi, GetApi, GetApiMapping, GetApiMappings,
    GetApis, GetAuthorizer, GetAuthorizers, GetDeployment, GetDeployments, GetDomainName, GetDomainNames,
    GetIntegration, GetIntegrationResponse, GetIntegrationResponses, GetIntegrations, GetModel, GetModelTemplate, GetModels, GetRoute,
    GetRouteResponse, GetRouteResponses, GetRoutes, GetStage, GetStages, GetTags, ImportApi, ReimportApi,
    ResetAuthorizersCache, TagResource, UntagResource, UpdateApi, UpdateApiMapping, UpdateAuthorizer,
    UpdateDeployment, UpdateDomainName, UpdateIntegration, UpdateIntegrationResponse, UpdateModel, UpdateRoute,
    UpdateRouteResponse, UpdateStage,
}

impl ApiGatewayV2 {
    /// Forgets what authorizers of a stage said.
    fn forget_grants(&self, api: &str, stage: &str) {
        self.front.forget_grants(api, stage);
    }
}

impl Service for ApiGatewayV2 {
    fn model(&self) -> &'static wire::ServiceModel {
        &apigatewayv2_api::SERVICE_MODEL
    }

    fn resources(&self) -> &'static [(&'static str, &'static str)] {
        &[("HTTP and WebSocket APIs", "apigatewayv2/api\0\u{1}")]
    }

    fn operations(&self) -> &'static [&'static dyn AnyOperation] {
        OPERATIONS
    }

    fn invalid(&self, violations: &wire::Violations) -> ApiError {
        ApiError::new(400, "BadRequestException", violations.to_string())
    }

    fn fronts(&self) -> Vec<Box<dyn Front>> {
        vec![Box::new(self.front.clone()), Box::new(self.web_socket.clone())]
    }

    fn reset(&self) {
        self.front.reset();
        self.web_socket.reset();
    }
}
