//! `aws-chunked` bodies: signed chunks, unsigned chunks, trailers with checksums.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html>
//!
//! The decoder works on whatever pieces arrive and passes data on at once, so memory is bounded by a piece. A wrong
//! chunk signature or checksum ends the stream with an error; whoever reads the stream must then discard it.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::StreamExt as _;
use wire::{ByteStream, StreamError};

use crate::checksum::{Checksum, algorithm_of};
use crate::signature::{hex, hmac_sha256, same, sha256_hex};

/// A chunk header or trailer line may be this long.
const MAX_LINE: usize = 16 * 1024;
/// No client sends chunks of more than this.
const MAX_CHUNK: u64 = 5 * 1024 * 1024 * 1024;

/// Checks the signatures of chunks, each of which covers the one before.
pub struct ChunkSigner {
    pub key: Vec<u8>,
    /// `20130524T000000Z`
    pub date: String,
    /// `20130524/us-east-1/s3/aws4_request`
    pub scope: String,
    /// The signature of the request.
    pub previous: String,
}

impl ChunkSigner {
    fn check(&mut self, signature: &str, hash: &str) -> Result<(), StreamError> {
        let empty = sha256_hex(b"");
        let text =
            format!("AWS4-HMAC-SHA256-PAYLOAD\n{}\n{}\n{}\n{empty}\n{hash}", self.date, self.scope, self.previous);
        self.compare(signature, &text)
    }

    fn check_trailer(&mut self, signature: &str, trailer: &str) -> Result<(), StreamError> {
        let hash = sha256_hex(trailer.as_bytes());
        let text = format!("AWS4-HMAC-SHA256-TRAILER\n{}\n{}\n{}\n{hash}", self.date, self.scope, self.previous);
        self.compare(signature, &text)
    }

    fn compare(&mut self, signature: &str, text: &str) -> Result<(), StreamError> {
        let expected = hex(&hmac_sha256(&self.key, text.as_bytes()));
        if !same(&expected, signature) {
            return Err(error(
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
            ));
        }
        self.previous = expected;
        Ok(())
    }
}

fn error(code: &'static str, message: &str) -> StreamError {
    StreamError { code, message: message.to_owned() }
}

fn incomplete() -> StreamError {
    error("IncompleteBody", "The request body terminated unexpectedly")
}

enum State {
    /// Before `length[;chunk-signature=…]`.
    Header,
    /// So many bytes of the chunk are still to come.
    Data(u64),
    /// Before the line end that follows the data.
    DataEnd,
    Trailers,
    Done,
}

/// The decoder. [`ChunkedDecoder::push`] takes what arrives and yields what it holds; [`ChunkedDecoder::finish`] says whether
/// that was all.
pub struct ChunkedDecoder {
    state: State,
    buffer: BytesMut,
    signer: Option<ChunkSigner>,
    chunk_signature: String,
    chunk_hash: digest::Context,
    /// The trailer that carries a checksum, and the checksum of the data so far.
    checksum: Option<(String, Checksum)>,
    trailers: Vec<(String, String)>,
    /// `x-amz-decoded-content-length`.
    expected: Option<u64>,
    decoded: u64,
}

impl ChunkedDecoder {
    /// `trailer` is the value of `x-amz-trailer`.
    pub fn new(signer: Option<ChunkSigner>, trailer: Option<&str>, expected: Option<u64>) -> Self {
        let checksum = trailer.and_then(|name| {
            let checksum = algorithm_of(name).and_then(Checksum::new)?;
            Some((name.to_ascii_lowercase(), checksum))
        });
        ChunkedDecoder {
            state: State::Header,
            buffer: BytesMut::new(),
            signer,
            chunk_signature: String::new(),
            chunk_hash: digest::Context::new(&digest::SHA256),
            checksum,
            trailers: Vec::new(),
            expected,
            decoded: 0,
        }
    }

