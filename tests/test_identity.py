"""Who a caller is: default and strict mode, issued keys, sessions, signatures, and the errors when they are wrong."""

import datetime
import json

import pytest
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from conftest import error_of

ALLOW_ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}
INVALID = "The security token included in the request is invalid."


def test_any_key_is_root_of_the_default_account(cloud):
    identity = cloud.client("sts", key="whatever", secret="x").get_caller_identity()
    assert identity["Account"] == "000000000000"
    assert identity["Arn"] == "arn:aws:iam::000000000000:root"


def test_twelve_digits_are_root_of_that_account(boto, account):
    assert boto("sts").get_caller_identity()["Arn"] == f"arn:aws:iam::{account}:root"


def test_an_issued_key_is_its_user_and_its_signature_is_verified(boto, cloud, account):
    iam = boto("iam")
    iam.create_user(UserName="kim", Path="/dev/")
    key = iam.create_access_key(UserName="kim")["AccessKey"]
    good = cloud.client("sts", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    assert good.get_caller_identity()["Arn"] == f"arn:aws:iam::{account}:user/dev/kim"
    forged = cloud.client("sts", key=key["AccessKeyId"], secret="x" * 40)
    code, message, status = error_of(forged.get_caller_identity)
    assert (code, status) == ("SignatureDoesNotMatch", 403)
    assert message.startswith("The request signature we calculated does not match the signature you provided.")
    forged = cloud.client("dynamodb", key=key["AccessKeyId"], secret="x" * 40)
    assert error_of(forged.list_tables)[0::2] == ("InvalidSignatureException", 400)


def test_inactive_and_deleted_keys_authenticate_nobody(boto, cloud):
    iam = boto("iam")
    iam.create_user(UserName="kim")
    key = iam.create_access_key(UserName="kim")["AccessKey"]
    client = cloud.client("sts", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    client.get_caller_identity()
    iam.update_access_key(UserName="kim", AccessKeyId=key["AccessKeyId"], Status="Inactive")
    assert error_of(client.get_caller_identity) == ("InvalidClientTokenId", INVALID, 403)
    iam.update_access_key(UserName="kim", AccessKeyId=key["AccessKeyId"], Status="Active")
    client.get_caller_identity()
    iam.delete_access_key(UserName="kim", AccessKeyId=key["AccessKeyId"])
    assert error_of(client.get_caller_identity) == ("InvalidClientTokenId", INVALID, 403)


def test_strict_mode_knows_only_issued_keys(start):
    cloud = start("--auth", "strict")
    root = cloud.banner["rootKey"]
    assert error_of(cloud.client("sts").get_caller_identity)[0] == "InvalidClientTokenId"
    client = cloud.client("sts", key=root["accessKeyId"], secret=root["secretAccessKey"])
    assert client.get_caller_identity()["Arn"] == "arn:aws:iam::000000000000:root"
    assert error_of(cloud.client("dynamodb").list_tables) == ("UnrecognizedClientException", INVALID, 400)


def test_assume_role_needs_trust_and_permission(boto, cloud, user, account):
    iam = boto("iam")
    role_arn = f"arn:aws:iam::{account}:role/r"
    nobody = user("nobody")
    allowed = user("allowed", {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role_arn})
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "sts:AssumeRole"}
        ],
    }
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps(trust))
    code, message, status = error_of(nobody("sts").assume_role, RoleArn=role_arn, RoleSessionName="session")
    assert (code, status) == ("AccessDenied", 403)
    assert message == (
        f"User: arn:aws:iam::{account}:user/nobody is not authorized to perform: sts:AssumeRole on resource: {role_arn} "
        "because no identity-based policy allows the sts:AssumeRole action"
    )
    session = allowed("sts").assume_role(RoleArn=role_arn, RoleSessionName="session")
    assert session["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{account}:assumed-role/r/session"
    keys = session["Credentials"]
    client = cloud.client("sts", keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
    assert client.get_caller_identity()["Arn"] == f"arn:aws:sts::{account}:assumed-role/r/session"
    without_token = cloud.client("sts", keys["AccessKeyId"], keys["SecretAccessKey"])
    assert error_of(without_token.get_caller_identity)[0] == "InvalidClientTokenId"
    # A role that the trust policy gives to somebody else is denied even to a caller with the permission.
    trust["Statement"][0]["Principal"] = {"Service": "lambda.amazonaws.com"}
    iam.update_assume_role_policy(RoleName="r", PolicyDocument=json.dumps(trust))
    assert error_of(allowed("sts").assume_role, RoleArn=role_arn, RoleSessionName="session")[0] == "AccessDenied"


def test_sessions_expire_on_the_clouds_clock(start):
    cloud = start(state=False)
    keys = cloud.client("sts").get_session_token(DurationSeconds=900)["Credentials"]

    def identity(now):
        credentials = Credentials(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
        request = AWSRequest("POST", cloud.endpoint, data="Action=GetCallerIdentity&Version=2011-06-15")
        request.headers["content-type"] = "application/x-www-form-urlencoded"
        signer = SigV4Auth(credentials, "sts", "us-east-1")
        request.context["timestamp"] = now.strftime("%Y%m%dT%H%M%SZ")
        signer._modify_request_before_signing(request)
        string = signer.string_to_sign(request, signer.canonical_request(request))
        signer._inject_signature_to_request(request, signer.signature(string, request))
        return requests.post(cloud.endpoint, data=request.data, headers=dict(request.headers))

    now = datetime.datetime.now(datetime.timezone.utc)
    assert identity(now).status_code == 200
    requests.post(f"{cloud.endpoint}/_welkin/clock", json={"advanceMillis": 901_000})
    expired = identity(now + datetime.timedelta(seconds=901))
    assert "<Code>ExpiredToken</Code>" in expired.text and expired.status_code == 403


def test_a_signature_is_good_for_five_minutes(start):
    cloud = start(state=False)
    client = cloud.client("dynamodb")
    client.list_tables()
    requests.post(f"{cloud.endpoint}/_welkin/clock", json={"advanceMillis": 330_000})
    code, message, status = error_of(client.list_tables)
    assert (code, status) == ("InvalidSignatureException", 400)
    assert message.startswith("Signature expired: ") and message.endswith(" - 5 min.)")


def test_federation_is_limited_to_the_session_policy(boto, cloud, user):
    full = user("full", ALLOW_ALL)
    document = json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "dynamodb:ListTables", "Resource": "*"}]})
    keys = full("sts").get_federation_token(Name="bob", Policy=document)["Credentials"]
    client = lambda service: cloud.client(service, keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
    assert client("dynamodb").list_tables()["TableNames"] == []
    code, message, _ = error_of(client("iam").list_users)
    assert code == "AccessDenied" and message.endswith("because no session policy allows the iam:ListUsers action")


def test_a_boundary_and_an_explicit_deny(boto, cloud, user, account):
    iam = boto("iam")
    limited = user("limited", ALLOW_ALL, {"Sid": "No", "Effect": "Deny", "Action": "dynamodb:DeleteTable", "Resource": "*"})
    code, message, _ = error_of(limited("dynamodb").delete_table, TableName="t")
    assert code == "AccessDeniedException"
    assert message == (
        f"User: arn:aws:iam::{account}:user/limited is not authorized to perform: dynamodb:DeleteTable on resource: "
        f"arn:aws:dynamodb:us-east-1:{account}:table/t with an explicit deny in an identity-based policy"
    )
    iam.put_user_permissions_boundary(
        UserName="limited", PermissionsBoundary="arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess")
    limited("dynamodb").list_tables()
    code, message, _ = error_of(limited("iam").list_users)
    assert message.endswith("because no permissions boundary allows the iam:ListUsers action")


def test_requests_without_a_signature(cloud):
    reply = requests.post(cloud.endpoint, data="Action=GetCallerIdentity&Version=2011-06-15",
                          headers={"content-type": "application/x-www-form-urlencoded"})
    assert reply.status_code == 403 and "<Code>MissingAuthenticationToken</Code>" in reply.text
    reply = requests.post(cloud.endpoint, data="{}", headers={"x-amz-target": "DynamoDB_20120810.ListTables"})
    assert reply.status_code == 400
    assert reply.json()["__type"].endswith("#MissingAuthenticationTokenException")


@pytest.mark.parametrize("authorization,message", [
    ("AWS4-HMAC-SHA256 Credential=a/b/c", "Authorization header requires 'Signature' parameter."),
    ("AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=x", "requires existence of either a 'X-Amz-Date'"),
])
def test_broken_authorization_headers(cloud, authorization, message):
    headers = {"authorization": authorization, "x-amz-target": "DynamoDB_20120810.ListTables"}
    reply = requests.post(cloud.endpoint, data="{}", headers=headers)
    assert reply.status_code == 400 and message in reply.text
    assert "IncompleteSignatureException" in reply.text


def test_denials_name_what_aws_names(user, account):
    client = user("kim")
    who = f"User: arn:aws:iam::{account}:user/kim is not authorized to perform: "
    why = lambda action: f"because no identity-based policy allows the {action} action"
    assert error_of(client("dynamodb").list_tables) == (
        "AccessDeniedException",
        f"{who}dynamodb:ListTables on resource: arn:aws:dynamodb:us-east-1:{account}:table/* {why('dynamodb:ListTables')}", 400)
    assert error_of(client("s3").list_buckets) == (
        "AccessDenied", f"{who}s3:ListAllMyBuckets {why('s3:ListAllMyBuckets')}", 403)
    assert error_of(client("lambda").list_functions) == (
        "AccessDeniedException", f"{who}lambda:ListFunctions on resource: * {why('lambda:ListFunctions')}", 403)
