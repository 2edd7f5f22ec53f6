//! Declarations of tables and indexes: what CreateTable and UpdateTable ask for, checked.

use dynamodb_api as api;

use crate::error::{Error, Invalid};
use crate::key::{KeyAttribute, KeySchema, Scalar};
use crate::limits::{OnDemand, Warm};
use crate::table::{Index, IndexNumber, Projected, Scope, Throughput};
use crate::vector::{self, VectorIndex};

const MAX_LOCAL: usize = 5;
const MAX_GLOBAL: usize = 20;
/// The most attributes that each half of a global index's key may have.
const MAX_KEY_ATTRIBUTES: usize = 4;
/// The most attributes that all INCLUDE projections of a table may list together.
const MAX_INCLUDED: usize = 100;

/// What a request says about the shape of a table.
#[derive(Debug)]
pub struct Declared {
    pub keys: KeySchema,
    pub attributes: Vec<KeyAttribute>,
    pub indexes: Vec<Index>,
    pub vectors: Vec<VectorIndex>,
    pub next_index: IndexNumber,
}

pub fn check_table_name(name: &str) -> Result<(), Invalid> {
    if !(3..=255).contains(&name.len()) {
        return Err(Invalid::new("TableName must be at least 3 characters long and at most 255 characters long"));
    }
    check_characters(name, "tableName")
}

fn check_characters(name: &str, member: &str) -> Result<(), Invalid> {
    if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')) {
        return Ok(());
    }
    Err(Invalid(format!(
        "1 validation error detected: Value '{name}' at '{member}' failed to satisfy constraint: Member must satisfy \
         regular expression pattern: [a-zA-Z0-9_.-]+"
    )))
}

pub fn attributes(definitions: &[api::AttributeDefinition]) -> Result<Vec<KeyAttribute>, Invalid> {
    let mut attributes: Vec<KeyAttribute> = Vec::with_capacity(definitions.len());
    for definition in definitions {
        if attributes.iter().any(|attribute| attribute.name == definition.attribute_name) {
            return Err(Invalid::new("Cannot have two attributes with the same name"));
        }
        let code = definition.attribute_type.as_str();
        let scalar = Scalar::from_code(code).ok_or_else(|| {
            Invalid(format!(
                "1 validation error detected: Value '{code}' at 'attributeDefinitions.{}.member.attributeType' failed \
                 to satisfy constraint: Member must satisfy enum value set: [B, N, S]",
                attributes.len() + 1
            ))
        })?;
        attributes.push(KeyAttribute { name: definition.attribute_name.clone(), scalar });
    }
    Ok(attributes)
}

pub fn throughput(
    mode: Option<&api::BillingMode>,
    given: Option<&api::ProvisionedThroughput>,
) -> Result<Throughput, Invalid> {
    match (mode, given) {
        (Some(api::BillingMode::PayPerRequest), None) => Ok(Throughput::OnDemand),
        (Some(api::BillingMode::PayPerRequest), Some(_)) => Err(Invalid::values(
            "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
        )),
        (_, Some(given)) => provisioned(given, ""),
        (_, None) => Err(Invalid::values(
            "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
        )),
    }
}

/// The most units that can be written down at all.
const MAX_UNITS: i64 = 1_000_000_000_000;

/// Units within their bounds; `of` ends the complaint about others.
pub fn provisioned(given: &api::ProvisionedThroughput, of: &str) -> Result<Throughput, Invalid> {
    let units = [("ReadCapacityUnits", given.read_capacity_units), ("WriteCapacityUnits", given.write_capacity_units)];
    match units.iter().find(|(_, units)| *units > MAX_UNITS) {
        Some((name, units)) => Err(Invalid(format!("Given value {units} for {name} is out of bounds{of}"))),
        None => Ok(Throughput::provisioned(given.read_capacity_units, given.write_capacity_units)),
    }
}

