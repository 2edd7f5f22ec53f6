//! The native backend, parent side: namespaces through `clone3`, and a handle on what was started.
#![expect(unsafe_code, reason = "clone3, descriptor passing and pidfds have no safe interface in the standard library")]

use std::ffi::{CString, c_char};
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, ptr};

use parking_lot::Mutex;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;

use super::cgroup::{Cgroups, Group};
use super::child::{self, Descriptors, GO, STAGES};
use super::inject::Injector;
use super::plan::{Plan, USER};
use super::{Error, Exit, Mount, Spec};

/// What every native sandbox of this server shares.
pub struct Native {
    root: PathBuf,
    etc: PathBuf,
    pub cgroups: Option<Cgroups>,
    /// The server is the machine's root: sandboxes get another user. Otherwise they get a user namespace.
    pub privileged: bool,
    injector: Option<Arc<Injector>>,
}

/// A started child, before it is attached to the asynchronous runtime.
pub struct Started {
    pub handle: Handle,
    pub output: OwnedFd,
    pub records: OwnedFd,
    pub beside: Option<OwnedFd>,
    pub listeners: Vec<TcpListener>,
    pub sockets: Vec<OwnedFd>,
}

#[derive(Clone)]
pub struct Handle {
    pid: i32,
    pidfd: Arc<OwnedFd>,
    group: Arc<Mutex<Option<Group>>>,
    injector: Option<Arc<Injector>>,
}

impl Native {
    pub fn new(work: &Path, cgroups: Option<Cgroups>) -> io::Result<Self> {
        block_signals();
        let (root, etc) = (work.join("root"), work.join("etc"));
        fs::create_dir_all(&root)?;
        write_etc(&etc)?;
        // SAFETY: geteuid touches no memory.
        let privileged = unsafe { libc::geteuid() } == 0;
        let injector = if privileged { Injector::new().ok().map(Arc::new) } else { None };
        Ok(Self { root, etc, cgroups, privileged, injector })
    }

    /// Must be called from the thread that lives as long as the server.
    pub fn start(&self, spec: &Spec) -> Result<Started, Error> {
        let plan = Plan::new(spec, &self.root, &self.etc, self.privileged.then_some(USER))
            .map_err(Error::setup("preparing the file system"))?;
        let group = self.group(spec).map_err(Error::setup("making a control group"))?;
        let (output, output_writer) = io::pipe().map_err(Error::setup("making a pipe"))?;
        let (records, records_writer) = io::pipe().map_err(Error::setup("making a pipe"))?;
        let beside = spec.beside.then(io::pipe).transpose().map_err(Error::setup("making a pipe"))?;
        let (beside, beside_writer) = beside.unzip();
        let (mut ours, theirs) = UnixStream::pair().map_err(Error::setup("making a socket"))?;
        let descriptors = Descriptors {
            output: output_writer.as_raw_fd(),
            records: records_writer.as_raw_fd(),
            beside: beside_writer.as_ref().map_or(-1, AsRawFd::as_raw_fd),
            socket: theirs.as_raw_fd(),
        };
        let (pid, pidfd) = self.clone(&plan, &descriptors).map_err(Error::setup("clone3"))?;
        drop((theirs, output_writer, records_writer, beside_writer));
        let handle =
            Handle { pid, pidfd: Arc::new(pidfd), group: Arc::new(Mutex::new(group)), injector: self.injector.clone() };
        let begun =
            self.admit(&handle).and_then(|()| ours.write_all(&[GO])).map_err(Error::setup("admitting the child"));
        match begun.and_then(|()| receive(&mut ours, spec)) {
            Ok((listeners, sockets)) => Ok(Started {
                handle,
                output: output.into(),
                records: records.into(),
                beside: beside.map(OwnedFd::from),
                listeners,
                sockets,
            }),
            Err(error) => {
                handle.kill();
                let _ = reap(&handle.pidfd);
                Err(error)
            }
        }
    }

