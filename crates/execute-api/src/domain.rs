//! Custom domain names and what their paths lead to. Both of API Gateway's services manage the same ones: what one calls a
//! base path mapping is an API mapping to the other.
//!
//! A name belongs to one account and region. The authority of this cloud vouches for every name, whatever certificate is
//! named.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use service::{Key, Range, Snapshot, StoreError, Transaction, from_record, to_record};
use wire::Timestamp;

use crate::record::Reader;

/// A custom domain name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Domain {
    pub name: String,
    pub certificate_arn: Option<String>,
    pub certificate_name: Option<String>,
    /// `EDGE` or `REGIONAL`.
    pub endpoint: String,
    pub security_policy: String,
    /// The name that a DNS record for the domain would point to, and the zone of that name.
    pub target: String,
    pub zone: String,
    /// Seconds.
    pub created: i64,
    pub tags: BTreeMap<String, String>,
    /// The endpoint of the other kind, while the domain moves from one to the other.
    #[serde(default)]
    pub other: Option<Endpoint>,
}

/// One way in to a domain.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Endpoint {
    /// `EDGE` or `REGIONAL`.
    pub kind: String,
    pub certificate_arn: Option<String>,
    pub certificate_name: Option<String>,
    pub target: String,
    pub zone: String,
}

impl Endpoint {
    /// A new endpoint with its target.
    pub fn new(kind: &str, region: &str, label: &str) -> Self {
        let (target, zone) = match kind {
            "EDGE" => (format!("d{label}.cloudfront.net"), "Z2FDTNDATAQYW2"),
            _ => (format!("d-{label}.execute-api.{region}.amazonaws.com"), "Z1UJRXOUMOOFQ8"),
        };
        Self { kind: kind.to_owned(), target, zone: zone.to_owned(), ..Self::default() }
    }
}

/// What a path of a domain leads to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Mapping {
    pub id: String,
    /// The beginning of the path, without slashes around it; empty for all paths.
    pub key: String,
    pub api: String,
    /// Empty where the path names the stage.
    pub stage: String,
}

/// An account's domains in a region.
#[derive(Clone, Copy)]
pub struct Domains<'a> {
    pub account: &'a str,
    pub region: &'a str,
}

impl Domain {
    /// A new domain with its target.
    pub fn new(name: &str, edge: bool, region: &str, label: &str, now: Timestamp) -> Self {
        let mut made = Self {
            name: name.to_owned(),
            security_policy: "TLS_1_2".to_owned(),
            created: now.secs(),
            ..Self::default()
        };
        made.set_endpoints(vec![Endpoint::new(if edge { "EDGE" } else { "REGIONAL" }, region, label)]);
        made
    }

    /// The ways in: one, or two while the domain moves.
    pub fn endpoints(&self) -> Vec<Endpoint> {
        let first = Endpoint {
            kind: self.endpoint.clone(),
            certificate_arn: self.certificate_arn.clone(),
            certificate_name: self.certificate_name.clone(),
            target: self.target.clone(),
            zone: self.zone.clone(),
        };
        std::iter::once(first).chain(self.other.clone()).collect()
    }

    pub fn set_endpoints(&mut self, endpoints: Vec<Endpoint>) {
        let mut endpoints = endpoints.into_iter();
        if let Some(first) = endpoints.next() {
            self.endpoint = first.kind;
            self.certificate_arn = first.certificate_arn;
            self.certificate_name = first.certificate_name;
            self.target = first.target;
            self.zone = first.zone;
        }
        self.other = endpoints.next();
    }

    pub fn created(&self) -> Timestamp {
        Timestamp::from_secs(self.created)
    }
}

/// Whether a text can be a domain name: labels with dots between them, the first may be `*`.
pub fn valid(name: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let rest = name.strip_prefix("*.").unwrap_or(name);
    name.len() <= 253 && rest.contains('.') && rest.split('.').all(label)
}

