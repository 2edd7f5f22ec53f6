//! Parameters that several operations share, in both generations: conditions, filters, projections.

use std::collections::BTreeMap;

use dynamodb_api as api;

use crate::error::Invalid;
use crate::expression::{Condition, Kind, Placeholders, Projection, placeholders};
use crate::legacy::{self, Expected};
use crate::validate;
use crate::value::AttributeValue;

pub type ExpectedMap = BTreeMap<String, api::ExpectedAttributeValue>;
pub type ConditionMap = BTreeMap<String, api::Condition>;
pub type Names = BTreeMap<String, String>;
pub type Values = BTreeMap<String, AttributeValue>;

/// Brings every value that accompanies a condition into normal form, and checks the placeholders' form.
pub fn prepare(
    names: Option<&Names>,
    values: Option<&mut Values>,
    expected: Option<&mut ExpectedMap>,
) -> Result<(), Invalid> {
    placeholders::check(names, values)?;
    for expected in expected.into_iter().flat_map(BTreeMap::values_mut) {
        let list = expected.attribute_value_list.iter_mut().flatten();
        expected.value.iter_mut().chain(list).try_for_each(validate::normalise)?;
    }
    Ok(())
}

pub fn prepare_conditions(conditions: Option<&mut ConditionMap>) -> Result<(), Invalid> {
    let conditions = conditions.into_iter().flat_map(BTreeMap::values_mut);
    conditions
        .flat_map(|condition| condition.attribute_value_list.iter_mut().flatten())
        .try_for_each(validate::normalise)
}

/// What must hold for a write to happen.
pub fn write_condition<'a>(
    expected: Option<&'a ExpectedMap>,
    operator: Option<&api::ConditionalOperator>,
    expression: Option<&'a str>,
    placeholders: &mut Placeholders<'a>,
) -> Result<Option<Condition<'a>>, Invalid> {
    legacy::check_conditional_operator(operator.is_some(), expected.map(BTreeMap::len))?;
    if let Some(expression) = expression {
        return Condition::parse(Kind::Condition, expression, placeholders).map(Some);
    }
    let conditions = expected.into_iter().flatten().map(|(attribute, expected)| {
        Expected {
            value: expected.value.as_ref(),
            exists: expected.exists,
            operator: expected.comparison_operator.as_ref().map(api::ComparisonOperator::as_str),
            values: expected.attribute_value_list.as_deref(),
        }
        .condition(attribute)
    });
    Ok(legacy::join(conditions.collect::<Result<Vec<_>, _>>()?, is_or(operator)))
}

/// Which of the items that are read are wanted.
pub fn filter<'a>(
    conditions: Option<&'a ConditionMap>,
    operator: Option<&api::ConditionalOperator>,
    expression: Option<&'a str>,
    placeholders: &mut Placeholders<'a>,
) -> Result<Option<Condition<'a>>, Invalid> {
    legacy::check_conditional_operator(operator.is_some(), conditions.map(BTreeMap::len))?;
    if let Some(expression) = expression {
        return Condition::parse(Kind::Filter, expression, placeholders).map(Some);
    }
    let conditions = conditions.into_iter().flatten().map(|(attribute, condition)| {
        legacy::condition(
            attribute,
            condition.comparison_operator.as_str(),
            condition.attribute_value_list.as_deref().unwrap_or_default(),
        )
    });
    Ok(legacy::join(conditions.collect::<Result<Vec<_>, _>>()?, is_or(operator)))
}

fn is_or(operator: Option<&api::ConditionalOperator>) -> bool {
    operator == Some(&api::ConditionalOperator::Or)
}

/// Which parts of the items are wanted; all of them, if nothing says so.
pub fn projection<'a>(
    attributes: Option<&'a [String]>,
    expression: Option<&'a str>,
    placeholders: &mut Placeholders<'a>,
) -> Result<Option<Projection<'a>>, Invalid> {
    match (attributes, expression) {
        (_, Some(expression)) => Projection::parse(expression, placeholders).map(Some),
        (Some(attributes), None) => legacy::attributes_to_get(attributes).map(Some),
        (None, None) => Ok(None),
    }
}
