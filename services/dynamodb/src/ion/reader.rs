//! Reads the items of a file.
//!
//! Values are separated by white space, also inside a list around all of them. A text that cannot be read costs one
//! item: reading goes on at the line after the one it began in. Symbol tables have no meaning here, since what is
//! written as text names its fields; symbols that are numbers are not read, nor are timestamps, symbols and clobs as values,
//! which are no attributes. Nesting is limited.

use super::lexer::{Lexer, Read, Unreadable};
use super::{BINARIES, MAX_DEPTH, NUMBERS, STRINGS, VERSION, is_identifier};
use crate::value::{AttributeValue, Item};

const SYMBOL_TABLE: &str = "$ion_symbol_table";

/// The structs of a text; nothing in the place of a value that is none.
pub fn records(text: &str) -> Vec<Option<Item>> {
    let mut lexer = Lexer::new(text);
    let mut items = Vec::new();
    loop {
        let begin = lexer.position();
        match next(&mut lexer, &mut items) {
            Ok(true) => {}
            Ok(false) => return items,
            Err(Begun(value)) => {
                items.push(None);
                lexer.skip_line(value.unwrap_or(begin));
            }
        }
    }
}

/// Where the value began that cannot be read.
struct Begun(Option<usize>);

impl From<Unreadable> for Begun {
    fn from(_: Unreadable) -> Begun {
        Begun(None)
    }
}

/// Takes one value of the file; says whether there was one.
fn next(lexer: &mut Lexer, items: &mut Vec<Option<Item>>) -> Result<bool, Begun> {
    lexer.space()?;
    if lexer.peek().is_none() {
        return Ok(false);
    }
    let begin = lexer.position();
    let (annotations, value) = outer(lexer).map_err(|_| Begun(Some(begin)))?;
    match value {
        Outer::Version => {}
        Outer::Value(_) if annotations.first().is_some_and(|first| first == SYMBOL_TABLE) => {}
        Outer::Value(AttributeValue::L(members)) => items.extend(members.into_iter().map(members_of)),
        Outer::Value(value) => items.push(members_of(value)),
    }
    Ok(true)
}

enum Outer {
    Version,
    Value(AttributeValue),
}

fn outer(lexer: &mut Lexer) -> Read<(Vec<String>, Outer)> {
    let annotations = annotations(lexer)?;
    if annotations.is_empty() && lexer.looking_at(VERSION) && lexer.identifier() == VERSION {
        return Ok((annotations, Outer::Version));
    }
    let value = annotated(lexer, &annotations, 0)?;
    Ok((annotations, Outer::Value(value)))
}

fn members_of(value: AttributeValue) -> Option<Item> {
    if let AttributeValue::M(members) = value { Some(members) } else { None }
}

fn value(lexer: &mut Lexer, depth: usize) -> Read<AttributeValue> {
    let annotations = annotations(lexer)?;
    annotated(lexer, &annotations, depth)
}

/// The names before a value, each followed by two colons.
fn annotations(lexer: &mut Lexer) -> Read<Vec<String>> {
    let mut annotations = Vec::new();
    loop {
        let before = lexer.position();
        let name = match lexer.looking_at("'''") {
            true => None,
            false if lexer.take("'") => Some(lexer.quoted('\'')?),
            false => Some(lexer.identifier().to_owned()).filter(|name| !name.is_empty()),
        };
        let Some(name) = name else { return Ok(annotations) };
        lexer.space()?;
        if !lexer.take("::") {
            lexer.back_to(before);
            return Ok(annotations);
        }
        lexer.space()?;
        annotations.push(name);
    }
}

fn annotated(lexer: &mut Lexer, annotations: &[String], depth: usize) -> Read<AttributeValue> {
    if depth > MAX_DEPTH {
        return Err(Unreadable);
    }
    let bare = bare(lexer, depth)?;
    let set = annotations.iter().map(String::as_str).find(|name| [STRINGS, NUMBERS, BINARIES].contains(name));
    match set {
        Some(set) => self::set(set, bare),
        None => Ok(bare),
    }
}

