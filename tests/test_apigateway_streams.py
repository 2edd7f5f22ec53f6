"""Answers that reach the caller while their function still writes them."""

import requests

from conftest import error_of
from test_apigateway_stages import rest_api
from test_apigatewayv2 import function  # noqa: F401: a fixture

WRITING = """
exports.handler = awslambda.streamifyResponse(async (event, stream) => {
    const asked = (event.queryStringParameters || {}).how;
    if (asked === 'fail') throw new Error('boom');
    if (asked === 'headless') { stream.write('no head'); stream.end(); return; }
    const out = awslambda.HttpResponseStream.from(stream, { statusCode: 201, headers: { 'content-type': 'text/plain', 'x-own': '1' }, cookies: ['a=1'] });
    out.write('first ' + event.httpMethod + ' ');
    await new Promise((resolve) => setTimeout(resolve, 50));
    out.write('second');
    out.end();
});"""


def test_functions_stream(cloud, boto, function):
    gateway = boto("apigateway")
    api, root = rest_api(gateway)
    arn = function("writing", WRITING)
    place = {"restApiId": api, "resourceId": root, "httpMethod": "GET"}
    gateway.put_method(**place, authorizationType="NONE")
    integration = place | {"type": "AWS_PROXY", "integrationHttpMethod": "POST", "responseTransferMode": "STREAM"}
    buffered = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn}/invocations"
    assert error_of(gateway.put_integration, **integration, uri=buffered)[0] == "BadRequestException"
    uri = f"arn:aws:apigateway:us-east-1:lambda:path/2021-11-15/functions/{arn}/response-streaming-invocations"
    made = gateway.put_integration(**integration, uri=uri, timeoutInMillis=60000)
    assert (made["responseTransferMode"], made["timeoutInMillis"]) == ("STREAM", 60000)
    gateway.create_deployment(restApiId=api, stageName="v1")

    def call(how=""):
        return requests.get(f"{cloud.endpoint}/v1?how={how}", headers={"host": f"{api}.execute-api.localhost"}, stream=True)

    reply = call()
    assert (reply.status_code, reply.headers["x-own"], reply.headers["content-type"], reply.headers["set-cookie"]) == (201, "1", "text/plain", "a=1")
    assert reply.headers["transfer-encoding"] == "chunked" and "content-length" not in reply.headers
    assert b"".join(reply.iter_content(None)) == b"first GET second"
    for how in ("fail", "headless"):
        assert (call(how).status_code, call(how).json()) == (502, {"message": "Internal server error"}), how
    tested = gateway.test_invoke_method(**place)
    assert (tested["status"], tested["body"]) == (201, "first GET second")
