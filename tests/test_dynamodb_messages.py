"""What DynamoDB says of bad requests, word for word, and in which order it looks at them. The requests are raw, so that no
client refuses them first."""

import gzip
import json
import zlib

import pytest
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

VALUES = "One or more parameter values were invalid: "
ONE = "1 validation error detected: "
S = lambda text: {"S": text}
N = lambda number: {"N": str(number)}
KEY = {"pk": S("a"), "sk": N(1)}
TABLE = {"TableName": "msg"}
PK = {"KeyConditionExpression": "pk = :a", "ExpressionAttributeValues": {":a": S("a")}}
MISSING_TABLE = "Requested resource not found"


def key(name, kind="HASH"):
    return {"AttributeName": name, "KeyType": kind}


def attribute(name, kind="S"):
    return {"AttributeName": name, "AttributeType": kind}


@pytest.fixture(scope="module")
def ask(cloud):
    account = "123400000000"

    def call(operation, body, target="DynamoDB_20120810"):
        data = body if isinstance(body, str) else json.dumps(body)
        headers = {"X-Amz-Target": f"{target}.{operation}", "Content-Type": "application/x-amz-json-1.0"}
        request = AWSRequest("POST", cloud.endpoint + "/", data=data.encode(), headers=headers)
        SigV4Auth(Credentials(account, "test"), "dynamodb", "us-east-1").add_auth(request)
        answer = requests.post(cloud.endpoint + "/", data=data.encode(), headers=dict(request.headers))
        reply = answer.json()
        code = reply.get("__type", "").rpartition("#")[2]
        return answer.status_code, code, reply.get("message", reply.get("Message")), reply

    index = {"KeySchema": [key("g"), key("sk", "RANGE")], "Projection": {"ProjectionType": "KEYS_ONLY"}}
    local = {"KeySchema": [key("pk"), key("g", "RANGE")], "Projection": {"ProjectionType": "KEYS_ONLY"}}
    status, *_ = call(
        "CreateTable",
        {
            **TABLE,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [attribute("pk"), attribute("sk", "N"), attribute("g")],
            "KeySchema": [key("pk"), key("sk", "RANGE")],
            "GlobalSecondaryIndexes": [{"IndexName": "gsi", **index}],
            "LocalSecondaryIndexes": [{"IndexName": "lsi", **local}],
        },
    )
    assert status == 200
    return call


def creation(**changes):
    request = {
        "TableName": "new",
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [attribute("a")],
        "KeySchema": [key("a")],
    }
    request.update(changes)
    return {name: value for name, value in request.items() if value is not None}


def indexed(**changes):
    index = {"IndexName": "abc", "KeySchema": [key("a")], "Projection": {"ProjectionType": "ALL"}}
    return creation(GlobalSecondaryIndexes=[{**index, **changes}])


UNITS = {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}
HUGE = {"ReadCapacityUnits": 1_000_000_000_001, "WriteCapacityUnits": 1}

