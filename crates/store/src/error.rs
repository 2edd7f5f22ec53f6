//! What can go wrong with state. Every text says what happened and what to do; none reaches an API client.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("another process uses the state folder {0}; stop it, or choose another folder with --state")]
    Locked(PathBuf),
    #[error("the state folder {folder} cannot be opened: {reason}; check that it exists and is writable")]
    Open { folder: PathBuf, reason: String },
    #[error(
        "the state folder {folder} was written in format {found}, and this version reads format {known}; \
         use the version that wrote it, or another folder"
    )]
    Format { folder: PathBuf, found: String, known: String },
    #[error("the state cannot be read or written: {0}; check the disk's space and health, then restart")]
    Io(String),
    /// A record that this version cannot read.
    #[error("a record in the state is damaged: {0}")]
    Corrupt(String),
}
