//! Checksums of objects: computed as the data passes, and combined for objects made of parts.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html>

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc_fast::CrcAlgorithm;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;
use xxhash_rust::xxh64::Xxh64;

/// What S3 computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
    Sha512,
    Md5,
    XxHash64,
    XxHash3,
    XxHash128,
}

pub use Algorithm::{Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256, Sha512, XxHash3, XxHash64, XxHash128};

impl Algorithm {
    pub const ALL: [Algorithm; 10] =
        [Crc32, Crc32c, Crc64Nvme, Sha1, Sha256, Sha512, Md5, XxHash64, XxHash3, XxHash128];

    pub fn parse(name: &str) -> Option<Algorithm> {
        Algorithm::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    pub fn name(self) -> &'static str {
        match self {
            Crc32 => "CRC32",
            Crc32c => "CRC32C",
            Crc64Nvme => "CRC64NVME",
            Sha1 => "SHA1",
            Sha256 => "SHA256",
            Sha512 => "SHA512",
            Md5 => "MD5",
            XxHash64 => "XXHASH64",
            XxHash3 => "XXHASH3",
            XxHash128 => "XXHASH128",
        }
    }

    /// The header that carries a value.
    pub fn header(self) -> &'static str {
        match self {
            Crc32 => "x-amz-checksum-crc32",
            Crc32c => "x-amz-checksum-crc32c",
            Crc64Nvme => "x-amz-checksum-crc64nvme",
            Sha1 => "x-amz-checksum-sha1",
            Sha256 => "x-amz-checksum-sha256",
            Sha512 => "x-amz-checksum-sha512",
            Md5 => "x-amz-checksum-md5",
            XxHash64 => "x-amz-checksum-xxhash64",
            XxHash3 => "x-amz-checksum-xxhash3",
            XxHash128 => "x-amz-checksum-xxhash128",
        }
    }

    /// Bytes of a value.
    fn width(self) -> usize {
        match self {
            Crc32 | Crc32c => 4,
            Crc64Nvme | XxHash64 | XxHash3 => 8,
            Md5 | XxHash128 => 16,
            Sha1 => 20,
            Sha256 => 32,
            Sha512 => 64,
        }
    }

    fn crc(self) -> Option<CrcAlgorithm> {
        match self {
            Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
            Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
            Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
            _ => None,
        }
    }

    /// Whether the checksum of a whole follows from those of its parts.
    pub fn combines(self) -> bool {
        self.crc().is_some()
    }

    /// The value of a base64 text that has the right length.
    pub fn decode(self, text: &str) -> Option<Vec<u8>> {
        STANDARD.decode(text).ok().filter(|bytes| bytes.len() == self.width())
    }
}

/// A checksum as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checksum {
    pub algorithm: Algorithm,
    /// As clients see it: base64, with `-N` after it where it is the checksum of N parts' checksums.
    pub value: String,
    /// Of the whole object rather than of the checksums of its parts.
    pub full: bool,
}

/// A running checksum.
pub enum Hasher {
    Crc(Algorithm, Box<crc_fast::Digest>),
    Sha(Algorithm, digest::Context),
    Md5(Box<md5::Md5>),
    XxHash64(Box<Xxh64>),
    /// Of 64 or 128 bits.
    XxHash3(Algorithm, Box<Xxh3>),
}

