//! From a path's text to its steps.

use super::{
    Error, Function, Path, Step,
    filter::{Comparison, Filter, Operand},
};
use regex_lite::RegexBuilder;
use serde_json::Value as Json;

/// How deep filters may nest.
const MAX_DEPTH: usize = 32;
const REGEX_SIZE: usize = 1 << 20;

const COMPARISONS: [(&str, Comparison); 11] = [
    ("==", Comparison::Equal),
    ("!=", Comparison::NotEqual),
    ("<=", Comparison::LessOrEqual),
    (">=", Comparison::GreaterOrEqual),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
    ("in ", Comparison::In),
    ("nin ", Comparison::NotIn),
    ("contains ", Comparison::Contains),
    ("size ", Comparison::Size),
    ("empty ", Comparison::Empty),
];

pub fn parse(text: &str) -> Result<Path, Error> {
    let trimmed = text.trim();
    // A path may leave out its `$`.
    let full = match trimmed.chars().next() {
        None => return Err(Error::Syntax("path can not be null or empty".to_owned())),
        Some('$') => trimmed.to_owned(),
        Some('[') => format!("${trimmed}"),
        Some(_) => format!("$.{trimmed}"),
    };
    let mut parser = Parser { text: &full, at: 1, depth: 0 };
    let path = parser.path(true)?;
    if parser.at < full.len() { Err(parser.error()) } else { Ok(path) }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn eat(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn error(&self) -> Error {
        Error::Syntax(format!("unexpected input at position {} of {}", self.at, self.text))
    }

    fn expect(&mut self, token: &str) -> Result<(), Error> {
        self.blanks();
        if self.eat(token) { Ok(()) } else { Err(self.error()) }
    }

    /// The steps after `$` or `@`. Within a filter (not `outer`) a blank or an operator ends the path.
    fn path(&mut self, outer: bool) -> Result<Path, Error> {
        let mut steps = Vec::new();
        loop {
            if self.eat("..") {
                steps.push(Step::Scan);
                if self.rest().starts_with('[') {
                    continue;
                }
            } else if self.rest().starts_with('[') {
                self.at += 1;
                self.blanks();
                let step = self.bracket()?;
                self.expect("]")?;
                steps.push(step);
                continue;
            } else if !self.eat(".") {
                return Ok(Path { steps, function: None });
            }
            if self.eat("*") {
                steps.push(Step::Wildcard);
                continue;
            }
            let rest = self.rest();
            let ends: &[char] = if outer {
                &['.', '[', '(']
            } else {
                &['.', '[', '(', ')', ' ', '=', '!', '<', '>', '&', '|', ',', ']']
            };
            let name = &rest[..rest.find(ends).unwrap_or(rest.len())];
            if name.is_empty() {
                return Err(self.error());
            }
            self.at += name.len();
            if self.eat("(") {
                self.expect(")")?;
                return Ok(Path { steps, function: Some(self.function(name)?) });
            }
            steps.push(Step::Names(vec![name.to_owned()]));
        }
    }

    fn function(&self, name: &str) -> Result<Function, Error> {
        Ok(match name {
            "length" | "size" => Function::Length,
            "keys" => Function::Keys,
            "sum" => Function::Sum,
            "min" => Function::Min,
            "max" => Function::Max,
            "avg" => Function::Average,
            _ => return Err(Error::Syntax(format!("Function with name: {name} does not exist."))),
        })
    }

    fn bracket(&mut self) -> Result<Step, Error> {
        if self.eat("*") {
            return Ok(Step::Wildcard);
        }
        if self.eat("?") {
            self.expect("(")?;
            let filter = self.any()?;
            self.expect(")")?;
            return Ok(Step::Filter(filter));
        }
        if self.rest().starts_with(['\'', '"']) {
            let mut names = vec![self.quoted()?];
            self.blanks();
            while self.eat(",") {
                self.blanks();
                names.push(self.quoted()?);
                self.blanks();
            }
            return Ok(Step::Names(names));
        }
        let first = self.integer()?;
        self.blanks();
        if self.eat(":") {
            self.blanks();
            let last = self.integer()?;
            self.blanks();
            // A step is read and, as in the original, ignored.
            if self.eat(":") {
                self.integer()?;
            }
            return Ok(Step::Slice(first, last));
        }
        let mut indexes = vec![first.ok_or_else(|| self.error())?];
        while self.eat(",") {
            self.blanks();
            indexes.push(self.integer()?.ok_or_else(|| self.error())?);
            self.blanks();
        }
        Ok(Step::Indexes(indexes))
    }

    fn integer(&mut self) -> Result<Option<i64>, Error> {
        let rest = self.rest();
        let sign = usize::from(rest.starts_with('-'));
        let end = sign + rest[sign..].bytes().take_while(u8::is_ascii_digit).count();
        if end == 0 {
            return Ok(None);
        }
        let value = rest[..end].parse().map_err(|_| self.error())?;
        self.at += end;
        Ok(Some(value))
    }

    fn quoted(&mut self) -> Result<String, Error> {
        let mut characters = self.rest().char_indices();
        let Some((_, quote @ ('\'' | '"'))) = characters.next() else { return Err(self.error()) };
        let mut text = String::new();
        while let Some((at, c)) = characters.next() {
            match c {
                '\\' => text.extend(characters.next().map(|(_, escaped)| escaped)),
                _ if c == quote => {
                    self.at += at + 1;
                    return Ok(text);
                }
                _ => text.push(c),
            }
        }
        Err(self.error())
    }

    fn any(&mut self) -> Result<Filter, Error> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Error::Syntax("the filter nests too deep".to_owned()));
        }
        let mut filters = vec![self.all()?];
        self.blanks();
        while self.eat("||") {
            filters.push(self.all()?);
            self.blanks();
        }
        self.depth -= 1;
        Ok(if filters.len() == 1 { filters.remove(0) } else { Filter::Any(filters) })
    }

    fn all(&mut self) -> Result<Filter, Error> {
        let mut filters = vec![self.term()?];
        self.blanks();
        while self.eat("&&") {
            filters.push(self.term()?);
            self.blanks();
        }
        Ok(if filters.len() == 1 { filters.remove(0) } else { Filter::All(filters) })
    }

    fn term(&mut self) -> Result<Filter, Error> {
        self.blanks();
        if self.eat("!") {
            self.depth += 1;
            if self.depth > MAX_DEPTH {
                return Err(Error::Syntax("the filter nests too deep".to_owned()));
            }
            let term = self.term()?;
            self.depth -= 1;
            return Ok(Filter::Not(Box::new(term)));
        }
        if self.eat("(") {
            let inner = self.any()?;
            self.expect(")")?;
            return Ok(inner);
        }
        let left = self.operand()?;
        self.blanks();
        if self.eat("=~") {
            return self.regex(left);
        }
        let Some((spelling, comparison)) = COMPARISONS.iter().find(|(spelling, _)| self.rest().starts_with(spelling))
        else {
            return Ok(Filter::Exists(left));
        };
        self.at += spelling.len();
        let right = self.operand()?;
        Ok(Filter::Compare(left, *comparison, right))
    }

    fn regex(&mut self, left: Operand) -> Result<Filter, Error> {
        self.expect("/")?;
        let rest = self.rest();
        let end = rest
            .char_indices()
            .find(|(at, c)| *c == '/' && !rest[..*at].ends_with('\\'))
            .map(|(at, _)| at)
            .ok_or_else(|| self.error())?;
        let pattern = rest[..end].replace("\\/", "/");
        self.at += end + 1;
        let insensitive = self.eat("i");
        let regex = RegexBuilder::new(&format!("^(?:{pattern})$"))
            .case_insensitive(insensitive)
            .size_limit(REGEX_SIZE)
            .build()
            .map_err(|error| Error::Syntax(error.to_string()))?;
        Ok(Filter::Matches(left, regex))
    }

    fn operand(&mut self) -> Result<Operand, Error> {
        self.blanks();
        if self.eat("@") {
            return self.nested().map(Operand::Here);
        }
        if self.eat("$") {
            return self.nested().map(Operand::Root);
        }
        self.literal().map(Operand::Literal)
    }

    fn nested(&mut self) -> Result<Path, Error> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Error::Syntax("the filter nests too deep".to_owned()));
        }
        let path = self.path(false)?;
        self.depth -= 1;
        Ok(path)
    }

    fn literal(&mut self) -> Result<Json, Error> {
        self.blanks();
        if self.rest().starts_with(['\'', '"']) {
            return self.quoted().map(Json::from);
        }
        if self.eat("[") {
            self.depth += 1;
            if self.depth > MAX_DEPTH {
                return Err(Error::Syntax("the filter nests too deep".to_owned()));
            }
            let mut items = Vec::new();
            self.blanks();
            while !self.eat("]") {
                items.push(self.literal()?);
                self.blanks();
                if !self.eat(",") && !self.rest().starts_with(']') {
                    return Err(self.error());
                }
                self.blanks();
            }
            self.depth -= 1;
            return Ok(Json::Array(items));
        }
        let rest = self.rest();
        let end =
            rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+'))).unwrap_or(rest.len());
        let value = serde_json::from_str(&rest[..end]).map_err(|_| self.error())?;
        self.at += end;
        Ok(value)
    }
}
