"""Encryption with keys of KMS: the account's managed key, what is said of others, and what lies on the disk."""

import base64
import hashlib
import json
import pathlib

import pytest
import requests
from conftest import error_of

ARN = r"arn:aws:kms:us-east-1:"
KMS = {"ServerSideEncryption": "aws:kms"}
BODY = b"the quick brown fox jumps over the lazy dog " * 4000


@pytest.fixture
def s3(boto, account):
    client = boto("s3")
    client.create_bucket(Bucket=f"enc-{account}")
    return client


@pytest.fixture
def bucket(account):
    return f"enc-{account}"


def shown(answer):
    return answer["ServerSideEncryption"], answer.get("SSEKMSKeyId"), answer.get("BucketKeyEnabled")


def test_objects_are_read_back(s3, bucket, account):
    put = s3.put_object(Bucket=bucket, Key="a", Body=BODY, **KMS)
    arn = put["SSEKMSKeyId"]
    assert arn.startswith(f"{ARN}{account}:key/")
    assert shown(put) == ("aws:kms", arn, None)
    assert put["ETag"] != f'"{hashlib.md5(BODY).hexdigest()}"'
    got = s3.get_object(Bucket=bucket, Key="a")
    assert (got["Body"].read(), shown(got)) == (BODY, ("aws:kms", arn, None))
    assert s3.get_object(Bucket=bucket, Key="a", Range="bytes=70001-70010")["Body"].read() == BODY[70001:70011]
    assert shown(s3.head_object(Bucket=bucket, Key="a")) == ("aws:kms", arn, None)
    plain = s3.put_object(Bucket=bucket, Key="b", Body=BODY)
    assert shown(plain) == ("AES256", None, None)
    assert plain["ETag"] == f'"{hashlib.md5(BODY).hexdigest()}"'
    keyed = s3.put_object(Bucket=bucket, Key="c", Body=b"x", BucketKeyEnabled=True, **KMS)
    assert shown(keyed) == ("aws:kms", arn, True)
    dual = s3.put_object(Bucket=bucket, Key="d", Body=b"x", ServerSideEncryption="aws:kms:dsse", SSEKMSKeyId=arn)
    assert shown(dual) == ("aws:kms:dsse", arn, None)
    named = s3.put_object(Bucket=bucket, Key="e", Body=b"x", SSEKMSKeyId="alias/aws/s3", **KMS)
    assert shown(named) == ("aws:kms", arn, None)


