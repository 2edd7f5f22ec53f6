//! Values whose type is known only from their schema: for messages about invalid input, for the audit trail and
//! for tests. Typed shapes never pass through here on the way of a good request.

use bytes::Bytes;

use crate::codec::{DecodeError, Decoder, Encoder, Result};
use crate::schema::{Kind, Schema};
use crate::stream::ByteStream;
use crate::timestamp::Timestamp;

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Boolean(bool),
    Integer(i64),
    Double(f64),
    String(String),
    Blob(Bytes),
    Timestamp(Timestamp),
    Document(serde_json::Value),
    Stream(ByteStream),
    List(Vec<Value>),
    Map(Vec<(String, Value)>),
    /// Members by their index in the schema, in the order of the message.
    Structure(Vec<(usize, Value)>),
}

impl Value {
    /// Reads whatever the decoder's schema describes.
    pub fn decode(decoder: &mut dyn Decoder) -> Result<Value> {
        if decoder.null() {
            return Ok(Value::Null);
        }
        let schema = decoder.schema();
        Ok(match &schema.kind {
            Kind::Boolean => Value::Boolean(decoder.boolean()?),
            Kind::Integer(_) => Value::Integer(decoder.integer()?),
            Kind::Float => Value::Double(f64::from(decoder.double()? as f32)),
            Kind::Double => Value::Double(decoder.double()?),
            Kind::String | Kind::Enum(_) => Value::String(decoder.string()?),
            Kind::Blob => Value::Blob(decoder.blob()?),
            Kind::Timestamp => Value::Timestamp(decoder.timestamp()?),
            Kind::Document => Value::Document(decoder.document()?),
            Kind::List(_) => {
                let mut list = Vec::new();
                decoder.list(&mut |element| {
                    list.push(Value::decode(element)?);
                    Ok(())
                })?;
                Value::List(list)
            }
            Kind::Map(..) => {
                let mut map = Vec::new();
                decoder.map(&mut |key, value| {
                    map.push((key, Value::decode(value)?));
                    Ok(())
                })?;
                Value::Map(map)
            }
            Kind::Structure(members) => {
                let mut structure = Vec::new();
                decoder.structure(&mut |index, decoder| {
                    let value = match members.get(index) {
                        Some(member) if member.streaming => Value::Stream(decoder.stream()?),
                        _ => Value::decode(decoder)?,
                    };
                    structure.push((index, value));
                    Ok(())
                })?;
                if schema.union && structure.len() != 1 {
                    return Err(DecodeError::Union { schema: schema.name.to_owned(), members: structure.len() });
                }
                Value::Structure(structure)
            }
        })
    }

    pub fn encode(&self, encoder: &mut dyn Encoder) {
        match self {
            Value::Null => encoder.null(),
            Value::Boolean(value) => encoder.boolean(*value),
            Value::Integer(value) => encoder.integer(*value),
            Value::Double(value) => encoder.double(*value),
            Value::String(value) => encoder.string(value),
            Value::Blob(value) => encoder.blob(value),
            Value::Timestamp(value) => encoder.timestamp(*value),
            Value::Document(value) => encoder.document(value),
            Value::Stream(value) => encoder.stream(value),
            Value::List(list) => {
                encoder.begin_list(list.len());
                for element in list {
                    encoder.element();
                    element.encode(encoder);
                }
                encoder.end_list();
            }
            Value::Map(map) => {
                encoder.begin_map(map.len());
                for (key, value) in map {
                    encoder.key(key);
                    value.encode(encoder);
                }
                encoder.end_map();
            }
            Value::Structure(members) => {
                encoder.begin_structure();
                for (index, value) in members {
                    encoder.member(*index);
                    value.encode(encoder);
                }
                encoder.end_structure();
            }
        }
    }

    /// The member of a structure that has this name in its schema.
    pub fn member(&self, schema: &'static Schema, name: &str) -> Option<&Value> {
        let Value::Structure(members) = self else { return None };
        let index = schema.members().iter().position(|member| member.name == name)?;
        members.iter().find(|(at, _)| *at == index).map(|(_, value)| value)
    }
}
