//! Forms of the query protocols, in both dialects.

#![no_main]

use iam_api::SimulateCustomPolicyRequest;
use libfuzzer_sys::fuzz_target;
use wire::query::{Dialect, Params, decode};
use wire::{Shape, Structure};

fuzz_target!(|data: &[u8]| {
    let Ok(params) = Params::parse(data) else { return };
    for dialect in [Dialect::Aws, Dialect::Ec2] {
        let schema = SimulateCustomPolicyRequest::SCHEMA;
        let _ = decode(&params, schema, dialect, |value| SimulateCustomPolicyRequest::decode(value, &mut false));
    }
});
