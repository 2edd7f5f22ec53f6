//! ImportTable, DescribeImport, ListImports.

use dynamodb_api as api;
use service::{Context, Timestamp, operation};
use store::Range;

use crate::DynamoDb;
use crate::access;
use crate::backup::new_id;
use crate::cache::table_name;
use crate::change;
use crate::describe;
use crate::error::{Error, Invalid};
use crate::export::Status;
use crate::import::{self, Format, IMPORTS, Import};
use crate::ops::table::new_table;
use crate::pace::Work;
use crate::store::Sizes;
use crate::table::{Index, Table, Throughput};
use crate::vector::VectorIndex;

const MAX_IMPORTS: usize = 25;

operation! {
    DynamoDb, api::ImportTable,
    action: "dynamodb:ImportTable" on |cx, request| {
        access::table_arn(cx, &request.table_creation_parameters.table_name)
    },
    handler: import_table
}

async fn import_table(
    db: &DynamoDb,
    cx: &Context,
    request: api::ImportTableInput,
) -> Result<api::ImportTableOutput, Error> {
    let options = request.input_format_options.and_then(|options| options.csv);
    let format = match (&request.input_format, options) {
        (api::InputFormat::Csv, options) => {
            let options = options.unwrap_or_default();
            let delimiter = options.delimiter.as_deref().and_then(|text| text.chars().next());
            Format::Csv {
                delimiter: delimiter.unwrap_or(','),
                delimiter_given: delimiter.is_some(),
                header: options.header_list,
            }
        }
        (api::InputFormat::Ion, None) => Format::Ion,
        (_, None) => Format::Json,
        (_, Some(_)) => {
            return Err(Invalid::values("InputFormatOptions for CSV are specified, but InputFormat is not CSV").into());
        }
    };
    let token = request.client_token.unwrap_or_else(|| cx.random().uuid());
    let wanted = request.table_creation_parameters;
    if let Some(earlier) = imports(cx, None)?.into_iter().find(|earlier| earlier.token == token) {
        let same = earlier.table.name == wanted.table_name && earlier.bucket == request.s3_bucket_source.s3_bucket;
        return match same {
            true => Ok(api::ImportTableOutput { import_table_description: description(&earlier) }),
            false => Err(Error::ImportConflict("The client token was used for another import.".to_owned())),
        };
    }
    let mut table = new_table(
        cx,
        api::CreateTableInput {
            table_name: wanted.table_name,
            attribute_definitions: Some(wanted.attribute_definitions),
            key_schema: Some(wanted.key_schema),
            billing_mode: wanted.billing_mode,
            provisioned_throughput: wanted.provisioned_throughput,
            on_demand_throughput: wanted.on_demand_throughput,
            sse_specification: wanted.sse_specification,
            global_secondary_indexes: wanted.global_secondary_indexes,
            vector_indexes: wanted.vector_indexes,
            ..Default::default()
        },
    )?;
    let now = cx.now().millis();
    db.begin(&mut table, Work::Importing, now);
    let import = cx.store().write(|transaction| {
        table.number = change::next_number(transaction)?;
        change::add(transaction, &mut table, Sizes::default(), now)?;
        let import = Import {
            id: new_id(cx),
            principal: cx.principal().clone(),
            token,
            bucket: request.s3_bucket_source.s3_bucket,
            bucket_owner: request.s3_bucket_source.s3_bucket_owner,
            prefix: request.s3_bucket_source.s3_key_prefix,
            format,
            gzip: request.input_compression_type == Some(api::InputCompressionType::Gzip),
            zstandard: request.input_compression_type == Some(api::InputCompressionType::Zstd),
            table,
            status: Status::InProgress,
            started: now,
            ended: None,
            failure: None,
            bytes: 0,
            processed: 0,
            imported: 0,
            errors: 0,
        };
        transaction.put(import.key(), service::to_record(&import)?);
        Ok::<_, Error>(import)
    })?;
    let description = description(&import);
    db.import_in_background(&cx.cloud, import);
    Ok(api::ImportTableOutput { import_table_description: description })
}

operation! {
    DynamoDb, api::DescribeImport,
    action: "dynamodb:DescribeImport" on |_, request| request.import_arn.clone(),
    handler: describe_import
}

async fn describe_import(
    _: &DynamoDb,
    cx: &Context,
    request: api::DescribeImportInput,
) -> Result<api::DescribeImportOutput, Error> {
    let import = import::find(cx, &request.import_arn)?;
    Ok(api::DescribeImportOutput { import_table_description: description(&import) })
}

operation! {
    DynamoDb, api::ListImports,
    action: "dynamodb:ListImports" on |_, _| "*",
    handler: list_imports
}

async fn list_imports(
    _: &DynamoDb,
    cx: &Context,
    request: api::ListImportsInput,
) -> Result<api::ListImportsOutput, Error> {
    let limit = request.page_size.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(MAX_IMPORTS);
    let table = request.table_arn.as_deref().map(|table| table_name(cx, table).unwrap_or(table).to_owned());
    let mut imports = imports(cx, table.as_deref())?;
    if let Some(token) = &request.next_token {
        imports.retain(|import| page_token(import) > *token);
    }
    let more = imports.len() > limit;
    imports.truncate(limit);
    Ok(api::ListImportsOutput {
        next_token: imports.last().filter(|_| more).map(page_token),
        import_summary_list: Some(imports.iter().map(summary).collect()),
    })
}

