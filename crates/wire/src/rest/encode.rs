//! Writes a REST message, request or response, along a schema.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::BodyFormat;
use super::text::join_header;
use crate::codec::Encoder;
use crate::json::{JsonEncoder, Names};
use crate::schema::{Kind, Location, Member, Schema, TimestampFormat};
use crate::stream::ByteStream;
use crate::timestamp::Timestamp;
use crate::xml::XmlEncoder;

/// What the encoder produced.
#[derive(Debug, Default)]
pub struct Parts {
    pub labels: Vec<(&'static str, String)>,
    pub query: Vec<(String, String)>,
    pub headers: Vec<(String, String)>,
    pub status: Option<u16>,
    pub body: Option<Vec<u8>>,
    pub stream: Option<ByteStream>,
    /// The content type that the body's kind implies.
    pub content_type: Option<&'static str>,
}

enum Body {
    Json(JsonEncoder),
    Xml(XmlEncoder),
}

/// Where the value of the member at hand goes.
#[derive(Clone, Copy)]
enum Target {
    Body,
    /// The payload is the bytes themselves.
    Raw,
    Text(&'static Member),
}

pub struct RestEncoder {
    schema: &'static Schema,
    format: BodyFormat,
    xml_root: (&'static str, Option<&'static str>),
    parts: Parts,
    body: Option<Body>,
    target: Target,
    depth: usize,
    /// Times in a body of XML always show milliseconds.
    milliseconds: bool,
    /// Texts of the member at hand.
    texts: Vec<String>,
    key: String,
}

impl RestEncoder {
    /// `xml_root` names the root element, and its namespace, of a body in XML that is not a payload member.
    pub fn new(schema: &'static Schema, format: BodyFormat, xml_root: (&'static str, Option<&'static str>)) -> Self {
        RestEncoder {
            schema,
            format,
            xml_root,
            parts: Parts::default(),
            body: None,
            target: Target::Body,
            depth: 0,
            milliseconds: false,
            texts: Vec::new(),
            key: String::new(),
        }
    }

    /// As S3 writes times.
    pub fn with_milliseconds(mut self, milliseconds: bool) -> Self {
        self.milliseconds = milliseconds;
        self
    }

    pub fn finish(self) -> Parts {
        let mut parts = self.parts;
        if let Some(body) = self.body {
            parts.content_type = Some(match body {
                Body::Json(_) => "application/json",
                Body::Xml(_) => "application/xml",
            });
            parts.body = Some(match body {
                Body::Json(json) => json.finish(),
                Body::Xml(xml) => format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}", xml.finish()).into_bytes(),
            });
        }
        parts
    }

    fn open_body(&mut self, schema: &'static Schema, root: (&'static str, Option<&'static str>)) {
        self.body = Some(match self.format {
            BodyFormat::Json => Body::Json(JsonEncoder::new(schema, Names::Wire)),
            BodyFormat::Xml => Body::Xml(XmlEncoder::new(schema, root.0, root.1).with_milliseconds(self.milliseconds)),
        });
    }

    fn inner(&mut self) -> Option<&mut dyn Encoder> {
        match &mut self.body {
            Some(Body::Json(json)) => Some(json),
            Some(Body::Xml(xml)) => Some(xml),
            None => None,
        }
    }

    /// Passes the call to the body's encoder, or takes the text.
    fn scalar(&mut self, text: impl FnOnce() -> String, write: impl FnOnce(&mut dyn Encoder)) {
        match self.target {
            Target::Body => self.inner().map(write).unwrap_or_default(),
            Target::Raw => self.parts.body = Some(text().into_bytes()),
            Target::Text(_) => self.texts.push(text()),
        }
        self.flush_unless_nested();
    }

    /// A scalar that is not inside a list or map is the whole member.
    fn flush_unless_nested(&mut self) {
        if self.depth == 1 {
            self.flush();
        }
    }

    /// Binds the texts of the member at hand.
    fn flush(&mut self) {
        let Target::Text(member) = self.target else { return };
        let texts = std::mem::take(&mut self.texts);
        let name = member.wire_name();
        match member.location {
            Location::Uri => self.parts.labels.extend(texts.into_iter().map(|text| (name, text))),
            Location::Query => self.parts.query.extend(texts.into_iter().map(|text| (name.to_owned(), text))),
            Location::Header => {
                let value = match &member.schema.kind {
                    Kind::List(element) => join_header(&texts, element),
                    _ => texts.concat(),
                };
                self.parts.headers.push((name.to_owned(), value));
            }
            Location::StatusCode => self.parts.status = texts.first().and_then(|text| text.parse().ok()),
            Location::Headers | Location::QueryMap | Location::Body | Location::Payload => {}
        }
    }

