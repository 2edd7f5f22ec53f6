//! Pages of a listing and the tokens that continue it.

use bytes::Bytes;
use store::{Range, Snapshot, StoreError};

/// One page and where the next begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// The key of the last entry looked at, if there are more.
    pub next: Option<Vec<u8>>,
}

impl<T> Page<T> {
    /// Reads up to `limit` entries of a range after the key `after`. `read` skips an entry with `None`; skipped entries do
    /// not count.
    pub fn read<E: From<StoreError>>(
        snapshot: &Snapshot,
        range: Range,
        after: Option<&[u8]>,
        limit: usize,
        mut read: impl FnMut(&Bytes, &Bytes) -> Result<Option<T>, E>,
    ) -> Result<Page<T>, E> {
        let range = match after {
            Some(key) => range.after(key),
            None => range,
        };
        let mut page = Page { items: Vec::new(), next: None };
        let mut last: Option<Bytes> = None;
        for entry in snapshot.scan(range) {
            let (key, value) = entry?;
            let Some(item) = read(&key, &value)? else { continue };
            if page.items.len() == limit {
                page.next = last.map(|key| key.to_vec());
                break;
            }
            page.items.push(item);
            last = Some(key);
        }
        Ok(page)
    }
}

/// A key as an opaque token.
pub fn encode_token(key: &[u8]) -> String {
    crate::hex(key)
}

/// The key of a token; `None` if nobody here made it.
pub fn decode_token(token: &str) -> Option<Vec<u8>> {
    if !token.len().is_multiple_of(2) || !token.is_ascii() {
        return None;
    }
    (0..token.len()).step_by(2).map(|at| u8::from_str_radix(&token[at..at + 2], 16).ok()).collect()
}
