//! What an item weighs, and what reading or writing that weight costs in capacity units.

use crate::number::Number;
use crate::value::{AttributeValue, Item};

/// 400 KB: the most that an item may weigh.
pub const MAX_ITEM: usize = 400 * 1024;
const READ_UNIT: usize = 4 * 1024;
const WRITE_UNIT: usize = 1024;
/// What a list or a map weighs beside its members, and each member beside its value.
const DOCUMENT_OVERHEAD: usize = 3;
const MEMBER_OVERHEAD: usize = 1;

pub fn item(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + self::value(value)).sum()
}

pub fn value(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(text) => number(text),
        AttributeValue::B(bytes) => bytes.len(),
        AttributeValue::Ss(members) => members.iter().map(String::len).sum(),
        AttributeValue::Ns(members) => members.iter().map(|member| number(member)).sum(),
        AttributeValue::Bs(members) => members.iter().map(bytes::Bytes::len).sum(),
        AttributeValue::M(members) => DOCUMENT_OVERHEAD + item(members) + MEMBER_OVERHEAD * members.len(),
        AttributeValue::L(members) => {
            DOCUMENT_OVERHEAD + members.iter().map(|member| self::value(member) + MEMBER_OVERHEAD).sum::<usize>()
        }
        AttributeValue::Null(_) | AttributeValue::Bool(_) => 1,
    }
}

fn number(text: &str) -> usize {
    Number::parse(text).map_or(text.len(), Number::size)
}

/// How a read counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    Eventual,
    Consistent,
    Transactional,
}

impl Read {
    pub fn consistent(consistent: bool) -> Read {
        if consistent { Read::Consistent } else { Read::Eventual }
    }
}

/// Capacity units are kept in halves, so that sums of them are exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Units {
    halves: u64,
}

impl Units {
    pub fn read(bytes: usize, read: Read) -> Units {
        let units = bytes.div_ceil(READ_UNIT).max(1) as u64;
        Units {
            halves: match read {
                Read::Eventual => units,
                Read::Consistent => units * 2,
                Read::Transactional => units * 4,
            },
        }
    }

    pub fn write(bytes: usize) -> Units {
        Units { halves: bytes.div_ceil(WRITE_UNIT).max(1) as u64 * 2 }
    }

    /// Of what was written: a kilobyte is a unit.
    pub fn kilobytes(self) -> i64 {
        (self.halves / 2).cast_signed()
    }

    pub fn doubled(self) -> Units {
        Units { halves: self.halves * 2 }
    }

    pub fn value(self) -> f64 {
        self.halves as f64 / 2.0
    }

    pub fn is_zero(self) -> bool {
        self.halves == 0
    }
}

impl std::ops::AddAssign for Units {
    fn add_assign(&mut self, other: Units) {
        self.halves += other.halves;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weight(pairs: &[(&str, AttributeValue)]) -> usize {
        item(&pairs.iter().map(|(name, value)| (name.to_string(), value.clone())).collect())
    }

    #[test]
    fn items_weigh_names_and_values() {
        assert_eq!(weight(&[("id", AttributeValue::S("héllo".into()))]), 8);
        assert_eq!(weight(&[("n", AttributeValue::N("-123.45".into()))]), 1 + 5);
        assert_eq!(weight(&[("b", AttributeValue::Bool(true)), ("x", AttributeValue::Null(true))]), 4);
        assert_eq!(weight(&[("s", AttributeValue::Ss(vec!["ab".into(), "c".into()]))]), 4);
        let list = AttributeValue::L(vec![AttributeValue::S("ab".into()), AttributeValue::Bool(false)]);
        assert_eq!(weight(&[("l", list.clone())]), 1 + 3 + (2 + 1) + (1 + 1));
        let map = AttributeValue::M([("k".to_string(), list)].into());
        assert_eq!(weight(&[("m", map)]), 1 + 3 + (1 + 8 + 1));
    }

    #[test]
    fn units_round_up() {
        assert_eq!(Units::read(0, Read::Eventual).value(), 0.5);
        assert_eq!(Units::read(4096, Read::Consistent).value(), 1.0);
        assert_eq!(Units::read(4097, Read::Eventual).value(), 1.0);
        assert_eq!(Units::read(1, Read::Transactional).value(), 2.0);
        assert_eq!(Units::write(1024).value(), 1.0);
        assert_eq!(Units::write(1025).value(), 2.0);
    }
}
