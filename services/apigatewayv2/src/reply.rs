//! Answers: what a function's payload says in both formats, and API Gateway's own words.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use serde_json::{Value as Json, json};

/// A response ready to be sent; header names in lower case.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

impl Reply {
    /// API Gateway's own answer.
    pub fn message(status: u16, message: &str) -> Self {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Self { status, headers, body: json!({ "message": message }).to_string().into() }
    }

    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(known, _)| known == name)
    }
}

/// Why a request was not served, and what the log calls that.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    pub status: u16,
    /// `WWW-Authenticate`, where the caller is asked for another token.
    pub challenge: Option<String>,
    /// `$context.error.responseType`
    pub kind: &'static str,
    /// `$context.error.message`
    pub message: String,
    /// `$context.integrationErrorMessage`, where the integration is to blame.
    pub integration: Option<String>,
}

impl Failure {
    pub fn new(status: u16, kind: &'static str, message: &str) -> Self {
        Self { status, challenge: None, kind, message: message.to_owned(), integration: None }
    }

    /// What the caller gets.
    pub fn reply(&self) -> Reply {
        let reply = Reply::message(self.status, &self.message);
        match &self.challenge {
            Some(challenge) => reply.with("www-authenticate", challenge),
            None => reply,
        }
    }

    pub fn internal(reason: impl Into<String>) -> Self {
        let failure = Self::new(500, "INTEGRATION_FAILURE", "Internal Server Error");
        Self { integration: Some(reason.into()), ..failure }
    }

    pub fn unavailable(reason: impl Into<String>) -> Self {
        let failure = Self::new(503, "INTEGRATION_NETWORK_FAILURE", "Service Unavailable");
        Self { integration: Some(reason.into()), ..failure }
    }

    pub fn not_found() -> Self {
        Self::new(404, "MISSING_AUTHENTICATION_TOKEN", "Not Found")
    }

    pub fn forbidden() -> Self {
        Self::new(403, "ACCESS_DENIED", "Forbidden")
    }

    pub fn unauthorized() -> Self {
        Self::new(401, "UNAUTHORIZED", "Unauthorized")
    }
}

/// Reads a function's answer in format 2.0: a response, or anything else as the body of one.
pub fn v2(payload: &[u8]) -> Result<Reply, Failure> {
    let malformed = || {
        Failure::internal(
            "The response from the Lambda function doesn't match the format that API Gateway expects. Lambda body contains the wrong type for field",
        )
    };
    let answer: Json = serde_json::from_slice(payload).map_err(|_| malformed())?;
    if answer.get("statusCode").is_none_or(Json::is_null) {
        let body = match &answer {
            Json::String(text) => Bytes::from(text.clone()),
            _ => Bytes::copy_from_slice(payload),
        };
        return Ok(Reply { status: 200, headers: Vec::new(), body }.with("content-type", "application/json"));
    }
    let mut reply = structured(&answer).ok_or_else(malformed)?;
    for cookie in answer["cookies"].as_array().into_iter().flatten() {
        reply = reply.with("set-cookie", cookie.as_str().ok_or_else(malformed)?);
    }
    if !reply.has("content-type") {
        reply = reply.with("content-type", "text/plain;charset=utf-8");
    }
    Ok(reply)
}

/// Reads a function's answer in format 1.0: nothing but a response will do.
pub fn v1(payload: &[u8]) -> Result<Reply, Failure> {
    let malformed = || {
        Failure::internal(
            "The response from the Lambda function doesn't match the format that API Gateway expects. Lambda body contains the wrong type for field",
        )
    };
    let answer: Json = serde_json::from_slice(payload).map_err(|_| malformed())?;
    let mut reply = structured(&answer).ok_or_else(malformed)?;
    for (name, values) in answer["multiValueHeaders"].as_object().into_iter().flatten() {
        let name = name.to_ascii_lowercase();
        reply.headers.retain(|(known, _)| *known != name);
        for value in values.as_array().ok_or_else(malformed)? {
            reply = reply.with(&name, scalar(value).ok_or_else(malformed)?);
        }
    }
    if !reply.has("content-type") {
        reply = reply.with("content-type", "text/plain;charset=utf-8");
    }
    Ok(reply)
}

/// Headers that belong to the connection, of which a function has no say.
const CONNECTION: [&str; 5] = ["connection", "content-length", "keep-alive", "transfer-encoding", "upgrade"];

/// The parts that both formats have.
fn structured(answer: &Json) -> Option<Reply> {
    let status = match &answer["statusCode"] {
        Json::String(text) => text.parse().ok()?,
        number => u16::try_from(number.as_u64()?).ok()?,
    };
    if !(100..1000).contains(&status) {
        return None;
    }
    let mut headers = Vec::new();
    match &answer["headers"] {
        Json::Null => {}
        Json::Object(all) => {
            for (name, value) in all {
                let name = name.to_ascii_lowercase();
                if !CONNECTION.contains(&name.as_str()) {
                    headers.push((name, scalar(value)?));
                }
            }
        }
        _ => return None,
    }
    let text = match &answer["body"] {
        Json::Null => String::new(),
        other => scalar(other)?,
    };
    let body = if answer["isBase64Encoded"] == true { BASE64.decode(text).ok()? } else { text.into_bytes() };
    Some(Reply { status, headers, body: body.into() })
}

fn scalar(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(_) | Json::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(payload: &Json) -> Result<(u16, String, String), u16> {
        let reply = v2(payload.to_string().as_bytes()).map_err(|failure| failure.status)?;
        let kind = reply.headers.iter().find(|(name, _)| name == "content-type").map(|(_, value)| value.clone());
        Ok((reply.status, kind.unwrap(), String::from_utf8(reply.body.to_vec()).unwrap()))
    }

    #[test]
    fn format_2_takes_anything() {
        let expected = |status, kind: &str, body: &str| Ok((status, kind.to_owned(), body.to_owned()));
        // The example of AWS's developer guide.
        assert_eq!(read(&json!("Hello from Lambda!")), expected(200, "application/json", "Hello from Lambda!"));
        assert_eq!(read(&json!({"message": "hi"})), expected(200, "application/json", r#"{"message":"hi"}"#));
        assert_eq!(read(&json!([1])), expected(200, "application/json", "[1]"));
        assert_eq!(read(&json!({"statusCode": 201})), expected(201, "text/plain;charset=utf-8", ""));
        let full =
            json!({"statusCode": 200, "headers": {"Content-Type": "a/b"}, "body": "aGk=", "isBase64Encoded": true});
        assert_eq!(read(&full), expected(200, "a/b", "hi"));
        for wrong in [
            json!({"statusCode": "x"}),
            json!({"statusCode": 200, "body": {}}),
            json!({"statusCode": 200, "headers": []}),
        ] {
            assert_eq!(read(&wrong), Err(500), "{wrong}");
        }
        let cookies = v2(json!({"statusCode": 200, "cookies": ["a=1", "b=2"]}).to_string().as_bytes()).unwrap();
        assert_eq!(cookies.headers.iter().filter(|(name, _)| name == "set-cookie").count(), 2);
    }

    #[test]
    fn format_1_takes_only_responses() {
        assert!(v1(b"\"text\"").is_err());
        assert!(v1(b"{}").is_err());
        let many = json!({"statusCode": 200, "headers": {"a": "0"}, "multiValueHeaders": {"A": ["1", "2"]}});
        let reply = v1(many.to_string().as_bytes()).unwrap();
        let values: Vec<&str> =
            reply.headers.iter().filter(|(name, _)| name == "a").map(|(_, value)| value.as_str()).collect();
        assert_eq!(values, ["1", "2"]);
    }
}
