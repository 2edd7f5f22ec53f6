//! Applying an update to an item.
//!
//! Every value is computed from the item as it was. SET comes first, then ADD and DELETE, and REMOVE last, so that the
//! places in lists are those of the item as it was.

use super::path::Element;
use super::{Path, Update};
use crate::error::Invalid;
use crate::expression::update::Source;
use crate::number::Number;
use crate::value::{AttributeValue, Item};

impl<'a> Update<'a> {
    pub fn apply(&self, old: &Item) -> Result<Item, Invalid> {
        let mut sets = Vec::with_capacity(self.set.len());
        for (target, source) in &self.set {
            sets.push((target, source.resolve(old)?));
        }
        // Places beyond a list's end append to it, in the order of the places.
        sets.sort_by_key(|(target, _)| match target.rest.last() {
            Some(Element::Index(index)) => *index,
            _ => 0,
        });
        let mut item = old.clone();
        for (target, value) in sets {
            set(&mut item, target, value)?;
        }
        for (target, operand) in &self.add {
            let value = added(target.find(old), operand)?;
            set(&mut item, target, value)?;
        }
        let mut removed: Vec<&Path<'a>> = self.remove.iter().collect();
        for (target, operand) in &self.delete {
            match target.find(old) {
                None => check_parent(old, target)?,
                Some(value) => match deleted(value, operand)? {
                    Some(rest) => set(&mut item, target, rest)?,
                    None => removed.push(target),
                },
            }
        }
        // Later places first, so that the earlier ones stay where they are.
        removed.sort_by(|a, b| b.cmp(a));
        for target in removed {
            remove(&mut item, old, target)?;
        }
        Ok(item)
    }
}

impl Source<'_> {
    fn resolve(&self, item: &Item) -> Result<AttributeValue, Invalid> {
        match self {
            Source::Value(value) => Ok((*value).clone()),
            Source::Path(path) => path.find(item).cloned().ok_or_else(|| {
                Invalid::new("The provided expression refers to an attribute that does not exist in the item")
            }),
            Source::IfNotExists(path, otherwise) => match path.find(item) {
                Some(value) => Ok(value.clone()),
                None => otherwise.resolve(item),
            },
            Source::ListAppend(first, second) => match (first.resolve(item)?, second.resolve(item)?) {
                (AttributeValue::L(mut members), AttributeValue::L(more)) => {
                    members.extend(more);
                    Ok(AttributeValue::L(members))
                }
                _ => Err(wrong_type()),
            },
            Source::Plus(a, b) => calculate(&a.resolve(item)?, &b.resolve(item)?, Number::plus),
            Source::Minus(a, b) => calculate(&a.resolve(item)?, &b.resolve(item)?, Number::minus),
        }
    }
}

fn wrong_type() -> Invalid {
    Invalid::new("An operand in the update expression has an incorrect data type")
}

fn wrong_path() -> Invalid {
    Invalid::new("The document path provided in the update expression is invalid for update")
}

fn calculate(
    a: &AttributeValue,
    b: &AttributeValue,
    operation: impl Fn(Number, Number) -> Result<Number, Invalid>,
) -> Result<AttributeValue, Invalid> {
    match (a, b) {
        (AttributeValue::N(a), AttributeValue::N(b)) => {
            Ok(AttributeValue::N(operation(Number::parse(a)?, Number::parse(b)?)?.to_string()))
        }
        _ => Err(wrong_type()),
    }
}

/// What ADD leaves at a path.
pub fn added(current: Option<&AttributeValue>, operand: &AttributeValue) -> Result<AttributeValue, Invalid> {
    use AttributeValue as V;
    let Some(current) = current else { return Ok(operand.clone()) };
    match (current, operand) {
        (V::N(_), V::N(_)) => calculate(current, operand, Number::plus),
        (V::Ss(members), V::Ss(more)) => Ok(V::Ss(union(members, more))),
        (V::Ns(members), V::Ns(more)) => Ok(V::Ns(union(members, more))),
        (V::Bs(members), V::Bs(more)) => Ok(V::Bs(union(members, more))),
        // Only the legacy ADD takes lists; the expression's refuses them when it is parsed.
        (V::L(members), V::L(more)) => Ok(V::L([members.as_slice(), more].concat())),
        _ => Err(wrong_type()),
    }
}

