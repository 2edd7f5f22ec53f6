"""Every operation that is there: an anonymous caller is denied, a policy for something else is denied in AWS's words,
and both calls are in the trail."""

import json

import botocore
import pytest
import requests
from botocore import UNSIGNED
from botocore.exceptions import ClientError

from conftest import ROOT

# Open to every authenticated caller by AWS's own design.
OPEN = {"sts": {"GetCallerIdentity", "GetSessionToken"}}
# Open to everybody: a token takes the place of credentials.
PUBLIC = {"sts": {"AssumeRoleWithWebIdentity"}}
# Operations that the walk cannot call with invented parameters, with the reason.
SKIPPED = {
    "apigateway": {"TestInvokeMethod": "its authorization is that of the method"},
    "s3": {
        "DeleteObjects": "it answers 200 with a denial for each key",
        "GetBucketLifecycle": "its address leads to GetBucketLifecycleConfiguration",
        "GetBucketNotification": "its address leads to GetBucketNotificationConfiguration",
        "RenameObject": "its client opens a session before, and is denied that",
    },
}

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:xxx"
# What an invented value would get wrong, by the name of the member.
VALUES = {
    "VersionId": "v1",
    "FunctionVersion": "1",
    "LayerName": "xxx",
    "Arn": "arn:aws:lambda:us-east-1:000000000000:layer:xxx:1",
    "Resource": FUNCTION,
    "Action": "lambda:InvokeFunction",
    "statusCode": "200",
    "CopySource": "xxx/yyy",
    "CodeSigningConfigArn": "arn:aws:lambda:us-east-1:000000000000:code-signing-config:csc-0123456789abcdef0",
}
# Where one operation wants other values than its siblings.
OWN_VALUES = {
    "UpdateObjectEncryption": {
        "ObjectEncryption": {"SSEKMS": {"KMSKeyArn": "arn:aws:kms:us-east-1:000000000000:key/xxx"}}
    },
    "AddLayerVersionPermission": {"Action": "lambda:GetLayerVersion", "Principal": "*"},
    "CreateSession": {"Bucket": "xxx--use1-az4--x-s3"},
    **{name + "ResourcePolicy": {"ResourceArn": FUNCTION} for name in ("Delete", "Get", "Put")},
}
# Operations that the trail tells of under another name than their service's.
SOURCES = {"CreateSession": "s3express", "ListDirectoryBuckets": "s3express"}
# Members that the model calls optional and the service does not.
NEEDED = {"logs": {"logGroupName": "xxx"}}


def operations(cloud):
    services = requests.get(f"{cloud.endpoint}/_welkin/services").json()
    return {name: service["operations"] for name, service in services.items()}


def invent(shape, depth=0):
    """A value that passes the client's validation of a shape: required members only."""
    kind = shape.type_name
    if kind == "structure":
        if depth > 6:
            return {}
        if getattr(shape, "is_tagged_union", False) or shape.name == "AttributeValue":
            return {"S": "a"}
        return {name: invent(shape.members[name], depth + 1) for name in shape.required_members}
    if kind == "list":
        return [invent(shape.member, depth + 1)]
    if kind == "map":
        return {"key": invent(shape.value, depth + 1)}
    if kind == "string":
        if shape.enum:
            return shape.enum[0]
        if shape.name == "PartiQLStatement":
            # What is not a statement is refused before anybody asks who sent it.
            return "SELECT * FROM xxx"
        low = shape.metadata.get("min", 1)
        name = shape.name.lower()
        if "arn" in name:
            return "arn:aws:iam::000000000000:role/xxxxxxxxxx"
        if "policydocument" in name:
            return '{"Version":"2012-10-17","Statement":[]}'
        return "x" * max(int(low), 3)
    if kind in ("integer", "long"):
        return max(1, int(shape.metadata.get("min", 1)))
    if kind in ("float", "double"):
        return 1.0
    if kind == "boolean":
        return True
    if kind == "blob":
        return b"x"
    return 1_700_000_000


