//! A cloud in memory for the tests of operations, spoken to in the protocol's own JSON.

use std::sync::Arc;

use futures_util::FutureExt as _;
use serde_json::{Value, json};
use service::{Access, AnyOperation, ApiError, Clock, Cloud, Context, Random, Service, Store, Timestamp, testing};
use wire::json::{JsonEncoder, Names, decode};

use crate::{DynamoDb, Streams};

type Input = Box<dyn std::any::Any + Send>;

pub struct Bench {
    pub db: DynamoDb,
    pub streams: Streams,
    pub cloud: Arc<Cloud>,
}

impl Bench {
    pub fn new() -> Bench {
        Bench::over(Store::memory())
    }

    pub fn over(store: Store) -> Bench {
        let clock = Clock::frozen(Timestamp::from_secs(1_700_000_000));
        let db = DynamoDb::default();
        Bench {
            streams: Streams::new(db.clone()),
            db,
            cloud: Cloud::new(store, clock, Random::seeded(1), testing::config("")),
        }
    }

    /// A bench with a table `tab` of items with string keys `pk` and `sk`.
    pub fn with_table() -> Bench {
        let bench = Bench::new();
        bench.create("tab", &["pk", "sk"], json!({}));
        bench
    }

    /// Creates an on-demand table with the given string keys.
    pub fn create(&self, name: &str, keys: &[&str], more: Value) {
        let mut request = json!({
            "TableName": name,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions":
                keys.iter().map(|key| json!({ "AttributeName": key, "AttributeType": "S" })).collect::<Vec<_>>(),
            "KeySchema": keys.iter().zip(["HASH", "RANGE"]).map(|(key, kind)| json!({
                "AttributeName": key, "KeyType": kind,
            })).collect::<Vec<_>>(),
        });
        for (member, value) in more.as_object().unwrap() {
            request[member] = value.clone();
        }
        self.ok("CreateTable", request);
    }

    pub fn cx(&self) -> Context {
        testing::root(&self.cloud)
    }

    /// A call in another region.
    pub fn in_region(&self, region: &str, name: &str, request: Value) -> Result<Value, ApiError> {
        self.call_as(self.cx().in_place("000000000000", region), name, request)
    }

    /// Decodes, validates, calls and encodes, as the gateway does.
    pub fn call(&self, name: &str, request: Value) -> Result<Value, ApiError> {
        self.call_as(self.cx(), name, request)
    }

    fn call_as(&self, cx: Context, name: &str, request: Value) -> Result<Value, ApiError> {
        let (operation, input) = self.decode(name, request)?;
        let service = self.service(name);
        let violations = operation.validate(&*input);
        if !violations.is_empty() {
            return Err(service.invalid(&violations));
        }
        operation.access(service, &cx, &*input)?;
        let output = operation.call(service, &cx, input).now_or_never().unwrap()?;
        let mut encoder = JsonEncoder::new(operation.model().shapes.as_ref().unwrap().output, Names::Model);
        operation.encode_output(&*output, &mut encoder);
        Ok(serde_json::from_slice(&encoder.finish()).unwrap())
    }

    /// The one of the two services that has the operation.
    fn service(&self, operation: &str) -> &dyn Service {
        if self.streams.operation(operation).is_some() { &self.streams } else { &self.db }
    }

    fn decode(&self, name: &str, request: Value) -> Result<(&'static dyn AnyOperation, Input), ApiError> {
        let operation = self.service(name).operation(name).unwrap();
        let schema = operation.model().shapes.as_ref().unwrap().input;
        let body = serde_json::to_vec(&request).unwrap();
        let mut missing = false;
        let input = decode(&body, schema, Names::Model, |decoder| operation.decode(decoder, &mut missing));
        Ok((operation, input.map_err(|error| self.db.malformed(&error))?))
    }

    /// What a call needs to be allowed.
    pub fn access(&self, name: &str, request: Value) -> Vec<Access> {
        let (operation, input) = self.decode(name, request).unwrap();
        operation.access(&self.db, &self.cx(), &*input).unwrap()
    }

    pub fn ok(&self, operation: &str, request: Value) -> Value {
        self.call(operation, request).unwrap_or_else(|error| panic!("{operation}: {error:?}"))
    }

    /// The code and message of a call that must fail.
    pub fn error(&self, operation: &str, request: Value) -> (String, String) {
        match self.call(operation, request) {
            Ok(output) => panic!("{operation} succeeded: {output}"),
            Err(error) => (error.code, error.message),
        }
    }

    /// The message of a call that must break a rule.
    pub fn invalid(&self, operation: &str, request: Value) -> String {
        let (code, message) = self.error(operation, request);
        assert_eq!(code, "ValidationException", "{message}");
        message
    }

    /// Puts `{pk, sk, …}` into `tab`.
    pub fn put(&self, pk: &str, sk: &str, more: Value) {
        let mut item = json!({ "pk": { "S": pk }, "sk": { "S": sk } });
        for (name, value) in more.as_object().unwrap() {
            item[name] = value.clone();
        }
        self.ok("PutItem", json!({ "TableName": "tab", "Item": item }));
    }

    /// The item of `tab`, or null.
    pub fn get(&self, pk: &str, sk: &str) -> Value {
        let key = json!({ "pk": { "S": pk }, "sk": { "S": sk } });
        let output = self.ok("GetItem", json!({ "TableName": "tab", "Key": key }));
        output.get("Item").cloned().unwrap_or_default()
    }
}
