//! Bodies in chunks (`aws-chunked`), with and without signatures and trailers. How the bytes are cut must not matter.

#![no_main]

use bytes::Bytes;
use gateway::{ChunkSigner, ChunkedDecoder};
use libfuzzer_sys::fuzz_target;

fn decoded(data: &[u8], piece: usize, signed: bool, trailer: Option<&str>) -> Option<Vec<u8>> {
    let signer = signed.then(|| ChunkSigner {
        key: vec![7; 32],
        date: "20150830T123600Z".to_owned(),
        scope: "20150830/us-east-1/s3/aws4_request".to_owned(),
        previous: "0".repeat(64),
    });
    let mut decoder = ChunkedDecoder::new(signer, trailer, None);
    let mut all = Vec::new();
    for piece in data.chunks(piece) {
        for part in decoder.push(Bytes::copy_from_slice(piece)).ok()? {
            all.extend_from_slice(&part);
        }
    }
    decoder.finish().ok()?;
    Some(all)
}

fuzz_target!(|data: &[u8]| {
    for (signed, trailer) in [(false, None), (true, None), (false, Some("x-amz-checksum-crc32"))] {
        let whole = decoded(data, data.len().max(1), signed, trailer);
        assert_eq!(decoded(data, 1, signed, trailer), whole);
        assert_eq!(decoded(data, 7, signed, trailer), whole);
    }
});
