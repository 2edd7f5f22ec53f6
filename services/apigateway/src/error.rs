//! The errors of the control plane.

service::errors! {
    /// One variant per error of the model.
    pub enum Error {
        /// Something that belongs to another account.
        AccessDenied = 403 "AccessDeniedException",
        /// Something in the request is not as it should be.
        BadRequest = 400 "BadRequestException",
        /// It exists already, or something else depends on it.
        Conflict = 409 "ConflictException",
        /// More of something than an account or API may have.
        LimitExceeded = 429 "LimitExceededException",
        /// No such API, resource, method, ….
        NotFound = 404 "NotFoundException",
        /// The model knows it, this service does not do it.
        NotImplemented = 501 "NotImplemented",
    }
}
