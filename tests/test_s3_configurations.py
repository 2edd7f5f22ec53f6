"""Configurations that a bucket keeps by their ids, and the exact errors where there are none."""

import pytest

from conftest import error_of


@pytest.fixture
def s3(boto, account):
    client = boto("s3", s3={"addressing_style": "path"})
    client.create_bucket(Bucket=f"configured-{account}")
    return client


@pytest.fixture
def bucket(account):
    return f"configured-{account}"


DESTINATION = {"S3BucketDestination": {"Bucket": "arn:aws:s3:::somewhere", "Format": "CSV"}}
# The operations, the member of requests and answers, and a configuration without its id.
KINDS = {
    "analytics": (
        ("put_bucket_analytics_configuration", "get_bucket_analytics_configuration", "list_bucket_analytics_configurations", "delete_bucket_analytics_configuration"),
        "AnalyticsConfiguration",
        {"StorageClassAnalysis": {"DataExport": {"OutputSchemaVersion": "V_1", "Destination": DESTINATION}}},
    ),
    "inventory": (
        ("put_bucket_inventory_configuration", "get_bucket_inventory_configuration", "list_bucket_inventory_configurations", "delete_bucket_inventory_configuration"),
        "InventoryConfiguration",
        {
            "Destination": DESTINATION,
            "IsEnabled": True,
            "IncludedObjectVersions": "All",
            "OptionalFields": ["Size", "ETag"],
            "Schedule": {"Frequency": "Daily"},
        },
    ),
    "metrics": (
        ("put_bucket_metrics_configuration", "get_bucket_metrics_configuration", "list_bucket_metrics_configurations", "delete_bucket_metrics_configuration"),
        "MetricsConfiguration",
        {"Filter": {"Prefix": "a/"}},
    ),
    "intelligent_tiering": (
        ("put_bucket_intelligent_tiering_configuration", "get_bucket_intelligent_tiering_configuration", "list_bucket_intelligent_tiering_configurations", "delete_bucket_intelligent_tiering_configuration"),
        "IntelligentTieringConfiguration",
        {"Status": "Enabled", "Tierings": [{"Days": 90, "AccessTier": "ARCHIVE_ACCESS"}]},
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_kept_is_shown_until_it_is_deleted(s3, bucket, kind):
    operations, member, content = KINDS[kind]
    put, get, list_, delete = (getattr(s3, operation) for operation in operations)
    listed = lambda: list_(Bucket=bucket)
    missing = ("NoSuchConfiguration", "The specified configuration does not exist.", 404)
    assert error_of(get, Bucket=bucket, Id="one") == missing
    assert error_of(delete, Bucket=bucket, Id="one") == missing
    assert f"{member}List" not in listed()
    for id_ in ("one", "two"):
        put(Bucket=bucket, Id=id_, **{member: {"Id": id_, **content}})
    assert get(Bucket=bucket, Id="one")[member] == {"Id": "one", **content}
    assert [one["Id"] for one in listed()[f"{member}List"]] == ["one", "two"] and listed()["IsTruncated"] is False
    code, _, status = error_of(put, Bucket=bucket, Id="x", **{member: {"Id": "y", **content}})
    assert status == 400 and code in ("InvalidArgument", "IdMismatch", "InvalidConfigurationId"), code
    assert delete(Bucket=bucket, Id="one")["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert [one["Id"] for one in listed()[f"{member}List"]] == ["two"]
    assert error_of(get, Bucket=bucket, Id="one") == missing


def test_ownership_controls_can_be_taken_away(s3, bucket):
    rules = {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]}
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=rules)
    assert s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"] == rules
    assert s3.delete_bucket_ownership_controls(Bucket=bucket)["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert error_of(s3.get_bucket_ownership_controls, Bucket=bucket) == (
        "OwnershipControlsNotFoundError",
        "The bucket ownership controls were not found",
        404,
    )


def test_torrents_are_refused(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    code, _, status = error_of(s3.get_object_torrent, Bucket=bucket, Key="k")
    assert (code, status) == ("MethodNotAllowed", 405)
