//! Values of queries, and how they compare.

use std::cmp::Ordering;

use serde_json::Value as Json;
use service::Timestamp;

use super::{Result, SelectError};

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A member that is not there.
    Missing,
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Time(Timestamp),
    /// A list or an object of JSON.
    Nested(Json),
}

impl From<&Json> for Value {
    fn from(json: &Json) -> Self {
        match json {
            Json::Null => Value::Null,
            Json::Bool(flag) => Value::Bool(*flag),
            Json::Number(number) => match number.as_i64() {
                Some(whole) => Value::Int(whole),
                None => Value::Float(number.as_f64().unwrap_or_default()),
            },
            Json::String(text) => Value::Text(text.clone()),
            nested => Value::Nested(nested.clone()),
        }
    }
}

impl Value {
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Missing | Value::Null)
    }

    /// The number that it is, or that its text says.
    pub fn number(&self) -> Option<Value> {
        match self {
            Value::Int(_) | Value::Float(_) => Some(self.clone()),
            Value::Text(text) => {
                let text = text.trim();
                text.parse().map(Value::Int).ok().or_else(|| text.parse().map(Value::Float).ok())
            }
            _ => None,
        }
    }

    pub fn float(&self) -> Option<f64> {
        match self.number()? {
            Value::Int(whole) => Some(whole as f64),
            Value::Float(float) => Some(float),
            _ => None,
        }
    }

    /// As it is written in an answer of CSV.
    pub fn text(&self) -> String {
        match self {
            Value::Missing | Value::Null => String::new(),
            Value::Bool(flag) => flag.to_string(),
            Value::Int(whole) => whole.to_string(),
            Value::Float(float) => float.to_string(),
            Value::Text(text) => text.clone(),
            Value::Time(time) => time.iso8601(),
            Value::Nested(json) => json.to_string(),
        }
    }

    pub fn json(&self) -> Json {
        match self {
            Value::Missing | Value::Null => Json::Null,
            Value::Bool(flag) => (*flag).into(),
            Value::Int(whole) => (*whole).into(),
            Value::Float(float) => (*float).into(),
            Value::Text(_) | Value::Time(_) => self.text().into(),
            Value::Nested(json) => json.clone(),
        }
    }

    /// The order of two values that have one. A text is a number beside a number.
    pub fn compare(&self, other: &Value) -> Option<Ordering> {
        match (self, other) {
            (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
            (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
            (Value::Time(a), Value::Time(b)) => Some(a.cmp(b)),
            (Value::Nested(a), Value::Nested(b)) => (a == b).then_some(Ordering::Equal),
            (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
            (Value::Text(text), Value::Bool(flag)) => Some(text.to_ascii_lowercase().cmp(&flag.to_string())),
            (Value::Bool(_), Value::Text(_)) => other.compare(self).map(Ordering::reverse),
            _ => match (self.number()?, other.number()?) {
                (Value::Int(a), Value::Int(b)) => Some(a.cmp(&b)),
                (a, b) => a.float()?.partial_cmp(&b.float()?),
            },
        }
    }

    /// What a condition says: neither true nor false where it is null.
    pub fn truth(&self) -> Result<Option<bool>> {
        match self {
            Value::Missing | Value::Null => Ok(None),
            Value::Bool(flag) => Ok(Some(*flag)),
            Value::Text(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Value::Text(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            _ => Err(SelectError::new(
                "EvaluatorInvalidArguments",
                "Incorrect data types in the condition of the query.",
            )),
        }
    }
}
