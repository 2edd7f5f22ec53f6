//! Listing the keys of a bucket: what is below a prefix, with everything behind a delimiter rolled up.
//!
//! A listing costs what it returns: it seeks over the keys behind a common prefix rather than reading them.

use std::ops::Bound;

use service::{Bytes, Range, Snapshot, StoreError};

/// What to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    pub prefix: String,
    /// Empty for none.
    pub delimiter: String,
    /// Only what sorts after this key or common prefix; empty for everything.
    pub after: String,
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
    fn common_prefix<'a>(&self, key: &'a str) -> Option<&'a str> {
        if self.delimiter.is_empty() {
            return None;
        }
        let rest = key.get(self.prefix.len()..)?;
        let at = rest.find(&self.delimiter)?;
        key.get(..self.prefix.len() + at + self.delimiter.len())
    }

    /// Whether a key stands for everything that begins with it.
    fn is_common_prefix(&self, key: &str) -> bool {
        key.starts_with(&self.prefix) && self.common_prefix(key) == Some(key)
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
        let after = [base, query.after.as_bytes()].concat();
        from = if query.is_common_prefix(&query.after) { beyond(&whole, after) } else { whole.clone().after(after) };
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

/// The part of a range beyond everything that begins with `prefix`.
fn beyond(range: &Range, prefix: Vec<u8>) -> Range {
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
    use crate::store::{object_key, objects_key};
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
    fn a_start_inside_a_common_prefix_shows_the_prefix() {
        let keys: BTreeSet<String> = ["a", "d/1", "d/2", "e"].map(str::to_owned).into();
        let query = |after: &str| Query { delimiter: "/".into(), after: after.into(), limit: 10, ..Query::default() };
        let run =
            |after: &str| names(&list(&filled(&keys).snapshot(), objects_key("b").as_slice(), &query(after)).unwrap());
        assert_eq!(run(""), ["a", "d/", "e"]);
        assert_eq!(run("d/1"), ["d/", "e"]);
        assert_eq!(run("d/"), ["e"]);
        assert_eq!(run("d/2"), ["e"]);
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
            let mut query = Query { prefix, delimiter: delimiter.into(), after: String::new(), limit };
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
}
