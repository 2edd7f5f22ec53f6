//! Provisioned concurrency: environments that are started before anybody asks for them, and kept.

use lambda_api::{
    DeleteProvisionedConcurrencyConfig, DeleteProvisionedConcurrencyConfigRequest, GetProvisionedConcurrencyConfig,
    GetProvisionedConcurrencyConfigRequest, GetProvisionedConcurrencyConfigResponse, ListProvisionedConcurrencyConfigs,
    ListProvisionedConcurrencyConfigsRequest, ListProvisionedConcurrencyConfigsResponse,
    ProvisionedConcurrencyConfigListItem, ProvisionedConcurrencyStatusEnum as Status, PutProvisionedConcurrencyConfig,
    PutProvisionedConcurrencyConfigRequest, PutProvisionedConcurrencyConfigResponse,
};
use service::{Context, operation};
use wire::Unit;

use super::account::CONCURRENCY;
use super::invocation::resolve;
use super::{access, find, reference};
use crate::Lambda;
use crate::arn::{LATEST, Reference};
use crate::error::Error;
use crate::function::{last_modified, not_found};
use crate::store::{self as records, ProvisionedConcurrency};

operation! {
    Lambda, DeleteProvisionedConcurrencyConfig,
    access: |_s, cx, request| access(cx, "lambda:DeleteProvisionedConcurrencyConfig", &request.function_name, Some(&request.qualifier)),
    handler: delete_provisioned_concurrency_config
}
operation! {
    Lambda, GetProvisionedConcurrencyConfig,
    access: |_s, cx, request| access(cx, "lambda:GetProvisionedConcurrencyConfig", &request.function_name, Some(&request.qualifier)),
    handler: get_provisioned_concurrency_config
}
operation! {
    Lambda, ListProvisionedConcurrencyConfigs,
    access: |_s, cx, request| access(cx, "lambda:ListProvisionedConcurrencyConfigs", &request.function_name, None),
    handler: list_provisioned_concurrency_configs
}
operation! {
    Lambda, PutProvisionedConcurrencyConfig,
    access: |_s, cx, request| access(cx, "lambda:PutProvisionedConcurrencyConfig", &request.function_name, Some(&request.qualifier)),
    handler: put_provisioned_concurrency_config
}

fn missing() -> Error {
    Error::ProvisionedConcurrencyConfigNotFound("No Provisioned Concurrency Config found for this function".into())
}

fn invalid<T>(text: impl Into<String>) -> Result<T, Error> {
    Err(Error::InvalidParameterValue(text.into()))
}

fn describe(
    lambda: &Lambda,
    reference: &Reference,
    config: &ProvisionedConcurrency,
) -> ProvisionedConcurrencyConfigListItem {
    let state = lambda.runner.provisioned(reference);
    let ready = state.ready.min(config.count);
    let status = match &state.failure {
        Some(_) => Status::Failed,
        None if ready == config.count => Status::Ready,
        None => Status::InProgress,
    };
    ProvisionedConcurrencyConfigListItem {
        function_arn: Some(reference.to_string()),
        requested_provisioned_concurrent_executions: Some(config.count),
        available_provisioned_concurrent_executions: Some(ready),
        allocated_provisioned_concurrent_executions: Some(ready),
        status: Some(status),
        status_reason: state.failure,
        last_modified: Some(last_modified(config.modified)),
    }
}

