//! One event, in CloudTrail's own JSON.
//! <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html>

use serde_json::{Value, json};
use service::{AuditEvent, Principal};

/// The whole record of a call.
pub fn record(event: &AuditEvent, event_id: &str) -> Value {
    let cx = &event.cx;
    let origin = cx.origin();
    let mut record = json!({
        "eventVersion": "1.11",
        "userIdentity": identity(event),
        "eventTime": event.time.iso8601(),
        "eventSource": format!("{}.amazonaws.com", event.service),
        "eventName": event.operation,
        "awsRegion": cx.region(),
        "sourceIPAddress": origin.via.as_deref().unwrap_or(&origin.source_ip),
        "userAgent": origin.via.as_deref().unwrap_or(&origin.user_agent),
        "requestParameters": lower_camel(&event.parameters),
        "responseElements": null,
        "requestID": cx.request_id(),
        "eventID": event_id,
        "readOnly": event.read_only,
        "eventType": "AwsApiCall",
        "managementEvent": !event.data,
        "recipientAccountId": cx.account(),
        "eventCategory": if event.data { "Data" } else { "Management" },
    });
    if let Some((code, message)) = &event.error {
        record["errorCode"] = json!(code);
        record["errorMessage"] = json!(message);
    }
    record
}

fn identity(event: &AuditEvent) -> Value {
    let cx = &event.cx;
    let principal = cx.principal();
    let base = |kind: &str| {
        json!({
            "type": kind,
            "principalId": principal.user_id(),
            "arn": principal.arn(),
            "accountId": principal.account(),
            "accessKeyId": cx.access_key_id(),
        })
    };
    match principal {
        Principal::Anonymous => json!({ "type": "AWSAccount", "principalId": "", "accountId": "ANONYMOUS_PRINCIPAL" }),
        Principal::Service { name } => json!({ "type": "AWSService", "invokedBy": name }),
        Principal::Root { .. } => base("Root"),
        Principal::FederatedUser { .. } => base("FederatedUser"),
        Principal::User { name, .. } => {
            let mut identity = base("IAMUser");
            identity["userName"] = json!(name);
            identity
        }
        Principal::AssumedRole { account, role, role_id, .. } => {
            let mut identity = base("AssumedRole");
            identity["sessionContext"] = json!({
                "sessionIssuer": {
                    "type": "Role",
                    "principalId": role_id,
                    "arn": principal.principal_arn(),
                    "accountId": account,
                    "userName": role,
                },
                "attributes": {
                    "creationDate": cx.session().map(|session| session.issued.iso8601()),
                    "mfaAuthenticated": cx.session().is_some_and(|session| session.mfa).to_string(),
                },
            });
            identity
        }
    }
}

/// Whom a lookup by `Username` finds.
pub fn user_name(principal: &Principal) -> Option<String> {
    match principal {
        Principal::User { name, .. } | Principal::FederatedUser { name, .. } => Some(name.clone()),
        Principal::AssumedRole { session, .. } => Some(session.clone()),
        Principal::Root { .. } => Some("root".to_owned()),
        Principal::Anonymous | Principal::Service { .. } => None,
    }
}

/// CloudTrail writes parameters with a small first letter.
fn lower_camel(value: &Value) -> Value {
    match value {
        Value::Object(object) => Value::Object(
            object
                .iter()
                .map(|(key, value)| {
                    let mut chars = key.chars();
                    let first = chars.next().map(|c| c.to_lowercase().to_string()).unwrap_or_default();
                    (first + chars.as_str(), lower_camel(value))
                })
                .collect(),
        ),
        Value::Array(list) => list.iter().map(lower_camel).collect(),
        other => other.clone(),
    }
}
