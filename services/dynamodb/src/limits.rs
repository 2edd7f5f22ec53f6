//! Throughput beside the units that are paid for: the most that an on-demand table takes, and what it is warmed up for.

use dynamodb_api as api;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Invalid};
use crate::table::Throughput;
use service::Timestamp;

/// What a new on-demand table can take at once, according to the documentation.
const WARM_READS: i64 = 12_000;
const WARM_WRITES: i64 = 4_000;
/// How often a day throughput can be decreased at any time; after that, once an hour.
const FREE_DECREASES: usize = 4;
const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// The most that an on-demand table or index takes; no limit where nothing is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnDemand {
    pub read: Option<i64>,
    pub write: Option<i64>,
}

impl OnDemand {
    /// These limits changed by a request, in which -1 takes a limit away.
    pub fn changed(
        current: Option<OnDemand>,
        wanted: Option<&api::OnDemandThroughput>,
        throughput: Throughput,
    ) -> Result<Option<OnDemand>, Invalid> {
        let Some(wanted) = wanted else { return Ok(current) };
        if !throughput.is_on_demand() {
            return Err(Invalid::values("OnDemandThroughput cannot be specified when BillingMode is PROVISIONED"));
        }
        let limit = |name: &str, current: Option<i64>, wanted: Option<i64>| match wanted {
            None => Ok(current),
            Some(-1) => Ok(None),
            Some(units) if units >= 1 => Ok(Some(units)),
            Some(units) => Err(Invalid::values(format!("{name} must be at least 1 or -1, but was {units}"))),
        };
        let current = current.unwrap_or_default();
        let changed = OnDemand {
            read: limit("MaxReadRequestUnits", current.read, wanted.max_read_request_units)?,
            write: limit("MaxWriteRequestUnits", current.write, wanted.max_write_request_units)?,
        };
        Ok((changed != OnDemand::default()).then_some(changed))
    }

    pub fn describe(self) -> api::OnDemandThroughput {
        api::OnDemandThroughput {
            max_read_request_units: Some(self.read.unwrap_or(-1)),
            max_write_request_units: Some(self.write.unwrap_or(-1)),
        }
    }
}

/// What a table or index can take at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warm {
    pub read: i64,
    pub write: i64,
}

impl Warm {
    /// What comes with the throughput alone.
    pub fn natural(throughput: Throughput) -> Warm {
        match throughput {
            Throughput::OnDemand => Warm { read: WARM_READS, write: WARM_WRITES },
            Throughput::Provisioned { read, write, .. } => Warm { read, write },
        }
    }

    /// What there is in effect: what was asked for, or what comes with the throughput where that is more.
    pub fn effective(asked: Option<Warm>, throughput: Throughput) -> Warm {
        let natural = Warm::natural(throughput);
        asked
            .map_or(natural, |asked| Warm { read: asked.read.max(natural.read), write: asked.write.max(natural.write) })
    }

    /// Warm throughput as a request changes it; it only ever grows. `of` is the table or index.
    pub fn changed(
        current: Option<Warm>,
        wanted: Option<&api::WarmThroughput>,
        throughput: Throughput,
        of: &str,
    ) -> Result<Option<Warm>, Invalid> {
        let Some(wanted) = wanted else { return Ok(current) };
        if wanted.read_units_per_second.is_none() && wanted.write_units_per_second.is_none() {
            return Err(Invalid::values(format!(
                "At least one of ReadUnitsPerSecond or WriteUnitsPerSecond must be specified in WarmThroughput for {of}"
            )));
        }
        let now = Warm::effective(current, throughput);
        let check = |name: &str, wanted: Option<i64>, now: i64| match wanted {
            Some(wanted) if wanted < now => Err(Invalid::values(format!(
                "Requested {name} for WarmThroughput for {of} is lower than current WarmThroughput, decreasing \
                 WarmThroughput is not supported"
            ))),
            wanted => Ok(wanted.unwrap_or(now)),
        };
        Ok(Some(Warm {
            read: check("ReadUnitsPerSecond", wanted.read_units_per_second, now.read)?,
            write: check("WriteUnitsPerSecond", wanted.write_units_per_second, now.write)?,
        }))
    }
}

/// The decreases of the current day (UTC) among all that are remembered.
pub fn decreases_today(decreases: &[i64], now: i64) -> usize {
    decreases.iter().filter(|at| at.div_euclid(DAY) == now.div_euclid(DAY)).count()
}

/// Notes another decrease of throughput, if it is not one too many.
pub fn decrease(decreases: &mut Vec<i64>, now: i64) -> Result<(), Error> {
    decreases.retain(|at| at.div_euclid(DAY) == now.div_euclid(DAY));
    if decreases.len() >= FREE_DECREASES
        && let Some(last) = decreases.last()
        && now - last < HOUR
    {
        let show =
            |millis: i64| Timestamp::from_millis(millis).datetime().strftime("%A, %B %-d, %Y at %-I:%M:%S %p UTC");
        return Err(Error::LimitExceeded(format!(
            "Subscriber limit exceeded: Provisioned throughput decreases are limited within a given UTC day. After the \
             first {FREE_DECREASES} decreases, each subsequent decrease in the same UTC day can be performed at most \
             once every 3600 seconds. Number of decreases today: {}. Last decrease at {}. Next decrease can be made at \
             {}",
            decreases.len(),
            show(*last),
            show(last + HOUR)
        )));
    }
    decreases.push(now);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decreases_are_rationed() {
        let mut decreases = Vec::new();
        let start = 20_000 * DAY;
        for n in 0..4 {
            decrease(&mut decreases, start + n).unwrap();
        }
        assert!(matches!(decrease(&mut decreases, start + 5), Err(Error::LimitExceeded(_))));
        decrease(&mut decreases, start + HOUR + 5).unwrap();
        assert!(decrease(&mut decreases, start + HOUR + 6).is_err());
        assert_eq!(decreases_today(&decreases, start + HOUR), 5);
        decrease(&mut decreases, start + DAY).unwrap();
        assert_eq!(decreases_today(&decreases, start + DAY), 1);
    }

    #[test]
    fn warmth_only_grows() {
        let wanted = |read| api::WarmThroughput { read_units_per_second: Some(read), write_units_per_second: None };
        let changed = |current, read| Warm::changed(current, Some(&wanted(read)), Throughput::OnDemand, "table");
        let warm = changed(None, 15_000).unwrap();
        assert_eq!(warm, Some(Warm { read: 15_000, write: 4_000 }));
        assert!(changed(warm, 14_000).unwrap_err().0.contains("lower than current WarmThroughput"));
        assert!(changed(None, 100).is_err());
    }

    #[test]
    fn limits_on_demand_come_and_go() {
        let wanted =
            |read| api::OnDemandThroughput { max_read_request_units: Some(read), max_write_request_units: None };
        let limits = OnDemand::changed(None, Some(&wanted(50)), Throughput::OnDemand).unwrap();
        assert_eq!(limits.unwrap().describe().max_write_request_units, Some(-1));
        assert_eq!(OnDemand::changed(limits, Some(&wanted(-1)), Throughput::OnDemand), Ok(None));
        assert!(OnDemand::changed(None, Some(&wanted(0)), Throughput::OnDemand).is_err());
        assert!(OnDemand::changed(None, Some(&wanted(5)), Throughput::provisioned(1, 1)).is_err());
    }
}
