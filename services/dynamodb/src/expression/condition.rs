//! Conditions: their tree, their grammar, and what can be said against them without an item.

use super::lexer::Token;
use super::parser::Parser;
use super::{Kind, Path, Placeholders};
use crate::error::Invalid;
use crate::value::{AttributeValue, Type, compare};

const MAX_IN: usize = 100;

#[derive(Clone, Debug, PartialEq)]
pub enum Condition<'a> {
    And(Box<Condition<'a>>, Box<Condition<'a>>),
    Or(Box<Condition<'a>>, Box<Condition<'a>>),
    Not(Box<Condition<'a>>),
    Compare(Comparator, Operand<'a>, Operand<'a>),
    Between(Operand<'a>, Operand<'a>, Operand<'a>),
    In(Operand<'a>, Vec<Operand<'a>>),
    Exists(Path<'a>),
    NotExists(Path<'a>),
    HasType(Operand<'a>, Type),
    BeginsWith(Operand<'a>, Operand<'a>),
    Contains(Operand<'a>, Operand<'a>),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Operand<'a> {
    Path(Path<'a>),
    Value(&'a AttributeValue),
    Size(Box<Operand<'a>>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparator {
    pub fn symbol(self) -> &'static str {
        match self {
            Comparator::Equal => "=",
            Comparator::NotEqual => "<>",
            Comparator::Less => "<",
            Comparator::LessOrEqual => "<=",
            Comparator::Greater => ">",
            Comparator::GreaterOrEqual => ">=",
        }
    }

    /// The comparator that says the same with its operands exchanged.
    pub fn mirrored(self) -> Comparator {
        match self {
            Comparator::Less => Comparator::Greater,
            Comparator::LessOrEqual => Comparator::GreaterOrEqual,
            Comparator::Greater => Comparator::Less,
            Comparator::GreaterOrEqual => Comparator::LessOrEqual,
            same => same,
        }
    }

    fn is_order(self) -> bool {
        !matches!(self, Comparator::Equal | Comparator::NotEqual)
    }
}

impl<'a> Condition<'a> {
    pub fn parse(kind: Kind, text: &'a str, placeholders: &mut Placeholders<'a>) -> Result<Condition<'a>, Invalid> {
        let mut parser = Parser::new(kind, text, placeholders)?;
        let condition = parser.any()?;
        parser.finish()?;
        Ok(condition)
    }

    pub fn and(self, other: Condition<'a>) -> Condition<'a> {
        Condition::And(Box::new(self), Box::new(other))
    }

    pub fn or(self, other: Condition<'a>) -> Condition<'a> {
        Condition::Or(Box::new(self), Box::new(other))
    }

    /// Whether any path in the condition begins at an attribute for which `test` holds; the first such attribute.
    pub fn find_attribute(&self, test: &dyn Fn(&str) -> bool) -> Option<&'a str> {
        match self {
            Condition::And(a, b) | Condition::Or(a, b) => a.find_attribute(test).or_else(|| b.find_attribute(test)),
            Condition::Not(inner) => inner.find_attribute(test),
            Condition::Exists(path) | Condition::NotExists(path) => Some(path.root).filter(|root| test(root)),
            Condition::HasType(operand, _) => operand.find_attribute(test),
            Condition::Compare(_, a, b) | Condition::BeginsWith(a, b) | Condition::Contains(a, b) => {
                a.find_attribute(test).or_else(|| b.find_attribute(test))
            }
            Condition::Between(value, low, high) => {
                [value, low, high].into_iter().find_map(|operand| operand.find_attribute(test))
            }
            Condition::In(value, members) => {
                std::iter::once(value).chain(members).find_map(|operand| operand.find_attribute(test))
            }
        }
    }
}

impl<'a> Operand<'a> {
    fn find_attribute(&self, test: &dyn Fn(&str) -> bool) -> Option<&'a str> {
        match self {
            Operand::Path(path) => Some(path.root).filter(|root| test(root)),
            Operand::Size(inner) => inner.find_attribute(test),
            Operand::Value(_) => None,
        }
    }
}

impl<'a> Parser<'a, '_> {
    fn any(&mut self) -> Result<Condition<'a>, Invalid> {
        let mut left = self.all()?;
        while self.eat_keyword("OR") {
            self.count_operator();
            left = left.or(self.all()?);
        }
        Ok(left)
    }

    fn all(&mut self) -> Result<Condition<'a>, Invalid> {
        let mut left = self.one()?;
        while self.eat_keyword("AND") {
            self.count_operator();
            left = left.and(self.one()?);
        }
        Ok(left)
    }

    fn one(&mut self) -> Result<Condition<'a>, Invalid> {
        if self.eat_keyword("NOT") {
            self.count_operator();
            let inner = self.nested(Self::one)?;
            return Ok(Condition::Not(Box::new(inner)));
        }
        if self.eat(Token::Open) {
            let doubled = self.peek() == Token::Open;
            let closed_before = self.peek_closed_group();
            let inner = self.nested(Self::any)?;
            self.expect(Token::Close)?;
            if doubled && closed_before {
                self.complain("The expression has redundant parentheses;");
            }
            return Ok(inner);
        }
        self.comparison()
    }

    /// Whether the group that opens here is at once followed by another closing parenthesis.
    fn peek_closed_group(&self) -> bool {
        let mut depth = 0usize;
        for ahead in 0.. {
            match self.peek_at(ahead) {
                Token::Open => depth += 1,
                Token::Close if depth <= 1 => return self.peek_at(ahead + 1) == Token::Close,
                Token::Close => depth -= 1,
                Token::End => return false,
                _ => {}
            }
        }
        false
    }

    fn comparison(&mut self) -> Result<Condition<'a>, Invalid> {
        if self.peek() == Token::Word && self.peek_second() == Token::Open {
            let name = self.text();
            if !matches!(name, "size" | "if_not_exists" | "list_append") && !is_keyword(name) {
                return self.predicate();
            }
        }
        let left = self.operand()?;
        if let Some(comparator) = self.comparator() {
            self.count_operator();
            let right = self.operand()?;
            self.check_comparison(comparator, &left, &right);
            return Ok(Condition::Compare(comparator, left, right));
        }
        if self.eat_keyword("BETWEEN") {
            self.count_operator();
            let low = self.operand()?;
            if !self.eat_keyword("AND") {
                return Err(self.syntax_error());
            }
            let high = self.operand()?;
            self.check_distinct("BETWEEN", &left, [&low, &high]);
            self.check_bounds(&left, &low, &high);
            return Ok(Condition::Between(left, low, high));
        }
        if self.eat_keyword("IN") {
            self.count_operator();
            let members = self.operands()?;
            self.check_distinct("IN", &left, &members);
            if members.len() > MAX_IN {
                self.complain(format_args!(
                    "The IN operator is provided with too many operands; number of operands: {}",
                    members.len()
                ));
            }
            return Ok(Condition::In(left, members));
        }
        match left {
            Operand::Size(_) => {
                self.complain_of_use("size");
                Ok(nothing())
            }
            _ => Err(self.syntax_error()),
        }
    }

    fn comparator(&mut self) -> Option<Comparator> {
        let comparator = match self.peek() {
            Token::Equal => Comparator::Equal,
            Token::NotEqual => Comparator::NotEqual,
            Token::Less => Comparator::Less,
            Token::LessOrEqual => Comparator::LessOrEqual,
            Token::Greater => Comparator::Greater,
            Token::GreaterOrEqual => Comparator::GreaterOrEqual,
            _ => return None,
        };
        self.advance();
        Some(comparator)
    }

    /// A parenthesised list of operands; at least one.
    fn operands(&mut self) -> Result<Vec<Operand<'a>>, Invalid> {
        self.expect(Token::Open)?;
        let mut operands = vec![self.operand()?];
        while self.eat(Token::Comma) {
            operands.push(self.operand()?);
        }
        self.expect(Token::Close)?;
        Ok(operands)
    }

    /// A function that is true or false.
    fn predicate(&mut self) -> Result<Condition<'a>, Invalid> {
        let name = self.text();
        self.advance();
        self.count_operator();
        let operands = self.nested(Self::operands)?;
        let count = operands.len();
        let condition = match (name, <[Operand<'a>; 2]>::try_from(operands)) {
            ("attribute_exists" | "attribute_not_exists", Err(operands)) if count == 1 => {
                match operands.into_iter().next() {
                    Some(Operand::Path(path)) if name == "attribute_exists" => Condition::Exists(path),
                    Some(Operand::Path(path)) => Condition::NotExists(path),
                    _ => {
                        self.complain(format_args!(
                            "Operator or function requires a document path; operator or function: {name}"
                        ));
                        nothing()
                    }
                }
            }
            ("attribute_type", Ok([operand, kind])) => self.attribute_type(operand, kind),
            ("begins_with", Ok([operand, prefix])) => {
                for value in [&operand, &prefix] {
                    if let Operand::Value(value) = value
                        && !matches!(value, AttributeValue::S(_) | AttributeValue::B(_))
                    {
                        self.complain_of_operand(name, value);
                    }
                }
                self.check_distinct(name, &operand, [&prefix]);
                Condition::BeginsWith(operand, prefix)
            }
            ("contains", Ok([operand, member])) => {
                self.check_distinct(name, &operand, [&member]);
                Condition::Contains(operand, member)
            }
            ("attribute_exists" | "attribute_not_exists" | "attribute_type" | "begins_with" | "contains", _) => {
                self.complain_of_count(name, count);
                nothing()
            }
            _ => {
                self.complain(format_args!("Invalid function name; function: {name}"));
                nothing()
            }
        };
        if self.comparator().is_some() {
            self.complain_of_use(name);
            self.operand()?;
        }
        Ok(condition)
    }

    fn attribute_type(&mut self, operand: Operand<'a>, kind: Operand<'a>) -> Condition<'a> {
        let kind = match kind {
            Operand::Value(AttributeValue::S(code)) => {
                let kind = Type::from_code(code);
                if kind.is_none() {
                    self.complain(format_args!(
                        "Invalid attribute type name found; type: {code}, valid types: \
                         {{B,NULL,SS,BOOL,L,BS,N,NS,S,M}}"
                    ));
                }
                kind
            }
            Operand::Value(value) => {
                self.complain_of_operand("attribute_type", value);
                None
            }
            _ => {
                self.complain(
                    "Operator or function requires a literal; operator or function: attribute_type, operand number: 2",
                );
                None
            }
        };
        Condition::HasType(operand, kind.unwrap_or(Type::Null))
    }

    fn operand(&mut self) -> Result<Operand<'a>, Invalid> {
        match self.peek() {
            Token::Value => Ok(Operand::Value(self.value()?)),
            Token::Word if is_keyword(self.text()) => Err(self.syntax_error()),
            Token::Word if self.peek_second() == Token::Open => self.nested(Self::function_operand),
            _ => Ok(Operand::Path(self.path()?)),
        }
    }

    fn function_operand(&mut self) -> Result<Operand<'a>, Invalid> {
        let name = self.text();
        self.advance();
        self.count_operator();
        let mut operands = self.operands()?;
        match name {
            "size" => {
                if operands.len() != 1 {
                    self.complain_of_count(name, operands.len());
                }
                let operand = operands.swap_remove(0);
                if let Operand::Value(value) = operand
                    && matches!(value, AttributeValue::N(_) | AttributeValue::Bool(_) | AttributeValue::Null(_))
                {
                    self.complain_of_operand(name, value);
                }
                return Ok(Operand::Size(Box::new(operand)));
            }
            "if_not_exists" | "list_append" => {
                self.complain(format_args!("The function is not allowed in a condition expression; function: {name}"))
            }
            "attribute_exists" | "attribute_not_exists" | "attribute_type" | "begins_with" | "contains" => {
                self.complain_of_use(name);
            }
            _ => self.complain(format_args!("Invalid function name; function: {name}")),
        }
        Ok(operands.swap_remove(0))
    }

    fn complain_of_use(&mut self, function: &str) {
        self.complain(format_args!(
            "The function is not allowed to be used this way in an expression; function: {function}"
        ));
    }

    fn check_comparison(&mut self, comparator: Comparator, left: &Operand<'a>, right: &Operand<'a>) {
        if comparator.is_order() {
            self.check_orderable(comparator.symbol(), [left, right]);
        }
        self.check_distinct(comparator.symbol(), left, [right]);
    }

    fn check_orderable<'o>(&mut self, operator: &str, operands: impl IntoIterator<Item = &'o Operand<'a>>)
    where
        'a: 'o,
    {
        for operand in operands {
            if let Operand::Value(value) = operand
                && !Type::of(value).is_orderable()
            {
                self.complain_of_operand(operator, value);
            }
        }
    }

    fn check_distinct<'o>(
        &mut self,
        operator: &str,
        first: &Operand<'a>,
        others: impl IntoIterator<Item = &'o Operand<'a>>,
    ) where
        'a: 'o,
    {
        if let Operand::Path(path) = first
            && others.into_iter().any(|other| other == first)
        {
            self.complain(format_args!(
                "The first operand must be distinct from the remaining operands for this operator or function; \
                 operator: {operator}, first operand: {path}"
            ));
        }
    }

    fn check_bounds(&mut self, value: &Operand<'a>, low: &Operand<'a>, high: &Operand<'a>) {
        self.check_orderable("BETWEEN", [value, low, high]);
        let (Operand::Value(low), Operand::Value(high)) = (low, high) else { return };
        let bounds = format!("lower bound operand: {}, upper bound operand: {}", quoted(low), quoted(high));
        if Type::of(low) != Type::of(high) {
            self.complain(format_args!(
                "The BETWEEN operator requires same data type for lower and upper bounds; {bounds}"
            ));
        } else if compare(low, high) == Some(std::cmp::Ordering::Greater) {
            self.complain(format_args!(
                "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; {bounds}"
            ));
        }
    }
}

