//! Writes the lines of exports: a version marker and a struct on each.

use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::{BINARIES, NUMBERS, STRINGS, VERSION, is_identifier};
use crate::number::Number;
use crate::value::{AttributeValue, Item};

/// One line of an export.
pub enum Record {
    /// An item as it was.
    Item(Item),
    /// What a span of time made of an item.
    Change { micros: i64, keys: Item, old: Option<Item>, new: Option<Item> },
}

pub fn line(record: &Record) -> String {
    let mut out = format!("{VERSION} ");
    match record {
        Record::Item(item) => {
            out.push_str("{Item:");
            put_struct(&mut out, item);
            out.push('}');
        }
        Record::Change { micros, keys, old, new } => {
            out.push_str("{Record:{Keys:");
            put_struct(&mut out, keys);
            out.push_str(",Metadata:{WriteTimestampMicros:");
            put_number(&mut out, &micros.to_string());
            out.push('}');
            for (name, image) in [("OldImage", old), ("NewImage", new)] {
                if let Some(image) = image {
                    // Writing to a string does not fail.
                    let _ = write!(out, ",{name}:");
                    put_struct(&mut out, image);
                }
            }
            out.push_str("}}");
        }
    }
    out
}

fn put_struct(out: &mut String, item: &Item) {
    out.push('{');
    for (at, (name, value)) in item.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        if is_identifier(name) {
            out.push_str(name);
        } else {
            put_quoted(out, name, '\'');
        }
        out.push(':');
        put_value(out, value);
    }
    out.push('}');
}

fn put_value(out: &mut String, value: &AttributeValue) {
    match value {
        AttributeValue::S(text) => put_quoted(out, text, '"'),
        AttributeValue::N(text) => put_number(out, text),
        AttributeValue::B(bytes) => put_blob(out, bytes),
        AttributeValue::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        AttributeValue::Null(_) => out.push_str("null"),
        AttributeValue::L(members) => put_list(out, "", members, put_value),
        AttributeValue::M(members) => put_struct(out, members),
        AttributeValue::Ss(members) => put_list(out, STRINGS, members, |out, text| put_quoted(out, text, '"')),
        AttributeValue::Ns(members) => put_list(out, NUMBERS, members, |out, text| put_number(out, text)),
        AttributeValue::Bs(members) => put_list(out, BINARIES, members, |out, bytes| put_blob(out, bytes)),
    }
}

fn put_list<T>(out: &mut String, annotation: &str, members: &[T], put: impl Fn(&mut String, &T)) {
    if !annotation.is_empty() {
        out.push_str(annotation);
        out.push_str("::");
    }
    out.push('[');
    for (at, member) in members.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        put(out, member);
    }
    out.push(']');
}

fn put_blob(out: &mut String, bytes: &[u8]) {
    out.push_str("{{");
    BASE64.encode_string(bytes, out);
    out.push_str("}}");
}

/// A decimal with a point or an exponent, which tell it from an integer: `103.`, `6d2`, `1.5`, `5d-1`.
fn put_number(out: &mut String, text: &str) {
    // Stored numbers are in normal form, so this is never anything but a number.
    let (negative, digits, exponent) = Number::parse(text).unwrap_or(Number::ZERO).parts();
    let digits = digits.to_string();
    if negative {
        out.push('-');
    }
    let point = match usize::try_from(-exponent) {
        Ok(places) => digits.len().saturating_sub(places).max(1),
        Err(_) => digits.len(),
    };
    let (whole, fraction) = digits.split_at(point);
    let exponent = exponent + i32::try_from(fraction.len()).unwrap_or_default();
    out.push_str(whole);
    if exponent == 0 || !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
    if exponent != 0 {
        let _ = write!(out, "d{exponent}");
    }
}

fn put_quoted(out: &mut String, text: &str, quote: char) {
    out.push(quote);
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0' => out.push_str("\\0"),
            character if character == quote => {
                out.push('\\');
                out.push(character);
            }
            character if character.is_control() => {
                let _ = write!(out, "\\x{:02x}", u32::from(character));
            }
            character => out.push(character),
        }
    }
    out.push(quote);
}

#[cfg(test)]
mod tests {
    use super::*;
    use AttributeValue as V;

    fn item(members: &[(&str, V)]) -> Item {
        members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    #[test]
    fn lines_are_as_documented() {
        let book = item(&[
            ("Authors", V::Ss(vec!["Author1".into(), "Author2".into()])),
            ("Dimensions", V::S("8.5 x 11.0 x 1.5".into())),
            ("ISBN", V::S("333-3333333333".into())),
            ("Id", V::N("103".into())),
            ("InPublication", V::Bool(false)),
            ("PageCount", V::N("600".into())),
            ("Price", V::N("2000".into())),
        ]);
        let wanted = r#"$ion_1_0 {Item:{Authors:$dynamodb_SS::["Author1","Author2"],Dimensions:"8.5 x 11.0 x 1.5",ISBN:"333-3333333333",Id:103.,InPublication:false,PageCount:6d2,Price:2d3}}"#;
        assert_eq!(line(&Record::Item(book)), wanted);
        let keys = item(&[("a b", V::B("hi".into()))]);
        let change = Record::Change { micros: 1_684_374_845_117_899, keys, old: None, new: Some(Item::new()) };
        assert_eq!(
            line(&change),
            "$ion_1_0 {Record:{Keys:{'a b':{{aGk=}}},Metadata:{WriteTimestampMicros:1684374845117899.},NewImage:{}}}"
        );
    }

    #[test]
    fn numbers_are_short() {
        for (number, wanted) in [
            ("0", "0."),
            ("103", "103."),
            ("-600", "-6d2"),
            ("1.5", "1.5"),
            ("-12.25", "-12.25"),
            ("0.5", "5d-1"),
            ("0.015", "1.5d-2"),
            ("0.001", "1d-3"),
        ] {
            let mut out = String::new();
            put_number(&mut out, number);
            assert_eq!(out, wanted);
        }
    }

    #[test]
    fn texts_are_escaped() {
        let mut out = String::new();
        put_quoted(&mut out, "a\"'\\\n\u{1}\u{85}é", '"');
        assert_eq!(out, r#""a\"'\\\n\x01\x85é""#);
    }
}
