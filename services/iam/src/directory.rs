//! IAM for the rest of the cloud: [`service::Directory`].
//!
//! Credentials and parsed policies are cached; every change of IAM's state empties the cache, so it is never stale.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use policy::{Policies, Policy, Source};
use service::{
    Arn, Clock, Credential, Directory, Key, NewSession, Principal, Random, Session, SessionCredentials, Store,
    StoreError, Timestamp, to_record,
};
use store::Snapshot;

use crate::aws_managed;
use crate::entity::{AccessKey, Grants, Group, KeyStatus, ManagedPolicy, OidcProvider, Role, SessionRecord, User};
use crate::store as records;

/// See the module.
pub struct IamDirectory {
    store: Store,
    clock: Clock,
    random: Random,
    cache: RwLock<Cache>,
}

#[derive(Default)]
struct Cache {
    credentials: HashMap<String, Arc<Credential>>,
    /// By the key that is used, or without one by the principal's ARN.
    policies: HashMap<String, (Principal, Arc<Policies>)>,
}

/// Beyond this many entries the cache starts anew.
const MOST: usize = 10_000;

impl IamDirectory {
    pub fn new(store: Store, clock: Clock, random: Random) -> Self {
        IamDirectory { store, clock, random, cache: RwLock::default() }
    }

    /// Forgets what was read: the state has changed.
    pub fn invalidate(&self) {
        *self.cache.write() = Cache::default();
    }

    /// Makes the root key pair of an account if it has none. Only the making shows the secret.
    pub fn root_key(&self, account: &str) -> Result<Option<(String, String)>, StoreError> {
        let key = AccessKey {
            id: format!("AKIA{}", self.random.pick(ID_ALPHABET, 16)),
            secret: self.random.pick(SECRET_ALPHABET, 40),
            account: account.to_owned(),
            user: None,
            status: KeyStatus::Active,
            created: self.clock.now().millis(),
        };
        let place = Key::new("iam/root-key").text(account);
        self.store.write(|tx| {
            if tx.contains(place.as_slice())? {
                return Ok(None);
            }
            tx.put(place, key.id.clone().into_bytes());
            tx.put(records::access_key(&key.id), to_record(&key)?);
            Ok(Some((key.id, key.secret)))
        })
    }

    fn read_credential(&self, id: &str) -> Result<Option<Credential>, StoreError> {
        let snapshot = self.store.snapshot();
        if let Some(key) = records::read_key(&snapshot, id)? {
            let principal = match &key.user {
                None => Principal::Root { account: key.account.clone() },
                Some(name) => match records::get::<User>(&snapshot, &key.account, name)? {
                    Some(user) => user_principal(&key.account, &user),
                    None => Principal::Anonymous,
                },
            };
            let active = key.status == KeyStatus::Active && principal != Principal::Anonymous;
            return Ok(Some(Credential {
                access_key_id: key.id,
                secret_access_key: key.secret,
                principal,
                active,
                session: None,
                opened: None,
            }));
        }
        Ok(records::read_session(&snapshot, id)?.map(|record| Credential {
            access_key_id: record.id,
            secret_access_key: record.secret,
            principal: record.principal,
            active: true,
            session: Some(Session {
                token: record.token,
                issued: Timestamp::from_millis(record.issued),
                expires: Timestamp::from_millis(record.expires),
                tags: record.tags,
                mfa: record.mfa,
            }),
            opened: None,
        }))
    }

    fn read_policies(&self, principal: &Principal, key: Option<&str>) -> Result<Policies, StoreError> {
        let snapshot = self.store.snapshot();
        let session = match key {
            Some(id) => records::read_session(&snapshot, id)?,
            None => None,
        };
        let mut policies = Policies::default();
        match principal {
            Principal::User { account, name, .. } => self.of_user(&snapshot, account, name, &mut policies)?,
            Principal::AssumedRole { account, role, .. } => {
                if let Some(role) = records::get::<Role>(&snapshot, account, role)? {
                    grants(&snapshot, account, &role.grants, &format!("role {}", role.name), &mut policies.identity)?;
                    policies.boundary = boundary(&snapshot, account, role.boundary.as_deref())?;
                }
            }
            Principal::FederatedUser { .. } => match session.as_ref().and_then(|session| session.parent.as_ref()) {
                Some(Principal::User { account, name, .. }) => self.of_user(&snapshot, account, name, &mut policies)?,
                Some(Principal::Root { .. }) => policies.identity.push(everything()),
                _ => {}
            },
            Principal::Root { .. } | Principal::Anonymous | Principal::Service { .. } => {}
        }
        if let Some(session) = session {
            let federated = matches!(principal, Principal::FederatedUser { .. });
            policies.session = session_policies(&snapshot, &session, federated)?;
        }
        Ok(policies)
    }

