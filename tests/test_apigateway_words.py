"""REST APIs in AWS's own words: what the control plane refuses and how, and what callers of an API are told."""

import json

import pytest

from conftest import error_of
from test_apigateway_stages import add_method, rest_api, send
from test_apigatewayv2 import function, site  # noqa: F401: fixtures

BAD = "BadRequestException"


def patched(call, op, path, value=None, **more):
    operation = {"op": op, "path": path} | ({} if value is None else {"value": value})
    return error_of(call, patchOperations=[operation], **more)


def test_each_operation_has_its_paths(boto):
    gateway = boto("apigateway")
    api, root = rest_api(gateway)
    child = gateway.create_resource(restApiId=api, parentId=root, pathPart="pets")["id"]
    below = gateway.create_resource(restApiId=api, parentId=child, pathPart="{id}")["id"]
    place = {"restApiId": api, "resourceId": child}
    assert patched(gateway.update_resource, "add", "/pathPart", "x", **place)[:2] == (
        BAD, "Invalid patch path  '/pathPart' specified for op 'add'. Please choose supported operations")
    assert patched(gateway.update_resource, "replace", "/nope", "x", **place)[:2] == (
        BAD, "Invalid patch path  '/nope' specified for op 'replace'. Must be one of: [/parentId, /pathPart]")
    assert patched(gateway.update_resource, "replace", "/parentId", below, **place)[:2] == (BAD, "Resources cannot be cyclic.")
    method = place | {"httpMethod": "GET"}
    gateway.put_method(**method, authorizationType="NONE", requestParameters={"method.request.querystring.q": True})
    assert patched(gateway.update_method, "remove", "/requestParameters/method.request.querystring.z", **method)[:2] == (
        "NotFoundException", "Invalid parameter name specified")
    assert patched(gateway.update_method, "remove", "/requestModels/text~1plain", **method)[:2] == (
        "NotFoundException", "Content-Type specified was not found")
    assert patched(gateway.update_method, "remove", "/authorizationType", **method)[0] == BAD
    changed = gateway.update_method(**method, patchOperations=[{"op": "replace", "path": "/operationName", "value": "list"}])
    assert changed["operationName"] == "list"
    plan = gateway.create_usage_plan(name="p", quota={"limit": 5, "period": "DAY"})
    assert plan["quota"] == {"limit": 5, "offset": 0, "period": "DAY"}
    code, message, _ = patched(gateway.update_usage_plan, "remove", f"/apiStages/{api}:dev", usagePlanId=plan["id"])
    assert code == BAD and message.startswith(f"Invalid patch path  '/apiStages/{api}:dev' specified for op 'remove'. Must be one of: [/apiStages, /quota, /throttle,")
    assert patched(gateway.update_usage_plan, "remove", "/apiStages", usagePlanId=plan["id"])[:2] == (BAD, "Invalid API Stage specified")
    assert patched(gateway.update_usage_plan, "add", "/apiStages", f"{api}:dev", usagePlanId=plan["id"])[:2] == (
        "NotFoundException", f"API Stage not found: {api}:dev")


def test_constraints_name_their_members(boto):
    gateway = boto("apigateway", parameter_validation=False)
    api, root = rest_api(gateway)
    place = {"restApiId": api, "resourceId": root, "httpMethod": "GET"}
    gateway.put_method(**place, authorizationType="NONE")
    code, message, status = error_of(gateway.put_integration, **place, type="FOO")
    assert (code, status) == ("ValidationException", 400)
    assert message.startswith("1 validation error detected: Value 'FOO' at 'putIntegrationInput.type' failed to satisfy constraint: Member must satisfy enum value set: [")
    code, message, _ = error_of(gateway.put_method_response, **place, statusCode="abc")
    assert message == (
        "1 validation error detected: Value 'abc' at 'statusCode' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern: [1-5]\\d\\d")
    code, message, _ = error_of(gateway.update_rest_api, restApiId=api, patchOperations=[{"op": "Add", "path": "/name"}])
    assert "at 'updateRestApiInput.patchOperations.1.member.op' failed" in message


