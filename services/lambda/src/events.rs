//! Asynchronous invocations: jobs that invoke a function.
//!
//! An event is stored before it is accepted and removed when it has ended: after a success, or after the third failure.
//! A function sees an event at least once.

use std::sync::Arc;

use compute::Invocation;
use jobs::{Handler, Job, Outcome, Policy, Queue};
use service::{Cloud, Context, Principal, StoreError, from_record, to_record};

use crate::arn::Reference;
use crate::error::Error;
use crate::ops::invocation::active;
use crate::runner::Runner;
use crate::store::Event;

/// One minute before the first retry, two before the second; what could not be run is tried again until it is six hours old.
const POLICY: Policy = Policy { concurrency: 16, delays: &[60_000, 120_000], maximum_age: 6 * 3600 * 1000 };

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
            .with_request_id(event.request_id.clone());
        let reference = event.reference();
        let (function, configuration) = match active(&self.runner, &cx, &reference).await {
            Ok(found) => found,
            // There is no such function any more.
            Err(Error::ResourceNotFound(_)) => return Ok(Outcome::Done),
            Err(_) => return Ok(Outcome::Postponed),
        };
        let invocation = Invocation {
            request_id: event.request_id,
            payload: event.payload.into(),
            invoked_arn: reference.to_string(),
            client_context: event.client_context,
            ..Invocation::default()
        };
        Ok(match self.runner.run(&cx, &function, &configuration, invocation).await {
            Ok(outcome) if outcome.function_error.is_none() => Outcome::Done,
            Ok(_) => Outcome::Failed,
            // Throttled, or no place to run it: no fault of the function.
            Err(_) => Outcome::Postponed,
        })
    }
}

impl Event {
    fn reference(&self) -> Reference {
        let reference = Reference::new(&self.region, &self.account, &self.name);
        Reference { qualifier: self.qualifier.clone(), ..reference }
    }
}
