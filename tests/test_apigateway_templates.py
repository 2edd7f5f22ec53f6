"""Mapping templates: the examples of AWS's reference, through a deployed API."""

import json

import pytest
import requests

from test_apigatewayv2 import site  # noqa: F401: a fixture

PASS_ALL = """
#set($allParams = $input.params())
{
"body-json" : $input.json('$'),
"params" : {
#foreach($type in $allParams.keySet())
    #set($params = $allParams.get($type))
"$type" : {
    #foreach($paramName in $params.keySet())
    "$paramName" : "$util.escapeJavaScript($params.get($paramName))"
        #if($foreach.hasNext),#end
    #end
}
    #if($foreach.hasNext),#end
#end
},
"stage-variables" : {
#foreach($key in $stageVariables.keySet())
"$key" : "$util.escapeJavaScript($stageVariables.get($key))"
    #if($foreach.hasNext),#end
#end
},
"context" : {
    "account-id" : "$context.identity.accountId",
    "api-id" : "$context.apiId",
    "http-method" : "$context.httpMethod",
    "stage" : "$context.stage",
    "source-ip" : "$context.identity.sourceIp",
    "user-agent" : "$context.identity.userAgent",
    "request-id" : "$context.requestId",
    "resource-id" : "$context.resourceId",
    "resource-path" : "$context.resourcePath"
    }
}
"""

PHOTOS = """
#set($inputRoot = $input.path('$'))
{
  "photos": [
#foreach($elem in $inputRoot.photos.photo)
    {
      "id": "$elem.id",
      "owner": "$elem.owner",
      "title": "$elem.title",
      "ispublic": $elem.ispublic
    }#if($foreach.hasNext),#end

#end
  ]
}
"""

PHOTO_INPUT = {"photos": {"page": 1, "photo": [
    {"id": "12345678901", "owner": "23456789@A12", "title": "Sample photo 1", "ispublic": 1},
    {"id": "23456789012", "owner": "34567890@B23", "title": "Sample photo 2", "ispublic": 0}]}}


@pytest.fixture
def echo(cloud, boto, site):
    """Makes an API whose POST /{id} goes through a template; calls it and returns what the endpoint got, and the answer."""
    gateway = boto("apigateway")
    address, asked = site

    def make(template, response=None, uri="/up", **integration):
        made = gateway.create_rest_api(name="templates")
        api = made["id"]
        resource = gateway.create_resource(restApiId=api, parentId=made["rootResourceId"], pathPart="{id}")["id"]
        place = {"restApiId": api, "resourceId": resource, "httpMethod": "POST"}
        gateway.put_method(**place, authorizationType="NONE")
        gateway.put_integration(
            **place, type="HTTP", integrationHttpMethod="POST", uri=address + uri, requestTemplates={"application/json": template}, **integration)
        gateway.put_method_response(**place, statusCode="200")
        gateway.put_integration_response(
            **place, statusCode="200", **({"responseTemplates": {"application/json": response}} if response else {}))
        gateway.create_deployment(restApiId=api, stageName="v1", variables={"color": "red"})

        def call(body, path="/7?q=1", **headers):
            headers = {"host": f"{api}.execute-api.localhost", "content-type": "application/json"} | headers
            reply = requests.post(f"{cloud.endpoint}/v1{path}", data=body if isinstance(body, str) else json.dumps(body), headers=headers)
            return (asked[-1] if asked else None), reply

        return call

    return make


def test_everything_is_passed_through(echo):
    (_, _, _, body), reply = echo(PASS_ALL)({"a": [1, "x"]}, "/7?q=its", **{"x-mine": 'say "hi"'})
    assert reply.status_code == 200
    got = json.loads(body)
    assert got["body-json"] == {"a": [1, "x"]}
    assert got["params"]["path"] == {"id": "7"}
    assert got["stage-variables"] == {"color": "red"}
    assert (got["context"]["http-method"], got["context"]["stage"], got["context"]["resource-path"]) == ("POST", "v1", "/{id}")
    assert got["context"]["source-ip"] == "127.0.0.1" and got["context"]["account-id"] == ""
    headers = {name.lower(): value for name, value in got["params"]["header"].items()}
    assert headers["x-mine"] == 'say "hi"'


def test_lists_are_walked(echo):
    (_, _, _, body), _ = echo(PHOTOS)(PHOTO_INPUT)
    assert json.loads(body) == {"photos": [
        {"id": "12345678901", "owner": "23456789@A12", "title": "Sample photo 1", "ispublic": 1},
        {"id": "23456789012", "owner": "34567890@B23", "title": "Sample photo 2", "ispublic": 0}]}


@pytest.mark.parametrize("template, expected", [
    ("$input.json('$.a')", '{"b":[1,2]}'),
    ("$input.path('$.a.b').size()", "2"),
    ("$input.path('$.a.b[1]')", "2"),
    ("$input.params('q') $input.params('id') $input.params('none')|", "1 7 |"),
    ("$input.params().querystring.q", "1"),
    ("$util.base64Encode('hi') $util.base64Decode('aGk=')", "aGk= hi"),
    ("$util.urlEncode('a b&c') $util.urlDecode('a%20b')", "a+b%26c a b"),
    ("$util.escapeJavaScript('a\"b/')", 'a\\"b\\/'),
    ("#set($o = $util.parseJson('{\"x\": {\"y\": [5]}}'))$o.x.y[0]", "5"),
    ("$stageVariables.color ${stageVariables.color} $stageVariables['color']", "red red red"),
    ("#if($input.path('$.a.b').size() > 1)many#{else}few#end", "many"),
    ("#set($s = 'abc')$s.substring(1).toUpperCase() $s.length()", "BC 3"),
    ("$input.body", '{"a": {"b": [1, 2]}}'),
    ("#foreach($i in [1..3])$i$foreach.index#end", "102132"),
    ("$context.nothing.at.all|", "|"),
])
def test_the_functions_of_the_reference(echo, template, expected):
    (_, _, _, body), reply = echo(template)({"a": {"b": [1, 2]}})
    assert body.decode() == expected, reply.text


def test_requests_and_responses_are_overridden(echo):
    template = """
#set($context.requestOverride.header.x-new = "h$input.params('id')")
#set($context.requestOverride.querystring.extra = "e")
{"x": 1}"""
    response = """
#set($inputRoot = $input.path('$'))
#set($context.responseOverride.status = 404)
#set($context.responseOverride.header.x-said = "$inputRoot.method")
{"was": "$inputRoot.path"}"""
    (method, path, headers, body), reply = echo(template, response)({})
    assert (path, headers["x-new"], json.loads(body)) == ("/up?extra=e", "h7", {"x": 1})
    assert (reply.status_code, reply.headers["x-said"], reply.json()) == (404, "POST", {"was": "/up?extra=e"})


def test_what_has_no_template_is_refused_where_the_integration_says_so(echo):
    never = echo("{}", passthroughBehavior="NEVER")
    (_, reply) = never("<a/>", **{"content-type": "application/xml"})
    assert (reply.status_code, reply.text) == (415, '{"message":"Unsupported Media Type"}')
    passes = echo("{}", passthroughBehavior="WHEN_NO_MATCH")
    (_, _, _, body), _ = passes("<a/>", **{"content-type": "application/xml"})
    assert body == b"<a/>"
