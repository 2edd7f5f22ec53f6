//! Throttling: token buckets by name. They live in memory only; a restart fills them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use wire::Timestamp;

/// How many buckets are kept.
const KEPT: usize = 4096;

/// What an account may do in a region when nothing says less: requests a second, and at once.
const ACCOUNT_RATE: f64 = 10_000.0;
const ACCOUNT_BURST: f64 = 5_000.0;

#[derive(Default)]
pub struct Throttles(Mutex<HashMap<String, Bucket>>);

struct Bucket {
    tokens: f64,
    at: Timestamp,
}

impl Throttles {
    /// Whether an account's requests in a region are within what all of them together may be.
    pub fn admits_account(&self, account: &str, region: &str, now: Timestamp) -> bool {
        self.admits(&format!("account/{account}/{region}"), Some(ACCOUNT_RATE), Some(ACCOUNT_BURST as i32), now)
    }

    /// Takes a token of the bucket `key`; false when there is none. A negative limit is none.
    pub fn admits(&self, key: &str, rate: Option<f64>, burst: Option<i32>, now: Timestamp) -> bool {
        let rate = rate.filter(|rate| *rate >= 0.0);
        let burst = burst.filter(|burst| *burst >= 0).map(f64::from);
        if rate.is_none() && burst.is_none() {
            return true;
        }
        let rate = rate.unwrap_or(ACCOUNT_RATE);
        let burst = burst.unwrap_or(ACCOUNT_BURST);
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= KEPT && !buckets.contains_key(key) {
            buckets.clear();
        }
        let bucket = buckets.entry(key.to_owned()).or_insert(Bucket { tokens: burst, at: now });
        let passed = (now.millis() - bucket.at.millis()).max(0) as f64 / 1000.0;
        bucket.tokens = (bucket.tokens + passed * rate).min(burst);
        bucket.at = now;
        let admitted = bucket.tokens >= 1.0;
        if admitted {
            bucket.tokens -= 1.0;
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_fills() {
        let throttles = Throttles::default();
        let admits = |millis| throttles.admits("a", Some(1.0), Some(2), Timestamp::from_millis(millis));
        assert_eq!([admits(0), admits(0), admits(0)], [true, true, false]);
        assert_eq!([admits(999), admits(1000), admits(1000)], [false, true, false]);
        assert!(throttles.admits("a", None, None, Timestamp::default()));
        let account = |millis| throttles.admits_account("1", "r", Timestamp::from_millis(millis));
        assert_eq!((0..5001).filter(|_| account(0)).count(), 5000);
        assert_eq!((0..11).filter(|_| account(1)).count(), 10);
    }
}
