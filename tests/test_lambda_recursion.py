"""Loops: chains of calls that lead back to a function are stopped, unless the function allows them."""

import json

from conftest import error_of, wait_for
from test_lambda import archive, function  # noqa: F401 (a fixture)
from test_lambda_async import Functions, messages

LOOP = """
import boto3
def handler(event, context):
    print("ROUND %d" % event["round"])
    if event["round"] < event.get("most", 100):
        boto3.client("lambda").invoke(FunctionName=context.function_name, InvocationType="Event", Payload=__import__("json").dumps({**event, "round": event["round"] + 1}))
"""


def test_the_setting(function, boto, account):
    function("f", "python3.11", "app.handler", archive(app__py="def handler(e, c): pass\n"))
    client = boto("lambda")
    assert client.get_function_recursion_config(FunctionName="f")["RecursiveLoop"] == "Terminate"
    assert client.put_function_recursion_config(FunctionName="f", RecursiveLoop="Allow")["RecursiveLoop"] == "Allow"
    assert client.get_function_recursion_config(FunctionName="f")["RecursiveLoop"] == "Allow"
    missing = f"Function not found: arn:aws:lambda:us-east-1:{account}:function:g"
    assert error_of(client.get_function_recursion_config, FunctionName="g") == ("ResourceNotFoundException", missing, 404)
    assert error_of(client.put_function_recursion_config, FunctionName="g", RecursiveLoop="Allow")[0] == "ResourceNotFoundException"
    assert error_of(client.put_function_recursion_config, FunctionName="f", RecursiveLoop="Maybe")[0] == "ValidationException"


def test_a_chain_is_counted(function, boto):
    function("f", "python3.11", "app.handler", archive(app__py="import os\ndef handler(e, c): return os.environ['_X_AMZN_TRACE_ID']\n"))
    client, header = boto("lambda"), []
    client.meta.events.register("before-sign.lambda.*", lambda request, **_: [request.headers.add_header("X-Amzn-Trace-Id", value) for value in header])
    invoke = lambda: json.loads(client.invoke(FunctionName="f")["Payload"].read())
    header = [invoke()]
    assert header[0].endswith(":1") and ";Lineage=1:" in header[0]
    header = [invoke()]
    assert header[0].endswith(":2")
    header = [header[0][:-1] + "15"]
    header = [invoke()]
    assert header[0].endswith(":16")
    assert error_of(client.invoke, FunctionName="f") == (
        "RecursiveInvocationException",
        "Lambda has detected your function being invoked in a recursive loop with other AWS resources and stopped your function's invocation.", 400)
    client.put_function_recursion_config(FunctionName="f", RecursiveLoop="Allow")
    assert invoke().endswith(":17")


def test_a_function_that_invokes_itself(start):
    cloud = start()
    functions = Functions(cloud)
    sink = functions.make("sink", "import json\ndef handler(e, c):\n    print('RECORD ' + json.dumps(e))\n")
    own = functions.make("loop", LOOP, Timeout=30)
    functions.allow("lambda:InvokeFunction", "*")
    client = functions.client
    client.put_function_event_invoke_config(FunctionName="loop", DestinationConfig={"OnFailure": {"Destination": sink}})
    client.invoke(FunctionName="loop", Payload=b'{"round": 1}')
    records = lambda: [json.loads(text[7:]) for text in messages(functions.logs, "sink") if text.startswith("RECORD ")]
    [record] = wait_for(records, "the end of the loop", seconds=60)
    assert record["requestPayload"] == {"round": 17} and record["requestContext"]["functionArn"].startswith(own)
    rounds = lambda: [text.strip() for text in messages(functions.logs, "loop") if text.startswith("ROUND ")]
    wait_for(lambda: len(rounds()) == 16, "the logs of the loop")
    client.put_function_recursion_config(FunctionName="loop", RecursiveLoop="Allow")
    client.invoke(FunctionName="loop", Payload=b'{"round": 21, "most": 40}')
    wait_for(lambda: "ROUND 40" in rounds(), "a longer chain", seconds=60)


def test_a_loop_through_a_bucket(start):
    cloud = start()
    functions = Functions(cloud)
    own = functions.make("copy", """
import boto3
def handler(event, context):
    key = event["Records"][0]["s3"]["object"]["key"]
    print("KEY " + key)
    boto3.client("s3").put_object(Bucket="loop", Key=str(int(key) + 1), Body=b"")
""", Timeout=30)
    functions.allow("s3:PutObject", "arn:aws:s3:::loop/*")
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="loop")
    functions.client.add_permission(FunctionName="copy", StatementId="s3", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com")
    sink = functions.make("sink", "import json\ndef handler(e, c):\n    print('RECORD ' + json.dumps(e))\n")
    functions.allow("lambda:InvokeFunction", sink)
    functions.client.put_function_event_invoke_config(FunctionName="copy", DestinationConfig={"OnFailure": {"Destination": sink}})
    s3.put_bucket_notification_configuration(Bucket="loop", NotificationConfiguration={
        "LambdaFunctionConfigurations": [{"LambdaFunctionArn": own, "Events": ["s3:ObjectCreated:*"]}]})
    s3.put_object(Bucket="loop", Key="1", Body=b"")
    wait_for(lambda: any(text.startswith("RECORD ") for text in messages(functions.logs, "sink")), "the end of the loop", seconds=60)
    assert len(s3.list_objects_v2(Bucket="loop")["Contents"]) == 17
