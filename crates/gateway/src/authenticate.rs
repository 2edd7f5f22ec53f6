//! Who signed a request.
//!
//! Default mode: a 12-digit access key is that account's root, and so is any unknown key for the default account,
//! without verification, so that any dummy credentials work. A key that was issued here is verified, in either mode.
//! Strict mode accepts only issued keys. Errors are AWS's, which differ by the kind of protocol.

use std::sync::Arc;

use http::request::Parts;
use service::{ApiError, Cloud, Credential, Principal};
use wire::{Protocol, Timestamp};

use crate::identify::header;
use crate::signature::{ALGORITHM, CanonicalRequest, SigningKeys, V2, V4, verify_v2};

/// A verified caller.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub who: service::Caller,
    /// The account whose resources the call is about.
    pub account: String,
    /// The derived key, for the signatures of chunks.
    pub signing_key: Option<Vec<u8>>,
}

/// The signature of a request, read but not verified.
#[derive(Clone, Debug)]
pub(crate) enum Claim {
    None,
    V4(V4),
    V2(V2),
    /// `Authorization: AWS key:signature` or another scheme that no current client uses.
    Unsupported(String),
}

impl Claim {
    pub(crate) fn read(parts: &Parts, query: &[(String, String)]) -> Result<Claim, String> {
        if let Some(authorization) = header(&parts.headers, "authorization") {
            if authorization.starts_with(ALGORITHM) {
                return V4::from_headers(&parts.headers).map(Claim::V4).map_err(|error| error.0);
            }
            return Ok(Claim::Unsupported(authorization.to_owned()));
        }
        if query.iter().any(|(key, _)| key.eq_ignore_ascii_case("X-Amz-Algorithm") || key == "X-Amz-Signature") {
            return V4::from_query(query).map(Claim::V4).map_err(|error| error.0);
        }
        Ok(V2::from_query(query).map_or(Claim::None, Claim::V2))
    }

    /// Service and region of the credential scope.
    pub(crate) fn scope(&self) -> Option<(&str, &str)> {
        match self {
            Claim::V4(v4) => Some((&v4.scope.service, &v4.scope.region)),
            _ => None,
        }
    }
}

/// Clients may be off by this much; S3 allows three times as much.
const SKEW_MILLIS: i64 = 5 * 60 * 1000;

/// What verification needs beside the claim.
pub(crate) struct Evidence<'a> {
    pub parts: &'a Parts,
    pub query: &'a [(String, String)],
    pub host: &'a str,
    /// `/bucket/key` for version 2.
    pub path: &'a str,
    pub payload_hash: &'a str,
    pub protocol: Protocol,
    pub s3: bool,
}

/// The authentication stage.
pub(crate) struct Authenticator {
    keys: SigningKeys,
}

impl Authenticator {
    pub(crate) fn new() -> Self {
        Authenticator { keys: SigningKeys::default() }
    }

    pub(crate) fn authenticate(
        &self,
        cloud: &Arc<Cloud>,
        claim: &Claim,
        evidence: &Evidence<'_>,
    ) -> Result<Caller, ApiError> {
        let words = Words { protocol: evidence.protocol, s3: evidence.s3 };
        match claim {
            Claim::None => Ok(Caller {
                who: service::Caller::Principal(Principal::Anonymous),
                account: cloud.config.default_account.clone(),
                signing_key: None,
            }),
            Claim::Unsupported(scheme) => Err(words.unsupported(scheme)),
            Claim::V2(v2) => {
                let Some(credential) = self.credential(cloud, &v2.access_key_id, v2.token.as_deref(), &words)? else {
                    return self.presumed(cloud, &v2.access_key_id, &words).and_then(|caller| {
                        words.expired(v2.expires, None, cloud.clock.now())?;
                        Ok(caller)
                    });
                };
                let Evidence { parts, query, path, .. } = evidence;
                let secret = &credential.secret_access_key;
                if !verify_v2(v2, secret, parts.method.as_str(), path, query, &parts.headers) {
                    return Err(words.mismatch());
                }
                words.expired(v2.expires, None, cloud.clock.now())?;
                Ok(issued(credential, None))
            }
            Claim::V4(v4) => self.verify_v4(cloud, v4, evidence, &words),
        }
    }