def test_integrations_are_checked_in_order(boto, account):
    gateway = boto("apigateway")
    api, root = rest_api(gateway)
    place = {"restApiId": api, "resourceId": root, "httpMethod": "GET"}
    gateway.put_method(**place, authorizationType="NONE")
    action = "arn:aws:apigateway:us-east-1:dynamodb:action/PutItem"
    for expected, given in [
        ("Enumeration value for HttpMethod must be non-empty", {"type": "HTTP", "uri": "http://x"}),
        ("Invalid HTTP endpoint specified for URI", {"type": "HTTP", "integrationHttpMethod": "GET", "uri": "x"}),
        ("Invalid ARN specified in the request", {"type": "AWS", "integrationHttpMethod": "POST", "uri": "x"}),
        ("AWS ARN for integration must contain path or action", {"type": "AWS", "integrationHttpMethod": "POST", "uri": "arn:aws:apigateway:us-east-1:lambda:x"}),
        ("Role ARN must be specified for AWS integrations", {"type": "AWS", "integrationHttpMethod": "POST", "uri": action}),
        ("Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose stream invocations.",
         {"type": "AWS_PROXY", "integrationHttpMethod": "POST", "uri": action}),
    ]:
        assert error_of(gateway.put_integration, **place, **given)[:2] == (BAD, expected)
    stranger = {"type": "AWS", "integrationHttpMethod": "POST", "uri": action, "credentials": "arn:aws:iam::999999999999:role/r"}
    assert error_of(gateway.put_integration, **place, **stranger) == ("AccessDeniedException", "Cross-account pass role is not allowed.", 403)
    assert error_of(gateway.get_integration, **place)[:2] == ("NotFoundException", "No integration defined for method")


def test_models_flattened_and_refused(boto):
    gateway = boto("apigateway")
    api, _ = rest_api(gateway)
    assert error_of(gateway.create_model, restApiId=api, name="A", contentType="application/json")[:2] == (
        BAD, "Model schema must have at least 1 property or array items defined")
    gateway.create_model(restApiId=api, name="A", contentType="application/json", schema='{"type":"string"}')
    address = f"https://apigateway.amazonaws.com/restapis/{api}/models/A"
    gateway.create_model(restApiId=api, name="B", contentType="application/json", schema=json.dumps({"items": {"$ref": address}}))
    flat = json.loads(gateway.get_model(restApiId=api, modelName="B", flatten=True)["schema"])
    assert flat == {"items": {"$ref": "#/definitions/A"}, "definitions": {"A": {"type": "string"}}}


def test_plans_in_use_stay(boto, site):
    gateway = boto("apigateway")
    api, root = rest_api(gateway)
    add_method(gateway, api, root, uri=site[0])
    gateway.create_deployment(restApiId=api, stageName="v1")
    plan = gateway.create_usage_plan(name="p", apiStages=[{"apiId": api, "stage": "v1"}])["id"]
    words = f"Cannot delete Usage Plan {plan} because there are API Stages associated with it, including {api}:v1"
    assert error_of(gateway.delete_usage_plan, usagePlanId=plan)[:2] == (BAD, words)


@pytest.mark.parametrize("kind, identifier", [("apikeys", "id"), ("usageplans", "id"), ("domainnames", "domainName")])
def test_tags_are_on_everything(boto, account, kind, identifier):
    gateway = boto("apigateway")
    made = {
        "apikeys": lambda: gateway.create_api_key(name="k", tags={"a": "b"}),
        "usageplans": lambda: gateway.create_usage_plan(name="p", tags={"a": "b"}),
        "domainnames": lambda: gateway.create_domain_name(domainName=f"tags.{account}.example.com", tags={"a": "b"}),
    }[kind]()
    arn = f"arn:aws:apigateway:us-east-1::/{kind}/{made[identifier]}"
    gateway.tag_resource(resourceArn=arn, tags={"c": "d"})
    assert gateway.get_tags(resourceArn=arn)["tags"] == {"a": "b", "c": "d"}
    gateway.untag_resource(resourceArn=arn, tagKeys=["a"])
    assert gateway.get_tags(resourceArn=arn)["tags"] == {"c": "d"}


