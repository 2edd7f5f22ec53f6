//! `make curve`: what a request costs while the state grows a thousandfold, in items, keys, tables and buckets.
//!
//! CPU time of the server per request is what counts: it does not depend on what else the machine does.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cloud::{Cloud, item};
use crate::http1::Connection;
use crate::sign::Unsigned;
use crate::table::median;
use crate::{Result, load};

const LEVELS: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];
const CONNECTIONS: usize = 16;
/// The store sorts in the background what a fill left behind; that is let finish, within bounds.
const CALM: Duration = Duration::from_secs(60);
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_millis(700);
/// Requests that a load goes round in.
const REQUESTS: usize = 1024;

/// Prints the tables of some parts: `items`, `keys` and `containers`.
pub async fn all(parts: &[&str]) -> Result {
    let folder = tempfile::tempdir()?;
    let mut cloud = Cloud::start(Some(folder.path())).await?;
    cloud.issue_key().await?;
    let curve = Curve { cloud: Arc::new(cloud) };
    for part in parts {
        match *part {
            "items" => curve.items().await?,
            "keys" => curve.keys().await?,
            "containers" => curve.containers().await?,
            other => return Err(format!("there is no part {other}: items, keys and containers").into()),
        }
    }
    Ok(())
}

struct Curve {
    cloud: Arc<Cloud>,
}

/// One line of the table: CPU microseconds a request at each level.
struct Line {
    name: &'static str,
    costs: Vec<f64>,
}

fn heading(what: &str, levels: &[usize]) {
    let of = |level: &usize| format!("{level} {what}");
    println!("\n| CPU µs a request | {} | growth |", levels.iter().map(of).collect::<Vec<_>>().join(" | "));
    println!("|---|{}---|", "---|".repeat(levels.len()));
}

impl Line {
    fn print(&self) {
        let costs: Vec<String> = self.costs.iter().map(|cost| format!("{cost:.0}")).collect();
        let growth = self.costs.last().unwrap_or(&0.0) / self.costs.first().unwrap_or(&1.0);
        println!("| {} | {} | {growth:.2} × |", self.name, costs.join(" | "));
    }
}

/// Numbers spread over `count`, in an order that is not theirs.
fn spread(count: usize) -> impl Iterator<Item = usize> {
    (0..REQUESTS).map(move |at| at * 619 % REQUESTS * count / REQUESTS)
}

impl Curve {
    async fn cost(&self, requests: impl Iterator<Item = Result<Vec<u8>>>) -> Result<f64> {
        let requests = Arc::new(requests.collect::<Result<Vec<_>>>()?);
        let address = &self.cloud.server.address;
        load::run(address, &requests, CONNECTIONS, ROUND).await?;
        let mut costs = Vec::new();
        for _ in 0..ROUNDS {
            let before = self.cloud.server.cpu()?;
            let outcome = load::run(address, &requests, CONNECTIONS, ROUND).await?;
            costs.push((self.cloud.server.cpu()? - before) as f64 / outcome.count as f64);
        }
        Ok(median(costs))
    }

