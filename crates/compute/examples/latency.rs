//! Measures what a function call costs without a service around it: cold, from the reserve, and warm.
//!
//! `cargo run --release -p compute --example latency -- [work directory]`; with `--sdk` the AWS SDKs
//! are installed first, with `--process` sandboxes are plain processes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use compute::environment::Config;
use compute::{Backend, Environments, FunctionSpec, Identity, Invocation};
use tokio::time::Instant;

const NODE: &str = "export const handler = async () => 1;";
const NODE_SDK: &str = "import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
const client = DynamoDBDocumentClient.from(new DynamoDBClient({}));
export const handler = async () => typeof client;";
const PYTHON: &str = "def handler(event, context):\n    return 1\n";
const PYTHON_SDK: &str = "import boto3\ntable = boto3.resource('dynamodb').Table('x')\ndef handler(event, context):\n    return str(table)\n";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let sdk = arguments.iter().any(|argument| argument == "--sdk");
    let work = arguments.iter().find(|argument| !argument.starts_with("--"));
    let work = work.map_or_else(|| std::env::temp_dir().join("compute-latency"), PathBuf::from);
    println!("{:?}", environments(&work, 0).probe().await?);
    println!("{:<28}{:>12}{:>12}{:>12}{:>12}", "median ms", "cold", "reserved", "init", "warm");
    let mut cases = vec![("node", "nodejs20.x", "index.mjs", NODE), ("python", "python3.11", "index.py", PYTHON)];
    if sdk {
        cases.push(("node + DynamoDB client", "nodejs20.x", "index.mjs", NODE_SDK));
        cases.push(("python + boto3 resource", "python3.11", "index.py", PYTHON_SDK));
    }
    for (name, runtime, file, source) in cases {
        let code = work.join(format!("code-{}", name.replace(' ', "-")));
        std::fs::create_dir_all(&code)?;
        std::fs::write(code.join(file), source)?;
        let function = function(runtime, &code);
        let (cold, _) = cold(&environments(&work, 0), &function, sdk).await?;
        let reserved = environments(&work, 2);
        let (from_reserve, init) = cold_reserved(&reserved, &function, sdk).await?;
        let warm = warm(&reserved, &function).await?;
        println!("{name:<28}{cold:>12.2}{from_reserve:>12.2}{init:>12.2}{warm:>12.3}");
    }
    Ok(())
}

fn environments(work: &Path, reserve: usize) -> Environments {
    Environments::new(Config {
        work: work.join("work"),
        cache: work.join("cache"),
        path: "/usr/local/bin:/usr/bin:/bin".into(),
        home: std::env::home_dir(),
        endpoint_port: 4566,
        backend: std::env::args().any(|argument| argument == "--process").then_some(Backend::Process),
        wall_clock: Arc::new(|| 1_800_000_000_000),
        idle: Duration::from_secs(600),
        lifetime: Duration::from_secs(3600),
        capacity: 64,
        reserve,
    })
}

fn function(runtime: &str, code: &Path) -> FunctionSpec {
    FunctionSpec {
        arn: "arn:aws:lambda:us-east-1:000000000000:function:latency".into(),
        name: "latency".into(),
        version: "$LATEST".into(),
        revision: "1".into(),
        region: "us-east-1".into(),
        runtime: runtime.into(),
        handler: "index.handler".into(),
        environment: Vec::new(),
        memory_mb: 512,
        timeout: Duration::from_secs(10),
        ephemeral_mb: 512,
        code: code.into(),
        layers: None,
        log_group: "/aws/lambda/latency".into(),
        log_format: Default::default(),
        provisioned: false,
    }
}

async fn once(environments: &Environments, function: &FunctionSpec) -> Result<(f64, f64), Box<dyn std::error::Error>> {
    let invocation = Invocation { request_id: "r".into(), payload: "{}".into(), ..Invocation::default() };
    let begun = Instant::now();
    let outcome = environments.invoke(function, &invocation, async { Ok(Identity::default()) }).await?;
    let took = begun.elapsed().as_secs_f64() * 1000.0;
    if outcome.function_error.is_some() {
        return Err(String::from_utf8_lossy(&outcome.payload).into());
    }
    Ok((took, outcome.report.init.unwrap_or_default().as_secs_f64() * 1000.0))
}

async fn cold(
    environments: &Environments,
    function: &FunctionSpec,
    sdk: bool,
) -> Result<(f64, f64), Box<dyn std::error::Error>> {
    if sdk {
        environments.prepare(&function.runtime, |words| eprintln!("{words}")).await?;
    }
    let mut times = Vec::new();
    for _ in 0..11 {
        times.push(once(environments, function).await?);
        environments.retire(&function.arn);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(medians(times))
}

async fn cold_reserved(
    environments: &Environments,
    function: &FunctionSpec,
    sdk: bool,
) -> Result<(f64, f64), Box<dyn std::error::Error>> {
    if sdk {
        environments.prepare(&function.runtime, |words| eprintln!("{words}")).await?;
    } else {
        environments.anticipate(&function.runtime).await?;
    }
    let mut times = Vec::new();
    for _ in 0..11 {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        times.push(once(environments, function).await?);
        environments.retire(&function.arn);
    }
    Ok(medians(times))
}

async fn warm(environments: &Environments, function: &FunctionSpec) -> Result<f64, Box<dyn std::error::Error>> {
    let mut times = Vec::new();
    for _ in 0..2000 {
        times.push(once(environments, function).await?);
    }
    Ok(medians(times).0)
}

fn medians(times: Vec<(f64, f64)>) -> (f64, f64) {
    let (mut first, mut second): (Vec<f64>, Vec<f64>) = times.into_iter().unzip();
    first.sort_by(f64::total_cmp);
    second.sort_by(f64::total_cmp);
    (first[first.len() / 2], second[second.len() / 2])
}
