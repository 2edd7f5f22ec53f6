//! Items as bytes in the store: compact, self-contained and decoded without an intermediate tree.
//!
//! A record is the item's weight (so that paging and capacity need not weigh it again), the number of attributes, and
//! each attribute's name and value. Lengths are base-128 integers; a value is a tag and its content.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use bytes::Bytes;
use dynamodb_api::ATTRIBUTE_VALUE;
use wire::Encoder;

use crate::size;
use crate::value::{AttributeValue, Item};

const S: u8 = 1;
const N: u8 = 2;
const B: u8 = 3;
const SS: u8 = 4;
const NS: u8 = 5;
const BS: u8 = 6;
const M: u8 = 7;
const L: u8 = 8;
const NULL: u8 = 9;
const FALSE: u8 = 10;
const TRUE: u8 = 11;

/// A stored record that does not follow the format: the store is damaged or from another version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt;

/// The item as a record.
pub fn encode(item: &Item) -> Vec<u8> {
    let weight = size::item(item);
    let mut out = Vec::with_capacity(weight + 8 + 4 * item.len());
    put_length(&mut out, weight);
    put_map(&mut out, item.iter());
    out
}

/// The record of the attributes that `keep` names.
pub fn encode_some(item: &Item, keep: impl Fn(&str) -> bool) -> Vec<u8> {
    let kept = || item.iter().filter(|(name, _)| keep(name));
    let mut out = Vec::with_capacity(128);
    put_length(&mut out, kept().map(|(name, value)| name.len() + size::value(value)).sum());
    let count = kept().count();
    put_length(&mut out, count);
    kept().for_each(|(name, value)| put_pair(&mut out, name, value));
    out
}

fn put_map<'a>(out: &mut Vec<u8>, pairs: impl ExactSizeIterator<Item = (&'a String, &'a AttributeValue)>) {
    put_length(out, pairs.len());
    pairs.for_each(|(name, value)| put_pair(out, name, value));
}

fn put_pair(out: &mut Vec<u8>, name: &str, value: &AttributeValue) {
    put_bytes(out, name.as_bytes());
    put_value(out, value);
}

fn put_value(out: &mut Vec<u8>, value: &AttributeValue) {
    match value {
        AttributeValue::S(text) => {
            out.push(S);
            put_bytes(out, text.as_bytes());
        }
        AttributeValue::N(text) => {
            out.push(N);
            put_bytes(out, text.as_bytes());
        }
        AttributeValue::B(bytes) => {
            out.push(B);
            put_bytes(out, bytes);
        }
        AttributeValue::Ss(members) => put_set(out, SS, members.iter().map(String::as_bytes)),
        AttributeValue::Ns(members) => put_set(out, NS, members.iter().map(String::as_bytes)),
        AttributeValue::Bs(members) => put_set(out, BS, members.iter().map(AsRef::as_ref)),
        AttributeValue::M(members) => {
            out.push(M);
            put_map(out, members.iter());
        }
        AttributeValue::L(members) => {
            out.push(L);
            put_length(out, members.len());
            members.iter().for_each(|member| put_value(out, member));
        }
        AttributeValue::Null(_) => out.push(NULL),
        AttributeValue::Bool(false) => out.push(FALSE),
        AttributeValue::Bool(true) => out.push(TRUE),
    }
}

