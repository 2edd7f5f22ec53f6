//! What Lambda itself says of an environment: lines of text, or JSON records above the level that the function asked for.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html> describes the records,
//! <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html> their levels.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::FunctionSpec;
use super::report::{Report, Status, millis};

/// How important a message is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Trace,
    Debug,
    #[default]
    Info,
    Warn,
    Error,
    Fatal,
}

impl Level {
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_uppercase().as_str() {
            "TRACE" => Self::Trace,
            "DEBUG" => Self::Debug,
            "INFO" => Self::Info,
            "WARN" | "WARNING" => Self::Warn,
            "ERROR" => Self::Error,
            "FATAL" | "CRITICAL" => Self::Fatal,
            _ => return None,
        })
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
        }
    }
}

/// How a function's log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    #[default]
    Text,
    Json {
        application: Level,
        system: Level,
    },
}

impl LogFormat {
    /// Whether a line that the function wrote is kept: JSON objects say their level, and count as `INFO` where they do not.
    pub fn keeps(self, line: &[u8]) -> bool {
        let Self::Json { application, .. } = self else { return true };
        if !line.starts_with(b"{") {
            return true;
        }
        let Ok(Value::Object(record)) = serde_json::from_slice(line) else { return true };
        let level = record.get("level").and_then(Value::as_str).and_then(Level::parse).unwrap_or_default();
        level >= application
    }
}

