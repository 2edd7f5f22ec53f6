//! The data plane of HTTP APIs: requests by host name or, where no name resolves, by path.

use crate::{
    access_log,
    authorize::{Memory, authorize},
    cors,
    definition::Compiled,
    error::Error,
    http_api::{Work, run},
    reply::{Failure, Reply},
    request::Request,
    store::Place,
};
use apigatewayv2_api::{Route, RouteSettings, Stage};
use execute_api::{
    World,
    metrics::{count, millis, publish},
    site::{self, Address, Kind, Site, cut},
    text::{forwarded, parse_query},
    throttle::Throttles,
    trace,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::Value as Json;
use service::{
    ApiError, BoxFuture, ByteStream, Cloud, Context, Front, FrontRequest, FrontResponse, Measurement, Principal,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// The largest body of a request.
const LARGEST_BODY: usize = 10 << 20;

/// How many compiled deployments are kept.
const KEPT: usize = 256;

/// Deployments in the form that serves, by API and deployment. A deployment never changes, so neither does its entry.
#[derive(Default)]
pub struct Deployments(Mutex<HashMap<(String, String), Arc<Compiled>>>);

impl Deployments {
    pub fn get(&self, cx: &Context, api: &str, deployment: &str) -> Result<Option<Arc<Compiled>>, Error> {
        let key = (api.to_owned(), deployment.to_owned());
        if let Some(known) = self.lock().get(&key) {
            return Ok(Some(known.clone()));
        }
        let Some(definition) = Place::new(cx, api).snapshot(&cx.store().snapshot(), deployment)? else {
            return Ok(None);
        };
        let compiled = Arc::new(Compiled::new(definition));
        let mut all = self.lock();
        if all.len() >= KEPT {
            all.clear();
        }
        all.insert(key, compiled.clone());
        Ok(Some(compiled))
    }

    pub fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(String, String), Arc<Compiled>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone, Default)]
pub struct HttpFront {
    deployments: Arc<Deployments>,
    throttles: Arc<Throttles>,
    memory: Arc<Memory>,
}

impl HttpFront {
    pub fn reset(&self) {
        self.deployments.clear();
        self.memory.clear();
    }

    /// Forgets what authorizers of a stage said.
    pub fn forget_grants(&self, api: &str, stage: &str) {
        self.memory.grants.forget(&format!("{api}/{stage}/"));
    }
}

impl Front for HttpFront {
    fn matches(&self, cloud: &Cloud, host: &str, path: &str, _: &HeaderMap) -> bool {
        let Some(address) = site::locate(&cloud.store, host, path) else { return false };
        let known = site::find(&cloud.store.snapshot(), &address.api).ok().flatten();
        known.is_some_and(|site| site.kind == Kind::Http)
    }

    fn serve(&self, request: FrontRequest) -> BoxFuture<'static, FrontResponse> {
        let front = self.clone();
        Box::pin(async move {
            let id = request.cloud.random.alphanumeric(15) + "=";
            let reply = serve(&front, request, &id).await;
            response(reply.with("apigw-requestid", id))
        })
    }
}

async fn serve(front: &HttpFront, request: FrontRequest, id: &str) -> Reply {
    let path = request.uri.path().to_owned();
    let not_found = || Reply::message(404, "Not Found");
    let Some(address) = site::locate(&request.cloud.store, &request.host, &path) else { return not_found() };
    let served = match Served::find(&request.cloud, &front.deployments, &address) {
        Ok(Some(served)) => served,
        Ok(None) => return not_found(),
        Err(error) => {
            tracing::error!(?error, "an API could not be read");
            return Reply::message(500, "Internal Server Error");
        }
    };
    let mut incoming = served.incoming(&request, &address, id);
    match request.body.collect(LARGEST_BODY).await {
        Ok(body) => incoming.body = body,
        Err(_) => return Reply::message(413, "Request Entity Too Large"),
    }
    served.answer(front, request.signer, incoming).await
}

pub fn response(reply: Reply) -> FrontResponse {
    let mut response = Response::new(ByteStream::from(reply.body));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in reply.headers {
        // Headers that HTTP does not allow are dropped, as API Gateway drops them.
        let pair = HeaderName::try_from(name).ok().zip(HeaderValue::try_from(value).ok());
        if let Some((name, value)) = pair {
            response.headers_mut().append(name, value);
        }
    }
    response
}

