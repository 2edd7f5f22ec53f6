//! Writing objects.

use std::collections::BTreeMap;

use s3_api::{ChecksumAlgorithm, ChecksumType, PutObject, PutObjectOutput, PutObjectRequest};
use service::{Access, Context, Timestamp, operation};

use super::{Conditions, MAX_PUT, Written, bucket_of, charge, check_key, commit, expiration, on_object};
use crate::acl;
use crate::annotation::Copies;
use crate::blob::{Place, receive};
use crate::checksum::Algorithm;
use crate::directory::{self, name, refuse};
use crate::encryption::{self, Encryption, show_encryption};
use crate::integrity::{Integrity, show, stated};
use crate::lock;
use crate::store::{Acl, Bucket, Description, Lock, Object};
use crate::{Error, S3};
use crate::{classes, mime, tagging};

/// The most bytes of names and values of user metadata.
const MAX_METADATA: usize = 2048;
const MAX_REDIRECT: usize = 2048;

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

/// The settings of a new object, beside its description, from the members that the same requests share.
macro_rules! asked {
    ($request:expr) => {{
        let request = $request;
        let text = |value: &Option<String>| value.clone();
        crate::ops::write::Asked {
            acl: request.acl.as_ref().map(|acl| acl.as_str().to_owned()),
            grants: [
                text(&request.grant_full_control),
                text(&request.grant_read),
                text(&request.grant_read_acp),
                text(&request.grant_write_acp),
            ],
            storage_class: request.storage_class.as_ref().map(|class| class.as_str().to_owned()),
            lock: $crate::lock::Asked {
                mode: request.object_lock_mode.as_ref().map(|mode| mode.as_str().to_owned()),
                until: request.object_lock_retain_until_date,
                hold: request.object_lock_legal_hold_status.as_ref().map(|hold| hold.as_str().to_owned()),
                event: request.object_lock_event_hold.as_ref().map(|event| event.as_str().to_owned()),
                after: $crate::store::Span {
                    days: request.object_lock_event_hold_duration_days,
                    years: request.object_lock_event_hold_duration_years,
                },
            },
            encryption: $crate::encryption::Asked {
                method: request.server_side_encryption.as_ref().map(|kind| kind.as_str().to_owned()),
                key_id: text(&request.ssekms_key_id),
                context: text(&request.ssekms_encryption_context),
                bucket_key: request.bucket_key_enabled,
                customer: [
                    text(&request.sse_customer_algorithm),
                    text(&request.sse_customer_key),
                    text(&request.sse_customer_key_md5),
                ],
            },
            tagging: text(&request.tagging),
            redirect: text(&request.website_redirect_location),
        }
    }};
}
pub(super) use asked;

/// See [`asked!`].
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    pub acl: Option<String>,
    /// Full control, read, read and write the list.
    pub grants: [Option<String>; 4],
    pub storage_class: Option<String>,
    pub lock: lock::Asked,
    pub encryption: encryption::Asked,
    pub tagging: Option<String>,
    pub redirect: Option<String>,
}

/// What a new object gets, but for its body and description.
#[derive(Clone, Default)]
pub(super) struct Settings {
    pub acl: Option<Acl>,
    pub storage_class: Option<String>,
    pub lock: Lock,
    pub encryption: Encryption,
}

impl Asked {
    /// Checks all of it.
    pub(super) fn settings(&self, cx: &Context, bucket: &Bucket, key: &str) -> Result<Settings, Error> {
        self.refuse(bucket)?;
        let class = self.storage_class.as_deref();
        Ok(Settings {
            acl: self.acl(cx, bucket)?,
            storage_class: match bucket.directory {
                Some(_) => refuse::storage_class(bucket, class)?,
                None => storage_class(class)?,
            },
            lock: self.lock.lock(bucket, cx.now())?,
            encryption: self.encryption.decide(cx, bucket, key)?,
        })
    }

