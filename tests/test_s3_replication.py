"""Replication of what is encrypted, of whose a replica is, and of what is said of a version later."""

import io
import json
import zipfile

import pytest
from conftest import error_of, wait_for

ANY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


@pytest.fixture
def s3(boto):
    return boto("s3")


@pytest.fixture
def role(boto):
    iam = boto("iam")
    arn = iam.create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=json.dumps(ANY))
    return arn


def made(s3, name, **options):
    s3.create_bucket(Bucket=name, **options)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


def follow(s3, role, source, destination, criteria=None, **further):
    rule = {
        "ID": "all",
        "Priority": 1,
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "DeleteMarkerReplication": {"Status": "Disabled"},
        "Destination": {"Bucket": f"arn:aws:s3:::{destination}", **further},
    }
    if criteria:
        rule["SourceSelectionCriteria"] = criteria
    s3.put_bucket_replication(Bucket=source, ReplicationConfiguration={"Role": role, "Rules": [rule]})


def completed(s3, bucket, key, **head):
    status = lambda: s3.head_object(Bucket=bucket, Key=key, **head).get("ReplicationStatus")
    wait_for(lambda: status() in ("COMPLETED", "FAILED"), f"the replication of {key}")
    assert status() == "COMPLETED"


@pytest.fixture
def pair(s3, account):
    return made(s3, f"from-{account}"), made(s3, f"to-{account}")


KMS = {"SseKmsEncryptedObjects": {"Status": "Enabled"}}


def test_encrypted_objects(s3, role, pair):
    source, destination = pair
    key = s3.put_object(Bucket=destination, Key="first", Body=b"x", ServerSideEncryption="aws:kms")["SSEKMSKeyId"]
    follow(s3, role, source, destination, KMS, EncryptionConfiguration={"ReplicaKmsKeyID": key})
    body = b"a secret of some length " * 5000
    own = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "0" * 32}
    s3.put_object(Bucket=source, Key="kms", Body=body, ServerSideEncryption="aws:kms", Tagging="a=1")
    s3.put_object(Bucket=source, Key="own", Body=body, **own)
    completed(s3, source, "kms")
    completed(s3, source, "own", **own)
    got = s3.get_object(Bucket=destination, Key="kms")
    assert got["Body"].read() == body
    assert (got["ServerSideEncryption"], got["SSEKMSKeyId"], got["TagCount"]) == ("aws:kms", key, 1)
    assert s3.get_object(Bucket=destination, Key="own", **own)["Body"].read() == body
    assert error_of(s3.get_object, Bucket=destination, Key="own")[0] == "InvalidRequest"


def test_encrypted_objects_stay_where_no_rule_wants_them(s3, role, pair):
    source, destination = pair
    follow(s3, role, source, destination)
    s3.put_object(Bucket=source, Key="kms", Body=b"x", ServerSideEncryption="aws:kms")
    s3.put_object(Bucket=source, Key="plain", Body=b"x")
    completed(s3, source, "plain")
    assert "ReplicationStatus" not in s3.head_object(Bucket=source, Key="kms")
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=destination)["Contents"]] == ["plain"]


def test_plain_objects_are_encrypted_as_their_new_bucket_says(s3, role, pair):
    source, destination = pair
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}
    s3.put_bucket_encryption(Bucket=destination, ServerSideEncryptionConfiguration={"Rules": [rule]})
    follow(s3, role, source, destination)
    s3.put_object(Bucket=source, Key="k", Body=b"text")
    completed(s3, source, "k")
    got = s3.get_object(Bucket=destination, Key="k")
    assert (got["Body"].read(), got["ServerSideEncryption"]) == (b"text", "aws:kms")


REFUSED = [
    (KMS, {}, "EncryptionConfiguration must be specified if SseKmsEncryptedObjects is present."),
    (None, {"EncryptionConfiguration": {"ReplicaKmsKeyID": "k"}}, "SseKmsEncryptedObjects must be specified if EncryptionConfiguration is present."),
]  # fmt: skip


@pytest.mark.parametrize("criteria, further, message", REFUSED)
def test_settings_that_belong_together(s3, role, pair, criteria, further, message):
    refused = error_of(follow, s3, role, *pair, criteria, **further)
    assert refused == ("InvalidRequest", message, 400)


def test_forms_of_rules(s3, role, pair):
    source, destination = pair
    full = {
        "Priority": 1,
        "Status": "Enabled",
        "Filter": {"Tag": {"Key": "a", "Value": "b"}},
        "DeleteMarkerReplication": {"Status": "Enabled"},
        "Destination": {"Bucket": f"arn:aws:s3:::{destination}"},
    }
    said = lambda rule: error_of(
        s3.put_bucket_replication, Bucket=source, ReplicationConfiguration={"Role": role, "Rules": [rule]}
    )
    assert said(full)[1].startswith("Delete marker replication is not supported if any Tag filter is specified.")
    for name in ("Priority", "DeleteMarkerReplication"):
        code, message, _ = said({key: value for key, value in full.items() if key != name})
        assert code == "InvalidRequest" and message.startswith(f"{name} must be specified for this version of")