CREATE = [
    (creation(TableName="a"), "TableName must be at least 3 characters long and at most 255 characters long"),
    (creation(BillingMode=None), VALUES + "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED"),
    (creation(ProvisionedThroughput=UNITS), VALUES + "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST"),
    (creation(BillingMode=None, ProvisionedThroughput=HUGE), "Given value 1000000000001 for ReadCapacityUnits is out of bounds"),
    (creation(AttributeDefinitions=None), ONE + "Value null at 'attributeDefinitions' failed to satisfy constraint: Member must not be null"),
    (creation(AttributeDefinitions=[attribute("a", "X")]), ONE + "Value 'X' at 'attributeDefinitions.1.member.attributeType' failed to satisfy constraint: Member must satisfy enum value set: [B, N, S]"),
    (creation(AttributeDefinitions=[attribute("a"), attribute("b")]), VALUES + "Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions"),
    (creation(KeySchema=[key("b")]), "Invalid KeySchema: Some index key attribute have no definition"),
    (creation(KeySchema=[key("a", "RANGE")]), "Invalid KeySchema: The first KeySchemaElement is not a HASH key type"),
    (creation(KeySchema=[key("a"), key("b")]), "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type"),
    (creation(KeySchema=[key("a"), key("a", "RANGE")]), "Both the Hash Key and the Range Key element in the KeySchema have the same name"),
    (creation(LocalSecondaryIndexes=[]), VALUES + "List of LocalSecondaryIndexes is empty"),
    (creation(GlobalSecondaryIndexes=[]), VALUES + "List of GlobalSecondaryIndexes is empty"),
    (indexed(Projection={}), VALUES + "Unknown ProjectionType: null"),
    (indexed(Projection={"ProjectionType": "x"}), ONE + "Value 'x' at 'globalSecondaryIndexes.1.member.projection.projectionType' failed to satisfy constraint: Member must satisfy enum value set: [ALL, INCLUDE, KEYS_ONLY]"),
    (indexed(Projection={"ProjectionType": "ALL", "NonKeyAttributes": ["x"]}), VALUES + "ProjectionType is ALL, but NonKeyAttributes is specified"),
    (indexed(Projection={"ProjectionType": "INCLUDE"}), VALUES + "ProjectionType is INCLUDE, but NonKeyAttributes is not specified"),
    (indexed(ProvisionedThroughput=UNITS), VALUES + "ProvisionedThroughput should not be specified for index: abc when BillingMode is PAY_PER_REQUEST"),
    (indexed(KeySchema=[key("zz")]), VALUES + "Some index key attributes are not defined in AttributeDefinitions. Keys: [zz], AttributeDefinitions: [a]"),
]

PUT = [
    ({"pk": S("a")}, VALUES + "Missing the key sk in the item"),
    ({"pk": N(1), "sk": N(1)}, VALUES + "Type mismatch for key pk expected: S actual: N"),
    ({**KEY, "pk": S("")}, "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: pk"),
    ({**KEY, "pk": S("x" * 2049)}, VALUES + "Size of hashkey has exceeded the maximum size limit of2048 bytes"),
    ({**KEY, "g": N(1)}, VALUES + "Type mismatch for Index Key g Expected: S Actual: N IndexName: lsi"),
    ({**KEY, "x": {"SS": []}}, VALUES + "An string set  may not be empty"),
    ({**KEY, "x": {"NS": []}}, VALUES + "An number set  may not be empty"),
    ({**KEY, "x": {"BS": []}}, VALUES + "Binary sets should not be empty"),
    ({**KEY, "x": {"SS": ["a", "a"]}}, VALUES + "Input collection [a, a] contains duplicates."),
    ({**KEY, "x": {"NS": ["1", "1.0"]}}, "Input collection contains duplicates"),
    ({**KEY, "x": {"BS": ["YQ==", "YQ=="]}}, VALUES + "Input collection [YQ==, YQ==]of type BS contains duplicates."),
    ({**KEY, "x": {"NULL": False}}, VALUES + "Null attribute value types must have the value of true"),
    ({**KEY, "x": N("")}, "The parameter cannot be converted to a numeric value"),
    ({**KEY, "x": N("abc")}, "The parameter cannot be converted to a numeric value: abc"),
    ({**KEY, "x": N("1" * 39)}, "Attempting to store more than 38 significant digits in a Number"),
    ({**KEY, "x": N("1e126")}, "Number overflow. Attempting to store a number with magnitude larger than supported range"),
    ({**KEY, "x": N("1e-131")}, "Number underflow. Attempting to store a number with magnitude smaller than supported range"),
    ({**KEY, "x": {}}, "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"),
    ({**KEY, "x": {"S": "a", "N": "1"}}, "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"),
    ({**KEY, "x": S("x" * 409_600)}, "Item size has exceeded the maximum allowed size"),
]

