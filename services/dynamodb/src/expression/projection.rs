//! Projections: the parts of an item that were asked for.

use super::lexer::Token;
use super::parser::Parser;
use super::path::{Element, find_clash};
use super::{Kind, Path, Placeholders};
use crate::error::Invalid;
use crate::value::{AttributeValue, Item};

#[derive(Clone, Debug, PartialEq)]
pub struct Projection<'a> {
    pub paths: Vec<Path<'a>>,
}

impl<'a> Projection<'a> {
    pub fn parse(text: &'a str, placeholders: &mut Placeholders<'a>) -> Result<Projection<'a>, Invalid> {
        let mut parser = Parser::new(Kind::Projection, text, placeholders)?;
        let mut paths = vec![parser.path()?];
        while parser.eat(Token::Comma) {
            paths.push(parser.path()?);
        }
        if let Some(clash) = find_clash(&paths.iter().collect::<Vec<_>>()) {
            parser.complain(clash);
        }
        parser.finish()?;
        Ok(Projection { paths })
    }

    /// A projection on whole attributes.
    pub fn attributes(names: impl IntoIterator<Item = &'a str>) -> Projection<'a> {
        Projection { paths: names.into_iter().map(Path::top_level).collect() }
    }

    /// The parts of the item that the paths name; places in lists close up, in their order.
    pub fn apply(&self, item: &Item) -> Item {
        let mut projected = Item::new();
        for path in &self.paths {
            if projected.contains_key(path.root) {
                continue;
            }
            let rests: Vec<&[Element<'a>]> =
                self.paths.iter().filter(|other| other.root == path.root).map(|other| other.rest.as_slice()).collect();
            if let Some(part) = item.get(path.root).and_then(|value| part(value, &rests)) {
                projected.insert(path.root.to_owned(), part);
            }
        }
        projected
    }
}

/// The part of a value that the paths name; `None` if they name nothing that is there.
fn part(value: &AttributeValue, paths: &[&[Element<'_>]]) -> Option<AttributeValue> {
    if paths.iter().any(|path| path.is_empty()) {
        return Some(value.clone());
    }
    let below = |element: Element<'_>| -> Vec<&[Element<'_>]> {
        paths.iter().filter(|path| path[0] == element).map(|path| &path[1..]).collect()
    };
    match value {
        AttributeValue::M(members) => {
            let parts: Item = members
                .iter()
                .filter_map(|(name, member)| {
                    let below = below(Element::Field(name));
                    if below.is_empty() { None } else { Some((name.clone(), part(member, &below)?)) }
                })
                .collect();
            (!parts.is_empty()).then_some(AttributeValue::M(parts))
        }
        AttributeValue::L(members) => {
            let parts: Vec<_> = members
                .iter()
                .enumerate()
                .filter_map(|(index, member)| {
                    let below = below(Element::Index(index));
                    if below.is_empty() { None } else { part(member, &below) }
                })
                .collect();
            (!parts.is_empty()).then_some(AttributeValue::L(parts))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn project(text: &str) -> Result<Item, String> {
        let s = |text: &str| AttributeValue::S(text.into());
        let inner = AttributeValue::M([("x".to_string(), s("1")), ("y".to_string(), s("2"))].into());
        let item = Item::from([
            ("a".to_string(), inner.clone()),
            ("b".to_string(), AttributeValue::L(vec![s("p"), inner, s("q")])),
            ("c".to_string(), s("c")),
        ]);
        Projection::parse(text, &mut Placeholders::new(None, None)).map(|p| p.apply(&item)).map_err(|e| e.0)
    }

    #[test]
    fn parts_of_items() {
        let shown = |text: &str| format!("{:?}", project(text).unwrap());
        assert_eq!(shown("c"), r#"{"c": S("c")}"#);
        assert_eq!(shown("a.y"), r#"{"a": M({"y": S("2")})}"#);
        assert_eq!(shown("b[2], b[0]"), r#"{"b": L([S("p"), S("q")])}"#);
        assert_eq!(shown("b[1].x, c, a.nothing, nothing"), r#"{"b": L([M({"x": S("1")})]), "c": S("c")}"#);
    }

    #[test]
    fn clashes() {
        assert_eq!(
            project("a, c, a.x").unwrap_err(),
            "Invalid ProjectionExpression: Two document paths overlap with each other; must remove or rewrite one of \
             these paths; path one: [a], path two: [a, x]"
        );
        assert_eq!(
            project("a.x, a[1]").unwrap_err(),
            "Invalid ProjectionExpression: Two document paths conflict with each other; must remove or rewrite one \
             of these paths; path one: [a, x], path two: [a, [1]]"
        );
        assert!(project("a b").unwrap_err().contains("Syntax error"));
    }

    proptest! {
        #[test]
        fn paths_round_trip(
            root in "[a-z]x[a-z0-9_]{0,4}q",
            rest in prop::collection::vec(prop_oneof![
                "[a-z]x[a-z0-9_]{0,4}q".prop_map(Ok), (0usize..1000).prop_map(Err)
            ], 0..6),
        ) {
            let mut text = root.clone();
            for element in &rest {
                match element {
                    Ok(name) => text.push_str(&format!(".{name}")),
                    Err(index) => text.push_str(&format!("[{index}]")),
                }
            }
            let mut placeholders = Placeholders::new(None, None);
            let parsed = Projection::parse(&text, &mut placeholders).unwrap();
            let path = &parsed.paths[0];
            prop_assert_eq!(path.root, root);
            let back: Vec<_> = path.rest.iter().map(|element| match element {
                Element::Field(name) => Ok(name.to_string()),
                Element::Index(index) => Err(*index),
            }).collect();
            prop_assert_eq!(back, rest);
        }
    }
}
