//! The process backend: a plain child in its own session with resource limits. It works everywhere and isolates little: the
//! program runs as the server's user and sees the machine's files and network.
#![expect(unsafe_code, reason = "limits are set between fork and exec, and a process group is killed by number")]

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;

use tokio::process::{Child, Command};
use tokio::sync::watch;

use super::{Error, Exit, Spec};

pub struct Started {
    pub child: Child,
    pub output: OwnedFd,
    pub listeners: Vec<TcpListener>,
    pub temporary: std::path::PathBuf,
}

/// The leader's number is also that of its process group.
#[derive(Clone)]
pub struct Handle {
    pid: i32,
    exit: watch::Receiver<Option<Exit>>,
}

/// Must be called from the thread that lives as long as the server, inside the runtime's context.
pub fn start(spec: &Spec, work: &Path) -> Result<Started, Error> {
    let bind = |_: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let listeners: Vec<_> = spec.ports.iter().map(bind).collect::<Result<_, _>>().map_err(Error::setup("listening"))?;
    let temporary = temporary_directory(work).map_err(Error::setup("making a temporary directory"))?;
    let (output, writer) = io::pipe().map_err(Error::setup("making a pipe"))?;
    let second = writer.try_clone().map_err(Error::setup("making a pipe"))?;
    let mut command = Command::new(&spec.program);
    command
        .args(&spec.args)
        .env_clear()
        .envs(spec.env.iter().map(|(name, value)| (name, with_ports(value, spec, &listeners))))
        .env("TMPDIR", &temporary)
        .current_dir(&spec.directory)
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(second);
    // SAFETY: `prepare` only makes system calls that are allowed between fork and exec.
    unsafe { command.pre_exec(prepare) };
    let child =
        command.spawn().map_err(|source| Error::Program { program: spec.program.display().to_string(), source })?;
    Ok(Started { child, output: output.into(), listeners, temporary })
}

/// The ports asked for are names here: values that mention `127.0.0.1:PORT` get the port that was free.
fn with_ports(value: &str, spec: &Spec, listeners: &[TcpListener]) -> String {
    let mut value = value.to_owned();
    for (port, listener) in spec.ports.iter().zip(listeners) {
        if let Ok(address) = listener.local_addr() {
            value = value.replace(&format!("127.0.0.1:{port}"), &address.to_string());
        }
    }
    value
}

fn temporary_directory(work: &Path) -> io::Result<std::path::PathBuf> {
    use std::sync::atomic::{AtomicU64, Ordering};
    static SERIAL: AtomicU64 = AtomicU64::new(0);
    let path = work.join(format!("tmp-{}-{}", std::process::id(), SERIAL.fetch_add(1, Ordering::Relaxed)));
    std::fs::create_dir_all(&path)?;
    Ok(path)
}

fn prepare() -> io::Result<()> {
    // SAFETY: system calls without memory, except limits that live for the call.
    unsafe {
        libc::setsid();
        #[cfg(target_os = "linux")]
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0);
        let mut files = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut files);
        files.rlim_cur = files.rlim_cur.min(1024);
        libc::setrlimit(libc::RLIMIT_NOFILE, &raw const files);
        libc::setrlimit(libc::RLIMIT_CORE, &libc::rlimit { rlim_cur: 0, rlim_max: 0 });
    }
    Ok(())
}

impl Started {
    /// Waits for the end in the background, then removes what was left behind.
    pub fn watch(mut self) -> (Handle, watch::Receiver<Option<Exit>>, OwnedFd, Vec<TcpListener>) {
        let (sender, exit) = watch::channel(None);
        let pid = self.child.id().unwrap_or(0) as i32;
        tokio::spawn(async move {
            let status = self.child.wait().await;
            let exit = match status {
                Ok(status) => {
                    status.code().map_or(Exit::Signal(status.signal().unwrap_or(libc::SIGKILL)), Exit::Status)
                }
                Err(_) => Exit::Signal(libc::SIGKILL),
            };
            signal_group(pid, libc::SIGKILL);
            let _ = tokio::fs::remove_dir_all(&self.temporary).await;
            let _ = sender.send(Some(exit));
        });
        (Handle { pid, exit: exit.clone() }, exit, self.output, self.listeners)
    }
}

fn signal_group(pid: i32, signal: i32) {
    if pid > 1 {
        // SAFETY: no memory is involved. The group keeps its number while any member lives.
        unsafe { libc::kill(-pid, signal) };
    }
}

impl Handle {
    pub fn kill(&self) {
        if self.exit.borrow().is_none() {
            signal_group(self.pid, libc::SIGKILL);
        }
    }

    pub fn stop(&self) {
        signal_group(self.pid, libc::SIGSTOP);
    }

    pub fn resume(&self) {
        signal_group(self.pid, libc::SIGCONT);
    }

    pub fn memory(&self) -> u64 {
        status_bytes(self.pid, "RssAnon:")
    }

    pub fn peak_memory(&self) -> u64 {
        status_bytes(self.pid, "VmHWM:")
    }
}

/// A size from `/proc/PID/status`, 0 where there is none.
pub fn status_bytes(pid: i32, field: &str) -> u64 {
    let Ok(status) = std::fs::read_to_string(format!("/proc/{pid}/status")) else { return 0 };
    let size = status.lines().find_map(|line| line.strip_prefix(field)).and_then(|rest| rest.split_whitespace().next());
    size.and_then(|kibibytes| kibibytes.parse::<u64>().ok()).unwrap_or(0) * 1024
}
