"""What functions may be told beside their code: tenants, tags, policies as documents, and members that are refused."""

import json

import pytest

from conftest import error_of, wait_for
from test_lambda import BASIC, TRUST, archive, function  # noqa: F401 (a fixture)
from test_lambda_async import messages

ECHO = archive(app__py="def handler(e, c): return e\n")


def test_tenants_share_nothing(function, boto):
    invoke = function("f", "python3.11", "app.handler", archive(app__py="""
seen = []
def handler(event, context):
    seen.append(context.tenant_id)
    print("TENANT", context.tenant_id)
    return seen
"""), TenancyConfig={"TenantIsolationMode": "PER_TENANT"})
    client = boto("lambda")
    assert client.get_function_configuration(FunctionName="f")["TenancyConfig"] == {"TenantIsolationMode": "PER_TENANT"}
    assert invoke(TenantId="a")[0] == ["a"]
    assert invoke(TenantId="b")[0] == ["b"]
    assert invoke(TenantId="a")[0] == ["a", "a"]
    assert error_of(client.invoke, FunctionName="f") == (
        "InvalidParameterValueException",
        "The invoked function is enabled with tenancy configuration. Add a valid tenant ID in your request and try again.", 400)
    client.invoke(FunctionName="f", InvocationType="Event", TenantId="c")
    wait_for(lambda: "TENANT c\n" in messages(boto("logs"), "f"), "the asynchronous invocation")
    assert error_of(client.create_function_url_config, FunctionName="f", AuthType="NONE")[0] == "InvalidParameterValueException"
    function("plain", "python3.11", "app.handler", ECHO)
    assert error_of(client.invoke, FunctionName="plain", TenantId="a")[0] == "InvalidParameterValueException"


def test_tenants_in_logs(function):
    invoke = function("f", "nodejs20.x", "index.handler", archive(index__js="exports.handler = async (e, c) => { console.log('x'); return c.tenantId; };"),
                      TenancyConfig={"TenantIsolationMode": "PER_TENANT"}, LoggingConfig={"LogFormat": "JSON"})
    payload, _, log, _ = invoke(TenantId="a")
    [line] = [json.loads(line) for line in log.split("\n") if '"message":"x"' in line]
    assert payload == "a" and line["tenantId"] == "a"
    invoke = function("g", "python3.11", "app.handler", archive(app__py="import logging\ndef handler(e, c): logging.warning('x')\n"),
                      TenancyConfig={"TenantIsolationMode": "PER_TENANT"}, LoggingConfig={"LogFormat": "JSON"})
    [line] = [json.loads(line) for line in invoke(TenantId="b")[2].split("\n") if '"message": "x"' in line]
    assert line["tenantId"] == "b"


@pytest.fixture
def role(boto, account):
    boto("iam").create_role(RoleName="f", AssumeRolePolicyDocument=TRUST)
    boto("iam").attach_role_policy(RoleName="f", PolicyArn=BASIC)
    return f"arn:aws:iam::{account}:role/f"


def test_members_without_meaning_are_refused(boto, role):
    client = boto("lambda")
    create = lambda **more: error_of(client.create_function, **{
        **dict(FunctionName="f", Runtime="python3.11", Handler="app.handler", Role=role, Code={"ZipFile": ECHO}), **more})
    assert create(DurableConfig={"ExecutionTimeout": 60, "RetentionPeriodInDays": 1})[::2] == ("NotImplemented", 501)
    assert create(KMSKeyArn="no key")[0] == "ValidationException"
    assert create(Runtime="nodejs12.x") == (
        "InvalidParameterValueException",
        "The runtime parameter of nodejs12.x is no longer supported for creating or updating AWS Lambda functions. We recommend you use a supported runtime while creating or updating functions.", 400)
    code, message, _ = create(Runtime="nodejs1.x")
    assert code == "InvalidParameterValueException" and message.startswith(
        "Value nodejs1.x at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [")
    assert "length less than or equal to 64" in create(FunctionName="x" * 65)[1]
    for more, path, most in [({"Timeout": 901}, "timeout", 900), ({"MemorySize": 10241}, "memorySize", 10240)]:
        [value] = more.values()
        assert create(**more) == ("ValidationException", (
            f"1 validation error detected: Value '{value}' at '{path}' failed to satisfy constraint: "
            f"Member must have value less than or equal to {most}"), 400)
    assert client.list_functions()["Functions"] == []