/// Something that happened to an environment.
pub enum Event<'a> {
    InitStart(&'a FunctionSpec),
    InitRuntimeDone { function: &'a FunctionSpec, status: &'a Status },
    InitReport { function: &'a FunctionSpec, status: &'a Status, duration: Duration },
    Start { request_id: &'a str, version: &'a str },
    RuntimeDone { request_id: &'a str, status: &'a Status, duration: Duration, produced: usize },
    End { request_id: &'a str },
    Report(&'a Report),
}

impl Event<'_> {
    /// The line of a log, if there is one in this format.
    pub fn line(&self, format: LogFormat, now: i64) -> Option<String> {
        match format {
            LogFormat::Text => self.text(),
            LogFormat::Json { system, .. } if self.level() >= system => self.json(now).map(|record| record.to_string()),
            LogFormat::Json { .. } => None,
        }
    }

    fn text(&self) -> Option<String> {
        Some(match self {
            Event::InitStart(function) => {
                let (version, arn) = runtime_version(function);
                format!("INIT_START Runtime Version: {version}\tRuntime Version ARN: {arn}")
            }
            Event::InitReport { status, duration, .. } => {
                let status = match status {
                    Status::Success => return None,
                    Status::Timeout => "timeout".to_owned(),
                    Status::Error(kind) | Status::Failure(kind) => format!("error\tError Type: {kind}"),
                };
                format!("INIT_REPORT Init Duration: {}\tPhase: init\tStatus: {status}", millis(*duration))
            }
            Event::Start { request_id, version } => format!("START RequestId: {request_id} Version: {version}"),
            Event::End { request_id } => format!("END RequestId: {request_id}"),
            Event::Report(report) => report.line(),
            Event::InitRuntimeDone { .. } | Event::RuntimeDone { .. } => return None,
        })
    }

    fn level(&self) -> Level {
        let or_warn = |status: &Status, level| if *status == Status::Success { level } else { Level::Warn };
        match self {
            Event::InitStart(_) | Event::Start { .. } | Event::End { .. } => Level::Info,
            Event::InitRuntimeDone { status, .. } | Event::RuntimeDone { status, .. } => or_warn(status, Level::Debug),
            Event::InitReport { function, status, .. } => {
                or_warn(status, if function.provisioned { Level::Info } else { Level::Debug })
            }
            Event::Report(report) => or_warn(&report.status, Level::Info),
        }
    }

    /// `{"time": …, "type": "platform.…", "record": …}`
    pub fn json(&self, now: i64) -> Option<Value> {
        let kind = match self {
            Event::InitStart(_) => "platform.initStart",
            Event::InitRuntimeDone { .. } => "platform.initRuntimeDone",
            Event::InitReport { .. } => "platform.initReport",
            Event::Start { .. } => "platform.start",
            Event::RuntimeDone { .. } => "platform.runtimeDone",
            Event::Report(_) => "platform.report",
            Event::End { .. } => return None,
        };
        Some(json!({ "time": crate::time::iso8601(now), "type": kind, "record": self.record() }))
    }

    fn record(&self) -> Value {
        let initialisation = |function: &FunctionSpec| {
            if function.provisioned { "provisioned-concurrency" } else { "on-demand" }
        };
        match self {
            Event::InitStart(function) => {
                let (version, arn) = runtime_version(function);
                json!({
                    "initializationType": initialisation(function),
                    "phase": "init",
                    "runtimeVersion": version,
                    "runtimeVersionArn": arn,
                    "functionName": function.name,
                    "functionVersion": function.version,
                    "instanceMaxMemory": u64::from(function.memory_mb) << 20,
                })
            }
            Event::InitRuntimeDone { function, status } => {
                let record = json!({ "initializationType": initialisation(function), "phase": "init" });
                with_status(record, status)
            }
            Event::InitReport { function, status, duration } => {
                let record = json!({
                    "initializationType": initialisation(function),
                    "phase": "init",
                    "metrics": { "durationMs": number(*duration) },
                });
                with_status(record, status)
            }
            Event::Start { request_id, version } => json!({ "requestId": request_id, "version": version }),
            Event::End { .. } => Value::Null,
            Event::RuntimeDone { request_id, status, duration, produced } => {
                let metrics = json!({ "durationMs": number(*duration), "producedBytes": produced });
                with_status(json!({ "requestId": request_id, "metrics": metrics }), status)
            }
            Event::Report(report) => {
                let mut metrics = Map::new();
                metrics.insert("durationMs".into(), number(report.duration).into());
                metrics.insert("billedDurationMs".into(), report.billed_millis().into());
                metrics.insert("memorySizeMB".into(), report.memory_mb.into());
                metrics.insert("maxMemoryUsedMB".into(), report.peak_mb.into());
                if let Some(init) = report.init {
                    metrics.insert("initDurationMs".into(), number(init).into());
                }
                with_status(json!({ "requestId": report.request_id, "metrics": metrics }), &report.status)
            }
        }
    }
}

fn with_status(mut record: Value, status: &Status) -> Value {
    let (status, kind) = match status {
        Status::Success => ("success", None),
        Status::Timeout => ("timeout", None),
        Status::Error(kind) => ("error", Some(kind)),
        Status::Failure(kind) => ("failure", Some(kind)),
    };
    record["status"] = status.into();
    if let Some(kind) = kind {
        record["errorType"] = kind.as_str().into();
    }
    record
}

/// Milliseconds with three decimals.
fn number(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1000.0
}

/// `nodejs:20.v0`, and its ARN.
fn runtime_version(function: &FunctionSpec) -> (String, String) {
    let FunctionSpec { runtime, region, .. } = function;
    let (family, version) =
        runtime.split_at(runtime.find(|letter: char| letter.is_ascii_digit()).unwrap_or(runtime.len()));
    let version = version.trim_end_matches(".x");
    (format!("{family}:{version}.v0"), format!("arn:aws:lambda:{region}::runtime:{runtime}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: LogFormat = LogFormat::Json { application: Level::Warn, system: Level::Info };

    #[test]
    fn levels_choose_lines() {
        assert!(LogFormat::Text.keeps(b"{\"level\":\"DEBUG\"}"));
        assert!(!JSON.keeps(b"{\"level\":\"INFO\"}") && !JSON.keeps(b"{\"x\":1}"));
        assert!(JSON.keeps(b"{\"level\":\"error\"}") && JSON.keeps(b"text") && JSON.keeps(b"{broken"));
        let done = |status| Event::RuntimeDone { request_id: "r", status, duration: Duration::ZERO, produced: 1 };
        assert_eq!(done(&Status::Success).line(JSON, 0), None);
        let failed = done(&Status::Failure("Runtime.ExitError".into())).line(JSON, 0);
        assert_eq!(
            failed.unwrap(),
            r#"{"time":"1970-01-01T00:00:00.000Z","type":"platform.runtimeDone","record":{"requestId":"r","metrics":{"durationMs":0.0,"producedBytes":1},"status":"failure","errorType":"Runtime.ExitError"}}"#
        );
    }

    #[test]
    fn both_formats_of_a_start() {
        let start = Event::Start { request_id: "r", version: "1" };
        assert_eq!(start.line(LogFormat::Text, 0).unwrap(), "START RequestId: r Version: 1");
        let record: Value = serde_json::from_str(&start.line(JSON, 1).unwrap()).unwrap();
        let expected = json!({ "time": "1970-01-01T00:00:00.001Z", "type": "platform.start", "record": { "requestId": "r", "version": "1" } });
        assert_eq!(record, expected);
    }
}
