//! Items in Amazon Ion: in its text, as exports write it, and in both of its forms, as imports read it.
//!
//! Numbers are decimals, binaries blobs, and sets lists with an annotation that says which set they are. What the writer
//! writes, the reader reads; the reader takes all of the text format that has a meaning as an item, and so does the reader of the binary form.

mod binary;
mod lexer;
mod reader;
mod writer;

use crate::validate;
use crate::value::{AttributeValue, Item};

pub use writer::{Record, line};

const STRINGS: &str = "$dynamodb_SS";
const NUMBERS: &str = "$dynamodb_NS";
const BINARIES: &str = "$dynamodb_BS";
/// The 32 levels of an item, and those around it.
const MAX_DEPTH: usize = 36;
/// The version marker.
const VERSION: &str = "$ion_1_0";

/// Bytes that are neither in the binary form nor text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoText;

/// The structs of a file; nothing in the place of a value that is none.
pub fn records(bytes: &[u8]) -> Result<Vec<Option<Item>>, NoText> {
    match bytes.starts_with(&binary::MARKER) {
        true => Ok(binary::records(bytes)),
        false => std::str::from_utf8(bytes).map(reader::records).map_err(|_| NoText),
    }
}

/// The items of a file, each in a struct of its own; nothing in the place of a value that is none.
pub fn items(bytes: &[u8]) -> Result<Vec<Option<Item>>, NoText> {
    Ok(records(bytes)?.into_iter().map(|record| item(record?)).collect())
}

fn item(mut record: Item) -> Option<Item> {
    let Some(AttributeValue::M(mut item)) = record.remove("Item") else { return None };
    validate::normalise_item(&mut item).ok()?;
    Some(item)
}

/// Whether a name stands for itself without quotes.
fn is_identifier(name: &str) -> bool {
    let begins = |first: char| first.is_ascii_alphabetic() || first == '_' || first == '$';
    let goes_on = |next: char| begins(next) || next.is_ascii_digit();
    let mut characters = name.chars();
    // A dollar and digits are the number of a symbol, and names of the system begin with `$ion_`.
    let is_number = name.strip_prefix('$').is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
    characters.next().is_some_and(begins)
        && characters.all(goes_on)
        && !matches!(name, "null" | "true" | "false" | "nan")
        && (!is_number || name == "$")
        && !name.starts_with("$ion_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::AttributeValue as V;
    use proptest::prelude::*;

    fn scalar() -> impl Strategy<Value = V> {
        let number = (any::<i64>(), -60_i32..60).prop_map(|(digits, power)| V::N(format!("{digits}e{power}")));
        prop_oneof![
            any::<String>().prop_map(V::S),
            number,
            any::<Vec<u8>>().prop_map(|bytes| V::B(bytes.into())),
            any::<bool>().prop_map(V::Bool),
            Just(V::Null(true)),
            prop::collection::btree_set(".{1,4}", 1..4).prop_map(|set| V::Ss(set.into_iter().collect())),
            prop::collection::btree_set(any::<i32>(), 1..4)
                .prop_map(|set| V::Ns(set.into_iter().map(|number| number.to_string()).collect())),
            prop::collection::btree_set(prop::collection::vec(any::<u8>(), 1..4), 1..4)
                .prop_map(|set| V::Bs(set.into_iter().map(Into::into).collect())),
        ]
    }

    fn value() -> impl Strategy<Value = V> {
        scalar().prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(V::L),
                prop::collection::btree_map("[$a-z_0-9' \\pL]{1,6}", inner, 0..4).prop_map(V::M),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(list in prop::collection::vec(
            prop::collection::btree_map(".{1,6}", value(), 0..5), 0..4)
        ) {
            let mut wanted: Vec<Item> = list;
            for item in &mut wanted {
                crate::validate::normalise_item(item).unwrap();
            }
            let text: String = wanted.iter().map(|item| line(&Record::Item(item.clone())) + "\n").collect();
            prop_assert_eq!(items(text.as_bytes()).unwrap(), wanted.into_iter().map(Some).collect::<Vec<_>>());
        }

        #[test]
        fn no_text_is_too_strange(
            text in "(\\$ion_1_0 |\\{Item:|'''|\\{\\{|\\}\\}|/\\*|\\*/|//|::|\\$dynamodb_SS|\\\\u00|[{}\\[\\],:'\"a-z0-9.\n\\\\ -]){0,40}",
            other in any::<String>(),
        ) {
            items(text.as_bytes()).unwrap();
            items(other.as_bytes()).unwrap();
        }
    }

    #[test]
    fn deep_texts_are_refused() {
        for text in ["[", "{a:", "{Item:{a:[", "a::"] {
            assert!(items(text.repeat(100_000).as_bytes()).unwrap().iter().all(Option::is_none));
        }
    }
}
