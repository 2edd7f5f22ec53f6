"""Directory buckets (S3 Express One Zone), through clients that open their sessions themselves and through raw requests."""

import base64
import concurrent.futures
import datetime
import json
import os
import random
import socket
import subprocess
import zlib

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.config
import botocore.credentials
import botocore.exceptions
import pytest
import requests

from conftest import ROOT, error_of, wait_for

ZONE = "use1-az4"


def configuration(zone=ZONE, kind="AvailabilityZone", redundancy="SingleAvailabilityZone"):
    return {"Location": {"Type": kind, "Name": zone}, "Bucket": {"Type": "Directory", "DataRedundancy": redundancy}}


@pytest.fixture
def name(account):
    """The name of a directory bucket that no other test uses."""
    return f"d{account}--{ZONE}--x-s3"


@pytest.fixture
def s3(boto):
    return boto("s3")


@pytest.fixture
def bucket(s3, name):
    s3.create_bucket(Bucket=name, CreateBucketConfiguration=configuration())
    return name


def arn(account, name, region="us-east-1"):
    return f"arn:aws:s3express:{region}:{account}:bucket/{name}"


def send(cloud, method, path, key, secret, token=None, body=b"", headers=None, host=None, region="us-east-1"):
    """A request that is signed for S3 Express; with a token, as of a session."""
    headers = dict(headers or {})
    if token:
        headers["x-amz-s3session-token"] = token
    if host:
        headers["Host"] = host
    request = botocore.awsrequest.AWSRequest(method, cloud.endpoint + path, data=body, headers=headers)
    credentials = botocore.credentials.Credentials(key, secret)
    botocore.auth.S3SigV4Auth(credentials, "s3express", region).add_auth(request)
    return requests.request(method, cloud.endpoint + path, data=body, headers=dict(request.headers))


def code_of(response):
    return response.text.split("<Code>")[1].split("</Code>")[0] if "<Code>" in response.text else ""


def test_a_bucket_comes_and_goes(s3, name, account):
    made = s3.create_bucket(Bucket=name, CreateBucketConfiguration=configuration())
    assert made["Location"] == f"https://{name}.s3express-{ZONE}.us-east-1.amazonaws.com/"
    assert made["BucketArn"] == arn(account, name)
    head = s3.head_bucket(Bucket=name)
    assert head["BucketLocationType"] == "AvailabilityZone" and head["BucketLocationName"] == ZONE
    assert head["BucketRegion"] == "us-east-1" and head["AccessPointAlias"] is False
    assert head["BucketArn"] == arn(account, name)
    again = dict(Bucket=name, CreateBucketConfiguration=configuration())
    assert error_of(s3.create_bucket, **again)[::2] == ("BucketAlreadyOwnedByYou", 409)
    assert [one["Name"] for one in s3.list_buckets()["Buckets"]] == []
    s3.put_object(Bucket=name, Key="k", Body=b"x")
    assert error_of(s3.delete_bucket, Bucket=name)[::2] == ("BucketNotEmpty", 409)
    s3.delete_object(Bucket=name, Key="k")
    upload = s3.create_multipart_upload(Bucket=name, Key="k")["UploadId"]
    assert error_of(s3.delete_bucket, Bucket=name)[0] == "BucketNotEmpty"
    s3.abort_multipart_upload(Bucket=name, Key="k", UploadId=upload)
    s3.delete_bucket(Bucket=name)
    assert error_of(s3.head_bucket, Bucket=name)[0] == "404"
    assert error_of(s3.put_object, Bucket=name, Key="k", Body=b"")[0] == "NoSuchBucket"
    s3.create_bucket(**again)


def test_a_name_belongs_to_one_account(cloud, bucket):
    other = cloud.client("s3", key="999999999999")
    response = send(
        cloud, "PUT", f"/{bucket}", "999999999999", "x",
        body=b"<CreateBucketConfiguration><Location><Type>AvailabilityZone</Type><Name>use1-az4</Name></Location>"
        b"<Bucket><Type>Directory</Type><DataRedundancy>SingleAvailabilityZone</DataRedundancy></Bucket>"
        b"</CreateBucketConfiguration>",
    )
    assert (response.status_code, code_of(response)) == (409, "BucketAlreadyExists")
    assert error_of(other.get_object, Bucket=bucket, Key="k")[::2] == ("AccessDenied", 403)


def test_names_and_locations(cloud, boto, account):
    s3 = boto("s3")

    def code(name, **change):
        given = configuration()
        for part, values in change.items():
            given[part] = {**given.get(part, {}), **values} if isinstance(values, dict) else values
        return error_of(s3.create_bucket, Bucket=name, CreateBucketConfiguration=given)[0]

    good = f"n{account}--{ZONE}--x-s3"
    for bad in (f"n{account}--usw2-az1--x-s3", f"N{account}--{ZONE}--x-s3", f"n.{account}--{ZONE}--x-s3", f"n{account}--x-s3"):
        response = send(cloud, "PUT", f"/{bad}", account, "x", body=b"""<CreateBucketConfiguration>
            <Location><Type>AvailabilityZone</Type><Name>use1-az4</Name></Location><Bucket><Type>Directory</Type>
            <DataRedundancy>SingleAvailabilityZone</DataRedundancy></Bucket></CreateBucketConfiguration>""")
        assert (response.status_code, code_of(response)) == (400, "InvalidBucketName"), bad
    assert code(good, Location={"Name": "use1-az5"}) == "InvalidBucketName"
    assert code(good, Location={"Type": "LocalZone"}) == "InvalidRequest"
    assert code(good, Bucket={"DataRedundancy": "SingleLocalZone"}) == "InvalidRequest"
    assert code(good, LocationConstraint="us-west-2") == "MalformedXML"
    assert error_of(s3.create_bucket, Bucket=good)[0] == "MalformedXML"
    given = dict(Bucket=good, CreateBucketConfiguration=configuration())
    assert error_of(s3.create_bucket, ACL="private", **given)[::2] == ("NotImplemented", 501)
    plain = dict(Bucket=f"n{account}", CreateBucketConfiguration=configuration())
    assert error_of(s3.create_bucket, **plain)[0] == "InvalidBucketName"
    assert s3.list_directory_buckets()["Buckets"] == []
    west = boto("s3", region="us-west-2")
    local = f"n{account}--usw2-lax1-az1--x-s3"
    west.create_bucket(Bucket=local, CreateBucketConfiguration=configuration("usw2-lax1-az1", "LocalZone", "SingleLocalZone"))
    head = west.head_bucket(Bucket=local)
    assert (head["BucketLocationType"], head["BucketLocationName"]) == ("LocalZone", "usw2-lax1-az1")
    west.put_object(Bucket=local, Key="k", Body=b"x")
    assert west.head_object(Bucket=local, Key="k")["StorageClass"] == "ONEZONE_IA"
    assert error_of(s3.head_object, Bucket=local, Key="k")[0] in ("404", "NoSuchBucket")


