//! The licences of everything that is linked in: permissive ones, or copyleft of single files.

/// See `deny.toml`, which says the same to cargo-deny.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "BlueOak-1.0.0",
    "bzip2-1.0.6",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "MPL-2.0+",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

pub fn check(graph: &serde_json::Value, wrong: &mut Vec<String>) {
    for package in graph["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let version = package["version"].as_str().unwrap_or_default();
        match package["license"].as_str() {
            Some(licence) if allowed(licence) => {}
            Some(licence) => wrong.push(format!("{name} {version}: the licence {licence} is not one of deny.toml's")),
            None => wrong.push(format!("{name} {version}: has no SPDX licence; read its licence file before using it")),
        }
    }
}

/// Evaluates an SPDX expression: OR needs one side, AND both. Old manifests write `/` for OR.
fn allowed(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let result = any(&words, &mut at);
    result && at == words.len()
}

fn any(words: &[&str], at: &mut usize) -> bool {
    let mut result = all(words, at);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        result |= all(words, at);
    }
    result
}

fn all(words: &[&str], at: &mut usize) -> bool {
    let mut result = one(words, at);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        result &= one(words, at);
    }
    result
}

fn one(words: &[&str], at: &mut usize) -> bool {
    let Some(word) = words.get(*at) else { return false };
    *at += 1;
    if *word == "(" {
        let result = any(words, at);
        *at += 1;
        return result;
    }
    match (words.get(*at), words.get(*at + 1)) {
        (Some(&"WITH"), Some(exception)) => {
            *at += 2;
            ALLOWED.contains(&format!("{word} WITH {exception}").as_str())
        }
        _ => ALLOWED.contains(word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_evaluated() {
        assert!(allowed("MIT"));
        assert!(allowed("MIT/Apache-2.0"));
        assert!(allowed("Apache-2.0 OR GPL-2.0-only"));
        assert!(allowed("(MIT OR Apache-2.0) AND Unicode-3.0"));
        assert!(allowed("Apache-2.0 WITH LLVM-exception"));
        assert!(!allowed("AGPL-3.0"));
        assert!(!allowed("MIT AND GPL-3.0-only"));
        assert!(!allowed(""));
    }
}
