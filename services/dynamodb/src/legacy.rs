//! The parameters that came before expressions, turned into the trees that expressions are parsed into.
//!
//! Values must have been brought into normal form; enumerations that the model constrains arrive as their text.

use std::cmp::Ordering;

use crate::error::Invalid;
use crate::expression::condition::{Comparator, Condition, Operand};
use crate::expression::key_condition::{Term, Test};
use crate::expression::update::Source;
use crate::expression::{Path, Projection, Update};
use crate::value::{AttributeValue, Type, compare};

/// Refuses requests that use both generations of parameters; each is listed by name with whether it is present.
pub fn refuse_mixing(old: &[(&str, bool)], new: &[(&str, bool)]) -> Result<(), Invalid> {
    let present = |parameters: &[(&str, bool)]| {
        let names: Vec<_> = parameters.iter().filter(|(_, present)| *present).map(|(name, _)| *name).collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    match (present(old), present(new)) {
        (Some(old), Some(new)) => Err(Invalid(format!(
            "Can not use both expression and non-expression parameters in the same request: Non-expression \
             parameters: {{{old}}} Expression parameters: {{{new}}}"
        ))),
        _ => Ok(()),
    }
}

/// `ConditionalOperator` joins conditions, so there must be some to join.
pub fn check_conditional_operator(given: bool, conditions: Option<usize>) -> Result<(), Invalid> {
    match conditions {
        _ if !given => Ok(()),
        None | Some(0) => Err(Invalid::new("ConditionalOperator cannot be used without Filter or Expected")),
        Some(1) => {
            Err(Invalid::new("ConditionalOperator can only be used when Filter or Expected has two or more elements"))
        }
        Some(_) => Ok(()),
    }
}

/// All of the conditions, or any of them where `any` is set.
pub fn join<'a>(conditions: impl IntoIterator<Item = Condition<'a>>, any: bool) -> Option<Condition<'a>> {
    conditions.into_iter().reduce(if any { Condition::or } else { Condition::and })
}

pub fn attributes_to_get(names: &[String]) -> Result<Projection<'_>, Invalid> {
    if let Some(name) = names.iter().enumerate().find_map(|(at, name)| names[..at].contains(name).then_some(name)) {
        return Err(Invalid::values(format!("Duplicate value in attribute name: {name}")));
    }
    Ok(Projection::attributes(names.iter().map(String::as_str)))
}

/// One member of `QueryFilter` or `ScanFilter`, or of `Expected` in its comparing form.
pub fn condition<'a>(
    attribute: &'a str,
    operator: &str,
    values: &'a [AttributeValue],
) -> Result<Condition<'a>, Invalid> {
    check_arguments(operator, values)?;
    let path = || Operand::Path(Path::top_level(attribute));
    let compared = |comparator| Condition::Compare(comparator, path(), Operand::Value(&values[0]));
    Ok(match operator {
        "EQ" => compared(Comparator::Equal),
        "NE" => compared(Comparator::NotEqual),
        "LT" => compared(Comparator::Less),
        "LE" => compared(Comparator::LessOrEqual),
        "GT" => compared(Comparator::Greater),
        "GE" => compared(Comparator::GreaterOrEqual),
        "BETWEEN" => Condition::Between(path(), Operand::Value(&values[0]), Operand::Value(&values[1])),
        "IN" => Condition::In(path(), values.iter().map(Operand::Value).collect()),
        "NULL" => Condition::NotExists(Path::top_level(attribute)),
        "NOT_NULL" => Condition::Exists(Path::top_level(attribute)),
        "BEGINS_WITH" => Condition::BeginsWith(path(), Operand::Value(&values[0])),
        "CONTAINS" => Condition::Contains(path(), Operand::Value(&values[0])),
        _ => Condition::Not(Box::new(Condition::Contains(path(), Operand::Value(&values[0])))),
    })
}

