//! The canonical form of a request.

use http::HeaderMap;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const PATH: &AsciiSet = &UNRESERVED.remove(b'/');

/// What the signature of a request covers.
pub struct CanonicalRequest<'a> {
    pub method: &'a str,
    /// As it came, percent-encoded.
    pub path: &'a str,
    /// As it came.
    pub query: &'a str,
    pub headers: &'a HeaderMap,
    /// Lower case, in the order of the signature.
    pub signed_headers: &'a [String],
    /// `x-amz-content-sha256`, or the hash of the body.
    pub payload_hash: &'a str,
    /// S3 signs the path as it is; the other services normalise it and encode it twice.
    pub s3: bool,
    /// The value that stands in for the `host` header of an HTTP/2 request.
    pub host: &'a str,
}

impl CanonicalRequest<'_> {
    pub fn text(&self) -> String {
        let headers: Vec<String> = self.signed_headers.iter().map(|name| self.header(name)).collect();
        format!(
            "{}\n{}\n{}\n{}\n\n{}\n{}",
            self.method,
            canonical_uri(self.path, self.s3),
            canonical_query(self.query),
            headers.join("\n"),
            self.signed_headers.join(";"),
            self.payload_hash
        )
    }

    /// `name:value,value` with inner white space folded.
    fn header(&self, name: &str) -> String {
        let mut values: Vec<String> =
            (self.headers.get_all(name).iter()).map(|value| fold(&String::from_utf8_lossy(value.as_bytes()))).collect();
        if values.is_empty() && name == "host" {
            values.push(self.host.to_owned());
        }
        format!("{name}:{}", values.join(","))
    }
}

fn fold(value: &str) -> String {
    value.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

/// The path, normalised (RFC 3986, section 6) and encoded once more; for S3 decoded and encoded.
pub fn canonical_uri(path: &str, s3: bool) -> String {
    if s3 {
        let decoded: Vec<u8> = percent_decode_str(path).collect();
        return percent_encoding::percent_encode(&decoded, PATH).to_string();
    }
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    let mut out = String::with_capacity(path.len() + 8);
    for segment in &segments {
        out.push('/');
        out.extend(utf8_percent_encode(segment, UNRESERVED));
    }
    let ends_in_folder = path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
    if out.is_empty() || ends_in_folder {
        out.push('/');
    }
    out
}

/// The query, decoded, encoded and sorted; without the signature itself.
pub fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (encode(key), encode(value))
        })
        .filter(|(key, _)| key != "X-Amz-Signature")
        .collect();
    pairs.sort();
    let pairs: Vec<String> = pairs.into_iter().map(|(key, value)| format!("{key}={value}")).collect();
    pairs.join("&")
}

fn encode(text: &str) -> String {
    let decoded: Vec<u8> = percent_decode_str(&text.replace('+', "%20")).collect();
    percent_encoding::percent_encode(&decoded, UNRESERVED).to_string()
}
