//! One event, in CloudTrail's own JSON.
//! <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html>

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use service::{AuditEvent, Principal, Timestamp};

/// Who made a call and from where, as the record shows it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Identity {
    /// `userIdentity`
    identity: Value,
    /// Whom a lookup by `Username` finds.
    pub user: Option<String>,
    pub key: Option<String>,
    source: String,
    agent: String,
}

impl Identity {
    pub fn of(event: &AuditEvent) -> Identity {
        let (principal, origin) = (event.cx.principal(), event.cx.origin());
        Identity {
            identity: identity(event),
            user: user_name(principal),
            key: event.cx.access_key_id().map(str::to_owned),
            source: origin.via.as_ref().unwrap_or(&origin.source_ip).clone(),
            agent: origin.via.as_ref().unwrap_or(&origin.user_agent).clone(),
        }
    }
}

/// One event as it is looked up.
pub struct Record {
    pub id: String,
    pub time: Timestamp,
    /// `dynamodb`
    pub service: String,
    pub operation: String,
    pub read_only: bool,
    pub data: bool,
    pub request_id: String,
    pub parameters: Value,
    pub error: Option<(String, String)>,
    pub caller: Identity,
    pub account: String,
    pub region: String,
}

impl Record {
    /// `dynamodb.amazonaws.com`
    pub fn source(&self) -> String {
        format!("{}.amazonaws.com", self.service)
    }

    /// The whole record.
    pub fn json(&self) -> Value {
        let mut record = json!({
            "eventVersion": "1.11",
            "userIdentity": self.caller.identity,
            "eventTime": self.time.iso8601(),
            "eventSource": self.source(),
            "eventName": self.operation,
            "awsRegion": self.region,
            "sourceIPAddress": self.caller.source,
            "userAgent": self.caller.agent,
            "requestParameters": lower_camel(&self.parameters),
            "responseElements": null,
            "requestID": self.request_id,
            "eventID": self.id,
            "readOnly": self.read_only,
            "eventType": "AwsApiCall",
            "managementEvent": !self.data,
            "recipientAccountId": self.account,
            "eventCategory": if self.data { "Data" } else { "Management" },
        });
        if let Some((code, message)) = &self.error {
            record["errorCode"] = json!(code);
            record["errorMessage"] = json!(message);
        }
        record
    }

    /// Names among the parameters: `TableName`, `FunctionName`, `Bucket`, …
    pub fn resource_names(&self) -> Vec<&str> {
        let is_name = |key: &str| {
            key.ends_with("Name")
                || key.ends_with("Arn")
                || key.ends_with("ApiId")
                || matches!(key, "Bucket" | "bucket")
        };
        let parameters = self.parameters.as_object().into_iter().flatten();
        parameters.filter(|(key, _)| is_name(key)).filter_map(|(_, value)| value.as_str()).collect()
    }
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

fn user_name(principal: &Principal) -> Option<String> {
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
