//! Everything a child does between its birth and `execve`, prepared beforehand.
//!
//! The child of a multi-threaded process may not allocate, so all strings, arrays and programs are built here, by the parent.

use std::ffi::{CString, OsStr};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use libc::sock_filter;

use super::Spec;

/// One step of building the file system, relative to the new root (which is the working directory).
#[derive(Debug)]
pub enum Step {
    Directory(CString),
    File(CString),
    Link { at: CString, target: CString },
    Bind { source: CString, target: CString, device: bool },
    Temporary { target: CString, options: CString, flags: libc::c_ulong },
    Processes { target: CString },
}

pub struct Plan {
    pub root: CString,
    pub steps: Vec<Step>,
    pub ports: Vec<u16>,
    pub sockets: usize,
    pub directory: CString,
    pub program: CString,
    pub arguments: Vec<CString>,
    pub environment: Vec<CString>,
    pub filter: Vec<sock_filter>,
    /// Become this user after everything is set up. `None` in a user namespace, where the only user is already the right one.
    pub user: Option<u32>,
    /// The most processes and threads that there may be, in a user namespace.
    pub processes: u64,
}

/// AWS runs functions as this user.
pub const USER: u32 = 993;

const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];

impl Plan {
    /// `root` is an empty host directory to build the new root on; `etc` a prepared `/etc`.
    pub fn new(spec: &Spec, root: &Path, etc: &Path, user: Option<u32>) -> io::Result<Self> {
        let mut steps = Steps::default();
        steps.system(etc)?;
        steps.devices()?;
        steps.directory("proc")?;
        steps.0.push(Step::Processes { target: text("proc")? });
        steps.temporary("tmp", &format!("mode=1777,size={}", spec.temporary_bytes))?;
        for directory in &spec.directories {
            steps.directory(relative(directory))?;
        }
        for mount in &spec.mounts {
            steps.bind(&mount.source, relative(&mount.target))?;
        }
        for (at, target) in &spec.links {
            steps.link(relative(at), target)?;
        }
        let mut arguments = vec![text(&spec.program)?];
        for argument in &spec.args {
            arguments.push(text(argument)?);
        }
        let environment = spec.env.iter().map(|(name, value)| text(format!("{name}={value}")));
        Ok(Self {
            root: text(root)?,
            steps: steps.0,
            ports: spec.ports.clone(),
            sockets: spec.sockets,
            directory: text(&spec.directory)?,
            program: text(&spec.program)?,
            arguments,
            environment: environment.collect::<io::Result<_>>()?,
            filter: super::seccomp::filter(),
            user,
            processes: spec.processes.into(),
        })
    }
}

#[derive(Default)]
struct Steps(Vec<Step>);

impl Steps {
    /// The machine's programs and libraries, and an `/etc` that says nothing about the machine.
    fn system(&mut self, etc: &Path) -> io::Result<()> {
        self.bind(Path::new("/usr"), "usr")?;
        for name in ["bin", "sbin", "lib", "lib32", "lib64", "libx32"] {
            let path = Path::new("/").join(name);
            match fs::read_link(&path) {
                Ok(target) => self.link(name, &target)?,
                Err(_) if path.is_dir() => self.bind(&path, name)?,
                Err(_) => {}
            }
        }
        self.bind(etc, "etc")
    }

    fn devices(&mut self) -> io::Result<()> {
        self.directory("dev")?;
        for name in DEVICES {
            let target = format!("dev/{name}");
            self.0.push(Step::File(text(&target)?));
            self.0.push(Step::Bind { source: text(format!("/dev/{name}"))?, target: text(&target)?, device: true });
        }
        self.link("dev/fd", Path::new("/proc/self/fd"))?;
        for (number, name) in ["stdin", "stdout", "stderr"].iter().enumerate() {
            self.link(format!("dev/{name}"), Path::new(&format!("/proc/self/fd/{number}")))?;
        }
        Ok(())
    }

    fn temporary(&mut self, target: &str, options: &str) -> io::Result<()> {
        self.directory(target)?;
        let (target, options) = (text(target)?, text(options)?);
        self.0.push(Step::Temporary { target, options, flags: libc::MS_NOSUID | libc::MS_NODEV });
        Ok(())
    }

    fn bind(&mut self, source: &Path, target: impl AsRef<Path>) -> io::Result<()> {
        let target = target.as_ref();
        if fs::metadata(source)?.is_dir() {
            self.directory(target)?;
        } else {
            self.directory(target.parent().unwrap_or(Path::new("")))?;
            self.0.push(Step::File(text(target)?));
        }
        self.0.push(Step::Bind { source: text(source)?, target: text(target)?, device: false });
        Ok(())
    }

    fn link(&mut self, at: impl AsRef<Path>, target: &Path) -> io::Result<()> {
        self.0.push(Step::Link { at: text(at.as_ref())?, target: text(target)? });
        Ok(())
    }

    /// A directory with all its parents.
    fn directory(&mut self, path: impl AsRef<Path>) -> io::Result<()> {
        let mut so_far = PathBuf::new();
        for part in path.as_ref().components() {
            let Component::Normal(part) = part else { continue };
            so_far.push(part);
            self.0.push(Step::Directory(text(&so_far)?));
        }
        Ok(())
    }
}

fn relative(path: &Path) -> &Path {
    path.strip_prefix("/").unwrap_or(path)
}

fn text(value: impl AsRef<OsStr>) -> io::Result<CString> {
    CString::new(value.as_ref().as_bytes()).map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a NUL byte"))
}
