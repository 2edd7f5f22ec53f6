//! Scan ranges: the records that begin within a range of bytes, wherever they end.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ScanRange.html>

use s3_api::{InputSerialization, ScanRange};

use super::{Result, SelectError};

/// Lets the bytes of those records through, and those of the first one where it is the header.
#[derive(Debug)]
pub struct Window {
    start: u64,
    end: u64,
    delimiter: Vec<u8>,
    header: bool,
    /// Where the bytes are that come next.
    at: u64,
    /// Where the record began that they belong to.
    record: u64,
    /// The bytes before, as many as a delimiter has.
    recent: Vec<u8>,
}

impl Window {
    /// The window of a request on an object of `size` bytes, if it has one.
    pub fn new(range: Option<&ScanRange>, input: &InputSerialization, size: u64) -> Result<Option<Window>> {
        let Some(range) = range else { return Ok(None) };
        let unsupported = || {
            let text = "Scan range queries are not supported on this type of object. Supported objects are uncompressed CSV, uncompressed JSON, and Parquet.";
            Err(SelectError::new("UnsupportedScanRangeInput", text))
        };
        let compressed = input.compression_type.as_ref().is_some_and(|kind| kind.as_str() != "NONE");
        let document = input.json.as_ref().and_then(|json| json.r#type.as_ref());
        let quoted = input.csv.as_ref().is_some_and(|csv| csv.allow_quoted_record_delimiter == Some(true));
        if compressed || quoted || document.is_some_and(|kind| kind.as_str() == "DOCUMENT") {
            return unsupported();
        }
        let invalid = || SelectError::new("InvalidScanRange", "The scan range specified is not valid.");
        let whole = |value: i64| u64::try_from(value).map_err(|_| invalid());
        let (start, end) = match (range.start, range.end) {
            (Some(start), Some(end)) => (whole(start)?, whole(end)?),
            (Some(start), None) => (whole(start)?, size),
            // The last bytes.
            (None, Some(last)) => (size.saturating_sub(whole(last)?), size),
            (None, None) => return Err(invalid()),
        };
        if start > end || start > size {
            return Err(invalid());
        }
        let csv = input.csv.as_ref();
        let delimiter = csv.and_then(|csv| csv.record_delimiter.clone()).unwrap_or_else(|| "\n".to_owned());
        let header = csv.and_then(|csv| csv.file_header_info.as_ref()).is_some_and(|info| info.as_str() != "NONE");
        let delimiter = delimiter.into_bytes();
        Ok(Some(Window { start, end, delimiter, header, at: 0, record: 0, recent: Vec::new() }))
    }

    /// The range itself, for files that are not read record by record.
    #[cfg(feature = "parquet")]
    pub fn range(&self) -> std::ops::Range<u64> {
        self.start..self.end
    }

    /// Nothing that is still to come can be let through.
    pub fn is_past(&self) -> bool {
        self.record >= self.end
    }

    pub fn pass(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut through = Vec::new();
        for byte in bytes {
            if self.is_past() {
                break;
            }
            if self.record >= self.start || (self.header && self.record == 0) {
                through.push(*byte);
            }
            self.at += 1;
            if self.recent.len() >= self.delimiter.len() && !self.recent.is_empty() {
                self.recent.remove(0);
            }
            self.recent.push(*byte);
            if self.recent == self.delimiter {
                self.record = self.at;
                self.recent.clear();
            }
        }
        through
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(start: Option<i64>, end: Option<i64>) -> Result<Window> {
        let input = InputSerialization { csv: Some(Default::default()), ..Default::default() };
        let range = ScanRange { start, end };
        Window::new(Some(&range), &input, 12).map(|window| window.unwrap())
    }

    fn passed(start: Option<i64>, end: Option<i64>) -> String {
        let mut window = window(start, end).unwrap();
        let pieces = ["aa\nb", "b\ncc\ndd", "\n"].map(|piece| window.pass(piece.as_bytes()));
        String::from_utf8(pieces.concat()).unwrap()
    }

    #[test]
    fn records_belong_where_they_begin() {
        assert_eq!(passed(Some(0), Some(3)), "aa\n");
        assert_eq!(passed(Some(0), Some(4)), "aa\nbb\n");
        assert_eq!(passed(Some(1), Some(4)), "bb\n");
        assert_eq!(passed(Some(3), Some(6)), "bb\n");
        assert_eq!(passed(Some(4), None), "cc\ndd\n");
        assert_eq!(passed(None, Some(4)), "dd\n");
        assert_eq!(passed(Some(1), Some(2)), "");
    }

    #[test]
    fn what_is_no_range() {
        for (start, end) in [(Some(5), Some(4)), (None, None), (Some(13), None), (Some(-1), None)] {
            assert_eq!(window(start, end).unwrap_err().code, "InvalidScanRange");
        }
        let json = s3_api::JSONInput { r#type: Some("DOCUMENT".into()) };
        let input = InputSerialization { json: Some(json), ..Default::default() };
        let range = ScanRange { start: Some(0), end: Some(1) };
        assert_eq!(Window::new(Some(&range), &input, 9).unwrap_err().code, "UnsupportedScanRangeInput");
    }
}
