//! The grammar of PATCH: operations with a path into a resource, as `Update…` takes them.
//!
//! A path is a JSON pointer (`~1` stands for a slash, `~0` for a tilde). Each noun says which [`Paths`] an operation may
//! name and which [`Slot`] a path leads to; what `add`, `replace` and `remove` do there is the same everywhere.

use crate::error::Error;
use apigateway_api::{Op, PatchOperation};
use std::collections::BTreeMap;

/// The paths that each operation may name, as its error lists them. A segment in braces or angle brackets stands for
/// anything.
#[derive(Clone, Copy)]
pub struct Paths {
    pub add: &'static [&'static str],
    pub replace: &'static [&'static str],
    pub remove: &'static [&'static str],
}

impl Paths {
    /// Plain members: they can be replaced and nothing else.
    pub const fn members(replace: &'static [&'static str]) -> Self {
        Self { add: &[], replace, remove: &[] }
    }

    fn of(&self, op: &Op) -> &'static [&'static str] {
        match op {
            Op::Add => self.add,
            Op::Replace => self.replace,
            Op::Remove => self.remove,
            _ => &[],
        }
    }

    fn allow(&self, op: &Op, path: &str) -> bool {
        let given: Vec<&str> = path.split('/').collect();
        self.of(op).iter().any(|known| {
            let known: Vec<&str> = known.split('/').collect();
            let same = |(known, given): (&&str, &&str)| known.starts_with(['{', '<']) || known == given;
            known.len() == given.len() && known.iter().zip(&given).all(same)
        })
    }
}

