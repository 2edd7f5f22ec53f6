//! The methods of Java's strings, numbers, lists and maps that templates use. A method that does not exist, or not
//! for these arguments, is null, which renders as unresolved; a method that throws in Java ends the rendering.

use super::{Error, operators, pattern, value::*};
use std::{rc::Rc, sync::Arc};

pub fn property(heap: &mut Heap, value: &Value, name: &str) -> Result<Value, Error> {
    Ok(match (value, name) {
        (Value::Map(map), _) => heap.entries(*map).get(name).cloned().unwrap_or(Value::Null),
        (Value::Host(host), _) => return host.clone().property(heap, name),
        (Value::Entry(entry), "key") => Value::Text(entry.0.clone()),
        (Value::Entry(entry), "value") => entry.1.clone(),
        (Value::List(_) | Value::Text(_), "empty") => return call(heap, value, "isEmpty", &[]),
        _ => Value::Null,
    })
}

pub fn call(heap: &mut Heap, value: &Value, name: &str, arguments: &[Value]) -> Result<Value, Error> {
    match (name, arguments) {
        ("toString", []) if !matches!(value, Value::Null | Value::Host(_)) => {
            return heap.display(value).map(Value::text);
        }
        ("equals", [other]) if !matches!(value, Value::Null | Value::Host(_)) => {
            let same_kind = std::mem::discriminant(value) == std::mem::discriminant(other);
            return Ok(Value::Bool(same_kind && operators::equal(heap, value, other)?));
        }
        _ => {}
    }
    match value {
        Value::Text(text) => string(heap, &text.clone(), name, arguments),
        Value::Int(_) | Value::Double(_) | Value::Bool(_) => scalar(value, name, arguments),
        Value::List(id) => list(heap, *id, name, arguments),
        Value::Map(id) => map(heap, *id, name, arguments),
        Value::Entry(entry) => Ok(match (name, arguments) {
            ("getKey", []) => Value::Text(entry.0.clone()),
            ("getValue", []) => entry.1.clone(),
            _ => Value::Null,
        }),
        Value::Host(host) => host.clone().call(heap, name, arguments),
        Value::Null | Value::Block(_) => Ok(Value::Null),
    }
}

/// What a method without a result returns: it renders as nothing, even where null would show.
fn void() -> Value {
    Value::text("")
}

fn thrown(method: &str, reason: impl Into<String>) -> Error {
    Error::Method { method: method.to_owned(), reason: reason.into() }
}

/// Strings count in UTF-16 units, as Java's do.
fn string(heap: &mut Heap, text: &str, name: &str, arguments: &[Value]) -> Result<Value, Error> {
    heap.charge(text.len() / 16 + 1)?;
    let made = |heap: &mut Heap, text: String| {
        heap.charge(text.len())?;
        Ok(Value::text(text))
    };
    Ok(match (name, arguments) {
        ("length", []) => Value::Int(units(text) as i64),
        ("isEmpty", []) => Value::Bool(text.is_empty()),
        ("isBlank", []) => Value::Bool(text.trim().is_empty()),
        ("trim" | "strip", []) => return made(heap, text.trim().to_owned()),
        ("toLowerCase", []) => return made(heap, text.to_lowercase()),
        ("toUpperCase", []) => return made(heap, text.to_uppercase()),
        ("charAt", [Value::Int(at)]) => return made(heap, slice(name, text, *at, at.saturating_add(1))?),
        ("substring", [Value::Int(from)]) => return made(heap, slice(name, text, *from, units(text) as i64)?),
        ("substring", [Value::Int(from), Value::Int(to)]) => return made(heap, slice(name, text, *from, *to)?),
        ("indexOf", [Value::Text(needle)]) => position(text, text.find(&**needle)),
        ("indexOf", [Value::Text(needle), Value::Int(from)]) => {
            let skipped = slice(name, text, 0, (*from).clamp(0, units(text) as i64))?.len();
            position(text, text[skipped..].find(&**needle).map(|at| at + skipped))
        }
        ("lastIndexOf", [Value::Text(needle)]) => position(text, text.rfind(&**needle)),
        ("contains", [Value::Text(needle)]) => Value::Bool(text.contains(&**needle)),
        ("startsWith", [Value::Text(start)]) => Value::Bool(text.starts_with(&**start)),
        ("endsWith", [Value::Text(end)]) => Value::Bool(text.ends_with(&**end)),
        ("equalsIgnoreCase", [Value::Text(other)]) => Value::Bool(text.to_lowercase() == other.to_lowercase()),
        ("compareTo", [Value::Text(other)]) => Value::Int(compare(text, other)),
        ("concat", [Value::Text(other)]) => return made(heap, format!("{text}{other}")),
        ("repeat", [Value::Int(times)]) => {
            let times = usize::try_from(*times).map_err(|_| thrown(name, format!("count is negative: {times}")))?;
            heap.charge(text.len().saturating_mul(times))?;
            Value::text(text.repeat(times))
        }
        ("replace", [Value::Text(from), Value::Text(to)]) => {
            let found = text.matches(&**from).count();
            heap.charge(text.len().saturating_add(found.saturating_mul(to.len())))?;
            Value::text(text.replace(&**from, to))
        }
        ("replaceAll" | "replaceFirst", [Value::Text(regex), Value::Text(to)]) => {
            heap.charge(text.len().saturating_mul(to.len() + 1))?;
            Value::text(pattern::replace(name, text, regex, to, name == "replaceAll")?)
        }
        ("matches", [Value::Text(regex)]) => Value::Bool(pattern::matches(regex, text)?),
        ("split", [Value::Text(regex)]) => return split(heap, text, regex, 0),
        ("split", [Value::Text(regex), Value::Int(limit)]) => return split(heap, text, regex, *limit),
        ("hashCode", []) => {
            let hash = text.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
            Value::Int(i64::from(hash))
        }
        ("valueOf", [value]) => heap.display(value).map(Value::text)?,
        _ => Value::Null,
    })
}

