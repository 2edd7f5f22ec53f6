//! Apache Parquet: a file of columns, read back as records. Its directory lies at its end, so an object is held whole.

use bytes::Bytes;
use parquet::file::reader::{FileReader as _, SerializedFileReader};

use super::eval::{Record, below};
use super::parse::Step;
use super::{Result, SelectError};

fn broken(_: parquet::errors::ParquetError) -> SelectError {
    SelectError::new("ParquetParsingError", "Error parsing Parquet file. Please check the file and try again.")
}

/// The records of a whole file.
pub fn records(file: Vec<u8>, from: &[Step]) -> Result<Vec<Record>> {
    let file = SerializedFileReader::new(Bytes::from(file)).map_err(broken)?;
    let mut records = Vec::new();
    for row in file.get_row_iter(None).map_err(broken)? {
        let row = row.map_err(broken)?.to_json_value();
        records.extend(below(row, from).into_iter().map(Record::Json));
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

    fn file() -> Vec<u8> {
        let schema = "message people { REQUIRED BINARY name (UTF8); REQUIRED INT64 age; }";
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let compression = parquet::basic::Compression::SNAPPY;
        let properties = Arc::new(WriterProperties::builder().set_compression(compression).build());
        let mut out = Vec::new();
        let mut writer = SerializedFileWriter::new(&mut out, schema, properties).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let mut names = group.next_column().unwrap().unwrap();
        let texts = ["Ann", "Bob"].map(ByteArray::from);
        names.typed::<ByteArrayType>().write_batch(&texts, None, None).unwrap();
        names.close().unwrap();
        let mut ages = group.next_column().unwrap().unwrap();
        ages.typed::<Int64Type>().write_batch(&[41, 7], None, None).unwrap();
        ages.close().unwrap();
        group.close().unwrap();
        writer.close().unwrap();
        out
    }

    #[test]
    fn files() {
        let records = records(file(), &[]).unwrap();
        let shown: Vec<String> = (records.iter())
            .map(|record| match record {
                Record::Json(json) => json.to_string(),
                Record::Row(..) => String::new(),
            })
            .collect();
        assert_eq!(shown, [r#"{"name":"Ann","age":41}"#, r#"{"name":"Bob","age":7}"#]);
    }

    #[test]
    fn what_is_no_file() {
        for bytes in [&b""[..], b"PAR1", b"a,b\n1,2\n"] {
            assert_eq!(super::records(bytes.to_vec(), &[]).unwrap_err().code, "ParquetParsingError");
        }
    }
}
