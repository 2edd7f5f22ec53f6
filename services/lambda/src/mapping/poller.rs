//! The task that works on one mapping: read, choose, gather, invoke, note how far it came.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use compute::{Invocation, Outcome};
use expressions::event_pattern::EventPattern;
use futures_util::future::join_all;
use parking_lot::Mutex;
use serde_json::{Value, json};
use service::{ApiError, Cloud, Context, Principal, StoreError, Timestamp, to_record};

use super::batch::{Next, Verdict, next, pause, verdict};
use super::record::{self, Mapping, Place, place, places_key};
use super::source::{Entry, Position, Source};
use super::window::Window;
use crate::destination::Target;
use crate::error::Error;
use crate::ops::invocation::active;
use crate::runner::{Runner, assume};
use crate::store::{Configuration, Function};

/// How often a stream is read that brings nothing; AWS's pollers do it as often.
const POLL: Duration = Duration::from_millis(250);
/// The longest pause after a problem.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The most bytes of records in an event.
const MOST_BYTES: usize = 6 * 1024 * 1024 - 1024;

/// The pollers of a cloud.
pub struct Pollers {
    runner: Arc<Runner>,
    /// The revision that each mapping's poller works with.
    running: Mutex<BTreeMap<String, u64>>,
}

impl Pollers {
    pub fn new(runner: Arc<Runner>) -> Arc<Self> {
        Arc::new(Pollers { runner, running: Mutex::default() })
    }

    /// Takes up every enabled mapping after a start.
    pub fn start(self: &Arc<Self>, cloud: &Arc<Cloud>) {
        match record::all(&cloud.store) {
            Ok(mappings) => mappings.into_iter().for_each(|mapping| self.poll(cloud, mapping)),
            Err(error) => tracing::error!(%error, "event source mappings cannot be read"),
        }
    }

    /// Works on a mapping as it is now; a poller of an earlier revision ends by itself.
    pub fn poll(self: &Arc<Self>, cloud: &Arc<Cloud>, mapping: Mapping) {
        if !mapping.enabled {
            return;
        }
        let (uuid, revision) = (mapping.uuid.clone(), mapping.revision);
        if self.running.lock().insert(uuid.clone(), revision) == Some(revision) {
            return;
        }
        let (pollers, cloud) = (self.clone(), cloud.clone());
        tokio::spawn(async move {
            let poller = Poller {
                cx: cloud.context(Principal::service("lambda.amazonaws.com"), &mapping.account, &mapping.region),
                filters: mapping.filters.iter().filter_map(|text| EventPattern::parse(text).ok()).collect(),
                runner: pollers.runner.clone(),
                windows: Mutex::default(),
                mapping,
            };
            poller.run().await;
            let mut running = pollers.running.lock();
            if running.get(&uuid) == Some(&revision) {
                running.remove(&uuid);
            }
        });
    }

    pub fn reset(&self) {
        self.running.lock().clear();
    }
}

pub(super) struct Poller {
    pub cx: Context,
    runner: Arc<Runner>,
    pub mapping: Mapping,
    filters: Vec<EventPattern>,
    /// Tumbling windows that are open, by shard; each is stored with the shard's place.
    pub windows: Mutex<BTreeMap<String, Window>>,
}

/// Why a poller stops for now.
pub(super) enum Stop {
    /// The mapping is no longer what this poller works on.
    Outdated,
    /// Something failed, and is tried again after a while.
    Problem(String),
    /// There is no such stream (any more).
    Gone,
}

impl From<ApiError> for Stop {
    fn from(error: ApiError) -> Self {
        match error.code.as_str() {
            "ResourceNotFoundException" => Stop::Gone,
            _ => Stop::Problem(format!("{}: {}", error.code, error.message)),
        }
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Stop::Problem(error.to_string())
    }
}

/// A shard as it is being read.
struct Reading {
    id: String,
    iterator: Option<String>,
    /// Records that wait for others, the time since which they do, and their size.
    gathered: Vec<Entry>,
    since: Timestamp,
    bytes: usize,
    /// The last record that was seen, passed on or not.
    seen: Option<String>,
}

