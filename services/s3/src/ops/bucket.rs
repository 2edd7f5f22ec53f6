//! Buckets.

use s3_api::{
    BucketLocationConstraint, CreateBucket, CreateBucketOutput, CreateBucketRequest, DeleteBucket, DeleteBucketRequest,
    GetBucketLocation, GetBucketLocationOutput, GetBucketLocationRequest, HeadBucket, HeadBucketOutput,
    HeadBucketRequest, ListBuckets, ListBucketsOutput, ListBucketsRequest, LocationType,
};
use service::{
    Access, Context, Page, Range, Timestamp, Transaction, decode_token, encode_token, from_record, operation,
};
use wire::Unit;

use super::acl::BucketHeaders;
use super::multipart::drop_parts;
use super::{bucket_of, check_owner, on_bucket, owner, root};
use crate::bucket::{region_of, valid_name};
use crate::directory::{self, access::no_session, name};
use crate::store::{
    Bucket, Directory, PublicAccess, Segment, Upload, Versioning, bucket_key, configs_key, directories_key,
    find_bucket, load_bucket, objects_key, owned_key, policy_key, save_bucket, uploads_key, versions_key,
};
use crate::tagging::{self, BUCKET_LIMIT};
use crate::{Error, S3};

operation! {
    S3, CreateBucket,
    access: |_, cx, request| match name::is_directory(&request.bucket) {
        true => directory::to_create(cx, request),
        false => {
            no_session(cx)?;
            Ok(to_create(request))
        }
    },
    handler: create_bucket
}

/// What making a bucket needs to be allowed: each of its settings is an action of its own.
fn to_create(request: &CreateBucketRequest) -> Vec<Access> {
    let configuration = request.create_bucket_configuration.as_ref();
    let tags = configuration.and_then(|configuration| configuration.tags.as_deref()).unwrap_or_default();
    let constraint = configuration.and_then(|configuration| configuration.location_constraint.as_ref());
    let conditions = [
        ("s3:locationconstraint", constraint.map(|constraint| constraint.as_str())),
        ("s3:x-amz-acl", request.acl.as_ref().map(|acl| acl.as_str())),
        ("s3:x-amz-grant-full-control", request.grant_full_control.as_deref()),
        ("s3:x-amz-grant-read", request.grant_read.as_deref()),
        ("s3:x-amz-grant-read-acp", request.grant_read_acp.as_deref()),
        ("s3:x-amz-grant-write", request.grant_write.as_deref()),
        ("s3:x-amz-grant-write-acp", request.grant_write_acp.as_deref()),
        ("s3:x-amz-object-ownership", request.object_ownership.as_ref().map(|ownership| ownership.as_str())),
    ];
    let on = |action: &str| {
        let mut access = Access::new(action, format!("arn:aws:s3:::{}", request.bucket));
        for (key, value) in conditions {
            if let Some(value) = value {
                access = access.with(key, value);
            }
        }
        if !tags.is_empty() {
            access = access.with_all("aws:TagKeys", tags.iter().map(|tag| tag.key.clone()).collect());
        }
        tags.iter().fold(access, |access, tag| access.with(format!("aws:RequestTag/{}", tag.key), &*tag.value))
    };
    let granted = conditions[2..7].iter().any(|(_, value)| value.is_some());
    let locked = request.object_lock_enabled_for_bucket == Some(true);
    let further = [
        ("s3:TagResource", !tags.is_empty()),
        ("s3:PutBucketAcl", granted || request.acl.is_some()),
        ("s3:PutBucketObjectLockConfiguration", locked),
        ("s3:PutBucketVersioning", locked),
        ("s3:PutBucketOwnershipControls", request.object_ownership.is_some()),
    ];
    let further = further.into_iter().filter(|(_, needed)| *needed).map(|(action, _)| on(action));
    std::iter::once(on("s3:CreateBucket")).chain(further).collect()
}

