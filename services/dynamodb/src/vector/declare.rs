//! Declarations of vector indexes, checked.

use dynamodb_api as api;

use super::{Distance, VectorIndex};
use crate::error::{Error, Invalid};
use crate::key::KeyAttribute;
use crate::schema::projected;
use crate::table::{IndexNumber, Projected, Table};

const MAX_INDEXES: usize = 5;
const MAX_DIMENSIONS: i64 = 4096;
const MAX_FILTERS: usize = 18;
/// The most attributes that an index may hold beside the keys: those it lists, its filters, and the vector.
const MAX_PROJECTED: usize = 20;
/// The most results that a search may ask for.
pub const MAX_TOP: i32 = 100;

/// The vector indexes of a new table; their numbers begin with `number`.
pub fn declared(
    wanted: &[api::VectorIndex],
    attributes: &[KeyAttribute],
    number: IndexNumber,
) -> Result<Vec<VectorIndex>, Invalid> {
    if wanted.is_empty() {
        return Err(Invalid::values("List of VectorIndexes is empty"));
    }
    wanted.iter().zip(number..).map(|(wanted, number)| new_index(wanted, attributes, number)).collect()
}

/// One vector index. What its search schema names must be among the definitions that came with the request.
pub fn new_index(
    wanted: &api::VectorIndex,
    attributes: &[KeyAttribute],
    number: IndexNumber,
) -> Result<VectorIndex, Invalid> {
    let name = &wanted.index_name;
    if !(1..=MAX_DIMENSIONS).contains(&wanted.dimensions) {
        return Err(Invalid::values(format!(
            "Dimensions of vector index {name} must be between 1 and {MAX_DIMENSIONS}"
        )));
    }
    let distance = match &wanted.distance_function {
        api::VectorDistanceFunction::Cosine => Distance::Cosine,
        api::VectorDistanceFunction::Euclidean => Distance::Euclidean,
        api::VectorDistanceFunction::DotProduct => Distance::DotProduct,
        other => return Err(Invalid::values(format!("Unknown DistanceFunction: {}", other.as_str()))),
    };
    let (mut hash, mut filters, mut schema) = (None, Vec::new(), Vec::new());
    for element in wanted.search_schema.iter().flatten() {
        let Some(attribute) = attributes.iter().find(|known| known.name == element.attribute_name) else {
            return Err(Invalid::values("One element in SearchSchema is not defined in attribute definitions"));
        };
        if schema.contains(&attribute.name) {
            return Err(Invalid::values(format!("Duplicate attribute in SearchSchema: {}", attribute.name)));
        }
        schema.push(attribute.name.clone());
        match element.search_schema_element_type {
            api::SearchSchemaElementType::Hash if hash.is_some() => {
                return Err(Invalid::values(format!("SearchSchema can only have one HASH element for index: {name}")));
            }
            api::SearchSchemaElementType::Hash => hash = Some(attribute.clone()),
            _ => filters.push(attribute.clone()),
        }
    }
    if filters.len() > MAX_FILTERS {
        return Err(Invalid::values(format!(
            "Number of INLINE_FILTER elements exceeds the per-index limit of {MAX_FILTERS} for index: {name}"
        )));
    }
    let index = VectorIndex {
        name: name.clone(),
        number,
        attribute: wanted.vector_attribute.attribute_name.clone(),
        dimensions: usize::try_from(wanted.dimensions).unwrap_or_default(),
        distance,
        hash,
        filters,
        schema,
        projection: projected(&wanted.projection)?,
        backfill: None,
    };
    let listed = match &index.projection {
        Projected::Include(names) => names.len(),
        _ => 0,
    };
    if listed + index.filters.len() + 1 > MAX_PROJECTED {
        return Err(Invalid::values(format!(
            "Number of projected attributes exceeds the per-index limit of {MAX_PROJECTED} for index: {name}"
        )));
    }
    Ok(index)
}

/// The rules between the vector indexes of a table, and between them and the rest of it.
pub fn check_all(table: &Table) -> Result<(), Invalid> {
    let vectors = &table.vectors;
    if vectors.len() > MAX_INDEXES {
        return Err(Invalid::values(format!("VectorIndex count exceeds the per-table limit of {MAX_INDEXES}")));
    }
    if !vectors.is_empty() && !table.throughput.is_on_demand() {
        return Err(Invalid::values("VectorIndexes are only supported on tables with BillingMode PAY_PER_REQUEST"));
    }
    for (at, index) in vectors.iter().enumerate() {
        let earlier = &vectors[..at];
        if table.index(&index.name).is_some() || earlier.iter().any(|earlier| earlier.name == index.name) {
            return Err(Invalid::values(format!("Duplicate index name: {}", index.name)));
        }
        let filed = table.attributes.iter().any(|attribute| attribute.name == index.attribute);
        if filed || table.keys.contains(&index.attribute) {
            return Err(Invalid::values(format!(
                "The vector attribute {} of index {} is an attribute of a key or of a SearchSchema",
                index.attribute, index.name
            )));
        }
        if earlier.iter().any(|other| other.attribute == index.attribute && other.dimensions != index.dimensions) {
            return Err(Invalid::values(format!(
                "All vector indexes that reference the same attribute must use the same number of dimensions. \
                 Attribute: {}",
                index.attribute
            )));
        }
    }
    Ok(())
}

/// The indexes that a restored table has: those of its source, or the ones of them that were asked for.
pub fn overridden(source: &Table, wanted: Option<&[api::VectorIndex]>) -> Result<Vec<VectorIndex>, Error> {
    if let Some(unknown) = wanted
        .unwrap_or_default()
        .iter()
        .find(|wanted| source.vector(&wanted.index_name).is_none_or(|known| known.declaration() != **wanted))
    {
        return Err(Invalid::values(format!(
            "Index override must be a subset of the indexes of the source table. Unknown index: {}",
            unknown.index_name
        ))
        .into());
    }
    let kept =
        |index: &&VectorIndex| wanted.is_none_or(|wanted| wanted.iter().any(|wanted| wanted.index_name == index.name));
    Ok(source
        .vectors
        .iter()
        .filter(kept)
        .map(|index| VectorIndex { backfill: Some(Vec::new()), ..index.clone() })
        .collect())
}

/// What an update asks to be created, in the form that CreateTable has for it.
pub fn schema_of(create: &api::CreateVectorIndexAction) -> api::VectorIndex {
    api::VectorIndex {
        index_name: create.index_name.clone(),
        vector_attribute: create.vector_attribute.clone(),
        search_schema: create.search_schema.clone(),
        projection: create.projection.clone(),
        dimensions: create.dimensions,
        distance_function: create.distance_function.clone(),
    }
}
