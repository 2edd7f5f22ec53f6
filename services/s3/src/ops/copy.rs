//! Copying objects.

use percent_encoding::percent_decode_str;
use s3_api::{ChecksumType, CopyObject, CopyObjectOutput, CopyObjectRequest, CopyObjectResult};
use service::{Context, Snapshot, Timestamp, operation};

use super::read::is_readable;
use super::write::{asked, creation, description, now};
use super::{
    COPY_SOURCE, Conditions, MAX_PUT, Written, bucket_of, charge, check_key, commit, expiration, find, on_existing,
    on_object, root,
};
use crate::annotation::Copies;
use crate::blob::{Draft, Place, duplicate, receive};
use crate::checksum::{Algorithm, Checksum};
use crate::cipher::Key;
use crate::directory::{self, refuse};
use crate::encryption::{self, Encryption, show_encryption};
use crate::integrity::{self, Integrity, show};
use crate::precondition::Preconditions;
use crate::range::Span;
use crate::store::{Object, find_bucket};
use crate::{Error, S3, tagging, versions};

/// The object that a copy is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub bucket: String,
    pub key: String,
    pub version: Option<String>,
}

impl Source {
    /// Reads `x-amz-copy-source`: `/bucket/key`, percent-encoded, perhaps with a version.
    pub(super) fn parse(header: &str) -> Result<Source, Error> {
        if header.contains('?') && !header.contains("?versionId=") {
            return Err(Error::invalid_argument("Unsupported copy source parameter.", "x-amz-copy-source", header));
        }
        let (path, query) = header.split_once("?versionId=").map_or((header, None), |(path, id)| (path, Some(id)));
        let decoded = percent_decode_str(path).decode_utf8_lossy();
        let path = decoded.strip_prefix('/').unwrap_or(&decoded);
        match path.split_once('/') {
            Some((bucket, key)) if !bucket.is_empty() && !key.is_empty() => {
                Ok(Source { bucket: bucket.to_owned(), key: key.to_owned(), version: query.map(str::to_owned) })
            }
            _ => Err(Error::invalid_argument(COPY_SOURCE, "x-amz-copy-source", header)),
        }
    }

    /// The object as it is now.
    pub(super) fn find(
        &self,
        s3: &S3,
        cx: &Context,
        snapshot: &Snapshot,
        owner: Option<&str>,
        conditions: &Preconditions<'_>,
    ) -> Result<Object, Error> {
        let bucket = bucket_of(cx, &self.bucket, owner)?;
        let there = cx.clone().in_place(cx.account(), &bucket.region);
        let object = find(s3, &there, snapshot, &self.bucket, &self.key, self.version.as_deref());
        let object = object.map_err(|error| {
            let reply = service::ApiError::from(error);
            if reply.code == "MethodNotAllowed" {
                let text = "The source of a copy request may not specifically refer to a delete marker by version id.";
                return Error::InvalidRequest(text.to_owned());
            }
            reply.into()
        })?;
        conditions.check_source(&object)?;
        if !is_readable(&object, cx.now()) {
            let text = "Operation is not valid for the source object's storage class";
            return Err(service::ApiError::new(403, "InvalidObjectState", text).into());
        }
        Ok(object)
    }

    fn has_annotations(&self, cx: &Context) -> Result<bool, Error> {
        let snapshot = cx.store().snapshot();
        let object = match &self.version {
            None => versions::current(&snapshot, &self.bucket, &self.key)?,
            Some(id) => versions::version(&snapshot, &self.bucket, &self.key, id)?,
        };
        Ok(object.is_some_and(|object| object.annotations.is_some()))
    }

    /// What reading it needs to be allowed.
    pub(super) fn access(&self, cx: &Context) -> Result<service::Access, Error> {
        // The source may be in any region.
        let region = find_bucket(cx.store(), &self.bucket)?.region.clone();
        let there = cx.clone().in_place(cx.account(), &region);
        on_existing(&there, "s3:GetObject", &self.bucket, &self.key, self.version.as_deref())
    }
}

/// The conditions on the source that a copy states.
macro_rules! source_conditions {
    ($request:expr) => {
        $crate::precondition::Preconditions {
            if_match: $request.copy_source_if_match.as_deref(),
            if_none_match: $request.copy_source_if_none_match.as_deref(),
            if_modified_since: $request.copy_source_if_modified_since,
            if_unmodified_since: $request.copy_source_if_unmodified_since,
        }
    };
}
pub(super) use source_conditions;

