//! Keys and records.
//!
//! ```text
//! lambda/function  account region name            the function: its latest configuration, tags, policy
//! lambda/version   account region name number     a published version
//! lambda/alias     account region name alias      an alias
//! lambda/layer     account region name number     a version of a layer
//! lambda/code      sha256 number                  a piece of a package
//! lambda/url       id                             which function a URL leads to
//! lambda/reserved  account region                 how much concurrency is reserved
//! ```
//!
//! Packages are kept by their content, in pieces; a piece goes when the last configuration that names it does.

use std::collections::BTreeMap;
use std::fmt::Display;

use serde::{Deserialize, Serialize};
use service::{Key, Range, StoreError, from_record, to_record};
use store::{Snapshot, Store, Transaction};

use crate::arn::Reference;

/// A function as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Function {
    pub account: String,
    pub region: String,
    pub name: String,
    pub latest: Configuration,
    pub tags: BTreeMap<String, String>,
    /// Resource policies by qualifier; the unqualified function's is under the empty string.
    pub policies: BTreeMap<String, ResourcePolicy>,
    /// How many versions have been published, deleted ones included.
    pub versions: u64,
    /// How many invocations may run at once.
    #[serde(default)]
    pub reserved: Option<i32>,
    /// Function URLs by alias; the unqualified function's is under the empty string.
    #[serde(default)]
    pub urls: BTreeMap<String, Url>,
    /// By version or alias; see [`qualifier`].
    #[serde(default)]
    pub event_invoke: BTreeMap<String, EventInvoke>,
    /// By version.
    #[serde(default)]
    pub runtime_management: BTreeMap<String, RuntimeManagement>,
    /// By version or alias.
    #[serde(default)]
    pub provisioned: BTreeMap<String, ProvisionedConcurrency>,
    /// The ARN of a code signing configuration.
    #[serde(default)]
    pub code_signing: Option<String>,
    /// A chain of calls may lead back to the function for ever.
    #[serde(default)]
    pub recursive: bool,
}

/// How many environments of a version or alias are kept ready.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProvisionedConcurrency {
    pub count: i32,
    pub modified: i64,
}

/// When a runtime is updated: `Auto` unless it says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RuntimeManagement {
    pub mode: Option<String>,
    pub version_arn: Option<String>,
}

/// What settings of a version or alias are kept under.
pub fn qualifier(reference: &Reference) -> String {
    reference.qualifier_or_latest().to_owned()
}

/// How asynchronous invocations of a function are handled.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EventInvoke {
    pub retries: Option<i32>,
    /// Seconds.
    pub age: Option<i32>,
    /// ARNs.
    pub on_success: Option<String>,
    pub on_failure: Option<String>,
    pub modified: i64,
}

/// A function URL.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Url {
    pub id: String,
    /// `NONE` or `AWS_IAM`.
    pub auth: String,
    pub cors: Option<CrossOrigin>,
    /// The function's answers are passed on as they come.
    #[serde(default)]
    pub streams: bool,
    pub created: i64,
    pub modified: i64,
}

/// What a URL allows pages of other origins.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CrossOrigin {
    pub credentials: bool,
    pub headers: Vec<String>,
    pub methods: Vec<String>,
    pub origins: Vec<String>,
    pub expose: Vec<String>,
    pub max_age: Option<i32>,
}

/// Which function a URL leads to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UrlOwner {
    pub account: String,
    pub region: String,
    pub name: String,
    pub qualifier: Option<String>,
}

/// What a version of a function is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Configuration {
    pub version: String,
    pub runtime: String,
    pub role: String,
    pub handler: String,
    pub description: String,
    pub timeout: i32,
    pub memory_mb: i32,
    pub ephemeral_mb: i32,
    /// `None` where the function was given no environment, which is shown differently from an empty one.
    pub environment: Option<BTreeMap<String, String>>,
    pub architecture: String,
    pub log_group: Option<String>,
    /// Set where logs are JSON.
    #[serde(default)]
    pub log_levels: Option<LogLevels>,
    /// `PER_TENANT` where tenants share no environments.
    #[serde(default)]
    pub tenancy: Option<String>,
    /// With which the environment is to be encrypted; it is only kept.
    #[serde(default)]
    pub kms_key: Option<String>,
    pub code: Code,
    #[serde(default)]
    pub layers: Vec<LayerUse>,
    pub revision_id: String,
    /// Milliseconds since 1970.
    pub last_modified: i64,
    pub state: State,
    pub update: Update,
}

