"""What is asked and set beside the items: limits, tags, times to live, backups and their lists, insights, destinations,
statements in batches and transactions."""

import datetime

import pytest

from conftest import error_of, wait_for

KEYS = {
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
}
GONE = ("ResourceNotFoundException", "Requested resource not found: Table: gone not found", 400)


@pytest.fixture
def dynamodb(boto):
    return boto("dynamodb")


@pytest.fixture
def table(dynamodb):
    made = dynamodb.create_table(TableName="tab", **KEYS)["TableDescription"]
    return made["TableArn"]


def test_limits_and_endpoints(dynamodb):
    limits = dynamodb.describe_limits()
    assert [limits[name] for name in sorted(limits) if name != "ResponseMetadata"] == [80_000, 80_000, 40_000, 40_000]
    assert dynamodb.describe_endpoints()["Endpoints"] == [
        {"Address": "dynamodb.us-east-1.amazonaws.com", "CachePeriodInMinutes": 1440}
    ]


def test_tags_are_listed_and_taken_away(dynamodb, table):
    dynamodb.tag_resource(ResourceArn=table, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}])
    assert dynamodb.list_tags_of_resource(ResourceArn=table)["Tags"] == [
        {"Key": "a", "Value": "1"},
        {"Key": "b", "Value": ""},
    ]
    dynamodb.untag_resource(ResourceArn=table, TagKeys=["a", "never"])
    assert dynamodb.list_tags_of_resource(ResourceArn=table)["Tags"] == [{"Key": "b", "Value": ""}]
    gone = table.replace("table/tab", "table/gone")
    code, message, status = error_of(dynamodb.list_tags_of_resource, ResourceArn=gone)
    assert (code, status) == ("ResourceNotFoundException", 400)
    assert message == f"Requested resource not found: ResourcArn: {gone} not found"


def test_times_to_live(dynamodb, table):
    describe = lambda: dynamodb.describe_time_to_live(TableName="tab")["TimeToLiveDescription"]
    assert describe() == {"TimeToLiveStatus": "DISABLED"}
    wanted = {"Enabled": True, "AttributeName": "until"}
    assert dynamodb.update_time_to_live(TableName="tab", TimeToLiveSpecification=wanted)["TimeToLiveSpecification"] == wanted
    assert describe() == {"TimeToLiveStatus": "ENABLED", "AttributeName": "until"}
    assert error_of(dynamodb.update_time_to_live, TableName="tab", TimeToLiveSpecification=wanted) == (
        "ValidationException",
        "TimeToLive is already enabled",
        400,
    )
    assert error_of(dynamodb.describe_time_to_live, TableName="gone") == GONE


def test_backups_are_listed_and_deleted(dynamodb, table):
    arns = [dynamodb.create_backup(TableName="tab", BackupName=f"b-{n}")["BackupDetails"]["BackupArn"] for n in range(3)]
    first = dynamodb.list_backups(TableName="tab", Limit=2)
    second = dynamodb.list_backups(TableName="tab", ExclusiveStartBackupArn=first["LastEvaluatedBackupArn"])
    listed = first["BackupSummaries"] + second["BackupSummaries"]
    assert sorted(one["BackupArn"] for one in listed) == sorted(arns)
    assert {one["BackupStatus"] for one in listed} == {"AVAILABLE"} and {one["BackupType"] for one in listed} == {"USER"}
    assert "LastEvaluatedBackupArn" not in second
    deleted = dynamodb.delete_backup(BackupArn=arns[1])["BackupDescription"]["BackupDetails"]
    assert (deleted["BackupArn"], deleted["BackupStatus"]) == (arns[1], "DELETED")
    assert error_of(dynamodb.delete_backup, BackupArn=arns[1]) == (
        "BackupNotFoundException",
        f"Backup not found: {arns[1]}",
        400,
    )
    assert len(dynamodb.list_backups()["BackupSummaries"]) == 2
    assert dynamodb.list_backups(BackupType="SYSTEM")["BackupSummaries"] == []


