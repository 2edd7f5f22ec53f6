//! Listings of objects.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3_api::{
    ChecksumAlgorithm, ChecksumType, CommonPrefix, EncodingType, ListObjects, ListObjectsOutput, ListObjectsRequest,
    ListObjectsV2, ListObjectsV2Output, ListObjectsV2Request, ObjectStorageClass, OptionalObjectAttributes,
    RestoreStatus,
};
use service::{Access, Bytes, Context, Timestamp, decode_token, encode_token, operation};

use super::{bucket_of, charge, on_bucket, owner};
use crate::directory;
use crate::listing::{Entry, Listing, Query, list};
use crate::record::{decode, summary};
use crate::store::{Bucket, objects_key};
use crate::{Error, S3};

/// The most entries of a page.
const MAX_KEYS: i32 = 1000;

/// What `encoding-type=url` leaves as it is; a space becomes `+`.
pub(crate) const KEPT: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'.').remove(b'-').remove(b'*').remove(b'_').remove(b'/').remove(b' ');

/// Writes names as the client asked for.
#[derive(Clone, Copy)]
pub(super) struct Naming {
    url: bool,
}

impl Naming {
    pub(super) fn new(encoding: Option<&EncodingType>) -> Naming {
        Naming { url: encoding.is_some_and(|encoding| encoding.as_str() == "url") }
    }

    pub(super) fn write(self, name: &str) -> String {
        if self.url { utf8_percent_encode(name, KEPT).to_string().replace(' ', "+") } else { name.to_owned() }
    }
}

/// The page size, from `max-keys` and its like.
pub(super) fn page_size(given: Option<i32>, name: &str, argument: &str) -> Result<i32, Error> {
    match given {
        Some(given) if given < 0 => {
            let text = format!("Argument {name} must be an integer between 0 and 2147483647");
            Err(Error::invalid_argument(text, argument, &given.to_string()))
        }
        Some(given) => Ok(given.min(MAX_KEYS)),
        None => Ok(MAX_KEYS),
    }
}

/// A listing needs to be allowed with what it asks for as conditions.
pub(super) fn access(
    cx: &Context,
    action: &str,
    bucket: &str,
    prefix: Option<&String>,
    delimiter: Option<&String>,
    max_keys: Option<i32>,
) -> Result<Vec<Access>, Error> {
    let mut access = on_bucket(cx, action, bucket)?;
    if let Some(prefix) = prefix {
        access = access.with("s3:prefix", prefix);
    }
    if let Some(delimiter) = delimiter {
        access = access.with("s3:delimiter", delimiter);
    }
    if let Some(max_keys) = max_keys {
        access = access.with("s3:max-keys", max_keys.to_string());
    }
    Ok(vec![access])
}

/// What entries tell beyond what lies at the beginning of their records.
struct Detail<'a> {
    bucket: &'a Bucket,
    owner: bool,
    restore: bool,
}

