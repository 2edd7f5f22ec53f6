//! What a request consumed, table by table and index by index, and how a response reports it.

use std::collections::BTreeMap;

use dynamodb_api as api;
use serde::{Deserialize, Serialize};

use crate::size::Units;
use crate::table::{IndexNumber, PRIMARY, Scope, Table};
use crate::vector;

/// Whether units were spent on reading or on writing; only transactions report the difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Direction {
    Read,
    Write,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Consumed {
    units: BTreeMap<IndexNumber, Units>,
    /// Bytes written to vector indexes.
    vectors: BTreeMap<IndexNumber, usize>,
}

impl Consumed {
    pub fn on_table(units: Units) -> Consumed {
        let mut consumed = Consumed::default();
        consumed.add(PRIMARY, units);
        consumed
    }

    pub fn add(&mut self, index: IndexNumber, units: Units) {
        *self.units.entry(index).or_default() += units;
    }

    pub fn add_vector(&mut self, index: IndexNumber, bytes: usize) {
        *self.vectors.entry(index).or_default() += bytes;
    }

    pub fn by_index(&self) -> impl Iterator<Item = (IndexNumber, Units)> + '_ {
        self.units.iter().map(|(index, units)| (*index, *units))
    }

    pub fn vectors(&self) -> impl Iterator<Item = (IndexNumber, usize)> + '_ {
        self.vectors.iter().map(|(index, bytes)| (*index, *bytes))
    }

    pub fn merge(&mut self, other: &Consumed) {
        other.units.iter().for_each(|(index, units)| self.add(*index, *units));
        other.vectors.iter().for_each(|(index, bytes)| self.add_vector(*index, *bytes));
    }

    /// Transactions cost twice as much, but for what vector indexes take in.
    pub fn doubled(&self) -> Consumed {
        let units = self.units.iter().map(|(index, units)| (*index, units.doubled())).collect();
        Consumed { units, vectors: self.vectors.clone() }
    }

    /// The report to a request that named the table so: by its name, or by its ARN, which is then reported.
    pub fn report(
        &self,
        table: &Table,
        named: &str,
        wanted: Option<&api::ReturnConsumedCapacity>,
    ) -> Option<api::ConsumedCapacity> {
        let report = self.report_as(table, wanted, None)?;
        Some(api::ConsumedCapacity { table_name: Some(named.to_owned()), ..report })
    }

    pub fn report_as(
        &self,
        table: &Table,
        wanted: Option<&api::ReturnConsumedCapacity>,
        direction: Option<Direction>,
    ) -> Option<api::ConsumedCapacity> {
        let detailed = match wanted? {
            api::ReturnConsumedCapacity::Indexes => true,
            api::ReturnConsumedCapacity::Total => false,
            _ => return None,
        };
        let mut total = Units::default();
        self.units.values().for_each(|units| total += *units);
        let read = |units: Units| (direction == Some(Direction::Read)).then(|| units.value());
        let write = |units: Units| (direction == Some(Direction::Write)).then(|| units.value());
        let capacity = |units: Units| api::Capacity {
            capacity_units: Some(units.value()),
            read_capacity_units: read(units),
            write_capacity_units: write(units),
        };
        let indexes = |scope: Scope| {
            let spent: BTreeMap<String, api::Capacity> = table
                .indexes
                .iter()
                .filter(|index| index.scope == scope)
                .filter_map(|index| Some((index.name.clone(), capacity(*self.units.get(&index.number)?))))
                .collect();
            (detailed && !spent.is_empty()).then_some(spent)
        };
        Some(api::ConsumedCapacity {
            table_name: Some(table.name.clone()),
            capacity_units: Some(total.value()),
            read_capacity_units: read(total),
            write_capacity_units: write(total),
            table: detailed.then(|| capacity(self.units.get(&PRIMARY).copied().unwrap_or_default())),
            local_secondary_indexes: indexes(Scope::Local),
            global_secondary_indexes: indexes(Scope::Global),
            vector_indexes: if detailed { self.report_vectors(table) } else { None },
        })
    }
}

impl Consumed {
    /// The bytes written to each vector index. What a request falls short of the least is counted with the first.
    fn report_vectors(&self, table: &Table) -> Option<BTreeMap<String, api::VectorCapacity>> {
        let all: usize = self.vectors.values().sum();
        let mut short = vector::LEAST_BYTES.saturating_sub(all);
        let mut report = BTreeMap::new();
        for index in &table.vectors {
            let Some(bytes) = self.vectors.get(&index.number) else { continue };
            let bytes = bytes + std::mem::take(&mut short);
            let capacity = api::VectorCapacity { vector_write_request_bytes: Some(bytes as f64), ..Default::default() };
            report.insert(index.name.clone(), capacity);
        }
        (!report.is_empty()).then_some(report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_and_details() {
        let table = crate::table::tests::table();
        let mut consumed = Consumed::on_table(Units::write(10));
        consumed.add(1, Units::write(2000));
        let total = consumed.report(&table, "things", Some(&api::ReturnConsumedCapacity::Total)).unwrap();
        assert_eq!((total.capacity_units, total.table), (Some(3.0), None));
        let detailed = consumed.report(&table, "things", Some(&api::ReturnConsumedCapacity::Indexes)).unwrap();
        assert_eq!(detailed.table.unwrap().capacity_units, Some(1.0));
        assert_eq!(detailed.global_secondary_indexes.unwrap()["by-owner"].capacity_units, Some(2.0));
        assert_eq!(detailed.local_secondary_indexes, None);
        assert_eq!(consumed.report(&table, "things", Some(&api::ReturnConsumedCapacity::None)), None);
        assert_eq!(
            consumed
                .doubled()
                .report(&table, "things", Some(&api::ReturnConsumedCapacity::Total))
                .unwrap()
                .capacity_units,
            Some(6.0)
        );
    }
}
