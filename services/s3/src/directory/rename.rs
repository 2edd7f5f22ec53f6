//! Renaming objects: one change of their records, whatever their size.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/directory-buckets-objects-rename.html>
//!
//! An object keeps everything but its key. A token makes it safe to ask again: a day long the same request with the same
//! token changes nothing.

use percent_encoding::percent_decode_str;
use s3_api::{RenameObject, RenameObjectOutput, RenameObjectRequest};
use service::{ApiError, Context, Key, Range, Timestamp, Transaction, operation};

use crate::ops::{bucket_of, check_key, object_needs, root};
use crate::precondition::{Preconditions, check_write};
use crate::store::{Object, load_bucket, object_key};
use crate::versions;
use crate::{Error, S3};

const REMEMBERED: i64 = 24 * 60 * 60 * 1000;
/// How many tokens that are forgotten go with each rename.
const SWEPT: usize = 16;

fn token_key(bucket: &str, token: &str) -> Key {
    Key::new("s3/rename").text(bucket).text(token)
}

fn due_key() -> Key {
    Key::new("s3/rename-due")
}

operation! {
    S3, RenameObject,
    access: |_, cx, request| object_needs(cx, "s3:RenameObject", &request.bucket).map(|access| vec![access]),
    handler: rename_object
}

fn invalid(text: &str) -> Error {
    Error::InvalidRequest(text.to_owned())
}

pub fn malformed_source(header: &str) -> Error {
    let text = "Rename Source must mention the source bucket and key: sourcebucket/sourcekey";
    Error::invalid_argument(text, "x-amz-rename-source", header)
}

/// The key of `x-amz-rename-source`: `/bucket/key`, percent-encoded.
fn source_key(header: &str, bucket: &str) -> Result<String, Error> {
    let decoded = percent_decode_str(header).decode_utf8_lossy();
    let path = decoded.strip_prefix('/').unwrap_or(&decoded);
    match path.split_once('/') {
        Some((own, key)) if own == bucket && !key.is_empty() => Ok(key.to_owned()),
        Some((_, key)) if !key.is_empty() => {
            Err(invalid("The source and the destination of a rename must be in the same directory bucket."))
        }
        _ => Err(malformed_source(header)),
    }
}

/// What a token stands for.
fn fingerprint(request: &RenameObjectRequest, source: &str) -> String {
    let time = |time: Option<Timestamp>| time.map(Timestamp::millis);
    let all = (
        (source, &request.key),
        (&request.destination_if_match, &request.destination_if_none_match),
        (&request.source_if_match, &request.source_if_none_match),
        (time(request.destination_if_modified_since), time(request.destination_if_unmodified_since)),
        (time(request.source_if_modified_since), time(request.source_if_unmodified_since)),
    );
    let text = format!("{all:?}");
    service::hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes()).as_ref())
}

/// Whether the request was done before.
fn done(tx: &mut Transaction<'_>, cx: &Context, bucket: &str, token: &str, print: &str) -> Result<bool, Error> {
    let now = cx.now().millis();
    let over = Range::prefix(due_key()).before(due_key().number(now.unsigned_abs()));
    for (key, place) in tx.scan(over, SWEPT)? {
        tx.delete(place.to_vec());
        tx.delete(key);
    }
    let place = token_key(bucket, token);
    match tx.get(place.as_slice())? {
        Some(known) if known.as_ref() == print.as_bytes() => Ok(true),
        Some(_) => {
            let text =
                "Parameters on this idempotent request are inconsistent with parameters used in previous request(s).";
            Err(ApiError::new(400, "IdempotencyParameterMismatch", text).into())
        }
        None => {
            let due = (now + REMEMBERED).unsigned_abs();
            tx.put(due_key().number(due).text(bucket).text(token), Vec::from(place.clone()));
            tx.put(place, print.as_bytes().to_vec());
            Ok(false)
        }
    }
}

