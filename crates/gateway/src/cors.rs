//! Cross-origin calls of browser SDKs to the APIs. (S3 buckets and API stages answer their own CORS.)

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response};
use service::{Cloud, CrossOrigin, CrossOriginAnswer};

use crate::body::Body;
use crate::identify::header;
use crate::respond;

/// What a service is asked of a request from another origin.
pub(crate) fn ask<'a>(parts: &'a Parts, path: &'a str, origin: &'a str) -> Option<CrossOrigin<'a>> {
    let asked = header(&parts.headers, "access-control-request-method");
    let preflight = parts.method == Method::OPTIONS;
    let method = match (preflight, asked) {
        (true, asked) => asked?,
        (false, _) => parts.method.as_str(),
    };
    let headers = header(&parts.headers, "access-control-request-headers");
    Some(CrossOrigin { path, origin, method, headers, preflight })
}

/// A service's own answer to a preflight request.
pub(crate) fn answer(cloud: &Cloud, answer: CrossOriginAnswer, request_id: &str) -> Response<Body> {
    match (answer, cloud.service("s3")) {
        (Ok(headers), _) => {
            let mut response = Response::new(Body::from(Bytes::new()));
            add(response.headers_mut(), headers);
            respond::identify_s3(response.headers_mut(), request_id);
            response
        }
        (Err(error), Some(service)) => {
            respond::failure(&error, wire::Protocol::RestXml, service.model(), request_id, false)
        }
        (Err(_), None) => Response::new(Body::from(Bytes::new())),
    }
}

pub(crate) fn add(into: &mut HeaderMap, headers: Vec<(&'static str, String)>) {
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            into.append(name, value);
        }
    }
}

/// The answer to a preflight request.
pub(crate) fn preflight(parts: &Parts) -> Option<Response<Body>> {
    let is_preflight = parts.method == Method::OPTIONS
        && parts.headers.contains_key("origin")
        && parts.headers.contains_key("access-control-request-method");
    if !is_preflight {
        return None;
    }
    let mut response = Response::new(Body::from(Bytes::new()));
    let headers = response.headers_mut();
    allow(headers, header(&parts.headers, "origin").unwrap_or("*"));
    headers.insert("access-control-allow-methods", HeaderValue::from_static("GET,POST,PUT,DELETE,HEAD,PATCH,OPTIONS"));
    let wanted = parts.headers.get("access-control-request-headers").cloned();
    headers.insert("access-control-allow-headers", wanted.unwrap_or(HeaderValue::from_static("*")));
    headers.insert("access-control-max-age", HeaderValue::from_static("172800"));
    Some(response)
}

/// Lets the page of `origin` read a response.
pub(crate) fn allow(headers: &mut HeaderMap, origin: &str) {
    if headers.contains_key("access-control-allow-origin") {
        return;
    }
    if let Ok(origin) = HeaderValue::from_str(origin) {
        headers.insert("access-control-allow-origin", origin);
        headers.insert(
            "access-control-expose-headers",
            HeaderValue::from_static(
                "x-amzn-requestid,x-amzn-errortype,x-amzn-errormessage,x-amzn-trace-id,x-amz-apigw-id,date,etag,\
                 x-amz-request-id,x-amz-id-2,x-amz-version-id,x-amz-log-result,x-amz-function-error,x-amz-executed-version",
            ),
        );
    }
}
