//! JSON Web Tokens of OpenID Connect providers (RFC 7519, RFC 7517), signed with RS256, RS384, RS512, ES256, ES384 or ES512.
//!
//! Who trusts a token decides which claims it must have; here it is only taken apart, and its signature verified with the
//! keys that the issuer's discovery document names. Unsigned tokens and symmetric keys are no proof.

use std::time::Duration;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, EcdsaVerificationAlgorithm,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RsaParameters,
    RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde_json::Value;

/// Documents of providers are small.
const MAX_DOCUMENT: usize = 256 * 1024;
const PATIENCE: Duration = Duration::from_secs(5);

/// A token taken apart, not verified.
#[derive(Debug)]
pub struct Token {
    pub header: Value,
    pub claims: Value,
    signed: String,
    signature: Vec<u8>,
}

impl Token {
    /// None where the text is no token.
    pub fn parse(text: &str) -> Option<Token> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let json = |part: &str| -> Option<Value> {
            let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
            serde_json::from_slice(&bytes).ok().filter(Value::is_object)
        };
        Some(Token {
            header: json(header)?,
            claims: json(claims)?,
            signed: signed.to_owned(),
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
        })
    }

    pub fn claim(&self, name: &str) -> Option<&str> {
        self.claims[name].as_str()
    }

    /// The audiences: one, or a list.
    pub fn audiences(&self) -> Vec<&str> {
        match &self.claims["aud"] {
            Value::String(one) => vec![one],
            Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// Those keys of a provider that the token may be signed with: the one it names, or any.
    pub fn candidates<'a>(&self, keys: &'a [Value]) -> Vec<&'a Value> {
        let wanted = self.header["kid"].as_str();
        keys.iter().filter(|key| wanted.is_none() || key["kid"].as_str() == wanted).collect()
    }

    /// Whether the signature is one of this key.
    pub fn signed_by(&self, key: &Value) -> bool {
        let part = |name: &str| key[name].as_str().and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        let message = self.signed.as_bytes();
        match (self.header["alg"].as_str(), key["kty"].as_str()) {
            (Some(algorithm), Some("RSA")) => match (rsa(algorithm), part("n"), part("e")) {
                (Some(parameters), Some(n), Some(e)) => {
                    RsaPublicKeyComponents { n, e }.verify(parameters, message, &self.signature).is_ok()
                }
                _ => false,
            },
            (Some(algorithm), Some("EC")) => match (curve(algorithm), part("x"), part("y")) {
                (Some(curve), Some(x), Some(y)) => {
                    let point = [&[4], x.as_slice(), y.as_slice()].concat();
                    UnparsedPublicKey::new(curve, point).verify(message, &self.signature).is_ok()
                }
                _ => false,
            },
            _ => false,
        }
    }
}

fn rsa(algorithm: &str) -> Option<&'static RsaParameters> {
    match algorithm {
        "RS256" => Some(&RSA_PKCS1_2048_8192_SHA256),
        "RS384" => Some(&RSA_PKCS1_2048_8192_SHA384),
        "RS512" => Some(&RSA_PKCS1_2048_8192_SHA512),
        _ => None,
    }
}

fn curve(algorithm: &str) -> Option<&'static EcdsaVerificationAlgorithm> {
    match algorithm {
        "ES256" => Some(&ECDSA_P256_SHA256_FIXED),
        "ES384" => Some(&ECDSA_P384_SHA384_FIXED),
        "ES512" => Some(&ECDSA_P521_SHA512_FIXED),
        _ => None,
    }
}

/// An issuer's discovery document; none where it cannot be had in a few seconds.
pub async fn discovery(issuer: &str) -> Option<Value> {
    tokio::time::timeout(PATIENCE, document(issuer)).await.ok()?
}

async fn document(issuer: &str) -> Option<Value> {
    fetch(&format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))).await
}

/// The keys that the issuer's discovery document names; none where they cannot be had in a few seconds.
pub async fn keys_of(issuer: &str) -> Option<Vec<Value>> {
    tokio::time::timeout(PATIENCE, discover(issuer)).await.ok()?
}

async fn discover(issuer: &str) -> Option<Vec<Value>> {
    let keys = fetch(document(issuer).await?["jwks_uri"].as_str()?).await?;
    keys["keys"].as_array().cloned()
}

async fn fetch(address: &str) -> Option<Value> {
    let request = http::Request::get(address).header("accept", "application/json").body(Bytes::new()).ok()?;
    let response = outbound::send(request, MAX_DOCUMENT).await.ok()?;
    response.status().is_success().then(|| serde_json::from_slice(response.body()).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_token_is_refused() {
        for text in ["", "a", "a.b", "a.b.c", "e30.W10.e30", "....."] {
            assert!(Token::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn an_unsigned_token_proves_nothing() {
        let part = |json: &str| URL_SAFE_NO_PAD.encode(json);
        let token = format!("{}.{}.", part(r#"{"alg":"none"}"#), part(r#"{"sub":"x","aud":["a","b"],"exp":100}"#));
        let token = Token::parse(&token).unwrap();
        assert_eq!(token.audiences(), ["a", "b"]);
        assert!(!token.signed_by(&serde_json::json!({ "kty": "RSA" })));
    }
}
