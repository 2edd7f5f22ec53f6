//! API keys at work: which plan lets a key reach a stage, how fast, and how often. REST APIs manage keys and plans; methods
//! of theirs and routes of WebSocket APIs may demand a key.
//!
//! Requests are counted by plan, key and day in the store, so that a quota survives a restart; rates are kept in memory.

use apigateway_api::{ApiKey, ApiStage, QuotaPeriodType, QuotaSettings, UsagePlan};
use service::{Context, Key, Range, StoreError, Transaction};
use wire::{Structure, Timestamp};

use crate::record::{Reader, from_bytes};
use crate::throttle::Throttles;

/// The kinds of the account's records here.
pub const KEYS: &str = "apigateway/key";
pub const PLANS: &str = "apigateway/plan";
pub const PLAN_KEYS: &str = "apigateway/plan-key";

/// Why a key does not open.
#[derive(Debug)]
pub enum Refused {
    /// There is none, or no plan lets it reach the stage.
    Forbidden,
    Throttled,
    Exceeded,
    Failed(StoreError),
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

/// The place of an account's records of a kind. What belongs to no API has an empty one.
fn place(cx: &Context, kind: &str) -> Key {
    Key::new(kind).text(cx.account()).text(cx.region()).text("")
}

/// The place of the id of the API key that has a value.
pub fn key_value(cx: &Context, value: &str) -> Key {
    Key::new("apigateway/key-value").text(cx.account()).text(cx.region()).text(value)
}

/// The place of a stage of a WebSocket API, which plans may cover.
pub fn web_socket_stage(cx: &Context, api: &str, stage: &str) -> Key {
    Key::new("apigatewayv2/stage").text(cx.account()).text(cx.region()).text(api).text(stage)
}

fn found<T: Structure>(reader: &impl Reader, key: &Key) -> Result<Option<T>, StoreError> {
    reader.get(key.as_slice())?.map(|record| from_bytes(&record)).transpose()
}

/// The API key that has a value.
pub fn key_of(cx: &Context, reader: &impl Reader, value: &str) -> Result<Option<ApiKey>, StoreError> {
    let Some(id) = reader.get(key_value(cx, value).as_slice())? else { return Ok(None) };
    found(reader, &place(cx, KEYS).text(&String::from_utf8_lossy(&id)))
}

const SECONDS_A_DAY: i64 = 86_400;

/// Days since 1970-01-01.
pub fn day(time: Timestamp) -> i64 {
    time.secs().div_euclid(SECONDS_A_DAY)
}

/// The first day of the period that a day lies in. Weeks begin on Sunday, and `offset` days later.
fn first_day(period: &QuotaPeriodType, offset: i64, time: Timestamp) -> i64 {
    let today = day(time);
    match period {
        QuotaPeriodType::Month => {
            let this = today - i64::from(time.datetime().day()) + 1 + offset;
            if this <= today {
                return this;
            }
            let last_month = time.plus_secs(-SECONDS_A_DAY * i64::from(time.datetime().day()));
            day(last_month) - i64::from(last_month.datetime().day()) + 1 + offset
        }
        // 1970-01-01 was a Thursday.
        QuotaPeriodType::Week => today - (today + 4 - offset).rem_euclid(7),
        _ => today,
    }
}

/// How often a key was used in the period that runs.
pub fn used_in_period(
    cx: &Context,
    reader: &impl Reader,
    plan: &str,
    key: &str,
    quota: &QuotaSettings,
) -> Result<i64, StoreError> {
    let period = quota.period.clone().unwrap_or_default();
    let first = first_day(&period, quota.offset.unwrap_or(0).into(), cx.now());
    (first..=day(cx.now())).try_fold(0, |sum, day| Ok(sum + used(cx, reader, plan, key, day)?))
}

/// Sets how many requests are left to a key in the period that runs.
pub fn set_left(
    cx: &Context,
    tx: &mut Transaction<'_>,
    plan: &str,
    key: &str,
    quota: &QuotaSettings,
    left: i64,
) -> Result<(), StoreError> {
    let today = day(cx.now());
    let others = used_in_period(cx, tx, plan, key, quota)? - used(cx, tx, plan, key, today)?;
    let wanted = i64::from(quota.limit.unwrap_or_default()) - left - others;
    tx.put(counter(cx, plan, key, today), wanted.to_string());
    Ok(())
}

fn counter(cx: &Context, plan: &str, key: &str, day: i64) -> Key {
    let key = Key::new("apigateway/usage").text(cx.account()).text(cx.region()).text(plan).text(key);
    key.number(day.unsigned_abs())
}

/// How often a key was used under a plan on a day.
pub fn used(cx: &Context, reader: &impl Reader, plan: &str, key: &str, day: i64) -> Result<i64, StoreError> {
    let found = reader.get(counter(cx, plan, key, day).as_slice())?;
    Ok(found.and_then(|bytes| std::str::from_utf8(&bytes).ok()?.parse().ok()).unwrap_or(0))
}

/// The name of a plan's key record.
pub fn plan_key_id(plan: &str, key: &str) -> String {
    format!("{plan}/{key}")
}

/// Whether a plan covers a stage.
fn covers(plan: &UsagePlan, api: &str, stage: &str) -> bool {
    let same = |known: &ApiStage| known.api_id.as_deref() == Some(api) && known.stage.as_deref() == Some(stage);
    plan.api_stages.iter().flatten().any(same)
}

/// Finds the key of a value and the plan that lets it reach a stage.
fn find(
    cx: &Context,
    reader: &mut impl Reader,
    value: &str,
    api: &str,
    stage: &str,
) -> Result<Option<(ApiKey, UsagePlan)>, StoreError> {
    let key = key_of(cx, reader, value)?.filter(|key| key.enabled == Some(true));
    let Some(key) = key else { return Ok(None) };
    let key_id = key.id.clone().unwrap_or_default();
    for record in reader.all(Range::prefix(place(cx, PLANS)))? {
        let plan: UsagePlan = from_bytes(&record)?;
        let id = plan_key_id(plan.id.as_deref().unwrap_or_default(), &key_id);
        if covers(&plan, api, stage) && reader.get(place(cx, PLAN_KEYS).text(&id).as_slice())?.is_some() {
            return Ok(Some((key, plan)));
        }
    }
    Ok(None)
}

/// Lets a request with a key through, and counts it; otherwise says why not. `method` is `/path/GET`.
pub fn admit(
    cx: &Context,
    throttles: &Throttles,
    value: Option<&str>,
    api: &str,
    stage: &str,
    method: &str,
) -> Result<ApiKey, Refused> {
    let value = value.ok_or(Refused::Forbidden)?;
    let (key, plan) = find(cx, &mut cx.store().snapshot(), value, api, stage)?.ok_or(Refused::Forbidden)?;
    let (key_id, plan_id) = (key.id.as_deref().unwrap_or_default(), plan.id.as_deref().unwrap_or_default());
    let throttle = plan.throttle.clone().unwrap_or_default();
    let same = |known: &&ApiStage| known.api_id.as_deref() == Some(api) && known.stage.as_deref() == Some(stage);
    let by_method = plan.api_stages.iter().flatten().find(same).and_then(|stage| stage.throttle.as_ref()?.get(method));
    if let Some(own) = by_method
        && !throttles.admits(&format!("plan/{plan_id}/{key_id}/{method}"), own.rate_limit, own.burst_limit, cx.now())
    {
        return Err(Refused::Throttled);
    }
    if !throttles.admits(&format!("plan/{plan_id}/{key_id}"), throttle.rate_limit, throttle.burst_limit, cx.now()) {
        return Err(Refused::Throttled);
    }
    let counted = cx.store().write(|tx| count(cx, tx, plan_id, key_id, plan.quota.as_ref()))?;
    if counted { Ok(key) } else { Err(Refused::Exceeded) }
}

/// Counts a request, unless the quota is used up.
fn count(
    cx: &Context,
    tx: &mut Transaction<'_>,
    plan: &str,
    key: &str,
    quota: Option<&QuotaSettings>,
) -> Result<bool, StoreError> {
    let today = day(cx.now());
    if let Some(quota) = quota
        && used_in_period(cx, tx, plan, key, quota)? >= i64::from(quota.limit.unwrap_or(i32::MAX))
    {
        return Ok(false);
    }
    let so_far = used(cx, tx, plan, key, today)?;
    tx.put(counter(cx, plan, key, today), (so_far + 1).to_string());
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_begin_where_they_should() {
        // Sunday, 2001-09-09.
        let time = Timestamp::from_secs(1_000_000_000);
        let today = day(time);
        assert_eq!(first_day(&QuotaPeriodType::Day, 0, time), today);
        assert_eq!(first_day(&QuotaPeriodType::Week, 0, time), today);
        assert_eq!(first_day(&QuotaPeriodType::Week, 0, time.plus_secs(6 * SECONDS_A_DAY)), today);
        assert_eq!(first_day(&QuotaPeriodType::Month, 0, time), today - 8);
        // From the tenth on: the period began on August 10.
        assert_eq!(first_day(&QuotaPeriodType::Month, 9, time), today - 30);
        assert_eq!(first_day(&QuotaPeriodType::Week, 1, time), today - 6);
    }
}
