//! A query at work: the object comes in, events go out.

use futures_util::StreamExt as _;
use s3_api::SelectObjectContentRequest;
use service::{ByteStream, Bytes, Timestamp};
use wire::StreamError;

use super::eval::{Gathered, Record, Scope, total};
use super::input::Reader;
use super::output::{self, Writer};
use super::packed::Packed;
use super::parse::{Expression, Query, Step, parse};
use super::value::Value;
use super::window::Window;
use super::{Result, SelectError};

/// How much an event of records holds.
const PAYLOAD: usize = 64 * 1024;
const MAX_EXPRESSION: usize = 256 * 1024;

/// A query that was read, and where it stands.
pub struct Selection {
    query: Query,
    reader: Reader,
    writer: Writer,
    gathered: Vec<Gathered>,
    now: Timestamp,
    packed: Packed,
    window: Option<Window>,
    progress: bool,
    out: Vec<u8>,
    /// Rows so far.
    rows: usize,
    scanned: u64,
    processed: u64,
    returned: u64,
}

impl Selection {
    /// A query on an object of so many bytes.
    pub fn new(request: &SelectObjectContentRequest, size: u64, now: Timestamp) -> Result<Selection> {
        if request.expression_type.as_str() != "SQL" {
            let text = "The ExpressionType is not valid. Only SQL expressions are supported.";
            return Err(SelectError::new("InvalidExpressionType", text));
        }
        if request.expression.len() > MAX_EXPRESSION {
            let text = "The SQL expression is too long: The maximum byte-length for the SQL expression is 256 KB.";
            return Err(SelectError::new("ExpressionTooLong", text));
        }
        let query = parse(&request.expression)?;
        let input = &request.input_serialization;
        let compression = input.compression_type.as_ref().map_or("NONE", |kind| kind.as_str());
        let window = Window::new(request.scan_range.as_ref(), input, size)?;
        Ok(Selection {
            reader: Reader::new(input, &query.from, window.as_ref())?,
            packed: Packed::new(compression)?,
            // A file of columns is needed as a whole; its reader leaves out what is not in the range.
            window: window.filter(|_| input.parquet.is_none()),
            writer: Writer::new(&request.output_serialization)?,
            gathered: vec![Gathered::default(); query.aggregates.len()],
            query,
            now,
            progress: request.request_progress.as_ref().is_some_and(|progress| progress.enabled == Some(true)),
            out: Vec::new(),
            rows: 0,
            scanned: 0,
            processed: 0,
            returned: 0,
        })
    }

    /// Nothing more is asked of the object.
    fn satisfied(&self) -> bool {
        self.query.aggregates.is_empty() && self.query.limit.is_some_and(|limit| self.rows >= limit)
    }

    /// No more of the object has to be read.
    fn has_enough(&self) -> bool {
        self.satisfied() || self.window.as_ref().is_some_and(Window::is_past)
    }

    fn take(&mut self, bytes: &[u8], end: bool) -> Result<()> {
        self.scanned += bytes.len() as u64;
        let mut plain = self.packed.unpack(bytes, end)?;
        if let Some(window) = &mut self.window {
            plain = window.pass(&plain).into();
        }
        self.processed += plain.len() as u64;
        for record in self.reader.read(&plain, end)? {
            if self.satisfied() {
                break;
            }
            self.record(&record)?;
        }
        Ok(())
    }

    fn record(&mut self, record: &Record) -> Result<()> {
        let scope = Scope { record, alias: self.query.alias.as_deref(), totals: &[], now: self.now };
        if !scope.admits(&self.query)? {
            return Ok(());
        }
        if !self.query.aggregates.is_empty() {
            return scope.gather(&self.query.aggregates, &mut self.gathered);
        }
        let columns = columns(&self.query, &scope)?;
        self.writer.write(&mut self.out, &columns);
        self.rows += 1;
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        if self.query.aggregates.is_empty() {
            return Ok(());
        }
        let totals: Vec<Value> =
            self.query.aggregates.iter().zip(&self.gathered).map(|(aggregate, of)| total(aggregate, of)).collect();
        let record = Record::Json(serde_json::Value::Null);
        let scope = Scope { record: &record, alias: None, totals: &totals, now: self.now };
        let columns = columns(&self.query, &scope)?;
        self.writer.write(&mut self.out, &columns);
        Ok(())
    }

    /// The events that are due; at the `end`, everything that is left.
    fn events(&mut self, end: bool) -> Vec<Bytes> {
        let mut events = Vec::new();
        while self.out.len() >= PAYLOAD || (end && !self.out.is_empty()) {
            let rest = self.out.split_off(self.out.len().min(PAYLOAD));
            let payload = std::mem::replace(&mut self.out, rest);
            self.returned += payload.len() as u64;
            events.push(output::records(payload));
        }
        if self.progress && (end || !events.is_empty()) {
            events.push(output::counts("Progress", self.scanned, self.processed, self.returned));
        }
        if end {
            events.push(output::counts("Stats", self.scanned, self.processed, self.returned));
            events.push(output::end());
        }
        events
    }
}

/// The values of a row, with their names.
fn columns(query: &Query, scope: &Scope<'_>) -> Result<Vec<(String, Value)>> {
    if !query.columns.is_empty() {
        let named = query.columns.iter().enumerate().map(|(at, (expression, alias))| {
            let name = alias.clone().unwrap_or_else(|| match expression {
                Expression::Path(path) => match path.last() {
                    Some(Step::Name(name) | Step::Exact(name)) => name.clone(),
                    _ => format!("_{}", at + 1),
                },
                _ => format!("_{}", at + 1),
            });
            Ok((name, scope.value(expression)?))
        });
        return named.collect();
    }
    Ok(match scope.record {
        Record::Row(fields, names) => {
            let name = |at: usize| names.get(at).cloned().unwrap_or_else(|| format!("_{}", at + 1));
            fields.iter().enumerate().map(|(at, field)| (name(at), Value::Text(field.clone()))).collect()
        }
        Record::Json(serde_json::Value::Object(members)) => {
            members.iter().map(|(name, value)| (name.clone(), Value::from(value))).collect()
        }
        Record::Json(other) => vec![("_1".to_owned(), Value::from(other))],
    })
}

/// Answers a query on a body as it arrives.
pub fn stream(selection: Selection, body: &ByteStream) -> ByteStream {
    let state = Some((selection, body.take(), Vec::<Bytes>::new().into_iter(), false));
    let stream = futures_util::stream::unfold(state, |state| async move {
        let (mut selection, mut body, mut ready, mut ended) = state?;
        loop {
            if let Some(event) = ready.next() {
                return Some((Ok::<_, StreamError>(event), Some((selection, body, ready, ended))));
            }
            if ended {
                return None;
            }
            let chunk = if selection.has_enough() { None } else { body.next().await };
            let result = match chunk {
                Some(Ok(bytes)) => selection.take(&bytes, false),
                Some(Err(error)) => return Some((Err(error), None)),
                None => {
                    ended = true;
                    let last = if selection.satisfied() { Ok(()) } else { selection.take(b"", true) };
                    last.and_then(|()| selection.finish())
                }
            };
            ready = match result {
                Ok(()) => selection.events(ended).into_iter(),
                Err(error) => {
                    ended = true;
                    vec![output::error(&error)].into_iter()
                }
            };
        }
    });
    ByteStream::new(stream, None)
}
