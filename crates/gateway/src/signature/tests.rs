//! AWS's own vectors for Signature Version 4, looked for beside the repository or at `WELKIN_CONFORMANCE`.

use std::path::{Path, PathBuf};

use http::{HeaderMap, HeaderName, HeaderValue};

use super::*;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

fn folder() -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance");
    #[expect(clippy::disallowed_methods, reason = "where test data lies")]
    let named = std::env::var("WELKIN_CONFORMANCE").map(PathBuf::from);
    let folder = named.unwrap_or(beside).join("sigv4");
    folder.is_dir().then_some(folder)
}

/// Folders that hold a `.req` file.
fn cases(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            cases(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "req") {
            found.push(path);
        }
    }
}

struct Raw {
    method: String,
    path: String,
    query: String,
    headers: HeaderMap,
    body: String,
}

/// The vectors hold headers that HTTP libraries refuse (spaces in targets, folded lines), so they are read by hand.
fn read(text: &str) -> Raw {
    let text = text.replace("\r\n", "\n");
    let (head, body) = text.split_once("\n\n").unwrap_or((text.trim_end(), ""));
    let mut lines = head.lines();
    let first = lines.next().unwrap();
    let (method, rest) = first.split_once(' ').unwrap();
    let target = rest.rsplit_once(' ').unwrap().0;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in lines {
        if let (true, Some(last)) = (line.starts_with([' ', '\t']), headers.last_mut()) {
            last.1.push(' ');
            last.1.push_str(line.trim());
        } else if let Some((name, value)) = line.split_once(':') {
            headers.push((name.to_owned(), value.to_owned()));
        }
    }
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let value = HeaderValue::from_bytes(value.trim().as_bytes()).unwrap();
        map.append(HeaderName::from_bytes(name.to_ascii_lowercase().as_bytes()).unwrap(), value);
    }
    Raw {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: map,
        body: body.to_owned(),
    }
}

#[test]
fn the_vectors_of_aws() {
    let Some(folder) = folder() else {
        eprintln!("the SigV4 vectors are not on this machine: none was run");
        return;
    };
    let mut paths = Vec::new();
    cases(&folder, &mut paths);
    let mut failures = Vec::new();
    for path in &paths {
        let file = |extension: &str| std::fs::read_to_string(path.with_extension(extension)).unwrap();
        let mut signed = read(&file("sreq"));
        // The signed request of one vector carries a signature that is not its own; the file of the header is right.
        let authorization = HeaderValue::from_str(file("authz").trim()).unwrap();
        signed.headers.insert("authorization", authorization);
        let v4 = V4::from_headers(&signed.headers).unwrap();
        let request = read(&file("req"));
        let payload_hash = sha256_hex(request.body.as_bytes());
        let canonical = CanonicalRequest {
            method: &request.method,
            path: &request.path,
            query: &request.query,
            headers: &signed.headers,
            signed_headers: &v4.signed_headers,
            payload_hash: &payload_hash,
            s3: false,
            host: "",
        };
        let expected = file("creq").replace("\r\n", "\n");
        if canonical.text() != expected {
            failures.push(format!("{}: canonical\n{}\nexpected\n{expected}", path.display(), canonical.text()));
            continue;
        }
        assert_eq!(v4.string_to_sign(&canonical), file("sts").replace("\r\n", "\n"), "{}", path.display());
        assert!(v4.verify(&signing_key(SECRET, &v4.scope), &canonical), "{}", path.display());
        assert!(!v4.verify(&signing_key("other", &v4.scope), &canonical), "{}", path.display());
    }
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), paths.len(), failures.join("\n---\n"));
    assert!(paths.len() > 25, "only {} vectors", paths.len());
}

#[test]
fn incomplete_headers_are_named() {
    let mut headers = HeaderMap::new();
    headers
        .insert("authorization", HeaderValue::from_static("AWS4-HMAC-SHA256 Credential=a/20150830/r/s/aws4_request"));
    let ParseError(text) = V4::from_headers(&headers).unwrap_err();
    assert_eq!(
        text,
        "Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. \
         Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. \
         Authorization=AWS4-HMAC-SHA256 Credential=a/20150830/r/s/aws4_request"
    );
}

proptest::proptest! {
    #[test]
    fn reading_never_panics(authorization in "(AWS4-HMAC-SHA256)?[ -~]{0,120}", query in "[ -~]{0,80}") {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_str(&authorization).unwrap());
        let _ = V4::from_headers(&headers);
        let pairs = wire::rest::parse_query(&query);
        let _ = V4::from_query(&pairs);
        let _ = V2::from_query(&pairs);
        let _ = canonical_query(&query);
        let _ = canonical_uri(&query, true);
        let _ = canonical_uri(&query, false);
    }
}
