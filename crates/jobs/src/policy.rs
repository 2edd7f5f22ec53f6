//! How many jobs of a kind run at once, and when one is tried again. Pure functions.

use service::Timestamp;

use crate::{Job, Outcome};

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// How many run at once.
    pub concurrency: usize,
    /// Milliseconds before the first retry, the second, and so on. A job that fails once more is given up.
    pub delays: &'static [i64],
    /// A job is given up when its next try would be later than this many milliseconds after it was first due.
    pub maximum_age: i64,
}

/// What becomes of a job after a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Done,
    GiveUp,
    Retry { due: Timestamp, attempts: u32 },
}

impl Policy {
    /// A postponed job waits as long as after its last failure, or its first.
    pub(crate) fn after(&self, job: &Job, outcome: Outcome, now: Timestamp) -> Next {
        let attempts = job.attempts + u32::from(outcome == Outcome::Failed);
        let delay = usize::try_from(attempts.max(1) - 1).ok().and_then(|retry| self.delays.get(retry));
        match (outcome, delay) {
            (Outcome::Done, _) => Next::Done,
            (_, Some(delay)) if now.millis() + delay - job.first_due.millis() <= self.maximum_age => {
                Next::Retry { due: now.plus_millis(*delay), attempts }
            }
            _ => Next::GiveUp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy { concurrency: 1, delays: &[60_000, 120_000], maximum_age: 1_000_000 };

    fn after(attempts: u32, outcome: Outcome, now: i64) -> Next {
        let job = Job { attempts, first_due: Timestamp::from_millis(0), ..Job::default() };
        POLICY.after(&job, outcome, Timestamp::from_millis(now))
    }

    fn retry(due: i64, attempts: u32) -> Next {
        Next::Retry { due: Timestamp::from_millis(due), attempts }
    }

    #[test]
    fn a_failure_is_tried_again_after_each_delay() {
        assert_eq!(after(0, Outcome::Done, 0), Next::Done);
        assert_eq!(after(0, Outcome::Failed, 0), retry(60_000, 1));
        assert_eq!(after(1, Outcome::Failed, 60_000), retry(180_000, 2));
        assert_eq!(after(2, Outcome::Failed, 180_000), Next::GiveUp);
    }

    #[test]
    fn what_was_postponed_is_tried_until_it_is_too_old() {
        assert_eq!(after(0, Outcome::Postponed, 0), retry(60_000, 0));
        assert_eq!(after(2, Outcome::Postponed, 0), retry(120_000, 2));
        assert_eq!(after(0, Outcome::Postponed, 940_000), retry(1_000_000, 0));
        assert_eq!(after(0, Outcome::Postponed, 940_001), Next::GiveUp);
        assert_eq!(after(0, Outcome::Failed, 940_001), Next::GiveUp);
    }
}
