//! The checksums that a client may send after a body, computed as the body passes.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html>

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use xxhash_rust::xxh3::Xxh3;
use xxhash_rust::xxh64::Xxh64;

/// A running checksum.
pub(crate) enum Checksum {
    Crc(Box<crc_fast::Digest>, usize),
    Crc32(crc32fast::Hasher),
    Sha(digest::Context),
    Md5(Box<md5::Md5>),
    XxHash64(Box<Xxh64>),
    /// Of 64 or, where so said, 128 bits.
    XxHash3(Box<Xxh3>, bool),
}

/// The names of trailers and the algorithm names of the API.
const ALGORITHMS: &[(&str, &str)] = &[
    ("x-amz-checksum-crc32", "CRC32"),
    ("x-amz-checksum-crc32c", "CRC32C"),
    ("x-amz-checksum-crc64nvme", "CRC64NVME"),
    ("x-amz-checksum-sha1", "SHA1"),
    ("x-amz-checksum-sha256", "SHA256"),
    ("x-amz-checksum-sha512", "SHA512"),
    ("x-amz-checksum-md5", "MD5"),
    ("x-amz-checksum-xxhash64", "XXHASH64"),
    ("x-amz-checksum-xxhash3", "XXHASH3"),
    ("x-amz-checksum-xxhash128", "XXHASH128"),
];

/// `CRC32` for `x-amz-checksum-crc32`.
pub(crate) fn algorithm_of(trailer: &str) -> Option<&'static str> {
    ALGORITHMS.iter().find(|(name, _)| trailer.eq_ignore_ascii_case(name)).map(|(_, algorithm)| *algorithm)
}

impl Checksum {
    pub(crate) fn new(algorithm: &str) -> Option<Checksum> {
        Some(match algorithm {
            "CRC32" => Checksum::Crc32(crc32fast::Hasher::new()),
            "CRC32C" => Checksum::Crc(Box::new(crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi)), 4),
            "CRC64NVME" => Checksum::Crc(Box::new(crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc64Nvme)), 8),
            "SHA1" => Checksum::Sha(digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY)),
            "SHA256" => Checksum::Sha(digest::Context::new(&digest::SHA256)),
            "SHA512" => Checksum::Sha(digest::Context::new(&digest::SHA512)),
            "MD5" => Checksum::Md5(Box::default()),
            "XXHASH64" => Checksum::XxHash64(Box::default()),
            "XXHASH3" => Checksum::XxHash3(Box::default(), false),
            "XXHASH128" => Checksum::XxHash3(Box::default(), true),
            _ => return None,
        })
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Checksum::Crc(digest, _) => digest.update(bytes),
            Checksum::Crc32(hasher) => hasher.update(bytes),
            Checksum::Sha(context) => context.update(bytes),
            Checksum::Md5(hasher) => md5::Digest::update(&mut **hasher, bytes),
            Checksum::XxHash64(hasher) => hasher.update(bytes),
            Checksum::XxHash3(hasher, _) => hasher.update(bytes),
        }
    }

    /// Base64 of the big-endian value.
    pub(crate) fn finish(self) -> String {
        match self {
            Checksum::Crc(digest, width) => STANDARD.encode(&digest.finalize().to_be_bytes()[8 - width..]),
            Checksum::Crc32(hasher) => STANDARD.encode(hasher.finalize().to_be_bytes()),
            Checksum::Sha(context) => STANDARD.encode(context.finish().as_ref()),
            Checksum::Md5(hasher) => STANDARD.encode(md5::Digest::finalize(*hasher)),
            Checksum::XxHash64(hasher) => STANDARD.encode(hasher.digest().to_be_bytes()),
            Checksum::XxHash3(hasher, true) => STANDARD.encode(hasher.digest128().to_be_bytes()),
            Checksum::XxHash3(hasher, false) => STANDARD.encode(hasher.digest().to_be_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        let of = |algorithm| {
            let mut checksum = Checksum::new(algorithm).unwrap();
            checksum.update(b"1234");
            checksum.update(b"56789");
            checksum.finish()
        };
        assert_eq!(of("CRC32"), "y/Q5Jg==");
        assert_eq!(of("CRC32C"), "4waSgw==");
        assert_eq!(of("CRC64NVME"), STANDARD.encode(0xae8b_1486_0a79_9888_u64.to_be_bytes()));
        assert_eq!(of("SHA256"), "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=");
        assert_eq!(of("SHA1"), "98O8HYCOBHMq32eZZczDTKeuNEE=");
    }
}
