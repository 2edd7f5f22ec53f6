//! Instance profiles: the holders through which instances get a role.

use iam_api::{
    AddRoleToInstanceProfile, AddRoleToInstanceProfileRequest, CreateInstanceProfile, CreateInstanceProfileRequest,
    CreateInstanceProfileResponse, DeleteInstanceProfile, DeleteInstanceProfileRequest, GetInstanceProfile,
    GetInstanceProfileRequest, GetInstanceProfileResponse, ListInstanceProfiles, ListInstanceProfilesForRole,
    ListInstanceProfilesForRoleRequest, ListInstanceProfilesForRoleResponse, ListInstanceProfilesRequest,
    ListInstanceProfilesResponse, RemoveRoleFromInstanceProfile, RemoveRoleFromInstanceProfileRequest,
};
use service::{Context, Snapshot, Timestamp, Transaction, operation};
use wire::Unit;

use super::{Entity, change, list, new_arn, new_id, role, show_tags, to_tags};
use crate::entity::{InstanceProfile, Role};
use crate::store::{get, load, remove, save};
use crate::{Error, Iam};

impl Entity for InstanceProfile {
    const NOUN: &'static str = "instance-profile";
    fn path(&self) -> &str {
        &self.path
    }
    fn missing(name: &str) -> Error {
        Error::NoSuchEntity(format!("Instance Profile {name} cannot be found."))
    }
}

fn show(profile: &InstanceProfile, snapshot: &Snapshot, account: &str) -> Result<iam_api::InstanceProfile, Error> {
    let role = match &profile.role {
        Some(name) => get::<Role>(snapshot, account, name)?,
        None => None,
    };
    Ok(iam_api::InstanceProfile {
        path: profile.path.clone(),
        instance_profile_name: profile.name.clone(),
        instance_profile_id: profile.id.clone(),
        arn: profile.arn(account),
        create_date: Timestamp::from_millis(profile.created),
        roles: role.iter().map(|role| role::show(role, account)).collect(),
        tags: show_tags(&profile.tags),
    })
}

operation! {
    Iam, CreateInstanceProfile,
    action: "iam:CreateInstanceProfile" on |cx, request| {
        new_arn(cx, "instance-profile", request.path.as_deref(), &request.instance_profile_name)
    },
    handler: create_instance_profile
}

async fn create_instance_profile(
    iam: &Iam,
    cx: &Context,
    request: CreateInstanceProfileRequest,
) -> Result<CreateInstanceProfileResponse, Error> {
    let profile = InstanceProfile {
        path: request.path.unwrap_or_else(|| "/".to_owned()),
        id: new_id(cx, "AIPA"),
        created: cx.now().millis(),
        role: None,
        tags: to_tags(request.tags)?,
        name: request.instance_profile_name,
    };
    change(iam, cx, |tx| {
        if load::<InstanceProfile>(tx, cx.account(), &profile.name)?.is_some() {
            return Err(Error::EntityAlreadyExists(format!("Instance Profile {} already exists.", profile.name)));
        }
        Ok(save(tx, cx.account(), &profile)?)
    })?;
    let instance_profile = show(&profile, &cx.store().snapshot(), cx.account())?;
    Ok(CreateInstanceProfileResponse { instance_profile })
}

operation! {
    Iam, GetInstanceProfile,
    action: "iam:GetInstanceProfile" on |cx, request| InstanceProfile::arn_of(cx, &request.instance_profile_name),
    handler: get_instance_profile
}

async fn get_instance_profile(
    _: &Iam,
    cx: &Context,
    request: GetInstanceProfileRequest,
) -> Result<GetInstanceProfileResponse, Error> {
    let snapshot = cx.store().snapshot();
    let profile = InstanceProfile::find(&snapshot, cx.account(), &request.instance_profile_name)?;
    Ok(GetInstanceProfileResponse { instance_profile: show(&profile, &snapshot, cx.account())? })
}

operation! {
    Iam, ListInstanceProfiles,
    action: "iam:ListInstanceProfiles" on |cx, _| format!("arn:aws:iam::{}:instance-profile/", cx.account()),
    handler: list_instance_profiles
}

