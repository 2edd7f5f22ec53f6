//! Frames of event streams. A frame that was read is written as it was.

#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use wire::eventstream::Message;

fuzz_target!(|data: &[u8]| {
    let mut buffer = BytesMut::from(data);
    while let Ok(Some(message)) = Message::decode(&mut buffer) {
        let mut again = BytesMut::from(&message.encode()[..]);
        assert_eq!(Message::decode(&mut again), Ok(Some(message)));
    }
});
