//! Custom domain names. The authority of this cloud vouches for them whatever certificate is named.

use super::{arn, rest_api::check_api_tags};
use crate::{
    ApiGateway,
    error::Error,
    patch::{self, Paths, Slot},
    store::page_limit,
};
use apigateway_api::*;
use execute_api::domain::{self, Domain, Domains};
use service::{Context, Page, decode_token, encode_token, operation};

operation! { ApiGateway, CreateDomainName, action: "apigateway:POST" on |cx, _| arn(cx, "/domainnames"), handler: create }
operation! { ApiGateway, GetDomainName, action: "apigateway:GET" on |cx, r| arn(cx, format!("/domainnames/{}", r.domain_name)), handler: get }
operation! { ApiGateway, GetDomainNames, action: "apigateway:GET" on |cx, _| arn(cx, "/domainnames"), handler: list }
operation! { ApiGateway, UpdateDomainName, action: "apigateway:PATCH" on |cx, r| arn(cx, format!("/domainnames/{}", r.domain_name)), handler: update }
operation! { ApiGateway, DeleteDomainName, action: "apigateway:DELETE" on |cx, r| arn(cx, format!("/domainnames/{}", r.domain_name)), handler: delete }

pub fn domains(cx: &Context) -> Domains<'_> {
    Domains { account: cx.account(), region: cx.region() }
}

pub fn missing() -> Error {
    Error::NotFound("Invalid domain name identifier specified".to_owned())
}

async fn create(_: &ApiGateway, cx: &Context, request: CreateDomainNameRequest) -> Result<DomainName, Error> {
    if !domain::valid(&request.domain_name) {
        return Err(Error::BadRequest("Invalid domain name specified".to_owned()));
    }
    check_api_tags(request.tags.as_ref())?;
    if request.mutual_tls_authentication.is_some() {
        return Err(Error::NotImplemented("Mutual TLS is not implemented.".to_owned()));
    }
    let types = request.endpoint_configuration.and_then(|configuration| configuration.types).unwrap_or_default();
    if types.contains(&EndpointType::Private) {
        return Err(Error::NotImplemented("Private custom domain names are not implemented.".to_owned()));
    }
    if types.len() > 1 {
        return Err(Error::BadRequest("Only a single endpoint type is allowed".to_owned()));
    }
    let regional = types.contains(&EndpointType::Regional) || request.regional_certificate_arn.is_some();
    let label = cx.random().lower_alphanumeric(10);
    let mut made = Domain::new(&request.domain_name, !regional, cx.region(), &label, cx.now());
    made.certificate_arn = request.regional_certificate_arn.or(request.certificate_arn);
    made.certificate_name = request.regional_certificate_name.or(request.certificate_name);
    made.tags = request.tags.unwrap_or_default();
    if let Some(policy) = request.security_policy {
        policy.as_str().clone_into(&mut made.security_policy);
    }
    cx.store().write(|tx| {
        let known = domains(cx).get(tx, &made.name)?.is_some();
        if known || !domains(cx).put(tx, &made)? {
            return Err(Error::BadRequest("The domain name you provided already exists.".to_owned()));
        }
        Ok(shown(cx, made))
    })
}

/// A domain as this API shows it.
fn shown(cx: &Context, domain: Domain) -> DomainName {
    let edge = domain.endpoint == "EDGE";
    let created = domain.created();
    let base = DomainName {
        domain_name: Some(domain.name.clone()),
        domain_name_arn: Some(arn(cx, format!("/domainnames/{}", domain.name))),
        certificate_upload_date: Some(created),
        endpoint_configuration: Some(EndpointConfiguration {
            types: Some(vec![EndpointType::from(domain.endpoint.as_str())]),
            ip_address_type: Some(IpAddressType::Ipv4),
            ..EndpointConfiguration::default()
        }),
        domain_name_status: Some(DomainNameStatus::Available),
        security_policy: Some(SecurityPolicy::from(domain.security_policy.as_str())),
        tags: Some(domain.tags),
        routing_mode: Some(RoutingMode::BasePathMappingOnly),
        ..DomainName::default()
    };
    if edge {
        return DomainName {
            certificate_arn: domain.certificate_arn,
            certificate_name: domain.certificate_name,
            distribution_domain_name: Some(domain.target),
            distribution_hosted_zone_id: Some(domain.zone),
            ..base
        };
    }
    DomainName {
        regional_certificate_arn: domain.certificate_arn,
        regional_certificate_name: domain.certificate_name,
        regional_domain_name: Some(domain.target),
        regional_hosted_zone_id: Some(domain.zone),
        ..base
    }
}

