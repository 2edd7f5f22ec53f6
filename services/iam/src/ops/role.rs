//! Roles.

use iam_api::{
    CreateRole, CreateRoleRequest, CreateRoleResponse, DeleteRole, DeleteRoleRequest, GetRole, GetRoleRequest,
    GetRoleResponse, ListRoles, ListRolesRequest, ListRolesResponse, UpdateAssumeRolePolicy,
    UpdateAssumeRolePolicyRequest, UpdateRole, UpdateRoleDescription, UpdateRoleDescriptionRequest,
    UpdateRoleDescriptionResponse, UpdateRoleRequest, UpdateRoleResponse,
};
use policy::Policy;
use service::{Context, Timestamp, operation};
use wire::Unit;

use super::{Entity, boundary, change, encoded, list, new_arn, new_id, show_boundary, show_tags, to_tags};
use crate::entity::{Grants, InstanceProfile, Role};
use crate::store::{load, load_all, remove, save};
use crate::{Error, Iam};

/// Seconds.
const DEFAULT_SESSION: i32 = 3_600;

/// The API's form of a role.
pub(crate) fn show(role: &Role, account: &str) -> iam_api::Role {
    iam_api::Role {
        path: role.path.clone(),
        role_name: role.name.clone(),
        role_id: role.id.clone(),
        arn: role.arn(account),
        create_date: Timestamp::from_millis(role.created),
        assume_role_policy_document: Some(encoded(&role.trust_policy)),
        description: role.description.clone(),
        max_session_duration: Some(role.max_session_duration),
        permissions_boundary: show_boundary(role.boundary.as_ref()),
        tags: show_tags(&role.tags),
        role_last_used: Some(iam_api::RoleLastUsed {
            last_used_date: role.last_used.as_ref().map(|(at, _)| Timestamp::from_millis(*at)),
            region: role.last_used.as_ref().map(|(_, region)| region.clone()),
        }),
        ..iam_api::Role::default()
    }
}

fn check_trust(document: &str) -> Result<(), Error> {
    let checked = Policy::parse(document)
        .map_err(|_| policy::Malformed("This policy contains invalid Json".to_owned()))
        .and_then(|policy| policy.check_trust());
    checked.map_err(|malformed| Error::MalformedPolicyDocument(malformed.0))
}

operation! {
    Iam, CreateRole,
    action: "iam:CreateRole" on |cx, request| new_arn(cx, "role", request.path.as_deref(), &request.role_name),
    handler: create_role
}

async fn create_role(iam: &Iam, cx: &Context, request: CreateRoleRequest) -> Result<CreateRoleResponse, Error> {
    check_trust(&request.assume_role_policy_document)?;
    let role = Role {
        path: request.path.unwrap_or_else(|| "/".to_owned()),
        id: new_id(cx, "AROA"),
        created: cx.now().millis(),
        grants: Grants::default(),
        trust_policy: request.assume_role_policy_document,
        description: request.description,
        max_session_duration: request.max_session_duration.unwrap_or(DEFAULT_SESSION),
        boundary: request.permissions_boundary,
        tags: to_tags(request.tags)?,
        last_used: None,
        name: request.role_name,
    };
    change(iam, cx, |tx| {
        if load::<Role>(tx, cx.account(), &role.name)?.is_some() {
            return Err(Error::EntityAlreadyExists(format!("Role with name {} already exists.", role.name)));
        }
        role.boundary.iter().try_for_each(|arn| boundary::check(tx, cx.account(), arn))?;
        Ok(save(tx, cx.account(), &role)?)
    })?;
    // The answer to the creation leaves out what was not said.
    let mut shown = show(&role, cx.account());
    shown.role_last_used = None;
    if request.max_session_duration.is_none() {
        shown.max_session_duration = None;
    }
    Ok(CreateRoleResponse { role: shown })
}

operation! { Iam, GetRole, action: "iam:GetRole" on |cx, request| Role::arn_of(cx, &request.role_name), handler: get_role }

async fn get_role(_: &Iam, cx: &Context, request: GetRoleRequest) -> Result<GetRoleResponse, Error> {
    let role = Role::find(&cx.store().snapshot(), cx.account(), &request.role_name)?;
    Ok(GetRoleResponse { role: show(&role, cx.account()) })
}

