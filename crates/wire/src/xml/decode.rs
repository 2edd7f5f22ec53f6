//! Reads XML along a schema.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::tree::Node;
use crate::codec::{DecodeError, Decoder, EachElement, EachEntry, EachMember, Result};
use crate::schema::{Kind, Location, Schema};
use crate::timestamp::Timestamp;

/// Decodes a whole document whose root is the value; the root's name is not looked at. An empty text reads as an
/// empty structure.
pub fn decode<T>(body: &[u8], schema: &'static Schema, read: impl FnOnce(&mut dyn Decoder) -> Result<T>) -> Result<T> {
    let root = if body.is_empty() { Node::default() } else { Node::parse(body)? };
    read(&mut XmlDecoder::new(&root, schema))
}

/// One value: an element, an attribute, or the elements of a flattened list or map.
pub struct XmlDecoder<'a> {
    schema: &'static Schema,
    place: Place<'a>,
}

enum Place<'a> {
    Element(&'a Node),
    Attribute(&'a str),
    /// The children of a parent that bear a name.
    Flattened(&'a Node, &'static str),
}

impl<'a> XmlDecoder<'a> {
    pub fn new(node: &'a Node, schema: &'static Schema) -> Self {
        XmlDecoder { schema, place: Place::Element(node) }
    }

    fn text(&self) -> &'a str {
        match self.place {
            Place::Element(node) => &node.text,
            Place::Attribute(text) => text,
            Place::Flattened(..) => "",
        }
    }

    fn parse<T: std::str::FromStr>(&self, wanted: &str) -> Result<T> {
        let text = self.text().trim();
        text.parse().map_err(|_| DecodeError::Type(format!("'{text}' is not a valid {wanted}")))
    }

    fn children(&self, element: &'static str) -> impl Iterator<Item = &'a Node> + use<'a> {
        let (parent, name) = match self.place {
            Place::Element(node) => (Some(node), element),
            Place::Flattened(parent, name) => (Some(parent), name),
            Place::Attribute(_) => (None, element),
        };
        parent.into_iter().flat_map(|node| &node.children).filter(move |child| child.name == name)
    }
}

impl Decoder for XmlDecoder<'_> {
    fn schema(&self) -> &'static Schema {
        self.schema
    }

    fn boolean(&mut self) -> Result<bool> {
        match self.text().trim() {
            "true" | "TRUE" | "True" | "1" => Ok(true),
            "false" | "FALSE" | "False" | "0" => Ok(false),
            text => Err(DecodeError::Type(format!("'{text}' is not a valid boolean"))),
        }
    }

    fn integer(&mut self) -> Result<i64> {
        self.parse("integer")
    }

    fn double(&mut self) -> Result<f64> {
        match self.text().trim() {
            "Infinity" => Ok(f64::INFINITY),
            "-Infinity" => Ok(f64::NEG_INFINITY),
            _ => self.parse("number"),
        }
    }

    fn string(&mut self) -> Result<String> {
        Ok(self.text().to_owned())
    }

    fn blob(&mut self) -> Result<Bytes> {
        STANDARD
            .decode(self.text().trim())
            .map(Bytes::from)
            .map_err(|_| DecodeError::Type("Invalid base64 data".to_owned()))
    }

    fn timestamp(&mut self) -> Result<Timestamp> {
        let text = self.text();
        Timestamp::parse(text).ok_or_else(|| DecodeError::Type(format!("'{text}' is not a valid timestamp")))
    }

    fn document(&mut self) -> Result<serde_json::Value> {
        Err(DecodeError::Type("documents do not travel in XML".to_owned()))
    }

    fn structure(&mut self, each: EachMember<'_>) -> Result {
        let Place::Element(node) = self.place else { return Ok(()) };
        for (index, member) in self.schema.members().iter().enumerate() {
            if !matches!(member.location, Location::Body | Location::Payload) {
                continue;
            }
            let name = member.wire_name();
            let place = if member.xml_attribute {
                node.attribute(name).map(Place::Attribute)
            } else if member.is_flattened() && matches!(member.schema.kind, Kind::List(_) | Kind::Map(..)) {
                node.child(name).map(|_| Place::Flattened(node, name))
            } else {
                node.child(name).map(Place::Element)
            };
            if let Some(place) = place {
                each(index, &mut XmlDecoder { schema: member.schema, place })?;
            }
        }
        Ok(())
    }

    fn list(&mut self, each: EachElement<'_>) -> Result {
        let Kind::List(element) = &self.schema.kind else { return Ok(()) };
        for child in self.children(element.wire_name.unwrap_or("member")) {
            each(&mut XmlDecoder { schema: element.schema, place: Place::Element(child) })?;
        }
        Ok(())
    }

    fn map(&mut self, each: EachEntry<'_>) -> Result {
        let Kind::Map(key, value) = &self.schema.kind else { return Ok(()) };
        for entry in self.children("entry") {
            let name = entry.child(key.wire_name.unwrap_or("key")).map_or("", |node| &node.text);
            if let Some(node) = entry.child(value.wire_name.unwrap_or("value")) {
                each(name.to_owned(), &mut XmlDecoder { schema: value.schema, place: Place::Element(node) })?;
            }
        }
        Ok(())
    }
}