def test_nothing_of_it_lies_on_the_disk(start):
    cloud = start()
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="secret")
    for size in (1000, 200_000):
        s3.put_object(Bucket="secret", Key=str(size), Body=b"needle in a haystack " * (size // 20), **KMS)
    upload = s3.create_multipart_upload(Bucket="secret", Key="parts", **KMS)["UploadId"]
    part = s3.upload_part(Bucket="secret", Key="parts", UploadId=upload, PartNumber=1, Body=b"needle in a haystack " * 9000)
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(Bucket="secret", Key="parts", UploadId=upload, MultipartUpload=parts)
    cloud.stop()
    for file in pathlib.Path(cloud.state).rglob("*"):
        assert not file.is_file() or b"needle in a haystack" not in file.read_bytes(), file
    cloud.restart()
    s3 = cloud.client("s3")
    for key in ("1000", "200000", "parts"):
        assert s3.get_object(Bucket="secret", Key=key)["Body"].read().startswith(b"needle in a haystack")


def test_keys_that_are_not_there(s3, bucket, account):
    key = "1234abcd-12ab-34cd-56ef-1234567890ab"
    here = f"arn:aws:kms:us-east-1:{account}"
    for name, message in [
        (key, f"Key '{here}:key/{key}' does not exist"),
        (f"{here}:key/{key}", f"Key '{here}:key/{key}' does not exist"),
        (f"arn:aws:kms:eu-west-1:{account}:key/{key}", "Invalid arn eu-west-1"),
        ("alias/mine", f"Alias {here}:alias/mine is not found."),
        ("testkey-1", "Invalid keyId 'testkey-1'"),
    ]:
        error = error_of(s3.put_object, Bucket=bucket, Key="x", Body=b"", SSEKMSKeyId=name, **KMS)
        assert error == ("KMS.NotFoundException", message, 400)
    assert error_of(s3.head_object, Bucket=bucket, Key="x")[2] == 404


def test_headers_that_do_not_go_together(s3, bucket):
    needed = "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms"
    for more in ({}, {"ServerSideEncryption": "AES256"}):
        error = error_of(s3.put_object, Bucket=bucket, Key="x", SSEKMSKeyId="alias/aws/s3", **more)
        assert error == ("InvalidArgument", needed, 400)
    error = error_of(s3.put_object, Bucket=bucket, Key="x", ServerSideEncryption="aws:unknown")
    assert error == ("InvalidArgument", "The encryption method specified is not supported", 400)
    customer = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32}
    assert error_of(s3.put_object, Bucket=bucket, Key="x", **customer, **KMS)[0] == "InvalidArgument"
    context = base64.b64encode(b"[]").decode()
    assert error_of(s3.put_object, Bucket=bucket, Key="x", SSEKMSEncryptionContext=context, **KMS)[0] == "InvalidArgument"
    s3.put_object(Bucket=bucket, Key="x", **KMS)
    assert error_of(s3.get_object, Bucket=bucket, Key="x", **customer)[0] == "InvalidRequest"
    context = base64.b64encode(b'{"a": "b"}').decode()
    put = s3.put_object(Bucket=bucket, Key="x", Body=b"bound", SSEKMSEncryptionContext=context, **KMS)
    assert put["SSEKMSEncryptionContext"] == context
    assert s3.get_object(Bucket=bucket, Key="x")["Body"].read() == b"bound"


def test_buckets_decide_where_requests_do_not(s3, bucket):
    default = {"SSEAlgorithm": "aws:kms"}
    rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}]}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=rules)
    assert s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"] == rules
    put = s3.put_object(Bucket=bucket, Key="a", Body=BODY)
    assert shown(put)[0::2] == ("aws:kms", True)
    assert shown(s3.put_object(Bucket=bucket, Key="b", ServerSideEncryption="AES256")) == ("AES256", None, None)
    copy = s3.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/b")
    assert shown(copy)[0] == "aws:kms"
    rules["Rules"][0]["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"] = "alias/gone"
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=rules)
    assert error_of(s3.put_object, Bucket=bucket, Key="a")[0] == "KMS.NotFoundException"
    s3.delete_bucket_encryption(Bucket=bucket)
    assert shown(s3.put_object(Bucket=bucket, Key="a")) == ("AES256", None, None)


def test_kinds_of_encryption_can_be_blocked(s3, bucket):
    rules = {"Rules": [{"BlockedEncryptionTypes": {"EncryptionType": ["SSE-C"]}}]}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=rules)
    customer = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32}
    assert error_of(s3.put_object, Bucket=bucket, Key="x", **customer)[0::2] == ("AccessDenied", 403)
    s3.put_object(Bucket=bucket, Key="x")