/// The client's own key of the source.
macro_rules! source_key {
    ($request:expr) => {{
        let request = $request;
        let algorithm = request.copy_source_sse_customer_algorithm.as_deref();
        let key = request.copy_source_sse_customer_key.as_deref();
        $crate::customer::Provided::read(algorithm, key, request.copy_source_sse_customer_key_md5.as_deref())?
    }};
}
pub(super) use source_key;

/// The body of a copy.
struct Copied {
    draft: Draft,
    etag: String,
    checksum: Checksum,
}

/// Copies a body. Its files are linked where nothing has to be computed anew: a copy of an object of parts has the MD5 of
/// the whole as its entity tag, and so has one whose own tag is `opaque`. `None` where the source was replaced meanwhile.
async fn copy_body(
    s3: &S3,
    cx: &Context,
    snapshot: Snapshot,
    source: &Object,
    (wanted, opaque): (Option<Algorithm>, bool),
    (from, to): (Option<&Key>, &Encryption),
) -> Result<Option<Copied>, Error> {
    let kept = source.checksum.clone().filter(|checksum| {
        let plain = from.is_none() && to.key.is_none() && !opaque;
        plain && checksum.full && source.parts.is_empty() && wanted.is_none_or(|wanted| wanted == checksum.algorithm)
    });
    let whole = Span { start: 0, len: source.size };
    // Opening the body keeps its files while they are linked or read.
    let Some(body) = s3.blobs.open(root(cx), cx.store(), &snapshot, &source.body, whole, from)? else {
        return Ok(None);
    };
    if let Some(checksum) = kept {
        let draft = duplicate(Place::of(&cx.cloud), cx.random(), &snapshot, &source.body)?;
        return Ok(Some(Copied { draft, etag: source.etag.clone(), checksum }));
    }
    drop(snapshot);
    let own = source.checksum.as_ref().map(|checksum| checksum.algorithm);
    let default = wanted.or(own).unwrap_or(Algorithm::Crc64Nvme);
    let integrity = Integrity::new(Vec::new(), None, None, default)?;
    let hashers = integrity.hashers();
    let mut received =
        receive(Place::of(&cx.cloud), cx.random(), Some(body), u64::MAX, hashers, to.key.as_ref()).await?;
    let checksum = integrity.verify(&mut received)?;
    Ok(Some(Copied { draft: received.draft, etag: to.etag(received.md5), checksum }))
}

operation! {
    S3, CopyObject,
    access: |_, cx, request| (|| {
        let source = Source::parse(&request.copy_source)?;
        let mut all = vec![source.access(cx)?];
        let writes = asked!(request).access(cx, &request.bucket, &request.key)?;
        let general = find_bucket(cx.store(), &request.bucket)?.directory.is_none();
        if general && takes_annotations(request) && source.has_annotations(cx)? {
            let id = source.version.as_deref();
            all.push(on_existing(cx, "s3:GetObjectAnnotation", &source.bucket, &source.key, id)?);
            all.push(on_object(cx, "s3:PutObjectAnnotation", &request.bucket, &request.key)?);
        }
        all.extend(writes.into_iter().map(|mut access| {
            access = creation!(access, true, request);
            access = access.with("s3:x-amz-copy-source", format!("{}/{}", source.bucket, source.key));
            match &request.metadata_directive {
                Some(directive) => access.with("s3:x-amz-metadata-directive", directive.as_str()),
                None => access,
            }
        }));
        Ok::<_, Error>(all)
    })(),
    handler: copy_object
}

/// Annotations are copied unless the client says otherwise, or the copy will be encrypted with a key of its own.
fn takes_annotations(request: &CopyObjectRequest) -> bool {
    let excluded = request.annotation_directive.as_ref().is_some_and(|directive| directive.as_str() == "EXCLUDE");
    !excluded && request.sse_customer_algorithm.is_none()
}

