//! Cross-origin calls of browser SDKs to the APIs. (S3 buckets and API stages answer their own CORS.)

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response};

use crate::body::Body;
use crate::identify::header;

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