/// The table of a CreateTable request.
pub fn declared(request: &api::CreateTableInput, throughput: Throughput) -> Result<Declared, Error> {
    let missing = |member: &str| {
        Invalid(format!(
            "1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must not be \
             null"
        ))
    };
    let definitions = request.attribute_definitions.as_deref().ok_or_else(|| missing("attributeDefinitions"))?;
    let elements = request.key_schema.as_deref().ok_or_else(|| missing("keySchema"))?;
    let attributes = attributes(definitions)?;
    let keys = key_schema(elements, &attributes, None)?;

    let mut indexes = Vec::new();
    if let Some(local) = &request.local_secondary_indexes {
        if local.is_empty() {
            return Err(Invalid::values("List of LocalSecondaryIndexes is empty").into());
        }
        for index in local {
            indexes.push(Index {
                name: index.index_name.clone(),
                number: next_number(&indexes),
                scope: Scope::Local,
                keys: key_schema(&index.key_schema, &attributes, Some(&index.index_name))?,
                projection: projected(&index.projection)?,
                throughput: Throughput::OnDemand,
                on_demand: None,
                warm: None,
                backfill: None,
            });
        }
    }
    if let Some(global) = &request.global_secondary_indexes {
        if global.is_empty() {
            return Err(Invalid::values("List of GlobalSecondaryIndexes is empty").into());
        }
        for index in global {
            let of = format!("index {}", index.index_name);
            let units = index_throughput(&index.index_name, throughput, index.provisioned_throughput.as_ref())?;
            indexes.push(Index {
                name: index.index_name.clone(),
                number: next_number(&indexes),
                scope: Scope::Global,
                keys: global_key_schema(&index.key_schema, &attributes, &index.index_name)?,
                projection: projected(&index.projection)?,
                throughput: units,
                on_demand: OnDemand::changed(None, index.on_demand_throughput.as_ref(), units)?,
                warm: Warm::changed(None, index.warm_throughput.as_ref(), units, &of)?,
                backfill: None,
            });
        }
    }
    check_indexes(&keys, &indexes)?;
    let vectors = match &request.vector_indexes {
        Some(wanted) => vector::declared(wanted, &attributes, next_number(&indexes))?,
        None => Vec::new(),
    };
    check_attributes_used(&attributes, &keys, &indexes, &vectors)?;
    let next_index = vectors.last().map_or_else(|| next_number(&indexes), |last| last.number + 1);
    Ok(Declared { keys, attributes, indexes, vectors, next_index })
}

fn next_number(indexes: &[Index]) -> IndexNumber {
    indexes.last().map_or(1, |last| last.number + 1)
}

/// A global index that is to be added to a table.
pub fn new_global(
    create: &api::CreateGlobalSecondaryIndexAction,
    attributes: &[KeyAttribute],
    table: Throughput,
    number: IndexNumber,
) -> Result<Index, Error> {
    let of = format!("index {}", create.index_name);
    let units = index_throughput(&create.index_name, table, create.provisioned_throughput.as_ref())?;
    Ok(Index {
        name: create.index_name.clone(),
        number,
        scope: Scope::Global,
        keys: global_key_schema(&create.key_schema, attributes, &create.index_name)?,
        projection: projected(&create.projection)?,
        throughput: units,
        on_demand: OnDemand::changed(None, create.on_demand_throughput.as_ref(), units)?,
        warm: Warm::changed(None, create.warm_throughput.as_ref(), units, &of)?,
        backfill: Some(Vec::new()),
    })
}

fn index_throughput(
    index: &str,
    table: Throughput,
    given: Option<&api::ProvisionedThroughput>,
) -> Result<Throughput, Invalid> {
    match (table.is_on_demand(), given) {
        (true, None) => Ok(Throughput::OnDemand),
        (true, Some(_)) => Err(Invalid::values(format!(
            "ProvisionedThroughput should not be specified for index: {index} when BillingMode is PAY_PER_REQUEST"
        ))),
        (false, Some(given)) => provisioned(given, &format!(" for index {index}")),
        (false, None) => Err(Invalid::values(format!("ProvisionedThroughput must be specified for index: {index}"))),
    }
}

