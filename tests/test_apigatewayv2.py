"""HTTP APIs: what is managed, and what callers of a deployed API get."""

import http.server
import io
import json
import threading
import zipfile

import pytest
import requests

from conftest import error_of, wait_for
from test_web_identity import issuer  # noqa: F401: a fixture

ECHO = "exports.handler = async (event) => ({ statusCode: 200, headers: { 'content-type': 'application/json', 'x-own': '1' }, body: JSON.stringify(event) });"


def package(code):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("index.js", code)
    return out.getvalue()


@pytest.fixture
def function(boto, account):
    """Makes a function that everything in API Gateway may call; returns its ARN."""
    iam, functions = boto("iam"), boto("lambda")
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    role = iam.create_role(RoleName="function", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    iam.attach_role_policy(RoleName="function", PolicyArn="arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole")

    def make(name, code=ECHO, allow=True):
        made = functions.create_function(
            FunctionName=name, Runtime="nodejs20.x", Handler="index.handler", Role=role, Code={"ZipFile": package(code)}, Timeout=10)
        functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
        if allow:
            functions.add_permission(
                FunctionName=name, StatementId="api", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com")
        return made["FunctionArn"]

    return make


@pytest.fixture
def site():
    """A web server that remembers what it was asked."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self):
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            asked.append((self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            text = json.dumps({"path": self.path, "method": self.command}).encode()
            self.send_response(404 if "missing" in self.path else 200)
            self.send_header("content-type", "application/json")
            self.send_header("x-site", "yes")
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = answer

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()


def url(cloud, api, path=""):
    return f"http://{api}.execute-api.localhost:{cloud.port}{path}"


def send(cloud, api, path="/", method="GET", **options):
    """A request with the API's host name, which needs no resolver."""
    headers = {"host": f"{api}.execute-api.localhost:{cloud.port}"} | options.pop("headers", {})
    return requests.request(method, f"{cloud.endpoint}{path}", headers=headers, **options)


def test_quick_create_with_a_function(cloud, boto, account, function):
    gateway = boto("apigatewayv2")
    arn = function("quick")
    api = gateway.create_api(Name="quick", ProtocolType="HTTP", Target=arn, Tags={"a": "b"})
    assert api["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert api["ApiEndpoint"] == f"https://{api['ApiId']}.execute-api.us-east-1.amazonaws.com"
    assert (api["RouteSelectionExpression"], api["ApiKeySelectionExpression"]) == ("$request.method $request.path", "$request.header.x-api-key")
    (route,) = gateway.get_routes(ApiId=api["ApiId"])["Items"]
    (integration,) = gateway.get_integrations(ApiId=api["ApiId"])["Items"]
    (stage,) = gateway.get_stages(ApiId=api["ApiId"])["Items"]
    assert (route["RouteKey"], route["ApiGatewayManaged"]) == ("$default", True)
    assert (integration["PayloadFormatVersion"], integration["IntegrationType"]) == ("2.0", "AWS_PROXY")
    assert (stage["StageName"], stage["AutoDeploy"]) == ("$default", True)
    assert stage["LastDeploymentStatusMessage"] == f"Successfully deployed stage with deployment ID '{stage['DeploymentId']}'"

    reply = send(cloud, api["ApiId"], "/a/b?x=1&x=2", "POST", data="hi", headers={"content-type": "text/plain", "cookie": "c=1; d=2"})
    event = reply.json()
    assert reply.status_code == 200 and reply.headers["apigw-requestid"] and "x-amzn-requestid" not in reply.headers
    assert (event["version"], event["routeKey"], event["rawPath"], event["rawQueryString"]) == ("2.0", "$default", "/a/b", "x=1&x=2")
    assert (event["cookies"], event["queryStringParameters"]) == (["c=1", "d=2"], {"x": "1,2"})
    assert (event["body"], event["isBase64Encoded"]) == ("hi", False)
    http_part = event["requestContext"]["http"]
    assert (http_part["method"], http_part["path"], http_part["protocol"]) == ("POST", "/a/b", "HTTP/1.1")
    assert event["requestContext"]["requestId"] == reply.headers["apigw-requestid"]
    assert event["requestContext"]["stage"] == "$default" and event["requestContext"]["accountId"] == account
    assert event["headers"]["x-forwarded-proto"] == "http" and "x-amzn-trace-id" in event["headers"]
    gateway.delete_api(ApiId=api["ApiId"])
    assert error_of(gateway.get_api, ApiId=api["ApiId"]) == ("NotFoundException", f"Invalid API identifier specified {account}:{api['ApiId']}", 404)


def http_api(gateway, name="api", **more):
    return gateway.create_api(Name=name, ProtocolType="HTTP", **more)["ApiId"]


def route(gateway, api, key, target=None, **more):
    target = {"Target": f"integrations/{target}"} if target else {}
    return gateway.create_route(ApiId=api, RouteKey=key, **target, **more)["RouteId"]


def proxy(gateway, api, uri, method="ANY", **more):
    return gateway.create_integration(
        ApiId=api, IntegrationType="HTTP_PROXY", IntegrationMethod=method, IntegrationUri=uri, PayloadFormatVersion="1.0", **more)["IntegrationId"]


def live(gateway, api, name="$default", **more):
    return gateway.create_stage(ApiId=api, StageName=name, AutoDeploy=True, **more)


def test_routes_are_matched_as_aws_does(cloud, boto, site):
    gateway = boto("apigatewayv2")
    address, asked = site
    api = http_api(gateway)
    keys = ["GET /pets/dog/1", "GET /pets/dog/{id}", "GET /pets/{proxy+}", "ANY /{proxy+}"]
    for number, key in enumerate(keys):
        route(gateway, api, key, proxy(gateway, api, f"{address}/{number}"))
    live(gateway, api)
    for path, method, number in [
        ("/pets/dog/1", "GET", 0), ("/pets/dog/2", "GET", 1), ("/pets/cat/1", "GET", 2), ("/test/5", "POST", 3)]:
        assert send(cloud, api, path, method).json()["path"] == f"/{number}", path
    reply = send(cloud, api, "/")
    assert (reply.status_code, reply.text) == (404, '{"message":"Not Found"}')
    assert send(cloud, "nosuchapi0", "/x").status_code == 403


def test_http_proxies_pass_everything_on(cloud, boto, site):
    gateway = boto("apigatewayv2")
    address, asked = site
    api = http_api(gateway)
    route(gateway, api, "ANY /api/{proxy+}", proxy(gateway, api, address + "/up/{proxy}"))
    live(gateway, api, "dev", StageVariables={"color": "red"})
    reply = send(cloud, api, "/dev/api/a/b?x=1&y=a%20b", "PUT", data="body", headers={"x-mine": "2"})
    assert reply.status_code == 200 and reply.headers["x-site"] == "yes"
    method, path, headers, body = asked[-1]
    assert (method, path, body) == ("PUT", "/up/a/b?x=1&y=a%20b", b"body")
    assert headers["x-mine"] == "2" and headers["via"] == "HTTP/1.1 AmazonAPIGateway" and "for=127.0.0.1" in headers["forwarded"]
    assert send(cloud, api, "/dev/api/missing").status_code == 404
    assert send(cloud, api, "/other/api/a").status_code == 404
    integration = gateway.get_integrations(ApiId=api)["Items"][0]["IntegrationId"]
    gateway.update_integration(ApiId=api, IntegrationId=integration, IntegrationUri="http://127.0.0.1:1/")
    reply = send(cloud, api, "/dev/api/a")
    assert (reply.status_code, reply.text) == (503, '{"message":"Service Unavailable"}')


def test_parameters_are_mapped(cloud, boto, site):
    gateway = boto("apigatewayv2")
    address, asked = site
    api = http_api(gateway)
    integration = proxy(
        gateway, api, address,
        RequestParameters={
            "append:header.x-a": "$request.querystring.q",
            "overwrite:querystring.stage": "$context.stage",
            "remove:querystring.q": "''",
            "overwrite:path": "/mapped${request.path}",
        },
        ResponseParameters={"404": {"overwrite:statuscode": "403", "append:header.x-why": "$response.body.method"}})
    route(gateway, api, "$default", integration)
    live(gateway, api)
    assert send(cloud, api, "/p?q=1").status_code == 200
    assert asked[-1][1] == "/mapped/p?stage=%24default" and asked[-1][2]["x-a"] == "1"
    reply = send(cloud, api, "/missing")
    assert (reply.status_code, reply.headers["x-why"]) == (403, "GET")
    wrong = error_of(
        gateway.create_integration, ApiId=api, IntegrationType="HTTP_PROXY", IntegrationMethod="GET", IntegrationUri=address,
        PayloadFormatVersion="1.0", RequestParameters={"append:header.authorization": "x"})
    assert wrong[0] == "BadRequestException" and "Operations on header authorization are restricted" in wrong[1]
    gateway.update_integration(ApiId=api, IntegrationId=integration, RequestParameters={"append:header.x-a": ""})
    assert "append:header.x-a" not in gateway.get_integration(ApiId=api, IntegrationId=integration)["RequestParameters"]


def test_functions_answer_in_both_formats(cloud, boto, function):
    gateway = boto("apigatewayv2")
    text = function("text", "exports.handler = async (event) => 'Hello from Lambda!';")
    boom = function("boom", "exports.handler = async () => { throw new Error('boom'); };")
    closed = function("closed", allow=False)
    echo = function("echo")
    api = http_api(gateway)
    for path, arn, version in [("text", text, "2.0"), ("old", text, "1.0"), ("boom", boom, "2.0"), ("closed", closed, "2.0"), ("echo/{id}", echo, "1.0")]:
        made = gateway.create_integration(
            ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=arn, PayloadFormatVersion=version)
        route(gateway, api, f"GET /{path}", made["IntegrationId"])
    live(gateway, api, "dev")
    reply = send(cloud, api, "/dev/text")
    assert (reply.status_code, reply.headers["content-type"], reply.text) == (200, "application/json", "Hello from Lambda!")
    for path in ("old", "boom", "closed"):
        reply = send(cloud, api, f"/dev/{path}")
        assert (reply.status_code, reply.text) == (500, '{"message":"Internal Server Error"}'), path
    event = send(cloud, api, "/dev/echo/a%20b?x=1&x=2", headers={"x-mine": "1"}).json()
    assert (event["version"], event["resource"], event["path"], event["httpMethod"]) == ("1.0", "/echo/{id}", "/dev/echo/a b", "GET")
    assert (event["pathParameters"], event["multiValueQueryStringParameters"]) == ({"id": "a b"}, {"x": ["1", "2"]})
    assert event["headers"]["x-mine"] == "1" and event["body"] is None and event["stageVariables"] is None


def test_cors_is_answered_by_the_api(cloud, boto, site):
    gateway = boto("apigatewayv2")
    cors = {"AllowOrigins": ["https://a.example"], "AllowMethods": ["GET", "POST"], "AllowHeaders": ["x-a"], "MaxAge": 300, "ExposeHeaders": ["x-site"]}
    api = http_api(gateway, CorsConfiguration=cors)
    route(gateway, api, "GET /x", proxy(gateway, api, site[0]))
    live(gateway, api)
    asking = {"origin": "https://a.example", "access-control-request-method": "GET"}
    reply = send(cloud, api, "/x", "OPTIONS", headers=asking)
    assert (reply.status_code, reply.headers["access-control-allow-origin"]) == (204, "https://a.example")
    assert (reply.headers["access-control-allow-methods"], reply.headers["access-control-allow-headers"]) == ("GET,POST", "x-a")
    assert reply.headers["access-control-max-age"] == "300"
    assert "access-control-allow-origin" not in send(cloud, api, "/x", "OPTIONS", headers=asking | {"origin": "https://b.example"}).headers
    reply = send(cloud, api, "/x", headers={"origin": "https://a.example"})
    assert (reply.headers["access-control-allow-origin"], reply.headers["access-control-expose-headers"]) == ("https://a.example", "x-site")
    gateway.delete_cors_configuration(ApiId=api)
    assert "CorsConfiguration" not in gateway.get_api(ApiId=api)
    assert send(cloud, api, "/x", "OPTIONS", headers=asking).status_code == 404
    wrong = error_of(gateway.update_api, ApiId=api, CorsConfiguration={"AllowOrigins": ["*"], "AllowCredentials": True})
    assert wrong[0] == "BadRequestException"


def test_tokens_of_an_issuer(cloud, boto, function, issuer):
    gateway = boto("apigatewayv2")
    address = issuer.url
    api = http_api(gateway)

    def token(**claims):
        return issuer.token(**{"sub": "kim", "scope": "read write"} | claims)

    made = gateway.create_authorizer(
        ApiId=api, Name="jwt", AuthorizerType="JWT", IdentitySource=["$request.header.Authorization"],
        JwtConfiguration={"Issuer": address, "Audience": ["app"]})
    echo = gateway.create_integration(ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=function("echo"), PayloadFormatVersion="2.0")
    secured = {"AuthorizationType": "JWT", "AuthorizerId": made["AuthorizerId"]}
    route(gateway, api, "GET /me", echo["IntegrationId"], **secured)
    route(gateway, api, "GET /admin", echo["IntegrationId"], AuthorizationScopes=["admin"], **secured)
    live(gateway, api)

    def call(path, bearer=None):
        return send(cloud, api, path, headers={"authorization": bearer} if bearer else {})

    reply = call("/me")
    assert (reply.status_code, reply.text, reply.headers["www-authenticate"]) == (401, '{"message":"Unauthorized"}', "Bearer")
    event = call("/me", f"Bearer {token(groups=['a', 'b'], n=1)}").json()
    claims = event["requestContext"]["authorizer"]["jwt"]
    assert (claims["claims"]["sub"], claims["claims"]["groups"], claims["claims"]["n"], claims["scopes"]) == ("kim", "[a b]", "1", None)
    assert call("/me", token()).status_code == 200
    for wrong, why in [
        (token(exp=1), "the token has expired"),
        (token(aud="other"), "the token does not have a valid audience"),
        (token(iss="https://other.example"), "issuer"),
        (token()[:-8] + "AAAAAAAA", "signature is invalid"),
        ("nonsense", "invalid_token"),
    ]:
        reply = call("/me", f"Bearer {wrong}")
        assert reply.status_code == 401 and why in reply.headers["www-authenticate"], reply.headers
    reply = call("/admin", token())
    assert (reply.status_code, reply.text) == (403, '{"message":"Forbidden"}')
    event = call("/admin", token(scope="admin")).json()
    assert event["requestContext"]["authorizer"]["jwt"]["scopes"] == ["admin"]
    assert error_of(gateway.delete_authorizer, ApiId=api, AuthorizerId=made["AuthorizerId"])[0] == "ConflictException"


def test_functions_authorize(cloud, boto, function):
    gateway = boto("apigatewayv2")
    api = http_api(gateway)
    simple = function("simple", """
        let calls = 0;
        exports.handler = async (event) => ({ isAuthorized: event.identitySource[0] === 'yes', context: { calls: ++calls, arn: event.routeArn } });""")
    policy = function("policy", """
        exports.handler = async (event) => {
            if (event.authorizationToken === 'no') throw new Error('Unauthorized');
            return { principalId: 'kim', context: { n: 1 }, policyDocument: { Version: '2012-10-17', Statement: [
                { Effect: event.authorizationToken === 'deny' ? 'Deny' : 'Allow', Action: 'execute-api:Invoke', Resource: event.methodArn }] } };
        };""")
    echo = gateway.create_integration(ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=function("echo"), PayloadFormatVersion="2.0")["IntegrationId"]

    def authorizer(name, arn, **more):
        uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn}/invocations"
        made = gateway.create_authorizer(
            ApiId=api, Name=name, AuthorizerType="REQUEST", AuthorizerUri=uri, IdentitySource=["$request.header.Authorization"], **more)
        return {"AuthorizationType": "CUSTOM", "AuthorizerId": made["AuthorizerId"]}

    first = authorizer("simple", simple, AuthorizerPayloadFormatVersion="2.0", EnableSimpleResponses=True, AuthorizerResultTtlInSeconds=300)
    second = authorizer("policy", policy, AuthorizerPayloadFormatVersion="1.0")
    route(gateway, api, "GET /simple", echo, **first)
    route(gateway, api, "GET /policy", echo, **second)
    live(gateway, api)

    def call(path, key):
        return send(cloud, api, path, headers={"authorization": key} if key else {})

    assert [call("/simple", key).status_code for key in ("yes", "no", None)] == [200, 403, 401]
    context = call("/simple", "yes").json()["requestContext"]["authorizer"]["lambda"]
    assert context["calls"] == 1 and context["arn"].endswith(f":{api}/$default/GET/simple")
    gateway.reset_authorizers_cache(ApiId=api, StageName="$default")
    assert call("/simple", "yes").json()["requestContext"]["authorizer"]["lambda"]["calls"] > 1
    assert [call("/policy", key).status_code for key in ("yes", "deny", "no", None)] == [200, 403, 401, 401]
    assert call("/policy", "no").text == '{"message":"Unauthorized"}'


def test_signatures_authorize(cloud, boto, account, function, user):
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    gateway = boto("apigatewayv2")
    api = http_api(gateway)
    echo = gateway.create_integration(ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=function("echo"), PayloadFormatVersion="2.0")["IntegrationId"]
    route(gateway, api, "GET /x", echo, AuthorizationType="AWS_IAM")
    live(gateway, api)

    def signed(client):
        credentials = client._request_signer._credentials
        request = AWSRequest("GET", f"{cloud.endpoint}/x", headers={"host": f"{api}.execute-api.localhost:{cloud.port}"})
        SigV4Auth(Credentials(credentials.access_key, credentials.secret_key), "execute-api", "us-east-1").add_auth(request)
        return requests.get(f"{cloud.endpoint}/x", headers=dict(request.headers))

    assert send(cloud, api, "/x").text == '{"message":"Forbidden"}'
    allowed = user("may", {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": f"arn:aws:execute-api:us-east-1:{account}:{api}/$default/GET/x"})
    other = user("other", {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": f"arn:aws:execute-api:us-east-1:{account}:{api}/$default/POST/*"})
    reply = signed(allowed("sts"))
    assert reply.status_code == 200
    iam = reply.json()["requestContext"]["authorizer"]["iam"]
    assert iam["userArn"] == f"arn:aws:iam::{account}:user/may" and iam["accountId"] == account
    assert signed(other("sts")).status_code == 403


def test_stages_and_deployments(cloud, boto, site):
    gateway = boto("apigatewayv2")
    api = http_api(gateway)
    assert error_of(gateway.create_deployment, ApiId=api)[:2] == ("BadRequestException", "At least one route is required before deploying the Api.")
    target = proxy(gateway, api, site[0] + "/one")
    route(gateway, api, "GET /x", target)
    deployment = gateway.create_deployment(ApiId=api, Description="first")
    assert deployment["DeploymentStatus"] == "DEPLOYED" and deployment["AutoDeployed"] is False
    gateway.create_stage(ApiId=api, StageName="v1", DeploymentId=deployment["DeploymentId"])
    assert error_of(gateway.create_stage, ApiId=api, StageName="v1")[0] == "ConflictException"
    gateway.update_integration(ApiId=api, IntegrationId=target, IntegrationUri=site[0] + "/two")
    assert send(cloud, api, "/v1/x").json()["path"] == "/one"
    second = gateway.create_deployment(ApiId=api, StageName="v1")
    assert send(cloud, api, "/v1/x").json()["path"] == "/two"
    assert error_of(gateway.delete_deployment, ApiId=api, DeploymentId=second["DeploymentId"])[0] == "BadRequestException"
    gateway.delete_deployment(ApiId=api, DeploymentId=deployment["DeploymentId"])
    throttled = {"ThrottlingBurstLimit": 1, "ThrottlingRateLimit": 0.001}
    gateway.update_stage(ApiId=api, StageName="v1", RouteSettings={"GET /x": throttled})
    assert [send(cloud, api, "/v1/x").status_code for _ in range(2)] == [200, 429]
    assert send(cloud, api, "/v1/x").text == '{"message":"Too Many Requests"}'
    gateway.delete_route_settings(ApiId=api, StageName="v1", RouteKey="GET /x")
    assert send(cloud, api, "/v1/x").status_code == 200
    arn = f"arn:aws:apigateway:us-east-1::/apis/{api}/stages/v1"
    gateway.tag_resource(ResourceArn=arn, Tags={"a": "1", "b": "2"})
    gateway.untag_resource(ResourceArn=arn, TagKeys=["a"])
    assert gateway.get_tags(ResourceArn=arn)["Tags"] == {"b": "2"}


def test_access_logs(cloud, boto, account, site):
    gateway, logs = boto("apigatewayv2"), boto("logs")
    logs.create_log_group(logGroupName="/api/access")
    api = http_api(gateway)
    route(gateway, api, "GET /x", proxy(gateway, api, site[0]))
    live(gateway, api, AccessLogSettings={
        "DestinationArn": f"arn:aws:logs:us-east-1:{account}:log-group:/api/access",
        "Format": '$context.identity.sourceIp [$context.requestTime] "$context.httpMethod $context.routeKey" $context.status $context.requestId $context.error.message',
    })
    reply = send(cloud, api, "/x")
    (event,) = wait_for(lambda: logs.filter_log_events(logGroupName="/api/access")["events"], "the log line")
    assert event["message"].startswith("127.0.0.1 [") and event["message"].endswith(f'"GET GET /x" 200 {reply.headers["apigw-requestid"]} -')


def test_what_is_refused(boto, account):
    gateway = boto("apigatewayv2")
    api = http_api(gateway)
    route(gateway, api, "GET /x")
    assert error_of(gateway.create_route, ApiId=api, RouteKey="GET /x") == ("ConflictException", "Route with key GET /x already exists for this API", 409)
    code, message, _ = error_of(gateway.create_route, ApiId=api, RouteKey="x")
    assert code == "BadRequestException" and message.startswith("The provided route key is not formatted properly for HTTP protocol.")
    assert error_of(gateway.create_route, ApiId=api, RouteKey="GET /y", Target="integrations/nope")[0] == "BadRequestException"
    assert error_of(gateway.get_route, ApiId=api, RouteId="nope")[:2] == ("NotFoundException", "Invalid Route identifier specified nope")
    assert error_of(gateway.get_stage, ApiId=api, StageName="nope")[:2] == ("NotFoundException", "Invalid stage identifier specified")
    assert error_of(gateway.create_integration, ApiId=api, IntegrationType="MOCK")[0] == "BadRequestException"
    assert error_of(gateway.create_api, Name="x", ProtocolType="WEBSOCKET")[0] == "BadRequestException"
    unknown = {"CredentialsArn": f"arn:aws:iam::{account}:role/x", "PayloadFormatVersion": "1.0"}
    nowhere = error_of(
        gateway.create_integration, ApiId=api, IntegrationType="AWS_PROXY", IntegrationSubtype="AppConfig-GetConfiguration",
        RequestParameters={"Application": "a", "Environment": "b", "Configuration": "c", "ClientId": "d"}, **unknown)
    assert nowhere[0] in ("NotImplemented", "501")
    missing = error_of(
        gateway.create_integration, ApiId=api, IntegrationType="AWS_PROXY", IntegrationSubtype="SQS-SendMessage",
        RequestParameters={"MessageBody": "x"}, **unknown)
    assert missing[0] == "BadRequestException" and "QueueUrl" in missing[1]


def test_apis_survive_a_restart(start, site):
    cloud = start()
    gateway = cloud.client("apigatewayv2")
    api = http_api(gateway)
    route(gateway, api, "GET /x", proxy(gateway, api, site[0]))
    live(gateway, api)
    cloud.kill()
    cloud.restart()
    assert send(cloud, api, "/x").status_code == 200
