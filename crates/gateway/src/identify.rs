//! Which service and operation a request is for.
//!
//! In order of trust: the service of the signature, the host, `X-Amz-Target`, the query API's version, and S3 for what
//! is left, as S3 is the only service that anonymous requests without further marks are for.

use std::collections::HashMap;
use std::sync::Arc;

use http::HeaderMap;
use http::request::Parts;
use service::Service;
use wire::protocol::{Labels, Router};
use wire::{OperationModel, Protocol, ServiceModel};

/// The suffixes under which the cloud answers as AWS does.
const DOMAINS: &[&str] = &[".amazonaws.com", ".localhost.localstack.cloud", ".localhost"];

/// What the host of a request says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Host {
    pub service: Option<String>,
    pub region: Option<String>,
    /// Virtual-host style: the bucket in front of S3's own name.
    pub bucket: Option<String>,
}

/// Reads a host without its port.
pub(crate) fn read_host(host: &str) -> Host {
    let Some(name) = DOMAINS.iter().find_map(|domain| host.strip_suffix(domain)) else { return Host::default() };
    let is_region = |text: &str| text.split('-').count() >= 3 && text.ends_with(|c: char| c.is_ascii_digit());
    let labels: Vec<&str> = name.split('.').collect();
    if let Some(host) = express(&labels) {
        return host;
    }
    // S3: [bucket.]s3[.dualstack][.region] and [bucket.]s3-region
    let s3 = labels.iter().rposition(|label| *label == "s3" || label.strip_prefix("s3-").is_some_and(is_region));
    if let Some(at) = s3
        && labels[at + 1..].iter().all(|label| *label == "dualstack" || is_region(label))
    {
        let region = labels[at].strip_prefix("s3-").or(labels[at + 1..].last().copied());
        return Host {
            service: Some("s3".to_owned()),
            region: region.filter(|region| is_region(region)).map(str::to_owned),
            bucket: (at > 0).then(|| labels[..at].join(".")),
        };
    }
    match labels.as_slice() {
        [service, region] if is_region(region) => {
            Host { service: Some((*service).to_owned()), region: Some((*region).to_owned()), bucket: None }
        }
        [service] => Host { service: Some((*service).to_owned()), region: None, bucket: None },
        _ => Host::default(),
    }
}

/// The end of a directory bucket's name.
const EXPRESS: &str = "--x-s3";

/// S3 Express: `bucket.s3express-zone.region`, `s3express-control.region`, and a bucket before whatever the cloud is
/// reached by, as its SDKs write it.
fn express(labels: &[&str]) -> Option<Host> {
    let (bucket, endpoint) = match labels {
        [bucket, endpoint @ ..] if bucket.ends_with(EXPRESS) => (Some((*bucket).to_owned()), endpoint),
        endpoint => (None, endpoint),
    };
    let own = endpoint.first().is_some_and(|first| first.starts_with("s3express-"));
    if !own && (bucket.is_none() || !matches!(endpoint, [] | ["s3"])) {
        return None;
    }
    let region = endpoint.get(1).filter(|_| own).map(|region| (*region).to_owned());
    Some(Host { service: Some("s3express".to_owned()), region, bucket })
}

/// The services of a cloud, found by every name that a request may use.
pub(crate) struct Directory {
    services: Vec<(Arc<dyn Service>, Option<Router>)>,
    /// Several services may be signed for under one name; the target or the path tells them apart.
    by_signing_name: HashMap<&'static str, Vec<usize>>,
    by_target: HashMap<&'static str, usize>,
}

/// A request's destination.
pub(crate) struct Destination {
    pub service: Arc<dyn Service>,
    pub operation: &'static OperationModel,
    pub protocol: Protocol,
    pub labels: Labels,
}

/// Why there is none.
pub(crate) enum Lost {
    /// No service of this name is here; answered in the protocol of the request.
    Service(String, Protocol),
    /// The service has no such operation.
    Operation(Arc<dyn Service>, Protocol, String),
}