/// The keys of a global index: up to four attributes each for the partition and for sorting.
fn global_key_schema(
    elements: &[api::KeySchemaElement],
    attributes: &[KeyAttribute],
    index: &str,
) -> Result<KeySchema, Invalid> {
    if elements.len() <= 2 && elements.get(1).is_none_or(|second| second.key_type == api::KeyType::Range) {
        return key_schema(elements, attributes, Some(index));
    }
    let hashes = elements.iter().take_while(|element| element.key_type == api::KeyType::Hash).count();
    let ranges = elements.len() - hashes;
    if hashes == 0 {
        return Err(Invalid::new("Invalid KeySchema: The first KeySchemaElement is not a HASH key type"));
    }
    if elements[hashes..].iter().any(|element| element.key_type != api::KeyType::Range) {
        return Err(Invalid::new("Invalid KeySchema: HASH key elements must come before RANGE key elements"));
    }
    if hashes > MAX_KEY_ATTRIBUTES || ranges > MAX_KEY_ATTRIBUTES {
        return Err(Invalid(format!(
            "Invalid KeySchema: At most {MAX_KEY_ATTRIBUTES} HASH and {MAX_KEY_ATTRIBUTES} RANGE key elements are \
             supported for index: {index}"
        )));
    }
    let mut keys = Vec::with_capacity(elements.len());
    for element in elements {
        // Each on its own has the checks of an ordinary partition key.
        let alone = api::KeySchemaElement { key_type: api::KeyType::Hash, ..element.clone() };
        let key = key_schema(&[alone], attributes, Some(index))?.hash;
        if keys.contains(&key) {
            return Err(Invalid(format!("Invalid KeySchema: The attribute {} is repeated", key.name)));
        }
        keys.push(key);
    }
    let mut ranges = keys.split_off(hashes).into_iter();
    let mut hashes = keys.into_iter();
    let Some(first) = hashes.next() else { return Err(Invalid::new("Invalid KeySchema")) };
    let range = ranges.next();
    Ok(KeySchema { more_hash: hashes.collect(), more_range: ranges.collect(), ..KeySchema::new(first, range) })
}

fn key_schema(
    elements: &[api::KeySchemaElement],
    attributes: &[KeyAttribute],
    index: Option<&str>,
) -> Result<KeySchema, Invalid> {
    if elements.len() > 2 {
        let shown: Vec<_> = elements
            .iter()
            .map(|element| {
                format!(
                    "KeySchemaElement(attributeName={}, keyType={})",
                    element.attribute_name,
                    element.key_type.as_str()
                )
            })
            .collect();
        return Err(Invalid(format!(
            "1 validation error detected: Value '[{}]' at 'keySchema' failed to satisfy constraint: Member must have \
             length less than or equal to 2",
            shown.join(", ")
        )));
    }
    let (Some(hash), range) = (elements.first(), elements.get(1)) else {
        return Err(Invalid::new(
            "1 validation error detected: Value '[]' at 'keySchema' failed to satisfy constraint: Member must have \
             length greater than or equal to 1",
        ));
    };
    if hash.key_type != api::KeyType::Hash {
        return Err(Invalid::new("Invalid KeySchema: The first KeySchemaElement is not a HASH key type"));
    }
    if range.is_some_and(|range| range.key_type != api::KeyType::Range) {
        return Err(Invalid::new("Invalid KeySchema: The second KeySchemaElement is not a RANGE key type"));
    }
    if range.is_some_and(|range| range.attribute_name == hash.attribute_name) {
        return Err(Invalid::new("Both the Hash Key and the Range Key element in the KeySchema have the same name"));
    }
    let defined = |element: &api::KeySchemaElement| {
        attributes.iter().find(|attribute| attribute.name == element.attribute_name).cloned().ok_or_else(|| {
            if index.is_none() {
                return Invalid::new("Invalid KeySchema: Some index key attribute have no definition");
            }
            Invalid::values(format!(
                "Some index key attributes are not defined in AttributeDefinitions. Keys: [{}], \
                 AttributeDefinitions: [{}]",
                names(elements.iter().map(|element| element.attribute_name.as_str())),
                names(attributes.iter().map(|attribute| attribute.name.as_str()))
            ))
        })
    };
    Ok(KeySchema::new(defined(hash)?, range.map(defined).transpose()?))
}

fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

