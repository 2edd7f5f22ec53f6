//! `welkin lab`: a lab on a cloud of its own.
//!
//! A lab is a folder with a `run` script. It gets the environment that points AWS tools at a new, ephemeral cloud.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};

use serde_json::Value;

use super::Failure;
use crate::cli::{Lab, Target};

pub fn run(lab: &Lab) -> Result<ExitCode, Failure> {
    let known = labs(&lab.folder)?;
    if lab.name == "list" {
        known.iter().for_each(|name| println!("{name}"));
        return Ok(ExitCode::SUCCESS);
    }
    if !known.contains(&lab.name) {
        return Err(format!("there is no lab {}; there are: {}", lab.name, known.join(", ")).into());
    }
    let folder = std::path::absolute(lab.folder.join(&lab.name))?;
    let mut cloud = Cloud::start()?;
    println!("A cloud for the lab {} is up at {}.", lab.name, cloud.endpoint);
    let target = Target { endpoint: cloud.endpoint.clone(), region: "us-east-1".to_owned() };
    let status = Command::new(folder.join("run"))
        .envs(super::environment::variables(&target))
        .env("PATH", path_with_tools(&lab.folder)?)
        .status()
        .map_err(|error| format!("the script {}/run cannot be started: {error}", folder.display()))?;
    if lab.keep {
        println!("The cloud stays up at {}; Ctrl-C stops it.", cloud.endpoint);
        cloud.child.wait()?;
    }
    if status.success() {
        return Ok(ExitCode::SUCCESS);
    }
    Err(format!("the lab {} failed; `welkin lab {} --keep` leaves the cloud up to look around in", lab.name, lab.name)
        .into())
}

/// The folders that hold a lab.
fn labs(folder: &Path) -> Result<Vec<String>, String> {
    let entries = std::fs::read_dir(folder).map_err(|error| {
        format!("the labs are not in {}: {error}; name their folder with --folder", folder.display())
    })?;
    let mut names: Vec<String> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.path().join("run").is_file())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    Ok(names)
}

/// The project's own tools, where they are installed, come before those of the machine.
fn path_with_tools(labs: &Path) -> Result<std::ffi::OsString, Failure> {
    #[expect(clippy::disallowed_methods, reason = "this crate owns the environment")]
    let path = std::env::var("PATH").unwrap_or_default();
    let tools: PathBuf = std::path::absolute(labs.join("../.tools/venv/bin"))?;
    Ok(std::env::join_paths(std::iter::once(tools).chain(std::env::split_paths(&path)))?)
}

/// An ephemeral cloud in a process of its own, stopped when this is dropped.
struct Cloud {
    child: Child,
    endpoint: String,
}

impl Cloud {
    fn start() -> Result<Cloud, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["up", "--ephemeral", "--listen", "127.0.0.1:0", "--json"])
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().ok_or("the cloud has no output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let banner: Value = serde_json::from_str(&line).map_err(|_| "the cloud did not start; its message is above")?;
        let endpoint = banner["endpoint"].as_str().unwrap_or_default().to_owned();
        Ok(Cloud { child, endpoint })
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        // It is ephemeral: nothing is lost by ending it at once, and an error means that it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