C = "Invalid ConditionExpression: "
CONDITIONS = [
    ("", {}, C + "The expression can not be empty;"),
    ("attribute_exists(x) AND", {}, C + 'Syntax error; token: "<EOF>", near: "AND"'),
    ("a = :b", {}, C + "An expression attribute value used in expression is not defined; attribute value: :b"),
    ("#a = a", {}, C + "An expression attribute name used in the document path is not defined; attribute name: #a"),
    ("size(a)", {}, C + "The function is not allowed to be used this way in an expression; function: size"),
    ("abc(a)", {}, C + "Invalid function name; function: abc"),
    ("name = a", {}, C + "Attribute name is a reserved keyword; reserved keyword: name"),
    ("((a = b))", {}, C + "The expression has redundant parentheses;"),
    ("a = a", {}, C + "The first operand must be distinct from the remaining operands for this operator or function; operator: =, first operand: [a]"),
    ("a < :b", {":b": {"BOOL": True}}, C + "Incorrect operand type for operator or function; operator or function: <, operand type: BOOL"),
    ("attribute_type(a, :b)", {":b": S("X")}, C + "Invalid attribute type name found; type: X, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}"),
    ("a BETWEEN :b AND :c", {":b": N(2), ":c": N(1)}, C + "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: AttributeValue: {N:2}, upper bound operand: AttributeValue: {N:1}"),
    ("a BETWEEN :b AND :c", {":b": N(2), ":c": S("1")}, C + "The BETWEEN operator requires same data type for lower and upper bounds; lower bound operand: AttributeValue: {N:2}, upper bound operand: AttributeValue: {S:1}"),
    ("begins_with(a, :b)", {":b": N(2)}, C + "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N"),
    ("contains(a)", {}, C + "Incorrect number of operands for operator or function; operator or function: contains, number of operands: 1"),
    ("attribute_exists(:a)", {":a": N(1)}, C + "Operator or function requires a document path; operator or function: attribute_exists"),
    ("a = :a", {":a": N(1), ":b": N(2)}, "Value provided in ExpressionAttributeValues unused in expressions: keys: {:b}"),
    ("a = b", {"a": N(1)}, 'ExpressionAttributeValues contains invalid key: Syntax error; key: "a"'),
    ("a = :a", {":a": {"SS": []}}, "ExpressionAttributeValues contains invalid value: " + VALUES + "An string set  may not be empty for key :a"),
]

U = "Invalid UpdateExpression: "
UPDATES = [
    ("", {}, U + "The expression can not be empty;"),
    ("SET a = :a", {}, U + "An expression attribute value used in expression is not defined; attribute value: :a"),
    ("SET pk = :a", {":a": S("x")}, VALUES + "Cannot update attribute pk. This attribute is part of the key"),
    ("SET a = :a, a = :a", {":a": S("x")}, U + "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a], path two: [a]"),
    ("SET a[0] = :a, a.b = :a", {":a": S("x")}, U + "Two document paths conflict with each other; must remove or rewrite one of these paths; path one: [a, [0]], path two: [a, b]"),
    ("SET a = :a SET b = :a", {":a": S("x")}, U + 'The "SET" section can only be used once in an update expression;'),
    ("ADD a :a", {":a": S("x")}, U + "Incorrect operand type for operator or function; operator: ADD, operand type: STRING, typeSet: ALLOWED_FOR_ADD_OPERAND"),
    ("DELETE a :a", {":a": N(1)}, U + "Incorrect operand type for operator or function; operator: DELETE, operand type: NUMBER, typeSet: ALLOWED_FOR_DELETE_OPERAND"),
    ("SET a = b", {}, "The provided expression refers to an attribute that does not exist in the item"),
    ("SET a.b = :a", {":a": S("x")}, "The document path provided in the update expression is invalid for update"),
    ("SET a = size(b)", {}, U + "The function is not allowed in an update expression; function: size"),
    ("SET a = foo(b)", {}, U + "Invalid function name; function: foo"),
    ("SET g = :a", {":a": N(1)}, VALUES + "Type mismatch for Index Key g Expected: S Actual: N IndexName: lsi"),
]

