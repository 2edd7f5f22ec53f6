//! From the text of a query to its tree.

use super::value::Value;
use super::{Result, SelectError};

#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    Literal(Value),
    /// Names and places from the record down; a name in quotes minds its case.
    Path(Vec<Step>),
    Not(Box<Expression>),
    Negative(Box<Expression>),
    Binary(&'static str, Box<Expression>, Box<Expression>),
    In(Box<Expression>, Vec<Expression>),
    Between(Box<Expression>, Box<Expression>, Box<Expression>),
    Like(Box<Expression>, Box<Expression>, Option<Box<Expression>>),
    IsNull(Box<Expression>),
    IsMissing(Box<Expression>),
    Cast(Box<Expression>, String),
    /// By its name in upper case.
    Call(String, Vec<Expression>),
    /// The number of an aggregate in [`Query::aggregates`].
    Aggregate(usize),
    Case(Vec<(Expression, Expression)>, Option<Box<Expression>>),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    Name(String),
    Exact(String),
    Index(usize),
    /// Everything in a list.
    All,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// `COUNT`, `SUM`, `AVG`, `MIN` or `MAX`
    pub name: String,
    /// Nothing for `COUNT(*)`.
    pub of: Option<Expression>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    /// Empty for everything.
    pub columns: Vec<(Expression, Option<String>)>,
    /// Below the object.
    pub from: Vec<Step>,
    pub alias: Option<String>,
    pub condition: Option<Expression>,
    pub limit: Option<usize>,
    pub aggregates: Vec<Aggregate>,
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Quoted(String),
    Text(String),
    Number(String),
    Symbol(&'static str),
    End,
}

const SYMBOLS: [&str; 20] =
    ["<>", "!=", "<=", ">=", "||", "[*]", "=", "<", ">", "(", ")", ",", ".", "*", "+", "-", "/", "%", "[", "]"];

fn lex(text: &str) -> Result<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim().trim_end_matches(';');
    'token: while let Some(first) = rest.chars().next() {
        if first.is_whitespace() {
            rest = rest.trim_start();
            continue;
        }
        if first == '\'' || first == '"' {
            let mut value = String::new();
            let mut inner = rest[1..].chars();
            loop {
                match inner.next() {
                    Some(c) if c == first && inner.as_str().starts_with(first) => {
                        value.push(c);
                        inner.next();
                    }
                    Some(c) if c == first => break,
                    Some(c) => value.push(c),
                    None => return Err(SelectError::new("LexerInvalidLiteral", "The SQL token is invalid.")),
                }
            }
            rest = inner.as_str();
            tokens.push(if first == '"' { Token::Quoted(value) } else { Token::Text(value) });
            continue;
        }
        if first.is_ascii_digit() {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '.').unwrap_or(rest.len());
            tokens.push(Token::Number(rest[..end].to_owned()));
            rest = &rest[end..];
            continue;
        }
        if first.is_alphabetic() || first == '_' || first == '$' {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '$').unwrap_or(rest.len());
            tokens.push(Token::Word(rest[..end].to_owned()));
            rest = &rest[end..];
            continue;
        }
        for symbol in SYMBOLS {
            if let Some(after) = rest.strip_prefix(symbol) {
                tokens.push(Token::Symbol(symbol));
                rest = after;
                continue 'token;
            }
        }
        return Err(SelectError::new(
            "LexerInvalidChar",
            format!("The SQL expression contains an invalid character: {first}."),
        ));
    }
    tokens.push(Token::End);
    Ok(tokens)
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    aggregates: Vec<Aggregate>,
    depth: usize,
}

const MAX_DEPTH: usize = 64;
const RESERVED: [&str; 9] = ["FROM", "WHERE", "LIMIT", "AS", "AND", "OR", "GROUP", "ORDER", "JOIN"];

