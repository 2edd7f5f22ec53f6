//! TagResource, UntagResource, ListTagsOfResource.

use std::collections::BTreeMap;

use dynamodb_api as api;
use service::Context;

use crate::DynamoDb;
use crate::error::{Error, Invalid};
use crate::table::Table;

const MAX_TAGS: usize = 50;

async fn tag_resource(db: &DynamoDb, cx: &Context, request: api::TagResourceInput) -> Result<(), Error> {
    check_resource(db, cx, &request.resource_arn)?;
    db.change_table(cx, &request.resource_arn, |table| Ok(add(&mut table.tags, request.tags)?))?;
    Ok(())
}

async fn untag_resource(db: &DynamoDb, cx: &Context, request: api::UntagResourceInput) -> Result<(), Error> {
    check_resource(db, cx, &request.resource_arn)?;
    db.change_table(cx, &request.resource_arn, |table| {
        table.tags.retain(|key, _| !request.tag_keys.contains(key));
        Ok(())
    })?;
    Ok(())
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