impl Poller {
    /// Problems are tried again after pauses that become longer, and said once each.
    async fn run(&self) {
        let (mut failures, mut said) = (0, String::new());
        loop {
            let begun = tokio::time::Instant::now();
            let (problem, shown) = match self.read_all().await {
                Stop::Outdated => return,
                Stop::Gone => ("the stream does not exist".to_owned(), "PROBLEM: Stream not found"),
                Stop::Problem(text) => (text, "PROBLEM: Lambda cannot read from the event source."),
            };
            self.note(shown.to_owned());
            if problem != said {
                tracing::warn!(problem, mapping = self.mapping.uuid, "an event source cannot be read");
                said = problem;
            }
            failures = if begun.elapsed() > LONGEST_PAUSE { 1 } else { failures + 1 };
            let until = tokio::time::Instant::now() + (POLL * (1 << failures.min(8))).min(LONGEST_PAUSE);
            while tokio::time::Instant::now() < until {
                tokio::time::sleep(POLL * 4).await;
                if matches!(self.is_current(), Ok(false)) {
                    return;
                }
            }
        }
    }

    fn is_current(&self) -> Result<bool, StoreError> {
        let Mapping { account, region, uuid, revision, .. } = &self.mapping;
        let found = record::find(&self.cx.cloud.store, account, region, uuid)?;
        Ok(found.is_some_and(|found| found.enabled && found.revision == *revision))
    }

    async fn source(&self) -> Result<Source, Stop> {
        let role = self.function().await.map_err(|error| Stop::Problem(format!("{error:?}")))?.1.role;
        let principal =
            assume(&self.cx, &role, &self.mapping.function).map_err(|error| Stop::Problem(format!("{error:?}")))?;
        Ok(Source::new(&self.cx, &self.mapping.source, principal))
    }

    async fn function(&self) -> Result<(Function, Configuration), Error> {
        active(&self.runner, &self.cx, &self.mapping.reference()).await
    }

    /// Reads every shard, parents before their children, until something stops it.
    async fn read_all(&self) -> Stop {
        let mut readings: Vec<Reading> = Vec::new();
        loop {
            match self.read_once(&mut readings).await {
                Ok(true) => {}
                Ok(false) => tokio::time::sleep(POLL).await,
                Err(stop) => return stop,
            }
        }
    }

    /// One look at every shard; says whether any brought something.
    async fn read_once(&self, readings: &mut Vec<Reading>) -> Result<bool, Stop> {
        if !self.is_current()? {
            return Err(Stop::Outdated);
        }
        let source = self.source().await?;
        if readings.is_empty() {
            *readings = self.open(&source).await?;
        }
        let looks = join_all(readings.iter_mut().map(|reading| self.advance(&source, reading))).await;
        let mut busy = false;
        for look in looks {
            busy |= look?;
        }
        // The end of a shard is the beginning of its children: all are opened anew, from where they were noted to be.
        if readings.iter().any(|reading| reading.iterator.is_none() && reading.gathered.is_empty()) {
            readings.clear();
        }
        Ok(busy)
    }

    /// The shards that can be read now: not finished, and with no parent that is not.
    async fn open(&self, source: &Source) -> Result<Vec<Reading>, Stop> {
        let shards = source.shards().await?;
        let mut readings = Vec::new();
        for shard in &shards {
            let place = place(&self.cx.cloud.store, &self.mapping.uuid, &shard.id)?;
            if place.as_ref().is_some_and(|place| place.finished) {
                continue;
            }
            if let Some(window) = place.as_ref().and_then(|place| place.window.clone()) {
                self.windows.lock().insert(shard.id.clone(), window);
            }
            let waits = match shard.parent.as_ref().filter(|parent| shards.iter().any(|other| other.id == **parent)) {
                Some(parent) => !self.is_finished(parent)?,
                None => false,
            };
            if waits {
                continue;
            }
            let position = match &place {
                Some(Place { sequence: Some(sequence), .. }) => Position::After(sequence.clone()),
                Some(Place { iterator: None, .. }) if self.mapping.position == "LATEST" => Position::Latest,
                _ => Position::TrimHorizon,
            };
            let known = place.and_then(|place| place.iterator.filter(|_| place.sequence.is_none()));
            let iterator = match known {
                Some(iterator) => Some(iterator),
                None => self.iterator(source, &shard.id, &position).await?,
            };
            readings.push(Reading {
                id: shard.id.clone(),
                iterator,
                gathered: Vec::new(),
                since: Timestamp::default(),
                bytes: 0,
                seen: None,
            });
        }
        Ok(readings)
    }

    fn is_finished(&self, shard: &str) -> Result<bool, StoreError> {
        Ok(place(&self.cx.cloud.store, &self.mapping.uuid, shard)?.is_some_and(|place| place.finished))
    }

    /// A place that was trimmed away meanwhile is the beginning of what is left.
    async fn iterator(&self, source: &Source, shard: &str, position: &Position) -> Result<Option<String>, ApiError> {
        match source.iterator(shard, position).await {
            Err(error) if error.code == "TrimmedDataAccessException" => {
                source.iterator(shard, &Position::TrimHorizon).await
            }
            other => other,
        }
    }

