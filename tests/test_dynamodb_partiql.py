"""PartiQL with a real client: pages, batches, permissions."""

import pytest

from conftest import error_of


@pytest.fixture
def music(boto):
    dynamodb = boto("dynamodb")
    dynamodb.create_table(
        TableName="Music",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "Artist", "AttributeType": "S"},
            {"AttributeName": "SongTitle", "AttributeType": "S"},
        ],
        KeySchema=[
            {"AttributeName": "Artist", "KeyType": "HASH"},
            {"AttributeName": "SongTitle", "KeyType": "RANGE"},
        ],
    )
    return dynamodb


def test_a_session(music):
    run = lambda text, *parameters, **more: music.execute_statement(
        Statement=text, **({"Parameters": list(parameters)} if parameters else {}), **more
    )
    for n in range(30):
        run("INSERT INTO Music VALUE {'Artist': ?, 'SongTitle': ?, 'Year': ?}", {"S": "A"}, {"S": f"{n:02}"}, {"N": str(n)})
    pages = []
    paginator = {"Limit": 8}
    while True:
        page = run("SELECT SongTitle FROM Music WHERE Artist = 'A' AND SongTitle >= '05' ORDER BY SongTitle DESC", **paginator)
        pages.append([item["SongTitle"]["S"] for item in page["Items"]])
        if "NextToken" not in page:
            break
        paginator["NextToken"] = page["NextToken"]
    assert sum(pages, []) == [f"{n:02}" for n in range(29, 4, -1)]
    assert len(pages[0]) == 8
    updated = run("UPDATE Music SET \"Year\" = \"Year\" + 100 WHERE Artist = 'A' AND SongTitle = '07' RETURNING ALL NEW *")
    assert updated["Items"][0]["Year"] == {"N": "107"}
    code, message, status = error_of(run, "SELEKT")
    assert (code, status) == ("ValidationException", 400)
    assert message == "Statement wasn't well formed, can't be processed: Expected data manipulation"
    code, message, _ = error_of(run, "INSERT INTO Music VALUE {'Artist': 'A', 'SongTitle': '07'}")
    assert (code, message) == ("DuplicateItemException", "Duplicate primary key exists in table")


def test_reading_by_statement_has_a_permission_of_its_own(music, user, account):
    arn = f"arn:aws:dynamodb:us-east-1:{account}:table/Music"
    no_scan = {
        "Effect": "Allow",
        "Action": "dynamodb:PartiQLSelect",
        "Resource": arn,
        "Condition": {"Bool": {"dynamodb:FullTableScan": ["false"]}},
    }
    reader = user("partiql", no_scan)("dynamodb")
    assert reader.execute_statement(Statement="SELECT * FROM Music WHERE Artist = 'A'")["Items"] == []
    code, message, _ = error_of(reader.execute_statement, Statement="SELECT * FROM Music")
    assert code == "AccessDeniedException" and "dynamodb:PartiQLSelect" in message
    code, message, _ = error_of(reader.execute_statement, Statement="DELETE FROM Music WHERE Artist='A' AND SongTitle='B'")
    assert code == "AccessDeniedException" and "dynamodb:PartiQLDelete" in message
