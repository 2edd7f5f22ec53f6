//! Tags of APIs and stages.

use super::{arn, rest_api::check_api_tags};
use crate::{
    ApiGateway,
    error::Error,
    store::{Place, Reader},
};
use ::store::Transaction;
use apigateway_api::{
    GetTags, GetTagsRequest, RestApi, Stage, TagResource, TagResourceRequest, UntagResource, UntagResourceRequest,
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use service::{Context, operation};
use std::collections::BTreeMap;

operation! { ApiGateway, TagResource, action: "apigateway:PUT" on |cx, r| tags_arn(cx, &r.resource_arn), handler: tag }
operation! { ApiGateway, UntagResource, action: "apigateway:DELETE" on |cx, r| tags_arn(cx, &r.resource_arn), handler: untag }
operation! { ApiGateway, GetTags, action: "apigateway:GET" on |cx, r| tags_arn(cx, &r.resource_arn), handler: get }

fn tags_arn(cx: &Context, resource_arn: &str) -> String {
    arn(cx, format!("/tags/{}", utf8_percent_encode(resource_arn, NON_ALPHANUMERIC)))
}

type Tags = BTreeMap<String, String>;

/// What has tags.
enum Target<'a> {
    Api(Place<'a>),
    Stage(Place<'a>, &'a str),
}

impl<'a> Target<'a> {
    fn of(cx: &'a Context, resource_arn: &'a str) -> Result<Self, Error> {
        let path = resource_arn.strip_prefix(&arn(cx, "/restapis/"));
        match path.map(|path| path.split('/').collect::<Vec<_>>()).as_deref() {
            Some([api]) => Ok(Self::Api(Place::new(cx, api))),
            Some([api, "stages", stage]) => Ok(Self::Stage(Place::new(cx, api), stage)),
            _ => Err(Error::BadRequest("Invalid ARN specified in the request.".to_owned())),
        }
    }

    fn read(&self, reader: &impl Reader) -> Result<Tags, Error> {
        let tags = match self {
            Self::Api(place) => place.api(reader)?.tags,
            Self::Stage(place, stage) => place.get::<Stage>(reader, stage)?.tags,
        };
        Ok(tags.unwrap_or_default())
    }

    fn write(&self, tx: &mut Transaction<'_>, tags: Tags) -> Result<(), Error> {
        match self {
            Self::Api(place) => {
                let api = RestApi { tags: Some(tags), ..place.api(tx)? };
                place.put_api(tx, &api);
            }
            Self::Stage(place, name) => {
                let stage = Stage { tags: Some(tags), ..place.get(tx, name)? };
                place.put(tx, name, &stage);
            }
        }
        Ok(())
    }
}

async fn tag(_: &ApiGateway, cx: &Context, request: TagResourceRequest) -> Result<wire::Unit, Error> {
    let target = Target::of(cx, &request.resource_arn)?;
    cx.store().write(|tx| {
        let mut tags = target.read(tx)?;
        tags.extend(request.tags);
        check_api_tags(Some(&tags))?;
        target.write(tx, tags)?;
        Ok(wire::Unit::default())
    })
}

async fn untag(_: &ApiGateway, cx: &Context, request: UntagResourceRequest) -> Result<wire::Unit, Error> {
    let target = Target::of(cx, &request.resource_arn)?;
    cx.store().write(|tx| {
        let mut tags = target.read(tx)?;
        tags.retain(|key, _| !request.tag_keys.contains(key));
        target.write(tx, tags)?;
        Ok(wire::Unit::default())
    })
}

async fn get(_: &ApiGateway, cx: &Context, request: GetTagsRequest) -> Result<apigateway_api::Tags, Error> {
    let tags = Target::of(cx, &request.resource_arn)?.read(&cx.store().snapshot())?;
    Ok(apigateway_api::Tags { tags: Some(tags) })
}
