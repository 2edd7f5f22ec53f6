//! Records out of the bytes of an object, as they arrive.

use std::sync::Arc;

use s3_api::{CSVInput, InputSerialization};
use serde_json::Value as Json;

use super::eval::{Record, below};
use super::parse::Step;
use super::window::Window;
use super::{Result, SelectError};

/// The longest record.
const MAX_RECORD: usize = 1024 * 1024;
/// The largest document that is held as a whole.
const MAX_DOCUMENT: usize = 128 * 1024 * 1024;

/// Reads records.
pub enum Reader {
    Csv(Csv),
    Json {
        lines: bool,
        buffer: Vec<u8>,
        from: Vec<Step>,
    },
    #[cfg(feature = "parquet")]
    Parquet {
        buffer: Vec<u8>,
        from: Vec<Step>,
        range: Option<std::ops::Range<u64>>,
    },
}

pub struct Csv {
    quote: Option<u8>,
    escape: u8,
    field: Vec<u8>,
    record: Vec<u8>,
    comment: Option<u8>,
    /// What the first line is.
    header: Header,
    names: Arc<Vec<String>>,
    buffer: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Header {
    None,
    Use,
    Ignore,
}

fn single(text: Option<&str>, default: &str, name: &str) -> Result<Option<u8>> {
    match text.unwrap_or(default).as_bytes() {
        [] => Ok(None),
        [byte] => Ok(Some(*byte)),
        _ => {
            Err(SelectError::new("InvalidRequestParameter", format!("The value of {name} must be a single character.")))
        }
    }
}

impl Reader {
    pub fn new(
        input: &InputSerialization,
        from: &[Step],
        #[cfg_attr(
            not(feature = "parquet"),
            expect(unused_variables, reason = "other formats are read record by record")
        )]
        window: Option<&Window>,
    ) -> Result<Reader> {
        #[cfg(feature = "parquet")]
        if let (None, None, Some(_)) = (&input.csv, &input.json, &input.parquet) {
            let range = window.map(Window::range);
            return Ok(Reader::Parquet { buffer: Vec::new(), from: from.to_vec(), range });
        }
        match (&input.csv, &input.json) {
            (Some(csv), None) => Ok(Reader::Csv(Csv::new(csv)?)),
            (None, Some(json)) => {
                let kind = json.r#type.as_ref().map_or("", |kind| kind.as_str());
                let lines = match kind {
                    "LINES" => true,
                    "DOCUMENT" => false,
                    _ => {
                        return Err(SelectError::new(
                            "InvalidJsonType",
                            "The JsonType is not valid. Only DOCUMENT and LINES are supported.",
                        ));
                    }
                };
                Ok(Reader::Json { lines, buffer: Vec::new(), from: from.to_vec() })
            }
            _ => {
                let text = "The data source type is not valid. Only one of CSV and JSON is supported.";
                Err(SelectError::new("InvalidDataSource", text))
            }
        }
    }

    /// The records that are whole; at the `end`, what is left is one too.
    pub fn read(&mut self, bytes: &[u8], end: bool) -> Result<Vec<Record>> {
        match self {
            Reader::Csv(csv) => csv.read(bytes, end),
            #[cfg(feature = "parquet")]
            Reader::Parquet { buffer, from, range } => {
                buffer.extend_from_slice(bytes);
                match end {
                    true => super::parquet::records(std::mem::take(buffer), from, range.as_ref()),
                    false if buffer.len() > MAX_DOCUMENT => {
                        Err(SelectError::new("OverMaxRecordSize", "The Parquet file is too large."))
                    }
                    false => Ok(Vec::new()),
                }
            }
            Reader::Json { lines, buffer, from } => {
                buffer.extend_from_slice(bytes);
                if !*lines && !end {
                    return match buffer.len() > MAX_DOCUMENT {
                        true => Err(SelectError::new("OverMaxRecordSize", "The JSON document is too large.")),
                        false => Ok(Vec::new()),
                    };
                }
                let mut records = Vec::new();
                let mut values = serde_json::Deserializer::from_slice(buffer).into_iter::<Json>();
                loop {
                    match values.next() {
                        None => break,
                        Some(Ok(value)) => records.extend(below(value, from).into_iter().map(Record::Json)),
                        // The last value may still be arriving.
                        Some(Err(error)) if error.is_eof() && !end => break,
                        Some(Err(_)) => {
                            let text = "Encountered an error parsing the JSON file. Check the file and try again.";
                            return Err(SelectError::new("JSONParsingError", text));
                        }
                    }
                }
                let read = values.byte_offset();
                buffer.drain(..read);
                if buffer.len() > MAX_DOCUMENT {
                    return Err(SelectError::new(
                        "OverMaxRecordSize",
                        "The length of a record is greater than the maximum of 1 MB.",
                    ));
                }
                Ok(records)
            }
        }
    }
}

