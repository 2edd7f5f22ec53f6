//! Wildcards of actions, resources and the `Like` operators: `*` is any run of characters, `?` any one.

/// Matches without case. Actions compare so.
pub(crate) fn matches_ignoring_case(pattern: &str, text: &str) -> bool {
    run(pattern.as_bytes(), text.as_bytes(), u8::eq_ignore_ascii_case)
}

/// True where the pattern covers the text.
pub fn matches(pattern: &str, text: &str) -> bool {
    run(pattern.as_bytes(), text.as_bytes(), |a, b| a == b)
}

/// Greedy with one remembered star: linear in practice, and never worse than the product of the lengths.
fn run(pattern: &[u8], text: &[u8], same: impl Fn(&u8, &u8) -> bool) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(b'?') => {
                p += 1;
                t += char_len(text, t);
            }
            Some(byte) if same(byte, &text[t]) => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    p = at + 1;
                    t = from + 1;
                    star = Some((at, t));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// `?` stands for one character, however many bytes it takes.
fn char_len(text: &[u8], at: usize) -> usize {
    match text[at] {
        0..0x80 => 1,
        0xc0..0xe0 => 2,
        0xe0..0xf0 => 3,
        0xf0.. => 4,
        _ => 1,
    }
    .min(text.len() - at)
}

/// The resource part of a statement. Each segment of an ARN matches on its own, so that a wildcard never reaches from
/// one segment into the next; the last one given covers all the rest.
pub(crate) fn matches_arn(pattern: &str, arn: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    let pattern: Vec<&str> = pattern.splitn(6, ':').collect();
    let arn: Vec<&str> = arn.splitn(pattern.len(), ':').collect();
    pattern.len() == arn.len() && pattern.iter().zip(&arn).all(|(pattern, part)| matches(pattern, part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wildcards() {
        assert!(matches("s3:Get*", "s3:GetObject"));
        assert!(matches("a?c", "abc") && matches("a?c", "a한c") && !matches("a?c", "ac"));
        assert!(matches("*b*", "abc") && !matches("*b", "abc"));
        assert!(matches_ignoring_case("S3:getobject", "s3:GetObject"));
        assert!(matches_arn("arn:aws:s3:::bucket/*", "arn:aws:s3:::bucket/a/b"));
        assert!(!matches_arn("arn:aws:s3:::bucket", "arn:aws:s3:::bucket/a"));
        assert!(matches_arn("arn:aws:dynamodb:*:*:table/x", "arn:aws:dynamodb:us-east-1:123456789012:table/x"));
        assert!(!matches_arn("arn:*:table/x", "arn:aws:dynamodb:us-east-1:123456789012:table/x"));
    }

    /// The obvious recursive definition.
    fn oracle(pattern: &[char], text: &[char]) -> bool {
        match (pattern.first(), text.first()) {
            (None, None) => true,
            (Some('*'), _) => oracle(&pattern[1..], text) || (!text.is_empty() && oracle(pattern, &text[1..])),
            (Some('?'), Some(_)) => oracle(&pattern[1..], &text[1..]),
            (Some(a), Some(b)) if a == b => oracle(&pattern[1..], &text[1..]),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(pattern in "[ab*?한]{0,8}", text in "[ab한]{0,8}") {
            let (p, t): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
            prop_assert_eq!(matches(&pattern, &text), oracle(&p, &t));
        }
    }
}
