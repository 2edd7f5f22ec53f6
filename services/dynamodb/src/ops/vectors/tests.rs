use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::testing::Bench;

fn vector(numbers: &[f64]) -> Value {
    numbers.iter().map(|number| json!({ "N": number.to_string() })).collect()
}

fn index(more: Value) -> Value {
    let mut index = json!({
        "IndexName": "near", "VectorAttribute": { "AttributeName": "v" }, "Dimensions": 2,
        "DistanceFunction": "EUCLIDEAN", "Projection": { "ProjectionType": "ALL" },
    });
    for (member, value) in more.as_object().unwrap() {
        index[member] = value.clone();
    }
    index
}

fn tenants() -> Value {
    json!({ "SearchSchema": [
        { "AttributeName": "tenant", "SearchSchemaElementType": "HASH" },
        { "AttributeName": "kind", "SearchSchemaElementType": "INLINE_FILTER" },
    ] })
}

fn definitions(names: &[&str]) -> Value {
    names.iter().map(|name| json!({ "AttributeName": name, "AttributeType": "S" })).collect()
}

fn bench(indexes: &[Value]) -> Bench {
    let bench = Bench::new();
    let searched = indexes.iter().any(|index| index.get("SearchSchema").is_some());
    let names: &[&str] = if searched { &["pk", "sk", "tenant", "kind"] } else { &["pk", "sk"] };
    bench.create("tab", &["pk", "sk"], json!({ "AttributeDefinitions": definitions(names), "VectorIndexes": indexes }));
    bench
}

fn put(bench: &Bench, sk: &str, numbers: &[f64], more: Value) {
    let mut item = json!({ "v": { "L": vector(numbers) } });
    for (name, value) in more.as_object().unwrap() {
        item[name] = value.clone();
    }
    bench.put("p", sk, item);
}

fn search(numbers: &[f64], more: Value) -> Value {
    let mut request = json!({ "TableName": "tab", "IndexName": "near", "SearchVector": vector(numbers), "TopK": 10 });
    for (member, value) in more.as_object().unwrap() {
        request[member] = value.clone();
    }
    request
}

/// The sort keys and scores that were found.
fn found(output: &Value) -> Vec<(String, f64)> {
    let results = output["SearchResults"].as_array().unwrap();
    results
        .iter()
        .map(|hit| (hit["Item"]["sk"]["S"].as_str().unwrap().into(), hit["Score"].as_f64().unwrap()))
        .collect()
}

fn described(bench: &Bench) -> Value {
    bench.ok("DescribeTable", json!({ "TableName": "tab" }))["Table"]["VectorIndexes"][0].clone()
}

#[test]
fn the_nearest_come_first() {
    let bench = bench(&[index(json!({}))]);
    put(&bench, "a", &[0.0, 3.0], json!({}));
    put(&bench, "b", &[0.0, 1.0], json!({ "title": { "S": "b" } }));
    put(&bench, "c", &[0.0, -2.0], json!({}));
    bench.put("p", "none", json!({}));
    let output = bench.ok("SearchVectors", search(&[0.0, 0.0], json!({ "TopK": 2 })));
    assert_eq!(found(&output), [("b".into(), 1.0), ("c".into(), 2.0)]);
    let item = json!({ "pk": { "S": "p" }, "sk": { "S": "b" }, "title": { "S": "b" } });
    assert_eq!(output["SearchResults"][0]["Item"], item, "the vector is left out");
    assert_eq!(output.get("ConsumedCapacity"), None);
    let shown =
        bench.ok("SearchVectors", search(&[0.0, 0.0], json!({ "ProjectionExpression": "v, nothing", "TopK": 1 })));
    assert_eq!(shown["SearchResults"][0]["Item"], json!({ "v": { "L": vector(&[0.0, 1.0]) } }));
    let description = described(&bench);
    assert_eq!((&description["ItemCount"], &description["IndexStatus"]), (&json!(3), &json!("ACTIVE")));
    assert_eq!(description["IndexArn"], "arn:aws:dynamodb:us-east-1:000000000000:table/tab/index/near");
    assert_eq!(bench.access("SearchVectors", search(&[0.0, 0.0], json!({})))[0].resource, description["IndexArn"]);
}

