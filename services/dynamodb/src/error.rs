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
    TransactionCanceled(Vec<CancellationReason>),
    IdempotentParameterMismatch,
    NotImplemented(String),
    Internal(String),
}

impl From<Invalid> for Error {
    fn from(Invalid(message): Invalid) -> Error {
        Error::Validation(message)
    }
}

/// What one member of a transaction has to say about its cancellation.
#[derive(Clone, Debug, PartialEq)]
pub struct CancellationReason {
    pub code: &'static str,
    pub message: Option<String>,
    pub item: Option<Item>,
}

impl CancellationReason {
    pub fn none() -> CancellationReason {
        CancellationReason { code: "None", message: None, item: None }
    }

    pub fn condition(item: Option<Item>) -> CancellationReason {
        let message = Some("The conditional request failed".to_owned());
        CancellationReason { code: "ConditionalCheckFailed", message, item }
    }

    pub fn validation(message: String) -> CancellationReason {
        CancellationReason { code: "ValidationError", message: Some(message), item: None }
    }

    pub fn cancels(&self) -> bool {
        self.code != "None"
    }
}
