//! CBOR bodies. What was read is written and read again unchanged.

#![no_main]

use dynamodb_api::PutItemInput;
use libfuzzer_sys::fuzz_target;
use wire::cbor::{CborEncoder, decode};
use wire::{Shape, Structure};

fuzz_target!(|data: &[u8]| {
    let read = |bytes: &[u8]| decode(bytes, PutItemInput::SCHEMA, |value| PutItemInput::decode(value, &mut false));
    if let Ok(value) = read(data) {
        let mut encoder = CborEncoder::new(PutItemInput::SCHEMA);
        value.encode(&mut encoder);
        assert_eq!(read(&encoder.finish()).as_ref(), Ok(&value));
    }
});
