"""What browsers ask S3: CORS, forms, websites."""

import base64
import datetime
import hashlib
import hmac
import json
import re

import pytest
import requests

from conftest import error_of


@pytest.fixture
def s3(boto):
    return boto("s3")


@pytest.fixture
def bucket(s3, account):
    name = f"web-{account}"
    s3.create_bucket(Bucket=name)
    return name


def public(s3, bucket):
    s3.delete_public_access_block(Bucket=bucket)
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))


# CORS


def preflight(cloud, bucket, origin, method, headers=None, key="/k"):
    asked = {"Origin": origin, "Access-Control-Request-Method": method}
    if headers:
        asked["Access-Control-Request-Headers"] = headers
    return requests.options(f"{cloud.endpoint}/{bucket}{key}", headers=asked)


def test_cors(s3, cloud, bucket):
    assert error_of(s3.get_bucket_cors, Bucket=bucket)[0] == "NoSuchCORSConfiguration"
    answer = preflight(cloud, bucket, "https://a.com", "GET")
    assert answer.status_code == 403 and "CORSResponse: CORS is not enabled for this bucket." in answer.text
    rules = [
        {"AllowedOrigins": ["https://*.a.com"], "AllowedMethods": ["GET", "PUT"], "AllowedHeaders": ["x-amz-*"],
         "ExposeHeaders": ["ETag"], "MaxAgeSeconds": 60},
        {"AllowedOrigins": ["*"], "AllowedMethods": ["HEAD"]},
    ]
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": rules})
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"] == rules
    answer = preflight(cloud, bucket, "https://x.a.com", "PUT", "X-Amz-Date")
    assert answer.status_code == 200 and answer.headers["access-control-allow-origin"] == "https://x.a.com"
    assert answer.headers["access-control-allow-methods"] == "GET, PUT"
    assert answer.headers["access-control-allow-headers"] == "x-amz-date"
    assert answer.headers["access-control-max-age"] == "60"
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert preflight(cloud, bucket, "https://x.a.com", "DELETE").status_code == 403
    assert preflight(cloud, bucket, "https://b.com", "GET").status_code == 403
    assert preflight(cloud, bucket, "https://x.a.com", "GET", "content-type").status_code == 403
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    answer = requests.get(url, headers={"Origin": "https://x.a.com"})
    assert answer.headers["access-control-allow-origin"] == "https://x.a.com"
    assert answer.headers["access-control-expose-headers"] == "ETag"
    assert "access-control-allow-origin" not in requests.get(url, headers={"Origin": "https://b.com"}).headers
    denied = requests.get(f"{cloud.endpoint}/{bucket}/k", headers={"Origin": "https://x.a.com"})
    assert denied.status_code == 403 and denied.headers["access-control-allow-origin"] == "https://x.a.com"
    answer = requests.head(f"{cloud.endpoint}/{bucket}/k", headers={"Origin": "null"})
    assert answer.headers["access-control-allow-origin"] == "*"
    s3.delete_bucket_cors(Bucket=bucket)
    assert preflight(cloud, bucket, "https://x.a.com", "PUT").status_code == 403


# Forms


