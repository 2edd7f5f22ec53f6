"""S3 through boto3, the CLI and plain HTTP, over http and https."""

import base64
import concurrent.futures
import hashlib
import io
import json
import os
import subprocess
import sys
import time
import zlib

import pytest
import requests
from botocore import UNSIGNED

from conftest import clean_environment, error_of

PART = 5 * 1024 * 1024


@pytest.fixture
def s3(boto):
    return boto("s3")


@pytest.fixture
def bucket(s3, account):
    name = f"bucket-{account}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture(params=["http", "https"])
def transport(request, boto):
    """Over https, SDKs send bodies in unsigned chunks with a checksum after them."""
    return boto("s3", secure=request.param == "https")


def public(s3, bucket, *actions, condition=None):
    s3.delete_public_access_block(Bucket=bucket)
    statement = {"Effect": "Allow", "Principal": "*", "Action": list(actions),
                 "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]}
    if condition:
        statement["Condition"] = condition
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))


# Buckets


def test_buckets(s3, boto, cloud, account, bucket):
    assert s3.head_bucket(Bucket=bucket)["BucketRegion"] == "us-east-1"
    assert [b["Name"] for b in s3.list_buckets()["Buckets"]] == [bucket]
    assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] is None
    s3.create_bucket(Bucket=bucket)
    ireland = boto("s3", region="eu-west-1")
    other = f"eu-{account}"
    ireland.create_bucket(Bucket=other, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    assert ireland.get_bucket_location(Bucket=other)["LocationConstraint"] == "eu-west-1"
    again = {"Bucket": other, "CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}}
    assert error_of(ireland.create_bucket, **again)[::2] == ("BucketAlreadyOwnedByYou", 409)
    assert error_of(ireland.create_bucket, Bucket=f"x-{account}")[0] == "IllegalLocationConstraintException"
    assert error_of(cloud.client("s3", key="999999999999").create_bucket, Bucket=bucket)[::2] == ("BucketAlreadyExists", 409)
    wrong = {"Bucket": f"y-{account}", "CreateBucketConfiguration": {"LocationConstraint": "mars-1"}}
    assert error_of(s3.create_bucket, **wrong)[0] == "InvalidLocationConstraint"
    assert error_of(s3.create_bucket, Bucket="192.168.1.1")[0] == "InvalidBucketName"
    page = s3.list_buckets(MaxBuckets=1)
    assert [b["Name"] for b in page["Buckets"]] == [bucket]
    page = s3.list_buckets(MaxBuckets=1, ContinuationToken=page["ContinuationToken"])
    assert [b["Name"] for b in page["Buckets"]] == [other] and "ContinuationToken" not in page
    s3.put_object(Bucket=bucket, Key="a", Body=b"1")
    assert error_of(s3.delete_bucket, Bucket=bucket)[::2] == ("BucketNotEmpty", 409)
    s3.delete_object(Bucket=bucket, Key="a")
    s3.delete_bucket(Bucket=bucket)
    assert error_of(s3.head_bucket, Bucket=bucket)[2] == 404
    assert error_of(s3.list_objects_v2, Bucket=bucket)[:2] == ("NoSuchBucket", "The specified bucket does not exist")


# Objects


@pytest.mark.parametrize("size", [0, 1, 65536, 65537, 300_000, 3_000_000])
def test_bodies_of_all_sizes(transport, bucket, size):
    body = os.urandom(size)
    put = transport.put_object(Bucket=bucket, Key="dir/ä b+c", Body=body)
    assert put["ETag"] == f'"{hashlib.md5(body).hexdigest()}"' and put["ServerSideEncryption"] == "AES256"
    got = transport.get_object(Bucket=bucket, Key="dir/ä b+c")
    assert got["Body"].read() == body and got["ContentLength"] == size
    assert got["ContentType"] == "binary/octet-stream" and "ContentEncoding" not in got
    assert got["ChecksumCRC32"] == base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
    assert transport.head_object(Bucket=bucket, Key="dir/ä b+c")["ContentLength"] == size
    # An unseekable stream is sent in chunks of unknown number.
    transport.put_object(Bucket=bucket, Key="again", Body=io.BytesIO(body), ContentLength=size)
    assert transport.get_object(Bucket=bucket, Key="again")["Body"].read() == body


def test_headers_and_metadata(s3, bucket):
    s3.put_object(
        Bucket=bucket, Key="k", Body=b"x", ContentType="text/plain", CacheControl="no-store", ContentLanguage="de",
        ContentDisposition="inline", ContentEncoding="gzip", Metadata={"Color": "blue"}, StorageClass="STANDARD_IA",
        Tagging="a=1&b=2")
    got = s3.get_object(Bucket=bucket, Key="k")
    assert (got["ContentType"], got["CacheControl"], got["ContentLanguage"]) == ("text/plain", "no-store", "de")
    assert (got["ContentDisposition"], got["ContentEncoding"]) == ("inline", "gzip")
    assert (got["Metadata"], got["StorageClass"], got["TagCount"]) == ({"color": "blue"}, "STANDARD_IA", 2)
    got = s3.get_object(Bucket=bucket, Key="k", ResponseContentType="a/b", ResponseCacheControl="max-age=1")
    assert (got["ContentType"], got["CacheControl"]) == ("a/b", "max-age=1")
    assert error_of(s3.put_object, Bucket=bucket, Key="k", Metadata={"a": "x" * 2048})[0] == "MetadataTooLarge"
    assert error_of(s3.put_object, Bucket=bucket, Key="k" * 1025)[0] == "KeyTooLongError"
    assert error_of(s3.put_object, Bucket=bucket, Key="k", ACL="public-read")[0] == "AccessControlListNotSupported"
    assert error_of(s3.put_object, Bucket=bucket, Key="k", StorageClass="COLD")[0] == "InvalidStorageClass"
    code, message, status = error_of(s3.get_object, Bucket=bucket, Key="none")
    assert (code, message, status) == ("NoSuchKey", "The specified key does not exist.", 404)


def test_ranges(s3, bucket):
    body = os.urandom(200_000)
    for key, data in (("small", body[:1000]), ("large", body)):
        s3.put_object(Bucket=bucket, Key=key, Body=data)
        for text, part in (("bytes=0-9", data[:10]), ("bytes=500-", data[500:]), ("bytes=-7", data[-7:])):
            got = s3.get_object(Bucket=bucket, Key=key, Range=text)
            assert got["Body"].read() == part
            assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
            assert got["ContentRange"].endswith(f"/{len(data)}")
        assert s3.head_object(Bucket=bucket, Key=key, Range="bytes=0-0")["ContentLength"] == 1
        assert error_of(s3.get_object, Bucket=bucket, Key=key, Range=f"bytes={len(data)}-")[::2] == ("InvalidRange", 416)


def test_conditions(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"1", IfNoneMatch="*")["ETag"]
    assert error_of(s3.put_object, Bucket=bucket, Key="k", Body=b"2", IfNoneMatch="*")[::2] == ("PreconditionFailed", 412)
    assert error_of(s3.put_object, Bucket=bucket, Key="k", Body=b"2", IfMatch='"no"')[2] == 412
    assert error_of(s3.put_object, Bucket=bucket, Key="none", Body=b"2", IfMatch=etag)[2] == 404
    assert error_of(s3.get_object, Bucket=bucket, Key="k", IfMatch='"no"')[::2] == ("PreconditionFailed", 412)
    assert error_of(s3.get_object, Bucket=bucket, Key="k", IfNoneMatch=etag)[2] == 304
    modified = s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    assert error_of(s3.head_object, Bucket=bucket, Key="k", IfModifiedSince=modified)[2] == 304
    assert s3.get_object(Bucket=bucket, Key="k", IfMatch=etag)["Body"].read() == b"1"
    s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfMatch=etag)
    assert error_of(s3.delete_object, Bucket=bucket, Key="k", IfMatch=etag)[2] == 412
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        def write(number):
            try:
                s3.put_object(Bucket=bucket, Key="race", Body=str(number), IfNoneMatch="*")
                return True
            except s3.exceptions.ClientError:
                return False
        assert sum(pool.map(write, range(16))) == 1


def test_checksums(s3, bucket):
    values = {
        "CRC32": "y/Q5Jg==", "CRC32C": "4waSgw==", "CRC64NVME": "rosUhgp5mIg=", "SHA1": "98O8HYCOBHMq32eZZczDTKeuNEE=",
        "SHA256": "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="}
    for algorithm, value in values.items():
        name = f"Checksum{algorithm}"
        assert s3.put_object(Bucket=bucket, Key="k", Body=b"123456789", **{name: value})[name] == value
        head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
        assert head[name] == value and head["ChecksumType"] == "FULL_OBJECT"
        assert error_of(s3.put_object, Bucket=bucket, Key="w", Body=b"123456780", **{name: value})[0] == "BadDigest"
    for algorithm in ("CRC32", "SHA1", "SHA256"):
        put = s3.put_object(Bucket=bucket, Key="k", Body=b"123456789", ChecksumAlgorithm=algorithm)
        assert put[f"Checksum{algorithm}"] == values[algorithm]
    wrong = base64.b64encode(b"\0" * 32).decode()
    assert error_of(s3.put_object, Bucket=bucket, Key="w", Body=b"hello", ChecksumSHA256=wrong)[0] == "BadDigest"
    assert error_of(s3.put_object, Bucket=bucket, Key="w", Body=b"hello", ChecksumSHA256="x")[0] == "InvalidRequest"
    md5 = base64.b64encode(hashlib.md5(b"hello").digest()).decode()
    s3.put_object(Bucket=bucket, Key="m", Body=b"hello", ContentMD5=md5)
    assert error_of(s3.put_object, Bucket=bucket, Key="w", Body=b"bye", ContentMD5=md5)[0] == "BadDigest"
    assert error_of(s3.put_object, Bucket=bucket, Key="w", Body=b"bye", ContentMD5="bWQ1")[0] == "InvalidDigest"
    assert error_of(s3.get_object, Bucket=bucket, Key="w")[0] == "NoSuchKey"


def test_default_checksum(boto, bucket):
    plain = boto("s3", request_checksum_calculation="when_required")
    put = plain.put_object(Bucket=bucket, Key="k", Body=b"123456789")
    assert put["ChecksumCRC64NVME"] == "rosUhgp5mIg=" and put["ChecksumType"] == "FULL_OBJECT"


def test_copies(s3, bucket):
    body = os.urandom(100_000)
    s3.put_object(Bucket=bucket, Key="a b", Body=body, ContentType="text/a", Metadata={"x": "1"}, Tagging="t=1")
    copied = s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "a b"})
    assert copied["CopyObjectResult"]["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    s3.delete_object(Bucket=bucket, Key="a b")
    got = s3.get_object(Bucket=bucket, Key="copy")
    assert (got["Body"].read(), got["ContentType"], got["Metadata"], got["TagCount"]) == (body, "text/a", {"x": "1"}, 1)
    source = f"{bucket}/copy"
    s3.copy_object(Bucket=bucket, Key="new", CopySource=source, MetadataDirective="REPLACE", Metadata={"y": "2"},
                   TaggingDirective="REPLACE", Tagging="u=2")
    assert s3.head_object(Bucket=bucket, Key="new")["Metadata"] == {"y": "2"}
    assert s3.get_object_tagging(Bucket=bucket, Key="new")["TagSet"] == [{"Key": "u", "Value": "2"}]
    code, message, _ = error_of(s3.copy_object, Bucket=bucket, Key="copy", CopySource=source)
    assert code == "InvalidRequest" and message.startswith("This copy request is illegal")
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=source, MetadataDirective="REPLACE", ContentType="text/b")
    got = s3.get_object(Bucket=bucket, Key="copy")
    assert (got["Body"].read(), got["ContentType"]) == (body, "text/b")
    assert error_of(s3.copy_object, Bucket=bucket, Key="c", CopySource=f"{bucket}/none")[0] == "NoSuchKey"
    assert error_of(s3.copy_object, Bucket=bucket, Key="c", CopySource=source, CopySourceIfMatch='"no"')[2] == 412


