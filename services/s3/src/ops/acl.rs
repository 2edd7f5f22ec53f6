//! Access control lists of buckets and objects, and who owns what is written.

use s3_api::{
    AccessControlPolicy, DeleteBucketOwnershipControls, DeleteBucketOwnershipControlsRequest, GetBucketAcl,
    GetBucketAclOutput, GetBucketAclRequest, GetBucketOwnershipControls, GetBucketOwnershipControlsOutput,
    GetBucketOwnershipControlsRequest, GetObjectAcl, GetObjectAclOutput, GetObjectAclRequest, ObjectOwnership,
    OwnershipControls, OwnershipControlsRule, PutBucketAcl, PutBucketAclRequest, PutBucketOwnershipControls,
    PutBucketOwnershipControlsRequest, PutObjectAcl, PutObjectAclOutput, PutObjectAclRequest,
};
use service::{ApiError, Context, operation};
use wire::Unit;

use super::{bucket_of, check_owner, find, load, off_bucket, on_bucket, on_existing, owner};
use crate::acl;
use crate::store::{Acl, Bucket, load_bucket, save_bucket};
use crate::{Error, S3};

/// BlockPublicAcls refuses public lists.
pub(super) fn blocked(cx: &Context, action: &str, resource: &str) -> Error {
    let caller = cx.principal().arn();
    Error::AccessDenied(format!(
        "User: {caller} is not authorized to perform: {action} on resource: \"arn:aws:s3:::{resource}\" because public access control lists (ACLs) are prevented by the BlockPublicAcls setting in S3 Block Public Access."
    ))
}

/// What the headers of a request say of the list of a bucket or an object.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BucketHeaders<'a> {
    pub canned: Option<&'a str>,
    pub full_control: Option<&'a str>,
    pub read: Option<&'a str>,
    pub write: Option<&'a str>,
    pub read_acp: Option<&'a str>,
    pub write_acp: Option<&'a str>,
}

impl BucketHeaders<'_> {
    fn grants(&self) -> [(&'static str, &'static str, Option<&str>); 5] {
        [
            ("x-amz-grant-full-control", "FULL_CONTROL", self.full_control),
            ("x-amz-grant-read", "READ", self.read),
            ("x-amz-grant-write", "WRITE", self.write),
            ("x-amz-grant-read-acp", "READ_ACP", self.read_acp),
            ("x-amz-grant-write-acp", "WRITE_ACP", self.write_acp),
        ]
    }

    fn has_grants(&self) -> bool {
        self.grants().iter().any(|(_, _, value)| value.is_some())
    }

    /// The list of a new bucket; none for the usual one.
    pub(super) fn of_new_bucket(&self, account: &str, enforced: bool) -> Result<Option<Acl>, Error> {
        let list = self.list(account, None)?;
        let Some(list) = list.filter(|list| *list != Acl::private(account)) else { return Ok(None) };
        if enforced {
            let text = "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting";
            return Err(Error::InvalidBucketAcl(text.to_owned()));
        }
        // Public access is blocked in every new bucket.
        if list.is_public() {
            let text = "Bucket cannot have public ACLs set with BlockPublicAccess enabled";
            return Err(ApiError::new(400, "InvalidBucketAclWithBlockPublicAccessError", text).into());
        }
        Ok(Some(list))
    }

    /// The list that the headers make, if there are any.
    fn list(&self, owner: &str, bucket_owner: Option<&str>) -> Result<Option<Acl>, Error> {
        match self.canned {
            Some(_) if self.has_grants() => {
                let text = "Specifying both Canned ACLs and Header Grants is not allowed";
                Err(Error::InvalidRequest(text.to_owned()))
            }
            Some(canned) => acl::canned(canned, owner, bucket_owner).map(Some),
            None => acl::of_headers(owner, &self.grants()),
        }
    }

    /// The list of a request that sets one: in headers or in a body.
    fn asked(&self, body: Option<&AccessControlPolicy>, owner: &str, bucket_owner: Option<&str>) -> Result<Acl, Error> {
        let list = self.list(owner, bucket_owner)?;
        let stated = body.filter(|body| body.grants.is_some() || body.owner.is_some());
        match (list, stated) {
            (Some(_), Some(_)) => {
                Err(ApiError::new(400, "UnexpectedContent", "This request does not support content").into())
            }
            (Some(list), None) => Ok(list),
            (None, Some(body)) => acl::of_body(body, owner),
            (None, None) if body.is_some() => Err(acl::malformed()),
            (None, None) => {
                let text = "Your request was missing a required header";
                Err(ApiError::new(400, "MissingSecurityHeader", text).with("MissingHeaderName", "x-amz-acl").into())
            }
        }
    }
}