async fn create_bucket(_: &S3, cx: &Context, request: CreateBucketRequest) -> Result<CreateBucketOutput, Error> {
    if name::is_directory(&request.bucket) {
        return directory::create(cx, request);
    }
    let name = request.bucket;
    if !valid_name(&name) {
        return Err(Error::invalid_bucket_name(&name));
    }
    let configuration = request.create_bucket_configuration.unwrap_or_default();
    if configuration.bucket.is_some() || configuration.location.is_some() {
        // Only the names of directory buckets go with a location.
        return Err(Error::invalid_bucket_name(&name));
    }
    let ownership = request.object_ownership.as_ref().map_or("BucketOwnerEnforced", |ownership| ownership.as_str());
    let headers = BucketHeaders {
        canned: request.acl.as_ref().map(|acl| acl.as_str()),
        full_control: request.grant_full_control.as_deref(),
        read: request.grant_read.as_deref(),
        write: request.grant_write.as_deref(),
        read_acp: request.grant_read_acp.as_deref(),
        write_acp: request.grant_write_acp.as_deref(),
    };
    let acl = headers.of_new_bucket(cx.account(), ownership == "BucketOwnerEnforced")?;
    let constraint = configuration.location_constraint;
    let region = region_of(cx.region(), constraint.as_ref().map(BucketLocationConstraint::as_str))?;
    let tags = configuration.tags.map(|tags| tagging::of_list(tags, BUCKET_LIMIT)).transpose()?;
    let everything = PublicAccess { block_acls: true, ignore_acls: true, block_policy: true, restrict_buckets: true };
    let bucket = Bucket {
        name: name.clone(),
        account: cx.account().to_owned(),
        region,
        created: Timestamp::from_secs(cx.now().secs()).millis(),
        tags,
        ownership: Some(ownership.to_owned()),
        public_access: Some(everything),
        acl,
        locked: request.object_lock_enabled_for_bucket == Some(true),
        versioning: match request.object_lock_enabled_for_bucket {
            Some(true) => Versioning::Enabled,
            _ => Versioning::Off,
        },
        ..Bucket::default()
    };
    cx.store().write(|tx| create(tx, &bucket))?;
    // Buckets elsewhere are told of by their whole address.
    let location = match bucket.region.as_str() {
        "us-east-1" => format!("/{name}"),
        _ => format!("http://{name}.s3.amazonaws.com/"),
    };
    Ok(CreateBucketOutput { location: Some(location), bucket_arn: Some(format!("arn:aws:s3:::{name}")) })
}

/// In us-east-1, making a bucket again that one owns succeeds and changes nothing.
fn create(tx: &mut Transaction<'_>, bucket: &Bucket) -> Result<(), Error> {
    match tx.get(bucket_key(&bucket.name).as_slice())? {
        None => {
            tx.put(owned_key(&bucket.account).text(&bucket.name), Vec::new());
            Ok(save_bucket(tx, bucket)?)
        }
        Some(there) => {
            let there: Bucket = from_record(&there)?;
            if there.account != bucket.account {
                Err(Error::bucket_already_exists(&bucket.name))
            } else if there.region == "us-east-1" && bucket.region == "us-east-1" {
                Ok(())
            } else {
                Err(Error::bucket_already_owned_by_you(&bucket.name))
            }
        }
    }
}

operation! {
    S3, HeadBucket,
    access: |s3, cx, request| (|| {
        let access = on_bucket(cx, "s3:ListBucket", &request.bucket)?;
        // Who is denied hears all the same where the bucket is.
        let region = find_bucket(cx.store(), &request.bucket)?.region.clone();
        let allowed = cx.cloud.stages().authorize(cx, s3, &access);
        allowed.map_err(|denial| denial.with_header("x-amz-bucket-region", region))?;
        Ok::<_, Error>(vec![access])
    })(),
    handler: head_bucket
}

async fn head_bucket(_: &S3, cx: &Context, request: HeadBucketRequest) -> Result<HeadBucketOutput, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    let kind =
        |directory: &Directory| if directory.local { LocationType::LocalZone } else { LocationType::AvailabilityZone };
    Ok(HeadBucketOutput {
        bucket_region: Some(bucket.region.clone()),
        bucket_arn: Some(match bucket.directory {
            Some(_) => directory::arn(&bucket),
            None => format!("arn:aws:s3:::{}", bucket.name),
        }),
        bucket_location_type: bucket.directory.as_ref().map(kind),
        bucket_location_name: bucket.directory.as_ref().map(|directory| directory.zone.clone()),
        access_point_alias: Some(false),
    })
}

operation! {
    S3, GetBucketLocation,
    // Every region tells where a bucket is.
    access: |_, cx, request| crate::store::find_bucket(cx.store(), &request.bucket).and_then(|bucket| {
        let access = Access::new("s3:GetBucketLocation", format!("arn:aws:s3:::{}", bucket.name));
        match bucket.directory {
            Some(_) => on_bucket(cx, "s3:GetBucketLocation", &bucket.name).map(|access| vec![access]),
            None => Ok(vec![access.owned_by(&bucket.account)]),
        }
    }),
    handler: get_bucket_location
}