def test_lists_of_buckets(boto, account):
    s3 = boto("s3")
    names = [f"l{number}-{account}--{ZONE}--x-s3" for number in range(3)]
    for one in names:
        s3.create_bucket(Bucket=one, CreateBucketConfiguration=configuration())
    s3.create_bucket(Bucket=f"plain-{account}")
    whole = s3.list_directory_buckets()
    assert [one["Name"] for one in whole["Buckets"]] == names and "ContinuationToken" not in whole
    assert whole["Buckets"][0]["BucketArn"] == arn(account, names[0]) and whole["Buckets"][0]["CreationDate"]
    first = s3.list_directory_buckets(MaxDirectoryBuckets=2)
    assert [one["Name"] for one in first["Buckets"]] == names[:2]
    rest = s3.list_directory_buckets(ContinuationToken=first["ContinuationToken"])
    assert [one["Name"] for one in rest["Buckets"]] == names[2:] and "ContinuationToken" not in rest
    assert [one["Name"] for one in s3.list_buckets()["Buckets"]] == [f"plain-{account}"]
    assert boto("s3", region="us-west-2").list_directory_buckets()["Buckets"] == []
    pages = s3.get_paginator("list_directory_buckets").paginate(PaginationConfig={"PageSize": 1})
    assert [one["Name"] for page in pages for one in page["Buckets"]] == names


def test_objects(s3, bucket):
    put = s3.put_object(Bucket=bucket, Key="a/b", Body=b"hello", Metadata={"m": "1"}, ContentType="text/plain")
    assert put["ETag"].strip('"') != "5d41402abc4b2a76b9719d911017c592" and len(put["ETag"]) == 34
    assert put["ServerSideEncryption"] == "AES256" and put["ChecksumCRC32"] == base64.b64encode(
        zlib.crc32(b"hello").to_bytes(4, "big")
    ).decode()
    got = s3.get_object(Bucket=bucket, Key="a/b")
    assert got["Body"].read() == b"hello" and got["StorageClass"] == "EXPRESS_ONEZONE" and got["Metadata"] == {"m": "1"}
    assert got["ETag"] == put["ETag"] and "VersionId" not in got
    assert s3.get_object(Bucket=bucket, Key="a/b", Range="bytes=1-2")["Body"].read() == b"el"
    head = s3.head_object(Bucket=bucket, Key="a/b", ChecksumMode="ENABLED")
    assert head["ChecksumType"] == "FULL_OBJECT" and head["ContentLength"] == 5
    attributes = s3.get_object_attributes(
        Bucket=bucket, Key="a/b", ObjectAttributes=["ETag", "Checksum", "StorageClass", "ObjectSize"]
    )
    assert attributes["StorageClass"] == "EXPRESS_ONEZONE" and attributes["ObjectSize"] == 5
    assert s3.get_object(Bucket=bucket, Key="a/b", VersionId="null")["Body"].read() == b"hello"
    assert error_of(s3.get_object, Bucket=bucket, Key="a/b", VersionId="x" * 32)[0] == "InvalidArgument"
    assert error_of(s3.get_object, Bucket=bucket, Key="none")[0] == "NoSuchKey"
    assert error_of(s3.put_object, Bucket=bucket, Key="a/b", Body=b"", IfNoneMatch="*")[::2] == ("PreconditionFailed", 412)
    assert error_of(s3.delete_object, Bucket=bucket, Key="a/b", IfMatch='"x"')[0] == "PreconditionFailed"
    s3.delete_object(Bucket=bucket, Key="a/b", IfMatch=put["ETag"], IfMatchSize=5)
    s3.put_object(Bucket=bucket, Key="x", Body=b"")
    gone = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "x"}, {"Key": "y"}]})
    assert sorted(one["Key"] for one in gone["Deleted"]) == ["x", "y"]
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_what_objects_do_not_have(s3, bucket):
    put = dict(Bucket=bucket, Key="k", Body=b"x")
    for refused in (
        {"ACL": "private"},
        {"Tagging": "a=b"},
        {"GrantRead": "id=x"},
        {"ObjectLockLegalHoldStatus": "ON"},
        {"WebsiteRedirectLocation": "/x"},
        {"ContentMD5": "nk7Dv0/ECUDwR/Cwri4DIw=="},
        {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32},
        {"ServerSideEncryption": "aws:kms:dsse"},
    ):
        code, message, status = error_of(s3.put_object, **put, **refused)
        assert (code, status) == ("NotImplemented", 501), refused
    assert "This bucket does not support Content Md5 header" in error_of(
        s3.put_object, ContentMD5="nk7Dv0/ECUDwR/Cwri4DIw==", **put
    )[1]
    assert error_of(s3.put_object, StorageClass="STANDARD", **put)[::2] == ("InvalidStorageClass", 400)
    s3.put_object(StorageClass="EXPRESS_ONEZONE", **put)
    for operation, more in (
        ("get_object_tagging", {}),
        ("put_object_tagging", {"Tagging": {"TagSet": []}}),
        ("get_object_acl", {}),
        ("get_object_legal_hold", {}),
        ("get_object_retention", {}),
    ):
        assert error_of(getattr(s3, operation), Bucket=bucket, Key="k", **more)[::2] == ("NotImplemented", 501), operation