async fn put_provisioned_concurrency_config(
    lambda: &Lambda,
    cx: &Context,
    request: PutProvisionedConcurrencyConfigRequest,
) -> Result<PutProvisionedConcurrencyConfigResponse, Error> {
    let reference = reference(cx, &request.function_name, Some(&request.qualifier))?;
    if request.qualifier == LATEST {
        return invalid("Provisioned Concurrency Configs cannot be applied to unpublished function versions.");
    }
    resolve(cx, &reference)?;
    let wanted = request.provisioned_concurrent_executions;
    let others = CONCURRENCY - records::reserved(cx.store(), &reference.account, &reference.region)?;
    let alias = records::alias(cx.store(), &reference, &request.qualifier)?;
    let config = ProvisionedConcurrency { count: wanted, modified: cx.now().millis() };
    cx.store().write(|tx| {
        let mut function = records::function_in(tx, &reference)?.ok_or_else(|| not_found(&reference))?;
        if alias.as_ref().is_some_and(|alias| function.provisioned.contains_key(&alias.version)) {
            return invalid("Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version");
        }
        let elsewhere = function.provisioned.iter().filter(|(name, _)| **name != request.qualifier);
        let sum = wanted + elsewhere.map(|(_, config)| config.count).sum::<i32>();
        match function.reserved {
            Some(reserved) if sum > reserved => {
                return invalid(
                    "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function",
                );
            }
            None if sum > others - 100 => {
                return invalid(format!(
                    "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [{}].",
                    others - 100
                ));
            }
            _ => {}
        }
        function.provisioned.insert(request.qualifier.clone(), config.clone());
        Ok(records::put_function(tx, &function)?)
    })?;
    lambda.runner.keep_provisioned(&cx.cloud, reference);
    Ok(PutProvisionedConcurrencyConfigResponse {
        requested_provisioned_concurrent_executions: Some(wanted),
        available_provisioned_concurrent_executions: Some(0),
        allocated_provisioned_concurrent_executions: Some(0),
        status: Some(Status::InProgress),
        status_reason: None,
        last_modified: Some(last_modified(config.modified)),
    })
}

async fn get_provisioned_concurrency_config(
    lambda: &Lambda,
    cx: &Context,
    request: GetProvisionedConcurrencyConfigRequest,
) -> Result<GetProvisionedConcurrencyConfigResponse, Error> {
    let reference = reference(cx, &request.function_name, Some(&request.qualifier))?;
    let (function, _) = resolve(cx, &reference)?;
    let config = function.provisioned.get(&request.qualifier).ok_or_else(missing)?;
    let shown = describe(lambda, &reference, config);
    Ok(GetProvisionedConcurrencyConfigResponse {
        requested_provisioned_concurrent_executions: shown.requested_provisioned_concurrent_executions,
        available_provisioned_concurrent_executions: shown.available_provisioned_concurrent_executions,
        allocated_provisioned_concurrent_executions: shown.allocated_provisioned_concurrent_executions,
        status: shown.status,
        status_reason: shown.status_reason,
        last_modified: shown.last_modified,
    })
}

async fn delete_provisioned_concurrency_config(
    _: &Lambda,
    cx: &Context,
    request: DeleteProvisionedConcurrencyConfigRequest,
) -> Result<Unit, Error> {
    let reference = reference(cx, &request.function_name, Some(&request.qualifier))?;
    cx.store().write(|tx| {
        let mut function = records::function_in(tx, &reference)?.ok_or_else(|| not_found(&reference))?;
        if function.provisioned.remove(&request.qualifier).is_none() {
            return Err(missing());
        }
        Ok(records::put_function(tx, &function)?)
    })?;
    Ok(Unit::default())
}

async fn list_provisioned_concurrency_configs(
    lambda: &Lambda,
    cx: &Context,
    request: ListProvisionedConcurrencyConfigsRequest,
) -> Result<ListProvisionedConcurrencyConfigsResponse, Error> {
    let reference = reference(cx, &request.function_name, None)?.unqualified();
    let function = find(cx, &reference)?;
    let most = request.max_items.map_or(50, |most| most.clamp(1, 50)) as usize;
    let after = request.marker.unwrap_or_default();
    let mut left = function.provisioned.iter().filter(|(name, _)| **name > after);
    let page: Vec<_> = left.by_ref().take(most).collect();
    let next_marker = page.last().map(|(name, _)| (*name).clone()).filter(|_| left.next().is_some());
    let shown = page.into_iter().map(|(name, config)| describe(lambda, &reference.clone().qualified(name), config));
    Ok(ListProvisionedConcurrencyConfigsResponse {
        provisioned_concurrency_configs: Some(shown.collect()),
        next_marker,
    })
}
