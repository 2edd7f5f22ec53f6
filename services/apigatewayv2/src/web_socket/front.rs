//! Where connections come in, and requests to manage them.

use super::{
    connections::{Connection, Connections},
    event::{Kind, Of, question},
    manage::{self, Asked},
    session::{Session, execute},
};
use crate::{
    authorize::{Memory, authorize},
    front::{Deployments, Served, incoming, response},
    mapping::{of_request, resolve},
    reply::Reply,
    request::Request,
};
use execute_api::{
    World,
    site::{self, cut},
    throttle::Throttles,
    usage::{self, Refused},
};
use http::HeaderMap;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use service::{BoxFuture, Cloud, Front, FrontRequest, FrontResponse};
use std::{sync::Arc, time::Duration};
use tokio::sync::mpsc;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{handshake::derive_accept_key, protocol::Role},
};

/// How many commands may wait for a connection.
const WAITING: usize = 64;

#[derive(Clone, Default)]
pub struct WebSocketFront {
    deployments: Arc<Deployments>,
    memory: Arc<Memory>,
    throttles: Arc<Throttles>,
    connections: Arc<Connections>,
}

impl WebSocketFront {
    pub fn reset(&self) {
        self.deployments.clear();
        self.memory.clear();
    }
}

impl Front for WebSocketFront {
    fn matches(&self, cloud: &Cloud, host: &str, path: &str, _: &HeaderMap) -> bool {
        let Some(address) = site::locate(&cloud.store, host, path) else { return false };
        let known = site::find(&cloud.store.snapshot(), &address.api).ok().flatten();
        known.is_some_and(|site| site.kind == site::Kind::WebSocket)
    }

    fn serve(&self, request: FrontRequest) -> BoxFuture<'static, FrontResponse> {
        let front = self.clone();
        Box::pin(async move {
            let id = request.request_id.clone();
            let reply = serve(&front, request).await;
            response(reply.with("x-amzn-requestid", id))
        })
    }
}

fn forbidden() -> Reply {
    Reply::message(403, "Forbidden").with("x-amzn-errortype", "ForbiddenException")
}

async fn serve(front: &WebSocketFront, request: FrontRequest) -> Reply {
    let path = request.uri.path().to_owned();
    let Some(address) = site::locate(&request.cloud.store, &request.host, &path) else { return forbidden() };
    let served = match Served::find(&request.cloud, &front.deployments, &address) {
        Ok(Some(served)) => served,
        Ok(None) => return forbidden(),
        Err(error) => {
            tracing::error!(?error, "an API could not be read");
            return Reply::message(500, "Internal server error");
        }
    };
    let (stage, rest) = cut(address.path.strip_prefix('/').unwrap_or(&address.path));
    if let Some(id) = rest.strip_prefix("/@connections/") {
        let id = percent_decode_str(id).decode_utf8_lossy().into_owned();
        let FrontRequest { method, body, signer, .. } = request;
        let asked = Asked { api: &address.api, stage, connection: &id, method: &method, body, signer };
        return manage::answer(&served.cx, &front.connections, asked).await;
    }
    if !rest.is_empty() && rest != "/" {
        return forbidden();
    }
    connect(front, served, request).await
}

/// Demands an API key that a usage plan lets reach the stage.
fn keyed(front: &WebSocketFront, served: &Served, opening: &Request) -> Result<(), Reply> {
    let api = &served.compiled.definition.api;
    let expression = api.api_key_selection_expression.as_deref().unwrap_or("$request.header.x-api-key");
    let context = opening.context();
    let value = resolve(expression, &|name| of_request(name, opening, &context)).filter(|value| !value.is_empty());
    let Request { api, stage, route_key, .. } = opening;
    let admitted = usage::admit(&served.cx, &front.throttles, value.as_deref(), api, stage, route_key);
    admitted.map(drop).map_err(|refused| match refused {
        Refused::Forbidden => forbidden(),
        Refused::Throttled => {
            Reply::message(429, "Too Many Requests").with("x-amzn-errortype", "TooManyRequestsException")
        }
        Refused::Exceeded => Reply::message(429, "Limit Exceeded").with("x-amzn-errortype", "LimitExceededException"),
        Refused::Failed(error) => {
            tracing::error!(%error, "an API key could not be read");
            Reply::message(500, "Internal server error")
        }
    })
}

