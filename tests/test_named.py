"""DynamoDB and S3: no operation without a test of its own through a client. The walk over all of them does not count."""

import re

import botocore
import pytest
import requests

from conftest import ROOT

HERE = {"test_walk.py", "test_named.py"}


@pytest.mark.parametrize("service", ["dynamodb", "dynamodbstreams", "s3"])
def test_every_operation_is_tested(cloud, service):
    text = "\n".join(path.read_text() for path in (ROOT / "tests").glob("test_*.py") if path.name not in HERE)
    operations = requests.get(f"{cloud.endpoint}/_welkin/services").json()[service]["operations"]
    # The same address, and by now the same operation, as one that is tested.
    same = {"GetBucketLifecycle", "GetBucketNotification", "PutBucketLifecycle", "PutBucketNotification"}

    def named(operation):
        name = botocore.xform_name(operation)
        return any(re.search(rf"\b{spelling}\b", text) for spelling in (name, name.replace("_", "-"), operation))

    assert [operation for operation in operations if operation not in same and not named(operation)] == []
