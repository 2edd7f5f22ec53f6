//! Groups and who is in them. Membership is kept with the user, as authorization asks for it there.

use iam_api::{
    AddUserToGroup, AddUserToGroupRequest, CreateGroup, CreateGroupRequest, CreateGroupResponse, DeleteGroup,
    DeleteGroupRequest, GetGroup, GetGroupRequest, GetGroupResponse, ListGroups, ListGroupsForUser,
    ListGroupsForUserRequest, ListGroupsForUserResponse, ListGroupsRequest, ListGroupsResponse, RemoveUserFromGroup,
    RemoveUserFromGroupRequest, UpdateGroup, UpdateGroupRequest,
};
use service::{Context, Timestamp, Transaction, operation};
use wire::Unit;

use super::{Entity, change, list, new_arn, new_id, slice, user};
use crate::entity::{Grants, Group, User};
use crate::store::{get, load, load_all, remove, save};
use crate::{Error, Iam};

/// A user is in ten groups at most.
const MAX_GROUPS: usize = 10;

fn show(group: &Group, account: &str) -> iam_api::Group {
    iam_api::Group {
        path: group.path.clone(),
        group_name: group.name.clone(),
        group_id: group.id.clone(),
        arn: group.arn(account),
        create_date: Timestamp::from_millis(group.created),
    }
}

/// Users in a group, by name.
fn members(tx: &mut Transaction<'_>, account: &str, group: &Group) -> Result<Vec<User>, Error> {
    let users = load_all::<User>(tx, account)?;
    Ok(users.into_iter().filter(|user| user.groups.contains(&group.name)).collect())
}

operation! {
    Iam, CreateGroup,
    action: "iam:CreateGroup" on |cx, request| new_arn(cx, "group", request.path.as_deref(), &request.group_name),
    handler: create_group
}

async fn create_group(iam: &Iam, cx: &Context, request: CreateGroupRequest) -> Result<CreateGroupResponse, Error> {
    let group = Group {
        path: request.path.unwrap_or_else(|| "/".to_owned()),
        id: new_id(cx, "AGPA"),
        created: cx.now().millis(),
        grants: Grants::default(),
        name: request.group_name,
    };
    change(iam, cx, |tx| {
        if load::<Group>(tx, cx.account(), &group.name)?.is_some() {
            return Err(Error::EntityAlreadyExists(format!("Group with name {} already exists.", group.name)));
        }
        Ok(save(tx, cx.account(), &group)?)
    })?;
    Ok(CreateGroupResponse { group: show(&group, cx.account()) })
}

operation! { Iam, GetGroup, action: "iam:GetGroup" on |cx, request| Group::arn_of(cx, &request.group_name), handler: get_group }

