//! What all kinds of expressions share: a cursor over the tokens, paths, placeholders and complaints.
//!
//! Limits: 4 KB of text, 300 operators, paths of 32 levels, and parentheses nested no deeper than `MAX_DEPTH`.

use super::lexer::{Lexeme, Token, lex};
use super::path::{Element, Path};
use super::{Kind, Placeholders, reserved};
use crate::error::Invalid;
use crate::value::AttributeValue;

const MAX_BYTES: usize = 4096;
const MAX_OPERATORS: usize = 300;
const MAX_LEVELS: usize = 32;
/// Keeps recursion off the stack's end; real expressions nest a handful of levels.
const MAX_DEPTH: usize = 100;

/// Stands in for a value whose placeholder is not defined; the complaint about that is already recorded.
static UNDEFINED: AttributeValue = AttributeValue::Null(true);

pub struct Parser<'a, 'p> {
    kind: Kind,
    text: &'a str,
    lexemes: Vec<Lexeme>,
    at: usize,
    operators: usize,
    depth: usize,
    placeholders: &'p mut Placeholders<'a>,
    /// The first thing wrong other than syntax.
    complaint: Option<Invalid>,
}

impl<'a, 'p> Parser<'a, 'p> {
    pub fn new(kind: Kind, text: &'a str, placeholders: &'p mut Placeholders<'a>) -> Result<Self, Invalid> {
        if text.trim().is_empty() {
            return Err(kind.invalid("The expression can not be empty;"));
        }
        if text.len() > MAX_BYTES {
            return Err(kind.invalid(format_args!(
                "Expression size has exceeded the maximum allowed size; expression size: {}",
                text.len()
            )));
        }
        let lexemes = lex(text);
        Ok(Parser { kind, text, lexemes, at: 0, operators: 0, depth: 0, placeholders, complaint: None })
    }

    /// Everything must have been read, and nothing complained about.
    pub fn finish(self) -> Result<(), Invalid> {
        if self.peek() != Token::End {
            return Err(self.syntax_error());
        }
        match self.complaint {
            Some(complaint) => Err(complaint),
            None => Ok(()),
        }
    }

    pub fn peek(&self) -> Token {
        self.lexemes[self.at].token
    }

    pub fn peek_at(&self, ahead: usize) -> Token {
        self.lexemes.get(self.at + ahead).map_or(Token::End, |lexeme| lexeme.token)
    }

    pub fn peek_second(&self) -> Token {
        self.peek_at(1)
    }

    pub fn text(&self) -> &'a str {
        let Lexeme { start, end, .. } = self.lexemes[self.at];
        &self.text[start..end]
    }

    pub fn advance(&mut self) {
        self.at = (self.at + 1).min(self.lexemes.len() - 1);
    }

    pub fn eat(&mut self, token: Token) -> bool {
        let found = self.peek() == token;
        if found {
            self.advance();
        }
        found
    }

    pub fn expect(&mut self, token: Token) -> Result<(), Invalid> {
        if self.eat(token) { Ok(()) } else { Err(self.syntax_error()) }
    }

    pub fn is_keyword(&self, keyword: &str) -> bool {
        self.peek() == Token::Word && self.text().eq_ignore_ascii_case(keyword)
    }

    pub fn eat_keyword(&mut self, keyword: &str) -> bool {
        let found = self.is_keyword(keyword);
        if found {
            self.advance();
        }
        found
    }

    /// The complaint about the token at hand, quoting its neighbours.
    pub fn syntax_error(&self) -> Invalid {
        let here = self.lexemes[self.at];
        let from = self.at.checked_sub(1).map_or(here.start, |previous| self.lexemes[previous].start);
        let to =
            self.lexemes.get(self.at + 1).filter(|next| next.token != Token::End).map_or(here.end, |next| next.end);
        let (token, near) = match here.token {
            Token::End => ("<EOF>", self.text[from..].trim_end()),
            _ => (&self.text[here.start..here.end], &self.text[from..to]),
        };
        self.kind.invalid(format_args!("Syntax error; token: \"{token}\", near: \"{near}\""))
    }

    pub fn complain(&mut self, detail: impl std::fmt::Display) {
        if self.complaint.is_none() {
            self.complaint = Some(self.kind.invalid(detail));
        }
    }

    pub fn complain_of_operand(&mut self, operator: &str, value: &AttributeValue) {
        let code = crate::value::Type::of(value).code();
        self.complain(format_args!(
            "Incorrect operand type for operator or function; operator or function: {operator}, operand type: {code}"
        ));
    }

    pub fn complain_of_count(&mut self, function: &str, count: usize) {
        self.complain(format_args!(
            "Incorrect number of operands for operator or function; operator or function: {function}, \
             number of operands: {count}"
        ));
    }

    pub fn count_operator(&mut self) {
        self.operators += 1;
        if self.operators == MAX_OPERATORS + 1 {
            self.complain(format_args!(
                "The expression contains too many operators; maximum number of operators: {MAX_OPERATORS}"
            ));
        }
    }

    /// Parses something that may contain itself.
    pub fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T, Invalid>) -> Result<T, Invalid> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.kind.invalid("The expression has too many levels of nesting"));
        }
        let result = inner(self);
        self.depth -= 1;
        result
    }

    pub fn path(&mut self) -> Result<Path<'a>, Invalid> {
        let mut path = Path::top_level(self.path_name()?);
        loop {
            if self.eat(Token::Dot) {
                let name = self.path_name()?;
                path.rest.push(Element::Field(name));
            } else if self.eat(Token::OpenIndex) {
                if self.peek() != Token::Integer {
                    return Err(self.syntax_error());
                }
                let Ok(index) = self.text().parse::<u32>() else {
                    self.complain(format_args!(
                        "List index is not within the allowable range; index: [{}]",
                        self.text()
                    ));
                    return self.skip_index(path);
                };
                self.advance();
                self.expect(Token::CloseIndex)?;
                path.rest.push(Element::Index(index as usize));
            } else {
                break;
            }
        }
        if path.rest.len() >= MAX_LEVELS {
            let levels = path.rest.len() + 1;
            self.complain(format_args!("The document path has too many nesting elements; nesting levels: {levels}"));
        }
        Ok(path)
    }

    fn skip_index(&mut self, path: Path<'a>) -> Result<Path<'a>, Invalid> {
        self.advance();
        self.expect(Token::CloseIndex)?;
        Ok(path)
    }

    fn path_name(&mut self) -> Result<&'a str, Invalid> {
        let text = self.text();
        let name = match self.peek() {
            Token::Word => {
                if reserved::is_reserved(text) {
                    self.complain(format_args!("Attribute name is a reserved keyword; reserved keyword: {text}"));
                }
                text
            }
            Token::Name => self.placeholders.name(text).unwrap_or_else(|| {
                self.complain(format_args!(
                    "An expression attribute name used in the document path is not defined; attribute name: {text}"
                ));
                text
            }),
            _ => return Err(self.syntax_error()),
        };
        self.advance();
        Ok(name)
    }

    pub fn value(&mut self) -> Result<&'a AttributeValue, Invalid> {
        if self.peek() != Token::Value {
            return Err(self.syntax_error());
        }
        let text = self.text();
        let value = self.placeholders.value(text).unwrap_or_else(|| {
            self.complain(format_args!(
                "An expression attribute value used in expression is not defined; attribute value: {text}"
            ));
            &UNDEFINED
        });
        self.advance();
        Ok(value)
    }
}
