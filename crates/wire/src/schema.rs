//! Static descriptions of shapes: what the generated `api` crates declare and every encoder and decoder walks.
//!
//! A schema is plain constant data. Members keep the order of the model, because validation errors, XML and
//! query encodings follow it. Member traits (location, wire name, timestamp format) live on the [`Member`], the
//! traits of the shape itself on the [`Schema`].

/// One shape of a model.
#[derive(Debug)]
pub struct Schema {
    /// The name of the shape in AWS's model.
    pub name: &'static str,
    pub kind: Kind,
    pub constraints: Constraints,
    /// Default timestamp format of the shape, where the model sets one.
    pub timestamp: Option<TimestampFormat>,
    /// `locationName` of the shape itself: the XML root element of an error or payload.
    pub xml_name: Option<&'static str>,
    /// `(prefix, uri)`.
    pub xml_namespace: Option<(&'static str, &'static str)>,
    /// The list or map has no wrapping element (restXml and query).
    pub flattened: bool,
    /// The structure is a tagged union: exactly one member is set.
    pub union: bool,
}

#[derive(Debug)]
pub enum Kind {
    Boolean,
    /// A signed integer of so many bits (8, 16, 32 or 64).
    Integer(u8),
    Float,
    Double,
    String,
    Enum(&'static [&'static str]),
    Blob,
    Timestamp,
    Document,
    List(Member),
    Map(Member, Member),
    Structure(&'static [Member]),
}

/// The constraints of a shape. Lengths count UTF-16 code units for strings, bytes for blobs, entries for lists and maps.
#[derive(Debug, Default)]
pub struct Constraints {
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub pattern: Option<&'static str>,
}

/// A member of a structure, the element of a list, or the key or value of a map.
#[derive(Debug)]
pub struct Member {
    /// The member's name in the model.
    pub name: &'static str,
    pub schema: &'static Schema,
    /// `locationName`, where the model sets one.
    pub wire_name: Option<&'static str>,
    /// `queryName`, which ec2 prefers to `locationName`.
    pub query_name: Option<&'static str>,
    pub location: Location,
    pub required: bool,
    pub flattened: bool,
    pub xml_attribute: bool,
    pub streaming: bool,
    pub idempotency_token: bool,
    /// The JSON of a document is carried as a string in a header (`jsonvalue`).
    pub json_value: bool,
    pub timestamp: Option<TimestampFormat>,
    pub xml_namespace: Option<(&'static str, &'static str)>,
}

/// Where a member travels in an HTTP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Location {
    Body,
    /// The member is the whole body.
    Payload,
    Uri,
    Query,
    /// A map of further query parameters.
    QueryMap,
    Header,
    /// A map of headers with the member's wire name as prefix.
    Headers,
    StatusCode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampFormat {
    EpochSeconds,
    Iso8601,
    HttpDate,
}

impl Schema {
    pub const fn new(name: &'static str, kind: Kind) -> Self {
        Schema {
            name,
            kind,
            constraints: Constraints { min: None, max: None, pattern: None },
            timestamp: None,
            xml_name: None,
            xml_namespace: None,
            flattened: false,
            union: false,
        }
    }

    pub const fn string(name: &'static str) -> Self {
        Schema::new(name, Kind::String)
    }

