//! The access log of a stage: one line a request, written by API Gateway itself.

use crate::mapping::{of_request, resolve};
use crate::request::{Request, lookup};
use apigatewayv2_api::AccessLogSettings;
use execute_api::logs::{group_of, put};
use logs_api::InputLogEvent;
use serde_json::Value as Json;
use service::{Context, Principal};

/// Writes the line of a request, without making the caller of the API wait. `context` is `$context` with what is known
/// once the answer is.
pub fn write(cx: &Context, request: &Request, settings: &AccessLogSettings, context: &Json) {
    let Some(group) = settings.destination_arn.as_deref().and_then(group_of) else { return };
    let format = settings.format.as_deref().unwrap_or_default();
    let find = |name: &str| {
        let found = match name.strip_prefix("context.") {
            Some(path) => lookup(context, path),
            None => of_request(name, request, context),
        };
        Some(found.unwrap_or_else(|| "-".to_owned()))
    };
    let message = resolve(format, &find).unwrap_or_default();
    let event = InputLogEvent { timestamp: cx.now().millis(), message };
    let stream = request.time.datetime().strftime("%Y/%m/%d/").to_string() + &request.stage;
    let (cx, group) = (cx.clone(), group.to_owned());
    tokio::spawn(async move {
        // Log delivery is AWS's own and needs no role in the account: whoever set the stage up allowed it.
        let writer = Principal::Root { account: cx.account().to_owned() };
        if let Err(error) = put(&cx, &writer, &group, &stream, vec![event]).await {
            tracing::warn!(code = error.code, message = error.message, group, "an access log was not written");
        }
    });
}
