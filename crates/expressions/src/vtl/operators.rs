//! Arithmetic and comparison, with Velocity's leniency: what does not compute is null, never an error.

use super::{Error, Heap, Value, ast::Operator};
use std::cmp::Ordering;

/// Applies an operator other than the logical ones, which decide by their left side.
pub fn apply(heap: &mut Heap, operator: Operator, left: &Value, right: &Value) -> Result<Value, Error> {
    Ok(match operator {
        Operator::Equal => Value::Bool(equal(heap, left, right)?),
        Operator::NotEqual => Value::Bool(!equal(heap, left, right)?),
        Operator::Less => ordered(left, right, Ordering::is_lt),
        Operator::LessOrEqual => ordered(left, right, Ordering::is_le),
        Operator::Greater => ordered(left, right, Ordering::is_gt),
        Operator::GreaterOrEqual => ordered(left, right, Ordering::is_ge),
        Operator::Or | Operator::And => Value::Null,
        Operator::Add if !both_numbers(left, right) => concatenate(heap, left, right)?,
        _ => arithmetic(operator, left, right),
    })
}

fn both_numbers(left: &Value, right: &Value) -> bool {
    number(left).is_some() && number(right).is_some()
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Int(value) => Some(*value as f64),
        Value::Double(value) => Some(*value),
        _ => None,
    }
}

/// Equality by number, then by kind, and by text between different kinds.
pub fn equal(heap: &mut Heap, left: &Value, right: &Value) -> Result<bool, Error> {
    Ok(match (left, right) {
        (Value::Null, Value::Null) => true,
        (Value::Null, _) | (_, Value::Null) => false,
        (Value::Int(left), Value::Int(right)) => left == right,
        (Value::Bool(left), Value::Bool(right)) => left == right,
        (Value::Text(left), Value::Text(right)) => left == right,
        (Value::List(left), Value::List(right)) if left == right => true,
        (Value::Map(left), Value::Map(right)) if left == right => true,
        _ => match (number(left), number(right)) {
            (Some(left), Some(right)) => left == right,
            _ => heap.display(left)? == heap.display(right)?,
        },
    })
}

/// Only numbers have an order.
fn ordered(left: &Value, right: &Value, test: fn(Ordering) -> bool) -> Value {
    let ordering = match (left, right) {
        (Value::Int(left), Value::Int(right)) => Some(left.cmp(right)),
        _ => number(left).zip(number(right)).and_then(|(left, right)| left.partial_cmp(&right)),
    };
    Value::Bool(ordering.is_some_and(test))
}

fn concatenate(heap: &mut Heap, left: &Value, right: &Value) -> Result<Value, Error> {
    let texts = matches!(left, Value::Text(_)) || matches!(right, Value::Text(_));
    if !texts || left.is_null() || right.is_null() {
        return Ok(Value::Null);
    }
    let mut text = heap.display(left)?;
    text.push_str(&heap.display(right)?);
    heap.charge(text.len())?;
    Ok(Value::text(text))
}

fn arithmetic(operator: Operator, left: &Value, right: &Value) -> Value {
    if let (Value::Int(left), Value::Int(right)) = (left, right) {
        let exact = match operator {
            Operator::Add => left.checked_add(*right),
            Operator::Subtract => left.checked_sub(*right),
            Operator::Multiply => left.checked_mul(*right),
            Operator::Divide => left.checked_div(*right),
            _ => left.checked_rem(*right),
        };
        if let Some(exact) = exact {
            return Value::Int(exact);
        }
    }
    let Some((left, right)) = number(left).zip(number(right)) else { return Value::Null };
    match operator {
        Operator::Add => Value::Double(left + right),
        Operator::Subtract => Value::Double(left - right),
        Operator::Multiply => Value::Double(left * right),
        _ if right == 0.0 => Value::Null,
        Operator::Divide => Value::Double(left / right),
        _ => Value::Double(left % right),
    }
}
