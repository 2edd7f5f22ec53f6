//! Error responses, in the form of each protocol.

use crate::json::write_string;
use crate::schema::{Protocol, ServiceModel};
use crate::xml::XmlEncoder;

/// An error as the client is to see it. Nothing internal belongs in here.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ErrorReply {
    pub status: u16,
    /// AWS's error code: `ResourceNotFoundException`.
    pub code: String,
    /// The code under which awsQuery knew the error, for services that moved to another protocol.
    pub query_code: Option<&'static str>,
    pub message: String,
    /// Headers of the response: `Retry-After`, S3's `x-amz-delete-marker`.
    pub headers: Vec<(&'static str, String)>,
    /// Further modelled members (S3's `BucketName`, DynamoDB's `CancellationReasons`), as JSON.
    pub members: Vec<(&'static str, serde_json::Value)>,
}

/// Lambda's modelled errors say whose fault they are, and spell the member of the message in two ways.
const LAMBDA: [(&str, &str); 19] = [
    ("CodeSigningConfigNotFoundException", "Message"),
    ("CodeStorageExceededException", "message"),
    ("CodeVerificationFailedException", "Message"),
    ("InvalidCodeSignatureException", "Message"),
    ("InvalidParameterValueException", "message"),
    ("InvalidRequestContentException", "message"),
    ("InvalidRuntimeException", "Message"),
    ("PolicyLengthExceededException", "message"),
    ("PreconditionFailedException", "message"),
    ("ProvisionedConcurrencyConfigNotFoundException", "message"),
    ("RecursiveInvocationException", "Message"),
    ("RequestTooLargeException", "message"),
    ("ResourceConflictException", "message"),
    ("ResourceInUseException", "Message"),
    ("ResourceNotFoundException", "Message"),
    ("ResourceNotReadyException", "message"),
    ("ServiceException", "Message"),
    ("TooManyRequestsException", "message"),
    ("UnsupportedMediaTypeException", "message"),
];

fn lambda_message(code: &str) -> &'static str {
    let modelled = LAMBDA.iter().find(|(name, _)| *name == code).map(|(_, member)| *member);
    // What Amazon's own framework answers is written small, except for denials.
    modelled.unwrap_or(if code == "AccessDeniedException" { "Message" } else { "message" })
}

/// The body of an error response and the headers that belong to it.
#[derive(Debug)]
pub struct EncodedError {
    pub content_type: &'static str,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl ErrorReply {
    pub fn new(status: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        ErrorReply { status, code: code.into(), message: message.into(), ..ErrorReply::default() }
    }

    pub fn with(mut self, member: &'static str, value: impl Into<serde_json::Value>) -> Self {
        self.members.push((member, value.into()));
        self
    }

    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Encodes the error. `request_id` stands in the body where the protocol has a place for it.
    pub fn encode(&self, protocol: Protocol, service: &ServiceModel, request_id: &str) -> EncodedError {
        let mut headers = Vec::new();
        if let (Some(code), true) = (self.query_code, service.query_compatible) {
            headers.push(("x-amzn-query-error", format!("{code};{}", self.fault())));
        }
        let (content_type, body) = match protocol {
            Protocol::AwsJson10 => ("application/x-amz-json-1.0", self.json(service, true)),
            Protocol::AwsJson11 => ("application/x-amz-json-1.1", self.json(service, true)),
            Protocol::RestJson1 => {
                headers.push(("x-amzn-ErrorType", self.code.clone()));
                ("application/json", self.json(service, false))
            }
            Protocol::RpcV2Cbor => {
                headers.push(("smithy-protocol", "rpc-v2-cbor".to_owned()));
                ("application/cbor", self.cbor())
            }
            Protocol::RestXml if service.name == "s3" => ("application/xml", self.s3(request_id)),
            Protocol::RestXml | Protocol::AwsQuery => ("text/xml", self.query(service, request_id)),
            Protocol::Ec2Query => ("text/xml;charset=UTF-8", self.ec2(request_id)),
        };
        EncodedError { content_type, headers, body }
    }

