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
        let mut text = String::with_capacity(512);
        text.push_str(self.method);
        text.push('\n');
        text.push_str(&canonical_uri(self.path, self.s3));
        text.push('\n');
        if !self.query.is_empty() {
            text.push_str(&canonical_query(self.query));
        }
        text.push('\n');
        for name in self.signed_headers {
            self.header(name, &mut text);
            text.push('\n');
        }
        text.push('\n');
        for (index, name) in self.signed_headers.iter().enumerate() {
            if index > 0 {
                text.push(';');
            }
            text.push_str(name);
        }
        text.push('\n');
        text.push_str(self.payload_hash);
        text
    }

    /// `name:value,value` with inner white space folded.
    fn header(&self, name: &str, text: &mut String) {
        text.push_str(name);
        text.push(':');
        let mut values = self.headers.get_all(name).iter().peekable();
        if values.peek().is_none() && name == "host" {
            text.push_str(self.host);
        }
        let mut first = true;
        for value in values {
            if !std::mem::take(&mut first) {
                text.push(',');
            }
            fold(&String::from_utf8_lossy(value.as_bytes()), text);
        }
    }
}

fn fold(value: &str, text: &mut String) {
    for (index, word) in value.split_ascii_whitespace().enumerate() {
        if index > 0 {
            text.push(' ');
        }
        text.push_str(word);
    }
}

/// The path, normalised (RFC 3986, section 6) and encoded once more; for S3 decoded and encoded.
pub fn canonical_uri(path: &str, s3: bool) -> String {
    if path == "/" {
        return "/".to_owned();
    }
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
