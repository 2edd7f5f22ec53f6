//! What rules ask for, and which are refused.

use s3_api::{
    AbortIncompleteMultipartUpload, ExpirationStatus, LifecycleExpiration, LifecycleRuleFilter,
    NoncurrentVersionExpiration, TransitionStorageClass,
};

use super::*;

const HOUR: i64 = 3_600_000;

fn rule(change: impl FnOnce(&mut LifecycleRule)) -> LifecycleRule {
    let mut rule = LifecycleRule {
        status: ExpirationStatus::Enabled,
        filter: Some(LifecycleRuleFilter { prefix: Some("a/".into()), ..Default::default() }),
        ..Default::default()
    };
    change(&mut rule);
    rule
}

fn expires(days: i32) -> Option<LifecycleExpiration> {
    Some(LifecycleExpiration { days: Some(days), ..Default::default() })
}

fn to(days: i32, class: &str) -> Transition {
    Transition { days: Some(days), date: None, storage_class: Some(TransitionStorageClass::from(class)) }
}

#[test]
fn days_end_at_midnight() {
    let object = Object { modified: 10 * DAY + HOUR, ..Object::default() };
    let rules = [rule(|rule| rule.expiration = expires(1))];
    assert_eq!(expiration(&rules, "a/x", &object).map(|(due, _)| due), Some(12 * DAY));
    assert_eq!(expiration(&rules, "b", &object), None);
    assert_eq!(of_current(&rules, Sizes::Small, "a/x", &object, 12 * DAY - 1), Action::Keep);
    assert_eq!(of_current(&rules, Sizes::Small, "a/x", &object, 12 * DAY), Action::Expire);
    let off = [rule(|rule| {
        rule.expiration = expires(1);
        rule.status = ExpirationStatus::Disabled;
    })];
    assert_eq!(of_current(&off, Sizes::Small, "a/x", &object, 99 * DAY), Action::Keep);
}

#[test]
fn the_farthest_class_counts() {
    let object = Object { size: SMALL, ..Object::default() };
    let rules = [rule(|rule| rule.transitions = Some(vec![to(30, "STANDARD_IA"), to(90, "GLACIER")]))];
    let after = |days: i64, object: &Object| of_current(&rules, Sizes::Small, "a/x", object, days * DAY);
    assert_eq!(after(29, &object), Action::Keep);
    assert_eq!(after(30, &object), Action::Move("STANDARD_IA".into()));
    assert_eq!(after(90, &object), Action::Move("GLACIER".into()));
    let there = Object { storage_class: Some("GLACIER".into()), ..object.clone() };
    assert_eq!(after(90, &there), Action::Keep);
    assert_eq!(after(90, &Object { size: 5, ..object }), Action::Keep);
}

#[test]
fn older_versions() {
    let object = Object { superseded: Some(5 * DAY), ..Object::default() };
    let rules = [rule(|rule| {
        rule.noncurrent_version_expiration =
            Some(NoncurrentVersionExpiration { noncurrent_days: Some(3), newer_noncurrent_versions: Some(2) });
    })];
    assert_eq!(of_noncurrent(&rules, Sizes::Small, "a/x", &object, 2, 8 * DAY - 1), Action::Keep);
    assert_eq!(of_noncurrent(&rules, Sizes::Small, "a/x", &object, 2, 8 * DAY), Action::Expire);
    assert_eq!(of_noncurrent(&rules, Sizes::Small, "a/x", &object, 1, 8 * DAY), Action::Keep);
}

#[test]
fn markers_and_uploads() {
    let markers = [rule(|rule| {
        rule.expiration = Some(LifecycleExpiration { expired_object_delete_marker: Some(true), ..Default::default() });
    })];
    assert!(drops_marker(&markers, "a/x", &Object::default(), 0));
    assert!(!drops_marker(&markers, "x", &Object::default(), 0));
    let uploads = [rule(|rule| {
        rule.abort_incomplete_multipart_upload =
            Some(AbortIncompleteMultipartUpload { days_after_initiation: Some(1) });
    })];
    assert!(aborts(&uploads, "a/x", 0, DAY) && !aborts(&uploads, "a/x", 1, DAY) && !aborts(&uploads, "x", 0, DAY));
}

#[test]
fn rules_that_are_refused() {
    let of = |rule: LifecycleRule| check(&BucketLifecycleConfiguration { rules: vec![rule] }).is_ok();
    assert!(of(rule(|rule| rule.expiration = expires(1))));
    assert!(!of(rule(|_| {})));
    assert!(!of(rule(|rule| rule.expiration = expires(0))));
    assert!(!of(rule(|rule| {
        rule.expiration = expires(1);
        rule.prefix = Some("b".into());
    })));
    assert!(!of(rule(|rule| {
        rule.expiration = expires(1);
        rule.filter = None;
    })));
    assert!(!of(rule(|rule| rule.transitions = Some(vec![to(29, "STANDARD_IA")]))));
    assert!(of(rule(|rule| rule.transitions = Some(vec![to(0, "GLACIER")]))));
    assert!(!of(rule(|rule| {
        rule.transitions = Some(vec![to(30, "GLACIER")]);
        rule.expiration = expires(30);
    })));
    assert!(!of(rule(|rule| {
        let date = Some(Timestamp::from_millis(HOUR));
        rule.expiration = Some(LifecycleExpiration { date, ..Default::default() });
    })));
    let named = || {
        rule(|rule| {
            rule.id = Some("a".into());
            rule.expiration = expires(1);
        })
    };
    assert!(check(&BucketLifecycleConfiguration { rules: vec![named(), named()] }).is_err());
    assert!(check(&BucketLifecycleConfiguration { rules: vec![] }).is_err());
}
