//! Websites as browsers see them: what the bucket allows everybody to read.

use http::{HeaderMap, Method, StatusCode};
use percent_encoding::percent_decode_str;
use s3_api::{GetObject, GetObjectOutput, GetObjectRequest, WebsiteConfiguration};
use service::{
    ApiError, BoxFuture, Bytes, Caller, Cloud, Context, Front, FrontRequest, FrontResponse, Principal, Timestamp,
};
use wire::ByteStream;

use super::{add, allow_origin, context, encode, identify};
use crate::store::find_bucket;
use crate::{Error, config, website};

/// The front.
pub struct Websites;

impl Front for Websites {
    fn matches(&self, _: &Cloud, host: &str, _: &str, _: &HeaderMap) -> bool {
        website::bucket_of(host).is_some()
    }

    fn serve(&self, request: FrontRequest) -> BoxFuture<'static, FrontResponse> {
        Box::pin(async move {
            let bucket = website::bucket_of(&request.host).unwrap_or_default();
            let mut response = answer(&request, bucket).await;
            identify(&mut response, &request.request_id);
            allow_origin(&mut response, &request, &format!("/{bucket}{}", request.uri.path()));
            if request.method == Method::HEAD {
                if let Some(len) = response.body().len() {
                    add(&mut response, "content-length", &len.to_string());
                }
                *response.body_mut() = ByteStream::default();
            }
            response
        })
    }
}

/// A site, and who asks for a page of it.
struct Site<'a> {
    request: &'a FrontRequest,
    cx: Context,
    bucket: &'a str,
    configuration: WebsiteConfiguration,
}

fn found(request: &FrontRequest, bucket: &str) -> Result<(String, WebsiteConfiguration), Error> {
    let record = find_bucket(&request.cloud.store, bucket)?;
    let set = config::find(&request.cloud.store, &record, "website")?;
    Ok((record.region.clone(), set.ok_or_else(|| Error::no_website(bucket))?))
}

async fn answer(request: &FrontRequest, bucket: &str) -> FrontResponse {
    if !matches!(request.method, Method::GET | Method::HEAD) {
        let text = "The specified method is not allowed against this resource.";
        let error = ApiError::new(405, "MethodNotAllowed", text);
        let error = error.with("Method", request.method.as_str()).with("ResourceType", "OBJECT");
        return page(&error, request, None);
    }
    let (region, configuration) = match found(request, bucket) {
        Ok(found) => found,
        Err(error) => return page(&error.into(), request, None),
    };
    let cx = context(request, Caller::Principal(Principal::Anonymous), &region, Vec::new());
    let site = Site { request, cx, bucket, configuration };
    if let Some(all) = &site.configuration.redirect_all_requests_to {
        let protocol = all.protocol.as_ref().map_or(if request.secure { "https" } else { "http" }, |one| one.as_str());
        let path = request.uri.path_and_query().map_or("/", |path| path.as_str());
        return redirect(301, &format!("{protocol}://{}{path}", all.host_name));
    }
    let path = percent_decode_str(request.uri.path()).decode_utf8_lossy().into_owned();
    let index = site.configuration.index_document.as_ref().map_or("", |index| index.suffix.as_str());
    let key = website::key_of(&path, index);
    let asked = path.strip_prefix('/').unwrap_or(&path);
    let rules = site.configuration.routing_rules.as_deref().unwrap_or_default();
    if let Some(rule) = website::rule_for(rules, asked, None) {
        let (code, place) = website::redirection(rule, asked, request.secure, &request.authority);
        return redirect(code, &place);
    }
    let error = match site.read(&key).await {
        Ok(output) => return show(&output, &request.request_id),
        Err(error) => error,
    };
    if error.status < 400 || error.status == 412 || error.status == 416 {
        return page(&error, request, None);
    }
    // A folder that was asked for without its slash.
    if !asked.is_empty() && !asked.ends_with('/') && site.exists(&format!("{key}/{index}")).await {
        return redirect(302, &format!("/{}/", website::encode(&key)));
    }
    if let Some(rule) = website::rule_for(rules, asked, Some(error.status)) {
        let (code, place) = website::redirection(rule, asked, request.secure, &request.authority);
        return redirect(code, &place);
    }
    site.error(&error).await
}

