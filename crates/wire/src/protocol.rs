//! One request or response of any protocol: which encoder or decoder it takes, and what goes around the value.

use bytes::Bytes;
use http::HeaderMap;

use crate::cbor::{self, CborEncoder};
use crate::codec::{Decoder, Encoder, Result};
use crate::json::{self, JsonEncoder, Names};
use crate::query::{self, Dialect, Params};
use crate::rest::{self, BodyFormat, Message, RestEncoder};
use crate::schema::{Location, OperationModel, Protocol, Schema, ServiceModel};
use crate::stream::ByteStream;
use crate::xml::XmlEncoder;

/// A request after routing: what the decoders need of it.
pub struct Request<'a> {
    pub labels: &'a [(&'static str, String)],
    pub query: &'a [(String, String)],
    pub headers: &'a HeaderMap,
    pub body: &'a [u8],
    /// The body of an operation that streams its input.
    pub stream: Option<ByteStream>,
}

/// A response, before the gateway adds ids.
#[derive(Debug, Default)]
pub struct Response {
    pub status: u16,
    pub content_type: Option<&'static str>,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    pub stream: Option<ByteStream>,
}

/// Decodes the input of an operation.
pub fn decode_request<T>(
    protocol: Protocol,
    schema: &'static Schema,
    request: Request<'_>,
    read: impl FnOnce(&mut dyn Decoder) -> Result<T>,
) -> Result<T> {
    let format = match protocol {
        Protocol::AwsJson10 | Protocol::AwsJson11 => return json::decode(request.body, schema, Names::Model, read),
        Protocol::RpcV2Cbor => return cbor::decode(request.body, schema, read),
        Protocol::AwsQuery => return query::decode(&form(&request)?, schema, Dialect::Aws, read),
        Protocol::Ec2Query => return query::decode(&form(&request)?, schema, Dialect::Ec2, read),
        Protocol::RestJson1 => BodyFormat::Json,
        Protocol::RestXml => BodyFormat::Xml,
    };
    let Request { labels, query, headers, body, stream } = request;
    rest::decode(Message { labels, query, headers, status: 0, body, stream, format }, schema, read)
}

/// The parameters of a query request: in the body of a POST, or in the query string.
fn form(request: &Request<'_>) -> Result<Params> {
    if !request.body.is_empty() {
        return Params::parse(request.body);
    }
    let pairs: Vec<String> = (request.query.iter())
        .map(|(key, value)| {
            let encode = |text| percent_encoding::utf8_percent_encode(text, query::UNRESERVED);
            format!("{}={}", encode(key), encode(value))
        })
        .collect();
    Params::parse(pairs.join("&").as_bytes())
}