/// What is known of a request before its body was read.
pub(crate) struct Hints<'a> {
    pub parts: &'a Parts,
    pub query: &'a [(String, String)],
    pub host: &'a Host,
    /// Service of the credential scope.
    pub signed_for: Option<&'a str>,
    /// The path that operations are matched against: with the bucket of a virtual host in front.
    pub path: &'a str,
    /// `Action` and `Version` of a form in the body.
    pub form: Option<(&'a str, &'a str)>,
}

impl Directory {
    pub(crate) fn new(services: impl Iterator<Item = Arc<dyn Service>>) -> Self {
        let mut directory =
            Directory { services: Vec::new(), by_signing_name: HashMap::new(), by_target: HashMap::new() };
        for service in services {
            let model = service.model();
            let index = directory.services.len();
            let rest = model.protocols.iter().any(|p| matches!(p, Protocol::RestJson1 | Protocol::RestXml));
            directory.by_signing_name.entry(model.signing_name).or_default().push(index);
            if model.name != model.signing_name {
                directory.by_signing_name.entry(model.name).or_default().push(index);
            }
            if model.name == "s3" {
                // Directory buckets are signed for under a name of their own.
                directory.by_signing_name.entry("s3express").or_default().push(index);
            }
            if let Some(target) = model.target_prefix {
                directory.by_target.insert(target, index);
            }
            directory.services.push((service, rest.then(|| Router::new(model))));
        }
        directory
    }

    /// The service of a name; of several, the one that has an operation at the request's address, else the one that bears
    /// the name.
    fn named(&self, name: &str, hints: &Hints<'_>) -> Option<usize> {
        let known = self.by_signing_name.get(name)?;
        let serves = |index: &&usize| {
            let (method, headers) = (hints.parts.method.as_str(), &hints.parts.headers);
            let router = self.services.get(**index).and_then(|(_, router)| router.as_ref());
            router.is_some_and(|router| router.route(method, hints.path, hints.query, headers).is_some())
        };
        match known.as_slice() {
            [only] => Some(*only),
            several => {
                let bears =
                    |index: &&usize| self.services.get(**index).is_some_and(|(one, _)| one.model().name == name);
                several.iter().find(serves).or_else(|| several.iter().find(bears)).or(several.first()).copied()
            }
        }
    }

    pub(crate) fn identify(&self, hints: &Hints<'_>) -> Result<Destination, Lost> {
        let headers = &hints.parts.headers;
        let target = header(headers, "x-amz-target").and_then(|target| target.rsplit_once('.'));
        let action = hints.form.or_else(|| {
            let get = |name: &str| hints.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
            Some((get("Action")?, get("Version").unwrap_or_default()))
        });
        let cbor = hints.path.strip_prefix("/service/").filter(|_| header(headers, "smithy-protocol").is_some());
        let by_version = |version: &str| {
            self.services.iter().position(|(service, _)| {
                service.model().api_version == version && service.model().protocols.contains(&Protocol::AwsQuery)
            })
        };
        let named = hints.signed_for.or(hints.host.service.as_deref());
        let index = match named {
            Some(name) => {
                let meant = |index: &usize| {
                    self.services.get(*index).is_some_and(|(service, _)| service.model().signing_name == name)
                };
                let by_target = target.and_then(|(prefix, _)| self.by_target.get(prefix).copied());
                by_target.filter(meant).or_else(|| self.named(name, hints))
            }
            None => match (target, action) {
                (Some((prefix, _)), _) => self.by_target.get(prefix).copied(),
                (None, Some((_, version))) => by_version(version),
                (None, None) => self.named("s3", hints),
            },
        };
        let guess = || {
            if target.is_some() {
                Protocol::AwsJson10
            } else if action.is_some() {
                Protocol::AwsQuery
            } else {
                Protocol::RestJson1
            }
        };
        let Some((service, router)) = index.and_then(|index| self.services.get(index)) else {
            let name = named.or(target.map(|(prefix, _)| prefix)).unwrap_or("(unknown)");
            return Err(Lost::Service(name.to_owned(), guess()));
        };
        let model = service.model();
        let named_operation = |protocol: Protocol, name: &str| match model.operation(name) {
            Some(operation) => Ok(Destination { service: service.clone(), operation, protocol, labels: Vec::new() }),
            None => Err(Lost::Operation(service.clone(), protocol, name.to_owned())),
        };
        if let Some((_, operation)) = cbor.and_then(|path| path.split_once("/operation/"))
            && model.protocols.contains(&Protocol::RpcV2Cbor)
        {
            return named_operation(Protocol::RpcV2Cbor, operation);
        }
        let main = main_protocol(model);
        match main {
            Protocol::AwsJson10 | Protocol::AwsJson11 => match target {
                Some((_, operation)) => named_operation(json_version(headers, main), operation),
                None => Err(Lost::Operation(service.clone(), main, String::new())),
            },
            Protocol::AwsQuery | Protocol::Ec2Query => match action {
                Some((operation, _)) => named_operation(main, operation),
                None => Err(Lost::Operation(service.clone(), main, String::new())),
            },
            protocol => {
                let method = hints.parts.method.as_str();
                match router.as_ref().and_then(|router| router.route(method, hints.path, hints.query, headers)) {
                    // Only who is asked tells the two lists of buckets apart.
                    Some((found, _)) if found.name == "ListBuckets" && asks_express(hints, named) => {
                        named_operation(protocol, "ListDirectoryBuckets")
                    }
                    Some((operation, labels)) => {
                        Ok(Destination { service: service.clone(), operation, protocol, labels })
                    }
                    None => Err(Lost::Operation(service.clone(), protocol, String::new())),
                }
            }
        }
    }
}

