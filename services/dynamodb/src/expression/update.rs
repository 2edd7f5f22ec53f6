//! Update expressions: their tree and grammar.

use super::lexer::Token;
use super::parser::Parser;
use super::path::find_clash;
use super::{Kind, Path, Placeholders};
use crate::error::Invalid;
use crate::value::{AttributeValue, Type};

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Update<'a> {
    pub set: Vec<(Path<'a>, Source<'a>)>,
    pub remove: Vec<Path<'a>>,
    pub add: Vec<(Path<'a>, &'a AttributeValue)>,
    pub delete: Vec<(Path<'a>, &'a AttributeValue)>,
}

/// What SET sets a path to.
#[derive(Clone, Debug, PartialEq)]
pub enum Source<'a> {
    Path(Path<'a>),
    Value(&'a AttributeValue),
    IfNotExists(Path<'a>, Box<Source<'a>>),
    ListAppend(Box<Source<'a>>, Box<Source<'a>>),
    Plus(Box<Source<'a>>, Box<Source<'a>>),
    Minus(Box<Source<'a>>, Box<Source<'a>>),
}

impl<'a> Update<'a> {
    pub fn parse(text: &'a str, placeholders: &mut Placeholders<'a>) -> Result<Update<'a>, Invalid> {
        let mut parser = Parser::new(Kind::Update, text, placeholders)?;
        let mut update = Update::default();
        let mut seen = Vec::with_capacity(4);
        while parser.peek() != Token::End {
            let section = parser.section(&mut update)?;
            if seen.contains(&section) {
                parser
                    .complain(format_args!("The \"{section}\" section can only be used once in an update expression;"));
            }
            seen.push(section);
        }
        if let Some(clash) = find_clash(&update.targets().collect::<Vec<_>>()) {
            parser.complain(clash);
        }
        parser.finish()?;
        Ok(update)
    }

    /// Whether the update makes an item where there is none; only taking away does not.
    pub fn creates(&self) -> bool {
        let takes_away = !self.remove.is_empty() || !self.delete.is_empty();
        !self.set.is_empty() || !self.add.is_empty() || !takes_away
    }

    /// Every path that the update writes to.
    pub fn targets(&self) -> impl Iterator<Item = &Path<'a>> {
        let set = self.set.iter().map(|(path, _)| path);
        let valued = self.add.iter().chain(&self.delete).map(|(path, _)| path);
        set.chain(&self.remove).chain(valued)
    }
}