QUERIES = [
    ({}, "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request."),
    ({**PK, "KeyConditionExpression": "pk > :a"}, "Query key condition not supported"),
    ({**PK, "KeyConditionExpression": "x = :a"}, "Query condition missed key schema element: pk"),
    ({**PK, "KeyConditionExpression": "pk = :a AND x = :a"}, "Query condition missed key schema element: sk"),
    ({**PK, "KeyConditionExpression": "pk = :a OR pk = :a"}, "Invalid operator used in KeyConditionExpression: OR"),
    ({**PK, "KeyConditionExpression": "pk = :a AND pk = :a"}, "KeyConditionExpressions must only contain one condition per key"),
    ({**PK, "ExpressionAttributeValues": {":a": N(1)}}, VALUES + "Condition parameter type does not match schema type"),
    ({**PK, "IndexName": "none"}, "The table does not have the specified index: none"),
    ({**PK, "IndexName": "gsi"}, "Query condition missed key schema element: g"),
    ({**PK, "ConsistentRead": True, "IndexName": "gsi"}, "Consistent reads are not supported on global secondary indexes"),
    ({**PK, "ExclusiveStartKey": {"pk": S("a")}}, "The provided starting key is invalid"),
    ({**PK, "ExclusiveStartKey": {**KEY, "sk": S("a")}}, "The provided starting key is invalid: The provided key element does not match the schema"),
    ({"KeyConditionExpression": "pk = :a AND sk > :b", "ExpressionAttributeValues": {":a": S("a"), ":b": N(5)}, "ExclusiveStartKey": KEY}, "The provided starting key does not match the range key predicate"),
    ({**PK, "ExclusiveStartKey": {**KEY, "x": N(1)}}, "The provided starting key is invalid"),
    ({**PK, "ExclusiveStartKey": {**KEY, "pk": S("b")}}, "The provided starting key is outside query boundaries based on provided conditions"),
    ({**PK, "Select": "ALL_PROJECTED_ATTRIBUTES"}, "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName"),
    ({**PK, "Select": "COUNT", "ProjectionExpression": "x"}, "Cannot specify the ProjectionExpression when choosing to get only the Count"),
    ({**PK, "Select": "x"}, ONE + "Value 'x' at 'select' failed to satisfy constraint: Member must satisfy enum value set: [SPECIFIC_ATTRIBUTES, COUNT, ALL_ATTRIBUTES, ALL_PROJECTED_ATTRIBUTES]"),
    ({**PK, "FilterExpression": "pk = :a"}, "Filter Expression can only contain non-primary key attributes: Primary key attribute: pk"),
    ({**PK, "AttributesToGet": ["a"]}, "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {AttributesToGet} Expression parameters: {KeyConditionExpression}"),
    ({**PK, "Limit": 0}, ONE + "Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1"),
]

