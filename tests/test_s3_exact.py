"""Answers of S3 as they are on the wire: the order of elements, what a listing begins with, headers that clients never show."""

import base64
import hashlib
import re

import pytest
from conftest import error_of
from s3_raw import asker

BUCKET = "exact"


@pytest.fixture
def ask(cloud, account):
    ask = asker(cloud, account)
    ask.bucket = f"{BUCKET}-{account}"
    assert ask("PUT", f"/{ask.bucket}").status == 200
    return ask


def put(ask, *keys):
    for key in keys:
        assert ask("PUT", f"/{ask.bucket}/{key}", "x").status == 200


def listed(answer):
    """Keys and common prefixes of a listing, in their order."""
    return re.findall(r"<(?:Key|CommonPrefixes><Prefix)>([^<]*)<", answer.text)


def test_elements_are_in_order(ask):
    put(ask, "a", "d/1", "e")
    answer = ask("GET", f"/{ask.bucket}?delimiter=/&max-keys=2&encoding-type=url")
    names = ["Name", "Prefix", "Marker", "NextMarker", "MaxKeys", "Delimiter", "EncodingType", "IsTruncated"]
    assert answer.elements("ListBucketResult") == [*names, "Contents", "CommonPrefixes"]
    entry = ["Key", "LastModified", "ETag", "ChecksumAlgorithm", "ChecksumType", "Size", "Owner", "StorageClass"]
    assert answer.elements("Contents") == entry
    answer = ask("GET", f"/{ask.bucket}?list-type=2&max-keys=1&start-after=0&fetch-owner=true")
    names = ["Name", "Prefix", "NextContinuationToken", "StartAfter", "KeyCount", "MaxKeys", "IsTruncated"]
    assert answer.elements("ListBucketResult") == [*names, "Contents"]
    assert answer.elements("Contents") == entry
    assert ask("GET", "/").elements("ListAllMyBucketsResult") == ["Owner", "Buckets"]


def test_versions_and_markers_are_in_one_order(ask, boto):
    s3 = boto("s3")
    s3.put_bucket_versioning(Bucket=ask.bucket, VersioningConfiguration={"Status": "Enabled"})
    put(ask, "a")
    ask("DELETE", f"/{ask.bucket}/a")
    put(ask, "a", "b")
    ask("DELETE", f"/{ask.bucket}/b")
    answer = ask("GET", f"/{ask.bucket}?versions")
    found = re.findall(r"<(Version|DeleteMarker)><Key>(\w)</Key><VersionId>\w+</VersionId><IsLatest>(\w+)<", answer.text)
    assert found == [
        ("Version", "a", "true"),
        ("DeleteMarker", "a", "false"),
        ("Version", "a", "false"),
        ("DeleteMarker", "b", "true"),
        ("Version", "b", "false"),
    ]
    head = ["Name", "Prefix", "KeyMarker", "VersionIdMarker", "MaxKeys", "IsTruncated"]
    assert answer.elements("ListVersionsResult")[:6] == head
    entry = ["Key", "VersionId", "IsLatest", "LastModified", "ETag", "ChecksumAlgorithm", "ChecksumType", "Size"]
    assert answer.elements("Version") == [*entry, "Owner", "StorageClass"]
    assert answer.elements("DeleteMarker") == ["Key", "VersionId", "IsLatest", "LastModified", "Owner"]
    # Pages are cut out of the same order.
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=ask.bucket, PaginationConfig={"PageSize": 2})
    counts = [(len(page.get("Versions", [])), len(page.get("DeleteMarkers", []))) for page in pages]
    assert counts == [(1, 1), (1, 1), (1, 0)]


def test_markers_inside_a_common_prefix(ask):
    put(ask, "a", "d/1", "d/2", "e")
    # What a marker lies in was listed; a key to start after is only a key.
    assert listed(ask("GET", f"/{ask.bucket}?delimiter=/&marker=d/1")) == ["e"]
    assert listed(ask("GET", f"/{ask.bucket}?versions&delimiter=/&key-marker=d/1")) == ["e"]
    assert listed(ask("GET", f"/{ask.bucket}?list-type=2&delimiter=/&start-after=d/1")) == ["e", "d/"]
    assert listed(ask("GET", f"/{ask.bucket}?list-type=2&delimiter=/&start-after=d/2")) == ["e"]
    page = ask("GET", f"/{ask.bucket}?list-type=2&delimiter=/&max-keys=2")
    assert listed(page) == ["a", "d/"]
    token = page.member("NextContinuationToken")
    assert listed(ask("GET", f"/{ask.bucket}?list-type=2&delimiter=/&continuation-token={token}")) == ["e"]


