//! Errors. A service declares its own with [`errors!`]; whatever it is, the client gets an [`ApiError`], and the reason
//! of an internal failure goes to the log only.

use store::StoreError;

/// An error in the form that the protocols write.
pub type ApiError = wire::ErrorReply;

/// A failure that is not the client's: it is logged where it is turned into an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Internal(pub String);

impl From<StoreError> for Internal {
    fn from(error: StoreError) -> Self {
        Internal(error.to_string())
    }
}

impl From<Internal> for ApiError {
    fn from(error: Internal) -> Self {
        tracing::error!(reason = %error.0, "internal failure");
        ApiError::new(
            500,
            "InternalFailure",
            "The request processing has failed because of an unknown error, exception or failure.",
        )
    }
}

/// Declares a service's errors, each once with its status and code. A variant carries the message; `Internal` is for
/// what is not the client's fault, and `Reply` passes another service's answer on.
///
/// ```
/// service::errors! {
///     pub enum Error {
///         /// No such table.
///         ResourceNotFound = 400 "ResourceNotFoundException",
///     }
/// }
/// let reply: service::ApiError = Error::ResourceNotFound("Requested resource not found".into()).into();
/// assert_eq!(reply.code, "ResourceNotFoundException");
/// ```
#[macro_export]
macro_rules! errors {
    ($(#[$meta:meta])* $visibility:vis enum $name:ident {
        $($(#[$doc:meta])* $variant:ident = $status:literal $code:literal,)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        $visibility enum $name {
            $($(#[$doc])* $variant(String),)*
            /// Not the client's fault; the text is for the log.
            Internal($crate::Internal),
            /// An answer made elsewhere: by another service, or with further members.
            Reply(Box<$crate::ApiError>),
        }

        impl From<$name> for $crate::ApiError {
            fn from(error: $name) -> Self {
                match error {
                    $($name::$variant(message) => $crate::ApiError::new($status, $code, message),)*
                    $name::Internal(internal) => internal.into(),
                    $name::Reply(reply) => *reply,
                }
            }
        }

        impl From<$crate::ApiError> for $name {
            fn from(reply: $crate::ApiError) -> Self {
                $name::Reply(Box::new(reply))
            }
        }

        impl From<$crate::StoreError> for $name {
            fn from(error: $crate::StoreError) -> Self {
                $name::Internal(error.into())
            }
        }

        impl From<$crate::Internal> for $name {
            fn from(error: $crate::Internal) -> Self {
                $name::Internal(error)
            }
        }
    };
}
