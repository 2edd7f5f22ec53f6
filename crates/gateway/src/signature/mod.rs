//! Signatures of requests: Signature Version 4 in headers and queries, and Version 2 in S3's queries.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>
//!
//! Pure functions of the request and the secret; [`crate::authenticate`] decides what their results mean.

mod canonical;
mod v2;
mod v4;

use aws_lc_rs::{digest, hmac};

pub use canonical::{CanonicalRequest, canonical_query, canonical_uri};
pub(crate) use service::hex;
pub use v2::{V2, verify_v2};
pub use v4::{ALGORITHM, ParseError, Scope, SigningKeys, V4, signing_key};

pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

pub(crate) fn hmac_sha256(key: &[u8], text: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text).as_ref().to_vec()
}

/// Compares without revealing, through time, how much matches.
pub(crate) fn same(a: &str, b: &str) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(a.as_bytes(), b.as_bytes()).is_ok()
}

#[cfg(test)]
mod tests;
