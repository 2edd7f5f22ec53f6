//! How bodies are encrypted: AES-256 in counter mode, each piece from a random start of its own, so that a range is read without
//! what is before it.

use aws_lc_rs::cipher::{AES_256, DecryptionContext, StreamingDecryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use service::{Bytes, Internal};

use crate::Error;

/// What a body is encrypted with.
#[derive(Clone)]
pub struct Key(pub [u8; 32]);

impl Key {
    /// En- or decrypts a piece that begins `offset` bytes after the start `iv`.
    pub fn cipher(&self, iv: &[u8; 16], offset: u64) -> Result<Cipher, Error> {
        let failed = |_| Error::Internal(Internal("a cipher cannot be set up".to_owned()));
        let block = u128::from_be_bytes(*iv).wrapping_add(u128::from(offset / 16));
        let context = DecryptionContext::Iv128(FixedLength::from(&block.to_be_bytes()));
        let key = UnboundCipherKey::new(&AES_256, &self.0).map_err(failed)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_range_is_read_alone(data in prop::collection::vec(any::<u8>(), 1..200), iv: [u8; 16], at: prop::sample::Index) {
            let mut writer = Key([3; 32]).cipher(&iv, 0).unwrap();
            let (head, tail) = data.split_at(data.len() / 3);
            let stored = [writer.apply(head).unwrap(), writer.apply(tail).unwrap()].concat();
            let from = at.index(data.len());
            let mut reader = Key([3; 32]).cipher(&iv, from as u64).unwrap();
            prop_assert_eq!(&reader.apply(&stored[from..]).unwrap()[..], &data[from..]);
            if data.len() > 20 {
                prop_assert_ne!(stored, data);
            }
        }
    }
}
