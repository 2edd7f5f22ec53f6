//! Temporary credentials for the caller itself.

use std::collections::BTreeMap;

use service::policy::Policy;
use service::{Context, NewSession, Principal, SessionCredentials, operation};
use sts_api::{
    Credentials, FederatedUser, GetFederationToken, GetFederationTokenRequest, GetFederationTokenResponse,
    GetSessionToken, GetSessionTokenRequest, GetSessionTokenResponse, PolicyDescriptorType, Tag,
};

use crate::{Error, Sts};

/// Seconds: twelve hours, and one for the root user.
const DEFAULT_DURATION: i32 = 43_200;
const ROOT_DURATION: i32 = 3_600;
/// A session policy, inline, in characters.
const MAX_POLICY: usize = 2_048;

operation! { Sts, GetSessionToken, action: none, handler: get_session_token }

/// The new credentials may do what the user may; sessions cannot get sessions.
async fn get_session_token(
    _: &Sts,
    cx: &Context,
    request: GetSessionTokenRequest,
) -> Result<GetSessionTokenResponse, Error> {
    refuse_sessions(cx, "GetSessionToken")?;
    let session = NewSession { duration: duration(cx, request.duration_seconds), mfa: false, ..NewSession::default() };
    let credentials = cx.cloud.directory().issue(cx.principal(), &session)?;
    Ok(GetSessionTokenResponse { credentials: Some(handed_out(credentials)), ..GetSessionTokenResponse::default() })
}

operation! {
    Sts, GetFederationToken,
    action: "sts:GetFederationToken" on |cx, request| format!("arn:aws:sts::{}:federated-user/{}", cx.account(), request.name),
    handler: get_federation_token
}

/// The session may do what both the user's policies and the session policies allow; without any of the latter, nothing.
async fn get_federation_token(
    _: &Sts,
    cx: &Context,
    request: GetFederationTokenRequest,
) -> Result<GetFederationTokenResponse, Error> {
    refuse_sessions(cx, "GetFederationToken")?;
    check_policy(request.policy.as_deref())?;
    let principal = Principal::FederatedUser { account: cx.account().to_owned(), name: request.name.clone() };
    let session = NewSession {
        duration: duration(cx, request.duration_seconds),
        policy: request.policy,
        policy_arns: arns(request.policy_arns),
        tags: tags(request.tags)?,
        parent: Some(cx.principal().clone()),
        ..NewSession::default()
    };
    let credentials = cx.cloud.directory().issue(&principal, &session)?;
    Ok(GetFederationTokenResponse {
        credentials: Some(handed_out(credentials)),
        federated_user: Some(FederatedUser { federated_user_id: principal.user_id(), arn: principal.arn() }),
        packed_policy_size: Some(packed(&session)),
        ..GetFederationTokenResponse::default()
    })
}

fn refuse_sessions(cx: &Context, operation: &str) -> Result<(), Error> {
    match cx.principal() {
        Principal::User { .. } | Principal::Root { .. } if cx.session().is_none() => Ok(()),
        _ => Err(Error::AccessDenied(format!("Cannot call {operation} with session credentials"))),
    }
}

fn duration(cx: &Context, asked: Option<i32>) -> i64 {
    let most = if matches!(cx.principal(), Principal::Root { .. }) { ROOT_DURATION } else { i32::MAX };
    i64::from(asked.unwrap_or(DEFAULT_DURATION).min(most))
}

/// A session policy must be an identity policy.
pub(crate) fn check_policy(policy: Option<&str>) -> Result<(), Error> {
    let Some(text) = policy else { return Ok(()) };
    if text.len() > MAX_POLICY {
        return Err(Error::PackedPolicyTooLarge(
            "Packed size of session policies and tags consumes more than the allotted space".to_owned(),
        ));
    }
    let checked = Policy::parse(text).and_then(|policy| policy.check_identity());
    checked.map_err(|malformed| Error::MalformedPolicyDocument(malformed.to_string()))
}

pub(crate) fn arns(descriptors: Option<Vec<PolicyDescriptorType>>) -> Vec<String> {
    descriptors.into_iter().flatten().filter_map(|descriptor| descriptor.arn).collect()
}

pub(crate) fn tags(tags: Option<Vec<Tag>>) -> Result<BTreeMap<String, String>, Error> {
    let mut map = BTreeMap::new();
    for tag in tags.into_iter().flatten() {
        let duplicate =
            format!("Duplicate tag keys found. Please note that Tag keys are case insensitive: {}", tag.key);
        if map.insert(tag.key, tag.value).is_some() {
            return Err(Error::Validation(duplicate));
        }
    }
    Ok(map)
}

/// How much of the space for policies and tags is used, in percent: the packed form is AWS's own, this is its order.
pub(crate) fn packed(session: &NewSession) -> i32 {
    let tags: usize = session.tags.iter().map(|(key, value)| key.len() + value.len()).sum();
    let used = session.policy.as_ref().map_or(0, String::len) + tags;
    i32::try_from(used * 100 / MAX_POLICY).unwrap_or(100)
}

pub(crate) fn handed_out(credentials: SessionCredentials) -> Credentials {
    Credentials {
        access_key_id: credentials.access_key_id,
        secret_access_key: credentials.secret_access_key,
        session_token: credentials.session_token,
        expiration: credentials.expiration,
    }
}
