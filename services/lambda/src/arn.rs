//! The many ways to name a function: `name`, `account:function:name`, a whole ARN, each with an optional qualifier.

use std::fmt;

pub const LATEST: &str = "$LATEST";

/// A function of some account and region, perhaps one version or alias of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    pub region: String,
    pub account: String,
    pub name: String,
    pub qualifier: Option<String>,
}

impl Reference {
    /// Reads a `FunctionName` as the model allows it; `None` where the parts contradict each other. `qualifier` is the
    /// request's own, which must agree with one in the name.
    pub fn parse(text: &str, qualifier: Option<&str>, account: &str, region: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split(':').collect();
        let mut reference = match parts[..] {
            ["arn", _, "lambda", region, account, "function", name] => Self::new(region, account, name),
            ["arn", _, "lambda", region, account, "function", name, own] => {
                Self::new(region, account, name).qualified(own)
            }
            [account, "function", name] => Self::new(region, account, name),
            [account, "function", name, own] => Self::new(region, account, name).qualified(own),
            ["function", name] => Self::new(region, account, name),
            ["function", name, own] => Self::new(region, account, name).qualified(own),
            [name] => Self::new(region, account, name),
            [name, own] => Self::new(region, account, name).qualified(own),
            _ => return None,
        };
        match (&reference.qualifier, qualifier) {
            (Some(own), Some(asked)) if own != asked => return None,
            (None, Some(asked)) => reference.qualifier = Some(asked.to_owned()),
            _ => {}
        }
        Some(reference)
    }

    pub fn new(region: &str, account: &str, name: &str) -> Self {
        Self { region: region.into(), account: account.into(), name: name.into(), qualifier: None }
    }

    pub fn qualified(self, qualifier: &str) -> Self {
        Self { qualifier: Some(qualifier.into()), ..self }
    }

    pub fn unqualified(&self) -> Self {
        Self { qualifier: None, ..self.clone() }
    }

    /// The version or alias; the latest version where none is named.
    pub fn qualifier_or_latest(&self) -> &str {
        self.qualifier.as_deref().unwrap_or(LATEST)
    }
}

/// The ARN.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { region, account, name, qualifier } = self;
        write!(f, "arn:aws:lambda:{region}:{account}:function:{name}")?;
        qualifier.iter().try_for_each(|qualifier| write!(f, ":{qualifier}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "000000000000";

    fn parse(text: &str, qualifier: Option<&str>) -> Option<String> {
        Reference::parse(text, qualifier, ACCOUNT, "us-east-1").map(|reference| reference.to_string())
    }

    #[test]
    fn every_form_of_a_name() {
        let plain = "arn:aws:lambda:us-east-1:000000000000:function:f";
        let aliased = format!("{plain}:live");
        for text in ["f", "function:f", "000000000000:function:f", plain] {
            assert_eq!(parse(text, None).as_deref(), Some(plain), "{text}");
            assert_eq!(parse(text, Some("live")).as_deref(), Some(aliased.as_str()), "{text}");
            assert_eq!(parse(&format!("{text}:live"), None).as_deref(), Some(aliased.as_str()), "{text}");
        }
        assert_eq!(
            parse("arn:aws:lambda:eu-west-1:111111111111:function:f", None).as_deref(),
            Some("arn:aws:lambda:eu-west-1:111111111111:function:f")
        );
    }

    proptest::proptest! {
        /// What is written is read again; what cannot be read is refused without a panic.
        #[test]
        fn arns_are_read_back(name in "[a-zA-Z0-9_-]{1,64}", qualifier in proptest::option::of("[a-zA-Z0-9_$-]{1,20}")) {
            let reference = Reference { qualifier, ..Reference::new("eu-west-1", "111111111111", &name) };
            let read = Reference::parse(&reference.to_string(), None, ACCOUNT, "us-east-1");
            proptest::prop_assert_eq!(read, Some(reference));
        }

        #[test]
        fn any_text_is_taken(text in ".{0,60}") {
            let _ = Reference::parse(&text, Some("x"), ACCOUNT, "us-east-1");
        }
    }

    #[test]
    fn contradictions_are_refused() {
        assert_eq!(parse("f:live", Some("test")), None);
        assert_eq!(parse("arn:aws:s3:::bucket", None), None);
    }
}
