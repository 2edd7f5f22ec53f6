//! How asynchronous invocations of a function are retried, and where their results go.

use lambda_api::{
    DeleteFunctionEventInvokeConfig, DeleteFunctionEventInvokeConfigRequest, DestinationConfig,
    FunctionEventInvokeConfig, GetFunctionEventInvokeConfig, GetFunctionEventInvokeConfigRequest,
    ListFunctionEventInvokeConfigs, ListFunctionEventInvokeConfigsRequest, ListFunctionEventInvokeConfigsResponse,
    OnFailure, OnSuccess, PutFunctionEventInvokeConfig, PutFunctionEventInvokeConfigRequest,
    UpdateFunctionEventInvokeConfig, UpdateFunctionEventInvokeConfigRequest,
};
use service::{Context, Timestamp, operation};
use wire::Unit;

use super::invocation::resolve;
use super::{access, find, reference};
use crate::Lambda;
use crate::arn::Reference;
use crate::destination::Target;
use crate::error::Error;
use crate::function::not_found;
use crate::store::{self as records, EventInvoke};

operation! {
    Lambda, DeleteFunctionEventInvokeConfig,
    access: |_s, cx, request| access(cx, "lambda:DeleteFunctionEventInvokeConfig", &request.function_name, request.qualifier.as_deref()),
    handler: delete_function_event_invoke_config
}
operation! {
    Lambda, GetFunctionEventInvokeConfig,
    access: |_s, cx, request| access(cx, "lambda:GetFunctionEventInvokeConfig", &request.function_name, request.qualifier.as_deref()),
    handler: get_function_event_invoke_config
}
operation! {
    Lambda, ListFunctionEventInvokeConfigs,
    access: |_s, cx, request| access(cx, "lambda:ListFunctionEventInvokeConfigs", &request.function_name, None),
    handler: list_function_event_invoke_configs
}
operation! {
    Lambda, PutFunctionEventInvokeConfig,
    access: |_s, cx, request| access(cx, "lambda:PutFunctionEventInvokeConfig", &request.function_name, request.qualifier.as_deref()),
    handler: put_function_event_invoke_config
}
operation! {
    Lambda, UpdateFunctionEventInvokeConfig,
    access: |_s, cx, request| access(cx, "lambda:UpdateFunctionEventInvokeConfig", &request.function_name, request.qualifier.as_deref()),
    handler: update_function_event_invoke_config
}

fn missing(reference: &Reference) -> Error {
    let qualified = reference.clone().qualified(reference.qualifier_or_latest());
    Error::ResourceNotFound(format!("The function {qualified} doesn't have an EventInvokeConfig"))
}

fn no_function() -> Error {
    Error::ResourceNotFound("The function doesn't exist.".into())
}

fn describe(reference: &Reference, config: &EventInvoke) -> FunctionEventInvokeConfig {
    FunctionEventInvokeConfig {
        last_modified: Some(Timestamp::from_millis(config.modified)),
        function_arn: Some(reference.clone().qualified(reference.qualifier_or_latest()).to_string()),
        maximum_retry_attempts: config.retries,
        maximum_event_age_in_seconds: config.age,
        destination_config: Some(DestinationConfig {
            on_success: Some(OnSuccess { destination: config.on_success.clone() }),
            on_failure: Some(OnFailure { destination: config.on_failure.clone() }),
        }),
    }
}

/// Sets what is given in `config`. An empty destination removes one.
fn apply(
    config: &mut EventInvoke,
    retries: Option<i32>,
    age: Option<i32>,
    destinations: Option<DestinationConfig>,
) -> Result<(), Error> {
    let destinations = destinations.unwrap_or_default();
    let success = destinations.on_success.and_then(|on| on.destination);
    let failure = destinations.on_failure.and_then(|on| on.destination);
    if retries.is_none() && age.is_none() && success.is_none() && failure.is_none() {
        let text = "You must specify at least one of error handling or destination setting.";
        return Err(Error::InvalidParameterValue(text.into()));
    }
    config.retries = retries.or(config.retries);
    config.age = age.or(config.age);
    for (given, kept) in [(success, &mut config.on_success), (failure, &mut config.on_failure)] {
        if let Some(given) = given {
            *kept = Some(given).filter(|arn| !arn.is_empty());
        }
    }
    Ok(())
}

