//! A minimal client for the cloud's own administrative addresses: plain HTTP to this machine, one request.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// Calls `path` of the cloud and reads its JSON.
pub fn call(endpoint: &str, method: &str, path: &str, body: Option<&Value>) -> Result<Value, String> {
    let unreachable = |why: String| {
        format!("no cloud answers at {endpoint}: {why}; start one with `welkin up`, or name another with --endpoint")
    };
    let authority = endpoint
        .strip_prefix("http://")
        .ok_or_else(|| format!("{endpoint} is not an http:// endpoint; the cloud serves plain HTTP on the same port"))?
        .trim_end_matches('/');
    let mut stream = TcpStream::connect(authority).map_err(|error| unreachable(error.to_string()))?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).map_err(|error| unreachable(error.to_string()))?;
    let body = body.map_or(String::new(), Value::to_string);
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {authority}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).map_err(|error| unreachable(error.to_string()))?;
    let mut response = String::new();
    stream.read_to_string(&mut response).map_err(|error| unreachable(error.to_string()))?;
    let (head, body) = response.split_once("\r\n\r\n").ok_or_else(|| unreachable("it broke off".to_owned()))?;
    let value: Value = serde_json::from_str(body.trim()).map_err(|_| {
        format!("what answers at {endpoint} is not a Welkin cloud: {}", head.lines().next().unwrap_or_default())
    })?;
    if head.split(' ').nth(1) == Some("200") {
        Ok(value)
    } else {
        Err(value["message"].as_str().unwrap_or("the cloud refused").to_owned())
    }
}
