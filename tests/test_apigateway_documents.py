"""OpenAPI documents of all kinds of APIs, in and out, and documentation."""

import json

import requests

from conftest import error_of
from test_apigatewayv2 import live, send, site  # noqa: F401: a fixture among them

PETS = """
openapi: 3.0.1
info:
  title: pets
  version: "1.0"
paths:
  /pets/{id}:
    get:
      parameters:
        - {name: id, in: path, required: true, schema: {type: string}}
      responses:
        200:
          description: a pet
          content:
            application/json: {schema: {$ref: '#/components/schemas/Pet'}}
      security:
        - api_key: []
      x-amazon-apigateway-integration:
        type: mock
        requestTemplates: {application/json: '{"statusCode": 200}'}
        responses:
          default:
            statusCode: "200"
            responseTemplates: {application/json: '{"id": "$input.params(''id'')"}'}
components:
  schemas:
    Pet: {type: object, properties: {id: {type: string}}}
  securitySchemes:
    api_key: {type: apiKey, name: x-api-key, in: header}
"""


def test_rest_apis_in_yaml(cloud, boto):
    gateway = boto("apigateway")
    api = gateway.import_rest_api(body=PETS.replace("        - api_key: []\n", "        []\n").encode())["id"]
    gateway.create_deployment(restApiId=api, stageName="v1")
    reply = requests.get(f"{cloud.endpoint}/v1/pets/7", headers={"host": f"{api}.execute-api.localhost"})
    assert (reply.status_code, reply.json()) == (200, {"id": "7"})
    code, message, _ = error_of(gateway.import_rest_api, body=b"openapi: [")
    assert code == "BadRequestException" and message.startswith("Invalid OpenAPI input")


def test_rest_apis_are_exported(boto):
    gateway = boto("apigateway")
    api = gateway.import_rest_api(body=PETS.encode())["id"]
    gateway.create_deployment(restApiId=api, stageName="v1")

    def export(kind, **more):
        return gateway.get_export(restApiId=api, stageName="v1", exportType=kind, **more)

    swagger = export("swagger", parameters={"extensions": "apigateway"})
    assert swagger["contentDisposition"].startswith('attachment; filename="swagger_')
    document = json.loads(swagger["body"].read())
    assert (document["swagger"], document["basePath"], document["host"]) == ("2.0", "/v1", f"{api}.execute-api.us-east-1.amazonaws.com")
    get = document["paths"]["/pets/{id}"]["get"]
    assert get["security"] == [{"api_key": []}] and get["x-amazon-apigateway-integration"]["type"] == "mock"
    assert get["responses"]["200"]["schema"] == {"$ref": "#/definitions/Pet"}
    plain = json.loads(export("oas30")["body"].read())
    assert plain["openapi"] == "3.0.1" and "x-amazon-apigateway-integration" not in plain["paths"]["/pets/{id}"]["get"]
    text = export("oas30", accepts="application/yaml", parameters={"extensions": "integrations"})["body"].read()
    again = gateway.import_rest_api(body=text)["id"]
    paths = {item["path"] for item in gateway.get_resources(restApiId=again)["items"]}
    assert paths == {"/", "/pets", "/pets/{id}"}
    assert error_of(export, "raml")[0] == "BadRequestException"
    assert "$inputRoot.id" in gateway.get_model_template(restApiId=api, modelName="Pet")["value"]


def test_http_apis_in_and_out(cloud, boto, site):
    gateway = boto("apigatewayv2")
    document = {
        "openapi": "3.0.1",
        "info": {"title": "pets", "version": "1.0"},
        "paths": {"/pets/{id}": {"get": {"x-amazon-apigateway-integration": {
            "type": "HTTP_PROXY", "httpMethod": "GET", "uri": site[0] + "/up/{id}", "payloadFormatVersion": "1.0"}}}},
        "x-amazon-apigateway-cors": {"allowOrigins": ["*"]},
    }
    api = gateway.import_api(Body=json.dumps(document))
    assert (api["Name"], api["Version"], api["CorsConfiguration"]["AllowOrigins"]) == ("pets", "1.0", ["*"])
    api = api["ApiId"]
    live(gateway, api)
    assert send(cloud, api, "/pets/7").json()["path"] == "/up/7"
    text = gateway.export_api(ApiId=api, OutputType="YAML", Specification="OAS30", StageName="$default")["body"].read().decode()
    assert "x-amazon-apigateway-importexport-version" in text and "http_proxy" in text
    renamed = text.replace("/pets/{id}", "/animals/{id}")
    gateway.reimport_api(ApiId=api, Body=renamed)
    assert [item["RouteKey"] for item in gateway.get_routes(ApiId=api)["Items"]] == ["GET /animals/{id}"]
    assert send(cloud, api, "/animals/7").json()["path"] == "/up/7"
    assert send(cloud, api, "/pets/7").status_code == 404
    assert error_of(gateway.import_api, Body='{"swagger": "2.0"}')[0] == "BadRequestException"
    document["paths"]["/bare"] = {"get": {}}
    assert "has no integration" in error_of(gateway.import_api, Body=json.dumps(document), FailOnWarnings=True)[1]


def test_documentation(boto):
    gateway = boto("apigateway")
    api = gateway.create_rest_api(name="x")["id"]
    properties = json.dumps({"description": "all"})
    part = gateway.create_documentation_part(restApiId=api, location={"type": "METHOD", "path": "/x", "method": "GET"}, properties=properties)
    assert part["location"] == {"type": "METHOD", "path": "/x", "method": "GET"}
    again = error_of(gateway.create_documentation_part, restApiId=api, location={"type": "METHOD", "path": "/x", "method": "GET"}, properties=properties)
    assert again[0] == "ConflictException"
    assert error_of(gateway.create_documentation_part, restApiId=api, location={"type": "API", "path": "/x"}, properties=properties)[0] == "BadRequestException"
    gateway.create_documentation_part(restApiId=api, location={"type": "API"}, properties=properties)
    assert len(gateway.get_documentation_parts(restApiId=api, type="METHOD")["items"]) == 1
    gateway.update_documentation_part(restApiId=api, documentationPartId=part["id"], patchOperations=[{"op": "replace", "path": "/properties", "value": '{"a":1}'}])
    assert gateway.get_documentation_part(restApiId=api, documentationPartId=part["id"])["properties"] == '{"a":1}'
    version = gateway.create_documentation_version(restApiId=api, documentationVersion="1", description="first")
    assert version["version"] == "1"
    assert error_of(gateway.create_documentation_version, restApiId=api, documentationVersion="1")[0] == "ConflictException"
    gateway.delete_documentation_version(restApiId=api, documentationVersion="1")
    gateway.delete_documentation_part(restApiId=api, documentationPartId=part["id"])
    assert error_of(gateway.get_documentation_part, restApiId=api, documentationPartId=part["id"])[:2] == (
        "NotFoundException", "Invalid Documentation part identifier specified")
