//! One request through a deployed HTTP API: the integration of its route, and what that answers.

use crate::{
    aws, event, mapping,
    ops::function_of,
    reply::{self, Failure, Reply},
    request::Request,
};
use apigatewayv2_api::{Integration, IntegrationType};
use execute_api::{Fetch, Invocation, Unanswered, World};

/// What is known of an integration's work, for logs and metrics.
#[derive(Debug, Clone, Default)]
pub struct Work {
    pub status: Option<u16>,
    pub request_id: Option<String>,
    pub millis: Option<i64>,
}

/// Passes an admitted request to its integration.
pub async fn run(
    world: &World,
    integration: &Integration,
    incoming: &Request,
    work: &mut Work,
) -> Result<Reply, Failure> {
    let started = world.now();
    let mut request = incoming.clone();
    if integration.integration_subtype.is_none() {
        mapping::request(integration, &mut request);
    }
    let result = match (&integration.integration_subtype, &integration.integration_type) {
        (Some(_), _) => aws::act(world, integration, &request).await,
        (None, Some(IntegrationType::AwsProxy)) => lambda(world, integration, &request, work).await,
        _ => http(world, integration, &request, work).await,
    };
    work.millis = Some(world.now().millis() - started.millis());
    let mut reply = result?;
    mapping::response(integration, incoming, &mut reply);
    Ok(reply)
}

async fn lambda(
    world: &World,
    integration: &Integration,
    request: &Request,
    work: &mut Work,
) -> Result<Reply, Failure> {
    let uri = expand(integration.integration_uri.as_deref().unwrap_or_default(), request);
    let function = function_of(&uri).ok_or_else(|| Failure::internal("Invalid integration URI"))?;
    let second = integration.payload_format_version.as_deref() == Some("2.0");
    let event = if second { event::v2(request) } else { event::v1(request) };
    let invocation = Invocation {
        function: function.to_owned(),
        payload: event.to_string().into(),
        asynchronous: false,
        source_arn: request.source_arn(),
        credentials: integration.credentials_arn.clone().filter(|role| !role.is_empty()),
    };
    let invoked = world.invoke(invocation).await.map_err(|reason| match reason {
        Unanswered::Timeout => Failure::unavailable("Execution timed out"),
        Unanswered::Denied => Failure::internal(
            "The IAM role configured on the integration or API Gateway doesn't have permissions to call the integration. \
             Check the permissions and try again.",
        ),
        Unanswered::Invalid(reason) | Unanswered::Failed(reason) => Failure::internal(reason),
    })?;
    work.status = Some(invoked.status);
    work.request_id = Some(invoked.request_id);
    if let Some(kind) = invoked.function_error {
        return Err(Failure::internal(format!("Lambda function failed: {kind}")));
    }
    if second { reply::v2(&invoked.payload) } else { reply::v1(&invoked.payload) }
}

/// Headers that belong to one connection.
const HOP: [&str; 6] = ["connection", "content-length", "host", "keep-alive", "transfer-encoding", "upgrade"];

async fn http(world: &World, integration: &Integration, request: &Request, work: &mut Work) -> Result<Reply, Failure> {
    let method = match integration.integration_method.as_deref() {
        None | Some("ANY") => request.method.clone(),
        Some(method) => method.to_owned(),
    };
    let mut url = expand(integration.integration_uri.as_deref().unwrap_or_default(), request);
    if integration.request_parameters.as_ref().is_some_and(|all| all.contains_key("overwrite:path")) {
        url = with_path(&url, &percent_encoding::utf8_percent_encode(&request.raw_path, PATH).to_string());
    }
    if !request.raw_query.is_empty() {
        url.push(if url.contains('?') { '&' } else { '?' });
        url.push_str(&request.raw_query);
    }
    let mut headers: Vec<(String, String)> =
        request.headers.iter().filter(|(name, _)| !HOP.contains(&name.as_str())).cloned().collect();
    headers.retain(|(name, _)| !name.starts_with("x-forwarded-"));
    headers.push((
        "forwarded".to_owned(),
        format!("by=127.0.0.1;for={};host={};proto=https", request.source_ip, request.domain),
    ));
    headers.push(("via".to_owned(), "HTTP/1.1 AmazonAPIGateway".to_owned()));
    let fetch = Fetch { method, url, headers, body: request.body.clone(), unverified: false };
    let answer = world.fetch(fetch).await.map_err(|reason| match reason {
        Unanswered::Timeout => Failure::unavailable("Execution timed out"),
        other => Failure::unavailable(format!("{other:?}")),
    })?;
    work.status = Some(answer.status);
    let headers = answer.headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value));
    let headers = headers.filter(|(name, _)| !HOP.contains(&name.as_str())).collect();
    Ok(Reply { status: answer.status, headers, body: answer.body })
}

/// An address with another path.
fn with_path(url: &str, path: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    format!("{scheme}://{host}{path}")
}

/// Puts stage variables and path variables into an integration's address.
pub fn expand(uri: &str, request: &Request) -> String {
    let mut out = uri.to_owned();
    for (name, value) in &request.stage_variables {
        out = out.replace(&format!("${{stageVariables.{name}}}"), value);
    }
    for (name, value) in &request.path_parameters {
        // What came decoded goes out encoded; a greedy variable keeps its slashes.
        let parts = value.split('/').map(|part| percent_encoding::utf8_percent_encode(part, PATH).to_string());
        let value = parts.collect::<Vec<_>>().join("/");
        out = out.replace(&format!("{{{name}}}"), &value).replace(&format!("{{{name}+}}"), &value);
    }
    out
}

/// What a part of a path may not have as it is.
const PATH: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'{')
    .add(b'}');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_expanded() {
        let request = Request {
            path_parameters: [("proxy".to_owned(), "a b/c".to_owned())].into(),
            stage_variables: [("host".to_owned(), "example.com".to_owned())].into(),
            ..Request::default()
        };
        assert_eq!(expand("http://${stageVariables.host}/{proxy}", &request), "http://example.com/a%20b/c");
        assert_eq!(with_path("http://h:1/old?x=1", "/new"), "http://h:1/new");
    }
}