/// Reads a query.
pub fn parse(text: &str) -> Result<Query> {
    let mut parser = Parser { tokens: lex(text)?, at: 0, aggregates: Vec::new(), depth: 0 };
    let mut query = Query::default();
    parser.expect_word("SELECT", "ParseExpectedKeyword")?;
    if parser.symbol("*") {
        // Everything.
    } else {
        loop {
            let expression = parser.expression()?;
            query.columns.push((expression, parser.alias()?));
            if !parser.symbol(",") {
                break;
            }
        }
        // `s.*` is everything too.
        if let [(Expression::Path(path), None)] = query.columns.as_slice()
            && matches!(path.as_slice(), [Step::Name(_), Step::All])
        {
            query.columns.clear();
        }
    }
    parser.expect_word("FROM", "ParseSelectMissingFrom")?;
    if !parser.word("S3Object") {
        return Err(SelectError::new("ParseInvalidPathComponent", "The data source of the query must be S3Object."));
    }
    if parser.symbol("[*]") {
        query.from.push(Step::All);
    }
    query.from.extend(parser.steps()?);
    query.alias = parser.alias()?;
    if parser.word("WHERE") {
        query.condition = Some(parser.expression()?);
    }
    if parser.word("LIMIT") {
        match parser.next() {
            Token::Number(number) if number.parse::<usize>().is_ok() => query.limit = number.parse().ok(),
            other => return Err(unexpected(&other)),
        }
    }
    match parser.next() {
        Token::End => {}
        other => return Err(unexpected(&other)),
    }
    query.aggregates = parser.aggregates;
    let plain = query.columns.iter().any(|(expression, _)| matches!(expression, Expression::Path(_)));
    if !query.aggregates.is_empty() && plain {
        let text = "GROUP BY is not supported in the SQL expression: columns cannot be beside aggregates.";
        return Err(SelectError::new("ParseUnsupportedSyntax", text));
    }
    Ok(query)
}

