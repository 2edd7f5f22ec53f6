"""Asynchronous invocations: retries, destinations, bursts, and a crash with a thousand events waiting."""

import base64
import concurrent.futures
import json
import os
import pathlib
import urllib.request

from conftest import error_of, wait_for
from test_lambda import BASIC, TRUST, archive


def advance(cloud, milliseconds):
    body = json.dumps({"advanceMillis": milliseconds}).encode()
    urllib.request.urlopen(urllib.request.Request(f"{cloud.endpoint}/_welkin/clock", data=body, method="POST")).read()


def messages(logs, name):
    groups = logs.describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{name}")["logGroups"]
    if not groups:
        return []
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{name}")
    return [event["message"] for page in pages for event in page["events"]]


class Functions:
    """Functions of an account of a cloud of its own."""

    def __init__(self, cloud):
        self.client = cloud.client("lambda", read_timeout=120, max_pool_connections=600)
        self.logs, self.iam = cloud.client("logs"), cloud.client("iam")
        self.iam.create_role(RoleName="f", AssumeRolePolicyDocument=TRUST)
        self.iam.attach_role_policy(RoleName="f", PolicyArn=BASIC)

    def allow(self, action, resource):
        statement = {"Effect": "Allow", "Action": action, "Resource": resource}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.iam.put_role_policy(RoleName="f", PolicyName=action.replace(":", "-"), PolicyDocument=document)

    def make(self, name, code, **options):
        reply = self.client.create_function(
            FunctionName=name, Runtime="python3.11", Handler="app.handler", Role="arn:aws:iam::000000000000:role/f",
            Code={"ZipFile": archive(app__py=code)}, **options)
        self.client.get_waiter("function_active_v2").wait(
            FunctionName=name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 600})
        return reply["FunctionArn"]


