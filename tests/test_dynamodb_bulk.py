"""Bulk operations with real clients: files in S3 become items of a table that is there."""

import gzip
import json

import pytest
import requests

from conftest import error_of, wait_for


class Place:
    """A table, a bucket to read from and one to write to."""

    def __init__(self, dynamodb, s3, name="things"):
        self.dynamodb, self.s3, self.name = dynamodb, s3, name
        described = dynamodb.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": part, "AttributeType": "S"} for part in ("pk", "kind")],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "by-kind",
                    "KeySchema": [{"AttributeName": "kind", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "KEYS_ONLY"},
                }
            ],
            VectorIndexes=[
                {
                    "IndexName": "near",
                    "VectorAttribute": {"AttributeName": "v"},
                    "Dimensions": 2,
                    "DistanceFunction": "COSINE",
                    "Projection": {"ProjectionType": "KEYS_ONLY"},
                }
            ],
        )["TableDescription"]
        self.arn = described["TableArn"]
        account = self.arn.split(":")[4]
        self.input, self.output = f"bulk-in-{account}", f"bulk-out-{account}"
        for bucket in (self.input, self.output):
            s3.create_bucket(Bucket=bucket)

    def file(self, key, records, pack=lambda body: body):
        text = "".join((record if isinstance(record, str) else json.dumps(record)) + "\n" for record in records)
        self.s3.put_object(Bucket=self.input, Key=key, Body=pack(text.encode()))

    def start(self, reports=("ERROR", "CONDITION_CHECK_FAILURE"), format="DYNAMODB_JSON", source=None, **more):
        return self.dynamodb.start_bulk_put_items(
            TableName=self.name,
            InputS3Configuration={"S3Bucket": self.input, "InputFormat": format, **(source or {})},
            OutputS3Configuration={"S3Bucket": self.output, "S3KeyPrefix": "out/", "OutputType": list(reports)},
            **more,
        )["BulkOperationDescription"]

    def describe(self, arn):
        return self.dynamodb.describe_bulk_operation(BulkOperationArn=arn)["BulkOperationDescription"]

    def end(self, started):
        arn = started["BulkOperationArn"]
        running = ("IN_PROGRESS", "CANCELLING")
        wait_for(lambda: self.describe(arn)["BulkOperationStatus"] not in running, "the end of the operation")
        return self.describe(arn)

    def read(self, key):
        return self.s3.get_object(Bucket=self.output, Key=key)["Body"].read()

    def reports(self, started):
        """The manifest, and the lines of each kind of report."""
        folder = "out/AWSDynamoDB/" + started["BulkOperationArn"].rsplit("/", 1)[1]
        summary = json.loads(self.read(folder + "/manifest-summary.json"))
        files = [json.loads(line) for line in self.read(summary["manifestFilesS3Key"]).splitlines()]
        lines = {file["outputType"]: [json.loads(line) for line in self.read(file["dataFileS3Key"]).splitlines()] for file in files}
        assert all(file["itemCount"] == len(lines[file["outputType"]]) for file in files)
        return summary, lines

    def keys(self):
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=self.name, ProjectionExpression="pk")
        return sorted(item["pk"]["S"] for page in pages for item in page["Items"])


@pytest.fixture
def place(boto):
    return Place(boto("dynamodb"), boto("s3", s3={"addressing_style": "path"}))


def item(key, **more):
    return {"Item": {"pk": {"S": key}, **more}}


