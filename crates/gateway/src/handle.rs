//! The list of stages.

use std::borrow::Cow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use hyper::body::Incoming;
use service::{ApiError, Cloud, Context, Front, FrontRequest, Origin, Principal, Signed, Timestamp};
use wire::protocol::encode_response;
use wire::{ByteStream, DecodeError, Protocol, ServiceModel};

use crate::authenticate::{Authenticator, Caller, Claim, Evidence, Words};
use crate::authorize::Pipeline;
use crate::body::{Body, incoming};
use crate::checksum::algorithm_of;
use crate::chunked::{self, ChunkSigner, ChunkedDecoder};
use crate::identify::{Destination, Directory, Hints, Host, Lost, header, read_host};
use crate::signature::{self, sha256_hex};
use crate::{admin, cors, decode, inflate, respond, s3_signature};

/// The largest body of a request that is read as a whole: a Lambda package of 50 MiB in base64, and what is around it.
const MAX_BODY: usize = 72 * 1024 * 1024;

/// How much of a body that nobody wanted is read after the answer is known.
const DRAIN_BYTES: usize = 1024 * 1024;
const DRAIN_TIME: std::time::Duration = std::time::Duration::from_secs(1);

/// The front door of one cloud.
pub struct Gateway {
    cloud: Arc<Cloud>,
    pipeline: Arc<Pipeline>,
    directory: Directory,
    authenticator: Authenticator,
    fronts: Vec<Box<dyn Front>>,
}

/// A request on its way through the stages.
struct Call<'a> {
    parts: &'a Parts,
    query: Vec<(String, String)>,
    host: Host,
    host_name: String,
    claim: Claim,
    /// What operations are matched against: `/bucket/key` also for a bucket in the host.
    path: String,
    request_id: String,
    source_ip: String,
    secure: bool,
}

impl Gateway {
    pub fn new(cloud: Arc<Cloud>, pipeline: Arc<Pipeline>) -> Self {
        let directory = Directory::new(cloud.services().cloned());
        let fronts = cloud.services().flat_map(|service| service.fronts()).collect();
        Gateway { cloud, pipeline, directory, authenticator: Authenticator::new(), fronts }
    }

