"""Client certificates: how an endpoint knows that it is the API that calls."""

import http.server
import ssl
import subprocess
import threading

import pytest

from conftest import error_of
from test_apigateway_stages import add_method, rest_api, send


@pytest.fixture
def asking(tmp_path):
    """An HTTPS endpoint that tells who its client is, and takes only those whose certificates it was given."""
    certificate, key = tmp_path / "server.pem", tmp_path / "server.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "2",
         "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    servers = []

    def make(trusted):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                subject = dict(pair[0] for pair in self.connection.getpeercert()["subject"])
                body = subject["commonName"].encode()
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        context.load_verify_locations(cadata=trusted)
        context.verify_mode = ssl.CERT_REQUIRED
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"https://localhost:{server.server_port}"

    yield make
    for server in servers:
        server.shutdown()


def test_endpoints_see_the_stages_certificate(cloud, boto, asking):
    gateway = boto("apigateway")
    made = gateway.generate_client_certificate(description="for the stage", tags={"a": "b"})
    identifier = made["clientCertificateId"]
    assert made["pemEncodedCertificate"].startswith("-----BEGIN CERTIFICATE-----")
    assert (made["expirationDate"] - made["createdDate"]).days == 365 and made["tags"] == {"a": "b"}
    api, root = rest_api(gateway)
    add_method(gateway, api, root, uri=asking(made["pemEncodedCertificate"]), integration={"tlsConfig": {"insecureSkipVerification": True}})
    tested = gateway.test_invoke_method(restApiId=api, resourceId=root, httpMethod="GET", clientCertificateId=identifier)
    assert (tested["status"], tested["body"]) == (200, "ApiGateway")
    gateway.create_deployment(restApiId=api, stageName="v1")
    assert send(cloud, api, "/v1").status_code == 504
    change = [{"op": "replace", "path": "/clientCertificateId", "value": identifier}]
    assert gateway.update_stage(restApiId=api, stageName="v1", patchOperations=change)["clientCertificateId"] == identifier
    reply = send(cloud, api, "/v1")
    assert (reply.status_code, reply.text) == (200, "ApiGateway")

    nothing = [{"op": "replace", "path": "/clientCertificateId", "value": "nope"}]
    assert error_of(gateway.update_stage, restApiId=api, stageName="v1", patchOperations=nothing)[0] == "NotFoundException"
    assert error_of(gateway.delete_client_certificate, clientCertificateId=identifier)[0] == "BadRequestException"
    gateway.update_stage(restApiId=api, stageName="v1", patchOperations=[{"op": "replace", "path": "/clientCertificateId", "value": ""}])
    assert send(cloud, api, "/v1").status_code == 504
    gateway.delete_client_certificate(clientCertificateId=identifier)
    assert error_of(gateway.get_client_certificate, clientCertificateId=identifier)[::2] == ("NotFoundException", 404)


def test_servers_must_be_vouched_for(cloud, boto, asking):
    gateway = boto("apigateway")
    made = gateway.generate_client_certificate()
    api, root = rest_api(gateway)
    add_method(gateway, api, root, uri=asking(made["pemEncodedCertificate"]))
    gateway.create_deployment(restApiId=api, stageName="v1")
    gateway.update_stage(restApiId=api, stageName="v1", patchOperations=[
        {"op": "replace", "path": "/clientCertificateId", "value": made["clientCertificateId"]}])
    assert send(cloud, api, "/v1").status_code == 504


def test_certificates_are_listed_and_described(boto):
    gateway = boto("apigateway")
    made = [gateway.generate_client_certificate()["clientCertificateId"] for _ in range(3)]
    pages = [page["items"] for page in gateway.get_paginator("get_client_certificates").paginate(PaginationConfig={"PageSize": 2})]
    assert [len(page) for page in pages] == [2, 1]
    assert {item["clientCertificateId"] for page in pages for item in page} == set(made)
    changed = gateway.update_client_certificate(
        clientCertificateId=made[0], patchOperations=[{"op": "replace", "path": "/description", "value": "x"}])
    assert changed["description"] == "x"
    code, message, _ = error_of(
        gateway.update_client_certificate, clientCertificateId=made[0],
        patchOperations=[{"op": "add", "path": "/description", "value": "x"}])
    assert (code, message) == (
        "BadRequestException", "Invalid patch path  '/description' specified for op 'add'. Please choose supported operations")
    arn = f"arn:aws:apigateway:us-east-1::/clientcertificates/{made[0]}"
    gateway.tag_resource(resourceArn=arn, tags={"k": "v"})
    assert gateway.get_tags(resourceArn=arn)["tags"] == {"k": "v"}
