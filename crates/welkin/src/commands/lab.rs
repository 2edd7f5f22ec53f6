//! `welkin lab`: a lab on a cloud of its own.

use std::process::ExitCode;

use super::Failure;
use crate::cli::Lab;

pub fn run(lab: &Lab) -> Result<ExitCode, Failure> {
    Err(format!("there is no lab {}; `welkin lab list` shows all", lab.name).into())
}
