//! Tumbling windows: a state that a function carries from batch to batch of a shard, for a span of time. Pure functions.
//! <https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-windows.html>

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use service::Timestamp;

/// The largest state; one that grows beyond it ends its window early.
const MOST: usize = 1 << 20;

/// A window that has begun.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// Milliseconds since 1970.
    pub start: i64,
    /// Seconds.
    pub length: i32,
    pub state: Value,
}

impl Window {
    /// The window that a record belongs to by the time of its arrival. Windows do not overlap.
    pub fn of(arrived: Timestamp, length: i32) -> Self {
        Self { start: start(arrived, length), length, state: json!({}) }
    }

    pub fn holds(&self, arrived: Timestamp) -> bool {
        start(arrived, self.length) == self.start
    }

    pub fn has_ended(&self, now: Timestamp) -> bool {
        now.millis() >= self.end()
    }

    fn end(&self) -> i64 {
        self.start + i64::from(self.length) * 1000
    }

    /// The members of an event that tell of the window.
    pub fn describe(&self, event: &mut Value, shard: &str, source: &str, last: bool, early: bool) {
        let time = |millis| Timestamp::from_millis(millis).iso8601();
        event["window"] = json!({ "start": time(self.start), "end": time(self.end()) });
        event["state"] = self.state.clone();
        event["shardId"] = shard.into();
        event["eventSourceARN"] = source.into();
        event["isFinalInvokeForWindow"] = last.into();
        event["isWindowTerminatedEarly"] = early.into();
    }

    /// Takes over the state that a function returned; one that returned none begins anew. Says whether the state is too large.
    pub fn carry(&mut self, answer: &Value) -> bool {
        self.state = match &answer["state"] {
            Value::Null => json!({}),
            state => state.clone(),
        };
        self.state.to_string().len() > MOST
    }
}

fn start(arrived: Timestamp, length: i32) -> i64 {
    let length = i64::from(length.max(1)) * 1000;
    arrived.millis().div_euclid(length) * length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_do_not_overlap() {
        let at = Timestamp::from_millis;
        let window = Window::of(at(61_500), 30);
        assert_eq!(window.start, 60_000);
        assert!(window.holds(at(89_999)) && !window.holds(at(90_000)) && !window.holds(at(59_999)));
        assert!(!window.has_ended(at(89_999)) && window.has_ended(at(90_000)));
    }

    #[test]
    fn state_is_carried() {
        let mut window = Window::of(Timestamp::from_millis(0), 60);
        assert!(!window.carry(&json!({ "state": { "sum": 1 } })));
        let mut event = json!({ "Records": [] });
        window.describe(&mut event, "shard", "arn", true, false);
        let expected = json!({
            "Records": [],
            "window": { "start": "1970-01-01T00:00:00Z", "end": "1970-01-01T00:01:00Z" },
            "state": { "sum": 1 },
            "shardId": "shard",
            "eventSourceARN": "arn",
            "isFinalInvokeForWindow": true,
            "isWindowTerminatedEarly": false,
        });
        assert_eq!(event, expected);
        assert!(!window.carry(&Value::Null) && window.state == json!({}));
        assert!(window.carry(&json!({ "state": "x".repeat(MOST) })));
    }
}
