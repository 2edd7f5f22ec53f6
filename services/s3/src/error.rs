//! The errors of S3, in its words. Those that carry further members are made by functions.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>

use service::ApiError;

service::errors! {
    pub enum Error {
        AccessDenied = 403 "AccessDenied",
        AnnotationLimitExceeded = 400 "AnnotationLimitExceeded",
        AnnotationNameTooLong = 400 "AnnotationNameTooLong",
        AccessControlListNotSupported = 400 "AccessControlListNotSupported",
        BadDigest = 400 "BadDigest",
        BadRequest = 400 "BadRequest",
        EntityTooLarge = 400 "EntityTooLarge",
        IllegalLocationConstraint = 400 "IllegalLocationConstraintException",
        InvalidAnnotationName = 400 "InvalidAnnotationName",
        InvalidBucketAcl = 400 "InvalidBucketAclWithObjectOwnership",
        InvalidPartOrder = 400 "InvalidPartOrder",
        InvalidPrefix = 400 "InvalidPrefix",
        InvalidRequest = 400 "InvalidRequest",
        InvalidStorageClass = 400 "InvalidStorageClass",
        InvalidTag = 400 "InvalidTag",
        MalformedPolicy = 400 "MalformedPolicy",
        MalformedXml = 400 "MalformedXML",
        NotImplemented = 501 "NotImplemented",
        OperationAborted = 409 "OperationAborted",
        UnsupportedMediaType = 415 "UnsupportedMediaType",
    }
}

impl Error {
    fn with_bucket(status: u16, code: &str, message: &str, bucket: &str) -> Error {
        ApiError::new(status, code, message).with("BucketName", bucket).into()
    }

    pub fn no_such_bucket(bucket: &str) -> Error {
        Error::with_bucket(404, "NoSuchBucket", "The specified bucket does not exist", bucket)
    }

    pub fn invalid_bucket_name(bucket: &str) -> Error {
        Error::with_bucket(400, "InvalidBucketName", "The specified bucket is not valid.", bucket)
    }

    pub fn permanent_redirect(bucket: &str, region: &str) -> Error {
        let text = "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint.";
        let error = ApiError::new(301, "PermanentRedirect", text);
        let error = error.with("Endpoint", format!("{bucket}.s3.{region}.amazonaws.com")).with("Bucket", bucket);
        error.with_header("x-amz-bucket-region", region).into()
    }

    pub fn entity_too_large(size: u64) -> Error {
        let text = "Your proposed upload exceeds the maximum allowed size";
        let error = ApiError::new(400, "EntityTooLarge", text).with("ProposedSize", size.to_string());
        error.with("MaxSizeAllowed", crate::ops::MAX_PUT.to_string()).into()
    }

    pub fn missing_length() -> Error {
        ApiError::new(411, "MissingContentLength", "You must provide the Content-Length HTTP header.").into()
    }

    pub fn bucket_already_owned_by_you(bucket: &str) -> Error {
        let text = "Your previous request to create the named bucket succeeded and you already own it.";
        Error::with_bucket(409, "BucketAlreadyOwnedByYou", text, bucket)
    }

    pub fn bucket_already_exists(bucket: &str) -> Error {
        let text = "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.";
        Error::with_bucket(409, "BucketAlreadyExists", text, bucket)
    }

    pub fn bucket_not_empty(bucket: &str) -> Error {
        Error::with_bucket(409, "BucketNotEmpty", "The bucket you tried to delete is not empty", bucket)
    }

    /// 404 of a sub-resource that was never set: `NoSuchTagSet` and its like.
    pub fn no_such_configuration(code: &str, message: &str, bucket: &str) -> Error {
        Error::with_bucket(404, code, message, bucket)
    }

    pub fn no_such_key(key: &str) -> Error {
        ApiError::new(404, "NoSuchKey", "The specified key does not exist.").with("Key", key).into()
    }

    pub fn no_such_annotation(key: &str, name: &str) -> Error {
        let text = "The specified annotation does not exist on this object.";
        ApiError::new(404, "NoSuchAnnotation", text).with("Key", key).with("AnnotationName", name).into()
    }

    pub fn no_such_version(key: &str, id: &str) -> Error {
        let error = ApiError::new(404, "NoSuchVersion", "The specified version does not exist.");
        error.with("Key", key).with("VersionId", id).into()
    }

    pub fn invalid_bucket_state(message: &str) -> Error {
        ApiError::new(409, "InvalidBucketState", message).into()
    }

    pub fn no_website(bucket: &str) -> Error {
        let text = "The specified bucket does not have a website configuration";
        Error::no_such_configuration("NoSuchWebsiteConfiguration", text, bucket)
    }

    /// An archived object has to be restored before it is read.
    pub fn archived(object: &crate::store::Object) -> Error {
        let text = "The operation is not valid for the object's storage class";
        let error = ApiError::new(403, "InvalidObjectState", text);
        error.with("StorageClass", object.storage_class.as_deref().unwrap_or("STANDARD")).into()
    }

