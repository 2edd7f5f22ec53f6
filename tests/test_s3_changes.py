"""Changes to what is there: the encryption of objects, whether tags decide, which small objects lifecycle rules move."""

import datetime
import pathlib

import botocore.auth
import pytest
import requests
from conftest import error_of, wait_for

BODY = b"quite readable text " * 10_000


@pytest.fixture
def s3(boto):
    return boto("s3")


@pytest.fixture
def bucket(s3, account):
    name = f"changes-{account}"
    s3.create_bucket(Bucket=name)
    return name


def managed_key(s3, bucket):
    return s3.put_object(Bucket=bucket, Key="any", Body=b"x", ServerSideEncryption="aws:kms")["SSEKMSKeyId"]


def to_kms(arn, **more):
    return {"SSEKMS": {"KMSKeyArn": arn, **more}}


def test_objects_are_encrypted_anew(start):
    cloud = start()
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="anew")
    arn = managed_key(s3, "anew")
    on_disk = lambda: any(
        b"quite readable text " in path.read_bytes() for path in pathlib.Path(cloud.state).rglob("s3/*/*") if path.is_file()
    )
    at = {"Bucket": "anew", "Key": "k"}
    s3.put_object(**at, Body=BODY, Metadata={"a": "1"})
    s3.put_object_annotation(**at, AnnotationName="n", AnnotationPayload=BODY)
    before = s3.head_object(**at, ChecksumMode="ENABLED")
    assert on_disk()
    s3.update_object_encryption(**at, ObjectEncryption=to_kms(arn))
    assert not on_disk()
    after = s3.get_object(**at, ChecksumMode="ENABLED")
    assert after["Body"].read() == BODY and (after["ServerSideEncryption"], after["SSEKMSKeyId"]) == ("aws:kms", arn)
    for name in ("ETag", "LastModified", "Metadata", "ChecksumCRC64NVME" if "ChecksumCRC64NVME" in before else "ChecksumCRC32"):
        assert after[name] == before[name], name
    assert s3.get_object_annotation(**at, AnnotationName="n")["AnnotationPayload"].read() == BODY
    # With a bucket key, and still readable after a crash.
    s3.update_object_encryption(**at, ObjectEncryption=to_kms(arn, BucketKeyEnabled=True))
    cloud.kill()
    cloud.restart()
    got = cloud.client("s3").get_object(**at, Range="bytes=20-24")
    assert (got["Body"].read(), got["BucketKeyEnabled"]) == (b"quite", True)


def test_multipart_objects_keep_their_parts(s3, bucket):
    at = {"Bucket": bucket, "Key": "m"}
    upload = s3.create_multipart_upload(**at)["UploadId"]
    parts = []
    for number, size in ((1, 5 * 1024 * 1024), (2, 7)):
        part = s3.upload_part(**at, UploadId=upload, PartNumber=number, Body=bytes([number]) * size)
        parts.append({"PartNumber": number, "ETag": part["ETag"]})
    s3.complete_multipart_upload(**at, UploadId=upload, MultipartUpload={"Parts": parts})
    s3.update_object_encryption(**at, ObjectEncryption=to_kms(managed_key(s3, bucket)))
    assert s3.get_object(**at, PartNumber=2)["Body"].read() == b"\2" * 7


def test_encryption_that_is_not_changed(s3, bucket, account):
    arn = managed_key(s3, bucket)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    change = lambda encryption, key="k": error_of(
        s3.update_object_encryption, Bucket=bucket, Key=key, ObjectEncryption=encryption
    )
    assert change(to_kms(arn), "none")[0] == "NoSuchKey"
    code, message, _ = change(to_kms("alias/aws/s3-and-so-on"))
    assert code == "InvalidRequest" and "require a valid AWS KMS key Amazon Resource Name (ARN)" in message
    code, message, _ = change(to_kms(arn.replace(account, "999999999999")))
    assert code == "AccessDenied" and "must be owned by the same account as the bucket" in message
    assert change(to_kms(arn[:-1] + "z"))[0] == "KMS.NotFoundException"
    s3.put_object(Bucket=bucket, Key="own", Body=b"x", SSECustomerAlgorithm="AES256", SSECustomerKey="0" * 32)
    s3.put_object(Bucket=bucket, Key="dual", Body=b"x", ServerSideEncryption="aws:kms:dsse")
    for key in ("own", "dual"):
        code, message, _ = change(to_kms(arn), key)
        assert code == "InvalidRequest" and "doesn't support source objects with the encryption type DSSE-KMS or SSE-C" in message
    s3.create_bucket(Bucket=f"{bucket}-locked", ObjectLockEnabledForBucket=True)
    at = {"Bucket": f"{bucket}-locked", "Key": "k"}
    s3.put_object(**at, Body=b"x", ObjectLockLegalHoldStatus="ON", ChecksumAlgorithm="CRC32")
    refused = error_of(s3.update_object_encryption, **at, ObjectEncryption=to_kms(arn))
    assert refused[0] == "AccessDenied" and "protected by S3 Object Lock" in refused[1]


