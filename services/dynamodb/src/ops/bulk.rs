//! StartBulkPutItems, DescribeBulkOperation, ListBulkOperations, CancelBulkOperation.

use std::sync::Arc;

use dynamodb_api as api;
use service::{Context, Timestamp, operation};

use crate::DynamoDb;
use crate::access;
use crate::backup::new_id;
use crate::bulk::{self, Asked, Bulk, Status};
use crate::error::{Error, Invalid};
use crate::pace::Work;
use crate::table::Table;

/// How many operations a page lists unless it is asked for others.
const PAGE: usize = 10;
/// For how long a client token means the same operation.
const TOKEN_MILLIS: i64 = 8 * 3600 * 1000;
/// How many operations a table may have at a time.
const MAX_ACTIVE: usize = 1;

operation! {
    DynamoDb, api::StartBulkPutItems,
    action: "dynamodb:StartBulkPutItems" on |cx, request| access::table_arn(cx, &request.table_name),
    handler: start_bulk_put_items
}

async fn start_bulk_put_items(
    db: &DynamoDb,
    cx: &Context,
    request: api::StartBulkPutItemsInput,
) -> Result<api::StartBulkPutItemsOutput, Error> {
    let asked = asked(&request)?;
    let table = db.named_table(cx, &request.table_name)?;
    let now = cx.now().millis();
    let known = bulk::all(cx.store(), &table.account, &table.region)?;
    let token = request.client_token.unwrap_or_else(|| cx.random().uuid());
    if let Some(earlier) = known.iter().find(|bulk| bulk.token == token && bulk.started + TOKEN_MILLIS > now) {
        return match earlier.asked == asked && earlier.table == table.name {
            true => Ok(api::StartBulkPutItemsOutput { bulk_operation_description: description(db, cx, earlier)? }),
            false => Err(Error::IdempotentParameterMismatch(
                "The request was rejected because the client token was used with other parameters before".to_owned(),
            )),
        };
    }
    check_table(&table, now)?;
    if known.iter().filter(|bulk| bulk.table_id == table.id && !bulk.status.is_over()).count() >= MAX_ACTIVE {
        return Err(Error::LimitExceeded(format!(
            "Subscriber limit exceeded: Only {MAX_ACTIVE} bulk operation can be in progress simultaneously per table"
        )));
    }
    let bulk = Bulk {
        id: new_id(cx),
        principal: cx.principal().clone(),
        token,
        account: table.account.clone(),
        region: table.region.clone(),
        table: table.name.clone(),
        table_id: table.id.clone(),
        asked,
        status: Status::InProgress,
        started: now,
        ended: None,
        failure: None,
        total: None,
        bytes: 0,
        after: None,
        position: 0,
        processed: 0,
        failed: 0,
        lines: [0; 2],
        usage: Default::default(),
    };
    cx.store().write(|transaction| {
        known.iter().filter(|old| !old.is_listed(now)).for_each(|old| transaction.delete(old.key()));
        transaction.put(bulk.key(), service::to_record(&bulk)?);
        db.bulks.schedule(transaction, &String::from_utf8_lossy(&bulk.key()), cx.now(), Vec::new())?;
        Ok::<_, Error>(())
    })?;
    Ok(api::StartBulkPutItemsOutput { bulk_operation_description: description(db, cx, &bulk)? })
}

