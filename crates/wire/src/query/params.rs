//! `A.member.1.B=x&…` as a tree.

use percent_encoding::percent_decode_str;

use crate::codec::{DecodeError, MAX_DEPTH, Result};

/// A node of the tree: the value of a parameter, and the parameters below it in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Params {
    pub value: Option<String>,
    pub children: Vec<(String, Params)>,
}

impl Params {
    /// Parses a form. The first of several values of one name counts.
    pub fn parse(form: &[u8]) -> Result<Params> {
        let text = std::str::from_utf8(form).map_err(|error| DecodeError::Malformed(error.to_string()))?;
        let mut root = Params::default();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            root.insert(&percent_decode(key)?, percent_decode(value)?)?;
        }
        Ok(root)
    }

    fn insert(&mut self, key: &str, value: String) -> Result {
        let mut node = self;
        for (depth, part) in key.split('.').enumerate() {
            if depth > MAX_DEPTH {
                return Err(DecodeError::Limit("a parameter name nests too deeply".to_owned()));
            }
            // Parameters of one list arrive together: looking at the last child first keeps this linear in practice.
            let at = match node.children.last() {
                Some((name, _)) if name == part => node.children.len() - 1,
                _ => node.children.iter().position(|(name, _)| name == part).unwrap_or_else(|| {
                    node.children.push((part.to_owned(), Params::default()));
                    node.children.len() - 1
                }),
            };
            node = &mut node.children[at].1;
        }
        node.value.get_or_insert(value);
        Ok(())
    }

    pub fn child(&self, name: &str) -> Option<&Params> {
        self.children.iter().find(|(key, _)| key == name).map(|(_, child)| child)
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.child(name)?.value.as_deref()
    }

    /// The numbered children (`1`, `2`, …) in numeric order.
    pub fn numbered(&self) -> Vec<&Params> {
        let mut list: Vec<(u32, &Params)> = (self.children.iter())
            .filter_map(|(name, child)| name.parse().ok().map(|number: u32| (number, child)))
            .collect();
        list.sort_by_key(|(number, _)| *number);
        list.into_iter().map(|(_, child)| child).collect()
    }
}

/// Decodes a form component: `+` is a space.
pub fn percent_decode(text: &str) -> Result<String> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8();
    decoded.map(|text| text.into_owned()).map_err(|error| DecodeError::Malformed(error.to_string()))
}
