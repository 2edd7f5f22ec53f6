//! What Jayway's JSONPath answers to these paths.

use super::*;
use proptest::prelude::*;

const DOCUMENT: &str = r#"{"store":{"book":[{"category":"reference","author":"Nigel","title":"Sayings","price":8.95},{"category":"fiction","author":"Evelyn","title":"Sword","price":12.99},{"category":"fiction","author":"Herman","title":"Moby","isbn":"0-553","price":8.99},{"category":"fiction","author":"Tolkien","title":"Lord","isbn":"0-395","price":22.99,"n":null}],"bicycle":{"color":"red","price":19.95}},"expensive":10,"a b":1,"arr":[1,2,3,4,5],"nested":[[1,2],[3,4]],"s":"x/y","t":true,"nul":null,"a-b":5,"e":[],"@type":"q"}"#;

const FOUND: &[(&str, &str)] = &[
    (r#"$.store.book[*].author"#, r#"["Nigel", "Evelyn", "Herman", "Tolkien"]"#),
    (r#"$..author"#, r#"["Nigel", "Evelyn", "Herman", "Tolkien"]"#),
    (r#"$.store..price"#, r#"[8.95, 12.99, 8.99, 22.99, 19.95]"#),
    (r#"$..book[0,1].title"#, r#"["Sayings", "Sword"]"#),
    (r#"$..book[-1:].title"#, r#"["Lord"]"#),
    (r#"$..book[:2].title"#, r#"["Sayings", "Sword"]"#),
    (r#"$..book[2].title"#, r#"["Moby"]"#),
    (r#"$..book[?(@.isbn)].title"#, r#"["Moby", "Lord"]"#),
    (r#"$.store.book[?(@.price < 10)].title"#, r#"["Sayings", "Moby"]"#),
    (r#"$..book[?(@.price <= $['expensive'])].title"#, r#"["Sayings", "Moby"]"#),
    (r#"$..book[?(@.author == 'Nigel')].title"#, r#"["Sayings"]"#),
    (r#"$..book[?(@.author =~ /.*i.*/i)].author"#, r#"["Nigel", "Tolkien"]"#),
    (r#"$.store.book[?(@.price > 8 && @.price < 10)].title"#, r#"["Sayings", "Moby"]"#),
    (r#"$.store.book[?(@.category == 'reference' || @.price > 20)].title"#, r#"["Sayings", "Lord"]"#),
    (r#"$.store.book[?(!@.isbn)].title"#, r#"["Sayings", "Sword"]"#),
    (r#"$.store.book[?(@.category in ['reference'])].title"#, r#"["Sayings"]"#),
    (r#"$.store.book[?(@.category nin ['reference'])].author"#, r#"["Evelyn", "Herman", "Tolkien"]"#),
    (r#"$.store.book[?(@.n == null)].title"#, r#"["Lord"]"#),
    (r#"$.store.book[?(@['price'] > 20)].title"#, r#"["Lord"]"#),
    (r#"$.store.book[?(10 > @.price)].title"#, r#"["Sayings", "Moby"]"#),
    (r#"$.store.book[?(@.author.length() > 6)].author"#, r#"["Tolkien"]"#),
    (r#"$.store.book[?(@.author size 5)].author"#, r#"["Nigel"]"#),
    (r#"$.store.book[?(@.missing == 'x')]"#, r#"[]"#),
    (r#"$.store.bicycle[?(@.color == 'red')]"#, r#"[{"color": "red", "price": 19.95}]"#),
    (r#"$.store[?(@.color == 'red')]"#, r#"[]"#),
    (r#"$.store.book[*].isbn"#, r#"["0-553", "0-395"]"#),
    (r#"$.store.book[0]['author','title']"#, r#"{"author": "Nigel", "title": "Sayings"}"#),
    (r#"$['expensive','a b']"#, r#"{"expensive": 10, "a b": 1}"#),
    (r#"$..missing"#, r#"[]"#),
    (r#"$..['price']"#, r#"[8.95, 12.99, 8.99, 22.99, 19.95]"#),
    (r#"$.arr[1:4]"#, r#"[2, 3, 4]"#),
    (r#"$.arr[-2:]"#, r#"[4, 5]"#),
    (r#"$.arr[:-1]"#, r#"[1, 2, 3, 4]"#),
    (r#"$.arr[10:20]"#, r#"[]"#),
    (r#"$.arr[*]"#, r#"[1, 2, 3, 4, 5]"#),
    (r#"$.arr[-1]"#, r#"5"#),
    (r#"$.arr[?(@ > 2)]"#, r#"[3, 4, 5]"#),
    (r#"$.arr.length()"#, r#"5"#),
    (r#"$.arr.sum()"#, r#"15.0"#),
    (r#"$.arr.max()"#, r#"5.0"#),
    (r#"$.arr.avg()"#, r#"3.0"#),
    (r#"$.nested[*][0]"#, r#"[1, 3]"#),
    (r#"$.nested[0][1]"#, r#"2"#),
    (r#"$['a b']"#, r#"1"#),
    (r#"$["a b"]"#, r#"1"#),
    (r#"$.a-b"#, r#"5"#),
    (r#"$.@type"#, r#""q""#),
    (r#"$.nul"#, r#"null"#),
    (r#"$.e"#, r#"[]"#),
    (r#"$.s"#, r#""x/y""#),
    (r#"store.bicycle.color"#, r#""red""#),
];

fn document() -> Json {
    serde_json::from_str(DOCUMENT).unwrap()
}

#[test]
fn finds_what_the_reference_finds() {
    for (path, expected) in FOUND {
        let expected: Json = serde_json::from_str(expected).unwrap();
        assert_eq!(Path::parse(path).unwrap().query(&document()), Ok(Some(expected)), "{path}");
    }
}

#[test]
fn the_root_is_the_document() {
    assert_eq!(Path::parse("$").unwrap().query(&document()), Ok(Some(document())));
}

#[test]
fn a_definite_path_to_nothing_finds_nothing() {
    for path in ["$.missing", "$.store.missing.x", "$.arr[9]", "$.nul.x", "$.s.x", "$.arr.x", "$.missing[*].id"] {
        assert_eq!(Path::parse(path).unwrap().query(&document()), Ok(None), "{path}");
    }
}

#[test]
fn malformed_paths_are_refused() {
    for path in
        ["", " ", "$.", "$[", "$.arr[", "$.store.book[?(@.x", "$.bicycle.", "$.arr[a]", "$..", "$.arr[1:", "$.x.nope()"]
    {
        assert!(Path::parse(path).is_err(), "{path}");
    }
}

#[test]
fn a_path_that_explodes_ends_in_an_error() {
    let nested = (0..12).fold(Json::from(1), |inner, _| Json::from(vec![inner.clone(), inner]));
    let path = Path::parse(&format!("${}", "..*".repeat(12))).unwrap();
    assert_eq!(path.query(&nested), Err(Error::TooManyNodes));
}

proptest! {
    #[test]
    fn no_path_makes_it_panic(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "$", "@", ".", "..", "[", "]", "?", "(", ")", "*", "'a'", "\"b\"", "0", "-1", ":", ",", "arr", "store", "==", "=~",
            "/x/", "&&", "||", "!", "<", "length()", " ", "in ", "null", "é", "\\",
        ]), 0..20),
    ) {
        if let Ok(path) = Path::parse(&pieces.concat()) {
            let _ = path.query(&document());
        }
    }
}