def test_delimiters_of_several_characters(ask):
    put(ask, "a--b--c", "a--d", "a-e", "f--g")
    assert listed(ask("GET", f"/{ask.bucket}?delimiter=--")) == ["a-e", "a--", "f--"]
    assert listed(ask("GET", f"/{ask.bucket}?delimiter=--&prefix=a--")) == ["a--d", "a--b--"]


def test_uploads_tell_where_a_page_ends(ask):
    identifiers = []
    for key in ("d/1", "m"):
        identifiers.append(ask("POST", f"/{ask.bucket}/{key}?uploads").member("UploadId"))
    answer = ask("GET", f"/{ask.bucket}?uploads")
    assert (answer.member("IsTruncated"), answer.member("NextKeyMarker")) == ("false", "m")
    assert answer.member("NextUploadIdMarker") == identifiers[1]
    assert answer.elements("Upload") == ["Key", "UploadId", "Initiator", "Owner", "StorageClass", "Initiated"]
    answer = ask("GET", f"/{ask.bucket}?uploads&delimiter=/&max-uploads=1")
    assert (answer.member("IsTruncated"), answer.member("NextKeyMarker")) == ("true", "d/")
    answer = ask("GET", f"/{ask.bucket}?uploads&delimiter=/&prefix=d")
    assert (listed(answer), answer.member("NextKeyMarker")) == (["d/"], "")
    assert listed(ask("GET", f"/{ask.bucket}?uploads&delimiter=/&key-marker=d/")) == ["m"]
    assert listed(ask("GET", f"/{ask.bucket}?uploads&delimiter=/&key-marker=d/0")) == ["m"]


def test_metadata_beyond_ascii(ask, boto):
    # The bytes of a header are Latin-1 to S3; the example is the documentation's.
    ask("PUT", f"/{ask.bucket}/a", "x", **{"x-amz-meta-nonascii": "ÄMÄZÕÑ S3", "x-amz-meta-ascii": "AMAZONS3"})
    answer = ask("HEAD", f"/{ask.bucket}/a")
    assert answer.headers["x-amz-meta-nonascii"] == "=?UTF-8?B?w4PChE3Dg8KEWsODwpXDg8KRIFMz?="
    assert answer.headers["x-amz-meta-ascii"] == "AMAZONS3"
    # What is sent encoded is kept decoded, and comes back encoded, also from a copy.
    ask("PUT", f"/{ask.bucket}/b", "x", **{"x-amz-meta-a": "=?UTF-8?B?Z3LDvG4=?=", "x-amz-meta-b": "=?UTF-8?Q?plain?="})
    ask("PUT", f"/{ask.bucket}/c", x_amz_copy_source=f"{ask.bucket}/b")
    for key in "bc":
        metadata = boto("s3").head_object(Bucket=ask.bucket, Key=key)["Metadata"]
        assert metadata == {"a": "=?UTF-8?Q?gr=C3=BCn?=", "b": "plain"}


def test_conditions_that_are_not_taken(ask):
    put(ask, "k")
    text = "A header you provided implies functionality that is not implemented"
    both = ask("PUT", f"/{ask.bucket}/k", "x", If_Match="a", If_None_Match="*")
    assert both.error == (501, "NotImplemented", text)
    assert both.member("Header") == "If-Match,If-None-Match"
    assert both.member("additionalMessage") == "Multiple conditional request headers present in the request"
    for header, value in (("If-None-Match", "abc"), ("If-Match", "*")):
        answer = ask("PUT", f"/{ask.bucket}/k", "x", **{header: value})
        assert answer.error == (501, "NotImplemented", text)
        said = f"We don't accept the provided value of {header} header for this API"
        assert (answer.member("Header"), answer.member("additionalMessage")) == (header, said)


