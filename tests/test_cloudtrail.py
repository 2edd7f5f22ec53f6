"""CloudTrail's event history: paging across records, filters, times, restarts, and made-up tokens."""

import datetime
import json

from conftest import error_of


def calls(trail, **options):
    """Every event that is not a lookup itself, newest first."""
    events = []
    for page in trail.get_paginator("lookup_events").paginate(**options):
        events += page["Events"]
    return [event for event in events if event["EventName"] != "LookupEvents"]


def test_pages_are_complete_and_in_order(boto):
    sts, trail = boto("sts"), boto("cloudtrail")
    ids = [sts.get_caller_identity()["ResponseMetadata"]["RequestId"] for _ in range(120)]
    only = [{"AttributeKey": "EventName", "AttributeValue": "GetCallerIdentity"}]
    found = calls(trail, LookupAttributes=only, PaginationConfig={"PageSize": 7})
    assert [json.loads(event["CloudTrailEvent"])["requestID"] for event in found] == ids[::-1]
    assert len({event["EventId"] for event in found}) == 120
    one = trail.lookup_events(
        LookupAttributes=[{"AttributeKey": "EventId", "AttributeValue": found[50]["EventId"]}]
    )["Events"]
    assert [event["CloudTrailEvent"] for event in one] == [found[50]["CloudTrailEvent"]]


def test_parameters_errors_and_attributes(boto, account):
    dynamodb, trail, s3 = boto("dynamodb"), boto("cloudtrail"), boto("s3")
    error_of(dynamodb.describe_table, TableName="nowhere")
    s3.create_bucket(Bucket=f"trail-{account}")
    by = lambda key, value: calls(trail, LookupAttributes=[{"AttributeKey": key, "AttributeValue": value}])
    [event] = by("ResourceName", "nowhere")
    record = json.loads(event["CloudTrailEvent"])
    assert record["requestParameters"] == {"tableName": "nowhere"}
    assert record["errorCode"] == "ResourceNotFoundException" and record["readOnly"] is True
    assert record["userIdentity"]["type"] == "Root" and record["recipientAccountId"] == account
    assert "Boto3" in record["userAgent"] and record["sourceIPAddress"] == "127.0.0.1"
    assert [event["EventName"] for event in by("ResourceName", f"trail-{account}")] == ["CreateBucket"]
    assert {event["EventName"] for event in by("ReadOnly", "false")} == {"CreateBucket"}
    assert {event["EventName"] for event in by("EventSource", "s3.amazonaws.com")} == {"CreateBucket"}
    assert by("Username", "root") and not by("Username", "nobody")
    now = datetime.datetime.now(datetime.timezone.utc)
    assert not calls(trail, StartTime=now + datetime.timedelta(hours=1))
    assert not calls(trail, EndTime=now - datetime.timedelta(hours=1))
    assert len(calls(trail, StartTime=now - datetime.timedelta(hours=1), EndTime=now + datetime.timedelta(hours=1))) == 2


def test_secrets_stay_out(boto):
    error_of(
        boto("lambda").create_function, FunctionName="f", Role="arn:aws:iam::000000000000:role/none",
        Runtime="python3.12", Handler="a.b", Code={"ZipFile": b"secret content"},
    )
    [event] = calls(boto("cloudtrail"))
    parameters = json.loads(event["CloudTrailEvent"])["requestParameters"]
    assert parameters["code"]["zipFile"] == "HIDDEN_DUE_TO_SECURITY_REASONS"
    assert parameters["functionName"] == "f"


def test_a_made_up_token_leads_to_no_other_account(cloud, account):
    victim, thief = cloud.client("sts", key=account), cloud.client("cloudtrail", key="999999999999")
    victim.get_caller_identity()
    trail = cloud.client("cloudtrail", key=account)
    trail.lookup_events()
    token = trail.lookup_events(MaxResults=1)["NextToken"]
    shown = thief.lookup_events(NextToken=token)["Events"]
    assert all(json.loads(event["CloudTrailEvent"])["recipientAccountId"] == "999999999999" for event in shown)
    assert error_of(thief.lookup_events, NextToken="zz")[0] == "InvalidNextTokenException"


def test_the_trail_goes_on_after_a_restart(start):
    cloud = start()
    for _ in range(3):
        cloud.client("sts").get_caller_identity()
        calls(cloud.client("cloudtrail"))
        cloud.kill()
        cloud.restart()
    only = [{"AttributeKey": "EventName", "AttributeValue": "GetCallerIdentity"}]
    assert len(calls(cloud.client("cloudtrail"), LookupAttributes=only)) == 3
