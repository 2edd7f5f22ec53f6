//! What CloudWatch is to know of invocations, put on the cloud's stream of events for whoever keeps metrics.
//! <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html>

use compute::Outcome;
use service::{Context, Event, Measurement, Metrics};

use crate::store::{Configuration, Function};

fn publish(
    cx: &Context,
    function: &Function,
    configuration: &Configuration,
    qualifier: Option<&str>,
    values: Vec<Measurement>,
) {
    let name = || ("FunctionName", function.name.clone());
    let mut dimensions = vec![Vec::new(), vec![name()]];
    if let Some(qualifier) = qualifier {
        let resource = || ("Resource", format!("{}:{qualifier}", function.name));
        dimensions.push(vec![name(), resource()]);
        if *qualifier != configuration.version {
            dimensions.push(vec![name(), resource(), ("ExecutedVersion", configuration.version.clone())]);
        }
    }
    cx.cloud.events.publish(Event::Metrics(Metrics {
        time: cx.now(),
        account: function.account.clone(),
        region: function.region.clone(),
        namespace: "AWS/Lambda",
        dimensions,
        values,
    }));
}

/// An invocation that ran.
pub fn invoked(
    cx: &Context,
    function: &Function,
    configuration: &Configuration,
    qualifier: Option<&str>,
    outcome: &Outcome,
) {
    let count = |name, value| Measurement { name, value, unit: "Count" };
    let errors = if outcome.function_error.is_some() { 1.0 } else { 0.0 };
    let duration = outcome.report.duration.as_secs_f64() * 1000.0;
    let values = vec![
        count("Invocations", 1.0),
        count("Errors", errors),
        count("Throttles", 0.0),
        Measurement { name: "Duration", value: duration, unit: "Milliseconds" },
    ];
    publish(cx, function, configuration, qualifier, values);
}

/// An invocation that was stopped because it belongs to a loop.
pub fn stopped(cx: &Context, function: &Function, configuration: &Configuration, qualifier: Option<&str>) {
    let values = vec![Measurement { name: "RecursiveInvocationsDropped", value: 1.0, unit: "Count" }];
    publish(cx, function, configuration, qualifier, values);
}

/// An invocation that was refused for want of concurrency.
pub fn throttled(cx: &Context, function: &Function, configuration: &Configuration, qualifier: Option<&str>) {
    let values = vec![Measurement { name: "Throttles", value: 1.0, unit: "Count" }];
    publish(cx, function, configuration, qualifier, values);
}
