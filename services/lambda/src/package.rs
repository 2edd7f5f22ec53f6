//! Deployment packages: zip archives, unpacked under limits.
//!
//! Nothing outside the target directory is ever written: names that leave it are refused, and links are made last, so that
//! no file is written through one. Everything becomes readable for the function's user, whatever the archive says.

use std::fs::{self, File};
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use zip::ZipArchive;
use zip::result::ZipError;

/// The most that a function may unpack to, in bytes.
pub const UNPACKED_LIMIT: u64 = 262_144_000;
/// The most that may be uploaded in a request, in bytes.
pub const UPLOAD_LIMIT: usize = 52_428_800;

#[derive(Debug)]
pub enum PackageError {
    Empty,
    NotAnArchive,
    TooLarge,
    Io(io::Error),
}

impl From<ZipError> for PackageError {
    fn from(_: ZipError) -> Self {
        Self::NotAnArchive
    }
}

impl From<io::Error> for PackageError {
    fn from(error: io::Error) -> Self {
        // Damaged compressed data shows up as an error of reading.
        match error.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => {
                Self::NotAnArchive
            }
            _ => Self::Io(error),
        }
    }
}

/// Unpacks archives over each other into a directory, which is made and must not hold anything yet.
pub fn unpack(archives: &[Bytes], into: &Path) -> Result<(), PackageError> {
    unpack_within(archives, into, UNPACKED_LIMIT)
}

fn unpack_within(archives: &[Bytes], into: &Path, mut left: u64) -> Result<(), PackageError> {
    let mut links = Vec::new();
    archives.iter().try_for_each(|archive| unpack_files(archive, into, &mut left, &mut links))?;
    for (path, target) in links {
        if path.symlink_metadata().is_err() {
            std::os::unix::fs::symlink(target, path)?;
        }
    }
    Ok(())
}

/// A link to make: where, and what it leads to.
type Link = (PathBuf, PathBuf);

fn unpack_files(archive: &[u8], into: &Path, left: &mut u64, links: &mut Vec<Link>) -> Result<(), PackageError> {
    if archive.is_empty() {
        return Err(PackageError::Empty);
    }
    let mut archive = ZipArchive::new(Cursor::new(archive))?;
    if archive.is_empty() {
        return Err(PackageError::Empty);
    }
    fs::create_dir_all(into)?;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index)?;
        let path = into.join(entry.enclosed_name().ok_or(PackageError::NotAnArchive)?);
        if entry.is_dir() {
            fs::create_dir_all(&path)?;
            continue;
        }
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        if entry.is_symlink() {
            let mut target = String::new();
            entry.by_ref().take(4096).read_to_string(&mut target)?;
            links.push((path, PathBuf::from(target)));
            continue;
        }
        let mode = entry.unix_mode();
        let mut file = File::create(&path)?;
        // The sizes that an archive declares may be lies: count what really comes out.
        let written = io::copy(&mut entry.by_ref().take(*left + 1), &mut file)?;
        *left = left.checked_sub(written).ok_or(PackageError::TooLarge)?;
        make_readable(&file, mode)?;
    }
    Ok(())
}

fn make_readable(file: &File, mode: Option<u32>) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let executable = mode.is_some_and(|mode| mode & 0o111 != 0);
    file.set_permissions(fs::Permissions::from_mode(if executable { 0o755 } else { 0o644 }))
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;
    use zip::write::SimpleFileOptions;

    /// An archive for tests.
    pub fn archive(files: &[(&str, &str)]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, text) in files {
            let mode = if *name == "bootstrap" { 0o700 } else { 0o600 };
            writer.start_file(*name, SimpleFileOptions::default().unix_permissions(mode)).unwrap();
            writer.write_all(text.as_bytes()).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn files_become_readable() {
        let directory = tempfile::tempdir().unwrap();
        let into = directory.path().join("code");
        unpack(&[archive(&[("lib/index.js", "x"), ("bootstrap", "y")]).into()], &into).unwrap();
        assert_eq!(fs::read_to_string(into.join("lib/index.js")).unwrap(), "x");
        let mode = |name: &str| fs::metadata(into.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("lib/index.js"), mode("bootstrap")), (0o644, 0o755));
    }

    #[test]
    fn nothing_leaves_the_directory() {
        let directory = tempfile::tempdir().unwrap();
        let result = unpack(&[archive(&[("../escape", "x")]).into()], &directory.path().join("code"));
        assert!(matches!(result, Err(PackageError::NotAnArchive)));
        assert!(!directory.path().join("escape").exists());

        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        writer.add_symlink("out", "..", SimpleFileOptions::default()).unwrap();
        writer.start_file("out/escape", SimpleFileOptions::default()).unwrap();
        let linked = writer.finish().unwrap().into_inner();
        let over = archive(&[("out/escape", "x")]);
        let _ = unpack(&[linked.into(), over.into()], &directory.path().join("linked"));
        assert!(!directory.path().join("escape").exists());
    }

    #[test]
    fn bad_archives_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let unpack =
            |bytes: &[u8], limit| unpack_within(&[bytes.to_vec().into()], &directory.path().join("code"), limit);
        assert!(matches!(unpack(b"", 10), Err(PackageError::Empty)));
        assert!(matches!(unpack(b"not a zip", 10), Err(PackageError::NotAnArchive)));
        assert!(matches!(unpack(&archive(&[("a", "0123456789")]), 9), Err(PackageError::TooLarge)));
        assert!(unpack(&archive(&[("a", "0123456789")]), 10).is_ok());
    }
}