def test_what_buckets_do_not_have(s3, bucket):
    code, message, status = error_of(
        s3.put_bucket_versioning, Bucket=bucket, VersioningConfiguration={"Status": "Enabled"}
    )
    assert (code, status) == ("InvalidArgument", 400)
    assert message == "VersioningConfiguration is not valid, expected CreateBucketConfiguration"
    tags = {"TagSet": [{"Key": "a", "Value": "b"}]}
    assert "Tagging is not valid, expected" in error_of(s3.put_bucket_tagging, Bucket=bucket, Tagging=tags)[1]
    for operation in (
        "get_bucket_versioning",
        "get_bucket_tagging",
        "get_bucket_acl",
        "get_bucket_cors",
        "get_bucket_location",
        "get_bucket_website",
        "get_bucket_notification_configuration",
        "get_object_lock_configuration",
        "get_public_access_block",
        "get_bucket_ownership_controls",
        "get_bucket_request_payment",
        "get_bucket_logging",
        "get_bucket_replication",
        "delete_bucket_cors",
        "delete_bucket_tagging",
        "delete_bucket_website",
        "delete_public_access_block",
    ):
        assert error_of(getattr(s3, operation), Bucket=bucket)[::2] == ("MethodNotAllowed", 405), operation
    assert error_of(s3.list_objects, Bucket=bucket)[0] == "NotSupported"
    assert error_of(s3.list_object_versions, Bucket=bucket)[::2] == ("NotImplemented", 501)


def test_listings(s3, bucket):
    for key in ("a/1", "a/2", "b/c/1", "top"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="under-way/x")
    page = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    assert sorted(one["Prefix"] for one in page["CommonPrefixes"]) == ["a/", "b/", "under-way/"]
    assert [one["Key"] for one in page["Contents"]] == ["top"] and page["KeyCount"] == 4
    assert page["Contents"][0]["StorageClass"] == "EXPRESS_ONEZONE"
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=bucket, Prefix="a/")["Contents"]] == ["a/1", "a/2"]
    code, message, status = error_of(s3.list_objects_v2, Bucket=bucket, Prefix="a")
    assert (code, status) == ("InvalidRequest", 400)
    assert message.startswith("This bucket does not support a prefix that does not end in a delimiter.")
    assert error_of(s3.list_objects_v2, Bucket=bucket, Delimiter="-")[0] == "InvalidRequest"
    assert error_of(s3.list_objects_v2, Bucket=bucket, StartAfter="a")[0] == "NotImplemented"
    found, token = [], {}
    while True:
        page = s3.list_objects_v2(Bucket=bucket, Delimiter="/", MaxKeys=1, **token)
        found += [one["Prefix"] for one in page.get("CommonPrefixes", [])]
        found += [one["Key"] for one in page.get("Contents", [])]
        assert page["KeyCount"] == 1
        if not page["IsTruncated"]:
            break
        token = {"ContinuationToken": page["NextContinuationToken"]}
    assert sorted(found) == ["a/", "b/", "top", "under-way/"]
    s3.abort_multipart_upload(Bucket=bucket, Key="under-way/x", UploadId=upload["UploadId"])
    assert len(s3.list_objects_v2(Bucket=bucket, Delimiter="/")["CommonPrefixes"]) == 2


def test_multipart_uploads(s3, bucket):
    created = s3.create_multipart_upload(Bucket=bucket, Key="big", ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
    name = dict(Bucket=bucket, Key="big", UploadId=created["UploadId"])
    bodies = [b"a" * 5_242_880, b"b" * 100]
    parts = []
    for number, body in enumerate(bodies, 1):
        part = s3.upload_part(PartNumber=number, Body=body, ChecksumAlgorithm="CRC32", **name)
        parts.append({"PartNumber": number, "ETag": part["ETag"], "ChecksumCRC32": part["ChecksumCRC32"]})
    listed = s3.list_parts(**name)
    assert [one["Size"] for one in listed["Parts"]] == [5_242_880, 100] and listed["StorageClass"] == "EXPRESS_ONEZONE"
    gap = [parts[0], {**parts[1], "PartNumber": 3}]
    assert error_of(s3.complete_multipart_upload, MultipartUpload={"Parts": gap}, **name)[2] == 400
    assert error_of(s3.complete_multipart_upload, MultipartUpload={"Parts": parts[1:]}, **name)[0] == "InvalidPartOrder"
    done = s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **name)
    whole = b"".join(bodies)
    assert done["ChecksumCRC32"] == base64.b64encode(zlib.crc32(whole).to_bytes(4, "big")).decode()
    assert s3.get_object(Bucket=bucket, Key="big")["Body"].read() == whole
    assert s3.get_object(Bucket=bucket, Key="big", PartNumber=2)["Body"].read() == bodies[1]
    for key in ("x/1", "x/2", "y"):
        s3.create_multipart_upload(Bucket=bucket, Key=key)
    assert error_of(s3.list_multipart_uploads, Bucket=bucket, Prefix="x")[0] == "InvalidRequest"
    found, marker = [], {}
    while True:
        page = s3.list_multipart_uploads(Bucket=bucket, MaxUploads=1, **marker)
        found += [one["Key"] for one in page["Uploads"]]
        if not page["IsTruncated"]:
            break
        assert "NextUploadIdMarker" not in page and page["NextKeyMarker"] != found[-1]
        marker = {"KeyMarker": page["NextKeyMarker"]}
    assert sorted(found) == ["x/1", "x/2", "y"]
    assert error_of(s3.list_multipart_uploads, Bucket=bucket, KeyMarker="y")[0] == "InvalidArgument"


