//! Deleting objects and versions of them.

use s3_api::{
    DeleteObject, DeleteObjectOutput, DeleteObjectRequest, DeleteObjects, DeleteObjectsOutput, DeleteObjectsRequest,
    DeletedObject, ObjectIdentifier,
};
use service::{ApiError, Context, Timestamp, operation};

use super::write::now;
use super::{bucket_of, charge, check_key, check_version, on_bucket, on_object, on_version, root};
use crate::lock::{self, Guard};
use crate::precondition::names_etag;
use crate::store::{Object, load_bucket};
use crate::versions::{self, Deleted};
use crate::{Error, S3};

/// The most objects of one request.
const MAX_OBJECTS: usize = 1000;
const BYPASS: &str = "s3:BypassGovernanceRetention";

/// One deletion.
#[derive(Default)]
struct Deletion<'a> {
    bucket: &'a str,
    key: &'a str,
    version: Option<&'a str>,
    /// A retention in GOVERNANCE does not stop it.
    bypass: bool,
    /// What must hold of the object.
    etag: Option<&'a str>,
    modified: Option<Timestamp>,
    size: Option<i64>,
}

impl Deletion<'_> {
    fn check(&self, current: Option<&Object>) -> Result<(), Error> {
        let asked = self.etag.is_some() || self.modified.is_some() || self.size.is_some();
        let object = match current {
            Some(object) => object,
            None if asked => return Err(Error::no_such_key(self.key)),
            None => return Ok(()),
        };
        if self.etag.is_some_and(|list| !names_etag(list, &object.etag)) {
            return Err(Error::precondition_failed("If-Match"));
        }
        if self.modified.is_some_and(|time| time.secs() != object.modified.div_euclid(1000)) {
            return Err(Error::precondition_failed("x-amz-if-match-last-modified-time"));
        }
        if self.size.is_some_and(|size| u64::try_from(size) != Ok(object.size)) {
            return Err(Error::precondition_failed("x-amz-if-match-size"));
        }
        Ok(())
    }

    /// Deleting what is not there succeeds.
    fn perform(&self, s3: &S3, cx: &Context) -> Result<Deleted, Error> {
        check_key(self.key)?;
        check_version(self.version)?;
        let deleted = cx.store().write(|tx| {
            let bucket = load_bucket(tx, self.bucket)?;
            let object = match self.version {
                None => versions::current(tx, self.bucket, self.key)?,
                Some(id) => versions::version(tx, self.bucket, self.key, id)?,
            };
            self.check(object.as_ref())?;
            let deleted = match (self.version, object) {
                (None, current) => {
                    let mut deleted = versions::delete(tx, cx.random(), &bucket, self.key, now(cx))?;
                    match &mut deleted.made {
                        Some(marker) => {
                            s3.written(tx, cx, &bucket, self.key, marker, "ObjectRemoved:DeleteMarkerCreated")?;
                        }
                        None => {
                            let object = current.unwrap_or_default();
                            s3.tell(tx, cx, &bucket, self.key, &object, "ObjectRemoved:Delete")?;
                        }
                    }
                    deleted
                }
                (Some(_), None) => Deleted::default(),
                (Some(_), Some(object)) => {
                    let free = match object.lock.guard(cx.now()) {
                        Guard::Free => true,
                        Guard::Governance => self.bypass,
                        Guard::Closed => false,
                    };
                    if !free {
                        return Err(lock::protected());
                    }
                    s3.tell(tx, cx, &bucket, self.key, &object, "ObjectRemoved:Delete")?;
                    versions::delete_version(tx, self.bucket, self.key, &object)?
                }
            };
            Ok::<_, Error>(deleted)
        })?;
        s3.blobs.remove(root(cx), &deleted.removed);
        Ok(deleted)
    }
}

