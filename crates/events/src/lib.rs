//! One stream of what happens in a cloud: published once, taken by whoever asked for it.
//!
//! A [`Sink`] is called by the publisher itself, so it misses nothing and must return at once: CloudTrail's gathers events
//! in memory and writes them later. A [`Receiver`] is for those who may fall behind: it holds a bounded number of events
//! that pass its filter; when it is full the oldest goes, and the receiver is told how many went. Nothing here outlives the
//! process: who must act on an event after a restart writes a record (see the crate `jobs`).
//!
//! The stream knows nothing of what it carries; `service::Event` says that. Publishing to nobody costs one load.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Takes every event, on the publisher's time.
pub trait Sink<E>: Send + Sync {
    fn take(&self, event: &Arc<E>);
}

type Sinks<E> = Arc<ArcSwap<Vec<Arc<dyn Sink<E>>>>>;

/// The stream. Clones are the same stream.
pub struct Bus<E> {
    sinks: Sinks<E>,
}

impl<E> Clone for Bus<E> {
    fn clone(&self) -> Self {
        Bus { sinks: self.sinks.clone() }
    }
}

impl<E> Default for Bus<E> {
    fn default() -> Self {
        Bus { sinks: Arc::new(ArcSwap::from_pointee(Vec::new())) }
    }
}

impl<E: Send + Sync + 'static> Bus<E> {
    pub fn publish(&self, event: E) {
        let sinks = self.sinks.load();
        if sinks.is_empty() {
            return;
        }
        let event = Arc::new(event);
        for sink in sinks.iter() {
            sink.take(&event);
        }
    }

    /// Hands every later event to `sink`.
    pub fn attach(&self, sink: Arc<dyn Sink<E>>) {
        self.sinks.rcu(|sinks| sinks.iter().cloned().chain([sink.clone()]).collect::<Vec<_>>());
    }

    /// Every later event that passes `filter`, of which at most `capacity` wait to be received.
    pub fn subscribe(&self, capacity: usize, filter: impl Fn(&E) -> bool + Send + Sync + 'static) -> Receiver<E> {
        let queue = Arc::new(Queue {
            filter: Box::new(filter),
            capacity: capacity.max(1),
            waiting: Mutex::new(Waiting { events: VecDeque::new(), lost: 0 }),
            changed: Notify::new(),
        });
        self.attach(queue.clone());
        Receiver { queue, sinks: Arc::downgrade(&self.sinks) }
    }
}

type Filter<E> = Box<dyn Fn(&E) -> bool + Send + Sync>;

struct Queue<E> {
    filter: Filter<E>,
    capacity: usize,
    waiting: Mutex<Waiting<E>>,
    changed: Notify,
}

struct Waiting<E> {
    events: VecDeque<Arc<E>>,
    lost: u64,
}

impl<E: Send + Sync> Sink<E> for Queue<E> {
    fn take(&self, event: &Arc<E>) {
        if !(self.filter)(event) {
            return;
        }
        let mut waiting = self.waiting.lock();
        if waiting.events.len() == self.capacity {
            waiting.events.pop_front();
            waiting.lost += 1;
        }
        waiting.events.push_back(event.clone());
        drop(waiting);
        self.changed.notify_one();
    }
}

/// What a receiver hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received<E> {
    Event(Arc<E>),
    /// So many events went before the next one because the receiver was too slow.
    Lost(u64),
}

/// The end of a subscription; it ends when this is dropped.
pub struct Receiver<E: Send + Sync + 'static> {
    queue: Arc<Queue<E>>,
    sinks: Weak<ArcSwap<Vec<Arc<dyn Sink<E>>>>>,
}

impl<E: Send + Sync + 'static> Receiver<E> {
    /// Waits for the next event. Nothing is lost when the waiting is given up.
    pub async fn receive(&mut self) -> Received<E> {
        loop {
            if let Some(received) = self.try_receive() {
                return received;
            }
            self.queue.changed.notified().await;
        }
    }

    /// What waits, if anything does.
    pub fn try_receive(&mut self) -> Option<Received<E>> {
        let mut waiting = self.queue.waiting.lock();
        match std::mem::take(&mut waiting.lost) {
            0 => waiting.events.pop_front().map(Received::Event),
            lost => Some(Received::Lost(lost)),
        }
    }
}

impl<E: Send + Sync + 'static> Drop for Receiver<E> {
    fn drop(&mut self) {
        let Some(sinks) = self.sinks.upgrade() else { return };
        let own: *const () = Arc::as_ptr(&self.queue).cast();
        sinks.rcu(|sinks| {
            let others = sinks.iter().filter(|sink| !std::ptr::addr_eq(Arc::as_ptr(sink), own));
            others.cloned().collect::<Vec<_>>()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct All(Mutex<Vec<u32>>);

    impl Sink<u32> for All {
        fn take(&self, event: &Arc<u32>) {
            self.0.lock().push(**event);
        }
    }

    #[test]
    fn a_sink_takes_all_in_order() {
        let (bus, all) = (Bus::default(), Arc::new(All::default()));
        bus.publish(0);
        bus.attach(all.clone());
        (1..100).for_each(|number| bus.publish(number));
        assert_eq!(*all.0.lock(), (1..100).collect::<Vec<_>>());
    }

    #[test]
    fn a_slow_receiver_loses_the_oldest_and_hears_how_many() {
        let bus = Bus::default();
        let mut even = bus.subscribe(3, |number| number % 2 == 0);
        (0..10_u32).for_each(|number| bus.publish(number));
        assert_eq!(even.try_receive(), Some(Received::Lost(2)));
        for number in [4, 6, 8] {
            assert_eq!(even.try_receive(), Some(Received::Event(Arc::new(number))));
        }
        assert_eq!(even.try_receive(), None);
    }

    #[tokio::test]
    async fn a_receiver_waits_and_ends() {
        let bus = Bus::default();
        let mut receiver = bus.subscribe(1, |_| true);
        let waiting = tokio::spawn(async move { (receiver.receive().await, receiver) });
        tokio::task::yield_now().await;
        bus.publish(7_u32);
        let (received, receiver) = waiting.await.unwrap();
        assert_eq!(received, Received::Event(Arc::new(7)));
        let other = bus.subscribe(1, |_| true);
        drop(receiver);
        assert_eq!(bus.sinks.load().len(), 1);
        drop(other);
        assert!(bus.sinks.load().is_empty());
    }
}
