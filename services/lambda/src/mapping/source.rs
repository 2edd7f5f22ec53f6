//! What a mapping reads. Every call is made as the role of the function, which needs the permissions for it.

use dynamodbstreams_api as streams;
use serde_json::Value;
use service::{ApiError, Context, Principal, Timestamp};
use wire::json::{JsonEncoder, Names};
use wire::{Shape, Structure};

/// A shard of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    pub id: String,
    pub parent: Option<String>,
    /// Nothing is written to it any more.
    pub closed: bool,
}

/// A record, as far as a poller needs to understand it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub sequence: String,
    /// What its order is kept within.
    pub partition: String,
    pub arrived: Timestamp,
    /// As the function sees it.
    pub event: Value,
}

/// Where to begin in a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Position {
    TrimHorizon,
    Latest,
    After(String),
}

/// A stream that somebody reads.
pub struct Source {
    pub arn: String,
    cx: Context,
    principal: Principal,
}

impl Source {
    /// `cx` is Lambda's own, in the mapping's account and region.
    pub fn new(cx: &Context, arn: &str, principal: Principal) -> Self {
        // Says to conditions and to the trail that Lambda reads, with the role.
        let cx = cx.acting_as(Principal::service("lambda.amazonaws.com"), &[("aws:SourceArn", arn)]);
        Self { arn: arn.to_owned(), cx, principal }
    }

    pub async fn shards(&self) -> Result<Vec<Shard>, ApiError> {
        let mut shards = Vec::new();
        let mut start = None;
        loop {
            let request = streams::DescribeStreamInput {
                stream_arn: self.arn.clone(),
                exclusive_start_shard_id: start.take(),
                ..streams::DescribeStreamInput::default()
            };
            let answer = self.cx.call::<streams::DescribeStream>(self.principal.clone(), request).await?;
            let description = answer.stream_description.unwrap_or_default();
            shards.extend(description.shards.unwrap_or_default().into_iter().map(|shard| Shard {
                id: shard.shard_id.unwrap_or_default(),
                parent: shard.parent_shard_id,
                closed: shard.sequence_number_range.is_some_and(|range| range.ending_sequence_number.is_some()),
            }));
            start = description.last_evaluated_shard_id;
            if start.is_none() {
                return Ok(shards);
            }
        }
    }

    pub async fn iterator(&self, shard: &str, position: &Position) -> Result<Option<String>, ApiError> {
        use streams::ShardIteratorType as Type;
        let (kind, sequence) = match position {
            Position::TrimHorizon => (Type::TrimHorizon, None),
            Position::Latest => (Type::Latest, None),
            Position::After(sequence) => (Type::AfterSequenceNumber, Some(sequence.clone())),
        };
        let request = streams::GetShardIteratorInput {
            stream_arn: self.arn.clone(),
            shard_id: shard.to_owned(),
            shard_iterator_type: kind,
            sequence_number: sequence,
            ..streams::GetShardIteratorInput::default()
        };
        let answer = self.cx.call::<streams::GetShardIterator>(self.principal.clone(), request).await?;
        Ok(answer.shard_iterator)
    }

    /// The next records, and where the ones after them begin; `None` at the end of the shard.
    pub async fn read(&self, iterator: &str) -> Result<(Vec<Entry>, Option<String>), ApiError> {
        let request = streams::GetRecordsInput { shard_iterator: iterator.to_owned(), limit: None };
        let answer = self.cx.call::<streams::GetRecords>(self.principal.clone(), request).await?;
        let entries = answer.records.unwrap_or_default().into_iter().map(|record| self.entry(&record));
        Ok((entries.collect(), answer.next_shard_iterator))
    }

    fn entry(&self, record: &streams::Record) -> Entry {
        let mut encoder = JsonEncoder::new(streams::Record::SCHEMA, Names::Model);
        record.encode(&mut encoder);
        let mut event: Value = serde_json::from_slice(&encoder.finish()).unwrap_or_default();
        event["eventSourceARN"] = self.arn.clone().into();
        let change = record.dynamodb.clone().unwrap_or_default();
        Entry {
            sequence: change.sequence_number.unwrap_or_default(),
            partition: event["dynamodb"]["Keys"].to_string(),
            arrived: change.approximate_creation_date_time.unwrap_or_default(),
            event,
        }
    }
}
