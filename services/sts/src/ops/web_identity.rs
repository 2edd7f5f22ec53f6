//! Assuming a role with the token of an OpenID Connect provider. No AWS credentials are needed.

use service::policy::{Caller, CallerKind, Effect, Policy, Request, trusts};
use service::{Arn, Context, NewSession, Principal, operation};
use sts_api::{
    AssumeRoleWithWebIdentity, AssumeRoleWithWebIdentityRequest, AssumeRoleWithWebIdentityResponse, AssumedRoleUser,
};

use super::session::{arns, check_policy, handed_out, packed};
use crate::token::Token;
use crate::{Error, Sts};

/// Seconds.
const DEFAULT_DURATION: i32 = 3_600;

operation! { Sts, AssumeRoleWithWebIdentity, action: none, handler: assume_role_with_web_identity }

async fn assume_role_with_web_identity(
    _: &Sts,
    cx: &Context,
    request: AssumeRoleWithWebIdentityRequest,
) -> Result<AssumeRoleWithWebIdentityResponse, Error> {
    check_policy(request.policy.as_deref())?;
    let denied = || Error::AccessDenied("Not authorized to perform sts:AssumeRoleWithWebIdentity".to_owned());
    let account = Arn::parse(&request.role_arn).map(|arn| arn.account).ok_or_else(denied)?;
    let token = Token::parse(&request.web_identity_token)?;
    let missing = |claim: &str| Error::InvalidIdentityToken(format!("Missing a required claim: {claim}"));
    let issuer = token.claim("iss").ok_or_else(|| missing("iss"))?.to_owned();
    let subject = token.claim("sub").ok_or_else(|| missing("sub"))?.to_owned();
    let clients = cx.cloud.directory().oidc_clients(&account, &issuer)?.ok_or_else(|| {
        Error::InvalidIdentityToken(format!("No OpenIDConnect provider found in your account for {issuer}"))
    })?;
    let audience = token.audiences().into_iter().find(|audience| clients.iter().any(|client| client == audience));
    let audience =
        audience.ok_or_else(|| Error::InvalidIdentityToken("Incorrect token audience".to_owned()))?.to_owned();
    token.check_time(cx.now())?;
    token.verify(&issuer).await?;

    let host = issuer.split_once("://").map_or(issuer.as_str(), |(_, host)| host).trim_end_matches('/');
    let provider = format!("arn:aws:iam::{account}:oidc-provider/{host}");
    let role = cx.cloud.directory().role(&request.role_arn)?.ok_or_else(denied)?;
    let trust = Policy::parse(&role.trust_policy).map_err(|_| denied())?;
    let mut question = Request {
        caller: Caller { kind: CallerKind::WebIdentity, arn: provider.clone(), ..Caller::default() },
        action: "sts:AssumeRoleWithWebIdentity".to_owned(),
        resource: request.role_arn.clone(),
        resource_account: account,
        ..Request::default()
    };
    question.conditions.set(&format!("{host}:aud"), &*audience);
    question.conditions.set(&format!("{host}:sub"), &*subject);
    question.conditions.set("sts:RoleSessionName", &*request.role_session_name);
    if trusts(&trust, &question) != Some(Effect::Allow) {
        return Err(denied());
    }
    let asked = request.duration_seconds.unwrap_or(DEFAULT_DURATION);
    if asked > role.max_session_duration {
        return Err(Error::Validation(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.".to_owned(),
        ));
    }
    let principal = Principal::AssumedRole {
        account: role.account,
        role_path: role.path,
        role: role.name,
        role_id: role.id,
        session: request.role_session_name,
    };
    let session = NewSession {
        duration: i64::from(asked),
        policy: request.policy,
        policy_arns: arns(request.policy_arns),
        ..NewSession::default()
    };
    let credentials = cx.cloud.directory().issue(&principal, &session)?;
    Ok(AssumeRoleWithWebIdentityResponse {
        credentials: Some(handed_out(credentials)),
        subject_from_web_identity_token: Some(subject),
        assumed_role_user: Some(AssumedRoleUser { assumed_role_id: principal.user_id(), arn: principal.arn() }),
        packed_policy_size: session.policy.is_some().then(|| packed(&session)),
        provider: Some(provider),
        audience: Some(audience),
        ..AssumeRoleWithWebIdentityResponse::default()
    })
}
