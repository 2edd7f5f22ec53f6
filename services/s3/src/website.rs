//! Static websites: which object a path shows, and where it leads instead.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/WebsiteHosting.html>

use s3_api::{Redirect, RoutingRule, WebsiteConfiguration};
use service::ApiError;

use crate::Error;

const MAX_RULES: usize = 50;

/// The bucket of a website's host: `<bucket>.s3-website-<region>.…` or `<bucket>.s3-website.<region>.…`.
pub fn bucket_of(host: &str) -> Option<&str> {
    let at = host.rfind(".s3-website")?;
    let rest = host.get(at + ".s3-website".len()..)?;
    (at > 0 && (rest.starts_with('-') || rest.starts_with('.'))).then(|| &host[..at])
}

/// What S3 asks of a configuration.
pub fn check(configuration: &WebsiteConfiguration) -> Result<(), Error> {
    let invalid = |text: &str, name: &str, value: &str| Err(Error::invalid_argument(text, name, value));
    let WebsiteConfiguration { index_document, error_document, redirect_all_requests_to, routing_rules } =
        configuration;
    if redirect_all_requests_to.is_some()
        && (index_document.is_some() || error_document.is_some() || routing_rules.is_some())
    {
        let text = "RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules.";
        return invalid(text, "RedirectAllRequestsTo", "not null");
    }
    if redirect_all_requests_to.is_none() {
        let Some(index) = index_document else {
            let text = "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty";
            return invalid(text, "IndexDocument", "null");
        };
        if index.suffix.is_empty() || index.suffix.contains('/') {
            return invalid("The IndexDocument Suffix is not well formed", "IndexDocument", &index.suffix);
        }
    }
    if let Some(error) = error_document
        && error.key.is_empty()
    {
        return invalid("The ErrorDocument Key is not well formed", "ErrorDocument", &error.key);
    }
    let rules = routing_rules.as_deref().unwrap_or_default();
    if rules.len() > MAX_RULES {
        let text = format!("The number of routing rules must be less than or equal to {MAX_RULES}");
        return Err(ApiError::new(400, "InvalidRequest", text).into());
    }
    for rule in rules {
        let Redirect { http_redirect_code, replace_key_prefix_with, replace_key_with, .. } = &rule.redirect;
        if rule.redirect == Redirect::default() {
            return Err(Error::malformed_xml());
        }
        if replace_key_prefix_with.is_some() && replace_key_with.is_some() {
            let text = "You can only define ReplaceKeyPrefix or ReplaceKey but not both.";
            return Err(Error::InvalidRequest(text.to_owned()));
        }
        if let Some(code) = http_redirect_code
            && !(300..400).contains(&code.parse::<u16>().unwrap_or_default())
        {
            let text =
                format!("The provided HTTP redirect code ({code}) is not valid. Valid codes are 3XX except 300.");
            return Err(Error::InvalidRequest(text));
        }
        if let Some(condition) = &rule.condition {
            if condition.key_prefix_equals.is_none() && condition.http_error_code_returned_equals.is_none() {
                let text = "Condition cannot be empty. To redirect all requests without a condition, the condition element shouldn't be present.";
                return Err(Error::InvalidRequest(text.to_owned()));
            }
            if let Some(code) = &condition.http_error_code_returned_equals
                && !(400..600).contains(&code.parse::<u16>().unwrap_or_default())
            {
                let text = format!("The provided HTTP error code ({code}) is not valid. Valid codes are 4XX or 5XX.");
                return Err(Error::InvalidRequest(text));
            }
        }
    }
    Ok(())
}

/// The key that a path shows: folders show their index.
pub fn key_of(path: &str, index: &str) -> String {
    let key = path.strip_prefix('/').unwrap_or(path);
    if key.is_empty() || key.ends_with('/') { format!("{key}{index}") } else { key.to_owned() }
}

/// The first rule for a key: before it was looked for (`error` is none), or after that failed.
pub fn rule_for<'a>(rules: &'a [RoutingRule], key: &str, error: Option<u16>) -> Option<&'a RoutingRule> {
    rules.iter().find(|rule| {
        let Some(condition) = &rule.condition else { return true };
        let prefix = condition.key_prefix_equals.as_deref().is_none_or(|prefix| key.starts_with(prefix));
        let code = condition.http_error_code_returned_equals.as_deref().map(str::parse::<u16>);
        prefix
            && match (code, error) {
                (None, None) => true,
                (None, Some(_)) => false,
                (Some(code), Some(error)) => code == Ok(error),
                (Some(_), None) => false,
            }
    })
}

