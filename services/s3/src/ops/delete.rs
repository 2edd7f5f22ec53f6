//! Deleting objects.

use s3_api::{
    DeleteObject, DeleteObjectOutput, DeleteObjectRequest, DeleteObjects, DeleteObjectsOutput, DeleteObjectsRequest,
    DeletedObject, ObjectIdentifier,
};
use service::{ApiError, Context, Timestamp, operation};

use super::{bucket_of, check_version, on_object, root};
use crate::blob::forget;
use crate::precondition::names_etag;
use crate::store::{Object, find_bucket, load_object, object_key};
use crate::{Error, S3};

/// The most objects of one request.
const MAX_OBJECTS: usize = 1000;

/// What must hold of an object that is deleted.
#[derive(Default)]
struct Conditions<'a> {
    etag: Option<&'a str>,
    modified: Option<Timestamp>,
    size: Option<i64>,
}

impl Conditions<'_> {
    fn check(&self, key: &str, current: Option<&Object>) -> Result<(), Error> {
        let asked = self.etag.is_some() || self.modified.is_some() || self.size.is_some();
        let object = match current {
            Some(object) => object,
            None if asked => return Err(Error::no_such_key(key)),
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
}

/// Deleting what is not there succeeds.
fn delete(s3: &S3, cx: &Context, bucket: &str, key: &str, conditions: &Conditions<'_>) -> Result<(), Error> {
    let removed = cx.store().write(|tx| {
        let current = load_object(tx, bucket, key)?;
        conditions.check(key, current.as_ref())?;
        let Some(object) = current else { return Ok::<_, Error>(Vec::new()) };
        tx.delete(object_key(bucket, key));
        forget(tx, &object.body);
        Ok(object.body)
    })?;
    s3.blobs.remove(root(cx), &removed);
    Ok(())
}

operation! {
    S3, DeleteObject,
    access: |_, cx, request| on_object(cx, "s3:DeleteObject", &request.bucket, &request.key).map(|access| vec![access]),
    handler: delete_object
}

async fn delete_object(s3: &S3, cx: &Context, request: DeleteObjectRequest) -> Result<DeleteObjectOutput, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    check_version(request.version_id.as_deref())?;
    let conditions = Conditions {
        etag: request.if_match.as_deref(),
        modified: request.if_match_last_modified_time,
        size: request.if_match_size,
    };
    delete(s3, cx, &bucket.name, &request.key, &conditions)?;
    Ok(DeleteObjectOutput::default())
}

operation! {
    S3, DeleteObjects,
    access: |_, cx, request| find_bucket(cx.store(), &request.bucket).map(|_| Vec::new()),
    handler: delete_objects
}

async fn delete_objects(s3: &S3, cx: &Context, request: DeleteObjectsRequest) -> Result<DeleteObjectsOutput, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    let objects = request.delete.objects;
    if objects.is_empty() || objects.len() > MAX_OBJECTS {
        return Err(Error::malformed_xml());
    }
    let (mut deleted, mut errors) = (Vec::new(), Vec::new());
    for identifier in objects {
        match delete_one(s3, cx, &bucket.name, &identifier) {
            Ok(()) => deleted.push(DeletedObject {
                key: Some(identifier.key),
                version_id: identifier.version_id,
                ..DeletedObject::default()
            }),
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
    Ok(DeleteObjectsOutput { deleted: Some(deleted), errors: Some(errors), ..DeleteObjectsOutput::default() })
}

/// Every key needs to be allowed for itself.
fn delete_one(s3: &S3, cx: &Context, bucket: &str, identifier: &ObjectIdentifier) -> Result<(), Error> {
    let access = on_object(cx, "s3:DeleteObject", bucket, &identifier.key)?;
    cx.cloud.stages().authorize(cx, s3, &access)?;
    check_version(identifier.version_id.as_deref())?;
    let conditions = Conditions {
        etag: identifier.e_tag.as_deref(),
        modified: identifier.last_modified_time,
        size: identifier.size,
    };
    delete(s3, cx, bucket, &identifier.key, &conditions)
}
