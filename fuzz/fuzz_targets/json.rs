//! JSON bodies, as DynamoDB reads them: recursive unions. What was read is written and read again unchanged.

#![no_main]

use dynamodb_api::PutItemInput;
use libfuzzer_sys::fuzz_target;
use wire::json::{JsonEncoder, Names, decode};
use wire::{Shape, Structure};

fuzz_target!(|data: &[u8]| {
    let read = |bytes: &[u8]| decode(bytes, PutItemInput::SCHEMA, Names::Model, |value| PutItemInput::decode(value, &mut false));
    if let Ok(value) = read(data) {
        let mut encoder = JsonEncoder::new(PutItemInput::SCHEMA, Names::Model);
        value.encode(&mut encoder);
        let written = encoder.finish();
        assert_eq!(read(&written).as_ref(), Ok(&value));
        let _ = wire::validate::check(PutItemInput::SCHEMA, |encoder| value.encode(encoder));
    }
});