impl<'a> Detail<'a> {
    fn new(bucket: &'a Bucket, owner: bool, optional: Option<&Vec<OptionalObjectAttributes>>) -> Detail<'a> {
        let restore = optional.is_some_and(|all| all.iter().any(|one| one.as_str() == "RestoreStatus"));
        Detail { bucket, owner, restore }
    }

    fn tell(&self, cx: &Context, record: &Bytes, shown: &mut s3_api::Object) -> Result<(), Error> {
        let owned = self.owner && !self.bucket.enforces_owner();
        if !owned && !self.restore {
            shown.owner = self.owner.then(|| owner(&self.bucket.account));
            return Ok(());
        }
        let object = decode(record)?;
        let acl = object.acl.as_ref().filter(|_| owned);
        shown.owner = self.owner.then(|| owner(acl.map_or(&self.bucket.account, |acl| &acl.owner)));
        let restore = object.restore.filter(|restore| self.restore && cx.now().millis() < restore.expires);
        shown.restore_status = restore.map(|restore| {
            let ready = restore.ready <= cx.now().millis();
            RestoreStatus {
                is_restore_in_progress: Some(!ready),
                restore_expiry_date: ready.then(|| Timestamp::from_millis(restore.expires)),
            }
        });
        Ok(())
    }
}

fn contents(
    cx: &Context,
    listing: &Listing,
    naming: Naming,
    detail: &Detail<'_>,
) -> Result<Vec<s3_api::Object>, Error> {
    let mut contents = Vec::new();
    for entry in &listing.entries {
        let Entry::Key(key, record) = entry else { continue };
        let object = summary(record)?;
        let kind = |full| if full { ChecksumType::FullObject } else { ChecksumType::Composite };
        let mut shown = s3_api::Object {
            key: Some(naming.write(key)),
            last_modified: Some(Timestamp::from_millis(object.modified)),
            e_tag: Some(format!("\"{}\"", object.etag)),
            checksum_algorithm: object.checksum.map(|(algorithm, _)| vec![ChecksumAlgorithm::from(algorithm.name())]),
            checksum_type: object.checksum.map(|(_, full)| kind(full)),
            size: i64::try_from(object.size).ok(),
            storage_class: Some(ObjectStorageClass::from(object.storage_class.unwrap_or("STANDARD"))),
            ..s3_api::Object::default()
        };
        detail.tell(cx, record, &mut shown)?;
        contents.push(shown);
    }
    Ok(contents)
}

fn common_prefixes(listing: &Listing, naming: Naming) -> Vec<CommonPrefix> {
    let prefixes = listing.entries.iter().filter(|entry| matches!(entry, Entry::CommonPrefix(_)));
    prefixes.map(|entry| CommonPrefix { prefix: Some(naming.write(entry.name())) }).collect()
}

operation! {
    S3, ListObjectsV2,
    access: |_, cx, request| access(cx, "s3:ListBucket", &request.bucket, request.prefix.as_ref(), request.delimiter.as_ref(), request.max_keys),
    handler: list_objects_v2
}

async fn list_objects_v2(_: &S3, cx: &Context, request: ListObjectsV2Request) -> Result<ListObjectsV2Output, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    let request_charged = charge(cx, &bucket, request.request_payer.as_ref())?;
    let max_keys = page_size(request.max_keys, "max-keys", "maxKeys")?;
    let after = match request.continuation_token.as_deref() {
        Some(token) => continued(token)?,
        None => request.start_after.clone().unwrap_or_default(),
    };
    directory::listing::refuse(&bucket, request.start_after.is_some())?;
    let query = Query {
        prefix: request.prefix.unwrap_or_default(),
        delimiter: request.delimiter.unwrap_or_default(),
        after,
        // A key to start after is a key, whatever it looks like; a page before ended with what it showed.
        past_prefix: request.continuation_token.is_some(),
        limit: usize::try_from(max_keys).unwrap_or_default(),
    };
    directory::listing::check(&bucket, &query.prefix, &query.delimiter)?;
    let snapshot = cx.store().snapshot();
    let mut listing = list(&snapshot, objects_key(&bucket.name).as_slice(), &query)?;
    directory::listing::add_uploads(&snapshot, &bucket, &query, &mut listing)?;
    let naming = Naming::new(request.encoding_type.as_ref());
    let detail = Detail::new(&bucket, request.fetch_owner == Some(true), request.optional_object_attributes.as_ref());
    let last = listing.entries.last().filter(|_| listing.truncated);
    Ok(ListObjectsV2Output {
        bucket_region: Some(bucket.region.clone()),
        name: Some(bucket.name.clone()),
        prefix: Some(naming.write(&query.prefix)),
        delimiter: (!query.delimiter.is_empty()).then(|| naming.write(&query.delimiter)),
        max_keys: Some(max_keys),
        key_count: i32::try_from(listing.entries.len()).ok(),
        is_truncated: Some(listing.truncated),
        contents: Some(contents(cx, &listing, naming, &detail)?),
        common_prefixes: Some(common_prefixes(&listing, naming)),
        encoding_type: request.encoding_type,
        continuation_token: request.continuation_token,
        next_continuation_token: last.map(|entry| encode_token(entry.name().as_bytes())),
        start_after: request.start_after.map(|start| naming.write(&start)),
        request_charged,
    })
}

fn continued(token: &str) -> Result<String, Error> {
    let name = decode_token(token).filter(|name| !name.is_empty()).and_then(|name| String::from_utf8(name).ok());
    let text = "The continuation token provided is incorrect";
    name.ok_or_else(|| Error::invalid_argument(text, "continuation-token", token))
}

operation! {
    S3, ListObjects,
    access: |_, cx, request| access(cx, "s3:ListBucket", &request.bucket, request.prefix.as_ref(), request.delimiter.as_ref(), request.max_keys),
    handler: list_objects
}

async fn list_objects(_: &S3, cx: &Context, request: ListObjectsRequest) -> Result<ListObjectsOutput, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    if bucket.directory.is_some() {
        return Err(directory::refuse::list_v1());
    }
    let request_charged = charge(cx, &bucket, request.request_payer.as_ref())?;
    let max_keys = page_size(request.max_keys, "max-keys", "maxKeys")?;
    let query = Query {
        prefix: request.prefix.unwrap_or_default(),
        delimiter: request.delimiter.unwrap_or_default(),
        after: request.marker.unwrap_or_default(),
        past_prefix: true,
        limit: usize::try_from(max_keys).unwrap_or_default(),
    };
    let listing = list(&cx.store().snapshot(), objects_key(&bucket.name).as_slice(), &query)?;
    let naming = Naming::new(request.encoding_type.as_ref());
    let detail = Detail::new(&bucket, true, request.optional_object_attributes.as_ref());
    // Without a delimiter, the last key says where to go on.
    let last = listing.entries.last().filter(|_| listing.truncated && !query.delimiter.is_empty());
    Ok(ListObjectsOutput {
        bucket_region: Some(bucket.region.clone()),
        name: Some(bucket.name.clone()),
        prefix: Some(naming.write(&query.prefix)),
        marker: Some(naming.write(&query.after)),
        delimiter: (!query.delimiter.is_empty()).then(|| naming.write(&query.delimiter)),
        max_keys: Some(max_keys),
        is_truncated: Some(listing.truncated),
        next_marker: last.map(|entry| naming.write(entry.name())),
        contents: Some(contents(cx, &listing, naming, &detail)?),
        common_prefixes: Some(common_prefixes(&listing, naming)),
        encoding_type: request.encoding_type,
        request_charged,
    })
}