    /// Takes a piece of the body; returns the data that it completes.
    pub fn push(&mut self, piece: Bytes) -> Result<Vec<Bytes>, StreamError> {
        self.buffer.extend_from_slice(&piece);
        let mut out = Vec::new();
        loop {
            match self.state {
                State::Header => {
                    let Some(line) = self.line()? else { return Ok(out) };
                    self.header(&line)?;
                }
                State::Data(0) => {
                    self.end_chunk()?;
                    self.state = State::DataEnd;
                }
                State::Data(left) => {
                    if self.buffer.is_empty() {
                        return Ok(out);
                    }
                    let take = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
                    let data = self.buffer.split_to(take).freeze();
                    self.take_data(&data)?;
                    self.state = State::Data(left - take as u64);
                    out.push(data);
                }
                State::DataEnd => {
                    if self.buffer.len() < 2 {
                        return Ok(out);
                    }
                    if !self.buffer.starts_with(b"\r\n") {
                        return Err(incomplete());
                    }
                    self.buffer.advance(2);
                    self.state = State::Header;
                }
                State::Trailers => {
                    let Some(line) = self.line()? else { return Ok(out) };
                    self.trailer(&line)?;
                }
                State::Done => {
                    if !self.buffer.iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
                        return Err(incomplete());
                    }
                    self.buffer.clear();
                    return Ok(out);
                }
            }
        }
    }

    /// The body has ended: everything must have been there.
    pub fn finish(&mut self) -> Result<(), StreamError> {
        // The empty line after the last trailer is often left out.
        if let State::Trailers = self.state {
            if !self.buffer.is_empty() {
                self.buffer.extend_from_slice(b"\r\n");
                while let Some(line) = self.line()? {
                    self.trailer(&line)?;
                }
            }
            if !matches!(self.state, State::Done) {
                self.end_trailers()?;
            }
        }
        if !matches!(self.state, State::Done) || self.expected.is_some_and(|expected| expected != self.decoded) {
            return Err(incomplete());
        }
        Ok(())
    }

    /// Takes a line off the buffer, without its end.
    fn line(&mut self) -> Result<Option<String>, StreamError> {
        let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") else {
            return if self.buffer.len() > MAX_LINE { Err(incomplete()) } else { Ok(None) };
        };
        if end > MAX_LINE {
            return Err(incomplete());
        }
        let line = self.buffer.split_to(end);
        self.buffer.advance(2);
        String::from_utf8(line.to_vec()).map(Some).map_err(|_| incomplete())
    }

    fn header(&mut self, line: &str) -> Result<(), StreamError> {
        let (size, extension) = line.split_once(';').unwrap_or((line, ""));
        let digits = !size.is_empty() && size.len() <= 16 && size.bytes().all(|byte| byte.is_ascii_hexdigit());
        let size = u64::from_str_radix(size, 16).ok().filter(|size| digits && *size <= MAX_CHUNK);
        let size = size.ok_or_else(incomplete)?;
        if self.signer.is_some() {
            let signature = extension.strip_prefix("chunk-signature=").ok_or_else(incomplete)?;
            signature.clone_into(&mut self.chunk_signature);
        }
        if size == 0 {
            self.end_chunk()?;
            self.state = State::Trailers;
        } else {
            self.state = State::Data(size);
        }
        Ok(())
    }

    fn take_data(&mut self, data: &[u8]) -> Result<(), StreamError> {
        self.decoded += data.len() as u64;
        if self.expected.is_some_and(|expected| self.decoded > expected) {
            return Err(incomplete());
        }
        if self.signer.is_some() {
            self.chunk_hash.update(data);
        }
        if let Some((_, checksum)) = &mut self.checksum {
            checksum.update(data);
        }
        Ok(())
    }

    fn end_chunk(&mut self) -> Result<(), StreamError> {
        if let Some(signer) = &mut self.signer {
            let hash = std::mem::replace(&mut self.chunk_hash, digest::Context::new(&digest::SHA256));
            signer.check(&self.chunk_signature, &hex(hash.finish().as_ref()))?;
        }
        Ok(())
    }

    fn trailer(&mut self, line: &str) -> Result<(), StreamError> {
        if line.is_empty() {
            return self.end_trailers();
        }
        let malformed = || {
            error(
                "MalformedTrailerError",
                "The request contained trailing data that was not well-formed or did not conform to our published schema.",
            )
        };
        let (name, value) = line.split_once(':').ok_or_else(malformed)?;
        if self.trailers.len() >= 16 {
            return Err(malformed());
        }
        self.trailers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        Ok(())
    }

    fn end_trailers(&mut self) -> Result<(), StreamError> {
        self.state = State::Done;
        let find = |trailers: &[(String, String)], name: &str| {
            trailers.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
        };
        if let (Some(signer), Some(signature)) = (&mut self.signer, find(&self.trailers, "x-amz-trailer-signature")) {
            let signed = self.trailers.iter().filter(|(name, _)| name != "x-amz-trailer-signature");
            let text: String = signed.map(|(name, value)| format!("{name}:{value}\n")).collect();
            signer.check_trailer(&signature, &text)?;
        }
        if let Some((name, checksum)) = self.checksum.take() {
            let given = find(&self.trailers, &name).ok_or_else(|| {
                error("MalformedTrailerError", "The request contained trailing data that was not well-formed or did not conform to our published schema.")
            })?;
            let computed = checksum.finish();
            let right_size = given.len() == computed.len() && STANDARD.decode(&given).is_ok();
            if !right_size {
                let message = format!("Value for {name} trailing header is invalid.");
                return Err(StreamError { code: "InvalidRequest", message });
            }
            if computed != given {
                let algorithm = algorithm_of(&name).unwrap_or_default();
                return Err(StreamError {
                    code: "BadDigest",
                    message: format!("The {algorithm} you specified did not match the calculated checksum."),
                });
            }
        }
        Ok(())
    }
}

