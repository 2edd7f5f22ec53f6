//! Keys and records. Every noun has a key of account, region, API, the ids of what it belongs to, and its own id.

use crate::{
    definition::Definition,
    error::Error,
    record::{from_bytes, from_json, to_bytes, to_json},
};
use apigatewayv2_api::*;
use bytes::Bytes;
pub use execute_api::record::Reader;
use execute_api::{
    record::{from_list, to_list},
    site::{self, Site},
};
use serde_json::{Value as Json, json};
use service::{Context, Key, Page, Range, Snapshot, StoreError, Transaction, decode_token, encode_token};
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
            const KIND: &'static str = concat!("apigatewayv2/", $kind);
            fn missing($id: &str) -> String {
                $missing
            }
        }
    )*};
}

records! {
    Authorizer, "authorizer", |id| format!("Invalid Authorizer identifier specified {id}");
    Deployment, "deployment", |id| format!("Invalid Deployment identifier specified {id}");
    Integration, "integration", |id| format!("Invalid Integration identifier specified {id}");
    IntegrationResponse, "integration-response", |id| format!("Invalid IntegrationResponse identifier specified {id}");
    Model, "model", |id| format!("Invalid Model identifier specified {id}");
    Route, "route", |id| format!("Invalid Route identifier specified {id}");
    RouteResponse, "route-response", |id| format!("Invalid RouteResponse identifier specified {id}");
    Stage, "stage", |_| "Invalid stage identifier specified".to_owned();
}

const API: &str = "apigatewayv2/api";
const SNAPSHOT: &str = "apigatewayv2/snapshot";

/// The page length when none is asked for.
const PAGE: usize = 100;

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

    fn key(self, kind: &str) -> Key {
        Key::new(kind).text(self.account).text(self.region).text(self.api)
    }

    /// The API itself, or AWS's word for there being none.
    pub fn api(self, reader: &impl Reader) -> Result<Api, Error> {
        let found = reader.get(self.key(API).as_slice())?;
        let missing = || Error::NotFound(format!("Invalid API identifier specified {}:{}", self.account, self.api));
        Ok(from_bytes(&found.ok_or_else(missing)?)?)
    }

    pub fn put_api(self, tx: &mut Transaction<'_>, api: &Api) {
        tx.put(self.key(API), to_bytes(api));
        let kind = match api.protocol_type {
            ProtocolType::Websocket => site::Kind::WebSocket,
            _ => site::Kind::Http,
        };
        site::put(tx, self.api, &Site { account: self.account.to_owned(), region: self.region.to_owned(), kind });
    }

    pub fn find<T: Record>(self, reader: &impl Reader, id: &str) -> Result<Option<T>, Error> {
        let found = reader.get(self.key(T::KIND).text(id).as_slice())?;
        Ok(found.map(|record| from_bytes(&record)).transpose()?)
    }

    /// A record of the API; both must be there.
    pub fn get<T: Record>(self, reader: &impl Reader, id: &str) -> Result<T, Error> {
        self.api(reader)?;
        self.find(reader, id)?.ok_or_else(|| Error::NotFound(T::missing(id.rsplit('/').next().unwrap_or(id))))
    }

    pub fn put<T: Record>(self, tx: &mut Transaction<'_>, id: &str, record: &T) {
        tx.put(self.key(T::KIND).text(id), to_bytes(record));
    }

    pub fn delete<T: Record>(self, tx: &mut Transaction<'_>, id: &str) {
        tx.delete(self.key(T::KIND).text(id));
    }

    /// Deletes the records whose ids begin with `within`.
    pub fn delete_all<T: Record>(self, tx: &mut Transaction<'_>, within: &str) -> Result<(), Error> {
        tx.delete_range(Range::prefix(self.key(T::KIND).raw(within.as_bytes())))?;
        Ok(())
    }

    pub fn all<T: Record>(self, reader: &mut impl Reader) -> Result<Vec<T>, Error> {
        let records = reader.all(Range::prefix(self.key(T::KIND)))?;
        records.iter().map(|record| Ok(from_bytes(record)?)).collect()
    }

    /// The records whose ids begin with `within`.
    pub fn all_within<T: Record>(self, reader: &mut impl Reader, within: &str) -> Result<Vec<T>, Error> {
        let records = reader.all(Range::prefix(self.key(T::KIND).raw(within.as_bytes())))?;
        records.iter().map(|record| Ok(from_bytes(record)?)).collect()
    }

    /// A page of the records whose ids begin with `within`, and the token of the next.
    pub fn page<T: Record>(
        self,
        snapshot: &Snapshot,
        within: &str,
        paging: Paging<'_>,
    ) -> Result<(Vec<T>, Option<String>), Error> {
        self.api(snapshot)?;
        page(snapshot, Range::prefix(self.key(T::KIND).raw(within.as_bytes())), paging)
    }

    /// Deletes the API and everything of it.
    pub fn delete_api(self, tx: &mut Transaction<'_>) -> Result<(), Error> {
        let kinds = [
            Authorizer::KIND,
            Deployment::KIND,
            Integration::KIND,
            IntegrationResponse::KIND,
            Model::KIND,
            Route::KIND,
            RouteResponse::KIND,
            Stage::KIND,
        ];
        for kind in kinds.into_iter().chain([API, SNAPSHOT]) {
            tx.delete_range(Range::prefix(self.key(kind)))?;
        }
        site::delete(tx, self.api);
        Ok(())
    }

    /// The API as it stands: what a deployment made now would freeze.
    pub fn definition(self, reader: &mut impl Reader) -> Result<Definition, Error> {
        let routes: Vec<Route> = self.all(reader)?;
        let integrations: Vec<Integration> = self.all(reader)?;
        let mut route_responses = Vec::new();
        for route in &routes {
            let id = route.route_id.clone().unwrap_or_default();
            let within = self.all_within::<RouteResponse>(reader, &format!("{id}/"))?;
            route_responses.extend(within.into_iter().map(|response| (id.clone(), response)));
        }
        let mut integration_responses = Vec::new();
        for integration in &integrations {
            let id = integration.integration_id.clone().unwrap_or_default();
            let within = self.all_within::<IntegrationResponse>(reader, &format!("{id}/"))?;
            integration_responses.extend(within.into_iter().map(|response| (id.clone(), response)));
        }
        Ok(Definition {
            api: self.api(reader)?,
            routes,
            integrations,
            authorizers: self.all(reader)?,
            models: self.all(reader)?,
            route_responses,
            integration_responses,
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
            "routes": to_list(&definition.routes)?,
            "integrations": to_list(&definition.integrations)?,
            "authorizers": to_list(&definition.authorizers)?,
            "models": to_list(&definition.models)?,
            "routeResponses": owned(&definition.route_responses)?,
            "integrationResponses": owned(&definition.integration_responses)?,
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
            routes: from_list(&record["routes"])?,
            integrations: from_list(&record["integrations"])?,
            authorizers: from_list(&record["authorizers"])?,
            models: from_list(&record["models"])?,
            route_responses: from_owned(&record["routeResponses"])?,
            integration_responses: from_owned(&record["integrationResponses"])?,
        }))
    }
}