#[test]
fn each_function_has_its_order() {
    for (function, expected) in [
        ("COSINE", [("long", 0.0), ("side", 1.0)]),
        ("DOT_PRODUCT", [("long", 10.0), ("side", 0.0)]),
        ("EUCLIDEAN", [("side", 1.5_f64.hypot(1.0)), ("long", 9.0)]),
    ] {
        let bench = bench(&[index(json!({ "DistanceFunction": function }))]);
        put(&bench, "long", &[10.0, 0.0], json!({}));
        put(&bench, "side", &[0.0, 1.5], json!({}));
        let hits = found(&bench.ok("SearchVectors", search(&[1.0, 0.0], json!({}))));
        assert_eq!(hits, expected.map(|(name, score)| (name.to_owned(), score)), "{function}");
    }
}

#[test]
fn partitions_and_filters() {
    let mut with_schema = index(tenants());
    with_schema["Projection"] = json!({ "ProjectionType": "KEYS_ONLY" });
    let bench = bench(&[with_schema]);
    for (sk, tenant, kind) in [("1", "x", "k"), ("2", "x", "l"), ("3", "y", "k")] {
        let more = json!({ "tenant": { "S": tenant }, "kind": { "S": kind }, "text": { "S": "t" } });
        put(&bench, sk, &[1.0, sk.parse().unwrap()], more);
    }
    put(&bench, "4", &[1.0, 4.0], json!({ "tenant": { "S": "x" } }));
    put(&bench, "5", &[1.0, 5.0], json!({ "kind": { "S": "k" } }));
    let asked = |expression: &str, values: Value| {
        let condition = json!({ "SearchConditionExpression": expression, "ExpressionAttributeValues": values });
        search(&[1.0, 0.0], condition)
    };
    let keys = |expression: &str, values: Value| {
        let hits = found(&bench.ok("SearchVectors", asked(expression, values)));
        hits.into_iter().map(|(key, _)| key).collect::<String>()
    };
    assert_eq!(keys("tenant = :t", json!({ ":t": { "S": "x" } })), "124");
    assert_eq!(keys("tenant = :t AND :k = kind", json!({ ":t": { "S": "x" }, ":k": { "S": "k" } })), "1");
    assert_eq!(keys("tenant = :t", json!({ ":t": { "S": "z" } })), "");
    let one = bench.ok("SearchVectors", asked("tenant = :t", json!({ ":t": { "S": "y" } })));
    let item = json!({ "pk": { "S": "p" }, "sk": { "S": "3" }, "tenant": { "S": "y" }, "kind": { "S": "k" } });
    assert_eq!(one["SearchResults"][0]["Item"], item);
    assert_eq!(
        bench.invalid("SearchVectors", search(&[1.0, 0.0], json!({}))),
        "SearchConditionExpression must be provided when SearchSchema has a HASH key"
    );
    for expression in ["tenant < :t", "tenant = :t OR kind = :t", "begins_with(tenant, :t)", "NOT tenant = :t"] {
        assert_eq!(
            bench.invalid("SearchVectors", asked(expression, json!({ ":t": { "S": "x" } }))),
            "Invalid SearchConditionExpression: Invalid comparator used in SearchConditionExpression"
        );
    }
    assert!(bench.invalid("SearchVectors", asked("other = :t", json!({ ":t": { "S": "x" } }))).contains("other"));
    assert_eq!(
        bench.invalid("SearchVectors", asked("tenant = :t", json!({ ":t": { "N": "1" } }))),
        "One or more parameter values were invalid: Condition parameter type does not match schema type"
    );
}

#[test]
fn searches_are_checked() {
    let bench = bench(&[index(json!({}))]);
    let invalid = |more: Value| bench.invalid("SearchVectors", search(&[1.0, 0.0], more));
    assert_eq!(
        invalid(json!({ "TopK": 101 })),
        "Provided TopK value '101' is out of valid range. The value must be between 1 and 100 inclusive"
    );
    assert!(invalid(json!({ "TopK": 0 })).contains("'topK' failed to satisfy constraint"));
    assert_eq!(
        invalid(json!({ "SearchVector": vector(&[1.0]) })),
        "Input search vector dimension 1 does not match vector index dimension 2"
    );
    for wrong in [json!([{ "L": [] }]), json!([{ "N": "1" }, { "N": "1E40" }]), json!([{ "S": "1" }])] {
        assert!(invalid(json!({ "SearchVector": wrong })).starts_with("Search vector contains invalid values."));
    }
    assert_eq!(invalid(json!({ "IndexName": "far" })), "The table does not have the specified index: far");
    let read = json!({ "TableName": "tab", "IndexName": "near" });
    assert_eq!(bench.invalid("Scan", read.clone()), "Scan operation not supported on this index type.");
    let mut query = read;
    query["KeyConditionExpression"] = json!("v = :v");
    query["ExpressionAttributeValues"] = json!({ ":v": { "S": "x" } });
    assert_eq!(bench.invalid("Query", query), "Query operation not supported on this index type.");
}