def test_copies(s3, bucket, account):
    s3.create_bucket(Bucket=f"plain-{account}")
    plain = f"plain-{account}"
    s3.put_object(Bucket=plain, Key="k", Body=b"hello")
    s3.put_object(Bucket=plain, Key="tagged", Body=b"hello", Tagging="a=b")
    s3.copy_object(Bucket=bucket, Key="in", CopySource=f"{plain}/k")
    got = s3.get_object(Bucket=bucket, Key="in")
    assert got["Body"].read() == b"hello" and got["StorageClass"] == "EXPRESS_ONEZONE"
    s3.copy_object(Bucket=bucket, Key="in2", CopySource=f"{bucket}/in")
    out = s3.copy_object(Bucket=plain, Key="out", CopySource=f"{bucket}/in2")
    assert out["CopyObjectResult"]["ETag"] == '"5d41402abc4b2a76b9719d911017c592"'
    assert "StorageClass" not in s3.get_object(Bucket=plain, Key="out")
    tagged = dict(Bucket=bucket, Key="t", CopySource=f"{plain}/tagged")
    assert error_of(s3.copy_object, **tagged)[::2] == ("NotImplemented", 501)
    assert error_of(s3.copy_object, TaggingDirective="REPLACE", Tagging="x=y", **tagged)[0] == "NotImplemented"
    s3.copy_object(TaggingDirective="REPLACE", **tagged)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts")["UploadId"]
    name = dict(Bucket=bucket, Key="parts", UploadId=upload)
    part = s3.upload_part_copy(PartNumber=1, CopySource=f"{plain}/k", CopySourceRange="bytes=1-3", **name)
    parts = [{"PartNumber": 1, "ETag": part["CopyPartResult"]["ETag"]}]
    s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **name)
    assert s3.get_object(Bucket=bucket, Key="parts")["Body"].read() == b"ell"


def test_appending(s3, bucket, account):
    put = lambda offset, body, **more: s3.put_object(
        Bucket=bucket, Key="log", Body=body, WriteOffsetBytes=offset, **more
    )
    assert error_of(put, 3, b"x")[::2] == ("InvalidWriteOffset", 400)
    first = put(0, b"one", Metadata={"m": "1"})
    assert first["Size"] == 3
    second = put(3, b"-two")
    assert second["Size"] == 7 and second["ETag"] != first["ETag"] and second["ChecksumType"] == "FULL_OBJECT"
    assert second["ChecksumCRC32"] == base64.b64encode(zlib.crc32(b"one-two").to_bytes(4, "big")).decode()
    big = os.urandom(100_000)
    put(7, big)
    put(100_007, b"end")
    put(100_010, b"!")
    got = s3.get_object(Bucket=bucket, Key="log", ChecksumMode="ENABLED")
    assert got["Body"].read() == b"one-two" + big + b"end!" and got["Metadata"] == {"m": "1"}
    for wrong in (0, 3, 100_012):
        code, message, status = error_of(put, wrong, b"x")
        assert (code, status) == ("InvalidWriteOffset", 400)
        assert message == "The write offset value that you specified does not match the current object size."
    assert error_of(put, 100_011, b"x", IfMatch='"x"')[0] == "PreconditionFailed"
    assert error_of(put, 100_011, b"x", Metadata={"a": "b"})[1].startswith("Cannot specify both a write offset value")
    assert error_of(put, 100_011, b"")[1] == "Request body cannot be empty when 'write offset' is specified."
    mismatch = error_of(put, 100_011, b"x", ChecksumAlgorithm="SHA1")
    assert mismatch[0] == "InvalidRequest"
    assert mismatch[1] == "Checksum Type mismatch occurred, expected checksum Type: crc32, actual checksum Type: sha1"
    assert s3.head_object(Bucket=bucket, Key="log")["ContentLength"] == 100_011
    s3.create_bucket(Bucket=f"plain-{account}")
    elsewhere = dict(Bucket=f"plain-{account}", Key="k", Body=b"x", WriteOffsetBytes=0)
    assert error_of(s3.put_object, **elsewhere)[0] == "NotImplemented"


def test_appending_to_what_sums_of_parts_describe(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"one", ChecksumAlgorithm="SHA256")
    more = s3.put_object(Bucket=bucket, Key="k", Body=b"two", ChecksumAlgorithm="SHA256", WriteOffsetBytes=3)
    assert more["ChecksumType"] == "COMPOSITE" and more["ChecksumSHA256"].endswith("-2")
    for number in range(50):
        s3.put_object(
            Bucket=bucket, Key="k", Body=b"x", ChecksumAlgorithm="SHA256", WriteOffsetBytes=6 + number
        )
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"onetwo" + b"x" * 50


