//! The protocol's answer, with the headers that AWS puts around it.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use service::ApiError;
use wire::{Protocol, ServiceModel};

use crate::body::Body;

/// Turns an encoded output into an HTTP response.
pub(crate) fn success(
    response: wire::protocol::Response,
    service: &ServiceModel,
    request_id: &str,
    head: bool,
) -> Response<Body> {
    let stream = response.stream.filter(|_| !head);
    let body = match stream {
        Some(stream) => Body::from(stream),
        None if head => Body::from(Bytes::new()),
        None => Body::from(response.body),
    };
    let checksum = match &body {
        // DynamoDB's clients check this.
        Body::Full(Some(bytes)) if service.name == "dynamodb" => Some(crc32fast::hash(bytes)),
        _ => None,
    };
    let mut http = Response::new(body);
    *http.status_mut() = StatusCode::from_u16(response.status).unwrap_or(StatusCode::OK);
    let headers = http.headers_mut();
    // A member that is bound to the header says it better than the kind of the body.
    let stated = response.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    if let Some(content_type) = response.content_type.filter(|_| !stated) {
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    for (name, value) in response.headers {
        add(headers, &name, &value);
    }
    if let Some(checksum) = checksum {
        put(headers, "x-amz-crc32", &checksum.to_string());
    }
    identify(headers, service, request_id);
    http
}

/// Turns an error into an HTTP response.
pub(crate) fn failure(
    error: &ApiError,
    protocol: Protocol,
    service: &ServiceModel,
    request_id: &str,
    head: bool,
) -> Response<Body> {
    let encoded = error.encode(protocol, service, request_id);
    // These statuses have no body, and neither has the answer to HEAD.
    let bare = head || matches!(error.status, 204 | 304);
    let checksum = crc32fast::hash(&encoded.body);
    let mut http = Response::new(Body::from(if bare { Bytes::new() } else { Bytes::from(encoded.body) }));
    *http.status_mut() = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = http.headers_mut();
    // S3 tells the type of what it would have said.
    if !bare || (head && service.name == "s3" && error.status != 304) {
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(encoded.content_type));
    }
    for (name, value) in &encoded.headers {
        add(headers, name, value);
    }
    for (name, value) in &error.headers {
        add(headers, name, value);
    }
    if service.name == "dynamodb" {
        put(headers, "x-amz-crc32", &checksum.to_string());
    }
    identify(headers, service, request_id);
    http
}

fn add(headers: &mut HeaderMap, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_bytes(value.as_bytes())) {
        headers.append(name, value);
    }
}

/// The request id, under the names that the services use.
fn identify(headers: &mut HeaderMap, service: &ServiceModel, request_id: &str) {
    if service.name == "s3" {
        identify_s3(headers, request_id);
    } else {
        put(headers, "x-amzn-requestid", request_id);
    }
}

pub(crate) fn identify_s3(headers: &mut HeaderMap, request_id: &str) {
    put(headers, "x-amz-request-id", request_id);
    put(headers, "x-amz-id-2", &wire::error::host_id(request_id));
    headers.insert(http::header::SERVER, HeaderValue::from_static("AmazonS3"));
}

/// A header whose name is known to be one.
fn put(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}
