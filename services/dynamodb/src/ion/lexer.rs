//! The words of Ion's text: white space, names, strings, numbers and blobs.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::number::Number;

/// The text is not what the format asks for, or not what an item can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

pub type Read<T> = Result<T, Unreadable>;

pub struct Lexer<'a> {
    text: &'a str,
    at: usize,
    /// Nothing that was begun before the end of the text can be found again after it.
    pub exhausted: bool,
}

impl<'a> Lexer<'a> {
    pub fn new(text: &'a str) -> Lexer<'a> {
        Lexer { text: text.trim_start_matches('\u{feff}'), at: 0, exhausted: false }
    }

    pub fn position(&self) -> usize {
        self.at
    }

    pub fn back_to(&mut self, position: usize) {
        self.at = position;
    }

    /// Goes to the line after the one that a position is in.
    pub fn skip_line(&mut self, from: usize) {
        let rest = self.text.get(from..).unwrap_or_default();
        self.at = rest.find('\n').filter(|_| !self.exhausted).map_or(self.text.len(), |length| from + length + 1);
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Read<char> {
        let next = self.peek().ok_or(Unreadable)?;
        self.at += next.len_utf8();
        Ok(next)
    }

    pub fn looking_at(&self, text: &str) -> bool {
        self.rest().starts_with(text)
    }

    pub fn take(&mut self, text: &str) -> bool {
        let found = self.looking_at(text);
        if found {
            self.at += text.len();
        }
        found
    }

    pub fn expect(&mut self, text: &str) -> Read<()> {
        if self.take(text) { Ok(()) } else { Err(Unreadable) }
    }

    /// Up to a text and over it.
    fn until(&mut self, end: &str) -> Read<&'a str> {
        let Some(length) = self.rest().find(end) else {
            self.exhausted = true;
            return Err(Unreadable);
        };
        let found = &self.rest()[..length];
        self.at += length + end.len();
        Ok(found)
    }

    fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.find(|character| !belongs(character)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// White space and comments.
    pub fn space(&mut self) -> Read<()> {
        loop {
            self.take_while(|character| matches!(character, ' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}'));
            if self.take("//") {
                self.take_while(|character| character != '\n');
            } else if self.take("/*") {
                self.until("*/")?;
            } else {
                return Ok(());
            }
        }
    }

    /// A name without quotes; empty where there is none.
    pub fn identifier(&mut self) -> &'a str {
        match self.peek() {
            Some(first) if first.is_ascii_alphabetic() || matches!(first, '_' | '$') => {
                self.take_while(|next| next.is_ascii_alphanumeric() || matches!(next, '_' | '$'))
            }
            _ => "",
        }
    }

    /// What follows an opening quote, with that quote's end; white space as it is.
    pub fn quoted(&mut self, quote: char) -> Read<String> {
        let mut out = String::new();
        loop {
            match self.next()? {
                next if next == quote => return Ok(out),
                '\\' => self.escape(&mut out)?,
                '\t' => out.push('\t'),
                next if next.is_ascii_control() => return Err(Unreadable),
                next => out.push(next),
            }
        }
    }

    /// What follows the opening three quotes of a long string, with the further strings that belong to it.
    pub fn long(&mut self) -> Read<String> {
        let mut out = String::new();
        loop {
            if self.take("'''") {
                self.space()?;
                if !self.take("'''") {
                    return Ok(out);
                }
                continue;
            }
            let Ok(next) = self.next() else {
                self.exhausted = true;
                return Err(Unreadable);
            };
            match next {
                '\\' => self.escape(&mut out)?,
                // All ends of lines are read as one kind.
                '\r' => {
                    self.take("\n");
                    out.push('\n');
                }
                '\n' | '\t' | '\u{b}' | '\u{c}' => out.push(next),
                next if next.is_ascii_control() => return Err(Unreadable),
                next => out.push(next),
            }
        }
    }

    fn escape(&mut self, out: &mut String) -> Read<()> {
        let character = match self.next()? {
            '0' => '\0',
            'a' => '\u{7}',
            'b' => '\u{8}',
            't' => '\t',
            'n' => '\n',
            'f' => '\u{c}',
            'r' => '\r',
            'v' => '\u{b}',
            same @ ('"' | '\'' | '?' | '\\' | '/') => same,
            '\n' => return Ok(()),
            '\r' => {
                self.take("\n");
                return Ok(());
            }
            'x' => char::from_u32(self.hexadecimal(2)?).ok_or(Unreadable)?,
            'U' => char::from_u32(self.hexadecimal(8)?).ok_or(Unreadable)?,
            'u' => self.utf16()?,
            _ => return Err(Unreadable),
        };
        out.push(character);
        Ok(())
    }

    /// One unit of UTF-16, or two that make one character.
    fn utf16(&mut self) -> Read<char> {
        let unit = |value: u32| u16::try_from(value).map_err(|_| Unreadable);
        let first = self.hexadecimal(4)?;
        if let Some(character) = char::from_u32(first) {
            return Ok(character);
        }
        self.expect("\\u")?;
        let pair = [unit(first)?, unit(self.hexadecimal(4)?)?];
        char::decode_utf16(pair).next().and_then(Result::ok).ok_or(Unreadable)
    }

    fn hexadecimal(&mut self, digits: usize) -> Read<u32> {
        let text = self.rest().get(..digits).filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let value = u32::from_str_radix(text.ok_or(Unreadable)?, 16).map_err(|_| Unreadable)?;
        self.at += digits;
        Ok(value)
    }

    /// An integer, a decimal or a float, in DynamoDB's normal form.
    pub fn number(&mut self) -> Read<String> {
        let token = self.take_while(|next| next.is_ascii_alphanumeric() || matches!(next, '_' | '.' | '-' | '+'));
        let stops = |next: char| next.is_ascii_whitespace() || "{}[](),\"'/\u{b}".contains(next);
        if !self.peek().is_none_or(stops) {
            return Err(Unreadable);
        }
        let (sign, unsigned) = token.strip_prefix('-').map_or(("", token), |rest| ("-", rest));
        let radix = |digits: &str, radix| {
            let digits = grouped(digits, |digit| digit.is_digit(radix)).ok_or(Unreadable)?;
            u128::from_str_radix(&digits, radix).map(|value| value.to_string()).map_err(|_| Unreadable)
        };
        let text = match unsigned.get(..2) {
            Some("0x" | "0X") => radix(&unsigned[2..], 16)?,
            Some("0b" | "0B") => radix(&unsigned[2..], 2)?,
            _ => decimal(unsigned).ok_or(Unreadable)?,
        };
        Number::parse(&format!("{sign}{text}")).map(|number| number.to_string()).map_err(|_| Unreadable)
    }

    /// What follows the opening braces of a blob. A clob is no attribute.
    pub fn blob(&mut self) -> Read<Vec<u8>> {
        let text: String = self.until("}}")?.chars().filter(|character| !character.is_ascii_whitespace()).collect();
        BASE64.decode(text).map_err(|_| Unreadable)
    }
}

/// Digits, with single underscores between them left out.
fn grouped(text: &str, is_digit: impl Fn(char) -> bool) -> Option<String> {
    let groups = text.split('_').all(|group| !group.is_empty() && group.chars().all(&is_digit));
    groups.then(|| text.replace('_', ""))
}

/// A number without a sign, in a form that DynamoDB's own numbers have.
fn decimal(text: &str) -> Option<String> {
    let is_digit = |digit: char| digit.is_ascii_digit();
    let (mantissa, exponent) = match text.find(['d', 'D', 'e', 'E']) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, "0"),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let whole = grouped(whole, is_digit).filter(|whole| whole == "0" || !whole.starts_with('0'))?;
    let fraction = if fraction.is_empty() { String::new() } else { grouped(fraction, is_digit)? };
    let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    let right = !digits.is_empty() && digits.chars().all(is_digit);
    right.then(|| format!("{whole}.{fraction}e{exponent}"))
}
