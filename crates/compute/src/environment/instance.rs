//! One execution environment: initialised once, then invoked one invocation at a time.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::launch::{self, mebibytes};
use super::platform::{Event, LogFormat};
use super::pool::Place;
use super::process::{Ended, Process};
use super::report::{Report, Status};
use super::{FunctionSpec, Invocation, LogLine, Outcome, WallClock};
use crate::runtime_api::{About, Fault, Next, Phase, Reply, error_payload};
use crate::sandbox::Exit;

/// How long initialising may take before it counts against the function's own timeout.
const INIT_LIMIT: Duration = Duration::from_secs(10);

pub struct Instance {
    process: Process,
    pub log_stream: String,
    pub started: Instant,
    pub idle_since: Instant,
    /// How long it took to initialise, until an invocation has reported it.
    init: Option<Duration>,
    failure: Option<Failure>,
    stopped: bool,
    clock: WallClock,
    _place: Place,
}

/// The outcome for a function whose own program cannot be executed, or is not there.
pub fn unstartable(
    function: &FunctionSpec,
    invocation: &Invocation,
    log_stream: String,
    why: &str,
    now: i64,
) -> Outcome {
    let id = &invocation.request_id;
    let message = format!("RequestId: {id} Error: {why}");
    let report = Report {
        request_id: id.clone(),
        duration: Duration::ZERO,
        memory_mb: function.memory_mb,
        peak_mb: 0,
        init: None,
        status: Status::Failure(INVALID_ENTRYPOINT.into()),
    };
    let error = (function.log_format == LogFormat::Text).then(|| format!("{message}\n{INVALID_ENTRYPOINT}"));
    let line = |event: Event<'_>| event.line(function.log_format, now);
    let lines = [
        line(Event::Start { request_id: id, version: &function.version }),
        error,
        line(Event::End { request_id: id }),
        line(Event::Report(&report)),
    ];
    let logs = lines.into_iter().flatten().map(|message| LogLine { timestamp_millis: now, message }).collect();
    let payload = error_payload(INVALID_ENTRYPOINT, &message);
    Outcome { payload, function_error: Some("Unhandled"), logs, log_stream, report }
}

/// What callers are told when a function could not answer.
struct Failure {
    kind: String,
    payload: Option<Bytes>,
    message: String,
    status: Status,
}

/// What became of an invocation.
pub enum Invoked {
    /// With the environment, if it can be used again.
    Answered(Outcome, Option<Box<Instance>>),
    /// The runtime had ended before it saw the invocation.
    Stale,
}

impl Instance {
    /// Waits for the runtime to initialise the function. A failure is kept for the first invocation to report.
    pub async fn initialise(
        mut process: Process,
        function: &FunctionSpec,
        log_stream: String,
        clock: WallClock,
        place: Place,
        begun: Instant,
    ) -> Box<Self> {
        process.logs.format = function.log_format;
        let agents = process.api.agents().clone();
        agents.introduce(About {
            name: function.name.clone(),
            version: function.version.clone(),
            handler: function.handler.clone(),
            account: function.arn.split(':').nth(4).unwrap_or_default().to_owned(),
            // Without a native sandbox there are none.
            external: if process.logs.hears_extensions() { launch::extensions(function) } else { Vec::new() },
        });
        process.logs.tell(&Event::InitStart(function));
        let phases = process.api.phases();
        let initialised = async {
            let all = async {
                let phase = phases.reached(|phase| matches!(phase, Phase::Ready | Phase::Failed { .. })).await;
                if phase == Phase::Ready {
                    agents.initialised().await?;
                }
                Ok(phase)
            };
            tokio::select! { phase = all => phase, fault = agents.failed() => Err(fault) }
        };
        let deadline = begun + INIT_LIMIT + function.timeout;
        let ended = process.supervise(initialised, mebibytes(function.memory_mb), deadline).await;
        let init = begun.elapsed();
        let failure = match ended {
            Ended::Done(Err(fault)) => Some(Failure::extension(fault)),
            Ended::Done(Ok(Phase::Failed { kind, payload })) => Some(Failure {
                payload: Some(payload),
                message: String::new(),
                status: Status::Error(kind.clone()),
                kind,
            }),
            Ended::Done(Ok(_)) => None,
            Ended::Exited(exit) => Some(Failure::exit(exit)),
            Ended::TimedOut => Some(Failure::timeout(function.timeout)),
            Ended::OutOfMemory => Some(Failure::out_of_memory()),
        };
        let status = failure.as_ref().map_or(&Status::Success, |failure| &failure.status);
        process.logs.tell(&Event::InitRuntimeDone { function, status });
        process.logs.tell(&Event::InitReport { function, status, duration: init });
        let now = Instant::now();
        Box::new(Self {
            process,
            log_stream,
            started: begun,
            idle_since: now,
            init: Some(init),
            failure,
            stopped: false,
            clock,
            _place: place,
        })
    }

