//! Global tables of version 2017.11.29. Only the newer version is real ([`super::replica`]), so there is none: nobody can have
//! made one, as `CreateGlobalTable` is not implemented.

use dynamodb_api as api;
use service::{Context, operation};

use crate::DynamoDb;
use crate::error::Error;

fn not_found(name: &str) -> Error {
    Error::GlobalTableNotFound(format!("Global table not found: Global table with name: '{name}' does not exist."))
}

fn arn(cx: &Context, name: &str) -> String {
    format!("arn:aws:dynamodb::{}:global-table/{name}", cx.account())
}

operation! {
    DynamoDb, api::DescribeGlobalTable,
    action: "dynamodb:DescribeGlobalTable" on |cx, request| arn(cx, &request.global_table_name),
    handler: describe_global_table
}

async fn describe_global_table(
    _: &DynamoDb,
    _: &Context,
    request: api::DescribeGlobalTableInput,
) -> Result<api::DescribeGlobalTableOutput, Error> {
    Err(not_found(&request.global_table_name))
}

operation! {
    DynamoDb, api::DescribeGlobalTableSettings,
    action: "dynamodb:DescribeGlobalTableSettings" on |cx, request| arn(cx, &request.global_table_name),
    handler: describe_global_table_settings
}

async fn describe_global_table_settings(
    _: &DynamoDb,
    _: &Context,
    request: api::DescribeGlobalTableSettingsInput,
) -> Result<api::DescribeGlobalTableSettingsOutput, Error> {
    Err(not_found(&request.global_table_name))
}

operation! {
    DynamoDb, api::UpdateGlobalTable,
    action: "dynamodb:UpdateGlobalTable" on |cx, request| arn(cx, &request.global_table_name),
    handler: update_global_table
}

async fn update_global_table(
    _: &DynamoDb,
    _: &Context,
    request: api::UpdateGlobalTableInput,
) -> Result<api::UpdateGlobalTableOutput, Error> {
    Err(not_found(&request.global_table_name))
}

operation! {
    DynamoDb, api::UpdateGlobalTableSettings,
    action: "dynamodb:UpdateGlobalTableSettings" on |cx, request| arn(cx, &request.global_table_name),
    handler: update_global_table_settings
}

async fn update_global_table_settings(
    _: &DynamoDb,
    _: &Context,
    request: api::UpdateGlobalTableSettingsInput,
) -> Result<api::UpdateGlobalTableSettingsOutput, Error> {
    Err(not_found(&request.global_table_name))
}

operation! {
    DynamoDb, api::ListGlobalTables,
    action: "dynamodb:ListGlobalTables" on |_, _| "*",
    handler: list_global_tables
}

async fn list_global_tables(
    _: &DynamoDb,
    _: &Context,
    _: api::ListGlobalTablesInput,
) -> Result<api::ListGlobalTablesOutput, Error> {
    Ok(api::ListGlobalTablesOutput { global_tables: Some(Vec::new()), last_evaluated_global_table_name: None })
}
