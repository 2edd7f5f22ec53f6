//! From text to nodes. Velocity's grammar depends on context (a `$` that starts no reference is text, white space
//! around a directive belongs to it), so there is no separate token stream: the parser walks the source.
//!
//! White space, as in Velocity 1.7: the blanks and the line break after a directive's `)`, `#else` or `#end` are
//! swallowed; blanks before `#set` are too, when nothing but blanks separates it from the line's start or from the
//! previous reference or directive; a `##` comment takes its line break with it.

use super::{
    Error,
    ast::{Block, Call, Macro, Macros, Node, Reference, Segment},
};
use std::sync::Arc;

/// How deep blocks, expressions and literals may nest.
const MAX_DEPTH: usize = 48;

/// Parses a template; `depth` is how deep it is itself nested (an interpolated string is a template in a template).
pub fn parse(source: &str, depth: usize) -> Result<(Block, Macros), Error> {
    let mut parser = Parser { source, at: 0, depth, macros: Macros::new() };
    let (block, end) = parser.block()?;
    match end {
        End::Input => Ok((block, parser.macros)),
        End::Word(word) => Err(parser.error(&format!("Encountered \"#{word}\""))),
    }
}

pub(super) struct Parser<'a> {
    pub source: &'a str,
    pub at: usize,
    pub depth: usize,
    pub macros: Macros,
}

/// What ended a block.
enum End {
    Input,
    /// `end`, `else` or `elseif`, consumed.
    Word(&'static str),
}

/// Literal text being collected, and where the run without nodes or line breaks began.
#[derive(Default)]
struct Text {
    nodes: Vec<Node>,
    text: String,
    run: usize,
}

impl Text {
    fn push(&mut self, piece: &str) {
        self.text.push_str(piece);
        if let Some(newline) = self.text.rfind('\n') {
            self.run = self.run.max(newline + 1);
        }
    }

    fn node(&mut self, node: Node) {
        self.flush();
        self.nodes.push(node);
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            self.nodes.push(Node::Text(std::mem::take(&mut self.text)));
        }
        self.run = 0;
    }

    /// Drops the blanks before `#set`, when only blanks precede it.
    fn swallow_indent(&mut self) {
        if self.text[self.run..].chars().all(|c| c == ' ' || c == '\t') {
            self.text.truncate(self.run);
        }
    }
}

impl<'a> Parser<'a> {
    pub fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    pub fn eat(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    pub fn expect(&mut self, token: &str) -> Result<(), Error> {
        if self.eat(token) { Ok(()) } else { Err(self.unexpected()) }
    }

    pub fn blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    pub fn error(&self, message: &str) -> Error {
        let before = &self.source[..self.at.min(self.source.len())];
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        Error::Syntax { message: message.to_owned(), line, column }
    }

    pub fn unexpected(&self) -> Error {
        match self.rest().chars().next() {
            Some(c) => self.error(&format!("Encountered \"{c}\"")),
            None => self.error("Encountered \"<EOF>\""),
        }
    }

    /// Runs `parse` one level deeper, refusing to go too deep.
    pub fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        if self.depth >= MAX_DEPTH {
            return Err(Error::Limit("nesting depth"));
        }
        self.depth += 1;
        let result = parse(self);
        self.depth -= 1;
        result
    }

    fn block(&mut self) -> Result<(Block, End), Error> {
        self.deeper(Self::nodes)
    }

    fn nodes(&mut self) -> Result<(Block, End), Error> {
        let mut out = Text::default();
        loop {
            let rest = self.rest();
            let plain = rest.find(['$', '#', '\\']).unwrap_or(rest.len());
            out.push(&rest[..plain]);
            self.at += plain;
            let Some(next) = self.rest().chars().next() else {
                out.flush();
                return Ok((out.nodes.into(), End::Input));
            };
            let end = match next {
                '$' => self.dollar(&mut out, 0).map(|()| None)?,
                '\\' => self.backslashes(&mut out)?,
                _ => self.hash(&mut out)?,
            };
            if let Some(word) = end {
                out.flush();
                return Ok((out.nodes.into(), End::Word(word)));
            }
        }
    }

