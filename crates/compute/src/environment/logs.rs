//! What a function writes, as log lines.
//!
//! Standard output and error are one stream of bytes, cut at newlines. A bootstrap's own records arrive framed on another
//! pipe, so that a record may have several lines: magic, length, microseconds (all big-endian), text. What external extensions
//! write has a third pipe, on which a line that begins with NUL tells of an extension's end: status and name.
//!
//! Whatever is logged is also told to the environment's subscribers of telemetry.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::net::unix::pipe::Receiver;

use super::WallClock;
use super::platform::{Event, Level, LogFormat};
use crate::runtime_api::{Agents, Kind};
use crate::sandbox::Sandbox;
use crate::time::iso8601;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    pub timestamp_millis: i64,
    pub message: String,
}

/// A longer line is cut: the size of the largest event that CloudWatch Logs takes.
const LONGEST: usize = 256 * 1024;
/// What one invocation may log before the rest is dropped, so that a runaway function cannot use up the server's memory.
const MOST: usize = 32 << 20;
/// How often a pipe is read at a time: four times what a pipe can hold.
const READS: usize = 32;
const LARGEST_FRAME: usize = 16 << 20;
const MAGIC: u32 = 0xa55a_0003;

pub struct Logs {
    output: Option<Source>,
    records: Option<Source>,
    extensions: Option<Source>,
    partial: Vec<u8>,
    extension_partial: Vec<u8>,
    frames: Vec<u8>,
    lines: Vec<LogLine>,
    /// Bytes in `lines`.
    kept: usize,
    pub format: LogFormat,
    agents: Arc<Agents>,
    clock: WallClock,
}

impl Logs {
    pub fn new(sandbox: &mut Sandbox, agents: Arc<Agents>, clock: WallClock) -> io::Result<Self> {
        Ok(Self {
            output: sandbox.output.take().map(Source::new).transpose()?,
            records: sandbox.records.take().map(Source::new).transpose()?,
            extensions: sandbox.extensions.take().map(Source::new).transpose()?,
            ..Self::empty(agents, clock)
        })
    }

    fn empty(agents: Arc<Agents>, clock: WallClock) -> Self {
        Self {
            output: None,
            records: None,
            extensions: None,
            partial: Vec::new(),
            extension_partial: Vec::new(),
            frames: Vec::new(),
            lines: Vec::new(),
            kept: 0,
            format: LogFormat::Text,
            agents,
            clock,
        }
    }

    /// Whether external extensions were started.
    pub fn hears_extensions(&self) -> bool {
        self.extensions.is_some()
    }

    /// Adds a line of our own, after everything that the function has written so far.
    pub fn push(&mut self, message: impl Into<String>) {
        self.drain();
        let timestamp_millis = (self.clock)();
        self.lines.push(LogLine { timestamp_millis, message: message.into() });
    }

    /// Adds what is to be said of an event, after everything that the function has written so far.
    pub fn tell(&mut self, event: &Event<'_>) {
        self.drain();
        let timestamp_millis = (self.clock)();
        if let Some(message) = event.line(self.format, timestamp_millis) {
            self.lines.push(LogLine { timestamp_millis, message });
        }
        if self.agents.hub.is_active()
            && let Some(event) = event.json(timestamp_millis)
        {
            self.agents.hub.publish(Kind::Platform, event);
        }
    }

    pub fn take(&mut self) -> Vec<LogLine> {
        self.kept = 0;
        std::mem::take(&mut self.lines)
    }

    /// Waits for more to read, and reads it. Never returns when nothing more can come.
    pub async fn fill(&mut self) {
        tokio::select! {
            () = readable(self.output.as_ref()) => {}
            () = readable(self.records.as_ref()) => {}
            () = readable(self.extensions.as_ref()) => {}
        }
        self.drain();
    }

    /// Reads everything that has been written until now.
    pub fn drain(&mut self) {
        drain(&mut self.output, &mut self.partial);
        drain(&mut self.records, &mut self.frames);
        let now = (self.clock)();
        self.cut_frames(now);
        self.cut_lines(now);
        if self.agents.any() || self.extensions.is_some() {
            drain(&mut self.extensions, &mut self.extension_partial);
            self.hear_extensions(now);
        }
    }