PUTS = [{"PutRequest": {"Item": KEY}}]
OTHERS = [
    ("PutItem", {**TABLE, "Item": KEY, "ReturnValues": "ALL_NEW"}, "Return values set to invalid value"),
    ("PutItem", {**TABLE, "Item": KEY, "ReturnValues": "x"}, ONE + "Value 'x' at 'returnValues' failed to satisfy constraint: Member must satisfy enum value set: [ALL_NEW, UPDATED_OLD, ALL_OLD, NONE, UPDATED_NEW]"),
    ("PutItem", {**TABLE, "Item": KEY, "Expected": {"a": {}}}, VALUES + "Value must be provided when Exists is null for Attribute: a"),
    ("PutItem", {**TABLE, "Item": KEY, "ConditionalOperator": "AND"}, "ConditionalOperator cannot be used without Filter or Expected"),
    ("UpdateItem", {**TABLE, "Key": KEY, "AttributeUpdates": {"x": {"Action": "ADD", "Value": S("a")}}}, VALUES + "ADD action is not supported for the type S"),
    ("GetItem", {"TableName": "a;", "Key": KEY}, "Invalid table/index name.  Table/index names must be between 3 and 255 characters long, and may contain only the characters a-z, A-Z, 0-9, '_', '-', and '.'"),
    ("GetItem", {**TABLE, "Key": {"pk": S("a")}}, "The provided key element does not match the schema"),
    ("Scan", {**TABLE, "Segment": 1, "TotalSegments": 1}, "The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: 1 is not less than TotalSegments: 1"),
    ("Scan", {**TABLE, "ExclusiveStartKey": {"pk": S("a")}}, "The provided starting key is invalid: The provided key element does not match the schema"),
    ("Scan", {**TABLE, "ExclusiveStartKey": {**KEY, "x": N(1)}}, "The provided starting key is invalid: The provided key element does not match the schema"),
    ("BatchGetItem", {"RequestItems": {"msg": {"Keys": [KEY, KEY]}}}, "Provided list of item keys contains duplicates"),
    ("BatchWriteItem", {"RequestItems": {"msg": PUTS + PUTS}}, "Provided list of item keys contains duplicates"),
    ("TransactWriteItems", {"TransactItems": [{}]}, "TransactItems can only contain one of Check, Put, Update or Delete"),
    ("TransactWriteItems", {"TransactItems": [{"Put": {**TABLE, "Item": KEY}}, {"Delete": {**TABLE, "Key": KEY}}]}, "Transaction request cannot include multiple operations on one item"),
    ("UpdateTable", TABLE, "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates or SSESpecification or ReplicaUpdates is required"),
    ("UpdateTable", {**TABLE, "GlobalSecondaryIndexUpdates": [{}]}, VALUES + "One of GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Create, GlobalSecondaryIndexUpdate.Delete must not be null"),
    ("UpdateTimeToLive", {**TABLE, "TimeToLiveSpecification": {"Enabled": False, "AttributeName": "x"}}, "TimeToLive is already disabled"),
    ("TagResource", {"ResourceArn": "arn:aws:dynamodb:us-east-1:123400000000:table/msg", "Tags": []}, "Atleast one Tag needs to be provided as Input."),
    ("ListTables", {"Limit": 101}, ONE + "Value '101' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 100"),
    ("ExecuteStatement", {"Statement": "SELECT * FROM msg WHERE pk = ?"}, "Number of parameters in request and statement don't match."),
]

CASES = (
    [("CreateTable", request, message) for request, message in CREATE]
    + [("PutItem", {**TABLE, "Item": item}, message) for item, message in PUT]
    + [
        ("PutItem", {**TABLE, "Item": KEY, "ConditionExpression": text, **({"ExpressionAttributeValues": values} if values else {})}, message)
        for text, values, message in CONDITIONS
    ]
    + [
        ("UpdateItem", {**TABLE, "Key": KEY, "UpdateExpression": text, **({"ExpressionAttributeValues": values} if values else {})}, message)
        for text, values, message in UPDATES
    ]
    + [("Query", {**TABLE, **request}, message) for request, message in QUERIES]
    + OTHERS
)


@pytest.mark.parametrize("operation, request_, message", CASES, ids=range(len(CASES)))
def test_what_is_wrong_is_said(ask, operation, request_, message):
    assert ask(operation, request_)[:3] == (400, "ValidationException", message), json.dumps(request_)[:300]


SERIALIZATION = [
    ({"TableName": 1}, "NUMBER_VALUE cannot be converted to String"),
    ({"TableName": True}, "TRUE_VALUE cannot be converted to String"),
    ({"TableName": []}, "Unrecognized collection type class java.lang.String"),
    ({"TableName": {}}, "Start of structure or map found where not expected."),
    ({**TABLE, "Key": {"a": {"BOOL": "x"}}}, "STRING_VALUE cannot be converted to Boolean"),
]


