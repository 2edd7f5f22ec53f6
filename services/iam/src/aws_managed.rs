//! The policies that AWS manages: the most used ones, as data of the project (`models/aws-managed-policies.json`).
//!
//! They are the same in every account, are in no store, and cannot be changed.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::value::RawValue;
use service::Timestamp;

/// One policy of AWS.
#[derive(Debug, Deserialize)]
pub struct AwsManaged {
    #[serde(skip)]
    pub name: String,
    pub arn: String,
    pub version: String,
    created: String,
    updated: String,
    document: Box<RawValue>,
}

impl AwsManaged {
    pub fn document(&self) -> String {
        self.document.get().to_owned()
    }

    pub fn created(&self) -> Timestamp {
        Timestamp::parse(&self.created).unwrap_or_default()
    }

    pub fn updated(&self) -> Timestamp {
        Timestamp::parse(&self.updated).unwrap_or_default()
    }

    /// `/`, `/service-role/`, …
    pub fn path(&self) -> &str {
        let rest = self.arn.strip_prefix("arn:aws:iam::aws:policy").unwrap_or("/");
        rest.rfind('/').map_or("/", |end| &rest[..=end])
    }

    /// `ANPA…`: made from the name, so that it is the same everywhere.
    pub fn id(&self) -> String {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut id = String::from("ANPA");
        for round in 0..17_u8 {
            for byte in self.name.bytes().chain([round]) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
            const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
            id.push(char::from(LETTERS[(hash >> 32) as usize % 32]));
        }
        id
    }
}

static ALL: LazyLock<BTreeMap<String, AwsManaged>> = LazyLock::new(|| {
    let text = include_str!("../../../models/aws-managed-policies.json");
    // The file is part of the program; a test reads it.
    let policies: BTreeMap<String, AwsManaged> = serde_json::from_str(text).unwrap_or_default();
    policies.into_iter().map(|(name, policy)| (policy.arn.clone(), AwsManaged { name, ..policy })).collect()
});

/// The policy of an ARN.
pub fn find(arn: &str) -> Option<&'static AwsManaged> {
    ALL.get(arn)
}

/// All of them, by ARN.
pub fn all() -> impl Iterator<Item = &'static AwsManaged> {
    ALL.values()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_document_is_an_identity_policy() {
        assert!(all().count() > 100);
        for policy in all() {
            let parsed = policy::Policy::parse(&policy.document()).unwrap();
            // AWS's own documents may use resources that users may not (`arn:aws:s3:::bucket` without a region is fine).
            assert!(!parsed.statements.is_empty(), "{}", policy.name);
        }
        let basic = find("arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole").unwrap();
        assert_eq!((basic.path(), basic.id().len()), ("/service-role/", 21));
    }
}
