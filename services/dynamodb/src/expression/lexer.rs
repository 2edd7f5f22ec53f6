//! Tokens of an expression, with their places in the text so that errors can quote it.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// An attribute name, function name or keyword.
    Word,
    /// `#name`
    Name,
    /// `:value`
    Value,
    Integer,
    Open,
    Close,
    OpenIndex,
    CloseIndex,
    Comma,
    Dot,
    Plus,
    Minus,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    /// A character that no token begins with.
    Unknown,
    End,
}

#[derive(Clone, Copy, Debug)]
pub struct Lexeme {
    pub token: Token,
    pub start: usize,
    pub end: usize,
}

/// All tokens of the text, the last of them `End`.
pub fn lex(text: &str) -> Vec<Lexeme> {
    let bytes = text.as_bytes();
    let mut lexemes = Vec::with_capacity(16);
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        let (token, length) = match bytes[at] {
            b' ' | b'\t' | b'\r' | b'\n' => {
                at += 1;
                continue;
            }
            b'a'..=b'z' | b'A'..=b'Z' => (Token::Word, word_length(&bytes[at..])),
            b'0'..=b'9' => match word_length(&bytes[at..]) {
                length if bytes[at..at + length].iter().all(u8::is_ascii_digit) => (Token::Integer, length),
                length => (Token::Unknown, length),
            },
            b'#' => placeholder(Token::Name, &bytes[at..]),
            b':' => placeholder(Token::Value, &bytes[at..]),
            b'(' => (Token::Open, 1),
            b')' => (Token::Close, 1),
            b'[' => (Token::OpenIndex, 1),
            b']' => (Token::CloseIndex, 1),
            b',' => (Token::Comma, 1),
            b'.' => (Token::Dot, 1),
            b'+' => (Token::Plus, 1),
            b'-' => (Token::Minus, 1),
            b'=' => (Token::Equal, 1),
            b'<' => match bytes.get(at + 1) {
                Some(b'>') => (Token::NotEqual, 2),
                Some(b'=') => (Token::LessOrEqual, 2),
                _ => (Token::Less, 1),
            },
            b'>' => match bytes.get(at + 1) {
                Some(b'=') => (Token::GreaterOrEqual, 2),
                _ => (Token::Greater, 1),
            },
            _ => (Token::Unknown, text[at..].chars().next().map_or(1, char::len_utf8)),
        };
        at += length;
        lexemes.push(Lexeme { token, start, end: at });
    }
    lexemes.push(Lexeme { token: Token::End, start: bytes.len(), end: bytes.len() });
    lexemes
}

fn word_length(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count()
}

fn placeholder(token: Token, bytes: &[u8]) -> (Token, usize) {
    match word_length(&bytes[1..]) {
        0 => (Token::Unknown, 1),
        length => (token, 1 + length),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<(Token, &str)> {
        lex(text).iter().map(|lexeme| (lexeme.token, &text[lexeme.start..lexeme.end])).collect()
    }

    #[test]
    fn every_token() {
        use Token::*;
        let words: Vec<_> = tokens("a_1 #n :v 12 ( ) [ ] , . + - = <> < <= > >=").into_iter().map(|(t, _)| t).collect();
        assert_eq!(
            words,
            [
                Word,
                Name,
                Value,
                Integer,
                Open,
                Close,
                OpenIndex,
                CloseIndex,
                Comma,
                Dot,
                Plus,
                Minus,
                Equal,
                NotEqual,
                Less,
                LessOrEqual,
                Greater,
                GreaterOrEqual,
                End
            ]
        );
    }

    #[test]
    fn what_begins_no_token_is_unknown() {
        assert_eq!(tokens("_id"), [(Token::Unknown, "_"), (Token::Word, "id"), (Token::End, "")]);
        assert_eq!(tokens("é#"), [(Token::Unknown, "é"), (Token::Unknown, "#"), (Token::End, "")]);
        assert_eq!(tokens("20e2"), [(Token::Unknown, "20e2"), (Token::End, "")]);
    }
}
