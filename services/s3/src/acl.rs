//! Access control lists: canned ones, those of headers and bodies, and what they allow.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html>
//!
//! Where a list allows the caller something, that is a statement of the resource's policy like any other.

use serde_json::{Value, json};

use crate::Error;
use crate::bucket::canonical_id;
use crate::store::{Acl, Grant, Grantee};

const ALL: &str = "http://acs.amazonaws.com/groups/global/AllUsers";
const AUTHENTICATED: &str = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers";
const LOG_DELIVERY: &str = "http://acs.amazonaws.com/groups/s3/LogDelivery";

/// The most grants of a list.
const MAX_GRANTS: usize = 100;

pub fn not_supported() -> Error {
    Error::AccessControlListNotSupported("The bucket does not allow ACLs".to_owned())
}

impl Acl {
    /// The owner may do everything, and nobody else anything.
    pub fn private(owner: &str) -> Acl {
        Acl { owner: owner.to_owned(), grants: vec![account(owner, "FULL_CONTROL")] }
    }

    /// Whether it opens something to everybody.
    pub fn is_public(&self) -> bool {
        self.grants.iter().any(Grant::is_public)
    }
}

impl Grant {
    fn is_public(&self) -> bool {
        matches!(&self.grantee, Grantee::Group(uri) if uri == ALL || uri == AUTHENTICATED)
    }
}

fn account(account: &str, permission: &str) -> Grant {
    Grant { grantee: Grantee::Account(canonical_id(account)), permission: permission.to_owned() }
}

fn group(uri: &str, permission: &str) -> Grant {
    Grant { grantee: Grantee::Group(uri.to_owned()), permission: permission.to_owned() }
}

/// The list of a canned name: of a bucket, or of an object in `bucket_owner`'s bucket.
pub fn canned(name: &str, owner: &str, bucket_owner: Option<&str>) -> Result<Acl, Error> {
    let mut acl = Acl::private(owner);
    let bucket_owner = bucket_owner.filter(|bucket_owner| *bucket_owner != owner);
    match name {
        "private" => {}
        "public-read" => acl.grants.push(group(ALL, "READ")),
        "public-read-write" => acl.grants.extend([group(ALL, "READ"), group(ALL, "WRITE")]),
        "authenticated-read" => acl.grants.push(group(AUTHENTICATED, "READ")),
        "log-delivery-write" => {
            acl.grants.extend([group(LOG_DELIVERY, "WRITE"), group(LOG_DELIVERY, "READ_ACP")]);
        }
        // Nobody of EC2 reads images here.
        "aws-exec-read" => {}
        "bucket-owner-read" => acl.grants.extend(bucket_owner.map(|owner| account(owner, "READ"))),
        "bucket-owner-full-control" => acl.grants.extend(bucket_owner.map(|owner| account(owner, "FULL_CONTROL"))),
        name => return Err(Error::invalid_argument("", "x-amz-acl", name)),
    }
    Ok(acl)
}

/// The grants that headers of a request give: `(header, permission, value)`.
pub fn of_headers(owner: &str, headers: &[(&str, &str, Option<&str>)]) -> Result<Option<Acl>, Error> {
    let mut grants = Vec::new();
    for (header, permission, value) in headers {
        let Some(value) = value else { continue };
        for grantee in value.split(',') {
            let malformed = || Error::invalid_argument("Argument format not recognized", header, value);
            let (kind, name) = grantee.trim().split_once('=').ok_or_else(malformed)?;
            let name = name.trim().trim_matches('"');
            let grantee = match kind.trim().to_ascii_lowercase().as_str() {
                "id" => of_id(name, header)?,
                "uri" => of_uri(name)?,
                "emailaddress" => return Err(unresolvable(name)),
                _ => return Err(malformed()),
            };
            grants.push(Grant { grantee, permission: (*permission).to_owned() });
        }
    }
    let acl = Acl { owner: owner.to_owned(), grants };
    Ok((!acl.grants.is_empty()).then_some(acl))
}

fn of_id(id: &str, argument: &str) -> Result<Grantee, Error> {
    if id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(Grantee::Account(id.to_ascii_lowercase()));
    }
    Err(Error::invalid_argument("Invalid id", argument, id))
}

fn of_uri(uri: &str) -> Result<Grantee, Error> {
    if [ALL, AUTHENTICATED, LOG_DELIVERY].contains(&uri) {
        return Ok(Grantee::Group(uri.to_owned()));
    }
    Err(Error::invalid_argument("Invalid group uri", "uri", uri))
}

/// Accounts here have no e-mail addresses.
fn unresolvable(address: &str) -> Error {
    let text = "The e-mail address you provided does not match any account on record.";
    service::ApiError::new(400, "UnresolvableGrantByEmailAddress", text).with("emailAddress", address).into()
}

pub fn malformed() -> Error {
    let text = "The XML you provided was not well-formed or did not validate against our published schema";
    service::ApiError::new(400, "MalformedACLError", text).into()
}

