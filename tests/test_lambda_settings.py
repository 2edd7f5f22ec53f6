"""What surrounds functions: layers of other accounts, code signing, runtime management, pages that belong to one account."""

import json

import pytest

from conftest import error_of
from test_lambda import TRUST, archive

PROFILE = "arn:aws:signer:us-east-1:000000000000:/signing-profiles/p/abcdefghij"


@pytest.fixture
def role(boto, account):
    boto("iam").create_role(RoleName="f", AssumeRolePolicyDocument=TRUST)
    return f"arn:aws:iam::{account}:role/f"


def create(client, name, role, **options):
    return client.create_function(
        FunctionName=name, Runtime="python3.11", Handler="app.handler", Role=role,
        Code={"ZipFile": archive(app__py="def handler(e, c): return 1\n")}, **options)


def test_a_layer_of_another_account_needs_its_permission(cloud, boto, account, role):
    owner = cloud.client("lambda", key=f"9{account[1:]}")
    layer = owner.publish_layer_version(LayerName="shared", Content={"ZipFile": archive(python__x="x")})
    arn = layer["LayerVersionArn"]
    mine = boto("lambda")
    code, message, status = error_of(create, mine, "f", role, Layers=[arn])
    assert (code, status) == ("AccessDeniedException", 403) and "lambda:GetLayerVersion" in message
    add = lambda **more: owner.add_layer_version_permission(
        LayerName="shared", VersionNumber=1, StatementId="all", Action="lambda:GetLayerVersion", **more)
    assert error_of(owner.get_layer_version_policy, LayerName="shared", VersionNumber=1)[0] == "ResourceNotFoundException"
    added = add(Principal=account)
    assert json.loads(added["Statement"])["Principal"] == {"AWS": f"arn:aws:iam::{account}:root"}
    assert error_of(add, Principal="*")[0] == "ResourceConflictException"
    assert create(mine, "f", role, Layers=[arn])["Layers"][0]["Arn"] == arn
    policy = json.loads(owner.get_layer_version_policy(LayerName="shared", VersionNumber=1)["Policy"])
    assert policy["Statement"][0]["Resource"] == arn
    assert error_of(
        owner.remove_layer_version_permission, LayerName="shared", VersionNumber=1, StatementId="all", RevisionId="x"
    )[0] == "PreconditionFailedException"
    owner.remove_layer_version_permission(LayerName="shared", VersionNumber=1, StatementId="all")
    assert error_of(create, mine, "g", role, Layers=[arn])[0] == "AccessDeniedException"


def test_code_signing(boto, role):
    client = boto("lambda")
    config = client.create_code_signing_config(AllowedPublishers={"SigningProfileVersionArns": [PROFILE]})["CodeSigningConfig"]
    arn = config["CodeSigningConfigArn"]
    assert config["CodeSigningPolicies"] == {"UntrustedArtifactOnDeployment": "Warn"}
    create(client, "f", role, CodeSigningConfigArn=arn)
    assert client.get_function_code_signing_config(FunctionName="f")["CodeSigningConfigArn"] == arn
    assert len(client.list_functions_by_code_signing_config(CodeSigningConfigArn=arn)["FunctionArns"]) == 1
    update = lambda: client.update_function_code(FunctionName="f", ZipFile=archive(app__py="x = 1\n"))
    update()
    client.update_code_signing_config(
        CodeSigningConfigArn=arn, CodeSigningPolicies={"UntrustedArtifactOnDeployment": "Enforce"})
    assert error_of(update)[0] == "CodeVerificationFailedException"
    assert error_of(create, client, "g", role, CodeSigningConfigArn=arn)[0] == "CodeVerificationFailedException"
    assert error_of(client.delete_code_signing_config, CodeSigningConfigArn=arn)[0] == "ResourceConflictException"
    client.delete_function_code_signing_config(FunctionName="f")
    update()
    client.delete_code_signing_config(CodeSigningConfigArn=arn)
    assert error_of(client.get_code_signing_config, CodeSigningConfigArn=arn)[0] == "CodeSigningConfigNotFoundException"
    assert client.list_code_signing_configs()["CodeSigningConfigs"] == []


def test_runtime_management(boto, role):
    client = boto("lambda")
    create(client, "f", role)
    assert client.get_runtime_management_config(FunctionName="f")["UpdateRuntimeOn"] == "Auto"
    put = lambda **more: client.put_runtime_management_config(FunctionName="f", **more)
    assert error_of(put, UpdateRuntimeOn="Manual")[0] == "InvalidParameterValueException"
    assert put(UpdateRuntimeOn="FunctionUpdate")["UpdateRuntimeOn"] == "FunctionUpdate"
    assert client.get_runtime_management_config(FunctionName="f")["UpdateRuntimeOn"] == "FunctionUpdate"


def test_a_made_up_marker_shows_no_other_account(cloud, boto, account, role):
    other = cloud.client("iam", key=f"0{account[1:]}")
    other.create_user(UserName="secret")
    iam = boto("iam")
    for name in "abc":
        iam.create_user(UserName=name)
    marker = iam.list_users(MaxItems=1)["Marker"]
    forged = bytes.fromhex(marker).replace(account.encode(), f"0{account[1:]}".encode()).hex()
    names = [user["UserName"] for user in iam.list_users(Marker=forged)["Users"]]
    assert names == ["a", "b", "c"]
