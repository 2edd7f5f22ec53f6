//! Data planes that are not an AWS API: API stages, function URLs, websites. A service lists its fronts; the gateway
//! asks each, in order, whether a request is its own before it looks for an API call.

use std::sync::Arc;

use http::{Extensions, HeaderMap, Method, Uri};
use wire::ByteStream;

use crate::operation::BoxFuture;
use crate::{ApiError, Cloud, Context};

/// A request to a front.
pub struct FrontRequest {
    pub cloud: Arc<Cloud>,
    pub method: Method,
    /// Path and query as they came.
    pub uri: Uri,
    /// The host without its port, in lower case.
    pub host: String,
    /// The host as it came, with its port.
    pub authority: String,
    pub headers: HeaderMap,
    pub body: ByteStream,
    pub source_ip: String,
    pub secure: bool,
    pub request_id: String,
    /// What the server knows of the request beside HTTP: the handle that turns its connection into another protocol's.
    pub extensions: Extensions,
    /// The verified signer, where the request carries a signature; an error where that is wrong.
    pub signer: Option<Result<Context, ApiError>>,
}

pub type FrontResponse = http::Response<ByteStream>;

/// See the module.
pub trait Front: Send + Sync {
    /// Whether a request for this host (lower case, no port) and path is the front's. Asked for every request, so it
    /// must not read the store for those that cannot be.
    fn matches(&self, cloud: &Cloud, host: &str, path: &str, headers: &HeaderMap) -> bool;

    fn serve(&self, request: FrontRequest) -> BoxFuture<'static, FrontResponse>;
}