pub fn projected(projection: &api::Projection) -> Result<Projected, Invalid> {
    let given = projection.non_key_attributes.as_ref();
    let refuse_attributes = |kind: &str| match given {
        Some(_) => Err(Invalid::values(format!("ProjectionType is {kind}, but NonKeyAttributes is specified"))),
        None => Ok(()),
    };
    match &projection.projection_type {
        Some(api::ProjectionType::All) => refuse_attributes("ALL").map(|()| Projected::All),
        Some(api::ProjectionType::KeysOnly) => refuse_attributes("KEYS_ONLY").map(|()| Projected::KeysOnly),
        Some(api::ProjectionType::Include) => given
            .cloned()
            .map(Projected::Include)
            .ok_or_else(|| Invalid::values("ProjectionType is INCLUDE, but NonKeyAttributes is not specified")),
        other => Err(Invalid::values(format!(
            "Unknown ProjectionType: {}",
            other.as_ref().map_or("null", api::ProjectionType::as_str)
        ))),
    }
}

/// The rules between indexes and their table.
pub fn check_indexes(keys: &KeySchema, indexes: &[Index]) -> Result<(), Invalid> {
    for (at, index) in indexes.iter().enumerate() {
        if indexes[..at].iter().any(|earlier| earlier.name == index.name) {
            return Err(Invalid::values(format!("Duplicate index name: {}", index.name)));
        }
        if index.scope == Scope::Local {
            check_local(keys, index)?;
        }
    }
    let count = |scope| indexes.iter().filter(|index| index.scope == scope).count();
    if count(Scope::Local) > MAX_LOCAL {
        return Err(Invalid::values(format!("Number of LocalSecondaryIndexes exceeds per-table limit of {MAX_LOCAL}")));
    }
    if count(Scope::Global) > MAX_GLOBAL {
        return Err(Invalid::values(format!("GlobalSecondaryIndex count exceeds the per-table limit of {MAX_GLOBAL}")));
    }
    let included: usize = indexes
        .iter()
        .map(|index| match &index.projection {
            Projected::Include(names) => names.len(),
            _ => 0,
        })
        .sum();
    if included > MAX_INCLUDED {
        return Err(Invalid::values(format!(
            "Number of NonKeyAttributes in all secondary indexes exceeds limit of {MAX_INCLUDED}"
        )));
    }
    Ok(())
}

fn check_local(keys: &KeySchema, index: &Index) -> Result<(), Invalid> {
    if keys.range.is_none() {
        return Err(Invalid::values(
            "Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex",
        ));
    }
    if index.keys.hash != keys.hash {
        return Err(Invalid::values(format!(
            "Index KeySchema does not have the same leading hash key as table KeySchema for index: {}. index hash \
             key: {}, table hash key: {}",
            index.name, index.keys.hash.name, keys.hash.name
        )));
    }
    if index.keys.range.is_none() {
        return Err(Invalid::values(format!("Index KeySchema does not have a range key for index: {}", index.name)));
    }
    Ok(())
}

