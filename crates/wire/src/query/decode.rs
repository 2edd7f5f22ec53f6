//! Reads a form along a schema.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::params::Params;
use super::{Dialect, capitalized};
use crate::codec::{DecodeError, Decoder, EachElement, EachEntry, EachMember, Result};
use crate::schema::{Kind, Schema};
use crate::timestamp::Timestamp;

/// Decodes the parameters of one request.
pub fn decode<T>(
    params: &Params,
    schema: &'static Schema,
    dialect: Dialect,
    read: impl FnOnce(&mut dyn Decoder) -> Result<T>,
) -> Result<T> {
    read(&mut QueryDecoder { schema, params, dialect, flattened: false })
}

struct QueryDecoder<'a> {
    schema: &'static Schema,
    params: &'a Params,
    dialect: Dialect,
    flattened: bool,
}

impl<'a> QueryDecoder<'a> {
    fn text(&self) -> &'a str {
        self.params.value.as_deref().unwrap_or("")
    }

    fn at(&self, params: &'a Params, schema: &'static Schema) -> QueryDecoder<'a> {
        QueryDecoder { schema, params, dialect: self.dialect, flattened: schema.flattened }
    }

    fn parse<T: std::str::FromStr>(&self) -> Result<T> {
        self.text().parse().map_err(|_| self.invalid())
    }

    fn invalid(&self) -> DecodeError {
        DecodeError::Type(format!("Invalid value '{}' for {}", self.text(), self.schema.name))
    }
}

impl Decoder for QueryDecoder<'_> {
    fn schema(&self) -> &'static Schema {
        self.schema
    }

    fn boolean(&mut self) -> Result<bool> {
        match self.text() {
            text if text.eq_ignore_ascii_case("true") => Ok(true),
            text if text.eq_ignore_ascii_case("false") => Ok(false),
            _ => Err(self.invalid()),
        }
    }

    fn integer(&mut self) -> Result<i64> {
        self.parse()
    }

    fn double(&mut self) -> Result<f64> {
        self.parse()
    }

    fn string(&mut self) -> Result<String> {
        Ok(self.text().to_owned())
    }

    fn blob(&mut self) -> Result<Bytes> {
        STANDARD.decode(self.text()).map(Bytes::from).map_err(|_| self.invalid())
    }

    fn timestamp(&mut self) -> Result<Timestamp> {
        Timestamp::parse(self.text()).ok_or_else(|| self.invalid())
    }

    fn document(&mut self) -> Result<serde_json::Value> {
        Err(self.invalid())
    }

    fn structure(&mut self, each: EachMember<'_>) -> Result {
        for (index, member) in self.schema.members().iter().enumerate() {
            let (name, flattened) = self.dialect.name(member);
            if let Some(params) = self.params.child(&name) {
                let mut decoder = self.at(params, member.schema);
                decoder.flattened = flattened;
                each(index, &mut decoder)?;
            }
        }
        Ok(())
    }

    fn list(&mut self, each: EachElement<'_>) -> Result {
        let Kind::List(element) = &self.schema.kind else { return Err(self.invalid()) };
        let flattened = self.flattened || self.dialect == Dialect::Ec2;
        let holder = if flattened {
            Some(self.params)
        } else {
            // Old clients number the entries of any list without the element's name in between.
            let name = element.wire_name.unwrap_or("member");
            self.params.child(name).or_else(|| self.params.child(&capitalized(name))).or(Some(self.params))
        };
        for params in holder.map(Params::numbered).unwrap_or_default() {
            each(&mut self.at(params, element.schema))?;
        }
        Ok(())
    }

    fn map(&mut self, each: EachEntry<'_>) -> Result {
        let Kind::Map(key, value) = &self.schema.kind else { return Err(self.invalid()) };
        let holder = if self.flattened { Some(self.params) } else { self.params.child("entry") };
        for entry in holder.map(Params::numbered).unwrap_or_default() {
            let name = entry.get(key.wire_name.unwrap_or("key")).unwrap_or_default();
            if let Some(params) = entry.child(value.wire_name.unwrap_or("value")) {
                each(name.to_owned(), &mut self.at(params, value.schema))?;
            }
        }
        Ok(())
    }
}
