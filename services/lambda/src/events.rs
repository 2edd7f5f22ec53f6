//! Asynchronous invocations: jobs that invoke a function.
//!
//! An event is stored before it is accepted and removed when it has ended: after a success, after its last retry (the second,
//! unless the function is set up otherwise), or when it is too old. Its destination is told before that. A function sees an
//! event at least once.

use std::sync::Arc;

use compute::Invocation;
use jobs::{Handler, Job, Outcome, Policy, Queue};
use serde_json::{Value, json};
use service::{Cloud, Context, Principal, StoreError, from_record, to_record};

use crate::arn::Reference;
use crate::destination::Target;
use crate::error::Error;
use crate::lineage;
use crate::ops::invocation::active;
use crate::runner::{Runner, assume};
use crate::store::{self as records, Configuration, Event, Function};

/// One minute before the first retry, two before the second. The function's settings end an event earlier than this does.
const POLICY: Policy = Policy { concurrency: 16, delays: &[60_000, 120_000], maximum_age: 8 * 3600 * 1000 };
/// Unless the function says otherwise.
const RETRIES: i32 = 2;
/// Seconds, unless the function says otherwise.
const AGE: i32 = 6 * 3600;

pub fn queue() -> Arc<Queue> {
    Queue::new("lambda/event", POLICY)
}

pub struct Events {
    queue: Arc<Queue>,
    invoker: Arc<Invoker>,
}

impl Events {
    pub fn new(runner: Arc<Runner>) -> Self {
        Self { queue: queue(), invoker: Arc::new(Invoker { runner }) }
    }

    /// Stores an event; it runs as soon as there is room.
    pub fn accept(&self, cx: &Context, event: &Event) -> Result<(), Error> {
        let payload = to_record(event)?;
        cx.store().write(|tx| Ok(self.queue.schedule(tx, &cx.random().uuid(), cx.now(), payload)?))
    }

    pub fn start(&self, cloud: &Arc<Cloud>) {
        self.queue.start(cloud, self.invoker.clone());
    }
}

struct Invoker {
    runner: Arc<Runner>,
}

impl Handler for Invoker {
    async fn run(&self, cloud: &Arc<Cloud>, job: &Job) -> Outcome {
        match self.invoke(cloud, job).await {
            Ok(outcome) => outcome,
            Err(error) => {
                tracing::error!(%error, id = job.id, "an asynchronous invocation cannot be read");
                Outcome::Failed
            }
        }
    }
}

impl Invoker {
    async fn invoke(&self, cloud: &Arc<Cloud>, job: &Job) -> Result<Outcome, StoreError> {
        let event: Event = from_record(&job.payload)?;
        let cx = cloud
            .context(Principal::service("lambda.amazonaws.com"), &event.account, &event.region)
            .with_request_id(event.request_id.clone())
            .with_trace(event.trace.clone());
        let reference = event.reference();
        let (function, configuration) = match active(&self.runner, &cx, &reference).await {
            Ok(found) => found,
            // There is no such function any more.
            Err(Error::ResourceNotFound(_)) => return Ok(Outcome::Done),
            Err(_) => return Ok(Outcome::Postponed),
        };
        let settings = function.event_invoke.get(&records::qualifier(&reference)).cloned().unwrap_or_default();
        // A destination is the next link of the chain.
        let arn = reference.unqualified().to_string();
        let told = event.trace.as_deref().and_then(|trace| lineage::pass(trace, &arn, true));
        let ending_cx = cx.clone().with_trace(told);
        let ending =
            Ending { cx: &ending_cx, reference, function: &function, configuration: &configuration, event: &event };
        let age = i64::from(settings.age.unwrap_or(AGE)) * 1000;
        if job.attempts > 0 || job.due > job.first_due {
            let waited = cx.now().millis() - job.first_due.millis();
            if waited > age {
                ending.tell(settings.on_failure.as_deref(), "EventAgeExceeded", job.attempts, None).await;
                return Ok(Outcome::Done);
            }
        }
        let invocation = Invocation {
            request_id: event.request_id.clone(),
            payload: event.payload.clone().into(),
            invoked_arn: ending.reference.to_string(),
            client_context: event.client_context.clone(),
            tenant: event.tenant.clone(),
            ..Invocation::default()
        };
        Ok(match self.runner.run(&cx, &function, &configuration, invocation).await {
            Ok(outcome) if outcome.function_error.is_none() => {
                ending.tell(settings.on_success.as_deref(), "Success", job.attempts + 1, Some(&outcome)).await;
                Outcome::Done
            }
            Ok(outcome) if job.attempts >= settings.retries.unwrap_or(RETRIES).unsigned_abs() => {
                ending.tell(settings.on_failure.as_deref(), "RetriesExhausted", job.attempts + 1, Some(&outcome)).await;
                Outcome::Done
            }
            Ok(_) => Outcome::Failed,
            Err(Error::RecursiveInvocation(_)) => {
                ending.tell(settings.on_failure.as_deref(), "RecursiveInvocation", job.attempts, None).await;
                Outcome::Done
            }
            // Throttled, or no place to run it: no fault of the function.
            Err(_) => Outcome::Postponed,
        })
    }
}

/// The end of an event, and what its destination is told of it.
struct Ending<'a> {
    cx: &'a Context,
    reference: Reference,
    function: &'a Function,
    configuration: &'a Configuration,
    event: &'a Event,
}

impl Ending<'_> {
    /// Sends the record of an invocation. The event has ended whether or not it arrives, as on AWS.
    async fn tell(&self, destination: Option<&str>, condition: &str, count: u32, outcome: Option<&compute::Outcome>) {
        let Some(destination) = destination else { return };
        let record = self.record(condition, count, outcome);
        let sent = async {
            let target = Target::parse(destination, condition != "Success")?;
            let principal = assume(self.cx, &self.configuration.role, &self.function.name)?;
            let folder = format!("aws/lambda/async/{}", self.function.name);
            target.send(self.cx, principal, &folder, &record).await.map_err(|error| Error::Reply(Box::new(error)))
        };
        if let Err(error) = sent.await {
            tracing::warn!(?error, destination, "a destination could not be told of an asynchronous invocation");
        }
    }

    /// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html#invocation-async-destinations>
    fn record(&self, condition: &str, count: u32, outcome: Option<&compute::Outcome>) -> Value {
        let text = |bytes: &[u8]| serde_json::from_slice(bytes).unwrap_or(Value::Null);
        let version = self.reference.clone().qualified(self.reference.qualifier_or_latest());
        let mut record = json!({
            "version": "1.0",
            "timestamp": self.cx.now().iso8601_millis(),
            "requestContext": {
                "requestId": self.event.request_id,
                "functionArn": version.to_string(),
                "condition": condition,
                "approximateInvokeCount": count,
            },
            "requestPayload": text(self.event.payload.as_bytes()),
        });
        if let Some(outcome) = outcome {
            record["responseContext"] = json!({ "statusCode": 200, "executedVersion": self.configuration.version });
            if let Some(error) = outcome.function_error {
                record["responseContext"]["functionError"] = error.into();
            }
            record["responsePayload"] = text(&outcome.payload);
        }
        record
    }
}

impl Event {
    fn reference(&self) -> Reference {
        let reference = Reference::new(&self.region, &self.account, &self.name);
        Reference { qualifier: self.qualifier.clone(), ..reference }
    }
}
