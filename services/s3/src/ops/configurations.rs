//! Configurations of which a bucket can have many: analytics, metrics, inventory, intelligent tiering.
//!
//! They are kept and shown, and [`crate::inventory`] delivers inventories. What else they would produce (analyses, metrics, moves
//! between tiers) is not made here.

use s3_api::{
    AnalyticsConfiguration, DeleteBucketAnalyticsConfiguration, DeleteBucketAnalyticsConfigurationRequest,
    DeleteBucketIntelligentTieringConfiguration, DeleteBucketIntelligentTieringConfigurationRequest,
    DeleteBucketInventoryConfiguration, DeleteBucketInventoryConfigurationRequest, DeleteBucketMetricsConfiguration,
    DeleteBucketMetricsConfigurationRequest, GetBucketAnalyticsConfiguration, GetBucketAnalyticsConfigurationOutput,
    GetBucketAnalyticsConfigurationRequest, GetBucketIntelligentTieringConfiguration,
    GetBucketIntelligentTieringConfigurationOutput, GetBucketIntelligentTieringConfigurationRequest,
    GetBucketInventoryConfiguration, GetBucketInventoryConfigurationOutput, GetBucketInventoryConfigurationRequest,
    GetBucketMetricsConfiguration, GetBucketMetricsConfigurationOutput, GetBucketMetricsConfigurationRequest,
    IntelligentTieringConfiguration, InventoryConfiguration, ListBucketAnalyticsConfigurations,
    ListBucketAnalyticsConfigurationsOutput, ListBucketAnalyticsConfigurationsRequest,
    ListBucketIntelligentTieringConfigurations, ListBucketIntelligentTieringConfigurationsOutput,
    ListBucketIntelligentTieringConfigurationsRequest, ListBucketInventoryConfigurations,
    ListBucketInventoryConfigurationsOutput, ListBucketInventoryConfigurationsRequest, ListBucketMetricsConfigurations,
    ListBucketMetricsConfigurationsOutput, ListBucketMetricsConfigurationsRequest, MetricsConfiguration,
    PutBucketAnalyticsConfiguration, PutBucketAnalyticsConfigurationRequest, PutBucketIntelligentTieringConfiguration,
    PutBucketIntelligentTieringConfigurationRequest, PutBucketInventoryConfiguration,
    PutBucketInventoryConfigurationRequest, PutBucketMetricsConfiguration, PutBucketMetricsConfigurationRequest,
};
use service::{ApiError, Context, Page, Range, Transaction, decode_token, encode_token, operation};
use wire::{Structure, Unit};

use super::{off_bucket, on_bucket, setting_of};
use crate::store::{config_key, load_bucket};
use crate::{Error, S3, config, filters, inventory};

/// How many of a page.
const PAGE: usize = 100;
const MAX: usize = 1000;

fn missing() -> Error {
    ApiError::new(404, "NoSuchConfiguration", "The specified configuration does not exist.").into()
}

fn get<T: Structure>(cx: &Context, bucket: &str, owner: Option<&str>, kind: &str, id: &str) -> Result<T, Error> {
    let bucket = setting_of(cx, bucket, owner)?;
    let record = cx.store().get(config_key(&bucket.name, kind).text(id).as_slice())?.ok_or_else(missing)?;
    Ok(config::decode(&record)?)
}

/// The id of the address must be that of the configuration.
fn put<T: Structure>(
    cx: &Context,
    bucket: &str,
    owner: Option<&str>,
    kind: &str,
    (id, own): (&str, &str),
    value: &T,
    changed: impl FnOnce(&mut Transaction<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    if id != own {
        let text = "Document ID does not match the specified configuration ID.";
        return Err(ApiError::new(400, "IdMismatch", text).into());
    }
    if id.is_empty() || id.len() > 64 || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
        let text = "The specified configuration ID is invalid.";
        return Err(ApiError::new(400, "InvalidConfigurationId", text).into());
    }
    cx.store().write(|tx| {
        let bucket = load_bucket(tx, bucket)?;
        super::check_owner(&bucket, owner)?;
        let place = config_key(&bucket.name, kind).text(id);
        let others = tx.scan(Range::prefix(config_key(&bucket.name, kind)), MAX)?.len();
        if others == MAX && !tx.contains(place.as_slice())? {
            let text = "You are attempting to create a new configuration but have already reached the 1,000-configuration limit.";
            return Err(ApiError::new(400, "TooManyConfigurations", text).into());
        }
        tx.put(place, config::encode(value));
        changed(tx)
    })
}

