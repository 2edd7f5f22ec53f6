"""Global tables of both versions, each region through a client of its own."""

import pytest
from conftest import error_of

KEYS = {
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
    "BillingMode": "PAY_PER_REQUEST",
}
BOTH_IMAGES = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}


@pytest.fixture
def regions(cloud, account):
    return {name: cloud.client("dynamodb", key=account, region=name) for name in ("us-east-1", "us-east-2", "us-west-2")}


def test_reads_are_consistent_between_regions(regions):
    here, there = regions["us-east-2"], regions["us-east-1"]
    here.create_table(TableName="music", **KEYS)
    here.update_table(
        TableName="music",
        ReplicaUpdates=[{"Create": {"RegionName": "us-east-1"}}],
        GlobalTableWitnessUpdates=[{"Create": {"RegionName": "us-west-2"}}],
        MultiRegionConsistency="STRONG",
    )
    for client, other in ((here, "us-east-1"), (there, "us-east-2")):
        table = client.describe_table(TableName="music")["Table"]
        assert table["MultiRegionConsistency"] == "STRONG"
        assert [replica["RegionName"] for replica in table["Replicas"]] == [other]
        assert table["GlobalTableWitnesses"] == [{"RegionName": "us-west-2", "WitnessStatus": "ACTIVE"}]
    for number in range(20):
        key = {"pk": {"S": str(number)}}
        here.put_item(TableName="music", Item=key, ConditionExpression="attribute_not_exists(pk)")
        assert there.get_item(TableName="music", Key=key, ConsistentRead=True)["Item"] == key
        code, _, _ = error_of(there.put_item, TableName="music", Item=key, ConditionExpression="attribute_not_exists(pk)")
        assert code == "ConditionalCheckFailedException"
    # A witness serves nobody.
    assert error_of(regions["us-west-2"].describe_table, TableName="music")[0] == "ResourceNotFoundException"
    transaction = [{"Put": {"TableName": "music", "Item": {"pk": {"S": "t"}}}}]
    assert error_of(there.transact_write_items, TransactItems=transaction)[0] == "ValidationException"
    here.update_table(
        TableName="music",
        ReplicaUpdates=[{"Delete": {"RegionName": "us-east-1"}}],
        GlobalTableWitnessUpdates=[{"Delete": {"RegionName": "us-west-2"}}],
    )
    assert "MultiRegionConsistency" not in here.describe_table(TableName="music")["Table"]
    here.transact_write_items(TransactItems=transaction)


def test_a_replica_leaves_with_what_it_has(regions):
    east, west = regions["us-east-1"], regions["us-west-2"]
    east.create_table(TableName="apart", **KEYS)
    east.put_item(TableName="apart", Item={"pk": {"S": "a"}})
    east.update_table(TableName="apart", ReplicaUpdates=[{"Create": {"RegionName": "us-west-2"}}])
    leave = [{"Disassociate": {"RegionName": "us-west-2", "DisassociationMode": "WAIT_FOR_REPLICATION"}}]
    assert error_of(west.update_table, TableName="apart", ReplicaUpdates=leave)[0] == "ValidationException"
    west.update_table(TableName="apart", DisassociationProtectionEnabled=False)
    west.update_table(TableName="apart", ReplicaUpdates=leave)
    west.put_item(TableName="apart", Item={"pk": {"S": "b"}})
    assert [client.scan(TableName="apart")["Count"] for client in (east, west)] == [1, 2]
    assert "Replicas" not in east.describe_table(TableName="apart")["Table"]


def test_tables_are_joined_as_in_2017(regions):
    east, west = regions["us-east-1"], regions["us-west-2"]
    for client in (east, west):
        client.create_table(TableName="joined", StreamSpecification=BOTH_IMAGES, **KEYS)
    group = [{"RegionName": "us-east-1"}, {"RegionName": "us-west-2"}]
    made = east.create_global_table(GlobalTableName="joined", ReplicationGroup=group)["GlobalTableDescription"]
    assert made["GlobalTableStatus"] == "CREATING" and made["GlobalTableArn"].endswith(":global-table/joined")
    assert error_of(east.create_global_table, GlobalTableName="joined", ReplicationGroup=group) == (
        "GlobalTableAlreadyExistsException",
        "Global table already exists: Global table with name: 'joined' already exists.",
        400,
    )
    assert west.list_global_tables()["GlobalTables"] == [{"GlobalTableName": "joined", "ReplicationGroup": group}]
    west.put_item(TableName="joined", Item={"pk": {"S": "a"}, "v": {"S": "x"}})
    item = east.get_item(TableName="joined", Key={"pk": {"S": "a"}})["Item"]
    assert item["v"] == {"S": "x"} and item["aws:rep:updateregion"] == {"S": "us-west-2"}
    assert item["aws:rep:deleting"] == {"BOOL": False} and float(item["aws:rep:updatetime"]["N"]) > 1.6e9
    east.update_global_table(GlobalTableName="joined", ReplicaUpdates=[{"Delete": {"RegionName": "us-west-2"}}])
    east.delete_item(TableName="joined", Key={"pk": {"S": "a"}})
    assert west.scan(TableName="joined")["Count"] == 1
    code, message, _ = error_of(east.describe_global_table, GlobalTableName="none")
    assert (code, message) == (
        "GlobalTableNotFoundException",
        "Global table not found: Global table with name: 'none' does not exist.",
    )
    settings = east.describe_global_table_settings(GlobalTableName="joined")["ReplicaSettings"]
    assert [replica["RegionName"] for replica in settings] == ["us-east-1"]
    assert settings[0]["ReplicaBillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
