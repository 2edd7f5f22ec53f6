//! The binary framing of event streams: <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html>.
//!
//! `total length | headers length | CRC of the two | headers | payload | CRC of everything before`, big-endian.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::codec::{DecodeError, Result};

/// The largest message that AWS's own clients accept.
const MAX_MESSAGE: usize = 16 * 1024 * 1024;

/// The value of a header. Lengths and types are those of the specification.
#[derive(Clone, Debug, PartialEq)]
pub enum HeaderValue {
    Bool(bool),
    Byte(i8),
    Short(i16),
    Int(i32),
    Long(i64),
    Bytes(Bytes),
    String(String),
    /// Milliseconds since the epoch.
    Timestamp(i64),
    Uuid([u8; 16]),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Message {
    pub headers: Vec<(String, HeaderValue)>,
    pub payload: Bytes,
}

impl Message {
    /// An event of a stream, as services send them.
    pub fn event(event_type: &str, content_type: Option<&str>, payload: Bytes) -> Self {
        let mut message = Message { headers: Vec::new(), payload };
        let mut header = |name: &str, value: &str| {
            message.headers.push((name.to_owned(), HeaderValue::String(value.to_owned())));
        };
        header(":message-type", "event");
        header(":event-type", event_type);
        if let Some(content_type) = content_type {
            header(":content-type", content_type);
        }
        message
    }

    pub fn encode(&self) -> Bytes {
        let mut headers = BytesMut::new();
        for (name, value) in &self.headers {
            // Header names are constants of ours, far below 256 bytes.
            headers.put_u8(name.len().min(255) as u8);
            headers.put_slice(&name.as_bytes()[..name.len().min(255)]);
            match value {
                HeaderValue::Bool(true) => headers.put_u8(0),
                HeaderValue::Bool(false) => headers.put_u8(1),
                HeaderValue::Byte(value) => {
                    headers.put_u8(2);
                    headers.put_i8(*value);
                }
                HeaderValue::Short(value) => {
                    headers.put_u8(3);
                    headers.put_i16(*value);
                }
                HeaderValue::Int(value) => {
                    headers.put_u8(4);
                    headers.put_i32(*value);
                }
                HeaderValue::Long(value) => {
                    headers.put_u8(5);
                    headers.put_i64(*value);
                }
                HeaderValue::Bytes(value) => put_sized(&mut headers, 6, value),
                HeaderValue::String(value) => put_sized(&mut headers, 7, value.as_bytes()),
                HeaderValue::Timestamp(value) => {
                    headers.put_u8(8);
                    headers.put_i64(*value);
                }
                HeaderValue::Uuid(value) => {
                    headers.put_u8(9);
                    headers.put_slice(value);
                }
            }
        }
        let total = 16 + headers.len() + self.payload.len();
        let mut out = BytesMut::with_capacity(total);
        out.put_u32(total as u32);
        out.put_u32(headers.len() as u32);
        out.put_u32(crc32fast::hash(&out));
        out.put_slice(&headers);
        out.put_slice(&self.payload);
        out.put_u32(crc32fast::hash(&out));
        out.freeze()
    }

