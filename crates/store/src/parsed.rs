//! What records parse to, remembered: the settings that nearly every request reads and nearly none changes.
//!
//! An entry is made while the map is locked and dropped after the commit that wrote its key, before that commit is
//! acknowledged. So nobody who asks after an acknowledged write gets what was before it. That a key has no record is
//! remembered as well.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

/// More entries than this are not kept: they are dropped together, and those in use come back.
const MOST: usize = 8192;

/// Longer keys are not remembered: names that strangers make up must not fill the memory.
const LONGEST: usize = 256;

/// The value of a key, of whatever type its readers parse it to.
type Entry = Option<Arc<dyn Any + Send + Sync>>;

#[derive(Default)]
pub struct Parsed {
    entries: RwLock<HashMap<Box<[u8]>, Entry>>,
}

impl Parsed {
    /// What is remembered of a key, or what `read` returns.
    pub fn get<T: Send + Sync + 'static, E>(
        &self,
        key: &[u8],
        read: impl FnOnce() -> Result<Option<T>, E>,
    ) -> Result<Option<Arc<T>>, E> {
        if let Some(known) = self.entries.read().get(key).and_then(of_type) {
            return Ok(known);
        }
        if key.len() > LONGEST {
            return Ok(read()?.map(Arc::new));
        }
        let mut entries = self.entries.write();
        let value = read()?.map(Arc::new);
        if entries.len() >= MOST {
            entries.clear();
        }
        entries.insert(key.into(), value.clone().map(|value| value as Arc<dyn Any + Send + Sync>));
        Ok(value)
    }

    /// Keys were written.
    pub fn forget<'a>(&self, keys: impl Iterator<Item = &'a [u8]>) {
        let stale: Vec<&[u8]> = {
            let entries = self.entries.read();
            keys.filter(|key| entries.contains_key(*key)).collect()
        };
        if !stale.is_empty() {
            let mut entries = self.entries.write();
            stale.into_iter().for_each(|key| drop(entries.remove(key)));
        }
    }

    pub fn clear(&self) {
        self.entries.write().clear();
    }
}

/// `None` where the entry is of another type, which only a second reader of the same key could have made.
fn of_type<T: Send + Sync + 'static>(entry: &Entry) -> Option<Option<Arc<T>>> {
    match entry {
        None => Some(None),
        Some(value) => value.clone().downcast().ok().map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_names_do_not_fill_the_memory() {
        let parsed = Parsed::default();
        let mut reads = 0;
        for length in [LONGEST, LONGEST, LONGEST + 1, LONGEST + 1] {
            let missing = parsed.get(&vec![b'x'; length], || {
                reads += 1;
                Ok::<_, ()>(None::<u8>)
            });
            assert_eq!(missing, Ok(None));
        }
        assert_eq!((reads, parsed.entries.read().len()), (3, 1));
    }
}
