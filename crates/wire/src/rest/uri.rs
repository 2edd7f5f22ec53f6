//! URI patterns of operations: `/2015-03-31/functions/{FunctionName}/invocations`, `/{Bucket}/{Key+}?tagging`.

use percent_encoding::percent_decode_str;

/// A parsed pattern.
#[derive(Debug)]
pub struct UriPattern {
    pub segments: Vec<Segment>,
    /// Fixed query parameters, with the value they must have if the pattern gives one.
    pub query: Vec<(&'static str, Option<&'static str>)>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Segment {
    Literal(&'static str),
    Label(&'static str),
    /// The rest of the path, slashes included.
    Greedy(&'static str),
}

impl UriPattern {
    pub fn parse(uri: &'static str) -> UriPattern {
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let segments = (path.split('/').skip(1))
            .map(|segment| match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                Some(label) => match label.strip_suffix('+') {
                    Some(greedy) => Segment::Greedy(greedy),
                    None => Segment::Label(label),
                },
                None => Segment::Literal(segment),
            })
            .collect();
        let query = (query.split('&').filter(|pair| !pair.is_empty()))
            .map(|pair| match pair.split_once('=') {
                Some((key, value)) => (key, Some(value)),
                None => (pair, None),
            })
            .collect();
        UriPattern { segments, query }
    }

    /// Matches a percent-encoded path and yields the decoded labels. A label is never empty, except that a greedy one
    /// may contain empty segments.
    pub fn match_path(&self, path: &str) -> Option<Vec<(&'static str, String)>> {
        let mut labels = Vec::new();
        let mut rest = path.strip_prefix('/')?;
        let last = self.segments.len() - 1;
        for (index, segment) in self.segments.iter().enumerate() {
            if let Segment::Greedy(name) = segment {
                // Segments after a greedy label match from the end.
                let tail = self.segments.len() - index - 1;
                let mut end = rest.len();
                for after in self.segments[index + 1..].iter().rev() {
                    let Segment::Literal(literal) = after else { return None };
                    end = rest[..end].strip_suffix(literal)?.strip_suffix('/')?.len();
                }
                if end == 0 {
                    return None;
                }
                labels.push((*name, decode(&rest[..end])));
                return (tail == 0 || end < rest.len()).then_some(labels);
            }
            let (part, after) = match rest.split_once('/') {
                Some((part, after)) => (part, Some(after)),
                None => (rest, None),
            };
            match segment {
                Segment::Literal(literal) if *literal == part => {}
                Segment::Label(name) if !part.is_empty() => labels.push((*name, decode(part))),
                _ => return None,
            }
            match (after, index == last) {
                // One trailing slash is tolerated.
                (Some(""), true) | (None, true) => return Some(labels),
                (Some(after), false) => rest = after,
                _ => return None,
            }
        }
        Some(labels)
    }

    /// How specific the pattern is: more fixed query parameters first, then literal segments, then no greedy label.
    pub fn specificity(&self) -> (usize, usize, usize, bool) {
        let literals = self.segments.iter().filter(|segment| matches!(segment, Segment::Literal(_))).count();
        let greedy = self.segments.iter().any(|segment| matches!(segment, Segment::Greedy(_)));
        (self.segments.len().min(2), self.query.len(), literals, !greedy)
    }

    /// All fixed query parameters are there.
    pub fn match_query(&self, query: &[(String, String)]) -> bool {
        self.query.iter().all(|(key, value)| {
            query.iter().any(|(name, found)| name == key && value.is_none_or(|value| value == found))
        })
    }

    /// Fills in the labels: the client's side.
    pub fn expand(&self, labels: &[(&str, String)], query: &[(String, String)]) -> String {
        use crate::query::UNRESERVED;
        use percent_encoding::{AsciiSet, utf8_percent_encode};
        let label = |name: &str| labels.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value.as_str());
        let mut uri = String::new();
        for segment in &self.segments {
            uri.push('/');
            match segment {
                Segment::Literal(literal) => uri.push_str(literal),
                Segment::Label(name) => uri.extend(utf8_percent_encode(label(name), UNRESERVED)),
                Segment::Greedy(name) => {
                    static KEEP_SLASHES: &AsciiSet = &UNRESERVED.remove(b'/');
                    uri.extend(utf8_percent_encode(label(name), KEEP_SLASHES));
                }
            }
        }
        let mut separator = '?';
        let mut pair = |key: &str, value: Option<&str>| {
            uri.push(separator);
            separator = '&';
            uri.extend(utf8_percent_encode(key, UNRESERVED));
            if let Some(value) = value {
                uri.push('=');
                uri.extend(utf8_percent_encode(value, UNRESERVED));
            }
        };
        self.query.iter().for_each(|(key, value)| pair(key, *value));
        query.iter().for_each(|(key, value)| pair(key, Some(value)));
        uri
    }
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Decodes the query string into pairs, in order. `+` is a plain plus outside of forms, but every AWS SDK encodes
/// a space as `%20` and AWS reads `+` as a space.
pub fn parse_query(query: &str) -> Vec<(String, String)> {
    (query.split('&').filter(|pair| !pair.is_empty()))
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(&key.replace('+', " ")), decode(&value.replace('+', " ")))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_labels_and_greedy_labels() {
        let pattern = UriPattern::parse("/{Bucket}/{Key+}?tagging");
        let labels = pattern.match_path("/b/a//b%20c/").unwrap();
        assert_eq!(labels, [("Bucket", "b".to_owned()), ("Key", "a//b c/".to_owned())]);
        assert!(pattern.match_path("/b").is_none());
        assert!(pattern.match_path("/b/").is_none());
        assert!(pattern.match_query(&[("tagging".into(), String::new())]));
        assert!(!pattern.match_query(&[]));
        let root = UriPattern::parse("/");
        assert!(root.match_path("/").is_some());
        assert!(root.match_path("/x").is_none());
        let tail = UriPattern::parse("/tags/{Arn+}/end");
        assert_eq!(tail.match_path("/tags/a/b/end").unwrap(), [("Arn", "a/b".to_owned())]);
        assert!(tail.match_path("/tags/end").is_none());
    }
}
