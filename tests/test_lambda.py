"""Functions through boto3: what they see, what they may do, and how they fail."""

import base64
import io
import json
import zipfile

import pytest

from conftest import error_of, wait_for

TRUST = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]})
BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"


def archive(**files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        for name, text in files.items():
            info = zipfile.ZipInfo(name.replace("__", "."))
            info.external_attr = 0o755 << 16
            zipped.writestr(info, text)
    return buffer.getvalue()


@pytest.fixture
def function(boto, account):
    """Creates a function of one file and returns a caller of it: (payload, error, log, reply)."""
    iam, client = boto("iam"), boto("lambda", read_timeout=60)
    iam.create_role(RoleName="f", AssumeRolePolicyDocument=TRUST)
    iam.attach_role_policy(RoleName="f", PolicyArn=BASIC)

    def make(name, runtime, handler, code, **options):
        client.create_function(
            FunctionName=name, Runtime=runtime, Handler=handler, Role=f"arn:aws:iam::{account}:role/f",
            Code={"ZipFile": code}, **options)
        client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 600})

        def invoke(event=None, **more):
            reply = client.invoke(FunctionName=name, LogType="Tail", Payload=json.dumps(event), **more)
            payload = reply["Payload"].read()
            log = base64.b64decode(reply.get("LogResult", "")).decode()
            return json.loads(payload) if payload else None, reply.get("FunctionError"), log, reply

        return invoke

    return make


def test_python(function, account):
    invoke = function("py", "python3.11", "app.handler", archive(app__py="""
import os, logging
def handler(event, context):
    print("printed")
    logging.getLogger().warning("logged")
    return {"event": event, "name": context.function_name, "arn": context.invoked_function_arn,
            "left": context.get_remaining_time_in_millis() > 0, "region": os.environ["AWS_REGION"], "key": os.environ["AWS_ACCESS_KEY_ID"][:4],
            "x": os.environ["STAGE"]}
"""), Environment={"Variables": {"STAGE": "y"}}, Timeout=5)
    payload, error, log, _ = invoke({"a": 1})
    assert error is None
    assert payload == {"event": {"a": 1}, "name": "py", "arn": f"arn:aws:lambda:us-east-1:{account}:function:py",
                       "left": True, "region": "us-east-1", "key": "ASIA", "x": "y"}
    assert "printed\n" in log and "[WARNING]" in log


def test_node_commonjs_and_errors(function):
    invoke = function("js", "nodejs20.x", "index.handler", archive(index__js="""
exports.handler = async (event) => {
    console.log('hello', { a: 1 });
    if (event.fail) throw new TypeError('no');
    return { ok: true };
};
"""))
    payload, error, log, _ = invoke({})
    assert (payload, error) == ({"ok": True}, None) and "\tINFO\thello { a: 1 }" in log
    payload, error, log, reply = invoke({"fail": True})
    assert error == "Unhandled" and reply["StatusCode"] == 200
    assert payload["errorType"] == "TypeError" and payload["errorMessage"] == "no"
    assert payload["trace"][0] == "TypeError: no"


def test_a_timeout(function):
    invoke = function("slow", "python3.11", "app.handler", archive(app__py="def handler(e, c):\n    while True: pass\n"), Timeout=1)
    payload, error, log, _ = invoke()
    assert error == "Unhandled"
    assert "Task timed out after 1.00 seconds" in payload["errorMessage"]
    assert "Status: timeout" in log or "Task timed out" in log


def test_broken_functions(function):
    missing = function("missing", "nodejs20.x", "index.nothing", archive(index__js="exports.handler = 1;"))
    payload, error, _, _ = missing()
    assert (error, payload["errorType"]) == ("Unhandled", "Runtime.HandlerNotFound")
    syntax = function("syntax", "python3.11", "app.handler", archive(app__py="def handler(:\n"))
    assert syntax()[0]["errorType"] == "Runtime.UserCodeSyntaxError"
    dies = function("dies", "python3.11", "app.handler", archive(app__py="import os\ndef handler(e, c):\n    os._exit(3)\n"))
    payload, error, _, _ = dies()
    assert payload["errorType"] == "Runtime.ExitError" and "exit status 3" in payload["errorMessage"]


