//! Generates the `api/` crates: shapes and operations as declarations of the `wire` macros, one line a member.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

use crate::Result;
use crate::names::{constant, field, type_name, variant};

/// Writes every crate, or with `check` fails where a file differs from what would be written.
pub fn generate(root: &Path, check: bool) -> Result {
    let config: Value = serde_json::from_slice(&fs::read(root.join("models/services.json"))?)?;
    let mut stale = Vec::new();
    for (name, service) in config["services"].as_object().into_iter().flatten() {
        let mut model: Value = serde_json::from_slice(&fs::read(root.join(format!("models/{name}.json")))?)?;
        if let Ok(patch) = fs::read(root.join(format!("models/{name}.patch.json"))) {
            merge(&mut model, &serde_json::from_slice(&patch)?);
            reorder(&mut model);
        }
        let generator = Generator::new(name, service, &model)?;
        for (file, content) in generator.files() {
            let path = root.join("api").join(name).join(file);
            if fs::read_to_string(&path).ok().as_deref() == Some(content.as_str()) {
                continue;
            }
            if check {
                stale.push(path.display().to_string());
                continue;
            }
            fs::create_dir_all(path.parent().ok_or("a file without a folder")?)?;
            fs::write(&path, content)?;
            println!("{}", path.strip_prefix(root)?.display());
        }
    }
    match stale.as_slice() {
        [] => Ok(()),
        files => Err(format!("stale, run `cargo xtask api`:\n{}", files.join("\n")).into()),
    }
}

/// Merges objects member by member, where null removes one; anything else is replaced (RFC 7396).
fn merge(into: &mut Value, patch: &Value) {
    match (into, patch) {
        (Value::Object(into), Value::Object(patch)) => {
            for (key, value) in patch {
                if value.is_null() {
                    into.shift_remove(key);
                    continue;
                }
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, patch) => *into = patch.clone(),
    }
}

/// Puts the members that a patch lists under `order` first, in that order: the one that answers in XML have.
fn reorder(model: &mut Value) {
    for shape in model["shapes"].as_object_mut().into_iter().flat_map(|shapes| shapes.values_mut()) {
        let Some(Value::Array(order)) = shape.as_object_mut().and_then(|shape| shape.shift_remove("order")) else {
            continue;
        };
        let Some(members) = shape["members"].as_object_mut() else { continue };
        let mut rest = std::mem::take(members);
        let names = order.iter().filter_map(Value::as_str);
        members.extend(names.filter_map(|name| rest.shift_remove_entry(name)));
        members.extend(rest);
    }
}

struct Generator<'a> {
    name: &'a str,
    config: &'a Value,
    model: &'a Value,
    shapes: &'a Map<String, Value>,
    /// Structures that contain themselves without a list or map in between: (owner, member).
    boxed: BTreeSet<(String, String)>,
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value[key].as_str()
}

impl<'a> Generator<'a> {
    fn new(name: &'a str, config: &'a Value, model: &'a Value) -> Result<Self> {
        let shapes = model["shapes"].as_object().ok_or("a model without shapes")?;
        let mut generator = Generator { name, config, model, shapes, boxed: BTreeSet::new() };
        for (owner, shape) in shapes {
            for (member, reference) in shape["members"].as_object().into_iter().flatten() {
                let target = text(reference, "shape").unwrap_or_default();
                if generator.reaches(target, owner, &mut BTreeSet::new()) {
                    generator.boxed.insert((owner.clone(), member.clone()));
                }
            }
        }
        Ok(generator)
    }

    fn reaches(&self, from: &str, to: &str, seen: &mut BTreeSet<String>) -> bool {
        if text(&self.shapes[from], "type") != Some("structure") || !seen.insert(from.to_owned()) {
            return false;
        }
        let members = self.shapes[from]["members"].as_object();
        from == to
            || members
                .into_iter()
                .flatten()
                .any(|(_, reference)| self.reaches(text(reference, "shape").unwrap_or_default(), to, seen))
    }

    fn files(&self) -> Vec<(&'static str, String)> {
        vec![
            ("Cargo.toml", self.manifest()),
            ("src/lib.rs", self.library()),
            ("src/simple.rs", self.simple()),
            ("src/enums.rs", self.enums()),
            ("src/structures.rs", self.structures()),
            ("src/operations.rs", self.operations()),
        ]
    }

