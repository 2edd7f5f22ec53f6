//! How a body is encrypted: with a client's key ([`crate::customer`]), with a key of KMS, or not at all.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html>
//!
//! - With KMS each object has a data key of its own, which the account's managed key (`aws/s3`) wraps and binds to the object's
//!   ARN. There is no KMS whose keys could be named, so every other key does not exist.
//! - The managed key is that of whoever writes. Other accounts cannot read what it encrypts, whatever a policy allows.
//! - Objects without either are answered for as `AES256`; their files are not encrypted.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use managed_keys::{ManagedKey, data_key, not_found};
use md5::Digest as _;
use s3_api::{ServerSideEncryption, ServerSideEncryptionConfiguration, ServerSideEncryptionRule};
use service::{ApiError, Context, Principal};

use crate::cipher::Key;
use crate::customer::Provided;
use crate::store::{Bucket, CustomerKey, Kms, Object};
use crate::{Error, config};

const METHOD: &str = "x-amz-server-side-encryption";

/// What a request asks for.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// `AES256`, `aws:kms`, `aws:kms:dsse`
    pub method: Option<String>,
    pub key_id: Option<String>,
    /// A JSON object in base64.
    pub context: Option<String>,
    pub bucket_key: Option<bool>,
    /// Algorithm, key and its MD5.
    pub customer: [Option<String>; 3],
}

/// What an object is encrypted with, and what is kept of it.
#[derive(Clone, Default)]
pub struct Encryption {
    pub key: Option<Key>,
    /// Of a client's key, as it stated it.
    pub md5: Option<String>,
    pub customer: Option<CustomerKey>,
    pub kms: Option<Kms>,
}

impl Encryption {
    /// The entity tag of a body: of one that is encrypted it does not tell the MD5.
    pub fn etag(&self, md5: [u8; 16]) -> String {
        etag(md5, self.customer.as_ref(), self.kms.as_ref())
    }
}

/// See [`Encryption::etag`].
pub fn etag(md5: [u8; 16], customer: Option<&CustomerKey>, kms: Option<&Kms>) -> String {
    let secret = customer.map(|known| &known.check).or(kms.map(|kms| &kms.wrapped));
    let shown: [u8; 16] = match secret {
        Some(secret) => md5::Md5::new().chain_update(md5).chain_update(secret).finalize().into(),
        None => md5,
    };
    service::hex(&shown)
}

fn arn(bucket: &str, key: &str) -> String {
    format!("arn:aws:s3:::{bucket}/{key}")
}

fn invalid_method(text: &str, value: &str) -> Error {
    Error::invalid_argument(text, METHOD, value)
}

/// Nobody without an identity uses a key of KMS.
fn check_signed(cx: &Context) -> Result<(), Error> {
    if !matches!(cx.principal(), Principal::Anonymous) {
        return Ok(());
    }
    let text = "Requests specifying Server Side Encryption with AWS KMS managed keys require AWS Signature Version 4.";
    Err(Error::invalid_argument(text, "Authorization", "null"))
}

impl Asked {
    /// Decides how the object is encrypted: as the request says, or else as its bucket does.
    pub fn decide(&self, cx: &Context, bucket: &Bucket, key: &str) -> Result<Encryption, Error> {
        let [algorithm, secret, md5] = self.customer.each_ref().map(|value| value.as_deref());
        let provided = Provided::read(algorithm, secret, md5)?;
        if let (Some(_), Some(method)) = (&provided, &self.method) {
            let text = "Server Side Encryption with Customer provided key is incompatible with the encryption method specified";
            return Err(invalid_method(text, method));
        }
        let kms = self.method.as_deref().is_some_and(|method| method.starts_with("aws:kms"));
        if !kms && (self.key_id.is_some() || self.context.is_some()) {
            let text = "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms";
            return Err(invalid_method(text, self.method.as_deref().unwrap_or("null")));
        }
        let rule = rule_of(cx, bucket)?;
        if let Some(provided) = provided {
            if is_blocked(&rule, "SSE-C") {
                return Err(Error::AccessDenied("Access Denied".to_owned()));
            }
            let customer = Some(provided.remember(cx.random()));
            let Provided { key, md5 } = provided;
            return Ok(Encryption { key: Some(key), md5: Some(md5), customer, kms: None });
        }
        let default = rule.apply_server_side_encryption_by_default;
        let of_bucket = default.as_ref().map(|default| default.sse_algorithm.as_str().to_owned());
        let (method, key_id) = match &self.method {
            Some(method) => (Some(method.clone()), self.key_id.clone()),
            None => (of_bucket, default.and_then(|default| default.kms_master_key_id)),
        };
        let Some(method) = method.filter(|method| method != "AES256") else { return Ok(Encryption::default()) };
        if !method.starts_with("aws:kms") {
            return Err(invalid_method("The encryption method specified is not supported", &method));
        }
        check_signed(cx)?;
        let dual = method == "aws:kms:dsse";
        if dual && self.bucket_key == Some(true) {
            let text = "S3 Bucket Keys are not supported for DSSE-KMS";
            return Err(Error::InvalidRequest(text.to_owned()));
        }
        let context = self.context.as_deref().map(check_context).transpose()?;
        let managed = managed_key(cx, bucket, key_id.as_deref())?;
        let data = data_key(cx);
        let wrapped = managed.wrap(cx, &data, &bound(&arn(&bucket.name, key), context))?;
        let bucket_key = !dual && self.bucket_key.or(rule.bucket_key_enabled).unwrap_or_default();
        let context = context.map(str::to_owned);
        let kms = Kms { method, key: managed.arn, wrapped, context, bucket_key };
        Ok(Encryption { key: Some(Key(data)), kms: Some(kms), ..Encryption::default() })
    }
}