def test_a_table_is_restored_to_a_second_in_the_past(start, advance):
    cloud = start(state=False)
    dynamodb = cloud.client("dynamodb")
    dynamodb.create_table(TableName="tab", **KEYS)
    code, message, _ = error_of(
        dynamodb.restore_table_to_point_in_time, SourceTableName="tab", TargetTableName="new", UseLatestRestorableTime=True
    )
    assert (code, message) == (
        "PointInTimeRecoveryUnavailableException",
        "Point in time recovery is not enabled for table 'tab'",
    )
    dynamodb.update_continuous_backups(
        TableName="tab", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    dynamodb.put_item(TableName="tab", Item={"pk": {"S": "a"}, "v": {"N": "1"}})
    advance(cloud, 600)
    described = dynamodb.describe_continuous_backups(TableName="tab")["ContinuousBackupsDescription"]
    moment = described["PointInTimeRecoveryDescription"]["LatestRestorableDateTime"]
    advance(cloud, 600)
    dynamodb.put_item(TableName="tab", Item={"pk": {"S": "a"}, "v": {"N": "2"}})
    dynamodb.put_item(TableName="tab", Item={"pk": {"S": "b"}})
    made = dynamodb.restore_table_to_point_in_time(SourceTableName="tab", TargetTableName="old", RestoreDateTime=moment)
    assert made["TableDescription"]["RestoreSummary"]["RestoreDateTime"] == moment
    assert dynamodb.scan(TableName="old")["Items"] == [{"pk": {"S": "a"}, "v": {"N": "1"}}]
    dynamodb.restore_table_to_point_in_time(SourceTableName="tab", TargetTableName="new", UseLatestRestorableTime=True)
    assert dynamodb.scan(TableName="new")["Count"] == 2
    again = {"SourceTableName": "tab", "TargetTableName": "old", "RestoreDateTime": moment}
    assert error_of(dynamodb.restore_table_to_point_in_time, **again)[:2] == (
        "TableAlreadyExistsException",
        "Table already exists: old",
    )
    before = {**again, "TargetTableName": "older", "RestoreDateTime": moment - datetime.timedelta(days=40)}
    assert error_of(dynamodb.restore_table_to_point_in_time, **before)[0] == "InvalidRestoreTimeException"


def test_imports_are_listed(dynamodb, table, boto):
    boto("s3", s3={"addressing_style": "path"}).create_bucket(Bucket="imports-of-control")
    assert dynamodb.list_imports()["ImportSummaryList"] == []
    made = dynamodb.import_table(
        S3BucketSource={"S3Bucket": "imports-of-control"},
        InputFormat="DYNAMODB_JSON",
        TableCreationParameters={"TableName": "imported", **KEYS},
    )["ImportTableDescription"]
    listed = dynamodb.list_imports()["ImportSummaryList"]
    assert [one["ImportArn"] for one in listed] == [made["ImportArn"]]
    assert dynamodb.list_imports(TableArn=table)["ImportSummaryList"] == []
    assert dynamodb.list_imports(TableArn=made["TableArn"])["ImportSummaryList"] == listed


def test_insights(dynamodb, table):
    assert dynamodb.describe_contributor_insights(TableName="tab")["ContributorInsightsStatus"] == "DISABLED"
    changed = dynamodb.update_contributor_insights(TableName="tab", ContributorInsightsAction="ENABLE")
    assert changed["ContributorInsightsStatus"] == "ENABLING"
    described = dynamodb.describe_contributor_insights(TableName="tab")
    assert described["ContributorInsightsStatus"] == "ENABLED"
    listed = dynamodb.list_contributor_insights()["ContributorInsightsSummaries"]
    assert [(one["TableName"], one["ContributorInsightsStatus"]) for one in listed] == [("tab", "ENABLED")]
    missing = {"TableName": "tab", "IndexName": "none", "ContributorInsightsAction": "ENABLE"}
    assert error_of(dynamodb.update_contributor_insights, **missing) == (
        "ResourceNotFoundException",
        "Requested resource not found: Index: none not found",
        400,
    )


def test_streams_of_kinesis_are_not_there(dynamodb, table, account):
    stream = f"arn:aws:kinesis:us-east-1:{account}:stream/events"
    assert dynamodb.describe_kinesis_streaming_destination(TableName="tab")["KinesisDataStreamDestinations"] == []
    assert error_of(dynamodb.enable_kinesis_streaming_destination, TableName="tab", StreamArn=stream)[:2] == (
        "ResourceNotFoundException",
        f"Requested resource not found: Stream: {stream} not found",
    )
    for call in (dynamodb.disable_kinesis_streaming_destination, dynamodb.update_kinesis_streaming_destination):
        assert error_of(call, TableName="tab", StreamArn=stream)[0] == "ValidationException"
        assert error_of(call, TableName="gone", StreamArn=stream)[0] == "ResourceNotFoundException"


def test_replicas_scale_with_what_is_written(start, advance):
    cloud = start(state=False)
    here, there = cloud.client("dynamodb"), cloud.client("dynamodb", region="eu-west-1")
    units = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5}
    here.create_table(TableName="tab", **{**KEYS, "BillingMode": "PROVISIONED"}, ProvisionedThroughput=units)
    here.update_table(TableName="tab", ReplicaUpdates=[{"Create": {"RegionName": "eu-west-1"}}])
    tracking = {"TargetValue": 50.0}
    scaling = {
        "MinimumUnits": 1,
        "MaximumUnits": 40,
        "ScalingPolicyUpdate": {"PolicyName": "half", "TargetTrackingScalingPolicyConfiguration": tracking},
    }
    here.update_table_replica_auto_scaling(TableName="tab", ProvisionedWriteCapacityAutoScalingUpdate=scaling)
    described = there.describe_table_replica_auto_scaling(TableName="tab")["TableAutoScalingDescription"]
    for replica in described["Replicas"]:
        shown = replica["ReplicaProvisionedWriteCapacityAutoScalingSettings"]
        assert shown["ScalingPolicies"] == [
            {"PolicyName": "half", "TargetTrackingScalingPolicyConfiguration": tracking}
        ]
    writes = lambda client: client.describe_table(TableName="tab")["Table"]["ProvisionedThroughput"]["WriteCapacityUnits"]
    advance(cloud, 60)
    for _ in range(2):
        for batch in range(12):
            puts = [{"PutRequest": {"Item": {"pk": {"S": f"{batch}-{n}"}}}} for n in range(25)]
            there.batch_write_item(RequestItems={"tab": puts})
        advance(cloud, 60)
    # 300 units a minute are 5 a second, and those are to be half of what there is.
    wait_for(lambda: (writes(here), writes(there)) == (10, 10), "the capacity's growth")
    for _ in range(17):
        advance(cloud, 60)
    wait_for(lambda: (writes(here), writes(there)) == (1, 1), "the capacity's shrinking")


