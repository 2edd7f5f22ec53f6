//! The Lambda Runtime API, version 2018-06-01: how a runtime takes invocations and answers them.
//!
//! Every environment has a listener of its own, so a function cannot take or answer another's invocations. One invocation
//! is in flight at a time; an answer for any other request id is refused and changes nothing.
//!
//! Beside it are the APIs of extensions: [`agents`] is who they are, [`extensions`] what they may ask, [`telemetry`] what they
//! are sent.
//!
//! `GET /2018-06-01/welkin/assignment` is ours: a runtime that was started before its function was known waits there.

mod agents;
mod extensions;
mod stream;
mod telemetry;

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;

pub use agents::{About, Agents, Fault};
pub use stream::{Part, STREAM_LIMIT, Sink};
pub use telemetry::Kind;

use stream::Claim;

/// The largest response that a function may give.
pub const RESPONSE_LIMIT: usize = 6_291_556;

const VERSION: &str = "/2018-06-01/";

/// What a runtime is told about an invocation.
#[derive(Clone, Debug, Default)]
pub struct Next {
    pub request_id: String,
    pub payload: Bytes,
    pub deadline_millis: i64,
    pub function_arn: String,
    pub trace_id: Option<String>,
    pub client_context: Option<String>,
    pub cognito_identity: Option<String>,
    pub tenant: Option<String>,
    /// Where a response goes that the runtime streams.
    pub sink: Option<Sink>,
}

/// What the runtime said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Response(Bytes),
    /// All of it went to the sink.
    Streamed,
    Error {
        kind: String,
        payload: Bytes,
    },
}

/// Where the runtime is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    Starting,
    /// It waits for its assignment.
    Unassigned,
    /// It has asked for its first invocation.
    Ready,
    /// It could not initialise the function.
    Failed {
        kind: String,
        payload: Bytes,
    },
}

/// One environment's Runtime API; it stops listening when dropped.
pub struct RuntimeApi {
    shared: Arc<Shared>,
    queue: mpsc::Sender<Next>,
    phase: watch::Receiver<Phase>,
    accepting: AbortHandle,
}

/// Follows where a runtime is.
pub struct Phases(watch::Receiver<Phase>);

impl Phases {
    /// Waits until the condition holds; forever if the Runtime API ends before.
    pub async fn reached(mut self, condition: impl FnMut(&Phase) -> bool) -> Phase {
        match self.0.wait_for(condition).await.map(|phase| phase.clone()) {
            Ok(phase) => phase,
            Err(_) => std::future::pending().await,
        }
    }
}

struct Shared {
    agents: Arc<Agents>,
    taken: AtomicBool,
    phase: watch::Sender<Phase>,
    assignment: watch::Sender<Option<Bytes>>,
    queue: tokio::sync::Mutex<mpsc::Receiver<Next>>,
    current: Mutex<Option<Current>>,
}

/// The invocation that waits for an answer.
struct Current {
    request_id: String,
    reply: oneshot::Sender<Reply>,
    sink: Option<Sink>,
}

impl RuntimeApi {
    pub fn serve(listener: TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let (queue, receiver) = mpsc::channel(1);
        let (phase_sender, phase) = watch::channel(Phase::Starting);
        let shared = Arc::new(Shared {
            agents: Arc::default(),
            taken: AtomicBool::new(false),
            phase: phase_sender,
            assignment: watch::channel(None).0,
            queue: tokio::sync::Mutex::new(receiver),
            current: Mutex::new(None),
        });
        let accepting = tokio::spawn(accept(listener, shared.clone())).abort_handle();
        Ok(Self { shared, queue, phase, accepting })
    }

    /// For waiting until the runtime has come somewhere.
    pub fn phases(&self) -> Phases {
        Phases(self.phase.clone())
    }

    /// Whether the runtime has been given the latest invocation.
    pub fn taken(&self) -> bool {
        self.shared.taken.load(Ordering::Acquire)
    }

    /// The extensions of the environment.
    pub fn agents(&self) -> &Arc<Agents> {
        &self.shared.agents
    }

    /// Tells a waiting runtime which function it is.
    pub fn assign(&self, assignment: Bytes) {
        self.shared.assignment.send_replace(Some(assignment));
    }

