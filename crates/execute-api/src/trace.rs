//! The tracing header: a request keeps the trace that its caller began, or begins one.

use service::Random;
use wire::Timestamp;

/// What `X-Amzn-Trace-Id` says behind an API. A stage that traces is itself a part of the trace, and samples unless the
/// caller has decided.
pub fn header(given: Option<&str>, active: bool, now: Timestamp, random: &Random) -> String {
    let field = |name: &str| {
        let fields = given.unwrap_or_default().split(';').filter_map(|field| field.trim().split_once('='));
        fields.into_iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    };
    let root = field("Root").filter(|root| valid(root)).map(str::to_owned);
    let kept = root.is_some();
    let root = root.unwrap_or_else(|| format!("1-{:08x}-{}", now.secs(), random.hex(24)));
    let mut out = format!("Root={root}");
    let parent = if active { Some(random.hex(16)) } else { field("Parent").filter(|_| kept).map(str::to_owned) };
    if let Some(parent) = parent {
        out += &format!(";Parent={parent}");
    }
    let sampled = field("Sampled").filter(|flag| kept && matches!(*flag, "0" | "1"));
    if let Some(sampled) = sampled.or(active.then_some("1")) {
        out += &format!(";Sampled={sampled}");
    }
    out
}

/// `1-58406520-a006649127e371903a2de979`
fn valid(root: &str) -> bool {
    let parts: Vec<&str> = root.split('-').collect();
    let hex = |text: &str, length| text.len() == length && text.chars().all(|c| c.is_ascii_hexdigit());
    matches!(parts.as_slice(), ["1", time, id] if hex(time, 8) && hex(id, 24))
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn whatever_is_given_the_root_is_one(given in "(Root=|Self=|;|=|1-|[0-9a-f]{8}|[0-9a-f]{24}|x){0,8}", active: bool) {
            let told = header(Some(&given), active, Timestamp::from_secs(1), &Random::seeded(1));
            let root = told.split(';').next().unwrap().strip_prefix("Root=").unwrap().to_owned();
            proptest::prop_assert!(valid(&root), "{told}");
        }
    }

    #[test]
    fn a_trace_goes_on() {
        let random = Random::seeded(1);
        let header = |given, active| header(given, active, Timestamp::from_secs(1), &random);
        let root = "Root=1-58406520-a006649127e371903a2de979";
        assert_eq!(header(Some(root), false), root);
        let whole = format!("{root};Parent=0123456789abcdef;Sampled=0");
        assert_eq!(header(Some(&whole), false), whole);
        assert!(header(Some(&whole), true).starts_with(root) && header(Some(&whole), true).ends_with(";Sampled=0"));
        assert!(header(None, true).ends_with(";Sampled=1"));
        assert!(header(Some("Root=x;Sampled=1"), false).starts_with("Root=1-00000001-"));
        assert!(!header(Some("Root=x;Sampled=1"), false).contains("Sampled"));
    }
}
