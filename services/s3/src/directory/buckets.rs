//! Making directory buckets, and listing them.

use s3_api::{
    BucketInfo, CreateBucketConfiguration, CreateBucketOutput, CreateBucketRequest, ListDirectoryBuckets,
    ListDirectoryBucketsOutput, ListDirectoryBucketsRequest, LocationInfo,
};
use service::{Access, Context, Page, Principal, Range, Timestamp, decode_token, encode_token, from_record, operation};

use super::access::{denied, no_session, own_session};
use super::{arn, arn_of, name};
use crate::store::{Bucket, Directory, PublicAccess, bucket_key, directories_key, save_bucket};
use crate::tagging::{self, BUCKET_LIMIT};
use crate::{Error, S3};

const MOST: i32 = 1000;

/// What making one needs: to be allowed to, and to tag it where it has tags from the start.
pub fn to_create(cx: &Context, request: &CreateBucketRequest) -> Result<Vec<Access>, Error> {
    if matches!(cx.principal(), Principal::Anonymous) {
        return Err(denied());
    }
    own_session(cx, &request.bucket, true)?;
    let resource = arn_of(cx.region(), cx.account(), &request.bucket);
    let location = request.create_bucket_configuration.as_ref().and_then(|one| one.location.as_ref()?.name.clone());
    let create = Access::new("s3express:CreateBucket", &resource);
    let mut all = vec![match location {
        Some(location) => create.with("s3express:LocationName", location),
        None => create,
    }];
    let tags = request.create_bucket_configuration.as_ref().and_then(|one| one.tags.as_ref());
    if tags.is_some_and(|tags| !tags.is_empty()) {
        all.push(Access::new("s3express:TagResource", resource));
    }
    Ok(all)
}

/// Makes a directory bucket.
pub fn create(cx: &Context, request: CreateBucketRequest) -> Result<CreateBucketOutput, Error> {
    refuse(&request)?;
    let bucket_name = request.bucket;
    let configuration = request.create_bucket_configuration.unwrap_or_default();
    let zone = name::zone(&bucket_name).ok_or_else(|| Error::invalid_bucket_name(&bucket_name))?;
    check(&configuration, zone)?;
    // The name must tell the zone that is asked for, and the zone be one of the region.
    let asked = configuration.location.as_ref().and_then(|location| location.name.as_deref());
    if asked != Some(zone) || !name::is_in(zone, cx.region()) {
        return Err(Error::invalid_bucket_name(&bucket_name));
    }
    let tags = configuration.tags.map(|tags| tagging::of_list(tags, BUCKET_LIMIT)).transpose()?;
    let everything = PublicAccess { block_acls: true, ignore_acls: true, block_policy: true, restrict_buckets: true };
    let bucket = Bucket {
        name: bucket_name.clone(),
        account: cx.account().to_owned(),
        region: cx.region().to_owned(),
        created: Timestamp::from_secs(cx.now().secs()).millis(),
        tags,
        ownership: Some("BucketOwnerEnforced".to_owned()),
        public_access: Some(everything),
        directory: Some(Directory { zone: zone.to_owned(), local: name::is_local(zone) }),
        ..Bucket::default()
    };
    cx.store().write(|tx| {
        if let Some(there) = tx.get(bucket_key(&bucket.name).as_slice())? {
            let there: Bucket = from_record(&there)?;
            return Err(match there.account == bucket.account {
                true => Error::bucket_already_owned_by_you(&bucket.name),
                false => Error::bucket_already_exists(&bucket.name),
            });
        }
        tx.put(directories_key(&bucket.account, &bucket.region).text(&bucket.name), Vec::new());
        Ok(save_bucket(tx, &bucket)?)
    })?;
    let location = format!("https://{bucket_name}.s3express-{zone}.{}.amazonaws.com/", bucket.region);
    Ok(CreateBucketOutput { location: Some(location), bucket_arn: Some(arn(&bucket)) })
}