    /// Starts a sandbox that does nothing, to see whether this machine allows it.
    pub fn attempt(&self) -> Result<(), Error> {
        let spec = Spec {
            program: "/bin/true".into(),
            args: Vec::new(),
            env: Vec::new(),
            directory: "/".into(),
            mounts: Vec::new(),
            links: Vec::new(),
            directories: Vec::new(),
            temporary_bytes: 1 << 20,
            memory_bytes: 64 << 20,
            processes: 16,
            ports: Vec::new(),
            sockets: 0,
            beside: false,
        };
        let started = self.start(&spec)?;
        match reap(&started.handle.pidfd) {
            Ok(Exit::Status(0)) => Ok(()),
            Ok(exit) => Err(Error::setup(format!("a trial ended with {exit:?}"))(io::ErrorKind::Other.into())),
            Err(error) => Err(Error::setup("waiting for a trial")(error)),
        }
    }

    fn group(&self, spec: &Spec) -> io::Result<Option<Group>> {
        let Some(cgroups) = &self.cgroups else { return Ok(None) };
        cgroups.create(spec.memory_bytes + spec.temporary_bytes + SLACK, spec.processes).map(Some)
    }

    fn clone(&self, plan: &Plan, descriptors: &Descriptors) -> io::Result<(i32, OwnedFd)> {
        let arguments = pointers(&plan.arguments);
        let environment = pointers(&plan.environment);
        let mut pidfd: RawFd = -1;
        let user = if self.privileged { 0 } else { libc::CLONE_NEWUSER };
        let namespaces = libc::CLONE_NEWNS
            | libc::CLONE_NEWPID
            | libc::CLONE_NEWNET
            | libc::CLONE_NEWIPC
            | libc::CLONE_NEWUTS
            | user;
        let request = CloneArguments {
            flags: (namespaces | libc::CLONE_PIDFD) as u64,
            pidfd: (&raw mut pidfd) as u64,
            exit_signal: libc::SIGCHLD as u64,
            ..CloneArguments::default()
        };
        // SAFETY: without CLONE_VM this is a fork: the child gets a copy of this thread and its memory, and runs only
        // `child::run`, which keeps to what is allowed there. The request outlives the call.
        let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const request, size_of::<CloneArguments>()) };
        match pid {
            0 => {
                // SAFETY: we are the fresh child, and both arrays end with a null pointer.
                unsafe { child::run(plan, descriptors, &arguments, &environment) }
            }
            // SAFETY: on success the kernel stored a new descriptor that nobody else owns.
            1.. => Ok((pid as i32, unsafe { OwnedFd::from_raw_fd(pidfd) })),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// What only the parent can do for a child: its limits, and who it is in its user namespace.
    fn admit(&self, handle: &Handle) -> io::Result<()> {
        if let Some(group) = &*handle.group.lock() {
            group.add(handle.pid)?;
        }
        if !self.privileged {
            // SAFETY: these touch no memory.
            let (user, group) = unsafe { (libc::geteuid(), libc::getegid()) };
            let process = PathBuf::from(format!("/proc/{}", handle.pid));
            fs::write(process.join("setgroups"), "deny")?;
            fs::write(process.join("gid_map"), format!("{USER} {group} 1"))?;
            fs::write(process.join("uid_map"), format!("{USER} {user} 1"))?;
        }
        Ok(())
    }
}

/// Page cache and kernel memory are charged to a group too; without some room it would be reclaimed all the time.
const SLACK: u64 = 64 << 20;

impl Handle {
    pub fn kill(&self) {
        // SAFETY: the descriptor is open; no memory is involved. A process that has ended already is not an error here.
        unsafe {
            libc::syscall(libc::SYS_pidfd_send_signal, self.pidfd.as_raw_fd(), libc::SIGKILL, ptr::null::<u8>(), 0);
        }
    }

    pub fn stop(&self) {
        super::tree::stop(self.pid);
    }

