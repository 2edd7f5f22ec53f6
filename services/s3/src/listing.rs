//! Listing the keys of a bucket: what is below a prefix, with everything behind a delimiter rolled up.
//!
//! A listing costs what it returns: it seeks over the keys behind a common prefix rather than reading them.

use std::ops::Bound;

use service::{Bytes, Key, Range, Scan, Snapshot, StoreError};

use crate::record;
use crate::store::{Object, objects_key, uploads_key, versions_key};

/// What to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    pub prefix: String,
    /// Empty for none.
    pub delimiter: String,
    /// Only what sorts after this key or common prefix; empty for everything.
    pub after: String,
    /// The common prefix that `after` lies in counts as listed. Otherwise keys behind `after` show it (again).
    pub past_prefix: bool,
    pub limit: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    Key(String, Bytes),
    CommonPrefix(String),
}

impl Entry {
    /// Where the next page continues.
    pub fn name(&self) -> &str {
        match self {
            Entry::Key(name, _) | Entry::CommonPrefix(name) => name,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    pub entries: Vec<Entry>,
    pub truncated: bool,
}

impl Query {
    /// The part of a key up to the first delimiter behind the prefix.
    pub fn common_prefix<'a>(&self, key: &'a str) -> Option<&'a str> {
        if self.delimiter.is_empty() {
            return None;
        }
        let rest = key.get(self.prefix.len()..)?;
        let at = rest.find(&self.delimiter)?;
        key.get(..self.prefix.len() + at + self.delimiter.len())
    }

    /// The common prefix that is left out with `after`.
    fn listed_prefix(&self) -> Option<&str> {
        let inside = self.past_prefix && self.after.starts_with(&self.prefix);
        self.common_prefix(&self.after).filter(|_| inside)
    }
}

/// Reads a page of the entries whose store keys begin with `base`.
pub fn list(snapshot: &Snapshot, base: &[u8], query: &Query) -> Result<Listing, StoreError> {
    let mut listing = Listing::default();
    if query.limit == 0 {
        return Ok(listing);
    }
    let whole = Range::prefix([base, query.prefix.as_bytes()].concat());
    let mut from = whole.clone();
    if query.after.as_bytes() >= query.prefix.as_bytes() {
        from = match query.listed_prefix() {
            Some(common) => beyond(&whole, [base, common.as_bytes()].concat()),
            None => whole.clone().after([base, query.after.as_bytes()].concat()),
        };
    }
    'seek: loop {
        for entry in snapshot.scan(from) {
            let (key, value) = entry?;
            let name = String::from_utf8_lossy(key.get(base.len()..).unwrap_or_default());
            let full = listing.entries.len() == query.limit;
            if full {
                listing.truncated = true;
                return Ok(listing);
            }
            if let Some(common) = query.common_prefix(&name) {
                listing.entries.push(Entry::CommonPrefix(common.to_owned()));
                from = beyond(&whole, [base, common.as_bytes()].concat());
                continue 'seek;
            }
            listing.entries.push(Entry::Key(name.into_owned(), value));
        }
        return Ok(listing);
    }
}

