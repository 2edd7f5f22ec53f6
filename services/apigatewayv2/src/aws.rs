//! First-class integrations of HTTP APIs: an action of another service, its input made of the request parameters.
//!
//! An integration can be made only for a service that is there and speaks JSON; it runs as the integration's role.

use crate::{
    error::{Error, bad},
    mapping::{of_request, resolve},
    reply::{Failure, Reply},
    request::Request,
};
use apigatewayv2_api::Integration;
use execute_api::{Action, Unanswered, World, backend::json_service};
use serde_json::{Map, Value as Json};
use service::Context;

/// A subtype with what it calls.
struct Subtype {
    name: &'static str,
    service: &'static str,
    operation: &'static str,
    /// Parameters that must be there.
    required: &'static [&'static str],
}

const SUBTYPES: &[Subtype] = &[
    Subtype {
        name: "AppConfig-GetConfiguration",
        service: "appconfig",
        operation: "GetConfiguration",
        required: &["Application", "Environment", "Configuration", "ClientId"],
    },
    Subtype {
        name: "EventBridge-PutEvents",
        service: "events",
        operation: "PutEvents",
        required: &["Detail", "DetailType", "Source"],
    },
    Subtype {
        name: "Kinesis-PutRecord",
        service: "kinesis",
        operation: "PutRecord",
        required: &["StreamName", "Data", "PartitionKey"],
    },
    Subtype {
        name: "SQS-DeleteMessage",
        service: "sqs",
        operation: "DeleteMessage",
        required: &["ReceiptHandle", "QueueUrl"],
    },
    Subtype { name: "SQS-PurgeQueue", service: "sqs", operation: "PurgeQueue", required: &["QueueUrl"] },
    Subtype { name: "SQS-ReceiveMessage", service: "sqs", operation: "ReceiveMessage", required: &["QueueUrl"] },
    Subtype {
        name: "SQS-SendMessage",
        service: "sqs",
        operation: "SendMessage",
        required: &["QueueUrl", "MessageBody"],
    },
    Subtype {
        name: "StepFunctions-StartExecution",
        service: "states",
        operation: "StartExecution",
        required: &["StateMachineArn"],
    },
    Subtype {
        name: "StepFunctions-StartSyncExecution",
        service: "states",
        operation: "StartSyncExecution",
        required: &["StateMachineArn"],
    },
    Subtype {
        name: "StepFunctions-StopExecution",
        service: "states",
        operation: "StopExecution",
        required: &["ExecutionArn"],
    },
];

/// Members of inputs that are not texts.
const NUMBERS: [&str; 4] = ["DelaySeconds", "MaxNumberOfMessages", "VisibilityTimeout", "WaitTimeSeconds"];
const DOCUMENTS: [&str; 3] = ["AttributeNames", "MessageAttributes", "MessageAttributeNames"];

fn subtype(name: &str) -> Option<&'static Subtype> {
    SUBTYPES.iter().find(|known| known.name == name)
}

/// Whether an integration of a subtype is complete, and its service there.
pub fn check(cx: &Context, integration: &Integration, name: &str) -> Result<(), Error> {
    let Some(subtype) = subtype(name) else {
        return Err(Error::BadRequest(format!("Invalid IntegrationSubtype specified: {name}")));
    };
    if integration.credentials_arn.as_deref().unwrap_or_default().is_empty() {
        return bad("CredentialsArn is required for integrations with an IntegrationSubtype");
    }
    let given =
        |required: &&&str| !integration.request_parameters.as_ref().is_some_and(|all| all.contains_key(**required));
    if let Some(missing) = subtype.required.iter().find(given) {
        return Err(Error::BadRequest(format!("Missing required request parameter for {name}: {missing}")));
    }
    if json_service(cx, subtype.service).is_none() {
        return Err(Error::NotImplemented(format!("Integrations of the subtype {name} are not implemented.")));
    }
    Ok(())
}

/// Performs the action of an integration.
pub async fn act(world: &World, integration: &Integration, request: &Request) -> Result<Reply, Failure> {
    let name = integration.integration_subtype.as_deref().unwrap_or_default();
    let subtype = subtype(name).ok_or_else(|| Failure::internal("unknown subtype"))?;
    let input = input(subtype, integration, request);
    let action = Action {
        service: subtype.service.to_owned(),
        operation: subtype.operation.to_owned(),
        body: input.to_string().into(),
        source_arn: request.source_arn(),
        credentials: integration.credentials_arn.clone(),
    };
    let answer = world.act(action).await.map_err(|reason| match reason {
        Unanswered::Timeout => Failure::unavailable("Execution timed out"),
        other => Failure::internal(format!("{other:?}")),
    })?;
    let content_type = ("content-type".to_owned(), "application/json".to_owned());
    Ok(Reply { status: answer.status, headers: vec![content_type], body: answer.body })
}

fn input(subtype: &Subtype, integration: &Integration, request: &Request) -> Json {
    let context = request.context();
    let find = |name: &str| of_request(name, request, &context);
    let mut members = Map::new();
    for (name, template) in integration.request_parameters.iter().flatten() {
        let Some(value) = resolve(template, &find) else { continue };
        let value = if NUMBERS.contains(&name.as_str()) {
            value.parse::<i64>().map_or(Json::from(value), Json::from)
        } else if DOCUMENTS.contains(&name.as_str()) {
            serde_json::from_str(&value).unwrap_or(Json::from(value))
        } else {
            Json::from(value)
        };
        members.insert(name.clone(), value);
    }
    members.shift_remove("Region");
    match subtype.service {
        // One event of a list.
        "events" => serde_json::json!({ "Entries": [members] }),
        // Step Functions' members begin in lower case.
        "states" => {
            let lower = |(name, value): (String, Json)| {
                let mut letters = name.chars();
                let first = letters.next().map(|first| first.to_ascii_lowercase());
                (first.into_iter().chain(letters).collect::<String>(), value)
            };
            Json::Object(members.into_iter().map(lower).collect())
        }
        _ => Json::Object(members),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn inputs_are_made_of_parameters() {
        let integration = |pairs: &[(&str, &str)]| Integration {
            request_parameters: Some(pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()),
            ..Integration::default()
        };
        let request = Request { body: r#"{"message":"hi"}"#.into(), ..Request::default() };
        let sqs =
            integration(&[("QueueUrl", "http://q"), ("MessageBody", "$request.body.message"), ("DelaySeconds", "3")]);
        let made = input(subtype("SQS-SendMessage").unwrap(), &sqs, &request);
        assert_eq!(made, json!({"DelaySeconds": 3, "MessageBody": "hi", "QueueUrl": "http://q"}));
        let states = integration(&[("StateMachineArn", "arn"), ("Input", "$request.body")]);
        let made = input(subtype("StepFunctions-StartExecution").unwrap(), &states, &request);
        assert_eq!(made, json!({"input": "{\"message\":\"hi\"}", "stateMachineArn": "arn"}));
        let events = integration(&[("Detail", "{}"), ("DetailType", "t"), ("Source", "s")]);
        assert_eq!(input(subtype("EventBridge-PutEvents").unwrap(), &events, &request)["Entries"][0]["Source"], "s");
    }
}