/// Status and place of a rule's redirection.
pub fn redirection(rule: &RoutingRule, key: &str, secure: bool, host: &str) -> (u16, String) {
    let redirect = &rule.redirect;
    let protocol =
        redirect.protocol.as_ref().map_or(if secure { "https" } else { "http" }, |protocol| protocol.as_str());
    let host = redirect.host_name.as_deref().unwrap_or(host);
    let prefix =
        rule.condition.as_ref().and_then(|condition| condition.key_prefix_equals.as_deref()).unwrap_or_default();
    let key = match (&redirect.replace_key_with, &redirect.replace_key_prefix_with) {
        (Some(key), _) => key.clone(),
        (None, Some(with)) => format!("{with}{}", key.strip_prefix(prefix).unwrap_or(key)),
        (None, None) => key.to_owned(),
    };
    let code = redirect.http_redirect_code.as_deref().and_then(|code| code.parse().ok()).unwrap_or(301);
    (code, format!("{protocol}://{host}/{}", encode(&key)))
}

/// A key in an address.
pub fn encode(key: &str) -> String {
    use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
    const SET: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'`').add(b'%');
    utf8_percent_encode(key, SET).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use s3_api::{Condition, ErrorDocument, IndexDocument, RedirectAllRequestsTo};

    #[test]
    fn hosts() {
        assert_eq!(bucket_of("b.s3-website-us-east-1.amazonaws.com"), Some("b"));
        assert_eq!(bucket_of("a.b.s3-website.eu-central-1.localhost"), Some("a.b"));
        assert_eq!(bucket_of("b.s3.amazonaws.com"), None);
        assert_eq!(bucket_of("s3-website-us-east-1.amazonaws.com"), None);
        assert_eq!(bucket_of("b.s3-websites.x"), None);
    }

    #[test]
    fn paths() {
        assert_eq!(key_of("/", "index.html"), "index.html");
        assert_eq!(key_of("/a/", "index.html"), "a/index.html");
        assert_eq!(key_of("/a", "index.html"), "a");
    }

    fn rule(prefix: Option<&str>, error: Option<&str>, redirect: Redirect) -> RoutingRule {
        let text = |text: Option<&str>| text.map(str::to_owned);
        let condition = Condition { key_prefix_equals: text(prefix), http_error_code_returned_equals: text(error) };
        RoutingRule { condition: Some(condition), redirect }
    }

    #[test]
    fn rules() {
        let to = |with: &str| Redirect { replace_key_prefix_with: Some(with.into()), ..Redirect::default() };
        let rules = [rule(Some("docs/"), None, to("documents/")), rule(Some("img/"), Some("404"), to("lost/"))];
        let found = |key: &str, error| rule_for(&rules, key, error).map(|rule| redirection(rule, key, false, "h"));
        assert_eq!(found("docs/a", None), Some((301, "http://h/documents/a".to_owned())));
        assert_eq!(found("img/a", None), None);
        assert_eq!(found("img/a", Some(404)), Some((301, "http://h/lost/a".to_owned())));
        assert_eq!(found("img/a", Some(403)), None);
        let key = Redirect {
            replace_key_with: Some("e.html".into()),
            http_redirect_code: Some("302".into()),
            ..Redirect::default()
        };
        assert_eq!(redirection(&rule(None, Some("404"), key), "x", true, "h"), (302, "https://h/e.html".to_owned()));
    }

    #[test]
    fn configurations_that_are_refused() {
        let index = |suffix: &str| Some(IndexDocument { suffix: suffix.into() });
        let of = |configuration: WebsiteConfiguration| check(&configuration).is_ok();
        assert!(of(WebsiteConfiguration { index_document: index("index.html"), ..Default::default() }));
        assert!(!of(WebsiteConfiguration { index_document: index("a/index.html"), ..Default::default() }));
        assert!(!of(WebsiteConfiguration {
            error_document: Some(ErrorDocument { key: "e".into() }),
            ..Default::default()
        }));
        assert!(!of(WebsiteConfiguration::default()));
        let all = Some(RedirectAllRequestsTo { host_name: "h".into(), protocol: None });
        assert!(of(WebsiteConfiguration { redirect_all_requests_to: all.clone(), ..Default::default() }));
        assert!(!of(WebsiteConfiguration {
            redirect_all_requests_to: all,
            index_document: index("i"),
            ..Default::default()
        }));
        let both = Redirect {
            replace_key_with: Some("a".into()),
            replace_key_prefix_with: Some("b".into()),
            ..Redirect::default()
        };
        let rules = Some(vec![rule(Some("a"), None, both)]);
        assert!(!of(WebsiteConfiguration { index_document: index("i"), routing_rules: rules, ..Default::default() }));
    }
}
