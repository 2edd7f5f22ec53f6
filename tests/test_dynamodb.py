"""DynamoDB through boto3: the paths that every tool takes, and AWS's words when they are wrong."""

import concurrent.futures
from decimal import Decimal

import pytest
from boto3.dynamodb.types import TypeSerializer

from conftest import error_of


@pytest.fixture
def table(boto):
    client = boto("dynamodb")
    client.create_table(
        TableName="music", BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": kind} for name, kind in [("artist", "S"), ("song", "S"), ("year", "N")]],
        KeySchema=[{"AttributeName": "artist", "KeyType": "HASH"}, {"AttributeName": "song", "KeyType": "RANGE"}],
        GlobalSecondaryIndexes=[{"IndexName": "by-year", "KeySchema": [{"AttributeName": "year", "KeyType": "HASH"}, {"AttributeName": "song", "KeyType": "RANGE"}],
                                 "Projection": {"ProjectionType": "KEYS_ONLY"}}],
        LocalSecondaryIndexes=[{"IndexName": "artist-year", "KeySchema": [{"AttributeName": "artist", "KeyType": "HASH"}, {"AttributeName": "year", "KeyType": "RANGE"}],
                                "Projection": {"ProjectionType": "ALL"}}])
    client.get_waiter("table_exists").wait(TableName="music")
    return client


def item(**values):
    return {name: TypeSerializer().serialize(value) for name, value in values.items()}


def put(table, artist, song, year, **more):
    table.put_item(TableName="music", Item=item(artist=artist, song=song, year=year, **more))


def test_numbers_and_types_come_back_as_they_were(table):
    values = dict(n=Decimal("1E-130"), big=Decimal("9" * 38), text="한국어", flag=True, nothing=None, raw=b"\0\1",
                  names={"a", "b"}, numbers={Decimal(1), Decimal("2.5")}, list=[1, "x", {"y": []}], empty="")
    put(table, "a", "s", 1, **values)
    found = table.get_item(TableName="music", Key=item(artist="a", song="s"))["Item"]
    assert found["n"] == {"N": "1E-130"} or found["n"]["N"] == "0." + "0" * 129 + "1"
    assert found["big"]["N"] == "9" * 38 and found["text"]["S"] == "한국어" and found["raw"]["B"] == b"\0\1"
    assert sorted(found["names"]["SS"]) == ["a", "b"] and sorted(found["numbers"]["NS"]) == ["1", "2.5"]
    assert found["list"]["L"][2] == {"M": {"y": {"L": []}}} and found["empty"] == {"S": ""}
    code, message, _ = error_of(table.put_item, TableName="music", Item={"artist": {"S": "a"}, "song": {"S": "b"}, "n": {"N": "1" * 39}})
    assert code == "ValidationException" and "Attempting to store more than 38 significant digits in a Number" in message


def test_queries_in_both_orders_over_pages_and_indexes(table):
    for number in range(20):
        put(table, "abba", f"song{number:02}", 1970 + number % 3)
    page = table.query(TableName="music", KeyConditionExpression="artist = :a AND begins_with(song, :s)",
                       ExpressionAttributeValues=item(**{":a": "abba", ":s": "song0"}), ScanIndexForward=False, Limit=4)
    assert [i["song"]["S"] for i in page["Items"]] == ["song09", "song08", "song07", "song06"]
    rest = table.query(TableName="music", KeyConditionExpression="artist = :a AND begins_with(song, :s)",
                       ExpressionAttributeValues=item(**{":a": "abba", ":s": "song0"}), ScanIndexForward=False,
                       ExclusiveStartKey=page["LastEvaluatedKey"])
    assert [i["song"]["S"] for i in rest["Items"]] == [f"song0{n}" for n in range(5, -1, -1)] and "LastEvaluatedKey" not in rest
    by_year = table.query(TableName="music", IndexName="by-year", KeyConditionExpression="#y = :y",
                          ExpressionAttributeNames={"#y": "year"}, ExpressionAttributeValues=item(**{":y": 1971}))
    assert by_year["Count"] == 7 and set(by_year["Items"][0]) == {"artist", "song", "year"}
    local = table.query(TableName="music", IndexName="artist-year", KeyConditionExpression="artist = :a AND #y > :y",
                        ExpressionAttributeNames={"#y": "year"}, ExpressionAttributeValues=item(**{":a": "abba", ":y": 1971}))
    assert local["Count"] == 6
    segments = [table.scan(TableName="music", Segment=n, TotalSegments=4)["Count"] for n in range(4)]
    assert sum(segments) == 20
    code, message, _ = error_of(table.query, TableName="music", IndexName="by-year", ConsistentRead=True, KeyConditionExpression="#y = :y",
                                ExpressionAttributeNames={"#y": "year"}, ExpressionAttributeValues=item(**{":y": 1971}))
    assert (code, message) == ("ValidationException", "Consistent reads are not supported on global secondary indexes")


