//! Throttling of provisioned tables and indexes, where it was asked for: a bucket for each, and for each direction.
//!
//! A bucket fills at the provisioned rate and holds what five minutes fill, as AWS's burst capacity does. A request is
//! let in while there is anything in the bucket and then takes what it consumed, even if that is more. Buckets are in
//! memory and begin full. Local indexes take from their table's buckets.

use std::collections::HashMap;

use parking_lot::Mutex;
use serde_json::json;
use service::{ApiError, Context};

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

/// What is said where a bucket is empty.
fn exceeded(table: &Table, index: IndexNumber, direction: Direction) -> Error {
    let name = table.indexes.iter().find(|known| known.number == index).map(|known| &known.name);
    let text = match name {
        None => {
            "The level of configured provisioned throughput for the table was exceeded. Consider increasing your \
             provisioning level with the UpdateTable API."
        }
        Some(_) => {
            "The level of configured provisioned throughput for one or more global secondary indexes of the table was \
             exceeded. Consider increasing your provisioning level for the under-provisioned global secondary indexes \
             with the UpdateTable API."
        }
    };
    let (kind, resource) = match name {
        None => ("Table", table.arn()),
        Some(name) => ("Index", format!("{}/index/{name}", table.arn())),
    };
    let direction = match direction {
        Direction::Read => "Read",
        Direction::Write => "Write",
    };
    let reason = json!({ "reason": format!("{kind}{direction}ProvisionedThroughputExceeded"), "resource": resource });
    let reply = ApiError::new(400, "ProvisionedThroughputExceededException", text);
    Error::Reply(Box::new(reply.with("ThrottlingReasons", json!([reason]))))
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
            return Err(exceeded(table, index, direction));
        }
        Ok(())
    }

    /// Lets a read of a table or of one index in.
    pub fn admit_read(&self, cx: &Context, table: &Table, index: IndexNumber) -> Result<(), Error> {
        self.admit(cx, table, Direction::Read, [index])
    }

    /// Lets a write of a table in, which may change all of its indexes.
    pub fn admit_write(&self, cx: &Context, table: &Table) -> Result<(), Error> {
        let indexes = table.indexes.iter().map(|index| index.number);
        self.admit(cx, table, Direction::Write, std::iter::once(PRIMARY).chain(indexes))
    }

    /// Takes what was consumed.
    pub fn charge(&self, cx: &Context, table: &Table, direction: Direction, consumed: &Consumed) {
        if !table.scaling.is_empty() {
            self.meter.count(table, direction, consumed, cx.now().millis());
        }
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
        let arn = "arn:aws:dynamodb:us-east-1:000000000000:table/tab";
        let reason = json!({ "reason": "TableWriteProvisionedThroughputExceeded", "resource": arn });
        assert_eq!(refused.members, [("ThrottlingReasons", json!([reason]))]);
        bench.get("a", "0");
        bench.cloud.clock.advance(2000);
        assert_eq!((0..10).take_while(|n| put(*n).is_ok()).count(), 2);
    }

    #[test]
    fn batches_leave_out_what_is_throttled() {
        let bench = bench();
        let item = |n: usize| json!({ "pk": { "S": "a" }, "sk": { "S": format!("{n:03}") } });
        let write = |from: usize| {
            let writes: Vec<_> = (from..from + 25).map(|n| json!({ "PutRequest": { "Item": item(n) } })).collect();
            bench.call("BatchWriteItem", json!({ "RequestItems": { "tab": writes } }))
        };
        let left = |output: &serde_json::Value| output["UnprocessedItems"]["tab"].as_array().map_or(0, Vec::len);
        let put = |n: usize| bench.ok("PutItem", json!({ "TableName": "tab", "Item": item(n) }));
        (900..910).for_each(|n| drop(put(n)));
        for batch in 0..11 {
            assert_eq!(left(&write(batch * 25).unwrap()), 0);
        }
        let last = write(275).unwrap();
        assert_eq!(left(&last), 10);
        assert_eq!(last["UnprocessedItems"]["tab"][0]["PutRequest"]["Item"], item(290));
        assert!(bench.get("a", "290").is_null() && !bench.get("a", "289").is_null());
        assert_eq!(write(300).unwrap_err().code, "ProvisionedThroughputExceededException");

        let bench = super::tests::bench();
        bench.put("a", "1", json!({ "text": { "S": "x".repeat(40_000) } }));
        bench.put("a", "2", json!({ "text": { "S": "x".repeat(40_000) } }));
        let keys = json!([{ "pk": { "S": "a" }, "sk": { "S": "1" } }, { "pk": { "S": "a" }, "sk": { "S": "2" } }]);
        let get = || {
            let wanted = json!({ "tab": { "Keys": keys, "ConsistentRead": true } });
            bench.call("BatchGetItem", json!({ "RequestItems": wanted }))
        };
        (0..14).for_each(|_| assert_eq!(get().unwrap()["Responses"]["tab"].as_array().unwrap().len(), 2));
        let single = json!({ "TableName": "tab", "Key": keys[0], "ConsistentRead": true });
        bench.ok("GetItem", single);
        let half = get().unwrap();
        assert_eq!(half["Responses"]["tab"].as_array().unwrap().len(), 1);
        assert_eq!(half["UnprocessedKeys"]["tab"]["Keys"], json!([keys[1]]));
        assert_eq!(get().unwrap_err().code, "ProvisionedThroughputExceededException");
    }

    #[test]
    fn transactions_are_cancelled() {
        let bench = bench();
        bench.create("free", &["pk", "sk"], json!({}));
        let item = |sk: &str| json!({ "pk": { "S": "a" }, "sk": { "S": sk } });
        let write = || {
            let put = |table: &str| json!({ "Put": { "TableName": table, "Item": item("1") } });
            bench.call("TransactWriteItems", json!({ "TransactItems": [put("free"), put("tab")] }))
        };
        assert_eq!((0..400).take_while(|_| write().is_ok()).count(), 150, "two units each");
        let refused = write().unwrap_err();
        assert_eq!(refused.code, "TransactionCanceledException");
        assert!(refused.message.ends_with("[None, ProvisionedThroughputExceeded]"), "{}", refused.message);
        let get = || {
            let get = json!({ "Get": { "TableName": "tab", "Key": item("1") } });
            bench.call("TransactGetItems", json!({ "TransactItems": [get] }))
        };
        assert_eq!((0..400).take_while(|_| get().is_ok()).count(), 150);
        assert!(get().unwrap_err().message.ends_with("[ProvisionedThroughputExceeded]"));
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