/// Records with the id of what they belong to.
fn owned<T: Structure>(values: &[(String, T)]) -> Result<Vec<Json>, StoreError> {
    values.iter().map(|(owner, value)| Ok(json!([owner, to_json(value)?]))).collect()
}

fn from_owned<T: Structure>(values: &Json) -> Result<Vec<(String, T)>, StoreError> {
    let pair = |pair: &Json| Ok((pair[0].as_str().unwrap_or_default().to_owned(), from_json(&pair[1])?));
    values.as_array().into_iter().flatten().map(pair).collect()
}

/// Which page of a list is asked for.
#[derive(Clone, Copy, Default)]
pub struct Paging<'a> {
    pub limit: Option<&'a str>,
    pub token: Option<&'a str>,
}

/// A page of a range of records, and the token of the next.
pub fn page<T: Structure>(
    snapshot: &Snapshot,
    range: Range,
    paging: Paging<'_>,
) -> Result<(Vec<T>, Option<String>), Error> {
    page_of(snapshot, range, paging, from_bytes)
}

/// A page of records of any form.
pub fn page_of<T>(
    snapshot: &Snapshot,
    range: Range,
    paging: Paging<'_>,
    parse: impl Fn(&[u8]) -> Result<T, StoreError>,
) -> Result<(Vec<T>, Option<String>), Error> {
    let invalid = |text: &str| Error::BadRequest(text.to_owned());
    let limit = match paging.limit.map(str::parse::<usize>) {
        None => PAGE,
        Some(Ok(limit)) if limit > 0 => limit,
        Some(_) => return Err(invalid("Invalid maxResults specified")),
    };
    let after = paging.token.map(|token| decode_token(token).ok_or_else(|| invalid("Invalid nextToken specified")));
    let read = |_: &Bytes, value: &Bytes| Ok(Some(parse(value)?));
    let page = Page::read::<Error>(snapshot, range, after.transpose()?.as_deref(), limit, read)?;
    Ok((page.items, page.next.map(|key| encode_token(&key))))
}

/// A page of the account's APIs.
pub fn apis(cx: &Context, snapshot: &Snapshot, paging: Paging<'_>) -> Result<(Vec<Api>, Option<String>), Error> {
    page(snapshot, Range::prefix(Key::new(API).text(cx.account()).text(cx.region())), paging)
}
