//! Random histories against a model that is too simple to be wrong.
//!
//! Every kind of write goes to a table with both kinds of indexes, a stream and a recorded past, and to a map. Queries,
//! scans and conditions must agree with the map, the stream must tell the same story, and moments of the past must come
//! back as they were.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde_json::{Map, Value, json};
use service::Store;

use crate::testing::Bench;

const STEPS: usize = 10_000;

/// A generator that is the same everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn one_of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len() as u64) as usize]
    }
}

type Key = (String, i64);
type Fields = Map<String, Value>;
type Model = BTreeMap<Key, Fields>;
/// What a write leaves of its item; `None` where its condition says no.
type Settled = Option<Option<Fields>>;

fn key(at: &Key) -> Value {
    json!({ "pk": { "S": at.0 }, "sk": { "N": at.1.to_string() } })
}

fn key_of(item: &Value) -> Key {
    (item["pk"]["S"].as_str().unwrap().to_owned(), item["sk"]["N"].as_str().unwrap().parse().unwrap())
}

fn number(item: &Map<String, Value>, name: &str) -> Option<i64> {
    item.get(name)?.get("N")?.as_str()?.parse().ok()
}

struct Story {
    bench: Bench,
    model: Model,
    dice: Dice,
}

impl Story {
    fn new(seed: u64, store: Store) -> Story {
        let bench = Bench::over(store);
        let attribute = |name: &str, kind: &str| json!({ "AttributeName": name, "AttributeType": kind });
        let keys = |hash: &str, range: &str| json!([{ "AttributeName": hash, "KeyType": "HASH" }, { "AttributeName": range, "KeyType": "RANGE" }]);
        bench.ok(
            "CreateTable",
            json!({
                "TableName": "tab",
                "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [
                    attribute("pk", "S"), attribute("sk", "N"), attribute("kind", "S"), attribute("rank", "N"),
                ],
                "KeySchema": keys("pk", "sk"),
                "GlobalSecondaryIndexes": [{
                    "IndexName": "by-kind", "KeySchema": keys("kind", "rank"), "Projection": { "ProjectionType": "ALL" },
                }],
                "LocalSecondaryIndexes": [{
                    "IndexName": "by-rank", "KeySchema": keys("pk", "rank"), "Projection": { "ProjectionType": "KEYS_ONLY" },
                }],
                "StreamSpecification": { "StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES" },
            }),
        );
        let on =
            json!({ "TableName": "tab", "PointInTimeRecoverySpecification": { "PointInTimeRecoveryEnabled": true } });
        bench.ok("UpdateContinuousBackups", on);
        Story { bench, model: Model::new(), dice: Dice(seed) }
    }

    fn any_key(&mut self) -> Key {
        (self.dice.one_of(&["p", "q", "r"]).to_owned(), self.dice.below(12) as i64 - 4)
    }

    fn any_item(&mut self, at: &Key) -> Map<String, Value> {
        let mut item = key(at).as_object().unwrap().clone();
        item.insert("v".into(), json!({ "N": self.dice.below(5).to_string() }));
        if self.dice.below(3) > 0 {
            item.insert("kind".into(), json!({ "S": self.dice.one_of(&["x", "y"]) }));
        }
        if self.dice.below(3) > 0 {
            item.insert("rank".into(), json!({ "N": self.dice.below(20).to_string() }));
        }
        item
    }

    /// A condition as text, with its values, and whether it holds of an item.
    fn any_condition(&mut self) -> (&'static str, Value, impl Fn(Option<&Fields>) -> bool + use<>) {
        let wanted = self.dice.below(5) as i64;
        let choice = self.dice.below(4);
        let text = match choice {
            0 => "attribute_exists(pk)",
            1 => "attribute_not_exists(pk)",
            2 => "v = :c OR attribute_not_exists(pk)",
            _ => "NOT v < :c AND v BETWEEN :c AND :c",
        };
        let values = if choice < 2 { json!({}) } else { json!({ ":c": { "N": wanted.to_string() } }) };
        let holds = move |item: Option<&Map<String, Value>>| {
            let v = item.and_then(|item| number(item, "v"));
            match choice {
                0 => item.is_some(),
                1 => item.is_none(),
                2 => item.is_none() || v == Some(wanted),
                _ => v == Some(wanted),
            }
        };
        (text, values, holds)
    }

    /// One write on its own, and what it means for the model.
    fn any_write(&mut self) -> (&'static str, Value, Key, Settled) {
        let at = self.any_key();
        let old = self.model.get(&at).cloned();
        let (condition, mut values, holds) = self.any_condition();
        let conditional = self.dice.below(2) == 0;
        let allowed = !conditional || holds(old.as_ref());
        let mut request = json!({ "TableName": "tab" });
        let (kind, new) = match self.dice.below(4) {
            0 | 1 => {
                let item = self.any_item(&at);
                request["Item"] = json!(item);
                ("Put", Some(item))
            }
            2 => {
                request["Key"] = key(&at);
                ("Delete", None)
            }
            _ => {
                request["Key"] = key(&at);
                let by = self.dice.below(4) as i64;
                let mut item = old.clone().unwrap_or_else(|| key(&at).as_object().unwrap().clone());
                let before = number(&item, "v").unwrap_or(0);
                item.insert("v".into(), json!({ "N": (before + by).to_string() }));
                item.remove("kind");
                let conditional_values = std::mem::take(&mut values);
                values = json!({ ":by": { "N": by.to_string() } });
                if conditional {
                    values.as_object_mut().unwrap().extend(conditional_values.as_object().unwrap().clone());
                }
                request["UpdateExpression"] = json!("ADD v :by REMOVE kind");
                ("Update", Some(item))
            }
        };
        if conditional {
            request["ConditionExpression"] = json!(condition);
        }
        let used = conditional || kind == "Update";
        if used && values.as_object().is_some_and(|values| !values.is_empty()) {
            request["ExpressionAttributeValues"] = values;
        }
        (kind, request, at, allowed.then_some(new))
    }

    fn settle(&mut self, at: Key, new: Option<Map<String, Value>>) {
        match new {
            Some(item) => drop(self.model.insert(at, item)),
            None => drop(self.model.remove(&at)),
        }
    }

    fn step(&mut self) {
        match self.dice.below(10) {
            0 => self.transact(),
            1 => self.batch(),
            2 | 3 => self.query(),
            _ => {
                let (kind, request, at, outcome) = self.any_write();
                let result = self.bench.call(&format!("{kind}Item"), request.clone());
                match outcome {
                    Some(new) => {
                        result.unwrap_or_else(|error| panic!("{request}: {error:?}"));
                        self.settle(at, new);
                    }
                    None => assert_eq!(result.unwrap_err().code, "ConditionalCheckFailedException", "{request}"),
                }
            }
        }
    }

    fn transact(&mut self) {
        let (mut members, mut outcomes) = (Vec::new(), BTreeMap::new());
        for _ in 0..3 {
            let (kind, request, at, outcome) = self.any_write();
            if let Entry::Vacant(place) = outcomes.entry(at) {
                members.push(json!({ kind: request }));
                place.insert(outcome);
            }
        }
        let result = self.bench.call("TransactWriteItems", json!({ "TransactItems": members }));
        if outcomes.values().all(Option::is_some) {
            result.unwrap();
            for (at, outcome) in outcomes {
                self.settle(at, outcome.unwrap());
            }
        } else {
            assert_eq!(result.unwrap_err().code, "TransactionCanceledException");
        }
    }

    fn batch(&mut self) {
        let mut writes = BTreeMap::new();
        for _ in 0..5 {
            let at = self.any_key();
            let new = (self.dice.below(2) == 0).then(|| self.any_item(&at));
            writes.insert(at, new);
        }
        let requests: Vec<Value> = writes
            .iter()
            .map(|(at, new)| match new {
                Some(item) => json!({ "PutRequest": { "Item": item } }),
                None => json!({ "DeleteRequest": { "Key": key(at) } }),
            })
            .collect();
        self.bench.ok("BatchWriteItem", json!({ "RequestItems": { "tab": requests } }));
        writes.into_iter().for_each(|(at, new)| self.settle(at, new));
    }

    /// A query of the table or an index, page by page, against the model.
    fn query(&mut self) {
        let (index, hash, range) = match self.dice.below(3) {
            0 => (None, "pk", "sk"),
            1 => (Some("by-kind"), "kind", "rank"),
            _ => (Some("by-rank"), "pk", "rank"),
        };
        let wanted = if hash == "pk" { self.dice.one_of(&["p", "q", "r"]) } else { self.dice.one_of(&["x", "y"]) };
        let (low, high) = (self.dice.below(10) as i64 - 2, self.dice.below(20) as i64);
        let (low, high) = (low.min(high), low.max(high));
        let forward = self.dice.below(2) == 0;
        let mut request = json!({
            "TableName": "tab",
            "KeyConditionExpression": format!("{hash} = :h AND #r BETWEEN :low AND :high"),
            "ExpressionAttributeNames": { "#r": range },
            "ExpressionAttributeValues": {
                ":h": { "S": wanted }, ":low": { "N": low.to_string() }, ":high": { "N": high.to_string() },
            },
            "ScanIndexForward": forward,
            "Limit": 1 + self.dice.below(5),
        });
        if let Some(index) = index {
            request["IndexName"] = json!(index);
        }
        let mut found = Vec::new();
        loop {
            let page = self.bench.ok("Query", request.clone());
            found.extend(page["Items"].as_array().unwrap().iter().map(|item| (item[range].clone(), key_of(item))));
            match page.get("LastEvaluatedKey") {
                Some(last) => request["ExclusiveStartKey"] = last.clone(),
                None => break,
            }
        }
        let ranks: Vec<i64> = found.iter().map(|(rank, _)| rank["N"].as_str().unwrap().parse().unwrap()).collect();
        assert!(if forward { ranks.is_sorted() } else { ranks.iter().rev().is_sorted() }, "{request}: {ranks:?}");
        let mut found: Vec<Key> = found.into_iter().map(|(_, key)| key).collect();
        found.sort();
        let matches = |item: &Map<String, Value>| {
            let hash = item.get(hash).is_some_and(|value| value["S"] == wanted);
            hash && number(item, range).is_some_and(|rank| (low..=high).contains(&rank))
        };
        let expected: Vec<Key> =
            self.model.iter().filter(|(_, item)| matches(item)).map(|(at, _)| at.clone()).collect();
        assert_eq!(found, expected, "{request}");
    }

    fn scanned(&self, table: &str) -> Model {
        let items = self.bench.ok("Scan", json!({ "TableName": table }))["Items"].clone();
        items.as_array().unwrap().iter().map(|item| (key_of(item), item.as_object().unwrap().clone())).collect()
    }

    /// The table as its stream tells it.
    fn told(&self) -> Model {
        let arn = self.bench.ok("DescribeTable", json!({ "TableName": "tab" }))["Table"]["LatestStreamArn"].clone();
        let shard =
            self.bench.ok("DescribeStream", json!({ "StreamArn": arn }))["StreamDescription"]["Shards"][0].clone();
        let start = json!({ "StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON" });
        let mut iterator = self.bench.ok("GetShardIterator", start)["ShardIterator"].clone();
        let mut model = Model::new();
        loop {
            let page = self.bench.ok("GetRecords", json!({ "ShardIterator": iterator }));
            let records = page["Records"].as_array().unwrap();
            for record in records {
                let change = &record["dynamodb"];
                let at = key_of(&change["Keys"]);
                let old = change.get("OldImage").and_then(Value::as_object);
                assert_eq!(model.get(&at), old, "the stream contradicts itself: {record}");
                match change.get("NewImage").and_then(Value::as_object) {
                    Some(new) => drop(model.insert(at, new.clone())),
                    None => drop(model.remove(&at)),
                }
            }
            if records.is_empty() {
                return model;
            }
            iterator = page["NextShardIterator"].clone();
        }
    }
}

