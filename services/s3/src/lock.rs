//! Object Lock: what keeps a version from being deleted, and for how long.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html>
//!
//! A retention in COMPLIANCE can only be made longer, by nobody less; one in GOVERNANCE may be passed by who has the
//! permission and says so. A legal hold stands beside either, until it is taken off. An event hold keeps a version as a
//! retention without an end does; when it is released, the retention ends a stated time later.

use service::Timestamp;

use crate::Error;
use crate::store::{Bucket, DefaultRetention, EventHold, Lock, Span};

pub const GOVERNANCE: &str = "GOVERNANCE";

const DAY: i64 = 86_400_000;

/// What a writing request says of locks.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub mode: Option<String>,
    pub until: Option<Timestamp>,
    pub hold: Option<String>,
    /// An event hold: `ON` or `OFF`, and how long it holds afterwards.
    pub event: Option<String>,
    pub after: Span,
}

impl Asked {
    pub fn is_empty(&self) -> bool {
        self.mode.is_none() && self.until.is_none() && self.hold.is_none() && self.event.is_none()
    }

    /// The lock of a new version.
    pub fn lock(&self, bucket: &Bucket, now: Timestamp) -> Result<Lock, Error> {
        if !self.is_empty() && !bucket.locked {
            return Err(missing_configuration());
        }
        let both = "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied";
        let event = event_hold(self.mode.as_deref(), self.event.as_deref(), self.after)?;
        let default = bucket.default_retention.as_ref().filter(|_| self.event.is_none());
        let retention = match (&self.mode, self.until) {
            (Some(mode), Some(until)) => {
                check_date(until, now)?;
                Some((mode.clone(), until.millis()))
            }
            (Some(_), None) if event.is_some() => None,
            (Some(_), None) => {
                return Err(Error::invalid_argument(both, "x-amz-object-lock-retain-until-date", "null"));
            }
            (None, Some(_)) => return Err(Error::invalid_argument(both, "x-amz-object-lock-mode", "null")),
            (None, None) => default.and_then(|default| default_lock(default, now)),
        };
        let default = default.filter(|_| self.mode.is_none());
        let event = event.or_else(|| {
            let default = default?;
            Some(EventHold { on: true, mode: default.mode.clone(), after: default.event? })
        });
        Ok(Lock { retention, hold: self.hold.as_ref().map(|hold| hold == "ON"), event })
    }
}

fn default_lock(default: &DefaultRetention, now: Timestamp) -> Option<(String, i64)> {
    let span = Span { days: default.days, years: default.years };
    (span != Span::default()).then(|| (default.mode.clone(), span.end(now)))
}

impl Span {
    fn millis(self) -> i64 {
        i64::from(self.days.unwrap_or_default() + self.years.unwrap_or_default() * 365) * DAY
    }

    fn end(self, now: Timestamp) -> i64 {
        now.millis() + self.millis()
    }
}

/// The event hold that a request asks for, which needs a mode, and either days or years.
pub fn event_hold(mode: Option<&str>, event: Option<&str>, after: Span) -> Result<Option<EventHold>, Error> {
    const NAME: &str = "x-amz-object-lock-event-hold";
    let invalid = |text: &str| Err(Error::invalid_argument(text, NAME, event.unwrap_or("null")));
    match (event, mode) {
        (Some("ON"), Some(mode)) => {
            check_span(after)?;
            Ok(Some(EventHold { on: true, mode: mode.to_owned(), after }))
        }
        (Some("ON"), None) => invalid("x-amz-object-lock-event-hold and x-amz-object-lock-mode must both be supplied"),
        (Some("OFF") | None, _) if after == Span::default() => Ok(None),
        (Some("OFF") | None, _) => invalid("An event hold duration can only be supplied with an event hold that is ON"),
        _ => invalid("Event Hold must be either of 'ON' or 'OFF'"),
    }
}

