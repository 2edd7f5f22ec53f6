//! `cargo xtask coverage`: the table of operations in every service's README, out of the code.
//!
//! What is implemented is the `operations!` list of `src/lib.rs`; what there is, is the model. The tables stand between
//! two marks; the text around them is written by hand and kept.

use std::path::Path;

use crate::Result;

const BEGIN: &str = "<!-- operations -->";
const END: &str = "<!-- /operations -->";

/// Writes the tables, or with `check` only compares.
pub fn run(root: &Path, check: bool) -> Result {
    let (mut stale, mut missing) = (Vec::new(), Vec::new());
    let mut folders: Vec<_> = std::fs::read_dir(root.join("services"))?.filter_map(|entry| entry.ok()).collect();
    folders.sort_by_key(std::fs::DirEntry::file_name);
    for folder in folders {
        let path = folder.path();
        let readme = path.join("README.md");
        let name = folder.file_name().to_string_lossy().into_owned();
        if !path.join("Cargo.toml").is_file() {
            continue;
        }
        if !readme.is_file() {
            missing.push(name);
            continue;
        }
        let code = std::fs::read_to_string(path.join("src/lib.rs"))?;
        let implemented =
            implemented(&code).ok_or_else(|| format!("services/{name}/src/lib.rs has no operations! list"))?;
        let model: serde_json::Value =
            serde_json::from_slice(&std::fs::read(root.join(format!("models/{name}.json")))?)?;
        let known = model["operations"].as_object().map_or(0, serde_json::Map::len);
        let old = std::fs::read_to_string(&readme)?;
        let new = insert(&old, &table(&implemented, known));
        if old != new {
            stale.push(name);
            if !check {
                std::fs::write(&readme, new)?;
            }
        }
    }
    if check && !stale.is_empty() {
        return Err(format!("the operations of {} changed; run `cargo xtask coverage`", stale.join(", ")).into());
    }
    if !missing.is_empty() {
        return Err(format!("no README.md to write to in {}", missing.join(", ")).into());
    }
    Ok(())
}

/// The words of `operations! { Type, api: A, B }`.
fn implemented(code: &str) -> Option<Vec<String>> {
    // The macro may be spoken of in the documentation above.
    let declaration = code.lines().position(|line| {
        let line = line.trim_start();
        line.starts_with("operations! {") || line.starts_with("service::operations! {")
    })?;
    let text: String =
        code.lines().skip(declaration).map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join(" ");
    let (list, _) = text.split_once('{')?.1.split_once('}')?;
    let (_, words) = list.split_once(':')?;
    Some(words.split(',').map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect())
}

fn table(implemented: &[String], known: usize) -> String {
    let mut text = format!("{} of {} operations; the others answer `NotImplemented`.\n", implemented.len(), known);
    let groups = groups(implemented);
    text.push_str("\n| | |\n|---|---|\n");
    for (verb, names) in groups {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        text.push_str(&format!("| {verb} | {} |\n", names.join(", ")));
    }
    text
}

/// Operations by their verb: `CreateTable` under Create.
fn groups(names: &[String]) -> Vec<(String, Vec<&String>)> {
    let mut groups: Vec<(String, Vec<&String>)> = Vec::new();
    for name in names {
        let second = name.char_indices().skip(1).find(|(_, c)| c.is_uppercase()).map_or(name.len(), |(at, _)| at);
        let verb = &name[..second];
        match groups.iter_mut().find(|(key, _)| key == verb) {
            Some((_, group)) => group.push(name),
            None => groups.push((verb.to_owned(), vec![name])),
        }
    }
    groups
}

/// The README with the table in its place; at the end where it has no place yet.
fn insert(readme: &str, table: &str) -> String {
    if let Some((before, rest)) = readme.split_once(BEGIN)
        && let Some((_, after)) = rest.split_once(END)
    {
        return format!("{before}{BEGIN}\n{table}{END}{after}");
    }
    format!("{}\n\n## Operations\n\n{BEGIN}\n{table}{END}\n", readme.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_read_out_of_the_code() {
        let code = "//! operations! is below\nservice::operations! { Sts, sts_api:\n    AssumeRole, // a reason\n    GetCallerIdentity,\n}\n";
        assert_eq!(implemented(code).unwrap(), ["AssumeRole", "GetCallerIdentity"]);
        assert_eq!(implemented("fn main() {}"), None);
    }

    #[test]
    fn a_table_is_replaced_and_the_text_around_it_kept() {
        let first = insert("# STS\n\nText.\n", "one\n");
        let second = insert(&format!("{first}\nMore.\n"), "two\n");
        assert!(
            second.starts_with("# STS\n\nText.\n\n## Operations\n\n<!-- operations -->\ntwo\n<!-- /operations -->\n")
        );
        assert!(second.ends_with("\nMore.\n"));
        assert!(!second.contains("one"));
    }
}
