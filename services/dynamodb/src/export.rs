//! Exports: a table as it was at a moment, or what changed in a span of time, as files in S3.
//!
//! An export is a record from its acceptance on; while the record says that it is in progress, a task writes its files,
//! in this process or the next. What the files are called follows from the record, so writing them twice does no harm.

use std::io::Write as _;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use md5::{Digest as _, Md5};
use s3_api::{PutObject, PutObjectRequest};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use service::{Arn, Cloud, Context, Principal, Timestamp};
use store::Range;

use crate::DynamoDb;
use crate::codec;
use crate::error::{Error, item_to_json};
use crate::history;
use crate::ion::{self, Record};
use crate::selection::Selection;
use crate::table::{Table, index_prefix};
use crate::value::Item;

pub const EXPORTS: &str = "dynamodb/export/";
/// A new file begins after this many bytes of text.
const FILE: usize = 32 * 1024 * 1024;
/// How many records are selected at once.
const CHUNK: usize = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    InProgress,
    Completed,
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// The state at a moment.
    Full { at: i64 },
    /// What changed after one moment, up to another.
    Incremental { from: i64, to: i64, with_old: bool },
}

impl Kind {
    /// The moment whose state is exported last.
    pub fn at(&self) -> i64 {
        match self {
            Kind::Full { at } => *at,
            Kind::Incremental { to, .. } => *to,
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Kind::Full { .. } => "FULL_EXPORT",
            Kind::Incremental { .. } => "INCREMENTAL_EXPORT",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Export {
    pub id: String,
    pub account: String,
    pub region: String,
    pub table: String,
    pub table_id: String,
    /// On whose behalf the files are written.
    pub principal: Principal,
    pub token: String,
    pub bucket: String,
    pub bucket_owner: Option<String>,
    pub prefix: Option<String>,
    pub encryption: Option<String>,
    pub encryption_key: Option<String>,
    pub kind: Kind,
    /// In Ion rather than in JSON.
    #[serde(default)]
    pub ion: bool,
    /// What of it is exported, if not everything.
    #[serde(default)]
    pub selection: Option<Selection>,
    pub status: Status,
    pub started: i64,
    pub ended: Option<i64>,
    pub failure: Option<(String, String)>,
    pub items: i64,
    pub bytes: i64,
}

impl Export {
    pub fn table_arn(&self) -> String {
        crate::table::arn(&self.region, &self.account, &self.table)
    }

    pub fn arn(&self) -> String {
        format!("{}/export/{}", self.table_arn(), self.id)
    }

    pub fn key(&self) -> Vec<u8> {
        key(&self.account, &self.region, &self.table, &self.id)
    }

    fn folder(&self) -> String {
        let prefix = self.prefix.as_deref().unwrap_or_default().trim_end_matches('/');
        let slash = if prefix.is_empty() { "" } else { "/" };
        format!("{prefix}{slash}AWSDynamoDB")
    }

    pub fn manifest(&self) -> String {
        format!("{}/{}/manifest-summary.json", self.folder(), self.id)
    }

    /// Where the data files are; incremental exports to one place share a folder.
    fn data_folder(&self) -> String {
        match self.kind {
            Kind::Full { .. } => format!("{}/{}/data", self.folder(), self.id),
            Kind::Incremental { .. } => format!("{}/data", self.folder()),
        }
    }

    /// Whether a request with the same token asks for the same.
    pub fn is_same_request(&self, other: &Export) -> bool {
        (&self.table, &self.bucket, &self.prefix, &self.kind, self.ion, &self.selection)
            == (&other.table, &other.bucket, &other.prefix, &other.kind, other.ion, &other.selection)
    }
}

pub fn key(account: &str, region: &str, table: &str, id: &str) -> Vec<u8> {
    format!("{EXPORTS}{account}/{region}/{table}/{id}").into_bytes()
}

pub fn find(cx: &Context, arn: &str) -> Result<Export, Error> {
    let missing = || Error::ExportNotFound(format!("Export not found: {arn}"));
    let parsed = Arn::parse(arn).filter(|arn| arn.account == cx.account() && arn.region == cx.region());
    let parsed = parsed.ok_or_else(missing)?;
    let (table, id) =
        parsed.resource.strip_prefix("table/").and_then(|rest| rest.split_once("/export/")).ok_or_else(missing)?;
    let record = cx.store().get(&key(cx.account(), cx.region(), table, id))?.ok_or_else(missing)?;
    Ok(service::from_record(&record)?)
}

impl DynamoDb {
    /// Goes on with the exports that the last process left unfinished.
    pub fn resume_exports(&self, cloud: &Arc<Cloud>) -> Result<(), Error> {
        for entry in cloud.store.scan(Range::prefix(EXPORTS)) {
            let export: Export = service::from_record(&entry?.1)?;
            if export.status == Status::InProgress {
                self.export_in_background(cloud, export);
            }
        }
        Ok(())
    }

    pub fn export_in_background(&self, cloud: &Arc<Cloud>, mut export: Export) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (db, cloud) = (self.clone(), cloud.clone());
        runtime.spawn(async move {
            let cx = cloud.context(export.principal.clone(), &export.account, &export.region);
            match db.write_export(&cx, &mut export).await {
                Ok(()) => export.status = Status::Completed,
                Err(error) => {
                    export.status = Status::Failed;
                    export.failure = Some(failure(error));
                }
            }
            export.ended = Some(cx.now().millis());
            let saved = service::to_record(&export).and_then(|record| cx.store().put(export.key(), record));
            if let Err(error) = saved {
                tracing::error!(?error, "the end of an export cannot be noted");
            }
        });
    }

    async fn write_export(&self, cx: &Context, export: &mut Export) -> Result<(), Error> {
        let table = self.backed_table(cx, &export.table_arn())?;
        let recovery = crate::ops::restore::recovery_of(&table)?.clone();
        put(cx, export, format!("{}/{}/_started", export.folder(), export.id), Bytes::new()).await?;
        // Texts are made file by file, so that no more than one is held in memory.
        let snapshot = cx.store().snapshot();
        let mut lines = match export.kind {
            Kind::Full { at } => full(&snapshot, &table, recovery.number, at)?,
            Kind::Incremental { from, to, .. } => changes(&snapshot, &table, recovery.number, (from, to))?,
        };
        let (mut files, mut number) = (String::new(), 0);
        loop {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            let (mut count, mut bytes) = (0_i64, 0_usize);
            while bytes < FILE
                && let Some(records) = chunk(&mut lines)?
            {
                let records = match &export.selection {
                    Some(selection) => selection.take(&table.keys, records)?,
                    None => records,
                };
                for record in records {
                    let record = shown(record, &export.kind);
                    let line = if export.ion { ion::line(&record) } else { json_line(&record) } + "\n";
                    encoder.write_all(line.as_bytes()).map_err(io)?;
                    count += 1;
                    bytes += line.len();
                }
            }
            if count == 0 && number > 0 {
                break;
            }
            let data = Bytes::from(encoder.finish().map_err(io)?);
            let md5 = Md5::digest(&data);
            let kind = if export.ion { "ion" } else { "json" };
            let name = format!("{}/{}-{number:04}.{kind}.gz", export.data_folder(), export.id.replace('-', ""));
            let etag: String = md5.iter().map(|byte| format!("{byte:02x}")).collect();
            put(cx, export, name.clone(), data).await?;
            let file =
                json!({ "itemCount": count, "md5Checksum": BASE64.encode(md5), "etag": etag, "dataFileS3Key": name });
            files.push_str(&format!("{file}\n"));
            export.items += count;
            export.bytes += bytes as i64;
            number += 1;
        }
        let manifest_files = format!("{}/{}/manifest-files.json", export.folder(), export.id);
        put_with_md5(cx, export, manifest_files.clone(), files).await?;
        let summary = summary(export, &manifest_files, cx.now());
        put_with_md5(cx, export, export.manifest(), summary.to_string()).await
    }
}

/// Some records at once, so that a selection is not read again for each.
fn chunk(lines: &mut Lines) -> Result<Option<Vec<Record>>, Error> {
    let records = lines.take(CHUNK).collect::<Result<Vec<_>, _>>()?;
    Ok((!records.is_empty()).then_some(records))
}

/// A record with the images that the export shows.
fn shown(record: Record, kind: &Kind) -> Record {
    match (record, kind) {
        (Record::Change { micros, keys, new, .. }, Kind::Incremental { with_old: false, .. }) => {
            Record::Change { micros, keys, old: None, new }
        }
        (record, _) => record,
    }
}

type Lines = Box<dyn Iterator<Item = Result<Record, Error>> + Send>;

fn full(snapshot: &store::Snapshot, table: &Table, log: u16, at: i64) -> Result<Lines, Error> {
    let items = history::state(snapshot, table, log, at)?;
    Ok(Box::new(items.map(|item| Ok(Record::Item(codec::decode(&item?.1)?.0)))))
}

fn changes(snapshot: &store::Snapshot, table: &Table, log: u16, (from, to): (i64, i64)) -> Result<Lines, Error> {
    let later = history::before(snapshot, table, log, to)?;
    let prefix = index_prefix(table.number, crate::table::PRIMARY);
    let mut lines = Vec::new();
    for (place, before) in history::before(snapshot, table, log, from)? {
        let after = match later.get(&place) {
            Some(after) => after.record.clone(),
            None => snapshot.get(&[prefix.as_slice(), &place].concat())?,
        };
        // Changed only after the span.
        let Some(changed) = before.last_up_to(to) else { continue };
        let item = |record: &Option<Bytes>| -> Result<Option<Item>, Error> {
            Ok(record.as_ref().map(codec::decode).transpose()?.map(|(item, _)| item))
        };
        let (old, new) = (item(&before.record)?, item(&after)?);
        let Some(keys) = old.as_ref().or(new.as_ref()).map(|item| table.keys.of(item)) else { continue };
        lines.push(Ok(Record::Change { micros: changed * 1000, keys, old, new }));
    }
    Ok(Box::new(lines.into_iter()))
}

fn json_line(record: &Record) -> String {
    match record {
        Record::Item(item) => json!({ "Item": item_to_json(item) }).to_string(),
        Record::Change { micros, keys, old, new } => {
            let mut line = json!({
                "Metadata": { "WriteTimestampMicros": { "N": micros.to_string() } },
                "Keys": item_to_json(keys),
            });
            for (name, image) in [("OldImage", old), ("NewImage", new)] {
                if let Some(image) = image {
                    line[name] = item_to_json(image);
                }
            }
            line.to_string()
        }
    }
}

fn summary(export: &Export, manifest_files: &str, ended: Timestamp) -> Value {
    let time = |millis: i64| Timestamp::from_millis(millis).iso8601_millis();
    let mut summary = json!({
        "version": "2023-08-01",
        "exportArn": export.arn(),
        "startTime": time(export.started),
        "endTime": ended.iso8601_millis(),
        "tableArn": export.table_arn(),
        "tableId": export.table_id,
        "exportTime": time(export.kind.at()),
        "s3Bucket": export.bucket,
        "s3Prefix": export.prefix,
        "s3SseAlgorithm": export.encryption.as_deref().unwrap_or("AES256"),
        "s3SseKmsKeyId": export.encryption_key,
        "manifestFilesS3Key": manifest_files,
        "billedSizeBytes": export.bytes,
        "itemCount": export.items,
        "outputFormat": if export.ion { "ION" } else { "DYNAMODB_JSON" },
        "exportType": export.kind.name(),
    });
    if let Kind::Incremental { from, to, with_old } = export.kind {
        summary["exportFromTime"] = json!(time(from));
        summary["exportToTime"] = json!(time(to));
        summary["outputView"] = json!(if with_old { "NEW_AND_OLD_IMAGES" } else { "NEW_IMAGE" });
    }
    summary
}

async fn put_with_md5(cx: &Context, export: &Export, name: String, text: String) -> Result<(), Error> {
    let md5 = BASE64.encode(Md5::digest(text.as_bytes()));
    let digest = format!("{}.md5", name.trim_end_matches(".json"));
    put(cx, export, name, text.into()).await?;
    put(cx, export, digest, md5.into()).await
}

async fn put(cx: &Context, export: &Export, name: String, body: Bytes) -> Result<(), Error> {
    let request = PutObjectRequest {
        bucket: export.bucket.clone(),
        key: name,
        body: Some(body.into()),
        expected_bucket_owner: export.bucket_owner.clone(),
        server_side_encryption: export.encryption.as_deref().map(|kind| match kind {
            "KMS" => "aws:kms".into(),
            other => other.into(),
        }),
        ssekms_key_id: export.encryption_key.clone(),
        ..Default::default()
    };
    cx.call::<PutObject>(export.principal.clone(), request).await.map(drop).map_err(Error::from)
}

fn io(error: std::io::Error) -> Error {
    Error::internal(error.to_string())
}

/// The code and the message that a failed export is described with.
pub fn failure(error: Error) -> (String, String) {
    let reply = service::ApiError::from(error);
    let code = match reply.code.as_str() {
        "NoSuchBucket" => "S3NoSuchBucket",
        "AccessDenied" => "S3AccessDenied",
        code => code,
    };
    (code.to_owned(), reply.message)
}