@pytest.mark.parametrize("request_, message", SERIALIZATION, ids=range(len(SERIALIZATION)))
def test_what_is_of_the_wrong_type_comes_first(ask, request_, message):
    assert ask("GetItem", request_)[:3] == (400, "SerializationException", message)


def test_several_mistakes_are_told_together(ask):
    request = {"TableName": "abc", "ReturnConsumedCapacity": "hi", "AttributesToGet": []}
    assert ask("GetItem", request)[2] == (
        "3 validation errors detected: Value 'hi' at 'returnConsumedCapacity' failed to satisfy constraint: Member must "
        "satisfy enum value set: [INDEXES, TOTAL, NONE]; Value '[]' at 'attributesToGet' failed to satisfy constraint: "
        "Member must have length greater than or equal to 1; Value null at 'key' failed to satisfy constraint: Member must "
        "not be null"
    )


def test_mistakes_come_before_tables_and_tables_before_keys(ask):
    gone = {"TableName": "gone"}
    bad = ask("PutItem", {**gone, "Item": KEY, "ConditionExpression": "a = :b"})
    assert bad[1] == "ValidationException"
    assert ask("PutItem", {**gone, "Item": {"pk": S("a")}})[1:3] == ("ResourceNotFoundException", MISSING_TABLE)
    assert ask("DescribeTable", gone)[1:3] == (
        "ResourceNotFoundException",
        "Requested resource not found: Table: gone not found",
    )
    assert ask("Query", {**gone, **PK, "ExclusiveStartKey": {"x": N(1)}})[1] == "ResourceNotFoundException"