    /// Ends an unfinished line, because its writer has gone.
    pub fn finish(&mut self) {
        self.drain();
        if !self.partial.is_empty() {
            self.partial.push(b'\n');
            self.cut_lines((self.clock)());
        }
    }

    /// What is to be said of extensions, and what they write themselves.
    fn hear_extensions(&mut self, now: i64) {
        for announced in self.agents.announced() {
            let event = json!({ "time": iso8601(now), "type": announced.kind, "record": announced.record });
            let message = match self.format {
                LogFormat::Text => Some(announced.line),
                LogFormat::Json { system, .. } => (system <= Level::Info).then(|| event.to_string()),
            };
            self.lines.extend(message.map(|message| LogLine { timestamp_millis: now, message }));
            self.agents.hub.publish(Kind::Platform, event);
        }
        let bytes = std::mem::take(&mut self.extension_partial);
        let mut rest = &bytes[..];
        while let Some(length) = newline(rest) {
            self.hear(&rest[..length], now);
            rest = &rest[length + 1..];
        }
        self.extension_partial = rest[rest.len().saturating_sub(LONGEST)..].to_vec();
    }

    fn hear(&mut self, line: &[u8], now: i64) {
        match line.split_first() {
            Some((0, end)) => {
                let end = String::from_utf8_lossy(end);
                let (status, name) = end.split_once(' ').unwrap_or_default();
                self.agents.ended(name, status);
            }
            _ => self.keep(line, now, Kind::Extension),
        }
    }

    fn cut_lines(&mut self, now: i64) {
        let bytes = std::mem::take(&mut self.partial);
        let mut rest = &bytes[..];
        while let Some(length) = newline(rest) {
            self.keep(&rest[..length], now, Kind::Function);
            rest = &rest[length + 1..];
        }
        if rest.len() > LONGEST {
            self.keep(rest, now, Kind::Function);
        } else {
            self.partial = rest.to_vec();
        }
    }

    fn cut_frames(&mut self, now: i64) {
        let mut bytes = std::mem::take(&mut self.frames);
        while let Some((head, rest)) = bytes.split_first_chunk::<16>() {
            let magic = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
            let length = u32::from_be_bytes([head[4], head[5], head[6], head[7]]) as usize;
            if magic != MAGIC || length > LARGEST_FRAME {
                // Somebody else wrote to the descriptor: treat it as output.
                self.partial.append(&mut bytes);
                return;
            }
            let Some(message) = rest.get(..length) else { break };
            self.keep(message, now, Kind::Function);
            bytes.drain(..16 + length);
        }
        self.frames = bytes;
    }

    fn keep(&mut self, line: &[u8], timestamp_millis: i64, kind: Kind) {
        if self.agents.hub.is_active() {
            self.tell_subscribers(line, timestamp_millis, kind);
        }
        if !self.format.keeps(line) {
            return;
        }
        let message = String::from_utf8_lossy(&line[..line.len().min(LONGEST)]).into_owned();
        let before = self.kept;
        self.kept += message.len();
        if self.kept <= MOST {
            self.lines.push(LogLine { timestamp_millis, message });
        } else if before <= MOST {
            let message = format!("[WELKIN] This invocation logged more than {MOST} bytes; the rest is not kept.");
            self.lines.push(LogLine { timestamp_millis, message });
        }
    }
}

impl Logs {
    /// Records of a function that logs JSON are told as such, others as text.
    fn tell_subscribers(&self, line: &[u8], now: i64, kind: Kind) {
        let text = || Value::from(String::from_utf8_lossy(&line[..line.len().min(LONGEST)]).into_owned());
        let record = match self.format {
            LogFormat::Json { .. } => serde_json::from_slice(line).ok().filter(Value::is_object).unwrap_or_else(text),
            LogFormat::Text => text(),
        };
        let name = if kind == Kind::Extension { "extension" } else { "function" };
        self.agents.hub.publish(kind, json!({ "time": iso8601(now), "type": name, "record": record }));
    }
}

fn newline(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| *byte == b'\n')
}

