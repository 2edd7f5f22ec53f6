//! From tokens to statements: recursive descent, with parentheses and literals nested no deeper than `MAX_DEPTH`.

use std::collections::BTreeMap;

use super::lexer::{Token, lex};
use super::malformed;
use super::statement::{Condition, Element, Operand, Order, Path, Returning, Select, Statement, Update};
use crate::error::Invalid;
use crate::expression::condition::Comparator;
use crate::validate;
use crate::value::{AttributeValue, Item};

const MAX_DEPTH: usize = 64;

/// Reads a statement and puts the parameters in the places of its question marks.
pub fn parse(text: &str, parameters: &[AttributeValue]) -> Result<Statement, Invalid> {
    let (tokens, places) = lex(text)?;
    let marks = tokens.iter().filter(|token| **token == Token::Parameter).count();
    let mut parser = Parser { tokens, at: 0, parameters: parameters.iter(), depth: 0 };
    let statement = parser.statement()?;
    if matches!(statement, Statement::Select(_)) && parser.eat_word("LIMIT") {
        let place = places.get(parser.at).cloned().unwrap_or_default();
        return Err(Invalid(format!("Unsupported clause: LIMIT at {}", shown(text, &place))));
    }
    parser.eat(";");
    if *parser.peek() != Token::End {
        return Err(malformed("Unexpected term"));
    }
    if marks != parameters.len() {
        return Err(Invalid::new("Number of parameters in request and statement don't match."));
    }
    Ok(statement)
}

/// A place as complaints name it: the line, the column and the length.
fn shown(text: &str, place: &std::ops::Range<usize>) -> String {
    let before = text.get(..place.start).unwrap_or_default();
    let line = before.rsplit('\n').next().unwrap_or_default();
    let lines = before.matches('\n').count();
    format!("{}:{}:{}", lines + 1, line.chars().count() + 1, place.len())
}

struct Parser<'p> {
    tokens: Vec<Token>,
    at: usize,
    parameters: std::slice::Iter<'p, AttributeValue>,
    depth: usize,
}

type Parsed<T> = Result<T, Invalid>;

