//! Auto scaling of provisioned capacity: what is set, what was consumed, and what follows from both.
//!
//! It follows the target tracking of Application Auto Scaling
//! (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/AutoScaling.html>): two minutes above the target raise the
//! capacity, fifteen minutes well below it lower the capacity, always within bounds and after the cooldowns. Consumption is
//! counted in memory, by whole minutes of the cloud's clock, and only of tables that scale; a restart forgets it.

use std::collections::HashMap;
use std::sync::Arc;

use dynamodb_api as api;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use service::{Cloud, Context, Principal};
use store::Range;

use crate::DynamoDb;
use crate::capacity::{Consumed, Direction};
use crate::error::{Error, Invalid};
use crate::limits;
use crate::store::{SCALINGS, TABLES};
use crate::table::{IndexNumber, PRIMARY, Scope, Table, Throughput};

const MINUTE: i64 = 60_000;
/// Consumption above the target for so many minutes raises the capacity.
const HIGH_MINUTES: usize = 2;
/// Consumption below for so many minutes lowers it.
const LOW_MINUTES: usize = 15;
/// How far below the target, in percent of the capacity, is low.
const MARGIN: f64 = 20.0;
const PRINCIPAL: &str = "dynamodb.application-autoscaling.amazonaws.com";

/// How the capacity of a table or a global index is scaled, in one direction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scaling {
    /// The index; none for the table.
    pub index: Option<String>,
    pub direction: Direction,
    pub minimum: i64,
    pub maximum: i64,
    pub role: Option<String>,
    pub policy: Option<Policy>,
    /// When the capacity was last changed for it, in milliseconds.
    pub changed: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    pub name: Option<String>,
    /// Percent of the capacity.
    pub target: f64,
    /// Seconds.
    pub cooldown_in: Option<i32>,
    pub cooldown_out: Option<i32>,
    pub never_in: Option<bool>,
}

impl Scaling {
    /// The settings that an update leaves, or none where it ends the scaling.
    pub fn updated(
        before: Option<&Scaling>,
        index: Option<&str>,
        direction: Direction,
        update: &api::AutoScalingSettingsUpdate,
    ) -> Result<Option<Scaling>, Invalid> {
        if update.auto_scaling_disabled == Some(true) {
            return Ok(None);
        }
        let minimum = update.minimum_units.or(before.map(|before| before.minimum));
        let maximum = update.maximum_units.or(before.map(|before| before.maximum));
        let (Some(minimum), Some(maximum)) = (minimum, maximum) else {
            return Err(Invalid::values("MinimumUnits and MaximumUnits must be specified to enable auto scaling"));
        };
        if minimum > maximum {
            return Err(Invalid::values("MinimumUnits must be less than or equal to MaximumUnits"));
        }
        let policy = match &update.scaling_policy_update {
            None => before.and_then(|before| before.policy.clone()),
            Some(policy) => {
                let tracking = &policy.target_tracking_scaling_policy_configuration;
                if !(20.0..=90.0).contains(&tracking.target_value) {
                    return Err(Invalid::values("TargetValue must be between 20 and 90"));
                }
                Some(Policy {
                    name: policy.policy_name.clone(),
                    target: tracking.target_value,
                    cooldown_in: tracking.scale_in_cooldown,
                    cooldown_out: tracking.scale_out_cooldown,
                    never_in: tracking.disable_scale_in,
                })
            }
        };
        let role = update.auto_scaling_role_arn.clone().or(before.and_then(|before| before.role.clone()));
        let changed = before.and_then(|before| before.changed);
        Ok(Some(Scaling { index: index.map(str::to_owned), direction, minimum, maximum, role, policy, changed }))
    }

    fn is_of(&self, index: Option<&str>, direction: Direction) -> bool {
        self.index.as_deref() == index && self.direction == direction
    }

