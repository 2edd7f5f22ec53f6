"""Signed requests to S3 as they are, so that no client refuses, completes or reorders them."""

import http.client
import re
import urllib.parse

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body
        self.text = body.decode(errors="replace")

    @property
    def error(self):
        return self.status, self.member("Code"), self.member("Message")

    def member(self, name):
        found = re.search(f"<{name}>([^<]*)</{name}>", self.text)
        return found and found[1]

    def elements(self, parent):
        """The names of the elements directly within the first element of a name."""
        import xml.etree.ElementTree as tree

        root = tree.fromstring(self.body)
        strip = lambda tag: tag.rsplit("}", 1)[-1]
        where = next(element for element in root.iter() if strip(element.tag) == parent)
        return [strip(element.tag) for element in where]


def asker(cloud, account):
    def ask(method, path, body=b"", signed=True, **headers):
        body = body.encode() if isinstance(body, str) else body
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        # A list is sent as so many headers of one name.
        several = {name: values for name, values in headers.items() if isinstance(values, list)}
        headers.update({name: ",".join(values) for name, values in several.items()})
        request = AWSRequest(method, cloud.endpoint + path, data=body, headers=headers)
        if signed:
            S3SigV4Auth(Credentials(account, "test"), "s3", "us-east-1").add_auth(request)
        address = urllib.parse.urlsplit(cloud.endpoint)
        connection = http.client.HTTPConnection(address.hostname, address.port)
        connection.putrequest(method, path, skip_accept_encoding=True)
        sent = dict(request.prepare().headers)
        if "Content-Length" not in sent and (body or method in ("PUT", "POST")):
            sent["Content-Length"] = str(len(body))
        for name, value in sent.items():
            for value in several.get(name, [value]):
                connection.putheader(name, value.encode() if isinstance(value, str) else value)
        connection.endheaders(body)
        answer = connection.getresponse()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())

    return ask
