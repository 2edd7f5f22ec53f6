//! Imports: a new table filled from files in S3.
//!
//! The table is there from the acceptance on, and a task puts the files' items into it, in this process or the next:
//! putting an item twice does no harm. Items that the table refuses are counted and left out.

mod csv;
pub mod log;
pub mod packing;
pub mod source;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use service::{Arn, Cloud, Context, Principal, Timestamp};
use store::Range;

use crate::DynamoDb;
use crate::error::{Error, Invalid, item_from_json};
use crate::export::{Status, failure};
use crate::ion;
use crate::pace::IMPORTING;
use crate::table::Table;
use crate::validate;
use crate::value::Item;
use crate::write::{Action, Write, check_put};

use self::log::LeftOut;
use self::source::Source;

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

    fn source(&self) -> Source<'_> {
        Source {
            principal: &self.principal,
            bucket: &self.bucket,
            owner: self.bucket_owner.as_ref(),
            prefix: self.prefix.as_ref(),
            gzip: self.gzip,
            zstandard: self.zstandard,
        }
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
            if db.delays {
                cloud.clock.wait_until(Timestamp::from_millis(import.started + IMPORTING)).await;
            }
            let opened = db.change_table(&cx, &import.table.arn(), |table| {
                table.busy = None;
                Ok(())
            });
            if let Err(error) = opened {
                tracing::error!(?error, "a table cannot be opened after its import");
            }
            import.ended = Some(cx.now().millis());
            let saved = service::to_record(&import).and_then(|record| cx.store().put(import.key(), record));
            if let Err(error) = saved {
                tracing::error!(?error, "the end of an import cannot be noted");
            }
        });
    }

    async fn read_files(&self, cx: &Context, import: &mut Import) -> Result<(), Error> {
        let (mut after, mut found) = (None, false);
        loop {
            let (files, more) = import.source().list(cx, after.take()).await?;
            for file in files {
                after = Some(file.key.clone());
                if file.is_folder() {
                    continue;
                }
                found = true;
                let (body, read) = import.source().read(cx, file.key.clone()).await?;
                import.bytes += read;
                let left_out = self.take_file(cx, import, &body)?;
                log::tell(cx, import, &file.key, &left_out).await;
            }
            if !more {
                break;
            }
        }
        if found { Ok(()) } else { Err(source::none_found()) }
    }

    /// Puts the items of a file; says what was left out.
    fn take_file(&self, cx: &Context, import: &mut Import, body: &[u8]) -> Result<Vec<LeftOut>, Error> {
        let text = || std::str::from_utf8(body).map_err(|_| source::unreadable("it is not UTF-8"));
        let mut items: Vec<Option<Item>> = match &import.format {
            Format::Json => text()?.lines().filter(|line| !line.trim().is_empty()).map(json_item).collect(),
            Format::Ion => ion::items(body).map_err(|_| source::unreadable("it is not Ion"))?,
            Format::Csv { delimiter, header, .. } => csv::items(text()?, *delimiter, header.as_deref(), &import.table),
        };
        let name = import.table.arn();
        let mut left_out = Vec::new();
        for (number, step) in items.chunks_mut(STEP).enumerate() {
            let mut good = Vec::with_capacity(step.len());
            for (at, item) in step.iter_mut().enumerate() {
                import.processed += 1;
                let item = item.take().ok_or_else(|| Invalid::new("The record cannot be parsed as an item"));
                match item.and_then(|item| check_put(&import.table, &item).map(|()| item)) {
                    Ok(item) => good.push(item),
                    Err(Invalid(reason)) => left_out.push((number * STEP + at, reason)),
                }
            }
            self.write_closed(cx, &name, |table, writer| {
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
        import.errors += left_out.len() as i64;
        Ok(left_out)
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
