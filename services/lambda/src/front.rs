//! Function URLs as they are called.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use compute::{Invocation, Part};
use futures_util::stream::{Stream, StreamExt as _, once, unfold};
use http::{HeaderMap, Method, StatusCode};
use serde_json::json;
use service::{Access, BoxFuture, Context, Front, FrontRequest, FrontResponse, Principal, from_record};
use wire::{ByteStream, StreamError};

use crate::arn::Reference;
use crate::error::Error;
use crate::ops::invocation::active;
use crate::runner::Runner;
use crate::store::{self as records, Url, UrlOwner};
use crate::streaming::{Step, Streaming};
use crate::url::{self, Incoming};

/// The most that a request may carry.
const BODY_LIMIT: usize = 6_291_456;

pub struct Urls {
    runner: Arc<Runner>,
}

impl Urls {
    pub fn new(runner: Arc<Runner>) -> Self {
        Self { runner }
    }
}

impl Front for Urls {
    fn matches(&self, _: &service::Cloud, host: &str, _path: &str, _headers: &HeaderMap) -> bool {
        url::id(host).is_some()
    }

    fn serve(&self, request: FrontRequest) -> BoxFuture<'static, FrontResponse> {
        let runner = self.runner.clone();
        Box::pin(async move {
            answer(&runner, &request).await.unwrap_or_else(|error| {
                let error = service::ApiError::from(error);
                let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                url::plain(status, json!({ "Message": error.message }).to_string().into()).map(ByteStream::from)
            })
        })
    }
}

/// Who the URL of a request belongs to, and how it is set up.
fn find(request: &FrontRequest) -> Result<(Reference, Url), Error> {
    let missing = || Error::ResourceNotFound("The resource you requested does not exist.".into());
    let id = url::id(&request.host).ok_or_else(missing)?;
    let store = &request.cloud.store;
    let owner = store.get(records::url_key(id).as_slice())?.ok_or_else(missing)?;
    let owner: UrlOwner = from_record(&owner)?;
    let reference =
        Reference { region: owner.region, account: owner.account, name: owner.name, qualifier: owner.qualifier };
    let function = records::function(store, &reference)?.ok_or_else(missing)?;
    let url = function.urls.get(reference.qualifier.as_deref().unwrap_or_default()).cloned().ok_or_else(missing)?;
    Ok((reference, url))
}

async fn answer(runner: &Arc<Runner>, request: &FrontRequest) -> Result<FrontResponse, Error> {
    let (reference, url) = find(request)?;
    let origin = request.headers.get("origin").and_then(|origin| origin.to_str().ok()).unwrap_or_default();
    let preflight = request.method == Method::OPTIONS && request.headers.contains_key("access-control-request-method");
    let mut response = match &url.cors {
        Some(_) if preflight => url::plain(StatusCode::OK, Bytes::new()).map(ByteStream::from),
        _ => invoke(runner, request, &reference, &url).await?,
    };
    if let Some(cors) = url.cors.as_ref().filter(|_| !origin.is_empty()) {
        url::allow_origin(cors, origin, preflight, response.headers_mut());
    }
    Ok(response)
}

async fn invoke(
    runner: &Arc<Runner>,
    request: &FrontRequest,
    reference: &Reference,
    url: &Url,
) -> Result<FrontResponse, Error> {
    let Some(cx) = authorize(request, reference, url) else { return Ok(url::forbidden().map(ByteStream::from)) };
    let body = request.body.collect(BODY_LIMIT).await;
    let body = body.map_err(|_| {
        Error::RequestTooLarge(format!(
            "Request must be smaller than {BODY_LIMIT} bytes for the InvokeFunction operation"
        ))
    })?;
    let now = cx.now();
    let iam = (url.auth == "AWS_IAM").then(|| caller(&cx));
    let event = url::event(&Incoming {
        method: request.method.as_str(),
        path: request.uri.path(),
        query: request.uri.query().unwrap_or_default(),
        headers: &request.headers,
        body: &body,
        host: &request.host,
        source_ip: &request.source_ip,
        request_id: &request.request_id,
        url_id: &url.id,
        account: cx.principal().account(),
        millis: now.millis(),
        time: now.datetime().strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
        iam,
    });
    let (function, configuration) = active(runner, &cx, reference).await?;
    let invocation = Invocation {
        request_id: request.request_id.clone(),
        payload: event.to_string().into(),
        invoked_arn: reference.to_string(),
        ..Invocation::default()
    };
    let cx = cx.in_place(&reference.account, &reference.region);
    if url.streams {
        return stream(Streaming::start(runner.clone(), cx, function, configuration, invocation)).await;
    }
    let outcome = runner.run(&cx, &function, &configuration, invocation).await?;
    let response = if outcome.function_error.is_some() { url::bad_gateway() } else { url::response(&outcome.payload) };
    Ok(response.map(ByteStream::from))
}