/// Days or years, not both, and not too many.
pub fn check_span(span: Span) -> Result<(), Error> {
    let invalid = |text: &str| Err(service::ApiError::new(400, "InvalidArgument", text).into());
    match span {
        Span { days: Some(days), years: None } if (1..=36_500).contains(&days) => Ok(()),
        Span { days: None, years: Some(years) } if (1..=100).contains(&years) => Ok(()),
        Span { days: Some(_), years: None } => invalid("Event hold duration days must be between 1 and 36500"),
        Span { days: None, years: Some(_) } => invalid("Event hold duration years must be between 1 and 100"),
        _ => invalid("An event hold duration must be specified in either days or years"),
    }
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
        let of_mode = |mode: &str| if mode == GOVERNANCE { Guard::Governance } else { Guard::Closed };
        let retention = match &self.retention {
            Some((mode, until)) if *until > now.millis() => of_mode(mode),
            _ => Guard::Free,
        };
        let event = self.event.as_ref().filter(|event| event.on);
        retention.max(event.map_or(Guard::Free, |event| of_mode(&event.mode)))
    }

    /// Sets, changes or releases the event hold. What an event hold that is on keeps, it keeps unless `bypass` may pass it.
    pub fn hold_event(
        &mut self,
        next: Option<EventHold>,
        released: bool,
        bypass: bool,
        now: Timestamp,
    ) -> Result<(), Error> {
        let Some(held) = self.event.as_mut().filter(|event| event.on) else {
            if next.is_some() {
                self.event = next;
            }
            return Ok(());
        };
        if released {
            held.on = false;
            let end = held.after.end(now);
            let later = self.retention.as_ref().map_or(end, |(_, until)| end.max(*until));
            self.retention = Some((held.mode.clone(), later));
            return Ok(());
        }
        let Some(next) = next else { return Ok(()) };
        let weaker = next.mode != held.mode || next.after.millis() < held.after.millis();
        if weaker && !(bypass && held.mode == GOVERNANCE) {
            return Err(protected());
        }
        self.event = Some(next);
        Ok(())
    }

    /// Takes off retention and event hold.
    pub fn release(&mut self, bypass: bool, now: Timestamp) -> Result<(), Error> {
        let held = self.event.as_ref().filter(|event| event.on);
        if held.is_some_and(|event| !(bypass && event.mode == GOVERNANCE)) {
            return Err(protected());
        }
        self.retain(None, bypass, now)?;
        self.event = None;
        Ok(())
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
        Lock { retention: Some((mode.to_owned(), at(until).millis())), ..Lock::default() }
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
            default_retention: Some(DefaultRetention {
                mode: GOVERNANCE.into(),
                days: Some(1),
                years: None,
                event: None,
            }),
            ..Bucket::default()
        };
        let of = |asked: Asked| asked.lock(&bucket, at(0));
        assert_eq!(of(Asked::default()).unwrap().retention, Some((GOVERNANCE.into(), DAY)));
        assert!(of(Asked { mode: Some(GOVERNANCE.into()), ..Asked::default() }).is_err());
        assert!(of(Asked { mode: Some(GOVERNANCE.into()), until: Some(at(0)), ..Asked::default() }).is_err());
        let hold = Some("ON".into());
        let own = of(Asked { mode: Some(COMPLIANCE.into()), until: Some(at(9)), hold, ..Asked::default() }).unwrap();
        assert_eq!((own.retention, own.hold), (Some((COMPLIANCE.into(), 9000)), Some(true)));
        assert!(Asked { hold: Some("ON".into()), ..Asked::default() }.lock(&Bucket::default(), at(0)).is_err());
    }

    #[test]
    fn events() {
        let bucket = Bucket { locked: true, ..Bucket::default() };
        let after = Span { days: Some(2), years: None };
        let asked = Asked { mode: Some(GOVERNANCE.into()), event: Some("ON".into()), after, ..Asked::default() };
        let mut lock = asked.lock(&bucket, at(0)).unwrap();
        assert_eq!((lock.guard(at(0)), &lock.retention), (Guard::Governance, &None));
        let shorter = EventHold { on: true, mode: GOVERNANCE.into(), after: Span { days: Some(1), years: None } };
        assert!(lock.hold_event(Some(shorter.clone()), false, false, at(0)).is_err());
        assert!(lock.clone().hold_event(Some(shorter), false, true, at(0)).is_ok());
        assert!(lock.clone().release(false, at(0)).is_err());
        assert!(lock.clone().release(true, at(0)).is_ok());
        lock.hold_event(None, true, false, at(0)).unwrap();
        assert_eq!(lock.retention, Some((GOVERNANCE.into(), 2 * DAY)));
        assert_eq!(lock.guard(Timestamp::from_millis(2 * DAY)), Guard::Free);
        for bad in [Span::default(), Span { days: Some(0), years: None }, Span { days: Some(1), years: Some(1) }] {
            assert!(Asked { after: bad, ..asked.clone() }.lock(&bucket, at(0)).is_err());
        }
        assert!(Asked { mode: None, ..asked.clone() }.lock(&bucket, at(0)).is_err());
        let default = DefaultRetention { mode: COMPLIANCE.into(), days: None, years: None, event: Some(after) };
        let bucket = Bucket { default_retention: Some(default), ..bucket };
        assert_eq!(Asked::default().lock(&bucket, at(0)).unwrap().guard(at(0)), Guard::Closed);
        assert_eq!(
            Asked { event: Some("OFF".into()), ..Asked::default() }.lock(&bucket, at(0)).unwrap(),
            Lock::default()
        );
    }
}