fn set(
    cx: &Context,
    reference: &Reference,
    change: impl FnOnce(Option<EventInvoke>) -> Result<EventInvoke, Error>,
) -> Result<FunctionEventInvokeConfig, Error> {
    let (function, configuration) = resolve(cx, reference).map_err(|_| no_function())?;
    let qualifier = records::qualifier(reference);
    let mut config = change(function.event_invoke.get(&qualifier).cloned())?;
    for (arn, failures) in [(&config.on_success, false), (&config.on_failure, true)] {
        if let Some(arn) = arn {
            Target::parse(arn, failures)?.check(cx, &configuration.role, &function.name)?;
        }
    }
    config.modified = cx.now().millis();
    cx.store().write(|tx| {
        let mut function = records::function_in(tx, reference)?.ok_or_else(|| not_found(reference))?;
        function.event_invoke.insert(qualifier, config.clone());
        Ok::<_, Error>(records::put_function(tx, &function)?)
    })?;
    Ok(describe(reference, &config))
}

async fn put_function_event_invoke_config(
    _: &Lambda,
    cx: &Context,
    request: PutFunctionEventInvokeConfigRequest,
) -> Result<FunctionEventInvokeConfig, Error> {
    let reference = reference(cx, &request.function_name, request.qualifier.as_deref())?;
    set(cx, &reference, |_| {
        let mut config = EventInvoke::default();
        let (retries, age) = (request.maximum_retry_attempts, request.maximum_event_age_in_seconds);
        apply(&mut config, retries, age, request.destination_config)?;
        Ok(config)
    })
}

async fn update_function_event_invoke_config(
    _: &Lambda,
    cx: &Context,
    request: UpdateFunctionEventInvokeConfigRequest,
) -> Result<FunctionEventInvokeConfig, Error> {
    let reference = reference(cx, &request.function_name, request.qualifier.as_deref())?;
    set(cx, &reference, |config| {
        let mut config = config.ok_or_else(|| missing(&reference))?;
        let (retries, age) = (request.maximum_retry_attempts, request.maximum_event_age_in_seconds);
        apply(&mut config, retries, age, request.destination_config)?;
        Ok(config)
    })
}

async fn get_function_event_invoke_config(
    _: &Lambda,
    cx: &Context,
    request: GetFunctionEventInvokeConfigRequest,
) -> Result<FunctionEventInvokeConfig, Error> {
    let reference = reference(cx, &request.function_name, request.qualifier.as_deref())?;
    let (function, _) = resolve(cx, &reference).map_err(|_| missing(&reference))?;
    let config = function.event_invoke.get(&records::qualifier(&reference));
    config.map(|config| describe(&reference, config)).ok_or_else(|| missing(&reference))
}

async fn delete_function_event_invoke_config(
    _: &Lambda,
    cx: &Context,
    request: DeleteFunctionEventInvokeConfigRequest,
) -> Result<Unit, Error> {
    let reference = reference(cx, &request.function_name, request.qualifier.as_deref())?;
    cx.store().write(|tx| {
        let mut function = records::function_in(tx, &reference)?.ok_or_else(|| missing(&reference))?;
        let removed = function.event_invoke.remove(&records::qualifier(&reference));
        removed.ok_or_else(|| missing(&reference))?;
        Ok::<_, Error>(records::put_function(tx, &function)?)
    })?;
    Ok(Unit::default())
}

async fn list_function_event_invoke_configs(
    _: &Lambda,
    cx: &Context,
    request: ListFunctionEventInvokeConfigsRequest,
) -> Result<ListFunctionEventInvokeConfigsResponse, Error> {
    let reference = reference(cx, &request.function_name, None)?.unqualified();
    let function = find(cx, &reference).map_err(|_| no_function())?;
    let most = request.max_items.map_or(50, |most| most.clamp(1, 50)) as usize;
    let after = request.marker.filter(|marker| !marker.is_empty());
    let mut left = function.event_invoke.iter().filter(|(name, _)| after.as_ref().is_none_or(|after| *name > after));
    let page: Vec<_> = left.by_ref().take(most).collect();
    let next_marker = page.last().map(|(name, _)| (*name).clone()).filter(|_| left.next().is_some());
    let shown = page.into_iter().map(|(name, config)| describe(&reference.clone().qualified(name), config));
    Ok(ListFunctionEventInvokeConfigsResponse { function_event_invoke_configs: Some(shown.collect()), next_marker })
}
