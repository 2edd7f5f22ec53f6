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
    assert error_of(complete, parts[1:])[::2] == ("InvalidPartOrder", 400)
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


def test_plain_parts_have_any_numbers(s3, bucket):
    place = begin(s3, bucket)
    etags = {number: s3.upload_part(PartNumber=number, Body=body, **place)["ETag"] for number, body in ((7, LARGE), (9, b"b"))}
    parts = [{"PartNumber": number, "ETag": etag} for number, etag in etags.items()]
    s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **place)
    assert s3.get_object(Bucket=bucket, Key="k", PartNumber=9)["Body"].read() == b"b"


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


def test_pages_of_uploads(s3, bucket):
    keys = ["a", "a", "b/1", "b/2", "b/3/x", "c", "c", "c/1", "d/1", "e"]
    for key in keys:
        s3.create_multipart_upload(Bucket=bucket, Key=key)

    def walk(size, **query):
        found, marker = [], {}
        while True:
            page = s3.list_multipart_uploads(Bucket=bucket, MaxUploads=size, **query, **marker)
            entries = [one["Key"] for one in page.get("Uploads", [])] + [one["Prefix"] for one in page.get("CommonPrefixes", [])]
            assert len(entries) <= size
            found += sorted(entries)
            if not page["IsTruncated"]:
                return found
            assert len(entries) == size
            marker = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}

    for size in (1, 2, 3, 1000):
        assert walk(size) == keys
        assert walk(size, Delimiter="/") == ["a", "a", "b/", "c", "c", "c/", "d/", "e"]
        assert walk(size, Prefix="b/", Delimiter="/") == ["b/1", "b/2", "b/3/"]
        assert walk(size, Prefix="c") == ["c", "c", "c/1"]
    inside = s3.list_multipart_uploads(Bucket=bucket, Delimiter="/", KeyMarker="b/2")
    assert [one["Prefix"] for one in inside["CommonPrefixes"]] == ["c/", "d/"]


def test_a_checksum_behind_the_body_is_the_one_that_is_named(s3, bucket, cloud, account):
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    class Unsigned(S3SigV4Auth):
        def payload(self, request):
            return "STREAMING-UNSIGNED-PAYLOAD-TRAILER"

    def put(algorithm):
        body = b"9\r\n123456789\r\n0\r\nx-amz-checksum-crc32:y/Q5Jg==\r\n\r\n"
        headers = {
            "x-amz-decoded-content-length": "9",
            "x-amz-trailer": "x-amz-checksum-crc32",
            "x-amz-sdk-checksum-algorithm": algorithm,
            "content-encoding": "aws-chunked",
        }
        request = AWSRequest("PUT", f"{cloud.endpoint}/{bucket}/k", data=body, headers=headers)
        Unsigned(Credentials(account, "x"), "s3", "us-east-1").add_auth(request)
        return requests.put(request.url, data=body, headers=dict(request.headers))

    assert put("CRC32").headers["x-amz-checksum-crc32"] == "y/Q5Jg=="
    refused = put("SHA1")
    assert refused.status_code == 400
    assert "<Message>Value for x-amz-sdk-checksum-algorithm header is invalid.</Message>" in refused.text


def elements(text):
    import xml.etree.ElementTree

    return {one.tag: one.text for one in xml.etree.ElementTree.fromstring(text)}


def test_a_wrong_signature_is_told_with_what_was_signed(cloud, user, bucket):
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    s3 = user("signer", everything)("s3", signature_version="s3v4")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    told = elements(requests.get(url.replace("/k?", "/other?")).text)
    assert told["Code"] == "SignatureDoesNotMatch"
    assert told["CanonicalRequest"].startswith(f"GET\n/{bucket}/other\n")
    for name in ("StringToSign", "CanonicalRequest"):
        assert bytes.fromhex(told[f"{name}Bytes"]).decode() == told[name]
    form = s3.generate_presigned_post(bucket, "k")
    told = elements(requests.post(form["url"], data={**form["fields"], "x-amz-signature": "0"}, files={"file": b"x"}).text)
    assert told["Code"] == "SignatureDoesNotMatch" and told["SignatureProvided"] == "0"
    assert told["StringToSign"] == form["fields"]["policy"]
    assert bytes.fromhex(told["StringToSignBytes"]).decode() == told["StringToSign"]