fn put_set<'a>(out: &mut Vec<u8>, tag: u8, members: impl ExactSizeIterator<Item = &'a [u8]>) {
    out.push(tag);
    put_length(out, members.len());
    members.for_each(|member| put_bytes(out, member));
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_length(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn put_length(out: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        out.push((length & 0x7F) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

/// The weight that a record states.
pub fn weight(record: &Bytes) -> Result<usize, Corrupt> {
    Reader { record, at: 0 }.length()
}

/// The item of a record and its weight.
pub fn decode(record: &Bytes) -> Result<(Item, usize), Corrupt> {
    let mut reader = Reader { record, at: 0 };
    let weight = reader.length()?;
    let item = reader.map()?;
    if reader.at == record.len() { Ok((item, weight)) } else { Err(Corrupt) }
}

/// Whether a record follows the format, so that [`write`] can write it. That its texts are texts is not looked at: the store
/// keeps checksums, and looking twice would cost a scan more than anything else.
pub fn check(record: &Bytes) -> Result<(), Corrupt> {
    let mut reader = Reader { record, at: 0 };
    reader.length()?;
    reader.skip_map()?;
    if reader.at == record.len() { Ok(()) } else { Err(Corrupt) }
}

/// Writes the item of a record that was checked.
pub fn write(record: &Bytes, encoder: &mut dyn Encoder) {
    let mut reader = Reader { record, at: 0 };
    let written = reader.length().and_then(|_| reader.write_map(encoder));
    debug_assert_eq!(written, Ok(()), "a record is checked before it is written");
}

/// The place of a tag's member in the union `AttributeValue`.
fn member(tag: u8) -> Option<usize> {
    static PLACES: LazyLock<[Option<usize>; 12]> = LazyLock::new(|| {
        let codes = ["", "S", "N", "B", "SS", "NS", "BS", "M", "L", "NULL", "BOOL", "BOOL"];
        codes.map(|code| ATTRIBUTE_VALUE.members().iter().position(|member| member.name == code))
    });
    PLACES.get(usize::from(tag)).copied().flatten()
}

struct Reader<'a> {
    record: &'a Bytes,
    at: usize,
}

impl Reader<'_> {
    fn byte(&mut self) -> Result<u8, Corrupt> {
        let byte = *self.record.get(self.at).ok_or(Corrupt)?;
        self.at += 1;
        Ok(byte)
    }

    fn length(&mut self) -> Result<usize, Corrupt> {
        let mut length = 0usize;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            length |= usize::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(length);
            }
        }
        Err(Corrupt)
    }

    fn span(&mut self) -> Result<std::ops::Range<usize>, Corrupt> {
        let length = self.length()?;
        let end = self.at.checked_add(length).filter(|end| *end <= self.record.len()).ok_or(Corrupt)?;
        let span = self.at..end;
        self.at = end;
        Ok(span)
    }

    fn text(&mut self) -> Result<String, Corrupt> {
        let span = self.span()?;
        std::str::from_utf8(&self.record[span]).map(str::to_owned).map_err(|_| Corrupt)
    }

    fn bytes(&mut self) -> Result<Bytes, Corrupt> {
        let span = self.span()?;
        Ok(Bytes::copy_from_slice(&self.record[span]))
    }

    /// Lengths come from the record, so they are trusted no further than the record could hold.
    fn capacity(&self, count: usize) -> usize {
        count.min(self.record.len() - self.at)
    }

    fn many<T>(&mut self, mut one: impl FnMut(&mut Self) -> Result<T, Corrupt>) -> Result<Vec<T>, Corrupt> {
        let count = self.length()?;
        let mut members = Vec::with_capacity(self.capacity(count));
        for _ in 0..count {
            members.push(one(self)?);
        }
        Ok(members)
    }

    /// Names were written in order, so the tree is built in one pass.
    fn map(&mut self) -> Result<Item, Corrupt> {
        let pairs = self.many(|reader| Ok((reader.text()?, reader.value()?)))?;
        Ok(BTreeMap::from_iter(pairs))
    }

    fn value(&mut self) -> Result<AttributeValue, Corrupt> {
        Ok(match self.byte()? {
            S => AttributeValue::S(self.text()?),
            N => AttributeValue::N(self.text()?),
            B => AttributeValue::B(self.bytes()?),
            SS => AttributeValue::Ss(self.many(Self::text)?),
            NS => AttributeValue::Ns(self.many(Self::text)?),
            BS => AttributeValue::Bs(self.many(Self::bytes)?),
            M => AttributeValue::M(self.map()?),
            L => AttributeValue::L(self.many(Self::value)?),
            NULL => AttributeValue::Null(true),
            FALSE => AttributeValue::Bool(false),
            TRUE => AttributeValue::Bool(true),
            _ => return Err(Corrupt),
        })
    }

    /// A text to be written on.
    fn words(&mut self) -> Result<Cow<'_, str>, Corrupt> {
        let span = self.span()?;
        Ok(String::from_utf8_lossy(&self.record[span]))
    }

    fn skip(&mut self) -> Result<(), Corrupt> {
        self.span().map(drop)
    }

    fn each(&mut self, mut one: impl FnMut(&mut Self) -> Result<(), Corrupt>) -> Result<(), Corrupt> {
        for _ in 0..self.length()? {
            one(self)?;
        }
        Ok(())
    }

    fn skip_map(&mut self) -> Result<(), Corrupt> {
        self.each(|reader| {
            reader.skip()?;
            reader.skip_value()
        })
    }

    fn skip_value(&mut self) -> Result<(), Corrupt> {
        match self.byte()? {
            S | N | B => self.skip(),
            SS | NS | BS => self.each(Self::skip),
            M => self.skip_map(),
            L => self.each(Self::skip_value),
            NULL | FALSE | TRUE => Ok(()),
            _ => Err(Corrupt),
        }
    }

    fn write_map(&mut self, encoder: &mut dyn Encoder) -> Result<(), Corrupt> {
        let count = self.length()?;
        encoder.begin_map(count);
        for _ in 0..count {
            encoder.key(&self.words()?);
            self.write_value(encoder)?;
        }
        encoder.end_map();
        Ok(())
    }

    fn write_value(&mut self, encoder: &mut dyn Encoder) -> Result<(), Corrupt> {
        let tag = self.byte()?;
        encoder.begin_structure();
        encoder.member(member(tag).ok_or(Corrupt)?);
        match tag {
            S | N => encoder.string(&self.words()?),
            B => encoder.blob(self.span().map(|span| &self.record[span])?),
            SS | NS => self.write_list(encoder, |reader, encoder| {
                encoder.string(&reader.words()?);
                Ok(())
            })?,
            BS => self.write_list(encoder, |reader, encoder| {
                encoder.blob(reader.span().map(|span| &reader.record[span])?);
                Ok(())
            })?,
            M => self.write_map(encoder)?,
            L => self.write_list(encoder, |reader, encoder| reader.write_value(encoder))?,
            NULL | TRUE => encoder.boolean(true),
            _ => encoder.boolean(false),
        }
        encoder.end_structure();
        Ok(())
    }

    fn write_list(
        &mut self,
        encoder: &mut dyn Encoder,
        one: impl Fn(&mut Self, &mut dyn Encoder) -> Result<(), Corrupt>,
    ) -> Result<(), Corrupt> {
        let count = self.length()?;
        encoder.begin_list(count);
        for _ in 0..count {
            encoder.element();
            one(self, encoder)?;
        }
        encoder.end_list();
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::read::{Found, Stored};
    use dynamodb_api as api;
    use proptest::prelude::*;
    use wire::{Deferred, Shape as _};

    pub(crate) fn any_value() -> impl Strategy<Value = AttributeValue> {
        let leaf = prop_oneof![
            ".{0,12}".prop_map(AttributeValue::S),
            any::<i64>().prop_map(|n| AttributeValue::N(n.to_string())),
            prop::collection::vec(any::<u8>(), 0..200).prop_map(|b| AttributeValue::B(b.into())),
            prop::collection::vec("[a-z]{1,4}", 1..4).prop_map(AttributeValue::Ss),
            any::<bool>().prop_map(AttributeValue::Bool),
            Just(AttributeValue::Null(true)),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(AttributeValue::L),
                prop::collection::btree_map("[a-z]{1,4}", inner, 0..4).prop_map(AttributeValue::M),
            ]
        })
    }

    proptest! {
        #[test]
        fn records_round_trip(item in prop::collection::btree_map("[a-z]{1,8}", any_value(), 0..6)) {
            let record = Bytes::from(encode(&item));
            prop_assert_eq!(weight(&record), Ok(size::item(&item)));
            prop_assert_eq!(check(&record), Ok(()));
            prop_assert_eq!(decode(&record), Ok((item, weight(&record).unwrap())));
        }

        /// Records and items are written alike.
        #[test]
        fn records_are_written_as_their_items_are(item in prop::collection::btree_map("[a-z]{1,8}", any_value(), 0..6)) {
            let output = |items| api::ScanOutput { items: Some(items), ..Default::default() };
            let json = |output: api::ScanOutput| {
                let mut encoder = wire::json::JsonEncoder::new(&api::SCAN_OUTPUT, wire::json::Names::Wire);
                output.encode(&mut encoder);
                String::from_utf8(encoder.finish()).unwrap()
            };
            let cbor = |output: api::ScanOutput| {
                let mut encoder = wire::cbor::CborEncoder::new(&api::SCAN_OUTPUT);
                output.encode(&mut encoder);
                encoder.finish()
            };
            let records = output(Deferred::new(Found(vec![Stored::Record(encode(&item).into())])));
            let items = output(Deferred::Value(vec![item]));
            prop_assert_eq!(&records, &items);
            prop_assert_eq!(json(records.clone()), json(items.clone()));
            prop_assert_eq!(cbor(records), cbor(items));
        }

        #[test]
        fn damaged_records_are_refused_not_fatal(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let record = Bytes::from(bytes);
            prop_assert!(check(&record).is_ok() || decode(&record).is_err());
        }
    }

    #[test]
    fn some_attributes_only() {
        let item: Item = [("a", "1"), ("b", "2")].map(|(k, v)| (k.to_string(), AttributeValue::S(v.into()))).into();
        let (kept, weight) = decode(&Bytes::from(encode_some(&item, |name| name == "b"))).unwrap();
        assert_eq!((kept.len(), weight), (1, 2));
        assert!(kept.contains_key("b"));
    }
}
