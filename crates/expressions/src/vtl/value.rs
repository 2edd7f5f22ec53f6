//! What a template computes with. Lists and maps live in the engine's [`Heap`] and are named by handles, so that two
//! references to one list see each other's changes, a cycle leaks nothing, and everything is freed with the engine.

use super::{Error, ast::Block, format};
use serde_json::Value as Json;
use std::{rc::Rc, sync::Arc};

/// How deep a value may nest before it is refused as text or JSON.
const MAX_DEPTH: usize = 64;

/// An object that the host offers to templates, like `$input` and `$util`.
pub trait Host {
    /// A property; null when there is no such one.
    fn property(&self, heap: &mut Heap, name: &str) -> Result<Value, Error>;

    /// Calls a method; null when there is no such one.
    fn call(&self, heap: &mut Heap, name: &str, arguments: &[Value]) -> Result<Value, Error>;
}

#[derive(Clone)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Arc<str>),
    List(ListId),
    Map(MapId),
    /// One of a map's entries, as `entrySet()` lists them.
    Entry(Rc<(Arc<str>, Value)>),
    /// A `#define`d block: rendered anew at each use.
    Block(Block),
    Host(Rc<dyn Host>),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ListId(usize);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MapId(usize);

impl Value {
    pub fn text(text: impl Into<Arc<str>>) -> Self {
        Self::Text(text.into())
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Whether `#if` takes it: all but null and false.
    pub fn truthy(&self) -> bool {
        !matches!(self, Self::Null | Self::Bool(false))
    }
}

/// A map in insertion order. Small maps are the rule, so it is searched from end to end until it grows.
#[derive(Default, Clone)]
pub struct Entries {
    entries: Vec<(Arc<str>, Value)>,
    index: Option<std::collections::HashMap<Arc<str>, usize>>,
}

impl Entries {
    const SMALL: usize = 16;

    fn position(&self, key: &str) -> Option<usize> {
        match &self.index {
            Some(index) => index.get(key).copied(),
            None => self.entries.iter().position(|(name, _)| &**name == key),
        }
    }

    pub fn get(&self, key: &str) -> Option<&Value> {
        self.position(key).map(|at| &self.entries[at].1)
    }

    pub fn insert(&mut self, key: Arc<str>, value: Value) -> Option<Value> {
        if let Some(at) = self.position(&key) {
            return Some(std::mem::replace(&mut self.entries[at].1, value));
        }
        if let Some(index) = &mut self.index {
            index.insert(key.clone(), self.entries.len());
        }
        self.entries.push((key, value));
        if self.index.is_none() && self.entries.len() > Self::SMALL {
            self.reindex();
        }
        None
    }

    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let at = self.position(key)?;
        let (_, value) = self.entries.remove(at);
        if self.index.is_some() {
            self.reindex();
        }
        Some(value)
    }

    fn reindex(&mut self) {
        self.index = Some(self.entries.iter().enumerate().map(|(at, (key, _))| (key.clone(), at)).collect());
    }

    pub fn iter(&self) -> impl Iterator<Item = &(Arc<str>, Value)> {
        self.entries.iter()
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }
}

#[derive(Default)]
struct List {
    items: Vec<Value>,
    /// Arrays that JSONPath returned print as JSON; Java's own lists print as `[a, b]`.
    json: bool,
}

/// Where lists and maps live, and the budget that rendering spends.
pub struct Heap {
    lists: Vec<List>,
    maps: Vec<Entries>,
    /// Units of work left: a node rendered, an element copied, a byte of text made.
    budget: u64,
}

impl Heap {
    pub fn new(budget: u64) -> Self {
        Self { lists: Vec::new(), maps: Vec::new(), budget }
    }

    /// Pays for work, or ends the rendering.
    pub fn charge(&mut self, units: usize) -> Result<(), Error> {
        self.budget = self.budget.checked_sub(units as u64).ok_or(Error::Limit("work"))?;
        Ok(())
    }

    pub fn list(&mut self, items: Vec<Value>) -> Result<Value, Error> {
        self.charge(items.len() + 4)?;
        self.lists.push(List { items, json: false });
        Ok(Value::List(ListId(self.lists.len() - 1)))
    }

    pub fn map(&mut self, entries: impl IntoIterator<Item = (Arc<str>, Value)>) -> Result<Value, Error> {
        let mut map = Entries::default();
        for (key, value) in entries {
            map.insert(key, value);
        }
        self.charge(map.len() + 4)?;
        self.maps.push(map);
        Ok(Value::Map(MapId(self.maps.len() - 1)))
    }

