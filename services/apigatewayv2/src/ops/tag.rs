//! Tags of APIs, stages and domain names.

use super::{check, domain::missing};
use crate::{
    ApiGatewayV2,
    error::{Error, bad},
    store::{Place, Reader},
};
use apigatewayv2_api::*;
use execute_api::domain::{Domain, Domains};
use service::{Context, Transaction, operation};
use std::collections::BTreeMap;

operation! { ApiGatewayV2, TagResource, action: "apigateway:POST" on |cx, r| address(cx, &r.resource_arn), handler: tag }
operation! { ApiGatewayV2, UntagResource, action: "apigateway:DELETE" on |cx, r| address(cx, &r.resource_arn), handler: untag }
operation! { ApiGatewayV2, GetTags, action: "apigateway:GET" on |cx, r| address(cx, &r.resource_arn), handler: get }

/// Tags are guarded at an address of their own.
fn address(cx: &Context, arn: &str) -> String {
    super::arn(cx, format!("/tags/{arn}"))
}

/// What an ARN names.
enum Target<'a> {
    Api(Place<'a>),
    Stage(Place<'a>, String),
    Domain(Domains<'a>, String),
}

impl<'a> Target<'a> {
    fn of(cx: &'a Context, arn: &'a str) -> Result<Self, Error> {
        let path = arn.strip_prefix(&format!("arn:aws:apigateway:{}::", cx.region()));
        let parts: Vec<&str> = path.unwrap_or_default().trim_start_matches("/v2").split('/').skip(1).collect();
        match parts.as_slice() {
            ["apis", api] => Ok(Self::Api(Place::new(cx, api))),
            ["apis", api, "stages", stage] => Ok(Self::Stage(Place::new(cx, api), (*stage).to_owned())),
            ["domainnames", name] => {
                Ok(Self::Domain(Domains { account: cx.account(), region: cx.region() }, (*name).to_owned()))
            }
            _ => bad("Invalid ARN specified in the request."),
        }
    }

    fn read(&self, reader: &impl Reader) -> Result<BTreeMap<String, String>, Error> {
        let tags = match self {
            Self::Api(place) => place.api(reader)?.tags,
            Self::Stage(place, stage) => place.get::<Stage>(reader, stage)?.tags,
            Self::Domain(domains, name) => Some(domains.get(reader, name)?.ok_or_else(missing)?.tags),
        };
        Ok(tags.unwrap_or_default())
    }

    fn write(&self, tx: &mut Transaction<'_>, tags: BTreeMap<String, String>) -> Result<(), Error> {
        match self {
            Self::Api(place) => {
                let api = Api { tags: Some(tags), ..place.api(tx)? };
                place.put_api(tx, &api);
            }
            Self::Stage(place, name) => {
                let stage = Stage { tags: Some(tags), ..place.get(tx, name)? };
                place.put(tx, name, &stage);
            }
            Self::Domain(domains, name) => {
                let domain = Domain { tags, ..domains.get(tx, name)?.ok_or_else(missing)? };
                domains.put(tx, &domain)?;
            }
        }
        Ok(())
    }
}

async fn tag(_: &ApiGatewayV2, cx: &Context, request: TagResourceRequest) -> Result<TagResourceResponse, Error> {
    let target = Target::of(cx, &request.resource_arn)?;
    cx.store().write(|tx| {
        let mut tags = target.read(tx)?;
        tags.extend(request.tags.unwrap_or_default());
        check(Some(&tags))?;
        target.write(tx, tags)?;
        Ok(TagResourceResponse::default())
    })
}

async fn untag(_: &ApiGatewayV2, cx: &Context, request: UntagResourceRequest) -> Result<wire::Unit, Error> {
    let target = Target::of(cx, &request.resource_arn)?;
    cx.store().write(|tx| {
        let mut tags = target.read(tx)?;
        tags.retain(|key, _| !request.tag_keys.contains(key));
        target.write(tx, tags)?;
        Ok(wire::Unit::default())
    })
}

async fn get(_: &ApiGatewayV2, cx: &Context, request: GetTagsRequest) -> Result<GetTagsResponse, Error> {
    let tags = Target::of(cx, &request.resource_arn)?.read(&cx.store().snapshot())?;
    Ok(GetTagsResponse { tags: Some(tags) })
}