operation! { Iam, ListRoles, action: "iam:ListRoles" on |cx, _| format!("arn:aws:iam::{}:role/", cx.account()), handler: list_roles }

async fn list_roles(_: &Iam, cx: &Context, request: ListRolesRequest) -> Result<ListRolesResponse, Error> {
    let prefix = request.path_prefix.unwrap_or_else(|| "/".to_owned());
    let page = list(cx, request.marker, request.max_items, |role: Role| {
        let mut shown = show(&role, cx.account());
        // Listings show neither tags nor boundaries nor the last use.
        (shown.tags, shown.permissions_boundary, shown.role_last_used) = (None, None, None);
        role.path.starts_with(&prefix).then_some(shown)
    })?;
    Ok(ListRolesResponse { roles: page.items, is_truncated: page.is_truncated, marker: page.marker })
}

operation! { Iam, UpdateRole, action: "iam:UpdateRole" on |cx, request| Role::arn_of(cx, &request.role_name), handler: update_role }

async fn update_role(iam: &Iam, cx: &Context, request: UpdateRoleRequest) -> Result<UpdateRoleResponse, Error> {
    change(iam, cx, |tx| {
        let mut role = Role::find_in(tx, cx.account(), &request.role_name)?;
        if let Some(description) = request.description {
            role.description = Some(description);
        }
        if let Some(duration) = request.max_session_duration {
            role.max_session_duration = duration;
        }
        Ok(save(tx, cx.account(), &role)?)
    })?;
    Ok(UpdateRoleResponse {})
}

operation! {
    Iam, UpdateRoleDescription,
    action: "iam:UpdateRoleDescription" on |cx, request| Role::arn_of(cx, &request.role_name),
    handler: update_role_description
}

async fn update_role_description(
    iam: &Iam,
    cx: &Context,
    request: UpdateRoleDescriptionRequest,
) -> Result<UpdateRoleDescriptionResponse, Error> {
    let role = change(iam, cx, |tx| {
        let mut role = Role::find_in(tx, cx.account(), &request.role_name)?;
        role.description = Some(request.description);
        save(tx, cx.account(), &role)?;
        Ok(role)
    })?;
    Ok(UpdateRoleDescriptionResponse { role: Some(show(&role, cx.account())) })
}

operation! {
    Iam, UpdateAssumeRolePolicy,
    action: "iam:UpdateAssumeRolePolicy" on |cx, request| Role::arn_of(cx, &request.role_name),
    handler: update_assume_role_policy
}

async fn update_assume_role_policy(
    iam: &Iam,
    cx: &Context,
    request: UpdateAssumeRolePolicyRequest,
) -> Result<Unit, Error> {
    check_trust(&request.policy_document)?;
    change(iam, cx, |tx| {
        let mut role = Role::find_in(tx, cx.account(), &request.role_name)?;
        role.trust_policy = request.policy_document;
        Ok(save(tx, cx.account(), &role)?)
    })?;
    Ok(Unit {})
}

operation! { Iam, DeleteRole, action: "iam:DeleteRole" on |cx, request| Role::arn_of(cx, &request.role_name), handler: delete_role }

async fn delete_role(iam: &Iam, cx: &Context, request: DeleteRoleRequest) -> Result<Unit, Error> {
    change(iam, cx, |tx| {
        let role = Role::find_in(tx, cx.account(), &request.role_name)?;
        let conflict = |text: &str| Err(Error::DeleteConflict(format!("Cannot delete entity, must {text} first.")));
        let profiles = load_all::<InstanceProfile>(tx, cx.account())?;
        if profiles.iter().any(|profile| profile.role.as_ref() == Some(&role.name)) {
            return conflict("remove roles from instance profile");
        }
        if !role.grants.attached.is_empty() {
            return conflict("detach all policies");
        }
        if !role.grants.inline.is_empty() {
            return conflict("delete policies");
        }
        remove::<Role>(tx, cx.account(), &role.name);
        Ok(())
    })?;
    Ok(Unit {})
}
