//! Contributor insights, and where else changes could be sent: what is set, and nothing more.
//!
//! The settings are kept and shown; no rules run and no graphs are drawn.

use dynamodb_api as api;
use service::{Context, Timestamp, operation};

use crate::DynamoDb;
use crate::access;
use crate::error::{Error, Invalid};
use crate::store::{read_table, tables_prefix};
use crate::table::{Insights, Table};
use store::Range;

const MAX_SUMMARIES: usize = 100;

operation! {
    DynamoDb, api::UpdateContributorInsights,
    action: "dynamodb:UpdateContributorInsights" on |cx, request| {
        access::source_arn(cx, &request.table_name, request.index_name.as_deref())
    },
    handler: update_contributor_insights
}

async fn update_contributor_insights(
    db: &DynamoDb,
    cx: &Context,
    request: api::UpdateContributorInsightsInput,
) -> Result<api::UpdateContributorInsightsOutput, Error> {
    let enabled = request.contributor_insights_action == api::ContributorInsightsAction::Enable;
    let mode = request.contributor_insights_mode.as_ref().map(|mode| mode.as_str().to_owned());
    let now = cx.now().millis();
    let (table, ()) = db.change_table(cx, &request.table_name, |table| {
        check_index(table, request.index_name.as_deref())?;
        let name = request.index_name.clone().unwrap_or_default();
        let mode = mode.or_else(|| table.insights.get(&name).and_then(|insights| insights.mode.clone()));
        table.insights.insert(name, Insights { mode, enabled, changed: now });
        Ok(())
    })?;
    Ok(api::UpdateContributorInsightsOutput {
        table_name: Some(table.name.clone()),
        index_name: request.index_name,
        contributor_insights_status: Some(match enabled {
            true => api::ContributorInsightsStatus::Enabling,
            false => api::ContributorInsightsStatus::Disabling,
        }),
        contributor_insights_mode: request.contributor_insights_mode,
    })
}

fn check_index(table: &Table, index: Option<&str>) -> Result<(), Error> {
    match index {
        Some(name) if table.index(name).is_none() => {
            Err(Error::ResourceNotFound(format!("Requested resource not found: Index: {name} not found")))
        }
        _ => Ok(()),
    }
}

operation! {
    DynamoDb, api::DescribeContributorInsights,
    action: "dynamodb:DescribeContributorInsights" on |cx, request| {
        access::source_arn(cx, &request.table_name, request.index_name.as_deref())
    },
    handler: describe_contributor_insights
}

async fn describe_contributor_insights(
    db: &DynamoDb,
    cx: &Context,
    request: api::DescribeContributorInsightsInput,
) -> Result<api::DescribeContributorInsightsOutput, Error> {
    let table = db.named_table(cx, &request.table_name)?;
    check_index(&table, request.index_name.as_deref())?;
    let insights = table.insights.get(request.index_name.as_deref().unwrap_or_default());
    Ok(api::DescribeContributorInsightsOutput {
        table_name: Some(table.name.clone()),
        index_name: request.index_name,
        contributor_insights_rule_list: Some(Vec::new()),
        contributor_insights_status: Some(status(insights)),
        last_update_date_time: insights.map(|insights| Timestamp::from_millis(insights.changed)),
        contributor_insights_mode: insights.and_then(|insights| insights.mode.as_deref().map(Into::into)),
        failure_exception: None,
    })
}

fn status(insights: Option<&Insights>) -> api::ContributorInsightsStatus {
    match insights {
        Some(Insights { enabled: true, .. }) => api::ContributorInsightsStatus::Enabled,
        _ => api::ContributorInsightsStatus::Disabled,
    }
}

operation! {
    DynamoDb, api::ListContributorInsights,
    action: "dynamodb:ListContributorInsights" on |_, _| "*",
    handler: list_contributor_insights
}

async fn list_contributor_insights(
    db: &DynamoDb,
    cx: &Context,
    request: api::ListContributorInsightsInput,
) -> Result<api::ListContributorInsightsOutput, Error> {
    let limit = request.max_results.and_then(|limit| usize::try_from(limit).ok()).filter(|limit| *limit > 0);
    let limit = limit.unwrap_or(MAX_SUMMARIES);
    let mut tables = Vec::new();
    match &request.table_name {
        Some(name) => tables.push((*db.named_table(cx, name)?).clone()),
        None => {
            for entry in cx.store().scan(Range::prefix(tables_prefix(cx.account(), cx.region()))) {
                tables.push(read_table(&entry?.1)?);
            }
        }
    }
    let all =
        tables.iter().flat_map(|table| table.insights.iter().map(move |(index, insights)| (table, index, insights)));
    let place = |table: &Table, index: &str| format!("{}/{index}", table.name);
    let start = request.next_token.as_deref().map(|token| {
        let known = service::decode_token(token).and_then(|key| String::from_utf8(key).ok());
        known.ok_or_else(|| Invalid::new("Invalid NextToken"))
    });
    let start = start.transpose()?;
    let after = all.filter(|(table, index, _)| start.as_ref().is_none_or(|start| place(table, index) > *start));
    let found: Vec<_> = after.take(limit + 1).collect();
    let next = (found.len() > limit).then(|| {
        let (table, index, _) = found[limit - 1];
        service::encode_token(place(table, index).as_bytes())
    });
    let summaries = found.into_iter().take(limit).map(|(table, index, insights)| api::ContributorInsightsSummary {
        table_name: Some(table.name.clone()),
        index_name: (!index.is_empty()).then(|| index.clone()),
        contributor_insights_status: Some(status(Some(insights))),
        contributor_insights_mode: insights.mode.as_deref().map(Into::into),
    });
    Ok(api::ListContributorInsightsOutput {
        contributor_insights_summaries: Some(summaries.collect()),
        next_token: next,
    })
}

#[cfg(test)]
mod tests {
    use crate::testing::Bench;
    use serde_json::json;

    #[test]
    fn settings_are_kept() {
        let bench = Bench::with_table();
        let status = || {
            let output = bench.ok("DescribeContributorInsights", json!({ "TableName": "tab" }));
            output["ContributorInsightsStatus"].clone()
        };
        assert_eq!(status(), "DISABLED");
        let enable = json!({ "TableName": "tab", "ContributorInsightsAction": "ENABLE" });
        assert_eq!(bench.ok("UpdateContributorInsights", enable)["ContributorInsightsStatus"], "ENABLING");
        assert_eq!(status(), "ENABLED");
        assert_eq!(
            bench.ok("ListContributorInsights", json!({})),
            json!({ "ContributorInsightsSummaries": [{ "TableName": "tab", "ContributorInsightsStatus": "ENABLED" }] })
        );
        let unknown = json!({ "TableName": "tab", "IndexName": "none" });
        assert_eq!(bench.error("DescribeContributorInsights", unknown).0, "ResourceNotFoundException");
    }
}