    /// Answers one request.
    pub async fn handle(&self, request: Request<Incoming>, source_ip: String, secure: bool) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let (body, progress) = incoming(body);
        let answer = AssertUnwindSafe(self.dispatch(&parts, body.clone(), source_ip, secure)).catch_unwind().await;
        // A handler that panics is a bug of ours: this request fails, and no other.
        let mut response = answer.unwrap_or_else(|_| {
            tracing::error!(method = %parts.method, path = parts.uri.path(), "a handler panicked");
            let mut response = Response::new(Body::from(Bytes::from_static(b"{\"__type\":\"InternalFailure\"}")));
            *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
            response
        });
        // A connection on which part of a request is still to come cannot be used again. A client that waits to be asked
        // for its body (`Expect`) is told so; of others a little is read, so that the answer reaches them.
        if !progress.is_complete() && parts.version < http::Version::HTTP_2 {
            if !parts.headers.contains_key("expect") {
                let _ = tokio::time::timeout(DRAIN_TIME, body.collect(DRAIN_BYTES)).await;
            }
            if !progress.is_complete() {
                response.headers_mut().insert(http::header::CONNECTION, HeaderValue::from_static("close"));
            }
        }
        response
    }

    async fn dispatch(&self, parts: &Parts, body: ByteStream, source_ip: String, secure: bool) -> Response<Body> {
        if admin::is_admin(parts.uri.path()) {
            let body = body.collect(admin::MAX_BODY).await.unwrap_or_default();
            return admin::answer(&self.cloud, &self.pipeline, parts, &body);
        }
        let host_name = host_of(parts);
        let host = read_host(without_port(&host_name));
        let query = wire::rest::parse_query(parts.uri.query().unwrap_or(""));
        let path = match &host.bucket {
            Some(bucket) => format!("/{bucket}{}", parts.uri.path()),
            None => express_path(parts.uri.path(), header(&parts.headers, "user-agent").unwrap_or_default()),
        };
        let request_id = match host.service.as_deref() {
            Some("s3") => self.cloud.random.upper_alphanumeric(16),
            _ => self.cloud.random.uuid(),
        };
        let claim = Claim::read(parts, &query);
        let origin = header(&parts.headers, "origin").map(str::to_owned);
        let mut response = {
            let (claim, broken) = match claim {
                Ok(claim) => (claim, None),
                Err(text) => (Claim::None, Some(text)),
            };
            let call = Call { parts, query, host, host_name, claim, path, request_id, source_ip, secure };
            if let Some(front) = self.fronts.iter().find(|front| {
                front.matches(&self.cloud, without_port(&call.host_name), call.parts.uri.path(), &call.parts.headers)
            }) {
                return self.front(&**front, &call, body).await;
            }
            let asked = origin.as_deref().and_then(|origin| cors::ask(parts, &call.path, origin));
            // S3 knows of its buckets; it is asked where the request may be for it.
            let named = call.claim.scope().map(|(service, _)| service).or(call.host.service.as_deref());
            let own = asked
                .filter(|_| matches!(named, None | Some("s3")))
                .and_then(|asked| self.cloud.service("s3")?.cross_origin(&self.cloud, &asked));
            match own {
                Some(answer) if asked.is_some_and(|asked| asked.preflight) => {
                    cors::answer(&self.cloud, answer, &self.cloud.random.upper_alphanumeric(16))
                }
                Some(answer) => {
                    let mut response = self.api(&call, broken, body).await;
                    cors::add(response.headers_mut(), answer.unwrap_or_default());
                    response
                }
                None => {
                    if let Some(preflight) = cors::preflight(parts) {
                        return preflight;
                    }
                    let mut response = self.api(&call, broken, body).await;
                    if let Some(origin) = origin {
                        cors::allow(response.headers_mut(), &origin);
                    }
                    response
                }
            }
        };
        let date = self.cloud.clock.now().http_date();
        if let Ok(date) = HeaderValue::from_str(&date) {
            response.headers_mut().insert(http::header::DATE, date);
        }
        response
    }

    async fn front(&self, front: &dyn Front, call: &Call<'_>, body: ByteStream) -> Response<Body> {
        // A signature covers the body, so it is read first; unsigned requests stream.
        let (signer, body) = match &call.claim {
            Claim::V4(_) => match body.collect(MAX_BODY).await {
                Ok(bytes) => {
                    let hash = payload_hash(call.parts, &call.claim).unwrap_or_else(|| sha256_hex(&bytes));
                    let caller = self.authenticate(call, &hash, Protocol::RestJson1, false);
                    (Some(caller.map(|caller| self.context(call, caller, &call.request_id))), ByteStream::from(bytes))
                }
                Err(error) => (Some(Err(ApiError::new(400, error.code, error.message))), ByteStream::default()),
            },
            _ => (None, body),
        };
        let request = FrontRequest {
            cloud: self.cloud.clone(),
            method: call.parts.method.clone(),
            uri: call.parts.uri.clone(),
            host: without_port(&call.host_name).to_owned(),
            authority: call.host_name.clone(),
            headers: call.parts.headers.clone(),
            body,
            source_ip: call.source_ip.clone(),
            secure: call.secure,
            request_id: call.request_id.clone(),
            extensions: call.parts.extensions.clone(),
            signer,
        };
        front.serve(request).await.map(Body::from)
    }

    async fn api(&self, call: &Call<'_>, broken: Option<String>, body: ByteStream) -> Response<Body> {
        let head = call.parts.method == http::Method::HEAD;
        // A form says in its body what it is for; every other request says it outside.
        let form = header(&call.parts.headers, "content-type")
            .is_some_and(|text| text.starts_with("application/x-www-form-urlencoded"));
        let mut body = body;
        let mut action = None;
        if form && call.parts.method == http::Method::POST {
            match body.collect(MAX_BODY).await {
                Ok(bytes) => {
                    let params = wire::query::Params::parse(&bytes).unwrap_or_default();
                    action = params
                        .get("Action")
                        .map(|action| (action.to_owned(), params.get("Version").unwrap_or_default().to_owned()));
                    body = ByteStream::from(bytes);
                }
                Err(error) => {
                    return self.lost(call, ApiError::new(413, error.code, error.message), Protocol::AwsQuery);
                }
            }
        }
        let hints = Hints {
            parts: call.parts,
            query: &call.query,
            host: &call.host,
            signed_for: call.claim.scope().map(|(service, _)| service),
            path: &call.path,
            form: action.as_ref().map(|(action, version)| (action.as_str(), version.as_str())),
        };
        let destination = match self.directory.identify(&hints) {
            Ok(destination) => destination,
            Err(Lost::Service(name, protocol)) => {
                let text = format!("The service {name} is not implemented.");
                return self.lost(call, ApiError::new(501, "NotImplemented", text), protocol);
            }
            Err(Lost::Operation(service, protocol, name)) => {
                let error = unknown_operation(service.model(), protocol, &name, call.parts);
                return respond::failure(&error, protocol, service.model(), &call.request_id, head);
            }
        };
        let model = destination.service.model();
        let request_id = if model.name == "s3" && call.request_id.contains('-') {
            self.cloud.random.upper_alphanumeric(16)
        } else {
            call.request_id.clone()
        };
        let protocol = destination.protocol;
        match self.serve(call, broken, destination, body, &request_id).await {
            Ok(response) => respond::success(response, model, &request_id, head),
            Err(error) => respond::failure(&error, protocol, model, &request_id, head),
        }
    }

    /// Authenticate, decode, authorize, call, audit, encode.
    async fn serve(
        &self,
        call: &Call<'_>,
        broken: Option<String>,
        destination: Destination,
        body: ByteStream,
        request_id: &str,
    ) -> Result<wire::protocol::Response, ApiError> {
        let Destination { service, operation: model, protocol, labels } = destination;
        let s3 = service.model().name == "s3";
        let words = Words { protocol, s3 };
        if s3 {
            s3_signature::check(call.parts, &call.query)?;
        }
        if let Some(text) = broken {
            return Err(words.incomplete(&text));
        }
        // The names of objects are UTF-8.
        let path = call.parts.uri.path();
        if s3 && percent_encoding::percent_decode_str(path).decode_utf8().is_err() {
            return Err(ApiError::new(400, "InvalidURI", "Couldn't parse the specified URI.").with("URI", path));
        }
        let operation = service.operation(model.name);
        let headers = if s3 { with_signed_query(call) } else { Cow::Borrowed(&call.parts.headers) };
        let streams = model.streams_input();
        let (bytes, stream, caller) = if streams {
            let hash = payload_hash(call.parts, &call.claim).unwrap_or_else(|| "UNSIGNED-PAYLOAD".to_owned());
            let caller = self.authenticate(call, &hash, protocol, s3)?;
            (Bytes::new(), Some(streaming_body(call, &caller, &hash, body)?), caller)
        } else {
            let bytes = body.collect(MAX_BODY).await.map_err(|error| ApiError::new(413, error.code, error.message))?;
            let hash = self.whole_body_hash(call, &bytes, s3)?;
            let caller = self.authenticate(call, &hash, protocol, s3)?;
            let bytes = unchunked(call, &caller, &hash, bytes).await?;
            let bytes = inflate::inflate(protocol, &call.parts.headers, bytes, MAX_BODY)
                .ok_or_else(|| service.malformed(&DecodeError::Malformed(String::new())))?;
            service.check_body(model, &headers, &bytes)?;
            (bytes, None, caller)
        };
        if let Principal::Anonymous = caller.who.principal()
            && !s3
            && !model.anonymous
        {
            return Err(words.missing());
        }
        let Some(operation) = operation else {
            return Err(not_implemented(service.model(), model.name));
        };
        let cx = self.context(call, caller, request_id);
        let query = parameters(&call.query);
        service.check_request(model, &query, &headers)?;
        let input = decode::Input { protocol, labels: &labels, query: &query, headers: &headers, body: &bytes, stream };
        let input = decode::decode(&*service, operation, &input)?;
        let output = service::Stages::perform(&*self.pipeline, &cx, &*service, operation, input).await?;
        let Some(shapes) = &model.shapes else { return Err(not_implemented(service.model(), model.name)) };
        Ok(encode_response(protocol, service.model(), model, shapes.output, request_id, |encoder| {
            operation.encode_output(&*output, encoder);
        }))
    }

    fn authenticate(
        &self,
        call: &Call<'_>,
        payload_hash: &str,
        protocol: Protocol,
        s3: bool,
    ) -> Result<Caller, ApiError> {
        let evidence = Evidence {
            parts: call.parts,
            query: &call.query,
            host: &call.host_name,
            path: &call.path,
            payload_hash,
            protocol,
            s3,
        };
        self.authenticator.authenticate(&self.cloud, &call.claim, &evidence)
    }

    /// The hash that the signature covers. Where S3's header states one, the body must have it.
    fn whole_body_hash(&self, call: &Call<'_>, bytes: &[u8], s3: bool) -> Result<String, ApiError> {
        let stated = payload_hash(call.parts, &call.claim);
        match stated {
            Some(hash) if s3 && hash.len() == 64 => {
                if sha256_hex(bytes) != hash {
                    let error = hash_mismatch().with("ClientComputedContentSHA256", hash);
                    return Err(error.with("S3ComputedContentSHA256", sha256_hex(bytes)));
                }
                Ok(hash)
            }
            Some(hash) if hash.len() != 64 => Ok(hash),
            // Only a body that is part of a signature needs to be hashed.
            _ if matches!(call.claim, Claim::V4(_)) => Ok(sha256_hex(bytes)),
            _ => Ok(String::new()),
        }
    }

    fn context(&self, call: &Call<'_>, caller: Caller, request_id: &str) -> Context {
        let region = match call.claim.scope() {
            // Global services are signed for us-east-1 whatever region the client works in.
            Some((_, region)) if !region.is_empty() && region != "aws-global" => region,
            _ => call.host.region.as_deref().unwrap_or(&self.cloud.config.region),
        };
        let origin = Origin {
            source_ip: call.source_ip.clone(),
            user_agent: header(&call.parts.headers, "user-agent").unwrap_or_default().to_owned(),
            secure: call.secure,
            via: None,
            source: Vec::new(),
            trace: header(&call.parts.headers, "x-amzn-trace-id").map(str::to_owned),
            signed: signed(call),
        };
        Context::of_request(self.cloud.clone(), caller.who, &caller.account, region, origin, request_id.to_owned())
    }

    /// An answer where not even the service is known.
    fn lost(&self, call: &Call<'_>, error: ApiError, protocol: Protocol) -> Response<Body> {
        const NOBODY: ServiceModel = ServiceModel {
            name: "unknown",
            signing_name: "unknown",
            service_id: "unknown",
            api_version: "",
            protocols: &[],
            target_prefix: None,
            xml_namespace: None,
            error_namespace: None,
            message_member: "message",
            query_compatible: false,
            operations: &[],
        };
        respond::failure(&error, protocol, &NOBODY, &call.request_id, false)
    }
}

