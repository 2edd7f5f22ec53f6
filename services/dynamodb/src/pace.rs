//! How long tables and their indexes take to be made, changed and deleted. By default that is no time at all: statuses such as
//! `CREATING` are seen only in the answers of the requests that bring them about. Where delays were asked for, they last some
//! seconds of the cloud's clock, and what AWS refuses meanwhile is refused here. Only a table that is being imported is always
//! busy, until its import has ended.
//!
//! The record of a table says until when it is busy; nothing has to happen at that moment. A table whose deletion is over is
//! removed by whoever looks at it next, and no list shows it.

use dynamodb_api as api;
use serde::{Deserialize, Serialize};
use service::Context;

use crate::DynamoDb;
use crate::error::Error;
use crate::ops::replica;
use crate::store::{read_table, table_key};
use crate::table::{IndexNumber, Table};

/// Milliseconds of each kind of work; AWS's vary around these.
const CREATING: i64 = 6_000;
const UPDATING: i64 = 4_000;
const INDEXING: i64 = 30_000;
/// Of which so many pass before it is filled.
const PREPARING: i64 = 10_000;
const REPLICATING: i64 = 8_000;
const DELETING: i64 = 5_000;
/// How long an import takes at least.
pub const IMPORTING: i64 = 10_000;

/// What is being done to a table, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Busy {
    pub work: Work,
    pub until: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Work {
    Creating,
    Updating,
    /// A global index is being filled.
    Indexing(IndexNumber),
    /// So many replicas are being made; they are the last of the table's.
    Replicating(usize),
    /// Until whoever imports says that it is over.
    Importing,
    Deleting,
}

impl Work {
    fn millis(self) -> i64 {
        match self {
            Work::Creating => CREATING,
            Work::Updating => UPDATING,
            Work::Indexing(_) => INDEXING,
            Work::Replicating(_) => REPLICATING,
            Work::Importing => i64::MAX,
            Work::Deleting => DELETING,
        }
    }
}

impl Table {
    /// What is being done to the table at this moment.
    pub fn work(&self, now: i64) -> Option<Work> {
        self.busy.as_ref().filter(|busy| now < busy.until).map(|busy| busy.work)
    }

    pub fn status(&self, now: i64) -> api::TableStatus {
        match self.work(now) {
            None => api::TableStatus::Active,
            Some(Work::Creating | Work::Importing) => api::TableStatus::Creating,
            Some(Work::Updating | Work::Indexing(_) | Work::Replicating(_)) => api::TableStatus::Updating,
            Some(Work::Deleting) => api::TableStatus::Deleting,
        }
    }

    pub fn is_building(&self, index: IndexNumber, now: i64) -> bool {
        self.work(now) == Some(Work::Indexing(index))
    }

    /// Of an index that is being made, whether its filling has begun; nothing of one that is ready.
    pub fn filling(&self, index: IndexNumber, backfill: Option<&Vec<u8>>, now: i64) -> Option<bool> {
        match (backfill, &self.busy) {
            (Some(after), _) => Some(!after.is_empty()),
            (None, Some(busy)) if self.is_building(index, now) => Some(busy.until - now <= INDEXING - PREPARING),
            _ => None,
        }
    }

    /// Whether the replica in a region is still being made.
    pub fn is_replicating(&self, region: &str, now: i64) -> bool {
        match self.work(now) {
            Some(Work::Replicating(count)) => self.replicas.iter().rev().take(count).any(|new| new == region),
            _ => false,
        }
    }

    /// Items can be read and written.
    pub fn serves_items(&self, now: i64) -> bool {
        !matches!(self.work(now), Some(Work::Creating | Work::Importing | Work::Deleting))
    }

    /// The deletion is over.
    pub fn is_gone(&self, now: i64) -> bool {
        self.busy.as_ref().is_some_and(|busy| busy.work == Work::Deleting && busy.until <= now)
    }

