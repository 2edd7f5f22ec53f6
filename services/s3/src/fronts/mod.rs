//! What S3 answers beside its API: websites, and forms that browsers post.

mod form;
mod multipart;
mod policy;
mod website;

use http::{HeaderName, HeaderValue, StatusCode};
use service::{ApiError, Bytes, Caller, Context, FrontRequest, FrontResponse, Operation, Origin};
use wire::{ByteStream, Protocol, Structure};

pub use form::Forms;
pub use website::Websites;

/// The context of a call that a front makes for a client. `source`: conditions that the front vouches for.
fn context(request: &FrontRequest, caller: Caller, region: &str, source: Vec<(String, String)>) -> Context {
    let account = match caller.principal().account() {
        "" => request.cloud.config.default_account.clone(),
        account => account.to_owned(),
    };
    let agent = request.headers.get("user-agent").and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let origin = Origin {
        source_ip: request.source_ip.clone(),
        user_agent: agent.to_owned(),
        secure: request.secure,
        via: None,
        source,
        trace: None,
        signed: None,
    };
    Context::of_request(request.cloud.clone(), caller, &account, region, origin, request.request_id.clone())
}

/// An output of the API as an HTTP response.
fn encode<O: Operation>(output: &O::Output, request_id: &str) -> FrontResponse {
    let service = &s3_api::SERVICE_MODEL;
    let encoded = wire::protocol::encode_response(
        Protocol::RestXml,
        service,
        O::MODEL,
        O::Output::SCHEMA,
        request_id,
        |encoder| wire::Shape::encode(output, encoder),
    );
    let body = encoded.stream.unwrap_or_else(|| ByteStream::from(encoded.body));
    let mut response = http::Response::new(body);
    *response.status_mut() = StatusCode::from_u16(encoded.status).unwrap_or(StatusCode::OK);
    for (name, value) in encoded.headers {
        add(&mut response, &name, &value);
    }
    identify(&mut response, request_id);
    response
}

fn add(response: &mut FrontResponse, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_bytes(value.as_bytes())) {
        response.headers_mut().insert(name, value);
    }
}

fn identify(response: &mut FrontResponse, request_id: &str) {
    add(response, "x-amz-request-id", request_id);
    add(response, "x-amz-id-2", &wire::error::host_id(request_id));
    add(response, "server", "AmazonS3");
}

/// An error as the API writes it.
fn failure(error: &ApiError, request_id: &str) -> FrontResponse {
    let encoded = error.encode(Protocol::RestXml, &s3_api::SERVICE_MODEL, request_id);
    let mut response = http::Response::new(ByteStream::from(Bytes::from(encoded.body)));
    *response.status_mut() = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    add(&mut response, "content-type", encoded.content_type);
    for (name, value) in encoded.headers.iter().chain(&error.headers) {
        add(&mut response, name, value);
    }
    identify(&mut response, request_id);
    response
}

/// The headers of the bucket's CORS rules.
fn allow_origin(response: &mut FrontResponse, request: &FrontRequest, path: &str) {
    let Some(origin) = request.headers.get("origin").and_then(|origin| origin.to_str().ok()) else { return };
    let asked = service::CrossOrigin { path, origin, method: request.method.as_str(), headers: None, preflight: false };
    for (name, value) in crate::cors::answer(&request.cloud, &asked).and_then(Result::ok).unwrap_or_default() {
        add(response, name, &value);
    }
}
