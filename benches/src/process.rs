//! Child processes and what `/proc` knows of them.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::Result;

/// A server that is stopped when it is dropped.
pub struct Server {
    child: Child,
    pub address: String,
}

impl Server {
    /// Starts a server on a free port; `arguments` say where it listens.
    pub fn start(program: &Path, arguments: impl Fn(&str) -> Vec<String>) -> Result<Self> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let address = format!("127.0.0.1:{port}");
        let mut command = Command::new(program);
        command.args(arguments(&address)).stdout(Stdio::null()).stderr(Stdio::inherit());
        Ok(Server { child: command.spawn()?, address })
    }

    /// Waits until the port answers.
    pub async fn answers(&mut self) -> Result {
        for _ in 0..20_000 {
            if tokio::net::TcpStream::connect(&self.address).await.is_ok() {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("the server ended at once: {status}").into());
            }
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
        Err("the server does not answer".into())
    }

    /// CPU time spent so far, in microseconds: user and system, in ticks of 10 ms.
    pub fn cpu(&self) -> Result<u64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
        let field = |at: usize| fields.get(at).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        Ok((field(11) + field(12)) * 10_000)
    }

    /// Resident memory in MiB.
    pub fn memory(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
        let kib: f64 = line.split_whitespace().next().unwrap_or("0").parse()?;
        Ok(kib / 1024.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let id = self.child.id().to_string();
        // A clean stop first, so that the cloud ends the processes of its functions.
        let asked = Command::new("kill").args(["-TERM", &id]).status();
        for _ in 0..100 {
            if asked.is_err() || matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