fn tell(seed: u64, steps: usize, story: &mut Story, reopen: &mut dyn FnMut(Bench) -> Bench) {
    let mut moments = Vec::new();
    for step in 0..steps {
        story.step();
        if step % (steps / 4) == steps / 4 - 1 {
            assert_eq!(story.scanned("tab"), story.model, "seed {seed}, step {step}");
            moments.push((story.bench.cloud.clock.now().secs(), story.model.clone()));
            story.bench.cloud.clock.advance(2000);
            let bench = std::mem::replace(&mut story.bench, Bench::new());
            story.bench = reopen(bench);
        }
    }
    assert_eq!(story.told(), story.model, "seed {seed}");
    let table = story.bench.ok("DescribeTable", json!({ "TableName": "tab" }))["Table"].clone();
    assert_eq!(table["ItemCount"], story.model.len());
    let filed = story.model.values().filter(|item| item.contains_key("kind") && item.contains_key("rank")).count();
    assert_eq!(table["GlobalSecondaryIndexes"][0]["ItemCount"], filed);
    for (moment, model) in moments {
        let request = json!({ "SourceTableName": "tab", "TargetTableName": "past", "RestoreDateTime": moment });
        story.bench.ok("RestoreTableToPointInTime", request);
        assert_eq!(story.scanned("past"), model, "seed {seed}, moment {moment}");
        story.bench.ok("DeleteTable", json!({ "TableName": "past" }));
    }
}

#[test]
fn histories_agree_with_the_model() {
    for seed in [1, 2] {
        let mut story = Story::new(seed, Store::memory());
        tell(seed, STEPS, &mut story, &mut |bench| bench);
    }
}

#[test]
fn histories_agree_with_the_model_over_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Store::open(folder.path(), Default::default()).unwrap();
    let mut story = Story::new(3, open());
    tell(3, STEPS / 10, &mut story, &mut |bench| {
        let now = bench.cloud.clock.now();
        drop(bench);
        let bench = Bench::over(open());
        bench.cloud.clock.advance(now.millis() - bench.cloud.clock.now().millis());
        bench
    });
}