    /// The settings as the API shows them.
    pub fn describe(&self, table: &Table) -> api::AutoScalingSettingsDescription {
        let role = || {
            format!(
                "arn:aws:iam::{}:role/aws-service-role/{PRINCIPAL}/AWSServiceRoleForApplicationAutoScaling_DynamoDBTable",
                table.account
            )
        };
        let name = || {
            let index = self.index.as_ref().map(|index| format!("/index/{index}")).unwrap_or_default();
            format!("DynamoDB{}CapacityUtilization:table/{}{index}", self.direction.name(), table.name)
        };
        let policy = |policy: &Policy| api::AutoScalingPolicyDescription {
            policy_name: Some(policy.name.clone().unwrap_or_else(name)),
            target_tracking_scaling_policy_configuration: Some(
                api::AutoScalingTargetTrackingScalingPolicyConfigurationDescription {
                    disable_scale_in: policy.never_in,
                    scale_in_cooldown: policy.cooldown_in,
                    scale_out_cooldown: policy.cooldown_out,
                    target_value: policy.target,
                },
            ),
        };
        api::AutoScalingSettingsDescription {
            minimum_units: Some(self.minimum),
            maximum_units: Some(self.maximum),
            auto_scaling_disabled: Some(false),
            auto_scaling_role_arn: Some(self.role.clone().unwrap_or_else(role)),
            scaling_policies: Some(self.policy.iter().map(policy).collect()),
        }
    }

    /// The capacity that there should be, if it is another than there is. `consumed` are units a second in whole minutes,
    /// the last one first.
    fn decide(&self, capacity: i64, consumed: &[f64], now: i64) -> Option<i64> {
        let bounded = capacity.clamp(self.minimum, self.maximum);
        if bounded != capacity {
            return Some(bounded);
        }
        let policy = self.policy.as_ref()?;
        let rested = |seconds: Option<i32>| {
            self.changed.is_none_or(|changed| now - changed >= i64::from(seconds.unwrap_or(0)) * 1000)
        };
        let percent = |units: f64| units * 100.0 / capacity.max(1) as f64;
        let needed = |minutes: &[f64]| {
            let most = minutes.iter().copied().fold(0.0, f64::max);
            ((most * 100.0 / policy.target).ceil() as i64).clamp(self.minimum, self.maximum)
        };
        let high = consumed.get(..HIGH_MINUTES)?;
        if high.iter().all(|units| percent(*units) > policy.target) {
            return Some(needed(high)).filter(|wanted| *wanted > capacity && rested(policy.cooldown_out));
        }
        let low = consumed.get(..LOW_MINUTES)?;
        if policy.never_in != Some(true) && low.iter().all(|units| percent(*units) < policy.target - MARGIN) {
            return Some(needed(low)).filter(|wanted| *wanted < capacity && rested(policy.cooldown_in));
        }
        None
    }
}

impl Direction {
    fn name(self) -> &'static str {
        match self {
            Direction::Read => "Read",
            Direction::Write => "Write",
        }
    }
}

impl Table {
    pub fn scaling(&self, index: Option<&str>, direction: Direction) -> Option<&Scaling> {
        self.scaling.iter().find(|scaling| scaling.is_of(index, direction))
    }

    /// Changes how the table, or one of its global indexes, is scaled in one direction.
    pub fn rescale(
        &mut self,
        index: Option<&str>,
        direction: Direction,
        update: &api::AutoScalingSettingsUpdate,
    ) -> Result<(), Error> {
        if let Some(name) = index
            && !self.indexes.iter().any(|known| known.name == name && known.scope == Scope::Global)
        {
            return Err(Error::ResourceNotFound(format!("Requested resource not found: Index: {name} not found")));
        }
        if self.throughput.is_on_demand() {
            return Err(Invalid::values("Auto scaling is not supported when BillingMode is PAY_PER_REQUEST").into());
        }
        let updated = Scaling::updated(self.scaling(index, direction), index, direction, update)?;
        self.scaling.retain(|scaling| !scaling.is_of(index, direction));
        self.scaling.extend(updated);
        Ok(())
    }

    fn scaled_throughput(&mut self, index: Option<&str>) -> Option<&mut Throughput> {
        match index {
            None => Some(&mut self.throughput),
            Some(name) => self.indexes.iter_mut().find(|known| known.name == name).map(|known| &mut known.throughput),
        }
    }

