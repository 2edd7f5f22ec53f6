"""Backups, restores, exports and imports with real clients, through S3 and across crashes."""

import gzip
import json

from conftest import error_of, wait_for


def make(dynamodb, name):
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "n", "AttributeType": "N"},
        ],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "n", "KeyType": "RANGE"}],
    )
    return dynamodb.describe_table(TableName=name)["Table"]["TableArn"]


def fill(dynamodb, name, count, first=0):
    for n in range(first, first + count):
        dynamodb.put_item(TableName=name, Item={"pk": {"S": f"p{n % 3}"}, "n": {"N": str(n)}, "b": {"B": bytes([n % 256])}})


def items(dynamodb, name):
    return sorted((int(item["n"]["N"]) for item in dynamodb.scan(TableName=name)["Items"]))


def test_a_backup_survives_a_crash_and_its_table(start):
    cloud = start()
    dynamodb = cloud.client("dynamodb")
    make(dynamodb, "kept")
    fill(dynamodb, "kept", 30)
    arn = dynamodb.create_backup(TableName="kept", BackupName="first")["BackupDetails"]["BackupArn"]
    dynamodb.delete_table(TableName="kept")
    cloud.kill()
    cloud.restart()
    dynamodb.restore_table_from_backup(TargetTableName="again", BackupArn=arn)
    dynamodb.get_waiter("table_exists").wait(TableName="again")
    assert items(dynamodb, "again") == list(range(30))


def test_continuous_backups_are_there_from_the_start(boto):
    dynamodb = boto("dynamodb")
    make(dynamodb, "plain")
    described = dynamodb.describe_continuous_backups(TableName="plain")["ContinuousBackupsDescription"]
    assert described["ContinuousBackupsStatus"] == "ENABLED"
    assert described["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "DISABLED"
    code, message, status = error_of(dynamodb.describe_continuous_backups, TableName="nothing")
    assert (code, message, status) == ("TableNotFoundException", "Table not found: nothing", 400)


def switch_on(dynamodb, name):
    dynamodb.update_continuous_backups(
        TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )


def finished(describe):
    return wait_for(lambda: (lambda found: found if found != "IN_PROGRESS" else None)(describe()), "the end of the work")


def exported(dynamodb, arn):
    describe = lambda: dynamodb.describe_export(ExportArn=arn)["ExportDescription"]
    finished(lambda: describe()["ExportStatus"])
    return describe()


def test_an_export_is_imported_again(boto):
    dynamodb, s3 = boto("dynamodb"), boto("s3", s3={"addressing_style": "path"})
    table = make(dynamodb, "source")
    bucket = "exports-" + table.split(":")[4]
    s3.create_bucket(Bucket=bucket)
    code, _, _ = error_of(dynamodb.export_table_to_point_in_time, TableArn=table, S3Bucket=bucket)
    assert code == "PointInTimeRecoveryUnavailableException"
    switch_on(dynamodb, "source")
    fill(dynamodb, "source", 40)
    started = dynamodb.export_table_to_point_in_time(TableArn=table, S3Bucket=bucket, S3Prefix="dumps/")["ExportDescription"]
    assert started["ExportStatus"] == "IN_PROGRESS"
    done = exported(dynamodb, started["ExportArn"])
    assert (done["ExportStatus"], done["ItemCount"], done["ExportFormat"]) == ("COMPLETED", 40, "DYNAMODB_JSON")
    read = lambda key: s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    summary = json.loads(read(done["ExportManifest"]))
    assert (summary["itemCount"], summary["tableArn"], summary["exportType"]) == (40, table, "FULL_EXPORT")
    files = [json.loads(line) for line in read(summary["manifestFilesS3Key"]).splitlines()]
    lines = b"".join(gzip.decompress(read(file["dataFileS3Key"])) for file in files).splitlines()
    assert len(lines) == 40 and all(json.loads(line)["Item"]["n"]["N"] for line in lines)
    assert [one["ExportStatus"] for one in dynamodb.list_exports(TableArn=table)["ExportSummaries"]] == ["COMPLETED"]

    parameters = {
        "TableName": "copy",
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "n", "AttributeType": "N"},
        ],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "n", "KeyType": "RANGE"}],
    }
    prefix = files[0]["dataFileS3Key"].rsplit("/", 1)[0] + "/"
    arn = dynamodb.import_table(
        S3BucketSource={"S3Bucket": bucket, "S3KeyPrefix": prefix},
        InputFormat="DYNAMODB_JSON",
        InputCompressionType="GZIP",
        TableCreationParameters=parameters,
    )["ImportTableDescription"]["ImportArn"]
    describe = lambda: dynamodb.describe_import(ImportArn=arn)["ImportTableDescription"]
    finished(lambda: describe()["ImportStatus"])
    done = describe()
    assert (done["ImportStatus"], done["ImportedItemCount"], done["ErrorCount"]) == ("COMPLETED", 40, 0)
    assert items(dynamodb, "copy") == items(dynamodb, "source")
    key = {"pk": {"S": "p1"}, "n": {"N": "4"}}
    assert dynamodb.get_item(TableName="copy", Key=key)["Item"]["b"] == {"B": bytes([4])}


