//! What a new child does before it becomes the program: the only code that runs between `clone3` and `execve`.
//!
//! The child is a copy of one thread of a multi-threaded process, so nothing here may allocate, take a lock or unwind: it
//! walks a [`Plan`] with raw system calls. Identity changes go through `syscall` because the C library's own wrappers try to
//! reach threads that do not exist in the child. A failure is reported over the socket as (stage, step, errno).
#![expect(unsafe_code, reason = "the child side of clone3 has nothing but raw system calls")]

use std::ffi::{CStr, c_char, c_int, c_long, c_uint};
use std::ptr;

use super::plan::{Plan, Step};

/// Stages by number, as failures name them.
pub const STAGES: [&str; 10] = [
    "waiting for the parent",
    "making the root",
    "building the file system",
    "entering the root",
    "configuring the network",
    "handing over listeners",
    "giving up privileges",
    "arranging descriptors",
    "installing the system call filter",
    "executing the program",
];

/// Descriptors that the child starts with.
pub struct Descriptors {
    pub output: c_int,
    pub records: c_int,
    /// For programs beside the first, or -1.
    pub beside: c_int,
    pub socket: c_int,
}

/// The parent lets the child go on with this byte, and the child answers with it when its listeners are ready.
pub const GO: u8 = b'g';

const SOCKET: c_int = 5;

/// The most listeners and sockets together.
const MOST_SOCKETS: usize = 8;

/// A mount attribute request, `struct mount_attr` of the kernel.
#[repr(C)]
pub struct Attributes {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

const READ_ONLY: u64 = 0x1;
const NO_SUID: u64 = 0x2;
const NO_DEVICES: u64 = 0x4;
const AT_RECURSIVE: c_uint = 0x8000;

/// Makes the mount at `path` below `directory` read-only, with everything mounted in it.
pub fn protect(directory: c_int, path: &CStr, flags: c_uint, device: bool) -> c_long {
    let set = if device { READ_ONLY | NO_SUID } else { READ_ONLY | NO_SUID | NO_DEVICES };
    let attributes = Attributes { set, clear: 0, propagation: 0, user_namespace: 0 };
    // SAFETY: the path is NUL-terminated, and the attributes live for the call and have the size that is passed.
    unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            directory,
            path.as_ptr(),
            flags | AT_RECURSIVE,
            &raw const attributes,
            size_of::<Attributes>(),
        )
    }
}

struct Child<'a> {
    plan: &'a Plan,
    socket: c_int,
    stage: u8,
    step: u32,
}

/// Never returns: becomes the program or exits.
///
/// # Safety
/// Only in a fresh child process; `arguments` and `environment` are NULL-terminated arrays of NUL-terminated strings.
pub unsafe fn run(
    plan: &Plan,
    descriptors: &Descriptors,
    arguments: &[*const c_char],
    environment: &[*const c_char],
) -> ! {
    close_others(descriptors);
    let mut child = Child { plan, socket: descriptors.socket, stage: 0, step: 0 };
    child.wait_for_parent();
    child.make_root();
    child.build();
    child.enter_root();
    child.connect();
    child.give_up_privileges();
    child.arrange(descriptors);
    child.filter();
    child.stage = 9;
    // SAFETY: the arrays are terminated, as the caller promises.
    child.check(unsafe { libc::execve(plan.program.as_ptr(), arguments.as_ptr(), environment.as_ptr()) }.into());
    exit()
}

/// Lets go of what is the server's: its files, the lock on its state, its listeners, and the other end of the socket. With the
/// last a child would never hear that its parent has died; with the others a new server could not take the old one's place.
fn close_others(descriptors: &Descriptors) {
    let Descriptors { output, records, beside, socket } = *descriptors;
    let mut kept = [output, records, beside, socket];
    kept.sort_unstable();
    let mut first: c_uint = 3;
    for kept in kept.into_iter().filter_map(|kept| c_uint::try_from(kept).ok()).chain([c_uint::MAX]) {
        if first < kept {
            // SAFETY: the child's own copies of the descriptors; no memory involved.
            unsafe { libc::syscall(libc::SYS_close_range, first, kept - 1, 0 as c_uint) };
        }
        first = kept.saturating_add(1);
    }
}

fn exit() -> ! {
    // SAFETY: ends this process at once.
    unsafe { libc::_exit(127) }
}

