//! What is wrong with an `Authorization` header that is no signature, where API Gateway wants one. The header itself is
//! shown only as a hash.

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};

/// AWS's words for a header that is no signature; none for one that might be.
pub fn complaint(authorization: &str, dated: bool) -> Option<String> {
    let (algorithm, rest) = authorization.trim().split_once(' ').unwrap_or(("", authorization.trim()));
    let fields: Vec<&str> = rest.split(',').map(str::trim).collect();
    let hash = BASE64.encode(digest::digest(&digest::SHA256, authorization.as_bytes()));
    if fields.iter().any(|field| !field.contains('=')) {
        return Some(format!(
            "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 and encoded with Base64): '{hash}'."
        ));
    }
    let has = |name: &str| fields.iter().any(|field| field.split_once('=').is_some_and(|(known, _)| known == name));
    let mut wrong: Vec<String> = ["Credential", "Signature", "SignedHeaders"]
        .iter()
        .filter(|name| !has(name))
        .map(|name| format!("Authorization header requires '{name}' parameter."))
        .collect();
    if !dated {
        let either = "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.";
        wrong.push(either.to_owned());
    }
    if wrong.is_empty() {
        return None;
    }
    Some(format!("{} (Hashed with SHA-256 and encoded with Base64) Authorization={algorithm} {hash}", wrong.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn what_a_header_holds_is_never_shown(secret in "[a-z]{12,20}", scheme in "Bearer |Basic |", rest in "[ ,=]{0,6}") {
            let told = complaint(&format!("{scheme}{rest}{secret}"), false).unwrap_or_default();
            proptest::prop_assert!(!told.contains(&secret), "{told}");
        }
    }

    #[test]
    fn tokens_are_no_signatures() {
        let token = complaint("Bearer abc", false).unwrap();
        assert!(token.starts_with("Invalid key=value pair (missing equal-sign) in Authorization header"), "{token}");
        assert!(!token.contains("abc"));
        let padded = complaint("Basic dXNlcjpwYXNz=", false).unwrap();
        assert!(padded.starts_with(
            "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature'"
        ));
        assert!(padded.contains("either a 'X-Amz-Date'"));
        assert_eq!(complaint("AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=c", true), None);
    }
}