def test_deleting_many(s3, bucket):
    for number in range(5):
        s3.put_object(Bucket=bucket, Key=f"k{number}", Body=b"x")
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": f"k{n}"} for n in range(3)] + [{"Key": "no"}]})
    assert [d["Key"] for d in answer["Deleted"]] == ["k0", "k1", "k2", "no"] and "Errors" not in answer
    assert "Deleted" not in s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k3"}], "Quiet": True})
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["k4"]


# Listings


def test_listings(s3, bucket):
    keys = ["a", "b/1", "b/2", "b/c/3", "d e+f/ä", "z"]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == keys
    assert [o["Key"] for o in s3.list_objects(Bucket=bucket)["Contents"]] == keys
    page = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    assert [o["Key"] for o in page["Contents"]] == ["a", "z"]
    assert [p["Prefix"] for p in page["CommonPrefixes"]] == ["b/", "d e+f/"] and page["KeyCount"] == 4
    page = s3.list_objects_v2(Bucket=bucket, Prefix="b/", Delimiter="/")
    assert [p["Prefix"] for p in page["CommonPrefixes"]] == ["b/c/"]
    seen = []
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": 1}):
        assert page["KeyCount"] == 1
        seen += [o["Key"] for o in page.get("Contents", [])] + [p["Prefix"] for p in page.get("CommonPrefixes", [])]
    assert seen == ["a", "b/", "d e+f/", "z"]
    pages = s3.get_paginator("list_objects").paginate(Bucket=bucket, PaginationConfig={"PageSize": 2})
    assert [o["Key"] for page in pages for o in page["Contents"]] == keys
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket, StartAfter="b/2")["Contents"]] == keys[3:]
    page = s3.list_objects_v2(Bucket=bucket, MaxKeys=0, FetchOwner=True)
    assert page["KeyCount"] == 0 and not page["IsTruncated"]
    assert len(s3.list_objects_v2(Bucket=bucket, FetchOwner=True)["Contents"][0]["Owner"]["ID"]) == 64
    assert error_of(s3.list_objects_v2, Bucket=bucket, ContinuationToken="nonsense")[0] == "InvalidArgument"
    assert error_of(s3.list_objects_v2, Bucket=bucket, MaxKeys=-1)[0] == "InvalidArgument"


