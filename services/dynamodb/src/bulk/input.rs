//! The records of a file: an item each, and perhaps the condition under which it is put.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::error::{Error, Invalid, item_from_json};
use crate::import::source;
use crate::ion;
use crate::parameters;
use crate::validate;
use crate::value::{AttributeValue, Item};

/// What is to be put.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Put {
    pub item: Item,
    pub condition: Option<String>,
    pub names: Option<BTreeMap<String, String>>,
    pub values: Option<Item>,
}

/// A record of a file; one that cannot be read, with the reason.
pub type Record = Result<Put, String>;

/// All records of a file.
pub fn records(body: &[u8], is_ion: bool) -> Result<Vec<Record>, Error> {
    if is_ion {
        let records = ion::records(body).map_err(|_| source::unreadable("it is not Ion"))?;
        return Ok(records.into_iter().map(|record| record.map_or_else(unreadable, of_ion)).collect());
    }
    let text = std::str::from_utf8(body).map_err(|_| source::unreadable("it is not UTF-8"))?;
    let lines = text.trim_start_matches('\u{feff}').lines().filter(|line| !line.trim().is_empty());
    Ok(lines.map(|line| serde_json::from_str(line).ok().map_or_else(unreadable, |line| of_json(&line))).collect())
}

fn unreadable() -> Record {
    Err("The record cannot be parsed".to_owned())
}

fn missing() -> Record {
    Err("The record has no Item".to_owned())
}

fn of_json(record: &Value) -> Record {
    let Some(item) = record.get("Item") else { return missing() };
    let mistyped = |member: &str| Err(format!("The record's {member} cannot be parsed"));
    let Some(item) = item_from_json(item) else { return mistyped("Item") };
    let mut put = Put { item, ..Put::default() };
    for (name, member) in record.as_object().into_iter().flatten() {
        match name.as_str() {
            "Item" => {}
            "ConditionExpression" => match member.as_str() {
                Some(text) => put.condition = Some(text.to_owned()),
                None => return mistyped(name),
            },
            "ExpressionAttributeNames" => match serde_json::from_value(member.clone()) {
                Ok(names) => put.names = Some(names),
                Err(_) => return mistyped(name),
            },
            "ExpressionAttributeValues" => match item_from_json(member) {
                Some(values) => put.values = Some(values),
                None => return mistyped(name),
            },
            other => return Err(format!("The record has an unknown field: {other}")),
        }
    }
    put.checked()
}

fn of_ion(record: Item) -> Record {
    let mut put = Put::default();
    let mut found = false;
    for (name, member) in record {
        match (name.as_str(), member) {
            ("Item", AttributeValue::M(item)) => {
                put.item = item;
                found = true;
            }
            ("ConditionExpression", AttributeValue::S(text)) => put.condition = Some(text),
            ("ExpressionAttributeNames", AttributeValue::M(names)) => {
                let pair = |(key, name)| match name {
                    AttributeValue::S(name) => Some((key, name)),
                    _ => None,
                };
                match names.into_iter().map(pair).collect() {
                    Some(names) => put.names = Some(names),
                    None => return Err(format!("The record's {name} cannot be parsed")),
                }
            }
            ("ExpressionAttributeValues", AttributeValue::M(values)) => put.values = Some(values),
            ("Item" | "ConditionExpression" | "ExpressionAttributeNames" | "ExpressionAttributeValues", _) => {
                return Err(format!("The record's {name} cannot be parsed"));
            }
            (other, _) => return Err(format!("The record has an unknown field: {other}")),
        }
    }
    if found { put.checked() } else { missing() }
}

impl Put {
    /// Brings everything into its normal form.
    fn checked(mut self) -> Record {
        let prepared = validate::normalise_item(&mut self.item)
            .and_then(|()| parameters::prepare(self.names.as_ref(), self.values.as_mut(), None));
        match prepared {
            Ok(()) => Ok(self),
            Err(Invalid(reason)) => Err(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_file_is_too_strange(bytes in any::<Vec<u8>>(), text in r#"(\{|\}|"Item"|"S"|:|,|"x"|[0-9]|\n|Item|'#a'|ConditionExpression){0,30}"#, is_ion in any::<bool>()) {
            let _ = records(&bytes, is_ion);
            prop_assert!(records(text.as_bytes(), is_ion).is_ok());
        }
    }

    fn one(text: &str, is_ion: bool) -> Record {
        let mut found = records(text.as_bytes(), is_ion).unwrap();
        assert_eq!(found.len(), 1, "{text}");
        found.remove(0)
    }

    #[test]
    fn both_formats_say_the_same() {
        let json = one(
            r##"{"Item":{"a":{"N":"1.0"}},"ConditionExpression":"#a < :b","ExpressionAttributeNames":{"#a":"a"},"ExpressionAttributeValues":{":b":{"N":"2"}}}"##,
            false,
        );
        let ion = one(
            "{Item:{a:1.0},ConditionExpression:\"#a < :b\",ExpressionAttributeNames:{'#a':\"a\"},ExpressionAttributeValues:{':b':2}}",
            true,
        );
        assert_eq!(json, ion);
        let put = json.unwrap();
        assert_eq!(put.item["a"], AttributeValue::N("1".into()));
        assert_eq!(put.condition.as_deref(), Some("#a < :b"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, is_ion, reason) in [
            ("{", false, "The record cannot be parsed"),
            ("{}", false, "The record has no Item"),
            (r#"{"Item":{"a":{"X":"1"}}}"#, false, "The record's Item cannot be parsed"),
            (r#"{"Item":{},"Other":1}"#, false, "The record has an unknown field: Other"),
            (r#"{"Item":{},"ConditionExpression":1}"#, false, "The record's ConditionExpression cannot be parsed"),
            (r#"{"Item":{"a":{"N":"x"}}}"#, false, "The parameter cannot be converted to a numeric value: x"),
            (r#"{"Item":{},"ExpressionAttributeValues":{}}"#, false, "ExpressionAttributeValues must not be empty"),
            ("{Item:1}", true, "The record's Item cannot be parsed"),
            ("{ConditionExpression:\"a\"}", true, "The record has no Item"),
            ("{Item:{}, Other:1}", true, "The record has an unknown field: Other"),
            ("[1", true, "The record cannot be parsed"),
        ] {
            assert_eq!(one(text, is_ion), Err(reason.to_owned()), "{text}");
        }
        assert!(records(&[0xFF], false).is_err());
    }
}
