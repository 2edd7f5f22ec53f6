//! The least of an HTTP/1.1 client: requests are bytes made beforehand, and of a response only what the load needs is
//! read. A full client would cost as much as the servers that are measured.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Result;

/// A kept-alive connection with its buffer.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

pub struct Response {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Connection {
    pub async fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, buffer: Vec::with_capacity(64 << 10) })
    }

    /// Sends and reads the whole response; the body stays in the buffer. Returns the status and the body's place.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<(u16, std::ops::Range<usize>)> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let head = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end + 4;
            }
            self.read().await?;
        };
        let text = std::str::from_utf8(&self.buffer[..head])?;
        let status = text.get(9..12).and_then(|digits| digits.parse().ok()).ok_or("no status")?;
        let header = |name: &str| {
            let mut lines = text.lines().filter_map(|line| line.split_once(':'));
            lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
        };
        if let Some(length) = header("content-length") {
            let end = head + length.parse::<usize>()?;
            while self.buffer.len() < end {
                self.read().await?;
            }
            return Ok((status, head..end));
        }
        if header("transfer-encoding").is_some() {
            while !self.buffer.ends_with(b"0\r\n\r\n") {
                self.read().await?;
            }
        }
        Ok((status, head..self.buffer.len()))
    }

    pub async fn call(&mut self, request: &[u8]) -> Result<Response> {
        let (status, body) = self.exchange(request).await?;
        Ok(Response { status, body: self.buffer[body].to_vec() })
    }

    pub fn body(&self, at: std::ops::Range<usize>) -> &[u8] {
        &self.buffer[at]
    }

    async fn read(&mut self) -> Result {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err("the server closed the connection".into()),
            _ => Ok(()),
        }
    }
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}
