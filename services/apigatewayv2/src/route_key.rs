//! Route keys of HTTP APIs: `GET /pets/{id}`, `ANY /{proxy+}`, `$default`, and which of several a request is for.
//!
//! The most specific path wins, part by part: a literal before a variable, a variable before a greedy one, and `$default`
//! last; of two keys with one path the one that names the method.

use percent_encoding::percent_decode_str;

/// The methods that a key may name.
pub const METHODS: [&str; 8] = ["ANY", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

#[derive(Debug, Clone, PartialEq)]
pub enum RouteKey {
    Default,
    Path {
        method: String,
        parts: Vec<Part>,
    },
    /// A key that no request of an HTTP API is for.
    Other,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    Literal(String),
    Variable(String),
    Greedy(String),
}

/// A key that fits a request.
#[derive(Debug, PartialEq)]
pub struct Match {
    /// How specific it is; more is better.
    pub rank: Vec<u8>,
    pub variables: Vec<(String, String)>,
}

impl RouteKey {
    pub fn parse(key: &str) -> Self {
        if key == "$default" {
            return Self::Default;
        }
        let Some((method, path)) = key.split_once(' ').filter(|(method, _)| METHODS.contains(method)) else {
            return Self::Other;
        };
        match path.strip_prefix('/') {
            Some(path) => Self::Path { method: method.to_owned(), parts: path.split('/').map(Part::parse).collect() },
            None => Self::Other,
        }
    }

    /// Whether a request is for this key. The path is still percent-encoded.
    pub fn matches(&self, method: &str, path: &str) -> Option<Match> {
        let (wanted, parts) = match self {
            Self::Default => return Some(Match { rank: Vec::new(), variables: Vec::new() }),
            Self::Other => return None,
            Self::Path { method, parts } => (method, parts),
        };
        if wanted != "ANY" && wanted != method {
            return None;
        }
        let mut rest = path.strip_prefix('/').unwrap_or(path);
        let mut found = Match { rank: Vec::new(), variables: Vec::new() };
        for (at, part) in parts.iter().enumerate() {
            let last = at + 1 == parts.len();
            let (segment, after) = match rest.split_once('/') {
                Some((segment, after)) => (segment, Some(after)),
                None => (rest, None),
            };
            let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
            match part {
                Part::Greedy(name) if !rest.is_empty() => {
                    found.variables.push((name.clone(), decoded(rest)));
                    found.rank.push(1);
                    found.rank.push(u8::from(wanted != "ANY"));
                    return Some(found);
                }
                Part::Literal(literal) if *literal == decoded(segment) => found.rank.push(3),
                Part::Variable(name) if !segment.is_empty() => {
                    found.variables.push((name.clone(), decoded(segment)));
                    found.rank.push(2);
                }
                _ => return None,
            }
            match after {
                Some(after) if !last => rest = after,
                None if last => {}
                _ => return None,
            }
        }
        found.rank.push(u8::from(wanted != "ANY"));
        Some(found)
    }
}

impl Part {
    fn parse(part: &str) -> Self {
        match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            Some(name) => match name.strip_suffix('+') {
                Some(name) => Self::Greedy(name.to_owned()),
                None => Self::Variable(name.to_owned()),
            },
            None => Self::Literal(part.to_owned()),
        }
    }
}

/// Whether a key can be one of an HTTP API: a greedy variable comes last, and no name twice.
pub fn valid(key: &str) -> bool {
    let RouteKey::Path { parts, .. } = RouteKey::parse(key) else { return key == "$default" };
    let mut names = Vec::new();
    let count = parts.len();
    let fits = |(at, part): (usize, &Part)| {
        let (name, ends) = match part {
            Part::Literal(text) => return !text.contains(['{', '}']) && (!text.is_empty() || count == 1),
            Part::Variable(name) => (name, true),
            Part::Greedy(name) => (name, at + 1 == count),
        };
        let new = !names.contains(name);
        names.push(name.clone());
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-:".contains(c);
        !name.is_empty() && ends && new && name.chars().all(allowed)
    };
    parts.iter().enumerate().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best<'a>(keys: &[&'a str], method: &str, path: &str) -> Option<(&'a str, Vec<(String, String)>)> {
        let matches = keys.iter().filter_map(|key| Some((RouteKey::parse(key).matches(method, path)?, *key)));
        let (found, key) = matches.max_by(|(one, _), (other, _)| one.rank.cmp(&other.rank))?;
        Some((key, found.variables))
    }

    #[test]
    fn the_most_specific_key_wins() {
        // The example of AWS's developer guide.
        let keys = ["GET /pets/dog/1", "GET /pets/dog/{id}", "GET /pets/{proxy+}", "ANY /{proxy+}", "$default"];
        let pair = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        assert_eq!(best(&keys, "GET", "/pets/dog/1"), Some(("GET /pets/dog/1", vec![])));
        assert_eq!(best(&keys, "GET", "/pets/dog/2"), Some(("GET /pets/dog/{id}", pair("id", "2"))));
        assert_eq!(best(&keys, "GET", "/pets/cat/1"), Some(("GET /pets/{proxy+}", pair("proxy", "cat/1"))));
        assert_eq!(best(&keys, "POST", "/test/5"), Some(("ANY /{proxy+}", pair("proxy", "test/5"))));
        assert_eq!(best(&keys, "POST", "/"), Some(("$default", vec![])));
        assert_eq!(best(&["ANY /a", "GET /a"], "GET", "/a").map(|(key, _)| key), Some("GET /a"));
        assert_eq!(best(&["GET /a"], "GET", "/a/"), None);
        assert_eq!(best(&["GET /a"], "POST", "/a"), None);
        assert_eq!(best(&["GET /"], "GET", "/").map(|(key, _)| key), Some("GET /"));
        assert_eq!(best(&["GET /{a}"], "GET", "/x%20y"), Some(("GET /{a}", pair("a", "x y"))));
    }

    proptest::proptest! {
        /// A key that is literal serves its own path, and any key may meet any path.
        #[test]
        fn literal_keys_serve_themselves(path in "(/[a-z0-9._~-]{1,5}){1,4}", other in ".{0,20}") {
            let key = RouteKey::parse(&format!("GET {path}"));
            proptest::prop_assert!(key.matches("GET", &path).is_some());
            let _ = RouteKey::parse(&other).matches("GET", &path);
            let _ = key.matches("GET", &other);
            let _ = valid(&other);
        }
    }

    #[test]
    fn keys_are_checked() {
        for key in ["$default", "GET /", "ANY /{proxy+}", "POST /pets/{id}/toys", "GET /pets/dog"] {
            assert!(valid(key), "{key}");
        }
        for key in
            ["", "GET", "GET pets", "FETCH /x", "get /x", "GET /{proxy+}/x", "GET /{a}/{a}", "GET /a//b", "GET /{}"]
        {
            assert!(!valid(key), "{key}");
        }
    }
}
