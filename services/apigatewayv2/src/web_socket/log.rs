//! The execution log of a WebSocket API: what happened to each of its events, in `/aws/apigateway/{api}/{stage}`. It is
//! written as the role in the account's settings.

use super::{
    event::{Kind, Of},
    route::{Outcome, Refusal},
};
use crate::request::Request;
use apigatewayv2_api::{LoggingLevel, RouteSettings};
use execute_api::logs::{put, writer};
use logs_api::InputLogEvent;
use service::Context;

/// The lines of one event. Collects nothing unless the route is logged.
pub struct Log {
    level: Option<LoggingLevel>,
    /// Whether bodies are written too.
    data: bool,
    lines: Vec<(i64, String)>,
}

impl Log {
    pub fn new(settings: Option<&RouteSettings>) -> Self {
        let level = settings.and_then(|settings| settings.logging_level.clone());
        let level = level.filter(|level| matches!(level, LoggingLevel::Error | LoggingLevel::Info));
        let data = settings.is_some_and(|settings| settings.data_trace_enabled == Some(true));
        Self { level, data, lines: Vec::new() }
    }

    fn line(&mut self, now: i64, text: impl FnOnce() -> String) {
        if self.level.is_some() {
            self.lines.push((now, text()));
        }
    }

    /// What an event's log begins with.
    pub fn begin(&mut self, request: &Request, of: &Of, kind: &Kind) {
        let now = request.time.millis();
        let Request { api, stage, route_key, request_id, .. } = request;
        self.line(now, || format!("Extended Request Id: {request_id}"));
        if *kind == Kind::Connect {
            self.line(now, || {
                format!("Verifying Usage Plan for request: {request_id}. API Key:  API Stage: {api}/{stage}")
            });
        }
        self.line(now, || format!("Starting execution for request: {request_id}"));
        self.line(now, || format!("WebSocket Request Route: [{route_key}]"));
        let agent = request.header("user-agent").unwrap_or_else(|| "null".to_owned());
        self.line(now, || match kind {
            Kind::Connect => {
                let ip = &request.source_ip;
                format!("Client [UserAgent: {agent}, SourceIp: {ip}] is connecting to WebSocket API [{api}].")
            }
            Kind::Message { .. } => {
                format!("Client [Connection Id: {}] sent message to API [{api}] in the route [{route_key}].", of.id)
            }
            Kind::Disconnect { code, reason } => format!(
                "Client [Connection Id: {}] disconnected from API [{api}] with status code [{code}], and message [{reason}].",
                of.id
            ),
        });
        if self.data {
            self.line(now, || format!("WebSocket Request Body: {}", String::from_utf8_lossy(&request.body)));
        }
    }

    /// How the event ended.
    pub fn end(&mut self, now: i64, spent: i64, of: &Of, kind: &Kind, result: &Result<Outcome, Refusal>) {
        match result {
            Ok(outcome) => {
                let status = outcome.status;
                self.line(now, || format!("Received response. Status: {status}, Integration latency: {spent} ms"));
                if self.data {
                    self.line(now, || {
                        let body = String::from_utf8_lossy(&outcome.body);
                        format!("Endpoint response body before transformations: {body}")
                    });
                }
                if *kind == Kind::Connect && (200..300).contains(&status) {
                    self.line(now, || format!("Client [Connection Id: {}] connected successfully.", of.id));
                }
                self.line(now, || "Successfully completed execution".to_owned());
            }
            Err(refusal) => self.line(now, || format!("Execution failed due to an error: {}", refusal.reason)),
        }
    }

    /// Writes the log, without making anyone wait. Errors alone are written where no more is wanted.
    pub fn write(self, cx: &Context, request: &Request, failed: bool) {
        if self.lines.is_empty() || (self.level == Some(LoggingLevel::Error) && !failed) {
            return;
        }
        let group = format!("/aws/apigateway/{}/{}", request.api, request.stage);
        let stream = request.time.datetime().strftime("%Y/%m/%d/").to_string() + &request.stage;
        let event = |(timestamp, line): (i64, String)| InputLogEvent {
            timestamp,
            message: format!("({}) {line}", request.request_id),
        };
        let events: Vec<InputLogEvent> = self.lines.into_iter().map(event).collect();
        let cx = cx.clone();
        tokio::spawn(async move {
            let Ok(Some(writer)) = writer(&cx) else { return };
            if let Err(error) = put(&cx, &writer, &group, &stream, events).await {
                tracing::warn!(code = error.code, message = error.message, group, "a log was not written");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_wanted_is_collected() {
        let settings = |level, data| RouteSettings {
            logging_level: Some(level),
            data_trace_enabled: Some(data),
            ..RouteSettings::default()
        };
        let lines = |settings: Option<&RouteSettings>| {
            let mut log = Log::new(settings);
            log.begin(&Request { body: "secret".into(), ..Request::default() }, &Of::default(), &Kind::Connect);
            log.lines.into_iter().map(|(_, line)| line).collect::<Vec<_>>()
        };
        assert!(lines(None).is_empty());
        assert!(lines(Some(&settings(LoggingLevel::Off, true))).is_empty());
        assert!(!lines(Some(&settings(LoggingLevel::Info, false))).concat().contains("secret"));
        assert!(lines(Some(&settings(LoggingLevel::Info, true))).concat().contains("secret"));
    }
}
