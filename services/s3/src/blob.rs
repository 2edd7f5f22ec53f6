//! Bodies. Very small ones lie in the record of their object, small ones beside it in the store; larger ones are files,
//! written to a temporary name as they arrive and renamed when they are whole.
//!
//! - A file that no record refers to is garbage: a crash may leave it, and [`sweep`] removes it at start.
//! - A file is never changed once it has its name. It is removed after the commit that dropped the last reference, or,
//!   where somebody still reads it, when the reader is done.
//! - Memory is bounded: a body passes in pieces of at most [`CHUNK`].

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use md5::{Digest as _, Md5};
use parking_lot::Mutex;
use service::{ByteStream, Cloud, Durability, Random, Snapshot, Store, StoreError, Transaction};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use wire::StreamError;

use crate::Error;
use crate::checksum::Hasher;
use crate::cipher::{Cipher, Key};
use crate::range::Span;
use crate::store::{Segment, blob_key, body_key};

/// Bodies up to this size lie in the store.
pub const INLINE: usize = 64 * 1024;
/// Bodies of objects up to this size lie in the object's record. Listings read those.
const EMBEDDED: usize = 2 * 1024;
/// How much of a body waits in memory before it is written.
const BATCH: usize = 256 * 1024;
/// How much of a large file is read at once.
const CHUNK: usize = 256 * 1024;
/// Files up to this size are read as a whole and remembered.
const RECENT_FILE: u64 = 2 * 1024 * 1024;
/// How many bytes of them are remembered together.
const RECENT_BYTES: usize = 9 * 1024 * 1024;

/// The files of a cloud, and who reads them.
#[derive(Default)]
pub struct Blobs {
    readers: Mutex<HashMap<String, Readers>>,
    /// Files that were read and verified lately, by their ids, the latest first. A file never changes, so neither do they.
    recent: Mutex<VecDeque<(String, Bytes)>>,
}

#[derive(Default)]
struct Readers {
    count: usize,
    /// Nothing refers to the file any more: the last reader removes it.
    doomed: Option<PathBuf>,
}

/// Keeps files from being removed while they are read.
struct Pin {
    blobs: Arc<Blobs>,
    ids: Vec<String>,
}

impl Drop for Pin {
    fn drop(&mut self) {
        if self.ids.is_empty() {
            return;
        }
        let mut readers = self.blobs.readers.lock();
        for id in &self.ids {
            let Some(entry) = readers.get_mut(id) else { continue };
            entry.count -= 1;
            if entry.count == 0
                && let Some(Readers { doomed: Some(path), .. }) = readers.remove(id)
            {
                unlink(&path);
            }
        }
    }
}

fn folder(root: &Path) -> PathBuf {
    root.join("s3")
}

fn temporary(root: &Path) -> PathBuf {
    folder(root).join("tmp")
}

fn path_of(root: &Path, id: &str) -> PathBuf {
    folder(root).join(id.get(..2).unwrap_or("00")).join(id)
}

fn unlink(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "a body's file cannot be removed");
    }
}

/// A body that is written but that nothing refers to yet. Unless [`Draft::keep`] is called it is removed again.
#[derive(Default)]
pub struct Draft {
    pub segments: Vec<Segment>,
    inline: Vec<(String, Bytes)>,
    files: Vec<PathBuf>,
}

impl Draft {
    /// Enters the body in the transaction that refers to it.
    pub fn commit(&self, tx: &mut Transaction<'_>) {
        for (id, bytes) in &self.inline {
            tx.put(body_key(id), bytes.clone());
        }
        for segment in self.segments.iter().filter(|segment| segment.file) {
            tx.put(blob_key(&segment.id), Bytes::new());
        }
    }

    /// Moves a very small body to where the object's record takes it along. Not for parts: their records hold no bytes.
    pub fn embed(&mut self) {
        if let [segment] = self.segments.as_mut_slice()
            && let Some((_, bytes)) = self.inline.pop_if(|(_, bytes)| bytes.len() <= EMBEDDED)
        {
            segment.bytes = Some(bytes);
        }
    }

