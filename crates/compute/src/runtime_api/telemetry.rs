//! The Telemetry API (and the Logs API before it): what happens in an environment, sent to extensions that asked for it.
//!
//! A subscriber has a queue and a task that gathers events and posts them to a port inside the sandbox. What happened before
//! anybody could subscribe is told to those who do. A subscriber that does not keep up loses events.
//! <https://docs.aws.amazon.com/lambda/latest/dg/telemetry-api-reference.html>

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream as Socket};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Platform,
    Function,
    Extension,
}

impl Kind {
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "platform" => Some(Self::Platform),
            "function" => Some(Self::Function),
            "extension" => Some(Self::Extension),
            _ => None,
        }
    }

    /// As lines of the log name it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Platform => "Platform",
            Self::Function => "Function",
            Self::Extension => "Extension",
        }
    }
}

/// Where a subscriber wants its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    Http { port: u16, path: String },
    Tcp { port: u16 },
}

/// When what was gathered is sent.
#[derive(Clone, Copy, Debug)]
pub struct Buffering {
    pub items: usize,
    pub bytes: usize,
    pub wait: Duration,
}

/// Events that are kept for subscribers to come.
const HISTORY: usize = 1_000;
/// Events that wait for a slow subscriber.
const WAITING: usize = 10_000;
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);
/// How long a destination may take for a batch.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Default)]
pub struct Hub {
    /// Somebody listens, or may.
    active: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    history: Vec<(Kind, Value)>,
    subscribers: Vec<Subscriber>,
    sockets: Option<Arc<Mutex<Vec<OwnedFd>>>>,
}

struct Subscriber {
    kinds: Vec<Kind>,
    queue: mpsc::Sender<Value>,
    task: JoinHandle<()>,
}

impl Hub {
    /// `sockets` are inside the sandbox, one for each connection that is to be made; without any, the machine's own network is used.
    pub fn provide(&self, sockets: Vec<OwnedFd>) {
        self.state.lock().sockets = (!sockets.is_empty()).then(|| Arc::new(Mutex::new(sockets)));
    }

    /// Keeps events for those who will subscribe.
    pub fn expect(&self) {
        self.active.store(true, Ordering::Release);
    }

    pub fn is_active(&self) -> bool {
        self.active.load(Ordering::Acquire)
    }

    pub fn publish(&self, kind: Kind, event: Value) {
        if !self.is_active() {
            return;
        }
        let mut state = self.state.lock();
        for subscriber in state.subscribers.iter().filter(|subscriber| subscriber.kinds.contains(&kind)) {
            if subscriber.queue.try_send(event.clone()).is_err() {
                tracing::debug!("a subscriber of telemetry does not keep up");
            }
        }
        if state.history.len() < HISTORY {
            state.history.push((kind, event));
        }
    }

    pub fn subscribe(&self, kinds: Vec<Kind>, destination: Destination, buffering: Buffering) {
        self.expect();
        let (queue, events) = mpsc::channel(WAITING);
        let mut state = self.state.lock();
        for (_, event) in state.history.iter().filter(|(kind, _)| kinds.contains(kind)) {
            let _ = queue.try_send(event.clone());
        }
        let sender = Sender { destination, sockets: state.sockets.clone(), connection: None };
        let task = tokio::spawn(deliver(events, buffering, sender));
        state.subscribers.push(Subscriber { kinds, queue, task });
    }

    /// Sends what is still waiting, and nothing afterwards.
    pub async fn finish(&self, patience: Duration) {
        let subscribers = std::mem::take(&mut self.state.lock().subscribers);
        let tasks = subscribers.into_iter().map(|subscriber| {
            drop(subscriber.queue);
            subscriber.task
        });
        let until = Instant::now() + patience;
        for task in tasks.collect::<Vec<_>>() {
            let abort = task.abort_handle();
            if timeout_at(until, task).await.is_err() {
                abort.abort();
            }
        }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        for subscriber in &self.state.lock().subscribers {
            subscriber.task.abort();
        }
    }
}

async fn deliver(mut events: mpsc::Receiver<Value>, buffering: Buffering, mut sender: Sender) {
    while let Some(first) = events.recv().await {
        let until = Instant::now() + buffering.wait;
        let mut size = first.to_string().len();
        let mut batch = vec![first];
        while batch.len() < buffering.items && size < buffering.bytes {
            let Ok(Some(event)) = timeout_at(until, events.recv()).await else { break };
            size += event.to_string().len();
            batch.push(event);
        }
        for _ in 0..ATTEMPTS {
            match timeout(PATIENCE, sender.send(&batch)).await {
                Ok(Ok(())) => break,
                _ => sleep(PAUSE).await,
            }
        }
    }
}

/// A connection to a destination, made when it is first needed.
struct Sender {
    destination: Destination,
    sockets: Option<Arc<Mutex<Vec<OwnedFd>>>>,
    connection: Option<Connection>,
}

enum Connection {
    Http(SendRequest<Full<Bytes>>),
    Tcp(TcpStream),
}

impl Sender {
    async fn send(&mut self, batch: &[Value]) -> io::Result<()> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        match (&mut connection, &self.destination) {
            (Connection::Http(requests), Destination::Http { port, path }) => {
                let body = serde_json::to_vec(batch).map_err(io::Error::other)?;
                let request = Request::builder()
                    .method(Method::POST)
                    .uri(path)
                    .header("host", format!("sandbox.localdomain:{port}"))
                    .header("content-type", "application/json")
                    .body(Full::new(body.into()));
                requests.ready().await.map_err(io::Error::other)?;
                let request = request.map_err(io::Error::other)?;
                let answer = requests.send_request(request).await.map_err(io::Error::other)?;
                answer.into_body().collect().await.map_err(io::Error::other)?;
            }
            (Connection::Tcp(stream), _) => {
                for event in batch {
                    stream.write_all(format!("{event}\n").as_bytes()).await?;
                }
            }
            (Connection::Http(_), Destination::Tcp { .. }) => return Err(io::ErrorKind::InvalidInput.into()),
        }
        self.connection = Some(connection);
        Ok(())
    }

    async fn connect(&self) -> io::Result<Connection> {
        let (Destination::Http { port, .. } | Destination::Tcp { port }) = self.destination;
        let socket = match &self.sockets {
            Some(sockets) => {
                // A socket that could not connect can be tried again; one that did is used up.
                let socket = sockets.lock().last().map(OwnedFd::try_clone).transpose()?;
                let socket = Socket::from(socket.ok_or(io::ErrorKind::AddrNotAvailable)?);
                socket.set_nonblocking(true)?;
                TcpSocket::from_std_stream(socket)
            }
            None => TcpSocket::new_v4()?,
        };
        let stream = socket.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
        if let Some(sockets) = &self.sockets {
            sockets.lock().pop();
        }
        if let Destination::Tcp { .. } = self.destination {
            return Ok(Connection::Tcp(stream));
        }
        let (requests, connection) = handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        tokio::spawn(connection);
        Ok(Connection::Http(requests))
    }
}
