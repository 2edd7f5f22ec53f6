//! Authorizers of type JWT: whose tokens they trust, and whether a request has one.
//!
//! An issuer's discovery document is fetched when the authorizer is made and must name that issuer; its keys are fetched
//! when a token comes. Issuers may be reached over `http://` too, for issuers on this machine.

use crate::{
    authorizer::identity,
    error::Error,
    gateway_response::{Failure, UNAUTHORIZED},
    request::Incoming,
};
use apigateway_api::{
    Authorizer, JwtAdditionalClaim, JwtClaimFormat, JwtConfiguration, JwtConfigurationInput, JwtIssuer,
};
use execute_api::tokens::{self, Issuer, Tokens};
use serde_json::{Value as Json, json};
use service::Context;
use std::collections::BTreeSet;

/// Claims that are checked anyway.
const OWN_CLAIMS: [&str; 7] = ["iss", "aud", "exp", "nbf", "iat", "scope", "scp"];

fn bad<T>(message: impl Into<String>) -> Result<T, Error> {
    Err(Error::BadRequest(message.into()))
}

/// What an authorizer is told, checked and completed with where each issuer's keys are.
pub async fn resolve(given: Option<JwtConfigurationInput>) -> Result<JwtConfiguration, Error> {
    let Some(given) = given else { return bad("JwtConfiguration is required for authorizers of type JWT") };
    if given.default_algorithms.is_empty() {
        return bad("At least one signing algorithm is required");
    }
    let names: BTreeSet<&String> = given.issuers.iter().map(|issuer| &issuer.issuer).collect();
    if names.is_empty() || names.len() != given.issuers.len() {
        return bad("Issuers must not be empty, and their URLs must be unique");
    }
    let mut issuers = Vec::new();
    for issuer in given.issuers {
        check_url(&issuer.issuer)?;
        if issuer.audiences.is_empty() || issuer.audiences.iter().any(String::is_empty) {
            return bad("Audiences must not be empty");
        }
        check_claims(issuer.additional_claims.as_deref().unwrap_or_default())?;
        let found = jwt::discovery(&issuer.issuer).await;
        let named = found.as_ref().filter(|found| found["issuer"] == issuer.issuer.as_str());
        let Some(keys) = named.and_then(|found| found["jwks_uri"].as_str()) else {
            return bad(format!("The OIDC discovery document of the issuer {} could not be used", issuer.issuer));
        };
        issuers.push(JwtIssuer {
            jwks_uri: Some(keys.to_owned()),
            issuer: Some(issuer.issuer),
            audiences: Some(issuer.audiences),
            additional_claims: issuer.additional_claims,
        });
    }
    Ok(JwtConfiguration { issuers: Some(issuers), default_algorithms: Some(given.default_algorithms) })
}

fn check_url(issuer: &str) -> Result<(), Error> {
    let rest = issuer.strip_prefix("https://").or_else(|| issuer.strip_prefix("http://"));
    match rest {
        Some(rest) if !rest.is_empty() && !rest.starts_with('/') && !rest.contains(['@', '?', '#']) => Ok(()),
        _ => bad("Invalid issuer: it must be an absolute https URL without user information, query or fragment"),
    }
}

fn check_claims(rules: &[JwtAdditionalClaim]) -> Result<(), Error> {
    let names: BTreeSet<&str> = rules.iter().map(|rule| rule.claim_name.as_str()).collect();
    if names.len() != rules.len() {
        return bad("Claim names must be unique within an issuer");
    }
    for rule in rules {
        if rule.claim_name.is_empty() || OWN_CLAIMS.contains(&rule.claim_name.as_str()) {
            return bad(format!("Invalid additional claim name specified: {}", rule.claim_name));
        }
        if rule.format != JwtClaimFormat::SingleString {
            return bad("Invalid format of an additional claim specified. The format must be SINGLE_STRING");
        }
    }
    Ok(())
}

/// Whether an authorizer is complete. Its identity source is one header, without a default.
pub fn check(authorizer: &Authorizer) -> Result<(), Error> {
    if authorizer.jwt_configuration.is_none() {
        return bad("JwtConfiguration is required for authorizers of type JWT");
    }
    let source = authorizer.identity_source.as_deref().unwrap_or_default();
    let header = source.strip_prefix("method.request.header.").unwrap_or_default();
    if header.is_empty() || header.contains(',') {
        return bad(
            "The identity source of an authorizer of type JWT must be a single request header mapping expression",
        );
    }
    Ok(())
}

