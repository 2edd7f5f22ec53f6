//! OpenID Connect providers: whose tokens `AssumeRoleWithWebIdentity` takes.

use iam_api::{
    CreateOpenIDConnectProvider, CreateOpenIDConnectProviderRequest, CreateOpenIDConnectProviderResponse,
    DeleteOpenIDConnectProvider, DeleteOpenIDConnectProviderRequest, GetOpenIDConnectProvider,
    GetOpenIDConnectProviderRequest, GetOpenIDConnectProviderResponse, ListOpenIDConnectProviders,
    ListOpenIDConnectProvidersRequest, ListOpenIDConnectProvidersResponse, OpenIDConnectProviderListEntry,
};
use service::{Context, Range, Timestamp, from_record, operation};
use wire::Unit;

use super::{change, show_tags, to_tags};
use crate::entity::OidcProvider;
use crate::store::{all, get, load, remove, save};
use crate::{Error, Iam};

fn arn_of(account: &str, host: &str) -> String {
    format!("arn:aws:iam::{account}:oidc-provider/{host}")
}

fn host_in(arn: &str) -> &str {
    arn.split_once(":oidc-provider/").map_or("", |(_, host)| host)
}

fn missing(arn: &str) -> Error {
    Error::NoSuchEntity(format!("OpenIDConnect Provider not found for arn {arn}"))
}

/// The issuer without its scheme. AWS takes `https` only; a provider on this machine may use plain `http`.
fn host_of(url: &str) -> Result<String, Error> {
    let host = url.strip_prefix("https://").or_else(|| {
        let host = url.strip_prefix("http://")?;
        (host.starts_with("127.0.0.1") || host.starts_with("localhost")).then_some(host)
    });
    let host = host.map(|host| host.trim_end_matches('/')).filter(|host| !host.is_empty());
    host.map(str::to_owned).ok_or_else(|| Error::Validation("Invalid Open ID Connect Provider URL".to_owned()))
}

operation! {
    Iam, CreateOpenIDConnectProvider,
    action: "iam:CreateOpenIDConnectProvider" on |cx, request| {
        arn_of(cx.account(), &host_of(&request.url).unwrap_or_default())
    },
    handler: create_open_id_connect_provider
}

async fn create_open_id_connect_provider(
    iam: &Iam,
    cx: &Context,
    request: CreateOpenIDConnectProviderRequest,
) -> Result<CreateOpenIDConnectProviderResponse, Error> {
    let provider = OidcProvider {
        host: host_of(&request.url)?,
        created: cx.now().millis(),
        client_ids: request.client_id_list.unwrap_or_default(),
        thumbprints: request.thumbprint_list.unwrap_or_default(),
        tags: to_tags(request.tags)?,
    };
    change(iam, cx, |tx| {
        if load::<OidcProvider>(tx, cx.account(), &provider.host)?.is_some() {
            return Err(Error::EntityAlreadyExists(format!("Provider with url {} already exists.", request.url)));
        }
        Ok(save(tx, cx.account(), &provider)?)
    })?;
    Ok(CreateOpenIDConnectProviderResponse {
        open_id_connect_provider_arn: Some(arn_of(cx.account(), &provider.host)),
        tags: show_tags(&provider.tags),
    })
}

operation! {
    Iam, GetOpenIDConnectProvider,
    action: "iam:GetOpenIDConnectProvider" on |_, request| request.open_id_connect_provider_arn.clone(),
    handler: get_open_id_connect_provider
}

async fn get_open_id_connect_provider(
    _: &Iam,
    cx: &Context,
    request: GetOpenIDConnectProviderRequest,
) -> Result<GetOpenIDConnectProviderResponse, Error> {
    let arn = &request.open_id_connect_provider_arn;
    let provider = get::<OidcProvider>(&cx.store().snapshot(), cx.account(), host_in(arn))?;
    let provider = provider.ok_or_else(|| missing(arn))?;
    Ok(GetOpenIDConnectProviderResponse {
        tags: show_tags(&provider.tags),
        create_date: Some(Timestamp::from_millis(provider.created)),
        url: Some(provider.host),
        client_id_list: Some(provider.client_ids),
        thumbprint_list: Some(provider.thumbprints),
    })
}

operation! {
    Iam, ListOpenIDConnectProviders,
    action: "iam:ListOpenIDConnectProviders" on |_, _| "*",
    handler: list_open_id_connect_providers
}

async fn list_open_id_connect_providers(
    _: &Iam,
    cx: &Context,
    _: ListOpenIDConnectProvidersRequest,
) -> Result<ListOpenIDConnectProvidersResponse, Error> {
    let mut list = Vec::new();
    let range: Range = all::<OidcProvider>(cx.account());
    for entry in cx.store().scan(range) {
        let provider: OidcProvider = from_record(&entry?.1)?;
        list.push(OpenIDConnectProviderListEntry { arn: Some(arn_of(cx.account(), &provider.host)) });
    }
    Ok(ListOpenIDConnectProvidersResponse { open_id_connect_provider_list: Some(list) })
}

operation! {
    Iam, DeleteOpenIDConnectProvider,
    action: "iam:DeleteOpenIDConnectProvider" on |_, request| request.open_id_connect_provider_arn.clone(),
    handler: delete_open_id_connect_provider
}

async fn delete_open_id_connect_provider(
    iam: &Iam,
    cx: &Context,
    request: DeleteOpenIDConnectProviderRequest,
) -> Result<Unit, Error> {
    let arn = &request.open_id_connect_provider_arn;
    change(iam, cx, |tx| {
        load::<OidcProvider>(tx, cx.account(), host_in(arn))?.ok_or_else(|| missing(arn))?;
        remove::<OidcProvider>(tx, cx.account(), host_in(arn));
        Ok(())
    })?;
    Ok(Unit {})
}
