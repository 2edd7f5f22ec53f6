//! JSONPath: parsed, and asked of a document.

#![no_main]

use expressions::jsonpath::Path;
use libfuzzer_sys::fuzz_target;
use serde_json::json;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(path) = Path::parse(text) {
        let _ = path.query(&json!({ "a": [1, 2.5, { "b": "c" }], "d": { "e": null, "f": [true, "x"] } }));
    }
});
