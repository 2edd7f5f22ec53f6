//! Welkin: an AWS-compatible cloud in one binary. This crate reads the command line and wires the parts together.

mod cli;
mod cloud;
mod commands;
mod http;

use std::process::ExitCode;

use clap::Parser as _;

/// A request allocates some hundred times, on several threads; the system's allocator takes a quarter of its time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