/// The set that an annotation makes of a list.
pub fn set(annotation: &str, list: AttributeValue) -> Read<AttributeValue> {
    let AttributeValue::L(members) = list else { return Err(Unreadable) };
    let members = members.into_iter();
    Ok(match annotation {
        STRINGS => AttributeValue::Ss(members.map(string).collect::<Read<_>>()?),
        NUMBERS => AttributeValue::Ns(members.map(number).collect::<Read<_>>()?),
        _ => AttributeValue::Bs(members.map(binary).collect::<Read<_>>()?),
    })
}

fn string(value: AttributeValue) -> Read<String> {
    if let AttributeValue::S(text) = value { Ok(text) } else { Err(Unreadable) }
}

fn number(value: AttributeValue) -> Read<String> {
    if let AttributeValue::N(text) = value { Ok(text) } else { Err(Unreadable) }
}

fn binary(value: AttributeValue) -> Read<bytes::Bytes> {
    if let AttributeValue::B(bytes) = value { Ok(bytes) } else { Err(Unreadable) }
}

fn bare(lexer: &mut Lexer, depth: usize) -> Read<AttributeValue> {
    if lexer.take("{{") {
        return Ok(AttributeValue::B(lexer.blob()?.into()));
    }
    if lexer.take("'''") {
        return Ok(AttributeValue::S(lexer.long()?));
    }
    if lexer.take("\"") {
        return Ok(AttributeValue::S(lexer.quoted('"')?));
    }
    if lexer.take("{") {
        return members(lexer, depth).map(AttributeValue::M);
    }
    if lexer.take("[") {
        let mut members = Vec::new();
        while more(lexer, "]")? {
            members.push(value(lexer, depth + 1)?);
            separate(lexer, "]")?;
        }
        return Ok(AttributeValue::L(members));
    }
    if lexer.peek().is_some_and(|first| first.is_ascii_digit() || first == '-') {
        return Ok(AttributeValue::N(lexer.number()?));
    }
    match lexer.identifier() {
        "true" => Ok(AttributeValue::Bool(true)),
        "false" => Ok(AttributeValue::Bool(false)),
        // A null may name the type that it would have.
        "null" if !lexer.take(".") || TYPES.contains(&lexer.identifier()) => Ok(AttributeValue::Null(true)),
        _ => Err(Unreadable),
    }
}

const TYPES: [&str; 13] = [
    "null",
    "bool",
    "int",
    "float",
    "decimal",
    "timestamp",
    "symbol",
    "string",
    "clob",
    "blob",
    "struct",
    "list",
    "sexp",
];

fn members(lexer: &mut Lexer, depth: usize) -> Read<Item> {
    let mut members = Item::new();
    while more(lexer, "}")? {
        let name = field(lexer)?;
        lexer.space()?;
        lexer.expect(":")?;
        lexer.space()?;
        // A struct may repeat a field, a map may not.
        if members.insert(name, value(lexer, depth + 1)?).is_some() {
            return Err(Unreadable);
        }
        separate(lexer, "}")?;
    }
    Ok(members)
}

fn field(lexer: &mut Lexer) -> Read<String> {
    if lexer.take("'''") {
        return lexer.long();
    }
    if lexer.take("'") {
        return lexer.quoted('\'');
    }
    if lexer.take("\"") {
        return lexer.quoted('"');
    }
    let name = lexer.identifier();
    if is_identifier(name) || name.starts_with("$ion_") { Ok(name.to_owned()) } else { Err(Unreadable) }
}

/// Whether a member follows rather than the end, which is taken.
fn more(lexer: &mut Lexer, end: &str) -> Read<bool> {
    lexer.space()?;
    Ok(!lexer.take(end))
}

