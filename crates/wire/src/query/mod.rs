//! Form-encoded requests: awsQuery and ec2Query. Their responses are XML.

mod decode;
mod encode;
mod params;

pub use decode::decode;
pub use encode::QueryEncoder;
pub(crate) use encode::UNRESERVED;
pub use params::{Params, percent_decode};

use crate::schema::{Kind, Member};

/// The two dialects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Aws,
    Ec2,
}

impl Dialect {
    /// The parameter name of a member, and whether its list or map is flattened.
    fn name(self, member: &'static Member) -> (String, bool) {
        match self {
            Dialect::Ec2 => {
                let name = member.query_name.map(str::to_owned).unwrap_or_else(|| capitalized(member.wire_name()));
                (name, true)
            }
            Dialect::Aws => {
                // A flattened list goes by the name of its elements, unless the member has one of its own.
                let name = match &member.schema.kind {
                    Kind::List(element) if member.schema.flattened && member.wire_name.is_none() => {
                        element.wire_name.unwrap_or(member.name)
                    }
                    _ => member.wire_name(),
                };
                (name.to_owned(), member.is_flattened())
            }
        }
    }
}

fn capitalized(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
}
