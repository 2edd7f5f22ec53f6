//! Request validation: required parameters, and the body against a model.

use crate::{
    definition::Compiled,
    gateway_response::{BAD_REQUEST_BODY, BAD_REQUEST_PARAMETERS, Failure},
    parameters,
    request::Incoming,
};
use apigateway_api::Method;
use expressions::schema::summary;

/// Checks a request as the method's validator demands; without one nothing is checked.
pub fn validate(compiled: &Compiled, method: &Method, request: &Incoming) -> Result<(), Failure> {
    let Some(id) = &method.request_validator_id else { return Ok(()) };
    let validator = compiled.definition.validators.iter().find(|validator| validator.id.as_ref() == Some(id));
    let Some(validator) = validator else { return Ok(()) };
    if validator.validate_request_parameters == Some(true) {
        parameters(method, request)?;
    }
    if validator.validate_request_body == Some(true) {
        body(compiled, method, request)?;
    }
    Ok(())
}

fn parameters(method: &Method, request: &Incoming) -> Result<(), Failure> {
    let declared = method.request_parameters.iter().flatten();
    let missing: Vec<&str> = declared
        .filter(|(_, required)| **required)
        .filter_map(|(source, _)| source.strip_prefix("method.request."))
        .filter(|place| parameters::method_request(place, request).is_none_or(|value| value.is_empty()))
        .filter_map(|place| place.split_once('.').map(|(_, name)| name))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let message = format!("Missing required request parameters: [{}]", missing.join(", "));
    Err(Failure::new(BAD_REQUEST_PARAMETERS, message.clone()).logged(format!("Request failed validation: {message}")))
}

fn body(compiled: &Compiled, method: &Method, request: &Incoming) -> Result<(), Failure> {
    let models = method.request_models.iter().flatten();
    let wanted = request.content_type();
    let mut models =
        models.filter(|(content_type, _)| content_type.eq_ignore_ascii_case(&wanted) || *content_type == "$default");
    let Some((_, model)) = models.next() else { return Ok(()) };
    let messages = match compiled.schema(model) {
        None => return Ok(()),
        Some(Err(reason)) => return Err(Failure::configuration(format!("Invalid model {model}: {reason}"))),
        Some(Ok(schema)) => match serde_json::from_slice(&request.body) {
            Ok(instance) => schema.validate(&instance),
            Err(error) => vec![format!("Unable to parse request body as JSON: {error}")],
        },
    };
    if messages.is_empty() {
        return Ok(());
    }
    let summary = summary(&messages);
    let log = format!("Request body does not match model schema for content type {wanted}: {summary}");
    let mut failure = Failure::new(BAD_REQUEST_BODY, "Invalid request body").logged(log);
    failure.validation = Some(summary);
    Err(failure)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::Definition;
    use apigateway_api::{Model, RequestValidator};

    fn compiled() -> Compiled {
        let schema = r#"{"type":"object","required":["name"]}"#;
        Compiled::new(Definition {
            models: vec![Model { name: Some("User".into()), schema: Some(schema.into()), ..Model::default() }],
            validators: vec![RequestValidator {
                id: Some("v".into()),
                validate_request_body: Some(true),
                validate_request_parameters: Some(true),
                ..RequestValidator::default()
            }],
            ..Definition::default()
        })
    }

    fn method() -> Method {
        Method {
            request_validator_id: Some("v".into()),
            request_models: Some([("application/json".to_owned(), "User".to_owned())].into()),
            request_parameters: Some(
                [("method.request.querystring.q".to_owned(), true), ("method.request.header.h".to_owned(), false)]
                    .into(),
            ),
            ..Method::default()
        }
    }

    fn request(query: &str, body: &'static str) -> Incoming {
        let query = if query.is_empty() { vec![] } else { vec![("q".to_owned(), query.to_owned())] };
        Incoming { query, body: body.into(), ..Incoming::default() }
    }

    #[test]
    fn required_parameters_must_be_there() {
        let failure = validate(&compiled(), &method(), &request("", r#"{"name":"x"}"#)).unwrap_err();
        assert_eq!(failure.message, "Missing required request parameters: [q]");
        assert_eq!(validate(&compiled(), &method(), &request("1", r#"{"name":"x"}"#)), Ok(()));
    }

    #[test]
    fn the_body_must_match_its_model() {
        for body in ["{}", "", "nonsense"] {
            let failure = validate(&compiled(), &method(), &request("1", body)).unwrap_err();
            assert_eq!(failure.message, "Invalid request body");
        }
        let failure = validate(&compiled(), &method(), &request("1", "{}")).unwrap_err();
        assert_eq!(failure.validation.as_deref(), Some(r#"[object has missing required properties (["name"])]"#));
    }

    #[test]
    fn without_a_validator_nothing_is_checked() {
        let method = Method { request_validator_id: None, ..method() };
        assert_eq!(validate(&compiled(), &method, &request("", "nonsense")), Ok(()));
    }
}