async fn get(_: &ApiGateway, cx: &Context, request: GetDomainNameRequest) -> Result<DomainName, Error> {
    let found = domains(cx).find(&cx.store().snapshot(), &request.domain_name)?;
    Ok(shown(cx, found.ok_or_else(missing)?))
}

async fn list(_: &ApiGateway, cx: &Context, request: GetDomainNamesRequest) -> Result<DomainNames, Error> {
    let invalid = || Error::BadRequest("Invalid position parameter".to_owned());
    let after = request.position.as_deref().map(|position| decode_token(position).ok_or_else(invalid)).transpose()?;
    let read = |_: &service::Bytes, value: &service::Bytes| {
        let domain: Domain = service::from_record(value)?;
        Ok(Some(shown(cx, domain)))
    };
    let limit = page_limit(request.limit)?;
    let page = Page::read::<Error>(&cx.store().snapshot(), domains(cx).range(), after.as_deref(), limit, read)?;
    Ok(DomainNames { items: Some(page.items), position: page.next.map(|key| encode_token(&key)) })
}

const PATHS: &Paths = &Paths {
    // A migration between kinds of endpoints adds the certificate of the other kind.
    add: &["/certificateArn", "/certificateName", "/regionalCertificateArn", "/regionalCertificateName"],
    replace: &[
        "/certificateArn",
        "/certificateName",
        "/endpointConfiguration/types/{type}",
        "/regionalCertificateArn",
        "/regionalCertificateName",
        "/securityPolicy",
    ],
    remove: &[],
};

fn slot<'a>(domain: &'a mut Domain, path: &[&str]) -> Option<Slot<'a>> {
    Some(match path {
        ["certificateArn" | "regionalCertificateArn"] => Slot::Text(&mut domain.certificate_arn),
        ["certificateName" | "regionalCertificateName"] => Slot::Text(&mut domain.certificate_name),
        ["securityPolicy"] => Slot::Set(Box::new(|value| {
            value.unwrap_or("TLS_1_2").clone_into(&mut domain.security_policy);
            matches!(value, None | Some("TLS_1_0" | "TLS_1_2"))
        })),
        ["endpointConfiguration", "types", ..] => Slot::Set(Box::new(|value| {
            value.unwrap_or_default().clone_into(&mut domain.endpoint);
            matches!(value, Some("EDGE" | "REGIONAL"))
        })),
        _ => return None,
    })
}

async fn update(_: &ApiGateway, cx: &Context, request: UpdateDomainNameRequest) -> Result<DomainName, Error> {
    cx.store().write(|tx| {
        let mut changed = domains(cx).get(tx, &request.domain_name)?.ok_or_else(missing)?;
        patch::apply(&mut changed, request.patch_operations.as_deref().unwrap_or_default(), PATHS, slot)?;
        domains(cx).put(tx, &changed)?;
        Ok(shown(cx, changed))
    })
}

async fn delete(_: &ApiGateway, cx: &Context, request: DeleteDomainNameRequest) -> Result<wire::Unit, Error> {
    cx.store().write(|tx| {
        domains(cx).get(tx, &request.domain_name)?.ok_or_else(missing)?;
        domains(cx).delete(tx, &request.domain_name)?;
        Ok(wire::Unit::default())
    })
}
