//! An account's settings in a region.

use super::arn;
use crate::{
    ApiGateway,
    backend::session,
    error::Error,
    patch::{self, Paths, Slot},
    store,
};
use apigateway_api::*;
use service::{Context, operation};

operation! { ApiGateway, GetAccount, action: "apigateway:GET" on |cx, _| arn(cx, "/account"), handler: get }
operation! { ApiGateway, UpdateAccount, action: "apigateway:PATCH" on |cx, _| arn(cx, "/account"), handler: update }

/// The settings with what is the same for every account.
fn reply(account: Account) -> Account {
    Account {
        throttle_settings: Some(ThrottleSettings { burst_limit: Some(5000), rate_limit: Some(10_000.0) }),
        features: Some(vec!["UsagePlans".to_owned()]),
        api_key_version: Some("4".to_owned()),
        ..account
    }
}

async fn get(_: &ApiGateway, cx: &Context, _: GetAccountRequest) -> Result<Account, Error> {
    store::account(cx, &cx.store().snapshot()).map(reply)
}

const PATHS: &Paths = &Paths { add: &["/features"], replace: &["/cloudwatchRoleArn"], remove: &[] };

fn slot<'a>(account: &'a mut Account, path: &[&str]) -> Option<Slot<'a>> {
    match path {
        ["cloudwatchRoleArn"] => Some(Slot::Text(&mut account.cloudwatch_role_arn)),
        // Usage plans are on for every account, and stay so.
        ["features"] => Some(Slot::Set(Box::new(|value| value == Some("UsagePlans")))),
        _ => None,
    }
}

async fn update(_: &ApiGateway, cx: &Context, request: UpdateAccountRequest) -> Result<Account, Error> {
    cx.store().write(|tx| {
        let mut account = store::account(cx, tx)?;
        let operations = request.patch_operations.as_deref().unwrap_or_default();
        patch::apply(&mut account, operations, PATHS, slot)?;
        account.cloudwatch_role_arn = account.cloudwatch_role_arn.filter(|role| !role.is_empty());
        if let Some(role) = &account.cloudwatch_role_arn {
            check_role(cx, role)?;
        }
        store::put_account(cx, tx, &account);
        Ok(reply(account))
    })
}

/// The role must be there and trust this service.
fn check_role(cx: &Context, role: &str) -> Result<(), Error> {
    if session(cx, role)?.is_some() {
        return Ok(());
    }
    let message = "The role ARN does not have required permissions configured. Please grant trust permission for API \
                   Gateway and add the required role policy.";
    Err(Error::BadRequest(message.to_owned()))
}