    pub fn resume(&self) {
        super::tree::resume(self.pid);
    }

    pub fn memory(&self) -> u64 {
        let counted = self.group.lock().as_ref().and_then(Group::memory);
        counted.unwrap_or_else(|| super::process::status_bytes(self.pid, "RssAnon:"))
    }

    pub fn peak_memory(&self) -> u64 {
        super::process::status_bytes(self.pid, "VmHWM:")
    }

    pub async fn inject(&self, mounts: Vec<Mount>, memory_bytes: u64, temporary_bytes: u64) -> Result<(), Error> {
        let unsupported = || Error::setup("inject")(io::ErrorKind::Unsupported.into());
        let injector = self.injector.as_ref().ok_or_else(unsupported)?;
        if let Some(group) = &*self.group.lock() {
            group.limit_memory(memory_bytes + temporary_bytes + SLACK).map_err(Error::setup("limiting memory"))?;
        }
        injector.inject(self.pidfd.clone(), mounts, temporary_bytes).await
    }

    /// Waits for the end in the background, then removes what the sandbox left on the machine.
    pub fn watch(&self) -> io::Result<watch::Receiver<Option<Exit>>> {
        let (sender, receiver) = watch::channel(None);
        // SAFETY: the duplicated descriptor is owned by the AsyncFd and stays the same for its whole life.
        let ended = unsafe { AsyncFd::register(self.pidfd.try_clone()?) }?;
        let group = self.group.clone();
        tokio::spawn(async move {
            let _ = ended.readable().await;
            let exit = reap(ended.get_ref()).unwrap_or(Exit::Signal(libc::SIGKILL));
            group.lock().take();
            let _ = sender.send(Some(exit));
        });
        Ok(receiver)
    }
}

/// Keeps signals meant for the server away from the thread that starts sandboxes: a handler must not run in a fresh child.
/// The child unblocks them before it becomes the program.
fn block_signals() {
    // SAFETY: the set is initialised by sigfillset and lives for the calls; only this thread's mask changes.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const all, ptr::null_mut());
    }
}

fn reap(pidfd: &OwnedFd) -> io::Result<Exit> {
    // SAFETY: all-zero is a valid siginfo_t, which lives for the call; the fields read are those of a SIGCHLD.
    unsafe {
        let mut information: libc::siginfo_t = std::mem::zeroed();
        let waited = libc::waitid(libc::P_PIDFD, pidfd.as_raw_fd() as u32, &raw mut information, libc::WEXITED);
        if waited < 0 {
            return Err(io::Error::last_os_error());
        }
        let status = information.si_status();
        Ok(if information.si_code == libc::CLD_EXITED { Exit::Status(status) } else { Exit::Signal(status) })
    }
}

/// Listeners and sockets from the child, then the end of its socket, which says that the program runs.
fn receive(socket: &mut UnixStream, spec: &Spec) -> Result<(Vec<TcpListener>, Vec<OwnedFd>), Error> {
    let (first, mut descriptors) = receive_descriptors(socket).map_err(Error::setup("talking to the child"))?;
    let sockets = descriptors.split_off(spec.ports.len().min(descriptors.len()));
    let listeners = descriptors.into_iter().map(TcpListener::from).collect::<Vec<_>>();
    let mut report = if first == [GO] { Vec::new() } else { first };
    socket.read_to_end(&mut report).map_err(Error::setup("talking to the child"))?;
    if let [stage, a, b, c, d, e, f, g, h] = report[..] {
        let is_program = usize::from(stage) == STAGES.len() - 1;
        let stage = STAGES.get(usize::from(stage)).unwrap_or(&"starting");
        let (step, errno) = (u32::from_ne_bytes([a, b, c, d]), i32::from_ne_bytes([e, f, g, h]));
        let source = io::Error::from_raw_os_error(errno);
        return Err(if is_program {
            Error::Program { program: spec.program.display().to_string(), source }
        } else {
            Error::setup(format!("{stage} (step {step})"))(source)
        });
    }
    if listeners.len() != spec.ports.len() || sockets.len() != spec.sockets {
        return Err(Error::setup("talking to the child")(io::ErrorKind::UnexpectedEof.into()));
    }
    Ok((listeners, sockets))
}

