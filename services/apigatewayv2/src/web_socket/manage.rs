//! The management API of connections: send to one, ask about one, close one. Its callers sign for `execute-api` and need
//! `execute-api:ManageConnections`.

use super::connections::{Command, Connections};
use crate::reply::Reply;
use serde_json::json;
use service::{Access, ApiError, ByteStream, Context};
use tokio::sync::oneshot;

/// The largest message that can be sent.
const LARGEST: usize = 128 << 10;

/// A request to a connection.
pub struct Asked<'a> {
    pub api: &'a str,
    pub stage: &'a str,
    /// The connection's id, decoded.
    pub connection: &'a str,
    pub method: &'a http::Method,
    pub body: ByteStream,
    pub signer: Option<Result<Context, ApiError>>,
}

fn error(status: u16, kind: &str, message: &str) -> Reply {
    Reply::message(status, message).with("x-amzn-errortype", kind)
}

/// Answers a request in the place of an API.
pub async fn answer(cx: &Context, connections: &Connections, asked: Asked<'_>) -> Reply {
    let Asked { api, stage, connection, method, body, signer } = asked;
    let signer = match signer {
        None => return error(403, "MissingAuthenticationTokenException", "Missing Authentication Token"),
        Some(Err(refused)) => return error(403, &refused.code, &refused.message),
        Some(Ok(signer)) => signer.in_place(cx.account(), cx.region()),
    };
    let resource = format!(
        "arn:aws:execute-api:{}:{}:{api}/{stage}/{method}/@connections/{connection}",
        cx.region(),
        cx.account()
    );
    let access = Access::new("execute-api:ManageConnections", &resource).owned_by(cx.account());
    let Some(service) = cx.cloud.service("apigatewayv2") else { return Reply::message(500, "Internal Server Error") };
    if cx.cloud.stages().authorize(&signer, &**service, &access).is_err() {
        let caller = signer.principal().arn();
        let message = format!(
            "User: {caller} is not authorized to perform: execute-api:ManageConnections on resource: {resource}"
        );
        return error(403, "ForbiddenException", &message);
    }
    if !valid(connection) {
        let text = json!({
            "message": format!("Invalid connectionId: {connection}"),
            "connectionId": connection,
            "requestId": signer.request_id(),
        });
        return Reply { body: text.to_string().into(), ..error(400, "BadRequestException", "") };
    }
    let found = connections.get(connection, api, stage);
    let gone = || error(410, "GoneException", "Gone");
    match (method.as_str(), found) {
        ("POST", found) => {
            let Ok(message) = body.collect(LARGEST).await else {
                return error(413, "PayloadTooLargeException", "Message too long");
            };
            let Some(found) = found else { return gone() };
            let (sent, confirmed) = oneshot::channel();
            let queued = found.commands.send(Command::Send(message, sent)).await;
            match (queued, confirmed.await) {
                (Ok(()), Ok(true)) => Reply { status: 200, ..Reply::default() },
                _ => gone(),
            }
        }
        ("GET" | "DELETE", None) => gone(),
        ("GET", Some(found)) => {
            let time = |time: wire::Timestamp| time.datetime().strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string();
            let told = json!({
                "connectedAt": time(found.connected_at),
                "identity": {"sourceIp": found.source_ip, "userAgent": found.user_agent},
                "lastActiveAt": time(found.last_active()),
            });
            let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
            Reply { status: 200, headers, body: told.to_string().into() }
        }
        ("DELETE", Some(found)) => match found.commands.send(Command::Close).await {
            Ok(()) => Reply { status: 204, ..Reply::default() },
            Err(_) => gone(),
        },
        _ => error(403, "MissingAuthenticationTokenException", "Missing Authentication Token"),
    }
}

/// Whether an id can be one that was given out: base64 of a few bytes.
fn valid(id: &str) -> bool {
    let body = id.trim_end_matches('=');
    let signs = |c: char| c.is_ascii_alphanumeric() || "+/-_".contains(c);
    id.len() == 16 && id.ends_with('=') && body.chars().all(signs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_a_form() {
        assert!(valid("L0SM9cOFvHcCIhw="));
        for id in ["", "x", "L0SM9cOFvHcCIhwX", "L0SM9cOFvHc!Ihw="] {
            assert!(!valid(id), "{id}");
        }
    }
}
