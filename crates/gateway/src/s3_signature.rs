//! What S3 says of signatures that cannot even be read: it has words of its own for every part of them.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-auth-using-authorization-header.html>
//!
//! These are questions of form. Whether a signature is right is asked later, as for every service.

use std::borrow::Cow;

use http::request::Parts;
use service::ApiError;
use wire::Timestamp;

use crate::identify::header;
use crate::signature::ALGORITHM;

const SHA256: &str = "x-amz-content-sha256";

fn argument(text: &str, name: &str, value: &str) -> ApiError {
    let error = ApiError::new(400, "InvalidArgument", text);
    error.with("ArgumentName", name).with("ArgumentValue", value)
}

fn in_header(text: &str) -> ApiError {
    ApiError::new(400, "AuthorizationHeaderMalformed", format!("The authorization header is malformed; {text}"))
}

fn in_query(text: &str) -> ApiError {
    ApiError::new(400, "AuthorizationQueryParametersError", text)
}

/// Checks the form of a request's signature, if it has one.
pub(crate) fn check(parts: &Parts, query: &[(String, String)]) -> Result<(), ApiError> {
    let get =
        |name: &str| query.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str());
    let authorization = header(&parts.headers, "authorization");
    let v4 = get("X-Amz-Algorithm").is_some() || get("X-Amz-Signature").is_some();
    let v2 = query.iter().any(|(key, _)| key == "Signature" || key == "AWSAccessKeyId");
    let signed = match authorization {
        Some(authorization) if authorization.starts_with(ALGORITHM) => {
            authorization.split([',', ' ']).find_map(|part| part.strip_prefix("SignedHeaders="))
        }
        _ => get("X-Amz-SignedHeaders").filter(|_| v4),
    };
    match (authorization, v4, v2) {
        (Some(authorization), true, _) | (Some(authorization), _, true) => {
            let text = "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified";
            Err(argument(text, "Authorization", authorization))
        }
        (Some(authorization), ..) => of_header(parts, authorization).and_then(|()| all_signed(parts, signed)),
        (None, true, _) => of_query(get).and_then(|()| all_signed(parts, signed)),
        (None, false, true) => of_old_query(query),
        (None, false, false) => Ok(()),
    }
}

/// What S3 has headers of its own for must be signed.
fn all_signed(parts: &Parts, signed: Option<&str>) -> Result<(), ApiError> {
    let is_signed = |name: &str| signed.is_some_and(|list| list.split(';').any(|one| one.eq_ignore_ascii_case(name)));
    let open: Vec<&str> = parts
        .headers
        .keys()
        .map(|name| name.as_str())
        .filter(|name| name.starts_with("x-amz-") && !is_signed(name))
        .collect();
    if open.is_empty() {
        return Ok(());
    }
    let text = "There were headers present in the request which were not signed";
    Err(ApiError::new(403, "AccessDenied", text).with("HeadersNotSigned", open.join(", ")))
}

/// The date of the signature and that of its scope.
fn same_day(scope: &str, date: &str) -> Option<String> {
    let day = date.get(..8).unwrap_or(date);
    let text = || format!("Invalid credential date \"{scope}\". This date is not the same as X-Amz-Date: \"{day}\".");
    (scope != day).then(text)
}

/// What is wrong with a credential, but for what it says of the day.
fn credential<'a>(text: &'a str, mal_formed: &str) -> Result<&'a str, String> {
    let pieces: Vec<&str> = text.rsplitn(5, '/').collect();
    let [term, service, _, date, _] = pieces.as_slice() else { return Err(mal_formed.to_owned()) };
    if date.len() != 8 || !date.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!(
            "incorrect date format \"{date}\". This date in the credential must be in the format \"yyyyMMdd\"."
        ));
    }
    if *term != "aws4_request" {
        return Err(format!("incorrect terminal \"{term}\". This endpoint uses \"aws4_request\"."));
    }
    if !matches!(*service, "s3" | "s3express") {
        return Err(format!("incorrect service \"{service}\". This endpoint belongs to \"s3\"."));
    }
    Ok(date)
}

