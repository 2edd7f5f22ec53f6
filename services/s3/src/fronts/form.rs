//! Forms that browsers post: `POST /` of a bucket with `multipart/form-data`.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html>
//!
//! The signature covers the policy, and the policy says what the fields may be. The upload itself is a `PutObject` of whoever
//! signed, and is authorized as such.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt as _;
use http::HeaderMap;
use s3_api::{ObjectCannedACL, PutObject, PutObjectOutput, PutObjectRequest, ServerSideEncryption, StorageClass};
use service::{ApiError, BoxFuture, Bytes, Caller, Cloud, Context, Front, FrontRequest, FrontResponse, Principal};
use wire::{ByteStream, StreamError};

use super::multipart::{self, Form, FormError};
use super::policy::FormPolicy;
use super::{add, allow_origin, context, encode, failure};
use crate::Error;
use crate::directory::{name, session};
use crate::store::find_bucket;

/// The front.
pub struct Forms;

/// The bucket of a form's address: in the host, or as the only part of the path.
fn bucket_of<'a>(host: &'a str, path: &'a str) -> Option<&'a str> {
    let path = path.trim_matches('/');
    let express = host.find('.').filter(|at| name::is_directory(&host[..*at]));
    let virtual_host = express.or_else(|| host.find(".s3.").or_else(|| host.find(".s3-")).filter(|at| *at > 0));
    match virtual_host {
        Some(at) => Some(&host[..at]).filter(|_| path.is_empty()),
        None => Some(path).filter(|path| !path.is_empty() && !path.contains('/')),
    }
}

impl Front for Forms {
    fn matches(&self, _: &Cloud, host: &str, path: &str, headers: &HeaderMap) -> bool {
        let content_type = headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let form = content_type.trim_start().to_ascii_lowercase().starts_with("multipart/form-data");
        form && !headers.contains_key("authorization") && bucket_of(host, path).is_some()
    }

    fn serve(&self, request: FrontRequest) -> BoxFuture<'static, FrontResponse> {
        Box::pin(async move {
            let bucket = bucket_of(&request.host, request.uri.path()).unwrap_or_default().to_owned();
            let mut response = match post(&request, &bucket).await {
                Ok(response) => response,
                Err(error) => failure(&error, &request.request_id),
            };
            allow_origin(&mut response, &request, &format!("/{bucket}/"));
            response
        })
    }
}

fn malformed() -> ApiError {
    let text = "The body of your POST request is not well-formed multipart/form-data.";
    ApiError::new(400, "MalformedPOSTRequest", text)
}

fn argument(message: &str, name: &str, value: &str) -> ApiError {
    Error::invalid_argument(message, name, value).into()
}

/// The fields of a form.
struct Fields(Vec<(String, String)>);

impl Fields {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    /// A field that must be there once the form is signed.
    fn need(&self, field: &str, name: &str) -> Result<&str, ApiError> {
        self.get(field).ok_or_else(|| {
            let text = format!(
                "Bucket POST must contain a field named '{name}'.  If it is specified, please check the order of the fields."
            );
            argument(&text, name, "")
        })
    }
}

