//! XML bodies, as S3 reads them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use s3_api::{CompletedMultipartUpload, LifecycleConfiguration};
use wire::{Shape, Structure, xml};

fuzz_target!(|data: &[u8]| {
    let _ = xml::decode(data, LifecycleConfiguration::SCHEMA, |value| LifecycleConfiguration::decode(value, &mut false));
    let _ = xml::decode(data, CompletedMultipartUpload::SCHEMA, |value| CompletedMultipartUpload::decode(value, &mut false));
});