    /// Takes one message off the front; `None` while it is not complete.
    pub fn decode(buffer: &mut BytesMut) -> Result<Option<Message>> {
        let malformed = |text: &str| Err(DecodeError::Malformed(text.to_owned()));
        if buffer.len() < 12 {
            return Ok(None);
        }
        let mut prelude = &buffer[..12];
        let (total, headers_len, crc) = (prelude.get_u32() as usize, prelude.get_u32() as usize, prelude.get_u32());
        if crc32fast::hash(&buffer[..8]) != crc {
            return malformed("the checksum of the prelude does not match");
        }
        if !(16..=MAX_MESSAGE).contains(&total) || headers_len > total - 16 {
            return malformed("the lengths of the message are impossible");
        }
        if buffer.len() < total {
            return Ok(None);
        }
        let message = buffer.split_to(total).freeze();
        if crc32fast::hash(&message[..total - 4]) != message.slice(total - 4..).get_u32() {
            return malformed("the checksum of the message does not match");
        }
        let headers = decode_headers(message.slice(12..12 + headers_len))?;
        Ok(Some(Message { headers, payload: message.slice(12 + headers_len..total - 4) }))
    }
}

fn put_sized(out: &mut BytesMut, kind: u8, value: &[u8]) {
    let value = &value[..value.len().min(usize::from(u16::MAX))];
    out.put_u8(kind);
    out.put_u16(value.len() as u16);
    out.put_slice(value);
}

fn decode_headers(mut bytes: Bytes) -> Result<Vec<(String, HeaderValue)>> {
    fn take(bytes: &mut Bytes, len: usize) -> Result<Bytes> {
        if bytes.len() < len {
            return Err(DecodeError::Malformed("a header is cut short".to_owned()));
        }
        Ok(bytes.split_to(len))
    }
    fn text(bytes: Bytes) -> Result<String> {
        String::from_utf8(bytes.to_vec()).map_err(|error| DecodeError::Malformed(error.to_string()))
    }
    let mut headers = Vec::new();
    while !bytes.is_empty() {
        let len = usize::from(take(&mut bytes, 1)?.get_u8());
        let name = text(take(&mut bytes, len)?)?;
        let value = match take(&mut bytes, 1)?.get_u8() {
            0 => HeaderValue::Bool(true),
            1 => HeaderValue::Bool(false),
            2 => HeaderValue::Byte(take(&mut bytes, 1)?.get_i8()),
            3 => HeaderValue::Short(take(&mut bytes, 2)?.get_i16()),
            4 => HeaderValue::Int(take(&mut bytes, 4)?.get_i32()),
            5 => HeaderValue::Long(take(&mut bytes, 8)?.get_i64()),
            kind @ (6 | 7) => {
                let len = usize::from(take(&mut bytes, 2)?.get_u16());
                let value = take(&mut bytes, len)?;
                if kind == 6 { HeaderValue::Bytes(value) } else { HeaderValue::String(text(value)?) }
            }
            8 => HeaderValue::Timestamp(take(&mut bytes, 8)?.get_i64()),
            9 => {
                let mut uuid = [0; 16];
                take(&mut bytes, 16)?.copy_to_slice(&mut uuid);
                HeaderValue::Uuid(uuid)
            }
            kind => return Err(DecodeError::Malformed(format!("header type {kind} is unknown"))),
        };
        headers.push((name, value));
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value() -> impl Strategy<Value = HeaderValue> {
        prop_oneof![
            any::<bool>().prop_map(HeaderValue::Bool),
            any::<i8>().prop_map(HeaderValue::Byte),
            any::<i16>().prop_map(HeaderValue::Short),
            any::<i32>().prop_map(HeaderValue::Int),
            any::<i64>().prop_map(HeaderValue::Long),
            any::<Vec<u8>>().prop_map(|bytes| HeaderValue::Bytes(bytes.into())),
            ".*".prop_map(HeaderValue::String),
            any::<i64>().prop_map(HeaderValue::Timestamp),
            any::<[u8; 16]>().prop_map(HeaderValue::Uuid),
        ]
    }

    proptest! {
        #[test]
        fn round_trip(headers in prop::collection::vec(("[a-z:-]{1,20}", value()), 0..8), payload: Vec<u8>) {
            let message = Message { headers, payload: payload.into() };
            let mut buffer = BytesMut::from(&message.encode()[..]);
            prop_assert_eq!(Message::decode(&mut buffer).unwrap(), Some(message));
            prop_assert!(buffer.is_empty());
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = Message::decode(&mut BytesMut::from(&bytes[..]));
        }

        #[test]
        fn a_flipped_bit_is_noticed(payload: Vec<u8>, at: prop::sample::Index, bit in 0..8u8) {
            let message = Message::event("Records", None, payload.into());
            let mut buffer = BytesMut::from(&message.encode()[..]);
            let at = at.index(buffer.len());
            buffer[at] ^= 1 << bit;
            prop_assert!(!matches!(Message::decode(&mut buffer), Ok(Some(_))));
        }
    }
}
