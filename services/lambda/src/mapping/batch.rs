//! What becomes of a batch after its function was invoked. Pure functions.
//! <https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html>

use serde_json::Value;

/// What an invocation says of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Done,
    /// The records before this index are done, the others are not.
    FailedFrom(usize),
}

/// Reads the answer of a function that reports failures of single records: `{"batchItemFailures": [{"itemIdentifier": …}]}`. The
/// lowest sequence number counts. Whatever is not understood is a failure of the whole batch.
pub fn verdict(answer: &Value, sequences: &[&str]) -> Verdict {
    let failures = match &answer["batchItemFailures"] {
        Value::Null => return Verdict::Done,
        Value::Array(list) if list.is_empty() => return Verdict::Done,
        Value::Array(list) => list,
        _ => return Verdict::FailedFrom(0),
    };
    let mut first = sequences.len();
    for failure in failures {
        let index =
            failure["itemIdentifier"].as_str().and_then(|id| sequences.iter().position(|sequence| *sequence == id));
        match index {
            Some(index) => first = first.min(index),
            None => return Verdict::FailedFrom(0),
        }
    }
    Verdict::FailedFrom(first)
}

/// What to do with records that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The same records, after a pause.
    Again,
    /// The two halves, one after the other. Halving does not count as a retry.
    Halves(usize),
    GiveUp,
}

/// `attempts`: how many invocations with just these records have failed.
pub fn next(records: usize, attempts: u32, bisect: bool, max_retries: i32) -> Next {
    if bisect && records > 1 {
        return Next::Halves(records / 2);
    }
    match u32::try_from(max_retries) {
        Ok(most) if attempts > most => Next::GiveUp,
        _ => Next::Again,
    }
}

/// Milliseconds before the next try: doubling, up to a minute.
pub fn pause(attempts: u32) -> i64 {
    (100 << attempts.clamp(1, 10)).min(60_000)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn partial_failures() {
        let sequences = ["1", "2", "3"];
        assert_eq!(verdict(&json!({ "batchItemFailures": [] }), &sequences), Verdict::Done);
        assert_eq!(verdict(&json!({ "batchItemFailures": null }), &sequences), Verdict::Done);
        assert_eq!(verdict(&json!({}), &sequences), Verdict::Done);
        assert_eq!(verdict(&Value::Null, &sequences), Verdict::Done);
        let failed = |ids: &[&str]| {
            let list: Vec<Value> = ids.iter().map(|id| json!({ "itemIdentifier": id })).collect();
            verdict(&json!({ "batchItemFailures": list }), &sequences)
        };
        assert_eq!(failed(&["3", "2"]), Verdict::FailedFrom(1));
        assert_eq!(failed(&["2", "unknown"]), Verdict::FailedFrom(0));
        assert_eq!(failed(&[""]), Verdict::FailedFrom(0));
        assert_eq!(verdict(&json!({ "batchItemFailures": "x" }), &sequences), Verdict::FailedFrom(0));
    }

    #[test]
    fn failures_are_halved_retried_and_given_up() {
        assert_eq!(next(4, 1, true, 0), Next::Halves(2));
        assert_eq!(next(1, 1, true, 1), Next::Again);
        assert_eq!(next(1, 2, true, 1), Next::GiveUp);
        assert_eq!(next(4, 1, false, 0), Next::GiveUp);
        assert_eq!(next(4, 1_000_000, false, -1), Next::Again);
        assert!(pause(1) < pause(2) && pause(50) == 60_000);
    }
}
