//! Tags of users, roles and policies.

use iam_api::{
    ListRoleTags, ListRoleTagsRequest, ListRoleTagsResponse, ListUserTags, ListUserTagsRequest, ListUserTagsResponse,
    Tag, TagRole, TagRoleRequest, TagUser, TagUserRequest, UntagRole, UntagRoleRequest, UntagUser, UntagUserRequest,
};
use service::{Context, check_tags, operation};
use wire::Unit;

use super::{Entity, change, show_tags, slice, tag_error};
use crate::entity::{Role, Tags, User};
use crate::store::save;
use crate::{Error, Iam};

fn merge(tags: &mut Tags, new: Vec<Tag>) -> Result<(), Error> {
    check_tags(new.iter().map(|tag| (tag.key.as_str(), tag.value.as_str()))).map_err(tag_error)?;
    tags.extend(new.into_iter().map(|tag| (tag.key, tag.value)));
    check_tags(tags.iter().map(|(key, value)| (key.as_str(), value.as_str()))).map_err(tag_error)
}

operation! { Iam, TagUser, action: "iam:TagUser" on |cx, request| User::arn_of(cx, &request.user_name), handler: tag_user }

async fn tag_user(iam: &Iam, cx: &Context, request: TagUserRequest) -> Result<Unit, Error> {
    change(iam, cx, |tx| {
        let mut user = User::find_in(tx, cx.account(), &request.user_name)?;
        merge(&mut user.tags, request.tags)?;
        Ok(save(tx, cx.account(), &user)?)
    })?;
    Ok(Unit {})
}

operation! { Iam, UntagUser, action: "iam:UntagUser" on |cx, request| User::arn_of(cx, &request.user_name), handler: untag_user }

async fn untag_user(iam: &Iam, cx: &Context, request: UntagUserRequest) -> Result<Unit, Error> {
    change(iam, cx, |tx| {
        let mut user = User::find_in(tx, cx.account(), &request.user_name)?;
        user.tags.retain(|key, _| !request.tag_keys.contains(key));
        Ok(save(tx, cx.account(), &user)?)
    })?;
    Ok(Unit {})
}

operation! { Iam, ListUserTags, action: "iam:ListUserTags" on |cx, request| User::arn_of(cx, &request.user_name), handler: list_user_tags }

async fn list_user_tags(_: &Iam, cx: &Context, request: ListUserTagsRequest) -> Result<ListUserTagsResponse, Error> {
    let user = User::find(&cx.store().snapshot(), cx.account(), &request.user_name)?;
    let page = slice(show_tags(&user.tags).unwrap_or_default(), request.marker, request.max_items)?;
    Ok(ListUserTagsResponse { tags: page.items, is_truncated: page.is_truncated, marker: page.marker })
}

operation! { Iam, TagRole, action: "iam:TagRole" on |cx, request| Role::arn_of(cx, &request.role_name), handler: tag_role }

async fn tag_role(iam: &Iam, cx: &Context, request: TagRoleRequest) -> Result<Unit, Error> {
    change(iam, cx, |tx| {
        let mut role = Role::find_in(tx, cx.account(), &request.role_name)?;
        merge(&mut role.tags, request.tags)?;
        Ok(save(tx, cx.account(), &role)?)
    })?;
    Ok(Unit {})
}

operation! { Iam, UntagRole, action: "iam:UntagRole" on |cx, request| Role::arn_of(cx, &request.role_name), handler: untag_role }

async fn untag_role(iam: &Iam, cx: &Context, request: UntagRoleRequest) -> Result<Unit, Error> {
    change(iam, cx, |tx| {
        let mut role = Role::find_in(tx, cx.account(), &request.role_name)?;
        role.tags.retain(|key, _| !request.tag_keys.contains(key));
        Ok(save(tx, cx.account(), &role)?)
    })?;
    Ok(Unit {})
}

operation! { Iam, ListRoleTags, action: "iam:ListRoleTags" on |cx, request| Role::arn_of(cx, &request.role_name), handler: list_role_tags }

async fn list_role_tags(_: &Iam, cx: &Context, request: ListRoleTagsRequest) -> Result<ListRoleTagsResponse, Error> {
    let role = Role::find(&cx.store().snapshot(), cx.account(), &request.role_name)?;
    let page = slice(show_tags(&role.tags).unwrap_or_default(), request.marker, request.max_items)?;
    Ok(ListRoleTagsResponse { tags: page.items, is_truncated: page.is_truncated, marker: page.marker })
}
