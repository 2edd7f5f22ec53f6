//! The connections that are open, by their ids.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use wire::Timestamp;

/// What others ask of a connection.
#[derive(Debug)]
pub enum Command {
    /// Send a message; the answer says whether it went out.
    Send(Bytes, oneshot::Sender<bool>),
    Close,
}

/// One open connection, as others see it.
#[derive(Debug)]
pub struct Connection {
    pub api: String,
    pub stage: String,
    pub connected_at: Timestamp,
    /// Milliseconds.
    last_active: AtomicI64,
    pub source_ip: String,
    pub user_agent: String,
    pub commands: mpsc::Sender<Command>,
}

impl Connection {
    pub fn new(
        api: &str,
        stage: &str,
        now: Timestamp,
        source_ip: &str,
        user_agent: &str,
        commands: mpsc::Sender<Command>,
    ) -> Self {
        Self {
            api: api.to_owned(),
            stage: stage.to_owned(),
            connected_at: now,
            last_active: AtomicI64::new(now.millis()),
            source_ip: source_ip.to_owned(),
            user_agent: user_agent.to_owned(),
            commands,
        }
    }

    pub fn touch(&self, now: Timestamp) {
        self.last_active.store(now.millis(), Ordering::Relaxed);
    }

    pub fn last_active(&self) -> Timestamp {
        Timestamp::from_millis(self.last_active.load(Ordering::Relaxed))
    }
}

#[derive(Default)]
pub struct Connections(Mutex<HashMap<String, Arc<Connection>>>);

impl Connections {
    pub fn put(&self, id: &str, connection: Arc<Connection>) {
        self.lock().insert(id.to_owned(), connection);
    }

    /// A connection of a stage.
    pub fn get(&self, id: &str, api: &str, stage: &str) -> Option<Arc<Connection>> {
        self.lock().get(id).filter(|known| known.api == api && known.stage == stage).cloned()
    }

    pub fn remove(&self, id: &str) {
        self.lock().remove(id);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Connection>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
