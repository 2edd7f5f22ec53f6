//! The decision: explicit deny, service control policies, resource policy, identity policies, boundary, session.
//!
//! Within an account an allow of either the identity or the resource policy is enough; across accounts both must allow.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html>

use std::sync::Arc;

use crate::condition::expand;
use crate::document::{Effect, Matcher, Policy, Principals, Statement};
use crate::pattern::{matches, matches_arn, matches_ignoring_case};
use crate::request::{CallerKind, Request};

/// A policy and where it came from.
#[derive(Clone, Debug)]
pub struct Source {
    /// What an explanation calls it: `AmazonDynamoDBFullAccess`, `inline policy p of role r`.
    pub name: String,
    pub policy: Arc<Policy>,
}

/// Everything that applies to a caller.
#[derive(Clone, Debug, Default)]
pub struct Policies {
    /// Of the user and its groups, or of the role.
    pub identity: Vec<Source>,
    pub boundary: Option<Source>,
    /// Of an assumed role or federated user: present only if the session was given some.
    pub session: Option<Vec<Source>>,
    /// One list for each level from the root of the organization down; each level must allow.
    pub service_control: Vec<Vec<Source>>,
}

impl Policies {
    /// Whether a decision by these policies can depend on the conditions of a request.
    pub fn are_contextual(&self) -> bool {
        let all = self.identity.iter().chain(&self.boundary).chain(self.session.iter().flatten());
        all.chain(self.service_control.iter().flatten()).any(|source| source.policy.contextual)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyKind {
    Identity,
    Resource,
    Boundary,
    Session,
    ServiceControl,
}

impl PolicyKind {
    /// As AWS's denials name it.
    pub fn name(self) -> &'static str {
        match self {
            PolicyKind::Identity => "identity-based policy",
            PolicyKind::Resource => "resource-based policy",
            PolicyKind::Boundary => "permissions boundary",
            PolicyKind::Session => "session policy",
            PolicyKind::ServiceControl => "service control policy",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Why: the policy and statement that allowed, or that the caller is the account's root.
    Allowed(String),
    Denied(Denial),
}

impl Decision {
    pub fn is_allowed(&self) -> bool {
        matches!(self, Decision::Allowed(_))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    pub explicit: bool,
    pub kind: PolicyKind,
    /// The statement that denied, for an explicit denial.
    pub statement: Option<String>,
}

/// What a set of policies says of a request.
enum Verdict {
    Deny(String),
    Allow(String),
    Silent,
}

/// Decides a request. `resource` is the policy of the resource, where it has one.
pub fn decide(request: &Request, policies: &Policies, resource: Option<&Source>) -> Decision {
    let denied = |explicit, kind, statement| Decision::Denied(Denial { explicit, kind, statement });
    let identity = judge(&policies.identity, request, Principal::Attached);
    let resource_verdict =
        resource.map_or(Verdict::Silent, |source| judge(std::slice::from_ref(source), request, Principal::Named));
    let boundary =
        policies.boundary.as_ref().map(|source| judge(std::slice::from_ref(source), request, Principal::Attached));
    let session = policies.session.as_ref().map(|sources| judge(sources, request, Principal::Attached));
    let control: Vec<Verdict> =
        policies.service_control.iter().map(|level| judge(level, request, Principal::Attached)).collect();

    // An explicit deny anywhere wins.
    for verdict in &control {
        if let Verdict::Deny(statement) = verdict {
            return denied(true, PolicyKind::ServiceControl, Some(statement.clone()));
        }
    }
    let others = [
        (Some(&resource_verdict), PolicyKind::Resource),
        (Some(&identity), PolicyKind::Identity),
        (boundary.as_ref(), PolicyKind::Boundary),
        (session.as_ref(), PolicyKind::Session),
    ];
    for (verdict, kind) in others {
        if let Some(Verdict::Deny(statement)) = verdict {
            return denied(true, kind, Some(statement.clone()));
        }
    }

    // Every level of the organization must allow; services and anonymous callers belong to none.
    if control.iter().any(|verdict| matches!(verdict, Verdict::Silent)) {
        return denied(false, PolicyKind::ServiceControl, None);
    }

    let same_account = request.caller.account == request.resource_account;
    match request.caller.kind {
        // A service or an anonymous caller has no identity policies: the resource decides alone.
        CallerKind::Service | CallerKind::Anonymous | CallerKind::WebIdentity => {
            return match resource_verdict {
                Verdict::Allow(reason) => Decision::Allowed(reason),
                _ => denied(false, PolicyKind::Resource, None),
            };
        }
        CallerKind::Root if same_account => return Decision::Allowed("root of the account".to_owned()),
        CallerKind::Root => {
            return match resource_verdict {
                Verdict::Allow(reason) => Decision::Allowed(reason),
                _ => denied(false, PolicyKind::Resource, None),
            };
        }
        CallerKind::User | CallerKind::AssumedRole | CallerKind::FederatedUser => {}
    }

    if same_account && let Verdict::Allow(reason) = &resource_verdict {
        // An allow that names the session or user itself is not limited by boundary and session policy; one that
        // names the role is limited by both.
        let direct = resource.is_some_and(|source| names_session(&source.policy, request));
        if direct || request.caller.kind == CallerKind::User {
            return Decision::Allowed(reason.clone());
        }
        if let Some(Verdict::Silent) = boundary {
            return denied(false, PolicyKind::Boundary, None);
        }
        if let Some(Verdict::Silent) = session {
            return denied(false, PolicyKind::Session, None);
        }
        return Decision::Allowed(reason.clone());
    }

    let Verdict::Allow(reason) = identity else { return denied(false, PolicyKind::Identity, None) };
    if let Some(Verdict::Silent) = boundary {
        return denied(false, PolicyKind::Boundary, None);
    }
    if let Some(Verdict::Silent) = session {
        return denied(false, PolicyKind::Session, None);
    }
    if !same_account && !matches!(resource_verdict, Verdict::Allow(_)) {
        return denied(false, PolicyKind::Resource, None);
    }
    Decision::Allowed(reason)
}

/// Whether the trust policy of a role lets the caller do `sts:AssumeRole` and its kin. `None` is silence. This is asked
/// beside [`decide`], because a role is assumed by nobody whom its trust policy does not name.
pub fn trusts(trust: &Policy, request: &Request) -> Option<Effect> {
    let source = Source { name: "trust policy".to_owned(), policy: Arc::new(trust.clone()) };
    match judge(&[source], request, Principal::NamedOrOfAccount) {
        Verdict::Deny(_) => Some(Effect::Deny),
        Verdict::Allow(_) => Some(Effect::Allow),
        Verdict::Silent => None,
    }
}

/// How the statements of a policy say whom they are for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Principal {
    /// The policy is the caller's own.
    Attached,
    /// Statements name principals. Naming the account of the resource leaves the decision to its identity policies.
    Named,
    /// Statements name principals; naming an account means everybody in it.
    NamedOrOfAccount,
}

/// The verdict of several policies together.
fn judge(sources: &[Source], request: &Request, principals: Principal) -> Verdict {
    let mut verdict = Verdict::Silent;
    for source in sources {
        for (index, statement) in source.policy.statements.iter().enumerate() {
            if !applies(statement, &source.policy, request, principals) {
                continue;
            }
            let reason = || {
                let sid = statement.sid.clone().unwrap_or_else(|| format!("statement {}", index + 1));
                format!("{sid} of {}", source.name)
            };
            match statement.effect {
                Effect::Deny => return Verdict::Deny(reason()),
                Effect::Allow if matches!(verdict, Verdict::Silent) => verdict = Verdict::Allow(reason()),
                Effect::Allow => {}
            }
        }
    }
    verdict
}

fn applies(statement: &Statement, policy: &Policy, request: &Request, principals: Principal) -> bool {
    let variables = policy.variables;
    let for_caller =
        || statement.principal.as_ref().is_some_and(|list| named(list, request, statement.effect, principals));
    (principals == Principal::Attached || for_caller())
        && any(&statement.action, |pattern| matches_ignoring_case(pattern, &request.action))
        && statement.resource.as_ref().is_none_or(|resource| {
            any(resource, |pattern| {
                if variables && pattern.contains("${") {
                    return expand(pattern, &request.conditions).is_some_and(|p| matches_arn(&p, &request.resource));
                }
                matches_arn(pattern, &request.resource)
            })
        })
        && statement.conditions.iter().all(|condition| condition.holds(&request.conditions, variables))
}

fn any(matcher: &Matcher, hit: impl Fn(&str) -> bool) -> bool {
    matcher.patterns.iter().any(|pattern| hit(pattern)) != matcher.negated
}

/// The caller is among the principals, or for `NotPrincipal` is not.
fn named(list: &Principals, request: &Request, effect: Effect, principals: Principal) -> bool {
    let hit = list.list.iter().any(|(kind, value)| is_principal(kind, value, request, effect, principals));
    hit != list.negated
}

fn is_principal(kind: &str, value: &str, request: &Request, effect: Effect, principals: Principal) -> bool {
    let caller = &request.caller;
    match kind {
        "*" => true,
        "AWS" if value == "*" => true,
        "AWS" => {
            // `123456789012` and `arn:aws:iam::123456789012:root` are the whole account. For an allow, that delegates
            // to the account's own policies; this is decided by the caller, who still needs an identity policy.
            let account =
                value.strip_prefix("arn:aws:iam::").and_then(|rest| rest.strip_suffix(":root")).unwrap_or(value);
            if account == caller.account && !caller.account.is_empty() {
                return effect == Effect::Deny || principals == Principal::NamedOrOfAccount || delegated(request);
            }
            value == caller.arn || caller.role_arn.as_deref() == Some(value)
        }
        "Service" => caller.kind == CallerKind::Service && matches(value, &caller.arn),
        "Federated" => caller.kind == CallerKind::WebIdentity && caller.arn == value,
        _ => false,
    }
}

/// Naming an account trusts it to decide: its root may, others only with an identity policy of theirs. Across
/// accounts and in trust policies the identity policy is asked anyway; within the account it must be the one to allow.
fn delegated(request: &Request) -> bool {
    request.caller.kind == CallerKind::Root || request.caller.account != request.resource_account
}

/// A statement of the policy allows the session or user by its own ARN.
fn names_session(policy: &Policy, request: &Request) -> bool {
    policy.statements.iter().any(|statement| {
        statement.effect == Effect::Allow
            && applies(statement, policy, request, Principal::Named)
            && statement.principal.as_ref().is_some_and(|principals| {
                principals.list.iter().any(|(kind, value)| kind == "AWS" && *value == request.caller.arn)
            })
    })
}

#[cfg(test)]
mod tests;