impl Parser<'_> {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).unwrap_or(&Token::End)
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn eat(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Token::Sign(found) if *found == sign);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str) -> Parsed<()> {
        if self.eat(sign) { Ok(()) } else { Err(malformed(&format!("Expected {sign}"))) }
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Word(found) if found.eq_ignore_ascii_case(word))
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.at += usize::from(found);
        found
    }

    fn expect_word(&mut self, word: &str) -> Parsed<()> {
        if self.eat_word(word) { Ok(()) } else { Err(malformed(&format!("Expected {word}"))) }
    }

    fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(malformed("The statement is nested too deeply"));
        }
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn statement(&mut self) -> Parsed<Statement> {
        if self.eat_word("SELECT") {
            return self.select().map(Statement::Select);
        }
        if self.eat_word("EXISTS") {
            self.expect("(")?;
            self.expect_word("SELECT")?;
            let select = self.select()?;
            self.expect(")")?;
            return Ok(Statement::Exists(select));
        }
        if self.eat_word("INSERT") {
            return self.insert();
        }
        if self.eat_word("UPDATE") {
            return self.update().map(Statement::Update);
        }
        if self.eat_word("DELETE") {
            self.expect_word("FROM")?;
            let table = self.name()?;
            let condition = self.condition_clause()?;
            return Ok(Statement::Delete { table, condition, returning: self.returning()? });
        }
        Err(malformed("Expected data manipulation"))
    }

    fn select(&mut self) -> Parsed<Select> {
        let paths = if self.eat("*") { None } else { Some(self.list(Self::path)?) };
        self.expect_word("FROM")?;
        let table = self.name()?;
        let index = if self.eat(".") { Some(self.name()?) } else { None };
        let condition = self.condition_clause()?;
        let mut order = Vec::new();
        if self.eat_word("ORDER") {
            self.expect_word("BY")?;
            order = self.list(|parser| {
                let attribute = parser.name()?;
                let descending = parser.eat_word("DESC");
                if !descending {
                    parser.eat_word("ASC");
                }
                Ok(Order { attribute, descending })
            })?;
        }
        Ok(Select { paths, table, index, condition, order })
    }

    fn insert(&mut self) -> Parsed<Statement> {
        self.expect_word("INTO")?;
        let table = self.name()?;
        if !self.eat_word("VALUE") {
            return Err(malformed("Unexpected keyword"));
        }
        match self.literal()? {
            AttributeValue::M(item) => Ok(Statement::Insert { table, item }),
            _ => Err(Invalid::new("Unsupported operation: Inserting a value that is not a tuple is not supported.")),
        }
    }

    fn update(&mut self) -> Parsed<Update> {
        let table = self.name()?;
        let mut update = Update { table, set: Vec::new(), remove: Vec::new(), condition: None, returning: None };
        loop {
            if self.eat_word("SET") {
                update.set.extend(self.list(|parser| {
                    let path = parser.path()?;
                    parser.expect("=")?;
                    Ok((path, parser.sum()?))
                })?);
            } else if self.eat_word("REMOVE") {
                update.remove.extend(self.list(Self::path)?);
            } else {
                break;
            }
        }
        if update.set.is_empty() && update.remove.is_empty() {
            return Err(malformed("Expected data manipulation"));
        }
        update.condition = self.condition_clause()?;
        update.returning = self.returning()?;
        Ok(update)
    }

    fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        let mut members = vec![one(self)?];
        while self.eat(",") {
            members.push(one(self)?);
        }
        Ok(members)
    }

    fn name(&mut self) -> Parsed<String> {
        match self.next() {
            Token::Word(name) if !is_keyword(&name) => Ok(name),
            Token::Quoted(name) => Ok(name),
            _ => Err(malformed("Expected identifier for simple path")),
        }
    }

    fn path(&mut self) -> Parsed<Path> {
        let mut path = Path { root: self.name()?, rest: Vec::new() };
        loop {
            if self.eat(".") {
                path.rest.push(Element::Field(self.name()?));
            } else if self.eat("[") {
                path.rest.push(match self.next() {
                    Token::Number(text) => {
                        Element::Index(text.parse().map_err(|_| malformed("Expected an index that is a whole number"))?)
                    }
                    Token::Text(name) => Element::Field(name),
                    _ => return Err(malformed("Expected identifier for simple path")),
                });
                self.expect("]")?;
            } else {
                return Ok(path);
            }
        }
    }

    fn returning(&mut self) -> Parsed<Option<Returning>> {
        if !self.eat_word("RETURNING") {
            return Ok(None);
        }
        let all = self.eat_word("ALL");
        if !all {
            self.expect_word("MODIFIED")?;
        }
        let new = self.eat_word("NEW");
        if !new {
            self.expect_word("OLD")?;
        }
        self.expect("*")?;
        Ok(Some(Returning { all, new }))
    }

    fn condition_clause(&mut self) -> Parsed<Option<Condition>> {
        if self.eat_word("WHERE") { self.any().map(Some) } else { Ok(None) }
    }

    fn any(&mut self) -> Parsed<Condition> {
        let mut left = self.all()?;
        while self.eat_word("OR") {
            left = Condition::Or(Box::new(left), Box::new(self.all()?));
        }
        Ok(left)
    }

    fn all(&mut self) -> Parsed<Condition> {
        let mut left = self.one()?;
        while self.eat_word("AND") {
            left = Condition::And(Box::new(left), Box::new(self.one()?));
        }
        Ok(left)
    }

    fn one(&mut self) -> Parsed<Condition> {
        if self.eat_word("NOT") {
            return Ok(Condition::Not(Box::new(self.nested(Self::one)?)));
        }
        if self.eat("(") {
            let inner = self.nested(Self::any)?;
            self.expect(")")?;
            return Ok(inner);
        }
        if let Some(condition) = self.predicate()? {
            return Ok(condition);
        }
        let left = self.sum()?;
        if let Some(comparator) = self.comparator() {
            return Ok(Condition::Compare(comparator, left, self.sum()?));
        }
        let negated = self.eat_word("NOT");
        let condition = if self.eat_word("BETWEEN") {
            let low = self.sum()?;
            self.expect_word("AND")?;
            Condition::Between(left, low, self.sum()?)
        } else if self.eat_word("IN") {
            Condition::In(left, self.members()?)
        } else if !negated && self.eat_word("IS") {
            let negated = self.eat_word("NOT");
            let condition = match left {
                Operand::Path(path) if self.eat_word("MISSING") => Condition::Missing(path),
                left if self.eat_word("NULL") => Condition::Null(left),
                _ => return Err(malformed("Expected MISSING or NULL")),
            };
            return Ok(if negated { Condition::Not(Box::new(condition)) } else { condition });
        } else {
            return Err(malformed("Unexpected term"));
        };
        Ok(if negated { Condition::Not(Box::new(condition)) } else { condition })
    }

    /// A function that is true or false, if one stands here.
    fn predicate(&mut self) -> Parsed<Option<Condition>> {
        let Some(name) = self.function_name(&["BEGINS_WITH", "CONTAINS", "ATTRIBUTE_TYPE"]) else {
            return Ok(None);
        };
        let operands = self.operands()?;
        let count = operands.len();
        let Ok([first, second]) = <[Operand; 2]>::try_from(operands) else {
            return Err(malformed(&format!("Unexpected number of arguments of {name}: {count}")));
        };
        Ok(Some(match (name, second) {
            ("BEGINS_WITH", second) => Condition::BeginsWith(first, second),
            ("CONTAINS", second) => Condition::Contains(first, second),
            (_, Operand::Value(AttributeValue::S(kind))) => Condition::HasType(first, kind),
            _ => return Err(Invalid::new("The second argument of attribute_type must be the name of a type")),
        }))
    }

    /// The name of a function, in capitals, if one of these stands here with its parenthesis.
    fn function_name(&mut self, names: &[&'static str]) -> Option<&'static str> {
        let Token::Word(word) = self.peek() else { return None };
        let name = names.iter().find(|name| word.eq_ignore_ascii_case(name))?;
        if self.tokens.get(self.at + 1) != Some(&Token::Sign("(")) {
            return None;
        }
        self.at += 1;
        Some(name)
    }

    fn operands(&mut self) -> Parsed<Vec<Operand>> {
        self.expect("(")?;
        let operands = self.nested(|parser| parser.list(Self::sum))?;
        self.expect(")")?;
        Ok(operands)
    }

    /// What follows IN: a list in parentheses or brackets, or a list as a parameter.
    fn members(&mut self) -> Parsed<Vec<Operand>> {
        if matches!(self.peek(), Token::Sign("(")) {
            return self.operands();
        }
        match self.literal()? {
            AttributeValue::L(members) => Ok(members.into_iter().map(Operand::Value).collect()),
            _ => Err(malformed("Expected a list after IN")),
        }
    }

    fn comparator(&mut self) -> Option<Comparator> {
        let Token::Sign(sign) = self.peek() else { return None };
        let comparator = match *sign {
            "=" => Comparator::Equal,
            "<>" | "!=" => Comparator::NotEqual,
            "<" => Comparator::Less,
            "<=" => Comparator::LessOrEqual,
            ">" => Comparator::Greater,
            ">=" => Comparator::GreaterOrEqual,
            _ => return None,
        };
        self.at += 1;
        Some(comparator)
    }

    fn sum(&mut self) -> Parsed<Operand> {
        let mut left = self.operand()?;
        loop {
            if self.eat("+") {
                left = Operand::Plus(Box::new(left), Box::new(self.operand()?));
            } else if self.eat("-") {
                left = Operand::Minus(Box::new(left), Box::new(self.operand()?));
            } else {
                return Ok(left);
            }
        }
    }

    fn operand(&mut self) -> Parsed<Operand> {
        if let Some(name) = self.function_name(&["SIZE", "LIST_APPEND", "SET_ADD", "SET_DELETE"]) {
            let operands = self.operands()?;
            let count = operands.len();
            let mut operands = operands.into_iter().map(Box::new);
            return match (name, operands.next(), operands.next(), operands.next()) {
                ("SIZE", Some(inner), None, _) => Ok(Operand::Size(inner)),
                ("LIST_APPEND", Some(first), Some(second), None) => Ok(Operand::ListAppend(first, second)),
                ("SET_ADD", Some(first), Some(second), None) => Ok(Operand::SetAdd(first, second)),
                ("SET_DELETE", Some(first), Some(second), None) => Ok(Operand::SetDelete(first, second)),
                _ => Err(malformed(&format!("Unexpected number of arguments of {name}: {count}"))),
            };
        }
        match self.peek() {
            Token::Quoted(_) => Ok(Operand::Path(self.path()?)),
            Token::Word(word) if !is_keyword(word) => Ok(Operand::Path(self.path()?)),
            _ => self.literal().map(Operand::Value),
        }
    }

    fn literal(&mut self) -> Parsed<AttributeValue> {
        let mut value = self.raw_literal()?;
        validate::normalise(&mut value)?;
        Ok(value)
    }

    fn raw_literal(&mut self) -> Parsed<AttributeValue> {
        Ok(match self.next() {
            Token::Text(text) => AttributeValue::S(text),
            Token::Number(text) => AttributeValue::N(text),
            Token::Sign("-") => match self.next() {
                Token::Number(text) => AttributeValue::N(format!("-{text}")),
                _ => return Err(malformed("Unexpected term")),
            },
            Token::Parameter => self
                .parameters
                .next()
                .cloned()
                .ok_or_else(|| Invalid::new("Number of parameters in request and statement don't match."))?,
            Token::Word(word) if word.eq_ignore_ascii_case("true") => AttributeValue::Bool(true),
            Token::Word(word) if word.eq_ignore_ascii_case("false") => AttributeValue::Bool(false),
            Token::Word(word) if word.eq_ignore_ascii_case("null") => AttributeValue::Null(true),
            Token::Sign("[") => AttributeValue::L(self.many("]", Self::raw_literal)?),
            Token::Sign("<<") => set(self.many(">>", Self::raw_literal)?)?,
            Token::Sign("{") => {
                let pairs = self.many("}", |parser| {
                    let Token::Text(name) = parser.next() else {
                        return Err(malformed("Expected a name in single quotes"));
                    };
                    parser.expect(":")?;
                    Ok((name, parser.raw_literal()?))
                })?;
                AttributeValue::M(unique(pairs)?)
            }
            Token::Word(_) => return Err(malformed("Unexpected keyword")),
            _ => return Err(malformed("Unexpected term")),
        })
    }

    /// The members up to a closing sign, separated by commas.
    fn many<T>(&mut self, close: &'static str, one: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        if self.eat(close) {
            return Ok(Vec::new());
        }
        let members = self.nested(|parser| parser.list(one))?;
        self.expect(close)?;
        Ok(members)
    }
}