    /// The transaction was committed.
    pub fn keep(mut self) {
        self.files.clear();
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        self.files.iter().for_each(|path| unlink(path));
    }
}

/// A body that has arrived.
pub struct Received {
    pub draft: Draft,
    pub size: u64,
    pub md5: [u8; 16],
    pub hashers: Vec<Hasher>,
}

/// What is made of a body as it passes: its hashes, and the file that it goes to when it is large.
struct Intake {
    md5: Md5,
    crc32: crc32fast::Hasher,
    hashers: Vec<Hasher>,
    cipher: Option<Cipher>,
    file: Option<fs::File>,
    /// Where the file is until it is whole.
    path: PathBuf,
    sync: bool,
}

impl Intake {
    /// Hashes and encrypts pieces; they come back as they are to be stored.
    fn pass(&mut self, pieces: Vec<Bytes>) -> Result<Vec<Bytes>, Error> {
        let mut stored = Vec::with_capacity(pieces.len());
        for piece in pieces {
            self.md5.update(&piece);
            self.hashers.iter_mut().for_each(|hasher| hasher.update(&piece));
            let piece = match &mut self.cipher {
                Some(cipher) => cipher.apply(&piece)?,
                None => piece,
            };
            self.crc32.update(&piece);
            stored.push(piece);
        }
        Ok(stored)
    }

    /// Passes pieces on to the file, which is made when the first of them come.
    fn write(&mut self, pieces: Vec<Bytes>) -> Result<(), Error> {
        let pieces = self.pass(pieces)?;
        let failed = |error: io::Error| Error::file("write a body", &error);
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(create(&self.path).map_err(failed)?),
        };
        pieces.iter().try_for_each(|piece| file.write_all(piece)).map_err(failed)
    }

    /// Gives the file its name.
    fn finish(&mut self, path: &Path) -> Result<(), Error> {
        let named = || {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            if let Some(file) = self.file.as_ref().filter(|_| self.sync) {
                file.sync_data()?;
            }
            fs::rename(&self.path, path)?;
            if self.sync { sync_name(path) } else { Ok(()) }
        };
        named().map_err(|error| Error::file("finish a body", &error))
    }
}

/// Makes the name of a file safe, and that of its folder, which may be new.
fn sync_name(path: &Path) -> io::Result<()> {
    path.ancestors().skip(1).take(2).try_for_each(|folder| fs::File::open(folder)?.sync_all())
}

/// Work on an intake that may wait for the disk, or takes long, beside the tasks of the server.
async fn aside<T: Send + 'static>(
    mut intake: Box<Intake>,
    work: impl FnOnce(&mut Intake) -> Result<T, Error> + Send + 'static,
) -> Result<(Box<Intake>, T), Error> {
    let done = tokio::task::spawn_blocking(move || work(&mut intake).map(|value| (intake, value))).await;
    done.unwrap_or_else(|error| Err(Error::file("take in a body", &io::Error::other(error))))
}

/// Where bodies are put.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    pub root: &'a Path,
    /// Files must be on the disk before the record is that refers to them.
    pub sync: bool,
}

