//! What the address of an integration names: `arn:aws:apigateway:{region}:{service}:path|action/…`.

/// The service and what stands after it.
fn parts(uri: &str) -> Option<(&str, &str)> {
    let mut parts = uri.strip_prefix("arn:aws:apigateway:")?.splitn(3, ':').skip(1);
    Some((parts.next().filter(|service| !service.is_empty())?, parts.next()?))
}

/// A function: `…:lambda:path/2015-03-31/functions/{arn}/invocations`, or for an answer that streams
/// `…:lambda:path/2021-11-15/functions/{arn}/response-streaming-invocations`.
pub fn function(uri: &str) -> Option<&str> {
    let (service, path) = uri.strip_prefix("arn:aws:apigateway:")?.split_once(":lambda:path/")?;
    let (_, rest) = path.split_once("/functions/")?;
    let function =
        rest.strip_suffix("/invocations").or_else(|| rest.strip_suffix("/response-streaming-invocations"))?;
    (!service.is_empty() && !function.is_empty()).then_some(function)
}

/// A service and its operation: `…:dynamodb:action/PutItem`.
pub fn action(uri: &str) -> Option<(&str, &str)> {
    let (service, target) = parts(uri)?;
    let operation = target.strip_prefix("action/").filter(|operation| !operation.is_empty())?;
    Some((service.rsplit('.').next().unwrap_or(service), operation))
}

/// A service and a path of it: `…:sqs:path/…`, or of a bucket `…:bucket.s3:path/…`.
pub fn path(uri: &str) -> Option<(&str, &str)> {
    let (service, target) = parts(uri)?;
    (service != "lambda").then_some((service, target.strip_prefix("path/")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_name_what_they_lead_to() {
        let arn = "arn:aws:lambda:us-east-1:000000000000:function:f";
        let uri = format!("arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn}/invocations");
        assert_eq!((function(&uri), action(&uri), path(&uri)), (Some(arn), None, None));
        let uri = "arn:aws:apigateway:us-east-1:dynamodb:action/PutItem";
        assert_eq!((function(uri), action(uri), path(uri)), (None, Some(("dynamodb", "PutItem")), None));
        let uri = "arn:aws:apigateway:us-east-1:bucket.s3:path/{key}";
        assert_eq!((function(uri), action(uri), path(uri)), (None, None, Some(("bucket.s3", "{key}"))));
        assert_eq!((action("x"), path("arn:aws:apigateway:r::path/x")), (None, None));
    }
}
