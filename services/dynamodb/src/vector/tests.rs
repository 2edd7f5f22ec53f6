use super::*;
use crate::key::Scalar;
use proptest::prelude::*;

fn index(dimensions: usize) -> VectorIndex {
    let attribute = |name: &str, scalar| KeyAttribute { name: name.into(), scalar };
    VectorIndex {
        name: "near".into(),
        number: 9,
        attribute: "v".into(),
        dimensions,
        distance: Distance::Cosine,
        hash: Some(attribute("tenant", Scalar::S)),
        filters: vec![attribute("year", Scalar::N), attribute("kind", Scalar::S)],
        schema: vec!["tenant".into(), "year".into(), "kind".into()],
        projection: Projected::Include(vec!["title".into()]),
        backfill: None,
    }
}

fn n(text: &str) -> AttributeValue {
    AttributeValue::N(text.into())
}

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.into())
}

fn item(pairs: &[(&str, AttributeValue)]) -> Item {
    pairs.iter().map(|(name, value)| (name.to_string(), value.clone())).collect()
}

#[test]
fn vectors_that_do_not_fit_are_refused() {
    let check = |pairs: &[(&str, AttributeValue)]| index(2).check(&item(pairs)).map_err(|Invalid(text)| text);
    let values = |rest: &str| Err(format!("One or more parameter values were invalid: {rest}"));
    let list = |members: &[AttributeValue]| AttributeValue::L(members.to_vec());
    assert_eq!(check(&[("v", list(&[n("1"), n("-2.5")]))]), Ok(()));
    assert_eq!(check(&[("other", s("x"))]), Ok(()));
    assert_eq!(
        check(&[("v", list(&[n("1")]))]),
        values("Invalid size for parameter v, Expected: 2, Actual: 1. IndexName: near")
    );
    assert_eq!(
        check(&[("v", s("x"))]),
        values("Invalid type for parameter v, Expected: L, Actual: S. IndexName: near")
    );
    assert_eq!(
        check(&[("v", list(&[n("1"), s("x")]))]),
        values("Invalid type for parameter v[1], Expected: N, Actual: S. IndexName: near")
    );
    assert!(check(&[("v", list(&[n("1"), n("1E39")]))]).unwrap_err().contains("v[1], the value must be a 32-bit"));
    assert_eq!(
        check(&[("tenant", n("1"))]),
        values("Type mismatch for Index Key tenant Expected: S Actual: N IndexName: near")
    );
    assert!(check(&[("tenant", s(""))]).unwrap_err().contains("cannot contain an empty string value"));
    assert_eq!(
        check(&[("year", s("x"))]),
        values("Type mismatch for Index Key year Expected: N Actual: S IndexName: near")
    );
    assert_eq!(check(&[("kind", s(""))]), Ok(()), "filters are no keys");
}

#[test]
fn entries_hold_what_is_searched() {
    let table = crate::table::tests::table();
    let index = index(2);
    let vector = AttributeValue::L(vec![n("1"), n("0.5")]);
    let whole = item(&[
        ("pk", s("a")),
        ("sk", s("b")),
        ("tenant", s("t")),
        ("v", vector.clone()),
        ("title", s("four")),
        ("body", s("long")),
    ]);
    let entry = table.vector_change(&index, None, Some(&whole)).new.unwrap();
    assert_eq!(entry.value.len(), 8 + 4 + 4, "two numbers, and two filters that are not there");
    assert_eq!(entry.weight, 8 + "pkaskbtenantttitlefour".len());
    assert_eq!(index.unpacked(&entry.value.into()), vector);
    for missing in ["v", "tenant"] {
        let mut less = whole.clone();
        less.remove(missing);
        assert_eq!(table.vector_change(&index, None, Some(&less)), EntryChange::default(), "{missing}");
    }
    let mut changed = whole.clone();
    changed.insert("body".into(), s("longer"));
    assert_eq!(table.vector_change(&index, Some(&whole), Some(&changed)), EntryChange::default(), "not projected");
    changed.insert("tenant".into(), s("u"));
    let moved = table.vector_change(&index, Some(&whole), Some(&changed));
    assert!(moved.old.unwrap().0 != moved.new.unwrap().key);
}

proptest! {
    #[test]
    fn packed_vectors_come_back(numbers in prop::collection::vec(-1e6f32..1e6, 1..40)) {
        let mut index = index(numbers.len());
        index.hash = None;
        let vector = AttributeValue::L(numbers.iter().map(|number| n(&number.to_string())).collect());
        let whole = item(&[("v", vector.clone()), ("year", n("2001")), ("kind", s("k"))]);
        let packed = index.packed(&whole).unwrap();
        prop_assert_eq!(index.unpacked(&packed.into()), vector);
    }
}