/// A place that a patch can change.
pub enum Slot<'a> {
    Text(&'a mut Option<String>),
    Flag(&'a mut Option<bool>),
    Integer(&'a mut Option<i32>),
    Number(&'a mut Option<f64>),
    /// An entry of a map of strings.
    Entry(&'a mut Option<BTreeMap<String, String>>, String),
    /// An entry of a map of flags.
    FlagEntry(&'a mut Option<BTreeMap<String, bool>>, String),
    /// An element of a list of strings, named by the path.
    Element(&'a mut Option<Vec<String>>, String),
    /// A list of strings whose elements are named by the value.
    List(&'a mut Option<Vec<String>>),
    /// Anything else; the closure says whether it can take the value.
    Set(Setter<'a>),
}

type Setter<'a> = Box<dyn FnOnce(Option<&str>) -> bool + 'a>;

/// Applies operations in order. `slot` finds the place of a path that `paths` allow.
pub fn apply<T>(
    target: &mut T,
    operations: &[PatchOperation],
    paths: &Paths,
    slot: impl for<'a> Fn(&'a mut T, &[&str]) -> Option<Slot<'a>>,
) -> Result<(), Error> {
    for operation in operations {
        let (op, path) = parts(operation, paths)?;
        let segments = segments(path);
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let Some(slot) = slot(target, &segments) else { return Err(unknown(op, path, paths)) };
        change(slot, op, path, operation.value.as_deref(), paths)?;
    }
    Ok(())
}

/// The operation and its path, both of which must be there and go together.
pub fn parts<'a>(operation: &'a PatchOperation, paths: &Paths) -> Result<(&'a Op, &'a str), Error> {
    let op = operation.op.as_ref().ok_or_else(|| {
        Error::BadRequest("Invalid patch operation specified. Must be 'add'|'remove'|'replace'|'copy'".to_owned())
    })?;
    let path = operation.path.as_deref().unwrap_or_default();
    if paths.allow(op, path) { Ok((op, path)) } else { Err(unknown(op, path, paths)) }
}

/// The segments of a path, unescaped.
pub fn segments(path: &str) -> Vec<String> {
    path.split('/').skip(1).map(|segment| segment.replace("~1", "/").replace("~0", "~")).collect()
}

/// AWS's words have two spaces before the path.
pub fn unknown(op: &Op, path: &str, paths: &Paths) -> Error {
    let advice = match paths.of(op) {
        [] => "Please choose supported operations".to_owned(),
        known => format!("Must be one of: [{}]", known.join(", ")),
    };
    Error::BadRequest(format!("Invalid patch path  '{path}' specified for op '{}'. {advice}", op.as_str()))
}

pub fn required<'a>(path: &str, value: Option<&'a str>) -> Result<&'a str, Error> {
    value.ok_or_else(|| Error::BadRequest(format!("Invalid null or empty value for patch path '{path}'")))
}

fn change(slot: Slot<'_>, op: &Op, path: &str, value: Option<&str>, paths: &Paths) -> Result<(), Error> {
    let remove = *op == Op::Remove;
    match slot {
        Slot::Text(text) => *text = if remove { None } else { Some(value.unwrap_or_default().to_owned()) },
        Slot::Flag(flag) => *flag = if remove { None } else { Some(parse(path, value)?) },
        Slot::Integer(number) => *number = if remove { None } else { Some(parse(path, value)?) },
        Slot::Number(number) => *number = if remove { None } else { Some(parse(path, value)?) },
        Slot::Set(set) => {
            let value = value.filter(|_| !remove);
            if !set(value) {
                let value = value.unwrap_or("null");
                return Err(Error::BadRequest(format!("Invalid value '{value}' specified for patch path '{path}'")));
            }
        }
        Slot::Entry(map, key) if remove => remove_entry(map, &key, path)?,
        Slot::FlagEntry(map, key) if remove => remove_entry(map, &key, path)?,
        Slot::Entry(map, key) => {
            map.get_or_insert_default().insert(key, value.unwrap_or_default().to_owned());
        }
        Slot::FlagEntry(map, key) => {
            let value = value.map_or(Ok(false), |value| parse(path, Some(value)))?;
            map.get_or_insert_default().insert(key, value);
        }
        Slot::List(list) => {
            let value = required(path, value)?;
            let list = list.get_or_insert_default();
            match op {
                Op::Replace => *list = value.split(',').map(|element| element.trim().to_owned()).collect(),
                Op::Remove => list.retain(|known| known != value),
                _ if list.iter().any(|known| known == value) => {}
                _ => list.push(value.to_owned()),
            }
        }
        Slot::Element(list, element) => match op {
            Op::Add => {
                let list = list.get_or_insert_default();
                if !list.contains(&element) {
                    list.push(element);
                }
            }
            Op::Remove => {
                let at = list.as_ref().and_then(|list| list.iter().position(|known| *known == element));
                let (Some(list), Some(at)) = (list, at) else { return Err(unknown(op, path, paths)) };
                list.remove(at);
            }
            _ => {
                let at = list.as_ref().and_then(|list| list.iter().position(|known| *known == element));
                let (Some(list), Some(at)) = (list, at) else { return Err(unknown(op, path, paths)) };
                list[at] = required(path, value)?.to_owned();
            }
        },
    }
    Ok(())
}

fn remove_entry<T>(map: &mut Option<BTreeMap<String, T>>, key: &str, path: &str) -> Result<(), Error> {
    let removed = map.as_mut().and_then(|map| map.remove(key));
    if map.as_ref().is_some_and(BTreeMap::is_empty) {
        *map = None;
    }
    match removed {
        Some(_) => Ok(()),
        None => Err(Error::NotFound(match path.split('/').nth(1) {
            Some("requestModels" | "responseModels" | "requestTemplates" | "responseTemplates") => {
                "Content-Type specified was not found".to_owned()
            }
            Some("variables" | "stageVariableOverrides") => "Invalid stage variable name specified".to_owned(),
            _ => "Invalid parameter name specified".to_owned(),
        })),
    }
}

fn parse<T: std::str::FromStr>(path: &str, value: Option<&str>) -> Result<T, Error> {
    let value = required(path, value)?;
    let normal = if value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false") {
        value.to_ascii_lowercase()
    } else {
        value.to_owned()
    };
    normal.parse().map_err(|_| Error::BadRequest(format!("Invalid value '{value}' specified for patch path '{path}'")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Thing {
        name: Option<String>,
        headers: Option<BTreeMap<String, String>>,
        types: Option<Vec<String>>,
        on: Option<bool>,
    }

    fn patch(thing: &mut Thing, op: Op, path: &str, value: Option<&str>) -> Result<(), Error> {
        let value = value.map(str::to_owned);
        let operation = PatchOperation { op: Some(op), path: Some(path.to_owned()), value, from: None };
        let paths = Paths {
            add: &["/headers/{name}", "/types/{type}"],
            replace: &["/name", "/on", "/headers/{name}"],
            remove: &["/headers/{name}", "/types/{type}"],
        };
        apply(thing, &[operation], &paths, |thing, path| {
            Some(match path {
                ["name"] => Slot::Text(&mut thing.name),
                ["headers", key] => Slot::Entry(&mut thing.headers, (*key).to_owned()),
                ["types", element] => Slot::Element(&mut thing.types, (*element).to_owned()),
                ["on"] => Slot::Flag(&mut thing.on),
                _ => return None,
            })
        })
    }

    proptest::proptest! {
        #[test]
        fn what_is_refused_changes_nothing(path in "(/|~|~0|~1|name|on|headers|types|x){0,5}", value in proptest::option::of("(true|x)?")) {
            for op in [Op::Add, Op::Replace, Op::Remove, Op::Copy, Op::Move, Op::Test] {
                let mut thing = Thing { types: Some(vec!["x".to_owned()]), ..Thing::default() };
                if patch(&mut thing, op, &path, value.as_deref()).is_err() {
                    proptest::prop_assert!(thing.name.is_none() && thing.types == Some(vec!["x".to_owned()]));
                }
            }
        }
    }

    #[test]
    fn operations_change_their_places() {
        let mut thing = Thing::default();
        patch(&mut thing, Op::Replace, "/name", Some("x")).unwrap();
        patch(&mut thing, Op::Add, "/headers/a~1b", Some("1")).unwrap();
        patch(&mut thing, Op::Add, "/types/image~1png", None).unwrap();
        patch(&mut thing, Op::Replace, "/on", Some("True")).unwrap();
        assert_eq!(thing.name.as_deref(), Some("x"));
        assert_eq!(thing.headers, Some(BTreeMap::from([("a/b".to_owned(), "1".to_owned())])));
        assert_eq!(thing.types, Some(vec!["image/png".to_owned()]));
        assert_eq!(thing.on, Some(true));
        patch(&mut thing, Op::Remove, "/headers/a~1b", None).unwrap();
        patch(&mut thing, Op::Remove, "/types/image~1png", None).unwrap();
        assert_eq!((thing.headers, thing.types), (None, Some(vec![])));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut thing = Thing::default();
        let refused = patch(&mut thing, Op::Replace, "/nope", Some("x")).unwrap_err();
        let message =
            "Invalid patch path  '/nope' specified for op 'replace'. Must be one of: [/name, /on, /headers/{name}]";
        assert_eq!(refused, Error::BadRequest(message.to_owned()));
        let refused = patch(&mut thing, Op::Copy, "/name", Some("x")).unwrap_err();
        let message = "Invalid patch path  '/name' specified for op 'copy'. Please choose supported operations";
        assert_eq!(refused, Error::BadRequest(message.to_owned()));
        assert!(patch(&mut thing, Op::Add, "/name", Some("x")).is_err());
        assert!(patch(&mut thing, Op::Replace, "name", Some("x")).is_err());
        assert!(patch(&mut thing, Op::Replace, "/on", Some("maybe")).is_err());
        assert!(patch(&mut thing, Op::Remove, "/headers/x", None).is_err());
        assert!(patch(&mut thing, Op::Move, "/name", None).is_err());
    }
}
