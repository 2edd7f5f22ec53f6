//! What becomes of a function that leads to itself: GetFunctionRecursionConfig, PutFunctionRecursionConfig.

use lambda_api::{
    GetFunctionRecursionConfig, GetFunctionRecursionConfigRequest, GetFunctionRecursionConfigResponse,
    PutFunctionRecursionConfig, PutFunctionRecursionConfigRequest, PutFunctionRecursionConfigResponse, RecursiveLoop,
};
use service::{Context, operation};

use super::{access, find, reference};
use crate::Lambda;
use crate::error::Error;
use crate::function::not_found;
use crate::store as records;

operation! {
    Lambda, GetFunctionRecursionConfig,
    access: |_s, cx, request| access(cx, "lambda:GetFunctionRecursionConfig", &request.function_name, None),
    handler: get_function_recursion_config
}
operation! {
    Lambda, PutFunctionRecursionConfig,
    access: |_s, cx, request| access(cx, "lambda:PutFunctionRecursionConfig", &request.function_name, None),
    handler: put_function_recursion_config
}

async fn get_function_recursion_config(
    _: &Lambda,
    cx: &Context,
    request: GetFunctionRecursionConfigRequest,
) -> Result<GetFunctionRecursionConfigResponse, Error> {
    let function = find(cx, &reference(cx, &request.function_name, None)?.unqualified())?;
    let recursive_loop = if function.recursive { RecursiveLoop::Allow } else { RecursiveLoop::Terminate };
    Ok(GetFunctionRecursionConfigResponse { recursive_loop: Some(recursive_loop) })
}

async fn put_function_recursion_config(
    _: &Lambda,
    cx: &Context,
    request: PutFunctionRecursionConfigRequest,
) -> Result<PutFunctionRecursionConfigResponse, Error> {
    let reference = reference(cx, &request.function_name, None)?.unqualified();
    cx.store().write(|tx| {
        let mut function = records::function_in(tx, &reference)?.ok_or_else(|| not_found(&reference))?;
        function.recursive = request.recursive_loop == RecursiveLoop::Allow;
        Ok::<_, Error>(records::put_function(tx, &function)?)
    })?;
    Ok(PutFunctionRecursionConfigResponse { recursive_loop: Some(request.recursive_loop) })
}