def test_updates_and_their_return_values(table):
    put(table, "a", "s", 1, plays=1, tags={"x"})
    update = lambda expression, want="ALL_NEW", names=None, **values: table.update_item(
        TableName="music", Key=item(artist="a", song="s"), UpdateExpression=expression, ReturnValues=want,
        **({"ExpressionAttributeNames": names} if names else {}),
        **({"ExpressionAttributeValues": item(**{f":{k}": v for k, v in values.items()})} if values else {}))
    assert update("SET plays = plays + :n ADD tags :t", n=2, t={"y"})["Attributes"]["plays"] == {"N": "3"}
    assert update("SET #l = list_append(if_not_exists(#l, :e), :v)", names={"#l": "list"}, e=[], v=[1])["Attributes"]["list"] == {"L": [{"N": "1"}]}
    assert update("REMOVE plays DELETE tags :t", "UPDATED_OLD", t={"x"})["Attributes"]["plays"] == {"N": "3"}
    code, message, _ = error_of(update, "SET plays = absent + :n", n=1)
    assert (code, message) == ("ValidationException", "The provided expression refers to an attribute that does not exist in the item")
    code, message, _ = error_of(update, "SET song = :s", s="x")
    assert message == "One or more parameter values were invalid: Cannot update attribute song. This attribute is part of the key"
    code, message, _ = error_of(update, "SET a = :a, a = :a", a=1)
    assert message.startswith("Invalid UpdateExpression: Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a], path two: [a]")


def test_conditions(table):
    put(table, "a", "s", 1)
    code, message, status = error_of(table.put_item, TableName="music", Item=item(artist="a", song="s", year=2),
                                     ConditionExpression="attribute_not_exists(artist)")
    assert (code, message, status) == ("ConditionalCheckFailedException", "The conditional request failed", 400)
    code, message, _ = error_of(table.put_item, TableName="music", Item=item(artist="a", song="s"), ConditionExpression="year = :y",
                                ExpressionAttributeValues=item(**{":y": 1}))
    assert message == "Invalid ConditionExpression: Attribute name is a reserved keyword; reserved keyword: year"
    code, message, _ = error_of(table.put_item, TableName="music", Item=item(artist="a", song="s"), ConditionExpression="attribute_exists(a)",
                                ExpressionAttributeValues=item(**{":y": 1}))
    assert message == "Value provided in ExpressionAttributeValues unused in expressions: keys: {:y}"
    assert table.get_item(TableName="music", Key=item(artist="a", song="s"))["Item"]["year"] == {"N": "1"}


def test_many_writers_of_one_item_count_exactly(table, boto):
    put(table, "a", "s", 1, n=0)

    def count(_):
        client = boto("dynamodb")
        for _ in range(10):
            client.update_item(TableName="music", Key=item(artist="a", song="s"), UpdateExpression="SET n = n + :one",
                               ExpressionAttributeValues=item(**{":one": 1}))

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(count, range(16)))
    assert table.get_item(TableName="music", Key=item(artist="a", song="s"), ConsistentRead=True)["Item"]["n"] == {"N": "160"}


def test_batches_and_transactions(table):
    requests = [{"PutRequest": {"Item": item(artist="b", song=str(n), year=n)}} for n in range(25)]
    assert table.batch_write_item(RequestItems={"music": requests})["UnprocessedItems"] == {}
    keys = [item(artist="b", song=str(n)) for n in range(25)]
    assert len(table.batch_get_item(RequestItems={"music": {"Keys": keys}})["Responses"]["music"]) == 25
    code, message, _ = error_of(table.batch_write_item, RequestItems={"music": requests[:1] * 2})
    assert (code, message) == ("ValidationException", "Provided list of item keys contains duplicates")
    code, message, _ = error_of(table.transact_write_items, TransactItems=[
        {"Put": {"TableName": "music", "Item": item(artist="t", song="1")}},
        {"ConditionCheck": {"TableName": "music", "Key": item(artist="b", song="0"), "ConditionExpression": "attribute_not_exists(artist)"}}])
    assert code == "TransactionCanceledException"
    assert message == "Transaction cancelled, please refer cancellation reasons for specific reasons [None, ConditionalCheckFailed]"
    assert "Item" not in table.get_item(TableName="music", Key=item(artist="t", song="1"))


def test_capacity(table):
    put(table, "a", "s", 1, text="x" * 4000)
    reply = table.get_item(TableName="music", Key=item(artist="a", song="s"), ConsistentRead=True, ReturnConsumedCapacity="TOTAL")
    assert reply["ConsumedCapacity"] == {"TableName": "music", "CapacityUnits": 1.0}
    reply = table.get_item(TableName="music", Key=item(artist="a", song="s"), ReturnConsumedCapacity="TOTAL")
    assert reply["ConsumedCapacity"]["CapacityUnits"] == 0.5


def test_tables_that_are_not_there(table):
    assert error_of(table.get_item, TableName="none", Key=item(a="b")) == (
        "ResourceNotFoundException", "Requested resource not found", 400)
    assert error_of(table.describe_table, TableName="none")[1] == "Requested resource not found: Table: none not found"
    assert error_of(table.create_table, TableName="music", BillingMode="PAY_PER_REQUEST",
                    AttributeDefinitions=[{"AttributeName": "a", "AttributeType": "S"}],
                    KeySchema=[{"AttributeName": "a", "KeyType": "HASH"}])[:2] == ("ResourceInUseException", "Table already exists: music")
