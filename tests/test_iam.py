"""IAM through boto3: the life of every entity, and AWS's words when something stands in the way."""

import json

from conftest import error_of

TRUST = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]})
DOCUMENT = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]})


def test_roles(boto, account):
    iam = boto("iam")
    role = iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST, Path="/team/", Description="d")["Role"]
    assert role["Arn"] == f"arn:aws:iam::{account}:role/team/r" and role["RoleId"].startswith("AROA")
    assert role["AssumeRolePolicyDocument"] == json.loads(TRUST)
    code, message, status = error_of(iam.create_role, RoleName="R", AssumeRolePolicyDocument=TRUST)
    assert (code, message, status) == ("EntityAlreadyExists", "Role with name R already exists.", 409)
    assert error_of(iam.get_role, RoleName="x") == ("NoSuchEntity", "The role with name x cannot be found.", 404)
    iam.attach_role_policy(RoleName="r", PolicyArn="arn:aws:iam::aws:policy/AmazonDynamoDBReadOnlyAccess")
    iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=DOCUMENT)
    assert iam.get_role_policy(RoleName="r", PolicyName="p")["PolicyDocument"] == json.loads(DOCUMENT)
    assert error_of(iam.delete_role, RoleName="r") == (
        "DeleteConflict", "Cannot delete entity, must detach all policies first.", 409)
    iam.detach_role_policy(RoleName="r", PolicyArn="arn:aws:iam::aws:policy/AmazonDynamoDBReadOnlyAccess")
    assert error_of(iam.delete_role, RoleName="r")[1] == "Cannot delete entity, must delete policies first."
    iam.delete_role_policy(RoleName="r", PolicyName="p")
    iam.delete_role(RoleName="r")
    assert iam.list_roles()["Roles"] == []


def test_malformed_documents(boto):
    iam = boto("iam")
    iam.create_user(UserName="u")
    for document in ("{", "{}", '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*"}]}',
                     '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"nonsense","Resource":"*"}]}'):
        assert error_of(iam.put_user_policy, UserName="u", PolicyName="p", PolicyDocument=document)[0] == "MalformedPolicyDocument"
    assert error_of(iam.create_role, RoleName="r", AssumeRolePolicyDocument=DOCUMENT)[0] == "MalformedPolicyDocument"


def test_managed_policies_and_versions(boto, account):
    iam = boto("iam")
    arn = iam.create_policy(PolicyName="p", PolicyDocument=DOCUMENT)["Policy"]["Arn"]
    assert arn == f"arn:aws:iam::{account}:policy/p"
    version = iam.create_policy_version(PolicyArn=arn, PolicyDocument=DOCUMENT, SetAsDefault=True)["PolicyVersion"]
    assert (version["VersionId"], version["IsDefaultVersion"]) == ("v2", True)
    for _ in range(3):
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=DOCUMENT)
    assert error_of(iam.create_policy_version, PolicyArn=arn, PolicyDocument=DOCUMENT)[0] == "LimitExceeded"
    assert error_of(iam.delete_policy_version, PolicyArn=arn, VersionId="v2")[0] == "DeleteConflict"
    iam.create_group(GroupName="g")
    iam.attach_group_policy(GroupName="g", PolicyArn=arn)
    assert iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == 1
    assert iam.list_entities_for_policy(PolicyArn=arn)["PolicyGroups"][0]["GroupName"] == "g"
    assert error_of(iam.delete_policy, PolicyArn=arn) == (
        "DeleteConflict", "Cannot delete a policy attached to entities.", 409)
    iam.detach_group_policy(GroupName="g", PolicyArn=arn)
    for name in ("v1", "v3", "v4", "v5"):
        iam.delete_policy_version(PolicyArn=arn, VersionId=name)
    iam.delete_policy(PolicyArn=arn)
    assert error_of(iam.get_policy, PolicyArn=arn) == ("NoSuchEntity", f"Policy {arn} was not found.", 404)


def test_the_policies_of_aws(boto):
    iam = boto("iam")
    arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
    policy = iam.get_policy(PolicyArn=arn)["Policy"]
    document = iam.get_policy_version(PolicyArn=arn, VersionId=policy["DefaultVersionId"])["PolicyVersion"]["Document"]
    assert "logs:PutLogEvents" in document["Statement"][0]["Action"]
    names = [p["PolicyName"] for page in iam.get_paginator("list_policies").paginate(Scope="AWS") for p in page["Policies"]]
    assert len(names) == len(set(names)) > 150 and "AdministratorAccess" in names


def test_groups_give_their_policies_to_members(boto, user):
    iam = boto("iam")
    client = user("kim")
    iam.create_group(GroupName="readers")
    iam.attach_group_policy(GroupName="readers", PolicyArn="arn:aws:iam::aws:policy/AmazonDynamoDBReadOnlyAccess")
    assert error_of(client("dynamodb").list_tables)[0] == "AccessDeniedException"
    iam.add_user_to_group(GroupName="readers", UserName="kim")
    assert client("dynamodb").list_tables()["TableNames"] == []
    assert [g["GroupName"] for g in iam.list_groups_for_user(UserName="kim")["Groups"]] == ["readers"]
    assert error_of(iam.delete_user, UserName="kim")[1] == "Cannot delete entity, must remove users from group first."
    iam.remove_user_from_group(GroupName="readers", UserName="kim")
    assert error_of(client("dynamodb").list_tables)[0] == "AccessDeniedException"


def test_paging_and_tags(boto):
    iam = boto("iam")
    for number in range(7):
        iam.create_user(UserName=f"u{number}", Tags=[{"Key": "k", "Value": str(number)}])
    pages = list(iam.get_paginator("list_users").paginate(PaginationConfig={"PageSize": 3}))
    assert [len(page["Users"]) for page in pages] == [3, 3, 1]
    iam.tag_user(UserName="u1", Tags=[{"Key": "new", "Value": "x"}])
    iam.untag_user(UserName="u1", TagKeys=["k"])
    assert iam.list_user_tags(UserName="u1")["Tags"] == [{"Key": "new", "Value": "x"}]
    assert error_of(iam.tag_user, UserName="u1", Tags=[{"Key": "aws:x", "Value": ""}])[0] == "InvalidInput"


def test_instance_profiles(boto):
    iam = boto("iam")
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
    iam.create_instance_profile(InstanceProfileName="p")
    iam.add_role_to_instance_profile(InstanceProfileName="p", RoleName="r")
    assert iam.get_instance_profile(InstanceProfileName="p")["InstanceProfile"]["Roles"][0]["RoleName"] == "r"
    assert error_of(iam.delete_role, RoleName="r")[1] == "Cannot delete entity, must remove roles from instance profile first."
    iam.remove_role_from_instance_profile(InstanceProfileName="p", RoleName="r")
    iam.delete_instance_profile(InstanceProfileName="p")
    iam.delete_role(RoleName="r")


def test_a_boundary_must_exist(boto, account):
    iam = boto("iam")
    none = f"arn:aws:iam::{account}:policy/none"
    expected = ("NoSuchEntity", f"Policy {none} does not exist or is not attachable.", 404)
    assert error_of(iam.create_user, UserName="u", PermissionsBoundary=none) == expected
    assert error_of(iam.create_role, RoleName="r", AssumeRolePolicyDocument=TRUST, PermissionsBoundary=none) == expected
    assert iam.list_users()["Users"] == [] and iam.list_roles()["Roles"] == []
