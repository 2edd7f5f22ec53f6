"""Vector indexes with real clients: creating them, writing, searching, crashes, and who may search."""

import json
import math
import random
import struct
import time


from conftest import error_of, wait_for

STRING = lambda *names: [{"AttributeName": name, "AttributeType": "S"} for name in names]


def vector(numbers):
    return [{"N": repr(float(number))} for number in numbers]


def index(name="near", dimensions=3, function="COSINE", **more):
    return {
        "IndexName": name,
        "VectorAttribute": {"AttributeName": "embedding"},
        "Dimensions": dimensions,
        "DistanceFunction": function,
        "Projection": {"ProjectionType": "ALL"},
        **more,
    }


def make(dynamodb, name, *indexes, attributes=("pk",)):
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=STRING(*attributes),
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        **({"VectorIndexes": list(indexes)} if indexes else {}),
    )


def item(key, numbers, **more):
    return {"pk": {"S": key}, "embedding": {"L": vector(numbers)}, **{name: {"S": text} for name, text in more.items()}}


def search(dynamodb, table, numbers, top=10, name="near", **more):
    found = dynamodb.search_vectors(TableName=table, IndexName=name, SearchVector=vector(numbers), TopK=top, **more)
    return [(hit["Item"]["pk"]["S"], hit["Score"]) for hit in found["SearchResults"]]


def test_every_way_of_writing_reaches_the_index(boto):
    dynamodb = boto("dynamodb")
    make(dynamodb, "ways", index(function="EUCLIDEAN"))
    dynamodb.put_item(TableName="ways", Item=item("put", [1, 0, 0]))
    dynamodb.batch_write_item(RequestItems={"ways": [{"PutRequest": {"Item": item("batch", [2, 0, 0])}}]})
    dynamodb.transact_write_items(TransactItems=[{"Put": {"TableName": "ways", "Item": item("transact", [3, 0, 0])}}])
    dynamodb.update_item(
        TableName="ways",
        Key={"pk": {"S": "update"}},
        UpdateExpression="SET embedding = :v",
        ExpressionAttributeValues={":v": {"L": vector([4, 0, 0])}},
    )
    dynamodb.execute_statement(
        Statement="INSERT INTO ways VALUE {'pk': 'insert', 'embedding': ?}", Parameters=[{"L": vector([5, 0, 0])}]
    )
    assert search(dynamodb, "ways", [0, 0, 0]) == [
        ("put", 1), ("batch", 2), ("transact", 3), ("update", 4), ("insert", 5),
    ]
    dynamodb.delete_item(TableName="ways", Key={"pk": {"S": "batch"}})
    dynamodb.execute_statement(Statement="UPDATE ways REMOVE embedding WHERE pk = 'put'")
    assert [key for key, _ in search(dynamodb, "ways", [0, 0, 0])] == ["transact", "update", "insert"]
    code, message, status = error_of(
        dynamodb.transact_write_items,
        TransactItems=[{"Put": {"TableName": "ways", "Item": item("short", [1])}}],
    )
    assert (code, status) == ("TransactionCanceledException", 400) or code == "ValidationException"
    assert "short" not in [key for key, _ in search(dynamodb, "ways", [0, 0, 0])]


def test_expired_items_leave_the_index(start):
    cloud = start()
    dynamodb = cloud.client("dynamodb")
    make(dynamodb, "fleeting", index())
    dynamodb.update_time_to_live(
        TableName="fleeting", TimeToLiveSpecification={"Enabled": True, "AttributeName": "until"}
    )
    expired = {**item("old", [1, 0, 0]), "until": {"N": str(int(time.time()) - 60)}}
    dynamodb.put_item(TableName="fleeting", Item=expired)
    dynamodb.put_item(TableName="fleeting", Item=item("new", [0, 1, 0]))
    deadline = time.monotonic() + 30
    while len(search(dynamodb, "fleeting", [1, 0, 0])) > 1:
        assert time.monotonic() < deadline, "the expired item is still found"
    assert [key for key, _ in search(dynamodb, "fleeting", [1, 0, 0])] == ["new"]