    fn header(&self, what: &str) -> String {
        let service = text(&self.model["metadata"], "serviceId").unwrap_or(self.name);
        format!("//! {what} of {service}. Generated by `cargo xtask api` from `models/{}.json`.\n", self.name)
    }

    fn manifest(&self) -> String {
        format!(
            "# Generated by `cargo xtask api`.\n[package]\nname = \"{}-api\"\nversion.workspace = true\nedition.workspace = true\nlicense.workspace = true\npublish.workspace = true\n\n[lib]\ntest = false\ndoctest = false\n\n[dependencies]\nbytes.workspace = true\nserde_json.workspace = true\nwire.workspace = true\n",
            self.name
        )
    }

    fn library(&self) -> String {
        self.header("The API")
            + "\n#![allow(unused_imports, reason = \"a small API may have no shapes of some kind\")]\n\n#[rustfmt::skip]\nmod enums;\n#[rustfmt::skip]\nmod operations;\n#[rustfmt::skip]\nmod simple;\n#[rustfmt::skip]\nmod structures;\n\npub use enums::*;\npub use operations::*;\npub use structures::*;\n"
    }

    /// Two types of one name: an operation and a shape.
    fn type_of(&self, shape: &str) -> String {
        let name = type_name(shape);
        if self.model["operations"].get(shape).is_some() { format!("{name}Shape") } else { name }
    }

    fn is_enum(&self, shape: &Value) -> bool {
        text(shape, "type") == Some("string") && shape["enum"].as_array().is_some_and(|values| !values.is_empty())
    }

    fn is_structure(&self, shape: &Value) -> bool {
        text(shape, "type") == Some("structure") && shape["document"] != true
    }

    fn is_union(&self, shape: &Value) -> bool {
        self.is_structure(shape) && shape["union"] == true && shape["eventstream"] != true
    }

    /// The static that describes a shape. Strings and numbers without traits share those of `wire`.
    fn schema(&self, name: &str) -> String {
        let shape = &self.shapes[name];
        let plain = ["min", "max", "pattern", "timestampFormat", "locationName", "enum"]
            .iter()
            .all(|constraint| shape.get(constraint).is_none());
        let simple = match text(shape, "type").unwrap_or_default() {
            "boolean" => "BOOLEAN",
            "byte" => "BYTE",
            "short" => "SHORT",
            "integer" => "INTEGER",
            "long" => "LONG",
            "float" => "FLOAT",
            "double" => "DOUBLE",
            "string" => "STRING",
            "blob" => "BLOB",
            "timestamp" => "TIMESTAMP",
            "structure" if shape["document"] == true => "DOCUMENT",
            _ => return constant(name),
        };
        if plain { format!("wire::simple::{simple}") } else { constant(name) }
    }

    fn rust_type(&self, name: &str) -> String {
        let shape = &self.shapes[name];
        let target = |part: &str| self.rust_type(text(&shape[part], "shape").unwrap_or_default());
        match text(shape, "type").unwrap_or_default() {
            "boolean" => "bool".to_owned(),
            "byte" | "short" | "integer" => "i32".to_owned(),
            "long" => "i64".to_owned(),
            "float" => "f32".to_owned(),
            "double" => "f64".to_owned(),
            "blob" if shape["streaming"] == true => "wire::ByteStream".to_owned(),
            "blob" => "bytes::Bytes".to_owned(),
            "timestamp" => "wire::Timestamp".to_owned(),
            "list" => format!("Vec<{}>", target("member")),
            "map" => format!("std::collections::BTreeMap<String, {}>", target("value")),
            "structure" if shape["document"] == true => "serde_json::Value".to_owned(),
            "structure" => self.type_of(name),
            _ if self.is_enum(shape) => self.type_of(name),
            _ => "String".to_owned(),
        }
    }

