"""What buckets do by rules: lifecycle on the clock, Object Lock, access control lists, notifications, replication."""

import datetime
import io
import json
import zipfile

import pytest
import requests

from conftest import error_of, wait_for

DAY = 86_400


@pytest.fixture
def s3(boto):
    return boto("s3")


@pytest.fixture
def bucket(s3, account):
    name = f"rules-{account}"
    s3.create_bucket(Bucket=name)
    return name


def keys(s3, bucket):
    return {entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", [])}


def versions(s3, bucket):
    page = s3.list_object_versions(Bucket=bucket)
    return page.get("Versions", []), page.get("DeleteMarkers", [])


# Lifecycle


def test_lifecycle_acts_on_the_clock(start, advance):
    cloud = start()
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="bbb")
    assert error_of(s3.get_bucket_lifecycle_configuration, Bucket="bbb")[0] == "NoSuchLifecycleConfiguration"
    rules = [
        {"ID": "gone soon", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 1}},
        {"ID": "cold", "Status": "Enabled", "Filter": {"Tag": {"Key": "t", "Value": "cold"}},
         "Transitions": [{"Days": 30, "StorageClass": "STANDARD_IA"}, {"Days": 60, "StorageClass": "GLACIER"}]},
        {"ID": "uploads", "Status": "Enabled", "Filter": {"Prefix": ""}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2}},
    ]
    s3.put_bucket_lifecycle_configuration(Bucket="bbb", LifecycleConfiguration={"Rules": rules})
    assert s3.get_bucket_lifecycle_configuration(Bucket="bbb")["Rules"] == rules
    put = s3.put_object(Bucket="bbb", Key="tmp/a", Body=b"1")
    assert 'rule-id="gone%20soon"' in put["Expiration"] and "expiry-date=" in put["Expiration"]
    assert s3.head_object(Bucket="bbb", Key="tmp/a")["Expiration"] == put["Expiration"]
    s3.put_object(Bucket="bbb", Key="cold", Body=b"x" * 200_000, Tagging="t=cold")
    s3.put_object(Bucket="bbb", Key="small", Body=b"x", Tagging="t=cold")
    s3.create_multipart_upload(Bucket="bbb", Key="u")
    advance(cloud, 2 * DAY)
    wait_for(lambda: keys(s3, "bbb") == {"cold", "small"}, "the expiration")
    advance(cloud, 1 * DAY)
    wait_for(lambda: "Uploads" not in s3.list_multipart_uploads(Bucket="bbb"), "the end of the upload")
    advance(cloud, 29 * DAY)
    wait_for(lambda: s3.head_object(Bucket="bbb", Key="cold").get("StorageClass") == "STANDARD_IA", "the transition")
    cloud.kill()
    cloud.restart()
    s3 = cloud.client("s3")
    advance(cloud, 70 * DAY, restarted=True)
    wait_for(lambda: s3.head_object(Bucket="bbb", Key="cold").get("StorageClass") == "GLACIER", "the archive")
    assert "StorageClass" not in s3.head_object(Bucket="bbb", Key="small")
    assert error_of(s3.get_object, Bucket="bbb", Key="cold")[::2] == ("InvalidObjectState", 403)
    assert error_of(s3.copy_object, Bucket="bbb", Key="c", CopySource="bbb/cold")[0] == "InvalidObjectState"
    answer = s3.restore_object(Bucket="bbb", Key="cold", RestoreRequest={"Days": 1, "GlacierJobParameters": {"Tier": "Expedited"}})
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert s3.head_object(Bucket="bbb", Key="cold")["Restore"] == 'ongoing-request="true"'
    assert error_of(s3.restore_object, Bucket="bbb", Key="cold", RestoreRequest={"Days": 1})[0] == "RestoreAlreadyInProgress"
    assert error_of(s3.restore_object, Bucket="bbb", Key="small", RestoreRequest={"Days": 1})[0] == "InvalidObjectState"
    advance(cloud, 0.01 * DAY)
    assert s3.head_object(Bucket="bbb", Key="cold")["Restore"].startswith('ongoing-request="false", expiry-date="')
    assert len(s3.get_object(Bucket="bbb", Key="cold")["Body"].read()) == 200_000
    advance(cloud, 3 * DAY)
    assert error_of(s3.get_object, Bucket="bbb", Key="cold")[0] == "InvalidObjectState"


