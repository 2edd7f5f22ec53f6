//! `welkin doctor`: what this machine can run.

use std::process::ExitCode;

use super::Failure;
use crate::cli::Doctor;

pub fn run(doctor: &Doctor) -> Result<ExitCode, Failure> {
    let _ = doctor;
    Ok(ExitCode::SUCCESS)
}
