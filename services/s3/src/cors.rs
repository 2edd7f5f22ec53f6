//! Cross-origin requests: what a bucket's rules say to browsers.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/cors.html>

use std::sync::Arc;

use s3_api::{CORSConfiguration, CORSRule};
use service::{ApiError, Cloud, CrossOrigin, CrossOriginAnswer};

use crate::store::find_bucket;
use crate::{Error, config};

/// The most rules of a bucket.
const MAX_RULES: usize = 100;
const METHODS: [&str; 5] = ["GET", "PUT", "POST", "DELETE", "HEAD"];

fn refused(text: &str, request: &CrossOrigin<'_>) -> ApiError {
    let kind = match request.path.trim_start_matches('/').split_once('/') {
        Some((_, key)) if !key.is_empty() => "OBJECT",
        _ => "BUCKET",
    };
    let error = ApiError::new(403, "AccessForbidden", format!("CORSResponse: {text}"));
    error.with("Method", request.method).with("ResourceType", kind)
}

/// Whether a pattern with at most one `*` matches a text.
fn matches(pattern: &str, text: &str, ignore_case: bool) -> bool {
    let lower = |text: &str| if ignore_case { text.to_ascii_lowercase() } else { text.to_owned() };
    let (pattern, text) = (lower(pattern), lower(text));
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, end)) => text.len() >= start.len() + end.len() && text.starts_with(start) && text.ends_with(end),
    }
}

/// The first rule that admits a request. A preflight also asks for headers.
fn find<'a>(rules: &'a [CORSRule], request: &CrossOrigin<'_>) -> Option<&'a CORSRule> {
    let asked: Vec<&str> = match request.headers {
        Some(headers) if request.preflight => {
            headers.split(',').map(str::trim).filter(|header| !header.is_empty()).collect()
        }
        _ => Vec::new(),
    };
    rules.iter().find(|rule| {
        let allowed = rule.allowed_headers.as_deref().unwrap_or_default();
        rule.allowed_origins.iter().any(|origin| matches(origin, request.origin, false))
            && rule.allowed_methods.iter().any(|method| method == request.method)
            && asked.iter().all(|header| allowed.iter().any(|pattern| matches(pattern, header, true)))
    })
}

/// The headers that a rule adds to an answer.
fn headers(rule: &CORSRule, request: &CrossOrigin<'_>) -> Vec<(&'static str, String)> {
    let open = rule.allowed_origins.iter().any(|origin| origin == "*");
    let mut headers =
        vec![("access-control-allow-origin", if open { "*".to_owned() } else { request.origin.to_owned() })];
    headers.push(("access-control-allow-methods", rule.allowed_methods.join(", ")));
    if let Some(asked) = request.headers.filter(|_| request.preflight) {
        headers.push(("access-control-allow-headers", asked.to_ascii_lowercase()));
    }
    if let Some(exposed) = rule.expose_headers.as_ref().filter(|exposed| !exposed.is_empty()) {
        headers.push(("access-control-expose-headers", exposed.join(", ")));
    }
    if let Some(seconds) = rule.max_age_seconds {
        headers.push(("access-control-max-age", seconds.to_string()));
    }
    if !open {
        headers.push(("access-control-allow-credentials", "true".to_owned()));
    }
    headers.push(("vary", "Origin, Access-Control-Request-Headers, Access-Control-Request-Method".to_owned()));
    headers
}

/// What a bucket answers. Paths that name no bucket of this cloud are not S3's.
pub fn answer(cloud: &Arc<Cloud>, request: &CrossOrigin<'_>) -> Option<CrossOriginAnswer> {
    let name = request.path.trim_start_matches('/').split('/').next().filter(|name| !name.is_empty())?;
    let bucket = find_bucket(&cloud.store, name).ok()?;
    let rules: CORSConfiguration = match config::find(&cloud.store, &bucket, "cors") {
        Ok(Some(rules)) => rules,
        Ok(None) if request.preflight => {
            return Some(Err(refused("CORS is not enabled for this bucket.", request)));
        }
        Ok(None) => return Some(Ok(Vec::new())),
        Err(error) => return Some(Err(service::Internal::from(error).into())),
    };
    match find(&rules.cors_rules, request) {
        Some(rule) => Some(Ok(headers(rule, request))),
        None if request.preflight => {
            let text = "This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.";
            Some(Err(refused(text, request)))
        }
        None => Some(Ok(Vec::new())),
    }
}