def test_lifecycle_of_versions(start, advance):
    cloud = start()
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="bbb")
    s3.put_bucket_versioning(Bucket="bbb", VersioningConfiguration={"Status": "Enabled"})
    rules = [{"ID": "a", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 5},
              "NoncurrentVersionExpiration": {"NoncurrentDays": 1, "NewerNoncurrentVersions": 1}},
             {"ID": "b", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"ExpiredObjectDeleteMarker": True}}]
    s3.put_bucket_lifecycle_configuration(Bucket="bbb", LifecycleConfiguration={"Rules": rules})
    for n in range(4):
        s3.put_object(Bucket="bbb", Key="k", Body=b"%d" % n)
    s3.put_object(Bucket="bbb", Key="lonely", Body=b"x")
    s3.delete_object(Bucket="bbb", Key="lonely", VersionId=s3.head_object(Bucket="bbb", Key="lonely")["VersionId"])
    s3.delete_object(Bucket="bbb", Key="lonely")
    advance(cloud, 2 * DAY)
    wait_for(lambda: len(versions(s3, "bbb")[0]) == 2 and not versions(s3, "bbb")[1], "older versions and markers to go")
    advance(cloud, 4 * DAY)
    wait_for(lambda: len(versions(s3, "bbb")[1]) == 1, "the delete marker")
    assert keys(s3, "bbb") == set()


@pytest.mark.parametrize("rule, code, words", [
    ({"Expiration": {"Days": 0}}, "InvalidArgument", "'Days' for Expiration action must be a positive integer"),
    ({}, "InvalidRequest", "At least one action needs to be specified in a rule"),
    ({"Transitions": [{"Days": 1, "StorageClass": "STANDARD_IA"}]}, "InvalidArgument", "greater than or equal to 30"),
    ({"Expiration": {"Date": datetime.datetime(2030, 1, 1, 5)}}, "InvalidArgument", "'Date' must be at midnight GMT"),
    ({"Expiration": {"Days": 1, "ExpiredObjectDeleteMarker": True}}, "MalformedXML", ""),
])
def test_lifecycle_rules_that_are_refused(s3, bucket, rule, code, words):
    rules = {"Rules": [{"Status": "Enabled", "Filter": {"Prefix": ""}, **rule}]}
    found = error_of(s3.put_bucket_lifecycle_configuration, Bucket=bucket, LifecycleConfiguration=rules)
    assert found[0] == code and words in found[1]


# Object Lock


