//! The rows of the table, one function a group.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cloud::{Cloud, anyone, form, item};
use crate::http1::Connection;
use crate::process::Server;
use crate::sign::{Unsigned, plain, signed};
use crate::table::{Compared, Table, median};
use crate::{Result, load, micro};

const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_millis(700);
const WARM_UP: Duration = Duration::from_millis(200);
const CONNECTIONS: usize = 32;
const IDENTITY: &str = "Action=GetCallerIdentity&Version=2011-06-15";

struct Bench {
    hello: Server,
    cloud: Cloud,
    table: Table,
    /// Only rows whose name has this in it.
    only: String,
}

pub async fn all(only: &str) -> Result {
    let mut hello = Server::start(&std::env::current_exe()?, |address| vec!["hello".to_owned(), address.to_owned()])?;
    hello.answers().await?;
    let table = Table::begin();
    let wanted = |name: &str| name.contains(only);
    if wanted("start") {
        start(&table).await?;
    }
    if wanted("decision") {
        table.value(
            "authorization decision, 10 policies of 20 statements, p99",
            &format!("{:.1} µs", micro::decision()?),
            "≤ 20 µs",
        );
    }
    let folder = tempfile::tempdir()?;
    let mut cloud = Cloud::start(Some(folder.path())).await?;
    cloud.issue_key().await?;
    let bench = Bench { hello, cloud, table, only: only.to_owned() };
    bench.sts().await?;
    bench.dynamodb().await?;
    bench.growth().await?;
    bench.s3().await?;
    bench.functions().await?;
    if bench.wanted("memory") {
        let memory = format!("{:.1} MiB", bench.cloud.server.memory()?);
        bench.table.value("memory after all of the above", &memory, "≤ 80 MiB");
    }
    Ok(())
}

/// Start to first successful call, and memory when idle.
async fn start(table: &Table) -> Result {
    let (mut times, mut memory) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let began = Instant::now();
        let cloud = Cloud::start(None).await?;
        let request = signed(&form("sts", IDENTITY), &cloud.server.address, &anyone())?;
        let response = Connection::open(&cloud.server.address).await?.call(&request).await?;
        times.push(began.elapsed().as_secs_f64() * 1000.0);
        if response.status != 200 {
            return Err("the first call failed".into());
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        memory.push(cloud.server.memory()?);
    }
    table.value("start to first successful call", &format!("{:.1} ms", median(times)), "≤ 15 ms");
    table.value("idle memory", &format!("{:.1} MiB", median(memory)), "≤ 14 MiB");
    Ok(())
}

impl Bench {
    fn wanted(&self, name: &str) -> bool {
        name.contains(&self.only)
    }

    /// Whether a row of the group can be wanted.
    fn group(&self, name: &str) -> bool {
        self.wanted(name) || self.only.contains(name)
    }

    /// Measures a load beside the same load on the minimal server.
    async fn row(&self, name: &str, connections: usize, requests: Vec<Vec<u8>>, must: &str) -> Result<f64> {
        if !self.wanted(name) {
            return Ok(0.0);
        }
        let address = &self.cloud.server.address;
        let first = Connection::open(address).await?.call(&requests[0]).await?;
        let sent = requests[0].len().saturating_sub(find_body(&requests[0]));
        let uri = format!("/{}", first.body.len());
        let same = Arc::new(vec![plain("POST", &uri, &self.hello.address, &vec![b'x'; sent])]);
        let requests = Arc::new(requests);
        let failed = |error| format!("{name}: {error}");
        load::run(address, &requests, connections, WARM_UP).await.map_err(failed)?;
        let mut rounds: [Vec<f64>; 7] = Default::default();
        for _ in 0..ROUNDS {
            let before = self.hello.cpu()?;
            let hello = load::run(&self.hello.address, &same, connections, ROUND).await?;
            let hello_cpu = (self.hello.cpu()? - before) as f64 / hello.count as f64;
            let before = self.cloud.server.cpu()?;
            let cloud = load::run(address, &requests, connections, ROUND).await.map_err(failed)?;
            let cloud_cpu = (self.cloud.server.cpu()? - before) as f64 / cloud.count as f64;
            let values = [
                hello.rate(),
                cloud.rate(),
                cloud.rate() / hello.rate(),
                hello_cpu,
                cloud_cpu,
                cloud.percentile(50),
                cloud.percentile(99),
            ];
            for (list, value) in rounds.iter_mut().zip(values) {
                list.push(value);
            }
        }
        let [hello, cloud, ratio, hello_cpu, cloud_cpu, p50, p99] = rounds.map(median);
        let row = Compared { hello, cloud, ratio, hello_cpu, cloud_cpu, p50, p99 };
        self.table.compared(name, &row, must);
        Ok(cloud)
    }

