//! One open connection: reads its messages, carries out what others ask of it, and ends when it is idle or old.

use super::{
    connections::{Command, Connection, Connections},
    event::{Kind, Of},
    log::Log,
    route::{self, Outcome, Refusal},
};
use crate::{access_log, definition::Compiled, front::Served, request::Request};
use apigatewayv2_api::Route;
use execute_api::{
    World,
    metrics::{count, millis, publish},
};
use futures_util::{SinkExt as _, StreamExt as _, stream::FuturesUnordered};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio::sync::mpsc;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        protocol::{CloseFrame, WebSocketConfig, frame::coding::CloseCode},
    },
};

/// The largest message, and the largest frame of one.
pub const LARGEST_MESSAGE: usize = 128 << 10;
pub const LARGEST_FRAME: usize = 32 << 10;

/// How long a connection may be silent, and how long it may be.
const IDLE_SECS: i64 = 10 * 60;
const LIFE_SECS: i64 = 2 * 3600;

/// How many messages of a connection are worked on at a time; further ones wait in the socket.
const AT_ONCE: usize = 32;

/// A connection with everything that its messages need.
pub struct Session {
    pub served: Served,
    pub of: Of,
    pub connection: Arc<Connection>,
    /// The request that opened the connection; each message begins with what it said.
    pub opening: Request,
}

/// How a connection ended.
struct End {
    code: u16,
    reason: &'static str,
}

impl Session {
    /// The settings of the protocol.
    pub fn config() -> WebSocketConfig {
        WebSocketConfig::default().max_message_size(Some(LARGEST_MESSAGE)).max_frame_size(Some(LARGEST_FRAME))
    }

    /// Serves the connection until it ends, and tells the API that it did.
    pub async fn run(
        self,
        mut socket: WebSocketStream<TokioIo<Upgraded>>,
        mut commands: mpsc::Receiver<Command>,
        connections: &Connections,
    ) {
        let end = self.serve(&mut socket, &mut commands, connections).await;
        let kind = Kind::Disconnect { code: end.code, reason: end.reason.to_owned() };
        if let Some(route) = self.served.compiled.route_of_key("$disconnect") {
            let request = self.request(route, bytes::Bytes::new());
            let _ = self.execute(route, &request, &kind).await;
        }
    }

    async fn serve(
        &self,
        socket: &mut WebSocketStream<TokioIo<Upgraded>>,
        commands: &mut mpsc::Receiver<Command>,
        connections: &Connections,
    ) -> End {
        // What serves a message may write to its connection meanwhile, so the loop never waits for it.
        let mut pending = FuturesUnordered::new();
        let end = loop {
            let event = self.next(socket, commands, &mut pending).await;
            match event {
                Ok(Some(message)) => pending.push(self.message(message)),
                Ok(None) => {}
                Err(end) => break end,
            }
        };
        connections.remove(&self.of.id);
        let frame = CloseFrame { code: CloseCode::from(end.code), reason: end.reason.into() };
        // The other side may be gone already.
        let _ = socket.close(Some(frame)).await;
        // What is under way is finished, though nobody hears of it.
        while pending.next().await.is_some() {}
        end
    }

    /// Waits for what happens next; a message is to be served.
    async fn next(
        &self,
        socket: &mut WebSocketStream<TokioIo<Upgraded>>,
        commands: &mut mpsc::Receiver<Command>,
        pending: &mut FuturesUnordered<impl Future<Output = Option<String>>>,
    ) -> Result<Option<bytes::Bytes>, End> {
        let clock = self.served.cx.clock();
        let oldest = self.of.connected_at.plus_secs(LIFE_SECS);
        let idle = self.connection.last_active().plus_secs(IDLE_SECS);
        let until = if idle.millis() < oldest.millis() { idle } else { oldest };
        let gone = |_| End { code: 1006, reason: "" };
        tokio::select! {
            command = commands.recv() => match command {
                Some(Command::Send(message, sent)) => {
                    let text = String::from_utf8(message.to_vec());
                    let message = text.map_or_else(|_| Message::Binary(message), |text| Message::Text(text.into()));
                    let delivered = socket.send(message).await;
                    self.connection.touch(clock.now());
                    let _ = sent.send(delivered.is_ok());
                    delivered.map_err(gone)?;
                    Ok(None)
                }
                Some(Command::Close) | None => Err(End { code: 1000, reason: "" }),
            },
            Some(answer) = pending.next() => {
                if let Some(answer) = answer {
                    socket.send(Message::Text(answer.into())).await.map_err(gone)?;
                    self.connection.touch(clock.now());
                }
                Ok(None)
            }
            message = socket.next(), if pending.len() < AT_ONCE => {
                self.connection.touch(clock.now());
                received(message)
            }
            () = clock.wait_until(until) => Err(End { code: 1001, reason: "Going away" }),
        }
    }

