//! Code signing configurations. Nothing here signs code, so no package has a signature: where a configuration enforces one,
//! packages are refused, and where it warns, they are taken.

use std::collections::BTreeMap;

use lambda_api::{
    AllowedPublishers, CodeSigningConfig, CodeSigningPolicies, CodeSigningPolicy, CreateCodeSigningConfig,
    CreateCodeSigningConfigRequest, CreateCodeSigningConfigResponse, DeleteCodeSigningConfig,
    DeleteCodeSigningConfigRequest, DeleteCodeSigningConfigResponse, DeleteFunctionCodeSigningConfig,
    DeleteFunctionCodeSigningConfigRequest, GetCodeSigningConfig, GetCodeSigningConfigRequest,
    GetCodeSigningConfigResponse, GetFunctionCodeSigningConfig, GetFunctionCodeSigningConfigRequest,
    GetFunctionCodeSigningConfigResponse, ListCodeSigningConfigs, ListCodeSigningConfigsRequest,
    ListCodeSigningConfigsResponse, ListFunctionsByCodeSigningConfig, ListFunctionsByCodeSigningConfigRequest,
    ListFunctionsByCodeSigningConfigResponse, PutFunctionCodeSigningConfig, PutFunctionCodeSigningConfigRequest,
    PutFunctionCodeSigningConfigResponse, UpdateCodeSigningConfig, UpdateCodeSigningConfigRequest,
    UpdateCodeSigningConfigResponse,
};
use serde::{Deserialize, Serialize};
use service::{Context, Key, Page, Range, Transaction, encode_token, from_record, operation, to_record};
use wire::Unit;

use super::function::marker_key;
use super::{access, find, reference};
use crate::Lambda;
use crate::error::Error;
use crate::function::{last_modified, not_found};
use crate::store::{self as records, Function};