def test_paths_stay_encoded(cloud, boto, function, site):
    gateway = boto("apigateway")
    api, root = rest_api(gateway)
    proxy = gateway.create_resource(restApiId=api, parentId=root, pathPart="{proxy+}")["id"]
    uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function('echo')}/invocations"
    gateway.put_method(restApiId=api, resourceId=proxy, httpMethod="GET", authorizationType="NONE")
    gateway.put_integration(restApiId=api, resourceId=proxy, httpMethod="GET", type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)
    place = {"restApiId": api, "resourceId": proxy, "httpMethod": "PUT"}
    gateway.put_method(**place, authorizationType="NONE", requestParameters={"method.request.path.proxy": True})
    gateway.put_integration(
        **place, type="HTTP_PROXY", integrationHttpMethod="GET", uri=site[0] + "/{proxy}",
        requestParameters={"integration.request.path.proxy": "method.request.path.proxy"})
    gateway.create_deployment(restApiId=api, stageName="v1")
    event = send(cloud, api, "/v1/a%20b/c%2Fd", headers={"x-amzn-trace-id": "Root=1-58406520-a006649127e371903a2de979"}).json()
    assert (event["path"], event["pathParameters"]) == ("/a%20b/c%2Fd", {"proxy": "a%20b/c%2Fd"})
    assert event["headers"]["X-Amzn-Trace-Id"] == "Root=1-58406520-a006649127e371903a2de979"
    assert not {"Content-Length", "Connection"} & set(event["headers"])
    import requests

    reply = requests.put(f"{cloud.endpoint}/v1/a%20b/c", data="x", headers={"host": f"{api}.execute-api.localhost"})
    assert reply.json()["path"] == "/a%20b/c"
    assert reply.headers["x-amzn-remapped-server"] and reply.headers["x-amzn-remapped-content-length"]
    assert site[1][-1][2]["x-amzn-apigateway-api-id"] == api


def test_a_token_is_no_signature(cloud, boto, site):
    gateway = boto("apigateway")
    api, root = rest_api(gateway)
    add_method(gateway, api, root, uri=site[0], authorizationType="AWS_IAM")
    gateway.create_deployment(restApiId=api, stageName="v1")
    for path in ("/v1", "/v1/nowhere"):
        assert send(cloud, api, path).json() == {"message": "Missing Authentication Token"}
        reply = send(cloud, api, path, headers={"authorization": "Bearer abc"})
        assert (reply.status_code, reply.headers["x-amzn-errortype"]) == (403, "IncompleteSignatureException")
        assert reply.json()["message"].startswith(
            "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 and encoded with Base64): '")


def test_documentation_versions_keep_their_parts(boto, site):
    gateway = boto("apigateway")
    api, root = rest_api(gateway)
    add_method(gateway, api, root, uri=site[0])
    part = gateway.create_documentation_part(restApiId=api, location={"type": "API"}, properties='{"description":"one"}')["id"]
    gateway.create_deployment(restApiId=api, stageName="v1")
    gateway.create_documentation_version(restApiId=api, documentationVersion="1", stageName="v1")
    gateway.update_documentation_part(
        restApiId=api, documentationPartId=part, patchOperations=[{"op": "replace", "path": "/properties", "value": '{"description":"two"}'}])
    body = gateway.get_export(restApiId=api, stageName="v1", exportType="oas30", parameters={"extensions": "documentation"})["body"].read()
    told = json.loads(body)["x-amazon-apigateway-documentation"]
    assert told["version"] == "1" and told["documentationParts"] == [{"location": {"type": "API"}, "properties": {"description": "one"}}]
    again = gateway.import_rest_api(body=body)["id"]
    assert [item["properties"] for item in gateway.get_documentation_parts(restApiId=again)["items"]] == ['{"description":"one"}']
    assert gateway.get_documentation_parts(restApiId=gateway.import_rest_api(body=body, parameters={"ignore": "documentation"})["id"])["items"] == []
    assert error_of(gateway.get_documentation_version, restApiId=api, documentationVersion="9")[:2] == (
        "NotFoundException", "Invalid Documentation version identifier specified: 9")


def test_base_paths_of_documents(boto):
    gateway = boto("apigateway")
    document = json.dumps({"swagger": "2.0", "info": {"title": "t"}, "basePath": "/one/two", "x-amazon-apigateway-api-key-source": "AUTHORIZER", "paths": {"/x": {"get": {}}}})

    def paths(**parameters):
        api = gateway.import_rest_api(body=document, parameters=parameters)
        assert api["apiKeySource"] == "AUTHORIZER"
        return {item["path"] for item in gateway.get_resources(restApiId=api["id"])["items"]}

    assert paths() == paths(basepath="ignore") == {"/", "/x"}
    assert paths(basepath="prepend") == {"/", "/one", "/one/two", "/one/two/x"}
    assert paths(basepath="split") == {"/", "/two", "/two/x"}


