//! Metadata beyond ASCII. Headers carry it in encoded words: those of a request are decoded, and what is not ASCII leaves in
//! encoded words again. <https://www.rfc-editor.org/rfc/rfc2047>
//!
//! Which of the two encodings a text gets, and where a long one is divided, is as S3's own answers have it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The most characters of an encoded text in one word.
const WORD: usize = 63;

/// The text that a header stands for. Where nothing in it is an encoded word, that is the header itself.
pub fn decode(header: &str) -> String {
    if !header.contains("=?") {
        return header.to_owned();
    }
    let mut text = String::new();
    let mut after_word = false;
    for (at, token) in header.split(' ').enumerate() {
        let word = decode_word(token);
        // The space between two encoded words only separates them.
        if at > 0 && !(after_word && word.is_some()) {
            text.push(' ');
        }
        after_word = word.is_some();
        text.push_str(word.as_deref().unwrap_or(token));
    }
    text
}

/// `=?charset?B?…?=` or `=?charset?Q?…?=`
fn decode_word(token: &str) -> Option<String> {
    let (charset, rest) = token.strip_prefix("=?")?.strip_suffix("?=")?.split_once('?')?;
    let (encoding, content) = rest.split_once('?')?;
    let bytes = match encoding {
        "B" | "b" => STANDARD.decode(content).ok()?,
        "Q" | "q" => quoted_bytes(content)?,
        _ => return None,
    };
    match charset.to_ascii_lowercase().as_str() {
        "utf-8" | "us-ascii" => String::from_utf8(bytes).ok(),
        "iso-8859-1" => Some(bytes.into_iter().map(char::from).collect()),
        _ => None,
    }
}

fn quoted_bytes(content: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = content.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        match first {
            b'_' => bytes.push(b' '),
            b'=' => {
                let (digits, tail) = rest.split_at_checked(2)?;
                bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
                rest = tail;
            }
            other => bytes.push(*other),
        }
    }
    Some(bytes)
}

/// The header of a text.
pub fn encode(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let ascii = text.encode_utf16().filter(|unit| *unit < 128).count();
    let quoted = ascii > text.encode_utf16().count() - ascii;
    let mut words = Vec::new();
    divide(text, quoted, &mut words);
    words.join(" ")
}

/// Halves a text until each piece fits a word.
fn divide(text: &str, quoted: bool, words: &mut Vec<String>) {
    let length = if quoted { quote(text).len() } else { text.len().div_ceil(3) * 4 };
    let middle = text.char_indices().nth(text.chars().count() / 2).map_or(0, |(at, _)| at);
    if length > WORD && middle > 0 {
        let (first, second) = text.split_at(middle);
        divide(first, quoted, words);
        return divide(second, quoted, words);
    }
    words.push(match quoted {
        true => format!("=?UTF-8?Q?{}?=", quote(text)),
        false => format!("=?UTF-8?B?{}?=", STANDARD.encode(text)),
    });
}

fn quote(text: &str) -> String {
    let quote = |byte: u8| match byte {
        b' ' => "_".to_owned(),
        b'=' | b'_' | b'?' | 0..32 | 127.. => format!("={byte:02X}"),
        byte => char::from(byte).to_string(),
    };
    text.bytes().map(quote).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words() {
        assert_eq!(encode("plain _ text"), "plain _ text");
        assert_eq!(encode("gr\u{fc}n x"), "=?UTF-8?Q?gr=C3=BCn_x?=");
        // The example of the documentation: the bytes of a header are Latin-1.
        let header: String = "ÄMÄZÕÑ S3".bytes().map(char::from).collect();
        assert_eq!(encode(&header), "=?UTF-8?B?w4PChE3Dg8KEWsODwpXDg8KRIFMz?=");
        assert_eq!(decode("=?UTF-8?Q?gr=C3=BCn_x?="), "grün x");
        assert_eq!(decode("a =?utf-8?b?w7w=?= =?ISO-8859-1?q?=FC?= b"), "a üü b");
        for same in ["=?", "=?utf-8?x?a?=", "=?utf-8?q?=f?=", "=?koi8-r?q?a?=", "a=?b"] {
            assert_eq!(decode(same), same);
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(text in "[a-zäß€😀]([ a-z_=?äß€😀]{0,80}[a-zäß€])?") {
            prop_assume!(!text.is_ascii());
            let header = encode(&text);
            prop_assert!(header.is_ascii());
            prop_assert_eq!(decode(&header), text);
        }

        #[test]
        fn never_panics(text: String) {
            let _ = decode(&text);
        }
    }
}
