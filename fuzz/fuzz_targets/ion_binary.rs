//! Ion: a file to import, in the binary form or in text.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| dynamodb::fuzz::ion_binary(data));