    /// Serves one message; the answer goes back to the client.
    async fn message(&self, body: bytes::Bytes) -> Option<String> {
        let compiled = &self.served.compiled;
        let probe = Request { body: body.clone(), ..self.opening.clone() };
        let Some(route) = route::select(compiled, &probe) else {
            return Some(self.told("Forbidden", &self.served.cx.random().alphanumeric(15)));
        };
        let request = self.request(route, body);
        let kind = Kind::Message { id: self.served.cx.random().alphanumeric(15) + "=" };
        let result = match route::validate(compiled, route, &request) {
            Ok(()) => self.execute(route, &request, &kind).await,
            Err(refusal) => Err(refusal),
        };
        match result {
            Ok(outcome) if responds(compiled, route) && !outcome.body.is_empty() => {
                Some(String::from_utf8_lossy(&outcome.body).into_owned())
            }
            Ok(_) => None,
            Err(refusal) => Some(self.told(refusal.message, &request.request_id)),
        }
    }

    fn told(&self, message: &str, request_id: &str) -> String {
        json!({"message": message, "connectionId": self.of.id, "requestId": request_id}).to_string()
    }

    /// The request of an event: who opened the connection, at the time of now.
    fn request(&self, route: &Route, body: bytes::Bytes) -> Request {
        Request {
            body,
            time: self.served.cx.now(),
            request_id: self.served.cx.random().alphanumeric(15) + "=",
            route_key: route.route_key.clone(),
            ..self.opening.clone()
        }
    }

    async fn execute(&self, route: &Route, request: &Request, kind: &Kind) -> Result<Outcome, Refusal> {
        execute(&self.served, route, request, &self.of, kind).await
    }
}

/// What came in: a message to serve, something that the protocol has answered, or the end.
fn received(message: Option<Result<Message, Error>>) -> Result<Option<bytes::Bytes>, End> {
    match message {
        Some(Ok(Message::Text(text))) => Ok(Some(bytes::Bytes::from(text))),
        Some(Ok(Message::Binary(_))) => Err(End { code: 1003, reason: "Binary messages are not supported" }),
        Some(Ok(Message::Close(frame))) => Err(End { code: frame.map_or(1005, |frame| frame.code.into()), reason: "" }),
        Some(Ok(_)) => Ok(None),
        Some(Err(Error::Capacity(_))) => Err(End { code: 1009, reason: "Message too long" }),
        Some(Err(_)) | None => Err(End { code: 1006, reason: "" }),
    }
}

/// Whether what an integration answers goes back to the client.
fn responds(compiled: &Compiled, route: &Route) -> bool {
    let id = route.route_id.as_deref().unwrap_or_default();
    route.route_response_selection_expression.is_some()
        && compiled.definition.route_responses.iter().any(|(owner, _)| owner == id)
}

/// Runs an event through its route, with its metrics and its line of the access log.
pub async fn execute(
    served: &Served,
    route: &Route,
    request: &Request,
    of: &Of,
    kind: &Kind,
) -> Result<Outcome, Refusal> {
    let timeout = served.compiled.integration(route).and_then(|integration| integration.timeout_in_millis);
    let timeout = Duration::from_millis(u64::try_from(timeout.unwrap_or(29_000)).unwrap_or_default());
    let world = World::new(served.cx.clone(), timeout);
    let started = world.now();
    let mut log = Log::new(served.settings(&route.route_key));
    log.begin(request, of, kind);
    let result = route::run(&world, &served.compiled, route, request, of, kind).await;
    let spent = world.now().millis() - started.millis();
    log.end(world.now().millis(), spent, of, kind, &result);
    log.write(&served.cx, request, result.is_err());
    let status = match &result {
        Ok(outcome) => outcome.status,
        Err(refusal) => refusal.status,
    };
    let api = ("ApiId", request.api.clone());
    let stage = ("Stage", request.stage.clone());
    let of_route = vec![api.clone(), stage.clone(), ("Route", request.route_key.clone())];
    let mut values = vec![
        count("IntegrationError", (400..600).contains(&status)),
        count("ClientError", (400..500).contains(&status)),
        count("ExecutionError", result.is_err()),
        millis("IntegrationLatency", spent),
    ];
    match kind {
        Kind::Connect => values.push(count("ConnectCount", true)),
        _ => values.push(count("MessageCount", true)),
    }
    publish(&served.cx, vec![vec![api.clone()], vec![api, stage], of_route], values);
    if let Some(settings) = &served.stage.access_log_settings {
        let mut context = super::event::context(request, of, kind);
        context["status"] = status.into();
        context["integrationLatency"] = spent.into();
        if let Err(refusal) = &result {
            context["error"] = json!({"message": refusal.message, "messageString": format!("{:?}", refusal.message)});
            context["integrationErrorMessage"] = refusal.reason.as_str().into();
        }
        access_log::write(&served.cx, request, settings, &context);
    }
    result
}