async fn list_instance_profiles(
    _: &Iam,
    cx: &Context,
    request: ListInstanceProfilesRequest,
) -> Result<ListInstanceProfilesResponse, Error> {
    let prefix = request.path_prefix.unwrap_or_else(|| "/".to_owned());
    let page = list(cx, request.marker, request.max_items, |profile: InstanceProfile| {
        profile.path.starts_with(&prefix).then_some(profile)
    })?;
    let snapshot = cx.store().snapshot();
    let shown = page.items.iter().map(|profile| show(profile, &snapshot, cx.account())).collect::<Result<_, _>>()?;
    Ok(ListInstanceProfilesResponse { instance_profiles: shown, is_truncated: page.is_truncated, marker: page.marker })
}

operation! {
    Iam, ListInstanceProfilesForRole,
    action: "iam:ListInstanceProfilesForRole" on |cx, request| Role::arn_of(cx, &request.role_name),
    handler: list_instance_profiles_for_role
}

async fn list_instance_profiles_for_role(
    _: &Iam,
    cx: &Context,
    request: ListInstanceProfilesForRoleRequest,
) -> Result<ListInstanceProfilesForRoleResponse, Error> {
    let snapshot = cx.store().snapshot();
    let role = Role::find(&snapshot, cx.account(), &request.role_name)?;
    let page = list(cx, request.marker, request.max_items, |profile: InstanceProfile| {
        (profile.role.as_ref() == Some(&role.name)).then_some(profile)
    })?;
    let shown = page.items.iter().map(|profile| show(profile, &snapshot, cx.account())).collect::<Result<_, _>>()?;
    Ok(ListInstanceProfilesForRoleResponse {
        instance_profiles: shown,
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}

operation! {
    Iam, AddRoleToInstanceProfile,
    action: "iam:AddRoleToInstanceProfile" on |cx, request| InstanceProfile::arn_of(cx, &request.instance_profile_name),
    handler: add_role_to_instance_profile
}

async fn add_role_to_instance_profile(
    iam: &Iam,
    cx: &Context,
    request: AddRoleToInstanceProfileRequest,
) -> Result<Unit, Error> {
    change(iam, cx, |tx| {
        let mut profile = InstanceProfile::find_in(tx, cx.account(), &request.instance_profile_name)?;
        let role = Role::find_in(tx, cx.account(), &request.role_name)?;
        if profile.role.is_some() {
            return Err(Error::LimitExceeded(
                "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1".to_owned(),
            ));
        }
        profile.role = Some(role.name);
        Ok(save(tx, cx.account(), &profile)?)
    })?;
    Ok(Unit {})
}

operation! {
    Iam, RemoveRoleFromInstanceProfile,
    action: "iam:RemoveRoleFromInstanceProfile" on |cx, request| {
        InstanceProfile::arn_of(cx, &request.instance_profile_name)
    },
    handler: remove_role_from_instance_profile
}

async fn remove_role_from_instance_profile(
    iam: &Iam,
    cx: &Context,
    request: RemoveRoleFromInstanceProfileRequest,
) -> Result<Unit, Error> {
    change(iam, cx, |tx| {
        let mut profile = InstanceProfile::find_in(tx, cx.account(), &request.instance_profile_name)?;
        if !profile.role.as_ref().is_some_and(|role| role.eq_ignore_ascii_case(&request.role_name)) {
            return Err(Role::missing(&request.role_name));
        }
        profile.role = None;
        Ok(save(tx, cx.account(), &profile)?)
    })?;
    Ok(Unit {})
}

operation! {
    Iam, DeleteInstanceProfile,
    action: "iam:DeleteInstanceProfile" on |cx, request| InstanceProfile::arn_of(cx, &request.instance_profile_name),
    handler: delete_instance_profile
}

async fn delete_instance_profile(
    iam: &Iam,
    cx: &Context,
    request: DeleteInstanceProfileRequest,
) -> Result<Unit, Error> {
    change(iam, cx, |tx: &mut Transaction<'_>| {
        let profile = InstanceProfile::find_in(tx, cx.account(), &request.instance_profile_name)?;
        if profile.role.is_some() {
            return Err(Error::DeleteConflict(
                "Cannot delete entity, must remove roles from instance profile first.".to_owned(),
            ));
        }
        remove::<InstanceProfile>(tx, cx.account(), &profile.name);
        Ok(())
    })?;
    Ok(Unit {})
}
