//! Delivery of what functions log to CloudWatch Logs, in the order in which it was written.
//!
//! One queue for the service; whoever finds nobody delivering does it in the background, so invocations never wait. Lines
//! are written as the function's role. Without the permission they are dropped, as on AWS.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::runner::assume;
use compute::Outcome;
use logs_api::{
    CreateLogGroup, CreateLogGroupRequest, CreateLogStream, CreateLogStreamRequest, InputLogEvent, PutLogEvents,
    PutLogEventsRequest,
};
use parking_lot::Mutex;
use service::{ApiError, Clock, Context, Principal};

/// What one PutLogEvents call may carry, with the 26 bytes that each event counts for besides its text.
const BATCH_BYTES: usize = 1_048_576;
const BATCH_EVENTS: usize = 10_000;
const EVENT_OVERHEAD: usize = 26;

/// A role by its ARN, and the name of the session in which a function has it.
#[derive(Clone, Debug)]
pub struct Role {
    pub arn: String,
    pub session: String,
}

#[derive(Default)]
pub struct Logs {
    queue: Arc<Mutex<Queue>>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Delivery>,
    delivering: bool,
}

struct Delivery {
    cx: Context,
    role: Role,
    group: String,
    stream: String,
    events: Vec<InputLogEvent>,
}

impl Logs {
    /// Queues the log of an invocation of a function that has this role.
    pub fn deliver(&self, cx: &Context, role: Role, group: String, outcome: &Outcome) {
        // Functions live in the machine's time; their logs are shown in the cloud's.
        let shift = cx.now().millis() - Clock::system().now().millis();
        let lines = outcome.logs.iter().filter(|line| !line.message.is_empty());
        let event = |line: &compute::LogLine| InputLogEvent {
            timestamp: line.timestamp_millis + shift,
            message: format!("{}\n", line.message),
        };
        let delivery = Delivery {
            cx: cx.clone(),
            role,
            group,
            stream: outcome.log_stream.clone(),
            events: lines.map(event).collect(),
        };
        let mut queue = self.queue.lock();
        queue.waiting.push_back(delivery);
        if !queue.delivering {
            queue.delivering = true;
            tokio::spawn(deliver_all(self.queue.clone()));
        }
    }
}

async fn deliver_all(queue: Arc<Mutex<Queue>>) {
    loop {
        let next = {
            let mut queue = queue.lock();
            let next = queue.waiting.pop_front();
            queue.delivering = next.is_some();
            next
        };
        let Some(delivery) = next else { return };
        // A role that cannot be assumed any more writes nothing.
        let Ok(principal) = assume(&delivery.cx, &delivery.role.arn, &delivery.role.session) else { continue };
        if let Err(error) = delivery.send(&principal).await {
            tracing::debug!(code = error.code, message = error.message, "a function's logs were not written");
        }
    }
}

impl Delivery {
    async fn send(self, principal: &Principal) -> Result<(), ApiError> {
        for batch in batches(&self.events) {
            let put = || self.put(principal, batch.to_vec());
            match put().await {
                Err(error) if error.code == "ResourceNotFoundException" => {
                    self.create(principal).await?;
                    put().await?;
                }
                other => other?,
            }
        }
        Ok(())
    }

    async fn put(&self, principal: &Principal, log_events: Vec<InputLogEvent>) -> Result<(), ApiError> {
        let request = PutLogEventsRequest {
            log_group_name: self.group.clone(),
            log_stream_name: self.stream.clone(),
            log_events,
            ..PutLogEventsRequest::default()
        };
        self.cx.call::<PutLogEvents>(principal.clone(), request).await.map(drop)
    }

    /// Makes the stream, and the group if that is what is missing.
    async fn create(&self, principal: &Principal) -> Result<(), ApiError> {
        let stream =
            || CreateLogStreamRequest { log_group_name: self.group.clone(), log_stream_name: self.stream.clone() };
        match self.cx.call::<CreateLogStream>(principal.clone(), stream()).await {
            Err(error) if error.code == "ResourceNotFoundException" => {
                let group =
                    CreateLogGroupRequest { log_group_name: self.group.clone(), ..CreateLogGroupRequest::default() };
                exists(self.cx.call::<CreateLogGroup>(principal.clone(), group).await.map(drop))?;
                exists(self.cx.call::<CreateLogStream>(principal.clone(), stream()).await.map(drop))
            }
            other => exists(other.map(drop)),
        }
    }
}

fn exists(created: Result<(), ApiError>) -> Result<(), ApiError> {
    match created {
        Err(error) if error.code == "ResourceAlreadyExistsException" => Ok(()),
        other => other,
    }
}

/// Cuts events into batches that one call may carry.
fn batches(events: &[InputLogEvent]) -> Vec<&[InputLogEvent]> {
    let mut batches = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (index, event) in events.iter().enumerate() {
        let size = event.message.len() + EVENT_OVERHEAD;
        if index > start && (bytes + size > BATCH_BYTES || index - start == BATCH_EVENTS) {
            batches.push(&events[start..index]);
            (start, bytes) = (index, 0);
        }
        bytes += size;
    }
    if start < events.len() {
        batches.push(&events[start..]);
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_keep_order_and_limits() {
        let event = |size: usize| InputLogEvent { timestamp: 0, message: "x".repeat(size) };
        let events = [event(600_000), event(400_000), event(200_000)];
        let sizes: Vec<usize> = batches(&events).iter().map(|batch| batch.len()).collect();
        assert_eq!(sizes, [2, 1]);
        let many: Vec<_> = (0..10_001).map(|_| event(1)).collect();
        assert_eq!(batches(&many).iter().map(|batch| batch.len()).collect::<Vec<_>>(), [10_000, 1]);
        assert!(batches(&[]).is_empty());
    }
}
