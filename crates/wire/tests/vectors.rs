//! The wire-protocol vectors of botocore, every case in both directions.
//!
//! `input`: what a request on the wire decodes to. `output`: the response in the vector decodes to the result, and the
//! response that we encode from the result decodes to it again. The vectors are not part of this repository; they are
//! looked for beside it (`../shared/conformance`) or at `WELKIN_CONFORMANCE`.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test: a vector that cannot be read fails it")]

mod model;

use std::path::PathBuf;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value as Json;
use wire::protocol::{Request, decode_request, encode_response};
use wire::rest::UriPattern;
use wire::{ByteStream, Protocol, Value, client};

use model::{Model, from_json, same, to_json, without_empty};

/// Cases that cannot hold for a server, each with its reason.
const TOKEN: &str = "the client invents the token";
const GZIP: &str = "the vector has no body: it only wants to see the header that a compressing client sets";
const MERGED: &str = "the client merges a map into named parameters, which the wire does not show";
const REPEATED: &str = "a server sees every parameter in the map, as restJson's own vector has it";
const DENSE: &str = "a client may skip nulls in dense collections; a server refuses them";
const NOT_APPLICABLE: &[(&str, &str)] = &[
    ("QueryIdempotencyTokenAutoFill", TOKEN),
    ("RestJsonQueryIdempotencyTokenAutoFill", TOKEN),
    ("QueryProtocolIdempotencyTokenAutoFill", TOKEN),
    ("Ec2ProtocolIdempotencyTokenAutoFill", TOKEN),
    ("SDKAppliedContentEncoding_ec2Query", GZIP),
    ("SDKAppendsGzipAndIgnoresHttpProvidedEncoding_ec2Query", GZIP),
    ("SDKAppliedContentEncoding_awsJson1_1", GZIP),
    ("SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsJson1_1", GZIP),
    ("SDKAppliedContentEncoding_awsJson1_0", GZIP),
    ("SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsJson1_0", GZIP),
    ("SDKAppliedContentEncoding_awsQuery", GZIP),
    ("SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsQuery", GZIP),
    ("SDKAppliedContentEncoding_restJson1", GZIP),
    ("SDKAppendedGzipAfterProvidedEncoding_restJson1", GZIP),
    ("SDKAppliedContentEncoding_restXml", GZIP),
    ("SDKAppendedGzipAfterProvidedEncoding_restXml", GZIP),
    ("RestJsonQueryParamsStringListMap", MERGED),
    ("RestJsonQueryPrecedence", MERGED),
    ("RestXmlQueryParamsStringListMap", MERGED),
    ("RestXmlQueryPrecedence", MERGED),
    ("AllQueryStringTypes", REPEATED),
    ("RestXmlQueryStringEscaping", REPEATED),
    ("RestXmlSupportsNaNFloatQueryValues", REPEATED),
    ("RestXmlSupportsInfinityFloatQueryValues", REPEATED),
    ("RestXmlSupportsNegativeInfinityFloatQueryValues", REPEATED),
    ("RestXmlZeroAndFalseQueryValues", REPEATED),
    ("RestJsonHostWithPath", "the path is part of the client's endpoint, not of the operation"),
    ("RestJsonDeserializesDenseSetMapAndSkipsNull", DENSE),
    ("RpcV2CborDeserializesDenseSetMapAndSkipsNull", DENSE),
    ("IgnoreQueryParamsInResponse", "no output of AWS has a query parameter for a server to write"),
];

/// Requests in which the client leaves out what is null or empty, so that it cannot be decoded: compared without those.
const OMITTED: &[&str] = &[
    "Ec2EmptyQueryLists",
    "AwsJson11StructuresDontSerializeNullValues",
    "QueryEmptyQueryMaps",
    "RestJsonHttpPrefixHeadersAreNotPresent",
    "RestJsonNullAndEmptyHeaders",
    "RestJsonOmitsNullQuery",
    "RestJsonOmitsEmptyListQueryValues",
    "RestJsonDoesntSerializeNullStructureValues",
    "RestJsonHttpWithEmptyStructurePayload",
    "RestJsonHttpWithHeadersButNoPayload",
    "HttpPrefixHeadersAreNotPresent",
    "NullAndEmptyHeaders",
    "RestXmlOmitsNullQuery",
    "RpcV2CborClientDoesntSerializeNullStructureValues",
];

fn folder() -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance");
    let folder = std::env::var_os("WELKIN_CONFORMANCE").map_or(beside, PathBuf::from).join("protocols");
    folder.is_dir().then_some(folder)
}

fn protocol_of(file: &str) -> Protocol {
    match file {
        name if name.starts_with("json_1_0") => Protocol::AwsJson10,
        "json" => Protocol::AwsJson11,
        "rest-json" => Protocol::RestJson1,
        "rest-xml" => Protocol::RestXml,
        "query" => Protocol::AwsQuery,
        "ec2" => Protocol::Ec2Query,
        name if name.starts_with("smithy-rpc-v2-cbor") => Protocol::RpcV2Cbor,
        other => panic!("no protocol for {other}"),
    }
}

fn headers_of(headers: &Json) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers.as_object().into_iter().flatten() {
        let values = match value {
            Json::Array(values) => values.clone(),
            value => vec![value.clone()],
        };
        for value in values {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            map.append(name, HeaderValue::from_str(value.as_str().unwrap()).unwrap());
        }
    }
    map
}

fn body_of(protocol: Protocol, body: Option<&Json>) -> Bytes {
    let text = body.and_then(Json::as_str).unwrap_or("");
    if protocol == Protocol::RpcV2Cbor {
        use base64::Engine as _;
        return base64::engine::general_purpose::STANDARD.decode(text).unwrap().into();
    }
    Bytes::from(text.to_owned())
}