def test_a_custom_runtime(function):
    bootstrap = """#!/bin/sh
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime"
while true; do
    headers=$(mktemp)
    event=$(curl -sS -D "$headers" "$api/invocation/next")
    id=$(grep -i '^lambda-runtime-aws-request-id:' "$headers" | tr -d '[:space:]' | cut -d: -f2)
    curl -sS -o /dev/null "$api/invocation/$id/response" -d "{\\"echo\\": $event}"
done
"""
    invoke = function("own", "provided.al2023", "x", archive(bootstrap=bootstrap))
    assert invoke({"a": 1})[0] == {"echo": {"a": 1}}


def test_the_sandbox_sees_neither_the_host_nor_the_state(function):
    invoke = function("nosy", "python3.11", "app.handler", archive(app__py="""
import os, glob, socket
def handler(event, context):
    seen = {path: os.path.exists(path) for path in event["paths"]}
    try:
        open("/var/task/x", "w")
        task = "writable"
    except OSError:
        task = "read-only"
    open("/tmp/x", "w").write("x")
    return {"seen": seen, "task": task, "processes": sum(name.isdigit() for name in os.listdir("/proc")), "secrets": [k for k in os.environ if "WELKIN" in k]}
"""))
    payload, error, log, _ = invoke({"paths": ["/root", "/home", "/work", "/etc/shadow"]})
    if error is None and payload["seen"].get("/etc/shadow"):
        pytest.skip("this machine runs functions as plain processes")
    assert payload["task"] == "read-only" and payload["secrets"] == [] and payload["processes"] <= 3
    assert not payload["seen"]["/work"] and not payload["seen"]["/etc/shadow"]


def test_invocation_types_and_limits(function, boto):
    invoke = function("echo", "python3.11", "app.handler", archive(app__py="def handler(e, c):\n    print('ran', e)\n    return e\n"))
    client = boto("lambda")
    assert client.invoke(FunctionName="echo", InvocationType="DryRun")["StatusCode"] == 204
    assert client.invoke(FunctionName="echo", InvocationType="Event", Payload=b'"later"')["StatusCode"] == 202
    logs = boto("logs")

    def ran():
        if not logs.describe_log_groups()["logGroups"]:
            return False
        events = logs.filter_log_events(logGroupName="/aws/lambda/echo")["events"]
        return any("ran later" in event["message"] for event in events)

    wait_for(ran, "the asynchronous invocation")
    code, message, status = error_of(client.invoke, FunctionName="echo", Payload=b'"' + b"x" * 6_300_000 + b'"')
    assert (code, status) == ("RequestTooLargeException", 413)
    assert error_of(client.invoke, FunctionName="echo", Payload=b"{")[0] == "InvalidRequestContentException"
    code, message, status = error_of(client.invoke, FunctionName="nothing")
    assert (code, status) == ("ResourceNotFoundException", 404) and message.startswith("Function not found: arn:aws:lambda:")


def test_what_create_function_refuses(boto, account):
    boto("iam").create_role(RoleName="r", AssumeRolePolicyDocument=TRUST.replace("lambda.amazonaws.com", "ec2.amazonaws.com"))
    client = boto("lambda")
    create = lambda code, role="r", name="f": error_of(
        client.create_function, FunctionName=name, Runtime="python3.11", Handler="a.b", Code={"ZipFile": code},
        Role=f"arn:aws:iam::{account}:role/{role}")
    code = archive(a__py="")
    assert create(code) == ("InvalidParameterValueException", "The role defined for the function cannot be assumed by Lambda.", 400)
    assert create(code, role="none")[0] == "InvalidParameterValueException"
    boto("iam").update_assume_role_policy(RoleName="r", PolicyDocument=TRUST)
    assert create(b"not a zip")[1] == "Could not unzip uploaded file. Please check your file, then try to upload again."
    evil = io.BytesIO()
    with zipfile.ZipFile(evil, "w") as zipped:
        zipped.writestr("../../escape.py", "x")
    assert create(evil.getvalue())[0] == "InvalidParameterValueException"
    assert client.list_functions()["Functions"] == []


def test_the_tracing_header_goes_along(function, boto):
    function("traced", "python3.11", "app.handler", archive(app__py="import os\ndef handler(e, c): return os.environ.get('_X_AMZN_TRACE_ID')\n"))
    client = boto("lambda")
    payload = lambda: json.loads(client.invoke(FunctionName="traced")["Payload"].read())
    assert payload().startswith("Root=1-") and "Sampled=0" in payload()
    header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    client.meta.events.register("before-sign.lambda.Invoke", lambda request, **_: request.headers.add_header("X-Amzn-Trace-Id", header))
    assert payload().startswith(header + ";Lineage=1:")