/// What a request's token claims, where one of the trusted issuers signed it for one of its audiences.
pub async fn token(
    tokens: &Tokens,
    cx: &Context,
    authorizer: &Authorizer,
    scopes: &[String],
    request: &Incoming,
) -> Result<Json, Failure> {
    let refused =
        |reason: &str| Failure::new(UNAUTHORIZED, "Unauthorized").logged(format!("Unauthorized request: {reason}"));
    let values = identity(authorizer, request)?;
    let text = values.first().ok_or_else(|| refused("no token"))?;
    let configuration = authorizer.jwt_configuration.clone().unwrap_or_default();
    let trusted = configuration.issuers.unwrap_or_default();
    let names: Vec<&str> = trusted.iter().filter_map(|issuer| issuer.issuer.as_deref()).collect();
    let issuers: Vec<Issuer<'_>> = names.iter().map(|name| Issuer { name, address: name }).collect();
    let algorithms = configuration.default_algorithms.unwrap_or_default();
    let algorithms: Vec<&str> = algorithms.iter().map(|algorithm| algorithm.as_str()).collect();
    let token = tokens.check(cx, text, &issuers, &[], &algorithms).await.map_err(|reason| refused(&reason))?;
    let issuer = trusted.iter().find(|issuer| issuer.issuer.as_deref() == token.claim("iss"));
    let issuer = issuer.ok_or_else(|| refused("the token has an invalid issuer"))?;
    let for_one = |audience: &String| token.audiences().contains(&audience.as_str());
    if !issuer.audiences.iter().flatten().any(for_one) {
        return Err(refused("the token does not have a valid audience"));
    }
    if let Some(rule) = issuer.additional_claims.iter().flatten().find(|rule| !holds(rule, &token.claims)) {
        return Err(refused(&format!("the claim {} does not have an accepted value", rule.claim_name)));
    }
    let own = tokens::scopes_of(&token);
    if !scopes.is_empty() && !scopes.iter().any(|scope| own.contains(scope)) {
        return Err(refused("the token does not have a valid scope"));
    }
    Ok(json!({ "claims": tokens::claims_of(&token) }))
}

/// Whether a claim is as a rule wants it.
fn holds(rule: &JwtAdditionalClaim, claims: &Json) -> bool {
    match &claims[rule.claim_name.as_str()] {
        Json::Null => rule.required != Some(true),
        Json::String(value) => {
            let expected = rule.expected_values.as_deref().unwrap_or_default();
            expected.is_empty() || expected.contains(value)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(required: bool, expected: &[&str]) -> JwtAdditionalClaim {
        JwtAdditionalClaim {
            claim_name: "team".to_owned(),
            format: JwtClaimFormat::SingleString,
            required: Some(required),
            expected_values: Some(expected.iter().map(|value| (*value).to_owned()).collect()),
        }
    }

    #[test]
    fn claims_are_held_to_their_rules() {
        let claims = json!({"team": "a", "list": ["a"]});
        assert!(holds(&rule(true, &[]), &claims) && holds(&rule(true, &["b", "a"]), &claims));
        assert!(!holds(&rule(true, &["A"]), &claims));
        assert!(!holds(&rule(true, &[]), &json!({})) && holds(&rule(false, &["a"]), &json!({})));
        assert!(!holds(&rule(false, &[]), &json!({"team": ["a"]})));
    }

    #[test]
    fn rules_and_addresses_are_checked() {
        assert!(check_claims(&[rule(true, &[])]).is_ok());
        assert!(check_claims(&[rule(true, &[]), rule(false, &[])]).is_err());
        assert!(check_claims(&[JwtAdditionalClaim { claim_name: "aud".to_owned(), ..rule(true, &[]) }]).is_err());
        assert!(check_url("https://a.example/tenant").is_ok());
        for url in ["a.example", "https://", "https://u@a.example", "https://a.example?x", "https:///x"] {
            assert!(check_url(url).is_err(), "{url}");
        }
    }
}
