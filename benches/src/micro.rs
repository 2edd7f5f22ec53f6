//! Measures inside this process: the decision of a policy set, without the rest of a request.

use std::sync::Arc;
use std::time::Instant;

use policy::{Caller, CallerKind, Policies, Policy, Request, Source, decide};

use crate::Result;

/// Microseconds at the 99th percentile for a decision over ten policies of twenty statements, the last of which allows.
pub fn decision() -> Result<f64> {
    let statement = |policy: usize, number: usize| {
        let last = policy == 9 && number == 19;
        let action = if last { "dynamodb:GetItem".to_owned() } else { format!("service{policy}:Action{number}*") };
        serde_json::json!({
            "Effect": "Allow",
            "Action": [action, format!("other{number}:Get*")],
            "Resource": [format!("arn:aws:dynamodb:us-east-1:*:table/t{}*", if last { 0 } else { number }), "arn:aws:s3:::b/*"],
            "Condition": { "StringEquals": { "aws:RequestedRegion": ["us-east-1", "eu-west-1"] } },
        })
    };
    let mut identity = Vec::new();
    for number in 0..10 {
        let statements: Vec<_> = (0..20).map(|at| statement(number, at)).collect();
        let text = serde_json::json!({ "Version": "2012-10-17", "Statement": statements }).to_string();
        let policy = Policy::parse(&text).map_err(|error| error.0)?;
        identity.push(Source { name: format!("policy {number}"), policy: Arc::new(policy) });
    }
    let policies = Policies { identity, ..Policies::default() };
    let caller = Caller {
        kind: CallerKind::User,
        account: "000000000000".to_owned(),
        arn: "arn:aws:iam::000000000000:user/bench".to_owned(),
        role_arn: None,
    };
    let mut request = Request {
        caller,
        action: "dynamodb:GetItem".to_owned(),
        resource: "arn:aws:dynamodb:us-east-1:000000000000:table/t0".to_owned(),
        resource_account: "000000000000".to_owned(),
        ..Request::default()
    };
    request.conditions.set("aws:RequestedRegion", "us-east-1");
    let mut times: Vec<u128> = (0..50_000)
        .map(|_| {
            let began = Instant::now();
            let decision = std::hint::black_box(decide(std::hint::black_box(&request), &policies, None));
            let time = began.elapsed().as_nanos();
            assert!(decision.is_allowed(), "{decision:?}");
            time
        })
        .collect();
    times.sort_unstable();
    Ok(times[times.len() * 99 / 100] as f64 / 1000.0)
}
