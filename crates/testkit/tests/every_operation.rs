//! What one side of a protocol writes the other reads back: for every operation of every API, in every protocol that
//! can carry its shapes, whether or not the service speaks it.

use http::{HeaderMap, HeaderName, HeaderValue};
use testkit::{Form, Side, generate};
use wire::protocol::{self, Router};
use wire::rest::{UriPattern, parse_query};
use wire::{ByteStream, Location, Operation, OperationVisitor, Protocol, ServiceModel, Shape, Structure, client};

const SEEDS: u64 = 24;

/// S3's operations that have the URI of another one, which answers in their place: its predecessors of 2006 with their
/// successors' names, and the list that only the hosts of directory buckets give.
const TWINS: [(&str, &str); 5] = [
    ("GetBucketLifecycle", "GetBucketLifecycleConfiguration"),
    ("GetBucketNotification", "GetBucketNotificationConfiguration"),
    ("PutBucketLifecycle", "PutBucketLifecycleConfiguration"),
    ("PutBucketNotification", "PutBucketNotificationConfiguration"),
    ("ListDirectoryBuckets", "ListBuckets"),
];

/// S3 writes versions and delete markers in one order, as two kinds of elements side by side; clients read them into two
/// lists. Our own model has the one list that is written. `tests/` reads it with AWS's clients.
const WRITTEN_ONLY: [&str; 1] = ["ListObjectVersions"];

const PROTOCOLS: [Protocol; 7] = [
    Protocol::AwsJson10,
    Protocol::AwsJson11,
    Protocol::RestJson1,
    Protocol::RestXml,
    Protocol::AwsQuery,
    Protocol::Ec2Query,
    Protocol::RpcV2Cbor,
];

struct RoundTrips {
    service: &'static ServiceModel,
    router: Router,
    /// Operations that travelled in the service's own protocols, both ways.
    travelled: usize,
    failures: Vec<String>,
}

fn headers_of(pairs: &[(String, String)]) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| format!("{name}: {error}"))?;
        headers.append(name, HeaderValue::from_str(value).map_err(|error| format!("{value:?}: {error}"))?);
    }
    Ok(headers)
}

fn same<T: PartialEq + std::fmt::Debug>(sent: &T, read: &T, wire: &str) -> Result<(), String> {
    if sent == read { Ok(()) } else { Err(format!("sent {sent:?}\n  read {read:?}\n  wire {wire}")) }
}

impl RoundTrips {
    fn request<O: Operation>(&self, protocol: Protocol, seed: u64) -> Result<(), String>
    where
        O::Input: PartialEq,
    {
        let form = Form { protocol, side: Side::Request };
        let sent: O::Input = generate(form, seed).map_err(|error| error.to_string())?;
        let (read, text) = self.receive::<O>(form, &sent)?;
        // A map of query parameters holds all of them, also those that are members of their own, so what was read is
        // more than what was sent; sent again it must stay the same.
        let members = <O::Input as Structure>::SCHEMA.members();
        if form.is_rest() && members.iter().any(|member| member.location == Location::QueryMap) {
            let (again, text) = self.receive::<O>(form, &read)?;
            return same(&read, &again, &text);
        }
        same(&sent, &read, &text)
    }

    /// Writes the request, finds its operation and reads it: the value, and what travelled.
    fn receive<O: Operation>(&self, form: Form, sent: &O::Input) -> Result<(O::Input, String), String> {
        let (protocol, schema) = (form.protocol, <O::Input as Structure>::SCHEMA);
        let request = client::encode_request(protocol, self.service, O::MODEL, schema, |encoder| sent.encode(encoder));
        let (path, query) = request.uri.split_once('?').unwrap_or((&request.uri, ""));
        let query = parse_query(query);
        let headers = headers_of(&request.headers)?;
        let labels = match () {
            () if !form.is_rest() => Vec::new(),
            () if self.service.protocols.contains(&protocol) => {
                let found = self.router.route(request.method, path, &query, &headers);
                let (operation, labels) = found.ok_or_else(|| format!("{} leads nowhere", request.uri))?;
                let expected =
                    TWINS.iter().find(|(twin, _)| *twin == O::MODEL.name).map_or(O::MODEL.name, |(_, to)| to);
                if operation.name != expected {
                    return Err(format!("{} {} leads to {}", request.method, request.uri, operation.name));
                }
                labels
            }
            // Without bindings of its own every operation has the same URI, so there is nothing to route.
            () => UriPattern::parse(O::MODEL.uri).match_path(path).ok_or("the URI does not match its own pattern")?,
        };
        let text = format!("{} {:?} {}", request.uri, request.headers, String::from_utf8_lossy(&request.body));
        let stream = O::MODEL.streams_input().then(|| ByteStream::from(request.body.clone()));
        let body = &request.body;
        let received = protocol::Request { labels: &labels, query: &query, headers: &headers, body, stream };
        protocol::decode_request(protocol, schema, received, |decoder| O::Input::decode(decoder, &mut false))
            .map_err(|error| format!("{error}\n  sent {sent:?}\n  wire {text}"))
            .map(|read| (read, text))
    }