fn remove(
    cx: &Context,
    bucket: &str,
    owner: Option<&str>,
    kind: &str,
    id: &str,
    changed: impl FnOnce(&mut Transaction<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    cx.store().write(|tx| {
        let bucket = load_bucket(tx, bucket)?;
        super::check_owner(&bucket, owner)?;
        let place = config_key(&bucket.name, kind).text(id);
        if !tx.contains(place.as_slice())? {
            return Err(missing());
        }
        tx.delete(place);
        changed(tx)
    })
}

fn page<T: Structure>(
    cx: &Context,
    bucket: &str,
    owner: Option<&str>,
    kind: &str,
    token: Option<&str>,
) -> Result<(Vec<T>, Option<String>), Error> {
    let bucket = setting_of(cx, bucket, owner)?;
    let incorrect = |token: &str| {
        Error::invalid_argument("The continuation token provided is incorrect", "continuation-token", token)
    };
    let after = token.map(|token| decode_token(token).ok_or_else(|| incorrect(token))).transpose()?;
    let range = Range::prefix(config_key(&bucket.name, kind));
    let page = Page::read(&cx.store().snapshot(), range, after.as_deref(), PAGE, |_, record| {
        Ok::<_, Error>(Some(config::decode(record)?))
    })?;
    Ok((page.items, page.next.map(|key| encode_token(&key))))
}

/// The four operations of a kind.
macro_rules! configurations {
    ($kind:literal, $member:ident, $list_member:ident, $read:literal, $write:literal, $changed:path:
     $get:ident($get_request:ident, $get_output:ident, $get_handler:ident),
     $put:ident($put_request:ident, $put_handler:ident),
     $delete:ident($delete_request:ident, $delete_handler:ident),
     $list:ident($list_request:ident, $list_output:ident, $list_handler:ident), $type:ident) => {
        operation! {
            S3, $get,
            access: |_, cx, request| on_bucket(cx, $read, &request.bucket).map(|access| vec![access]),
            handler: $get_handler
        }

        async fn $get_handler(_: &S3, cx: &Context, request: $get_request) -> Result<$get_output, Error> {
            let owner = request.expected_bucket_owner.as_deref();
            Ok($get_output { $member: Some(get(cx, &request.bucket, owner, $kind, &request.id)?) })
        }

        operation! {
            S3, $put,
            access: |_, cx, request| on_bucket(cx, $write, &request.bucket).map(|access| vec![access]),
            handler: $put_handler
        }

        async fn $put_handler(s3: &S3, cx: &Context, request: $put_request) -> Result<Unit, Error> {
            let (value, owner): (&$type, _) = (&request.$member, request.expected_bucket_owner.as_deref());
            let place = (request.bucket.as_str(), request.id.as_str());
            let changed = |tx: &mut Transaction<'_>| $changed(s3, cx, tx, place, Some(value));
            put(cx, &request.bucket, owner, $kind, (&request.id, &value.id), value, changed)?;
            Ok(Unit {})
        }

        operation! {
            S3, $delete,
            access: |_, cx, request| off_bucket(cx, $write, &request.bucket).map(|access| vec![access]),
            handler: $delete_handler
        }

        async fn $delete_handler(s3: &S3, cx: &Context, request: $delete_request) -> Result<Unit, Error> {
            let place = (request.bucket.as_str(), request.id.as_str());
            let changed = |tx: &mut Transaction<'_>| $changed(s3, cx, tx, place, None::<&$type>);
            remove(cx, &request.bucket, request.expected_bucket_owner.as_deref(), $kind, &request.id, changed)?;
            Ok(Unit {})
        }

        operation! {
            S3, $list,
            access: |_, cx, request| on_bucket(cx, $read, &request.bucket).map(|access| vec![access]),
            handler: $list_handler
        }

        async fn $list_handler(_: &S3, cx: &Context, request: $list_request) -> Result<$list_output, Error> {
            let (owner, token) = (request.expected_bucket_owner.as_deref(), request.continuation_token.as_deref());
            let (items, next) = page(cx, &request.bucket, owner, $kind, token)?;
            Ok($list_output {
                is_truncated: Some(next.is_some()),
                continuation_token: request.continuation_token,
                next_continuation_token: next,
                $list_member: (!items.is_empty()).then_some(items),
            })
        }
    };
}

configurations! {
    "analytics", analytics_configuration, analytics_configuration_list,
    "s3:GetAnalyticsConfiguration", "s3:PutAnalyticsConfiguration", filters::analytics:
    GetBucketAnalyticsConfiguration(
        GetBucketAnalyticsConfigurationRequest, GetBucketAnalyticsConfigurationOutput, get_analytics),
    PutBucketAnalyticsConfiguration(PutBucketAnalyticsConfigurationRequest, put_analytics),
    DeleteBucketAnalyticsConfiguration(DeleteBucketAnalyticsConfigurationRequest, delete_analytics),
    ListBucketAnalyticsConfigurations(
        ListBucketAnalyticsConfigurationsRequest, ListBucketAnalyticsConfigurationsOutput, list_analytics),
    AnalyticsConfiguration
}

configurations! {
    "metrics", metrics_configuration, metrics_configuration_list,
    "s3:GetMetricsConfiguration", "s3:PutMetricsConfiguration", filters::metrics:
    GetBucketMetricsConfiguration(
        GetBucketMetricsConfigurationRequest, GetBucketMetricsConfigurationOutput, get_metrics),
    PutBucketMetricsConfiguration(PutBucketMetricsConfigurationRequest, put_metrics),
    DeleteBucketMetricsConfiguration(DeleteBucketMetricsConfigurationRequest, delete_metrics),
    ListBucketMetricsConfigurations(
        ListBucketMetricsConfigurationsRequest, ListBucketMetricsConfigurationsOutput, list_metrics),
    MetricsConfiguration
}

configurations! {
    "inventory", inventory_configuration, inventory_configuration_list,
    "s3:GetInventoryConfiguration", "s3:PutInventoryConfiguration", inventory::changed:
    GetBucketInventoryConfiguration(
        GetBucketInventoryConfigurationRequest, GetBucketInventoryConfigurationOutput, get_inventory),
    PutBucketInventoryConfiguration(PutBucketInventoryConfigurationRequest, put_inventory),
    DeleteBucketInventoryConfiguration(DeleteBucketInventoryConfigurationRequest, delete_inventory),
    ListBucketInventoryConfigurations(
        ListBucketInventoryConfigurationsRequest, ListBucketInventoryConfigurationsOutput, list_inventory),
    InventoryConfiguration
}

configurations! {
    "intelligent-tiering", intelligent_tiering_configuration, intelligent_tiering_configuration_list,
    "s3:GetIntelligentTieringConfiguration", "s3:PutIntelligentTieringConfiguration", filters::tiering:
    GetBucketIntelligentTieringConfiguration(
        GetBucketIntelligentTieringConfigurationRequest, GetBucketIntelligentTieringConfigurationOutput, get_tiering),
    PutBucketIntelligentTieringConfiguration(PutBucketIntelligentTieringConfigurationRequest, put_tiering),
    DeleteBucketIntelligentTieringConfiguration(DeleteBucketIntelligentTieringConfigurationRequest, delete_tiering),
    ListBucketIntelligentTieringConfigurations(
        ListBucketIntelligentTieringConfigurationsRequest, ListBucketIntelligentTieringConfigurationsOutput,
        list_tiering),
    IntelligentTieringConfiguration
}
