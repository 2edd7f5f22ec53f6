//! Signature Version 2 in S3's query strings, with which old CLIs still presign.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html>

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;

use super::same;

/// The parameters of a request presigned with version 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct V2 {
    pub access_key_id: String,
    pub signature: String,
    /// Seconds since the epoch.
    pub expires: i64,
    pub token: Option<String>,
}

impl V2 {
    pub fn from_query(query: &[(String, String)]) -> Option<V2> {
        let get = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        Some(V2 {
            access_key_id: get("AWSAccessKeyId")?,
            signature: get("Signature")?,
            expires: get("Expires")?.parse().ok()?,
            token: get("x-amz-security-token"),
        })
    }
}

/// Query parameters that are part of the resource and therefore signed.
const SUBRESOURCES: &[&str] = &[
    "accelerate",
    "acl",
    "cors",
    "delete",
    "lifecycle",
    "location",
    "logging",
    "notification",
    "partNumber",
    "policy",
    "replication",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
];

/// Whether the signature is the one that the secret makes. `path` is `/bucket/key` as it came, also for a bucket named
/// by the host.
pub fn verify_v2(
    v2: &V2,
    secret: &str,
    method: &str,
    path: &str,
    query: &[(String, String)],
    headers: &HeaderMap,
) -> bool {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut amz: Vec<(String, String)> = (headers.iter())
        .filter(|(name, _)| name.as_str().starts_with("x-amz-"))
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).trim().to_owned()))
        .chain(v2.token.iter().map(|token| ("x-amz-security-token".to_owned(), token.clone())))
        .collect();
    amz.sort();
    amz.dedup();
    let amz: String = amz.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let mut resources: Vec<String> = (query.iter())
        .filter(|(key, _)| SUBRESOURCES.contains(&key.as_str()))
        .map(|(key, value)| if value.is_empty() { key.clone() } else { format!("{key}={value}") })
        .collect();
    resources.sort();
    let resources = if resources.is_empty() { String::new() } else { format!("?{}", resources.join("&")) };
    let text = format!(
        "{method}\n{}\n{}\n{}\n{amz}{path}{resources}",
        header("content-md5"),
        header("content-type"),
        v2.expires
    );
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());
    same(&STANDARD.encode(hmac::sign(&key, text.as_bytes())), &v2.signature)
}
