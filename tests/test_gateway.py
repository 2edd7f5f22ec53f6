"""The front door: transports, hosts, bad input, health, CORS, and that nothing makes it fall over."""

import http.client
import json
import socket
import ssl
import subprocess

import pytest
import requests

from conftest import ROOT, error_of

AUTH = {"authorization": "AWS4-HMAC-SHA256 Credential=test/20300101/us-east-1/{}/aws4_request, SignedHeaders=host, Signature=0"}


def signed(service):
    """Headers of an unverified but well-formed signature: enough for a key that nobody issued."""
    import datetime

    now = datetime.datetime.now(datetime.timezone.utc)
    scope = f"test/{now:%Y%m%d}/us-east-1/{service}/aws4_request"
    return {
        "authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0",
        "x-amz-date": f"{now:%Y%m%dT%H%M%SZ}",
    }


def dynamodb(cloud, body, target="ListTables"):
    headers = signed("dynamodb") | {"x-amz-target": f"DynamoDB_20120810.{target}", "content-type": "application/x-amz-json-1.0"}
    return requests.post(cloud.endpoint, data=body, headers=headers)


def test_tls_on_the_same_port_with_a_certificate_of_the_local_authority(start):
    cloud = start()
    context = ssl.create_default_context(cafile=f"{cloud.state}/ca.pem")
    for name in ("sts.us-east-1.amazonaws.com", "bucket.s3.amazonaws.com", "localhost"):
        with socket.create_connection(("127.0.0.1", cloud.port)) as plain:
            with context.wrap_socket(plain, server_hostname=name) as secure:
                assert secure.getpeercert()["subjectAltName"] == (("DNS", name),)
    assert cloud.client("sts", secure=True).get_caller_identity()["Account"] == "000000000000"


def test_http2(cloud):
    reply = subprocess.run(
        ["curl", "-s", "--http2-prior-knowledge", "-w", "%{http_version}", f"{cloud.endpoint}/_welkin/health"],
        capture_output=True, text=True, check=True)
    assert reply.stdout.endswith("2") and '"status":"ok"' in reply.stdout


def test_health_in_both_forms(cloud):
    assert requests.get(f"{cloud.endpoint}/_welkin/health").json()["status"] == "ok"
    services = requests.get(f"{cloud.endpoint}/_localstack/health").json()["services"]
    assert services["dynamodb"] == "available"


@pytest.mark.parametrize("path", ["/_welkin/reset", "/moto-api/reset"])
def test_reset(start, path):
    cloud = start(state=False)
    cloud.client("iam").create_user(UserName="kim")
    assert requests.post(f"{cloud.endpoint}{path}").status_code == 200
    assert cloud.client("iam").list_users()["Users"] == []
    page = requests.post(f"{cloud.endpoint}{path}", headers={"origin": "https://evil.example"})
    assert page.status_code == 403


def test_hosts_name_the_service(cloud):
    headers = {"host": "sts.us-east-1.amazonaws.com", "content-type": "application/x-www-form-urlencoded"} | signed("sts")
    reply = requests.post(cloud.endpoint, data="Action=GetCallerIdentity&Version=2011-06-15", headers=headers)
    assert reply.status_code == 200 and "<Account>000000000000</Account>" in reply.text
    assert reply.headers["x-amzn-requestid"] in reply.text


@pytest.mark.parametrize("body,code", [
    ("{", "SerializationException"),
    ("[]", "SerializationException"),
    ('{"TableName": 5}', "SerializationException"),
    ('{"TableName": {"a": 1}}', "SerializationException"),
    ("\xff\xfe", "SerializationException"),
    ('{"TableName":' * 1000 + "1" + "}" * 1000, "SerializationException"),
    ("{}", "ValidationException"),
    ('{"TableName": ""}', "ValidationException"),
])
def test_malformed_json(cloud, body, code):
    reply = dynamodb(cloud, body.encode("latin-1"), "DescribeTable")
    assert reply.status_code == 400, reply.text
    assert reply.json()["__type"].endswith("#" + code), reply.text


@pytest.mark.parametrize("body", ["Action=CreateUser&Version=2010-05-08&UserName=%ff", "Action=CreateUser&Version=2010-05-08"])
def test_malformed_forms(cloud, body):
    headers = signed("iam") | {"content-type": "application/x-www-form-urlencoded"}
    reply = requests.post(cloud.endpoint, data=body, headers=headers)
    assert reply.status_code == 400, reply.text


def test_unknown_operations_and_services(cloud, boto):
    reply = dynamodb(cloud, "{}", "NoSuchOperation")
    assert reply.status_code == 400 and "UnknownOperationException" in reply.text
    headers = signed("iam") | {"content-type": "application/x-www-form-urlencoded"}
    reply = requests.post(cloud.endpoint, data="Action=Nothing&Version=2010-05-08", headers=headers)
    assert reply.status_code == 400 and "<Code>InvalidAction</Code>" in reply.text
    code, _, status = error_of(boto("iam").generate_credential_report)
    assert (code, status) == ("NotImplemented", 501)
    code, _, status = error_of(boto("sqs").list_queues)
    assert status == 501


def test_absurd_sizes(cloud):
    connection = http.client.HTTPConnection("127.0.0.1", cloud.port)
    connection.putrequest("POST", "/")
    for name, value in (signed("dynamodb") | {"x-amz-target": "DynamoDB_20120810.ListTables", "content-length": str(10**15)}).items():
        connection.putheader(name, value)
    connection.endheaders()
    try:
        for _ in range(80):
            connection.send(b" " * 1024 * 1024)
        status = connection.getresponse().status
    except (BrokenPipeError, ConnectionResetError):
        status = 413
    assert status == 413
    assert requests.get(cloud.endpoint, headers={"x": "y" * 300_000}).status_code in (400, 431)
    assert requests.get(f"{cloud.endpoint}/_welkin/health").status_code == 200


def test_cors_for_browser_sdks(cloud):
    headers = {"origin": "http://app.example", "access-control-request-method": "POST", "access-control-request-headers": "x-amz-target"}
    reply = requests.options(cloud.endpoint, headers=headers)
    assert reply.status_code == 200
    assert reply.headers["access-control-allow-origin"] == "http://app.example"
    assert reply.headers["access-control-allow-headers"] == "x-amz-target"


def test_the_answer_to_dynamodb_has_its_checksum(cloud):
    import zlib

    reply = dynamodb(cloud, "{}")
    assert int(reply.headers["x-amz-crc32"]) == zlib.crc32(reply.content)


def test_graceful_stop(start):
    cloud = start()
    cloud.client("iam").create_user(UserName="kim")
    assert cloud.stop() == 0
    cloud.restart()
    assert [user["UserName"] for user in cloud.client("iam").list_users()["Users"]] == ["kim"]


def test_the_javascript_sdk(cloud, account, tmp_path):
    script = ROOT / "tests" / "javascript.mjs"
    reply = subprocess.run(
        ["node", str(script), cloud.endpoint, account], capture_output=True, text=True, timeout=120,
        cwd=ROOT / ".tools/node", env={"PATH": __import__("os").environ["PATH"], "TOOLS": str(ROOT / ".tools/node")})
    assert reply.returncode == 0, reply.stderr
    assert json.loads(reply.stdout) == {"account": account, "name": "Kim", "error": "ResourceNotFoundException"}
