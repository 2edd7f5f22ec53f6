//! PutResourcePolicy, GetResourcePolicy, DeleteResourcePolicy, and the policies as authorization asks for them.

use std::sync::Arc;

use dynamodb_api as api;
use service::policy::{Policy, Source};
use service::{Context, StoreError, operation};

use crate::DynamoDb;
use crate::error::{Error, Invalid};
use crate::stream::Stream;
use crate::streams::read::{find, stream_key};
use crate::table::ResourcePolicy;

const MAX_BYTES: usize = 20 * 1024;
/// The revision of a policy that is not there.
const NO_POLICY: &str = "NO_POLICY";

/// The policy of a table, an index or a stream. That of a table is also that of its indexes.
pub fn of_resource(db: &DynamoDb, cx: &Context, resource: &str) -> Result<Option<Source>, StoreError> {
    if !resource.starts_with("arn:") {
        return Ok(None);
    }
    let policy = if resource.contains("/stream/") {
        let Some(key) = stream_key(cx, resource) else { return Ok(None) };
        let Some(record) = cx.store().get(&key)? else { return Ok(None) };
        service::from_record::<Stream>(&record)?.policy
    } else {
        match db.find_table(cx, resource) {
            Ok(Some(table)) => table.policy.clone(),
            Ok(None) => None,
            Err(error) => return Err(StoreError::Corrupt(format!("{error:?}"))),
        }
    };
    let Some(ResourcePolicy { document, .. }) = policy else { return Ok(None) };
    let policy = Policy::parse(&document).map_err(|error| StoreError::Corrupt(format!("a policy: {error}")))?;
    Ok(Some(Source { name: format!("policy of {resource}"), policy: Arc::new(policy) }))
}

/// A document that is to be attached, with a new revision.
pub fn attached(cx: &Context, document: &str) -> Result<ResourcePolicy, Invalid> {
    let invalid = |reason: String| Invalid(format!("Invalid policy document: {reason}"));
    if document.split_whitespace().map(str::len).sum::<usize>() > MAX_BYTES {
        return Err(invalid(format!("The policy is larger than {MAX_BYTES} bytes")));
    }
    let policy = Policy::parse(document).map_err(|error| invalid(error.to_string()))?;
    if policy.statements.iter().any(|statement| statement.principal.is_none()) {
        return Err(invalid("Missing required field Principal".to_owned()));
    }
    let revision = cx.now().millis().to_string() + &cx.random().uuid().replace(|c: char| !c.is_ascii_digit(), "");
    Ok(ResourcePolicy { document: document.to_owned(), revision })
}

/// Checks the revision that a request expects.
fn check(current: Option<&ResourcePolicy>, expected: Option<&String>) -> Result<(), Error> {
    match expected {
        Some(expected) if expected != current.map_or(NO_POLICY, |policy| &policy.revision) => {
            Err(not_found("The provided ExpectedRevisionId does not match the revision of the policy that is attached"))
        }
        _ => Ok(()),
    }
}

fn not_found(reason: &str) -> Error {
    Error::PolicyNotFound(format!("Resource-based policy not found for the provided ResourceArn: {reason}"))
}

impl DynamoDb {
    /// Changes the policy of a table or a stream.
    fn change_policy<T>(
        &self,
        cx: &Context,
        arn: &str,
        change: impl FnOnce(&mut Option<ResourcePolicy>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if !arn.contains("/stream/") {
            return Ok(self.change_table(cx, arn, |table| change(&mut table.policy))?.1);
        }
        find(cx, arn)?;
        let key = stream_key(cx, arn).unwrap_or_default();
        cx.store().write(|transaction| {
            let record = transaction.get(&key)?.ok_or_else(|| {
                Error::ResourceNotFound(format!("Requested resource not found: Stream: {arn} not found"))
            })?;
            let mut stream: Stream = service::from_record(&record)?;
            let value = change(&mut stream.policy)?;
            transaction.put(key, service::to_record(&stream)?);
            Ok(value)
        })
    }
}

operation! {
    DynamoDb, api::PutResourcePolicy,
    action: "dynamodb:PutResourcePolicy" on |_, request| request.resource_arn.clone(),
    handler: put_resource_policy
}

async fn put_resource_policy(
    db: &DynamoDb,
    cx: &Context,
    request: api::PutResourcePolicyInput,
) -> Result<api::PutResourcePolicyOutput, Error> {
    let new = attached(cx, &request.policy)?;
    let revision = db.change_policy(cx, &request.resource_arn, |policy| {
        check(policy.as_ref(), request.expected_revision_id.as_ref())?;
        // The same document again is the same revision.
        let unchanged = policy.as_ref().is_some_and(|policy| policy.document == new.document);
        if !unchanged {
            *policy = Some(new);
        }
        Ok(policy.as_ref().map(|policy| policy.revision.clone()))
    })?;
    Ok(api::PutResourcePolicyOutput { revision_id: revision })
}

operation! {
    DynamoDb, api::GetResourcePolicy,
    action: "dynamodb:GetResourcePolicy" on |_, request| request.resource_arn.clone(),
    handler: get_resource_policy
}

async fn get_resource_policy(
    db: &DynamoDb,
    cx: &Context,
    request: api::GetResourcePolicyInput,
) -> Result<api::GetResourcePolicyOutput, Error> {
    let policy = match request.resource_arn.contains("/stream/") {
        true => find(cx, &request.resource_arn)?.policy,
        false => db.named_table(cx, &request.resource_arn)?.policy.clone(),
    };
    let policy = policy.ok_or_else(|| not_found("Requested policy not found"))?;
    Ok(api::GetResourcePolicyOutput { policy: Some(policy.document), revision_id: Some(policy.revision) })
}

operation! {
    DynamoDb, api::DeleteResourcePolicy,
    action: "dynamodb:DeleteResourcePolicy" on |_, request| request.resource_arn.clone(),
    handler: delete_resource_policy
}

async fn delete_resource_policy(
    db: &DynamoDb,
    cx: &Context,
    request: api::DeleteResourcePolicyInput,
) -> Result<api::DeleteResourcePolicyOutput, Error> {
    let gone = db.change_policy(cx, &request.resource_arn, |policy| {
        check(policy.as_ref(), request.expected_revision_id.as_ref())?;
        Ok(policy.take())
    })?;
    Ok(api::DeleteResourcePolicyOutput { revision_id: gone.map(|policy| policy.revision) })
}

#[cfg(test)]
mod tests {
    use crate::testing::Bench;
    use serde_json::json;

