//! Filter patterns: terms and JSON selectors.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html>
//!
//! Space-delimited patterns (`[ip, user, …]`) are not understood and refused.

use regex_lite::Regex;
use serde_json::Value;

/// A parsed pattern.
#[derive(Debug)]
pub enum Filter {
    Everything,
    Terms { all: Vec<Term>, any: Vec<Term>, none: Vec<Term> },
    Json(Condition),
}

#[derive(Debug)]
pub enum Term {
    Text(String),
    Pattern(Regex),
}

impl Term {
    fn hits(&self, message: &str) -> bool {
        match self {
            Term::Text(text) => message.contains(text.as_str()),
            Term::Pattern(regex) => regex.is_match(message),
        }
    }
}

#[derive(Debug)]
pub enum Condition {
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
    Compare { path: Vec<String>, operator: Operator, value: String, quoted: bool },
    Exists { path: Vec<String>, wanted: bool },
    Null { path: Vec<String> },
    Is { path: Vec<String>, value: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Conditions nest no deeper.
const MAX_DEPTH: usize = 50;

impl Filter {
    /// `None` where the pattern is not one.
    pub fn parse(pattern: &str) -> Option<Filter> {
        let pattern = pattern.trim();
        if pattern.is_empty() {
            return Some(Filter::Everything);
        }
        if pattern.starts_with('[') {
            return None;
        }
        if let Some(inner) = pattern.strip_prefix('{') {
            let inner = inner.strip_suffix('}')?;
            let tokens = tokens(inner)?;
            let mut parser = Parser { tokens, at: 0, depth: 0 };
            let condition = parser.or()?;
            return (parser.at == parser.tokens.len()).then_some(Filter::Json(condition));
        }
        terms(pattern)
    }

    pub fn matches(&self, message: &str) -> bool {
        match self {
            Filter::Everything => true,
            Filter::Terms { all, any, none } => {
                all.iter().all(|term| term.hits(message))
                    && (any.is_empty() || any.iter().any(|term| term.hits(message)))
                    && !none.iter().any(|term| term.hits(message))
            }
            Filter::Json(condition) => {
                serde_json::from_str::<Value>(message).is_ok_and(|value| condition.holds(&value))
            }
        }
    }
}

/// `a "b c" ?d -e %regex%`
fn terms(pattern: &str) -> Option<Filter> {
    let (mut all, mut any, mut none) = (Vec::new(), Vec::new(), Vec::new());
    let mut chars = pattern.chars().peekable();
    while let Some(&first) = chars.peek() {
        if first.is_whitespace() {
            chars.next();
            continue;
        }
        let list = match first {
            '?' => &mut any,
            '-' => &mut none,
            _ => &mut all,
        };
        if matches!(first, '?' | '-') {
            chars.next();
        }
        let mut text = String::new();
        let term = match chars.peek().copied() {
            Some(quote @ ('"' | '%')) => {
                chars.next();
                let mut closed = false;
                while let Some(c) = chars.next() {
                    match c {
                        '\\' if quote == '"' => text.extend(chars.next()),
                        c if c == quote => {
                            closed = true;
                            break;
                        }
                        c => text.push(c),
                    }
                }
                if !closed {
                    return None;
                }
                if quote == '%' { Term::Pattern(Regex::new(&text).ok()?) } else { Term::Text(text) }
            }
            _ => {
                while let Some(c) = chars.next_if(|c| !c.is_whitespace()) {
                    text.push(c);
                }
                // Terms other than letters, digits and underscores must be quoted.
                if text.is_empty() || text.chars().any(|c| !c.is_alphanumeric() && c != '_') {
                    return None;
                }
                Term::Text(text)
            }
        };
        list.push(term);
    }
    Some(Filter::Terms { all, any, none })
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Open,
    Close,
    And,
    Or,
    Compare(Operator),
    Quoted(String),
    Word(String),
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut list = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let mut follows = |wanted| chars.next_if_eq(&wanted).is_some();
        let token = match c {
            c if c.is_whitespace() => continue,
            '(' => Token::Open,
            ')' => Token::Close,
            '&' if follows('&') => Token::And,
            '|' if follows('|') => Token::Or,
            '=' => Token::Compare(Operator::Equal),
            '!' if follows('=') => Token::Compare(Operator::NotEqual),
            '<' if follows('=') => Token::Compare(Operator::LessOrEqual),
            '<' => Token::Compare(Operator::Less),
            '>' if follows('=') => Token::Compare(Operator::GreaterOrEqual),
            '>' => Token::Compare(Operator::Greater),
            '"' => {
                let mut text = String::new();
                loop {
                    match chars.next()? {
                        '"' => break,
                        '\\' => text.push(chars.next()?),
                        c => text.push(c),
                    }
                }
                Token::Quoted(text)
            }
            first => {
                let mut word = String::from(first);
                while let Some(c) = chars.next_if(|c| !c.is_whitespace() && !"()&|=!<>\"".contains(*c)) {
                    word.push(c);
                }
                Token::Word(word)
            }
        };
        list.push(token);
    }
    Some(list)
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn eat(&mut self, token: &Token) -> bool {
        let hit = self.tokens.get(self.at) == Some(token);
        self.at += usize::from(hit);
        hit
    }

    fn or(&mut self) -> Option<Condition> {
        let mut left = self.and()?;
        while self.eat(&Token::Or) {
            left = Condition::Or(Box::new(left), Box::new(self.and()?));
        }
        Some(left)
    }

    fn and(&mut self) -> Option<Condition> {
        let mut left = self.primary()?;
        while self.eat(&Token::And) {
            left = Condition::And(Box::new(left), Box::new(self.primary()?));
        }
        Some(left)
    }

    fn primary(&mut self) -> Option<Condition> {
        if self.eat(&Token::Open) {
            self.depth += 1;
            if self.depth > MAX_DEPTH {
                return None;
            }
            let inner = self.or()?;
            self.depth -= 1;
            return self.eat(&Token::Close).then_some(inner);
        }
        let Token::Word(selector) = self.next()? else { return None };
        let path = path(&selector)?;
        match self.next()? {
            Token::Compare(operator) => match self.next()? {
                Token::Quoted(value) => Some(Condition::Compare { path, operator, value, quoted: true }),
                Token::Word(value) => Some(Condition::Compare { path, operator, value, quoted: false }),
                _ => None,
            },
            Token::Word(word) if word == "EXISTS" => Some(Condition::Exists { path, wanted: true }),
            Token::Word(word) if word == "NOT" => {
                (self.next()? == Token::Word("EXISTS".to_owned())).then_some(Condition::Exists { path, wanted: false })
            }
            Token::Word(word) if word == "IS" => match self.next()? {
                Token::Word(word) if word == "NULL" => Some(Condition::Null { path }),
                Token::Word(word) if word == "TRUE" => Some(Condition::Is { path, value: true }),
                Token::Word(word) if word == "FALSE" => Some(Condition::Is { path, value: false }),
                _ => None,
            },
            _ => None,
        }
    }
}

/// `$.a.b[0]` as steps.
fn path(selector: &str) -> Option<Vec<String>> {
    let rest = selector.strip_prefix('$')?;
    let steps: Vec<String> = rest
        .replace('[', ".")
        .replace(']', "")
        .split('.')
        .skip(1)
        .map(|step| step.trim_matches(|c| c == '\'' || c == '"').to_owned())
        .collect();
    (!steps.is_empty() && steps.iter().all(|step| !step.is_empty())).then_some(steps)
}

impl Condition {
    fn holds(&self, value: &Value) -> bool {
        match self {
            Condition::And(left, right) => left.holds(value) && right.holds(value),
            Condition::Or(left, right) => left.holds(value) || right.holds(value),
            Condition::Exists { path, wanted } => find(value, path).is_some() == *wanted,
            Condition::Null { path } => find(value, path).is_some_and(Value::is_null),
            Condition::Is { path, value: wanted } => find(value, path).and_then(Value::as_bool) == Some(*wanted),
            Condition::Compare { path, operator, value: wanted, quoted } => {
                let Some(found) = find(value, path) else { return false };
                compare(found, *operator, wanted, *quoted)
            }
        }
    }
}

fn find<'a>(value: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, step| match value {
        Value::Array(list) => list.get(step.parse::<usize>().ok()?),
        Value::Object(object) => object.get(step),
        _ => None,
    })
}