fn receive_descriptors(socket: &UnixStream) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    let mut bytes = [0u8; 16];
    let mut control = [0u64; 8];
    // SAFETY: the buffers outlive the call and their true sizes are passed; the kernel stores whole descriptors, which are
    // ours from then on.
    unsafe {
        let mut vector = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut vector;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&control) as _;
        let received = libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_CMSG_CLOEXEC);
        if received < 0 {
            return Err(io::Error::last_os_error());
        }
        let mut descriptors = Vec::new();
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        if !header.is_null() && (*header).cmsg_type == libc::SCM_RIGHTS {
            let data = libc::CMSG_DATA(header);
            let length = (*header).cmsg_len as usize - libc::CMSG_LEN(0) as usize;
            for index in 0..length / size_of::<RawFd>() {
                let descriptor = data.cast::<RawFd>().add(index).read_unaligned();
                descriptors.push(OwnedFd::from_raw_fd(descriptor));
            }
        }
        Ok((bytes[..received as usize].to_vec(), descriptors))
    }
}

#[repr(C)]
#[derive(Default)]
struct CloneArguments {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
}

fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect()
}

/// An `/etc` with what programs need to resolve names and verify certificates, and nothing else of the machine's.
fn write_etc(etc: &Path) -> io::Result<()> {
    fs::create_dir_all(etc)?;
    fs::write(
        etc.join("passwd"),
        format!(
            "root:x:0:0:root:/root:/sbin/nologin\nsbx_user1051:x:{USER}:{USER}::/home/sbx_user1051:/sbin/nologin\n"
        ),
    )?;
    fs::write(etc.join("group"), format!("root:x:0:\nsbx_user1051:x:{USER}:\n"))?;
    fs::write(etc.join("hosts"), "127.0.0.1 localhost sandbox sandbox.localdomain\n")?;
    fs::write(etc.join("nsswitch.conf"), "passwd: files\ngroup: files\nhosts: files\n")?;
    fs::write(etc.join("resolv.conf"), "")?;
    fs::write(etc.join("os-release"), "NAME=\"Amazon Linux\"\nVERSION=\"2023\"\nID=\"amzn\"\nVERSION_ID=\"2023\"\n")?;
    for name in ["ld.so.cache", "ld.so.conf", "ssl/certs/ca-certificates.crt", "pki/tls/certs/ca-bundle.crt"] {
        let (host, copy) = (Path::new("/etc").join(name), etc.join(name));
        if host.exists() {
            fs::create_dir_all(copy.parent().unwrap_or(etc))?;
            fs::copy(host, copy)?;
        }
    }
    // Debian's Java has its configuration here.
    for entry in fs::read_dir("/etc").into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with("java-") {
            copy_tree(&entry.path(), &etc.join(entry.file_name()))?;
        }
    }
    copy_links(Path::new("/etc/alternatives"), &etc.join("alternatives"))
}

/// Copies what everybody may read.
fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)?.flatten() {
        let (path, copy) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_tree(&path, &copy)?;
        } else if fs::metadata(&path).is_ok_and(|found| found.permissions().mode() & 0o004 != 0) {
            fs::copy(&path, &copy)?;
        }
    }
    Ok(())
}

/// Debian names many programs through links in `/etc/alternatives`.
fn copy_links(from: &Path, to: &Path) -> io::Result<()> {
    if !from.is_dir() || to.exists() {
        return Ok(());
    }
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if let Ok(target) = fs::read_link(entry.path()) {
            std::os::unix::fs::symlink(target, to.join(entry.file_name()))?;
        }
    }
    Ok(())
}