impl<'a> Place<'a> {
    pub fn of(cloud: &'a Cloud) -> Place<'a> {
        Place { root: &cloud.config.files, sync: cloud.store.durability() == Durability::Sync }
    }
}

/// Takes in a body as it arrives.
pub async fn receive(
    Place { root, sync }: Place<'_>,
    random: &Random,
    body: Option<ByteStream>,
    limit: u64,
    hashers: Vec<Hasher>,
    key: Option<&Key>,
) -> Result<Received, Error> {
    let id = random.hex(32);
    let iv = key.map(|_| {
        let mut iv = [0; 16];
        random.fill(&mut iv);
        iv
    });
    let cipher = key.zip(iv).map(|(key, iv)| key.cipher(&iv, 0)).transpose()?;
    let path = temporary(root).join(&id);
    let mut intake = Box::new(Intake {
        md5: Md5::new(),
        crc32: crc32fast::Hasher::new(),
        hashers,
        cipher,
        file: None,
        path: path.clone(),
        sync,
    });
    let (mut size, mut waiting, mut waiting_bytes) = (0u64, Vec::new(), 0);
    let mut draft = Draft::default();
    let mut stream = body.unwrap_or_default().take();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(Error::broken_body)?;
        size += chunk.len() as u64;
        if size > limit {
            return Err(Error::EntityTooLarge("Your proposed upload exceeds the maximum allowed size".to_owned()));
        }
        waiting_bytes += chunk.len();
        waiting.push(chunk);
        if waiting_bytes >= BATCH {
            if draft.files.is_empty() {
                draft.files.push(path.clone());
            }
            let pieces = std::mem::take(&mut waiting);
            waiting_bytes = 0;
            intake = aside(intake, |intake| intake.write(pieces)).await?.0;
        }
    }
    let file = size > INLINE as u64;
    if file {
        let target = path_of(root, &id);
        // Whichever of the two there is when this fails or is given up is removed.
        draft.files = vec![path, target.clone()];
        let finish = move |intake: &mut Intake| {
            if !waiting.is_empty() {
                intake.write(waiting)?;
            }
            intake.finish(&target)
        };
        intake = aside(intake, finish).await?.0;
        draft.files.remove(0);
    } else if size > 0 {
        let stored = intake.pass(waiting)?;
        let bytes = match <[Bytes; 1]>::try_from(stored) {
            Ok([only]) => Bytes::copy_from_slice(&only),
            Err(several) => several.concat().into(),
        };
        draft.inline.push((id.clone(), bytes));
    }
    let Intake { md5, crc32, hashers, .. } = *intake;
    if size > 0 {
        draft.segments.push(Segment { id, len: size, file, crc32: crc32.finalize(), iv, bytes: None });
    }
    Ok(Received { draft, size, md5: md5.finalize().into(), hashers })
}

fn create(path: &Path) -> io::Result<fs::File> {
    match fs::File::create(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::File::create(path)
        }
        result => result,
    }
}

/// A second copy of a body, without reading it: files are linked.
pub fn duplicate(
    Place { root, sync }: Place<'_>,
    random: &Random,
    snapshot: &Snapshot,
    body: &[Segment],
) -> Result<Draft, Error> {
    let mut draft = Draft::default();
    for segment in body {
        let id = random.hex(32);
        if segment.file {
            let (from, to) = (path_of(root, &segment.id), path_of(root, &id));
            let link = || {
                if let Some(parent) = to.parent() {
                    fs::create_dir_all(parent)?;
                }
                fs::hard_link(&from, &to).or_else(|_| {
                    fs::copy(&from, &to)?;
                    if sync { fs::File::open(&to)?.sync_data() } else { Ok(()) }
                })?;
                if sync { sync_name(&to) } else { Ok(()) }
            };
            link().map_err(|error| Error::file("copy a body", &error))?;
            draft.files.push(to);
        } else if segment.bytes.is_none() {
            draft.inline.push((id.clone(), inline(snapshot, segment)?));
        }
        draft.segments.push(Segment { id, ..segment.clone() });
    }
    Ok(draft)
}

fn inline(snapshot: &Snapshot, segment: &Segment) -> Result<Bytes, Error> {
    if let Some(bytes) = &segment.bytes {
        return Ok(bytes.clone());
    }
    let bytes = snapshot.get(body_key(&segment.id).as_slice())?;
    bytes.ok_or_else(|| StoreError::Corrupt(format!("the body {} is not there", segment.id)).into())
}