#[test]
fn writes_are_checked_and_charged() {
    let bench = bench(&[index(json!({}))]);
    let item = |vector: Value| json!({ "pk": { "S": "p" }, "sk": { "S": "a" }, "v": vector });
    let put = |vector: Value| json!({ "TableName": "tab", "Item": item(vector), "ReturnConsumedCapacity": "INDEXES" });
    let short = "One or more parameter values were invalid: Invalid size for parameter v, Expected: 2, Actual: 1. \
                 IndexName: near";
    assert_eq!(bench.invalid("PutItem", put(json!({ "L": vector(&[1.0]) }))), short);
    let written = bench.ok("PutItem", put(json!({ "L": vector(&[1.0, 2.0]) })))["ConsumedCapacity"].clone();
    assert_eq!(written["CapacityUnits"], 1.0);
    assert_eq!(written["VectorIndexes"], json!({ "near": { "VectorWriteRequestBytes": 1024.0 } }));
    let again = bench.ok("PutItem", put(json!({ "L": vector(&[1.0, 2.0]) })))["ConsumedCapacity"].clone();
    assert_eq!(again.get("VectorIndexes"), None, "nothing has changed");
    let update = json!({
        "TableName": "tab", "Key": { "pk": { "S": "p" }, "sk": { "S": "a" } },
        "UpdateExpression": "SET v = :v", "ExpressionAttributeValues": { ":v": { "S": "x" } },
    });
    assert!(bench.invalid("UpdateItem", update).contains("Invalid type for parameter v, Expected: L, Actual: S"));
    let batch = json!({ "RequestItems": { "tab": [{ "PutRequest": { "Item": item(json!({ "L": [] })) } }] } });
    assert!(bench.invalid("BatchWriteItem", batch).contains("Expected: 2, Actual: 0"));
    assert_eq!(found(&bench.ok("SearchVectors", search(&[1.0, 2.0], json!({})))), [("a".into(), 0.0)]);
    let capacity = bench.ok("SearchVectors", search(&[1.0, 2.0], json!({ "ReturnConsumedCapacity": "TOTAL" })));
    assert_eq!(capacity["ConsumedCapacity"], json!({ "VectorSearchRequestBytes": 1024.0 }));
}

#[test]
fn indexes_come_and_go() {
    let bench = Bench::with_table();
    put(&bench, "a", &[1.0, 1.0], json!({ "tenant": { "S": "x" } }));
    put(&bench, "odd", &[1.0], json!({ "tenant": { "S": "x" } }));
    let update = |update: Value| json!({ "TableName": "tab", "VectorIndexUpdates": [update] });
    let create = update(json!({ "Create": index(tenants()) }));
    assert_eq!(
        bench.invalid("UpdateTable", create.clone()),
        "One or more parameter values were invalid: One element in SearchSchema is not defined in attribute definitions"
    );
    let mut defined = create;
    defined["AttributeDefinitions"] = definitions(&["tenant", "kind"]);
    let answer = bench.ok("UpdateTable", defined.clone())["TableDescription"].clone();
    assert_eq!(answer["VectorIndexes"][0]["IndexStatus"], "CREATING");
    assert_eq!(bench.error("UpdateTable", defined).0, "ResourceInUseException");
    assert_eq!(described(&bench)["ItemCount"], 1, "what does not fit was left out");
    let condition = json!({
        "SearchConditionExpression": "tenant = :t", "ExpressionAttributeValues": { ":t": { "S": "x" } },
    });
    assert_eq!(found(&bench.ok("SearchVectors", search(&[1.0, 1.0], condition))).len(), 1);
    let two = json!({ "TableName": "tab", "VectorIndexUpdates": [
        { "Delete": { "IndexName": "near" } }, { "Create": index(json!({ "IndexName": "other" })) },
    ] });
    assert_eq!(bench.error("UpdateTable", two).0, "LimitExceededException");
    let provisioned = json!({
        "TableName": "tab", "BillingMode": "PROVISIONED",
        "ProvisionedThroughput": { "ReadCapacityUnits": 1, "WriteCapacityUnits": 1 },
    });
    assert!(bench.invalid("UpdateTable", provisioned).contains("PAY_PER_REQUEST"));
    let deleted = bench.ok("UpdateTable", update(json!({ "Delete": { "IndexName": "near" } })));
    let deleted = &deleted["TableDescription"]["VectorIndexes"][0];
    assert_eq!((&deleted["IndexStatus"], &deleted["ItemCount"]), (&json!("DELETING"), &json!(1)));
    assert_eq!(
        bench.error("UpdateTable", update(json!({ "Delete": { "IndexName": "near" } }))).0,
        "ResourceNotFoundException"
    );
    let table = bench.ok("DescribeTable", json!({ "TableName": "tab" }))["Table"].clone();
    assert_eq!((table.get("VectorIndexes"), table["AttributeDefinitions"].as_array().unwrap().len()), (None, 2));
    put(&bench, "odd", &[1.0], json!({}));
}