fn asked(request: &api::StartBulkPutItemsInput) -> Result<Asked, Invalid> {
    let (input, output) = (&request.input_s3_configuration, &request.output_s3_configuration);
    let Some(output_bucket) = output.s3_bucket.clone() else {
        return Err(Invalid::new(
            "1 validation error detected: Value null at 'outputS3Configuration.s3Bucket' failed to satisfy constraint: \
             Member must not be null",
        ));
    };
    if output.output_type.is_empty() {
        return Err(Invalid::values("OutputType must contain at least one value"));
    }
    let encryption = output.s3_sse_algorithm.as_ref().map(|kind| kind.as_str().to_owned());
    match (encryption.as_deref(), &output.s3_sse_kms_key_id) {
        (Some("KMS"), None) => {
            return Err(Invalid::values("S3SseKmsKeyId must be specified when S3SseAlgorithm is KMS"));
        }
        (None | Some("AES256"), Some(_)) => {
            return Err(Invalid::values("S3SseKmsKeyId can only be specified when S3SseAlgorithm is KMS"));
        }
        _ => {}
    }
    Ok(Asked {
        input_bucket: input.s3_bucket.clone(),
        input_owner: input.s3_bucket_owner.clone(),
        input_prefix: input.s3_key_prefix.clone(),
        ion: input.input_format == api::BulkOperationInputFormat::Ion,
        compression: input.input_compression_type.as_ref().map(|kind| kind.as_str().to_owned()),
        output_bucket,
        output_owner: output.s3_bucket_owner.clone(),
        output_prefix: output.s3_key_prefix.clone(),
        encryption,
        encryption_key: output.s3_sse_kms_key_id.clone(),
        reports: output.output_type.iter().map(|kind| kind.as_str().to_owned()).collect(),
        most_units: request.max_write_request_units,
        tier: request.performance_tier.as_ref().map(|tier| tier.as_str().to_owned()),
    })
}

/// Tables that are not ready, and those of other regions too, take no bulk operations.
fn check_table(table: &Table, now: i64) -> Result<(), Error> {
    if !table.replicas.is_empty() {
        return Err(Error::Validation("Bulk operations are not supported on tables of global tables".to_owned()));
    }
    if table.is_indexing() {
        return Err(Error::ResourceInUse(format!(
            "Attempt to change a resource which is still in use: Table is being updated: {}",
            table.name
        )));
    }
    match table.work(now) {
        Some(Work::Updating) => Ok(()),
        _ => table.check_idle(now),
    }
}

operation! {
    DynamoDb, api::DescribeBulkOperation,
    action: "dynamodb:DescribeBulkOperation" on |_, request| request.bulk_operation_arn.clone(),
    handler: describe_bulk_operation
}

async fn describe_bulk_operation(
    db: &DynamoDb,
    cx: &Context,
    request: api::DescribeBulkOperationInput,
) -> Result<api::DescribeBulkOperationOutput, Error> {
    let bulk = bulk::find(cx, &request.bulk_operation_arn)?;
    Ok(api::DescribeBulkOperationOutput { bulk_operation_description: description(db, cx, &bulk)? })
}

operation! {
    DynamoDb, api::ListBulkOperations,
    action: "dynamodb:ListBulkOperations" on |_, _| "*",
    handler: list_bulk_operations
}

async fn list_bulk_operations(
    _: &DynamoDb,
    cx: &Context,
    request: api::ListBulkOperationsInput,
) -> Result<api::ListBulkOperationsOutput, Error> {
    let limit = request.max_results.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(PAGE);
    let mut bulks = bulk::all(cx.store(), cx.account(), cx.region())?;
    bulks.retain(|bulk| bulk.is_listed(cx.now().millis()));
    if let Some(token) = &request.next_token {
        let last = bulks.iter().position(|bulk| page_token(bulk) == *token);
        bulks.drain(..=last.ok_or_else(|| Invalid::new("Invalid NextToken"))?);
    }
    let more = bulks.len() > limit;
    bulks.truncate(limit);
    Ok(api::ListBulkOperationsOutput {
        next_token: bulks.last().filter(|_| more).map(page_token),
        bulk_operations_summary_list: Some(bulks.iter().map(summary).collect()),
    })
}

/// Where a page ended, in the form that the API demands of its tokens: hexadecimal digits, 16 at a time.
fn page_token(bulk: &Bulk) -> String {
    let mut token = service::encode_token(bulk.id.as_bytes());
    let padded = token.len().next_multiple_of(16);
    token.extend(std::iter::repeat_n('0', padded - token.len()));
    token
}

operation! {
    DynamoDb, api::CancelBulkOperation,
    action: "dynamodb:CancelBulkOperation" on |_, request| request.bulk_operation_arn.clone(),
    handler: cancel_bulk_operation
}

