//! Bodies of responses, and the bodies of requests as streams.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use wire::{ByteStream, StreamError};

/// The body of a response.
pub enum Body {
    Full(Option<Bytes>),
    Stream { stream: Pin<Box<dyn Stream<Item = Result<Bytes, StreamError>> + Send>>, left: Option<u64> },
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Body::Full(Some(bytes))
    }
}

impl From<ByteStream> for Body {
    fn from(stream: ByteStream) -> Self {
        match stream.bytes() {
            Some(bytes) => Body::from(bytes),
            None => Body::Stream { left: stream.len(), stream: stream.take() },
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = StreamError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, StreamError>>> {
        match self.get_mut() {
            Body::Full(bytes) => {
                Poll::Ready(bytes.take().filter(|bytes| !bytes.is_empty()).map(|bytes| Ok(Frame::data(bytes))))
            }
            Body::Stream { stream, left } => stream.poll_next_unpin(cx).map(|chunk| {
                chunk.map(|chunk| {
                    chunk.map(|bytes| {
                        *left = left.map(|left| left.saturating_sub(bytes.len() as u64));
                        Frame::data(bytes)
                    })
                })
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Body::Full(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Body::Stream { left, .. } => *left == Some(0),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Body::Stream { left: Some(left), .. } => SizeHint::with_exact(*left),
            Body::Stream { left: None, .. } => SizeHint::default(),
        }
    }
}

/// Whether a request's body was read to its end.
#[derive(Clone)]
pub(crate) struct Progress(Arc<AtomicBool>);

impl Progress {
    pub(crate) fn is_complete(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// The body of a request as a stream of its data frames.
pub(crate) fn incoming(body: Incoming) -> (ByteStream, Progress) {
    let len = body.size_hint().exact();
    let progress = Progress(Arc::new(AtomicBool::new(body.is_end_stream())));
    let stream = futures_util::stream::unfold((body, progress.clone()), |(mut body, progress)| async move {
        loop {
            let Some(frame) = body.frame().await else {
                progress.0.store(true, Ordering::Release);
                return None;
            };
            match frame.map(Frame::into_data) {
                Ok(Ok(data)) => {
                    progress.0.store(body.is_end_stream(), Ordering::Release);
                    return Some((Ok(data), (body, progress)));
                }
                Ok(Err(_trailers)) => continue,
                Err(error) => {
                    let error = StreamError { code: "IncompleteBody", message: error.to_string() };
                    return Some((Err(error), (body, progress)));
                }
            }
        }
    });
    (ByteStream::new(stream, len), progress)
}
