//! The execution log: what TestInvokeMethod returns, and what a stage writes to CloudWatch Logs.

use std::fmt::Write as _;
use wire::Timestamp;

/// Lines of one request. Collects nothing unless it is on.
#[derive(Debug, Default)]
pub struct Log {
    on: bool,
    /// Whether bodies are written too.
    data: bool,
    request_id: String,
    lines: Vec<(Timestamp, String)>,
    /// What the integration answered, as access logs tell of it.
    pub integration: Option<Integrated>,
}

/// An integration's answer in a few words.
#[derive(Debug, Clone, PartialEq)]
pub struct Integrated {
    pub status: u16,
    pub latency: i64,
    pub request_id: Option<String>,
}

impl Log {
    pub fn new(on: bool, data: bool, request_id: &str) -> Self {
        Self { on, data, request_id: request_id.to_owned(), lines: Vec::new(), integration: None }
    }

    pub fn is_on(&self) -> bool {
        self.on
    }

    /// Adds a line; `text` runs only when the log is on.
    pub fn line(&mut self, now: Timestamp, text: impl FnOnce() -> String) {
        if self.on {
            self.lines.push((now, shortened(text())));
        }
    }

    /// Adds a line that shows a body.
    pub fn data(&mut self, now: Timestamp, text: impl FnOnce() -> String) {
        if self.data {
            self.line(now, text);
        }
    }

    /// As TestInvokeMethod shows it.
    pub fn text(&self) -> String {
        let mut out = format!("Execution log for request {}\n", self.request_id);
        for (time, line) in &self.lines {
            let time = time.datetime().strftime("%a %b %d %H:%M:%S UTC %Y");
            let _ = writeln!(out, "{time} : {line}");
        }
        out
    }

    /// As a stage's log group shows it: each line with its time and the request's id before it.
    pub fn events(&self) -> impl Iterator<Item = (Timestamp, String)> {
        self.lines.iter().map(|(time, line)| (*time, format!("({}) {line}", self.request_id)))
    }
}

/// The longest line, in bytes. What is longer is cut, and says so.
const LONGEST_LINE: usize = 1024;
const CUT: &str = " [TRUNCATED]";

fn shortened(mut line: String) -> String {
    if line.len() > LONGEST_LINE {
        let end = (0..=LONGEST_LINE - CUT.len()).rev().find(|at| line.is_char_boundary(*at));
        line.truncate(end.unwrap_or_default());
        line.push_str(CUT);
    }
    line
}

/// Pairs as Java prints a map: `{a=1, b=2}`.
pub fn pairs<'a>(pairs: impl IntoIterator<Item = (&'a String, &'a String)>) -> String {
    let pairs: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{{{}}}", pairs.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_cut() {
        assert_eq!(shortened("x".repeat(1024)).len(), 1024);
        let cut = shortened("é".repeat(600));
        assert!(cut.ends_with("é [TRUNCATED]") && cut.len() <= 1024);
    }

    #[test]
    fn lines_carry_their_time() {
        let mut log = Log::new(true, false, "r-1");
        log.line(Timestamp::from_secs(1_000_000_000), || "Starting".to_owned());
        assert_eq!(log.text(), "Execution log for request r-1\nSun Sep 09 01:46:40 UTC 2001 : Starting\n");
        assert_eq!(log.events().next().map(|(_, line)| line).as_deref(), Some("(r-1) Starting"));
        log.data(Timestamp::from_secs(1), || unreachable!());
        let mut off = Log::new(false, true, "r-2");
        off.line(Timestamp::default(), || unreachable!());
        assert_eq!(off.events().count(), 0);
    }
}
