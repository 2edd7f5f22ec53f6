//! Log groups and their retention.

use logs_api::{
    CreateLogGroup, CreateLogGroupRequest, DeleteLogGroup, DeleteLogGroupRequest, DeleteRetentionPolicy,
    DeleteRetentionPolicyRequest, DescribeLogGroups, DescribeLogGroupsRequest, DescribeLogGroupsResponse, LogGroup,
    LogGroupClass, PutRetentionPolicy, PutRetentionPolicyRequest,
};
use service::{Context, Page, Range, check_tags, decode_token, encode_token, from_record, operation};
use wire::Unit;

use super::{group_arn, group_resource, name_in};
use crate::store::{Group, Place, load_group, save_group};
use crate::{Error, Logs};

operation! {
    Logs, CreateLogGroup,
    action: "logs:CreateLogGroup" on |cx, request| group_resource(cx, &request.log_group_name),
    handler: create_log_group
}

async fn create_log_group(_: &Logs, cx: &Context, request: CreateLogGroupRequest) -> Result<Unit, Error> {
    let tags = request.tags.unwrap_or_default();
    check_tags(tags.iter().map(|(key, value)| (key.as_str(), value.as_str())))
        .map_err(|_| Error::InvalidParameter("The tags are invalid.".to_owned()))?;
    let place = Place::of(cx);
    let group = Group {
        name: request.log_group_name,
        created: cx.now().millis(),
        retention_days: None,
        tags,
        class: request.log_group_class.map(|class| class.as_str().to_owned()),
        stored_bytes: 0,
    };
    cx.store().write(|tx| {
        if load_group(tx, &place, &group.name)?.is_some() {
            return Err(Error::ResourceAlreadyExists("The specified log group already exists".to_owned()));
        }
        Ok(save_group(tx, &place, &group)?)
    })?;
    Ok(Unit {})
}

operation! {
    Logs, DescribeLogGroups,
    action: "logs:DescribeLogGroups" on |cx, request| {
        group_resource(cx, request.log_group_name_prefix.as_deref().unwrap_or_default())
    },
    handler: describe_log_groups
}

async fn describe_log_groups(
    _: &Logs,
    cx: &Context,
    request: DescribeLogGroupsRequest,
) -> Result<DescribeLogGroupsResponse, Error> {
    if request.log_group_name_prefix.is_some() && request.log_group_name_pattern.is_some() {
        return Err(Error::InvalidParameter(
            "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.".to_owned(),
        ));
    }
    let place = Place::of(cx);
    let after = token(request.next_token.as_deref())?;
    let prefix = request.log_group_name_prefix.unwrap_or_default();
    let pattern = request.log_group_name_pattern.unwrap_or_default();
    let named: Option<Vec<String>> =
        request.log_group_identifiers.map(|list| list.iter().map(|identifier| name_in(identifier)).collect());
    let limit = usize::try_from(request.limit.unwrap_or(50)).unwrap_or(50);
    let page =
        Page::read(&cx.store().snapshot(), Range::prefix(place.groups()), after.as_deref(), limit, |_, value| {
            let group: Group = from_record(value)?;
            let wanted = group.name.starts_with(&prefix)
                && group.name.contains(&pattern)
                && named.as_ref().is_none_or(|names| names.contains(&group.name));
            Ok::<_, Error>(wanted.then(|| show(&group, &place)))
        })?;
    Ok(DescribeLogGroupsResponse { log_groups: Some(page.items), next_token: page.next.map(|key| encode_token(&key)) })
}

pub(super) fn token(token: Option<&str>) -> Result<Option<Vec<u8>>, Error> {
    let invalid = || Error::InvalidParameter("The specified nextToken is invalid.".to_owned());
    token.map(|token| decode_token(token).ok_or_else(invalid)).transpose()
}

fn show(group: &Group, place: &Place) -> LogGroup {
    let arn = group_arn(place, &group.name);
    LogGroup {
        log_group_name: Some(group.name.clone()),
        creation_time: Some(group.created),
        retention_in_days: group.retention_days,
        metric_filter_count: Some(0),
        arn: Some(format!("{arn}:*")),
        stored_bytes: Some(group.stored_bytes),
        log_group_class: Some(LogGroupClass::from(group.class.as_deref().unwrap_or("STANDARD"))),
        log_group_arn: Some(arn),
        ..LogGroup::default()
    }
}

operation! {
    Logs, DeleteLogGroup,
    action: "logs:DeleteLogGroup" on |cx, request| group_resource(cx, &request.log_group_name),
    handler: delete_log_group
}

async fn delete_log_group(_: &Logs, cx: &Context, request: DeleteLogGroupRequest) -> Result<Unit, Error> {
    let (place, name) = (Place::of(cx), &request.log_group_name);
    cx.store().write(|tx| {
        load_group(tx, &place, name)?.ok_or_else(Error::no_group)?;
        for range in [place.streams(name), place.all_events(name), place.times(name)] {
            tx.delete_range(Range::prefix(range))?;
        }
        tx.delete(place.group(name));
        Ok::<_, Error>(())
    })?;
    Ok(Unit {})
}

operation! {
    Logs, PutRetentionPolicy,
    action: "logs:PutRetentionPolicy" on |cx, request| group_resource(cx, &request.log_group_name),
    handler: put_retention_policy
}

/// The numbers of days that AWS offers.
const RETENTIONS: [i32; 22] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

async fn put_retention_policy(_: &Logs, cx: &Context, request: PutRetentionPolicyRequest) -> Result<Unit, Error> {
    let days = request.retention_in_days;
    if !RETENTIONS.contains(&days) {
        let allowed: Vec<String> = RETENTIONS.iter().map(i32::to_string).collect();
        return Err(Error::InvalidParameter(format!(
            "1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: [{}]",
            allowed.join(", ")
        )));
    }
    set_retention(cx, &request.log_group_name, Some(days))
}

operation! {
    Logs, DeleteRetentionPolicy,
    action: "logs:DeleteRetentionPolicy" on |cx, request| group_resource(cx, &request.log_group_name),
    handler: delete_retention_policy
}

async fn delete_retention_policy(_: &Logs, cx: &Context, request: DeleteRetentionPolicyRequest) -> Result<Unit, Error> {
    set_retention(cx, &request.log_group_name, None)
}

fn set_retention(cx: &Context, name: &str, days: Option<i32>) -> Result<Unit, Error> {
    let place = Place::of(cx);
    cx.store().write(|tx| {
        let mut group = load_group(tx, &place, name)?.ok_or_else(Error::no_group)?;
        group.retention_days = days;
        Ok::<_, Error>(save_group(tx, &place, &group)?)
    })?;
    Ok(Unit {})
}
