//! Keys and records other than items: tables by name, and the head of each table by number.
//!
//! The head changes with nearly every write, the table hardly ever; so the table is cached and its generation in the
//! head, which every writer reads, says whether the cache is still right.

use crate::codec::Corrupt;
use crate::error::Error;
use crate::table::{IndexNumber, Table};

/// Where all tables are kept.
pub const TABLES: &str = "dynamodb/table/";
const HEADS: &[u8] = b"dynamodb/head/";

/// Where tables of an account in a region are kept, by name.
pub fn tables_prefix(account: &str, region: &str) -> Vec<u8> {
    format!("{TABLES}{account}/{region}/").into_bytes()
}

pub fn table_key(account: &str, region: &str, name: &str) -> Vec<u8> {
    format!("{TABLES}{account}/{region}/{name}").into_bytes()
}

pub fn read_table(record: &[u8]) -> Result<Table, Error> {
    Ok(service::from_record(record)?)
}

pub fn write_table(table: &Table) -> Result<Vec<u8>, Error> {
    Ok(service::to_record(table)?)
}

/// Marks of the tables that have a time to live; the rest of the key is that of the table.
pub const TIMES_TO_LIVE: &[u8] = b"dynamodb/ttl/";

/// Marks of the tables whose past is kept.
pub const RECOVERIES: &[u8] = b"dynamodb/recovery/";

/// Marks of the tables whose capacity is scaled.
pub const SCALINGS: &[u8] = b"dynamodb/scaling/";

/// The mark of a table, by the table's key.
pub fn mark_key(marks: &[u8], table_key: &[u8]) -> Vec<u8> {
    [marks, table_key.strip_prefix(TABLES.as_bytes()).unwrap_or_default()].concat()
}

/// The number that the next table gets.
pub const NEXT_NUMBER: &[u8] = b"dynamodb/next";

pub fn head_key(number: u64) -> Vec<u8> {
    [HEADS, &number.to_be_bytes()].concat()
}

/// A table's generation, and how much there is in it and in its indexes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    pub generation: u64,
    /// The number of the last record in the table's streams; zero while it has never had one.
    pub sequence: u64,
    pub sizes: Sizes,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sizes(Vec<Size>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Size {
    index: IndexNumber,
    bytes: i64,
    items: i64,
}

impl Sizes {
    /// Bytes and items.
    pub fn of(&self, index: IndexNumber) -> (i64, i64) {
        self.0.iter().find(|size| size.index == index).map_or((0, 0), |size| (size.bytes, size.items))
    }

    pub fn change(&mut self, index: IndexNumber, bytes: i64, items: i64) {
        match self.0.iter_mut().find(|size| size.index == index) {
            Some(size) => {
                size.bytes += bytes;
                size.items += items;
            }
            None => self.0.push(Size { index, bytes, items }),
        }
    }

    /// Accounts for an entry that weighed `old` and now weighs `new`.
    pub fn replace(&mut self, index: IndexNumber, old: Option<usize>, new: Option<usize>) {
        let signed = |weight: Option<usize>| weight.map_or(0, |weight| weight as i64);
        self.change(index, signed(new) - signed(old), i64::from(new.is_some()) - i64::from(old.is_some()));
    }

    pub fn forget(&mut self, index: IndexNumber) {
        self.0.retain(|size| size.index != index);
    }
}

impl Head {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(16 + 18 * self.sizes.0.len());
        out.extend_from_slice(&self.generation.to_be_bytes());
        for size in &self.sizes.0 {
            out.extend_from_slice(&size.index.to_be_bytes());
            out.extend_from_slice(&size.bytes.to_be_bytes());
            out.extend_from_slice(&size.items.to_be_bytes());
        }
        if self.sequence > 0 {
            out.extend_from_slice(&self.sequence.to_be_bytes());
        }
        out
    }

    pub fn decode(record: &[u8]) -> Result<Head, Corrupt> {
        let (generation, sizes) = record.split_first_chunk::<8>().ok_or(Corrupt)?;
        let (chunks, rest) = sizes.as_chunks::<18>();
        let sequence = match rest {
            [] => 0,
            rest => u64::from_be_bytes(rest.try_into().map_err(|_| Corrupt)?),
        };
        let sizes = chunks.iter().map(|chunk| {
            let [a, b, rest @ ..] = chunk;
            let (bytes, items) = rest.split_at(8);
            Ok(Size {
                index: u16::from_be_bytes([*a, *b]),
                bytes: i64::from_be_bytes(bytes.try_into().map_err(|_| Corrupt)?),
                items: i64::from_be_bytes(items.try_into().map_err(|_| Corrupt)?),
            })
        });
        Ok(Head {
            generation: u64::from_be_bytes(*generation),
            sequence,
            sizes: Sizes(sizes.collect::<Result<_, _>>()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_round_trip() {
        let mut head = Head { generation: 3, ..Head::default() };
        head.sizes.replace(0, None, Some(10));
        head.sizes.replace(0, None, Some(5));
        head.sizes.replace(0, Some(5), None);
        head.sizes.replace(4, None, Some(7));
        assert_eq!(head.sizes.of(0), (10, 1));
        assert_eq!(Head::decode(&head.encode()), Ok(head.clone()));
        head.sequence = 9;
        assert_eq!(Head::decode(&head.encode()), Ok(head.clone()));
        head.sizes.forget(4);
        assert_eq!(head.sizes.of(4), (0, 0));
        assert_eq!(Head::decode(&[0; 9]), Err(Corrupt));
    }
}
