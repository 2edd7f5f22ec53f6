//! Extensions of an environment: who they are, what they wait for, and when they are done.
//!
//! External extensions are programs of a layer, started before the runtime; internal ones are part of the runtime's process.
//! An environment is ready when its runtime and all external extensions have asked for what comes next, and an invocation has
//! ended when they have asked again. <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html>

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::telemetry::{Hub, Kind};

/// What extensions are told of their function.
#[derive(Clone, Debug, Default)]
pub struct About {
    pub name: String,
    pub version: String,
    pub handler: String,
    pub account: String,
    /// The files of the external extensions.
    pub external: Vec<String>,
}

/// Why extensions make an environment unusable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// `Extension.Crash`
    pub kind: &'static str,
    pub message: String,
}

/// Where an extension is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Registered,
    /// It waits for the next event.
    Waiting,
    Working,
    Ended,
}

pub struct Extension {
    pub name: String,
    pub state: State,
    invoke: bool,
    shutdown: bool,
    event: watch::Sender<Option<Value>>,
}

/// Refusals, by AWS's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    Closed,
    Name,
    Event,
    TooMany,
    Unknown,
}

/// The most extensions that an environment may have.
const MOST: usize = 10;

#[derive(Default)]
pub struct Agents {
    pub hub: Hub,
    any: AtomicBool,
    about: watch::Sender<Option<About>>,
    /// By identifier.
    members: Mutex<BTreeMap<String, Extension>>,
    fault: Mutex<Option<Fault>>,
    /// Changes whenever an extension does.
    changed: watch::Sender<u64>,
    /// The runtime has asked for its first invocation.
    closed: AtomicBool,
    /// What the log is to say, in the order in which it happened.
    announced: Mutex<Vec<Announcement>>,
    identifiers: AtomicU64,
}

/// Something that the log says of an extension.
pub struct Announcement {
    /// `platform.extension`
    pub kind: &'static str,
    pub line: String,
    pub record: Value,
}

impl Agents {
    /// Says whose environment it is; extensions that came earlier have waited for it.
    pub fn introduce(&self, about: About) {
        if !about.external.is_empty() {
            self.hub.expect();
        }
        self.about.send_replace(Some(about));
    }

    pub async fn about(&self) -> About {
        let mut about = self.about.subscribe();
        about.wait_for(Option::is_some).await.ok().and_then(|about| about.clone()).unwrap_or_default()
    }

    /// Whether there are extensions at all.
    pub fn any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    pub fn register(&self, id: String, about: &About, name: &str, events: &[String]) -> Result<(), Refusal> {
        let external = about.external.iter().any(|file| file == name);
        let mut members = self.members.lock();
        if !external && self.closed.load(Ordering::Acquire) {
            return Err(Refusal::Closed);
        }
        if name.is_empty() || members.values().any(|other| other.name == name) {
            return Err(Refusal::Name);
        }
        if members.len() >= MOST {
            return Err(Refusal::TooMany);
        }
        let has = |event: &str| events.iter().any(|other| other == event);
        let known = events.iter().all(|event| event == "INVOKE" || event == "SHUTDOWN");
        if !known || (!external && has("SHUTDOWN")) {
            return Err(Refusal::Event);
        }
        let extension = Extension {
            name: name.to_owned(),
            state: State::Registered,
            invoke: has("INVOKE"),
            shutdown: has("SHUTDOWN"),
            event: watch::channel(None).0,
        };
        members.insert(id, extension);
        self.any.store(true, Ordering::Release);
        Ok(())
    }

    /// The name of a registered extension, and where it is.
    pub fn find(&self, id: &str) -> Option<(String, State)> {
        self.members.lock().get(id).map(|member| (member.name.clone(), member.state))
    }

    /// Waits for the extension's next event.
    pub async fn next(&self, id: &str) -> Result<Value, Refusal> {
        let mut event = {
            let mut members = self.members.lock();
            let member = members.get_mut(id).ok_or(Refusal::Unknown)?;
            // An event that came while nobody asked is the answer.
            if member.event.borrow().is_none() {
                member.state = State::Waiting;
            }
            member.event.subscribe()
        };
        self.touch();
        let value = event.wait_for(Option::is_some).await.ok().and_then(|event| event.clone());
        if let Some(member) = self.members.lock().get_mut(id) {
            member.event.send_replace(None);
        }
        value.ok_or(Refusal::Unknown)
    }

    pub fn fail(&self, kind: &'static str, message: String) {
        self.fault.lock().get_or_insert(Fault { kind, message });
        self.touch();
    }

    /// An external extension's process has ended.
    pub fn ended(&self, name: &str, status: &str) {
        let mut shutting = false;
        for member in self.members.lock().values_mut().filter(|member| member.name == name) {
            shutting = member.shutdown && member.state == State::Working;
            member.state = State::Ended;
        }
        if !shutting {
            self.fault
                .lock()
                .get_or_insert(Fault { kind: "Extension.Crash", message: format!("exit status {status}") });
        }
        self.touch();
    }

    /// An identifier that this environment has not given out yet.
    pub fn identifier(&self) -> String {
        format!("00000000-0000-4000-8000-{:012x}", self.identifiers.fetch_add(1, Ordering::Relaxed) + 1)
    }

    pub fn announce(&self, name: &str, events: &[String]) {
        self.announced.lock().push(Announcement {
            kind: "platform.extension",
            line: format!("EXTENSION\tName: {name}\tState: Ready\tEvents: [{}]", events.join(", ")),
            record: json!({ "name": name, "state": "Ready", "events": events }),
        });
    }