    /// Queues an invocation; the reply arrives on the returned channel, which closes if the runtime gives up its connection
    /// to this environment for good.
    pub async fn invoke(&self, next: Next) -> oneshot::Receiver<Reply> {
        let (sender, reply) = oneshot::channel();
        self.shared.taken.store(false, Ordering::Release);
        *self.shared.current.lock() =
            Some(Current { request_id: next.request_id.clone(), reply: sender, sink: next.sink.clone() });
        if self.queue.send(next).await.is_err() {
            self.shared.current.lock().take();
        }
        reply
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: tokio::net::TcpListener, shared: Arc<Shared>) {
    // Connections live in this task's set, so they end when the environment does.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let shared = shared.clone();
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let shared = shared.clone();
                async move { Ok::<_, Infallible>(shared.answer(request).await) }
            });
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                tracing::trace!(%error, "runtime connection ended");
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

type Answer = Response<Full<Bytes>>;

impl Shared {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let path = request.uri().path().to_owned();
        let Some(path) = path.strip_prefix(VERSION) else {
            return extensions::answer(&self.agents, request).await.unwrap_or_else(not_found);
        };
        let parts: Vec<&str> = path.split('/').collect();
        match (request.method(), &parts[..]) {
            (&Method::GET, ["runtime", "invocation", "next"]) => self.next().await,
            (&Method::POST, ["runtime", "invocation", id, "response"]) => self.respond(id, request).await,
            (&Method::POST, ["runtime", "invocation", id, "error"]) => self.fail(id, request).await,
            (&Method::POST, ["runtime", "init", "error"]) => self.fail_init(request).await,
            (&Method::GET, ["welkin", "assignment"]) => self.assigned().await,
            _ => not_found(),
        }
    }

    async fn next(&self) -> Answer {
        self.agents.close();
        self.phase.send_if_modified(|phase| {
            let first = !matches!(phase, Phase::Ready);
            *phase = Phase::Ready;
            first
        });
        let Some(next) = self.queue.lock().await.recv().await else { return not_found() };
        self.taken.store(true, Ordering::Release);
        let mut answer = Response::new(Full::new(next.payload));
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let deadline = next.deadline_millis.to_string();
        let fields = [
            ("lambda-runtime-aws-request-id", Some(&next.request_id)),
            ("lambda-runtime-deadline-ms", Some(&deadline)),
            ("lambda-runtime-invoked-function-arn", Some(&next.function_arn)),
            ("lambda-runtime-trace-id", next.trace_id.as_ref()),
            ("lambda-runtime-client-context", next.client_context.as_ref()),
            ("lambda-runtime-cognito-identity", next.cognito_identity.as_ref()),
            ("lambda-runtime-aws-tenant-id", next.tenant.as_ref()),
        ];
        for (name, value) in fields {
            if let Some(value) = value.and_then(|value| HeaderValue::from_bytes(value.as_bytes()).ok()) {
                headers.insert(name, value);
            }
        }
        answer
    }

    async fn respond(&self, id: &str, request: Request<Incoming>) -> Answer {
        if stream::is_streaming(request.headers()) {
            let Some(Current { reply, sink, .. }) = self.take(id) else { return unknown_request() };
            let (head, body) = request.into_parts();
            stream::pass_on(Claim::new(reply, sink), &head.headers, body).await;
            return accepted();
        }
        match Limited::new(request.into_body(), RESPONSE_LIMIT).collect().await {
            Ok(body) => self.settle(id, Reply::Response(body.to_bytes())),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => {
                self.settle(id, too_large(RESPONSE_LIMIT));
                refuse(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", &size_exceeded(RESPONSE_LIMIT))
            }
            Err(_) => refuse(StatusCode::BAD_REQUEST, "InvalidRequest", "The body could not be read"),
        }
    }

    async fn fail(&self, id: &str, request: Request<Incoming>) -> Answer {
        let kind = error_kind(request.headers());
        match Limited::new(request.into_body(), RESPONSE_LIMIT).collect().await {
            Ok(body) => self.settle(id, Reply::Error { kind, payload: body.to_bytes() }),
            Err(_) => refuse(StatusCode::BAD_REQUEST, "InvalidRequest", "The body could not be read"),
        }
    }

    async fn fail_init(&self, request: Request<Incoming>) -> Answer {
        let kind = error_kind(request.headers());
        let Ok(body) = Limited::new(request.into_body(), RESPONSE_LIMIT).collect().await else {
            return refuse(StatusCode::BAD_REQUEST, "InvalidRequest", "The body could not be read");
        };
        let payload = body.to_bytes();
        self.phase.send_if_modified(|phase| {
            let starting = matches!(phase, Phase::Starting | Phase::Unassigned);
            if starting {
                *phase = Phase::Failed { kind, payload };
            }
            starting
        });
        accepted()
    }

    async fn assigned(&self) -> Answer {
        self.phase.send_if_modified(|phase| {
            let starting = *phase == Phase::Starting;
            if starting {
                *phase = Phase::Unassigned;
            }
            starting
        });
        let mut assignment = self.assignment.subscribe();
        match assignment.wait_for(Option::is_some).await {
            Ok(body) => Response::new(Full::new(body.clone().unwrap_or_default())),
            Err(_) => not_found(),
        }
    }

    fn settle(&self, id: &str, reply: Reply) -> Answer {
        let Some(current) = self.take(id) else { return unknown_request() };
        let _ = current.reply.send(reply);
        accepted()
    }

    /// Whoever takes an invocation is the only one who can answer it.
    fn take(&self, id: &str) -> Option<Current> {
        self.current.lock().take_if(|current| current.request_id == id)
    }
}

