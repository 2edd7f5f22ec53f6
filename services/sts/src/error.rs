//! The errors of STS.

service::errors! {
    pub enum Error {
        AccessDenied = 403 "AccessDenied",
        Validation = 400 "ValidationError",
        MalformedPolicyDocument = 400 "MalformedPolicyDocument",
        PackedPolicyTooLarge = 400 "PackedPolicyTooLarge",
        InvalidAuthorizationMessage = 400 "InvalidAuthorizationMessageException",
    }
}
