//! Reads JSON along a schema, straight from the bytes, by driving serde_json with seeds.
//!
//! Type errors carry the texts of AWS's own deserializer (`NUMBER_VALUE cannot be converted to String`), which tools
//! and tests match on. Nesting is bounded by serde_json (128).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_core::Deserialize as _;
use serde_core::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::codec::{DecodeError, Decoder, EachElement, EachEntry, EachMember, Result};
use crate::schema::{Kind, Location, Member, Schema, TimestampFormat};
use crate::timestamp::Timestamp;

/// Which names members have in a JSON body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// awsJson: the names of the model.
    Model,
    /// restJson1: `locationName`.
    Wire,
}

impl Names {
    pub(super) fn of(self, member: &Member) -> &'static str {
        match self {
            Names::Model => member.name,
            Names::Wire => member.wire_name(),
        }
    }
}

/// Decodes one JSON text. An empty text reads as an empty structure, as on AWS.
pub fn decode<T>(
    body: &[u8],
    schema: &'static Schema,
    names: Names,
    read: impl FnOnce(&mut dyn Decoder) -> Result<T>,
) -> Result<T> {
    let body = if body.iter().all(u8::is_ascii_whitespace) { b"{}" } else { body };
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = {
        let place = Place { schema, names, format: schema.timestamp.unwrap_or(TimestampFormat::EpochSeconds) };
        let mut result = None;
        let mut read = Some(read);
        let visited = Present(place, &mut |decoder: &mut dyn Decoder| {
            if let Some(read) = read.take() {
                result = Some(read(decoder)?);
            }
            Ok(())
        })
        .deserialize(&mut deserializer);
        visited.map_err(reveal)?;
        result
    };
    deserializer.end().map_err(|error| DecodeError::Malformed(error.to_string()))?;
    value.ok_or_else(|| DecodeError::Type("Unexpected null".to_owned()))
}

/// What the decoder knows of the value at hand.
#[derive(Clone, Copy)]
struct Place {
    schema: &'static Schema,
    names: Names,
    format: TimestampFormat,
}

impl Place {
    fn member(self, member: &'static Member) -> Place {
        let format = member.timestamp_or(TimestampFormat::EpochSeconds);
        Place { schema: member.schema, names: self.names, format }
    }
}

/// The value at hand; without a deserializer it is null.
struct JsonDecoder<D> {
    value: Option<D>,
    place: Place,
}

/// Our errors travel through serde's between two marks, since serde_json adds a position to every text.
const MARK: char = '\u{1}';

fn hide<E: de::Error>(error: DecodeError) -> E {
    let text = match &error {
        DecodeError::Malformed(text) => format!("M{text}"),
        DecodeError::Type(text) => format!("T{text}"),
        DecodeError::Limit(text) => format!("L{text}"),
        DecodeError::Union { schema, members } => format!("U{schema}{MARK}{members}"),
    };
    E::custom(format!("{MARK}{text}{MARK}{MARK}"))
}

fn reveal(error: impl fmt::Display) -> DecodeError {
    let text = error.to_string();
    let double = format!("{MARK}{MARK}");
    let hidden = text.split_once(MARK).and_then(|(_, rest)| rest.split_once(double.as_str())).map(|(inner, _)| inner);
    match hidden.and_then(|inner| inner.split_at_checked(1)) {
        Some(("T", text)) => DecodeError::Type(text.to_owned()),
        Some(("L", text)) => DecodeError::Limit(text.to_owned()),
        Some(("M", text)) => DecodeError::Malformed(text.to_owned()),
        Some((_, union)) => {
            let (schema, members) = union.split_once(MARK).unwrap_or((union, "0"));
            DecodeError::Union { schema: schema.to_owned(), members: members.parse().unwrap_or(0) }
        }
        None => DecodeError::Malformed(text),
    }
}

/// Calls the closure with a decoder on the value; null is a value too.
struct Present<'a>(Place, &'a mut dyn FnMut(&mut dyn Decoder) -> Result);

impl<'de> DeserializeSeed<'de> for Present<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<(), D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for Present<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.schema.name)
    }
    fn visit_none<E: de::Error>(self) -> std::result::Result<(), E> {
        (self.1)(&mut JsonDecoder::<de::value::UnitDeserializer<E>> { value: None, place: self.0 }).map_err(hide)
    }
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<(), D::Error> {
        (self.1)(&mut JsonDecoder { value: Some(deserializer), place: self.0 }).map_err(hide)
    }
}

