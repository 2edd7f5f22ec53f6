"""CloudWatch Logs through boto3 and the CLI."""

import time

import pytest

from conftest import error_of


@pytest.fixture
def logs(boto):
    client = boto("logs")
    client.create_log_group(logGroupName="/app")
    client.create_log_stream(logGroupName="/app", logStreamName="one")
    return client


def now():
    return int(time.time() * 1000)


def put(logs, *messages, stream="one", at=None):
    at = at or now()
    return logs.put_log_events(
        logGroupName="/app", logStreamName=stream,
        logEvents=[{"timestamp": at + index, "message": message} for index, message in enumerate(messages)])


def test_groups_and_streams(logs, account):
    group = logs.describe_log_groups(logGroupNamePrefix="/a")["logGroups"][0]
    assert group["arn"] == f"arn:aws:logs:us-east-1:{account}:log-group:/app:*"
    assert "retentionInDays" not in group and group["logGroupClass"] == "STANDARD"
    code, message, status = error_of(logs.create_log_group, logGroupName="/app")
    assert (code, message, status) == ("ResourceAlreadyExistsException", "The specified log group already exists", 400)
    assert error_of(logs.create_log_stream, logGroupName="/none", logStreamName="x")[:2] == (
        "ResourceNotFoundException", "The specified log group does not exist.")
    assert error_of(logs.get_log_events, logGroupName="/app", logStreamName="x")[1] == "The specified log stream does not exist."
    logs.put_retention_policy(logGroupName="/app", retentionInDays=7)
    assert logs.describe_log_groups()["logGroups"][0]["retentionInDays"] == 7
    assert error_of(logs.put_retention_policy, logGroupName="/app", retentionInDays=8)[0] == "InvalidParameterException"
    logs.delete_log_group(logGroupName="/app")
    assert logs.describe_log_groups()["logGroups"] == []


def test_paging_forward_and_backward(logs):
    put(logs, *[f"m{number}" for number in range(25)])
    first = logs.get_log_events(logGroupName="/app", logStreamName="one", startFromHead=True, limit=10)
    assert [event["message"] for event in first["events"]] == [f"m{n}" for n in range(10)]
    seen, token = [event["message"] for event in first["events"]], first["nextForwardToken"]
    while True:
        page = logs.get_log_events(logGroupName="/app", logStreamName="one", nextToken=token, limit=10)
        seen += [event["message"] for event in page["events"]]
        if page["nextForwardToken"] == token:
            break
        token = page["nextForwardToken"]
    assert seen == [f"m{n}" for n in range(25)]
    last = logs.get_log_events(logGroupName="/app", logStreamName="one", limit=5)
    assert [event["message"] for event in last["events"]] == [f"m{n}" for n in range(20, 25)]
    before = logs.get_log_events(logGroupName="/app", logStreamName="one", nextToken=last["nextBackwardToken"], limit=5)
    assert [event["message"] for event in before["events"]] == [f"m{n}" for n in range(15, 20)]


def test_filtering_over_streams_in_the_order_of_time(logs):
    logs.create_log_stream(logGroupName="/app", logStreamName="two")
    at = now() - 1000
    put(logs, "ERROR a", "ok", at=at)
    put(logs, "ERROR b", '{"code": 500}', stream="two", at=at + 1)
    found = logs.filter_log_events(logGroupName="/app", filterPattern="ERROR")["events"]
    assert [event["message"] for event in found] == ["ERROR a", "ERROR b"]
    found = logs.filter_log_events(logGroupName="/app", filterPattern="{ $.code >= 500 }")["events"]
    assert [event["logStreamName"] for event in found] == ["two"]
    page = logs.filter_log_events(logGroupName="/app", limit=3)
    rest = logs.filter_log_events(logGroupName="/app", limit=3, nextToken=page["nextToken"])
    assert len(page["events"]) == 3 and len(rest["events"]) == 1 and "nextToken" not in rest
    assert error_of(logs.filter_log_events, logGroupName="/app", filterPattern='"open')[0] == "InvalidParameterException"


def test_batches_that_are_refused(logs):
    at = now()
    events = [{"timestamp": at, "message": "b"}, {"timestamp": at - 1, "message": "a"}]
    code, message, _ = error_of(logs.put_log_events, logGroupName="/app", logStreamName="one", logEvents=events)
    assert (code, message) == ("InvalidParameterException", "Log events in a single PutLogEvents request must be in chronological order.")
    reply = put(logs, "old", at=at - 15 * 86_400_000)
    assert reply["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1}
    reply = put(logs, "new", at=at + 3 * 3_600_000)
    assert reply["rejectedLogEventsInfo"] == {"tooNewLogEventStartIndex": 0}
    assert logs.get_log_events(logGroupName="/app", logStreamName="one")["events"] == []