impl Site<'_> {
    fn asked(&self, key: &str, conditional: bool) -> GetObjectRequest {
        let text = |name: &str| {
            let value = self.request.headers.get(name).and_then(|value| value.to_str().ok());
            value.filter(|_| conditional).map(str::to_owned)
        };
        GetObjectRequest {
            bucket: self.bucket.to_owned(),
            key: key.to_owned(),
            range: text("range"),
            if_match: text("if-match"),
            if_none_match: text("if-none-match"),
            if_modified_since: text("if-modified-since").and_then(|date| Timestamp::parse(&date)),
            if_unmodified_since: text("if-unmodified-since").and_then(|date| Timestamp::parse(&date)),
            ..GetObjectRequest::default()
        }
    }

    async fn read(&self, key: &str) -> Result<GetObjectOutput, ApiError> {
        self.cx.perform::<GetObject>(self.asked(key, true)).await
    }

    async fn exists(&self, key: &str) -> bool {
        self.cx.perform::<GetObject>(self.asked(key, false)).await.is_ok()
    }

    /// The error document, with the status of the error; otherwise a page that says what was wrong.
    async fn error(&self, error: &ApiError) -> FrontResponse {
        let document = self.configuration.error_document.as_ref();
        let Some(document) = document.filter(|_| (400..500).contains(&error.status)) else {
            return page(error, self.request, None);
        };
        match self.cx.perform::<GetObject>(self.asked(&document.key, false)).await {
            Ok(output) => {
                let mut response = encode::<GetObject>(&output, &self.request.request_id);
                *response.status_mut() = StatusCode::from_u16(error.status).unwrap_or(StatusCode::NOT_FOUND);
                describe(&mut response, error);
                response
            }
            Err(second) => page(error, self.request, Some(&second)),
        }
    }
}

fn show(output: &GetObjectOutput, request_id: &str) -> FrontResponse {
    match &output.website_redirect_location {
        Some(place) => redirect(301, place),
        None => encode::<GetObject>(output, request_id),
    }
}

fn redirect(status: u16, place: &str) -> FrontResponse {
    let mut response = http::Response::new(ByteStream::default());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::MOVED_PERMANENTLY);
    add(&mut response, "location", place);
    response
}

/// The error in headers.
fn describe(response: &mut FrontResponse, error: &ApiError) {
    add(response, "x-amz-error-code", &error.code);
    add(response, "x-amz-error-message", &error.message);
    for (name, value) in &error.members {
        add(response, &format!("x-amz-error-detail-{name}"), value.as_str().unwrap_or_default());
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// S3's own page for an error, and for a second one of the error document.
fn page(error: &ApiError, request: &FrontRequest, second: Option<&ApiError>) -> FrontResponse {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = http::Response::new(ByteStream::default());
    *response.status_mut() = status;
    for (name, value) in &error.headers {
        add(&mut response, name, value);
    }
    describe(&mut response, error);
    if status == StatusCode::NOT_MODIFIED {
        return response;
    }
    let list = |error: &ApiError| {
        let mut items = format!("<li>Code: {}</li>\n<li>Message: {}</li>\n", error.code, escape(&error.message));
        for (name, value) in &error.members {
            items.push_str(&format!("<li>{name}: {}</li>\n", escape(value.as_str().unwrap_or_default())));
        }
        items
    };
    let title = format!("{} {}", status.as_str(), status.canonical_reason().unwrap_or_default());
    let id = &request.request_id;
    let host = wire::error::host_id(id);
    let more = second.map_or(String::new(), |second| {
        format!(
            "<h3>An Error Occurred While Attempting to Retrieve a Custom Error Document</h3>\n<ul>\n{}</ul>\n",
            list(second)
        )
    });
    let html = format!(
        "<html>\n<head><title>{title}</title></head>\n<body>\n<h1>{title}</h1>\n<ul>\n{}<li>RequestId: {id}</li>\n<li>HostId: {host}</li>\n</ul>\n{more}<hr/>\n</body>\n</html>\n",
        list(error)
    );
    *response.body_mut() = ByteStream::from(Bytes::from(html));
    add(&mut response, "content-type", "text/html; charset=utf-8");
    response
}
