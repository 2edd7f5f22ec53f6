//! Writes CBOR along a schema. Structures are of indefinite length, lists and maps of definite length.

use minicbor::data::Tag;
use minicbor::encode::Encoder as Cbor;

use crate::codec::Encoder;
use crate::schema::{Kind, Schema};
use crate::stream::ByteStream;
use crate::timestamp::Timestamp;

pub struct CborEncoder {
    cbor: Cbor<Vec<u8>>,
    stack: Vec<&'static Schema>,
    next: &'static Schema,
}

/// Writing to a `Vec` cannot fail, so the results of the underlying encoder carry nothing.
macro_rules! write {
    ($self:ident.$method:ident($($argument:expr),*)) => {{
        let _ = $self.cbor.$method($($argument),*);
    }};
}

impl CborEncoder {
    pub fn new(schema: &'static Schema) -> Self {
        CborEncoder { cbor: Cbor::new(Vec::new()), stack: Vec::new(), next: schema }
    }

    pub fn finish(self) -> Vec<u8> {
        self.cbor.into_writer()
    }
}

impl Encoder for CborEncoder {
    fn boolean(&mut self, value: bool) {
        write!(self.bool(value));
    }
    fn integer(&mut self, value: i64) {
        write!(self.i64(value));
    }
    fn float(&mut self, value: f32) {
        write!(self.f32(value));
    }
    fn double(&mut self, value: f64) {
        write!(self.f64(value));
    }
    fn string(&mut self, value: &str) {
        write!(self.str(value));
    }
    fn blob(&mut self, value: &[u8]) {
        write!(self.bytes(value));
    }
    fn timestamp(&mut self, value: Timestamp) {
        write!(self.tag(Tag::new(1)));
        if value.millis() % 1000 == 0 {
            write!(self.i64(value.secs()));
        } else {
            write!(self.f64(value.millis() as f64 / 1000.0));
        }
    }
    fn document(&mut self, value: &serde_json::Value) {
        write!(self.str(&value.to_string()));
    }
    fn null(&mut self) {
        write!(self.null());
    }
    fn stream(&mut self, value: &ByteStream) {
        write!(self.bytes(&value.bytes().unwrap_or_default()));
    }
    fn begin_structure(&mut self) {
        self.stack.push(self.next);
        write!(self.begin_map());
    }
    fn member(&mut self, index: usize) {
        if let Some(member) = self.stack.last().and_then(|schema| schema.members().get(index)) {
            write!(self.str(member.name));
            self.next = member.schema;
        }
    }
    fn end_structure(&mut self) {
        self.stack.pop();
        write!(self.end());
    }
    fn begin_list(&mut self, len: usize) {
        self.stack.push(self.next);
        write!(self.array(len as u64));
    }
    fn element(&mut self) {
        if let Some(Kind::List(element)) = self.stack.last().map(|schema| &schema.kind) {
            self.next = element.schema;
        }
    }
    fn end_list(&mut self) {
        self.stack.pop();
    }
    fn begin_map(&mut self, len: usize) {
        self.stack.push(self.next);
        write!(self.map(len as u64));
    }
    fn key(&mut self, key: &str) {
        write!(self.str(key));
        if let Some(Kind::Map(_, value)) = self.stack.last().map(|schema| &schema.kind) {
            self.next = value.schema;
        }
    }
    fn end_map(&mut self) {
        self.stack.pop();
    }
}
