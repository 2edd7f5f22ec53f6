//! Policy documents: parsing, the checks of IAM, and a decision with whatever came out.

#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use policy::{Caller, CallerKind, Policies, Policy, Request, Source, decide, trusts};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(policy) = Policy::parse(text) else { return };
    let _ = (policy.check_identity(), policy.check_trust());
    let account = "123456789012".to_owned();
    let mut request = Request {
        caller: Caller {
            kind: CallerKind::User,
            account: account.clone(),
            arn: "arn:aws:iam::123456789012:user/a".to_owned(),
            role_arn: None,
        },
        action: "s3:GetObject".to_owned(),
        resource: "arn:aws:s3:::bucket/a/b".to_owned(),
        resource_account: account,
        ..Request::default()
    };
    request.conditions.set("aws:SourceIp", "10.1.2.3");
    request.conditions.set("aws:CurrentTime", "2026-01-02T03:04:05Z");
    request.conditions.set("aws:username", "a");
    let _ = trusts(&policy, &request);
    let source = Source { name: "fuzzed".to_owned(), policy: Arc::new(policy) };
    let policies = Policies { identity: vec![source.clone()], ..Policies::default() };
    let _ = decide(&request, &policies, Some(&source));
});