NO_METHOD = "The specified method is not allowed against this resource."
NOWHERE = [
    ("DELETE", "/key?acl", 405, "MethodNotAllowed", NO_METHOD, "ACL"),
    ("DELETE", "?acl", 405, "MethodNotAllowed", NO_METHOD, "ACL"),
    ("PUT", "?retention", 405, "MethodNotAllowed", NO_METHOD, "OBJECT_LOCK_RETENTION"),
    ("GET", "/key?uploads", 400, "InvalidRequest", "Key is not expected for the GET method ?uploads subresource", None),
    ("GET", "/key?versions", 400, "InvalidRequest", "There is no such thing as the ?versions sub-resource for a key", None),
    ("PUT", "/key?partNumber=1", 400, "InvalidArgument", "This operation does not accept partNumber without uploadId", None),
    ("GET", "?list-type=3", 400, "InvalidArgument", "Incorrect List Type specified in Request", None),
]  # fmt: skip


@pytest.mark.parametrize("method, path, status, code, message, kind", NOWHERE)
def test_addresses_that_lead_nowhere(ask, method, path, status, code, message, kind):
    put(ask, "key")
    answer = ask(method, f"/{ask.bucket}{path}", "x" if method == "PUT" else "")
    assert answer.error == (status, code, message)
    assert answer.member("ResourceType") == kind
    # Nothing came of it.
    assert ask("GET", f"/{ask.bucket}/key").text == "x"


def test_announced_checksums_must_come(ask):
    answer = ask("PUT", f"/{ask.bucket}/k", "x", x_amz_sdk_checksum_algorithm="CRC32")
    text = "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found."
    assert answer.error == (400, "InvalidRequest", text)


def test_errors_without_bodies(ask):
    answer = ask("HEAD", f"/{ask.bucket}/none")
    assert (answer.status, answer.body, answer.headers["content-type"]) == (404, b"", "application/xml")


def test_mfa_delete_needs_a_device(ask, boto, user):
    def ask_for(body, **headers):
        digest = base64.b64encode(hashlib.md5(body.encode()).digest()).decode()
        return ask("PUT", f"/{ask.bucket}?versioning", body, content_md5=digest, **headers)

    enabled = "<VersioningConfiguration><Status>Enabled</Status><MfaDelete>Enabled</MfaDelete></VersioningConfiguration>"
    assert ask_for(enabled).error == (403, "AccessDenied", "Mfa Authentication must be used for this request")
    assert ask_for(enabled, x_amz_mfa="arn:aws:iam::1:mfa/root 123456").error[:2] == (403, "AccessDenied")
    allowed = user("mfa", {"Effect": "Allow", "Action": "s3:*", "Resource": "*"})("s3")
    asked = {"Status": "Enabled", "MFADelete": "Enabled"}
    refused = error_of(allowed.put_bucket_versioning, Bucket=ask.bucket, VersioningConfiguration=asked, MFA="1 123456")
    assert refused == ("AccessDenied", "This operation may only be performed by the bucket owner", 403)
    assert boto("s3").get_bucket_versioning(Bucket=ask.bucket).get("Status") is None
    assert ask_for(enabled.replace("<MfaDelete>Enabled", "<MfaDelete>Disabled")).status == 200
    assert boto("s3").get_bucket_versioning(Bucket=ask.bucket)["MFADelete"] == "Disabled"


