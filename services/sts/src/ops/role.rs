//! Assuming roles.

use service::policy::{Effect, Policy, Request, trusts};
use service::{Context, NewSession, Principal, Role, operation};
use sts_api::{AssumeRole, AssumeRoleRequest, AssumeRoleResponse, AssumedRoleUser};

use super::session::{arns, check_policy, handed_out, packed, tags};
use crate::{Error, Sts};

/// Seconds. A role that assumes a role gets an hour at most.
const DEFAULT_DURATION: i32 = 3_600;
const CHAINED_DURATION: i32 = 3_600;

operation! {
    Sts, AssumeRole,
    access: |_, _, request| Ok::<_, Error>(vec![access(request)]),
    handler: assume_role
}

fn access(request: &AssumeRoleRequest) -> service::Access {
    let mut access = service::Access::new("sts:AssumeRole", &*request.role_arn)
        .with("sts:RoleSessionName", &*request.role_session_name);
    if let Some(id) = &request.external_id {
        access = access.with("sts:ExternalId", id);
    }
    for tag in request.tags.iter().flatten() {
        access = access.with(format!("aws:RequestTag/{}", tag.key), &*tag.value);
    }
    access
}

async fn assume_role(_: &Sts, cx: &Context, request: AssumeRoleRequest) -> Result<AssumeRoleResponse, Error> {
    check_policy(request.policy.as_deref())?;
    let role = cx.cloud.directory().role(&request.role_arn)?;
    let role = role.filter(|role| trusted(cx, role, &request)).ok_or_else(|| denied(cx, &request))?;
    let asked = request.duration_seconds.unwrap_or(DEFAULT_DURATION);
    if request.duration_seconds.is_some() && asked > role.max_session_duration {
        return Err(Error::Validation(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.".to_owned(),
        ));
    }
    if matches!(cx.principal(), Principal::AssumedRole { .. }) && asked > CHAINED_DURATION {
        return Err(Error::Validation(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
                .to_owned(),
        ));
    }
    let principal = Principal::AssumedRole {
        account: role.account,
        role_path: role.path,
        role: role.name,
        role_id: role.id,
        session: request.role_session_name,
    };
    let session = NewSession {
        duration: i64::from(asked),
        policy: request.policy,
        policy_arns: arns(request.policy_arns),
        tags: tags(request.tags)?,
        ..NewSession::default()
    };
    let credentials = cx.cloud.directory().issue(&principal, &session)?;
    let limited = session.policy.is_some() || !session.tags.is_empty();
    Ok(AssumeRoleResponse {
        credentials: Some(handed_out(credentials)),
        assumed_role_user: Some(AssumedRoleUser { assumed_role_id: principal.user_id(), arn: principal.arn() }),
        packed_policy_size: limited.then(|| packed(&session)),
        source_identity: request.source_identity,
        ..AssumeRoleResponse::default()
    })
}

/// The trust policy names the caller or its account. Authorization asked the caller's own policies before.
fn trusted(cx: &Context, role: &Role, request: &AssumeRoleRequest) -> bool {
    let Ok(policy) = Policy::parse(&role.trust_policy) else { return false };
    let mut question = Request {
        caller: cx.principal().caller(),
        action: "sts:AssumeRole".to_owned(),
        resource: request.role_arn.clone(),
        resource_account: role.account.clone(),
        ..Request::default()
    };
    for (key, values) in access(request).conditions {
        question.conditions.set_all(&key, values);
    }
    question.conditions.set("aws:PrincipalArn", cx.principal().principal_arn());
    question.conditions.set("aws:PrincipalAccount", cx.principal().account());
    question.conditions.set("aws:MultiFactorAuthPresent", cx.session().is_some_and(|session| session.mfa).to_string());
    for (key, value) in &cx.origin().source {
        question.conditions.set(key, value.clone());
    }
    trusts(&policy, &question) == Some(Effect::Allow)
}

/// A role that does not exist is denied in the same words, so that nobody learns which roles exist.
fn denied(cx: &Context, request: &AssumeRoleRequest) -> Error {
    Error::AccessDenied(format!(
        "User: {} is not authorized to perform: sts:AssumeRole on resource: {}",
        cx.principal().arn(),
        request.role_arn
    ))
}
