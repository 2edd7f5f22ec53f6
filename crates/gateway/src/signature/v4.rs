//! Signature Version 4.

use std::collections::HashMap;

use http::HeaderMap;
use parking_lot::Mutex;
use wire::Timestamp;

use super::{CanonicalRequest, hex, hmac_sha256, same, sha256_hex};

pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// `20150830/us-east-1/service/aws4_request`
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    pub date: String,
    pub region: String,
    pub service: String,
}

impl Scope {
    fn text(&self) -> String {
        format!("{}/{}/{}/aws4_request", self.date, self.region, self.service)
    }
}

/// The signature of a request, taken apart but not verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct V4 {
    pub access_key_id: String,
    pub scope: Scope,
    /// `20150830T123600Z`
    pub date: String,
    pub signed_headers: Vec<String>,
    pub signature: String,
    pub token: Option<String>,
    /// The token of a session that the service itself opened (S3 Express).
    pub own_token: Option<String>,
    /// Presigned: seconds for which it is valid.
    pub expires: Option<i64>,
}

/// Why a signature cannot even be read, in AWS's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError(pub String);

impl V4 {
    /// Reads the `Authorization` header of algorithm [`ALGORITHM`].
    pub fn from_headers(headers: &HeaderMap) -> Result<V4, ParseError> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let authorization = text("authorization").unwrap_or_default();
        let parameters = authorization.strip_prefix(ALGORITHM).unwrap_or_default();
        let mut fields = [("Credential", None), ("Signature", None), ("SignedHeaders", None)];
        for part in parameters.split([',', ' ']).filter(|part| !part.is_empty()) {
            if let Some((key, value)) = part.split_once('=')
                && let Some((_, field)) = fields.iter_mut().find(|(name, _)| *name == key)
            {
                *field = Some(value);
            }
        }
        let mut missing = String::new();
        for (field, _) in fields.iter().filter(|(_, value)| value.is_none()) {
            missing.push_str(&format!("Authorization header requires '{field}' parameter. "));
        }
        let date = text("x-amz-date").map(str::to_owned).or_else(|| {
            let http_date = text("date")?;
            Timestamp::parse_basic(http_date).or_else(|| Timestamp::parse(http_date)).map(Timestamp::basic)
        });
        if date.is_none() {
            missing.push_str("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ");
        }
        if !missing.is_empty() {
            return Err(ParseError(format!("{missing}Authorization={authorization}")));
        }
        let [(_, named), (_, signature), (_, signed_headers)] =
            fields.map(|(name, value)| (name, value.unwrap_or_default()));
        let (access_key_id, scope) = credential(named)?;
        Ok(V4 {
            access_key_id,
            scope,
            date: date.unwrap_or_default(),
            signed_headers: signed_headers.split(';').map(str::to_ascii_lowercase).collect(),
            signature: signature.to_owned(),
            token: text("x-amz-security-token").map(str::to_owned),
            own_token: text("x-amz-s3session-token").map(str::to_owned),
            expires: None,
        })
    }

    /// Reads the `X-Amz-…` parameters of a presigned request.
    pub fn from_query(query: &[(String, String)]) -> Result<V4, ParseError> {
        let get =
            |name: &str| query.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone());
        let need = |name: &str| {
            get(name).ok_or_else(|| ParseError(format!("AWS query-string parameters must include '{name}'. ")))
        };
        let (access_key_id, scope) = credential(&need("X-Amz-Credential")?)?;
        let expires = match get("X-Amz-Expires") {
            None => None,
            Some(text) => Some(text.parse().map_err(|_| ParseError("X-Amz-Expires should be a number".to_owned()))?),
        };
        Ok(V4 {
            access_key_id,
            scope,
            date: need("X-Amz-Date")?,
            signed_headers: need("X-Amz-SignedHeaders")?.split(';').map(str::to_ascii_lowercase).collect(),
            signature: need("X-Amz-Signature")?,
            token: get("X-Amz-Security-Token"),
            own_token: get("X-Amz-S3session-Token"),
            expires,
        })
    }

    pub fn string_to_sign(&self, canonical: &CanonicalRequest<'_>) -> String {
        let hash = sha256_hex(canonical.text().as_bytes());
        format!("{ALGORITHM}\n{}\n{}\n{hash}", self.date, self.scope.text())
    }

    /// Whether the signature is the one that the key makes.
    pub fn verify(&self, key: &[u8], canonical: &CanonicalRequest<'_>) -> bool {
        let expected = hex(&hmac_sha256(key, self.string_to_sign(canonical).as_bytes()));
        same(&expected, &self.signature)
    }
}

fn credential(text: &str) -> Result<(String, Scope), ParseError> {
    let parts: Vec<&str> = text.rsplitn(5, '/').collect();
    match parts.as_slice() {
        ["aws4_request", service, region, date, key] => {
            let own = |text: &str| text.to_owned();
            Ok((own(key), Scope { date: own(date), region: own(region), service: own(service) }))
        }
        _ => Err(ParseError(format!(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '{text}'"
        ))),
    }
}

/// The key that a secret derives for a scope.
pub fn signing_key(secret: &str, scope: &Scope) -> Vec<u8> {
    let key = hmac_sha256(format!("AWS4{secret}").as_bytes(), scope.date.as_bytes());
    let key = hmac_sha256(&key, scope.region.as_bytes());
    let key = hmac_sha256(&key, scope.service.as_bytes());
    hmac_sha256(&key, b"aws4_request")
}

/// Signing keys derived before: the same key serves a whole day.
#[derive(Default)]
pub struct SigningKeys(Mutex<HashMap<(String, Scope), Vec<u8>>>);

impl SigningKeys {
    /// At most this many are kept; then all are forgotten, which costs four hashes each.
    const MOST: usize = 4_096;

    /// `secret` is part of the name, so a rotated secret never meets an old key.
    pub fn get(&self, secret: &str, scope: &Scope) -> Vec<u8> {
        let mut keys = self.0.lock();
        if keys.len() >= Self::MOST {
            keys.clear();
        }
        keys.entry((secret.to_owned(), scope.clone())).or_insert_with(|| signing_key(secret, scope)).clone()
    }
}
