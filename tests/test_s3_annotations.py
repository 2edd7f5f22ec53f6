"""Annotations of objects."""

import json

import pytest
from conftest import error_of
from s3_raw import asker


@pytest.fixture
def s3(boto):
    return boto("s3")


@pytest.fixture
def bucket(s3, account):
    name = f"annotations-{account}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def at(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"body")
    return {"Bucket": bucket, "Key": "k"}


def text_of(s3, at, name, **more):
    return s3.get_object_annotation(**at, AnnotationName=name, **more)["AnnotationPayload"].read().decode()


def names(s3, at, **more):
    return [entry["AnnotationName"] for entry in s3.list_object_annotations(**at, **more)["Annotations"]]


def test_life(s3, at):
    done = s3.put_object_annotation(**at, AnnotationName="labels", AnnotationPayload='{"a": "ü"}'.encode())
    assert (done["Key"], done["AnnotationName"], done["ServerSideEncryption"]) == ("k", "labels", "AES256")
    assert len(done["ETag"]) == 34 and done["ChecksumType"] == "FULL_OBJECT"
    got = s3.get_object_annotation(**at, AnnotationName="labels", ChecksumMode="ENABLED")
    assert got["AnnotationPayload"].read().decode() == '{"a": "ü"}'
    assert (got["ETag"], got["ContentLength"]) == (done["ETag"], 11)
    # It is replaced as a whole, and the object is as it was.
    before = s3.head_object(**at)
    s3.put_object_annotation(**at, AnnotationName="labels", AnnotationPayload=b"x" * 100_000)
    assert text_of(s3, at, "labels") == "x" * 100_000
    after = s3.head_object(**at)
    assert (after["ETag"], after["LastModified"]) == (before["ETag"], before["LastModified"])
    s3.delete_object_annotation(**at, AnnotationName="labels")
    s3.delete_object_annotation(**at, AnnotationName="labels")
    assert error_of(s3.get_object_annotation, **at, AnnotationName="labels")[0::2] == ("NoSuchAnnotation", 404)


def test_listing(s3, at):
    for name in ("b/2", "a", "b/1", "ü"):
        s3.put_object_annotation(**at, AnnotationName=name, AnnotationPayload=b"text")
    answer = s3.list_object_annotations(**at)
    assert [entry["AnnotationName"] for entry in answer["Annotations"]] == ["a", "b/1", "b/2", "ü"]
    assert answer["AnnotationCount"] == 4 and answer["Annotations"][0]["Size"] == 4
    assert names(s3, at, AnnotationPrefix="b/") == ["b/1", "b/2"]
    page = s3.list_object_annotations(**at, MaxAnnotationResults=3)
    assert page["AnnotationCount"] == 3
    assert names(s3, at, ContinuationToken=page["NextContinuationToken"]) == ["ü"]
    refused = error_of(s3.list_object_annotations, **at, ContinuationToken="zz")
    assert refused[:2] == ("InvalidArgument", "The continuation token provided is incorrect")


REFUSED = [
    ("aws-x", b"x", "InvalidAnnotationName", 400),
    ("S3x", b"x", "InvalidAnnotationName", 400),
    ("n" * 513, b"x", "AnnotationNameTooLong", 400),
    ("n", b"", "InvalidRequest", 400),
    ("n", b"\xff\xfe", "UnsupportedMediaType", 415),
    ("n", b"x" * (1024 * 1024 + 1), "EntityTooLarge", 400),
]


@pytest.mark.parametrize("name, payload, code, status", REFUSED, ids=range(len(REFUSED)))
def test_what_is_refused(s3, at, name, payload, code, status):
    found = error_of(s3.put_object_annotation, **at, AnnotationName=name, AnnotationPayload=payload)
    assert found[0::2] == (code, status)
    assert names(s3, at) == []


def test_missing_objects(s3, bucket):
    at = {"Bucket": bucket, "Key": "none"}
    put = {"AnnotationName": "a", "AnnotationPayload": b"x"}
    assert error_of(s3.put_object_annotation, **at, **put)[0] == "NoSuchKey"
    assert error_of(s3.list_object_annotations, **at)[0] == "NoSuchKey"
    assert error_of(s3.delete_object_annotation, **at, AnnotationName="a")[0] == "NoSuchKey"
    elsewhere = error_of(s3.put_object_annotation, Bucket="no-such-bucket-here", Key="k", **put)
    assert elsewhere[0] == "NoSuchBucket"


def test_conditions_and_checksums(s3, at):
    put = {"AnnotationName": "a", "AnnotationPayload": b"x"}
    refused = error_of(s3.put_object_annotation, **at, **put, ObjectIfMatch="nope")
    assert refused[0::2] == ("PreconditionFailed", 412)
    etag = s3.head_object(**at)["ETag"]
    done = s3.put_object_annotation(**at, **put, ObjectIfMatch=etag, ChecksumAlgorithm="SHA256")
    assert done["ChecksumSHA256"]
    assert s3.list_object_annotations(**at)["Annotations"][0]["ChecksumAlgorithm"] == ["SHA256"]
    wrong = error_of(s3.put_object_annotation, **at, **put, ChecksumSHA256="A" * 43 + "=")
    assert wrong[0] == "BadDigest"
    refused = error_of(s3.delete_object_annotation, **at, AnnotationName="a", ObjectIfMatch="nope")
    assert refused[0] == "PreconditionFailed"


