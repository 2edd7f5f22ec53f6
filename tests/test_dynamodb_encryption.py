"""The keys that tables say they have: AWS's own, or the account's managed key. There are no others."""

import pytest
from conftest import error_of, wait_for

KEYS = {
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
}
ON = {"Enabled": True}


@pytest.fixture
def dynamodb(boto):
    return boto("dynamodb")


def shown(dynamodb, table):
    return dynamodb.describe_table(TableName=table)["Table"].get("SSEDescription")


def test_the_managed_key(dynamodb, account):
    plain = dynamodb.create_table(TableName="plain", SSESpecification={"Enabled": False}, **KEYS)
    assert "SSEDescription" not in plain["TableDescription"] and shown(dynamodb, "plain") is None
    dynamodb.create_table(TableName="tab", SSESpecification=ON, **KEYS)
    described = shown(dynamodb, "tab")
    assert described["KMSMasterKeyArn"].startswith(f"arn:aws:kms:us-east-1:{account}:key/")
    assert (described["Status"], described["SSEType"]) == ("ENABLED", "KMS")
    changed = dynamodb.update_table(TableName="plain", SSESpecification={"Enabled": True, "SSEType": "KMS"})
    assert changed["TableDescription"]["SSEDescription"] == {**described, "Status": "UPDATING"}
    assert shown(dynamodb, "plain") == described
    dynamodb.update_table(TableName="plain", SSESpecification={"Enabled": False})
    assert shown(dynamodb, "plain") is None
    dynamodb.update_table(TableName="plain", SSESpecification={"Enabled": True, "KMSMasterKeyId": "alias/aws/dynamodb"})
    assert shown(dynamodb, "plain") == described


def test_it_goes_with_copies(dynamodb, boto, account):
    dynamodb.create_table(TableName="tab", SSESpecification=ON, **KEYS)
    described = shown(dynamodb, "tab")
    arn = dynamodb.create_backup(TableName="tab", BackupName="abc")["BackupDetails"]["BackupArn"]
    backup = dynamodb.describe_backup(BackupArn=arn)["BackupDescription"]
    assert backup["SourceTableFeatureDetails"]["SSEDescription"] == described
    dynamodb.restore_table_from_backup(TargetTableName="new", BackupArn=arn)
    assert shown(dynamodb, "new") == described
    dynamodb.restore_table_from_backup(TargetTableName="bare", BackupArn=arn, SSESpecificationOverride={"Enabled": False})
    assert shown(dynamodb, "bare") is None
    dynamodb.update_table(TableName="tab", ReplicaUpdates=[{"Create": {"RegionName": "eu-west-1"}}])
    there = shown(boto("dynamodb", region="eu-west-1"), "tab")
    assert there["KMSMasterKeyArn"].startswith(f"arn:aws:kms:eu-west-1:{account}:key/")


def test_other_keys_do_not_exist(dynamodb, account):
    key = "1234abcd-12ab-34cd-56ef-1234567890ab"
    wanted = {"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key}
    code, message, status = error_of(dynamodb.create_table, TableName="tab", SSESpecification=wanted, **KEYS)
    assert (code, status) == ("ValidationException", 400)
    assert f"Key 'arn:aws:kms:us-east-1:{account}:key/{key}' does not exist" in message
    assert error_of(dynamodb.describe_table, TableName="tab")[0] == "ResourceNotFoundException"
    aes = {"Enabled": True, "SSEType": "AES256"}
    assert error_of(dynamodb.create_table, TableName="tab", SSESpecification=aes, **KEYS)[0] == "ValidationException"


def test_exports_are_encrypted_as_they_are_asked_to_be(boto, account):
    dynamodb, s3 = boto("dynamodb"), boto("s3", s3={"addressing_style": "path"})
    dynamodb.create_table(TableName="tab", **KEYS)
    dynamodb.put_item(TableName="tab", Item={"pk": {"S": "a"}})
    recovery = {"PointInTimeRecoveryEnabled": True}
    dynamodb.update_continuous_backups(TableName="tab", PointInTimeRecoverySpecification=recovery)
    s3.create_bucket(Bucket=f"dump-{account}")
    table = dynamodb.describe_table(TableName="tab")["Table"]["TableArn"]

    def export(**more):
        asked = {"TableArn": table, "S3Bucket": f"dump-{account}", "S3SseAlgorithm": "KMS", **more}
        arn = dynamodb.export_table_to_point_in_time(**asked)["ExportDescription"]["ExportArn"]
        describe = lambda: dynamodb.describe_export(ExportArn=arn)["ExportDescription"]
        return wait_for(lambda: (found := describe())["ExportStatus"] != "IN_PROGRESS" and found, "the export")

    done = export()
    assert (done["ExportStatus"], done["S3SseAlgorithm"]) == ("COMPLETED", "KMS")
    head = s3.head_object(Bucket=f"dump-{account}", Key=done["ExportManifest"])
    assert head["ServerSideEncryption"] == "aws:kms" and f":{account}:key/" in head["SSEKMSKeyId"]
    assert export(S3SseKmsKeyId="alias/gone", S3Prefix="other")["ExportStatus"] == "FAILED"