    async fn sts(&self) -> Result {
        let request = self.cloud.sign(&form("sts", IDENTITY))?;
        self.row("STS GetCallerIdentity", CONNECTIONS, vec![request], "≥ 0.55").await.map(|_| ())
    }

    fn gets(&self, table: &str, items: usize) -> Result<Vec<Vec<u8>>> {
        let key = |number: usize| json!({ "pk": item(number)["pk"], "sk": item(number)["sk"] });
        let body = |number| json!({ "TableName": table, "Key": key(number) });
        (0..256).map(|at| self.cloud.dynamodb_request("GetItem", &body(at * items / 256))).collect()
    }

    fn puts(&self, table: &str, items: usize) -> Result<Vec<Vec<u8>>> {
        let body = |number| json!({ "TableName": table, "Item": item(number) });
        (0..256).map(|at| self.cloud.dynamodb_request("PutItem", &body(at * items / 256))).collect()
    }

    async fn dynamodb(&self) -> Result {
        if !self.group("DynamoDB") {
            return Ok(());
        }
        self.cloud.create_table("items").await?;
        self.cloud.fill("items", 10_000).await?;
        self.row("DynamoDB GetItem", CONNECTIONS, self.gets("items", 10_000)?, "≥ 0.45").await?;
        self.row("DynamoDB PutItem, on disk", CONNECTIONS, self.puts("items", 10_000)?, "≥ 0.30").await?;
        let query = |number: usize| -> Value {
            json!({
                "TableName": "items",
                "KeyConditionExpression": "pk = :p",
                "ExpressionAttributeValues": { ":p": { "S": format!("p{number}") } },
            })
        };
        let queries: Result<Vec<_>> =
            (0..256).map(|number| self.cloud.dynamodb_request("Query", &query(number * 3))).collect();
        self.row("DynamoDB Query of 10 items", CONNECTIONS, queries?, "≥ 0.30").await?;
        let scan = self.cloud.dynamodb_request("Scan", &json!({ "TableName": "items" }))?;
        self.row("DynamoDB Scan, pages of 1 MB (1 connection)", 1, vec![scan], "≥ 150 pages/s").await?;
        Ok(())
    }

    async fn growth(&self) -> Result {
        if !self.group("growth") {
            return Ok(());
        }
        let mut rates = Vec::new();
        for (table, items) in [("small", 1_000), ("large", 100_000)] {
            self.cloud.create_table(table).await?;
            self.cloud.fill(table, items).await?;
            let name = format!("growth: GetItem of {items} items");
            let gets = self.row(&name, CONNECTIONS, self.gets(table, items)?, "").await?;
            let name = format!("growth: PutItem into {items} items");
            let puts = self.row(&name, CONNECTIONS, self.puts(table, items)?, "").await?;
            rates.push((gets, puts));
        }
        if let [(get, put), (many_get, many_put)] = rates[..] {
            let text = format!("{:.2} × · {:.2} ×", get / many_get, put / many_put);
            self.table.value("growth: GetItem · PutItem with 100 × the items", &text, "within 1.5 ×");
        }
        Ok(())
    }

