//! S3 Select: a small SQL over one object, CSV or JSON.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-select-sql-reference.html>
//!
//! An object passes in pieces: each record is read, asked, and written before the next one. Only a JSON document is held
//! whole. What fails after the answer has begun is an error event in it, as on AWS.

mod eval;
mod functions;
mod input;
mod output;
mod packed;
#[cfg(feature = "parquet")]
mod parquet;
mod parse;
mod run;
mod value;
mod window;

pub use run::{Selection, stream};

use service::ApiError;

/// Why a query cannot be read or answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectError {
    pub code: &'static str,
    pub message: String,
}

impl SelectError {
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        SelectError { code, message: message.into() }
    }
}

impl From<SelectError> for crate::Error {
    fn from(error: SelectError) -> Self {
        ApiError::new(400, error.code, error.message).into()
    }
}

pub type Result<T> = std::result::Result<T, SelectError>;
