//! Records as an answer has them, and the events that carry them.

use s3_api::OutputSerialization;
use serde_json::{Map, Value as Json};
use service::Bytes;
use wire::eventstream::{HeaderValue, Message};

use super::value::Value;
use super::{Result, SelectError};

/// Writes records.
pub enum Writer {
    Csv { always: bool, quote: String, escape: String, field: String, record: String },
    Json { record: String },
}

impl Writer {
    pub fn new(output: &OutputSerialization) -> Result<Writer> {
        let text = |given: &Option<String>, default: &str| given.clone().unwrap_or_else(|| default.to_owned());
        match (&output.csv, &output.json) {
            (Some(csv), None) => Ok(Writer::Csv {
                always: csv.quote_fields.as_ref().is_some_and(|quote| quote.as_str() == "ALWAYS"),
                quote: text(&csv.quote_character, "\""),
                escape: text(&csv.quote_escape_character, "\""),
                field: text(&csv.field_delimiter, ","),
                record: text(&csv.record_delimiter, "\n"),
            }),
            (None, Some(json)) => Ok(Writer::Json { record: text(&json.record_delimiter, "\n") }),
            _ => {
                let text = "OutputSerialization must be CSV or JSON.";
                Err(SelectError::new("InvalidRequestParameter", text))
            }
        }
    }

    /// Appends a record of named values.
    pub fn write(&self, out: &mut Vec<u8>, columns: &[(String, Value)]) {
        match self {
            Writer::Csv { always, quote, escape, field, record } => {
                let shown: Vec<String> = (columns.iter())
                    .map(|(_, value)| {
                        let text = value.text();
                        let special =
                            [quote, field, record].iter().any(|mark| !mark.is_empty() && text.contains(mark.as_str()));
                        if !*always && !special && !text.starts_with(char::is_whitespace) {
                            return text;
                        }
                        format!("{quote}{}{quote}", text.replace(quote.as_str(), &format!("{escape}{quote}")))
                    })
                    .collect();
                out.extend_from_slice(shown.join(field).as_bytes());
                out.extend_from_slice(record.as_bytes());
            }
            Writer::Json { record } => {
                let members: Map<String, Json> = (columns.iter())
                    .filter(|(_, value)| *value != Value::Missing)
                    .map(|(name, value)| (name.clone(), value.json()))
                    .collect();
                out.extend_from_slice(Json::Object(members).to_string().as_bytes());
                out.extend_from_slice(record.as_bytes());
            }
        }
    }
}

pub fn records(payload: Vec<u8>) -> Bytes {
    Message::event("Records", Some("application/octet-stream"), payload.into()).encode()
}

/// `Stats` or `Progress`.
pub fn counts(event: &str, scanned: u64, processed: u64, returned: u64) -> Bytes {
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><{event}><BytesScanned>{scanned}</BytesScanned><BytesProcessed>{processed}</BytesProcessed><BytesReturned>{returned}</BytesReturned></{event}>"
    );
    Message::event(event, Some("text/xml"), xml.into()).encode()
}

pub fn end() -> Bytes {
    Message::event("End", None, Bytes::new()).encode()
}

pub fn error(error: &SelectError) -> Bytes {
    let text = |name: &str, value: &str| (name.to_owned(), HeaderValue::String(value.to_owned()));
    let headers =
        vec![text(":error-code", error.code), text(":error-message", &error.message), text(":message-type", "error")];
    Message { headers, payload: Bytes::new() }.encode()
}
