//! Tokens of a statement.

use std::ops::Range;

use super::malformed;
use crate::error::Invalid;

#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    /// A keyword, a function or a name.
    Word(String),
    /// `"name"`: never a keyword.
    Quoted(String),
    /// `'text'`
    Text(String),
    /// Digits, perhaps with a fraction and an exponent; never a sign.
    Number(String),
    /// `?`
    Parameter,
    /// Punctuation and operators, in their usual spelling.
    Sign(&'static str),
    End,
}

/// Longer signs stand before those that they begin with.
const SIGNS: [&str; 24] = [
    "<<", ">>", "<>", "<=", ">=", "!=", "=", "<", ">", "(", ")", "[", "]", "{", "}", ",", ".", ":", "+", "-", "*", ";",
    "/", "%",
];

/// All tokens of the text, the last of them `End`, and the bytes that each of them takes.
pub fn lex(text: &str) -> Result<(Vec<Token>, Vec<Range<usize>>), Invalid> {
    let mut tokens = Vec::with_capacity(32);
    let mut places = Vec::with_capacity(32);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let from = text.len() - rest.len();
        let used = match first {
            c if c.is_whitespace() => c.len_utf8(),
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '\'' | '"' => {
                let (content, used) = quoted(rest, first)?;
                tokens.push(if first == '"' { Token::Quoted(content) } else { Token::Text(content) });
                used
            }
            '?' => {
                tokens.push(Token::Parameter);
                1
            }
            c if c.is_ascii_alphabetic() || c == '_' || c == '$' => {
                let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$';
                let used = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
                tokens.push(Token::Word(rest[..used].to_owned()));
                used
            }
            c if c.is_ascii_digit() => {
                let used = number(rest.as_bytes());
                tokens.push(Token::Number(rest[..used].to_owned()));
                used
            }
            _ => match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
                Some(sign) => {
                    tokens.push(Token::Sign(sign));
                    sign.len()
                }
                None => return Err(malformed("Unexpected character")),
            },
        };
        if places.len() < tokens.len() {
            places.push(from..from + used);
        }
        rest = &rest[used..];
    }
    tokens.push(Token::End);
    places.push(text.len()..text.len());
    Ok((tokens, places))
}

/// The content of a quoted token, in which doubled quotes stand for one, and how much text it takes.
fn quoted(text: &str, quote: char) -> Result<(String, usize), Invalid> {
    let mut content = String::new();
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        if character != quote {
            content.push(character);
        } else if characters.next_if(|(_, next)| *next == quote).is_some() {
            content.push(quote);
        } else {
            return Ok((content, at + 1));
        }
    }
    Err(malformed("Unterminated quoted string"))
}

fn number(bytes: &[u8]) -> usize {
    let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut used = digits(0);
    if bytes.get(used) == Some(&b'.') && bytes.get(used + 1).is_some_and(u8::is_ascii_digit) {
        used += 1 + digits(used + 1);
    }
    if matches!(bytes.get(used), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(used + 1), Some(b'+' | b'-')));
        let exponent =
            bytes.get(used + 1 + sign..).map_or(0, |rest| rest.iter().take_while(|byte| byte.is_ascii_digit()).count());
        if exponent > 0 {
            used += 1 + sign + exponent;
        }
    }
    used
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens() {
        let word = |text: &str| Token::Word(text.into());
        assert_eq!(
            lex("SELECT \"a\"\"b\" 'it''s' <<1.5e-3>>? -- rest\n!= _x").unwrap().0,
            [
                word("SELECT"),
                Token::Quoted("a\"b".into()),
                Token::Text("it's".into()),
                Token::Sign("<<"),
                Token::Number("1.5e-3".into()),
                Token::Sign(">>"),
                Token::Parameter,
                Token::Sign("!="),
                word("_x"),
                Token::End,
            ]
        );
        assert!(lex("'open").is_err() && lex("#").is_err());
        assert_eq!(lex("1e").unwrap().0.len(), 3, "an exponent needs digits");
        assert_eq!(lex(" 'a'  -- b\n10").unwrap().1, [1..4, 11..13, 13..13]);
    }
}
