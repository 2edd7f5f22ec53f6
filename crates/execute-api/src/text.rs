//! Small readings of HTTP: queries, header names, media types.

use percent_encoding::percent_decode_str;

/// What `X-Forwarded-For` says behind an API: what the client said, and who the client is.
pub fn forwarded(given: Option<&str>, source_ip: &str) -> String {
    match given.filter(|given| !given.trim().is_empty()) {
        Some(given) => format!("{given}, {source_ip}"),
        None => source_ip.to_owned(),
    }
}

/// The parameters of a query, decoded.
pub fn parse_query(query: &str) -> Vec<(String, String)> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

/// A header's name as HTTP/1.1 clients write it: the server's library keeps names in lower case.
pub fn canonical_name(name: &str) -> String {
    let mut upper = true;
    let letter = |c: char| {
        let c = if upper { c.to_ascii_uppercase() } else { c };
        upper = c == '-';
        c
    };
    name.chars().map(letter).collect()
}

/// A media type without its parameters, in lower case.
pub fn media_type(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Whether an API's binary media types include this one; `*/*` and `image/*` are patterns.
pub fn is_binary(binary_types: &[String], content_type: &str) -> bool {
    let wanted = media_type(content_type);
    binary_types.iter().any(|known| {
        let known = known.to_ascii_lowercase();
        match known.strip_suffix("/*") {
            Some("*") => true,
            Some(class) => wanted.split('/').next() == Some(class),
            None => known == wanted,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_types_are_patterns() {
        let types = ["image/*".to_owned(), "application/zip".to_owned()];
        assert!(is_binary(&types, "image/png"));
        assert!(is_binary(&types, "Application/Zip; q=1"));
        assert!(!is_binary(&types, "text/plain"));
        assert!(is_binary(&["*/*".to_owned()], "text/plain"));
    }

    #[test]
    fn queries_and_header_names_are_read() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            parse_query("a=1&b=x+y%26&c&&a="),
            [pair("a", "1"), pair("b", "x y&"), pair("c", ""), pair("a", "")]
        );
        assert_eq!(canonical_name("x-api-key"), "X-Api-Key");
    }
}
