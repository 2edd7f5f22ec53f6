"""Killing the real process: nothing acknowledged is lost, nothing half-written is seen, damage is named."""

import os
import pathlib
import random
import shutil
import subprocess
import threading

import pytest
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from conftest import BINARY, clean_environment, wait_for

# Two hundred kills take a minute or two; WELKIN_KILLS sets another number.
KILLS = int(os.environ.get("WELKIN_KILLS", "200"))


class Load(threading.Thread):
    """Writes until it is told to stop; remembers what was acknowledged and what may have been."""

    def __init__(self, cloud, number):
        super().__init__(daemon=True)
        self.number, self.halt = number, threading.Event()
        self.cloud = cloud
        self.acknowledged, self.maybe, self.count = {}, {}, 0

    def run(self):
        dynamodb = self.cloud.client("dynamodb", connect_timeout=2, read_timeout=10)
        iam = self.cloud.client("iam", connect_timeout=2, read_timeout=10)
        rng = random.Random(self.number)
        while not self.halt.is_set():
            self.count += 1
            key, value = f"{self.number}-{rng.randrange(50)}", str(self.count)
            pair = [f"{self.number}-a", f"{self.number}-b"]
            kind = rng.randrange(4)
            try:
                if kind == 0:
                    self.maybe[pair[0]] = self.maybe[pair[1]] = value
                    dynamodb.transact_write_items(TransactItems=[
                        {"Put": {"TableName": "table", "Item": {"id": {"S": name}, "v": {"S": value}}}} for name in pair])
                    for name in pair:
                        self.acknowledged[name] = self.maybe.pop(name)
                elif kind == 1 and self.count % 5 == 0:
                    name = f"user-{self.number}-{self.count}"
                    self.maybe[name] = value
                    iam.create_user(UserName=name)
                    self.acknowledged[name] = self.maybe.pop(name)
                else:
                    self.maybe[key] = value
                    dynamodb.put_item(TableName="table", Item={"id": {"S": key}, "v": {"S": value}, "n": {"S": "x" * rng.randrange(2000)}})
                    self.acknowledged[key] = self.maybe.pop(key)
            except (BotoCoreError, HTTPClientError, ClientError, OSError):
                return


def check(cloud, loads):
    """Everything acknowledged is there, nothing is half there; returns the items."""
    items = {}
    for page in cloud.client("dynamodb").get_paginator("scan").paginate(TableName="table", ConsistentRead=True):
        for item in page["Items"]:
            items[item["id"]["S"]] = item["v"]["S"]
    users = {user["UserName"] for page in cloud.client("iam").get_paginator("list_users").paginate() for user in page["Users"]}
    indexed = {
        item["id"]["S"]: item["v"]["S"]
        for page in cloud.client("dynamodb").get_paginator("scan").paginate(TableName="table", IndexName="by-value")
        for item in page["Items"]
    }
    assert indexed == items, "the index and the table differ"
    for load in loads:
        for name, value in load.acknowledged.items():
            if name.startswith("user-"):
                assert name in users, f"{name} was acknowledged and is lost"
            else:
                assert items.get(name) in (value, load.maybe.get(name)), f"{name}: {items.get(name)}, acknowledged {value}"
        a, b = items.get(f"{load.number}-a"), items.get(f"{load.number}-b")
        assert a == b, f"half of a transaction is seen: {a} {b}"
    return items


def test_killed_at_random_moments_of_a_mixed_load(start):
    cloud = start()
    dynamodb = cloud.client("dynamodb")
    dynamodb.create_table(
        TableName="table", BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}, {"AttributeName": "v", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[{
            "IndexName": "by-value", "Projection": {"ProjectionType": "ALL"},
            "KeySchema": [{"AttributeName": "v", "KeyType": "HASH"}]}])
    dynamodb.get_waiter("table_exists").wait(TableName="table")
    rng = random.Random(7)
    known = {}
    for kill in range(KILLS):
        loads = [Load(cloud, number) for number in range(3)]
        for load in loads:
            # What survived the last kill has to survive the next.
            load.acknowledged.update((name, value) for name, value in known.items() if name.startswith(f"{load.number}-"))
            load.start()
        target = rng.randrange(1, 40)
        wait_for(lambda: sum(load.count for load in loads) >= target or not any(load.is_alive() for load in loads), "load")
        cloud.kill()
        for load in loads:
            load.halt.set()
            load.join()
        cloud.restart()
        known = check(cloud, loads)


def files(state):
    return [path for path in pathlib.Path(state, "store").rglob("*") if path.is_file()]


def start_fails(state):
    result = subprocess.run(
        [BINARY, "up", "--state", str(state), "--listen", "127.0.0.1:0"],
        capture_output=True, text=True, timeout=30, env=clean_environment())
    return result.returncode, result.stderr


def test_a_journal_that_was_cut_short_loses_only_its_end(start):
    cloud = start()
    iam = cloud.client("iam")
    for number in range(30):
        iam.create_user(UserName=f"user-{number:02}")
    cloud.kill()
    journals = sorted((path for path in files(cloud.state) if "jnl" in path.name or "journal" in str(path).lower()), key=lambda path: path.stat().st_size)
    assert journals, files(cloud.state)
    journal = journals[-1]
    data = journal.read_bytes()
    end = len(data.rstrip(b"\0"))
    journal.write_bytes(data[: end - 20])
    cloud.restart()
    names = [user["UserName"] for user in cloud.client("iam").list_users()["Users"]]
    assert names == [f"user-{number:02}" for number in range(len(names))] and len(names) >= 28


def test_a_second_cloud_on_the_same_state_is_refused(start):
    cloud = start()
    code, message = start_fails(cloud.state)
    assert code != 0 and "another process uses the state folder" in message


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    folder = tmp_path / "file"
    folder.write_text("not a folder")
    code, message = start_fails(folder)
    assert code != 0 and str(folder) in message and "--state" in message


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a small file system of its own")
def test_a_full_disk_is_an_error_and_loses_nothing(start, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=80m", "tmpfs", str(small)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("a tmpfs cannot be mounted here")
    try:
        from conftest import Cloud

        cloud = Cloud(str(small / "state"))
        try:
            dynamodb = cloud.client("dynamodb")
            dynamodb.create_table(
                TableName="table", BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}])
            dynamodb.get_waiter("table_exists").wait(TableName="table")
            acknowledged, failure = [], None
            blob = "x" * 350_000
            for number in range(400):
                try:
                    dynamodb.put_item(TableName="table", Item={"id": {"S": str(number)}, "v": {"S": blob + str(number)}})
                    acknowledged.append(str(number))
                except ClientError as error:
                    failure = error.response["Error"]["Code"]
                    break
            assert failure in ("InternalServerError", "InternalFailure"), failure
            cloud.kill()
            shutil.copytree(small / "state", tmp_path / "moved")
        finally:
            if cloud.process.poll() is None:
                cloud.kill()
        moved = Cloud(str(tmp_path / "moved"))
        try:
            found = moved.client("dynamodb")
            for number in acknowledged:
                item = found.get_item(TableName="table", Key={"id": {"S": number}}, ConsistentRead=True).get("Item")
                assert item and item["v"]["S"].endswith(number), f"{number} was acknowledged and is lost"
        finally:
            moved.kill()
    finally:
        subprocess.run(["umount", str(small)], check=False)
