//! Mappings in the store.
//!
//! ```text
//! lambda/mapping        account region uuid         the mapping
//! lambda/mapping-place  uuid shard                  how far it has come in a shard
//! ```

use std::collections::BTreeMap;

use lambda_api as api;
use serde::{Deserialize, Serialize};
use service::{Key, Range, StoreError, Timestamp, from_record};
use store::{Store, Transaction};

use super::window::Window;
use crate::arn::Reference;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Mapping {
    pub uuid: String,
    pub account: String,
    pub region: String,
    /// Name and qualifier of the function.
    pub function: String,
    pub qualifier: Option<String>,
    pub source: String,
    pub enabled: bool,
    pub batch_size: i32,
    /// Seconds that records wait for others.
    pub window: i32,
    pub parallelization: i32,
    /// The seconds of a tumbling window, or 0.
    #[serde(default)]
    pub tumbling: i32,
    /// `TRIM_HORIZON` or `LATEST`.
    pub position: String,
    /// Patterns; a record that matches one of them is passed on.
    pub filters: Vec<String>,
    /// Seconds; -1 for no limit.
    pub max_age: i32,
    /// -1 for no limit.
    pub max_retries: i32,
    pub bisect: bool,
    pub partial_failures: bool,
    pub on_failure: Option<String>,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    pub modified: i64,
    /// What became of the latest batch.
    pub last_result: String,
    /// Changes with the mapping, so that a poller knows when it is out of date.
    pub revision: u64,
}

/// How far a mapping has come in a shard.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// The last record that was dealt with.
    pub sequence: Option<String>,
    /// Where to begin when no record was dealt with yet.
    pub iterator: Option<String>,
    /// The shard was read to its end.
    pub finished: bool,
    /// The tumbling window that is open, with its state after that record.
    #[serde(default)]
    pub window: Option<Window>,
}

pub fn mappings_key(account: &str, region: &str) -> Key {
    Key::new("lambda/mapping").text(account).text(region)
}

pub fn places_key(uuid: &str) -> Key {
    Key::new("lambda/mapping-place").text(uuid)
}

impl Mapping {
    pub fn key(&self) -> Key {
        mappings_key(&self.account, &self.region).text(&self.uuid)
    }

    pub fn reference(&self) -> Reference {
        let reference = Reference::new(&self.region, &self.account, &self.function);
        Reference { qualifier: self.qualifier.clone(), ..reference }
    }

    pub fn arn(&self) -> String {
        format!("arn:aws:lambda:{}:{}:event-source-mapping:{}", self.region, self.account, self.uuid)
    }

    /// As AWS shows it. `state`: `Enabled`, or a word for what a request has just begun.
    pub fn describe(&self, state: &str) -> api::EventSourceMappingConfiguration {
        let filters = self.filters.iter().map(|pattern| api::Filter { pattern: Some(pattern.clone()) });
        let responses = vec![api::FunctionResponseType::ReportBatchItemFailures];
        api::EventSourceMappingConfiguration {
            uuid: Some(self.uuid.clone()),
            starting_position: Some(api::EventSourcePosition::from(self.position.as_str())),
            batch_size: Some(self.batch_size),
            maximum_batching_window_in_seconds: Some(self.window),
            parallelization_factor: Some(self.parallelization),
            event_source_arn: Some(self.source.clone()),
            filter_criteria: (!self.filters.is_empty())
                .then(|| api::FilterCriteria { filters: Some(filters.collect()) }),
            function_arn: Some(self.reference().to_string()),
            last_modified: Some(Timestamp::from_millis(self.modified)),
            last_processing_result: Some(self.last_result.clone()),
            state: Some(state.to_owned()),
            state_transition_reason: Some("User action".to_owned()),
            destination_config: Some(api::DestinationConfig {
                on_success: None,
                on_failure: Some(api::OnFailure { destination: self.on_failure.clone() }),
            }),
            maximum_record_age_in_seconds: Some(self.max_age),
            bisect_batch_on_function_error: Some(self.bisect),
            maximum_retry_attempts: Some(self.max_retries),
            tumbling_window_in_seconds: Some(self.tumbling),
            function_response_types: Some(if self.partial_failures { responses } else { Vec::new() }),
            event_source_mapping_arn: Some(self.arn()),
            ..api::EventSourceMappingConfiguration::default()
        }
    }

    pub fn state(&self) -> &'static str {
        if self.enabled { "Enabled" } else { "Disabled" }
    }
}

pub fn find(store: &Store, account: &str, region: &str, uuid: &str) -> Result<Option<Mapping>, StoreError> {
    let record = store.get(mappings_key(account, region).text(uuid).as_slice())?;
    record.map(|record| from_record(&record)).transpose()
}

/// The mappings of every account and region.
pub fn all(store: &Store) -> Result<Vec<Mapping>, StoreError> {
    store.scan(Range::prefix(Key::new("lambda/mapping"))).map(|entry| from_record(&entry?.1)).collect()
}

pub fn place(store: &Store, uuid: &str, shard: &str) -> Result<Option<Place>, StoreError> {
    let record = store.get(places_key(uuid).text(shard).as_slice())?;
    record.map(|record| from_record(&record)).transpose()
}

/// Removes a mapping and its places.
pub fn remove(tx: &mut Transaction<'_>, mapping: &Mapping) -> Result<(), StoreError> {
    tx.delete(mapping.key());
    tx.delete_range(Range::prefix(places_key(&mapping.uuid))).map(drop)
}
