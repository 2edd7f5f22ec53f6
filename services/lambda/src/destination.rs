//! Where the results of asynchronous invocations, and batches that failed, are sent: to functions and buckets, as those are the
//! targets that exist here. Everything is sent as the function's role.
//! <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html>

use lambda_api::{InvocationRequest, InvocationType, Invoke};
use s3_api::{PutObject, PutObjectRequest};
use serde_json::Value;
use service::{Access, ApiError, Arn, Context, Principal};
use wire::ByteStream;

use crate::error::Error;
use crate::runner::assume;

/// A destination that records can be sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A function, by its ARN.
    Function(String),
    Bucket(String),
}

impl Target {
    /// Reads an ARN. Buckets take failures only.
    pub fn parse(arn: &str, failures: bool) -> Result<Target, Error> {
        let invalid = || Error::InvalidParameterValue(format!("The provided destination ARN {arn} is invalid."));
        let parsed = Arn::parse(arn).ok_or_else(invalid)?;
        match parsed.service.as_str() {
            "lambda" => Ok(Target::Function(arn.to_owned())),
            "s3" if failures => Ok(Target::Bucket(parsed.resource)),
            "sqs" | "sns" | "events" | "kafka" => {
                Err(Error::NotImplemented(format!("Destinations of {} are not implemented.", parsed.service)))
            }
            _ => Err(invalid()),
        }
    }

    fn access(&self) -> (&'static str, &'static str, String) {
        match self {
            Target::Function(arn) => ("lambda", "lambda:InvokeFunction", arn.clone()),
            Target::Bucket(name) => ("s3", "s3:PutObject", format!("arn:aws:s3:::{name}/*")),
        }
    }

    /// The role must be allowed to send there.
    pub fn check(&self, cx: &Context, role: &str, session: &str) -> Result<(), Error> {
        let principal = assume(cx, role, session)?;
        let (service, action, resource) = self.access();
        let Some(service) = cx.cloud.service(service) else { return Ok(()) };
        let acting = cx.acting_as(principal, &[]);
        let allowed = cx.cloud.stages().authorize(&acting, &**service, &Access::new(action, &resource));
        allowed.map_err(|_| {
            let call = action.split(':').next_back().unwrap_or_default();
            Error::InvalidParameterValue(format!(
                "The function's execution role does not have permissions to call {call} on {resource}"
            ))
        })
    }

    /// Sends a record. `folder` is where in a bucket it goes: `aws/lambda/async/f`.
    pub async fn send(&self, cx: &Context, principal: Principal, folder: &str, record: &Value) -> Result<(), ApiError> {
        match self {
            Target::Function(arn) => {
                let request = InvocationRequest {
                    function_name: arn.clone(),
                    invocation_type: Some(InvocationType::Event),
                    payload: Some(record.to_string().into()),
                    ..InvocationRequest::default()
                };
                cx.call::<Invoke>(principal, request).await.map(drop)
            }
            Target::Bucket(name) => {
                let request = PutObjectRequest {
                    bucket: name.clone(),
                    key: object_key(cx, folder),
                    body: Some(ByteStream::from(bytes::Bytes::from(record.to_string()))),
                    ..PutObjectRequest::default()
                };
                cx.call::<PutObject>(principal, request).await.map(drop)
            }
        }
    }
}

/// `FOLDER/2026/11/21/2026-11-21T10.11.12-UUID`
fn object_key(cx: &Context, folder: &str) -> String {
    let now = cx.now().iso8601();
    let (date, time) = now.split_at_checked(10).unwrap_or_default();
    let time = time.get(1..9).unwrap_or_default().replace(':', ".");
    format!("{folder}/{}/{date}T{time}-{}", date.replace('-', "/"), cx.random().uuid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_targets_that_exist() {
        let function = "arn:aws:lambda:us-east-1:000000000000:function:f";
        assert_eq!(Target::parse(function, false).unwrap(), Target::Function(function.to_owned()));
        assert_eq!(Target::parse("arn:aws:s3:::b", true).unwrap(), Target::Bucket("b".to_owned()));
        assert!(matches!(Target::parse("arn:aws:s3:::b", false), Err(Error::InvalidParameterValue(_))));
        let queue = Target::parse("arn:aws:sqs:us-east-1:000000000000:q", true);
        assert!(matches!(queue, Err(Error::NotImplemented(_))));
        assert!(matches!(Target::parse("nonsense", true), Err(Error::InvalidParameterValue(_))));
    }
}
