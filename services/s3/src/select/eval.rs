//! Asks a record.

use std::cmp::Ordering;

use serde_json::Value as Json;
use service::Timestamp;

use super::parse::{Aggregate, Expression, Query, Step};
use super::value::Value;
use super::{Result, SelectError, functions};

/// One record of an object.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// Fields, and their names where the first line has them.
    Row(Vec<String>, std::sync::Arc<Vec<String>>),
    Json(Json),
}

/// What a query has gathered so far.
#[derive(Clone, Debug, Default)]
pub struct Gathered {
    count: i64,
    sum: Option<Value>,
    least: Option<Value>,
    greatest: Option<Value>,
}

/// Evaluates expressions on one record.
pub struct Scope<'a> {
    pub record: &'a Record,
    pub alias: Option<&'a str>,
    /// Results of aggregates, once everything was read.
    pub totals: &'a [Value],
    pub now: Timestamp,
}

fn same(step: &Step, name: &str) -> bool {
    match step {
        Step::Name(wanted) => wanted.eq_ignore_ascii_case(name),
        Step::Exact(wanted) => wanted == name,
        _ => false,
    }
}

/// Goes down a value of JSON.
fn descend<'j>(json: &'j Json, step: &Step) -> Option<&'j Json> {
    match (step, json) {
        (Step::Exact(name), Json::Object(members)) => members.get(name),
        (Step::Name(name), Json::Object(members)) => members
            .get(name)
            .or_else(|| members.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)),
        (Step::Index(at), Json::Array(list)) => list.get(*at),
        _ => None,
    }
}

/// The values below a value that the path of a `FROM` leads to.
pub fn below(json: Json, path: &[Step]) -> Vec<Json> {
    let Some((first, rest)) = path.split_first() else { return vec![json] };
    let next = match (first, json) {
        (Step::All, Json::Array(list)) => list,
        (Step::All, other) => vec![other],
        (step, json) => descend(&json, step).cloned().into_iter().collect(),
    };
    next.into_iter().flat_map(|json| below(json, rest)).collect()
}

