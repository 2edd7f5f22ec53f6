"""AssumeRoleWithWebIdentity with a real issuer on this machine."""

import json
import subprocess
import time

import pytest
from botocore import UNSIGNED

from conftest import ROOT, clean_environment, error_of


class Issuer:
    def __init__(self):
        self.process = subprocess.Popen(
            ["node", str(ROOT / "tests/issuer.mjs")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=clean_environment())
        self.url = self.process.stdout.readline().strip()

    def token(self, **claims):
        claims = {"iss": self.url, "sub": "repo:kim", "aud": "app", "exp": int(time.time()) + 600} | claims
        self.process.stdin.write(json.dumps(claims) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()


@pytest.fixture
def issuer():
    running = Issuer()
    yield running
    running.process.kill()


def test_a_token_for_a_role(boto, cloud, account, issuer):
    iam = boto("iam")
    host = issuer.url.removeprefix("http://")
    provider = f"arn:aws:iam::{account}:oidc-provider/{host}"
    trust = {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Federated": provider}, "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {f"{host}:aud": "app"}, "StringLike": {f"{host}:sub": "repo:*"}}}]}
    iam.create_role(RoleName="deploy", AssumeRolePolicyDocument=json.dumps(trust))
    role = f"arn:aws:iam::{account}:role/deploy"
    sts = cloud.client("sts", signature_version=UNSIGNED)
    assume = lambda token: sts.assume_role_with_web_identity(RoleArn=role, RoleSessionName="ci", WebIdentityToken=token)
    failed = lambda token: error_of(sts.assume_role_with_web_identity, RoleArn=role, RoleSessionName="ci", WebIdentityToken=token)

    assert failed(issuer.token())[:2] == (
        "InvalidIdentityToken", f"No OpenIDConnect provider found in your account for {issuer.url}")
    assert iam.create_open_id_connect_provider(Url=issuer.url, ClientIDList=["app"])["OpenIDConnectProviderArn"] == provider
    reply = assume(issuer.token())
    assert reply["SubjectFromWebIdentityToken"] == "repo:kim" and reply["Audience"] == "app"
    keys = reply["Credentials"]
    client = cloud.client("sts", keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
    assert client.get_caller_identity()["Arn"] == f"arn:aws:sts::{account}:assumed-role/deploy/ci"

    assert failed(issuer.token(sub="other"))[:2] == ("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
    assert failed(issuer.token(aud="other"))[1] == "Incorrect token audience"
    assert failed(issuer.token(exp=int(time.time()) - 1))[0] == "ExpiredTokenException"
    forged = Issuer()
    try:
        assert failed(forged.token(iss=issuer.url))[0] == "InvalidIdentityToken"
    finally:
        forged.process.kill()
    head, claims, _ = issuer.token().split(".")
    assert failed(f"{head}.{claims}.AAAA")[0] == "InvalidIdentityToken"
    assert failed("nonsense")[0] == "InvalidIdentityToken"
    issuer.process.kill()
    issuer.process.wait()
    later = Issuer()
    try:
        assert failed(later.token(iss=issuer.url))[0] == "IDPCommunicationError"
    finally:
        later.process.kill()
