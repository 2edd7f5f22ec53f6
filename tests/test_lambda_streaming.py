"""Response streaming: the streaming API, function URLs that stream, and runtimes of one's own that do.

Functions that must not end before somebody has read their first bytes wait for an object that everybody may read.
"""

import json
import urllib.error
import urllib.request

import pytest

from conftest import error_of
from test_lambda import archive, function  # noqa: F401 (a fixture)

WAIT = """
const gate = async (bucket) => {
    while (!(await fetch(`${process.env.AWS_ENDPOINT_URL}/${bucket}/go`)).ok) await new Promise((done) => setTimeout(done, 10));
};
"""


@pytest.fixture
def gate(boto, account):
    """A bucket that everybody may read, and what opens the gate."""
    s3, bucket = boto("s3"), f"gate-{account}"
    s3.create_bucket(Bucket=bucket)
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}]}))
    return bucket, lambda: s3.put_object(Bucket=bucket, Key="go", Body=b"")


def stream(client, name, event=None, **more):
    return client.invoke_with_response_stream(FunctionName=name, Payload=json.dumps(event), **more)


def read(reply):
    """The payload and the last event of a stream."""
    payload, complete = b"", None
    for event in reply["EventStream"]:
        assert complete is None
        payload += event.get("PayloadChunk", {}).get("Payload", b"")
        complete = event.get("InvokeComplete")
    return payload, complete


def test_the_first_byte_comes_before_the_end(function, boto, gate):
    bucket, go = gate
    function("streams", "nodejs20.x", "index.handler", archive(index__js=WAIT + """
exports.handler = awslambda.streamifyResponse(async (event, stream, context) => {
    stream.setContentType('text/plain');
    stream.write('one ');
    await gate(event);
    stream.write('two ' + context.functionName);
    console.log('wrote');
    stream.end();
});
"""), Timeout=60)
    client = boto("lambda", read_timeout=60)
    reply = stream(client, "streams", bucket, LogType="Tail")
    assert (reply["StatusCode"], reply["ExecutedVersion"]) == (200, "$LATEST")
    assert reply["ResponseStreamContentType"] == "application/vnd.amazon.eventstream"
    events = iter(reply["EventStream"])
    assert next(events) == {"PayloadChunk": {"Payload": b"one "}}
    go()
    assert next(events) == {"PayloadChunk": {"Payload": b"two streams"}}
    assert set(next(events)["InvokeComplete"]) == {"LogResult"}
    assert next(events, None) is None
    # Through the other operation the whole comes at once.
    assert client.invoke(FunctionName="streams", Payload=json.dumps(bucket))["Payload"].read() == b"one two streams"


def test_functions_that_do_not_stream(function, boto):
    function("plain", "python3.11", "app.handler", archive(app__py="""
def handler(event, context):
    if event == "fail":
        raise ValueError("no")
    return event
"""))
    client = boto("lambda")
    assert read(stream(client, "plain", {"a": 1})) == (b'{"a": 1}', {})
    payload, complete = read(stream(client, "plain", "fail"))
    assert payload == b"" and complete["ErrorCode"] == "Unhandled"
    assert json.loads(complete["ErrorDetails"])["errorType"] == "ValueError"
    assert stream(client, "plain", InvocationType="DryRun")["StatusCode"] == 204
    assert error_of(stream, client, "nothing")[::2] == ("ResourceNotFoundException", 404)
    code, message, status = error_of(client.invoke_with_response_stream, FunctionName="plain", Payload=b"{")
    assert (code, status) == ("InvalidRequestContentException", 400)
    large = '"' + "x" * 6_300_000 + '"'
    assert error_of(client.invoke_with_response_stream, FunctionName="plain", Payload=large)[::2] == ("RequestTooLargeException", 413)
    client.put_function_concurrency(FunctionName="plain", ReservedConcurrentExecutions=0)
    assert error_of(stream, client, "plain")[::2] == ("TooManyRequestsException", 429)


def test_errors_in_the_midst(function, boto):
    function("breaks", "nodejs20.x", "index.handler", archive(index__js="""
exports.handler = awslambda.streamifyResponse(async (event, stream) => {
    if (event !== 'at once') await new Promise((done) => stream.write('part', done));
    if (event === 'exit') process.exit(3);
    if (event === 'late') setTimeout(() => { throw new RangeError('later'); });
    if (event === 'hang' || event === 'late') return new Promise(() => {});
    throw new TypeError('broken');
});
"""), Timeout=2)
    client = boto("lambda")
    for event, kind in [("x", "TypeError"), ("late", "RangeError"), ("exit", "Runtime."), ("hang", "Sandbox.Timedout")]:
        payload, complete = read(stream(client, "breaks", event))
        assert payload == b"part" and complete["ErrorCode"] == "Unhandled", event
        assert json.loads(complete["ErrorDetails"])["errorType"].startswith(kind), complete
    payload, complete = read(stream(client, "breaks", "at once"))
    assert payload == b"" and json.loads(complete["ErrorDetails"])["errorMessage"] == "broken"