fn asks_express(hints: &Hints<'_>, named: Option<&str>) -> bool {
    let told = hints.query.iter().any(|(key, value)| key == "x-id" && value == "ListDirectoryBuckets");
    told || named == Some("s3express") || hints.host.service.as_deref() == Some("s3express")
}

fn main_protocol(model: &ServiceModel) -> Protocol {
    model.protocols.first().copied().unwrap_or(Protocol::AwsJson11)
}

/// A client may send the other version of awsJson than the model names; it is answered in its own.
fn json_version(headers: &HeaderMap, main: Protocol) -> Protocol {
    match header(headers, "content-type") {
        Some(text) if text.starts_with("application/x-amz-json-1.0") => Protocol::AwsJson10,
        Some(text) if text.starts_with("application/x-amz-json-1.1") => Protocol::AwsJson11,
        _ => main,
    }
}

pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        let read = |host: &str| {
            let Host { service, region, bucket } = read_host(host);
            (service.unwrap_or_default(), region.unwrap_or_default(), bucket.unwrap_or_default())
        };
        let expect = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
        assert_eq!(read("dynamodb.us-east-1.amazonaws.com"), expect("dynamodb", "us-east-1", ""));
        assert_eq!(read("iam.amazonaws.com"), expect("iam", "", ""));
        assert_eq!(read("s3.amazonaws.com"), expect("s3", "", ""));
        assert_eq!(read("my.bucket.s3.ap-northeast-2.amazonaws.com"), expect("s3", "ap-northeast-2", "my.bucket"));
        assert_eq!(read("b.s3-us-west-2.amazonaws.com"), expect("s3", "us-west-2", "b"));
        assert_eq!(read("b.s3.dualstack.eu-west-1.amazonaws.com"), expect("s3", "eu-west-1", "b"));
        assert_eq!(read("b.s3.localhost.localstack.cloud"), expect("s3", "", "b"));
        assert_eq!(read("b.s3.localhost"), expect("s3", "", "b"));
        let bucket = "a--use1-az4--x-s3";
        let express = |region: &str, bucket: &str| expect("s3express", region, bucket);
        assert_eq!(read(&format!("{bucket}.s3express-use1-az4.us-east-1.amazonaws.com")), express("us-east-1", bucket));
        assert_eq!(read("s3express-control.us-east-1.amazonaws.com"), express("us-east-1", ""));
        assert_eq!(read(&format!("{bucket}.localhost")), express("", bucket));
        assert_eq!(read(&format!("{bucket}.localhost.localstack.cloud")), express("", bucket));
        assert_eq!(read(&format!("{bucket}.s3.localhost")), express("", bucket));
        assert_eq!(read("127.0.0.1"), expect("", "", ""));
        assert_eq!(read("localhost"), expect("", "", ""));
    }
}
