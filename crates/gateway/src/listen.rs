//! One port: HTTP/1.1, HTTP/2, and TLS where the first byte of a connection says so.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use crate::Gateway;

/// A client has this long to send the head of a request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a stop waits for requests under way.
const GRACE: Duration = Duration::from_secs(5);
/// The first byte of a TLS record that begins a handshake.
const TLS_HANDSHAKE: u8 = 0x16;

/// Why the port cannot be used.
#[derive(Debug)]
pub struct ListenError {
    pub address: String,
    pub reason: std::io::Error,
}

impl std::fmt::Display for ListenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cannot listen on {}: {}", self.address, self.reason)
    }
}

impl std::error::Error for ListenError {}

/// A listening gateway.
pub struct Server {
    listener: TcpListener,
}

impl Server {
    /// Takes the port. Connections wait until [`Server::run`].
    pub async fn bind(address: &str) -> Result<Server, ListenError> {
        let failed = |reason| ListenError { address: address.to_owned(), reason };
        Ok(Server { listener: TcpListener::bind(address).await.map_err(failed)? })
    }

    pub fn address(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
    }

    /// Serves until `stop` is done, then lets requests under way finish.
    pub async fn run(self, gateway: Arc<Gateway>, tls: Option<Arc<ServerConfig>>, stop: impl Future<Output = ()>) {
        let tls = tls.map(TlsAcceptor::from);
        let graceful = GracefulShutdown::new();
        let mut stop = std::pin::pin!(stop);
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = &mut stop => break,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors: wait for some to come free rather than spin.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            // Small answers must not wait for the client's acknowledgement of the ones before.
            let _ = stream.set_nodelay(true);
            let (gateway, tls, watcher) = (gateway.clone(), tls.clone(), graceful.watcher());
            tokio::spawn(async move {
                if let Err(error) = connection(stream, peer, gateway, tls, watcher).await {
                    tracing::debug!(%error, %peer, "a connection ended with an error");
                }
            });
        }
        drop(self.listener);
        if tokio::time::timeout(GRACE, graceful.shutdown()).await.is_err() {
            tracing::warn!("requests were still under way at the end");
        }
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    gateway: Arc<Gateway>,
    tls: Option<TlsAcceptor>,
    watcher: hyper_util::server::graceful::Watcher,
) -> Result<(), Failure> {
    let mut first = [0];
    let peeked = tokio::time::timeout(HEADER_TIMEOUT, stream.peek(&mut first)).await??;
    if peeked == 0 {
        return Ok(());
    }
    match tls {
        Some(tls) if first[0] == TLS_HANDSHAKE => {
            let stream = tokio::time::timeout(HEADER_TIMEOUT, tls.accept(stream)).await??;
            serve(TokioIo::new(stream), peer, true, gateway, watcher).await
        }
        _ => serve(TokioIo::new(stream), peer, false, gateway, watcher).await,
    }
}

async fn serve<I>(
    io: I,
    peer: SocketAddr,
    secure: bool,
    gateway: Arc<Gateway>,
    watcher: hyper_util::server::graceful::Watcher,
) -> Result<(), Failure>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let source_ip = peer.ip().to_string();
    let service = service_fn(move |request| {
        let (gateway, source_ip) = (gateway.clone(), source_ip.clone());
        async move { Ok::<_, std::convert::Infallible>(gateway.handle(request, source_ip, secure).await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(64 * 1024);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(256);
    let connection = builder.serve_connection_with_upgrades(io, service).into_owned();
    watcher.watch(connection).await
}
