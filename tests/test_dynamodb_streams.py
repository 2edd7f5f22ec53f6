"""DynamoDB Streams with a real client: what is written in any way is read back in order, as the service's own API tells it."""

from conftest import error_of


def table(dynamodb, name, view="NEW_AND_OLD_IMAGES"):
    created = dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": view},
    )
    return created["TableDescription"]["LatestStreamArn"]


def read(streams, arn, kind="TRIM_HORIZON"):
    shards = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    records = []
    for shard in shards:
        iterator = streams.get_shard_iterator(StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType=kind)
        records += streams.get_records(ShardIterator=iterator["ShardIterator"])["Records"]
    return records


def test_a_stream_tells_what_was_written(boto):
    dynamodb, streams = boto("dynamodb"), boto("dynamodbstreams")
    arn = table(dynamodb, "stream")
    dynamodb.put_item(TableName="stream", Item={"pk": {"S": "a"}, "b": {"B": b"\x00\xff"}, "l": {"L": [{"NULL": True}]}})
    dynamodb.update_item(
        TableName="stream",
        Key={"pk": {"S": "a"}},
        UpdateExpression="SET n = :n REMOVE l",
        ExpressionAttributeValues={":n": {"N": "1e3"}},
    )
    dynamodb.delete_item(TableName="stream", Key={"pk": {"S": "a"}})
    records = read(streams, arn)
    assert [record["eventName"] for record in records] == ["INSERT", "MODIFY", "REMOVE"]
    assert records[0]["dynamodb"]["NewImage"]["b"] == {"B": b"\x00\xff"}
    assert records[1]["dynamodb"]["NewImage"]["n"] == {"N": "1000"}
    assert records[1]["dynamodb"]["OldImage"]["l"] == {"L": [{"NULL": True}]}
    assert records[2]["dynamodb"]["Keys"] == {"pk": {"S": "a"}}
    assert all(record["eventSource"] == "aws:dynamodb" and record["awsRegion"] == "us-east-1" for record in records)
    assert streams.list_streams(TableName="stream")["Streams"][0]["StreamArn"] == arn
    assert not read(streams, arn, "LATEST")


def test_a_stream_survives_a_crash(start):
    cloud = start()
    dynamodb = cloud.client("dynamodb")
    arn = table(dynamodb, "kept")
    for n in range(20):
        dynamodb.put_item(TableName="kept", Item={"pk": {"S": str(n)}})
    cloud.kill()
    cloud.restart()
    keys = [record["dynamodb"]["Keys"]["pk"]["S"] for record in read(cloud.client("dynamodbstreams"), arn)]
    assert keys == [str(n) for n in range(20)]


def test_reading_needs_permission(boto, user):
    arn = table(boto("dynamodb"), "guarded")
    allowed = user("reader", {"Effect": "Allow", "Action": "dynamodb:DescribeStream", "Resource": arn})("dynamodbstreams")
    shard = allowed.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]
    code, message, _ = error_of(
        allowed.get_shard_iterator, StreamArn=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON"
    )
    assert code == "AccessDeniedException" and f"dynamodb:GetShardIterator on resource: {arn}" in message
