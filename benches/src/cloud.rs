//! A running cloud and what a measure needs in it.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::Result;
use crate::http1::Connection;
use crate::process::Server;
use crate::sign::{Key, Unsigned, signed};

pub struct Cloud {
    pub server: Server,
    /// Of a user with all permissions.
    pub key: Key,
}

/// The release binary beside this one.
pub fn binary() -> Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name("welkin");
    if path.is_file() { Ok(path) } else { Err(format!("no {}; build it with `make bench`", path.display()).into()) }
}

/// Keys that no one issued: they are the root of the default account.
pub fn anyone() -> Key {
    Key { id: "AKIAIOSFODNN7EXAMPLE".to_owned(), secret: "any".to_owned() }
}

impl Cloud {
    /// With its state on disk in `folder`, or in memory.
    pub async fn start(folder: Option<&Path>) -> Result<Cloud> {
        let mut server = Server::start(&binary()?, |address| {
            let mut arguments = vec!["up".to_owned(), "--json".to_owned(), "--listen".to_owned(), address.to_owned()];
            match folder {
                Some(folder) => arguments.extend(["--state".to_owned(), folder.display().to_string()]),
                None => arguments.push("--ephemeral".to_owned()),
            }
            arguments
        })?;
        server.answers().await?;
        Ok(Cloud { server, key: anyone() })
    }

    /// Makes a user with an issued key and all permissions, and uses the key from here on.
    pub async fn issue_key(&mut self) -> Result {
        self.form("iam", "Action=CreateUser&Version=2010-05-08&UserName=bench").await?;
        let document = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%22%2A%22%2C%22Resource%22%3A%22%2A%22%7D%5D%7D";
        let put =
            format!("Action=PutUserPolicy&Version=2010-05-08&UserName=bench&PolicyName=all&PolicyDocument={document}");
        self.form("iam", &put).await?;
        let text = self.form("iam", "Action=CreateAccessKey&Version=2010-05-08&UserName=bench").await?;
        let element = |name: &str| {
            let rest = text.split_once(&format!("<{name}>")).map(|(_, rest)| rest);
            rest.and_then(|rest| rest.split_once('<')).map(|(value, _)| value.to_owned()).ok_or("no key")
        };
        self.key = Key { id: element("AccessKeyId")?, secret: element("SecretAccessKey")? };
        Ok(())
    }

    pub fn sign(&self, request: &Unsigned<'_>) -> Result<Vec<u8>> {
        signed(request, &self.server.address, &self.key)
    }

    pub async fn send(&self, request: &Unsigned<'_>) -> Result<Vec<u8>> {
        let response = Connection::open(&self.server.address).await?.call(&self.sign(request)?).await?;
        if (200..300).contains(&response.status) {
            return Ok(response.body);
        }
        let text = String::from_utf8_lossy(&response.body).into_owned();
        Err(format!("{} {}: {} {text}", request.method, request.uri, response.status).into())
    }

    /// A call of the query protocol.
    async fn form(&self, service: &str, body: &str) -> Result<String> {
        Ok(String::from_utf8(self.send(&form(service, body)).await?)?)
    }

    pub fn dynamodb_request(&self, operation: &str, body: &Value) -> Result<Vec<u8>> {
        let (target, body) = (format!("DynamoDB_20120810.{operation}"), body.to_string());
        let headers = [("x-amz-target", target.as_str()), ("content-type", "application/x-amz-json-1.0")];
        let request =
            Unsigned { service: "dynamodb", method: "POST", uri: "/", headers: &headers, body: body.as_bytes() };
        self.sign(&request)
    }

    pub async fn dynamodb(&self, operation: &str, body: &Value) -> Result<Vec<u8>> {
        let request = self.dynamodb_request(operation, body)?;
        let response = Connection::open(&self.server.address).await?.call(&request).await?;
        let text = String::from_utf8_lossy(&response.body).into_owned();
        if response.status == 200 { Ok(response.body) } else { Err(format!("{operation}: {text}").into()) }
    }

    /// A table with the key `pk`, `sk`.
    pub async fn create_table(&self, name: &str) -> Result {
        let attribute = |name: &str| json!({ "AttributeName": name, "AttributeType": "S" });
        let key = |name: &str, kind: &str| json!({ "AttributeName": name, "KeyType": kind });
        let table = json!({
            "TableName": name,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [attribute("pk"), attribute("sk")],
            "KeySchema": [key("pk", "HASH"), key("sk", "RANGE")],
        });
        self.dynamodb("CreateTable", &table).await.map(|_| ())
    }

