//! Shard iterators: a place in a stream, and when it was handed out.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

/// How long an iterator can be used.
pub const VALID_MILLIS: i64 = 15 * 60 * 1000;

/// A place in a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardIterator {
    pub arn: String,
    /// The number of the next record to read.
    pub next: u64,
    /// The caller named this very record, so it is an error if it is gone.
    pub exact: bool,
    pub issued: i64,
}

impl ShardIterator {
    /// The ARN, the number of the format, and the rest in a form that nobody is tempted to write by hand.
    pub fn encode(&self) -> String {
        let mut place = [self.next.to_be_bytes(), self.issued.to_be_bytes()].concat();
        place.push(u8::from(self.exact));
        format!("{}|1|{}", self.arn, BASE64.encode(place))
    }

    pub fn decode(text: &str) -> Option<ShardIterator> {
        let mut parts = text.split('|');
        let (Some(arn), Some("1"), Some(place), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return None;
        };
        let place: [u8; 17] = BASE64.decode(place).ok()?.try_into().ok()?;
        let (next, rest) = place.split_first_chunk::<8>()?;
        let (issued, exact) = rest.split_first_chunk::<8>()?;
        Some(ShardIterator {
            arn: arn.to_owned(),
            next: u64::from_be_bytes(*next),
            exact: exact == [1],
            issued: i64::from_be_bytes(*issued),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iterators_round_trip() {
        let iterator = ShardIterator { arn: "arn:aws:x".into(), next: 17, exact: true, issued: 1_700_000_000_000 };
        assert_eq!(ShardIterator::decode(&iterator.encode()), Some(iterator));
        for text in ["", "arn", "arn|1|", "arn|2|AAAA", "arn|1|####", "a|1|AAAA|x"] {
            assert_eq!(ShardIterator::decode(text), None, "{text}");
        }
    }
}