/// Small pieces as one, where that is still small: the new piece, and what it holds.
pub fn join(tx: &Transaction<'_>, random: &Random, pieces: &[Segment]) -> Result<Option<(Segment, Bytes)>, Error> {
    let len = pieces.iter().map(|segment| segment.len).sum();
    if len > INLINE as u64 || pieces.iter().any(|segment| segment.file) {
        return Ok(None);
    }
    let mut bytes = BytesMut::new();
    for segment in pieces {
        match &segment.bytes {
            Some(own) => bytes.extend_from_slice(own),
            None => {
                let stored = tx.get(body_key(&segment.id).as_slice())?;
                let missing = || StoreError::Corrupt(format!("the body {} is not there", segment.id));
                bytes.extend_from_slice(&stored.ok_or_else(missing)?);
            }
        }
    }
    let crc32 = crc32fast::hash(&bytes);
    Ok(Some((Segment { id: random.hex(32), len, crc32, ..Segment::default() }, bytes.freeze())))
}

/// Drops the references to a body. After the commit, [`Blobs::remove`] drops its files.
pub fn forget(tx: &mut Transaction<'_>, body: &[Segment]) {
    for segment in body.iter().filter(|segment| segment.bytes.is_none()) {
        tx.delete(if segment.file { blob_key(&segment.id) } else { body_key(&segment.id) });
    }
}

/// A piece of a body that is being read.
enum Piece {
    Bytes(Bytes),
    File { path: PathBuf, start: u64, len: u64, crc32: Option<u32>, cipher: Option<Cipher>, id: String },
}

impl Blobs {
    /// Removes the files of a body that nothing refers to any more.
    pub fn remove(&self, root: &Path, body: &[Segment]) {
        for segment in body.iter().filter(|segment| segment.file) {
            let path = path_of(root, &segment.id);
            match self.readers.lock().get_mut(&segment.id) {
                Some(readers) => readers.doomed = Some(path),
                None => unlink(&path),
            }
        }
    }

    /// A whole file from memory.
    fn remembered(&self, id: &str) -> Option<Bytes> {
        let mut recent = self.recent.lock();
        let at = recent.iter().position(|(known, _)| known == id)?;
        let entry = recent.remove(at)?;
        let bytes = entry.1.clone();
        recent.push_front(entry);
        Some(bytes)
    }

    fn remember(&self, id: String, bytes: Bytes) {
        let mut recent = self.recent.lock();
        recent.push_front((id, bytes));
        let mut total = 0;
        recent.retain(|(_, bytes)| {
            total += bytes.len();
            total <= RECENT_BYTES
        });
    }

    /// The bytes of pieces, and behind them those of a draft, neither of them encrypted. `None` where the pieces were removed
    /// meanwhile.
    pub fn chained(
        self: &Arc<Self>,
        root: &Path,
        store: &Store,
        snapshot: &Snapshot,
        pieces: &[Segment],
        draft: &Draft,
    ) -> Result<Option<ByteStream>, Error> {
        let len = pieces.iter().map(|segment| segment.len).sum();
        let before = self.open(root, store, snapshot, pieces, Span { start: 0, len }, None)?;
        let files = draft.segments.iter().filter(|segment| segment.file).map(|segment| Piece::File {
            path: path_of(root, &segment.id),
            start: 0,
            len: segment.len,
            crc32: Some(segment.crc32),
            cipher: None,
            id: segment.id.clone(),
        });
        let inline = draft.inline.iter().map(|(_, bytes)| Piece::Bytes(bytes.clone()));
        let behind = read(files.chain(inline).collect(), Pin { blobs: self.clone(), ids: Vec::new() });
        Ok(before.map(|before| ByteStream::new(before.take().chain(behind), None)))
    }

