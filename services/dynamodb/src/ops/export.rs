//! ExportTableToPointInTime, DescribeExport, ListExports.

use dynamodb_api as api;
use service::{Context, Timestamp, operation};
use store::Range;

use crate::DynamoDb;
use crate::access;
use crate::backup::new_id;
use crate::cache::table_name;
use crate::error::{Error, Invalid};
use crate::export::{self, EXPORTS, Export, Kind, Status};
use crate::ops::restore::recovery_of;
use crate::selection::Selection;

const MAX_EXPORTS: usize = 25;
const MINUTE: i64 = 60_000;

operation! {
    DynamoDb, api::ExportTableToPointInTime,
    action: "dynamodb:ExportTableToPointInTime" on |cx, request| access::table_arn(cx, &request.table_arn),
    handler: export_table_to_point_in_time
}

async fn export_table_to_point_in_time(
    db: &DynamoDb,
    cx: &Context,
    request: api::ExportTableToPointInTimeInput,
) -> Result<api::ExportTableToPointInTimeOutput, Error> {
    let table = db.backed_table(cx, &request.table_arn)?;
    let recovery = recovery_of(&table)?;
    let now = cx.now().millis();
    let kind = kind(&request, now)?;
    let selection = request.filter_specification.as_ref();
    let selection = selection.map(|given| Selection::asked(given, &table.keys)).transpose()?;
    let earliest = recovery.earliest(now);
    let first = match kind {
        Kind::Full { at } => at,
        Kind::Incremental { from, .. } => from,
    };
    if first < earliest || kind.at() > now {
        return Err(Error::InvalidExportTime(format!(
            "Export time must be between {} and {}",
            Timestamp::from_millis(earliest).iso8601(),
            Timestamp::from_millis(now).iso8601()
        )));
    }
    let export = Export {
        id: new_id(cx),
        account: table.account.clone(),
        region: table.region.clone(),
        table: table.name.clone(),
        table_id: table.id.clone(),
        principal: cx.principal().clone(),
        token: request.client_token.unwrap_or_else(|| cx.random().uuid()),
        bucket: request.s3_bucket,
        bucket_owner: request.s3_bucket_owner,
        prefix: request.s3_prefix,
        encryption: request.s3_sse_algorithm.map(|kind| kind.as_str().to_owned()),
        encryption_key: request.s3_sse_kms_key_id,
        kind,
        ion: request.export_format == Some(api::ExportFormat::Ion),
        selection,
        status: Status::InProgress,
        started: now,
        ended: None,
        failure: None,
        items: 0,
        bytes: 0,
    };
    if let Some(earlier) = exports(cx, None)?.into_iter().find(|earlier| earlier.token == export.token) {
        return match earlier.is_same_request(&export) {
            true => Ok(api::ExportTableToPointInTimeOutput { export_description: Some(description(&earlier)) }),
            false => Err(Error::ExportConflict(
                "There was a conflict when writing to the specified S3 bucket: the client token was used for another \
                 export."
                    .to_owned(),
            )),
        };
    }
    cx.store().put(export.key(), service::to_record(&export)?)?;
    let description = description(&export);
    db.export_in_background(&cx.cloud, export);
    Ok(api::ExportTableToPointInTimeOutput { export_description: Some(description) })
}

fn kind(request: &api::ExportTableToPointInTimeInput, now: i64) -> Result<Kind, Error> {
    if request.export_type != Some(api::ExportType::IncrementalExport) {
        if request.incremental_export_specification.is_some() {
            return Err(Invalid::values(
                "IncrementalExportSpecification can only be specified when ExportType is INCREMENTAL_EXPORT",
            )
            .into());
        }
        return Ok(Kind::Full { at: request.export_time.map_or(now, Timestamp::millis) });
    }
    let specification = request.incremental_export_specification.as_ref();
    let Some(from) = specification.and_then(|specification| specification.export_from_time) else {
        return Err(Invalid::values("ExportFromTime must be specified when ExportType is INCREMENTAL_EXPORT").into());
    };
    let to = specification.and_then(|specification| specification.export_to_time).map_or(now, Timestamp::millis);
    let view = specification.and_then(|specification| specification.export_view_type.as_ref());
    let span = to - from.millis();
    if !(15 * MINUTE..=24 * 60 * MINUTE).contains(&span) {
        return Err(Error::InvalidExportTime(
            "The export period must be at least 15 minutes and at most 24 hours".to_owned(),
        ));
    }
    let with_old = view != Some(&api::ExportViewType::NewImage);
    Ok(Kind::Incremental { from: from.millis(), to, with_old })
}

