//! Lambda's errors.

service::errors! {
    pub enum Error {
        AccessDenied = 403 "AccessDeniedException",
        /// The code storage of the account is used up.
        CodeStorageExceeded = 400 "CodeStorageExceededException",
        CodeSigningConfigNotFound = 404 "CodeSigningConfigNotFoundException",
        CodeVerificationFailed = 400 "CodeVerificationFailedException",
        InvalidParameterValue = 400 "InvalidParameterValueException",
        /// The body of the request is not JSON.
        InvalidRequestContent = 400 "InvalidRequestContentException",
        /// Something that Lambda can do and this cloud cannot.
        NotImplemented = 501 "NotImplemented",
        PolicyLengthExceeded = 400 "PolicyLengthExceededException",
        PreconditionFailed = 412 "PreconditionFailedException",
        ProvisionedConcurrencyConfigNotFound = 404 "ProvisionedConcurrencyConfigNotFoundException",
        /// A chain of calls led back to the function too often.
        RecursiveInvocation = 400 "RecursiveInvocationException",
        RequestTooLarge = 413 "RequestTooLargeException",
        ResourceConflict = 409 "ResourceConflictException",
        ResourceNotFound = 404 "ResourceNotFoundException",
        Service = 500 "ServiceException",
        TooManyRequests = 429 "TooManyRequestsException",
    }
}

impl Error {
    /// A broken constraint that the model does not state, or not in a form that is checked before.
    pub fn violation(value: &dyn std::fmt::Display, path: &str, constraint: &str) -> Self {
        let text = format!(
            "1 validation error detected: Value '{value}' at '{path}' failed to satisfy constraint: {constraint}"
        );
        Error::Reply(Box::new(service::ApiError::new(400, "ValidationException", text)))
    }
}
