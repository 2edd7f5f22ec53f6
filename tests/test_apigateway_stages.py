"""REST APIs: what is between an address and a method. Custom domains, caches, canaries, user pools."""

import json

import requests

from conftest import error_of
from test_apigatewayv2 import function, live, http_api, proxy, route, site  # noqa: F401: fixtures among them
from test_web_identity import issuer  # noqa: F401: a fixture


def rest_api(gateway, name="api", **more):
    made = gateway.create_rest_api(name=name, **more)
    return made["id"], made["rootResourceId"]


def add_method(gateway, api, resource, method="GET", uri=None, integration=None, **more):
    more.setdefault("authorizationType", "NONE")
    gateway.put_method(restApiId=api, resourceId=resource, httpMethod=method, **more)
    gateway.put_integration(
        restApiId=api, resourceId=resource, httpMethod=method, type="HTTP_PROXY", integrationHttpMethod="GET", uri=uri, **(integration or {}))


def send(cloud, api, path, **options):
    headers = {"host": f"{api}.execute-api.localhost:{cloud.port}"} | options.pop("headers", {})
    return requests.get(f"{cloud.endpoint}{path}", headers=headers, **options)


def test_custom_domains_of_rest_apis(cloud, boto, account, site):
    gateway = boto("apigateway")
    name = f"api.{account}.example.com"
    domain = gateway.create_domain_name(
        domainName=name, regionalCertificateArn=f"arn:aws:acm:us-east-1:{account}:certificate/x", endpointConfiguration={"types": ["REGIONAL"]}, tags={"a": "b"})
    assert domain["domainNameStatus"] == "AVAILABLE" and domain["regionalDomainName"].endswith(".execute-api.us-east-1.amazonaws.com")
    assert error_of(gateway.create_domain_name, domainName=name)[0] == "BadRequestException"
    api, root = rest_api(gateway)
    add_method(gateway, api, root, uri=site[0] + "/up")
    gateway.create_deployment(restApiId=api, stageName="v1")
    made = gateway.create_base_path_mapping(domainName=name, restApiId=api, stage="v1")
    assert (made["basePath"], made["restApiId"], made["stage"]) == ("(none)", api, "v1")
    gateway.create_base_path_mapping(domainName=name, basePath="shop", restApiId=api)
    assert error_of(gateway.create_base_path_mapping, domainName=name, basePath="shop", restApiId=api) == (
        "ConflictException", "Base path already exists for this domain name", 409)
    assert error_of(gateway.create_base_path_mapping, domainName=name, basePath="x", restApiId="nope")[:2] == (
        "BadRequestException", "Invalid REST API identifier specified")

    def get(path):
        return requests.get(f"{cloud.endpoint}{path}", headers={"host": name})

    assert get("/").status_code == 200
    assert get("/shop/v1").status_code == 200
    assert get("/shop/v2").status_code == 403
    paths = [mapping["basePath"] for mapping in gateway.get_base_path_mappings(domainName=name)["items"]]
    assert paths == ["(none)", "shop"]
    gateway.update_base_path_mapping(domainName=name, basePath="shop", patchOperations=[{"op": "replace", "path": "/basePath", "value": "store"}])
    assert get("/store/v1").status_code == 200
    gateway.delete_base_path_mapping(domainName=name, basePath="(none)")
    assert error_of(gateway.get_base_path_mapping, domainName=name, basePath="(none)")[:2] == (
        "NotFoundException", "Invalid base path mapping identifier specified")
    gateway.update_rest_api(restApiId=api, patchOperations=[{"op": "replace", "path": "/disableExecuteApiEndpoint", "value": "true"}])
    assert send(cloud, api, "/v1").status_code == 403
    assert get("/store/v1").status_code == 200
    gateway.delete_domain_name(domainName=name)
    assert error_of(gateway.get_domain_name, domainName=name)[:2] == ("NotFoundException", "Invalid domain name identifier specified")