    /// What directory buckets do not take.
    fn refuse(&self, bucket: &Bucket) -> Result<(), Error> {
        let [full, read, read_acp, write_acp] = self.grants.each_ref().map(Option::is_some);
        let dual = self.encryption.method.as_deref() == Some("aws:kms:dsse");
        let headers = [
            ("x-amz-acl", self.acl.is_some()),
            ("x-amz-grant-full-control", full),
            ("x-amz-grant-read", read),
            ("x-amz-grant-read-acp", read_acp),
            ("x-amz-grant-write-acp", write_acp),
            ("x-amz-object-lock-mode", self.lock.mode.is_some()),
            ("x-amz-object-lock-retain-until-date", self.lock.until.is_some()),
            ("x-amz-object-lock-legal-hold", self.lock.hold.is_some()),
            ("x-amz-object-lock-event-hold", self.lock.event.is_some()),
            ("x-amz-tagging", self.tagging.as_deref().is_some_and(|tagging| !tagging.is_empty())),
            ("x-amz-server-side-encryption", dual),
            ("x-amz-server-side-encryption-customer-algorithm", self.encryption.customer.iter().any(Option::is_some)),
        ];
        refuse::headers(bucket, &headers)?;
        match self.encryption.method.as_deref() {
            Some(method) if bucket.directory.is_some() && method != "AES256" => {
                let text =
                    "The encryption method that you specified does not match the default encryption of the bucket.";
                Err(Error::InvalidRequest(text.to_owned()))
            }
            _ => Ok(()),
        }
    }

    /// The list to keep; none where the owner of the bucket owns everything, or where it only says that.
    fn acl(&self, cx: &Context, bucket: &Bucket) -> Result<Option<Acl>, Error> {
        let grants = self.grants.iter().any(Option::is_some);
        let canned = self.acl.as_deref();
        if grants && canned.is_some() {
            let text = "Specifying both Canned ACLs and Header Grants is not allowed";
            return Err(Error::InvalidRequest(text.to_owned()));
        }
        if bucket.enforces_owner() {
            let harmless = !grants && matches!(canned, None | Some("bucket-owner-full-control"));
            return if harmless { Ok(None) } else { Err(acl::not_supported()) };
        }
        let writer = match cx.principal().account() {
            "" => &bucket.account,
            account => account,
        };
        let preferred = bucket.ownership.as_deref() == Some("BucketOwnerPreferred");
        let owner = if preferred && canned == Some("bucket-owner-full-control") { &bucket.account } else { writer };
        let [full, read, read_acp, write_acp] = self.grants.each_ref().map(|grant| grant.as_deref());
        let headers = [
            ("x-amz-grant-full-control", "FULL_CONTROL", full),
            ("x-amz-grant-read", "READ", read),
            ("x-amz-grant-read-acp", "READ_ACP", read_acp),
            ("x-amz-grant-write-acp", "WRITE_ACP", write_acp),
        ];
        let acl = match acl::of_headers(owner, &headers)? {
            Some(acl) => acl,
            None => acl::canned(canned.unwrap_or("private"), owner, Some(&bucket.account))?,
        };
        if acl.is_public() && bucket.public_access.unwrap_or_default().block_acls {
            return Err(super::acl::blocked(cx, "s3:PutObject", &format!("{}/*", bucket.name)));
        }
        Ok((acl != Acl::private(&bucket.account)).then_some(acl))
    }

    /// The conditions that policies can ask for.
    pub(super) fn conditions(&self, cx: &Context, mut access: Access) -> Access {
        let pairs = [
            ("s3:x-amz-acl", &self.acl),
            ("s3:x-amz-grant-full-control", &self.grants[0]),
            ("s3:x-amz-grant-read", &self.grants[1]),
            ("s3:x-amz-grant-read-acp", &self.grants[2]),
            ("s3:x-amz-grant-write-acp", &self.grants[3]),
            ("s3:x-amz-storage-class", &self.storage_class),
            ("s3:x-amz-server-side-encryption", &self.encryption.method),
            ("s3:x-amz-server-side-encryption-aws-kms-key-id", &self.encryption.key_id),
            ("s3:x-amz-server-side-encryption-customer-algorithm", &self.encryption.customer[0]),
            ("s3:object-lock-mode", &self.lock.mode),
            ("s3:object-lock-legal-hold", &self.lock.hold),
            ("s3:x-amz-website-redirect-location", &self.redirect),
        ];
        for (key, value) in pairs {
            if let Some(value) = value {
                access = access.with(key, value);
            }
        }
        if let Some(until) = self.lock.until {
            access = retained_until(cx, access, until);
        }
        request_tags(access, self.tagging.as_deref())
    }

