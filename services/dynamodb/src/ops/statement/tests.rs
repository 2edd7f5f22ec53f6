//! PartiQL through its three operations.

use serde_json::{Value, json};

use crate::testing::Bench;

fn run(bench: &Bench, statement: &str) -> Value {
    bench.ok("ExecuteStatement", json!({ "Statement": statement }))["Items"].clone()
}

fn refused(bench: &Bench, statement: &str) -> (String, String) {
    bench.error("ExecuteStatement", json!({ "Statement": statement }))
}

fn bench() -> Bench {
    let bench = Bench::new();
    let definitions = ["pk", "sk", "kind"].map(|name| json!({ "AttributeName": name, "AttributeType": "S" }));
    bench.create(
        "tab",
        &["pk", "sk"],
        json!({
            "AttributeDefinitions": definitions,
            "GlobalSecondaryIndexes": [{
                "IndexName": "by-kind",
                "KeySchema": [{ "AttributeName": "kind", "KeyType": "HASH" }],
                "Projection": { "ProjectionType": "KEYS_ONLY" },
            }],
        }),
    );
    for n in 0..6 {
        let kind = if n % 2 == 0 { "even" } else { "odd" };
        let pk = if n < 3 { "a" } else { "b" };
        run(
            &bench,
            &format!(
                "INSERT INTO tab VALUE {{'pk': '{pk}', 'sk': '{n}', 'kind': '{kind}', 'n': {n}, 'm': {{'l': [{n}]}}}}"
            ),
        );
    }
    bench
}

fn sort_keys(items: &Value) -> Vec<&str> {
    items.as_array().unwrap().iter().map(|item| item["sk"]["S"].as_str().unwrap()).collect()
}

#[test]
fn items_are_selected_by_keys_and_by_all_else() {
    let bench = bench();
    let keys = |condition: &str| {
        let items = run(&bench, &format!("SELECT * FROM tab WHERE {condition}"));
        sort_keys(&items).join("")
    };
    assert_eq!(keys("pk = 'a'"), "012");
    assert_eq!(keys("pk = 'a' AND sk >= '1'"), "12");
    assert_eq!(keys("pk = 'a' ORDER BY sk DESC"), "210");
    assert_eq!(keys("pk IN ['b', 'a'] ORDER BY pk"), "012345");
    assert_eq!(keys("pk IN ('b', 'a') AND sk BETWEEN '2' AND '3'"), "32");
    assert_eq!(keys("pk = 'b' AND n IN [3, 5] AND NOT sk = '5'"), "3");
    assert_eq!(keys("n = 4"), "4");
    assert_eq!(keys("m.l[0] > 4"), "5");
    assert_eq!(keys("begins_with(sk, '3') AND attribute_type(n, 'N') AND size(kind) = 3"), "3");
    assert_eq!(keys("pk = 'a' AND zilch IS MISSING AND m IS NOT MISSING AND contains(kind, 'dd')"), "1");
    let items = run(&bench, "SELECT n, m.l[0], m.l FROM tab WHERE pk = 'a' AND sk = '2'");
    assert_eq!(items, json!([{ "n": { "N": "2" }, "l[0]": { "N": "2" }, "l": { "L": [{ "N": "2" }] } }]));
    let indexed = run(&bench, "SELECT * FROM \"tab\".\"by-kind\" WHERE kind = 'odd'");
    assert_eq!(sort_keys(&indexed), ["1", "3", "5"]);
    assert!(indexed[0].get("n").is_none(), "only keys are projected");
    assert_eq!(
        refused(&bench, "SELECT * FROM tab ORDER BY sk").1,
        "Must have WHERE clause in the statement when using ORDER BY clause."
    );
    assert!(refused(&bench, "SELECT * FROM tab WHERE n = 1 ORDER BY sk").1.contains("non-optional hash key condition"));
    assert!(refused(&bench, "SELECT * FROM tab WHERE pk = 'a' ORDER BY n").1.contains("part of the primary key"));
    assert_eq!(refused(&bench, "SELECT * FROM gone").0, "ResourceNotFoundException");
}

