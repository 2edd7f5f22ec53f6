//! What has a form on which wire.
//!
//! | value | where it has no form | so it is |
//! |---|---|---|
//! | NaN | anywhere: it equals nothing | not generated |
//! | milliseconds | HTTP dates | rounded to seconds |
//! | members bound to headers, labels, … | the protocols without HTTP bindings | a reason not to use that protocol |
//! | documents | XML, forms and CBOR | a reason not to use that protocol |
//! | empty map, structure without members | forms | given an entry, or left out |
//! | empty list | ec2 forms, query parameters and headers; where it has no element of its own (flattened) in XML | given an element |
//! | empty text | labels, elements of lists in headers, payloads that are the text itself | given a character |
//! | control characters | XML 1.0; headers | not generated |
//! | spaces around a text, characters beyond ASCII | headers | not generated |
//! | upper case in the keys of a map of headers | header names | not generated |
//! | an absent status or streaming body | HTTP always has them | always present |
//! | two members of one structure with one wire name (S3's deprecated notifications) | where wire names are used | left out |
//! | an absent `Content-Type` beside a payload | HTTP: the payload implies one | always present |
//! | members `Action` and `Version` | forms: the protocol's own parameters | a reason not to use that protocol |

use wire::{Kind, Location, Member, OperationModel, Protocol, Schema};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Request,
    Response,
}

/// One side of one protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    pub protocol: Protocol,
    pub side: Side,
}

impl Form {
    pub fn is_rest(self) -> bool {
        matches!(self.protocol, Protocol::RestJson1 | Protocol::RestXml)
    }

    /// `A.B.1=x`
    pub fn is_form(self) -> bool {
        matches!(self.protocol, Protocol::AwsQuery | Protocol::Ec2Query) && self.side == Side::Request
    }

    pub fn is_xml(self) -> bool {
        match self.protocol {
            Protocol::RestXml => true,
            Protocol::AwsQuery | Protocol::Ec2Query => self.side == Side::Response,
            _ => false,
        }
    }

    /// Why values of this schema cannot travel in this form at all, if so.
    pub fn obstacle(self, operation: &OperationModel, schema: &'static Schema) -> Option<&'static str> {
        let members = schema.members();
        if !self.is_rest() && members.iter().any(|member| member.location != Location::Body) {
            return Some("has members bound to HTTP");
        }
        if self.is_rest() && members.iter().any(|member| !self.binds(operation, member)) {
            return Some("has a label that is not in its URI");
        }
        if self.is_form() && members.iter().any(claimed) {
            return Some("has a member of a name that the protocol claims");
        }
        let documents = matches!(self.protocol, Protocol::RestJson1 | Protocol::AwsJson10 | Protocol::AwsJson11);
        if !documents && contains_document(schema, &mut Vec::new()) {
            return Some("has a document");
        }
        None
    }

    fn binds(self, operation: &OperationModel, member: &Member) -> bool {
        let label = member.location == Location::Uri && self.side == Side::Request;
        let name = member.wire_name();
        !label || operation.uri.contains(&format!("{{{name}}}")) || operation.uri.contains(&format!("{{{name}+}}"))
    }

    /// Members go by `locationName` rather than by their names.
    pub fn uses_wire_names(self) -> bool {
        self.is_rest() || self.is_form() || self.is_xml()
    }

    /// HTTP has this member whether the sender set it or not.
    pub fn implies(self, member: &Member, schema: &Schema) -> bool {
        let content_type = member.location == Location::Header
            && member.wire_name().eq_ignore_ascii_case("content-type")
            && schema.payload().is_some();
        self.is_rest() && (content_type || member.location == Location::StatusCode || member.streaming)
    }

    /// A list or map at this place must not be empty.
    pub fn collections_need_an_entry(self, location: Location, member: Option<&Member>, schema: &Schema) -> bool {
        let flattened = member.is_some_and(Member::is_flattened) || schema.flattened;
        match location {
            Location::Body | Location::Payload => {
                let is_map = matches!(schema.kind, Kind::Map(..));
                (self.is_form() && (is_map || self.protocol == Protocol::Ec2Query)) || (self.is_xml() && flattened)
            }
            _ => true,
        }
    }

    /// The characters of texts at this place, beyond letters and digits.
    pub fn punctuation(self, location: Location) -> &'static [char] {
        const HEADER: &[char] = &['-', '_', '.', '/', ':', ',', ';', '=', '"', '\\', '\'', '(', '%', '+', '&', '<'];
        const XML: &[char] = &[
            ' ', '\t', '\n', '\r', '/', ':', ',', '=', '"', '\\', '\'', '%', '+', '&', '<', '>', '#', '?', ']', '{',
            'é', '漢', '🦀', '\u{85}', '\u{2028}',
        ];
        const ANY: &[char] = &[
            ' ', '\t', '\n', '\r', '/', ':', ',', '=', '"', '\\', '\'', '%', '+', '&', '<', '>', '#', '?', ']', '{',
            'é', '漢', '🦀', '\u{85}', '\u{2028}', '\0', '\u{1}', '\u{1f}', '\u{7f}',
        ];
        match location {
            Location::Header | Location::Headers => HEADER,
            Location::Body | Location::Payload if self.is_xml() => XML,
            _ => ANY,
        }
    }
}

/// ec2 writes names with a capital.
fn claimed(member: &Member) -> bool {
    ["Action", "Version"].iter().any(|name| name.eq_ignore_ascii_case(member.wire_name()))
}

fn contains_document(schema: &'static Schema, seen: &mut Vec<*const Schema>) -> bool {
    if seen.contains(&std::ptr::from_ref(schema)) {
        return false;
    }
    seen.push(schema);
    match &schema.kind {
        Kind::Document => true,
        Kind::List(element) => contains_document(element.schema, seen),
        Kind::Map(_, value) => contains_document(value.schema, seen),
        Kind::Structure(members) => members.iter().any(|member| contains_document(member.schema, seen)),
        _ => false,
    }
}
