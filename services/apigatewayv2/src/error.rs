//! The errors of the control plane.

service::errors! {
    /// One variant per error of the model.
    pub enum Error {
        /// Something in the request is not as it should be.
        BadRequest = 400 "BadRequestException",
        /// It exists already, or something else depends on it.
        Conflict = 409 "ConflictException",
        /// No such API, route, integration, ….
        NotFound = 404 "NotFoundException",
        /// The model knows it, this service does not do it.
        NotImplemented = 501 "NotImplemented",
    }
}

/// A bad request in words that need no value.
pub fn bad<T>(message: &str) -> Result<T, Error> {
    Err(Error::BadRequest(message.to_owned()))
}