def call(client, operation):
    model = client.meta.service_model.operation_model(operation)
    parameters = invent(model.input_shape) if model.input_shape else {}
    members = model.input_shape.members if model.input_shape else {}
    service = client.meta.service_model.service_name
    for name, value in NEEDED.get(service, {}).items():
        if name in members and members[name].type_name == "string":
            parameters[name] = value
    for name in parameters:
        if name in VALUES and members[name].type_name == "string":
            if service in ("lambda", "apigateway") or name in ("VersionId", "CopySource"):
                parameters[name] = VALUES[name]
    parameters.update(OWN_VALUES.get(operation, {}))
    try:
        getattr(client, botocore.xform_name(operation))(**parameters)
    except ClientError as error:
        body = error.response["Error"]
        return body["Code"], body.get("Message", "")
    return "", ""


DENIALS = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403")
ANONYMOUS = DENIALS + ("MissingAuthenticationToken", "MissingAuthenticationTokenException")


def test_every_operation(cloud, boto, user, account):
    # S3 says of a bucket that does not exist that it does not, to everybody: only an existing one is protected.
    if "s3" in operations(cloud):
        boto("s3").create_bucket(Bucket="xxx")
        zone = {"Location": {"Type": "AvailabilityZone", "Name": "use1-az4"}}
        kept = {"Bucket": {"Type": "Directory", "DataRedundancy": "SingleAvailabilityZone"}}
        boto("s3").create_bucket(Bucket="xxx--use1-az4--x-s3", CreateBucketConfiguration={**zone, **kept})
    statement = {"Effect": "Allow", "Action": "ec2:DescribeInstances", "Resource": "*"}
    clients = user("walker", statement)
    wrong, walked = [], 0
    expected = set()
    for service, names in sorted(operations(cloud).items()):
        options = {"parameter_validation": True, "s3": {"addressing_style": "path"}}
        signed = clients(service, **options)
        anonymous = cloud.client(service, signature_version=UNSIGNED, **options)
        # Without a signature only the host says which service is meant.
        host = f"{service}.us-east-1.amazonaws.com"
        anonymous.meta.events.register("before-send", lambda request, host=host, **_: request.headers.update(Host=host))
        for name in names:
            if name in SKIPPED.get(service, {}):
                print(f"skipped {service}:{name}: {SKIPPED[service][name]}")
                continue
            walked += 1
            if name in PUBLIC.get(service, ()):
                continue
            open_to_all = name in OPEN.get(service, ())
            code, message = call(anonymous, name)
            if code not in ANONYMOUS:
                wrong.append(f"anonymous {service}:{name}: {code} {message}")
            code, message = call(signed, name)
            if open_to_all:
                if code:
                    wrong.append(f"{service}:{name} is open to all, but: {code} {message}")
            elif code not in DENIALS:
                wrong.append(f"{service}:{name} with a policy for something else: {code or 'allowed'} {message}")
            elif code != "403" and "is not authorized to perform" not in message:
                wrong.append(f"{service}:{name} is denied in other words: {message}")
            expected.add((f"{SOURCES.get(name, service)}.amazonaws.com", name))
    assert not wrong, f"{len(wrong)} of {walked}:\n" + "\n".join(wrong)
    assert walked > 150

    recorded = set()
    trail = cloud.client("cloudtrail", key=account)
    for page in trail.get_paginator("lookup_events").paginate():
        for event in page["Events"]:
            record = json.loads(event["CloudTrailEvent"])
            if record["userIdentity"].get("userName") == "walker":
                recorded.add((event["EventSource"], event["EventName"]))
                denied = (event["EventSource"].split(".")[0], event["EventName"])
                if event["EventName"] not in OPEN.get(denied[0], ()):
                    assert record["errorCode"] in DENIALS, record
    missing = expected - recorded
    assert not missing, f"{len(missing)} calls are not in the trail: {sorted(missing)[:20]}"


def test_no_operation_is_listed_that_the_model_does_not_know(cloud):
    for service, names in operations(cloud).items():
        model = json.loads((ROOT / f"models/{service}.json").read_text())
        assert set(names) <= set(model["operations"]), service
        assert names == sorted(names), f"{service}'s list is not in alphabetical order"