    pub const fn enumeration(name: &'static str, values: &'static [&'static str]) -> Self {
        Schema::new(name, Kind::Enum(values))
    }

    pub const fn integer(name: &'static str, bits: u8) -> Self {
        Schema::new(name, Kind::Integer(bits))
    }

    pub const fn list(name: &'static str, element: Member) -> Self {
        Schema::new(name, Kind::List(element))
    }

    pub const fn map(name: &'static str, key: Member, value: Member) -> Self {
        Schema::new(name, Kind::Map(key, value))
    }

    pub const fn structure(name: &'static str, members: &'static [Member]) -> Self {
        Schema::new(name, Kind::Structure(members))
    }

    pub const fn min(mut self, min: f64) -> Self {
        self.constraints.min = Some(min);
        self
    }

    pub const fn max(mut self, max: f64) -> Self {
        self.constraints.max = Some(max);
        self
    }

    pub const fn pattern(mut self, pattern: &'static str) -> Self {
        self.constraints.pattern = Some(pattern);
        self
    }

    pub const fn timestamp_format(mut self, format: TimestampFormat) -> Self {
        self.timestamp = Some(format);
        self
    }

    pub const fn named(mut self, xml_name: &'static str) -> Self {
        self.xml_name = Some(xml_name);
        self
    }

    pub const fn namespace(mut self, prefix: &'static str, uri: &'static str) -> Self {
        self.xml_namespace = Some((prefix, uri));
        self
    }

    pub const fn flat(mut self) -> Self {
        self.flattened = true;
        self
    }

    pub const fn tagged(mut self) -> Self {
        self.union = true;
        self
    }

    /// The members of a structure; none for any other kind.
    pub fn members(&self) -> &'static [Member] {
        match self.kind {
            Kind::Structure(members) => members,
            _ => &[],
        }
    }

    /// The member that is the whole body, if one is.
    pub fn payload(&self) -> Option<(usize, &'static Member)> {
        self.members().iter().enumerate().find(|(_, member)| member.location == Location::Payload)
    }
}

impl Member {
    pub const fn new(name: &'static str, schema: &'static Schema) -> Self {
        Member {
            name,
            schema,
            wire_name: None,
            query_name: None,
            location: Location::Body,
            required: false,
            flattened: false,
            xml_attribute: false,
            streaming: false,
            idempotency_token: false,
            json_value: false,
            timestamp: None,
            xml_namespace: None,
        }
    }

    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    pub const fn named(mut self, name: &'static str) -> Self {
        self.wire_name = Some(name);
        self
    }

    pub const fn query_name(mut self, name: &'static str) -> Self {
        self.query_name = Some(name);
        self
    }

    pub const fn at(mut self, location: Location) -> Self {
        self.location = location;
        self
    }

    pub const fn header(self, name: &'static str) -> Self {
        self.named(name).at(Location::Header)
    }

    pub const fn headers(self, prefix: &'static str) -> Self {
        self.named(prefix).at(Location::Headers)
    }

    pub const fn query(self, name: &'static str) -> Self {
        self.named(name).at(Location::Query)
    }

    pub const fn query_map(self) -> Self {
        self.at(Location::QueryMap)
    }

    pub const fn uri(self, name: &'static str) -> Self {
        self.named(name).at(Location::Uri)
    }

    pub const fn status(self) -> Self {
        self.at(Location::StatusCode)
    }

    pub const fn payload(self) -> Self {
        self.at(Location::Payload)
    }

    pub const fn flat(mut self) -> Self {
        self.flattened = true;
        self
    }

    pub const fn attribute(mut self) -> Self {
        self.xml_attribute = true;
        self
    }

    pub const fn streaming(mut self) -> Self {
        self.streaming = true;
        self
    }

    pub const fn token(mut self) -> Self {
        self.idempotency_token = true;
        self
    }

    pub const fn json_value(mut self) -> Self {
        self.json_value = true;
        self
    }

    pub const fn timestamp_format(mut self, format: TimestampFormat) -> Self {
        self.timestamp = Some(format);
        self
    }

    pub const fn namespace(mut self, prefix: &'static str, uri: &'static str) -> Self {
        self.xml_namespace = Some((prefix, uri));
        self
    }

    /// The name on the wire: `locationName`, or the model's name.
    pub fn wire_name(&self) -> &'static str {
        self.wire_name.unwrap_or(self.name)
    }

    pub fn is_flattened(&self) -> bool {
        self.flattened || self.schema.flattened
    }

    /// The timestamp format in force, `default` where neither member nor shape sets one.
    pub fn timestamp_or(&self, default: TimestampFormat) -> TimestampFormat {
        self.timestamp.or(self.schema.timestamp).unwrap_or(default)
    }
}

/// The protocols of AWS's APIs, as <https://smithy.io/2.0/aws/protocols/index.html> names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    AwsJson10,
    AwsJson11,
    RestJson1,
    RestXml,
    AwsQuery,
    Ec2Query,
    RpcV2Cbor,
}