/// Opens a connection, if the API's `$connect` route has nothing against it.
async fn connect(front: &WebSocketFront, served: Served, mut request: FrontRequest) -> Reply {
    let header = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok());
    let upgrades = header("upgrade").is_some_and(|value| value.eq_ignore_ascii_case("websocket"));
    let key = header("sec-websocket-key").map(str::to_owned);
    let upgrade = request.extensions.remove::<OnUpgrade>();
    let (true, Some(key), Some(upgrade)) = (upgrades, key, upgrade) else {
        return Reply::message(426, "Upgrade Required").with("upgrade", "websocket");
    };
    let random = served.cx.random();
    let of = Of { id: random.alphanumeric(15) + "=", connected_at: served.cx.now() };
    let mut opening = incoming(&served.cx, &request, &random.clone().alphanumeric(15));
    opening.request_id.push('=');
    opening.api = served.compiled.definition.api.api_id.clone().unwrap_or_default();
    opening.stage.clone_from(&served.stage.stage_name);
    opening.stage_variables = served.stage.stage_variables.clone().unwrap_or_default();
    opening.route_key = "$connect".to_owned();
    // Messages have no method: what is asked for is the route.
    opening.method = String::new();
    let compiled = served.compiled.clone();
    let mut protocol = None;
    if let Some(route) = compiled.route_of_key("$connect") {
        let world = World::new(served.cx.clone(), Duration::from_secs(29));
        let authorizer = compiled.authorizer(route);
        let question = question(&opening, &of);
        let signer = request.signer.take();
        match authorize(&front.memory, &world, route, authorizer, signer, &opening, Some(question)).await {
            Ok(identity) => opening.identity = identity,
            Err(failure) => return failure.reply(),
        }
        if route.api_key_required == Some(true)
            && let Err(refused) = keyed(front, &served, &opening)
        {
            return refused;
        }
        if route.target.is_some() {
            match execute(&served, route, &opening, &of, &Kind::Connect).await {
                Ok(outcome) if (200..300).contains(&outcome.status) => protocol = outcome.protocol,
                Ok(outcome) => return Reply { status: outcome.status, headers: Vec::new(), body: outcome.body },
                // To the client a function that fails is a bad gateway.
                Err(refusal) => return Reply::message(502, refusal.message),
            }
        }
    }
    let (sender, commands) = mpsc::channel(WAITING);
    let agent = opening.header("user-agent").unwrap_or_default();
    let connection = Connection::new(&opening.api, &opening.stage, of.connected_at, &opening.source_ip, &agent, sender);
    let connection = Arc::new(connection);
    front.connections.put(&of.id, connection.clone());
    let session = Session { served, of, connection, opening };
    let connections = front.connections.clone();
    tokio::spawn(async move {
        match upgrade.await {
            Ok(upgraded) => {
                let config = Some(Session::config());
                let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, config).await;
                session.run(socket, commands, &connections).await;
            }
            Err(error) => {
                tracing::debug!(%error, "a connection was not upgraded");
                connections.remove(&session.of.id);
            }
        }
    });
    let reply = Reply { status: 101, ..Reply::default() };
    let reply = reply.with("connection", "Upgrade").with("upgrade", "websocket");
    let reply = reply.with("sec-websocket-accept", derive_accept_key(key.as_bytes()));
    match protocol {
        Some(protocol) => reply.with("sec-websocket-protocol", protocol),
        None => reply,
    }
}
