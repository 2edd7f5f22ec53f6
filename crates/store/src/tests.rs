use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn collect(scan: impl Iterator<Item = Result<Entry>>) -> Vec<(Vec<u8>, Vec<u8>)> {
    scan.map(|entry| entry.map(|(key, value)| (key.to_vec(), value.to_vec())).unwrap()).collect()
}

#[test]
fn a_failed_transaction_leaves_nothing() {
    let store = Store::memory();
    let result: std::result::Result<(), StoreError> = store.write(|transaction| {
        transaction.put("a", "1");
        assert_eq!(transaction.get(b"a")?.as_deref(), Some(&b"1"[..]));
        Err(StoreError::Corrupt("no".to_owned()))
    });
    assert!(result.is_err());
    assert_eq!(store.get(b"a").unwrap(), None);
}

#[test]
fn a_snapshot_does_not_see_later_writes() {
    let folder = tempfile::tempdir().unwrap();
    for store in [Store::memory(), Store::open(folder.path(), Durability::Window).unwrap()] {
        store.put("a", "1").unwrap();
        let snapshot = store.snapshot();
        store.put("b", "2").unwrap();
        assert_eq!(collect(snapshot.scan(Range::prefix("")).filter(|e| e.as_ref().unwrap().0[0] != 0)).len(), 1);
        assert_eq!(snapshot.get(b"b").unwrap(), None);
        let values: Vec<Bytes> = snapshot.values(Range::prefix("a")).map(|value| value.unwrap()).collect();
        assert_eq!(values, ["1"]);
        assert_eq!(store.snapshot().values(Range::prefix("a").before("c")).rev().count(), 1);
    }
}

#[test]
fn a_second_process_is_refused_and_a_reopened_store_has_everything() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), Durability::Sync).unwrap();
    store.put("a", "1").unwrap();
    assert!(matches!(Store::open(folder.path(), Durability::Window), Err(StoreError::Locked(_))));
    drop(store);
    let store = Store::open(folder.path(), Durability::Window).unwrap();
    assert_eq!(store.get(b"a").unwrap().as_deref(), Some(&b"1"[..]));
    store.clear().unwrap();
    assert_eq!(store.get(b"a").unwrap(), None);
}

#[test]
fn a_file_in_place_of_the_folder_is_a_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let error = Store::open(&file, Durability::Window).err().unwrap().to_string();
    assert!(error.contains("cannot be opened"), "{error}");
}

#[derive(Clone, Debug)]
enum Step {
    Put(Vec<u8>, Vec<u8>),
    Delete(Vec<u8>),
}

fn step() -> impl Strategy<Value = Step> {
    let key = prop::collection::vec(0..4u8, 0..4);
    prop_oneof![
        (key.clone(), any::<Vec<u8>>()).prop_map(|(key, value)| Step::Put(key, value)),
        key.prop_map(Step::Delete),
    ]
}

proptest! {
    /// Reads, scans in both directions and scans inside a transaction agree with a plain map.
    #[test]
    fn behaves_as_an_ordered_map(
        before in prop::collection::vec(step(), 0..20),
        inside in prop::collection::vec(step(), 0..20),
        prefix in prop::collection::vec(0..4u8, 0..3),
    ) {
        let store = Store::memory();
        let mut model: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        let apply = |transaction: &mut Transaction<'_>, model: &mut BTreeMap<_, _>, steps: &[Step]| {
            for step in steps {
                match step {
                    Step::Put(key, value) => {
                        transaction.put(key.clone(), value.clone());
                        model.insert(key.clone(), value.clone());
                    }
                    Step::Delete(key) => {
                        transaction.delete(key.clone());
                        model.remove(key);
                    }
                }
            }
        };
        store.write(|transaction| { apply(transaction, &mut model, &before); Ok::<_, StoreError>(()) }).unwrap();
        store.write(|transaction| {
            apply(transaction, &mut model, &inside);
            let expected: Vec<_> = model.iter().filter(|(key, _)| key.starts_with(&prefix))
                .map(|(key, value)| (key.clone(), value.clone())).collect();
            let found = transaction.scan(Range::prefix(prefix.clone()), usize::MAX)?;
            let found: Vec<_> = found.into_iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect();
            assert_eq!(found, expected);
            Ok::<_, StoreError>(())
        }).unwrap();
        let expected: Vec<_> = model.into_iter().filter(|(key, _)| key.starts_with(&prefix)).collect();
        prop_assert_eq!(&collect(store.scan(Range::prefix(prefix.clone()))), &expected);
        let values = store.snapshot().values(Range::prefix(prefix.clone()));
        let values: Vec<_> = values.map(|value| value.unwrap().to_vec()).collect();
        prop_assert_eq!(values, expected.iter().map(|(_, value)| value.clone()).collect::<Vec<_>>());
        let mut backwards = collect(store.scan(Range::prefix(prefix)).rev());
        backwards.reverse();
        prop_assert_eq!(&backwards, &expected);
    }

    #[test]
    fn keys_order_as_their_parts_and_read_back(a: (String, u64, String), b: (String, u64, String)) {
        let key = |(text, number, last): &(String, u64, String)| Key::new(text).number(*number).text(last);
        let (x, y) = (key(&a), key(&b));
        prop_assert_eq!(x.as_slice().cmp(y.as_slice()), (a.0.as_bytes(), a.1, a.2.as_bytes()).cmp(&(b.0.as_bytes(), b.1, b.2.as_bytes())));
        let (text, next) = Key::read_text(x.as_slice(), 0).unwrap();
        prop_assert_eq!(&text, &a.0);
        prop_assert_eq!(Key::read_text(x.as_slice(), next + 8).unwrap().0, a.2);
    }
}