    fn delegate(&mut self, write: impl FnOnce(&mut dyn Encoder)) {
        if let (Target::Body, Some(inner)) = (self.target, self.inner()) {
            write(inner);
        }
    }
}

impl Encoder for RestEncoder {
    fn boolean(&mut self, value: bool) {
        self.scalar(|| value.to_string(), |inner| inner.boolean(value));
    }
    fn integer(&mut self, value: i64) {
        self.scalar(|| value.to_string(), |inner| inner.integer(value));
    }
    fn float(&mut self, value: f32) {
        self.scalar(|| float_text(f64::from(value), format!("{value:?}")), |inner| inner.float(value));
    }
    fn double(&mut self, value: f64) {
        self.scalar(|| float_text(value, format!("{value:?}")), |inner| inner.double(value));
    }
    fn string(&mut self, value: &str) {
        let json_value = matches!(self.target, Target::Text(member) if member.json_value);
        let text = || if json_value { STANDARD.encode(value) } else { value.to_owned() };
        self.scalar(text, |inner| inner.string(value));
    }
    fn blob(&mut self, value: &[u8]) {
        if let Target::Raw = self.target {
            self.parts.body = Some(value.to_vec());
            return;
        }
        self.scalar(|| STANDARD.encode(value), |inner| inner.blob(value));
    }
    fn timestamp(&mut self, value: Timestamp) {
        let format = match self.target {
            Target::Text(member) => {
                let default = match member.location {
                    Location::Header | Location::Headers => TimestampFormat::HttpDate,
                    _ => TimestampFormat::Iso8601,
                };
                let element = match &member.schema.kind {
                    Kind::List(element) => element,
                    _ => member,
                };
                element.timestamp_or(default)
            }
            _ => TimestampFormat::EpochSeconds,
        };
        self.scalar(|| value.format(format), |inner| inner.timestamp(value));
    }
    fn document(&mut self, value: &serde_json::Value) {
        self.scalar(|| value.to_string(), |inner| inner.document(value));
    }
    fn null(&mut self) {
        if self.depth > 1 || matches!(self.target, Target::Body) {
            self.delegate(|inner| inner.null());
        }
    }
    fn stream(&mut self, value: &ByteStream) {
        self.parts.stream = Some(value.clone());
    }

    fn begin_structure(&mut self) {
        self.depth += 1;
        if self.depth > 1 {
            self.delegate(|inner| inner.begin_structure());
            return;
        }
        let has_body = self.schema.members().iter().any(|member| member.location == Location::Body);
        if has_body && self.schema.payload().is_none() {
            self.open_body(self.schema, self.xml_root);
            self.delegate(|inner| inner.begin_structure());
        }
    }

    fn member(&mut self, index: usize) {
        if self.depth > 1 {
            self.delegate(|inner| inner.member(index));
            return;
        }
        let Some(member) = self.schema.members().get(index) else { return };
        self.target = match member.location {
            Location::Body => Target::Body,
            Location::Payload => {
                match member.schema.kind {
                    Kind::Blob => self.parts.content_type = Some("application/octet-stream"),
                    // S3's LocationConstraint: a document of one element.
                    Kind::Enum(_) if self.format == BodyFormat::Xml => {
                        let root = member.wire_name.unwrap_or(member.name);
                        self.open_body(member.schema, (root, self.xml_root.1));
                    }
                    Kind::String | Kind::Enum(_) => self.parts.content_type = Some("text/plain"),
                    _ => {
                        let root = member.schema.xml_name.or(member.wire_name).unwrap_or(member.schema.name);
                        let namespace = member.xml_namespace.or(member.schema.xml_namespace).map(|(_, uri)| uri);
                        self.open_body(member.schema, (root, namespace.or(self.xml_root.1)));
                    }
                }
                if self.body.is_some() { Target::Body } else { Target::Raw }
            }
            _ => Target::Text(member),
        };
        if member.location == Location::Body {
            self.delegate(|inner| inner.member(index));
        }
    }

    fn end_structure(&mut self) {
        self.depth -= 1;
        if self.depth > 0 {
            self.delegate(|inner| inner.end_structure());
            return;
        }
        self.target = Target::Body;
        if self.schema.payload().is_none() {
            self.delegate(|inner| inner.end_structure());
        }
    }

    fn begin_list(&mut self, len: usize) {
        self.depth += 1;
        self.delegate(|inner| inner.begin_list(len));
    }
    fn element(&mut self) {
        self.delegate(|inner| inner.element());
    }
    fn end_list(&mut self) {
        self.depth -= 1;
        self.delegate(|inner| inner.end_list());
        if let Target::Text(member) = self.target {
            match member.location {
                Location::QueryMap => {
                    let key = self.key.clone();
                    let texts = std::mem::take(&mut self.texts);
                    self.parts.query.extend(texts.into_iter().map(|text| (key.clone(), text)));
                }
                _ => self.flush_unless_nested(),
            }
        }
    }
    fn begin_map(&mut self, len: usize) {
        self.depth += 1;
        self.delegate(|inner| inner.begin_map(len));
    }
    fn key(&mut self, key: &str) {
        self.bind_pair();
        self.key = key.to_owned();
        self.delegate(|inner| inner.key(key));
    }
    fn end_map(&mut self) {
        self.bind_pair();
        self.depth -= 1;
        self.delegate(|inner| inner.end_map());
    }
}

impl RestEncoder {
    /// Binds the last entry of a map of headers or query parameters.
    fn bind_pair(&mut self) {
        let Target::Text(member) = self.target else { return };
        let key = std::mem::take(&mut self.key);
        for text in std::mem::take(&mut self.texts) {
            match member.location {
                Location::Headers => {
                    self.parts.headers.push((format!("{}{key}", member.wire_name.unwrap_or_default()), text));
                }
                _ => self.parts.query.push((key.clone(), text)),
            }
        }
    }
}

fn float_text(value: f64, finite: String) -> String {
    match value {
        value if value.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "Infinity".to_owned(),
        f64::NEG_INFINITY => "-Infinity".to_owned(),
        _ => finite,
    }
}
