//! Keys and records. Every noun has a key of account, region, API and its own id; records are the API's shapes as JSON.
//!
//! A deployment's snapshot is one record that nothing changes after it was written. The id of an API alone leads to
//! its account and region, since that is all that a request to a deployed API carries.

use crate::{definition::Definition, error::Error};
use ::store::{Snapshot, Transaction};
use apigateway_api::{
    Account, ApiKey, Authorizer, ClientCertificate, Deployment, DocumentationPart, DocumentationVersion,
    GatewayResponse, Model, RequestValidator, Resource, RestApi, Stage, UsagePlan, UsagePlanKey,
};
use bytes::Bytes;
pub use execute_api::record::{Reader, from_json};
use execute_api::{
    logs::settings,
    record::{from_bytes, from_list, to_bytes, to_json, to_list},
    site::{self, Site},
    usage::key_value,
};
use serde_json::{Value as Json, json};
use service::{Context, Key, Page, Range, StoreError, decode_token, encode_token};
use wire::Structure;

/// A kind of record that belongs to an API.
pub trait Record: Structure {
    /// The first part of its keys.
    const KIND: &'static str;
    /// What is said when there is none of an id.
    fn missing(id: &str) -> String;
}

macro_rules! records {
    ($($record:ty, $kind:literal, |$id:pat_param| $missing:expr;)*) => {$(
        impl Record for $record {
            const KIND: &'static str = concat!("apigateway/", $kind);
            fn missing($id: &str) -> String {
                $missing
            }
        }
    )*};
}

records! {
    ApiKey, "key", |_| "Invalid API Key identifier specified".to_owned();
    ClientCertificate, "client-certificate", |_| "Invalid client certificate identifier specified".to_owned();
    UsagePlan, "plan", |_| "Invalid Usage Plan ID specified".to_owned();
    UsagePlanKey, "plan-key", |_| "Invalid API Key identifier specified".to_owned();
    Authorizer, "authorizer", |_| "Invalid Authorizer identifier specified".to_owned();
    Resource, "resource", |_| "Invalid Resource identifier specified".to_owned();
    Model, "model", |id| format!("Invalid model name specified: {id}");
    RequestValidator, "validator", |_| "Invalid Request Validator identifier specified".to_owned();
    GatewayResponse, "response", |_| "Gateway response type not defined on api".to_owned();
    Deployment, "deployment", |_| "Invalid Deployment identifier specified".to_owned();
    DocumentationPart, "documentation-part", |_| "Invalid Documentation part identifier specified".to_owned();
    DocumentationVersion, "documentation-version", |id| format!("Invalid Documentation version identifier specified: {id}");
    Stage, "stage", |_| "Invalid stage identifier specified".to_owned();
}

/// One API's place in the store.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    pub account: &'a str,
    pub region: &'a str,
    pub api: &'a str,
}

impl<'a> Place<'a> {
    pub fn new(cx: &'a Context, api: &'a str) -> Self {
        Self { account: cx.account(), region: cx.region(), api }
    }

    /// Where the records are that belong to no API but to the account.
    pub fn of_account(cx: &'a Context) -> Self {
        Self::new(cx, "")
    }

    fn key(self, kind: &str) -> Key {
        Key::new(kind).text(self.account).text(self.region).text(self.api)
    }

    /// The API itself, or AWS's word for there being none.
    pub fn api(self, reader: &impl Reader) -> Result<RestApi, Error> {
        let found = reader.get(self.key(API).as_slice())?;
        let missing = || Error::NotFound(format!("Invalid API identifier specified {}:{}", self.account, self.api));
        Ok(from_bytes(&found.ok_or_else(missing)?)?)
    }

    pub fn put_api(self, tx: &mut Transaction<'_>, api: &RestApi) {
        tx.put(self.key(API), to_bytes(api));
        let site = Site { account: self.account.to_owned(), region: self.region.to_owned(), kind: site::Kind::Rest };
        site::put(tx, self.api, &site);
    }

    pub fn find<T: Record>(self, reader: &impl Reader, id: &str) -> Result<Option<T>, Error> {
        let found = reader.get(self.key(T::KIND).text(id).as_slice())?;
        Ok(found.map(|record| from_bytes(&record)).transpose()?)
    }

    /// A record of the API; both must be there.
    pub fn get<T: Record>(self, reader: &impl Reader, id: &str) -> Result<T, Error> {
        self.api(reader)?;
        self.find(reader, id)?.ok_or_else(|| Error::NotFound(T::missing(id)))
    }

    pub fn put<T: Record>(self, tx: &mut Transaction<'_>, id: &str, record: &T) {
        tx.put(self.key(T::KIND).text(id), to_bytes(record));
    }

