"""WebSocket APIs: a real client's connections, their routes, and the API that writes to them."""

import http.server
import json
import threading

import pytest
import requests
import websocket

from conftest import error_of, wait_for
from test_apigatewayv2 import function  # noqa: F401: a fixture

SAYING = """
exports.handler = async (event) => {
    const { routeKey, eventType, connectionId } = event.requestContext;
    console.log('EVENT ' + JSON.stringify(event));
    if (routeKey === '$connect') {
        if ((event.queryStringParameters || {}).refuse) return { statusCode: 403 };
        return { statusCode: 200, headers: { 'Sec-WebSocket-Protocol': 'chat' } };
    }
    if (event.body === 'fail') throw new Error('boom');
    return { statusCode: 200, body: JSON.stringify({ routeKey, eventType, connectionId, body: event.body, authorizer: event.requestContext.authorizer }) };
};"""


@pytest.fixture
def api(boto):
    return boto("apigatewayv2").create_api(Name="chat", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action")["ApiId"]


def add_route(gateway, api, key, integration, two_way=True, **more):
    if two_way:
        more["RouteResponseSelectionExpression"] = "$default"
    route = gateway.create_route(ApiId=api, RouteKey=key, Target=f"integrations/{integration}", **more)["RouteId"]
    if two_way:
        gateway.create_route_response(ApiId=api, RouteId=route, RouteResponseKey="$default")
    return route


def lambda_integration(gateway, api, arn):
    uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn}/invocations"
    return gateway.create_integration(ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=uri)["IntegrationId"]


def deploy(gateway, api, stage="dev"):
    deployment = gateway.create_deployment(ApiId=api)["DeploymentId"]
    gateway.create_stage(ApiId=api, StageName=stage, DeploymentId=deployment)


def connect(cloud, api, query="", **options):
    address = f"ws://127.0.0.1:{cloud.port}/dev{query}"
    return websocket.create_connection(address, host=f"{api}.execute-api.localhost", timeout=20, **options)


@pytest.fixture
def manage(cloud, account):
    def make(api, key=account, secret="test"):
        import boto3

        return boto3.client(
            "apigatewaymanagementapi", endpoint_url=f"{cloud.endpoint}/_aws/execute-api/{api}/dev", region_name="us-east-1",
            aws_access_key_id=key, aws_secret_access_key=secret)

    return make


def test_messages_take_their_routes(cloud, boto, api, function, manage):
    gateway = boto("apigatewayv2")
    described = gateway.get_api(ApiId=api)
    assert described["ApiEndpoint"] == f"wss://{api}.execute-api.us-east-1.amazonaws.com"
    integration = lambda_integration(gateway, api, function("saying", SAYING))
    for key in ("$connect", "$disconnect"):
        add_route(gateway, api, key, integration, two_way=False)
    add_route(gateway, api, "$default", integration)
    add_route(gateway, api, "join", integration)
    add_route(gateway, api, "quiet", integration, two_way=False)
    deploy(gateway, api)

    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        connect(cloud, api, "?refuse=1")
    assert refused.value.status_code == 403
    socket = connect(cloud, api, "?a=1", subprotocols=["chat"])
    assert socket.subprotocol == "chat"
    socket.send(json.dumps({"action": "join", "room": 1}))
    answer = json.loads(socket.recv())
    assert (answer["routeKey"], answer["eventType"], json.loads(answer["body"])["room"]) == ("join", "MESSAGE", 1)
    connection = answer["connectionId"]
    assert len(connection) == 16 and connection.endswith("=")
    socket.send("no json")
    assert json.loads(socket.recv())["routeKey"] == "$default"
    socket.send(json.dumps({"action": "quiet"}))
    socket.send("fail")
    failed = json.loads(socket.recv())
    assert failed["message"] == "Internal server error" and failed["connectionId"] == connection and failed["requestId"]
    socket.ping("x")

    client = manage(api)
    client.post_to_connection(ConnectionId=connection, Data=b'{"from": "the server"}')
    assert socket.recv() == '{"from": "the server"}'
    told = client.get_connection(ConnectionId=connection)
    assert told["Identity"]["SourceIp"] == "127.0.0.1" and told["LastActiveAt"] >= told["ConnectedAt"]
    assert error_of(client.post_to_connection, ConnectionId=connection, Data=b"x" * (128 * 1024 + 1))[::2] == ("PayloadTooLargeException", 413)
    client.delete_connection(ConnectionId=connection)
    assert socket.recv_data()[0] == websocket.ABNF.OPCODE_CLOSE
    for call in (client.get_connection, client.delete_connection):
        assert error_of(call, ConnectionId=connection)[::2] == ("GoneException", 410)
    assert error_of(client.post_to_connection, ConnectionId=connection, Data=b"x")[::2] == ("GoneException", 410)
    code, message, status = error_of(client.get_connection, ConnectionId="nonsense")
    assert (code, status) == ("BadRequestException", 400) and message == "Invalid connectionId: nonsense"

    logs = boto("logs")
    pattern = '"DISCONNECT"'
    found = lambda: logs.filter_log_events(logGroupName="/aws/lambda/saying", filterPattern=pattern)["events"]
    (event,) = wait_for(found, "the event of the end")
    assert '"disconnectStatusCode":1000' in event["message"]