    /// `api`: `Telemetry` or `Logs`.
    pub fn announce_subscription(&self, api: &str, name: &str, kinds: &[Kind]) {
        let titles: Vec<&str> = kinds.iter().map(|kind| kind.title()).collect();
        let (kind, word) = match api {
            "Logs" => ("platform.logsSubscription", "LOGS"),
            _ => ("platform.telemetrySubscription", "TELEMETRY"),
        };
        let types: Vec<String> = titles.iter().map(|title| title.to_lowercase()).collect();
        self.announced.lock().push(Announcement {
            kind,
            line: format!("{word}\tName: {name}\tState: Subscribed\tTypes: [{}]", titles.join(", ")),
            record: json!({ "name": name, "state": "Subscribed", "types": types }),
        });
    }

    pub fn announced(&self) -> Vec<Announcement> {
        std::mem::take(&mut *self.announced.lock())
    }

    fn touch(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    /// Waits for an extension to fail; forever if none does.
    pub async fn failed(&self) -> Fault {
        match self.until(|_| false).await {
            Err(fault) => fault,
            Ok(()) => std::future::pending().await,
        }
    }

    /// Waits until every external extension waits for its first event, or one has failed.
    pub async fn initialised(&self) -> Result<(), Fault> {
        let external = self.about.borrow().as_ref().map(|about| about.external.clone()).unwrap_or_default();
        self.until(|members| {
            external
                .iter()
                .all(|name| members.values().any(|member| member.name == *name && member.state != State::Registered))
        })
        .await
    }

    /// Gives an invocation to those who asked for such.
    pub fn invoke(&self, event: &Value) {
        self.dispatch(event, |member| member.invoke);
    }

    /// Waits until nobody works on an invocation any more.
    pub async fn rested(&self) -> Result<(), Fault> {
        self.until(|members| members.values().all(|member| member.state != State::Working)).await
    }

    /// Whether anybody wants to know of the end.
    pub fn wants_shutdown(&self) -> bool {
        self.any() && self.members.lock().values().any(|member| member.shutdown && member.state != State::Ended)
    }

    pub fn shut_down(&self, reason: &str, deadline_millis: i64) {
        let event = json!({ "eventType": "SHUTDOWN", "shutdownReason": reason, "deadlineMs": deadline_millis });
        self.dispatch(&event, |member| member.shutdown);
    }

    /// Waits until everybody who was told of the end has ended.
    pub async fn gone(&self) {
        let _ =
            self.until(|members| members.values().all(|member| !member.shutdown || member.state == State::Ended)).await;
    }

    fn dispatch(&self, event: &Value, to: impl Fn(&Extension) -> bool) {
        for member in self.members.lock().values_mut().filter(|member| to(member) && member.state != State::Ended) {
            member.state = State::Working;
            member.event.send_replace(Some(event.clone()));
        }
    }

    async fn until(&self, condition: impl Fn(&BTreeMap<String, Extension>) -> bool) -> Result<(), Fault> {
        let mut changed = self.changed.subscribe();
        loop {
            changed.borrow_and_update();
            if let Some(fault) = self.fault.lock().clone() {
                return Err(fault);
            }
            if condition(&self.members.lock()) {
                return Ok(());
            }
            if changed.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about() -> About {
        About { name: "f".into(), external: vec!["outer".into()], ..About::default() }
    }

    #[tokio::test]
    async fn from_registration_to_the_end() {
        let agents = Agents::default();
        agents.introduce(about());
        let events = ["INVOKE".to_owned(), "SHUTDOWN".to_owned()];
        assert_eq!(agents.register("i".into(), &about(), "inner", &events), Err(Refusal::Event));
        assert_eq!(agents.register("i".into(), &about(), "inner", &events[..1]), Ok(()));
        assert_eq!(agents.register("j".into(), &about(), "inner", &[]), Err(Refusal::Name));
        agents.close();
        assert_eq!(agents.register("k".into(), &about(), "late", &[]), Err(Refusal::Closed));
        assert_eq!(agents.register("o".into(), &about(), "outer", &events), Ok(()));
        let (first, ()) = tokio::join!(agents.next("o"), async {
            agents.initialised().await.unwrap();
            agents.invoke(&json!({ "eventType": "INVOKE" }));
        });
        assert_eq!(first.unwrap()["eventType"], "INVOKE");
        agents.next("i").await.unwrap();
        let (end, _, ()) =
            tokio::join!(agents.next("o"), tokio::time::timeout(std::time::Duration::ZERO, agents.next("i")), async {
                agents.rested().await.unwrap();
                agents.shut_down("spindown", 7);
            });
        assert_eq!(end.unwrap(), json!({ "eventType": "SHUTDOWN", "shutdownReason": "spindown", "deadlineMs": 7 }));
        agents.ended("outer", "0");
        agents.gone().await;
        assert!(!agents.wants_shutdown() && agents.rested().await.is_ok());
    }

    #[tokio::test]
    async fn an_extension_that_crashes_is_a_fault() {
        let agents = Agents::default();
        agents.introduce(about());
        agents.ended("outer", "3");
        let fault = Fault { kind: "Extension.Crash", message: "exit status 3".into() };
        assert_eq!(agents.initialised().await, Err(fault));
        assert_eq!(agents.next("nobody").await, Err(Refusal::Unknown));
    }
}