def test_renaming(s3, bucket, account):
    put = s3.put_object(Bucket=bucket, Key="from", Body=b"x" * 100_000, Metadata={"m": "1"})
    modified = s3.head_object(Bucket=bucket, Key="from")["LastModified"]
    rename = lambda key, source, **more: s3.rename_object(
        Bucket=bucket, Key=key, RenameSource=f"/{bucket}/{source}", **more
    )
    assert error_of(rename, "to", "none")[::2] == ("NoSuchKey", 404)
    assert error_of(rename, "to", "from", SourceIfMatch='"x"')[::2] == ("PreconditionFailed", 412)
    assert error_of(rename, "to", "from", SourceIfNoneMatch="*")[0] == "PreconditionFailed"
    rename("dir/to", "from", SourceIfMatch=put["ETag"])
    got = s3.get_object(Bucket=bucket, Key="dir/to")
    assert got["Body"].read() == b"x" * 100_000 and got["Metadata"] == {"m": "1"} and got["ETag"] == put["ETag"]
    assert got["LastModified"] == modified
    assert error_of(s3.head_object, Bucket=bucket, Key="from")[0] == "404"
    other = s3.put_object(Bucket=bucket, Key="other", Body=b"other")
    assert error_of(rename, "dir/to", "other", DestinationIfNoneMatch="*")[0] == "PreconditionFailed"
    assert error_of(rename, "dir/to", "other", DestinationIfMatch='"x"')[0] == "PreconditionFailed"
    assert error_of(rename, "other", "other")[0] == "InvalidRequest"
    assert error_of(rename, "dir/", "other")[0] == "InvalidRequest"
    nothing = dict(Bucket=bucket, Key="k", RenameSource="other")
    assert error_of(s3.rename_object, **nothing)[:2] == (
        "InvalidArgument",
        "Rename Source must mention the source bucket and key: sourcebucket/sourcekey",
    )
    elsewhere = dict(Bucket=bucket, Key="k", RenameSource="/elsewhere--use1-az4--x-s3/k")
    assert error_of(s3.rename_object, **elsewhere)[0] == "InvalidRequest"
    s3.create_bucket(Bucket=f"plain-{account}")
    s3.put_object(Bucket=f"plain-{account}", Key="from", Body=b"x")
    plain = dict(Bucket=f"plain-{account}", Key="to", RenameSource=f"plain-{account}/from")
    assert error_of(s3.rename_object, **plain)[::2] == ("NotImplemented", 501)
    rename("dir/to", "other", DestinationIfMatch=put["ETag"], ClientToken="token-1")
    assert s3.get_object(Bucket=bucket, Key="dir/to")["Body"].read() == b"other"
    rename("dir/to", "other", DestinationIfMatch=put["ETag"], ClientToken="token-1")
    code, message, status = error_of(rename, "dir/elsewhere", "other", ClientToken="token-1")
    assert (code, status) == ("IdempotencyParameterMismatch", 400)
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["dir/to"]
    assert other["ETag"] == s3.head_object(Bucket=bucket, Key="dir/to")["ETag"]


def test_settings_of_buckets(s3, boto, bucket, account):
    rule = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    encrypt = lambda **default: s3.put_bucket_encryption(
        Bucket=bucket,
        ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": default}]},
    )
    encrypt(SSEAlgorithm="AES256")
    assert error_of(encrypt, SSEAlgorithm="aws:kms")[0] == "InvalidRequest"
    missing = "11111111-2222-3333-4444-555555555555"
    assert error_of(encrypt, SSEAlgorithm="aws:kms", KMSMasterKeyID=missing)[0] == "KMS.NotFoundException"
    s3.delete_bucket_encryption(Bucket=bucket)
    keep = lambda **rule: s3.put_bucket_lifecycle_configuration(
        Bucket=bucket,
        LifecycleConfiguration={"Rules": [{"ID": "r", "Status": "Enabled", "Filter": {"Prefix": "a/"}, **rule}]},
    )
    assert "TransitionDefaultMinimumObjectSize" not in keep(
        Expiration={"Days": 1}, AbortIncompleteMultipartUpload={"DaysAfterInitiation": 2}
    )
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"][0]["Expiration"] == {"Days": 1}
    assert error_of(keep, Transitions=[{"Days": 30, "StorageClass": "GLACIER"}])[0] == "InvalidRequest"
    assert error_of(keep, Expiration={"Days": 1}, Filter={"Tag": {"Key": "a", "Value": "b"}})[0] == "InvalidRequest"
    s3.delete_bucket_lifecycle(Bucket=bucket)
    assert error_of(s3.get_bucket_policy, Bucket=bucket)[0] == "NoSuchBucketPolicy"
    owner = dict(Bucket=bucket, ExpectedBucketOwner=account)
    for operation in ("get_bucket_policy", "delete_bucket_policy", "get_bucket_encryption", "delete_bucket_encryption"):
        assert error_of(getattr(s3, operation), **owner)[::2] == ("NotImplemented", 501), operation
    s3.head_bucket(**owner)


def test_lifecycle_rules_act(start, advance):
    cloud = start(state=False)
    key = "123456789012"
    s3, bucket = cloud.client("s3", key=key), f"life--{ZONE}--x-s3"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=configuration())
    s3.put_object(Bucket=bucket, Key="a/old", Body=b"x")
    s3.put_object(Bucket=bucket, Key="kept", Body=b"x")
    rules = [{"ID": "r", "Status": "Enabled", "Filter": {"Prefix": "a/"}, "Expiration": {"Days": 1}}]
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})
    advance(cloud, 3 * 86_400)

    def keys():
        response = send(cloud, "GET", f"/{bucket}?list-type=2", key, "x")
        return [part.split("</Key>")[0] for part in response.text.split("<Key>")[1:]]

    wait_for(lambda: keys() == ["kept"], "the object's removal")