def test_tags_of_other_resources(boto, account, role):
    client = boto("lambda")
    signing = client.create_code_signing_config(AllowedPublishers={"SigningProfileVersionArns": [
        f"arn:aws:signer:us-east-1:{account}:/signing-profiles/p/1234567890"]}, Tags={"a": "1"})["CodeSigningConfig"]["CodeSigningConfigArn"]
    client.tag_resource(Resource=signing, Tags={"b": "2"})
    client.untag_resource(Resource=signing, TagKeys=["a"])
    assert client.list_tags(Resource=signing)["Tags"] == {"b": "2"}
    table = boto("dynamodb").create_table(
        TableName="table", BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"})["TableDescription"]
    boto("iam").put_role_policy(RoleName="f", PolicyName="all", PolicyDocument=json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}]}))
    client.create_function(FunctionName="f", Runtime="python3.11", Handler="app.handler", Role=role, Code={"ZipFile": ECHO})
    create = lambda **more: client.create_event_source_mapping(
        EventSourceArn=table["LatestStreamArn"], FunctionName="f", StartingPosition="LATEST", **more)
    assert error_of(create, MetricsConfig={"Metrics": ["EventCount"]})[0] == "NotImplemented"
    mapping = create(Tags={"x": "y"}, Enabled=False)["EventSourceMappingArn"]
    client.tag_resource(Resource=mapping, Tags={"z": ""})
    assert client.list_tags(Resource=mapping)["Tags"] == {"x": "y", "z": ""}
    client.delete_event_source_mapping(UUID=mapping.rsplit(":", 1)[1])
    assert error_of(client.list_tags, Resource=mapping)[::2] == ("ResourceNotFoundException", 404)
    version = f"arn:aws:lambda:us-east-1:{account}:function:f:1"
    assert error_of(client.tag_resource, Resource=version, Tags={"a": "b"})[0] == "InvalidParameterValueException"


def test_policies_as_documents(boto, account, role, cloud):
    client, other = boto("lambda"), cloud.client("lambda", key="999999999999")
    arn = client.create_function(FunctionName="f", Runtime="python3.11", Handler="app.handler", Role=role, Code={"ZipFile": ECHO})["FunctionArn"]
    client.get_waiter("function_active_v2").wait(FunctionName="f", WaiterConfig={"Delay": 0.1, "MaxAttempts": 600})
    call = lambda: other.invoke(FunctionName=arn)
    assert error_of(call)[0] == "AccessDeniedException"
    document = {"Version": "2012-10-17", "Statement": [{
        "Sid": "one", "Effect": "Allow", "Principal": {"AWS": "999999999999"}, "Action": "lambda:InvokeFunction", "Resource": arn}]}
    made = client.put_resource_policy(ResourceArn=arn, Policy=json.dumps(document))
    assert json.loads(made["Policy"])["Statement"] == document["Statement"]
    assert call()["StatusCode"] == 200
    assert client.get_resource_policy(ResourceArn=arn)["RevisionId"] == made["RevisionId"] == client.get_policy(FunctionName="f")["RevisionId"]
    assert error_of(client.put_resource_policy, ResourceArn=arn, Policy="{")[0] == "InvalidParameterValueException"
    assert error_of(client.delete_resource_policy, ResourceArn=arn, RevisionId=role[-36:].zfill(36))[0] in ("PreconditionFailedException", "ValidationException")
    client.delete_resource_policy(ResourceArn=arn, RevisionId=made["RevisionId"])
    assert error_of(client.get_resource_policy, ResourceArn=arn)[::2] == ("ResourceNotFoundException", 404)
    assert error_of(call)[0] == "AccessDeniedException"
    code, message, _ = error_of(client.add_permission, FunctionName="f", StatementId="u", Action="lambda:InvokeFunction", Principal="*", FunctionUrlAuthType="NONE")
    assert (code, message) == ("InvalidParameterValueException", "FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action")
    statement = client.add_permission(FunctionName="f", StatementId="u", Action="lambda:InvokeFunction", Principal="*", InvokedViaFunctionUrl=True)["Statement"]
    assert json.loads(statement)["Condition"] == {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}


