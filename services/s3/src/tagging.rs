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
    let about = |text: &str, member: &'static str, value: &str| -> Result<Tags, Error> {
        Err(service::ApiError::new(400, "InvalidTag", text).with(member, value).into())
    };
    for (key, value) in list {
        if key.starts_with("aws:") {
            return invalid("System tags cannot be added/updated by requester");
        }
        if key.is_empty() || key.chars().count() > 128 || !allowed(&key) {
            return about("The TagKey you have provided is invalid", "TagKey", &key);
        }
        if value.chars().count() > 256 || !allowed(&value) {
            return about("The TagValue you have provided is invalid", "TagValue", &value);
        }
        if tags.contains_key(&key) {
            return about("Cannot provide multiple Tags with the same key", "TagKey", &key);
        }
        tags.insert(key, value);
    }
    if tags.len() > limit {
        let kind = if limit == OBJECT_LIMIT { "Object tags" } else { "Bucket tag count" };
        return Err(Error::BadRequest(format!("{kind} cannot be greater than {limit}")));
    }
    Ok(tags)
}

/// Tags of a body.
pub fn of_list(list: Vec<Tag>, limit: usize) -> Result<Tags, Error> {
    check(list.into_iter().map(|tag| (tag.key, tag.value)), limit)
}

/// Tags of the header `x-amz-tagging`: `a=1&b=2`.
pub fn of_header(text: Option<&str>) -> Result<Tags, Error> {
    let text = text.unwrap_or_default();
    let list = wire::rest::parse_query(text);
    let twice = list.iter().enumerate().any(|(at, (key, _))| list.iter().take(at).any(|(other, _)| other == key));
    if twice {
        let message = "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.";
        return Err(Error::invalid_argument(message, "x-amz-tagging", text));
    }
    check(list, OBJECT_LIMIT)
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
        assert!(of_header(Some("a=1&a=2")).is_err());
        assert!(matches!(of_header(Some("aws:a=1")), Err(Error::InvalidTag(_))));
        assert!(of_header(Some("=1")).is_err());
        let eleven: Vec<String> = (0..11).map(|n| format!("k{n}=v")).collect();
        assert!(matches!(of_header(Some(&eleven.join("&"))), Err(Error::BadRequest(_))));
    }
}