/// The list of a body. The owner stays who it is.
pub fn of_body(policy: &s3_api::AccessControlPolicy, owner: &str) -> Result<Acl, Error> {
    let stated = policy.owner.as_ref().and_then(|owner| owner.id.as_deref()).ok_or_else(malformed)?;
    if stated != canonical_id(owner) {
        return Err(Error::AccessDenied("Access Denied".to_owned()));
    }
    let list = policy.grants.as_deref().ok_or_else(malformed)?;
    if list.len() > MAX_GRANTS {
        return Err(malformed());
    }
    let mut grants = Vec::new();
    for grant in list {
        let (Some(grantee), Some(permission)) = (&grant.grantee, &grant.permission) else { return Err(malformed()) };
        let known = ["FULL_CONTROL", "READ", "WRITE", "READ_ACP", "WRITE_ACP"].contains(&permission.as_str());
        let named = match (grantee.r#type.as_str(), &grantee.id, &grantee.uri, &grantee.email_address) {
            ("CanonicalUser", Some(id), ..) => of_id(id, "CanonicalUser/ID")?,
            ("Group", _, Some(uri), _) => of_uri(uri)?,
            ("AmazonCustomerByEmail", _, _, Some(address)) => return Err(unresolvable(address)),
            _ => return Err(malformed()),
        };
        if !known {
            return Err(malformed());
        }
        grants.push(Grant { grantee: named, permission: permission.as_str().to_owned() });
    }
    Ok(Acl { owner: owner.to_owned(), grants })
}

/// As clients see it.
pub fn show(acl: &Acl) -> Vec<s3_api::Grant> {
    let grantee = |grantee: &Grantee| match grantee {
        Grantee::Account(id) => {
            s3_api::Grantee { id: Some(id.clone()), r#type: s3_api::Type::CanonicalUser, ..Default::default() }
        }
        Grantee::Group(uri) => {
            s3_api::Grantee { uri: Some(uri.clone()), r#type: s3_api::Type::Group, ..Default::default() }
        }
    };
    let show = |grant: &Grant| s3_api::Grant {
        grantee: Some(grantee(&grant.grantee)),
        permission: Some(s3_api::Permission::from(grant.permission.as_str())),
    };
    acl.grants.iter().map(show).collect()
}

/// What a permission allows on a bucket.
fn bucket_actions(permission: &str) -> &'static [&'static str] {
    match permission {
        "READ" => &["s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"],
        "WRITE" => &["s3:PutObject", "s3:DeleteObject"],
        "READ_ACP" => &["s3:GetBucketAcl"],
        "WRITE_ACP" => &["s3:PutBucketAcl"],
        _ => &[
            "s3:ListBucket",
            "s3:ListBucketVersions",
            "s3:ListBucketMultipartUploads",
            "s3:PutObject",
            "s3:DeleteObject",
            "s3:GetBucketAcl",
            "s3:PutBucketAcl",
        ],
    }
}

/// What a permission allows on an object.
fn object_actions(permission: &str) -> &'static [&'static str] {
    match permission {
        "READ" => &["s3:GetObject", "s3:GetObjectVersion"],
        "READ_ACP" => &["s3:GetObjectAcl", "s3:GetObjectVersionAcl"],
        "WRITE_ACP" => &["s3:PutObjectAcl", "s3:PutObjectVersionAcl"],
        "FULL_CONTROL" => &[
            "s3:GetObject",
            "s3:GetObjectVersion",
            "s3:GetObjectAcl",
            "s3:GetObjectVersionAcl",
            "s3:PutObjectAcl",
            "s3:PutObjectVersionAcl",
        ],
        _ => &[],
    }
}

/// The statements that say what a list allows a caller from `caller`'s account; an empty account is an anonymous caller's.
pub fn statements(acl: &Acl, of_bucket: bool, resource: &str, caller: &str, ignore_public: bool) -> Vec<Value> {
    let id = canonical_id(caller);
    let mut statements = Vec::new();
    for grant in &acl.grants {
        let principal = match &grant.grantee {
            Grantee::Account(grantee) if !caller.is_empty() && *grantee == id => {
                json!({ "AWS": format!("arn:aws:iam::{caller}:root") })
            }
            Grantee::Group(uri) if uri == ALL && !ignore_public => json!("*"),
            Grantee::Group(uri) if uri == AUTHENTICATED && !ignore_public && !caller.is_empty() => json!("*"),
            _ => continue,
        };
        let actions = if of_bucket { bucket_actions(&grant.permission) } else { object_actions(&grant.permission) };
        if !actions.is_empty() {
            statements.push(json!({
                "Effect": "Allow", "Principal": principal, "Action": actions, "Resource": resource,
            }));
        }
    }
    statements
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canned_lists() {
        assert_eq!(canned("private", "1", None).unwrap().grants.len(), 1);
        assert!(canned("public-read", "1", None).unwrap().is_public());
        assert!(!canned("log-delivery-write", "1", None).unwrap().is_public());
        assert_eq!(canned("bucket-owner-full-control", "1", Some("2")).unwrap().grants.len(), 2);
        assert_eq!(canned("bucket-owner-full-control", "1", Some("1")).unwrap().grants.len(), 1);
        assert!(canned("open", "1", None).is_err());
    }

    #[test]
    fn headers() {
        let id = canonical_id("2");
        let value = format!("id=\"{id}\", uri=\"{ALL}\"");
        let acl = of_headers("1", &[("x-amz-grant-read", "READ", Some(&value))]).unwrap().unwrap();
        assert_eq!(acl.grants, [account("2", "READ"), group(ALL, "READ")]);
        assert_eq!(of_headers("1", &[("x-amz-grant-read", "READ", None)]).unwrap(), None);
        for bad in ["x", "id=1", "uri=http://x", "emailAddress=a@b", "name=x"] {
            assert!(of_headers("1", &[("x-amz-grant-read", "READ", Some(bad))]).is_err(), "{bad}");
        }
    }

    #[test]
    fn whom_a_list_lets_in() {
        let acl = canned("authenticated-read", "1", None).unwrap();
        let allowed = |caller: &str, ignore: bool| statements(&acl, true, "*", caller, ignore).len();
        assert_eq!((allowed("1", false), allowed("2", false), allowed("", false)), (2, 1, 0));
        assert_eq!((allowed("1", true), allowed("2", true)), (1, 0));
    }
}
