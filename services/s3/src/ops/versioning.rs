//! Whether a bucket keeps versions, and which it has.

use s3_api::{
    BucketVersioningStatus, ChecksumAlgorithm, CommonPrefix, DeleteMarkerEntry, GetBucketVersioning,
    GetBucketVersioningOutput, GetBucketVersioningRequest, ListObjectVersions, ListObjectVersionsOutput,
    ListObjectVersionsRequest, MFADeleteStatus, ObjectVersion, ObjectVersionStorageClass, PutBucketVersioning,
    PutBucketVersioningRequest, VersionEntry,
};
use service::{ApiError, Context, Principal, Timestamp, operation};
use wire::Unit;

use super::list::{Naming, access, page_size};
use super::multipart::checksum_type;
use super::{bucket_of, check_owner, on_bucket, owner};
use crate::listing::{Query, Versioned, list_versions};
use crate::store::{Versioning, load_bucket, save_bucket};
use crate::{Error, S3, versions};

operation! {
    S3, GetBucketVersioning,
    access: |_, cx, request| on_bucket(cx, "s3:GetBucketVersioning", &request.bucket).map(|access| vec![access]),
    handler: get_bucket_versioning
}

async fn get_bucket_versioning(
    _: &S3,
    cx: &Context,
    request: GetBucketVersioningRequest,
) -> Result<GetBucketVersioningOutput, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    let status = match bucket.versioning {
        Versioning::Off => None,
        Versioning::Enabled => Some(BucketVersioningStatus::Enabled),
        Versioning::Suspended => Some(BucketVersioningStatus::Suspended),
    };
    let mfa_delete = bucket.mfa_known.then_some(MFADeleteStatus::Disabled);
    Ok(GetBucketVersioningOutput { status, mfa_delete })
}

operation! {
    S3, PutBucketVersioning,
    access: |_, cx, request| on_bucket(cx, "s3:PutBucketVersioning", &request.bucket).map(|access| vec![access]),
    handler: put_bucket_versioning
}

/// Why MFA delete cannot be enabled: it takes the device of the account's root, and no root has one here.
fn without_device(cx: &Context, mfa: Option<&str>) -> Error {
    match (cx.principal(), mfa) {
        (_, None) => Error::AccessDenied("Mfa Authentication must be used for this request".to_owned()),
        (Principal::AssumedRole { .. }, _) => {
            let text = "DevPay and Mfa are mutually exclusive authorization methods.";
            Error::InvalidRequest(text.to_owned())
        }
        (Principal::Root { .. }, _) => Error::AccessDenied("Access Denied".to_owned()),
        _ => Error::AccessDenied("This operation may only be performed by the bucket owner".to_owned()),
    }
}

async fn put_bucket_versioning(_: &S3, cx: &Context, request: PutBucketVersioningRequest) -> Result<Unit, Error> {
    let configuration = &request.versioning_configuration;
    let illegal = || {
        let text = "The Versioning element must be specified";
        Error::from(ApiError::new(400, "IllegalVersioningConfigurationException", text))
    };
    let guarded = configuration.mfa_delete.as_ref().is_some_and(|mfa| mfa.as_str() == "Enabled");
    if guarded || request.mfa.is_some() {
        return Err(without_device(cx, request.mfa.as_deref()));
    }
    let versioning = match configuration.status.as_ref().ok_or_else(illegal)?.as_str() {
        "Enabled" => Versioning::Enabled,
        "Suspended" => Versioning::Suspended,
        _ => return Err(Error::malformed_xml()),
    };
    cx.store().write(|tx| {
        let mut bucket = load_bucket(tx, &request.bucket)?;
        check_owner(&bucket, request.expected_bucket_owner.as_deref())?;
        if bucket.locked && versioning == Versioning::Suspended {
            let text = "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.";
            return Err(Error::invalid_bucket_state(text));
        }
        if bucket.configured.contains("replication") && versioning == Versioning::Suspended {
            let text = "A replication configuration is present on this bucket, so you cannot change the versioning state. To change the versioning state, first delete the replication configuration.";
            return Err(Error::invalid_bucket_state(text));
        }
        bucket.versioning = versioning;
        bucket.mfa_known |= configuration.mfa_delete.is_some();
        Ok::<_, Error>(save_bucket(tx, &bucket)?)
    })?;
    Ok(Unit {})
}