impl Child<'_> {
    fn check(&self, result: c_long) {
        if result >= 0 {
            return;
        }
        // SAFETY: errno of this thread; the buffer lives for the write.
        unsafe {
            let [a, b, c, d] = self.step.to_ne_bytes();
            let [e, f, g, h] = (*libc::__errno_location()).to_ne_bytes();
            let report = [self.stage, a, b, c, d, e, f, g, h];
            libc::send(self.socket, report.as_ptr().cast(), report.len(), libc::MSG_NOSIGNAL);
        }
        exit()
    }

    fn wait_for_parent(&mut self) {
        let mut byte = 0u8;
        // SAFETY: one byte of writable memory.
        let received = unsafe { libc::recv(self.socket, (&raw mut byte).cast(), 1, 0) };
        if received != 1 || byte != GO {
            exit()
        }
        // SAFETY: no memory involved.
        unsafe { libc::setsid() };
    }

    fn mount(&self, source: Option<&CStr>, target: &CStr, kind: &CStr, flags: libc::c_ulong, options: Option<&CStr>) {
        let pointer = |text: Option<&CStr>| text.map_or(ptr::null(), CStr::as_ptr);
        // SAFETY: all strings are NUL-terminated or null.
        let result =
            unsafe { libc::mount(pointer(source), target.as_ptr(), kind.as_ptr(), flags, pointer(options).cast()) };
        self.check(result.into());
    }

    fn make_root(&mut self) {
        self.stage = 1;
        let root = &self.plan.root;
        self.mount(None, c"/", c"", libc::MS_REC | libc::MS_PRIVATE, None);
        self.mount(Some(c"root"), root, c"tmpfs", libc::MS_NOSUID | libc::MS_NODEV, Some(c"mode=755,size=1m"));
        // SAFETY: the path is NUL-terminated; umask touches no memory.
        unsafe {
            self.check(libc::chdir(root.as_ptr()).into());
            libc::umask(0o022);
        }
    }

    fn build(&mut self) {
        self.stage = 2;
        for (number, step) in self.plan.steps.iter().enumerate() {
            self.step = number as u32;
            match step {
                Step::Directory(path) => {
                    // SAFETY: the path is NUL-terminated, errno belongs to this thread.
                    let made = unsafe { libc::mkdir(path.as_ptr(), 0o755) };
                    let exists = made < 0 && unsafe { *libc::__errno_location() } == libc::EEXIST;
                    self.check(if exists { 0 } else { made.into() });
                }
                Step::File(path) => {
                    // SAFETY: the path is NUL-terminated; the descriptor is closed by the same code that opened it.
                    unsafe {
                        let file = libc::open(path.as_ptr(), libc::O_CREAT | libc::O_CLOEXEC, 0o644);
                        self.check(file.into());
                        libc::close(file);
                    }
                }
                Step::Link { at, target } => {
                    // SAFETY: both paths are NUL-terminated.
                    self.check(unsafe { libc::symlink(target.as_ptr(), at.as_ptr()) }.into());
                }
                Step::Bind { source, target, device } => {
                    self.mount(Some(source), target, c"", libc::MS_BIND | libc::MS_REC, None);
                    if !*device {
                        self.check(protect(libc::AT_FDCWD, target, 0, false));
                    }
                }
                Step::Temporary { target, options, flags } => {
                    self.mount(Some(c"tmpfs"), target, c"tmpfs", *flags, Some(options));
                }
                Step::Processes { target } => {
                    let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
                    self.mount(Some(c"proc"), target, c"proc", flags, None);
                }
            }
        }
    }

    fn enter_root(&mut self) {
        self.stage = 3;
        // SAFETY: constant, NUL-terminated paths. After pivoting onto itself the old root lies over the new one.
        unsafe {
            self.check(libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()));
            self.check(libc::umount2(c".".as_ptr(), libc::MNT_DETACH).into());
            self.check(libc::chdir(c"/".as_ptr()).into());
        }
        let flags = libc::MS_REMOUNT | libc::MS_BIND | libc::MS_RDONLY | libc::MS_NOSUID | libc::MS_NODEV;
        self.mount(None, c"/", c"", flags, None);
    }

    /// Brings loopback up, listens on the ports asked for, and sends the listening sockets to the parent, with others that the
    /// parent can connect to what listens in here.
    fn connect(&mut self) {
        self.stage = 4;
        // SAFETY: all-zero is a valid value of these plain C structures; pointers live for their calls.
        unsafe {
            let control = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
            self.check(control.into());
            let mut interface: libc::ifreq = std::mem::zeroed();
            interface.ifr_name[0] = b'l' as c_char;
            interface.ifr_name[1] = b'o' as c_char;
            interface.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as i16;
            self.check(libc::ioctl(control, libc::SIOCSIFFLAGS as _, &raw const interface).into());
            libc::close(control);
            libc::sethostname(c"sandbox".as_ptr(), 7);
        }
        let mut sockets = [0 as c_int; MOST_SOCKETS];
        let listening = self.plan.ports.len().min(MOST_SOCKETS);
        let count = (listening + self.plan.sockets).min(MOST_SOCKETS);
        for (listener, port) in sockets.iter_mut().zip(&self.plan.ports) {
            *listener = self.listen(*port);
        }
        for socket in &mut sockets[listening..count] {
            // SAFETY: no memory is involved.
            *socket = unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) };
            self.check((*socket).into());
        }
        self.stage = 5;
        self.send(&sockets[..count]);
    }

    fn listen(&self, port: u16) -> c_int {
        // SAFETY: the address is a fully initialised structure of the size passed.
        unsafe {
            let socket = libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0);
            self.check(socket.into());
            let address = libc::sockaddr_in {
                sin_family: libc::AF_INET as u16,
                sin_port: port.to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes([127, 0, 0, 1]) },
                sin_zero: [0; 8],
            };
            let size = size_of::<libc::sockaddr_in>() as u32;
            self.check(libc::bind(socket, (&raw const address).cast(), size).into());
            self.check(libc::listen(socket, 1024).into());
            socket
        }
    }

    fn send(&self, descriptors: &[c_int]) {
        // SAFETY: the control buffer is aligned and large enough for the header and eight descriptors; all pointers live
        // until sendmsg returns.
        unsafe {
            let mut control = [0u64; 8];
            let mut byte = GO;
            let mut vector = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
            let mut message: libc::msghdr = std::mem::zeroed();
            message.msg_iov = &raw mut vector;
            message.msg_iovlen = 1;
            if !descriptors.is_empty() {
                let bytes = size_of_val(descriptors);
                message.msg_control = control.as_mut_ptr().cast();
                message.msg_controllen = libc::CMSG_SPACE(bytes as u32) as _;
                let header = libc::CMSG_FIRSTHDR(&raw const message);
                (*header).cmsg_level = libc::SOL_SOCKET;
                (*header).cmsg_type = libc::SCM_RIGHTS;
                (*header).cmsg_len = libc::CMSG_LEN(bytes as u32) as _;
                ptr::copy_nonoverlapping(descriptors.as_ptr().cast::<u8>(), libc::CMSG_DATA(header), bytes);
            }
            self.check(libc::sendmsg(self.socket, &raw const message, libc::MSG_NOSIGNAL) as c_long);
        }
    }

    fn give_up_privileges(&mut self) {
        self.stage = 6;
        // SAFETY: no memory is involved except the limits and the poll entry, which live for their calls.
        unsafe {
            for capability in 0..=63 {
                if libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) < 0 {
                    break;
                }
            }
            if let Some(user) = self.plan.user {
                self.check(libc::syscall(libc::SYS_setgroups, 0, ptr::null::<u32>()));
                self.check(libc::syscall(libc::SYS_setresgid, user, user, user));
                self.check(libc::syscall(libc::SYS_setresuid, user, user, user));
            }
            self.check(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0).into());
            limit(libc::RLIMIT_NOFILE, 1024);
            limit(libc::RLIMIT_CORE, 0);
            if self.plan.user.is_none() {
                // The namespace counts its processes by itself; without privileges there may be no control group to do it.
                limit(libc::RLIMIT_NPROC, self.plan.processes);
            }
            // Changing identity clears this, so it comes after; a parent that died before is noticed by the hang-up.
            self.check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0).into());
            let mut parent = libc::pollfd { fd: self.socket, events: 0, revents: 0 };
            if libc::poll(&raw mut parent, 1, 0) > 0 && parent.revents & libc::POLLHUP != 0 {
                exit()
            }
        }
    }

    /// 0: nothing, 1 and 2: output, 3: log records, 4: output of programs beside this one, 5: this socket until the program runs.
    fn arrange(&mut self, descriptors: &Descriptors) {
        self.stage = 7;
        // SAFETY: descriptors are plain numbers; the signal set lives for its calls.
        unsafe {
            let nothing = libc::open(c"/dev/null".as_ptr(), libc::O_RDONLY);
            let beside = if descriptors.beside < 0 { nothing } else { descriptors.beside };
            let Descriptors { output, records, socket, .. } = *descriptors;
            let sources = [nothing, output, output, records, beside, socket];
            let mut high = [0; 6];
            for (high, source) in high.iter_mut().zip(sources) {
                *high = libc::fcntl(source, libc::F_DUPFD_CLOEXEC, 10);
                self.check((*high).into());
            }
            self.socket = high[5];
            let inherited = if descriptors.beside < 0 { 4 } else { 5 };
            for (number, source) in high[..5].iter().enumerate() {
                let flags = if number < inherited { 0 } else { libc::O_CLOEXEC };
                self.check(libc::dup3(*source, number as c_int, flags).into());
            }
            self.check(libc::dup3(high[5], SOCKET, libc::O_CLOEXEC).into());
            self.socket = SOCKET;
            self.check(libc::syscall(libc::SYS_close_range, SOCKET + 1, c_uint::MAX, 0));
            self.check(libc::chdir(self.plan.directory.as_ptr()).into());
            libc::signal(libc::SIGPIPE, libc::SIG_DFL);
            let mut none: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&raw mut none);
            libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
        }
    }

    fn filter(&mut self) {
        self.stage = 8;
        let filter = &self.plan.filter;
        let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
        // SAFETY: the program outlives the call, and its length is that of the array.
        let installed =
            unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) };
        self.check(installed);
    }
}

/// Lowers a limit; raising one needs a capability that the server may lack.
fn limit(resource: libc::__rlimit_resource_t, to: libc::rlim_t) {
    let mut current = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure lives for both calls.
    unsafe {
        libc::getrlimit(resource, &raw mut current);
        let lower = to.min(current.rlim_max);
        libc::setrlimit(resource, &libc::rlimit { rlim_cur: lower, rlim_max: lower });
    }
}
