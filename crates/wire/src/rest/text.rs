//! Values that travel as text: in labels, query parameters and headers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::codec::{DecodeError, Decoder, EachElement, EachEntry, EachMember, Result};
use crate::schema::{Kind, Member, Schema, TimestampFormat};
use crate::timestamp::Timestamp;

/// Decodes one member from one or more texts.
pub struct TextDecoder<'a> {
    pub member: &'static Member,
    pub schema: &'static Schema,
    pub texts: &'a [String],
}

impl TextDecoder<'_> {
    fn text(&self) -> &str {
        self.texts.first().map_or("", String::as_str)
    }

    fn invalid<T>(&self) -> Result<T> {
        let text = self.text();
        Err(DecodeError::Type(format!("'{text}' is not a valid value of '{}'", self.member.wire_name())))
    }
}

impl Decoder for TextDecoder<'_> {
    fn schema(&self) -> &'static Schema {
        self.schema
    }

    fn boolean(&mut self) -> Result<bool> {
        match self.text() {
            text if text.eq_ignore_ascii_case("true") => Ok(true),
            text if text.eq_ignore_ascii_case("false") => Ok(false),
            _ => self.invalid(),
        }
    }

    fn integer(&mut self) -> Result<i64> {
        let value: i64 = self.text().trim().parse().or_else(|_| self.invalid())?;
        match self.schema.kind {
            Kind::Integer(bits)
                if bits < 64 && value.unsigned_abs() >> (bits - 1) > 0 && value != -(1 << (bits - 1)) =>
            {
                self.invalid()
            }
            _ => Ok(value),
        }
    }

    fn double(&mut self) -> Result<f64> {
        match self.text().trim() {
            "Infinity" => Ok(f64::INFINITY),
            "-Infinity" => Ok(f64::NEG_INFINITY),
            text => text.parse().or_else(|_| self.invalid()),
        }
    }

    fn string(&mut self) -> Result<String> {
        if self.member.json_value {
            let decoded = STANDARD.decode(self.text()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            return decoded.map_or_else(|| self.invalid(), Ok);
        }
        Ok(self.text().to_owned())
    }

    fn blob(&mut self) -> Result<Bytes> {
        STANDARD.decode(self.text()).map(Bytes::from).or_else(|_| self.invalid())
    }

    fn timestamp(&mut self) -> Result<Timestamp> {
        Timestamp::parse(self.text()).map_or_else(|| self.invalid(), Ok)
    }

    fn document(&mut self) -> Result<serde_json::Value> {
        serde_json::from_str(self.text()).or_else(|_| self.invalid())
    }

    fn structure(&mut self, _: EachMember<'_>) -> Result {
        self.invalid()
    }

    fn list(&mut self, each: EachElement<'_>) -> Result {
        let Kind::List(element) = &self.schema.kind else { return self.invalid() };
        for text in self.texts {
            let texts = std::slice::from_ref(text);
            each(&mut TextDecoder { member: self.member, schema: element.schema, texts })?;
        }
        Ok(())
    }

    fn map(&mut self, _: EachEntry<'_>) -> Result {
        self.invalid()
    }
}

/// Splits a header into the values of a list. HTTP dates contain a comma themselves; quoted values may.
pub fn split_header(value: &str, element: &Member) -> Vec<String> {
    if element.schema.kind_is_timestamp()
        && element.timestamp_or(TimestampFormat::HttpDate) == TimestampFormat::HttpDate
    {
        let parts: Vec<&str> = value.split(',').collect();
        return parts.chunks(2).map(|pair| pair.join(",").trim().to_owned()).collect();
    }
    let mut values = Vec::new();
    let mut chars = value.chars().peekable();
    while chars.peek().is_some() {
        while chars.next_if(|c| *c == ' ' || *c == '\t').is_some() {}
        let mut text = String::new();
        if chars.next_if_eq(&'"').is_some() {
            while let Some(c) = chars.next() {
                match c {
                    '"' => break,
                    '\\' => text.extend(chars.next()),
                    _ => text.push(c),
                }
            }
            while chars.next_if(|c| *c != ',').is_some() {}
        } else {
            while let Some(c) = chars.next_if(|c| *c != ',') {
                text.push(c);
            }
            text.truncate(text.trim_end().len());
        }
        values.push(text);
        chars.next();
    }
    values
}

/// Joins the values of a list into a header.
pub fn join_header(values: &[String], element: &Member) -> String {
    let quote = matches!(element.schema.kind, Kind::String | Kind::Enum(_));
    let parts: Vec<String> = values
        .iter()
        .map(|value| {
            if quote && (value.contains(',') || value.contains('"')) {
                format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
            } else {
                value.clone()
            }
        })
        .collect();
    parts.join(", ")
}

impl Schema {
    fn kind_is_timestamp(&self) -> bool {
        matches!(self.kind, Kind::Timestamp)
    }
}
