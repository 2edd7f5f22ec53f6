//! What S3 asks of a bucket policy beyond what every policy must be: principals, and actions, resources and conditions that
//! belong together. <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-policies.html>
//!
//! Whether a principal exists is not asked: accounts need not be made here before they are used.

use serde_json::{Map, Value};
use service::policy::Policy;
use service::{ApiError, Arn};

use crate::Error;

/// The longest policy.
const MAX_POLICY: usize = 20 * 1024;
const SYNTAX: &str = "Invalid policy syntax.";

/// The actions on buckets, without their prefix.
const OF_BUCKETS: &[&str] = &[
    "CreateBucket",
    "DeleteBucket",
    "DeleteBucketOwnershipControls",
    "DeleteBucketPolicy",
    "DeleteBucketWebsite",
    "GetAccelerateConfiguration",
    "GetAnalyticsConfiguration",
    "GetBucketAbac",
    "GetBucketAcl",
    "GetBucketCORS",
    "GetBucketLocation",
    "GetBucketLogging",
    "GetBucketMetadataTableConfiguration",
    "GetBucketNotification",
    "GetBucketObjectLockConfiguration",
    "GetBucketOwnershipControls",
    "GetBucketPolicy",
    "GetBucketPolicyStatus",
    "GetBucketPublicAccessBlock",
    "GetBucketRequestPayment",
    "GetBucketTagging",
    "GetBucketVersioning",
    "GetBucketWebsite",
    "GetEncryptionConfiguration",
    "GetIntelligentTieringConfiguration",
    "GetInventoryConfiguration",
    "GetLifecycleConfiguration",
    "GetMetricsConfiguration",
    "GetReplicationConfiguration",
    "ListBucket",
    "ListBucketMultipartUploads",
    "ListBucketVersions",
    "ListTagsForResource",
    "PutAccelerateConfiguration",
    "PutAnalyticsConfiguration",
    "PutBucketAbac",
    "PutBucketAcl",
    "PutBucketCORS",
    "PutBucketLogging",
    "PutBucketNotification",
    "PutBucketObjectLockConfiguration",
    "PutBucketOwnershipControls",
    "PutBucketPolicy",
    "PutBucketPublicAccessBlock",
    "PutBucketRequestPayment",
    "PutBucketTagging",
    "PutBucketVersioning",
    "PutBucketWebsite",
    "PutEncryptionConfiguration",
    "PutIntelligentTieringConfiguration",
    "PutInventoryConfiguration",
    "PutLifecycleConfiguration",
    "PutMetricsConfiguration",
    "PutReplicationConfiguration",
    "TagResource",
    "UntagResource",
];

/// The actions on objects.
const OF_OBJECTS: &[&str] = &[
    "AbortMultipartUpload",
    "BypassGovernanceRetention",
    "DeleteObject",
    "DeleteObjectAnnotation",
    "DeleteObjectTagging",
    "DeleteObjectVersion",
    "DeleteObjectVersionTagging",
    "GetObject",
    "GetObjectAcl",
    "GetObjectAnnotation",
    "GetObjectAttributes",
    "GetObjectLegalHold",
    "GetObjectRetention",
    "GetObjectTagging",
    "GetObjectTorrent",
    "GetObjectVersion",
    "GetObjectVersionAcl",
    "GetObjectVersionAttributes",
    "GetObjectVersionForReplication",
    "GetObjectVersionTagging",
    "GetObjectVersionTorrent",
    "InitiateReplication",
    "ListMultipartUploadParts",
    "ListObjectAnnotations",
    "ObjectOwnerOverrideToBucketOwner",
    "PutObject",
    "PutObjectAcl",
    "PutObjectAnnotation",
    "PutObjectLegalHold",
    "PutObjectRetention",
    "PutObjectTagging",
    "PutObjectVersionAcl",
    "PutObjectVersionTagging",
    "ReplicateDelete",
    "ReplicateObject",
    "ReplicateTags",
    "RestoreObject",
    "UpdateObjectEncryption",
];

/// The actions that the keys `s3:prefix`, `s3:delimiter` and `s3:max-keys` are for.
const LISTS: &[&str] = &["ListBucket", "ListBucketVersions", "ListBucketMultipartUploads"];

