//! Writes JSON along a schema.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::decode::Names;
use crate::codec::Encoder;
use crate::schema::{Kind, Member, Schema, TimestampFormat};
use crate::stream::ByteStream;
use crate::timestamp::Timestamp;

pub struct JsonEncoder {
    out: Vec<u8>,
    names: Names,
    stack: Vec<Frame>,
    next: &'static Schema,
    format: TimestampFormat,
}

struct Frame {
    schema: &'static Schema,
    empty: bool,
}

impl JsonEncoder {
    pub fn new(schema: &'static Schema, names: Names) -> Self {
        let format = schema.timestamp.unwrap_or(TimestampFormat::EpochSeconds);
        JsonEncoder { out: Vec::with_capacity(256), names, stack: Vec::new(), next: schema, format }
    }

    /// Text already in the buffer stays before what is written next.
    pub fn finish(self) -> Vec<u8> {
        self.out
    }

    fn text(&mut self, text: &str) {
        write_string(&mut self.out, text);
    }

    fn separate(&mut self) {
        if let Some(frame) = self.stack.last_mut() {
            if !frame.empty {
                self.out.push(b',');
            }
            frame.empty = false;
        }
    }

    fn enter(&mut self, member: &'static Member) {
        self.next = member.schema;
        self.format = member.timestamp_or(TimestampFormat::EpochSeconds);
    }

    fn open(&mut self, bracket: u8) {
        self.out.push(bracket);
        self.stack.push(Frame { schema: self.next, empty: true });
    }

    fn close(&mut self, bracket: u8) {
        self.stack.pop();
        self.out.push(bracket);
    }
}

/// How many bytes are looked at together for what needs escaping.
const STRIDE: usize = 32;

/// Without an early exit, so that it is done for all the bytes at once.
fn needs_escape(bytes: &[u8]) -> bool {
    bytes.iter().fold(false, |found, byte| found | (*byte < 0x20) | (*byte == b'"') | (*byte == b'\\'))
}

/// Appends a JSON string literal.
pub fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    if !text.as_bytes().chunks(STRIDE).any(needs_escape) {
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
        return;
    }
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0..0x20 => b"",
            _ => continue,
        };
        out.extend_from_slice(&text.as_bytes()[from..at]);
        if escape.is_empty() {
            out.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
        } else {
            out.extend_from_slice(escape);
        }
        from = at + 1;
    }
    out.extend_from_slice(&text.as_bytes()[from..]);
    out.push(b'"');
}

fn write_double(out: &mut Vec<u8>, value: f64) {
    let text = if value.is_nan() {
        "\"NaN\"".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "\"Infinity\"".to_owned() } else { "\"-Infinity\"".to_owned() }
    } else {
        format!("{value:?}")
    };
    out.extend_from_slice(text.as_bytes());
}

impl Encoder for JsonEncoder {
    fn reserve(&mut self, bytes: usize) {
        self.out.reserve(bytes);
    }

    fn boolean(&mut self, value: bool) {
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
    }

    fn integer(&mut self, value: i64) {
        self.out.extend_from_slice(value.to_string().as_bytes());
    }

    fn float(&mut self, value: f32) {
        if value.is_finite() {
            self.out.extend_from_slice(format!("{value:?}").as_bytes());
        } else {
            write_double(&mut self.out, f64::from(value));
        }
    }

    fn double(&mut self, value: f64) {
        write_double(&mut self.out, value);
    }

    fn string(&mut self, value: &str) {
        self.text(value);
    }

    fn blob(&mut self, value: &[u8]) {
        self.out.push(b'"');
        let (start, room) = (self.out.len(), value.len().div_ceil(3) * 4);
        self.out.resize(start + room, 0);
        // The room is what base64 takes, so it fits.
        let _ = STANDARD.encode_slice(value, &mut self.out[start..]);
        self.out.push(b'"');
    }

    fn timestamp(&mut self, value: Timestamp) {
        let text = value.format(self.format);
        match self.format {
            TimestampFormat::EpochSeconds => self.out.extend_from_slice(text.as_bytes()),
            _ => self.text(&text),
        }
    }

    fn document(&mut self, value: &serde_json::Value) {
        self.out.extend_from_slice(value.to_string().as_bytes());
    }

    fn null(&mut self) {
        self.out.extend_from_slice(b"null");
    }

    fn stream(&mut self, value: &ByteStream) {
        let bytes = value.bytes().unwrap_or_default();
        self.blob(&bytes);
    }

    fn begin_structure(&mut self) {
        self.open(b'{');
    }

    fn member(&mut self, index: usize) {
        self.separate();
        if let Some(member) = self.stack.last().and_then(|frame| frame.schema.members().get(index)) {
            // Member names are identifiers: nothing in them needs escaping.
            self.out.push(b'"');
            self.out.extend_from_slice(self.names.of(member).as_bytes());
            self.out.extend_from_slice(b"\":");
            self.enter(member);
        }
    }

    fn end_structure(&mut self) {
        self.close(b'}');
    }

    fn begin_list(&mut self, _: usize) {
        self.open(b'[');
    }

    fn element(&mut self) {
        self.separate();
        if let Some(Kind::List(member)) = self.stack.last().map(|frame| &frame.schema.kind) {
            self.enter(member);
        }
    }

    fn end_list(&mut self) {
        self.close(b']');
    }

    fn begin_map(&mut self, _: usize) {
        self.open(b'{');
    }

    fn key(&mut self, key: &str) {
        self.separate();
        self.text(key);
        self.out.push(b':');
        if let Some(Kind::Map(_, value)) = self.stack.last().map(|frame| &frame.schema.kind) {
            self.enter(value);
        }
    }

    fn end_map(&mut self) {
        self.close(b'}');
    }
}