def test_custom_domains_of_http_apis(cloud, boto, account, site):
    gateway = boto("apigatewayv2")
    name = f"http.{account}.example.com"
    domain = gateway.create_domain_name(
        DomainName=name, DomainNameConfigurations=[{"CertificateArn": f"arn:aws:acm:us-east-1:{account}:certificate/x", "EndpointType": "REGIONAL"}])
    assert domain["DomainNameConfigurations"][0]["DomainNameStatus"] == "AVAILABLE"
    api = http_api(gateway)
    route(gateway, api, "GET /x", proxy(gateway, api, site[0]))
    live(gateway, api)
    live(gateway, api, "dev")
    mapping = gateway.create_api_mapping(DomainName=name, ApiId=api, Stage="$default", ApiMappingKey="orders/v2")
    gateway.create_api_mapping(DomainName=name, ApiId=api, Stage="dev")
    assert error_of(gateway.create_api_mapping, DomainName=name, ApiId=api, Stage="nope", ApiMappingKey="z")[0] == "BadRequestException"

    def get(path):
        return requests.get(f"{cloud.endpoint}{path}", headers={"host": name}).status_code

    assert [get("/x"), get("/orders/v2/x"), get("/orders/x")] == [200, 200, 404]
    gateway.delete_api_mapping(DomainName=name, ApiMappingId=mapping["ApiMappingId"])
    assert get("/orders/v2/x") == 404
    assert [item["Stage"] for item in gateway.get_api_mappings(DomainName=name)["Items"]] == ["dev"]
    assert boto("apigateway").get_domain_name(domainName=name)["domainName"] == name
    gateway.delete_domain_name(DomainName=name)
    assert error_of(gateway.get_domain_name, DomainName=name)[0] == "NotFoundException"


def test_a_stages_cache(cloud, boto, account, site, user):
    gateway = boto("apigateway")
    api, root = rest_api(gateway)
    address, asked = site
    gateway.put_method(
        restApiId=api, resourceId=root, httpMethod="GET", authorizationType="NONE", requestParameters={"method.request.querystring.q": False})
    gateway.put_integration(
        restApiId=api, resourceId=root, httpMethod="GET", type="HTTP_PROXY", integrationHttpMethod="GET", uri=address,
        requestParameters={"integration.request.querystring.q": "method.request.querystring.q"},
        cacheKeyParameters=["method.request.querystring.q"])
    gateway.create_deployment(restApiId=api, stageName="v1", cacheClusterEnabled=True, cacheClusterSize="0.5")
    stage = gateway.update_stage(restApiId=api, stageName="v1", patchOperations=[
        {"op": "replace", "path": "/*/*/caching/enabled", "value": "true"},
        {"op": "replace", "path": "/*/*/caching/ttlInSeconds", "value": "60"}])
    assert (stage["cacheClusterStatus"], stage["methodSettings"]["*/*"]["cacheTtlInSeconds"]) == ("AVAILABLE", 60)

    def calls(query, **headers):
        before = len(asked)
        reply = send(cloud, api, f"/v1?q={query}", headers=headers)
        assert reply.status_code == 200
        return len(asked) - before, reply.headers.get("warning")

    assert [calls("1")[0], calls("1")[0], calls("2")[0]] == [1, 0, 1]
    count, warning = calls("1", **{"cache-control": "max-age=0"})
    assert count == 0 and warning == "199 Cache-control headers were ignored because the caller was unauthorized."
    gateway.flush_stage_cache(restApiId=api, stageName="v1")
    assert calls("1")[0] == 1
    gateway.update_stage(restApiId=api, stageName="v1", patchOperations=[
        {"op": "replace", "path": "/*/*/caching/requireAuthorizationForCacheControl", "value": "false"}])
    assert calls("1", **{"cache-control": "max-age=0"}) == (1, None)
    gateway.update_stage(restApiId=api, stageName="v1", patchOperations=[{"op": "replace", "path": "/cacheClusterEnabled", "value": "false"}])
    assert calls("1")[0] == 1


