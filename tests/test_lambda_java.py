"""Java functions, where there is a JDK."""

import io
import pathlib
import shutil
import subprocess
import zipfile

import pytest

from conftest import ROOT, error_of
from test_lambda import function  # noqa: F401 (a fixture)

SOURCES = pathlib.Path(ROOT) / "crates/compute/src/bootstraps/java"
pytestmark = pytest.mark.skipif(not shutil.which("javac"), reason="there is no JDK (javac) on this machine")

HANDLERS = """
package example;

import com.amazonaws.services.lambda.runtime.*;
import java.io.*;
import java.util.*;

public class Handlers implements RequestHandler<Map<String, Object>, Object> {
    public Object handleRequest(Map<String, Object> event, Context context) {
        context.getLogger().log("logged " + event.get("name") + "\\n");
        if (event.containsKey("fail")) throw new IllegalStateException("no", new RuntimeException("cause"));
        Map<String, Object> answer = new LinkedHashMap<>(event);
        answer.put("function", context.getFunctionName());
        answer.put("left", context.getRemainingTimeInMillis() > 0);
        answer.put("id", context.getAwsRequestId());
        answer.put("arn", context.getInvokedFunctionArn());
        answer.put("stage", System.getenv("STAGE"));
        return answer;
    }

    public static class Order {
        private String id;
        private List<Item> items;
        public String getId() { return id; }
        public void setId(String id) { this.id = id; }
        public List<Item> getItems() { return items; }
        public void setItems(List<Item> items) { this.items = items; }
    }

    public static class Item {
        public String name;
        public double price;
        public Colour colour;
    }

    public enum Colour { RED, BLUE }

    public record Total(String id, double sum, boolean large) {}

    public Total total(Order order, Context context) {
        double sum = 0;
        for (Item item : order.getItems()) sum += item.price;
        return new Total(order.getId(), sum, sum > 100);
    }

    public static Order same(Order order) { return order; }

    public static void exit(String event) { System.exit(7); }
}
"""

STREAM = """
package example;

import com.amazonaws.services.lambda.runtime.*;
import java.io.*;

public class Stream implements RequestStreamHandler {
    public void handleRequest(InputStream input, OutputStream output, Context context) throws IOException {
        output.write('[');
        input.transferTo(output);
        output.write(']');
    }
}
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    directory = tmp_path_factory.mktemp("java")
    sources = directory / "sources/example"
    sources.mkdir(parents=True)
    (sources / "Handlers.java").write_text(HANDLERS)
    (sources / "Stream.java").write_text(STREAM)
    subprocess.run(["javac", "--release", "17", "-d", directory / "classes", *SOURCES.glob("*.java"), *sources.glob("*.java")], check=True)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        for file in (directory / "classes/example").iterdir():
            zipped.write(file, f"example/{file.name}")
    return buffer.getvalue()


@pytest.fixture
def java(function, package):
    def make(name, handler, **more):
        return function(name, "java17", handler, package, MemorySize=512, Timeout=20, **more)

    return make


def test_a_request_handler(java, account):
    invoke = java("f", "example.Handlers", Environment={"Variables": {"STAGE": "x"}})
    payload, error, log, reply = invoke({"name": "é\"\n", "list": [1, 2.5, True, None, {"a": 10**12}]})
    assert error is None, log
    assert payload == {
        "name": "é\"\n", "list": [1, 2.5, True, None, {"a": 10**12}], "function": "f", "left": True, "stage": "x",
        "id": reply["ResponseMetadata"]["RequestId"], "arn": f"arn:aws:lambda:us-east-1:{account}:function:f"}
    assert 'logged é"' in log and "INIT_START Runtime Version: java:17.v" in log
    payload, error, log, _ = invoke({"fail": 1})
    assert error == "Unhandled"
    assert (payload["errorType"], payload["errorMessage"]) == ("java.lang.IllegalStateException", "no")
    assert payload["stackTrace"][0].startswith("example.Handlers.handleRequest(Handlers.java:")
    assert payload["cause"]["errorMessage"] == "cause" and "at example.Handlers.handleRequest" in log
    assert invoke({"name": 1})[0]["name"] == 1


def test_objects_and_records(java):
    order = {"id": "o", "items": [{"name": "a", "price": 99.5, "colour": "BLUE"}, {"name": "b", "price": 1, "colour": None}]}
    assert java("total", "example.Handlers::total")(order)[0] == {"id": "o", "sum": 100.5, "large": True}
    same = java("same", "example.Handlers::same")
    assert same(order)[0] == order
    payload, error, _, _ = same({"items": "no list"})
    assert error == "Unhandled" and payload["errorMessage"] == "An error occurred during JSON parsing"


def test_streams_and_ends(java):
    assert java("stream", "example.Stream::handleRequest")({"a": 1})[0] == [{"a": 1}]
    payload, error, _, _ = java("exits", "example.Handlers::exit")("x")
    assert error == "Unhandled" and payload["errorType"] == "Runtime.ExitError" and "exit status 7" in payload["errorMessage"]


def test_handlers_that_are_not_there(java):
    payload, error, _, _ = java("no-class", "example.Nothing::handle")()
    assert error == "Unhandled" and payload == {"errorMessage": "Class not found: example.Nothing", "errorType": "java.lang.ClassNotFoundException"}
    payload = java("no-method", "example.Handlers::nothing")()[0]
    assert payload["errorType"] == "java.lang.NoSuchMethodException"


def test_snapshots_stay_unreal(java, boto):
    java("f", "example.Handlers")
    assert error_of(boto("lambda").update_function_configuration, FunctionName="f", SnapStart={"ApplyOn": "PublishedVersions"})[0] == "NotImplemented"