    /// What writing an object needs to be allowed.
    pub(super) fn access(&self, cx: &Context, bucket: &str, key: &str) -> Result<Vec<Access>, Error> {
        let mut all = vec![self.conditions(cx, on_object(cx, "s3:PutObject", bucket, key)?)];
        if name::is_directory(bucket) {
            return Ok(all);
        }
        let mut further = |action: &str| {
            all.push(self.conditions(cx, on_object(cx, action, bucket, key)?));
            Ok::<_, Error>(())
        };
        if self.tagging.is_some() {
            further("s3:PutObjectTagging")?;
        }
        let plain = matches!(self.acl.as_deref(), None | Some("bucket-owner-full-control"));
        if !plain || self.grants.iter().any(Option::is_some) {
            further("s3:PutObjectAcl")?;
        }
        if self.lock.mode.is_some() || self.lock.until.is_some() || self.lock.event.is_some() {
            further("s3:PutObjectRetention")?;
        }
        if self.lock.hold.is_some() {
            further("s3:PutObjectLegalHold")?;
        }
        Ok(all)
    }
}

/// Until when a request retains an object, and for how many days, as conditions.
pub(super) fn retained_until(cx: &Context, access: Access, until: Timestamp) -> Access {
    const DAY: i64 = 86_400_000;
    let days = (until.millis() - cx.now().millis() + DAY - 1).div_euclid(DAY);
    let access = access.with("s3:object-lock-retain-until-date", until.iso8601());
    access.with("s3:object-lock-remaining-retention-days", days.to_string())
}

/// What a request asks of the object that it writes over, and whether it makes the object itself rather than a part of it, as
/// conditions.
macro_rules! creation {
    ($access:expr, $makes:literal) => {
        $access.with("s3:ObjectCreationOperation", if $makes { "true" } else { "false" })
    };
    ($access:expr, $makes:literal, $request:expr) => {{
        let mut access = $crate::ops::write::creation!($access, $makes);
        for (name, value) in [("s3:if-match", &$request.if_match), ("s3:if-none-match", &$request.if_none_match)] {
            if let Some(value) = value {
                access = access.with(name, value);
            }
        }
        access
    }};
}
pub(super) use creation;

/// The tags that a request brings, as conditions.
pub(super) fn request_tags(mut access: Access, tagging: Option<&str>) -> Access {
    let Some(tagging) = tagging else { return access };
    let tags = wire::rest::parse_query(tagging);
    access = access.with_all("s3:RequestObjectTagKeys", tags.iter().map(|(key, _)| key.clone()).collect());
    for (key, value) in tags {
        access = access.with(format!("s3:RequestObjectTag/{key}"), value);
    }
    access
}

/// The class to keep; `None` for the standard one.
pub(super) fn storage_class(class: Option<&str>) -> Result<Option<String>, Error> {
    match class {
        None | Some("STANDARD") => Ok(None),
        Some(class) if classes::is_known(class) => Ok(Some(class.to_owned())),
        Some(_) => Err(Error::InvalidStorageClass("The storage class you specified is not valid".to_owned())),
    }
}

/// Checks the metadata, and leaves out how the body was sent.
pub(super) fn describe(mut description: Description) -> Result<Description, Error> {
    for value in description.metadata.values_mut() {
        *value = mime::decode(value);
    }
    let size = |metadata: &BTreeMap<String, String>| metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
    let size: usize = size(&description.metadata);
    if size > MAX_METADATA {
        return Err(Error::metadata_too_large(size));
    }
    let redirect = description.redirect.as_deref();
    if redirect.is_some_and(|to| to.len() > MAX_REDIRECT) {
        let text = "The length of website redirect location cannot exceed 2,048 characters.";
        return Err(service::ApiError::new(400, "InvalidRedirectLocation", text).into());
    }
    if redirect.is_some_and(|to| !["http://", "https://", "/"].iter().any(|start| to.starts_with(start))) {
        let text = "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.";
        return Err(service::ApiError::new(400, "InvalidRedirectLocation", text).into());
    }
    description.content_type = description.content_type.filter(|kind| !kind.is_empty());
    let encodings = description.content_encoding.as_deref().unwrap_or_default().split(',').map(str::trim);
    let kept: Vec<&str> = encodings.filter(|encoding| !encoding.is_empty() && *encoding != "aws-chunked").collect();
    description.content_encoding = (!kept.is_empty()).then(|| kept.join(","));
    Ok(description)
}

/// The algorithm of the checksum that a request names, or sends behind its body.
pub(crate) fn trailing(
    named: Option<&ChecksumAlgorithm>,
    trailer: Option<&str>,
) -> Result<Option<ChecksumAlgorithm>, Error> {
    let mut trailers = trailer.unwrap_or_default().split(',').map(str::trim);
    let behind = trailers.find_map(|name| name.strip_prefix("x-amz-checksum-"));
    match (named, behind) {
        (Some(named), Some(behind)) if !named.as_str().eq_ignore_ascii_case(behind) => {
            let text = "Value for x-amz-sdk-checksum-algorithm header is invalid.";
            Err(Error::InvalidRequest(text.to_owned()))
        }
        (named, behind) => Ok(named.cloned().or(behind.map(|name| name.to_ascii_uppercase().as_str().into()))),
    }
}