def test_canaries(cloud, boto, site):
    gateway = boto("apigateway")
    api, root = rest_api(gateway)
    add_method(gateway, api, root, uri=site[0] + "/old")
    gateway.create_deployment(restApiId=api, stageName="v1")
    gateway.update_integration(restApiId=api, resourceId=root, httpMethod="GET", patchOperations=[{"op": "replace", "path": "/uri", "value": site[0] + "/new"}])
    canary = gateway.create_deployment(restApiId=api, stageName="v1", canarySettings={"percentTraffic": 50.0, "stageVariableOverrides": {"a": "b"}})
    settings = gateway.get_stage(restApiId=api, stageName="v1")["canarySettings"]
    assert (settings["percentTraffic"], settings["deploymentId"]) == (50.0, canary["id"])
    seen = {send(cloud, api, "/v1").json()["path"] for _ in range(60)}
    assert seen == {"/old", "/new"}
    gateway.update_stage(restApiId=api, stageName="v1", patchOperations=[
        {"op": "copy", "from": "/canarySettings/deploymentId", "path": "/deploymentId"},
        {"op": "copy", "from": "/canarySettings/stageVariableOverrides", "path": "/variables"},
        {"op": "remove", "path": "/canarySettings"}])
    stage = gateway.get_stage(restApiId=api, stageName="v1")
    assert stage["deploymentId"] == canary["id"] and stage["variables"] == {"a": "b"} and "canarySettings" not in stage
    assert {send(cloud, api, "/v1").json()["path"] for _ in range(10)} == {"/new"}


