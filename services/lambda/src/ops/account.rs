//! GetAccountSettings.

use lambda_api::{
    AccountLimit, AccountUsage, GetAccountSettings, GetAccountSettingsRequest, GetAccountSettingsResponse,
};
use service::{Context, Range, from_record, operation};

use crate::Lambda;
use crate::error::Error;
use crate::package::{UNPACKED_LIMIT, UPLOAD_LIMIT};
use crate::store::{self as records, Function};

operation! {
    Lambda, GetAccountSettings,
    action: "lambda:GetAccountSettings" on |_cx, _request| "*",
    handler: get_account_settings
}

/// AWS's own limits; what this machine can carry is another matter.
pub const CONCURRENCY: i32 = 1000;
const TOTAL_CODE_SIZE: i64 = 80_530_636_800;

async fn get_account_settings(
    _: &Lambda,
    cx: &Context,
    _: GetAccountSettingsRequest,
) -> Result<GetAccountSettingsResponse, Error> {
    let (mut count, mut size, mut reserved) = (0, 0, 0);
    let snapshot = cx.store().snapshot();
    for entry in snapshot.scan(Range::prefix(records::functions_key(cx.account(), cx.region()))) {
        let function: Function = from_record(&entry?.1)?;
        let versions = records::versions(&snapshot, &function.reference())?;
        count += 1;
        reserved += function.reserved.unwrap_or_default();
        size += function.latest.code.size + versions.iter().map(|version| version.code.size).sum::<i64>();
    }
    Ok(GetAccountSettingsResponse {
        account_limit: Some(AccountLimit {
            total_code_size: Some(TOTAL_CODE_SIZE),
            code_size_unzipped: Some(UNPACKED_LIMIT as i64),
            code_size_zipped: Some(UPLOAD_LIMIT as i64),
            concurrent_executions: Some(CONCURRENCY),
            unreserved_concurrent_executions: Some(CONCURRENCY - reserved),
        }),
        account_usage: Some(AccountUsage { total_code_size: Some(size), function_count: Some(count) }),
    })
}
