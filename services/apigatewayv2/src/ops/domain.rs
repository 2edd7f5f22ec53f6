//! Custom domain names and their API mappings. REST APIs know the same domains as base path mappings.

use super::{arn, check};
use crate::{
    ApiGatewayV2,
    error::{Error, bad},
    record::convert,
    store::{Paging, page_of},
};
use apigatewayv2_api::*;
use execute_api::{
    domain::{self, Domain, Domains, Endpoint, Mapping},
    site,
};
use service::{Context, Transaction, operation};

operation! { ApiGatewayV2, CreateDomainName, action: "apigateway:POST" on |cx, _| arn(cx, "/domainnames"), handler: create }
operation! { ApiGatewayV2, GetDomainName, action: "apigateway:GET" on |cx, r| arn(cx, format!("/domainnames/{}", r.domain_name)), handler: get }
operation! { ApiGatewayV2, GetDomainNames, action: "apigateway:GET" on |cx, _| arn(cx, "/domainnames"), handler: list }
operation! { ApiGatewayV2, UpdateDomainName, action: "apigateway:PATCH" on |cx, r| arn(cx, format!("/domainnames/{}", r.domain_name)), handler: update }
operation! { ApiGatewayV2, DeleteDomainName, action: "apigateway:DELETE" on |cx, r| arn(cx, format!("/domainnames/{}", r.domain_name)), handler: delete }
operation! { ApiGatewayV2, CreateApiMapping, action: "apigateway:POST" on |cx, r| arn(cx, format!("/domainnames/{}/apimappings", r.domain_name)), handler: create_mapping }
operation! { ApiGatewayV2, GetApiMapping, action: "apigateway:GET" on |cx, r| arn(cx, format!("/domainnames/{}/apimappings/{}", r.domain_name, r.api_mapping_id)), handler: get_mapping }
operation! { ApiGatewayV2, GetApiMappings, action: "apigateway:GET" on |cx, r| arn(cx, format!("/domainnames/{}/apimappings", r.domain_name)), handler: list_mappings }
operation! { ApiGatewayV2, UpdateApiMapping, action: "apigateway:PATCH" on |cx, r| arn(cx, format!("/domainnames/{}/apimappings/{}", r.domain_name, r.api_mapping_id)), handler: update_mapping }
operation! { ApiGatewayV2, DeleteApiMapping, action: "apigateway:DELETE" on |cx, r| arn(cx, format!("/domainnames/{}/apimappings/{}", r.domain_name, r.api_mapping_id)), handler: delete_mapping }

fn domains(cx: &Context) -> Domains<'_> {
    Domains { account: cx.account(), region: cx.region() }
}

pub fn missing() -> Error {
    Error::NotFound("The domain name resource specified in the request was not found.".to_owned())
}

fn missing_mapping() -> Error {
    Error::NotFound("The resource specified in the request was not found.".to_owned())
}

async fn create(
    _: &ApiGatewayV2,
    cx: &Context,
    request: CreateDomainNameRequest,
) -> Result<CreateDomainNameResponse, Error> {
    if !domain::valid(&request.domain_name) {
        return bad("Invalid domain name specified");
    }
    check(request.tags.as_ref())?;
    if request.mutual_tls_authentication.is_some() {
        return Err(Error::NotImplemented("Mutual TLS is not implemented.".to_owned()));
    }
    if !matches!(request.routing_mode, None | Some(RoutingMode::ApiMappingOnly)) {
        return Err(Error::NotImplemented("Routing rules are not implemented.".to_owned()));
    }
    let label = cx.random().lower_alphanumeric(10);
    let mut made = Domain::new(&request.domain_name, false, cx.region(), &label, cx.now());
    configure(&mut made, request.domain_name_configurations)?;
    made.tags = request.tags.unwrap_or_default();
    cx.store().write(|tx| {
        let known = domains(cx).get(tx, &made.name)?.is_some();
        if known || !domains(cx).put(tx, &made)? {
            return Err(Error::Conflict("The domain name you provided already exists.".to_owned()));
        }
        convert(&shown(cx, made))
    })
}

