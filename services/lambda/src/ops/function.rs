//! CreateFunction, GetFunction, GetFunctionConfiguration, ListFunctions, DeleteFunction.

use lambda_api::{
    Concurrency, CreateFunction, CreateFunctionRequest, DeleteFunction, DeleteFunctionRequest, DeleteFunctionResponse,
    FunctionCodeLocation, FunctionConfiguration, FunctionVersion, GetFunction, GetFunctionConfiguration,
    GetFunctionConfigurationRequest, GetFunctionRequest, GetFunctionResponse, ListFunctions, ListFunctionsRequest,
    ListFunctionsResponse, PackageType,
};
use service::{Access, Context, Page, Range, decode_token, encode_token, from_record, operation};

use super::code::{Upload, obtain};
use super::invocation::resolve;
use super::version::publish;
use super::{access, code_signing, find, layer, reference};
use crate::Lambda;
use crate::arn::{LATEST, Reference};
use crate::download;
use crate::error::Error;
use crate::function::{self, Settings, describe, describe_in_list, not_found};
use crate::runner::assume;
use crate::store::{self as records, Function, State, Update};

operation! {
    Lambda, CreateFunction,
    access: |_s, cx, request| access(cx, "lambda:CreateFunction", &request.function_name, None).map(|access| with_layers(with_role(access, &request.role), request.layers.as_deref())),
    handler: create_function
}
operation! {
    Lambda, GetFunction,
    access: |_s, cx, request| access(cx, "lambda:GetFunction", &request.function_name, request.qualifier.as_deref()),
    handler: get_function
}
operation! {
    Lambda, GetFunctionConfiguration,
    access: |_s, cx, request| access(cx, "lambda:GetFunctionConfiguration", &request.function_name, request.qualifier.as_deref()),
    handler: get_function_configuration
}
operation! { Lambda, ListFunctions, action: "lambda:ListFunctions" on |_cx, _request| "*", handler: list_functions }
operation! {
    Lambda, DeleteFunction,
    access: |_s, cx, request| access(cx, "lambda:DeleteFunction", &request.function_name, request.qualifier.as_deref()),
    handler: delete_function
}

/// Whoever gives a function a role must be allowed to pass it on.
pub fn with_role(mut access: Vec<Access>, role: &str) -> Vec<Access> {
    access.push(Access::new("iam:PassRole", role).with("iam:PassedToService", "lambda.amazonaws.com"));
    access
}

/// Whoever gives a function layers must be allowed to see them.
pub fn with_layers(mut access: Vec<Access>, layers: Option<&[String]>) -> Vec<Access> {
    access.extend(layers.unwrap_or_default().iter().map(|layer| Access::new("lambda:GetLayerVersion", layer)));
    access
}

/// The role of a function must be one that Lambda can assume, of the function's own account.
pub fn check_role(cx: &Context, reference: &Reference, role: &str) -> Result<(), Error> {
    if service::Arn::parse(role).is_some_and(|arn| arn.account != reference.account) {
        return Err(Error::AccessDenied("Cross-account pass role is not allowed.".into()));
    }
    assume(cx, role, &reference.name).map(drop)
}

async fn create_function(
    lambda: &Lambda,
    cx: &Context,
    request: CreateFunctionRequest,
) -> Result<FunctionConfiguration, Error> {
    let reference = reference(cx, &request.function_name, None)?.unqualified();
    if reference.name.len() > LONGEST_NAME {
        let constraint = format!("Member must have length less than or equal to {LONGEST_NAME}");
        return Err(Error::violation(&reference.name, "functionName", &constraint));
    }
    if request.package_type == Some(PackageType::Image) || request.code.image_uri.is_some() {
        return Err(Error::NotImplemented("Functions from container images are not implemented.".into()));
    }
    if request.runtime.is_none() || request.handler.is_none() {
        return Err(Error::InvalidParameterValue(
            "Runtime and Handler are mandatory parameters for functions created with deployment packages.".into(),
        ));
    }
    if records::function(cx.store(), &reference)?.is_some() {
        return Err(exists(&reference));
    }
    let publish_first = request.publish == Some(true);
    let tags = request.tags.clone().unwrap_or_default();
    super::tag::check(&tags)?;
    let upload = Upload::from(request.code.clone());
    let mut configuration = function::defaults();
    if let Some(architecture) = function::architecture(request.architectures.clone()) {
        configuration.architecture = architecture;
    }
    configuration.layers = layer::find(cx, request.layers.as_deref().unwrap_or_default())?;
    let signing = Function { code_signing: request.code_signing_config_arn.clone(), ..Function::default() };
    code_signing::check(cx, &signing)?;
    let settings = Settings::from(request);
    settings.check(cx)?;
    settings.apply(&mut configuration)?;
    check_role(cx, &reference, &configuration.role)?;
    let package = obtain(cx, upload).await?;
    lambda.runner.unpack(cx.store(), &package.code.key, package.bytes.clone()).await?;
    let ready = lambda.runner.is_ready(&configuration.runtime).await?;
    configuration.code = package.code.clone();
    configuration.revision_id = cx.random().uuid();
    configuration.last_modified = cx.now().millis();
    configuration.state = if ready { State::Active } else { State::Pending };
    let created = cx.store().write(|tx| {
        if records::function_in(tx, &reference)?.is_some() {
            return Err(exists(&reference));
        }
        let mut function = Function {
            account: reference.account.clone(),
            region: reference.region.clone(),
            name: reference.name.clone(),
            latest: configuration,
            tags,
            code_signing: signing.code_signing,
            ..Function::default()
        };
        records::put_code(tx, &package.code.key, &package.bytes)?;
        records::change_use(tx, &reference, &[], &function.latest.packages())?;
        let published = if publish_first { Some(publish(tx, &mut function, None)?) } else { None };
        records::put_function(tx, &function)?;
        Ok((function, published))
    });
    let (function, published) = created?;
    lambda.runner.clone().prepare_in_background(cx.store().clone(), function.clone());
    // AWS answers before the function is ready, however soon it is.
    let mut shown = published.unwrap_or_else(|| function.latest.clone());
    shown.state = State::Pending;
    let arn = if shown.version == LATEST { reference } else { reference.qualified(&shown.version) };
    Ok(describe(&function, &shown, arn.to_string()))
}

