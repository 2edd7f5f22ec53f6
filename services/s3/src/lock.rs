//! Object Lock: what keeps a version from being deleted, and for how long.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html>
//!
//! A retention in COMPLIANCE can only be made longer, by nobody less; one in GOVERNANCE may be passed by who has the
//! permission and says so. A legal hold stands beside either, until it is taken off.

use service::Timestamp;

use crate::Error;
use crate::store::{Bucket, DefaultRetention, Lock};

pub const GOVERNANCE: &str = "GOVERNANCE";

const DAY: i64 = 86_400_000;

/// What a writing request says of locks.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub mode: Option<String>,
    pub until: Option<Timestamp>,
    pub hold: Option<String>,
}

impl Asked {
    pub fn is_empty(&self) -> bool {
        self.mode.is_none() && self.until.is_none() && self.hold.is_none()
    }

    /// The lock of a new version.
    pub fn lock(&self, bucket: &Bucket, now: Timestamp) -> Result<Lock, Error> {
        if !self.is_empty() && !bucket.locked {
            return Err(missing_configuration());
        }
        let both = "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied";
        let retention = match (&self.mode, self.until) {
            (Some(mode), Some(until)) => {
                check_date(until, now)?;
                Some((mode.clone(), until.millis()))
            }
            (Some(_), None) => {
                return Err(Error::invalid_argument(both, "x-amz-object-lock-retain-until-date", "null"));
            }
            (None, Some(_)) => return Err(Error::invalid_argument(both, "x-amz-object-lock-mode", "null")),
            (None, None) => bucket.default_retention.as_ref().map(|default| default_lock(default, now)),
        };
        Ok(Lock { retention, hold: self.hold.as_ref().map(|hold| hold == "ON") })
    }
}

fn default_lock(default: &DefaultRetention, now: Timestamp) -> (String, i64) {
    let days = default.days.unwrap_or_default() + default.years.unwrap_or_default() * 365;
    (default.mode.clone(), now.millis() + i64::from(days) * DAY)
}

pub fn missing_configuration() -> Error {
    Error::InvalidRequest("Bucket is missing Object Lock Configuration".to_owned())
}

pub fn protected() -> Error {
    Error::AccessDenied("Access Denied because object protected by object lock.".to_owned())
}

pub fn check_date(until: Timestamp, now: Timestamp) -> Result<(), Error> {
    if until > now {
        return Ok(());
    }
    let text = "The retain until date must be in the future!";
    Err(Error::invalid_argument(text, "x-amz-object-lock-retain-until-date", &until.iso8601()))
}

/// What stands in the way of deleting a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    Free,
    /// May be passed with `s3:BypassGovernanceRetention`.
    Governance,
    Closed,
}

impl Lock {
    pub fn guard(&self, now: Timestamp) -> Guard {
        if self.hold == Some(true) {
            return Guard::Closed;
        }
        match &self.retention {
            Some((mode, until)) if *until > now.millis() => {
                if mode == GOVERNANCE {
                    Guard::Governance
                } else {
                    Guard::Closed
                }
            }
            _ => Guard::Free,
        }
    }

    /// Changes the retention. `bypass`: the caller may pass GOVERNANCE and says so.
    pub fn retain(&mut self, next: Option<(String, i64)>, bypass: bool, now: Timestamp) -> Result<(), Error> {
        if let Some((mode, until)) = &self.retention
            && *until > now.millis()
        {
            let longer = next.as_ref().is_some_and(|(_, next)| next >= until);
            let same = next.as_ref().is_some_and(|(next, _)| next == mode);
            // Another mode is another retention, even the stricter one.
            if !(longer && same || bypass && mode == GOVERNANCE) {
                return Err(protected());
            }
        }
        self.retention = next;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPLIANCE: &str = "COMPLIANCE";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(seconds)
    }

    fn lock(mode: &str, until: i64) -> Lock {
        Lock { retention: Some((mode.to_owned(), at(until).millis())), hold: None }
    }

    #[test]
    fn guards() {
        assert_eq!(Lock::default().guard(at(0)), Guard::Free);
        assert_eq!(lock(GOVERNANCE, 10).guard(at(5)), Guard::Governance);
        assert_eq!(lock(COMPLIANCE, 10).guard(at(5)), Guard::Closed);
        assert_eq!(lock(COMPLIANCE, 10).guard(at(10)), Guard::Free);
        let held = Lock { hold: Some(true), ..lock(GOVERNANCE, 10) };
        assert_eq!(held.guard(at(50)), Guard::Closed);
    }

    #[test]
    fn retentions_change_one_way() {
        let change = |from: Lock, mode: &str, until: i64, bypass: bool| {
            let mut lock = from;
            lock.retain(Some((mode.to_owned(), at(until).millis())), bypass, at(0)).is_ok()
        };
        assert!(change(lock(COMPLIANCE, 10), COMPLIANCE, 20, false));
        assert!(!change(lock(COMPLIANCE, 10), COMPLIANCE, 5, true));
        assert!(!change(lock(COMPLIANCE, 10), GOVERNANCE, 20, true));
        assert!(change(lock(GOVERNANCE, 10), GOVERNANCE, 20, false));
        assert!(!change(lock(GOVERNANCE, 10), GOVERNANCE, 5, false));
        assert!(change(lock(GOVERNANCE, 10), GOVERNANCE, 5, true));
        assert!(!change(lock(GOVERNANCE, 10), COMPLIANCE, 20, false));
        assert!(change(lock(GOVERNANCE, 10), COMPLIANCE, 20, true));
        let mut gone = lock(GOVERNANCE, 10);
        assert!(gone.retain(None, false, at(0)).is_err());
        assert!(gone.retain(None, true, at(0)).is_ok());
    }

    #[test]
    fn what_is_written_is_locked_as_the_bucket_says() {
        let bucket = Bucket {
            locked: true,
            default_retention: Some(DefaultRetention { mode: GOVERNANCE.into(), days: Some(1), years: None }),
            ..Bucket::default()
        };
        let of = |asked: Asked| asked.lock(&bucket, at(0));
        assert_eq!(of(Asked::default()).unwrap().retention, Some((GOVERNANCE.into(), DAY)));
        assert!(of(Asked { mode: Some(GOVERNANCE.into()), ..Asked::default() }).is_err());
        assert!(of(Asked { mode: Some(GOVERNANCE.into()), until: Some(at(0)), hold: None }).is_err());
        let own = of(Asked { mode: Some(COMPLIANCE.into()), until: Some(at(9)), hold: Some("ON".into()) }).unwrap();
        assert_eq!((own.retention, own.hold), (Some((COMPLIANCE.into(), 9000)), Some(true)));
        assert!(Asked { hold: Some("ON".into()), ..Asked::default() }.lock(&Bucket::default(), at(0)).is_err());
    }
}
