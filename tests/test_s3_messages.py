"""What S3 says of bad requests, word for word. The requests are raw, so that no client refuses them first."""

import base64
import hashlib
import json
import re

import pytest
import requests
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from conftest import error_of

BUCKET = "messages"


@pytest.fixture(scope="module")
def ask(cloud):
    account = "123400000001"

    def call(method, path, body="", **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        request = AWSRequest(method, cloud.endpoint + path, data=body.encode(), headers=headers)
        S3SigV4Auth(Credentials(account, "test"), "s3", "us-east-1").add_auth(request)
        prepared = request.prepare()
        answer = requests.request(method, prepared.url, data=body.encode(), headers=dict(prepared.headers))
        members = dict(re.findall(r"<(\w+)>([^<]*)</", answer.text))
        return answer.status_code, members.get("Code"), members.get("Message"), members

    assert call("PUT", f"/{BUCKET}")[0] == 200
    assert call("PUT", f"/{BUCKET}/key", "body")[0] == 200
    return call


def md5(text):
    return base64.b64encode(hashlib.md5(text.encode()).digest()).decode()


PART = "<CompleteMultipartUpload><Part>{}</Part></CompleteMultipartUpload>"
SCHEMA = "The XML you provided was not well-formed or did not validate against our published schema"
CASES = [
    ("PUT", "/a.-b", {}, 400, "InvalidBucketName", "The specified bucket is not valid."),
    ("PUT", "/a-.b", {}, 400, "InvalidBucketName", "The specified bucket is not valid."),
    ("POST", f"/{BUCKET}", {}, 412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold"),
    ("PUT", f"/{BUCKET}/a%FFb", {}, 400, "InvalidURI", "Couldn't parse the specified URI."),
    ("GET", f"/{BUCKET}/key", {"x-amz-server-side-encryption": "aws:kms"}, 400, "InvalidArgument", "x-amz-server-side-encryption header is not supported for this operation."),
    ("PUT", f"/{BUCKET}/key", {"x-amz-copy-source": f"{BUCKET}/key?part=1"}, 400, "InvalidArgument", "Unsupported copy source parameter."),
    ("PUT", f"/{BUCKET}/key", {"x-amz-website-redirect-location": "/" + "x" * 2048}, 400, "InvalidRedirectLocation", "The length of website redirect location cannot exceed 2,048 characters."),
    ("GET", f"/{BUCKET}?max-keys=99999999999", {}, 400, "InvalidArgument", "Provided max-keys not an integer or within integer range"),
    ("GET", "/?max-buckets=0", {}, 400, "InvalidArgument", "Argument max-buckets must be an integer between 1 and 10000"),
    ("PUT", f"/{BUCKET}?policy", {}, 400, "MalformedPolicy", "Policies must be valid JSON and the first byte must be '{'"),
]  # fmt: skip


@pytest.mark.parametrize("method, path, headers, status, code, message", CASES, ids=range(len(CASES)))
def test_what_is_wrong_is_said(ask, method, path, headers, status, code, message):
    assert ask(method, path, **headers)[:3] == (status, code, message)


def test_posts_need_a_form(ask):
    members = ask("POST", f"/{BUCKET}")[3]
    assert members["Condition"] == "Bucket POST must be of the enclosure-type multipart/form-data"


def test_parts(ask):
    started = ask("POST", f"/{BUCKET}/parts?uploads")[3]["UploadId"]
    place = f"/{BUCKET}/parts?uploadId={started}"
    for part in ("<PartNumber>1</PartNumber>", "<ETag>x</ETag>"):
        assert ask("POST", place, PART.format(part))[:3] == (400, "MalformedXML", SCHEMA)
    marker = "Argument part-number-marker must be an integer between 0 and 2147483647"
    assert ask("GET", place + "&part-number-marker=-1")[:3] == (400, "InvalidArgument", marker)


def test_an_empty_type_is_none(ask, cloud):
    assert ask("PUT", f"/{BUCKET}/untyped", "x", **{"content-type": ""})[0] == 200
    head = cloud.client("s3", key="123400000001").head_object(Bucket=BUCKET, Key="untyped")
    assert head["ContentType"] == "binary/octet-stream"


def test_policies(ask):
    def put(**change):
        statement = {"Effect": "Allow", "Principal": {"AWS": "123400000001"}, "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/*"}
        policy = {"Version": "2012-10-17", "Statement": [{**statement, **change}]}
        return ask("PUT", f"/{BUCKET}?policy", json.dumps(policy))

    assert put()[0] == 204
    for change, message, detail in [
        ({"Action": "s3:Nothing"}, "Policy has invalid action", "s3:Nothing"),
        ({"Resource": "arn:aws:s3:::other/*"}, "Policy has invalid resource", "arn:aws:s3:::other/*"),
        ({"Principal": {"AWS": "nobody"}}, "Invalid principal in policy", "&quot;AWS&quot; : &quot;nobody&quot;"),
        ({"Condition": {"StringEquals": {"s3:Nothing": "x"}}}, "Policy has an invalid condition key", "s3:Nothing"),
        ({"Resource": f"arn:aws:s3:::{BUCKET}"}, "Action does not apply to any resource(s) in statement", None),
        ({"Effect": "allow"}, "Invalid effect: allow", None),
    ]:
        status, code, said, members = put(**change)
        assert (status, code, said, members.get("Detail")) == (400, "MalformedPolicy", message, detail), change


def test_devices_are_asked_for(boto, account):
    s3 = boto("s3")
    s3.create_bucket(Bucket=f"mfa-{account}")
    wanted = {"Status": "Enabled", "MFADelete": "Enabled"}
    error = error_of(s3.put_bucket_versioning, Bucket=f"mfa-{account}", VersioningConfiguration=wanted)
    assert error == ("AccessDenied", "Mfa Authentication must be used for this request", 403)


def test_signatures_that_cannot_be_read(ask, cloud):
    def get(query="", **headers):
        answer = requests.get(f"{cloud.endpoint}/{BUCKET}/key{query}", headers=headers)
        members = dict(re.findall(r"<(\w+)>([^<]*)</", answer.text))
        return answer.status_code, members.get("Code"), members.get("Message")

    code, text = "AuthorizationHeaderMalformed", "The authorization header is malformed; the authorization component &quot;x&quot; is malformed."
    assert get(Authorization="AWS4-HMAC-SHA256 x") == (400, code, text)
    assert get(Authorization="Basic x") == (400, "InvalidArgument", "Unsupported Authorization Type")
    scope = "AKID/20261121/us-east-1/s3/aws4_request"
    whole = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=x"
    assert get(Authorization=whole) == (403, "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header")
    dated = get(**{"Authorization": whole, "x-amz-date": "20261121T000000Z"})
    assert dated == (400, "InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
    query = f"?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={scope}&X-Amz-Date=20261121T000000Z&X-Amz-SignedHeaders=host&X-Amz-Signature=x"
    assert get(query)[:2] == (400, "AuthorizationQueryParametersError")
    assert get(query + "&X-Amz-Expires=-1")[2] == "X-Amz-Expires must be non-negative"
    text = "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters"
    assert get("?AWSAccessKeyId=a&Signature=b") == (403, "AccessDenied", text)


def test_reasons_stay_within_an_account(boto, user, cloud, account):
    boto("s3").create_bucket(Bucket=f"why-{account}")
    mine = user("reader")("s3")
    code, message, status = error_of(mine.list_objects_v2, Bucket=f"why-{account}")
    assert (code, status) == ("AccessDenied", 403)
    assert message == (
        f"User: arn:aws:iam::{account}:user/reader is not authorized to perform: s3:ListBucket on resource: "
        f'"arn:aws:s3:::why-{account}" because no identity-based policy allows the s3:ListBucket action'
    )
    other = cloud.client("s3", key=str(int(account) + 500_000_000_000))
    assert error_of(other.list_objects_v2, Bucket=f"why-{account}") == ("AccessDenied", "Access Denied", 403)


def test_lists_of_access(ask, boto, account):
    s3 = boto("s3")
    s3.create_bucket(Bucket=f"acl-{account}", ObjectOwnership="ObjectWriter")
    s3.put_bucket_acl(Bucket=f"acl-{account}", ACL="log-delivery-write")
    grants = s3.get_bucket_acl(Bucket=f"acl-{account}")["Grants"]
    group = "http://acs.amazonaws.com/groups/s3/LogDelivery"
    assert [grant["Permission"] for grant in grants if grant["Grantee"].get("URI") == group] == ["WRITE", "READ_ACP"]
    wrong = '<AccessControlPolicy><Owner><ID>x</ID></Owner><AccessControlList><Grant><Permission>X</Permission></Grant></AccessControlList></AccessControlPolicy>'
    assert ask("PUT", f"/{BUCKET}?acl", wrong, **{"content-md5": md5(wrong)})[1] == "MalformedACLError"