#[test]
fn declarations_are_checked() {
    let bench = Bench::new();
    let invalid = |indexes: &[Value], defined: &[&str]| {
        bench.invalid(
            "CreateTable",
            json!({
                "TableName": "tab", "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": definitions(defined),
                "KeySchema": [{ "AttributeName": "pk", "KeyType": "HASH" }], "VectorIndexes": indexes,
            }),
        )
    };
    let six: Vec<_> = (0..6).map(|n| index(json!({ "IndexName": format!("near{n}") }))).collect();
    assert_eq!(
        invalid(&six, &["pk"]),
        "One or more parameter values were invalid: VectorIndex count exceeds the per-table limit of 5"
    );
    assert!(invalid(&[index(json!({ "Dimensions": 4097 }))], &["pk"]).contains("between 1 and 4096"));
    assert!(invalid(&six[..1], &["pk", "other"]).contains("Some AttributeDefinitions are not used"));
    assert!(invalid(&[six[0].clone(), six[0].clone()], &["pk"]).contains("Duplicate index name: near0"));
    let other = index(json!({ "IndexName": "other", "Dimensions": 3 }));
    assert!(invalid(&[six[0].clone(), other], &["pk"]).contains("same number of dimensions"));
    assert!(invalid(&[index(tenants())], &["pk", "tenant"]).contains("One element in SearchSchema is not defined"));
    assert!(invalid(&[index(json!({ "VectorAttribute": { "AttributeName": "pk" } }))], &["pk"]).contains("pk"));
    let names: Vec<_> = (0..20).map(|n| format!("a{n}")).collect();
    let many = json!({ "Projection": { "ProjectionType": "INCLUDE", "NonKeyAttributes": names } });
    assert!(invalid(&[index(many)], &["pk"]).contains("per-index limit of 20"));
}

#[test]
fn copies_have_the_same_indexes() {
    let bench = bench(&[index(json!({})), index(json!({ "IndexName": "second", "DistanceFunction": "COSINE" }))]);
    put(&bench, "a", &[1.0, 0.0], json!({}));
    let backup = bench.ok("CreateBackup", json!({ "TableName": "tab", "BackupName": "one" }));
    let arn = backup["BackupDetails"]["BackupArn"].clone();
    let details = bench.ok("DescribeBackup", json!({ "BackupArn": arn }))["BackupDescription"].clone();
    assert_eq!(details["SourceTableFeatureDetails"]["VectorIndexes"][1]["IndexName"], "second");
    let restore = |to: &str, more: Value| {
        let mut request = json!({ "BackupArn": arn, "TargetTableName": to });
        for (member, value) in more.as_object().unwrap() {
            request[member] = value.clone();
        }
        request
    };
    bench.ok("RestoreTableFromBackup", restore("whole", json!({})));
    let again = bench.ok("SearchVectors", search(&[1.0, 0.0], json!({ "TableName": "whole", "IndexName": "second" })));
    assert_eq!(found(&again), [("a".into(), 0.0)]);
    bench.ok("RestoreTableFromBackup", restore("half", json!({ "VectorIndexOverride": [index(json!({}))] })));
    let half = bench.ok("DescribeTable", json!({ "TableName": "half" }))["Table"]["VectorIndexes"].clone();
    assert_eq!((half.as_array().unwrap().len(), &half[0]["ItemCount"]), (1, &json!(1)));
    let changed = json!({ "VectorIndexOverride": [index(json!({ "Dimensions": 3 }))] });
    assert!(bench.invalid("RestoreTableFromBackup", restore("none", changed)).contains("Unknown index: near"));
    bench.ok(
        "UpdateTable",
        json!({ "TableName": "tab", "ReplicaUpdates": [{ "Create": { "RegionName": "eu-west-1" } }] }),
    );
    put(&bench, "b", &[2.0, 0.0], json!({}));
    let there = bench.in_region("eu-west-1", "SearchVectors", search(&[1.0, 0.0], json!({}))).unwrap();
    assert_eq!(found(&there), [("a".into(), 0.0), ("b".into(), 1.0)]);
}