/// The path of a request that says its bucket there. Of a directory bucket the JavaScript SDK writes `/bucket//key` where it
/// was given an IP address; from anybody else that is a key that begins with a slash.
fn express_path(path: &str, agent: &str) -> String {
    match path.split_once("//") {
        Some((bucket, rest))
            if agent.starts_with("aws-sdk-js/") && bucket.ends_with("--x-s3") && !bucket[1..].contains('/') =>
        {
            format!("{bucket}/{rest}")
        }
        _ => path.to_owned(),
    }
}

fn signed(call: &Call<'_>) -> Option<Signed> {
    match &call.claim {
        Claim::V4(v4) => {
            let (presigned, stated) = (v4.expires.is_some(), header(&call.parts.headers, "x-amz-content-sha256"));
            let unsigned_body = stated.map_or(presigned, |hash| hash == "UNSIGNED-PAYLOAD");
            Some(Signed { presigned, at: Timestamp::parse_basic(&v4.date), unsigned_body })
        }
        Claim::V2(_) => Some(Signed { presigned: true, at: None, unsigned_body: true }),
        Claim::None | Claim::Unsupported(_) => None,
    }
}

/// The query without what only signs it.
fn parameters(query: &[(String, String)]) -> Cow<'_, [(String, String)]> {
    let signs = |key: &str| key.starts_with("X-Amz-") && key != "X-Amz-Expected-Bucket-Owner";
    if query.iter().any(|(key, _)| signs(key)) {
        return query.iter().filter(|(key, _)| !signs(key)).cloned().collect();
    }
    Cow::Borrowed(query)
}