async fn post(request: &FrontRequest, bucket: &str) -> Result<FrontResponse, ApiError> {
    if request.method != http::Method::POST {
        let text = "The specified method is not allowed against this resource.";
        return Err(ApiError::new(405, "MethodNotAllowed", text).with("Method", request.method.as_str()));
    }
    let content_type = request.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let boundary = multipart::boundary(content_type).ok_or_else(malformed)?;
    let Form { fields, file } = multipart::read(&request.body, &boundary).await.map_err(|error| match error {
        FormError::Malformed => malformed(),
        FormError::TooLong => {
            let text = "Your POST request fields preceding the upload file were too large.";
            ApiError::new(400, "MaxPostPreDataLengthExceeded", text).with("MaxPostPreDataLengthExceeded", "20480")
        }
        FormError::Broken(error) => ApiError::new(400, error.code, error.message),
    })?;
    let record = find_bucket(&request.cloud.store, bucket)?;
    let mut fields = Fields(fields);
    let file = file.ok_or_else(|| argument("POST requires exactly one file upload per request.", "file", "0"))?;
    let key = fields.need("key", "key")?.replace("${filename}", &file.name);
    if key.is_empty() {
        return Err(argument("User key must have a length greater than 0.", "key", ""));
    }
    if let Some((_, value)) = fields.0.iter_mut().find(|(name, _)| name == "key") {
        value.clone_from(&key);
    }
    let caller = signer(&request.cloud, &fields)?;
    let mut length = None;
    if let Some(policy) = fields.get("policy") {
        let invalid = || ApiError::new(400, "InvalidPolicyDocument", "Invalid Policy: Invalid JSON.");
        let document = STANDARD.decode(policy.replace(['\r', '\n'], "")).map_err(|_| invalid())?;
        let policy = FormPolicy::parse(&document)?;
        let mut checked = fields.0.clone();
        checked.push(("bucket".to_owned(), bucket.to_owned()));
        policy.check(&checked, request.cloud.clock.now())?;
        length = policy.length();
    }
    let proposed = Arc::new(AtomicU64::new(0));
    let body = match length {
        Some((low, high)) => bounded(file.body, low, high, proposed.clone()),
        None => file.body,
    };
    let input = input(&fields, bucket, &key, body)?;
    let source = vec![("s3:authType".to_owned(), "POST".to_owned())];
    let cx: Context = context(request, caller, &record.region, source);
    let sized = |error: ApiError| {
        let size = proposed.load(Ordering::Relaxed).to_string();
        match (error.code.as_str(), length) {
            ("EntityTooLarge", Some((_, high))) => {
                error.with("ProposedSize", size).with("MaxSizeAllowed", high.to_string())
            }
            ("EntityTooSmall", Some((low, _))) => {
                error.with("ProposedSize", size).with("MinSizeAllowed", low.to_string())
            }
            _ => error,
        }
    };
    let output = cx.perform::<PutObject>(input).await.map_err(sized)?;
    Ok(answer(request, &fields, bucket, &key, &output))
}

/// Who signed the policy. A form without one is anonymous.
fn signer(cloud: &Cloud, fields: &Fields) -> Result<Caller, ApiError> {
    let v4 = fields.get("x-amz-signature").is_some() || fields.get("x-amz-algorithm").is_some();
    let v2 = fields.get("signature").is_some() || fields.get("awsaccesskeyid").is_some();
    if !v4 && !v2 {
        if fields.get("policy").is_some() {
            fields.need("awsaccesskeyid", "AWSAccessKeyId")?;
        }
        return Ok(Caller::Principal(Principal::Anonymous));
    }
    let policy = fields.need("policy", "policy")?;
    let (id, scope) = if v4 {
        if fields.need("x-amz-algorithm", "X-Amz-Algorithm")? != "AWS4-HMAC-SHA256" {
            let text = "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"";
            return Err(argument(text, "X-Amz-Algorithm", fields.get("x-amz-algorithm").unwrap_or_default()));
        }
        let credential = fields.need("x-amz-credential", "X-Amz-Credential")?;
        fields.need("x-amz-date", "X-Amz-Date")?;
        let parts: Vec<&str> = credential.split('/').collect();
        let [id, date, region, service, "aws4_request"] = parts.as_slice() else {
            let text = "Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".";
            return Err(argument(text, "X-Amz-Credential", credential));
        };
        (*id, Some((*date, *region, *service)))
    } else {
        (fields.need("awsaccesskeyid", "AWSAccessKeyId")?, None)
    };
    let given =
        if v4 { fields.need("x-amz-signature", "X-Amz-Signature")? } else { fields.need("signature", "signature")? };
    let unknown = || {
        let text = "The AWS Access Key Id you provided does not exist in our records.";
        ApiError::new(403, "InvalidAccessKeyId", text).with("AWSAccessKeyId", id)
    };
    const SESSION: &str = "x-amz-s3session-token";
    let credential = match fields.get(SESSION) {
        Some(_) => session::find(cloud, id).map(|found| found.map(Arc::new)),
        None => cloud.directory().credential(id),
    };
    let Some(credential) = credential.map_err(service::Internal::from)? else {
        if cloud.config.strict || fields.get(SESSION).is_some() {
            return Err(unknown());
        }
        // As for any other request, an unknown key is an account's root.
        let own = id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_digit());
        let account = if own { id } else { &cloud.config.default_account };
        return Ok(Caller::Principal(Principal::Root { account: account.to_owned() }));
    };
    if !credential.active {
        return Err(unknown());
    }
    let held = match (&credential.opened, &credential.session) {
        (Some(opened), _) => Some((SESSION, &opened.token, opened.expires)),
        (None, session) => session.as_ref().map(|one| ("x-amz-security-token", &one.token, one.expires)),
    };
    if let Some((field, token, expires)) = held {
        if fields.get(field) != Some(token.as_str()) {
            let text = "The provided token is malformed or otherwise invalid.";
            return Err(ApiError::new(400, "InvalidToken", text));
        }
        if expires <= cloud.clock.now() {
            return Err(ApiError::new(400, "ExpiredToken", "The provided token has expired."));
        }
    }
    let secret = &credential.secret_access_key;
    let expected = match scope {
        Some(scope) => sign_v4(secret, scope, policy),
        None => {
            let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());
            STANDARD.encode(hmac::sign(&key, policy.as_bytes()))
        }
    };
    if aws_lc_rs::constant_time::verify_slices_are_equal(expected.as_bytes(), given.as_bytes()).is_err() {
        let text = "The request signature we calculated does not match the signature you provided. Check your key and signing method.";
        let bytes = policy.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
        let error = ApiError::new(403, "SignatureDoesNotMatch", text).with("AWSAccessKeyId", id);
        let error = error.with("StringToSign", policy).with("SignatureProvided", given);
        return Err(error.with("StringToSignBytes", bytes));
    }
    Ok(Caller::Holder(credential))
}

