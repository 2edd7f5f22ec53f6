//! Answers that are kept until they expire: what authorizers said, the keys of issuers. A restart forgets them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use wire::Timestamp;

/// How many answers are kept unless the owner says otherwise.
const KEPT: usize = 4096;

pub struct Expiring<T> {
    all: Mutex<HashMap<String, (Timestamp, T)>>,
    most: usize,
}

impl<T> Default for Expiring<T> {
    fn default() -> Self {
        Self::of(KEPT)
    }
}

impl<T> Expiring<T> {
    /// A cache of at most so many answers; when it is full it begins anew.
    pub fn of(most: usize) -> Self {
        Self { all: Mutex::default(), most }
    }
}

impl<T: Clone> Expiring<T> {
    pub fn get(&self, key: &str, now: Timestamp) -> Option<T> {
        self.lock().get(key).filter(|(until, _)| now < *until).map(|(_, value)| value.clone())
    }

    pub fn put(&self, key: String, until: Timestamp, value: T) {
        let mut all = self.lock();
        if all.len() >= self.most {
            all.clear();
        }
        all.insert(key, (until, value));
    }

    /// Forgets what is kept under keys that begin like this.
    pub fn forget(&self, prefix: &str) {
        self.lock().retain(|key, _| !key.starts_with(prefix));
    }

    pub fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, (Timestamp, T)>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_expire() {
        let answers = Expiring::default();
        answers.put("a/k".into(), Timestamp::from_secs(10), 1);
        assert_eq!(answers.get("a/k", Timestamp::from_secs(9)), Some(1));
        assert_eq!(answers.get("a/k", Timestamp::from_secs(10)), None);
        answers.forget("a/");
        assert_eq!(answers.get("a/k", Timestamp::from_secs(9)), None);
    }
}
