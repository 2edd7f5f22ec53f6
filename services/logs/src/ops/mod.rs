//! One file a noun. The ARNs and identifiers they share are here.

mod event;
mod group;
mod stream;
mod tag;

use service::{Arn, Context};

use crate::Error;
use crate::store::Place;

/// `arn:aws:logs:us-east-1:123456789012:log-group:NAME`
pub(crate) fn group_arn(place: &Place, name: &str) -> String {
    format!("arn:aws:logs:{}:{}:log-group:{name}", place.region, place.account)
}

/// What operations on a group are authorized for: its ARN with an empty stream, as AWS's denials show.
pub(crate) fn group_resource(cx: &Context, name: &str) -> String {
    format!("{}:log-stream:", group_arn(&Place::of(cx), name))
}

pub(crate) fn stream_resource(cx: &Context, group: &str, stream: &str) -> String {
    format!("{}:log-stream:{stream}", group_arn(&Place::of(cx), group))
}

/// The group that a request names, by name or by identifier (a name or an ARN).
pub(crate) fn group_name(name: Option<&str>, identifier: Option<&str>) -> Result<String, Error> {
    match (name, identifier) {
        (Some(name), None) => Ok(name.to_owned()),
        (None, Some(identifier)) => Ok(name_in(identifier)),
        (Some(_), Some(_)) => {
            Err(Error::InvalidParameter("LogGroup name and LogGroup ARN are mutually exclusive parameters.".to_owned()))
        }
        (None, None) => {
            Err(Error::InvalidParameter("Either LogGroup name or LogGroup ARN must be specified.".to_owned()))
        }
    }
}

/// The name in an identifier or an ARN, with or without `:*`.
pub(crate) fn name_in(identifier: &str) -> String {
    match Arn::parse(identifier) {
        Some(arn) => arn.resource.trim_start_matches("log-group:").trim_end_matches(":*").to_owned(),
        None => identifier.to_owned(),
    }
}