def test_what_is_said_later(s3, role, pair):
    source, destination = pair
    follow(s3, role, source, destination)
    at, there = {"Bucket": source, "Key": "k"}, {"Bucket": destination, "Key": "k"}
    s3.put_object(**at, Body=b"x", Tagging="a=1")
    s3.put_object_annotation(**at, AnnotationName="n", AnnotationPayload=b"one")
    completed(s3, source, "k")
    tags = lambda where: {tag["Key"]: tag["Value"] for tag in s3.get_object_tagging(**where)["TagSet"]}
    assert tags(there) == {"a": "1"}
    s3.put_object_tagging(**at, Tagging={"TagSet": [{"Key": "b", "Value": "2"}]})
    wait_for(lambda: tags(there) == {"b": "2"}, "the tags of the replica")
    text = lambda where: s3.get_object_annotation(**where, AnnotationName="n")["AnnotationPayload"].read()
    assert text(there) == b"one"
    s3.put_object_annotation(**at, AnnotationName="n", AnnotationPayload=b"two")
    wait_for(lambda: text(there) == b"two", "the annotation of the replica")
    completed(s3, source, "k")
    assert s3.head_object(**there)["ReplicationStatus"] == "REPLICA"
    # A replica's own tags stay its own.
    s3.put_object_tagging(**there, Tagging={"TagSet": [{"Key": "c", "Value": "3"}]})
    assert tags(at) == {"b": "2"}


def test_both_ways(s3, role, pair):
    source, destination = pair
    both = {"ReplicaModifications": {"Status": "Enabled"}}
    follow(s3, role, source, destination, both)
    follow(s3, role, destination, source, both)
    s3.put_object(Bucket=source, Key="k", Body=b"x")
    completed(s3, source, "k")
    s3.put_object_tagging(Bucket=destination, Key="k", Tagging={"TagSet": [{"Key": "c", "Value": "3"}]})
    tags = lambda: s3.get_object_tagging(Bucket=source, Key="k")["TagSet"]
    wait_for(lambda: tags() == [{"Key": "c", "Value": "3"}], "the tags of the original")


def test_locks(s3, role, account):
    source = f"from-locked-{account}"
    destination = f"to-locked-{account}"
    for name in (source, destination):
        s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    follow(s3, role, source, destination)
    s3.put_object(Bucket=source, Key="k", Body=b"x")
    completed(s3, source, "k")
    s3.put_object_legal_hold(Bucket=source, Key="k", LegalHold={"Status": "ON"})
    held = lambda: s3.head_object(Bucket=destination, Key="k").get("ObjectLockLegalHoldStatus")
    wait_for(lambda: held() == "ON", "the hold of the replica")


def test_whose_a_replica_is(s3, cloud, role, account):
    source = made(s3, f"from-owned-{account}")
    other = str(int(account) + 500_000)
    theirs = cloud.client("s3", key=other)
    destination = made(theirs, f"to-owned-{account}", ObjectOwnership="ObjectWriter")
    statement = {"Effect": "Allow", "Principal": {"AWS": role}, "Action": "s3:*", "Resource": f"arn:aws:s3:::{destination}/*"}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    theirs.put_bucket_policy(Bucket=destination, Policy=json.dumps(policy))
    owner = lambda key: theirs.get_object_acl(Bucket=destination, Key=key)["Owner"]["ID"]
    own = theirs.list_buckets()["Owner"]["ID"]
    follow(s3, role, source, destination, Account=other, AccessControlTranslation={"Owner": "Destination"})
    s3.put_object(Bucket=source, Key="theirs", Body=b"x")
    completed(s3, source, "theirs")
    assert owner("theirs") == own
    follow(s3, role, source, destination)
    s3.put_object(Bucket=source, Key="ours", Body=b"x")
    completed(s3, source, "ours")
    # Only its writer reads it now: the owner of the bucket does not.
    assert error_of(theirs.get_object, Bucket=destination, Key="ours")[0] == "AccessDenied"


CODE = """
exports.handler = async (event) => { await fetch(process.env.SINK, { method: "PUT", body: JSON.stringify(event) }); };
"""


def test_failures_are_told(s3, boto, cloud, account, pair):
    source, destination = pair
    iam, function = boto("iam"), boto("lambda")
    trust = json.dumps(TRUST).replace("s3.amazonaws.com", "lambda.amazonaws.com")
    runner = iam.create_role(RoleName="f", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    helpless = iam.create_role(RoleName="helpless", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    sink = f"sink-{account}"
    s3.create_bucket(Bucket=sink, ObjectOwnership="ObjectWriter")
    s3.delete_public_access_block(Bucket=sink)
    s3.put_bucket_acl(Bucket=sink, ACL="public-read-write")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as package:
        package.writestr("index.js", CODE)
    arn = function.create_function(
        FunctionName="told", Runtime="nodejs22.x", Role=runner, Handler="index.handler", Code={"ZipFile": archive.getvalue()},
        Environment={"Variables": {"SINK": f"{cloud.endpoint}/{sink}/event"}},
    )["FunctionArn"]  # fmt: skip
    function.get_waiter("function_active_v2").wait(FunctionName="told")
    function.add_permission(
        FunctionName="told", StatementId="s3", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com"
    )
    events = ["s3:Replication:OperationFailedReplication"]
    told = {"LambdaFunctionConfigurations": [{"Id": "n", "LambdaFunctionArn": arn, "Events": events}]}
    s3.put_bucket_notification_configuration(Bucket=source, NotificationConfiguration=told)
    follow(s3, helpless, source, destination)
    s3.put_object(Bucket=source, Key="k", Body=b"x")
    wait_for(lambda: s3.list_objects_v2(Bucket=sink)["KeyCount"], "the notification", 60)
    assert s3.head_object(Bucket=source, Key="k")["ReplicationStatus"] == "FAILED"
    [record] = json.loads(s3.get_object(Bucket=sink, Key="event")["Body"].read())["Records"]
    assert record["eventName"] == "Replication:OperationFailedReplication"
    assert record["userIdentity"] == {"principalId": "s3.amazonaws.com"}
    data = record["replicationEventData"]
    assert (data["replicationRuleId"], data["destinationBucket"]) == ("all", f"arn:aws:s3:::{destination}")
    assert (data["s3Operation"], data["failureReason"]) == ("OBJECT_PUT", "SrcGetObjectNotPermitted")
