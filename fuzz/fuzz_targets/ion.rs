//! Ion: the text of a file to import.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        dynamodb::fuzz::ion(text);
    }
});
