//! Schemas built at run time from the shapes of a vector file, and values in the vectors' own JSON.

use serde_json::{Map, Value as Json, json};
use wire::{
    ByteStream, Kind, Location, Member, OperationModel, Schema, ServiceModel, Timestamp, TimestampFormat, Value,
};

pub struct Model {
    pub service: ServiceModel,
    shapes: std::collections::BTreeMap<String, &'static Schema>,
}

fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

fn text(value: &Json) -> Option<&'static str> {
    value.as_str().map(|text| &*Box::leak(text.to_owned().into_boxed_str()))
}

impl Model {
    pub fn new(suite: &Json) -> Model {
        let definitions = suite["shapes"].as_object().unwrap();
        // Recursive shapes refer to each other, so every schema gets its place before it gets its content.
        let places: std::collections::BTreeMap<String, *mut Schema> = definitions
            .keys()
            .map(|name| {
                let name_text = text(&json!(name)).unwrap();
                (name.clone(), std::ptr::from_mut(Box::leak(Box::new(Schema::new(name_text, Kind::Boolean)))))
            })
            .collect();
        #[expect(unsafe_code, reason = "leaked places are filled once, before any schema is read")]
        // SAFETY: every pointer comes from a leaked box, is written here once, and only then handed out.
        let shapes = unsafe {
            let find = |reference: &Json| -> &'static Schema { &*places[reference["shape"].as_str().unwrap()] };
            let is_map = |reference: &Json| definitions[reference["shape"].as_str().unwrap()]["type"] == "map";
            for (name, definition) in definitions {
                places[name].write(schema(text(&json!(name)).unwrap(), definition, &find, &is_map));
            }
            places.iter().map(|(name, place)| (name.clone(), &**place)).collect()
        };
        let metadata = &suite["metadata"];
        let service = ServiceModel {
            name: "vectors",
            signing_name: "vectors",
            service_id: "vectors",
            api_version: "2000-01-01",
            protocols: &[],
            target_prefix: text(&metadata["targetPrefix"]),
            xml_namespace: text(&metadata["xmlNamespace"]),
            error_namespace: None,
            message_member: "message",
            query_compatible: metadata.get("awsQueryCompatible").is_some(),
            operations: &[],
        };
        Model { service, shapes }
    }

    pub fn operation(&self, given: &Json) -> &'static OperationModel {
        let shape = |side: &str| -> &'static Schema {
            match given[side]["shape"].as_str() {
                Some(name) => self.shapes[name],
                None => &wire::UNIT,
            }
        };
        let http = &given["http"];
        let mut operation = OperationModel::new(
            text(&given["name"]).unwrap_or("Operation"),
            text(&http["method"]).unwrap_or("POST"),
            text(&http["requestUri"]).unwrap_or("/"),
        )
        .shapes(shape("input"), shape("output"));
        let wrapper = format!("{}Result", given["name"].as_str().unwrap_or_default());
        operation.result_wrapper = text(&json!(wrapper));
        leak(operation)
    }
}

fn format(definition: &Json) -> Option<TimestampFormat> {
    match definition["timestampFormat"].as_str()? {
        "unixTimestamp" => Some(TimestampFormat::EpochSeconds),
        "iso8601" => Some(TimestampFormat::Iso8601),
        "rfc822" => Some(TimestampFormat::HttpDate),
        other => panic!("timestamp format {other}"),
    }
}

fn namespace(definition: &Json) -> Option<(&'static str, &'static str)> {
    let namespace = definition.get("xmlNamespace")?;
    let uri = text(&namespace["uri"]).or_else(|| text(namespace))?;
    Some((text(&namespace["prefix"]).unwrap_or(""), uri))
}

fn schema(
    name: &'static str,
    definition: &Json,
    find: &dyn Fn(&Json) -> &'static Schema,
    is_map: &dyn Fn(&Json) -> bool,
) -> Schema {
    let member = |name: &str, reference: &Json| {
        let mut member = Member::new(text(&json!(name)).unwrap(), find(reference));
        member.wire_name = text(&reference["locationName"]);
        member.query_name = text(&reference["queryName"]);
        member.location = match reference["location"].as_str() {
            None => Location::Body,
            Some("uri") => Location::Uri,
            Some("querystring") if is_map(reference) => Location::QueryMap,
            Some("querystring") => Location::Query,
            Some("header") => Location::Header,
            Some("headers") => Location::Headers,
            Some("statusCode") => Location::StatusCode,
            Some(other) => panic!("location {other}"),
        };
        member.flattened = reference["flattened"] == true;
        member.xml_attribute = reference["xmlAttribute"] == true;
        member.json_value = reference["jsonvalue"] == true;
        member.timestamp = format(reference);
        member.xml_namespace = namespace(reference);
        if definition["payload"].as_str() == Some(name) {
            member.location = Location::Payload;
        }
        member
    };
    let kind = match definition["type"].as_str().unwrap() {
        "boolean" => Kind::Boolean,
        "byte" => Kind::Integer(8),
        "short" => Kind::Integer(16),
        "integer" => Kind::Integer(32),
        "long" => Kind::Integer(64),
        "float" => Kind::Float,
        "double" => Kind::Double,
        "string" => Kind::String,
        "blob" => Kind::Blob,
        "timestamp" => Kind::Timestamp,
        "list" => Kind::List(member("member", &definition["member"])),
        "map" => Kind::Map(member("key", &definition["key"]), member("value", &definition["value"])),
        "structure" if definition["document"] == true => Kind::Document,
        "structure" => {
            let members = definition["members"].as_object().into_iter().flatten();
            Kind::Structure(Vec::leak(members.map(|(name, reference)| member(name, reference)).collect()))
        }
        other => panic!("type {other}"),
    };
    let mut schema = Schema::new(name, kind);
    schema.timestamp = format(definition);
    schema.flattened = definition["flattened"] == true;
    schema.xml_name = text(&definition["locationName"]);
    schema.xml_namespace = namespace(definition);
    schema
}