operation! {
    S3, DeleteObject,
    access: |_, cx, request| (|| {
        let id = request.version_id.as_deref();
        let mut access = on_version(cx, "s3:DeleteObject", &request.bucket, &request.key, id)?;
        if let Some(etag) = &request.if_match {
            access = access.with("s3:if-match", etag);
        }
        let mut all = vec![access];
        if request.bypass_governance_retention == Some(true) {
            all.push(on_object(cx, BYPASS, &request.bucket, &request.key)?);
        }
        Ok::<_, Error>(all)
    })(),
    handler: delete_object
}

async fn delete_object(s3: &S3, cx: &Context, request: DeleteObjectRequest) -> Result<DeleteObjectOutput, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    let request_charged = charge(cx, &bucket, request.request_payer.as_ref())?;
    let deletion = Deletion {
        bucket: &bucket.name,
        key: &request.key,
        version: request.version_id.as_deref(),
        bypass: request.bypass_governance_retention == Some(true),
        etag: request.if_match.as_deref(),
        modified: request.if_match_last_modified_time,
        size: request.if_match_size,
    };
    let deleted = deletion.perform(s3, cx)?;
    Ok(DeleteObjectOutput {
        delete_marker: deleted.marker.then_some(true),
        version_id: request.version_id.or(deleted.version),
        request_charged,
    })
}

operation! {
    S3, DeleteObjects,
    access: |_, cx, request| on_bucket(cx, "s3:DeleteObject", &request.bucket).map(|_| Vec::new()),
    handler: delete_objects
}

async fn delete_objects(s3: &S3, cx: &Context, request: DeleteObjectsRequest) -> Result<DeleteObjectsOutput, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    let request_charged = charge(cx, &bucket, request.request_payer.as_ref())?;
    let objects = request.delete.objects;
    if objects.is_empty() || objects.len() > MAX_OBJECTS {
        return Err(Error::malformed_xml());
    }
    let bypass = request.bypass_governance_retention == Some(true);
    let (mut deleted, mut errors) = (Vec::new(), Vec::new());
    for identifier in objects {
        match delete_one(s3, cx, &bucket.name, &identifier, bypass) {
            Ok(done) => {
                let marker_version = if identifier.version_id.is_some() && done.marker {
                    identifier.version_id.clone()
                } else {
                    done.version
                };
                deleted.push(DeletedObject {
                    key: Some(identifier.key),
                    version_id: identifier.version_id,
                    delete_marker: done.marker.then_some(true),
                    delete_marker_version_id: marker_version,
                });
            }
            Err(error) => {
                let ApiError { code, message, .. } = error.into();
                errors.push(s3_api::Error {
                    key: Some(identifier.key),
                    version_id: identifier.version_id,
                    code: Some(code),
                    message: Some(message),
                });
            }
        }
    }
    if request.delete.quiet == Some(true) {
        deleted.clear();
    }
    Ok(DeleteObjectsOutput { deleted: Some(deleted), errors: Some(errors), request_charged })
}

/// Every key needs to be allowed for itself.
fn delete_one(
    s3: &S3,
    cx: &Context,
    bucket: &str,
    identifier: &ObjectIdentifier,
    bypass: bool,
) -> Result<Deleted, Error> {
    let (key, version) = (&identifier.key, identifier.version_id.as_deref());
    cx.cloud.stages().authorize(cx, s3, &on_version(cx, "s3:DeleteObject", bucket, key, version)?)?;
    if bypass {
        cx.cloud.stages().authorize(cx, s3, &on_object(cx, BYPASS, bucket, key)?)?;
    }
    let deletion = Deletion {
        bucket,
        key,
        version,
        bypass,
        etag: identifier.e_tag.as_deref(),
        modified: identifier.last_modified_time,
        size: identifier.size,
    };
    // What names no version is answered as a missing version, as it cannot be one.
    deletion.perform(s3, cx).map_err(|error| match (version, ApiError::from(error)) {
        (Some(id), reply) if reply.code == "InvalidArgument" => Error::no_such_version(key, id),
        (_, reply) => reply.into(),
    })
}
