"""Loads a Python handler and answers invocations through the Lambda Runtime API.

Speaks just the HTTP that the Runtime API of this house answers with (a content length always, one connection kept), because
importing http.client would double the start time. With WELKIN_ASSIGNMENT the process starts before its function is known.
"""

import builtins
import json
import logging
import os
import socket
import sys
import time

RECORDS = int(os.environ.pop("_LAMBDA_TELEMETRY_LOG_FD", "0"))
VERSION = "/2018-06-01/"


class RuntimeApi:
    def __init__(self, address):
        self.host = address
        host, port = address.split(":")
        self.socket = socket.create_connection((host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = self.socket.makefile("rb")

    def call(self, method, path, body=b"", headers=()):
        head = [f"{method} {VERSION}{path} HTTP/1.1", f"host: {self.host}", f"content-length: {len(body)}", *headers]
        self.socket.sendall("\r\n".join([*head, "", ""]).encode("latin-1", "replace") + body)
        self.reader.readline()
        found = {}
        while True:
            line = self.reader.readline().decode("latin-1").strip()
            if not line:
                break
            name, _, value = line.partition(":")
            found[name.lower()] = value.strip()
        return found, self.reader.read(int(found.get("content-length", 0)))

    def error(self, path, error):
        kind = error["errorType"].encode("ascii", "replace").decode()
        headers = ("content-type: application/json", f"lambda-runtime-function-error-type: {kind}")
        self.call("POST", path, json.dumps(error).encode(), headers)


def write_record(text):
    """One record: magic, length, time in microseconds, text. Without a log descriptor, lines on standard output."""
    if not RECORDS:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
        sys.stdout.flush()
        return
    body = text.rstrip("\n").encode("utf-8", "replace")
    frame = (0xA55A0003).to_bytes(4, "big") + len(body).to_bytes(4, "big")
    frame += int(time.time() * 1_000_000).to_bytes(8, "big") + body
    while frame:
        frame = frame[os.write(RECORDS, frame):]


class LogFormatter(logging.Formatter):
    converter = time.gmtime

    def format(self, record):
        record.aws_request_id = Context.current
        return super().format(record)


class LogHandler(logging.Handler):
    def emit(self, record):
        write_record(self.format(record))


class JsonFormatter(logging.Formatter):
    """One object a record, with what the record was given in addition."""

    converter = time.gmtime
    own = {*vars(logging.makeLogRecord({})), "message", "asctime", "aws_request_id"}

    def format(self, record):
        found = {
            "timestamp": self.formatTime(record, "%Y-%m-%dT%H:%M:%SZ"),
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
        }
        if record.exc_info and record.exc_info[0]:
            import traceback

            kind, error, trace = record.exc_info
            found["stackTrace"] = traceback.format_tb(trace)
            found.update(errorType=kind.__name__, errorMessage=str(error))
        found["requestId"] = Context.current or None
        found["tenantId"] = Context.tenant
        if record.exc_info:
            found["location"] = f"{record.pathname}:{record.funcName}:{record.lineno}"
        found.update({name: value for name, value in vars(record).items() if name not in self.own and name not in found})
        return json.dumps({name: value for name, value in found.items() if value is not None}, default=str)


LEVELS = {"TRACE": logging.DEBUG, "FATAL": logging.CRITICAL}
json_logs = False


def install_logging():
    global json_logs
    json_logs = os.environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"
    handler, root = LogHandler(), logging.getLogger()
    if json_logs:
        handler.setFormatter(JsonFormatter())
        level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "INFO").upper()
        root.setLevel(LEVELS.get(level, level))
    else:
        handler.setFormatter(LogFormatter("[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s", "%Y-%m-%dT%H:%M:%S"))
    root.addHandler(handler)


class Identity:
    def __init__(self, identity):
        self.cognito_identity_id = identity.get("cognitoIdentityId")
        self.cognito_identity_pool_id = identity.get("cognitoIdentityPoolId")


class Client:
    def __init__(self, client):
        for name in ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name"):
            setattr(self, name, client.get(name))


class ClientContext:
    def __init__(self, context):
        self.client = Client(context.get("client") or {})
        self.custom = context.get("custom")
        self.env = context.get("env")


class Context:
    current = ""
    tenant = None

    def __init__(self, headers):
        self.aws_request_id = headers["lambda-runtime-aws-request-id"]
        self.invoked_function_arn = headers.get("lambda-runtime-invoked-function-arn")
        self._deadline = int(headers["lambda-runtime-deadline-ms"])
        self.function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
        self.function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.tenant_id = headers.get("lambda-runtime-aws-tenant-id")
        client = headers.get("lambda-runtime-client-context")
        self.client_context = ClientContext(json.loads(client)) if client else None
        identity = headers.get("lambda-runtime-cognito-identity")
        self.identity = Identity(json.loads(identity) if identity else {})

    def get_remaining_time_in_millis(self):
        return max(0, self._deadline - int(time.time() * 1000))

    def log(self, message):
        sys.stdout.write(str(message))


class Fault(Exception):
    def __init__(self, kind, message, trace=()):
        super().__init__(message)
        self.kind, self.trace = kind, list(trace)


def describe(error, request_id):
    """An error in the shape that callers see, without the frames of this file."""
    if isinstance(error, Fault):
        return {"errorMessage": str(error), "errorType": error.kind, "requestId": request_id, "stackTrace": error.trace}
    import traceback

    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    trace = traceback.format_list(frames)
    return {"errorMessage": str(error), "errorType": type(error).__name__, "requestId": request_id, "stackTrace": trace}


def log_error(error):
    if json_logs:
        head = {"timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "log_level": "ERROR"}
        return write_record(json.dumps({**head, **error}))
    lines = [f"[ERROR] {error['errorType']}: {error['errorMessage']}", "Traceback (most recent call last):"]
    write_record("\n".join(lines) + "\n" + "".join(error["stackTrace"]))


def load_handler(handler):
    try:
        name, function = handler.rsplit(".", 1)
    except ValueError as error:
        raise Fault("Runtime.MalformedHandlerName", f"Bad handler '{handler}': {error}") from None
    module_name = name.replace("/", ".")
    try:
        import importlib

        if module_name.split(".")[0] in sys.builtin_module_names:
            raise Fault("Runtime.BuiltInModuleConflict", f"Cannot use built-in module {name} as a handler module")
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise Fault("Runtime.ImportModuleError", f"Unable to import module '{name}': {error}") from None
    except SyntaxError as error:
        trace = [f'  File "{error.filename}" Line {error.lineno}\n    {error.text}']
        raise Fault("Runtime.UserCodeSyntaxError", f"Syntax error in module '{name}': {error}", trace) from None
    found = getattr(module, function, None)
    if found is None:
        raise Fault("Runtime.HandlerNotFound", f"Handler '{function}' missing on module '{name}'")
    return found


def plain(value):
    """What AWS's encoder accepts beyond JSON: decimals become numbers."""
    import decimal

    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def answer(handler, payload, context):
    try:
        event = json.loads(payload or b"null")
    except ValueError as error:
        raise Fault("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}") from None
    result = handler(event, context)
    try:
        return json.dumps(result, default=plain).encode()
    except (TypeError, ValueError) as error:
        raise Fault("Runtime.MarshalError", f"Unable to marshal response: {error}") from None


def serve(api, handler):
    while True:
        headers, payload = api.call("GET", "runtime/invocation/next")
        context = Context(headers)
        Context.current, Context.tenant = context.aws_request_id, context.tenant_id
        os.environ["_X_AMZN_TRACE_ID"] = headers.get("lambda-runtime-trace-id", "")
        path = f"runtime/invocation/{context.aws_request_id}"
        try:
            body = answer(handler, payload, context)
        except Exception as error:
            described = describe(error, context.aws_request_id)
            log_error(described)
            api.error(f"{path}/error", described)
        else:
            api.call("POST", f"{path}/response", body, ("content-type: application/json",))


def rehearse():
    """Loads now, while nobody waits, what nearly every function needs: the default session keeps the service models."""
    try:
        import boto3

        nobody = {"aws_access_key_id": "none", "aws_secret_access_key": "none", "region_name": "us-east-1"}
        boto3.resource("dynamodb", **nobody)
        boto3.client("s3", **nobody)
    except ImportError:
        pass  # Not installed; a function that needs it will say so itself.


def await_assignment(api):
    del os.environ["WELKIN_ASSIGNMENT"]
    rehearse()
    _, body = api.call("GET", "welkin/assignment")
    os.environ.update(json.loads(body)["env"])
    time.tzset()


def main():
    sys.stdout.reconfigure(line_buffering=True)
    task = os.environ.get("LAMBDA_TASK_ROOT", "/var/task")
    sys.path[0] = task
    runtime = os.path.dirname(os.path.abspath(__file__))
    sys.path.extend(["/opt/python/lib/python%d.%d/site-packages" % sys.version_info[:2], "/opt/python"])
    sys.path.append(os.path.join(runtime, "python"))
    # The machine's site packages are left out, and with them the module that defines these.
    builtins.exit = builtins.quit = sys.exit
    api = RuntimeApi(os.environ["AWS_LAMBDA_RUNTIME_API"])
    if "WELKIN_ASSIGNMENT" in os.environ:
        await_assignment(api)
        os.chdir(task)
        sys.path[1:1] = filter(None, os.environ.get("PYTHONPATH", "").split(":"))
    install_logging()
    try:
        handler = load_handler(os.environ["_HANDLER"])
    except SystemExit:
        raise
    except BaseException as error:
        described = describe(error, "")
        log_error(described)
        api.error("runtime/init/error", described)
        sys.exit(1)
    serve(api, handler)


if __name__ == "__main__":
    main()