def test_items_are_put_and_the_rest_is_reported(place):
    place.dynamodb.put_item(TableName=place.name, Item={"pk": {"S": "there"}, "n": {"N": "1"}})
    place.file("in/a.json", [
        item("one", kind={"S": "k"}, v={"L": [{"N": "1"}, {"N": "0"}]}),
        {**item("there"), "ConditionExpression": "attribute_not_exists(pk)"},
        "{ not json",
        "",
        item("short", v={"L": [{"N": "1"}]}),
        {
            **item("two"),
            "ConditionExpression": "attribute_not_exists(#p) OR n = :n",
            "ExpressionAttributeNames": {"#p": "pk"},
            "ExpressionAttributeValues": {":n": {"N": "5"}},
        },
    ])
    place.file("in/b.json", [{"Item": {"other": {"S": "x"}}}, {**item("bad"), "ConditionExpression": "a ="}, item("three")])
    place.file("elsewhere.json", [item("never")])
    place.s3.put_object(Bucket=place.input, Key="in/folder/", Body=b"")
    started = place.start(source={"S3KeyPrefix": "in/"})
    assert started["BulkOperationStatus"] == "IN_PROGRESS"
    done = place.end(started)
    assert done["BulkOperationStatus"] == "COMPLETED_WITH_ERRORS"
    assert (done["ProcessedItemCount"], done["FailedItemCount"]) == (8, 4)
    assert done["ProcessedInputBytes"] == done["TotalInputBytes"] > 0 and done["EndTime"] >= done["StartTime"]
    assert place.keys() == ["one", "there", "three", "two"]
    assert place.dynamodb.get_item(TableName=place.name, Key={"pk": {"S": "there"}})["Item"]["n"] == {"N": "1"}
    [usage] = done["BulkOperationUsage"]
    assert (usage["TableName"], usage["Table"]["BulkPutBytes"]) == (place.name, 3 * 1024)
    assert usage["GlobalSecondaryIndexes"] == {"by-kind": {"BulkPutBytes": 1024}}
    assert usage["BulkPutBytes"] == 4 * 1024 and usage["VectorIndexes"]["near"]["BulkPutVectorBytes"] > 0
    summary, lines = place.reports(started)
    assert (summary["bulkOperationStatus"], summary["processedItemCount"]) == ("COMPLETED_WITH_ERRORS", 8)
    [failed] = lines["CONDITION_CHECK_FAILURE"]
    assert failed["Item"] == {"pk": {"S": "there"}} and failed["ExistingItem"]["n"] == {"N": "1"}
    errors = {(line["inputS3Key"], line["recordNumber"]): line["errorMessage"] for line in lines["ERROR"]}
    assert errors == {
        ("in/a.json", 3): "The record cannot be parsed",
        ("in/a.json", 4): "One or more parameter values were invalid: Invalid size for parameter v, Expected: 2, Actual: 1. IndexName: near",
        ("in/b.json", 1): "One or more parameter values were invalid: Missing the key pk in the item",
        ("in/b.json", 2): 'Invalid ConditionExpression: Syntax error; token: "<EOF>", near: "="',
    }
    found = place.dynamodb.search_vectors(TableName=place.name, IndexName="near", SearchVector=[{"N": "1"}, {"N": "0"}], TopK=5)
    assert [hit["Item"]["pk"]["S"] for hit in found["SearchResults"]] == ["one"]
    [listed] = place.dynamodb.list_bulk_operations()["BulkOperationsSummaryList"]
    assert (listed["BulkOperationArn"], listed["BulkOperationStatus"]) == (started["BulkOperationArn"], "COMPLETED_WITH_ERRORS")
    code, message, _ = error_of(place.dynamodb.cancel_bulk_operation, BulkOperationArn=started["BulkOperationArn"])
    assert code == "ValidationException" and "COMPLETED_WITH_ERRORS" in message


