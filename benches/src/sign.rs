//! Requests signed with Signature Version 4, as bytes ready to be sent.

use aws_lc_rs::{digest, hmac};
use gateway::signature::{ALGORITHM, CanonicalRequest, Scope, V4, signing_key};
use http::{HeaderMap, HeaderName, HeaderValue};
use wire::Timestamp;

use crate::Result;

#[derive(Clone, Debug)]
pub struct Key {
    pub id: String,
    pub secret: String,
}

/// What is to be signed.
pub struct Unsigned<'a> {
    pub service: &'a str,
    pub method: &'a str,
    /// Path and query, encoded; the query's parameters in order.
    pub uri: &'a str,
    pub headers: &'a [(&'a str, &'a str)],
    pub body: &'a [u8],
}

#[expect(clippy::disallowed_methods, reason = "signatures carry the time at which they are made")]
fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or_default())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The request without a signature.
pub fn plain(method: &str, uri: &str, host: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut bytes = format!("{method} {uri} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {length}\r\n\r\n").into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// The request as bytes, signed for `us-east-1`.
pub fn signed(request: &Unsigned<'_>, host: &str, key: &Key) -> Result<Vec<u8>> {
    let date = now().basic();
    let hash = hex(digest::digest(&digest::SHA256, request.body).as_ref());
    let mut headers = HeaderMap::new();
    let own = [("host", host), ("x-amz-date", &date), ("x-amz-content-sha256", &hash)];
    for (name, value) in own.iter().chain(request.headers) {
        headers.insert(HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_str(value)?);
    }
    let mut names: Vec<String> = headers.keys().map(|name| name.as_str().to_owned()).collect();
    names.sort();
    let (path, query) = request.uri.split_once('?').unwrap_or((request.uri, ""));
    let canonical = CanonicalRequest {
        method: request.method,
        path,
        query,
        headers: &headers,
        signed_headers: &names,
        payload_hash: &hash,
        s3: request.service == "s3",
        host,
    };
    let scope =
        Scope { date: date[..8].to_owned(), region: "us-east-1".to_owned(), service: request.service.to_owned() };
    let signature = V4 {
        access_key_id: key.id.clone(),
        scope: scope.clone(),
        date: date.clone(),
        signed_headers: names.clone(),
        signature: String::new(),
        token: None,
        own_token: None,
        expires: None,
    };
    let text = signature.string_to_sign(&canonical);
    let derived = hmac::Key::new(hmac::HMAC_SHA256, &signing_key(&key.secret, &scope));
    let made = hex(hmac::sign(&derived, text.as_bytes()).as_ref());
    let (day, service, id, signed) = (&scope.date, request.service, &key.id, names.join(";"));
    let mut bytes = format!("{} {} HTTP/1.1\r\n", request.method, request.uri);
    for (name, value) in &headers {
        bytes.push_str(&format!("{name}: {}\r\n", value.to_str()?));
    }
    bytes.push_str(&format!("content-length: {}\r\n", request.body.len()));
    bytes.push_str(&format!(
        "authorization: {ALGORITHM} Credential={id}/{day}/us-east-1/{service}/aws4_request, SignedHeaders={signed}, Signature={made}\r\n\r\n"
    ));
    let mut bytes = bytes.into_bytes();
    bytes.extend_from_slice(request.body);
    Ok(bytes)
}
