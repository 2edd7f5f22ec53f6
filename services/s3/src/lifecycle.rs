//! Lifecycle rules: what they ask for, and when it is due. Pure functions of the rules, the object and the time.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lifecycle-mgmt.html>
//!
//! What is counted in days is due at the midnight after they have passed.

use s3_api::{BucketLifecycleConfiguration, LifecycleRule, NoncurrentVersionTransition, Tag, Transition};
use service::Timestamp;

use crate::Error;
use crate::classes::may_move;
use crate::store::Object;

const DAY: i64 = 86_400_000;
const MAX_RULES: usize = 1000;
/// Smaller objects are not moved to another class unless a rule speaks of sizes.
const SMALL: u64 = 128 * 1024;

/// The midnight (UTC) at or after a time.
pub fn midnight(millis: i64) -> i64 {
    (millis + DAY - 1).div_euclid(DAY) * DAY
}

/// When what is asked for so many days after `from` is due.
fn due_after(from: i64, days: i32) -> i64 {
    midnight(from + i64::from(days) * DAY)
}

/// A rule's filter, whichever of its forms it has.
struct Filter<'a> {
    prefix: &'a str,
    tags: Vec<&'a Tag>,
    greater: Option<i64>,
    less: Option<i64>,
}

impl<'a> Filter<'a> {
    fn of(rule: &'a LifecycleRule) -> Filter<'a> {
        let prefix = rule.prefix.as_deref();
        let Some(filter) = &rule.filter else {
            return Filter { prefix: prefix.unwrap_or_default(), tags: Vec::new(), greater: None, less: None };
        };
        match &filter.and {
            Some(and) => Filter {
                prefix: and.prefix.as_deref().unwrap_or_default(),
                tags: and.tags.iter().flatten().collect(),
                greater: and.object_size_greater_than,
                less: and.object_size_less_than,
            },
            None => Filter {
                prefix: filter.prefix.as_deref().unwrap_or_default(),
                tags: filter.tag.iter().collect(),
                greater: filter.object_size_greater_than,
                less: filter.object_size_less_than,
            },
        }
    }

    fn admits(&self, key: &str, object: &Object) -> bool {
        let size = i64::try_from(object.size).unwrap_or(i64::MAX);
        key.starts_with(self.prefix)
            && self.tags.iter().all(|tag| object.tags.get(&tag.key) == Some(&tag.value))
            && self.greater.is_none_or(|limit| size > limit)
            && self.less.is_none_or(|limit| size < limit)
    }
}

fn enabled(rule: &&LifecycleRule) -> bool {
    rule.status.as_str() == "Enabled"
}

/// When the rules remove the current object, and the rule that does.
pub fn expiration<'a>(rules: &'a [LifecycleRule], key: &str, object: &Object) -> Option<(i64, &'a LifecycleRule)> {
    let due = |rule: &'a LifecycleRule| {
        let expiration = rule.expiration.as_ref()?;
        let due = match (expiration.days, expiration.date) {
            (Some(days), _) => due_after(object.modified, days),
            (None, Some(date)) => date.millis(),
            (None, None) => return None,
        };
        Filter::of(rule).admits(key, object).then_some((due, rule))
    };
    rules.iter().filter(enabled).filter_map(due).min_by_key(|(due, _)| *due)
}

/// What is to become of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Keep,
    /// Of a current object: removed, or hidden by a delete marker. Of an older version: removed.
    Expire,
    Move(String),
}

/// What the rules ask of a current object now.
pub fn of_current(rules: &[LifecycleRule], sizes: Sizes, key: &str, object: &Object, now: i64) -> Action {
    if expiration(rules, key, object).is_some_and(|(due, _)| due <= now) {
        return Action::Expire;
    }
    let mut chosen: Option<(i64, &str)> = None;
    for rule in rules.iter().filter(enabled) {
        let filter = Filter::of(rule);
        if !filter.admits(key, object) {
            continue;
        }
        for transition in rule.transitions.iter().flatten() {
            let Transition { date, days, storage_class: Some(class) } = transition else { continue };
            if sizes.keep(&filter, object, class.as_str()) {
                continue;
            }
            let due = match (days, date) {
                (_, Some(date)) => date.millis(),
                (days, None) => due_after(object.modified, days.unwrap_or_default()),
            };
            choose(&mut chosen, due, class.as_str(), object, now);
        }
    }
    chosen.map_or(Action::Keep, |(_, class)| Action::Move(class.to_owned()))
}

