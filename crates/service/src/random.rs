//! Randomness: secure by default, reproducible in tests.

use std::sync::Arc;

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use parking_lot::Mutex;

/// A source of random bytes. Clones share it.
#[derive(Clone)]
pub struct Random(Arc<Source>);

enum Source {
    System(SystemRandom),
    /// SplitMix64: only for tests.
    Seeded(Mutex<u64>),
}

impl Random {
    pub fn system() -> Self {
        Random(Arc::new(Source::System(SystemRandom::new())))
    }

    pub fn seeded(seed: u64) -> Self {
        Random(Arc::new(Source::Seeded(Mutex::new(seed))))
    }

    pub fn fill(&self, bytes: &mut [u8]) {
        match &*self.0 {
            Source::System(system) => {
                // The system's generator fails only where the platform has none; an id must then not be guessable zeros.
                assert!(system.fill(bytes).is_ok(), "the system has no source of randomness");
            }
            Source::Seeded(state) => {
                let mut state = state.lock();
                for byte in bytes {
                    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                    let mut z = *state;
                    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                    *byte = (z >> 56) as u8;
                }
            }
        }
    }

    /// `length` characters out of `alphabet`, which has at most 64.
    pub fn pick(&self, alphabet: &str, length: usize) -> String {
        let letters = alphabet.as_bytes();
        let mut text = String::with_capacity(length);
        let mut bytes = [0; 64];
        while text.len() < length {
            self.fill(&mut bytes);
            // Bytes beyond the last whole multiple would make the first letters likelier.
            let fair = 256 - 256 % letters.len();
            for byte in bytes.iter().filter(|byte| usize::from(**byte) < fair) {
                if text.len() < length {
                    text.push(char::from(letters[usize::from(*byte) % letters.len()]));
                }
            }
        }
        text
    }

    /// Lower-case hexadecimal digits.
    pub fn hex(&self, length: usize) -> String {
        let mut bytes = vec![0; length.div_ceil(2)];
        self.fill(&mut bytes);
        let mut text = hex(&bytes);
        text.truncate(length);
        text
    }

    /// Lower-case letters and digits.
    pub fn lower_alphanumeric(&self, length: usize) -> String {
        self.pick("abcdefghijklmnopqrstuvwxyz0123456789", length)
    }

    /// Letters and digits of both cases.
    pub fn alphanumeric(&self, length: usize) -> String {
        self.pick("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", length)
    }

    /// Upper-case letters and digits, as in `AKIA…` and S3's request ids.
    pub fn upper_alphanumeric(&self, length: usize) -> String {
        self.pick("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", length)
    }

    /// A version 4 UUID.
    pub fn uuid(&self) -> String {
        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        uuid_text(bytes)
    }
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// Sixteen bytes as a UUID is written.
pub fn uuid_text(bytes: [u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.into_iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}
