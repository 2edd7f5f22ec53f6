//! Requests to services of this cloud over their own protocols, signed with a session of the integration's role: they
//! pass the front door like any client's.

use std::collections::BTreeMap;

use aws_lc_rs::{digest, hmac};
use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use service::{Context, NewSession, SessionCredentials, hex};
use wire::Timestamp;

use crate::backend::{Answer, Unanswered, session};

/// A request to a service.
#[derive(Debug, Clone, PartialEq)]
pub struct Relay {
    /// What stands before the region in the host: `sqs`, or `bucket.s3`.
    pub host: String,
    pub method: String,
    /// Percent-encoded.
    pub path: String,
    /// Decoded.
    pub query: Vec<(String, String)>,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    /// The role to call as; there is no other way to be allowed.
    pub credentials: Option<String>,
}

impl Relay {
    /// The service of the host: the last of its labels.
    pub fn service(&self) -> &str {
        self.host.rsplit('.').next().unwrap_or_default()
    }

    /// The headers that are passed on.
    fn own(&self) -> impl Iterator<Item = &(String, String)> {
        self.headers.iter().filter(|(name, _)| !RESERVED.contains(&name.to_ascii_lowercase().as_str()))
    }
}

/// Headers that are not the request's to state.
const RESERVED: [&str; 8] = [
    "authorization",
    "connection",
    "content-length",
    "host",
    "transfer-encoding",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
];

/// The largest answer that is passed on.
const LARGEST_ANSWER: usize = 10 << 20;

/// Seconds that a session lasts: longer than any integration.
const SESSION: i64 = 900;

/// What a query may have as it is, by the rules of signatures.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A text as signatures have it in a path or query.
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

pub(crate) async fn send(cx: &Context, relay: Relay) -> Result<Answer, Unanswered> {
    let failed = |error: &dyn std::fmt::Display| Unanswered::Failed(error.to_string());
    let role = relay.credentials.as_deref().ok_or(Unanswered::Denied)?;
    let principal = session(cx, role).map_err(|error| failed(&error))?.ok_or(Unanswered::Denied)?;
    let wanted = NewSession { duration: SESSION, ..NewSession::default() };
    let keys = cx.cloud.directory().issue(&principal, &wanted).map_err(|error| failed(&error))?;
    let signing_name = cx.cloud.service(relay.service()).map_or(relay.service(), |known| known.model().signing_name);
    let host = format!("{}.{}.amazonaws.com", relay.host, cx.region());
    let mut query: Vec<String> =
        relay.query.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    query.sort();
    let query = query.join("&");
    let signed = sign(&relay, &host, &query, &keys, signing_name, cx.region(), cx.now());
    let mut url = format!("{}{}", cx.cloud.config.endpoint, relay.path);
    if !query.is_empty() {
        url = format!("{url}?{query}");
    }
    let mut request = http::Request::builder().method(relay.method.as_str()).uri(url);
    for (name, value) in relay.own().chain(&signed) {
        request = request.header(name, value);
    }
    let request = request.body(relay.body).map_err(|error| failed(&error))?;
    let answer = outbound::send(request, LARGEST_ANSWER).await.map_err(|error| failed(&error))?;
    let (parts, body) = answer.into_parts();
    let headers = parts.headers.iter();
    let headers =
        headers.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    Ok(Answer { status: parts.status.as_u16(), headers: headers.collect(), body })
}

/// The headers of a signature (version 4) over a request.
fn sign(
    relay: &Relay,
    host: &str,
    query: &str,
    keys: &SessionCredentials,
    service: &str,
    region: &str,
    now: Timestamp,
) -> Vec<(String, String)> {
    let time = now.datetime().strftime("%Y%m%dT%H%M%SZ").to_string();
    let day = &time[..8];
    let hash = hex(digest::digest(&digest::SHA256, &relay.body).as_ref());
    // All services but S3 encode the path once more.
    let path = match service {
        "s3" => relay.path.clone(),
        _ => relay.path.split('/').map(encode).collect::<Vec<_>>().join("/"),
    };
    let token = &keys.session_token;
    let mut signed: BTreeMap<String, String> =
        [("host", host), ("x-amz-content-sha256", &hash), ("x-amz-date", &time), ("x-amz-security-token", token)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
    // S3 asks that everything of this kind is signed.
    for (name, value) in relay.own().filter(|(name, _)| name.to_ascii_lowercase().starts_with("x-amz-")) {
        let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
        let values = signed.entry(name.to_ascii_lowercase()).or_default();
        *values = if values.is_empty() { value } else { format!("{values},{value}") };
    }
    let headers: String = signed.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let names = signed.keys().map(String::as_str).collect::<Vec<_>>().join(";");
    let canonical = format!("{}\n{path}\n{query}\n{headers}\n{names}\n{hash}", relay.method);
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let canonical_hash = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{canonical_hash}");
    let first = format!("AWS4{}", keys.secret_access_key).into_bytes();
    let key = [day, region, service, "aws4_request"].iter().fold(first, |key, part| mac(&key, part));
    let signature = hex(&mac(&key, &text));
    let credential = format!("{}/{scope}", keys.access_key_id);
    vec![
        ("host".to_owned(), host.to_owned()),
        ("x-amz-content-sha256".to_owned(), hash),
        ("x-amz-date".to_owned(), time.clone()),
        ("x-amz-security-token".to_owned(), token.clone()),
        (
            "authorization".to_owned(),
            format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"),
        ),
    ]
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}
