//! The functions of queries.

use service::Timestamp;

use super::value::Value;
use super::{Result, SelectError};

/// Whether there is a function of this name with so many arguments.
pub fn check(name: &str, count: usize) -> Result<()> {
    let wanted = match name {
        "COALESCE" => 1..=100,
        "NULLIF" | "TO_STRING" => 2..=2,
        "CHAR_LENGTH" | "CHARACTER_LENGTH" | "LOWER" | "UPPER" | "TO_TIMESTAMP" => 1..=1,
        "UTCNOW" => 0..=0,
        _ => return Err(SelectError::new("UnsupportedFunction", format!("The function {name} is not supported."))),
    };
    if wanted.contains(&count) {
        return Ok(());
    }
    let text = format!("Incorrect number of arguments in the function call of {name}.");
    Err(SelectError::new("EvaluatorInvalidArguments", text))
}

fn invalid(name: &str) -> SelectError {
    SelectError::new(
        "EvaluatorInvalidArguments",
        format!("Incorrect type of arguments in the function call of {name}."),
    )
}

/// Calls a function; `now` is the time of the query.
pub fn call(name: &str, values: &[Value], now: Timestamp) -> Result<Value> {
    match (name, values) {
        ("COALESCE", values) => Ok(values.iter().find(|value| !value.is_null()).cloned().unwrap_or(Value::Null)),
        ("NULLIF", [a, b]) => Ok(if a.compare(b) == Some(std::cmp::Ordering::Equal) { Value::Null } else { a.clone() }),
        ("UTCNOW", []) => Ok(Value::Time(now)),
        (_, values) if values.iter().any(Value::is_null) => Ok(Value::Null),
        ("CHAR_LENGTH" | "CHARACTER_LENGTH", [Value::Text(text)]) => {
            Ok(Value::Int(i64::try_from(text.chars().count()).unwrap_or(i64::MAX)))
        }
        ("LOWER", [Value::Text(text)]) => Ok(Value::Text(text.to_lowercase())),
        ("UPPER", [Value::Text(text)]) => Ok(Value::Text(text.to_uppercase())),
        ("SUBSTRING", [Value::Text(text), rest @ ..]) => substring(text, rest),
        ("TRIM", [Value::Text(text), Value::Text(side), Value::Text(set)]) => {
            let drop = |c: char| set.contains(c);
            Ok(Value::Text(match side.as_str() {
                "LEADING" => text.trim_start_matches(drop).to_owned(),
                "TRAILING" => text.trim_end_matches(drop).to_owned(),
                _ => text.trim_matches(drop).to_owned(),
            }))
        }
        ("TO_TIMESTAMP", [Value::Text(text)]) => timestamp(text).map(Value::Time),
        ("TO_TIMESTAMP", [Value::Time(time)]) => Ok(Value::Time(*time)),
        ("TO_STRING", [Value::Time(time), Value::Text(pattern)]) => Ok(Value::Text(format_time(*time, pattern))),
        ("EXTRACT", [Value::Text(part), Value::Time(time)]) => extract(part, *time).map(Value::Int),
        ("DATE_ADD", [Value::Text(part), amount, Value::Time(time)]) => {
            let Some(Value::Int(amount)) = amount.number() else { return Err(invalid(name)) };
            date_add(part, amount, *time).map(Value::Time)
        }
        ("DATE_DIFF", [Value::Text(part), Value::Time(from), Value::Time(to)]) => {
            date_diff(part, *from, *to).map(Value::Int)
        }
        (name, _) => Err(invalid(name)),
    }
}

/// Positions begin at 1, and may be before the text.
fn substring(text: &str, rest: &[Value]) -> Result<Value> {
    let whole = |value: &Value| match value.number() {
        Some(Value::Int(whole)) => Ok(whole),
        _ => Err(invalid("SUBSTRING")),
    };
    let Some(start) = rest.first() else { return Err(invalid("SUBSTRING")) };
    let start = whole(start)?;
    let end = rest.get(1).map(whole).transpose()?.map(|count| start.saturating_add(count));
    if rest.get(1).map(whole).transpose()?.is_some_and(|count| count < 0) {
        return Err(invalid("SUBSTRING"));
    }
    let kept = text.chars().zip(1i64..).filter(|(_, at)| *at >= start && end.is_none_or(|end| *at < end));
    Ok(Value::Text(kept.map(|(c, _)| c).collect()))
}

