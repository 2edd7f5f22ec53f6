//! A function's answer as it comes, and the head that it begins with.

use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, stream::unfold};
use wire::eventstream::{HeaderValue, Message};
use wire::{ByteStream, StreamError};

type Frames = Pin<Box<dyn Stream<Item = Result<Bytes, StreamError>> + Send>>;

/// Eight NUL bytes end the head.
const END: [u8; 8] = [0; 8];

/// The longest head that is waited for.
const LONGEST_HEAD: usize = 1 << 20;

/// The payloads of an invocation's event stream.
pub struct Payloads {
    frames: Frames,
    arrived: BytesMut,
}

impl Payloads {
    pub fn new(stream: &ByteStream) -> Self {
        Self { frames: stream.take(), arrived: BytesMut::new() }
    }

    /// The next payload; none at the end. The error is the function's, or that of the way to it.
    pub async fn next(&mut self) -> Result<Option<Bytes>, String> {
        loop {
            match Message::decode(&mut self.arrived).map_err(|error| error.to_string())? {
                Some(message) => match event_type(&message) {
                    "PayloadChunk" => return Ok(Some(message.payload)),
                    _ => return ended(&message.payload),
                },
                None => match self.frames.next().await {
                    Some(Ok(bytes)) => self.arrived.extend_from_slice(&bytes),
                    Some(Err(error)) => return Err(error.to_string()),
                    None => return Ok(None),
                },
            }
        }
    }

    /// Waits for the head of the answer: its JSON, what came with it, and the rest as it comes.
    pub async fn head(mut self) -> Result<(Bytes, ByteStream), String> {
        let mut head = BytesMut::new();
        loop {
            if let Some(at) = head.windows(END.len()).position(|window| window == END) {
                let mut rest = head.split_off(at).freeze();
                let first = rest.split_off(END.len());
                return Ok((head.freeze(), self.rest(first)));
            }
            if head.len() > LONGEST_HEAD {
                return Err("the head of the answer is too long".to_owned());
            }
            match self.next().await? {
                Some(payload) => head.extend_from_slice(&payload),
                None => return Err("the answer ended before its head did".to_owned()),
            }
        }
    }

    fn rest(self, first: Bytes) -> ByteStream {
        let broken = |message| StreamError { code: "InternalServerErrorException", message };
        let stream = unfold(Some((self, first)), move |state| async move {
            let (mut payloads, first) = state?;
            if !first.is_empty() {
                return Some((Ok(first), Some((payloads, Bytes::new()))));
            }
            match payloads.next().await {
                Ok(Some(payload)) => Some((Ok(payload), Some((payloads, Bytes::new())))),
                Ok(None) => None,
                Err(message) => Some((Err(broken(message)), None)),
            }
        });
        ByteStream::new(stream, None)
    }
}

fn event_type(message: &Message) -> &str {
    let found = message.headers.iter().find(|(name, _)| name == ":event-type");
    match found {
        Some((_, HeaderValue::String(value))) => value,
        _ => "",
    }
}

/// The end of an invocation: with an error, where the function failed.
fn ended(payload: &[u8]) -> Result<Option<Bytes>, String> {
    let told: serde_json::Value = serde_json::from_slice(payload).unwrap_or_default();
    match told["ErrorCode"].as_str() {
        Some(code) => Err(format!("{code}: {}", told["ErrorDetails"].as_str().unwrap_or_default())),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(payloads: &[&[u8]], end: &'static str) -> Payloads {
        let mut bytes = BytesMut::new();
        for payload in payloads {
            bytes.extend_from_slice(&Message::event("PayloadChunk", None, Bytes::copy_from_slice(payload)).encode());
        }
        bytes.extend_from_slice(&Message::event("InvokeComplete", None, Bytes::from(end)).encode());
        Payloads::new(&ByteStream::from(bytes.freeze()))
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_end_or_are_refused(bytes in proptest::collection::vec(0u8.., 0..200)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let mut payloads = Payloads::new(&ByteStream::from(Bytes::from(bytes)));
            runtime.block_on(async { while let Ok(Some(_)) = payloads.next().await {} });
        }
    }

    #[tokio::test]
    async fn an_answer_is_divided_into_head_and_rest() {
        let (head, rest) =
            stream(&[b"{\"statusCode\":2", b"01}\0\0\0\0", b"\0\0\0\0one", b"two"], "{}").head().await.unwrap();
        assert_eq!((&head[..], &rest.collect(100).await.unwrap()[..]), (&b"{\"statusCode\":201}"[..], &b"onetwo"[..]));
        assert!(stream(&[b"no head"], "{}").head().await.is_err());
        let failed = stream(&[], r#"{"ErrorCode":"Unhandled","ErrorDetails":"boom"}"#).head().await;
        assert_eq!(failed.err().as_deref(), Some("Unhandled: boom"));
        let (_, rest) = stream(&[b"{}\0\0\0\0\0\0\0\0a"], r#"{"ErrorCode":"Unhandled"}"#).head().await.unwrap();
        assert!(rest.collect(100).await.is_err());
    }
}