/// Where the owner of the bucket owns everything, only what says just that is accepted.
fn admit(bucket: &Bucket, list: &Acl, canned: Option<&str>) -> Result<(), Error> {
    let harmless = matches!(canned, Some("bucket-owner-full-control")) || *list == Acl::private(&bucket.account);
    if bucket.enforces_owner() && !(harmless && canned != Some("private")) {
        return Err(acl::not_supported());
    }
    Ok(())
}

macro_rules! headers {
    ($request:expr) => {
        BucketHeaders {
            canned: $request.acl.as_ref().map(|acl| acl.as_str()),
            full_control: $request.grant_full_control.as_deref(),
            read: $request.grant_read.as_deref(),
            write: $request.grant_write.as_deref(),
            read_acp: $request.grant_read_acp.as_deref(),
            write_acp: $request.grant_write_acp.as_deref(),
        }
    };
}

operation! {
    S3, GetBucketAcl,
    access: |_, cx, request| on_bucket(cx, "s3:GetBucketAcl", &request.bucket).map(|access| vec![access]),
    handler: get_bucket_acl
}

async fn get_bucket_acl(_: &S3, cx: &Context, request: GetBucketAclRequest) -> Result<GetBucketAclOutput, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    let list = bucket.acl.clone().filter(|_| !bucket.enforces_owner()).unwrap_or_else(|| Acl::private(&bucket.account));
    Ok(GetBucketAclOutput { owner: Some(owner(&list.owner)), grants: Some(acl::show(&list)) })
}

operation! {
    S3, PutBucketAcl,
    access: |_, cx, request| {
        let access = on_bucket(cx, "s3:PutBucketAcl", &request.bucket);
        access.map(|access| vec![match &request.acl {
            Some(acl) => access.with("s3:x-amz-acl", acl.as_str()),
            None => access,
        }])
    },
    handler: put_bucket_acl
}

async fn put_bucket_acl(_: &S3, cx: &Context, request: PutBucketAclRequest) -> Result<Unit, Error> {
    cx.store().write(|tx| {
        let mut bucket = load_bucket(tx, &request.bucket)?;
        check_owner(&bucket, request.expected_bucket_owner.as_deref())?;
        let headers = headers!(request);
        let list = headers.asked(request.access_control_policy.as_ref(), &bucket.account, None)?;
        admit(&bucket, &list, headers.canned)?;
        if list.is_public() && bucket.public_access.unwrap_or_default().block_acls {
            return Err(blocked(cx, "s3:PutBucketAcl", &bucket.name));
        }
        bucket.acl = Some(list);
        Ok(save_bucket(tx, &bucket)?)
    })?;
    Ok(Unit {})
}

operation! {
    S3, GetObjectAcl,
    access: |_, cx, request| {
        let id = request.version_id.as_deref();
        on_existing(cx, "s3:GetObjectAcl", &request.bucket, &request.key, id).map(|access| vec![access])
    },
    handler: get_object_acl
}

async fn get_object_acl(s3: &S3, cx: &Context, request: GetObjectAclRequest) -> Result<GetObjectAclOutput, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    let snapshot = cx.store().snapshot();
    let object = find(s3, cx, &snapshot, &bucket.name, &request.key, request.version_id.as_deref())?;
    let list = object.acl.filter(|_| !bucket.enforces_owner()).unwrap_or_else(|| Acl::private(&bucket.account));
    Ok(GetObjectAclOutput {
        owner: Some(owner(&list.owner)),
        grants: Some(acl::show(&list)),
        ..GetObjectAclOutput::default()
    })
}

operation! {
    S3, PutObjectAcl,
    access: |_, cx, request| {
        let id = request.version_id.as_deref();
        let access = on_existing(cx, "s3:PutObjectAcl", &request.bucket, &request.key, id);
        access.map(|access| vec![match &request.acl {
            Some(acl) => access.with("s3:x-amz-acl", acl.as_str()),
            None => access,
        }])
    },
    handler: put_object_acl
}

