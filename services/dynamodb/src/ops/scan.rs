//! Scan: a whole table or index, or one segment of it.

use std::ops::Bound;

use dynamodb_api as api;
use service::Context;
use store::Range;

use crate::DynamoDb;
use crate::error::{Error, Invalid};
use crate::expression::Placeholders;
use crate::legacy;
use crate::ops::query::Source;
use crate::parameters;
use crate::read::Reading;
use crate::table::{index_prefix, segment_start};
use crate::validate;

async fn scan(db: &DynamoDb, cx: &Context, mut request: api::ScanInput) -> Result<api::ScanOutput, Error> {
    legacy::refuse_mixing(
        &[
            ("AttributesToGet", request.attributes_to_get.is_some()),
            ("ScanFilter", request.scan_filter.is_some()),
            ("ConditionalOperator", request.conditional_operator.is_some()),
        ],
        &[
            ("ProjectionExpression", request.projection_expression.is_some()),
            ("FilterExpression", request.filter_expression.is_some()),
        ],
    )?;
    let segment = segment(request.segment, request.total_segments)?;
    parameters::prepare(
        request.expression_attribute_names.as_ref(),
        request.expression_attribute_values.as_mut(),
        None,
    )?;
    parameters::prepare_conditions(request.scan_filter.as_mut())?;
    if let Some(start) = &mut request.exclusive_start_key {
        validate::normalise_item(start)?;
    }
    let mut placeholders =
        Placeholders::new(request.expression_attribute_names.as_ref(), request.expression_attribute_values.as_ref());
    if request.filter_expression.is_none() && request.projection_expression.is_none() {
        placeholders.refuse_without_expressions("FilterExpression is null")?;
    }
    let filter = parameters::filter(
        request.scan_filter.as_ref(),
        request.conditional_operator.as_ref(),
        request.filter_expression.as_deref(),
        &mut placeholders,
    )?;
    let projection = parameters::projection(
        request.attributes_to_get.as_deref(),
        request.projection_expression.as_deref(),
        &mut placeholders,
    )?;
    placeholders.finish()?;

    let table = db.table(cx, &request.table_name)?;
    let source = Source::new(&table, request.index_name.as_deref(), request.consistent_read == Some(true))?;
    let mut range = match segment {
        Some((segment, segments)) => Range {
            from: Bound::Included(segment_start(table.number, source.number(), segment, segments)),
            to: Bound::Excluded(segment_start(table.number, source.number(), segment + 1, segments)),
        },
        None => Range::prefix(index_prefix(table.number, source.number())),
    };
    if let Some(start) = &request.exclusive_start_key {
        let start = source.start(start)?;
        if let (Some((segment, segments)), Bound::Included(from), Bound::Excluded(to)) =
            (segment, &range.from, &range.to)
            && !(from <= &start && &start < to)
        {
            return Err(Invalid(format!(
                "The provided starting key is invalid: Invalid ExclusiveStartKey. Please use ExclusiveStartKey with \
                 correct Segment. TotalSegments: {segments} Segment: {segment}"
            ))
            .into());
        }
        range = range.after(start);
    }
    let wanted = source.wanted(request.select.as_ref(), projection.as_ref(), request.attributes_to_get.is_some())?;
    let reading = Reading {
        table: &table,
        index: source.index,
        range,
        backward: false,
        limit: request.limit.and_then(|limit| usize::try_from(limit).ok()),
        filter: filter.as_ref(),
        projection: projection.as_ref(),
        wants_items: wanted.items,
        fetches: wanted.fetches || source.must_fetch_for(filter.as_ref()),
        read: source.read,
    };
    let page = reading.page(&cx.store().snapshot())?;
    Ok(api::ScanOutput {
        items: wanted.items.then_some(page.items),
        count: Some(page.count),
        scanned_count: Some(page.scanned),
        last_evaluated_key: page.last,
        consumed_capacity: page.consumed.report(&table, request.return_consumed_capacity.as_ref()),
    })
}

/// The segment to scan and how many there are.
fn segment(segment: Option<i32>, total: Option<i32>) -> Result<Option<(u64, u64)>, Invalid> {
    let (segment, total) = match (segment, total) {
        (None, None) => return Ok(None),
        (Some(segment), Some(total)) => (segment, total),
        (Some(_), None) => {
            return Err(Invalid::new(
                "The TotalSegments parameter is required but was not present in the request when Segment parameter \
                 is present",
            ));
        }
        (None, Some(_)) => {
            return Err(Invalid::new(
                "The Segment parameter is required but was not present in the request when parameter TotalSegments \
                 is present",
            ));
        }
    };
    match (u64::try_from(segment), u64::try_from(total)) {
        (Ok(index), Ok(count)) if index < count => Ok(Some((index, count))),
        _ => Err(Invalid(format!(
            "The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: {segment} is \
             not less than TotalSegments: {total}"
        ))),
    }
}
