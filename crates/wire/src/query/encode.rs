//! Writes a form along a schema: the client's side, for tests and benches.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::Dialect;
use crate::codec::Encoder;
use crate::schema::{Kind, Member, Schema, TimestampFormat};
use crate::stream::ByteStream;
use crate::timestamp::Timestamp;

/// Everything but RFC 3986's unreserved characters.
pub(crate) const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

pub struct QueryEncoder {
    out: String,
    dialect: Dialect,
    stack: Vec<Frame>,
    next: Next,
}

#[derive(Clone)]
struct Next {
    schema: &'static Schema,
    path: String,
    flattened: bool,
    format: TimestampFormat,
}

struct Frame {
    schema: &'static Schema,
    /// Path of the parts, with a trailing dot.
    prefix: String,
    count: usize,
}

impl QueryEncoder {
    pub fn new(action: &str, version: &str, schema: &'static Schema, dialect: Dialect) -> Self {
        let next = Next { schema, path: String::new(), flattened: false, format: TimestampFormat::Iso8601 };
        QueryEncoder { out: format!("Action={action}&Version={version}"), dialect, stack: Vec::new(), next }
    }

    pub fn finish(self) -> String {
        self.out
    }

    fn pair(&mut self, path: &str, value: &str) {
        self.out.push('&');
        self.out.extend(utf8_percent_encode(path, UNRESERVED));
        self.out.push('=');
        self.out.extend(utf8_percent_encode(value, UNRESERVED));
    }

    fn scalar(&mut self, value: &str) {
        let path = std::mem::take(&mut self.next.path);
        self.pair(&path, value);
    }

    fn push(&mut self, prefix: String) {
        self.stack.push(Frame { schema: self.next.schema, prefix, count: 0 });
    }

    fn enter(&mut self, member: &'static Member, path: String, flattened: bool) {
        let format = member.timestamp_or(TimestampFormat::Iso8601);
        self.next = Next { schema: member.schema, path, flattened, format };
    }
}

impl Encoder for QueryEncoder {
    fn boolean(&mut self, value: bool) {
        self.scalar(if value { "true" } else { "false" });
    }
    fn integer(&mut self, value: i64) {
        self.scalar(&value.to_string());
    }
    fn float(&mut self, value: f32) {
        self.scalar(&format!("{value:?}"));
    }
    fn double(&mut self, value: f64) {
        self.scalar(&format!("{value:?}"));
    }
    fn string(&mut self, value: &str) {
        self.scalar(value);
    }
    fn blob(&mut self, value: &[u8]) {
        self.scalar(&STANDARD.encode(value));
    }
    fn timestamp(&mut self, value: Timestamp) {
        let text = value.format(self.next.format);
        self.scalar(&text);
    }
    fn document(&mut self, value: &serde_json::Value) {
        self.scalar(&value.to_string());
    }
    fn null(&mut self) {}
    fn stream(&mut self, _: &ByteStream) {}
    fn begin_structure(&mut self) {
        let path = &self.next.path;
        let prefix = if path.is_empty() { String::new() } else { format!("{path}.") };
        self.push(prefix);
    }
    fn member(&mut self, index: usize) {
        let Some(frame) = self.stack.last() else { return };
        let Some(member) = frame.schema.members().get(index) else { return };
        let (name, flattened) = self.dialect.name(member);
        let path = format!("{}{name}", frame.prefix);
        self.enter(member, path, flattened);
    }
    fn end_structure(&mut self) {
        self.stack.pop();
    }
    fn begin_list(&mut self, len: usize) {
        let path = std::mem::take(&mut self.next.path);
        let flattened = self.next.flattened || self.next.schema.flattened || self.dialect == Dialect::Ec2;
        let prefix = match &self.next.schema.kind {
            Kind::List(element) if !flattened => format!("{path}.{}.", element.wire_name.unwrap_or("member")),
            _ => format!("{path}."),
        };
        if len == 0 && self.dialect == Dialect::Aws {
            self.pair(&path, "");
        }
        self.push(prefix);
    }
    fn element(&mut self) {
        let Some(frame) = self.stack.last_mut() else { return };
        frame.count += 1;
        let path = format!("{}{}", frame.prefix, frame.count);
        if let Kind::List(element) = &frame.schema.kind {
            self.enter(element, path, element.schema.flattened);
        }
    }
    fn end_list(&mut self) {
        self.stack.pop();
    }
    fn begin_map(&mut self, _: usize) {
        let path = std::mem::take(&mut self.next.path);
        let flattened = self.next.flattened || self.next.schema.flattened;
        self.push(if flattened { format!("{path}.") } else { format!("{path}.entry.") });
    }
    fn key(&mut self, key: &str) {
        let Some(frame) = self.stack.last_mut() else { return };
        frame.count += 1;
        let prefix = format!("{}{}.", frame.prefix, frame.count);
        if let Kind::Map(key_member, value_member) = &frame.schema.kind {
            self.pair(&format!("{prefix}{}", key_member.wire_name.unwrap_or("key")), key);
            let path = format!("{prefix}{}", value_member.wire_name.unwrap_or("value"));
            self.enter(value_member, path, value_member.is_flattened());
        }
    }
    fn end_map(&mut self) {
        self.stack.pop();
    }
}