impl<'a> Parser<'a, '_> {
    fn section(&mut self, update: &mut Update<'a>) -> Result<&'static str, Invalid> {
        if self.eat_keyword("SET") {
            self.list(|parser| {
                let target = parser.path()?;
                parser.expect(Token::Equal)?;
                parser.count_operator();
                let source = parser.source()?;
                update.set.push((target, source));
                Ok(())
            })?;
            return Ok("SET");
        }
        if self.eat_keyword("REMOVE") {
            self.list(|parser| {
                update.remove.push(parser.path()?);
                Ok(())
            })?;
            return Ok("REMOVE");
        }
        if self.eat_keyword("ADD") {
            self.list(|parser| {
                update.add.push(parser.target_and_value("ADD", |kind| kind.is_set() || kind == Type::N)?);
                Ok(())
            })?;
            return Ok("ADD");
        }
        if self.eat_keyword("DELETE") {
            self.list(|parser| {
                update.delete.push(parser.target_and_value("DELETE", Type::is_set)?);
                Ok(())
            })?;
            return Ok("DELETE");
        }
        Err(self.syntax_error())
    }

    fn list(&mut self, mut one: impl FnMut(&mut Self) -> Result<(), Invalid>) -> Result<(), Invalid> {
        one(self)?;
        while self.eat(Token::Comma) {
            one(self)?;
        }
        Ok(())
    }

    fn target_and_value(
        &mut self,
        action: &str,
        allowed: impl Fn(Type) -> bool,
    ) -> Result<(Path<'a>, &'a AttributeValue), Invalid> {
        let target = self.path()?;
        let value = self.value()?;
        self.count_operator();
        let kind = Type::of(value);
        if !allowed(kind) {
            self.complain(format_args!(
                "Incorrect operand type for operator or function; operator: {action}, operand type: {}, \
                 typeSet: ALLOWED_FOR_{action}_OPERAND",
                kind.long_name()
            ));
        }
        Ok((target, value))
    }

    fn source(&mut self) -> Result<Source<'a>, Invalid> {
        let left = self.term()?;
        let (operator, build): (_, fn(_, _) -> _) = match self.peek() {
            Token::Plus => ("+", Source::Plus),
            Token::Minus => ("-", Source::Minus),
            _ => return Ok(left),
        };
        self.advance();
        self.count_operator();
        let right = self.term()?;
        self.check_literals(operator, [&left, &right], Type::N);
        Ok(build(Box::new(left), Box::new(right)))
    }

    fn term(&mut self) -> Result<Source<'a>, Invalid> {
        match self.peek() {
            Token::Value => Ok(Source::Value(self.value()?)),
            Token::Word if self.peek_second() == Token::Open => self.nested(Self::function),
            Token::Open => {
                self.advance();
                let inner = self.nested(Self::source)?;
                self.expect(Token::Close)?;
                Ok(inner)
            }
            _ => Ok(Source::Path(self.path()?)),
        }
    }

    fn function(&mut self) -> Result<Source<'a>, Invalid> {
        let name = self.text();
        self.advance();
        self.advance();
        self.count_operator();
        let mut operands = Vec::with_capacity(2);
        self.list(|parser| {
            operands.push(parser.term()?);
            Ok(())
        })?;
        self.expect(Token::Close)?;
        let count = operands.len();
        match (name, <[Source<'a>; 2]>::try_from(operands)) {
            ("if_not_exists", Ok([Source::Path(path), otherwise])) => {
                return Ok(Source::IfNotExists(path, Box::new(otherwise)));
            }
            ("if_not_exists", Ok(_)) => self
                .complain(format_args!("Operator or function requires a document path; operator or function: {name}")),
            ("list_append", Ok([left, right])) => {
                self.check_literals(name, [&left, &right], Type::L);
                return Ok(Source::ListAppend(Box::new(left), Box::new(right)));
            }
            ("if_not_exists" | "list_append", Err(_)) => self.complain_of_count(name, count),
            (
                "attribute_exists" | "attribute_not_exists" | "attribute_type" | "begins_with" | "contains" | "size",
                _,
            ) => self.complain(format_args!("The function is not allowed in an update expression; function: {name}")),
            _ => self.complain(format_args!("Invalid function name; function: {name}")),
        }
        Ok(Source::Path(Path::top_level("")))
    }

    fn check_literals(&mut self, operator: &str, operands: [&Source<'a>; 2], wanted: Type) {
        for operand in operands {
            if let Source::Value(value) = operand
                && Type::of(value) != wanted
            {
                self.complain_of_operand(operator, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn message(text: &str) -> String {
        let values: BTreeMap<String, AttributeValue> = [
            (":s", AttributeValue::S("x".into())),
            (":n", AttributeValue::N("1".into())),
            (":l", AttributeValue::L(vec![])),
            (":m", AttributeValue::M([].into())),
            (":ss", AttributeValue::Ss(vec!["a".into()])),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_string(), value))
        .collect();
        let mut placeholders = Placeholders::new(None, Some(&values));
        match Update::parse(text, &mut placeholders) {
            Ok(_) => String::new(),
            Err(Invalid(message)) => message.strip_prefix("Invalid UpdateExpression: ").unwrap().to_string(),
        }
    }

    #[test]
    fn valid_updates() {
        for text in [
            "SET a = :s, b.c[2] = if_not_exists(d, :n) + :n REMOVE e, f[0] ADD g :n DELETE h :ss",
            "set a = list_append(if_not_exists(a, :l), :l)",
            "SET a = (b - :n)",
            "remove a",
        ] {
            assert_eq!(message(text), "", "{text}");
        }
    }

    #[test]
    fn complaints() {
        for (text, expected) in [
            ("INVALID SYNTAX HERE", "Syntax error; token: \"INVALID\", near: \"INVALID SYNTAX\""),
            ("SET", "Syntax error; token: \"<EOF>\", near: \"SET\""),
            ("SET a", "Syntax error; token: \"<EOF>\", near: \"a\""),
            ("set _something = :s", "Syntax error; token: \"_\", near: \"set _something\""),
            ("ADD hits : incr", "Syntax error; token: \":\", near: \"hits : incr\""),
            ("SET a = :n + :n + :n", "Syntax error; token: \"+\", near: \":n + :n\""),
            ("SET a = :s SET b = :s", "The \"SET\" section can only be used once in an update expression;"),
            (
                "SET a = :s REMOVE a",
                "Two document paths overlap with each other; must remove or rewrite one of these paths; \
                 path one: [a], path two: [a]",
            ),
            (
                "SET a = :n + :s",
                "Incorrect operand type for operator or function; operator or function: +, operand type: S",
            ),
            (
                "SET a = list_append(a, :m)",
                "Incorrect operand type for operator or function; operator or function: list_append, operand type: M",
            ),
            (
                "ADD a :l",
                "Incorrect operand type for operator or function; operator: ADD, operand type: LIST, \
                 typeSet: ALLOWED_FOR_ADD_OPERAND",
            ),
            (
                "DELETE a :n",
                "Incorrect operand type for operator or function; operator: DELETE, operand type: NUMBER, \
                 typeSet: ALLOWED_FOR_DELETE_OPERAND",
            ),
            (
                "SET a = if_not_exists(:s, :s)",
                "Operator or function requires a document path; operator or function: if_not_exists",
            ),
            (
                "SET a = list_append(:l)",
                "Incorrect number of operands for operator or function; operator or function: list_append, \
                 number of operands: 1",
            ),
            ("SET a = size(b)", "The function is not allowed in an update expression; function: size"),
            ("SET a = foo(b)", "Invalid function name; function: foo"),
            ("SET status = :s", "Attribute name is a reserved keyword; reserved keyword: status"),
        ] {
            assert_eq!(message(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(
            tokens in prop::collection::vec(
                prop::sample::select(vec![
                    "SET", "REMOVE", "ADD", "DELETE", "a", ":n", ":s", ":x", "=", "+", "-", "(", ")", ",", ".", "[",
                    "]", "0", "if_not_exists(", "list_append(", "é",
                ]),
                0..24,
            )
        ) {
            message(&format!("SET {}", tokens.join(" ")));
            message(&format!("x{}", tokens.concat()));
        }
    }
}
