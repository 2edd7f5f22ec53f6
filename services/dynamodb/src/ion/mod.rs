//! Items in the text of Amazon Ion, as exports write it and imports read it.
//!
//! Numbers are decimals, binaries blobs, and sets lists with an annotation that says which set they are. What the writer
//! writes, the reader reads; the reader takes all of the text format that has a meaning as an item.

mod lexer;
mod reader;
mod writer;

pub use reader::items;
pub use writer::{Record, line};

const STRINGS: &str = "$dynamodb_SS";
const NUMBERS: &str = "$dynamodb_NS";
const BINARIES: &str = "$dynamodb_BS";
/// The version marker.
const VERSION: &str = "$ion_1_0";

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
    use crate::value::{AttributeValue as V, Item};
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
            prop_assert_eq!(items(&text), wanted.into_iter().map(Some).collect::<Vec<_>>());
        }

        #[test]
        fn no_text_is_too_strange(
            text in "(\\$ion_1_0 |\\{Item:|'''|\\{\\{|\\}\\}|/\\*|\\*/|//|::|\\$dynamodb_SS|\\\\u00|[{}\\[\\],:'\"a-z0-9.\n\\\\ -]){0,40}",
            other in any::<String>(),
        ) {
            items(&text);
            items(&other);
        }
    }

    #[test]
    fn deep_texts_are_refused() {
        for text in ["[", "{a:", "{Item:{a:[", "a::"] {
            assert!(items(&text.repeat(100_000)).iter().all(Option::is_none));
        }
    }
}
