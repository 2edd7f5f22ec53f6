//! Expressions: what stands in the parentheses of a directive and in the arguments of a method.

use super::{
    Error,
    ast::{Expr, Operator},
    parser::{Parser, identifier, parse},
};

/// Binary operators from loosest to tightest. A longer spelling stands before one that begins it.
const LEVELS: [&[(&str, Operator)]; 6] = [
    &[("||", Operator::Or), ("or", Operator::Or)],
    &[("&&", Operator::And), ("and", Operator::And)],
    &[("==", Operator::Equal), ("eq", Operator::Equal), ("!=", Operator::NotEqual), ("ne", Operator::NotEqual)],
    &[
        ("<=", Operator::LessOrEqual),
        ("le", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("ge", Operator::GreaterOrEqual),
        ("<", Operator::Less),
        ("lt", Operator::Less),
        (">", Operator::Greater),
        ("gt", Operator::Greater),
    ],
    &[("+", Operator::Add), ("-", Operator::Subtract)],
    &[("*", Operator::Multiply), ("/", Operator::Divide), ("%", Operator::Remainder)],
];

impl Parser<'_> {
    pub fn expression(&mut self) -> Result<Expr, Error> {
        self.deeper(|parser| parser.level(0))
    }

    fn level(&mut self, level: usize) -> Result<Expr, Error> {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.level(level + 1)?;
        loop {
            let before = self.at;
            self.blanks();
            let Some(operator) = self.operator(operators) else {
                self.at = before;
                return Ok(left);
            };
            self.blanks();
            let right = self.level(level + 1)?;
            left = Expr::Binary(operator, Box::new(left), Box::new(right));
        }
    }

    fn operator(&mut self, operators: &[(&str, Operator)]) -> Option<Operator> {
        let rest = self.rest();
        let (spelling, operator) = operators.iter().find(|(spelling, _)| match identifier(rest) {
            Some(word) => word == *spelling,
            None => rest.starts_with(spelling),
        })?;
        self.at += spelling.len();
        Some(*operator)
    }

    fn unary(&mut self) -> Result<Expr, Error> {
        self.blanks();
        let negated = match identifier(self.rest()) {
            Some("not") => self.eat("not"),
            _ => self.eat("!"),
        };
        if negated {
            return self.deeper(|parser| Ok(Expr::Not(Box::new(parser.unary()?))));
        }
        self.operand()
    }

    /// A literal, a reference or a parenthesised expression.
    pub fn operand(&mut self) -> Result<Expr, Error> {
        self.blanks();
        let rest = self.rest();
        match rest.chars().next() {
            Some('$') => match self.reference()? {
                Some(reference) => Ok(Expr::Reference(Box::new(reference))),
                None => Err(self.unexpected()),
            },
            Some('"') => self.double_quoted(),
            Some('\'') => Ok(Expr::Text(self.quoted('\'')?.into())),
            Some('[') => self.list_or_range(),
            Some('{') => self.map(),
            Some('(') => {
                self.at += 1;
                let inner = self.expression()?;
                self.blanks();
                self.expect(")")?;
                Ok(inner)
            }
            Some(c) if c.is_ascii_digit() || c == '-' => self.number(),
            _ => match identifier(rest) {
                Some("true") => {
                    self.at += 4;
                    Ok(Expr::Bool(true))
                }
                Some("false") => {
                    self.at += 5;
                    Ok(Expr::Bool(false))
                }
                _ => Err(self.unexpected()),
            },
        }
    }

    /// The arguments of a method after its `(`.
    pub fn arguments(&mut self) -> Result<Vec<Expr>, Error> {
        self.sequence(")")
    }

    /// Expressions separated by commas, up to `close`.
    fn sequence(&mut self, close: &str) -> Result<Vec<Expr>, Error> {
        let mut items = Vec::new();
        self.blanks();
        if self.eat(close) {
            return Ok(items);
        }
        loop {
            items.push(self.expression()?);
            self.blanks();
            if self.eat(close) {
                return Ok(items);
            }
            self.expect(",")?;
        }
    }

    fn list_or_range(&mut self) -> Result<Expr, Error> {
        self.at += 1;
        self.blanks();
        if self.eat("]") {
            return Ok(Expr::List(Vec::new()));
        }
        let first = self.expression()?;
        self.blanks();
        if self.eat("..") {
            let last = self.expression()?;
            self.blanks();
            self.expect("]")?;
            return Ok(Expr::Range(Box::new(first), Box::new(last)));
        }
        let mut items = vec![first];
        if !self.eat("]") {
            self.expect(",")?;
            self.blanks();
            if self.rest().starts_with(']') {
                return Err(self.unexpected());
            }
            items.extend(self.sequence("]")?);
        }
        Ok(Expr::List(items))
    }

    fn map(&mut self) -> Result<Expr, Error> {
        self.at += 1;
        let mut entries = Vec::new();
        self.blanks();
        if self.eat("}") {
            return Ok(Expr::Map(entries));
        }
        loop {
            let key = self.expression()?;
            self.blanks();
            self.expect(":")?;
            let value = self.expression()?;
            entries.push((key, value));
            self.blanks();
            if self.eat("}") {
                return Ok(Expr::Map(entries));
            }
            self.expect(",")?;
        }
    }

    fn number(&mut self) -> Result<Expr, Error> {
        let rest = self.rest();
        let digits = |from: usize| rest[from..].bytes().take_while(u8::is_ascii_digit).count();
        let sign = usize::from(rest.starts_with('-'));
        let mut end = sign + digits(sign);
        if end == sign {
            return Err(self.unexpected());
        }
        let mut fractional = false;
        if rest[end..].starts_with('.') && digits(end + 1) > 0 {
            fractional = true;
            end += 1 + digits(end + 1);
        }
        if rest[end..].starts_with(['e', 'E']) {
            let signed = usize::from(rest[end + 1..].starts_with(['+', '-']));
            if digits(end + 1 + signed) > 0 {
                fractional = true;
                end += 1 + signed + digits(end + 1 + signed);
            }
        }
        let text = &rest[..end];
        let number = match text.parse() {
            Ok(integer) if !fractional => Expr::Int(integer),
            _ => Expr::Double(text.parse().map_err(|_| self.unexpected())?),
        };
        self.at += end;
        Ok(number)
    }

    /// The text between quotes; a doubled quote stands for itself.
    fn quoted(&mut self, quote: char) -> Result<String, Error> {
        let mut text = String::new();
        let mut characters = self.rest().char_indices().skip(1).peekable();
        while let Some((at, c)) = characters.next() {
            if c != quote {
                text.push(c);
            } else if characters.next_if(|(_, next)| *next == quote).is_some() {
                text.push(quote);
            } else {
                self.at += at + 1;
                return Ok(text);
            }
        }
        self.at = self.source.len();
        Err(self.unexpected())
    }

    fn double_quoted(&mut self) -> Result<Expr, Error> {
        let text = self.quoted('"')?;
        if !text.contains(['$', '#']) {
            return Ok(Expr::Text(text.into()));
        }
        let (body, macros) = self.deeper(|parser| parse(&text, parser.depth))?;
        for (name, definition) in macros {
            self.macros.entry(name).or_insert(definition);
        }
        Ok(Expr::Interpolated(body))
    }
}
