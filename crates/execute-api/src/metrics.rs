//! What a stage measures, told to the stream of events, where CloudWatch takes it from.

use service::{Context, Event, Measurement, Metrics};

pub fn count(name: &'static str, yes: bool) -> Measurement {
    Measurement { name, value: f64::from(u8::from(yes)), unit: "Count" }
}

pub fn millis(name: &'static str, value: i64) -> Measurement {
    Measurement { name, value: value as f64, unit: "Milliseconds" }
}

/// Publishes measurements under `AWS/ApiGateway`, each under every set of dimensions.
pub fn publish(cx: &Context, dimensions: Vec<Vec<(&'static str, String)>>, values: Vec<Measurement>) {
    cx.cloud.events.publish(Event::Metrics(Metrics {
        time: cx.now(),
        account: cx.account().to_owned(),
        region: cx.region().to_owned(),
        namespace: "AWS/ApiGateway",
        dimensions,
        values,
    }));
}