/// A request as it came, before anything is known of the API's stage. Its body is not read yet.
pub fn incoming(cx: &Context, request: &FrontRequest, id: &str) -> Request {
    let pair = |(name, value): (&HeaderName, &HeaderValue)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let mut headers: Vec<_> = request.headers.iter().map(pair).collect();
    let default_port = if request.secure { "443" } else { "80" };
    let port = request.authority.rsplit_once(':').map_or(default_port, |(_, port)| port);
    let now = cx.now();
    let given = request.headers.get("x-amzn-trace-id").and_then(|value| value.to_str().ok());
    let proxies = request.headers.get("x-forwarded-for").and_then(|value| value.to_str().ok());
    let forwarded = forwarded(proxies, &request.source_ip);
    let trace = trace::header(given, false, now, cx.random());
    for (name, value) in [
        ("host", request.authority.as_str()),
        ("x-amzn-trace-id", trace.as_str()),
        ("x-forwarded-for", forwarded.as_str()),
        ("x-forwarded-port", port),
        ("x-forwarded-proto", if request.secure { "https" } else { "http" }),
    ] {
        headers.retain(|(known, _)| known != name);
        headers.push((name.to_owned(), value.to_owned()));
    }
    let query = request.uri.query().unwrap_or_default();
    Request {
        method: request.method.as_str().to_owned(),
        raw_query: query.to_owned(),
        query: parse_query(query),
        headers,
        source_ip: request.source_ip.clone(),
        domain: request.host.clone(),
        request_id: id.to_owned(),
        time: now,
        account: cx.account().to_owned(),
        region: cx.region().to_owned(),
        ..Request::default()
    }
}

/// A stage of an API, with what its deployment froze.
pub struct Served {
    pub cx: Context,
    pub stage: Stage,
    pub compiled: Arc<Compiled>,
}

impl Served {
    /// The stage that a path leads to: the one that its first part names, else the default one.
    pub fn find(cloud: &Arc<Cloud>, deployments: &Deployments, address: &Address) -> Result<Option<Self>, Error> {
        let Address { api, path, shown } = address;
        let snapshot = cloud.store.snapshot();
        let Some(Site { account, region, .. }) = site::find(&snapshot, api)? else { return Ok(None) };
        let cx = cloud.context(Principal::service("apigateway.amazonaws.com"), &account, &region);
        let place = Place::new(&cx, api);
        if shown.is_none() && place.api(&snapshot)?.disable_execute_api_endpoint == Some(true) {
            return Ok(None);
        }
        let (first, _) = cut(path.strip_prefix('/').unwrap_or(path));
        let named = match first {
            "" => None,
            name => place.find::<Stage>(&snapshot, name)?,
        };
        let stage = match named {
            Some(stage) => Some(stage),
            None => place.find::<Stage>(&snapshot, "$default")?,
        };
        let Some(stage) = stage else { return Ok(None) };
        let Some(deployment) = &stage.deployment_id else { return Ok(None) };
        let Some(compiled) = deployments.get(&cx, api, deployment)? else { return Ok(None) };
        Ok(Some(Self { cx, stage, compiled }))
    }

    /// The request with where it arrived.
    fn incoming(&self, request: &FrontRequest, address: &Address, id: &str) -> Request {
        // An HTTP API decodes a path before it looks at it, and once more the values of its variables.
        let decoded = |path: &str| percent_decode_str(path).decode_utf8_lossy().into_owned();
        let path = decoded(&address.path);
        let raw_path = if path.is_empty() { "/" } else { &path };
        let mut base = incoming(&self.cx, request, id);
        // Every request has a length here, also the one that has no body.
        if !base.headers.iter().any(|(name, _)| name == "content-length") {
            base.headers.push(("content-length".to_owned(), "0".to_owned()));
        }
        let inner = match self.stage.stage_name.as_str() {
            "$default" => raw_path,
            name => raw_path.strip_prefix('/').and_then(|path| path.strip_prefix(name)).unwrap_or(raw_path),
        };
        Request {
            raw_path: raw_path.to_owned(),
            shown: address.shown.as_deref().map(decoded),
            path: if inner.is_empty() { "/" } else { inner }.to_owned(),
            api: self.compiled.definition.api.api_id.clone().unwrap_or_default(),
            stage: self.stage.stage_name.clone(),
            stage_variables: self.stage.stage_variables.clone().unwrap_or_default(),
            ..base
        }
    }

    async fn answer(
        &self,
        front: &HttpFront,
        signer: Option<Result<Context, ApiError>>,
        mut incoming: Request,
    ) -> Reply {
        let cors = self.compiled.definition.api.cors_configuration.as_ref();
        if let Some(preflight) = cors.and_then(|cors| cors::preflight(cors, &incoming)) {
            return preflight;
        }
        let mut work = Work::default();
        let result = self.execute(front, signer, &mut incoming, &mut work).await;
        let failure = result.as_ref().err().cloned();
        let mut reply = result.unwrap_or_else(|failure| failure.reply());
        if let Some(cors) = cors {
            cors::apply(cors, &incoming, &mut reply);
        }
        if let Some(settings) = &self.stage.access_log_settings {
            let context = self.told(&incoming, &reply, failure.as_ref(), &work);
            access_log::write(&self.cx, &incoming, settings, &context);
        }
        self.measure(&incoming, &reply, &work);
        reply
    }