/// The decoded body of a stream.
pub(crate) fn decode(body: &ByteStream, decoder: ChunkedDecoder) -> ByteStream {
    let len = decoder.expected;
    let state = (body.take(), decoder, Vec::new().into_iter(), false);
    let stream = futures_util::stream::unfold(state, |(mut body, mut decoder, mut ready, ended)| async move {
        loop {
            if let Some(data) = Iterator::next(&mut ready) {
                return Some((Ok(data), (body, decoder, ready, ended)));
            }
            if ended {
                return None;
            }
            let step = match body.next().await {
                Some(Ok(piece)) => decoder.push(piece),
                Some(Err(error)) => Err(error),
                None => match decoder.finish() {
                    Ok(()) => return None,
                    Err(error) => Err(error),
                },
            };
            match step {
                Ok(data) => ready = data.into_iter(),
                Err(error) => return Some((Err(error), (body, decoder, Vec::new().into_iter(), true))),
            }
        }
    });
    ByteStream::new(stream, len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The example of AWS's documentation: 64 KiB and 1 KiB of `a`.
    fn example() -> (ChunkSigner, Vec<u8>) {
        let scope = crate::signature::Scope {
            date: "20130524".to_owned(),
            region: "us-east-1".to_owned(),
            service: "s3".to_owned(),
        };
        let signer = ChunkSigner {
            key: crate::signature::signing_key("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", &scope),
            date: "20130524T000000Z".to_owned(),
            scope: "20130524/us-east-1/s3/aws4_request".to_owned(),
            previous: "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9".to_owned(),
        };
        let mut body = Vec::new();
        let chunks = [
            (65536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
            (1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
            (0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
        ];
        for (len, signature) in chunks {
            body.extend_from_slice(format!("{len:x};chunk-signature={signature}\r\n").as_bytes());
            body.extend(std::iter::repeat_n(b'a', len));
            body.extend_from_slice(b"\r\n");
        }
        (signer, body)
    }

    fn run(mut decoder: ChunkedDecoder, pieces: &[&[u8]]) -> Result<Vec<u8>, StreamError> {
        let mut out = Vec::new();
        for piece in pieces {
            for data in decoder.push(Bytes::copy_from_slice(piece))? {
                out.extend_from_slice(&data);
            }
        }
        decoder.finish()?;
        Ok(out)
    }

    #[test]
    fn the_signed_example_of_the_documentation() {
        let (signer, body) = example();
        let out = run(ChunkedDecoder::new(Some(signer), None, Some(66560)), &[&body]).unwrap();
        assert_eq!(out.len(), 66560);
    }

    #[test]
    fn a_changed_byte_breaks_the_signature() {
        let (signer, mut body) = example();
        body[200] = b'b';
        let error = run(ChunkedDecoder::new(Some(signer), None, Some(66560)), &[&body]).unwrap_err();
        assert_eq!(error.code, "SignatureDoesNotMatch");
    }

    #[test]
    fn trailers_are_checked() {
        let good = b"9\r\n123456789\r\n0\r\nx-amz-checksum-crc32:y/Q5Jg==\r\n\r\n";
        let decoder = || ChunkedDecoder::new(None, Some("x-amz-checksum-crc32"), Some(9));
        assert_eq!(run(decoder(), &[good]).unwrap(), b"123456789");
        let bad = b"9\r\n123456780\r\n0\r\nx-amz-checksum-crc32:y/Q5Jg==\r\n\r\n";
        assert_eq!(run(decoder(), &[bad]).unwrap_err().code, "BadDigest");
        let odd = b"9\r\n123456789\r\n0\r\nx-amz-checksum-crc32:bad\r\n\r\n";
        assert_eq!(run(decoder(), &[odd]).unwrap_err().code, "InvalidRequest");
        let missing = b"9\r\n123456789\r\n0\r\n\r\n";
        assert_eq!(run(decoder(), &[missing]).unwrap_err().code, "MalformedTrailerError");
    }

    #[test]
    fn a_body_cut_short_or_too_long_is_refused() {
        for body in [&b"5\r\n1234"[..], b"5\r\n12345\r\n", b"zz\r\n", b"ffffffffffffffff\r\n", b"5\r\n1234567", b""] {
            assert_eq!(run(ChunkedDecoder::new(None, None, None), &[body]).unwrap_err().code, "IncompleteBody");
        }
        let longer = b"3\r\nabc\r\n0\r\n\r\n";
        assert!(run(ChunkedDecoder::new(None, None, Some(2)), &[longer]).is_err());
        assert!(run(ChunkedDecoder::new(None, None, Some(4)), &[longer]).is_err());
    }

    proptest! {
        #[test]
        fn the_pieces_do_not_matter(cuts in prop::collection::vec(1..70_000usize, 0..12)) {
            let (signer, body) = example();
            let mut pieces = Vec::new();
            let mut rest = &body[..];
            for cut in cuts {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                pieces.push(piece);
                rest = after;
            }
            pieces.push(rest);
            let out = run(ChunkedDecoder::new(Some(signer), None, Some(66560)), &pieces).unwrap();
            prop_assert_eq!(out.len(), 66560);
        }

        #[test]
        fn arbitrary_bytes_never_panic(pieces: Vec<Vec<u8>>) {
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            let _ = run(ChunkedDecoder::new(None, Some("x-amz-checksum-sha256"), None), &pieces);
        }
    }
}
