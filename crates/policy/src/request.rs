//! What somebody wants to do.

use std::collections::BTreeMap;

/// Who asks, in the forms that policies name them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    pub kind: CallerKind,
    /// Twelve digits; empty for anonymous callers and services.
    pub account: String,
    /// `arn:aws:iam::123456789012:user/a`, `arn:aws:sts::…:assumed-role/r/s`, or a service's `lambda.amazonaws.com`.
    pub arn: String,
    /// The role behind an assumed-role session.
    pub role_arn: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CallerKind {
    #[default]
    Anonymous,
    Root,
    User,
    AssumedRole,
    FederatedUser,
    /// An identity from a web identity provider, before it has a role.
    WebIdentity,
    Service,
}

/// Condition keys in lower case with their values. A key that is absent and a key with no value differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions(BTreeMap<String, Vec<String>>);

impl Conditions {
    /// Sets a key that has one value.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        self.0.insert(key.to_ascii_lowercase(), vec![value.into()]);
    }

    /// Sets a key that has many.
    pub fn set_all(&mut self, key: &str, values: Vec<String>) {
        self.0.insert(key.to_ascii_lowercase(), values);
    }

    pub fn get(&self, key: &str) -> Option<&[String]> {
        if let Some(values) = self.0.get(key) {
            return Some(values);
        }
        self.0.get(&key.to_ascii_lowercase()).map(Vec::as_slice)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&String, &Vec<String>)> {
        self.0.iter()
    }
}

/// One action on one resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    pub caller: Caller,
    /// `dynamodb:GetItem`
    pub action: String,
    /// The ARN, or `*` for actions on no resource in particular.
    pub resource: String,
    /// The account that owns the resource.
    pub resource_account: String,
    pub conditions: Conditions,
}
