//! Tags as all services restrict them. <https://docs.aws.amazon.com/tag-editor/latest/userguide/tagging.html>

/// Which rule a tag breaks. Services put it in their own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagError {
    /// The key is empty or longer than 128 characters.
    KeyLength,
    /// The value is longer than 256 characters.
    ValueLength,
    /// The key begins with `aws:`, which is AWS's own.
    Reserved,
    /// The key is there twice.
    Duplicate,
    /// More than 50 tags.
    TooMany,
}

/// Checks the tags of one resource.
pub fn check_tags<'a>(tags: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<(), TagError> {
    let mut keys = std::collections::BTreeSet::new();
    for (key, value) in tags {
        if key.is_empty() || key.chars().count() > 128 {
            return Err(TagError::KeyLength);
        }
        if value.chars().count() > 256 {
            return Err(TagError::ValueLength);
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(TagError::Reserved);
        }
        if !keys.insert(key) {
            return Err(TagError::Duplicate);
        }
    }
    if keys.len() > 50 { Err(TagError::TooMany) } else { Ok(()) }
}