operation! {
    DynamoDb, api::DescribeExport,
    action: "dynamodb:DescribeExport" on |_, request| request.export_arn.clone(),
    handler: describe_export
}

async fn describe_export(
    _: &DynamoDb,
    cx: &Context,
    request: api::DescribeExportInput,
) -> Result<api::DescribeExportOutput, Error> {
    let export = export::find(cx, &request.export_arn)?;
    Ok(api::DescribeExportOutput { export_description: Some(description(&export)) })
}

operation! {
    DynamoDb, api::ListExports,
    action: "dynamodb:ListExports" on |_, _| "*",
    handler: list_exports
}

async fn list_exports(
    _: &DynamoDb,
    cx: &Context,
    request: api::ListExportsInput,
) -> Result<api::ListExportsOutput, Error> {
    let limit = request.max_results.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(MAX_EXPORTS);
    let table = request.table_arn.as_deref().map(|table| table_name(cx, table).unwrap_or(table).to_owned());
    let mut exports = exports(cx, table.as_deref())?;
    if let Some(token) = &request.next_token {
        exports.retain(|export| export.arn() > *token);
    }
    let more = exports.len() > limit;
    exports.truncate(limit);
    Ok(api::ListExportsOutput {
        next_token: exports.last().filter(|_| more).map(Export::arn),
        export_summaries: Some(
            exports
                .iter()
                .map(|export| api::ExportSummary {
                    export_arn: Some(export.arn()),
                    export_status: Some(status(export.status)),
                    export_type: Some(export.kind.name().into()),
                })
                .collect(),
        ),
    })
}

/// The exports of the account in the region, or of one table.
fn exports(cx: &Context, table: Option<&str>) -> Result<Vec<Export>, Error> {
    let prefix = match table {
        Some(table) => export::key(cx.account(), cx.region(), table, ""),
        None => format!("{EXPORTS}{}/{}/", cx.account(), cx.region()).into_bytes(),
    };
    cx.store().scan(Range::prefix(prefix)).map(|entry| Ok(service::from_record(&entry?.1)?)).collect()
}

fn status(status: Status) -> api::ExportStatus {
    match status {
        Status::InProgress => api::ExportStatus::InProgress,
        Status::Completed => api::ExportStatus::Completed,
        Status::Failed => api::ExportStatus::Failed,
    }
}

fn description(export: &Export) -> api::ExportDescription {
    let done = export.status == Status::Completed;
    let (failure_code, failure_message) = export.failure.clone().unzip();
    api::ExportDescription {
        export_arn: Some(export.arn()),
        export_status: Some(status(export.status)),
        start_time: Some(Timestamp::from_millis(export.started)),
        end_time: export.ended.map(Timestamp::from_millis),
        export_manifest: done.then(|| export.manifest()),
        table_arn: Some(export.table_arn()),
        table_id: Some(export.table_id.clone()),
        export_time: match export.kind {
            Kind::Full { at } => Some(Timestamp::from_millis(at)),
            Kind::Incremental { .. } => None,
        },
        client_token: Some(export.token.clone()),
        s3_bucket: Some(export.bucket.clone()),
        s3_bucket_owner: export.bucket_owner.clone(),
        s3_prefix: export.prefix.clone(),
        s3_sse_algorithm: export.encryption.as_deref().map(Into::into),
        s3_sse_kms_key_id: export.encryption_key.clone(),
        failure_code,
        failure_message,
        export_format: Some(match export.ion {
            true => api::ExportFormat::Ion,
            false => api::ExportFormat::DynamodbJson,
        }),
        billed_size_bytes: done.then_some(export.bytes),
        item_count: done.then_some(export.items),
        export_type: Some(export.kind.name().into()),
        incremental_export_specification: match export.kind {
            Kind::Full { .. } => None,
            Kind::Incremental { from, to, with_old } => Some(api::IncrementalExportSpecification {
                export_from_time: Some(Timestamp::from_millis(from)),
                export_to_time: Some(Timestamp::from_millis(to)),
                export_view_type: Some(match with_old {
                    true => api::ExportViewType::NewAndOldImages,
                    false => api::ExportViewType::NewImage,
                }),
            }),
        },
        filter_specification: export.selection.as_ref().map(Selection::describe),
    }
}
