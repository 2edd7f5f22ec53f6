//! Invocations whose answers are passed on while the function writes them.
//!
//! The function runs to its end whether or not anybody reads; a reader that is slow slows the function down.

use bytes::Bytes;
use compute::{Invocation, Outcome, Part};
use service::{Context, Internal};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::error::Error;
use crate::runner::Runner;
use crate::store::{Configuration, Function};

/// How many parts may wait for the reader.
const WAITING: usize = 16;

/// One such invocation.
pub struct Streaming {
    parts: mpsc::Receiver<Part>,
    running: JoinHandle<Result<Outcome, Error>>,
    ended: Option<Result<Outcome, Error>>,
}

/// What comes next of an invocation.
pub enum Step {
    Part(Part),
    /// Comes last, once.
    Ended(Box<Result<Outcome, Error>>),
}

impl Streaming {
    pub fn start(
        runner: Arc<Runner>,
        cx: Context,
        function: Function,
        configuration: Configuration,
        invocation: Invocation,
    ) -> Self {
        let (sink, parts) = mpsc::channel(WAITING);
        let invocation = Invocation { sink: Some(sink), ..invocation };
        let running = tokio::spawn(async move { runner.run(&cx, &function, &configuration, invocation).await });
        Self { parts, running, ended: None }
    }

    pub async fn next(&mut self) -> Step {
        loop {
            if self.ended.is_some() {
                // What was written before the end comes before it.
                if let Ok(part) = self.parts.try_recv() {
                    return Step::Part(part);
                }
                if let Some(ended) = self.ended.take() {
                    return Step::Ended(Box::new(ended));
                }
            }
            tokio::select! {
                biased;
                Some(part) = self.parts.recv() => return Step::Part(part),
                ended = &mut self.running => {
                    self.ended = Some(ended.unwrap_or_else(|error| Err(Error::Internal(Internal(error.to_string())))));
                }
            }
        }
    }
}

/// The head of a response that brings its own status and headers, and what followed it in the same breath.
pub struct Prelude {
    pub head: Bytes,
    pub rest: Bytes,
}

/// The content type of such a response.
pub const INTEGRATION: &str = "application/vnd.awslambda.http-integration-response";

/// Eight NUL bytes end the head.
const END: [u8; 8] = [0; 8];

/// Divides what has arrived; `None` while the head is not complete.
pub fn prelude(arrived: &Bytes) -> Option<Prelude> {
    let at = arrived.windows(END.len()).position(|window| window == END)?;
    Some(Prelude { head: arrived.slice(..at), rest: arrived.slice(at + END.len()..) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prelude_ends_with_eight_nulls() {
        assert!(prelude(&Bytes::from_static(b"{}\0\0\0\0\0\0\0")).is_none());
        let found = prelude(&Bytes::from_static(b"{}\0\0\0\0\0\0\0\0body")).map(|found| (found.head, found.rest));
        assert_eq!(found, Some((Bytes::from_static(b"{}"), Bytes::from_static(b"body"))));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_divided_without_loss(bytes in proptest::collection::vec(0u8..3, 0..60)) {
            let arrived = Bytes::from(bytes);
            if let Some(found) = prelude(&arrived) {
                let whole = [&found.head[..], &END, &found.rest[..]].concat();
                proptest::prop_assert_eq!(&whole[..], &arrived[..]);
            }
        }
    }
}
