//! The errors of IAM.

service::errors! {
    pub enum Error {
        NoSuchEntity = 404 "NoSuchEntity",
        EntityAlreadyExists = 409 "EntityAlreadyExists",
        DeleteConflict = 409 "DeleteConflict",
        LimitExceeded = 409 "LimitExceeded",
        MalformedPolicyDocument = 400 "MalformedPolicyDocument",
        InvalidInput = 400 "InvalidInput",
        Validation = 400 "ValidationError",
        UnmodifiableEntity = 400 "UnmodifiableEntity",
        PasswordPolicyViolation = 400 "PasswordPolicyViolation",
    }
}
