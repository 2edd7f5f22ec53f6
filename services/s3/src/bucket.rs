//! Rules about buckets: their names and where they are made.

use crate::Error;

/// Whether a bucket can have this name.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
pub fn valid_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    let letter = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let address = name.split('.').count() == 4 && name.split('.').all(|part| part.parse::<u8>().is_ok());
    (3..=63).contains(&bytes.len())
        && bytes.iter().all(|byte| letter(byte) || matches!(byte, b'.' | b'-'))
        && bytes.first().is_some_and(letter)
        && bytes.last().is_some_and(letter)
        && !["..", ".-", "-."].iter().any(|pair| name.contains(pair))
        && !address
        && !["xn--", "sthree-", "amzn-s3-demo-"].iter().any(|prefix| name.starts_with(prefix))
        && !["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"].iter().any(|suffix| name.ends_with(suffix))
}

/// The region of a new bucket, asked for in `region` with a location constraint. `us-east-1` has no constraint of its own,
/// and makes buckets elsewhere too.
pub fn region_of(region: &str, constraint: Option<&str>) -> Result<String, Error> {
    let incompatible = |which: &str| {
        Error::IllegalLocationConstraint(format!(
            "The {which} location constraint is incompatible for the region specific endpoint this request was sent to."
        ))
    };
    let constraint = match constraint {
        Some("EU") => Some("eu-west-1"),
        Some("") => None,
        other => other,
    };
    match constraint {
        Some("us-east-1") => Err(Error::invalid_location_constraint("us-east-1")),
        Some(constraint) if region == constraint || region == "us-east-1" => Ok(constraint.to_owned()),
        Some(constraint) => Err(incompatible(constraint)),
        None if region == "us-east-1" => Ok(region.to_owned()),
        None => Err(incompatible("unspecified")),
    }
}

/// The canonical id of an account: 64 hexadecimal digits that say nothing else.
pub fn canonical_id(account: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, format!("canonical user {account}").as_bytes());
    service::hex(digest.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["abc", "my-bucket.example.com", "1-2", &"a".repeat(63)] {
            assert!(valid_name(good), "{good}");
        }
        let long = "a".repeat(64);
        for bad in [
            "a.-b",
            "a-.b",
            "ab",
            "Abc",
            "a_b",
            "-abc",
            "abc-",
            ".abc",
            "a..b",
            "192.168.5.4",
            "xn--abc",
            "abc-s3alias",
            "ab/c",
            "ä bc",
            &long,
        ] {
            assert!(!valid_name(bad), "{bad}");
        }
    }

    #[test]
    fn regions() {
        assert_eq!(region_of("us-east-1", None).unwrap(), "us-east-1");
        assert_eq!(region_of("us-east-1", Some("EU")).unwrap(), "eu-west-1");
        assert_eq!(region_of("eu-west-1", Some("eu-west-1")).unwrap(), "eu-west-1");
        assert!(matches!(region_of("eu-west-1", None), Err(Error::IllegalLocationConstraint(_))));
        assert!(matches!(region_of("eu-west-1", Some("eu-west-2")), Err(Error::IllegalLocationConstraint(_))));
        assert!(region_of("us-east-1", Some("us-east-1")).is_err());
    }

    #[test]
    fn canonical_ids_are_stable() {
        assert_eq!(canonical_id("000000000000").len(), 64);
        assert_ne!(canonical_id("000000000000"), canonical_id("000000000001"));
    }
}
