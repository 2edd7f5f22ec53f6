//! `#name` and `:value` placeholders: what they stand for, and which of them were used.

use std::collections::{BTreeMap, HashSet};

use crate::error::Invalid;
use crate::validate;
use crate::value::AttributeValue;

/// With its sign.
const MAX_PLACEHOLDER: usize = 255;

#[derive(Debug)]
pub struct Placeholders<'a> {
    names: Option<&'a BTreeMap<String, String>>,
    values: Option<&'a BTreeMap<String, AttributeValue>>,
    used_names: HashSet<&'a str>,
    used_values: HashSet<&'a str>,
}

/// Checks the placeholders' own form, and brings the values into normal form. To be called before anything else.
pub fn check(
    names: Option<&BTreeMap<String, String>>,
    values: Option<&mut BTreeMap<String, AttributeValue>>,
) -> Result<(), Invalid> {
    if let Some(names) = names {
        if names.is_empty() {
            return Err(Invalid::new("ExpressionAttributeNames must not be empty"));
        }
        if let Some(key) = names.keys().find(|key| !is_placeholder(key, '#')) {
            return Err(Invalid(format!(
                "ExpressionAttributeNames contains invalid key: Syntax error; key: \"{key}\""
            )));
        }
    }
    if let Some((key, _)) = names.into_iter().flatten().find(|(_, name)| name.is_empty()) {
        return Err(Invalid(format!(
            "ExpressionAttributeNames contains invalid value: {} for key {key}",
            validate::nameless().0
        )));
    }
    let too_long = |key: &&String| key.len() > MAX_PLACEHOLDER;
    if let Some(key) = names.into_iter().flat_map(BTreeMap::keys).find(too_long) {
        return Err(Invalid(format!(
            "ExpressionAttributeNames contains invalid key: The expression attribute map contains a key that is too \
             long; key: \"{key}\""
        )));
    }
    let Some(values) = values else { return Ok(()) };
    if let Some(key) = values.keys().find(too_long) {
        return Err(Invalid(format!(
            "ExpressionAttributeValues contains invalid key: The expression attribute map contains a key that is too \
             long; key: \"{key}\""
        )));
    }
    if values.is_empty() {
        return Err(Invalid::new("ExpressionAttributeValues must not be empty"));
    }
    for (key, value) in values {
        if !is_placeholder(key, ':') {
            return Err(Invalid(format!(
                "ExpressionAttributeValues contains invalid key: Syntax error; key: \"{key}\""
            )));
        }
        validate::normalise(value).map_err(|Invalid(reason)| {
            Invalid(format!("ExpressionAttributeValues contains invalid value: {reason} for key {key}"))
        })?;
    }
    Ok(())
}

fn is_placeholder(key: &str, sign: char) -> bool {
    key.strip_prefix(sign)
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
}

impl<'a> Placeholders<'a> {
    pub fn new(
        names: Option<&'a BTreeMap<String, String>>,
        values: Option<&'a BTreeMap<String, AttributeValue>>,
    ) -> Placeholders<'a> {
        Placeholders { names, values, used_names: HashSet::new(), used_values: HashSet::new() }
    }

    /// For operations that take no expression in this request: `absent` says which ones it could have been.
    pub fn refuse_without_expressions(&self, absent: &str) -> Result<(), Invalid> {
        if self.names.is_some() {
            return Err(Invalid::new("ExpressionAttributeNames can only be specified when using expressions"));
        }
        if self.values.is_some() {
            return Err(Invalid(format!(
                "ExpressionAttributeValues can only be specified when using expressions: {absent}"
            )));
        }
        Ok(())
    }

    pub fn name(&mut self, placeholder: &str) -> Option<&'a str> {
        let (key, name) = self.names?.get_key_value(placeholder)?;
        self.used_names.insert(key);
        Some(name)
    }

    pub fn value(&mut self, placeholder: &str) -> Option<&'a AttributeValue> {
        let (key, value) = self.values?.get_key_value(placeholder)?;
        self.used_values.insert(key);
        Some(value)
    }

    /// To be called when every expression has been parsed: nothing may be left over.
    pub fn finish(&self) -> Result<(), Invalid> {
        let unused = |parameter: &str, keys: &mut dyn Iterator<Item = &'a String>, used: &HashSet<&str>| {
            let unused: Vec<&str> = keys.map(String::as_str).filter(|key| !used.contains(key)).collect();
            match unused.is_empty() {
                true => Ok(()),
                false => Err(Invalid(format!(
                    "Value provided in {parameter} unused in expressions: keys: {{{}}}",
                    unused.join(", ")
                ))),
            }
        };
        unused("ExpressionAttributeNames", &mut self.names.into_iter().flat_map(BTreeMap::keys), &self.used_names)?;
        unused("ExpressionAttributeValues", &mut self.values.into_iter().flat_map(BTreeMap::keys), &self.used_values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pairs: &[(&str, AttributeValue)]) -> BTreeMap<String, AttributeValue> {
        pairs.iter().map(|(key, value)| (key.to_string(), value.clone())).collect()
    }

    #[test]
    fn the_form_is_checked() {
        let message = |mut map: BTreeMap<String, AttributeValue>| check(None, Some(&mut map)).unwrap_err().0;
        assert_eq!(message(values(&[])), "ExpressionAttributeValues must not be empty");
        assert_eq!(
            message(values(&[("v", AttributeValue::Bool(true))])),
            "ExpressionAttributeValues contains invalid key: Syntax error; key: \"v\""
        );
        assert_eq!(
            message(values(&[(":v", AttributeValue::N("x".into()))])),
            "ExpressionAttributeValues contains invalid value: The parameter cannot be converted to a numeric value: \
             x for key :v"
        );
    }

    #[test]
    fn what_is_left_over_is_named() {
        let map = values(&[(":a", AttributeValue::Bool(true)), (":b", AttributeValue::Bool(true))]);
        let mut placeholders = Placeholders::new(None, Some(&map));
        assert!(placeholders.value(":a").is_some());
        assert!(placeholders.value(":c").is_none());
        assert_eq!(
            placeholders.finish().unwrap_err().0,
            "Value provided in ExpressionAttributeValues unused in expressions: keys: {:b}"
        );
    }
}
