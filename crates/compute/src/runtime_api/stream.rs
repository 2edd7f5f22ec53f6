//! Responses that are passed on while a runtime writes them.
//!
//! A runtime that streams says so in a header, sends chunks, and may end with trailers that tell of an error.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html#runtimes-custom-response-streaming>
//!
//! Whoever waits for the parts and has gone does not stop the function: the rest is read and forgotten.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap};
use tokio::sync::{mpsc, oneshot};

use super::{RESPONSE_LIMIT, Reply, error_payload, too_large};

/// The most that a function may stream.
pub const STREAM_LIMIT: usize = 200 << 20;

const MODE: &str = "lambda-runtime-function-response-mode";
const ERROR_TYPE: &str = "lambda-runtime-function-error-type";
const ERROR_BODY: &str = "lambda-runtime-function-error-body";

/// A part of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Comes first: what the response says of itself.
    Begin {
        content_type: Option<String>,
    },
    Data(Bytes),
}

/// Where the parts of a response go.
pub type Sink = mpsc::Sender<Part>;

pub fn is_streaming(headers: &HeaderMap) -> bool {
    headers.get(MODE).is_some_and(|mode| mode.as_bytes().eq_ignore_ascii_case(b"streaming"))
}

/// The right to answer an invocation. Given up without an answer (the runtime's connection broke), it says so.
pub struct Claim {
    pub sink: Option<Sink>,
    reply: Option<oneshot::Sender<Reply>>,
}

impl Claim {
    pub fn new(reply: oneshot::Sender<Reply>, sink: Option<Sink>) -> Self {
        Self { sink, reply: Some(reply) }
    }

    fn settle(mut self, reply: Reply) {
        if let Some(sender) = self.reply.take() {
            let _ = sender.send(reply);
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(sender) = self.reply.take() {
            let _ = sender.send(truncated());
        }
    }
}

fn truncated() -> Reply {
    let kind = "Runtime.TruncatedResponse";
    Reply::Error {
        kind: kind.into(),
        payload: error_payload(kind, "The runtime's response ended before it was complete."),
    }
}

/// Reads a streamed response to its end and settles the invocation. Without a sink it is gathered, as for a caller that wants
/// the whole.
pub async fn pass_on(claim: Claim, headers: &HeaderMap, mut body: Incoming) {
    let content_type = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).map(str::to_owned);
    let limit = if claim.sink.is_some() { STREAM_LIMIT } else { RESPONSE_LIMIT };
    let mut gathered = BytesMut::new();
    let mut length = 0;
    if let Some(sink) = &claim.sink {
        let _ = sink.send(Part::Begin { content_type }).await;
    }
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return claim.settle(truncated()) };
        let data = match frame.into_data() {
            Ok(data) => data,
            Err(frame) => match frame.into_trailers().ok().and_then(|trailers| error(&trailers)) {
                Some(error) => return claim.settle(error),
                None => continue,
            },
        };
        length += data.len();
        if length > limit {
            return claim.settle(too_large(limit));
        }
        match &claim.sink {
            Some(sink) => drop(sink.send(Part::Data(data)).await),
            None => gathered.extend_from_slice(&data),
        }
    }
    let reply = if claim.sink.is_some() { Reply::Streamed } else { Reply::Response(gathered.freeze()) };
    claim.settle(reply);
}

/// The error that trailers tell of. Its body is base64.
fn error(trailers: &HeaderMap) -> Option<Reply> {
    let kind = trailers.get(ERROR_TYPE)?.to_str().ok()?.to_owned();
    let encoded = trailers.get(ERROR_BODY).map(|body| body.as_bytes()).unwrap_or_default();
    let payload = BASE64_STANDARD.decode(encoded).map(Bytes::from);
    Some(Reply::Error { payload: payload.unwrap_or_else(|_| error_payload(&kind, "")), kind })
}
