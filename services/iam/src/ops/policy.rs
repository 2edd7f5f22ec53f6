//! Managed policies: those of the account, with their versions, and those of AWS.

use iam_api::{
    CreatePolicy, CreatePolicyRequest, CreatePolicyResponse, CreatePolicyVersion, CreatePolicyVersionRequest,
    CreatePolicyVersionResponse, DeletePolicy, DeletePolicyRequest, DeletePolicyVersion, DeletePolicyVersionRequest,
    EntityType, GetPolicy, GetPolicyRequest, GetPolicyResponse, GetPolicyVersion, GetPolicyVersionRequest,
    GetPolicyVersionResponse, ListEntitiesForPolicy, ListEntitiesForPolicyRequest, ListEntitiesForPolicyResponse,
    ListPolicies, ListPoliciesRequest, ListPoliciesResponse, ListPolicyVersions, ListPolicyVersionsRequest,
    ListPolicyVersionsResponse, PolicyGroup, PolicyRole, PolicyScopeType, PolicyUser, SetDefaultPolicyVersion,
    SetDefaultPolicyVersionRequest,
};
use service::{Context, Snapshot, Timestamp, Transaction, from_record, operation};
use wire::Unit;

use super::grants::{check_identity, size_of};
use super::{change, encoded, new_arn, new_id, show_tags, slice, to_tags};
use crate::aws_managed::{self, AwsManaged};
use crate::entity::{Group, ManagedPolicy, PolicyVersion, Role, User};
use crate::store::{Named, all, get, load, load_all, remove, save};
use crate::{Error, Iam};

/// Characters of a document, without white space.
const MAX_SIZE: usize = 6_144;
const MAX_VERSIONS: usize = 5;

pub(crate) fn arn_of(policy: &ManagedPolicy, account: &str) -> String {
    format!("arn:aws:iam::{account}:policy{}{}", policy.path, policy.name)
}

fn not_found(arn: &str) -> Error {
    Error::NoSuchEntity(format!("Policy {arn} was not found."))
}

fn name_in(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or_default()
}

/// The account's policy of an ARN.
fn own(tx: &Transaction<'_>, account: &str, arn: &str) -> Result<ManagedPolicy, Error> {
    if aws_managed::find(arn).is_some() {
        // What the caller may not change answers as AWS does for policies of others.
        return Err(Error::Reply(Box::new(service::ApiError::new(
            403,
            "AccessDenied",
            format!("User is not authorized to change the AWS managed policy {arn}"),
        ))));
    }
    let policy = load::<ManagedPolicy>(tx, account, name_in(arn))?;
    policy.filter(|policy| arn_of(policy, account) == arn).ok_or_else(|| not_found(arn))
}

/// Everything a policy is attached to.
#[derive(Default)]
struct Attachments {
    users: Vec<User>,
    groups: Vec<Group>,
    roles: Vec<Role>,
    boundaries: usize,
}

impl Attachments {
    fn count(&self) -> usize {
        self.users.len() + self.groups.len() + self.roles.len()
    }

    fn of(snapshot: &Snapshot, account: &str, arn: &str) -> Result<Attachments, Error> {
        fn read<T: Named>(snapshot: &Snapshot, account: &str) -> Result<Vec<T>, Error> {
            snapshot.scan(all::<T>(account)).map(|entry| Ok(from_record(&entry?.1)?)).collect()
        }
        let (users, groups, roles): (Vec<User>, Vec<Group>, Vec<Role>) =
            (read(snapshot, account)?, read(snapshot, account)?, read(snapshot, account)?);
        let attached = |list: &[String]| list.iter().any(|other| other == arn);
        let limits = |boundary: &Option<String>| boundary.as_deref() == Some(arn);
        let boundaries = users.iter().filter(|user| limits(&user.boundary)).count()
            + roles.iter().filter(|role| limits(&role.boundary)).count();
        Ok(Attachments {
            users: users.into_iter().filter(|user| attached(&user.grants.attached)).collect(),
            groups: groups.into_iter().filter(|group| attached(&group.grants.attached)).collect(),
            roles: roles.into_iter().filter(|role| attached(&role.grants.attached)).collect(),
            boundaries,
        })
    }
}

fn number(count: usize) -> Option<i32> {
    i32::try_from(count).ok()
}

fn show(policy: &ManagedPolicy, account: &str, attachments: &Attachments) -> iam_api::Policy {
    iam_api::Policy {
        policy_name: Some(policy.name.clone()),
        policy_id: Some(policy.id.clone()),
        arn: Some(arn_of(policy, account)),
        path: Some(policy.path.clone()),
        default_version_id: Some(policy.default_version.clone()),
        attachment_count: number(attachments.count()),
        permissions_boundary_usage_count: number(attachments.boundaries),
        is_attachable: Some(true),
        description: policy.description.clone(),
        create_date: Some(Timestamp::from_millis(policy.created)),
        update_date: Some(Timestamp::from_millis(policy.updated)),
        tags: show_tags(&policy.tags),
    }
}