impl Domains<'_> {
    fn domain(self) -> Key {
        Key::new("apigateway/domain").text(self.account).text(self.region)
    }

    fn mapping(self, domain: &str) -> Key {
        Key::new("apigateway/mapping").text(self.account).text(self.region).text(domain)
    }

    /// The range of all domains, for pages.
    pub fn range(self) -> Range {
        Range::prefix(self.domain())
    }

    /// The range of a domain's mappings.
    pub fn mappings_range(self, domain: &str) -> Range {
        Range::prefix(self.mapping(domain))
    }

    pub fn get(self, reader: &impl Reader, name: &str) -> Result<Option<Domain>, StoreError> {
        reader.get(self.domain().text(name).as_slice())?.map(|record| from_record(&record)).transpose()
    }

    /// Writes a domain. False where the name belongs to another account or region.
    pub fn put(self, tx: &mut Transaction<'_>, domain: &Domain) -> Result<bool, StoreError> {
        let own = to_record(&(self.account, self.region))?;
        if tx.get(host(&domain.name).as_slice())?.is_some_and(|known| *known != *own) {
            return Ok(false);
        }
        tx.put(host(&domain.name), own);
        tx.put(self.domain().text(&domain.name), to_record(domain)?);
        Ok(true)
    }

    pub fn delete(self, tx: &mut Transaction<'_>, name: &str) -> Result<(), StoreError> {
        tx.delete(host(name));
        tx.delete(self.domain().text(name));
        tx.delete_range(Range::prefix(self.mapping(name)))?;
        Ok(())
    }

    pub fn mappings(self, tx: &mut Transaction<'_>, domain: &str) -> Result<Vec<Mapping>, StoreError> {
        let found = tx.scan(self.mappings_range(domain), usize::MAX)?;
        found.iter().map(|(_, record)| from_record(record)).collect()
    }

    pub fn find_mappings(self, snapshot: &Snapshot, domain: &str) -> Result<Vec<Mapping>, StoreError> {
        snapshot.scan(self.mappings_range(domain)).map(|entry| from_record(&entry?.1)).collect()
    }

    pub fn put_mapping(self, tx: &mut Transaction<'_>, domain: &str, mapping: &Mapping) -> Result<(), StoreError> {
        tx.put(self.mapping(domain).text(&mapping.key), to_record(mapping)?);
        Ok(())
    }

    pub fn delete_mapping(self, tx: &mut Transaction<'_>, domain: &str, key: &str) {
        tx.delete(self.mapping(domain).text(key));
    }
}

fn host(name: &str) -> Key {
    Key::new("apigateway/host").text(name)
}

/// Where a request to a custom domain goes: the API, and the path as its own address would have it.
pub fn resolve(snapshot: &Snapshot, name: &str, path: &str) -> Result<Option<(String, String)>, StoreError> {
    let wildcard = name.split_once('.').map(|(_, rest)| format!("*.{rest}"));
    for name in [Some(name.to_owned()), wildcard].into_iter().flatten() {
        let Some(owner) = snapshot.get(host(&name).as_slice())? else { continue };
        let (account, region): (String, String) = from_record(&owner)?;
        let mappings = Domains { account: &account, region: &region }.find_mappings(snapshot, &name)?;
        return Ok(lead(&mappings, path));
    }
    Ok(None)
}

/// The mapping with the longest key that a path begins with.
fn lead(mappings: &[Mapping], path: &str) -> Option<(String, String)> {
    let rest = |mapping: &Mapping| {
        if mapping.key.is_empty() {
            return Some(path.to_owned());
        }
        let rest = path.strip_prefix('/')?.strip_prefix(mapping.key.as_str())?;
        (rest.is_empty() || rest.starts_with('/')).then(|| rest.to_owned())
    };
    let fitting = mappings.iter().filter_map(|mapping| Some((mapping, rest(mapping)?)));
    let (mapping, rest) = fitting.max_by_key(|(mapping, _)| mapping.key.len())?;
    let path = match mapping.stage.as_str() {
        "" | "$default" => rest,
        stage => format!("/{stage}{rest}"),
    };
    Some((mapping.api.clone(), path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use service::Store;

    fn mapping(key: &str, api: &str, stage: &str) -> Mapping {
        Mapping { id: "m".into(), key: key.into(), api: api.into(), stage: stage.into() }
    }

    #[test]
    fn paths_lead_to_apis() {
        let mappings =
            [mapping("", "root", "v1"), mapping("orders", "a", "dev"), mapping("orders/v2", "b", "$default")];
        let to = |path: &str| lead(&mappings, path).unwrap();
        let expected = |api: &str, path: &str| (api.to_owned(), path.to_owned());
        assert_eq!(to("/users"), expected("root", "/v1/users"));
        assert_eq!(to("/orders/1"), expected("a", "/dev/1"));
        assert_eq!(to("/orders"), expected("a", "/dev"));
        assert_eq!(to("/ordersome"), expected("root", "/v1/ordersome"));
        assert_eq!(to("/orders/v2/1"), expected("b", "/1"));
        assert_eq!(lead(&mappings[1..], "/users"), None);
    }

    #[test]
    fn a_name_belongs_to_one_account() {
        let store = Store::memory();
        let domain = Domain::new("api.example.com", false, "us-east-1", "x", Timestamp::default());
        let put = |account| store.write(|tx| Domains { account, region: "us-east-1" }.put(tx, &domain)).unwrap();
        assert!(put("1") && put("1") && !put("2"));
        let own = Domains { account: "1", region: "us-east-1" };
        store.write(|tx| own.put_mapping(tx, "api.example.com", &mapping("", "a", "s"))).unwrap();
        let found = resolve(&store.snapshot(), "api.example.com", "/x").unwrap();
        assert_eq!(found, Some(("a".to_owned(), "/s/x".to_owned())));
        store.write(|tx| own.delete(tx, "api.example.com")).unwrap();
        assert_eq!(resolve(&store.snapshot(), "api.example.com", "/x").unwrap(), None);
    }

    #[test]
    fn names_are_checked() {
        for name in ["api.example.com", "*.example.com", "a-b.c"] {
            assert!(valid(name), "{name}");
        }
        for name in ["", "localhost", "-a.b", "a..b", "A.b", "*.*.x"] {
            assert!(!valid(name), "{name}");
        }
    }
}
