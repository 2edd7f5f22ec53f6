//! Torrents, which S3 no longer makes.

use s3_api::{GetObjectTorrent, GetObjectTorrentOutput, GetObjectTorrentRequest};
use service::{ApiError, Context, operation};

use super::{bucket_of, on_object};
use crate::{Error, S3};

operation! {
    S3, GetObjectTorrent,
    access: |_, cx, request| on_object(cx, "s3:GetObjectTorrent", &request.bucket, &request.key).map(|access| vec![access]),
    handler: get_object_torrent
}

async fn get_object_torrent(
    _: &S3,
    cx: &Context,
    request: GetObjectTorrentRequest,
) -> Result<GetObjectTorrentOutput, Error> {
    bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    let text = "The specified method is not allowed against this resource.";
    let error = ApiError::new(405, "MethodNotAllowed", text);
    Err(error.with("Method", "GET").with("ResourceType", "TORRENT").into())
}