    pub fn delete<T: Record>(self, tx: &mut Transaction<'_>, id: &str) {
        tx.delete(self.key(T::KIND).text(id));
    }

    pub fn delete_all<T: Record>(self, tx: &mut Transaction<'_>) -> Result<(), Error> {
        tx.delete_range(Range::prefix(self.key(T::KIND)))?;
        Ok(())
    }

    pub fn all<T: Record>(self, reader: &mut impl Reader) -> Result<Vec<T>, Error> {
        let records = reader.all(Range::prefix(self.key(T::KIND)))?;
        records.iter().map(|record| Ok(from_bytes(record)?)).collect()
    }

    /// The records of one kind whose ids begin with `start`.
    pub fn within<T: Record>(self, reader: &mut impl Reader, start: &str) -> Result<Vec<T>, Error> {
        let records = reader.all(Range::prefix(self.key(T::KIND).raw(start.as_bytes())))?;
        records.iter().map(|record| Ok(from_bytes(record)?)).collect()
    }

    /// The records of one kind of all of an account's APIs.
    pub fn all_of_account<T: Record>(cx: &Context, reader: &mut impl Reader) -> Result<Vec<T>, Error> {
        let records = reader.all(Range::prefix(Key::new(T::KIND).text(cx.account()).text(cx.region())))?;
        records.iter().map(|record| Ok(from_bytes(record)?)).collect()
    }

    /// The private key of a client certificate.
    pub fn client_key(self, reader: &impl Reader, id: &str) -> Result<Option<String>, Error> {
        let found = reader.get(self.key(CLIENT_KEY).text(id).as_slice())?;
        Ok(found.map(|key| String::from_utf8_lossy(&key).into_owned()))
    }

    pub fn put_client_key(self, tx: &mut Transaction<'_>, id: &str, key: &str) {
        tx.put(self.key(CLIENT_KEY).text(id), key.to_owned());
    }

    pub fn delete_client_key(self, tx: &mut Transaction<'_>, id: &str) {
        tx.delete(self.key(CLIENT_KEY).text(id));
    }

    /// Keeps the documentation parts of a version as they are.
    pub fn put_documented(
        self,
        tx: &mut Transaction<'_>,
        version: &str,
        parts: &[DocumentationPart],
    ) -> Result<(), Error> {
        tx.put(self.key(DOCUMENTED).text(version), Json::from(to_list(parts)?).to_string());
        Ok(())
    }

    pub fn delete_documented(self, tx: &mut Transaction<'_>, version: &str) {
        tx.delete(self.key(DOCUMENTED).text(version));
    }

    /// The documentation parts of a version.
    pub fn documented(self, reader: &impl Reader, version: &str) -> Result<Vec<DocumentationPart>, Error> {
        let Some(record) = reader.get(self.key(DOCUMENTED).text(version).as_slice())? else { return Ok(Vec::new()) };
        let record: Json = serde_json::from_slice(&record).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        Ok(from_list(&record)?)
    }

    /// A page of records of one kind, and the position of the next.
    pub fn page<T: Record>(
        self,
        snapshot: &Snapshot,
        position: Option<&str>,
        limit: Option<i32>,
    ) -> Result<(Vec<T>, Option<String>), Error> {
        self.api(snapshot)?;
        page(snapshot, Range::prefix(self.key(T::KIND)), position, limit, |_| true)
    }

    /// A page of those records whose ids begin with `within` and that are `wanted`.
    pub fn page_where<T: Record>(
        self,
        snapshot: &Snapshot,
        within: &str,
        position: Option<&str>,
        limit: Option<i32>,
        wanted: impl Fn(&T) -> bool,
    ) -> Result<(Vec<T>, Option<String>), Error> {
        let range = Range::prefix(self.key(T::KIND).raw(within.as_bytes()));
        page(snapshot, range, position, limit, wanted)
    }

    /// Deletes the API and everything of it.
    pub fn delete_api(self, tx: &mut Transaction<'_>) -> Result<(), Error> {
        let kinds = [
            Authorizer::KIND,
            Resource::KIND,
            Model::KIND,
            RequestValidator::KIND,
            GatewayResponse::KIND,
            Deployment::KIND,
            DocumentationPart::KIND,
            DocumentationVersion::KIND,
            Stage::KIND,
        ];
        for kind in kinds.into_iter().chain([API, SNAPSHOT, DOCUMENTED]) {
            tx.delete_range(Range::prefix(self.key(kind)))?;
        }
        site::delete(tx, self.api);
        Ok(())
    }

