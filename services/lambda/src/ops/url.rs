//! Function URLs.

use lambda_api::{
    Cors, CreateFunctionUrlConfig, CreateFunctionUrlConfigRequest, CreateFunctionUrlConfigResponse,
    DeleteFunctionUrlConfig, DeleteFunctionUrlConfigRequest, FunctionUrlAuthType, FunctionUrlConfig,
    GetFunctionUrlConfig, GetFunctionUrlConfigRequest, GetFunctionUrlConfigResponse, InvokeMode,
    ListFunctionUrlConfigs, ListFunctionUrlConfigsRequest, ListFunctionUrlConfigsResponse, UpdateFunctionUrlConfig,
    UpdateFunctionUrlConfigRequest, UpdateFunctionUrlConfigResponse,
};
use service::{Context, Timestamp, operation, to_record};
use wire::Unit;

use super::invocation::resolve;
use super::{access, find, reference};
use crate::Lambda;
use crate::arn::{LATEST, Reference};
use crate::error::Error;
use crate::function::not_found;
use crate::store::{self as records, CrossOrigin, Url, UrlOwner};
use crate::url;

operation! {
    Lambda, CreateFunctionUrlConfig,
    access: |_s, cx, request| access(cx, "lambda:CreateFunctionUrlConfig", &request.function_name, request.qualifier.as_deref()),
    handler: create_function_url_config
}
operation! {
    Lambda, DeleteFunctionUrlConfig,
    access: |_s, cx, request| access(cx, "lambda:DeleteFunctionUrlConfig", &request.function_name, request.qualifier.as_deref()),
    handler: delete_function_url_config
}
operation! {
    Lambda, GetFunctionUrlConfig,
    access: |_s, cx, request| access(cx, "lambda:GetFunctionUrlConfig", &request.function_name, request.qualifier.as_deref()),
    handler: get_function_url_config
}
operation! {
    Lambda, ListFunctionUrlConfigs,
    access: |_s, cx, request| access(cx, "lambda:ListFunctionUrlConfigs", &request.function_name, None),
    handler: list_function_url_configs
}
operation! {
    Lambda, UpdateFunctionUrlConfig,
    access: |_s, cx, request| access(cx, "lambda:UpdateFunctionUrlConfig", &request.function_name, request.qualifier.as_deref()),
    handler: update_function_url_config
}

/// The function, or an alias of it; versions have no URLs.
fn owner(cx: &Context, name: &str, qualifier: Option<&str>) -> Result<Reference, Error> {
    let version = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit()) || *text == LATEST;
    if let Some(version) = qualifier.filter(version) {
        let constraint = r"Member must satisfy regular expression pattern: ((?!^\d+$)^[0-9a-zA-Z-_]+$)";
        return Err(Error::violation(&version, "qualifier", constraint));
    }
    reference(cx, name, qualifier)
}

fn qualifier(reference: &Reference) -> String {
    reference.qualifier.clone().unwrap_or_default()
}

fn missing() -> Error {
    Error::ResourceNotFound("The resource you requested does not exist.".into())
}

/// Of a function or an alias that is to have a URL.
fn no_function() -> Error {
    Error::ResourceNotFound("Function does not exist".into())
}

fn mode(url: &Url) -> InvokeMode {
    if url.streams { InvokeMode::ResponseStream } else { InvokeMode::Buffered }
}

/// `2024-01-01T00:00:00.000000Z`
fn time(millis: i64) -> String {
    Timestamp::from_millis(millis).iso8601_millis().replace('Z', "000Z")
}

fn describe(cx: &Context, reference: &Reference, url: &Url) -> FunctionUrlConfig {
    FunctionUrlConfig {
        function_url: url::address(&cx.cloud.config.endpoint, &url.id, &reference.region),
        function_arn: reference.to_string(),
        creation_time: time(url.created),
        last_modified_time: time(url.modified),
        cors: url.cors.clone().map(Cors::from),
        auth_type: FunctionUrlAuthType::from(url.auth.as_str()),
        invoke_mode: Some(mode(url)),
    }
}

async fn create_function_url_config(
    _: &Lambda,
    cx: &Context,
    request: CreateFunctionUrlConfigRequest,
) -> Result<CreateFunctionUrlConfigResponse, Error> {
    let reference = owner(cx, &request.function_name, request.qualifier.as_deref())?;
    let (_, configuration) = resolve(cx, &reference).map_err(|_| no_function())?;
    if configuration.tenancy.is_some() {
        let text = "Function URLs are not supported for functions with a tenancy configuration.";
        return Err(Error::InvalidParameterValue(text.into()));
    }
    let now = cx.now().millis();
    let url = Url {
        id: cx.random().lower_alphanumeric(32),
        auth: request.auth_type.as_str().to_owned(),
        cors: request.cors.map(CrossOrigin::from),
        streams: request.invoke_mode == Some(InvokeMode::ResponseStream),
        created: now,
        modified: now,
    };
    cx.store().write(|tx| {
        let mut function = records::function_in(tx, &reference)?.ok_or_else(|| not_found(&reference))?;
        if function.urls.contains_key(&qualifier(&reference)) {
            return Err(Error::ResourceConflict(format!(
                "Failed to create function url config for [functionArn = {reference}]. Error message:  FunctionUrlConfig exists for this Lambda function"
            )));
        }
        function.urls.insert(qualifier(&reference), url.clone());
        let owner = UrlOwner {
            account: reference.account.clone(),
            region: reference.region.clone(),
            name: reference.name.clone(),
            qualifier: reference.qualifier.clone(),
        };
        tx.put(records::url_key(&url.id), to_record(&owner)?);
        Ok(records::put_function(tx, &function)?)
    })?;
    let shown = describe(cx, &reference, &url);
    Ok(CreateFunctionUrlConfigResponse {
        function_url: shown.function_url,
        function_arn: shown.function_arn,
        auth_type: shown.auth_type,
        cors: shown.cors,
        creation_time: shown.creation_time,
        invoke_mode: shown.invoke_mode,
    })
}

