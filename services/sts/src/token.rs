//! Web identity tokens: those of OpenID Connect providers, judged in STS's words.
//!
//! The provider's keys are fetched from the address that its discovery document names, for every token: they rotate.

use service::Timestamp;

use crate::Error;

/// A token taken apart, not verified.
pub struct Token(jwt::Token);

fn invalid(text: impl Into<String>) -> Error {
    Error::InvalidIdentityToken(text.into())
}

impl std::ops::Deref for Token {
    type Target = jwt::Token;

    fn deref(&self) -> &jwt::Token {
        &self.0
    }
}

impl Token {
    pub fn parse(text: &str) -> Result<Token, Error> {
        let malformed = || {
            invalid("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
        };
        jwt::Token::parse(text).map(Token).ok_or_else(malformed)
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
        let keys = jwt::keys_of(issuer).await.ok_or_else(|| {
            Error::IdpCommunication(
                "Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements".to_owned(),
            )
        })?;
        let candidates = self.candidates(&keys);
        if candidates.is_empty() {
            return Err(invalid("Couldn't retrieve verification key from your identity provider"));
        }
        if candidates.into_iter().any(|key| self.signed_by(key)) {
            Ok(())
        } else {
            Err(invalid("The token's signature is invalid"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_of_its_time() {
        // {"alg":"none"} and {"exp":100}
        let token = Token::parse("eyJhbGciOiJub25lIn0.eyJleHAiOjEwMH0.").unwrap();
        assert!(token.check_time(Timestamp::from_secs(99)).is_ok());
        assert!(token.check_time(Timestamp::from_secs(100)).is_err());
        assert!(Token::parse("a.b.c").is_err());
    }
}
