"""Exports of a part of a table: what is selected, what is shown of it, and what is refused."""

import gzip
import json

import pytest

from conftest import error_of, wait_for


@pytest.fixture
def source(boto):
    dynamodb, s3 = boto("dynamodb"), boto("s3", s3={"addressing_style": "path"})
    description = dynamodb.create_table(
        TableName="source",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "n", "AttributeType": "N"},
        ],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "n", "KeyType": "RANGE"}],
    )["TableDescription"]
    arn = description["TableArn"]
    dynamodb.update_continuous_backups(
        TableName="source", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    for n in range(30):
        thing = {"pk": {"S": f"p{n % 3}"}, "n": {"N": str(n)}, "kind": {"S": "even" if n % 2 == 0 else "odd"}}
        dynamodb.put_item(TableName="source", Item={**thing, "more": {"M": {"a": {"N": str(n)}, "b": {"S": "x"}}}})
    bucket = "filtered-" + arn.split(":")[4]
    s3.create_bucket(Bucket=bucket)
    return dynamodb, s3, arn, bucket


def export(source, selection, **more):
    """The items of a filtered export, and its description."""
    dynamodb, s3, arn, bucket = source
    started = dynamodb.export_table_to_point_in_time(
        TableArn=arn, S3Bucket=bucket, FilterSpecification=selection, **more
    )["ExportDescription"]
    assert started["FilterSpecification"] == selection
    describe = lambda: dynamodb.describe_export(ExportArn=started["ExportArn"])["ExportDescription"]
    wait_for(lambda: describe()["ExportStatus"] != "IN_PROGRESS", "the end of the export")
    done = describe()
    assert (done["ExportStatus"], done["FilterSpecification"]) == ("COMPLETED", selection), done
    read = lambda key: s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    summary = json.loads(read(done["ExportManifest"]))
    files = [json.loads(line) for line in read(summary["manifestFilesS3Key"]).splitlines()]
    lines = b"".join(gzip.decompress(read(file["dataFileS3Key"])) for file in files).splitlines()
    assert summary["itemCount"] == done["ItemCount"] == len(lines) == sum(file["itemCount"] for file in files)
    return [json.loads(line)["Item"] for line in lines]


def numbers(items):
    return sorted(int(item["n"]["N"]) for item in items)


def test_keys_filters_and_projections(source):
    key = {
        "KeyConditionExpression": "pk = :p AND n BETWEEN :a AND :b",
        "ExpressionAttributeValues": {":p": {"S": "p1"}, ":a": {"N": "5"}, ":b": {"N": "20"}},
    }
    assert numbers(export(source, key)) == [7, 10, 13, 16, 19]
    kind = {
        "FilterExpression": "#k = :k AND n < :n",
        "ExpressionAttributeNames": {"#k": "kind"},
        "ExpressionAttributeValues": {":k": {"S": "odd"}, ":n": {"N": "8"}},
    }
    assert numbers(export(source, kind)) == [1, 3, 5, 7]
    both = {
        "KeyConditionExpression": "pk = :p",
        "FilterExpression": "kind = :k",
        "ProjectionExpression": "n, more.a",
        "ExpressionAttributeValues": {":p": {"S": "p0"}, ":k": {"S": "even"}},
    }
    items = export(source, both)
    assert numbers(items) == [0, 6, 12, 18, 24]
    assert all(item == {"n": item["n"], "more": {"M": {"a": item["n"]}}} for item in items)
    nothing = {"FilterExpression": "attribute_exists(elsewhere)"}
    assert export(source, nothing) == []


def test_what_is_refused(source):
    dynamodb, _, arn, bucket = source
    values = lambda **values: {":" + name: {"S": text} for name, text in values.items()}

    def refused(**selection):
        code, message, status = error_of(
            dynamodb.export_table_to_point_in_time, TableArn=arn, S3Bucket=bucket, FilterSpecification=selection
        )
        assert (code, status) == ("ValidationException", 400)
        return message

    assert refused(KeyConditionExpression="n = :v", ExpressionAttributeValues=values(v="x")).startswith(
        "Query condition missed key schema element: pk"
    )
    assert refused(
        KeyConditionExpression="pk = :v", FilterExpression="n > :v", ExpressionAttributeValues=values(v="x")
    ) == "Filter Expression can only contain non-primary key attributes: Primary key attribute: n"
    assert refused(FilterExpression="kind = :v", ExpressionAttributeValues=values(v="x", w="y")) == (
        "Value provided in ExpressionAttributeValues unused in expressions: keys: {:w}"
    )
    assert refused(FilterExpression="kind =").startswith("Invalid FilterExpression: Syntax error")
    assert refused(ProjectionExpression="a, a.b").startswith("Invalid ProjectionExpression: Two document paths overlap")
    assert refused(ExpressionAttributeNames={"#a": "a"}) == (
        "ExpressionAttributeNames can only be specified when using expressions"
    )
    assert dynamodb.list_exports(TableArn=arn)["ExportSummaries"] == []
