//! Reads CBOR along a schema.

use bytes::Bytes;
use minicbor::data::{Tag, Type};
use minicbor::decode::Decoder as Cbor;

use crate::codec::{DecodeError, Decoder, EachElement, EachEntry, EachMember, MAX_DEPTH, Result};
use crate::schema::{Kind, Schema};
use crate::timestamp::Timestamp;

/// Decodes one CBOR item. An empty text reads as an empty structure.
pub fn decode<T>(body: &[u8], schema: &'static Schema, read: impl FnOnce(&mut dyn Decoder) -> Result<T>) -> Result<T> {
    const EMPTY_MAP: &[u8] = &[0xa0];
    let mut cbor = Cbor::new(if body.is_empty() { EMPTY_MAP } else { body });
    let value = read(&mut CborDecoder { cbor: &mut cbor, schema, depth: 0 })?;
    if cbor.position() < cbor.input().len() {
        return Err(DecodeError::Malformed("bytes after the end of the value".to_owned()));
    }
    Ok(value)
}

struct CborDecoder<'a, 'b> {
    cbor: &'a mut Cbor<'b>,
    schema: &'static Schema,
    depth: usize,
}

impl From<minicbor::decode::Error> for DecodeError {
    fn from(error: minicbor::decode::Error) -> Self {
        if error.is_type_mismatch() {
            DecodeError::Type(error.to_string())
        } else {
            DecodeError::Malformed(error.to_string())
        }
    }
}

impl CborDecoder<'_, '_> {
    fn wrong(&mut self, found: Type) -> DecodeError {
        DecodeError::Type(format!("{found} cannot be converted to {}", self.schema.name))
    }

    fn text(&mut self) -> Result<String> {
        match self.cbor.datatype()? {
            Type::String => Ok(self.cbor.str()?.to_owned()),
            Type::StringIndef => Ok(self.cbor.str_iter()?.collect::<std::result::Result<String, _>>()?),
            other => Err(self.wrong(other)),
        }
    }

    /// True, once, for each further part of an array or map of `remaining` parts; `None` is an indefinite one.
    fn more(&mut self, remaining: &mut Option<u64>) -> Result<bool> {
        match remaining {
            Some(0) => Ok(false),
            Some(count) => {
                *count -= 1;
                Ok(true)
            }
            None if self.cbor.datatype()? == Type::Break => {
                self.cbor.skip()?;
                Ok(false)
            }
            None => Ok(true),
        }
    }

    fn deeper(&self) -> Result<usize> {
        if self.depth >= MAX_DEPTH {
            return Err(DecodeError::Limit("CBOR nests too deeply".to_owned()));
        }
        Ok(self.depth + 1)
    }
}

impl Decoder for CborDecoder<'_, '_> {
    fn schema(&self) -> &'static Schema {
        self.schema
    }

    fn null(&mut self) -> bool {
        let null = matches!(self.cbor.datatype(), Ok(Type::Null | Type::Undefined));
        null && self.cbor.skip().is_ok()
    }

    fn boolean(&mut self) -> Result<bool> {
        Ok(self.cbor.bool()?)
    }

    fn integer(&mut self) -> Result<i64> {
        match self.cbor.datatype()? {
            Type::F16 | Type::F32 | Type::F64 => {
                let value = self.double()?;
                if value.fract() != 0.0 || value.abs() >= 9.2e18 {
                    return Err(self.wrong(Type::F64));
                }
                Ok(value as i64)
            }
            _ => Ok(self.cbor.i64()?),
        }
    }

    fn double(&mut self) -> Result<f64> {
        match self.cbor.datatype()? {
            Type::F16 | Type::F32 | Type::F64 => Ok(self.cbor.f64()?),
            _ => Ok(self.cbor.i64()? as f64),
        }
    }

    fn string(&mut self) -> Result<String> {
        self.text()
    }

    fn blob(&mut self) -> Result<Bytes> {
        match self.cbor.datatype()? {
            Type::Bytes => Ok(Bytes::copy_from_slice(self.cbor.bytes()?)),
            Type::BytesIndef => {
                let mut all = Vec::new();
                for chunk in self.cbor.bytes_iter()? {
                    all.extend_from_slice(chunk?);
                }
                Ok(Bytes::from(all))
            }
            other => Err(self.wrong(other)),
        }
    }

    fn timestamp(&mut self) -> Result<Timestamp> {
        if self.cbor.datatype()? == Type::Tag && self.cbor.tag()? != Tag::new(1) {
            return Err(self.wrong(Type::Tag));
        }
        let seconds = self.double()?;
        Timestamp::from_secs_f64(seconds).ok_or_else(|| self.wrong(Type::F64))
    }

    fn document(&mut self) -> Result<serde_json::Value> {
        Err(DecodeError::Type("documents do not travel in CBOR".to_owned()))
    }

    fn structure(&mut self, each: EachMember<'_>) -> Result {
        let depth = self.deeper()?;
        let members = self.schema.members();
        let mut remaining = self.cbor.map()?;
        while self.more(&mut remaining)? {
            let name = self.text()?;
            let member = members.iter().enumerate().find(|(_, member)| member.name == name);
            match member {
                Some((index, member)) if !matches!(self.cbor.datatype()?, Type::Null | Type::Undefined) => {
                    each(index, &mut CborDecoder { cbor: self.cbor, schema: member.schema, depth })?;
                }
                _ => self.cbor.skip()?,
            }
        }
        Ok(())
    }

    fn list(&mut self, each: EachElement<'_>) -> Result {
        let depth = self.deeper()?;
        let Kind::List(element) = &self.schema.kind else { return Err(self.wrong(Type::Array)) };
        let mut remaining = self.cbor.array()?;
        while self.more(&mut remaining)? {
            each(&mut CborDecoder { cbor: self.cbor, schema: element.schema, depth })?;
        }
        Ok(())
    }

    fn map(&mut self, each: EachEntry<'_>) -> Result {
        let depth = self.deeper()?;
        let Kind::Map(_, value) = &self.schema.kind else { return Err(self.wrong(Type::Map)) };
        let mut remaining = self.cbor.map()?;
        while self.more(&mut remaining)? {
            let key = self.text()?;
            each(key, &mut CborDecoder { cbor: self.cbor, schema: value.schema, depth })?;
        }
        Ok(())
    }
}
