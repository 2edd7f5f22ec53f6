//! Reserved concurrency: how many invocations of a function may run at once.

use lambda_api::{
    Concurrency, DeleteFunctionConcurrency, DeleteFunctionConcurrencyRequest, GetFunctionConcurrency,
    GetFunctionConcurrencyRequest, GetFunctionConcurrencyResponse, PutFunctionConcurrency,
    PutFunctionConcurrencyRequest,
};
use service::{Context, operation};
use wire::Unit;

use super::account::CONCURRENCY;
use super::{access, find, reference};
use crate::Lambda;
use crate::error::Error;
use crate::function::not_found;
use crate::store as records;

operation! {
    Lambda, PutFunctionConcurrency,
    access: |_s, cx, request| access(cx, "lambda:PutFunctionConcurrency", &request.function_name, None),
    handler: put_function_concurrency
}
operation! {
    Lambda, GetFunctionConcurrency,
    access: |_s, cx, request| access(cx, "lambda:GetFunctionConcurrency", &request.function_name, None),
    handler: get_function_concurrency
}
operation! {
    Lambda, DeleteFunctionConcurrency,
    access: |_s, cx, request| access(cx, "lambda:DeleteFunctionConcurrency", &request.function_name, None),
    handler: delete_function_concurrency
}

/// What must remain for functions without a reservation.
const UNRESERVED_MINIMUM: i32 = 100;

async fn put_function_concurrency(
    _: &Lambda,
    cx: &Context,
    request: PutFunctionConcurrencyRequest,
) -> Result<Concurrency, Error> {
    let reference = reference(cx, &request.function_name, None)?.unqualified();
    let wanted = request.reserved_concurrent_executions;
    cx.store().write(|tx| {
        let mut function = records::function_in(tx, &reference)?.ok_or_else(|| not_found(&reference))?;
        let provisioned: i32 = function.provisioned.values().map(|config| config.count).sum();
        if wanted < provisioned {
            return Err(Error::InvalidParameterValue(format!(
                "ReservedConcurrentExecutions for function should not be lower than function's total provisioned concurrency [{provisioned}]."
            )));
        }
        if CONCURRENCY - records::reserve(tx, &mut function, Some(wanted))? < UNRESERVED_MINIMUM {
            return Err(Error::InvalidParameterValue(format!(
                "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [{UNRESERVED_MINIMUM}]."
            )));
        }
        Ok(records::put_function(tx, &function)?)
    })?;
    Ok(Concurrency { reserved_concurrent_executions: Some(wanted) })
}

async fn get_function_concurrency(
    _: &Lambda,
    cx: &Context,
    request: GetFunctionConcurrencyRequest,
) -> Result<GetFunctionConcurrencyResponse, Error> {
    let function = find(cx, &reference(cx, &request.function_name, None)?.unqualified())?;
    Ok(GetFunctionConcurrencyResponse { reserved_concurrent_executions: function.reserved })
}

async fn delete_function_concurrency(
    _: &Lambda,
    cx: &Context,
    request: DeleteFunctionConcurrencyRequest,
) -> Result<Unit, Error> {
    let reference = reference(cx, &request.function_name, None)?.unqualified();
    cx.store().write(|tx| {
        let mut function = records::function_in(tx, &reference)?.ok_or_else(|| not_found(&reference))?;
        records::reserve(tx, &mut function, None)?;
        Ok::<_, Error>(records::put_function(tx, &function)?)
    })?;
    Ok(Unit::default())
}