def test_object_lock(s3, boto, account, user):
    bucket = f"lock-{account}"
    s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert error_of(s3.put_bucket_versioning, Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})[0] == "InvalidBucketState"
    assert s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"] == {"ObjectLockEnabled": "Enabled"}
    until = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) + datetime.timedelta(days=1)
    locked = s3.put_object(Bucket=bucket, Key="g", Body=b"1", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=until)["VersionId"]
    head = s3.head_object(Bucket=bucket, Key="g")
    assert (head["ObjectLockMode"], head["ObjectLockRetainUntilDate"]) == ("GOVERNANCE", until)
    denied = error_of(s3.delete_object, Bucket=bucket, Key="g", VersionId=locked)
    assert denied == ("AccessDenied", "Access Denied because object protected by object lock.", 403)
    batch = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "g", "VersionId": locked}]})
    assert batch["Errors"][0]["Code"] == "AccessDenied"
    statement = {"Effect": "Allow", "Action": "s3:DeleteObjectVersion", "Resource": "*"}
    weak = user("weak", statement)("s3")
    assert error_of(weak.delete_object, Bucket=bucket, Key="g", VersionId=locked, BypassGovernanceRetention=True)[0] == "AccessDenied"
    s3.delete_object(Bucket=bucket, Key="g")
    s3.delete_object(Bucket=bucket, Key="g", VersionId=locked, BypassGovernanceRetention=True)
    comply = s3.put_object(Bucket=bucket, Key="c", Body=b"1", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until)["VersionId"]
    assert error_of(s3.delete_object, Bucket=bucket, Key="c", VersionId=comply, BypassGovernanceRetention=True)[0] == "AccessDenied"
    shorter = {"Mode": "COMPLIANCE", "RetainUntilDate": until - datetime.timedelta(hours=1)}
    assert error_of(s3.put_object_retention, Bucket=bucket, Key="c", Retention=shorter)[0] == "AccessDenied"
    longer = {"Mode": "COMPLIANCE", "RetainUntilDate": until + datetime.timedelta(hours=1)}
    s3.put_object_retention(Bucket=bucket, Key="c", Retention=longer)
    assert s3.get_object_retention(Bucket=bucket, Key="c")["Retention"] == longer
    held = s3.put_object(Bucket=bucket, Key="h", Body=b"1", ObjectLockLegalHoldStatus="ON")["VersionId"]
    assert s3.get_object_legal_hold(Bucket=bucket, Key="h")["LegalHold"] == {"Status": "ON"}
    assert error_of(s3.delete_object, Bucket=bucket, Key="h", VersionId=held)[0] == "AccessDenied"
    s3.put_object_legal_hold(Bucket=bucket, Key="h", LegalHold={"Status": "OFF"})
    s3.delete_object(Bucket=bucket, Key="h", VersionId=held)
    rule = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 3}}}
    s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=rule)
    assert s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"] == rule
    s3.put_object(Bucket=bucket, Key="d", Body=b"1")
    assert s3.get_object_retention(Bucket=bucket, Key="d")["Retention"]["Mode"] == "GOVERNANCE"
    wrong = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 3, "Years": 1}}}
    assert error_of(s3.put_object_lock_configuration, Bucket=bucket, ObjectLockConfiguration=wrong)[0] == "MalformedXML"


