//! The constraints of a model (required, length, range, pattern, enum), checked after decoding, in AWS's words.
//!
//! The checker is an [`Encoder`], so typed shapes and [`crate::Value`]s are checked by the same code. On the good path it
//! allocates nothing; the text of the violations is only made when there is one.
//! Wording: <https://smithy.io/2.0/spec/constraint-traits.html> and what AWS's services answer.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

use parking_lot::RwLock;
use regex_lite::Regex;

use crate::codec::Encoder;
use crate::schema::{Kind, Member, Schema};
use crate::stream::ByteStream;
use crate::timestamp::Timestamp;

/// Which constraints a request breaks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Violations(Vec<Violation>);

/// One broken constraint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The offending value as AWS prints it: quoted, or `null`.
    pub value: String,
    /// `tableName`, `keySchema.1.member.attributeName`
    pub path: String,
    /// `Member must not be null`
    pub constraint: String,
}

impl Violations {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Violation> {
        self.0.iter()
    }
}

impl FromIterator<Violation> for Violations {
    fn from_iter<I: IntoIterator<Item = Violation>>(violations: I) -> Self {
        Self(violations.into_iter().collect())
    }
}

impl std::fmt::Display for Violations {
    /// `1 validation error detected: Value 'x' at 'tableName' failed to satisfy constraint: …`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let plural = if self.0.len() == 1 { "" } else { "s" };
        write!(f, "{} validation error{plural} detected: ", self.0.len())?;
        for (index, violation) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            let Violation { value, path, constraint } = violation;
            write!(f, "{separator}Value {value} at '{path}' failed to satisfy constraint: {constraint}")?;
        }
        Ok(())
    }
}

/// Checks what `encode` writes against `schema`.
pub fn check(schema: &'static Schema, encode: impl FnOnce(&mut dyn Encoder)) -> Violations {
    let mut checker = Checker { stack: Vec::new(), next: schema, found: Violations::default(), shown: None };
    encode(&mut checker);
    checker.found
}

struct Frame {
    schema: &'static Schema,
    /// Members written so far, as bits.
    seen: u128,
    at: Position,
}

enum Position {
    Start,
    Member(usize),
    Element(usize),
    Key(String),
}

struct Checker {
    stack: Vec<Frame>,
    /// The schema of what is written next.
    next: &'static Schema,
    found: Violations,
    /// The list or map that is too long or too short, while its members are written.
    shown: Option<Shown>,
}

/// The text of a list or map, as AWS's servers print one: `[Name(field=value, other=null)]`, `{key=value}`.
struct Shown {
    /// The violation that it is the value of.
    violation: usize,
    /// How deep in the stack its members are.
    depth: usize,
    text: String,
}

impl Checker {
    fn push(&mut self) {
        self.stack.push(Frame { schema: self.next, seen: 0, at: Position::Start });
    }

    fn path(&self) -> String {
        let mut path = String::new();
        for frame in &self.stack {
            let dot = if path.is_empty() { "" } else { "." };
            let _ = match &frame.at {
                Position::Start => Ok(()),
                Position::Member(index) => {
                    write!(path, "{dot}{}", frame.schema.members().get(*index).map_or(String::new(), field_name))
                }
                Position::Element(index) => write!(path, "{dot}{index}.member"),
                Position::Key(key) => write!(path, "{dot}{key}.member"),
            };
        }
        path
    }

    fn show(&mut self, part: impl std::fmt::Display) {
        if let Some(shown) = &mut self.shown {
            let _ = write!(shown.text, "{part}");
        }
    }

    /// Shows the members of the structure at hand up to `index`, all of which are absent.
    fn show_absent(&mut self, index: usize) {
        if self.shown.is_none() {
            return;
        }
        let Some(frame) = self.stack.last() else { return };
        let (schema, first) = (
            frame.schema,
            match frame.at {
                Position::Member(last) => last + 1,
                _ => 0,
            },
        );
        if schema.union {
            return;
        }
        for (at, member) in schema.members().iter().enumerate().take(index).skip(first) {
            self.show(format_args!("{}{}=null", if at == 0 { "" } else { ", " }, field_name(member)));
        }
    }

    fn begin(&mut self, len: usize, open: char) {
        let before = self.found.0.len();
        self.length(len, String::new);
        self.show(open);
        self.push();
        if self.shown.is_none() && self.found.0.len() > before {
            self.shown = Some(Shown { violation: before, depth: self.stack.len(), text: open.to_string() });
        }
    }

    fn end(&mut self, close: char) {
        self.show(close);
        if self.shown.as_ref().is_some_and(|shown| shown.depth == self.stack.len())
            && let Some(shown) = self.shown.take()
            && let Some(violation) = self.found.0.get_mut(shown.violation)
        {
            violation.value = quoted(&shown.text);
        }
        self.stack.pop();
    }