    /// Builder calls for the constraints of a shape.
    fn traits(&self, shape: &Value) -> String {
        let mut out = String::new();
        for bound in ["min", "max"] {
            if let Some(value) = shape[bound].as_f64() {
                let _ = write!(out, ".{bound}({value:?})");
            }
        }
        if let Some(pattern) = text(shape, "pattern") {
            let _ = write!(out, ".pattern({pattern:?})");
        }
        if let Some(format) = self.timestamp(shape) {
            let _ = write!(out, ".timestamp_format({format})");
        }
        if let Some(name) = text(shape, "locationName") {
            let _ = write!(out, ".named({name:?})");
        }
        if let Some((prefix, uri)) = namespace(shape) {
            let _ = write!(out, ".namespace({prefix:?}, {uri:?})");
        }
        if shape["flattened"] == true {
            out.push_str(".flat()");
        }
        out
    }

    fn timestamp(&self, of: &Value) -> Option<&'static str> {
        Some(match text(of, "timestampFormat")? {
            "unixTimestamp" => "wire::TimestampFormat::EpochSeconds",
            "rfc822" => "wire::TimestampFormat::HttpDate",
            _ => "wire::TimestampFormat::Iso8601",
        })
    }

    fn member(&self, name: &str, reference: &Value, owner: &Value) -> String {
        let target = text(reference, "shape").unwrap_or_default();
        let mut out = format!("wire::Member::new({name:?}, &{})", self.schema_path(target));
        let location_name = text(reference, "locationName");
        let is_map = text(&self.shapes[target], "type") == Some("map");
        match (text(reference, "location"), location_name) {
            (Some("uri"), wire) => drop(write!(out, ".uri({:?})", wire.unwrap_or(name))),
            (Some("querystring"), _) if is_map => out.push_str(".query_map()"),
            (Some("querystring"), wire) => drop(write!(out, ".query({:?})", wire.unwrap_or(name))),
            (Some("header"), wire) => drop(write!(out, ".header({:?})", wire.unwrap_or(name))),
            (Some("headers"), wire) => drop(write!(out, ".headers({:?})", wire.unwrap_or(""))),
            (Some("statusCode"), _) => out.push_str(".status()"),
            (_, Some(wire)) => drop(write!(out, ".named({wire:?})")),
            (_, None) => {}
        }
        if text(owner, "payload") == Some(name) {
            out.push_str(".payload()");
        }
        let required = owner["required"].as_array().into_iter().flatten();
        if required.into_iter().any(|required| required == name) {
            out.push_str(".required()");
        }
        if let Some(wire) = text(reference, "queryName") {
            let _ = write!(out, ".query_name({wire:?})");
        }
        let flags = [
            ("flattened", ".flat()"),
            ("xmlAttribute", ".attribute()"),
            ("idempotencyToken", ".token()"),
            ("jsonvalue", ".json_value()"),
        ];
        flags.iter().filter(|(flag, _)| reference[*flag] == true).for_each(|(_, call)| out.push_str(call));
        if self.streams(reference) {
            out.push_str(".streaming()");
        }
        if let Some(format) = self.timestamp(reference) {
            let _ = write!(out, ".timestamp_format({format})");
        }
        if let Some((prefix, uri)) = namespace(reference) {
            let _ = write!(out, ".namespace({prefix:?}, {uri:?})");
        }
        out
    }

    fn streams(&self, reference: &Value) -> bool {
        let target = text(reference, "shape").unwrap_or_default();
        text(&self.shapes[target], "type") == Some("blob")
            && (reference["streaming"] == true || self.shapes[target]["streaming"] == true)
    }

    fn schema_path(&self, name: &str) -> String {
        self.schema(name)
    }

    fn simple(&self) -> String {
        let mut out = self.header("Strings, numbers, lists and maps")
            + "\nuse wire::{Kind, Member, Schema};\n\nuse crate::*;\n\n";
        for (name, shape) in self.shapes {
            let schema = self.schema(name);
            if schema.starts_with("wire::") || self.is_structure(shape) || self.is_enum(shape) {
                continue;
            }
            let traits = self.traits(shape);
            let part = |part: &str| self.member(part, &shape[part], &Value::Null).replace("wire::Member", "Member");
            let value = match text(shape, "type").unwrap_or_default() {
                "boolean" => format!("Schema::new({name:?}, Kind::Boolean)"),
                "byte" => format!("Schema::integer({name:?}, 8)"),
                "short" => format!("Schema::integer({name:?}, 16)"),
                "integer" => format!("Schema::integer({name:?}, 32)"),
                "long" => format!("Schema::integer({name:?}, 64)"),
                "float" => format!("Schema::new({name:?}, Kind::Float)"),
                "double" => format!("Schema::new({name:?}, Kind::Double)"),
                "blob" => format!("Schema::new({name:?}, Kind::Blob)"),
                "timestamp" => format!("Schema::new({name:?}, Kind::Timestamp)"),
                "list" => format!("Schema::list({name:?}, {})", part("member")),
                "map" => format!("Schema::map({name:?}, {}, {})", part("key"), part("value")),
                _ => format!("Schema::string({name:?})"),
            };
            let _ = writeln!(out, "pub static {schema}: Schema = {value}{traits};");
        }
        if !out.contains("Kind::") {
            out = out.replace("Kind, ", "");
        }
        out
    }

    fn enums(&self) -> String {
        let mut out = self.header("Enums") + "\nwire::enums! {\n";
        for (name, shape) in self.shapes.iter().filter(|(_, shape)| self.is_enum(shape)) {
            let _ = writeln!(out, "    {} {} = {name:?} {{", self.type_of(name), constant(name));
            let mut used = BTreeSet::new();
            for value in shape["enum"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                let mut ident = variant(value);
                while !used.insert(ident.clone()) {
                    ident.push('_');
                }
                let _ = writeln!(out, "        {ident} = {value:?},");
            }
            out.push_str("    }\n");
        }
        out + "}\n"
    }

    fn structures(&self) -> String {
        let mut kinds = BTreeMap::from([(false, String::new()), (true, String::new())]);
        for (name, shape) in self.shapes.iter().filter(|(_, shape)| self.is_structure(shape)) {
            let union = self.is_union(shape);
            let Some(out) = kinds.get_mut(&union) else { continue };
            let _ = writeln!(out, "    {} {} = {name:?}{} {{", self.type_of(name), constant(name), self.traits(shape));
            for (member, reference) in shape["members"].as_object().into_iter().flatten() {
                let target = text(reference, "shape").unwrap_or_default();
                let mut rust_type = self.rust_type(target);
                if self.streams(reference) {
                    rust_type = "wire::ByteStream".to_owned();
                }
                if reference["deferred"] == true {
                    rust_type = format!("wire::Deferred<{rust_type}>");
                }
                if self.boxed.contains(&(name.clone(), member.clone())) {
                    rust_type = format!("Box<{rust_type}>");
                }
                let required = shape["required"].as_array().into_iter().flatten().any(|required| required == member);
                // A union has no default to stand in for a missing one.
                let plain = required && !self.is_union(&self.shapes[target]) && !rust_type.starts_with("Box<");
                let ident = if union { variant(member) } else { field(member) };
                if !union && !plain {
                    rust_type = format!("Option<{rust_type}>");
                }
                let _ = writeln!(out, "        {ident}: {rust_type} = {};", self.member(member, reference, shape));
            }
            out.push_str("    }\n");
        }
        let mut out = self.header("Structures") + "\nuse crate::simple::*;\nuse crate::*;\n";
        for (union, text) in kinds {
            if !text.is_empty() {
                let name = if union { "unions" } else { "structures" };
                let _ = write!(out, "\nwire::{name}! {{\n{text}}}\n");
            }
        }
        if self.shapes.iter().all(|(name, shape)| {
            self.is_structure(shape) || self.is_enum(shape) || self.schema(name).starts_with("wire::")
        }) {
            out = out.replace("use crate::simple::*;\n", "");
        }
        out
    }

    fn uses_event_stream(&self, reference: &Value) -> bool {
        let shape = text(reference, "shape").unwrap_or_default();
        let members = self.shapes.get(shape).and_then(|shape| shape["members"].as_object());
        members
            .into_iter()
            .flatten()
            .any(|(_, member)| text(member, "shape").is_some_and(|name| self.shapes[name]["eventstream"] == true))
    }

    fn operations(&self) -> String {
        let metadata = &self.model["metadata"];
        let mut typed = String::new();
        let mut others = String::new();
        for (name, operation) in self.model["operations"].as_object().into_iter().flatten() {
            let http = &operation["http"];
            let mut model = format!(
                "wire::OperationModel::new({name:?}, {:?}, {:?})",
                text(http, "method").unwrap_or("POST"),
                text(http, "requestUri").unwrap_or("/")
            );
            if let Some(status) = http["responseCode"].as_u64().filter(|status| *status != 200) {
                let _ = write!(model, ".status({status})");
            }
            if let Some(wrapper) = text(&operation["output"], "resultWrapper") {
                let _ = write!(model, ".wrapper({wrapper:?})");
            }
            if let Some(root) = text(&operation["input"], "locationName") {
                let uri = namespace(&operation["input"]).map(|(_, uri)| uri);
                let _ = write!(model, ".root({root:?}, {uri:?})");
            }
            if text(operation, "authtype") == Some("none") {
                model.push_str(".anonymous()");
            }
            let streams = ["input", "output"].iter().any(|side| self.uses_event_stream(&operation[*side]));
            if operation["shapeless"] == true || streams {
                let _ = writeln!(others, "    {model};");
                continue;
            }
            let side = |side: &str| match text(&operation[side], "shape") {
                Some(shape) => self.type_of(shape),
                None => "wire::Unit".to_owned(),
            };
            let _ = writeln!(typed, "    {name}({}) -> {} = {model};", side("input"), side("output"));
        }
        let option = |value: Option<&str>| format!("{value:?}");
        let protocols: Vec<String> = self.protocols().iter().map(|name| format!("wire::Protocol::{name}")).collect();
        let namespace = text(self.config, "xml_namespace").or(text(metadata, "xmlNamespace"));
        let endpoint = text(metadata, "endpointPrefix").unwrap_or(self.name);
        let model = format!(
            "const BASE: wire::ServiceModel = wire::ServiceModel {{\n    name: SERVICE_NAME,\n    signing_name: {:?},\n    service_id: {:?},\n    api_version: {:?},\n    protocols: &[{}],\n    target_prefix: {},\n    xml_namespace: {},\n    error_namespace: {},\n    message_member: {:?},\n    query_compatible: {},\n    operations: &[],\n}};\n",
            text(metadata, "signingName").unwrap_or(endpoint),
            text(metadata, "serviceId").unwrap_or(self.name),
            text(metadata, "apiVersion").unwrap_or_default(),
            protocols.join(", "),
            option(text(metadata, "targetPrefix")),
            option(namespace),
            option(text(self.config, "error_namespace")),
            text(self.config, "message_member").unwrap_or("message"),
            metadata.get("awsQueryCompatible").is_some(),
        );
        let import = if typed.is_empty() { "" } else { "use crate::*;\n\n" };
        self.header("Operations")
            + &format!(
                "\n{import}/// The service's endpoint prefix.\npub const SERVICE_NAME: &str = {:?};\n\n{model}\nwire::operations_of! {{\n    SERVICE_MODEL = BASE;\n{typed}    ;\n{others}}}\n",
                self.name
            )
    }

    /// The model's main protocol first: it is the one that a test client speaks.
    fn protocols(&self) -> Vec<&'static str> {
        let metadata = &self.model["metadata"];
        let json = if text(metadata, "jsonVersion") == Some("1.0") { "AwsJson10" } else { "AwsJson11" };
        let of = |name: &str| match name {
            "json" => Some(json),
            "rest-json" => Some("RestJson1"),
            "rest-xml" => Some("RestXml"),
            "query" => Some("AwsQuery"),
            "ec2" => Some("Ec2Query"),
            "smithy-rpc-v2-cbor" => Some("RpcV2Cbor"),
            _ => None,
        };
        let main = text(metadata, "protocol").and_then(of);
        let rest = metadata["protocols"].as_array().into_iter().flatten().filter_map(Value::as_str).filter_map(of);
        let mut list: Vec<&str> = main.into_iter().collect();
        for protocol in rest {
            if !list.contains(&protocol) {
                list.push(protocol);
            }
        }
        list
    }
}

fn namespace(of: &Value) -> Option<(&str, &str)> {
    let namespace = of.get("xmlNamespace")?;
    let uri = namespace["uri"].as_str().or(namespace.as_str())?;
    Some((namespace["prefix"].as_str().unwrap_or(""), uri))
}
