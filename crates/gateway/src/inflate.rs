//! Compressed requests. SDKs may send the bodies of the JSON, CBOR and query protocols with `Content-Encoding: gzip`, and deflate
//! is understood as well; the signature covers the body as it was sent. REST bodies are the client's own data and stay as they are.

use std::io::Read as _;

use bytes::Bytes;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use http::HeaderMap;
use wire::Protocol;

use crate::identify::header;

/// The body of a request as its protocol wants it; nothing where it is not what the header says, or larger than `limit`.
pub(crate) fn inflate(protocol: Protocol, headers: &HeaderMap, bytes: Bytes, limit: usize) -> Option<Bytes> {
    if matches!(protocol, Protocol::RestXml | Protocol::RestJson1) {
        return Some(bytes);
    }
    let at_most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let mut out = Vec::new();
    let encoding = header(headers, "content-encoding").unwrap_or_default().trim().to_ascii_lowercase();
    let read = match encoding.as_str() {
        "gzip" => MultiGzDecoder::new(&*bytes).take(at_most).read_to_end(&mut out),
        "deflate" => ZlibDecoder::new(&*bytes).take(at_most).read_to_end(&mut out),
        _ => return Some(bytes),
    };
    (read.is_ok() && out.len() <= limit).then(|| out.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn packed(text: &[u8]) -> Bytes {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        writer.write_all(text).unwrap();
        writer.finish().unwrap().into()
    }

    #[test]
    fn bodies() {
        let gzip: HeaderMap = [(http::header::CONTENT_ENCODING, "gzip".parse().unwrap())].into_iter().collect();
        let json = |headers: &HeaderMap, bytes| inflate(Protocol::AwsJson10, headers, bytes, 1000);
        assert_eq!(json(&gzip, packed(b"{}")).as_deref(), Some(b"{}".as_slice()));
        assert_eq!(json(&HeaderMap::new(), "{}".into()).as_deref(), Some(b"{}".as_slice()));
        assert_eq!(json(&gzip, "{}".into()), None);
        assert_eq!(json(&gzip, packed(&[b' '; 1001])), None);
        assert_eq!(inflate(Protocol::RestXml, &gzip, "as it is".into(), 1000).as_deref(), Some(b"as it is".as_slice()));
    }
}