async fn get_group(_: &Iam, cx: &Context, request: GetGroupRequest) -> Result<GetGroupResponse, Error> {
    let group = Group::find(&cx.store().snapshot(), cx.account(), &request.group_name)?;
    let page = list(cx, request.marker, request.max_items, |member: User| {
        member.groups.contains(&group.name).then(|| user::show(&member, cx.account()))
    })?;
    Ok(GetGroupResponse {
        group: show(&group, cx.account()),
        users: page.items,
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}

operation! { Iam, ListGroups, action: "iam:ListGroups" on |cx, _| format!("arn:aws:iam::{}:group/", cx.account()), handler: list_groups }

async fn list_groups(_: &Iam, cx: &Context, request: ListGroupsRequest) -> Result<ListGroupsResponse, Error> {
    let prefix = request.path_prefix.unwrap_or_else(|| "/".to_owned());
    let page = list(cx, request.marker, request.max_items, |group: Group| {
        group.path.starts_with(&prefix).then(|| show(&group, cx.account()))
    })?;
    Ok(ListGroupsResponse { groups: page.items, is_truncated: page.is_truncated, marker: page.marker })
}

operation! {
    Iam, ListGroupsForUser,
    action: "iam:ListGroupsForUser" on |cx, request| User::arn_of(cx, &request.user_name),
    handler: list_groups_for_user
}

async fn list_groups_for_user(
    _: &Iam,
    cx: &Context,
    request: ListGroupsForUserRequest,
) -> Result<ListGroupsForUserResponse, Error> {
    let snapshot = cx.store().snapshot();
    let user = User::find(&snapshot, cx.account(), &request.user_name)?;
    let mut groups = Vec::new();
    for name in &user.groups {
        groups.extend(get::<Group>(&snapshot, cx.account(), name)?.map(|group| show(&group, cx.account())));
    }
    let page = slice(groups, request.marker, request.max_items)?;
    Ok(ListGroupsForUserResponse { groups: page.items, is_truncated: page.is_truncated, marker: page.marker })
}

operation! { Iam, AddUserToGroup, action: "iam:AddUserToGroup" on |cx, request| Group::arn_of(cx, &request.group_name), handler: add_user_to_group }

async fn add_user_to_group(iam: &Iam, cx: &Context, request: AddUserToGroupRequest) -> Result<Unit, Error> {
    change(iam, cx, |tx| {
        let group = Group::find_in(tx, cx.account(), &request.group_name)?;
        let mut user = User::find_in(tx, cx.account(), &request.user_name)?;
        if user.groups.contains(&group.name) {
            return Ok(());
        }
        if user.groups.len() >= MAX_GROUPS {
            return Err(Error::LimitExceeded(format!("Cannot exceed quota for GroupsPerUser: {MAX_GROUPS}")));
        }
        user.groups.push(group.name);
        Ok(save(tx, cx.account(), &user)?)
    })?;
    Ok(Unit {})
}

operation! {
    Iam, RemoveUserFromGroup,
    action: "iam:RemoveUserFromGroup" on |cx, request| Group::arn_of(cx, &request.group_name),
    handler: remove_user_from_group
}

async fn remove_user_from_group(iam: &Iam, cx: &Context, request: RemoveUserFromGroupRequest) -> Result<Unit, Error> {
    change(iam, cx, |tx| {
        let group = Group::find_in(tx, cx.account(), &request.group_name)?;
        let mut user = User::find_in(tx, cx.account(), &request.user_name)?;
        user.groups.retain(|name| *name != group.name);
        Ok(save(tx, cx.account(), &user)?)
    })?;
    Ok(Unit {})
}

operation! { Iam, UpdateGroup, action: "iam:UpdateGroup" on |cx, request| Group::arn_of(cx, &request.group_name), handler: update_group }

async fn update_group(iam: &Iam, cx: &Context, request: UpdateGroupRequest) -> Result<Unit, Error> {
    change(iam, cx, |tx| {
        let mut group = Group::find_in(tx, cx.account(), &request.group_name)?;
        if let Some(path) = request.new_path {
            group.path = path;
        }
        if let Some(name) = request.new_group_name.filter(|name| *name != group.name) {
            if !name.eq_ignore_ascii_case(&group.name) && load::<Group>(tx, cx.account(), &name)?.is_some() {
                return Err(Error::EntityAlreadyExists(format!("Group with name {name} already exists.")));
            }
            for mut user in members(tx, cx.account(), &group)? {
                user.groups
                    .iter_mut()
                    .filter(|member| **member == group.name)
                    .for_each(|member| name.clone_into(member));
                save(tx, cx.account(), &user)?;
            }
            remove::<Group>(tx, cx.account(), &group.name);
            group.name = name;
        }
        Ok(save(tx, cx.account(), &group)?)
    })?;
    Ok(Unit {})
}

operation! { Iam, DeleteGroup, action: "iam:DeleteGroup" on |cx, request| Group::arn_of(cx, &request.group_name), handler: delete_group }

async fn delete_group(iam: &Iam, cx: &Context, request: DeleteGroupRequest) -> Result<Unit, Error> {
    change(iam, cx, |tx| {
        let group = Group::find_in(tx, cx.account(), &request.group_name)?;
        let conflict = |text: &str| Err(Error::DeleteConflict(format!("Cannot delete entity, must {text} first.")));
        if !members(tx, cx.account(), &group)?.is_empty() {
            return conflict("remove users from group");
        }
        if !group.grants.attached.is_empty() {
            return conflict("detach all policies");
        }
        if !group.grants.inline.is_empty() {
            return conflict("delete policies");
        }
        remove::<Group>(tx, cx.account(), &group.name);
        Ok(())
    })?;
    Ok(Unit {})
}