/// Where a page ended, in the form that the API demands of its tokens: at least 112 hexadecimal digits, 16 at a time.
fn page_token(import: &Import) -> String {
    let mut token = service::encode_token(import.arn().as_bytes());
    let padded = token.len().next_multiple_of(16).max(112);
    token.extend(std::iter::repeat_n('0', padded - token.len()));
    token
}

fn imports(cx: &Context, table: Option<&str>) -> Result<Vec<Import>, Error> {
    let prefix = match table {
        Some(table) => import::key(cx.account(), cx.region(), table, ""),
        None => format!("{IMPORTS}{}/{}/", cx.account(), cx.region()).into_bytes(),
    };
    cx.store().scan(Range::prefix(prefix)).map(|entry| Ok(service::from_record(&entry?.1)?)).collect()
}

fn status(status: Status) -> api::ImportStatus {
    match status {
        Status::InProgress => api::ImportStatus::InProgress,
        Status::Completed => api::ImportStatus::Completed,
        Status::Failed => api::ImportStatus::Failed,
    }
}

fn source(import: &Import) -> api::S3BucketSource {
    api::S3BucketSource {
        s3_bucket_owner: import.bucket_owner.clone(),
        s3_bucket: import.bucket.clone(),
        s3_key_prefix: import.prefix.clone(),
    }
}

fn format(import: &Import) -> api::InputFormat {
    match import.format {
        Format::Json => api::InputFormat::DynamodbJson,
        Format::Ion => api::InputFormat::Ion,
        Format::Csv { .. } => api::InputFormat::Csv,
    }
}

fn summary(import: &Import) -> api::ImportSummary {
    api::ImportSummary {
        import_arn: Some(import.arn()),
        import_status: Some(status(import.status)),
        table_arn: Some(import.table.arn()),
        s3_bucket_source: Some(source(import)),
        input_format: Some(format(import)),
        start_time: Some(Timestamp::from_millis(import.started)),
        end_time: import.ended.map(Timestamp::from_millis),
        cloud_watch_log_group_arn: Some(import::log::group_arn(import)),
    }
}

fn description(import: &Import) -> api::ImportTableDescription {
    let ended = import.status != Status::InProgress;
    let (failure_code, failure_message) = import.failure.clone().unzip();
    api::ImportTableDescription {
        import_arn: Some(import.arn()),
        import_status: Some(status(import.status)),
        table_arn: Some(import.table.arn()),
        table_id: Some(import.table.id.clone()),
        client_token: Some(import.token.clone()),
        s3_bucket_source: Some(source(import)),
        error_count: ended.then_some(import.errors),
        input_format: Some(format(import)),
        input_format_options: match &import.format {
            Format::Csv { delimiter, header, delimiter_given } if *delimiter_given || header.is_some() => {
                Some(api::InputFormatOptions {
                    csv: Some(api::CsvOptions {
                        delimiter: delimiter_given.then(|| delimiter.to_string()),
                        header_list: header.clone(),
                    }),
                })
            }
            _ => None,
        },
        input_compression_type: Some(match (import.gzip, import.zstandard) {
            (true, _) => api::InputCompressionType::Gzip,
            (_, true) => api::InputCompressionType::Zstd,
            _ => api::InputCompressionType::None,
        }),
        table_creation_parameters: Some(parameters(&import.table)),
        start_time: Some(Timestamp::from_millis(import.started)),
        end_time: import.ended.map(Timestamp::from_millis),
        processed_size_bytes: ended.then_some(import.bytes),
        processed_item_count: ended.then_some(import.processed),
        imported_item_count: ended.then_some(import.imported),
        failure_code,
        failure_message,
        cloud_watch_log_group_arn: Some(import::log::group_arn(import)),
    }
}

fn parameters(table: &Table) -> api::TableCreationParameters {
    let units = |throughput: Throughput| match throughput {
        Throughput::OnDemand => None,
        Throughput::Provisioned { read, write, .. } => {
            Some(api::ProvisionedThroughput { read_capacity_units: read, write_capacity_units: write })
        }
    };
    let index = |index: &Index| api::GlobalSecondaryIndex {
        index_name: index.name.clone(),
        key_schema: describe::key_schema(&index.keys),
        projection: describe::projection(&index.projection),
        provisioned_throughput: units(index.throughput),
        ..Default::default()
    };
    api::TableCreationParameters {
        table_name: table.name.clone(),
        attribute_definitions: table.attributes.iter().map(describe::definition).collect(),
        key_schema: describe::key_schema(&table.keys),
        billing_mode: Some(match table.throughput.is_on_demand() {
            true => api::BillingMode::PayPerRequest,
            false => api::BillingMode::Provisioned,
        }),
        provisioned_throughput: units(table.throughput),
        on_demand_throughput: table.on_demand.map(|limits| limits.describe()),
        global_secondary_indexes: (!table.indexes.is_empty()).then(|| table.indexes.iter().map(index).collect()),
        vector_indexes: (!table.vectors.is_empty())
            .then(|| table.vectors.iter().map(VectorIndex::declaration).collect()),
        ..Default::default()
    }
}