/// The headers of a request to S3. Presigned addresses may carry some in their query, where they are signed.
fn with_signed_query<'a>(call: &Call<'a>) -> Cow<'a, HeaderMap> {
    const SIGNING: [&str; 8] = [
        "x-amz-algorithm",
        "x-amz-content-sha256",
        "x-amz-credential",
        "x-amz-date",
        "x-amz-expires",
        "x-amz-security-token",
        "x-amz-signature",
        "x-amz-signedheaders",
    ];
    let mut headers = Cow::Borrowed(&call.parts.headers);
    if !matches!(&call.claim, Claim::V4(v4) if v4.expires.is_some()) {
        return headers;
    }
    for (name, value) in &call.query {
        let name = name.to_ascii_lowercase();
        if !name.starts_with("x-amz-") || SIGNING.contains(&name.as_str()) || headers.contains_key(&name) {
            continue;
        }
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
            headers.to_mut().insert(name, value);
        }
    }
    headers
}

fn not_implemented(service: &ServiceModel, operation: &str) -> ApiError {
    let text = format!("{} {operation} is not implemented.", service.service_id);
    ApiError::new(501, "NotImplemented", text)
}

/// AWS's answers to operations that do not exist.
fn unknown_operation(service: &ServiceModel, protocol: Protocol, name: &str, parts: &Parts) -> ApiError {
    match protocol {
        Protocol::AwsQuery | Protocol::Ec2Query if name.is_empty() => {
            ApiError::new(400, "MissingAction", "Could not find action to perform in the request")
        }
        Protocol::AwsQuery | Protocol::Ec2Query => {
            let text = format!("Could not find operation {name} for version {}", service.api_version);
            ApiError::new(400, "InvalidAction", text)
        }
        // Of a preflight request, something is missing.
        Protocol::RestXml if parts.method == http::Method::OPTIONS => {
            let text = match parts.headers.contains_key("origin") {
                true => "Invalid Access-Control-Request-Method: null",
                false => "Insufficient information. Origin request header needed.",
            };
            ApiError::new(400, "BadRequest", text)
        }
        Protocol::RestXml => {
            let error =
                ApiError::new(405, "MethodNotAllowed", "The specified method is not allowed against this resource.");
            let kind = match parts.uri.path().trim_matches('/') {
                "" => "SERVICE",
                path if path.contains('/') => "OBJECT",
                // What else is posted to a bucket is a form.
                _ if parts.method == http::Method::POST && parts.uri.query().is_none() => {
                    let text = "At least one of the pre-conditions you specified did not hold";
                    let condition = "Bucket POST must be of the enclosure-type multipart/form-data";
                    return ApiError::new(412, "PreconditionFailed", text).with("Condition", condition);
                }
                _ => "BUCKET",
            };
            error.with("Method", parts.method.as_str()).with("ResourceType", kind)
        }
        Protocol::RestJson1 => {
            let text = format!(
                "Unable to determine service/operation name to be authorized ({} {})",
                parts.method,
                parts.uri.path()
            );
            ApiError::new(403, "MissingAuthenticationTokenException", text)
        }
        _ => ApiError::new(400, "UnknownOperationException", ""),
    }
}