    /// Backslashes before a reference are its own affair; before a directive an odd one makes it text.
    fn backslashes(&mut self, out: &mut Text) -> Result<Option<&'static str>, Error> {
        let count = self.rest().bytes().take_while(|b| *b == b'\\').count();
        let slashes = &self.rest()[..count];
        self.at += count;
        if self.rest().starts_with('$') {
            return self.dollar(out, count).map(|()| None);
        }
        let Some(word) = self.directive_ahead() else {
            out.push(slashes);
            return Ok(None);
        };
        out.push(&slashes[..count / 2]);
        if count % 2 == 0 {
            return self.hash(out);
        }
        out.push(&self.rest()[..word]);
        self.at += word;
        Ok(None)
    }

    /// The length of `#word` when a directive or a known macro stands here.
    fn directive_ahead(&self) -> Option<usize> {
        let rest = self.rest().strip_prefix('#')?;
        let braced = rest.starts_with('{');
        let name = identifier(if braced { &rest[1..] } else { rest })?;
        let known = matches!(
            name,
            "set" | "if" | "elseif" | "else" | "end" | "foreach" | "macro" | "define" | "evaluate" | "break" | "stop"
        ) || self.macros.contains_key(name);
        known.then_some(1 + name.len() + if braced { 2 } else { 0 })
    }

    fn dollar(&mut self, out: &mut Text, backslashes: usize) -> Result<(), Error> {
        match self.reference()? {
            Some(reference) => out.node(Node::Reference { backslashes, reference }),
            None => {
                out.push(&"\\".repeat(backslashes));
                out.push("$");
                self.at += 1;
            }
        }
        Ok(())
    }

    /// A reference, or nothing (and nothing consumed) when this `$` starts none.
    pub fn reference(&mut self) -> Result<Option<Reference>, Error> {
        let start = self.at;
        self.at += 1;
        let quiet = self.eat("!");
        let formal = self.eat("{");
        let Some(name) = identifier(self.rest()) else {
            self.at = start;
            return Ok(None);
        };
        self.at += name.len();
        let mut segments = Vec::new();
        loop {
            let rest = self.rest();
            if rest.starts_with('[') {
                self.at += 1;
                self.blanks();
                let index = self.expression()?;
                self.blanks();
                self.expect("]")?;
                segments.push(Segment::Index(index));
            } else if let Some(member) = rest.strip_prefix('.').and_then(identifier) {
                self.at += 1 + member.len();
                segments.push(if self.eat("(") {
                    Segment::Method(member.to_owned(), self.arguments()?)
                } else {
                    Segment::Property(member.to_owned())
                });
            } else {
                break;
            }
        }
        if formal {
            self.expect("}")?;
        }
        let literal = self.source[start..self.at].to_owned();
        Ok(Some(Reference { name: name.to_owned(), segments, quiet, literal }))
    }

    fn hash(&mut self, out: &mut Text) -> Result<Option<&'static str>, Error> {
        let rest = self.rest();
        if rest.starts_with("##") {
            self.at += rest.find('\n').map_or(rest.len(), |newline| newline + 1);
        } else if rest.starts_with("#*") {
            self.at += rest.find("*#").map_or(rest.len(), |end| end + 2);
        } else if let Some(raw) = rest.strip_prefix("#[[") {
            let end = raw.find("]]#").ok_or_else(|| self.error("Unterminated #[["))?;
            out.push(&raw[..end]);
            self.at += end + 6;
        } else {
            return self.directive(out);
        }
        Ok(None)
    }

    fn directive(&mut self, out: &mut Text) -> Result<Option<&'static str>, Error> {
        let start = self.at;
        let after = &self.rest()[1..];
        let block = after.starts_with('@');
        let braced = !block && after.starts_with('{');
        let lead = usize::from(block || braced);
        let Some(name) = identifier(&after[lead..]) else {
            out.push("#");
            self.at += 1;
            return Ok(None);
        };
        // A hyphen ends the words of the language, but may be part of a macro's name.
        let bare = name.split('-').next().unwrap_or(name);
        let word = if self.macros.contains_key(name) { name } else { bare };
        let mut after_word = start + 1 + lead + word.len();
        if braced {
            if !self.source[after_word..].starts_with('}') {
                out.push("#");
                self.at += 1;
                return Ok(None);
            }
            after_word += 1;
        }
        self.at = after_word;
        if block {
            return self.call(name, start, true, out).map(|()| None);
        }
        match word {
            "set" => {
                out.swallow_indent();
                let node = self.set()?;
                out.node(node);
            }
            "if" => {
                let node = self.conditional()?;
                out.node(node);
            }
            "foreach" => {
                let node = self.foreach()?;
                out.node(node);
            }
            "macro" => {
                self.macro_definition()?;
                out.flush();
            }
            "define" => {
                self.open()?;
                let target = self.required_reference()?;
                self.close()?;
                let body = self.body()?;
                out.node(Node::Define { name: target.name, body });
            }
            "evaluate" => {
                self.open()?;
                let source = self.expression()?;
                self.close()?;
                out.node(Node::Evaluate(source));
            }
            "include" | "parse" if self.rest().trim_start_matches([' ', '\t']).starts_with('(') => {
                return Err(self.error(&format!("#{word} is not available")));
            }
            "break" | "stop" => {
                if self.rest().starts_with('(') {
                    self.at += 1;
                    self.arguments()?;
                }
                out.node(if word == "break" { Node::Break } else { Node::Stop });
            }
            "else" | "end" => {
                self.swallow_line();
                return Ok(Some(if word == "else" { "else" } else { "end" }));
            }
            "elseif" => return Ok(Some("elseif")),
            _ => self.call(word, start, false, out)?,
        }
        Ok(None)
    }

    /// `#name(…)`: a macro call as far as one can tell; the engine knows whether the macro exists. Without
    /// parentheses, it is text.
    fn call(&mut self, name: &str, start: usize, block: bool, out: &mut Text) -> Result<(), Error> {
        let blanks = self.rest().len() - self.rest().trim_start_matches([' ', '\t']).len();
        if !self.rest()[blanks..].starts_with('(') || (blanks > 0 && !self.macros.contains_key(name)) {
            out.push(&self.source[start..self.at]);
            return Ok(());
        }
        self.at += blanks + 1;
        let mut arguments = Vec::new();
        loop {
            self.blanks();
            while self.eat(",") {
                self.blanks();
            }
            if self.eat(")") {
                break;
            }
            let from = self.at;
            let argument = match self.deeper(Self::operand) {
                Ok(argument) => argument,
                // `#color(red)` and other text that only looks like a call.
                Err(Error::Syntax { .. }) if !self.macros.contains_key(name) && !block => {
                    self.at = start + 1;
                    out.push("#");
                    return Ok(());
                }
                Err(error) => return Err(error),
            };
            arguments.push((argument, self.source[from..self.at].trim_end().to_owned()));
        }
        let close = self.at;
        let body = if block {
            self.swallow_line();
            Some(self.body()?)
        } else {
            if self.macros.contains_key(name) {
                self.swallow_line();
            }
            None
        };
        let literal = self.source[start..if block { self.at } else { close }].to_owned();
        out.node(Node::Call(Call { name: name.to_owned(), arguments, body, literal }));
        Ok(())
    }

    fn open(&mut self) -> Result<(), Error> {
        self.blanks();
        self.expect("(")?;
        self.blanks();
        Ok(())
    }

    /// A directive's `)` with the rest of its line, when that is blank.
    fn close(&mut self) -> Result<(), Error> {
        self.blanks();
        self.expect(")")?;
        self.swallow_line();
        Ok(())
    }

    fn swallow_line(&mut self) {
        let blank = self.rest().trim_start_matches([' ', '\t']);
        let blank = blank.strip_prefix('\r').filter(|rest| rest.starts_with('\n')).unwrap_or(blank);
        if let Some(next_line) = blank.strip_prefix('\n') {
            self.at = self.source.len() - next_line.len();
        }
    }

    /// A block up to its `#end`.
    fn body(&mut self) -> Result<Block, Error> {
        match self.block()? {
            (block, End::Word("end")) => Ok(block),
            (_, End::Word(word)) => Err(self.error(&format!("Encountered \"#{word}\""))),
            (_, End::Input) => Err(self.unexpected()),
        }
    }

    fn required_reference(&mut self) -> Result<Reference, Error> {
        if !self.rest().starts_with('$') {
            return Err(self.unexpected());
        }
        self.reference()?.ok_or_else(|| self.unexpected())
    }

    fn set(&mut self) -> Result<Node, Error> {
        self.open()?;
        let target = self.required_reference()?;
        self.blanks();
        self.expect("=")?;
        self.blanks();
        let value = self.expression()?;
        self.close()?;
        Ok(Node::Set { target, value })
    }

    fn conditional(&mut self) -> Result<Node, Error> {
        let mut branches = Vec::new();
        let mut otherwise = None;
        loop {
            self.open()?;
            let condition = self.expression()?;
            self.close()?;
            let (block, end) = self.block()?;
            branches.push((condition, block));
            match end {
                End::Word("elseif") => {}
                End::Word("else") => {
                    otherwise = Some(self.body()?);
                    break;
                }
                End::Word(_) => break,
                End::Input => return Err(self.unexpected()),
            }
        }
        Ok(Node::If { branches, otherwise })
    }

    fn foreach(&mut self) -> Result<Node, Error> {
        self.open()?;
        let variable = self.required_reference()?.name;
        self.blanks();
        self.expect("in")?;
        self.blanks();
        let source = self.expression()?;
        self.close()?;
        let body = self.body()?;
        Ok(Node::Foreach { variable, source, body })
    }

    /// Macros exist from the start of the template, wherever they are defined; the first definition stays.
    fn macro_definition(&mut self) -> Result<(), Error> {
        self.open()?;
        let name = identifier(self.rest()).ok_or_else(|| self.unexpected())?;
        self.at += name.len();
        let mut parameters = Vec::new();
        loop {
            self.blanks();
            self.eat(",");
            self.blanks();
            if self.rest().starts_with(')') {
                break;
            }
            parameters.push(self.required_reference()?.name);
        }
        self.close()?;
        let body = self.body()?;
        self.macros.entry(name.to_owned()).or_insert_with(|| Arc::new(Macro { parameters, body }));
        Ok(())
    }
}

/// The identifier that `text` starts with.
pub fn identifier(text: &str) -> Option<&str> {
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-')).unwrap_or(text.len());
    starts.then(|| &text[..end])
}