fn of_header(parts: &Parts, authorization: &str) -> Result<(), ApiError> {
    let Some(rest) = authorization.strip_prefix(ALGORITHM) else {
        // Version 2 is spoken of where signatures are verified.
        return match authorization.starts_with("AWS ") {
            true => Ok(()),
            false => Err(argument("Unsupported Authorization Type", "Authorization", authorization)),
        };
    };
    let mut fields = [("Credential", None), ("SignedHeaders", None), ("Signature", None)];
    for component in rest.split([',', ' ']).filter(|component| !component.is_empty()) {
        let Some((name, value)) = component.split_once('=') else {
            return Err(in_header(&format!("the authorization component \"{component}\" is malformed.")));
        };
        if let Some((_, field)) = fields.iter_mut().find(|(known, _)| *known == name) {
            *field = Some(value);
        }
    }
    let [(_, Some(named)), (_, Some(_)), (_, Some(_))] = fields else {
        let text = "the authorization header requires three components: Credential, SignedHeaders, and Signature.";
        return Err(in_header(text));
    };
    let mal_formed = "the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".";
    let scope = credential(named, mal_formed).map_err(|text| in_header(&text))?;
    let date = header(&parts.headers, "x-amz-date").or_else(|| header(&parts.headers, "date"));
    // Nearly always the date is in the form that the scope is in, and need not be written anew.
    let date = date.and_then(|text| match Timestamp::parse_basic(text) {
        Some(_) => Some(Cow::Borrowed(text)),
        None => Timestamp::parse(text).map(|date| Cow::Owned(date.basic())),
    });
    let Some(date) = date else {
        let text = "AWS authentication requires a valid Date or x-amz-date header";
        return Err(ApiError::new(403, "AccessDenied", text));
    };
    if let Some(text) = same_day(scope, &date) {
        return Err(in_header(&text));
    }
    match header(&parts.headers, SHA256) {
        None => {
            Err(ApiError::new(400, "InvalidRequest", format!("Missing required header for this request: {SHA256}")))
        }
        Some(hash) => check_hash(hash),
    }
}

/// How a body is signed.
fn check_hash(hash: &str) -> Result<(), ApiError> {
    const KINDS: [&str; 6] = [
        "UNSIGNED-PAYLOAD",
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD",
        "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER",
    ];
    if KINDS.contains(&hash) || (hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())) {
        return Ok(());
    }
    let text = format!("{SHA256} must be {}, or a valid sha256 value.", KINDS.join(", "));
    Err(argument(&text, SHA256, hash))
}

fn of_query<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Result<(), ApiError> {
    let fields = ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-Date", "X-Amz-SignedHeaders"];
    let [Some(algorithm), Some(named), Some(_), Some(date), Some(_)] = fields.map(&get) else {
        return Err(in_query(INCOMPLETE));
    };
    let Some(expires) = get("X-Amz-Expires") else { return Err(in_query(INCOMPLETE)) };
    if algorithm != ALGORITHM {
        let text = "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256\"";
        return Err(in_query(text));
    }
    let mal_formed = "the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".";
    let of_credential = |text: String| in_query(&format!("Error parsing the X-Amz-Credential parameter; {text}"));
    let scope = credential(named, mal_formed).map_err(of_credential)?;
    if Timestamp::parse_basic(date).is_none() {
        return Err(in_query("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\""));
    }
    if let Some(text) = same_day(scope, date) {
        return Err(in_query(&text));
    }
    match expires.parse::<i64>() {
        Err(_) => Err(in_query("X-Amz-Expires should be a number")),
        Ok(seconds) if seconds < 0 => Err(in_query("X-Amz-Expires must be non-negative")),
        Ok(seconds) if seconds > 604_800 => Err(in_query(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds",
        )),
        Ok(_) => Ok(()),
    }
}

const INCOMPLETE: &str = "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.";