def test_ion_in_both_forms(place):
    text = ["$ion_1_0 {Item:{pk:\"text\",n:1.50}}", "{Item:{pk:\"guarded\"},ConditionExpression:\"attribute_exists(pk)\"}"]
    place.file("text.ion", text)
    # {Item: {pk: "x"}}, with a table of the two names before it.
    names = bytes([0xB8, 0x84]) + b"Item" + bytes([0x82]) + b"pk"
    table = bytes([0xDE, 0x80 | (1 + len(names)), 0x87]) + names
    table = bytes([0xEE, 0x80 | (2 + len(table)), 0x81, 0x83]) + table
    record = bytes([0xDE, 0x85, 0x8A, 0xD3, 0x8B, 0x81]) + b"x"
    place.s3.put_object(Bucket=place.input, Key="binary.10n", Body=bytes([0xE0, 0x01, 0x00, 0xEA]) + table + record)
    done = place.end(place.start(format="ION", reports=["ERROR"]))
    assert (done["BulkOperationStatus"], done["ProcessedItemCount"], done["FailedItemCount"]) == ("COMPLETED", 3, 0)
    assert place.keys() == ["text", "x"]
    assert place.dynamodb.get_item(TableName=place.name, Key={"pk": {"S": "text"}})["Item"]["n"] == {"N": "1.5"}


def test_packed_files_and_files_that_are_none(place):
    place.file("a.gz", [item("packed")], gzip.compress)
    place.s3.put_object(Bucket=place.input, Key="b.gz", Body=b"no gzip at all")
    started = place.start(source={"InputCompressionType": "GZIP"})
    done = place.end(started)
    assert (done["BulkOperationStatus"], done["FailedItemCount"]) == ("COMPLETED_WITH_ERRORS", 1)
    assert place.keys() == ["packed"]
    assert place.reports(started)[1]["ERROR"][0]["inputS3Key"] == "b.gz"


def test_what_cannot_be_read_fails(place):
    done = place.end(place.start(source={"S3KeyPrefix": "nothing/"}))
    assert (done["BulkOperationStatus"], done["FailureCode"]) == ("FAILED", "S3NoSuchKey")
    other = place.start(source={"S3Bucket": "there-is-no-such-bucket-at-all"})
    assert place.end(other)["FailureCode"] == "S3NoSuchBucket"


def test_a_cancelled_operation_leaves_what_it_put(place):
    place.file("many.json", [item(f"k{n:05}", text={"S": "x" * 1500}) for n in range(3000)])
    request = {"MaxWriteRequestUnits": 1024, "ClientToken": "slow"}
    started = place.start(**request)
    assert place.start(**request)["BulkOperationArn"] == started["BulkOperationArn"]
    code, _, _ = error_of(place.start, ClientToken="other")
    assert code == "LimitExceededException"
    arn = started["BulkOperationArn"]
    wait_for(lambda: place.describe(arn)["ProcessedItemCount"] > 0, "the first items")
    assert place.dynamodb.cancel_bulk_operation(BulkOperationArn=arn)["BulkOperationStatus"] == "CANCELLING"
    done = place.end(started)
    assert done["BulkOperationStatus"] == "CANCELLED" and "FailureCode" in done and "FailureMessage" in done
    assert 0 < len(place.keys()) == done["ProcessedItemCount"] < 3000


def test_nothing_is_put_twice_after_a_crash(start):
    cloud = start()
    place = Place(cloud.client("dynamodb"), cloud.client("s3", s3={"addressing_style": "path"}))
    guard = {"ConditionExpression": "attribute_not_exists(pk)"}
    place.file("many.json", [{**item(f"k{n:05}", text={"S": "x" * 1500}), **guard} for n in range(2500)])
    started = place.start(MaxWriteRequestUnits=1024)
    arn = started["BulkOperationArn"]
    wait_for(lambda: place.describe(arn)["ProcessedItemCount"] > 0, "the first items")
    cloud.kill()
    cloud.restart()
    assert place.describe(arn)["BulkOperationStatus"] == "IN_PROGRESS"
    done = place.end(started)
    assert (done["BulkOperationStatus"], done["ProcessedItemCount"]) == ("COMPLETED", 2500)
    assert len(place.keys()) == 2500
    assert place.reports(started)[1] == {}, "no condition met what an earlier run had put"


