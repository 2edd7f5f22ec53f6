//! Apache Parquet: a file of columns, read back as records. Its directory lies at its end, so an object is held whole.
//!
//! Of a range, the groups of rows are read that begin in it.

use std::ops::Range;

use bytes::Bytes;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{FileReader as _, SerializedFileReader};

use super::eval::{Record, below};
use super::parse::Step;
use super::{Result, SelectError};

fn broken(_: parquet::errors::ParquetError) -> SelectError {
    SelectError::new("ParquetParsingError", "Error parsing Parquet file. Please check the file and try again.")
}

/// Where the first page of a group lies.
fn start(group: &RowGroupMetaData) -> u64 {
    let pages = group.columns().iter().map(|column| {
        let data = column.data_page_offset();
        column.dictionary_page_offset().map_or(data, |dictionary| dictionary.min(data))
    });
    u64::try_from(pages.min().unwrap_or_default()).unwrap_or_default()
}

/// The records of a file, or of the groups that begin within a range of it.
pub fn records(file: Vec<u8>, from: &[Step], range: Option<&Range<u64>>) -> Result<Vec<Record>> {
    let file = SerializedFileReader::new(Bytes::from(file)).map_err(broken)?;
    let mut records = Vec::new();
    for (at, group) in file.metadata().row_groups().iter().enumerate() {
        if range.is_some_and(|range| !range.contains(&start(group))) {
            continue;
        }
        let group = file.get_row_group(at).map_err(broken)?;
        for row in group.get_row_iter(None).map_err(broken)? {
            let row = row.map_err(broken)?.to_json_value();
            records.extend(below(row, from).into_iter().map(Record::Json));
        }
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    use super::*;

    /// Two groups of rows.
    fn file() -> Vec<u8> {
        let schema = "message people { REQUIRED BINARY name (UTF8); REQUIRED INT64 age; }";
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let compression = parquet::basic::Compression::SNAPPY;
        let properties = Arc::new(WriterProperties::builder().set_compression(compression).build());
        let mut out = Vec::new();
        let mut writer = SerializedFileWriter::new(&mut out, schema, properties).unwrap();
        for (people, years) in [(["Ann", "Bob"], [41, 7]), (["Cid", "Dot"], [1, 2])] {
            let mut group = writer.next_row_group().unwrap();
            let mut names = group.next_column().unwrap().unwrap();
            names.typed::<ByteArrayType>().write_batch(&people.map(ByteArray::from), None, None).unwrap();
            names.close().unwrap();
            let mut ages = group.next_column().unwrap().unwrap();
            ages.typed::<Int64Type>().write_batch(&years, None, None).unwrap();
            ages.close().unwrap();
            group.close().unwrap();
        }
        writer.close().unwrap();
        out
    }

    fn names(range: Option<Range<u64>>) -> Vec<String> {
        let records = records(file(), &[], range.as_ref()).unwrap();
        let shown = records.iter().map(|record| match record {
            Record::Json(json) => json["name"].as_str().unwrap_or_default().to_owned(),
            Record::Row(..) => String::new(),
        });
        shown.collect()
    }

    #[test]
    fn files() {
        let records = records(file(), &[], None).unwrap();
        let Some(Record::Json(first)) = records.first() else { panic!("no record") };
        assert_eq!(first.to_string(), r#"{"name":"Ann","age":41}"#);
        assert_eq!(names(None), ["Ann", "Bob", "Cid", "Dot"]);
    }

    #[test]
    fn ranges_are_of_groups() {
        let second = {
            let file = SerializedFileReader::new(Bytes::from(file())).unwrap();
            start(&file.metadata().row_groups()[1])
        };
        assert_eq!(names(Some(0..second)), ["Ann", "Bob"]);
        assert_eq!(names(Some(0..second + 1)), ["Ann", "Bob", "Cid", "Dot"]);
        assert_eq!(names(Some(second..second + 1)), ["Cid", "Dot"]);
        // The first group begins behind the four bytes that every file begins with.
        assert_eq!(names(Some(4..5)), ["Ann", "Bob"]);
        assert_eq!(names(Some(5..second)), Vec::<String>::new());
    }

    #[test]
    fn what_is_no_file() {
        for bytes in [&b""[..], b"PAR1", b"a,b\n1,2\n"] {
            assert_eq!(super::records(bytes.to_vec(), &[], None).unwrap_err().code, "ParquetParsingError");
        }
    }
}
