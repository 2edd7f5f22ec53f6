//! What listings of directory buckets ask for, and show beside objects.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/directory-buckets-objects-listing.html>
//!
//! AWS lists in no particular order; here it is that of the keys.

use service::{Range, Snapshot, decode_token, encode_token, from_record};

use crate::Error;
use crate::listing::{Entry, Listing, Query};
use crate::store::{Bucket, Upload, uploads_key};

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
    let mut begins = Vec::from(uploads_key(&bucket.name).text(&query.prefix));
    // Text parts end with two bytes; what begins with the prefix does not.
    begins.truncate(begins.len() - 2);
    let last = listing.entries.last().filter(|_| listing.truncated).map(|entry| entry.name().to_owned());
    let mut found: Vec<String> = Vec::new();
    for entry in snapshot.scan(Range::prefix(begins)) {
        let upload: Upload = from_record(&entry?.1)?;
        let Some(common) = query.common_prefix(&upload.key) else { continue };
        let within = *common > *query.after && last.as_deref().is_none_or(|last| common <= last);
        if within && found.last().is_none_or(|last| last != common) {
            found.push(common.to_owned());
        }
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
