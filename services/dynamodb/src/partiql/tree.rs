//! Statements as the trees of expressions, which borrow from them.

use super::statement::{Condition, Element, Operand, Path, Select, Update};
use crate::error::Invalid;
use crate::expression::condition::{Condition as Tree, Operand as TreeOperand};
use crate::expression::path::{Element as TreeElement, find_clash};
use crate::expression::update::Source;
use crate::expression::{Path as TreePath, Projection, Update as TreeUpdate};
use crate::value::{AttributeValue, Item, Type};

impl Path {
    pub fn tree(&self) -> TreePath<'_> {
        let element = |element| match element {
            &Element::Index(index) => TreeElement::Index(index),
            Element::Field(name) => TreeElement::Field(name),
        };
        TreePath { root: &self.root, rest: self.rest.iter().map(element).collect() }
    }

    /// What a selected path is called in the result: its last name, with the places in lists after it.
    fn label(&self) -> String {
        let named = self.rest.iter().rposition(|element| matches!(element, Element::Field(_)));
        let (mut label, rest) = match named {
            Some(at) => match &self.rest[at] {
                Element::Field(name) => (name.clone(), &self.rest[at + 1..]),
                Element::Index(_) => (self.root.clone(), &self.rest[..]),
            },
            None => (self.root.clone(), &self.rest[..]),
        };
        for element in rest {
            if let Element::Index(index) = element {
                label.push_str(&format!("[{index}]"));
            }
        }
        label
    }
}

impl Select {
    /// The attributes that are read, for the indexes and policies that care.
    pub fn projection(&self) -> Option<Projection<'_>> {
        self.paths.as_ref().map(|paths| Projection { paths: paths.iter().map(Path::tree).collect() })
    }

    /// The selected parts of an item, each at the top.
    pub fn pick(&self, item: Item) -> Item {
        let Some(paths) = &self.paths else { return item };
        paths.iter().filter_map(|path| Some((path.label(), path.tree().find(&item)?.clone()))).collect()
    }
}

impl Condition {
    pub fn tree(&self) -> Result<Tree<'_>, Invalid> {
        Ok(match self {
            Condition::And(a, b) => a.tree()?.and(b.tree()?),
            Condition::Or(a, b) => a.tree()?.or(b.tree()?),
            Condition::Not(inner) => match &**inner {
                Condition::Missing(path) => Tree::Exists(path.tree()),
                inner => Tree::Not(Box::new(inner.tree()?)),
            },
            Condition::Compare(comparator, a, b) => Tree::Compare(*comparator, a.tree()?, b.tree()?),
            Condition::Between(value, low, high) => Tree::Between(value.tree()?, low.tree()?, high.tree()?),
            Condition::In(value, members) => {
                Tree::In(value.tree()?, members.iter().map(Operand::tree).collect::<Result<_, _>>()?)
            }
            Condition::Missing(path) => Tree::NotExists(path.tree()),
            Condition::Null(operand) => Tree::HasType(operand.tree()?, Type::Null),
            Condition::HasType(operand, code) => Tree::HasType(
                operand.tree()?,
                Type::from_code(code)
                    .ok_or_else(|| Invalid(format!("Invalid attribute type name found; type: {code}")))?,
            ),
            Condition::BeginsWith(a, b) => Tree::BeginsWith(a.tree()?, b.tree()?),
            Condition::Contains(a, b) => Tree::Contains(a.tree()?, b.tree()?),
        })
    }
}

fn only_in_set(function: &str) -> Invalid {
    Invalid(format!("Unsupported operation: {function} is only supported in the SET clause of an UPDATE"))
}

impl Operand {
    fn tree(&self) -> Result<TreeOperand<'_>, Invalid> {
        match self {
            Operand::Path(path) => Ok(TreeOperand::Path(path.tree())),
            Operand::Value(value) => Ok(TreeOperand::Value(value)),
            Operand::Size(inner) => Ok(TreeOperand::Size(Box::new(inner.tree()?))),
            Operand::ListAppend(..) => Err(only_in_set("list_append")),
            Operand::SetAdd(..) => Err(only_in_set("set_add")),
            Operand::SetDelete(..) => Err(only_in_set("set_delete")),
            Operand::Plus(..) | Operand::Minus(..) => Err(only_in_set("Arithmetic")),
        }
    }

    fn source(&self) -> Result<Source<'_>, Invalid> {
        Ok(match self {
            Operand::Path(path) => Source::Path(path.tree()),
            Operand::Value(value) => Source::Value(value),
            Operand::ListAppend(a, b) => Source::ListAppend(Box::new(a.source()?), Box::new(b.source()?)),
            Operand::Plus(a, b) => Source::Plus(Box::new(a.source()?), Box::new(b.source()?)),
            Operand::Minus(a, b) => Source::Minus(Box::new(a.source()?), Box::new(b.source()?)),
            Operand::Size(_) => return Err(Invalid::new("Unsupported operation: size is not supported in SET")),
            Operand::SetAdd(..) | Operand::SetDelete(..) => {
                return Err(Invalid::new(
                    "Unsupported operation: set functions must change the attribute that they are assigned to",
                ));
            }
        })
    }
}

impl Update {
    pub fn tree(&self) -> Result<TreeUpdate<'_>, Invalid> {
        let mut update = TreeUpdate::default();
        for (target, operand) in &self.set {
            match operand {
                Operand::SetAdd(base, members) if is_path(base, target) => {
                    update.add.push((target.tree(), set_literal(members)?));
                }
                Operand::SetDelete(base, members) if is_path(base, target) => {
                    update.delete.push((target.tree(), set_literal(members)?));
                }
                operand => update.set.push((target.tree(), operand.source()?)),
            }
        }
        update.remove = self.remove.iter().map(Path::tree).collect();
        if let Some(clash) = find_clash(&update.targets().collect::<Vec<_>>()) {
            return Err(Invalid(clash));
        }
        Ok(update)
    }
}

fn is_path(operand: &Operand, path: &Path) -> bool {
    matches!(operand, Operand::Path(found) if found == path)
}

fn set_literal(operand: &Operand) -> Result<&AttributeValue, Invalid> {
    match operand {
        Operand::Value(value) if Type::of(value).is_set() => Ok(value),
        _ => Err(Invalid::new("Set functions require a set as their second argument")),
    }
}

#[cfg(test)]
mod tests {
    use crate::partiql::{Statement, parse};

    #[test]
    fn selected_paths_are_called_by_their_end() {
        let Ok(Statement::Select(select)) = parse("SELECT a, b.c, b.d[0], e[1][2] FROM T", &[]) else {
            panic!("a SELECT");
        };
        let labels: Vec<_> = select.paths.unwrap().iter().map(super::Path::label).collect();
        assert_eq!(labels, ["a", "c", "d[0]", "e[1][2]"]);
    }
}