def test_what_goes_is_asked_for_first(boto, account, site):
    gateway = boto("apigateway")
    api, root = rest_api(gateway)
    add_method(gateway, api, root, uri=site[0])
    gateway.create_deployment(restApiId=api, stageName="v1")
    plan = gateway.create_usage_plan(name="p", apiStages=[{"apiId": api, "stage": "v1"}])["id"]
    domain = f"gone.{account}.example.com"
    gateway.create_domain_name(domainName=domain)
    gateway.create_base_path_mapping(domainName=domain, restApiId=api, stage="v1")
    assert error_of(gateway.delete_stage, restApiId=api, stageName="v1")[:2] == (
        BAD, f"Please remove all base path mappings related to the API stage in your domains: {domain}")
    assert error_of(gateway.delete_rest_api, restApiId=api)[:2] == (
        BAD, f"Please remove all base path mappings related to the API in your domains: {domain}")
    gateway.delete_domain_name(domainName=domain)
    gateway.delete_stage(restApiId=api, stageName="v1")
    assert gateway.get_usage_plan(usagePlanId=plan)["apiStages"] == []
    gateway.delete_usage_plan(usagePlanId=plan)


def test_settings_of_methods_keep_their_names(cloud, boto, site):
    gateway = boto("apigateway")
    api, root = rest_api(gateway)
    pets = gateway.create_resource(restApiId=api, parentId=root, pathPart="pets")["id"]
    add_method(gateway, api, pets, uri=site[0])
    gateway.create_deployment(restApiId=api, stageName="v1")

    def change(op, path, value=None):
        return gateway.update_stage(restApiId=api, stageName="v1", patchOperations=[{"op": op, "path": path} | ({"value": value} if value else {})])

    change("replace", "/~1pets/GET/throttling/rateLimit", "0.001")
    stage = change("replace", "/~1pets/GET/throttling/burstLimit", "1")
    assert stage["methodSettings"]["~1pets/GET"]["throttlingBurstLimit"] == 1
    assert [send(cloud, api, "/v1/pets").status_code for _ in range(2)] == [200, 429]
    assert change("remove", "/~1pets/GET")["methodSettings"] == {}
    assert send(cloud, api, "/v1/pets").status_code == 200