fn refuse(request: &CreateBucketRequest) -> Result<(), Error> {
    let unknown = [
        ("x-amz-acl", request.acl.is_some()),
        ("x-amz-grant-full-control", request.grant_full_control.is_some()),
        ("x-amz-grant-read", request.grant_read.is_some()),
        ("x-amz-grant-read-acp", request.grant_read_acp.is_some()),
        ("x-amz-grant-write", request.grant_write.is_some()),
        ("x-amz-grant-write-acp", request.grant_write_acp.is_some()),
        ("x-amz-bucket-object-lock-enabled", request.object_lock_enabled_for_bucket == Some(true)),
        (
            "x-amz-object-ownership",
            request.object_ownership.as_ref().is_some_and(|ownership| ownership.as_str() != "BucketOwnerEnforced"),
        ),
    ];
    match unknown.iter().find(|(_, there)| *there) {
        Some((header, _)) => Err(Error::header_not_implemented(header)),
        None => Ok(()),
    }
}

/// The location must be of the kind that the zone is, and the bucket kept as such zones do.
fn check(configuration: &CreateBucketConfiguration, zone: &str) -> Result<(), Error> {
    let (Some(location), Some(kept)) = (&configuration.location, &configuration.bucket) else {
        return Err(Error::malformed_xml());
    };
    if configuration.location_constraint.is_some() {
        return Err(Error::malformed_xml());
    }
    let (LocationInfo { r#type, .. }, BucketInfo { r#type: kind, data_redundancy, .. }) = (location, kept);
    let (place, redundancy) = match name::is_local(zone) {
        true => ("LocalZone", "SingleLocalZone"),
        false => ("AvailabilityZone", "SingleAvailabilityZone"),
    };
    if kind.as_ref().is_none_or(|kind| kind.as_str() != "Directory") {
        return Err(Error::malformed_xml());
    }
    if r#type.as_ref().is_none_or(|given| given.as_str() != place) {
        return Err(Error::InvalidRequest(format!("The location type must be {place}.")));
    }
    match data_redundancy.as_ref().is_none_or(|given| given.as_str() == redundancy) {
        true => Ok(()),
        false => Err(Error::InvalidRequest(format!("The data redundancy must be {redundancy}."))),
    }
}

operation! {
    S3, ListDirectoryBuckets,
    access: |_, cx, _| {
        no_session(cx)?;
        Ok::<_, Error>(vec![Access::new("s3express:ListAllMyDirectoryBuckets", "*")])
    },
    handler: list_directory_buckets
}

async fn list_directory_buckets(
    _: &S3,
    cx: &Context,
    request: ListDirectoryBucketsRequest,
) -> Result<ListDirectoryBucketsOutput, Error> {
    let base = directories_key(cx.account(), cx.region());
    let snapshot = cx.store().snapshot();
    let token = request.continuation_token.filter(|token| !token.is_empty());
    let after = token.as_ref().map(|token| {
        let text = "The continuation token provided is incorrect";
        decode_token(token).ok_or_else(|| Error::invalid_argument(text, "continuation-token", token))
    });
    let after = after.transpose()?;
    let limit = request.max_directory_buckets.unwrap_or(MOST).clamp(0, MOST);
    let limit = usize::try_from(limit).unwrap_or_default();
    let page = Page::read(&snapshot, Range::prefix(base.clone()), after.as_deref(), limit, |key, _| {
        let (name, _) = service::Key::read_text(key, base.as_slice().len()).unwrap_or_default();
        let Some(record) = snapshot.get(bucket_key(&name).as_slice())? else { return Ok::<_, Error>(None) };
        let bucket: Bucket = from_record(&record)?;
        Ok(Some(s3_api::Bucket {
            bucket_arn: Some(arn(&bucket)),
            name: Some(bucket.name),
            creation_date: Some(Timestamp::from_millis(bucket.created)),
            ..s3_api::Bucket::default()
        }))
    })?;
    Ok(ListDirectoryBucketsOutput {
        buckets: Some(page.items),
        continuation_token: page.next.map(|key| encode_token(&key)),
    })
}
