//! `welkin clock`: the time of the cloud.

use std::process::ExitCode;

use serde_json::json;

use super::Failure;
use crate::cli::{Clock, ClockAction};
use crate::http::call;

pub fn run(clock: &Clock) -> Result<ExitCode, Failure> {
    let endpoint = &clock.query.target.endpoint;
    let body = match &clock.action {
        None => None,
        Some(ClockAction::Advance { by }) => Some(json!({ "advanceMillis": duration(by)? })),
        Some(ClockAction::Offset { by }) => Some(json!({ "offsetMillis": duration(by)? })),
        Some(ClockAction::Freeze { at: Some(at) }) => Some(json!({ "freezeAt": at })),
        Some(ClockAction::Freeze { at: None }) => Some(json!({ "freeze": true })),
        Some(ClockAction::Resume) => Some(json!({ "resume": true })),
    };
    let shown = match body {
        None => call(endpoint, "GET", "/_welkin/clock", None)?,
        Some(body) => call(endpoint, "POST", "/_welkin/clock", Some(&body))?,
    };
    if clock.query.json {
        println!("{shown}");
    } else {
        println!("{} ({})", shown["now"].as_str().unwrap_or_default(), shown["mode"].as_str().unwrap_or_default());
    }
    Ok(ExitCode::SUCCESS)
}

/// Milliseconds of `90s`, `15m`, `2h`, `7d`, `500ms`; a plain number is seconds.
fn duration(text: &str) -> Result<i64, String> {
    let wrong = || format!("{text} is not a duration; write it as 90s, 15m, 2h or 7d");
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor = match unit {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    number.parse::<i64>().ok().and_then(|number| number.checked_mul(factor)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn durations() {
        assert_eq!(duration("90s"), Ok(90_000));
        assert_eq!(duration("-2h"), Ok(-7_200_000));
        assert_eq!(duration("5"), Ok(5_000));
        assert!(duration("soon").is_err() && duration("5y").is_err());
    }
}