/// A response that goes on while the function writes it. It begins when its head is known.
async fn stream(mut streaming: Streaming) -> Result<FrontResponse, Error> {
    let (mut kind, mut arrived) = (None, BytesMut::new());
    loop {
        match streaming.next().await {
            Step::Part(Part::Begin { content_type }) => kind = content_type,
            Step::Part(Part::Data(data)) => arrived.extend_from_slice(&data),
            // The function did not stream: its answer is the body as it is.
            Step::Ended(ended) => {
                let outcome = (*ended)?;
                let response = match outcome.function_error {
                    Some(_) => url::bad_gateway(),
                    None if kind.is_none() => url::plain(StatusCode::OK, outcome.payload),
                    None => url::streamed(kind.as_deref(), &arrived.freeze()).unwrap_or_else(url::bad_gateway),
                };
                return Ok(response.map(ByteStream::from));
            }
        }
        let sofar = Bytes::copy_from_slice(&arrived);
        if let Some(response) = url::streamed(kind.as_deref(), &sofar).filter(|_| !sofar.is_empty()) {
            return Ok(response.map(|first| ByteStream::new(rest(first, streaming), None)));
        }
    }
}

/// What has arrived of a body, and what is to come. A function that fails now can only break the response off.
fn rest(first: Bytes, streaming: Streaming) -> impl Stream<Item = Result<Bytes, StreamError>> {
    let begun = once(async move { Ok(first) });
    begun.chain(unfold(Some(streaming), |state| async move {
        let mut streaming = state?;
        match streaming.next().await {
            Step::Part(Part::Begin { .. }) => Some((Ok(Bytes::new()), Some(streaming))),
            Step::Part(Part::Data(data)) => Some((Ok(data), Some(streaming))),
            Step::Ended(ended) => match *ended {
                Ok(outcome) if outcome.function_error.is_none() => None,
                _ => {
                    let message = "the function failed while it was answering".to_owned();
                    Some((Err(StreamError { code: "InternalError", message }), None))
                }
            },
        }
    }))
}

/// The caller, if the function's policy, or for signed requests the caller's own, allows the call.
fn authorize(request: &FrontRequest, reference: &Reference, url: &Url) -> Option<Context> {
    let cx = match (&request.signer, url.auth.as_str()) {
        (Some(Ok(cx)), "AWS_IAM") => cx.clone(),
        (_, "AWS_IAM") => return None,
        _ => request.cloud.context(Principal::Anonymous, &reference.account, &reference.region),
    };
    let cx = cx.with_request_id(request.request_id.clone());
    let access = Access::new("lambda:InvokeFunctionUrl", reference.to_string())
        .owned_by(&reference.account)
        .with("lambda:FunctionUrlAuthType", &url.auth);
    let lambda = request.cloud.service("lambda")?;
    request.cloud.stages().authorize(&cx, &**lambda, &access).ok().map(|()| cx)
}

fn caller(cx: &Context) -> serde_json::Value {
    let principal = cx.principal();
    json!({
        "accessKey": cx.access_key_id(),
        "accountId": principal.account(),
        "callerId": principal.user_id(),
        "cognitoIdentity": null,
        "principalOrgId": null,
        "userArn": principal.arn(),
        "userId": principal.user_id(),
    })
}
