//! Compressed bodies: of requests, which integrations see plain, and of answers, where the API compresses those of a size
//! and the caller takes it.

use std::io::{Read as _, Write as _};

use bytes::Bytes;
use flate2::{
    Compression,
    read::{GzDecoder, ZlibDecoder},
    write::{GzEncoder, ZlibEncoder},
};

use crate::{
    gateway_response::{Failure, REQUEST_TOO_LARGE, Reply, UNSUPPORTED_MEDIA_TYPE},
    request::Incoming,
};

/// The largest body of a request once it is plain.
const LARGEST: u64 = 10 << 20;

/// The body of a request as it was before its client compressed it.
pub fn expand(incoming: &mut Incoming) -> Result<(), Failure> {
    let encoding = incoming.header("content-encoding").unwrap_or("identity").to_ascii_lowercase();
    let mut plain = Vec::new();
    let read = match encoding.as_str() {
        "gzip" => GzDecoder::new(&incoming.body[..]).take(LARGEST + 1).read_to_end(&mut plain),
        "deflate" => ZlibDecoder::new(&incoming.body[..]).take(LARGEST + 1).read_to_end(&mut plain),
        "identity" => return Ok(()),
        _ => return Err(Failure::new(UNSUPPORTED_MEDIA_TYPE, "Unsupported Media Type")),
    };
    read.map_err(|_| Failure::new(UNSUPPORTED_MEDIA_TYPE, "Unsupported Media Type"))?;
    if plain.len() as u64 > LARGEST {
        return Err(Failure::new(REQUEST_TOO_LARGE, "Request Too Long"));
    }
    incoming.body = plain.into();
    incoming.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-encoding"));
    Ok(())
}

/// Compresses an answer of at least `smallest` bytes, where the caller takes it and the integration did not.
pub fn compress(reply: &mut Reply, accepted: &str, smallest: i32) {
    let encoded = reply.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-encoding"));
    let large = usize::try_from(smallest).is_ok_and(|smallest| reply.body.len() >= smallest);
    if encoded || !large || reply.body.is_empty() {
        return;
    }
    let takes = |wanted: &str| {
        accepted.split(',').any(|one| {
            let (name, quality) = one.split_once(';').unwrap_or((one, ""));
            name.trim().eq_ignore_ascii_case(wanted) && !quality.trim().eq_ignore_ascii_case("q=0")
        })
    };
    let (name, body) = if takes("gzip") || takes("*") {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        ("gzip", encoder.write_all(&reply.body).and_then(|()| encoder.finish()))
    } else if takes("deflate") {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        ("deflate", encoder.write_all(&reply.body).and_then(|()| encoder.finish()))
    } else {
        return;
    };
    if let Ok(body) = body {
        reply.body = Bytes::from(body);
        reply.headers.push(("Content-Encoding".to_owned(), name.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_compressed_for_those_who_take_it() {
        let reply = || Reply { status: 200, headers: Vec::new(), body: Bytes::from("a".repeat(1000)), rest: None };
        let encoded = |accepted: &str, smallest: i32| {
            let mut reply = reply();
            compress(&mut reply, accepted, smallest);
            reply.headers.first().map(|(_, value)| value.clone())
        };
        assert_eq!(encoded("deflate, gzip", 0).as_deref(), Some("gzip"));
        assert_eq!(encoded("deflate", 1000).as_deref(), Some("deflate"));
        assert_eq!(encoded("gzip", 1001), None);
        assert_eq!(encoded("gzip;q=0", 0), None);
        assert_eq!(encoded("", 0), None);
        assert_eq!(encoded("gzip", -1), None);
    }

    #[test]
    fn requests_are_expanded() {
        let mut sent = Reply { status: 0, headers: Vec::new(), body: Bytes::from("hello ".repeat(100)), rest: None };
        compress(&mut sent, "gzip", 0);
        let mut incoming = Incoming {
            headers: vec![("Content-Encoding".into(), "gzip".into())],
            body: sent.body,
            ..Incoming::default()
        };
        expand(&mut incoming).unwrap();
        assert_eq!((incoming.body.len(), incoming.headers.len()), (600, 0));
        let mut wrong = Incoming { headers: vec![("Content-Encoding".into(), "br".into())], ..Incoming::default() };
        assert_eq!(expand(&mut wrong).unwrap_err().kind, UNSUPPORTED_MEDIA_TYPE);
    }
}
