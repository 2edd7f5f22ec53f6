//! Commands that ask a running cloud: `status`, `reset`, `policy explain`.

use std::process::ExitCode;

use serde_json::Value;

use super::Failure;
use crate::cli::{Query, Target};
use crate::http::call;

pub fn status(query: &Query) -> Result<ExitCode, Failure> {
    let endpoint = &query.target.endpoint;
    let health = call(endpoint, "GET", "/_welkin/health", None)?;
    let services = call(endpoint, "GET", "/_welkin/services", None)?;
    if query.json {
        let mut all = health;
        all["coverage"] = services;
        println!("{all}");
        return Ok(ExitCode::SUCCESS);
    }
    let text = |key: &str| health[key].as_str().unwrap_or_default().to_owned();
    println!(
        "Welkin {} is up at {endpoint} (account {}, {}, auth {}).",
        text("version"),
        text("account"),
        text("region"),
        text("auth")
    );
    println!();
    println!("{:<12} {:>10}   resources", "service", "operations");
    for (name, service) in services.as_object().into_iter().flatten() {
        let known = service["operations"].as_array().map_or(0, Vec::len);
        let resources: Vec<String> = (service["resources"].as_object().into_iter().flatten())
            .map(|(kind, count)| format!("{count} {kind}"))
            .collect();
        println!("{name:<12} {known:>3} of {:>3}   {}", service["of"].as_u64().unwrap_or(0), resources.join(", "));
    }
    Ok(ExitCode::SUCCESS)
}

pub fn reset(target: &Target) -> Result<ExitCode, Failure> {
    call(&target.endpoint, "POST", "/_welkin/reset", None)?;
    println!("The cloud at {} is empty.", target.endpoint);
    Ok(ExitCode::SUCCESS)
}

/// Names the statement, or the lack of one, that decided the latest denial.
pub fn explain(query: &Query) -> Result<ExitCode, Failure> {
    let answer = call(&query.target.endpoint, "GET", "/_welkin/denials", None)?;
    let Some(denial) = answer["denials"].as_array().and_then(|list| list.first()) else {
        println!("No call was denied since the cloud started.");
        return Ok(ExitCode::SUCCESS);
    };
    if query.json {
        println!("{denial}");
        return Ok(ExitCode::SUCCESS);
    }
    let text = |key: &str| denial[key].as_str().unwrap_or_default().to_owned();
    println!("{}  request {}", text("time"), text("requestId"));
    println!("  who       {}", text("principal"));
    println!("  wanted    {}", text("action"));
    println!("  on        {}", text("resource"));
    match denial["statement"].as_str() {
        Some(statement) => println!("  denied    by {statement} ({})", text("policyKind")),
        None => println!("  denied    because no {} allows it", text("policyKind")),
    }
    match denial["considered"].as_array().map(Vec::as_slice) {
        None | Some([]) => println!("  looked at no policies: none applies to this caller"),
        Some(list) => {
            println!("  looked at");
            list.iter().filter_map(Value::as_str).for_each(|policy| println!("            {policy}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}
