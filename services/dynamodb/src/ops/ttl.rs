//! UpdateTimeToLive, DescribeTimeToLive.

use dynamodb_api as api;
use service::{Context, operation};

use crate::DynamoDb;
use crate::access;
use crate::error::{Error, Invalid};
use crate::table::TimeToLive;

operation! {
    DynamoDb, api::UpdateTimeToLive,
    action: "dynamodb:UpdateTimeToLive" on |cx, request| access::table_arn(cx, &request.table_name),
    handler: update_time_to_live
}

async fn update_time_to_live(
    db: &DynamoDb,
    cx: &Context,
    request: api::UpdateTimeToLiveInput,
) -> Result<api::UpdateTimeToLiveOutput, Error> {
    let wanted = request.time_to_live_specification;
    let (table, ()) = db.change_table(cx, &request.table_name, |table| {
        table.refuse_if_strong("Time to Live")?;
        table.ttl = match (&table.ttl, wanted.enabled) {
            (Some(ttl), _) if ttl.attribute != wanted.attribute_name => {
                return Err(Invalid(format!(
                    "TimeToLive is active on a different AttributeName: current AttributeName is {}",
                    ttl.attribute
                ))
                .into());
            }
            (Some(_), true) => return Err(Invalid::new("TimeToLive is already enabled").into()),
            (None, false) => return Err(Invalid::new("TimeToLive is already disabled").into()),
            (Some(_), false) => None,
            (None, true) => {
                let number = table.next_index;
                table.next_index += 1;
                let attribute = wanted.attribute_name.clone();
                Some(TimeToLive { attribute, number, backfill: Some(Vec::new()) })
            }
        };
        Ok(())
    })?;
    for region in table.followers() {
        let cx = cx.clone().in_place(&table.account, region);
        let wanted = table.ttl.as_ref().map(|ttl| ttl.attribute.clone());
        let (replica, ()) = db.change_table(&cx, &table.name, |replica| {
            replica.ttl = wanted.map(|attribute| {
                replica.next_index += 1;
                TimeToLive { attribute, number: replica.next_index - 1, backfill: Some(Vec::new()) }
            });
            Ok(())
        })?;
        db.finish_backfill(cx.store(), &replica)?;
    }
    match table.ttl {
        Some(_) => db.finish_backfill(cx.store(), &table)?,
        None => db.purge(cx.store())?,
    }
    Ok(api::UpdateTimeToLiveOutput { time_to_live_specification: Some(wanted) })
}

operation! {
    DynamoDb, api::DescribeTimeToLive,
    action: "dynamodb:DescribeTimeToLive" on |cx, request| access::table_arn(cx, &request.table_name),
    handler: describe_time_to_live
}

async fn describe_time_to_live(
    db: &DynamoDb,
    cx: &Context,
    request: api::DescribeTimeToLiveInput,
) -> Result<api::DescribeTimeToLiveOutput, Error> {
    let table = db.named_table(cx, &request.table_name)?;
    let status = match &table.ttl {
        None => api::TimeToLiveStatus::Disabled,
        Some(ttl) if ttl.backfill.is_some() => api::TimeToLiveStatus::Enabling,
        Some(_) => api::TimeToLiveStatus::Enabled,
    };
    Ok(api::DescribeTimeToLiveOutput {
        time_to_live_description: Some(api::TimeToLiveDescription {
            time_to_live_status: Some(status),
            attribute_name: table.ttl.as_ref().map(|ttl| ttl.attribute.clone()),
        }),
    })
}

#[cfg(test)]
mod tests {
    use crate::testing::Bench;
    use futures_util::FutureExt as _;
    use serde_json::{Value, json};

    fn set(bench: &Bench, enabled: bool) -> Result<Value, service::ApiError> {
        let wanted = json!({ "Enabled": enabled, "AttributeName": "until" });
        bench.call("UpdateTimeToLive", json!({ "TableName": "tab", "TimeToLiveSpecification": wanted }))
    }

    fn expire(bench: &Bench) {
        bench.db.expire(&bench.cloud.store, bench.cloud.clock.now()).now_or_never().unwrap().unwrap();
    }

    #[test]
    fn items_go_when_their_time_has_come() {
        let bench = Bench::with_table();
        let now = bench.cloud.clock.now().secs();
        let until = |seconds: i64| json!({ "until": { "N": (now + seconds).to_string() } });
        bench.put("a", "soon", until(60));
        bench.put("a", "text", json!({ "until": { "S": now.to_string() } }));
        bench.put("a", "long ago", json!({ "until": { "N": "5" } }));
        set(&bench, true).unwrap();
        bench.put("a", "later", until(600));
        bench.put("a", "prolonged", until(60));
        bench.put("a", "prolonged", until(600));
        expire(&bench);
        assert!(!bench.get("a", "soon").is_null());
        bench.cloud.clock.advance(61_000);
        expire(&bench);
        assert!(bench.get("a", "soon").is_null());
        bench.cloud.clock.advance(600_000);
        expire(&bench);
        let left = bench.ok("Scan", json!({ "TableName": "tab", "Select": "COUNT" }));
        assert_eq!(left["Count"], json!(2), "the text and the time long ago");
        assert_eq!(bench.ok("DescribeTable", json!({ "TableName": "tab" }))["Table"]["ItemCount"], json!(2));
    }

    #[test]
    fn it_is_switched_on_and_off_once() {
        let bench = Bench::with_table();
        let status = || bench.ok("DescribeTimeToLive", json!({ "TableName": "tab" }))["TimeToLiveDescription"].clone();
        assert_eq!(status(), json!({ "TimeToLiveStatus": "DISABLED" }));
        assert_eq!(set(&bench, false).unwrap_err().message, "TimeToLive is already disabled");
        set(&bench, true).unwrap();
        assert_eq!(status(), json!({ "TimeToLiveStatus": "ENABLED", "AttributeName": "until" }));
        assert_eq!(set(&bench, true).unwrap_err().message, "TimeToLive is already enabled");
        bench.put("a", "1", json!({ "until": { "N": "1700000060" } }));
        set(&bench, false).unwrap();
        bench.cloud.clock.advance(100_000);
        expire(&bench);
        assert!(!bench.get("a", "1").is_null());
        let left = bench.cloud.store.scan(service::Range::prefix("dynamodb/item/")).count();
        assert_eq!(left, 1, "the list of times is gone");
    }
}