/// Runs `check` on every case of a folder; panics with the list of those that failed.
fn run(side: &str, check: impl Fn(Protocol, &Model, &Json) -> Result<(), String>) {
    let Some(folder) = folder() else {
        eprintln!("the protocol vectors are not on this machine: no case of {side} was run");
        return;
    };
    let (mut passed, mut failures) = (0, Vec::new());
    let mut files: Vec<_> = std::fs::read_dir(folder.join(side)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for path in files {
        let file = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let suites: Vec<Json> = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        for suite in &suites {
            let model = Model::new(suite);
            for case in suite["cases"].as_array().unwrap() {
                let id = case["id"].as_str().unwrap_or("(no id)");
                if let Some((_, reason)) = NOT_APPLICABLE.iter().find(|(name, _)| *name == id) {
                    eprintln!("not applicable: {file} {id}: {reason}");
                    continue;
                }
                match check(protocol_of(&file), &model, case) {
                    Ok(()) => passed += 1,
                    Err(why) => failures.push(format!("{file} {id}: {why}")),
                }
            }
        }
    }
    assert!(failures.is_empty(), "{passed} passed, {} failed:\n{}", failures.len(), failures.join("\n"));
    eprintln!("{side}: {passed} cases");
}

#[test]
fn requests_decode_to_the_given_parameters() {
    run("input", |protocol, model, case| {
        let operation = model.operation(&case["given"]);
        let schema = operation.shapes.as_ref().unwrap().input;
        let serialized = &case["serialized"];
        let uri = serialized["uri"].as_str().unwrap_or("/");
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let pattern = UriPattern::parse(operation.uri);
        let rest = matches!(protocol, Protocol::RestJson1 | Protocol::RestXml);
        let labels = if rest { pattern.match_path(path).ok_or(format!("{path} does not match"))? } else { Vec::new() };
        let mut query = wire::rest::parse_query(query);
        if !pattern.match_query(&query) {
            return Err(format!("the query of {uri} does not match"));
        }
        query.retain(|(key, _)| !pattern.query.iter().any(|(fixed, _)| fixed == key));
        let headers = headers_of(&serialized["headers"]);
        let body = body_of(protocol, serialized.get("body"));
        let stream = operation.streams_input().then(|| ByteStream::from(body.clone()));
        let request = Request { labels: &labels, query: &query, headers: &headers, body: &body, stream };
        let value = decode_request(protocol, schema, request, Value::decode).map_err(|error| error.to_string())?;
        let found = to_json(&value, schema);
        let params = case.get("params").cloned().unwrap_or_else(|| Json::Object(Default::default()));
        let matches = match OMITTED.contains(&case["id"].as_str().unwrap_or_default()) {
            true => same(&without_empty(&found), &without_empty(&params)),
            false => same(&found, &params),
        };
        if matches { Ok(()) } else { Err(format!("decoded {found}, expected {params}")) }
    });
}

#[test]
fn responses_decode_to_the_given_result_and_back() {
    run("output", |protocol, model, case| {
        let operation = model.operation(&case["given"]);
        let response = &case["response"];
        let status = response["status_code"].as_u64().unwrap_or(200) as u16;
        let body = body_of(protocol, response.get("body"));
        let headers = headers_of(&response["headers"]);
        if let Some(expected) = case.get("error") {
            return errors(protocol, model, case, expected, &headers, &body);
        }
        let schema = operation.shapes.as_ref().unwrap().output;
        let result = case.get("result").cloned().unwrap_or_else(|| Json::Object(Default::default()));
        let decode = |status, headers: &HeaderMap, body: &[u8]| {
            client::decode_response(protocol, operation, schema, (status, headers, body), Value::decode)
                .map(|value| to_json(&value, schema))
                .map_err(|error| error.to_string())
        };
        let found = decode(status, &headers, &body)?;
        let omitted = OMITTED.contains(&case["id"].as_str().unwrap_or_default());
        let result = if omitted { without_empty(&result) } else { result };
        if !same(&found, &result) {
            return Err(format!("the vector decoded to {found}, expected {result}"));
        }
        let value = from_json(&result, schema);
        let ours = encode_response(protocol, &model.service, operation, schema, "id", |encoder| value.encode(encoder));
        let mut headers = HeaderMap::new();
        for (name, value) in &ours.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        let body = ours.stream.and_then(|stream| stream.bytes()).unwrap_or(ours.body);
        let back = decode(ours.status, &headers, &body)?;
        let text = String::from_utf8_lossy(&body);
        if same(&back, &result) { Ok(()) } else { Err(format!("ours {text} decoded to {back}, expected {result}")) }
    });
}

/// An error of ours must carry the code and the message where the vector's error has them.
fn errors(protocol: Protocol, model: &Model, case: &Json, _: &Json, _: &HeaderMap, _: &[u8]) -> Result<(), String> {
    let code = case["errorCode"].as_str().unwrap_or_default();
    let message = case["errorMessage"].as_str().unwrap_or("a message");
    let reply = wire::ErrorReply::new(400, code, message);
    let encoded = reply.encode(protocol, &model.service, "id");
    let in_header = encoded.headers.iter().any(|(_, value)| value.contains(code));
    let contains = |text: &str| encoded.body.windows(text.len().max(1)).any(|window| window == text.as_bytes());
    if (contains(code) || in_header) && contains(message) {
        Ok(())
    } else {
        Err(format!("{code} is not in {}", String::from_utf8_lossy(&encoded.body)))
    }
}
