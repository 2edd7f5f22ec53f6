//! Sessions: credentials of five minutes for one directory bucket.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateSession.html>
//!
//! What is kept says who opened it, so that a Regional call in a session is decided by that caller's own policies.

use std::collections::BTreeMap;

use s3_api::{
    CreateSession, CreateSessionOutput, CreateSessionRequest, ServerSideEncryption, SessionCredentials, SessionMode,
};
use serde::{Deserialize, Serialize};
use service::{
    Access, ApiError, Cloud, Context, Credential, Key, Opened, Principal, Range, Session, StoreError, Timestamp,
    Transaction, from_record, operation, to_record,
};

use super::access::{READ_ONLY, best_mode, check_place, denied, no_session, to_open};
use super::name;
use crate::store::{Bucket, known_bucket};
use crate::{Error, S3};

const DURATION: i64 = 5 * 60 * 1000;
/// How many sessions that are over go when another is opened.
const SWEPT: usize = 16;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Record {
    bucket: String,
    mode: Option<String>,
    secret: String,
    token: String,
    expires: i64,
    /// Whose it is.
    key: String,
    principal: Principal,
    own: Option<Own>,
}

/// The session that the caller had already: a role's.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Own {
    token: String,
    issued: i64,
    expires: i64,
    tags: BTreeMap<String, String>,
    mfa: bool,
}

fn sessions() -> Key {
    Key::new("s3/session")
}

fn due() -> Key {
    Key::new("s3/session-due")
}

/// The credential of a session.
pub fn find(cloud: &Cloud, id: &str) -> Result<Option<Credential>, StoreError> {
    let record = cloud.store.parsed(sessions().text(id).as_slice(), |record| from_record::<Record>(record))?;
    Ok(record.map(|record| {
        let record = Record::clone(&record);
        Credential {
            // The caller's own key: its policies are looked for by it.
            access_key_id: record.key,
            secret_access_key: record.secret,
            principal: record.principal,
            active: true,
            session: record.own.map(|own| Session {
                token: own.token,
                issued: Timestamp::from_millis(own.issued),
                expires: Timestamp::from_millis(own.expires),
                tags: own.tags,
                mfa: own.mfa,
            }),
            opened: Some(Opened {
                resource: record.bucket,
                mode: record.mode,
                token: record.token,
                expires: Timestamp::from_millis(record.expires),
            }),
        }
    }))
}

fn open(tx: &mut Transaction<'_>, cx: &Context, bucket: &str, mode: Option<&str>) -> Result<SessionCredentials, Error> {
    let now = cx.now().millis();
    let over = Range::prefix(due()).before(due().number(now.unsigned_abs()));
    for (key, id) in tx.scan(over, SWEPT)? {
        tx.delete(sessions().text(&String::from_utf8_lossy(&id)));
        tx.delete(key);
    }
    let own = cx.session().map(|session| Own {
        token: session.token.clone(),
        issued: session.issued.millis(),
        expires: session.expires.millis(),
        tags: session.tags.clone(),
        mfa: session.mfa,
    });
    let id = format!("ASIA{}", cx.random().upper_alphanumeric(16));
    let record = Record {
        bucket: bucket.to_owned(),
        mode: mode.map(str::to_owned),
        secret: cx.random().alphanumeric(40),
        token: cx.random().alphanumeric(320),
        // Clients are told whole seconds.
        expires: (now + DURATION).div_euclid(1000) * 1000,
        key: cx.access_key_id().unwrap_or_default().to_owned(),
        principal: cx.principal().clone(),
        own,
    };
    tx.put(sessions().text(&id), to_record(&record)?);
    tx.put(due().number(record.expires.unsigned_abs()).text(&id), id.clone().into_bytes());
    Ok(SessionCredentials {
        access_key_id: id,
        secret_access_key: record.secret,
        session_token: record.token,
        expiration: Timestamp::from_millis(record.expires),
    })
}

/// A bucket is gone: what its sessions decided does not hold for another of its name.
pub fn undecide(tx: &mut Transaction<'_>, bucket: &str) -> Result<(), StoreError> {
    for (key, record) in tx.scan(Range::prefix(sessions()), usize::MAX)? {
        let record: Record = from_record(&record)?;
        if record.bucket == bucket && record.mode.is_some() {
            tx.put(key, to_record(&Record { mode: None, ..record })?);
        }
    }
    Ok(())
}

operation! {
    S3, CreateSession,
    access: |_, cx, request| needed(cx, request),
    handler: create_session
}

fn needed(cx: &Context, request: &CreateSessionRequest) -> Result<Vec<Access>, Error> {
    no_session(cx)?;
    if matches!(cx.principal(), Principal::Anonymous) {
        return Err(denied());
    }
    let Some(bucket) = known_bucket(cx.store(), &request.bucket)? else {
        let zone = name::zone(&request.bucket).filter(|zone| name::is_in(zone, cx.region()));
        // Who states a mode wants a session and nothing else.
        return match zone.filter(|_| request.session_mode.is_none()) {
            Some(_) => Ok(Vec::new()),
            None => Err(Error::no_such_bucket(&request.bucket)),
        };
    };
    if bucket.directory.is_none() {
        let text = "The specified method is not allowed against this resource.";
        let error = ApiError::new(405, "MethodNotAllowed", text);
        return Err(error.with("Method", "GET").with("ResourceType", "BUCKET").into());
    }
    check_place(cx, &bucket)?;
    Ok(vec![to_open(&bucket, mode_of(cx, &bucket, request)?)])
}

/// The mode that is asked for, or the most that the caller may.
fn mode_of<'a>(cx: &Context, bucket: &Bucket, request: &'a CreateSessionRequest) -> Result<&'a str, Error> {
    match request.session_mode.as_ref().map(SessionMode::as_str) {
        Some(mode) => Ok(mode),
        None => Ok(best_mode(cx, bucket)?.unwrap_or(READ_ONLY)),
    }
}

async fn create_session(_: &S3, cx: &Context, request: CreateSessionRequest) -> Result<CreateSessionOutput, Error> {
    let bucket = known_bucket(cx.store(), &request.bucket)?;
    if let Some(method) = request.server_side_encryption.as_ref().filter(|method| method.as_str() != "AES256") {
        let text = "The encryption method specified is not supported";
        return Err(Error::invalid_argument(text, "x-amz-server-side-encryption", method.as_str()));
    }
    let mode = bucket.as_ref().map(|bucket| mode_of(cx, bucket, &request)).transpose()?;
    let credentials = cx.store().write(|tx| open(tx, cx, &request.bucket, mode))?;
    Ok(CreateSessionOutput {
        server_side_encryption: Some(ServerSideEncryption::Aes256),
        credentials,
        ..CreateSessionOutput::default()
    })
}
