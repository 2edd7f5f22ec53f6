//! When a function's runtime is updated. Here it never is: the machine's interpreter is the runtime, so this is only kept.

use lambda_api::{
    GetRuntimeManagementConfig, GetRuntimeManagementConfigRequest, GetRuntimeManagementConfigResponse,
    PutRuntimeManagementConfig, PutRuntimeManagementConfigRequest, PutRuntimeManagementConfigResponse, UpdateRuntimeOn,
};
use service::{Context, operation};

use super::invocation::resolve;
use super::{access, reference};
use crate::Lambda;
use crate::error::Error;
use crate::function::not_found;
use crate::store::{self as records, RuntimeManagement};

operation! {
    Lambda, GetRuntimeManagementConfig,
    access: |_s, cx, request| access(cx, "lambda:GetRuntimeManagementConfig", &request.function_name, request.qualifier.as_deref()),
    handler: get_runtime_management_config
}
operation! {
    Lambda, PutRuntimeManagementConfig,
    access: |_s, cx, request| access(cx, "lambda:PutRuntimeManagementConfig", &request.function_name, request.qualifier.as_deref()),
    handler: put_runtime_management_config
}

async fn get_runtime_management_config(
    _: &Lambda,
    cx: &Context,
    request: GetRuntimeManagementConfigRequest,
) -> Result<GetRuntimeManagementConfigResponse, Error> {
    let reference = reference(cx, &request.function_name, request.qualifier.as_deref())?;
    let (function, configuration) = resolve(cx, &reference)?;
    let kept = function.runtime_management.get(&configuration.version).cloned().unwrap_or_default();
    Ok(GetRuntimeManagementConfigResponse {
        update_runtime_on: Some(kept.mode.as_deref().map_or(UpdateRuntimeOn::Auto, UpdateRuntimeOn::from)),
        function_arn: Some(reference.clone().qualified(&configuration.version).to_string()),
        runtime_version_arn: kept.version_arn,
    })
}

async fn put_runtime_management_config(
    _: &Lambda,
    cx: &Context,
    request: PutRuntimeManagementConfigRequest,
) -> Result<PutRuntimeManagementConfigResponse, Error> {
    let reference = reference(cx, &request.function_name, request.qualifier.as_deref())?;
    let (_, configuration) = resolve(cx, &reference)?;
    let manual = request.update_runtime_on == UpdateRuntimeOn::Manual;
    if manual && request.runtime_version_arn.is_none() {
        let text = "You must specify a runtime version ARN when the runtime update mode is Manual.";
        return Err(Error::InvalidParameterValue(text.into()));
    }
    if !manual && request.runtime_version_arn.is_some() {
        let text = "You can only specify a runtime version ARN when the runtime update mode is Manual.";
        return Err(Error::InvalidParameterValue(text.into()));
    }
    let kept = RuntimeManagement {
        mode: Some(request.update_runtime_on.as_str().to_owned()),
        version_arn: request.runtime_version_arn.clone(),
    };
    cx.store().write(|tx| {
        let mut function = records::function_in(tx, &reference)?.ok_or_else(|| not_found(&reference))?;
        function.runtime_management.insert(configuration.version.clone(), kept);
        Ok::<_, Error>(records::put_function(tx, &function)?)
    })?;
    Ok(PutRuntimeManagementConfigResponse {
        update_runtime_on: request.update_runtime_on,
        function_arn: reference.clone().qualified(&configuration.version).to_string(),
        runtime_version_arn: request.runtime_version_arn,
    })
}
