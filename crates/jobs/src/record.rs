//! How jobs lie in the store.
//!
//! ```text
//! jobs/job   kind id          the job
//! jobs/due   kind due number  its id: the order in which jobs run
//! jobs/next  kind             the next number
//! ```
//!
//! A job has a new number whenever it is scheduled, which tells a run whether it still is the job it began with.

use bytes::Bytes;
use service::{Key, Range, StoreError, Timestamp};

/// Something to be done at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Job {
    /// Unique among the jobs of its kind.
    pub id: String,
    pub due: Timestamp,
    /// When it was due before any retry.
    pub first_due: Timestamp,
    /// How many times it has failed.
    pub attempts: u32,
    /// What the handler needs to know.
    pub payload: Bytes,
    pub(crate) number: u64,
}

/// The numbers before the payload.
const HEAD: usize = 28;

impl Job {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut record = Vec::with_capacity(HEAD + self.payload.len());
        record.extend_from_slice(&self.due.millis().to_be_bytes());
        record.extend_from_slice(&self.first_due.millis().to_be_bytes());
        record.extend_from_slice(&self.number.to_be_bytes());
        record.extend_from_slice(&self.attempts.to_be_bytes());
        record.extend_from_slice(&self.payload);
        record
    }

    pub(crate) fn decode(id: &str, record: &Bytes) -> Result<Job, StoreError> {
        let read = || {
            let number = |at: usize| record.get(at..at + 8)?.try_into().ok().map(u64::from_be_bytes);
            let millis = |at: usize| number(at).map(|bits| Timestamp::from_millis(bits.cast_signed()));
            let attempts = record.get(24..HEAD)?.try_into().ok().map(u32::from_be_bytes)?;
            Some(Job {
                id: id.to_owned(),
                due: millis(0)?,
                first_due: millis(8)?,
                attempts,
                payload: record.slice(HEAD..),
                number: number(16)?,
            })
        };
        read().ok_or_else(|| StoreError::Corrupt(format!("the job {id} cannot be read")))
    }
}

pub(crate) fn job_key(kind: &str, id: &str) -> Key {
    Key::new("jobs/job").text(kind).text(id)
}

pub(crate) fn due_key(kind: &str, job: &Job) -> Key {
    let due = u64::try_from(job.due.millis()).unwrap_or(0);
    Key::new("jobs/due").text(kind).number(due).number(job.number)
}

pub(crate) fn all_due(kind: &str) -> Range {
    Range::prefix(Key::new("jobs/due").text(kind))
}

pub(crate) fn next_key(kind: &str) -> Key {
    Key::new("jobs/next").text(kind)
}

pub(crate) fn number(record: &[u8]) -> Result<u64, StoreError> {
    let bytes = record.try_into().map_err(|_| StoreError::Corrupt("a job's number cannot be read".to_owned()))?;
    Ok(u64::from_be_bytes(bytes))
}

pub(crate) fn text(record: &[u8]) -> Result<&str, StoreError> {
    std::str::from_utf8(record).map_err(|error| StoreError::Corrupt(error.to_string()))
}
