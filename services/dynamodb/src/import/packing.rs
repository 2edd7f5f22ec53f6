//! Files as they were before they were compressed. No file may grow beyond a limit.

use std::io::{Error, ErrorKind, Read, Result};

use flate2::read::MultiGzDecoder;
use ruzstd::decoding::StreamingDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};

use super::MAX_FILE;

/// How far back a frame may refer: what the reference implementation allows unless it is told otherwise.
const MAX_WINDOW: u64 = 1 << 27;

pub fn gunzip(packed: &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    append(&mut MultiGzDecoder::new(packed), &mut out)?;
    Ok(out)
}

/// All frames of a file, with their checksums checked; frames that hold no data are skipped.
pub fn unzstd(mut packed: &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    while !packed.is_empty() {
        match StreamingDecoder::new_with_max_window_size(&mut packed, MAX_WINDOW) {
            Ok(mut frame) => {
                append(&mut frame, &mut out)?;
                let frame = frame.into_frame_decoder();
                let stated = frame.get_checksum_from_data();
                if stated.is_some() && stated != frame.get_calculated_checksum() {
                    return Err(Error::new(ErrorKind::InvalidData, "a checksum is wrong"));
                }
            }
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                packed = packed.get(length..).ok_or(ErrorKind::UnexpectedEof)?;
            }
            Err(error) => return Err(Error::new(ErrorKind::InvalidData, error)),
        }
    }
    Ok(out)
}

fn append(source: &mut impl Read, out: &mut Vec<u8>) -> Result<()> {
    let room = MAX_FILE.saturating_sub(out.len()) as u64;
    if source.take(room + 1).read_to_end(out)? as u64 > room {
        return Err(Error::new(ErrorKind::FileTooLarge, "it is too large"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    fn packed(text: &[u8]) -> Vec<u8> {
        compress_to_vec(text, CompressionLevel::Fastest)
    }

    #[test]
    fn frames_follow_each_other() {
        let skipped = b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc";
        let file = [packed(b"one ").as_slice(), skipped, &packed(&b"two".repeat(1000))].concat();
        assert_eq!(unzstd(&file).unwrap(), [b"one ".as_slice(), &b"two".repeat(1000)].concat());
        assert!(unzstd(&file[..file.len() - 1]).is_err());
        assert!(unzstd(b"text").is_err());
        assert_eq!(unzstd(b"").unwrap(), b"");
    }

    #[test]
    fn checksums_are_checked() {
        let mut file = packed(b"text");
        // A single block and its checksum end the frame.
        *file.last_mut().unwrap() ^= 1;
        assert!(unzstd(&file).is_err());
    }

    proptest! {
        #[test]
        fn strange_frames_are_refused(bytes in any::<Vec<u8>>(), at in 0_usize..60, byte in any::<u8>()) {
            let _ = unzstd(&[b"\x28\xb5\x2f\xfd".as_slice(), &bytes].concat());
            let mut file = packed(&b"some text and some text ".repeat(4));
            if let Some(there) = file.get_mut(at) {
                *there = byte;
            }
            let _ = unzstd(&file);
        }
    }
}
