//! Long-term keys of users.

use iam_api::{
    AccessKeyMetadata, CreateAccessKey, CreateAccessKeyRequest, CreateAccessKeyResponse, DeleteAccessKey,
    DeleteAccessKeyRequest, ListAccessKeys, ListAccessKeysRequest, ListAccessKeysResponse, StatusType, UpdateAccessKey,
    UpdateAccessKeyRequest,
};
use service::{Context, Timestamp, Transaction, from_record, operation, to_record};
use wire::Unit;

use super::user::named;
use super::{Entity, change, slice};
use crate::directory::{ID_ALPHABET, SECRET_ALPHABET};
use crate::entity::{AccessKey, KeyStatus, User};
use crate::store::{access_key, read_key, user_keys};
use crate::{Error, Iam};

const MAX_KEYS: usize = 2;

fn status(status: KeyStatus) -> StatusType {
    match status {
        KeyStatus::Active => StatusType::Active,
        KeyStatus::Inactive | KeyStatus::Deleted => StatusType::Inactive,
    }
}

fn ids(tx: &Transaction<'_>, account: &str, user: &str) -> Result<Vec<String>, Error> {
    match tx.get(user_keys(account, user).as_slice())? {
        Some(bytes) => Ok(from_record(&bytes)?),
        None => Ok(Vec::new()),
    }
}

/// A key of this user that is not deleted.
fn find(tx: &Transaction<'_>, user: &User, id: &str) -> Result<AccessKey, Error> {
    let missing = || Error::NoSuchEntity(format!("The Access Key with id {id} cannot be found."));
    let key: AccessKey = from_record(&tx.get(access_key(id).as_slice())?.ok_or_else(missing)?)?;
    let is_it = key.user.as_ref() == Some(&user.name) && key.status != KeyStatus::Deleted;
    if is_it { Ok(key) } else { Err(missing()) }
}

operation! {
    Iam, CreateAccessKey,
    action: "iam:CreateAccessKey" on |cx, request| User::arn_of(cx, &named(cx, request.user_name.as_deref())),
    handler: create_access_key
}

async fn create_access_key(
    iam: &Iam,
    cx: &Context,
    request: CreateAccessKeyRequest,
) -> Result<CreateAccessKeyResponse, Error> {
    let name = named(cx, request.user_name.as_deref());
    let key = change(iam, cx, |tx| {
        let user = User::find_in(tx, cx.account(), &name)?;
        let mut keys = ids(tx, cx.account(), &user.name)?;
        if keys.len() >= MAX_KEYS {
            return Err(Error::LimitExceeded(format!("Cannot exceed quota for AccessKeysPerUser: {MAX_KEYS}")));
        }
        let key = AccessKey {
            id: format!("AKIA{}", cx.random().pick(ID_ALPHABET, 16)),
            secret: cx.random().pick(SECRET_ALPHABET, 40),
            account: cx.account().to_owned(),
            user: Some(user.name.clone()),
            status: KeyStatus::Active,
            created: cx.now().millis(),
        };
        keys.push(key.id.clone());
        tx.put(user_keys(cx.account(), &user.name), to_record(&keys)?);
        tx.put(access_key(&key.id), to_record(&key)?);
        Ok(key)
    })?;
    Ok(CreateAccessKeyResponse {
        access_key: iam_api::AccessKey {
            user_name: key.user.unwrap_or_default(),
            access_key_id: key.id,
            status: StatusType::Active,
            secret_access_key: key.secret,
            create_date: Some(Timestamp::from_millis(key.created)),
        },
    })
}

operation! {
    Iam, ListAccessKeys,
    action: "iam:ListAccessKeys" on |cx, request| User::arn_of(cx, &named(cx, request.user_name.as_deref())),
    handler: list_access_keys
}

async fn list_access_keys(
    _: &Iam,
    cx: &Context,
    request: ListAccessKeysRequest,
) -> Result<ListAccessKeysResponse, Error> {
    let snapshot = cx.store().snapshot();
    let name = named(cx, request.user_name.as_deref());
    if name.is_empty() {
        return Ok(ListAccessKeysResponse { is_truncated: Some(false), ..ListAccessKeysResponse::default() });
    }
    let user = User::find(&snapshot, cx.account(), &name)?;
    let ids: Vec<String> = match snapshot.get(user_keys(cx.account(), &user.name).as_slice())? {
        Some(bytes) => from_record(&bytes)?,
        None => Vec::new(),
    };
    let mut keys = Vec::new();
    for id in ids {
        keys.extend(read_key(&snapshot, &id)?.map(|key| AccessKeyMetadata {
            user_name: key.user,
            access_key_id: Some(key.id),
            status: Some(status(key.status)),
            create_date: Some(Timestamp::from_millis(key.created)),
        }));
    }
    let page = slice(keys, request.marker, request.max_items)?;
    Ok(ListAccessKeysResponse { access_key_metadata: page.items, is_truncated: page.is_truncated, marker: page.marker })
}

operation! {
    Iam, UpdateAccessKey,
    action: "iam:UpdateAccessKey" on |cx, request| User::arn_of(cx, &named(cx, request.user_name.as_deref())),
    handler: update_access_key
}

async fn update_access_key(iam: &Iam, cx: &Context, request: UpdateAccessKeyRequest) -> Result<Unit, Error> {
    let name = named(cx, request.user_name.as_deref());
    change(iam, cx, |tx| {
        let user = User::find_in(tx, cx.account(), &name)?;
        let mut key = find(tx, &user, &request.access_key_id)?;
        key.status = if request.status == StatusType::Active { KeyStatus::Active } else { KeyStatus::Inactive };
        tx.put(access_key(&key.id), to_record(&key)?);
        Ok(())
    })?;
    Ok(Unit {})
}

operation! {
    Iam, DeleteAccessKey,
    action: "iam:DeleteAccessKey" on |cx, request| User::arn_of(cx, &named(cx, request.user_name.as_deref())),
    handler: delete_access_key
}

/// The record stays, marked, so that the key is never again taken for an unknown one.
async fn delete_access_key(iam: &Iam, cx: &Context, request: DeleteAccessKeyRequest) -> Result<Unit, Error> {
    let name = named(cx, request.user_name.as_deref());
    change(iam, cx, |tx| {
        let user = User::find_in(tx, cx.account(), &name)?;
        let key = AccessKey { status: KeyStatus::Deleted, ..find(tx, &user, &request.access_key_id)? };
        tx.put(access_key(&key.id), to_record(&key)?);
        let mut keys = ids(tx, cx.account(), &user.name)?;
        keys.retain(|id| *id != key.id);
        if keys.is_empty() {
            tx.delete(user_keys(cx.account(), &user.name));
        } else {
            tx.put(user_keys(cx.account(), &user.name), to_record(&keys)?);
        }
        Ok(())
    })?;
    Ok(Unit {})
}
