//! Tags of APIs and stages.

use super::{arn, rest_api::check_api_tags};
use crate::{ApiGateway, error::Error, store::Place};
use ::store::Transaction;
use apigateway_api::*;
use service::{Context, operation};
use std::collections::BTreeMap;

operation! { ApiGateway, TagResource, action: "apigateway:PUT" on |cx, r| arn(cx, format!("/tags/{}", r.resource_arn)), handler: tag }
operation! { ApiGateway, UntagResource, action: "apigateway:DELETE" on |cx, r| arn(cx, format!("/tags/{}", r.resource_arn)), handler: untag }
operation! { ApiGateway, GetTags, action: "apigateway:GET" on |cx, r| arn(cx, format!("/tags/{}", r.resource_arn)), handler: get }

type Tagged = Option<BTreeMap<String, String>>;

/// Changes the tags of what an ARN names.
fn change<T>(
    cx: &Context,
    tx: &mut Transaction<'_>,
    resource_arn: &str,
    change: impl FnOnce(&mut Tagged) -> Result<T, Error>,
) -> Result<T, Error> {
    let invalid = || Error::BadRequest("Invalid ARN specified in the request.".to_owned());
    let path = resource_arn.strip_prefix(&arn(cx, "/restapis/")).ok_or_else(invalid)?;
    match path.split('/').collect::<Vec<_>>()[..] {
        [api] => {
            let place = Place::new(cx, api);
            let mut record = place.api(tx)?;
            let result = change(&mut record.tags)?;
            place.put_api(tx, &record);
            Ok(result)
        }
        [api, "stages", name] => {
            let place = Place::new(cx, api);
            let mut record: Stage = place.get(tx, name)?;
            let result = change(&mut record.tags)?;
            place.put(tx, name, &record);
            Ok(result)
        }
        _ => Err(invalid()),
    }
}

async fn tag(_: &ApiGateway, cx: &Context, request: TagResourceRequest) -> Result<wire::Unit, Error> {
    cx.store().write(|tx| {
        change(cx, tx, &request.resource_arn, |tags| {
            tags.get_or_insert_default().extend(request.tags);
            check_api_tags(tags.as_ref())?;
            Ok(wire::Unit::default())
        })
    })
}

async fn untag(_: &ApiGateway, cx: &Context, request: UntagResourceRequest) -> Result<wire::Unit, Error> {
    cx.store().write(|tx| {
        change(cx, tx, &request.resource_arn, |tags| {
            if let Some(tags) = tags {
                tags.retain(|key, _| !request.tag_keys.contains(key));
            }
            Ok(wire::Unit::default())
        })
    })
}

async fn get(_: &ApiGateway, cx: &Context, request: GetTagsRequest) -> Result<Tags, Error> {
    cx.store().write(|tx| {
        change(cx, tx, &request.resource_arn, |tags| Ok(Tags { tags: Some(tags.clone().unwrap_or_default()) }))
    })
}