fn units(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.encode_utf16().count() }
}

fn slice(method: &str, text: &str, from: i64, to: i64) -> Result<String, Error> {
    let length = units(text);
    let bounds = usize::try_from(from).ok().zip(usize::try_from(to).ok());
    match bounds {
        Some((from, to)) if from <= to && to <= length => {
            if text.is_ascii() {
                return Ok(text[from..to].to_owned());
            }
            let units: Vec<u16> = text.encode_utf16().skip(from).take(to - from).collect();
            Ok(String::from_utf16_lossy(&units))
        }
        _ => Err(thrown(method, format!("begin {from}, end {to}, length {length}"))),
    }
}

fn position(text: &str, at: Option<usize>) -> Value {
    Value::Int(at.map_or(-1, |at| units(&text[..at]) as i64))
}

fn compare(left: &str, right: &str) -> i64 {
    let (mut left, mut right) = (left.encode_utf16(), right.encode_utf16());
    loop {
        match (left.next(), right.next()) {
            (Some(l), Some(r)) if l == r => {}
            (Some(l), Some(r)) => return i64::from(l) - i64::from(r),
            (Some(_), None) => return 1 + left.count() as i64,
            (None, Some(_)) => return -1 - right.count() as i64,
            (None, None) => return 0,
        }
    }
}

fn split(heap: &mut Heap, text: &str, regex: &str, limit: i64) -> Result<Value, Error> {
    heap.charge(text.len().saturating_mul(4))?;
    let parts = pattern::split(text, regex, limit)?;
    heap.list(parts.into_iter().map(Value::text).collect())
}

fn scalar(value: &Value, name: &str, arguments: &[Value]) -> Result<Value, Error> {
    let parse_failed = |text: &str| thrown(name, format!("For input string: \"{text}\""));
    Ok(match (value, name, arguments) {
        (Value::Int(_), "intValue" | "longValue", []) | (Value::Double(_), "doubleValue", []) => value.clone(),
        (Value::Bool(_), "booleanValue", []) => value.clone(),
        (Value::Double(value), "intValue" | "longValue", []) => Value::Int(*value as i64),
        (Value::Int(value), "doubleValue", []) => Value::Double(*value as f64),
        (Value::Int(left), "compareTo", [Value::Int(right)]) => Value::Int(left.cmp(right) as i64),
        (Value::Double(left), "compareTo", [Value::Double(right)]) => Value::Int(left.total_cmp(right) as i64),
        (Value::Int(_), "parseInt" | "parseLong" | "valueOf", [Value::Text(text)]) => {
            Value::Int(text.parse().map_err(|_| parse_failed(text))?)
        }
        (Value::Double(_), "parseDouble" | "valueOf", [Value::Text(text)]) => {
            Value::Double(text.trim().parse().map_err(|_| parse_failed(text))?)
        }
        (Value::Int(_), "toHexString", [Value::Int(number)]) => Value::text(format!("{number:x}")),
        (Value::Int(_), "toString", [Value::Int(number)]) => Value::text(number.to_string()),
        (Value::Bool(_), "parseBoolean" | "valueOf", [Value::Text(text)]) => {
            Value::Bool(text.eq_ignore_ascii_case("true"))
        }
        (Value::Int(value), "hashCode", []) => Value::Int(*value),
        _ => Value::Null,
    })
}

/// An index into a list of `length`, or what Java throws.
fn index(method: &str, at: i64, length: usize) -> Result<usize, Error> {
    usize::try_from(at)
        .ok()
        .filter(|at| *at < length)
        .ok_or_else(|| thrown(method, format!("Index {at} out of bounds for length {length}")))
}