/// S3's own condition keys; those that end in a slash go on with the name of a tag.
const KEYS: &[&str] = &[
    "s3:accessgrantsinstancearn",
    "s3:accesspointnetworkorigin",
    "s3:accesspointtag/",
    "s3:authtype",
    "s3:buckettag/",
    "s3:dataaccesspointaccount",
    "s3:dataaccesspointarn",
    "s3:delimiter",
    "s3:destinationregion",
    "s3:existingjoboperation",
    "s3:existingjobpriority",
    "s3:existingobjecttag/",
    "s3:if-match",
    "s3:if-none-match",
    "s3:inventoryaccessibleoptionalfields",
    "s3:isreplicationpauserequest",
    "s3:jobsuspendedcause",
    "s3:locationconstraint",
    "s3:max-keys",
    "s3:object-lock-legal-hold",
    "s3:object-lock-mode",
    "s3:object-lock-remaining-retention-days",
    "s3:object-lock-retain-until-date",
    "s3:objectcreationoperation",
    "s3:prefix",
    "s3:requestjoboperation",
    "s3:requestjobpriority",
    "s3:requestobjecttag/",
    "s3:requestobjecttagkeys",
    "s3:resourceaccount",
    "s3:signatureage",
    "s3:signatureversion",
    "s3:tlsversion",
    "s3:versionid",
    "s3:x-amz-acl",
    "s3:x-amz-content-sha256",
    "s3:x-amz-copy-source",
    "s3:x-amz-grant-full-control",
    "s3:x-amz-grant-read",
    "s3:x-amz-grant-read-acp",
    "s3:x-amz-grant-write",
    "s3:x-amz-grant-write-acp",
    "s3:x-amz-metadata-directive",
    "s3:x-amz-object-ownership",
    "s3:x-amz-server-side-encryption",
    "s3:x-amz-server-side-encryption-aws-kms-key-id",
    "s3:x-amz-server-side-encryption-customer-algorithm",
    "s3:x-amz-storage-class",
    "s3:x-amz-website-redirect-location",
];

fn malformed(text: impl Into<String>) -> Error {
    Error::MalformedPolicy(text.into())
}

pub fn detailed(text: &str, detail: String) -> Error {
    ApiError::new(400, "MalformedPolicy", text).with("Detail", detail).into()
}

/// What the statements of a kind of bucket may speak of.
pub trait Rules {
    fn check_action(&self, action: &str) -> Result<(), Error>;
    fn check_resource(&self, resource: &str) -> Result<(), Error>;
    fn check_together(&self, actions: &[&str], resources: &[&str]) -> Result<(), Error>;
    fn check_condition(&self, condition: &Map<String, Value>, actions: Option<&[&str]>) -> Result<(), Error>;
}

/// A general purpose bucket of this name.
struct General<'a>(&'a str);

impl Rules for General<'_> {
    fn check_action(&self, action: &str) -> Result<(), Error> {
        match expand(action, OF_BUCKETS).is_empty() && expand(action, OF_OBJECTS).is_empty() {
            true => Err(detailed("Policy has invalid action", action.to_owned())),
            false => Ok(()),
        }
    }

    fn check_resource(&self, resource: &str) -> Result<(), Error> {
        let bucket = self.0;
        let name = resource.strip_prefix("arn:aws:s3:::").map(|path| path.split('/').next().unwrap_or_default());
        match name.is_some_and(|name| name == bucket || (name.contains(['*', '?', '$']) && matches(name, bucket))) {
            true => Ok(()),
            false => Err(detailed("Policy has invalid resource", resource.to_owned())),
        }
    }

    fn check_together(&self, actions: &[&str], resources: &[&str]) -> Result<(), Error> {
        check_together(actions, resources)
    }

    fn check_condition(&self, condition: &Map<String, Value>, actions: Option<&[&str]>) -> Result<(), Error> {
        check_condition(condition, actions)
    }
}

/// Checks the policy of a bucket.
pub fn check(text: &str, bucket: &str) -> Result<(), Error> {
    check_document(text, &General(bucket))
}

pub fn check_document(text: &str, rules: &impl Rules) -> Result<(), Error> {
    if text.len() > MAX_POLICY {
        return Err(malformed("Policies must be 20480 bytes or less"));
    }
    let document = match serde_json::from_str(text) {
        Ok(Value::Object(document)) => document,
        _ => return Err(malformed("Policies must be valid JSON and the first byte must be '{'")),
    };
    known_fields(&document, &["Version", "Id", "Statement"])?;
    let statements = match document.get("Statement") {
        None | Some(Value::Null) => return Err(malformed("Missing required field Statement")),
        Some(Value::Array(all)) => all.as_slice(),
        Some(one @ Value::Object(_)) => std::slice::from_ref(one),
        Some(_) => return Err(malformed(SYNTAX)),
    };
    for statement in statements {
        check_statement(statement.as_object().ok_or_else(|| malformed(SYNTAX))?, rules)?;
    }
    let policy = Policy::parse(text).map_err(|error| malformed(error.to_string()))?;
    if policy.statements.is_empty() {
        return Err(malformed("Could not parse the policy: Statement is empty!"));
    }
    Ok(())
}

