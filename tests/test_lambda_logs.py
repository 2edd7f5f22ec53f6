"""Logs as JSON: what Lambda, Node.js and Python write, and which levels are kept."""

import json

from conftest import error_of
from test_lambda import archive, function  # noqa: F401 (a fixture)

NODE = """
exports.handler = async (event) => {
    console.trace('t'); console.debug('d'); console.log({ a: 1 }); console.info('i %d', 2); console.warn('w');
    console.error('e', new TypeError('bad')); console.error(new RangeError('alone'));
    if (event === 'fail') throw new TypeError('no');
};
"""

PYTHON = """
import logging
logger = logging.getLogger("own")
def handler(event, context):
    print("plain")
    logger.debug("d"); logger.info("i %s", 1, extra={"more": [1]}); logger.warning("w")
    try:
        1 / 0
    except ZeroDivisionError:
        logger.exception("caught")
    if event == "fail":
        raise KeyError("no")
"""


def records(log):
    return [json.loads(line) if line.startswith("{") else line for line in log.strip().split("\n")]


def levels(log):
    return [record["level"] for record in records(log) if "level" in record]


def test_node(function, boto):
    invoke = function("js", "nodejs20.x", "index.handler", archive(index__js=NODE), LoggingConfig={"LogFormat": "JSON"})
    config = boto("lambda").get_function_configuration(FunctionName="js")["LoggingConfig"]
    assert config == {"LogFormat": "JSON", "ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO", "LogGroup": "/aws/lambda/js"}
    _, _, log, reply = invoke()
    init, start, *own, report = records(log)
    assert init["type"] == "platform.initStart" and init["record"]["initializationType"] == "on-demand"
    assert init["record"]["runtimeVersion"].startswith("nodejs:20.v") and init["record"]["phase"] == "init"
    id = reply["ResponseMetadata"]["RequestId"]
    assert (start["type"], start["record"]) == ("platform.start", {"requestId": id, "version": "$LATEST"})
    assert (report["type"], report["record"]["status"], report["record"]["requestId"]) == ("platform.report", "success", id)
    assert set(report["record"]["metrics"]) == {"durationMs", "billedDurationMs", "memorySizeMB", "maxMemoryUsedMB", "initDurationMs"}
    assert levels(log) == ["INFO", "INFO", "WARN", "ERROR", "ERROR"]
    assert [record["message"] for record in own][:3] == [{"a": 1}, "i 2", "w"]
    assert all(list(record)[:3] == ["timestamp", "level", "requestId"] and record["requestId"] == id for record in own)
    assert (own[3]["errorType"], own[3]["errorMessage"]) == ("TypeError", "bad") and own[3]["message"].startswith("e TypeError: bad")
    assert own[4]["message"]["errorType"] == "RangeError" and own[4]["message"]["stackTrace"][0] == "RangeError: alone"
    _, error, log, _ = invoke("fail")
    *_, thrown, done, report = records(log)
    assert done["type"] == "platform.runtimeDone" and done["record"]["status"] == "error"
    assert error and thrown["message"]["errorMessage"] == "no" and thrown["level"] == "ERROR"
    assert (report["record"]["status"], report["record"]["errorType"]) == ("error", "TypeError")


def test_python(function):
    invoke = function("py", "python3.11", "app.handler", archive(app__py=PYTHON), LoggingConfig={"LogFormat": "JSON"})
    _, _, log, reply = invoke()
    info, warning, caught = [record for record in records(log) if "level" in record]
    assert "plain" in records(log)
    id = reply["ResponseMetadata"]["RequestId"]
    assert list(info) == ["timestamp", "level", "message", "logger", "requestId", "more"]
    assert (info["level"], info["message"], info["logger"], info["requestId"], info["more"]) == ("INFO", "i 1", "own", id, [1])
    assert (caught["errorType"], caught["errorMessage"]) == ("ZeroDivisionError", "division by zero")
    assert caught["location"].startswith("/var/task/app.py:handler:") and caught["stackTrace"]
    _, _, log, _ = invoke("fail")
    [thrown] = [record for record in records(log) if "log_level" in record]
    assert (thrown["log_level"], thrown["errorType"], thrown["errorMessage"]) == ("ERROR", "KeyError", "'no'")


