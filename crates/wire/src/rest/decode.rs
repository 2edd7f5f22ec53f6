//! Reads a REST message, request or response, along a schema.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};

use super::BodyFormat;
use super::text::{TextDecoder, split_header};
use crate::codec::{DecodeError, Decoder, EachEntry, EachMember, Result};
use crate::json::{self, Names};
use crate::schema::{Kind, Location, Member, Schema};
use crate::stream::ByteStream;
use crate::xml;

/// The parts of a message that members are bound to.
pub struct Message<'a> {
    pub labels: &'a [(&'static str, String)],
    pub query: &'a [(String, String)],
    pub headers: &'a HeaderMap,
    pub status: u16,
    /// The body where it is at hand. Streaming members take `stream`.
    pub body: &'a [u8],
    pub stream: Option<ByteStream>,
    pub format: BodyFormat,
}

/// Decodes the structure whose members are spread over the message.
pub fn decode<T>(
    message: Message<'_>,
    schema: &'static Schema,
    read: impl FnOnce(&mut dyn Decoder) -> Result<T>,
) -> Result<T> {
    let sieve = message.headers.keys().fold(0, |sieve, name| sieve | trace(name.as_str()));
    read(&mut RestDecoder { schema, message, sieve })
}

struct RestDecoder<'a> {
    schema: &'static Schema,
    message: Message<'a>,
    /// The traces of the headers that are there. Requests of S3 have forty members that are headers and bring ten.
    sieve: u64,
}

/// One bit that tells most names from one another.
fn trace(name: &str) -> u64 {
    let last = name.as_bytes().last().copied().unwrap_or_default().to_ascii_lowercase();
    1 << ((name.len() as u64 * 7 + u64::from(last)) % 64)
}

impl RestDecoder<'_> {
    fn texts(&self, member: &'static Member) -> Vec<String> {
        let name = member.wire_name();
        match member.location {
            Location::Uri => {
                self.message.labels.iter().filter(|(key, _)| *key == name).map(|(_, value)| value.clone()).collect()
            }
            Location::Query => {
                self.message.query.iter().filter(|(key, _)| key == name).map(|(_, value)| value.clone()).collect()
            }
            Location::Header if self.sieve & trace(name) == 0 => Vec::new(),
            Location::Header => {
                let values = self.message.headers.get_all(name).iter();
                let values = values.map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned());
                match &member.schema.kind {
                    Kind::List(element) => values.flat_map(|value| split_header(&value, element)).collect(),
                    _ => values.take(1).collect(),
                }
            }
            Location::StatusCode => vec![self.message.status.to_string()],
            _ => Vec::new(),
        }
    }

    /// All query parameters, as a Smithy server sees them, or the headers with the member's prefix.
    fn pairs(&self, member: &'static Member) -> Vec<(String, String)> {
        if member.location == Location::QueryMap {
            return self.message.query.to_vec();
        }
        let prefix = member.wire_name.unwrap_or_default().to_ascii_lowercase();
        // The bytes of free headers are Latin-1; a repeated one has all its values.
        let text = |name| {
            let values = self.message.headers.get_all(name).iter();
            let text = |value: &HeaderValue| value.as_bytes().iter().copied().map(char::from).collect::<String>();
            values.map(text).collect::<Vec<_>>().join(",")
        };
        let names = self.message.headers.keys();
        names.filter_map(|name| Some((name.as_str().strip_prefix(&prefix)?.to_owned(), text(name)))).collect()
    }

    fn payload(&mut self, index: usize, member: &'static Member, each: EachMember<'_>) -> Result {
        if member.streaming {
            let stream = self.message.stream.take();
            let stream = stream.unwrap_or_else(|| ByteStream::from(Bytes::copy_from_slice(self.message.body)));
            return each(index, &mut RawDecoder { schema: member.schema, stream });
        }
        if self.message.body.is_empty() {
            return Ok(());
        }
        match member.schema.kind {
            // S3's LocationConstraint: a document of one element.
            Kind::Enum(_) if self.message.format == BodyFormat::Xml => {
                xml::decode(self.message.body, member.schema, |decoder| each(index, decoder))
            }
            Kind::Blob | Kind::String | Kind::Enum(_) => {
                let stream = ByteStream::from(Bytes::copy_from_slice(self.message.body));
                each(index, &mut RawDecoder { schema: member.schema, stream })
            }
            _ => match self.message.format {
                BodyFormat::Json => {
                    json::decode(self.message.body, member.schema, Names::Wire, |decoder| each(index, decoder))
                }
                BodyFormat::Xml => xml::decode(self.message.body, member.schema, |decoder| each(index, decoder)),
            },
        }
    }
}

impl Decoder for RestDecoder<'_> {
    fn schema(&self) -> &'static Schema {
        self.schema
    }

    fn structure(&mut self, each: EachMember<'_>) -> Result {
        let mut has_body = false;
        for (index, member) in self.schema.members().iter().enumerate() {
            match member.location {
                Location::Body => has_body = true,
                Location::Payload => self.payload(index, member, each)?,
                Location::QueryMap | Location::Headers => {
                    let pairs = self.pairs(member);
                    if !pairs.is_empty() {
                        each(index, &mut PairsDecoder { member, pairs })?;
                    }
                }
                _ => {
                    let texts = self.texts(member);
                    if !texts.is_empty() {
                        each(index, &mut TextDecoder { member, schema: member.schema, texts: &texts })?;
                    }
                }
            }
        }
        if has_body && !self.message.body.is_empty() {
            match self.message.format {
                BodyFormat::Json => {
                    json::decode(self.message.body, self.schema, Names::Wire, |decoder| decoder.structure(each))?;
                }
                BodyFormat::Xml => xml::decode(self.message.body, self.schema, |decoder| decoder.structure(each))?,
            }
        }
        Ok(())
    }
}

/// The whole body as it is.
struct RawDecoder {
    schema: &'static Schema,
    stream: ByteStream,
}

impl Decoder for RawDecoder {
    fn schema(&self) -> &'static Schema {
        self.schema
    }
    fn string(&mut self) -> Result<String> {
        let bytes = self.stream.bytes().unwrap_or_default();
        String::from_utf8(bytes.to_vec()).map_err(|error| DecodeError::Malformed(error.to_string()))
    }
    fn blob(&mut self) -> Result<Bytes> {
        Ok(self.stream.bytes().unwrap_or_default())
    }
    fn stream(&mut self) -> Result<ByteStream> {
        Ok(self.stream.clone())
    }
}

/// A map spread over headers or query parameters; repeated keys make up a list where the value is one.
struct PairsDecoder {
    member: &'static Member,
    pairs: Vec<(String, String)>,
}

impl Decoder for PairsDecoder {
    fn schema(&self) -> &'static Schema {
        self.member.schema
    }
    fn map(&mut self, each: EachEntry<'_>) -> Result {
        let Kind::Map(_, value) = &self.member.schema.kind else { return Ok(()) };
        let mut keys: Vec<&String> = Vec::new();
        for (key, _) in &self.pairs {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        for key in keys {
            let texts: Vec<String> =
                self.pairs.iter().filter(|(name, _)| name == key).map(|(_, text)| text.clone()).collect();
            each(key.clone(), &mut TextDecoder { member: self.member, schema: value.schema, texts: &texts })?;
        }
        Ok(())
    }
}
