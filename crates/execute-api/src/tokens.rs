//! Tokens of callers: who signed them, for whom, until when.

use std::sync::Arc;

use serde_json::{Map, Value as Json};
use service::Context;
use wire::Timestamp;

use crate::cache::Expiring;

/// How long an issuer's keys are kept.
const KEYS_KEPT: i64 = 2 * 3600;

/// The keys of issuers.
#[derive(Default)]
pub struct Tokens {
    keys: Expiring<Arc<Vec<Json>>>,
}

/// Who may sign, and the address under which its discovery document is.
#[derive(Debug, Clone, Copy)]
pub struct Issuer<'a> {
    pub name: &'a str,
    pub address: &'a str,
}

/// The signatures that user pools and the issuers of HTTP APIs make.
pub const RSA: [&str; 3] = ["RS256", "RS384", "RS512"];

impl Tokens {
    pub fn clear(&self) {
        self.keys.clear();
    }

    /// A token, with `Bearer` before it or not, that one of the issuers signed for one of the audiences (any, where none
    /// is named) and that is of now; or why it is not.
    pub async fn check(
        &self,
        cx: &Context,
        text: &str,
        issuers: &[Issuer<'_>],
        audience: &[String],
        algorithms: &[&str],
    ) -> Result<jwt::Token, String> {
        let bearer = text.get(..7).is_some_and(|prefix| prefix.eq_ignore_ascii_case("bearer "));
        let text = if bearer { text[7..].trim() } else { text };
        if text.to_ascii_lowercase().starts_with("bearer ") {
            return Err("tokenstring should not contain 'bearer '".to_owned());
        }
        if text.split('.').count() != 3 {
            return Err("token contains an invalid number of segments".to_owned());
        }
        let token = jwt::Token::parse(text).ok_or("the token is malformed")?;
        let issuer = token.claim("iss").unwrap_or_default().to_owned();
        let known = issuers.iter().find(|known| known.name == issuer).ok_or("the token has an invalid issuer")?;
        let algorithm = token.header["alg"].as_str().unwrap_or_default();
        if !algorithms.contains(&algorithm) {
            return Err(format!("signing method {algorithm} is invalid"));
        }
        self.verify(cx, known.address, &token).await?;
        check_claims(&token, audience, cx.now())?;
        Ok(token)
    }

    async fn verify(&self, cx: &Context, issuer: &str, token: &jwt::Token) -> Result<(), String> {
        let signed = |keys: &[Json]| token.candidates(keys).into_iter().any(|key| token.signed_by(key));
        let known = self.keys.get(issuer, cx.now());
        if known.is_some_and(|keys| signed(&keys)) {
            return Ok(());
        }
        // Keys rotate: what is kept may not have the one that signed.
        let keys = jwt::keys_of(issuer).await.ok_or("OIDC discovery endpoint communication error")?;
        let fits = signed(&keys);
        let unknown = token.candidates(&keys).is_empty();
        self.keys.put(issuer.to_owned(), cx.now().plus_secs(KEYS_KEPT), Arc::new(keys));
        match (fits, unknown) {
            (true, _) => Ok(()),
            (false, true) => Err("unable to find a signing key that matches the token".to_owned()),
            (false, false) => Err("signature is invalid".to_owned()),
        }
    }
}

/// The claims of a token as texts.
pub fn claims_of(token: &jwt::Token) -> Map<String, Json> {
    let claims = token.claims.as_object().into_iter().flatten();
    claims.map(|(name, value)| (name.clone(), Json::from(claim_text(value)))).collect()
}

fn check_claims(token: &jwt::Token, audience: &[String], now: Timestamp) -> Result<(), &'static str> {
    let time = |name: &str| token.claims[name].as_f64().map(|seconds| seconds as i64);
    match time("exp") {
        None => return Err("the token does not have an expiration"),
        Some(expires) if now.secs() >= expires => return Err("the token has expired"),
        Some(_) => {}
    }
    if time("nbf").is_some_and(|from| now.secs() < from) || time("iat").is_some_and(|issued| now.secs() < issued) {
        return Err("the token is not valid yet");
    }
    // Without an audience the client's id takes its place.
    let audiences = match token.claims.get("aud") {
        Some(_) => token.audiences(),
        None => token.claim("client_id").into_iter().collect(),
    };
    if audience.is_empty() || audience.iter().any(|known| audiences.contains(&known.as_str())) {
        Ok(())
    } else {
        Err("the token does not have a valid audience")
    }
}

/// The scopes that a token has.
pub fn scopes_of(token: &jwt::Token) -> Vec<String> {
    let both = [&token.claims["scope"], &token.claims["scp"]];
    let of = |value: &Json| -> Vec<String> {
        match value {
            Json::String(text) => text.split_whitespace().map(str::to_owned).collect(),
            Json::Array(list) => list.iter().filter_map(Json::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    };
    both.into_iter().flat_map(of).collect()
}

/// Claims are texts; a list is written as `[a b]`.
fn claim_text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Array(list) => format!("[{}]", list.iter().map(claim_text).collect::<Vec<_>>().join(" ")),
        Json::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn claims_are_checked() {
        // {"alg":"none"} and {"exp":100,"nbf":50,"client_id":"c"}
        let token = jwt::Token::parse("eyJhbGciOiJub25lIn0.eyJleHAiOjEwMCwibmJmIjo1MCwiY2xpZW50X2lkIjoiYyJ9.").unwrap();
        let check = |now, audience: &str| check_claims(&token, &[audience.to_owned()], Timestamp::from_secs(now));
        assert_eq!(check(60, "c"), Ok(()));
        assert_eq!(check(100, "c"), Err("the token has expired"));
        assert_eq!(check(49, "c"), Err("the token is not valid yet"));
        assert_eq!(check(60, "d"), Err("the token does not have a valid audience"));
        assert_eq!(claim_text(&json!(["a", "b"])), "[a b]");
    }
}
