//! Compressed objects, unpacked as they arrive.

use std::borrow::Cow;
use std::io::Write as _;

use bzip2::{Decompress, Status};
use flate2::write::MultiGzDecoder;

use super::{Result, SelectError};

const BUFFER: usize = 64 * 1024;

pub enum Packed {
    Plain,
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    /// Nothing where one stream has ended and no other one has begun.
    Bzip2(Option<Decompress>),
}

impl Packed {
    pub fn new(format: &str) -> Result<Packed> {
        match format {
            "NONE" => Ok(Packed::Plain),
            "GZIP" => Ok(Packed::Gzip(Box::new(MultiGzDecoder::new(Vec::new())))),
            "BZIP2" => Ok(Packed::Bzip2(Some(Decompress::new(false)))),
            _ => {
                let text = "The file is not in a supported compression format. Only GZIP and BZIP2 are supported.";
                Err(SelectError::new("InvalidCompressionFormat", text))
            }
        }
    }

    /// What further bytes hold; at the `end` nothing may be missing.
    pub fn unpack<'a>(&mut self, bytes: &'a [u8], end: bool) -> Result<Cow<'a, [u8]>> {
        match self {
            Packed::Plain => Ok(Cow::Borrowed(bytes)),
            Packed::Gzip(gzip) => {
                let broken = |_| not_applicable("GZIP");
                gzip.write_all(bytes).map_err(broken)?;
                if end {
                    gzip.try_finish().map_err(broken)?;
                }
                Ok(Cow::Owned(std::mem::take(gzip.get_mut())))
            }
            Packed::Bzip2(decoder) => {
                let out = bunzip(decoder, bytes)?;
                match end && decoder.is_some() {
                    true => Err(not_applicable("BZIP2")),
                    false => Ok(Cow::Owned(out)),
                }
            }
        }
    }
}

fn bunzip(current: &mut Option<Decompress>, mut bytes: &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    while !bytes.is_empty() {
        // Streams may follow each other.
        let stream = current.get_or_insert_with(|| Decompress::new(false));
        loop {
            out.reserve(BUFFER);
            let before = stream.total_in();
            let status = stream.decompress_vec(bytes, &mut out).map_err(|_| not_applicable("BZIP2"))?;
            let read = usize::try_from(stream.total_in() - before).unwrap_or(usize::MAX);
            bytes = bytes.get(read..).unwrap_or_default();
            if status == Status::StreamEnd {
                *current = None;
                break;
            }
            // Room that is left over says that everything was written that is known so far.
            if bytes.is_empty() && out.len() < out.capacity() {
                return Ok(out);
            }
        }
    }
    Ok(out)
}

fn not_applicable(format: &str) -> SelectError {
    SelectError::new(
        "InvalidCompressionFormat",
        format!("{format} is not applicable to the queried object. Please correct the request and try again."),
    )
}
