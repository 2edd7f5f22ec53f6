//! The service's languages for the fuzz targets: whatever the text is, it is refused, or read and applied. And imported files.

use crate::expression::{Condition, Kind, Placeholders, Projection, Update, key_condition};
use crate::key::{KeyAttribute, KeySchema, Scalar};
use crate::partiql::plan::Plan;
use crate::partiql::{Statement, parse};
use crate::validate;
use crate::value::{AttributeValue, Item};

fn item() -> Item {
    let number = |text: &str| AttributeValue::N(text.into());
    let list = AttributeValue::L(vec![number("1"), AttributeValue::S("x".into())]);
    [
        ("a", AttributeValue::S("text".into())),
        ("b", number("-12.5")),
        ("c", list.clone()),
        ("d", AttributeValue::M([("e".to_owned(), list)].into())),
        ("f", AttributeValue::Ss(vec!["p".into(), "q".into()])),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

fn keys() -> KeySchema {
    let key = |name: &str, scalar| KeyAttribute { name: name.to_owned(), scalar };
    KeySchema::new(key("a", Scalar::S), Some(key("b", Scalar::N)))
}

/// Reads a text as every kind of expression, and applies what could be read to an item.
pub fn expression(text: &str) {
    let item = item();
    let values = item.iter().map(|(name, value)| (format!(":{name}"), value.clone())).collect();
    let names = item.keys().map(|name| (format!("#{name}"), name.clone())).collect();
    let mut placeholders = Placeholders::new(Some(&names), Some(&values));
    if let Ok(condition) = Condition::parse(Kind::Condition, text, &mut placeholders) {
        condition.holds(&item);
    }
    if let Ok(projection) = Projection::parse(text, &mut placeholders) {
        projection.apply(&item);
    }
    if let Ok(update) = Update::parse(text, &mut placeholders)
        && let Ok(mut updated) = update.apply(&item)
    {
        let _ = validate::normalise_item(&mut updated);
    }
    if let Ok(terms) = key_condition::parse(text, &mut placeholders) {
        let _ = key_condition::resolve(&terms, &keys());
    }
}

/// Reads a text as a statement of PartiQL, and applies what could be read.
pub fn statement(text: &str) {
    let item = item();
    let parameters: Vec<AttributeValue> = item.values().cloned().collect();
    let marks = text.matches('?').count().min(parameters.len());
    let Ok(statement) = parse(text, &parameters[..marks]) else { return };
    if let Ok(plan) = Plan::new(statement.condition(), &keys()) {
        plan.key(&keys());
        if let Some(filter) = &plan.filter {
            filter.holds(&item);
        }
    }
    match &statement {
        Statement::Select(select) => drop(select.pick(item)),
        Statement::Update(update) => drop(update.tree().and_then(|tree| tree.apply(&item))),
        _ => {}
    }
}

/// Reads a text as a file of Ion.
pub fn ion(text: &str) {
    ion_binary(text.as_bytes());
}

/// Reads bytes as a file of Ion in either form.
pub fn ion_binary(bytes: &[u8]) {
    for mut item in crate::ion::items(bytes).into_iter().flatten().flatten() {
        let _ = validate::normalise_item(&mut item);
    }
}

/// Unpacks a file that says it is Zstandard.
pub fn zstandard(bytes: &[u8]) {
    let _ = crate::import::packing::unzstd(bytes);
}
