//! Writing objects.

use std::collections::BTreeMap;

use s3_api::{ChecksumType, PutObject, PutObjectOutput, PutObjectRequest, ServerSideEncryption};
use service::{Access, Context, Timestamp, operation};

use super::{Conditions, MAX_PUT, bucket_of, check_key, commit, on_object, root};
use crate::blob::receive;
use crate::checksum::Algorithm;
use crate::integrity::{Integrity, show, stated};
use crate::store::{Description, Object};
use crate::tagging;
use crate::{Error, S3};

/// The most bytes of names and values of user metadata.
const MAX_METADATA: usize = 2048;

/// What a request says of an object, from the members that PutObject, CopyObject and CreateMultipartUpload share.
macro_rules! description {
    ($request:expr) => {{
        let request = $request;
        crate::ops::write::describe($crate::store::Description {
            content_type: request.content_type.clone(),
            cache_control: request.cache_control.clone(),
            content_disposition: request.content_disposition.clone(),
            content_encoding: request.content_encoding.clone(),
            content_language: request.content_language.clone(),
            expires: request.expires.clone(),
            redirect: request.website_redirect_location.clone(),
            metadata: request.metadata.clone().unwrap_or_default(),
        })
    }};
}
pub(super) use description;

/// Refuses what the same requests may ask for and what is not done here.
macro_rules! refuse {
    ($request:expr) => {{
        let request = $request;
        let grants = request.grant_full_control.is_some()
            || request.grant_read.is_some()
            || request.grant_read_acp.is_some()
            || request.grant_write_acp.is_some();
        crate::ops::write::check_acl(request.acl.as_ref().map(s3_api::ObjectCannedACL::as_str), grants)?;
        let locked = request.object_lock_mode.is_some()
            || request.object_lock_retain_until_date.is_some()
            || request.object_lock_legal_hold_status.as_ref().is_some_and(|status| status.as_str() == "ON");
        if locked {
            let text = "Bucket is missing Object Lock Configuration";
            return Err($crate::Error::InvalidRequest(text.to_owned()));
        }
        if request.sse_customer_algorithm.is_some() || request.sse_customer_key.is_some() {
            return Err($crate::Error::header_not_implemented("x-amz-server-side-encryption-customer-algorithm"));
        }
        if request.server_side_encryption.as_ref().is_some_and(|kind| kind.as_str() != "AES256") {
            return Err($crate::Error::header_not_implemented("x-amz-server-side-encryption"));
        }
        crate::ops::write::storage_class(request.storage_class.as_ref().map(s3_api::StorageClass::as_str))?
    }};
}
pub(super) use refuse;

/// Objects belong to the owner of the bucket, and access control lists say nothing more.
pub(super) fn check_acl(acl: Option<&str>, grants: bool) -> Result<(), Error> {
    if grants || acl.is_some_and(|acl| acl != "bucket-owner-full-control") {
        return Err(Error::AccessControlListNotSupported("The bucket does not allow ACLs".to_owned()));
    }
    Ok(())
}

/// The class to keep; `None` for the standard one. Archives would have to be restored before they are read.
pub(super) fn storage_class(class: Option<&str>) -> Result<Option<String>, Error> {
    match class {
        None | Some("STANDARD") => Ok(None),
        Some(class @ ("REDUCED_REDUNDANCY" | "STANDARD_IA" | "ONEZONE_IA" | "INTELLIGENT_TIERING" | "GLACIER_IR")) => {
            Ok(Some(class.to_owned()))
        }
        Some("GLACIER" | "DEEP_ARCHIVE") => Err(Error::header_not_implemented("x-amz-storage-class")),
        Some(_) => Err(Error::InvalidStorageClass("The storage class you specified is not valid".to_owned())),
    }
}

/// Checks the metadata, and leaves out how the body was sent.
pub(super) fn describe(mut description: Description) -> Result<Description, Error> {
    let size = |metadata: &BTreeMap<String, String>| metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
    let size: usize = size(&description.metadata);
    if size > MAX_METADATA {
        return Err(Error::metadata_too_large(size));
    }
    let encodings = description.content_encoding.as_deref().unwrap_or_default().split(',').map(str::trim);
    let kept: Vec<&str> = encodings.filter(|encoding| !encoding.is_empty() && *encoding != "aws-chunked").collect();
    description.content_encoding = (!kept.is_empty()).then(|| kept.join(","));
    Ok(description)
}

/// The access that a write needs, with its conditions.
pub(super) fn access(
    cx: &Context,
    bucket: &str,
    key: &str,
    tagged: bool,
    class: Option<&str>,
) -> Result<Vec<Access>, Error> {
    let mut put = on_object(cx, "s3:PutObject", bucket, key)?;
    if let Some(class) = class {
        put = put.with("s3:x-amz-storage-class", class);
    }
    let mut all = vec![put];
    if tagged {
        all.push(on_object(cx, "s3:PutObjectTagging", bucket, key)?);
    }
    Ok(all)
}

pub(super) fn hex(md5: [u8; 16]) -> String {
    md5.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Last-Modified has whole seconds.
pub(super) fn now(cx: &Context) -> i64 {
    Timestamp::from_secs(cx.now().secs()).millis()
}

operation! {
    S3, PutObject,
    access: |_, cx, request| {
        let class = request.storage_class.as_ref().map(s3_api::StorageClass::as_str);
        access(cx, &request.bucket, &request.key, request.tagging.is_some(), class)
    },
    handler: put_object
}

async fn put_object(s3: &S3, cx: &Context, request: PutObjectRequest) -> Result<PutObjectOutput, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    check_key(&request.key)?;
    let storage_class = refuse!(&request);
    if request.write_offset_bytes.is_some() {
        return Err(Error::header_not_implemented("x-amz-write-offset-bytes"));
    }
    let description = description!(&request)?;
    let tags = tagging::of_header(request.tagging.as_deref())?;
    let named = request.checksum_algorithm.as_ref();
    let integrity = Integrity::new(stated!(request), named, request.content_md5.clone(), Algorithm::Crc64Nvme)?;
    let mut received = receive(root(cx), cx.random(), request.body, MAX_PUT, integrity.hashers()).await?;
    let checksum = integrity.verify(&mut received)?;
    let object = Object {
        size: received.size,
        etag: hex(received.md5),
        modified: now(cx),
        description,
        tags,
        storage_class,
        checksum: Some(checksum),
        parts: Vec::new(),
        body: received.draft.segments.clone(),
    };
    let conditions = Conditions { if_match: request.if_match, if_none_match: request.if_none_match };
    commit(s3, cx, (&bucket.name, &request.key), &object, received.draft, &conditions)?;
    let mut output = PutObjectOutput {
        e_tag: Some(object.quoted_etag()),
        checksum_type: Some(ChecksumType::FullObject),
        server_side_encryption: Some(ServerSideEncryption::Aes256),
        ..PutObjectOutput::default()
    };
    show!(output, object.checksum.as_ref());
    Ok(output)
}
