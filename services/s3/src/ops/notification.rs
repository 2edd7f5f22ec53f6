//! The notifications of a bucket.

use s3_api::{
    GetBucketNotificationConfiguration, GetBucketNotificationConfigurationRequest, NotificationConfiguration,
    PutBucketNotificationConfiguration, PutBucketNotificationConfigurationRequest,
};
use service::{ApiError, Arn, Context, operation};
use wire::Unit;

use super::{bucket_of, on_bucket};
use crate::{Error, S3, config, notify};

operation! {
    S3, GetBucketNotificationConfiguration,
    access: |_, cx, request| on_bucket(cx, "s3:GetBucketNotification", &request.bucket).map(|access| vec![access]),
    handler: get_bucket_notification_configuration
}

async fn get_bucket_notification_configuration(
    _: &S3,
    cx: &Context,
    request: GetBucketNotificationConfigurationRequest,
) -> Result<NotificationConfiguration, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    let set = config::find(cx.store(), &bucket, "notification")?;
    Ok(set.unwrap_or_default())
}

operation! {
    S3, PutBucketNotificationConfiguration,
    access: |_, cx, request| on_bucket(cx, "s3:PutBucketNotification", &request.bucket).map(|access| vec![access]),
    handler: put_bucket_notification_configuration
}

/// Destinations are named by ARNs of their service.
fn check_arns(configuration: &NotificationConfiguration) -> Result<(), Error> {
    let topics = configuration.topic_configurations.iter().flatten().map(|one| ("TopicArn", "sns", &one.topic_arn));
    let queues = configuration.queue_configurations.iter().flatten().map(|one| ("QueueArn", "sqs", &one.queue_arn));
    let functions = configuration.lambda_function_configurations.iter().flatten();
    let functions = functions.map(|one| ("LambdaFunctionArn", "lambda", &one.lambda_function_arn));
    for (name, service, arn) in topics.chain(queues).chain(functions) {
        if Arn::parse(arn).is_none_or(|arn| arn.service != service) {
            return Err(Error::invalid_argument("The ARN could not be parsed", name, arn));
        }
    }
    Ok(())
}

/// What is wrong with destinations, all of them at once.
fn unreachable(wrong: &[(String, String)]) -> Error {
    const NAMES: [(&str, &str); 3] =
        [("ArgumentName1", "ArgumentValue1"), ("ArgumentName2", "ArgumentValue2"), ("ArgumentName3", "ArgumentValue3")];
    let text = "Unable to validate the following destination configurations";
    let mut error = ApiError::new(400, "InvalidArgument", text);
    for ((name, value), (arn, reason)) in NAMES.iter().zip(wrong) {
        error = error.with(name, format!("{arn}, null")).with(value, reason.as_str());
    }
    error.into()
}

async fn put_bucket_notification_configuration(
    _: &S3,
    cx: &Context,
    request: PutBucketNotificationConfigurationRequest,
) -> Result<Unit, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    let mut configuration = request.notification_configuration;
    notify::check(&configuration)?;
    check_arns(&configuration)?;
    let mut wrong = Vec::new();
    for topic in configuration.topic_configurations.iter().flatten() {
        wrong.push((topic.topic_arn.clone(), "The destination topic does not exist".to_owned()));
    }
    for queue in configuration.queue_configurations.iter().flatten() {
        wrong.push((queue.queue_arn.clone(), "The destination queue does not exist".to_owned()));
    }
    for function in configuration.lambda_function_configurations.iter().flatten() {
        let skipped = request.skip_destination_validation == Some(true);
        if !skipped && !notify::may_invoke(cx, &bucket, function) {
            let arn = &function.lambda_function_arn;
            wrong.push((arn.clone(), format!("Not authorized to invoke function [{arn}]")));
        }
    }
    if !wrong.is_empty() {
        return Err(unreachable(&wrong));
    }
    for function in configuration.lambda_function_configurations.iter_mut().flatten() {
        function.id.get_or_insert_with(|| cx.random().uuid());
        for rule in function.filter.iter_mut().flat_map(|filter| &mut filter.key).flat_map(|key| &mut key.filter_rules)
        {
            for rule in rule {
                let prefix = rule.name.as_ref().is_some_and(|name| name.eq_ignore_ascii_case("prefix"));
                rule.name = Some(if prefix { "Prefix" } else { "Suffix" }.to_owned());
            }
        }
    }
    let bus = configuration.event_bridge_configuration.is_some();
    let functions = configuration.lambda_function_configurations.as_ref().is_some_and(|all| !all.is_empty());
    let value = (bus || functions).then_some(&configuration);
    let owner = request.expected_bucket_owner.as_deref();
    cx.store().write(|tx| config::set(tx, &request.bucket, owner, "notification", value, |_, _| Ok(())))?;
    Ok(Unit {})
}