    async fn execute(
        &self,
        front: &HttpFront,
        signer: Option<Result<Context, ApiError>>,
        incoming: &mut Request,
        work: &mut Work,
    ) -> Result<Reply, Failure> {
        let found = self.compiled.route(&incoming.method, &incoming.path);
        let (route, variables) = found.ok_or_else(Failure::not_found)?;
        incoming.route_key.clone_from(&route.route_key);
        incoming.path_parameters = variables.into_iter().collect();
        if !self.admits(front, &route.route_key) {
            return Err(Failure::new(429, "THROTTLED", "Too Many Requests"));
        }
        let integration = self.compiled.integration(route);
        let timeout = integration.and_then(|integration| integration.timeout_in_millis).unwrap_or(30_000);
        let world = World::new(self.cx.clone(), Duration::from_millis(u64::try_from(timeout).unwrap_or_default()));
        let authorizer = self.compiled.authorizer(route);
        incoming.identity = authorize(&front.memory, &world, route, authorizer, signer, incoming, None).await?;
        require(route, incoming)?;
        let integration = integration.ok_or_else(|| Failure::internal("The route has no integration"))?;
        run(&world, integration, incoming, work).await
    }

    /// The settings of a route: its own, else those of all.
    pub fn settings(&self, key: &str) -> Option<&RouteSettings> {
        let own = self.stage.route_settings.as_ref().and_then(|all| all.get(key));
        own.or(self.stage.default_route_settings.as_ref())
    }

    fn admits(&self, front: &HttpFront, key: &str) -> bool {
        if !front.throttles.admits_account(self.cx.account(), self.cx.region(), self.cx.now()) {
            return false;
        }
        let Some(settings) = self.settings(key) else { return true };
        let api = self.compiled.definition.api.api_id.as_deref().unwrap_or_default();
        let bucket = format!("{api}/{}/{key}", self.stage.stage_name);
        let (rate, burst) = (settings.throttling_rate_limit, settings.throttling_burst_limit);
        front.throttles.admits(&bucket, rate, burst, self.cx.now())
    }

    /// `$context` once the answer is known.
    fn told(&self, incoming: &Request, reply: &Reply, failure: Option<&Failure>, work: &Work) -> Json {
        let mut context = incoming.context();
        context["status"] = reply.status.into();
        context["responseLength"] = reply.body.len().into();
        context["responseLatency"] = (self.cx.now().millis() - incoming.time.millis()).into();
        context["dataProcessed"] = (incoming.body.len() + reply.body.len()).into();
        if let Some(millis) = work.millis {
            context["integrationLatency"] = millis.into();
            context["integration"] = serde_json::json!({ "latency": millis });
        }
        if let Some(status) = work.status {
            context["integrationStatus"] = status.into();
            context["integration"]["integrationStatus"] = status.into();
            context["integration"]["status"] = status.into();
        }
        if let Some(id) = &work.request_id {
            context["integration"]["requestId"] = id.as_str().into();
            context["awsEndpointRequestId"] = id.as_str().into();
        }
        if let Some(failure) = failure {
            context["error"] = serde_json::json!({
                "message": failure.message,
                "messageString": Json::from(failure.message.as_str()).to_string(),
                "responseType": failure.kind,
            });
            if let Some(reason) = &failure.integration {
                context["integrationErrorMessage"] = reason.as_str().into();
                context["integration"]["error"] = reason.as_str().into();
            }
        }
        context
    }

    fn measure(&self, incoming: &Request, reply: &Reply, work: &Work) {
        let api = ("ApiId", incoming.api.clone());
        let stage = ("Stage", incoming.stage.clone());
        let mut dimensions = vec![vec![api.clone()], vec![api.clone(), stage.clone()]];
        let detailed = self.settings(&incoming.route_key).and_then(|settings| settings.detailed_metrics_enabled);
        if detailed == Some(true) && !incoming.route_key.is_empty() {
            let key = incoming.route_key.as_str();
            let resource = key.split_once(' ').map_or(key, |(_, path)| path).to_owned();
            dimensions.push(vec![api, stage, ("Method", incoming.method.clone()), ("Resource", resource)]);
        }
        let size = (incoming.body.len() + reply.body.len()) as f64;
        let mut values = vec![
            count("Count", true),
            count("4xx", (400..500).contains(&reply.status)),
            count("5xx", reply.status >= 500),
            millis("Latency", self.cx.now().millis() - incoming.time.millis()),
            Measurement { name: "DataProcessed", value: size, unit: "Bytes" },
        ];
        values.extend(work.millis.map(|spent| millis("IntegrationLatency", spent)));
        publish(&self.cx, dimensions, values);
    }
}

/// Parameters that a route demands must be there.
fn require(route: &Route, incoming: &Request) -> Result<(), Failure> {
    let context = Json::Null;
    for (name, constraints) in route.request_parameters.iter().flatten() {
        let name = name.strip_prefix("route.").unwrap_or(name);
        if constraints.required == Some(true) && crate::mapping::of_request(name, incoming, &context).is_none() {
            return Err(Failure::new(400, "BAD_REQUEST_PARAMETERS", "Bad Request"));
        }
    }
    Ok(())
}