fn check_arguments(operator: &str, values: &[AttributeValue]) -> Result<(), Invalid> {
    let fits = match operator {
        "NULL" | "NOT_NULL" => values.is_empty(),
        "BETWEEN" => values.len() == 2,
        "IN" => !values.is_empty(),
        _ => values.len() == 1,
    };
    if !fits {
        return Err(Invalid::values(format!("Invalid number of argument(s) for the {operator} ComparisonOperator")));
    }
    let allowed: fn(Type) -> bool = match operator {
        "LT" | "LE" | "GT" | "GE" | "BETWEEN" | "CONTAINS" | "NOT_CONTAINS" | "IN" => Type::is_orderable,
        "BEGINS_WITH" => |kind| matches!(kind, Type::S | Type::B),
        _ => |_| true,
    };
    if let Some(kind) = values.iter().map(Type::of).find(|kind| !allowed(*kind)) {
        return Err(Invalid::values(format!(
            "ComparisonOperator {operator} is not valid for {} AttributeValue type",
            kind.code()
        )));
    }
    if values.windows(2).any(|pair| Type::of(&pair[0]) != Type::of(&pair[1])) {
        return Err(Invalid::values("AttributeValues inside AttributeValueList must be of same type"));
    }
    if operator == "BETWEEN" && compare(&values[0], &values[1]) == Some(Ordering::Greater) {
        return Err(Invalid::new(
            "The BETWEEN condition was provided a range where the lower bound is greater than the upper bound",
        ));
    }
    Ok(())
}

/// One member of `Expected`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Expected<'a> {
    pub value: Option<&'a AttributeValue>,
    pub exists: Option<bool>,
    pub operator: Option<&'a str>,
    pub values: Option<&'a [AttributeValue]>,
}

