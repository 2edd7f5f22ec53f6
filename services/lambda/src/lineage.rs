//! The chain of functions that led to an invocation, and when it is a loop.
//!
//! The tracing header carries it: `Lineage=1:HASH:COUNT|…`, a function's name in short and how often the chain has passed it.
//! The SDKs inside functions send the header along with their calls, and services pass it on.
//! <https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html>

use aws_lc_rs::digest::{SHA256, digest};

/// So often a chain may pass a function that is to be stopped.
const MOST: u32 = 16;

const FIELD: &str = "Lineage=";
const VERSION: &str = "1:";

/// The header with which a function is invoked again in a chain; `None` if that would be a loop. A function that allows
/// recursion is counted all the same.
pub fn pass(header: &str, function: &str, allowed: bool) -> Option<String> {
    let short = short(function);
    let (fields, lineage): (Vec<&str>, Vec<&str>) =
        header.split(';').filter(|field| !field.is_empty()).partition(|field| !field.starts_with(FIELD));
    let mut chain: Vec<(&str, u32)> = lineage.iter().flat_map(|field| entries(field)).collect();
    match chain.iter_mut().find(|(name, _)| *name == short) {
        Some((_, count)) if *count >= MOST && !allowed => return None,
        Some((_, count)) => *count = count.saturating_add(1),
        None => chain.push((&short, 1)),
    }
    let chain: Vec<String> = chain.iter().map(|(name, count)| format!("{name}:{count}")).collect();
    Some(format!("{};{FIELD}{VERSION}{}", fields.join(";"), chain.join("|")))
}

fn entries(field: &str) -> impl Iterator<Item = (&str, u32)> {
    let chain = field.trim_start_matches(FIELD);
    let chain = chain.strip_prefix(VERSION).unwrap_or(chain);
    chain.split('|').filter_map(|entry| {
        let (name, count) = entry.split_once(':')?;
        Some((name, count.parse().ok()?))
    })
}

/// Eight hexadecimal digits.
fn short(function: &str) -> String {
    service::hex(&digest(&SHA256, function.as_bytes()).as_ref()[..4])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_times_and_no_more() {
        let mut header = "Root=1-2-3;Parent=4;Sampled=0".to_owned();
        for _ in 0..MOST {
            header = pass(&header, "f", false).unwrap();
            header = pass(&header, "g", true).unwrap();
        }
        assert!(header.starts_with("Root=1-2-3;Parent=4;Sampled=0;Lineage=1:") && header.contains("|"), "{header}");
        assert_eq!(pass(&header, "f", false), None);
        assert!(pass(&header, "f", true).unwrap().contains(":17|"));
        assert!(pass(&header, "h", false).is_some());
    }

    proptest::proptest! {
        #[test]
        fn any_header_is_taken(header in "(.{0,40}|(Root=1;)?Lineage=(1:)?[a-f0-9:|]{0,40})") {
            let _ = pass(&header, "f", false);
        }
    }
}