    pub fn items(&self, list: ListId) -> &[Value] {
        &self.lists[list.0].items
    }

    pub fn items_mut(&mut self, list: ListId) -> &mut Vec<Value> {
        &mut self.lists[list.0].items
    }

    pub fn entries(&self, map: MapId) -> &Entries {
        &self.maps[map.0]
    }

    pub fn entries_mut(&mut self, map: MapId) -> &mut Entries {
        &mut self.maps[map.0]
    }

    /// Brings a JSON value in.
    pub fn import(&mut self, json: &Json) -> Result<Value, Error> {
        self.import_at(json, MAX_DEPTH)
    }

    fn import_at(&mut self, json: &Json, depth: usize) -> Result<Value, Error> {
        let depth = depth.checked_sub(1).ok_or(Error::Limit("nesting depth"))?;
        self.charge(1)?;
        Ok(match json {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(number) => match number.as_i64() {
                Some(integer) => Value::Int(integer),
                None => Value::Double(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => {
                self.charge(text.len())?;
                Value::text(text.as_str())
            }
            Json::Array(items) => {
                let items = items.iter().map(|item| self.import_at(item, depth)).collect::<Result<_, _>>()?;
                self.lists.push(List { items, json: true });
                Value::List(ListId(self.lists.len() - 1))
            }
            Json::Object(members) => {
                let entries = members
                    .iter()
                    .map(|(key, value)| Ok((Arc::from(key.as_str()), self.import_at(value, depth)?)))
                    .collect::<Result<Vec<_>, Error>>()?;
                self.map(entries)?
            }
        })
    }

    /// Takes a value out as JSON.
    pub fn export(&mut self, value: &Value) -> Result<Json, Error> {
        self.export_at(value, MAX_DEPTH)
    }

    fn export_at(&mut self, value: &Value, depth: usize) -> Result<Json, Error> {
        let depth = depth.checked_sub(1).ok_or(Error::Limit("nesting depth"))?;
        self.charge(1)?;
        Ok(match value {
            Value::Null | Value::Block(_) | Value::Host(_) => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            Value::Int(value) => Json::from(*value),
            Value::Double(value) => Json::from(*value),
            Value::Text(text) => {
                self.charge(text.len())?;
                Json::from(&**text)
            }
            Value::List(list) => {
                let items = self.items(*list).to_vec();
                Json::Array(items.iter().map(|item| self.export_at(item, depth)).collect::<Result<_, _>>()?)
            }
            Value::Map(map) => {
                let entries = self.entries(*map).entries.clone();
                let members = entries.iter().map(|(key, value)| Ok((key.to_string(), self.export_at(value, depth)?)));
                Json::Object(members.collect::<Result<_, Error>>()?)
            }
            Value::Entry(entry) => {
                Json::Object([(entry.0.to_string(), self.export_at(&entry.1, depth)?)].into_iter().collect())
            }
        })
    }

    /// The value as Java's `toString()` shows it.
    pub fn display(&mut self, value: &Value) -> Result<String, Error> {
        let mut out = String::new();
        self.write(value, &mut out, MAX_DEPTH)?;
        Ok(out)
    }

    fn write(&mut self, value: &Value, out: &mut String, depth: usize) -> Result<(), Error> {
        let depth = depth.checked_sub(1).ok_or(Error::Limit("nesting depth"))?;
        let before = out.len();
        match value {
            Value::Null => out.push_str("null"),
            Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Value::Int(value) => out.push_str(&value.to_string()),
            Value::Double(value) => out.push_str(&format::double(*value)),
            Value::Text(text) => out.push_str(text),
            Value::List(list) if self.lists[list.0].json => {
                let json = self.export_at(value, depth)?;
                out.push_str(&json.to_string());
            }
            Value::List(list) => {
                let items = self.items(*list).to_vec();
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    out.push_str(if at > 0 { ", " } else { "" });
                    self.write(item, out, depth)?;
                }
                out.push(']');
            }
            Value::Map(map) => {
                let entries = self.entries(*map).entries.clone();
                out.push('{');
                for (at, (key, value)) in entries.iter().enumerate() {
                    out.push_str(if at > 0 { ", " } else { "" });
                    out.push_str(key);
                    out.push('=');
                    self.write(value, out, depth)?;
                }
                out.push('}');
            }
            Value::Entry(entry) => {
                out.push_str(&entry.0);
                out.push('=');
                self.write(&entry.1, out, depth)?;
            }
            Value::Block(_) | Value::Host(_) => {}
        }
        self.charge(1 + out.len() - before)
    }
}
