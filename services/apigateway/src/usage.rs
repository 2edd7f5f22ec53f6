//! API keys at work: which plan lets a key reach a stage, how fast, and how often.
//!
//! Requests are counted by plan, key and day in the store, so that a quota survives a restart; rates are kept in memory.

use crate::{
    error::Error,
    gateway_response::{Failure, INVALID_API_KEY, QUOTA_EXCEEDED, THROTTLED},
    store::{Place, Reader, key_of},
};
use ::store::Transaction;
use apigateway_api::{ApiKey, ApiStage, QuotaPeriodType, QuotaSettings, UsagePlan, UsagePlanKey};
use execute_api::throttle::Throttles;
use service::{Context, Key, StoreError};
use wire::Timestamp;

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
) -> Result<Option<(ApiKey, UsagePlan)>, Error> {
    let place = Place::of_account(cx);
    let key = key_of(cx, reader, value)?.filter(|key| key.enabled == Some(true));
    let Some(key) = key else { return Ok(None) };
    let key_id = key.id.clone().unwrap_or_default();
    for plan in place.all::<UsagePlan>(reader)? {
        let id = plan_key_id(plan.id.as_deref().unwrap_or_default(), &key_id);
        if covers(&plan, api, stage) && place.find::<UsagePlanKey>(reader, &id)?.is_some() {
            return Ok(Some((key, plan)));
        }
    }
    Ok(None)
}

/// Lets a request with a key through, and counts it; otherwise says what the caller gets. `method` is `/path/GET`.
pub fn admit(
    cx: &Context,
    throttles: &Throttles,
    value: Option<&str>,
    api: &str,
    stage: &str,
    method: &str,
) -> Result<ApiKey, Failure> {
    let forbidden = || Failure::new(INVALID_API_KEY, "Forbidden");
    let failed = |error: Error| Failure::configuration(format!("{error:?}"));
    let value = value.ok_or_else(forbidden)?;
    let found = find(cx, &mut cx.store().snapshot(), value, api, stage).map_err(failed)?;
    let (key, plan) = found.ok_or_else(forbidden)?;
    let (key_id, plan_id) = (key.id.as_deref().unwrap_or_default(), plan.id.as_deref().unwrap_or_default());
    let throttle = plan.throttle.clone().unwrap_or_default();
    let same = |known: &&ApiStage| known.api_id.as_deref() == Some(api) && known.stage.as_deref() == Some(stage);
    let by_method = plan.api_stages.iter().flatten().find(same).and_then(|stage| stage.throttle.as_ref()?.get(method));
    if let Some(own) = by_method
        && !throttles.admits(&format!("plan/{plan_id}/{key_id}/{method}"), own.rate_limit, own.burst_limit, cx.now())
    {
        return Err(Failure::new(THROTTLED, "Too Many Requests"));
    }
    if !throttles.admits(&format!("plan/{plan_id}/{key_id}"), throttle.rate_limit, throttle.burst_limit, cx.now()) {
        return Err(Failure::new(THROTTLED, "Too Many Requests"));
    }
    let counted = cx.store().write(|tx| count(cx, tx, plan_id, key_id, plan.quota.as_ref())).map_err(failed)?;
    if counted { Ok(key) } else { Err(Failure::new(QUOTA_EXCEEDED, "Limit Exceeded")) }
}

/// Counts a request, unless the quota is used up.
fn count(
    cx: &Context,
    tx: &mut Transaction<'_>,
    plan: &str,
    key: &str,
    quota: Option<&QuotaSettings>,
) -> Result<bool, Error> {
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
