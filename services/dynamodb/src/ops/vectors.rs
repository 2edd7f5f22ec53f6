//! SearchVectors.

use bytes::Bytes;
use dynamodb_api as api;
use service::{Context, operation};
use store::Snapshot;

use crate::DynamoDb;
use crate::access;
use crate::codec;
use crate::error::{Error, Invalid};
use crate::expression::{Placeholders, Projection};
use crate::parameters;
use crate::size;
use crate::table::{PRIMARY, Table, index_prefix};
use crate::value::{AttributeValue, Item};
use crate::vector::{self, Hit, LEAST_BYTES, MAX_TOP, Search, Sought, VectorIndex};

/// The most that the results of a search may weigh; there are no pages.
const MAX_RESPONSE: usize = 16 * 1024 * 1024;

operation! {
    DynamoDb, api::SearchVectors,
    action: "dynamodb:SearchVectors" on |cx, request| {
        access::source_arn(cx, &request.table_name, Some(&request.index_name))
    },
    handler: search_vectors
}

async fn search_vectors(
    db: &DynamoDb,
    cx: &Context,
    mut request: api::SearchVectorsInput,
) -> Result<api::SearchVectorsOutput, Error> {
    if !(1..=MAX_TOP).contains(&request.top_k) {
        return Err(Invalid(format!(
            "Provided TopK value '{}' is out of valid range. The value must be between 1 and {MAX_TOP} inclusive",
            request.top_k
        ))
        .into());
    }
    parameters::prepare(
        request.expression_attribute_names.as_ref(),
        request.expression_attribute_values.as_mut(),
        None,
    )?;
    let vector = numbers(&request.search_vector)?;
    let mut placeholders =
        Placeholders::new(request.expression_attribute_names.as_ref(), request.expression_attribute_values.as_ref());
    if request.search_condition_expression.is_none() && request.projection_expression.is_none() {
        placeholders.refuse_without_expressions("SearchConditionExpression is null")?;
    }
    let condition = request.search_condition_expression.as_deref();
    let terms = condition.map(|text| Sought::parse(text, &mut placeholders)).transpose()?.unwrap_or_default();
    let projection = request.projection_expression.as_deref();
    let projection = projection.map(|text| Projection::parse(text, &mut placeholders)).transpose()?;
    placeholders.finish()?;

    let table = db.table(cx, &request.table_name)?;
    let index = searchable(&table, &request.index_name, cx.now().millis())?;
    if vector.len() != index.dimensions {
        return Err(Invalid(format!(
            "Input search vector dimension {} does not match vector index dimension {}",
            vector.len(),
            index.dimensions
        ))
        .into());
    }
    let (hash, filters) = vector::sought(index, &terms)?;
    let top = usize::try_from(request.top_k).unwrap_or_default();
    let snapshot = cx.store().snapshot();
    let (hits, examined) = Search { table: &table, index, vector, hash, filters, top }.run(&snapshot)?;
    let mut results = Vec::with_capacity(hits.len());
    let mut returned = 0;
    for hit in hits {
        let Some(item) = item_of(&snapshot, &table, index, &hit, projection.as_ref())? else { continue };
        returned += size::item(&item);
        if returned > MAX_RESPONSE {
            return Err(Invalid::new("The results of the search exceed the maximum response size of 16 MB").into());
        }
        results.push(api::SearchResultItem { item: Some(item), score: Some(hit.score) });
    }
    let wanted = request.return_consumed_capacity.as_ref();
    let reports = wanted.is_some_and(|wanted| *wanted != api::ReturnConsumedCapacity::None);
    Ok(api::SearchVectorsOutput {
        consumed_capacity: reports.then(|| api::VectorCapacity {
            vector_search_request_bytes: Some((examined + returned).max(LEAST_BYTES) as f64),
            ..Default::default()
        }),
        search_results: Some(results),
    })
}

/// The vector that is sought: a plain list of numbers.
fn numbers(vector: &[AttributeValue]) -> Result<Vec<f32>, Invalid> {
    let single = |value: &AttributeValue| match value {
        AttributeValue::N(text) => vector::single(text),
        _ => None,
    };
    vector.iter().map(single).collect::<Option<_>>().ok_or_else(|| {
        Invalid::new(
            "Search vector contains invalid values. All values in the search vector must be a 32-bit floating-point \
             number attribute",
        )
    })
}

fn searchable<'t>(table: &'t Table, name: &str, now: i64) -> Result<&'t VectorIndex, Invalid> {
    let missing = || Invalid(format!("The table does not have the specified index: {name}"));
    let Some(index) = table.vector(name) else {
        return Err(match table.index(name) {
            Some(_) => Invalid::new("SearchVectors operation not supported on this index type."),
            None => missing(),
        });
    };
    match table.filling(index.number, index.backfill.as_ref(), now) {
        None => Ok(index),
        // Searches know of an index only once it is filled.
        Some(false) => Err(missing()),
        Some(true) => Err(Invalid(format!("Cannot search backfilling vector index: {name}"))),
    }
}

/// What a result shows of its item: what was asked for of what the index projects; its vector only where that was named.
fn item_of(
    snapshot: &Snapshot,
    table: &Table,
    index: &VectorIndex,
    hit: &Hit,
    projection: Option<&Projection<'_>>,
) -> Result<Option<Item>, Error> {
    let key = [index_prefix(table.number, PRIMARY).as_slice(), &hit.place].concat();
    let Some(record) = snapshot.get(&key)? else { return Ok(None) };
    let mut item = projected(table, index, &record)?;
    Ok(Some(match projection {
        None => item,
        Some(projection) => {
            if projection.paths.iter().any(|path| path.root == index.attribute) {
                item.insert(index.attribute.clone(), index.unpacked(&hit.entry));
            }
            projection.apply(&item)
        }
    }))
}

fn projected(table: &Table, index: &VectorIndex, record: &Bytes) -> Result<Item, Error> {
    let mut item = codec::decode(record)?.0;
    item.retain(|name, _| *name != index.attribute && table.vector_projects(index, name));
    Ok(item)
}

#[cfg(test)]
mod tests;