operation! { Lambda, CreateCodeSigningConfig, action: "lambda:CreateCodeSigningConfig" on |_, _| "*", handler: create_code_signing_config }
operation! {
    Lambda, DeleteCodeSigningConfig,
    action: "lambda:DeleteCodeSigningConfig" on |_, request| &request.code_signing_config_arn,
    handler: delete_code_signing_config
}
operation! {
    Lambda, GetCodeSigningConfig,
    action: "lambda:GetCodeSigningConfig" on |_, request| &request.code_signing_config_arn,
    handler: get_code_signing_config
}
operation! {
    Lambda, UpdateCodeSigningConfig,
    action: "lambda:UpdateCodeSigningConfig" on |_, request| &request.code_signing_config_arn,
    handler: update_code_signing_config
}
operation! { Lambda, ListCodeSigningConfigs, action: "lambda:ListCodeSigningConfigs" on |_, _| "*", handler: list_code_signing_configs }
operation! {
    Lambda, ListFunctionsByCodeSigningConfig,
    action: "lambda:ListFunctionsByCodeSigningConfig" on |_, request| &request.code_signing_config_arn,
    handler: list_functions_by_code_signing_config
}
operation! {
    Lambda, DeleteFunctionCodeSigningConfig,
    access: |_s, cx, request| access(cx, "lambda:DeleteFunctionCodeSigningConfig", &request.function_name, None),
    handler: delete_function_code_signing_config
}
operation! {
    Lambda, GetFunctionCodeSigningConfig,
    access: |_s, cx, request| access(cx, "lambda:GetFunctionCodeSigningConfig", &request.function_name, None),
    handler: get_function_code_signing_config
}
operation! {
    Lambda, PutFunctionCodeSigningConfig,
    access: |_s, cx, request| access(cx, "lambda:PutFunctionCodeSigningConfig", &request.function_name, None),
    handler: put_function_code_signing_config
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Config {
    arn: String,
    description: Option<String>,
    publishers: Vec<String>,
    enforce: bool,
    modified: i64,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

/// Reads the tags of a configuration, or changes them.
pub fn tags(cx: &Context, arn: &str) -> Result<BTreeMap<String, String>, Error> {
    Ok(read(cx, arn)?.tags)
}

pub fn put_tags(
    cx: &Context,
    tx: &mut Transaction<'_>,
    arn: &str,
    tags: BTreeMap<String, String>,
) -> Result<(), Error> {
    let config = Config { tags, ..load(cx, tx, arn)? };
    tx.put(configs_key(cx).text(arn), to_record(&config)?);
    Ok(())
}

fn configs_key(cx: &Context) -> Key {
    Key::new("lambda/code-signing").text(cx.account()).text(cx.region())
}

fn missing(arn: &str) -> Error {
    Error::CodeSigningConfigNotFound(format!(
        "The code signing configuration cannot be found. Check that the provided configuration is not deleted: {arn}."
    ))
}

fn load(cx: &Context, tx: &Transaction<'_>, arn: &str) -> Result<Config, Error> {
    let record = tx.get(configs_key(cx).text(arn).as_slice())?.ok_or_else(|| missing(arn))?;
    Ok(from_record(&record)?)
}

fn read(cx: &Context, arn: &str) -> Result<Config, Error> {
    let record = cx.store().get(configs_key(cx).text(arn).as_slice())?.ok_or_else(|| missing(arn))?;
    Ok(from_record(&record)?)
}

fn describe(config: &Config) -> CodeSigningConfig {
    let policy = if config.enforce { CodeSigningPolicy::Enforce } else { CodeSigningPolicy::Warn };
    CodeSigningConfig {
        code_signing_config_id: config.arn.rsplit(':').next().unwrap_or_default().to_owned(),
        code_signing_config_arn: config.arn.clone(),
        description: config.description.clone(),
        allowed_publishers: AllowedPublishers { signing_profile_version_arns: config.publishers.clone() },
        code_signing_policies: CodeSigningPolicies { untrusted_artifact_on_deployment: Some(policy) },
        last_modified: last_modified(config.modified),
    }
}

fn enforces(policies: Option<CodeSigningPolicies>) -> Option<bool> {
    policies?.untrusted_artifact_on_deployment.map(|policy| policy == CodeSigningPolicy::Enforce)
}

/// Refuses a package for a function whose configuration wants it signed.
pub fn check(cx: &Context, function: &Function) -> Result<(), Error> {
    let Some(arn) = &function.code_signing else { return Ok(()) };
    match read(cx, arn)? {
        config if config.enforce => Err(Error::CodeVerificationFailed(
            "Lambda cannot deploy the function. The function or layer might be signed using a signature that the client is not configured to accept. Check the provided signature for unsigned.".into(),
        )),
        _ => Ok(()),
    }
}

async fn create_code_signing_config(
    _: &Lambda,
    cx: &Context,
    request: CreateCodeSigningConfigRequest,
) -> Result<CreateCodeSigningConfigResponse, Error> {
    let id = cx.random().hex(17);
    let config = Config {
        arn: format!("arn:aws:lambda:{}:{}:code-signing-config:csc-{id}", cx.region(), cx.account()),
        description: request.description,
        publishers: request.allowed_publishers.signing_profile_version_arns,
        enforce: enforces(request.code_signing_policies).unwrap_or(false),
        modified: cx.now().millis(),
        tags: request.tags.unwrap_or_default(),
    };
    super::tag::check(&config.tags)?;
    cx.store().put(configs_key(cx).text(&config.arn), to_record(&config)?)?;
    Ok(CreateCodeSigningConfigResponse { code_signing_config: describe(&config) })
}

async fn get_code_signing_config(
    _: &Lambda,
    cx: &Context,
    request: GetCodeSigningConfigRequest,
) -> Result<GetCodeSigningConfigResponse, Error> {
    Ok(GetCodeSigningConfigResponse { code_signing_config: describe(&read(cx, &request.code_signing_config_arn)?) })
}

async fn update_code_signing_config(
    _: &Lambda,
    cx: &Context,
    request: UpdateCodeSigningConfigRequest,
) -> Result<UpdateCodeSigningConfigResponse, Error> {
    let arn = &request.code_signing_config_arn;
    let config = cx.store().write(|tx| {
        let mut config = load(cx, tx, arn)?;
        config.description = request.description.clone().or(config.description);
        if let Some(publishers) = &request.allowed_publishers {
            config.publishers.clone_from(&publishers.signing_profile_version_arns);
        }
        config.enforce = enforces(request.code_signing_policies.clone()).unwrap_or(config.enforce);
        config.modified = cx.now().millis();
        tx.put(configs_key(cx).text(arn), to_record(&config)?);
        Ok::<_, Error>(config)
    })?;
    Ok(UpdateCodeSigningConfigResponse { code_signing_config: describe(&config) })
}

/// The functions that use a configuration.
fn users(cx: &Context, arn: &str) -> Result<Vec<String>, Error> {
    let range = Range::prefix(records::functions_key(cx.account(), cx.region()));
    let mut arns = Vec::new();
    for entry in cx.store().scan(range) {
        let function: Function = from_record(&entry?.1)?;
        if function.code_signing.as_deref() == Some(arn) {
            arns.push(function.reference().to_string());
        }
    }
    Ok(arns)
}

async fn delete_code_signing_config(
    _: &Lambda,
    cx: &Context,
    request: DeleteCodeSigningConfigRequest,
) -> Result<DeleteCodeSigningConfigResponse, Error> {
    let arn = &request.code_signing_config_arn;
    read(cx, arn)?;
    if !users(cx, arn)?.is_empty() {
        let text = "Cannot delete code signing config because it is still attached to a function.";
        return Err(Error::ResourceConflict(text.into()));
    }
    cx.store().write(|tx| {
        tx.delete(configs_key(cx).text(arn));
        Ok::<_, Error>(())
    })?;
    Ok(DeleteCodeSigningConfigResponse::default())
}

async fn list_code_signing_configs(
    _: &Lambda,
    cx: &Context,
    request: ListCodeSigningConfigsRequest,
) -> Result<ListCodeSigningConfigsResponse, Error> {
    let most = request.max_items.map_or(50, |most| most.clamp(1, 50)) as usize;
    let marker = request.marker.as_deref().filter(|marker| !marker.is_empty()).map(marker_key).transpose()?;
    let range = Range::prefix(configs_key(cx));
    let page = Page::read(&cx.store().snapshot(), range, marker.as_deref(), most, |_, record| {
        Ok::<_, Error>(Some(describe(&from_record(record)?)))
    })?;
    let next_marker = page.next.map(|key| encode_token(&key));
    Ok(ListCodeSigningConfigsResponse { code_signing_configs: Some(page.items), next_marker })
}

async fn list_functions_by_code_signing_config(
    _: &Lambda,
    cx: &Context,
    request: ListFunctionsByCodeSigningConfigRequest,
) -> Result<ListFunctionsByCodeSigningConfigResponse, Error> {
    read(cx, &request.code_signing_config_arn)?;
    let all = users(cx, &request.code_signing_config_arn)?;
    let most = request.max_items.map_or(50, |most| most.clamp(1, 50)) as usize;
    let after = request.marker.unwrap_or_default();
    let mut left = all.into_iter().filter(|arn| *arn > after);
    let page: Vec<String> = left.by_ref().take(most).collect();
    let next_marker = page.last().cloned().filter(|_| left.next().is_some());
    Ok(ListFunctionsByCodeSigningConfigResponse { function_arns: Some(page), next_marker })
}

async fn put_function_code_signing_config(
    _: &Lambda,
    cx: &Context,
    request: PutFunctionCodeSigningConfigRequest,
) -> Result<PutFunctionCodeSigningConfigResponse, Error> {
    let reference = reference(cx, &request.function_name, None)?.unqualified();
    let arn = request.code_signing_config_arn;
    cx.store().write(|tx| {
        load(cx, tx, &arn)?;
        let mut function = records::function_in(tx, &reference)?.ok_or_else(|| not_found(&reference))?;
        function.code_signing = Some(arn.clone());
        Ok::<_, Error>(records::put_function(tx, &function)?)
    })?;
    Ok(PutFunctionCodeSigningConfigResponse { code_signing_config_arn: arn, function_name: reference.name })
}

async fn get_function_code_signing_config(
    _: &Lambda,
    cx: &Context,
    request: GetFunctionCodeSigningConfigRequest,
) -> Result<GetFunctionCodeSigningConfigResponse, Error> {
    let function = find(cx, &reference(cx, &request.function_name, None)?.unqualified())?;
    Ok(GetFunctionCodeSigningConfigResponse {
        code_signing_config_arn: function.code_signing.unwrap_or_default(),
        function_name: function.name,
    })
}

async fn delete_function_code_signing_config(
    _: &Lambda,
    cx: &Context,
    request: DeleteFunctionCodeSigningConfigRequest,
) -> Result<Unit, Error> {
    let reference = reference(cx, &request.function_name, None)?.unqualified();
    cx.store().write(|tx| {
        let mut function = records::function_in(tx, &reference)?.ok_or_else(|| not_found(&reference))?;
        function.code_signing = None;
        Ok::<_, Error>(records::put_function(tx, &function)?)
    })?;
    Ok(Unit::default())
}