fn configure(domain: &mut Domain, configurations: Option<Vec<DomainNameConfiguration>>) -> Result<(), Error> {
    let mut configurations = configurations.unwrap_or_default();
    if configurations.len() > 1 {
        return bad("Only one DomainNameConfiguration is supported");
    }
    let Some(configuration) = configurations.pop() else { return Ok(()) };
    if configuration.endpoint_type == Some(EndpointType::Edge) {
        return bad("Endpoint type EDGE is not supported by HTTP and WebSocket APIs");
    }
    domain.certificate_arn = configuration.certificate_arn.or(domain.certificate_arn.take());
    domain.certificate_name = configuration.certificate_name.or(domain.certificate_name.take());
    if let Some(policy) = configuration.security_policy {
        policy.as_str().clone_into(&mut domain.security_policy);
    }
    Ok(())
}

/// A domain as this API shows it.
fn shown(cx: &Context, domain: Domain) -> DomainName {
    let created = domain.created();
    let policy = SecurityPolicy::from(domain.security_policy.as_str());
    let configuration = |endpoint: Endpoint| DomainNameConfiguration {
        api_gateway_domain_name: Some(endpoint.target),
        certificate_arn: endpoint.certificate_arn,
        certificate_name: endpoint.certificate_name,
        certificate_upload_date: Some(created),
        domain_name_status: Some(DomainNameStatus::Available),
        endpoint_type: Some(EndpointType::from(endpoint.kind.as_str())),
        hosted_zone_id: Some(endpoint.zone),
        ip_address_type: Some(IpAddressType::Ipv4),
        security_policy: Some(policy.clone()),
        ..DomainNameConfiguration::default()
    };
    let configurations = domain.endpoints().into_iter().map(configuration).collect();
    DomainName {
        api_mapping_selection_expression: Some("$request.basepath".to_owned()),
        domain_name_arn: Some(arn(cx, format!("/domainnames/{}", domain.name))),
        domain_name: domain.name,
        domain_name_configurations: Some(configurations),
        routing_mode: Some(RoutingMode::ApiMappingOnly),
        tags: Some(domain.tags),
        ..DomainName::default()
    }
}

async fn get(_: &ApiGatewayV2, cx: &Context, request: GetDomainNameRequest) -> Result<GetDomainNameResponse, Error> {
    let found = domains(cx).get(&cx.store().snapshot(), &request.domain_name)?;
    convert(&shown(cx, found.ok_or_else(missing)?))
}

async fn list(_: &ApiGatewayV2, cx: &Context, request: GetDomainNamesRequest) -> Result<GetDomainNamesResponse, Error> {
    let paging = Paging { limit: request.max_results.as_deref(), token: request.next_token.as_deref() };
    let (found, next_token) =
        page_of(&cx.store().snapshot(), domains(cx).range(), paging, service::from_record::<Domain>)?;
    Ok(GetDomainNamesResponse { items: Some(found.into_iter().map(|one| shown(cx, one)).collect()), next_token })
}

async fn update(
    _: &ApiGatewayV2,
    cx: &Context,
    request: UpdateDomainNameRequest,
) -> Result<UpdateDomainNameResponse, Error> {
    cx.store().write(|tx| {
        let mut changed = domains(cx).get(tx, &request.domain_name)?.ok_or_else(missing)?;
        configure(&mut changed, request.domain_name_configurations)?;
        domains(cx).put(tx, &changed)?;
        convert(&shown(cx, changed))
    })
}

async fn delete(_: &ApiGatewayV2, cx: &Context, request: DeleteDomainNameRequest) -> Result<wire::Unit, Error> {
    cx.store().write(|tx| {
        domains(cx).get(tx, &request.domain_name)?.ok_or_else(missing)?;
        domains(cx).delete(tx, &request.domain_name)?;
        Ok(wire::Unit::default())
    })
}

fn shown_mapping(mapping: Mapping) -> ApiMapping {
    ApiMapping {
        api_id: mapping.api,
        api_mapping_id: Some(mapping.id),
        api_mapping_key: Some(mapping.key),
        stage: mapping.stage,
    }
}

/// A mapping must lead to an API of this account and a stage that is there.
fn check_mapping(cx: &Context, tx: &Transaction<'_>, mapping: &Mapping) -> Result<(), Error> {
    let key = mapping.key.as_str();
    let allowed = |c: char| c.is_ascii_alphanumeric() || "$-_.+!*'()/".contains(c);
    if !key.chars().all(allowed) || key.starts_with('/') || key.ends_with('/') || key.contains("//") {
        return bad("Invalid ApiMappingKey specified");
    }
    let stage = match site::find(tx, &mapping.api)? {
        Some(site) if site.account == cx.account() && site.region == cx.region() => {
            let kind = if site.kind == site::Kind::Rest { "apigateway/stage" } else { "apigatewayv2/stage" };
            let key = service::Key::new(kind).text(cx.account()).text(cx.region()).text(&mapping.api);
            tx.get(key.text(&mapping.stage).as_slice())?
        }
        _ => return bad("Invalid API identifier specified"),
    };
    if stage.is_none() { bad("Invalid stage identifier specified") } else { Ok(()) }
}

