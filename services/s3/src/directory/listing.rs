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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use service::{Bytes, Store, to_record};

    use super::*;
    use crate::listing::list;
    use crate::store::{Directory, object_key, objects_key, upload_key};

    proptest! {
        #[test]
        fn pages_have_what_is_there_and_what_is_under_way(
            objects in prop::collection::btree_set("[ab/]{1,4}", 0..20),
            uploads in prop::collection::btree_set("[ab/]{1,4}", 0..20),
            prefix in prop::sample::select(vec!["", "a/", "b/"]),
            limit in 1usize..5,
        ) {
            let store = Store::memory();
            store.write(|tx| {
                for key in &objects {
                    tx.put(object_key("b", key), Bytes::new());
                }
                for key in &uploads {
                    let upload = Upload { key: key.clone(), id: "u".into(), ..Upload::default() };
                    tx.put(upload_key("b", key, "u"), to_record(&upload)?);
                }
                Ok::<_, service::StoreError>(())
            }).unwrap();
            let bucket = Bucket { name: "b".into(), directory: Some(Directory::default()), ..Bucket::default() };
            let mut query =
                Query { prefix: prefix.into(), delimiter: "/".into(), limit, past_prefix: true, ..Query::default() };
            let below = |key: &&String| key.starts_with(prefix);
            let shown = |key: &String| query.common_prefix(key).map_or(key.clone(), str::to_owned);
            let under_way = |key: &String| query.common_prefix(key).map(str::to_owned);
            let mut expected: BTreeSet<String> = objects.iter().filter(below).map(shown).collect();
            expected.extend(uploads.iter().filter(below).filter_map(under_way));
            let mut found = Vec::new();
            loop {
                let snapshot = store.snapshot();
                let mut page = list(&snapshot, objects_key("b").as_slice(), &query).unwrap();
                add_uploads(&snapshot, &bucket, &query, &mut page).unwrap();
                prop_assert!(page.entries.len() <= limit);
                found.extend(page.entries.iter().map(|entry| entry.name().to_owned()));
                if !page.truncated {
                    break;
                }
                query.after = page.entries.last().unwrap().name().to_owned();
            }
            prop_assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn markers() {
        let bucket = Bucket { directory: Some(Directory::default()), ..Bucket::default() };
        let marker = write_marker("a\nb", "id");
        assert_eq!(read_marker(&bucket, &marker, "").unwrap(), ("a\nb".to_owned(), "id".to_owned()));
        assert!(read_marker(&bucket, "a", "").is_err());
        assert_eq!(read_marker(&Bucket::default(), "a", "b").unwrap(), ("a".to_owned(), "b".to_owned()));
    }
}