def test_the_only_version(s3, bucket):
    for key in ("a", "b"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket, PaginationConfig={"PageSize": 1})
    versions = [version for page in pages for version in page["Versions"]]
    assert [(v["Key"], v["VersionId"], v["IsLatest"]) for v in versions] == [("a", "null", True), ("b", "null", True)]
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": v["Key"], "VersionId": "null"} for v in versions]})
    assert "Versions" not in s3.list_object_versions(Bucket=bucket)
    assert error_of(s3.get_object, Bucket=bucket, Key="a", VersionId="xyz")[0] == "InvalidArgument"


def test_the_bucket_in_the_host(cloud, s3, bucket):
    s3.put_object(Bucket=bucket, Key="a/b", Body=b"x")
    public(s3, bucket, "s3:GetObject", "s3:ListBucket")
    for host in (f"{bucket}.s3.localhost", f"{bucket}.s3.us-east-1.amazonaws.com"):
        assert requests.get(f"{cloud.endpoint}/a/b", headers={"Host": host}).content == b"x"
        assert "<Key>a/b</Key>" in requests.get(f"{cloud.endpoint}/", headers={"Host": host}).text
    missing = requests.get(f"{cloud.endpoint}/{bucket}/none")
    assert missing.status_code == 404 and "<Code>NoSuchKey</Code>" in missing.text and "<Key>none</Key>" in missing.text