/// What is announced to be too large is not even read.
pub(super) fn check_length(length: Option<i64>) -> Result<(), Error> {
    match length.and_then(|length| u64::try_from(length).ok()) {
        Some(length) if length > MAX_PUT => Err(Error::entity_too_large(length)),
        _ => Ok(()),
    }
}

/// Last-Modified has whole seconds.
pub(crate) fn now(cx: &Context) -> i64 {
    Timestamp::from_secs(cx.now().secs()).millis()
}

operation! {
    S3, PutObject,
    access: |_, cx, request| {
        let all = asked!(request).access(cx, &request.bucket, &request.key);
        all.map(|all| all.into_iter().map(|access| creation!(access, true, request)).collect())
    },
    handler: put_object
}

async fn put_object(s3: &S3, cx: &Context, request: PutObjectRequest) -> Result<PutObjectOutput, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    let request_charged = charge(cx, &bucket, request.request_payer.as_ref())?;
    check_key(&request.key)?;
    let asked = asked!(&request);
    let settings = asked.settings(cx, &bucket, &request.key)?;
    let description = description!(&request)?;
    refuse::content_md5(&bucket, request.content_md5.as_deref())?;
    refuse::headers(&bucket, &[("x-amz-website-redirect-location", description.redirect.is_some())])?;
    if request.write_offset_bytes.is_some() {
        return match bucket.directory {
            Some(_) => directory::append::put(s3, cx, &bucket, request, description).await,
            None => Err(Error::header_not_implemented("x-amz-write-offset-bytes")),
        };
    }
    let tags = tagging::of_header(request.tagging.as_deref())?;
    let named = trailing(request.checksum_algorithm.as_ref(), request.trailer.as_deref())?;
    let named = named.as_ref();
    let stated = stated!(request);
    let locked = settings.lock.retention.is_some() || settings.lock.event.is_some();
    if locked && stated.is_empty() && named.is_none() && request.content_md5.is_none() {
        let text = "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters";
        return Err(Error::InvalidRequest(text.to_owned()));
    }
    let integrity = Integrity::new(stated, named, request.content_md5.clone(), Algorithm::Crc64Nvme)?;
    let form = cx.origin().source.iter().any(|(name, value)| name == "s3:authType" && value == "POST");
    if !form && request.content_length.is_none() && request.body.as_ref().is_some_and(|body| body.len().is_none()) {
        return Err(Error::missing_length());
    }
    check_length(request.content_length)?;
    let (body, encryption) = (request.body, settings.encryption);
    let mut received =
        receive(Place::of(&cx.cloud), cx.random(), body, MAX_PUT, integrity.hashers(), encryption.key.as_ref()).await?;
    let checksum = integrity.verify(&mut received)?;
    received.draft.embed();
    let object = Object {
        size: received.size,
        etag: directory::etag(cx, &bucket, encryption.etag(received.md5)),
        modified: now(cx),
        description,
        tags,
        storage_class: settings.storage_class,
        checksum: Some(checksum),
        body: received.draft.segments.clone(),
        lock: settings.lock,
        acl: settings.acl,
        customer_key: encryption.customer,
        kms: encryption.kms,
        ..Object::default()
    };
    let conditions = Conditions { if_match: request.if_match, if_none_match: request.if_none_match };
    let event = if form { "ObjectCreated:Post" } else { "ObjectCreated:Put" };
    let written = Written { bucket: &bucket.name, key: &request.key, event, annotations: Copies::default() };
    let object = commit(s3, cx, written, object, received.draft, &conditions)?;
    let mut output = PutObjectOutput {
        e_tag: Some(object.quoted_etag()),
        size: None,
        checksum_type: Some(ChecksumType::FullObject),
        version_id: object.shown_version(),
        expiration: expiration(cx, &bucket, &request.key, &object)?,
        ssekms_encryption_context: asked.encryption.context,
        request_charged,
        ..PutObjectOutput::default()
    };
    show!(output, object.checksum.as_ref());
    show_encryption!(output, object.kms.as_ref(), encryption.md5);
    Ok(output)
}