/// What the bucket says. Most buckets say nothing, and cost nothing.
fn rule_of(cx: &Context, bucket: &Bucket) -> Result<ServerSideEncryptionRule, Error> {
    if !bucket.configured.contains("encryption") {
        return Ok(ServerSideEncryptionRule::default());
    }
    let set: Option<ServerSideEncryptionConfiguration> = config::find(cx.store(), bucket, "encryption")?;
    Ok(set.and_then(|set| set.rules.into_iter().next()).unwrap_or_default())
}

fn is_blocked(rule: &ServerSideEncryptionRule, kind: &str) -> bool {
    let blocked = rule.blocked_encryption_types.as_ref().and_then(|blocked| blocked.encryption_type.as_ref());
    blocked.is_some_and(|blocked| blocked.iter().any(|blocked| blocked.as_str() == kind))
}

fn bound(arn: &str, context: Option<&str>) -> String {
    format!("{arn}\0{}", context.unwrap_or_default())
}

/// An encryption context is a JSON object of texts.
fn check_context(context: &str) -> Result<&str, Error> {
    let decoded = STANDARD.decode(context).unwrap_or_default();
    let map: Result<std::collections::BTreeMap<String, String>, _> = serde_json::from_slice(&decoded);
    match map {
        Ok(_) => Ok(context),
        Err(_) => {
            let text = "The header 'x-amz-server-side-encryption-context' shall be Base64-encoded UTF-8 string holding JSON which represents a string-string map";
            Err(Error::invalid_argument(text, "x-amz-server-side-encryption-context", context))
        }
    }
}

/// The key that is meant: the caller's managed one, as there are no others.
fn managed_key(cx: &Context, bucket: &Bucket, name: Option<&str>) -> Result<ManagedKey, Error> {
    let account = match cx.principal().account() {
        "" => &bucket.account,
        account => account,
    };
    let Some(name) = name else { return Ok(ManagedKey::need(cx, account, &bucket.region, "s3")?) };
    let known = match name.contains("alias/aws/s3") {
        true => Some(ManagedKey::need(cx, account, &bucket.region, "s3")?),
        false => ManagedKey::find(cx, account, &bucket.region, "s3")?,
    };
    known
        .filter(|key| key.is_named(name))
        .ok_or_else(|| ApiError::new(400, "KMS.NotFoundException", not_found(name, account, &bucket.region)).into())
}

/// The data key of an object or upload.
pub fn unwrap(cx: &Context, bucket: &str, key: &str, kms: &Kms) -> Result<Key, Error> {
    check_signed(cx)?;
    let mut place = kms.key.split(':').skip(3);
    let (region, account) = (place.next().unwrap_or_default(), place.next().unwrap_or_default());
    let caller = cx.principal().account();
    if !caller.is_empty() && caller != account {
        let text = format!(
            "User: {} is not authorized to perform: kms:Decrypt on the resource associated with this ciphertext because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access",
            cx.principal().arn()
        );
        return Err(Error::AccessDenied(text));
    }
    let managed = ManagedKey::find(cx, account, region, "s3")?.ok_or_else(|| {
        let text = format!("the key {} is not there", kms.key);
        Error::Internal(service::Internal(text))
    })?;
    let data = managed.unwrap(&kms.wrapped, &bound(&arn(bucket, key), kms.context.as_deref()))?;
    Ok(Key(data))
}