    /// Reads on in a shard and invokes the function when enough has been gathered.
    async fn advance(&self, source: &Source, reading: &mut Reading) -> Result<bool, Stop> {
        let mut busy = false;
        let most = self.most();
        let looked = self.cx.now();
        if let Some(iterator) = reading.iterator.take_if(|_| reading.gathered.len() < most) {
            let (entries, next) = match source.read(&iterator).await {
                Ok(read) => read,
                Err(error)
                    if error.code == "ExpiredIteratorException" || error.code == "TrimmedDataAccessException" =>
                {
                    let position = reading.seen.clone().map_or(Position::TrimHorizon, Position::After);
                    reading.iterator = self.iterator(source, &reading.id, &position).await?;
                    return Ok(true);
                }
                Err(error) => {
                    reading.iterator = Some(iterator);
                    return Err(error.into());
                }
            };
            busy = !entries.is_empty();
            reading.iterator = next;
            self.gather(reading, entries);
        }
        let now = self.cx.now();
        let waited = now.millis() - reading.since.millis() >= i64::from(self.mapping.window) * 1000;
        let full = reading.gathered.len() >= most || reading.bytes >= MOST_BYTES || reading.iterator.is_none();
        if !reading.gathered.is_empty() && (full || waited) {
            let size = reading.gathered.len().min(most);
            let batch: Vec<Entry> = reading.gathered.drain(..size).collect();
            reading.bytes = reading.gathered.iter().map(size_of).sum();
            reading.since = now;
            self.process(&reading.id, batch).await?;
            busy = true;
        }
        if let Some(window) = self.window(&reading.id).filter(|_| reading.gathered.is_empty() && !busy) {
            // Everything that arrived before this look has been seen.
            let ended = window.has_ended(looked);
            if ended || reading.iterator.is_none() {
                self.end_window(&reading.id, !ended).await?;
                busy = true;
            }
        }
        if reading.gathered.is_empty() && (busy || reading.iterator.is_none()) {
            self.reached(reading)?;
        }
        Ok(busy)
    }

    /// How many records may be under way at once in a shard.
    fn most(&self) -> usize {
        (self.mapping.batch_size.max(1) * self.mapping.parallelization.max(1)).unsigned_abs() as usize
    }

    fn gather(&self, reading: &mut Reading, entries: Vec<Entry>) {
        for entry in entries {
            reading.seen = Some(entry.sequence.clone());
            let chosen = self.filters.is_empty() || self.filters.iter().any(|filter| filter.matches(&entry.event));
            if !chosen {
                continue;
            }
            if reading.gathered.is_empty() {
                reading.since = self.cx.now();
            }
            reading.bytes += size_of(&entry);
            reading.gathered.push(entry);
        }
    }

    /// Everything that was seen in a shard has been dealt with.
    fn reached(&self, reading: &Reading) -> Result<(), StoreError> {
        let finished = reading.iterator.is_none();
        if reading.seen.is_none() && !finished {
            return Ok(());
        }
        self.put_place(&reading.id, &Place { sequence: reading.seen.clone(), finished, ..Place::default() })
    }

    /// Notes how far a shard has been dealt with, and its window.
    pub fn put_place(&self, shard: &str, place: &Place) -> Result<(), StoreError> {
        let record = to_record(&Place { window: self.window(shard), ..place.clone() })?;
        self.cx.cloud.store.write(|tx| {
            // A mapping that was deleted meanwhile leaves nothing behind.
            if tx.contains(self.mapping.key().as_slice())? {
                tx.put(places_key(&self.mapping.uuid).text(shard), record);
            }
            Ok(())
        })
    }

    /// Deals with records of a shard: side by side in as many lanes as the mapping has, each partition key in one of them.
    async fn process(&self, shard: &str, entries: Vec<Entry>) -> Result<(), Stop> {
        let last = entries.last().map(|entry| entry.sequence.clone());
        let lanes = self.mapping.parallelization.max(1).unsigned_abs() as usize;
        let mut divided: Vec<Vec<Entry>> = (0..lanes).map(|_| Vec::new()).collect();
        for entry in entries {
            let mut hasher = DefaultHasher::new();
            entry.partition.hash(&mut hasher);
            let lane = (hasher.finish() % lanes as u64) as usize;
            if let Some(lane) = divided.get_mut(lane) {
                lane.push(entry);
            }
        }
        let alone = lanes == 1;
        for done in join_all(divided.into_iter().map(|lane| self.lane(shard, lane, alone))).await {
            done?;
        }
        if let Some(sequence) = last {
            self.put_place(shard, &Place { sequence: Some(sequence), ..Place::default() })?;
        }
        Ok(())
    }