fn list(heap: &mut Heap, id: ListId, name: &str, arguments: &[Value]) -> Result<Value, Error> {
    heap.charge(1)?;
    let length = heap.items(id).len();
    Ok(match (name, arguments) {
        ("size", []) => Value::Int(length as i64),
        ("isEmpty", []) => Value::Bool(length == 0),
        ("get", [Value::Int(at)]) => heap.items(id)[index(name, *at, length)?].clone(),
        ("set", [Value::Int(at), value]) => {
            let at = index(name, *at, length)?;
            std::mem::replace(&mut heap.items_mut(id)[at], value.clone())
        }
        ("add", [value]) => {
            heap.charge(4)?;
            heap.items_mut(id).push(value.clone());
            Value::Bool(true)
        }
        ("add", [Value::Int(at), value]) => {
            heap.charge(length + 4)?;
            let at = index(name, *at, length + 1)?;
            heap.items_mut(id).insert(at, value.clone());
            void()
        }
        ("addAll", [Value::List(other)]) => {
            let items = heap.items(*other).to_vec();
            heap.charge(items.len() * 4)?;
            let changed = !items.is_empty();
            heap.items_mut(id).extend(items);
            Value::Bool(changed)
        }
        ("remove", [Value::Int(at)]) => {
            heap.charge(length)?;
            let at = index(name, *at, length)?;
            heap.items_mut(id).remove(at)
        }
        ("remove", [value]) => {
            let found = find(heap, id, value)?;
            if let Some(at) = found {
                heap.items_mut(id).remove(at);
            }
            Value::Bool(found.is_some())
        }
        ("clear", []) => {
            heap.items_mut(id).clear();
            void()
        }
        ("contains", [value]) => Value::Bool(find(heap, id, value)?.is_some()),
        ("containsAll", [Value::List(other)]) => {
            let mut all = true;
            for value in heap.items(*other).to_vec() {
                all = all && find(heap, id, &value)?.is_some();
            }
            Value::Bool(all)
        }
        ("indexOf", [value]) => Value::Int(find(heap, id, value)?.map_or(-1, |at| at as i64)),
        ("subList", [Value::Int(from), Value::Int(to)]) => {
            let to = index(name, *to, length + 1)?;
            let from = index(name, *from, to + 1)?;
            let items = heap.items(id)[from..to].to_vec();
            heap.list(items)?
        }
        ("toArray", []) => {
            let items = heap.items(id).to_vec();
            heap.list(items)?
        }
        _ => Value::Null,
    })
}

/// Where a list holds a value that equals this one, of the same kind.
fn find(heap: &mut Heap, id: ListId, value: &Value) -> Result<Option<usize>, Error> {
    let items = heap.items(id).to_vec();
    heap.charge(items.len())?;
    for (at, item) in items.iter().enumerate() {
        let same_kind = std::mem::discriminant(item) == std::mem::discriminant(value);
        if same_kind && operators::equal(heap, item, value)? {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

fn map(heap: &mut Heap, id: MapId, name: &str, arguments: &[Value]) -> Result<Value, Error> {
    heap.charge(1)?;
    let length = heap.entries(id).len();
    let entries = |heap: &mut Heap| {
        heap.charge(length)?;
        Ok::<_, Error>(heap.entries(id).iter().cloned().collect::<Vec<_>>())
    };
    Ok(match (name, arguments) {
        ("size", []) => Value::Int(length as i64),
        ("isEmpty", []) => Value::Bool(length == 0),
        ("get", [key]) => {
            let key = heap.display(key)?;
            heap.entries(id).get(&key).cloned().unwrap_or(Value::Null)
        }
        ("getOrDefault", [key, default]) => {
            let key = heap.display(key)?;
            heap.entries(id).get(&key).unwrap_or(default).clone()
        }
        ("put", [key, value]) => {
            let key = heap.display(key)?;
            heap.charge(4)?;
            heap.entries_mut(id).insert(key.into(), value.clone()).unwrap_or(Value::Null)
        }
        ("putIfAbsent", [key, value]) => {
            let key = heap.display(key)?;
            match heap.entries(id).get(&key) {
                Some(present) => present.clone(),
                None => {
                    heap.charge(4)?;
                    heap.entries_mut(id).insert(Arc::from(key), value.clone()).unwrap_or(Value::Null)
                }
            }
        }
        ("putAll", [Value::Map(other)]) => {
            let others: Vec<_> = heap.entries(*other).iter().cloned().collect();
            heap.charge(others.len() * 4)?;
            for (key, value) in others {
                heap.entries_mut(id).insert(key, value);
            }
            void()
        }
        ("remove", [key]) => {
            heap.charge(length)?;
            let key = heap.display(key)?;
            heap.entries_mut(id).remove(&key).unwrap_or(Value::Null)
        }
        ("clear", []) => {
            *heap.entries_mut(id) = Entries::default();
            void()
        }
        ("containsKey", [key]) => {
            let key = heap.display(key)?;
            Value::Bool(heap.entries(id).get(&key).is_some())
        }
        ("containsValue", [value]) => {
            let mut found = false;
            for (_, candidate) in entries(heap)? {
                found = found || operators::equal(heap, &candidate, value)?;
            }
            Value::Bool(found)
        }
        ("keySet", []) => {
            let keys = entries(heap)?.into_iter().map(|(key, _)| Value::Text(key)).collect();
            heap.list(keys)?
        }
        ("values", []) => {
            let values = entries(heap)?.into_iter().map(|(_, value)| value).collect();
            heap.list(values)?
        }
        ("entrySet", []) => {
            let entries = entries(heap)?.into_iter().map(|entry| Value::Entry(Rc::new(entry))).collect();
            heap.list(entries)?
        }
        _ => Value::Null,
    })
}
