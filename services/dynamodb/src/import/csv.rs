//! Comma-separated values (RFC 4180) as items: every value is a string, but those of keys have the keys' types.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::key::{KeyAttribute, Scalar};
use crate::table::Table;
use crate::validate;
use crate::value::{AttributeValue, Item};

/// The items of a file; nothing in the place of a row that is none. Without a header of its own the first row is it.
pub fn items(text: &str, delimiter: char, header: Option<&[String]>, table: &Table) -> Vec<Option<Item>> {
    let mut rows = rows(text.trim_start_matches('\u{feff}'), delimiter).into_iter();
    let header: Vec<String> = match header {
        Some(header) => header.to_vec(),
        None => rows.next().unwrap_or_default(),
    };
    let keys: Vec<Option<&KeyAttribute>> = header
        .iter()
        .map(|name| {
            let indexed = table.indexes.iter().flat_map(|index| index.keys.attributes());
            let searched = table.vectors.iter().flat_map(|index| index.searched());
            let mut keys = table.keys.attributes().chain(indexed).chain(searched);
            keys.find(|key| key.name == *name)
        })
        .collect();
    rows.map(|row| {
        if row.len() != header.len() {
            return None;
        }
        // An empty field is no attribute.
        let fields = header.iter().zip(&keys).zip(row).filter(|(_, text)| !text.is_empty());
        let mut item =
            fields.map(|((name, key), text)| Some((name.clone(), value(*key, text)?))).collect::<Option<Item>>()?;
        validate::normalise_item(&mut item).ok()?;
        Some(item)
    })
    .collect()
}

fn value(key: Option<&KeyAttribute>, text: String) -> Option<AttributeValue> {
    Some(match key.map(|key| key.scalar) {
        Some(Scalar::N) => AttributeValue::N(text),
        Some(Scalar::B) => AttributeValue::B(BASE64.decode(text).ok()?.into()),
        Some(Scalar::S) | None => AttributeValue::S(text),
    })
}

/// The rows that are not empty. A field in double quotes may hold anything, with its quotes doubled.
fn rows(text: &str, delimiter: char) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut field, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut characters = text.chars().peekable();
    let mut begun = false;
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.next_if_eq(&'"').is_some() => field.push('"'),
            '"' if quoted => quoted = false,
            '"' if field.is_empty() => {
                quoted = true;
                begun = true;
            }
            '\r' if !quoted && characters.peek() == Some(&'\n') => {}
            '\n' if !quoted => {
                if begun || !field.is_empty() {
                    row.push(std::mem::take(&mut field));
                    rows.push(std::mem::take(&mut row));
                }
                begun = false;
            }
            character if character == delimiter && !quoted => {
                row.push(std::mem::take(&mut field));
                begun = true;
            }
            character => field.push(character),
        }
    }
    if begun || !field.is_empty() {
        row.push(field);
        rows.push(row);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rows_are_read() {
        assert_eq!(
            rows("a,b\r\n\"x,\"\"y\"\"\nz\",\n\nlast,\"\"", ','),
            [vec!["a", "b"], vec!["x,\"y\"\nz", ""], vec!["last", ""],]
        );
        assert_eq!(rows("a;b", ';'), [vec!["a", "b"]]);
    }

    #[test]
    fn keys_have_their_types() {
        let table = crate::table::tests::table();
        let items = items("pk,sk,at,n\na,b,5.0,7\nshort,row\nx,y,no number,1\nx,z,,\"\"", ',', None, &table);
        let first = items[0].as_ref().unwrap();
        assert_eq!(first["at"], AttributeValue::N("5".into()));
        assert_eq!(first["n"], AttributeValue::S("7".into()));
        assert!(items[1].is_none() && items[2].is_none());
        assert_eq!(items[3].as_ref().unwrap().keys().collect::<Vec<_>>(), ["pk", "sk"]);
    }

    proptest! {
        #[test]
        fn what_is_quoted_is_read_back(rows_in in prop::collection::vec(prop::collection::vec(".{0,8}", 2..4), 1..5)) {
            let quote = |field: &String| format!("\"{}\"", field.replace('"', "\"\""));
            let line = |row: &Vec<String>| row.iter().map(quote).collect::<Vec<_>>().join(",");
            let text = rows_in.iter().map(line).collect::<Vec<_>>().join("\n");
            prop_assert_eq!(rows(&text, ','), rows_in);
        }
    }
}