/// A decoded value in the vectors' JSON: timestamps are seconds, blobs are text.
pub fn to_json(value: &Value, schema: &'static Schema) -> Json {
    match (value, &schema.kind) {
        (Value::Null, _) => Json::Null,
        (Value::Boolean(value), _) => json!(value),
        (Value::Integer(value), _) => json!(value),
        (Value::Double(value), _) if value.is_finite() => json!(value),
        (Value::Double(value), _) if value.is_nan() => json!("NaN"),
        (Value::Double(value), _) => json!(if *value > 0.0 { "Infinity" } else { "-Infinity" }),
        (Value::String(value), _) => json!(value),
        (Value::Blob(value), _) => json!(String::from_utf8_lossy(value)),
        (Value::Stream(value), _) => json!(String::from_utf8_lossy(&value.bytes().unwrap_or_default())),
        (Value::Timestamp(value), _) => json!(value.millis() as f64 / 1000.0),
        (Value::Document(value), _) => value.clone(),
        (Value::List(list), Kind::List(element)) => list.iter().map(|value| to_json(value, element.schema)).collect(),
        (Value::Map(map), Kind::Map(_, member)) => {
            Json::Object(map.iter().map(|(key, value)| (key.clone(), to_json(value, member.schema))).collect())
        }
        (Value::Structure(members), _) => {
            let mut object = Map::new();
            for (index, value) in members {
                let member = &schema.members()[*index];
                object.insert(member.name.to_owned(), to_json(value, member.schema));
            }
            Json::Object(object)
        }
        other => panic!("{other:?}"),
    }
}

/// The reverse of [`to_json`].
pub fn from_json(json: &Json, schema: &'static Schema) -> Value {
    let special = |text: &str| match text {
        "NaN" => f64::NAN,
        "Infinity" => f64::INFINITY,
        "-Infinity" => f64::NEG_INFINITY,
        other => panic!("{other} is no number"),
    };
    match (&schema.kind, json) {
        (Kind::Document, json) => Value::Document(json.clone()),
        (_, Json::Null) => Value::Null,
        (Kind::Boolean, json) => Value::Boolean(json.as_bool().unwrap()),
        (Kind::Integer(_), json) => Value::Integer(json.as_i64().unwrap()),
        (Kind::Float | Kind::Double, json) => {
            Value::Double(json.as_f64().unwrap_or_else(|| special(json.as_str().unwrap())))
        }
        (Kind::String | Kind::Enum(_), json) => {
            Value::String(json.as_str().map_or_else(|| json.to_string(), str::to_owned))
        }
        (Kind::Blob, json) => Value::Blob(json.as_str().unwrap().to_owned().into()),
        (Kind::Timestamp, json) => Value::Timestamp(Timestamp::from_secs_f64(json.as_f64().unwrap()).unwrap()),
        (Kind::List(element), json) => {
            Value::List(json.as_array().unwrap().iter().map(|json| from_json(json, element.schema)).collect())
        }
        (Kind::Map(_, member), json) => Value::Map(
            json.as_object().unwrap().iter().map(|(key, json)| (key.clone(), from_json(json, member.schema))).collect(),
        ),
        (Kind::Structure(members), json) => {
            let object = json.as_object().unwrap();
            let of = |(index, member): (usize, &'static Member)| {
                let json = object.get(member.name)?;
                let value = if member.streaming {
                    Value::Stream(ByteStream::from(bytes::Bytes::from(json.as_str().unwrap().to_owned())))
                } else {
                    from_json(json, member.schema)
                };
                Some((index, value))
            };
            Value::Structure(members.iter().enumerate().filter_map(of).collect())
        }
    }
}

/// Without nulls and without empty lists, maps and structures: the wire has no form for them in some places.
pub fn without_empty(json: &Json) -> Json {
    let empty = |json: &Json| match json {
        Json::Null => true,
        Json::Array(list) => list.is_empty(),
        Json::Object(map) => map.is_empty(),
        _ => false,
    };
    match json {
        Json::Object(map) => {
            let kept = map.iter().map(|(key, value)| (key.clone(), without_empty(value)));
            Json::Object(kept.filter(|(_, value)| !empty(value)).collect())
        }
        Json::Array(list) => list.iter().map(without_empty).collect(),
        json => json.clone(),
    }
}

/// Equality in which numbers compare by value and single precision is enough for floats.
pub fn same(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            a == b || (a as f32) == (b as f32)
        }
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| same(value, other)))
        }
        (a, b) => a == b,
    }
}