#[test]
fn pages_go_on_where_they_ended() {
    let bench = bench();
    for statement in ["SELECT * FROM tab", "SELECT * FROM tab WHERE pk IN ['a', 'b']"] {
        let (mut seen, mut token) = (Vec::new(), Value::Null);
        for _ in 0..10 {
            let mut request = json!({ "Statement": statement, "Limit": 2 });
            if token.is_string() {
                request["NextToken"] = token;
            }
            let output = bench.ok("ExecuteStatement", request);
            seen.extend(sort_keys(&output["Items"]).into_iter().map(str::to_owned));
            token = output.get("NextToken").cloned().unwrap_or_default();
            if token.is_null() {
                break;
            }
        }
        seen.sort_unstable();
        assert_eq!(seen.join(""), "012345", "{statement}");
    }
    let token =
        bench.ok("ExecuteStatement", json!({ "Statement": "SELECT * FROM tab", "Limit": 2 }))["NextToken"].clone();
    let with = |token: Value| json!({ "Statement": "SELECT n FROM tab", "NextToken": token });
    assert_eq!(bench.invalid("ExecuteStatement", with(token)), "The provided starting key is invalid");
    assert_eq!(bench.invalid("ExecuteStatement", with(json!("junk"))), "Invalid NextToken");
}

#[test]
fn writes_say_what_they_did() {
    let bench = bench();
    assert_eq!(
        refused(&bench, "INSERT INTO tab VALUE {'pk': 'a', 'sk': '1'}"),
        ("DuplicateItemException".into(), "Duplicate primary key exists in table".into())
    );
    assert!(refused(&bench, "INSERT INTO tab VALUE {'pk': 'a'}").1.contains("Missing the key sk in the item"));
    let items = run(
        &bench,
        "UPDATE tab SET n = n + 10 SET tags = <<'x'>> REMOVE kind WHERE pk = 'a' AND sk = '1' RETURNING MODIFIED NEW *",
    );
    assert_eq!(items, json!([{ "n": { "N": "11" }, "tags": { "SS": ["x"] } }]));
    let items = run(
        &bench,
        "UPDATE tab SET tags = set_add(tags, <<'y'>>) SET m.l = list_append(m.l, [7]) WHERE pk = 'a' AND sk = '1' RETURNING ALL NEW *",
    );
    assert_eq!(items[0]["tags"], json!({ "SS": ["x", "y"] }));
    assert_eq!(items[0]["m"], json!({ "M": { "l": { "L": [{ "N": "1" }, { "N": "7" }] } } }));
    for statement in [
        "UPDATE tab SET n = 1 WHERE pk = 'a' AND sk = 'nothing'",
        "UPDATE tab SET n = 1 WHERE pk = 'a' AND sk = '1' AND n = 5",
        "DELETE FROM tab WHERE pk = 'a' AND sk = '1' AND n = 5",
    ] {
        assert_eq!(refused(&bench, statement).0, "ConditionalCheckFailedException", "{statement}");
    }
    assert_eq!(
        refused(&bench, "UPDATE tab SET n = 1 WHERE pk = 'a'").1,
        "Where clause does not contain a mandatory equality on all key attributes"
    );
    assert!(refused(&bench, "UPDATE tab SET sk = 'x' WHERE pk = 'a' AND sk = '1'").1.contains("part of the key"));
    assert_eq!(run(&bench, "DELETE FROM tab WHERE pk = 'a' AND sk = 'nothing' AND n = 5"), json!([]));
    let old = run(&bench, "DELETE FROM tab WHERE pk = 'a' AND sk = '0' RETURNING ALL OLD *");
    assert_eq!(old[0]["n"], json!({ "N": "0" }));
    assert!(bench.get("a", "0").is_null());
}

#[test]
fn parameters_take_the_places_of_question_marks() {
    let bench = bench();
    let output = bench.ok(
        "ExecuteStatement",
        json!({
            "Statement": "SELECT sk FROM tab WHERE pk = ? AND n IN [?, ?]",
            "Parameters": [{ "S": "a" }, { "N": "1.0" }, { "N": "2" }],
            "ReturnConsumedCapacity": "TOTAL",
        }),
    );
    assert_eq!(sort_keys(&output["Items"]), ["1", "2"]);
    assert_eq!(output["ConsumedCapacity"], json!({ "TableName": "tab", "CapacityUnits": 0.5 }));
    assert_eq!(
        bench.invalid("ExecuteStatement", json!({ "Statement": "SELECT * FROM tab", "Parameters": [{ "S": "a" }] })),
        "Number of parameters in request and statement don't match."
    );
}