    /// Deals with records in their order. `alone`: no other lane works on the shard, so what is done can be noted at once.
    async fn lane(&self, shard: &str, entries: Vec<Entry>, alone: bool) -> Result<(), Stop> {
        let size = self.mapping.batch_size.max(1).unsigned_abs() as usize;
        let mut waiting: Vec<Vec<Entry>> = chunks(entries, size, self.mapping.tumbling);
        waiting.reverse();
        while let Some(batch) = waiting.pop() {
            let last = batch.last().map(|entry| entry.sequence.clone());
            let (mut batch, mut attempts) = (batch, 0);
            let mut halves = None;
            while !batch.is_empty() {
                batch = self.without_the_old(shard, batch).await;
                let Some(first) = batch.first() else { break };
                self.enter_window(shard, first.arrived).await?;
                let (done, failure) = match self.invoke(shard, &batch).await {
                    Ok((Verdict::Done, outcome)) => {
                        self.carry(shard, &outcome).await?;
                        (batch.len(), None)
                    }
                    Ok((Verdict::FailedFrom(index), outcome)) => {
                        if index > 0 {
                            self.carry(shard, &outcome).await?;
                        }
                        (index, Some(Ok(outcome)))
                    }
                    Err(error) => (0, Some(Err(error))),
                };
                if done > 0 {
                    let rest = batch.split_off(done);
                    if let Some(entry) = batch.last().filter(|_| alone) {
                        self.put_place(shard, &Place { sequence: Some(entry.sequence.clone()), ..Place::default() })?;
                    }
                    batch = rest;
                    attempts = 0;
                }
                let Some(failure) = failure else {
                    self.note("OK".to_owned());
                    continue;
                };
                self.note("PROBLEM: Function call failed".to_owned());
                attempts += 1;
                // A throttled function or one that cannot be run has not failed; its records just wait.
                let fair = failure.is_ok();
                let step = if fair {
                    next(batch.len(), attempts, self.mapping.bisect, self.mapping.max_retries)
                } else {
                    Next::Again
                };
                match step {
                    Next::Halves(half) => {
                        let second = batch.split_off(half);
                        halves = Some((std::mem::take(&mut batch), second));
                    }
                    Next::GiveUp => {
                        self.give_up(shard, &batch, "RetryAttemptsExhausted", attempts, failure.ok().as_ref()).await;
                        batch.clear();
                    }
                    Next::Again => self.pause(attempts).await?,
                }
            }
            match halves {
                Some((first, second)) => waiting.extend([second, first]),
                None => {
                    if let Some(sequence) = last.filter(|_| alone) {
                        self.put_place(shard, &Place { sequence: Some(sequence), ..Place::default() })?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Waits on the cloud's clock, but no longer than the mapping stays as it is.
    pub async fn pause(&self, attempts: u32) -> Result<(), Stop> {
        let until = self.cx.now().plus_millis(pause(attempts));
        loop {
            let waited = tokio::time::timeout(POLL, self.cx.clock().wait_until(until)).await;
            if !self.is_current()? {
                return Err(Stop::Outdated);
            }
            if waited.is_ok() {
                return Ok(());
            }
        }
    }

    /// Gives up records that are older than the mapping allows.
    async fn without_the_old(&self, shard: &str, mut batch: Vec<Entry>) -> Vec<Entry> {
        if self.mapping.max_age < 0 {
            return batch;
        }
        let oldest = self.cx.now().millis() - i64::from(self.mapping.max_age) * 1000;
        let old = batch.iter().take_while(|entry| entry.arrived.millis() < oldest).count();
        let rest = batch.split_off(old);
        if !batch.is_empty() {
            self.give_up(shard, &batch, "RecordAgeExceeded", 0, None).await;
        }
        rest
    }

    /// Invokes the function once.
    pub async fn call(&self, event: &Value) -> Result<Outcome, Error> {
        let (function, configuration) = self.function().await?;
        let invocation = Invocation {
            request_id: self.cx.random().uuid(),
            payload: Bytes::from(event.to_string()),
            invoked_arn: self.mapping.reference().to_string(),
            ..Invocation::default()
        };
        self.runner.run(&self.cx, &function, &configuration, invocation).await
    }

    async fn invoke(&self, shard: &str, batch: &[Entry]) -> Result<(Verdict, Outcome), Error> {
        let records: Vec<&Value> = batch.iter().map(|entry| &entry.event).collect();
        let mut event = json!({ "Records": records });
        if let Some(window) = self.window(shard) {
            window.describe(&mut event, shard, &self.mapping.source, false, false);
        }
        let outcome = self.call(&event).await?;
        let found = if outcome.function_error.is_some() {
            Verdict::FailedFrom(0)
        } else if self.mapping.partial_failures {
            let sequences: Vec<&str> = batch.iter().map(|entry| entry.sequence.as_str()).collect();
            verdict(&serde_json::from_slice(&outcome.payload).unwrap_or_default(), &sequences)
        } else {
            Verdict::Done
        };
        Ok((found, outcome))
    }

    /// Tells the destination, if there is one, that records are dropped.
    async fn give_up(&self, shard: &str, batch: &[Entry], condition: &str, attempts: u32, outcome: Option<&Outcome>) {
        let Some(destination) = &self.mapping.on_failure else { return };
        let told = async {
            let (function, configuration) = self.function().await?;
            let target = Target::parse(destination, true)?;
            let principal = assume(&self.cx, &configuration.role, &function.name)?;
            let folder = format!("aws/lambda/{}/{shard}", self.mapping.uuid);
            let record = self.failure(shard, batch, condition, attempts, outcome, &configuration.version);
            target.send(&self.cx, principal, &folder, &record).await.map_err(|error| Error::Reply(Box::new(error)))
        };
        if let Err(error) = told.await {
            tracing::warn!(?error, destination, "a destination could not be told of dropped records");
        }
    }

    /// <https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html>
    fn failure(
        &self,
        shard: &str,
        batch: &[Entry],
        condition: &str,
        attempts: u32,
        outcome: Option<&Outcome>,
        version: &str,
    ) -> Value {
        let arrived = |entry: Option<&Entry>| entry.map(|entry| entry.arrived.iso8601());
        let sequence = |entry: Option<&Entry>| entry.map(|entry| entry.sequence.clone());
        let mut record = json!({
            "requestContext": {
                "requestId": outcome.map_or_else(|| self.cx.random().uuid(), |outcome| outcome.report.request_id.clone()),
                "functionArn": self.mapping.reference().to_string(),
                "condition": condition,
                "approximateInvokeCount": attempts,
            },
            "version": "1.0",
            "timestamp": self.cx.now().iso8601_millis(),
            "DDBStreamBatchInfo": {
                "shardId": shard,
                "startSequenceNumber": sequence(batch.first()),
                "endSequenceNumber": sequence(batch.last()),
                "approximateArrivalOfFirstRecord": arrived(batch.first()),
                "approximateArrivalOfLastRecord": arrived(batch.last()),
                "batchSize": batch.len(),
                "streamArn": self.mapping.source,
            },
        });
        if let Some(outcome) = outcome {
            record["responseContext"] =
                json!({ "statusCode": 200, "executedVersion": version, "functionError": outcome.function_error });
        }
        // Buckets get the records themselves; other destinations have no room for them.
        let records: Vec<&Value> = batch.iter().map(|entry| &entry.event).collect();
        record["payload"] = json!({ "Records": records }).to_string().into();
        record
    }

    /// What the mapping shows as the result of its latest batch.
    pub fn note(&self, result: String) {
        let noted = self.cx.cloud.store.write(|tx| {
            let key = self.mapping.key();
            let Some(record) = tx.get(key.as_slice())? else { return Ok(()) };
            let mut mapping: Mapping = service::from_record(&record)?;
            if mapping.revision == self.mapping.revision && mapping.last_result != result {
                mapping.last_result = result;
                tx.put(key, to_record(&mapping)?);
            }
            Ok::<_, StoreError>(())
        });
        if let Err(error) = noted {
            tracing::error!(%error, "the result of a batch could not be noted");
        }
    }
}

fn size_of(entry: &Entry) -> usize {
    entry.event.to_string().len()
}

/// Batches of at most `size` records and as many bytes as an event may have, each within a tumbling window if there are such.
fn chunks(entries: Vec<Entry>, size: usize, tumbling: i32) -> Vec<Vec<Entry>> {
    let together = |one: &Entry, other: &Entry| tumbling <= 0 || Window::of(one.arrived, tumbling).holds(other.arrived);
    let mut batches: Vec<Vec<Entry>> = Vec::new();
    let mut bytes = 0;
    for entry in entries {
        let more = size_of(&entry);
        match batches.last_mut() {
            Some(batch)
                if batch.len() < size
                    && bytes + more <= MOST_BYTES
                    && batch.first().is_none_or(|first| together(first, &entry)) =>
            {
                bytes += more;
                batch.push(entry);
            }
            _ => {
                bytes = more;
                batches.push(vec![entry]);
            }
        }
    }
    batches
}
