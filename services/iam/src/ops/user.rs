//! Users.

use iam_api::{
    CreateUser, CreateUserRequest, CreateUserResponse, DeleteUser, DeleteUserRequest, GetUser, GetUserRequest,
    GetUserResponse, ListUsers, ListUsersRequest, ListUsersResponse, UpdateUser, UpdateUserRequest,
};
use service::{Context, Principal, Timestamp, from_record, operation, to_record};
use wire::Unit;

use super::{Entity, boundary, change, list, new_arn, new_id, show_boundary, show_tags, to_tags};
use crate::entity::{AccessKey, Grants, User};
use crate::store::{access_key, load, login_profile, remove, save, user_keys};
use crate::{Error, Iam};

/// The API's form of a user.
pub(crate) fn show(user: &User, account: &str) -> iam_api::User {
    iam_api::User {
        path: user.path.clone(),
        user_name: user.name.clone(),
        user_id: user.id.clone(),
        arn: user.arn(account),
        create_date: Timestamp::from_millis(user.created),
        permissions_boundary: show_boundary(user.boundary.as_ref()),
        tags: show_tags(&user.tags),
        ..iam_api::User::default()
    }
}

operation! {
    Iam, CreateUser,
    action: "iam:CreateUser" on |cx, request| new_arn(cx, "user", request.path.as_deref(), &request.user_name),
    handler: create_user
}

async fn create_user(iam: &Iam, cx: &Context, request: CreateUserRequest) -> Result<CreateUserResponse, Error> {
    let user = User {
        path: request.path.unwrap_or_else(|| "/".to_owned()),
        id: new_id(cx, "AIDA"),
        created: cx.now().millis(),
        grants: Grants::default(),
        groups: Vec::new(),
        boundary: request.permissions_boundary,
        tags: to_tags(request.tags)?,
        name: request.user_name,
    };
    change(iam, cx, |tx| {
        if load::<User>(tx, cx.account(), &user.name)?.is_some() {
            return Err(Error::EntityAlreadyExists(format!("User with name {} already exists.", user.name)));
        }
        user.boundary.iter().try_for_each(|arn| boundary::check(tx, cx.account(), arn))?;
        Ok(save(tx, cx.account(), &user)?)
    })?;
    Ok(CreateUserResponse { user: Some(show(&user, cx.account())) })
}

operation! {
    Iam, GetUser,
    action: "iam:GetUser" on |cx, request| User::arn_of(cx, &named(cx, request.user_name.as_deref())),
    handler: get_user
}

/// The user that is meant: the caller where none is named.
pub(crate) fn named(cx: &Context, name: Option<&str>) -> String {
    match (name, cx.principal()) {
        (Some(name), _) => name.to_owned(),
        (None, Principal::User { name, .. }) => name.clone(),
        (None, _) => String::new(),
    }
}

async fn get_user(_: &Iam, cx: &Context, request: GetUserRequest) -> Result<GetUserResponse, Error> {
    let name = named(cx, request.user_name.as_deref());
    if name.is_empty() {
        return match cx.principal() {
            Principal::Root { account } => Ok(GetUserResponse {
                user: iam_api::User {
                    user_id: account.clone(),
                    arn: format!("arn:aws:iam::{account}:root"),
                    ..iam_api::User::default()
                },
            }),
            _ => Err(Error::Validation("Must specify userName when calling with non-User credentials".to_owned())),
        };
    }
    let user = User::find(&cx.store().snapshot(), cx.account(), &name)?;
    Ok(GetUserResponse { user: show(&user, cx.account()) })
}

operation! { Iam, ListUsers, action: "iam:ListUsers" on |cx, _| format!("arn:aws:iam::{}:user/", cx.account()), handler: list_users }

async fn list_users(_: &Iam, cx: &Context, request: ListUsersRequest) -> Result<ListUsersResponse, Error> {
    let prefix = request.path_prefix.unwrap_or_else(|| "/".to_owned());
    let page = list(cx, request.marker, request.max_items, |user: User| {
        // Listings show neither tags nor boundaries.
        let shown = iam_api::User { tags: None, permissions_boundary: None, ..show(&user, cx.account()) };
        user.path.starts_with(&prefix).then_some(shown)
    })?;
    Ok(ListUsersResponse { users: page.items, is_truncated: page.is_truncated, marker: page.marker })
}

operation! { Iam, UpdateUser, action: "iam:UpdateUser" on |cx, request| User::arn_of(cx, &request.user_name), handler: update_user }

async fn update_user(iam: &Iam, cx: &Context, request: UpdateUserRequest) -> Result<Unit, Error> {
    change(iam, cx, |tx| {
        let mut user = User::find_in(tx, cx.account(), &request.user_name)?;
        if let Some(path) = request.new_path {
            user.path = path;
        }
        if let Some(name) = request.new_user_name.filter(|name| *name != user.name) {
            let same_but_case = name.eq_ignore_ascii_case(&user.name);
            if !same_but_case && load::<User>(tx, cx.account(), &name)?.is_some() {
                return Err(Error::EntityAlreadyExists(format!("User with name {name} already exists.")));
            }
            remove::<User>(tx, cx.account(), &user.name);
            rename_keys(tx, cx, &user.name, &name)?;
            user.name = name;
        }
        Ok(save(tx, cx.account(), &user)?)
    })?;
    Ok(Unit {})
}

/// Keys follow their user to its new name.
fn rename_keys(tx: &mut service::Transaction<'_>, cx: &Context, old: &str, new: &str) -> Result<(), Error> {
    let Some(ids) = tx.get(user_keys(cx.account(), old).as_slice())? else { return Ok(()) };
    for id in from_record::<Vec<String>>(&ids)? {
        if let Some(record) = tx.get(access_key(&id).as_slice())? {
            let key = AccessKey { user: Some(new.to_owned()), ..from_record(&record)? };
            tx.put(access_key(&id), to_record(&key)?);
        }
    }
    tx.delete(user_keys(cx.account(), old));
    tx.put(user_keys(cx.account(), new), ids);
    Ok(())
}

operation! { Iam, DeleteUser, action: "iam:DeleteUser" on |cx, request| User::arn_of(cx, &request.user_name), handler: delete_user }

async fn delete_user(iam: &Iam, cx: &Context, request: DeleteUserRequest) -> Result<Unit, Error> {
    change(iam, cx, |tx| {
        let user = User::find_in(tx, cx.account(), &request.user_name)?;
        let conflict = |text: &str| Err(Error::DeleteConflict(format!("Cannot delete entity, must {text} first.")));
        if !user.groups.is_empty() {
            return conflict("remove users from group");
        }
        if !user.grants.attached.is_empty() {
            return conflict("detach all policies");
        }
        if !user.grants.inline.is_empty() {
            return conflict("delete policies");
        }
        if tx.contains(user_keys(cx.account(), &user.name).as_slice())? {
            return conflict("delete access keys");
        }
        if tx.contains(login_profile(cx.account(), &user.name).as_slice())? {
            return conflict("delete login profile");
        }
        remove::<User>(tx, cx.account(), &user.name);
        Ok(())
    })?;
    Ok(Unit {})
}
