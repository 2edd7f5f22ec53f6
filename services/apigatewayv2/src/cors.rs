//! Cross-origin requests of an HTTP API that is configured for them: API Gateway answers preflights itself, and what
//! an integration says of CORS does not count.

use crate::{reply::Reply, request::Request};
use apigatewayv2_api::Cors;

/// The answer to a preflight request.
pub fn preflight(cors: &Cors, request: &Request) -> Option<Reply> {
    let asked = request.method == "OPTIONS" && request.header("access-control-request-method").is_some();
    let origin = request.header("origin").filter(|_| asked)?;
    let mut reply = Reply { status: 204, ..Reply::default() };
    let Some(allowed) = allowed(cors, &origin) else { return Some(reply) };
    reply = reply.with("access-control-allow-origin", allowed);
    for (name, values) in
        [("access-control-allow-methods", &cors.allow_methods), ("access-control-allow-headers", &cors.allow_headers)]
    {
        if let Some(values) = values.as_ref().filter(|values| !values.is_empty()) {
            reply = reply.with(name, values.join(","));
        }
    }
    if let Some(age) = cors.max_age {
        reply = reply.with("access-control-max-age", age.to_string());
    }
    if cors.allow_credentials == Some(true) {
        reply = reply.with("access-control-allow-credentials", "true");
    }
    Some(reply)
}

/// Puts what the API says into an answer.
pub fn apply(cors: &Cors, request: &Request, reply: &mut Reply) {
    reply.headers.retain(|(name, _)| !name.starts_with("access-control-"));
    let Some(allowed) = request.header("origin").and_then(|origin| allowed(cors, &origin)) else { return };
    reply.headers.push(("access-control-allow-origin".to_owned(), allowed));
    if cors.allow_credentials == Some(true) {
        reply.headers.push(("access-control-allow-credentials".to_owned(), "true".to_owned()));
    }
    if let Some(values) = cors.expose_headers.as_ref().filter(|values| !values.is_empty()) {
        reply.headers.push(("access-control-expose-headers".to_owned(), values.join(",")));
    }
}

/// What `Access-Control-Allow-Origin` says to an origin. Configured ones may be `*` or have one: `https://*`.
fn allowed(cors: &Cors, origin: &str) -> Option<String> {
    let fits = |known: &&String| {
        let known = known.to_ascii_lowercase();
        let origin = origin.to_ascii_lowercase();
        match known.split_once('*') {
            Some((before, after)) => {
                origin.len() >= before.len() + after.len() && origin.starts_with(before) && origin.ends_with(after)
            }
            None => known == origin,
        }
    };
    let known = cors.allow_origins.iter().flatten().find(fits)?;
    Some(if known == "*" { "*".to_owned() } else { origin.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(values: &[&str]) -> Option<Vec<String>> {
        Some(values.iter().map(|value| (*value).to_owned()).collect())
    }

    fn request(method: &str, origin: &str) -> Request {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Request {
            method: method.into(),
            headers: vec![pair("origin", origin), pair("access-control-request-method", "POST")],
            ..Request::default()
        }
    }

    fn value<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
        reply.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn preflights_are_answered() {
        let cors = Cors {
            allow_origins: list(&["https://a.example", "http://*"]),
            allow_methods: list(&["GET", "POST"]),
            allow_headers: list(&["x-a"]),
            max_age: Some(300),
            allow_credentials: Some(true),
            ..Cors::default()
        };
        let reply = preflight(&cors, &request("OPTIONS", "https://a.example")).unwrap();
        assert_eq!(reply.status, 204);
        assert_eq!(value(&reply, "access-control-allow-origin"), Some("https://a.example"));
        assert_eq!(value(&reply, "access-control-allow-methods"), Some("GET,POST"));
        assert_eq!(value(&reply, "access-control-max-age"), Some("300"));
        let other = preflight(&cors, &request("OPTIONS", "https://b.example")).unwrap();
        assert_eq!((other.status, other.headers.len()), (204, 0));
        assert!(preflight(&cors, &request("GET", "https://a.example")).is_none());
        assert!(
            preflight(&cors, &request("OPTIONS", "http://any.example")).unwrap().has("access-control-allow-origin")
        );
    }

    #[test]
    fn what_an_integration_says_does_not_count() {
        let cors = Cors { allow_origins: list(&["*"]), ..Cors::default() };
        let mut reply = Reply::default().with("access-control-allow-origin", "https://evil.example").with("x", "1");
        apply(&cors, &request("GET", "https://a.example"), &mut reply);
        assert_eq!(value(&reply, "access-control-allow-origin"), Some("*"));
        assert_eq!(reply.headers.len(), 2);
    }
}
