//! What a poller does for mappings with tumbling windows: opens them, carries their state, ends them.

use compute::Outcome;
use serde_json::{Value, json};
use service::Timestamp;

use super::poller::{Poller, Stop};
use super::record::{Place, place};
use super::window::Window;

impl Poller {
    /// The window that is open in a shard.
    pub fn window(&self, shard: &str) -> Option<Window> {
        self.windows.lock().get(shard).cloned()
    }

    /// Sees to it that the window is open in which a record arrived. One that was open before ends first.
    pub async fn enter_window(&self, shard: &str, arrived: Timestamp) -> Result<(), Stop> {
        let length = self.mapping.tumbling;
        if length <= 0 || self.window(shard).is_some_and(|open| open.holds(arrived)) {
            return Ok(());
        }
        self.end_window(shard, false).await?;
        self.windows.lock().insert(shard.to_owned(), Window::of(arrived, length));
        Ok(())
    }

    /// Takes over the state of an answer; one that is too large ends the window.
    pub async fn carry(&self, shard: &str, outcome: &Outcome) -> Result<(), Stop> {
        let answer: Value = serde_json::from_slice(&outcome.payload).unwrap_or_default();
        let too_large = self.windows.lock().get_mut(shard).is_some_and(|window| window.carry(&answer));
        if too_large { self.end_window(shard, true).await } else { Ok(()) }
    }

    /// Lets the function work on the final state. It is tried as often as records are.
    pub async fn end_window(&self, shard: &str, early: bool) -> Result<(), Stop> {
        let Some(window) = self.window(shard) else { return Ok(()) };
        let mut event = json!({ "Records": [] });
        window.describe(&mut event, shard, &self.mapping.source, true, early);
        let mut attempts = 0;
        loop {
            let failed = match self.call(&event).await {
                Ok(outcome) if outcome.function_error.is_none() => break,
                Ok(_) => true,
                Err(_) => false,
            };
            attempts += u32::from(failed);
            self.note("PROBLEM: Function call failed".to_owned());
            if u32::try_from(self.mapping.max_retries).is_ok_and(|most| attempts > most) {
                break;
            }
            self.pause(attempts.max(1)).await?;
        }
        self.windows.lock().remove(shard);
        let stored = place(&self.cx.cloud.store, &self.mapping.uuid, shard)?.unwrap_or_default();
        Ok(self.put_place(shard, &Place { window: None, ..stored })?)
    }
}