async fn put_object_acl(s3: &S3, cx: &Context, request: PutObjectAclRequest) -> Result<PutObjectAclOutput, Error> {
    cx.store().write(|tx| {
        let bucket = load_bucket(tx, &request.bucket)?;
        check_owner(&bucket, request.expected_bucket_owner.as_deref())?;
        let mut object = load(tx, &bucket.name, &request.key, request.version_id.as_deref())?;
        let owner = object.acl.as_ref().map_or(&bucket.account, |acl| &acl.owner).clone();
        let headers = headers!(request);
        let list = headers.asked(request.access_control_policy.as_ref(), &owner, Some(&bucket.account))?;
        admit(&bucket, &list, headers.canned)?;
        if list.is_public() && bucket.public_access.unwrap_or_default().block_acls {
            return Err(blocked(cx, "s3:PutObjectAcl", &format!("{}/{}", bucket.name, request.key)));
        }
        object.acl = (list != Acl::private(&bucket.account)).then_some(list);
        Ok(s3.described(tx, cx, &bucket, &request.key, &mut object, Some("ObjectAcl:Put"))?)
    })?;
    Ok(PutObjectAclOutput::default())
}

operation! {
    S3, GetBucketOwnershipControls,
    access: |_, cx, request| on_bucket(cx, "s3:GetBucketOwnershipControls", &request.bucket).map(|access| vec![access]),
    handler: get_bucket_ownership_controls
}

async fn get_bucket_ownership_controls(
    _: &S3,
    cx: &Context,
    request: GetBucketOwnershipControlsRequest,
) -> Result<GetBucketOwnershipControlsOutput, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    let Some(ownership) = &bucket.ownership else {
        let text = "The bucket ownership controls were not found";
        return Err(Error::no_such_configuration("OwnershipControlsNotFoundError", text, &bucket.name));
    };
    let rule = OwnershipControlsRule { object_ownership: ObjectOwnership::from(ownership.as_str()) };
    Ok(GetBucketOwnershipControlsOutput { ownership_controls: Some(OwnershipControls { rules: vec![rule] }) })
}

operation! {
    S3, PutBucketOwnershipControls,
    access: |_, cx, request| on_bucket(cx, "s3:PutBucketOwnershipControls", &request.bucket).map(|access| vec![access]),
    handler: put_bucket_ownership_controls
}

async fn put_bucket_ownership_controls(
    _: &S3,
    cx: &Context,
    request: PutBucketOwnershipControlsRequest,
) -> Result<Unit, Error> {
    let [rule] = request.ownership_controls.rules.as_slice() else { return Err(Error::malformed_xml()) };
    let ownership = rule.object_ownership.as_str().to_owned();
    set_ownership(cx, &request.bucket, request.expected_bucket_owner.as_deref(), Some(ownership))
}

operation! {
    S3, DeleteBucketOwnershipControls,
    access: |_, cx, request| off_bucket(cx, "s3:PutBucketOwnershipControls", &request.bucket).map(|access| vec![access]),
    handler: delete_bucket_ownership_controls
}

async fn delete_bucket_ownership_controls(
    _: &S3,
    cx: &Context,
    request: DeleteBucketOwnershipControlsRequest,
) -> Result<Unit, Error> {
    set_ownership(cx, &request.bucket, request.expected_bucket_owner.as_deref(), None)
}

fn set_ownership(cx: &Context, name: &str, expected: Option<&str>, ownership: Option<String>) -> Result<Unit, Error> {
    cx.store().write(|tx| {
        let mut bucket = load_bucket(tx, name)?;
        check_owner(&bucket, expected)?;
        let enforces = ownership.as_deref() == Some("BucketOwnerEnforced");
        // What others may do by the list would end without their notice.
        if enforces && bucket.acl.as_ref().is_some_and(|list| *list != Acl::private(&bucket.account)) {
            let text = "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting";
            return Err(Error::InvalidBucketAcl(text.to_owned()));
        }
        bucket.ownership = ownership;
        Ok(save_bucket(tx, &bucket)?)
    })?;
    Ok(Unit {})
}