    fn number_of(&self, index: Option<&str>) -> Option<IndexNumber> {
        index.map_or(Some(PRIMARY), |name| self.index(name).map(|index| index.number))
    }
}

/// Units that were consumed of one capacity, by minute.
type Minutes = HashMap<i64, f64>;

/// What is consumed of the tables that scale.
#[derive(Debug, Default)]
pub struct Meter {
    capacities: Mutex<HashMap<(u64, IndexNumber, Direction), Minutes>>,
}

impl Meter {
    /// Local indexes consume the capacity of their table.
    pub fn count(&self, table: &Table, direction: Direction, consumed: &Consumed, now: i64) {
        let mut capacities = self.capacities.lock();
        let minute = now.div_euclid(MINUTE);
        for (number, units) in consumed.by_index() {
            let global = table.indexes.iter().any(|index| index.number == number && index.scope == Scope::Global);
            let number = if global { number } else { PRIMARY };
            let minutes = capacities.entry((table.number, number, direction)).or_default();
            *minutes.entry(minute).or_default() += units.value();
            minutes.retain(|known, _| minute - known <= LOW_MINUTES as i64);
        }
    }

    /// Units a second in the whole minutes before `now`, the last one first, but not before `since`.
    fn consumed(&self, of: &[(u64, IndexNumber, Direction)], since: i64, now: i64) -> Vec<f64> {
        let capacities = self.capacities.lock();
        let last = now.div_euclid(MINUTE) - 1;
        let first = since.div_euclid(MINUTE) + 1;
        let count = (last - first + 1).clamp(0, LOW_MINUTES as i64);
        let in_minute = |minute: i64| {
            of.iter().filter_map(|of| capacities.get(of)?.get(&minute)).sum::<f64>() * 1000.0 / MINUTE as f64
        };
        (0..count).map(|back| in_minute(last - back)).collect()
    }

    pub fn clear(&self) {
        self.capacities.lock().clear();
    }
}

