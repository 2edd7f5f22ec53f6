"""What is attached to tables: policies that let other accounts in, replicas in other regions, limits."""

import json

from conftest import error_of


def make(dynamodb, name, **more):
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        **more,
    )
    return dynamodb.describe_table(TableName=name)["Table"]["TableArn"]


def test_a_policy_lets_another_account_in(boto, cloud, account):
    dynamodb = boto("dynamodb")
    arn = make(dynamodb, "shared")
    other = str(int(account) + 500_000_000)
    iam = cloud.client("iam", key=other)
    iam.create_user(UserName="guest")
    allow = {"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}
    iam.put_user_policy(
        UserName="guest", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    )
    key = iam.create_access_key(UserName="guest")["AccessKey"]
    guest = cloud.client("dynamodb", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    code, message, _ = error_of(guest.get_item, TableName=arn, Key={"pk": {"S": "a"}})
    assert code == "AccessDeniedException" and "no resource-based policy allows the dynamodb:GetItem action" in message
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{other}:user/guest"},
        "Action": ["dynamodb:GetItem", "dynamodb:PutItem"],
        "Resource": arn,
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    revision = dynamodb.put_resource_policy(ResourceArn=arn, Policy=document)["RevisionId"]
    guest.put_item(TableName=arn, Item={"pk": {"S": "a"}, "by": {"S": "guest"}})
    assert dynamodb.get_item(TableName="shared", Key={"pk": {"S": "a"}})["Item"]["by"] == {"S": "guest"}
    code, _, _ = error_of(guest.delete_item, TableName=arn, Key={"pk": {"S": "a"}})
    assert code == "AccessDeniedException"
    assert dynamodb.get_resource_policy(ResourceArn=arn) | {"ResponseMetadata": 0} == {
        "Policy": document,
        "RevisionId": revision,
        "ResponseMetadata": 0,
    }
    dynamodb.delete_resource_policy(ResourceArn=arn)
    code, message, _ = error_of(dynamodb.get_resource_policy, ResourceArn=arn)
    assert code == "PolicyNotFoundException"


def test_a_policy_denies_at_home(boto, user):
    dynamodb = boto("dynamodb")
    deny = {"Effect": "Deny", "Principal": "*", "Action": "dynamodb:DeleteItem", "Resource": "*"}
    arn = make(dynamodb, "kept", ResourcePolicy=json.dumps({"Version": "2012-10-17", "Statement": [deny]}))
    allowed = user("deleter", {"Effect": "Allow", "Action": "dynamodb:*", "Resource": arn})("dynamodb")
    allowed.put_item(TableName="kept", Item={"pk": {"S": "a"}})
    code, message, _ = error_of(allowed.delete_item, TableName="kept", Key={"pk": {"S": "a"}})
    assert code == "AccessDeniedException" and "explicit deny in a resource-based policy" in message


def test_a_table_lives_in_two_regions(cloud, account):
    east = cloud.client("dynamodb", key=account)
    west = cloud.client("dynamodb", key=account, region="us-west-2")
    make(east, "global", StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"})
    east.put_item(TableName="global", Item={"pk": {"S": "before"}})
    east.update_table(TableName="global", ReplicaUpdates=[{"Create": {"RegionName": "us-west-2"}}])
    west.put_item(TableName="global", Item={"pk": {"S": "after"}})
    keys = lambda client: sorted(item["pk"]["S"] for item in client.scan(TableName="global")["Items"])
    assert keys(east) == keys(west) == ["after", "before"]
    described = west.describe_table(TableName="global")["Table"]
    assert [replica["RegionName"] for replica in described["Replicas"]] == ["us-east-1"]
    streams = cloud.client("dynamodbstreams", key=account, region="us-west-2")
    arn = described["LatestStreamArn"]
    shard = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]
    iterator = streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    east.delete_item(TableName="global", Key={"pk": {"S": "before"}})
    records = streams.get_records(ShardIterator=iterator["ShardIterator"])["Records"]
    assert [record["eventName"] for record in records] == ["INSERT", "REMOVE"]


def test_provisioned_tables_throttle_where_that_is_asked_for(start):
    cloud = start("--throttle-dynamodb", state=False)
    dynamodb = cloud.client("dynamodb")
    dynamodb.create_table(
        TableName="slow",
        ProvisionedThroughput={"ReadCapacityUnits": 1, "WriteCapacityUnits": 1},
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    )
    # Three hundred seconds' worth of units are there at first.
    dynamodb.put_item(TableName="slow", Item={"pk": {"S": "big"}, "text": {"S": "x" * 380_000}})
    code, message, status = error_of(dynamodb.put_item, TableName="slow", Item={"pk": {"S": "small"}})
    assert (code, status) == ("ProvisionedThroughputExceededException", 400)
    assert message.startswith("The level of configured provisioned throughput for the table was exceeded.")


def test_tables_take_their_time_where_that_is_asked_for(start):
    dynamodb = start("--dynamodb-delays", state=False).client("dynamodb")
    make(dynamodb, "slow")
    assert dynamodb.describe_table(TableName="slow")["Table"]["TableStatus"] == "CREATING"
    assert error_of(dynamodb.scan, TableName="slow")[0] == "ResourceNotFoundException"
    code, message, status = error_of(dynamodb.delete_table, TableName="slow")
    text = "Attempt to change a resource which is still in use: Table is being created: slow"
    assert (code, message, status) == ("ResourceInUseException", text, 400)
    dynamodb.get_waiter("table_exists").wait(TableName="slow", WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    dynamodb.put_item(TableName="slow", Item={"pk": {"S": "a"}})
    assert dynamodb.delete_table(TableName="slow")["TableDescription"]["TableStatus"] == "DELETING"
    dynamodb.get_waiter("table_not_exists").wait(TableName="slow", WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    assert dynamodb.list_tables()["TableNames"] == []
