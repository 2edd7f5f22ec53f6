"""Extensions: programs of layers and parts of functions that register, follow invocations, are sent telemetry, and are told
of the end."""

import base64
import json

import pytest

from conftest import wait_for
from test_lambda import archive
from test_lambda_async import Functions

CLIENT = """
import http.client, json, os, threading
from http.server import BaseHTTPRequestHandler, HTTPServer
API = os.environ["AWS_LAMBDA_RUNTIME_API"]

def call(method, path, body=None, **headers):
    connection = http.client.HTTPConnection(API)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, None if body is None else json.dumps(body), named)
    answer = connection.getresponse()
    text = answer.read().decode()
    return answer.status, json.loads(text) if text else None, answer.headers

def register(name, *events, **more):
    status, body, headers = call("POST", "/2020-01-01/extension/register", {"events": events}, Lambda_Extension_Name=name, **more)
    return status, body, headers.get("Lambda-Extension-Identifier")

def next_event(id):
    return call("GET", "/2020-01-01/extension/event/next", Lambda_Extension_Identifier=id)[1]

def listen(port, take):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        def do_POST(self):
            take(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()
        def log_message(self, *_): pass
    server = HTTPServer(("sandbox.localdomain", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()

def subscribe(id, port, path="/2022-07-01/telemetry", **more):
    body = {"schemaVersion": "2022-12-13", "types": ["platform", "function", "extension"], "buffering": {"timeoutMs": 25, "maxItems": 1000, "maxBytes": 262144},
            "destination": {"protocol": "HTTP", "URI": f"http://sandbox.localdomain:{port}"}, **more}
    return call("PUT", path, body, Lambda_Extension_Identifier=id)[:2]
"""

WATCHER = "#!/usr/bin/env python3\n" + CLIENT + """
import sys
sys.path.append("/var/runtime/python")
done, seen = threading.Event(), []
def take(batch):
    seen.extend(batch)
    if any(event["type"] == "platform.runtimeDone" for event in batch):
        done.set()
listen(4243, take)
status, about, id = register(os.path.basename(__file__), "INVOKE", "SHUTDOWN", Lambda_Extension_Accept_Feature="accountId")
print("ABOUT", json.dumps(about), flush=True)
print("SUBSCRIBED", *subscribe(id, 4243), flush=True)
while True:
    event = next_event(id)
    if event["eventType"] == "SHUTDOWN":
        import boto3
        boto3.client("s3").put_object(Bucket="ends", Key=event["shutdownReason"], Body=json.dumps([event, seen]).encode())
        break
    done.wait(5)
    done.clear()
    shown = list(seen)
    seen.clear()
    print("SEEN", json.dumps([event, shown]), flush=True)
"""


class Extended(Functions):
    def layer(self, name, **files):
        zipped = archive(**{f"extensions/{file}": text for file, text in files.items()})
        return self.client.publish_layer_version(LayerName=name, Content={"ZipFile": zipped})["LayerVersionArn"]

    def invoke(self, name, event=None):
        reply = self.client.invoke(FunctionName=name, LogType="Tail", Payload=json.dumps(event))
        return json.loads(reply["Payload"].read()), base64.b64decode(reply["LogResult"]).decode(), reply


@pytest.fixture
def extended(start):
    cloud = start()
    made = Extended(cloud)
    made.cloud = cloud
    return made


def after(text, word):
    [line] = [line for line in text.split("\n") if line.startswith(word + " ")]
    return line[len(word) + 1:]


def test_an_external_extension(extended):
    extended.make("f", "import sys\ndef handler(e, c):\n    print('from the function')\n    return 1\n",
                  Timeout=20, Layers=[extended.layer("watch", watcher=WATCHER)])
    extended.allow("s3:PutObject", "arn:aws:s3:::ends/*")
    answer, log, reply = extended.invoke("f")
    assert answer == 1
    lines = log.split("\n")
    assert "EXTENSION\tName: watcher\tState: Ready\tEvents: [INVOKE, SHUTDOWN]" in lines, log
    assert "TELEMETRY\tName: watcher\tState: Subscribed\tTypes: [Platform, Function, Extension]" in lines
    assert json.loads(after(log, "ABOUT")) == {
        "functionName": "f", "functionVersion": "$LATEST", "handler": "app.handler", "accountId": "000000000000"}
    assert after(log, "SUBSCRIBED") == "200 OK"
    event, seen = json.loads(after(log, "SEEN"))
    id = reply["ResponseMetadata"]["RequestId"]
    assert (event["eventType"], event["requestId"]) == ("INVOKE", id) and event["invokedFunctionArn"].endswith(":function:f")
    assert event["tracing"]["type"] == "X-Amzn-Trace-Id" and event["tracing"]["value"].startswith("Root=1-")
    types = [one["type"] for one in seen]
    assert types[0] == "platform.initStart" and "platform.telemetrySubscription" in types and "platform.extension" in types
    assert types.index("platform.initRuntimeDone") < types.index("platform.initReport") < types.index("platform.start") < types.index("platform.runtimeDone")
    assert {"type": "function", "record": "from the function"}.items() <= [one for one in seen if one["type"] == "function"][0].items()
    assert any(one["type"] == "extension" and one["record"].startswith("ABOUT") for one in seen)
    # What came after is sent with the next invocation.
    answer, log, _ = extended.invoke("f")
    event, seen = json.loads(after(log, "SEEN"))
    [report] = [one for one in seen if one["type"] == "platform.report"]
    assert report["record"]["requestId"] == id and report["record"]["metrics"]["memorySizeMB"] == 128
    s3 = extended.cloud.client("s3")
    s3.create_bucket(Bucket="ends")
    extended.client.update_function_configuration(FunctionName="f", Description="other")
    wait_for(lambda: s3.list_objects_v2(Bucket="ends").get("Contents"), "the end")
    event, _ = json.loads(s3.get_object(Bucket="ends", Key="spindown")["Body"].read())
    assert event["shutdownReason"] == "spindown" and event["deadlineMs"] > 0


