//! Client certificates: how HTTPS endpoints behind an API know that it is the API that calls. Each is its own authority, as
//! API Gateway's are; the private key never leaves the store.

use super::{arn, now, rest_api::check_api_tags};
use crate::{
    ApiGateway,
    error::Error,
    patch::{self, Paths, Slot},
    store::{Place, Reader, Record},
};
use apigateway_api::*;
use service::{Context, operation};

operation! { ApiGateway, GenerateClientCertificate, action: "apigateway:POST" on |cx, _| arn(cx, "/clientcertificates"), handler: generate }
operation! { ApiGateway, GetClientCertificate, action: "apigateway:GET" on |cx, r| arn(cx, format!("/clientcertificates/{}", r.client_certificate_id)), handler: get }
operation! { ApiGateway, GetClientCertificates, action: "apigateway:GET" on |cx, _| arn(cx, "/clientcertificates"), handler: list }
operation! { ApiGateway, UpdateClientCertificate, action: "apigateway:PATCH" on |cx, r| arn(cx, format!("/clientcertificates/{}", r.client_certificate_id)), handler: update }
operation! { ApiGateway, DeleteClientCertificate, action: "apigateway:DELETE" on |cx, r| arn(cx, format!("/clientcertificates/{}", r.client_certificate_id)), handler: delete }

/// How long a certificate is good for.
const LIFE_SECS: i64 = 365 * 86_400;

pub fn find(cx: &Context, reader: &impl Reader, id: &str) -> Result<ClientCertificate, Error> {
    Place::of_account(cx).find(reader, id)?.ok_or_else(|| Error::NotFound(ClientCertificate::missing(id)))
}

/// A certificate with its key, as endpoints are called with it.
pub fn identity(cx: &Context, reader: &impl Reader, id: &str) -> Result<Option<(String, String)>, Error> {
    let certificate = find(cx, reader, id)?.pem_encoded_certificate;
    Ok(certificate.zip(Place::of_account(cx).client_key(reader, id)?))
}

async fn generate(
    _: &ApiGateway,
    cx: &Context,
    request: GenerateClientCertificateRequest,
) -> Result<ClientCertificate, Error> {
    check_api_tags(request.tags.as_ref())?;
    let (from, until) = (now(cx), now(cx).plus_secs(LIFE_SECS));
    let (certificate, key) = pki::client_identity("ApiGateway", from.secs(), until.secs())
        .map_err(|error| service::StoreError::Corrupt(error.to_string()))?;
    cx.store().write(|tx| {
        let id = cx.random().lower_alphanumeric(6);
        let made = ClientCertificate {
            client_certificate_id: Some(id.clone()),
            description: request.description,
            pem_encoded_certificate: Some(certificate),
            created_date: Some(from),
            expiration_date: Some(until),
            tags: request.tags,
        };
        let place = Place::of_account(cx);
        place.put(tx, &id, &made);
        place.put_client_key(tx, &id, &key);
        Ok(made)
    })
}

async fn get(_: &ApiGateway, cx: &Context, request: GetClientCertificateRequest) -> Result<ClientCertificate, Error> {
    find(cx, &cx.store().snapshot(), &request.client_certificate_id)
}

async fn list(
    _: &ApiGateway,
    cx: &Context,
    request: GetClientCertificatesRequest,
) -> Result<ClientCertificates, Error> {
    let place = Place::of_account(cx);
    let snapshot = cx.store().snapshot();
    let (items, position) = place.page_where(&snapshot, "", request.position.as_deref(), request.limit, |_| true)?;
    Ok(ClientCertificates { items: Some(items), position })
}

async fn update(
    _: &ApiGateway,
    cx: &Context,
    request: UpdateClientCertificateRequest,
) -> Result<ClientCertificate, Error> {
    cx.store().write(|tx| {
        let mut changed = find(cx, tx, &request.client_certificate_id)?;
        let operations = request.patch_operations.as_deref().unwrap_or_default();
        patch::apply(&mut changed, operations, &Paths::members(&["/description"]), |certificate, path| {
            (path == ["description"]).then_some(Slot::Text(&mut certificate.description))
        })?;
        Place::of_account(cx).put(tx, &request.client_certificate_id, &changed);
        Ok(changed)
    })
}

async fn delete(_: &ApiGateway, cx: &Context, request: DeleteClientCertificateRequest) -> Result<wire::Unit, Error> {
    cx.store().write(|tx| {
        let id = &request.client_certificate_id;
        find(cx, tx, id)?;
        let stages: Vec<Stage> = Place::all_of_account(cx, tx)?;
        if stages.iter().any(|stage| stage.client_certificate_id.as_ref() == Some(id)) {
            return Err(Error::BadRequest(format!(
                "Client certificate {id} is in use by a stage and cannot be deleted"
            )));
        }
        let place = Place::of_account(cx);
        place.delete::<ClientCertificate>(tx, id);
        place.delete_client_key(tx, id);
        Ok(wire::Unit::default())
    })
}
