use super::*;
use crate::value::AttributeValue as V;
use proptest::prelude::*;

/// A value in the binary form, with its names put into a table.
fn encode(value: &V, names: &mut Vec<String>) -> Vec<u8> {
    match value {
        V::Null(_) => vec![0x0F],
        V::Bool(truth) => vec![0x10 | u8::from(*truth)],
        V::N(text) => match text.parse::<i64>() {
            Ok(0) => vec![0x20],
            Ok(number) => {
                let bytes = number.unsigned_abs().to_be_bytes();
                let digits: Vec<u8> = bytes.into_iter().skip_while(|byte| *byte == 0).collect();
                framed(if number < 0 { 3 } else { 2 }, digits)
            }
            Err(_) => framed(4, text.parse::<f64>().unwrap().to_be_bytes().to_vec()),
        },
        V::S(text) => framed(8, text.as_bytes().to_vec()),
        V::B(bytes) => framed(10, bytes.to_vec()),
        V::L(members) => framed(11, members.iter().flat_map(|member| encode(member, names)).collect()),
        V::M(members) => {
            let mut content = Vec::new();
            for (name, member) in members {
                content.extend(var_uint(symbol(name, names)));
                content.extend(encode(member, names));
            }
            structure(content)
        }
        V::Ss(members) => {
            let list = V::L(members.iter().map(|member| V::S(member.clone())).collect());
            annotated(STRINGS, encode(&list, names), names)
        }
        V::Ns(members) => {
            let list = V::L(members.iter().map(|member| V::N(member.clone())).collect());
            annotated(NUMBERS, encode(&list, names), names)
        }
        V::Bs(members) => {
            let list = V::L(members.iter().map(|member| V::B(member.clone())).collect());
            annotated(BINARIES, encode(&list, names), names)
        }
    }
}

fn symbol(name: &str, names: &mut Vec<String>) -> usize {
    let at = names.iter().position(|known| known == name).unwrap_or_else(|| {
        names.push(name.to_owned());
        names.len() - 1
    });
    SYSTEM.len() + at
}

fn var_uint(mut number: usize) -> Vec<u8> {
    let mut out = vec![(number & 0x7F) as u8 | 0x80];
    while number >= 0x80 {
        number >>= 7;
        out.insert(0, (number & 0x7F) as u8);
    }
    out
}

fn framed(kind: u8, content: Vec<u8>) -> Vec<u8> {
    match content.len() {
        length @ 0..14 => [vec![kind << 4 | length as u8], content].concat(),
        length => [vec![kind << 4 | 14], var_uint(length), content].concat(),
    }
}

/// The length of a struct is never one: that means something else.
fn structure(content: Vec<u8>) -> Vec<u8> {
    match content.len() {
        0 => vec![0xD0],
        length => [vec![0xDE], var_uint(length), content].concat(),
    }
}

fn annotated(name: &str, value: Vec<u8>, names: &mut Vec<String>) -> Vec<u8> {
    let symbol = var_uint(symbol(name, names));
    framed(14, [var_uint(symbol.len()), symbol, value].concat())
}

/// A file of these values: the marker, a table of their names, and the values.
fn file(values: &[V]) -> Vec<u8> {
    let mut names = Vec::new();
    let body: Vec<u8> = values.iter().flat_map(|value| encode(value, &mut names)).collect();
    let texts = framed(11, names.iter().flat_map(|name| framed(8, name.as_bytes().to_vec())).collect());
    let table = structure([var_uint(SYMBOLS), texts].concat());
    let table = framed(14, [vec![0x81, 0x83], table].concat());
    [MARKER.to_vec(), table, body].concat()
}

fn record(value: V) -> V {
    V::M([("Item".to_owned(), V::M([("a".to_owned(), value)].into()))].into())
}

fn read(bytes: &[u8]) -> Vec<Option<V>> {
    let items = crate::ion::items(bytes).unwrap();
    items.into_iter().map(|item| item.map(|mut item| item.remove("a").unwrap())).collect()
}

/// What a value that is written out by hand is read as.
fn one(value: &[u8]) -> Option<V> {
    let names = framed(11, [framed(8, b"Item".to_vec()), framed(8, b"a".to_vec())].concat());
    let table = structure([var_uint(SYMBOLS), names].concat());
    let table = framed(14, [vec![0x81, 0x83], table].concat());
    let inner = structure([vec![0x8B], value.to_vec()].concat());
    let outer = structure([vec![0x8A], inner].concat());
    let found = read(&[MARKER.to_vec(), table, outer].concat());
    assert_eq!(found.len(), 1);
    found.into_iter().next().unwrap()
}