    fn pin(self: &Arc<Self>, body: &[Segment]) -> Pin {
        let ids: Vec<String> = body.iter().filter(|segment| segment.file).map(|segment| segment.id.clone()).collect();
        if !ids.is_empty() {
            let mut readers = self.readers.lock();
            for id in &ids {
                readers.entry(id.clone()).or_default().count += 1;
            }
        }
        Pin { blobs: self.clone(), ids }
    }

    /// Opens a span of a body that `snapshot` has. `None` where the body was removed meanwhile.
    pub fn open(
        self: &Arc<Self>,
        root: &Path,
        store: &Store,
        snapshot: &Snapshot,
        body: &[Segment],
        span: Span,
        key: Option<&Key>,
    ) -> Result<Option<ByteStream>, Error> {
        let mut pieces = Vec::new();
        let (mut at, end) = (0, span.start + span.len);
        let pin = self.pin(body);
        for segment in body {
            let (from, to) = (span.start.max(at), end.min(at + segment.len));
            let start = at;
            at += segment.len;
            if from >= to {
                continue;
            }
            let mut cipher = match (key, &segment.iv) {
                (Some(key), Some(iv)) => Some(key.cipher(iv, from - start)?),
                _ => None,
            };
            if segment.file {
                // Removed between the snapshot and the pin: the reader looks at the newer state.
                if store.get(blob_key(&segment.id).as_slice())?.is_none() {
                    return Ok(None);
                }
                let whole = to - from == segment.len;
                if let Some(bytes) = self.remembered(&segment.id) {
                    let cut = |at: u64| usize::try_from(at - start).unwrap_or(usize::MAX).min(bytes.len());
                    let bytes = bytes.slice(cut(from)..cut(to));
                    pieces.push(Piece::Bytes(match &mut cipher {
                        Some(cipher) => cipher.apply(&bytes)?,
                        None => bytes,
                    }));
                    continue;
                }
                let crc32 = whole.then_some(segment.crc32);
                pieces.push(Piece::File {
                    path: path_of(root, &segment.id),
                    start: from - start,
                    len: to - from,
                    crc32,
                    cipher,
                    id: segment.id.clone(),
                });
            } else {
                let bytes = inline(snapshot, segment)?;
                let cut = |at: u64| usize::try_from(at - start).unwrap_or(usize::MAX).min(bytes.len());
                let bytes = bytes.slice(cut(from)..cut(to));
                pieces.push(Piece::Bytes(match &mut cipher {
                    Some(cipher) => cipher.apply(&bytes)?,
                    None => bytes,
                }));
            }
        }
        if let [Piece::Bytes(bytes)] = pieces.as_slice() {
            return Ok(Some(ByteStream::from(bytes.clone())));
        }
        if pieces.is_empty() {
            return Ok(Some(ByteStream::default()));
        }
        Ok(Some(ByteStream::new(read(pieces, pin), Some(span.len))))
    }
}

/// A file that is being read.
struct Reading {
    file: tokio::fs::File,
    left: u64,
    check: Option<(crc32fast::Hasher, u32)>,
    cipher: Option<Cipher>,
}

fn read(pieces: Vec<Piece>, pin: Pin) -> impl futures_util::Stream<Item = Result<Bytes, StreamError>> + Send {
    let state = Some((pieces.into_iter(), None::<Reading>, pin));
    futures_util::stream::unfold(state, |state| async move {
        let (mut pieces, mut reading, pin) = state?;
        loop {
            match reading {
                Some(mut open) if open.left > 0 => match next(&mut open).await {
                    Ok(bytes) => return Some((Ok(bytes), Some((pieces, Some(open), pin)))),
                    Err(error) => return Some((Err(unreadable(&error)), None)),
                },
                _ => match pieces.next()? {
                    Piece::Bytes(bytes) => return Some((Ok(bytes), Some((pieces, None, pin)))),
                    Piece::File { path, len, crc32: Some(crc32), mut cipher, id, .. } if len <= RECENT_FILE => {
                        let whole = read_whole(path, len, crc32).await;
                        let bytes = whole.and_then(|bytes| {
                            pin.blobs.remember(id, bytes.clone());
                            match &mut cipher {
                                Some(cipher) => cipher.apply(&bytes).map_err(|_| undecipherable()),
                                None => Ok(bytes),
                            }
                        });
                        return match bytes {
                            Ok(bytes) => Some((Ok(bytes), Some((pieces, None, pin)))),
                            Err(error) => Some((Err(unreadable(&error)), None)),
                        };
                    }
                    Piece::File { path, start, len, crc32, cipher, .. } => match open(&path, start).await {
                        Ok(file) => {
                            let check = crc32.map(|crc32| (crc32fast::Hasher::new(), crc32));
                            reading = Some(Reading { file, left: len, check, cipher });
                        }
                        Err(error) => return Some((Err(unreadable(&error)), None)),
                    },
                },
            }
        }
    })
}

