//! Java's regular expressions, as `matches`, `split` and `replaceAll` take them. The common language of both
//! engines: no look-around, no back-references.

use super::Error;
use regex_lite::{Captures, Regex, RegexBuilder};

const SIZE_LIMIT: usize = 1 << 20;

pub fn compile(method: &str, pattern: &str) -> Result<Regex, Error> {
    RegexBuilder::new(pattern)
        .size_limit(SIZE_LIMIT)
        .build()
        .map_err(|error| Error::Method { method: method.to_owned(), reason: error.to_string() })
}

pub fn matches(pattern: &str, text: &str) -> Result<bool, Error> {
    Ok(compile("matches", &format!("^(?:{pattern})$"))?.is_match(text))
}

pub fn replace(method: &str, text: &str, pattern: &str, replacement: &str, all: bool) -> Result<String, Error> {
    let regex = compile(method, pattern)?;
    let expand = |captures: &Captures<'_>| expand(captures, replacement);
    Ok(regex.replacen(text, usize::from(!all), expand).into_owned())
}

/// `$1` is a group, a backslash quotes what follows.
fn expand(captures: &Captures<'_>, replacement: &str) -> String {
    let mut out = String::new();
    let mut characters = replacement.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\\' => out.extend(characters.next()),
            '$' => match characters.next_if(char::is_ascii_digit).and_then(|digit| digit.to_digit(10)) {
                Some(group) => out.push_str(captures.get(group as usize).map_or("", |found| found.as_str())),
                None => out.push('$'),
            },
            _ => out.push(c),
        }
    }
    out
}

/// Without a limit, empty strings at the end are left out; an empty match at the start splits nothing off.
pub fn split(text: &str, pattern: &str, limit: i64) -> Result<Vec<String>, Error> {
    let regex = compile("split", pattern)?;
    let mut parts = Vec::new();
    let mut from = 0;
    for found in regex.find_iter(text) {
        if limit > 0 && parts.len() as i64 == limit - 1 {
            break;
        }
        if found.end() == 0 || (found.is_empty() && found.end() == text.len()) {
            continue;
        }
        parts.push(text[from..found.start()].to_owned());
        from = found.end();
    }
    parts.push(text[from..].to_owned());
    if limit == 0 {
        while parts.len() > 1 && parts.last().is_some_and(String::is_empty) {
            parts.pop();
        }
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_follows_java() {
        assert_eq!(split("a,b,,c,,", ",", 0).unwrap(), ["a", "b", "", "c"]);
        assert_eq!(split("a,b,c", ",", 2).unwrap(), ["a", "b,c"]);
        assert_eq!(split("abc", "", 0).unwrap(), ["a", "b", "c"]);
        assert_eq!(split("a,b,,", ",", -1).unwrap(), ["a", "b", "", ""]);
        assert_eq!(split("a.b", "\\.", 0).unwrap(), ["a", "b"]);
    }

    #[test]
    fn replacement_takes_groups_and_escapes() {
        assert_eq!(replace("replaceAll", "Bob", "(o)", "[$1]", true).unwrap(), "B[o]b");
        assert_eq!(replace("replaceAll", "it's", "'", "\\\\'", true).unwrap(), "it\\'s");
        assert_eq!(replace("replaceFirst", "aaa", "a", "b", false).unwrap(), "baa");
        assert!(replace("replaceAll", "a", "(", "", true).is_err());
    }
}
