//! AWS managed keys (`aws/s3`, `aws/dynamodb`): one for each service, account and region, made when it is first needed.
//! <https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#aws-managed-cmk>
//!
//! - A key never changes and never goes. Its material lies in the store and leaves this crate only to wrap data keys.
//! - There is no KMS here, so these are all the keys there are: whoever names another one is told that it does not exist.
//! - What is wrapped is bound to a context (the object's ARN, say), and is unwrapped with the same one only.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use service::{Context, Internal, Key, StoreError, from_record, to_record};

/// The bytes of a data key.
pub type DataKey = [u8; 32];

/// A managed key.
#[derive(Clone, PartialEq, Eq)]
pub struct ManagedKey {
    pub arn: String,
    /// `alias/aws/s3`
    pub alias: String,
    id: String,
    material: DataKey,
}

#[derive(Serialize, Deserialize)]
struct Record {
    id: String,
    material: String,
    /// Milliseconds since the epoch.
    created: i64,
}

fn record_key(account: &str, region: &str, service: &str) -> Key {
    Key::new("kms/managed").text(account).text(region).text(service)
}

fn corrupt(what: &str) -> StoreError {
    StoreError::Corrupt(format!("a managed key: {what}"))
}

impl ManagedKey {
    fn new(record: Record, account: &str, region: &str, service: &str) -> Result<ManagedKey, StoreError> {
        let material = STANDARD.decode(&record.material).ok().and_then(|bytes| DataKey::try_from(bytes).ok());
        Ok(ManagedKey {
            arn: format!("arn:aws:kms:{region}:{account}:key/{}", record.id),
            alias: format!("alias/aws/{service}"),
            id: record.id,
            material: material.ok_or_else(|| corrupt("its material is damaged"))?,
        })
    }

    /// The key of a service (`s3`) in an account and region, if it was ever needed.
    pub fn find(cx: &Context, account: &str, region: &str, service: &str) -> Result<Option<ManagedKey>, StoreError> {
        let Some(record) = cx.store().get(record_key(account, region, service).as_slice())? else { return Ok(None) };
        ManagedKey::new(from_record(&record)?, account, region, service).map(Some)
    }

    /// The key of a service in an account and region; it is made if this is the first time.
    pub fn need(cx: &Context, account: &str, region: &str, service: &str) -> Result<ManagedKey, StoreError> {
        if let Some(key) = ManagedKey::find(cx, account, region, service)? {
            return Ok(key);
        }
        cx.store().write(|tx| {
            let at = record_key(account, region, service);
            // Somebody else may have been first.
            if let Some(record) = tx.get(at.as_slice())? {
                return ManagedKey::new(from_record(&record)?, account, region, service);
            }
            let record =
                Record { id: cx.random().uuid(), material: STANDARD.encode(data_key(cx)), created: cx.now().millis() };
            tx.put(at, to_record(&record)?);
            ManagedKey::new(record, account, region, service)
        })
    }

    /// Whether a client that writes this means the key: its id, its ARN, its alias, or the ARN of that.
    pub fn is_named(&self, name: &str) -> bool {
        let prefix = self.arn.strip_suffix(&format!("key/{}", self.id)).unwrap_or_default();
        let alias = || name.strip_prefix(prefix).unwrap_or(name) == self.alias;
        name == self.id || name == self.arn || alias()
    }

    fn cipher(&self) -> Result<LessSafeKey, Internal> {
        let key = UnboundKey::new(&AES_256_GCM, &self.material);
        Ok(LessSafeKey::new(key.map_err(|_| Internal("a managed key cannot be set up".to_owned()))?))
    }