#[test]
fn batches_answer_each_statement() {
    let bench = bench();
    let output = bench.ok(
        "BatchExecuteStatement",
        json!({
            "Statements": [
                { "Statement": "INSERT INTO tab VALUE {'pk': 'c', 'sk': '9'}" },
                { "Statement": "INSERT INTO tab VALUE {'pk': 'a', 'sk': '1'}", "ReturnValuesOnConditionCheckFailure": "ALL_OLD" },
                { "Statement": "DELETE FROM gone WHERE pk = 'a'" },
                { "Statement": "nonsense" },
            ],
            "ReturnConsumedCapacity": "TOTAL",
        }),
    );
    let codes: Vec<_> =
        output["Responses"].as_array().unwrap().iter().map(|one| one["Error"]["Code"].clone()).collect();
    assert_eq!(codes, [Value::Null, json!("DuplicateItem"), json!("ResourceNotFound"), json!("ValidationError")]);
    assert_eq!(output["Responses"][1]["Error"]["Item"]["n"], json!({ "N": "1" }));
    assert_eq!(output["Responses"][0]["TableName"], "tab");
    assert!(!bench.get("c", "9").is_null());
    let read = |statement: &str| {
        bench.ok("BatchExecuteStatement", json!({ "Statements": [{ "Statement": statement }] }))["Responses"][0].clone()
    };
    assert_eq!(read("SELECT n FROM tab WHERE pk = 'a' AND sk = '1'")["Item"], json!({ "n": { "N": "1" } }));
    assert!(read("SELECT n FROM tab WHERE pk = 'a'")["Error"]["Message"].as_str().unwrap().contains("primary key"));
}

#[test]
fn transactions_are_all_or_nothing() {
    let bench = bench();
    let run = |statements: &[&str], more: Value| {
        let statements: Vec<_> = statements.iter().map(|text| json!({ "Statement": text })).collect();
        let mut request = json!({ "TransactStatements": statements });
        for (name, value) in more.as_object().unwrap() {
            request[name] = value.clone();
        }
        bench.call("ExecuteTransaction", request)
    };
    let error = run(
        &[
            "EXISTS(SELECT * FROM tab WHERE pk = 'a' AND sk = '1' AND n = 1)",
            "INSERT INTO tab VALUE {'pk': 'c', 'sk': '9'}",
            "INSERT INTO tab VALUE {'pk': 'a', 'sk': '2'}",
        ],
        json!({}),
    )
    .unwrap_err();
    assert_eq!(error.code, "TransactionCanceledException");
    assert!(error.message.ends_with("[None, None, DuplicateItem]"), "{}", error.message);
    assert!(bench.get("c", "9").is_null());
    let good = [
        "EXISTS(SELECT * FROM tab WHERE pk = 'a' AND sk = '1' AND n = 1)",
        "UPDATE tab SET n = n + 1 WHERE pk = 'a' AND sk = '2'",
    ];
    let more = json!({ "ClientRequestToken": "again", "ReturnConsumedCapacity": "TOTAL" });
    let output = run(&good, more.clone()).unwrap();
    assert_eq!(output["ConsumedCapacity"][0]["WriteCapacityUnits"], json!(4.0));
    run(&good, more).unwrap();
    assert_eq!(bench.get("a", "2")["n"], json!({ "N": "3" }), "the token stands for one transaction");
    let read = run(
        &["SELECT n FROM tab WHERE pk = 'a' AND sk = '2'", "SELECT n FROM tab WHERE pk = 'x' AND sk = '2'"],
        json!({}),
    );
    assert_eq!(read.unwrap()["Responses"], json!([{ "Item": { "n": { "N": "3" } } }, {}]));
}

#[test]
fn statements_need_actions_of_their_own() {
    let bench = bench();
    let access = |statement: &str| bench.access("ExecuteStatement", json!({ "Statement": statement })).remove(0);
    let scan = access("SELECT n FROM tab");
    assert_eq!(scan.action, "dynamodb:PartiQLSelect");
    assert!(scan.conditions.contains(&("dynamodb:FullTableScan".into(), vec!["true".into()])));
    let index = access("SELECT * FROM \"tab\".\"by-kind\" WHERE kind = 'odd'");
    assert!(index.resource.ends_with("table/tab/index/by-kind"));
    assert!(index.conditions.contains(&("dynamodb:LeadingKeys".into(), vec!["odd".into()])));
    assert_eq!(access("DELETE FROM tab WHERE pk = 'a' AND sk = '1'").action, "dynamodb:PartiQLDelete");
}