def test_the_older_asynchronous_operation(function, boto):
    function("f", "python3.11", "app.handler", archive(app__py="def handler(e, c): print('GOT', e)\n"))
    client = boto("lambda")
    assert client.invoke_async(FunctionName="f", InvokeArgs=b'{"a": 1}')["Status"] == 202
    wait_for(lambda: "GOT {'a': 1}\n" in messages(boto("logs"), "f"), "the invocation")
    assert error_of(client.invoke_async, FunctionName="f", InvokeArgs=b"{")[0] == "InvalidRequestContentException"
    assert error_of(client.invoke_async, FunctionName="g", InvokeArgs=b"{}")[0] == "ResourceNotFoundException"


def test_what_is_gone_leaves_nothing_behind(boto, role):
    client = boto("lambda")
    client.create_function(FunctionName="f", Runtime="python3.11", Handler="app.handler", Role=role, Code={"ZipFile": ECHO}, Publish=True)
    client.create_function(FunctionName="g", Runtime="python3.11", Handler="app.handler", Role=role, Code={"ZipFile": ECHO})
    client.get_waiter("function_active_v2").wait(FunctionName="f", WaiterConfig={"Delay": 0.1, "MaxAttempts": 600})
    client.update_function_configuration(FunctionName="f", Description="2")
    client.get_waiter("function_updated_v2").wait(FunctionName="f", WaiterConfig={"Delay": 0.1, "MaxAttempts": 600})
    client.publish_version(FunctionName="f")
    client.create_alias(FunctionName="f", Name="live", FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}})
    assert error_of(client.delete_function, FunctionName="f", Qualifier="2")[::2] == ("ResourceConflictException", 409)
    client.put_function_event_invoke_config(FunctionName="f", Qualifier="live", MaximumRetryAttempts=0)
    client.delete_alias(FunctionName="f", Name="live")
    client.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
    assert error_of(client.get_function_event_invoke_config, FunctionName="f", Qualifier="live")[0] == "ResourceNotFoundException"
    client.put_function_event_invoke_config(FunctionName="f", Qualifier="2", MaximumRetryAttempts=0)
    client.delete_function(FunctionName="f", Qualifier="2")
    assert client.list_function_event_invoke_configs(FunctionName="f")["FunctionEventInvokeConfigs"] == []


def test_errors_say_whose_fault_they_are(boto, account):
    client = boto("lambda")
    bodies = []
    client.meta.events.register("before-parse.lambda.*", lambda response_dict, **_: bodies.append(json.loads(response_dict["body"])))
    error_of(client.get_function, FunctionName="none")
    error_of(client.invoke, FunctionName="f:a", Qualifier="b")
    error_of(client.get_function, FunctionName="a b")
    assert bodies[0] == {"Type": "User", "Message": f"Function not found: arn:aws:lambda:us-east-1:{account}:function:none"}
    assert bodies[1] == {"Type": "User", "message": "The derived qualifier from the function name does not match the specified qualifier."}
    assert list(bodies[2]) == ["message"]