async fn copy_object(s3: &S3, cx: &Context, request: CopyObjectRequest) -> Result<CopyObjectOutput, Error> {
    let source = Source::parse(&request.copy_source)?;
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    let request_charged = charge(cx, &bucket, request.request_payer.as_ref())?;
    check_key(&request.key)?;
    let asked = asked!(&request);
    let settings = asked.settings(cx, &bucket, &request.key)?;
    let replaces = request.metadata_directive.as_ref().is_some_and(|directive| directive.as_str() == "REPLACE");
    let changes = replaces
        || request.storage_class.is_some()
        || request.website_redirect_location.is_some()
        || request.server_side_encryption.is_some()
        || request.sse_customer_algorithm.is_some()
        || request.copy_source_sse_customer_algorithm.is_some();
    let same = source.bucket == request.bucket && source.key == request.key && source.version.is_none();
    if same && !changes {
        let text = "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.";
        return Err(Error::InvalidRequest(text.to_owned()));
    }
    let new_description = description!(&request)?;
    let annotated = request.annotation_directive.as_ref().is_some_and(|directive| directive.as_str() == "COPY");
    let headers = [
        ("x-amz-website-redirect-location", new_description.redirect.is_some()),
        ("x-amz-object-annotation-directive", annotated),
    ];
    refuse::headers(&bucket, &headers)?;
    let new_tags = tagging::of_header(request.tagging.as_deref())?;
    let wanted = integrity::algorithm(request.checksum_algorithm.as_ref())?;
    let owner = request.expected_source_bucket_owner.as_deref();
    let source_key = source_key!(&request);
    let opaque = find_bucket(cx.store(), &source.bucket)?.directory.is_some();
    let with_annotations = takes_annotations(&request) && bucket.directory.is_none();
    let (original, copied, annotations) = loop {
        let snapshot = cx.store().snapshot();
        let original = source.find(s3, cx, &snapshot, owner, &source_conditions!(request))?;
        let from = encryption::unlock(cx, (&source.bucket, &source.key), &original, source_key.clone())?;
        if original.size > MAX_PUT {
            let text = format!(
                "The specified copy source is larger than the maximum allowable size for a copy source: {MAX_PUT}"
            );
            return Err(Error::InvalidRequest(text));
        }
        let annotations = match with_annotations {
            true => {
                let keys = (from.as_ref(), settings.encryption.key.as_ref());
                Copies::make(&s3.blobs, cx, &snapshot, &original, keys).await?
            }
            false => Some(Copies::default()),
        };
        let copied =
            copy_body(s3, cx, snapshot, &original, (wanted, opaque), (from.as_ref(), &settings.encryption)).await?;
        if let (Some(copied), Some(annotations)) = (copied, annotations) {
            break (original, copied, annotations);
        }
    };
    let retagged = request.tagging_directive.as_ref().is_some_and(|directive| directive.as_str() == "REPLACE");
    let tags = if retagged { new_tags } else { original.tags.clone() };
    refuse::headers(&bucket, &[("x-amz-tagging-directive", !tags.is_empty())])?;
    let object = Object {
        size: original.size,
        etag: directory::etag(cx, &bucket, copied.etag),
        modified: now(cx),
        // A redirect is never copied.
        description: if replaces {
            new_description
        } else {
            crate::store::Description { redirect: new_description.redirect, ..original.description.clone() }
        },
        tags,
        storage_class: settings.storage_class,
        checksum: Some(copied.checksum),
        body: copied.draft.segments.clone(),
        lock: settings.lock,
        acl: settings.acl,
        customer_key: settings.encryption.customer,
        kms: settings.encryption.kms,
        ..Object::default()
    };
    let conditions = Conditions { if_match: request.if_match, if_none_match: request.if_none_match };
    let written = Written { bucket: &bucket.name, key: &request.key, event: "ObjectCreated:Copy", annotations };
    let object = commit(s3, cx, written, object, copied.draft, &conditions)?;
    let mut result = CopyObjectResult {
        e_tag: Some(object.quoted_etag()),
        last_modified: Some(Timestamp::from_millis(object.modified)),
        checksum_type: Some(ChecksumType::FullObject),
        ..CopyObjectResult::default()
    };
    show!(result, object.checksum.as_ref());
    let mut output = CopyObjectOutput {
        copy_object_result: Some(result),
        version_id: object.shown_version(),
        copy_source_version_id: original.version.clone().or(source.version),
        expiration: expiration(cx, &bucket, &request.key, &object)?,
        ssekms_encryption_context: asked.encryption.context,
        request_charged,
        ..CopyObjectOutput::default()
    };
    show_encryption!(output, object.kms.as_ref(), settings.encryption.md5);
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources() {
        let source = Source::parse("/bucket/a%20b/c+d?versionId=null").unwrap();
        assert_eq!((source.bucket.as_str(), source.key.as_str()), ("bucket", "a b/c+d"));
        assert_eq!(source.version.as_deref(), Some("null"));
        assert_eq!(Source::parse("bucket/key").unwrap().key, "key");
        assert!(Source::parse("bucket").is_err());
        assert!(Source::parse("/bucket/").is_err());
        assert!(Source::parse("bucket/key?part=1").is_err());
    }
}
