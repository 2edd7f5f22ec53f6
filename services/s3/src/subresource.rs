//! What S3 asks of the query and the headers of a request as a whole, whatever operation they lead to.
//!
//! A sub-resource that is addressed in a way that does not exist must not lead to the object or bucket itself:
//! `DELETE /bucket/key?acl` deletes nothing.

use http::HeaderMap;
use service::ApiError;
use wire::OperationModel;

use crate::Error;

/// The sub-resources, as errors call them.
const NAMES: [(&str, &str); 37] = [
    ("abac", "ABAC"),
    ("accelerate", "ACCELERATE"),
    ("acl", "ACL"),
    ("analytics", "ANALYTICS"),
    ("annotation", "OBJECT_ANNOTATION"),
    ("attributes", "OBJECT_ATTRIBUTES"),
    ("cors", "CORS"),
    ("delete", "MULTI_OBJECT_DELETE"),
    ("encryption", "ENCRYPTION"),
    ("intelligent-tiering", "INTELLIGENT_TIERING"),
    ("inventory", "INVENTORY"),
    ("legal-hold", "OBJECT_LOCK_LEGALHOLD"),
    ("lifecycle", "LIFECYCLE"),
    ("location", "LOCATION"),
    ("logging", "LOGGING_STATUS"),
    ("metadataConfiguration", "METADATA_CONFIGURATION"),
    ("metadataTable", "METADATA_TABLE"),
    ("metrics", "METRICS"),
    ("notification", "NOTIFICATION"),
    ("object-lock", "OBJECT_LOCK"),
    ("ownershipControls", "OWNERSHIP_CONTROLS"),
    ("policy", "BUCKETPOLICY"),
    ("policyStatus", "POLICY_STATUS"),
    ("publicAccessBlock", "PUBLIC_ACCESS_BLOCK"),
    ("renameObject", "RENAME_OBJECT"),
    ("replication", "REPLICATION"),
    ("requestPayment", "REQUEST_PAYMENT"),
    ("restore", "OBJECT_RESTORE"),
    ("retention", "OBJECT_LOCK_RETENTION"),
    ("select", "SELECT"),
    ("session", "SESSION"),
    ("tagging", "TAGGING"),
    ("torrent", "TORRENT"),
    ("uploads", "UPLOADS"),
    ("versioning", "VERSIONING"),
    ("versions", "BUCKETVERSIONS"),
    ("website", "WEBSITE"),
];
/// Those that only objects have.
const OF_OBJECTS: [&str; 10] = [
    "annotation",
    "attributes",
    "encryption",
    "legal-hold",
    "renameObject",
    "restore",
    "retention",
    "select",
    "tagging",
    "torrent",
];

pub fn check(operation: &OperationModel, query: &[(String, String)], headers: &HeaderMap) -> Result<(), ApiError> {
    if query.is_empty() {
        return Ok(check_algorithm(operation, headers)?);
    }
    let fixed = operation.uri.split_once('?').map_or("", |(_, query)| query);
    let leads = |name: &str| fixed.split('&').any(|part| part.split('=').next() == Some(name));
    let of = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    // Pages ask for objects with parameters of their own, which have values.
    let plain = operation.method == "GET" && operation.uri.contains("{Key");
    let wanted = NAMES.iter().find(|(name, _)| of(name).is_some_and(|value| value.is_empty() || !plain));
    let met = || NAMES.iter().any(|(name, _)| leads(name));
    if let Some((name, kind)) = wanted.filter(|_| operation.method != "HEAD" && !met()) {
        return Err(wrong_address(operation, name, kind).into());
    }
    if let Some(kind) = of("list-type").filter(|kind| operation.name == "ListObjects" && *kind != "1") {
        return Err(Error::invalid_argument("Incorrect List Type specified in Request", "list-type", kind).into());
    }
    if let Some(number) = of("partNumber").filter(|_| operation.name == "PutObject") {
        let text = "This operation does not accept partNumber without uploadId";
        return Err(Error::invalid_argument(text, "partNumber", number).into());
    }
    Ok(check_algorithm(operation, headers)?)
}

fn wrong_address(operation: &OperationModel, name: &str, kind: &str) -> Error {
    let of_object = operation.uri.contains("{Key");
    if of_object && operation.method == "GET" && name == "uploads" {
        let text = "Key is not expected for the GET method ?uploads subresource";
        return Error::InvalidRequest(text.to_owned());
    }
    if of_object && name != "acl" && !OF_OBJECTS.contains(&name) {
        return Error::InvalidRequest(format!("There is no such thing as the ?{name} sub-resource for a key"));
    }
    let error = ApiError::new(405, "MethodNotAllowed", "The specified method is not allowed against this resource.");
    error.with("Method", operation.method).with("ResourceType", kind).into()
}

/// A body whose checksum is announced has one.
fn check_algorithm(operation: &OperationModel, headers: &HeaderMap) -> Result<(), Error> {
    let announced = matches!(operation.name, "PutObject" | "UploadPart" | "PutObjectAnnotation")
        && headers.contains_key("x-amz-sdk-checksum-algorithm");
    let stated = || {
        let stated = |name: &str| name.starts_with("x-amz-checksum-") && name != "x-amz-checksum-type";
        headers.contains_key("x-amz-trailer") || headers.keys().any(|name| stated(name.as_str()))
    };
    let known = || {
        let named = headers.get("x-amz-sdk-checksum-algorithm").and_then(|value| value.to_str().ok());
        named.is_some_and(|named| crate::checksum::Algorithm::parse(named).is_some())
    };
    if announced && known() && !stated() {
        let text = "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.";
        return Err(Error::InvalidRequest(text.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::ServiceModel;

    const MODEL: &ServiceModel = &s3_api::SERVICE_MODEL;

    fn code(operation: &str, query: &[(&str, &str)]) -> String {
        let operation = MODEL.operations.iter().find(|one| one.name == operation).unwrap();
        let query: Vec<_> = query.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        check(operation, &query, &HeaderMap::new()).map_or_else(|error| error.code, |()| String::new())
    }

    #[test]
    fn every_operation_reaches_its_sub_resource() {
        for operation in MODEL.operations {
            let fixed = operation.uri.split_once('?').map_or("", |(_, query)| query);
            let query: Vec<_> = fixed.split('&').map(|part| part.split_once('=').unwrap_or((part, ""))).collect();
            assert_eq!(code(operation.name, &query), "", "{}", operation.name);
        }
    }

    #[test]
    fn addresses_that_lead_nowhere() {
        assert_eq!(code("DeleteObject", &[("acl", "")]), "MethodNotAllowed");
        assert_eq!(code("DeleteBucket", &[("acl", "")]), "MethodNotAllowed");
        assert_eq!(code("CreateBucket", &[("retention", "")]), "MethodNotAllowed");
        assert_eq!(code("GetObject", &[("uploads", "")]), "InvalidRequest");
        assert_eq!(code("PutObject", &[("policy", "")]), "InvalidRequest");
        assert_eq!(code("DeleteObject", &[("acl", "x")]), "MethodNotAllowed");
        assert_eq!(code("GetObject", &[("location", "north")]), "");
        assert_eq!(code("PutObject", &[("partNumber", "1")]), "InvalidArgument");
        assert_eq!(code("ListObjects", &[("list-type", "3")]), "InvalidArgument");
        assert_eq!(code("GetObject", &[("versionId", "null"), ("x-id", "GetObject")]), "");
    }
}
