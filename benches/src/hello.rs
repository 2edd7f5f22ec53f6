//! The minimal server that everything is compared with: it reads the request and answers `/N` with N bytes.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::Result;

const MOST: usize = 4 << 20;

pub async fn serve(address: &str) -> Result {
    static ZEROS: [u8; MOST] = [b'x'; MOST];
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let answer = service_fn(|request: Request<Incoming>| async move {
            let wanted: usize = request.uri().path().trim_start_matches('/').parse().unwrap_or(0);
            let mut body = request.into_body();
            while let Some(Ok(_)) = body.frame().await {}
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(&ZEROS[..wanted.min(MOST)]))))
        });
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
    }
}
