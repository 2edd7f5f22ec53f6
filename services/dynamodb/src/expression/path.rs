//! Document paths: an attribute of the item, then members of maps and places in lists.

use std::fmt;

use crate::value::{AttributeValue, Item};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Element<'a> {
    Field(&'a str),
    Index(usize),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path<'a> {
    pub root: &'a str,
    pub rest: Vec<Element<'a>>,
}

impl<'a> Path<'a> {
    pub fn top_level(root: &'a str) -> Path<'a> {
        Path { root, rest: Vec::new() }
    }

    /// The value at this path, if the item has one.
    pub fn find<'i>(&self, item: &'i Item) -> Option<&'i AttributeValue> {
        self.rest.iter().try_fold(item.get(self.root)?, |value, element| match (element, value) {
            (Element::Field(name), AttributeValue::M(members)) => members.get(*name),
            (Element::Index(index), AttributeValue::L(members)) => members.get(*index),
            _ => None,
        })
    }

    /// How two paths that are used together get in each other's way, if they do.
    pub fn clash(&self, other: &Path<'_>) -> Option<Clash> {
        if self.root != other.root {
            return None;
        }
        for (a, b) in self.rest.iter().zip(&other.rest) {
            match (a, b) {
                (a, b) if a == b => {}
                (Element::Field(_), Element::Index(_)) | (Element::Index(_), Element::Field(_)) => {
                    return Some(Clash::Conflict);
                }
                _ => return None,
            }
        }
        Some(Clash::Overlap)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clash {
    /// One path is a part of the other.
    Overlap,
    /// The same value would have to be both a map and a list.
    Conflict,
}

/// The complaint about the first two paths that clash.
pub fn find_clash(paths: &[&Path<'_>]) -> Option<String> {
    paths.iter().enumerate().find_map(|(index, second)| {
        paths[..index].iter().find_map(|first| {
            let verb = match first.clash(second)? {
                Clash::Overlap => "overlap",
                Clash::Conflict => "conflict",
            };
            Some(format!(
                "Two document paths {verb} with each other; must remove or rewrite one of these paths; \
                 path one: {first}, path two: {second}"
            ))
        })
    })
}

/// As AWS quotes paths in messages: `[a, b, [0]]`.
impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}", self.root)?;
        for element in &self.rest {
            match element {
                Element::Field(name) => write!(f, ", {name}")?,
                Element::Index(index) => write!(f, ", [{index}]")?,
            }
        }
        f.write_str("]")
    }
}
