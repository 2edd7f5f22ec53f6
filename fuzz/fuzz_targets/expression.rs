//! DynamoDB's expressions: parsed as every kind, and applied to an item.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        dynamodb::fuzz::expression(text);
    }
});