    pub fn has_ended(&self) -> bool {
        self.process.sandbox.has_exited()
    }

    /// Nobody waited while it was initialised, so no invocation reports it.
    pub fn forget_init(&mut self) {
        self.init = None;
    }

    /// Lets nothing run in the environment until its next invocation.
    pub fn stop(&mut self) {
        if !std::mem::replace(&mut self.stopped, true) {
            self.process.sandbox.stop();
        }
    }

    pub async fn invoke(mut self: Box<Self>, function: &FunctionSpec, invocation: &Invocation) -> Invoked {
        if std::mem::take(&mut self.stopped) {
            self.process.sandbox.resume();
        }
        let id = &invocation.request_id;
        self.process.logs.tell(&Event::Start { request_id: id, version: &function.version });
        let begun = Instant::now();
        let ended = match self.failure.take() {
            Some(failure) => Err(failure),
            None => self.run(function, invocation, begun).await,
        };
        let duration = begun.elapsed().min(function.timeout);
        let exited = ended.as_ref().is_err_and(|failure| failure.kind == EXITED);
        if exited && self.init.is_none() && !self.process.api.taken() {
            return Invoked::Stale;
        }
        let (payload, function_error, status, mut reusable) = match ended {
            Ok(Reply::Streamed) => (Bytes::new(), None, Status::Success, true),
            Ok(Reply::Response(payload)) => (payload, None, Status::Success, true),
            Ok(Reply::Error { kind, payload }) => (payload, Some("Unhandled"), Status::Error(kind), true),
            Err(failure) => {
                let payload = self.conclude(id, &failure);
                (payload, Some("Unhandled"), failure.status, false)
            }
        };
        let produced = payload.len();
        self.process.logs.tell(&Event::RuntimeDone { request_id: id, status: &status, duration, produced });
        if reusable && self.process.api.agents().any() {
            reusable = self.rest(function, begun).await;
        }
        let report = self.report(function, id, duration, status);
        self.process.logs.tell(&Event::End { request_id: id });
        self.process.logs.tell(&Event::Report(&report));
        let outcome = Outcome {
            payload,
            function_error,
            logs: self.process.logs.take(),
            log_stream: self.log_stream.clone(),
            report,
        };
        self.idle_since = Instant::now();
        if !reusable {
            self.end("failure");
            return Invoked::Answered(outcome, None);
        }
        Invoked::Answered(outcome, Some(self))
    }

    /// Waits until the extensions have dealt with the invocation too; says whether they did in time.
    async fn rest(&mut self, function: &FunctionSpec, begun: Instant) -> bool {
        let agents = self.process.api.agents().clone();
        let deadline = begun + function.timeout;
        let rested = self.process.supervise(agents.rested(), mebibytes(function.memory_mb), deadline).await;
        matches!(rested, Ended::Done(Ok(())))
    }

    /// Ends the environment; extensions that want to know of it get two seconds.
    pub fn end(mut self: Box<Self>, reason: &'static str) {
        let agents = self.process.api.agents().clone();
        if !agents.wants_shutdown() || self.has_ended() {
            return;
        }
        tokio::spawn(async move {
            if std::mem::take(&mut self.stopped) {
                self.process.sandbox.resume();
            }
            agents.shut_down(reason, (self.clock)() + SHUTDOWN.as_millis() as i64);
            self.process.supervise(agents.gone(), u64::MAX, Instant::now() + SHUTDOWN).await;
            agents.hub.finish(FLUSH).await;
        });
    }

    async fn run(
        &mut self,
        function: &FunctionSpec,
        invocation: &Invocation,
        begun: Instant,
    ) -> Result<Reply, Failure> {
        let next = Next {
            request_id: invocation.request_id.clone(),
            payload: invocation.payload.clone(),
            deadline_millis: (self.clock)() + function.timeout.as_millis() as i64,
            function_arn: invocation.invoked_arn.clone(),
            trace_id: invocation.trace_id.clone(),
            client_context: invocation.client_context.clone(),
            cognito_identity: invocation.cognito_identity.clone(),
            tenant: invocation.tenant.clone(),
            sink: invocation.sink.clone(),
        };
        let agents = self.process.api.agents();
        if agents.any() {
            agents.invoke(&invoke_event(&next));
        }
        let mut reply = self.process.api.invoke(next).await;
        let answered = answer(&mut reply);
        match self.process.supervise(answered, mebibytes(function.memory_mb), begun + function.timeout).await {
            Ended::Done(reply) => Ok(reply),
            Ended::TimedOut => Err(Failure::timeout(function.timeout)),
            Ended::OutOfMemory => Err(Failure::out_of_memory()),
            // A runtime may report an error and end at once.
            Ended::Exited(exit) => reply.try_recv().map_err(|_| Failure::exit(exit)),
        }
    }

