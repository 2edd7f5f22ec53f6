//! Who else may use a version of a layer.

use lambda_api::{
    AddLayerVersionPermission, AddLayerVersionPermissionRequest, AddLayerVersionPermissionResponse,
    GetLayerVersionPolicy, GetLayerVersionPolicyRequest, GetLayerVersionPolicyResponse, RemoveLayerVersionPermission,
    RemoveLayerVersionPermissionRequest,
};
use serde_json::json;
use service::policy::{Policy, Source};
use service::{Context, StoreError, from_record, operation, to_record};
use wire::Unit;

use super::layer::{Name, access, get, parse_version};
use crate::Lambda;
use crate::error::Error;
use crate::function::check_revision;
use crate::permission::{add, document, remove};
use crate::store::{Layer, ResourcePolicy};

operation! {
    Lambda, AddLayerVersionPermission,
    access: |_s, cx, request| access(cx, "lambda:AddLayerVersionPermission", &request.layer_name, Some(request.version_number)),
    handler: add_layer_version_permission
}
operation! {
    Lambda, GetLayerVersionPolicy,
    access: |_s, cx, request| access(cx, "lambda:GetLayerVersionPolicy", &request.layer_name, Some(request.version_number)),
    handler: get_layer_version_policy
}
operation! {
    Lambda, RemoveLayerVersionPermission,
    access: |_s, cx, request| access(cx, "lambda:RemoveLayerVersionPermission", &request.layer_name, Some(request.version_number)),
    handler: remove_layer_version_permission
}

/// The policy of a layer version by its ARN, for authorization.
pub fn source(cx: &Context, resource: &str) -> Result<Option<Source>, StoreError> {
    let Some((name, version)) = parse_version(cx, resource) else { return Ok(None) };
    let Some(layer) = get(cx, &name, version)?.filter(|layer| !layer.policy.statements.is_empty()) else {
        return Ok(None);
    };
    let policy = Policy::parse(&document(&layer.policy).to_string());
    let policy = policy.map_err(|error| StoreError::Corrupt(error.to_string()))?;
    Ok(Some(Source { name: format!("the policy of {resource}"), policy: policy.into() }))
}

fn missing(arn: &str) -> Error {
    Error::ResourceNotFound(format!("Layer version {arn} does not exist."))
}

fn no_policy(arn: &str) -> Error {
    Error::ResourceNotFound(format!("No policy is associated with the given resource {arn}."))
}

fn change<T>(
    cx: &Context,
    layer: &str,
    version: i64,
    expected: Option<&str>,
    change: impl FnOnce(&mut ResourcePolicy, &str) -> Result<T, Error>,
) -> Result<(T, String), Error> {
    let (name, version) = (Name::new(cx, layer)?, version.unsigned_abs());
    let arn = name.version_arn(version);
    cx.store().write(|tx| {
        let key = name.key().number(version);
        let mut layer: Layer = from_record(&tx.get(key.as_slice())?.ok_or_else(|| missing(&arn))?)?;
        check_revision(&layer.policy.revision_id, expected)?;
        let value = change(&mut layer.policy, &arn)?;
        tx.put(key, to_record(&layer)?);
        Ok((value, layer.policy.revision_id))
    })
}

async fn add_layer_version_permission(
    _: &Lambda,
    cx: &Context,
    request: AddLayerVersionPermissionRequest,
) -> Result<AddLayerVersionPermissionResponse, Error> {
    let invalid = |text: &str| Err(Error::InvalidParameterValue(text.to_owned()));
    if request.action != "lambda:GetLayerVersion" {
        return invalid("The provided action was invalid. Please check the action and try again.");
    }
    let is_account = request.principal.len() == 12 && request.principal.bytes().all(|byte| byte.is_ascii_digit());
    let principal = match request.principal.as_str() {
        "*" => json!("*"),
        account if is_account => json!({ "AWS": format!("arn:aws:iam::{account}:root") }),
        arn if arn.starts_with("arn:aws:iam::") => json!({ "AWS": arn }),
        _ => return invalid("The provided principal was invalid. Please check the principal and try again."),
    };
    let (version, expected) = (request.version_number, request.revision_id.as_deref());
    let (shown, revision_id) = change(cx, &request.layer_name, version, expected, |policy, arn| {
        let mut statement = json!({
            "Sid": request.statement_id,
            "Effect": "Allow",
            "Principal": principal,
            "Action": request.action,
            "Resource": arn,
        });
        if let Some(organization) = &request.organization_id {
            statement["Condition"] = json!({ "StringEquals": { "aws:PrincipalOrgID": organization } });
        }
        let shown = statement.to_string();
        add(policy, statement, cx.random().uuid())?;
        Ok(shown)
    })?;
    Ok(AddLayerVersionPermissionResponse { statement: Some(shown), revision_id: Some(revision_id) })
}

async fn get_layer_version_policy(
    _: &Lambda,
    cx: &Context,
    request: GetLayerVersionPolicyRequest,
) -> Result<GetLayerVersionPolicyResponse, Error> {
    let (name, version) = (Name::new(cx, &request.layer_name)?, request.version_number.unsigned_abs());
    let arn = name.version_arn(version);
    let policy = get(cx, &name, version)?.ok_or_else(|| missing(&arn))?.policy;
    if policy.statements.is_empty() {
        return Err(no_policy(&arn));
    }
    Ok(GetLayerVersionPolicyResponse {
        policy: Some(document(&policy).to_string()),
        revision_id: Some(policy.revision_id),
    })
}

async fn remove_layer_version_permission(
    _: &Lambda,
    cx: &Context,
    request: RemoveLayerVersionPermissionRequest,
) -> Result<Unit, Error> {
    let (version, expected) = (request.version_number, request.revision_id.as_deref());
    change(cx, &request.layer_name, version, expected, |policy, arn| {
        if policy.statements.is_empty() {
            return Err(no_policy(arn));
        }
        remove(policy, &request.statement_id, cx.random().uuid())
    })?;
    Ok(Unit::default())
}
