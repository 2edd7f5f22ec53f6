//! The data plane: requests to deployed APIs, by host name or, where no name resolves, by path.

use crate::{
    authorizer::{self, Grant},
    backend::{World, timeout},
    cache::{self, Cache},
    compression,
    definition::Compiled,
    error::Error,
    execution::{Invocation, finish, function_of, route, run},
    gateway_response::{self, Failure, Kind, Reply},
    integration, jwt_authorizer,
    log::Log,
    logging, metrics,
    ops::{client_certificate, stage::logs},
    request::{Caller, Incoming, canonical_name, parse_query},
    store::Place,
};
use apigateway_api::{ApiKeySourceType, Method, MethodSetting, Stage};
use bytes::Bytes;
use execute_api::{
    cache::Expiring,
    site::{self, Address, cut},
    text::forwarded,
    throttle::Throttles,
    tokens::Tokens,
    trace, unsigned,
    usage::{self, Refused},
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use service::{
    Access, ApiError, BoxFuture, ByteStream, Cloud, Context, Front, FrontRequest, FrontResponse, Origin, Principal,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// The largest body of a request.
const LARGEST_BODY: usize = 10 << 20;

/// How many compiled deployments are kept.
const KEPT: usize = 256;

/// Deployments in the form that serves, by API and deployment. A deployment never changes, so neither does its entry.
#[derive(Default)]
struct Deployments(Mutex<HashMap<(String, String), Arc<Compiled>>>);

impl Deployments {
    fn get(&self, cx: &Context, api: &str, deployment: &str) -> Result<Option<Arc<Compiled>>, Error> {
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

    fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(String, String), Arc<Compiled>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone, Default)]
pub struct ExecuteApi {
    deployments: Arc<Deployments>,
    throttles: Arc<Throttles>,
    grants: Arc<Expiring<Grant>>,
    tokens: Arc<Tokens>,
    cache: Arc<Cache>,
}

impl ExecuteApi {
    /// Forgets what authorizers of a stage said.
    pub fn forget_grants(&self, api: &str, stage: &str) {
        self.grants.forget(&format!("{api}/{stage}/"));
    }

    /// Empties a stage's cache.
    pub fn flush(&self, api: &str, stage: &str) {
        self.cache.forget(&cache::prefix(api, stage));
    }

    pub fn reset(&self) {
        self.deployments.clear();
        self.grants.clear();
        self.tokens.clear();
        self.cache.clear();
    }
}

/// Where a request is going: an API, and the path from its stage on.
#[derive(Debug, PartialEq)]
struct Target<'a> {
    api: &'a str,
    stage: &'a str,
    /// With its slash, or empty.
    path: &'a str,
    /// The path as the client wrote it, where it came to a custom domain.
    shown: Option<&'a str>,
}

impl<'a> Target<'a> {
    fn new(address: &'a Address) -> Self {
        let (stage, path) = cut(address.path.strip_prefix('/').unwrap_or(&address.path));
        Self { api: &address.api, stage, path, shown: address.shown.as_deref() }
    }
}

impl Front for ExecuteApi {
    /// Addresses of APIs, but for those that are known to be of another kind.
    fn matches(&self, cloud: &Cloud, host: &str, path: &str, _: &HeaderMap) -> bool {
        let Some(address) = site::locate(&cloud.store, host, path) else { return false };
        let known = site::find(&cloud.store.snapshot(), &address.api).ok().flatten();
        known.is_none_or(|site| site.kind == site::Kind::Rest)
    }

    fn serve(&self, request: FrontRequest) -> BoxFuture<'static, FrontResponse> {
        let front = self.clone();
        Box::pin(async move {
            let request_id = request.request_id.clone();
            let extended_id = request.cloud.random.alphanumeric(15) + "=";
            let reply = serve(&front, request, &extended_id).await;
            response(reply, &request_id, &extended_id)
        })
    }
}