impl Csv {
    fn new(input: &CSVInput) -> Result<Csv> {
        let text =
            |given: &Option<String>, default: &str| given.clone().unwrap_or_else(|| default.to_owned()).into_bytes();
        let header = match input.file_header_info.as_ref().map_or("NONE", |info| info.as_str()) {
            "USE" => Header::Use,
            "IGNORE" => Header::Ignore,
            _ => Header::None,
        };
        Ok(Csv {
            quote: single(input.quote_character.as_deref(), "\"", "QuoteCharacter")?,
            escape: single(input.quote_escape_character.as_deref(), "\"", "QuoteEscapeCharacter")?.unwrap_or(b'"'),
            field: text(&input.field_delimiter, ","),
            record: text(&input.record_delimiter, "\n"),
            comment: single(input.comments.as_deref(), "", "Comments")?,
            header,
            names: Arc::default(),
            buffer: Vec::new(),
        })
    }

    fn read(&mut self, bytes: &[u8], end: bool) -> Result<Vec<Record>> {
        self.buffer.extend_from_slice(bytes);
        let buffer = std::mem::take(&mut self.buffer);
        let (mut records, mut at) = (Vec::new(), 0);
        while at < buffer.len() {
            let Some((fields, next)) = self.record(buffer.get(at..).unwrap_or_default(), end) else { break };
            let comment = self.comment.is_some() && buffer.get(at) == self.comment.as_ref();
            // An empty line is no record.
            let empty = fields.len() == 1 && fields.first().is_some_and(String::is_empty);
            at += next;
            if comment || empty {
                continue;
            }
            match self.header {
                Header::Use => self.names = Arc::new(fields),
                Header::Ignore => {}
                Header::None => records.push(Record::Row(fields, self.names.clone())),
            }
            self.header = Header::None;
        }
        self.buffer = buffer.get(at..).unwrap_or_default().to_vec();
        if self.buffer.len() > MAX_RECORD {
            let text =
                "The length of a record in the input or result is greater than the maxCharsPerRecord limit of 1 MB.";
            return Err(SelectError::new("OverMaxRecordSize", text));
        }
        Ok(records)
    }

