//! Welkin: an AWS-compatible cloud in one binary. This crate reads the command line and wires the parts together.

mod cli;
mod cloud;
mod commands;
mod http;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    match commands::run(arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("welkin: {error}");
            ExitCode::FAILURE
        }
    }
}
