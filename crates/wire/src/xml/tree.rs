//! A parsed XML document. Bodies in XML are small (a few MiB at most), so a tree is simpler than a stream and as fast.

use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

use crate::codec::{DecodeError, MAX_DEPTH, Result};

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    /// The name without its namespace prefix.
    pub name: String,
    /// Attributes under their full names (`xsi:type`).
    pub attributes: Vec<(String, String)>,
    pub text: String,
    pub children: Vec<Node>,
}

impl Node {
    /// Parses a whole document: one root, no DTD, no entities beyond the five of XML.
    pub fn parse(xml: &[u8]) -> Result<Node> {
        let malformed = |error: &dyn std::fmt::Display| DecodeError::Malformed(error.to_string());
        let text = std::str::from_utf8(xml).map_err(|error| malformed(&error))?;
        let mut reader = Reader::from_str(text);
        let mut open: Vec<Node> = Vec::new();
        let mut root = None;
        loop {
            match reader.read_event().map_err(|error| malformed(&error))? {
                Event::Start(start) => {
                    if open.len() >= MAX_DEPTH {
                        return Err(DecodeError::Limit("XML nests too deeply".to_owned()));
                    }
                    open.push(element(&start)?);
                }
                Event::Empty(start) => close(element(&start)?, &mut open, &mut root)?,
                Event::End(_) => {
                    let node = open.pop().ok_or_else(|| malformed(&"unexpected end tag"))?;
                    close(node, &mut open, &mut root)?;
                }
                Event::Text(text) => append(&mut open, &text.decode().map_err(|error| malformed(&error))?)?,
                Event::CData(data) => append(&mut open, &data.decode().map_err(|error| malformed(&error))?)?,
                Event::GeneralRef(reference) => {
                    let resolved = match reference.resolve_char_ref().map_err(|error| malformed(&error))? {
                        Some(character) => character.to_string(),
                        None => {
                            let name = reference.decode().map_err(|error| malformed(&error))?;
                            let known = quick_xml::escape::resolve_predefined_entity(&name);
                            known.ok_or_else(|| malformed(&"unknown entity"))?.to_owned()
                        }
                    };
                    append(&mut open, &resolved)?;
                }
                Event::DocType(_) => return Err(malformed(&"a document type is not allowed")),
                Event::Eof => break,
                Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            }
        }
        match (open.is_empty(), root) {
            (true, Some(root)) => Ok(root),
            _ => Err(malformed(&"unexpected end of the document")),
        }
    }

    pub fn child(&self, name: &str) -> Option<&Node> {
        self.children.iter().find(|child| child.name == name)
    }

    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

fn element(start: &BytesStart<'_>) -> Result<Node> {
    let malformed = |error: &dyn std::fmt::Display| DecodeError::Malformed(error.to_string());
    let name = String::from_utf8_lossy(start.local_name().as_ref()).into_owned();
    let mut attributes = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| malformed(&error))?;
        let value = attribute.unescape_value().map_err(|error| malformed(&error))?.into_owned();
        attributes.push((String::from_utf8_lossy(attribute.key.as_ref()).into_owned(), value));
    }
    Ok(Node { name, attributes, ..Node::default() })
}

fn close(node: Node, open: &mut [Node], root: &mut Option<Node>) -> Result {
    match (open.last_mut(), root.is_some()) {
        (Some(parent), _) => parent.children.push(node),
        (None, false) => *root = Some(node),
        (None, true) => return Err(DecodeError::Malformed("more than one root element".to_owned())),
    }
    Ok(())
}

fn append(open: &mut [Node], text: &str) -> Result {
    match open.last_mut() {
        Some(node) => node.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err(DecodeError::Malformed("text outside the root element".to_owned())),
    }
    Ok(())
}
