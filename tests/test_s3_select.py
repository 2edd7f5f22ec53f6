"""S3 Select: SQL over CSV and JSON, answered as a stream of events."""

import base64
import bz2
import gzip
import json

import pytest
from botocore.exceptions import ClientError, EventStreamError

from conftest import error_of

PEOPLE = "name,age,city\nAnn,41,Bern\nBob,7,\"Paris, TX\"\nCy,19,Bern\n"


@pytest.fixture
def s3(boto):
    return boto("s3")


@pytest.fixture
def bucket(s3, account):
    name = f"select-{account}"
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="people.csv", Body=PEOPLE)
    return name


def select(s3, bucket, key, sql, source=None, target=None, **more):
    answer = s3.select_object_content(
        Bucket=bucket, Key=key, Expression=sql, ExpressionType="SQL",
        InputSerialization=source or {"CSV": {"FileHeaderInfo": "USE"}}, OutputSerialization=target or {"CSV": {}}, **more)
    events = list(answer["Payload"])
    assert list(events[-1]) == ["End"] and list(events[-2]) == ["Stats"]
    return b"".join(event["Records"]["Payload"] for event in events if "Records" in event).decode(), events


@pytest.mark.parametrize("sql, expected", [
    ("SELECT * FROM S3Object", "Ann,41,Bern\nBob,7,\"Paris, TX\"\nCy,19,Bern\n"),
    ("SELECT s.name FROM S3Object s WHERE CAST(s.age AS INT) > 18", "Ann\nCy\n"),
    ("SELECT s._1, s._3 FROM S3Object s LIMIT 1", "Ann,Bern\n"),
    ("SELECT COUNT(*), AVG(CAST(age AS INT)), MIN(name) FROM S3Object WHERE city LIKE 'B%'", "2,30,Ann\n"),
    ("SELECT UPPER(name) || '!' FROM S3Object WHERE city IN ('Paris, TX')", "BOB!\n"),
    ("SELECT name FROM S3Object WHERE age = 99", ""),
])
def test_csv(s3, bucket, sql, expected):
    found, events = select(s3, bucket, "people.csv", sql)
    assert found == expected
    assert events[-2]["Stats"]["Details"]["BytesReturned"] == len(expected)


def test_json(s3, bucket):
    found, _ = select(s3, bucket, "people.csv", "SELECT name, age FROM S3Object LIMIT 1", target={"JSON": {}})
    assert json.loads(found) == {"name": "Ann", "age": "41"}
    lines = "".join(json.dumps({"n": n, "in": {"deep": [n, n * 2]}}) + "\n" for n in range(20_000))
    s3.put_object(Bucket=bucket, Key="lines", Body=gzip.compress(lines.encode()))
    source = {"JSON": {"Type": "LINES"}, "CompressionType": "GZIP"}
    found, events = select(s3, bucket, "lines", "SELECT s.n, s.\"in\".deep[1] AS twice FROM S3Object s WHERE s.n >= 10", source, {"JSON": {}},
                           RequestProgress={"Enabled": True})
    rows = [json.loads(line) for line in found.splitlines()]
    assert len(rows) == 19_990 and rows[0] == {"n": 10, "twice": 20}
    assert sum("Records" in event for event in events) > 3 and any("Progress" in event for event in events)
    s3.put_object(Bucket=bucket, Key="document", Body=json.dumps({"items": [{"a": 1}, {"a": None}, {}]}))
    found, _ = select(s3, bucket, "document", "SELECT i.a FROM S3Object[*].items[*] i WHERE i.a IS NOT MISSING", {"JSON": {"Type": "DOCUMENT"}}, {"JSON": {}})
    assert found == '{"a":1}\n{"a":null}\n'


@pytest.mark.parametrize("sql, code", [
    ("SELECT * FROM nothing", "ParseInvalidPathComponent"),
    ("SELECT FROM S3Object", "ParseUnexpectedKeyword"),
    ("SELECT frob(1) FROM S3Object", "UnsupportedFunction"),
    ("UPDATE S3Object", "ParseExpectedKeyword"),
])
def test_queries_that_are_refused(s3, bucket, sql, code):
    request = {"Bucket": bucket, "Key": "people.csv", "ExpressionType": "SQL", "InputSerialization": {"CSV": {}}, "OutputSerialization": {"CSV": {}}}
    assert error_of(s3.select_object_content, Expression=sql, **request)[::2] == (code, 400)
    assert error_of(s3.select_object_content, Expression="SELECT * FROM S3Object", **{**request, "Key": "none"})[0] == "NoSuchKey"