impl<'a> Expected<'a> {
    pub fn condition(self, attribute: &'a str) -> Result<Condition<'a>, Invalid> {
        let clash = |detail: &str| Err(Invalid::values(format!("{detail} for Attribute: {attribute}")));
        if let Some(operator) = self.operator {
            return match (self.exists, self.value, self.values) {
                (Some(_), ..) => clash("Exists and ComparisonOperator cannot be used together"),
                (None, Some(_), Some(_)) => clash("Value and AttributeValueList cannot be used together"),
                (None, Some(value), None) => condition(attribute, operator, std::slice::from_ref(value)),
                (None, None, values) => condition(attribute, operator, values.unwrap_or_default()),
            };
        }
        if self.values.is_some() {
            return clash("AttributeValueList can only be used with a ComparisonOperator");
        }
        match (self.exists, self.value) {
            (Some(false), None) => Ok(Condition::NotExists(Path::top_level(attribute))),
            (Some(false), Some(_)) => clash("Value cannot be used when Exists is false"),
            (Some(true), None) => clash("Value must be provided when Exists is true"),
            (None, None) => clash("Value must be provided when Exists is null"),
            (_, Some(value)) => condition(attribute, "EQ", std::slice::from_ref(value)),
        }
    }
}

/// One member of `KeyConditions`.
pub fn key_term<'a>(attribute: &'a str, operator: &str, values: &'a [AttributeValue]) -> Result<Term<'a>, Invalid> {
    check_arguments(operator, values)?;
    let compared = |comparator| Test::Compare(comparator, &values[0]);
    let test = match operator {
        "EQ" => compared(Comparator::Equal),
        "LT" => compared(Comparator::Less),
        "LE" => compared(Comparator::LessOrEqual),
        "GT" => compared(Comparator::Greater),
        "GE" => compared(Comparator::GreaterOrEqual),
        "BETWEEN" => Test::Between(&values[0], &values[1]),
        "BEGINS_WITH" => Test::BeginsWith(&values[0]),
        _ => return Err(Invalid::new("Attempted conditional constraint is not an indexable operation")),
    };
    Ok((attribute, test))
}

/// One member of `AttributeUpdates`.
pub fn add_update<'a>(
    update: &mut Update<'a>,
    attribute: &'a str,
    action: &str,
    value: Option<&'a AttributeValue>,
) -> Result<(), Invalid> {
    let path = Path::top_level(attribute);
    let unsupported = |value: &AttributeValue, action: &str| {
        Err(Invalid::values(format!("{action} is not supported for the type {}", Type::of(value).code())))
    };
    match (action, value) {
        ("DELETE", None) => update.remove.push(path),
        (_, None) => {
            return Err(Invalid::values("Only DELETE action is allowed when no attribute value is specified"));
        }
        ("DELETE", Some(value)) if Type::of(value).is_set() => update.delete.push((path, value)),
        ("DELETE", Some(value)) => return unsupported(value, "DELETE action with value"),
        ("ADD", Some(value)) => match Type::of(value) {
            Type::N | Type::L => update.add.push((path, value)),
            kind if kind.is_set() => update.add.push((path, value)),
            _ => return unsupported(value, "ADD action"),
        },
        (_, Some(value)) => update.set.push((path, Source::Value(value))),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Item;

    fn n(text: &str) -> AttributeValue {
        AttributeValue::N(text.into())
    }

    #[test]
    fn generations_do_not_mix() {
        let check = |old: bool, new: bool| {
            refuse_mixing(
                &[("AttributeUpdates", old), ("Expected", old)],
                &[("UpdateExpression", false), ("ConditionExpression", new)],
            )
        };
        assert_eq!(check(true, false), Ok(()));
        assert_eq!(
            check(true, true).unwrap_err().0,
            "Can not use both expression and non-expression parameters in the same request: Non-expression \
             parameters: {AttributeUpdates, Expected} Expression parameters: {ConditionExpression}"
        );
    }

    #[test]
    fn conditional_operators_need_conditions() {
        assert!(check_conditional_operator(false, None).is_ok());
        assert!(check_conditional_operator(true, Some(2)).is_ok());
        assert!(check_conditional_operator(true, None).unwrap_err().0.contains("without Filter or Expected"));
        assert!(check_conditional_operator(true, Some(1)).unwrap_err().0.contains("two or more elements"));
    }

    #[test]
    fn conditions_mean_what_they_say() {
        let item = Item::from([("a".to_string(), n("5"))]);
        let holds =
            |operator: &str, values: &[AttributeValue]| condition("a", operator, values).map(|c| c.holds(&item));
        assert_eq!(holds("EQ", &[n("5")]), Ok(true));
        assert_eq!(holds("BETWEEN", &[n("5"), n("6")]), Ok(true));
        assert_eq!(holds("IN", &[n("4"), n("6")]), Ok(false));
        assert_eq!(holds("NULL", &[]), Ok(false));
        assert_eq!(holds("NOT_CONTAINS", &[n("4")]), Ok(true));
        let invalid = "One or more parameter values were invalid: ";
        assert_eq!(
            holds("CONTAINS", &[n("4"), n("5")]).unwrap_err().0,
            format!("{invalid}Invalid number of argument(s) for the CONTAINS ComparisonOperator")
        );
        assert_eq!(
            holds("BEGINS_WITH", &[n("4")]).unwrap_err().0,
            format!("{invalid}ComparisonOperator BEGINS_WITH is not valid for N AttributeValue type")
        );
    }

    #[test]
    fn expectations() {
        let value = n("5");
        let message = |expected: Expected<'_>| expected.condition("a").unwrap_err().0;
        assert!(message(Expected::default()).ends_with("Value must be provided when Exists is null for Attribute: a"));
        assert!(
            message(Expected { exists: Some(false), value: Some(&value), ..Expected::default() })
                .ends_with("Value cannot be used when Exists is false for Attribute: a")
        );
        let absent = Expected { exists: Some(false), ..Expected::default() }.condition("a").unwrap();
        assert!(absent.holds(&Item::new()));
    }

    #[test]
    fn updates() {
        let mut update = Update::default();
        let (number, set, text) = (n("1"), AttributeValue::Ss(vec!["x".into()]), AttributeValue::S("x".into()));
        add_update(&mut update, "a", "PUT", Some(&text)).unwrap();
        add_update(&mut update, "b", "ADD", Some(&number)).unwrap();
        add_update(&mut update, "c", "DELETE", Some(&set)).unwrap();
        add_update(&mut update, "d", "DELETE", None).unwrap();
        let old = Item::from([("d".to_string(), n("1"))]);
        let new = update.apply(&old).unwrap();
        assert_eq!(new, Item::from([("a".to_string(), text.clone()), ("b".to_string(), n("1"))]));
        let invalid = "One or more parameter values were invalid: ";
        assert_eq!(
            add_update(&mut update, "e", "ADD", Some(&text)).unwrap_err().0,
            format!("{invalid}ADD action is not supported for the type S")
        );
        assert_eq!(
            add_update(&mut update, "e", "PUT", None).unwrap_err().0,
            format!("{invalid}Only DELETE action is allowed when no attribute value is specified")
        );
    }
}