def test_presigned_posts(s3, cloud, bucket):
    fields = {"acl": "bucket-owner-full-control", "x-amz-meta-a": "b", "Content-Type": "text/plain"}
    conditions = [{"acl": "bucket-owner-full-control"}, {"x-amz-meta-a": "b"}, ["starts-with", "$Content-Type", "text/"],
                  ["content-length-range", 2, 100_000]]
    post = s3.generate_presigned_post(bucket, "up/${filename}", Fields=fields, Conditions=conditions)
    answer = requests.post(post["url"], data=post["fields"], files={"file": ("ä.txt", b"hello")})
    assert answer.status_code == 204, answer.text
    assert answer.headers["location"].startswith(cloud.endpoint)
    got = s3.get_object(Bucket=bucket, Key="up/ä.txt")
    assert got["Body"].read() == b"hello" and got["Metadata"] == {"a": "b"} and got["ContentType"] == "text/plain"
    assert answer.headers["etag"] == got["ETag"]
    big = b"x" * 90_000
    assert requests.post(post["url"], data=post["fields"], files={"file": ("big", big)}).status_code == 204
    assert s3.get_object(Bucket=bucket, Key="up/big")["Body"].read() == big
    for data, code in ((b"x", "EntityTooSmall"), (b"x" * 200_000, "EntityTooLarge")):
        answer = requests.post(post["url"], data=post["fields"], files={"file": ("a", data)})
        assert answer.status_code == 400 and f"<Code>{code}</Code>" in answer.text
    answer = requests.post(post["url"], data={**post["fields"], "x-amz-meta-a": "c"}, files={"file": ("a", b"hello")})
    assert answer.status_code == 403 and 'Policy Condition failed: ["eq", "$x-amz-meta-a", "b"]' in answer.text.replace("&quot;", '"')
    answer = requests.post(post["url"], data={**post["fields"], "x-other": "c"}, files={"file": ("a", b"hello")})
    assert "Extra input fields: x-other" in answer.text
    answer = requests.post(post["url"], data=post["fields"])
    assert answer.status_code in (400, 405, 412)
    answer = requests.post(post["url"], files={"file": ("a", b"hello")})
    assert "Bucket POST must contain a field named" in answer.text


def sign_form(key, secret, policy):
    document = base64.b64encode(json.dumps(policy).encode()).decode()
    signature = base64.b64encode(hmac.new(secret.encode(), document.encode(), hashlib.sha1).digest()).decode()
    return {"AWSAccessKeyId": key, "policy": document, "signature": signature}