fn known_fields(object: &Map<String, Value>, known: &[&str]) -> Result<(), Error> {
    match object.keys().find(|field| !known.contains(&field.as_str())) {
        Some(field) => Err(malformed(format!("Unknown field {field}"))),
        None => Ok(()),
    }
}

/// One of two fields that exclude each other.
fn either<'a>(statement: &'a Map<String, Value>, name: &str, not: &str) -> Result<(bool, &'a Value), Error> {
    match (statement.get(name), statement.get(not)) {
        (Some(_), Some(_)) => Err(malformed(SYNTAX)),
        (Some(value), None) => Ok((true, value)),
        (None, Some(value)) => Ok((false, value)),
        (None, None) => Err(malformed(format!("Missing required field {name}"))),
    }
}

/// A text or a list of them.
fn texts(value: &Value) -> Result<Vec<&str>, Error> {
    let list = match value {
        Value::String(text) => vec![text.as_str()],
        Value::Array(list) => {
            list.iter().map(|text| text.as_str().ok_or_else(|| malformed(SYNTAX))).collect::<Result<_, _>>()?
        }
        _ => Vec::new(),
    };
    if list.is_empty() { Err(malformed(SYNTAX)) } else { Ok(list) }
}

fn check_statement(statement: &Map<String, Value>, rules: &impl Rules) -> Result<(), Error> {
    const FIELDS: [&str; 9] =
        ["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"];
    known_fields(statement, &FIELDS)?;
    match statement.get("Effect") {
        None => return Err(malformed("Missing required field Effect")),
        Some(Value::String(effect)) if effect == "Allow" || effect == "Deny" => {}
        Some(Value::String(effect)) => return Err(malformed(format!("Invalid effect: {effect}"))),
        Some(_) => return Err(malformed(SYNTAX)),
    }
    let (_, principal) = either(statement, "Principal", "NotPrincipal")?;
    check_principal(principal)?;
    let (named, actions) = either(statement, "Action", "NotAction")?;
    let actions = texts(actions)?;
    for action in &actions {
        rules.check_action(action)?;
    }
    let (within, resources) = either(statement, "Resource", "NotResource")?;
    let resources = texts(resources)?;
    for resource in &resources {
        rules.check_resource(resource)?;
    }
    if named && within {
        rules.check_together(&actions, &resources)?;
    }
    match statement.get("Condition") {
        None => Ok(()),
        Some(Value::Object(condition)) => rules.check_condition(condition, named.then_some(actions.as_slice())),
        Some(_) => Err(malformed(SYNTAX)),
    }
}

/// The actions that a pattern such as `s3:Get*` means.
fn expand(pattern: &str, all: &[&'static str]) -> Vec<&'static str> {
    let lower = pattern.to_ascii_lowercase();
    let name = if lower == "*" { "*" } else { lower.strip_prefix("s3:").unwrap_or_default() };
    all.iter().filter(|action| matches(name, &action.to_ascii_lowercase())).copied().collect()
}

/// Whether a pattern with `*` and `?` matches. A variable (`${…}`) stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    let mut bytes = Vec::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once("${") {
        bytes.extend_from_slice(before.as_bytes());
        bytes.push(b'*');
        rest = after.split_once('}').map_or("", |(_, after)| after);
    }
    bytes.extend_from_slice(rest.as_bytes());
    glob(&bytes, text.as_bytes())
}