def test_sessions(cloud, s3, bucket, account):
    session = s3.create_session(Bucket=bucket)["Credentials"]
    left = (session["Expiration"] - datetime.datetime.now(datetime.timezone.utc)).total_seconds()
    assert 280 < left <= 300
    key, secret, token = session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"]
    assert send(cloud, "PUT", f"/{bucket}/k", key, secret, token, b"x").status_code == 200
    assert send(cloud, "GET", f"/{bucket}/k", key, secret, token).text == "x"
    wrong = send(cloud, "GET", f"/{bucket}/k", key, "wrong", token)
    assert (wrong.status_code, code_of(wrong)) == (403, "SignatureDoesNotMatch")
    wrong = send(cloud, "GET", f"/{bucket}/k", key, secret, "wrong")
    assert (wrong.status_code, code_of(wrong)) == (400, "InvalidToken")
    wrong = send(cloud, "GET", f"/{bucket}/k", "ASIAXXXXXXXXXXXXXXXX", secret, token)
    assert (wrong.status_code, code_of(wrong)) == (403, "InvalidAccessKeyId")
    other = f"other-{account}--{ZONE}--x-s3"
    s3.create_bucket(Bucket=other, CreateBucketConfiguration=configuration())
    wrong = send(cloud, "GET", f"/{other}/k", key, secret, token)
    assert (wrong.status_code, code_of(wrong)) == (403, "AccessDenied")
    s3.create_bucket(Bucket=f"plain-{account}")
    wrong = send(cloud, "GET", f"/plain-{account}/k", key, secret, token)
    assert (wrong.status_code, code_of(wrong)) == (403, "AccessDenied")
    reading = s3.create_session(Bucket=bucket, SessionMode="ReadOnly")["Credentials"]
    key, secret, token = reading["AccessKeyId"], reading["SecretAccessKey"], reading["SessionToken"]
    assert send(cloud, "GET", f"/{bucket}/k", key, secret, token).text == "x"
    assert send(cloud, "GET", f"/{bucket}?list-type=2", key, secret, token).status_code == 200
    for method, path in (("PUT", "k"), ("DELETE", "k"), ("POST", "k?uploads"), ("PUT", "n?renameObject")):
        more = {"x-amz-rename-source": f"{bucket}/k"}
        wrong = send(cloud, method, f"/{bucket}/{path}", key, secret, token, headers=more)
        assert (wrong.status_code, code_of(wrong)) == (403, "AccessDenied"), path
    assert error_of(s3.create_session, Bucket=bucket, SessionMode="Other")[0] == "InvalidArgument"
    # A session is good for its bucket and nothing else, and one that reads changes nothing.
    for method, path in (
        ("GET", "/"), ("GET", "/?x-id=ListDirectoryBuckets"), ("PUT", f"/more-{account}"), ("DELETE", f"/{bucket}"),
        ("DELETE", f"/{other}"), ("GET", f"/{bucket}?session"),
    ):  # fmt: skip
        wrong = send(cloud, method, path, key, secret, token)
        assert (wrong.status_code, code_of(wrong)) == (403, "AccessDenied"), path
    missing = f"missing-{account}--{ZONE}--x-s3"
    assert error_of(s3.create_session, Bucket=missing, SessionMode="ReadOnly")[::2] == ("NoSuchBucket", 404)
    assert error_of(s3.create_session, Bucket=f"missing-{account}--usw2-az1--x-s3")[0] == "NoSuchBucket"
    assert error_of(s3.get_object, Bucket=missing, Key="k")[0] == "NoSuchBucket"
    plain = send(cloud, "GET", f"/plain-{account}?session", account, "x")
    assert (plain.status_code, code_of(plain)) == (405, "MethodNotAllowed")


def test_sessions_end_on_the_clouds_clock(start, advance):
    cloud = start(state=False)
    account = "123456789012"
    bucket = f"ends--{ZONE}--x-s3"
    s3 = cloud.client("s3", key=account)
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=configuration())
    session = s3.create_session(Bucket=bucket)["Credentials"]
    keys = session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"]
    assert send(cloud, "PUT", f"/{bucket}/k", *keys, b"x").status_code == 200
    advance(cloud, 290)
    assert send(cloud, "GET", f"/{bucket}/k", *keys).status_code == 200
    advance(cloud, 11)
    over = send(cloud, "GET", f"/{bucket}/k", *keys)
    assert (over.status_code, code_of(over)) == (400, "ExpiredToken")
    # Opening others sweeps those that are over; their keys are then unknown.
    cloud.client("s3", key=account).create_session(Bucket=bucket)
    assert code_of(send(cloud, "GET", f"/{bucket}/k", *keys)) == "InvalidAccessKeyId"


def statement(*actions, **more):
    return {"Effect": "Allow", "Action": list(actions), "Resource": "*", **more}


def test_who_may(cloud, s3, user, bucket, account):
    nothing = user("nothing", statement("s3:*"))("s3")
    code, message, status = error_of(nothing.create_session, Bucket=bucket)
    assert (code, status) == ("AccessDenied", 403)
    assert message.endswith(
        f"is not authorized to perform: s3express:CreateSession on resource: \"{arn(account, bucket)}\" "
        "because no identity-based policy allows the s3express:CreateSession action"
    )
    assert error_of(nothing.get_object, Bucket=bucket, Key="k")[0] == "AccessDenied"
    assert "s3express:ListAllMyDirectoryBuckets" in error_of(nothing.list_directory_buckets)[1]
    made = f"made-{account}--{ZONE}--x-s3"
    creation = dict(Bucket=made, CreateBucketConfiguration=configuration())
    assert "s3express:CreateBucket" in error_of(nothing.create_bucket, **creation)[1]
    maker = user("maker", statement("s3express:CreateBucket"))("s3")
    maker.create_bucket(**creation)
    assert error_of(maker.put_object, Bucket=made, Key="k", Body=b"x")[0] == "AccessDenied"
    # In a session nothing else is asked, whatever it is that is done.
    writer = user("writer", statement("s3express:CreateSession"))("s3")
    writer.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert writer.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    writer.rename_object(Bucket=bucket, Key="k2", RenameSource=f"{bucket}/k")
    writer.copy_object(Bucket=bucket, Key="k", CopySource=f"{bucket}/k2")
    assert "s3express:DeleteBucket" in error_of(writer.delete_bucket, Bucket=bucket)[1]
    assert "s3express:GetBucketPolicy" in error_of(writer.get_bucket_policy, Bucket=bucket)[1]
    condition = {"Condition": {"StringEquals": {"s3express:SessionMode": "ReadOnly"}}}
    reader = user("reader", statement("s3express:CreateSession", **condition))("s3")
    assert reader.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    assert reader.head_bucket(Bucket=bucket)["BucketLocationName"] == ZONE
    assert error_of(reader.put_object, Bucket=bucket, Key="k", Body=b"y")[0] == "AccessDenied"
    assert error_of(reader.create_session, Bucket=bucket, SessionMode="ReadWrite")[0] == "AccessDenied"
    assert error_of(reader.copy_object, Bucket=bucket, Key="c", CopySource=f"{bucket}/k")[0] == "AccessDenied"