def test_cancelled_transactions_give_their_reasons(ask):
    check = {**TABLE, "Key": {**KEY, "sk": N(500)}, "ConditionExpression": "attribute_exists(pk)"}
    put = {**TABLE, "Item": {**KEY, "sk": N(501)}}
    status, code, message, reply = ask("TransactWriteItems", {"TransactItems": [{"ConditionCheck": check}, {"Put": put}]})
    assert (status, code) == (400, "TransactionCanceledException")
    assert message == (
        "Transaction cancelled, please refer cancellation reasons for specific reasons [ConditionalCheckFailed, None]"
    )
    assert reply["CancellationReasons"] == [
        {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"},
        {"Code": "None"},
    ]


def test_attributes_have_names(ask):
    long = "Attribute name is too large, must be less than 65536 bytes"
    assert ask("PutItem", {**TABLE, "Item": {**KEY, "x" * 65536: S("a")}})[2] == VALUES + long
    nameless = VALUES + "Attribute name must not be empty"
    assert ask("PutItem", {**TABLE, "Item": {**KEY, "": S("a")}})[2] == nameless
    get = {**TABLE, "Key": KEY, "ProjectionExpression": "#a", "ExpressionAttributeNames": {"#a": ""}}
    assert ask("GetItem", get)[2] == f"ExpressionAttributeNames contains invalid value: {nameless} for key #a"
    assert ask("Query", {**TABLE, "KeyConditions": {}})[2] == "Conditions can be of length 1 or 2 only"


@pytest.mark.parametrize("encoding, pack", [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_requests_may_be_compressed(cloud, ask, encoding, pack):
    headers = {
        "X-Amz-Target": "DynamoDB_20120810.DescribeTable",
        "Content-Type": "application/x-amz-json-1.0",
        "Content-Encoding": encoding,
    }

    def describe(data):
        request = AWSRequest("POST", cloud.endpoint + "/", data=data, headers=headers)
        SigV4Auth(Credentials("123400000000", "test"), "dynamodb", "us-east-1").add_auth(request)
        return requests.post(cloud.endpoint + "/", data=data, headers=dict(request.headers))

    assert describe(pack(json.dumps(TABLE).encode())).json()["Table"]["TableName"] == "msg"
    broken = describe(json.dumps(TABLE).encode())
    assert (broken.status_code, broken.json()["__type"].rpartition("#")[2]) == (400, "SerializationException")


def test_numbers_have_one_form(ask):
    for text, normal in [
        ("1.0", "1"), ("1E2", "100"), ("-0", "0"), ("+5", "5"), (".5", "0.5"), ("5.", "5"), ("00012.3400", "12.34"),
        ("1e-5", "0.00001"), ("123456789012345678901234567890", "123456789012345678901234567890"),
    ]:  # fmt: skip
        update = {"UpdateExpression": "SET num = :n", "ExpressionAttributeValues": {":n": N(text)}, "ReturnValues": "UPDATED_NEW"}
        assert ask("UpdateItem", {**TABLE, "Key": KEY, **update})[3]["Attributes"] == {"num": N(normal)}, text


def capacity(ask, operation, request):
    return ask(operation, {**request, "ReturnConsumedCapacity": "INDEXES"})[3]["ConsumedCapacity"]


def test_what_requests_consume(ask):
    item = {"pk": S("cap"), "sk": N(1)}
    one, two = {"CapacityUnits": 1.0}, {"CapacityUnits": 2.0}
    plain = {"TableName": "msg", "CapacityUnits": 1.0, "Table": one}
    indexes = lambda units: {"LocalSecondaryIndexes": {"lsi": units}, "GlobalSecondaryIndexes": {"gsi": units}}
    assert capacity(ask, "DeleteItem", {**TABLE, "Key": item}) == plain
    assert capacity(ask, "PutItem", {**TABLE, "Item": item}) == plain
    entered = capacity(ask, "PutItem", {**TABLE, "Item": {**item, "g": S("x")}})
    assert entered == {**plain, "CapacityUnits": 3.0, **indexes(one)}
    moved = capacity(ask, "PutItem", {**TABLE, "Item": {**item, "g": S("y")}})
    assert moved == {**plain, "CapacityUnits": 5.0, **indexes(two)}
    unprojected = {"UpdateExpression": "SET z = :z", "ExpressionAttributeValues": {":z": S("x" * 2000)}}
    assert capacity(ask, "UpdateItem", {**TABLE, "Key": item, **unprojected}) == {
        "TableName": "msg",
        "CapacityUnits": 2.0,
        "Table": two,
    }
    half, none = {"CapacityUnits": 0.5}, {"CapacityUnits": 0.0}
    assert capacity(ask, "GetItem", {**TABLE, "Key": item})["Table"] == half
    assert capacity(ask, "GetItem", {**TABLE, "Key": item, "ConsistentRead": True})["Table"] == one
    by_g = {"IndexName": "gsi", "KeyConditionExpression": "g = :g", "ExpressionAttributeValues": {":g": S("y")}}
    assert capacity(ask, "Query", {**TABLE, **by_g}) == {
        "TableName": "msg",
        "CapacityUnits": 0.5,
        "Table": none,
        "GlobalSecondaryIndexes": {"gsi": half},
    }
    put = {"Put": {**TABLE, "Item": {"pk": S("cap"), "sk": N(2)}}}
    transaction = {"TransactItems": [put], "ClientRequestToken": "once"}
    written = {"CapacityUnits": 2.0, "WriteCapacityUnits": 2.0}
    assert capacity(ask, "TransactWriteItems", transaction) == [{"TableName": "msg", **written, "Table": written}]
    read = {"CapacityUnits": 2.0, "ReadCapacityUnits": 2.0}
    assert capacity(ask, "TransactWriteItems", transaction) == [{"TableName": "msg", **read, "Table": read}]
    gets = {"TransactItems": [{"Get": {**TABLE, "Key": item}}, {"Get": {**TABLE, "Key": {**item, "sk": N(99)}}}]}
    assert capacity(ask, "TransactGetItems", gets)[0]["ReadCapacityUnits"] == 4.0