def test_who_serves_a_message_may_write_to_its_connection(cloud, boto, api, manage):
    """As chat servers do: the answer to a message is sent through the management API, before the integration answers."""
    client = manage(api)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers.get("content-length") or 0))
            client.post_to_connection(ConnectionId=self.headers["x-connection"], Data=b"from within")
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    gateway = boto("apigatewayv2")
    integration = gateway.create_integration(
        ApiId=api, IntegrationType="HTTP_PROXY", IntegrationMethod="POST", IntegrationUri=f"http://127.0.0.1:{server.server_port}/",
        RequestParameters={"integration.request.header.x-connection": "context.connectionId"})["IntegrationId"]
    add_route(gateway, api, "$default", integration, two_way=False)
    deploy(gateway, api)
    socket = connect(cloud, api)
    socket.send("hi")
    assert socket.recv() == "from within"
    server.shutdown()


def test_mocks_answer_by_templates(cloud, boto, api):
    gateway = boto("apigatewayv2")
    integration = gateway.create_integration(
        ApiId=api, IntegrationType="MOCK", RequestTemplates={"$default": '{"statusCode": 200}'}, TemplateSelectionExpression="\\$default")["IntegrationId"]
    gateway.create_integration_response(
        ApiId=api, IntegrationId=integration, IntegrationResponseKey="$default",
        ResponseTemplates={"$default": '{"id": "$context.connectionId", "event": "$context.eventType"}'})
    add_route(gateway, api, "$default", integration)
    deploy(gateway, api)
    socket = connect(cloud, api)
    socket.send("{}")
    answer = json.loads(socket.recv())
    assert answer["event"] == "MESSAGE" and len(answer["id"]) == 16
    socket.send_binary(b"x")
    opcode, data = socket.recv_data()
    assert opcode == websocket.ABNF.OPCODE_CLOSE and int.from_bytes(data[:2], "big") == 1003


