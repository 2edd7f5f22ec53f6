//! The client's side of every protocol: requests written, responses read. Tests and benches call a server with it;
//! the property tests prove that what one side writes the other reads back.

use bytes::Bytes;
use http::HeaderMap;

use crate::cbor::{self, CborEncoder};
use crate::codec::{Decoder, Encoder, Result};
use crate::json::{self, JsonEncoder, Names};
use crate::query::{Dialect, QueryEncoder};
use crate::rest::{self, BodyFormat, Message, RestEncoder, UriPattern};
use crate::schema::{OperationModel, Protocol, Schema, ServiceModel};
use crate::stream::ByteStream;
use crate::xml::{Node, XmlDecoder};

/// A request ready to be signed and sent.
#[derive(Debug)]
pub struct Request {
    pub method: &'static str,
    /// Path and query.
    pub uri: String,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

/// Writes the request of an operation.
pub fn encode_request(
    protocol: Protocol,
    service: &ServiceModel,
    operation: &OperationModel,
    schema: &'static Schema,
    write: impl FnOnce(&mut dyn Encoder),
) -> Request {
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut request = Request { method: "POST", uri: "/".to_owned(), headers: Vec::new(), body: Bytes::new() };
    match protocol {
        Protocol::AwsJson10 | Protocol::AwsJson11 => {
            let mut encoder = JsonEncoder::new(schema, Names::Model);
            write(&mut encoder);
            let version = if protocol == Protocol::AwsJson10 { "1.0" } else { "1.1" };
            request.headers.push(header("content-type", &format!("application/x-amz-json-{version}")));
            let target = format!("{}.{}", service.target_prefix.unwrap_or_default(), operation.name);
            request.headers.push(header("x-amz-target", &target));
            request.body = Bytes::from(encoder.finish());
        }
        Protocol::RpcV2Cbor => {
            let mut encoder = CborEncoder::new(schema);
            write(&mut encoder);
            let target = service.target_prefix.unwrap_or(service.name);
            request.uri = format!("/service/{target}/operation/{}", operation.name);
            request.headers.push(header("content-type", "application/cbor"));
            request.headers.push(header("smithy-protocol", "rpc-v2-cbor"));
            request.body = Bytes::from(encoder.finish());
        }
        Protocol::AwsQuery | Protocol::Ec2Query => {
            let dialect = if protocol == Protocol::AwsQuery { Dialect::Aws } else { Dialect::Ec2 };
            let mut encoder = QueryEncoder::new(operation.name, service.api_version, schema, dialect);
            write(&mut encoder);
            request.headers.push(header("content-type", "application/x-www-form-urlencoded; charset=utf-8"));
            request.body = Bytes::from(encoder.finish());
        }
        Protocol::RestJson1 | Protocol::RestXml => {
            let format = if protocol == Protocol::RestJson1 { BodyFormat::Json } else { BodyFormat::Xml };
            let root = operation.request_root.unwrap_or((schema.xml_name.unwrap_or(schema.name), None));
            let mut encoder = RestEncoder::new(schema, format, root);
            write(&mut encoder);
            let parts = encoder.finish();
            request.method = operation.method;
            request.uri = UriPattern::parse(operation.uri).expand(&parts.labels, &parts.query);
            request.headers = parts.headers;
            // A member that is bound to the header says it better than the kind of the body.
            let stated = request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
            if let Some(content_type) = parts.content_type.filter(|_| !stated) {
                request.headers.push(header("content-type", content_type));
            }
            request.body = match parts.stream {
                Some(stream) => stream.bytes().unwrap_or_default(),
                None => Bytes::from(parts.body.unwrap_or_default()),
            };
        }
    }
    request
}

/// Reads the output of an operation from a successful response.
pub fn decode_response<T>(
    protocol: Protocol,
    operation: &OperationModel,
    schema: &'static Schema,
    (status, headers, body): (u16, &HeaderMap, &[u8]),
    read: impl FnOnce(&mut dyn Decoder) -> Result<T>,
) -> Result<T> {
    let format = match protocol {
        Protocol::AwsJson10 | Protocol::AwsJson11 => return json::decode(body, schema, Names::Model, read),
        Protocol::RpcV2Cbor => return cbor::decode(body, schema, read),
        Protocol::AwsQuery => {
            let root = if body.is_empty() { Node::default() } else { Node::parse(body)? };
            let node = operation.result_wrapper.and_then(|wrapper| root.child(wrapper)).unwrap_or(&root);
            return read(&mut XmlDecoder::new(node, schema));
        }
        Protocol::Ec2Query => return read(&mut XmlDecoder::new(&Node::parse(body)?, schema)),
        Protocol::RestJson1 => BodyFormat::Json,
        Protocol::RestXml => BodyFormat::Xml,
    };
    let stream = Some(ByteStream::from(Bytes::copy_from_slice(body)));
    rest::decode(Message { labels: &[], query: &[], headers, status, body, stream, format }, schema, read)
}