    /// A table that is busy is not changed.
    pub fn check_idle(&self, now: i64) -> Result<(), Error> {
        let doing = match self.work(now) {
            None => return Ok(()),
            Some(Work::Creating | Work::Importing) => "created",
            Some(Work::Updating | Work::Indexing(_) | Work::Replicating(_)) => "updated",
            Some(Work::Deleting) => "deleted",
        };
        Err(Error::ResourceInUse(format!(
            "Attempt to change a resource which is still in use: Table is being {doing}: {}",
            self.name
        )))
    }
}

impl DynamoDb {
    /// Tables take their time.
    pub fn with_delays(self) -> DynamoDb {
        DynamoDb { delays: true, ..self }
    }

    /// Makes a table busy, where that takes time; imports always do.
    pub fn begin(&self, table: &mut Table, work: Work, now: i64) {
        if self.delays || work == Work::Importing {
            table.busy = Some(Busy { work, until: now.saturating_add(work.millis()) });
        }
    }

    /// Removes a table whose deletion is over.
    pub fn finish_deletion(&self, cx: &Context, table: &Table) -> Result<(), Error> {
        let now = cx.now().millis();
        cx.store().write(|transaction| {
            let record = transaction.get(&table_key(&table.account, &table.region, &table.name))?;
            match record.map(|record| read_table(&record)).transpose()? {
                Some(table) if table.is_gone(now) => replica::remove(transaction, &table, now).map(drop),
                _ => Ok(()),
            }
        })?;
        self.forget_everywhere(table);
        self.purge(cx.store())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::DynamoDb;
    use crate::testing::Bench;

    fn bench() -> Bench {
        let mut bench = Bench::new();
        bench.db = DynamoDb::default().with_delays();
        bench.create("tab", &["pk", "sk"], json!({}));
        bench
    }

    fn status(bench: &Bench) -> Value {
        bench.ok("DescribeTable", json!({ "TableName": "tab" }))["Table"]["TableStatus"].clone()
    }

    fn in_use(doing: &str) -> (String, String) {
        let text = format!("Attempt to change a resource which is still in use: Table is being {doing}: tab");
        ("ResourceInUseException".into(), text)
    }

    #[test]
    fn tables_come_and_go() {
        let bench = bench();
        let tab = json!({ "TableName": "tab" });
        let scan = || bench.call("Scan", tab.clone()).map(drop).map_err(|error| error.code);
        assert_eq!(status(&bench), "CREATING");
        assert_eq!(scan().unwrap_err(), "ResourceNotFoundException");
        assert_eq!(bench.error("DeleteTable", tab.clone()), in_use("created"));
        bench.cloud.clock.advance(6_000);
        assert_eq!(status(&bench), "ACTIVE");
        scan().unwrap();
        let protect = |on: bool| json!({ "TableName": "tab", "DeletionProtectionEnabled": on });
        bench.ok("UpdateTable", protect(true));
        assert_eq!(status(&bench), "UPDATING");
        scan().unwrap();
        assert_eq!(bench.error("UpdateTable", protect(false)), in_use("updated"));
        bench.cloud.clock.advance(4_000);
        bench.ok("UpdateTable", protect(false));
        bench.cloud.clock.advance(4_000);
        assert_eq!(bench.ok("DeleteTable", tab.clone())["TableDescription"]["TableStatus"], "DELETING");
        assert_eq!((status(&bench), scan().unwrap_err()), (json!("DELETING"), "ResourceNotFoundException".into()));
        assert_eq!(bench.error("DeleteTable", tab.clone()), in_use("deleted"));
        assert_eq!(bench.ok("ListTables", json!({}))["TableNames"], json!(["tab"]));
        bench.cloud.clock.advance(5_000);
        assert_eq!(bench.ok("ListTables", json!({}))["TableNames"], json!([]));
        bench.create("tab", &["pk", "sk"], json!({}));
        assert_eq!(status(&bench), "CREATING");
    }

    #[test]
    fn indexes_take_longer() {
        let bench = bench();
        bench.cloud.clock.advance(6_000);
        bench.put("a", "1", json!({ "g": { "S": "x" } }));
        let create = json!({ "Create": {
            "IndexName": "by-g", "KeySchema": [{ "AttributeName": "g", "KeyType": "HASH" }],
            "Projection": { "ProjectionType": "ALL" },
        } });
        bench.ok(
            "UpdateTable",
            json!({
                "TableName": "tab", "AttributeDefinitions": [{ "AttributeName": "g", "AttributeType": "S" }],
                "GlobalSecondaryIndexUpdates": [create],
            }),
        );
        let index = || {
            let table = bench.ok("DescribeTable", json!({ "TableName": "tab" }))["Table"].clone();
            table["GlobalSecondaryIndexes"][0].clone()
        };
        let scan = json!({ "TableName": "tab", "IndexName": "by-g" });
        assert_eq!((&index()["IndexStatus"], &index()["Backfilling"]), (&json!("CREATING"), &json!(false)));
        bench.cloud.clock.advance(10_000);
        assert_eq!((&index()["IndexStatus"], &index()["Backfilling"]), (&json!("CREATING"), &json!(true)));
        let again =
            json!({ "TableName": "tab", "GlobalSecondaryIndexUpdates": [{ "Delete": { "IndexName": "by-g" } }] });
        assert_eq!(bench.error("UpdateTable", again).0, "LimitExceededException");
        let refused = bench.error("Scan", scan.clone());
        assert_eq!(refused.1, "Cannot read from backfilling global secondary index: by-g");
        bench.cloud.clock.advance(20_000);
        assert_eq!((&index()["IndexStatus"], &index()["Backfilling"]), (&json!("ACTIVE"), &Value::Null));
        assert_eq!(bench.ok("Scan", scan)["Count"], 1);
    }

    #[test]
    fn replicas_are_made_in_their_time() {
        let bench = bench();
        bench.cloud.clock.advance(6_000);
        let create =
            |region: &str| json!({ "TableName": "tab", "ReplicaUpdates": [{ "Create": { "RegionName": region } }] });
        let statuses = || {
            let table = bench.ok("DescribeTable", json!({ "TableName": "tab" }))["Table"].clone();
            let replicas = table["Replicas"].as_array().unwrap().iter().map(|one| one["ReplicaStatus"].clone());
            (table["TableStatus"].clone(), replicas.collect::<Vec<_>>())
        };
        let there = || bench.in_region("eu-west-1", "Scan", json!({ "TableName": "tab" })).map_err(|error| error.code);
        bench.ok("UpdateTable", create("eu-west-1"));
        assert_eq!(statuses(), (json!("UPDATING"), vec![json!("CREATING")]));
        assert_eq!(there(), Err("ResourceNotFoundException".into()));
        bench.put("a", "1", json!({}));
        assert_eq!(bench.error("UpdateTable", create("eu-west-2")), in_use("updated"));
        bench.cloud.clock.advance(8_000);
        assert_eq!(statuses(), (json!("ACTIVE"), vec![json!("ACTIVE")]));
        assert_eq!(there().unwrap()["Count"], 1, "what was written meanwhile is there");
        bench.ok("UpdateTable", create("eu-west-2"));
        assert_eq!(statuses(), (json!("UPDATING"), vec![json!("ACTIVE"), json!("CREATING")]));
    }

    #[test]
    fn vectors_are_searched_when_they_are_there() {
        let bench = bench();
        bench.cloud.clock.advance(6_000);
        let create = json!({ "Create": {
            "IndexName": "near", "VectorAttribute": { "AttributeName": "v" }, "Dimensions": 1,
            "DistanceFunction": "COSINE", "Projection": { "ProjectionType": "ALL" },
        } });
        bench.ok("UpdateTable", json!({ "TableName": "tab", "VectorIndexUpdates": [create] }));
        let search = json!({ "TableName": "tab", "IndexName": "near", "SearchVector": [{ "N": "1" }], "TopK": 1 });
        assert_eq!(bench.invalid("SearchVectors", search.clone()), "The table does not have the specified index: near");
        bench.cloud.clock.advance(10_000);
        assert_eq!(bench.invalid("SearchVectors", search.clone()), "Cannot search backfilling vector index: near");
        bench.cloud.clock.advance(20_000);
        bench.ok("SearchVectors", search);
    }
}
