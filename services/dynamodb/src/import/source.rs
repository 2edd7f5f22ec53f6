//! Files in S3 as they are read for imports and bulk operations: their list, and what they hold once they are unpacked.

use s3_api::{GetObject, GetObjectRequest, ListObjectsV2, ListObjectsV2Request};
use service::{ApiError, Context, Principal};

use super::{MAX_FILE, packing};
use crate::error::Error;

/// Where files are, and how they are packed.
pub struct Source<'a> {
    /// On whose behalf they are read.
    pub principal: &'a Principal,
    pub bucket: &'a str,
    pub owner: Option<&'a String>,
    pub prefix: Option<&'a String>,
    pub gzip: bool,
    pub zstandard: bool,
}

/// A file that is to be read.
#[derive(Clone, Debug)]
pub struct File {
    pub key: String,
    pub bytes: i64,
}

impl Source<'_> {
    /// Some of the files, in the order of their keys, after one of them; and whether there may be more.
    pub async fn list(&self, cx: &Context, after: Option<String>) -> Result<(Vec<File>, bool), Error> {
        let request = ListObjectsV2Request {
            bucket: self.bucket.to_owned(),
            prefix: self.prefix.cloned(),
            expected_bucket_owner: self.owner.cloned(),
            start_after: after,
            ..Default::default()
        };
        let page = cx.call::<ListObjectsV2>(self.principal.clone(), request).await?;
        let file = |object: s3_api::Object| Some(File { key: object.key?, bytes: object.size.unwrap_or_default() });
        let files = page.contents.unwrap_or_default().into_iter().filter_map(file).collect();
        Ok((files, page.next_continuation_token.is_some()))
    }

    /// What a file holds, and how many bytes were read for it.
    pub async fn read(&self, cx: &Context, key: String) -> Result<(Vec<u8>, i64), Error> {
        let request = GetObjectRequest {
            bucket: self.bucket.to_owned(),
            key,
            expected_bucket_owner: self.owner.cloned(),
            ..Default::default()
        };
        let object = cx.call::<GetObject>(self.principal.clone(), request).await?;
        let body = object.body.unwrap_or_default().collect(MAX_FILE).await;
        let body = body.map_err(|error| Error::internal(error.to_string()))?;
        let unpacked = match (self.gzip, self.zstandard) {
            (true, _) => packing::gunzip(&body),
            (_, true) => packing::unzstd(&body),
            _ => Ok(body.to_vec()),
        };
        Ok((unpacked.map_err(|error| unreadable(&error.to_string()))?, body.len() as i64))
    }
}

impl File {
    /// Keys that end in a slash are folders of consoles.
    pub fn is_folder(&self) -> bool {
        self.key.ends_with('/')
    }
}

pub fn unreadable(reason: &str) -> Error {
    Error::Reply(Box::new(ApiError::new(400, "ValidationError", format!("A file cannot be read: {reason}"))))
}

pub fn none_found() -> Error {
    Error::Reply(Box::new(ApiError::new(400, "S3NoSuchKey", "No files were found under the given bucket and prefix")))
}
