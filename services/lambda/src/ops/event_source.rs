//! Event source mappings.

use expressions::event_pattern::EventPattern;
use lambda_api::{
    CreateEventSourceMapping, CreateEventSourceMappingRequest, DeleteEventSourceMapping,
    DeleteEventSourceMappingRequest, DestinationConfig, EventSourceMappingConfiguration, FilterCriteria,
    FunctionResponseType, GetEventSourceMapping, GetEventSourceMappingRequest, ListEventSourceMappings,
    ListEventSourceMappingsRequest, ListEventSourceMappingsResponse, UpdateEventSourceMapping,
    UpdateEventSourceMappingRequest,
};
use service::{
    Access, ApiError, Arn, Context, Page, Principal, Range, encode_token, from_record, operation, to_record,
};

use super::function::marker_key;
use super::invocation::resolve;
use super::reference;
use crate::Lambda;
use crate::destination::Target;
use crate::error::Error;
use crate::mapping::record::{self, Mapping, Place, mappings_key, places_key};
use crate::mapping::source::{Position, Source};
use crate::runner::assume;

operation! {
    Lambda, CreateEventSourceMapping,
    access: |_s, cx, request| {
        let function = reference(cx, &request.function_name, None)?;
        Ok::<_, Error>(vec![Access::new("lambda:CreateEventSourceMapping", "*").with("lambda:FunctionArn", function.to_string())])
    },
    handler: create_event_source_mapping
}
operation! {
    Lambda, DeleteEventSourceMapping,
    action: "lambda:DeleteEventSourceMapping" on |cx, request| arn(cx, &request.uuid),
    handler: delete_event_source_mapping
}
operation! {
    Lambda, GetEventSourceMapping,
    action: "lambda:GetEventSourceMapping" on |cx, request| arn(cx, &request.uuid),
    handler: get_event_source_mapping
}
operation! {
    Lambda, ListEventSourceMappings,
    action: "lambda:ListEventSourceMappings" on |_, _| "*",
    handler: list_event_source_mappings
}
operation! {
    Lambda, UpdateEventSourceMapping,
    action: "lambda:UpdateEventSourceMapping" on |cx, request| arn(cx, &request.uuid),
    handler: update_event_source_mapping
}

fn arn(cx: &Context, uuid: &str) -> String {
    format!("arn:aws:lambda:{}:{}:event-source-mapping:{uuid}", cx.region(), cx.account())
}

fn invalid<T>(text: impl Into<String>) -> Result<T, Error> {
    Err(Error::InvalidParameterValue(text.into()))
}

pub fn missing() -> Error {
    Error::ResourceNotFound("The resource you requested does not exist.".into())
}