def test_times_are_written_as_s3_writes_them(s3, bucket):
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    url = s3.generate_presigned_url("list_objects_v2", Params={"Bucket": bucket})
    text = requests.get(url).text
    assert ".000Z</LastModified>" in text and "<ListBucketResult xmlns=" in text
    assert "<Size>1</Size>" in text and "<StorageClass>STANDARD</StorageClass>" in text


# Multipart uploads


def test_multipart(transport, bucket):
    s3, key = transport, "big"
    upload = s3.create_multipart_upload(Bucket=bucket, Key=key, ContentType="text/x", Metadata={"a": "b"}, Tagging="t=1")
    place = {"Bucket": bucket, "Key": key, "UploadId": upload["UploadId"]}
    bodies = [os.urandom(PART), os.urandom(PART + 1), b"end"]
    parts = []
    for number, body in enumerate(bodies, 1):
        etag = s3.upload_part(**place, PartNumber=number, Body=body)["ETag"]
        assert etag == f'"{hashlib.md5(body).hexdigest()}"'
        parts.append({"PartNumber": number, "ETag": etag})
    listed = s3.list_parts(**place)["Parts"]
    assert [(p["PartNumber"], p["Size"]) for p in listed] == [(1, PART), (2, PART + 1), (3, 3)]
    page = s3.list_parts(**place, MaxParts=1, PartNumberMarker=1)
    assert [p["PartNumber"] for p in page["Parts"]] == [2] and page["IsTruncated"]
    assert [u["Key"] for u in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == [key]
    assert error_of(s3.head_object, Bucket=bucket, Key=key)[2] == 404

    def complete(list_):
        return error_of(s3.complete_multipart_upload, **place, MultipartUpload={"Parts": list_})[0]

    assert complete(parts[::-1]) == "InvalidPartOrder"
    assert complete([{**parts[0], "ETag": '"no"'}]) == "InvalidPart"
    assert complete([parts[0], parts[2], {"PartNumber": 4, "ETag": "x"}]) == "InvalidPart"
    s3.upload_part(**place, PartNumber=4, Body=b"small")
    four = {"PartNumber": 4, "ETag": hashlib.md5(b"small").hexdigest()}
    assert complete([parts[2], four]) == "EntityTooSmall"
    done = s3.complete_multipart_upload(**place, MultipartUpload={"Parts": parts})
    digest = hashlib.md5(b"".join(hashlib.md5(body).digest() for body in bodies)).hexdigest()
    assert done["ETag"] == f'"{digest}-3"' and done["ChecksumType"] == "FULL_OBJECT" and done["ChecksumCRC64NVME"]
    got = s3.get_object(Bucket=bucket, Key=key)
    assert got["Body"].read() == b"".join(bodies) and got["Metadata"] == {"a": "b"} and got["TagCount"] == 1
    got = s3.get_object(Bucket=bucket, Key=key, PartNumber=3)
    assert got["Body"].read() == b"end" and got["PartsCount"] == 3
    got = s3.get_object(Bucket=bucket, Key=key, Range=f"bytes={PART - 2}-{PART + 1}")
    assert got["Body"].read() == bodies[0][-2:] + bodies[1][:2]
    assert error_of(s3.list_parts, **place)[::2] == ("NoSuchUpload", 404)
    copy = s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/{key}")
    assert copy["CopyObjectResult"]["ETag"] == f'"{hashlib.md5(b"".join(bodies)).hexdigest()}"'


def test_multipart_checksums(s3, bucket):
    bodies = [os.urandom(PART), b"end"]
    for kind, algorithm in (("COMPOSITE", "SHA256"), ("COMPOSITE", "CRC32"), ("FULL_OBJECT", "CRC32")):
        upload = s3.create_multipart_upload(
            Bucket=bucket, Key="k", ChecksumAlgorithm=algorithm, ChecksumType=kind)
        place = {"Bucket": bucket, "Key": "k", "UploadId": upload["UploadId"]}
        name, parts = f"Checksum{algorithm}", []
        for number, body in enumerate(bodies, 1):
            part = s3.upload_part(**place, PartNumber=number, Body=body, ChecksumAlgorithm=algorithm)
            parts.append({"PartNumber": number, "ETag": part["ETag"], name: part[name]})
        wrong = [{**parts[0], name: parts[1][name]}, parts[1]]
        assert error_of(s3.complete_multipart_upload, **place, MultipartUpload={"Parts": wrong})[0] == "InvalidPart"
        done = s3.complete_multipart_upload(**place, MultipartUpload={"Parts": parts}, ChecksumType=kind)
        if kind == "FULL_OBJECT":
            assert done[name] == base64.b64encode(zlib.crc32(b"".join(bodies)).to_bytes(4, "big")).decode()
        else:
            assert done[name].endswith("-2")
        shown = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["Checksum", "ObjectParts", "ObjectSize"])
        assert shown["Checksum"][name] == done[name] and shown["Checksum"]["ChecksumType"] == kind
        assert shown["ObjectParts"]["TotalPartsCount"] == 2 and shown["ObjectSize"] == PART + 3
    code, message, _ = error_of(
        s3.create_multipart_upload, Bucket=bucket, Key="k", ChecksumAlgorithm="SHA1", ChecksumType="FULL_OBJECT")
    assert code == "InvalidRequest"