def test_event_bridge(ask, boto):
    s3 = boto("s3")
    s3.put_bucket_notification_configuration(
        Bucket=ask.bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    assert s3.get_bucket_notification_configuration(Bucket=ask.bucket)["EventBridgeConfiguration"] == {}
    put(ask, "k")
    s3.put_bucket_notification_configuration(Bucket=ask.bucket, NotificationConfiguration={})
    assert "EventBridgeConfiguration" not in s3.get_bucket_notification_configuration(Bucket=ask.bucket)


def test_texts_of_bad_settings(ask):
    assert ask("PUT", f"/{ask.bucket}?acl", "<AccessControlPolicy/>").error[:2] == (400, "MalformedACLError")
    statement = '{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::%s/*","Condition":{"Foo":{"aws:x":"b"}}}'
    policy = '{"Version":"2012-10-17","Statement":[%s]}' % (statement % ask.bucket)
    assert ask("PUT", f"/{ask.bucket}?policy", policy).error == (400, "MalformedPolicy", "Invalid Condition type : Foo.")


def test_blocks_of_nothing(ask, boto):
    refused = error_of(boto("s3").put_public_access_block, Bucket=ask.bucket, PublicAccessBlockConfiguration={})
    assert refused == ("InvalidRequest", "Must specify at least one configuration.", 400)


def test_markers_and_addresses_that_cannot_be_read(ask, boto, account):
    answer = ask("GET", f"/{ask.bucket}?uploads&key-marker=a&upload-id-marker=b")
    assert answer.error == (400, "InvalidArgument", "Invalid uploadId marker")
    for kind, member in (("Topic", "TopicArn"), ("Queue", "QueueArn"), ("LambdaFunction", "LambdaFunctionArn")):
        configuration = {f"{kind}Configurations": [{member: "nothing", "Events": ["s3:ObjectCreated:*"]}]}
        refused = error_of(
            boto("s3").put_bucket_notification_configuration, Bucket=ask.bucket, NotificationConfiguration=configuration
        )
        assert refused == ("InvalidArgument", "The ARN could not be parsed", 400)


def test_the_first_forms_of_operations(ask, boto):
    s3 = boto("s3")
    rule = {
        "ID": "a",
        "Prefix": "p",
        "Status": "Enabled",
        "Transition": {"Days": 30, "StorageClass": "GLACIER"},
        "NoncurrentVersionTransition": {"NoncurrentDays": 30, "StorageClass": "GLACIER"},
    }
    s3.put_bucket_lifecycle(Bucket=ask.bucket, LifecycleConfiguration={"Rules": [rule]})
    assert s3.get_bucket_lifecycle(Bucket=ask.bucket)["Rules"] == [rule]
    newer = s3.get_bucket_lifecycle_configuration(Bucket=ask.bucket)["Rules"][0]
    assert newer["Transitions"] == [rule["Transition"]]
    s3.put_bucket_notification(Bucket=ask.bucket, NotificationConfiguration={})
    assert set(s3.get_bucket_notification(Bucket=ask.bucket)) == {"ResponseMetadata"}
    for kind, member, arn in (
        ("TopicConfiguration", "Topic", "sns:us-east-1:123456789012:t"),
        ("QueueConfiguration", "Queue", "sqs:us-east-1:123456789012:q"),
        ("CloudFunctionConfiguration", "CloudFunction", "lambda:us-east-1:123456789012:function:f"),
    ):
        one = {kind: {member: f"arn:aws:{arn}", "Events": ["s3:ObjectCreated:*"]}}
        refused = error_of(s3.put_bucket_notification, Bucket=ask.bucket, NotificationConfiguration=one)
        assert refused[:2] == ("InvalidArgument", "Unable to validate the following destination configurations")


def test_where_a_bucket_is(ask, cloud):
    assert ask("GET", f"/{ask.bucket}").headers["x-amz-bucket-region"] == "us-east-1"
    assert ask("GET", f"/{ask.bucket}?list-type=2").headers["x-amz-bucket-region"] == "us-east-1"
    denied = ask("HEAD", f"/{ask.bucket}", signed=False)
    assert (denied.status, denied.headers["x-amz-bucket-region"]) == (403, "us-east-1")
    assert "x-amz-bucket-region" not in ask("HEAD", "/no-such-bucket-anywhere").headers


def test_configurations_that_are_refused(ask, boto):
    s3 = boto("s3")
    tier = lambda days: error_of(
        s3.put_bucket_intelligent_tiering_configuration,
        Bucket=ask.bucket,
        Id="t",
        IntelligentTieringConfiguration={
            "Id": "t", "Status": "Enabled", "Tierings": [{"Days": days, "AccessTier": "ARCHIVE_ACCESS"}]
        },
    )  # fmt: skip
    assert tier(10)[0] == "InvalidArgument"
    both = {"Prefix": "x", "Tag": {"Key": "a", "Value": "b"}}
    metrics = {"Id": "m", "Filter": both}
    refused = error_of(s3.put_bucket_metrics_configuration, Bucket=ask.bucket, Id="m", MetricsConfiguration=metrics)
    assert refused[0] == "MalformedXML"
    analytics = {"Id": "a", "StorageClassAnalysis": {}, "Filter": {"And": {"Prefix": "x"}}}
    refused = error_of(
        s3.put_bucket_analytics_configuration, Bucket=ask.bucket, Id="a", AnalyticsConfiguration=analytics
    )
    assert refused[0] == "MalformedXML"
    assert "MetricsConfigurationList" not in s3.list_bucket_metrics_configurations(Bucket=ask.bucket)