async fn delete_function_url_config(
    _: &Lambda,
    cx: &Context,
    request: DeleteFunctionUrlConfigRequest,
) -> Result<Unit, Error> {
    let reference = owner(cx, &request.function_name, request.qualifier.as_deref())?;
    cx.store().write(|tx| {
        let mut function = records::function_in(tx, &reference)?.ok_or_else(missing)?;
        let url = function.urls.remove(&qualifier(&reference)).ok_or_else(missing)?;
        tx.delete(records::url_key(&url.id));
        Ok::<_, Error>(records::put_function(tx, &function)?)
    })?;
    Ok(Unit::default())
}

async fn get_function_url_config(
    _: &Lambda,
    cx: &Context,
    request: GetFunctionUrlConfigRequest,
) -> Result<GetFunctionUrlConfigResponse, Error> {
    let reference = owner(cx, &request.function_name, request.qualifier.as_deref())?;
    let function = find(cx, &reference).map_err(|_| missing())?;
    let shown = describe(cx, &reference, function.urls.get(&qualifier(&reference)).ok_or_else(missing)?);
    Ok(GetFunctionUrlConfigResponse {
        function_url: shown.function_url,
        function_arn: shown.function_arn,
        auth_type: shown.auth_type,
        cors: shown.cors,
        creation_time: shown.creation_time,
        last_modified_time: shown.last_modified_time,
        invoke_mode: shown.invoke_mode,
    })
}

/// A function has few URLs (one and one for each alias), so a page holds them all.
async fn list_function_url_configs(
    _: &Lambda,
    cx: &Context,
    request: ListFunctionUrlConfigsRequest,
) -> Result<ListFunctionUrlConfigsResponse, Error> {
    let reference = reference(cx, &request.function_name, None)?.unqualified();
    let function = find(cx, &reference).map_err(|_| no_function())?;
    let of = |qualifier: &str| match qualifier {
        "" => reference.clone(),
        alias => reference.clone().qualified(alias),
    };
    let function_url_configs = function.urls.iter().map(|(qualifier, url)| describe(cx, &of(qualifier), url)).collect();
    Ok(ListFunctionUrlConfigsResponse { function_url_configs, next_marker: None })
}

async fn update_function_url_config(
    _: &Lambda,
    cx: &Context,
    request: UpdateFunctionUrlConfigRequest,
) -> Result<UpdateFunctionUrlConfigResponse, Error> {
    let reference = owner(cx, &request.function_name, request.qualifier.as_deref())?;
    let url = cx.store().write(|tx| {
        let mut function = records::function_in(tx, &reference)?.ok_or_else(missing)?;
        let url = function.urls.get_mut(&qualifier(&reference)).ok_or_else(missing)?;
        if let Some(auth) = request.auth_type {
            url.auth = auth.as_str().to_owned();
        }
        if let Some(cors) = request.cors {
            url.cors = Some(CrossOrigin::from(cors));
        }
        if let Some(mode) = request.invoke_mode {
            url.streams = mode == InvokeMode::ResponseStream;
        }
        url.modified = cx.now().millis();
        let url = url.clone();
        records::put_function(tx, &function)?;
        Ok::<_, Error>(url)
    })?;
    let shown = describe(cx, &reference, &url);
    Ok(UpdateFunctionUrlConfigResponse {
        function_url: shown.function_url,
        function_arn: shown.function_arn,
        auth_type: shown.auth_type,
        cors: shown.cors,
        creation_time: shown.creation_time,
        last_modified_time: shown.last_modified_time,
        invoke_mode: shown.invoke_mode,
    })
}

impl From<Cors> for CrossOrigin {
    fn from(cors: Cors) -> Self {
        Self {
            credentials: cors.allow_credentials.unwrap_or_default(),
            headers: cors.allow_headers.unwrap_or_default(),
            methods: cors.allow_methods.unwrap_or_default(),
            origins: cors.allow_origins.unwrap_or_default(),
            expose: cors.expose_headers.unwrap_or_default(),
            max_age: cors.max_age,
        }
    }
}

impl From<CrossOrigin> for Cors {
    fn from(cors: CrossOrigin) -> Self {
        let list = |list: Vec<String>| Some(list).filter(|list| !list.is_empty());
        Self {
            allow_credentials: Some(cors.credentials).filter(|allowed| *allowed),
            allow_headers: list(cors.headers),
            allow_methods: list(cors.methods),
            allow_origins: list(cors.origins),
            expose_headers: list(cors.expose),
            max_age: cors.max_age,
        }
    }
}