impl DynamoDb {
    /// Scales what is to be scaled from now on, once a minute.
    pub fn scale_in_background(&self, cloud: &Arc<Cloud>) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (db, cloud) = (self.clone(), Arc::downgrade(cloud));
        runtime.spawn(async move {
            let mut began = None;
            while let Some(clock) = cloud.upgrade().map(|cloud| cloud.clock.clone()) {
                let began = *began.get_or_insert(clock.now().millis());
                clock.wait_until(clock.now().plus_millis(MINUTE)).await;
                let Some(cloud) = cloud.upgrade() else { return };
                if let Err(error) = db.scale(&cloud, began) {
                    tracing::error!(?error, "capacity cannot be scaled");
                }
            }
        });
    }

    /// Scales every capacity that should be another by now. What was consumed before `since` is not known.
    pub fn scale(&self, cloud: &Arc<Cloud>, since: i64) -> Result<(), Error> {
        for mark in cloud.store.scan(Range::prefix(SCALINGS)) {
            let (mark, _) = mark?;
            let key = [TABLES.as_bytes(), &mark[SCALINGS.len()..]].concat();
            if let Some(table) = self.cached(&cloud.store, &key)? {
                let cx = cloud.context(Principal::service(PRINCIPAL), &table.account, &table.region);
                for scaling in &table.scaling {
                    self.scale_one(&cx, &table, scaling, since)?;
                }
            }
        }
        Ok(())
    }

    fn scale_one(&self, cx: &Context, table: &Table, scaling: &Scaling, since: i64) -> Result<(), Error> {
        let index = scaling.index.as_deref();
        let now = cx.now().millis();
        let (Some(number), Some(throughput)) =
            (table.number_of(index), table.clone().scaled_throughput(index).copied())
        else {
            return Ok(());
        };
        if throughput.is_on_demand() || table.check_idle(now).is_err() {
            return Ok(());
        }
        let mut of = vec![(table.number, number, scaling.direction)];
        // What is written anywhere is written everywhere, with the same capacity.
        let writes = scaling.direction == Direction::Write;
        for region in table.replicas.iter().filter(|_| writes) {
            let there = cx.clone().in_place(&table.account, region);
            if let Some(sibling) = self.find_table(&there, &table.name)? {
                of.extend(sibling.number_of(index).map(|number| (sibling.number, number, Direction::Write)));
            }
        }
        let (read, write) = throughput.units();
        let capacity = if scaling.direction == Direction::Read { read } else { write };
        let Some(wanted) = scaling.decide(capacity, &self.meter.consumed(&of, since, now), now) else { return Ok(()) };
        tracing::info!(table = table.name, index, capacity, wanted, "capacity is scaled");
        for region in std::iter::once(&table.region).chain(table.followers().iter().filter(|_| writes)) {
            let there = cx.clone().in_place(&table.account, region);
            let changed = self.change_table(&there, &table.name, |table| {
                change_capacity(table, index, scaling.direction, wanted, now)
            });
            match changed {
                // It will be lowered when that is allowed again.
                Ok(_) | Err(Error::LimitExceeded(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn change_capacity(
    table: &mut Table,
    index: Option<&str>,
    direction: Direction,
    wanted: i64,
    now: i64,
) -> Result<(), Error> {
    let mut decreases = table.decreases.clone();
    let Some(throughput) = table.scaled_throughput(index) else { return Ok(()) };
    let (read, write) = throughput.units();
    let (new_read, new_write) = if direction == Direction::Read { (wanted, write) } else { (read, wanted) };
    if index.is_none() && (new_read < read || new_write < write) {
        limits::decrease(&mut decreases, now)?;
    }
    *throughput = throughput.changed_to(Throughput::provisioned(new_read, new_write), now);
    table.decreases = decreases;
    for scaling in table.scaling.iter_mut().filter(|scaling| scaling.is_of(index, direction)) {
        scaling.changed = Some(now);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scaling() -> Scaling {
        let policy =
            Policy { name: None, target: 50.0, cooldown_in: Some(600), cooldown_out: Some(60), never_in: None };
        Scaling {
            index: None,
            direction: Direction::Write,
            minimum: 5,
            maximum: 100,
            role: None,
            policy: Some(policy),
            changed: None,
        }
    }

    #[test]
    fn two_high_minutes_raise_and_fifteen_low_ones_lower() {
        let scaling = scaling();
        assert_eq!(scaling.decide(10, &[8.0, 9.0], 0), Some(18));
        assert_eq!(scaling.decide(10, &[8.0, 4.0], 0), None, "one minute is not enough");
        assert_eq!(scaling.decide(10, &[8.0], 0), None);
        assert_eq!(scaling.decide(10, &[900.0, 900.0], 0), Some(100), "no more than the maximum");
        assert_eq!(scaling.decide(40, &[4.0; 15], 0), Some(8));
        assert_eq!(scaling.decide(40, &[4.0; 14], 0), None);
        assert_eq!(scaling.decide(40, &[0.0; 15], 0), Some(5), "no less than the minimum");
        assert_eq!(scaling.decide(10, &[4.0; 15], 0), None, "not far enough below");
        assert_eq!((scaling.decide(3, &[], 0), scaling.decide(200, &[], 0)), (Some(5), Some(100)));
        let only_out = Policy { never_in: Some(true), ..scaling.policy.clone().unwrap() };
        assert_eq!(Scaling { policy: Some(only_out), ..scaling.clone() }.decide(40, &[0.0; 15], 0), None);
        assert_eq!(Scaling { policy: None, ..scaling }.decide(40, &[0.0; 15], 0), None);
    }

    #[test]
    fn a_change_is_followed_by_rest() {
        let scaling = Scaling { changed: Some(0), ..scaling() };
        assert_eq!(scaling.decide(10, &[9.0, 9.0], 59_999), None);
        assert_eq!(scaling.decide(10, &[9.0, 9.0], 60_000), Some(18));
        assert_eq!(scaling.decide(40, &[0.0; 15], 599_999), None);
        assert_eq!(scaling.decide(40, &[0.0; 15], 600_000), Some(5));
    }
}