def test_limits_of_messages_and_time(start):
    cloud = start(state=False)
    gateway = cloud.client("apigatewayv2")
    api = gateway.create_api(Name="chat", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action")["ApiId"]
    integration = gateway.create_integration(ApiId=api, IntegrationType="MOCK", RequestTemplates={"$default": '{"statusCode": 200}'})["IntegrationId"]
    gateway.create_integration_response(ApiId=api, IntegrationId=integration, IntegrationResponseKey="$default", ResponseTemplates={"$default": "pong"})
    add_route(gateway, api, "$default", integration)
    deploy(gateway, api)

    def advance(seconds):
        requests.post(f"{cloud.endpoint}/_welkin/clock", json={"advanceMillis": seconds * 1000}).raise_for_status()

    def closed(socket):
        opcode, data = socket.recv_data()
        return opcode == websocket.ABNF.OPCODE_CLOSE and int.from_bytes(data[:2], "big")

    def asked(socket):
        socket.send("ping")
        return socket.recv()

    large = connect(cloud, api)
    large.send("x" * (32 * 1024 + 1))
    assert closed(large) == 1009
    idle = connect(cloud, api)
    assert asked(idle) == "pong"
    advance(9 * 60)
    assert asked(idle) == "pong"
    advance(10 * 60 + 1)
    assert closed(idle) == 1001
    old = connect(cloud, api)
    for _ in range(13):
        advance(9 * 60)
        assert asked(old) == "pong"
    advance(3 * 60 + 1)
    assert closed(old) == 1001


def test_connections_are_authorized(cloud, boto, api, function, manage, account, user):
    gateway = boto("apigatewayv2")
    authorizer = function("authorizer", """
        exports.handler = async (event) => ({
            principalId: 'kim', context: { room: 'a', arn: event.methodArn },
            policyDocument: { Version: '2012-10-17', Statement: [{ Action: 'execute-api:Invoke',
                Effect: event.queryStringParameters.key === 'yes' ? 'Allow' : 'Deny', Resource: event.methodArn }] } });""")
    made = gateway.create_authorizer(
        ApiId=api, Name="a", AuthorizerType="REQUEST", IdentitySource=["route.request.querystring.key"],
        AuthorizerUri=f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{authorizer}/invocations")["AuthorizerId"]
    integration = lambda_integration(gateway, api, function("saying", SAYING))
    add_route(gateway, api, "$connect", integration, two_way=False, AuthorizationType="CUSTOM", AuthorizerId=made)
    add_route(gateway, api, "$default", integration)
    deploy(gateway, api)
    for query, status in (("", 401), ("?key=no", 403)):
        with pytest.raises(websocket.WebSocketBadStatusException) as refused:
            connect(cloud, api, query)
        assert refused.value.status_code == status
    socket = connect(cloud, api, "?key=yes")
    socket.send("hi")
    answer = json.loads(socket.recv())
    assert answer["authorizer"]["principalId"] == "kim" and answer["authorizer"]["room"] == "a"
    assert answer["authorizer"]["arn"] == f"arn:aws:execute-api:us-east-1:{account}:{api}/dev/$connect"

    connection = answer["connectionId"]
    url = f"{cloud.endpoint}/_aws/execute-api/{api}/dev/@connections/{connection}"
    assert requests.post(url, data="x").status_code == 403
    keys = user("nobody")("sts")._request_signer._credentials
    refused = error_of(manage(api, keys.access_key, keys.secret_key).post_to_connection, ConnectionId=connection, Data=b"x")
    assert refused[2] == 403 and "is not authorized to perform: execute-api:ManageConnections" in refused[1]


def test_plain_requests_are_no_connections(cloud, boto, api):
    gateway = boto("apigatewayv2")
    integration = gateway.create_integration(ApiId=api, IntegrationType="MOCK")["IntegrationId"]
    add_route(gateway, api, "$default", integration)
    deploy(gateway, api)
    host = {"host": f"{api}.execute-api.localhost"}
    assert requests.get(f"{cloud.endpoint}/dev", headers=host).status_code == 426
    assert requests.get(f"{cloud.endpoint}/nope", headers=host).status_code == 403
    jwt = error_of(
        gateway.create_authorizer, ApiId=api, Name="j", AuthorizerType="JWT", IdentitySource=["$request.header.a"],
        JwtConfiguration={"Issuer": "https://x.example", "Audience": ["a"]})
    assert jwt[0] == "BadRequestException"


def test_executions_are_logged(cloud, boto, api):
    gateway, iam, logs = boto("apigatewayv2"), boto("iam"), boto("logs")
    integration = gateway.create_integration(ApiId=api, IntegrationType="MOCK", RequestTemplates={"$default": '{"statusCode": 200}'})["IntegrationId"]
    add_route(gateway, api, "$default", integration)
    deploy(gateway, api)
    logged = {"LoggingLevel": "INFO", "DataTraceEnabled": True}
    assert error_of(gateway.update_stage, ApiId=api, StageName="dev", DefaultRouteSettings=logged)[:2] == (
        "BadRequestException", "CloudWatch Logs role ARN must be set in account settings to enable logging")
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    role = iam.create_role(RoleName="logs", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    iam.attach_role_policy(RoleName="logs", PolicyArn="arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs")
    boto("apigateway").update_account(patchOperations=[{"op": "replace", "path": "/cloudwatchRoleArn", "value": role}])
    gateway.update_stage(ApiId=api, StageName="dev", DefaultRouteSettings=logged)
    socket = connect(cloud, api)
    socket.send('{"secret": 1}')

    def told():
        groups = logs.describe_log_groups(logGroupNamePrefix=f"/aws/apigateway/{api}/dev")["logGroups"]
        return groups and [event["message"] for event in logs.filter_log_events(logGroupName=groups[0]["logGroupName"])["events"]]

    lines = wait_for(lambda: told(), "the log")
    assert any("WebSocket Request Route: [$default]" in line for line in lines)
    assert any('{"secret": 1}' in line for line in lines) and any("Successfully completed execution" in line for line in lines)


def test_services_behind_routes(cloud, boto, api):
    """A message becomes an item: an action of DynamoDB as the integration's role."""
    gateway, iam, dynamodb = boto("apigatewayv2"), boto("iam"), boto("dynamodb")
    dynamodb.create_table(
        TableName="said", BillingMode="PAY_PER_REQUEST", AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}])
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    role = iam.create_role(RoleName="puts", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    iam.put_role_policy(RoleName="puts", PolicyName="own", PolicyDocument=json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "dynamodb:PutItem", "Resource": "*"}]}))
    template = '{"TableName": "said", "Item": {"id": {"S": "$context.connectionId"}, "text": {"S": $input.json("$.text")}}}'
    integration = gateway.create_integration(
        ApiId=api, IntegrationType="AWS", IntegrationMethod="POST", IntegrationUri="arn:aws:apigateway:us-east-1:dynamodb:action/PutItem",
        CredentialsArn=role, RequestTemplates={"$default": template}, TemplateSelectionExpression="\\$default")["IntegrationId"]
    gateway.create_integration_response(
        ApiId=api, IntegrationId=integration, IntegrationResponseKey="/200/", ResponseTemplates={"$default": "kept"})
    add_route(gateway, api, "$default", integration)
    deploy(gateway, api)
    socket = connect(cloud, api)
    socket.send('{"text": "hello"}')
    assert socket.recv() == "kept"
    (item,) = dynamodb.scan(TableName="said")["Items"]
    assert item["text"] == {"S": "hello"}


