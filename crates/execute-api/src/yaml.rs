//! Documents in YAML as JSON values, and back. Keys become texts: OpenAPI writes status codes without quotes.

use saphyr::{LoadableYamlNode as _, Mapping, Scalar, Yaml, YamlEmitter};
use saphyr_parser::{Event, Parser};
use serde_json::{Map, Value as Json};

/// How deep a document may be.
const DEEPEST: usize = 64;

/// Reads JSON or YAML: every JSON document begins with a brace.
pub fn read(body: &[u8]) -> Result<Json, String> {
    let text = std::str::from_utf8(body).map_err(|error| error.to_string())?;
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map_err(|error| error.to_string());
    }
    refuse_aliases(text)?;
    let documents = Yaml::load_from_str(text).map_err(|error| error.to_string())?;
    let document = documents.first().ok_or("the document is empty")?;
    json(document, DEEPEST)
}

/// An alias stands for a copy of what it names, and aliases of aliases for more than any memory holds.
fn refuse_aliases(text: &str) -> Result<(), String> {
    for event in Parser::new_from_str(text) {
        let (event, _) = event.map_err(|error| error.to_string())?;
        if matches!(event, Event::Alias(_)) {
            return Err("aliases are not supported".to_owned());
        }
    }
    Ok(())
}

fn json(yaml: &Yaml<'_>, depth: usize) -> Result<Json, String> {
    if depth == 0 {
        return Err("the document is too deep".to_owned());
    }
    Ok(match yaml {
        Yaml::Value(scalar) => match scalar {
            Scalar::Null => Json::Null,
            Scalar::Boolean(flag) => Json::from(*flag),
            Scalar::Integer(number) => Json::from(*number),
            Scalar::FloatingPoint(number) => Json::from(number.into_inner()),
            Scalar::String(text) => Json::from(text.as_ref()),
        },
        Yaml::Representation(text, ..) => Json::from(text.as_ref()),
        Yaml::Sequence(items) => {
            let items: Result<Vec<Json>, String> = items.iter().map(|item| json(item, depth - 1)).collect();
            Json::Array(items?)
        }
        Yaml::Mapping(members) => {
            let mut out = Map::new();
            for (key, value) in members {
                let key = match json(key, depth - 1)? {
                    Json::String(text) => text,
                    other => other.to_string(),
                };
                out.insert(key, json(value, depth - 1)?);
            }
            Json::Object(out)
        }
        Yaml::Tagged(_, inner) => json(inner, depth - 1)?,
        Yaml::Alias(_) | Yaml::BadValue => return Err("the document has a value that cannot be read".to_owned()),
    })
}

/// Writes a value as YAML.
pub fn write(value: &Json) -> String {
    let mut out = String::new();
    // Writing to a text does not fail.
    let _ = YamlEmitter::new(&mut out).dump(&yaml(value));
    out.push('\n');
    out
}

fn yaml(value: &Json) -> Yaml<'_> {
    match value {
        Json::Null => Yaml::Value(Scalar::Null),
        Json::Bool(flag) => Yaml::Value(Scalar::Boolean(*flag)),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Yaml::Value(Scalar::Integer(number)),
            None => Yaml::Value(Scalar::FloatingPoint(number.as_f64().unwrap_or_default().into())),
        },
        Json::String(text) => Yaml::Value(Scalar::String(text.as_str().into())),
        Json::Array(items) => Yaml::Sequence(items.iter().map(yaml).collect()),
        Json::Object(members) => {
            let mut out = Mapping::new();
            for (name, value) in members {
                out.insert(Yaml::Value(Scalar::String(name.as_str().into())), yaml(value));
            }
            Yaml::Mapping(out)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use serde_json::json;

    #[test]
    fn documents_are_read() {
        let text =
            "openapi: 3.0.1\npaths:\n  /x:\n    get:\n      responses:\n        200: {description: ok}\n      n: 1.5\n";
        let expected = json!({"openapi": "3.0.1", "paths": {"/x": {"get": {"responses": {"200": {"description": "ok"}}, "n": 1.5}}}});
        assert_eq!(read(text.as_bytes()).unwrap(), expected);
        assert_eq!(read(b" {\"a\": 1}").unwrap(), json!({"a": 1}));
        assert!(read(b"a: [").is_err());
        assert!(read(b"").is_err());
    }

    #[test]
    fn what_is_written_is_read_again() {
        let value = json!({"200": {"a": ["x", 1, true, null]}, "text": "line\n'quote' \"x\"", "no": "no", "v": "1.0"});
        assert_eq!(read(write(&value).as_bytes()).unwrap(), value);
    }

    proptest::proptest! {
        #[test]
        fn texts_survive(text in "[ -~\n]{0,40}", number in proptest::prelude::any::<i32>()) {
            let value = json!({ text.clone(): [text, number] });
            proptest::prop_assert_eq!(read(write(&value).as_bytes()).unwrap(), value);
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,60}") {
            let _ = read(text.as_bytes());
        }
    }

    #[test]
    fn aliases_do_not_blow_up() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for at in 1..9 {
            let before = format!("*a{}", at - 1);
            bomb += &format!("a{at}: &a{at} [{}]\n", vec![before; 10].join(", "));
        }
        assert!(read(bomb.as_bytes()).is_err());
    }
}
