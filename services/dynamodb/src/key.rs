//! Keys: which attributes they are, what values they may have, and their order as bytes.
//!
//! An encoded key value sorts as the value does and says where it ends, so keys can be laid one after another: strings
//! and binaries escape the zero byte and end in two of them, numbers are encoded by `number`.

use serde::{Deserialize, Serialize};

use crate::error::Invalid;
use crate::number::Number;
use crate::value::{AttributeValue, Item, Type};

const MAX_HASH: usize = 2048;
const MAX_RANGE: usize = 1024;

/// The type of a key attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scalar {
    S,
    N,
    B,
}

impl Scalar {
    pub fn code(self) -> &'static str {
        match self {
            Scalar::S => "S",
            Scalar::N => "N",
            Scalar::B => "B",
        }
    }

    pub fn from_code(code: &str) -> Option<Scalar> {
        [Scalar::S, Scalar::N, Scalar::B].into_iter().find(|scalar| scalar.code() == code)
    }

    pub fn matches(self, value: &AttributeValue) -> bool {
        matches!(
            (self, value),
            (Scalar::S, AttributeValue::S(_)) | (Scalar::N, AttributeValue::N(_)) | (Scalar::B, AttributeValue::B(_))
        )
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyAttribute {
    pub name: String,
    pub scalar: Scalar,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeySchema {
    pub hash: KeyAttribute,
    pub range: Option<KeyAttribute>,
    /// Further attributes of the partition key; only global indexes have some.
    #[serde(default)]
    pub more_hash: Vec<KeyAttribute>,
    /// Further attributes of the sort key, after the first.
    #[serde(default)]
    pub more_range: Vec<KeyAttribute>,
}

impl KeySchema {
    pub fn new(hash: KeyAttribute, range: Option<KeyAttribute>) -> KeySchema {
        KeySchema { hash, range, more_hash: Vec::new(), more_range: Vec::new() }
    }

    pub fn attributes(&self) -> impl Iterator<Item = &KeyAttribute> {
        self.hashes().chain(self.ranges())
    }

    /// The attributes of the partition key.
    pub fn hashes(&self) -> impl Iterator<Item = &KeyAttribute> {
        std::iter::once(&self.hash).chain(&self.more_hash)
    }

    /// The attributes of the sort key, in their order.
    pub fn ranges(&self) -> impl Iterator<Item = &KeyAttribute> {
        self.range.iter().chain(&self.more_range)
    }

    pub fn contains(&self, name: &str) -> bool {
        self.attributes().any(|attribute| attribute.name == name)
    }

    /// The encoded partition key of an item that has been checked.
    pub fn hash_bytes(&self, item: &Item) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(32);
        for hash in self.hashes() {
            encode(item.get(&hash.name).filter(|value| hash.scalar.matches(value))?, &mut out)?;
        }
        Some(out)
    }

    /// Appends the encoded sort key, if the schema has one; `None` if the item lacks it.
    pub fn put_range(&self, item: &Item, out: &mut Vec<u8>) -> Option<()> {
        self.ranges()
            .try_for_each(|range| encode(item.get(&range.name).filter(|value| range.scalar.matches(value))?, out))
    }

    /// Just the key attributes of an item.
    pub fn of(&self, item: &Item) -> Item {
        self.attributes().filter_map(|key| item.get_key_value(&key.name)).map(|(k, v)| (k.clone(), v.clone())).collect()
    }

    /// Checks a key given on its own: all of the schema's attributes, with their types, and nothing else.
    pub fn check_key(&self, key: &Item) -> Result<(), Invalid> {
        let mismatch = || Invalid::new("The provided key element does not match the schema");
        if key.len() != self.attributes().count() {
            return Err(mismatch());
        }
        for attribute in self.attributes() {
            let value = key.get(&attribute.name).ok_or_else(mismatch)?;
            if !attribute.scalar.matches(value) {
                return Err(mismatch());
            }
        }
        self.check_values(key)
    }

    /// Checks the table's key attributes within an item to be stored.
    pub fn check_item(&self, item: &Item) -> Result<(), Invalid> {
        for attribute in self.attributes() {
            let Some(value) = item.get(&attribute.name) else {
                return Err(Invalid::values(format!("Missing the key {} in the item", attribute.name)));
            };
            if !attribute.scalar.matches(value) {
                return Err(Invalid::values(format!(
                    "Type mismatch for key {} expected: {} actual: {}",
                    attribute.name,
                    attribute.scalar.code(),
                    Type::of(value).code()
                )));
            }
        }
        self.check_values(item)
    }

    /// Checks what an index would have to file an item under; attributes that are absent keep it out of the index.
    pub fn check_index(&self, item: &Item, index: &str) -> Result<(), Invalid> {
        for attribute in self.attributes() {
            let Some(value) = item.get(&attribute.name) else { continue };
            if !attribute.scalar.matches(value) {
                return Err(Invalid::values(format!(
                    "Type mismatch for Index Key {} Expected: {} Actual: {} IndexName: {index}",
                    attribute.name,
                    attribute.scalar.code(),
                    Type::of(value).code()
                )));
            }
            if let Some(kind) = empty_kind(value) {
                return Err(Invalid(format!(
                    "One or more parameter values are not valid. A value specified for a secondary index key is not \
                     supported. The AttributeValue for a key attribute cannot contain an empty {kind} value. \
                     IndexName: {index}, IndexKey: {}",
                    attribute.name
                )));
            }
        }
        self.check_sizes(item)
    }

    fn check_values(&self, item: &Item) -> Result<(), Invalid> {
        for attribute in self.attributes() {
            if let Some(value) = item.get(&attribute.name) {
                check_not_empty(&attribute.name, value)?;
            }
        }
        self.check_sizes(item)
    }

    fn check_sizes(&self, item: &Item) -> Result<(), Invalid> {
        let size = |attribute: &KeyAttribute| match item.get(&attribute.name) {
            Some(AttributeValue::S(text)) => text.len(),
            Some(AttributeValue::B(bytes)) => bytes.len(),
            _ => 0,
        };
        if self.hashes().map(size).sum::<usize>() > MAX_HASH {
            return Err(Invalid::values(format!(
                "Size of hashkey has exceeded the maximum size limit of{MAX_HASH} bytes"
            )));
        }
        if self.ranges().map(size).sum::<usize>() > MAX_RANGE {
            return Err(Invalid::values(format!(
                "Aggregated size of all range keys has exceeded the size limit of {MAX_RANGE} bytes"
            )));
        }
        Ok(())
    }
}

pub fn check_not_empty(name: &str, value: &AttributeValue) -> Result<(), Invalid> {
    match empty_kind(value) {
        Some(kind) => Err(Invalid(format!(
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an \
             empty {kind} value. Key: {name}"
        ))),
        None => Ok(()),
    }
}

fn empty_kind(value: &AttributeValue) -> Option<&'static str> {
    match value {
        AttributeValue::S(text) if text.is_empty() => Some("string"),
        AttributeValue::B(bytes) if bytes.is_empty() => Some("binary"),
        _ => None,
    }
}