impl Scope<'_> {
    fn path(&self, path: &[Step]) -> Result<Value> {
        // The object's own name may come first.
        let own = |step: &Step| {
            self.alias.map_or_else(|| same(step, "s3object"), |alias| same(step, alias)) || same(step, "s3object")
        };
        let path = match path {
            [first, rest @ ..] if own(first) && !rest.is_empty() => rest,
            [first] if own(first) => return Ok(self.whole()),
            path => path,
        };
        match self.record {
            Record::Row(fields, names) => {
                let [step] = path else { return Ok(Value::Missing) };
                let (Step::Name(name) | Step::Exact(name)) = step else { return Ok(Value::Missing) };
                let place = name.strip_prefix('_').and_then(|place| place.parse::<usize>().ok());
                let at = names.iter().position(|header| same(step, header)).or(place.and_then(|at| at.checked_sub(1)));
                match at {
                    Some(at) => Ok(fields.get(at).map_or(Value::Missing, |field| Value::Text(field.clone()))),
                    None if names.is_empty() => Ok(Value::Missing),
                    None => {
                        let text =
                            "Some headers in the query are missing from the file. Please check the file and try again.";
                        Err(SelectError::new("MissingHeaders", text))
                    }
                }
            }
            Record::Json(json) => {
                let mut found = Some(json);
                for step in path {
                    found = found.and_then(|json| descend(json, step));
                }
                Ok(found.map_or(Value::Missing, Value::from))
            }
        }
    }

    fn whole(&self) -> Value {
        match self.record {
            Record::Row(fields, _) => Value::Nested(fields.clone().into()),
            Record::Json(json) => Value::from(json),
        }
    }

    pub fn value(&self, expression: &Expression) -> Result<Value> {
        match expression {
            Expression::Literal(value) => Ok(value.clone()),
            Expression::Path(path) => self.path(path),
            Expression::Aggregate(at) => Ok(self.totals.get(*at).cloned().unwrap_or(Value::Null)),
            Expression::Not(inner) => Ok(self.value(inner)?.truth()?.map_or(Value::Null, |truth| Value::Bool(!truth))),
            Expression::Negative(inner) => arithmetic("-", &Value::Int(0), &self.value(inner)?),
            Expression::Binary("AND", a, b) => match self.value(a)?.truth()? {
                Some(false) => Ok(Value::Bool(false)),
                a => Ok(match (a, self.value(b)?.truth()?) {
                    (_, Some(false)) => Value::Bool(false),
                    (Some(true), Some(true)) => Value::Bool(true),
                    _ => Value::Null,
                }),
            },
            Expression::Binary("OR", a, b) => match self.value(a)?.truth()? {
                Some(true) => Ok(Value::Bool(true)),
                a => Ok(match (a, self.value(b)?.truth()?) {
                    (_, Some(true)) => Value::Bool(true),
                    (Some(false), Some(false)) => Value::Bool(false),
                    _ => Value::Null,
                }),
            },
            Expression::Binary(operator, a, b) => self.binary(operator, a, b),
            Expression::In(value, list) => {
                let value = self.value(value)?;
                if value.is_null() {
                    return Ok(Value::Null);
                }
                for one in list {
                    if self.value(one)?.compare(&value) == Some(Ordering::Equal) {
                        return Ok(Value::Bool(true));
                    }
                }
                Ok(Value::Bool(false))
            }
            Expression::Between(value, low, high) => {
                let (value, low, high) = (self.value(value)?, self.value(low)?, self.value(high)?);
                if value.is_null() || low.is_null() || high.is_null() {
                    return Ok(Value::Null);
                }
                let inside = value.compare(&low).is_some_and(Ordering::is_ge)
                    && value.compare(&high).is_some_and(Ordering::is_le);
                Ok(Value::Bool(inside))
            }
            Expression::Like(value, pattern, escape) => {
                let escape = match escape {
                    Some(escape) => self.value(escape)?.text().chars().next(),
                    None => None,
                };
                match (self.value(value)?, self.value(pattern)?) {
                    (value, pattern) if value.is_null() || pattern.is_null() => Ok(Value::Null),
                    (Value::Text(text), Value::Text(pattern)) => Ok(Value::Bool(like(&text, &pattern, escape))),
                    _ => Err(SelectError::new(
                        "LikeInvalidInputs",
                        "Invalid argument given to the LIKE clause in the SQL expression.",
                    )),
                }
            }
            Expression::IsNull(inner) => Ok(Value::Bool(self.value(inner)?.is_null())),
            Expression::IsMissing(inner) => Ok(Value::Bool(self.value(inner)? == Value::Missing)),
            Expression::Cast(inner, kind) => cast(&self.value(inner)?, kind),
            Expression::Call(name, arguments) => {
                let values = arguments.iter().map(|one| self.value(one)).collect::<Result<Vec<_>>>()?;
                functions::call(name, &values, self.now)
            }
            Expression::Case(branches, otherwise) => {
                for (when, then) in branches {
                    if self.value(when)?.truth()? == Some(true) {
                        return self.value(then);
                    }
                }
                otherwise.as_ref().map_or(Ok(Value::Null), |otherwise| self.value(otherwise))
            }
        }
    }

    fn binary(&self, operator: &str, a: &Expression, b: &Expression) -> Result<Value> {
        let (a, b) = (self.value(a)?, self.value(b)?);
        if a.is_null() || b.is_null() {
            return Ok(Value::Null);
        }
        let order = |test: fn(Ordering) -> bool| Ok(Value::Bool(a.compare(&b).is_some_and(test)));
        match operator {
            "=" => order(Ordering::is_eq),
            "<>" | "!=" => Ok(Value::Bool(a.compare(&b) != Some(Ordering::Equal))),
            "<" => order(Ordering::is_lt),
            "<=" => order(Ordering::is_le),
            ">" => order(Ordering::is_gt),
            ">=" => order(Ordering::is_ge),
            "||" => Ok(Value::Text(a.text() + &b.text())),
            operator => arithmetic(operator, &a, &b),
        }
    }

    /// Whether the record is wanted.
    pub fn admits(&self, query: &Query) -> Result<bool> {
        match &query.condition {
            Some(condition) => Ok(self.value(condition)?.truth()? == Some(true)),
            None => Ok(true),
        }
    }

    /// Adds the record to the aggregates.
    pub fn gather(&self, aggregates: &[Aggregate], gathered: &mut [Gathered]) -> Result<()> {
        for (aggregate, total) in aggregates.iter().zip(gathered) {
            let value = match &aggregate.of {
                None => {
                    total.count += 1;
                    continue;
                }
                Some(of) => self.value(of)?,
            };
            if value.is_null() {
                continue;
            }
            total.count += 1;
            match aggregate.name.as_str() {
                "SUM" | "AVG" => {
                    total.sum = Some(match &total.sum {
                        Some(sum) => arithmetic("+", sum, &value)?,
                        None => arithmetic("+", &Value::Int(0), &value)?,
                    });
                }
                "MIN" if total.least.as_ref().is_none_or(|least| value.compare(least) == Some(Ordering::Less)) => {
                    total.least = Some(value);
                }
                "MAX" if total.greatest.as_ref().is_none_or(|most| value.compare(most) == Some(Ordering::Greater)) => {
                    total.greatest = Some(value);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The result of an aggregate.
pub fn total(aggregate: &Aggregate, gathered: &Gathered) -> Value {
    let or_null = |value: &Option<Value>| value.clone().unwrap_or(Value::Null);
    match aggregate.name.as_str() {
        "COUNT" => Value::Int(gathered.count),
        "SUM" => or_null(&gathered.sum),
        "AVG" => match gathered.sum.as_ref().and_then(Value::float) {
            Some(sum) if gathered.count > 0 => Value::Float(sum / gathered.count as f64),
            _ => Value::Null,
        },
        "MIN" => or_null(&gathered.least),
        _ => or_null(&gathered.greatest),
    }
}

fn arithmetic(operator: &str, a: &Value, b: &Value) -> Result<Value> {
    if a.is_null() || b.is_null() {
        return Ok(Value::Null);
    }
    let wrong =
        || SelectError::new("EvaluatorInvalidArguments", format!("Incorrect data types for the operator {operator}."));
    let (a, b) = (a.number().ok_or_else(wrong)?, b.number().ok_or_else(wrong)?);
    let zero = || SelectError::new("EvaluatorInvalidArguments", "Division by zero in the SQL expression.");
    if let (Value::Int(a), Value::Int(b)) = (&a, &b) {
        let whole = match operator {
            "+" => a.checked_add(*b),
            "-" => a.checked_sub(*b),
            "*" => a.checked_mul(*b),
            _ if *b == 0 => return Err(zero()),
            "/" => a.checked_div(*b),
            _ => a.checked_rem(*b),
        };
        let overflow =
            || SelectError::new("IntegerOverflow", "An integer overflow or underflow occurred in the SQL expression.");
        return whole.map(Value::Int).ok_or_else(overflow);
    }
    let (a, b) = (a.float().ok_or_else(wrong)?, b.float().ok_or_else(wrong)?);
    Ok(Value::Float(match operator {
        "+" => a + b,
        "-" => a - b,
        "*" => a * b,
        "/" if b == 0.0 => return Err(zero()),
        "/" => a / b,
        _ => a % b,
    }))
}

fn like(text: &str, pattern: &str, escape: Option<char>) -> bool {
    /// What one place of a pattern stands for.
    enum Part {
        Any,
        One,
        Exactly(char),
    }
    let mut parts = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        parts.push(match c {
            c if Some(c) == escape => Part::Exactly(chars.next().unwrap_or(c)),
            '%' => Part::Any,
            '_' => Part::One,
            c => Part::Exactly(c),
        });
    }
    let text: Vec<char> = text.chars().collect();
    // Which beginnings of the text the pattern so far matches.
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for part in &parts {
        let mut next = vec![false; text.len() + 1];
        match part {
            Part::Any => {
                let mut seen = false;
                for (at, reached) in reached.iter().enumerate() {
                    seen |= reached;
                    next[at] = seen;
                }
            }
            Part::One => (0..text.len()).for_each(|at| next[at + 1] = reached[at]),
            Part::Exactly(c) => (0..text.len()).for_each(|at| next[at + 1] = reached[at] && text[at] == *c),
        }
        reached = next;
    }
    reached[text.len()]
}

fn cast(value: &Value, kind: &str) -> Result<Value> {
    let failed = || {
        let text = "Attempt to convert from one data type to another using CAST failed in the SQL expression.";
        SelectError::new("CastFailed", text)
    };
    if value.is_null() {
        return Ok(Value::Null);
    }
    match kind {
        "INT" | "INTEGER" => match (value.number(), value) {
            (Some(Value::Int(whole)), _) => Ok(Value::Int(whole)),
            (Some(Value::Float(float)), Value::Float(_)) => Ok(Value::Int(float as i64)),
            (_, Value::Bool(flag)) => Ok(Value::Int(i64::from(*flag))),
            _ => Err(failed()),
        },
        "FLOAT" | "DECIMAL" | "NUMERIC" | "DOUBLE" | "REAL" => value.float().map(Value::Float).ok_or_else(failed),
        "STRING" | "CHAR" | "VARCHAR" => Ok(Value::Text(value.text())),
        "BOOL" | "BOOLEAN" => match value {
            Value::Int(whole) => Ok(Value::Bool(*whole != 0)),
            value => value.truth().map_err(|_| failed())?.map(Value::Bool).ok_or_else(failed),
        },
        "TIMESTAMP" => match value {
            Value::Time(time) => Ok(Value::Time(*time)),
            value => functions::timestamp(&value.text()).map(Value::Time),
        },
        _ => Err(SelectError::new("ParseExpectedTypeName", format!("{kind} is no type name."))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::select::parse::parse;
    use proptest::prelude::*;
    use serde_json::json;

    fn ask(expression: &str) -> Result<String> {
        let query = parse(&format!("SELECT {expression} FROM S3Object s"))?;
        let record =
            Record::Json(json!({ "name": "Ann", "age": 41, "tags": ["a", "b"], "in": { "Deep": 1.5 }, "no": null }));
        let scope = Scope { record: &record, alias: Some("s"), totals: &[], now: Timestamp::from_secs(0) };
        scope.value(&query.columns[0].0).map(|value| value.json().to_string())
    }

    #[test]
    fn expressions() {
        for (expression, expected) in [
            ("1 + 2 * 3", "7"),
            ("-(4 / 2)", "-2"),
            ("7 % 4 + 0.5", "3.5"),
            ("s.name", "\"Ann\""),
            ("s.NAME", "\"Ann\""),
            ("s.\"NAME\"", "null"),
            ("s.tags[1]", "\"b\""),
            ("s.\"in\".deep", "1.5"),
            ("s.age > 40 AND s.name LIKE 'A%'", "true"),
            ("s.age BETWEEN 1 AND 40", "false"),
            ("s.age IN (1, '41')", "true"),
            ("s.no IS NULL", "true"),
            ("s.none IS MISSING", "true"),
            ("s.no IS MISSING", "false"),
            ("NOT s.none", "null"),
            ("s.none OR TRUE", "true"),
            ("CAST('12' AS INT) + 1", "13"),
            ("UPPER(s.name) || '!'", "\"ANN!\""),
            ("SUBSTRING('hello', 2, 3)", "\"ell\""),
            ("SUBSTRING('hello' FROM 0 FOR 3)", "\"he\""),
            ("TRIM(LEADING '0' FROM '0012')", "\"12\""),
            ("CHAR_LENGTH('né')", "2"),
            ("COALESCE(NULL, s.none, 5)", "5"),
            ("NULLIF(1, 1)", "null"),
            ("CASE s.age WHEN 41 THEN 'x' ELSE 'y' END", "\"x\""),
            ("EXTRACT(MONTH FROM TO_TIMESTAMP('2020-05-06T'))", "5"),
            ("DATE_ADD(month, 1, TO_TIMESTAMP('2020-01-31T'))", "\"2020-02-29T00:00:00Z\""),
            ("DATE_DIFF(day, TO_TIMESTAMP('2020-01-01T'), TO_TIMESTAMP('2020-01-31T'))", "30"),
            ("TO_STRING(TO_TIMESTAMP('2020-01-02T03:04:05Z'), 'y-MM-dd h:mm a')", "\"2020-01-02 3:04 AM\""),
        ] {
            assert_eq!(ask(expression).as_deref(), Ok(expected), "{expression}");
        }
        for (expression, code) in [
            ("CAST('x' AS INT)", "CastFailed"),
            ("1 / 0", "EvaluatorInvalidArguments"),
            ("9223372036854775807 + 1", "IntegerOverflow"),
            ("s.name + 1", "EvaluatorInvalidArguments"),
            ("LOWER(1)", "EvaluatorInvalidArguments"),
        ] {
            assert_eq!(ask(expression).unwrap_err().code, code, "{expression}");
        }
    }

    proptest! {
        #[test]
        fn patterns(text in "[ab%_]{0,8}") {
            let escaped: String = text.chars().flat_map(|c| ['!', c]).collect();
            prop_assert!(like(&text, &escaped, Some('!')));
            prop_assert!(like(&text, "%", None) && like(&text, &"_".repeat(text.len()), None));
            prop_assert!(!like(&text, &"_".repeat(text.len() + 1), None));
        }
    }
}
