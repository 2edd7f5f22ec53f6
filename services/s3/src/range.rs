//! The `Range` header. <https://www.rfc-editor.org/rfc/rfc9110#name-range>

/// A part of an object: first byte and length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub start: u64,
    pub len: u64,
}

impl Span {
    /// `bytes 0-9/100`
    pub fn content_range(self, size: u64) -> String {
        format!("bytes {}-{}/{size}", self.start, self.start + self.len.max(1) - 1)
    }
}

/// What a range asks of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// No range that S3 understands: the whole object. Several ranges are not understood.
    Whole,
    Part(Span),
    Unsatisfiable,
}

/// Reads a `Range` header for an object of `size` bytes.
pub fn parse(header: &str, size: u64) -> Asked {
    let Some(text) = header.trim().strip_prefix("bytes=") else { return Asked::Whole };
    let Some((first, last)) = text.split_once('-') else { return Asked::Whole };
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<u64>().unwrap_or(u64::MAX))
    };
    match (number(first.trim()), last.trim()) {
        (Some(start), "") if start < size => Asked::Part(Span { start, len: size - start }),
        (Some(_), "") => Asked::Unsatisfiable,
        (Some(start), last) => match number(last) {
            Some(last) if last < start => Asked::Whole,
            Some(_) if start >= size => Asked::Unsatisfiable,
            Some(last) => Asked::Part(Span { start, len: last.min(size - 1) - start + 1 }),
            None => Asked::Whole,
        },
        (None, last) if first.trim().is_empty() => match number(last) {
            Some(0) => Asked::Unsatisfiable,
            Some(_) if size == 0 => Asked::Unsatisfiable,
            Some(count) => Asked::Part(Span { start: size - count.min(size), len: count.min(size) }),
            None => Asked::Whole,
        },
        _ => Asked::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges() {
        let part = |start, len| Asked::Part(Span { start, len });
        for (text, asked) in [
            ("bytes=0-9", part(0, 10)),
            ("bytes=0-0", part(0, 1)),
            ("bytes=90-200", part(90, 10)),
            ("bytes=50-", part(50, 50)),
            ("bytes=-10", part(90, 10)),
            ("bytes=-1000", part(0, 100)),
            ("bytes=100-", Asked::Unsatisfiable),
            ("bytes=100-200", Asked::Unsatisfiable),
            ("bytes=-0", Asked::Unsatisfiable),
            ("bytes=5-2", Asked::Whole),
            ("bytes=0-1,5-6", Asked::Whole),
            ("lines=0-1", Asked::Whole),
            ("bytes=a-b", Asked::Whole),
            ("bytes=-", Asked::Whole),
        ] {
            assert_eq!(parse(text, 100), asked, "{text}");
        }
        assert_eq!(parse("bytes=0-", 0), Asked::Unsatisfiable);
        assert_eq!(Span { start: 5, len: 2 }.content_range(9), "bytes 5-6/9");
    }

    proptest! {
        #[test]
        fn a_part_is_inside(text in "bytes=[0-9]{0,22}-[0-9]{0,22}", size in 0u64..1000) {
            if let Asked::Part(span) = parse(&text, size) {
                prop_assert!(span.len > 0 && span.start + span.len <= size);
            }
        }

        #[test]
        fn never_panics(text: String, size: u64) {
            let _ = parse(&text, size);
        }
    }
}