def test_destinations_and_retries(start):
    cloud = start()
    functions = Functions(cloud)
    sink = functions.make("sink", "import json\ndef handler(e, c):\n    print('RECORD ' + json.dumps(e))\n")
    functions.make("moody", "def handler(e, c):\n    if e.get('fail'): raise ValueError('no')\n    return {'fine': e}\n")
    client = functions.client
    put = lambda **more: client.put_function_event_invoke_config(FunctionName="moody", **more)
    assert error_of(put) == (
        "InvalidParameterValueException", "You must specify at least one of error handling or destination setting.", 400)
    both = {"OnSuccess": {"Destination": sink}, "OnFailure": {"Destination": sink}}
    code, message, _ = error_of(put, DestinationConfig=both)
    assert code == "InvalidParameterValueException" and "does not have permissions to call InvokeFunction" in message
    functions.allow("lambda:InvokeFunction", sink)
    config = put(MaximumRetryAttempts=1, MaximumEventAgeInSeconds=3600, DestinationConfig=both)
    assert config["FunctionArn"].endswith(":function:moody:$LATEST") and config["MaximumRetryAttempts"] == 1
    assert client.get_function_event_invoke_config(FunctionName="moody")["DestinationConfig"] == both
    assert len(client.list_function_event_invoke_configs(FunctionName="moody")["FunctionEventInvokeConfigs"]) == 1

    def records():
        return [json.loads(text[7:]) for text in messages(functions.logs, "sink") if text.startswith("RECORD ")]

    accepted = client.invoke(FunctionName="moody", InvocationType="Event", Payload=b'{"a": 1}')
    [record] = wait_for(records, "the destination of a success")
    assert record["requestContext"] == {
        "requestId": accepted["ResponseMetadata"]["RequestId"], "functionArn": config["FunctionArn"],
        "condition": "Success", "approximateInvokeCount": 1}
    assert record["requestPayload"] == {"a": 1} and record["responsePayload"] == {"fine": {"a": 1}}
    assert record["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST"}

    client.invoke(FunctionName="moody", InvocationType="Event", Payload=b'{"fail": true}')
    tries = lambda: sum("[ERROR] ValueError" in text for text in messages(functions.logs, "moody"))
    wait_for(lambda: tries() == 1, "the first try")
    assert len(records()) == 1
    advance(cloud, 61_000)
    wait_for(lambda: tries() == 2, "the retry")
    failed = wait_for(lambda: records()[1:], "the destination of a failure")[0]
    assert failed["requestContext"]["condition"] == "RetriesExhausted"
    assert failed["requestContext"]["approximateInvokeCount"] == 2
    assert failed["responseContext"]["functionError"] == "Unhandled"
    assert failed["responsePayload"]["errorType"] == "ValueError"

    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="failures")
    functions.allow("s3:PutObject", "arn:aws:s3:::failures/*")
    put(MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": "arn:aws:s3:::failures"}})
    client.invoke(FunctionName="moody", InvocationType="Event", Payload=b'{"fail": 2}')
    [listed] = wait_for(lambda: s3.list_objects_v2(Bucket="failures").get("Contents"), "the failure in the bucket")
    assert listed["Key"].startswith("aws/lambda/async/moody/20")
    stored = json.loads(s3.get_object(Bucket="failures", Key=listed["Key"])["Body"].read())
    assert stored["requestPayload"] == {"fail": 2} and stored["requestContext"]["condition"] == "RetriesExhausted"
    client.delete_function_event_invoke_config(FunctionName="moody")
    assert error_of(client.get_function_event_invoke_config, FunctionName="moody")[:2] == (
        "ResourceNotFoundException", f"The function {config['FunctionArn']} doesn't have an EventInvokeConfig")


def test_an_alias_divides_its_invocations(start):
    functions = Functions(start(state=False))
    client = functions.client
    functions.make("two", "def handler(e, c):\n    return c.function_version\n")
    one = client.publish_version(FunctionName="two", Description="1")["Version"]
    client.update_function_configuration(FunctionName="two", Description="changed")
    two = client.publish_version(FunctionName="two", Description="2")["Version"]
    assert (one, two) == ("1", "2")
    weights = lambda **all: {"AdditionalVersionWeights": all}
    make = lambda routing: client.create_alias(FunctionName="two", Name="live", FunctionVersion="1", RoutingConfig=routing)
    assert error_of(make, {"AdditionalVersionWeights": {"1": 0.5}})[0] == "InvalidParameterValueException"
    assert error_of(make, {"AdditionalVersionWeights": {"9": 0.5}})[0] == "ResourceNotFoundException"
    alias = make({"AdditionalVersionWeights": {"2": 0.5}})
    assert alias["RoutingConfig"] == {"AdditionalVersionWeights": {"2": 0.5}}
    replies = [client.invoke(FunctionName="two", Qualifier="live") for _ in range(60)]
    versions = {reply["ExecutedVersion"] for reply in replies}
    assert versions == {"1", "2"}
    assert all(json.loads(reply["Payload"].read()) == reply["ExecutedVersion"] for reply in replies)
    client.update_alias(FunctionName="two", Name="live", FunctionVersion="2", RoutingConfig=weights())
    assert {client.invoke(FunctionName="two", Qualifier="live")["ExecutedVersion"] for _ in range(20)} == {"2"}


def descendants(pid):
    """Every process below this one."""
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            for child in task.read_text().split():
                found += [int(child), *descendants(child)]
        except OSError:
            pass
    return found


def resident(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) // 1024
    raise AssertionError("no VmRSS")


def test_a_burst_of_500(start):
    cloud = start()
    functions = Functions(cloud)
    functions.make("nap", "import time\ndef handler(e, c):\n    time.sleep(0.05)\n    return e\n", Timeout=60)
    client, pid = functions.client, cloud.process.pid
    client.invoke(FunctionName="nap", Payload=b"0")
    before = resident(pid)
    with concurrent.futures.ThreadPoolExecutor(100) as pool:
        call = lambda number: json.loads(client.invoke(FunctionName="nap", Payload=str(number).encode())["Payload"].read())
        assert list(pool.map(call, range(500))) == list(range(500))
    client.put_function_concurrency(FunctionName="nap", ReservedConcurrentExecutions=3)
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        def outcome(number):
            try:
                return json.loads(client.invoke(FunctionName="nap", Payload=str(number).encode())["Payload"].read())
            except client.exceptions.TooManyRequestsException as error:
                assert error.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
                return None
        outcomes = list(pool.map(outcome, range(50)))
    assert None in outcomes and all(value in (None, number) for number, value in enumerate(outcomes))
    client.delete_function(FunctionName="nap")
    # One runtime of the kind stays ready for the next function.
    wait_for(lambda: len(descendants(pid)) <= 3, "the end of the environments")
    wait_for(lambda: resident(pid) < before + 40, f"the return of the memory to {before} MiB")


NOTES = """
import json, os, time, urllib.request
def handler(event, context):
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    item = {"TableName": "notes", "Item": {"id": {"N": str(event)}}}
    headers = {"X-Amz-Target": "DynamoDB_20120810.PutItem", "Content-Type": "application/x-amz-json-1.0",
               "X-Amz-Date": now, "Authorization": f"AWS4-HMAC-SHA256 Credential=test/{now[:8]}/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0"}
    request = urllib.request.Request(os.environ["AWS_ENDPOINT_URL"], json.dumps(item).encode(), headers)
    urllib.request.urlopen(request).read()
"""


def test_a_thousand_events_survive_a_kill(start):
    cloud = start()
    functions = Functions(cloud)
    cloud.client("dynamodb").create_table(
        TableName="notes", BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "N"}])
    functions.make("note", NOTES, Timeout=30)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        invoke = lambda number: functions.client.invoke(
            FunctionName="note", InvocationType="Event", Payload=str(number).encode())["StatusCode"]
        assert set(pool.map(invoke, range(1000))) == {202}
    count = lambda: cloud.client("dynamodb").scan(TableName="notes", Select="COUNT")["Count"]
    assert count() < 1000, "the events ended before the process could be killed"
    cloud.kill()
    cloud.restart()
    wait_for(lambda: count() == 1000, "every event's note", 120)


