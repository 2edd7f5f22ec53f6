//! Signatures in headers and queries, and the canonical forms of paths and queries.

#![no_main]

use gateway::signature::{CanonicalRequest, V2, V4, canonical_query, canonical_uri};
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(data) {
        headers.insert("authorization", value.clone());
        headers.insert("x-amz-date", value);
    }
    let signature = V4::from_headers(&headers);
    let Ok(text) = std::str::from_utf8(data) else { return };
    let query = wire::rest::parse_query(text);
    let _ = (V4::from_query(&query), V2::from_query(&query), canonical_query(text));
    let _ = (canonical_uri(text, true), canonical_uri(text, false));
    if let Ok(signature) = signature {
        let canonical = CanonicalRequest {
            method: "GET",
            path: text,
            query: text,
            headers: &headers,
            signed_headers: &signature.signed_headers,
            payload_hash: "UNSIGNED-PAYLOAD",
            s3: false,
            host: "localhost",
        };
        let _ = signature.verify(b"key", &canonical);
    }
});