def test_bucket_policies(cloud, s3, user, bucket, account):
    put = lambda *statements: s3.put_bucket_policy(
        Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    )
    allow = {
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::222222222222:root"},
        "Action": "s3express:CreateSession",
        "Resource": arn(account, bucket),
    }
    other = lambda: cloud.client("s3", key="222222222222")
    assert error_of(other().put_object, Bucket=bucket, Key="k", Body=b"x")[::2] == ("AccessDenied", 403)
    put(allow)
    assert json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"] == [allow]
    other().put_object(Bucket=bucket, Key="k", Body=b"x")
    assert other().get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    put({**allow, "Action": "s3express:*"})
    for operation in ("delete_bucket", "get_bucket_policy", "get_bucket_encryption"):
        assert error_of(getattr(other(), operation), Bucket=bucket)[0] == "AccessDenied", operation
    put({**allow, "Condition": {"StringEquals": {"s3express:SessionMode": "ReadOnly"}}})
    assert other().get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    assert error_of(other().put_object, Bucket=bucket, Key="k", Body=b"x")[0] == "AccessDenied"
    assert error_of(put, {**allow, "Action": "s3:GetObject"})[:2] == ("MalformedPolicy", "Policy has invalid action")
    assert error_of(put, {**allow, "Resource": f"arn:aws:s3:::{bucket}"})[1] == "Policy has invalid resource"
    assert error_of(put, {**allow, "Principal": "*"})[0] == "AccessDenied"
    member = user("member", statement("s3express:*"))("s3")
    put({**allow, "Effect": "Deny", "Principal": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}})
    code, message, _ = error_of(member.get_object, Bucket=bucket, Key="k")
    assert code == "AccessDenied" and "with an explicit deny in a resource-based policy" in message
    s3.delete_bucket_policy(Bucket=bucket)
    assert member.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


def test_a_session_of_a_role_that_has_less_than_its_role(cloud, boto, bucket, account):
    iam = boto("iam")
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": account}}
    document = lambda *statements: json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    role = iam.create_role(RoleName="role", AssumeRolePolicyDocument=document(trust))["Role"]["Arn"]
    iam.put_role_policy(RoleName="role", PolicyName="all", PolicyDocument=document(statement("s3express:*")))
    assume = dict(RoleArn=role, RoleSessionName="session", Policy=document(statement("s3express:CreateSession")))
    keys = boto("sts").assume_role(**assume)["Credentials"]
    s3 = cloud.client("s3", keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    # The session of the bucket stands for that of the role, whose own policy still counts.
    code, message, _ = error_of(s3.get_bucket_policy, Bucket=bucket)
    assert code == "AccessDenied" and "session policy allows the s3express:GetBucketPolicy" in message


def test_without_sessions(cloud, bucket, account, user, monkeypatch):
    monkeypatch.setenv("AWS_S3_DISABLE_EXPRESS_SESSION_AUTH", "true")
    s3, sent = cloud.client("s3", key=account), []
    s3.meta.events.register("before-send", lambda request, **_: sent.append(request.url))
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    assert len(sent) == 2 and not any("session" in url for url in sent)
    condition = {"Condition": {"StringEquals": {"s3express:SessionMode": "ReadOnly"}}}
    reader = user("reader", statement("s3express:CreateSession", **condition))("s3")
    assert reader.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    assert error_of(reader.put_object, Bucket=bucket, Key="k", Body=b"y")[0] == "AccessDenied"


def test_addresses(cloud, s3, bucket, account, monkeypatch):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    for host in (
        f"{bucket}.s3express-{ZONE}.us-east-1.amazonaws.com",
        f"{bucket}.localhost:{cloud.port}",
        f"{bucket}.s3.localhost:{cloud.port}",
    ):
        assert send(cloud, "GET", "/k", account, "x", host=host).text == "x", host
    control = "s3express-control.us-east-1.amazonaws.com"
    assert f"<Name>{bucket}</Name>" in send(cloud, "GET", "/", account, "x", host=control).text
    assert send(cloud, "GET", f"/{bucket}?encryption", account, "x", host=control).status_code == 200
    # Not every machine knows the names below localhost.
    known = socket.getaddrinfo
    local = lambda host, *more, **options: known("127.0.0.1" if host.endswith("localhost") else host, *more, **options)
    monkeypatch.setattr(socket, "getaddrinfo", local)
    virtual = boto3.client(
        "s3",
        endpoint_url=cloud.endpoint.replace("127.0.0.1", "localhost"),
        aws_access_key_id=account,
        aws_secret_access_key="x",
        region_name="us-east-1",
        config=botocore.config.Config(retries={"max_attempts": 0}),
    )
    hosts = []
    virtual.meta.events.register("before-send", lambda request, **_: hosts.append(request.url))
    assert virtual.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    assert hosts[0].startswith(f"http://{bucket}.localhost")


def test_presigned(cloud, s3, bucket):
    put = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k"})
    assert "X-Amz-S3session-Token=" in put
    assert requests.put(put, data=b"x").status_code == 200
    get = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    assert requests.get(get).text == "x"
    form = s3.generate_presigned_post(bucket, "posted")
    assert requests.post(form["url"], data=form["fields"], files={"file": b"posted"}).status_code == 204
    assert s3.get_object(Bucket=bucket, Key="posted")["Body"].read() == b"posted"
    assert code_of(requests.get(get.replace("X-Amz-S3session-Token=", "X-Amz-S3session-Token=a"))) == "InvalidToken"


def test_anonymous_callers(cloud, bucket):
    for method, path in (("GET", "k"), ("PUT", "k"), ("GET", "?session"), ("GET", "?versioning"), ("DELETE", "")):
        response = requests.request(method, f"{cloud.endpoint}/{bucket}/{path}".rstrip("/") if path[:1] != "?" else f"{cloud.endpoint}/{bucket}{path}")
        assert (response.status_code, code_of(response)) == (403, "AccessDenied"), (method, path)


def test_everything_survives_a_kill(start):
    cloud = start()
    bucket = f"kept--{ZONE}--x-s3"
    s3 = cloud.client("s3", key="123456789012")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=configuration())
    s3.put_object(Bucket=bucket, Key="k", Body=b"one")
    s3.put_object(Bucket=bucket, Key="k", Body=b"two" * 50_000, WriteOffsetBytes=3)
    s3.put_object(Bucket=bucket, Key="from", Body=b"x")
    s3.rename_object(Bucket=bucket, Key="to", RenameSource=f"{bucket}/from")
    cloud.kill()
    cloud.restart()
    # The client goes on with the session that it has.
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"one" + b"two" * 50_000
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["k", "to"]


