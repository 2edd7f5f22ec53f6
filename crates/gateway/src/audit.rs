//! The record of a call, published to whoever keeps the trail.

use std::any::Any;

use serde_json::Value as Json;
use service::{AnyOperation, ApiError, AuditEvent, Context, Event, Service};
use wire::json::{JsonEncoder, Names};

/// What of a call must be noted before its input is consumed.
pub(crate) struct Record {
    service: &'static str,
    operation: &'static str,
    /// The request parameters, as JSON text. Parsed only by who reads the trail.
    parameters: Vec<u8>,
}

/// Parameters of more than this are left out, as CloudTrail does with large ones.
const MAX_PARAMETERS: usize = 100 * 1024;

impl Record {
    pub(crate) fn before(
        service: &dyn Service,
        operation: &'static dyn AnyOperation,
        input: &(dyn Any + Send),
    ) -> Record {
        let model = operation.model();
        let mut parameters = Vec::new();
        // Data events carry their content, which the trail does not keep.
        if let (Some(shapes), false) = (&model.shapes, is_data(service.model().name, model.name)) {
            let mut encoder = JsonEncoder::new(shapes.input, Names::Model);
            operation.encode_input(input, &mut encoder);
            parameters = encoder.finish();
        }
        Record { service: service.model().name, operation: model.name, parameters }
    }

    pub(crate) fn write(self, cx: &Context, error: Option<&ApiError>, resource: Option<String>) {
        let parameters = if self.parameters.len() > MAX_PARAMETERS { Vec::new() } else { redact(self.parameters) };
        let (data, read_only) = (is_data(self.service, self.operation), is_read_only(self.operation));
        // A service that polls a stream on somebody's behalf would fill the trail with that alone.
        if data && read_only && cx.origin().via.is_some() {
            return;
        }
        cx.cloud.events.publish(Event::Audit(AuditEvent {
            time: cx.now(),
            cx: cx.clone(),
            service: source(self.service, self.operation, resource.as_deref()),
            operation: self.operation,
            read_only,
            data,
            parameters,
            error: error.map(|error| (error.code.clone(), error.message.clone())),
            resource,
        }));
    }
}

/// Under which name a call is told of: what is for directory buckets is S3 Express's.
fn source(service: &'static str, operation: &str, resource: Option<&str>) -> &'static str {
    let own = matches!(operation, "CreateSession" | "ListDirectoryBuckets" | "RenameObject");
    let express = own || resource.is_some_and(|resource| resource.starts_with("arn:aws:s3express:"));
    if service == "s3" && express { "s3express" } else { service }
}

/// Operations on the content of resources: CloudTrail's data events.
pub(crate) fn is_data(service: &str, operation: &str) -> bool {
    match service {
        "dynamodb" => {
            const ITEMS: [&str; 6] = ["Item", "Items", "Query", "Scan", "ExecuteStatement", "ExecuteTransaction"];
            ITEMS.iter().any(|suffix| operation.ends_with(suffix)) || operation == "BatchExecuteStatement"
        }
        "s3" => {
            (operation.contains("Object") && !operation.contains("Configuration"))
                || operation.contains("Part")
                || operation.contains("Multipart")
        }
        "dynamodbstreams" => matches!(operation, "GetRecords" | "GetShardIterator"),
        "lambda" => operation.starts_with("Invoke"),
        "logs" => matches!(operation, "PutLogEvents" | "GetLogEvents" | "FilterLogEvents"),
        _ => false,
    }
}

fn is_read_only(operation: &str) -> bool {
    ["Get", "List", "Describe", "Head", "Lookup", "Query", "Scan", "BatchGet", "Filter", "Search", "Select", "Simulate"]
        .iter()
        .any(|prefix| operation.starts_with(prefix))
}

/// Names of members that end with one of these never enter the trail.
const SECRET: &[&str] =
    &["Password", "SecretAccessKey", "ZipFile", "PrivateKey", "WebIdentityToken", "SAMLAssertion", "SSECustomerKey"];

/// The parameters without their secrets. Few calls have any, so the text is taken apart only where a name is seen.
fn redact(parameters: Vec<u8>) -> Vec<u8> {
    if !SECRET.iter().any(|secret| memchr::memmem::find(&parameters, secret.as_bytes()).is_some()) {
        return parameters;
    }
    serde_json::from_slice(&parameters).map_or_else(|_| Vec::new(), |value| hide(value).to_string().into_bytes())
}

fn hide(mut parameters: Json) -> Json {
    if let Json::Object(object) = &mut parameters {
        for (key, value) in object.iter_mut() {
            if SECRET.iter().any(|secret| key.ends_with(secret)) {
                *value = Json::String("HIDDEN_DUE_TO_SECURITY_REASONS".to_owned());
            } else {
                *value = hide(value.take());
            }
        }
    }
    parameters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_events_and_secrets() {
        assert!(
            is_data("dynamodb", "PutItem")
                && is_data("dynamodb", "BatchGetItem")
                && !is_data("dynamodb", "CreateTable")
        );
        assert_eq!(source("s3", "PutObject", Some("arn:aws:s3:::a--x-s3/k")), "s3");
        assert_eq!(source("s3", "PutObject", Some("arn:aws:s3express:us-east-1:1:bucket/a")), "s3express");
        assert_eq!(source("s3", "CreateSession", None), "s3express");
        assert!(is_data("s3", "GetObject") && !is_data("s3", "CreateBucket"));
        let redacted = hide(serde_json::json!({ "Code": { "ZipFile": "UEs=" }, "FunctionName": "f" }));
        assert_eq!(redacted["Code"]["ZipFile"], "HIDDEN_DUE_TO_SECURITY_REASONS");
        assert_eq!(redacted["FunctionName"], "f");
    }
}