def test_what_fails_on_the_way_is_an_event(s3, bucket):
    from botocore.exceptions import EventStreamError

    with pytest.raises(EventStreamError) as caught:
        select(s3, bucket, "people.csv", "SELECT CAST(name AS INT) FROM S3Object")
    assert caught.value.response["Error"]["Code"] == "CastFailed"


def test_ranges(s3, bucket):
    lines = "".join(f"{n:04},x\n" for n in range(1000))
    s3.put_object(Bucket=bucket, Key="rows", Body="id,kind\n" + lines)
    plain, header = {"CSV": {}}, {"CSV": {"FileHeaderInfo": "USE"}}

    def rows(start=None, end=None, source=header, sql="SELECT s.id FROM S3Object s"):
        span = {name: value for name, value in (("Start", start), ("End", end)) if value is not None}
        return select(s3, bucket, "rows", sql, source, ScanRange=span)[0].split()

    assert rows(0, 20) == ["0000", "0001"]
    assert rows(9, 23) == ["0001", "0002"]
    assert rows(end=14) == ["0998", "0999"]
    everything = [row for start in range(0, 7008, 500) for row in rows(start, start + 500)]
    assert everything == [f"{n:04}" for n in range(1000)]
    assert rows(0, 8, plain, "SELECT s._1 FROM S3Object s") == ["id"]
    ask = {"Bucket": bucket, "Key": "rows", "Expression": "SELECT * FROM S3Object", "ExpressionType": "SQL", "OutputSerialization": {"CSV": {}}}
    wrong = error_of(s3.select_object_content, InputSerialization=plain, ScanRange={"Start": 9, "End": 3}, **ask)
    assert wrong[0::2] == ("InvalidScanRange", 400)
    packed = {"CSV": {}, "CompressionType": "GZIP"}
    wrong = error_of(s3.select_object_content, InputSerialization=packed, ScanRange={"Start": 0, "End": 3}, **ask)
    assert wrong[0::2] == ("UnsupportedScanRangeInput", 400)


def test_bzip2(s3, bucket):
    lines = "".join(f"{n},{n * n}\n" for n in range(100_000)).encode()
    half = len(lines) // 2
    s3.put_object(Bucket=bucket, Key="packed", Body=bz2.compress(lines[:half]) + bz2.compress(lines[half:]))
    source = {"CSV": {}, "CompressionType": "BZIP2"}
    found, events = select(s3, bucket, "packed", "SELECT COUNT(*), MAX(CAST(s._2 AS INT)) FROM S3Object s", source)
    assert found == "100000,9999800001\n"
    assert events[-2]["Stats"]["Details"]["BytesProcessed"] == len(lines)
    s3.put_object(Bucket=bucket, Key="broken", Body=bz2.compress(lines)[:-100])
    broken = s3.select_object_content(
        Bucket=bucket, Key="broken", Expression="SELECT COUNT(*) FROM S3Object", ExpressionType="SQL",
        InputSerialization=source, OutputSerialization={"CSV": {}})
    with pytest.raises(EventStreamError, match="InvalidCompressionFormat"):
        list(broken["Payload"])


