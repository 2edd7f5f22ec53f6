//! Real functions in real sandboxes. Tests that need an interpreter use the machine's; there is no stand-in for one.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::*;

struct Bench {
    environments: Environments,
    directory: TempDir,
}

fn bench() -> Bench {
    bench_with(None, 0)
}

fn bench_with(backend: Option<Backend>, reserve: usize) -> Bench {
    let directory = tempfile::tempdir().unwrap();
    Bench { environments: Environments::new(config(directory.path(), backend, reserve)), directory }
}

fn config(directory: &Path, backend: Option<Backend>, reserve: usize) -> Config {
    #[expect(clippy::disallowed_methods, reason = "a test's functions see the real time")]
    let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    Config {
        work: directory.join("work"),
        cache: directory.join("cache"),
        path: "/usr/local/bin:/usr/bin:/bin".into(),
        home: None,
        endpoint_port: 4566,
        backend,
        wall_clock: Arc::new(now),
        idle: Duration::from_secs(60),
        lifetime: Duration::from_secs(600),
        capacity: 8,
        reserve,
    }
}

impl Bench {
    fn function(&self, runtime: &str, handler: &str, files: &[(&str, &str)]) -> FunctionSpec {
        let code = self.directory.path().join(format!("code-{}", fs::read_dir(self.directory.path()).unwrap().count()));
        for (name, text) in files {
            let path = code.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        FunctionSpec {
            arn: "arn:aws:lambda:us-east-1:000000000000:function:f".into(),
            name: "f".into(),
            version: "$LATEST".into(),
            revision: code.display().to_string(),
            region: "us-east-1".into(),
            runtime: runtime.into(),
            handler: handler.into(),
            environment: vec![("COLOUR".into(), "blue".into())],
            memory_mb: 256,
            timeout: Duration::from_secs(5),
            ephemeral_mb: 512,
            code,
            layers: None,
            log_group: "/aws/lambda/f".into(),
            log_format: LogFormat::Text,
            provisioned: false,
        }
    }

    async fn invoke(&self, function: &FunctionSpec, payload: &str) -> Outcome {
        let invocation = Invocation {
            request_id: "1234".into(),
            payload: payload.to_owned().into(),
            invoked_arn: function.arn.clone(),
            ..Invocation::default()
        };
        let identity = async {
            let credentials = Credentials {
                access_key_id: "ASIA".into(),
                secret_access_key: "secret".into(),
                session_token: "token".into(),
            };
            Ok(Identity { credentials, log_stream: "stream".into() })
        };
        self.environments.invoke(function, &invocation, identity).await.unwrap()
    }

    fn node(&self, source: &str) -> FunctionSpec {
        self.function("nodejs20.x", "index.handler", &[("index.mjs", source)])
    }

    fn python(&self, source: &str) -> FunctionSpec {
        self.function("python3.11", "app.handler", &[("app.py", source)])
    }
}

fn text(outcome: &Outcome) -> String {
    String::from_utf8(outcome.payload.to_vec()).unwrap()
}

fn json(outcome: &Outcome) -> serde_json::Value {
    serde_json::from_slice(&outcome.payload).unwrap()
}

fn log(outcome: &Outcome) -> String {
    outcome.logs.iter().map(|line| line.message.as_str()).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn node_answers_logs_and_reports() {
    let bench = bench();
    let function = bench.node(
        "export const handler = async (event, context) => { console.log('hello %s\\nagain', event.name); \
         return { name: event.name, id: context.awsRequestId, left: context.getRemainingTimeInMillis() > 0, colour: process.env.COLOUR }; };",
    );
    let first = bench.invoke(&function, r#"{"name":"x"}"#).await;
    assert_eq!(text(&first), r#"{"name":"x","id":"1234","left":true,"colour":"blue"}"#, "{}", log(&first));
    assert_eq!(first.function_error, None);
    let lines: Vec<&str> = first.logs.iter().map(|line| line.message.as_str()).collect();
    assert!(lines[0].starts_with("INIT_START Runtime Version: nodejs:20.v"), "{lines:?}");
    assert_eq!(lines[1], "START RequestId: 1234 Version: $LATEST");
    assert!(lines[2].ends_with("Z\t1234\tINFO\thello x\nagain"), "{lines:?}");
    assert_eq!(lines[3], "END RequestId: 1234");
    assert!(lines[4].contains("\tInit Duration: "), "{lines:?}");
    let second = bench.invoke(&function, r#"{"name":"y"}"#).await;
    assert!(!log(&second).contains("Init Duration") && !log(&second).contains("INIT_START"), "{}", log(&second));
    assert!(second.report.peak_mb > 10, "{:?}", second.report);
}

#[tokio::test]
async fn node_commonjs_with_callback_in_a_directory() {
    let bench = bench();
    let source = "exports.deep = { handler: (event, context, callback) => { setTimeout(() => callback(null, require('./other').value), 5); } };";
    let files = [("lib/index.js", source), ("lib/other.js", "exports.value = 42;")];
    let function = bench.function("nodejs20.x", "lib/index.deep.handler", &files);
    let outcome = bench.invoke(&function, "{}").await;
    assert_eq!(text(&outcome), "42", "{}", log(&outcome));
    let again = bench.invoke(&function, "{}").await;
    assert_eq!(text(&again), "42", "{}", log(&again));
}

#[tokio::test]
async fn node_errors_have_aws_shapes() {
    let bench = bench();
    let function = bench.node("export const handler = async () => { throw new TypeError('bad'); };");
    let outcome = bench.invoke(&function, "{}").await;
    assert_eq!(outcome.function_error, Some("Unhandled"));
    let error = json(&outcome);
    assert_eq!((&error["errorType"], &error["errorMessage"]), (&"TypeError".into(), &"bad".into()));
    assert_eq!(error["trace"][0], "TypeError: bad");
    assert!(
        log(&outcome)
            .contains("\tERROR\tInvoke Error \t{\"errorType\":\"TypeError\",\"errorMessage\":\"bad\",\"stack\":[")
    );

    for (files, handler, kind, message) in [
        (
            ("index.mjs", "export const x = 1;"),
            "index.handler",
            "Runtime.HandlerNotFound",
            "index.handler is undefined or not exported",
        ),
        (
            ("index.mjs", "export const x = 1;"),
            "other.handler",
            "Runtime.ImportModuleError",
            "Error: Cannot find module 'other'",
        ),
        (
            ("index.mjs", "import 'nowhere';"),
            "index.handler",
            "Runtime.ImportModuleError",
            "Error: Cannot find package 'nowhere'",
        ),
        (("index.mjs", "export const = 1;"), "index.handler", "Runtime.UserCodeSyntaxError", "SyntaxError: "),
        (
            (
                "index.js",
                "exports.handler = async () => { Promise.reject(new Error('lost')); await new Promise((r) => setTimeout(r, 50)); };",
            ),
            "index.handler",
            "Runtime.UnhandledPromiseRejection",
            "Error: lost",
        ),
    ] {
        let function = bench.function("nodejs20.x", handler, &[files]);
        let outcome = bench.invoke(&function, "{}").await;
        let error = json(&outcome);
        assert_eq!(error["errorType"], kind, "{}", log(&outcome));
        assert!(error["errorMessage"].as_str().unwrap().starts_with(message), "{error}");
        assert_eq!(outcome.function_error, Some("Unhandled"));
    }
}

#[tokio::test]
async fn python_answers_logs_and_reports() {
    let bench = bench();
    let function = bench.python(
        "import logging\nlogging.getLogger().setLevel(logging.INFO)\n\
         def handler(event, context):\n    print('plain')\n    logging.info('two\\nlines')\n    \
         return {'name': event['name'], 'id': context.aws_request_id, 'f': context.function_name}\n",
    );
    let outcome = bench.invoke(&function, r#"{"name":"x"}"#).await;
    assert_eq!(json(&outcome), serde_json::json!({"name": "x", "id": "1234", "f": "f"}), "{}", log(&outcome));
    let lines: Vec<&str> = outcome.logs.iter().map(|line| line.message.as_str()).collect();
    assert!(lines.contains(&"plain"), "{lines:?}");
    assert!(
        lines.iter().any(|line| line.starts_with("[INFO]\t") && line.ends_with("Z\t1234\ttwo\nlines")),
        "{lines:?}"
    );
}

#[tokio::test]
async fn python_errors_have_aws_shapes() {
    let bench = bench();
    let outcome =
        bench.invoke(&bench.python("def handler(event, context):\n    raise ValueError('bad')\n"), "{}").await;
    let error = json(&outcome);
    assert_eq!(error["errorMessage"], "bad");
    assert_eq!(error["errorType"], "ValueError");
    assert_eq!(error["requestId"], "1234");
    assert_eq!(
        error["stackTrace"][0],
        "  File \"/var/task/app.py\", line 2, in handler\n    raise ValueError('bad')\n"
    );
    assert!(log(&outcome).contains("[ERROR] ValueError: bad\nTraceback (most recent call last):\n  File"));

    for (source, kind, message) in [
        ("x = 1\n", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
        ("import nowhere\n", "Runtime.ImportModuleError", "Unable to import module 'app': No module named 'nowhere'"),
        ("def (:\n", "Runtime.UserCodeSyntaxError", "Syntax error in module 'app': invalid syntax (app.py, line 1)"),
        (
            "def handler(e, c): return {1, 2}\n",
            "Runtime.MarshalError",
            "Unable to marshal response: Object of type set is not JSON serializable",
        ),
    ] {
        let outcome = bench.invoke(&bench.python(source), "{}").await;
        let error = json(&outcome);
        assert_eq!((&error["errorType"], &error["errorMessage"]), (&kind.into(), &message.into()), "{}", log(&outcome));
    }
}

#[tokio::test]
async fn timeouts_end_the_environment() {
    let bench = bench();
    let mut function =
        bench.python("import time\ndef handler(event, context):\n    print('before')\n    time.sleep(60)\n");
    function.timeout = Duration::from_secs(1);
    let outcome = bench.invoke(&function, "{}").await;
    let expected = serde_json::json!({
        "errorType": "Sandbox.Timedout",
        "errorMessage": "RequestId: 1234 Error: Task timed out after 1.00 seconds",
    });
    assert_eq!(json(&outcome), expected);
    let log = log(&outcome);
    assert!(log.contains("before\n") && log.contains("Z 1234 Task timed out after 1.00 seconds\n"), "{log}");
    assert!(log.contains("Duration: 1000.00 ms") && log.ends_with("Status: timeout"), "{log}");
    assert_eq!(bench.environments.idle(), 0);
}

#[tokio::test]
async fn exits_are_reported() {
    let bench = bench();
    for (source, message) in [
        ("process.exit(1)", "Runtime exited with error: exit status 1"),
        ("process.exit(0)", "Runtime exited without providing a reason"),
    ] {
        let function = bench.node(&format!("export const handler = async () => {{ {source} }};"));
        let outcome = bench.invoke(&function, "{}").await;
        assert_eq!(json(&outcome)["errorType"], "Runtime.ExitError");
        assert_eq!(json(&outcome)["errorMessage"], format!("RequestId: 1234 Error: {message}"));
        assert!(log(&outcome).contains("Status: error\tError Type: Runtime.ExitError"), "{}", log(&outcome));
    }
    let failing_init = bench.node("process.exit(3);");
    let outcome = bench.invoke(&failing_init, "{}").await;
    assert_eq!(json(&outcome)["errorMessage"], "RequestId: 1234 Error: Runtime exited with error: exit status 3");
}

#[tokio::test]
async fn endless_output_does_not_stop_the_clock() {
    let bench = bench();
    let mut function = bench.python("def handler(event, context):\n    while True:\n        print('x' * 1000)\n");
    function.timeout = Duration::from_secs(1);
    let outcome = bench.invoke(&function, "{}").await;
    assert_eq!(json(&outcome)["errorType"], "Sandbox.Timedout");
    assert!(outcome.logs.iter().map(|line| line.message.len()).sum::<usize>() <= (33 << 20));
}

#[tokio::test]
async fn memory_is_limited() {
    let bench = bench();
    let mut function = bench.python(
        "def handler(event, context):\n    hog = []\n    while True:\n        hog.append(bytearray(1 << 20))\n",
    );
    function.memory_mb = 128;
    let outcome = bench.invoke(&function, "{}").await;
    let kind = json(&outcome)["errorType"].as_str().unwrap().to_owned();
    assert!(matches!(kind.as_str(), "Runtime.OutOfMemory" | "Runtime.ExitError"), "{}", log(&outcome));
    assert_eq!(json(&outcome)["errorMessage"], "RequestId: 1234 Error: Runtime exited with error: signal: killed");
}

#[tokio::test]
async fn the_sandbox_shows_nothing_of_the_machine() {
    let bench = bench();
    if bench.environments.probe().await.unwrap().backend != Backend::Native {
        return;
    }
    let secret = bench.directory.path().join("secret");
    fs::write(&secret, "s").unwrap();
    let source = format!(
        "import os, socket\n\
         def attempt(action):\n    try:\n        action()\n        return 'done'\n    except OSError as error:\n        return error.strerror\n\
         def handler(event, context):\n    return {{\n        \
         'secret': attempt(lambda: open({secret:?})),\n        \
         'root': sorted(os.listdir('/')),\n        \
         'user': os.getuid(),\n        \
         'processes': [p for p in os.listdir('/proc') if p.isdigit()],\n        \
         'task': attempt(lambda: open('/var/task/x', 'w')),\n        \
         'usr': attempt(lambda: open('/usr/x', 'w')),\n        \
         'top': attempt(lambda: open('/x', 'w')),\n        \
         'temporary': attempt(lambda: open('/tmp/x', 'w').write('x' * (4 << 20))),\n        \
         'network': attempt(lambda: socket.create_connection(('1.1.1.1', 80), 1)),\n        \
         'hosts': attempt(lambda: socket.create_connection(('127.0.0.1', 22), 1)),\n        \
         'mount': attempt(lambda: os.unshare(1) if hasattr(os, 'unshare') else (_ for _ in ()).throw(OSError(1, 'Operation not permitted'))),\n    }}\n"
    );
    let mut function = bench.python(&source);
    function.ephemeral_mb = 2;
    let outcome = bench.invoke(&function, "{}").await;
    let seen = json(&outcome);
    assert_eq!(seen["secret"], "No such file or directory", "{}", log(&outcome));
    assert_eq!(seen["user"], 993);
    assert_eq!(seen["processes"], serde_json::json!(["1"]));
    assert_eq!(seen["task"], "Read-only file system");
    assert_eq!(seen["usr"], "Read-only file system");
    assert_eq!(seen["top"], "Read-only file system");
    assert_eq!(seen["temporary"], "No space left on device");
    assert_eq!(seen["network"], "Network is unreachable");
    assert_eq!(seen["hosts"], "Connection refused");
    assert_eq!(seen["mount"], "Operation not permitted");
    let root: Vec<&str> = seen["root"].as_array().unwrap().iter().filter_map(|name| name.as_str()).collect();
    assert!(!root.contains(&"root") && !root.contains(&"home") && root.contains(&"var"), "{root:?}");
}

#[tokio::test]
async fn environments_run_side_by_side() {
    let bench = bench();
    let function = bench.python("import time, os\ndef handler(event, context):\n    time.sleep(0.3)\n    return open('/proc/self/stat').read()[:1]\n");
    let (one, two) = tokio::join!(bench.invoke(&function, "{}"), bench.invoke(&function, "{}"));
    assert!(one.report.init.is_some() && two.report.init.is_some());
    assert_eq!(bench.environments.idle(), 2);
    bench.environments.retire(&function.arn);
    assert_eq!(bench.environments.idle(), 0);
}

#[tokio::test]
async fn more_invocations_than_places_wait_for_one() {
    let mut bench = bench();
    bench.environments = Environments::new(Config { capacity: 2, ..config(bench.directory.path(), None, 0) });
    let functions = ["'a'", "'b'", "'c'"].map(|answer| {
        bench.python(&format!("import time\ndef handler(event, context):\n    time.sleep(0.02)\n    return {answer}\n"))
    });
    let calls = (0..24).map(|number| bench.invoke(&functions[number % 3], "{}"));
    let outcomes = futures_util::future::join_all(calls).await;
    for (number, outcome) in outcomes.iter().enumerate() {
        assert_eq!(text(outcome), ["\"a\"", "\"b\"", "\"c\""][number % 3]);
    }
    assert!(bench.environments.idle() <= 2);
}

#[tokio::test]
async fn nothing_runs_between_invocations() {
    let bench = bench();
    let function = bench.python(
        "import threading, time, os, subprocess\ncount = 0\ndef run():\n    global count\n    while True:\n        count += 1\n        time.sleep(0.001)\n\
         def handler(event, context):\n    if event == 'start':\n        threading.Thread(target=run, daemon=True).start()\n        \
         subprocess.Popen(['sh', '-c', 'while true; do echo >> /tmp/ticks; sleep 0.001; done'], start_new_session=True)\n    \
         ticks = os.path.getsize('/tmp/ticks') if os.path.exists('/tmp/ticks') else 0\n    return [count, ticks]\n",
    );
    bench.invoke(&function, "\"start\"").await;
    // Long enough for thousands of ticks.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let counts = json(&bench.invoke(&function, "{}").await);
    let (thread, process) = (counts[0].as_i64().unwrap(), counts[1].as_i64().unwrap());
    assert!((1..400).contains(&thread) && process < 400, "{counts}");
}

#[tokio::test]
async fn a_custom_runtime_brings_its_bootstrap() {
    let bench = bench();
    let bootstrap = "#!/usr/bin/python3 -S\nimport os, http.client\n\
        connection = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])\n\
        while True:\n    connection.request('GET', '/2018-06-01/runtime/invocation/next')\n    next = connection.getresponse()\n    body = next.read()\n    \
        id = next.headers['Lambda-Runtime-Aws-Request-Id']\n    \
        connection.request('POST', f'/2018-06-01/runtime/invocation/{id}/response', body.upper())\n    connection.getresponse().read()\n";
    let function = bench.function("provided.al2023", "any", &[("bootstrap", bootstrap)]);
    let outcome = bench.invoke(&function, "\"loud\"").await;
    assert_eq!(text(&outcome), "\"LOUD\"", "{}", log(&outcome));
}

#[tokio::test]
async fn a_bootstrap_that_cannot_run_is_the_functions_fault() {
    let bench = bench();
    let outcome = bench.invoke(&bench.function("provided.al2", "any", &[("other", "")]), "{}").await;
    let missing = "RequestId: 1234 Error: Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]";
    assert_eq!(
        json(&outcome),
        serde_json::json!({ "errorType": "Runtime.InvalidEntrypoint", "errorMessage": missing })
    );
    let function = bench.function("provided.al2", "any", &[("bootstrap", "not a program")]);
    let outcome = bench.invoke(&function, "{}").await;
    assert_eq!(json(&outcome)["errorType"], "Runtime.InvalidEntrypoint");
    assert!(
        log(&outcome).contains("Error: fork/exec /var/task/bootstrap: exec format error\nRuntime.InvalidEntrypoint"),
        "{}",
        log(&outcome)
    );
}

#[tokio::test]
async fn children_end_with_the_environment() {
    let bench = bench();
    let mark = format!("{}.5", std::process::id() + 100_000);
    let function = bench.python(&format!(
        "import subprocess\ndef handler(event, context):\n    subprocess.Popen(['sleep', '{mark}'], start_new_session=True)\n    return 'started'\n"
    ));
    let outcome = bench.invoke(&function, "{}").await;
    assert_eq!(text(&outcome), "\"started\"", "{}", log(&outcome));
    // A program's arguments show up a moment after it has begun.
    while !is_running(&mark) {
        tokio::task::yield_now().await;
    }
    bench.environments.retire(&function.arn);
    while is_running(&mark) {
        tokio::task::yield_now().await;
    }
}

/// Run by the test below, in a process of its own.
#[tokio::test]
#[ignore = "a server to be killed"]
async fn a_server_with_a_busy_function() {
    let bench = bench();
    let mark = format!("{}.25", std::process::id() + 100_000);
    let function = bench.python(&format!(
        "import subprocess\ndef handler(event, context):\n    subprocess.Popen(['sleep', '{mark}'], start_new_session=True)\n"
    ));
    bench.invoke(&function, "{}").await;
    println!("\nmark {mark}");
    std::future::pending().await
}

#[test]
fn everything_ends_with_the_server() {
    use std::io::{BufRead, BufReader};
    let mut server = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "environment::tests::a_server_with_a_busy_function"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let mark = lines.map_while(Result::ok).find_map(|line| line.strip_prefix("mark ").map(str::to_owned)).unwrap();
    while !is_running(&mark) {
        std::thread::yield_now();
    }
    server.kill().unwrap();
    server.wait().unwrap();
    while is_running(&mark) {
        std::thread::yield_now();
    }
}

fn is_running(argument: &str) -> bool {
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path().join("cmdline"));
    processes
        .filter_map(|path| fs::read(path).ok())
        .any(|line| line.split(|byte| *byte == 0).any(|part| part == argument.as_bytes()))
}

#[tokio::test]
async fn reserved_runtimes_become_functions() {
    let bench = bench_with(None, 1);
    let probe = bench.environments.probe().await.unwrap();
    if probe.backend != Backend::Native || !probe.privileged {
        return;
    }
    for (runtime, function) in [
        ("nodejs20.x", bench.node("import fs from 'node:fs'; export const handler = async () => [process.env.COLOUR, process.cwd(), fs.existsSync('/var/task/index.mjs')];")),
        ("python3.11", bench.python("import os\ndef handler(event, context):\n    return [os.environ['COLOUR'], os.getcwd(), os.path.exists('/var/task/app.py')]\n")),
    ] {
        bench.environments.anticipate(runtime).await.unwrap();
        // An interpreter that waits needs time to get there; a hand-over before that works too, it is only slower.
        let outcome = bench.invoke(&function, "{}").await;
        assert_eq!(json(&outcome), serde_json::json!(["blue", "/var/task", true]), "{}", log(&outcome));
    }
}

#[tokio::test]
#[ignore = "fetches the AWS SDKs, once"]
async fn rehearsed_sdks_use_the_functions_own_credentials() {
    let mut bench = bench_with(None, 1);
    bench.environments = Environments::new(Config {
        cache: std::env::temp_dir().join("welkin-test-sdks"),
        ..config(bench.directory.path(), None, 1)
    });
    let node = "import { DynamoDBClient } from '@aws-sdk/client-dynamodb'; const client = new DynamoDBClient({});\n\
        export const handler = async () => [(await client.config.credentials()).accessKeyId, await client.config.region(), 4566];";
    let python = "import boto3\nfrom urllib.parse import urlparse\n\
        def handler(event, context):\n    client = boto3.client('s3')\n    \
        return [client._request_signer._credentials.access_key, client.meta.region_name, urlparse(client.meta.endpoint_url).port]\n";
    for (runtime, function) in [("nodejs20.x", bench.node(node)), ("python3.11", bench.python(python))] {
        bench.environments.prepare(runtime, |_| {}).await.unwrap();
        for _ in ["reserved", "warm"] {
            let outcome = bench.invoke(&function, "{}").await;
            assert_eq!(json(&outcome), serde_json::json!(["ASIA", "us-east-1", 4566]), "{}", log(&outcome));
            assert!(!log(&outcome).contains("Warning"), "{}", log(&outcome));
        }
    }
}

#[tokio::test]
async fn plain_processes_work_too() {
    let bench = bench_with(Some(Backend::Process), 0);
    let function = bench.node("export const handler = async (event) => { console.log('seen'); return event; };");
    let outcome = bench.invoke(&function, "[1]").await;
    assert_eq!(text(&outcome), "[1]", "{}", log(&outcome));
    assert!(log(&outcome).contains("\tINFO\tseen"));
    let function = bench.python("def handler(event, context):\n    return event\n");
    let outcome = bench.invoke(&function, "[2]").await;
    assert_eq!(text(&outcome), "[2]", "{}", log(&outcome));
}

#[test]
fn work_directories_are_below_the_configured_one() {
    let directory = tempfile::tempdir().unwrap();
    let runtime = crate::bootstraps::install(directory.path()).unwrap();
    assert!(runtime.starts_with(directory.path()) && Path::new(&runtime).join("node.cjs").exists());
}
