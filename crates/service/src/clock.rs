//! Time, which nobody takes from the system: it can be offset, frozen and advanced.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::RwLock;
use tokio::sync::watch;
use wire::Timestamp;

/// How the clock runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockMode {
    /// System time plus an offset in milliseconds.
    Running { offset: i64 },
    /// Standing still.
    Frozen { at: Timestamp },
}

/// The time of a cloud. Clones are the same clock.
#[derive(Clone, Debug)]
pub struct Clock {
    mode: Arc<RwLock<ClockMode>>,
    /// Wakes those who wait for a time whenever the clock is set.
    set: Arc<watch::Sender<()>>,
}

impl Clock {
    /// System time.
    pub fn system() -> Self {
        Clock::with(ClockMode::Running { offset: 0 })
    }

    /// A clock that stands until it is advanced: for tests.
    pub fn frozen(at: Timestamp) -> Self {
        Clock::with(ClockMode::Frozen { at })
    }

    fn with(mode: ClockMode) -> Self {
        Clock { mode: Arc::new(RwLock::new(mode)), set: Arc::new(watch::Sender::new(())) }
    }

    pub fn mode(&self) -> ClockMode {
        *self.mode.read()
    }

    pub fn now(&self) -> Timestamp {
        match self.mode() {
            ClockMode::Running { offset } => Timestamp::from_millis(system_millis().saturating_add(offset)),
            ClockMode::Frozen { at } => at,
        }
    }

    /// Sets how the clock runs from now on.
    pub fn set(&self, mode: ClockMode) {
        *self.mode.write() = mode;
        self.set.send_replace(());
    }

    /// Stops the clock at the time it shows.
    pub fn freeze(&self) {
        self.set(ClockMode::Frozen { at: self.now() });
    }

    /// Lets a frozen clock run on from the time it shows.
    pub fn resume(&self) {
        let offset = self.now().millis() - system_millis();
        self.set(ClockMode::Running { offset });
    }

    /// Moves the clock on by milliseconds.
    pub fn advance(&self, millis: i64) {
        let mode = match self.mode() {
            ClockMode::Running { offset } => ClockMode::Running { offset: offset.saturating_add(millis) },
            ClockMode::Frozen { at } => ClockMode::Frozen { at: at.plus_millis(millis) },
        };
        self.set(mode);
    }

    /// Waits until the clock shows `time` or later, however it gets there.
    pub async fn wait_until(&self, time: Timestamp) {
        let mut changes = self.set.subscribe();
        loop {
            let left = time.millis() - self.now().millis();
            if left <= 0 {
                return;
            }
            match self.mode() {
                ClockMode::Running { .. } => {
                    let pause = Duration::from_millis(left.unsigned_abs());
                    // Either the time has come or the clock was set; the loop finds out which.
                    let _ = tokio::time::timeout(pause, changes.changed()).await;
                }
                ClockMode::Frozen { .. } => {
                    if changes.changed().await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place where system time enters")]
fn system_millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waiting_ends_when_the_clock_is_advanced() {
        let clock = Clock::frozen(Timestamp::from_secs(1_000));
        let waiter = tokio::spawn({
            let clock = clock.clone();
            async move {
                clock.wait_until(Timestamp::from_secs(4_600)).await;
                clock.now()
            }
        });
        tokio::task::yield_now().await;
        clock.advance(3_600_000);
        assert_eq!(waiter.await.unwrap(), Timestamp::from_secs(4_600));
    }

    #[test]
    fn a_frozen_clock_resumes_where_it_stood() {
        let clock = Clock::frozen(Timestamp::from_secs(1_000));
        clock.resume();
        let passed = clock.now().millis() - 1_000_000;
        assert!((0..10_000).contains(&passed), "{passed}");
    }
}