def test_rows_are_imported(boto):
    dynamodb, s3 = boto("dynamodb"), boto("s3", s3={"addressing_style": "path"})
    bucket = "rows-" + boto("sts").get_caller_identity()["Account"]
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="in/rows.csv", Body='pk;n;text\na;1;"x;y"\nb;2;\nbroken\nc;no number;z\n')
    arn = dynamodb.import_table(
        S3BucketSource={"S3Bucket": bucket, "S3KeyPrefix": "in/"},
        InputFormat="CSV",
        InputFormatOptions={"Csv": {"Delimiter": ";"}},
        TableCreationParameters={
            "TableName": "rows",
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "n", "AttributeType": "N"},
            ],
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "n", "KeyType": "RANGE"}],
        },
    )["ImportTableDescription"]["ImportArn"]
    describe = lambda: dynamodb.describe_import(ImportArn=arn)["ImportTableDescription"]
    finished(lambda: describe()["ImportStatus"])
    done = describe()
    counts = (done["ProcessedItemCount"], done["ImportedItemCount"], done["ErrorCount"])
    assert (done["ImportStatus"], counts) == ("COMPLETED", (4, 2, 2))
    item = dynamodb.get_item(TableName="rows", Key={"pk": {"S": "a"}, "n": {"N": "1"}})["Item"]
    assert item["text"] == {"S": "x;y"}
    assert "text" not in dynamodb.get_item(TableName="rows", Key={"pk": {"S": "b"}, "n": {"N": "2"}})["Item"]


def imported(dynamodb, bucket, table, keys, **options):
    """Imports everything under `in/`; the finished import's description."""
    arn = dynamodb.import_table(
        S3BucketSource={"S3Bucket": bucket, "S3KeyPrefix": "in/"},
        TableCreationParameters={
            "TableName": table,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": key, "AttributeType": kind} for key, kind in keys],
            "KeySchema": [{"AttributeName": key, "KeyType": kind} for (key, _), kind in zip(keys, ("HASH", "RANGE"))],
        },
        **options,
    )["ImportTableDescription"]["ImportArn"]
    describe = lambda: dynamodb.describe_import(ImportArn=arn)["ImportTableDescription"]
    finished(lambda: describe()["ImportStatus"])
    return describe()


def test_ion_is_exported_and_imported(boto):
    dynamodb, s3 = boto("dynamodb"), boto("s3", s3={"addressing_style": "path"})
    table = make(dynamodb, "books")
    bucket = "ion-" + table.split(":")[4]
    s3.create_bucket(Bucket=bucket)
    switch_on(dynamodb, "books")
    book = {
        "pk": {"S": "333-3333333333"},
        "n": {"N": "103"},
        "Authors": {"SS": ["Author1", "Author2"]},
        "PageCount": {"N": "600"},
        "a b": {"M": {"l": {"L": [{"NULL": True}, {"N": "0.5"}, {"B": b"hi"}]}}},
        "Text": {"S": 'quotes " and\nlines'},
    }
    dynamodb.put_item(TableName="books", Item=book)
    request = {"TableArn": table, "S3Bucket": bucket, "ExportFormat": "ION", "ClientToken": "one"}
    started = dynamodb.export_table_to_point_in_time(**request)["ExportDescription"]
    assert started["ExportFormat"] == "ION"
    code, _, _ = error_of(dynamodb.export_table_to_point_in_time, **{**request, "ExportFormat": "DYNAMODB_JSON"})
    assert code == "ExportConflictException"
    done = exported(dynamodb, started["ExportArn"])
    assert (done["ExportStatus"], done["ExportFormat"], done["ItemCount"]) == ("COMPLETED", "ION", 1)
    read = lambda key: s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    summary = json.loads(read(done["ExportManifest"]))
    assert summary["outputFormat"] == "ION"
    [file] = [json.loads(line) for line in read(summary["manifestFilesS3Key"]).splitlines()]
    assert file["dataFileS3Key"].endswith(".ion.gz")
    text = gzip.decompress(read(file["dataFileS3Key"])).decode()
    assert text == (
        '$ion_1_0 {Item:{Authors:$dynamodb_SS::["Author1","Author2"],PageCount:6d2,Text:"quotes \\" and\\nlines",'
        "'a b':{l:[null,5d-1,{{aGk=}}]},n:103.,pk:\"333-3333333333\"}}\n"
    )

    s3.put_object(Bucket=bucket, Key="in/one.ion", Body=text + "{Item:{pk:symbol}}\n{Item:{n:1}}\n{Item:{pk:'''x''',n:2}} // x")
    keys = [("pk", "S"), ("n", "N")]
    done = imported(dynamodb, bucket, "again", keys, InputFormat="ION")
    assert (done["ImportStatus"], done["InputFormat"], done["InputCompressionType"]) == ("COMPLETED", "ION", "NONE")
    assert (done["ProcessedItemCount"], done["ImportedItemCount"], done["ErrorCount"]) == (4, 2, 2)
    assert dynamodb.get_item(TableName="again", Key={"pk": book["pk"], "n": book["n"]})["Item"] == book


