//! Storage classes.

/// The classes other than the standard one, cheaper to keep as they go on: a transition only leads further.
pub const CLASSES: [&str; 7] =
    ["REDUCED_REDUNDANCY", "STANDARD_IA", "INTELLIGENT_TIERING", "ONEZONE_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"];

pub fn is_known(class: &str) -> bool {
    CLASSES.contains(&class)
}

/// An object of this class must be restored before it is read.
pub fn is_archive(class: Option<&str>) -> bool {
    matches!(class, Some("GLACIER" | "DEEP_ARCHIVE"))
}

/// Whether an object may move from one class to another.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html>
pub fn may_move(from: Option<&str>, to: &str) -> bool {
    let rank = |class: &str| CLASSES.iter().position(|known| *known == class);
    match (from.and_then(rank), rank(to)) {
        (None, Some(_)) => true,
        (Some(from), Some(to)) => from < to,
        (_, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transitions_go_one_way() {
        assert!(may_move(None, "GLACIER") && may_move(Some("STANDARD_IA"), "DEEP_ARCHIVE"));
        assert!(!may_move(Some("GLACIER"), "STANDARD_IA") && !may_move(Some("GLACIER"), "GLACIER"));
        assert!(!may_move(None, "STANDARD"));
    }
}
