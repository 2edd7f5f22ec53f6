//! Resource paths: what a path part may be, and which resource a request's path leads to.

use crate::error::Error;
use apigateway_api::Resource;
use percent_encoding::percent_decode_str;
use std::collections::BTreeMap;

/// Checks a path part: letters, digits and four signs, or a variable in braces, or a greedy one.
pub fn check_part(part: &str) -> Result<(), Error> {
    let inner = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
    let name = inner.map_or(part, |name| name.strip_suffix('+').unwrap_or(name));
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-:".contains(c);
    if name.is_empty() || !name.chars().all(allowed) {
        return Err(Error::BadRequest(
            "Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable and curly braces at the \
             beginning and the end."
                .to_owned(),
        ));
    }
    Ok(())
}

/// Whether the part is a variable, `{x}` or `{x+}`.
pub fn is_variable(part: &str) -> bool {
    part.starts_with('{')
}

pub fn is_greedy(part: &str) -> bool {
    part.ends_with("+}")
}

/// A parent's path with one more part.
pub fn join(parent: &str, part: &str) -> String {
    format!("{}/{part}", parent.trim_end_matches('/'))
}

/// The values of a resource path's variables in a request's path, as far as the two agree.
pub fn variables(resource: &str, path: &str) -> BTreeMap<String, String> {
    let resource = Resource { path: Some(resource.to_owned()), ..Resource::default() };
    Router::new(&[resource]).route(path, &|_| true).map(|route| route.parameters).unwrap_or_default()
}

/// The resources of a deployment as a tree to look up paths in.
#[derive(Debug, Default)]
pub struct Router {
    nodes: Vec<Node>,
}

#[derive(Debug, Default)]
struct Node {
    resource: Option<usize>,
    literal: BTreeMap<String, usize>,
    variable: Option<(String, usize)>,
    greedy: Option<(String, usize)>,
}

/// Where a path leads: a resource, by its place in the list, and the values of the path's variables, as encoded as the
/// path is.
#[derive(Debug, PartialEq)]
pub struct Route {
    pub resource: usize,
    pub parameters: BTreeMap<String, String>,
}

impl Router {
    pub fn new(resources: &[Resource]) -> Self {
        let mut router = Self { nodes: vec![Node::default()] };
        for (at, resource) in resources.iter().enumerate() {
            let mut node = 0;
            for part in resource.path.as_deref().unwrap_or_default().split('/').filter(|part| !part.is_empty()) {
                node = router.child(node, part);
            }
            router.nodes[node].resource = Some(at);
        }
        router
    }

    fn child(&mut self, node: usize, part: &str) -> usize {
        let next = self.nodes.len();
        let name = part.trim_start_matches('{').trim_end_matches('}').trim_end_matches('+').to_owned();
        let child = if is_greedy(part) {
            self.nodes[node].greedy.get_or_insert((name, next)).1
        } else if is_variable(part) {
            self.nodes[node].variable.get_or_insert((name, next)).1
        } else {
            *self.nodes[node].literal.entry(part.to_owned()).or_insert(next)
        };
        if child == next {
            self.nodes.push(Node::default());
        }
        child
    }

    /// The resource for a path (still percent-encoded) that `serves` accepts: a literal part goes before a variable,
    /// a variable before a greedy one.
    pub fn route(&self, path: &str, serves: &dyn Fn(usize) -> bool) -> Option<Route> {
        let trimmed = path.trim_matches('/');
        let parts: Vec<&str> = if trimmed.is_empty() { Vec::new() } else { trimmed.split('/').collect() };
        let mut parameters = BTreeMap::new();
        let resource = self.descend(0, &parts, serves, &mut parameters)?;
        Some(Route { resource, parameters })
    }

    fn descend(
        &self,
        node: usize,
        parts: &[&str],
        serves: &dyn Fn(usize) -> bool,
        parameters: &mut BTreeMap<String, String>,
    ) -> Option<usize> {
        let node = &self.nodes[node];
        let Some((part, rest)) = parts.split_first() else {
            return node.resource.filter(|resource| serves(*resource));
        };
        let decoded = percent_decode_str(part).decode_utf8_lossy();
        if let Some(child) = node.literal.get(&*decoded)
            && let Some(found) = self.descend(*child, rest, serves, parameters)
        {
            return Some(found);
        }
        if let Some((name, child)) = &node.variable
            && let Some(found) = self.descend(*child, rest, serves, parameters)
        {
            parameters.insert(name.clone(), (*part).to_owned());
            return Some(found);
        }
        let (name, child) = node.greedy.as_ref()?;
        let resource = self.nodes[*child].resource.filter(|resource| serves(*resource))?;
        parameters.insert(name.clone(), parts.join("/"));
        Some(resource)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn router(paths: &[&str]) -> Router {
        let resource = |path: &&str| Resource { path: Some((*path).to_owned()), ..Resource::default() };
        Router::new(&paths.iter().map(resource).collect::<Vec<_>>())
    }

    fn found(router: &Router, path: &str) -> Option<(usize, Vec<(String, String)>)> {
        let route = router.route(path, &|_| true)?;
        Some((route.resource, route.parameters.into_iter().collect()))
    }

    #[test]
    fn the_most_specific_resource_wins() {
        let router = router(&["/", "/users", "/users/{id}", "/users/me", "/{proxy+}", "/users/{id}/posts/{post}"]);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(found(&router, "/"), Some((0, vec![])));
        assert_eq!(found(&router, "/users"), Some((1, vec![])));
        assert_eq!(found(&router, "/users/"), Some((1, vec![])));
        assert_eq!(found(&router, "/users/me"), Some((3, vec![])));
        assert_eq!(found(&router, "/users/a%20b"), Some((2, vec![pair("id", "a%20b")])));
        assert_eq!(found(&router, "/users/7/posts/9"), Some((5, vec![pair("id", "7"), pair("post", "9")])));
        assert_eq!(found(&router, "/users/7/other"), Some((4, vec![pair("proxy", "users/7/other")])));
        assert_eq!(found(&router, "/x/y/z"), Some((4, vec![pair("proxy", "x/y/z")])));
    }

    #[test]
    fn a_resource_that_does_not_serve_is_passed_over() {
        let router = router(&["/users", "/{proxy+}"]);
        assert_eq!(router.route("/users", &|resource| resource != 0).map(|route| route.resource), Some(1));
        assert_eq!(router.route("/users", &|_| false), None);
        assert_eq!(found(&router, "/"), None);
    }

    #[test]
    fn path_parts_are_checked() {
        for part in ["users", "{id}", "{proxy+}", "a.b_c-d:e"] {
            assert_eq!(check_part(part), Ok(()), "{part}");
        }
        for part in ["", "a/b", "{}", "{a", "a b", "{+}", "us+er"] {
            assert!(check_part(part).is_err(), "{part}");
        }
    }
}