/// A time of ISO 8601, whole or cut off after a part: `2020T`, `2020-01-02T`, `2020-01-02T03:04Z`.
pub fn timestamp(text: &str) -> Result<Timestamp> {
    let cut = text.trim_end_matches('T');
    let full = match cut.len() {
        4 => format!("{cut}-01-01T00:00:00Z"),
        7 => format!("{cut}-01T00:00:00Z"),
        10 => format!("{cut}T00:00:00Z"),
        17 if cut.ends_with('Z') => format!("{}:00Z", cut.trim_end_matches('Z')),
        _ => cut.to_owned(),
    };
    let failed = || {
        SelectError::new(
            "CastFailed",
            format!("Attempt to convert from one data type to another using CAST failed: {text}."),
        )
    };
    Timestamp::parse(&full).ok_or_else(failed)
}

fn extract(part: &str, time: Timestamp) -> Result<i64> {
    let date = time.datetime();
    Ok(match part {
        "year" => i64::from(date.year()),
        "month" => i64::from(date.month()),
        "day" => i64::from(date.day()),
        "hour" => i64::from(date.hour()),
        "minute" => i64::from(date.minute()),
        "second" => i64::from(date.second()),
        "timezone_hour" | "timezone_minute" => 0,
        _ => return Err(SelectError::new("ParseExpectedDatePart", format!("{part} is no part of a date."))),
    })
}

fn format_time(time: Timestamp, pattern: &str) -> String {
    let date = time.datetime();
    let mut out = String::new();
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        // In bytes, which are characters in what is replaced.
        let run = rest.len() - rest.trim_start_matches(first).len();
        let padded = |value: i64, width: usize| format!("{value:0width$}");
        match first {
            'y' if run == 2 => out.push_str(&padded(i64::from(date.year()) % 100, 2)),
            'y' => out.push_str(&padded(i64::from(date.year()), run)),
            'M' => out.push_str(&padded(i64::from(date.month()), run)),
            'd' => out.push_str(&padded(i64::from(date.day()), run)),
            'H' => out.push_str(&padded(i64::from(date.hour()), run)),
            'h' => out.push_str(&padded((i64::from(date.hour()) + 11) % 12 + 1, run)),
            'a' => out.push_str(if date.hour() < 12 { "AM" } else { "PM" }),
            'm' => out.push_str(&padded(i64::from(date.minute()), run)),
            's' => out.push_str(&padded(i64::from(date.second()), run)),
            'S' => out.push_str(&padded(time.millis().rem_euclid(1000), 3)[..run.min(3)]),
            'X' | 'x' => out.push('Z'),
            _ => out.push_str(&rest[..run]),
        }
        rest = &rest[run..];
    }
    out
}

const SECOND: i64 = 1000;

fn date_add(part: &str, amount: i64, time: Timestamp) -> Result<Timestamp> {
    let plus = |unit: i64| time.plus_millis(amount.saturating_mul(unit));
    Ok(match part {
        "second" => plus(SECOND),
        "minute" => plus(60 * SECOND),
        "hour" => plus(3600 * SECOND),
        "day" => plus(86_400 * SECOND),
        "month" | "year" => {
            let months = if part == "year" { amount.saturating_mul(12) } else { amount };
            let date = time.datetime();
            let total = (i64::from(date.year()) * 12 + i64::from(date.month()) - 1).saturating_add(months);
            let (year, month) = (total.div_euclid(12), total.rem_euclid(12) + 1);
            // Days that the month does not have are its last one.
            let clock = &time.iso8601()[10..];
            let day = i64::from(date.day());
            let found = (1..=day)
                .rev()
                .take(4)
                .find_map(|day| Timestamp::parse(&format!("{year:04}-{month:02}-{day:02}{clock}")));
            found.ok_or_else(|| invalid("DATE_ADD"))?
        }
        _ => return Err(SelectError::new("ParseExpectedDatePart", format!("{part} is no part of a date."))),
    })
}

fn date_diff(part: &str, from: Timestamp, to: Timestamp) -> Result<i64> {
    let millis = to.millis() - from.millis();
    let months = || {
        let month = |time: Timestamp| i64::from(time.datetime().year()) * 12 + i64::from(time.datetime().month());
        month(to) - month(from)
    };
    Ok(match part {
        "second" => millis / SECOND,
        "minute" => millis / (60 * SECOND),
        "hour" => millis / (3600 * SECOND),
        "day" => millis / (86_400 * SECOND),
        "month" => months(),
        "year" => i64::from(to.datetime().year()) - i64::from(from.datetime().year()),
        _ => return Err(SelectError::new("ParseExpectedDatePart", format!("{part} is no part of a date."))),
    })
}
