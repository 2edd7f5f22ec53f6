//! Resource-based policies: who else may use a function.

use std::sync::Arc;

use lambda_api::AddPermissionRequest;
use serde_json::{Map, Value, json};
use service::policy::{Policy, Source};
use service::{Context, StoreError};

use crate::arn::Reference;
use crate::error::Error;
use crate::store::{self as records, Function, ResourcePolicy};

/// The most that a policy may take as text.
const POLICY_LIMIT: usize = 20_480;

/// The statement that a request asks for, in the policy language.
pub fn statement(request: &AddPermissionRequest, resource: &Reference) -> Result<Value, Error> {
    let mut statement = Map::new();
    statement.insert("Sid".into(), request.statement_id.clone().into());
    statement.insert("Effect".into(), "Allow".into());
    statement.insert("Principal".into(), principal(&request.principal)?);
    statement.insert("Action".into(), request.action.clone().into());
    statement.insert("Resource".into(), resource.to_string().into());
    let mut conditions = Map::new();
    let mut condition = |operator: &str, key: &str, value: &Option<String>| {
        if let Some(value) = value {
            let operator = conditions.entry(operator).or_insert_with(|| json!({}));
            operator[key] = value.clone().into();
        }
    };
    condition("StringEquals", "AWS:SourceAccount", &request.source_account);
    condition("ArnLike", "AWS:SourceArn", &request.source_arn);
    condition("StringEquals", "aws:PrincipalOrgID", &request.principal_org_id);
    condition("StringEquals", "lambda:EventSourceToken", &request.event_source_token);
    let url_auth = request.function_url_auth_type.as_ref().map(|kind| kind.as_str().to_owned());
    condition("StringEquals", "lambda:FunctionUrlAuthType", &url_auth);
    let through_url = request.invoked_via_function_url.map(|through| through.to_string());
    condition("Bool", "lambda:InvokedViaFunctionUrl", &through_url);
    if !conditions.is_empty() {
        statement.insert("Condition".into(), conditions.into());
    }
    Ok(statement.into())
}

/// A service, everybody, an account or an ARN.
fn principal(text: &str) -> Result<Value, Error> {
    let is_account = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    if text == "*" {
        Ok("*".into())
    } else if is_account {
        Ok(json!({ "AWS": format!("arn:aws:iam::{text}:root") }))
    } else if text.starts_with("arn:") {
        Ok(json!({ "AWS": text }))
    } else if text.contains('.') {
        Ok(json!({ "Service": text }))
    } else {
        Err(Error::InvalidParameterValue(
            "The provided principal was invalid. Please check the principal and try again.".into(),
        ))
    }
}

/// Adds a statement whose id is new.
pub fn add(policy: &mut ResourcePolicy, statement: Value, revision_id: String) -> Result<(), Error> {
    let id = &statement["Sid"];
    if policy.statements.iter().any(|other| &other["Sid"] == id) {
        let id = id.as_str().unwrap_or_default();
        return Err(Error::ResourceConflict(format!(
            "The statement id ({id}) provided already exists. Please provide a new statement id, or remove the existing statement."
        )));
    }
    policy.statements.push(statement);
    if document(policy).to_string().len() > POLICY_LIMIT {
        return Err(Error::PolicyLengthExceeded(format!(
            "The final policy size is bigger than the limit ({POLICY_LIMIT})."
        )));
    }
    policy.revision_id = revision_id;
    Ok(())
}

pub fn remove(policy: &mut ResourcePolicy, id: &str, revision_id: String) -> Result<(), Error> {
    let before = policy.statements.len();
    policy.statements.retain(|statement| statement["Sid"] != id);
    if policy.statements.len() == before {
        return Err(Error::ResourceNotFound(format!("Statement {id} is not found in resource policy.")));
    }
    policy.revision_id = revision_id;
    Ok(())
}

pub fn document(policy: &ResourcePolicy) -> Value {
    json!({ "Version": "2012-10-17", "Id": "default", "Statement": policy.statements })
}

/// The policy of a function, version or alias by its ARN, for authorization.
pub fn source(cx: &Context, resource: &str) -> Result<Option<Source>, StoreError> {
    let Some(reference) = Reference::parse(resource, None, cx.account(), cx.region()) else { return Ok(None) };
    let Some(function) = records::function(cx.store(), &reference)? else { return Ok(None) };
    let Some(policy) = policy_of(&function, &reference).filter(|policy| !policy.statements.is_empty()) else {
        return Ok(None);
    };
    let policy =
        Policy::parse(&document(policy).to_string()).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    Ok(Some(Source { name: format!("the policy of {reference}"), policy: Arc::new(policy) }))
}

pub fn policy_of<'a>(function: &'a Function, reference: &Reference) -> Option<&'a ResourcePolicy> {
    function.policies.get(reference.qualifier.as_deref().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> AddPermissionRequest {
        AddPermissionRequest {
            function_name: "f".into(),
            statement_id: "api".into(),
            action: "lambda:InvokeFunction".into(),
            principal: "apigateway.amazonaws.com".into(),
            source_arn: Some("arn:aws:execute-api:us-east-1:000000000000:abc/*".into()),
            ..AddPermissionRequest::default()
        }
    }

    #[test]
    fn a_statement_as_aws_writes_it() {
        let reference = Reference::new("us-east-1", "000000000000", "f");
        let expected = json!({
            "Sid": "api",
            "Effect": "Allow",
            "Principal": { "Service": "apigateway.amazonaws.com" },
            "Action": "lambda:InvokeFunction",
            "Resource": "arn:aws:lambda:us-east-1:000000000000:function:f",
            "Condition": { "ArnLike": { "AWS:SourceArn": "arn:aws:execute-api:us-east-1:000000000000:abc/*" } },
        });
        let made = statement(&request(), &reference).unwrap();
        assert_eq!(made, expected);
        assert!(
            Policy::parse(&document(&ResourcePolicy { statements: vec![made], ..Default::default() }).to_string())
                .is_ok()
        );
    }

    #[test]
    fn ids_are_unique_and_removable_once() {
        let reference = Reference::new("us-east-1", "000000000000", "f");
        let mut policy = ResourcePolicy::default();
        let made = statement(&request(), &reference).unwrap();
        add(&mut policy, made.clone(), "1".into()).unwrap();
        assert!(matches!(add(&mut policy, made, "2".into()), Err(Error::ResourceConflict(_))));
        assert_eq!(policy.revision_id, "1");
        remove(&mut policy, "api", "3".into()).unwrap();
        assert!(matches!(remove(&mut policy, "api", "4".into()), Err(Error::ResourceNotFound(_))));
    }
}