/// A version in a listing.
#[derive(Clone, Debug, PartialEq)]
pub struct Versioned {
    pub key: String,
    pub object: Object,
    /// The newest of its key.
    pub latest: bool,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct VersionListing {
    pub versions: Vec<Versioned>,
    pub common_prefixes: Vec<String>,
    pub truncated: bool,
    /// The key or common prefix that the page ends with, and the version.
    pub last: Option<(String, Option<String>)>,
}

/// Where the pages of a listing of versions begin.
enum From {
    Start,
    /// With the versions of this key that are older than a place.
    Older(String, u64),
    AfterKey(String),
    BeyondPrefix(String),
}

/// Reads a page of the versions of a bucket: by key, newest first. `query.after` is left out, but for its versions that
/// are older than the place `older`.
pub fn list_versions(
    snapshot: &Snapshot,
    bucket: &str,
    query: &Query,
    older: Option<u64>,
) -> Result<VersionListing, StoreError> {
    let mut listing = VersionListing::default();
    if query.limit == 0 {
        return Ok(listing);
    }
    let mut from = match (query.listed_prefix(), older) {
        _ if query.after.is_empty() => From::Start,
        (Some(common), _) => From::BeyondPrefix(common.to_owned()),
        (None, Some(seq)) => From::Older(query.after.clone(), seq),
        (None, None) => From::AfterKey(query.after.clone()),
    };
    let mut latest_of: Option<String> = older.map(|_| query.after.clone());
    'seek: loop {
        for entry in Merged::new(snapshot, bucket, &query.prefix, &from) {
            let (key, object) = entry?;
            let common = query.common_prefix(&key).map(str::to_owned);
            if listing.versions.len() + listing.common_prefixes.len() == query.limit {
                listing.truncated = true;
                return Ok(listing);
            }
            if let Some(common) = common {
                listing.last = Some((common.clone(), None));
                listing.common_prefixes.push(common.clone());
                from = From::BeyondPrefix(common);
                continue 'seek;
            }
            let latest = latest_of.as_ref() != Some(&key);
            latest_of = Some(key.clone());
            listing.last = Some((key.clone(), Some(object.version_id())));
            listing.versions.push(Versioned { key, object, latest });
        }
        return Ok(listing);
    }
}

/// The current objects and everything beside them, in one order.
struct Merged {
    current: std::iter::Peekable<Scan>,
    apart: std::iter::Peekable<Scan>,
    current_base: usize,
    apart_base: usize,
}

impl Merged {
    fn new(snapshot: &Snapshot, bucket: &str, prefix: &str, from: &From) -> Merged {
        let (objects, versions) = (objects_key(bucket), versions_key(bucket));
        let raw = |text: &str| objects.clone().raw(text.as_bytes());
        // The beginning of a text part, without its end.
        let part = |text: &str| {
            let mut key = Vec::from(versions.clone().text(text));
            key.truncate(key.len() - 2);
            key
        };
        let (current, apart) = (Range::prefix(raw(prefix)), Range::prefix(part(prefix)));
        let later = |key: &str, start: &str| key < start;
        let (current, apart) = match from {
            From::Older(key, seq) if !later(key, prefix) => {
                (current.after(raw(key)), apart.after(crate::store::version_key(bucket, key, *seq)))
            }
            From::AfterKey(key) if !later(key, prefix) => {
                let versions = Vec::from(versions.clone().text(key));
                (current.after(raw(key)), beyond(&apart, versions))
            }
            From::BeyondPrefix(common) => (beyond(&current, raw(common).into()), beyond(&apart, part(common))),
            _ => (current, apart),
        };
        Merged {
            current: snapshot.scan(current).peekable(),
            apart: snapshot.scan(apart).peekable(),
            current_base: objects.as_slice().len(),
            apart_base: versions.as_slice().len(),
        }
    }

    fn next_entry(&mut self) -> Result<Option<(String, Object)>, StoreError> {
        let current = match self.current.peek() {
            Some(Ok((key, _))) => {
                Some(String::from_utf8_lossy(key.get(self.current_base..).unwrap_or_default()).into_owned())
            }
            _ => None,
        };
        let apart = match self.apart.peek() {
            Some(Ok((key, _))) => Key::read_text(key, self.apart_base).map(|(key, _)| key),
            _ => None,
        };
        let first_is_current = match (&current, &apart) {
            (Some(current), Some(apart)) => current <= apart,
            (Some(_), None) => true,
            (None, _) => self.current.peek().is_some(),
        };
        let (entry, key) = if first_is_current { (self.current.next(), current) } else { (self.apart.next(), apart) };
        match entry.transpose()? {
            Some((_, record)) => Ok(Some((key.unwrap_or_default(), record::decode(&record)?))),
            None => Ok(None),
        }
    }
}

