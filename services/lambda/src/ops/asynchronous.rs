//! InvokeAsync, which Invoke has replaced.

use lambda_api::{InvokeAsync, InvokeAsyncRequest, InvokeAsyncResponse};
use service::{Context, operation};

use super::invocation::{check_payload, check_tenant, event, resolve};
use super::{access, reference};
use crate::Lambda;
use crate::error::Error;

operation! {
    Lambda, InvokeAsync,
    access: |_s, cx, request| access(cx, "lambda:InvokeFunction", &request.function_name, None),
    handler: invoke_async
}

async fn invoke_async(
    lambda: &Lambda,
    cx: &Context,
    request: InvokeAsyncRequest,
) -> Result<InvokeAsyncResponse, Error> {
    let reference = reference(cx, &request.function_name, None)?;
    let (_, configuration) = resolve(cx, &reference)?;
    check_tenant(&configuration, None)?;
    let payload = request.invoke_args;
    check_payload(&payload, true, "InvokeAsync")?;
    lambda.events.accept(cx, &event(cx, reference, &payload, None, None))?;
    Ok(InvokeAsyncResponse { status: Some(202) })
}
