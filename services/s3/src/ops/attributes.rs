//! What an object is made of.

use s3_api::{
    Checksum, GetObjectAttributes, GetObjectAttributesOutput, GetObjectAttributesParts, GetObjectAttributesRequest,
    ObjectPart, StorageClass,
};
use service::{Context, Timestamp, operation};

use super::multipart::checksum_type;
use super::read::key_of;
use super::{bucket_of, charge, find, on_existing};
use crate::integrity::show;
use crate::store::Object;
use crate::{Error, S3};

operation! {
    S3, GetObjectAttributes,
    access: |_, cx, request| (|| Ok::<_, Error>(vec![
        on_existing(cx, "s3:GetObject", &request.bucket, &request.key, request.version_id.as_deref())?,
        on_existing(cx, "s3:GetObjectAttributes", &request.bucket, &request.key, request.version_id.as_deref())?,
    ]))(),
    handler: get_object_attributes
}

async fn get_object_attributes(
    s3: &S3,
    cx: &Context,
    request: GetObjectAttributesRequest,
) -> Result<GetObjectAttributesOutput, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    let request_charged = charge(cx, &bucket, request.request_payer.as_ref())?;
    let snapshot = cx.store().snapshot();
    let object = find(s3, cx, &snapshot, &bucket.name, &request.key, request.version_id.as_deref())?;
    crate::encryption::check(&object, key_of!(&request))?;
    let asked = |name: &str| request.object_attributes.iter().any(|attribute| attribute.as_str() == name);
    let class = object.storage_class.as_deref().unwrap_or("STANDARD");
    let parts = (asked("ObjectParts") && !object.parts.is_empty())
        .then(|| parts(&object, request.part_number_marker.unwrap_or_default(), request.max_parts.unwrap_or(1000)));
    Ok(GetObjectAttributesOutput {
        last_modified: Some(Timestamp::from_millis(object.modified)),
        e_tag: asked("ETag").then(|| object.etag.clone()),
        checksum: object.checksum.as_ref().filter(|_| asked("Checksum")).map(|checksum| {
            let mut shown = Checksum { checksum_type: Some(checksum_type(checksum.full)), ..Checksum::default() };
            show!(shown, Some(checksum));
            shown
        }),
        object_parts: parts,
        version_id: object.shown_version(),
        storage_class: asked("StorageClass").then(|| StorageClass::from(class)),
        object_size: i64::try_from(object.size).ok().filter(|_| asked("ObjectSize")),
        request_charged,
        ..GetObjectAttributesOutput::default()
    })
}

/// The parts are only listed one by one where each has a checksum of its own.
fn parts(object: &Object, marker: i32, limit: i32) -> GetObjectAttributesParts {
    let limit = limit.clamp(0, 1000);
    let algorithm = object.checksum.as_ref().map(|checksum| checksum.algorithm);
    let listed: Vec<&crate::store::ObjectPart> =
        object.parts.iter().filter(|part| part.number > marker && part.checksum.is_some()).collect();
    let size = usize::try_from(limit).unwrap_or_default();
    let shown: Vec<ObjectPart> = (listed.iter().take(size))
        .map(|part| {
            let mut shown = ObjectPart {
                part_number: Some(part.number),
                size: i64::try_from(part.size).ok(),
                ..ObjectPart::default()
            };
            let checksum = algorithm.zip(part.checksum.clone());
            let checksum =
                checksum.map(|(algorithm, value)| crate::checksum::Checksum { algorithm, value, full: true });
            show!(shown, checksum.as_ref());
            shown
        })
        .collect();
    GetObjectAttributesParts {
        total_parts_count: i32::try_from(object.parts.len()).ok(),
        part_number_marker: Some(marker),
        next_part_number_marker: shown.last().and_then(|part| part.part_number).or(Some(0)),
        max_parts: Some(limit),
        is_truncated: Some(listed.len() > shown.len()),
        parts: Some(shown).filter(|parts| !parts.is_empty()),
    }
}