/// Only attributes of keys may be defined.
fn check_attributes_used(
    attributes: &[KeyAttribute],
    keys: &KeySchema,
    indexes: &[Index],
    vectors: &[VectorIndex],
) -> Result<(), Invalid> {
    let used = |name: &str| {
        keys.contains(name)
            || indexes.iter().any(|index| index.keys.contains(name))
            || vectors.iter().any(|index| index.searched().any(|attribute| attribute.name == name))
    };
    if attributes.iter().all(|attribute| used(&attribute.name)) {
        return Ok(());
    }
    if indexes.is_empty() && vectors.is_empty() {
        return Err(Invalid::values(
            "Number of attributes in KeySchema does not exactly match number of attributes defined in \
             AttributeDefinitions",
        ));
    }
    let defined = || attributes.iter().map(|attribute| attribute.name.as_str());
    Err(Invalid::values(format!(
        "Some AttributeDefinitions are not used. AttributeDefinitions: [{}], keys used: [{}]",
        names(defined()),
        names(defined().filter(|name| used(name)))
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(definitions: &[&str], keys: &[(&str, &str)]) -> api::CreateTableInput {
        api::CreateTableInput {
            table_name: "things".into(),
            attribute_definitions: Some(
                definitions
                    .iter()
                    .map(|name| api::AttributeDefinition {
                        attribute_name: name.to_string(),
                        attribute_type: "S".into(),
                    })
                    .collect(),
            ),
            key_schema: Some(elements(keys)),
            ..Default::default()
        }
    }

    fn elements(keys: &[(&str, &str)]) -> Vec<api::KeySchemaElement> {
        keys.iter()
            .map(|(name, kind)| api::KeySchemaElement { attribute_name: name.to_string(), key_type: (*kind).into() })
            .collect()
    }

    fn message(request: &api::CreateTableInput) -> String {
        match declared(request, Throughput::OnDemand) {
            Err(Error::Validation(message)) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn names_are_checked() {
        check_table_name("a.b-c_1").unwrap();
        assert!(check_table_name("ab").unwrap_err().0.starts_with("TableName must be at least 3 characters"));
        assert!(check_table_name("a b c").unwrap_err().0.contains("Value 'a b c' at 'tableName'"));
    }

    #[test]
    fn keys_are_checked() {
        let good = declared(&request(&["pk"], &[("pk", "HASH")]), Throughput::OnDemand).unwrap();
        assert_eq!(good.keys.hash.name, "pk");
        for (definitions, keys, expected) in [
            (
                &["pk"][..],
                &[("pk", "RANGE")][..],
                "Invalid KeySchema: The first KeySchemaElement is not a HASH key type",
            ),
            (
                &["pk"],
                &[("pk", "HASH"), ("sk", "RANGE")],
                "Invalid KeySchema: Some index key attribute have no definition",
            ),
            (
                &["pk", "x"],
                &[("pk", "HASH")],
                "One or more parameter values were invalid: Number of attributes in KeySchema does not exactly match \
                 number of attributes defined in AttributeDefinitions",
            ),
            (&["pk", "pk"], &[("pk", "HASH")], "Cannot have two attributes with the same name"),
            (
                &["pk"],
                &[("pk", "HASH"), ("pk", "RANGE")],
                "Both the Hash Key and the Range Key element in the KeySchema have the same name",
            ),
        ] {
            assert_eq!(message(&request(definitions, keys)), expected);
        }
    }

    #[test]
    fn indexes_are_checked() {
        let local = |keys: &[(&str, &str)]| api::LocalSecondaryIndex {
            index_name: "by-x".into(),
            key_schema: elements(keys),
            projection: api::Projection { projection_type: Some(api::ProjectionType::All), non_key_attributes: None },
        };
        let mut with_local = request(&["pk", "sk", "x"], &[("pk", "HASH"), ("sk", "RANGE")]);
        with_local.local_secondary_indexes = Some(vec![local(&[("pk", "HASH"), ("x", "RANGE")])]);
        assert_eq!(declared(&with_local, Throughput::OnDemand).unwrap().indexes[0].number, 1);
        with_local.local_secondary_indexes = Some(vec![local(&[("x", "HASH"), ("pk", "RANGE")])]);
        assert!(message(&with_local).contains("does not have the same leading hash key"));
        with_local.local_secondary_indexes = Some(vec![local(&[("pk", "HASH"), ("y", "RANGE")])]);
        assert!(message(&with_local).contains("Keys: [pk, y], AttributeDefinitions: [pk, sk, x]"));
        let mut unused = request(&["pk", "sk", "x", "y"], &[("pk", "HASH"), ("sk", "RANGE")]);
        unused.local_secondary_indexes = Some(vec![local(&[("pk", "HASH"), ("x", "RANGE")])]);
        assert!(message(&unused).ends_with("AttributeDefinitions: [pk, sk, x, y], keys used: [pk, sk, x]"));
        unused.local_secondary_indexes =
            Some(vec![local(&[("pk", "HASH"), ("x", "RANGE")]), local(&[("pk", "HASH"), ("y", "RANGE")])]);
        assert!(message(&unused).ends_with("Duplicate index name: by-x"));
    }

    #[test]
    fn billing_and_units_agree() {
        let units = api::ProvisionedThroughput { read_capacity_units: 1, write_capacity_units: 2 };
        let mode = api::BillingMode::PayPerRequest;
        assert_eq!(throughput(None, Some(&units)), Ok(Throughput::provisioned(1, 2)));
        assert_eq!(throughput(Some(&mode), None), Ok(Throughput::OnDemand));
        assert!(throughput(Some(&mode), Some(&units)).unwrap_err().0.contains("Neither ReadCapacityUnits nor"));
        assert!(
            throughput(None, None).unwrap_err().0.contains("must both be specified when BillingMode is PROVISIONED")
        );
    }
}
