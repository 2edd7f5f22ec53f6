"""Keys that only clients have, checksums of all algorithms, and bodies that are not what they say they are."""

import base64
import hashlib
import os

import pytest
import requests
from botocore.awsrequest import AWSRequest
from botocore.auth import S3SigV4Auth
from botocore.credentials import Credentials

from conftest import error_of

PART = 5 * 1024 * 1024
KEY = os.urandom(32)
SSEC = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": KEY}
SOURCE = {"CopySourceSSECustomerAlgorithm": "AES256", "CopySourceSSECustomerKey": KEY}


@pytest.fixture
def s3(boto):
    return boto("s3", secure=True)


@pytest.fixture
def bucket(s3, account):
    name = f"sum-{account}"
    s3.create_bucket(Bucket=name)
    return name


def raw(cloud, account, method, path, body=b"", **headers):
    request = AWSRequest(method, cloud.endpoint + path, data=body, headers=headers)
    S3SigV4Auth(Credentials(account, "x"), "s3", "us-east-1").add_auth(request)
    # Of an unknown key the signature is not verified, so that headers can say what a signer would not.
    if "x-amz-content-sha256" in headers:
        request.headers.replace_header("X-Amz-Content-SHA256", headers["x-amz-content-sha256"])
    return requests.request(method, request.url, data=body, headers=dict(request.headers))


@pytest.mark.parametrize("size", [0, 1, 70_000, 1_000_000])
def test_customer_keys(s3, bucket, size):
    data = os.urandom(size)
    put = s3.put_object(Bucket=bucket, Key="k", Body=data, **SSEC)
    assert put["SSECustomerAlgorithm"] == "AES256" and "ServerSideEncryption" not in put
    assert put["ETag"].strip('"') != hashlib.md5(data).hexdigest()
    assert s3.get_object(Bucket=bucket, Key="k", **SSEC)["Body"].read() == data
    assert s3.head_object(Bucket=bucket, Key="k", **SSEC)["ETag"] == put["ETag"]
    assert error_of(s3.get_object, Bucket=bucket, Key="k")[::2] == ("InvalidRequest", 400)
    assert error_of(s3.head_object, Bucket=bucket, Key="k")[2] == 400
    other = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": os.urandom(32)}
    assert error_of(s3.get_object, Bucket=bucket, Key="k", **other)[::2] == ("AccessDenied", 403)
    if size:
        for first, last in ((0, 0), (17, 33), (size - 1, size - 1), (65_530, 65_550)):
            if last < size:
                got = s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={first}-{last}", **SSEC)
                assert got["Body"].read() == data[first:last + 1]
    s3.copy_object(Bucket=bucket, Key="open", CopySource=f"{bucket}/k", **SOURCE)
    assert s3.get_object(Bucket=bucket, Key="open")["Body"].read() == data
    s3.copy_object(Bucket=bucket, Key="again", CopySource=f"{bucket}/open", **other)
    assert s3.get_object(Bucket=bucket, Key="again", **other)["Body"].read() == data
    assert error_of(s3.copy_object, Bucket=bucket, Key="x", CopySource=f"{bucket}/k")[0] == "InvalidRequest"
    assert error_of(s3.get_object, Bucket=bucket, Key="open", **SSEC)[0] == "InvalidRequest"
    wrong = {"SSECustomerAlgorithm": "AES128", "SSECustomerKey": KEY}
    assert error_of(s3.put_object, Bucket=bucket, Key="k", Body=b"", **wrong)[0] == "InvalidEncryptionAlgorithmError"


def test_what_is_stored_is_encrypted(start):
    cloud = start()
    s3 = cloud.client("s3", secure=True)
    s3.create_bucket(Bucket="bucket")
    secret = b"SECRET-0123456789" * 20_000
    s3.put_object(Bucket="bucket", Key="large", Body=secret, **SSEC)
    s3.put_object(Bucket="bucket", Key="small", Body=secret[:1000], **SSEC)
    s3.put_object(Bucket="bucket", Key="open", Body=b"OPENLY-" * 100)
    cloud.stop()
    stored = b""
    for folder, _, files in os.walk(cloud.state):
        stored += b"".join(open(os.path.join(folder, name), "rb").read() for name in files)
    assert b"OPENLY-OPENLY-" in stored and b"SECRET-0123456789" not in stored
    assert base64.b64encode(KEY) not in stored and KEY not in stored