fn sign_v4(secret: &str, (date, region, service): (&str, &str, &str), policy: &str) -> String {
    let sign =
        |key: &[u8], text: &str| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec();
    let mut key = format!("AWS4{secret}").into_bytes();
    for part in [date, region, service, "aws4_request"] {
        key = sign(&key, part);
    }
    service::hex(&sign(&key, policy))
}

/// A file that must have so many bytes. How many it has is left in `proposed` where they are too few or too many.
fn bounded(body: ByteStream, low: u64, high: u64, proposed: Arc<AtomicU64>) -> ByteStream {
    let state = Some((body.take(), 0u64, proposed));
    let stream = futures_util::stream::unfold(state, move |state| async move {
        let (mut chunks, seen, proposed) = state?;
        let error = |code, message: &str| Some((Err(StreamError { code, message: message.to_owned() }), None));
        match chunks.next().await {
            Some(Ok(chunk)) => {
                let seen = seen + chunk.len() as u64;
                if seen > high {
                    let mut all = seen;
                    while let Some(Ok(chunk)) = chunks.next().await {
                        all += chunk.len() as u64;
                    }
                    proposed.store(all, Ordering::Relaxed);
                    return error("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size");
                }
                Some((Ok(chunk), Some((chunks, seen, proposed))))
            }
            None if seen < low => {
                proposed.store(seen, Ordering::Relaxed);
                error("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
            }
            other => other.map(|chunk| (chunk, None)),
        }
    });
    ByteStream::new(stream, None)
}

/// The request that a form makes.
fn input(fields: &Fields, bucket: &str, key: &str, body: ByteStream) -> Result<PutObjectRequest, ApiError> {
    let metadata: BTreeMap<String, String> = (fields.0.iter())
        .filter_map(|(name, value)| Some((name.strip_prefix("x-amz-meta-")?.to_owned(), value.clone())))
        .collect();
    let tagging = fields.get("tagging").map(tags).transpose()?;
    Ok(PutObjectRequest {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
        body: Some(body),
        acl: fields.get("acl").or(fields.get("x-amz-acl")).map(ObjectCannedACL::from),
        cache_control: fields.text("cache-control"),
        content_disposition: fields.text("content-disposition"),
        content_encoding: fields.text("content-encoding"),
        content_language: fields.text("content-language"),
        content_md5: fields.text("content-md5"),
        content_type: fields.text("content-type"),
        expires: fields.text("expires"),
        metadata: Some(metadata),
        storage_class: fields.get("x-amz-storage-class").map(StorageClass::from),
        server_side_encryption: fields.get("x-amz-server-side-encryption").map(ServerSideEncryption::from),
        ssekms_key_id: fields.text("x-amz-server-side-encryption-aws-kms-key-id"),
        ssekms_encryption_context: fields.text("x-amz-server-side-encryption-context"),
        bucket_key_enabled: fields
            .get("x-amz-server-side-encryption-bucket-key-enabled")
            .map(|value| value.eq_ignore_ascii_case("true")),
        sse_customer_algorithm: fields.text("x-amz-server-side-encryption-customer-algorithm"),
        sse_customer_key: fields.text("x-amz-server-side-encryption-customer-key"),
        sse_customer_key_md5: fields.text("x-amz-server-side-encryption-customer-key-md5"),
        website_redirect_location: fields.text("x-amz-website-redirect-location"),
        checksum_crc32: fields.text("x-amz-checksum-crc32"),
        checksum_crc32_c: fields.text("x-amz-checksum-crc32c"),
        checksum_crc64_nvme: fields.text("x-amz-checksum-crc64nvme"),
        checksum_sha1: fields.text("x-amz-checksum-sha1"),
        checksum_sha256: fields.text("x-amz-checksum-sha256"),
        tagging,
        ..PutObjectRequest::default()
    })
}

/// The tags of a form are XML; those of a header are a query.
fn tags(xml: &str) -> Result<String, ApiError> {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    let malformed = || ApiError::from(Error::malformed_xml());
    let mut missing = false;
    let tagging: s3_api::Tagging =
        wire::xml::decode(xml.as_bytes(), <s3_api::Tagging as wire::Structure>::SCHEMA, |decoder| {
            wire::Shape::decode(decoder, &mut missing)
        })
        .map_err(|_| malformed())?;
    if missing {
        return Err(malformed());
    }
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let pairs = tagging.tag_set.iter().map(|tag| format!("{}={}", encode(&tag.key), encode(&tag.value)));
    Ok(pairs.collect::<Vec<_>>().join("&"))
}

/// What the form asks to be answered with.
fn answer(request: &FrontRequest, fields: &Fields, bucket: &str, key: &str, output: &PutObjectOutput) -> FrontResponse {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    let scheme = if request.secure { "https" } else { "http" };
    let path = request.uri.path().trim_end_matches('/');
    let encoded = crate::website::encode(key);
    let place = format!("{scheme}://{}{path}/{encoded}", request.authority);
    let etag = output.e_tag.clone().unwrap_or_default();
    let mut response = encode::<PutObject>(output, &request.request_id);
    *response.body_mut() = ByteStream::default();
    let redirect = fields.get("success_action_redirect").or(fields.get("redirect"));
    if let Some(redirect) = redirect.filter(|url| url.starts_with("http://") || url.starts_with("https://")) {
        const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'-').remove(b'_').remove(b'~');
        let text = |text: &str| utf8_percent_encode(text, KEPT).to_string();
        let joint = if redirect.contains('?') { '&' } else { '?' };
        let query = format!("bucket={}&key={}&etag={}", text(bucket), text(key), text(&etag));
        add(&mut response, "location", &format!("{redirect}{joint}{query}"));
        *response.status_mut() = http::StatusCode::SEE_OTHER;
        return response;
    }
    add(&mut response, "location", &place);
    match fields.get("success_action_status") {
        Some("200") => {}
        Some("201") => {
            let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<PostResponse>");
            for (name, value) in [("Location", place.as_str()), ("Bucket", bucket), ("Key", key), ("ETag", &etag)] {
                xml.push_str(&format!("<{name}>"));
                wire::xml::XmlEncoder::escape_text(&mut xml, value);
                xml.push_str(&format!("</{name}>"));
            }
            xml.push_str("</PostResponse>");
            *response.status_mut() = http::StatusCode::CREATED;
            add(&mut response, "content-type", "application/xml");
            *response.body_mut() = ByteStream::from(Bytes::from(xml));
        }
        _ => *response.status_mut() = http::StatusCode::NO_CONTENT,
    }
    response
}