async fn serve(front: &ExecuteApi, request: FrontRequest, extended_id: &str) -> Reply {
    let forbidden = || plain(gateway_response::ACCESS_DENIED, "ForbiddenException", "Forbidden");
    let internal = |error: Error| {
        let reply = ApiError::from(error);
        plain(gateway_response::API_CONFIGURATION_ERROR, "InternalServerErrorException", &reply.message)
    };
    let path = request.uri.path().to_owned();
    let Some(address) = site::locate(&request.cloud.store, &request.host, &path) else { return forbidden() };
    let target = Target::new(&address);
    let found = match Site::find(&request.cloud, &front.deployments, &target) {
        Err(error) => return internal(error),
        Ok(found) => found,
    };
    let Some(site) = found else {
        // The bare address of an API that exists is nobody's.
        return match target.stage {
            "" => plain(
                gateway_response::MISSING_AUTHENTICATION_TOKEN,
                "MissingAuthenticationTokenException",
                "Missing Authentication Token",
            ),
            _ => forbidden(),
        };
    };
    let body = request.body.collect(LARGEST_BODY).await;
    let mut incoming = site.incoming(&request, &target, extended_id);
    match body {
        Ok(body) => incoming.body = body,
        Err(_) => {
            let failure = Failure::new(gateway_response::REQUEST_TOO_LARGE, "Request Too Long");
            return gateway_response::render(
                &failure,
                &site.compiled.definition.responses,
                &incoming,
                &incoming.context(),
            );
        }
    }
    let smallest = site.compiled.definition.api.minimum_compression_size.filter(|size| *size >= 0);
    let accepted = incoming.header("accept-encoding").unwrap_or_default().to_owned();
    if smallest.is_some()
        && let Err(failure) = compression::expand(&mut incoming)
    {
        let context = incoming.context();
        return gateway_response::render(&failure, &site.compiled.definition.responses, &incoming, &context);
    }
    let mut reply = site.answer(front, request.signer, incoming).await;
    if let Some(smallest) = smallest.filter(|_| reply.rest.is_none()) {
        compression::compress(&mut reply, &accepted, smallest);
    }
    reply
}

/// An answer that no API had a say in.
fn plain(kind: Kind, error_type: &str, message: &str) -> Reply {
    let headers = vec![
        ("x-amzn-ErrorType".to_owned(), error_type.to_owned()),
        ("Content-Type".to_owned(), "application/json".to_owned()),
    ];
    let body = serde_json::json!({ "message": message }).to_string();
    Reply { status: kind.status.unwrap_or(500), headers, body: body.into(), rest: None }
}