def test_user_pools(cloud, boto, account, function, issuer):
    """The pool's keys are at the cloud's own address: here a bucket stands in for the pool."""
    gateway, s3 = boto("apigateway"), boto("s3", s3={"addressing_style": "path"})
    pool = f"pool-{account}"
    keys = requests.get(f"{issuer.url}/keys").text
    s3.create_bucket(Bucket=pool)
    s3.put_public_access_block(Bucket=pool, PublicAccessBlockConfiguration={
        "BlockPublicAcls": False, "IgnorePublicAcls": False, "BlockPublicPolicy": False, "RestrictPublicBuckets": False})
    s3.put_bucket_policy(Bucket=pool, Policy=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{pool}/*"}]}))
    address = f"{cloud.endpoint}/{pool}"
    s3.put_object(Bucket=pool, Key=".well-known/openid-configuration", Body=json.dumps({"jwks_uri": f"{address}/keys"}))
    s3.put_object(Bucket=pool, Key="keys", Body=keys)

    api, root = rest_api(gateway)
    authorizer = gateway.create_authorizer(
        restApiId=api, name="pool", type="COGNITO_USER_POOLS", identitySource="method.request.header.Authorization",
        providerARNs=[f"arn:aws:cognito-idp:us-east-1:{account}:userpool/{pool}"])
    assert authorizer["authType"] == "cognito_user_pools"
    uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function('echo')}/invocations"
    for method, scopes in (("GET", {}), ("POST", {"authorizationScopes": ["orders/write"]})):
        gateway.put_method(restApiId=api, resourceId=root, httpMethod=method, authorizationType="COGNITO_USER_POOLS", authorizerId=authorizer["id"], **scopes)
        gateway.put_integration(restApiId=api, resourceId=root, httpMethod=method, type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)
    gateway.create_deployment(restApiId=api, stageName="v1")

    def call(token=None, method="GET"):
        headers = {"host": f"{api}.execute-api.localhost"} | ({"authorization": token} if token else {})
        return requests.request(method, f"{cloud.endpoint}/v1", headers=headers)

    reply = call()
    assert (reply.status_code, reply.text, reply.headers["x-amzn-errortype"]) == (401, '{"message":"Unauthorized"}', "UnauthorizedException")
    for name in (address, f"https://cognito-idp.us-east-1.amazonaws.com/{pool}"):
        event = call(issuer.token(iss=name, sub="kim", **{"cognito:groups": ["a", "b"]})).json()
        assert event["requestContext"]["authorizer"]["claims"]["sub"] == "kim"
    assert call(issuer.token(iss=issuer.url)).status_code == 401
    reply = call(issuer.token(iss=address, exp=1))
    assert (reply.status_code, reply.text) == (401, '{"message":"The incoming token has expired"}')
    assert call(issuer.token(iss=address), "POST").status_code == 401
    assert call(issuer.token(iss=address, scope="orders/write"), "POST").status_code == 200


def test_policies_decide_and_say_so(cloud, boto, account, site):
    gateway = boto("apigateway")

    def api(statement):
        policy = json.dumps({"Version": "2012-10-17", "Statement": [{"Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*"} | statement]})
        made, root = rest_api(gateway, policy=policy)
        add_method(gateway, made, root, uri=site[0])
        gateway.create_deployment(restApiId=made, stageName="v1")
        return made

    here = api({"Effect": "Allow", "Condition": {"IpAddress": {"aws:SourceIp": "127.0.0.1/32"}}})
    assert send(cloud, here, "/v1").status_code == 200
    elsewhere = api({"Effect": "Allow", "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}})
    reply = send(cloud, elsewhere, "/v1")
    arn = f"arn:aws:execute-api:us-east-1:********{account[-4:]}:{elsewhere}/v1/GET/"
    words = f"User: anonymous is not authorized to perform: execute-api:Invoke on resource: {arn}"
    assert (reply.status_code, reply.json()) == (403, {"Message": words})
    denied = api({"Effect": "Deny"})
    assert send(cloud, denied, "/v1").json()["Message"].endswith("with an explicit deny")


def test_keys_from_a_file_and_quotas_by_hand(cloud, boto, site):
    gateway = boto("apigateway")
    api, root = rest_api(gateway)
    add_method(gateway, api, root, uri=site[0], apiKeyRequired=True)
    gateway.create_deployment(restApiId=api, stageName="v1")
    plan = gateway.create_usage_plan(
        name="p", apiStages=[{"apiId": api, "stage": "v1"}], quota={"limit": 3, "period": "DAY"})["id"]
    value = "imported-0123456789-0123456789"
    file = f'Name,key,description,Enabled,usageplanIds\nfirst,{value},"a, b",TRUE,{plan}\n'
    keys = gateway.import_api_keys(body=file.encode(), format="csv")
    assert len(keys["ids"]) == 1 and keys["warnings"] == []
    assert gateway.import_api_keys(body=file.encode(), format="csv")["warnings"] == ["API Key first already exists"]

    def call():
        return send(cloud, api, "/v1", headers={"x-api-key": value})

    assert [call().status_code for _ in range(4)] == [200, 200, 200, 429]
    assert call().text == '{"message":"Limit Exceeded"}'
    usage = gateway.update_usage(usagePlanId=plan, keyId=keys["ids"][0], patchOperations=[{"op": "replace", "path": "/remaining", "value": "1"}])
    assert usage["items"][keys["ids"][0]] == [[2, 1]]
    assert [call().status_code for _ in range(2)] == [200, 429]
    gateway.update_usage_plan(usagePlanId=plan, patchOperations=[
        {"op": "replace", "path": "/quota/limit", "value": "1000"},
        {"op": "replace", "path": f"/apiStages/{api}:v1/throttle/~1/GET/burstLimit", "value": "1"},
        {"op": "replace", "path": f"/apiStages/{api}:v1/throttle/~1/GET/rateLimit", "value": "0.001"}])
    assert [call().status_code for _ in range(2)] == [200, 429]
    assert call().text == '{"message":"Too Many Requests"}'


def test_authorizers_are_tested_and_forgotten(cloud, boto, function):
    gateway = boto("apigateway")
    api, root = rest_api(gateway)
    arn = function("authorizer", """
        exports.handler = async (event) => {
            if (event.authorizationToken !== 'yes') throw new Error('Unauthorized');
            return { principalId: 'kim', policyDocument: { Version: '2012-10-17', Statement: [
                { Effect: 'Allow', Action: 'execute-api:Invoke', Resource: event.methodArn }] } };
        };""")
    uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn}/invocations"
    authorizer = gateway.create_authorizer(
        restApiId=api, name="a", type="TOKEN", authorizerUri=uri, identitySource="method.request.header.Authorization")["id"]

    def tested(**headers):
        return gateway.test_invoke_authorizer(restApiId=api, authorizerId=authorizer, headers=headers)

    said = tested(Authorization="yes")
    assert (said["clientStatus"], said["principalId"]) == (200, "kim") and json.loads(said["policy"])["Version"] == "2012-10-17"
    assert tested(Authorization="no")["clientStatus"] == 401
    assert tested()["clientStatus"] == 401
    gateway.put_method(restApiId=api, resourceId=root, httpMethod="GET", authorizationType="CUSTOM", authorizerId=authorizer)
    gateway.put_integration(restApiId=api, resourceId=root, httpMethod="GET", type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
    gateway.put_method_response(restApiId=api, resourceId=root, httpMethod="GET", statusCode="200")
    gateway.put_integration_response(restApiId=api, resourceId=root, httpMethod="GET", statusCode="200")
    gateway.create_deployment(restApiId=api, stageName="v1")
    assert send(cloud, api, "/v1", headers={"authorization": "yes"}).status_code == 200
    boto("lambda").delete_function(FunctionName="authorizer")
    assert send(cloud, api, "/v1", headers={"authorization": "yes"}).status_code == 200
    gateway.flush_stage_authorizers_cache(restApiId=api, stageName="v1")
    reply = send(cloud, api, "/v1", headers={"authorization": "yes"})
    assert (reply.status_code, reply.text, reply.headers["x-amzn-errortype"]) == (500, '{"message":null}', "AuthorizerConfigurationException")


def test_bodies_are_compressed(cloud, boto, site):
    gateway = boto("apigateway")
    api, root = rest_api(gateway, minimumCompressionSize=0)
    add_method(gateway, api, root, uri=site[0])
    gateway.create_deployment(restApiId=api, stageName="v1")
    reply = send(cloud, api, "/v1", headers={"accept-encoding": "gzip"})
    assert reply.headers["content-encoding"] == "gzip" and reply.json()["path"] == "/"
    assert "content-encoding" not in send(cloud, api, "/v1", headers={"accept-encoding": "identity"}).headers


def test_paths_of_other_services(cloud, boto, account):
    iam, s3, gateway = boto("iam"), boto("s3", s3={"addressing_style": "path"}), boto("apigateway")
    bucket = f"files-{account}"
    s3.create_bucket(Bucket=bucket)
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    role = iam.create_role(RoleName="files", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    api, root = rest_api(gateway)
    files = gateway.create_resource(restApiId=api, parentId=root, pathPart="{key}")["id"]

    def method(resource, http_method, uri, declared, **mapped):
        place = {"restApiId": api, "resourceId": resource, "httpMethod": http_method}
        gateway.put_method(**place, authorizationType="NONE", requestParameters=declared)
        gateway.put_integration(**place, type="AWS", integrationHttpMethod=http_method, uri=uri, credentials=role, **mapped)
        for status, pattern in (("200", {}), ("403", {"selectionPattern": "403"}), ("404", {"selectionPattern": "404"})):
            gateway.put_method_response(**place, statusCode=status)
            gateway.put_integration_response(**place, statusCode=status, **pattern)

    mapped = {"integration.request.path.key": "method.request.path.key", "integration.request.header.x-amz-meta-by": "'the  gateway'"}
    key = {"requestParameters": mapped}
    for http_method in ("PUT", "GET"):
        method(files, http_method, f"arn:aws:apigateway:us-east-1:s3:path/{bucket}/{{key}}", {"method.request.path.key": True}, **key)
    method(root, "POST", "arn:aws:apigateway:us-east-1:sts:path/", {}, requestParameters={
        "integration.request.header.Content-Type": "'application/x-www-form-urlencoded'",
    }, requestTemplates={"application/json": "Action=GetCallerIdentity&Version=2011-06-15"})
    gateway.create_deployment(restApiId=api, stageName="v1")

    def call(http_method, path, **options):
        return requests.request(http_method, f"{cloud.endpoint}/v1{path}", headers={"host": f"{api}.execute-api.localhost"}, **options)

    assert call("PUT", "/a%20b.txt", data="hello").status_code == 403
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    iam.put_role_policy(RoleName="files", PolicyName="own", PolicyDocument=json.dumps(policy))
    assert call("PUT", "/a%20b.txt", data="hello").status_code == 200
    stored = s3.get_object(Bucket=bucket, Key="a b.txt")
    assert stored["Body"].read() == b"hello" and list(stored["Metadata"]) == ["by"]
    assert call("GET", "/a%20b.txt").text == "hello"
    assert call("GET", "/missing").status_code == 404
    identity = call("POST", "/")
    assert identity.status_code == 200 and "assumed-role/files/BackplaneAssumeRoleSession" in identity.text
    nowhere = error_of(
        gateway.put_integration, restApiId=api, resourceId=root, httpMethod="POST", type="AWS", integrationHttpMethod="POST",
        uri="arn:aws:apigateway:us-east-1:nosuchservice:path/x", credentials=role)
    assert nowhere[0] in ("NotImplemented", "501")


def test_tokens_of_any_issuer(cloud, boto, function, issuer):
    gateway = boto("apigateway")
    api, root = rest_api(gateway)
    configuration = {"issuers": [{"issuer": issuer.url, "audiences": ["app"], "additionalClaims": [
        {"claimName": "team", "format": "SINGLE_STRING", "required": True, "expectedValues": ["a", "b"]}]}], "defaultAlgorithms": ["RS256"]}
    source = "method.request.header.Authorization"
    create = {"restApiId": api, "name": "jwt", "type": "JWT", "identitySource": source}
    assert error_of(gateway.create_authorizer, **create)[0] == "BadRequestException"
    nowhere = configuration | {"issuers": [{"issuer": "http://127.0.0.1:1", "audiences": ["app"]}]}
    assert error_of(gateway.create_authorizer, **create, jwtConfiguration=nowhere)[0] == "BadRequestException"
    made = gateway.create_authorizer(**create, jwtConfiguration=configuration)
    assert made["jwtConfiguration"]["issuers"][0]["jwksUri"] == f"{issuer.url}/keys" and "authorizerResultTtlInSeconds" not in made
    uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function('echo')}/invocations"
    for method, scopes in (("GET", {}), ("POST", {"authorizationScopes": ["write"]})):
        gateway.put_method(restApiId=api, resourceId=root, httpMethod=method, authorizationType="JWT", authorizerId=made["id"], **scopes)
        gateway.put_integration(restApiId=api, resourceId=root, httpMethod=method, type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)
    gateway.create_deployment(restApiId=api, stageName="v1")

    def call(method="GET", **claims):
        headers = {"host": f"{api}.execute-api.localhost"}
        if claims:
            headers["authorization"] = "Bearer " + issuer.token(**({"iss": issuer.url, "aud": "app", "team": "a"} | claims))
        return requests.request(method, f"{cloud.endpoint}/v1", headers=headers)

    assert call().status_code == 401
    event = call(sub="kim").json()
    assert event["requestContext"]["authorizer"]["claims"]["sub"] == "kim"
    assert [call(aud="other").status_code, call(team="c").status_code, call(exp=1).status_code, call(iss="http://x.example").status_code] == [401] * 4
    assert [call("POST", sub="kim").status_code, call("POST", scope="read write").status_code] == [401, 200]
    tested = gateway.test_invoke_authorizer(
        restApiId=api, authorizerId=made["id"], headers={"Authorization": issuer.token(iss=issuer.url, aud="app", team="b", sub="kim")})
    assert (tested["clientStatus"], tested["claims"]["sub"]) == (200, "kim")