    /// A data key as it may be kept: readable with this key and context only.
    pub fn wrap(&self, cx: &Context, data: &DataKey, context: &str) -> Result<String, Internal> {
        let mut nonce = [0; NONCE_LEN];
        cx.random().fill(&mut nonce);
        let mut sealed = data.to_vec();
        let done = self.cipher()?.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(context.as_bytes()),
            &mut sealed,
        );
        done.map_err(|_| Internal("a data key cannot be wrapped".to_owned()))?;
        Ok(STANDARD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// The data key of [`ManagedKey::wrap`].
    pub fn unwrap(&self, wrapped: &str, context: &str) -> Result<DataKey, Internal> {
        let failed = || Internal("a data key cannot be unwrapped".to_owned());
        let mut bytes = STANDARD.decode(wrapped).map_err(|_| failed())?;
        if bytes.len() < NONCE_LEN {
            return Err(failed());
        }
        let mut sealed = bytes.split_off(NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(&bytes).map_err(|_| failed())?;
        let open = self.cipher()?.open_in_place(nonce, Aad::from(context.as_bytes()), &mut sealed);
        open.ok().and_then(|data| DataKey::try_from(&*data).ok()).ok_or_else(failed)
    }
}

/// A new data key.
pub fn data_key(cx: &Context) -> DataKey {
    let mut bytes = [0; 32];
    cx.random().fill(&mut bytes);
    bytes
}

/// What KMS says of a key that is not there. `name` is an id, an ARN, an alias, or the ARN of one.
pub fn not_found(name: &str, account: &str, region: &str) -> String {
    let here = format!("arn:aws:kms:{region}:{account}:");
    let (place, rest) = match name.strip_prefix("arn:aws:kms:").and_then(|rest| rest.splitn(3, ':').nth(2)) {
        Some(rest) => (name.strip_suffix(rest).unwrap_or(&here), rest),
        None => (here.as_str(), name),
    };
    let foreign = place.split(':').nth(3).filter(|there| *there != region);
    if let Some(foreign) = foreign {
        return format!("Invalid arn {foreign}");
    }
    let id = rest.strip_prefix("key/").unwrap_or(rest);
    let looks_like_one = id.strip_prefix("mrk-").map_or_else(
        || id.len() == 36 && id.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit()),
        |id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
    );
    match rest {
        alias if alias.starts_with("alias/") => format!("Alias {place}{alias} is not found."),
        _ if looks_like_one => format!("Key '{place}key/{id}' does not exist"),
        _ => format!("Invalid keyId '{name}'"),
    }
}

#[cfg(test)]
mod tests {
    use service::{Clock, Cloud, Random, Store, Timestamp, testing};

    use super::*;

    fn cx() -> Context {
        let clock = Clock::frozen(Timestamp::from_millis(1));
        let cloud = Cloud::new(Store::memory(), clock, Random::seeded(1), testing::config(""));
        testing::root(&cloud)
    }

    #[test]
    fn a_key_is_made_once_for_each_place() {
        let cx = cx();
        let need = |account, region| ManagedKey::need(&cx, account, region, "s3").unwrap();
        assert!(ManagedKey::find(&cx, "1", "us-east-1", "s3").unwrap().is_none());
        let key = need("1", "us-east-1");
        assert!(key == need("1", "us-east-1"));
        assert!(key.arn != need("2", "us-east-1").arn && key.arn != need("1", "eu-west-1").arn);
        assert!(key.is_named(&key.arn) && key.is_named(&key.id) && key.is_named("alias/aws/s3"));
        assert!(key.is_named("arn:aws:kms:us-east-1:1:alias/aws/s3") && !key.is_named("alias/aws/dynamodb"));
        assert!(!key.is_named("") && !key.is_named("arn:aws:kms:us-east-1:2:alias/aws/s3"));
    }

    #[test]
    fn data_keys_are_bound_to_their_context() {
        let cx = cx();
        let (one, other) =
            (ManagedKey::need(&cx, "1", "r", "s3").unwrap(), ManagedKey::need(&cx, "2", "r", "s3").unwrap());
        let data = data_key(&cx);
        let wrapped = one.wrap(&cx, &data, "here").unwrap();
        assert_eq!(one.unwrap(&wrapped, "here").ok(), Some(data));
        assert!(one.unwrap(&wrapped, "there").is_err());
        assert!(other.unwrap(&wrapped, "here").is_err());
        assert!(one.unwrap("AAAA", "here").is_err() && one.unwrap("?", "here").is_err());
    }

    #[test]
    fn what_is_said_of_keys_that_are_not_there() {
        let said = |name: &str| not_found(name, "000000000000", "us-east-1");
        let id = "1234abcd-12ab-34cd-56ef-1234567890ab";
        let missing = format!("Key 'arn:aws:kms:us-east-1:000000000000:key/{id}' does not exist");
        assert_eq!(said(id), missing);
        assert_eq!(said(&format!("arn:aws:kms:us-east-1:000000000000:key/{id}")), missing);
        assert_eq!(said(&format!("arn:aws:kms:eu-west-1:000000000000:key/{id}")), "Invalid arn eu-west-1");
        assert_eq!(said("alias/mine"), "Alias arn:aws:kms:us-east-1:000000000000:alias/mine is not found.");
        assert_eq!(said("testkey-1"), "Invalid keyId 'testkey-1'");
    }
}
