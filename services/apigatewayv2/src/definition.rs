//! Everything of an API that a deployment freezes, and the form in which it serves requests.

use crate::route_key::RouteKey;
use apigatewayv2_api::{Api, Authorizer, Integration, IntegrationResponse, Model, Route, RouteResponse};

/// An API's settings, routes and what they lead to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Definition {
    pub api: Api,
    pub routes: Vec<Route>,
    pub integrations: Vec<Integration>,
    pub authorizers: Vec<Authorizer>,
    pub models: Vec<Model>,
    /// With the id of the route.
    pub route_responses: Vec<(String, RouteResponse)>,
    /// With the id of the integration.
    pub integration_responses: Vec<(String, IntegrationResponse)>,
}

/// A definition with its route keys taken apart, once for many requests.
#[derive(Debug)]
pub struct Compiled {
    pub definition: Definition,
    keys: Vec<RouteKey>,
}

impl Compiled {
    pub fn new(definition: Definition) -> Self {
        let keys = definition.routes.iter().map(|route| RouteKey::parse(&route.route_key)).collect();
        Self { definition, keys }
    }

    /// The route for a request of an HTTP API, with the values of its path's variables.
    pub fn route(&self, method: &str, path: &str) -> Option<(&Route, Vec<(String, String)>)> {
        let candidates = self.keys.iter().zip(&self.definition.routes);
        let matches = candidates.filter_map(|(key, route)| Some((key.matches(method, path)?, route)));
        let (found, route) = matches.max_by(|(one, _), (other, _)| one.rank.cmp(&other.rank))?;
        Some((route, found.variables))
    }

    /// The route of a key, as WebSocket APIs look them up.
    pub fn route_of_key(&self, key: &str) -> Option<&Route> {
        self.definition.routes.iter().find(|route| route.route_key == key)
    }

    /// What a route leads to.
    pub fn integration(&self, route: &Route) -> Option<&Integration> {
        let id = route.target.as_deref()?.strip_prefix("integrations/")?;
        self.definition.integrations.iter().find(|known| known.integration_id.as_deref() == Some(id))
    }

    pub fn authorizer(&self, route: &Route) -> Option<&Authorizer> {
        let known = &mut self.definition.authorizers.iter();
        known.find(|authorizer| authorizer.authorizer_id.is_some() && authorizer.authorizer_id == route.authorizer_id)
    }
}
