//! HTTP requests to the outside, made only where the user asked for one: an endpoint behind an API, the keys of an
//! identity provider.
//!
//! One connection a request, HTTP/1.1, plain or TLS. The answer is read whole, up to a limit; redirects are not followed.
//! Time limits are the caller's.

mod tls;

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

pub use tls::Tls;

/// Why there is no answer. The text names the cause, for logs and for what services tell of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreachable(pub String);

fn unreachable(error: impl std::fmt::Display) -> Unreachable {
    Unreachable(error.to_string())
}

/// Sends a request to the absolute address in its URI and reads an answer of at most `limit` bytes.
pub async fn send(request: http::Request<Bytes>, limit: usize) -> Result<http::Response<Bytes>, Unreachable> {
    send_with(request, limit, &Tls::default()).await
}

/// The same, over TLS as it is asked for.
pub async fn send_with(
    request: http::Request<Bytes>,
    limit: usize,
    tls: &Tls,
) -> Result<http::Response<Bytes>, Unreachable> {
    let (mut parts, body) = request.into_parts();
    let uri = std::mem::take(&mut parts.uri);
    let authority = uri.authority().ok_or_else(|| unreachable("the address has no host"))?.clone();
    let secure = uri.scheme_str() == Some("https");
    let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let tcp = TcpStream::connect((authority.host(), port)).await.map_err(unreachable)?;
    tcp.set_nodelay(true).map_err(unreachable)?;
    // `http://host?q` has a query but no path, and HTTP wants one.
    let target = match uri.query() {
        Some(query) => format!("{}?{query}", uri.path()),
        None => uri.path().to_owned(),
    };
    parts.uri = target.parse().map_err(|error: http::uri::InvalidUri| unreachable(error))?;
    parts.version = http::Version::HTTP_11;
    // A service behind an address of this cloud is known by the host that the caller names.
    if !parts.headers.contains_key("host") {
        parts.headers.insert("host", authority.as_str().parse().map_err(|_| unreachable("the host is not a header"))?);
    }
    let request = http::Request::from_parts(parts, Full::new(body));
    if !secure {
        return exchange(tcp, request, limit).await;
    }
    let host = ServerName::try_from(authority.host().to_owned()).map_err(unreachable)?;
    let config = Arc::new(tls.config()?);
    let secured = TlsConnector::from(config).connect(host, tcp).await.map_err(unreachable)?;
    exchange(secured, request, limit).await
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: http::Request<Full<Bytes>>,
    limit: usize,
) -> Result<http::Response<Bytes>, Unreachable> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(unreachable)?;
    let driver = tokio::spawn(connection);
    let response = sender.send_request(request).await.map_err(unreachable)?;
    let (parts, body) = response.into_parts();
    let body = Limited::new(body, limit).collect().await;
    driver.abort();
    Ok(http::Response::from_parts(parts, body.map_err(unreachable)?.to_bytes()))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    async fn answer_once(answer: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/path?q=1", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 1024];
            let length = stream.read(&mut head).await.unwrap();
            assert!(head[..length].starts_with(b"GET /path?q=1 HTTP/1.1\r\n"));
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        address
    }

    fn get(address: &str) -> http::Request<Bytes> {
        http::Request::get(address).body(Bytes::new()).unwrap()
    }

    #[tokio::test]
    async fn reads_an_answer_up_to_the_limit() {
        const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
        let response = send(get(&answer_once(ANSWER).await), 5).await.unwrap();
        assert_eq!((response.status().as_u16(), &response.body()[..]), (200, &b"hello"[..]));
        assert!(send(get(&answer_once(ANSWER).await), 4).await.is_err());
    }

    #[tokio::test]
    async fn names_why_nobody_answers() {
        assert!(send(get("http://127.0.0.1:1/"), 10).await.is_err());
        let error = send(get("/relative"), 10).await.unwrap_err();
        assert_eq!(error.to_string(), "the address has no host");
    }
}