def test_part_copy_and_abort(s3, bucket):
    body = os.urandom(PART + 10)
    s3.put_object(Bucket=bucket, Key="source", Body=body)
    place = {"Bucket": bucket, "Key": "k"}
    place["UploadId"] = s3.create_multipart_upload(**place)["UploadId"]
    copy = {"CopySource": f"{bucket}/source", **place}
    one = s3.upload_part_copy(**copy, PartNumber=1, CopySourceRange=f"bytes=0-{PART - 1}")["CopyPartResult"]
    two = s3.upload_part_copy(**copy, PartNumber=2, CopySourceRange=f"bytes={PART}-{PART + 9}")["CopyPartResult"]
    assert error_of(s3.upload_part_copy, **copy, PartNumber=3, CopySourceRange="bytes=0-99999999")[0] == "InvalidArgument"
    parts = [{"PartNumber": n, "ETag": p["ETag"]} for n, p in enumerate((one, two), 1)]
    s3.complete_multipart_upload(**place, MultipartUpload={"Parts": parts})
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == body
    place["UploadId"] = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    s3.upload_part(**place, PartNumber=1, Body=b"x")
    s3.abort_multipart_upload(**place)
    assert error_of(s3.abort_multipart_upload, **place)[0] == "NoSuchUpload"
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    assert error_of(s3.upload_part, **place, PartNumber=1, Body=b"x")[0] == "NoSuchUpload"
    assert error_of(s3.upload_part, **place, PartNumber=10001, Body=b"x")[0] == "InvalidArgument"


