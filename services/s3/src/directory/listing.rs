//! What listings of directory buckets ask for, and show beside objects.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/directory-buckets-objects-listing.html>
//!
//! AWS lists in no particular order; here it is that of the keys.

use service::{Range, Snapshot, decode_token, encode_token, from_record};

use crate::Error;
use crate::listing::{Entry, Listing, Query, beyond, uploads_below};
use crate::store::{Bucket, Upload};

/// Checks a prefix and a delimiter; other buckets take any.
pub fn check(bucket: &Bucket, prefix: &str, delimiter: &str) -> Result<(), Error> {
    if bucket.directory.is_none() {
        return Ok(());
    }
    if !matches!(delimiter, "" | "/") {
        let text =
            "This bucket does not support a delimiter other than '/'. Specify '/' as the delimiter and try again.";
        return Err(Error::InvalidRequest(text.to_owned()));
    }
    if !prefix.is_empty() && !prefix.ends_with('/') {
        let text = "This bucket does not support a prefix that does not end in a delimiter. Specify a prefix path ending with a delimiter and try again.";
        return Err(Error::InvalidRequest(text.to_owned()));
    }
    Ok(())
}

/// A parameter that directory buckets do not take.
pub fn refuse(bucket: &Bucket, given: bool) -> Result<(), Error> {
    if bucket.directory.is_none() || !given {
        return Ok(());
    }
    let text = "A header or query you provided requested a function that is not implemented.";
    Err(Error::NotImplemented(text.to_owned()))
}

/// Adds the prefixes of uploads that are under way.
pub fn add_uploads(snapshot: &Snapshot, bucket: &Bucket, query: &Query, listing: &mut Listing) -> Result<(), Error> {
    if bucket.directory.is_none() || query.delimiter.is_empty() || query.limit == 0 {
        return Ok(());
    }
    let last = listing.entries.last().filter(|_| listing.truncated).map(|entry| entry.name().to_owned());
    let whole = Range::prefix(uploads_below(&bucket.name, &query.prefix));
    let mut from = whole.clone().starting_at(uploads_below(&bucket.name, &query.after));
    let mut found: Vec<String> = Vec::new();
    'seek: while found.len() <= query.limit {
        for entry in snapshot.scan(from) {
            let upload: Upload = from_record(&entry?.1)?;
            if last.as_deref().is_some_and(|last| *upload.key > *last && !upload.key.starts_with(last)) {
                break 'seek;
            }
            let Some(common) = query.common_prefix(&upload.key) else { continue };
            if *common > *query.after {
                found.push(common.to_owned());
            }
            from = beyond(&whole, uploads_below(&bucket.name, common));
            continue 'seek;
        }
        break;
    }
    for common in found {
        let place = listing.entries.binary_search_by(|entry| entry.name().cmp(&common));
        if let Err(place) = place {
            listing.entries.insert(place, Entry::CommonPrefix(common));
        }
    }
    if listing.entries.len() > query.limit {
        listing.entries.truncate(query.limit);
        listing.truncated = true;
    }
    Ok(())
}

/// The place that a listing of uploads goes on from: markers tell no key here.
pub fn read_marker(bucket: &Bucket, key: &str, id: &str) -> Result<(String, String), Error> {
    if bucket.directory.is_none() || key.is_empty() {
        return Ok((key.to_owned(), id.to_owned()));
    }
    let place = decode_token(key).and_then(|bytes| String::from_utf8(bytes).ok());
    let place = place.as_deref().and_then(|text| text.rsplit_once('\n'));
    let (key, id) = place.ok_or_else(|| Error::invalid_argument("Invalid key-marker", "key-marker", key))?;
    Ok((key.to_owned(), id.to_owned()))
}

pub fn write_marker(key: &str, id: &str) -> String {
    encode_token(format!("{key}\n{id}").as_bytes())
}
