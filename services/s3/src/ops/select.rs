//! Selecting from an object.

use s3_api::{SelectObjectContent, SelectObjectContentOutput, SelectObjectContentRequest};
use service::{Context, operation};

use super::read::{is_readable, key_of};
use super::{bucket_of, find, on_existing, root};
use crate::directory::refuse;
use crate::encryption::unlock;
use crate::range::Span;
use crate::select::{Selection, stream};
use crate::{Error, S3};

operation! {
    S3, SelectObjectContent,
    access: |_, cx, request| {
        on_existing(cx, "s3:GetObject", &request.bucket, &request.key, None).map(|access| vec![access])
    },
    handler: select_object_content
}

async fn select_object_content(
    s3: &S3,
    cx: &Context,
    request: SelectObjectContentRequest,
) -> Result<SelectObjectContentOutput, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    if bucket.directory.is_some() {
        return Err(refuse::operation("SelectObjectContent", true));
    }
    let key = key_of!(&request);
    if request.input_serialization.parquet.is_some() && !cfg!(feature = "parquet") {
        return Err(Error::NotImplemented("This build cannot select from Parquet: it lacks the feature.".to_owned()));
    }
    loop {
        let snapshot = cx.store().snapshot();
        let object = find(s3, cx, &snapshot, &bucket.name, &request.key, None)?;
        if !is_readable(&object, cx.now()) {
            return Err(Error::archived(&object));
        }
        let selection = Selection::new(&request, object.size, cx.now())?;
        let key = unlock(cx, (&bucket.name, &request.key), &object, key.clone())?;
        let whole = Span { start: 0, len: object.size };
        let body = s3.blobs.open(root(cx), cx.store(), &snapshot, &object.body, whole, key.as_ref())?;
        if let Some(body) = body {
            return Ok(SelectObjectContentOutput { payload: Some(stream(selection, &body)) });
        }
    }
}
