//! The errors of the control plane.

/// One variant per error of the model.
#[derive(Debug, PartialEq)]
pub enum Error {
    NotFound(String),
    BadRequest(String),
    Conflict(String),
}