def test_without_object_lock(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    assert error_of(s3.get_object_lock_configuration, Bucket=bucket)[::2] == ("ObjectLockConfigurationNotFoundError", 404)
    assert error_of(s3.get_object_retention, Bucket=bucket, Key="k")[:2] == ("InvalidRequest", "Bucket is missing Object Lock Configuration")
    assert error_of(s3.put_object, Bucket=bucket, Key="k", Body=b"", ObjectLockLegalHoldStatus="ON")[0] == "InvalidRequest"
    assert error_of(s3.put_object_lock_configuration, Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"})[::2] == ("InvalidBucketState", 409)


# Access control lists


def test_lists_are_disabled_by_default(s3, bucket):
    assert error_of(s3.put_bucket_acl, Bucket=bucket, ACL="public-read")[0] == "AccessControlListNotSupported"
    assert error_of(s3.put_object, Bucket=bucket, Key="k", Body=b"", ACL="private")[0] == "AccessControlListNotSupported"
    s3.put_object(Bucket=bucket, Key="k", Body=b"", ACL="bucket-owner-full-control")
    grants = s3.get_object_acl(Bucket=bucket, Key="k")["Grants"]
    assert [grant["Permission"] for grant in grants] == ["FULL_CONTROL"]


def test_lists_are_enforced(s3, boto, cloud, account):
    bucket = f"acl-{account}"
    assert error_of(s3.create_bucket, Bucket=bucket, ACL="public-read", ObjectOwnership="ObjectWriter")[0] == "InvalidBucketAclWithBlockPublicAccessError"
    s3.create_bucket(Bucket=bucket, ObjectOwnership="ObjectWriter")
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    url = f"{cloud.endpoint}/{bucket}/k"
    assert requests.get(url).status_code == 403
    blocked = error_of(s3.put_object_acl, Bucket=bucket, Key="k", ACL="public-read")
    assert blocked[0] == "AccessDenied" and "BlockPublicAcls" in blocked[1]
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_object_acl(Bucket=bucket, Key="k", ACL="public-read")
    assert requests.get(url).status_code == 200
    assert requests.get(f"{cloud.endpoint}/{bucket}").status_code == 403
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    assert requests.get(f"{cloud.endpoint}/{bucket}").status_code == 200
    assert requests.put(f"{cloud.endpoint}/{bucket}/anonymous", data=b"x").status_code == 200
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={"IgnorePublicAcls": True})
    assert requests.get(url).status_code == 403
    s3.delete_public_access_block(Bucket=bucket)
    other = cloud.client("s3", key="888888888888")
    other_id = other.list_buckets()["Owner"]["ID"]
    s3.put_bucket_acl(Bucket=bucket, ACL="private")
    s3.put_object_acl(Bucket=bucket, Key="k", GrantRead=f'id="{other_id}"')
    assert other.get_object(Bucket=bucket, Key="k")["Body"].read() == b"1"
    assert error_of(other.list_objects_v2, Bucket=bucket)[0] == "AccessDenied"
    s3.put_bucket_acl(Bucket=bucket, GrantWrite=f'id="{other_id}"')
    other.put_object(Bucket=bucket, Key="theirs", Body=b"2")
    assert error_of(s3.get_object, Bucket=bucket, Key="theirs")[0] == "AccessDenied"
    assert other.get_object_acl(Bucket=bucket, Key="theirs")["Owner"]["ID"] == other_id
    s3.delete_object(Bucket=bucket, Key="theirs")
    policy = s3.get_object_acl(Bucket=bucket, Key="k")
    policy = {"Owner": policy["Owner"], "Grants": [{"Grantee": {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"}, "Permission": "READ_ACP"}]}
    s3.put_object_acl(Bucket=bucket, Key="k", AccessControlPolicy=policy)
    assert s3.get_object_acl(Bucket=bucket, Key="k")["Grants"] == policy["Grants"]
    assert error_of(other.get_object, Bucket=bucket, Key="k")[0] == "AccessDenied"
    other.get_object_acl(Bucket=bucket, Key="k")
    assert requests.get(url + "?acl").status_code == 403
    assert error_of(s3.put_object_acl, Bucket=bucket, Key="k", GrantRead="id=_foo")[0] == "InvalidArgument"
    assert error_of(s3.put_bucket_ownership_controls, Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]})[0] == "InvalidBucketAclWithObjectOwnership"


# Notifications

CODE = """
const fs = require("fs");
exports.handler = async (event) => { await fetch(process.env.SINK, { method: "PUT", body: JSON.stringify(event) }); };
"""
TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}


def test_notifications_need_their_destinations(s3, bucket, account):
    function = f"arn:aws:lambda:us-east-1:{account}:function:nobody"
    for kind, member, arn in (("LambdaFunctionConfigurations", "LambdaFunctionArn", function),
                              ("QueueConfigurations", "QueueArn", f"arn:aws:sqs:us-east-1:{account}:q"),
                              ("TopicConfigurations", "TopicArn", f"arn:aws:sns:us-east-1:{account}:t")):
        configuration = {kind: [{member: arn, "Events": ["s3:ObjectCreated:*"]}]}
        wrong = error_of(s3.put_bucket_notification_configuration, Bucket=bucket, NotificationConfiguration=configuration)
        assert wrong[:2] == ("InvalidArgument", "Unable to validate the following destination configurations")
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    answer = s3.get_bucket_notification_configuration(Bucket=bucket)
    assert set(answer) == {"ResponseMetadata"}


def test_functions_are_notified(s3, boto, cloud, account, bucket):
    iam, function = boto("iam"), boto("lambda")
    role = iam.create_role(RoleName="f", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    sink = f"sink-{account}"
    s3.create_bucket(Bucket=sink, ObjectOwnership="ObjectWriter")
    s3.delete_public_access_block(Bucket=sink)
    s3.put_bucket_acl(Bucket=sink, ACL="public-read-write")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as package:
        package.writestr("index.js", CODE)
    arn = function.create_function(
        FunctionName="notified", Runtime="nodejs22.x", Role=role, Handler="index.handler", Code={"ZipFile": archive.getvalue()},
        Environment={"Variables": {"SINK": f"{cloud.endpoint}/{sink}/event"}},
    )["FunctionArn"]
    function.get_waiter("function_active_v2").wait(FunctionName="notified")
    configuration = {"LambdaFunctionConfigurations": [{
        "Id": "mine", "LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"],
        "Filter": {"Key": {"FilterRules": [{"Name": "Prefix", "Value": "in/"}, {"Name": "Suffix", "Value": ".txt"}]}}}]}
    assert error_of(s3.put_bucket_notification_configuration, Bucket=bucket, NotificationConfiguration=configuration)[0] == "InvalidArgument"
    function.add_permission(FunctionName="notified", StatementId="s3", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com",
                            SourceArn=f"arn:aws:s3:::{bucket}", SourceAccount=account)
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)
    answer = s3.get_bucket_notification_configuration(Bucket=bucket)
    assert answer["LambdaFunctionConfigurations"] == configuration["LambdaFunctionConfigurations"]
    s3.put_object(Bucket=bucket, Key="in/no.jpg", Body=b"x")
    etag = s3.put_object(Bucket=bucket, Key="in/a b.txt", Body=b"hello")["ETag"]
    wait_for(lambda: keys(s3, sink), "the notification", 60)
    event = json.loads(s3.get_object(Bucket=sink, Key="event")["Body"].read())
    [record] = event["Records"]
    assert (record["eventName"], record["eventSource"], record["awsRegion"]) == ("ObjectCreated:Put", "aws:s3", "us-east-1")
    assert record["s3"]["configurationId"] == "mine" and record["s3"]["bucket"]["name"] == bucket
    shown = record["s3"]["object"]
    assert (shown["key"], shown["size"], shown["eTag"]) == ("in/a+b.txt", 5, etag.strip('"'))


# Replication


def test_replication(s3, boto, account, bucket):
    iam = boto("iam")
    other = f"replica-{account}"
    ireland = boto("s3", region="eu-west-1")
    ireland.create_bucket(Bucket=other, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    trust = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sts:AssumeRole"}]})
    role = iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    rule = {"ID": "all", "Priority": 1, "Status": "Enabled", "Filter": {"Prefix": "a"}, "DeleteMarkerReplication": {"Status": "Enabled"},
            "Destination": {"Bucket": f"arn:aws:s3:::{other}", "StorageClass": "STANDARD_IA"}}
    configuration = {"Role": role, "Rules": [rule]}
    put = {"Bucket": bucket, "ReplicationConfiguration": configuration}
    assert error_of(s3.get_bucket_replication, Bucket=bucket)[0] == "ReplicationConfigurationNotFoundError"
    assert error_of(s3.put_bucket_replication, **put)[0] == "InvalidRequest"
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    assert error_of(s3.put_bucket_replication, **put)[:2] == ("InvalidRequest", "Destination bucket must have versioning enabled.")
    s3.put_bucket_versioning(Bucket=other, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_replication(**put)
    assert s3.get_bucket_replication(Bucket=bucket)["ReplicationConfiguration"] == configuration
    status = lambda key: s3.head_object(Bucket=bucket, Key=key).get("ReplicationStatus")
    s3.put_object(Bucket=bucket, Key="a0", Body=b"x")
    wait_for(lambda: status("a0") == "FAILED", "the failure")
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=json.dumps(document))
    data = b"y" * 300_000
    version = s3.put_object(Bucket=bucket, Key="a1", Body=data, Metadata={"m": "1"}, Tagging="t=1")["VersionId"]
    s3.put_object(Bucket=bucket, Key="b1", Body=b"not this one")
    wait_for(lambda: status("a1") == "COMPLETED", "the replication")
    got = s3.get_object(Bucket=other, Key="a1")
    assert got["Body"].read() == data and got["VersionId"] == version and got["ReplicationStatus"] == "REPLICA"
    assert got["Metadata"] == {"m": "1"} and got["StorageClass"] == "STANDARD_IA"
    assert keys(s3, other) == {"a1"} and status("b1") is None
    s3.delete_object(Bucket=bucket, Key="a1")
    wait_for(lambda: keys(s3, other) == set(), "the delete marker")
    s3.delete_object(Bucket=bucket, Key="a1", VersionId=version)
    assert s3.head_object(Bucket=other, Key="a1", VersionId=version)["VersionId"] == version


# Conditions of policies


@pytest.mark.parametrize("condition, allowed, denied", [
    ({"StringEquals": {"s3:RequestObjectTag/a": "1"}}, {"Tagging": "a=1"}, {"Tagging": "a=2"}),
    ({"StringEquals": {"s3:x-amz-server-side-encryption": "AES256"}}, {"ServerSideEncryption": "AES256"}, {}),
    ({"StringEquals": {"s3:x-amz-storage-class": "STANDARD_IA"}}, {"StorageClass": "STANDARD_IA"}, {"StorageClass": "GLACIER"}),
    ({"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}}, {"ACL": "bucket-owner-full-control"}, {}),
])
def test_conditions_of_writes(s3, user, account, bucket, condition, allowed, denied):
    writer = user("writer")("s3")
    statement = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:user/writer"}, "Condition": condition,
                 "Action": ["s3:PutObject", "s3:PutObjectTagging"], "Resource": f"arn:aws:s3:::{bucket}/*"}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    writer.put_object(Bucket=bucket, Key="k", Body=b"x", **allowed)
    assert error_of(writer.put_object, Bucket=bucket, Key="k", Body=b"x", **denied)[0] == "AccessDenied"


def test_conditions_on_what_is_there(s3, user, account, bucket):
    reader = user("reader")("s3")
    principal = {"AWS": f"arn:aws:iam::{account}:user/reader"}
    tagged = {"StringEquals": {"s3:ExistingObjectTag/open": "yes"}}
    source = {"StringLike": {"s3:x-amz-copy-source": f"{bucket}/a*"}}
    everything = f"arn:aws:s3:::{bucket}/*"
    statements = [
        {"Effect": "Allow", "Principal": principal, "Action": "s3:GetObject", "Resource": everything, "Condition": tagged},
        {"Effect": "Allow", "Principal": principal, "Action": ["s3:PutObject", "s3:PutObjectTagging"], "Resource": everything, "Condition": source},
    ]
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    for key, tags in (("a", "open=yes"), ("b", "open=yes"), ("c", "open=no")):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x", Tagging=tags)
    reader.get_object(Bucket=bucket, Key="a")
    assert error_of(reader.get_object, Bucket=bucket, Key="c")[0] == "AccessDenied"
    reader.copy_object(Bucket=bucket, Key="d", CopySource=f"{bucket}/a")
    assert error_of(reader.copy_object, Bucket=bucket, Key="d", CopySource=f"{bucket}/b")[0] == "AccessDenied"


def test_requesters_pay(s3, cloud, bucket):
    other = cloud.client("s3", key="777777777777")
    s3.delete_public_access_block(Bucket=bucket)
    statement = {"Effect": "Allow", "Principal": {"AWS": "777777777777"}, "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    s3.put_bucket_request_payment(Bucket=bucket, RequestPaymentConfiguration={"Payer": "Requester"})
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert error_of(other.get_object, Bucket=bucket, Key="k")[::2] == ("AccessDenied", 403)
    assert other.get_object(Bucket=bucket, Key="k", RequestPayer="requester")["RequestCharged"] == "requester"
    assert "RequestCharged" not in s3.get_object(Bucket=bucket, Key="k")


# Access logs


def test_access_logs_are_delivered(start, advance):
    cloud = start()
    s3 = cloud.client("s3", key="111122223333")
    s3.create_bucket(Bucket="asked")
    s3.create_bucket(Bucket="logs")
    statement = {"Effect": "Allow", "Principal": {"Service": "logging.s3.amazonaws.com"}, "Action": "s3:PutObject",
                 "Resource": "arn:aws:s3:::logs/*", "Condition": {"StringEquals": {"aws:SourceAccount": "111122223333"}}}
    s3.put_bucket_policy(Bucket="logs", Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    s3.put_bucket_logging(Bucket="asked", BucketLoggingStatus={"LoggingEnabled": {"TargetBucket": "logs", "TargetPrefix": "l/"}})
    s3.put_object(Bucket="asked", Key="a b", Body=b"x")
    error_of(s3.get_object, Bucket="asked", Key="none")
    s3.list_objects_v2(Bucket="logs")
    advance(cloud, 0.01 * DAY)
    [key] = wait_for(lambda: keys(s3, "logs"), "the log")
    assert key.startswith("l/20")
    lines = s3.get_object(Bucket="logs", Key=key)["Body"].read().decode().splitlines()
    assert any(" asked [" in line and "REST.PUT.OBJECT a%20b \"PUT /asked/a%20b HTTP/1.1\" 200 -" in line for line in lines)
    assert any("REST.GET.OBJECT none" in line and " 404 NoSuchKey " in line for line in lines)
    assert not any(" logs [" in line for line in lines)


# Configurations


def test_configurations(s3, bucket):
    analytics = {"Id": "a", "StorageClassAnalysis": {}, "Filter": {"Prefix": "x"}}
    assert error_of(s3.get_bucket_analytics_configuration, Bucket=bucket, Id="a")[::2] == ("NoSuchConfiguration", 404)
    s3.put_bucket_analytics_configuration(Bucket=bucket, Id="a", AnalyticsConfiguration=analytics)
    assert s3.get_bucket_analytics_configuration(Bucket=bucket, Id="a")["AnalyticsConfiguration"] == analytics
    s3.put_bucket_metrics_configuration(Bucket=bucket, Id="m", MetricsConfiguration={"Id": "m"})
    assert s3.list_bucket_metrics_configurations(Bucket=bucket)["MetricsConfigurationList"] == [{"Id": "m"}]
    wrong = error_of(s3.put_bucket_metrics_configuration, Bucket=bucket, Id="m", MetricsConfiguration={"Id": "n"})
    assert wrong[0] == "IdMismatch"
    s3.delete_bucket_metrics_configuration(Bucket=bucket, Id="m")
    assert error_of(s3.delete_bucket_metrics_configuration, Bucket=bucket, Id="m")[0] == "NoSuchConfiguration"
    tiering = {"Id": "t", "Status": "Enabled", "Tierings": [{"Days": 90, "AccessTier": "ARCHIVE_ACCESS"}]}
    s3.put_bucket_intelligent_tiering_configuration(Bucket=bucket, Id="t", IntelligentTieringConfiguration=tiering)
    assert s3.get_bucket_intelligent_tiering_configuration(Bucket=bucket, Id="t")["IntelligentTieringConfiguration"] == tiering
    inventory = {"Id": "i", "IsEnabled": True, "IncludedObjectVersions": "All", "Schedule": {"Frequency": "Daily"},
                 "Destination": {"S3BucketDestination": {"Bucket": f"arn:aws:s3:::{bucket}", "Format": "CSV"}}}
    s3.put_bucket_inventory_configuration(Bucket=bucket, Id="i", InventoryConfiguration=inventory)
    assert s3.list_bucket_inventory_configurations(Bucket=bucket)["InventoryConfigurationList"] == [inventory]
    s3.put_bucket_request_payment(Bucket=bucket, RequestPaymentConfiguration={"Payer": "Requester"})
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "Requester"
    s3.put_bucket_accelerate_configuration(Bucket=bucket, AccelerateConfiguration={"Status": "Enabled"})
    assert s3.get_bucket_accelerate_configuration(Bucket=bucket)["Status"] == "Enabled"
    target = {"LoggingEnabled": {"TargetBucket": "nobodys-bucket", "TargetPrefix": "l/"}}
    assert error_of(s3.put_bucket_logging, Bucket=bucket, BucketLoggingStatus=target)[0] == "InvalidTargetBucketForLogging"
    target["LoggingEnabled"]["TargetBucket"] = bucket
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus=target)
    assert s3.get_bucket_logging(Bucket=bucket)["LoggingEnabled"] == target["LoggingEnabled"]