def test_versions_have_their_own(s3, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    at = {"Bucket": bucket, "Key": "k"}
    first = s3.put_object(**at, Body=b"1")["VersionId"]
    s3.put_object_annotation(**at, AnnotationName="a", AnnotationPayload=b"of the first")
    second = s3.put_object(**at, Body=b"2")["VersionId"]
    assert names(s3, at) == [] and names(s3, at, VersionId=first) == ["a"]
    done = s3.put_object_annotation(**at, VersionId=first, AnnotationName="b", AnnotationPayload=b"late")
    assert done["ObjectVersionId"] == first
    assert text_of(s3, at, "b", VersionId=first) == "late"
    assert s3.list_object_annotations(**at)["ObjectVersionId"] == second


def test_they_go_with_their_object(start):
    cloud = start()
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="going")
    at = {"Bucket": "going", "Key": "k"}
    import pathlib

    files = lambda: [path for path in (pathlib.Path(cloud.state)).rglob("s3/??/*") if path.is_file()]
    for end in (lambda: s3.delete_object(**at), lambda: s3.put_object(**at, Body=b"other")):
        s3.put_object(**at, Body=b"1")
        s3.put_object_annotation(**at, AnnotationName="large", AnnotationPayload=b"x" * 200_000)
        assert len(files()) == 1
        end()
        assert files() == []
    s3.put_object_annotation(**at, AnnotationName="kept", AnnotationPayload=b"y" * 200_000)
    cloud.kill()
    cloud.restart()
    assert text_of(cloud.client("s3"), at, "kept") == "y" * 200_000


def test_copies(s3, at, bucket):
    s3.put_object_annotation(**at, AnnotationName="small", AnnotationPayload=b"x")
    s3.put_object_annotation(**at, AnnotationName="large", AnnotationPayload=b"y" * 100_000)
    source = {"CopySource": f"{bucket}/k"}
    s3.copy_object(Bucket=bucket, Key="copy", **source)
    s3.copy_object(Bucket=bucket, Key="secret", **source, ServerSideEncryption="aws:kms")
    s3.copy_object(Bucket=bucket, Key="bare", **source, AnnotationDirective="EXCLUDE")
    s3.delete_object(**at)
    for key in ("copy", "secret"):
        there = {"Bucket": bucket, "Key": key}
        assert names(s3, there) == ["large", "small"]
        assert text_of(s3, there, "large") == "y" * 100_000
    assert names(s3, {"Bucket": bucket, "Key": "bare"}) == []
    # And out of the encryption again.
    s3.copy_object(Bucket=bucket, Key="plain", CopySource=f"{bucket}/secret", ServerSideEncryption="AES256")
    assert text_of(s3, {"Bucket": bucket, "Key": "plain"}, "small") == "x"


def test_encryption(start):
    import pathlib

    cloud = start()
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="secret")
    at = {"Bucket": "secret", "Key": "k"}
    s3.put_object(**at, Body=b"x", ServerSideEncryption="aws:kms")
    done = s3.put_object_annotation(**at, AnnotationName="a", AnnotationPayload=b"very readable " * 10_000)
    assert done["ServerSideEncryption"] == "aws:kms"
    assert text_of(s3, at, "a") == "very readable " * 10_000
    assert all(b"very readable" not in path.read_bytes() for path in pathlib.Path(cloud.state).rglob("*") if path.is_file())
    key = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "0" * 32}
    s3.put_object(Bucket="secret", Key="own", Body=b"x", **key)
    refused = error_of(
        s3.put_object_annotation, Bucket="secret", Key="own", AnnotationName="a", AnnotationPayload=b"x"
    )
    assert refused[0] == "InvalidRequest"


def test_locked_objects(cloud, boto, account):
    s3 = boto("s3")
    bucket = f"locked-annotations-{account}"
    s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    at = {"Bucket": bucket, "Key": "k"}
    s3.put_object(**at, Body=b"x")
    s3.put_object_annotation(**at, AnnotationName="a", AnnotationPayload=b"x")
    until = {"Mode": "GOVERNANCE", "RetainUntilDate": "2099-01-01T00:00:00Z"}
    s3.put_object_retention(**at, Retention=until)
    assert error_of(s3.delete_object_annotation, **at, AnnotationName="a")[0] == "AccessDenied"
    again = {"AnnotationName": "a", "AnnotationPayload": b"y"}
    assert error_of(s3.put_object_annotation, **at, **again)[0] == "AccessDenied"
    s3.put_object_annotation(**at, AnnotationName="b", AnnotationPayload=b"y")
    ask = asker(cloud, account)
    path = f"/{bucket}/k?annotation&annotationName=a"
    assert ask("DELETE", path, x_amz_bypass_governance_retention="true").status == 204
    assert names(s3, at) == ["b"]


def test_permissions(s3, at, bucket, user):
    resource = f"arn:aws:s3:::{bucket}/*"
    s3.put_object_annotation(**at, AnnotationName="a", AnnotationPayload=b"x")
    reader = user("reader", {"Effect": "Allow", "Action": ["s3:GetObjectAnnotation", "s3:GetObject"], "Resource": resource})
    assert text_of(reader("s3"), at, "a") == "x"
    for call in (reader("s3").list_object_annotations, reader("s3").delete_object_annotation):
        more = {} if call.__name__.startswith("list") else {"AnnotationName": "a"}
        assert error_of(call, **at, **more)[0] == "AccessDenied"
    # A copy takes them along only for who may read them and write them.
    copier = user("copier", {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": resource})("s3")
    copy = {"Bucket": bucket, "Key": "copy", "CopySource": f"{bucket}/k"}
    assert error_of(copier.copy_object, **copy)[0] == "AccessDenied"
    copier.copy_object(**copy, AnnotationDirective="EXCLUDE")


def test_bucket_policies_know_the_actions(s3, bucket):
    actions = [f"s3:{verb}ObjectAnnotation" for verb in ("Put", "Get", "Delete")] + ["s3:ListObjectAnnotations"]
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
        "Action": actions,
        "Resource": f"arn:aws:s3:::{bucket}/*",
    }
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
