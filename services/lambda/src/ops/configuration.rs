//! UpdateFunctionConfiguration.

use lambda_api::{FunctionConfiguration, UpdateFunctionConfiguration, UpdateFunctionConfigurationRequest};
use service::{Context, operation};

use super::function::{check_role, updating, with_layers, with_role};
use super::{access, find, layer, reference};
use crate::Lambda;
use crate::error::Error;
use crate::function::{Settings, check_revision, check_settled, describe, not_found};
use crate::store::{self as records, Update};

operation! {
    Lambda, UpdateFunctionConfiguration,
    access: |_s, cx, request| access(cx, "lambda:UpdateFunctionConfiguration", &request.function_name, None)
        .map(|access| match &request.role { Some(role) => with_role(access, role), None => access })
        .map(|access| with_layers(access, request.layers.as_deref())),
    handler: update_function_configuration
}

async fn update_function_configuration(
    lambda: &Lambda,
    cx: &Context,
    request: UpdateFunctionConfigurationRequest,
) -> Result<FunctionConfiguration, Error> {
    let reference = reference(cx, &request.function_name, None)?.unqualified();
    let before = find(cx, &reference)?;
    check_settled(&before)?;
    let expected = request.revision_id.clone();
    let settings = Settings::from(request);
    let mut changed = before.latest.clone();
    settings.clone().apply(&mut changed)?;
    settings.check(cx)?;
    let layers = settings.layers.as_deref().map(|layers| layer::find(cx, layers)).transpose()?;
    if settings.role.is_some() {
        check_role(cx, &reference, &changed.role)?;
    }
    let ready = lambda.runner.is_ready(&changed.runtime).await?;
    let updated = cx.store().write(|tx| {
        let mut function = records::function_in(tx, &reference)?.ok_or_else(|| not_found(&reference))?;
        check_settled(&function)?;
        check_revision(&function.latest.revision_id, expected.as_deref())?;
        settings.apply(&mut function.latest)?;
        if let Some(layers) = layers {
            let before = function.latest.clone();
            function.latest.layers = layers;
            records::change_use(tx, &reference, &before.packages(), &function.latest.packages())?;
        }
        function.latest.revision_id = cx.random().uuid();
        function.latest.last_modified = cx.now().millis();
        function.latest.update = updating(ready);
        records::put_function(tx, &function)?;
        Ok::<_, Error>(function)
    })?;
    lambda.runner.retire(&reference);
    if !ready {
        lambda.runner.clone().prepare_in_background(cx.store().clone(), updated.clone());
    }
    // AWS answers before the change is in effect, however soon it is.
    let mut shown = updated.latest.clone();
    shown.update = Update::InProgress;
    Ok(describe(&updated, &shown, reference.to_string()))
}