def test_copies_and_parts(s3, bucket):
    s3.put_object(Bucket=bucket, Key="plain", Body=BODY)
    copy = s3.copy_object(Bucket=bucket, Key="kms", CopySource=f"{bucket}/plain", **KMS)
    assert shown(copy)[0] == "aws:kms"
    assert s3.get_object(Bucket=bucket, Key="kms")["Body"].read() == BODY
    again = s3.copy_object(Bucket=bucket, Key="kms2", CopySource=f"{bucket}/kms", **KMS)
    assert again["SSEKMSKeyId"] == copy["SSEKMSKeyId"]
    assert s3.get_object(Bucket=bucket, Key="kms2")["Body"].read() == BODY
    back = s3.copy_object(Bucket=bucket, Key="plain2", CopySource=f"{bucket}/kms2")
    assert shown(back) == ("AES256", None, None)
    assert back["CopyObjectResult"]["ETag"] == f'"{hashlib.md5(BODY).hexdigest()}"'

    begun = s3.create_multipart_upload(Bucket=bucket, Key="parts", BucketKeyEnabled=True, **KMS)
    assert shown(begun)[0::2] == ("aws:kms", True)
    place = {"Bucket": bucket, "Key": "parts", "UploadId": begun["UploadId"]}
    first = s3.upload_part(**place, PartNumber=1, Body=b"x" * 5_242_880)
    assert shown(first)[0::2] == ("aws:kms", True)
    second = s3.upload_part_copy(**place, PartNumber=2, CopySource=f"{bucket}/kms")
    assert shown(second)[0] == "aws:kms"
    tags = [first["ETag"], second["CopyPartResult"]["ETag"]]
    parts = [{"PartNumber": at + 1, "ETag": tag} for at, tag in enumerate(tags)]
    done = s3.complete_multipart_upload(**place, MultipartUpload={"Parts": parts})
    assert shown(done)[0::2] == ("aws:kms", True)
    got = s3.get_object(Bucket=bucket, Key="parts")
    assert got["Body"].read() == b"x" * 5_242_880 + BODY
    assert got["ETag"].endswith('-2"')


def test_policies_can_ask_for_it(s3, bucket, user):
    statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    condition = {"StringNotEquals": {"s3:x-amz-server-side-encryption": "aws:kms"}}
    policy = {"Version": "2012-10-17", "Statement": [{**statement, "Condition": condition}]}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    writer = user("writer", {"Effect": "Allow", "Action": "s3:*", "Resource": "*"})("s3")
    assert error_of(writer.put_object, Bucket=bucket, Key="a")[0] == "AccessDenied"
    writer.put_object(Bucket=bucket, Key="a", **KMS)
    named = {"StringEquals": {"s3:x-amz-server-side-encryption-aws-kms-key-id": "alias/aws/s3"}}
    policy["Statement"][0]["Condition"] = named
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    writer.put_object(Bucket=bucket, Key="a", **KMS)
    assert error_of(writer.put_object, Bucket=bucket, Key="a", SSEKMSKeyId="alias/aws/s3", **KMS)[0] == "AccessDenied"


def test_others_cannot_use_the_key(s3, bucket, cloud, account):
    s3.delete_public_access_block(Bucket=bucket)
    everybody = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [everybody]}))
    s3.put_object(Bucket=bucket, Key="plain", Body=b"x")
    s3.put_object(Bucket=bucket, Key="kms", Body=b"x", **KMS)
    other = cloud.client("s3", key=str(int(account) + 500_000_000_000))
    assert other.get_object(Bucket=bucket, Key="plain")["Body"].read() == b"x"
    code, message, status = error_of(other.get_object, Bucket=bucket, Key="kms")
    assert (code, status) == ("AccessDenied", 403) and "kms:Decrypt" in message
    assert requests.get(f"{cloud.endpoint}/{bucket}/plain").content == b"x"
    unsigned = requests.get(f"{cloud.endpoint}/{bucket}/kms")
    assert unsigned.status_code == 400
    assert "require AWS Signature Version 4." in unsigned.text


def test_forms(s3, bucket):
    conditions = [{"x-amz-server-side-encryption": "aws:kms"}]
    fields = {"x-amz-server-side-encryption": "aws:kms"}
    form = s3.generate_presigned_post(bucket, "form", Fields=fields, Conditions=conditions)
    answer = requests.post(form["url"], data=form["fields"], files={"file": b"from a form"})
    assert answer.status_code == 204
    assert answer.headers["x-amz-server-side-encryption"] == "aws:kms"
    got = s3.get_object(Bucket=bucket, Key="form")
    assert (got["ServerSideEncryption"], got["Body"].read()) == ("aws:kms", b"from a form")