def test_a_form_tells_how_much_it_takes(s3, bucket):
    def post(low, high, size):
        form = s3.generate_presigned_post(bucket, "k", Conditions=[["content-length-range", low, high]])
        return requests.post(form["url"], data=form["fields"], files={"file": b"x" * size})

    small = elements(post(10, 20, 3).text)
    assert (small["Code"], small["ProposedSize"], small["MinSizeAllowed"]) == ("EntityTooSmall", "3", "10")
    large = elements(post(10, 20, 300_000).text)
    assert (large["Code"], large["ProposedSize"], large["MaxSizeAllowed"]) == ("EntityTooLarge", "300000", "20")
    assert post(10, 20, 20).status_code == 204


def test_policies_ask_how_a_request_was_signed(s3, cloud, user, bucket, account):
    import json

    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    clients = user("signer", everything)
    new, old = clients("s3", signature_version="s3v4"), clients("s3", signature_version="s3")
    get = dict(ClientMethod="get_object", Params={"Bucket": bucket, "Key": "k"})

    def answers(operator, key, value):
        condition = {operator: {key: value}}
        deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
        policy = {"Version": "2012-10-17", "Statement": [{**deny, "Condition": condition}]}
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
        try:
            new.get_object(Bucket=bucket, Key="k")
            header = 200
        except new.exceptions.ClientError as error:
            header = error.response["ResponseMetadata"]["HTTPStatusCode"]
        urls = new.generate_presigned_url(**get), old.generate_presigned_url(**get)
        return [header, *(requests.get(url).status_code for url in urls)]

    assert answers("StringEquals", "s3:authType", "REST-QUERY-STRING") == [200, 403, 403]
    assert answers("StringNotEquals", "s3:authType", "REST-QUERY-STRING") == [403, 200, 200]
    assert answers("StringEquals", "s3:signatureversion", "AWS") == [200, 200, 403]
    assert answers("NumericGreaterThan", "s3:signatureAge", "600000") == [200, 200, 200]
    assert answers("NumericLessThan", "s3:signatureAge", "600000") == [403, 403, 200]
    assert answers("StringEquals", "s3:x-amz-content-sha256", "UNSIGNED-PAYLOAD") == [200, 403, 403]
    assert answers("StringEquals", "s3:ResourceAccount", account) == [403, 403, 403]


def test_policies_ask_for_conditional_writes(s3, bucket, user):
    import json

    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    condition = {"Null": {"s3:if-none-match": "true"}, "Bool": {"s3:ObjectCreationOperation": "true"}}
    policy = {"Version": "2012-10-17", "Statement": [{**deny, "Condition": condition}]}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    put = dict(Bucket=bucket, Key="new", Body=b"x")
    assert error_of(s3.put_object, **put)[0] == "AccessDenied"
    s3.put_object(IfNoneMatch="*", **put)
    copy = dict(Bucket=bucket, Key="copy", CopySource=f"{bucket}/new")
    assert error_of(s3.copy_object, **copy)[0] == "AccessDenied"
    s3.copy_object(IfNoneMatch="*", **copy)
    place = begin(s3, bucket)
    part = s3.upload_part(PartNumber=1, Body=b"x", **place)
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    assert error_of(s3.complete_multipart_upload, MultipartUpload=parts, **place)[0] == "AccessDenied"
    s3.complete_multipart_upload(MultipartUpload=parts, IfNoneMatch="*", **place)


def test_policies_limit_how_long_objects_are_retained(s3, account):
    import datetime
    import json

    bucket = f"locked-{account}"
    s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    actions = ["s3:PutObject", "s3:PutObjectRetention"]
    deny = {"Effect": "Deny", "Principal": "*", "Action": actions, "Resource": f"arn:aws:s3:::{bucket}/*"}
    condition = {"NumericGreaterThan": {"s3:object-lock-remaining-retention-days": "10"}}
    policy = {"Version": "2012-10-17", "Statement": [{**deny, "Condition": condition}]}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    within = lambda days: datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
    put = dict(Bucket=bucket, Key="k", Body=b"x", ObjectLockMode="GOVERNANCE", ChecksumAlgorithm="CRC32")
    assert error_of(s3.put_object, ObjectLockRetainUntilDate=within(12), **put)[0] == "AccessDenied"
    s3.put_object(ObjectLockRetainUntilDate=within(5), **put)
    retain = lambda days: s3.put_object_retention(
        Bucket=bucket, Key="k", ChecksumAlgorithm="CRC32", Retention={"Mode": "GOVERNANCE", "RetainUntilDate": within(days)}
    )
    assert error_of(retain, 12)[0] == "AccessDenied"
    retain(9)