# Tags, policies, settings


def test_tags(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    tags = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": tags})
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == tags
    s3.delete_object_tagging(Bucket=bucket, Key="k")
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []
    assert error_of(s3.put_object_tagging, Bucket=bucket, Key="k", Tagging={"TagSet": tags[:1] * 2})[0] == "InvalidTag"
    assert error_of(s3.get_object_tagging, Bucket=bucket, Key="none")[0] == "NoSuchKey"
    assert error_of(s3.get_bucket_tagging, Bucket=bucket)[::2] == ("NoSuchTagSet", 404)
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == tags
    s3.delete_bucket_tagging(Bucket=bucket)
    assert error_of(s3.get_bucket_tagging, Bucket=bucket)[0] == "NoSuchTagSet"


def test_settings_that_tools_read(s3, bucket):
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    rule = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    grants = s3.get_bucket_acl(Bucket=bucket)["Grants"]
    assert [(g["Permission"], g["Grantee"]["Type"]) for g in grants] == [("FULL_CONTROL", "CanonicalUser")]
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=bucket)
    assert "QueueConfigurations" not in s3.get_bucket_notification_configuration(Bucket=bucket)
    rules = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
    assert rules == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    assert all(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())
    s3.delete_public_access_block(Bucket=bucket)
    for call, code in (
        (s3.get_bucket_cors, "NoSuchCORSConfiguration"), (s3.get_bucket_website, "NoSuchWebsiteConfiguration"),
        (s3.get_bucket_lifecycle_configuration, "NoSuchLifecycleConfiguration"),
        (s3.get_bucket_replication, "ReplicationConfigurationNotFoundError"),
        (s3.get_object_lock_configuration, "ObjectLockConfigurationNotFoundError"),
        (s3.get_public_access_block, "NoSuchPublicAccessBlockConfiguration"),
        (s3.get_bucket_policy, "NoSuchBucketPolicy"), (s3.get_bucket_policy_status, "NoSuchBucketPolicy"),
    ):
        assert error_of(call, Bucket=bucket)[::2] == (code, 404)
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    s3.put_bucket_ownership_controls(
        Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]})
    writer = {"Bucket": bucket, "OwnershipControls": {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}}
    s3.put_bucket_ownership_controls(**writer)
    for call in (s3.delete_bucket_cors, s3.delete_bucket_website, s3.delete_bucket_lifecycle, s3.delete_bucket_replication):
        assert call(Bucket=bucket)["ResponseMetadata"]["HTTPStatusCode"] == 204