#[derive(Clone, Debug)]
enum Step {
    Put(usize, Option<(i8, i8)>, Option<usize>),
    Retell(usize, usize),
    Strip(usize),
    Delete(usize),
}

/// An item's point and tenant.
type Known = (Option<(i8, i8)>, Option<usize>);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let point = prop::option::of((-9i8..9, -9i8..9));
    prop::collection::vec(
        prop_oneof![
            (0usize..6, point, prop::option::of(0usize..3)).prop_map(|(item, at, tenant)| Step::Put(item, at, tenant)),
            (0usize..6, 0usize..3).prop_map(|(item, tenant)| Step::Retell(item, tenant)),
            (0usize..6).prop_map(Step::Strip),
            (0usize..6).prop_map(Step::Delete),
        ],
        0..30,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]
    /// Whatever is written, a search finds what looking at every item would find.
    #[test]
    fn indexes_mirror_the_table(steps in steps()) {
        let bench = bench(&[index(tenants())]);
        let key = |item: usize| json!({ "pk": { "S": "p" }, "sk": { "S": item.to_string() } });
        let mut model: BTreeMap<usize, Known> = BTreeMap::new();
        let update = |item: usize, expression: &str, values: Value| {
            let mut request = json!({ "TableName": "tab", "Key": key(item), "UpdateExpression": expression });
            if !values.is_null() {
                request["ExpressionAttributeValues"] = values;
            }
            bench.ok("UpdateItem", request);
        };
        for step in steps {
            match step {
                Step::Put(item, at, tenant) => {
                    let mut value = json!({});
                    if let Some((x, y)) = at {
                        value["v"] = json!({ "L": vector(&[f64::from(x), f64::from(y)]) });
                    }
                    if let Some(tenant) = tenant {
                        value["tenant"] = json!({ "S": format!("t{tenant}") });
                    }
                    bench.put("p", &item.to_string(), value);
                    model.insert(item, (at, tenant));
                }
                Step::Retell(item, tenant) => {
                    update(item, "SET tenant = :t", json!({ ":t": { "S": format!("t{tenant}") } }));
                    model.entry(item).or_default().1 = Some(tenant);
                }
                Step::Strip(item) => {
                    update(item, "REMOVE v", Value::Null);
                    if let Some(known) = model.get_mut(&item) {
                        known.0 = None;
                    }
                }
                Step::Delete(item) => {
                    bench.ok("DeleteItem", json!({ "TableName": "tab", "Key": key(item) }));
                    model.remove(&item);
                }
            }
        }
        for tenant in 0..3 {
            let condition = json!({
                "SearchConditionExpression": "tenant = :t",
                "ExpressionAttributeValues": { ":t": { "S": format!("t{tenant}") } },
            });
            let hits = found(&bench.ok("SearchVectors", search(&[1.0, 2.0], condition)));
            prop_assert!(hits.windows(2).all(|pair| pair[0].1 <= pair[1].1));
            let hits: BTreeMap<_, _> = hits.into_iter().collect();
            let expected: BTreeMap<_, _> = model
                .iter()
                .filter_map(|(item, (at, of))| {
                    let (x, y) = at.filter(|_| *of == Some(tenant))?;
                    Some((item.to_string(), (f64::from(x) - 1.0).hypot(f64::from(y) - 2.0)))
                })
                .collect();
            prop_assert_eq!(hits.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
            prop_assert!(hits.values().zip(expected.values()).all(|(a, b)| (a - b).abs() < 1e-9));
        }
        let filed = model.values().filter(|(at, tenant)| at.is_some() && tenant.is_some()).count();
        let description = described(&bench);
        prop_assert_eq!(&description["ItemCount"], &json!(filed));
        if filed == 0 {
            prop_assert_eq!(&description["IndexSizeBytes"], &json!(0));
        }
    }
}
