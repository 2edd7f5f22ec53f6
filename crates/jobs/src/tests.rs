//! Queues over a frozen clock. A life of the process is a runtime: dropping it is a kill.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use proptest::prelude::*;
use service::{Clock, Cloud, Random, Store, StoreError, Timestamp, Transaction, testing};
use tokio::runtime::Runtime;

use crate::{Handler, Job, Outcome, Policy, Queue};

const POLICY: Policy = Policy { concurrency: 2, delays: &[5, 7], maximum_age: 1_000_000 };
const START: i64 = 1_000_000;

/// A run, as (id, time, failures before it).
type Run = (String, i64, u32);

/// Fails as often as the payload says; panics if it says nothing.
#[derive(Default)]
struct Script {
    /// Runs do not end while it is set.
    stuck: AtomicBool,
    runs: Mutex<Vec<Run>>,
}

impl Handler for Script {
    async fn run(&self, cloud: &Arc<Cloud>, job: &Job) -> Outcome {
        assert!(job.due <= cloud.clock.now(), "before its time");
        self.runs.lock().push((job.id.clone(), cloud.clock.now().millis(), job.attempts));
        while self.stuck.load(Ordering::Relaxed) {
            tokio::task::yield_now().await;
        }
        if job.attempts < u32::from(job.payload[0]) { Outcome::Failed } else { Outcome::Done }
    }

    fn gave_up(&self, tx: &mut Transaction<'_>, job: &Job) -> Result<(), StoreError> {
        tx.put(format!("gave up {}", job.id), "");
        Ok(())
    }
}

struct Bench {
    cloud: Arc<Cloud>,
    script: Arc<Script>,
    queue: Arc<Queue>,
    runtime: Runtime,
}

impl Bench {
    fn new() -> Bench {
        let clock = Clock::frozen(Timestamp::from_millis(START));
        Bench::over(Cloud::new(Store::memory(), clock, Random::seeded(1), testing::config("")))
    }

    fn over(cloud: Arc<Cloud>) -> Bench {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (script, queue) = (Arc::new(Script::default()), Queue::new("test", POLICY));
        runtime.block_on(async { queue.start(&cloud, script.clone()) });
        Bench { cloud, script, queue, runtime }
    }

    /// The process ends, whatever it was doing, and another begins.
    fn kill(self) -> Bench {
        drop(self.runtime);
        Bench::over(self.cloud)
    }

    fn now(&self) -> i64 {
        self.cloud.clock.now().millis()
    }