def test_provisioned_concurrency_is_started_ahead(start):
    cloud = start()
    functions = Functions(cloud)
    client = functions.client
    code = "import os, time\ntime.sleep(0.3)\ndef handler(e, c):\n    return [os.environ['AWS_LAMBDA_INITIALIZATION_TYPE'], os.environ['AWS_LAMBDA_LOG_STREAM_NAME']]\n"
    functions.make("ready", code)
    client.publish_version(FunctionName="ready")
    put = lambda qualifier, count: client.put_provisioned_concurrency_config(
        FunctionName="ready", Qualifier=qualifier, ProvisionedConcurrentExecutions=count)
    assert error_of(put, "$LATEST", 1)[0] == "InvalidParameterValueException"
    assert error_of(put, "7", 1)[0] == "ResourceNotFoundException"
    assert error_of(put, "1", 901)[0] == "InvalidParameterValueException"
    get = lambda: cloud.client("lambda").get_provisioned_concurrency_config(FunctionName="ready", Qualifier="1")
    assert error_of(get)[:2] == (
        "ProvisionedConcurrencyConfigNotFoundException", "No Provisioned Concurrency Config found for this function")
    assert put("1", 2)["Status"] == "IN_PROGRESS"
    wait_for(lambda: get()["Status"] == "READY", "the environments")
    assert get()["AllocatedProvisionedConcurrentExecutions"] == 2
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        call = lambda _: client.invoke(FunctionName="ready", Qualifier="1", LogType="Tail")
        replies = list(pool.map(call, range(2)))
    for reply in replies:
        assert json.loads(reply["Payload"].read())[0] == "provisioned-concurrency"
        assert "Init Duration" not in base64.b64decode(reply["LogResult"]).decode()
    assert len(client.list_provisioned_concurrency_configs(FunctionName="ready")["ProvisionedConcurrencyConfigs"]) == 1
    cloud.kill()
    cloud.restart()
    wait_for(lambda: get()["Status"] == "READY", "the environments after a restart")
    if os.cpu_count() > 24:
        return
    put("1", 800)
    failed = wait_for(lambda: get()["Status"] == "FAILED" and get(), "what this machine cannot do")
    assert "room for" in failed["StatusReason"]
    client.delete_provisioned_concurrency_config(FunctionName="ready", Qualifier="1")
    assert error_of(get)[0] == "ProvisionedConcurrencyConfigNotFoundException"
