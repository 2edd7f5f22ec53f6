//! Permissions boundaries of users and roles.

use iam_api::{
    DeleteRolePermissionsBoundary, DeleteRolePermissionsBoundaryRequest, DeleteUserPermissionsBoundary,
    DeleteUserPermissionsBoundaryRequest, PutRolePermissionsBoundary, PutRolePermissionsBoundaryRequest,
    PutUserPermissionsBoundary, PutUserPermissionsBoundaryRequest,
};
use service::{Context, Transaction, operation};
use wire::Unit;

use super::{Entity, change};
use crate::entity::{ManagedPolicy, Role, User};
use crate::store::{load, save};
use crate::{Error, Iam, aws_managed};

/// A boundary must be a policy that exists.
pub(super) fn check(tx: &Transaction<'_>, account: &str, arn: &str) -> Result<(), Error> {
    let own = load::<ManagedPolicy>(tx, account, arn.rsplit('/').next().unwrap_or_default())?;
    let exists =
        aws_managed::find(arn).is_some() || own.is_some_and(|policy| super::policy::arn_of(&policy, account) == arn);
    if exists { Ok(()) } else { Err(Error::NoSuchEntity(format!("Policy {arn} does not exist or is not attachable."))) }
}

operation! {
    Iam, PutUserPermissionsBoundary,
    action: "iam:PutUserPermissionsBoundary" on |cx, request| User::arn_of(cx, &request.user_name),
    handler: put_user_permissions_boundary
}

async fn put_user_permissions_boundary(
    iam: &Iam,
    cx: &Context,
    request: PutUserPermissionsBoundaryRequest,
) -> Result<Unit, Error> {
    set_user(iam, cx, &request.user_name, Some(request.permissions_boundary))
}

operation! {
    Iam, DeleteUserPermissionsBoundary,
    action: "iam:DeleteUserPermissionsBoundary" on |cx, request| User::arn_of(cx, &request.user_name),
    handler: delete_user_permissions_boundary
}

async fn delete_user_permissions_boundary(
    iam: &Iam,
    cx: &Context,
    request: DeleteUserPermissionsBoundaryRequest,
) -> Result<Unit, Error> {
    set_user(iam, cx, &request.user_name, None)
}

fn set_user(iam: &Iam, cx: &Context, name: &str, boundary: Option<String>) -> Result<Unit, Error> {
    change(iam, cx, |tx| {
        let mut user = User::find_in(tx, cx.account(), name)?;
        boundary.iter().try_for_each(|arn| check(tx, cx.account(), arn))?;
        user.boundary = boundary;
        Ok(save(tx, cx.account(), &user)?)
    })?;
    Ok(Unit {})
}

operation! {
    Iam, PutRolePermissionsBoundary,
    action: "iam:PutRolePermissionsBoundary" on |cx, request| Role::arn_of(cx, &request.role_name),
    handler: put_role_permissions_boundary
}

async fn put_role_permissions_boundary(
    iam: &Iam,
    cx: &Context,
    request: PutRolePermissionsBoundaryRequest,
) -> Result<Unit, Error> {
    set_role(iam, cx, &request.role_name, Some(request.permissions_boundary))
}

operation! {
    Iam, DeleteRolePermissionsBoundary,
    action: "iam:DeleteRolePermissionsBoundary" on |cx, request| Role::arn_of(cx, &request.role_name),
    handler: delete_role_permissions_boundary
}

async fn delete_role_permissions_boundary(
    iam: &Iam,
    cx: &Context,
    request: DeleteRolePermissionsBoundaryRequest,
) -> Result<Unit, Error> {
    set_role(iam, cx, &request.role_name, None)
}

fn set_role(iam: &Iam, cx: &Context, name: &str, boundary: Option<String>) -> Result<Unit, Error> {
    change(iam, cx, |tx| {
        let mut role = Role::find_in(tx, cx.account(), name)?;
        boundary.iter().try_for_each(|arn| check(tx, cx.account(), arn))?;
        role.boundary = boundary;
        Ok(save(tx, cx.account(), &role)?)
    })?;
    Ok(Unit {})
}
