//! Writes XML along a schema.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::codec::Encoder;
use crate::schema::{Kind, Location, Member, Schema, TimestampFormat};
use crate::stream::ByteStream;
use crate::timestamp::Timestamp;

pub struct XmlEncoder {
    out: String,
    stack: Vec<Frame>,
    next: Next,
    milliseconds: bool,
}

/// What the following value is and how its element is called.
#[derive(Clone, Copy)]
struct Next {
    schema: &'static Schema,
    name: &'static str,
    attribute: bool,
    flattened: bool,
    format: TimestampFormat,
    namespace: Option<(&'static str, &'static str)>,
    /// The member travels elsewhere (a header): its value is not written.
    skip: bool,
}

struct Frame {
    schema: &'static Schema,
    /// The element to close, if one was opened.
    tag: Option<&'static str>,
    /// Name of the elements of a list or the entries of a map.
    element: &'static str,
    /// Where attributes go: just before the `>` of the start tag.
    attributes_at: usize,
    entry_open: bool,
}

impl XmlEncoder {
    /// Writes the value as an element called `root`; an empty name leaves out the element itself.
    pub fn new(schema: &'static Schema, root: &'static str, namespace: Option<&'static str>) -> Self {
        let namespace = namespace.map(|uri| ("", uri)).or(schema.xml_namespace);
        let next = Next {
            schema,
            name: root,
            attribute: false,
            flattened: false,
            format: schema.timestamp.unwrap_or(TimestampFormat::Iso8601),
            namespace,
            skip: false,
        };
        XmlEncoder { out: String::with_capacity(256), stack: Vec::new(), next, milliseconds: false }
    }

    /// Times always show milliseconds, or only where they have some.
    pub fn with_milliseconds(mut self, milliseconds: bool) -> Self {
        self.milliseconds = milliseconds;
        self
    }

    pub fn finish(self) -> String {
        self.out
    }

    /// Appends character data, escaped.
    pub fn escape_text(out: &mut String, text: &str) {
        escape(out, text);
    }

    fn start_tag(&mut self, name: &str) -> usize {
        if name.is_empty() {
            return self.out.len();
        }
        self.out.push('<');
        self.out.push_str(name);
        if let Some((prefix, uri)) = self.next.namespace {
            self.out.push_str(if prefix.is_empty() { " xmlns" } else { " xmlns:" });
            self.out.push_str(prefix);
            self.out.push_str("=\"");
            escape(&mut self.out, uri);
            self.out.push('"');
        }
        let at = self.out.len();
        self.out.push('>');
        at
    }

    fn end_tag(&mut self, name: &str) {
        if !name.is_empty() {
            self.out.push_str("</");
            self.out.push_str(name);
            self.out.push('>');
        }
    }

    fn scalar(&mut self, text: &str) {
        if self.next.skip {
            return;
        }
        if self.next.attribute {
            let mut attribute = format!(" {}=\"", self.next.name);
            escape(&mut attribute, text);
            attribute.push('"');
            if let Some(frame) = self.stack.last() {
                self.out.insert_str(frame.attributes_at, &attribute);
            }
            return;
        }
        let name = self.next.name;
        self.start_tag(name);
        escape(&mut self.out, text);
        self.end_tag(name);
    }

    fn push(&mut self, tag: Option<&'static str>, element: &'static str, attributes_at: usize) {
        let schema = self.next.schema;
        self.stack.push(Frame { schema, tag, element, attributes_at, entry_open: false });
    }

    fn pop(&mut self) {
        if let Some(frame) = self.stack.pop() {
            if frame.entry_open {
                self.end_tag(frame.element);
            }
            if let Some(tag) = frame.tag {
                self.end_tag(tag);
            }
        }
    }

    /// Opens a list or map: flattened ones have no element of their own.
    fn collection(&mut self, element: &'static str) {
        let name = self.next.name;
        if self.next.flattened {
            self.push(None, name, 0);
        } else {
            let at = self.start_tag(name);
            self.push(Some(name), element, at);
        }
    }

    fn enter(&mut self, member: &'static Member, name: &'static str) {
        self.next = Next {
            schema: member.schema,
            name,
            attribute: member.xml_attribute,
            flattened: member.is_flattened(),
            format: member.timestamp_or(TimestampFormat::Iso8601),
            namespace: member.xml_namespace.or(member.schema.xml_namespace),
            skip: !matches!(member.location, Location::Body | Location::Payload),
        };
    }
}

/// The bytes that a character begins with which may have to be escaped.
static SPECIAL: [bool; 256] = {
    let mut special = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        special[byte] = byte != b'\t' as usize && byte != b'\n' as usize;
        byte += 1;
    }
    special[b'&' as usize] = true;
    special[b'<' as usize] = true;
    special[b'>' as usize] = true;
    special[b'"' as usize] = true;
    // U+0085 and U+2028 begin with these.
    special[0xc2] = true;
    special[0xe2] = true;
    special
};