fn show_aws(policy: &AwsManaged, attachments: &Attachments) -> iam_api::Policy {
    iam_api::Policy {
        policy_name: Some(policy.name.clone()),
        policy_id: Some(policy.id()),
        arn: Some(policy.arn.clone()),
        path: Some(policy.path().to_owned()),
        default_version_id: Some(policy.version.clone()),
        attachment_count: number(attachments.count()),
        permissions_boundary_usage_count: number(attachments.boundaries),
        is_attachable: Some(true),
        create_date: Some(policy.created()),
        update_date: Some(policy.updated()),
        ..iam_api::Policy::default()
    }
}

fn show_version(policy: &ManagedPolicy, version: &PolicyVersion, with_document: bool) -> iam_api::PolicyVersion {
    iam_api::PolicyVersion {
        document: with_document.then(|| encoded(&version.document)),
        version_id: Some(version.id.clone()),
        is_default_version: Some(version.id == policy.default_version),
        create_date: Some(Timestamp::from_millis(version.created)),
    }
}

fn check(document: &str) -> Result<(), Error> {
    check_identity(document)?;
    if size_of(document) > MAX_SIZE {
        return Err(Error::LimitExceeded(format!("Cannot exceed quota for PolicySize: {MAX_SIZE}")));
    }
    Ok(())
}

operation! {
    Iam, CreatePolicy,
    action: "iam:CreatePolicy" on |cx, request| new_arn(cx, "policy", request.path.as_deref(), &request.policy_name),
    handler: create_policy
}

async fn create_policy(iam: &Iam, cx: &Context, request: CreatePolicyRequest) -> Result<CreatePolicyResponse, Error> {
    check(&request.policy_document)?;
    let now = cx.now().millis();
    let policy = ManagedPolicy {
        path: request.path.unwrap_or_else(|| "/".to_owned()),
        id: new_id(cx, "ANPA"),
        created: now,
        updated: now,
        description: request.description,
        default_version: "v1".to_owned(),
        versions: vec![PolicyVersion { id: "v1".to_owned(), created: now, document: request.policy_document }],
        next_version: 2,
        tags: to_tags(request.tags)?,
        name: request.policy_name,
    };
    change(iam, cx, |tx| {
        if load::<ManagedPolicy>(tx, cx.account(), &policy.name)?.is_some() {
            return Err(Error::EntityAlreadyExists(format!(
                "A policy called {} already exists. Duplicate names are not allowed.",
                policy.name
            )));
        }
        Ok(save(tx, cx.account(), &policy)?)
    })?;
    Ok(CreatePolicyResponse { policy: Some(show(&policy, cx.account(), &Attachments::default())) })
}

operation! { Iam, GetPolicy, action: "iam:GetPolicy" on |_, request| request.policy_arn.clone(), handler: get_policy }

async fn get_policy(_: &Iam, cx: &Context, request: GetPolicyRequest) -> Result<GetPolicyResponse, Error> {
    let (snapshot, arn) = (cx.store().snapshot(), &request.policy_arn);
    let attachments = Attachments::of(&snapshot, cx.account(), arn)?;
    let shown = match aws_managed::find(arn) {
        Some(policy) => show_aws(policy, &attachments),
        None => {
            let policy = get::<ManagedPolicy>(&snapshot, cx.account(), name_in(arn))?;
            let policy = policy.filter(|policy| arn_of(policy, cx.account()) == *arn).ok_or_else(|| not_found(arn))?;
            show(&policy, cx.account(), &attachments)
        }
    };
    Ok(GetPolicyResponse { policy: Some(shown) })
}

operation! { Iam, ListPolicies, action: "iam:ListPolicies" on |cx, _| format!("arn:aws:iam::{}:policy/", cx.account()), handler: list_policies }

async fn list_policies(_: &Iam, cx: &Context, request: ListPoliciesRequest) -> Result<ListPoliciesResponse, Error> {
    let snapshot = cx.store().snapshot();
    let prefix = request.path_prefix.unwrap_or_else(|| "/".to_owned());
    let scope = request.scope.unwrap_or(PolicyScopeType::All);
    let mut list = Vec::new();
    if scope != PolicyScopeType::Aws {
        for entry in snapshot.scan(all::<ManagedPolicy>(cx.account())) {
            let policy: ManagedPolicy = from_record(&entry?.1)?;
            let attachments = Attachments::of(&snapshot, cx.account(), &arn_of(&policy, cx.account()))?;
            list.push(show(&policy, cx.account(), &attachments));
        }
    }
    if scope != PolicyScopeType::Local {
        for policy in aws_managed::all() {
            list.push(show_aws(policy, &Attachments::of(&snapshot, cx.account(), &policy.arn)?));
        }
    }
    let only_attached = request.only_attached == Some(true);
    list.retain(|policy| {
        policy.path.as_ref().is_some_and(|path| path.starts_with(&prefix))
            && (!only_attached || policy.attachment_count > Some(0))
    });
    // Listings do not show descriptions.
    list.iter_mut().for_each(|policy| policy.description = None);
    let page = slice(list, request.marker, request.max_items)?;
    Ok(ListPoliciesResponse { policies: Some(page.items), is_truncated: page.is_truncated, marker: page.marker })
}

