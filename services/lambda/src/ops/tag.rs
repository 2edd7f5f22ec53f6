//! TagResource, UntagResource, ListTags: of functions, event source mappings and code signing configurations.

use std::collections::BTreeMap;

use lambda_api::{
    ListTags, ListTagsRequest, ListTagsResponse, TagResource, TagResourceRequest, UntagResource, UntagResourceRequest,
};
use service::{Access, Context, TagError, check_tags, from_record, operation, to_record};
use wire::Unit;

use super::{code_signing, event_source, find, reference};
use crate::Lambda;
use crate::arn::Reference;
use crate::error::Error;
use crate::function::not_found;
use crate::mapping::record::{self, Mapping};
use crate::store as records;

operation! {
    Lambda, TagResource,
    access: |_s, _cx, request| Ok::<_, Error>(vec![Access::new("lambda:TagResource", &request.resource)]),
    handler: tag_resource
}
operation! {
    Lambda, UntagResource,
    access: |_s, _cx, request| Ok::<_, Error>(vec![Access::new("lambda:UntagResource", &request.resource)]),
    handler: untag_resource
}
operation! {
    Lambda, ListTags,
    access: |_s, _cx, request| Ok::<_, Error>(vec![Access::new("lambda:ListTags", &request.resource)]),
    handler: list_tags
}

pub fn check(tags: &BTreeMap<String, String>) -> Result<(), Error> {
    let pairs = tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    check_tags(pairs).map_err(|error| {
        Error::InvalidParameterValue(match error {
            TagError::TooMany => "Number of tags exceeds resource tag limit.".into(),
            TagError::Reserved => "aws: prefixed tag key names are not allowed for external use.".into(),
            TagError::KeyLength => "Tag keys must have between 1 and 128 characters.".into(),
            TagError::ValueLength => "Tag values must have at most 256 characters.".into(),
            TagError::Duplicate => "Tag keys must be unique.".into(),
        })
    })
}

async fn tag_resource(_: &Lambda, cx: &Context, request: TagResourceRequest) -> Result<Unit, Error> {
    change(cx, &request.resource, |tags| tags.extend(request.tags))
}

async fn untag_resource(_: &Lambda, cx: &Context, request: UntagResourceRequest) -> Result<Unit, Error> {
    change(cx, &request.resource, |tags| tags.retain(|key, _| !request.tag_keys.contains(key)))
}

async fn list_tags(_: &Lambda, cx: &Context, request: ListTagsRequest) -> Result<ListTagsResponse, Error> {
    let tags = match Tagged::parse(cx, &request.resource)? {
        Tagged::Function(reference) => find(cx, &reference)?.tags,
        Tagged::Mapping(uuid) => mapping(cx, &uuid)?.tags,
        Tagged::CodeSigning(arn) => code_signing::tags(cx, &arn)?,
    };
    Ok(ListTagsResponse { tags: Some(tags) })
}

/// What can have tags.
enum Tagged {
    Function(Reference),
    /// By its UUID.
    Mapping(String),
    /// By its ARN.
    CodeSigning(String),
}

impl Tagged {
    fn parse(cx: &Context, arn: &str) -> Result<Self, Error> {
        let mut parts = arn.split(':').skip(5);
        match (parts.next(), parts.next()) {
            (Some("event-source-mapping"), Some(uuid)) => Ok(Self::Mapping(uuid.to_owned())),
            (Some("code-signing-config"), _) => Ok(Self::CodeSigning(arn.to_owned())),
            (Some("capacity-provider" | "network-connector"), _) => {
                Err(Error::NotImplemented("Capacity providers are not implemented.".into()))
            }
            _ => {
                let reference = reference(cx, arn, None)?;
                if reference.qualifier.is_some() {
                    let text =
                        "Tags on function aliases and versions are not supported. Please specify a function ARN.";
                    return Err(Error::InvalidParameterValue(text.into()));
                }
                Ok(Self::Function(reference))
            }
        }
    }
}

fn mapping(cx: &Context, uuid: &str) -> Result<Mapping, Error> {
    record::find(cx.store(), cx.account(), cx.region(), uuid)?.ok_or_else(event_source::missing)
}

fn change(cx: &Context, resource: &str, change: impl FnOnce(&mut BTreeMap<String, String>)) -> Result<Unit, Error> {
    match Tagged::parse(cx, resource)? {
        Tagged::Function(reference) => cx.store().write(|tx| {
            let mut function = records::function_in(tx, &reference)?.ok_or_else(|| not_found(&reference))?;
            change(&mut function.tags);
            check(&function.tags)?;
            Ok::<_, Error>(records::put_function(tx, &function)?)
        })?,
        Tagged::Mapping(uuid) => {
            let key = mapping(cx, &uuid)?.key();
            cx.store().write(|tx| {
                let mut mapping: Mapping = from_record(&tx.get(key.as_slice())?.ok_or_else(event_source::missing)?)?;
                change(&mut mapping.tags);
                check(&mapping.tags)?;
                tx.put(key, to_record(&mapping)?);
                Ok::<_, Error>(())
            })?;
        }
        Tagged::CodeSigning(arn) => {
            let mut tags = code_signing::tags(cx, &arn)?;
            change(&mut tags);
            check(&tags)?;
            cx.store().write(|tx| code_signing::put_tags(cx, tx, &arn, tags))?;
        }
    }
    Ok(Unit::default())
}