/// The longest name of a function; what requests may carry can be longer because it may be an ARN.
const LONGEST_NAME: usize = 64;

fn exists(reference: &Reference) -> Error {
    Error::ResourceConflict(format!("Function already exist: {}", reference.name))
}

async fn get_function(_: &Lambda, cx: &Context, request: GetFunctionRequest) -> Result<GetFunctionResponse, Error> {
    let reference = reference(cx, &request.function_name, request.qualifier.as_deref())?;
    let (function, configuration) = resolve(cx, &reference)?;
    let location = download::link(cx, &configuration.code.key)?;
    Ok(GetFunctionResponse {
        configuration: Some(describe(&function, &configuration, reference.to_string())),
        code: Some(FunctionCodeLocation {
            repository_type: Some("S3".into()),
            location: Some(location),
            ..FunctionCodeLocation::default()
        }),
        tags: Some(function.tags.clone()).filter(|tags| !tags.is_empty()),
        concurrency: function.reserved.map(|reserved| Concurrency { reserved_concurrent_executions: Some(reserved) }),
        ..GetFunctionResponse::default()
    })
}

async fn get_function_configuration(
    _: &Lambda,
    cx: &Context,
    request: GetFunctionConfigurationRequest,
) -> Result<FunctionConfiguration, Error> {
    let reference = reference(cx, &request.function_name, request.qualifier.as_deref())?;
    let (function, configuration) = resolve(cx, &reference)?;
    Ok(describe(&function, &configuration, reference.to_string()))
}

async fn list_functions(
    _: &Lambda,
    cx: &Context,
    request: ListFunctionsRequest,
) -> Result<ListFunctionsResponse, Error> {
    let limit = request.max_items.map_or(50, |limit| limit.clamp(1, 50)) as usize;
    let marker = request.marker.as_deref().filter(|marker| !marker.is_empty()).map(marker_key).transpose()?;
    let range = Range::prefix(records::functions_key(cx.account(), cx.region()));
    let snapshot = cx.store().snapshot();
    let page = Page::read(&snapshot, range, marker.as_deref(), limit, |_, record| {
        from_record::<Function>(record).map(Some).map_err(Error::from)
    })?;
    let mut functions = Vec::new();
    for function in page.items {
        let reference = function.reference();
        if request.function_version == Some(FunctionVersion::All) {
            functions.push(describe_in_list(&function, &function.latest, reference.qualified(LATEST).to_string()));
            for version in records::versions(&snapshot, &function.reference())? {
                let arn = function.reference().qualified(&version.version).to_string();
                functions.push(describe_in_list(&function, &version, arn));
            }
        } else {
            functions.push(describe_in_list(&function, &function.latest, reference.to_string()));
        }
    }
    Ok(ListFunctionsResponse { functions: Some(functions), next_marker: page.next.map(|key| encode_token(&key)) })
}

pub fn marker_key(marker: &str) -> Result<Vec<u8>, Error> {
    decode_token(marker).ok_or_else(|| Error::InvalidParameterValue("Invalid Marker".into()))
}

async fn delete_function(
    lambda: &Lambda,
    cx: &Context,
    request: DeleteFunctionRequest,
) -> Result<DeleteFunctionResponse, Error> {
    let reference = reference(cx, &request.function_name, request.qualifier.as_deref())?;
    let released = match reference.qualifier.as_deref() {
        None => delete_whole(cx, &reference)?,
        Some(LATEST) => {
            return Err(Error::InvalidParameterValue(
                "$LATEST version cannot be deleted without deleting the function.".into(),
            ));
        }
        Some(version) => super::version::delete(cx, &reference, version)?,
    };
    lambda.runner.retire(&reference);
    for key in released {
        lambda.runner.forget_code(cx.store(), &key);
    }
    Ok(DeleteFunctionResponse { status_code: Some(204) })
}

/// Removes a function with all its versions and aliases; returns the packages that they used.
fn delete_whole(cx: &Context, reference: &Reference) -> Result<Vec<String>, Error> {
    find(cx, reference)?;
    let versions = records::versions(&cx.store().snapshot(), reference)?;
    cx.store().write(|tx| {
        let mut function = records::function_in(tx, reference)?.ok_or_else(|| not_found(reference))?;
        records::reserve(tx, &mut function, None)?;
        let mut released = records::change_use(tx, reference, &function.latest.packages(), &[])?;
        for version in versions {
            let user = reference.clone().qualified(&version.version);
            released.extend(records::change_use(tx, &user, &version.packages(), &[])?);
        }
        tx.delete_range(Range::prefix(records::versions_key(reference)))?;
        tx.delete_range(Range::prefix(records::aliases_key(reference)))?;
        for url in function.urls.values() {
            tx.delete(records::url_key(&url.id));
        }
        tx.delete(records::function_key(reference));
        Ok(released)
    })
}

/// What an update leaves behind while its runtime is being prepared.
pub fn updating(ready: bool) -> Update {
    if ready { Update::Successful } else { Update::InProgress }
}