operation! {
    Iam, CreatePolicyVersion,
    action: "iam:CreatePolicyVersion" on |_, request| request.policy_arn.clone(),
    handler: create_policy_version
}

async fn create_policy_version(
    iam: &Iam,
    cx: &Context,
    request: CreatePolicyVersionRequest,
) -> Result<CreatePolicyVersionResponse, Error> {
    check(&request.policy_document)?;
    let (policy, version) = change(iam, cx, |tx| {
        let mut policy = own(tx, cx.account(), &request.policy_arn)?;
        if policy.versions.len() >= MAX_VERSIONS {
            return Err(Error::LimitExceeded(format!(
                "A managed policy can have up to {MAX_VERSIONS} versions. Before you create a new version, you must delete an existing version."
            )));
        }
        let version = PolicyVersion {
            id: format!("v{}", policy.next_version),
            created: cx.now().millis(),
            document: request.policy_document,
        };
        policy.next_version += 1;
        policy.updated = version.created;
        if request.set_as_default == Some(true) {
            policy.default_version.clone_from(&version.id);
        }
        policy.versions.insert(0, version.clone());
        save(tx, cx.account(), &policy)?;
        Ok((policy, version))
    })?;
    Ok(CreatePolicyVersionResponse { policy_version: Some(show_version(&policy, &version, false)) })
}

operation! { Iam, GetPolicyVersion, action: "iam:GetPolicyVersion" on |_, request| request.policy_arn.clone(), handler: get_policy_version }

async fn get_policy_version(
    _: &Iam,
    cx: &Context,
    request: GetPolicyVersionRequest,
) -> Result<GetPolicyVersionResponse, Error> {
    let (arn, id) = (&request.policy_arn, &request.version_id);
    let missing = || Error::NoSuchEntity(format!("Policy {arn} version {id} does not exist or is not attachable."));
    let shown = match aws_managed::find(arn) {
        Some(policy) if policy.version == *id => iam_api::PolicyVersion {
            document: Some(encoded(&policy.document())),
            version_id: Some(policy.version.clone()),
            is_default_version: Some(true),
            create_date: Some(policy.updated()),
        },
        Some(_) => return Err(missing()),
        None => {
            let policy = get::<ManagedPolicy>(&cx.store().snapshot(), cx.account(), name_in(arn))?;
            let policy = policy.filter(|policy| arn_of(policy, cx.account()) == *arn).ok_or_else(|| not_found(arn))?;
            show_version(&policy, policy.version(id).ok_or_else(missing)?, true)
        }
    };
    Ok(GetPolicyVersionResponse { policy_version: Some(shown) })
}

operation! {
    Iam, ListPolicyVersions,
    action: "iam:ListPolicyVersions" on |_, request| request.policy_arn.clone(),
    handler: list_policy_versions
}

async fn list_policy_versions(
    _: &Iam,
    cx: &Context,
    request: ListPolicyVersionsRequest,
) -> Result<ListPolicyVersionsResponse, Error> {
    let arn = &request.policy_arn;
    let versions = match aws_managed::find(arn) {
        Some(policy) => vec![iam_api::PolicyVersion {
            version_id: Some(policy.version.clone()),
            is_default_version: Some(true),
            create_date: Some(policy.updated()),
            ..iam_api::PolicyVersion::default()
        }],
        None => {
            let policy = get::<ManagedPolicy>(&cx.store().snapshot(), cx.account(), name_in(arn))?;
            let policy = policy.filter(|policy| arn_of(policy, cx.account()) == *arn).ok_or_else(|| not_found(arn))?;
            policy.versions.iter().map(|version| show_version(&policy, version, false)).collect()
        }
    };
    let page = slice(versions, request.marker, request.max_items)?;
    Ok(ListPolicyVersionsResponse { versions: Some(page.items), is_truncated: page.is_truncated, marker: page.marker })
}

operation! {
    Iam, SetDefaultPolicyVersion,
    action: "iam:SetDefaultPolicyVersion" on |_, request| request.policy_arn.clone(),
    handler: set_default_policy_version
}

