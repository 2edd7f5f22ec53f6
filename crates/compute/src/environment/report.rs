//! The lines that Lambda itself writes into a function's log.

use std::time::Duration;

/// The measurements of one invocation.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    pub request_id: String,
    pub duration: Duration,
    pub memory_mb: u32,
    pub peak_mb: u32,
    /// Only for the first invocation of an environment.
    pub init: Option<Duration>,
    pub status: Status,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    Success,
    Timeout,
    /// The function failed with an error of this type.
    Error(String),
    /// The runtime ended, or could not start.
    Failure(String),
}

impl Report {
    /// Milliseconds that would be charged: initialising counts.
    pub fn billed_millis(&self) -> u64 {
        (self.duration + self.init.unwrap_or_default()).as_micros().div_ceil(1000) as u64
    }

    /// The `REPORT` line.
    pub fn line(&self) -> String {
        let Self { request_id, memory_mb, peak_mb, .. } = self;
        let mut line = format!(
            "REPORT RequestId: {request_id}\tDuration: {}\tBilled Duration: {} ms\tMemory Size: {memory_mb} MB\tMax Memory Used: {peak_mb} MB\t",
            millis(self.duration),
            self.billed_millis(),
        );
        if let Some(init) = self.init {
            line += &format!("Init Duration: {}\t", millis(init));
        }
        match &self.status {
            Status::Success => {}
            Status::Timeout => line += "Status: timeout",
            // A function's own error is no matter of this line.
            Status::Error(kind) if !kind.starts_with("Runtime.") => {}
            Status::Error(kind) | Status::Failure(kind) => line += &format!("Status: error\tError Type: {kind}"),
        }
        line
    }
}

pub fn millis(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_as_aws_writes_them() {
        let mut report = Report {
            request_id: "r".into(),
            duration: Duration::from_micros(1_234),
            memory_mb: 128,
            peak_mb: 40,
            init: None,
            status: Status::Success,
        };
        assert_eq!(
            report.line(),
            "REPORT RequestId: r\tDuration: 1.23 ms\tBilled Duration: 2 ms\tMemory Size: 128 MB\tMax Memory Used: 40 MB\t"
        );
        report.init = Some(Duration::from_millis(100));
        report.status = Status::Timeout;
        assert_eq!(report.billed_millis(), 102);
        assert!(report.line().ends_with("40 MB\tInit Duration: 100.00 ms\tStatus: timeout"));
    }
}