def test_public_policies(s3, cloud, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    anonymous = cloud.client("s3", signature_version=UNSIGNED)
    assert error_of(anonymous.get_object, Bucket=bucket, Key="k")[::2] == ("AccessDenied", 403)
    assert error_of(anonymous.delete_objects, Bucket="no-such-bucket-here", Delete={"Objects": [{"Key": "k"}]})[0] == "NoSuchBucket"
    errors = anonymous.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k"}]})["Errors"]
    assert [error["Code"] for error in errors] == ["AccessDenied"]
    document = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}]}
    code, message, _ = error_of(s3.put_bucket_policy, Bucket=bucket, Policy=json.dumps(document))
    assert code == "AccessDenied" and "BlockPublicPolicy" in message
    public(s3, bucket, "s3:GetObject")
    assert anonymous.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    # Who may not list does not hear what is missing.
    assert error_of(anonymous.get_object, Bucket=bucket, Key="none")[::2] == ("AccessDenied", 403)
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"]
    everything = dict.fromkeys(["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"], True)
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=everything)
    assert error_of(anonymous.get_object, Bucket=bucket, Key="k")[0] == "AccessDenied"
    s3.delete_bucket_policy(Bucket=bucket)
    document["Statement"][0]["Resource"] = "arn:aws:s3:::another/*"
    assert error_of(s3.put_bucket_policy, Bucket=bucket, Policy=json.dumps(document))[0] == "MalformedPolicy"