operation! {
    S3, ListObjectVersions,
    access: |_, cx, request| {
        let (prefix, delimiter) = (request.prefix.as_ref(), request.delimiter.as_ref());
        access(cx, "s3:ListBucketVersions", &request.bucket, prefix, delimiter, request.max_keys)
    },
    handler: list_object_versions
}

/// The place of the version that the page before ended with.
fn place(cx: &Context, bucket: &str, key: &str, marker: Option<&str>) -> Result<Option<u64>, Error> {
    let invalid = |text: &str, id: &str| Err(Error::invalid_argument(text, "version-id-marker", id));
    match marker {
        None => Ok(None),
        Some("") => invalid("A version-id marker cannot be empty.", ""),
        Some(_) if key.is_empty() => {
            invalid("A version-id marker cannot be specified without a key marker.", marker.unwrap_or_default())
        }
        Some("null") => {
            let version = versions::version(&cx.store().snapshot(), bucket, key, "null")?;
            Ok(version.map(|version| version.seq))
        }
        Some(id) => match versions::seq_of(id) {
            Some(seq) => Ok(Some(seq)),
            None => invalid("Invalid version id specified", id),
        },
    }
}

async fn list_object_versions(
    _: &S3,
    cx: &Context,
    request: ListObjectVersionsRequest,
) -> Result<ListObjectVersionsOutput, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    let max_keys = page_size(request.max_keys, "max-keys", "maxKeys")?;
    let query = Query {
        prefix: request.prefix.unwrap_or_default(),
        delimiter: request.delimiter.unwrap_or_default(),
        after: request.key_marker.unwrap_or_default(),
        past_prefix: true,
        limit: usize::try_from(max_keys).unwrap_or_default(),
    };
    let older = place(cx, &bucket.name, &query.after, request.version_id_marker.as_deref())?;
    let listing = list_versions(&cx.store().snapshot(), &bucket.name, &query, older)?;
    let naming = Naming::new(request.encoding_type.as_ref());
    let last = listing.last.filter(|_| listing.truncated);
    let entries = listing.versions.iter().map(|version| match version.object.deleted {
        true => VersionEntry { delete_marker: Some(show_marker(version, naming, &bucket.account)), version: None },
        false => VersionEntry { version: Some(show(version, naming, &bucket.account)), delete_marker: None },
    });
    let prefixes = listing.common_prefixes.iter();
    Ok(ListObjectVersionsOutput {
        name: Some(bucket.name.clone()),
        prefix: Some(naming.write(&query.prefix)),
        key_marker: Some(naming.write(&query.after)),
        version_id_marker: Some(request.version_id_marker.unwrap_or_default()),
        next_key_marker: last.as_ref().map(|(key, _)| naming.write(key)),
        next_version_id_marker: last.and_then(|(_, version)| version),
        delimiter: (!query.delimiter.is_empty()).then(|| naming.write(&query.delimiter)),
        max_keys: Some(max_keys),
        is_truncated: Some(listing.truncated),
        entries: Some(entries.collect()),
        common_prefixes: Some(prefixes.map(|prefix| CommonPrefix { prefix: Some(naming.write(prefix)) }).collect()),
        encoding_type: request.encoding_type,
        ..ListObjectVersionsOutput::default()
    })
}

fn show(version: &Versioned, naming: Naming, account: &str) -> ObjectVersion {
    let object = &version.object;
    let checksum = object.checksum.as_ref();
    let class = object.storage_class.as_deref().unwrap_or("STANDARD");
    ObjectVersion {
        e_tag: Some(object.quoted_etag()),
        checksum_algorithm: checksum.map(|checksum| vec![ChecksumAlgorithm::from(checksum.algorithm.name())]),
        checksum_type: checksum.map(|checksum| checksum_type(checksum.full)),
        size: i64::try_from(object.size).ok(),
        storage_class: Some(ObjectVersionStorageClass::from(class)),
        key: Some(naming.write(&version.key)),
        version_id: Some(object.version_id()),
        is_latest: Some(version.latest),
        last_modified: Some(Timestamp::from_millis(object.modified)),
        owner: Some(owner(object.acl.as_ref().map_or(account, |acl| &acl.owner))),
        restore_status: None,
    }
}

fn show_marker(version: &Versioned, naming: Naming, account: &str) -> DeleteMarkerEntry {
    DeleteMarkerEntry {
        owner: Some(owner(account)),
        key: Some(naming.write(&version.key)),
        version_id: Some(version.object.version_id()),
        is_latest: Some(version.latest),
        last_modified: Some(Timestamp::from_millis(version.object.modified)),
    }
}