    fn response<O: Operation>(&self, protocol: Protocol, seed: u64) -> Result<(), String>
    where
        O::Output: PartialEq,
    {
        let form = Form { protocol, side: Side::Response };
        let schema = <O::Output as Structure>::SCHEMA;
        let sent: O::Output = generate(form, seed).map_err(|error| error.to_string())?;
        let response =
            protocol::encode_response(protocol, self.service, O::MODEL, schema, "id", |encoder| sent.encode(encoder));
        let headers = headers_of(&response.headers)?;
        let body = response.stream.and_then(|stream| stream.bytes()).unwrap_or(response.body);
        let text = format!("{} {:?} {}", response.status, response.headers, String::from_utf8_lossy(&body));
        let parts = (response.status, &headers, &body[..]);
        let read = client::decode_response(protocol, O::MODEL, schema, parts, |decoder| {
            O::Output::decode(decoder, &mut false)
        })
        .map_err(|error| format!("{error}\n  sent {sent:?}\n  wire {text}"))?;
        same(&sent, &read, &text)
    }
}

impl OperationVisitor for RoundTrips {
    fn visit<O: Operation>(&mut self)
    where
        O::Input: PartialEq,
        O::Output: PartialEq,
    {
        let mut own = 0;
        for protocol in PROTOCOLS {
            let ours = self.service.protocols.contains(&protocol);
            let obstacle = |side, schema| Form { protocol, side }.obstacle(O::MODEL, schema);
            let sides = [
                (Side::Request, obstacle(Side::Request, <O::Input as Structure>::SCHEMA)),
                (Side::Response, obstacle(Side::Response, <O::Output as Structure>::SCHEMA)),
            ];
            for (side, obstacle) in sides {
                if let Some(reason) = obstacle {
                    // In the service's own protocol there is no excuse.
                    if ours {
                        self.failures.push(format!("{} {side:?} {protocol:?}: {reason}", O::MODEL.name));
                    }
                    continue;
                }
                own += usize::from(ours);
                if matches!(side, Side::Response) && WRITTEN_ONLY.contains(&O::MODEL.name) {
                    continue;
                }
                for seed in 0..SEEDS {
                    let result = match side {
                        Side::Request => self.request::<O>(protocol, seed),
                        Side::Response => self.response::<O>(protocol, seed),
                    };
                    if let Err(error) = result {
                        let name = O::MODEL.name;
                        self.failures.push(format!("{name} {side:?} {protocol:?} seed {seed}: {error}"));
                        break;
                    }
                }
            }
        }
        self.travelled += usize::from(own >= 2);
    }
}

macro_rules! every_operation {
    ($($test:ident: $api:ident;)*) => {$(
        #[test]
        fn $test() {
            let service = &$api::SERVICE_MODEL;
            let router = Router::new(service);
            let mut trips = RoundTrips { service, router, travelled: 0, failures: Vec::new() };
            $api::visit(&mut trips);
            let failures = &trips.failures;
            assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
            let typed = service.operations.iter().filter(|operation| operation.shapes.is_some()).count();
            assert_eq!(trips.travelled, typed, "every operation travels in the protocols of its service");
        }
    )*};
}

every_operation! {
    apigateway: apigateway_api;
    apigatewayv2: apigatewayv2_api;
    cloudtrail: cloudtrail_api;
    dynamodb: dynamodb_api;
    dynamodbstreams: dynamodbstreams_api;
    iam: iam_api;
    lambda: lambda_api;
    logs: logs_api;
    s3: s3_api;
    sts: sts_api;
}