def test_signatures_of_forms(boto, s3, cloud, bucket):
    iam = boto("iam")
    iam.create_user(UserName="poster")
    key = iam.create_access_key(UserName="poster")["AccessKey"]
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/own/*"}]}
    iam.put_user_policy(UserName="poster", PolicyName="p", PolicyDocument=json.dumps(document))
    later = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    policy = {"expiration": later, "conditions": [{"bucket": bucket}, ["starts-with", "$key", ""], ["starts-with", "$success_action_status", ""]]}
    url = f"{cloud.endpoint}/{bucket}"
    signed = sign_form(key["AccessKeyId"], key["SecretAccessKey"], policy)
    fields = {"key": "own/a&b", "success_action_status": "201", **signed}
    answer = requests.post(url, data=fields, files={"file": b"1"})
    assert answer.status_code == 201 and "<Key>own/a&amp;b</Key>" in answer.text and f"<Bucket>{bucket}</Bucket>" in answer.text
    assert requests.post(url, data={**fields, "key": "other"}, files={"file": b"1"}).status_code == 403
    answer = requests.post(url, data={**fields, "signature": "x"}, files={"file": b"1"})
    assert answer.status_code == 403 and "SignatureDoesNotMatch" in answer.text
    past = sign_form(key["AccessKeyId"], key["SecretAccessKey"], {**policy, "expiration": "2020-01-01T00:00:00Z"})
    answer = requests.post(url, data={**fields, **past}, files={"file": b"1"})
    assert answer.status_code == 403 and "Policy expired." in answer.text
    broken = sign_form(key["AccessKeyId"], key["SecretAccessKey"], {"conditions": []})
    answer = requests.post(url, data={**fields, **broken}, files={"file": b"1"})
    assert answer.status_code == 400 and "InvalidPolicyDocument" in answer.text
    assert requests.post(url, data={"key": "anonymous"}, files={"file": b"1"}).status_code == 403
    v4 = cloud.client("s3", key=key["AccessKeyId"], secret=key["SecretAccessKey"], signature_version="s3v4")
    post = v4.generate_presigned_post(bucket, "own/v4", Fields={"success_action_redirect": "http://x.y/?a=b"},
                                      Conditions=[{"success_action_redirect": "http://x.y/?a=b"}])
    answer = requests.post(post["url"], data=post["fields"], files={"file": b"1"}, allow_redirects=False)
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"].startswith(f"http://x.y/?a=b&bucket={bucket}&key=own%2Fv4&etag=%22")
    post["fields"]["x-amz-signature"] = "0" * 64
    assert "SignatureDoesNotMatch" in requests.post(post["url"], data=post["fields"], files={"file": b"1"}).text


# Websites


def site(cloud, bucket, path, **options):
    host = f"{bucket}.s3-website-us-east-1.amazonaws.com"
    options.setdefault("allow_redirects", False)
    return requests.request(options.pop("method", "GET"), cloud.endpoint + path, headers={"Host": host, **options.pop("headers", {})}, **options)


def test_website(s3, cloud, bucket):
    answer = site(cloud, bucket, "/")
    assert answer.status_code == 404 and "<li>Code: NoSuchWebsiteConfiguration</li>" in answer.text
    assert "<li>Code: NoSuchBucket</li>" in site(cloud, "nobodys-bucket", "/").text
    rules = [
        {"Condition": {"KeyPrefixEquals": "old/"}, "Redirect": {"ReplaceKeyPrefixWith": "new/"}},
        {"Condition": {"KeyPrefixEquals": "lost/", "HttpErrorCodeReturnedEquals": "404"},
         "Redirect": {"HostName": "e.com", "ReplaceKeyWith": "found", "HttpRedirectCode": "302", "Protocol": "https"}},
    ]
    configuration = {"IndexDocument": {"Suffix": "index.html"}, "ErrorDocument": {"Key": "error.html"}, "RoutingRules": rules}
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration=configuration)
    answer = s3.get_bucket_website(Bucket=bucket)
    assert {k: answer[k] for k in configuration} == configuration
    assert site(cloud, bucket, "/").status_code == 403
    public(s3, bucket)
    s3.put_object(Bucket=bucket, Key="index.html", Body=b"<h1>hi</h1>", ContentType="text/html")
    s3.put_object(Bucket=bucket, Key="docs/index.html", Body=b"docs")
    s3.put_object(Bucket=bucket, Key="moved", Body=b"", WebsiteRedirectLocation="/docs/")
    answer = site(cloud, bucket, "/")
    assert answer.status_code == 200 and answer.text == "<h1>hi</h1>" and answer.headers["content-type"] == "text/html"
    assert site(cloud, bucket, "/docs/").text == "docs"
    answer = site(cloud, bucket, "/docs")
    assert answer.status_code == 302 and answer.headers["location"] == "/docs/"
    answer = site(cloud, bucket, "/moved")
    assert answer.status_code == 301 and answer.headers["location"] == "/docs/"
    answer = site(cloud, bucket, "/old/a")
    assert answer.status_code == 301 and re.fullmatch(r"http://.*/new/a", answer.headers["location"])
    answer = site(cloud, bucket, "/none")
    assert answer.status_code == 403 and "An Error Occurred While Attempting to Retrieve a Custom Error Document" in answer.text
    s3.put_object(Bucket=bucket, Key="error.html", Body=b"oh no", ContentType="text/html")
    answer = site(cloud, bucket, "/none")
    assert answer.status_code == 403 and answer.text == "oh no" and answer.headers["x-amz-error-code"] == "AccessDenied"
    head = site(cloud, bucket, "/", method="HEAD")
    assert head.status_code == 200 and head.text == "" and head.headers["content-length"] == "11"
    assert site(cloud, bucket, "/", method="POST").status_code == 405
    etag = site(cloud, bucket, "/").headers["etag"]
    assert site(cloud, bucket, "/", headers={"If-None-Match": etag}).status_code == 304
    assert site(cloud, bucket, "/", headers={"Range": "bytes=1-2"}).text == "h1"
    everything = {"RedirectAllRequestsTo": {"HostName": "example.com", "Protocol": "https"}}
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration=everything)
    answer = site(cloud, bucket, "/a?b=c")
    assert answer.status_code == 301 and answer.headers["location"] == "https://example.com/a?b=c"
    s3.delete_bucket_website(Bucket=bucket)
    assert error_of(s3.get_bucket_website, Bucket=bucket)[0] == "NoSuchWebsiteConfiguration"