    fn violation(&mut self, value: String, constraint: String) {
        let path = self.path();
        self.found.0.push(Violation { value, path, constraint });
    }

    fn length(&mut self, len: usize, value: impl FnOnce() -> String) {
        let constraints = &self.next.constraints;
        let len = len as f64;
        let constraint = match (constraints.min, constraints.max) {
            (Some(min), _) if len < min => format!("Member must have length greater than or equal to {min}"),
            (_, Some(max)) if len > max => format!("Member must have length less than or equal to {max}"),
            _ => return,
        };
        self.violation(value(), constraint);
    }

    fn range(&mut self, value: f64, text: impl FnOnce() -> String) {
        let constraints = &self.next.constraints;
        let constraint = match (constraints.min, constraints.max) {
            (Some(min), _) if value < min => format!("Member must have value greater than or equal to {min}"),
            (_, Some(max)) if value > max => format!("Member must have value less than or equal to {max}"),
            _ => return,
        };
        self.violation(text(), constraint);
    }
}

/// `TableName` → `tableName`: AWS reports members by their Java names.
fn field_name(member: &Member) -> String {
    let mut chars = member.name.chars();
    chars.next().map_or(String::new(), |first| first.to_lowercase().chain(chars).collect())
}

fn quoted(value: &str) -> String {
    format!("'{value}'")
}

impl Encoder for Checker {
    fn boolean(&mut self, value: bool) {
        self.show(value);
    }
    fn integer(&mut self, value: i64) {
        self.show(value);
        self.range(value as f64, || quoted(&value.to_string()));
    }
    fn double(&mut self, value: f64) {
        self.show(value);
        self.range(value, || quoted(&value.to_string()));
    }
    fn string(&mut self, value: &str) {
        self.show(value);
        if let Kind::Enum(values) = &self.next.kind {
            if !values.contains(&value) {
                let set = format!("Member must satisfy enum value set: [{}]", values.join(", "));
                self.violation(quoted(value), set);
            }
            return;
        }
        let constraints = &self.next.constraints;
        if constraints.min.is_some() || constraints.max.is_some() {
            let len = if value.is_ascii() { value.len() } else { value.encode_utf16().count() };
            self.length(len, || quoted(value));
        }
        if let Some(pattern) = constraints.pattern
            && !matches(pattern, value)
        {
            let constraint = format!("Member must satisfy regular expression pattern: {pattern}");
            self.violation(quoted(value), constraint);
        }
    }
    fn blob(&mut self, value: &[u8]) {
        self.length(value.len(), || {
            "'java.nio.HeapByteBuffer[pos=0 lim={0} cap={0}]'".replace("{0}", &value.len().to_string())
        });
    }
    fn timestamp(&mut self, _: Timestamp) {}
    fn document(&mut self, _: &serde_json::Value) {}
    fn null(&mut self) {}
    fn stream(&mut self, _: &ByteStream) {}
    fn begin_structure(&mut self) {
        let open = if self.next.union { ": {" } else { "(" };
        self.show(format_args!("{}{open}", self.next.name));
        self.push();
    }
    fn member(&mut self, index: usize) {
        if self.shown.is_some() {
            self.show_absent(index);
            if let Some(frame) = self.stack.last()
                && let Some(member) = frame.schema.members().get(index)
            {
                let part = match (frame.schema.union, index) {
                    (true, _) => format!("{}:", member.name),
                    (false, 0) => format!("{}=", field_name(member)),
                    (false, _) => format!(", {}=", field_name(member)),
                };
                self.show(part);
            }
        }
        if let Some(frame) = self.stack.last_mut() {
            frame.seen |= 1 << index.min(127);
            frame.at = Position::Member(index);
            if let Some(member) = frame.schema.members().get(index) {
                self.next = member.schema;
            }
        }
    }
    fn end_structure(&mut self) {
        self.show_absent(usize::MAX);
        let union = self.stack.last().is_some_and(|frame| frame.schema.union);
        self.show(if union { '}' } else { ')' });
        let Some(frame) = self.stack.last() else { return };
        let missing: Vec<usize> = (frame.schema.members().iter().enumerate())
            .filter(|(index, member)| member.required && frame.seen & (1 << (*index).min(127)) == 0)
            .map(|(index, _)| index)
            .collect();
        for index in missing {
            if let Some(frame) = self.stack.last_mut() {
                frame.at = Position::Member(index);
            }
            self.violation("null".to_owned(), "Member must not be null".to_owned());
        }
        self.stack.pop();
    }
    fn begin_list(&mut self, len: usize) {
        self.begin(len, '[');
    }
    fn element(&mut self) {
        if self.shown.is_some() && matches!(self.stack.last().map(|frame| &frame.at), Some(Position::Element(_))) {
            self.show(", ");
        }
        if let Some(frame) = self.stack.last_mut() {
            let index = match frame.at {
                Position::Element(index) => index + 1,
                _ => 1,
            };
            frame.at = Position::Element(index);
            if let Kind::List(member) = &frame.schema.kind {
                self.next = member.schema;
            }
        }
    }
    fn end_list(&mut self) {
        self.end(']');
    }
    fn begin_map(&mut self, len: usize) {
        self.begin(len, '{');
    }
    fn key(&mut self, key: &str) {
        if self.shown.is_some() {
            let first = matches!(self.stack.last().map(|frame| &frame.at), Some(Position::Start));
            self.show(format_args!("{}{key}=", if first { "" } else { ", " }));
        }
        let shown = self.shown.take();
        if let Some(frame) = self.stack.last_mut()
            && let Kind::Map(key_member, value_member) = &frame.schema.kind
        {
            frame.at = Position::Start;
            self.next = key_member.schema;
            let before = self.found.0.len();
            self.string(key);
            // AWS reports a bad key as a violation of the map, with the constraint of the key nested in it.
            if let Some(violation) = self.found.0.get_mut(before) {
                violation.constraint = format!("Map keys must satisfy constraint: [{}]", violation.constraint);
            }
            self.next = value_member.schema;
            if let Some(frame) = self.stack.last_mut() {
                frame.at = Position::Key(key.to_owned());
            }
        }
        // What was checked was the key, which has been shown.
        self.shown = shown;
    }
    fn end_map(&mut self) {
        self.end('}');
    }
}

