"""Event source mappings of DynamoDB Streams: order, filters, retries, halving, partial answers, destinations, restarts."""

import json
import time

import pytest

from conftest import error_of, wait_for
from test_lambda_async import Functions, advance, messages

RECORD = """
import json
def handler(event, context):
    ids = [record["dynamodb"]["Keys"]["id"]["S"] for record in event["Records"]]
    print("BATCH " + json.dumps(ids))
    BODY
"""
READ = ["dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:DescribeStream", "dynamodb:ListStreams"]


class Stream(Functions):
    def __init__(self, cloud):
        super().__init__(cloud)
        self.cloud, self.dynamodb = cloud, cloud.client("dynamodb")
        table = self.dynamodb.create_table(
            TableName="table", BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"})
        self.arn = table["TableDescription"]["LatestStreamArn"]

    def handler(self, name, body):
        return self.make(name, RECORD.replace("BODY", body), Timeout=10)

    def map(self, name, position="TRIM_HORIZON", **options):
        return self.client.create_event_source_mapping(
            EventSourceArn=self.arn, FunctionName=name, StartingPosition=position, **options)

    def put(self, *ids, **more):
        for id in ids:
            self.dynamodb.put_item(TableName="table", Item={"id": {"S": id}, **more})

    def batches(self, name):
        texts = messages(self.cloud.client("logs"), name)
        return [json.loads(text[6:]) for text in texts if text.startswith("BATCH ")]


@pytest.fixture
def stream(start):
    made = Stream(start())
    made.allow(READ[0], "*")
    made.iam.put_role_policy(RoleName="f", PolicyName="read", PolicyDocument=json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": READ, "Resource": made.arn}]}))
    return made


def flat(batches):
    return [id for batch in batches for id in batch]


def test_records_arrive_in_order_and_over_a_restart(stream):
    stream.handler("sink", "return None")
    stream.put("a", "b")
    made = stream.map("sink", BatchSize=3)
    assert made["State"] == "Creating" and made["BatchSize"] == 3 and made["LastProcessingResult"] == "No records processed"
    assert made["FunctionArn"].endswith(":function:sink") and made["MaximumRetryAttempts"] == -1
    wait_for(lambda: flat(stream.batches("sink")) == ["a", "b"], "the first records")
    stream.put(*[f"c{number}" for number in range(7)])
    expected = ["a", "b"] + [f"c{number}" for number in range(7)]
    wait_for(lambda: flat(stream.batches("sink")) == expected, "the next records")
    assert max(map(len, stream.batches("sink"))) <= 3
    get = lambda: stream.client.get_event_source_mapping(UUID=made["UUID"])
    assert get()["State"] == "Enabled"
    wait_for(lambda: get()["LastProcessingResult"] == "OK", "the result")
    assert stream.client.list_event_source_mappings(FunctionName="sink")["EventSourceMappings"][0]["UUID"] == made["UUID"]
    assert error_of(stream.map, "sink")[0] == "ResourceConflictException"

    stream.client.update_event_source_mapping(UUID=made["UUID"], Enabled=False)
    assert get()["State"] == "Disabled"
    stream.put("d")
    stream.cloud.kill()
    stream.cloud.restart()
    client = stream.cloud.client("lambda")
    client.update_event_source_mapping(UUID=made["UUID"], Enabled=True)
    wait_for(lambda: flat(stream.batches("sink"))[-1] == "d", "the record from before the restart")
    assert flat(stream.batches("sink")) == expected + ["d"]
    assert client.delete_event_source_mapping(UUID=made["UUID"])["State"] == "Deleting"
    assert error_of(client.get_event_source_mapping, UUID=made["UUID"]) == (
        "ResourceNotFoundException", "The resource you requested does not exist.", 404)


def test_latest_and_filters(stream):
    stream.handler("sink", "return None")
    stream.put("before")
    pattern = {"eventName": ["INSERT"], "dynamodb": {"NewImage": {"n": {"N": [{"numeric": [">", 5]}]}}}}
    text = {"eventName": ["INSERT"], "dynamodb": {"Keys": {"id": {"S": [{"prefix": "yes"}]}}}}
    bad = lambda pattern: stream.map("sink", FilterCriteria={"Filters": [{"Pattern": pattern}]})
    assert error_of(bad, "{}")[:2] == ("InvalidParameterValueException", "Invalid filter pattern definition.")
    stream.map("sink", "LATEST", FilterCriteria={"Filters": [{"Pattern": json.dumps(text)}, {"Pattern": json.dumps(pattern)}]})
    stream.put("no", "yes-1", "no-2", "yes-2")
    wait_for(lambda: flat(stream.batches("sink")) == ["yes-1", "yes-2"], "the records that match")
    stream.dynamodb.delete_item(TableName="table", Key={"id": {"S": "yes-1"}})
    stream.put("yes-3")
    wait_for(lambda: flat(stream.batches("sink")) == ["yes-1", "yes-2", "yes-3"], "the next record that matches")


def test_a_poison_record_is_isolated_and_told_of(stream):
    stream.handler("picky", "if 'bad' in ids: raise ValueError('bad')")
    s3 = stream.cloud.client("s3")
    s3.create_bucket(Bucket="dropped")
    destination = {"OnFailure": {"Destination": "arn:aws:s3:::dropped"}}
    options = dict(BisectBatchOnFunctionError=True, MaximumRetryAttempts=1, DestinationConfig=destination)
    code, message, _ = error_of(stream.map, "picky", **options)
    assert code == "InvalidParameterValueException" and "does not have permissions to call PutObject" in message
    stream.allow("s3:PutObject", "arn:aws:s3:::dropped/*")
    stream.put("a", "b", "bad", "c", "d")
    made = stream.map("picky", BatchSize=10, **options)
    [listed] = wait_for(lambda: s3.list_objects_v2(Bucket="dropped").get("Contents"), "the dropped record")
    assert listed["Key"].startswith(f"aws/lambda/{made['UUID']}/shardId-")
    record = json.loads(s3.get_object(Bucket="dropped", Key=listed["Key"])["Body"].read())
    assert record["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 2
    assert record["DDBStreamBatchInfo"]["batchSize"] == 1 and record["DDBStreamBatchInfo"]["streamArn"] == stream.arn
    [dropped] = json.loads(record["payload"])["Records"]
    assert dropped["dynamodb"]["Keys"] == {"id": {"S": "bad"}} and dropped["eventSourceARN"] == stream.arn
    done = lambda: [id for batch in stream.batches("picky") if "bad" not in batch for id in batch]
    wait_for(lambda: done() == ["a", "b", "c", "d"], "the records around it")


def test_answers_for_a_part(stream):
    stream.handler("part", """
    import os
    if "bad" in ids and not os.path.exists("/tmp/seen"):
        open("/tmp/seen", "w")
        failed = [r["dynamodb"]["SequenceNumber"] for r in event["Records"] if r["dynamodb"]["Keys"]["id"]["S"] == "bad"]
        return {"batchItemFailures": [{"itemIdentifier": failed[0]}]}
    return {"batchItemFailures": []}""")
    stream.put("a", "b", "bad", "c")
    stream.map("part", FunctionResponseTypes=["ReportBatchItemFailures"], MaximumBatchingWindowInSeconds=1)
    wait_for(lambda: flat(stream.batches("part"))[-1:] == ["c"] and len(stream.batches("part")) > 1, "the second try")
    assert stream.batches("part") == [["a", "b", "bad", "c"], ["bad", "c"]]


def test_lanes_keep_the_order_of_each_key(stream):
    stream.make("lanes", """
def handler(event, context):
    for record in event["Records"]:
        print("NOTE " + record["dynamodb"]["Keys"]["id"]["S"] + " " + record["dynamodb"]["NewImage"]["n"]["N"])
""")
    for number in range(20):
        for id in "pqr":
            stream.put(id, n={"N": str(number)})
    stream.map("lanes", ParallelizationFactor=4, BatchSize=5)

    def notes(id):
        texts = [text.split() for text in messages(stream.cloud.client("logs"), "lanes") if text.startswith("NOTE ")]
        return [int(number) for _, found, number in texts if found == id]

    for id in "pqr":
        wait_for(lambda: len(notes(id)) == 20, f"the records of {id}")
        assert notes(id) == list(range(20))


def test_what_is_refused(stream):
    stream.handler("sink", "return None")
    assert error_of(stream.map, "nowhere")[0] == "ResourceNotFoundException"
    create = stream.client.create_event_source_mapping
    code, message, _ = error_of(create, EventSourceArn=stream.arn, FunctionName="sink")
    assert code == "InvalidParameterValueException" and "'startingPosition'" in message
    stream.iam.delete_role_policy(RoleName="f", PolicyName="read")
    stream.iam.delete_role_policy(RoleName="f", PolicyName="dynamodb-GetRecords")
    code, message, _ = error_of(stream.map, "sink")
    assert code == "InvalidParameterValueException" and message.startswith(f"Cannot access stream {stream.arn}.")
    assert not stream.client.list_event_source_mappings()["EventSourceMappings"]


def test_tumbling_windows(stream):
    stream.make("sums", """
import json
def handler(event, context):
    shown = {key: event[key] for key in event if key != "Records"}
    if "huge" in event["state"]:
        shown["state"] = "huge"
    ids = [record["dynamodb"]["Keys"]["id"]["S"] for record in event["Records"]]
    print("WINDOW " + json.dumps({**shown, "ids": ids}))
    if "huge" in ids:
        return {"state": {"huge": "x" * (1 << 20)}}
    return {"state": {"seen": event["state"].get("seen", []) + ids}}
""", Timeout=10)

    def seen():
        texts = messages(stream.cloud.client("logs"), "sums")
        return [json.loads(text[7:]) for text in texts if text.startswith("WINDOW ")]

    # A window has just begun.
    advance(stream.cloud, int((61 - time.time() % 60) * 1000))
    both = dict(TumblingWindowInSeconds=60, ParallelizationFactor=2)
    assert error_of(stream.map, "sums", **both)[0] == "InvalidParameterValueException"
    made = stream.map("sums", TumblingWindowInSeconds=60)
    assert made["TumblingWindowInSeconds"] == 60
    stream.put("a")
    [first] = wait_for(seen, "the first batch")
    assert first["state"] == {} and not first["isFinalInvokeForWindow"] and not first["isWindowTerminatedEarly"]
    assert first["eventSourceARN"] == stream.arn and first["shardId"].startswith("shardId-")
    assert first["window"]["start"] < first["window"]["end"] and first["window"]["start"].endswith(":00Z")
    stream.put("b")
    wait_for(lambda: len(seen()) == 2, "the second batch")
    assert seen()[1]["state"] == {"seen": ["a"]} and seen()[1]["window"] == first["window"]
    wait_for(lambda: stream.client.get_event_source_mapping(UUID=made["UUID"])["LastProcessingResult"] == "OK", "the result")
    # The state outlives what is in memory.
    stream.client.update_event_source_mapping(UUID=made["UUID"], MaximumRetryAttempts=3)
    advance(stream.cloud, 60_000)
    wait_for(lambda: len(seen()) == 3, "the end of the window")
    last = seen()[2]
    assert last["isFinalInvokeForWindow"] and last["ids"] == [] and last["window"] == first["window"]
    assert last["state"] == {"seen": ["a", "b"]}
    stream.put("c")
    wait_for(lambda: len(seen()) == 4, "the next window")
    assert seen()[3]["state"] == {} and seen()[3]["window"]["start"] == first["window"]["end"]
    stream.put("huge")
    wait_for(lambda: len(seen()) == 6, "the end of a window whose state is too large")
    assert seen()[5]["isFinalInvokeForWindow"] and seen()[5]["isWindowTerminatedEarly"]


def test_a_stream_that_cannot_be_read(stream):
    stream.handler("sink", "return None")
    made = stream.map("sink")
    stream.put("a")
    wait_for(lambda: flat(stream.batches("sink")) == ["a"], "the record")
    stream.iam.delete_role_policy(RoleName="f", PolicyName="read")
    stream.iam.delete_role_policy(RoleName="f", PolicyName="dynamodb-GetRecords")
    result = lambda: stream.client.get_event_source_mapping(UUID=made["UUID"])["LastProcessingResult"]
    wait_for(lambda: result() == "PROBLEM: Lambda cannot read from the event source.", "the problem")
    stream.put("b")
    for action in READ:
        stream.allow(action, stream.arn)
    wait_for(lambda: flat(stream.batches("sink")) == ["a", "b"], "the record after the problem")
    wait_for(lambda: result() == "OK", "the result")
    stream.cloud.log.seek(0)
    assert stream.cloud.log.read().count("an event source cannot be read") == 1