# Ann, 41; Bob, 7 in the first group of rows, and Cid, 1; Dot, 2 in the second.
COLUMNS = base64.b64decode(
    "UEFSMRUEFRwVIEwVBBUAEgAADjQDAAAAQW5uAwAAAEJvYhUAFQYVCiwVBBUQFQYVBgAAAwgBAwIVBBUgFSRMFQQVABIAABA8KQAAAAAAAAAHAA"
    "AAAAAAABUAFQYVCiwVBBUQFQYVBgAAAwgBAwIVBBUcFSBMFQQVABIAAA40AwAAAENpZAMAAABEb3QVABUGFQosFQQVEBUGFQYAAAMIAQMCFQQV"
    "IBUkTBUEFQASAAAQPAEAAAAAAAAAAgAAAAAAAAAVABUGFQosFQQVEBUGFQYAAAMIAQMCGRICGRgDQW5uGRgDQm9iFQIZFgAAGRICGRgIBwAAAA"
    "AAAAAZGAgpAAAAAAAAABUCGRYAABkSAhkYA0NpZBkYA0RvdBUCGRYAABkSAhkYCAEAAAAAAAAAGRgIAgAAAAAAAAAVAhkWAAAZHBZEFSwWAAAZ"
    "FgwAGRwWsAEVLBYAAAAZHBaYAhUsFgAAGRYMABkcFoQDFSwWAAAAFQIZPEgGcGVvcGxlFQQAFQwlABgEbmFtZSUAABUEJQAYA2FnZQAWCBksGS"
    "wmABwVDBk1AAYQGRgEbmFtZRUCFgQWYBZoJkQmCBw2ACgDQm9iGANBbm4REQAZLBUEFQAVAgAVABUQFQIAPBYMAAAWgAUVGhawAxUqACYAHBUE"
    "GTUABhAZGANhZ2UVAhYEFmQWbCawASZwHBgIKQAAAAAAAAAYCAcAAAAAAAAAFgAoCCkAAAAAAAAAGAgHAAAAAAAAABERABksFQQVABUCABUAFR"
    "AVAgAAFpoFFRYW2gMVPgAWxAEWBCYIFtQBFAAAGSwmABwVDBk1AAYQGRgEbmFtZRUCFgQWYBZoJpgCJtwBHDYAKANEb3QYA0NpZBERABksFQQV"
    "ABUCABUAFRAVAgA8FgwAABawBRUcFpgEFSoAJgAcFQQZNQAGEBkYA2FnZRUCFgQWZBZsJoQDJsQCHBgIAgAAAAAAAAAYCAEAAAAAAAAAFgAoCA"
    "IAAAAAAAAAGAgBAAAAAAAAABERABksFQQVABUCABUAFRAVAgAAFswFFRYWwgQVPgAWxAEWBCbcARbUARQCACgZcGFycXVldC1ycyB2ZXJzaW9u"
    "IDU3LjMuMhksHAAAHAAAANgBAABQQVIx"
)


def test_parquet_is_a_feature(s3, bucket):
    s3.put_object(Bucket=bucket, Key="people", Body=COLUMNS)
    s3.put_object(Bucket=bucket, Key="text", Body=b"not a file of columns")

    def ask(expression, key="people", **more):
        return s3.select_object_content(
            Bucket=bucket, Key=key, Expression=expression, ExpressionType="SQL",
            InputSerialization={"Parquet": {}}, OutputSerialization={"CSV": {}}, **more)  # fmt: skip

    def rows(expression, **more):
        events = list(ask(expression, **more)["Payload"])
        return b"".join(event["Records"]["Payload"] for event in events if "Records" in event).decode().split()

    try:
        ask("SELECT * FROM S3Object")
    except ClientError as error:
        assert error.response["Error"]["Code"] == "NotImplemented"
        pytest.skip("the binary was built without the feature parquet")
    assert rows("SELECT s.name, s.age FROM S3Object s WHERE s.age > 1") == ["Ann,41", "Bob,7", "Dot,2"]
    assert rows("SELECT COUNT(*), SUM(s.age) FROM S3Object s") == ["4,51"]
    # Of a range, the groups of rows count that begin in it.
    assert rows("SELECT s.name FROM S3Object s", ScanRange={"Start": 0, "End": 5}) == ["Ann", "Bob"]
    assert rows("SELECT s.name FROM S3Object s", ScanRange={"Start": 5, "End": len(COLUMNS)}) == ["Cid", "Dot"]
    assert rows("SELECT s.name FROM S3Object s", ScanRange={"Start": len(COLUMNS) - 1}) == []
    with pytest.raises(EventStreamError, match="ParquetParsingError"):
        list(ask("SELECT * FROM S3Object", key="text")["Payload"])