def test_who_may_not_read_the_files_puts_nothing(place, user):
    place.file("a.json", [item("one")])
    statement = {"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}
    clients = user("loader", statement)
    mine = place.dynamodb
    place.dynamodb = clients("dynamodb")
    done = place.end(place.start())
    assert (done["BulkOperationStatus"], done["FailureCode"]) == ("FAILED", "S3AccessDenied")
    place.dynamodb = mine
    assert place.keys() == []


def test_a_table_is_closed_while_it_is_imported(start):
    cloud = start("--dynamodb-delays")
    dynamodb, s3 = cloud.client("dynamodb"), cloud.client("s3", s3={"addressing_style": "path"})
    s3.create_bucket(Bucket="imports-slow")
    s3.put_object(Bucket="imports-slow", Key="a.json", Body=b'{"Item":{"pk":{"S":"one"}}}\n')
    started = dynamodb.import_table(
        S3BucketSource={"S3Bucket": "imports-slow"},
        InputFormat="DYNAMODB_JSON",
        TableCreationParameters={
            "TableName": "slow",
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        },
    )["ImportTableDescription"]
    status = lambda: dynamodb.describe_import(ImportArn=started["ImportArn"])["ImportTableDescription"]["ImportStatus"]
    assert dynamodb.describe_table(TableName="slow")["Table"]["TableStatus"] == "CREATING"
    assert error_of(dynamodb.scan, TableName="slow")[0] == "ResourceNotFoundException"
    assert error_of(dynamodb.delete_table, TableName="slow")[0] == "ResourceInUseException"
    assert status() == "IN_PROGRESS"
    cloud.kill()
    cloud.restart()
    assert status() == "IN_PROGRESS"
    requests.post(f"{cloud.endpoint}/_welkin/clock", json={"advanceMillis": 11_000}).raise_for_status()
    wait_for(lambda: status() == "COMPLETED", "the end of the import")
    assert dynamodb.describe_table(TableName="slow")["Table"]["TableStatus"] == "ACTIVE"
    assert dynamodb.scan(TableName="slow")["Count"] == 1


def test_what_an_import_leaves_out_is_logged(boto):
    dynamodb, s3, logs = boto("dynamodb"), boto("s3", s3={"addressing_style": "path"}), boto("logs")
    bucket = "imports-" + boto("sts").get_caller_identity()["Account"]
    s3.create_bucket(Bucket=bucket)
    lines = ['{"Item":{"pk":{"S":"one"}}}', '{"Item":{"pk":{"N":"1"}}}', "nonsense"]
    s3.put_object(Bucket=bucket, Key="a.json", Body="\n".join(lines).encode())
    started = dynamodb.import_table(
        S3BucketSource={"S3Bucket": bucket},
        InputFormat="DYNAMODB_JSON",
        TableCreationParameters={
            "TableName": "logged",
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        },
    )["ImportTableDescription"]
    describe = lambda: dynamodb.describe_import(ImportArn=started["ImportArn"])["ImportTableDescription"]
    wait_for(lambda: describe()["ImportStatus"] != "IN_PROGRESS", "the end of the import")
    done = describe()
    assert (done["ImportStatus"], done["ImportedItemCount"], done["ErrorCount"]) == ("COMPLETED", 1, 2)
    assert done["CloudWatchLogGroupArn"].endswith(":log-group:/aws-dynamodb/imports:*")
    [stream] = logs.describe_log_streams(logGroupName="/aws-dynamodb/imports")["logStreams"]
    events = logs.get_log_events(logGroupName="/aws-dynamodb/imports", logStreamName=stream["logStreamName"], startFromHead=True)
    told = [json.loads(event["message"]) for event in events["events"]]
    assert [one["itemS3Pointer"] for one in told] == [{"bucket": bucket, "key": "a.json", "itemIndex": at} for at in (1, 2)]
    assert told[0]["errorMessages"] == [
        "One or more parameter values were invalid: Type mismatch for key pk expected: S actual: N"
    ]
    assert all(one["importArn"] == started["ImportArn"] for one in told)
