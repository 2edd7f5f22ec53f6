//! Whether IAM lets the caller do it, in AWS's words where it does not; then the call, then the record of it.

use std::any::Any;
use std::collections::VecDeque;

use parking_lot::Mutex;
use policy::{Conditions, Decision, Denial, PolicyKind, Request, decide};
use service::{
    Access, AnyOperation, ApiError, Arn, BoxFuture, Context, Internal, Principal, Service, Stages, Timestamp,
};

use crate::audit;

/// The stages that every call passes, from outside or inside.
#[derive(Default)]
pub struct Pipeline {
    denials: Mutex<VecDeque<Explanation>>,
}

/// Why a call was denied, for `welkin policy explain`.
#[derive(Clone, Debug)]
pub struct Explanation {
    pub time: Timestamp,
    pub principal: String,
    pub action: String,
    pub resource: String,
    pub denial: Denial,
    /// Names of the policies that were looked at, each with its kind.
    pub considered: Vec<String>,
    pub request_id: String,
}

/// How many denials are remembered for explanations.
const REMEMBERED: usize = 64;

impl Pipeline {
    /// The latest denials, newest first.
    pub fn denials(&self) -> Vec<Explanation> {
        self.denials.lock().iter().rev().cloned().collect()
    }

    fn check(&self, cx: &Context, service: &dyn Service, access: &Access) -> Result<(), ApiError> {
        let principal = cx.principal();
        let policies = cx.cloud.directory().policies(principal, cx.access_key_id()).map_err(Internal::from)?;
        let resource = service.access_policy(cx, access).map_err(Internal::from)?;
        let resource_account = owner(cx, access);
        // Most policies ask for none of the conditions, and they cost more than the rest of the decision.
        let contextual = policies.are_contextual() || resource.as_ref().is_some_and(|source| source.policy.contextual);
        let conditions = if contextual { conditions(cx, access, &resource_account) } else { Conditions::default() };
        let request = Request {
            caller: principal.caller(),
            action: access.action.clone(),
            resource: access.resource.clone(),
            resource_account,
            conditions,
        };
        match decide(&request, &policies, resource.as_ref()) {
            Decision::Allowed(_) => Ok(()),
            Decision::Denied(denial) => {
                let mut considered: Vec<String> =
                    policies.identity.iter().map(|source| format!("identity: {}", source.name)).collect();
                considered.extend(policies.boundary.iter().map(|source| format!("boundary: {}", source.name)));
                let session = policies.session.iter().flatten();
                considered.extend(session.map(|source| format!("session: {}", source.name)));
                considered.extend(resource.iter().map(|source| format!("resource: {}", source.name)));
                let mut denials = self.denials.lock();
                if denials.len() == REMEMBERED {
                    denials.pop_front();
                }
                denials.push_back(Explanation {
                    time: cx.now(),
                    principal: principal.arn(),
                    action: access.action.clone(),
                    resource: access.resource.clone(),
                    denial: denial.clone(),
                    considered,
                    request_id: cx.request_id().to_owned(),
                });
                Err(denied(service, principal, access, &denial))
            }
        }
    }
}

impl Stages for Pipeline {
    fn perform<'a>(
        &'a self,
        cx: &'a Context,
        service: &'a dyn Service,
        operation: &'static dyn AnyOperation,
        input: Box<dyn Any + Send>,
    ) -> BoxFuture<'a, Result<Box<dyn Any + Send>, ApiError>> {
        Box::pin(async move {
            let record = audit::Record::before(service, operation, &*input);
            let mut resource = None;
            let result = match self.admit(cx, service, operation, &*input, &mut resource) {
                Ok(()) => operation.call(service, cx, input).await,
                Err(error) => Err(error),
            };
            record.write(cx, result.as_ref().err(), resource);
            result
        })
    }

    fn authorize(&self, cx: &Context, service: &dyn Service, access: &Access) -> Result<(), ApiError> {
        if access.granted { Ok(()) } else { self.check(cx, service, access) }
    }
}

impl Pipeline {
    fn admit(
        &self,
        cx: &Context,
        service: &dyn Service,
        operation: &'static dyn AnyOperation,
        input: &(dyn Any + Send),
        resource: &mut Option<String>,
    ) -> Result<(), ApiError> {
        for access in operation.access(service, cx, input)? {
            let allowed = if access.granted { Ok(()) } else { self.check(cx, service, &access) };
            *resource = Some(access.resource);
            allowed?;
        }
        Ok(())
    }
}

/// The account that owns the resource: the ARN says, or the declaration, or it is the call's own.
fn owner(cx: &Context, access: &Access) -> String {
    if let Some(account) = &access.account {
        return account.clone();
    }
    match Arn::parse(&access.resource) {
        Some(arn) if !arn.account.is_empty() && arn.account.bytes().all(|byte| byte.is_ascii_digit()) => arn.account,
        _ => cx.account().to_owned(),
    }
}