def test_customer_keys_of_parts(s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="m", **SSEC)["UploadId"]
    which = {"Bucket": bucket, "Key": "m", "UploadId": upload}
    data = [os.urandom(PART), os.urandom(100_000)]
    assert error_of(s3.upload_part, PartNumber=1, Body=b"x", **which)[0] == "InvalidRequest"
    parts = [{"PartNumber": n, "ETag": s3.upload_part(PartNumber=n, Body=body, **which, **SSEC)["ETag"]} for n, body in enumerate(data, 1)]
    s3.complete_multipart_upload(**which, MultipartUpload={"Parts": parts}, **SSEC)
    assert s3.get_object(Bucket=bucket, Key="m", **SSEC)["Body"].read() == b"".join(data)
    got = s3.get_object(Bucket=bucket, Key="m", Range=f"bytes={PART - 3}-{PART + 20}", **SSEC)
    assert got["Body"].read() == b"".join(data)[PART - 3:PART + 21]


KNOWN = {"SHA512": hashlib.sha512, "MD5": hashlib.md5, "SHA256": hashlib.sha256, "SHA1": hashlib.sha1}


@pytest.mark.parametrize("name", KNOWN)
def test_checksums_in_headers(cloud, s3, account, bucket, name):
    value = base64.b64encode(KNOWN[name](b"hello").digest()).decode()
    header = f"x-amz-checksum-{name.lower()}"
    answer = raw(cloud, account, "PUT", f"/{bucket}/k", b"hello", **{header: value})
    assert answer.status_code == 200 and answer.headers[header] == value, answer.text
    answer = raw(cloud, account, "HEAD", f"/{bucket}/k", **{"x-amz-checksum-mode": "ENABLED"})
    assert answer.headers[header] == value and answer.headers["x-amz-checksum-type"] == "FULL_OBJECT"
    answer = raw(cloud, account, "PUT", f"/{bucket}/k", b"HELLO", **{header: value})
    assert answer.status_code == 400 and "<Code>BadDigest</Code>" in answer.text


@pytest.mark.parametrize("name", ["xxhash64", "xxhash3", "xxhash128", "sha512", "crc32"])
def test_checksums_behind_bodies(cloud, s3, account, bucket, name):
    known = {"xxhash64": "JseCfYifbaM=", "xxhash3": "lVXoVVxi3P0=", "xxhash128": "tenBrQcbPn/Hec+qXlI4GA==",
             "sha512": base64.b64encode(hashlib.sha512(b"hello").digest()).decode(), "crc32": "NhCmhg=="}[name]
    headers = {"x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "x-amz-decoded-content-length": "5",
               "content-encoding": "aws-chunked", "x-amz-trailer": f"x-amz-checksum-{name}"}
    body = f"5\r\nhello\r\n0\r\nx-amz-checksum-{name}:{known}\r\n\r\n".encode()
    answer = raw(cloud, account, "PUT", f"/{bucket}/k", body, **headers)
    assert answer.status_code == 200 and answer.headers[f"x-amz-checksum-{name}"] == known, (answer.text, answer.headers)
    assert "content-encoding" not in raw(cloud, account, "HEAD", f"/{bucket}/k").headers
    answer = raw(cloud, account, "PUT", f"/{bucket}/k", body.replace(b"hello", b"HELLO"), **headers)
    assert answer.status_code == 400 and "BadDigest" in answer.text