/// A pipe that can be waited for, and read at once without waiting for the event loop to notice.
struct Source {
    events: Receiver,
    bytes: File,
}

impl Source {
    fn new(events: Receiver) -> io::Result<Self> {
        Ok(Self { bytes: File::from(events.as_fd().try_clone_to_owned()?), events })
    }

    /// Reads until nothing is left, or so much that whoever writes could go on for ever; `false` at the end of the stream.
    fn drain(&mut self, into: &mut Vec<u8>) -> bool {
        let mut buffer = [0; 8192];
        for _ in 0..READS {
            let read = match self.bytes.read(&mut buffer) {
                // The event loop's own view is brought up to date too, or it would report old news.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.events.try_read(&mut buffer),
                other => other,
            };
            match read {
                Ok(0) => return false,
                Ok(count) => into.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            }
        }
        true
    }
}

async fn readable(source: Option<&Source>) {
    match source {
        Some(source) => {
            let _ = source.events.readable().await;
        }
        None => std::future::pending().await,
    }
}

fn drain(source: &mut Option<Source>, into: &mut Vec<u8>) {
    if source.as_mut().is_some_and(|open| !open.drain(into)) {
        *source = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn logs() -> (Logs, io::PipeWriter, io::PipeWriter) {
        let ((output, out), (records, rec)) = (io::pipe().unwrap(), io::pipe().unwrap());
        let receiver =
            |reader: io::PipeReader| Some(Source::new(Receiver::from_owned_fd(reader.into()).unwrap()).unwrap());
        let logs = Logs {
            output: receiver(output),
            records: receiver(records),
            ..Logs::empty(Arc::default(), Arc::new(|| 7))
        };
        (logs, out, rec)
    }

    fn frame(text: &str) -> Vec<u8> {
        let mut frame = MAGIC.to_be_bytes().to_vec();
        frame.extend((text.len() as u32).to_be_bytes());
        frame.extend([0; 8]);
        frame.extend(text.as_bytes());
        frame
    }

    fn messages(logs: &mut Logs) -> Vec<String> {
        logs.take().into_iter().map(|line| line.message).collect()
    }

    #[tokio::test]
    async fn lines_and_records_in_pieces() {
        let (mut logs, mut out, mut records) = logs();
        out.write_all(b"one\ntw").unwrap();
        let whole = frame("a\nb");
        records.write_all(&whole[..5]).unwrap();
        logs.drain();
        assert_eq!(messages(&mut logs), ["one"]);
        out.write_all(b"o\n").unwrap();
        records.write_all(&whole[5..]).unwrap();
        logs.drain();
        assert_eq!(messages(&mut logs), ["a\nb", "two"]);
    }

    proptest::proptest! {
        /// However the bytes arrive, the records are the same, and nothing else is lost or made up.
        #[test]
        fn records_survive_any_cut(texts in proptest::collection::vec(".{0,40}", 0..6), cuts in proptest::collection::vec(1usize..30, 0..20)) {
            let bytes: Vec<u8> = texts.iter().flat_map(|text| frame(text)).collect();
            let mut logs = Logs::empty(Arc::default(), Arc::new(|| 7));
            let mut rest = &bytes[..];
            for cut in cuts {
                let (now, later) = rest.split_at(cut.min(rest.len()));
                logs.frames.extend_from_slice(now);
                logs.cut_frames(0);
                rest = later;
            }
            logs.frames.extend_from_slice(rest);
            logs.cut_frames(0);
            proptest::prop_assert_eq!(messages(&mut logs), texts);
            proptest::prop_assert!(logs.frames.is_empty() && logs.partial.is_empty());
        }

        #[test]
        fn any_bytes_are_taken(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let mut logs = Logs { frames: bytes, ..Logs::empty(Arc::default(), Arc::new(|| 7)) };
            logs.finish();
        }
    }

    #[tokio::test]
    async fn garbage_on_the_record_pipe_is_output() {
        let (mut logs, out, mut records) = logs();
        records.write_all(b"not a frame at all").unwrap();
        drop((out, records));
        logs.finish();
        assert_eq!(messages(&mut logs), ["not a frame at all"]);
    }
}
