"""Inventories are delivered on the cloud's clock."""

import csv
import gzip
import hashlib
import io
import json

from conftest import error_of, wait_for

DAY = 86_400


def configuration(name, target, **more):
    destination = {"Bucket": f"arn:aws:s3:::{target}", "Format": "CSV", "Prefix": "lists"}
    return {
        "Id": name,
        "IsEnabled": True,
        "IncludedObjectVersions": "Current",
        "Schedule": {"Frequency": "Daily"},
        "Destination": {"S3BucketDestination": destination},
        **more,
    }


def allow(s3, target):
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{target}/*",
        "Condition": {
            "ArnLike": {"aws:SourceArn": "arn:aws:s3:::*"},
            "StringEquals": {"aws:SourceAccount": "000000000000", "s3:x-amz-acl": "bucket-owner-full-control"},
        },
    }
    s3.put_bucket_policy(Bucket=target, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))


def keys(s3, bucket, prefix=""):
    return [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])]


def read(s3, bucket, key):
    return s3.get_object(Bucket=bucket, Key=key)["Body"].read()


def test_lists_are_delivered(start, advance):
    cloud = start()
    s3 = cloud.client("s3")
    for name in ("source", "target"):
        s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket="source", VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket="source", Key="a b/ü", Body=b"12", ServerSideEncryption="aws:kms")
    first = s3.put_object(Bucket="source", Key="c", Body=b"old")["VersionId"]
    s3.put_object(Bucket="source", Key="c", Body=b"newer")
    gone = s3.put_object(Bucket="source", Key="gone", Body=b"x")["VersionId"]
    marker = s3.delete_object(Bucket="source", Key="gone")["VersionId"]
    fields = ["Size", "ETag", "StorageClass", "EncryptionStatus", "IsMultipartUploaded"]
    current = configuration("current", "target", OptionalFields=fields)
    every = configuration("every", "target", IncludedObjectVersions="All", Filter={"Prefix": "g"})
    for each in (current, every):
        s3.put_bucket_inventory_configuration(Bucket="source", Id=each["Id"], InventoryConfiguration=each)
    # Without a policy, nothing comes.
    advance(cloud, 1 * DAY)
    allow(s3, "target")
    assert keys(s3, "target") == []
    advance(cloud, 1 * DAY)
    manifest = lambda name: [key for key in keys(s3, "target", f"lists/source/{name}/") if key.endswith("/manifest.checksum")]
    wait_for(lambda: manifest("current") and manifest("every"), "the lists")
    place = manifest("current")[0].removesuffix(".checksum") + ".json"
    told = read(s3, "target", place)
    assert read(s3, "target", manifest("current")[0]).decode() == hashlib.md5(told).hexdigest()
    told = json.loads(told)
    assert told["sourceBucket"] == "source" and told["destinationBucket"] == "arn:aws:s3:::target"
    assert told["fileSchema"] == "Bucket, Key, " + ", ".join(fields) and told["fileFormat"] == "CSV"
    [file] = told["files"]
    packed = read(s3, "target", file["key"])
    assert (len(packed), hashlib.md5(packed).hexdigest()) == (file["size"], file["MD5checksum"])
    rows = list(csv.reader(io.StringIO(gzip.decompress(packed).decode())))
    assert [row[:3] for row in rows] == [["source", "a+b/%C3%BC", "2"], ["source", "c", "5"]]
    assert [row[5] for row in rows] == ["SSE-KMS", "SSE-S3"] and rows[1][3] == hashlib.md5(b"newer").hexdigest()
    [hive] = [key for key in keys(s3, "target") if key.startswith("lists/source/current/hive/dt=")]
    assert read(s3, "target", hive).decode() == f"s3://target/{file['key']}\n"
    told = json.loads(read(s3, "target", manifest("every")[0].removesuffix(".checksum") + ".json"))
    assert told["fileSchema"] == "Bucket, Key, VersionId, IsLatest, IsDeleteMarker"
    rows = list(csv.reader(io.StringIO(gzip.decompress(read(s3, "target", told["files"][0]["key"])).decode())))
    assert rows == [["source", "gone", marker, "true", "true"], ["source", "gone", gone, "false", "false"]]
    assert first
    # One that is removed comes no more; the other does, also after a crash.
    s3.delete_bucket_inventory_configuration(Bucket="source", Id="every")
    advance(cloud, 1 * DAY)
    wait_for(lambda: len(manifest("current")) == 2, "the next list")
    assert len(manifest("every")) == 1


def test_settings_that_are_refused(boto, account):
    s3 = boto("s3")
    bucket = f"inventory-{account}"
    s3.create_bucket(Bucket=bucket)
    put = lambda name, value: error_of(
        s3.put_bucket_inventory_configuration, Bucket=bucket, Id=name, InventoryConfiguration=value
    )
    assert put("other", configuration("i", bucket))[:2] == (
        "IdMismatch", "Document ID does not match the specified configuration ID.",
    )  # fmt: skip
    wrong = configuration("i", bucket)
    wrong["Destination"]["S3BucketDestination"]["Bucket"] = bucket
    assert put("i", wrong)[:2] == ("InvalidS3DestinationBucket", "Invalid bucket ARN.")
    orc = configuration("i", bucket)
    orc["Destination"]["S3BucketDestination"]["Format"] = "ORC"
    assert put("i", orc)[0] == "NotImplemented"
    assert "InventoryConfigurationList" not in s3.list_bucket_inventory_configurations(Bucket=bucket)