    async fn s3(&self) -> Result {
        if !self.group("S3") {
            return Ok(());
        }
        let request = |method: &'static str, uri: String, body: Vec<u8>| -> Result<Vec<u8>> {
            self.cloud.sign(&Unsigned { service: "s3", method, uri: &uri, headers: &[], body: &body })
        };
        let mut connection = Connection::open(&self.cloud.server.address).await?;
        connection.call(&request("PUT", "/bench".to_owned(), Vec::new())?).await?;
        for (name, size, put, get) in [("1 KiB", 1 << 10, "≥ 0.35", "≥ 0.50"), ("1 MiB", 1 << 20, "≥ 0.30", "≥ 0.90")]
        {
            let count = if size > 1 << 16 { 8 } else { 128 };
            let uri = |number: usize| format!("/bench/{size}-{number}");
            let puts: Result<Vec<_>> = (0..count).map(|at| request("PUT", uri(at), vec![b'x'; size])).collect();
            let gets: Result<Vec<_>> = (0..count).map(|at| request("GET", uri(at), Vec::new())).collect();
            let puts = puts?;
            for put in &puts {
                connection.call(put).await?;
            }
            self.row(&format!("S3 PUT {name}"), CONNECTIONS, puts, put).await?;
            self.row(&format!("S3 GET {name}"), CONNECTIONS, gets?, get).await?;
        }
        for number in 0..10_000 {
            let uri = format!("/bench/list/{}/{number:05}", number % 10);
            connection.call(&request("PUT", uri, vec![b'x'])?).await?;
        }
        let list = request("GET", "/bench?list-type=2&prefix=list%2F".to_owned(), Vec::new())?;
        self.row("S3 ListObjectsV2, 1,000 of 10,000 keys", CONNECTIONS, vec![list], "≥ 0.10").await?;
        let folded = request("GET", "/bench?delimiter=%2F&list-type=2&prefix=list%2F".to_owned(), Vec::new())?;
        self.row("S3 ListObjectsV2 with a delimiter", CONNECTIONS, vec![folded], "≥ 0.10").await?;
        Ok(())
    }

    async fn functions(&self) -> Result {
        if !self.group("Lambda") {
            return Ok(());
        }
        self.cloud.create_role().await?;
        let answer = "def handler(event, context):\n    return {'statusCode': 200, 'body': 'hello'}\n";
        self.cloud.create_function("bench", "python3.11", "app.py", answer).await?;
        let uri = "/2015-03-31/functions/bench/invocations";
        let invoke = Unsigned { service: "lambda", method: "POST", uri, headers: &[], body: b"{}" };
        // The first call starts the process; the rows are about warm ones.
        self.cloud.send(&invoke).await?;
        let invoke = self.cloud.sign(&invoke)?;
        self.row("Lambda warm invoke (1 connection)", 1, vec![invoke], "p50 ≤ 1, p99 ≤ 5 ms").await?;
        let path = self.cloud.create_api("bench").await?;
        let get = plain("GET", &path, &self.cloud.server.address, b"");
        Connection::open(&self.cloud.server.address).await?.call(&get).await?;
        self.row("API Gateway → Lambda, warm (1 connection)", 1, vec![get], "p50 ≤ 1.5 ms").await?;
        self.cold("Python", "python3.11", "app.py", answer, "p50 ≤ 15 ms").await?;
        let answer = "exports.handler = async () => 'hello'\n";
        self.cold("Node.js", "nodejs20.x", "app.js", answer, "p50 ≤ 15 ms").await?;
        let client = "const { DynamoDBClient } = require('@aws-sdk/client-dynamodb')\n\
                      new DynamoDBClient({})\nexports.handler = async () => 'hello'\n";
        self.cold("Node.js with the DynamoDB client", "nodejs20.x", "app.js", client, "p50 ≤ 35 ms").await
    }

    /// The first invocation after a change of the configuration, which no environment there is can serve.
    async fn cold(&self, kind: &str, runtime: &str, file: &str, source: &str, must: &str) -> Result {
        const TIMES: usize = 9;
        let name = format!("cold-{}", kind.split(' ').map(|word| &word[..1]).collect::<String>());
        self.cloud.create_function(&name, runtime, file, source).await?;
        let (mut times, uri) = (Vec::new(), format!("/2015-03-31/functions/{name}/invocations"));
        let invoke = Unsigned { service: "lambda", method: "POST", uri: &uri, headers: &[], body: b"{}" };
        for round in 0..TIMES {
            let change = json!({ "Environment": { "Variables": { "ROUND": round.to_string() } } });
            let uri = format!("/2015-03-31/functions/{name}/configuration");
            self.cloud.rest("lambda", "PUT", &uri, &change).await?;
            // Processes that were taken from the pool are replaced meanwhile.
            tokio::time::sleep(Duration::from_millis(1200)).await;
            let invoke = self.cloud.sign(&invoke)?;
            let mut connection = Connection::open(&self.cloud.server.address).await?;
            let began = Instant::now();
            let response = connection.call(&invoke).await?;
            times.push(began.elapsed().as_secs_f64() * 1000.0);
            if response.status != 200 || response.body.starts_with(b"{\"error") {
                let text = String::from_utf8_lossy(&response.body).into_owned();
                eprintln!("Lambda cold, {kind}: not measured: {text}");
                return Ok(());
            }
        }
        times.sort_by(f64::total_cmp);
        let value = format!("{:.1} · {:.1} ms", times[TIMES / 2], times[TIMES * 9 / 10]);
        self.table.value(&format!("Lambda cold, {kind}, p50 · p90"), &value, must);
        Ok(())
    }
}

/// Where the body of a request begins.
fn find_body(request: &[u8]) -> usize {
    request.windows(4).position(|window| window == b"\r\n\r\n").map_or(request.len(), |at| at + 4)
}
