//! Reading pages: a range of a table or index, from one end or the other, up to a limit.

use bytes::Bytes;
use store::{Range, Snapshot};
use wire::{Encoder, Shape as _, Source};

use crate::capacity::Consumed;
use crate::codec;
use crate::error::Error;
use crate::expression::{Condition, Projection};
use crate::size::{Read, Units};
use crate::table::{Index, PRIMARY, Table};
use crate::value::Item;

/// The most that one page may weigh before it is filtered.
const MAX_PAGE: usize = 1024 * 1024;

#[derive(Debug)]
pub struct Reading<'a> {
    pub table: &'a Table,
    pub index: Option<&'a Index>,
    pub range: Range,
    pub backward: bool,
    /// How many items to look at, before they are filtered.
    pub limit: Option<usize>,
    pub filter: Option<&'a Condition<'a>>,
    pub projection: Option<&'a Projection<'a>>,
    /// The items are wanted, not only their number.
    pub wants_items: bool,
    /// The index lacks attributes that were asked for, so each item is read from the table as well.
    pub fetches: bool,
    pub read: Read,
}

#[derive(Debug, Default)]
pub struct Page {
    pub items: Found,
    /// How many items passed the filter.
    pub count: i32,
    /// How many items were looked at.
    pub scanned: i32,
    /// Where to go on; set where the page ended before the range did.
    pub last: Option<Item>,
    pub consumed: Consumed,
}

/// The items of a page, where nothing was to be done with them as they are stored.
#[derive(Clone, Debug, Default)]
pub struct Found(pub Vec<Stored>);

#[derive(Clone, Debug)]
pub enum Stored {
    /// A record that was checked.
    Record(Bytes),
    Item(Item),
}

impl Stored {
    pub fn into_item(self) -> Item {
        match self {
            Stored::Record(record) => codec::decode(&record).map(|(item, _)| item).unwrap_or_default(),
            Stored::Item(item) => item,
        }
    }
}

impl Found {
    pub fn into_items(self) -> impl Iterator<Item = Item> {
        self.0.into_iter().map(Stored::into_item)
    }
}

impl Source<Vec<Item>> for Found {
    fn encode(&self, encoder: &mut dyn Encoder) {
        let records = self.0.iter().map(|stored| match stored {
            Stored::Record(record) => record.len(),
            Stored::Item(_) => 0,
        });
        // Types and punctuation take about as much again as short values.
        encoder.reserve(records.sum::<usize>() * 3 / 2);
        encoder.begin_list(self.0.len());
        for stored in &self.0 {
            encoder.element();
            match stored {
                Stored::Record(record) => codec::write(record, encoder),
                Stored::Item(item) => item.encode(encoder),
            }
        }
        encoder.end_list();
    }

    fn value(&self) -> Vec<Item> {
        self.clone().into_items().collect()
    }
}

impl Reading<'_> {
    pub fn page(&self, snapshot: &Snapshot) -> Result<Page, Error> {
        let records = snapshot.values(self.range.clone());
        if self.backward { self.collect(snapshot, records.rev()) } else { self.collect(snapshot, records) }
    }

    fn collect(&self, snapshot: &Snapshot, records: impl Iterator<Item = store::Result<Bytes>>) -> Result<Page, Error> {
        let mut page = Page::default();
        let mut bytes = 0;
        let mut previous = None;
        let limit = self.limit.unwrap_or(usize::MAX);
        let mut looked_at = 0;
        for record in records {
            let record = record?;
            let weight = codec::weight(&record)?;
            if looked_at > 0 && bytes + weight > MAX_PAGE {
                page.last = previous.as_ref().map(|record| self.position(record)).transpose()?;
                break;
            }
            bytes += weight;
            looked_at += 1;
            page.scanned += 1;
            self.take(snapshot, &record, &mut page)?;
            if looked_at == limit {
                page.last = Some(self.position(&record)?);
                break;
            }
            previous = Some(record);
        }
        let at = self.index.map_or(PRIMARY, |index| index.number);
        page.consumed.add(at, Units::read(bytes, self.read));
        Ok(page)
    }

    fn position(&self, record: &Bytes) -> Result<Item, Error> {
        Ok(self.table.position(self.index, &codec::decode(record)?.0))
    }

    fn take(&self, snapshot: &Snapshot, record: &Bytes, page: &mut Page) -> Result<(), Error> {
        if !self.wants_items && self.filter.is_none() {
            page.count += 1;
            return Ok(());
        }
        if self.filter.is_none() && self.projection.is_none() && !self.fetches {
            codec::check(record)?;
            page.count += 1;
            page.items.0.push(Stored::Record(record.clone()));
            return Ok(());
        }
        let mut item = codec::decode(record)?.0;
        if self.fetches {
            let key = self.table.item_key(&item)?;
            if let Some(record) = snapshot.get(&key)? {
                let (whole, weight) = codec::decode(&record)?;
                page.consumed.add(PRIMARY, Units::read(weight, self.read));
                item = whole;
            }
        }
        if self.filter.is_some_and(|filter| !filter.holds(&item)) {
            return Ok(());
        }
        page.count += 1;
        if self.wants_items {
            page.items.0.push(Stored::Item(match self.projection {
                Some(projection) => projection.apply(&item),
                None => item,
            }));
        }
        Ok(())
    }
}
