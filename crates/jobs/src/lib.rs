//! Durable work on the cloud's clock.
//!
//! A job is a record written in the *caller's* transaction, so accepting and scheduling are one commit. A [`Queue`] holds
//! the jobs of one kind: what to do with them ([`Handler`]), how many at once and when again ([`Policy`]). One task of the
//! queue waits for the earliest job; a due job runs in a task of its own and is removed, or put back for later, when it
//! has ended.
//!
//! Invariants: the records are all there is to know, so a job that a kill or a panic interrupted is run again (at least
//! once, never before its time); no job runs twice at the same time; a job that was cancelled or scheduled anew while it
//! ran is not touched by the end of that run. `Cloud::reset` clears jobs with everything else.

mod policy;
mod queue;
mod record;
#[cfg(test)]
mod tests;

pub use policy::Policy;
pub use queue::{Handler, Outcome, Queue};
pub use record::Job;