    fn of_user(
        &self,
        snapshot: &Snapshot,
        account: &str,
        name: &str,
        policies: &mut Policies,
    ) -> Result<(), StoreError> {
        let Some(user) = records::get::<User>(snapshot, account, name)? else { return Ok(()) };
        grants(snapshot, account, &user.grants, &format!("user {}", user.name), &mut policies.identity)?;
        for group in &user.groups {
            if let Some(group) = records::get::<Group>(snapshot, account, group)? {
                grants(snapshot, account, &group.grants, &format!("group {}", group.name), &mut policies.identity)?;
            }
        }
        policies.boundary = boundary(snapshot, account, user.boundary.as_deref())?;
        Ok(())
    }
}

/// The caller that a user's key stands for.
pub(crate) fn user_principal(account: &str, user: &User) -> Principal {
    Principal::User {
        account: account.to_owned(),
        path: user.path.clone(),
        name: user.name.clone(),
        id: user.id.clone(),
    }
}

/// What the root user may do, as a policy: the base of its federated users.
fn everything() -> Source {
    let statement = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
    source("root of the account".to_owned(), statement)
}

/// A document that does not parse grants and denies nothing; the API refuses to store one.
fn source(name: String, document: &str) -> Source {
    Source { name, policy: Arc::new(Policy::parse(document).unwrap_or_else(|_| Policy::empty())) }
}

fn grants(
    snapshot: &Snapshot,
    account: &str,
    grants: &Grants,
    owner: &str,
    into: &mut Vec<Source>,
) -> Result<(), StoreError> {
    for (name, document) in &grants.inline {
        into.push(source(format!("inline policy {name} of {owner}"), document));
    }
    for arn in &grants.attached {
        if let Some(found) = managed(snapshot, account, arn)? {
            into.push(found);
        }
    }
    Ok(())
}

/// A managed policy by ARN, of AWS or of an account.
fn managed(snapshot: &Snapshot, account: &str, arn: &str) -> Result<Option<Source>, StoreError> {
    let name = arn.rsplit('/').next().unwrap_or(arn);
    if let Some(policy) = aws_managed::find(arn) {
        return Ok(Some(source(name.to_owned(), &policy.document())));
    }
    let policy = records::get::<ManagedPolicy>(snapshot, account, name)?;
    Ok(policy.map(|policy| source(name.to_owned(), policy.document())))
}

fn boundary(snapshot: &Snapshot, account: &str, arn: Option<&str>) -> Result<Option<Source>, StoreError> {
    let Some(arn) = arn else { return Ok(None) };
    // A boundary that was deleted allows nothing.
    Ok(Some(managed(snapshot, account, arn)?.unwrap_or_else(|| source(arn.to_owned(), "{}"))))
}

fn session_policies(
    snapshot: &Snapshot,
    session: &SessionRecord,
    federated: bool,
) -> Result<Option<Vec<Source>>, StoreError> {
    if session.policy.is_none() && session.policy_arns.is_empty() {
        // A federated user without session policies may do nothing.
        return Ok(federated.then(Vec::new));
    }
    let mut sources = Vec::new();
    if let Some(document) = &session.policy {
        sources.push(source("session policy".to_owned(), document));
    }
    for arn in &session.policy_arns {
        sources.extend(managed(snapshot, session.principal.account(), arn)?);
    }
    Ok(Some(sources))
}

impl Directory for IamDirectory {
    fn credential(&self, access_key_id: &str) -> Result<Option<Arc<Credential>>, StoreError> {
        if let Some(credential) = self.cache.read().credentials.get(access_key_id) {
            return Ok(Some(credential.clone()));
        }
        let credential = self.read_credential(access_key_id)?.map(Arc::new);
        if let Some(credential) = &credential {
            let mut cache = self.cache.write();
            if cache.credentials.len() >= MOST {
                cache.credentials.clear();
            }
            cache.credentials.insert(access_key_id.to_owned(), credential.clone());
        }
        Ok(credential)
    }

