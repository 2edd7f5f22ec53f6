//! Imports: a new table filled from files in S3.
//!
//! The table is there from the acceptance on, and a task puts the files' items into it, in this process or the next:
//! putting an item twice does no harm. Items that the table refuses are counted and left out.

mod csv;
pub mod packing;

use std::sync::Arc;

use s3_api::{GetObject, GetObjectRequest, ListObjectsV2, ListObjectsV2Request};
use serde::{Deserialize, Serialize};
use service::{Arn, Cloud, Context, Principal};
use store::Range;

use crate::DynamoDb;
use crate::error::{Error, item_from_json};
use crate::export::{Status, failure};
use crate::ion;
use crate::table::Table;
use crate::validate;
use crate::value::Item;
use crate::write::{Action, Write, check_put};

pub const IMPORTS: &str = "dynamodb/import/";
/// How many items one transaction puts.
const STEP: usize = 500;
/// The most that one file may hold once it is unpacked.
const MAX_FILE: usize = 1 << 30;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// One `{"Item": …}` a line.
    Json,
    /// `{Item: …}` a value.
    Ion,
    Csv {
        delimiter: char,
        header: Option<Vec<String>>,
        delimiter_given: bool,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Import {
    pub id: String,
    /// On whose behalf the files are read.
    pub principal: Principal,
    pub token: String,
    pub bucket: String,
    pub bucket_owner: Option<String>,
    pub prefix: Option<String>,
    pub format: Format,
    pub gzip: bool,
    #[serde(default)]
    pub zstandard: bool,
    /// The table as it was made.
    pub table: Table,
    pub status: Status,
    pub started: i64,
    pub ended: Option<i64>,
    pub failure: Option<(String, String)>,
    pub bytes: i64,
    pub processed: i64,
    pub imported: i64,
    pub errors: i64,
}

impl Import {
    pub fn arn(&self) -> String {
        format!("{}/import/{}", self.table.arn(), self.id)
    }

    pub fn key(&self) -> Vec<u8> {
        key(&self.table.account, &self.table.region, &self.table.name, &self.id)
    }
}

pub fn key(account: &str, region: &str, table: &str, id: &str) -> Vec<u8> {
    format!("{IMPORTS}{account}/{region}/{table}/{id}").into_bytes()
}

pub fn find(cx: &Context, arn: &str) -> Result<Import, Error> {
    let missing = || Error::ImportNotFound(format!("Import not found: {arn}"));
    let parsed = Arn::parse(arn).filter(|arn| arn.account == cx.account() && arn.region == cx.region());
    let parsed = parsed.ok_or_else(missing)?;
    let (table, id) =
        parsed.resource.strip_prefix("table/").and_then(|rest| rest.split_once("/import/")).ok_or_else(missing)?;
    let record = cx.store().get(&key(cx.account(), cx.region(), table, id))?.ok_or_else(missing)?;
    Ok(service::from_record(&record)?)
}

impl DynamoDb {
    /// Goes on with the imports that the last process left unfinished.
    pub fn resume_imports(&self, cloud: &Arc<Cloud>) -> Result<(), Error> {
        for entry in cloud.store.scan(Range::prefix(IMPORTS)) {
            let import: Import = service::from_record(&entry?.1)?;
            if import.status == Status::InProgress {
                self.import_in_background(cloud, import);
            }
        }
        Ok(())
    }

    pub fn import_in_background(&self, cloud: &Arc<Cloud>, mut import: Import) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (db, cloud) = (self.clone(), cloud.clone());
        runtime.spawn(async move {
            let cx = cloud.context(import.principal.clone(), &import.table.account, &import.table.region);
            match db.read_files(&cx, &mut import).await {
                Ok(()) => import.status = Status::Completed,
                Err(error) => {
                    import.status = Status::Failed;
                    import.failure = Some(failure(error));
                }
            }
            import.ended = Some(cx.now().millis());
            let saved = service::to_record(&import).and_then(|record| cx.store().put(import.key(), record));
            if let Err(error) = saved {
                tracing::error!(?error, "the end of an import cannot be noted");
            }
        });
    }

    async fn read_files(&self, cx: &Context, import: &mut Import) -> Result<(), Error> {
        let mut token = None;
        let mut found = false;
        loop {
            let request = ListObjectsV2Request {
                bucket: import.bucket.clone(),
                prefix: import.prefix.clone(),
                expected_bucket_owner: import.bucket_owner.clone(),
                continuation_token: token,
                ..Default::default()
            };
            let page = cx.call::<ListObjectsV2>(import.principal.clone(), request).await?;
            for object in page.contents.unwrap_or_default() {
                let Some(name) = object.key.filter(|name| !name.ends_with('/')) else { continue };
                found = true;
                let body = self.read_file(cx, import, name).await?;
                self.take_file(cx, import, &body)?;
            }
            token = page.next_continuation_token;
            if token.is_none() {
                break;
            }
        }
        match found {
            true => Ok(()),
            false => Err(Error::Reply(Box::new(service::ApiError::new(
                400,
                "S3NoSuchKey",
                "No files were found under the given bucket and prefix",
            )))),
        }
    }

    async fn read_file(&self, cx: &Context, import: &mut Import, key: String) -> Result<String, Error> {
        let request = GetObjectRequest { bucket: import.bucket.clone(), key, ..Default::default() };
        let object = cx.call::<GetObject>(import.principal.clone(), request).await?;
        let body = object.body.unwrap_or_default().collect(MAX_FILE).await;
        let body = body.map_err(|error| Error::internal(error.to_string()))?;
        import.bytes += body.len() as i64;
        let invalid = |reason: &str| {
            Error::Reply(Box::new(service::ApiError::new(
                400,
                "ValidationError",
                format!("A file cannot be read: {reason}"),
            )))
        };
        let body = match (import.gzip, import.zstandard) {
            (true, _) => packing::gunzip(&body),
            (_, true) => packing::unzstd(&body),
            _ => Ok(body.to_vec()),
        };
        let body = body.map_err(|error| invalid(&error.to_string()))?;
        String::from_utf8(body).map_err(|_| invalid("it is not UTF-8"))
    }

    fn take_file(&self, cx: &Context, import: &mut Import, text: &str) -> Result<(), Error> {
        let mut items: Vec<Option<Item>> = match &import.format {
            Format::Json => text.lines().filter(|line| !line.trim().is_empty()).map(json_item).collect(),
            Format::Ion => ion::items(text),
            Format::Csv { delimiter, header, .. } => csv::items(text, *delimiter, header.as_deref(), &import.table),
        };
        let name = import.table.arn();
        for step in items.chunks_mut(STEP) {
            let mut good = Vec::with_capacity(step.len());
            for item in step {
                import.processed += 1;
                match item.take().filter(|item| check_put(&import.table, item).is_ok()) {
                    Some(item) => good.push(item),
                    None => import.errors += 1,
                }
            }
            self.write(cx, &name, |table, writer| {
                for item in &good {
                    let write = Write {
                        key: item,
                        action: Action::Put,
                        condition: None,
                        wants_old: false,
                        wants_old_on_failure: false,
                    };
                    writer.perform(table, &write)?;
                }
                Ok(())
            })?;
            import.imported += good.len() as i64;
        }
        Ok(())
    }
}

fn json_item(line: &str) -> Option<Item> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    let mut item = item_from_json(line.get("Item")?)?;
    validate::normalise_item(&mut item).ok()?;
    Some(item)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_items() {
        let item = json_item(r#"{"Item":{"a":{"N":"1.0"},"l":{"L":[{"SS":["x"]}]},"b":{"B":"aGk="}}}"#).unwrap();
        assert_eq!(item["a"], crate::value::AttributeValue::N("1".into()));
        for bad in ["", "{}", r#"{"Item":{"a":{"N":"x"}}}"#, r#"{"Item":{"a":{"S":"1","N":"1"}}}"#, "[1]"] {
            assert_eq!(json_item(bad), None, "{bad}");
        }
    }
}
