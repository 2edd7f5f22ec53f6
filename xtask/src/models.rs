//! Prunes API models: names, shapes and constraints stay; prose, endpoints and examples go.
//!
//! The source is the botocore wheel (Apache-2.0). `models/services.json` says which services, under which folder name,
//! and which operations carry their shapes; the others keep only their name and HTTP binding.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value, json};

use crate::Result;

const SHAPE_TRAITS: &[&str] = &[
    "type",
    "required",
    "members",
    "member",
    "key",
    "value",
    "enum",
    "min",
    "max",
    "pattern",
    "payload",
    "flattened",
    "locationName",
    "xmlNamespace",
    "timestampFormat",
    "streaming",
    "eventstream",
    "document",
    "union",
    "exception",
    "error",
    "sensitive",
];
const MEMBER_TRAITS: &[&str] = &[
    "shape",
    "location",
    "locationName",
    "queryName",
    "flattened",
    "xmlAttribute",
    "streaming",
    "xmlNamespace",
    "timestampFormat",
    "idempotencyToken",
    "jsonvalue",
];

/// Writes `models/<service>.json` for every service of `models/services.json`.
pub fn refresh(root: &Path, from: Option<&Path>) -> Result {
    let config: Map<String, Value> = serde_json::from_slice(&fs::read(root.join("models/services.json"))?)?;
    let wheel = match from {
        Some(folder) => folder.to_owned(),
        None => download(root, config["botocore"].as_str().ok_or("services.json names no botocore version")?)?,
    };
    let services = config["services"].as_object().ok_or("services.json lists no services")?;
    for (name, service) in services {
        let source = load(&wheel, service["model"].as_str().unwrap_or(name))?;
        let pruned = prune(&source, &service["operations"])?;
        let mut text = serde_json::to_string_pretty(&pruned)?;
        text.push('\n');
        fs::write(root.join(format!("models/{name}.json")), text)?;
        println!("models/{name}.json: {} shapes", pruned["shapes"].as_object().map_or(0, Map::len));
    }
    Ok(())
}

/// Unpacks the pinned wheel into the project's ignored tool folder.
fn download(root: &Path, version: &str) -> Result<PathBuf> {
    let target = root.join(format!(".tools/botocore-{version}"));
    if !target.is_dir() {
        println!("downloading botocore {version}");
        let status = Command::new("python3")
            .args(["-m", "pip", "install", "--quiet", "--no-deps", "--target"])
            .arg(&target)
            .arg(format!("botocore=={version}"))
            .status()?;
        if !status.success() {
            return Err(format!("pip could not install botocore {version}").into());
        }
    }
    Ok(target)
}

/// The newest API version of a model.
fn load(wheel: &Path, model: &str) -> Result<Value> {
    let folder = wheel.join("botocore/data").join(model);
    let mut versions: Vec<PathBuf> = fs::read_dir(&folder)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    versions.sort();
    let newest = versions.last().ok_or_else(|| format!("{} is empty", folder.display()))?;
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(fs::File::open(newest.join("service-2.json.gz"))?).read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

fn keep(value: &Value, traits: &[&str]) -> Map<String, Value> {
    let object = value.as_object().into_iter().flatten();
    object.filter(|(key, _)| traits.contains(&key.as_str())).map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn prune(source: &Value, wanted: &Value) -> Result<Value> {
    let shapes = source["shapes"].as_object().ok_or("a model without shapes")?;
    let with_shapes = |name: &str| match wanted {
        Value::Array(list) => list.iter().any(|value| value == name),
        _ => true,
    };
    let mut operations = Map::new();
    let mut needed = BTreeSet::new();
    for (name, operation) in source["operations"].as_object().ok_or("a model without operations")? {
        let mut kept = keep(operation, &["http", "errors", "authtype"]);
        if with_shapes(name) {
            for side in ["input", "output"] {
                if let Some(reference) = operation.get(side) {
                    let traits = &["shape", "resultWrapper", "locationName", "xmlNamespace"];
                    kept.insert(side.to_owned(), Value::Object(keep(reference, traits)));
                    visit(shapes, reference, &mut needed);
                }
            }
        } else {
            kept.insert("shapeless".to_owned(), json!(true));
        }
        kept.remove("errors");
        operations.insert(name.clone(), Value::Object(kept));
    }
    let kept_shapes = shapes.iter().filter(|(name, _)| needed.contains(*name)).map(|(name, shape)| {
        let mut kept = keep(shape, SHAPE_TRAITS);
        for part in ["member", "key", "value"] {
            if let Some(reference) = kept.get(part) {
                let reference = Value::Object(keep(reference, MEMBER_TRAITS));
                kept.insert(part.to_owned(), reference);
            }
        }
        if let Some(Value::Object(members)) = kept.get_mut("members") {
            for (_, reference) in members.iter_mut() {
                *reference = Value::Object(keep(reference, MEMBER_TRAITS));
            }
        }
        (name.clone(), Value::Object(kept))
    });
    let metadata = keep(
        &source["metadata"],
        &[
            "apiVersion",
            "endpointPrefix",
            "jsonVersion",
            "protocol",
            "protocols",
            "serviceId",
            "signingName",
            "targetPrefix",
            "xmlNamespace",
            "awsQueryCompatible",
        ],
    );
    Ok(json!({ "metadata": metadata, "operations": operations, "shapes": kept_shapes.collect::<Map<_, _>>() }))
}

/// Collects the closure of a shape.
fn visit(shapes: &Map<String, Value>, reference: &Value, needed: &mut BTreeSet<String>) {
    let Some(name) = reference["shape"].as_str() else { return };
    if !needed.insert(name.to_owned()) {
        return;
    }
    let shape = &shapes[name];
    for part in ["member", "key", "value"] {
        visit(shapes, &shape[part], needed);
    }
    for (_, member) in shape["members"].as_object().into_iter().flatten() {
        visit(shapes, member, needed);
    }
}