/// From which level on JSON records are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogLevels {
    pub application: String,
    pub system: String,
}

impl Default for LogLevels {
    fn default() -> Self {
        Self { application: "INFO".into(), system: "INFO".into() }
    }
}

/// A deployment package.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Code {
    /// SHA-256 in hexadecimal: the package's name here.
    pub key: String,
    pub sha256_base64: String,
    pub size: i64,
}

/// A layer version that a function was given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LayerUse {
    pub arn: String,
    pub size: i64,
    /// The package; kept for the function even when the layer version is deleted.
    pub key: String,
}

/// A version of a layer, which never changes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    pub version: u64,
    pub description: String,
    pub runtimes: Option<Vec<String>>,
    pub architectures: Option<Vec<String>>,
    pub license: Option<String>,
    /// Milliseconds since 1970.
    pub created: i64,
    pub code: Code,
    /// Who else may use it.
    #[serde(default)]
    pub policy: ResourcePolicy,
}

/// Whether a function can be invoked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// What its runtime needs is being installed.
    #[default]
    Pending,
    Active,
}

/// How the latest change to a function went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Update {
    #[default]
    Successful,
    InProgress,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ResourcePolicy {
    pub revision_id: String,
    /// Statements in the policy language, in the order in which they were added.
    pub statements: Vec<serde_json::Value>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Alias {
    pub name: String,
    pub version: String,
    pub description: String,
    pub revision_id: String,
    /// Another version, and the share of invocations that it gets.
    #[serde(default)]
    pub second: Option<(String, f64)>,
}

/// An asynchronous invocation that has been accepted: the payload of a job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Of the request that was accepted; the function sees it with every try.
    pub request_id: String,
    pub account: String,
    pub region: String,
    pub name: String,
    pub qualifier: Option<String>,
    pub payload: String,
    pub client_context: Option<String>,
    /// The tracing header of the request.
    #[serde(default)]
    pub trace: Option<String>,
    #[serde(default)]
    pub tenant: Option<String>,
}

/// What the functions of an account in a region have reserved of its concurrency, together.
pub fn reserved_key(account: &str, region: &str) -> Key {
    Key::new("lambda/reserved").text(account).text(region)
}

pub fn reserved(store: &Store, account: &str, region: &str) -> Result<i32, StoreError> {
    store.get(reserved_key(account, region).as_slice())?.map_or(Ok(0), |record| from_record(&record))
}

/// Changes a function's reservation, and the account's sum with it; returns the sum.
pub fn reserve(tx: &mut Transaction<'_>, function: &mut Function, wanted: Option<i32>) -> Result<i32, StoreError> {
    let key = reserved_key(&function.account, &function.region);
    let before: i32 = tx.get(key.as_slice())?.map_or(Ok(0), |record| from_record(&record))?;
    let sum = before - function.reserved.unwrap_or_default() + wanted.unwrap_or_default();
    function.reserved = wanted;
    tx.put(key, to_record(&sum)?);
    Ok(sum)
}

/// How large a piece of a package is.
const PIECE: usize = 1 << 20;

pub fn function_key(reference: &Reference) -> Key {
    functions_key(&reference.account, &reference.region).text(&reference.name)
}

pub fn functions_key(account: &str, region: &str) -> Key {
    Key::new("lambda/function").text(account).text(region)
}

pub fn versions_key(reference: &Reference) -> Key {
    Key::new("lambda/version").text(&reference.account).text(&reference.region).text(&reference.name)
}

pub fn aliases_key(reference: &Reference) -> Key {
    Key::new("lambda/alias").text(&reference.account).text(&reference.region).text(&reference.name)
}

/// The layers of an account in a region; their versions follow.
pub fn layers_key(account: &str, region: &str) -> Key {
    Key::new("lambda/layer").text(account).text(region)
}

/// How many versions of a layer there have ever been, so that no number comes twice.
pub fn layer_count_key(account: &str, region: &str, name: &str) -> Key {
    Key::new("lambda/layer-count").text(account).text(region).text(name)
}