fn unexpected(token: &Token) -> SelectError {
    let shown = match token {
        Token::Word(word) | Token::Quoted(word) => format!("IDENTIFIER:{word}"),
        Token::Text(text) | Token::Number(text) => format!("LITERAL:{text}"),
        Token::Symbol(symbol) => format!("OPERATOR:{symbol}"),
        Token::End => "EOF".to_owned(),
    };
    SelectError::new("ParseUnexpectedToken", format!("Unexpected token found {shown}."))
}

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).unwrap_or(&Token::End)
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Word(text) if text.eq_ignore_ascii_case(word))
    }

    fn word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.at += usize::from(found);
        found
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Token::Symbol(text) if *text == symbol);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: &str) -> Result<()> {
        if self.symbol(symbol) { Ok(()) } else { Err(unexpected(self.peek())) }
    }

    fn expect_word(&mut self, word: &str, code: &'static str) -> Result<()> {
        if self.word(word) {
            return Ok(());
        }
        Err(SelectError::new(code, format!("The keyword {word} was expected in the SQL expression.")))
    }

    fn alias(&mut self) -> Result<Option<String>> {
        let named = self.word("AS");
        match self.peek().clone() {
            Token::Quoted(name) => {
                self.at += 1;
                Ok(Some(name))
            }
            Token::Word(name) if named || !RESERVED.iter().any(|word| name.eq_ignore_ascii_case(word)) => {
                self.at += 1;
                Ok(Some(name))
            }
            other if named => Err(unexpected(&other)),
            _ => Ok(None),
        }
    }

    /// `.name`, `."Name"`, `[3]`, `[*]`, `.*`
    fn steps(&mut self) -> Result<Vec<Step>> {
        let mut steps = Vec::new();
        loop {
            if self.symbol("[*]") {
                steps.push(Step::All);
            } else if self.symbol("[") {
                match self.next() {
                    Token::Number(number) if number.parse::<usize>().is_ok() => {
                        steps.push(Step::Index(number.parse().unwrap_or_default()));
                    }
                    Token::Text(name) => steps.push(Step::Exact(name)),
                    other => return Err(unexpected(&other)),
                }
                self.expect("]")?;
            } else if self.symbol(".") {
                match self.next() {
                    Token::Word(name) => steps.push(Step::Name(name)),
                    Token::Quoted(name) => steps.push(Step::Exact(name)),
                    Token::Symbol("*") => steps.push(Step::All),
                    other => return Err(unexpected(&other)),
                }
            } else {
                return Ok(steps);
            }
        }
    }

    fn expression(&mut self) -> Result<Expression> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(SelectError::new("ExpressionTooLong", "The SQL expression is nested too deeply."));
        }
        let mut left = self.conjunction()?;
        while self.word("OR") {
            left = Expression::Binary("OR", left.into(), self.conjunction()?.into());
        }
        self.depth -= 1;
        Ok(left)
    }

    fn conjunction(&mut self) -> Result<Expression> {
        let mut left = self.negation()?;
        while self.word("AND") {
            left = Expression::Binary("AND", left.into(), self.negation()?.into());
        }
        Ok(left)
    }

    fn negation(&mut self) -> Result<Expression> {
        let mut count = 0;
        while self.word("NOT") {
            count += 1;
        }
        let inner = self.comparison()?;
        Ok(if count % 2 == 1 { Expression::Not(inner.into()) } else { inner })
    }

    fn comparison(&mut self) -> Result<Expression> {
        let left = self.sum()?;
        if self.word("IS") {
            let not = self.word("NOT");
            let inner = match self.next() {
                Token::Word(word) if word.eq_ignore_ascii_case("NULL") => Expression::IsNull(left.into()),
                Token::Word(word) if word.eq_ignore_ascii_case("MISSING") => Expression::IsMissing(left.into()),
                other => return Err(unexpected(&other)),
            };
            return Ok(if not { Expression::Not(inner.into()) } else { inner });
        }
        let not = self.word("NOT");
        let inner = if self.word("IN") {
            self.expect("(")?;
            let list = self.list(")")?;
            Expression::In(left.into(), list)
        } else if self.word("BETWEEN") {
            let low = self.sum()?;
            self.expect_word("AND", "ParseExpectedKeyword")?;
            Expression::Between(left.into(), low.into(), self.sum()?.into())
        } else if self.word("LIKE") {
            let pattern = self.sum()?;
            let escape = if self.word("ESCAPE") { Some(Box::new(self.sum()?)) } else { None };
            Expression::Like(left.into(), pattern.into(), escape)
        } else if not {
            return Err(unexpected(self.peek()));
        } else {
            for symbol in ["=", "<>", "!=", "<=", ">=", "<", ">"] {
                if self.symbol(symbol) {
                    return Ok(Expression::Binary(symbol, left.into(), self.sum()?.into()));
                }
            }
            return Ok(left);
        };
        Ok(if not { Expression::Not(inner.into()) } else { inner })
    }

    fn list(&mut self, end: &str) -> Result<Vec<Expression>> {
        let mut list = Vec::new();
        if self.symbol(end) {
            return Ok(list);
        }
        loop {
            list.push(self.expression()?);
            if !self.symbol(",") {
                self.expect(end)?;
                return Ok(list);
            }
        }
    }

    fn sum(&mut self) -> Result<Expression> {
        let mut left = self.product()?;
        loop {
            let Some(symbol) = ["+", "-", "||"].into_iter().find(|symbol| self.symbol(symbol)) else { return Ok(left) };
            left = Expression::Binary(symbol, left.into(), self.product()?.into());
        }
    }

    fn product(&mut self) -> Result<Expression> {
        let mut left = self.unary()?;
        loop {
            let Some(symbol) = ["*", "/", "%"].into_iter().find(|symbol| self.symbol(symbol)) else { return Ok(left) };
            left = Expression::Binary(symbol, left.into(), self.unary()?.into());
        }
    }

    fn unary(&mut self) -> Result<Expression> {
        let mut negative = false;
        loop {
            if self.symbol("-") {
                negative = !negative;
            } else if !self.symbol("+") {
                break;
            }
        }
        let inner = self.primary()?;
        Ok(if negative { Expression::Negative(inner.into()) } else { inner })
    }

    fn primary(&mut self) -> Result<Expression> {
        match self.next() {
            Token::Text(text) => Ok(Expression::Literal(Value::Text(text))),
            Token::Number(number) => match Value::Text(number.clone()).number() {
                Some(value) => Ok(Expression::Literal(value)),
                None => Err(unexpected(&Token::Number(number))),
            },
            Token::Symbol("(") => {
                let inner = self.expression()?;
                self.expect(")")?;
                Ok(inner)
            }
            Token::Quoted(name) => {
                let mut path = vec![Step::Exact(name)];
                path.extend(self.steps()?);
                Ok(Expression::Path(path))
            }
            Token::Word(word) => self.named(word),
            other => Err(unexpected(&other)),
        }
    }

    fn named(&mut self, word: String) -> Result<Expression> {
        let upper = word.to_ascii_uppercase();
        match upper.as_str() {
            "TRUE" => return Ok(Expression::Literal(Value::Bool(true))),
            "FALSE" => return Ok(Expression::Literal(Value::Bool(false))),
            "NULL" => return Ok(Expression::Literal(Value::Null)),
            "MISSING" => return Ok(Expression::Literal(Value::Missing)),
            "CASE" => return self.case(),
            _ => {}
        }
        if RESERVED.contains(&upper.as_str()) {
            let text = format!("The SQL expression contains an unexpected keyword: {word}.");
            return Err(SelectError::new("ParseUnexpectedKeyword", text));
        }
        if !self.symbol("(") {
            let mut path = vec![Step::Name(word)];
            path.extend(self.steps()?);
            return Ok(Expression::Path(path));
        }
        match upper.as_str() {
            "CAST" => {
                let of = self.expression()?;
                self.expect_word("AS", "ParseExpectedKeyword")?;
                let Token::Word(kind) = self.next() else {
                    return Err(SelectError::new("ParseExpectedTypeName", "A type name was expected in the CAST."));
                };
                // Lengths and precisions are read and mean nothing.
                if self.symbol("(") {
                    self.list(")")?;
                }
                self.expect(")")?;
                Ok(Expression::Cast(of.into(), kind.to_ascii_uppercase()))
            }
            "COUNT" | "SUM" | "AVG" | "MIN" | "MAX" => {
                let of = if upper == "COUNT" && self.symbol("*") { None } else { Some(self.expression()?) };
                self.expect(")")?;
                self.aggregates.push(Aggregate { name: upper, of });
                Ok(Expression::Aggregate(self.aggregates.len() - 1))
            }
            "SUBSTRING" => {
                let mut list = vec![self.expression()?];
                for keyword in ["FROM", "FOR"] {
                    if self.word(keyword) || self.symbol(",") {
                        list.push(self.expression()?);
                    }
                }
                self.expect(")")?;
                Ok(Expression::Call(upper, list))
            }
            "TRIM" => {
                let side = ["LEADING", "TRAILING", "BOTH"].into_iter().find(|side| self.word(side)).unwrap_or("BOTH");
                let side = Expression::Literal(Value::Text(side.to_owned()));
                let blank = Expression::Literal(Value::Text(" ".to_owned()));
                if self.word("FROM") {
                    let of = self.expression()?;
                    self.expect(")")?;
                    return Ok(Expression::Call(upper, vec![of, side, blank]));
                }
                let first = self.expression()?;
                let call =
                    if self.word("FROM") { vec![self.expression()?, side, first] } else { vec![first, side, blank] };
                self.expect(")")?;
                Ok(Expression::Call(upper, call))
            }
            "EXTRACT" => {
                let part = self.part()?;
                self.expect_word("FROM", "ParseExpectedKeyword")?;
                let of = self.expression()?;
                self.expect(")")?;
                Ok(Expression::Call(upper, vec![part, of]))
            }
            "DATE_ADD" | "DATE_DIFF" => {
                let mut list = vec![self.part()?];
                self.expect(",")?;
                list.extend(self.list(")")?);
                Ok(Expression::Call(upper, list))
            }
            _ => {
                let list = self.list(")")?;
                super::functions::check(&upper, list.len())?;
                Ok(Expression::Call(upper, list))
            }
        }
    }

    /// The name of a part of a date.
    fn part(&mut self) -> Result<Expression> {
        match self.next() {
            Token::Word(part) => Ok(Expression::Literal(Value::Text(part.to_ascii_lowercase()))),
            _ => Err(SelectError::new("ParseExpectedDatePart", "A part of a date was expected in the SQL expression.")),
        }
    }

    fn case(&mut self) -> Result<Expression> {
        let subject = if self.is_word("WHEN") { None } else { Some(self.expression()?) };
        let mut branches = Vec::new();
        while self.word("WHEN") {
            let when = self.expression()?;
            let when = match &subject {
                Some(subject) => Expression::Binary("=", subject.clone().into(), when.into()),
                None => when,
            };
            self.expect_word("THEN", "ParseExpectedKeyword")?;
            branches.push((when, self.expression()?));
        }
        if branches.is_empty() {
            return Err(SelectError::new("ParseExpectedWhenClause", "The CASE has no WHEN clause."));
        }
        let otherwise = if self.word("ELSE") { Some(Box::new(self.expression()?)) } else { None };
        self.expect_word("END", "ParseExpectedKeyword")?;
        Ok(Expression::Case(branches, otherwise))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn queries() {
        for good in [
            "SELECT * FROM S3Object",
            "select s.* from s3object s where s._1 = 'a' limit 5",
            "SELECT s.\"First Name\" AS n, s._2 FROM S3Object[*].items[*] AS s WHERE NOT s.a IS MISSING;",
            "SELECT COUNT(*), AVG(CAST(s.x AS DECIMAL(5,2))) FROM S3Object s",
            "SELECT CASE WHEN a > 1 THEN 'x' ELSE 'y' END FROM S3Object",
            "SELECT SUBSTRING(a FROM 2 FOR 3), TRIM(LEADING '0' FROM b), EXTRACT(YEAR FROM TO_TIMESTAMP(c)) FROM S3Object",
            "SELECT a FROM S3Object WHERE a NOT IN ('x', 'it''s') AND b BETWEEN 1 AND -2.5 OR c LIKE '%_' ESCAPE '!'",
        ] {
            assert!(parse(good).is_ok(), "{good}: {:?}", parse(good));
        }
        for bad in [
            "",
            "SELECT",
            "SELECT * FROM table",
            "SELECT a, FROM S3Object",
            "SELECT * FROM S3Object WHERE",
            "DELETE FROM S3Object",
            "SELECT a, COUNT(*) FROM S3Object",
            "SELECT 'a FROM S3Object",
            "SELECT nothing(1) FROM S3Object",
            "SELECT a ? FROM S3Object",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text: String) {
            let _ = parse(&text);
            let _ = parse(&format!("SELECT {text} FROM S3Object WHERE {text}"));
        }
    }
}
