"""Multipart uploads and signatures in their details: what S3 asks of parts and their checksums, and of signed headers."""

import base64
import hashlib

import pytest
import requests

from conftest import error_of

LARGE = b"a" * 5_242_880


@pytest.fixture
def s3(boto):
    # Checksums are sent where a test asks for them, and nowhere else.
    return boto("s3", request_checksum_calculation="when_required")


@pytest.fixture
def bucket(s3, account):
    s3.create_bucket(Bucket=f"parts-{account}")
    return f"parts-{account}"


def sha256(body):
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


def begin(s3, bucket, **more):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", **more)
    return dict(Bucket=bucket, Key="k", UploadId=upload["UploadId"])


def test_composite_checksums_need_one_of_every_part(s3, bucket):
    place = begin(s3, bucket, ChecksumAlgorithm="SHA256")
    code, message, status = error_of(s3.upload_part, PartNumber=1, Body=b"x", **place)
    assert (code, status) == ("InvalidRequest", 400)
    assert message == "Checksum Type mismatch occurred, expected checksum Type: sha256, actual checksum Type: null"
    message = error_of(s3.upload_part, PartNumber=1, Body=b"x", ChecksumAlgorithm="CRC32", **place)[1]
    assert message == "Checksum Type mismatch occurred, expected checksum Type: sha256, actual checksum Type: crc32"
    parts = []
    for number, body in enumerate((LARGE, b"b"), 1):
        part = s3.upload_part(PartNumber=number, Body=body, ChecksumAlgorithm="SHA256", **place)
        assert part["ChecksumSHA256"] == sha256(body)
        parts.append({"PartNumber": number, "ETag": part["ETag"], "ChecksumSHA256": part["ChecksumSHA256"]})
    bare = [{name: part[name] for name in ("PartNumber", "ETag")} for part in parts]
    text = (
        "The upload was created using a sha256 checksum. The complete request must include the checksum for each part. "
        "It was missing for part {} in the request."
    )
    complete = lambda parts, **more: s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **place, **more)
    assert error_of(complete, bare) == ("InvalidRequest", text.format(1), 400)
    assert error_of(complete, [parts[0], bare[1]]) == ("InvalidRequest", text.format(2), 400)
    wrong = [parts[0], {**parts[1], "ChecksumSHA256": sha256(b"other")}]
    assert error_of(complete, wrong)[0] == "InvalidPart"
    assert complete(parts)["ChecksumType"] == "COMPOSITE"
    # Of one part, its own checksum is told.
    for read in (s3.head_object, s3.get_object):
        second = read(Bucket=bucket, Key="k", PartNumber=2, ChecksumMode="ENABLED")
        assert second["ChecksumSHA256"] == sha256(b"b") and second["PartsCount"] == 2
    assert "ChecksumSHA256" not in s3.head_object(Bucket=bucket, Key="k", PartNumber=2)
    assert "ChecksumSHA256" not in s3.head_object(Bucket=bucket, Key="k", Range="bytes=0-1", ChecksumMode="ENABLED")


def test_a_checksum_of_the_whole_needs_none(s3, bucket):
    place = begin(s3, bucket, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
    part = s3.upload_part(PartNumber=1, Body=b"123456789", **place)
    parts = [{"PartNumber": 1, "ETag": part["ETag"]}]
    done = s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **place)
    assert (done["ChecksumCRC32"], done["ChecksumType"]) == ("y/Q5Jg==", "FULL_OBJECT")


def test_a_single_part_is_the_whole(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"123456789", ChecksumAlgorithm="CRC32")
    head = s3.head_object(Bucket=bucket, Key="k", PartNumber=1, ChecksumMode="ENABLED")
    assert head["ChecksumCRC32"] == "y/Q5Jg==" and "PartsCount" not in head


def test_what_a_rule_will_abort(s3, bucket):
    rules = [
        {"ID": "late", "Status": "Enabled", "Filter": {"Prefix": ""}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 9}},
        {"ID": "soon", "Status": "Enabled", "Filter": {"Prefix": "k"}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2}},
    ]  # fmt: skip
    assert "AbortDate" not in s3.create_multipart_upload(Bucket=bucket, Key="k")
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})
    begun = s3.create_multipart_upload(Bucket=bucket, Key="k")
    assert begun["AbortRuleId"] == "soon" and begun["AbortDate"].hour == 0
    listed = s3.list_parts(Bucket=bucket, Key="k", UploadId=begun["UploadId"])
    assert (listed["AbortDate"], listed["AbortRuleId"]) == (begun["AbortDate"], "soon")
    assert s3.create_multipart_upload(Bucket=bucket, Key="other")["AbortRuleId"] == "late"


def test_headers_that_are_not_signed(boto, bucket):
    s3 = boto("s3", signature_version="s3v4")
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k", "Metadata": {"a": "1"}})
    refused = requests.put(url, data=b"x", headers={"x-amz-meta-a": "1", "x-amz-meta-b": "2"})
    assert refused.status_code == 403 and "<Code>AccessDenied</Code>" in refused.text
    assert "<Message>There were headers present in the request which were not signed</Message>" in refused.text
    assert "<HeadersNotSigned>x-amz-meta-b</HeadersNotSigned>" in refused.text
    assert requests.put(url, data=b"x", headers={"x-amz-meta-a": "1", "content-type": "text/plain"}).status_code == 200