    /// The fields of the first record and its length; nothing where it is not whole.
    fn record(&self, bytes: &[u8], end: bool) -> Option<(Vec<String>, usize)> {
        let (mut fields, mut field, mut at, mut quoted) = (Vec::new(), Vec::new(), 0, false);
        let text = |field: &mut Vec<u8>| String::from_utf8_lossy(&std::mem::take(field)).into_owned();
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            let Some(first) = rest.first() else {
                if !end {
                    return None;
                }
                fields.push(text(&mut field));
                return Some((fields, at));
            };
            if quoted {
                let escapes = *first == self.escape;
                // Whether a quote ends the field is known from what follows.
                if rest.len() == 1 && !end {
                    return None;
                }
                if escapes && rest.get(1) == self.quote.as_ref() {
                    field.extend(self.quote);
                    at += 2;
                } else if Some(*first) == self.quote {
                    quoted = false;
                    at += 1;
                } else {
                    field.push(*first);
                    at += 1;
                }
            } else if Some(*first) == self.quote && field.is_empty() {
                quoted = true;
                at += 1;
            } else if *first == b'\r' && self.record == b"\n" && rest.len() == 1 && !end {
                return None;
            } else if rest.starts_with(b"\r\n") && self.record == b"\n" {
                // Lines may end as on Windows.
                fields.push(text(&mut field));
                return Some((fields, at + 2));
            } else if rest.starts_with(&self.record) {
                fields.push(text(&mut field));
                return Some((fields, at + self.record.len()));
            } else if rest.starts_with(&self.field) {
                fields.push(text(&mut field));
                at += self.field.len();
            } else {
                field.push(*first);
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use s3_api::{FileHeaderInfo, JSONInput, JSONType};

    fn csv(change: impl FnOnce(&mut CSVInput)) -> Reader {
        let mut csv = CSVInput::default();
        change(&mut csv);
        Reader::new(&InputSerialization { csv: Some(csv), ..Default::default() }, &[], None).unwrap()
    }

    fn rows(reader: &mut Reader, text: &str, size: usize) -> Vec<Vec<String>> {
        let mut records = Vec::new();
        for piece in text.as_bytes().chunks(size) {
            records.extend(reader.read(piece, false).unwrap());
        }
        records.extend(reader.read(b"", true).unwrap());
        let fields = |record| match record {
            Record::Row(fields, _) => fields,
            Record::Json(json) => vec![json.to_string()],
        };
        records.into_iter().map(fields).collect()
    }

    #[test]
    fn comma_separated() {
        for size in 1..9 {
            let found = rows(&mut csv(|_| {}), "a,\"b,\"\"c\"\"\nd\",\r\n\n1,2,3", size);
            assert_eq!(found, [vec!["a", "b,\"c\"\nd", ""], vec!["1", "2", "3"]]);
            let header = |kind: &str| FileHeaderInfo::from(kind);
            let found = rows(&mut csv(|csv| csv.file_header_info = Some(header("IGNORE"))), "a,b\n1,2\n", size);
            assert_eq!(found, [vec!["1", "2"]]);
            let found = rows(
                &mut csv(|csv| {
                    csv.field_delimiter = Some("||".into());
                    csv.record_delimiter = Some("$$".into());
                    csv.comments = Some("#".into());
                }),
                "a||b$$#x$$c$$",
                size,
            );
            assert_eq!(found, [vec!["a", "b"], vec!["c"]]);
        }
    }

    #[test]
    fn json() {
        let read = |kind: &str, from: &[Step], text: &str| {
            let json = Some(JSONInput { r#type: Some(JSONType::from(kind)) });
            let mut reader = Reader::new(&InputSerialization { json, ..Default::default() }, from, None).unwrap();
            rows(&mut reader, text, 3).concat()
        };
        assert_eq!(read("LINES", &[], "{\"a\":1}\n{\"a\":2}"), ["{\"a\":1}", "{\"a\":2}"]);
        let items = [Step::All, Step::Name("items".into()), Step::All];
        assert_eq!(read("DOCUMENT", &items, "{\"items\":[1,{\"b\":2}]}"), ["1", "{\"b\":2}"]);
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(
            table in prop::collection::vec(prop::collection::vec("[a-c,\"\n\r ]{1,6}", 1..4), 1..6),
            size in 1usize..20,
        ) {
            let quoted = |field: &String| format!("\"{}\"", field.replace('"', "\"\""));
            let text: String = table.iter().map(|row| row.iter().map(quoted).collect::<Vec<_>>().join(",") + "\n").collect();
            prop_assert_eq!(rows(&mut csv(|_| {}), &text, size), table);
        }
    }
}