/// Patterns match the whole value. A pattern that the engine does not know (look-around) is not enforced here; the
/// service checks such values itself.
fn matches(pattern: &'static str, value: &str) -> bool {
    static CACHE: LazyLock<RwLock<HashMap<&'static str, Option<Regex>>>> = LazyLock::new(RwLock::default);
    if let Some(regex) = CACHE.read().get(pattern) {
        return regex.as_ref().is_none_or(|regex| regex.is_match(value));
    }
    let regex = Regex::new(&format!("^(?:{})$", java_classes(pattern))).ok();
    let result = regex.as_ref().is_none_or(|regex| regex.is_match(value));
    CACHE.write().insert(pattern, regex);
    result
}

/// Java's names of character classes, in the words of the engine at hand. It knows no Unicode properties: `\p{L}`
/// and the like match any character beyond ASCII, because refusing a good value would be worse.
fn java_classes(pattern: &str) -> String {
    const CLASSES: [(&str, &str); 7] = [
        (r"\p{Alnum}", "a-zA-Z0-9"),
        (r"\p{Alpha}", "a-zA-Z"),
        (r"\p{Digit}", "0-9"),
        (r"\p{Graph}", "!-~"),
        (r"\p{Print}", " -~"),
        (r"\p{ASCII}", r"\x00-\x7F"),
        (r"\p{Z}", r" \x{80}-\x{10FFFF}"),
    ];
    let mut text = pattern.to_owned();
    while let Some(start) = text.find(r"\p{") {
        let end = text[start..].find('}').map_or(text.len(), |end| start + end + 1);
        let known = CLASSES.iter().find(|(name, _)| *name == &text[start..end]);
        let class = known.map_or(r"\w\x{80}-\x{10FFFF}", |(_, class)| class);
        let before = text[..start].replace(r"\[", "").replace(r"\]", "");
        let inside = before.rfind('[') > before.rfind(']');
        text.replace_range(start..end, &if inside { class.to_owned() } else { format!("[{class}]") });
    }
    // \uHHHH → \x{HHHH}
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find("\\u") {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        match after.get(2..6).filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit())) {
            Some(hex) => {
                let _ = write!(out, "\\x{{{hex}}}");
                rest = &after[6..];
            }
            None => {
                out.push_str("\\u");
                rest = &after[2..];
            }
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn java_classes_inside_and_outside_of_brackets() {
        assert!(matches(r"\p{Print}+", "half of it"));
        assert!(!matches(r"\p{Print}+", "half\tof"));
        assert!(matches(r"[\p{Alnum}_-]*", "a_1-b") && !matches(r"[\p{Alnum}_-]*", "a b"));
        assert!(matches(r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)", "한국 a:b") && !matches(r"[\p{L}_.]*", "a!"));
        assert!(matches(r"\[\p{Digit}\]", "[7]") && !matches(r"\[\p{Digit}\]", "[77]"));
    }
}