#[test]
fn values_are_read() {
    let n = |text: &str| Some(V::N(text.into()));
    for (bytes, value) in [
        (&[0x20][..], n("0")),
        (&[0x21, 0x01], n("1")),
        (&[0x31, 0xFF], n("-255")),
        (&[0x40], n("0")),
        (&[0x44, 0x3F, 0x00, 0x00, 0x00], n("0.5")),
        (&[0x48, 0x40, 0x29, 0, 0, 0, 0, 0, 0], n("12.5")),
        (&[0x50], n("0")),
        // 1.5, -1.5, 6d2 and -0.
        (&[0x52, 0xC1, 0x0F], n("1.5")),
        (&[0x52, 0xC1, 0x8F], n("-1.5")),
        (&[0x52, 0x82, 0x06], n("600")),
        (&[0x52, 0xC1, 0x80], n("0")),
        (&[0x0F], Some(V::Null(true))),
        (&[0x8F], Some(V::Null(true))),
        (&[0x11], Some(V::Bool(true))),
        (&[0x82, b'h', b'i'], Some(V::S("hi".into()))),
        (&[0xA2, b'h', b'i'], Some(V::B("hi".into()))),
        (&[0xB3, 0x21, 0x01, 0x10], Some(V::L(vec![V::N("1".into()), V::Bool(false)]))),
        // Padding within a list.
        (&[0xB3, 0x01, 0x00, 0x10], Some(V::L(vec![V::Bool(false)]))),
        // An annotation that means nothing here.
        (&[0xE3, 0x81, 0x84, 0x11], Some(V::Bool(true))),
    ] {
        assert_eq!(one(bytes), value, "{bytes:x?}");
    }
}

#[test]
fn what_is_no_attribute_is_none() {
    for bytes in [
        // A negative zero, half a float, a timestamp, a symbol, a clob, a list in parentheses, and what is reserved.
        &[0x30][..],
        &[0x42, 0, 0],
        &[0x48, 0x7F, 0xF0, 0, 0, 0, 0, 0, 0],
        &[0x63, 0x80, 0x0F, 0xD0],
        &[0x71, 0x04],
        &[0x91, b'x'],
        &[0xC1, 0x10],
        &[0xF0],
        &[0x81, 0xFF],
        &[0x12],
    ] {
        assert_eq!(one(bytes), None, "{bytes:x?}");
    }
}

#[test]
fn files_are_read() {
    let n = |text: &str| V::N(text.into());
    let listed = V::L(vec![record(n("2")), n("3"), record(n("4"))]);
    let bytes = file(&[record(n("1")), V::Bool(true), listed]);
    assert_eq!(read(&bytes), [Some(n("1")), None, Some(n("2")), None, Some(n("4"))]);
    // A second part has names of its own.
    assert_eq!(read(&[bytes.clone(), file(&[record(n("5"))])].concat()).last(), Some(&Some(n("5"))));
    // A value that is cut off ends the file.
    assert_eq!(read(&bytes[..bytes.len() - 1]).last(), Some(&None));
    assert_eq!(crate::ion::items(&[0xFF, 0xFE]), Err(crate::ion::NoText));
    let deep = (0..100).fold(vec![0x10], |inner, _| framed(11, inner));
    assert_eq!(one(&deep), None);
}

fn value() -> impl Strategy<Value = V> {
    let scalar = prop_oneof![
        any::<String>().prop_map(V::S),
        any::<i64>().prop_map(|number| V::N(number.to_string())),
        (-1e9..1e9f64).prop_map(|number| V::N(number.to_string())),
        any::<Vec<u8>>().prop_map(|bytes| V::B(bytes.into())),
        any::<bool>().prop_map(V::Bool),
        Just(V::Null(true)),
        prop::collection::btree_set(".{1,4}", 1..4).prop_map(|set| V::Ss(set.into_iter().collect())),
        prop::collection::btree_set(any::<i32>(), 1..4)
            .prop_map(|set| V::Ns(set.into_iter().map(|number| number.to_string()).collect())),
    ];
    scalar.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..20).prop_map(V::L),
            prop::collection::btree_map("[a-z']{1,6}", inner, 0..6).prop_map(V::M),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(values in prop::collection::vec(value(), 0..4)) {
        let expected: Vec<_> = values
            .iter()
            .map(|value| {
                let mut item = Item::from([("a".to_owned(), value.clone())]);
                crate::validate::normalise_item(&mut item).unwrap();
                item.remove("a")
            })
            .collect();
        let records: Vec<_> = values.into_iter().map(record).collect();
        prop_assert_eq!(read(&file(&records)), expected);
    }

    #[test]
    fn no_bytes_are_too_strange(mut bytes in any::<Vec<u8>>(), value in value(), at in any::<prop::sample::Index>(), to in any::<u8>()) {
        bytes.splice(0..0, MARKER);
        records(&bytes);
        let mut damaged = file(&[record(value)]);
        let at = at.index(damaged.len());
        damaged[at] = to;
        let _ = crate::ion::items(&damaged);
    }
}
