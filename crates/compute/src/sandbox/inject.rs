//! Mounting directories into a sandbox that already runs.
//!
//! One thread of its own enters the sandbox's mount namespace, moves a copy of a host mount there and comes back. It needs
//! the privileges of the machine's root; elsewhere sandboxes get their directories when they start.
#![expect(unsafe_code, reason = "setns and the mount API have no safe interface")]

use std::ffi::{CString, c_int, c_long, c_uint};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread;

use tokio::sync::oneshot;

use super::{Error, Mount, child};

pub struct Injector {
    requests: mpsc::Sender<Request>,
}

struct Request {
    sandbox: Arc<OwnedFd>,
    mounts: Vec<Mount>,
    temporary_bytes: u64,
    done: oneshot::Sender<io::Result<()>>,
}

const OPEN_TREE_CLONE: c_uint = 1;
const AT_RECURSIVE: c_uint = 0x8000;
const MOVE_MOUNT_F_EMPTY_PATH: c_uint = 4;

impl Injector {
    pub fn new() -> io::Result<Self> {
        let home = File::open("/proc/self/ns/mnt")?;
        let (requests, incoming) = mpsc::channel::<Request>();
        thread::Builder::new().name("sandbox-mounts".into()).spawn(move || {
            // A thread that shares its working directory with others may not change namespace.
            // SAFETY: affects only this thread's file system context; no memory is involved.
            let separated = check(unsafe { libc::unshare(libc::CLONE_FS) }.into()).map(drop);
            for request in incoming {
                let result = match &separated {
                    Ok(()) => inject(&home, &request),
                    Err(error) => Err(io::Error::from(error.kind())),
                };
                let _ = request.done.send(result);
            }
        })?;
        Ok(Self { requests })
    }

    pub async fn inject(&self, sandbox: Arc<OwnedFd>, mounts: Vec<Mount>, temporary_bytes: u64) -> Result<(), Error> {
        let (done, result) = oneshot::channel();
        let request = Request { sandbox, mounts, temporary_bytes, done };
        self.requests.send(request).map_err(|_| Error::SpawnerGone)?;
        result.await.map_err(|_| Error::SpawnerGone)?.map_err(Error::setup("mounting into a running sandbox"))
    }
}

fn inject(home: &File, request: &Request) -> io::Result<()> {
    let trees = request.mounts.iter().map(|mount| tree(&mount.source)).collect::<io::Result<Vec<_>>>()?;
    enter(request.sandbox.as_raw_fd())?;
    let moved = trees
        .iter()
        .zip(&request.mounts)
        .try_for_each(|(tree, mount)| put(tree, &mount.target))
        .and_then(|()| resize("/tmp", request.temporary_bytes));
    enter(home.as_raw_fd())?;
    moved
}

fn enter(namespace: c_int) -> io::Result<()> {
    // SAFETY: the descriptor is open; only this thread's namespace changes.
    check(unsafe { libc::setns(namespace, libc::CLONE_NEWNS) }.into()).map(drop)
}

/// A detached, read-only copy of the mount at a host path.
fn tree(source: &Path) -> io::Result<OwnedFd> {
    let path = text(source)?;
    let flags = OPEN_TREE_CLONE | AT_RECURSIVE | libc::O_CLOEXEC as c_uint;
    // SAFETY: the path is NUL-terminated; a successful call returns a descriptor that nobody else owns.
    let tree = unsafe {
        let tree = check(libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags))?;
        OwnedFd::from_raw_fd(tree as c_int)
    };
    check(child::protect(tree.as_raw_fd(), c"", libc::AT_EMPTY_PATH as c_uint, false))?;
    Ok(tree)
}

fn put(tree: &OwnedFd, target: &Path) -> io::Result<()> {
    let target = text(target)?;
    // SAFETY: both paths are NUL-terminated and the descriptor is open.
    let moved = unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_FDCWD,
            target.as_ptr(),
            MOVE_MOUNT_F_EMPTY_PATH,
        )
    };
    check(moved).map(drop)
}

fn resize(target: &str, bytes: u64) -> io::Result<()> {
    let (target, options) = (text(Path::new(target))?, text(Path::new(&format!("size={bytes}")))?);
    let flags = libc::MS_REMOUNT | libc::MS_NOSUID | libc::MS_NODEV;
    // SAFETY: all strings are NUL-terminated.
    let resized =
        unsafe { libc::mount(c"tmpfs".as_ptr(), target.as_ptr(), c"tmpfs".as_ptr(), flags, options.as_ptr().cast()) };
    check(resized.into()).map(drop)
}

fn check(result: c_long) -> io::Result<c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn text(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a NUL byte"))
}