def test_access_logs_tell_of_integrations_and_errors(cloud, boto, site):
    gateway, iam, logs = boto("apigateway"), boto("iam"), boto("logs")
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    role = iam.create_role(RoleName="logs", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    iam.attach_role_policy(RoleName="logs", PolicyArn="arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs")
    gateway.update_account(patchOperations=[{"op": "replace", "path": "/cloudwatchRoleArn", "value": role}])
    api, root = rest_api(gateway)
    add_method(gateway, api, root, uri=site[0] + "/missing")
    add_method(gateway, api, root, method="PUT", uri=site[0], authorizationType="AWS_IAM")
    gateway.create_deployment(restApiId=api, stageName="v1")
    group = logs.create_log_group(logGroupName="access") and "arn:aws:logs:us-east-1:000000000000:log-group:access"
    told = '{"id":"$context.requestId","of":"$context.httpMethod","status":"$context.status","integration":"$context.integrationStatus","error":$context.error.messageString,"type":"$context.error.responseType"}'
    gateway.update_stage(restApiId=api, stageName="v1", patchOperations=[
        {"op": "replace", "path": "/accessLogSettings/destinationArn", "value": group},
        {"op": "replace", "path": "/accessLogSettings/format", "value": told}])
    assert send(cloud, api, "/v1").status_code == 404
    import requests

    from conftest import wait_for

    assert requests.put(f"{cloud.endpoint}/v1", headers={"host": f"{api}.execute-api.localhost"}).status_code == 403

    def lines():
        found = [event["message"] for event in logs.filter_log_events(logGroupName="access")["events"]]
        return len(found) == 2 and found

    by_method = {line.split('"of":"')[1].split('"')[0]: line for line in wait_for(lines, "the log")}
    assert '"status":"404","integration":"404","error":-' in by_method["GET"]
    assert '"integration":"-","error":"Missing Authentication Token","type":"MISSING_AUTHENTICATION_TOKEN"' in by_method["PUT"]


def test_domains_move_between_kinds_of_endpoints(boto, account):
    """The migration of AWS's guide: the new kind is added with its certificate, then the old one removed."""
    gateway = boto("apigateway")
    name = f"moving.{account}.example.com"
    first, second = (f"arn:aws:acm:us-east-1:{account}:certificate/{which}" for which in "12")
    made = gateway.create_domain_name(domainName=name, certificateArn=first)
    assert made["endpointConfiguration"]["types"] == ["EDGE"]

    def change(*operations):
        patch = [dict(zip(("op", "path", "value"), operation)) for operation in operations]
        return gateway.update_domain_name(domainName=name, patchOperations=patch)

    both = change(("add", "/endpointConfiguration/types", "REGIONAL"), ("add", "/regionalCertificateArn", second))
    assert both["endpointConfiguration"]["types"] == ["EDGE", "REGIONAL"]
    assert (both["certificateArn"], both["regionalCertificateArn"]) == (first, second)
    assert both["distributionDomainName"] == made["distributionDomainName"]
    assert len(boto("apigatewayv2").get_domain_name(DomainName=name)["DomainNameConfigurations"]) == 2
    moved = change(("remove", "/endpointConfiguration/types", "EDGE"))
    assert moved["endpointConfiguration"]["types"] == ["REGIONAL"] and "distributionDomainName" not in moved
    assert moved["regionalDomainName"] == both["regionalDomainName"]
    back = change(("replace", "/endpointConfiguration/types/REGIONAL", "EDGE"), ("replace", "/certificateArn", first))
    assert back["distributionDomainName"].endswith(".cloudfront.net") and back["certificateArn"] == first
    assert error_of(change, ("remove", "/endpointConfiguration/types", "EDGE"))[0] == BAD


def test_a_key_reaches_a_stage_through_one_plan(boto, site):
    gateway = boto("apigateway")
    api, root = rest_api(gateway)
    add_method(gateway, api, root, uri=site[0])
    gateway.create_deployment(restApiId=api, stageName="v1")
    key = gateway.create_api_key(name="k")["id"]
    stages = [{"apiId": api, "stage": "v1"}]
    first, second = (gateway.create_usage_plan(name=name, apiStages=stages)["id"] for name in "ab")
    other = gateway.create_usage_plan(name="c")["id"]
    gateway.create_usage_plan_key(usagePlanId=first, keyId=key, keyType="API_KEY")
    assert error_of(gateway.create_usage_plan_key, usagePlanId=second, keyId=key, keyType="API_KEY")[::2] == ("ConflictException", 409)
    assert gateway.get_usage_plan_keys(usagePlanId=second)["items"] == []
    gateway.create_usage_plan_key(usagePlanId=other, keyId=key, keyType="API_KEY")
    assert patched(gateway.update_usage_plan, "add", "/apiStages", f"{api}:v1", usagePlanId=other)[0] == "ConflictException"


def test_clients_ask_for_binary_answers(cloud, boto, function):
    gateway = boto("apigateway")
    api, root = rest_api(gateway, binaryMediaTypes=["image/png"])
    arn = function("image", "exports.handler = async () => ({ statusCode: 200, headers: { 'Content-Type': 'image/png' }, isBase64Encoded: true, body: 'aGk=' });")
    uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn}/invocations"
    gateway.put_method(restApiId=api, resourceId=root, httpMethod="GET", authorizationType="NONE")
    gateway.put_integration(restApiId=api, resourceId=root, httpMethod="GET", type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)
    gateway.create_deployment(restApiId=api, stageName="v1")
    assert send(cloud, api, "/v1", headers={"accept": "image/png,*/*"}).content == b"hi"
    assert send(cloud, api, "/v1", headers={"accept": "text/html,image/png"}).content == b"aGk="


def test_both_services_tag_domains(boto, account):
    gateway = boto("apigatewayv2")
    gateway.create_domain_name(DomainName=f"both.{account}.example.com", Tags={"a": "b"})
    arn = f"arn:aws:apigateway:us-east-1::/domainnames/both.{account}.example.com"
    gateway.tag_resource(ResourceArn=arn, Tags={"c": "d"})
    assert gateway.get_tags(ResourceArn=arn)["Tags"] == boto("apigateway").get_tags(resourceArn=arn)["tags"] == {"a": "b", "c": "d"}
