//! A bounded load: so many connections, each sending the next request as soon as it has its answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::Result;
use crate::http1::Connection;

#[derive(Debug, Default)]
pub struct Outcome {
    pub count: usize,
    pub seconds: f64,
    /// Microseconds, sorted.
    pub latencies: Vec<u32>,
}

impl Outcome {
    pub fn rate(&self) -> f64 {
        self.count as f64 / self.seconds
    }

    /// Milliseconds within which so much of a hundred was answered.
    pub fn percentile(&self, percent: usize) -> f64 {
        let at = (self.latencies.len() * percent / 100).min(self.latencies.len().saturating_sub(1));
        f64::from(self.latencies.get(at).copied().unwrap_or(0)) / 1000.0
    }
}

/// Sends `requests` round and round for `duration`. An answer other than success ends the load with its text.
pub async fn run(
    address: &str,
    requests: &Arc<Vec<Vec<u8>>>,
    connections: usize,
    duration: Duration,
) -> Result<Outcome> {
    let began = Instant::now();
    let tasks: Vec<_> = (0..connections)
        .map(|number| {
            let (address, requests) = (address.to_owned(), requests.clone());
            tokio::spawn(async move {
                let mut connection = Connection::open(&address).await?;
                let mut latencies = Vec::with_capacity(1 << 14);
                // Connections start apart in the list, so that they seldom write the same key at once.
                let mut at = number * requests.len() / connections;
                while began.elapsed() < duration {
                    let sent = Instant::now();
                    let (status, body) = connection.exchange(&requests[at % requests.len()]).await?;
                    if !(200..300).contains(&status) {
                        let text = String::from_utf8_lossy(connection.body(body)).into_owned();
                        return Err(format!("{status} {text}").into());
                    }
                    latencies.push(u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX));
                    at += 1;
                }
                Result::Ok(latencies)
            })
        })
        .collect();
    let mut outcome = Outcome::default();
    for task in tasks {
        outcome.latencies.extend(task.await??);
    }
    outcome.seconds = began.elapsed().as_secs_f64();
    outcome.count = outcome.latencies.len();
    outcome.latencies.sort_unstable();
    Ok(outcome)
}
