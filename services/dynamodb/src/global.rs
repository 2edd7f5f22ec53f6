//! What a table is as a part of a global table, beyond the list of its replicas: the version, consistency between regions,
//! and whether it may leave.
//!
//! Replicas never differ here (see [`crate::ops::replica`]), so strong consistency asks for nothing but AWS's rules: exactly
//! three regions of one set, a table that is empty, and neither transactions nor times to live nor local indexes. A witness
//! is a name: it serves nobody, on AWS too.

use dynamodb_api as api;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Invalid};
use crate::key::Scalar;
use crate::table::{Scope, Table};
use crate::value::{AttributeValue, Item};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Global {
    /// When the global table was made, in milliseconds, where it is of version 2017.11.29.
    pub legacy: Option<i64>,
    /// Reads are consistent between regions.
    #[serde(default)]
    pub strong: bool,
    /// The region that only keeps a log of the writes.
    pub witness: Option<String>,
    /// The replica may be disassociated.
    #[serde(default)]
    pub unprotected: bool,
}

/// The regions among which consistency can be strong.
const SETS: [&[&str]; 3] = [
    &["us-east-1", "us-east-2", "us-west-2"],
    &["eu-west-1", "eu-west-2", "eu-west-3", "eu-central-1"],
    &["ap-northeast-1", "ap-northeast-2", "ap-northeast-3"],
];

impl Global {
    pub fn consistency(&self) -> api::MultiRegionConsistency {
        match self.strong {
            true => api::MultiRegionConsistency::Strong,
            false => api::MultiRegionConsistency::Eventual,
        }
    }
}

impl Table {
    /// A replica of version 2019.11.21 whose consistency is eventual.
    pub fn may_be_disassociated(&self) -> bool {
        !self.replicas.is_empty() && self.global.legacy.is_none() && !self.global.strong
    }

    /// The replicas that have the settings of this one: those of version 2017.11.29 have their own.
    pub fn followers(&self) -> &[String] {
        match self.global.legacy {
            Some(_) => &[],
            None => &self.replicas,
        }
    }

    /// The item as a table of version 2017.11.29 keeps it, with the attributes by which the last writer wins.
    pub fn stamped(&self, item: &Item, now: i64) -> Option<Item> {
        self.global.legacy?;
        let seconds = format!("{}.{:03}001", now / 1000, now % 1000);
        let mut item = item.clone();
        item.insert("aws:rep:deleting".to_owned(), AttributeValue::Bool(false));
        item.insert("aws:rep:updateregion".to_owned(), AttributeValue::S(self.region.clone()));
        item.insert("aws:rep:updatetime".to_owned(), AttributeValue::N(seconds));
        Some(item)
    }

    /// Refuses what tables of strong consistency cannot do.
    pub fn refuse_if_strong(&self, what: &str) -> Result<(), Error> {
        match self.global.strong {
            true => Err(Error::Validation(format!(
                "{what} is not supported on global tables with multi-Region strong consistency. TableName: {}",
                self.name
            ))),
            false => Ok(()),
        }
    }
}

/// What an update of the group of replicas comes to in consistency.
pub struct Membership {
    /// The group becomes one of strong consistency, with a witness.
    pub strengthen: bool,
    pub witness: Option<String>,
    /// The group of strong consistency ends.
    pub dissolve: bool,
}

impl Membership {
    /// Checks the parts of an update that concern consistency against the table as it is.
    pub fn asked(table: &Table, items: i64, request: &api::UpdateTableInput) -> Result<Membership, Invalid> {
        let replicas = request.replica_updates.as_deref().unwrap_or_default();
        let created: Vec<&str> =
            replicas.iter().filter_map(|one| Some(one.create.as_ref()?.region_name.as_str())).collect();
        let deleted: Vec<&str> =
            replicas.iter().filter_map(|one| Some(one.delete.as_ref()?.region_name.as_str())).collect();
        let witnesses = request.global_table_witness_updates.as_deref().unwrap_or_default();
        let witness = witnesses.iter().find_map(|one| one.create.as_ref()).map(|one| one.region_name.clone());
        let dismissed = witnesses.iter().find_map(|one| one.delete.as_ref()).map(|one| one.region_name.clone());
        if witnesses.iter().any(|one| one.create.is_some() == one.delete.is_some()) {
            return Err(Invalid::values(
                "One of GlobalTableWitnessGroupUpdate.Create, GlobalTableWitnessGroupUpdate.Delete must not be null",
            ));
        }
        if request.multi_region_consistency.is_some() && created.is_empty() {
            return Err(Invalid::values(
                "MultiRegionConsistency can only be specified when creating a global table with ReplicaUpdates",
            ));
        }
        let strong = request.multi_region_consistency == Some(api::MultiRegionConsistency::Strong);
        let none = Membership { strengthen: false, witness: None, dissolve: false };
        if table.global.strong {
            if !created.is_empty() || witness.is_some() {
                return Err(Invalid::values(
                    "Replicas and witnesses cannot be added to a global table with multi-Region strong consistency",
                ));
            }
            if deleted.is_empty() && dismissed.is_none() {
                return Ok(none);
            }
            if dismissed != table.global.witness || table.replicas.iter().any(|one| !deleted.contains(&one.as_str())) {
                return Err(Invalid::values(
                    "A single replica or witness cannot be removed from a global table with multi-Region strong \
                     consistency: remove all others together",
                ));
            }
            return Ok(Membership { dissolve: true, ..none });
        }
        if !strong {
            return match witnesses {
                [] => Ok(none),
                _ => Err(Invalid::values("A witness requires MultiRegionConsistency STRONG")),
            };
        }
        if !table.replicas.is_empty() {
            return Err(Invalid::values("The consistency mode of an existing global table cannot be changed"));
        }
        if items > 0 {
            return Err(Invalid::values(
                "A table must be empty to become a global table with multi-Region strong consistency",
            ));
        }
        if table.ttl.is_some() || table.indexes.iter().any(|index| index.scope == Scope::Local) {
            return Err(Invalid::values(
                "Time to Live and local secondary indexes are not supported with multi-Region strong consistency",
            ));
        }
        let members: Vec<&str> = created.iter().copied().chain(witness.as_deref()).chain([&*table.region]).collect();
        let distinct = members.iter().enumerate().all(|(at, one)| !members[..at].contains(one));
        let together = SETS.iter().any(|set| members.iter().all(|one| set.contains(one)));
        if members.len() != 3 || !distinct || !together {
            return Err(Invalid::values(
                "A global table with multi-Region strong consistency needs exactly three Regions of one Region set, \
                 either three replicas or two replicas and a witness",
            ));
        }
        Ok(Membership { strengthen: true, witness, dissolve: false })
    }
}

/// Tables that are to be one global table of version 2017.11.29 must be alike.
pub fn alike(one: &Table, other: &Table) -> bool {
    type Shape<'a> = Vec<(&'a str, Scope, Vec<(&'a str, Scalar)>)>;
    fn keys(of: &crate::key::KeySchema) -> Vec<(&str, Scalar)> {
        of.attributes().map(|key| (key.name.as_str(), key.scalar)).collect()
    }
    fn indexes(table: &Table) -> Shape<'_> {
        let mut shapes: Shape<'_> =
            table.indexes.iter().map(|index| (index.name.as_str(), index.scope, keys(&index.keys))).collect();
        shapes.sort_by_key(|(name, _, _)| *name);
        shapes
    }
    keys(&one.keys) == keys(&other.keys) && indexes(one) == indexes(other)
}