def test_levels(function, boto):
    client = boto("lambda")
    invoke = function("js", "nodejs20.x", "index.handler", archive(index__js=NODE),
                      LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": "TRACE", "SystemLogLevel": "DEBUG"})
    log = invoke()[2]
    assert levels(log)[:3] == ["TRACE", "DEBUG", "INFO"]
    types = [record["type"] for record in records(log) if "type" in record]
    assert types == ["platform.initStart", "platform.initRuntimeDone", "platform.initReport", "platform.start",
                     "platform.runtimeDone", "platform.report"]
    updated = client.update_function_configuration(FunctionName="js", LoggingConfig={"ApplicationLogLevel": "ERROR", "SystemLogLevel": "WARN"})
    assert updated["LoggingConfig"]["LogFormat"] == "JSON" and updated["LoggingConfig"]["SystemLogLevel"] == "WARN"
    log = invoke()[2]
    assert levels(log) == ["ERROR", "ERROR"] and "platform" not in log
    log = invoke("fail")[2]
    assert [record["type"] for record in records(log) if "type" in record] == ["platform.runtimeDone", "platform.report"]
    client.update_function_configuration(FunctionName="js", LoggingConfig={"LogFormat": "Text"})
    log = invoke()[2]
    assert "\tDEBUG\td" in log and "START RequestId: " in log


def test_a_runtime_of_ones_own_is_filtered_too(function):
    bootstrap = """#!/bin/sh
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime"
while true; do
    id=$(curl -sS -o /dev/null -D - "$api/invocation/next" | grep -i '^lambda-runtime-aws-request-id:' | tr -d '[:space:]' | cut -d: -f2)
    echo '{"level":"debug","x":1}'; echo '{"level":"Error","x":2}'; echo '{"x":3}'; echo text "$AWS_LAMBDA_LOG_FORMAT" "$AWS_LAMBDA_LOG_LEVEL"
    curl -sS -o /dev/null "$api/invocation/$id/response" -d 1
done
"""
    invoke = function("own", "provided.al2023", "x", archive(bootstrap=bootstrap), LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": "WARN"})
    lines = [record for record in records(invoke()[2]) if "type" not in record]
    assert lines == [{"level": "Error", "x": 2}, "text JSON WARN"]


def test_ends_of_runtimes(function):
    make = lambda name, code, **more: function(
        name, "python3.11", "app.handler", archive(app__py="import os, time\ndef handler(e, c):\n    " + code), LoggingConfig={"LogFormat": "JSON"}, **more)
    for name, code, status, kind in [("slow", "time.sleep(9)", "timeout", None), ("dies", "os._exit(3)", "failure", "Runtime.ExitError")]:
        log = make(name, code, Timeout=1)()[2]
        ends = [record["record"] for record in records(log) if record["type"] in ("platform.runtimeDone", "platform.report")]
        assert [(end["status"], end.get("errorType")) for end in ends] == [(status, kind)] * 2, log


def test_levels_need_json(function, boto, account):
    function("text", "python3.11", "app.handler", archive(app__py="def handler(e, c): pass"))
    update = boto("lambda").update_function_configuration
    assert error_of(update, FunctionName="text", LoggingConfig={"ApplicationLogLevel": "WARN"}) == (
        "InvalidParameterValueException",
        'LogLevel is not supported when LogFormat is set to "Text". Remove LogLevel from your request or change the LogFormat to "Json" and try again.', 400)
    assert error_of(update, FunctionName="text", LoggingConfig={"LogFormat": "Text", "SystemLogLevel": "WARN"})[0] == "InvalidParameterValueException"
    own = update(FunctionName="text", LoggingConfig={"LogGroup": "own"})
    assert own["LoggingConfig"] == {"LogFormat": "Text", "LogGroup": "own"}
    assert update(FunctionName="text", Description="x")["LoggingConfig"]["LogGroup"] == "own"