fn response(reply: Reply, request_id: &str, extended_id: &str) -> FrontResponse {
    let body = match reply.rest {
        None => ByteStream::from(reply.body),
        Some(rest) => rest,
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let own = [("x-amzn-requestid", request_id), ("x-amz-apigw-id", extended_id)];
    let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
    for (name, value) in own.into_iter().chain(reply.headers) {
        // Headers that HTTP does not allow are dropped, as API Gateway drops them.
        let pair = HeaderName::try_from(name).ok().zip(HeaderValue::try_from(value).ok());
        if let Some((name, value)) = pair {
            response.headers_mut().append(name, value);
        }
    }
    response
}

/// A stage of an API, with what its deployment froze.
struct Site {
    cx: Context,
    stage: Stage,
    compiled: Arc<Compiled>,
    /// Whether the stage's canary serves; none where it has no canary.
    canary: Option<bool>,
}

/// Lets a part of the requests to a stage with a canary go to that: its deployment, and its variables over the stage's.
fn turn_to_canary(cx: &Context, stage: &mut Stage) -> Option<bool> {
    let settings = stage.canary_settings.as_ref()?;
    let mut dice = [0; 4];
    cx.random().fill(&mut dice);
    let chance = f64::from(u32::from_le_bytes(dice)) / (f64::from(u32::MAX) + 1.0) * 100.0;
    let chosen = chance < settings.percent_traffic.unwrap_or_default();
    if chosen {
        stage.deployment_id = settings.deployment_id.clone().or(stage.deployment_id.take());
        let overrides = settings.stage_variable_overrides.clone().unwrap_or_default();
        stage.variables.get_or_insert_default().extend(overrides);
    }
    Some(chosen)
}

impl Site {
    fn find(cloud: &Arc<Cloud>, deployments: &Deployments, target: &Target<'_>) -> Result<Option<Self>, Error> {
        let snapshot = cloud.store.snapshot();
        let Some(site::Site { account, region, .. }) = site::find(&snapshot, target.api)? else { return Ok(None) };
        let principal = Principal::service("apigateway.amazonaws.com");
        let cx = cloud.context(principal, &account, &region);
        let place = Place::new(&cx, target.api);
        if target.shown.is_none() && place.api(&snapshot)?.disable_execute_api_endpoint == Some(true) {
            return Ok(None);
        }
        let Some(mut stage) = place.find::<Stage>(&snapshot, target.stage)? else { return Ok(None) };
        let canary = turn_to_canary(&cx, &mut stage);
        let deployment = stage.deployment_id.clone().unwrap_or_default();
        let Some(compiled) = deployments.get(&cx, target.api, &deployment)? else { return Ok(None) };
        Ok(Some(Self { cx, stage, compiled, canary }))
    }

    fn incoming(&self, request: &FrontRequest, target: &Target<'_>, extended_id: &str) -> Incoming {
        let pair = |(name, value): (&HeaderName, &HeaderValue)| {
            (canonical_name(name.as_str()), String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let mut headers: Vec<_> = request.headers.iter().map(pair).collect();
        // What belongs to the connection does not belong to the request.
        headers.retain(|(name, _)| !["Connection", "Content-Length", "Transfer-Encoding"].contains(&name.as_str()));
        let scheme = if request.secure { "https" } else { "http" };
        let port =
            request.authority.rsplit_once(':').map_or(if request.secure { "443" } else { "80" }, |(_, port)| port);
        let now = self.cx.now();
        let given = request.headers.get("x-amzn-trace-id").and_then(|value| value.to_str().ok());
        let proxies = request.headers.get("x-forwarded-for").and_then(|value| value.to_str().ok());
        let forwarded = forwarded(proxies, &request.source_ip);
        let active = self.stage.tracing_enabled == Some(true);
        let trace = trace::header(given, active, now, self.cx.random());
        for (name, value) in [
            ("Host", request.authority.as_str()),
            ("X-Amzn-Trace-Id", trace.as_str()),
            ("X-Forwarded-For", forwarded.as_str()),
            ("X-Forwarded-Port", port),
            ("X-Forwarded-Proto", scheme),
        ] {
            headers.retain(|(known, _)| known != name);
            headers.push((name.to_owned(), value.to_owned()));
        }
        let caller = match &request.signer {
            Some(Ok(signer)) => Some(Caller {
                account: signer.principal().account().to_owned(),
                arn: signer.principal().arn(),
                user_id: signer.principal().user_id(),
                access_key: signer.access_key_id().unwrap_or_default().to_owned(),
            }),
            _ => None,
        };
        Incoming {
            method: request.method.as_str().to_owned(),
            path: target.path.to_owned(),
            shown: target.shown.map(str::to_owned),
            query: parse_query(request.uri.query().unwrap_or_default()),
            headers,
            body: Bytes::new(),
            source_ip: request.source_ip.clone(),
            protocol: "HTTP/1.1".to_owned(),
            domain: request.host.clone(),
            request_id: request.request_id.clone(),
            extended_id: extended_id.to_owned(),
            time: now,
            caller,
            account: self.cx.account().to_owned(),
            region: self.cx.region().to_owned(),
            api: target.api.to_owned(),
            stage: target.stage.to_owned(),
            deployment: self.stage.deployment_id.clone().unwrap_or_default(),
            stage_variables: self.stage.variables.clone().unwrap_or_default(),
            canary: self.canary,
            ..Incoming::default()
        }
    }

    async fn answer(
        &self,
        front: &ExecuteApi,
        signer: Option<Result<Context, ApiError>>,
        mut incoming: Incoming,
    ) -> Reply {
        let compiled = &self.compiled;
        let name = compiled.definition.api.name.as_deref().unwrap_or_default();
        let Some(method) = route(compiled, &mut incoming) else {
            let failure = Err(unsigned(&incoming));
            let reply = finish(compiled, &incoming, self.cx.now(), &mut Log::default(), failure);
            let answered = metrics::Answered { status: reply.status, integration_millis: None, cache_hit: None };
            metrics::publish(&self.cx, &incoming, name, false, &answered);
            return reply;
        };
        let setting = self.setting(method, &incoming);
        let data = setting.is_some_and(|setting| setting.data_trace_enabled == Some(true));
        let mut log = Log::new(setting.is_some_and(logs), data, &incoming.request_id);
        self.begin(method, &incoming, &mut log);
        let world = World { identity: self.identity(), ..World::new(self.cx.clone(), timeout(method)) };
        let invalidator = signer.as_ref().and_then(|signer| signer.as_ref().ok()).cloned();
        let asked = self.ask(front, method, &mut incoming, &world).await;
        let keyed = |usage_key: Option<String>, incoming: &mut Incoming| {
            self.authorize(signer, method, incoming)?;
            self.count(&front.throttles, method, usage_key, incoming)
        };
        let admitted = match asked.and_then(|usage_key| keyed(usage_key, &mut incoming)) {
            Ok(()) => self.throttle(&front.throttles, setting, &incoming),
            Err(failure) => Err(failure),
        };
        let used = admitted.and_then(|()| self.cached(setting, method, invalidator, &incoming));
        let kept = used.as_ref().ok().and_then(Option::as_ref).filter(|used| !used.fresh);
        let kept = kept.and_then(|used| Some((front.cache.get(&used.key, self.cx.now())?, used.warning)));
        let cache_hit = used.as_ref().ok().and_then(Option::as_ref).map(|_| kept.is_some());
        let (result, integration_millis) = match (used, kept) {
            (_, Some((mut reply, warning))) => {
                reply.headers.extend(warning.map(|warning| ("Warning".to_owned(), warning.to_owned())));
                (Ok(reply), None)
            }
            (Ok(used), None) => {
                let started = self.cx.now();
                let result = run(compiled, method, &incoming, &world, &mut log).await;
                if let (Some(used), Ok(reply)) = (used, &result)
                    && reply.rest.is_none()
                {
                    front.cache.put(used, self.cx.now(), reply);
                }
                (result, Some(self.cx.now().millis() - started.millis()))
            }
            (Err(failure), None) => (Err(failure), None),
        };
        let failure = result.as_ref().err().cloned();
        let reply = finish(compiled, &incoming, self.cx.now(), &mut log, result);
        let detailed = setting.is_some_and(|setting| setting.metrics_enabled == Some(true));
        let answered = metrics::Answered { status: reply.status, integration_millis, cache_hit };
        metrics::publish(&self.cx, &incoming, name, detailed, &answered);
        let wanted = setting.and_then(|setting| setting.logging_level.as_deref());
        if wanted == Some("INFO") || (wanted == Some("ERROR") && failure.is_some()) {
            logging::execution(&self.cx, &incoming, &log);
        }
        if let Some(settings) = &self.stage.access_log_settings {
            logging::access(&self.cx, &incoming, settings, &reply, failure.as_ref(), &log);
        }
        reply
    }

    /// The stage's client certificate with its key.
    fn identity(&self) -> Option<(String, String)> {
        let id = self.stage.client_certificate_id.as_deref()?;
        client_certificate::identity(&self.cx, &self.cx.store().snapshot(), id).ok()?
    }

    /// What an execution log begins with.
    fn begin(&self, method: &Method, incoming: &Incoming, log: &mut Log) {
        let now = self.cx.now();
        let Incoming { api, stage, request_id, .. } = incoming;
        log.line(now, || format!("Extended Request Id: {}", incoming.extended_id));
        log.line(now, || {
            format!(
                "Verifying Usage Plan for request: {request_id}. API Key: {} API Stage: {api}/{stage}",
                key_shown(incoming)
            )
        });
        if method.api_key_required != Some(true) {
            log.line(now, || {
                format!(
                    "API Key {} authorized because method '{} {}' does not require API Key. Request will not contribute to \
                     throttle or quota limits",
                    key_shown(incoming),
                    incoming.method,
                    incoming.resource_path
                )
            });
            log.line(now, || {
                format!("Usage Plan check succeeded for API Key {} and API Stage {api}/{stage}", key_shown(incoming))
            });
        }
    }

    /// Demands an API key where the method does, and counts its use.
    fn count(
        &self,
        throttles: &Throttles,
        method: &Method,
        usage_key: Option<String>,
        incoming: &mut Incoming,
    ) -> Result<(), Failure> {
        if method.api_key_required != Some(true) {
            return Ok(());
        }
        let from_authorizer = self.compiled.definition.api.api_key_source == Some(ApiKeySourceType::Authorizer);
        let value = if from_authorizer { usage_key } else { incoming.header("x-api-key").map(str::to_owned) };
        let own = format!("{}/{}", incoming.resource_path, incoming.method);
        let Incoming { api, stage, .. } = &*incoming;
        let key =
            usage::admit(&self.cx, throttles, value.as_deref(), api, stage, &own).map_err(|refused| match refused {
                Refused::Forbidden => Failure::new(gateway_response::INVALID_API_KEY, "Forbidden"),
                Refused::Throttled => Failure::new(gateway_response::THROTTLED, "Too Many Requests"),
                Refused::Exceeded => Failure::new(gateway_response::QUOTA_EXCEEDED, "Limit Exceeded"),
                Refused::Failed(error) => Failure::configuration(error),
            })?;
        incoming.api_key = key.id.zip(key.value);
        Ok(())
    }

    fn throttle(
        &self,
        throttles: &Throttles,
        setting: Option<&MethodSetting>,
        incoming: &Incoming,
    ) -> Result<(), Failure> {
        let key = format!("{}/{}/{}/{}", incoming.api, incoming.stage, incoming.resource_id, incoming.method);
        let admits = |setting: &MethodSetting| {
            let (rate, burst) = (setting.throttling_rate_limit, setting.throttling_burst_limit);
            throttles.admits(&key, rate, burst, self.cx.now())
        };
        if setting.is_none_or(admits) && throttles.admits_account(self.cx.account(), self.cx.region(), self.cx.now()) {
            return Ok(());
        }
        Err(Failure::new(gateway_response::THROTTLED, "Too Many Requests"))
    }

    /// How a request uses the stage's cache. To have it forget an answer takes a permission of its own.
    fn cached(
        &self,
        setting: Option<&MethodSetting>,
        method: &Method,
        signer: Option<Context>,
        incoming: &Incoming,
    ) -> Result<Option<cache::Use>, Failure> {
        let may_invalidate = || {
            let (Some(signer), Some(service)) = (signer, self.cx.cloud.service("apigateway")) else { return false };
            let caller = signer.in_place(self.cx.account(), self.cx.region());
            let access = Access::new("execute-api:InvalidateCache", method_arn(incoming)).owned_by(self.cx.account());
            self.cx.cloud.stages().authorize(&caller, &**service, &access).is_ok()
        };
        let general = self.stage.method_settings.as_ref().and_then(|settings| settings.get("*/*"));
        let own = setting.is_some() && setting != general;
        cache::usage(&self.stage, setting, own, method, incoming, may_invalidate)
    }

    /// The settings that apply to a method: its own, else those of all.
    fn setting(&self, method: &Method, incoming: &Incoming) -> Option<&MethodSetting> {
        let settings = self.stage.method_settings.as_ref()?;
        let path = incoming.resource_path.trim_start_matches('/');
        let own = |key: &String| {
            let Some((resource, name)) = key.rsplit_once('/') else { return false };
            let resource = resource.replace("~1", "/").replace("~0", "~");
            method.http_method.as_deref() == Some(name) && resource.trim_start_matches('/') == path
        };
        let found = settings.iter().find(|(key, _)| own(key)).map(|(_, setting)| setting);
        found.or_else(|| settings.get("*/*"))
    }

    /// Asks the method's authorizer, if it has one, and keeps what a function said. It may name the caller's API key.
    async fn ask(
        &self,
        front: &ExecuteApi,
        method: &Method,
        incoming: &mut Incoming,
        world: &World,
    ) -> Result<Option<String>, Failure> {
        let wanted = method.authorization_type.as_deref().unwrap_or_default();
        if !["CUSTOM", "COGNITO_USER_POOLS", "JWT"].contains(&wanted) {
            return Ok(None);
        }
        let authorizers = &self.compiled.definition.authorizers;
        let authorizer = authorizers.iter().find(|authorizer| authorizer.id == method.authorizer_id);
        let authorizer = authorizer.ok_or_else(|| authorizer::configuration("The authorizer is not there"))?;
        if wanted != "CUSTOM" {
            let scopes = method.authorization_scopes.as_deref().unwrap_or_default();
            let said = match wanted {
                "JWT" => jwt_authorizer::token(&front.tokens, &self.cx, authorizer, scopes, incoming).await?,
                _ => authorizer::pool_token(&front.tokens, &self.cx, authorizer, scopes, incoming).await?,
            };
            incoming.authorizer = Some(said);
            return Ok(None);
        }
        let identity = authorizer::identity(authorizer, incoming)?;
        let method_arn = method_arn(incoming);
        let id = authorizer.id.as_deref().unwrap_or_default();
        let key = serde_json::json!([incoming.deployment, id, identity]);
        let key = format!("{}/{}/{key}", incoming.api, incoming.stage);
        let now = self.cx.now();
        let mut latency = 0;
        let grant = match front.grants.get(&key, now) {
            Some(grant) => grant,
            None => {
                let event = authorizer::event(authorizer, &identity, incoming, &method_arn);
                let uri = authorizer.authorizer_uri.as_deref().unwrap_or_default();
                let uri = integration::expand(uri, incoming, &incoming.path_parameters);
                let function = function_of(&uri).ok_or_else(|| authorizer::configuration("Invalid authorizer URI"))?;
                let Incoming { region, account, api, .. } = &*incoming;
                let invocation = Invocation {
                    function: function.to_owned(),
                    payload: event.to_string().into(),
                    asynchronous: false,
                    source_arn: format!("arn:aws:execute-api:{region}:{account}:{api}/authorizers/{id}"),
                    credentials: authorizer.authorizer_credentials.clone().filter(|role| !role.is_empty()),
                };
                let failed = |_| authorizer::configuration("Invalid permissions on the authorizer's function");
                let asked = self.cx.now();
                let grant = authorizer::read(&world.invoke(invocation).await.map_err(failed)?)?;
                latency = self.cx.now().millis() - asked.millis();
                let ttl = authorizer.authorizer_result_ttl_in_seconds.unwrap_or(authorizer::DEFAULT_TTL);
                if ttl > 0 {
                    front.grants.put(key, now.plus_secs(ttl.into()), grant.clone());
                }
                grant
            }
        };
        authorizer::allows(&grant, incoming, &method_arn)?;
        let mut said = grant.context;
        said["integrationLatency"] = latency.into();
        incoming.authorizer = Some(said);
        Ok(grant.usage_key)
    }

    /// Decides by the method's authorization type and the API's policy.
    fn authorize(
        &self,
        signer: Option<Result<Context, ApiError>>,
        method: &Method,
        incoming: &Incoming,
    ) -> Result<(), Failure> {
        let arn = method_arn(incoming);
        let cloud = &self.cx.cloud;
        let signed = method.authorization_type.as_deref() == Some("AWS_IAM");
        let caller = match signer {
            Some(Ok(signer)) if signed => signer,
            Some(Err(error)) if signed => return Err(refused(error)),
            _ if signed => return Err(unsigned(incoming)),
            // Without a policy, a method that asks for no authorization is open to everyone.
            _ if self.compiled.definition.api.policy.is_none() => return Ok(()),
            _ => {
                let origin = Origin {
                    source_ip: incoming.source_ip.clone(),
                    user_agent: incoming.header("user-agent").unwrap_or_default().to_owned(),
                    secure: incoming.header("x-forwarded-proto") == Some("https"),
                    ..Origin::default()
                };
                let nobody = service::Caller::Principal(Principal::Anonymous);
                let (account, region) = (self.cx.account(), self.cx.region());
                Context::of_request(cloud.clone(), nobody, account, region, origin, incoming.request_id.clone())
            }
        };
        let caller = caller.in_place(self.cx.account(), self.cx.region());
        let Some(service) = cloud.service("apigateway") else { return Err(Failure::missing_token()) };
        let access = Access::new("execute-api:Invoke", &arn).owned_by(self.cx.account());
        cloud.stages().authorize(&caller, &**service, &access).map_err(|denied| {
            let caller = caller.principal().arn();
            let explicit = if denied.message.contains("with an explicit deny") { " with an explicit deny" } else { "" };
            // The account is shown by its last digits only.
            let account = incoming.account.as_str();
            let last = &account[account.len().saturating_sub(4)..];
            let arn = arn.replacen(account, &format!("********{last}"), 1);
            let message =
                format!("User: {caller} is not authorized to perform: execute-api:Invoke on resource: {arn}{explicit}");
            Failure::new(gateway_response::ACCESS_DENIED, message)
        })
    }
}

/// An API key as a log shows it: by its last letters.
fn key_shown(incoming: &Incoming) -> String {
    let key = incoming.header("x-api-key").unwrap_or_default();
    let shown = key.char_indices().rev().nth(5).map_or(0, |(at, _)| at);
    "*".repeat(key[..shown].chars().count()) + &key[shown..]
}

/// The ARN of what a request asks for.
fn method_arn(incoming: &Incoming) -> String {
    incoming.execution_arn(&incoming.method, if incoming.path.is_empty() { "/" } else { &incoming.path })
}

/// What a request without a signature is answered with, where there should be one.
fn unsigned(incoming: &Incoming) -> Failure {
    let dated = incoming.header("x-amz-date").or_else(|| incoming.header("date")).is_some();
    match incoming.header("authorization").and_then(|header| unsigned::complaint(header, dated)) {
        Some(message) => {
            let kind = Kind { error_type: "IncompleteSignatureException", ..gateway_response::INVALID_SIGNATURE };
            Failure::new(kind, message)
        }
        None => Failure::missing_token(),
    }
}

/// What a wrong signature is answered with.
fn refused(error: ApiError) -> Failure {
    let kind = match error.code.as_str() {
        "ExpiredTokenException" | "ExpiredToken" => gateway_response::EXPIRED_TOKEN,
        _ => gateway_response::INVALID_SIGNATURE,
    };
    Failure::new(kind, error.message)
}
