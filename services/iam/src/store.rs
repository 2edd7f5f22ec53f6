//! Keys and records. Names are unique without regard to case, so keys hold them in lower case.

use serde::Serialize;
use serde::de::DeserializeOwned;
use service::{Key, Range, StoreError, from_record, to_record};
use store::{Snapshot, Transaction};

use crate::entity::{AccessKey, Group, InstanceProfile, ManagedPolicy, OidcProvider, Role, SessionRecord, User};

/// A record that belongs to an account and has a name.
pub trait Named: Serialize + DeserializeOwned {
    const KIND: &'static str;
    /// The last part of the key: the name, or for policies path and name.
    fn key_name(&self) -> String;
}

macro_rules! named {
    ($($type:ty = $kind:literal, $name:expr;)*) => {$(
        impl Named for $type {
            const KIND: &'static str = $kind;
            fn key_name(&self) -> String {
                let name: fn(&$type) -> String = $name;
                name(self)
            }
        }
    )*};
}

named! {
    User = "iam/user", |user| user.name.clone();
    Group = "iam/group", |group| group.name.clone();
    Role = "iam/role", |role| role.name.clone();
    InstanceProfile = "iam/instance-profile", |profile| profile.name.clone();
    ManagedPolicy = "iam/policy", |policy| policy.name.clone();
    OidcProvider = "iam/oidc-provider", |provider| provider.host.clone();
}

pub fn key<T: Named>(account: &str, name: &str) -> Key {
    Key::new(T::KIND).text(account).text(&name.to_lowercase())
}

pub fn all<T: Named>(account: &str) -> Range {
    Range::prefix(Key::new(T::KIND).text(account))
}

pub fn get<T: Named>(snapshot: &Snapshot, account: &str, name: &str) -> Result<Option<T>, StoreError> {
    snapshot.get(key::<T>(account, name).as_slice())?.map(|bytes| from_record(&bytes)).transpose()
}

pub fn load<T: Named>(tx: &Transaction<'_>, account: &str, name: &str) -> Result<Option<T>, StoreError> {
    tx.get(key::<T>(account, name).as_slice())?.map(|bytes| from_record(&bytes)).transpose()
}

pub fn save<T: Named>(tx: &mut Transaction<'_>, account: &str, record: &T) -> Result<(), StoreError> {
    tx.put(key::<T>(account, &record.key_name()), to_record(record)?);
    Ok(())
}

pub fn remove<T: Named>(tx: &mut Transaction<'_>, account: &str, name: &str) {
    tx.delete(key::<T>(account, name));
}

/// Every record of a kind in a transaction.
pub fn load_all<T: Named>(tx: &mut Transaction<'_>, account: &str) -> Result<Vec<T>, StoreError> {
    tx.scan(all::<T>(account), usize::MAX)?.iter().map(|(_, value)| from_record(value)).collect()
}

pub fn access_key(id: &str) -> Key {
    Key::new("iam/access-key").text(id)
}

pub fn session(id: &str) -> Key {
    Key::new("iam/session").text(id)
}

/// The keys of a user, in the order of creation.
pub fn user_keys(account: &str, user: &str) -> Key {
    Key::new("iam/user-keys").text(account).text(&user.to_lowercase())
}

pub fn alias(account: &str) -> Key {
    Key::new("iam/alias").text(account)
}

pub fn login_profile(account: &str, user: &str) -> Key {
    Key::new("iam/login-profile").text(account).text(&user.to_lowercase())
}

pub fn read_key(snapshot: &Snapshot, id: &str) -> Result<Option<AccessKey>, StoreError> {
    snapshot.get(access_key(id).as_slice())?.map(|bytes| from_record(&bytes)).transpose()
}

pub fn read_session(snapshot: &Snapshot, id: &str) -> Result<Option<SessionRecord>, StoreError> {
    snapshot.get(session(id).as_slice())?.map(|bytes| from_record(&bytes)).transpose()
}