#[test]
fn a_key_outside_never_widens_a_range() {
    let store = Store::memory();
    for key in ["a/1", "b/1", "b/2", "b/3", "c/1"] {
        store.put(key, "").unwrap();
    }
    let keys = |range: Range| -> Vec<String> {
        store.scan(range).map(|entry| String::from_utf8(entry.unwrap().0.to_vec()).unwrap()).collect()
    };
    let all = ["b/1", "b/2", "b/3"];
    let range = || Range::prefix("b/");
    assert_eq!(keys(range().after("a/0")), all);
    assert_eq!(keys(range().starting_at("")), all);
    assert_eq!(keys(range().before("z")), all);
    assert_eq!(keys(range().up_to("c/1")), all);
    assert_eq!(keys(range().after("b/1")), all[1..]);
    assert_eq!(keys(range().starting_at("b/2")), all[1..]);
    assert_eq!(keys(range().before("b/3")), all[..2]);
    assert_eq!(keys(range().up_to("b/2")), all[..2]);
    assert!(keys(range().after("c")).is_empty() && keys(range().before("a")).is_empty());
}

#[test]
fn what_a_record_parses_to_follows_the_record() {
    let store = Store::memory();
    let length = |record: &Bytes| Ok::<_, StoreError>(record.len());
    let now = || store.parsed(b"a", length).unwrap().as_deref().copied();
    assert_eq!(now(), None);
    store.put("a", "12").unwrap();
    assert_eq!((now(), now()), (Some(2), Some(2)));
    let failed = store.write(|tx| {
        tx.put("a", "123");
        assert_eq!(tx.parsed(b"a", length)?.as_deref(), Some(&3));
        assert_eq!(now(), Some(2));
        Err::<(), _>(StoreError::Corrupt("no".to_owned()))
    });
    assert!(failed.is_err());
    assert_eq!(now(), Some(2));
    let words = store.parsed(b"a", |record| Ok::<_, StoreError>(record.to_vec())).unwrap();
    assert_eq!(words.as_deref(), Some(&b"12".to_vec()));
    store.clear().unwrap();
    assert_eq!(now(), None);
}

/// Readers that race with a writer never keep what was before a write that they have heard of.
#[test]
fn nothing_stale_is_remembered() {
    let store = Store::memory();
    let value = || store.parsed(b"n", |record| Ok::<_, StoreError>(record.to_vec())).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| (0..20_000).for_each(|_| drop(value())));
        }
        for number in 0..2_000u32 {
            let bytes = number.to_be_bytes().to_vec();
            store.put("n", bytes.clone()).unwrap();
            assert_eq!(value().as_deref(), Some(&bytes));
        }
    });
}

/// More than fits the memory: files of several levels, whose indexes and filters are in pieces.
#[test]
fn what_has_been_sorted_into_files_is_found_and_listed() {
    const COUNT: u64 = 40_000;
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), Durability::Window).unwrap();
    let key = |number: u64| format!("key/{number:06}").into_bytes();
    let value = |number: u64, round: u64| {
        let mut seed = number * 31 + round;
        let mut noise = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 56) as u8
        };
        (0..1200).map(|_| noise()).collect::<Vec<u8>>()
    };
    let mut rounds = vec![0; COUNT as usize];
    for round in 1..=2 {
        // Every key, and then every third again, in an order that is not theirs.
        for start in (0..COUNT).step_by(500) {
            store
                .write(|transaction| {
                    for number in (start..start + 500).filter(|number| round == 1 || number % 3 == 0) {
                        let number = number * 7919 % COUNT;
                        transaction.put(key(number), value(number, round));
                        rounds[number as usize] = round;
                    }
                    Ok::<_, StoreError>(())
                })
                .unwrap();
        }
    }
    for number in (0..COUNT).step_by(97) {
        assert_eq!(store.get(&key(number)).unwrap().as_deref(), Some(&*value(number, rounds[number as usize])));
        assert_eq!(store.get(&[&*key(number), b"x"].concat()).unwrap(), None);
    }
    let snapshot = store.snapshot();
    let numbers = |range: Range, back: bool| -> Vec<u64> {
        let scan = snapshot.scan(range);
        let read = |entry: Result<Entry>| {
            let (key, found) = entry.unwrap();
            let number = std::str::from_utf8(&key[4..]).unwrap().parse().unwrap();
            assert_eq!(found[..], value(number, rounds[number as usize])[..]);
            number
        };
        if back { scan.rev().map(read).collect() } else { scan.map(read).collect() }
    };
    for first in (0..COUNT).step_by(2_311) {
        for length in [1, 40, 1500] {
            let last = (first + length).min(COUNT);
            let range = || Range::prefix("key/").starting_at(key(first)).before(key(last));
            assert_eq!(numbers(range(), false), (first..last).collect::<Vec<_>>());
            assert_eq!(numbers(range(), true), (first..last).rev().collect::<Vec<_>>());
        }
        let after = Range::prefix("key/").after(key(first));
        assert_eq!(snapshot.scan(after).next().unwrap().unwrap().0[..], key(first + 1)[..]);
    }
    assert_eq!(numbers(Range::prefix("key/"), false).len() as u64, COUNT);
}