async fn create_mapping(
    _: &ApiGatewayV2,
    cx: &Context,
    request: CreateApiMappingRequest,
) -> Result<CreateApiMappingResponse, Error> {
    let domain = &request.domain_name;
    cx.store().write(|tx| {
        domains(cx).get(tx, domain)?.ok_or_else(missing)?;
        let mapping = Mapping {
            id: cx.random().lower_alphanumeric(6),
            key: request.api_mapping_key.unwrap_or_default(),
            api: request.api_id,
            stage: request.stage,
        };
        check_mapping(cx, tx, &mapping)?;
        if domains(cx).mappings(tx, domain)?.iter().any(|known| known.key == mapping.key) {
            return Err(Error::Conflict("ApiMapping key already exists for this domain name".to_owned()));
        }
        domains(cx).put_mapping(tx, domain, &mapping)?;
        convert(&shown_mapping(mapping))
    })
}

async fn get_mapping(
    _: &ApiGatewayV2,
    cx: &Context,
    request: GetApiMappingRequest,
) -> Result<GetApiMappingResponse, Error> {
    let snapshot = cx.store().snapshot();
    domains(cx).get(&snapshot, &request.domain_name)?.ok_or_else(missing)?;
    let all = domains(cx).find_mappings(&snapshot, &request.domain_name)?;
    let found = all.into_iter().find(|mapping| mapping.id == request.api_mapping_id);
    convert(&shown_mapping(found.ok_or_else(missing_mapping)?))
}

async fn list_mappings(
    _: &ApiGatewayV2,
    cx: &Context,
    request: GetApiMappingsRequest,
) -> Result<GetApiMappingsResponse, Error> {
    let snapshot = cx.store().snapshot();
    domains(cx).get(&snapshot, &request.domain_name)?.ok_or_else(missing)?;
    let paging = Paging { limit: request.max_results.as_deref(), token: request.next_token.as_deref() };
    let range = domains(cx).mappings_range(&request.domain_name);
    let (found, next_token) = page_of(&snapshot, range, paging, service::from_record::<Mapping>)?;
    Ok(GetApiMappingsResponse { items: Some(found.into_iter().map(shown_mapping).collect()), next_token })
}

async fn update_mapping(
    _: &ApiGatewayV2,
    cx: &Context,
    request: UpdateApiMappingRequest,
) -> Result<UpdateApiMappingResponse, Error> {
    let domain = &request.domain_name;
    cx.store().write(|tx| {
        domains(cx).get(tx, domain)?.ok_or_else(missing)?;
        let all = domains(cx).mappings(tx, domain)?;
        let old = all.iter().find(|mapping| mapping.id == request.api_mapping_id).ok_or_else(missing_mapping)?;
        let new = Mapping {
            id: old.id.clone(),
            key: request.api_mapping_key.unwrap_or_else(|| old.key.clone()),
            api: request.api_id,
            stage: request.stage.unwrap_or_else(|| old.stage.clone()),
        };
        check_mapping(cx, tx, &new)?;
        if new.key != old.key && all.iter().any(|known| known.key == new.key) {
            return Err(Error::Conflict("ApiMapping key already exists for this domain name".to_owned()));
        }
        domains(cx).delete_mapping(tx, domain, &old.key);
        domains(cx).put_mapping(tx, domain, &new)?;
        convert(&shown_mapping(new))
    })
}

async fn delete_mapping(_: &ApiGatewayV2, cx: &Context, request: DeleteApiMappingRequest) -> Result<wire::Unit, Error> {
    let domain = &request.domain_name;
    cx.store().write(|tx| {
        domains(cx).get(tx, domain)?.ok_or_else(missing)?;
        let all = domains(cx).mappings(tx, domain)?;
        let old = all.iter().find(|mapping| mapping.id == request.api_mapping_id).ok_or_else(missing_mapping)?;
        domains(cx).delete_mapping(tx, domain, &old.key);
        Ok(wire::Unit::default())
    })
}
