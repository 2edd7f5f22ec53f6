//! Amazon Resource Names. <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html>

use std::fmt;

/// `arn:partition:service:region:account:resource`. Every part but `resource` is free of colons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arn {
    pub partition: String,
    pub service: String,
    pub region: String,
    pub account: String,
    pub resource: String,
}

impl Arn {
    pub fn new(service: &str, region: &str, account: &str, resource: impl Into<String>) -> Self {
        Arn {
            partition: "aws".to_owned(),
            service: service.to_owned(),
            region: region.to_owned(),
            account: account.to_owned(),
            resource: resource.into(),
        }
    }

    pub fn parse(text: &str) -> Option<Arn> {
        let mut parts = text.splitn(6, ':');
        if parts.next() != Some("arn") {
            return None;
        }
        let mut part = || parts.next().map(str::to_owned);
        let arn = Arn { partition: part()?, service: part()?, region: part()?, account: part()?, resource: part()? };
        (!arn.partition.is_empty() && !arn.service.is_empty() && !arn.resource.is_empty()).then_some(arn)
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Arn { partition, service, region, account, resource } = self;
        write!(f, "arn:{partition}:{service}:{region}:{account}:{resource}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_what_it_prints() {
        let text = "arn:aws:lambda:us-east-1:123456789012:function:f:1";
        assert_eq!(Arn::parse(text).unwrap().to_string(), text);
        assert_eq!(Arn::parse("arn:aws:s3:::bucket/key:x").unwrap().resource, "bucket/key:x");
        assert!(Arn::parse("arn:aws:s3").is_none());
        assert!(Arn::parse("not an arn").is_none());
    }
}