/// The global condition keys. <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html>
fn conditions(cx: &Context, access: &Access, resource_account: &str) -> Conditions {
    let mut conditions = Conditions::default();
    let principal = cx.principal();
    let now = cx.now();
    conditions.set("aws:CurrentTime", now.iso8601());
    conditions.set("aws:EpochTime", now.secs().to_string());
    conditions.set("aws:RequestedRegion", cx.region());
    conditions.set("aws:PrincipalType", principal.kind_name());
    conditions.set("aws:userid", principal.user_id());
    let origin = cx.origin();
    conditions.set("aws:SecureTransport", origin.secure.to_string());
    conditions.set("aws:UserAgent", origin.user_agent.clone());
    conditions.set("aws:ViaAWSService", origin.via.is_some().to_string());
    match &origin.via {
        Some(service) => {
            conditions.set("aws:CalledVia", service.clone());
            conditions.set("aws:CalledViaFirst", service.clone());
            conditions.set("aws:CalledViaLast", service.clone());
        }
        None => conditions.set("aws:SourceIp", origin.source_ip.clone()),
    }
    for (key, value) in &origin.source {
        conditions.set(key, value.clone());
    }
    match principal {
        Principal::Anonymous => {}
        Principal::Service { name } => {
            conditions.set("aws:PrincipalIsAWSService", "true");
            conditions.set("aws:PrincipalServiceName", name.clone());
        }
        _ => {
            conditions.set("aws:PrincipalIsAWSService", "false");
            conditions.set("aws:PrincipalArn", principal.principal_arn());
            conditions.set("aws:PrincipalAccount", principal.account());
        }
    }
    if let Principal::User { name, .. } = principal {
        conditions.set("aws:username", name.clone());
    }
    if let Some(session) = cx.session() {
        conditions.set("aws:MultiFactorAuthPresent", session.mfa.to_string());
        conditions.set("aws:TokenIssueTime", session.issued.iso8601());
        for (key, value) in &session.tags {
            conditions.set(&format!("aws:PrincipalTag/{key}"), value.clone());
        }
    }
    conditions.set("aws:ResourceAccount", resource_account);
    if let Some((prefix @ ("s3" | "s3express"), _)) = access.action.split_once(':') {
        let mut set = |name: &str, value: String| conditions.set(&format!("{prefix}:{name}"), value);
        set("ResourceAccount", resource_account.to_owned());
        if let Some(signed) = origin.signed {
            set("authType", if signed.presigned { "REST-QUERY-STRING" } else { "REST-HEADER" }.to_owned());
            set("signatureversion", if signed.at.is_some() { "AWS4-HMAC-SHA256" } else { "AWS" }.to_owned());
            if let Some(at) = signed.at {
                set("signatureAge", (now.millis() - at.millis()).max(0).to_string());
            }
            if signed.unsigned_body {
                set("x-amz-content-sha256", "UNSIGNED-PAYLOAD".to_owned());
            }
        }
    }
    for (key, values) in &access.conditions {
        conditions.set_all(key, values.clone());
    }
    conditions
}

/// AWS's sentence: `User: ARN is not authorized to perform: ACTION on resource: ARN because no identity-based policy
/// allows the ACTION action`.
fn denied(service: &dyn Service, principal: &Principal, access: &Access, denial: &Denial) -> ApiError {
    let Access { action, resource, .. } = access;
    let model = service.model();
    let s3 = model.name == "s3";
    // S3 tells the reason within an account only.
    let outsider = access.account.as_ref().is_some_and(|account| account != principal.account());
    if s3 && (matches!(principal, Principal::Anonymous) || outsider) {
        return ApiError::new(403, "AccessDenied", "Access Denied");
    }
    let reason = match (denial.explicit, denial.kind) {
        (true, PolicyKind::Identity) => "with an explicit deny in an identity-based policy".to_owned(),
        (true, kind) => format!("with an explicit deny in a {}", kind.name()),
        (false, PolicyKind::Identity) => format!("because no identity-based policy allows the {action} action"),
        (false, kind) => format!("because no {} allows the {action} action", kind.name()),
    };
    let caller = principal.arn();
    // S3 leaves the resource out of actions on nothing in particular; other services write the star.
    let object = match (s3, resource.as_str()) {
        (true, "*") => String::new(),
        (true, resource) => format!(" on resource: \"{resource}\""),
        (false, resource) => format!(" on resource: {resource}"),
    };
    let message = format!("User: {caller} is not authorized to perform: {action}{object} {reason}");
    use wire::Protocol;
    let (status, code) = match model.protocols.first() {
        Some(Protocol::AwsJson10 | Protocol::AwsJson11 | Protocol::RpcV2Cbor) => (400, "AccessDeniedException"),
        Some(Protocol::RestJson1) => (403, "AccessDeniedException"),
        Some(Protocol::Ec2Query) => (403, "UnauthorizedOperation"),
        _ => (403, "AccessDenied"),
    };
    ApiError::new(status, code, message)
}
