//! Tags of buckets and objects. <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html>

use std::collections::BTreeMap;

use s3_api::Tag;

use crate::Error;

pub type Tags = BTreeMap<String, String>;

/// Tags per object.
pub const OBJECT_LIMIT: usize = 10;
/// Tags per bucket.
pub const BUCKET_LIMIT: usize = 50;

fn allowed(text: &str) -> bool {
    text.chars().all(|c| c.is_alphanumeric() || c.is_whitespace() || "+-=._:/@".contains(c))
}

/// Checks a list of tags.
pub fn check(list: impl IntoIterator<Item = (String, String)>, limit: usize) -> Result<Tags, Error> {
    let mut tags = Tags::new();
    let invalid = |text: &str| Err(Error::InvalidTag(text.to_owned()));
    for (key, value) in list {
        if key.starts_with("aws:") {
            return invalid("System tags cannot be added/updated by requester");
        }
        if key.is_empty() || key.chars().count() > 128 || !allowed(&key) {
            return invalid("The TagKey you have provided is invalid");
        }
        if value.chars().count() > 256 || !allowed(&value) {
            return invalid("The TagValue you have provided is invalid");
        }
        if tags.insert(key, value).is_some() {
            return invalid("Cannot provide multiple Tags with the same key");
        }
    }
    if tags.len() > limit {
        let kind = if limit == OBJECT_LIMIT { "Object" } else { "Bucket" };
        return Err(Error::BadRequest(format!("{kind} tag count cannot be greater than {limit}")));
    }
    Ok(tags)
}

/// Tags of a body.
pub fn of_list(list: Vec<Tag>, limit: usize) -> Result<Tags, Error> {
    check(list.into_iter().map(|tag| (tag.key, tag.value)), limit)
}

/// Tags of the header `x-amz-tagging`: `a=1&b=2`.
pub fn of_header(text: Option<&str>) -> Result<Tags, Error> {
    check(wire::rest::parse_query(text.unwrap_or_default()), OBJECT_LIMIT)
}

/// Tags as a list.
pub fn to_list(tags: &Tags) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag { key: key.clone(), value: value.clone() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        let tags = of_header(Some("a=1&b=x%20y&c=")).unwrap();
        assert_eq!(tags, Tags::from([("a".into(), "1".into()), ("b".into(), "x y".into()), ("c".into(), "".into())]));
        assert_eq!(of_header(None).unwrap(), Tags::new());
        assert!(matches!(of_header(Some("a=1&a=2")), Err(Error::InvalidTag(_))));
        assert!(matches!(of_header(Some("aws:a=1")), Err(Error::InvalidTag(_))));
        assert!(matches!(of_header(Some("=1")), Err(Error::InvalidTag(_))));
        let eleven: Vec<String> = (0..11).map(|n| format!("k{n}=v")).collect();
        assert!(matches!(of_header(Some(&eleven.join("&"))), Err(Error::BadRequest(_))));
    }
}