    fn fault(&self) -> &'static str {
        if self.status < 500 { "Sender" } else { "Receiver" }
    }

    fn json(&self, service: &ServiceModel, typed: bool) -> Vec<u8> {
        let mut out = vec![b'{'];
        if typed {
            out.extend_from_slice(b"\"__type\":");
            // Errors of Amazon's own framework are in its namespaces, modelled ones in the service's.
            let namespace = match self.code.as_str() {
                "ValidationException" if service.error_namespace.is_some() => Some("com.amazon.coral.validate"),
                "SerializationException"
                | "UnrecognizedClientException"
                | "AccessDeniedException"
                | "MissingAuthenticationTokenException"
                | "InvalidSignatureException"
                | "IncompleteSignatureException"
                | "UnknownOperationException"
                | "ThrottlingException"
                | "ExpiredTokenException"
                | "InternalFailure"
                    if service.error_namespace.is_some() =>
                {
                    Some("com.amazon.coral.service")
                }
                _ => service.error_namespace,
            };
            let name = namespace.map_or(self.code.clone(), |namespace| format!("{namespace}#{}", self.code));
            write_string(&mut out, &name);
            out.push(b',');
        }
        // Amazon's framework capitalizes the member where the service's model does not declare the error.
        let key = match self.code.as_str() {
            "SerializationException" | "AccessDeniedException" if typed => "Message",
            code if service.name == "lambda" => lambda_message(code),
            _ => service.message_member,
        };
        if service.name == "lambda" && LAMBDA.iter().any(|(code, _)| *code == self.code) {
            let fault = if self.status < 500 { "User" } else { "Service" };
            out.extend_from_slice(format!("\"Type\":\"{fault}\",").as_bytes());
        }
        write_string(&mut out, key);
        out.push(b':');
        write_string(&mut out, &self.message);
        for (name, value) in &self.members {
            out.push(b',');
            write_string(&mut out, name);
            out.push(b':');
            out.extend_from_slice(value.to_string().as_bytes());
        }
        out.push(b'}');
        out
    }

    fn cbor(&self) -> Vec<u8> {
        let mut cbor = minicbor::Encoder::new(Vec::new());
        // Writing to a Vec cannot fail.
        let _ = cbor.map(2).and_then(|cbor| cbor.str("__type")).and_then(|cbor| cbor.str(&self.code));
        let _ = cbor.str("message").and_then(|cbor| cbor.str(&self.message));
        cbor.into_writer()
    }

    fn members_xml(&self) -> String {
        let mut xml = String::new();
        for (name, value) in &self.members {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            element(&mut xml, name, &text);
        }
        xml
    }

    fn s3(&self, request_id: &str) -> Vec<u8> {
        let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>");
        element(&mut xml, "Code", &self.code);
        element(&mut xml, "Message", &self.message);
        xml.push_str(&self.members_xml());
        element(&mut xml, "RequestId", request_id);
        element(&mut xml, "HostId", &host_id(request_id));
        xml.push_str("</Error>");
        xml.into_bytes()
    }

    fn query(&self, service: &ServiceModel, request_id: &str) -> Vec<u8> {
        let mut xml = String::from("<ErrorResponse");
        if let Some(namespace) = service.xml_namespace {
            xml.push_str(&format!(" xmlns=\"{namespace}\""));
        }
        xml.push_str(">\n  <Error>\n    ");
        element(&mut xml, "Type", self.fault());
        xml.push_str("\n    ");
        element(&mut xml, "Code", self.query_code.unwrap_or(&self.code));
        xml.push_str("\n    ");
        element(&mut xml, "Message", &self.message);
        xml.push_str(&self.members_xml());
        xml.push_str("\n  </Error>\n  ");
        element(&mut xml, "RequestId", request_id);
        xml.push_str("\n</ErrorResponse>\n");
        xml.into_bytes()
    }

    fn ec2(&self, request_id: &str) -> Vec<u8> {
        let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error>");
        element(&mut xml, "Code", &self.code);
        element(&mut xml, "Message", &self.message);
        xml.push_str("</Error></Errors>");
        element(&mut xml, "RequestID", request_id);
        xml.push_str("</Response>");
        xml.into_bytes()
    }
}

/// S3's second request id: opaque to clients, derived from the first here.
pub fn host_id(request_id: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(format!("welkin/{request_id}/{request_id}/{request_id}"))
}

fn element(xml: &mut String, name: &str, text: &str) {
    xml.push_str(&format!("<{name}>"));
    XmlEncoder::escape_text(xml, text);
    xml.push_str(&format!("</{name}>"));
}
