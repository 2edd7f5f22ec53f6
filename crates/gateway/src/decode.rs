//! From the request to the typed input, checked against the model.

use std::any::Any;

use http::HeaderMap;
use service::{AnyOperation, ApiError, Service};
use wire::protocol::{Labels, Request, decode_request};
use wire::validate::check;
use wire::{ByteStream, Protocol, Value};

/// What the decoder reads.
pub(crate) struct Input<'a> {
    pub protocol: Protocol,
    pub labels: &'a Labels,
    pub query: &'a [(String, String)],
    pub headers: &'a HeaderMap,
    pub body: &'a [u8],
    pub stream: Option<ByteStream>,
}

impl Input<'_> {
    fn request(&self) -> Request<'_> {
        Request {
            labels: self.labels,
            query: self.query,
            headers: self.headers,
            body: self.body,
            stream: self.stream.clone(),
        }
    }
}

/// Decodes and validates. On an error the state of the cloud is untouched: nothing was called yet.
pub(crate) fn decode(
    service: &dyn Service,
    operation: &'static dyn AnyOperation,
    input: &Input<'_>,
) -> Result<Box<dyn Any + Send>, ApiError> {
    let Some(shapes) = &operation.model().shapes else {
        return Err(ApiError::new(501, "NotImplemented", format!("{} is not implemented.", operation.model().name)));
    };
    let mut missing = false;
    let decoded = decode_request(input.protocol, shapes.input, input.request(), |decoder| {
        operation.decode(decoder, &mut missing)
    });
    let decoded = decoded.map_err(|error| service.malformed(&error))?;
    let violations = if missing {
        // A required member is absent, which the typed value cannot show: look at the untyped one.
        let value = decode_request(input.protocol, shapes.input, input.request(), Value::decode);
        let value = value.map_err(|error| service.malformed(&error))?;
        check(shapes.input, |encoder| value.encode(encoder))
    } else {
        operation.validate(&*decoded)
    };
    if violations.is_empty() { Ok(decoded) } else { Err(service.invalid_input(operation, &violations)) }
}