/// Encodes the output of an operation.
pub fn encode_response(
    protocol: Protocol,
    service: &ServiceModel,
    operation: &OperationModel,
    schema: &'static Schema,
    request_id: &str,
    write: impl FnOnce(&mut dyn Encoder),
) -> Response {
    let respond = |content_type, body: Vec<u8>| Response {
        status: operation.status,
        content_type: Some(content_type),
        body: Bytes::from(body),
        ..Response::default()
    };
    match protocol {
        Protocol::AwsJson10 | Protocol::AwsJson11 => {
            let mut encoder = JsonEncoder::new(schema, Names::Model);
            write(&mut encoder);
            let content_type = match protocol {
                Protocol::AwsJson10 => "application/x-amz-json-1.0",
                _ => "application/x-amz-json-1.1",
            };
            respond(content_type, encoder.finish())
        }
        Protocol::RpcV2Cbor => {
            let mut encoder = CborEncoder::new(schema);
            write(&mut encoder);
            let mut response = respond("application/cbor", encoder.finish());
            response.headers.push(("smithy-protocol".to_owned(), "rpc-v2-cbor".to_owned()));
            response
        }
        Protocol::AwsQuery => {
            let namespace = service.xml_namespace.map_or(String::new(), |uri| format!(" xmlns=\"{uri}\""));
            let name = operation.name;
            let mut encoder = XmlEncoder::new(schema, operation.result_wrapper.unwrap_or(""), None);
            write(&mut encoder);
            let result = encoder.finish();
            let xml = format!(
                "<{name}Response{namespace}>{result}<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{name}Response>"
            );
            respond("text/xml", xml.into_bytes())
        }
        Protocol::Ec2Query => {
            let namespace = service.xml_namespace.map_or(String::new(), |uri| format!(" xmlns=\"{uri}\""));
            let name = operation.name;
            let mut encoder = XmlEncoder::new(schema, "", None);
            write(&mut encoder);
            let result = encoder.finish();
            let xml = format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{name}Response{namespace}><requestId>{request_id}</requestId>{result}</{name}Response>"
            );
            respond("text/xml;charset=UTF-8", xml.into_bytes())
        }
        Protocol::RestJson1 | Protocol::RestXml => {
            let format = if protocol == Protocol::RestJson1 { BodyFormat::Json } else { BodyFormat::Xml };
            let root = (schema.xml_name.unwrap_or(schema.name), service.xml_namespace);
            let mut encoder = RestEncoder::new(schema, format, root).with_milliseconds(service.name == "s3");
            write(&mut encoder);
            let parts = encoder.finish();
            Response {
                status: parts.status.unwrap_or(operation.status),
                content_type: parts.content_type,
                headers: parts.headers,
                body: Bytes::from(parts.body.unwrap_or_default()),
                stream: parts.stream,
            }
        }
    }
}

/// Finds the operation of a REST request by method, path and query, with its labels. Where several match, the one
/// with the most literal segments and fixed query parameters wins, and among operations of the same pattern the one
/// that requires the most of what the request has: `uploadId` makes UploadPart of PutObject, and `x-amz-copy-source`
/// CopyObject.
pub struct Router {
    routes: Vec<(&'static OperationModel, rest::UriPattern)>,
}

pub type Labels = Vec<(&'static str, String)>;

impl Router {
    pub fn new(service: &'static ServiceModel) -> Self {
        let mut routes: Vec<_> =
            (service.operations.iter()).map(|operation| (*operation, rest::UriPattern::parse(operation.uri))).collect();
        routes.sort_by_key(|(_, pattern)| std::cmp::Reverse(pattern.specificity()));
        Router { routes }
    }

    pub fn route(
        &self,
        method: &str,
        path: &str,
        query: &[(String, String)],
        headers: &HeaderMap,
    ) -> Option<(&'static OperationModel, Labels)> {
        let mut matching =
            self.routes.iter().filter(|(operation, pattern)| operation.method == method && pattern.match_query(query));
        let (first, pattern, labels) =
            matching.find_map(|(operation, pattern)| Some((*operation, pattern, pattern.match_path(path)?)))?;
        let same = matching.filter(|(_, other)| other.segments == pattern.segments && other.query == pattern.query);
        let mut best = (first, required(first, query, headers));
        for (operation, _) in same {
            let found = required(operation, query, headers);
            // Of twins the one whose name continues the other's is the successor: PutBucketLifecycleConfiguration.
            if found > best.1 || (found == best.1 && operation.name.starts_with(best.0.name)) {
                best = (operation, found);
            }
        }
        Some((best.0, labels))
    }
}

/// How many query parameters and headers an operation requires, all of which the request has; `None` if it lacks one.
fn required(operation: &OperationModel, query: &[(String, String)], headers: &HeaderMap) -> Option<usize> {
    let members = operation.shapes.as_ref().map_or(&[][..], |shapes| shapes.input.members());
    let mut count = 0;
    for member in members.iter().filter(|member| member.required) {
        let name = member.wire_name();
        let there = match member.location {
            Location::Query => query.iter().any(|(key, _)| key == name),
            // Presigned addresses carry headers in their query.
            Location::Header => {
                headers.contains_key(name) || query.iter().any(|(key, _)| key.eq_ignore_ascii_case(name))
            }
            _ => continue,
        };
        if !there {
            return None;
        }
        count += 1;
    }
    Some(count)
}