def test_an_internal_extension(extended):
    extended.make("f", CLIENT + """
said = {}
said["shutdown"] = register("early", "SHUTDOWN")[:2]
said["kind"] = register("early", "OTHER")[0]
status, about, id = register("inner", "INVOKE")
said["again"] = register("inner", "INVOKE")[:2]
said["nameless"] = call("POST", "/2020-01-01/extension/register", {"events": []})[:2]
seen = []
listen(4300, seen.extend)
said["bad"] = [subscribe(id, 4300, types=[])[0], subscribe(id, 4300, destination={"protocol": "HTTP", "URI": "http://example.com"})[0], subscribe("x", 4300)[0]]
said["logs"] = subscribe(id, 4300, "/2020-08-15/logs")
events = []
def work():
    while True:
        events.append(next_event(id))
threading.Thread(target=work, daemon=True).start()
def handler(event, context):
    said["late"] = register("later", "INVOKE")[:2]
    said["closed"] = subscribe(id, 4300)[:2]
    return {"about": about, "said": said, "events": [event["eventType"] for event in events], "seen": [one["type"] for one in seen]}
""", Timeout=20)
    answer, log, _ = extended.invoke("f")
    said = answer["said"]
    assert answer["about"] == {"functionName": "f", "functionVersion": "$LATEST", "handler": "app.handler"}
    assert said["shutdown"][0] == 400 and said["shutdown"][1]["errorType"] == "Extension.InvalidEventType" and said["kind"] == 400
    assert said["again"][0] == 403 and said["again"][1]["errorType"] == "Extension.InvalidExtensionName"
    assert said["nameless"][0] == 403 and said["bad"] == [400, 400, 403] and said["logs"] == [200, "OK"]
    assert said["late"][0] == 403 and said["late"][1]["errorType"] == "Extension.RegistrationClosed"
    assert said["closed"][1]["errorType"] == "Telemetry.SubscriptionClosed"
    assert "LOGS\tName: inner\tState: Subscribed\tTypes: [Platform, Function, Extension]" in log
    wait_for(lambda: extended.invoke("f")[0]["events"].count("INVOKE") >= 2, "the events of the extension")
    wait_for(lambda: "platform.report" in extended.invoke("f")[0]["seen"], "the telemetry")


def test_extensions_that_fail(extended):
    crash = extended.layer("crash", crasher="#!/bin/sh\nexit 3\n")
    extended.make("crashes", "def handler(e, c): return 1\n", Timeout=20, Layers=[crash])
    answer, log, reply = extended.invoke("crashes")
    assert reply["FunctionError"] == "Unhandled" and answer["errorType"] == "Extension.Crash" and "exit status 3" in answer["errorMessage"], log
    gives_up = "#!/usr/bin/env python3\n" + CLIENT + """
_, _, id = register(os.path.basename(__file__), "INVOKE")
call("POST", "/2020-01-01/extension/init/error", {}, Lambda_Extension_Identifier=id, Lambda_Extension_Function_Error_Type="Extension.NoConfig")
next_event(id)
"""
    extended.make("gives-up", "def handler(e, c): return 1\n", Timeout=20, Layers=[extended.layer("gives-up", quitter=gives_up)])
    answer, _, _ = extended.invoke("gives-up")
    assert answer["errorType"] == "Extension.InitError" and "Extension.NoConfig" in answer["errorMessage"]


def test_an_extension_may_be_slower_than_its_function(extended):
    slow = "#!/usr/bin/env python3\n" + CLIENT + """
import time
_, _, id = register(os.path.basename(__file__), "INVOKE")
while True:
    next_event(id)
    time.sleep(0.3)
    print("WORKED", flush=True)
"""
    extended.make("f", "def handler(e, c): return 1\n", Timeout=20, Layers=[extended.layer("slow", slow=slow)])
    for _ in range(2):
        answer, log, _ = extended.invoke("f")
        assert answer == 1 and log.index("WORKED") < log.index("END RequestId"), log