    /// Fills a table with `count` items, ten to a partition.
    pub async fn fill(&self, table: &str, count: usize) -> Result {
        let mut connection = Connection::open(&self.server.address).await?;
        for first in (0..count).step_by(25) {
            let puts: Vec<Value> = (first..count.min(first + 25))
                .map(|number| json!({ "PutRequest": { "Item": item(number) } }))
                .collect();
            let request = self.dynamodb_request("BatchWriteItem", &json!({ "RequestItems": { table: puts } }))?;
            let response = connection.call(&request).await?;
            if response.status != 200 {
                return Err(String::from_utf8_lossy(&response.body).into_owned().into());
            }
        }
        Ok(())
    }

    pub async fn rest(&self, service: &str, method: &str, uri: &str, body: &Value) -> Result<Value> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let headers = [("content-type", "application/json")];
        let answer = self.send(&Unsigned { service, method, uri, headers: &headers, body: body.as_bytes() }).await?;
        Ok(serde_json::from_slice(&answer).unwrap_or(Value::Null))
    }

    /// The role of the functions.
    pub async fn create_role(&self) -> Result {
        let assume = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Principal%22%3A%7B%22Service%22%3A%22lambda.amazonaws.com%22%7D%2C%22Action%22%3A%22sts%3AAssumeRole%22%7D%5D%7D";
        let role = format!("Action=CreateRole&Version=2010-05-08&RoleName=bench&AssumeRolePolicyDocument={assume}");
        self.form("iam", &role).await.map(|_| ())
    }

    /// A function of one file, with the handler `app.handler`.
    pub async fn create_function(&self, name: &str, runtime: &str, file: &str, source: &str) -> Result {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        zip.start_file(file, zip::write::SimpleFileOptions::default())?;
        zip.write_all(source.as_bytes())?;
        let bytes = zip.finish()?.into_inner();
        let function = json!({
            "FunctionName": name,
            "Runtime": runtime,
            "Handler": "app.handler",
            "Role": "arn:aws:iam::000000000000:role/bench",
            "Code": { "ZipFile": STANDARD.encode(bytes) },
        });
        self.rest("lambda", "POST", "/2015-03-31/functions", &function).await.map(|_| ())
    }

    /// A deployed API whose root is the function; returns the path of its stage.
    pub async fn create_api(&self, function: &str) -> Result<String> {
        let text = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
        let api = self.rest("apigateway", "POST", "/restapis", &json!({ "name": "bench" })).await?;
        let (id, root) = (text(&api, "id"), text(&api, "rootResourceId"));
        let method = format!("/restapis/{id}/resources/{root}/methods/GET");
        self.rest("apigateway", "PUT", &method, &json!({ "authorizationType": "NONE" })).await?;
        let arn = format!("arn:aws:lambda:us-east-1:000000000000:function:{function}");
        let integration = json!({
            "type": "AWS_PROXY",
            "httpMethod": "POST",
            "uri": format!("arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn}/invocations"),
        });
        self.rest("apigateway", "PUT", &format!("{method}/integration"), &integration).await?;
        let permission = json!({
            "StatementId": "api", "Action": "lambda:InvokeFunction", "Principal": "apigateway.amazonaws.com",
        });
        self.rest("lambda", "POST", &format!("/2015-03-31/functions/{function}/policy"), &permission).await?;
        let deployment = json!({ "stageName": "v1" });
        self.rest("apigateway", "POST", &format!("/restapis/{id}/deployments"), &deployment).await?;
        Ok(format!("/_aws/execute-api/{id}/v1/"))
    }
}

pub fn form<'a>(service: &'a str, body: &'a str) -> Unsigned<'a> {
    let headers = &[("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
    Unsigned { service, method: "POST", uri: "/", headers, body: body.as_bytes() }
}

/// An item of about 300 bytes.
pub fn item(number: usize) -> Value {
    json!({
        "pk": { "S": format!("p{}", number / 10) },
        "sk": { "S": format!("s{:03}", number % 10) },
        "number": { "N": number.to_string() },
        "text": { "S": "x".repeat(200) },
        "list": { "L": [{ "S": "a" }, { "N": "1" }, { "BOOL": true }] },
    })
}
