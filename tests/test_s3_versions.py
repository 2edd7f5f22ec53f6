"""Versions of objects: delete markers, null versions, listings, and a model that every sequence of calls must agree with."""

import random

import pytest

from conftest import error_of


@pytest.fixture
def s3(boto):
    return boto("s3")


@pytest.fixture
def bucket(s3, account):
    name = f"versions-{account}"
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


def body(s3, **which):
    return s3.get_object(**which)["Body"].read()


def listed(s3, bucket, **options):
    page = s3.list_object_versions(Bucket=bucket, **options)
    entries = page.get("Versions", []) + page.get("DeleteMarkers", [])
    return sorted((entry["Key"], entry["VersionId"], entry["IsLatest"]) for entry in entries)


def test_versions_are_kept(s3, bucket):
    ids = [s3.put_object(Bucket=bucket, Key="k", Body=b"%d" % n)["VersionId"] for n in range(3)]
    assert len(set(ids)) == 3 and all(len(id) == 32 for id in ids)
    assert [body(s3, Bucket=bucket, Key="k", VersionId=id) for id in ids] == [b"0", b"1", b"2"]
    assert s3.head_object(Bucket=bucket, Key="k")["VersionId"] == ids[2]
    marker = s3.delete_object(Bucket=bucket, Key="k")
    assert marker["DeleteMarker"] is True and marker["VersionId"] not in ids
    code, _, status = error_of(s3.get_object, Bucket=bucket, Key="k")[:3]
    assert (code, status) == ("NoSuchKey", 404)
    with pytest.raises(s3.exceptions.NoSuchKey) as caught:
        s3.get_object(Bucket=bucket, Key="k")
    headers = caught.value.response["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-amz-delete-marker"] == "true" and headers["x-amz-version-id"] == marker["VersionId"]
    assert error_of(s3.get_object, Bucket=bucket, Key="k", VersionId=marker["VersionId"])[::2] == ("MethodNotAllowed", 405)
    assert error_of(s3.head_object, Bucket=bucket, Key="k", VersionId=marker["VersionId"])[2] == 405
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    assert error_of(s3.delete_bucket, Bucket=bucket)[0] == "BucketNotEmpty"
    undone = s3.delete_object(Bucket=bucket, Key="k", VersionId=marker["VersionId"])
    assert undone["DeleteMarker"] is True and undone["VersionId"] == marker["VersionId"]
    assert body(s3, Bucket=bucket, Key="k") == b"2"
    gone = s3.delete_object(Bucket=bucket, Key="k", VersionId=ids[2])
    assert "DeleteMarker" not in gone and gone["VersionId"] == ids[2]
    assert body(s3, Bucket=bucket, Key="k") == b"1"
    assert error_of(s3.get_object, Bucket=bucket, Key="k", VersionId=ids[2])[::2] == ("NoSuchVersion", 404)
    assert error_of(s3.get_object, Bucket=bucket, Key="k", VersionId="x")[:2] == ("InvalidArgument", "Invalid version id specified")
    assert s3.delete_object(Bucket=bucket, Key="k", VersionId=ids[2])["VersionId"] == ids[2]


def test_null_versions(s3, account):
    bucket = f"null-{account}"
    s3.create_bucket(Bucket=bucket)
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    assert "VersionId" not in s3.put_object(Bucket=bucket, Key="k", Body=b"old")
    assert listed(s3, bucket) == [("k", "null", True)]
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    new = s3.put_object(Bucket=bucket, Key="k", Body=b"new")["VersionId"]
    assert body(s3, Bucket=bucket, Key="k", VersionId="null") == b"old"
    assert listed(s3, bucket) == sorted([("k", new, True), ("k", "null", False)])
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    s3.put_object(Bucket=bucket, Key="k", Body=b"newest")
    assert listed(s3, bucket) == sorted([("k", "null", True), ("k", new, False)])
    assert body(s3, Bucket=bucket, Key="k", VersionId="null") == b"newest"
    marker = s3.delete_object(Bucket=bucket, Key="k")
    assert (marker["DeleteMarker"], marker["VersionId"]) == (True, "null")
    assert listed(s3, bucket) == sorted([("k", "null", True), ("k", new, False)])
    s3.delete_object(Bucket=bucket, Key="k", VersionId="null")
    assert body(s3, Bucket=bucket, Key="k") == b"new"
    assert error_of(s3.put_bucket_versioning, Bucket=bucket, VersioningConfiguration={})[0] == "IllegalVersioningConfigurationException"


def test_listing_pages(s3, bucket):
    expected = []
    for key in ("a", "a/b", "d/1", "d/2", "z", "é"):
        for n in range(3):
            expected.insert(len(expected) - n, (key, s3.put_object(Bucket=bucket, Key=key, Body=b"%d" % n)["VersionId"]))
    s3.delete_object(Bucket=bucket, Key="a")
    for size in (1, 2, 5, 7):
        found, options = [], {}
        while True:
            page = s3.list_object_versions(Bucket=bucket, MaxKeys=size, **options)
            entries = page.get("Versions", []) + page.get("DeleteMarkers", [])
            assert len(entries) <= size
            found += [(v["Key"], v["VersionId"]) for v in page.get("Versions", [])]
            if not page["IsTruncated"]:
                break
            options = {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}
        assert [id for _, id in found] == [id for _, id in expected], size
    page = s3.list_object_versions(Bucket=bucket, Delimiter="/")
    assert [p["Prefix"] for p in page["CommonPrefixes"]] == ["a/", "d/"]
    assert [m["Key"] for m in page["DeleteMarkers"]] == ["a"]
    page = s3.list_object_versions(Bucket=bucket, Prefix="d/", KeyMarker="d/1")
    assert {v["Key"] for v in page["Versions"]} == {"d/2"}
    wrong = error_of(s3.list_object_versions, Bucket=bucket, VersionIdMarker="null")
    assert wrong[:2] == ("InvalidArgument", "A version-id marker cannot be specified without a key marker.")