    /// Sends what `request` makes of each number, over several connections.
    async fn fill(
        &self,
        what: &str,
        numbers: std::ops::Range<usize>,
        step: usize,
        request: fn(&Cloud, usize) -> Result<Vec<u8>>,
    ) -> Result {
        let began = Instant::now();
        let tasks = (0..CONNECTIONS).map(|task| {
            let (cloud, numbers) = (self.cloud.clone(), numbers.clone());
            tokio::spawn(async move {
                let mut connection = Connection::open(&cloud.server.address).await?;
                for number in numbers.step_by(step).skip(task).step_by(CONNECTIONS) {
                    let response = connection.call(&request(&cloud, number)?).await?;
                    if response.status != 200 {
                        return Err(String::from_utf8_lossy(&response.body).into_owned().into());
                    }
                }
                Result::Ok(())
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await??;
        }
        eprintln!("{what}: filled up to {} in {:.0} s", numbers.end, began.elapsed().as_secs_f64());
        self.calm().await
    }

    /// Waits until the server has nothing to do.
    async fn calm(&self) -> Result {
        let began = Instant::now();
        let mut before = self.cloud.server.cpu()?;
        while began.elapsed() < CALM {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let now = self.cloud.server.cpu()?;
            if now - before <= 20_000 {
                break;
            }
            before = now;
        }
        Ok(())
    }

    fn dynamodb(&self, operation: &str, body: &Value) -> Result<Vec<u8>> {
        self.cloud.dynamodb_request(operation, body)
    }

    async fn items(&self) -> Result {
        self.cloud.create_table("curve").await?;
        let mut lines = ["GetItem", "PutItem", "Query of 10 items"].map(|name| Line { name, costs: Vec::new() });
        let key = |number: usize| json!({ "pk": item(number)["pk"], "sk": item(number)["sk"] });
        let mut filled = 0;
        for level in LEVELS {
            self.fill("items", filled..level, 25, |cloud, first| {
                let puts: Vec<Value> =
                    (first..first + 25).map(|number| json!({ "PutRequest": { "Item": item(number) } })).collect();
                cloud.dynamodb_request("BatchWriteItem", &json!({ "RequestItems": { "curve": puts } }))
            })
            .await?;
            filled = level;
            let get = |number| self.dynamodb("GetItem", &json!({ "TableName": "curve", "Key": key(number) }));
            let put = |number| self.dynamodb("PutItem", &json!({ "TableName": "curve", "Item": item(number) }));
            let query = |number| {
                let values = json!({ ":p": item(number)["pk"] });
                let condition = json!({
                    "TableName": "curve", "KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": values,
                });
                self.dynamodb("Query", &condition)
            };
            lines[0].costs.push(self.cost(spread(level).map(get)).await?);
            lines[2].costs.push(self.cost(spread(level).map(query)).await?);
            lines[1].costs.push(self.cost(spread(level).map(put)).await?);
        }
        heading("items", &LEVELS);
        lines.iter().for_each(Line::print);
        Ok(())
    }

    async fn keys(&self) -> Result {
        self.cloud.send(&object("PUT", "/curve", b"")).await?;
        let names = ["GetObject of 1 KiB", "PutObject of 1 KiB", "ListObjectsV2 of 1,000 keys"];
        let mut lines = names.map(|name| Line { name, costs: Vec::new() });
        let mut filled = 0;
        for level in LEVELS {
            self.fill("keys", filled..level, 1, |cloud, number| {
                cloud.sign(&object("PUT", &path("curve", number), &[b'x'; 1024]))
            })
            .await?;
            filled = level;
            let get = |number| self.cloud.sign(&object("GET", &path("curve", number), b""));
            let put = |number| self.cloud.sign(&object("PUT", &path("curve", number), &[b'x'; 1024]));
            let list = |number: usize| {
                let after = number * (level - 1000) / level;
                let uri = format!("/curve?list-type=2&start-after=key%2F{after:07}");
                self.cloud.sign(&object("GET", &uri, b""))
            };
            lines[0].costs.push(self.cost(spread(level).map(get)).await?);
            lines[2].costs.push(self.cost(spread(level).map(list)).await?);
            lines[1].costs.push(self.cost(spread(level).map(put)).await?);
        }
        heading("keys", &LEVELS);
        lines.iter().for_each(Line::print);
        Ok(())
    }

    /// The same requests to one table and bucket, and to a thousand.
    async fn containers(&self) -> Result {
        const COUNTS: [usize; 2] = [1, 1000];
        for number in 0..COUNTS[1] {
            let table = format!("many{number}");
            self.cloud.create_table(&table).await?;
            self.cloud.dynamodb("PutItem", &json!({ "TableName": table, "Item": item(0) })).await?;
            self.cloud.send(&object("PUT", &format!("/many{number}"), b"")).await?;
            self.cloud.send(&object("PUT", &path(&format!("many{number}"), 0), &[b'x'; 1024])).await?;
        }
        self.calm().await?;
        let names = ["GetItem", "PutItem", "GetObject of 1 KiB", "PutObject of 1 KiB"];
        let mut lines = names.map(|name| Line { name, costs: Vec::new() });
        for count in COUNTS {
            let key = json!({ "pk": item(0)["pk"], "sk": item(0)["sk"] });
            let get = |number| self.dynamodb("GetItem", &json!({ "TableName": format!("many{number}"), "Key": key }));
            let put =
                |number| self.dynamodb("PutItem", &json!({ "TableName": format!("many{number}"), "Item": item(0) }));
            let file = |number| path(&format!("many{number}"), 0);
            let read = |number| self.cloud.sign(&object("GET", &file(number), b""));
            let write = |number| self.cloud.sign(&object("PUT", &file(number), &[b'x'; 1024]));
            lines[0].costs.push(self.cost(spread(count).map(get)).await?);
            lines[1].costs.push(self.cost(spread(count).map(put)).await?);
            lines[2].costs.push(self.cost(spread(count).map(read)).await?);
            lines[3].costs.push(self.cost(spread(count).map(write)).await?);
        }
        heading("tables and buckets", &COUNTS);
        lines.iter().for_each(Line::print);
        Ok(())
    }
}

fn path(bucket: &str, number: usize) -> String {
    format!("/{bucket}/key/{number:07}")
}

fn object<'a>(method: &'static str, uri: &'a str, body: &'a [u8]) -> Unsigned<'a> {
    Unsigned { service: "s3", method, uri, headers: &[], body }
}