async fn cancel_bulk_operation(
    db: &DynamoDb,
    cx: &Context,
    request: api::CancelBulkOperationInput,
) -> Result<api::CancelBulkOperationOutput, Error> {
    let key = bulk::find(cx, &request.bulk_operation_arn)?.key();
    cx.store().write(|transaction| {
        // What happened since it was found counts.
        let record = transaction.get(&key)?.ok_or_else(|| Error::internal("a bulk operation is gone"))?;
        let mut bulk: Bulk = service::from_record(&record)?;
        if bulk.status.is_over() {
            let status = api::BulkOperationStatus::from(bulk.status);
            return Err(Error::Validation(format!(
                "The bulk operation cannot be cancelled because its status is {}",
                status.as_str()
            )));
        }
        bulk.status = Status::Cancelling;
        transaction.put(key.clone(), service::to_record(&bulk)?);
        // An operation that waits need not wait any longer.
        db.bulks.reschedule(transaction, &String::from_utf8_lossy(&key), cx.now())?;
        Ok(())
    })?;
    Ok(api::CancelBulkOperationOutput {
        bulk_operation_arn: request.bulk_operation_arn,
        bulk_operation_status: api::BulkOperationStatus::Cancelling,
    })
}

fn summary(bulk: &Bulk) -> api::BulkOperationSummary {
    api::BulkOperationSummary {
        bulk_operation_arn: bulk.arn(),
        bulk_operation_status: bulk.status.into(),
        start_time: Timestamp::from_millis(bulk.started),
        end_time: bulk.ended.map(Timestamp::from_millis),
    }
}

fn description(db: &DynamoDb, cx: &Context, bulk: &Bulk) -> Result<api::BulkOperationDescription, Error> {
    let asked = &bulk.asked;
    let table: Option<Arc<Table>> = db.find_table(cx, &bulk.table_arn())?.filter(|table| table.id == bulk.table_id);
    let (failure_code, failure_message) = bulk.failure.clone().unzip();
    Ok(api::BulkOperationDescription {
        bulk_operation_arn: Some(bulk.arn()),
        bulk_operation_status: Some(bulk.status.into()),
        table_details: Some(vec![api::BulkOperationTableDetail {
            table_name: Some(bulk.table.clone()),
            table_id: Some(bulk.table_id.clone()),
        }]),
        client_token: Some(bulk.token.clone()),
        input_s3_configuration: Some(api::InputS3Configuration {
            s3_bucket_owner: asked.input_owner.clone(),
            s3_bucket: asked.input_bucket.clone(),
            s3_key_prefix: asked.input_prefix.clone(),
            input_format: match asked.ion {
                true => api::BulkOperationInputFormat::Ion,
                false => api::BulkOperationInputFormat::DynamodbJson,
            },
            input_compression_type: Some(asked.compression.as_deref().unwrap_or("NONE").into()),
        }),
        output_s3_configuration: Some(api::OutputS3Configuration {
            s3_bucket_owner: asked.output_owner.clone(),
            s3_bucket: Some(asked.output_bucket.clone()),
            s3_key_prefix: asked.output_prefix.clone(),
            s3_sse_algorithm: asked.encryption.as_deref().map(Into::into),
            s3_sse_kms_key_id: asked.encryption_key.clone(),
            output_type: asked.reports.iter().map(|kind| kind.as_str().into()).collect(),
        }),
        start_time: Some(Timestamp::from_millis(bulk.started)),
        end_time: bulk.ended.map(Timestamp::from_millis),
        processed_item_count: Some(bulk.processed),
        processed_input_bytes: Some(bulk.bytes),
        total_input_bytes: bulk.total,
        bulk_operation_usage: Some(vec![bulk.usage.describe(&bulk.table, table.as_deref())]),
        failed_item_count: Some(bulk.failed),
        failure_code,
        failure_message,
        max_write_request_units: asked.most_units,
        performance_tier: Some(asked.tier.as_deref().unwrap_or("STANDARD").into()),
    })
}

#[cfg(test)]
mod tests;
