//! Web identity tokens: JSON Web Tokens of OpenID Connect providers (RFC 7519, RFC 7517), signed with RS256 or ES256.
//!
//! The provider's keys are fetched from the address that its discovery document names, for every token: they rotate.

use std::time::Duration;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use service::{Bytes, Timestamp};

use crate::Error;

/// Documents of providers are small.
const MAX_DOCUMENT: usize = 256 * 1024;
const PATIENCE: Duration = Duration::from_secs(5);

/// A token taken apart, not verified.
pub struct Token {
    header: Value,
    pub claims: Value,
    signed: String,
    signature: Vec<u8>,
}

fn invalid(text: impl Into<String>) -> Error {
    Error::InvalidIdentityToken(text.into())
}

impl Token {
    pub fn parse(text: &str) -> Result<Token, Error> {
        let malformed = || {
            invalid("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
        };
        let (signed, signature) = text.rsplit_once('.').ok_or_else(malformed)?;
        let (header, claims) = signed.split_once('.').ok_or_else(malformed)?;
        let json = |part: &str| -> Result<Value, Error> {
            let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| malformed())?;
            let value: Value = serde_json::from_slice(&bytes).map_err(|_| malformed())?;
            if value.is_object() { Ok(value) } else { Err(malformed()) }
        };
        Ok(Token {
            header: json(header)?,
            claims: json(claims)?,
            signed: signed.to_owned(),
            signature: URL_SAFE_NO_PAD.decode(signature).map_err(|_| malformed())?,
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

    /// The token is of now.
    pub fn check_time(&self, now: Timestamp) -> Result<(), Error> {
        let Some(expires) = self.claims["exp"].as_i64() else { return Err(invalid("Missing a required claim: exp")) };
        if now.secs() >= expires {
            return Err(Error::ExpiredToken(format!(
                "Token expired: current date/time {} must be before the expiration date/time {expires}",
                now.secs()
            )));
        }
        Ok(())
    }

    /// The signature is one of the provider's keys'.
    pub async fn verify(&self, issuer: &str) -> Result<(), Error> {
        let keys = tokio::time::timeout(PATIENCE, keys_of(issuer)).await.unwrap_or(None).ok_or_else(|| {
            Error::IdpCommunication(
                "Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements".to_owned(),
            )
        })?;
        let wanted = self.header["kid"].as_str();
        let mut candidates = keys.iter().filter(|key| wanted.is_none() || key["kid"].as_str() == wanted).peekable();
        if candidates.peek().is_none() {
            return Err(invalid("Couldn't retrieve verification key from your identity provider"));
        }
        if candidates.any(|key| self.signed_by(key)) {
            Ok(())
        } else {
            Err(invalid("The token's signature is invalid"))
        }
    }

    fn signed_by(&self, key: &Value) -> bool {
        let part = |name: &str| key[name].as_str().and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        let message = self.signed.as_bytes();
        match (self.header["alg"].as_str(), key["kty"].as_str()) {
            (Some("RS256"), Some("RSA")) => match (part("n"), part("e")) {
                (Some(n), Some(e)) => RsaPublicKeyComponents { n, e }
                    .verify(&RSA_PKCS1_2048_8192_SHA256, message, &self.signature)
                    .is_ok(),
                _ => false,
            },
            (Some("ES256"), Some("EC")) => match (part("x"), part("y")) {
                (Some(x), Some(y)) => {
                    let point = [&[4], x.as_slice(), y.as_slice()].concat();
                    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, &self.signature).is_ok()
                }
                _ => false,
            },
            // Unsigned tokens and symmetric keys are no proof.
            _ => false,
        }
    }
}

/// The keys that the issuer's discovery document names.
async fn keys_of(issuer: &str) -> Option<Vec<Value>> {
    let issuer = issuer.trim_end_matches('/');
    let discovery = fetch(&format!("{issuer}/.well-known/openid-configuration")).await?;
    let keys = fetch(discovery["jwks_uri"].as_str()?).await?;
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
            assert!(Token::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_unsigned_token_proves_nothing() {
        let part = |json: &str| URL_SAFE_NO_PAD.encode(json);
        let token = format!("{}.{}.", part(r#"{"alg":"none"}"#), part(r#"{"sub":"x","aud":["a","b"],"exp":100}"#));
        let token = Token::parse(&token).unwrap();
        assert_eq!(token.audiences(), ["a", "b"]);
        assert!(!token.signed_by(&serde_json::json!({ "kty": "RSA" })));
        assert!(token.check_time(Timestamp::from_secs(99)).is_ok());
        assert!(token.check_time(Timestamp::from_secs(100)).is_err());
    }
}
