//! What S3 asks of the configurations of which a bucket can have many, beside their ids: filters with one condition, or with
//! several that belong together, and tiers that are far enough apart.

use s3_api::{AnalyticsConfiguration, IntelligentTieringConfiguration, MetricsConfiguration, Tag, Tiering};
use service::{ApiError, Context, Transaction};

use crate::{Error, S3};

/// The latest day for an object to go to another tier.
const LAST_DAY: i32 = 730;

/// A filter has exactly one condition; several stand in one `And`.
fn check_filter(conditions: &[bool], and: Option<usize>) -> Result<(), Error> {
    let count = conditions.iter().filter(|there| **there).count() + usize::from(and.is_some());
    if count != 1 || and.is_some_and(|joined| joined < 2) { Err(Error::malformed_xml()) } else { Ok(()) }
}

fn joined(prefix: Option<&String>, tags: Option<&Vec<Tag>>, further: bool) -> usize {
    usize::from(prefix.is_some()) + tags.map_or(0, Vec::len) + usize::from(further)
}

fn check_analytics(configuration: &AnalyticsConfiguration) -> Result<(), Error> {
    if let Some(filter) = &configuration.filter {
        let and = filter.and.as_ref().map(|and| joined(and.prefix.as_ref(), and.tags.as_ref(), false));
        check_filter(&[filter.prefix.is_some(), filter.tag.is_some()], and)?;
    }
    let export = configuration.storage_class_analysis.data_export.as_ref();
    match export.map(|export| &export.destination.s3_bucket_destination.bucket) {
        Some(bucket) if !bucket.starts_with("arn:aws:s3:::") => {
            Err(ApiError::new(400, "InvalidS3DestinationBucket", "Invalid bucket ARN.").into())
        }
        _ => Ok(()),
    }
}

fn check_metrics(configuration: &MetricsConfiguration) -> Result<(), Error> {
    let Some(filter) = &configuration.filter else { return Ok(()) };
    let and = filter.and.as_ref();
    let and = and.map(|and| joined(and.prefix.as_ref(), and.tags.as_ref(), and.access_point_arn.is_some()));
    check_filter(&[filter.prefix.is_some(), filter.tag.is_some(), filter.access_point_arn.is_some()], and)
}

fn check_tiering(configuration: &IntelligentTieringConfiguration) -> Result<(), Error> {
    if let Some(filter) = &configuration.filter {
        let and = filter.and.as_ref().map(|and| joined(and.prefix.as_ref(), and.tags.as_ref(), false));
        check_filter(&[filter.prefix.is_some(), filter.tag.is_some()], and)?;
    }
    let invalid = |text: String| Err(ApiError::new(400, "InvalidArgument", text).into());
    let tiers = &configuration.tierings;
    for (at, Tiering { days, access_tier }) in tiers.iter().enumerate() {
        let tier = access_tier.as_str();
        let first = if tier == "DEEP_ARCHIVE_ACCESS" { 180 } else { 90 };
        if !(first..=LAST_DAY).contains(days) {
            return invalid(format!("'Days' for {tier} must be between {first} and {LAST_DAY}"));
        }
        if tiers.iter().take(at).any(|other| other.access_tier == *access_tier) {
            return invalid(format!("Found more than one tiering for {tier}"));
        }
    }
    let day = |tier: &str| tiers.iter().find(|one| one.access_tier.as_str() == tier).map(|one| one.days);
    match (day("ARCHIVE_ACCESS"), day("DEEP_ARCHIVE_ACCESS")) {
        (Some(archive), Some(deep)) if deep <= archive => {
            invalid("'Days' for DEEP_ARCHIVE_ACCESS must be greater than 'Days' for ARCHIVE_ACCESS".to_owned())
        }
        _ => Ok(()),
    }
}

/// The checks as what follows from a change: nothing is kept where they fail.
macro_rules! checks {
    ($($name:ident, $type:ident, $check:ident;)*) => { $(
        pub fn $name(
            _: &S3,
            _: &Context,
            _: &mut Transaction<'_>,
            _: (&str, &str),
            value: Option<&$type>,
        ) -> Result<(), Error> {
            value.map_or(Ok(()), $check)
        }
    )* };
}

checks! {
    analytics, AnalyticsConfiguration, check_analytics;
    metrics, MetricsConfiguration, check_metrics;
    tiering, IntelligentTieringConfiguration, check_tiering;
}

#[cfg(test)]
mod tests {
    use super::*;
    use s3_api::{IntelligentTieringAccessTier, MetricsAndOperator, MetricsFilter};

    #[test]
    fn filters() {
        let of = |filter| check_metrics(&MetricsConfiguration { filter, ..MetricsConfiguration::default() });
        let prefix = || Some("x".to_owned());
        assert!(of(None).is_ok());
        assert!(of(Some(MetricsFilter::default())).is_err());
        assert!(of(Some(MetricsFilter { prefix: prefix(), ..Default::default() })).is_ok());
        let tag = Some(Tag { key: "a".to_owned(), value: "b".to_owned() });
        assert!(of(Some(MetricsFilter { prefix: prefix(), tag: tag.clone(), ..Default::default() })).is_err());
        let and = |tags: Vec<Tag>| {
            let and = MetricsAndOperator { prefix: prefix(), tags: Some(tags), ..Default::default() };
            of(Some(MetricsFilter { and: Some(and), ..Default::default() }))
        };
        assert!(and(Vec::new()).is_err() && and(tag.into_iter().collect()).is_ok());
    }

    #[test]
    fn tiers() {
        let of = |tiers: &[(i32, &str)]| {
            let tier = |(days, tier): &(i32, &str)| Tiering {
                days: *days,
                access_tier: IntelligentTieringAccessTier::from(*tier),
            };
            let tierings = tiers.iter().map(tier).collect();
            check_tiering(&IntelligentTieringConfiguration { tierings, ..Default::default() }).is_ok()
        };
        let (archive, deep) = ("ARCHIVE_ACCESS", "DEEP_ARCHIVE_ACCESS");
        assert!(of(&[(90, archive)]) && of(&[(90, archive), (180, deep)]) && of(&[(730, deep)]));
        assert!(!of(&[(89, archive)]) && !of(&[(179, deep)]) && !of(&[(731, archive)]));
        assert!(!of(&[(90, archive), (91, archive)]) && !of(&[(200, archive), (180, deep)]));
    }
}