    fn verify_v4(
        &self,
        cloud: &Arc<Cloud>,
        v4: &V4,
        evidence: &Evidence<'_>,
        words: &Words,
    ) -> Result<Caller, ApiError> {
        let signed_at = Timestamp::parse_basic(&v4.date).ok_or_else(|| words.bad_date(&v4.date))?;
        let credential = match &v4.own_token {
            Some(token) if evidence.s3 => Some(self.opened(cloud, &v4.access_key_id, token, words)?),
            _ => self.credential(cloud, &v4.access_key_id, v4.token.as_deref(), words)?,
        };
        if !v4.date.starts_with(&v4.scope.date) {
            return Err(words.scope_date(&v4.scope.date, &v4.date));
        }
        words.in_time(v4, signed_at, cloud.clock.now())?;
        let Some(credential) = credential else {
            return self.presumed(cloud, &v4.access_key_id, words);
        };
        if !v4.signed_headers.iter().any(|name| name == "host") && evidence.parts.headers.contains_key("host") {
            return Err(words.mismatch());
        }
        let key = self.keys.get(&credential.secret_access_key, &v4.scope);
        let canonical = CanonicalRequest {
            method: evidence.parts.method.as_str(),
            path: evidence.parts.uri.path(),
            query: evidence.parts.uri.query().unwrap_or(""),
            headers: &evidence.parts.headers,
            signed_headers: &v4.signed_headers,
            payload_hash: evidence.payload_hash,
            s3: evidence.s3,
            host: evidence.host,
        };
        if !v4.verify(&key, &canonical) {
            let error = words.mismatch();
            if !evidence.s3 {
                return Err(error);
            }
            let error = error.with("AWSAccessKeyId", v4.access_key_id.as_str());
            let (to_sign, canonical) = (v4.string_to_sign(&canonical), canonical.text());
            let error = error.with("StringToSign", to_sign.as_str()).with("SignatureProvided", v4.signature.as_str());
            let error = error.with("StringToSignBytes", spaced(&to_sign)).with("CanonicalRequest", canonical.as_str());
            return Err(error.with("CanonicalRequestBytes", spaced(&canonical)));
        }
        Ok(issued(credential, Some(key)))
    }

    /// The credential of an issued key, if it still authenticates.
    fn credential(
        &self,
        cloud: &Arc<Cloud>,
        access_key_id: &str,
        token: Option<&str>,
        words: &Words,
    ) -> Result<Option<Arc<Credential>>, ApiError> {
        let credential = cloud.directory().credential(access_key_id).map_err(service::Internal::from)?;
        let Some(credential) = credential else { return Ok(None) };
        if !credential.active {
            return Err(words.unknown_key(access_key_id));
        }
        if let Some(session) = &credential.session {
            if token != Some(session.token.as_str()) {
                return Err(words.bad_token());
            }
            if session.expires <= cloud.clock.now() {
                return Err(words.token_expired());
            }
        }
        Ok(Some(credential))
    }

    /// The credential of a session that S3 opened, if it still authenticates.
    fn opened(
        &self,
        cloud: &Arc<Cloud>,
        access_key_id: &str,
        token: &str,
        words: &Words,
    ) -> Result<Arc<Credential>, ApiError> {
        let service = cloud.service("s3").ok_or_else(|| words.unknown_key(access_key_id))?;
        let credential = service.session(cloud, access_key_id).map_err(service::Internal::from)?;
        let Some(credential) = credential else {
            let issued = cloud.directory().credential(access_key_id).map_err(service::Internal::from)?;
            return Err(issued.map_or_else(|| words.unknown_key(access_key_id), |_| words.bad_token()));
        };
        let opened = credential.opened.as_ref();
        if opened.is_none_or(|opened| opened.token != token) {
            return Err(words.bad_token());
        }
        if opened.is_some_and(|opened| opened.expires <= cloud.clock.now()) {
            return Err(words.token_expired());
        }
        Ok(Arc::new(credential))
    }

