//! Keys: parts joined so that their order is the order of the parts, whatever bytes they hold.

use bytes::Bytes;

/// Builds a key from parts. A text part ends with the bytes 0 and 1, and a zero inside is followed by 255, so a part
/// that is a prefix of another sorts before it and no two lists of parts make the same key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Key(Vec<u8>);

impl Key {
    /// Begins a key with the name of a kind of record, such as `dynamodb/item`.
    pub fn new(kind: &str) -> Self {
        Key(Vec::with_capacity(kind.len() + 32)).text(kind)
    }

    pub fn text(self, part: &str) -> Self {
        self.bytes(part.as_bytes())
    }

    pub fn bytes(mut self, part: &[u8]) -> Self {
        for byte in part {
            self.0.push(*byte);
            if *byte == 0 {
                self.0.push(0xff);
            }
        }
        self.0.extend_from_slice(&[0, 1]);
        self
    }

    /// A number, in numeric order.
    pub fn number(mut self, part: u64) -> Self {
        self.0.extend_from_slice(&part.to_be_bytes());
        self
    }

    /// Bytes that are last in the key and need no end.
    pub fn raw(mut self, tail: &[u8]) -> Self {
        self.0.extend_from_slice(tail);
        self
    }

    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// Reads back the text part that begins at `from`; also returns where the next part begins.
    pub fn read_text(key: &[u8], from: usize) -> Option<(String, usize)> {
        let mut part = Vec::new();
        let mut at = from;
        loop {
            match (key.get(at)?, key.get(at + 1)) {
                (0, Some(0xff)) => {
                    part.push(0);
                    at += 2;
                }
                (0, _) => return Some((String::from_utf8(part).ok()?, at + 2)),
                (byte, _) => {
                    part.push(*byte);
                    at += 1;
                }
            }
        }
    }
}

impl From<Key> for Vec<u8> {
    fn from(key: Key) -> Self {
        key.0
    }
}

impl From<Key> for Bytes {
    fn from(key: Key) -> Self {
        Bytes::from(key.0)
    }
}

/// The smallest byte string that is greater than every string with this prefix, if there is one.
pub fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let kept = prefix.iter().rposition(|byte| *byte != 0xff)?;
    let mut end = prefix[..=kept].to_vec();
    end[kept] += 1;
    Some(end)
}
