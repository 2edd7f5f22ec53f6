//! AddPermission, GetPolicy, RemovePermission.

use lambda_api::{
    AddPermission, AddPermissionRequest, AddPermissionResponse, GetPolicy, GetPolicyRequest, GetPolicyResponse,
    RemovePermission, RemovePermissionRequest,
};
use service::{Context, operation};
use wire::Unit;

use super::invocation::resolve;
use super::{access, reference};
use crate::Lambda;
use crate::arn::{LATEST, Reference};
use crate::error::Error;
use crate::function::{check_revision, not_found};
use crate::permission::{add, document, policy_of, remove, statement};
use crate::store::{self as records, ResourcePolicy};

operation! {
    Lambda, AddPermission,
    access: |_s, cx, request| access(cx, "lambda:AddPermission", &request.function_name, request.qualifier.as_deref()),
    handler: add_permission
}
operation! {
    Lambda, GetPolicy,
    access: |_s, cx, request| access(cx, "lambda:GetPolicy", &request.function_name, request.qualifier.as_deref()),
    handler: get_policy
}
operation! {
    Lambda, RemovePermission,
    access: |_s, cx, request| access(cx, "lambda:RemovePermission", &request.function_name, request.qualifier.as_deref()),
    handler: remove_permission
}

async fn add_permission(
    _: &Lambda,
    cx: &Context,
    request: AddPermissionRequest,
) -> Result<AddPermissionResponse, Error> {
    let reference = reference(cx, &request.function_name, request.qualifier.as_deref())?;
    if reference.qualifier.as_deref() == Some(LATEST) {
        return Err(Error::InvalidParameterValue("We currently do not support adding policies for $LATEST.".into()));
    }
    if !request.action.starts_with("lambda:") && request.action != "*" {
        return Err(Error::InvalidParameterValue(
            "The provided action was invalid. Please check the action and try again.".into(),
        ));
    }
    if request.function_url_auth_type.is_some() && request.action != "lambda:InvokeFunctionUrl" {
        return Err(Error::InvalidParameterValue(
            "FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action".into(),
        ));
    }
    resolve(cx, &reference)?;
    let own_role = format!("arn:aws:iam::{}:role/", cx.account());
    if request.principal.starts_with(&own_role) && cx.cloud.directory().role(&request.principal)?.is_none() {
        return Err(Error::InvalidParameterValue(
            "The provided principal was invalid. Please check the principal and try again.".into(),
        ));
    }
    let statement = statement(&request, &reference)?;
    let shown = statement.to_string();
    change(cx, &reference, request.revision_id.as_deref(), |policy| add(policy, statement, cx.random().uuid()))?;
    Ok(AddPermissionResponse { statement: Some(shown) })
}

async fn get_policy(_: &Lambda, cx: &Context, request: GetPolicyRequest) -> Result<GetPolicyResponse, Error> {
    let reference = reference(cx, &request.function_name, request.qualifier.as_deref())?;
    let (function, _) = resolve(cx, &reference)?;
    let policy = policy_of(&function, &reference).filter(|policy| !policy.statements.is_empty());
    let policy = policy.ok_or_else(no_policy)?;
    Ok(GetPolicyResponse { policy: Some(document(policy).to_string()), revision_id: Some(policy.revision_id.clone()) })
}

async fn remove_permission(_: &Lambda, cx: &Context, request: RemovePermissionRequest) -> Result<Unit, Error> {
    let reference = reference(cx, &request.function_name, request.qualifier.as_deref())?;
    let missing = |text: String| Error::ResourceNotFound(text);
    resolve(cx, &reference).map_err(|_| missing(format!("No policy found for: {reference}")))?;
    change(cx, &reference, request.revision_id.as_deref(), |policy| {
        if policy.statements.is_empty() {
            return Err(missing("No policy is associated with the given resource.".into()));
        }
        remove(policy, &request.statement_id, cx.random().uuid())
    })?;
    Ok(Unit::default())
}

pub fn no_policy() -> Error {
    Error::ResourceNotFound("The resource you requested does not exist.".into())
}

pub fn change(
    cx: &Context,
    reference: &Reference,
    expected: Option<&str>,
    change: impl FnOnce(&mut ResourcePolicy) -> Result<(), Error>,
) -> Result<(), Error> {
    cx.store().write(|tx| {
        let mut function = records::function_in(tx, reference)?.ok_or_else(|| not_found(reference))?;
        let policy = function.policies.entry(reference.qualifier.clone().unwrap_or_default()).or_default();
        check_revision(&policy.revision_id, expected)?;
        change(policy)?;
        records::put_function(tx, &function).map_err(Error::from)
    })
}