/// Version 2.
fn of_old_query(query: &[(String, String)]) -> Result<(), ApiError> {
    let get = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let denied = |text: String| Err(ApiError::new(403, "AccessDenied", text));
    match (get("Signature"), get("AWSAccessKeyId"), get("Expires")) {
        (Some(_), Some(_), Some(expires)) if expires.parse::<i64>().is_ok() => Ok(()),
        (Some(_), Some(_), Some(expires)) => denied(format!("Invalid date (should be seconds since epoch): {expires}")),
        _ => denied(
            "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters".to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn said(headers: &[(&str, &str)], query: &[(&str, &str)]) -> (u16, String, String) {
        let mut request = http::Request::builder();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let parts = request.body(()).unwrap().into_parts().0;
        let query: Vec<(String, String)> =
            query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        match check(&parts, &query) {
            Ok(()) => (200, String::new(), String::new()),
            Err(error) => (error.status, error.code, error.message),
        }
    }

    const SCOPE: &str = "AKID/20261121/us-east-1/s3/aws4_request";
    const SIGNED: &str = "host;x-amz-content-sha256;x-amz-date";

    #[test]
    fn headers() {
        let with = |authorization: &str| {
            let headers =
                [("authorization", authorization), ("x-amz-date", "20261121T000000Z"), (SHA256, "UNSIGNED-PAYLOAD")];
            said(&headers, &[]).2
        };
        let signed =
            |scope: &str| with(&format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={SIGNED}, Signature=aa"));
        let malformed = |text: &str| format!("The authorization header is malformed; {text}");
        assert_eq!(signed(SCOPE), "");
        let open = with(&format!("AWS4-HMAC-SHA256 Credential={SCOPE}, SignedHeaders=host;x-amz-date, Signature=aa"));
        assert_eq!(open, "There were headers present in the request which were not signed");
        assert_eq!(with("Basic x"), "Unsupported Authorization Type");
        assert_eq!(with("AWS4-HMAC-SHA256 x"), malformed("the authorization component \"x\" is malformed."));
        assert_eq!(
            with("AWS4-HMAC-SHA256 Credential=x"),
            malformed("the authorization header requires three components: Credential, SignedHeaders, and Signature.")
        );
        assert_eq!(
            signed("x"),
            malformed("the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".")
        );
        assert_eq!(
            signed("a/20261121/us-east-1/ec2/aws4_request"),
            malformed("incorrect service \"ec2\". This endpoint belongs to \"s3\".")
        );
        assert_eq!(
            signed("a/20261121/us-east-1/s3/x"),
            malformed("incorrect terminal \"x\". This endpoint uses \"aws4_request\".")
        );
        assert_eq!(
            signed("a/20261120/us-east-1/s3/aws4_request"),
            malformed("Invalid credential date \"20261120\". This date is not the same as X-Amz-Date: \"20261121\".")
        );
        let whole = format!("AWS4-HMAC-SHA256 Credential={SCOPE}, SignedHeaders=host, Signature=aa");
        let undated = said(&[("authorization", &whole)], &[]);
        assert_eq!((undated.0, undated.1.as_str()), (403, "AccessDenied"));
        let date = ("x-amz-date", "20261121T000000Z");
        let unhashed = said(&[("authorization", &whole), date], &[]);
        assert_eq!(unhashed.2, "Missing required header for this request: x-amz-content-sha256");
        assert_eq!(said(&[("authorization", &whole), date, (SHA256, "x")], &[]).1, "InvalidArgument");
        let both = said(&[("authorization", &whole)], &[("X-Amz-Algorithm", ALGORITHM)]);
        assert!(both.2.starts_with("Only one auth mechanism allowed;"));
    }

    #[test]
    fn queries() {
        let with = |change: &str, value: Option<&str>| {
            let mut all = vec![
                ("X-Amz-Algorithm", ALGORITHM),
                ("X-Amz-Credential", SCOPE),
                ("X-Amz-Date", "20261121T000000Z"),
                ("X-Amz-Expires", "60"),
                ("X-Amz-SignedHeaders", "host"),
                ("X-Amz-Signature", "aa"),
            ];
            all.retain(|(name, _)| *name != change);
            all.extend(value.map(|value| (change, value)));
            said(&[], &all).2
        };
        assert_eq!(with("", None), "");
        for name in ["X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature"] {
            assert_eq!(with(name, None), INCOMPLETE);
        }
        assert_eq!(with("X-Amz-Expires", Some("x")), "X-Amz-Expires should be a number");
        assert_eq!(with("X-Amz-Expires", Some("-1")), "X-Amz-Expires must be non-negative");
        assert!(with("X-Amz-Expires", Some("604801")).starts_with("X-Amz-Expires must be less than a week"));
        assert!(with("X-Amz-Date", Some("x")).starts_with("X-Amz-Date must be in the ISO8601 Long Format"));
        assert!(with("X-Amz-Algorithm", Some("x")).starts_with("X-Amz-Algorithm only supports"));
        assert!(with("X-Amz-Credential", Some("x")).starts_with("Error parsing the X-Amz-Credential parameter;"));
        let old = |query: &[(&str, &str)]| said(&[], query).2;
        assert!(old(&[("Signature", "x")]).starts_with("Query-string authentication requires"));
        let dated = [("Signature", "x"), ("AWSAccessKeyId", "a"), ("Expires", "x")];
        assert_eq!(old(&dated), "Invalid date (should be seconds since epoch): x");
    }

    proptest! {
        #[test]
        fn anything_can_be_sent(authorization in "[ -~]{0,60}", value in "[ -~]{0,40}") {
            let _ = said(&[("authorization", &authorization)], &[]);
            let _ = said(&[], &[("X-Amz-Algorithm", ALGORITHM), ("X-Amz-Credential", &value), ("X-Amz-Date", &value)]);
        }
    }
}