/// Appends the encoded value; `None` if it is of no type that a key can have.
pub fn encode(value: &AttributeValue, out: &mut Vec<u8>) -> Option<()> {
    match value {
        AttributeValue::N(text) => Number::parse(text).ok()?.encode(out),
        _ => {
            encode_prefix(value, out)?;
            out.extend_from_slice(&[0, 0]);
        }
    }
    Some(())
}

/// Appends the bytes with which every string or binary that begins with this one is encoded.
pub fn encode_prefix(value: &AttributeValue, out: &mut Vec<u8>) -> Option<()> {
    let bytes = match value {
        AttributeValue::S(text) => text.as_bytes(),
        AttributeValue::B(bytes) => bytes,
        _ => return None,
    };
    for piece in bytes.split_inclusive(|byte| *byte == 0) {
        out.extend_from_slice(piece);
        if piece.last() == Some(&0) {
            out.push(0xFF);
        }
    }
    Some(())
}

/// The first key after all those that begin with `prefix`; `None` if there is none.
pub fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != 0xFF)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn schema() -> KeySchema {
        KeySchema::new(
            KeyAttribute { name: "pk".into(), scalar: Scalar::S },
            Some(KeyAttribute { name: "sk".into(), scalar: Scalar::N }),
        )
    }

    fn item(pairs: &[(&str, AttributeValue)]) -> Item {
        pairs.iter().map(|(name, value)| (name.to_string(), value.clone())).collect()
    }

    fn s(text: &str) -> AttributeValue {
        AttributeValue::S(text.into())
    }

    fn n(text: &str) -> AttributeValue {
        AttributeValue::N(text.into())
    }

    #[test]
    fn keys_match_the_schema_or_are_refused() {
        let check = |pairs: &[(&str, AttributeValue)]| schema().check_key(&item(pairs)).map_err(|e| e.0);
        let mismatch = Err("The provided key element does not match the schema".to_string());
        assert_eq!(check(&[("pk", s("a")), ("sk", n("1"))]), Ok(()));
        assert_eq!(check(&[("pk", s("a"))]), mismatch);
        assert_eq!(check(&[("pk", s("a")), ("sk", s("1"))]), mismatch);
        assert_eq!(check(&[("pk", s("a")), ("sk", n("1")), ("x", n("1"))]), mismatch);
        assert_eq!(
            check(&[("pk", s("")), ("sk", n("1"))]).unwrap_err(),
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an \
             empty string value. Key: pk"
        );
    }

    #[test]
    fn items_need_their_keys() {
        let check = |pairs: &[(&str, AttributeValue)]| schema().check_item(&item(pairs)).unwrap_err().0;
        let invalid = "One or more parameter values were invalid: ";
        assert_eq!(check(&[("pk", s("a"))]), format!("{invalid}Missing the key sk in the item"));
        assert_eq!(
            check(&[("pk", n("1")), ("sk", n("1"))]),
            format!("{invalid}Type mismatch for key pk expected: S actual: N")
        );
        assert_eq!(
            check(&[("pk", s(&"x".repeat(2049))), ("sk", n("1"))]),
            format!("{invalid}Size of hashkey has exceeded the maximum size limit of2048 bytes")
        );
        assert_eq!(
            schema().check_index(&item(&[("pk", n("1"))]), "by-pk").unwrap_err().0,
            format!("{invalid}Type mismatch for Index Key pk Expected: S Actual: N IndexName: by-pk")
        );
        schema().check_index(&item(&[]), "by-pk").unwrap();
    }

    #[test]
    fn the_end_of_a_prefix() {
        assert_eq!(after_prefix(&[1, 0xFF]), Some(vec![2]));
        assert_eq!(after_prefix(&[0xFF, 0xFF]), None);
    }

    proptest! {
        #[test]
        fn encoded_binaries_sort_as_binaries(a: Vec<u8>, b: Vec<u8>, tail: [u8; 2]) {
            let encoded = |bytes: &[u8], tail: &[u8]| {
                let mut out = Vec::new();
                encode(&AttributeValue::B(bytes.to_vec().into()), &mut out).unwrap();
                out.extend_from_slice(tail);
                out
            };
            // Whatever follows the key does not disturb its order.
            if a != b {
                prop_assert_eq!(encoded(&a, &tail[..1]).cmp(&encoded(&b, &tail[1..])), a.cmp(&b));
            }
        }

        #[test]
        fn a_prefix_range_holds_exactly_what_begins_with_it(prefix in "[\u{0}ab]{0,3}", text in "[\u{0}abc]{0,5}") {
            let (mut from, mut key) = (vec![7], vec![7]);
            encode_prefix(&s(&prefix), &mut from).unwrap();
            encode(&s(&text), &mut key).unwrap();
            let to = after_prefix(&from).unwrap();
            prop_assert_eq!(key >= from && key < to, text.starts_with(&prefix));
        }
    }
}