def test_users_need_permissions(s3, user, bucket):
    arn = f"arn:aws:s3:::{bucket}"
    mine = user(
        "reader",
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{arn}/home/*"},
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": arn,
         "Condition": {"StringLike": {"s3:prefix": "home/*"}}})("s3")
    s3.put_object(Bucket=bucket, Key="home/a", Body=b"x")
    assert mine.get_object(Bucket=bucket, Key="home/a")["Body"].read() == b"x"
    assert mine.list_objects_v2(Bucket=bucket, Prefix="home/")["KeyCount"] == 1
    code, message, status = error_of(mine.list_objects_v2, Bucket=bucket)
    assert (code, status) == ("AccessDenied", 403) and "s3:ListBucket" in message
    assert error_of(mine.put_object, Bucket=bucket, Key="home/a", Body=b"y")[0] == "AccessDenied"
    assert error_of(mine.copy_object, Bucket=bucket, Key="home/b", CopySource=f"{bucket}/home/a")[0] == "AccessDenied"
    denied = mine.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "home/a"}]})["Errors"]
    assert [(error["Key"], error["Code"]) for error in denied] == [("home/a", "AccessDenied")]


def test_another_account(s3, cloud, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    other = cloud.client("s3", key="888888888888")
    assert error_of(other.get_object, Bucket=bucket, Key="k")[0] == "AccessDenied"
    statement = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::888888888888:root"},
                 "Action": ["s3:GetObject", "s3:PutObject"], "Resource": f"arn:aws:s3:::{bucket}/*"}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    assert other.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    assert error_of(other.get_object, Bucket=bucket, Key="k", ExpectedBucketOwner="888888888888")[0] == "AccessDenied"


# Presigned URLs, crashes, the CLI


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_presigned(user, cloud, s3, bucket, version):
    arn = f"arn:aws:s3:::{bucket}/*"
    signer = user("signer", {"Effect": "Allow", "Action": ["s3:PutObject", "s3:GetObject"], "Resource": arn})(
        "s3", signature_version=version)
    place = {"Bucket": bucket, "Key": "ä b/c+d"}
    assert requests.put(signer.generate_presigned_url("put_object", Params=place), data=b"hello").status_code == 200
    url = signer.generate_presigned_url("get_object", Params={**place, "ResponseContentType": "text/x"})
    answer = requests.get(url)
    assert (answer.content, answer.headers["Content-Type"]) == (b"hello", "text/x")
    assert requests.get(url[:-3] + "abc").status_code == 403


def test_a_wrong_body_leaves_nothing(s3, bucket):
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k", "ContentMD5": "1B2M2Y8AsgTpgAmY7PhCfg=="})
    answer = requests.put(url, data=os.urandom(200_000), headers={"Content-MD5": "1B2M2Y8AsgTpgAmY7PhCfg=="})
    assert answer.status_code == 400 and "BadDigest" in answer.text
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_a_crash_loses_nothing(start, tmp_path):
    cloud = start()
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="crash-bucket")
    bodies = {f"k{number}": os.urandom(1 << (8 + 2 * number)) for number in range(7)}
    for key, body in bodies.items():
        s3.put_object(Bucket="crash-bucket", Key=key, Body=body)
        s3.put_object(Bucket="crash-bucket", Key=key, Body=body)
    s3.delete_object(Bucket="crash-bucket", Key="k6")
    cloud.kill()
    cloud.restart()
    s3 = cloud.client("s3")
    for key, body in list(bodies.items())[:6]:
        assert s3.get_object(Bucket="crash-bucket", Key=key)["Body"].read() == body


def test_cli(cloud, account, tmp_path):
    command = os.path.join(os.path.dirname(sys.executable), "aws")
    if not os.path.exists(command):
        pytest.skip("the AWS CLI is not installed")
    environment = {**clean_environment(), "AWS_ACCESS_KEY_ID": account, "AWS_SECRET_ACCESS_KEY": "x",
                   "AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": cloud.endpoint}

    def aws(*arguments):
        done = subprocess.run([command, "s3", *arguments], env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    folder = tmp_path / "site"
    (folder / "sub").mkdir(parents=True)
    (folder / "index.html").write_text("<html>")
    (folder / "sub" / "x.txt").write_text("x")
    (folder / "big").write_bytes(os.urandom(20 * 1024 * 1024))
    # S3 knows whole seconds: what was written in the same one would be taken for newer.
    for path in folder.rglob("*"):
        os.utime(path, (time.time() - 60, time.time() - 60))
    where = f"s3://cli-{account}"
    aws("mb", where)
    aws("sync", str(folder), f"{where}/site")
    assert "PRE sub/" in aws("ls", f"{where}/site/")
    aws("cp", f"{where}/site/big", str(tmp_path / "big"))
    assert (tmp_path / "big").read_bytes() == (folder / "big").read_bytes()
    assert aws("sync", str(folder), f"{where}/site") == ""
    aws("mv", f"{where}/site/index.html", f"{where}/site/home.html")
    url = aws("presign", f"{where}/site/home.html").strip()
    answer = requests.get(url)
    assert answer.text == "<html>" and answer.headers["Content-Type"] == "text/html"
    aws("rm", where, "--recursive")
    aws("rb", where)