/// What DELETE leaves of a set; nothing, if it takes every member.
pub fn deleted(current: &AttributeValue, operand: &AttributeValue) -> Result<Option<AttributeValue>, Invalid> {
    use AttributeValue as V;
    Ok(match (current, operand) {
        (V::Ss(members), V::Ss(gone)) => difference(members, gone).map(V::Ss),
        (V::Ns(members), V::Ns(gone)) => difference(members, gone).map(V::Ns),
        (V::Bs(members), V::Bs(gone)) => difference(members, gone).map(V::Bs),
        _ => return Err(wrong_type()),
    })
}

fn union<T: Clone + PartialEq>(members: &[T], more: &[T]) -> Vec<T> {
    let mut all = members.to_vec();
    all.extend(more.iter().filter(|member| !members.contains(member)).cloned());
    all
}

fn difference<T: Clone + PartialEq>(members: &[T], gone: &[T]) -> Option<Vec<T>> {
    let rest: Vec<T> = members.iter().filter(|member| !gone.contains(member)).cloned().collect();
    (!rest.is_empty()).then_some(rest)
}

/// Where a path ends: in the item itself, in a map or in a list.
enum Place<'i, 'a> {
    Member(&'i mut Item, &'a str),
    Element(&'i mut Vec<AttributeValue>, usize),
}

fn place<'i, 'a>(item: &'i mut Item, path: &Path<'a>) -> Result<Place<'i, 'a>, Invalid> {
    let Some((last, between)) = path.rest.split_last() else { return Ok(Place::Member(item, path.root)) };
    let mut parent = item.get_mut(path.root).ok_or_else(wrong_path)?;
    for element in between {
        parent = match (element, parent) {
            (Element::Field(name), AttributeValue::M(members)) => members.get_mut(*name),
            (Element::Index(index), AttributeValue::L(members)) => members.get_mut(*index),
            _ => None,
        }
        .ok_or_else(wrong_path)?;
    }
    match (last, parent) {
        (Element::Field(name), AttributeValue::M(members)) => Ok(Place::Member(members, name)),
        (Element::Index(index), AttributeValue::L(members)) => Ok(Place::Element(members, *index)),
        _ => Err(wrong_path()),
    }
}

fn set(item: &mut Item, path: &Path<'_>, value: AttributeValue) -> Result<(), Invalid> {
    match place(item, path)? {
        Place::Member(members, name) => {
            members.insert(name.to_owned(), value);
        }
        Place::Element(members, index) => match members.get_mut(index) {
            Some(member) => *member = value,
            None => members.push(value),
        },
    }
    Ok(())
}

fn remove(item: &mut Item, old: &Item, path: &Path<'_>) -> Result<(), Invalid> {
    // A place that SET has only now appended is not the place that was meant.
    let existed = path.find(old).is_some();
    match place(item, path)? {
        Place::Member(members, name) => {
            members.remove(name);
        }
        Place::Element(members, index) if existed && index < members.len() => {
            members.remove(index);
        }
        Place::Element(..) => {}
    }
    Ok(())
}

/// The complaint that writing to the path would meet, if any.
fn check_parent(item: &Item, path: &Path<'_>) -> Result<(), Invalid> {
    let Some((last, between)) = path.rest.split_last() else { return Ok(()) };
    let parent = Path { root: path.root, rest: between.to_vec() };
    match (last, parent.find(item)) {
        (Element::Field(_), Some(AttributeValue::M(_))) | (Element::Index(_), Some(AttributeValue::L(_))) => Ok(()),
        _ => Err(wrong_path()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::Placeholders;
    use std::collections::BTreeMap;

    fn s(text: &str) -> AttributeValue {
        AttributeValue::S(text.into())
    }

    fn n(text: &str) -> AttributeValue {
        AttributeValue::N(text.into())
    }

    fn set_of(members: &[&str]) -> AttributeValue {
        AttributeValue::Ss(members.iter().map(|m| m.to_string()).collect())
    }

    fn apply(text: &str) -> Result<Item, String> {
        let old = items(&[
            ("num", n("5")),
            ("str", s("x")),
            ("tagset", set_of(&["a", "b"])),
            ("seq", AttributeValue::L(vec![n("0"), n("1"), n("2")])),
            ("doc", AttributeValue::M(items(&[("k", n("1"))]))),
        ]);
        let values: BTreeMap<_, _> = items(&[
            (":n", n("2")),
            (":s", s("new")),
            (":tagset", set_of(&["b", "c"])),
            (":all", set_of(&["a", "b"])),
            (":l", AttributeValue::L(vec![n("9")])),
        ]);
        let mut placeholders = Placeholders::new(None, Some(&values));
        let update = Update::parse(text, &mut placeholders).map_err(|e| e.0)?;
        let mut new = update.apply(&old).map_err(|e| e.0)?;
        // What has not changed is of no interest below.
        new.retain(|name, value| old.get(name) != Some(value));
        Ok(new)
    }

    fn items(pairs: &[(&str, AttributeValue)]) -> Item {
        pairs.iter().map(|(name, value)| (name.to_string(), value.clone())).collect()
    }

    #[test]
    fn values_come_from_the_item_as_it_was() {
        let list = |numbers: &[&str]| AttributeValue::L(numbers.iter().map(|number| n(number)).collect());
        for (text, expected) in [
            ("SET str = :s, fresh = str", vec![("str", s("new")), ("fresh", s("x"))]),
            ("SET num = num + :n", vec![("num", n("7"))]),
            ("SET num = num - :n, also = num", vec![("num", n("3")), ("also", n("5"))]),
            ("SET count1 = if_not_exists(count1, :n) + :n", vec![("count1", n("4"))]),
            ("SET seq = list_append(seq, :l)", vec![("seq", list(&["0", "1", "2", "9"]))]),
            ("SET seq[1] = :n", vec![("seq", list(&["0", "2", "2"]))]),
            ("SET seq[9] = num, seq[7] = :n", vec![("seq", list(&["0", "1", "2", "2", "5"]))]),
            ("REMOVE seq[0], seq[2], seq[5]", vec![("seq", list(&["1"]))]),
            ("SET seq[1] = :n REMOVE seq[0]", vec![("seq", list(&["2", "2"]))]),
            ("ADD num :n, hits :n", vec![("num", n("7")), ("hits", n("2"))]),
            ("ADD tagset :tagset", vec![("tagset", set_of(&["a", "b", "c"]))]),
            ("DELETE tagset :tagset", vec![("tagset", set_of(&["a"]))]),
            ("SET doc.j = :n", vec![("doc", AttributeValue::M(items(&[("j", n("2")), ("k", n("1"))])))]),
            ("REMOVE doc.nothing, nothing DELETE zilch :tagset", vec![]),
        ] {
            assert_eq!(apply(text).unwrap(), items(&expected), "{text}");
        }
        assert_eq!(apply("DELETE tagset :all").unwrap(), Item::new());
    }

    #[test]
    fn complaints() {
        let path = "The document path provided in the update expression is invalid for update";
        let operand = "An operand in the update expression has an incorrect data type";
        for (text, expected) in [
            ("SET nothing.x = :s", path),
            ("SET str.x = :s", path),
            ("SET doc[0] = :s", path),
            ("REMOVE nothing.x", path),
            ("DELETE nothing.x :tagset", path),
            ("SET num = str + :n", operand),
            ("SET seq = list_append(num, :l)", operand),
            ("ADD str :n", operand),
            ("DELETE num :tagset", operand),
            ("SET a = nothing", "The provided expression refers to an attribute that does not exist in the item"),
        ] {
            assert_eq!(apply(text).unwrap_err(), expected, "{text}");
        }
    }
}