def test_settings_of_global_tables(cloud, account):
    stream = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    group = []
    for region in ("us-east-1", "eu-west-1"):
        client = cloud.client("dynamodb", key=account, region=region)
        client.create_table(TableName="both", StreamSpecification=stream, **KEYS)
        group.append({"RegionName": region})
    client.create_global_table(GlobalTableName="both", ReplicationGroup=group)
    changed = client.update_global_table_settings(
        GlobalTableName="both",
        ReplicaSettingsUpdate=[{"RegionName": "eu-west-1", "ReplicaTableClass": "STANDARD_INFREQUENT_ACCESS"}],
    )["ReplicaSettings"]
    classes = {one["RegionName"]: one.get("ReplicaTableClassSummary", {}).get("TableClass") for one in changed}
    assert classes == {"us-east-1": None, "eu-west-1": "STANDARD_INFREQUENT_ACCESS"}
    described = client.describe_table(TableName="both")["Table"]["TableClassSummary"]["TableClass"]
    assert described == "STANDARD_INFREQUENT_ACCESS"
    unknown = [{"RegionName": "sa-east-1", "ReplicaTableClass": "STANDARD"}]
    code, _, _ = error_of(client.update_global_table_settings, GlobalTableName="both", ReplicaSettingsUpdate=unknown)
    assert code == "ReplicaNotFoundException"


def test_statements_in_a_batch_stand_alone(dynamodb, table):
    insert = lambda pk: {"Statement": "INSERT INTO tab VALUE {'pk': ?}", "Parameters": [{"S": pk}]}
    answers = dynamodb.batch_execute_statement(Statements=[insert("a"), insert("a"), insert("b")])["Responses"]
    assert "Error" not in answers[0] and "Error" not in answers[2]
    assert answers[1]["Error"] == {"Code": "DuplicateItem", "Message": "Duplicate primary key exists in table"}
    select = lambda pk: {"Statement": f"SELECT * FROM tab WHERE pk = '{pk}'", "ConsistentRead": True}
    answers = dynamodb.batch_execute_statement(Statements=[select("a"), select("none")])["Responses"]
    assert answers[0] == {"TableName": "tab", "Item": {"pk": {"S": "a"}}} and "Item" not in answers[1]
    mixed = [insert("c"), select("a")]
    assert error_of(dynamodb.batch_execute_statement, Statements=mixed)[0] == "ValidationException"
    assert error_of(dynamodb.batch_execute_statement, Statements=[select("a")] * 26)[0] == "ValidationException"
    assert dynamodb.scan(TableName="tab")["Count"] == 2


def test_statements_in_a_transaction_happen_together(dynamodb, table):
    dynamodb.put_item(TableName="tab", Item={"pk": {"S": "a"}, "v": {"N": "1"}})
    update = {"Statement": "UPDATE tab SET v = 2 WHERE pk = 'a'"}
    insert = {"Statement": "INSERT INTO tab VALUE {'pk': 'b'}"}
    exists = {"Statement": "EXISTS(SELECT * FROM tab WHERE pk = 'c' AND v = 5)"}
    code, message, _ = error_of(dynamodb.execute_transaction, TransactStatements=[update, insert, exists])
    assert code == "TransactionCanceledException"
    assert message.endswith("[None, None, ConditionalCheckFailed]")
    assert dynamodb.scan(TableName="tab")["Items"] == [{"pk": {"S": "a"}, "v": {"N": "1"}}]
    token = "a-token-of-a-transaction"
    for _ in range(2):
        dynamodb.execute_transaction(TransactStatements=[update, insert], ClientRequestToken=token)
    assert dynamodb.scan(TableName="tab")["Count"] == 2
    other = [insert]
    assert error_of(dynamodb.execute_transaction, TransactStatements=other, ClientRequestToken=token)[0] == (
        "IdempotentParameterMismatchException"
    )
    read = [{"Statement": f"SELECT * FROM tab WHERE pk = '{pk}'"} for pk in "ab"]
    answers = dynamodb.execute_transaction(TransactStatements=read)["Responses"]
    assert [answer["Item"]["pk"]["S"] for answer in answers] == ["a", "b"]
