//! Custom domain names. The authority of this cloud vouches for them whatever certificate is named.

use super::{arn, rest_api::check_api_tags};
use crate::{
    ApiGateway,
    error::Error,
    patch::{self, Paths, Slot},
    store::page_limit,
};
use apigateway_api::*;
use execute_api::domain::{self, Domain, Domains, Endpoint};
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
    let endpoints = domain.endpoints();
    let mut out = DomainName {
        domain_name_arn: Some(arn(cx, format!("/domainnames/{}", domain.name))),
        certificate_upload_date: Some(domain.created()),
        domain_name: Some(domain.name),
        endpoint_configuration: Some(EndpointConfiguration {
            types: Some(endpoints.iter().map(|endpoint| EndpointType::from(endpoint.kind.as_str())).collect()),
            ip_address_type: Some(IpAddressType::Ipv4),
            ..EndpointConfiguration::default()
        }),
        domain_name_status: Some(DomainNameStatus::Available),
        security_policy: Some(SecurityPolicy::from(domain.security_policy.as_str())),
        tags: Some(domain.tags),
        routing_mode: Some(RoutingMode::BasePathMappingOnly),
        ..DomainName::default()
    };
    for endpoint in endpoints {
        if endpoint.kind == "EDGE" {
            out.certificate_arn = endpoint.certificate_arn;
            out.certificate_name = endpoint.certificate_name;
            out.distribution_domain_name = Some(endpoint.target);
            out.distribution_hosted_zone_id = Some(endpoint.zone);
        } else {
            out.regional_certificate_arn = endpoint.certificate_arn;
            out.regional_certificate_name = endpoint.certificate_name;
            out.regional_domain_name = Some(endpoint.target);
            out.regional_hosted_zone_id = Some(endpoint.zone);
        }
    }
    out
}

async fn get(_: &ApiGateway, cx: &Context, request: GetDomainNameRequest) -> Result<DomainName, Error> {
    let found = domains(cx).get(&cx.store().snapshot(), &request.domain_name)?;
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
    add: &[
        "/certificateArn",
        "/certificateName",
        "/endpointConfiguration/types",
        "/regionalCertificateArn",
        "/regionalCertificateName",
    ],
    replace: &[
        "/certificateArn",
        "/certificateName",
        "/endpointConfiguration/types/{type}",
        "/regionalCertificateArn",
        "/regionalCertificateName",
        "/securityPolicy",
    ],
    remove: &["/endpointConfiguration/types"],
};

/// What a patch can change of a domain: its kinds of endpoints, and the certificates of each.
struct Changes {
    types: Option<Vec<String>>,
    edge: Certificate,
    regional: Certificate,
    security_policy: String,
}

#[derive(Default)]
struct Certificate {
    arn: Option<String>,
    name: Option<String>,
}

impl Changes {
    fn of(domain: &Domain) -> Self {
        let endpoints = domain.endpoints();
        let certificate = |kind: &str| {
            let found = endpoints.iter().find(|endpoint| endpoint.kind == kind);
            found.map_or_else(Certificate::default, |endpoint| Certificate {
                arn: endpoint.certificate_arn.clone(),
                name: endpoint.certificate_name.clone(),
            })
        };
        Self {
            types: Some(endpoints.iter().map(|endpoint| endpoint.kind.clone()).collect()),
            edge: certificate("EDGE"),
            regional: certificate("REGIONAL"),
            security_policy: domain.security_policy.clone(),
        }
    }

    /// The endpoints that are wanted; those that were there keep their targets.
    fn endpoints(self, cx: &Context, domain: &Domain) -> Result<Vec<Endpoint>, Error> {
        let wanted = self.types.unwrap_or_default();
        let known = |kind: &String| ["EDGE", "REGIONAL"].contains(&kind.as_str());
        if wanted.is_empty() || wanted.len() > 2 || !wanted.iter().all(known) {
            return Err(Error::BadRequest("Invalid endpoint type specified".to_owned()));
        }
        let old = domain.endpoints();
        let mut certificates = [("EDGE", self.edge), ("REGIONAL", self.regional)];
        let endpoint = |kind: &String| {
            let made = || Endpoint::new(kind, cx.region(), &cx.random().lower_alphanumeric(10));
            let mut endpoint = old.iter().find(|endpoint| endpoint.kind == *kind).cloned().unwrap_or_else(made);
            if let Some((_, certificate)) = certificates.iter_mut().find(|(known, _)| known == kind) {
                endpoint.certificate_arn = certificate.arn.take();
                endpoint.certificate_name = certificate.name.take();
            }
            endpoint
        };
        Ok(wanted.iter().map(endpoint).collect())
    }
}

fn slot<'a>(changes: &'a mut Changes, path: &[&str]) -> Option<Slot<'a>> {
    Some(match path {
        ["certificateArn"] => Slot::Text(&mut changes.edge.arn),
        ["certificateName"] => Slot::Text(&mut changes.edge.name),
        ["regionalCertificateArn"] => Slot::Text(&mut changes.regional.arn),
        ["regionalCertificateName"] => Slot::Text(&mut changes.regional.name),
        ["securityPolicy"] => Slot::Set(Box::new(|value| {
            value.unwrap_or("TLS_1_2").clone_into(&mut changes.security_policy);
            matches!(value, None | Some("TLS_1_0" | "TLS_1_2"))
        })),
        ["endpointConfiguration", "types"] => Slot::List(&mut changes.types),
        ["endpointConfiguration", "types", kind] => Slot::Element(&mut changes.types, (*kind).to_owned()),
        _ => return None,
    })
}

async fn update(_: &ApiGateway, cx: &Context, request: UpdateDomainNameRequest) -> Result<DomainName, Error> {
    cx.store().write(|tx| {
        let mut changed = domains(cx).get(tx, &request.domain_name)?.ok_or_else(missing)?;
        let mut changes = Changes::of(&changed);
        patch::apply(&mut changes, request.patch_operations.as_deref().unwrap_or_default(), PATHS, slot)?;
        changes.security_policy.clone_into(&mut changed.security_policy);
        changed.set_endpoints(changes.endpoints(cx, &changed)?);
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
