"""Starts real clouds for the tests and hands out real clients.

`cloud` is one cloud for the whole run; every test gets an account of its own (`account`), so tests do not see each other.
`start` makes clouds with other settings. Nothing sleeps for a fixed time: `wait_for` waits for a condition.
"""

import datetime
import itertools
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time

import boto3
import botocore.auth
import botocore.config
import pytest
import requests

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = os.environ.get("WELKIN", str(ROOT / "target/debug/welkin"))


def clean_environment():
    keep = ("PATH", "HOME", "LANG", "XDG_CACHE_HOME", "PYENV_ROOT", "TMPDIR")
    return {name: os.environ[name] for name in keep if name in os.environ}


class Cloud:
    """A running cloud. `kill` ends it as a crash would, `stop` as an operator would."""

    def __init__(self, state, *options):
        self.state, self.options, self.process = state, options, None
        self.port = 0
        self.start()

    def start(self):
        where = ["--state", self.state] if self.state else ["--ephemeral"]
        command = [BINARY, "up", "--json", "--listen", f"127.0.0.1:{self.port}", *where, *self.options]
        self.log = tempfile.TemporaryFile(mode="w+")
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self.log, text=True, env=clean_environment()
        )
        line = self.process.stdout.readline()
        if not line:
            self.log.seek(0)
            raise RuntimeError(self.log.read())
        self.banner = json.loads(line)
        self.endpoint = self.banner["endpoint"]
        self.port = int(self.endpoint.rsplit(":", 1)[1])

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.terminate()
        return self.process.wait(timeout=20)

    def restart(self):
        self.start()

    def client(self, service, key="test", secret="test", token=None, region="us-east-1", secure=False, **config):
        config.setdefault("retries", {"max_attempts": 0})
        endpoint = self.endpoint.replace("http://", "https://") if secure else self.endpoint
        return boto3.client(
            service,
            endpoint_url=endpoint,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=token,
            region_name=region,
            verify=False,
            config=botocore.config.Config(**config),
        )


@pytest.fixture(scope="session")
def cloud():
    running = Cloud(None)
    yield running
    running.stop()


@pytest.fixture
def start(tmp_path):
    started = []

    def make(*options, state=True):
        started.append(Cloud(str(tmp_path / f"state{len(started)}") if state else None, *options))
        return started[-1]

    yield make
    for running in started:
        if running.process.poll() is None:
            running.kill()


@pytest.fixture
def advance(monkeypatch):
    """Moves a cloud's clock on, and with it the one that boto3 signs by."""
    real, passed = botocore.auth.get_current_datetime, datetime.timedelta()
    monkeypatch.setattr(
        botocore.auth, "get_current_datetime", lambda *arguments, **options: real(*arguments, **options) + passed
    )

    def move(cloud, seconds, restarted=False):
        nonlocal passed
        passed += datetime.timedelta(seconds=seconds)
        # The clock of a cloud begins anew with its process.
        millis = int(passed / datetime.timedelta(milliseconds=1)) if restarted else int(seconds * 1000)
        requests.post(f"{cloud.endpoint}/_welkin/clock", json={"advanceMillis": millis}).raise_for_status()

    return move


ACCOUNTS = itertools.count(100000000001)


@pytest.fixture
def account():
    """Twelve digits that no other test uses; as an access key it is that account's root."""
    return str(next(ACCOUNTS))


@pytest.fixture
def boto(cloud, account):
    """Makes boto3 clients of the test's own account."""
    return lambda service, **options: cloud.client(service, key=account, **options)


def wait_for(condition, what, seconds=30):
    """Polls until the condition yields something true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what} did not happen within {seconds} s")


@pytest.fixture
def user(boto, cloud):
    """Makes an IAM user with policies and returns a maker of its clients."""

    def make(name, *statements, **more):
        iam = boto("iam")
        iam.create_user(UserName=name, **more)
        if statements:
            document = {"Version": "2012-10-17", "Statement": list(statements)}
            iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=json.dumps(document))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return lambda service, **options: cloud.client(
            service, key=key["AccessKeyId"], secret=key["SecretAccessKey"], **options
        )

    return make


def error_of(call, *arguments, **parameters):
    """The error that a boto3 call ends in: (code, message, status)."""
    from botocore.exceptions import ClientError

    try:
        call(*arguments, **parameters)
    except ClientError as error:
        body, meta = error.response["Error"], error.response["ResponseMetadata"]
        return body["Code"], body.get("Message", ""), meta["HTTPStatusCode"]
    raise AssertionError("the call succeeded")