/// Which small objects are left where they are by rules that say nothing of sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sizes {
    /// All that are smaller than 128 KiB.
    Small,
    /// Those, unless they would go to an archive.
    SmallUnlessArchived,
}

impl Sizes {
    fn keep(self, filter: &Filter<'_>, object: &Object, class: &str) -> bool {
        let archived = self == Sizes::SmallUnlessArchived && matches!(class, "GLACIER" | "DEEP_ARCHIVE");
        object.size < SMALL && filter.greater.is_none() && filter.less.is_none() && !archived
    }
}

/// Of several transitions that are due, the one to the farthest class counts.
fn choose<'a>(chosen: &mut Option<(i64, &'a str)>, due: i64, class: &'a str, object: &Object, now: i64) {
    let farther = chosen.is_none_or(|(_, before)| may_move(Some(before), class));
    if due <= now && may_move(object.storage_class.as_deref(), class) && farther {
        *chosen = Some((due, class));
    }
}

/// What the rules ask of an older version now. `newer`: how many noncurrent versions are newer.
pub fn of_noncurrent(
    rules: &[LifecycleRule],
    sizes: Sizes,
    key: &str,
    object: &Object,
    newer: usize,
    now: i64,
) -> Action {
    let since = object.superseded.unwrap_or(object.modified);
    let beyond = |kept: Option<i32>| newer >= usize::try_from(kept.unwrap_or_default()).unwrap_or_default();
    let mut chosen: Option<(i64, &str)> = None;
    for rule in rules.iter().filter(enabled) {
        let filter = Filter::of(rule);
        if !filter.admits(key, object) {
            continue;
        }
        if let Some(expiration) = &rule.noncurrent_version_expiration
            && due_after(since, expiration.noncurrent_days.unwrap_or_default()) <= now
            && beyond(expiration.newer_noncurrent_versions)
        {
            return Action::Expire;
        }
        if object.deleted {
            continue;
        }
        for transition in rule.noncurrent_version_transitions.iter().flatten() {
            let NoncurrentVersionTransition { noncurrent_days, storage_class: Some(class), newer_noncurrent_versions } =
                transition
            else {
                continue;
            };
            if beyond(*newer_noncurrent_versions) && !sizes.keep(&filter, object, class.as_str()) {
                let due = due_after(since, noncurrent_days.unwrap_or_default());
                choose(&mut chosen, due, class.as_str(), object, now);
            }
        }
    }
    chosen.map_or(Action::Keep, |(_, class)| Action::Move(class.to_owned()))
}

/// Whether a delete marker without any other version goes now.
pub fn drops_marker(rules: &[LifecycleRule], key: &str, marker: &Object, now: i64) -> bool {
    rules.iter().filter(enabled).any(|rule| {
        let Some(expiration) = &rule.expiration else { return false };
        let due = match (expiration.expired_object_delete_marker, expiration.days, expiration.date) {
            (Some(true), ..) => true,
            // A rule that expires objects takes their lonely markers too.
            (_, Some(days), _) => due_after(marker.modified, days) <= now,
            (_, None, Some(date)) => date.millis() <= now,
            _ => false,
        };
        due && Filter::of(rule).admits(key, marker)
    })
}

/// When the rules abort an upload that was begun then, and the rule that does.
pub fn abortion<'a>(rules: &'a [LifecycleRule], key: &str, initiated: i64) -> Option<(i64, &'a LifecycleRule)> {
    let due = |rule: &'a LifecycleRule| {
        let days = rule.abort_incomplete_multipart_upload.as_ref()?.days_after_initiation?;
        key.starts_with(Filter::of(rule).prefix).then(|| (due_after(initiated, days), rule))
    };
    rules.iter().filter(enabled).filter_map(due).min_by_key(|(due, _)| *due)
}

/// Whether an upload that was begun then is aborted now.
pub fn aborts(rules: &[LifecycleRule], key: &str, initiated: i64, now: i64) -> bool {
    abortion(rules, key, initiated).is_some_and(|(due, _)| due <= now)
}