/// The conditions on what is there under the new name.
fn check_destination(request: &RenameObjectRequest, current: Option<&Object>) -> Result<(), Error> {
    let (if_match, if_none_match) =
        (request.destination_if_match.as_deref(), request.destination_if_none_match.as_deref());
    check_write(if_match, if_none_match, &request.key, current)?;
    let dates = Preconditions {
        if_modified_since: request.destination_if_modified_since,
        if_unmodified_since: request.destination_if_unmodified_since,
        ..Preconditions::default()
    };
    let Some(object) = current else { return Ok(()) };
    dates.check(object).map_err(|error| match ApiError::from(error) {
        // Of a change, 304 says nothing.
        reply if reply.status == 304 => Error::precondition_failed("If-Modified-Since"),
        reply => reply.into(),
    })
}

fn check_source(request: &RenameObjectRequest, object: &Object) -> Result<(), Error> {
    let conditions = Preconditions {
        if_match: request.source_if_match.as_deref(),
        if_none_match: request.source_if_none_match.as_deref(),
        if_modified_since: request.source_if_modified_since,
        if_unmodified_since: request.source_if_unmodified_since,
    };
    let failed = |reply: &ApiError| match (reply.status, conditions.if_match, conditions.if_none_match) {
        (304, _, Some(_)) => "x-amz-rename-source-if-none-match",
        (304, ..) => "x-amz-rename-source-if-modified-since",
        (_, Some(_), _) => "x-amz-rename-source-if-match",
        _ => "x-amz-rename-source-if-unmodified-since",
    };
    conditions.check(object).map_err(|error| Error::precondition_failed(failed(&error.into())))
}

async fn rename_object(s3: &S3, cx: &Context, request: RenameObjectRequest) -> Result<RenameObjectOutput, Error> {
    let bucket = bucket_of(cx, &request.bucket, None)?;
    check_key(&request.key)?;
    let source = source_key(&request.rename_source, &bucket.name)?;
    if source.ends_with('/') || request.key.ends_with('/') {
        return Err(invalid("The keys of a rename must not end with a delimiter (/)."));
    }
    if source == request.key {
        return Err(invalid("This rename request is illegal because it is trying to rename an object to itself."));
    }
    let token = request.client_token.as_deref();
    let graphic = |token: &str| token.len() <= 64 && token.bytes().all(|byte| byte.is_ascii_graphic());
    if let Some(token) = token.filter(|token| token.is_empty() || !graphic(token)) {
        return Err(Error::invalid_argument("Invalid client token", "x-amz-client-token", token));
    }
    let print = fingerprint(&request, &source);
    let removed = cx.store().write(|tx| {
        let bucket = load_bucket(tx, &bucket.name)?;
        if let Some(token) = token
            && done(tx, cx, &bucket.name, token, &print)?
        {
            return Ok(Vec::new());
        }
        let object = versions::current(tx, &bucket.name, &source)?;
        let mut object = object.ok_or_else(|| Error::no_such_key(&source))?;
        check_source(&request, &object)?;
        let current = versions::current(tx, &bucket.name, &request.key)?;
        check_destination(&request, current.as_ref())?;
        let removed = versions::put(tx, cx.random(), &bucket, &request.key, &mut object, current)?;
        tx.delete(object_key(&bucket.name, &source));
        Ok::<_, Error>(removed)
    })?;
    s3.blobs.remove(root(cx), &removed);
    Ok(RenameObjectOutput {})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources() {
        assert_eq!(source_key("/b--x-s3/a%20b/c", "b--x-s3").unwrap(), "a b/c");
        assert_eq!(source_key("b--x-s3/c", "b--x-s3").unwrap(), "c");
        assert!(source_key("other/c", "b--x-s3").is_err());
        assert!(source_key("c", "b--x-s3").is_err());
        assert!(source_key("b--x-s3/", "b--x-s3").is_err());
    }
}