def test_a_large_stream(function, boto):
    function("large", "nodejs20.x", "index.handler", archive(index__js="""
exports.handler = awslambda.streamifyResponse(async (event, stream) => {
    const block = Buffer.alloc(1 << 20, 'x');
    for (let i = 0; i < event; i++) await new Promise((done) => stream.write(block, done));
    stream.end();
});
"""), Timeout=60, MemorySize=512)
    client = boto("lambda", read_timeout=60)
    assert len(read(stream(client, "large", 20))[0]) == 20 << 20
    # What is not streamed has the lower limit.
    reply = client.invoke(FunctionName="large", Payload=b"7")
    assert json.loads(reply["Payload"].read())["errorType"] == "Function.ResponseSizeTooLarge"


@pytest.fixture
def url(boto, cloud):
    """Gives a function a URL that everybody may call, and opens it."""
    client = boto("lambda")

    def make(name, mode="RESPONSE_STREAM"):
        made = client.create_function_url_config(FunctionName=name, AuthType="NONE", InvokeMode=mode)
        assert made["InvokeMode"] == mode
        client.add_permission(FunctionName=name, StatementId="all", Principal="*", Action="lambda:InvokeFunctionUrl", FunctionUrlAuthType="NONE")
        host = made["FunctionUrl"].removeprefix("http://").rstrip("/")

        def open(path="/"):
            request = urllib.request.Request(cloud.endpoint + path, headers={"Host": host})
            try:
                return urllib.request.urlopen(request, timeout=60)
            except urllib.error.HTTPError as error:
                return error

        return open

    return make


def test_urls_that_stream(function, boto, gate, url):
    bucket, go = gate
    function("site", "nodejs20.x", "index.handler", archive(index__mjs=WAIT + """
export const handler = awslambda.streamifyResponse(async (event, stream) => {
    if (event.rawPath === '/early') throw new Error('early');
    if (event.rawPath === '/plain') return void stream.end('bare');
    const head = { statusCode: 201, headers: { 'X-Own': 'yes', 'Content-Type': 'text/html' }, cookies: ['a=1', 'b=2'] };
    stream = awslambda.HttpResponseStream.from(stream, head);
    stream.write('<p>');
    await gate('""" + bucket + """');
    if (event.rawPath === '/late') throw new Error('late');
    stream.end('</p>');
});
"""), Timeout=60)
    open = url("site")
    response = open()
    assert (response.status, response.headers["X-Own"], response.headers["Content-Type"]) == (201, "yes", "text/html")
    assert response.headers.get_all("Set-Cookie") == ["a=1", "b=2"]
    assert response.read(3) == b"<p>"
    go()
    assert response.read() == b"</p>"
    plain = open("/plain")
    assert (plain.status, plain.headers["Content-Type"], plain.read()) == (200, "application/octet-stream", b"bare")
    assert open("/early").status == 502
    with pytest.raises(Exception):
        open("/late").read()
    client = boto("lambda")
    assert client.get_function_url_config(FunctionName="site")["InvokeMode"] == "RESPONSE_STREAM"
    client.update_function_url_config(FunctionName="site", InvokeMode="BUFFERED")
    whole = open()
    assert (whole.status, whole.headers["Content-Type"], whole.read()) == (201, "text/html", b"<p></p>")


def test_a_url_that_streams_what_a_function_returns(function, url):
    function("returns", "python3.11", "app.handler", archive(app__py="def handler(e, c): return {'statusCode': 404, 'body': 'x'}\n"))
    response = url("returns")()
    assert (response.status, json.loads(response.read())) == (200, {"statusCode": 404, "body": "x"})


def test_a_custom_runtime_that_streams(function, boto):
    bootstrap = """#!/usr/bin/python3 -u
import base64, os, socket
host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
def call(head, body=b""):
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head + b"\\r\\nHost: x\\r\\nConnection: close\\r\\n" + body)
        return connection.makefile("rb").read()
while True:
    answer = call(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1", b"\\r\\n")
    id = [line.split(b":")[1].strip() for line in answer.split(b"\\r\\n") if line.lower().startswith(b"lambda-runtime-aws-request-id")][0]
    end = b"0\\r\\n\\r\\n"
    if b"fail" in answer:
        details = base64.b64encode(b'{"errorType": "Mine", "errorMessage": "no"}')
        end = b"0\\r\\nLambda-Runtime-Function-Error-Type: Mine\\r\\nLambda-Runtime-Function-Error-Body: " + details + b"\\r\\n\\r\\n"
    head = b"POST /2018-06-01/runtime/invocation/" + id + b"/response HTTP/1.1"
    call(head, b"Lambda-Runtime-Function-Response-Mode: streaming\\r\\nTransfer-Encoding: chunked\\r\\n"
         b"Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\\r\\n\\r\\n3\\r\\nabc\\r\\n" + end)
"""
    function("own", "provided.al2023", "x", archive(bootstrap=bootstrap))
    client = boto("lambda")
    assert read(stream(client, "own")) == (b"abc", {})
    payload, complete = read(stream(client, "own", "fail"))
    assert payload == b"abc" and complete["ErrorCode"] == "Unhandled"
    assert json.loads(complete["ErrorDetails"]) == {"errorType": "Mine", "errorMessage": "no"}
