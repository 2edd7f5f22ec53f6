//! The account itself: its alias.

use iam_api::{
    CreateAccountAlias, CreateAccountAliasRequest, DeleteAccountAlias, DeleteAccountAliasRequest, ListAccountAliases,
    ListAccountAliasesRequest, ListAccountAliasesResponse,
};
use service::{Context, operation};
use wire::Unit;

use super::change;
use crate::store::alias;
use crate::{Error, Iam};

operation! { Iam, CreateAccountAlias, action: "iam:CreateAccountAlias" on |_, _| "*", handler: create_account_alias }

/// An account has one alias; a new one takes its place.
async fn create_account_alias(iam: &Iam, cx: &Context, request: CreateAccountAliasRequest) -> Result<Unit, Error> {
    change(iam, cx, |tx| {
        tx.put(alias(cx.account()), request.account_alias.into_bytes());
        Ok(())
    })?;
    Ok(Unit {})
}

operation! { Iam, ListAccountAliases, action: "iam:ListAccountAliases" on |_, _| "*", handler: list_account_aliases }

async fn list_account_aliases(
    _: &Iam,
    cx: &Context,
    _: ListAccountAliasesRequest,
) -> Result<ListAccountAliasesResponse, Error> {
    let found = cx.store().get(alias(cx.account()).as_slice())?;
    Ok(ListAccountAliasesResponse {
        account_aliases: found.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect(),
        is_truncated: Some(false),
        marker: None,
    })
}

operation! { Iam, DeleteAccountAlias, action: "iam:DeleteAccountAlias" on |_, _| "*", handler: delete_account_alias }

async fn delete_account_alias(iam: &Iam, cx: &Context, request: DeleteAccountAliasRequest) -> Result<Unit, Error> {
    change(iam, cx, |tx| {
        let found = tx.get(alias(cx.account()).as_slice())?;
        if found.as_deref() != Some(request.account_alias.as_bytes()) {
            let text = format!("The account alias {} cannot be found.", request.account_alias);
            return Err(Error::NoSuchEntity(text));
        }
        tx.delete(alias(cx.account()));
        Ok(())
    })?;
    Ok(Unit {})
}