def test_copies_and_batches(s3, bucket):
    first = s3.put_object(Bucket=bucket, Key="k", Body=b"1", Tagging="a=1")["VersionId"]
    second = s3.put_object(Bucket=bucket, Key="k", Body=b"2")["VersionId"]
    source = {"Bucket": bucket, "Key": "k", "VersionId": first}
    copy = s3.copy_object(Bucket=bucket, Key="k", CopySource=source)
    assert copy["CopySourceVersionId"] == first and copy["VersionId"] not in (first, second)
    assert body(s3, Bucket=bucket, Key="k") == b"1"
    assert s3.get_object_tagging(Bucket=bucket, Key="k", VersionId=second)["TagSet"] == []
    s3.put_object_tagging(Bucket=bucket, Key="k", VersionId=second, Tagging={"TagSet": [{"Key": "x", "Value": "y"}]})
    assert s3.get_object_tagging(Bucket=bucket, Key="k", VersionId=second)["TagSet"] == [{"Key": "x", "Value": "y"}]
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "a", "Value": "1"}]
    batch = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k"}, {"Key": "k", "VersionId": first}, {"Key": "none"}]})
    by_key = {(d["Key"], d.get("VersionId")): d for d in batch["Deleted"]}
    assert by_key["k", None]["DeleteMarker"] is True and by_key["none", None]["DeleteMarker"] is True
    assert "DeleteMarker" not in by_key["k", first]
    marker = by_key["k", None]["DeleteMarkerVersionId"]
    again = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k", "VersionId": marker}]})["Deleted"][0]
    assert again == {"Key": "k", "VersionId": marker, "DeleteMarker": True, "DeleteMarkerVersionId": marker}
    source = {"Bucket": bucket, "Key": "none", "VersionId": by_key["none", None]["DeleteMarkerVersionId"]}
    assert error_of(s3.copy_object, Bucket=bucket, Key="c", CopySource=source)[0] == "InvalidRequest"


class Oracle:
    """The versions of every key, newest first: (id, is a delete marker, body)."""

    def __init__(self):
        self.keys, self.status = {}, None

    def put(self, key, id, body):
        versions = self.keys.setdefault(key, [])
        if id == "null":
            versions[:] = [v for v in versions if v[0] != "null"]
        versions.insert(0, (id, body is None, body))

    def remove(self, key, id):
        self.keys[key] = [v for v in self.keys[key] if v[0] != id]


def check(s3, bucket, oracle):
    found, options = {}, {}
    while True:
        page = s3.list_object_versions(Bucket=bucket, MaxKeys=7, **options)
        for version in page.get("Versions", []) + page.get("DeleteMarkers", []):
            found.setdefault(version["Key"], set()).add((version["VersionId"], version["IsLatest"], "ETag" not in version))
        if not page["IsTruncated"]:
            break
        options = {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}
    expected = {
        key: {(id, n == 0, deleted) for n, (id, deleted, _) in enumerate(versions)}
        for key, versions in oracle.keys.items() if versions
    }
    assert found == expected
    current = {k["Key"] for k in s3.list_objects_v2(Bucket=bucket).get("Contents", [])}
    assert current == {key for key, versions in oracle.keys.items() if versions and not versions[0][1]}


@pytest.mark.parametrize("seed", range(3))
def test_every_sequence_agrees_with_the_model(start, seed):
    cloud, chance = start(), random.Random(seed)
    s3, bucket, oracle = cloud.client("s3"), "model", Oracle()
    s3.create_bucket(Bucket=bucket)
    keys = ["a", "a/b", "é/ü", "z" * 40]
    for step in range(600):
        key, roll = chance.choice(keys), chance.random()
        versions = oracle.keys.get(key, [])
        if roll < 0.4:
            data = chance.randbytes(chance.choice([0, 3, 70_000]))
            answer = s3.put_object(Bucket=bucket, Key=key, Body=data)
            oracle.put(key, answer.get("VersionId", "null"), data)
        elif roll < 0.55:
            answer = s3.delete_object(Bucket=bucket, Key=key)
            if oracle.status:
                oracle.put(key, answer["VersionId"], None)
            else:
                oracle.keys.pop(key, None)
        elif roll < 0.8 and versions:
            id = chance.choice(versions)[0]
            s3.delete_object(Bucket=bucket, Key=key, VersionId=id)
            oracle.remove(key, id)
        elif roll < 0.83:
            oracle.status = chance.choice(["Enabled", "Suspended"])
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": oracle.status})
        elif roll < 0.98:
            if versions:
                id, deleted, data = chance.choice(versions)
                which = {} if id == versions[0][0] and chance.random() < 0.5 else {"VersionId": id}
                if deleted:
                    assert error_of(s3.get_object, Bucket=bucket, Key=key, **which)[0] == ("MethodNotAllowed" if which else "NoSuchKey")
                else:
                    assert body(s3, Bucket=bucket, Key=key, **which) == data
        else:
            cloud.kill()
            cloud.restart()
            s3 = cloud.client("s3")
            check(s3, bucket, oracle)
    check(s3, bucket, oracle)
    for key, versions in oracle.keys.items():
        for id, deleted, data in versions:
            if not deleted:
                assert body(s3, Bucket=bucket, Key=key, VersionId=id) == data
