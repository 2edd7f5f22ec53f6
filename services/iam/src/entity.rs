//! Users, groups, roles, instance profiles, managed policies, keys and sessions, as they are stored.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use service::Principal;

/// Milliseconds since the epoch.
pub type Millis = i64;

/// What users, groups and roles have in common: policies of their own and attached ones.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Grants {
    /// Inline policies: name → document.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inline: BTreeMap<String, String>,
    /// ARNs of attached managed policies, in the order of attachment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attached: Vec<String>,
}

pub type Tags = BTreeMap<String, String>;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct User {
    pub name: String,
    pub path: String,
    pub id: String,
    pub created: Millis,
    #[serde(default)]
    pub grants: Grants,
    #[serde(default)]
    pub groups: Vec<String>,
    pub boundary: Option<String>,
    #[serde(default)]
    pub tags: Tags,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    pub name: String,
    pub path: String,
    pub id: String,
    pub created: Millis,
    #[serde(default)]
    pub grants: Grants,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Role {
    pub name: String,
    pub path: String,
    pub id: String,
    pub created: Millis,
    #[serde(default)]
    pub grants: Grants,
    pub trust_policy: String,
    pub description: Option<String>,
    /// Seconds.
    pub max_session_duration: i32,
    pub boundary: Option<String>,
    #[serde(default)]
    pub tags: Tags,
    pub last_used: Option<(Millis, String)>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InstanceProfile {
    pub name: String,
    pub path: String,
    pub id: String,
    pub created: Millis,
    pub role: Option<String>,
    #[serde(default)]
    pub tags: Tags,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ManagedPolicy {
    pub name: String,
    pub path: String,
    pub id: String,
    pub created: Millis,
    pub updated: Millis,
    pub description: Option<String>,
    pub default_version: String,
    pub versions: Vec<PolicyVersion>,
    /// Number of the next version: numbers are never used again.
    pub next_version: u32,
    #[serde(default)]
    pub tags: Tags,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PolicyVersion {
    pub id: String,
    pub created: Millis,
    pub document: String,
}

impl ManagedPolicy {
    pub fn version(&self, id: &str) -> Option<&PolicyVersion> {
        self.versions.iter().find(|version| version.id == id)
    }

    /// The document in force.
    pub fn document(&self) -> &str {
        self.version(&self.default_version).map_or("", |version| &version.document)
    }
}

/// An OpenID Connect provider whose tokens the account takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OidcProvider {
    /// The issuer without `https://`, which is also its name in ARNs.
    pub host: String,
    pub created: Millis,
    pub client_ids: Vec<String>,
    pub thumbprints: Vec<String>,
    #[serde(default)]
    pub tags: Tags,
}

/// A long-term key. The record stays after deletion, so that a deleted key is not taken for an unknown one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccessKey {
    pub id: String,
    pub secret: String,
    pub account: String,
    /// The user's name; `None` for a key of the root user.
    pub user: Option<String>,
    pub status: KeyStatus,
    pub created: Millis,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyStatus {
    Active,
    Inactive,
    Deleted,
}

/// Temporary credentials.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionRecord {
    pub id: String,
    pub secret: String,
    pub token: String,
    pub principal: Principal,
    pub issued: Millis,
    pub expires: Millis,
    pub policy: Option<String>,
    pub policy_arns: Vec<String>,
    pub tags: Tags,
    pub mfa: bool,
    pub parent: Option<Principal>,
}
