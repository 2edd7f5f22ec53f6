//! URIs and headers of REST requests: routing, labels, query parameters and header values.

#![no_main]

use std::sync::LazyLock;

use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;
use wire::protocol::{Request, Router, decode_request};
use wire::{Protocol, Value};

static ROUTER: LazyLock<Router> = LazyLock::new(|| Router::new(&s3_api::SERVICE_MODEL));

// `METHOD URI`, a line for each header, an empty line, the body.
fuzz_target!(|data: &[u8]| {
    let split = data.windows(2).position(|window| window == b"\n\n");
    let (head, body) = split.map_or((data, &b""[..]), |at| (&data[..at], &data[at + 2..]));
    let Ok(head) = std::str::from_utf8(head) else { return };
    let mut lines = head.split('\n');
    let Some((method, uri)) = lines.next().and_then(|line| line.split_once(' ')) else { return };
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value.as_bytes())) {
            headers.append(name, value);
        }
    }
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    let query = wire::rest::parse_query(query);
    let Some((operation, labels)) = ROUTER.route(method, path, &query, &headers) else { return };
    let Some(shapes) = &operation.shapes else { return };
    let request = Request { labels: &labels, query: &query, headers: &headers, body, stream: None };
    let _ = decode_request(Protocol::RestXml, shapes.input, request, Value::decode);
});