async fn set_default_policy_version(
    iam: &Iam,
    cx: &Context,
    request: SetDefaultPolicyVersionRequest,
) -> Result<Unit, Error> {
    change(iam, cx, |tx| {
        let mut policy = own(tx, cx.account(), &request.policy_arn)?;
        if policy.version(&request.version_id).is_none() {
            return Err(missing_version(&request.policy_arn, &request.version_id));
        }
        policy.default_version = request.version_id;
        Ok(save(tx, cx.account(), &policy)?)
    })?;
    Ok(Unit {})
}

fn missing_version(arn: &str, id: &str) -> Error {
    Error::NoSuchEntity(format!("Policy {arn} version {id} does not exist or is not attachable."))
}

operation! {
    Iam, DeletePolicyVersion,
    action: "iam:DeletePolicyVersion" on |_, request| request.policy_arn.clone(),
    handler: delete_policy_version
}

async fn delete_policy_version(iam: &Iam, cx: &Context, request: DeletePolicyVersionRequest) -> Result<Unit, Error> {
    change(iam, cx, |tx| {
        let mut policy = own(tx, cx.account(), &request.policy_arn)?;
        if policy.version(&request.version_id).is_none() {
            return Err(missing_version(&request.policy_arn, &request.version_id));
        }
        if policy.default_version == request.version_id {
            return Err(Error::DeleteConflict("Cannot delete the default version of a policy.".to_owned()));
        }
        policy.versions.retain(|version| version.id != request.version_id);
        Ok(save(tx, cx.account(), &policy)?)
    })?;
    Ok(Unit {})
}

operation! { Iam, DeletePolicy, action: "iam:DeletePolicy" on |_, request| request.policy_arn.clone(), handler: delete_policy }

async fn delete_policy(iam: &Iam, cx: &Context, request: DeletePolicyRequest) -> Result<Unit, Error> {
    change(iam, cx, |tx| {
        let arn = &request.policy_arn;
        let policy = own(tx, cx.account(), arn)?;
        let attached = |list: &[String]| list.iter().any(|other| other == arn);
        let limits = |boundary: &Option<String>| boundary.as_ref() == Some(arn);
        let users = load_all::<User>(tx, cx.account())?;
        let groups = load_all::<Group>(tx, cx.account())?;
        let roles = load_all::<Role>(tx, cx.account())?;
        if users.iter().any(|user| attached(&user.grants.attached) || limits(&user.boundary))
            || groups.iter().any(|group| attached(&group.grants.attached))
            || roles.iter().any(|role| attached(&role.grants.attached) || limits(&role.boundary))
        {
            return Err(Error::DeleteConflict("Cannot delete a policy attached to entities.".to_owned()));
        }
        if policy.versions.len() > 1 {
            return Err(Error::DeleteConflict(
                "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.".to_owned(),
            ));
        }
        remove::<ManagedPolicy>(tx, cx.account(), &policy.name);
        Ok(())
    })?;
    Ok(Unit {})
}

operation! {
    Iam, ListEntitiesForPolicy,
    action: "iam:ListEntitiesForPolicy" on |_, request| request.policy_arn.clone(),
    handler: list_entities_for_policy
}

async fn list_entities_for_policy(
    _: &Iam,
    cx: &Context,
    request: ListEntitiesForPolicyRequest,
) -> Result<ListEntitiesForPolicyResponse, Error> {
    let (snapshot, arn) = (cx.store().snapshot(), &request.policy_arn);
    let exists = aws_managed::find(arn).is_some()
        || get::<ManagedPolicy>(&snapshot, cx.account(), name_in(arn))?
            .is_some_and(|policy| arn_of(&policy, cx.account()) == *arn);
    if !exists {
        return Err(not_found(arn));
    }
    let found = Attachments::of(&snapshot, cx.account(), arn)?;
    let wanted = |kind: EntityType| request.entity_filter.as_ref().is_none_or(|filter| *filter == kind);
    let users = found.users.into_iter().filter(|_| wanted(EntityType::User));
    let groups = found.groups.into_iter().filter(|_| wanted(EntityType::Group));
    let roles = found.roles.into_iter().filter(|_| wanted(EntityType::Role));
    Ok(ListEntitiesForPolicyResponse {
        policy_users: Some(
            users.map(|user| PolicyUser { user_name: Some(user.name), user_id: Some(user.id) }).collect(),
        ),
        policy_groups: Some(
            groups.map(|group| PolicyGroup { group_name: Some(group.name), group_id: Some(group.id) }).collect(),
        ),
        policy_roles: Some(
            roles.map(|role| PolicyRole { role_name: Some(role.name), role_id: Some(role.id) }).collect(),
        ),
        is_truncated: Some(false),
        marker: None,
    })
}
