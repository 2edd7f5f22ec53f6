//! What is told of the items that were not put: lines in the store while the operation goes on, files in S3 at its end.
//!
//! Under the prefix of the output are `AWSDynamoDB/<id>/manifest-summary.json`, `manifest-files.json`, and the reports in
//! `data/`: lines of JSON, one for each item. Writing them twice does no harm.

use bytes::Bytes;
use s3_api::{PutObject, PutObjectRequest};
use serde_json::{Value, json};
use service::Context;
use store::{Range, Transaction};

use super::{Bulk, Status};
use crate::error::{Error, item_to_json};
use crate::value::Item;

const LINES: &[u8] = b"dynamodb/bulk-report/";
/// A new file begins after this many bytes of text.
const FILE: usize = 32 * 1024 * 1024;
/// How many lines one transaction clears away.
const STEP: usize = 1000;

/// The kinds of reports, as requests name them.
pub const KINDS: [&str; 2] = ["ERROR", "CONDITION_CHECK_FAILURE"];

/// Something that is told of an item.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// It broke a rule.
    Error { code: String, message: String, item: Option<Item> },
    /// Its condition did not hold; with what was there.
    Condition { item: Item, existing: Option<Item> },
}

impl Told {
    fn kind(&self) -> usize {
        match self {
            Told::Error { .. } => 0,
            Told::Condition { .. } => 1,
        }
    }

    fn line(&self, file: &str, record: usize) -> Value {
        let mut line = json!({ "inputS3Key": file, "recordNumber": record + 1 });
        match self {
            Told::Error { code, message, item } => {
                line["errorCode"] = json!(code);
                line["errorMessage"] = json!(message);
                if let Some(item) = item {
                    line["Item"] = item_to_json(item);
                }
            }
            Told::Condition { item, existing } => {
                line["errorCode"] = json!("ConditionalCheckFailedException");
                line["errorMessage"] = json!("The conditional request failed");
                line["Item"] = item_to_json(item);
                if let Some(existing) = existing {
                    line["ExistingItem"] = item_to_json(existing);
                }
            }
        }
        line
    }
}

fn lines_prefix(bulk: &Bulk, kind: usize) -> Vec<u8> {
    [LINES, bulk.id.as_bytes(), b"/", KINDS[kind].as_bytes(), b"/"].concat()
}

/// Stores what is told of a record of a file, if anybody wants to know.
pub fn tell(transaction: &mut Transaction<'_>, bulk: &mut Bulk, file: &str, record: usize, told: &Told) {
    let kind = told.kind();
    if !bulk.asked.reports.iter().any(|wanted| wanted == KINDS[kind]) {
        return;
    }
    let key = [lines_prefix(bulk, kind), bulk.lines[kind].to_be_bytes().to_vec()].concat();
    transaction.put(key, told.line(file, record).to_string());
    bulk.lines[kind] += 1;
}

/// Writes everything that was told, and what became of the operation.
pub async fn write(cx: &Context, bulk: &Bulk, ended: Status) -> Result<(), Error> {
    let prefix = bulk.asked.output_prefix.as_deref().unwrap_or_default().trim_end_matches('/');
    let slash = if prefix.is_empty() { "" } else { "/" };
    let folder = format!("{prefix}{slash}AWSDynamoDB/{}", bulk.id);
    let mut files = String::new();
    for (kind, name) in KINDS.iter().enumerate() {
        let snapshot = cx.store().snapshot();
        let mut lines = snapshot.values(Range::prefix(lines_prefix(bulk, kind)));
        for number in 0.. {
            let (mut text, mut count) = (Vec::new(), 0);
            while text.len() < FILE
                && let Some(line) = lines.next()
            {
                text.extend_from_slice(&line?);
                text.push(b'\n');
                count += 1;
            }
            if count == 0 {
                break;
            }
            let key = format!("{folder}/data/{}-{number:04}.json", name.to_ascii_lowercase().replace('_', "-"));
            files.push_str(&format!("{}\n", json!({ "outputType": name, "itemCount": count, "dataFileS3Key": key })));
            put(cx, bulk, key, text.into()).await?;
        }
    }
    let manifest = format!("{folder}/manifest-files.json");
    put(cx, bulk, manifest.clone(), files.into()).await?;
    let summary = json!({
        "bulkOperationArn": bulk.arn(),
        "bulkOperationStatus": dynamodb_api::BulkOperationStatus::from(ended).as_str(),
        "tableArn": bulk.table_arn(),
        "tableId": bulk.table_id,
        "processedItemCount": bulk.processed,
        "failedItemCount": bulk.failed,
        "processedInputBytes": bulk.bytes,
        "manifestFilesS3Key": manifest,
    });
    put(cx, bulk, format!("{folder}/manifest-summary.json"), summary.to_string().into()).await
}

async fn put(cx: &Context, bulk: &Bulk, key: String, body: Bytes) -> Result<(), Error> {
    let request = PutObjectRequest {
        bucket: bulk.asked.output_bucket.clone(),
        key,
        body: Some(body.into()),
        expected_bucket_owner: bulk.asked.output_owner.clone(),
        server_side_encryption: bulk.asked.encryption.as_deref().map(|kind| match kind {
            "KMS" => "aws:kms".into(),
            other => other.into(),
        }),
        ssekms_key_id: bulk.asked.encryption_key.clone(),
        ..Default::default()
    };
    cx.call::<PutObject>(bulk.principal.clone(), request).await.map(drop).map_err(Error::from)
}

/// Forgets the lines of an operation that has ended.
pub fn clear(cx: &Context, bulk: &Bulk) -> Result<(), Error> {
    let prefix = [LINES, bulk.id.as_bytes(), b"/"].concat();
    while cx.store().write(|transaction| {
        let lines = transaction.scan(Range::prefix(prefix.clone()), STEP)?;
        let more = !lines.is_empty();
        lines.into_iter().for_each(|(key, _)| transaction.delete(key));
        Ok::<_, Error>(more)
    })? {}
    Ok(())
}
