//! Encryption with keys that only clients have (SSE-C).
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerSideEncryptionCustomerKeys.html>
//!
//! Of the key a salted check is kept, which tells it from others and not what it is.
//! Unlike AWS, requests over plain HTTP are accepted: this cloud's clients are on the same machine.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::Digest as _;
use service::{ApiError, Random};

use crate::Error;
use crate::cipher::Key;
use crate::store::CustomerKey;

const ALGORITHM: &str = "x-amz-server-side-encryption-customer-algorithm";
const KEY: &str = "x-amz-server-side-encryption-customer-key";
const MD5: &str = "x-amz-server-side-encryption-customer-key-MD5";

/// A client's key.
#[derive(Clone)]
pub struct Provided {
    pub key: Key,
    /// As the client states it.
    pub md5: String,
}

impl Provided {
    /// The key of a request: algorithm, key and the MD5 of the key.
    pub fn read(algorithm: Option<&str>, key: Option<&str>, md5: Option<&str>) -> Result<Option<Provided>, Error> {
        if algorithm.is_none() && key.is_none() && md5.is_none() {
            return Ok(None);
        }
        let invalid = |text: &str, name: &str| Error::invalid_argument(text, name, "null");
        let algorithm = algorithm.ok_or_else(|| {
            let text = "Requests specifying Server Side Encryption with Customer provided keys must provide a valid encryption algorithm.";
            invalid(text, ALGORITHM)
        })?;
        if algorithm != "AES256" {
            let text = "The Encryption request you specified is not valid. Supported value: AES256.";
            let error = ApiError::new(400, "InvalidEncryptionAlgorithmError", text);
            return Err(error.with("ArgumentName", ALGORITHM).with("ArgumentValue", algorithm).into());
        }
        let key = key.ok_or_else(|| {
            let text = "Requests specifying Server Side Encryption with Customer provided keys must provide an appropriate secret key.";
            invalid(text, KEY)
        })?;
        let md5 = md5.ok_or_else(|| {
            let text = "Requests specifying Server Side Encryption with Customer provided keys must provide the client calculated MD5 of the secret key.";
            invalid(text, MD5)
        })?;
        let decoded = STANDARD.decode(key).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let bytes = decoded.ok_or_else(|| {
            let text = "The secret key was invalid for the specified algorithm.";
            invalid(text, KEY)
        })?;
        if STANDARD.encode(md5::Md5::digest(bytes)) != md5 {
            let text = "The calculated MD5 hash of the key did not match the hash that was provided.";
            return Err(invalid(text, MD5));
        }
        Ok(Some(Provided { key: Key(bytes), md5: md5.to_owned() }))
    }

    fn check(&self, salt: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.key.0);
        STANDARD.encode(hmac::sign(&key, salt.as_bytes()))
    }

    /// What is kept of the key.
    pub fn remember(&self, random: &Random) -> CustomerKey {
        let salt = random.alphanumeric(32);
        CustomerKey { check: self.check(&salt), salt }
    }

    pub fn is(&self, known: &CustomerKey) -> bool {
        let own = self.check(&known.salt);
        aws_lc_rs::constant_time::verify_slices_are_equal(own.as_bytes(), known.check.as_bytes()).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> Provided {
        Provided { key: Key([byte; 32]), md5: String::new() }
    }

    #[test]
    fn keys_of_requests() {
        let (good, md5) = (STANDARD.encode([7; 32]), STANDARD.encode(md5::Md5::digest([7; 32])));
        let read = |algorithm, key, md5| Provided::read(algorithm, key, md5).map(|key| key.is_some());
        assert_eq!(read(None, None, None), Ok(false));
        assert_eq!(read(Some("AES256"), Some(&good), Some(&md5)), Ok(true));
        assert!(read(Some("AES128"), Some(&good), Some(&md5)).is_err());
        assert!(read(Some("AES256"), Some("AAAA"), Some(&md5)).is_err());
        assert!(read(Some("AES256"), Some(&good), Some("AAAA")).is_err());
        assert!(read(Some("AES256"), None, Some(&md5)).is_err());
        assert!(read(None, Some(&good), Some(&md5)).is_err());
    }

    #[test]
    fn a_key_is_known_again() {
        let known = key(1).remember(&Random::seeded(1));
        assert!(key(1).is(&known) && !key(2).is(&known));
    }
}
