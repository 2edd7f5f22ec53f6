//! `multipart/form-data` as it arrives: the fields before the file, then the file as a stream.
//! <https://www.rfc-editor.org/rfc/rfc7578>
//!
//! What comes before the file is bounded and read whole; the file passes in the pieces it arrives in. Fields behind the file
//! are not read.

use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use wire::{ByteStream, StreamError};

/// The most bytes of fields before the file.
const MAX_FIELDS: usize = 20 * 1024;

type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, StreamError>> + Send>>;

/// Why a form cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormError {
    Malformed,
    /// The fields before the file are too long.
    TooLong,
    Broken(StreamError),
}

/// A form up to its file.
pub struct Form {
    /// Names in lower case, in the order of the form.
    pub fields: Vec<(String, String)>,
    pub file: Option<File>,
}

pub struct File {
    pub name: String,
    pub body: ByteStream,
}

/// The boundary of a content type.
pub fn boundary(content_type: &str) -> Option<String> {
    let parameters = content_type.split(';').skip(1);
    let (_, value) = parameters
        .filter_map(|part| part.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("boundary"))?;
    let value = value.trim().trim_matches('"');
    (!value.is_empty() && value.len() <= 200).then(|| value.to_owned())
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

struct Reader {
    chunks: Chunks,
    buffer: BytesMut,
}

impl Reader {
    /// Reads more; false at the end.
    async fn more(&mut self) -> Result<bool, FormError> {
        match self.chunks.next().await {
            Some(Ok(chunk)) => {
                self.buffer.extend_from_slice(&chunk);
                Ok(true)
            }
            Some(Err(error)) => Err(FormError::Broken(error)),
            None => Ok(false),
        }
    }

    /// Takes what comes before `end`, and `end` itself.
    async fn until(&mut self, end: &[u8], left: &mut usize) -> Result<Bytes, FormError> {
        loop {
            if let Some(at) = find(&self.buffer, end) {
                *left = left.checked_sub(at).ok_or(FormError::TooLong)?;
                let taken = self.buffer.split_to(at).freeze();
                let _ = self.buffer.split_to(end.len());
                return Ok(taken);
            }
            if self.buffer.len() > *left + end.len() {
                return Err(FormError::TooLong);
            }
            if !self.more().await? {
                return Err(FormError::Malformed);
            }
        }
    }
}

/// The headers of a part: its name, and its file's name if it is one. (S3 takes the type from a field.)
fn part(head: &[u8]) -> Option<(String, Option<String>)> {
    let head = String::from_utf8_lossy(head);
    let (mut name, mut file) = (None, None);
    for line in head.split("\r\n") {
        let Some((header, value)) = line.split_once(':') else { continue };
        if !header.trim().eq_ignore_ascii_case("content-disposition") {
            continue;
        }
        // A semicolon inside quotes ends nothing.
        let mut quoted = false;
        let parameters = value.split(|c| {
            quoted ^= c == '"';
            c == ';' && !quoted
        });
        for (key, value) in parameters.filter_map(|part| part.split_once('=')) {
            let value = value.trim().trim_matches('"').to_owned();
            match key.trim() {
                "name" => name = Some(value),
                "filename" => file = Some(value),
                _ => {}
            }
        }
    }
    Some((name?, file))
}

/// Reads a form up to its file.
pub async fn read(body: &ByteStream, boundary: &str) -> Result<Form, FormError> {
    let mut reader = Reader { chunks: body.take(), buffer: BytesMut::from(&b"\r\n"[..]) };
    let delimiter = format!("\r\n--{boundary}").into_bytes();
    let mut left = MAX_FIELDS;
    let mut fields = Vec::new();
    reader.until(&delimiter, &mut left).await?;
    loop {
        // Either two dashes, which end the form, or a line end.
        let line = reader.until(b"\r\n", &mut left).await?;
        if line.starts_with(b"--") {
            return Ok(Form { fields, file: None });
        }
        let head = reader.until(b"\r\n\r\n", &mut left).await?;
        let (name, file) = part(&head).ok_or(FormError::Malformed)?;
        let name = name.to_ascii_lowercase();
        if name == "file" {
            let body = stream(reader, delimiter);
            let file = File { name: file.unwrap_or_default(), body };
            return Ok(Form { fields, file: Some(file) });
        }
        let value = reader.until(&delimiter, &mut left).await?;
        fields.push((name, String::from_utf8_lossy(&value).into_owned()));
    }
}

/// What is left of the body up to the delimiter.
fn stream(reader: Reader, delimiter: Vec<u8>) -> ByteStream {
    let chunks = futures_util::stream::unfold(Some((reader, delimiter)), |state| async move {
        let (mut reader, delimiter) = state?;
        loop {
            if let Some(at) = find(&reader.buffer, &delimiter) {
                let last = reader.buffer.split_to(at).freeze();
                // The connection is read to its end, so that it can be used again.
                while let Ok(true) = reader.more().await {
                    reader.buffer.clear();
                }
                return (!last.is_empty()).then_some((Ok(last), None));
            }
            // The beginning of a delimiter may be at the end of what is there.
            let safe = reader.buffer.len().saturating_sub(delimiter.len() - 1);
            if safe > 0 {
                let piece = reader.buffer.split_to(safe).freeze();
                return Some((Ok(piece), Some((reader, delimiter))));
            }
            match reader.more().await {
                Ok(true) => {}
                Ok(false) => {
                    let message = "The body of your POST request is not well-formed multipart/form-data.".to_owned();
                    return Some((Err(StreamError { code: "MalformedPOSTRequest", message }), None));
                }
                Err(FormError::Broken(error)) => return Some((Err(error), None)),
                Err(_) => return None,
            }
        }
    });
    ByteStream::new(chunks, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn chunked(text: &[u8], size: usize) -> ByteStream {
        let pieces: Vec<_> = text.chunks(size.max(1)).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        ByteStream::new(futures_util::stream::iter(pieces), None)
    }

    fn run<T>(future: impl std::future::Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    fn form(fields: &[(String, String)], file: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, value) in fields {
            out.extend(format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").bytes());
        }
        out.extend(b"--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\n");
        out.extend(file);
        out.extend(b"\r\n--XX\r\nContent-Disposition: form-data; name=\"after\"\r\n\r\nx\r\n--XX--\r\n");
        out
    }

    #[test]
    fn boundaries() {
        assert_eq!(boundary("multipart/form-data; boundary=abc").as_deref(), Some("abc"));
        assert_eq!(boundary("multipart/form-data; charset=x; boundary=\"a b\"").as_deref(), Some("a b"));
        assert_eq!(boundary("multipart/form-data"), None);
    }

    proptest! {
        #[test]
        fn what_was_put_in_comes_out(
            fields in prop::collection::vec(("[a-z-]{1,8}", "[ -~é]{0,20}"), 0..6),
            file: Vec<u8>,
            size in 1usize..50,
        ) {
            prop_assume!(find(&file, b"\r\n--XX").is_none() && fields.iter().all(|(name, _)| name != "file"));
            let text = form(&fields, &file);
            run(async {
                let read = read(&chunked(&text, size), "XX").await.unwrap_or_else(|error| panic!("{error:?}"));
                assert_eq!(read.fields, fields);
                let sent = read.file.unwrap();
                assert_eq!(sent.name, "a.txt");
                assert_eq!(sent.body.collect(usize::MAX).await.unwrap(), file);
            });
        }

        #[test]
        fn never_panics(text: Vec<u8>, size in 1usize..20) {
            run(async {
                if let Ok(Form { file: Some(file), .. }) = read(&chunked(&text, size), "XX").await {
                    let _ = file.body.collect(usize::MAX).await;
                }
            });
        }
    }

    #[test]
    fn names_of_files() {
        let head = b"Content-Disposition: form-data; name=\"file\"; filename=\"a;b=c.txt\"\r\nContent-Type: x";
        assert_eq!(part(head), Some(("file".to_owned(), Some("a;b=c.txt".to_owned()))));
        assert_eq!(part(b"Content-Type: x"), None);
    }

    #[test]
    fn forms_that_are_not_read() {
        let error = |text: &[u8]| run(async { read(&chunked(text, 7), "XX").await.err() });
        assert_eq!(error(b"hello"), Some(FormError::Malformed));
        let long = form(&[("a".into(), "x".repeat(MAX_FIELDS))], b"");
        assert_eq!(error(&long), Some(FormError::TooLong));
        assert!(error(b"--XX--\r\n").is_none());
    }
}