impl Iterator for Merged {
    type Item = Result<(String, Object), StoreError>;
    fn next(&mut self) -> Option<Self::Item> {
        self.next_entry().transpose()
    }
}

/// What the keys of a bucket's uploads begin with whose own keys begin with a text.
pub fn uploads_below(bucket: &str, text: &str) -> Vec<u8> {
    let mut key = Vec::from(uploads_key(bucket).text(text));
    // Text parts end with two bytes; what begins with the text does not.
    key.truncate(key.len() - 2);
    key
}

/// The part of a range beyond everything that begins with `prefix`.
pub fn beyond(range: &Range, prefix: Vec<u8>) -> Range {
    match Range::prefix(prefix).to {
        Bound::Excluded(end) | Bound::Included(end) => range.clone().starting_at(end),
        // Nothing sorts after the prefix.
        Bound::Unbounded => range.clone().starting_at(Vec::new()).before(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::store::object_key;
    use proptest::prelude::*;
    use service::Store;

    fn filled(keys: &BTreeSet<String>) -> Store {
        let store = Store::memory();
        for key in keys {
            store.put(object_key("b", key), Bytes::new()).unwrap();
        }
        // Neighbours that must not show.
        store.put(object_key("a", "zzz"), Bytes::new()).unwrap();
        store.put(object_key("bb", ""), Bytes::new()).unwrap();
        store
    }

    fn names(listing: &Listing) -> Vec<String> {
        listing.entries.iter().map(|entry| entry.name().to_owned()).collect()
    }

    /// All entries, by reading every key.
    fn oracle(keys: &BTreeSet<String>, query: &Query) -> Vec<String> {
        let mut out: Vec<String> = Vec::new();
        for key in keys.iter().filter(|key| key.starts_with(&query.prefix)) {
            let rest = &key[query.prefix.len()..];
            let name = match rest.find(&query.delimiter).filter(|_| !query.delimiter.is_empty()) {
                Some(at) => key[..query.prefix.len() + at + query.delimiter.len()].to_owned(),
                None => key.clone(),
            };
            if out.last() != Some(&name) {
                out.push(name);
            }
        }
        out
    }

    #[test]
    fn a_start_inside_a_common_prefix() {
        let keys: BTreeSet<String> = ["a", "d/1", "d/2", "e"].map(str::to_owned).into();
        let run = |after: &str, past_prefix: bool| {
            let query =
                Query { delimiter: "/".into(), after: after.into(), limit: 10, past_prefix, ..Query::default() };
            names(&list(&filled(&keys).snapshot(), objects_key("b").as_slice(), &query).unwrap())
        };
        assert_eq!((run("", false), run("", true)), (run("", true), ["a", "d/", "e"].map(str::to_owned).to_vec()));
        assert_eq!((run("d/1", false).len(), run("d/1", true)), (2, vec!["e".to_owned()]));
        assert_eq!((run("d/", false).len(), run("d/", true)), (2, vec!["e".to_owned()]));
        assert_eq!((run("d/2", false), run("d/2", true)), (vec!["e".to_owned()], vec!["e".to_owned()]));
    }

    #[test]
    fn nothing_is_asked_for() {
        let keys: BTreeSet<String> = ["a".to_owned()].into();
        let listing = list(&filled(&keys).snapshot(), objects_key("b").as_slice(), &Query::default()).unwrap();
        assert_eq!(listing, Listing::default());
    }

    proptest! {
        #[test]
        fn pages_are_what_a_naive_listing_has(
            keys in prop::collection::btree_set("[ab/é\u{0}\u{ff}]{1,5}", 0..40),
            prefix in "[ab/é]{0,2}",
            delimiter in prop::sample::select(vec!["", "/", "b", "a/", "é"]),
            limit in 1usize..6,
        ) {
            let store = filled(&keys);
            let mut query = Query { prefix, delimiter: delimiter.into(), after: String::new(), limit, past_prefix: true };
            let expected = oracle(&keys, &query);
            let mut all = Vec::new();
            loop {
                let page = list(&store.snapshot(), objects_key("b").as_slice(), &query).unwrap();
                prop_assert!(page.entries.len() <= limit);
                all.extend(names(&page));
                if !page.truncated {
                    break;
                }
                prop_assert_eq!(page.entries.len(), limit);
                query.after = page.entries.last().unwrap().name().to_owned();
            }
            prop_assert_eq!(all, expected);
        }

        #[test]
        fn what_is_before_the_start_is_left_out(
            keys in prop::collection::btree_set("[ab/]{1,4}", 0..30),
            prefix in "[ab/]{0,2}",
            after in "[ab/]{0,3}",
        ) {
            let query = Query { prefix, after, limit: 100, ..Query::default() };
            let expected: Vec<String> =
                keys.iter().filter(|key| key.starts_with(&query.prefix) && **key > query.after).cloned().collect();
            let found = list(&filled(&keys).snapshot(), objects_key("b").as_slice(), &query).unwrap();
            prop_assert_eq!(names(&found), expected);
        }
    }

    proptest! {
        #[test]
        fn pages_of_versions_are_what_a_naive_listing_has(
            steps in prop::collection::vec(("[ab/\u{0}]{1,3}", any::<bool>()), 0..40),
            prefix in "[ab/]{0,2}",
            delimiter in prop::sample::select(vec!["", "/", "a/"]),
            limit in 1usize..5,
        ) {
            use crate::store::{Bucket, Versioning};
            use crate::versions;
            let (store, random) = (Store::memory(), service::Random::seeded(3));
            let bucket = Bucket { name: "b".into(), versioning: Versioning::Enabled, ..Bucket::default() };
            let mut all: std::collections::BTreeMap<String, Vec<String>> = Default::default();
            for (key, deletes) in steps {
                let id = store.write(|tx| {
                    if deletes {
                        return Ok(versions::delete(tx, &random, &bucket, &key, 0)?.version.unwrap_or_default());
                    }
                    let (mut object, before) = (Object::default(), versions::current(tx, "b", &key)?);
                    versions::put(tx, &random, &bucket, &key, &mut object, before)?;
                    Ok::<_, StoreError>(object.version_id())
                }).unwrap();
                all.entry(key).or_default().insert(0, id);
            }
            let mut query = Query { prefix, delimiter: delimiter.into(), after: String::new(), limit, past_prefix: true };
            let mut expected: Vec<(String, String, bool)> = Vec::new();
            for (key, ids) in all.iter().filter(|(key, _)| key.starts_with(&query.prefix)) {
                match query.common_prefix(key) {
                    Some(common) => {
                        let entry = (common.to_owned(), String::new(), false);
                        if expected.last() != Some(&entry) {
                            expected.push(entry);
                        }
                    }
                    None => expected.extend(ids.iter().enumerate().map(|(at, id)| (key.clone(), id.clone(), at == 0))),
                }
            }
            let (mut found, mut older) = (Vec::new(), None);
            loop {
                let page = list_versions(&store.snapshot(), "b", &query, older).unwrap();
                let entries = page.versions.iter().map(|one| (one.key.clone(), one.object.version_id(), one.latest));
                let prefixes = page.common_prefixes.iter().map(|common| (common.clone(), String::new(), false));
                found.extend(entries.chain(prefixes));
                prop_assert!(page.versions.len() + page.common_prefixes.len() <= limit);
                let Some((key, version)) = page.last.filter(|_| page.truncated) else { break };
                query.after = key;
                older = version.as_deref().and_then(versions::seq_of);
            }
            found.sort();
            expected.sort();
            prop_assert_eq!(found, expected);
        }
    }
}
