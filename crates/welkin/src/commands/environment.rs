//! `welkin env`, `run` and `shell`: point AWS tools at the cloud.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use super::Failure;
use crate::cli::{Run, Target};
use crate::cloud;
use crate::http::call;

/// What every AWS tool reads. Credentials that the user has set are kept.
pub fn variables(target: &Target) -> Vec<(&'static str, String)> {
    let endpoint = target.endpoint.trim_end_matches('/').to_owned();
    let mut list = vec![
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_REGION", target.region.clone()),
        ("AWS_DEFAULT_REGION", target.region.clone()),
        // Nobody's metadata service is to be asked for credentials.
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
    ];
    #[expect(clippy::disallowed_methods, reason = "this crate owns the environment")]
    let has_key = std::env::var("AWS_ACCESS_KEY_ID").is_ok();
    if !has_key {
        list.push(("AWS_ACCESS_KEY_ID", "test".to_owned()));
        list.push(("AWS_SECRET_ACCESS_KEY", "test".to_owned()));
    }
    // The cloud that runs says where its authority is; without one, the default folder is the guess.
    let running = call(&target.endpoint, "GET", "/_welkin/health", None).ok();
    let authority = running
        .and_then(|health| health["certificateAuthority"].as_str().map(PathBuf::from))
        .or_else(|| std::path::absolute(cloud::default_state().join("ca.pem")).ok())
        .filter(|path| path.exists());
    if let Some(path) = authority {
        let path = path.display().to_string();
        // These two trust it in addition to, or only for, AWS: a shell keeps working with the rest of the world.
        list.push(("AWS_CA_BUNDLE", path.clone()));
        list.push(("NODE_EXTRA_CA_CERTS", path));
    }
    list
}

pub fn print(target: &Target) -> Result<ExitCode, Failure> {
    for (name, value) in variables(target) {
        println!("export {name}='{}'", value.replace('\'', "'\\''"));
    }
    Ok(ExitCode::SUCCESS)
}

pub fn run(run: &Run) -> Result<ExitCode, Failure> {
    call(&run.target.endpoint, "GET", "/_welkin/health", None)?;
    let Some((program, arguments)) = run.command.split_first() else {
        return Err("no command was given; write it after --, as in `welkin run -- aws s3 ls`".into());
    };
    start(program, arguments, &run.target)
}

pub fn shell(target: &Target) -> Result<ExitCode, Failure> {
    call(&target.endpoint, "GET", "/_welkin/health", None)?;
    #[expect(clippy::disallowed_methods, reason = "this crate owns the environment")]
    let shell = std::env::var("SHELL").unwrap_or_else(|_| "/bin/sh".to_owned());
    start(&shell, &[], target)
}

fn start(program: &str, arguments: &[String], target: &Target) -> Result<ExitCode, Failure> {
    let status = Command::new(program)
        .args(arguments)
        .envs(variables(target))
        .status()
        .map_err(|error| format!("{program} cannot be started: {error}; is it installed and on the PATH?"))?;
    Ok(status.code().map_or(ExitCode::FAILURE, |code| ExitCode::from(code.clamp(0, 255) as u8)))
}