/// Takes the comma after a member, unless the end follows.
fn separate(lexer: &mut Lexer, end: &str) -> Read<()> {
    lexer.space()?;
    if lexer.looking_at(end) { Ok(()) } else { lexer.expect(",") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use AttributeValue as V;

    fn items(text: &str) -> Vec<Option<Item>> {
        crate::ion::items(text.as_bytes()).unwrap()
    }

    fn one(text: &str) -> Option<AttributeValue> {
        let found = items(&format!("{{Item:{{a:{text}}}}}"));
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        found.into_iter().next()?.map(|mut item| item.remove("a").unwrap())
    }

    #[test]
    fn values_are_read() {
        let s = |text: &str| V::S(text.into());
        let n = |text: &str| V::N(text.into());
        for (text, value) in [
            (r#""a\"\x41\u00e9\U0001F600\ud83d\ude00\n\/""#, s("a\"Aé😀😀\n/")),
            ("'''one\r\ntwo''' /* and */ ''' three'''", s("one\ntwo three")),
            ("103.", n("103")),
            ("6d2", n("600")),
            ("-1.5d-1", n("-0.15")),
            ("12e-1", n("1.2")),
            ("1_000", n("1000")),
            ("-0xFf", n("-255")),
            ("0b101", n("5")),
            ("{{ aG k= }}", V::B("hi".into())),
            ("true", V::Bool(true)),
            ("null", V::Null(true)),
            ("null.string", V::Null(true)),
            ("[1, \"x\", [],]", V::L(vec![n("1"), s("x"), V::L(vec![])])),
            (
                "{b:1,\"c d\":2,'e':3,}",
                V::M([("b", "1"), ("c d", "2"), ("e", "3")].map(|(k, v)| (k.into(), n(v))).into()),
            ),
            ("$dynamodb_SS::[\"x\"]", V::Ss(vec!["x".into()])),
            ("'$dynamodb_NS' :: [1, 2d0]", V::Ns(vec!["1".into(), "2".into()])),
            ("$dynamodb_BS::[{{aGk=}}]", V::Bs(vec!["hi".into()])),
            ("other::1 // said so\n", n("1")),
        ] {
            assert_eq!(one(text), Some(value), "{text}");
        }
    }

    #[test]
    fn what_is_no_attribute_is_an_error() {
        for text in [
            "symbol",
            "'symbol'",
            "2020-01-01",
            "2020T",
            "nan",
            "+inf",
            "-inf",
            "01",
            "1__0",
            "1_",
            "1d",
            "1.5.5",
            "(a b)",
            "{{\"clob\"}}",
            "{{a}}",
            "\"a",
            "\"\\ud83d\"",
            "\"\\q\"",
            "$dynamodb_SS::[1]",
            "$dynamodb_SS::[]",
            "$dynamodb_NS::[1,1.]",
            "$dynamodb_SS::\"x\"",
            "{b:1,b:2}",
            "{null:1}",
            "{$10:1}",
            "[1 2]",
            "[,]",
            "null.other",
            "1e999",
            "0xx",
        ] {
            assert_eq!(one(text), None, "{text}");
        }
    }

    #[test]
    fn files_are_read() {
        let listed = items("$ion_1_0\n[\n  {\n    Item:{\n      a:1\n    }\n  },\n  {Item:{a:2}}, 3\n]\n");
        assert_eq!(listed.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, false]);
        let lines = "\u{feff}$ion_1_0 {Item:{a:1}}\n$ion_1_0 {Item:{a:\n$ion_1_0 {Item:{a:3}} // last\n$ion_symbol_table::{symbols:[\"x\"]}\n{Other:{}} {Item:{a:4}}";
        let found: Vec<_> = items(lines).into_iter().map(|item| item.map(|item| item["a"].clone())).collect();
        assert_eq!(found, [Some(V::N("1".into())), None, Some(V::N("3".into())), None, Some(V::N("4".into()))]);
        assert!(items(" \n// nothing\n").is_empty());
        assert_eq!(items("/* never closed\n{Item:{a:1}}"), [None]);
    }
}