    /// Whom an unknown key is taken for.
    fn presumed(&self, cloud: &Arc<Cloud>, access_key_id: &str, words: &Words) -> Result<Caller, ApiError> {
        if cloud.config.strict {
            return Err(words.unknown_key(access_key_id));
        }
        let is_account = access_key_id.len() == 12 && access_key_id.bytes().all(|byte| byte.is_ascii_digit());
        let account = if is_account { access_key_id } else { &cloud.config.default_account };
        Ok(Caller {
            account: account.to_owned(),
            who: service::Caller::Holder(Arc::new(Credential {
                access_key_id: access_key_id.to_owned(),
                secret_access_key: String::new(),
                principal: Principal::Root { account: account.to_owned() },
                active: true,
                session: None,
                opened: None,
            })),
            signing_key: None,
        })
    }
}

/// The bytes of a text in hexadecimal, as S3 shows what it signed.
fn spaced(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

fn issued(credential: Arc<Credential>, signing_key: Option<Vec<u8>>) -> Caller {
    Caller { account: credential.principal.account().to_owned(), who: service::Caller::Holder(credential), signing_key }
}

/// AWS's errors of authentication. The query protocols, the JSON protocols and S3 each have codes of their own.
pub(crate) struct Words {
    pub protocol: Protocol,
    pub s3: bool,
}

impl Words {
    fn query(&self) -> bool {
        matches!(self.protocol, Protocol::AwsQuery | Protocol::Ec2Query)
    }

    /// awsJson answers authentication errors with 400, the others with 403.
    fn status(&self) -> u16 {
        match self.protocol {
            Protocol::AwsJson10 | Protocol::AwsJson11 | Protocol::RpcV2Cbor => 400,
            _ => 403,
        }
    }

    fn pick(&self, s3: (&str, &str), query: (&str, &str), json: (&str, &str)) -> ApiError {
        let (code, message) = if self.s3 {
            s3
        } else if self.query() {
            query
        } else {
            json
        };
        ApiError::new(if self.s3 { 403 } else { self.status() }, code, message)
    }

    pub(crate) fn missing(&self) -> ApiError {
        let text = "Request is missing Authentication Token";
        let rest = if self.status() == 403 { "Missing Authentication Token" } else { text };
        self.pick(
            ("AccessDenied", "Access Denied"),
            ("MissingAuthenticationToken", text),
            ("MissingAuthenticationTokenException", rest),
        )
    }

    pub(crate) fn incomplete(&self, text: &str) -> ApiError {
        if self.s3 {
            return ApiError::new(
                400,
                "AuthorizationHeaderMalformed",
                format!("The authorization header is malformed; {text}"),
            );
        }
        let code = if self.query() { "IncompleteSignature" } else { "IncompleteSignatureException" };
        ApiError::new(if self.query() { 403 } else { self.status() }, code, text)
    }

    fn unsupported(&self, scheme: &str) -> ApiError {
        if self.s3 {
            return ApiError::new(
                400,
                "InvalidRequest",
                "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
            );
        }
        let _ = scheme;
        self.missing()
    }

    fn unknown_key(&self, access_key_id: &str) -> ApiError {
        let text = "The security token included in the request is invalid.";
        let error = self.pick(
            ("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."),
            ("InvalidClientTokenId", text),
            ("UnrecognizedClientException", text),
        );
        if self.s3 { error.with("AWSAccessKeyId", access_key_id) } else { error }
    }

    fn bad_token(&self) -> ApiError {
        let text = "The security token included in the request is invalid.";
        let error = self.pick(
            ("InvalidToken", "The provided token is malformed or otherwise invalid."),
            ("InvalidClientTokenId", text),
            ("UnrecognizedClientException", text),
        );
        if self.s3 { ApiError { status: 400, ..error } } else { error }
    }

    fn token_expired(&self) -> ApiError {
        let text = "The security token included in the request is expired";
        let error = self.pick(
            ("ExpiredToken", "The provided token has expired."),
            ("ExpiredToken", text),
            ("ExpiredTokenException", text),
        );
        if self.s3 { ApiError { status: 400, ..error } } else { error }
    }

    pub(crate) fn mismatch(&self) -> ApiError {
        const LONG: &str = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.";
        self.pick(
            (
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
            ),
            ("SignatureDoesNotMatch", LONG),
            ("InvalidSignatureException", LONG),
        )
    }

    fn bad_date(&self, date: &str) -> ApiError {
        self.incomplete(&format!(
            "Date must be in ISO-8601 'basic format'. Got '{date}'. See http://en.wikipedia.org/wiki/ISO_8601"
        ))
    }

    fn scope_date(&self, scope: &str, date: &str) -> ApiError {
        let text = format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{scope}' != '{}', from '{date}'.",
            date.get(..8).unwrap_or(date)
        );
        self.pick(
            ("AuthorizationHeaderMalformed", &text),
            ("SignatureDoesNotMatch", &text),
            ("InvalidSignatureException", &text),
        )
    }

    fn in_time(&self, v4: &V4, signed_at: Timestamp, now: Timestamp) -> Result<(), ApiError> {
        if let Some(expires) = v4.expires {
            if !(0..=604_800).contains(&expires) {
                let text = if expires < 0 {
                    "X-Amz-Expires must be non-negative"
                } else {
                    "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds"
                };
                return Err(ApiError::new(400, "AuthorizationQueryParametersError", text));
            }
            if signed_at.millis() - now.millis() > 3 * SKEW_MILLIS {
                return Err(ApiError::new(403, "AccessDenied", "Request is not valid yet"));
            }
            return self.expired(signed_at.secs() + expires, Some(expires), now);
        }
        let skew = if self.s3 { 3 * SKEW_MILLIS } else { SKEW_MILLIS };
        let off = now.millis() - signed_at.millis();
        if off.abs() <= skew {
            return Ok(());
        }
        let (now_text, date) = (now.basic(), &v4.date);
        let limit = now.plus_millis(if off > 0 { -skew } else { skew }).basic();
        let text = if off > 0 {
            format!("Signature expired: {date} is now earlier than {limit} ({now_text} - 5 min.)")
        } else {
            format!("Signature not yet current: {date} is still later than {limit} ({now_text} + 5 min.)")
        };
        let error = self.pick(
            ("RequestTimeTooSkewed", "The difference between the request time and the current time is too large."),
            ("SignatureDoesNotMatch", &text),
            ("InvalidSignatureException", &text),
        );
        if !self.s3 {
            return Err(error);
        }
        let error = error.with("RequestTime", date.as_str()).with("ServerTime", now.iso8601());
        Err(error.with("MaxAllowedSkewMilliseconds", skew.to_string()))
    }

    /// A presigned request after its time; `valid` is for how many seconds it was.
    fn expired(&self, expires_at: i64, valid: Option<i64>, now: Timestamp) -> Result<(), ApiError> {
        if now.secs() <= expires_at {
            return Ok(());
        }
        let expires = Timestamp::from_secs(expires_at).iso8601();
        let error = ApiError::new(403, "AccessDenied", "Request has expired");
        let error = match valid {
            Some(seconds) => error.with("X-Amz-Expires", seconds.to_string()),
            None => error,
        };
        Err(error.with("Expires", expires).with("ServerTime", Timestamp::from_secs(now.secs()).iso8601()))
    }
}
