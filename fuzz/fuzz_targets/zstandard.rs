//! Zstandard: a compressed file to import.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| dynamodb::fuzz::zstandard(data));
