//! Encryption with keys that only clients have (SSE-C).
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerSideEncryptionCustomerKeys.html>
//!
//! Bodies are AES-256 in counter mode, each piece from a random start of its own, so that a range is read without what is
//! before it. Of the key a salted check is kept, which tells it from others and not what it is.
//! Unlike AWS, requests over plain HTTP are accepted: this cloud's clients are on the same machine.

use aws_lc_rs::cipher::{AES_256, DecryptionContext, StreamingDecryptingKey, UnboundCipherKey};
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::Digest as _;
use service::{ApiError, Bytes, Internal, Random};

use crate::Error;
use crate::store::{CustomerKey, Object};

const ALGORITHM: &str = "x-amz-server-side-encryption-customer-algorithm";
const KEY: &str = "x-amz-server-side-encryption-customer-key";
const MD5: &str = "x-amz-server-side-encryption-customer-key-MD5";

/// A client's key.
#[derive(Clone)]
pub struct Key {
    bytes: [u8; 32],
    /// As the client states it.
    pub md5: String,
}

impl Key {
    /// The key of a request: algorithm, key and the MD5 of the key.
    pub fn read(algorithm: Option<&str>, key: Option<&str>, md5: Option<&str>) -> Result<Option<Key>, Error> {
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
        Ok(Some(Key { bytes, md5: md5.to_owned() }))
    }

    fn check(&self, salt: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.bytes);
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

    /// En- or decrypts a piece that begins `offset` bytes after the start `iv`.
    pub fn cipher(&self, iv: &[u8; 16], offset: u64) -> Result<Cipher, Error> {
        let failed = |_| Error::Internal(Internal("a cipher cannot be set up".to_owned()));
        let block = u128::from_be_bytes(*iv).wrapping_add(u128::from(offset / 16));
        let context = DecryptionContext::Iv128(FixedLength::from(&block.to_be_bytes()));
        let key = UnboundCipherKey::new(&AES_256, &self.bytes).map_err(failed)?;
        let mut cipher = Cipher(StreamingDecryptingKey::ctr(key, context).map_err(failed)?);
        let skipped = usize::try_from(offset % 16).unwrap_or_default();
        cipher.apply(&[0; 16][..skipped])?;
        Ok(cipher)
    }
}

/// A key stream at a place.
pub struct Cipher(StreamingDecryptingKey);

impl Cipher {
    pub fn apply(&mut self, bytes: &[u8]) -> Result<Bytes, Error> {
        let mut out = vec![0; bytes.len() + 16];
        let failed = |_| Error::Internal(Internal("a body cannot be ciphered".to_owned()));
        let written = self.0.update(bytes, &mut out).map_err(failed)?.written().len();
        out.truncate(written);
        Ok(out.into())
    }
}

/// The key of a read, which must be the object's, and be there only if the object has one.
pub fn unlock(object: &Object, key: Option<Key>) -> Result<Option<Key>, Error> {
    match (&object.customer_key, key) {
        (None, None) => Ok(None),
        (None, Some(_)) => {
            let text = "The encryption parameters are not applicable to this object.";
            Err(Error::InvalidRequest(text.to_owned()))
        }
        (Some(_), None) => {
            let text = "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.";
            Err(Error::InvalidRequest(text.to_owned()))
        }
        (Some(known), Some(key)) if key.is(known) => Ok(Some(key)),
        _ => Err(Error::AccessDenied("Access Denied".to_owned())),
    }
}

/// The entity tag of an encrypted body, which does not tell the MD5 of what it holds.
pub fn etag(md5: [u8; 16], known: &CustomerKey) -> String {
    let mut hasher = md5::Md5::new();
    hasher.update(md5);
    hasher.update(&known.check);
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(byte: u8) -> Key {
        Key { bytes: [byte; 32], md5: String::new() }
    }

    #[test]
    fn keys_of_requests() {
        let (good, md5) = (STANDARD.encode([7; 32]), STANDARD.encode(md5::Md5::digest([7; 32])));
        let read = |algorithm, key, md5| Key::read(algorithm, key, md5).map(|key| key.is_some());
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

    proptest! {
        #[test]
        fn any_range_is_read_alone(data in prop::collection::vec(any::<u8>(), 1..200), iv: [u8; 16], at: prop::sample::Index) {
            let mut writer = key(3).cipher(&iv, 0).unwrap();
            let (head, tail) = data.split_at(data.len() / 3);
            let stored = [writer.apply(head).unwrap(), writer.apply(tail).unwrap()].concat();
            let from = at.index(data.len());
            let mut reader = key(3).cipher(&iv, from as u64).unwrap();
            prop_assert_eq!(&reader.apply(&stored[from..]).unwrap()[..], &data[from..]);
            if data.len() > 20 {
                prop_assert_ne!(stored, data);
            }
        }
    }
}
