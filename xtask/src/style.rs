//! `cargo xtask style`: the rules of the house that rustfmt and clippy do not know.
//!
//! Each rule looks at the tree as it is and reports what is wrong, where, and what to do. Reading is all it does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use crate::Result;
use crate::licences;

const LONGEST: usize = 800;

/// Where `unsafe` may stand. The vectors' model of cyclic static schemas is test code.
const UNSAFE: &[&str] = &["crates/compute/", "crates/network/", "crates/wire/tests/model/"];

/// Split so that this file does not break its own rule.
const UNFINISHED: &[&str] =
    &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("todo", "!("), concat!("unimplemented", "!(")];

/// One version of each of these: two would double what is compiled, and their types do not fit together.
const HEAVY: &[&str] = &[
    "aws-lc-rs",
    "clap",
    "fjall",
    "h2",
    "http",
    "hyper",
    "jiff",
    "quick-xml",
    "rustls",
    "serde",
    "serde_json",
    "tokio",
];

/// The house uses rustls with aws-lc-rs.
const BANNED: &[&str] = &["native-tls", "openssl", "openssl-sys", "ring"];

pub fn check(root: &Path) -> Result {
    let mut wrong = Vec::new();
    let files = files(root)?;
    for file in &files {
        source(root, file, &mut wrong)?;
    }
    layout(root, &files, &mut wrong)?;
    packages(root, &mut wrong)?;
    let graph = metadata(root)?;
    licences::check(&graph, &mut wrong);
    for line in &wrong {
        println!("{line}");
    }
    match wrong.len() {
        0 => Ok(()),
        1 => Err("style: 1 thing to mend".into()),
        many => Err(format!("style: {many} things to mend").into()),
    }
}

/// The files of the project, also those not yet committed.
fn files(root: &Path) -> Result<Vec<String>> {
    let arguments = ["ls-files", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").args(arguments).current_dir(root).output()?;
    if !output.status.success() {
        return Err("git cannot list the files".into());
    }
    let mut files: Vec<String> = String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect();
    // A deleted file is listed until the deletion is committed.
    files.retain(|file| root.join(file).is_file());
    Ok(files)
}

fn source(root: &Path, file: &str, wrong: &mut Vec<String>) -> Result {
    let is_rust = file.ends_with(".rs");
    let is_code = is_rust || [".py", ".js", ".mjs", ".ts", ".tsx", ".sh"].iter().any(|end| file.ends_with(end));
    if !is_code || file.starts_with("api/") {
        return Ok(());
    }
    let text = std::fs::read_to_string(root.join(file))?;
    let lines = text.lines().count();
    if lines > LONGEST {
        wrong.push(format!("{file}: {lines} lines; split it by subject, no file has more than {LONGEST}"));
    }
    for (at, line) in text.lines().enumerate() {
        let at = at + 1;
        if let Some(word) = UNFINISHED.iter().find(|word| line.contains(**word)) {
            wrong.push(format!("{file}:{at}: {word}; finish it, or take it out"));
        }
        if is_rust && has_unsafe(line) && !UNSAFE.iter().any(|place| file.starts_with(place)) {
            wrong.push(format!("{file}:{at}: unsafe code belongs in crates/compute and crates/network"));
        }
    }
    if is_rust && !is_tests(file) && !text.starts_with("//!") && !text.starts_with("#!") {
        wrong.push(format!("{file}: begins without `//!`; say what the module is, its invariants and its limits"));
    }
    Ok(())
}

/// The module of tests beside a module says all with its name.
fn is_tests(file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or(file);
    name == "tests.rs" || name.ends_with("_tests.rs") || file.contains("/tests/")
}

fn has_unsafe(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or(line);
    ["{", "fn", "impl", "extern", "trait"].iter().any(|next| code.contains(&["unsafe", next].join(" ")))
}

/// Services know each other by their APIs only, and each explains itself.
fn layout(root: &Path, files: &[String], wrong: &mut Vec<String>) -> Result {
    let manifests: Vec<&String> = files.iter().filter(|file| file.ends_with("/Cargo.toml")).collect();
    let folder = |file: &str| file.trim_end_matches("/Cargo.toml").to_owned();
    let services: Vec<String> =
        (manifests.iter()).filter_map(|file| folder(file).strip_prefix("services/").map(str::to_owned)).collect();
    for file in manifests {
        let folder = folder(file);
        // The binary wires everything together; the benches and tests drive it from outside.
        let checked = folder.starts_with("services/") || folder.starts_with("crates/");
        if !checked || folder == "crates/welkin" {
            continue;
        }
        for dependency in dependencies(&std::fs::read_to_string(root.join(file))?) {
            if services.contains(&dependency) && folder != format!("services/{dependency}") {
                let advice = format!("depend on {dependency}-api and use `cx.call`");
                wrong.push(format!("{file}: depends on the service {dependency}; {advice}"));
            }
        }
    }
    for service in services {
        if !files.contains(&format!("services/{service}/README.md")) {
            let advice = "say what is real, what differs from AWS and what is missing";
            wrong.push(format!("services/{service}: no README.md; {advice}"));
        }
    }
    Ok(())
}

/// The names in the dependency tables of a manifest.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut inside = false;
    let mut names = Vec::new();
    for line in manifest.lines() {
        if let Some(section) = line.strip_prefix('[') {
            inside = section.trim_end_matches(']').ends_with("dependencies");
        } else if let Some((key, _)) = line.split_once('=').filter(|_| inside) {
            names.push(key.split('.').next().unwrap_or(key).trim().to_owned());
        }
    }
    names
}

/// What cargo knows of every package in the build, on the platforms that the project runs on.
fn metadata(root: &Path) -> Result<serde_json::Value> {
    let arguments = ["metadata", "--format-version", "1", "--filter-platform", "x86_64-unknown-linux-gnu"];
    let output = Command::new("cargo").args(arguments).current_dir(root).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Asks `cargo tree`, as the lock file and `cargo metadata` also list what no feature of ours asks for.
fn packages(root: &Path, wrong: &mut Vec<String>) -> Result {
    let arguments = ["tree", "--workspace", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"];
    let output = Command::new("cargo").args(arguments).current_dir(root).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let tree = String::from_utf8(output.stdout)?;
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in tree.lines() {
        let mut words = line.split_whitespace();
        if let (Some(name), Some(version)) = (words.next(), words.next()) {
            versions.entry(name).or_default().insert(version);
        }
    }
    for name in BANNED {
        if versions.contains_key(name) {
            let advice = format!("see `cargo tree --invert {name}`, and choose features that use rustls and aws-lc-rs");
            wrong.push(format!("Cargo.lock: {name} is banned; {advice}"));
        }
    }
    for name in HEAVY {
        if let Some(found) = versions.get(name).filter(|found| found.len() > 1) {
            let found = found.iter().copied().collect::<Vec<_>>().join(" and ");
            wrong
                .push(format!("Cargo.lock: {name} is there as {found}; see `cargo tree --duplicates` and move to one"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_those_of_every_table() {
        let manifest = "[package]\nname = \"x\"\n[dependencies]\nwire.workspace = true\n[dev-dependencies]\nsts = { workspace = true }\n[lints]\nworkspace = true\n";
        assert_eq!(dependencies(manifest), ["wire", "sts"]);
    }

    #[test]
    fn unsafe_is_code_and_not_a_word() {
        let block = ["unsafe", "{ f() };"].join(" ");
        assert!(has_unsafe(&format!("    let x = {block}")));
        assert!(!has_unsafe(&format!("// {block}")));
        assert!(!has_unsafe("unsafe_code = \"deny\""));
    }
}