fn argument(text: impl Into<String>) -> Error {
    service::ApiError::new(400, "InvalidArgument", text).into()
}

/// What S3 asks of rules.
pub fn check(configuration: &BucketLifecycleConfiguration) -> Result<(), Error> {
    let rules = &configuration.rules;
    if rules.is_empty() {
        return Err(Error::malformed_xml());
    }
    if rules.len() > MAX_RULES {
        let text = format!("The number of lifecycle rules must not exceed the allowed limit of {MAX_RULES} rules");
        return Err(Error::InvalidRequest(text));
    }
    for (at, rule) in rules.iter().enumerate() {
        check_rule(rule)?;
        let Some(id) = &rule.id else { continue };
        if id.len() > 255 {
            return Err(argument("ID length should not exceed allowed limit of 255"));
        }
        if rules.iter().take(at).any(|other| other.id.as_ref() == Some(id)) {
            return Err(argument("Rule ID must be unique. Found same ID for more than one rule"));
        }
    }
    Ok(())
}

/// What directory buckets know of it: objects expire, and uploads are aborted.
pub fn check_directory(configuration: &BucketLifecycleConfiguration) -> Result<(), Error> {
    let foreign = configuration.rules.iter().any(|rule| {
        let marker = rule.expiration.as_ref().is_some_and(|one| one.expired_object_delete_marker.is_some());
        let tags = !Filter::of(rule).tags.is_empty();
        let moves = rule.transitions.as_ref().is_some_and(|all| !all.is_empty());
        let noncurrent = rule.noncurrent_version_expiration.is_some()
            || rule.noncurrent_version_transitions.as_ref().is_some_and(|all| !all.is_empty());
        marker || tags || moves || noncurrent
    });
    match foreign {
        true => Err(Error::InvalidRequest(
            "Directory buckets support only the actions Expiration and AbortIncompleteMultipartUpload, without tag filters."
                .to_owned(),
        )),
        false => Ok(()),
    }
}

fn check_date(date: Option<Timestamp>) -> Result<(), Error> {
    match date {
        Some(date) if date.millis().rem_euclid(DAY) != 0 => Err(argument("'Date' must be at midnight GMT")),
        _ => Ok(()),
    }
}

fn check_filter(rule: &LifecycleRule) -> Result<(), Error> {
    match (&rule.prefix, &rule.filter) {
        (Some(_), Some(_)) | (None, None) => Err(Error::malformed_xml()),
        (Some(_), None) => Ok(()),
        (None, Some(filter)) => {
            let set = [
                filter.prefix.is_some(),
                filter.tag.is_some(),
                filter.and.is_some(),
                filter.object_size_greater_than.is_some(),
                filter.object_size_less_than.is_some(),
            ];
            if set.iter().filter(|set| **set).count() > 1 {
                return Err(Error::malformed_xml());
            }
            let Some(and) = &filter.and else { return Ok(()) };
            let tags = and.tags.as_deref().unwrap_or_default();
            let parts = usize::from(and.prefix.is_some())
                + tags.len()
                + usize::from(and.object_size_greater_than.is_some())
                + usize::from(and.object_size_less_than.is_some());
            if parts < 2 {
                return Err(Error::malformed_xml());
            }
            let twice = |(at, tag): (usize, &Tag)| tags.iter().take(at).any(|other| other.key == tag.key);
            if tags.iter().enumerate().any(twice) {
                return Err(Error::InvalidRequest("Duplicate Tag Keys are not allowed.".to_owned()));
            }
            match (and.object_size_greater_than, and.object_size_less_than) {
                (Some(low), Some(high)) if low >= high => Err(Error::InvalidRequest(
                    "'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'.".to_owned(),
                )),
                _ => Ok(()),
            }
        }
    }
}