    fn policies(&self, principal: &Principal, access_key_id: Option<&str>) -> Result<Arc<Policies>, StoreError> {
        if matches!(principal, Principal::Root { .. } | Principal::Anonymous | Principal::Service { .. }) {
            return Ok(Arc::default());
        }
        let name = access_key_id.map_or_else(|| principal.arn(), str::to_owned);
        if let Some((of, policies)) = self.cache.read().policies.get(&name)
            && of == principal
        {
            return Ok(policies.clone());
        }
        let policies = Arc::new(self.read_policies(principal, access_key_id)?);
        let mut cache = self.cache.write();
        if cache.policies.len() >= MOST {
            cache.policies.clear();
        }
        cache.policies.insert(name, (principal.clone(), policies.clone()));
        Ok(policies)
    }

    fn role(&self, arn: &str) -> Result<Option<service::Role>, StoreError> {
        let Some(parsed) = Arn::parse(arn).filter(|arn| arn.service == "iam") else { return Ok(None) };
        let Some(path_and_name) = parsed.resource.strip_prefix("role/") else { return Ok(None) };
        let name = path_and_name.rsplit('/').next().unwrap_or_default();
        let role = records::get::<Role>(&self.store.snapshot(), &parsed.account, name)?;
        let role = role.map(|role| service::Role {
            arn: format!("arn:aws:iam::{}:role{}{}", parsed.account, role.path, role.name),
            account: parsed.account.clone(),
            path: role.path,
            name: role.name,
            id: role.id,
            trust_policy: role.trust_policy,
            max_session_duration: role.max_session_duration,
        });
        // The path is part of the name here: a wrong one is another role, which does not exist.
        Ok(role.filter(|role| role.arn == arn))
    }

    fn oidc_clients(&self, account: &str, issuer: &str) -> Result<Option<Vec<String>>, StoreError> {
        let host = issuer.split_once("://").map_or(issuer, |(_, host)| host).trim_end_matches('/');
        let provider = records::get::<OidcProvider>(&self.store.snapshot(), account, host)?;
        Ok(provider.map(|provider| provider.client_ids))
    }

    fn issue(&self, principal: &Principal, session: &NewSession) -> Result<SessionCredentials, StoreError> {
        let now = self.clock.now();
        let expiration = now.plus_secs(session.duration);
        let record = SessionRecord {
            id: format!("ASIA{}", self.random.pick(ID_ALPHABET, 16)),
            secret: self.random.pick(SECRET_ALPHABET, 40),
            token: format!("IQoJb3JpZ2luX2Vj{}", self.random.alphanumeric(340)),
            principal: principal.clone(),
            issued: now.millis(),
            expires: expiration.millis(),
            policy: session.policy.clone(),
            policy_arns: session.policy_arns.clone(),
            tags: session.tags.clone(),
            mfa: session.mfa,
            parent: session.parent.clone(),
        };
        self.store.write(|tx| {
            expire(tx, now)?;
            tx.put(expiry(record.expires, &record.id), "");
            tx.put(records::session(&record.id), to_record(&record)?);
            Ok::<_, StoreError>(())
        })?;
        Ok(SessionCredentials {
            access_key_id: record.id,
            secret_access_key: record.secret,
            session_token: record.token,
            expiration,
        })
    }
}

/// Letters and digits of ids: base 32.
pub(crate) const ID_ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
pub(crate) const SECRET_ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Sessions by the time they end, so that old ones are found without a search.
fn expiry(millis: i64, id: &str) -> Key {
    Key::new("iam/session-expiry").number(millis.unsigned_abs()).text(id)
}

/// An expired session is kept for a day, so that its user is told that it expired rather than that it is unknown.
const KEPT_MILLIS: i64 = 24 * 3600 * 1000;

fn expire(tx: &mut store::Transaction<'_>, now: Timestamp) -> Result<(), StoreError> {
    let before = Key::new("iam/session-expiry").number(now.plus_millis(-KEPT_MILLIS).millis().unsigned_abs());
    let range = service::Range::prefix(Key::new("iam/session-expiry")).before(before);
    // A few at a time: every issue takes some of the old ones with it.
    for (key, _) in tx.scan(range, 8)? {
        let prefix = Key::new("iam/session-expiry").as_slice().len() + 8;
        if let Some((id, _)) = Key::read_text(&key, prefix) {
            tx.delete(records::session(&id));
        }
        tx.delete(key);
    }
    Ok(())
}