fn unreadable(error: &io::Error) -> StreamError {
    tracing::error!(%error, "a body cannot be read");
    let message = "We encountered an internal error. Please try again.".to_owned();
    StreamError { code: "InternalError", message }
}

fn undecipherable() -> io::Error {
    io::Error::other("the body cannot be deciphered")
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the checksum is wrong")
}

/// A whole file, if it has its checksum.
async fn read_whole(path: PathBuf, len: u64, crc32: u32) -> io::Result<Bytes> {
    let read = move || {
        let bytes = fs::read(&path)?;
        let right = bytes.len() as u64 == len && crc32fast::hash(&bytes) == crc32;
        if right { Ok(Bytes::from(bytes)) } else { Err(damaged()) }
    };
    tokio::task::spawn_blocking(read).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

async fn open(path: &Path, start: u64) -> io::Result<tokio::fs::File> {
    let mut file = tokio::fs::File::open(path).await?;
    file.set_max_buf_size(CHUNK);
    if start > 0 {
        file.seek(io::SeekFrom::Start(start)).await?;
    }
    Ok(file)
}

/// The next bytes of a file. The last ones are only handed out where the whole has its checksum.
async fn next(reading: &mut Reading) -> io::Result<Bytes> {
    let want = usize::try_from(reading.left).unwrap_or(CHUNK).min(CHUNK);
    let mut buffer = BytesMut::zeroed(want);
    let count = reading.file.read(&mut buffer).await?;
    if count == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    buffer.truncate(count);
    reading.left -= count as u64;
    if let Some((hasher, expected)) = &mut reading.check {
        hasher.update(&buffer);
        if reading.left == 0 && hasher.clone().finalize() != *expected {
            return Err(damaged());
        }
    }
    match &mut reading.cipher {
        Some(cipher) => cipher.apply(&buffer).map_err(|_| undecipherable()),
        None => Ok(buffer.freeze()),
    }
}

/// Removes what a stop left behind: temporary files at once, and in the background files that no record refers to.
pub fn sweep(root: &Path, store: &Store) {
    let temporary = temporary(root);
    if temporary.exists()
        && let Err(error) = fs::remove_dir_all(&temporary)
    {
        tracing::warn!(%error, "temporary files cannot be removed");
    }
    let Ok(folders) = fs::read_dir(folder(root)) else { return };
    // Only what was there before this moment: a new file has its name before it has its record.
    let found: Vec<PathBuf> = folders
        .flatten()
        .filter_map(|folder| fs::read_dir(folder.path()).ok())
        .flat_map(|files| files.flatten().map(|file| file.path()))
        .collect();
    let store = store.clone();
    std::thread::spawn(move || {
        for path in found {
            let id = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if matches!(store.get(blob_key(id).as_slice()), Ok(None)) {
                unlink(&path);
            }
        }
    });
}

/// Removes every body: the store was cleared.
pub fn clear(root: &Path) {
    if let Err(error) = fs::remove_dir_all(folder(root))
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, "bodies cannot be removed");
    }
}