/// Appends text with the characters escaped that XML 1.0 wants escaped, in S3's manner (`&quot;`, `&#13;`). What lies between
/// them, which is nearly everything, is copied in one piece.
fn escape(out: &mut String, mut text: &str) {
    while let Some(at) = text.bytes().position(|byte| SPECIAL[usize::from(byte)]) {
        let (plain, rest) = text.split_at(at);
        out.push_str(plain);
        let mut characters = rest.chars();
        match characters.next() {
            Some('&') => out.push_str("&amp;"),
            Some('<') => out.push_str("&lt;"),
            Some('>') => out.push_str("&gt;"),
            Some('"') => out.push_str("&quot;"),
            Some('\r') => out.push_str("&#13;"),
            Some('\u{85}') => out.push_str("&#x85;"),
            Some('\u{2028}') => out.push_str("&#x2028;"),
            // XML 1.0 has no form for other control characters; AWS writes the reference all the same.
            Some(control @ '\0'..' ') => out.push_str(&format!("&#x{:x};", u32::from(control))),
            Some(other) => out.push(other),
            None => {}
        }
        text = characters.as_str();
    }
    out.push_str(text);
}

fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity".to_owned() } else { "-Infinity".to_owned() }
    } else {
        format!("{value:?}")
    }
}

impl Encoder for XmlEncoder {
    fn boolean(&mut self, value: bool) {
        self.scalar(if value { "true" } else { "false" });
    }

    fn integer(&mut self, value: i64) {
        self.scalar(&value.to_string());
    }

    fn float(&mut self, value: f32) {
        let text = if value.is_finite() { format!("{value:?}") } else { number(f64::from(value)) };
        self.scalar(&text);
    }

    fn double(&mut self, value: f64) {
        self.scalar(&number(value));
    }

    fn string(&mut self, value: &str) {
        self.scalar(value);
    }

    fn blob(&mut self, value: &[u8]) {
        self.scalar(&STANDARD.encode(value));
    }

    fn timestamp(&mut self, value: Timestamp) {
        let text = match self.next.format {
            TimestampFormat::Iso8601 if self.milliseconds => value.iso8601_millis(),
            format => value.format(format),
        };
        self.scalar(&text);
    }

    fn document(&mut self, value: &serde_json::Value) {
        self.scalar(&value.to_string());
    }

    fn null(&mut self) {
        self.scalar("");
    }

    fn stream(&mut self, _: &ByteStream) {}

    fn begin_structure(&mut self) {
        let name = self.next.name;
        let at = self.start_tag(name);
        self.push(Some(name), "", at);
    }

    fn member(&mut self, index: usize) {
        let Some(member) = self.stack.last().and_then(|frame| frame.schema.members().get(index)) else { return };
        self.enter(member, member.wire_name());
    }

    fn end_structure(&mut self) {
        self.pop();
    }

    fn begin_list(&mut self, _: usize) {
        let element = match &self.next.schema.kind {
            Kind::List(element) => element.wire_name.unwrap_or("member"),
            _ => "member",
        };
        self.collection(element);
    }

    fn element(&mut self) {
        if let Some(Frame { schema: Schema { kind: Kind::List(member), .. }, element, .. }) = self.stack.last() {
            let name = *element;
            self.enter(member, name);
        }
    }

    fn end_list(&mut self) {
        self.pop();
    }

    fn begin_map(&mut self, _: usize) {
        self.collection("entry");
    }

    fn key(&mut self, key: &str) {
        let Some(frame) = self.stack.last_mut() else { return };
        let (element, was_open) = (frame.element, std::mem::replace(&mut frame.entry_open, true));
        let Kind::Map(key_member, value_member) = &frame.schema.kind else { return };
        if was_open {
            self.end_tag(element);
        }
        self.next.namespace = None;
        self.start_tag(element);
        self.enter(key_member, key_member.wire_name.unwrap_or("key"));
        self.scalar(key);
        self.enter(value_member, value_member.wire_name.unwrap_or("value"));
    }

    fn end_map(&mut self) {
        self.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_special_is_escaped_wherever_it_stands() {
        let escaped = |text: &str| {
            let mut out = String::new();
            escape(&mut out, text);
            out
        };
        for plain in ["", "plain", "한국어 âÂé\u{2027}", "tab\tand\nline"] {
            assert_eq!(escaped(plain), plain);
        }
        assert_eq!(escaped("\"a\"<b>&c"), "&quot;a&quot;&lt;b&gt;&amp;c");
        assert_eq!(escaped("a\rb\u{85}c\u{2028}d\u{86}"), "a&#13;b&#x85;c&#x2028;d\u{86}");
        assert_eq!(escaped("\0\u{1}\u{1f}\u{7f}"), "&#x0;&#x1;&#x1f;\u{7f}");
    }
}
