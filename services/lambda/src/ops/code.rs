//! UpdateFunctionCode, and where packages come from.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use lambda_api::{
    FunctionCode, FunctionConfiguration, LayerVersionContentInput, UpdateFunctionCode, UpdateFunctionCodeRequest,
};
use s3_api::{GetObject, GetObjectRequest};
use service::{Context, operation};

use super::version::publish;
use super::{access, code_signing, find, reference};
use crate::Lambda;
use crate::error::Error;
use crate::function::{self, check_revision, check_settled, describe, not_found};
use crate::package::UPLOAD_LIMIT;
use crate::store::{self as records, Code, Update};

operation! {
    Lambda, UpdateFunctionCode,
    access: |_s, cx, request| access(cx, "lambda:UpdateFunctionCode", &request.function_name, None),
    handler: update_function_code
}

/// Where a package is.
#[derive(Debug, Default)]
pub struct Upload {
    zip_file: Option<Bytes>,
    bucket: Option<String>,
    key: Option<String>,
    object_version: Option<String>,
}

impl From<LayerVersionContentInput> for Upload {
    fn from(content: LayerVersionContentInput) -> Self {
        Self {
            zip_file: content.zip_file,
            bucket: content.s3_bucket,
            key: content.s3_key,
            object_version: content.s3_object_version,
        }
    }
}

impl From<FunctionCode> for Upload {
    fn from(code: FunctionCode) -> Self {
        Self {
            zip_file: code.zip_file,
            bucket: code.s3_bucket,
            key: code.s3_key,
            object_version: code.s3_object_version,
        }
    }
}

pub struct Package {
    pub code: Code,
    pub bytes: Bytes,
}

/// Gets the package, from the request or from S3 as the caller.
pub async fn obtain(cx: &Context, upload: Upload) -> Result<Package, Error> {
    let bytes = match (upload.zip_file, upload.bucket, upload.key) {
        (Some(_), Some(_), _) => {
            return Err(Error::InvalidParameterValue(
                "Please do not provide other FunctionCode parameters when providing a ZipFile.".into(),
            ));
        }
        (Some(bytes), None, _) if bytes.len() > UPLOAD_LIMIT => {
            return Err(Error::RequestTooLarge(
                "Request must be smaller than 70167211 bytes for the UpdateFunctionCode operation".into(),
            ));
        }
        (Some(bytes), None, _) => bytes,
        (None, Some(bucket), Some(key)) => from_s3(cx, bucket, key, upload.object_version).await?,
        _ => {
            return Err(Error::InvalidParameterValue("Please provide a source for function code.".into()));
        }
    };
    let hash = digest(&SHA256, &bytes);
    let key = service::hex(hash.as_ref());
    let code = Code { key, sha256_base64: BASE64_STANDARD.encode(hash.as_ref()), size: bytes.len() as i64 };
    Ok(Package { code, bytes })
}

async fn from_s3(cx: &Context, bucket: String, key: String, version_id: Option<String>) -> Result<Bytes, Error> {
    let request = GetObjectRequest { bucket, key, version_id, ..GetObjectRequest::default() };
    let failed = |code: &str, message: &str| {
        let code = if code == "NoSuchKey" || code == "NoSuchBucket" || code == "AccessDenied" {
            code
        } else {
            "InternalError"
        };
        Error::InvalidParameterValue(format!(
            "Error occurred while GetObject. S3 Error Code: {code}. S3 Error Message: {message}"
        ))
    };
    let object = cx.call::<GetObject>(cx.principal().clone(), request).await;
    let object = object.map_err(|error| failed(&error.code, &error.message))?;
    let body = object.body.ok_or_else(|| failed("InternalError", "The object has no body"))?;
    body.collect(function_package_limit()).await.map_err(|error| failed(error.code, &error.message))
}

fn function_package_limit() -> usize {
    crate::package::UNPACKED_LIMIT as usize
}

async fn update_function_code(
    lambda: &Lambda,
    cx: &Context,
    request: UpdateFunctionCodeRequest,
) -> Result<FunctionConfiguration, Error> {
    let reference = reference(cx, &request.function_name, None)?.unqualified();
    let before = find(cx, &reference)?;
    check_settled(&before)?;
    check_revision(&before.latest.revision_id, request.revision_id.as_deref())?;
    code_signing::check(cx, &before)?;
    if request.image_uri.is_some() {
        return Err(Error::NotImplemented("Functions from container images are not implemented.".into()));
    }
    if request.publish_to.is_some() || request.source_kms_key_arn.is_some() {
        return Err(Error::NotImplemented("PublishTo and SourceKMSKeyArn are not implemented for functions.".into()));
    }
    let upload = Upload {
        zip_file: request.zip_file,
        bucket: request.s3_bucket,
        key: request.s3_key,
        object_version: request.s3_object_version,
    };
    let package = obtain(cx, upload).await?;
    lambda.runner.unpack(cx.store(), &package.code.key, package.bytes.clone()).await?;
    let architecture = function::architecture(request.architectures);
    if request.dry_run == Some(true) {
        let mut shown = before.latest.clone();
        shown.code = package.code;
        return Ok(describe(&before, &shown, reference.to_string()));
    }
    let updated = cx.store().write(|tx| {
        let mut function = records::function_in(tx, &reference)?.ok_or_else(|| not_found(&reference))?;
        check_revision(&function.latest.revision_id, request.revision_id.as_deref())?;
        let before = std::mem::replace(&mut function.latest.code, package.code.clone()).key;
        records::put_code(tx, &package.code.key, &package.bytes)?;
        let removed = records::change_use(tx, &reference, &[&before], &[&package.code.key])?;
        if let Some(architecture) = architecture {
            function.latest.architecture = architecture;
        }
        function.latest.revision_id = cx.random().uuid();
        function.latest.last_modified = cx.now().millis();
        let published = if request.publish == Some(true) { Some(publish(tx, &mut function, None)?) } else { None };
        records::put_function(tx, &function)?;
        Ok::<_, Error>((function, published, removed))
    });
    let (function, published, removed) = updated?;
    lambda.runner.retire(&reference);
    for key in removed {
        lambda.runner.forget_code(cx.store(), &key);
    }
    let mut shown = published.unwrap_or_else(|| function.latest.clone());
    let arn = if request.publish == Some(true) { reference.qualified(&shown.version) } else { reference };
    // AWS answers before the change is in effect, however soon it is.
    shown.update = Update::InProgress;
    Ok(describe(&function, &shown, arn.to_string()))
}