fn unknown_request() -> Answer {
    refuse(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID")
}

fn size_exceeded(limit: usize) -> String {
    format!("Response payload size exceeded maximum allowed payload size ({limit} bytes).")
}

fn too_large(limit: usize) -> Reply {
    let kind = "Function.ResponseSizeTooLarge";
    Reply::Error { kind: kind.into(), payload: error_payload(kind, &size_exceeded(limit)) }
}

fn error_kind(headers: &HeaderMap) -> String {
    let kind = headers.get("lambda-runtime-function-error-type").and_then(|kind| kind.to_str().ok());
    kind.unwrap_or("Runtime.Unknown").to_owned()
}

/// An error in the shape that callers of a function see.
pub fn error_payload(kind: &str, message: &str) -> Bytes {
    serde_json::json!({ "errorType": kind, "errorMessage": message }).to_string().into()
}

fn accepted() -> Answer {
    json(StatusCode::ACCEPTED, Bytes::from_static(b"{\"status\":\"OK\"}\n"))
}

fn refuse(status: StatusCode, kind: &str, message: &str) -> Answer {
    json(status, error_payload(kind, message))
}

fn not_found() -> Answer {
    Response::builder().status(StatusCode::NOT_FOUND).body(Full::default()).unwrap_or_default()
}

fn json(status: StatusCode, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn send(address: std::net::SocketAddr, request: String) -> String {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    fn get(path: &str) -> String {
        format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    }

    fn post(path: &str, body: &str) -> String {
        format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    }

    #[tokio::test]
    async fn one_invocation_from_next_to_response() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let api = RuntimeApi::serve(listener).unwrap();
        let next = Next { request_id: "r1".into(), payload: "{}".into(), deadline_millis: 5, ..Next::default() };
        let reply = api.invoke(next).await;
        let answer = send(address, get("/2018-06-01/runtime/invocation/next")).await;
        assert!(answer.contains("lambda-runtime-aws-request-id: r1\r\n"), "{answer}");
        assert!(answer.contains("lambda-runtime-deadline-ms: 5\r\n"), "{answer}");
        let wrong = send(address, post("/2018-06-01/runtime/invocation/r2/response", "1")).await;
        assert!(wrong.starts_with("HTTP/1.1 400") && wrong.contains("InvalidRequestID"), "{wrong}");
        let right = send(address, post("/2018-06-01/runtime/invocation/r1/response", "1")).await;
        assert!(right.starts_with("HTTP/1.1 202"), "{right}");
        assert_eq!(reply.await.unwrap(), Reply::Response("1".into()));
        let again = send(address, post("/2018-06-01/runtime/invocation/r1/response", "1")).await;
        assert!(again.starts_with("HTTP/1.1 400"), "{again}");
    }

    fn streamed(id: &str, chunks: &[&str], trailers: &str) -> String {
        let head = format!(
            "POST /2018-06-01/runtime/invocation/{id}/response HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
             content-type: text/plain\r\nlambda-runtime-function-response-mode: streaming\r\n\
             transfer-encoding: chunked\r\ntrailer: Lambda-Runtime-Function-Error-Type\r\n\r\n"
        );
        let chunks: String = chunks.iter().map(|chunk| format!("{:x}\r\n{chunk}\r\n", chunk.len())).collect();
        format!("{head}{chunks}0\r\n{trailers}\r\n")
    }

    #[tokio::test]
    async fn a_streamed_response_goes_to_the_sink_or_is_gathered() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let api = RuntimeApi::serve(listener).unwrap();
        let (sink, mut parts) = mpsc::channel(8);
        let mut reply = api.invoke(Next { request_id: "r".into(), sink: Some(sink), ..Next::default() }).await;
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let whole = streamed("r", &["one", "two"], "");
        let (first, rest) = whole.split_at(whole.find("3\r\ntwo").unwrap());
        stream.write_all(first.as_bytes()).await.unwrap();
        assert_eq!(parts.recv().await, Some(Part::Begin { content_type: Some("text/plain".into()) }));
        assert_eq!(parts.recv().await, Some(Part::Data("one".into())));
        // The first part is here, the response has not ended.
        assert!(reply.try_recv().is_err());
        stream.write_all(rest.as_bytes()).await.unwrap();
        assert_eq!(parts.recv().await, Some(Part::Data("two".into())));
        assert_eq!(reply.await.unwrap(), Reply::Streamed);

        send(address, get("/2018-06-01/runtime/invocation/next")).await;
        let reply = api.invoke(Next { request_id: "s".into(), ..Next::default() }).await;
        send(address, streamed("s", &["one", "two"], "")).await;
        assert_eq!(reply.await.unwrap(), Reply::Response("onetwo".into()));
    }

    #[tokio::test]
    async fn a_stream_may_end_in_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let api = RuntimeApi::serve(listener).unwrap();
        let reply = api.invoke(Next { request_id: "r".into(), ..Next::default() }).await;
        let trailers =
            "Lambda-Runtime-Function-Error-Type: Mine\r\nLambda-Runtime-Function-Error-Body: eyJhIjoxfQ==\r\n";
        send(address, streamed("r", &["one"], trailers)).await;
        assert_eq!(reply.await.unwrap(), Reply::Error { kind: "Mine".into(), payload: "{\"a\":1}".into() });

        send(address, get("/2018-06-01/runtime/invocation/next")).await;
        let reply = api.invoke(Next { request_id: "s".into(), ..Next::default() }).await;
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let whole = streamed("s", &["one"], "");
        stream.write_all(whole.trim_end_matches("0\r\n\r\n").as_bytes()).await.unwrap();
        drop(stream);
        let Reply::Error { kind, .. } = reply.await.unwrap() else { panic!("not an error") };
        assert_eq!(kind, "Runtime.TruncatedResponse");
    }

    #[tokio::test]
    async fn a_response_too_large_becomes_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let api = RuntimeApi::serve(listener).unwrap();
        let reply = api.invoke(Next { request_id: "r".into(), ..Next::default() }).await;
        let body = "x".repeat(RESPONSE_LIMIT + 1);
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = post("/2018-06-01/runtime/invocation/r/response", &body);
        // The server may answer and close before it has read everything.
        let _ = stream.write_all(request.as_bytes()).await;
        let Reply::Error { kind, .. } = reply.await.unwrap() else { panic!("not an error") };
        assert_eq!(kind, "Function.ResponseSizeTooLarge");
    }

    #[tokio::test]
    async fn init_error_is_a_phase() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let api = RuntimeApi::serve(listener).unwrap();
        send(address, post("/2018-06-01/runtime/init/error", "{}")).await;
        let phase = api.phases().reached(|phase| *phase != Phase::Starting).await;
        assert_eq!(phase, Phase::Failed { kind: "Runtime.Unknown".into(), payload: "{}".into() });
    }
}
