//! The errors of STS.

service::errors! {
    pub enum Error {
        AccessDenied = 403 "AccessDenied",
        Validation = 400 "ValidationError",
        MalformedPolicyDocument = 400 "MalformedPolicyDocument",
        PackedPolicyTooLarge = 400 "PackedPolicyTooLarge",
        InvalidIdentityToken = 400 "InvalidIdentityToken",
        ExpiredToken = 400 "ExpiredTokenException",
        IdpCommunication = 400 "IDPCommunicationError",
        InvalidAuthorizationMessage = 400 "InvalidAuthorizationMessageException",
    }
}