/// Checks what a read says of a client's key: it must be the object's, and be there only if the object has one.
pub fn check(object: &Object, provided: Option<Provided>) -> Result<Option<Key>, Error> {
    match (&object.customer_key, provided) {
        (None, None) => Ok(None),
        (None, Some(_)) => {
            let text = "The encryption parameters are not applicable to this object.";
            Err(Error::InvalidRequest(text.to_owned()))
        }
        (Some(_), None) => {
            let text = "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.";
            Err(Error::InvalidRequest(text.to_owned()))
        }
        (Some(known), Some(provided)) if provided.is(known) => Ok(Some(provided.key)),
        _ => Err(Error::AccessDenied("Access Denied".to_owned())),
    }
}

/// What the body of an object is read with.
pub fn unlock(
    cx: &Context,
    (bucket, key): (&str, &str),
    object: &Object,
    provided: Option<Provided>,
) -> Result<Option<Key>, Error> {
    let provided = check(object, provided)?;
    match &object.kms {
        Some(kms) => unwrap(cx, bucket, key, kms).map(Some),
        None => Ok(provided),
    }
}

/// Checks a bucket's rule and completes it. Which keys there are is asked when they are used, as on AWS.
pub fn check_rule(rule: &mut ServerSideEncryptionRule) -> Result<(), Error> {
    if rule.apply_server_side_encryption_by_default.is_none() && rule.blocked_encryption_types.is_none() {
        return Err(Error::malformed_xml());
    }
    let default = rule.apply_server_side_encryption_by_default.get_or_insert_with(aes256);
    match (default.sse_algorithm.as_str(), &default.kms_master_key_id) {
        ("AES256", Some(key)) => {
            let text = "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse";
            return Err(Error::invalid_argument(text, "KMSMasterKeyID", key));
        }
        ("AES256" | "aws:kms" | "aws:kms:dsse", _) => {}
        _ => return Err(Error::malformed_xml()),
    }
    rule.bucket_key_enabled.get_or_insert(false);
    Ok(())
}

/// What a directory bucket asks of a rule besides: only keys of one's own, which are looked for, and there are none here.
pub fn check_directory_rule(cx: &Context, bucket: &Bucket, rule: &ServerSideEncryptionRule) -> Result<(), Error> {
    let default = rule.apply_server_side_encryption_by_default.as_ref().filter(|_| bucket.directory.is_some());
    match default.map(|default| (default.sse_algorithm.as_str(), default.kms_master_key_id.as_deref())) {
        None | Some(("AES256", _)) => Ok(()),
        Some(("aws:kms", Some(key))) if !key.contains("alias/") => {
            let account = cx.account();
            Err(ApiError::new(400, "KMS.NotFoundException", not_found(key, account, &bucket.region)).into())
        }
        Some(("aws:kms", _)) => {
            let text = "Directory buckets support only customer managed keys, named by their key ID or key ARN.";
            Err(Error::InvalidRequest(text.to_owned()))
        }
        Some((method, _)) => Err(invalid_method("The encryption method specified is not supported", method)),
    }
}

/// What every bucket has from the start.
pub fn aes256() -> s3_api::ServerSideEncryptionByDefault {
    s3_api::ServerSideEncryptionByDefault { sse_algorithm: ServerSideEncryption::Aes256, kms_master_key_id: None }
}

/// Says how an object is encrypted, in the members of an output: from what is kept of a key of KMS, or the MD5 of a client's.
macro_rules! show_encryption {
    ($output:expr, $kms:expr, $md5:expr) => {
        let (kms, md5): (Option<&$crate::store::Kms>, Option<String>) = ($kms, $md5);
        match (kms, md5) {
            (Some(kms), _) => {
                $output.server_side_encryption = Some(kms.method.as_str().into());
                $output.ssekms_key_id = Some(kms.key.clone());
                $output.bucket_key_enabled = kms.bucket_key.then_some(true);
            }
            (None, Some(md5)) => {
                $output.sse_customer_algorithm = Some("AES256".to_owned());
                $output.sse_customer_key_md5 = Some(md5);
            }
            (None, None) => $output.server_side_encryption = Some(s3_api::ServerSideEncryption::Aes256),
        }
    };
}
pub(crate) use show_encryption;