fn unique(pairs: Vec<(String, AttributeValue)>) -> Parsed<Item> {
    let count = pairs.len();
    let item: BTreeMap<_, _> = pairs.into_iter().collect();
    if item.len() < count { Err(malformed("Duplicate attribute name")) } else { Ok(item) }
}

/// `<<…>>`: members of one type that sets can have.
fn set(members: Vec<AttributeValue>) -> Parsed<AttributeValue> {
    let (mut texts, mut numbers, mut binaries) = (Vec::new(), Vec::new(), Vec::new());
    let count = members.len();
    for member in members {
        match member {
            AttributeValue::S(text) => texts.push(text),
            AttributeValue::N(text) => numbers.push(text),
            AttributeValue::B(bytes) => binaries.push(bytes),
            _ => break,
        }
    }
    if texts.len() == count {
        Ok(AttributeValue::Ss(texts))
    } else if numbers.len() == count {
        Ok(AttributeValue::Ns(numbers))
    } else if binaries.len() == count {
        Ok(AttributeValue::Bs(binaries))
    } else {
        Err(Invalid::new("Sets can only have members of one type: string, number or binary"))
    }
}

/// Words that a name can be only in double quotes.
fn is_keyword(word: &str) -> bool {
    const KEYWORDS: [&str; 31] = [
        "ALL",
        "AND",
        "AS",
        "ASC",
        "BETWEEN",
        "BY",
        "DELETE",
        "DESC",
        "EXISTS",
        "FALSE",
        "FROM",
        "IN",
        "INSERT",
        "INTO",
        "IS",
        "LIKE",
        "MISSING",
        "NOT",
        "NULL",
        "OR",
        "ORDER",
        "REMOVE",
        "RETURNING",
        "SELECT",
        "SET",
        "TABLE",
        "TRUE",
        "UPDATE",
        "VALUE",
        "VALUES",
        "WHERE",
    ];
    KEYWORDS.iter().any(|keyword| word.eq_ignore_ascii_case(keyword))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(text: &str) -> String {
        parse(text, &[]).unwrap_err().0
    }

    #[test]
    fn statements_are_read() {
        let s = |text: &str| AttributeValue::S(text.into());
        let Ok(Statement::Select(select)) = parse(
            "SELECT a, \"b\".c[1]['d'] FROM \"T-1\".\"by-x\" WHERE x = ? AND NOT (y IN [1, -2] OR z IS NOT MISSING) ORDER BY x DESC",
            &[s("v")],
        ) else {
            panic!("a SELECT");
        };
        assert_eq!((select.table.as_str(), select.index.as_deref()), ("T-1", Some("by-x")));
        assert_eq!(select.paths.unwrap()[1].rest.len(), 3);
        assert!(select.order[0].descending);
        let Ok(Statement::Insert { item, .. }) =
            parse("insert into T value {'a': 'it''s', 'n': 1.50, 's': <<1, 2>>, 'l': [null, true, {}]}", &[])
        else {
            panic!("an INSERT");
        };
        assert_eq!(item["a"], s("it's"));
        assert_eq!(item["n"], AttributeValue::N("1.5".into()));
        let Ok(Statement::Update(update)) = parse(
            "UPDATE T SET a = a + 1 SET b = list_append(b, [2]), c = 3 REMOVE d WHERE k = 'x' RETURNING ALL NEW *",
            &[],
        ) else {
            panic!("an UPDATE");
        };
        assert_eq!((update.set.len(), update.remove.len()), (3, 1));
        assert_eq!(update.returning, Some(Returning { all: true, new: true }));
        assert!(matches!(parse("EXISTS(SELECT * FROM T WHERE k = 1)", &[]), Ok(Statement::Exists(_))));
    }

    #[test]
    fn bad_statements_are_refused() {
        let malformed = |detail: &str| format!("Statement wasn't well formed, can't be processed: {detail}");
        assert_eq!(message("DROP TABLE x"), malformed("Expected data manipulation"));
        assert_eq!(message("INSERT INTO x VALUES (1)"), malformed("Unexpected keyword"));
        assert_eq!(message("SELECT id FROM things LIMIT 5"), "Unsupported clause: LIMIT at 1:29:1");
        assert_eq!(message("SELECT *\n FROM x WHERE a = 1 LIMIT 10;"), "Unsupported clause: LIMIT at 2:27:2");
        assert_eq!(
            message("SELECT * FROM x WHERE a = ?"),
            "Number of parameters in request and statement don't match."
        );
        assert!(message("INSERT INTO x VALUE {'a': 1, 'a': 2}").contains("Duplicate"));
        assert!(message(&format!("SELECT * FROM x WHERE {}", "(".repeat(200))).contains("too deeply"));
        assert!(message(&format!("INSERT INTO x VALUE {}", "[".repeat(200))).contains("too deeply"));
    }

    proptest! {
        #[test]
        fn anything_is_read_or_refused(text in "(SELECT|INSERT INTO|UPDATE|DELETE FROM|[a-z'\"<>{}\\[\\]().,?*=+ 0-9-]){0,40}") {
            let _ = parse(&text, &[]);
        }
    }
}
