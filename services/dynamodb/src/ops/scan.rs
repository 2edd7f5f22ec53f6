//! Scan: a whole table or index, or one segment of it.

use std::ops::Bound;

use dynamodb_api as api;
use service::{Access, Context, operation};
use store::Range;
use wire::Deferred;

use crate::DynamoDb;
use crate::access;
use crate::error::{Error, Invalid};
use crate::expression::Placeholders;
use crate::legacy;
use crate::ops::query::{Asked, Source};
use crate::parameters;
use crate::table::{index_prefix, segment_start};
use crate::validate;

operation! {
    DynamoDb, api::Scan,
    access: |_, cx, request| {
        let arn = access::source_arn(cx, &request.table_name, request.index_name.as_deref());
        let access = access::with_projection(
            Access::new("dynamodb:Scan", arn),
            request.attributes_to_get.as_deref(),
            request.projection_expression.as_deref(),
            request.expression_attribute_names.as_ref(),
        );
        Ok::<_, Error>(vec![match &request.select {
            Some(select) => access.with("dynamodb:Select", select.as_str()),
            None => access,
        }])
    },
    handler: scan
}

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
    let source = Source::new(
        "Scan",
        &table,
        request.index_name.as_deref(),
        request.consistent_read == Some(true),
        cx.now().millis(),
    )?;
    let mut range = match segment {
        Some((segment, segments)) => Range {
            from: Bound::Included(segment_start(table.number, source.number(), segment, segments)),
            to: Bound::Excluded(segment_start(table.number, source.number(), segment + 1, segments)),
        },
        None => Range::prefix(index_prefix(table.number, source.number())),
    };
    if let Some(start) = &request.exclusive_start_key {
        if !source.has_keys_of(start) {
            return Err(Invalid::new(
                "The provided starting key is invalid: The provided key element does not match the schema",
            )
            .into());
        }
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
    let asked = Asked {
        range,
        backward: false,
        select: request.select.as_ref(),
        old: request.attributes_to_get.is_some(),
        limit: request.limit,
        filter: filter.as_ref(),
        projection: projection.as_ref(),
    };
    let (wanted, page) = source.page(db, cx, asked)?;
    Ok(api::ScanOutput {
        items: wanted.items.then(|| Deferred::new(page.items)),
        count: Some(page.count),
        scanned_count: Some(page.scanned),
        last_evaluated_key: page.last,
        consumed_capacity: page.consumed.report(&table, &request.table_name, request.return_consumed_capacity.as_ref()),
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

#[cfg(test)]
mod tests {
    use crate::testing::Bench;
    use serde_json::{Value, json};

    fn bench() -> Bench {
        let bench = Bench::with_table();
        for n in 0..30 {
            bench.put(&format!("p{n}"), "s", json!({ "n": { "N": n.to_string() } }));
        }
        bench
    }

    fn numbers(output: &Value) -> Vec<i32> {
        let items = output["Items"].as_array().unwrap().iter();
        items.map(|item| item["n"]["N"].as_str().unwrap().parse().unwrap()).collect()
    }

    #[test]
    fn pages_and_segments_cover_the_table() {
        let bench = bench();
        let (mut seen, mut start) = (Vec::new(), None);
        loop {
            let mut request = json!({ "TableName": "tab", "Limit": 7 });
            if let Some(start) = start.take() {
                request["ExclusiveStartKey"] = start;
            }
            let output = bench.ok("Scan", request);
            seen.extend(numbers(&output));
            match output.get("LastEvaluatedKey") {
                Some(last) => start = Some(last.clone()),
                None => break,
            }
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..30).collect::<Vec<_>>());
        let segment = |segment: i32| {
            numbers(&bench.ok("Scan", json!({ "TableName": "tab", "TotalSegments": 3, "Segment": segment })))
        };
        let segments = [segment(0), segment(1), segment(2)];
        assert!(segments.iter().all(|numbers| (3..20).contains(&numbers.len())), "{segments:?}");
        let mut all = segments.concat();
        all.sort_unstable();
        assert_eq!(all, seen);
    }

    #[test]
    fn filters_and_counts() {
        let bench = bench();
        let output = bench.ok(
            "Scan",
            json!({
                "TableName": "tab",
                "FilterExpression": "n >= :n",
                "ExpressionAttributeValues": { ":n": { "N": "25" } },
                "Select": "COUNT",
            }),
        );
        assert_eq!(output, json!({ "Count": 5, "ScannedCount": 30 }));
        let legacy = json!({ "n": { "ComparisonOperator": "LT", "AttributeValueList": [{ "N": "2" }] } });
        assert_eq!(bench.ok("Scan", json!({ "TableName": "tab", "ScanFilter": legacy }))["Count"], json!(2));
        assert_eq!(
            bench.invalid("Scan", json!({ "TableName": "tab", "ScanFilter": legacy, "ProjectionExpression": "n" })),
            "Can not use both expression and non-expression parameters in the same request: Non-expression \
             parameters: {ScanFilter} Expression parameters: {ProjectionExpression}"
        );
    }

    #[test]
    fn segments_are_checked() {
        let bench = Bench::with_table();
        assert_eq!(
            bench.invalid("Scan", json!({ "TableName": "tab", "TotalSegments": 2, "Segment": 2 })),
            "The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: 2 is not \
             less than TotalSegments: 2"
        );
        assert!(bench.invalid("Scan", json!({ "TableName": "tab", "Segment": 2 })).starts_with("The TotalSegments"));
    }
}
