//! AWS CloudTrail: the record of calls, but for what services read on somebody's behalf (polling would fill it).
//!
//! Calls come from the stream of events ([`service::Event::Audit`]) without waiting: they are gathered in memory and written
//! to the store in batches, at most [`WINDOW`] later, so that the trail costs a call next to nothing. A killed process
//! can lose the events of that window, as they are not part of what the call acknowledged. Events are kept for 90 days
//! and at most [`MOST`] of them. Unlike AWS's event history, which leaves them out, it also tells of data events.

mod chunk;
mod error;
mod event;
mod ops;
mod trail;

use service::{AnyOperation, Cloud, Random, Service, Store};
use std::sync::Arc;
use wire::ServiceModel;

pub use error::Error;
use trail::Trail;
pub use trail::{MOST, WINDOW};

service::operations! { CloudTrail, cloudtrail_api: LookupEvents }

/// See the module.
pub struct CloudTrail {
    trail: Arc<Trail>,
}

impl CloudTrail {
    pub fn new(store: Store, random: Random) -> Self {
        CloudTrail { trail: Trail::new(store, random) }
    }
}

impl Service for CloudTrail {
    fn model(&self) -> &'static ServiceModel {
        &cloudtrail_api::SERVICE_MODEL
    }

    fn operations(&self) -> &'static [&'static dyn AnyOperation] {
        OPERATIONS
    }

    fn start(&self, cloud: &Arc<Cloud>) {
        cloud.events.attach(self.trail.clone());
        tokio::spawn(self.trail.clone().run());
    }

    fn reset(&self) {
        self.trail.forget();
    }
}