/// A scalar, or the kind of composite value that stands in its place.
enum Scalar {
    Boolean(bool),
    Integer(i64),
    Double(f64),
    String(String),
    List,
    Map,
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a scalar")
    }
    fn visit_bool<E>(self, value: bool) -> std::result::Result<Scalar, E> {
        Ok(Scalar::Boolean(value))
    }
    fn visit_i64<E>(self, value: i64) -> std::result::Result<Scalar, E> {
        Ok(Scalar::Integer(value))
    }
    fn visit_u64<E>(self, value: u64) -> std::result::Result<Scalar, E> {
        Ok(i64::try_from(value).map_or(Scalar::Double(value as f64), Scalar::Integer))
    }
    fn visit_f64<E>(self, value: f64) -> std::result::Result<Scalar, E> {
        Ok(Scalar::Double(value))
    }
    fn visit_str<E>(self, value: &str) -> std::result::Result<Scalar, E> {
        Ok(Scalar::String(value.to_owned()))
    }
    fn visit_string<E>(self, value: String) -> std::result::Result<Scalar, E> {
        Ok(Scalar::String(value))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> std::result::Result<Scalar, A::Error> {
        while access.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::List)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> std::result::Result<Scalar, A::Error> {
        while access.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Map)
    }
}

fn mismatch<T>(found: &Scalar, wanted: &str) -> Result<T> {
    let token = match found {
        Scalar::Boolean(true) => "TRUE_VALUE",
        Scalar::Boolean(false) => "FALSE_VALUE",
        Scalar::Integer(_) => "NUMBER_VALUE",
        Scalar::Double(_) => "DECIMAL_VALUE",
        Scalar::String(_) => "STRING_VALUE",
        Scalar::List => {
            return Err(DecodeError::Type("Unrecognized collection type class java.lang.String".to_owned()));
        }
        Scalar::Map => return Err(DecodeError::Type("Start of structure or map found where not expected.".to_owned())),
    };
    Err(DecodeError::Type(format!("{token} cannot be converted to {wanted}")))
}

fn unexpected_null<T>() -> Result<T> {
    Err(DecodeError::Type("Unexpected null".to_owned()))
}

impl<'de, D: Deserializer<'de>> JsonDecoder<D> {
    fn scalar(&mut self) -> Result<Scalar> {
        let Some(value) = self.value.take() else { return unexpected_null() };
        value.deserialize_any(ScalarVisitor).map_err(reveal)
    }
}

impl<'de, D: Deserializer<'de>> Decoder for JsonDecoder<D> {
    fn schema(&self) -> &'static Schema {
        self.place.schema
    }

    fn null(&mut self) -> bool {
        self.value.is_none()
    }

    fn boolean(&mut self) -> Result<bool> {
        match self.scalar()? {
            Scalar::Boolean(value) => Ok(value),
            other => mismatch(&other, "Boolean"),
        }
    }

    fn integer(&mut self) -> Result<i64> {
        let bits = match self.place.schema.kind {
            Kind::Integer(bits) => bits,
            _ => 64,
        };
        let value = match self.scalar()? {
            Scalar::Integer(value) => value,
            Scalar::Double(value) if value.fract() == 0.0 && value.abs() < 9.2e18 => value as i64,
            other => return mismatch(&other, if bits == 64 { "Long" } else { "Integer" }),
        };
        let fits = bits == 64 || (value >= -(1 << (bits - 1)) && value < 1 << (bits - 1));
        if fits { Ok(value) } else { mismatch(&Scalar::Integer(value), "Integer") }
    }

    fn double(&mut self) -> Result<f64> {
        match self.scalar()? {
            Scalar::Integer(value) => Ok(value as f64),
            Scalar::Double(value) => Ok(value),
            Scalar::String(text) => match text.as_str() {
                "NaN" => Ok(f64::NAN),
                "Infinity" => Ok(f64::INFINITY),
                "-Infinity" => Ok(f64::NEG_INFINITY),
                _ => mismatch(&Scalar::String(text), "Double"),
            },
            other => mismatch(&other, "Double"),
        }
    }

    fn string(&mut self) -> Result<String> {
        match self.scalar()? {
            Scalar::String(value) => Ok(value),
            other => mismatch(&other, "String"),
        }
    }

    fn blob(&mut self) -> Result<Bytes> {
        match self.scalar()? {
            Scalar::String(text) => {
                STANDARD.decode(&text).map(Bytes::from).map_err(|_| DecodeError::Type("Invalid base64 data".to_owned()))
            }
            other => mismatch(&other, "Blob"),
        }
    }

    fn timestamp(&mut self) -> Result<Timestamp> {
        let timestamp = match (self.scalar()?, self.place.format) {
            (Scalar::Integer(seconds), _) => Timestamp::from_secs_f64(seconds as f64),
            (Scalar::Double(seconds), _) => Timestamp::from_secs_f64(seconds),
            (Scalar::String(text), _) => Timestamp::parse(&text),
            (other, _) => return mismatch(&other, "Timestamp"),
        };
        timestamp.ok_or_else(|| DecodeError::Type("STRING_VALUE cannot be converted to Timestamp".to_owned()))
    }

    fn document(&mut self) -> Result<serde_json::Value> {
        match self.value.take() {
            Some(value) => serde_json::Value::deserialize(value).map_err(reveal),
            None => Ok(serde_json::Value::Null),
        }
    }

    fn structure(&mut self, each: EachMember<'_>) -> Result {
        let Some(value) = self.value.take() else { return unexpected_null() };
        value.deserialize_any(Fields { place: self.place, each }).map_err(reveal)
    }

    fn list(&mut self, each: EachElement<'_>) -> Result {
        let Some(value) = self.value.take() else { return unexpected_null() };
        value.deserialize_any(Elements { place: self.place, each }).map_err(reveal)
    }

    fn map(&mut self, each: EachEntry<'_>) -> Result {
        let Some(value) = self.value.take() else { return unexpected_null() };
        value.deserialize_any(Entries { place: self.place, each }).map_err(reveal)
    }
}

