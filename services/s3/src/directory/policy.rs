//! What a policy of a directory bucket must be, beyond a policy: its actions are those of S3 Express, and its only resource is the
//! bucket. <https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-express-security-iam-example-bucket-policies.html>

use serde_json::{Map, Value};

use crate::Error;
use crate::bucket_policy::{Rules, check_document, detailed, glob};

const ACTIONS: [&str; 17] = [
    "CreateBucket",
    "CreateSession",
    "DeleteBucket",
    "DeleteBucketPolicy",
    "GetBucketPolicy",
    "GetEncryptionConfiguration",
    "GetInventoryConfiguration",
    "GetLifecycleConfiguration",
    "GetMetricsConfiguration",
    "ListTagsForResource",
    "PutBucketPolicy",
    "PutEncryptionConfiguration",
    "PutInventoryConfiguration",
    "PutLifecycleConfiguration",
    "PutMetricsConfiguration",
    "TagResource",
    "UntagResource",
];

/// The condition keys, without `s3express:`; those that end in a slash go on with the name of a tag.
const KEYS: [&str; 15] = [
    "accesspointnetworkorigin",
    "allaccessrestrictedtolocalzonegroup",
    "authtype",
    "buckettag/",
    "dataaccesspointaccount",
    "dataaccesspointarn",
    "locationname",
    "permissions",
    "resourceaccount",
    "sessionmode",
    "signatureage",
    "signatureversion",
    "tlsversion",
    "x-amz-content-sha256",
    "x-amz-server-side-encryption",
];

/// Checks the policy of the bucket of an ARN.
pub fn check(text: &str, arn: &str) -> Result<(), Error> {
    check_document(text, &Express(arn))
}

struct Express<'a>(&'a str);

impl Rules for Express<'_> {
    fn check_action(&self, action: &str) -> Result<(), Error> {
        let lower = action.to_ascii_lowercase();
        let name = if lower == "*" { "*" } else { lower.strip_prefix("s3express:").unwrap_or_default() };
        let known = |known: &&str| glob(name.as_bytes(), known.to_ascii_lowercase().as_bytes());
        match ACTIONS.iter().any(known) {
            true => Ok(()),
            false => Err(detailed("Policy has invalid action", action.to_owned())),
        }
    }

    fn check_resource(&self, resource: &str) -> Result<(), Error> {
        match glob(resource.as_bytes(), self.0.as_bytes()) {
            true => Ok(()),
            false => Err(detailed("Policy has invalid resource", resource.to_owned())),
        }
    }

    fn check_together(&self, _: &[&str], _: &[&str]) -> Result<(), Error> {
        Ok(())
    }

    fn check_condition(&self, condition: &Map<String, Value>, _: Option<&[&str]>) -> Result<(), Error> {
        for key in condition.values().filter_map(Value::as_object).flat_map(Map::keys) {
            let lower = key.to_ascii_lowercase();
            let own = lower.strip_prefix("s3express:").is_some_and(|own| {
                KEYS.iter().any(|known| own == *known || (known.ends_with('/') && own.starts_with(known)))
                    || own.starts_with("x-amz-server-side-encryption")
            });
            if !own && !["aws:", "kms:"].iter().any(|prefix| lower.starts_with(prefix)) {
                return Err(detailed("Policy has an invalid condition key", key.clone()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use service::ApiError;

    use super::*;

    const ARN: &str = "arn:aws:s3express:us-east-1:123456789012:bucket/b--use1-az4--x-s3";

    fn said(action: &str, resource: &str, key: &str) -> String {
        let policy = serde_json::json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": { "AWS": "123456789012" }, "Action": action, "Resource": resource,
            "Condition": { "StringEquals": { key: "x" } },
        }] });
        check(&policy.to_string(), ARN).map_or_else(|error| ApiError::from(error).message, |()| String::new())
    }

    #[test]
    fn statements() {
        assert_eq!(said("s3express:CreateSession", ARN, "s3express:SessionMode"), "");
        assert_eq!(said("s3express:*", "arn:aws:s3express:*:*:bucket/b--*", "aws:SourceVpc"), "");
        assert_eq!(said("*", ARN, "s3express:BucketTag/team"), "");
        assert_eq!(said("s3:GetObject", ARN, "aws:SourceVpc"), "Policy has invalid action");
        assert_eq!(said("s3express:CreateSession", "arn:aws:s3:::b", "aws:x"), "Policy has invalid resource");
        assert_eq!(said("s3express:CreateSession", ARN, "s3:prefix"), "Policy has an invalid condition key");
    }
}