fn compare(found: &Value, operator: Operator, wanted: &str, quoted: bool) -> bool {
    if let (Some(found), Ok(wanted), false) = (found.as_f64(), wanted.parse::<f64>(), quoted) {
        return match operator {
            Operator::Equal => found == wanted,
            Operator::NotEqual => found != wanted,
            Operator::Less => found < wanted,
            Operator::LessOrEqual => found <= wanted,
            Operator::Greater => found > wanted,
            Operator::GreaterOrEqual => found >= wanted,
        };
    }
    let Some(found) = found.as_str() else { return false };
    let equal = match wanted.split_once('*') {
        None => found == wanted,
        Some((head, tail)) => {
            found.len() >= head.len() + tail.len() && found.starts_with(head) && found.ends_with(tail)
        }
    };
    match operator {
        Operator::Equal => equal,
        Operator::NotEqual => !equal,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(pattern: &str, message: &str) -> bool {
        Filter::parse(pattern).unwrap().matches(message)
    }

    #[test]
    fn terms_of_every_kind() {
        assert!(hits("", "x"));
        assert!(hits("ERROR code", "ERROR: code 5") && !hits("ERROR code", "ERROR 5"));
        assert!(hits("?ERROR ?WARN", "WARN x") && !hits("?ERROR ?WARN", "INFO"));
        assert!(hits("ERROR -timeout", "ERROR") && !hits("ERROR -timeout", "ERROR timeout"));
        assert!(hits("\"a b\"", "x a b y") && !hits("\"a b\"", "a  b"));
        assert!(hits("%[0-9]{3}%", "code 500"));
        assert!(
            Filter::parse("a:b").is_none() && Filter::parse("\"open").is_none() && Filter::parse("[a, b]").is_none()
        );
    }

    #[test]
    fn json_selectors() {
        let message = r#"{"level":"error","code":500,"user":{"id":"kim"},"list":[1,2],"none":null,"ok":true}"#;
        assert!(hits("{ $.level = \"error\" }", message));
        assert!(hits("{ $.code >= 500 && $.user.id = \"k*\" }", message));
        assert!(hits("{ ($.code = 404) || ($.list[1] = 2) }", message));
        assert!(hits("{ $.none IS NULL }", message) && hits("{ $.ok IS TRUE }", message));
        assert!(hits("{ $.missing NOT EXISTS }", message) && !hits("{ $.level NOT EXISTS }", message));
        assert!(!hits("{ $.level = \"error\" }", "not json"));
        assert!(Filter::parse("{ $.a = }").is_none());
    }

    proptest::proptest! {
        #[test]
        fn parsing_never_panics(pattern in ".{0,60}", json in r#"\{[ $.a-z=<>!&|()"0-9]{0,40}\}"#) {
            for pattern in [pattern, json] {
                if let Some(filter) = Filter::parse(&pattern) {
                    let _ = filter.matches("{\"a\":1}");
                }
            }
        }
    }
}
