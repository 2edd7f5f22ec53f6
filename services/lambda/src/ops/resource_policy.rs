//! The resource-based policy of a function, version or alias as a whole document; AddPermission changes single statements of it.

use lambda_api::{
    DeleteResourcePolicy, DeleteResourcePolicyRequest, GetResourcePolicy, GetResourcePolicyRequest,
    GetResourcePolicyResponse, PutResourcePolicy, PutResourcePolicyRequest, PutResourcePolicyResponse,
};
use serde_json::Value;
use service::policy::Policy;
use service::{Access, Context, operation};
use wire::Unit;

use super::invocation::resolve;
use super::permission::{change, no_policy};
use super::reference;
use crate::Lambda;
use crate::arn::{LATEST, Reference};
use crate::error::Error;
use crate::permission::{document, policy_of};
use crate::store::ResourcePolicy;

operation! {
    Lambda, DeleteResourcePolicy,
    access: |_s, cx, request| access(cx, "lambda:DeleteResourcePolicy", &request.resource_arn),
    handler: delete_resource_policy
}
operation! {
    Lambda, GetResourcePolicy,
    access: |_s, cx, request| access(cx, "lambda:GetResourcePolicy", &request.resource_arn),
    handler: get_resource_policy
}
operation! {
    Lambda, PutResourcePolicy,
    access: |_s, cx, request| access(cx, "lambda:PutResourcePolicy", &request.resource_arn),
    handler: put_resource_policy
}

fn access(cx: &Context, action: &str, arn: &str) -> Result<Vec<Access>, Error> {
    let reference = function(cx, arn)?;
    Ok(vec![Access::new(action, reference.to_string()).owned_by(&reference.account)])
}

/// Only functions have such policies here.
fn function(cx: &Context, arn: &str) -> Result<Reference, Error> {
    if arn.split(':').nth(5) != Some("function") {
        return Err(Error::NotImplemented("Resource policies of runtimes are not implemented.".into()));
    }
    reference(cx, arn, None)
}

async fn get_resource_policy(
    _: &Lambda,
    cx: &Context,
    request: GetResourcePolicyRequest,
) -> Result<GetResourcePolicyResponse, Error> {
    let reference = function(cx, &request.resource_arn)?;
    let (function, _) = resolve(cx, &reference)?;
    let policy = policy_of(&function, &reference).filter(|policy| !policy.statements.is_empty());
    let policy = policy.ok_or_else(no_policy)?;
    Ok(GetResourcePolicyResponse {
        policy: Some(document(policy).to_string()),
        revision_id: Some(policy.revision_id.clone()),
    })
}

async fn put_resource_policy(
    _: &Lambda,
    cx: &Context,
    request: PutResourcePolicyRequest,
) -> Result<PutResourcePolicyResponse, Error> {
    let reference = function(cx, &request.resource_arn)?;
    if reference.qualifier.as_deref() == Some(LATEST) {
        return Err(Error::InvalidParameterValue("We currently do not support adding policies for $LATEST.".into()));
    }
    let statements = statements(&request.policy)?;
    resolve(cx, &reference)?;
    let made = ResourcePolicy { revision_id: cx.random().uuid(), statements };
    let (shown, revision_id) = (document(&made).to_string(), made.revision_id.clone());
    change(cx, &reference, request.revision_id.as_deref(), |policy| {
        *policy = made;
        Ok(())
    })?;
    Ok(PutResourcePolicyResponse { policy: Some(shown), revision_id: Some(revision_id) })
}

fn statements(policy: &str) -> Result<Vec<Value>, Error> {
    let invalid = |error: &dyn std::fmt::Display| {
        Error::InvalidParameterValue(format!("The provided policy document is invalid: {error}"))
    };
    Policy::parse(policy).map_err(|error| invalid(&error))?;
    let document: Value = serde_json::from_str(policy).map_err(|error| invalid(&error))?;
    Ok(match &document["Statement"] {
        Value::Array(statements) => statements.clone(),
        statement => vec![statement.clone()],
    })
}

async fn delete_resource_policy(_: &Lambda, cx: &Context, request: DeleteResourcePolicyRequest) -> Result<Unit, Error> {
    let reference = function(cx, &request.resource_arn)?;
    resolve(cx, &reference)?;
    change(cx, &reference, request.revision_id.as_deref(), |policy| {
        if policy.statements.is_empty() {
            return Err(no_policy());
        }
        *policy = ResourcePolicy::default();
        Ok(())
    })?;
    Ok(Unit::default())
}