pub fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut from, mut star) = (0, 0, None);
    while from < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[from] => {
                at += 1;
                from += 1;
            }
            _ => match &mut star {
                Some((place, taken)) => {
                    *taken += 1;
                    (at, from) = (*place + 1, *taken);
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(at).all(|byte| *byte == b'*')
}

/// Each action must have a resource of its kind.
fn check_together(actions: &[&str], resources: &[&str]) -> Result<(), Error> {
    let objects = resources.iter().any(|resource| resource.contains(['/', '*']));
    let buckets = resources.iter().any(|resource| !resource.contains('/'));
    let apply = |action: &&str| {
        (buckets && !expand(action, OF_BUCKETS).is_empty()) || (objects && !expand(action, OF_OBJECTS).is_empty())
    };
    match actions.iter().all(apply) {
        true => Ok(()),
        false => Err(malformed("Action does not apply to any resource(s) in statement")),
    }
}

fn check_principal(principal: &Value) -> Result<(), Error> {
    let kinds = match principal {
        Value::String(all) if all == "*" => return Ok(()),
        Value::Object(kinds) if !kinds.is_empty() => kinds,
        _ => return Err(malformed(SYNTAX)),
    };
    for (kind, value) in kinds {
        let valid: fn(&str) -> bool = match kind.as_str() {
            "AWS" => is_identity,
            "Service" => |name| name.ends_with(".amazonaws.com"),
            "Federated" => |name| !name.is_empty(),
            "CanonicalUser" => |id| id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
            _ => return Err(malformed(SYNTAX)),
        };
        if let Some(wrong) = texts(value)?.into_iter().find(|one| !valid(one)) {
            return Err(detailed("Invalid principal in policy", format!("\"{kind}\" : \"{wrong}\"")));
        }
    }
    Ok(())
}

/// An account, a user, a role or a session.
fn is_identity(name: &str) -> bool {
    let account = |text: &str| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    let unique = |text: &str| {
        let known = ["AIDA", "AROA", "ANPA", "AGPA"].iter().any(|prefix| text.starts_with(prefix));
        known && text.len() >= 16 && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    if name == "*" || account(name) || unique(name) {
        return true;
    }
    let Some(arn) = Arn::parse(name).filter(|arn| account(&arn.account) && arn.region.is_empty()) else { return false };
    let kinds: &[&str] = match arn.service.as_str() {
        "iam" => &["user/", "role/"],
        "sts" => &["assumed-role/", "federated-user/"],
        _ => return false,
    };
    let below =
        |kind: &&str| arn.resource.strip_prefix(kind).is_some_and(|rest| !rest.is_empty() && !rest.contains('*'));
    (arn.service == "iam" && arn.resource == "root") || kinds.iter().any(below)
}

/// The keys must be known, and those of listings be asked of listings.
/// `StringEquals`, perhaps of all or any of several values, perhaps only where the key is there.
fn known_operator(operator: &str) -> bool {
    const KINDS: [&str; 27] = [
        "arnequals",
        "arnlike",
        "arnnotequals",
        "arnnotlike",
        "binaryequals",
        "bool",
        "dateequals",
        "dategreaterthan",
        "dategreaterthanequals",
        "datelessthan",
        "datelessthanequals",
        "datenotequals",
        "ipaddress",
        "notipaddress",
        "null",
        "numericequals",
        "numericgreaterthan",
        "numericgreaterthanequals",
        "numericlessthan",
        "numericlessthanequals",
        "numericnotequals",
        "stringequals",
        "stringequalsignorecase",
        "stringlike",
        "stringnotequals",
        "stringnotequalsignorecase",
        "stringnotlike",
    ];
    let lower = operator.to_ascii_lowercase();
    let bare = ["forallvalues:", "foranyvalue:"].iter().find_map(|set| lower.strip_prefix(set)).unwrap_or(&lower);
    let bare = bare.strip_suffix("ifexists").unwrap_or(bare);
    KINDS.contains(&bare)
}

fn check_condition(condition: &Map<String, Value>, actions: Option<&[&str]>) -> Result<(), Error> {
    for (operator, keys) in condition {
        if !known_operator(operator) {
            return Err(malformed(format!("Invalid Condition type : {operator}.")));
        }
        let Some(keys) = keys.as_object() else { continue };
        for key in keys.keys() {
            let lower = key.to_ascii_lowercase();
            let known = |name: &&str| lower == *name || (name.ends_with('/') && lower.starts_with(*name));
            let foreign = ["aws:", "kms:", "saml:", "cognito-identity.amazonaws.com:", "accounts.google.com:"];
            if !KEYS.iter().any(known) && !foreign.iter().any(|prefix| lower.starts_with(prefix)) {
                return Err(detailed("Policy has an invalid condition key", key.clone()));
            }
            let of_lists = matches!(lower.as_str(), "s3:prefix" | "s3:delimiter" | "s3:max-keys");
            let lists = |actions: &[&str]| actions.iter().any(|action| !expand(action, LISTS).is_empty());
            if of_lists && actions.is_some_and(|actions| !lists(actions)) {
                return Err(malformed("Conditions do not apply to combination of actions and resources in statement"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(change: Value) -> String {
        let mut statement = json!({
            "Effect": "Allow", "Principal": { "AWS": "123456789012" }, "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::bucket/*",
        });
        for (name, value) in change.as_object().unwrap() {
            match value {
                Value::Null => drop(statement.as_object_mut().unwrap().remove(name)),
                value => statement[name] = value.clone(),
            }
        }
        let policy = json!({ "Version": "2012-10-17", "Statement": [statement] });
        match check(&policy.to_string(), "bucket") {
            Ok(()) => String::new(),
            Err(error) => ApiError::from(error).message,
        }
    }

    #[test]
    fn documents() {
        let said = |text: &str| ApiError::from(check(text, "bucket").unwrap_err()).message;
        for text in ["", "{", "[]", "x", "\"a\""] {
            assert_eq!(said(text), "Policies must be valid JSON and the first byte must be '{'");
        }
        assert_eq!(said("{}"), "Missing required field Statement");
        assert_eq!(said(r#"{"Statement": [], "Foo": 1}"#), "Unknown field Foo");
        assert_eq!(said(r#"{"Statement": "x"}"#), SYNTAX);
        assert_eq!(said(r#"{"Statement": []}"#), "Could not parse the policy: Statement is empty!");
        assert_eq!(said(&" ".repeat(20_481)), "Policies must be 20480 bytes or less");
    }

    #[test]
    fn statements() {
        let both = json!(["arn:aws:s3:::bucket", "arn:aws:s3:::bucket/a*"]);
        for good in [
            json!({}),
            json!({ "Principal": "*" }),
            json!({ "Principal": { "AWS": ["*", "arn:aws:iam::123456789012:role/a/b"], "Service": "logging.s3.amazonaws.com" } }),
            json!({ "Action": ["s3:Get*", "s3:ListBucket"], "Resource": both }),
            json!({ "Action": "*" }),
            json!({ "Action": "S3:getobject" }),
            json!({ "Action": null, "NotAction": "s3:DeleteObject" }),
            json!({ "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::bucket", "Condition": { "StringLike": { "s3:prefix": "a" } } }),
            json!({ "Action": "s3:*", "Condition": { "StringEquals": { "s3:ExistingObjectTag/a": "b", "aws:SourceVpc": "v" } } }),
            json!({ "Resource": "arn:aws:s3:::bucket/${aws:username}/*" }),
            json!({ "Resource": "arn:aws:s3:::buck*" }),
        ] {
            assert_eq!(said(good.clone()), "", "{good}");
        }
        for (change, text) in [
            (json!({ "Foo": 1 }), "Unknown field Foo"),
            (json!({ "Effect": null }), "Missing required field Effect"),
            (json!({ "Effect": "allow" }), "Invalid effect: allow"),
            (json!({ "Principal": null }), "Missing required field Principal"),
            (json!({ "Principal": "foo" }), SYNTAX),
            (json!({ "Principal": {} }), SYNTAX),
            (json!({ "Principal": { "AWS": [] } }), SYNTAX),
            (json!({ "Principal": { "AWS": "foo" } }), "Invalid principal in policy"),
            (json!({ "Principal": { "AWS": "arn:aws:iam::123456789012:user/*" } }), "Invalid principal in policy"),
            (json!({ "Principal": { "Service": "foo" } }), "Invalid principal in policy"),
            (json!({ "Action": null }), "Missing required field Action"),
            (json!({ "Action": [] }), SYNTAX),
            (json!({ "Action": "GetObject" }), "Policy has invalid action"),
            (json!({ "Action": "s3:Foo" }), "Policy has invalid action"),
            (json!({ "Action": "ec2:RunInstances" }), "Policy has invalid action"),
            (json!({ "NotAction": "s3:GetObject" }), SYNTAX),
            (json!({ "Resource": null }), "Missing required field Resource"),
            (json!({ "Resource": "*" }), "Policy has invalid resource"),
            (json!({ "Resource": "arn:aws:s3:::other/*" }), "Policy has invalid resource"),
            (json!({ "Resource": "arn:aws:s3:::bucket" }), "Action does not apply to any resource(s) in statement"),
            (
                json!({ "Action": ["s3:GetObject", "s3:ListBucket"] }),
                "Action does not apply to any resource(s) in statement",
            ),
            (json!({ "Condition": { "StringEquals": { "foo:bar": "x" } } }), "Policy has an invalid condition key"),
            (json!({ "Condition": { "Foo": { "aws:username": "x" } } }), "Invalid Condition type : Foo."),
            (
                json!({ "Condition": { "StringEquals": { "s3:prefix": "x" } } }),
                "Conditions do not apply to combination of actions and resources in statement",
            ),
        ] {
            assert_eq!(said(change.clone()), text, "{change}");
        }
    }
}