def test_model_templates(boto, api):
    gateway = boto("apigatewayv2")
    schema = json.dumps({"type": "object", "properties": {"room": {"type": "string"}}})
    model = gateway.create_model(ApiId=api, Name="Join", Schema=schema, ContentType="application/json")["ModelId"]
    assert '"room" : "$inputRoot.room"' in gateway.get_model_template(ApiId=api, ModelId=model)["Value"]


def test_connections_may_need_a_key(cloud, boto, api):
    gateway, rest = boto("apigatewayv2"), boto("apigateway")
    integration = gateway.create_integration(ApiId=api, IntegrationType="MOCK", RequestTemplates={"$default": '{"statusCode": 200}'})["IntegrationId"]
    add_route(gateway, api, "$connect", integration, two_way=False, ApiKeyRequired=True)
    add_route(gateway, api, "$default", integration)
    deploy(gateway, api)
    key = rest.create_api_key(name="k", enabled=True)
    assert error_of(rest.create_usage_plan, name="p", apiStages=[{"apiId": api, "stage": "nope"}])[0] == "NotFoundException"
    plan = rest.create_usage_plan(name="p", apiStages=[{"apiId": api, "stage": "dev"}], quota={"limit": 1, "period": "DAY"})["id"]

    def refusal(**headers):
        with pytest.raises(websocket.WebSocketBadStatusException) as refused:
            connect(cloud, api, header=headers)
        return refused.value.status_code

    mine = {"x-api-key": key["value"]}
    assert [refusal(), refusal(**mine), refusal(**{"x-api-key": "x" * 20})] == [403, 403, 403]
    rest.create_usage_plan_key(usagePlanId=plan, keyId=key["id"], keyType="API_KEY")
    connect(cloud, api, header=mine).close()
    assert refusal(**mine) == 429
