//! What a client says a body must be, and whether it was.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use md5::{Digest as _, Md5};
use s3_api::ChecksumAlgorithm;

use crate::Error;
use crate::blob::Received;
use crate::checksum::{Algorithm, Checksum, Hasher};

pub const UNSUPPORTED: &str = "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256, SHA512, MD5, XXHASH64, XXHASH3, XXHASH128]";

/// The checksums that a request or a part states, of the algorithms that are computed here.
macro_rules! stated {
    ($from:expr) => {{
        use $crate::checksum::Algorithm;
        let stated: Vec<(Algorithm, String)> = [
            (Algorithm::Crc32, $from.checksum_crc32.clone()),
            (Algorithm::Crc32c, $from.checksum_crc32_c.clone()),
            (Algorithm::Crc64Nvme, $from.checksum_crc64_nvme.clone()),
            (Algorithm::Sha1, $from.checksum_sha1.clone()),
            (Algorithm::Sha256, $from.checksum_sha256.clone()),
            (Algorithm::Sha512, $from.checksum_sha512.clone()),
            (Algorithm::Md5, $from.checksum_md5.clone()),
            (Algorithm::XxHash64, $from.checksum_xxhash64.clone()),
            (Algorithm::XxHash3, $from.checksum_xxhash3.clone()),
            (Algorithm::XxHash128, $from.checksum_xxhash128.clone()),
        ]
        .into_iter()
        .filter_map(|(algorithm, value)| Some((algorithm, value?)))
        .collect();
        stated
    }};
}
pub(crate) use stated;

/// Shows a checksum in the member of its algorithm.
macro_rules! show {
    ($into:expr, $checksum:expr) => {
        if let Some(checksum) = $checksum {
            use $crate::checksum::Algorithm;
            let value = Some(checksum.value.clone());
            match checksum.algorithm {
                Algorithm::Crc32 => $into.checksum_crc32 = value,
                Algorithm::Crc32c => $into.checksum_crc32_c = value,
                Algorithm::Crc64Nvme => $into.checksum_crc64_nvme = value,
                Algorithm::Sha1 => $into.checksum_sha1 = value,
                Algorithm::Sha256 => $into.checksum_sha256 = value,
                Algorithm::Sha512 => $into.checksum_sha512 = value,
                Algorithm::Md5 => $into.checksum_md5 = value,
                Algorithm::XxHash64 => $into.checksum_xxhash64 = value,
                Algorithm::XxHash3 => $into.checksum_xxhash3 = value,
                Algorithm::XxHash128 => $into.checksum_xxhash128 = value,
            }
        }
    };
}
pub(crate) use show;

/// The algorithm that a request names.
pub fn algorithm(name: Option<&ChecksumAlgorithm>) -> Result<Option<Algorithm>, Error> {
    let parse = |name: &ChecksumAlgorithm| {
        Algorithm::parse(name.as_str()).ok_or_else(|| Error::InvalidRequest(UNSUPPORTED.to_owned()))
    };
    name.map(parse).transpose()
}

/// Requests that change too much to be taken without a checksum.
const REQUIRED: [&str; 8] = [
    "DeleteObjects",
    "PutBucketCors",
    "PutBucketLifecycleConfiguration",
    "PutBucketReplication",
    "PutBucketTagging",
    "PutObjectLegalHold",
    "PutObjectLockConfiguration",
    "PutObjectRetention",
];