def test_the_trail_tells_of_s3_express(cloud, s3, bucket, account):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    s3.get_bucket_encryption(Bucket=bucket)
    events = lambda: [
        json.loads(event["CloudTrailEvent"])
        for page in cloud.client("cloudtrail", key=account).get_paginator("lookup_events").paginate()
        for event in page["Events"]
    ]
    sources = {event["eventName"]: event["eventSource"] for event in events()}
    for name in ("CreateSession", "CreateBucket", "GetBucketEncryption", "PutObject"):
        assert sources[name] == "s3express.amazonaws.com", name


def test_the_command_line(cloud, bucket, account, tmp_path):
    import sys

    environment = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": account,
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": cloud.endpoint,
    }
    tool = os.path.join(os.path.dirname(sys.executable), "aws")
    if not os.path.exists(tool):
        pytest.skip("there is no AWS CLI")

    def aws(*arguments):
        done = subprocess.run([tool, *arguments], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    other = f"cli-{account}--{ZONE}--x-s3"
    text = "Location={Type=AvailabilityZone,Name=%s},Bucket={Type=Directory,DataRedundancy=SingleAvailabilityZone}"
    aws("s3api", "create-bucket", "--bucket", other, "--create-bucket-configuration", text % ZONE)
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir/one").write_bytes(b"x" * 9_000_000)
    (tmp_path / "dir/two").write_bytes(b"two")
    aws("s3", "cp", "--recursive", str(tmp_path / "dir"), f"s3://{other}/dir/")
    assert "two" in aws("s3", "ls", f"s3://{other}/dir/")
    aws("s3", "cp", f"s3://{other}/dir/one", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == b"x" * 9_000_000
    assert other in aws("s3api", "list-directory-buckets")
    aws("s3", "rm", "--recursive", f"s3://{other}/dir/")
    aws("s3api", "delete-bucket", "--bucket", other)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_javascript_sdk(cloud, account, name, host):
    tools = ROOT / ".tools/node"
    endpoint = cloud.endpoint.replace("127.0.0.1", host)
    reply = subprocess.run(
        ["node", str(ROOT / "tests/directory.mjs"), endpoint, account, name],
        capture_output=True, text=True, timeout=120, cwd=tools,
        env={"PATH": os.environ["PATH"], "TOOLS": str(tools)})  # fmt: skip
    assert reply.returncode == 0, reply.stderr
    assert json.loads(reply.stdout) == {"zone": ZONE, "body": "hello", "keys": ["a", "c/d"], "buckets": [name]}


def test_many_appends_of_all_sizes(s3, bucket):
    draw = random.Random(7)
    whole = b""
    for _ in range(60):
        piece = draw.randbytes(draw.choice([1, 50, 3_000, 40_000, 70_000, 300_000]))
        put = s3.put_object(Bucket=bucket, Key="k", Body=piece, WriteOffsetBytes=len(whole))
        whole += piece
        assert put["Size"] == len(whole)
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert got["Body"].read() == whole
    assert got["ChecksumCRC32"] == base64.b64encode(zlib.crc32(whole).to_bytes(4, "big")).decode()
    for _ in range(20):
        start = draw.randrange(len(whole))
        end = draw.randrange(start, len(whole))
        part = s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={start}-{end}")["Body"].read()
        assert part == whole[start : end + 1]
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/k")
    s3.rename_object(Bucket=bucket, Key="renamed", RenameSource=f"{bucket}/k")
    for key in ("copy", "renamed"):
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == whole
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "copy"}, {"Key": "renamed"}]})


def test_of_writers_at_one_end_one_wins(s3, bucket):
    body = b""
    for turn in range(8):
        size = 100 if turn % 2 else 70_000
        bodies = [bytes([65 + number]) * size for number in range(6)]

        def write(piece):
            try:
                s3.put_object(Bucket=bucket, Key="k", Body=piece, WriteOffsetBytes=len(body))
                return piece
            except botocore.exceptions.ClientError as error:
                assert error.response["Error"]["Code"] == "InvalidWriteOffset"
                return b""

        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            written = [piece for piece in pool.map(write, bodies) if piece]
        assert len(written) == 1
        body += written[0]
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == body