def test_zstandard_is_unpacked(boto):
    dynamodb, s3 = boto("dynamodb"), boto("s3", s3={"addressing_style": "path"})
    bucket = "packed-" + boto("sts").get_caller_identity()["Account"]
    s3.create_bucket(Bucket=bucket)

    def frame(text):
        """One segment with one block that is not compressed."""
        head = b"\x28\xb5\x2f\xfd" + bytes([0x20, len(text)])
        return head + (1 | len(text) << 3).to_bytes(3, "little") + text

    body = frame(b'{"Item":{"pk":{"S":"a"}}}\n') + frame(b'{"Item":{"pk":{"S":"b"}}}\n')
    s3.put_object(Bucket=bucket, Key="in/one.zst", Body=body)
    options = {"InputFormat": "DYNAMODB_JSON", "InputCompressionType": "ZSTD"}
    done = imported(dynamodb, bucket, "unpacked", [("pk", "S")], **options)
    assert (done["ImportStatus"], done["InputCompressionType"], done["ImportedItemCount"]) == ("COMPLETED", "ZSTD", 2), done
    s3.put_object(Bucket=bucket, Key="in/two.zst", Body=body[:-5])
    done = imported(dynamodb, bucket, "broken", [("pk", "S")], **options)
    assert (done["ImportStatus"], done["FailureCode"]) == ("FAILED", "ValidationError")


def test_an_export_to_nowhere_fails(boto):
    dynamodb = boto("dynamodb")
    table = make(dynamodb, "lost")
    switch_on(dynamodb, "lost")
    arn = dynamodb.export_table_to_point_in_time(TableArn=table, S3Bucket="no-such-bucket-here")["ExportDescription"]["ExportArn"]
    done = exported(dynamodb, arn)
    assert (done["ExportStatus"], done["FailureCode"]) == ("FAILED", "S3NoSuchBucket")


def test_what_changed_is_exported(start, advance):
    cloud = start()
    dynamodb, s3 = cloud.client("dynamodb"), cloud.client("s3", s3={"addressing_style": "path"})
    table = make(dynamodb, "moving")
    s3.create_bucket(Bucket="changes")
    switch_on(dynamodb, "moving")
    fill(dynamodb, "moving", 3)
    advance(cloud, 60)
    pitr = dynamodb.describe_continuous_backups(TableName="moving")["ContinuousBackupsDescription"]
    begin = int(pitr["PointInTimeRecoveryDescription"]["LatestRestorableDateTime"].timestamp())
    advance(cloud, 60)
    dynamodb.put_item(TableName="moving", Item={"pk": {"S": "p0"}, "n": {"N": "0"}, "new": {"BOOL": True}})
    dynamodb.delete_item(TableName="moving", Key={"pk": {"S": "p1"}, "n": {"N": "1"}})
    advance(cloud, 3600)
    arn = dynamodb.export_table_to_point_in_time(
        TableArn=table,
        S3Bucket="changes",
        ExportType="INCREMENTAL_EXPORT",
        IncrementalExportSpecification={"ExportFromTime": begin, "ExportToTime": begin + 1800},
    )["ExportDescription"]["ExportArn"]
    done = exported(dynamodb, arn)
    assert (done["ExportStatus"], done["ItemCount"]) == ("COMPLETED", 2), done
    data = s3.list_objects_v2(Bucket="changes", Prefix="AWSDynamoDB/data/")["Contents"][0]["Key"]
    body = s3.get_object(Bucket="changes", Key=data)["Body"].read()
    lines = {line["Keys"]["n"]["N"]: line for line in map(json.loads, gzip.decompress(body).splitlines())}
    assert lines["0"]["NewImage"]["new"] == {"BOOL": True} and "new" not in lines["0"]["OldImage"]
    assert "NewImage" not in lines["1"] and lines["1"]["OldImage"]["n"] == {"N": "1"}
