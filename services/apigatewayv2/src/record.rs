//! Shapes of the API as records and as each other: what a request, a record and an answer call by one name is one
//! thing, so they are turned into each other by their members' names.

use crate::error::Error;
use serde_json::{Map, Value as Json};
use wire::Structure;

pub use execute_api::record::{from_bytes, from_json, to_bytes, to_json};

/// The members that two shapes share.
pub fn convert<A: Structure, B: Structure>(value: &A) -> Result<B, Error> {
    Ok(from_bytes(&to_bytes(value))?)
}

/// Maps whose entries an update changes one by one; an empty value takes an entry away.
const MAPS: [&str; 8] = [
    "RequestModels",
    "RequestParameters",
    "RequestTemplates",
    "ResponseModels",
    "ResponseParameters",
    "ResponseTemplates",
    "RouteSettings",
    "StageVariables",
];

/// A record with what an update request names.
pub fn update<T: Structure, R: Structure>(record: &T, request: &R) -> Result<T, Error> {
    let (mut record, request) = (to_json(record)?, to_json(request)?);
    for (name, value) in request.as_object().into_iter().flatten() {
        let old = record[name].take();
        record[name] = match (MAPS.contains(&name.as_str()), old, value) {
            (true, Json::Object(old), Json::Object(new)) => Json::Object(overlay(old, new)),
            (true, _, Json::Object(new)) => Json::Object(overlay(Map::new(), new)),
            _ => value.clone(),
        };
    }
    Ok(from_json(&record)?)
}

fn overlay(mut old: Map<String, Json>, new: &Map<String, Json>) -> Map<String, Json> {
    for (key, value) in new {
        let empty = value.as_str() == Some("") || value.as_object().is_some_and(Map::is_empty);
        if empty {
            old.shift_remove(key);
        } else {
            old.insert(key.clone(), value.clone());
        }
    }
    old
}

#[cfg(test)]
mod tests {
    use super::*;
    use apigatewayv2_api::{CreateRouteResult, Route, Stage, UpdateStageRequest};

    #[test]
    fn shapes_share_their_members() {
        let route = Route { route_key: "GET /x".into(), route_id: Some("r".into()), ..Route::default() };
        let result: CreateRouteResult = convert(&route).unwrap();
        assert_eq!((result.route_key.as_deref(), result.route_id.as_deref()), (Some("GET /x"), Some("r")));
    }

    #[test]
    fn an_update_changes_what_it_names() {
        let variables = |pairs: &[(&str, &str)]| {
            Some(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
        };
        let stage = Stage {
            stage_name: "v1".into(),
            description: Some("old".into()),
            stage_variables: variables(&[("a", "1"), ("b", "2")]),
            ..Stage::default()
        };
        let request = UpdateStageRequest {
            stage_variables: variables(&[("a", ""), ("c", "3")]),
            ..UpdateStageRequest::default()
        };
        let new: Stage = update(&stage, &request).unwrap();
        assert_eq!(new.description.as_deref(), Some("old"));
        assert_eq!(new.stage_variables, variables(&[("b", "2"), ("c", "3")]));
    }
}