/// What S3 asks of rules.
pub fn check(configuration: &CORSConfiguration) -> Result<(), Error> {
    let rules = &configuration.cors_rules;
    if rules.is_empty() || rules.len() > MAX_RULES {
        return Err(Error::malformed_xml());
    }
    let invalid = |text: String| Err(Error::InvalidRequest(text));
    for rule in rules {
        if rule.allowed_methods.is_empty() || rule.allowed_origins.is_empty() {
            return Err(Error::malformed_xml());
        }
        if let Some(method) = rule.allowed_methods.iter().find(|method| !METHODS.contains(&method.as_str())) {
            return invalid(format!("Found unsupported HTTP method in CORS config. Unsupported method is {method}"));
        }
        if let Some(origin) = rule.allowed_origins.iter().find(|origin| origin.matches('*').count() > 1) {
            return invalid(format!("AllowedOrigin \"{origin}\" can not have more than one wildcard."));
        }
        let headers = rule.allowed_headers.iter().flatten();
        if let Some(header) = headers.into_iter().find(|header| header.matches('*').count() > 1) {
            return invalid(format!("AllowedHeader \"{header}\" can not have more than one wildcard."));
        }
        if let Some(header) = rule.expose_headers.iter().flatten().find(|header| header.contains('*')) {
            return invalid(format!(
                "ExposeHeader \"{header}\" contains wildcard. We currently do not support wildcard for ExposeHeader."
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(origins: &[&str], methods: &[&str], headers: &[&str]) -> CORSRule {
        let list = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        CORSRule {
            allowed_origins: list(origins),
            allowed_methods: list(methods),
            allowed_headers: Some(list(headers)),
            ..CORSRule::default()
        }
    }

    fn request<'a>(origin: &'a str, method: &'a str, headers: Option<&'a str>) -> CrossOrigin<'a> {
        CrossOrigin { path: "/b/k", origin, method, headers, preflight: true }
    }

    #[test]
    fn whom_rules_let_in() {
        let rules = [rule(&["https://*.example.com"], &["GET"], &["x-amz-*"]), rule(&["*"], &["PUT"], &["*"])];
        let found = |request: CrossOrigin<'_>| find(&rules, &request).is_some();
        assert!(found(request("https://a.example.com", "GET", None)));
        assert!(found(request("https://a.example.com", "GET", Some("X-Amz-Date, x-amz-meta-a"))));
        assert!(!found(request("https://a.example.com", "GET", Some("content-type"))));
        assert!(!found(request("http://a.example.com", "GET", None)));
        assert!(!found(request("https://a.example.com", "DELETE", None)));
        assert!(found(request("null", "PUT", Some("anything"))));
        assert_eq!(headers(&rules[1], &request("x", "PUT", None))[0].1, "*");
        assert_eq!(headers(&rules[0], &request("x", "PUT", None))[0].1, "x");
    }

    #[test]
    fn rules_that_are_refused() {
        let of = |rule: CORSRule| check(&CORSConfiguration { cors_rules: vec![rule] });
        assert!(of(rule(&["*"], &["GET"], &["*"])).is_ok());
        assert!(of(rule(&["*"], &["PATCH"], &[])).is_err());
        assert!(of(rule(&["http://*.a.*"], &["GET"], &[])).is_err());
        assert!(of(rule(&[], &["GET"], &[])).is_err());
        assert!(of(CORSRule { expose_headers: Some(vec!["x-*".into()]), ..rule(&["*"], &["GET"], &[]) }).is_err());
        assert!(check(&CORSConfiguration::default()).is_err());
    }
}