    fn write<T>(&self, change: impl FnOnce(&mut Transaction<'_>) -> Result<T, StoreError>) -> T {
        self.cloud.store.write(change).unwrap()
    }

    fn schedule(&self, id: &str, delay: i64, failures: u8) {
        let due = Timestamp::from_millis(self.now() + delay);
        self.write(|tx| self.queue.schedule(tx, id, due, vec![failures]));
    }

    fn jobs(&self) -> Vec<Job> {
        self.queue.jobs(&self.cloud.store).unwrap()
    }

    fn until(&self, ready: impl Fn() -> bool) {
        self.runtime.block_on(async {
            for _ in 0..10_000 {
                if ready() {
                    return;
                }
                tokio::task::yield_now().await;
            }
            panic!("it does not come: {:?}", self.jobs());
        });
    }

    /// Waits until all that is due has run; returns what ran, in the order of ids.
    fn settle(&self) -> Vec<Run> {
        let due = || self.jobs().first().is_some_and(|job| job.due.millis() <= self.now());
        self.until(|| !due() && self.queue.running.lock().is_empty());
        let mut runs = std::mem::take(&mut *self.script.runs.lock());
        runs.sort();
        runs
    }

    /// Waits until as many run as can, and none has ended.
    fn begin(&self) {
        self.script.stuck.store(true, Ordering::Relaxed);
        let due = self.jobs().iter().filter(|job| job.due.millis() <= self.now()).count();
        self.until(|| self.queue.running.lock().len() == due.min(POLICY.concurrency));
        self.until(|| self.script.runs.lock().len() == due.min(POLICY.concurrency));
    }

    fn end(&self) {
        self.script.stuck.store(false, Ordering::Relaxed);
    }
}

fn run(id: &str, at: i64, attempts: u32) -> Run {
    (id.to_owned(), START + at, attempts)
}

#[test]
fn a_job_runs_at_its_time_and_is_given_up_after_the_last_delay() {
    let bench = Bench::new();
    bench.schedule("a", 10, 9);
    assert_eq!(bench.settle(), []);
    for (advance, at, attempts) in [(10, 10, 0), (5, 15, 1), (7, 22, 2)] {
        bench.cloud.clock.advance(advance - 1);
        assert_eq!(bench.settle(), []);
        bench.cloud.clock.advance(1);
        assert_eq!(bench.settle(), [run("a", at, attempts)]);
    }
    assert_eq!(bench.jobs(), []);
    assert!(bench.cloud.store.get(b"gave up a").unwrap().is_some());
}

#[test]
fn a_transaction_that_fails_schedules_nothing() {
    let bench = Bench::new();
    let refused = bench.cloud.store.write(|tx| {
        bench.queue.schedule(tx, "a", bench.cloud.clock.now(), vec![0])?;
        Err::<(), _>(StoreError::Corrupt("refused".to_owned()))
    });
    assert!(refused.is_err());
    assert_eq!(bench.settle(), []);
    assert_eq!(bench.jobs(), []);
}

#[test]
fn a_panic_is_a_failure() {
    let bench = Bench::new();
    bench.write(|tx| bench.queue.schedule(tx, "a", bench.cloud.clock.now(), ""));
    assert_eq!(bench.settle(), [run("a", 0, 0)]);
    assert_eq!((bench.jobs()[0].attempts, bench.jobs()[0].due.millis()), (1, START + 5));
}

#[test]
fn what_is_scheduled_anew_while_it_runs_runs_once_more_and_not_at_once() {
    let bench = Bench::new();
    bench.schedule("a", 0, 0);
    bench.begin();
    bench.schedule("a", 0, 0);
    bench.until(|| bench.queue.running.lock().len() == 1);
    assert_eq!(bench.script.runs.lock().len(), 1);
    bench.end();
    assert_eq!(bench.settle(), [run("a", 0, 0), run("a", 0, 0)]);
    assert_eq!(bench.jobs(), []);
}

#[test]
fn what_is_cancelled_while_it_runs_is_not_tried_again() {
    let bench = Bench::new();
    bench.schedule("a", 0, 9);
    bench.begin();
    assert!(bench.write(|tx| bench.queue.cancel(tx, "a")));
    assert!(!bench.write(|tx| bench.queue.cancel(tx, "a")));
    bench.end();
    assert_eq!(bench.settle(), [run("a", 0, 0)]);
    assert_eq!(bench.jobs(), []);
}

#[test]
fn a_reset_clears_and_a_run_from_before_it_changes_nothing() {
    let bench = Bench::new();
    bench.schedule("a", 0, 0);
    bench.begin();
    bench.cloud.store.clear().unwrap();
    bench.schedule("a", 3, 0);
    bench.end();
    assert_eq!(bench.settle(), [run("a", 0, 0)]);
    bench.cloud.clock.advance(3);
    assert_eq!(bench.settle(), [run("a", 3, 0)]);
}

#[derive(Clone, Debug)]
enum Step {
    Schedule {
        id: u8,
        delay: i64,
        failures: u8,
    },
    Reschedule {
        id: u8,
        delay: i64,
    },
    Cancel {
        id: u8,
    },
    Advance {
        millis: i64,
    },
    Kill,
    /// Time passes, jobs begin, and the process is killed before they end.
    KillWithin {
        millis: i64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let (id, time) = (0..5_u8, 0..20_i64);
    prop_oneof![
        (id.clone(), -5..20_i64, 0..4_u8).prop_map(|(id, delay, failures)| Step::Schedule { id, delay, failures }),
        (id.clone(), time.clone()).prop_map(|(id, delay)| Step::Reschedule { id, delay }),
        id.prop_map(|id| Step::Cancel { id }),
        time.clone().prop_map(|millis| Step::Advance { millis }),
        Just(Step::Kill),
        time.prop_map(|millis| Step::KillWithin { millis }),
    ]
}

/// What is expected: the jobs as (due, attempts, failures) by id.
#[derive(Default)]
struct Model(BTreeMap<String, (i64, u32, u8)>);

impl Model {
    /// Runs what is due.
    fn settle(&mut self, now: i64) -> Vec<Run> {
        let mut runs = Vec::new();
        self.0.retain(|id, (due, attempts, failures)| {
            if *due > now {
                return true;
            }
            runs.push((id.clone(), now, *attempts));
            let delay = POLICY.delays.get(*attempts as usize);
            let failed = *attempts < u32::from(*failures);
            *attempts += 1;
            *due = now + delay.unwrap_or(&0);
            failed && delay.is_some()
        });
        runs
    }
}

proptest! {
    #[test]
    fn every_job_runs_when_it_is_due_and_at_least_once(steps in prop::collection::vec(step(), 1..40)) {
        let mut bench = Bench::new();
        let mut model = Model::default();
        for step in steps {
            match step {
                Step::Schedule { id, delay, failures } => {
                    bench.schedule(&id.to_string(), delay, failures);
                    model.0.insert(id.to_string(), (bench.now() + delay, 0, failures));
                }
                Step::Reschedule { id, delay } => {
                    let due = bench.now() + delay;
                    let moved = |tx: &mut Transaction<'_>| {
                        bench.queue.reschedule(tx, &id.to_string(), Timestamp::from_millis(due))
                    };
                    let job = model.0.get_mut(&id.to_string());
                    prop_assert_eq!(bench.write(moved), job.is_some());
                    if let Some(job) = job {
                        (job.0, job.1) = (due, 0);
                    }
                }
                Step::Cancel { id } => {
                    let cancelled = bench.write(|tx| bench.queue.cancel(tx, &id.to_string()));
                    prop_assert_eq!(cancelled, model.0.remove(&id.to_string()).is_some());
                }
                Step::Advance { millis } => bench.cloud.clock.advance(millis),
                Step::Kill => bench = bench.kill(),
                Step::KillWithin { millis } => {
                    bench.cloud.clock.advance(millis);
                    bench.begin();
                    bench = bench.kill();
                }
            }
            prop_assert_eq!(bench.settle(), model.settle(bench.now()));
            let stored: BTreeMap<_, _> = bench.jobs().into_iter().map(|job| (job.id, (job.due.millis(), job.attempts, job.payload[0]))).collect();
            prop_assert_eq!(&stored, &model.0);
        }
    }
}