    /// A delete marker can only be deleted.
    pub fn is_marker(marker: &crate::store::Object, method: &str) -> Error {
        let text = "The specified method is not allowed against this resource.";
        let error = ApiError::new(405, "MethodNotAllowed", text);
        let modified = service::Timestamp::from_millis(marker.modified).http_date();
        let error = error.with("Method", method).with("ResourceType", "DeleteMarker");
        let error = error.with_header("x-amz-delete-marker", "true").with_header("Allow", "DELETE");
        error.with_header("Last-Modified", modified).with_header("x-amz-version-id", marker.version_id()).into()
    }

    pub fn no_such_upload(upload_id: &str) -> Error {
        let text = "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.";
        ApiError::new(404, "NoSuchUpload", text).with("UploadId", upload_id).into()
    }

    pub fn key_too_long(size: usize) -> Error {
        let error = ApiError::new(400, "KeyTooLongError", "Your key is too long");
        error.with("Size", size.to_string()).with("MaxSizeAllowed", "1024").into()
    }

    pub fn metadata_too_large(size: usize) -> Error {
        let text = "Your metadata headers exceed the maximum allowed metadata size";
        let error = ApiError::new(400, "MetadataTooLarge", text);
        error.with("Size", size.to_string()).with("MaxSizeAllowed", "2048").into()
    }

    pub fn invalid_argument(message: impl Into<String>, name: &str, value: &str) -> Error {
        let error = ApiError::new(400, "InvalidArgument", message);
        error.with("ArgumentName", name).with("ArgumentValue", value).into()
    }

    pub fn invalid_location_constraint(constraint: &str) -> Error {
        let error = ApiError::new(400, "InvalidLocationConstraint", "The specified location-constraint is not valid");
        error.with("LocationConstraint", constraint).into()
    }

    pub fn precondition_failed(condition: &str) -> Error {
        let text = "At least one of the pre-conditions you specified did not hold";
        ApiError::new(412, "PreconditionFailed", text).with("Condition", condition).into()
    }

    pub fn invalid_range(range: &str, size: u64) -> Error {
        let error = ApiError::new(416, "InvalidRange", "The requested range is not satisfiable");
        error.with("RangeRequested", range).with("ActualObjectSize", size.to_string()).into()
    }

    pub fn invalid_part_number(number: i32, count: usize) -> Error {
        let error = ApiError::new(416, "InvalidPartNumber", "The requested partnumber is not satisfiable");
        error.with("ActualPartCount", count.to_string()).with("PartNumberRequested", number.to_string()).into()
    }

    pub fn invalid_digest(given: &str) -> Error {
        ApiError::new(400, "InvalidDigest", "The Content-MD5 you specified was invalid.")
            .with("Content-MD5", given)
            .into()
    }

    pub fn bad_md5(given: &str, calculated: &str) -> Error {
        let error = ApiError::new(400, "BadDigest", "The Content-MD5 you specified did not match what we received.");
        error.with("ExpectedDigest", given).with("CalculatedDigest", calculated).into()
    }

    pub fn entity_too_small(size: u64, part: i32, etag: &str) -> Error {
        let text = "Your proposed upload is smaller than the minimum allowed size";
        let error = ApiError::new(400, "EntityTooSmall", text);
        let error = error.with("ProposedSize", size.to_string()).with("MinSizeAllowed", "5242880");
        error.with("PartNumber", part.to_string()).with("ETag", etag).into()
    }

    /// A header asks for something that is not done here.
    pub fn header_not_implemented(header: &str) -> Error {
        let text = "A header you provided implies functionality that is not implemented";
        ApiError::new(501, "NotImplemented", text).with("Header", header).into()
    }

    /// The same of conditions on a write, and what is wrong with them.
    pub fn condition_not_implemented(header: &str, why: &str) -> Error {
        let text = "A header you provided implies functionality that is not implemented";
        ApiError::new(501, "NotImplemented", text).with("Header", header).with("additionalMessage", why).into()
    }

    pub fn invalid_part(upload: &str, number: i32, etag: &str) -> Error {
        let text = "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.";
        let error = ApiError::new(400, "InvalidPart", text).with("UploadId", upload);
        error.with("PartNumber", number.to_string()).with("ETag", etag).into()
    }

    pub fn malformed_xml() -> Error {
        let text = "The XML you provided was not well-formed or did not validate against our published schema";
        Error::MalformedXml(text.to_owned())
    }

    /// What broke a body off is the client's fault unless the code says otherwise.
    pub fn broken_body(error: wire::StreamError) -> Error {
        let status = match error.code {
            "SignatureDoesNotMatch" => 403,
            "InternalError" => 500,
            _ => 400,
        };
        ApiError::new(status, error.code, error.message).into()
    }

    /// A failure of a file: it is not the client's.
    pub fn file(what: &str, error: &std::io::Error) -> Error {
        Error::Internal(service::Internal(format!("{what}: {error}")))
    }
}
