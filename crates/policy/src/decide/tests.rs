//! One test for each line of AWS's evaluation logic.

use proptest::prelude::*;

use super::*;
use crate::request::Caller;

const ACCOUNT: &str = "111111111111";
const OTHER: &str = "222222222222";
const TABLE: &str = "arn:aws:dynamodb:us-east-1:111111111111:table/t";

fn source(statements: &str) -> Source {
    let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
    Source { name: "p".to_owned(), policy: Arc::new(Policy::parse(&text).unwrap()) }
}

const ALLOW: &str = r#"{"Effect":"Allow","Action":"dynamodb:*","Resource":"*"}"#;
const ALLOW_OTHER: &str = r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#;
const DENY: &str = r#"{"Sid":"No","Effect":"Deny","Action":"dynamodb:GetItem","Resource":"*"}"#;

fn allow_to(principal: &str) -> String {
    format!(r#"{{"Effect":"Allow","Principal":{principal},"Action":"dynamodb:GetItem","Resource":"*"}}"#)
}

fn request(kind: CallerKind, account: &str) -> Request {
    let arn = match kind {
        CallerKind::Root => format!("arn:aws:iam::{account}:root"),
        CallerKind::User => format!("arn:aws:iam::{account}:user/u"),
        CallerKind::AssumedRole => format!("arn:aws:sts::{account}:assumed-role/r/s"),
        CallerKind::Service => "lambda.amazonaws.com".to_owned(),
        _ => String::new(),
    };
    let role_arn = (kind == CallerKind::AssumedRole).then(|| format!("arn:aws:iam::{account}:role/r"));
    let account = if matches!(kind, CallerKind::Service | CallerKind::Anonymous) { "" } else { account };
    Request {
        caller: Caller { kind, account: account.to_owned(), arn, role_arn },
        action: "dynamodb:GetItem".to_owned(),
        resource: TABLE.to_owned(),
        resource_account: ACCOUNT.to_owned(),
        ..Request::default()
    }
}

fn identity(statements: &str) -> Policies {
    Policies { identity: vec![source(statements)], ..Policies::default() }
}

#[track_caller]
fn denied(decision: Decision, explicit: bool, kind: PolicyKind) {
    match decision {
        Decision::Denied(denial) => assert_eq!((denial.explicit, denial.kind), (explicit, kind)),
        Decision::Allowed(why) => panic!("allowed by {why}"),
    }
}

#[track_caller]
fn allowed(decision: Decision) {
    assert!(decision.is_allowed(), "{decision:?}");
}

#[test]
fn nothing_allows_by_default() {
    denied(decide(&request(CallerKind::User, ACCOUNT), &Policies::default(), None), false, PolicyKind::Identity);
    denied(decide(&request(CallerKind::User, ACCOUNT), &identity(ALLOW_OTHER), None), false, PolicyKind::Identity);
}

#[test]
fn an_identity_policy_allows() {
    allowed(decide(&request(CallerKind::User, ACCOUNT), &identity(ALLOW), None));
}

#[test]
fn an_explicit_deny_wins_over_everything() {
    let both = format!("{ALLOW},{DENY}");
    let decision = decide(&request(CallerKind::User, ACCOUNT), &identity(&both), None);
    let Decision::Denied(denial) = &decision else { panic!("allowed") };
    assert_eq!(denial.statement.as_deref(), Some("No of p"));
    denied(decision, true, PolicyKind::Identity);
    let resource = source(r#"{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}"#);
    denied(decide(&request(CallerKind::User, ACCOUNT), &identity(ALLOW), Some(&resource)), true, PolicyKind::Resource);
    denied(decide(&request(CallerKind::Root, ACCOUNT), &identity(ALLOW), Some(&resource)), true, PolicyKind::Resource);
    for (kind, policies) in [
        (PolicyKind::Boundary, Policies { boundary: Some(source(DENY)), ..identity(ALLOW) }),
        (PolicyKind::Session, Policies { session: Some(vec![source(DENY)]), ..identity(ALLOW) }),
        (PolicyKind::ServiceControl, Policies { service_control: vec![vec![source(DENY)]], ..identity(ALLOW) }),
    ] {
        denied(decide(&request(CallerKind::AssumedRole, ACCOUNT), &policies, None), true, kind);
    }
}

#[test]
fn every_level_of_the_organization_must_allow() {
    let policies =
        Policies { service_control: vec![vec![source(ALLOW)], vec![source(ALLOW_OTHER)]], ..identity(ALLOW) };
    denied(decide(&request(CallerKind::User, ACCOUNT), &policies, None), false, PolicyKind::ServiceControl);
    denied(decide(&request(CallerKind::Root, ACCOUNT), &policies, None), false, PolicyKind::ServiceControl);
    let policies = Policies { service_control: vec![vec![source(ALLOW)], vec![source(ALLOW)]], ..identity(ALLOW) };
    allowed(decide(&request(CallerKind::User, ACCOUNT), &policies, None));
}

#[test]
fn a_resource_policy_alone_is_enough_within_the_account() {
    let resource = source(&allow_to(r#"{"AWS":"arn:aws:iam::111111111111:user/u"}"#));
    allowed(decide(&request(CallerKind::User, ACCOUNT), &Policies::default(), Some(&resource)));
    let resource = source(&allow_to(r#"{"AWS":"arn:aws:iam::111111111111:role/r"}"#));
    allowed(decide(&request(CallerKind::AssumedRole, ACCOUNT), &Policies::default(), Some(&resource)));
}

#[test]
fn naming_the_account_delegates_to_its_policies() {
    let resource = source(&allow_to(r#"{"AWS":"111111111111"}"#));
    denied(
        decide(&request(CallerKind::User, ACCOUNT), &Policies::default(), Some(&resource)),
        false,
        PolicyKind::Identity,
    );
    allowed(decide(&request(CallerKind::User, ACCOUNT), &identity(ALLOW), Some(&resource)));
}

#[test]
fn across_accounts_both_must_allow() {
    let resource = source(&allow_to(r#"{"AWS":"arn:aws:iam::222222222222:root"}"#));
    let caller = request(CallerKind::User, OTHER);
    allowed(decide(&caller, &identity(ALLOW), Some(&resource)));
    denied(decide(&caller, &identity(ALLOW), None), false, PolicyKind::Resource);
    denied(decide(&caller, &Policies::default(), Some(&resource)), false, PolicyKind::Identity);
    denied(decide(&request(CallerKind::Root, OTHER), &Policies::default(), None), false, PolicyKind::Resource);
    allowed(decide(&request(CallerKind::Root, OTHER), &Policies::default(), Some(&resource)));
}

#[test]
fn the_root_of_an_account_may_do_everything_in_it() {
    allowed(decide(&request(CallerKind::Root, ACCOUNT), &Policies::default(), None));
}

#[test]
fn a_boundary_limits_the_identity_policy() {
    let policies = Policies { boundary: Some(source(ALLOW_OTHER)), ..identity(ALLOW) };
    denied(decide(&request(CallerKind::User, ACCOUNT), &policies, None), false, PolicyKind::Boundary);
    let policies = Policies { boundary: Some(source(ALLOW)), ..identity(ALLOW) };
    allowed(decide(&request(CallerKind::User, ACCOUNT), &policies, None));
    let policies = Policies { boundary: Some(source(ALLOW)), ..Policies::default() };
    denied(decide(&request(CallerKind::User, ACCOUNT), &policies, None), false, PolicyKind::Identity);
}

#[test]
fn a_boundary_limits_a_resource_policy_that_names_the_role_but_not_one_that_names_the_user_or_session() {
    let limited = Policies { boundary: Some(source(ALLOW_OTHER)), ..Policies::default() };
    let role = source(&allow_to(r#"{"AWS":"arn:aws:iam::111111111111:role/r"}"#));
    denied(decide(&request(CallerKind::AssumedRole, ACCOUNT), &limited, Some(&role)), false, PolicyKind::Boundary);
    let session = source(&allow_to(r#"{"AWS":"arn:aws:sts::111111111111:assumed-role/r/s"}"#));
    allowed(decide(&request(CallerKind::AssumedRole, ACCOUNT), &limited, Some(&session)));
    let user = source(&allow_to(r#"{"AWS":"arn:aws:iam::111111111111:user/u"}"#));
    allowed(decide(&request(CallerKind::User, ACCOUNT), &limited, Some(&user)));
}

#[test]
fn a_session_policy_limits_the_session() {
    let policies = Policies { session: Some(vec![source(ALLOW_OTHER)]), ..identity(ALLOW) };
    denied(decide(&request(CallerKind::AssumedRole, ACCOUNT), &policies, None), false, PolicyKind::Session);
    let policies = Policies { session: Some(vec![source(ALLOW)]), ..identity(ALLOW) };
    allowed(decide(&request(CallerKind::AssumedRole, ACCOUNT), &policies, None));
}

#[test]
fn services_and_anonymous_callers_need_the_resource_policy() {
    let service = source(&allow_to(r#"{"Service":"lambda.amazonaws.com"}"#));
    allowed(decide(&request(CallerKind::Service, ACCOUNT), &Policies::default(), Some(&service)));
    denied(decide(&request(CallerKind::Service, ACCOUNT), &Policies::default(), None), false, PolicyKind::Resource);
    denied(
        decide(&request(CallerKind::Anonymous, ACCOUNT), &Policies::default(), Some(&service)),
        false,
        PolicyKind::Resource,
    );
    let everybody = source(&allow_to(r#""*""#));
    allowed(decide(&request(CallerKind::Anonymous, ACCOUNT), &Policies::default(), Some(&everybody)));
}

#[test]
fn negated_elements() {
    let request = request(CallerKind::User, ACCOUNT);
    let not_action = r#"{"Effect":"Allow","NotAction":"s3:*","Resource":"*"}"#;
    allowed(decide(&request, &identity(not_action), None));
    let not_this = r#"{"Effect":"Allow","NotAction":"dynamodb:*","Resource":"*"}"#;
    denied(decide(&request, &identity(not_this), None), false, PolicyKind::Identity);
    let not_resource =
        r#"{"Effect":"Allow","Action":"*","NotResource":"arn:aws:dynamodb:us-east-1:111111111111:table/t"}"#;
    denied(decide(&request, &identity(not_resource), None), false, PolicyKind::Identity);
    let not_principal = source(
        r#"{"Effect":"Deny","NotPrincipal":{"AWS":"arn:aws:iam::111111111111:user/u"},"Action":"*","Resource":"*"}"#,
    );
    allowed(decide(&request, &identity(ALLOW), Some(&not_principal)));
    let mut somebody = request.clone();
    somebody.caller.arn = "arn:aws:iam::111111111111:user/v".to_owned();
    denied(decide(&somebody, &identity(ALLOW), Some(&not_principal)), true, PolicyKind::Resource);
}

#[test]
fn variables_in_resources_need_the_new_version() {
    let mut request = request(CallerKind::User, ACCOUNT);
    request.resource = "arn:aws:s3:::b/home/kim/x".to_owned();
    request.action = "s3:GetObject".to_owned();
    request.conditions.set("aws:username", "kim");
    let statement = r#"{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/home/${aws:username}/*"}"#;
    allowed(decide(&request, &identity(statement), None));
    let old = format!(r#"{{"Version":"2008-10-17","Statement":[{statement}]}}"#);
    let old = Source { name: "old".to_owned(), policy: Arc::new(Policy::parse(&old).unwrap()) };
    let policies = Policies { identity: vec![old], ..Policies::default() };
    denied(decide(&request, &policies, None), false, PolicyKind::Identity);
}

#[test]
fn malformed_documents_are_named() {
    for text in
        ["", "[]", "{}", r#"{"Statement":[{}]}"#, r#"{"Version":"2020","Statement":[]}"#, r#"{"Statement":[],"x":1}"#]
    {
        assert!(Policy::parse(text).is_err(), "{text}");
    }
    let trust = Policy::parse(&format!(r#"{{"Statement":[{ALLOW}]}}"#)).unwrap();
    assert_eq!(trust.check_trust().unwrap_err().0, "Has prohibited field Resource");
    let identity = Policy::parse(&format!(r#"{{"Statement":{}}}"#, allow_to("\"*\""))).unwrap();
    assert_eq!(identity.check_identity().unwrap_err().0, "Policy document should not specify a principal.");
}

fn any_source() -> impl Strategy<Value = Source> {
    let statement = (
        prop::sample::select(vec!["Allow", "Deny"]),
        prop::sample::select(vec!["*", "dynamodb:*", "dynamodb:Get*", "s3:*"]),
        prop::sample::select(vec!["*", TABLE, "arn:aws:dynamodb:*:*:table/other"]),
    )
        .prop_map(|(effect, action, resource)| {
            format!(r#"{{"Effect":"{effect}","Action":"{action}","Resource":"{resource}"}}"#)
        });
    prop::collection::vec(statement, 1..4).prop_map(|statements| source(&statements.join(",")))
}

proptest! {
    #[test]
    fn adding_a_deny_never_allows_and_adding_an_allow_never_denies(sources in prop::collection::vec(any_source(), 0..4)) {
        let request = request(CallerKind::User, ACCOUNT);
        let mut policies = Policies { identity: sources, ..Policies::default() };
        let before = decide(&request, &policies, None).is_allowed();
        policies.identity.push(source(ALLOW));
        let with_allow = decide(&request, &policies, None).is_allowed();
        prop_assert!(with_allow || !before);
        policies.identity.push(source(DENY));
        prop_assert!(!decide(&request, &policies, None).is_allowed());
    }

    #[test]
    fn the_order_of_policies_does_not_matter(mut sources in prop::collection::vec(any_source(), 0..5)) {
        let request = request(CallerKind::User, ACCOUNT);
        let forwards = decide(&request, &Policies { identity: sources.clone(), ..Policies::default() }, None).is_allowed();
        sources.reverse();
        let backwards = decide(&request, &Policies { identity: sources, ..Policies::default() }, None).is_allowed();
        prop_assert_eq!(forwards, backwards);
    }

    #[test]
    fn parsing_never_panics(text in ".*", json in r#"\{"Version":"2012-10-17","Statement":.{0,80}\}"#) {
        let _ = Policy::parse(&text);
        let _ = Policy::parse(&json);
    }
}
