//! What directory buckets do not have, refused in S3's words.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-express-differences.html>

use service::ApiError;

use crate::Error;
use crate::store::Bucket;

/// Settings of buckets by their actions, with the name of the XML. The endpoint of bucket calls takes them for a
/// CreateBucket.
const SETTINGS: [(&str, &str); 16] = [
    ("PutAccelerateConfiguration", "AccelerateConfiguration"),
    ("PutAnalyticsConfiguration", "AnalyticsConfiguration"),
    ("PutBucketAbac", "AbacStatus"),
    ("PutBucketAcl", "AccessControlPolicy"),
    ("PutBucketCORS", "CORSConfiguration"),
    ("PutBucketLogging", "BucketLoggingStatus"),
    ("PutBucketNotification", "NotificationConfiguration"),
    ("PutBucketObjectLockConfiguration", "ObjectLockConfiguration"),
    ("PutBucketOwnershipControls", "OwnershipControls"),
    ("PutBucketPublicAccessBlock", "PublicAccessBlockConfiguration"),
    ("PutBucketRequestPayment", "RequestPaymentConfiguration"),
    ("PutBucketTagging", "Tagging"),
    ("PutBucketVersioning", "VersioningConfiguration"),
    ("PutBucketWebsite", "WebsiteConfiguration"),
    ("PutIntelligentTieringConfiguration", "IntelligentTieringConfiguration"),
    ("PutReplicationConfiguration", "ReplicationConfiguration"),
];

/// An operation that directory buckets do not have, by its action.
pub fn operation(action: &str, object: bool) -> Error {
    let action = action.trim_start_matches("s3:");
    if let Some((_, xml)) = SETTINGS.iter().find(|(name, _)| *name == action) {
        let text = format!("{xml} is not valid, expected CreateBucketConfiguration");
        return ApiError::new(400, "InvalidArgument", text).into();
    }
    if object || action.starts_with("List") {
        let text = "A header or query you provided requested a function that is not implemented.";
        return Error::NotImplemented(text.to_owned());
    }
    let text = "The specified method is not allowed against this resource.";
    let method = match action {
        action if action.starts_with("Get") => "GET",
        action if action.starts_with("Delete") => "DELETE",
        _ => "PUT",
    };
    ApiError::new(405, "MethodNotAllowed", text).with("Method", method).with("ResourceType", "BUCKET").into()
}

/// The first version of ListObjects.
pub fn list_v1() -> Error {
    let text = "This bucket does not support ListObjects. Use ListObjectsV2 instead.";
    ApiError::new(400, "NotSupported", text).into()
}

/// Headers of a request to a directory bucket, each with whether it is there.
pub fn headers(bucket: &Bucket, headers: &[(&str, bool)]) -> Result<(), Error> {
    match headers.iter().find(|(_, there)| *there) {
        Some((name, _)) if bucket.directory.is_some() => Err(Error::header_not_implemented(name)),
        _ => Ok(()),
    }
}

/// MD5 is no checksum here.
pub fn content_md5(bucket: &Bucket, given: Option<&str>) -> Result<(), Error> {
    match given {
        Some(_) if bucket.directory.is_some() => {
            Err(Error::NotImplemented("This bucket does not support Content Md5 header.".to_owned()))
        }
        _ => Ok(()),
    }
}

/// The storage class of a request must be the bucket's, if it names one.
pub fn storage_class(bucket: &Bucket, asked: Option<&str>) -> Result<Option<String>, Error> {
    let own = super::storage_class(bucket.directory.as_ref().is_some_and(|directory| directory.local));
    match asked {
        Some(asked) if asked != own => {
            Err(Error::InvalidStorageClass("The storage class you specified is not valid".to_owned()))
        }
        _ => Ok(Some(own.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations() {
        let said = |action: &str, object: bool| {
            let error = ApiError::from(operation(action, object));
            (error.status, error.code, error.message)
        };
        let (status, code, text) = said("s3:PutBucketVersioning", false);
        assert_eq!((status, code.as_str()), (400, "InvalidArgument"));
        assert_eq!(text, "VersioningConfiguration is not valid, expected CreateBucketConfiguration");
        assert_eq!(said("s3:GetBucketVersioning", false).0, 405);
        assert_eq!(said("s3:GetObjectTagging", true).0, 501);
        assert_eq!(said("s3:ListBucketVersions", false).0, 501);
    }
}
