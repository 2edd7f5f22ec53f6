//! The errors of CloudWatch Logs.

service::errors! {
    pub enum Error {
        ResourceNotFound = 400 "ResourceNotFoundException",
        ResourceAlreadyExists = 400 "ResourceAlreadyExistsException",
        InvalidParameter = 400 "InvalidParameterException",
        LimitExceeded = 400 "LimitExceededException",
        Validation = 400 "ValidationException",
    }
}

impl Error {
    pub(crate) fn no_group() -> Self {
        Error::ResourceNotFound("The specified log group does not exist.".to_owned())
    }

    pub(crate) fn no_stream() -> Self {
        Error::ResourceNotFound("The specified log stream does not exist.".to_owned())
    }
}