pub fn url_key(id: &str) -> Key {
    Key::new("lambda/url").text(id)
}

fn code_key(code: &str) -> Key {
    Key::new("lambda/code").text(code)
}

/// Who uses a package; in a record of its own, so that it is known when nobody does.
fn user_key(code: &str, user: &impl Display) -> Key {
    Key::new("lambda/code-user").text(code).text(&user.to_string())
}

pub fn function(store: &Store, reference: &Reference) -> Result<Option<Function>, StoreError> {
    store.get(function_key(reference).as_slice())?.map(|record| from_record(&record)).transpose()
}

/// The functions of every account and region.
pub fn all_functions(store: &Store) -> Result<Vec<Function>, StoreError> {
    store.scan(Range::prefix(Key::new("lambda/function"))).map(|entry| from_record(&entry?.1)).collect()
}

pub fn function_in(tx: &Transaction<'_>, reference: &Reference) -> Result<Option<Function>, StoreError> {
    tx.get(function_key(reference).as_slice())?.map(|record| from_record(&record)).transpose()
}

pub fn put_function(tx: &mut Transaction<'_>, function: &Function) -> Result<(), StoreError> {
    tx.put(function_key(&function.reference()), to_record(function)?);
    Ok(())
}

pub fn version(store: &Store, reference: &Reference, number: u64) -> Result<Option<Configuration>, StoreError> {
    store.get(versions_key(reference).number(number).as_slice())?.map(|record| from_record(&record)).transpose()
}

pub fn versions(snapshot: &Snapshot, reference: &Reference) -> Result<Vec<Configuration>, StoreError> {
    snapshot.scan(Range::prefix(versions_key(reference))).map(|entry| from_record(&entry?.1)).collect()
}

pub fn alias(store: &Store, reference: &Reference, name: &str) -> Result<Option<Alias>, StoreError> {
    store.get(aliases_key(reference).text(name).as_slice())?.map(|record| from_record(&record)).transpose()
}

/// Keeps a package, if it is not kept already. Whoever uses it says so with [`change_use`].
pub fn put_code(tx: &mut Transaction<'_>, code: &str, package: &[u8]) -> Result<(), StoreError> {
    if !tx.contains(code_key(code).number(0).as_slice())? {
        for (number, piece) in package.chunks(PIECE).enumerate() {
            tx.put(code_key(code).number(number as u64), piece.to_vec());
        }
    }
    Ok(())
}

/// Notes which packages a version of a function or a layer used before and uses now. A package that nobody uses any more is
/// removed; those are returned.
pub fn change_use(
    tx: &mut Transaction<'_>,
    user: &impl Display,
    before: &[&str],
    now: &[&str],
) -> Result<Vec<String>, StoreError> {
    for code in before {
        tx.delete(user_key(code, user));
    }
    for code in now {
        tx.put(user_key(code, user), Vec::new());
    }
    let mut removed = Vec::new();
    for code in before {
        let users = Range::prefix(Key::new("lambda/code-user").text(code));
        if tx.scan(users, 1)?.is_empty() {
            tx.delete_range(Range::prefix(code_key(code)))?;
            removed.push((*code).to_owned());
        }
    }
    Ok(removed)
}

pub fn has_code(store: &Store, code: &str) -> Result<bool, StoreError> {
    Ok(store.get(code_key(code).number(0).as_slice())?.is_some())
}

pub fn code(store: &Store, code: &str) -> Result<Vec<u8>, StoreError> {
    let mut package = Vec::new();
    for entry in store.scan(Range::prefix(code_key(code))) {
        package.extend_from_slice(&entry?.1);
    }
    Ok(package)
}

impl Configuration {
    /// The packages that it needs.
    pub fn packages(&self) -> Vec<&str> {
        [self.code.key.as_str()].into_iter().chain(self.layers.iter().map(|layer| layer.key.as_str())).collect()
    }
}

impl Function {
    /// Removes the settings of a version or alias that is gone.
    pub fn forget(&mut self, qualifier: &str) {
        self.policies.remove(qualifier);
        self.event_invoke.remove(qualifier);
        self.provisioned.remove(qualifier);
        self.runtime_management.remove(qualifier);
    }

    pub fn reference(&self) -> Reference {
        Reference::new(&self.region, &self.account, &self.name)
    }
}
