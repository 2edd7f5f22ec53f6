//! `welkin doctor`: what this machine can run, found out by trying, and how to enable the rest.

use std::process::ExitCode;

use compute::interpreters::{Interpreter, Interpreters, Runtime};
use serde_json::json;

use super::Failure;
use crate::cli::Doctor;
use crate::cloud;

pub fn run(doctor: &Doctor) -> Result<ExitCode, Failure> {
    let folder = tempfile::Builder::new().prefix("welkin-doctor-").tempdir()?;
    let functions = cloud::functions(folder.path(), 0);
    let probe = compute::sandbox::Sandboxes::new(folder.path(), functions.backend).probe();
    let found = Interpreters::discover(&functions.path, functions.home.as_deref());
    let runtimes: Vec<(&str, Option<String>)> = ["nodejs20.x", "nodejs22.x", "python3.11", "python3.12", "python3.13"]
        .into_iter()
        .map(|name| {
            let interpreter = match Runtime::parse(name) {
                Some(Runtime::Interpreted(language, version)) => found.find(language, version),
                _ => None,
            };
            (name, interpreter.map(|found| describe(&found)))
        })
        .collect();
    let backend = match probe.backend {
        compute::Backend::Native => "native (namespaces, cgroups, a file system of its own)",
        compute::Backend::Process => "process (plain child processes)",
    };
    if doctor.json {
        let runtimes: serde_json::Map<_, _> =
            runtimes.into_iter().map(|(name, found)| (name.to_owned(), json!(found))).collect();
        let report = json!({
            "backend": backend, "privileged": probe.privileged, "limits": probe.limits, "remarks": probe.remarks,
            "runtimes": runtimes, "sdkCache": functions.cache,
        });
        println!("{report}");
        return Ok(ExitCode::SUCCESS);
    }
    println!("compute     {backend}");
    println!("            as {}; limits: {}", if probe.privileged { "root" } else { "an ordinary user" }, probe.limits);
    probe.remarks.iter().for_each(|remark| println!("            {remark}"));
    println!("runtimes");
    for (name, found) in runtimes {
        match found {
            Some(found) => println!("  {name:<11} {found}"),
            None => println!("  {name:<11} not found; install it and put it on the PATH"),
        }
    }
    println!("sdk cache   {} (filled when a function first needs it)", functions.cache.display());
    Ok(ExitCode::SUCCESS)
}

fn describe(found: &Interpreter) -> String {
    let program = found.program.display();
    match (found.exact, found.version) {
        (true, _) => program.to_string(),
        (false, (major, minor)) => format!("{program} (the nearest: {major}.{minor})"),
    }
}
