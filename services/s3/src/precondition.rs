//! Conditional requests: `If-Match` and its like. <https://www.rfc-editor.org/rfc/rfc9110#name-precedence-of-preconditions>

use service::{ApiError, Timestamp};

use crate::Error;
use crate::store::Object;

/// The conditions of a read, or of the source of a copy.
#[derive(Debug, Default)]
pub struct Preconditions<'a> {
    pub if_match: Option<&'a str>,
    pub if_none_match: Option<&'a str>,
    pub if_modified_since: Option<Timestamp>,
    pub if_unmodified_since: Option<Timestamp>,
}

/// Whether a list of entity tags (or `*`) names this one.
pub fn names_etag(list: &str, etag: &str) -> bool {
    list.split(',').any(|one| {
        let one = one.trim();
        let one = one.strip_prefix("W/").unwrap_or(one);
        one == "*" || one.trim_matches('"') == etag
    })
}

impl Preconditions<'_> {
    /// An error of 304 or 412 where the conditions do not hold. A date is only asked for where its entity tag is not.
    pub fn check(&self, object: &Object) -> Result<(), Error> {
        let modified = Timestamp::from_millis(object.modified).secs();
        match (self.if_match, self.if_unmodified_since) {
            (Some(list), _) if !names_etag(list, &object.etag) => return Err(Error::precondition_failed("If-Match")),
            (None, Some(since)) if modified > since.secs() => {
                return Err(Error::precondition_failed("If-Unmodified-Since"));
            }
            _ => {}
        }
        let unchanged = match (self.if_none_match, self.if_modified_since) {
            (Some(list), _) => names_etag(list, &object.etag),
            (None, Some(since)) => modified <= since.secs(),
            (None, None) => false,
        };
        if unchanged {
            let date = Timestamp::from_millis(object.modified).http_date();
            let error = ApiError::new(304, "NotModified", "Not Modified");
            return Err(error.with_header("ETag", object.quoted_etag()).with_header("Last-Modified", date).into());
        }
        Ok(())
    }

    /// For the source of a copy: what would be 304 is 412 there.
    pub fn check_source(&self, object: &Object) -> Result<(), Error> {
        self.check(object).map_err(|error| match error {
            Error::Reply(reply) => {
                let name = match (reply.status, self.if_match, self.if_none_match) {
                    (304, _, Some(_)) => "If-None-Match",
                    (304, _, None) => "If-Modified-Since",
                    (_, Some(_), _) => "If-Match",
                    _ => "If-Unmodified-Since",
                };
                Error::precondition_failed(&format!("x-amz-copy-source-{name}"))
            }
            error => error,
        })
    }
}

/// The conditions of a write, checked against what is there when it is committed.
pub fn check_write(
    if_match: Option<&str>,
    if_none_match: Option<&str>,
    key: &str,
    current: Option<&Object>,
) -> Result<(), Error> {
    match (if_match, if_none_match) {
        (Some(_), Some(_)) => {
            let text = "Multiple conditional request headers present in the request";
            return Err(Error::condition_not_implemented("If-Match,If-None-Match", text));
        }
        (None, Some("*")) if current.is_some() => return Err(Error::precondition_failed("If-None-Match")),
        (None, Some("*") | None) => {}
        (None, Some(_)) => {
            let text = "We don't accept the provided value of If-None-Match header for this API";
            return Err(Error::condition_not_implemented("If-None-Match", text));
        }
        (Some("*"), None) => {
            let text = "We don't accept the provided value of If-Match header for this API";
            return Err(Error::condition_not_implemented("If-Match", text));
        }
        (Some(_), None) => {}
    }
    match (if_match, current) {
        (Some(_), None) => Err(Error::no_such_key(key)),
        (Some(list), Some(object)) if !names_etag(list, &object.etag) => Err(Error::precondition_failed("If-Match")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(conditions: &Preconditions<'_>) -> u16 {
        let object = Object { etag: "abc".into(), modified: 10_500, ..Object::default() };
        match conditions.check(&object) {
            Ok(()) => 200,
            Err(error) => ApiError::from(error).status,
        }
    }

    #[test]
    fn reads() {
        let at = |seconds| Some(Timestamp::from_secs(seconds));
        let none = Preconditions::default;
        assert_eq!(status(&none()), 200);
        assert_eq!(status(&Preconditions { if_match: Some("\"abc\""), ..none() }), 200);
        assert_eq!(status(&Preconditions { if_match: Some("\"x\", abc"), ..none() }), 200);
        assert_eq!(status(&Preconditions { if_match: Some("\"x\""), ..none() }), 412);
        assert_eq!(status(&Preconditions { if_none_match: Some("\"abc\""), ..none() }), 304);
        assert_eq!(status(&Preconditions { if_none_match: Some("*"), ..none() }), 304);
        assert_eq!(status(&Preconditions { if_modified_since: at(10), ..none() }), 304);
        assert_eq!(status(&Preconditions { if_modified_since: at(9), ..none() }), 200);
        assert_eq!(status(&Preconditions { if_unmodified_since: at(9), ..none() }), 412);
        assert_eq!(status(&Preconditions { if_unmodified_since: at(10), ..none() }), 200);
        // The entity tag decides where both are there.
        assert_eq!(status(&Preconditions { if_match: Some("abc"), if_unmodified_since: at(1), ..none() }), 200);
        assert_eq!(status(&Preconditions { if_none_match: Some("x"), if_modified_since: at(99), ..none() }), 200);
    }

    #[test]
    fn writes() {
        let object = Object { etag: "abc".into(), ..Object::default() };
        let status = |matches, none, current: Option<&Object>| match check_write(matches, none, "k", current) {
            Ok(()) => 200,
            Err(error) => ApiError::from(error).status,
        };
        assert_eq!(status(None, Some("*"), None), 200);
        assert_eq!(status(None, Some("*"), Some(&object)), 412);
        assert_eq!(status(None, Some("abc"), None), 501);
        assert_eq!(status(Some("*"), None, Some(&object)), 501);
        assert_eq!(status(Some("abc"), Some("*"), Some(&object)), 501);
        assert_eq!(status(Some("abc"), None, Some(&object)), 200);
        assert_eq!(status(Some("abd"), None, Some(&object)), 412);
        assert_eq!(status(Some("abc"), None, None), 404);
    }
}
