//! Where an API lives. Its id, or a custom domain name, is all that a request carries.

use serde_json::json;
use service::{Key, Store, StoreError};
use store::Transaction;

use crate::domain;
use crate::record::Reader;

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

pub fn find(reader: &impl Reader, api: &str) -> Result<Option<Site>, StoreError> {
    reader.get(key(api).as_slice())?.map(|record| read(api, &record)).transpose()
}

fn read(api: &str, record: &[u8]) -> Result<Site, StoreError> {
    let corrupt = |error: serde_json::Error| StoreError::Corrupt(error.to_string());
    let parts: Vec<String> = serde_json::from_slice(record).map_err(corrupt)?;
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
    Ok(Site { account, region, kind })
}

/// What a request's address says: an API, and the path from its stage on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    pub api: String,
    /// With its slash, or empty.
    pub path: String,
    /// The path as the client wrote it, where it came to a custom domain.
    pub shown: Option<String>,
}

impl Address {
    fn new(api: &str, path: impl Into<String>) -> Self {
        Self { api: api.to_owned(), path: path.into(), shown: None }
    }
}

/// Reads `{api}.execute-api.{anything}/…`, custom domains, and where no name resolves `/_aws/execute-api/{api}/…` and
/// `/restapis/{api}/{stage}/_user_request_/…`.
pub fn locate(store: &Store, host: &str, path: &str) -> Option<Address> {
    if let Some(found) = address(host, path) {
        return Some(found);
    }
    // Only what can be somebody's own name is looked up.
    let clouds = [".amazonaws.com", ".localhost", ".localhost.localstack.cloud"];
    let own = host.contains('.') && !clouds.iter().any(|cloud| host.ends_with(cloud));
    if !own || host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    let (api, inner) = domain::resolve(&store.snapshot(), host, path).ok()??;
    Some(Address { api, path: inner, shown: Some(path.to_owned()) })
}

fn address(host: &str, path: &str) -> Option<Address> {
    if let Some((api, rest)) = host.split_once('.')
        && (rest == "execute-api" || rest.starts_with("execute-api."))
    {
        return Some(Address::new(api, path));
    }
    if let Some(rest) = path.strip_prefix("/_aws/execute-api/") {
        let (api, path) = cut(rest);
        return Some(Address::new(api, path));
    }
    let (api, rest) = cut(path.strip_prefix("/restapis/")?);
    let (stage, rest) = cut(rest.strip_prefix('/')?);
    let path = rest.strip_prefix("/_user_request_")?;
    (path.is_empty() || path.starts_with('/')).then(|| Address::new(api, format!("/{stage}{path}")))
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
        let expected = |path: &str| Some(Address::new("abc", path));
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