def test_an_index_is_filled_and_outlives_a_crash(start):
    cloud = start()
    dynamodb = cloud.client("dynamodb")
    make(dynamodb, "docs")
    numbers = random.Random(7)
    vectors = {f"d{n:04}": [numbers.gauss(0, 1) for _ in range(8)] for n in range(500)}
    keys = list(vectors)
    for at in range(0, len(keys), 25):
        puts = [{"PutRequest": {"Item": item(key, vectors[key], shelf="a" if n % 2 else "b")}}
                for n, key in enumerate(keys[at : at + 25])]
        dynamodb.batch_write_item(RequestItems={"docs": puts})
    schema = [{"AttributeName": "shelf", "SearchSchemaElementType": "INLINE_FILTER"}]
    request = {"TableName": "docs", "VectorIndexUpdates": [{"Create": index(dimensions=8, SearchSchema=schema)}]}
    code, message, _ = error_of(dynamodb.update_table, **request)
    assert (code, message) == (
        "ValidationException",
        "One or more parameter values were invalid: One element in SearchSchema is not defined in attribute definitions",
    )
    dynamodb.update_table(**request, AttributeDefinitions=STRING("shelf"))
    [described] = dynamodb.describe_table(TableName="docs")["Table"]["VectorIndexes"]
    assert (described["IndexStatus"], described["ItemCount"]) == ("ACTIVE", 500)
    assert "Backfilling" not in described
    cloud.kill()
    cloud.restart()
    sought = [numbers.gauss(0, 1) for _ in range(8)]
    single = lambda number: struct.unpack("f", struct.pack("f", number))[0]

    def distance(other):
        a, b = [single(n) for n in sought], [single(n) for n in other]
        dot = sum(x * y for x, y in zip(a, b))
        return 1 - dot / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))

    expected = sorted((distance(numbers), key) for key, numbers in vectors.items())[:20]
    found = search(dynamodb, "docs", sought, top=20)
    assert [key for key, _ in found] == [key for _, key in expected]
    assert all(abs(score - wanted) < 1e-6 for (_, score), (wanted, _) in zip(found, expected))
    some = search(
        dynamodb, "docs", sought, top=100,
        SearchConditionExpression="#s = :s", ExpressionAttributeNames={"#s": "shelf"},
        ExpressionAttributeValues={":s": {"S": "a"}},
    )
    shelves = {key: "a" if n % 25 % 2 else "b" for n, key in enumerate(keys)}
    assert len(some) == 100 and all(shelves[key] == "a" for key, _ in some)
    dynamodb.update_table(TableName="docs", VectorIndexUpdates=[{"Delete": {"IndexName": "near"}}])
    assert "VectorIndexes" not in dynamodb.describe_table(TableName="docs")["Table"]
    code, message, _ = error_of(search, dynamodb, "docs", sought)
    assert (code, message) == ("ValidationException", "The table does not have the specified index: near")


def test_searches_need_a_permission_on_the_index(boto, user):
    dynamodb = boto("dynamodb")
    make(dynamodb, "guarded", index(), index(name="other"))
    dynamodb.put_item(TableName="guarded", Item=item("one", [1, 0, 0]))
    arn = dynamodb.describe_table(TableName="guarded")["Table"]["VectorIndexes"][0]["IndexArn"]
    reader = user("searcher", {"Effect": "Allow", "Action": "dynamodb:SearchVectors", "Resource": arn})("dynamodb")
    assert search(reader, "guarded", [1, 0, 0]) == [("one", 0)]
    code, message, _ = error_of(search, reader, "guarded", [1, 0, 0], name="other")
    assert code == "AccessDeniedException" and "dynamodb:SearchVectors" in message and message.count("index/other")


def test_large_indexes_are_searched_at_once(start):
    """Two thousand vectors of 256 dimensions; the bound is wide, for builds without optimisation."""
    cloud = start()
    dynamodb = cloud.client("dynamodb")
    make(dynamodb, "many", index(dimensions=256))
    numbers = random.Random(3)
    for at in range(0, 2000, 25):
        puts = [{"PutRequest": {"Item": item(f"k{at + n}", [numbers.random() for _ in range(256)])}} for n in range(25)]
        dynamodb.batch_write_item(RequestItems={"many": puts})
    sought = [numbers.random() for _ in range(256)]
    began = time.monotonic()
    assert len(search(dynamodb, "many", sought, top=100)) == 100
    assert time.monotonic() - began < 5


def test_imported_and_restored_tables_have_their_indexes(boto):
    dynamodb, s3 = boto("dynamodb"), boto("s3", s3={"addressing_style": "path"})
    bucket = "vectors-" + boto("sts").get_caller_identity()["Account"]
    s3.create_bucket(Bucket=bucket)
    lines = [json.dumps({"Item": item(key, numbers)}) for key, numbers in (("a", [1, 0, 0]), ("b", [0, 1, 0]), ("short", [1]))]
    s3.put_object(Bucket=bucket, Key="in.json", Body="\n".join(lines).encode())
    started = dynamodb.import_table(
        S3BucketSource={"S3Bucket": bucket},
        InputFormat="DYNAMODB_JSON",
        TableCreationParameters={
            "TableName": "imported",
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": STRING("pk"),
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "VectorIndexes": [index()],
        },
    )["ImportTableDescription"]
    assert started["TableCreationParameters"]["VectorIndexes"] == [index()]
    describe = lambda: dynamodb.describe_import(ImportArn=started["ImportArn"])["ImportTableDescription"]
    wait_for(lambda: describe()["ImportStatus"] != "IN_PROGRESS", "the end of the import")
    assert (describe()["ImportedItemCount"], describe()["ErrorCount"]) == (2, 1)
    assert search(dynamodb, "imported", [1, 0, 0]) == [("a", 0), ("b", 1)]
    dynamodb.update_continuous_backups(
        TableName="imported", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    restore = lambda name, **more: dynamodb.restore_table_to_point_in_time(
        SourceTableName="imported", TargetTableName=name, UseLatestRestorableTime=True, **more
    )
    restore("again")
    assert search(dynamodb, "again", [0, 1, 0]) == [("b", 0), ("a", 1)]
    restore("without", VectorIndexOverride=[])
    assert "VectorIndexes" not in dynamodb.describe_table(TableName="without")["Table"]
    code, message, _ = error_of(restore, "other", VectorIndexOverride=[index(function="EUCLIDEAN")])
    assert code == "ValidationException" and "near" in message