/// What create and update share.
#[derive(Default)]
struct Settings {
    enabled: Option<bool>,
    batch_size: Option<i32>,
    window: Option<i32>,
    parallelization: Option<i32>,
    filters: Option<FilterCriteria>,
    max_age: Option<i32>,
    max_retries: Option<i32>,
    bisect: Option<bool>,
    tumbling: Option<i32>,
    responses: Option<Vec<FunctionResponseType>>,
    destinations: Option<DestinationConfig>,
    /// Members that mean nothing for streams here, by name.
    foreign: Vec<(bool, &'static str)>,
}

impl Settings {
    fn apply(self, mapping: &mut Mapping) -> Result<(), Error> {
        if let Some((_, name)) = self.foreign.iter().find(|(given, _)| *given) {
            return Err(Error::NotImplemented(format!("{name} is not implemented for event source mappings.")));
        }
        if self.max_age.is_some_and(|seconds| (0..60).contains(&seconds)) {
            return invalid("MaximumRecordAgeInSeconds must be -1 or between 60 and 604800.");
        }
        let criteria = self.filters.map(|criteria| criteria.filters.unwrap_or_default());
        if let Some(filters) = criteria {
            if filters.len() > 10 {
                return invalid("Filter limit exceeded: a maximum of 10 filters are allowed per event source mapping.");
            }
            let patterns: Vec<String> = filters.into_iter().filter_map(|filter| filter.pattern).collect();
            if patterns.iter().any(|pattern| EventPattern::parse(pattern).is_err()) {
                return invalid("Invalid filter pattern definition.");
            }
            mapping.filters = patterns;
        }
        if let Some(destinations) = self.destinations {
            let failure = destinations.on_failure.and_then(|on| on.destination).filter(|arn| !arn.is_empty());
            if let Some(arn) = &failure
                && let Target::Function(_) = Target::parse(arn, true)?
            {
                return invalid(format!("The provided destination ARN {arn} is invalid."));
            }
            mapping.on_failure = failure;
        }
        let set = |field: &mut i32, value: Option<i32>| *field = value.unwrap_or(*field);
        set(&mut mapping.batch_size, self.batch_size);
        set(&mut mapping.window, self.window);
        set(&mut mapping.parallelization, self.parallelization);
        set(&mut mapping.tumbling, self.tumbling);
        set(&mut mapping.max_age, self.max_age);
        set(&mut mapping.max_retries, self.max_retries);
        if mapping.tumbling > 0 && mapping.parallelization > 1 {
            return invalid("Tumbling windows are not supported with a ParallelizationFactor greater than 1.");
        }
        mapping.bisect = self.bisect.unwrap_or(mapping.bisect);
        mapping.enabled = self.enabled.unwrap_or(mapping.enabled);
        if let Some(responses) = self.responses {
            mapping.partial_failures = responses.contains(&FunctionResponseType::ReportBatchItemFailures);
        }
        Ok(())
    }
}

/// The settings of a request to create or to update, whose members have the same names.
macro_rules! settings {
    ($request:ident) => {
        Settings {
            enabled: $request.enabled,
            batch_size: $request.batch_size,
            window: $request.maximum_batching_window_in_seconds,
            parallelization: $request.parallelization_factor,
            filters: $request.filter_criteria,
            max_age: $request.maximum_record_age_in_seconds,
            max_retries: $request.maximum_retry_attempts,
            bisect: $request.bisect_batch_on_function_error,
            tumbling: $request.tumbling_window_in_seconds,
            responses: $request.function_response_types,
            destinations: $request.destination_config,
            foreign: vec![
                ($request.kms_key_arn.is_some(), "KMSKeyArn"),
                ($request.metrics_config.is_some(), "MetricsConfig"),
                ($request.logging_config.is_some(), "LoggingConfig"),
                ($request.scaling_config.is_some(), "ScalingConfig"),
                ($request.provisioned_poller_config.is_some(), "ProvisionedPollerConfig"),
                ($request.source_access_configurations.is_some(), "SourceAccessConfigurations"),
                ($request.document_db_event_source_config.is_some(), "DocumentDBEventSourceConfig"),
            ],
        }
    };
}

/// The one kind of source that exists here.
fn check_source(request: &CreateEventSourceMappingRequest) -> Result<String, Error> {
    let Some(arn) = request.event_source_arn.clone() else {
        if request.self_managed_event_source.is_some() {
            return Err(Error::NotImplemented("Self-managed event sources are not implemented.".into()));
        }
        return invalid("EventSourceArn cannot be null.");
    };
    match Arn::parse(&arn) {
        Some(parsed) if parsed.service == "dynamodb" && parsed.resource.contains("/stream/") => Ok(arn),
        Some(parsed) if ["sqs", "kinesis", "kafka", "mq", "rds"].contains(&parsed.service.as_str()) => {
            Err(Error::NotImplemented(format!("Event sources of {} are not implemented.", parsed.service)))
        }
        _ => invalid(format!("Unrecognized event source: {arn}")),
    }
}

/// Says of a source that cannot be read what AWS says.
fn unreadable(arn: &str, error: ApiError) -> Error {
    match error.code.as_str() {
        "ResourceNotFoundException" => Error::InvalidParameterValue(format!("Stream not found: {arn}")),
        "AccessDeniedException" => Error::InvalidParameterValue(format!(
            "Cannot access stream {arn}. Please ensure the role can perform the GetRecords, GetShardIterator, DescribeStream, and ListStreams Actions on your stream in IAM."
        )),
        _ => Error::Reply(Box::new(error)),
    }
}

async fn create_event_source_mapping(
    lambda: &Lambda,
    cx: &Context,
    request: CreateEventSourceMappingRequest,
) -> Result<EventSourceMappingConfiguration, Error> {
    let reference = reference(cx, &request.function_name, None)?;
    let source_arn = check_source(&request)?;
    let Some(position) = &request.starting_position else {
        return invalid(
            "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null.",
        );
    };
    if position.as_str() == "AT_TIMESTAMP" {
        return invalid(
            "Unsupported starting position for event source type. Please provide one of the following: [TRIM_HORIZON, LATEST].",
        );
    }
    super::tag::check(&request.tags.clone().unwrap_or_default())?;
    let (function, configuration) = resolve(cx, &reference)?;
    let mut mapping = Mapping {
        uuid: cx.random().uuid(),
        account: reference.account.clone(),
        region: reference.region.clone(),
        function: reference.name.clone(),
        qualifier: reference.qualifier.clone(),
        source: source_arn,
        enabled: true,
        batch_size: 100,
        parallelization: 1,
        position: position.as_str().to_owned(),
        max_age: -1,
        max_retries: -1,
        modified: cx.now().millis(),
        last_result: "No records processed".into(),
        tags: request.tags.clone().unwrap_or_default(),
        ..Mapping::default()
    };
    settings!(request).apply(&mut mapping)?;
    check_destination(cx, &mapping, &configuration.role)?;

    // As the poller will: with the role, beginning now if it begins with the latest records.
    let lambda_cx =
        cx.acting_as(Principal::service("lambda.amazonaws.com"), &[]).in_place(&mapping.account, &mapping.region);
    let source = Source::new(&lambda_cx, &mapping.source, assume(&lambda_cx, &configuration.role, &function.name)?);
    let shards = source.shards().await.map_err(|error| unreadable(&mapping.source, error))?;
    let latest = mapping.position == "LATEST";
    let position = if latest { Position::Latest } else { Position::TrimHorizon };
    let mut places = Vec::new();
    for shard in shards {
        if latest && shard.closed {
            places.push((shard.id, Place { finished: true, ..Place::default() }));
            continue;
        }
        let iterator = source.iterator(&shard.id, &position).await;
        let iterator = iterator.map_err(|error| unreadable(&mapping.source, error))?;
        places.push((shard.id, Place { iterator, ..Place::default() }));
    }
    cx.store().write(|tx| {
        for (_, stored) in tx.scan(Range::prefix(mappings_key(&mapping.account, &mapping.region)), usize::MAX)? {
            let other: Mapping = from_record(&stored)?;
            if other.source == mapping.source && other.reference() == mapping.reference() {
                return Err(Error::ResourceConflict(format!(
                    "The event source arn (\" {} \") and function (\" {} \") provided mapping already exists. Please update or delete the existing mapping with UUID {}",
                    mapping.source, mapping.function, other.uuid
                )));
            }
        }
        for (shard, place) in &places {
            tx.put(places_key(&mapping.uuid).text(shard), to_record(place)?);
        }
        tx.put(mapping.key(), to_record(&mapping)?);
        Ok(())
    })?;
    let shown = mapping.describe("Creating");
    lambda.pollers.poll(&cx.cloud, mapping);
    Ok(shown)
}

fn check_destination(cx: &Context, mapping: &Mapping, role: &str) -> Result<(), Error> {
    match &mapping.on_failure {
        Some(arn) => Target::parse(arn, true)?.check(cx, role, &mapping.function),
        None => Ok(()),
    }
}

async fn delete_event_source_mapping(
    _: &Lambda,
    cx: &Context,
    request: DeleteEventSourceMappingRequest,
) -> Result<EventSourceMappingConfiguration, Error> {
    let mapping = record::find(cx.store(), cx.account(), cx.region(), &request.uuid)?.ok_or_else(missing)?;
    cx.store().write(|tx| record::remove(tx, &mapping))?;
    Ok(mapping.describe("Deleting"))
}

async fn get_event_source_mapping(
    _: &Lambda,
    cx: &Context,
    request: GetEventSourceMappingRequest,
) -> Result<EventSourceMappingConfiguration, Error> {
    let mapping = record::find(cx.store(), cx.account(), cx.region(), &request.uuid)?.ok_or_else(missing)?;
    Ok(mapping.describe(mapping.state()))
}

async fn list_event_source_mappings(
    _: &Lambda,
    cx: &Context,
    request: ListEventSourceMappingsRequest,
) -> Result<ListEventSourceMappingsResponse, Error> {
    let function = request.function_name.as_deref().map(|name| reference(cx, name, None)).transpose()?;
    let most = request.max_items.map_or(100, |most| most.clamp(1, 100)) as usize;
    let marker = request.marker.as_deref().filter(|marker| !marker.is_empty()).map(marker_key).transpose()?;
    let range = Range::prefix(mappings_key(cx.account(), cx.region()));
    let page = Page::read(&cx.store().snapshot(), range, marker.as_deref(), most, |_, record| {
        let mapping: Mapping = from_record(record)?;
        let of_source = request.event_source_arn.as_ref().is_none_or(|arn| *arn == mapping.source);
        let of_function = function.as_ref().is_none_or(|function| match function.qualifier {
            Some(_) => *function == mapping.reference(),
            None => *function == mapping.reference().unqualified(),
        });
        Ok::<_, Error>((of_source && of_function).then_some(mapping))
    })?;
    Ok(ListEventSourceMappingsResponse {
        event_source_mappings: Some(page.items.iter().map(|mapping| mapping.describe(mapping.state())).collect()),
        next_marker: page.next.map(|key| encode_token(&key)),
    })
}

async fn update_event_source_mapping(
    lambda: &Lambda,
    cx: &Context,
    request: UpdateEventSourceMappingRequest,
) -> Result<EventSourceMappingConfiguration, Error> {
    let mut mapping = record::find(cx.store(), cx.account(), cx.region(), &request.uuid)?.ok_or_else(missing)?;
    if let Some(name) = &request.function_name {
        let reference = reference(cx, name, None)?;
        mapping.function = reference.name;
        mapping.qualifier = reference.qualifier;
    }
    let (_, configuration) = resolve(cx, &mapping.reference())?;
    let was_enabled = mapping.enabled;
    settings!(request).apply(&mut mapping)?;
    check_destination(cx, &mapping, &configuration.role)?;
    mapping.modified = cx.now().millis();
    cx.store().write(|tx| {
        let stored: Mapping = from_record(&tx.get(mapping.key().as_slice())?.ok_or_else(missing)?)?;
        mapping.revision = stored.revision + 1;
        tx.put(mapping.key(), to_record(&mapping)?);
        Ok::<_, Error>(())
    })?;
    let state = match (was_enabled, mapping.enabled) {
        (false, true) => "Enabling",
        (true, false) => "Disabling",
        _ => "Updating",
    };
    let shown = mapping.describe(state);
    lambda.pollers.poll(&cx.cloud, mapping);
    Ok(shown)
}
