//! Tags of log groups, through the old operations by name and the new ones by ARN.

use std::collections::BTreeMap;

use logs_api::{
    ListTagsForResource, ListTagsForResourceRequest, ListTagsForResourceResponse, ListTagsLogGroup,
    ListTagsLogGroupRequest, ListTagsLogGroupResponse, TagLogGroup, TagLogGroupRequest, TagResource,
    TagResourceRequest, UntagLogGroup, UntagLogGroupRequest, UntagResource, UntagResourceRequest,
};
use service::{Context, check_tags, from_record, operation};
use wire::Unit;

use super::{group_resource, name_in};
use crate::store::{Group, Place, load_group, save_group};
use crate::{Error, Logs};

fn change(cx: &Context, name: &str, edit: impl FnOnce(&mut BTreeMap<String, String>)) -> Result<Unit, Error> {
    let place = Place::of(cx);
    cx.store().write(|tx| {
        let mut group = load_group(tx, &place, name)?.ok_or_else(Error::no_group)?;
        edit(&mut group.tags);
        check_tags(group.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())))
            .map_err(|_| Error::InvalidParameter("The tags are invalid.".to_owned()))?;
        Ok::<_, Error>(save_group(tx, &place, &group)?)
    })?;
    Ok(Unit {})
}

fn tags(cx: &Context, name: &str) -> Result<BTreeMap<String, String>, Error> {
    let record = cx.store().get(Place::of(cx).group(name).as_slice())?.ok_or_else(Error::no_group)?;
    Ok(from_record::<Group>(&record)?.tags)
}

operation! { Logs, TagResource, action: "logs:TagResource" on |cx, request| group_resource(cx, &name_in(&request.resource_arn)), handler: tag_resource }

async fn tag_resource(_: &Logs, cx: &Context, request: TagResourceRequest) -> Result<Unit, Error> {
    change(cx, &name_in(&request.resource_arn), |tags| tags.extend(request.tags))
}

operation! { Logs, UntagResource, action: "logs:UntagResource" on |cx, request| group_resource(cx, &name_in(&request.resource_arn)), handler: untag_resource }

async fn untag_resource(_: &Logs, cx: &Context, request: UntagResourceRequest) -> Result<Unit, Error> {
    change(cx, &name_in(&request.resource_arn), |tags| tags.retain(|key, _| !request.tag_keys.contains(key)))
}

operation! {
    Logs, ListTagsForResource,
    action: "logs:ListTagsForResource" on |cx, request| group_resource(cx, &name_in(&request.resource_arn)),
    handler: list_tags_for_resource
}

async fn list_tags_for_resource(
    _: &Logs,
    cx: &Context,
    request: ListTagsForResourceRequest,
) -> Result<ListTagsForResourceResponse, Error> {
    Ok(ListTagsForResourceResponse { tags: Some(tags(cx, &name_in(&request.resource_arn))?) })
}

operation! { Logs, TagLogGroup, action: "logs:TagLogGroup" on |cx, request| group_resource(cx, &request.log_group_name), handler: tag_log_group }

async fn tag_log_group(_: &Logs, cx: &Context, request: TagLogGroupRequest) -> Result<Unit, Error> {
    change(cx, &request.log_group_name, |tags| tags.extend(request.tags))
}

operation! { Logs, UntagLogGroup, action: "logs:UntagLogGroup" on |cx, request| group_resource(cx, &request.log_group_name), handler: untag_log_group }

async fn untag_log_group(_: &Logs, cx: &Context, request: UntagLogGroupRequest) -> Result<Unit, Error> {
    change(cx, &request.log_group_name, |tags| tags.retain(|key, _| !request.tags.contains(key)))
}

operation! {
    Logs, ListTagsLogGroup,
    action: "logs:ListTagsLogGroup" on |cx, request| group_resource(cx, &request.log_group_name),
    handler: list_tags_log_group
}

async fn list_tags_log_group(
    _: &Logs,
    cx: &Context,
    request: ListTagsLogGroupRequest,
) -> Result<ListTagsLogGroupResponse, Error> {
    Ok(ListTagsLogGroupResponse { tags: Some(tags(cx, &request.log_group_name)?) })
}