/// Whether a body of XML is what its headers say.
pub fn check_body(operation: &str, headers: &HeaderMap, body: &[u8]) -> Result<(), Error> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    const ENCRYPTION: &str = "x-amz-server-side-encryption";
    if let Some(method) = text(ENCRYPTION).filter(|_| matches!(operation, "GetObject" | "HeadObject")) {
        let text = "x-amz-server-side-encryption header is not supported for this operation.";
        return Err(Error::invalid_argument(text, ENCRYPTION, method));
    }
    let mut stated = headers.contains_key("x-amz-trailer");
    if let Some(given) = text("content-md5") {
        stated = true;
        if STANDARD.decode(given).ok().is_none_or(|bytes| bytes.len() != 16) {
            return Err(Error::invalid_digest(given));
        }
        let calculated = STANDARD.encode(Md5::digest(body));
        if given != calculated {
            return Err(Error::bad_md5(given, &calculated));
        }
    }
    // Of a completion, they are the checksums of the object.
    let algorithms = Algorithm::ALL.iter().filter(|_| operation != "CompleteMultipartUpload");
    for algorithm in algorithms {
        let name = algorithm.name();
        let Some(given) = text(algorithm.header()) else { continue };
        stated = true;
        let mut hasher = Hasher::new(*algorithm);
        hasher.update(body);
        if hasher.finish() != given {
            return Err(Error::BadDigest(format!("The {name} you specified did not match the calculated checksum.")));
        }
    }
    if !stated && REQUIRED.contains(&operation) {
        let text = "Missing required header for this request: Content-MD5 OR x-amz-checksum-*";
        return Err(Error::InvalidRequest(text.to_owned()));
    }
    Ok(())
}

/// What a body is checked against.
#[derive(Debug)]
pub struct Integrity {
    md5: Option<String>,
    /// The checksum that is computed and kept, and its value where that was stated beforehand.
    algorithm: Algorithm,
    value: Option<String>,
    /// Computed beside it, where something else is kept than what the client checks.
    kept: Option<Algorithm>,
}

impl Integrity {
    /// `default` is computed where the client chose nothing. A checksum that follows the body is verified before it gets
    /// here; its algorithm is in `named`.
    pub fn new(
        stated: Vec<(Algorithm, String)>,
        named: Option<&ChecksumAlgorithm>,
        md5: Option<String>,
        default: Algorithm,
    ) -> Result<Integrity, Error> {
        if let Some(md5) = &md5
            && STANDARD.decode(md5).ok().is_none_or(|bytes| bytes.len() != 16)
        {
            return Err(Error::invalid_digest(md5));
        }
        if stated.len() > 1 {
            let text = "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.";
            return Err(Error::InvalidRequest(text.to_owned()));
        }
        let named = algorithm(named)?;
        let Some((algorithm, value)) = stated.into_iter().next() else {
            return Ok(Integrity { md5, algorithm: named.unwrap_or(default), value: None, kept: None });
        };
        if algorithm.decode(&value).is_none() {
            let name = algorithm.name().to_ascii_lowercase();
            return Err(Error::InvalidRequest(format!("Value for x-amz-checksum-{name} header is invalid.")));
        }
        if named.is_some_and(|named| named != algorithm) {
            let text = "Value for x-amz-sdk-checksum-algorithm header is invalid.";
            return Err(Error::InvalidRequest(text.to_owned()));
        }
        Ok(Integrity { md5, algorithm, value: Some(value), kept: None })
    }

    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Has another checksum computed as well.
    pub fn keeping(self, algorithm: Algorithm) -> Integrity {
        Integrity { kept: Some(algorithm), ..self }
    }

    pub fn hashers(&self) -> Vec<Hasher> {
        self.kept.into_iter().chain([self.algorithm]).map(Hasher::new).collect()
    }

    /// The checksum to keep, and the one that the client asked for.
    pub fn verify_both(self, received: &mut Received) -> Result<(Checksum, Checksum), Error> {
        let checked = self.verify(received)?;
        let kept = match received.hashers.pop() {
            Some(hasher) => Checksum { algorithm: hasher.algorithm(), value: hasher.finish(), full: true },
            None => checked.clone(),
        };
        Ok((kept, checked))
    }

    /// The checksum of a body that is what the client said.
    pub fn verify(self, received: &mut Received) -> Result<Checksum, Error> {
        let calculated = STANDARD.encode(received.md5);
        if let Some(md5) = &self.md5
            && *md5 != calculated
        {
            return Err(Error::bad_md5(md5, &calculated));
        }
        let hasher = received.hashers.pop().unwrap_or_else(|| Hasher::new(self.algorithm));
        let (algorithm, value) = (hasher.algorithm(), hasher.finish());
        if self.value.is_some_and(|stated| stated != value) {
            let name = algorithm.name();
            return Err(Error::BadDigest(format!("The {name} you specified did not match the calculated checksum.")));
        }
        Ok(Checksum { algorithm, value, full: true })
    }
}