fn host_of(parts: &Parts) -> String {
    let host = header(&parts.headers, "host").or(parts.uri.authority().map(http::uri::Authority::as_str));
    host.unwrap_or("localhost").to_ascii_lowercase()
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// `x-amz-content-sha256`; presigned requests of S3 do not sign their body.
fn payload_hash(parts: &Parts, claim: &Claim) -> Option<String> {
    if let Some(hash) = header(&parts.headers, "x-amz-content-sha256") {
        return Some(hash.to_owned());
    }
    match claim {
        Claim::V4(v4) if v4.expires.is_some() && matches!(&*v4.scope.service, "s3" | "s3express") => {
            Some("UNSIGNED-PAYLOAD".to_owned())
        }
        _ => None,
    }
}

fn hash_mismatch() -> ApiError {
    ApiError::new(
        400,
        "XAmzContentSHA256Mismatch",
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
    )
}

/// The body of a streaming operation, decoded and verified as it passes.
fn streaming_body(call: &Call<'_>, caller: &Caller, hash: &str, body: ByteStream) -> Result<ByteStream, ApiError> {
    match chunk_decoder(call, caller, hash)? {
        Some(decoder) => Ok(chunked::decode(&body, decoder)),
        None if hash.len() == 64 => Ok(verified(body, hash.to_owned())),
        None => Ok(body),
    }
}

/// A whole body, out of its chunks if it has any.
async fn unchunked(call: &Call<'_>, caller: &Caller, hash: &str, bytes: Bytes) -> Result<Bytes, ApiError> {
    match chunk_decoder(call, caller, hash)? {
        None => Ok(bytes),
        Some(decoder) => chunked::decode(&ByteStream::from(bytes), decoder)
            .collect(MAX_BODY)
            .await
            .map_err(|error| ApiError::new(400, error.code, error.message)),
    }
}

fn chunk_decoder(call: &Call<'_>, caller: &Caller, hash: &str) -> Result<Option<ChunkedDecoder>, ApiError> {
    let headers = &call.parts.headers;
    let signed = match hash {
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" | "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => true,
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => false,
        _ if hash.starts_with("STREAMING-") => {
            return Err(ApiError::new(
                501,
                "NotImplemented",
                "A header you provided implies functionality that is not implemented.",
            ));
        }
        _ => return Ok(None),
    };
    let expected = header(headers, "x-amz-decoded-content-length").and_then(|text| text.parse().ok());
    if expected.is_none() {
        return Err(ApiError::new(411, "MissingContentLength", "You must provide the Content-Length HTTP header."));
    }
    let trailer = header(headers, "x-amz-trailer");
    if trailer.is_some_and(|names| names.split(',').any(|name| algorithm_of(name.trim()).is_none())) {
        let text = "The value specified in the x-amz-trailer header is not supported";
        return Err(ApiError::new(400, "InvalidRequest", text));
    }
    // The chunks of a presumed caller cannot be verified: nobody knows the secret.
    let signer = match (&call.claim, &caller.signing_key) {
        (Claim::V4(v4), Some(key)) if signed => Some(ChunkSigner {
            key: key.clone(),
            date: v4.date.clone(),
            scope: format!("{}/{}/{}/aws4_request", v4.scope.date, v4.scope.region, v4.scope.service),
            previous: v4.signature.clone(),
        }),
        _ => None,
    };
    Ok(Some(ChunkedDecoder::new(signer, trailer, expected)))
}

/// Ends with an error where the body does not have the hash that was signed.
fn verified(body: ByteStream, hash: String) -> ByteStream {
    use aws_lc_rs::digest;
    use futures_util::StreamExt as _;
    let len = body.len();
    let state = Some((body.take(), digest::Context::new(&digest::SHA256), hash));
    let stream = futures_util::stream::unfold(state, |state| async move {
        let (mut body, mut context, hash) = state?;
        match body.next().await {
            Some(Ok(chunk)) => {
                context.update(&chunk);
                Some((Ok(chunk), Some((body, context, hash))))
            }
            Some(Err(error)) => Some((Err(error), None)),
            None if signature::hex(context.finish().as_ref()) == hash => None,
            None => {
                let ApiError { message, .. } = hash_mismatch();
                Some((Err(wire::StreamError { code: "XAmzContentSHA256Mismatch", message }), None))
            }
        }
    });
    ByteStream::new(stream, len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_directory_buckets() {
        let javascript = "aws-sdk-js/3.900.0 ua/2.1";
        assert_eq!(express_path("/a--use1-az4--x-s3//k//l", javascript), "/a--use1-az4--x-s3/k//l");
        assert_eq!(express_path("/a--use1-az4--x-s3//", javascript), "/a--use1-az4--x-s3/");
        for (path, agent) in [
            ("/a--use1-az4--x-s3//k", "Boto3/1.44.5"),
            ("/a--use1-az4--x-s3/k//l", javascript),
            ("/plain//k", javascript),
            ("//k", javascript),
        ] {
            assert_eq!(express_path(path, agent), path);
        }
    }
}