impl Hasher {
    pub fn new(algorithm: Algorithm) -> Hasher {
        match (algorithm.crc(), algorithm) {
            (Some(crc), _) => Hasher::Crc(algorithm, Box::new(crc_fast::Digest::new(crc))),
            (None, Sha1) => Hasher::Sha(algorithm, digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY)),
            (None, Sha512) => Hasher::Sha(algorithm, digest::Context::new(&digest::SHA512)),
            (None, Md5) => Hasher::Md5(Box::default()),
            (None, XxHash64) => Hasher::XxHash64(Box::default()),
            (None, XxHash3 | XxHash128) => Hasher::XxHash3(algorithm, Box::default()),
            (None, _) => Hasher::Sha(algorithm, digest::Context::new(&digest::SHA256)),
        }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Hasher::Crc(_, digest) => digest.update(bytes),
            Hasher::Sha(_, context) => context.update(bytes),
            Hasher::Md5(hasher) => md5::Digest::update(&mut **hasher, bytes),
            Hasher::XxHash64(hasher) => hasher.update(bytes),
            Hasher::XxHash3(_, hasher) => hasher.update(bytes),
        }
    }

    pub fn algorithm(&self) -> Algorithm {
        match self {
            Hasher::Crc(algorithm, _) | Hasher::Sha(algorithm, _) | Hasher::XxHash3(algorithm, _) => *algorithm,
            Hasher::Md5(_) => Md5,
            Hasher::XxHash64(_) => XxHash64,
        }
    }

    /// Base64 of the value.
    pub fn finish(self) -> String {
        match self {
            Hasher::Crc(algorithm, digest) => {
                STANDARD.encode(&digest.finalize().to_be_bytes()[8 - algorithm.width()..])
            }
            Hasher::Sha(_, context) => STANDARD.encode(context.finish().as_ref()),
            Hasher::Md5(hasher) => STANDARD.encode(md5::Digest::finalize(*hasher)),
            Hasher::XxHash64(hasher) => STANDARD.encode(hasher.digest().to_be_bytes()),
            Hasher::XxHash3(XxHash128, hasher) => STANDARD.encode(hasher.digest128().to_be_bytes()),
            Hasher::XxHash3(_, hasher) => STANDARD.encode(hasher.digest().to_be_bytes()),
        }
    }
}

fn hash(algorithm: Algorithm, bytes: &[u8]) -> String {
    let mut hasher = Hasher::new(algorithm);
    hasher.update(bytes);
    hasher.finish()
}

/// The checksum of an object out of those of its parts, each with its length. `None` if one is not a value of the
/// algorithm, or the algorithm cannot yield the kind that is asked for.
pub fn of_parts(algorithm: Algorithm, full: bool, parts: &[(String, u64)]) -> Option<Checksum> {
    let values: Option<Vec<Vec<u8>>> = parts.iter().map(|(value, _)| algorithm.decode(value)).collect();
    let values = values?;
    let value = if full {
        let crc = algorithm.crc()?;
        let number = |bytes: &[u8]| bytes.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        let mut combined: Option<u64> = None;
        for (value, (_, len)) in values.iter().zip(parts) {
            let next = number(value);
            combined = Some(match combined {
                Some(before) => crc_fast::checksum_combine(crc, before, next, *len),
                None => next,
            });
        }
        STANDARD.encode(&combined.unwrap_or_default().to_be_bytes()[8 - algorithm.width()..])
    } else {
        format!("{}-{}", hash(algorithm, &values.concat()), parts.len())
    };
    Some(Checksum { algorithm, value, full })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        let known = [
            (Crc32, "y/Q5Jg=="),
            (Crc32c, "4waSgw=="),
            (Crc64Nvme, "rosUhgp5mIg="),
            (Sha1, "98O8HYCOBHMq32eZZczDTKeuNEE="),
            (Sha256, "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="),
            (Md5, "JfnnlDI7RTiF9RgfG2JNCw=="),
            (XxHash64, "jLhB20DmroM="),
        ];
        for (algorithm, value) in known {
            assert_eq!(hash(algorithm, b"123456789"), value);
            assert!(algorithm.decode(value).is_some());
            assert!(algorithm.decode("AAA=").is_none());
        }
    }

    #[test]
    fn the_whole_follows_from_the_parts() {
        for algorithm in [Crc32, Crc32c, Crc64Nvme] {
            let parts: Vec<(String, u64)> =
                [&b"1234"[..], b"", b"56789"].iter().map(|part| (hash(algorithm, part), part.len() as u64)).collect();
            assert_eq!(of_parts(algorithm, true, &parts).unwrap().value, hash(algorithm, b"123456789"));
        }
        assert_eq!(of_parts(Sha256, true, &[(hash(Sha256, b"a"), 1)]), None);
    }

    #[test]
    fn composites_count_their_parts() {
        let parts = [(hash(Sha256, b"a"), 1), (hash(Sha256, b"b"), 1)];
        let composite = of_parts(Sha256, false, &parts).unwrap();
        assert!(composite.value.ends_with("=-2"), "{}", composite.value);
        assert_eq!(of_parts(Sha1, false, &parts), None);
    }
}