fn check_rule(rule: &LifecycleRule) -> Result<(), Error> {
    check_filter(rule)?;
    let filter = Filter::of(rule);
    if filter.prefix.len() > 1024 {
        return Err(Error::InvalidRequest("The maximum size of a prefix is 1024.".to_owned()));
    }
    let transitions = rule.transitions.as_deref().unwrap_or_default();
    let noncurrent = rule.noncurrent_version_transitions.as_deref().unwrap_or_default();
    let any = rule.expiration.is_some()
        || !transitions.is_empty()
        || !noncurrent.is_empty()
        || rule.noncurrent_version_expiration.is_some()
        || rule.abort_incomplete_multipart_upload.is_some();
    if !any {
        return Err(Error::InvalidRequest("At least one action needs to be specified in a rule".to_owned()));
    }
    if let Some(expiration) = &rule.expiration {
        let set =
            [expiration.days.is_some(), expiration.date.is_some(), expiration.expired_object_delete_marker.is_some()];
        if set.iter().filter(|set| **set).count() != 1 {
            return Err(Error::malformed_xml());
        }
        if expiration.days.is_some_and(|days| days <= 0) {
            return Err(argument("'Days' for Expiration action must be a positive integer"));
        }
        if expiration.expired_object_delete_marker.is_some() && !filter.tags.is_empty() {
            let text = "ExpiredObjectDeleteMarker cannot be specified with Tags";
            return Err(Error::InvalidRequest(text.to_owned()));
        }
        check_date(expiration.date)?;
    }
    for transition in transitions {
        let Some(class) = &transition.storage_class else { return Err(Error::malformed_xml()) };
        let class = class.as_str();
        if transition.days.is_some() == transition.date.is_some() {
            return Err(Error::malformed_xml());
        }
        check_date(transition.date)?;
        let Some(days) = transition.days else { continue };
        if days < 0 {
            return Err(argument("'Days' for Transition action must be nonnegative"));
        }
        if matches!(class, "STANDARD_IA" | "ONEZONE_IA") && days < 30 {
            return Err(argument(format!(
                "'Days' in Transition action must be greater than or equal to 30 for storageClass '{class}'"
            )));
        }
        let expires = rule.expiration.as_ref().and_then(|expiration| expiration.days);
        if expires.is_some_and(|expires| expires <= days) {
            return Err(argument(format!(
                "'Days' in the Expiration action for prefix '{}' must be greater than 'Days' in the Transition action",
                filter.prefix
            )));
        }
    }
    for (at, transition) in transitions.iter().enumerate() {
        if transitions.iter().take(at).any(|other| other.storage_class == transition.storage_class) {
            let text = "'StorageClass' must be different for 'Transition' actions in same 'Rule' with prefix";
            return Err(Error::InvalidRequest(format!("{text} '{}'", filter.prefix)));
        }
    }
    check_noncurrent(rule, noncurrent)?;
    if let Some(abort) = &rule.abort_incomplete_multipart_upload {
        if abort.days_after_initiation.is_none_or(|days| days <= 0) {
            let text = "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer";
            return Err(argument(text));
        }
        if !filter.tags.is_empty() {
            let text = "AbortIncompleteMultipartUpload cannot be specified with Tags.";
            return Err(Error::InvalidRequest(text.to_owned()));
        }
        if filter.greater.is_some() || filter.less.is_some() {
            let text = "AbortIncompleteMultipartUpload cannot be specified with Object Size.";
            return Err(Error::InvalidRequest(text.to_owned()));
        }
    }
    Ok(())
}

fn check_noncurrent(rule: &LifecycleRule, transitions: &[NoncurrentVersionTransition]) -> Result<(), Error> {
    let check_kept = |kept: Option<i32>| match kept {
        Some(kept) if !(1..=100).contains(&kept) => {
            Err(argument("'NewerNoncurrentVersions' must be between 1 and 100 (inclusive)"))
        }
        _ => Ok(()),
    };
    if let Some(expiration) = &rule.noncurrent_version_expiration {
        if expiration.noncurrent_days.is_none_or(|days| days <= 0) {
            return Err(argument("'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive integer"));
        }
        check_kept(expiration.newer_noncurrent_versions)?;
    }
    for transition in transitions {
        let (Some(days), Some(class)) = (transition.noncurrent_days, &transition.storage_class) else {
            return Err(Error::malformed_xml());
        };
        check_kept(transition.newer_noncurrent_versions)?;
        if days < 0 {
            return Err(argument("'NoncurrentDays' for NoncurrentVersionTransition action must be nonnegative"));
        }
        let class = class.as_str();
        if matches!(class, "STANDARD_IA" | "ONEZONE_IA") && days < 30 {
            return Err(argument(format!(
                "'NoncurrentDays' in NoncurrentVersionTransition action must be greater than or equal to 30 for storageClass '{class}'"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
