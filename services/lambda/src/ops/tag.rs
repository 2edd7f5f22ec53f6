//! TagResource, UntagResource, ListTags.

use std::collections::BTreeMap;

use lambda_api::{
    ListTags, ListTagsRequest, ListTagsResponse, TagResource, TagResourceRequest, UntagResource, UntagResourceRequest,
};
use service::{Access, Context, TagError, check_tags, operation};
use wire::Unit;

use super::{find, reference};
use crate::Lambda;
use crate::error::Error;
use crate::function::not_found;
use crate::store::{self as records};

operation! {
    Lambda, TagResource,
    access: |_s, _cx, request| Ok::<_, Error>(vec![Access::new("lambda:TagResource", &request.resource)]),
    handler: tag_resource
}
operation! {
    Lambda, UntagResource,
    access: |_s, _cx, request| Ok::<_, Error>(vec![Access::new("lambda:UntagResource", &request.resource)]),
    handler: untag_resource
}
operation! {
    Lambda, ListTags,
    access: |_s, _cx, request| Ok::<_, Error>(vec![Access::new("lambda:ListTags", &request.resource)]),
    handler: list_tags
}

pub fn check(tags: &BTreeMap<String, String>) -> Result<(), Error> {
    let pairs = tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    check_tags(pairs).map_err(|error| {
        Error::InvalidParameterValue(match error {
            TagError::TooMany => "Number of tags exceeds resource tag limit.".into(),
            TagError::Reserved => "aws: prefixed tag key names are not allowed for external use.".into(),
            TagError::KeyLength => "Tag keys must have between 1 and 128 characters.".into(),
            TagError::ValueLength => "Tag values must have at most 256 characters.".into(),
            TagError::Duplicate => "Tag keys must be unique.".into(),
        })
    })
}

async fn tag_resource(_: &Lambda, cx: &Context, request: TagResourceRequest) -> Result<Unit, Error> {
    change(cx, &request.resource, |tags| tags.extend(request.tags))
}

async fn untag_resource(_: &Lambda, cx: &Context, request: UntagResourceRequest) -> Result<Unit, Error> {
    change(cx, &request.resource, |tags| tags.retain(|key, _| !request.tag_keys.contains(key)))
}

async fn list_tags(_: &Lambda, cx: &Context, request: ListTagsRequest) -> Result<ListTagsResponse, Error> {
    let function = find(cx, &reference(cx, &request.resource, None)?)?;
    Ok(ListTagsResponse { tags: Some(function.tags) })
}

fn change(cx: &Context, resource: &str, change: impl FnOnce(&mut BTreeMap<String, String>)) -> Result<Unit, Error> {
    let reference = reference(cx, resource, None)?;
    cx.store().write(|tx| {
        let mut function = records::function_in(tx, &reference)?.ok_or_else(|| not_found(&reference))?;
        change(&mut function.tags);
        check(&function.tags)?;
        records::put_function(tx, &function)?;
        Ok(Unit::default())
    })
}