/// A visitor of one composite kind answers any other kind with AWS's text.
macro_rules! composite_mismatch {
    ($text:expr) => {
        fn visit_bool<E: de::Error>(self, _: bool) -> std::result::Result<(), E> {
            Err(hide(DecodeError::Type($text.to_owned())))
        }
        fn visit_i64<E: de::Error>(self, _: i64) -> std::result::Result<(), E> {
            Err(hide(DecodeError::Type($text.to_owned())))
        }
        fn visit_u64<E: de::Error>(self, _: u64) -> std::result::Result<(), E> {
            Err(hide(DecodeError::Type($text.to_owned())))
        }
        fn visit_f64<E: de::Error>(self, _: f64) -> std::result::Result<(), E> {
            Err(hide(DecodeError::Type($text.to_owned())))
        }
        fn visit_str<E: de::Error>(self, _: &str) -> std::result::Result<(), E> {
            Err(hide(DecodeError::Type($text.to_owned())))
        }
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.place.schema.name)
        }
    };
}

struct Fields<'a> {
    place: Place,
    each: EachMember<'a>,
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = ();
    composite_mismatch!("Unexpected field type");

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> std::result::Result<(), A::Error> {
        Err(hide(DecodeError::Type("Start of list found where not expected".to_owned())))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> std::result::Result<(), A::Error> {
        let members = self.place.schema.members();
        let mut expected = 0;
        let seed = |expected| FieldName { members, names: self.place.names, expected };
        while let Some(found) = access.next_key_seed(seed(expected))? {
            let Some(index) = found else {
                access.next_value::<IgnoredAny>()?;
                continue;
            };
            expected = index + 1;
            let each = &mut *self.each;
            access.next_value_seed(Present(self.place.member(&members[index]), &mut |decoder| {
                if decoder.null() { Ok(()) } else { each(index, decoder) }
            }))?;
        }
        Ok(())
    }
}

/// Finds the member of a name, trying first the one that the model lists next.
struct FieldName {
    members: &'static [Member],
    names: Names,
    expected: usize,
}

impl<'de> DeserializeSeed<'de> for FieldName {
    type Value = Option<usize>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<Option<usize>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for FieldName {
    type Value = Option<usize>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }
    fn visit_str<E>(self, name: &str) -> std::result::Result<Option<usize>, E> {
        let is_it = |member: &Member| member.location == Location::Body && self.names.of(member) == name;
        if self.members.get(self.expected).is_some_and(is_it) {
            return Ok(Some(self.expected));
        }
        Ok(self.members.iter().position(is_it))
    }
}

struct Elements<'a> {
    place: Place,
    each: EachElement<'a>,
}

impl<'de> Visitor<'de> for Elements<'_> {
    type Value = ();
    composite_mismatch!("Unexpected field type");

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> std::result::Result<(), A::Error> {
        let Kind::List(element) = &self.place.schema.kind else {
            return Err(hide(DecodeError::Type("Start of list found where not expected".to_owned())));
        };
        let place = self.place.member(element);
        while access.next_element_seed(Present(place, self.each))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> std::result::Result<(), A::Error> {
        Err(hide(DecodeError::Type("Start of structure or map found where not expected.".to_owned())))
    }
}

struct Entries<'a> {
    place: Place,
    each: EachEntry<'a>,
}

impl<'de> Visitor<'de> for Entries<'_> {
    type Value = ();
    composite_mismatch!("Unexpected field type");

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> std::result::Result<(), A::Error> {
        Err(hide(DecodeError::Type("Start of list found where not expected".to_owned())))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> std::result::Result<(), A::Error> {
        let Kind::Map(_, value) = &self.place.schema.kind else {
            return Err(hide(DecodeError::Type("Start of structure or map found where not expected.".to_owned())));
        };
        let place = self.place.member(value);
        while let Some(key) = access.next_key::<String>()? {
            let mut key = Some(key);
            let each = &mut *self.each;
            access.next_value_seed(Present(place, &mut |decoder| each(key.take().unwrap_or_default(), decoder)))?;
        }
        Ok(())
    }
}