    const ARN: &str = "arn:aws:dynamodb:us-east-1:000000000000:table/tab";

    fn document(principal: &str) -> String {
        json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": { "AWS": principal }, "Action": "dynamodb:*", "Resource": ARN,
        }] })
        .to_string()
    }

    #[test]
    fn policies_have_revisions() {
        let bench = Bench::with_table();
        let arn = json!({ "ResourceArn": ARN });
        assert_eq!(
            bench.error("GetResourcePolicy", arn.clone()),
            (
                "PolicyNotFoundException".into(),
                "Resource-based policy not found for the provided ResourceArn: Requested policy not found".into()
            )
        );
        let put = |expected: &str, principal: &str| json!({ "ResourceArn": ARN, "Policy": document(principal), "ExpectedRevisionId": expected });
        assert_eq!(bench.error("PutResourcePolicy", put("1", "111111111111")).0, "PolicyNotFoundException");
        let first = bench.ok("PutResourcePolicy", put("NO_POLICY", "111111111111"))["RevisionId"].clone();
        let first = first.as_str().unwrap();
        assert_eq!(bench.ok("PutResourcePolicy", put(first, "111111111111"))["RevisionId"], first);
        let second = bench.ok("PutResourcePolicy", put(first, "222222222222"))["RevisionId"].clone();
        assert_ne!(second, first);
        let got = bench.ok("GetResourcePolicy", arn.clone());
        assert_eq!((&got["RevisionId"], &got["Policy"]), (&second, &json!(document("222222222222"))));
        let hook = |resource: &str| super::of_resource(&bench.db, &bench.cx(), resource).unwrap().is_some();
        assert!(hook(ARN) && hook(&format!("{ARN}/index/x")) && !hook("*") && !hook(&format!("{ARN}x")));
        assert_eq!(bench.ok("DeleteResourcePolicy", arn.clone())["RevisionId"], second);
        assert_eq!(bench.ok("DeleteResourcePolicy", arn), json!({}));
        assert!(!hook(ARN));
        for bad in ["", "[]", r#"{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#] {
            bench.invalid("PutResourcePolicy", json!({ "ResourceArn": ARN, "Policy": bad }));
        }
        let gone = json!({ "ResourceArn": format!("{ARN}x") });
        assert_eq!(bench.error("GetResourcePolicy", gone).0, "ResourceNotFoundException");
    }

    #[test]
    fn streams_have_policies_too() {
        let bench = Bench::new();
        bench.create(
            "tab",
            &["pk"],
            json!({ "StreamSpecification": { "StreamEnabled": true, "StreamViewType": "KEYS_ONLY" } }),
        );
        let arn = bench.ok("DescribeTable", json!({ "TableName": "tab" }))["Table"]["LatestStreamArn"].clone();
        bench.ok("PutResourcePolicy", json!({ "ResourceArn": arn, "Policy": document("*") }));
        assert_eq!(bench.ok("GetResourcePolicy", json!({ "ResourceArn": arn }))["Policy"], json!(document("*")));
        assert!(super::of_resource(&bench.db, &bench.cx(), arn.as_str().unwrap()).unwrap().is_some());
    }
}