def test_words_for_what_is_missing(boto, account, role):
    client = boto("lambda")
    arn = f"arn:aws:lambda:us-east-1:{account}:function:f"
    no = lambda text: ("ResourceNotFoundException", text, 404)
    gone = "The resource you requested does not exist."
    assert error_of(client.create_function_url_config, FunctionName="f", AuthType="NONE") == no("Function does not exist")
    for call in (client.get_function_url_config, client.update_function_url_config, client.delete_function_url_config):
        assert error_of(call, FunctionName="f") == no(gone)
    assert error_of(client.put_function_event_invoke_config, FunctionName="f", MaximumRetryAttempts=1) == no("The function doesn't exist.")
    assert error_of(client.get_function_event_invoke_config, FunctionName="f") == no(f"The function {arn}:$LATEST doesn't have an EventInvokeConfig")
    assert error_of(client.remove_permission, FunctionName="f", StatementId="s") == no(f"No policy found for: {arn}")
    client.create_function(FunctionName="f", Runtime="python3.11", Handler="app.handler", Role=role, Code={"ZipFile": ECHO})
    assert error_of(client.remove_permission, FunctionName="f", StatementId="s") == no("No policy is associated with the given resource.")
    assert error_of(client.get_policy, FunctionName="f") == no(gone)
    assert error_of(client.update_alias, FunctionName="f", Name="a") == no(f"Alias not found: {arn}:a")
    assert error_of(client.get_alias, FunctionName="f", Name="a") == no(f"Cannot find alias arn: {arn}:a")
    for call in (client.create_function_url_config, client.update_function_url_config):
        assert error_of(call, FunctionName="f", AuthType="NONE", Qualifier="1") == ("ValidationException", (
            "1 validation error detected: Value '1' at 'qualifier' failed to satisfy constraint: "
            r"Member must satisfy regular expression pattern: ((?!^\d+$)^[0-9a-zA-Z-_]+$)"), 400)
    assert error_of(client.create_alias, FunctionName="f", Name="1", FunctionVersion="$LATEST")[0] == "ValidationException"
    permit = lambda principal: error_of(client.add_permission, FunctionName="f", StatementId="r", Action="lambda:InvokeFunction", Principal=principal)
    assert permit(f"arn:aws:iam::{account}:role/none")[0] == "InvalidParameterValueException"
    snap = dict(SnapStart={"ApplyOn": "PublishedVersions"})
    client.get_waiter("function_active_v2").wait(FunctionName="f", WaiterConfig={"Delay": 0.1, "MaxAttempts": 600})
    assert error_of(client.update_function_configuration, FunctionName="f", **snap)[:2] == (
        "InvalidParameterValueException", "python3.11 is not supported for SnapStart enabled functions.")


def test_lists_show_less(boto, role):
    client = boto("lambda")
    client.create_function(FunctionName="f", Runtime="python3.11", Handler="app.handler", Role=role, Code={"ZipFile": ECHO}, Publish=True)
    less = {"State", "StateReason", "StateReasonCode", "LastUpdateStatus", "LastUpdateStatusReason", "LastUpdateStatusReasonCode", "RuntimeVersionConfig"}
    for listed in [*client.list_functions()["Functions"], *client.list_versions_by_function(FunctionName="f")["Versions"]]:
        assert not less & set(listed) and listed["LoggingConfig"]["LogFormat"] == "Text"


def test_keys_that_are_not_there_are_refused(boto, role, account):
    client, key = boto("lambda"), f"arn:aws:kms:us-east-1:{account}:key/2f0b6b1c-5e0a-4d0e-9a53-0f1a3a3c0e11"
    function = {"FunctionName": "f", "Runtime": "python3.11", "Handler": "app.handler", "Role": role, "Code": {"ZipFile": ECHO}}
    refused = (
        "InvalidParameterValueException",
        "Lambda was unable to configure access to your environment variables because the KMS key is invalid for CreateGrant. "
        f"Please check your KMS key settings. KMS Exception: NotFoundException KMS Message: Key '{key}' does not exist",
    )
    assert error_of(client.create_function, **function, KMSKeyArn=key)[:2] == refused
    assert error_of(client.get_function, FunctionName="f")[0] == "ResourceNotFoundException"
    client.create_function(**function)
    client.get_waiter("function_active_v2").wait(FunctionName="f", WaiterConfig={"Delay": 0.1, "MaxAttempts": 600})
    assert error_of(client.update_function_configuration, FunctionName="f", KMSKeyArn=key)[:2] == refused
    assert "KMSKeyArn" not in client.update_function_configuration(FunctionName="f", KMSKeyArn="")