def test_bodies_of_xml(cloud, s3, account, bucket):
    body = b"<Delete><Object><Key>k</Key></Object></Delete>"
    path = f"/{bucket}?delete="
    answer = raw(cloud, account, "POST", path, body)
    assert answer.status_code == 400 and "Missing required header for this request: Content-MD5 OR x-amz-checksum-*" in answer.text
    digest = base64.b64encode(hashlib.md5(body).digest()).decode()
    assert raw(cloud, account, "POST", path, body, **{"content-md5": digest}).status_code == 200
    other = base64.b64encode(hashlib.md5(b"").digest()).decode()
    answer = raw(cloud, account, "POST", path, body, **{"content-md5": other})
    assert answer.status_code == 400 and "<Code>BadDigest</Code>" in answer.text
    answer = raw(cloud, account, "POST", path, body, **{"content-md5": "x"})
    assert answer.status_code == 400 and "<Code>InvalidDigest</Code>" in answer.text
    answer = raw(cloud, account, "POST", path, body, **{"x-amz-checksum-crc32": "AAAAAA=="})
    assert answer.status_code == 400 and "<Code>BadDigest</Code>" in answer.text


def peak(cloud):
    with open(f"/proc/{cloud.process.pid}/status") as status:
        return next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmHWM"))


def test_a_large_object_takes_little_memory(start):
    cloud = start()
    s3 = cloud.client("s3", key="111122223333")
    s3.create_bucket(Bucket="large")
    before, size, piece = peak(cloud), 400, os.urandom(1024 * 1024)

    class Pieces:
        def __init__(self):
            self.left = size

        def __len__(self):
            return size * len(piece)

        def __iter__(self):
            while self.left:
                self.left -= 1
                yield piece

    url = s3.generate_presigned_url("put_object", Params={"Bucket": "large", "Key": "k"})
    assert requests.put(url, data=Pieces(), headers={"Content-Length": str(size * len(piece))}).status_code == 200
    url = s3.generate_presigned_url("get_object", Params={"Bucket": "large", "Key": "k"})
    with requests.get(url, stream=True) as answer:
        read = sum(len(chunk) for chunk in answer.iter_content(1024 * 1024))
    assert read == size * len(piece)
    assert peak(cloud) - before < 100, "MiB more than before"


def test_completing_again_changes_nothing(s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="m")["UploadId"]
    which = {"Bucket": bucket, "Key": "m", "UploadId": upload}
    etag = s3.upload_part(PartNumber=1, Body=b"x", **which)["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    first = s3.complete_multipart_upload(MultipartUpload=parts, **which)
    assert s3.complete_multipart_upload(MultipartUpload=parts, **which)["ETag"] == first["ETag"]
    s3.delete_object(Bucket=bucket, Key="m")
    assert error_of(s3.complete_multipart_upload, MultipartUpload=parts, **which)[0] == "NoSuchUpload"


def test_other_regions(cloud, s3, account, bucket):
    request = AWSRequest("GET", f"{cloud.endpoint}/{bucket}")
    S3SigV4Auth(Credentials(account, "x"), "s3", "eu-west-1").add_auth(request)
    answer = requests.get(request.url, headers=dict(request.headers), allow_redirects=False)
    assert answer.status_code == 301 and "<Code>PermanentRedirect</Code>" in answer.text
    assert answer.headers["x-amz-bucket-region"] == "us-east-1"


def test_bodies_are_on_the_disk_before_the_answer(start):
    cloud = start("--durability", "sync")
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="safe")
    bodies = {str(size): bytes([size % 251]) * size for size in (10, 60_000, 300_000, 3_000_000)}
    for key, body in bodies.items():
        s3.put_object(Bucket="safe", Key=key, Body=body)
        s3.copy_object(Bucket="safe", Key=f"copy-{key}", CopySource=f"safe/{key}")
    cloud.kill()
    cloud.restart()
    s3 = cloud.client("s3")
    for key, body in bodies.items():
        assert s3.get_object(Bucket="safe", Key=key)["Body"].read() == body
        assert s3.get_object(Bucket="safe", Key=f"copy-{key}")["Body"].read() == body
