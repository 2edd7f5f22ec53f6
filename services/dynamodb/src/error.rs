//! What can go wrong, in AWS's words.

use crate::value::Item;

/// A request that breaks a rule of the service: answered as `ValidationException` with this message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid(pub String);

impl Invalid {
    pub fn new(message: &str) -> Invalid {
        Invalid(message.to_owned())
    }

    /// The common opening of AWS's complaints about values.
    pub fn values(detail: impl std::fmt::Display) -> Invalid {
        Invalid(format!("One or more parameter values were invalid: {detail}"))
    }
}

#[derive(Debug, PartialEq)]
pub enum Error {
    Validation(String),
    ResourceNotFound(String),
    ResourceInUse(String),
    TableNotFound(String),
    LimitExceeded(String),
    ConditionalCheckFailed(Option<Item>),
    NotImplemented(String),
    Internal(String),
}

impl From<Invalid> for Error {
    fn from(Invalid(message): Invalid) -> Error {
        Error::Validation(message)
    }
}