    /// The API as it stands: what a deployment made now would freeze.
    pub fn definition(self, reader: &mut impl Reader) -> Result<Definition, Error> {
        Ok(Definition {
            api: self.api(reader)?,
            resources: self.all(reader)?,
            models: self.all(reader)?,
            validators: self.all(reader)?,
            responses: self.all(reader)?,
            authorizers: self.all(reader)?,
        })
    }

    pub fn put_snapshot(
        self,
        tx: &mut Transaction<'_>,
        deployment: &str,
        definition: &Definition,
    ) -> Result<(), Error> {
        let record = json!({
            "api": to_json(&definition.api)?,
            "resources": to_list(&definition.resources)?,
            "models": to_list(&definition.models)?,
            "validators": to_list(&definition.validators)?,
            "responses": to_list(&definition.responses)?,
            "authorizers": to_list(&definition.authorizers)?,
        });
        tx.put(self.key(SNAPSHOT).text(deployment), record.to_string());
        Ok(())
    }

    pub fn delete_snapshot(self, tx: &mut Transaction<'_>, deployment: &str) {
        tx.delete(self.key(SNAPSHOT).text(deployment));
    }

    /// What a deployment froze.
    pub fn snapshot(self, reader: &impl Reader, deployment: &str) -> Result<Option<Definition>, Error> {
        let Some(record) = reader.get(self.key(SNAPSHOT).text(deployment).as_slice())? else { return Ok(None) };
        let record: Json = serde_json::from_slice(&record).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        Ok(Some(Definition {
            api: from_json(&record["api"])?,
            resources: from_list(&record["resources"])?,
            models: from_list(&record["models"])?,
            validators: from_list(&record["validators"])?,
            responses: from_list(&record["responses"])?,
            authorizers: from_list(&record["authorizers"])?,
        }))
    }
}

const API: &str = "apigateway/api";
const SNAPSHOT: &str = "apigateway/snapshot";
const DOCUMENTED: &str = "apigateway/documented";
const CLIENT_KEY: &str = "apigateway/client-key";

/// The page length when none is asked for, and the longest.
const PAGE: usize = 25;
const LONGEST_PAGE: i32 = 500;

/// A page of the account's APIs.
pub fn apis(
    cx: &Context,
    snapshot: &Snapshot,
    position: Option<&str>,
    limit: Option<i32>,
) -> Result<(Vec<RestApi>, Option<String>), Error> {
    let range = Range::prefix(Key::new(API).text(cx.account()).text(cx.region()));
    page(snapshot, range, position, limit, |_| true)
}

/// How long a page is to be.
pub fn page_limit(limit: Option<i32>) -> Result<usize, Error> {
    match limit {
        None => Ok(PAGE),
        Some(limit @ 1..) => Ok(limit.min(LONGEST_PAGE) as usize),
        Some(_) => Err(Error::BadRequest("Limit must be between 1 and 500".to_owned())),
    }
}

fn page<T: Structure>(
    snapshot: &Snapshot,
    range: Range,
    position: Option<&str>,
    limit: Option<i32>,
    wanted: impl Fn(&T) -> bool,
) -> Result<(Vec<T>, Option<String>), Error> {
    let limit = page_limit(limit)?;
    let invalid = || Error::BadRequest("Invalid position parameter".to_owned());
    let after = position.map(|position| decode_token(position).ok_or_else(invalid)).transpose()?;
    let read = |_: &Bytes, value: &Bytes| Ok(Some(from_bytes(value)?).filter(&wanted));
    let page = Page::read::<Error>(snapshot, range, after.as_deref(), limit, read)?;
    Ok((page.items, page.next.map(|key| encode_token(&key))))
}

pub fn put_key(cx: &Context, tx: &mut Transaction<'_>, key: &ApiKey) {
    let id = key.id.clone().unwrap_or_default();
    Place::of_account(cx).put(tx, &id, key);
    tx.put(key_value(cx, key.value.as_deref().unwrap_or_default()), id);
}

pub fn delete_key(cx: &Context, tx: &mut Transaction<'_>, key: &ApiKey) {
    Place::of_account(cx).delete::<ApiKey>(tx, key.id.as_deref().unwrap_or_default());
    tx.delete(key_value(cx, key.value.as_deref().unwrap_or_default()));
}

/// The settings of an account in a region.
pub fn account(cx: &Context, reader: &impl Reader) -> Result<Account, Error> {
    let found = reader.get(settings(cx.account(), cx.region()).as_slice())?;
    Ok(found.map(|record| from_bytes(&record)).transpose()?.unwrap_or_default())
}

pub fn put_account(cx: &Context, tx: &mut Transaction<'_>, account: &Account) {
    tx.put(settings(cx.account(), cx.region()), to_bytes(account));
}