    /// Logs why there is no answer, and says it to the caller.
    fn conclude(&mut self, id: &str, failure: &Failure) -> Bytes {
        if let Some(payload) = &failure.payload {
            return payload.clone();
        }
        let Failure { kind, message, .. } = failure;
        let (said, logged) = match failure.status {
            Status::Timeout => {
                let time = crate::time::iso8601((self.clock)());
                (format!("RequestId: {id} Error: {message}"), format!("{time} {id} {message}\n"))
            }
            _ => {
                let message = format!("RequestId: {id} Error: {message}");
                (message.clone(), format!("{message}\n{kind}"))
            }
        };
        // In JSON the records of the end of the runtime say it.
        if self.process.logs.format == LogFormat::Text {
            self.process.logs.push(logged);
        }
        error_payload(kind, &said)
    }

    fn report(&mut self, function: &FunctionSpec, id: &str, duration: Duration, status: Status) -> Report {
        let peak = self.process.peak.div_ceil(1 << 20) as u32;
        let peak_mb = if status == Status::Failure(OUT_OF_MEMORY.into()) { function.memory_mb } else { peak };
        Report {
            request_id: id.to_owned(),
            duration,
            memory_mb: function.memory_mb,
            peak_mb: peak_mb.min(function.memory_mb),
            init: self.init.take(),
            status,
        }
    }
}

/// What extensions are told of an invocation.
fn invoke_event(next: &Next) -> serde_json::Value {
    serde_json::json!({
        "eventType": "INVOKE",
        "deadlineMs": next.deadline_millis,
        "requestId": next.request_id,
        "invokedFunctionArn": next.function_arn,
        "tracing": { "type": "X-Amzn-Trace-Id", "value": next.trace_id },
    })
}

/// How long extensions have to end.
const SHUTDOWN: Duration = Duration::from_secs(2);
/// How long the last telemetry may take to arrive.
const FLUSH: Duration = Duration::from_millis(300);

const INVALID_ENTRYPOINT: &str = "Runtime.InvalidEntrypoint";
const EXITED: &str = "Runtime.ExitError";
const OUT_OF_MEMORY: &str = "Runtime.OutOfMemory";

impl Failure {
    fn new(kind: &str, message: String, status: Status) -> Self {
        Self { kind: kind.into(), payload: None, message, status }
    }

    fn error(kind: &str, message: String) -> Self {
        Self::new(kind, message, Status::Failure(kind.into()))
    }

    fn exit(exit: Exit) -> Self {
        let message = match exit {
            Exit::Status(0) => "Runtime exited without providing a reason".to_owned(),
            Exit::Status(status) => format!("Runtime exited with error: exit status {status}"),
            Exit::Signal(signal) => format!("Runtime exited with error: signal: {}", signal_name(signal)),
        };
        Self::error(EXITED, message)
    }

    fn extension(fault: Fault) -> Self {
        Self::error(fault.kind, fault.message)
    }

    fn out_of_memory() -> Self {
        Self::error(OUT_OF_MEMORY, "Runtime exited with error: signal: killed".into())
    }

    fn timeout(timeout: Duration) -> Self {
        let message = format!("Task timed out after {:.2} seconds", timeout.as_secs_f64());
        Self::new("Sandbox.Timedout", message, Status::Timeout)
    }
}

/// Waits for the reply; if the Runtime API drops the invocation, waits for whatever ends the environment.
async fn answer(reply: &mut oneshot::Receiver<Reply>) -> Reply {
    match reply.await {
        Ok(reply) => reply,
        Err(_) => std::future::pending().await,
    }
}

fn signal_name(signal: i32) -> String {
    match signal {
        libc::SIGABRT => "aborted".into(),
        libc::SIGBUS => "bus error".into(),
        libc::SIGFPE => "floating point exception".into(),
        libc::SIGILL => "illegal instruction".into(),
        libc::SIGKILL => "killed".into(),
        libc::SIGSEGV => "segmentation fault".into(),
        libc::SIGTERM => "terminated".into(),
        other => format!("signal {other}"),
    }
}
