//! TagResource, UntagResource, ListTagsOfResource.

use std::collections::BTreeMap;

use dynamodb_api as api;
use service::{Context, operation};
use wire::Unit;

use crate::DynamoDb;
use crate::access;
use crate::error::{Error, Invalid};
use crate::table::Table;

const MAX_TAGS: usize = 50;

operation! {
    DynamoDb, api::TagResource,
    action: "dynamodb:TagResource" on |cx, request| access::table_arn(cx, &request.resource_arn),
    handler: tag_resource
}

async fn tag_resource(db: &DynamoDb, cx: &Context, request: api::TagResourceInput) -> Result<Unit, Error> {
    check_resource(db, cx, &request.resource_arn)?;
    if request.tags.is_empty() {
        return Err(Invalid::new("Atleast one Tag needs to be provided as Input.").into());
    }
    db.change_table(cx, &request.resource_arn, |table| Ok(add(&mut table.tags, request.tags)?))?;
    Ok(Unit {})
}

operation! {
    DynamoDb, api::UntagResource,
    action: "dynamodb:UntagResource" on |cx, request| access::table_arn(cx, &request.resource_arn),
    handler: untag_resource
}

async fn untag_resource(db: &DynamoDb, cx: &Context, request: api::UntagResourceInput) -> Result<Unit, Error> {
    check_resource(db, cx, &request.resource_arn)?;
    if request.tag_keys.is_empty() {
        return Err(Invalid::new("Atleast one Tag Key needs to be provided as Input.").into());
    }
    db.change_table(cx, &request.resource_arn, |table| {
        table.tags.retain(|key, _| !request.tag_keys.contains(key));
        Ok(())
    })?;
    Ok(Unit {})
}

operation! {
    DynamoDb, api::ListTagsOfResource,
    action: "dynamodb:ListTagsOfResource" on |cx, request| access::table_arn(cx, &request.resource_arn),
    handler: list_tags_of_resource
}

async fn list_tags_of_resource(
    db: &DynamoDb,
    cx: &Context,
    request: api::ListTagsOfResourceInput,
) -> Result<api::ListTagsOfResourceOutput, Error> {
    let table = check_resource(db, cx, &request.resource_arn)?;
    let tag = |(key, value): (&String, &String)| api::Tag { key: key.clone(), value: value.clone() };
    Ok(api::ListTagsOfResourceOutput { tags: Some(table.tags.iter().map(tag).collect()), next_token: None })
}

fn check_resource(db: &DynamoDb, cx: &Context, arn: &str) -> Result<std::sync::Arc<Table>, Error> {
    if !arn.starts_with("arn:") {
        return Err(Invalid(format!("Invalid TableArn: Invalid ResourceArn provided as input {arn}")).into());
    }
    db.find_table(cx, arn)?
        .ok_or_else(|| Error::ResourceNotFound(format!("Requested resource not found: ResourcArn: {arn} not found")))
}

/// Adds tags to those that there are.
pub fn add(tags: &mut BTreeMap<String, String>, more: Vec<api::Tag>) -> Result<(), Invalid> {
    let given = more.len();
    let before: BTreeMap<String, String> = more.into_iter().map(|tag| (tag.key, tag.value)).collect();
    if before.len() < given {
        return Err(Invalid::values("Duplicate tag keys are not allowed"));
    }
    if let Some(key) = before.keys().find(|key| key.starts_with("aws:")) {
        return Err(Invalid::values(format!("Tag keys must not begin with aws: {key}")));
    }
    tags.extend(before);
    if tags.len() > MAX_TAGS {
        return Err(Invalid::values(format!("The number of tags exceeds the limit of {MAX_TAGS}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Bench;
    use serde_json::json;

    #[test]
    fn tags_are_kept_with_the_table() {
        let bench = Bench::with_table();
        let arn = "arn:aws:dynamodb:us-east-1:000000000000:table/tab";
        bench.ok(
            "TagResource",
            json!({ "ResourceArn": arn, "Tags": [{ "Key": "a", "Value": "1" }, { "Key": "b", "Value": "" }] }),
        );
        bench.ok("UntagResource", json!({ "ResourceArn": arn, "TagKeys": ["a"] }));
        assert_eq!(
            bench.ok("ListTagsOfResource", json!({ "ResourceArn": arn })),
            json!({ "Tags": [{ "Key": "b", "Value": "" }] })
        );
        let gone = format!("{arn}x");
        assert_eq!(
            bench.error("ListTagsOfResource", json!({ "ResourceArn": gone })),
            ("ResourceNotFoundException".into(), format!("Requested resource not found: ResourcArn: {gone} not found"))
        );
    }
}