fn is_keyword(word: &str) -> bool {
    ["AND", "OR", "NOT", "BETWEEN", "IN"].iter().any(|keyword| word.eq_ignore_ascii_case(keyword))
}

/// Stands in for a condition that has been complained about.
fn nothing<'a>() -> Condition<'a> {
    Condition::Exists(Path::top_level(""))
}

fn quoted(value: &AttributeValue) -> String {
    use base64::Engine;
    match value {
        AttributeValue::S(text) | AttributeValue::N(text) => {
            format!("AttributeValue: {{{}:{text}}}", Type::of(value).code())
        }
        AttributeValue::B(bytes) => {
            format!("AttributeValue: {{B:{}}}", base64::engine::general_purpose::STANDARD.encode(bytes))
        }
        _ => format!("AttributeValue: {{{}}}", Type::of(value).code()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn message(text: &str) -> String {
        let names = BTreeMap::from([("#n".to_string(), "name".to_string())]);
        let values = [
            (":s", AttributeValue::S("x".into())),
            (":n", AttributeValue::N("5".into())),
            (":m", AttributeValue::N("4".into())),
            (":b", AttributeValue::Bool(true)),
            (":t", AttributeValue::S("QQ".into())),
        ];
        let values = values.into_iter().map(|(key, value)| (key.to_string(), value)).collect();
        let mut placeholders = Placeholders::new(Some(&names), Some(&values));
        match Condition::parse(Kind::Condition, text, &mut placeholders) {
            Ok(_) => String::new(),
            Err(Invalid(message)) => message.strip_prefix("Invalid ConditionExpression: ").unwrap().to_string(),
        }
    }

    #[test]
    fn valid_conditions() {
        for text in [
            "a = :s",
            "NOT a = :s AND (b <> :n OR c.d[3].#n >= :n)",
            "attribute_exists(a) and not attribute_not_exists(b)",
            "a between :m and :n",
            "a IN (:s, :n) OR contains(a, :s) OR begins_with(a, :s)",
            "size(a) > :n",
            "(a = :s) AND (b = :s)",
            "((a = :s) AND (b = :s))",
            "((a = :s) OR b = :s)",
            ":n <= size(#n)",
        ] {
            assert_eq!(message(text), "", "{text}");
        }
    }

    #[test]
    fn syntax_errors_quote_the_neighbourhood() {
        for (text, token, near) in [
            ("a b", "b", "a b"),
            ("a-b = :s", "-", "a-b"),
            ("a = ", "<EOF>", "="),
            ("_type = :s", "_", "_type"),
            ("a = :s AND", "<EOF>", "AND"),
            ("a = = :s", "=", "= = :s"),
            ("a[x] = :s", "x", "[x]"),
            ("a IN ()", ")", "()"),
            ("a = :undefined AND and", "and", "AND and"),
            ("(a = :s", "<EOF>", ":s"),
            ("a = :s)", ")", ":s)"),
        ] {
            assert_eq!(message(text), format!("Syntax error; token: \"{token}\", near: \"{near}\""), "{text}");
        }
        assert_eq!(message(" "), "The expression can not be empty;");
    }

    #[test]
    fn complaints() {
        let operand = "Incorrect operand type for operator or function; operator or function: ";
        for (text, expected) in [
            ("name = :s", "Attribute name is a reserved keyword; reserved keyword: name".to_string()),
            ("a = :x", "An expression attribute value used in expression is not defined; attribute value: :x".into()),
            (
                "#x = :s",
                "An expression attribute name used in the document path is not defined; attribute name: #x".into(),
            ),
            ("a < :b", format!("{operand}<, operand type: BOOL")),
            ("begins_with(a, :n)", format!("{operand}begins_with, operand type: N")),
            ("attribute_type(a, :n)", format!("{operand}attribute_type, operand type: N")),
            (
                "attribute_type(a, :t)",
                "Invalid attribute type name found; type: QQ, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}".into(),
            ),
            ("size(:n) = :n", format!("{operand}size, operand type: N")),
            ("foo(a)", "Invalid function name; function: foo".into()),
            ("size(a)", "The function is not allowed to be used this way in an expression; function: size".into()),
            (
                "attribute_exists(a) = :b",
                "The function is not allowed to be used this way in an expression; function: attribute_exists".into(),
            ),
            (
                "if_not_exists(a, :s) = :s",
                "The function is not allowed in a condition expression; function: if_not_exists".into(),
            ),
            (
                "contains(a)",
                "Incorrect number of operands for operator or function; operator or function: contains, \
                 number of operands: 1"
                    .into(),
            ),
            (
                "attribute_exists(:s)",
                "Operator or function requires a document path; operator or function: attribute_exists".into(),
            ),
            ("((a = :s))", "The expression has redundant parentheses;".into()),
            (
                "contains(a, a)",
                "The first operand must be distinct from the remaining operands for this operator or function; \
                 operator: contains, first operand: [a]"
                    .into(),
            ),
            (
                "a BETWEEN :n AND :m",
                "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound \
                 operand: AttributeValue: {N:5}, upper bound operand: AttributeValue: {N:4}"
                    .into(),
            ),
        ] {
            assert_eq!(message(text), expected, "{text}");
        }
    }

    #[test]
    fn limits() {
        let long = format!("a = {}:s", " ".repeat(4096));
        assert!(message(&long).starts_with("Expression size has exceeded the maximum allowed size; expression size: "));
        assert!(message(&"(".repeat(4000)).contains("too many levels"));
        assert!(message(&format!("{}a=:s", "NOT ".repeat(1000))).contains("too many levels"));
        let many = vec!["a=:s"; 200].join(" OR ");
        assert!(message(&many).contains("too many operators"));
    }

    proptest! {
        #[test]
        fn parsing_never_panics(
            tokens in prop::collection::vec(
                prop::sample::select(vec![
                    "a", "#n", ":s", ":x", "(", ")", "AND", "OR", "NOT", "=", "<>", "<", "BETWEEN", "IN", ",", ".",
                    "[", "]", "3", "size", "contains", "begins_with", "_", "é", "attribute_exists", "-",
                ]),
                0..24,
            )
        ) {
            message(&tokens.join(" "));
            message(&tokens.concat());
        }
    }
}
