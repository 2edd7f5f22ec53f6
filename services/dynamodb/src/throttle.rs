//! Throttling of provisioned tables and indexes, where it was asked for: a bucket for each, and for each direction.
//!
//! A bucket fills at the provisioned rate and holds what five minutes fill, as AWS's burst capacity does. A request is
//! let in while there is anything in the bucket and then takes what it consumed, even if that is more. Buckets are in
//! memory and begin full. Local indexes take from their table's buckets.

use std::collections::HashMap;

use parking_lot::Mutex;
use service::Context;

use crate::DynamoDb;
use crate::capacity::{Consumed, Direction};
use crate::error::Error;
use crate::table::{IndexNumber, PRIMARY, Scope, Table, Throughput};

const BURST_SECONDS: f64 = 300.0;

#[derive(Debug, Default)]
pub struct Throttle {
    buckets: Mutex<HashMap<(u64, IndexNumber, Direction), Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    units: f64,
    at: i64,
}

impl Throttle {
    /// Changes what is in a bucket, filled up to now; returns what there was.
    fn take(&self, of: (u64, IndexNumber, Direction), rate: f64, now: i64, units: f64) -> f64 {
        let mut buckets = self.buckets.lock();
        let full = rate * BURST_SECONDS;
        let bucket = buckets.entry(of).or_insert(Bucket { units: full, at: now });
        bucket.units = (bucket.units + rate * (now - bucket.at).max(0) as f64 / 1000.0).min(full);
        bucket.at = now;
        let before = bucket.units;
        bucket.units -= units;
        before
    }

    pub fn clear(&self) {
        self.buckets.lock().clear();
    }
}

fn rate(throughput: Throughput, direction: Direction) -> Option<f64> {
    match (throughput, direction) {
        (Throughput::OnDemand, _) => None,
        (Throughput::Provisioned { read, .. }, Direction::Read) => Some(read as f64),
        (Throughput::Provisioned { write, .. }, Direction::Write) => Some(write as f64),
    }
}

/// The bucket of an index and its rate; those of the table itself for local indexes.
fn bucket(table: &Table, index: IndexNumber, direction: Direction) -> Option<(IndexNumber, f64)> {
    let global = table.indexes.iter().find(|known| known.number == index && known.scope == Scope::Global);
    match global {
        Some(global) => Some((index, rate(global.throughput, direction)?)),
        None => Some((PRIMARY, rate(table.throughput, direction)?)),
    }
}

impl DynamoDb {
    /// A service that throttles.
    pub fn throttling() -> DynamoDb {
        DynamoDb { throttle: Some(Default::default()), ..DynamoDb::default() }
    }

    /// Lets a request in, unless the table or one of the indexes that it is about has nothing left.
    pub fn admit(
        &self,
        cx: &Context,
        table: &Table,
        direction: Direction,
        indexes: impl IntoIterator<Item = IndexNumber>,
    ) -> Result<(), Error> {
        let Some(throttle) = &self.throttle else { return Ok(()) };
        for index in indexes {
            let Some((index, rate)) = bucket(table, index, direction) else { continue };
            if throttle.take((table.number, index, direction), rate, cx.now().millis(), 0.0) > 0.0 {
                continue;
            }
            return Err(Error::ProvisionedThroughputExceeded(match index {
                PRIMARY => {
                    "The level of configured provisioned throughput for the table was exceeded. Consider increasing \
                            your provisioning level with the UpdateTable API."
                        .to_owned()
                }
                _ => "The level of configured provisioned throughput for one or more global secondary indexes of the \
                      table was exceeded. Consider increasing your provisioning level for the under-provisioned global \
                      secondary indexes with the UpdateTable API."
                    .to_owned(),
            }));
        }
        Ok(())
    }

    /// Lets a read of a table or of one index in.
    pub fn admit_read(&self, cx: &Context, table: &Table, index: IndexNumber) -> Result<(), Error> {
        self.admit(cx, table, Direction::Read, [index])
    }

    /// Takes what was consumed.
    pub fn charge(&self, cx: &Context, table: &Table, direction: Direction, consumed: &Consumed) {
        let Some(throttle) = &self.throttle else { return };
        for (index, units) in consumed.by_index() {
            if let Some((index, rate)) = bucket(table, index, direction) {
                throttle.take((table.number, index, direction), rate, cx.now().millis(), units.value());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::DynamoDb;
    use crate::testing::Bench;

    fn bench() -> Bench {
        let mut bench = Bench::new();
        bench.db = DynamoDb::throttling();
        bench.create(
            "tab",
            &["pk", "sk"],
            json!({
                "BillingMode": "PROVISIONED",
                "ProvisionedThroughput": { "ReadCapacityUnits": 1, "WriteCapacityUnits": 1 },
            }),
        );
        bench
    }

    #[test]
    fn bursts_end_and_time_heals() {
        let bench = bench();
        let put = |n: usize| {
            let item = json!({ "pk": { "S": "a" }, "sk": { "S": n.to_string() } });
            bench.call("PutItem", json!({ "TableName": "tab", "Item": item }))
        };
        let accepted = (0..400).take_while(|n| put(*n).is_ok()).count();
        assert_eq!(accepted, 300);
        let refused = put(0).unwrap_err();
        assert_eq!((refused.code.as_str(), refused.status), ("ProvisionedThroughputExceededException", 400));
        bench.get("a", "0");
        bench.cloud.clock.advance(2000);
        assert_eq!((0..10).take_while(|n| put(*n).is_ok()).count(), 2);
    }

    #[test]
    fn reads_have_buckets_of_their_own() {
        let bench = bench();
        bench.put("a", "1", json!({ "text": { "S": "x".repeat(40_000) } }));
        let query = || {
            bench.call(
                "Query",
                json!({
                    "TableName": "tab", "KeyConditionExpression": "pk = :p", "ConsistentRead": true,
                    "ExpressionAttributeValues": { ":p": { "S": "a" } },
                }),
            )
        };
        assert_eq!((0..100).take_while(|_| query().is_ok()).count(), 30, "ten units each");
        bench.put("a", "2", json!({}));
        let on_demand = json!({ "TableName": "tab", "BillingMode": "PAY_PER_REQUEST" });
        bench.ok("UpdateTable", on_demand);
        query().unwrap();
    }
}
