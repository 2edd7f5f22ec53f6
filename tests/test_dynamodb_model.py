"""DynamoDB under contention, and a random history over crashes, against simple models."""

import random
import threading

from botocore.exceptions import ClientError

CLIENTS = 64
SUCCESSES = 12


def make(dynamodb, name):
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "n", "AttributeType": "N"},
        ],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-n",
                "KeySchema": [{"AttributeName": "n", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )


def increment(client, rng):
    """Adds one to the counter in one of three ways; true if it was done."""
    key = {"pk": {"S": "counter"}}
    kind = rng.randrange(3)
    try:
        if kind == 0:
            client.update_item(
                TableName="hot",
                Key=key,
                UpdateExpression="ADD n :one",
                ExpressionAttributeValues={":one": {"N": "1"}},
            )
            return True
        seen = client.get_item(TableName="hot", Key=key, ConsistentRead=True)["Item"]["n"]
        change = {
            "TableName": "hot",
            "Key": key,
            "UpdateExpression": "SET n = n + :one",
            "ConditionExpression": "n = :seen",
            "ExpressionAttributeValues": {":one": {"N": "1"}, ":seen": seen},
        }
        if kind == 1:
            client.update_item(**change)
        else:
            mark = {"TableName": "hot", "Item": {"pk": {"S": f"mark-{rng.random()}"}}}
            client.transact_write_items(TransactItems=[{"Update": change}, {"Put": mark}])
        return True
    except ClientError as error:
        assert error.response["Error"]["Code"] in ("ConditionalCheckFailedException", "TransactionCanceledException")
        return False


def test_many_clients_count_exactly(cloud, account):
    dynamodb = cloud.client("dynamodb", key=account)
    make(dynamodb, "hot")
    dynamodb.put_item(TableName="hot", Item={"pk": {"S": "counter"}, "n": {"N": "0"}})
    failures = []

    def work(number):
        try:
            client, rng, done = cloud.client("dynamodb", key=account), random.Random(number), 0
            while done < SUCCESSES:
                done += increment(client, rng)
        except Exception as error:  # shown by the test itself
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(CLIENTS)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert not failures, failures[:3]
    item = dynamodb.get_item(TableName="hot", Key={"pk": {"S": "counter"}})["Item"]
    assert item["n"] == {"N": str(CLIENTS * SUCCESSES)}
    query = {
        "TableName": "hot",
        "IndexName": "by-n",
        "KeyConditionExpression": "n = :n",
        "ExpressionAttributeValues": {":n": item["n"]},
    }
    assert dynamodb.query(**query)["Items"] == [item]
    assert dynamodb.scan(TableName="hot", IndexName="by-n")["Count"] == 1, "every older entry is gone"


def test_a_history_goes_on_after_every_crash(start):
    cloud, rng, model = start(), random.Random(7), {}
    dynamodb = cloud.client("dynamodb")
    make(dynamodb, "story")
    for chapter in range(6):
        for _ in range(250):
            name = f"k{rng.randrange(30)}"
            key, old = {"pk": {"S": name}}, model.get(name)
            kind = rng.randrange(4)
            if kind == 0:
                item = {**key, "n": {"N": str(rng.randrange(10))}}
                dynamodb.put_item(TableName="story", Item=item)
                model[name] = item
            elif kind == 1:
                dynamodb.delete_item(TableName="story", Key=key)
                model.pop(name, None)
            elif kind == 2:
                updated = dynamodb.update_item(
                    TableName="story",
                    Key=key,
                    UpdateExpression="ADD n :n",
                    ExpressionAttributeValues={":n": {"N": "3"}},
                    ReturnValues="ALL_NEW",
                )["Attributes"]
                expected = int(old["n"]["N"]) + 3 if old else 3
                assert updated["n"] == {"N": str(expected)}
                model[name] = updated
            else:
                try:
                    dynamodb.execute_statement(Statement=f"INSERT INTO story VALUE {{'pk': '{name}', 'n': 1}}")
                    assert old is None
                    model[name] = {**key, "n": {"N": "1"}}
                except ClientError as error:
                    assert old is not None and error.response["Error"]["Code"] == "DuplicateItemException"
        cloud.kill()
        cloud.restart()
        dynamodb = cloud.client("dynamodb")
        for index in ({}, {"IndexName": "by-n"}):
            items = dynamodb.scan(TableName="story", **index)["Items"]
            assert {item["pk"]["S"]: item for item in items} == model, f"chapter {chapter} {index}"
    described = dynamodb.describe_table(TableName="story")["Table"]
    assert described["ItemCount"] == len(model)
    streams = cloud.client("dynamodbstreams")
    arn = described["LatestStreamArn"]
    shard = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]
    iterator = streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    told = {}
    while True:
        page = streams.get_records(ShardIterator=iterator)
        for record in page["Records"]:
            change = record["dynamodb"]
            assert told.pop(change["Keys"]["pk"]["S"], None) == change.get("OldImage")
            if "NewImage" in change:
                told[change["Keys"]["pk"]["S"]] = change["NewImage"]
        if not page["Records"]:
            break
        iterator = page["NextShardIterator"]
    assert told == model