def test_tags_decide_where_the_owner_says_so(s3, bucket, user):
    statement = {
        "Effect": "Allow",
        "Action": ["s3:ListBucket", "s3:GetObject"],
        "Resource": "*",
        "Condition": {"StringEquals": {"aws:ResourceTag/team": "red"}},
    }
    reader = user("reader", statement)("s3")
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "team", "Value": "red"}]})
    assert s3.get_bucket_abac(Bucket=bucket)["AbacStatus"] == {"Status": "Disabled"}
    assert error_of(reader.list_objects_v2, Bucket=bucket)[0] == "AccessDenied"
    s3.put_bucket_abac(Bucket=bucket, AbacStatus={"Status": "Enabled"})
    assert s3.get_bucket_abac(Bucket=bucket)["AbacStatus"] == {"Status": "Enabled"}
    assert reader.list_objects_v2(Bucket=bucket)["KeyCount"] == 1
    assert reader.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    tags = {"TagSet": [{"Key": "team", "Value": "blue"}]}
    assert error_of(s3.put_bucket_tagging, Bucket=bucket, Tagging=tags)[0] == "InvalidRequest"
    assert error_of(s3.delete_bucket_tagging, Bucket=bucket)[0] == "InvalidRequest"
    s3.put_bucket_abac(Bucket=bucket, AbacStatus={"Status": "Disabled"})
    assert error_of(reader.get_object, Bucket=bucket, Key="k")[0] == "AccessDenied"
    assert error_of(reader.put_bucket_abac, Bucket=bucket, AbacStatus={"Status": "Enabled"})[0] == "AccessDenied"


def test_small_objects_are_archived_where_that_is_wanted(start, monkeypatch):
    cloud = start()
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="small")
    move = lambda name, kind: {
        "ID": name,
        "Status": "Enabled",
        "Filter": {"Prefix": name},
        "Transitions": [{"Days": 30, "StorageClass": kind}],
    }
    rules = {"Rules": [move("cold", "GLACIER"), move("rare", "STANDARD_IA")]}
    varies = {"TransitionDefaultMinimumObjectSize": "varies_by_storage_class"}
    put = s3.put_bucket_lifecycle_configuration(Bucket="small", LifecycleConfiguration=rules, **varies)
    assert put["TransitionDefaultMinimumObjectSize"] == "varies_by_storage_class"
    got = s3.get_bucket_lifecycle_configuration(Bucket="small")
    assert got["TransitionDefaultMinimumObjectSize"] == "varies_by_storage_class"
    for key in ("cold", "rare"):
        s3.put_object(Bucket="small", Key=key, Body=b"x")
    # boto3 signs by the clock of the cloud.
    real, passed = botocore.auth.get_current_datetime, datetime.timedelta(days=40)
    later = lambda *arguments, **options: real(*arguments, **options) + passed
    monkeypatch.setattr(botocore.auth, "get_current_datetime", later)
    millis = 40 * 24 * 3_600_000
    requests.post(f"{cloud.endpoint}/_welkin/clock", json={"advanceMillis": millis}).raise_for_status()
    wait_for(lambda: s3.head_object(Bucket="small", Key="cold").get("StorageClass") == "GLACIER", "the archive")
    assert "StorageClass" not in s3.head_object(Bucket="small", Key="rare")
    s3.put_bucket_lifecycle_configuration(Bucket="small", LifecycleConfiguration=rules)
    got = s3.get_bucket_lifecycle_configuration(Bucket="small")
    assert got["TransitionDefaultMinimumObjectSize"] == "all_storage_classes_128K"


def test_restoring_with_a_selection(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", StorageClass="GLACIER")
    refused = error_of(s3.restore_object, Bucket=bucket, Key="k", RestoreRequest={"Type": "SELECT"})
    assert refused[0::2] == ("MethodNotAllowed", 405)


def test_settings_of_new_buckets_are_actions_of_their_own(user, account):
    red = {"StringEquals": {"aws:RequestTag/team": "red"}}
    statements = [
        {"Effect": "Allow", "Action": "s3:CreateBucket", "Resource": "*"},
        {"Effect": "Allow", "Action": "s3:TagResource", "Resource": "*", "Condition": red},
    ]
    s3 = user("maker", *statements)("s3")
    create = lambda name, **options: error_of(s3.create_bucket, Bucket=f"{name}-{account}", **options)[0]
    tagged = lambda team: {"CreateBucketConfiguration": {"Tags": [{"Key": "team", "Value": team}]}}
    s3.create_bucket(Bucket=f"plain-{account}")
    s3.create_bucket(Bucket=f"red-{account}", **tagged("red"))
    assert create("blue", **tagged("blue")) == "AccessDenied"
    assert create("locked", ObjectLockEnabledForBucket=True) == "AccessDenied"
    assert create("owned", ObjectOwnership="ObjectWriter") == "AccessDenied"
    assert create("listed", ACL="private", ObjectOwnership="ObjectWriter") == "AccessDenied"
