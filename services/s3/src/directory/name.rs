//! The names of directory buckets: `base--zone--x-s3`.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/directory-bucket-naming-rules.html>

const SUFFIX: &str = "--x-s3";

/// Whether a name is that of a directory bucket, valid or not.
pub fn is_directory(name: &str) -> bool {
    name.ends_with(SUFFIX)
}

/// The id of the zone that a valid name tells.
pub fn zone(name: &str) -> Option<&str> {
    let (base, zone) = name.strip_suffix(SUFFIX)?.rsplit_once("--")?;
    let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = base.as_bytes();
    let valid = name.len() <= 63
        && bytes.first().is_some_and(plain)
        && bytes.last().is_some_and(plain)
        && bytes.iter().all(|byte| plain(byte) || *byte == b'-');
    (valid && is_zone(zone)).then_some(zone)
}

fn is_zone(zone: &str) -> bool {
    zone.rsplit_once("-az").is_some_and(|(place, number)| {
        !place.is_empty() && number.len() == 1 && number.bytes().all(|byte| (b'1'..=b'6').contains(&byte))
    })
}

/// Whether a zone is a Local Zone: `usw2-lax1-az1`.
pub fn is_local(zone: &str) -> bool {
    zone.matches('-').count() == 2
}

/// Whether a zone is in a region: those of `ap-northeast-1` begin with `apne1-`.
pub fn is_in(zone: &str, region: &str) -> bool {
    let prefix = prefix(region);
    let rest = prefix.as_deref().and_then(|prefix| zone.strip_prefix(prefix)).and_then(|rest| rest.strip_prefix('-'));
    let place = rest.and_then(|rest| rest.rsplit_once("az")).map(|(place, _)| place.trim_end_matches('-'));
    place
        .is_some_and(|place| place.is_empty() || (place.len() == 4 && place.bytes().all(|b| b.is_ascii_alphanumeric())))
}

/// What the ids of a region's zones begin with.
fn prefix(region: &str) -> Option<String> {
    let mut short = String::new();
    for part in region.split('-') {
        short.push_str(match part {
            "north" => "n",
            "south" => "s",
            "east" => "e",
            "west" => "w",
            "central" => "c",
            "northeast" => "ne",
            "northwest" => "nw",
            "southeast" => "se",
            "southwest" => "sw",
            "gov" => "g",
            part if part.len() <= 2 => part,
            _ => return None,
        });
    }
    Some(short)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn whatever_is_no_name_is_none(name: String, zone_id: String, region: String) {
            let ends = |found: &str| name.ends_with(&format!("--{found}--x-s3"));
            prop_assert!(zone(&name).is_none_or(ends));
            prop_assert!(!is_in(&zone_id, &region) || zone_id.contains("-az"));
        }

        #[test]
        fn names_tell_their_zone(base in "[a-z0-9][a-z0-9-]{0,30}[a-z0-9]", place in "[a-z]{2,4}[1-9]", number in 1..=6) {
            let id = format!("{place}-az{number}");
            let name = format!("{base}--{id}--x-s3");
            prop_assert_eq!(zone(&name), Some(id.as_str()));
        }
    }

    #[test]
    fn names() {
        let long = format!("{}--use1-az4--x-s3", "a".repeat(63 - 16));
        for (name, expected) in [
            ("base--use1-az4--x-s3", Some("use1-az4")),
            ("a-b--c--apne1-az1--x-s3", Some("apne1-az1")),
            ("base--usw2-lax1-az1--x-s3", Some("usw2-lax1-az1")),
            (&long, Some("use1-az4")),
            (&format!("a{long}"), None),
            ("base--use1-az9--x-s3", None),
            ("base--use1--x-s3", None),
            ("--use1-az4--x-s3", None),
            ("-a--use1-az4--x-s3", None),
            ("a.b--use1-az4--x-s3", None),
            ("Base--use1-az4--x-s3", None),
            ("base--x-s3", None),
            ("base", None),
        ] {
            assert_eq!(zone(name), expected, "{name}");
        }
    }

    #[test]
    fn zones_of_regions() {
        for (zone, region) in [
            ("use1-az4", "us-east-1"),
            ("usw2-az1", "us-west-2"),
            ("apne1-az4", "ap-northeast-1"),
            ("euc1-az2", "eu-central-1"),
            ("eun1-az1", "eu-north-1"),
            ("aps1-az1", "ap-south-1"),
            ("usgw1-az1", "us-gov-west-1"),
            ("usw2-lax1-az1", "us-west-2"),
        ] {
            assert!(is_in(zone, region), "{zone} in {region}");
        }
        for (zone, region) in
            [("use1-az4", "us-east-2"), ("use10-az4", "us-east-1"), ("usw2-az1", "us-east-1"), ("x", "y")]
        {
            assert!(!is_in(zone, region), "{zone} in {region}");
        }
        assert!(is_local("usw2-lax1-az1") && !is_local("usw2-az1"));
    }
}
