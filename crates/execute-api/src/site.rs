//! Where an API lives. Its id, or a custom domain name, is all that a request carries.

use serde_json::json;
use service::{Key, Snapshot, StoreError};
use store::Transaction;

const SITE: &str = "apigateway/site";

/// An API's account, region and kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    pub account: String,
    pub region: String,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Rest,
    Http,
    WebSocket,
}

fn key(api: &str) -> Key {
    Key::new(SITE).text(api)
}

pub fn put(tx: &mut Transaction<'_>, api: &str, site: &Site) {
    let kind = match site.kind {
        Kind::Rest => "REST",
        Kind::Http => "HTTP",
        Kind::WebSocket => "WEBSOCKET",
    };
    tx.put(key(api), json!([site.account, site.region, kind]).to_string());
}

pub fn delete(tx: &mut Transaction<'_>, api: &str) {
    tx.delete(key(api));
}

pub fn find(snapshot: &Snapshot, api: &str) -> Result<Option<Site>, StoreError> {
    let Some(record) = snapshot.get(key(api).as_slice())? else { return Ok(None) };
    let corrupt = |error: serde_json::Error| StoreError::Corrupt(error.to_string());
    let parts: Vec<String> = serde_json::from_slice(&record).map_err(corrupt)?;
    let mut parts = parts.into_iter();
    let (Some(account), Some(region)) = (parts.next(), parts.next()) else {
        return Err(StoreError::Corrupt(format!("the site of API {api}")));
    };
    // Records of before there were other kinds have no third part.
    let kind = match parts.next().as_deref() {
        Some("HTTP") => Kind::Http,
        Some("WEBSOCKET") => Kind::WebSocket,
        _ => Kind::Rest,
    };
    Ok(Some(Site { account, region, kind }))
}

/// What a request's address says: an API, and the path from behind its host on.
#[derive(Debug, PartialEq, Eq)]
pub struct Address<'a> {
    pub api: &'a str,
    /// With its slash, or empty.
    pub path: std::borrow::Cow<'a, str>,
}

/// Reads `{api}.execute-api.{anything}/…`, and where no name resolves `/_aws/execute-api/{api}/…` and
/// `/restapis/{api}/{stage}/_user_request_/…`.
pub fn address<'a>(host: &'a str, path: &'a str) -> Option<Address<'a>> {
    if let Some((api, rest)) = host.split_once('.')
        && (rest == "execute-api" || rest.starts_with("execute-api."))
    {
        return Some(Address { api, path: path.into() });
    }
    if let Some(rest) = path.strip_prefix("/_aws/execute-api/") {
        let (api, path) = cut(rest);
        return Some(Address { api, path: path.into() });
    }
    let (api, rest) = cut(path.strip_prefix("/restapis/")?);
    let (stage, rest) = cut(rest.strip_prefix('/')?);
    let path = rest.strip_prefix("/_user_request_")?;
    (path.is_empty() || path.starts_with('/')).then(|| Address { api, path: format!("/{stage}{path}").into() })
}

/// The first part of a path, and the rest with its slash.
pub fn cut(path: &str) -> (&str, &str) {
    path.split_at(path.find('/').unwrap_or(path.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lead_to_apis() {
        let expected = |path: &'static str| Some(Address { api: "abc", path: path.into() });
        assert_eq!(address("abc.execute-api.us-east-1.amazonaws.com", "/v1/users"), expected("/v1/users"));
        assert_eq!(address("abc.execute-api.localhost", "/v1"), expected("/v1"));
        assert_eq!(address("localhost", "/restapis/abc/v1/_user_request_/a/b"), expected("/v1/a/b"));
        assert_eq!(address("localhost", "/restapis/abc/v1/_user_request_"), expected("/v1"));
        assert_eq!(address("localhost", "/_aws/execute-api/abc/v1/x"), expected("/v1/x"));
        assert_eq!(address("localhost", "/restapis/abc/stages/v1"), None);
        assert_eq!(address("bucket.s3.localhost", "/v1"), None);
        assert_eq!(address("abc.execute-api.localhost", "/"), expected("/"));
    }
}
