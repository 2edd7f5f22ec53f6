"""Event holds of Object Lock: a version is kept until something happens, and for a time afterwards."""

import datetime

import pytest
from conftest import error_of


@pytest.fixture
def s3(boto):
    return boto("s3")


@pytest.fixture
def at(s3, account):
    bucket = f"holds-{account}"
    s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    return {"Bucket": bucket, "Key": "k"}


HELD = {"ObjectLockMode": "GOVERNANCE", "ObjectLockEventHold": "ON", "ObjectLockEventHoldDurationDays": 3}
SUM = {"ChecksumAlgorithm": "CRC32"}


def retention(s3, at):
    return s3.get_object_retention(**at)["Retention"]


def test_held_until_it_happens(s3, at):
    version = s3.put_object(**at, Body=b"x", **HELD, **SUM)["VersionId"]
    head = s3.head_object(**at)
    assert (head["ObjectLockEventHold"], head["ObjectLockEventHoldDurationDays"], head["ObjectLockMode"]) == ("ON", 3, "GOVERNANCE")
    assert "ObjectLockRetainUntilDate" not in head
    assert retention(s3, at) == {"Mode": "GOVERNANCE", "EventHold": "ON", "EventHoldDuration": {"Days": 3}}
    assert error_of(s3.delete_object, **at, VersionId=version)[0] == "AccessDenied"
    # Not for a shorter time, and not at all without the bypass.
    shorter = {"Mode": "GOVERNANCE", "EventHold": "ON", "EventHoldDuration": {"Days": 1}}
    assert error_of(s3.put_object_retention, **at, Retention=shorter)[0] == "AccessDenied"
    assert error_of(s3.put_object_retention, **at, Retention={})[0] == "AccessDenied"
    s3.put_object_retention(**at, Retention={"Mode": "GOVERNANCE", "EventHold": "ON", "EventHoldDuration": {"Years": 1}})
    s3.put_object_retention(**at, Retention={"EventHold": "OFF"})
    released = retention(s3, at)
    assert (released["Mode"], released["EventHold"]) == ("GOVERNANCE", "OFF") and "EventHoldDuration" not in released
    rest = released["RetainUntilDate"] - datetime.datetime.now(datetime.timezone.utc)
    assert datetime.timedelta(days=364) < rest <= datetime.timedelta(days=365)
    assert error_of(s3.delete_object, **at, VersionId=version)[0] == "AccessDenied"
    s3.delete_object(**at, VersionId=version, BypassGovernanceRetention=True)


def test_defaults_of_buckets(s3, at):
    rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "DefaultEventHold": {"Years": 2}}}
    configuration = {"ObjectLockEnabled": "Enabled", "Rule": rule}
    s3.put_object_lock_configuration(Bucket=at["Bucket"], ObjectLockConfiguration=configuration)
    assert s3.get_object_lock_configuration(Bucket=at["Bucket"])["ObjectLockConfiguration"] == configuration
    s3.put_object(**at, Body=b"x", **SUM)
    assert retention(s3, at) == {"Mode": "COMPLIANCE", "EventHold": "ON", "EventHoldDuration": {"Years": 2}}
    assert error_of(s3.put_object_retention, **at, Retention={}, BypassGovernanceRetention=True)[0] == "AccessDenied"
    s3.put_object(Bucket=at["Bucket"], Key="own", Body=b"x", **HELD, **SUM)
    assert retention(s3, {"Bucket": at["Bucket"], "Key": "own"})["EventHoldDuration"] == {"Days": 3}
    s3.copy_object(Bucket=at["Bucket"], Key="copy", CopySource=f"{at['Bucket']}/own", **HELD)
    assert retention(s3, {"Bucket": at["Bucket"], "Key": "copy"})["EventHoldDuration"] == {"Days": 3}


REFUSED = [
    {"ObjectLockEventHold": "ON", "ObjectLockEventHoldDurationDays": 1},
    {"ObjectLockMode": "GOVERNANCE", "ObjectLockEventHold": "ON"},
    {**HELD, "ObjectLockEventHoldDurationYears": 1},
    {**HELD, "ObjectLockEventHoldDurationDays": 0},
    {**HELD, "ObjectLockEventHold": "OFF"},
]


@pytest.mark.parametrize("asked", REFUSED, ids=range(len(REFUSED)))
def test_what_is_refused(s3, at, asked):
    assert error_of(s3.put_object, **at, Body=b"x", **asked, **SUM)[0] == "InvalidArgument"


def test_buckets_without_locks(s3, account):
    s3.create_bucket(Bucket=f"plain-{account}")
    refused = error_of(s3.put_object, Bucket=f"plain-{account}", Key="k", Body=b"x", **HELD, **SUM)
    assert refused[:2] == ("InvalidRequest", "Bucket is missing Object Lock Configuration")