/// What every request of one service has in common.
#[derive(Debug)]
pub struct ServiceModel {
    /// AWS's endpoint prefix, which is also the name of the service's folder: `dynamodb`.
    pub name: &'static str,
    /// The service name in a SigV4 credential scope.
    pub signing_name: &'static str,
    /// `serviceId` of the model: `DynamoDB`.
    pub service_id: &'static str,
    pub api_version: &'static str,
    pub protocols: &'static [Protocol],
    /// `X-Amz-Target` prefix of the JSON protocols.
    pub target_prefix: Option<&'static str>,
    pub xml_namespace: Option<&'static str>,
    /// Namespace of error types in awsJson: `com.amazonaws.dynamodb.v20120810`.
    pub error_namespace: Option<&'static str>,
    /// How JSON errors call their text: `message`, or `Message`.
    pub message_member: &'static str,
    /// Errors also travel under their awsQuery code (`x-amzn-query-error`).
    pub query_compatible: bool,
    pub operations: &'static [&'static OperationModel],
}

impl ServiceModel {
    pub fn operation(&self, name: &str) -> Option<&'static OperationModel> {
        self.operations.iter().find(|operation| operation.name == name).copied()
    }
}

/// One operation of a model.
#[derive(Debug)]
pub struct OperationModel {
    pub name: &'static str,
    pub method: &'static str,
    /// The request URI with `{label}` and `{greedy+}` segments and fixed query parameters.
    pub uri: &'static str,
    pub status: u16,
    /// `None` where the project does not carry the operation's shapes: it answers NotImplemented.
    pub shapes: Option<Shapes>,
    /// Element that wraps the result in the query protocol.
    pub result_wrapper: Option<&'static str>,
    /// XML root element and namespace of the request body.
    pub request_root: Option<(&'static str, Option<&'static str>)>,
    /// The model says that the request needs no signature (AssumeRoleWithWebIdentity).
    pub anonymous: bool,
}

#[derive(Debug)]
pub struct Shapes {
    pub input: &'static Schema,
    pub output: &'static Schema,
}

impl OperationModel {
    pub const fn new(name: &'static str, method: &'static str, uri: &'static str) -> Self {
        OperationModel {
            name,
            method,
            uri,
            status: 200,
            shapes: None,
            result_wrapper: None,
            request_root: None,
            anonymous: false,
        }
    }

    pub const fn shapes(mut self, input: &'static Schema, output: &'static Schema) -> Self {
        self.shapes = Some(Shapes { input, output });
        self
    }

    pub const fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    pub const fn wrapper(mut self, element: &'static str) -> Self {
        self.result_wrapper = Some(element);
        self
    }

    pub const fn root(mut self, element: &'static str, namespace: Option<&'static str>) -> Self {
        self.request_root = Some((element, namespace));
        self
    }

    pub const fn anonymous(mut self) -> Self {
        self.anonymous = true;
        self
    }

    /// The input has a member that is a stream of bytes.
    pub fn streams_input(&self) -> bool {
        self.shapes.as_ref().and_then(|shapes| shapes.input.payload()).is_some_and(|(_, member)| member.streaming)
    }
}

/// Schemas of simple shapes without traits, shared by all services.
pub mod simple {
    use super::{Kind, Schema};

    pub static BOOLEAN: Schema = Schema::new("Boolean", Kind::Boolean);
    pub static BYTE: Schema = Schema::integer("Byte", 8);
    pub static SHORT: Schema = Schema::integer("Short", 16);
    pub static INTEGER: Schema = Schema::integer("Integer", 32);
    pub static LONG: Schema = Schema::integer("Long", 64);
    pub static FLOAT: Schema = Schema::new("Float", Kind::Float);
    pub static DOUBLE: Schema = Schema::new("Double", Kind::Double);
    pub static STRING: Schema = Schema::string("String");
    pub static BLOB: Schema = Schema::new("Blob", Kind::Blob);
    pub static TIMESTAMP: Schema = Schema::new("Timestamp", Kind::Timestamp);
    pub static DOCUMENT: Schema = Schema::new("Document", Kind::Document);
}