async fn get_bucket_location(
    _: &S3,
    cx: &Context,
    request: GetBucketLocationRequest,
) -> Result<GetBucketLocationOutput, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    // us-east-1 has no name here.
    let region = if bucket.region == "us-east-1" { "" } else { &bucket.region };
    Ok(GetBucketLocationOutput { location_constraint: Some(BucketLocationConstraint::from(region)) })
}

operation! {
    S3, ListBuckets,
    access: |_, cx, _| {
        no_session(cx)?;
        Ok::<_, Error>(vec![Access::new("s3:ListAllMyBuckets", "*")])
    },
    handler: list_buckets
}

async fn list_buckets(_: &S3, cx: &Context, request: ListBucketsRequest) -> Result<ListBucketsOutput, Error> {
    let base = owned_key(cx.account());
    let snapshot = cx.store().snapshot();
    let after = match &request.continuation_token {
        Some(token) => Some(decode_token(token).ok_or_else(|| {
            Error::invalid_argument("The continuation token provided is incorrect", "continuation-token", token)
        })?),
        None => None,
    };
    let limit = usize::try_from(request.max_buckets.unwrap_or(10_000)).unwrap_or(10_000);
    let prefix = request.prefix.clone().unwrap_or_default();
    let range = Range::prefix(base.clone().raw(prefix.as_bytes()));
    let page = Page::read(&snapshot, range, after.as_deref(), limit, |key, _| {
        let (name, _) = service::Key::read_text(key, base.as_slice().len()).unwrap_or_default();
        let Some(record) = snapshot.get(bucket_key(&name).as_slice())? else { return Ok::<_, Error>(None) };
        let bucket: Bucket = from_record(&record)?;
        let wanted = request.bucket_region.as_ref().is_none_or(|region| *region == bucket.region);
        Ok(wanted.then(|| s3_api::Bucket {
            name: Some(bucket.name),
            creation_date: Some(Timestamp::from_millis(bucket.created)),
            bucket_region: Some(bucket.region),
            ..s3_api::Bucket::default()
        }))
    })?;
    Ok(ListBucketsOutput {
        buckets: Some(page.items),
        owner: Some(owner(cx.account())),
        continuation_token: page.next.map(|key| encode_token(&key)),
        prefix: request.prefix,
    })
}

operation! {
    S3, DeleteBucket,
    access: |_, cx, request| on_bucket(cx, "s3:DeleteBucket", &request.bucket).map(|access| vec![access]),
    handler: delete_bucket
}

async fn delete_bucket(s3: &S3, cx: &Context, request: DeleteBucketRequest) -> Result<Unit, Error> {
    let name = &request.bucket;
    let removed = cx.store().write(|tx| {
        let bucket = load_bucket(tx, name)?;
        check_owner(&bucket, request.expected_bucket_owner.as_deref())?;
        let mut any = |base| tx.scan(Range::prefix(base), 1).map(|entries| !entries.is_empty());
        if any(objects_key(name))? || any(versions_key(name))? {
            return Err(Error::bucket_not_empty(name));
        }
        if bucket.directory.is_some() {
            if any(uploads_key(name))? {
                return Err(Error::bucket_not_empty(name));
            }
            tx.delete(directories_key(&bucket.account, &bucket.region).text(name));
            directory::session::undecide(tx, name)?;
        }
        let removed = abort_uploads(tx, name)?;
        tx.delete(owned_key(&bucket.account).text(name));
        tx.delete(policy_key(name));
        tx.delete_range(Range::prefix(configs_key(name)))?;
        tx.delete(bucket_key(name));
        Ok(removed)
    })?;
    s3.blobs.remove(root(cx), &removed);
    s3.logs.set(name, false);
    Ok(Unit {})
}

/// Uploads under way do not keep a bucket.
fn abort_uploads(tx: &mut Transaction<'_>, bucket: &str) -> Result<Vec<Segment>, Error> {
    let mut removed = Vec::new();
    for (key, record) in tx.scan(Range::prefix(uploads_key(bucket)), usize::MAX)? {
        let upload: Upload = from_record(&record)?;
        removed.extend(drop_parts(tx, &upload.id)?);
        tx.delete(key);
    }
    Ok(removed)
}
